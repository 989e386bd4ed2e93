//! The page of the morning: is anything wrong, where does the month end, how fresh is this.

use std::collections::BTreeMap;

use askama::Template;
use chrono::{Datelike, NaiveDate};

use super::{
    Asked, Made, about,
    parts::{Cell, Grid, Row, Source, rendered},
    plot::{Kind, Line, Plot, days_link, gauge},
};
use crate::{
    error::Result,
    model::{Severity, first_of_month},
    operations::{
        Answer, BudgetState, BudgetStatus, ListIncidents, Overview, Session, Shown, SummarizeCosts, parse_flags,
    },
    report::{
        compare, forecast, overview,
        units::{change, money, percent},
    },
};

/// Incidents and movers that are shown.
const SHOWN: usize = 6;
/// Of a forecast, the interval that is shown.
const LIKELY: f64 = 0.8;

#[derive(Template)]
#[template(path = "morning.html")]
struct Morning {
    day: String,
    answers: Vec<AnswerCard>,
    incidents: Grid,
    more: usize,
    month: String,
    month_words: String,
    budgets: Grid,
    week_words: String,
    movers: Grid,
    ninety: String,
    filters: Vec<String>,
    about: String,
}

/// A question of the morning and its answer.
struct AnswerCard {
    question: &'static str,
    answer: String,
    detail: String,
    href: String,
    class: &'static str,
}

pub(super) fn page(session: &Session, asked: &Asked) -> Result<Made> {
    let mut given = asked.without(&[]);
    if asked.get("top").is_empty() {
        given.push(("top".to_owned(), SHOWN.to_string()));
    }
    let line = crate::operations::find("report")?.line_of(&given)?;
    let page = session.run(&parse_flags::<SummarizeCosts>(&line)?)?;
    let mut incidents = open_incidents(session, asked)?;
    incidents.sort_by(|a, b| b.incident.at_stake.total_cmp(&a.incident.at_stake));
    let currency = page.header.currency().to_owned();
    let filters = asked.all("filter");
    let more = incidents.len().saturating_sub(SHOWN);
    let settled = page.header.settled_through.unwrap_or(page.quality.newest_day);
    let made = Morning {
        day: page.header.as_of.map_or(String::new(), in_words),
        answers: vec![wrong(&incidents, &currency), month_end(&page, &currency), fresh(&page, settled)],
        incidents: incident_grid(session, &incidents)?,
        more,
        month: month_plot(&page, &currency, &filters).render()?,
        month_words: forecast::headline(&page.month_end, &currency),
        budgets: budget_grid(&page.budgets),
        week_words: compare::sentence(&page.week, &currency),
        movers: movers(&page, &currency, &filters, &given)?,
        ninety: ninety_days(&page, &currency, &filters).render()?,
        filters,
        about: about(&page.header)?,
    };
    Ok(Made { title: "Morning".to_owned(), main: rendered(&made)? })
}

/// `Monday, 30 November`
fn in_words(day: NaiveDate) -> String {
    day.format("%A, %-d %B %Y").to_string()
}

fn open_incidents(session: &Session, asked: &Asked) -> Result<Vec<Shown>> {
    // Filters of incidents are values of their groups.
    let filters: Vec<(String, String)> = asked
        .all("filter")
        .into_iter()
        .filter(|filter| !filter.contains("!="))
        .map(|filter| ("filter".to_owned(), filter))
        .collect();
    let line = crate::operations::find("incidents")?.line_of(&filters)?;
    Ok(session.run(&parse_flags::<ListIncidents>(&line)?)?.body.incidents)
}

fn wrong(incidents: &[Shown], currency: &str) -> AnswerCard {
    let count = |severity: Severity| incidents.iter().filter(|shown| shown.incident.severity == severity).count();
    let (critical, warnings) = (count(Severity::Critical), count(Severity::Warning));
    let at_stake: f64 = incidents.iter().map(|shown| shown.incident.at_stake).filter(|amount| *amount > 0.0).sum();
    let number = |count: usize, name: &str| (count > 0).then(|| format!("{count} {name}"));
    let parts = [number(critical, "critical"), number(warnings, if warnings == 1 { "warning" } else { "warnings" })];
    let kinds: Vec<String> = parts.into_iter().flatten().collect();
    let (answer, class) = match incidents.len() {
        0 => ("Nothing".to_owned(), "fine"),
        1 => ("1 incident".to_owned(), if critical > 0 { "act" } else { "" }),
        many => (format!("{many} incidents"), if critical > 0 { "act" } else { "" }),
    };
    let detail = match (incidents.is_empty(), kinds.is_empty()) {
        (true, _) => "no incident is open".to_owned(),
        (false, true) => format!("{} at stake", money(at_stake, currency)),
        (false, false) => format!("{} at stake; {}", money(at_stake, currency), kinds.join(", ")),
    };
    AnswerCard { question: "Is anything wrong?", answer, detail, href: "/incidents".to_owned(), class }
}

