//! A comparison as text.

use super::{
    Format, Page, Style, csv,
    explain::{causes, moves},
    json, plain, settled,
    table::{Column, Table},
    units::{change, money, percent},
};
use crate::{
    error::Result,
    insights::{
        answer::Answer,
        change::{Change, share},
        compare::{Comparison, Side},
        group_names, sentences,
    },
};

/// Columns of the longest bar of a waterfall.
const BAR: usize = 30;

pub(crate) fn render(compared: &Answer<Comparison>, format: Format, style: Style) -> Result<String> {
    match format {
        Format::Json => json(compared),
        Format::Csv => movers_csv(compared),
        Format::Table => Ok(text(compared, Page::Terminal(style))),
        Format::Markdown => Ok(text(compared, Page::Markdown)),
    }
}

/// What changed, in a sentence.
pub(crate) fn sentence(compared: &Comparison, currency: &str) -> String {
    sentences::comparison(compared, currency)
}

fn text(compared: &Answer<Comparison>, page: Page) -> String {
    let mut text = page.prose(&format!("{}\n", sentence(compared, compared.header.currency())));
    if compared.per_day {
        let of = |side: &Side| format!("{} in {} days", money(side.total, compared.header.currency()), side.days);
        text += &page.prose(&format!(
            "{} against {}: all figures below are a day's\n",
            of(&compared.after),
            of(&compared.before)
        ));
    }
    if compared.after.provisional {
        text += &page.prose(&format!("provisional: days after {} may still change\n", settled(&compared.header)));
    }
    text += &format!("\n{}", page.table(&movers(compared)));
    text += &format!("\n{}", page.table(&waterfall(compared)));
    text += &format!("\n{}", page.table(&causes(&compared.causes, compared.total, compared.header.currency())));
    text += &page.prose(&moves(&compared.moves, compared.header.currency()));
    for excluded in &compared.excluded_charges {
        let Change { before, after, .. } = excluded.change;
        let (before, after) = (money(before, compared.header.currency()), money(after, compared.header.currency()));
        text += &page.prose(&format!(
            "not in the total: {} {before} before, {after} after (`--include`)\n",
            excluded.charge_category
        ));
    }
    text
}

/// The groups that moved most, then all others and the total.
pub(crate) fn movers(compared: &Answer<Comparison>) -> Table {
    let mut columns: Vec<Column> =
        compared.group_by.0.iter().map(|dimension| Column::name(dimension.to_string())).collect();
    columns.extend([
        Column::number("before"),
        Column::number("after"),
        Column::number("change"),
        Column::number("%").rank(2),
        Column::number("share").rank(3),
        Column::name("").rank(1),
    ]);
    let width = compared.group_by.0.len();
    let mut table = Table::new(columns);
    let mut row = |mut cells: Vec<String>, of: Change, share: Option<f64>, status: &str| {
        cells.resize(width, String::new());
        cells.extend([
            money(of.before, compared.header.currency()),
            money(of.after, compared.header.currency()),
            change(of.change, compared.header.currency()),
            percent(of.change_pct, true),
            percent(share, false),
            status.to_owned(),
        ]);
        table.row(cells);
    };
    for mover in &compared.movers {
        let names = group_names(&mover.group, mover.account_name.as_deref());
        row(names, mover.change, mover.share_pct, mover.status.name());
    }
    let rest = match (compared.other_groups, compared.unchanged) {
        (0, 0) => None,
        (0, unchanged) => Some(format!("{unchanged} unchanged")),
        (others, 0) => Some(format!("{others} others")),
        (others, unchanged) => Some(format!("{others} others, {unchanged} unchanged")),
    };
    if let Some(rest) = rest {
        row(vec![rest], compared.others, share(compared.others.change, compared.total.change), "");
    }
    let all = Some(100.0).filter(|_| compared.total.change.abs() >= 0.01);
    row(vec!["total".into()], compared.total, all, "");
    table
}

/// The way from one total to the other, with bars that begin where the last one ended.
fn waterfall(compared: &Answer<Comparison>) -> Table {
    let mut table = Table::new(vec![
        Column::name("step"),
        Column::number("change"),
        Column::number("total"),
        Column::name("").rank(1),
    ]);
    let totals = || {
        [compared.total.before, compared.total.after]
            .into_iter()
            .chain(compared.waterfall.iter().map(|step| step.total))
    };
    let (least, most) = (totals().fold(f64::INFINITY, f64::min), totals().fold(f64::NEG_INFINITY, f64::max));
    // The bars show the steps alone: beside a total from 0 they would all look alike.
    let column =
        |total: f64| if most > least { ((total - least) / (most - least) * BAR as f64).round() as usize } else { 0 };
    let bar = |from: f64, to: f64| {
        let (start, end) = (column(from.min(to)), column(from.max(to)));
        format!("{}{}", " ".repeat(start), if to < from { "░" } else { "█" }.repeat((end - start).max(1)))
    };
    let total = |amount: f64| money(amount, compared.header.currency());
    table.row(vec!["before".into(), String::new(), total(compared.total.before), String::new()]);
    let mut level = compared.total.before;
    for step in &compared.waterfall {
        table.row(vec![
            step.label.clone(),
            change(step.change, compared.header.currency()),
            total(step.total),
            bar(level, step.total),
        ]);
        level = step.total;
    }
    table.row(vec!["after".into(), String::new(), total(compared.total.after), String::new()]);
    table
}

fn movers_csv(compared: &Answer<Comparison>) -> Result<String> {
    let mut header: Vec<String> = compared.group_by.0.iter().map(ToString::to_string).collect();
    header.extend(
        ["before", "after", "change", "change_pct", "share_pct", "status", "per_day", "currency"].map(str::to_owned),
    );
    let optional = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
    let rows = compared.movers.iter().map(|mover| {
        let mut row: Vec<String> = mover.group.values().map(plain).collect();
        row.extend([
            mover.change.before.to_string(),
            mover.change.after.to_string(),
            mover.change.change.to_string(),
            optional(mover.change.change_pct),
            optional(mover.share_pct),
            mover.status.name().to_owned(),
            compared.per_day.to_string(),
            compared.header.currency().to_owned(),
        ]);
        row
    });
    csv(&header, rows)
}
