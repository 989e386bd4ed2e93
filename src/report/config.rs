//! The merged configuration as text.

use serde::Serialize;

use super::{
    Format, Style, csv, own_json,
    table::{Column, Table},
};
use crate::error::Result;

/// One value and where it came from.
#[derive(Serialize)]
pub(crate) struct Line<'a> {
    pub key: &'a str,
    pub value: &'a str,
    pub origin: &'a str,
}

pub(crate) fn render(lines: &[Line], format: Format, style: Style) -> Result<String> {
    let cells = |line: &Line| vec![line.key.to_owned(), line.value.to_owned(), line.origin.to_owned()];
    match format {
        Format::Json => own_json("config", &serde_json::json!({ "values": lines })),
        Format::Csv => csv(&["key", "value", "origin"].map(str::to_owned), lines.iter().map(cells)),
        Format::Table | Format::Markdown => {
            let mut table = Table::new(vec![Column::name("key"), Column::name("value"), Column::name("origin")]);
            lines.iter().for_each(|line| table.row(cells(line)));
            Ok(if format == Format::Table { table.render(style) } else { table.markdown() })
        }
    }
}
