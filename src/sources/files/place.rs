//! Where a file is: a regular one under a name that DuckDB takes for this file and no other.

use std::{
    fs::{self, File},
    io::{Read, Write},
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::Duration,
};

use sha2::{Digest, Sha256};
use tempfile::Builder;

use super::{Stamp, cannot_read};
use crate::error::{Error, Result};

/// What is read from a pipe, as it comes.
const MAX_PIPED_BYTES: u64 = 4 << 30;
/// How long somebody may take to open the other end of a pipe.
const PATIENCE: Duration = Duration::from_secs(10);

/// A regular file.
pub(super) struct Regular {
    pub path: PathBuf,
    /// What a pipe gave is known by its content.
    pub piped: Option<Stamp>,
}

/// `path` itself, or a copy in `unpack_to` of what comes out of the pipe that it names.
///
/// # Errors
/// When it is a folder, a device or a socket, or a pipe that nobody writes into or that has no end.
pub(super) fn regular(path: &Path, unpack_to: &Path) -> Result<Regular> {
    let metadata = fs::metadata(path).map_err(|e| cannot_read(path).caused_by(e))?;
    if metadata.is_file() {
        return Ok(Regular { path: path.to_owned(), piped: None });
    }
    if metadata.is_dir() {
        return Err(Error::input("it is a folder"));
    }
    #[cfg(unix)]
    if std::os::unix::fs::FileTypeExt::is_fifo(&metadata.file_type()) {
        return copy(path, unpack_to, PATIENCE, MAX_PIPED_BYTES);
    }
    Err(Error::input("it is a device or a socket, not a file").hint("name a file, or pipe one into `/dev/stdin`"))
}

fn copy(path: &Path, unpack_to: &Path, patience: Duration, limit: u64) -> Result<Regular> {
    // Opening waits for the other end, for ever if there is none.
    let (send, opened) = mpsc::channel();
    let pipe = path.to_owned();
    thread::spawn(move || send.send(File::open(pipe)));
    let mut pipe = opened
        .recv_timeout(patience)
        .map_err(|_| Error::input("it is a pipe that nobody writes into"))?
        .map_err(|e| cannot_read(path).caused_by(e))?;
    let (mut file, copied) = new_file(unpack_to)?;
    let mut digest = Sha256::new();
    let size = pour(&mut pipe, limit, &|e| cannot_read(path).caused_by(e), |bytes| {
        digest.update(bytes);
        file.write_all(bytes).map_err(|e| cannot_write(unpack_to, e))
    })?;
    if size > limit {
        return Err(Error::input("more comes out of the pipe than any bill has")
            .cause(format!("it was left after {limit} bytes"))
            .hint("if it is a bill all the same, write it to a file and ingest that"));
    }
    let text = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Regular { path: copied, piped: Some(Stamp { size, text }) })
}

/// A new file in `unpack_to`, named by us, which goes with the folder.
pub(super) fn new_file(unpack_to: &Path) -> Result<(File, PathBuf)> {
    let made = Builder::new().suffix(".csv").tempfile_in(unpack_to).map_err(|e| cannot_write(unpack_to, e))?;
    made.keep().map_err(|e| cannot_write(unpack_to, e.error))
}

pub(super) fn cannot_write(unpack_to: &Path, cause: std::io::Error) -> Error {
    Error::input(format!("cannot unpack to `{}`", unpack_to.display())).cause(cause).hint("free space on that disk")
}

/// Hands what `from` gives to `into`, up to one byte more than `limit`; returns how many bytes that were.
///
/// # Errors
/// What cannot be read is the fault of what is read: `broken` says so. What `into` fails with is its own.
pub(super) fn pour(
    from: &mut dyn Read,
    limit: u64,
    broken: &dyn Fn(std::io::Error) -> Error,
    mut into: impl FnMut(&[u8]) -> Result<()>,
) -> Result<u64> {
    let mut from = from.take(limit.saturating_add(1));
    let mut buffer = vec![0; 1 << 20];
    let mut total = 0;
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(total),
            Ok(count) => {
                into(&buffer[..count])?;
                total += count as u64;
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(broken(e)),
        }
    }
}

