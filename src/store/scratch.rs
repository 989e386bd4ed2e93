//! Folders beside the database: for what is needed until the command ends, and where a new database is made.

use std::{ffi::OsStr, fs, path::Path, time::Duration};

use tempfile::TempDir;

use super::Store;
use crate::error::{Error, Result};

/// Letters and digits at the end of a folder's name, which differ from run to run.
const RANDOM: usize = 6;
/// Nothing takes longer to make an empty database.
const LONGEST_CREATION: Duration = Duration::from_secs(3600);

impl Store {
    /// Makes the folder; it goes with the value, and with the next writer if this process is killed.
    ///
    /// # Errors
    /// When the folder of the database cannot be written.
    pub(crate) fn scratch(&self) -> Result<TempDir> {
        tempfile::Builder::new()
            .prefix(&prefix(&self.path))
            .rand_bytes(RANDOM)
            .tempdir_in(folder(&self.path))
            .map_err(|e| Error::input("cannot make a folder beside the database").caused_by(e))
    }
}

/// Makes the folder in which a new database is made; it goes with the value, and an hour later if this process is killed.
pub(super) fn beside(database: &Path) -> std::io::Result<TempDir> {
    tempfile::Builder::new().prefix(&new_prefix(database)).rand_bytes(RANDOM).tempdir_in(folder(database))
}

/// Removes what killed commands left. Only the writer of the database may: there is one at a time.
pub(super) fn remove_left_behind(database: &Path) {
    for entry in fs::read_dir(folder(database)).into_iter().flatten().flatten() {
        let name = entry.file_name();
        // Another process may be making a database this moment.
        let is_old = || {
            let age = entry.metadata().and_then(|found| found.modified()).map(|changed| changed.elapsed());
            age.is_ok_and(|age| age.is_ok_and(|age| age > LONGEST_CREATION))
        };
        if is_random(&name, &prefix(database)) || is_random(&name, &new_prefix(database)) && is_old() {
            // What cannot be removed is in nobody's way.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Whether a name is the prefix and letters at random: a database `a.duckdb-x` has folders whose names begin alike.
fn is_random(name: &OsStr, prefix: &str) -> bool {
    let random = name.to_str().and_then(|name| name.strip_prefix(prefix));
    random.is_some_and(|random| random.len() == RANDOM && random.chars().all(|c| c.is_ascii_alphanumeric()))
}

fn folder(database: &Path) -> &Path {
    database.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(".".as_ref())
}

fn prefix(database: &Path) -> String {
    format!(".unpacked-{}-", database.file_name().unwrap_or_default().to_string_lossy())
}

fn new_prefix(database: &Path) -> String {
    format!(".{}.new-", database.file_name().unwrap_or_default().to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_other_databases_stay() {
        let folder = tempfile::tempdir().expect("a folder");
        let names = [
            (".unpacked-a.duckdb-AbCd12", true),
            (".unpacked-a.duckdb-x-AbCd12", false),
            (".unpacked-a.duckdb-abcdefgh-AbCd12", false),
            (".unpacked-b.duckdb-AbCd12", false),
            (".unpacked-a.duckdb-notes", false),
            // Somebody may be making it now.
            (".a.duckdb.new-AbCd12", false),
            (".a.duckdb.new-Old123", true),
        ];
        for (name, _) in names {
            fs::create_dir(folder.path().join(name)).expect("a folder");
            fs::write(folder.path().join(name).join("0.csv"), "x").expect("a file");
        }
        let old = fs::File::open(folder.path().join(".a.duckdb.new-Old123")).expect("a folder");
        old.set_modified(std::time::SystemTime::UNIX_EPOCH).expect("an older time");
        remove_left_behind(&folder.path().join("a.duckdb"));
        for (name, removed) in names {
            assert_eq!(folder.path().join(name).exists(), !removed, "{name}");
        }
    }
}
