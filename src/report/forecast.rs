//! Where a period will end, and how wrong such forecasts have been, as text.

use chrono::NaiveDate;

use super::{
    Format, Page, Style, chart, csv, json, plain,
    table::{Column, Table},
    units::{change, money, percent},
};
use crate::{
    error::Result,
    inert,
    insights::{
        answer::Answer,
        change::Change,
        course::ChartDay,
        forecast::{
            Calibration, Coverage, Driver, Estimate, Forecast, ForecastBacktest, ForecastDay, ForecastOf,
            ForecastScore, Interval, OpenIncident,
        },
        group_names,
    },
    model::{Granularity, Period},
};

/// The interval of tables and sentences.
const LIKELY: f64 = 0.8;
const HALF: f64 = 0.5;

pub(crate) fn render(forecast: &Answer<Forecast>, format: Format, style: Style) -> Result<String> {
    match format {
        Format::Json => json(forecast),
        Format::Csv => to_csv(forecast),
        Format::Table => Ok(text(forecast, Page::Terminal(style))),
        Format::Markdown => Ok(text(forecast, Page::Markdown)),
    }
}

fn text(forecast: &Answer<Forecast>, page: Page) -> String {
    let mut text = page.prose(&format!("{}\n\n", headline(forecast, forecast.header.currency())));
    text += &page.prose(&summary(forecast, forecast.header.currency()));
    if let Page::Terminal(style) = page {
        let shown = chart::terminal_with_days_to_come(&chart_days(forecast), forecast.header.currency(), style.width);
        if !shown.is_empty() {
            text += &format!("\n{shown}");
        }
    }
    text += "\n";
    text += &page.table(&groups(forecast, forecast.header.currency()));
    if !forecast.drivers.is_empty() {
        text += &page.prose(&format!("\nwhat makes the difference: {}\n", drivers(forecast)));
    }
    if !forecast.assumptions.is_empty() {
        text += &page.prose("\nit goes by\n");
        for assumption in &forecast.assumptions {
            text += &page.prose(&format!("- {assumption}\n"));
        }
    }
    text
}

/// `2026-11: $12,345.67 expected, 80 % between $12,000.00 and $12,900.00`
pub(crate) fn headline(forecast: &Forecast, currency: &str) -> String {
    let name = name(forecast.period);
    if forecast.period.end <= forecast.known_through {
        return format!("{name} is over: {}", money(forecast.total.expected, currency));
    }
    let likely = forecast.total.interval(LIKELY).map(|interval| format!(", 80 % {}", between(interval, currency)));
    format!("{name}: {} expected{}", money(forecast.total.expected, currency), likely.unwrap_or_default())
}

/// What is spent, how sure the rest is, and how it stands to the period before.
pub(crate) fn summary(forecast: &Forecast, currency: &str) -> String {
    let mut text = format!(
        "spent up to {}: {}\n",
        forecast.known_through.min(forecast.period.end),
        money(forecast.total.to_date, currency)
    );
    if let (Some(half), Some(calibrated)) = (forecast.total.interval(HALF), forecast.calibration) {
        let from = match calibrated.by {
            Calibration::Own => format!("forecasts of {} earlier months", calibrated.errors),
            Calibration::Estate => format!("{} forecasts of accounts or services in earlier months", calibrated.errors),
        };
        text +=
            &format!("50 % {}; intervals are from how wrong {from} were as of the same day\n", between(half, currency));
    }
    if let Some(before) = &forecast.before {
        let moved =
            |amounts: &Change| format!("{} ({})", change(amounts.change, currency), percent(amounts.change_pct, true));
        let name = name(before.period);
        text += &format!("{name} cost {}: {}", money(before.total.before, currency), moved(&before.total));
        let is_begun = forecast.period.start <= forecast.known_through;
        if is_begun && forecast.known_through < forecast.period.end {
            let same = money(before.to_date.before, currency);
            text += &format!("; its same days {same}: {}", moved(&before.to_date));
        }
        text += "\n";
    }
    text + &scenarios(forecast, currency) + &record(forecast, currency)
}

