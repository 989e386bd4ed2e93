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
    error::{Code, Error, Result},
    model::{GroupBy, Severity, first_of_month},
    operations::{
        self, Answer, BudgetState, BudgetStatus, ChartDay, ComparePeriods, Comparison, Forecast, ForecastCosts,
        ListIncidents, Score, ScoreDays, Session, ShowBudgets, ShowTrends, Shown, SummarizeCosts, Trends, Warning,
        parse_flags,
    },
    report::{
        compare, forecast, overview,
        units::{change, money, percent},
    },
};

/// Incidents and movers that are shown.
const SHOWN: usize = 6;
/// Days of the chart.
const CHART_DAYS: &str = "90";
/// Data is called old after so many days.
const OLD: i64 = 3;
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

/// What the page is made of. Each is worked out on a thread of its own: together they take as long as the longest.
struct Parts {
    days: Answer<Trends>,
    scores: Vec<ChartDay>,
    incidents: Vec<Shown>,
    budgets: Vec<BudgetStatus>,
    /// Too short a history has none of the two.
    month_end: Result<Answer<Forecast>>,
    week: Result<Answer<Comparison>>,
}

/// The parameters of a page that an operation takes.
fn taken(operation: &str, given: &[(String, String)]) -> Result<Vec<(String, String)>> {
    let entry = operations::find(operation)?;
    Ok(given.iter().filter(|(name, _)| entry.has_flag(&name.replace('_', "-"))).cloned().collect())
}

/// The same as a command line, with others.
fn line(operation: &str, given: &[(String, String)], own: &[(&str, &str)]) -> Result<Vec<String>> {
    let is_own = |name: &str| own.iter().any(|(own, _)| *own == name);
    let taken = taken(operation, given)?.into_iter().filter(|(name, _)| !is_own(name));
    let own = own.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    operations::find(operation)?.line_of(&taken.chain(own).collect::<Vec<_>>())
}

impl Parts {
    fn new(session: &Session, given: &[(String, String)]) -> Result<Self> {
        let broken = |_| Error::bug("a part of the page broke off");
        std::thread::scope(|scope| {
            let month_end = scope.spawn(|| {
                session.run(&parse_flags::<ForecastCosts>(&line("forecast", given, &[("no_save", "true")])?)?)
            });
            let week = scope.spawn(|| session.run(&parse_flags::<ComparePeriods>(&line("compare", given, &[])?)?));
            let days = ("days", CHART_DAYS);
            let days = session.run(&parse_flags::<ShowTrends>(&line(
                "trends",
                given,
                &[days, ("top", "1"), ("group_by", "provider")],
            )?)?)?;
            let parts = Self {
                scores: scores(session, given, &days)?,
                incidents: open_incidents(session, given)?,
                budgets: budgets(session, given)?,
                days,
                month_end: month_end.join().map_err(broken)?,
                week: week.join().map_err(broken)?,
            };
            Ok(parts)
        })
    }

    fn currency(&self) -> &str {
        self.days.header.currency()
    }
}

/// The total of each day as it was judged.
fn scores(session: &Session, given: &[(String, String)], days: &Answer<Trends>) -> Result<Vec<ChartDay>> {
    let Some(first) = days.periods.first() else { return Ok(Vec::new()) };
    let from = first.start.to_string();
    let mut judged = parse_flags::<ScoreDays>(&line("scores", given, &[("from", &from)])?)?;
    judged.detection.group_by = Some(GroupBy(Vec::new()));
    let found = session.run(&judged)?;
    let day = |score: &Score| ChartDay {
        date: score.date,
        cost: score.cost,
        expected: score.expected,
        flagged: score.flagged,
    };
    Ok(found.scores.iter().map(day).collect())
}

fn budgets(session: &Session, given: &[(String, String)]) -> Result<Vec<BudgetStatus>> {
    match session.run(&parse_flags::<ShowBudgets>(&line("budgets", given, &[])?)?) {
        Err(error) if error.code() == Code::NotFound => Ok(Vec::new()),
        found => Ok(found?.body.budgets),
    }
}

