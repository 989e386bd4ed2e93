//! JSON as bills have it: objects on lines of their own, or in one list. Every value is read as text, within the structs and
//! lists that the first objects show; a layout that knows its fields asks for them, for the first objects may lack some.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
};

use flate2::read::MultiGzDecoder;
use serde_json::Value;

use super::{
    super::columns::{Column, Columns, Kind, identifier, quoted},
    MAX_LINE_BYTES, OpenFile, Reader, cannot_read, check_count, inert,
    place::pattern,
};
use crate::error::{Error, Result};

/// What is looked at to see which fields there are.
const FIRST_BYTES: u64 = 1 << 20;
/// Structs in structs that are read as such; what lies deeper is text.
const DEPTH: usize = 3;

/// A field of an object, and what it holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    name: String,
    holds: Holds,
}

#[derive(Clone, Debug, PartialEq)]
enum Holds {
    /// A number, a text, or what lies too deep.
    Text,
    Struct(Vec<Field>),
    List(Box<Holds>),
}

/// How the objects of a file are to be read.
pub(super) struct Shape {
    fields: Vec<Field>,
    gzip: bool,
    /// Whether they are in one list.
    is_list: bool,
}

impl Field {
    pub(crate) fn text(name: &str) -> Self {
        Self { name: name.to_owned(), holds: Holds::Text }
    }

    pub(crate) fn of(name: &str, fields: &[&str]) -> Self {
        Self { name: name.to_owned(), holds: Holds::Struct(fields.iter().map(|name| Self::text(name)).collect()) }
    }

    pub(crate) fn list_of(name: &str, fields: &[&str]) -> Self {
        let Self { name, holds } = Self::of(name, fields);
        Self { name, holds: Holds::List(Box::new(holds)) }
    }
}

fn reader(path: &Path, gzip: bool) -> Result<Box<dyn BufRead>> {
    let file = File::open(path).map_err(|e| cannot_read(path).caused_by(e))?;
    Ok(if gzip { Box::new(BufReader::new(MultiGzDecoder::new(file))) } else { Box::new(BufReader::new(file)) })
}

/// Whether a file begins with a byte order mark, which DuckDB refuses in JSON.
pub(super) fn has_mark(path: &Path) -> Result<bool> {
    let mut start = Vec::new();
    reader(path, false)?.take(3).read_to_end(&mut start).map_err(|e| cannot_read(path).caused_by(e))?;
    Ok(start == b"\xef\xbb\xbf")
}

/// Whether a text begins as JSON does.
pub(super) fn is_json(path: &Path, gzip: bool) -> Result<bool> {
    let mut start = Vec::new();
    let read = reader(path, gzip)?.take(64).read_to_end(&mut start);
    // What cannot be unpacked is said where it is read.
    if read.is_err() && start.is_empty() {
        return Ok(false);
    }
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&start).trim_ascii_start();
    let after = start.get(1..).unwrap_or_default().trim_ascii_start();
    Ok(match start.first() {
        Some(b'{') => matches!(after.first(), Some(b'"' | b'}')),
        Some(b'[') => matches!(after.first(), Some(b'{' | b']')),
        _ => false,
    })
}

/// Whether a file has a list of objects, or a whole object on its first line; documents are written over several.
pub(super) fn has_rows(path: &Path) -> Result<bool> {
    let mut start = Vec::new();
    reader(path, false)?.take(FIRST_BYTES).read_to_end(&mut start).map_err(|e| cannot_read(path).caused_by(e))?;
    let start = start.trim_ascii_start();
    if start.first() == Some(&b'[') {
        return is_json(path, false);
    }
    let line = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let is_object = |text: &[u8]| matches!(serde_json::from_slice::<Value>(text), Ok(Value::Object(_)));
    Ok(is_object(line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line)))
}

/// # Errors
/// When the first object is no JSON, or has more fields than a bill has.
pub(super) fn open(path: &Path, gzip: bool, unpack_to: &Path) -> Result<OpenFile> {
    let mut start = Vec::new();
    reader(path, gzip)?.take(FIRST_BYTES).read_to_end(&mut start).map_err(|e| cannot_read(path).caused_by(e))?;
    let shape = shape(start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&start), gzip)?;
    let columns = shape.columns();
    check_count(columns.iter().count())?;
    Ok(OpenFile {
        columns,
        rows: None,
        header_lines: 0,
        piped: None,
        missing: None,
        pattern: pattern(path, unpack_to)?,
        reader: Reader::Json(shape),
    })
}

fn shape(start: &[u8], gzip: bool) -> Result<Shape> {
    let trimmed = start.trim_ascii_start();
    let is_list = trimmed.first() == Some(&b'[');
    let mut rest = if is_list { &trimmed[1..] } else { trimmed };
    let mut shape = Shape { fields: Vec::new(), gzip, is_list };
    let mut objects = 0;
    loop {
        let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<Value>();
        match values.next() {
            Some(Ok(Value::Object(object))) => {
                objects += 1;
                merge(&mut shape.fields, fields(&object, DEPTH));
                rest = rest[values.byte_offset()..].trim_ascii_start();
                rest = rest.strip_prefix(b",").unwrap_or(rest);
            }
            Some(Err(e)) if objects == 0 && !e.is_eof() => {
                return Err(Error::input("this is not a bill").cause("it begins like JSON and is none").caused_by(e));
            }
            Some(Err(e)) if objects == 0 => {
                return Err(Error::input("the JSON is cut short, or its first object is larger than any of a bill")
                    .caused_by(e));
            }
            // The last object may be cut by what is looked at; what comes later is DuckDB's to read.
            _ => break,
        }
    }
    if objects == 0 {
        return Err(Error::input("there are no rows").cause("the JSON has no objects"));
    }
    Ok(shape)
}

