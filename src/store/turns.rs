//! How processes make room for each other. A server keeps the database open between answers; a writer of another process
//! says that it waits, and the server lets go. Two empty files beside the database carry that, by locks of the operating
//! system, which end with their process: `.server` is locked by servers, `.writer` by a writer that waits.

use std::{
    fs::{File, OpenOptions, TryLockError},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// Whoever looks holds a lock for a moment; a writer tries again.
const TRIES: u32 = 20;
const MOMENT: Duration = Duration::from_millis(5);

fn beside(database: &Path, name: &str) -> PathBuf {
    database.with_added_extension(name)
}

fn made(path: &Path) -> Option<File> {
    OpenOptions::new().create(true).truncate(false).write(true).open(path).ok()
}

/// Says that this process keeps the database between answers, until what it gives is dropped. Nothing where the folder
/// cannot be written: no writer comes then.
pub(super) fn keep(database: &Path) -> Option<File> {
    let file = made(&beside(database, "server"))?;
    file.lock_shared().ok()?;
    Some(file)
}

/// Whether a server keeps the database, which would let go.
pub(super) fn is_kept(database: &Path) -> bool {
    let Ok(file) = OpenOptions::new().write(true).open(beside(database, "server")) else { return false };
    matches!(file.try_lock(), Err(TryLockError::WouldBlock))
}

/// Says that this process waits to write, until what it gives is dropped.
pub(super) fn announce(database: &Path) -> Option<File> {
    let file = made(&beside(database, "writer"))?;
    for _ in 0..TRIES {
        match file.try_lock() {
            Ok(()) => return Some(file),
            // Somebody looks, or another writer waits, for whom room is made, too.
            Err(TryLockError::WouldBlock) => thread::sleep(MOMENT),
            Err(TryLockError::Error(_)) => return None,
        }
    }
    None
}

/// Whether a writer waits.
pub(super) fn is_wanted(database: &Path) -> bool {
    let Ok(file) = File::open(beside(database, "writer")) else { return false };
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_ends_with_whoever_said_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let database = folder.path().join("a.duckdb");
        assert!(!is_kept(&database) && !is_wanted(&database));
        let (one, two) = (keep(&database), keep(&database));
        assert!(one.is_some() && two.is_some() && is_kept(&database));
        drop(one);
        assert!(is_kept(&database), "the other server still does");
        drop(two);
        assert!(!is_kept(&database));
        let writer = announce(&database).expect("nobody else");
        assert!(is_wanted(&database) && announce(&database).is_none());
        drop(writer);
        assert!(!is_wanted(&database));
        assert!(announce(&folder.path().join("none/a.duckdb")).is_none());
    }
}
