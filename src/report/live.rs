//! What AWS says now, as text.

use super::{
    Format, Style, csv, json,
    table::{Column, Table},
    units::money,
};
use crate::{
    error::Result,
    insights::answer::Answer,
    operations::{EstimatedCharges, LiveCosts},
};

pub(crate) fn costs(answer: &Answer<LiveCosts>, format: Format, style: Style) -> Result<String> {
    let currency = answer.header.currency();
    match format {
        Format::Json => json(answer),
        Format::Csv => csv(
            &["start", "end", "group", "cost", "currency", "estimated"].map(str::to_owned),
            answer.costs.iter().map(|row| {
                let days = [row.start.to_string(), row.end.to_string()];
                let rest = [row.group.clone(), row.cost.to_string(), currency.to_owned(), row.estimated.to_string()];
                [days.to_vec(), rest.to_vec()].concat()
            }),
        ),
        Format::Table | Format::Markdown => {
            let mut table = Table::new(vec![
                Column::name("from"),
                Column::name("to"),
                Column::name("group"),
                Column::number("cost"),
            ]);
            for row in &answer.costs {
                let cost = money(row.cost, currency) + if row.estimated { " *" } else { "" };
                table.row(vec![row.start.to_string(), row.end.to_string(), row.group.clone(), cost]);
            }
            let requests = if answer.requests == 1 { "request" } else { "requests" };
            let total = money(answer.total, currency);
            let mut rest = format!("\ntotal {total}; {} {requests}, ${:.2}\n", answer.requests, answer.cost_usd);
            if answer.costs.iter().any(|row| row.estimated) {
                rest += "* estimated: may still change\n";
            }
            Ok(if format == Format::Markdown { table.markdown() } else { table.render(style) } + &rest)
        }
    }
}

pub(crate) fn charges(answer: &Answer<EstimatedCharges>, format: Format, style: Style) -> Result<String> {
    let all = || "all".to_owned();
    match format {
        Format::Json => json(answer),
        Format::Csv => csv(
            &["date", "service", "account_id", "month_to_date"].map(str::to_owned),
            answer.estimates.iter().map(|one| {
                let (service, account) =
                    (one.service.clone().unwrap_or_default(), one.account_id.clone().unwrap_or_default());
                vec![one.date.to_string(), service, account, one.month_to_date.to_string()]
            }),
        ),
        Format::Table | Format::Markdown => {
            let mut table = Table::new(vec![
                Column::name("date"),
                Column::name("service"),
                Column::name("account"),
                Column::number("month so far"),
            ]);
            for one in &answer.estimates {
                let (service, account) =
                    (one.service.clone().unwrap_or_else(all), one.account_id.clone().unwrap_or_else(all));
                table.row(vec![
                    one.date.to_string(),
                    service,
                    account,
                    money(one.month_to_date, answer.header.currency()),
                ]);
            }
            Ok(if format == Format::Markdown { table.markdown() } else { table.render(style) })
        }
    }
}
