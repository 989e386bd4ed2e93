//! Files on disk: what they are, their columns, and how DuckDB reads them. It opens headers only.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use arrow::datatypes::DataType;
use flate2::read::MultiGzDecoder;
use parquet::{
    arrow::parquet_to_arrow_schema,
    file::reader::{FileReader, SerializedFileReader},
};

use super::columns::{Column, Columns, Kind, identifier, quoted};
use crate::error::{Error, Result};

/// What a zip archive may unpack to: DEFLATE reaches 1032:1 only on bombs, bills stay below 60:1.
const MAX_UNPACK_RATIO: u64 = 300;
/// Below this size an archive may unpack at any ratio.
const MAX_UNPACK_FREELY: u64 = 64 << 20;
/// The longest line of a CSV file; bills with many tags pass DuckDB's default of 2 MB.
const MAX_LINE_BYTES: usize = 16 << 20;

/// Changes when the file does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub size: u64,
    pub text: String,
}

/// The stamp of `path` as it is now.
pub fn stamp(path: &Path) -> Result<Stamp> {
    let metadata = fs::metadata(path).map_err(|e| cannot_read(path).cause(e))?;
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let nanoseconds = modified.map_or(0, |duration| duration.as_nanos());
    Ok(Stamp { size: metadata.len(), text: format!("{}-{nanoseconds}", metadata.len()) })
}

/// The one path of a file, whatever links and dots lead to it; it names the file in the database.
pub fn canonical(path: &Path) -> Result<PathBuf> {
    fs::canonicalize(path).map_err(|e| cannot_read(path).cause(e))
}

/// A file whose header has been read.
pub struct OpenFile {
    pub columns: Columns,
    /// Rows, where the file's own metadata says it.
    pub rows: Option<u64>,
    /// The file to read: the one named, or what was unpacked from it.
    readable: PathBuf,
    reader: Reader,
}

enum Reader {
    Parquet,
    Csv { delimiter: char, gzip: bool, names: Vec<String> },
}

/// Reads the header of `path`, told apart by its first bytes; archives are unpacked to `unpack_to`.
///
/// # Errors
/// When the file is empty, cannot be read, or is neither parquet nor CSV, gzip or zip of CSV.
pub fn open(path: &Path, unpack_to: &Path) -> Result<OpenFile> {
    let mut magic = Vec::new();
    let file = File::open(path).map_err(|e| cannot_read(path).cause(e))?;
    file.take(4).read_to_end(&mut magic).map_err(|e| cannot_read(path).cause(e))?;
    match magic.as_slice() {
        [] => Err(Error::input("the file is empty")),
        b"PAR1" => open_parquet(path),
        [0x1f, 0x8b, ..] => open_csv(path, true),
        b"PK\x03\x04" => open_csv(&unzip(path, unpack_to)?, false),
        _ => open_csv(path, false),
    }
}

fn cannot_read(path: &Path) -> Error {
    Error::input(format!("cannot read `{}`", path.display()))
}

fn open_parquet(path: &Path) -> Result<OpenFile> {
    let broken = |e: parquet::errors::ParquetError| {
        Error::input("the parquet file is damaged or cut short").cause(e).hint("fetch the file again")
    };
    let file = File::open(path).map_err(|e| cannot_read(path).cause(e))?;
    let reader = SerializedFileReader::new(file).map_err(broken)?;
    let metadata = reader.metadata();
    let schema = metadata.file_metadata();
    let arrow = parquet_to_arrow_schema(schema.schema_descr(), None).map_err(broken)?;
    // Whether a column has values: without statistics only reading the rows can tell.
    let filled = |name: &str| {
        let schema = schema.schema_descr();
        let leaf = (0..schema.num_columns()).find(|index| schema.column(*index).path().string() == name)?;
        metadata.row_groups().iter().try_fold(false, |any, group| {
            let nulls = group.column(leaf).statistics()?.null_count_opt()?;
            Some(any || i64::try_from(nulls) != Ok(group.num_rows()))
        })
    };
    let columns = arrow.fields().iter().map(|field| Column {
        name: field.name().clone(),
        physical: identifier(field.name()),
        kind: match field.data_type() {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Kind::Text,
            DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => Kind::Time,
            DataType::Map(..) => Kind::Map,
            numeric if numeric.is_numeric() => Kind::Number,
            _ => Kind::Other,
        },
        filled: filled(field.name()),
    });
    Ok(OpenFile {
        columns: Columns::new(columns.collect()),
        rows: u64::try_from(schema.num_rows()).ok(),
        readable: path.to_owned(),
        reader: Reader::Parquet,
    })
}

