//! A folder beside the database for what is needed until the command ends.

use std::{fs, path::Path};

use tempfile::TempDir;

use super::Store;
use crate::error::{Error, Result};

/// Letters and digits at the end of a folder's name, which differ from run to run.
const RANDOM: usize = 6;

impl Store {
    /// Makes the folder; it goes with the value, and with the next writer if this process is killed.
    ///
    /// # Errors
    /// When the folder of the database cannot be written.
    pub fn scratch(&self) -> Result<TempDir> {
        tempfile::Builder::new()
            .prefix(&prefix(&self.path))
            .rand_bytes(RANDOM)
            .tempdir_in(folder(&self.path))
            .map_err(|e| Error::input("cannot make a folder beside the database").cause(e))
    }
}

/// Removes what killed commands left. Only the writer of the database may: there is one at a time.
pub(super) fn remove_left_behind(database: &Path) {
    let prefix = prefix(database);
    for entry in fs::read_dir(folder(database)).into_iter().flatten().flatten() {
        let name = entry.file_name();
        // A database `a.duckdb-x` has folders whose names begin alike.
        let random = name.to_str().and_then(|name| name.strip_prefix(&prefix));
        if random.is_some_and(|random| random.len() == RANDOM && random.chars().all(|c| c.is_ascii_alphanumeric())) {
            // What cannot be removed is in nobody's way.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn folder(database: &Path) -> &Path {
    database.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(".".as_ref())
}

fn prefix(database: &Path) -> String {
    format!(".unpacked-{}-", database.file_name().unwrap_or_default().to_string_lossy())
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
        ];
        for (name, _) in names {
            fs::create_dir(folder.path().join(name)).expect("a folder");
            fs::write(folder.path().join(name).join("0.csv"), "x").expect("a file");
        }
        remove_left_behind(&folder.path().join("a.duckdb"));
        for (name, removed) in names {
            assert_eq!(folder.path().join(name).exists(), !removed, "{name}");
        }
    }
}
