//! An answer as text for a model: few tokens, and nothing that is only for programs. A field is a line, a list of objects
//! is a table whose cells are apart by tabs, and a list in its rows is a table of its own that begins with their first cell.

use serde_json::{Map, Value};

use crate::inert;

/// The text of an answer.
pub(super) fn of(title: &str, answer: &Map<String, Value>) -> String {
    let mut text = format!("{title}\n");
    add_fields(&mut text, "", answer);
    text
}

fn add_fields(text: &mut String, prefix: &str, fields: &Map<String, Value>) {
    for (name, value) in fields {
        add(text, &format!("{prefix}{name}"), value);
    }
}

fn add(text: &mut String, name: &str, value: &Value) {
    match value {
        Value::Null => {}
        Value::Object(fields) if fields.len() > 1 && fields.values().all(is_plain) => {
            let parts = fields.iter().filter(|(_, value)| !value.is_null());
            let parts: Vec<String> = parts.map(|(field, value)| format!("{field} {}", cell(value))).collect();
            *text += &format!("{name}: {}\n", parts.join(", "));
        }
        Value::Object(fields) => add_fields(text, &format!("{name}."), fields),
        Value::Array(rows) if !rows.is_empty() && rows.iter().all(Value::is_object) => {
            let rows = rows.iter().filter_map(Value::as_object).map(|row| flat("", row)).collect();
            table(text, name, rows);
        }
        Value::Array(values) if values.is_empty() => *text += &format!("{name}: none\n"),
        // Sentences are lines of their own.
        Value::Array(values) if values.iter().any(|value| value.as_str().is_some_and(|text| text.contains(' '))) => {
            *text += &format!("{name}:\n");
            values.iter().for_each(|value| *text += &format!("- {}\n", cell(value)));
        }
        value => *text += &format!("{name}: {}\n", cell(value)),
    }
}

fn is_plain(value: &Value) -> bool {
    !value.is_object() && !value.is_array()
}

fn is_table(value: &Value) -> bool {
    value.as_array().is_some_and(|rows| !rows.is_empty() && rows.iter().all(Value::is_object))
}

/// A table, and after it one for each column that holds lists of objects.
fn table(text: &mut String, name: &str, rows: Vec<Map<String, Value>>) {
    let mut columns: Vec<String> = Vec::new();
    for column in rows.iter().flat_map(Map::keys) {
        if !columns.contains(column) {
            columns.push(column.clone());
        }
    }
    // A column without any value says nothing.
    columns.retain(|column| rows.iter().any(|row| row.get(column).is_some_and(|value| !value.is_null())));
    let (inner, own): (Vec<String>, Vec<String>) =
        columns.into_iter().partition(|column| rows.iter().any(|row| row.get(column).is_some_and(is_table)));
    *text += &format!("{name}, {} rows:\n{}\n", rows.len(), own.join("\t"));
    for row in &rows {
        let cells: Vec<String> = own.iter().map(|column| row.get(column).map_or(String::new(), cell)).collect();
        *text += &format!("{}\n", cells.join("\t"));
    }
    let Some(key) = own.first() else { return };
    for column in inner {
        let of_row = |row: &Map<String, Value>| -> Vec<Map<String, Value>> {
            let list = row.get(&column).and_then(Value::as_array).cloned().unwrap_or_default();
            let keyed = |inner: Value| {
                let mut keyed = Map::from_iter([(key.clone(), row.get(key).cloned().unwrap_or_default())]);
                let fields = inner.as_object().map(|fields| flat("", fields)).unwrap_or_default();
                // A field of the same name is the inner one's.
                keyed.extend(
                    fields
                        .into_iter()
                        .map(|(name, value)| if name == *key { (format!("{name}'"), value) } else { (name, value) }),
                );
                keyed
            };
            list.into_iter().map(keyed).collect()
        };
        table(text, &format!("{name}.{column}"), rows.iter().flat_map(of_row).collect());
    }
}

/// An object without inner objects: their fields are its own, by two names.
fn flat(prefix: &str, object: &Map<String, Value>) -> Map<String, Value> {
    let mut fields = Map::new();
    for (name, value) in object {
        match value {
            Value::Object(inner) => fields.extend(flat(&format!("{prefix}{name}."), inner)),
            value => _ = fields.insert(format!("{prefix}{name}"), value.clone()),
        }
    }
    fields
}

/// A value in one line.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => inert::one_line(text).replace('\t', " "),
        Value::Array(values) if values.iter().all(is_plain) => values
            .iter()
            .map(cell)
            .collect::<Vec<_>>()
            .join(if values.iter().any(Value::is_string) { "; " } else { " " }),
        value => value.to_string(),
    }
}