/// What open incidents make of the total.
fn scenarios(forecast: &Forecast, currency: &str) -> String {
    let Some(scenarios) = &forecast.scenarios else { return String::new() };
    let one = |incident: &OpenIncident| {
        let names = group_names(&incident.group, incident.account_name.as_deref());
        let name = if names.is_empty() { "the total".to_owned() } else { names.join(" / ") };
        format!("{name} {} a day since {}", change(incident.a_day, currency), incident.start_date)
    };
    let named: Vec<String> = scenarios.incidents.iter().map(one).collect();
    let more = scenarios.count - scenarios.incidents.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!(
        "open incidents: {} if they end, {} if they stay ({}{more})\n",
        money(scenarios.if_they_end, currency),
        money(scenarios.if_they_stay, currency),
        named.join(", ")
    )
}

/// What was expected before, and how right that was.
fn record(forecast: &Forecast, currency: &str) -> String {
    let mut text = String::new();
    if let Some(last) = forecast.earlier.last() {
        text += &format!("on {} expected: {}\n", last.made_on, money(last.expected, currency));
    }
    if let Some(checked) = &forecast.checked {
        let within = match checked.within {
            Some(true) => ", within its interval",
            Some(false) => ", outside its interval",
            None => "",
        };
        text += &format!(
            "on {} {} was expected for {}: it was {} off{within}\n",
            checked.forecast.made_on,
            money(checked.forecast.expected, currency),
            name(checked.period),
            percent(checked.error_pct, true),
        );
    }
    text
}

fn between(interval: Interval, currency: &str) -> String {
    format!("between {} and {}", money(interval.low, currency), money(interval.high, currency))
}

/// A month by its name, other days from the first to the last.
fn name(period: Period) -> String {
    match period == Granularity::Monthly.period_of(period.start) {
        true => period.start.format("%Y-%m").to_string(),
        false => format!("{} to {}", period.start, period.end),
    }
}

/// Each group, and the total.
pub(crate) fn groups(forecast: &Forecast, currency: &str) -> Table {
    let mut columns: Vec<Column> = forecast.group_by.0.iter().map(|one| Column::name(one.to_string())).collect();
    columns.extend([
        Column::number("to date").rank(2),
        Column::number("expected"),
        Column::number("80 % interval").rank(3),
    ]);
    let before = forecast.before.map(|before| before.period);
    if let Some(before) = before {
        columns.extend([Column::number(name(before)).rank(2), Column::number("change").rank(1)]);
    }
    let mut table = Table::new(columns);
    let row = |mut cells: Vec<String>, estimate: &Estimate, was: Option<f64>| {
        cells.extend([money(estimate.to_date, currency), money(estimate.expected, currency)]);
        let interval = estimate.interval(LIKELY);
        let ends =
            |interval: Interval| format!("{}..{}", money(interval.low, currency), money(interval.high, currency));
        cells.push(interval.map_or("-".into(), ends));
        if let Some(was) = was {
            cells.extend([money(was, currency), change(estimate.expected - was, currency)]);
        }
        cells
    };
    let named = |first: &str| {
        let mut names = vec![String::new(); forecast.group_by.0.len()];
        if let Some(name) = names.first_mut() {
            first.clone_into(name);
        }
        names
    };
    for group in &forecast.groups {
        let names = match group.other {
            true => named("other"),
            false => group_names(&group.group, group.account_name.as_deref()),
        };
        table.row(row(names, &group.estimate, group.before.filter(|_| before.is_some())));
    }
    table.row(row(named("total"), &forecast.total, forecast.before.map(|before| before.total.before)));
    table
}

