//! Trends as text.

use super::{
    Format, Page, Style, csv, json, plain,
    table::{Column, Table},
    units::{change, money, percent, sparkline},
};
use crate::{
    error::Result,
    inert,
    insights::{
        answer::Answer,
        group_names,
        trends::{TrendPeriod, Trends},
    },
    model::{Granularity, Period},
};

/// Up to this many periods have a column of their own.
const MAX_PERIOD_COLUMNS: usize = 6;
const SPARKLINE_WIDTH: usize = 30;

pub(crate) fn render(trends: &Answer<Trends>, format: Format, style: Style) -> Result<String> {
    match format {
        Format::Json => json(trends),
        Format::Csv => rows_csv(trends),
        Format::Table => Ok(text(trends, Page::Terminal(style))),
        Format::Markdown => Ok(text(trends, Page::Markdown)),
    }
}

fn text(trends: &Answer<Trends>, page: Page) -> String {
    let dimensions: Vec<String> = trends.group_by.0.iter().map(ToString::to_string).collect();
    let range = match (trends.periods.first(), trends.periods.last()) {
        (Some(first), Some(last)) => format!("{} to {}", first.start, last.end),
        _ => String::new(),
    };
    let mut text = page.prose(&format!(
        "{} cost by {}, {range}, from {}\n",
        capitalised(&trends.header.metric.unwrap_or_default().name().replace('_', " ")),
        inert::one_line(&dimensions.join(" and ")),
        trends.header.sources.join(",")
    ));
    text.push('\n');
    text += &page.table(&groups(trends, &dimensions));
    text.push('\n');
    text += &page.table(&periods(trends));
    text += &page.prose(&footer(trends));
    text
}

fn groups(trends: &Answer<Trends>, dimensions: &[String]) -> Table {
    let money = |amount: f64| money(amount, trends.header.currency());
    // A change into an unfinished period says nothing.
    let last =
        trends.periods.iter().rposition(|period| !period.provisional).unwrap_or(trends.periods.len().saturating_sub(1));
    let last_name = trends
        .periods
        .get(last)
        .map_or(String::new(), |period| period_name(trends.granularity, period.start, period.end));
    let own_columns = (2..=MAX_PERIOD_COLUMNS).contains(&trends.periods.len());
    let mut columns: Vec<Column> = dimensions.iter().map(Column::name).collect();
    if own_columns {
        // Where space is short, the oldest periods go first.
        columns.extend(trends.periods.iter().enumerate().map(|(index, period)| {
            let name = period_name(trends.granularity, period.start, period.end);
            Column::number(name).rank(u8::try_from(10 + trends.periods.len() - index).unwrap_or(u8::MAX))
        }));
    }
    columns.extend([Column::number("total"), Column::number("share").rank(3), Column::number("per day").rank(5)]);
    if own_columns {
        columns.push(Column::number(format!("change {last_name}")).rank(1));
    } else {
        columns.extend([Column::number(last_name).rank(2), Column::number("change").rank(1)]);
    }
    columns.extend([Column::number("%").rank(2), Column::name("trend").rank(6)]);
    let mut table = Table::new(columns);
    let row = |mut cells: Vec<String>, costs: &[f64], sums: [String; 3], moved: Option<f64>, moved_pct: Option<f64>| {
        if own_columns {
            cells.extend(costs.iter().map(|cost| money(*cost)));
        }
        cells.extend(sums);
        if !own_columns {
            cells.push(money(costs.get(last).copied().unwrap_or(0.0)));
        }
        cells.extend([
            moved.map_or("-".into(), |moved| change(moved, trends.header.currency())),
            percent(moved_pct, true),
            sparkline(costs, SPARKLINE_WIDTH),
        ]);
        cells
    };
    let latest = trends.periods.get(last);
    for (index, group) in trends.groups.iter().enumerate() {
        let names = group_names(&group.group, group.account_name.as_deref());
        let sums = [money(group.cost), percent(group.share_pct, false), money(group.average)];
        let of_group = latest.and_then(|period| period.groups.get(index));
        table.row(row(
            names,
            &group.costs,
            sums,
            of_group.and_then(|group| group.change),
            of_group.and_then(|group| group.change_pct),
        ));
    }
    let totals: Vec<f64> = trends.periods.iter().map(|period| period.total).collect();
    let total: f64 = totals.iter().sum();
    let mut names = vec![String::new(); dimensions.len()];
    names[0] = "total".into();
    let average: f64 = trends.groups.iter().map(|group| group.average).sum();
    let share = Some(100.0).filter(|_| total.abs() >= 0.01);
    table.row(row(
        names,
        &totals,
        [money(total), percent(share, false), money(average)],
        latest.and_then(|period| period.change),
        latest.and_then(|period| period.change_pct),
    ));
    table
}

