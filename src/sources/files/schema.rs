//! The schema of a parquet file: names, what columns hold, whether they have values. It reads the footer only.

use std::{collections::HashMap, fs::File, path::Path};

use arrow::datatypes::{DataType, TimeUnit};
use parquet::{
    arrow::parquet_to_arrow_schema,
    file::{
        metadata::ParquetMetaData,
        reader::{FileReader, SerializedFileReader},
    },
};

use super::{
    super::columns::{Column, Columns, Kind, identifier},
    OpenFile, Reader, cannot_read, check_count, distinct, inert,
    place::pattern,
};
use crate::error::{Error, Result};

/// Rows that a file of any size may have.
const MOST_ROWS_FREELY: u64 = 4 << 20;
/// Rows for each byte of the file, at most: a line of a bill takes some ten bytes, however well it is packed.
const MOST_ROWS_OF_A_BYTE: u64 = 4;

/// # Errors
/// When the file is damaged, or has more columns or rows than a bill has.
pub(super) fn open(path: &Path, unpack_to: &Path) -> Result<OpenFile> {
    let broken = |e: parquet::errors::ParquetError| {
        Error::input("the parquet file is damaged or cut short").caused_by(e).hint("fetch the file again")
    };
    let file = File::open(path).map_err(|e| cannot_read(path).caused_by(e))?;
    let bytes = file.metadata().map_err(|e| cannot_read(path).caused_by(e))?.len();
    let reader = SerializedFileReader::new(file).map_err(broken)?;
    let metadata = reader.metadata();
    let schema = metadata.file_metadata();
    let arrow = parquet_to_arrow_schema(schema.schema_descr(), None).map_err(broken)?;
    check_count(arrow.fields().len())?;
    let rows = u64::try_from(schema.num_rows()).ok();
    if rows.is_some_and(|rows| rows > MOST_ROWS_FREELY.max(bytes.saturating_mul(MOST_ROWS_OF_A_BYTE))) {
        return Err(Error::input("the parquet file has more rows than any bill of its size")
            .cause(format!("{} rows in {bytes} bytes", schema.num_rows()))
            .hint("if it is a bill all the same, write it anew as CSV"));
    }
    let names: Vec<String> = arrow.fields().iter().map(|field| inert(field.name()).trim().to_owned()).collect();
    let physical = distinct(names.iter().cloned());
    let filled = filled(metadata);
    let columns = arrow.fields().iter().zip(names.iter().zip(&physical)).filter(|(_, (name, _))| !name.is_empty());
    let columns = columns.flat_map(|(field, (name, physical))| {
        let own = Column {
            name: name.clone(),
            physical: identifier(physical),
            kind: kind(field.data_type()),
            filled: filled.get(field.name().as_str()).copied().flatten(),
        };
        let parts = parts(&own, field.data_type());
        std::iter::once(own).chain(parts)
    });
    let columns: Vec<Column> = columns.collect();
    check_count(columns.len())?;
    // Only ICU, which is not in the binary, makes a plain timestamp of this type; it reads as one of the same unit.
    let is_zoned = |kind: &DataType| matches!(kind, DataType::Timestamp(TimeUnit::Nanosecond, Some(_)));
    let zoned = arrow.fields().iter().zip(&physical).filter(|(field, _)| is_zoned(field.data_type()));
    let zoned = zoned.map(|(_, name)| identifier(name)).collect();
    let is_binary = |kind: &DataType| matches!(kind, DataType::Binary | DataType::LargeBinary | DataType::BinaryView);
    Ok(OpenFile {
        columns: Columns::new(columns),
        rows,
        header_lines: 0,
        piped: None,
        missing: None,
        pattern: pattern(path, unpack_to)?,
        reader: Reader::Parquet {
            // DuckDB has its own way to make names distinct; ours are given by position.
            names: (arrow.fields().iter().map(|field| field.name()).ne(&physical)).then_some(physical),
            zoned,
            binary_as_string: arrow.fields().iter().any(|field| is_binary(field.data_type())),
        },
    })
}

fn kind(data_type: &DataType) -> Kind {
    match data_type {
        // Text without the mark that it is text, as Hive and Impala write it.
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => Kind::Text,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Kind::Text,
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => Kind::Time,
        DataType::Map(..) => Kind::Map,
        DataType::List(item) | DataType::LargeList(item) if is_entry(item.data_type()) => Kind::Entries,
        numeric if numeric.is_numeric() => Kind::Number,
        _ => Kind::Other,
    }
}

/// The fields of a struct, `service.id` of `service`, as columns of their own.
fn parts(column: &Column, data_type: &DataType) -> Vec<Column> {
    let DataType::Struct(fields) = data_type else { return Vec::new() };
    let named = fields.iter().filter(|field| !field.name().is_empty());
    let part = |name: &str, data_type| {
        let part = column.part(&inert(name), kind(data_type));
        let parts = parts(&part, data_type);
        std::iter::once(part).chain(parts).collect::<Vec<_>>()
    };
    named.flat_map(|field| part(field.name(), field.data_type())).collect()
}

/// Whether the items of a list are pairs of a key and a value.
fn is_entry(item: &DataType) -> bool {
    let DataType::Struct(fields) = item else { return false };
    ["key", "value"].iter().all(|name| fields.find(name).is_some())
}

/// Whether a column has values, by its name: `None` where only reading the rows can tell. Several of one name are not told
/// apart.
fn filled(metadata: &ParquetMetaData) -> HashMap<&str, Option<bool>> {
    let schema = metadata.file_metadata().schema_descr();
    let mut filled = HashMap::new();
    for (leaf, column) in schema.columns().iter().enumerate() {
        let [name] = column.path().parts() else { continue };
        let values = metadata.row_groups().iter().try_fold(false, |any, group| {
            let nulls = group.column(leaf).statistics()?.null_count_opt()?;
            Some(any || i64::try_from(nulls) != Ok(group.num_rows()))
        });
        filled.entry(name.as_str()).and_modify(|known| *known = None).or_insert(values);
    }
    filled
}
