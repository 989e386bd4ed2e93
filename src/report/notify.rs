//! Who is told what, and how the channels stand, as text.

use chrono::NaiveDateTime;

use super::{
    Format, Page, Style, csv, json,
    table::{Column, Table},
    units::change,
};
use crate::{
    error::Result,
    insights::answer::Answer,
    operations::run::{BudgetAlert, ChannelStatus, Plans},
};

pub(crate) fn decisions(answer: &Answer<Plans>, format: Format, style: Style) -> Result<String> {
    let header = ["id", "where", "severity", "per_day", "currency", "owner", "channel", "event", "reason"];
    let mut table = Table::new(vec![
        Column::name("id"),
        Column::name("where"),
        Column::name("severity").rank(3),
        Column::number("a day").rank(2),
        Column::name("owner").rank(4),
        Column::name("channel"),
        Column::name("event"),
        Column::name("reason"),
    ]);
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
    let decided = &answer.decisions;
    for one in decided {
        table.row(vec![
            one.id.clone(),
            one.subject.clone(),
            one.severity.to_string(),
            change(one.impact, &one.currency),
            text(&one.owner),
            text(&one.channel),
            one.event.map_or_else(|| "-".to_owned(), |event| event.to_string()),
            one.reason.to_string(),
        ]);
    }
    match format {
        Format::Json => json(answer),
        Format::Csv => csv(
            &header.map(str::to_owned),
            decided.iter().map(|one| {
                vec![
                    one.id.clone(),
                    one.subject.clone(),
                    one.severity.to_string(),
                    one.impact.to_string(),
                    one.currency.clone(),
                    one.owner.clone().unwrap_or_default(),
                    one.channel.clone().unwrap_or_default(),
                    one.event.map_or_else(String::new, |event| event.to_string()),
                    one.reason.to_string(),
                ]
            }),
        ),
        Format::Table if decided.is_empty() => {
            let nothing = "no incident is open, and nobody waits for news of one\n";
            Ok(nothing.to_owned() + &budgets(answer, Page::Terminal(style)))
        }
        Format::Table => Ok(table.render(style) + &budgets(answer, Page::Terminal(style))),
        Format::Markdown => Ok(table.markdown() + &budgets(answer, Page::Markdown)),
    }
}

/// The messages about budgets, a line each.
fn budgets(answer: &Answer<Plans>, page: Page) -> String {
    let line = |alert: &BudgetAlert| page.line(&format!("{} is sent: {}", alert.channel, alert.title));
    let lines: String = answer.budgets.iter().map(line).collect();
    if lines.is_empty() { lines } else { format!("\n{lines}") }
}

pub(crate) fn channels(answer: &Answer<ChannelStatus>, format: Format, style: Style) -> Result<String> {
    let mut table = Table::new(vec![
        Column::name("channel"),
        Column::name("kind").rank(3),
        Column::number("sent"),
        Column::name("last (UTC)").rank(2),
        Column::number("waiting"),
        Column::number("given up").rank(4),
        Column::name("error").rank(1),
    ]);
    let time = |time: Option<NaiveDateTime>| time.map_or("-".into(), |time| time.format("%Y-%m-%d %H:%M").to_string());
    let standings = &answer.channels;
    for one in standings {
        table.row(vec![
            one.channel.clone(),
            one.kind.clone(),
            one.sent.to_string(),
            time(one.last_sent_at),
            one.waiting.to_string(),
            one.dropped.to_string(),
            one.error.clone().unwrap_or_else(|| "-".into()),
        ]);
    }
    match format {
        Format::Json => json(answer),
        Format::Csv => {
            let header = ["channel", "kind", "sent", "last_sent_at", "waiting", "dropped", "error"];
            let rows = standings.iter().map(|one| {
                vec![
                    one.channel.clone(),
                    one.kind.clone(),
                    one.sent.to_string(),
                    one.last_sent_at.map_or(String::new(), |time| time.to_string()),
                    one.waiting.to_string(),
                    one.dropped.to_string(),
                    one.error.clone().unwrap_or_default(),
                ]
            });
            csv(&header.map(str::to_owned), rows)
        }
        Format::Table => Ok(table.render(style)),
        Format::Markdown => Ok(table.markdown()),
    }
}
