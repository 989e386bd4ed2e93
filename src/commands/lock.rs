//! One run at a time: a lock on a file beside the database, which the system lets go of when the process ends.

use std::{
    fs::{self, File, TryLockError},
    io::{Seek, Write},
    path::{Path, PathBuf},
};

use crate::error::{Error, Result};

/// Held until it is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of a database.
    ///
    /// # Errors
    /// When another process has it, or the file cannot be written.
    pub fn take(database: &Path) -> Result<Self> {
        let mut name = database.as_os_str().to_owned();
        name.push(".lock");
        let path = PathBuf::from(name);
        let failed = |e: std::io::Error| Error::input(format!("cannot lock `{}`", path.display())).cause(e);
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let mut file =
            File::options().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = fs::read_to_string(&path).unwrap_or_default();
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
