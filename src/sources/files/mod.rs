//! Files on disk: what they are, their columns, and how DuckDB reads them. It opens headers only; what DuckDB cannot
//! read in place is made into UTF-8 CSV once, within bounds.

mod folders;
mod header;
mod json;
mod place;
mod schema;
mod text;
mod unpack;

use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

pub(crate) use folders::{looks_like_data, walk};
pub(crate) use json::Field;
pub(crate) use place::pattern_of;

use super::columns::{Columns, Missing, identifier, quoted};
use crate::error::{Error, Result};
use place::{pattern, regular};

/// The longest line of a CSV file; bills with many tags pass DuckDB's default of 2 MB.
const MAX_LINE_BYTES: usize = 16 << 20;
/// What DuckDB reads at once; of its own accord it would take sixteen of the longest lines, 256 MB.
const BUFFER_BYTES: usize = 2 * MAX_LINE_BYTES;
/// More columns than any bill has (AWS stops at some 500 tag keys), and what DuckDB still takes in seconds: its time
/// grows with the square of the columns.
const MAX_COLUMNS: usize = 4000;

/// Changes when the file does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub size: u64,
    pub text: String,
}

/// The stamp of `path` as it is now: its size and when it was written. On Unix also when the system says that it changed,
/// which nobody can set back.
pub(crate) fn stamp(path: &Path) -> Result<Stamp> {
    let metadata = fs::metadata(path).map_err(|e| cannot_read(path).caused_by(e))?;
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let nanoseconds = modified.map_or(0, |duration| duration.as_nanos());
    let text = format!("{}-{nanoseconds}", metadata.len());
    #[cfg(unix)]
    let text = {
        use std::os::unix::fs::MetadataExt;
        format!("{text}-{}", i128::from(metadata.ctime()) * 1_000_000_000 + i128::from(metadata.ctime_nsec()))
    };
    Ok(Stamp { size: metadata.len(), text })
}

/// The one path of a file, whatever links and dots lead to it; it names the file in the database. A pipe of the shell's
/// (`/dev/fd/63`) has none, and is called as it is named.
pub(crate) fn canonical(path: &Path) -> Result<PathBuf> {
    let found = fs::canonicalize(path).or_else(|e| if path.exists() { std::path::absolute(path) } else { Err(e) });
    found.map_err(|e| cannot_read(path).caused_by(e))
}

/// A file whose header has been read.
pub(crate) struct OpenFile {
    pub columns: Columns,
    /// Rows, where the file's own metadata says it.
    pub rows: Option<u64>,
    /// Lines before the first row.
    pub header_lines: u32,
    /// The stamp of what a pipe gave, which cannot be asked for again.
    pub piped: Option<Stamp>,
    /// What is not sure about the text of the file.
    pub missing: Option<Missing>,
    /// What DuckDB takes for the file to read: the one named, or what was made of it.
    pattern: String,
    reader: Reader,
}

enum Reader {
    Parquet {
        /// The names to give to the columns, where the file's own do not do.
        names: Option<Vec<String>>,
        /// Timestamps in nanoseconds with a zone, by SQL identifier.
        zoned: Vec<String>,
        binary_as_string: bool,
    },
    Csv {
        delimiter: char,
        gzip: bool,
        names: Vec<String>,
        skip: usize,
    },
    Json(json::Shape),
}

/// Whether a `.json` file has rows, and is no document such as a manifest: a list of objects, or objects on lines of their own.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn is_json_data(path: &Path) -> Result<bool> {
    json::has_rows(path)
}

/// What the first bytes of a file say that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    Parquet,
    Gzip,
    Zip,
    Bzip2,
    Zstd,
    Text,
}

