//! The answer to the user's own SQL, as text. `report` is blind to the store, so it takes plain parts.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    Format, Style, csv, json, plain,
    table::{Column, Table},
};
use crate::{error::Result, insights::SCHEMA_VERSION};

pub fn render(
    columns: &[String],
    rows: &[Vec<Value>],
    truncated: bool,
    format: Format,
    style: Style,
) -> Result<String> {
    match format {
        Format::Json => {
            #[derive(Serialize)]
            struct Answer<'a> {
                schema_version: u32,
                command: &'static str,
                columns: &'a [String],
                truncated: bool,
                rows: Vec<Map<String, Value>>,
            }
            let objects = rows.iter().map(|row| columns.iter().cloned().zip(row.iter().cloned()).collect());
            json(&Answer {
                schema_version: SCHEMA_VERSION,
                command: "sql",
                columns,
                truncated,
                rows: objects.collect(),
            })
        }
        Format::Csv => csv(columns, rows.iter().map(|row| row.iter().map(plain).collect())),
        Format::Table => {
            let (text, hidden) = table(columns, rows).render_counting(style);
            let note = if hidden > 0 {
                format!("\n{hidden} columns do not fit; `--format json` has them\n")
            } else {
                String::new()
            };
            Ok(text + &note)
        }
        Format::Markdown => Ok(table(columns, rows).markdown()),
    }
}

fn table(columns: &[String], rows: &[Vec<Value>]) -> Table {
    let is_number = |index: usize| {
        let mut values = rows.iter().filter_map(|row| row.get(index)).filter(|value| !value.is_null()).peekable();
        values.peek().is_some() && values.all(Value::is_number)
    };
    // The first column stays, the last ones go first.
    let columns = columns.iter().enumerate().map(|(index, name)| {
        let column = if is_number(index) { Column::number(name) } else { Column::name(name) };
        column.rank(u8::try_from(index).unwrap_or(u8::MAX))
    });
    let mut table = Table::new(columns.collect());
    for row in rows {
        table.row(row.iter().map(plain).collect());
    }
    table
}
