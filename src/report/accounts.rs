//! The list of accounts, as text.

use super::{
    Format, Style, csv, json,
    table::{Column, Table},
};
use crate::{error::Result, insights::answer::Answer, model::Account, operations::Accounts};

pub(crate) fn render(answer: &Answer<Accounts>, format: Format, style: Style) -> Result<String> {
    let accounts = &answer.accounts;
    let cells = |account: &Account, none: &str| {
        vec![
            account.id.clone(),
            account.name.clone().unwrap_or_else(|| none.into()),
            account.source.clone().unwrap_or_else(|| none.into()),
            account.last_day.map_or_else(|| none.into(), |day| day.to_string()),
        ]
    };
    let header = ["account", "name", "name from", "last charge"];
    match format {
        Format::Json => json(answer),
        Format::Csv => csv(
            &["account", "name", "source", "last_day"].map(str::to_owned),
            accounts.iter().map(|account| cells(account, "")),
        ),
        Format::Table | Format::Markdown => {
            let mut table = Table::new(vec![
                Column::name(header[0]),
                Column::name(header[1]),
                Column::name(header[2]).rank(1),
                Column::name(header[3]).rank(2),
            ]);
            accounts.iter().for_each(|account| table.row(cells(account, "-")));
            Ok(if format == Format::Markdown { table.markdown() } else { table.render(style) })
        }
    }
}