fn month_end(page: &Answer<Overview>, currency: &str) -> AnswerCard {
    let end = &page.month_end;
    let likely = end.total.interval(LIKELY);
    let range =
        likely.map(|interval| format!("80 %: {} to {}", money(interval.low, currency), money(interval.high, currency)));
    let before = end.before.as_ref().map(|before| {
        let name = before.period.start.format("%B");
        format!("{} ({}) to {name}", change(before.total.change, currency), percent(before.total.change_pct, true))
    });
    let risk = page.budgets.iter().filter(|budget| budget.state != BudgetState::Within).count();
    let at_risk = match risk {
        0 => None,
        1 => Some("1 budget at risk".to_owned()),
        many => Some(format!("{many} budgets at risk")),
    };
    let parts: Vec<String> = [range, before, at_risk].into_iter().flatten().collect();
    AnswerCard {
        question: "Where does the month end?",
        answer: money(end.total.expected, currency),
        detail: parts.join("; "),
        href: "/forecast".to_owned(),
        class: if risk > 0 { "act" } else { "" },
    }
}

fn fresh(page: &Answer<Overview>, settled: NaiveDate) -> AnswerCard {
    let today = page.header.as_of.unwrap_or(settled);
    let newest = page.quality.newest_day;
    let missing = match page.quality.missing.len() {
        0 => None,
        1 => Some("1 day is missing".to_owned()),
        many => Some(format!("{many} days are missing")),
    };
    let notes = match page.header.warnings.len() {
        0 => None,
        1 => Some("1 note on the data".to_owned()),
        many => Some(format!("{many} notes on the data")),
    };
    let old = (today - newest).num_days();
    let parts: Vec<String> =
        [Some(format!("data through {newest}, from {}", page.header.sources.join(", "))), missing, notes]
            .into_iter()
            .flatten()
            .collect();
    AnswerCard {
        question: "How fresh is this?",
        answer: format!("settled to {}", settled.format("%-d %b")),
        detail: parts.join("; "),
        href: "/status".to_owned(),
        class: if old > 3 { "act" } else { "" },
    }
}

/// Open incidents, each with its course; the same on the page of incidents, in short.
fn incident_grid(session: &Session, incidents: &[Shown]) -> Result<Grid> {
    let columns = [("since", false), ("what", false), ("", false), ("a day", true), ("at stake", true)];
    let mut grid = Grid::new("Open incidents", &columns);
    grid.empty = "No incident is open.";
    for shown in incidents.iter().take(SHOWN) {
        let incident = &shown.incident;
        let href = format!("/incidents/{}", incident.id);
        let spark =
            super::incidents::explained(session, &incident.id).as_ref().map_or(String::new(), super::incidents::drawn);
        let class = if incident.severity == Severity::Critical { "critical" } else { incident.severity.name() };
        grid.rows.push(Row {
            cells: vec![
                Cell::new(incident.start_date.to_string()),
                Cell::new(shown.subject()).to(&href).class(class),
                Cell::drawn(spark),
                Cell::new(change(incident.impact, &incident.currency)).to(days_link(
                    &incident.start_date.to_string(),
                    &incident.last_date.to_string(),
                    &shown.filters().iter().map(ToString::to_string).collect::<Vec<_>>(),
                )),
                Cell::new(money(incident.at_stake, &incident.currency)),
            ],
            href: Some(href),
            ..Row::default()
        });
    }
    Ok(grid.from(Source::new("incidents", "incidents", "incidents", &[])?))
}

