//! How the data stands, as text.

use super::{
    Format, Page, Style, csv, json,
    table::{Column, Table},
    units::{count, money},
};
use crate::{
    error::Result,
    insights::{answer::Answer, health::Status, status::DataStatus},
};

pub(crate) fn render(status: &Answer<DataStatus>, format: Format, style: Style) -> Result<String> {
    match format {
        Format::Json => json(status),
        Format::Csv => csv(
            &[
                "source",
                "provider",
                "payer_account_id",
                "currency",
                "first_day",
                "last_day",
                "months",
                "rows",
                "cost",
                "estimated",
                "ingested_at",
            ]
            .map(str::to_owned),
            status.bills.iter().map(|bill| {
                vec![
                    bill.source.clone(),
                    bill.provider.clone(),
                    bill.payer_account_id.clone(),
                    bill.currency.clone(),
                    bill.first_day.to_string(),
                    bill.last_day.to_string(),
                    bill.months.to_string(),
                    bill.rows.to_string(),
                    bill.cost.to_string(),
                    bill.estimated.to_string(),
                    bill.ingested_at.to_string(),
                ]
            }),
        ),
        Format::Table => Ok(text(status, Page::Terminal(style))),
        Format::Markdown => Ok(text(status, Page::Markdown)),
    }
}

fn text(status: &DataStatus, page: Page) -> String {
    let mut text = page.table(&bills(status));
    let wrong: Vec<_> = status.checks.iter().filter(|check| check.status != Status::Ok).collect();
    text.push('\n');
    if wrong.is_empty() {
        text += &page.prose("nothing is wrong with the data\n");
    }
    for check in wrong {
        let fix = check.fix.as_ref().map_or(String::new(), |fix| format!(" ({fix})"));
        text += &page.prose(&format!("- {}: {}{fix}\n", check.check, check.detail));
    }
    let waiting: usize = status.channels.iter().map(|channel| channel.waiting).sum();
    let sent: u64 = status.channels.iter().map(|channel| channel.sent).sum();
    text += &page.prose(&match status.runs.first() {
        Some(run) => {
            let judged = run.judged_end.map_or(String::new(), |day| format!(", judged up to {day}"));
            let failed = run.error.as_ref().map_or(String::new(), |error| format!(", failed: {error}"));
            format!("\nlast run {} UTC{judged}{failed}\n", run.finished_at.format("%Y-%m-%d %H:%M"))
        }
        None => "\nnever run (`run` and `watch` fetch, judge and alert)\n".to_owned(),
    });
    text += &page.prose(&format!("messages: {sent} sent, {waiting} waiting\n"));
    for spent in &status.spent {
        text += &page.prose(&format!(
            "asked of {} in {}: {} requests, {}\n",
            spent.service,
            spent.month.format("%Y-%m"),
            count(spent.requests),
            money(spent.cost_usd, "USD")
        ));
    }
    text
}

fn bills(status: &DataStatus) -> Table {
    let mut table = Table::new(vec![
        Column::name("source"),
        Column::name("provider").rank(3),
        Column::name("payer").rank(2),
        Column::number("first day").rank(1),
        Column::number("newest day"),
        Column::number("months").rank(4),
        Column::number("rows").rank(5),
        Column::number("cost"),
        Column::number("read on (UTC)").rank(1),
    ]);
    for bill in &status.bills {
        table.row(vec![
            bill.source.clone(),
            bill.provider.clone(),
            bill.payer_account_id.clone(),
            bill.first_day.to_string(),
            bill.last_day.to_string(),
            bill.months.to_string(),
            count(bill.rows),
            money(bill.cost, &bill.currency),
            bill.ingested_at.format("%Y-%m-%d %H:%M").to_string(),
        ]);
    }
    table
}