/// Reads the header of `path`, told apart by its first bytes. What DuckDB cannot read in place goes to `unpack_to`:
/// pipes, archives, and text that is not UTF-8 or whose lines end in two ways.
///
/// # Errors
/// When the file is empty or no file, cannot be read, unpacks to more than a bill does, or is neither parquet, CSV nor JSON.
pub(crate) fn open(path: &Path, unpack_to: &Path) -> Result<OpenFile> {
    if canonical(path)?.to_str().is_none() {
        return Err(Error::input("its name is not UTF-8")
            .cause("the database could not tell it from others")
            .hint("rename the file or the folder that it is in"));
    }
    let file = regular(path, unpack_to)?;
    let opened = match content(&file.path)? {
        Content::Parquet => schema::open(&file.path, unpack_to)?,
        Content::Gzip if unpack::is_plain_gzip(&file.path)? => match json::is_json(&file.path, true)? {
            true => json::open(&file.path, true, unpack_to)?,
            false => open_csv(&file.path, true, unpack_to)?,
        },
        Content::Text => open_text(&file.path, unpack_to)?,
        packed => {
            let unpacked = unpack::unpack(&file.path, packed, unpack_to)?;
            match content(&unpacked)? {
                Content::Parquet => schema::open(&unpacked, unpack_to)?,
                Content::Text => open_text(&unpacked, unpack_to)?,
                _ => return Err(Error::input("it is an archive in an archive").hint("unpack it and ingest the CSV")),
            }
        }
    };
    Ok(OpenFile { piped: file.piped, ..opened })
}

/// # Errors
/// When the file is empty, or is known to be something that no bill is in.
fn content(path: &Path) -> Result<Content> {
    let mut magic = Vec::new();
    let file = File::open(path).map_err(|e| cannot_read(path).caused_by(e))?;
    file.take(8).read_to_end(&mut magic).map_err(|e| cannot_read(path).caused_by(e))?;
    let unreadable =
        |what: &str| Err(Error::input(format!("it is packed with {what}")).hint("unpack it and ingest the CSV"));
    match magic.as_slice() {
        [] => Err(Error::input("the file is empty")),
        [b'P', b'A', b'R', b'1', ..] => Ok(Content::Parquet),
        [b'P', b'A', b'R', b'E', ..] => Err(Error::input("the parquet file is encrypted")),
        [0x1f, 0x8b, ..] => Ok(Content::Gzip),
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Ok(Content::Zip),
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, ..] => Ok(Content::Bzip2),
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Ok(Content::Zstd),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => unreadable("xz"),
        [b'7', b'z', 0xbc, 0xaf, ..] => unreadable("7-Zip"),
        [b'R', b'a', b'r', b'!', ..] => unreadable("RAR"),
        [0x04, 0x22, 0x4d, 0x18, ..] => unreadable("lz4"),
        [0x1f, 0x9d, ..] => unreadable("compress"),
        _ => Ok(Content::Text),
    }
}

fn cannot_read(path: &Path) -> Error {
    Error::input(format!("cannot read `{}`", inert(&path.to_string_lossy())))
}

/// A name out of a file or a folder, on one line and without what moves a terminal.
fn inert(name: &str) -> String {
    name.replace(|character: char| character.is_control(), " ")
}

/// What is not text at all.
fn not_text() -> Error {
    Error::input("this is not a bill").cause("it is neither parquet, an archive (gzip, zip, bzip2, zstd) nor text")
}

/// A text as it is, or made into UTF-8 with lines that end in one way.
fn open_text(path: &Path, unpack_to: &Path) -> Result<OpenFile> {
    let found = text::scan_file(path)?;
    if json::is_json(path, false)? {
        return match found.is_plain() && !json::has_mark(path)? {
            true => json::open(path, false, unpack_to),
            false => json::open(&text::normalise(path, &found, unpack_to)?, false, unpack_to),
        };
    }
    if found.is_plain() {
        return open_csv(path, false, unpack_to);
    }
    let opened = open_csv(&text::normalise(path, &found, unpack_to)?, false, unpack_to)?;
    let missing = found
        .is_guessed()
        .then(|| Missing { column: "UTF-8 text".into(), consequence: "letters beyond ASCII are read as Windows-1252" });
    Ok(OpenFile { missing, ..opened })
}

fn open_csv(path: &Path, gzip: bool, unpack_to: &Path) -> Result<OpenFile> {
    let header = header::read(path, gzip)?;
    Ok(OpenFile {
        columns: Columns::new(header.columns()),
        rows: None,
        header_lines: 1,
        piped: None,
        missing: None,
        pattern: pattern(path, unpack_to)?,
        reader: Reader::Csv { delimiter: header.delimiter, gzip, names: header.physical, skip: header.skip },
    })
}