/// The groups that differ most, in a sentence.
fn drivers(forecast: &Answer<Forecast>) -> String {
    let one = |driver: &Driver| {
        let names = group_names(&driver.group, driver.account_name.as_deref());
        format!("{} {}", names.join(" / "), change(driver.change.change, forecast.header.currency()))
    };
    forecast.drivers.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// The days of a chart: those to come have no cost yet.
pub(super) fn chart_days(forecast: &Forecast) -> Vec<ChartDay> {
    let day = |day: &ForecastDay| ChartDay {
        date: day.date,
        cost: if day.settled { day.expected } else { 0.0 },
        expected: (!day.settled).then_some(day.expected),
        flagged: false,
    };
    forecast.days.iter().map(day).collect()
}

/// One row for each group.
fn to_csv(forecast: &Answer<Forecast>) -> Result<String> {
    let mut header: Vec<String> = forecast.group_by.0.iter().map(ToString::to_string).collect();
    header.extend(["start", "end", "known_through", "to_date", "expected"].map(str::to_owned));
    header.extend(["low_50", "high_50", "low_80", "high_80", "before", "currency"].map(str::to_owned));
    let number = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
    let day = |day: NaiveDate| day.to_string();
    let rows = forecast.groups.iter().map(|group| {
        let mut row: Vec<String> = match group.other {
            true => forecast.group_by.0.iter().map(|_| "other".to_owned()).collect(),
            false => group.group.values().map(plain).collect(),
        };
        row.extend([day(forecast.period.start), day(forecast.period.end), day(forecast.known_through)]);
        row.extend([group.estimate.to_date.to_string(), group.estimate.expected.to_string()]);
        for level in [HALF, LIKELY] {
            let interval = group.estimate.interval(level);
            row.extend([number(interval.map(|ends| ends.low)), number(interval.map(|ends| ends.high))]);
        }
        row.extend([number(group.before), forecast.header.currency().to_owned()]);
        row
    });
    csv(&header, rows)
}

pub(crate) fn render_backtest(backtest: &Answer<ForecastBacktest>, format: Format, style: Style) -> Result<String> {
    match format {
        Format::Json => json(backtest),
        Format::Csv => backtest_csv(backtest),
        Format::Table => Ok(backtest_text(backtest, Page::Terminal(style))),
        Format::Markdown => Ok(backtest_text(backtest, Page::Markdown)),
    }
}

fn backtest_text(backtest: &Answer<ForecastBacktest>, page: Page) -> String {
    let dimensions: Vec<String> = backtest.group_by.0.iter().map(ToString::to_string).collect();
    let mut text = page.prose(&format!(
        "{} months replayed, {} to {}: how far month totals were off, in percent\n",
        backtest.months, backtest.replayed.start, backtest.replayed.end,
    ));
    for (of, title) in [
        (ForecastOf::Total, "the total".to_owned()),
        (ForecastOf::Groups, format!("each {} of at least 1 %", inert::one_line(&dimensions.join(" and ")))),
    ] {
        let scores: Vec<&ForecastScore> = backtest.results.iter().filter(|score| score.of == of).collect();
        if scores.is_empty() {
            continue;
        }
        text += &page.prose(&format!("\n{title}\n\n"));
        text += &page.table(&scores_table(&scores));
    }
    text
}

/// How wrong forecasts of the total would have been, beside the rules of other tools.
pub(crate) fn scores(backtest: &ForecastBacktest) -> Table {
    scores_table(&backtest.results.iter().filter(|score| score.of == ForecastOf::Total).collect::<Vec<_>>())
}

fn scores_table(scores: &[&ForecastScore]) -> Table {
    let mut table = Table::new(vec![
        Column::name("method"),
        Column::number("as of day"),
        Column::number("forecasts").rank(3),
        Column::number("mean error"),
        Column::number("bias"),
        Column::number("in 50 %").rank(2),
        Column::number("in 80 %").rank(1),
        Column::number("its width").rank(4),
    ]);
    for score in scores {
        let coverage = |level: f64| score.coverage.iter().find(|coverage| coverage.level == level);
        let share = |level: f64| coverage(level).map_or("-".into(), |one| format!("{:.0} %", one.share * 100.0));
        table.row(vec![
            score.method.replace('_', " "),
            score.day.to_string(),
            score.forecasts.to_string(),
            percent(Some(score.mape_pct), false),
            percent(Some(score.bias_pct), true),
            share(HALF),
            share(LIKELY),
            coverage(LIKELY).map_or("-".into(), |one| percent(Some(one.width_pct), false)),
        ]);
    }
    table
}

/// One row for each method, day, and kind of cost.
fn backtest_csv(backtest: &Answer<ForecastBacktest>) -> Result<String> {
    let header =
        ["of", "method", "day", "forecasts", "mape_pct", "bias_pct", "coverage_50", "coverage_80", "width_80_pct"];
    let rows = backtest.results.iter().map(|score| {
        let number = |level: f64, of: fn(&Coverage) -> f64| {
            score.coverage.iter().find(|one| one.level == level).map_or(String::new(), |one| of(one).to_string())
        };
        let of = if score.of == ForecastOf::Total { "total" } else { "groups" };
        vec![
            of.into(),
            score.method.into(),
            score.day.to_string(),
            score.forecasts.to_string(),
            score.mape_pct.to_string(),
            score.bias_pct.to_string(),
            number(HALF, |one| one.share),
            number(LIKELY, |one| one.share),
            number(LIKELY, |one| one.width_pct),
        ]
    });
    csv(&header.map(str::to_owned), rows)
}