pub(super) fn page(session: &Session, asked: &Asked) -> Result<Made> {
    let mut given = asked.without(&[]);
    if asked.get("top").is_empty() {
        given.push(("top".to_owned(), SHOWN.to_string()));
    }
    // The parameters are those of the page that the command line writes.
    parse_flags::<SummarizeCosts>(&operations::find("report")?.line_of(&given)?)?;
    let parts = Parts::new(session, &given)?;
    let currency = parts.currency().to_owned();
    let filters = asked.all("filter");
    let settled = parts.days.header.settled_through;
    let none = |error: &Error| error.message().to_owned();
    let (month, month_words) = match &parts.month_end {
        Ok(end) => (month_plot(&parts, end, &currency, &filters).render()?, forecast::headline(end, &currency)),
        Err(error) => (String::new(), none(error)),
    };
    let (movers, week_words) = match &parts.week {
        Ok(week) => (movers(week, &filters, &given)?, compare::sentence(week, &currency)),
        Err(error) => (Grid::default(), none(error)),
    };
    let made = Morning {
        day: session.today().format("%A, %-d %B %Y").to_string(),
        answers: vec![wrong(&parts.incidents), month_end(&parts, &currency), fresh(&parts, session.today())],
        incidents: incident_grid(session, &parts.incidents)?,
        more: parts.incidents.len().saturating_sub(SHOWN),
        month,
        month_words,
        budgets: budget_grid(&parts.budgets, &given)?,
        week_words,
        movers,
        ninety: ninety_days(&parts, &currency, &filters, settled).render()?,
        filters,
        about: about(&parts.days.header)?,
    };
    Ok(Made { title: "Morning".to_owned(), main: rendered(&made)? })
}

/// Open incidents, those with most at stake first.
fn open_incidents(session: &Session, given: &[(String, String)]) -> Result<Vec<Shown>> {
    // Filters of incidents are values of their groups.
    let filters = given.iter().filter(|(name, value)| name == "filter" && !value.contains("!="));
    let line = operations::find("incidents")?.line_of(&filters.cloned().collect::<Vec<_>>())?;
    let mut open = session.run(&parse_flags::<ListIncidents>(&line)?)?.body.incidents;
    open.sort_by(|a, b| b.incident.at_stake.total_cmp(&a.incident.at_stake));
    Ok(open)
}

fn wrong(incidents: &[Shown]) -> AnswerCard {
    let count = |severity: Severity| incidents.iter().filter(|shown| shown.incident.severity == severity).count();
    let (critical, warnings) = (count(Severity::Critical), count(Severity::Warning));
    let at_stake = super::incidents::at_stake_words(incidents);
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
        (false, true) => format!("{at_stake} at stake"),
        (false, false) => format!("{at_stake} at stake; {}", kinds.join(", ")),
    };
    AnswerCard { question: "Is anything wrong?", answer, detail, href: "/incidents".to_owned(), class }
}

fn month_end(parts: &Parts, currency: &str) -> AnswerCard {
    let risk = parts.budgets.iter().filter(|budget| budget.state != BudgetState::Within).count();
    let at_risk = match risk {
        0 => None,
        1 => Some("1 budget at risk".to_owned()),
        many => Some(format!("{many} budgets at risk")),
    };
    let (answer, range, before) = match &parts.month_end {
        Ok(end) => {
            let range = end
                .total
                .interval(LIKELY)
                .map(|one| format!("80 %: {} to {}", money(one.low, currency), money(one.high, currency)));
            let before = end.before.as_ref().map(|before| {
                let name = before.period.start.format("%B");
                format!(
                    "{} ({}) to {name}",
                    change(before.total.change, currency),
                    percent(before.total.change_pct, true)
                )
            });
            (money(end.total.expected, currency), range, before)
        }
        Err(_) => ("not known yet".to_owned(), None, None),
    };
    let details: Vec<String> = [range, before, at_risk].into_iter().flatten().collect();
    AnswerCard {
        question: "Where does the month end?",
        answer,
        detail: details.join("; "),
        href: "/forecast".to_owned(),
        class: if risk > 0 { "act" } else { "" },
    }
}