/// What was spent this month, added up, beside the month before, and where it will end.
fn month_plot(page: &Answer<Overview>, currency: &str, filters: &[String]) -> Plot {
    let end = &page.month_end;
    let (mut sum, mut sure) = (0.0, 0.0);
    let mut spent = Vec::new();
    let mut expected = Vec::new();
    for day in &end.days {
        sum += day.expected;
        let is_known = day.settled && day.cost.is_some();
        if is_known {
            sure = sum;
        }
        spent.push(is_known.then_some(sum));
        expected.push(
            (!is_known || end.days.iter().any(|later| later.date > day.date && !later.settled) && sum >= sure)
                .then_some(sum),
        );
    }
    // The line of what is expected begins where that of what was spent ends.
    let last_known = spent.iter().rposition(Option::is_some);
    for (place, value) in expected.iter_mut().enumerate() {
        if last_known.is_some_and(|last| place < last) {
            *value = None;
        }
    }
    let before_month = first_of_month(end.period.start.pred_opt().unwrap_or(end.period.start));
    let mut of_before: BTreeMap<u32, f64> = BTreeMap::new();
    for day in page.chart.iter().filter(|day| first_of_month(day.date) == before_month) {
        *of_before.entry(day.date.day()).or_default() += day.cost;
    }
    // A month that the data has only a part of would be drawn too low.
    let is_whole = page.chart.first().is_some_and(|first| first.date <= before_month);
    let mut before_sum = 0.0;
    let before: Vec<Option<f64>> = end
        .days
        .iter()
        .map(|day| {
            let cost = of_before.get(&day.date.day()).filter(|_| is_whole)?;
            before_sum += cost;
            Some(before_sum)
        })
        .collect();
    let band = end.total.interval(LIKELY).zip(last_known).map(|(interval, last)| {
        let start = spent[last].unwrap_or(0.0);
        let days = (end.days.len() - 1 - last).max(1) as f64;
        let towards = |goal: f64| {
            let at = |place: usize| (place >= last).then(|| start + (goal - start) * (place - last) as f64 / days);
            (0..end.days.len()).map(at).collect::<Vec<_>>()
        };
        (towards(interval.low), towards(interval.high))
    });
    let line = |name: String, kind: Kind, colour: usize, values: Vec<Option<f64>>| Line { name, kind, colour, values };
    let mut lines = vec![
        line(end.period.start.format("%B").to_string(), Kind::Line, 0, spent),
        line("expected".to_owned(), Kind::Dashes, 0, expected),
    ];
    if before.iter().any(Option::is_some) {
        lines.push(line(before_month.format("%B").to_string(), Kind::Line, 8, before));
    }
    Plot {
        caption: "The month, added up by day".to_owned(),
        currency: currency.to_owned(),
        labels: end.days.iter().map(|day| day.date.to_string()).collect(),
        lines,
        band,
        links: end.days.iter().map(|day| days_link(&day.date.to_string(), &day.date.to_string(), filters)).collect(),
        ..Plot::default()
    }
}

fn budget_grid(budgets: &[BudgetStatus]) -> Grid {
    let columns = [("budget", false), ("", false), ("spent", true), ("expected", true), ("of", true)];
    let mut grid = Grid::new("Budgets", &columns);
    grid.empty = "No budgets are configured (`budgets` in the configuration).";
    for budget in budgets {
        let class = match budget.state {
            BudgetState::Within => "",
            BudgetState::Forecast => "warning",
            BudgetState::Exceeded => "critical",
        };
        grid.row(vec![
            Cell::new(&budget.name).to(format!("/budgets#{}", super::budgets::anchor(&budget.name))).class(class),
            Cell::drawn(gauge(budget.spent, budget.expected.expected, budget.amount)),
            Cell::new(money(budget.spent, &budget.currency)),
            Cell::new(money(budget.expected.expected, &budget.currency)),
            Cell::new(money(budget.amount, &budget.currency)),
        ]);
    }
    grid
}

fn movers(page: &Answer<Overview>, currency: &str, filters: &[String], given: &[(String, String)]) -> Result<Grid> {
    let (before, after) = (&page.week.before, &page.week.after);
    let mut grid = Grid::of("What moved in the week", &overview::movers(&page.week, currency));
    for (row, mover) in grid.rows.iter_mut().zip(&page.week.movers) {
        let own: Vec<String> = mover
            .group
            .iter()
            .map(|(dimension, value)| format!("{dimension}={}", value.as_str().unwrap_or_default()))
            .collect();
        let all: Vec<String> = filters.iter().cloned().chain(own).collect();
        let link = |start: NaiveDate, end: NaiveDate| days_link(&start.to_string(), &end.to_string(), &all);
        let days = [link(before.start, after.end), link(before.start, before.end), link(after.start, after.end)];
        for (cell, href) in row.cells.iter_mut().zip(days) {
            cell.href = Some(href);
        }
    }
    let mut parameters = vec![
        ("from".to_owned(), format!("{}..{}", before.start, before.end)),
        ("to".to_owned(), format!("{}..{}", after.start, after.end)),
    ];
    parameters.extend(given.iter().filter(|(name, _)| name != "top").cloned());
    Ok(grid.from(Source::new("compare", "compare", "compare", &parameters)?))
}

fn ninety_days(page: &Answer<Overview>, currency: &str, filters: &[String]) -> Plot {
    let line = |name: &str, kind: Kind, colour: usize, values: Vec<Option<f64>>| Line {
        name: name.to_owned(),
        kind,
        colour,
        values,
    };
    Plot {
        caption: format!("Cost by day, {} days", page.chart.len()),
        currency: currency.to_owned(),
        labels: page.chart.iter().map(|day| day.date.to_string()).collect(),
        lines: vec![
            line("cost", Kind::Bars, 0, page.chart.iter().map(|day| Some(day.cost)).collect()),
            line("expected", Kind::Line, 8, page.chart.iter().map(|day| day.expected).collect()),
        ],
        flagged: page.chart.iter().map(|day| day.flagged).collect(),
        links: page.chart.iter().map(|day| days_link(&day.date.to_string(), &day.date.to_string(), filters)).collect(),
        ..Plot::default()
    }
}
