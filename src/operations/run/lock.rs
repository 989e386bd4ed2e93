//! One run at a time: a lock on a file beside the database, which the system lets go of when the process ends.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
};

use crate::error::{Error, Result};

/// Digits of a process id, at most.
const LONGEST: u64 = 20;

/// Held until it is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of a database.
    ///
    /// # Errors
    /// When another process has it, or the file cannot be written, or is not one of these.
    pub fn take(database: &Path) -> Result<Self> {
        let mut name = database.as_os_str().to_owned();
        name.push(".lock");
        let path = PathBuf::from(name);
        let failed = |e: std::io::Error| Error::input(format!("cannot lock `{}`", path.display())).caused_by(e);
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let mut file = open(&path).map_err(|error| match path.is_symlink() {
            true => failed(error).hint("a symbolic link is not followed, for it is written over: remove it"),
            false => failed(error),
        })?;
        let mut holder = String::new();
        let read = (&file).take(LONGEST + 1).read_to_string(&mut holder);
        // What is written over was written here.
        if read.is_err() || !holder.trim().chars().all(|digit| digit.is_ascii_digit()) || holder.len() as u64 > LONGEST
        {
            return Err(Error::input(format!("`{}` is not a lock", path.display()))
                .cause("it does not hold a process id alone")
                .hint("move it away, if it is yours"));
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let by = if holder.trim().is_empty() { String::new() } else { format!(" (PID {})", holder.trim()) };
                return Err(Error::input(format!("another `run`, `watch` or `notify` is at work{by}"))
                    .hint("it tells what there is to tell; this one did nothing"));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        // Only told to whom comes second.
        let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| write!(file, "{}", std::process::id()));
        Ok(Self { _file: file })
    }
}

/// Opens the file as it is, or makes it.
fn open(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
    }
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_file_is_written_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let database = folder.path().join("a.duckdb");
        let path = folder.path().join("a.duckdb.lock");
        {
            let _lock = Lock::take(&database).expect("free");
            assert_eq!(fs::read_to_string(&path).expect("a lock"), std::process::id().to_string());
            let error = Lock::take(&database).expect_err("taken").to_string();
            assert!(error.contains(&format!("at work (PID {})", std::process::id())), "{error}");
        }
        drop(Lock::take(&database).expect("free again"));
        for notes in ["notes", "12345678901234567890123", "\u{fc}"] {
            fs::write(&path, notes).expect("a file");
            let error = Lock::take(&database).expect_err("a file of somebody's").to_string();
            assert!(error.contains("is not a lock"), "{error}");
            assert_eq!(fs::read_to_string(&path).expect("a file"), notes);
        }
    }

    #[test]
    #[cfg(unix)]
    fn a_link_is_not_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let (database, target) = (folder.path().join("a.duckdb"), folder.path().join("target"));
        fs::write(&target, "42").expect("a file");
        std::os::unix::fs::symlink(&target, folder.path().join("a.duckdb.lock")).expect("a link");
        let error = Lock::take(&database).expect_err("a link").to_string();
        assert!(error.contains("cannot lock") && error.contains("remove it"), "{error}");
        assert_eq!(fs::read_to_string(&target).expect("a file"), "42");
    }
}
