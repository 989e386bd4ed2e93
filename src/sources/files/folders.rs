//! What lies in folders: regular files and nothing else.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use super::{cannot_read, canonical};
use crate::error::Result;

/// The regular files below `folder` in order of their names. Hidden ones are passed over, and what has no end or no bytes
/// of its own: pipes, devices, sockets.
pub(crate) fn walk(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    let mut seen = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        // Links may lead back to a folder above.
        if !seen.insert(canonical(&folder)?) {
            continue;
        }
        for entry in fs::read_dir(&folder).map_err(|e| cannot_read(&folder).caused_by(e))? {
            let path = entry.map_err(|e| cannot_read(&folder).caused_by(e))?.path();
            let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
            if hidden {
                continue;
            }
            match fs::metadata(&path) {
                Ok(metadata) if metadata.is_dir() => folders.push(path),
                Ok(metadata) if !metadata.is_file() => {}
                // A link to what is gone is a bill that is missing, and is said.
                _ => files.push(path),
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Whether a file in a folder may be a bill, by its name.
pub(crate) fn looks_like_data(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let endings =
        [".parquet", ".csv", ".csv.gz", ".csv.bz2", ".csv.zst", ".zip", ".jsonl", ".ndjson", ".jsonl.gz", ".json.gz"];
    // What BigQuery exports as JSON ends so; other documents lie in folders of bills, too.
    let is_numbered = name.strip_suffix(".json").is_some_and(|stem| stem.ends_with(|c: char| c.is_ascii_digit()));
    is_numbered || endings.iter().any(|ending| name.ends_with(ending))
}