fn open_csv(path: &Path, gzip: bool) -> Result<OpenFile> {
    let file = File::open(path).map_err(|e| cannot_read(path).cause(e))?;
    let mut header = Vec::new();
    let limit = MAX_LINE_BYTES as u64;
    let read = if gzip {
        BufReader::new(MultiGzDecoder::new(file)).take(limit).read_until(b'\n', &mut header)
    } else {
        BufReader::new(file).take(limit).read_until(b'\n', &mut header)
    };
    read.map_err(|e| {
        let error = Error::input("the header cannot be read").cause(e);
        if gzip { error.hint("the gzip file is damaged or cut short; fetch it again") } else { error }
    })?;
    let text = std::str::from_utf8(&header)
        .map_err(|_| Error::input("this is not a bill").cause("it is neither parquet, gzip, zip nor UTF-8 text"))?;
    let text = text.trim_start_matches('\u{feff}').trim_end();
    if text.is_empty() {
        return Err(Error::input("the file has no header").cause("its first line is blank"));
    }
    let delimiter = [',', ';', '\t', '|'].into_iter().max_by_key(|c| (text.matches(*c).count(), *c == ','));
    let delimiter = delimiter.unwrap_or(',');
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).delimiter(delimiter as u8).from_reader(text.as_bytes());
    let mut record = csv::StringRecord::new();
    reader.read_record(&mut record).map_err(|e| Error::input("the header cannot be read").cause(e))?;
    let mut names = Vec::new();
    let mut taken = BTreeSet::new();
    for name in &record {
        let mut unique = name.trim().to_owned();
        while !taken.insert(unique.to_lowercase()) {
            unique.push('_');
        }
        names.push(unique);
    }
    let columns = record.iter().zip(&names).map(|(name, physical)| Column {
        name: name.trim().into(),
        physical: identifier(physical),
        kind: Kind::Text,
        filled: None,
    });
    Ok(OpenFile {
        columns: Columns::new(columns.collect()),
        rows: None,
        readable: path.to_owned(),
        reader: Reader::Csv { delimiter, gzip, names },
    })
}

impl OpenFile {
    /// The FROM item that reads the file in DuckDB. Each of `null_texts` is NULL in CSV.
    pub fn as_from_item(&self, null_texts: &[&str]) -> String {
        let path = quoted(&self.readable.to_string_lossy().replace('\\', "/"));
        match &self.reader {
            Reader::Parquet => format!("read_parquet({path}, hive_partitioning = false)"),
            Reader::Csv { delimiter, gzip, names } => {
                let columns: Vec<String> = names.iter().map(|name| format!("{}: 'VARCHAR'", quoted(name))).collect();
                let nulls: Vec<String> = null_texts.iter().map(|text| quoted(text)).collect();
                format!(
                    "read_csv({path}, auto_detect = false, header = true, delim = {}, quote = '\"', escape = '\"', \
                     nullstr = [{}], max_line_size = {MAX_LINE_BYTES}, compression = '{}', hive_partitioning = false, \
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

/// Unpacks the one CSV of an archive, within bounds.
fn unzip(path: &Path, unpack_to: &Path) -> Result<PathBuf> {
    let damaged = |e: &dyn std::fmt::Display| {
        Error::input("the zip archive is damaged or cut short").cause(e).hint("fetch the file again")
    };
    let file = File::open(path).map_err(|e| cannot_read(path).cause(e))?;
    let packed = file.metadata().map_err(|e| cannot_read(path).cause(e))?.len();
    let mut archive = zip::ZipArchive::new(BufReader::new(file)).map_err(|e| damaged(&e))?;
    let entries: Vec<usize> = (0..archive.len())
        .filter(|index| {
            let name = archive.name_for_index(*index).and_then(Result::ok).unwrap_or_default().to_lowercase();
            name.ends_with(".csv") && !name.starts_with("__macosx")
        })
        .collect();
    let &[entry] = entries.as_slice() else {
        return Err(Error::input(format!("the archive holds {} CSV files, not one", entries.len()))
            .hint("unpack it and ingest the folder"));
    };
    let limit = MAX_UNPACK_FREELY.max(packed.saturating_mul(MAX_UNPACK_RATIO));
    let target = unpack_to.join(format!("{}.csv", fs::read_dir(unpack_to).map_or(0, Iterator::count)));
    let mut output = File::create(&target).map_err(|e| cannot_read(&target).cause(e))?;
    let entry = archive.by_index(entry).map_err(|e| damaged(&e))?;
    let mut entry = entry.take(limit + 1);
    let mut buffer = vec![0; 1 << 20];
    let mut written = 0;
    loop {
        // What cannot be read is the archive's fault, what cannot be written the disk's.
        let count = entry.read(&mut buffer).map_err(|e| damaged(&e))?;
        if count == 0 {
            break;
        }
        output.write_all(&buffer[..count]).map_err(|e| {
            Error::input(format!("cannot unpack to `{}`", unpack_to.display())).cause(e).hint("free space on that disk")
        })?;
        written += count as u64;
    }
    if written > limit {
        return Err(Error::input("the archive unpacks to more than any bill does")
            .cause(format!("{packed} bytes grow past {limit}"))
            .hint("if it is a bill all the same, unpack it yourself and ingest the CSV"));
    }
    Ok(target)
}

/// The files below `folder` in order of their names; hidden ones are passed over.
pub fn walk(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    let mut seen = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        // Links may lead back to a folder above.
        if !seen.insert(canonical(&folder)?) {
            continue;
        }
        for entry in fs::read_dir(&folder).map_err(|e| cannot_read(&folder).cause(e))? {
            let path = entry.map_err(|e| cannot_read(&folder).cause(e))?.path();
            let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
            if hidden {
                continue;
            }
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    Ok(files)
}

/// Whether a file in a folder may be a bill, by its name.
pub fn looks_like_data(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    [".parquet", ".csv", ".csv.gz", ".csv.zip", ".zip"].iter().any(|ending| name.ends_with(ending))
}
