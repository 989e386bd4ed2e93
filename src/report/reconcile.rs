//! Two sources side by side, as text.

use super::{
    Format, Page, Style, csv,
    table::{Column, Table},
    units::{change, money},
};
use crate::{
    error::Result,
    inert,
    insights::{
        answer::Answer,
        reconcile::{Difference, Reconciliation},
    },
};

pub(crate) fn render(answer: &Answer<Reconciliation>, format: Format, style: Style) -> Result<String> {
    match format {
        Format::Json => super::json(answer),
        Format::Csv => {
            let header = ["month", "metric", "service", "charge_category", "detailed", "other", "difference", "reason"];
            let all = answer.totals.iter().chain(&answer.rows).chain(&answer.invoice);
            csv(
                &header.map(str::to_owned),
                all.map(|row| {
                    let text = |value: &Option<String>| value.clone().unwrap_or_default();
                    vec![
                        answer.month.to_string(),
                        row.metric.to_owned(),
                        text(&row.service),
                        text(&row.charge_category),
                        row.detailed.to_string(),
                        row.other.to_string(),
                        row.difference.to_string(),
                        text(&row.reason),
                    ]
                }),
            )
        }
        Format::Table => Ok(text(answer, Page::Terminal(style))),
        Format::Markdown => Ok(text(answer, Page::Markdown)),
    }
}

fn text(answer: &Answer<Reconciliation>, page: Page) -> String {
    let ours = answer.detailed.source.as_str();
    let money = |amount: f64| money(amount, answer.header.currency());
    let change = |amount: f64| change(amount, answer.header.currency());
    let mut text = String::new();
    let month = answer.month.format("%Y-%m");
    if answer.cost_explorer.is_some() {
        text += &page.prose(&format!("{}\n", headline(answer)));
        text += &format!("\n{}\n", page.table(&totals(answer)));
        text += &services(answer, page, &money, &change);
    }
    if let Some(invoice) = &answer.invoice {
        let why = invoice.reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
        text += &page.prose(&format!(
            "{month}: invoice {} beside {} unblended in {ours}: {}{why}\n",
            money(invoice.other),
            money(invoice.detailed),
            if why.is_empty() { "agrees".to_owned() } else { change(invoice.difference) }
        ));
    }
    for warning in &answer.header.warnings {
        text += &page.prose(&format!("{}\n", inert::one_line(&warning.text())));
    }
    text
}

/// What is held against what.
pub(crate) fn headline(answer: &Reconciliation) -> String {
    let (month, ours) = (answer.month.format("%Y-%m"), &answer.detailed);
    match &answer.cost_explorer {
        Some(explorer) => format!(
            "{month}: {} (read {}) beside Cost Explorer (read {})",
            ours.source,
            day(&ours.ingested_at),
            day(&explorer.ingested_at)
        ),
        None => format!("{month}: {} has nothing beside it", ours.source),
    }
}

/// The month by metric, in both sources.
pub(crate) fn totals(answer: &Answer<Reconciliation>) -> Table {
    let currency = answer.header.currency();
    let mut table = Table::new(vec![
        Column::name("metric"),
        Column::number(&answer.detailed.source),
        Column::number("Cost Explorer"),
        Column::number("difference"),
    ]);
    for row in &answer.totals {
        let name = row.metric.replace('_', " ");
        table.row(vec![
            name,
            money(row.detailed, currency),
            money(row.other, currency),
            change(row.difference, currency),
        ]);
    }
    table
}

/// The services that differ, with the metrics of the same difference in one row.
fn services(
    answer: &Answer<Reconciliation>,
    page: Page,
    money: &impl Fn(f64) -> String,
    change: &impl Fn(f64) -> String,
) -> String {
    let mut rows: Vec<(&Difference, Vec<&str>)> = Vec::new();
    for row in answer.rows.iter().filter(|row| row.reason.is_some()) {
        let same = |other: &Difference| {
            other.service == row.service
                && other.charge_category == row.charge_category
                && other.reason == row.reason
                && (other.difference - row.difference).abs() < 0.005
                && (other.detailed - row.detailed).abs() < 0.005
        };
        match rows.iter_mut().find(|(other, _)| same(other)) {
            Some((_, metrics)) => metrics.push(row.metric),
            None => rows.push((row, vec![row.metric])),
        }
    }
    if rows.is_empty() {
        return format!("every service agrees within {}\n", money(answer.tolerance));
    }
    rows.sort_by(|a, b| b.0.difference.abs().total_cmp(&a.0.difference.abs()));
    let mut table = Table::new(vec![
        Column::name("service"),
        Column::name("category").rank(3),
        Column::name("metric").rank(4),
        Column::number(&answer.detailed.source).rank(1),
        Column::number("Cost Explorer").rank(2),
        Column::number("difference"),
    ]);
    let mut reasons: Vec<(String, Vec<String>)> = Vec::new();
    for (row, metrics) in &rows {
        let service = row.service.clone().unwrap_or_default();
        let all = metrics.len() == answer.totals.len();
        let metrics = if all { "all".to_owned() } else { metrics.join(", ").replace('_', " ") };
        let category = row.charge_category.clone().unwrap_or_else(|| "all but tax".into());
        table.row(vec![
            service.clone(),
            category,
            metrics,
            money(row.detailed),
            money(row.other),
            change(row.difference),
        ]);
        let reason = row.reason.clone().unwrap_or_default();
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, services)) if services.contains(&service) => {}
            Some((_, services)) => services.push(service),
            None => reasons.push((reason, vec![service])),
        }
    }
    let lines = reasons
        .into_iter()
        .map(|(reason, services)| format!("  {reason}: {}\n", inert::one_line(&services.join(", "))));
    format!("{}\nlikely because\n{}", page.table(&table), page.prose(&lines.collect::<String>()))
}

fn day(time: &str) -> &str {
    time.get(..10).unwrap_or(time)
}