fn fields(object: &serde_json::Map<String, Value>, depth: usize) -> Vec<Field> {
    let named = object.iter().filter(|(name, _)| !name.is_empty());
    named.filter_map(|(name, value)| Some(Field { name: name.clone(), holds: holds(value, depth)? })).collect()
}

/// What a value shows of its field; nothing where it is null.
fn holds(value: &Value, depth: usize) -> Option<Holds> {
    match value {
        Value::Null => None,
        // Of an object whose values are all null nothing is known yet.
        Value::Object(object) if depth > 0 => {
            Some(fields(object, depth - 1)).filter(|fields| !fields.is_empty()).map(Holds::Struct)
        }
        Value::Array(items) if depth > 0 => {
            let items = items.iter().filter_map(|item| holds(item, depth - 1));
            let item = items.reduce(|mut all, item| {
                merge_holds(&mut all, item);
                all
            });
            item.map(|item| Holds::List(Box::new(item)))
        }
        _ => Some(Holds::Text),
    }
}

fn merge(all: &mut Vec<Field>, more: Vec<Field>) {
    for field in more {
        match all.iter_mut().find(|known| known.name.eq_ignore_ascii_case(&field.name)) {
            Some(known) => merge_holds(&mut known.holds, field.holds),
            None => all.push(field),
        }
    }
}

/// What is a struct in one object and a text in another is text: JSON as it stands there.
fn merge_holds(all: &mut Holds, more: Holds) {
    match (all, more) {
        (Holds::Struct(fields), Holds::Struct(more)) => merge(fields, more),
        (Holds::List(item), Holds::List(more)) => merge_holds(item, *more),
        (Holds::Text, Holds::Text) => {}
        (all, _) => *all = Holds::Text,
    }
}

impl Holds {
    fn sql(&self) -> String {
        match self {
            Holds::Text => "VARCHAR".to_owned(),
            Holds::Struct(fields) => {
                let fields: Vec<String> =
                    fields.iter().map(|field| format!("{} {}", identifier(&field.name), field.holds.sql())).collect();
                format!("STRUCT({})", fields.join(", "))
            }
            Holds::List(item) => format!("{}[]", item.sql()),
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Holds::Text => Kind::Text,
            Holds::List(item) => match &**item {
                Holds::Struct(fields) if ["key", "value"].iter().all(|name| fields.iter().any(|f| f.name == *name)) => {
                    Kind::Entries
                }
                _ => Kind::Other,
            },
            Holds::Struct(_) => Kind::Other,
        }
    }
}

impl Shape {
    /// Adds fields that a layout knows, as it knows them.
    pub(super) fn add(&mut self, fields: &[Field]) {
        merge(&mut self.fields, fields.to_vec());
    }

    pub(super) fn columns(&self) -> Columns {
        let own = self.fields.iter().map(|field| (whole(field), &field.holds));
        Columns::new(own.flat_map(|(column, holds)| with_parts(column, holds)).collect())
    }

    pub(super) fn as_from_item(&self, path: &str) -> String {
        let columns: Vec<String> = self
            .fields
            .iter()
            .map(|field| format!("{}: {}", quoted(&field.name), quoted(&field.holds.sql())))
            .collect();
        format!(
            "read_json({path}, format = '{}', compression = '{}', columns = {{{}}}, maximum_object_size = {MAX_LINE_BYTES}, \
             hive_partitioning = false)",
            if self.is_list { "array" } else { "newline_delimited" },
            if self.gzip { "gzip" } else { "none" },
            columns.join(", ")
        )
    }
}

fn whole(field: &Field) -> Column {
    let name = inert(&field.name);
    Column { physical: identifier(&field.name), kind: field.holds.kind(), filled: None, name }
}

fn with_parts(column: Column, holds: &Holds) -> Vec<Column> {
    let mut all = vec![column];
    if let Holds::Struct(fields) = holds {
        for field in fields {
            let part = all[0].part(&field.name, field.holds.kind());
            all.extend(with_parts(part, &field.holds));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sql(text: &str) -> String {
        shape(text.as_bytes(), false).expect("a shape").as_from_item("'f'")
    }

    #[test]
    fn the_first_objects_show_the_fields() {
        let lines = "{\"a\":1,\"s\":{\"id\":\"x\"}}\n{\"b\":null,\"s\":{\"name\":2},\"l\":[]}\n{\"l\":[{\"key\":1,\"value\":2}],\"cut";
        let found = sql(lines);
        assert!(found.contains("format = 'newline_delimited'"), "{found}");
        assert!(
            found.contains("columns = {'a': 'VARCHAR', 's': 'STRUCT(\"id\" VARCHAR, \"name\" VARCHAR)'}"),
            "{found}"
        );
        let list = sql("[{\"a\":1}, {\"l\":[{\"key\":1,\"value\":2}]}]");
        assert!(
            list.contains("format = 'array'") && list.contains("'l': 'STRUCT(\"key\" VARCHAR, \"value\" VARCHAR)[]'"),
            "{list}"
        );
    }

    #[test]
    fn an_object_of_nulls_shows_nothing() {
        let found = sql("{\"a\":1,\"p\":{\"id\":null},\"l\":[{\"b\":null}]}\n");
        assert!(found.contains("columns = {'a': 'VARCHAR'}"), "{found}");
    }

    #[test]
    fn what_has_two_types_is_text() {
        let found = sql("{\"a\":{\"b\":1}}\n{\"a\":\"x\"}\n");
        assert!(found.contains("columns = {'a': 'VARCHAR'}"), "{found}");
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in ["{\"a\" 1}", "[]", "{\"a\":"] {
            assert!(shape(text.as_bytes(), false).is_err(), "{text}");
        }
    }
}