/// The text that DuckDB takes for this file and no other. A file without one is reached by a link in `unpack_to`.
///
/// # Errors
/// When the folder of the database cannot be written so either.
pub(super) fn pattern(path: &Path, unpack_to: &Path) -> Result<String> {
    if let Some(pattern) = pattern_of(path)? {
        return Ok(pattern);
    }
    #[cfg(unix)]
    {
        let link = new_file(unpack_to)?.1;
        let target = std::path::absolute(path).map_err(|e| cannot_read(path).caused_by(e))?;
        fs::remove_file(&link)
            .and_then(|()| std::os::unix::fs::symlink(target, &link))
            .map_err(|e| cannot_write(unpack_to, e))?;
        if let Some(pattern) = pattern_of(&link)? {
            return Ok(pattern);
        }
    }
    Err(cannot_read(path)
        .cause(format!("there is no way to name it to DuckDB, nor anything in `{}`", unpack_to.display()))
        .hint("rename the file, or the folder that the database is in"))
}

/// The text that DuckDB takes for this file and no other: it reads every path with `*`, `?` or `[` as a pattern, in which
/// `[*]` is the character itself, and splits it at backslashes. There is none for a name with both, or not in UTF-8.
///
/// # Errors
/// When there is no current folder.
pub(crate) fn pattern_of(path: &Path) -> Result<Option<String>> {
    let path = std::path::absolute(path).map_err(|e| cannot_read(path).caused_by(e))?;
    let Some(text) = path.to_str() else { return Ok(None) };
    if !text.contains(['*', '?', '[']) {
        return Ok(Some(text.to_owned()));
    }
    if cfg!(unix) && text.contains('\\') {
        return Ok(None);
    }
    let escape = |character: char| match character {
        '*' | '?' | '[' => format!("[{character}]"),
        other => other.to_string(),
    };
    Ok(Some(text.chars().map(escape).collect()))
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    fn fifo(folder: &Path) -> PathBuf {
        let path = folder.join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().expect("mkfifo").success());
        path
    }

    #[test]
    fn what_a_pipe_gives_is_copied_and_known_by_its_content() {
        let folder = tempfile::tempdir().expect("a folder");
        let pipe = fifo(folder.path());
        let read = |content: &'static str, limit| {
            let pipe = pipe.clone();
            let writer = thread::spawn({
                let pipe = pipe.clone();
                move || fs::write(pipe, content)
            });
            let copied = copy(&pipe, folder.path(), Duration::from_secs(60), limit);
            let _ = writer.join();
            copied
        };
        let first = read("date,cost\n", 100).expect("copied");
        assert_eq!(fs::read(&first.path).expect("the copy"), b"date,cost\n");
        let (same, other) = (read("date,cost\n", 100).expect("copied"), read("date,cast\n", 100).expect("copied"));
        assert_eq!(first.piped, same.piped);
        assert_ne!(first.piped, other.piped);
        let error = read("date,cost\n", 9).err().expect("too long").summary();
        assert!(error.contains("more comes out of the pipe"), "{error}");
    }

    #[test]
    fn a_pipe_that_nobody_writes_into_is_not_waited_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let error = copy(&fifo(folder.path()), folder.path(), Duration::from_millis(20), 100).err().expect("nobody");
        assert_eq!(error.summary(), "it is a pipe that nobody writes into");
    }

    #[test]
    fn devices_and_folders_are_no_files() {
        let folder = tempfile::tempdir().expect("a folder");
        for path in [Path::new("/dev/zero"), Path::new("/dev/null"), folder.path()] {
            assert!(regular(path, folder.path()).is_err(), "{}", path.display());
        }
    }

    #[test]
    fn names_are_not_patterns() {
        let folder = Path::new("/tmp");
        let of = |name: &str| pattern(Path::new(name), folder).expect("a pattern");
        assert_eq!(of("/a/b.csv"), "/a/b.csv");
        assert_eq!(of("/a[1]/b*?.csv"), "/a[[]1]/b[*][?].csv");
        assert_eq!(of(r"/a\b.csv"), r"/a\b.csv");
        let linked = of(r"/a\b[1].csv");
        assert_eq!(fs::read_link(&linked).expect("a link"), Path::new(r"/a\b[1].csv"));
        fs::remove_file(linked).expect("removed");
    }
}
