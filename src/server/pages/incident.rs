//! One incident: what happened, why, and what to do next; for those who may look around, and for those with a signed link.

use std::sync::Arc;

use askama::Template;
use axum::{
    Router,
    extract::{Path, RawQuery, State},
    http::{HeaderValue, StatusCode, header},
    response::Response,
    routing::get,
};

use super::{
    Age, Asked, Made, about, of_problem, parts,
    parts::{Cell, Grid, Source, rendered},
    plot::{Kind, Line, Plot, days_link, step_bar},
    shell,
};
use crate::{
    error::Result,
    operations::{Answer, ChartDay, ExplainCost, Explanation, Session, ShowIncident, Shown, parse_flags},
    report::{
        explain,
        incidents::{state_words, what},
        units::{change, money, percent},
    },
    server::{App, answers::Body, problem::Problem},
};

#[derive(Template)]
#[template(path = "incident.html")]
struct Incident {
    id: String,
    said: String,
    subject: String,
    severity: &'static str,
    what: String,
    state: String,
    sentence: String,
    figures: Vec<(String, &'static str)>,
    triage: String,
    plot: String,
    causes: Grid,
    contributors: Vec<Grid>,
    meters: Grid,
    next: Vec<(String, String, String)>,
    unknown: Vec<String>,
    history: Grid,
    alerts: Grid,
    why_not: String,
    about: String,
    is_shared: bool,
}

pub(super) fn page(session: &Session, asked: &Asked) -> Result<Made> {
    made(session, asked.path("id"), super::incidents::said_words(asked.get("said")), false)
}

fn made(session: &Session, id: &str, said: String, is_shared: bool) -> Result<Made> {
    let shown = session.run(&ShowIncident { id: id.to_owned() })?;
    let given = [("id".to_owned(), shown.incident.id.clone())];
    let explained = session.run(&parse_flags::<ExplainCost>(&["--".to_owned(), shown.incident.id.clone()])?);
    let incident = &shown.incident;
    let ledger = Source::new(&format!("incidents/{}", incident.id), "incident", "incidents", &given)?.part();
    let filters: Vec<String> = shown.filters().iter().map(ToString::to_string).collect();
    let (found, why_not) = match explained {
        Ok(found) => (Some(found), String::new()),
        // The bill may not be there any more; what is known of the incident is.
        Err(error) => (None, error.summary()),
    };
    let mut page = Incident {
        id: incident.id.clone(),
        said,
        subject: shown.subject(),
        severity: incident.severity.name(),
        what: what(&shown),
        state: state_words(&shown),
        sentence: found.as_ref().map_or(String::new(), |found| crate::inert::html_sentence(&found.sentence)),
        figures: figures(&shown),
        triage: triage_words(&shown),
        plot: String::new(),
        causes: Grid::default(),
        contributors: Vec::new(),
        meters: Grid::default(),
        next: Vec::new(),
        unknown: Vec::new(),
        history: history(&shown).from(ledger.clone()),
        alerts: alerts(&shown).from(ledger),
        why_not,
        about: String::new(),
        is_shared,
    };
    if let Some(found) = &found {
        let currency = found.header.currency();
        page.plot = days(found, currency, &filters).render()?;
        let source = Source::new("explain", "explain", "explain", &given)?;
        let since = found.course.start_date;
        page.contributors = found
            .contributors
            .iter()
            .filter(|members| !members.members.is_empty())
            .map(|members| {
                let table = explain::members_table(members, found.change, since, currency);
                let mut grid = Grid::of(format!("Contributors by {}", members.dimension), &table);
                for (row, member) in grid.rows.iter_mut().zip(&members.members) {
                    let mut all = filters.clone();
                    all.push(format!("{}={}", members.dimension, member.value));
                    if let Some(cell) = row.cells.get_mut(2) {
                        cell.href = Some(days_link(&since.to_string(), &found.course.last_date.to_string(), &all));
                    }
                }
                grid.from(source.part())
            })
            .collect();
        page.meters = meters(found, currency).from(source.part());
        page.causes = causes(found, currency).from(source);
        page.next = found
            .next
            .iter()
            .map(|step| (parts::capitalised(&step.what), step.command.clone(), step.source.clone()))
            .collect();
        page.unknown = found.unknown.clone();
        page.about = about(&found.header)?;
    }
    Ok(Made { title: format!("{} {}", page.subject, page.what), main: rendered(&page)? })
}

fn figures(shown: &Shown) -> Vec<(String, &'static str)> {
    let incident = &shown.incident;
    vec![
        (change(incident.impact, &incident.currency), "on the peak day, against what was expected"),
        (change(incident.impact_total, &incident.currency), "so far"),
        (money(incident.at_stake, &incident.currency), "at stake"),
        (format!("{} of {}", incident.flagged_days, shown.days), "days are flagged"),
    ]
}

fn triage_words(shown: &Shown) -> String {
    shown.triage.as_ref().map_or(String::new(), |triage| {
        let by = if triage.triaged_by.is_empty() { String::new() } else { format!(" by {}", triage.triaged_by) };
        let why = if triage.reason.is_empty() { String::new() } else { format!(": {}", triage.reason) };
        format!("{}{by} on {}{why}", triage.state.name(), triage.triaged_at.date())
    })
}

/// The days that the explanation shows and, of a cost that is new, the days before it, which cost nothing.
fn course(found: &Explanation) -> Vec<ChartDay> {
    let first = found.chart.first().map(|day| day.date);
    let is_new = found.change.before.abs() < 0.005;
    let before = found.before_days.iter().filter(|day| is_new && first.is_some_and(|first| **day < first));
    let before = before.map(|date| ChartDay { date: *date, cost: 0.0, expected: Some(0.0), flagged: false });
    before.chain(found.chart.iter().cloned()).collect()
}

/// Actual against expected.
fn days(found: &Answer<Explanation>, currency: &str, filters: &[String]) -> Plot {
    let line = |name: &str, kind: Kind, colour: usize, values: Vec<Option<f64>>| Line {
        name: name.to_owned(),
        kind,
        colour,
        values,
    };
    let band = found.baseline.low.zip(found.baseline.high).map(|(low, high)| {
        let of = |bound: f64| {
            // The range is that of the baseline, so it goes with the level that was expected.
            let middle = found.baseline.expected.unwrap_or(bound);
            let of = |day: &ChartDay| day.expected.map(|expected| (expected + bound - middle).max(0.0));
            course(found).iter().map(of).collect()
        };
        (of(low), of(high))
    });
    let chart = course(found);
    Plot {
        caption: "Cost by day, and what was expected".to_owned(),
        currency: currency.to_owned(),
        labels: chart.iter().map(|day| day.date.to_string()).collect(),
        lines: vec![
            line("cost", Kind::Bars, 0, chart.iter().map(|day| Some(day.cost)).collect()),
            line("expected", Kind::Line, 8, chart.iter().map(|day| day.expected).collect()),
        ],
        band,
        flagged: chart.iter().map(|day| day.flagged).collect(),
        links: chart.iter().map(|day| days_link(&day.date.to_string(), &day.date.to_string(), filters)).collect(),
        ..Plot::default()
    }
}

/// The way from what it cost before to what it costs, cause by cause.
fn causes(found: &Explanation, currency: &str) -> Grid {
    let mut grid = Grid::new("Causes", &[("cause", false), ("change", true), ("share", true), ("", false)]);
    let mut level = found.change.before;
    let mut steps = vec![level];
    for share in &found.causes {
        level += share.change;
        steps.push(level);
    }
    let scale =
        (steps.iter().copied().fold(f64::INFINITY, f64::min).min(0.0), steps.iter().copied().fold(0.01, f64::max));
    let total = |name: &str, amount: f64| {
        vec![
            Cell::new(name),
            Cell::new(money(amount, currency)),
            Cell::default(),
            Cell::drawn(step_bar(0.0, amount, scale, "sum")),
        ]
    };
    grid.row(total("a day before", found.change.before));
    for (share, ends) in found.causes.iter().zip(steps.windows(2)) {
        if share.change.abs() < 0.005 {
            continue;
        }
        let class = if share.change > 0.0 { "up" } else { "down" };
        grid.row(vec![
            Cell::new(parts::capitalised(explain::cause_name(share.cause))),
            Cell::new(change(share.change, currency)),
            Cell::new(percent(share.share_pct, false)),
            Cell::drawn(step_bar(ends[0], ends[1], scale, class)),
        ]);
    }
    grid.row(total("a day since", found.change.after));
    grid
}

/// Usage or price: quantities and unit prices of what changed most.
fn meters(found: &Explanation, currency: &str) -> Grid {
    let columns = [
        ("usage type", false),
        ("operation", false),
        ("change a day", true),
        ("quantity before", true),
        ("quantity after", true),
        ("unit", false),
        ("price before", true),
        ("price after", true),
    ];
    let mut grid = Grid::new("Usage and prices", &columns);
    grid.empty = "The bill says no quantities.";
    for meter in found.meters.iter().take(8) {
        let number = |value: Option<f64>| Cell::new(value.map_or(String::new(), explain::quantity));
        grid.row(vec![
            Cell::new(&meter.usage_type),
            Cell::new(&meter.operation),
            Cell::new(change(meter.change.change, currency)),
            number(meter.quantity_before),
            number(meter.quantity_after),
            Cell::new(&meter.unit),
            number(meter.price_before),
            number(meter.price_after),
        ]);
    }
    grid
}

fn history(shown: &Shown) -> Grid {
    let columns = [("judged", false), ("event", false), ("severity", false), ("a day", true), ("so far", true)];
    let mut grid = Grid::new("History", &columns);
    grid.empty = "Nothing is kept of it.";
    for event in shown.history.iter().flatten() {
        grid.row(vec![
            Cell::new(event.seen_on.to_string()),
            Cell::new(event.event.to_string()),
            Cell::new(event.severity.to_string()),
            Cell::new(change(event.impact, &shown.incident.currency)),
            Cell::new(change(event.impact_total, &shown.incident.currency)),
        ]);
    }
    grid
}

fn alerts(shown: &Shown) -> Grid {
    let mut grid = Grid::new("Who was alerted", &[("day", false), ("channel", false), ("about", false)]);
    grid.empty = "Nobody was alerted to it.";
    for alert in shown.alerts.iter().flatten() {
        let about = alert.event.to_string().replace('_', " ");
        grid.row(vec![Cell::new(alert.notified_on.to_string()), Cell::new(&alert.channel), Cell::new(about)]);
    }
    grid
}

pub(super) fn router() -> Router<Arc<App>> {
    Router::new().route("/shared/incidents/{id}", get(shared))
}

/// The page of one incident, for those who have a signed link to it.
async fn shared(State(app): State<Arc<App>>, Path(id): Path<String>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let value = |name: &str| {
        form_urlencoded::parse(query.as_bytes())
            .find(|(own, _)| own == name)
            .map_or(String::new(), |(_, value)| value.into_owned())
    };
    if !app.links.is_valid(&id, &value("expires"), &value("signature")) {
        let problem = Problem::new(StatusCode::FORBIDDEN, "link_not_valid", "this link is not valid any more");
        return of_problem(&problem.hint("a newer message has a newer link; with a token, `/incidents` has all"), None);
    }
    let key = format!("shared incident {id}");
    let made = app.answers.get(&key, move |session| {
        let Made { title, main } = made(session, &id, String::new(), true)?;
        Ok(Body::page(title, main))
    });
    let text = match made.await {
        Ok(answered) => shell(&answered.body.title, &answered.body.text, "", None, &Age::of(&answered)),
        Err(error) => return of_problem(&error.into(), None),
    };
    match text {
        Ok(text) => {
            let mut response = super::html(StatusCode::OK, text);
            // Whoever follows a link from here must not carry it along.
            response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
            response.headers_mut().insert("x-robots-tag", HeaderValue::from_static("noindex"));
            response
        }
        Err(error) => of_problem(&error.into(), None),
    }
}