fn fresh(parts: &Parts, today: NaiveDate) -> AnswerCard {
    let header = &parts.days.header;
    let newest = header.data_through.unwrap_or(today);
    let settled = header.settled_through.unwrap_or(newest);
    let missing = header.warnings.iter().find_map(|warning| match warning {
        Warning::MissingDays { days, .. } => Some(days.len()),
        _ => None,
    });
    let counted = |count: usize, one: &str, many: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        count => Some(format!("{count} {many}")),
    };
    let details: Vec<String> = [
        Some(format!("data through {newest}, from {}", header.sources.join(", "))),
        counted(missing.unwrap_or(0), "day is missing", "days are missing"),
        counted(header.warnings.len(), "note on the data", "notes on the data"),
    ]
    .into_iter()
    .flatten()
    .collect();
    AnswerCard {
        question: "How fresh is this?",
        answer: format!("settled to {}", settled.format("%-d %b")),
        detail: details.join("; "),
        href: "/status".to_owned(),
        class: if (today - newest).num_days() > OLD { "act" } else { "" },
    }
}

/// Open incidents, each with its course; the same on the page of incidents, in short.
fn incident_grid(session: &Session, incidents: &[Shown]) -> Result<Grid> {
    let columns = [("since", false), ("what", false), ("", false), ("a day", true), ("at stake", true)];
    let mut grid = Grid::new("Open incidents", &columns);
    grid.empty = "No incident is open.";
    grid.wide = &[2, 3];
    for shown in incidents.iter().take(SHOWN) {
        let incident = &shown.incident;
        let href = format!("/incidents/{}", incident.id);
        let spark = super::incidents::course(session, shown);
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
fn month_plot(parts: &Parts, end: &Forecast, currency: &str, filters: &[String]) -> Plot {
    let mut sum = 0.0;
    let (mut spent, mut expected) = (Vec::new(), Vec::new());
    for day in &end.days {
        sum += day.expected;
        spent.push((day.settled && day.cost.is_some()).then_some(sum));
        expected.push(Some(sum));
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
    for day in parts.days.periods.iter().filter(|day| first_of_month(day.start) == before_month) {
        *of_before.entry(day.start.day()).or_default() += day.total;
    }
    // A month that the data has only a part of would be drawn too low.
    let is_whole = parts.days.periods.first().is_some_and(|first| first.start <= before_month);
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

fn budget_grid(budgets: &[BudgetStatus], given: &[(String, String)]) -> Result<Grid> {
    let columns = [("budget", false), ("", false), ("spent", true), ("expected", true), ("of", true)];
    let mut grid = Grid::new("Budgets", &columns);
    grid.empty = "No budgets are configured (`budgets` in the configuration).";
    grid.wide = &[1, 2];
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
    Ok(grid.from(Source::new("budgets", "budgets", "budgets", &taken("budgets", given)?)?))
}

fn movers(week: &Answer<Comparison>, filters: &[String], given: &[(String, String)]) -> Result<Grid> {
    let (before, after) = (&week.before, &week.after);
    let mut grid = Grid::of("What moved in the week", &overview::movers(week, week.header.currency()));
    grid.wide = &[1, 2, 5];
    for (row, mover) in grid.rows.iter_mut().zip(&week.movers) {
        let own =
            mover.group.iter().map(|(dimension, value)| format!("{dimension}={}", value.as_str().unwrap_or_default()));
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

/// Each day as it was; those that are judged with what was expected.
fn ninety_days(parts: &Parts, currency: &str, filters: &[String], settled: Option<NaiveDate>) -> Plot {
    let judged: BTreeMap<NaiveDate, &ChartDay> = parts.scores.iter().map(|day| (day.date, day)).collect();
    let days = &parts.days.periods;
    let of = |day: NaiveDate| judged.get(&day).copied();
    let line = |name: &str, kind: Kind, colour: usize, values: Vec<Option<f64>>| Line {
        name: name.to_owned(),
        kind,
        colour,
        values,
    };
    Plot {
        caption: format!("Cost by day, {} days", days.len()),
        currency: currency.to_owned(),
        labels: days.iter().map(|day| day.start.to_string()).collect(),
        lines: vec![
            line("cost", Kind::Bars, 0, days.iter().map(|day| Some(day.total)).collect()),
            line("expected", Kind::Line, 8, days.iter().map(|day| of(day.start)?.expected).collect()),
        ],
        flagged: days.iter().map(|day| of(day.start).is_some_and(|day| day.flagged)).collect(),
        open_from: days.iter().position(|day| settled.is_some_and(|settled| day.start > settled)),
        links: days.iter().map(|day| days_link(&day.start.to_string(), &day.start.to_string(), filters)).collect(),
        ..Plot::default()
    }
}