fn periods(trends: &Answer<Trends>) -> Table {
    let with_credits = trends.periods.iter().any(|period| period.credits.abs() >= 0.005);
    let mut columns = vec![
        Column::name(match trends.granularity {
            Granularity::Daily => "day",
            Granularity::Weekly => "week",
            Granularity::Monthly => "month",
        }),
        Column::number("total"),
        Column::number("change"),
        Column::number("%").rank(1),
    ];
    if with_credits {
        columns.push(Column::number("credits").rank(1));
    }
    columns.push(Column::name(""));
    let mut table = Table::new(columns);
    for period in &trends.periods {
        let mut cells = vec![
            period_name(trends.granularity, period.start, period.end),
            money(period.total, trends.header.currency()),
            period.change.map_or("-".into(), |moved| change(moved, trends.header.currency())),
            percent(period.change_pct, true),
        ];
        if with_credits {
            cells.push(money(period.credits, trends.header.currency()));
        }
        cells.push(if period.provisional { "provisional".into() } else { String::new() });
        table.row(cells);
    }
    table
}

fn footer(trends: &Answer<Trends>) -> String {
    let settled: Vec<&TrendPeriod> = trends.periods.iter().filter(|period| !period.provisional).collect();
    let mut text = String::new();
    if settled.len() > 1 {
        let extreme = |found: Option<&&TrendPeriod>| {
            found.map_or(String::new(), |period| {
                let name = period_name(trends.granularity, period.start, period.end);
                format!("{} ({name})", money(period.total, trends.header.currency()))
            })
        };
        let mean = settled.iter().map(|period| period.total).sum::<f64>() / settled.len() as f64;
        text += &format!(
            "\naverage {}, minimum {}, maximum {}{}\n",
            money(mean, trends.header.currency()),
            extreme(settled.iter().min_by(|a, b| a.total.total_cmp(&b.total))),
            extreme(settled.iter().max_by(|a, b| a.total.total_cmp(&b.total))),
            if settled.len() < trends.periods.len() { " of what is settled" } else { "" }
        );
    }
    if trends.periods.iter().any(|period| period.provisional) {
        text += &format!("provisional: days after {} may still change\n", super::settled(&trends.header));
    }
    if !trends.excluded_charges.is_empty() {
        let excluded_charges: Vec<String> = trends
            .excluded_charges
            .iter()
            .map(|excluded| format!("{} {}", excluded.charge_category, money(excluded.cost, trends.header.currency())))
            .collect();
        text += &format!("not in the total: {} (`--include`)\n", excluded_charges.join(", "));
    }
    if let Some(hidden) = &trends.hidden_by_credits {
        let money = |amount| money(amount, trends.header.currency());
        text += &format!(
            "credits and refunds take {} off {} of spend: {} remain\n",
            money(-hidden.credits),
            money(hidden.spend),
            money(hidden.net)
        );
    }
    text
}

fn period_name(granularity: Granularity, start: chrono::NaiveDate, end: chrono::NaiveDate) -> String {
    match granularity {
        Granularity::Daily => start.to_string(),
        Granularity::Monthly if granularity.period_of(start) == (Period { start, end }) => {
            start.format("%Y-%m").to_string()
        }
        _ => format!("{start}..{}", end.format("%m-%d")),
    }
}

fn rows_csv(trends: &Answer<Trends>) -> Result<String> {
    let mut header = vec!["start".to_owned(), "end".into(), "provisional".into()];
    header.extend(trends.group_by.0.iter().map(ToString::to_string));
    header.extend(["cost", "change", "change_pct", "currency"].map(str::to_owned));
    let number = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
    let rows = trends.periods.iter().flat_map(|period| {
        period.groups.iter().map(move |group| {
            let mut row = vec![period.start.to_string(), period.end.to_string(), period.provisional.to_string()];
            row.extend(group.group.values().map(plain));
            row.extend([
                group.cost.to_string(),
                number(group.change),
                number(group.change_pct),
                trends.header.currency().to_owned(),
            ]);
            row
        })
    });
    csv(&header, rows)
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or(String::new(), |first| first.to_uppercase().chain(characters).collect())
}