/// # Errors
/// When there are more columns than any bill has.
fn check_count(columns: usize) -> Result<()> {
    if columns <= MAX_COLUMNS {
        return Ok(());
    }
    Err(Error::input(format!("it has {columns} columns, more than any bill"))
        .cause(format!("at most {MAX_COLUMNS} are read"))
        .hint("export it with fewer tag columns"))
}

impl OpenFile {
    /// Reads `fields` of JSON objects, whether the first ones have them or not; other files have what they have.
    pub(crate) fn also_read(&mut self, fields: &[json::Field]) {
        if let Reader::Json(shape) = &mut self.reader {
            shape.add(fields);
            self.columns = shape.columns();
        }
    }

    /// The FROM item that reads the file in DuckDB. Each of `null_texts` is NULL in CSV.
    pub(crate) fn as_from_item(&self, null_texts: &[&str]) -> String {
        let path = quoted(&self.pattern);
        match &self.reader {
            Reader::Parquet { names, zoned, binary_as_string } => {
                let names = names.as_ref().map_or(String::new(), |names| {
                    format!(" AS file({})", names.iter().map(|name| identifier(name)).collect::<Vec<_>>().join(", "))
                });
                let file = format!(
                    "read_parquet({path}, hive_partitioning = false, binary_as_string = {binary_as_string}){names}"
                );
                if zoned.is_empty() {
                    return file;
                }
                let plain: Vec<String> =
                    zoned.iter().map(|name| format!("CAST({name} AS TIMESTAMP_NS) AS {name}")).collect();
                format!("(SELECT * REPLACE ({}) FROM {file})", plain.join(", "))
            }
            Reader::Json(shape) => shape.as_from_item(&path),
            Reader::Csv { delimiter, gzip, names, skip } => {
                let columns: Vec<String> = names.iter().map(|name| format!("{}: 'VARCHAR'", quoted(name))).collect();
                let nulls: Vec<String> = null_texts.iter().map(|text| quoted(text)).collect();
                format!(
                    "read_csv({path}, auto_detect = false, header = true, skip = {skip}, delim = {}, quote = '\"', escape = '\"', \
                     nullstr = [{}], max_line_size = {MAX_LINE_BYTES}, buffer_size = {BUFFER_BYTES}, compression = '{}', hive_partitioning = false, \
                     columns = {{{}}})",
                    quoted(&delimiter.to_string()),
                    nulls.join(", "),
                    if *gzip { "gzip" } else { "none" },
                    columns.join(", ")
                )
            }
        }
    }
}

/// Names that differ, as DuckDB compares them: without case. A second `cost` is `cost_2`, the third name, if blank, `column_3`.
fn distinct(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut taken = std::collections::HashMap::new();
    let unique = |(index, name): (usize, String)| {
        let name = if name.is_empty() { format!("column_{}", index + 1) } else { name };
        let mut count: usize = taken.get(&name.to_lowercase()).map_or(1, |count| count + 1);
        let mut unique = if count == 1 { name.clone() } else { format!("{name}_{count}") };
        while count > 1 && taken.contains_key(&unique.to_lowercase()) {
            count += 1;
            unique = format!("{name}_{count}");
        }
        taken.insert(name.to_lowercase(), count);
        taken.entry(unique.to_lowercase()).or_insert(1);
        unique
    };
    names.into_iter().enumerate().map(unique).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_distinct_without_trying_them_all() {
        let names = |names: &[&str]| distinct(names.iter().map(|name| (*name).to_owned()));
        assert_eq!(
            names(&["cost", "Cost", "cost_2", "", "COST"]),
            ["cost", "Cost_2", "cost_2_2", "column_4", "COST_3"]
        );
        let many = distinct(std::iter::repeat_n("same".to_owned(), 50_000));
        assert_eq!(many.iter().collect::<std::collections::BTreeSet<_>>().len(), 50_000);
    }
}
