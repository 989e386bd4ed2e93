//! How methods did on the user's own past, as text.

use super::{
    Format, Page, Style, csv, json,
    table::{Column, Table},
    units::{count, money},
};
use crate::{
    analysis::inject::{SIZES, Shape},
    error::Result,
    insights::{
        answer::Answer,
        backtest::{Backtest, Outcome},
    },
};

pub(crate) fn render(backtest: &Answer<Backtest>, format: Format, style: Style) -> Result<String> {
    match format {
        Format::Json => json(backtest),
        Format::Csv => to_csv(backtest),
        Format::Table => Ok(text(backtest, Page::Terminal(style))),
        Format::Markdown => Ok(text(backtest, Page::Markdown)),
    }
}

fn text(backtest: &Answer<Backtest>, page: Page) -> String {
    let mut text = page.prose(&format!(
        "{} days replayed, {} to {}: {} series of {} cost\n\n",
        backtest.replayed.days(),
        backtest.replayed.start,
        backtest.replayed.end,
        count(backtest.series as u64),
        backtest.header.metric.unwrap_or_default().name().replace('_', " "),
    ));
    text += &page.table(&methods(backtest));
    let chosen =
        backtest.results.iter().find(|outcome| outcome.sensitivity == Some(backtest.recommendation.sensitivity));
    if let Some(outcome) = chosen.filter(|_| backtest.events > 0) {
        text += &page.prose(&format!(
            "\nof {} events put into copies of these series (seed {}), {} finds, and after how many days\n\n",
            backtest.events,
            backtest.seed,
            backtest.recommendation.sensitivity.name()
        ));
        text += &page.table(&shapes(outcome));
    }
    text += &page.prose(&format!("\n{}\n", backtest.recommendation.text));
    text
}

fn methods(backtest: &Answer<Backtest>) -> Table {
    let mut table = Table::new(vec![
        Column::name("method"),
        Column::name("sensitivity"),
        Column::number("alerts"),
        Column::number("a week"),
        Column::number("moved").rank(3),
        Column::number("events found"),
        Column::number("their dollars").rank(1),
        Column::number("delay").rank(2),
    ]);
    for outcome in &backtest.results {
        table.row(vec![
            outcome.method.name().into(),
            outcome.sensitivity.map_or_else(|| "its own rule".into(), |sensitivity| sensitivity.name().to_owned()),
            count(outcome.alerts as u64),
            format!("{:.1}", outcome.alerts_per_week),
            money(outcome.alert_dollars, backtest.header.currency()),
            if backtest.events > 0 { format!("{:.0} %", outcome.recall * 100.0) } else { "-".into() },
            if backtest.events > 0 { format!("{:.0} %", outcome.dollar_recall * 100.0) } else { "-".into() },
            days(outcome.median_delay_days),
        ]);
    }
    table
}

fn shapes(outcome: &Outcome) -> Table {
    let mut columns = vec![Column::name("event")];
    columns.extend(SIZES.map(|size| Column::name(format!("{:.0} %", size * 100.0))));
    let mut table = Table::new(columns);
    for shape in Shape::ALL {
        let mut row = vec![shape.name().to_owned()];
        for size in SIZES {
            let cell = outcome.by_shape.iter().find(|cell| cell.shape == shape && cell.size == size);
            row.push(cell.map_or_else(
                || "-".into(),
                |cell| match cell.median_delay_days {
                    Some(_) => format!("{} of {}, {}", cell.detected, cell.events, days(cell.median_delay_days)),
                    None => format!("0 of {}", cell.events),
                },
            ));
        }
        table.row(row);
    }
    table
}

fn days(delay: Option<f64>) -> String {
    match delay {
        None => "-".into(),
        Some(delay) if delay < 1.0 => "same day".into(),
        Some(1.0) => "1 day".into(),
        Some(delay) => format!("{delay:.0} days"),
    }
}

/// One row for each method, sensitivity, shape and size.
fn to_csv(backtest: &Answer<Backtest>) -> Result<String> {
    let header = [
        "method",
        "sensitivity",
        "threshold",
        "alerts",
        "alerts_per_week",
        "shape",
        "size",
        "events",
        "detected",
        "median_delay_days",
    ];
    let rows = backtest.results.iter().flat_map(|outcome| {
        outcome.by_shape.iter().map(move |cell| {
            vec![
                outcome.method.name().into(),
                outcome.sensitivity.map_or(String::new(), |sensitivity| sensitivity.name().into()),
                outcome.threshold.to_string(),
                outcome.alerts.to_string(),
                outcome.alerts_per_week.to_string(),
                cell.shape.name().into(),
                cell.size.to_string(),
                cell.events.to_string(),
                cell.detected.to_string(),
                cell.median_delay_days.map_or(String::new(), |delay| delay.to_string()),
            ]
        })
    });
    csv(&header.map(str::to_owned), rows)
}
