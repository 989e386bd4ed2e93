//! The answer to the user's own SQL, as text.

use serde_json::Value;

use super::{
    Format, Style, csv, json, plain,
    table::{Column, Table},
};
use crate::{error::Result, insights::answer::Answer, operations::Rows};

pub(crate) fn render(answer: &Answer<Rows>, format: Format, style: Style) -> Result<String> {
    let (columns, rows) = (&answer.columns, &answer.cells);
    match format {
        Format::Json => json(answer),
        Format::Csv => csv(columns, rows.iter().map(|row| row.iter().map(plain).collect())),
        Format::Table => {
            let (text, hidden) = table(columns, rows).render_counting(style);
            let are = if hidden == 1 { "column is" } else { "columns are" };
            let note = if hidden > 0 {
                format!("\n{hidden} {are} left out, which do not fit; `--format csv` has them\n")
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
