//! The values of a dimension as text.

use super::{
    Format, Style, csv, json,
    table::{Column, Table},
    units::{count, money},
};
use crate::{error::Result, insights::answer::Answer, operations::Values};

pub(crate) fn render(answer: &Answer<Values>, format: Format, style: Style) -> Result<String> {
    let currency = answer.header.currency();
    let has_names = answer.values.iter().any(|value| value.name.is_some());
    match format {
        Format::Json => json(answer),
        Format::Csv => csv(
            &["value", "name", "cost", "currency"].map(str::to_owned),
            answer.values.iter().map(|one| {
                let name = one.name.clone().unwrap_or_default();
                vec![one.value.clone(), name, one.cost.to_string(), currency.to_owned()]
            }),
        ),
        Format::Table | Format::Markdown => {
            let mut columns = vec![Column::name(answer.dimension.to_string())];
            columns.extend(has_names.then(|| Column::name("name")));
            columns.push(Column::number("cost"));
            let mut table = Table::new(columns);
            for one in &answer.values {
                let mut cells = vec![one.value.clone()];
                cells.extend(has_names.then(|| one.name.clone().unwrap_or_else(|| "-".into())));
                cells.push(money(one.cost, currency));
                table.row(cells);
            }
            let more = answer.count - answer.values.len();
            let rest = match more {
                0 => String::new(),
                more => format!("\nand {} more; `--top {}` lists them\n", count(more as u64), answer.count),
            };
            Ok(if format == Format::Markdown { table.markdown() } else { table.render(style) } + &rest)
        }
    }
}
