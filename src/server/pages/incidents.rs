//! The page of incidents: what is open, since when, how dear, why, and whose it is; several can be triaged at once.

use std::{collections::BTreeMap, sync::Arc};

use askama::Template;
use axum::{
    Extension, Router,
    body::Bytes,
    extract::State,
    middleware::from_fn,
    response::{IntoResponse, Redirect, Response},
    routing::post,
};
use chrono::{Days, NaiveDate};

use super::{
    Asked, Made, of_problem,
    parts::{Cell, Grid, Row, Source, address, rendered},
    plot::{Expected, days_link, sparkline},
};
use crate::{
    error::{Error, Result},
    model::{GroupBy, State as IncidentState},
    operations::{
        self, ExplainCost, ListIncidents, PlanAlerts, Score, ScoreDays, Session, ShowTrends, Shown, Triage,
        TriageIncidents, parse_flags,
    },
    report::{
        explain,
        incidents::{state_words, what},
        units::{change, money},
    },
    server::{App, calls::unwatched, guard::Guest, triage},
};

/// Incidents on a page.
const ON_A_PAGE: usize = 25;

#[derive(Template)]
#[template(path = "incidents.html")]
struct Incidents {
    said: String,
    status: String,
    since: String,
    min_impact: String,
    filters: Vec<String>,
    grid: Grid,
    count: usize,
    at_stake: String,
    newer: Option<String>,
    older: Option<String>,
    here: String,
}

/// Days before an incident that are drawn with it.
const DAYS_BEFORE: u64 = 30;

/// The course of an incident in small: its days and those before it, as they were judged. Nothing where its bill is not there any more.
pub(super) fn course(session: &Session, shown: &Shown) -> String {
    let days = || -> Result<String> {
        let incident = &shown.incident;
        let trends = parse_flags::<ShowTrends>(&line(shown, incident.start_date - Days::new(DAYS_BEFORE)))?;
        let first = session.run(&trends)?.periods.first().map_or(incident.start_date, |period| period.start);
        let mut judged = parse_flags::<ScoreDays>(&line(shown, first))?;
        judged.detection.group_by = Some(GroupBy(Vec::new()));
        let found = session.run(&judged)?;
        let costs: Vec<f64> = found.scores.iter().map(|day| day.cost).collect();
        let expected: Vec<Expected> = found.scores.iter().map(Expected::of).collect();
        let own = |day: &Score| day.date >= incident.start_date && day.date <= incident.last_date;
        let flagged: Vec<bool> = found.scores.iter().map(own).collect();
        Ok(sparkline(&costs, &expected, &flagged))
    };
    days().unwrap_or_default()
}

/// The costs of an incident from a day on, as flags.
fn line(shown: &Shown, from: NaiveDate) -> Vec<String> {
    let scope = &shown.incident.scope;
    let filters = shown.filters().into_iter().map(|filter| format!("--filter={filter}"));
    let source = scope.data_source.iter().map(|source| format!("--source={source}"));
    let own = [format!("--from={from}"), format!("--metric={}", scope.metric.name().replace('_', "-"))];
    own.into_iter().chain(filters).chain(source).collect()
}

#[derive(Template)]
#[template(path = "cause.html")]
struct Cause {
    cause: String,
}

/// The main cause of an incident, for a cell of the table: each asks the database several questions.
pub(super) fn cause(session: &Session, asked: &Asked) -> Result<Made> {
    let found = session.run(&parse_flags::<ExplainCost>(&["--".to_owned(), asked.path("id").to_owned()])?)?;
    let cause = explain::main_cause(&found);
    Ok(Made { title: "Main cause".to_owned(), main: rendered(&Cause { cause })? })
}

pub(super) fn page(session: &Session, asked: &Asked) -> Result<Made> {
    let given = asked.without(&["page", "said", "sort"]);
    let line = operations::find("incidents")?.line_of(&given)?;
    let mut all = session.run(&parse_flags::<ListIncidents>(&line)?)?.body.incidents;
    // What is over has nothing at stake any more.
    all.sort_by(|a, b| {
        let stake = |shown: &Shown| (shown.incident.state == IncidentState::Open, shown.incident.at_stake);
        let ((a_open, a_stake), (b_open, b_stake)) = (stake(a), stake(b));
        b_open.cmp(&a_open).then(b_stake.total_cmp(&a_stake)).then(b.incident.last_date.cmp(&a.incident.last_date))
    });
    let place = asked.get("page").parse::<usize>().unwrap_or(1).max(1);
    let start = (place - 1) * ON_A_PAGE;
    let to = |place: usize| {
        let text = place.to_string();
        let mut parameters: Vec<(&str, &str)> =
            given.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        parameters.push(("page", &text));
        address("/incidents", &parameters)
    };
    // Owners are found by what messages are sent by; without channels there are none.
    let owners = if session.config().notify.owners.is_empty() { BTreeMap::new() } else { owners(session) };
    let shown: Vec<&Shown> = all.iter().skip(start).take(ON_A_PAGE).collect();
    let made = Incidents {
        said: said_words(asked.get("said")),
        status: if asked.get("status").is_empty() { "open".to_owned() } else { asked.get("status").to_owned() },
        since: asked.get("since").to_owned(),
        min_impact: asked.get("min_impact").to_owned(),
        filters: asked.all("filter"),
        grid: grid(session, &shown, &owners)?.from(Source::new("incidents", "incidents", "incidents", &given)?),
        count: all.len(),
        at_stake: at_stake_words(&all),
        newer: (place > 1).then(|| to(place - 1)),
        older: (start + ON_A_PAGE < all.len()).then(|| to(place + 1)),
        here: to(place),
    };
    Ok(Made { title: "Incidents".to_owned(), main: rendered(&made)? })
}

/// What open incidents have at stake, each currency by itself.
pub(super) fn at_stake_words(incidents: &[Shown]) -> String {
    let amounts = operations::at_stake(incidents);
    amounts.iter().map(|(currency, amount)| money(*amount, currency)).collect::<Vec<_>>().join(" and ")
}

/// Whose each incident is; nobody's where that cannot be found out.
fn owners(session: &Session) -> BTreeMap<String, String> {
    session.run(&PlanAlerts { as_of: None }).map_or_else(
        |_| BTreeMap::new(),
        |plans| plans.decisions.iter().filter_map(|one| Some((one.id.clone(), one.owner.clone()?))).collect(),
    )
}

fn grid(session: &Session, incidents: &[&Shown], owners: &BTreeMap<String, String>) -> Result<Grid> {
    let columns = [
        ("since", false),
        ("what", false),
        ("", false),
        ("change", false),
        ("a day", true),
        ("so far", true),
        ("at stake", true),
        ("main cause", false),
        ("owner", false),
        ("state", false),
    ];
    let mut grid = Grid::new("Incidents", &columns);
    grid.empty = "There is no such incident.";
    grid.wide = &[2, 3];
    for shown in incidents {
        let incident = &shown.incident;
        let href = format!("/incidents/{}", incident.id);
        let filters: Vec<String> = shown.filters().iter().map(ToString::to_string).collect();
        grid.rows.push(Row {
            cells: vec![
                Cell::new(incident.start_date.to_string()),
                Cell::new(shown.subject()).to(&href).class(incident.severity.name()),
                Cell::drawn(course(session, shown)),
                Cell::new(what(shown)),
                Cell::new(change(incident.impact, &incident.currency)).to(days_link(
                    &incident.start_date.to_string(),
                    &incident.last_date.to_string(),
                    &filters,
                )),
                Cell::new(change(incident.impact_total, &incident.currency)),
                Cell::new(money(incident.at_stake, &incident.currency)),
                Cell::later(format!("{href}/cause"), "why").to(&href),
                Cell::new(owners.get(&incident.id).cloned().unwrap_or_default()),
                Cell::new(state_words(shown)),
            ],
            href: Some(href),
            choice: Some(incident.id.clone()),
            class: "",
        });
    }
    Ok(grid)
}

pub(super) fn router() -> Router<Arc<App>> {
    Router::new().route("/incidents/triage", post(say).route_layer(from_fn(triage)))
}

/// What was just said of incidents, of `ack-3`: an address is no place for words of somebody else's.
pub(super) fn said_words(said: &str) -> String {
    let Some((what, count)) = said.split_once('-').and_then(|(what, count)| Some((what, count.parse::<usize>().ok()?)))
    else {
        return String::new();
    };
    let words = match what {
        "ack" => "acknowledged",
        "snooze" => "snoozed",
        "expect" => "expected from now on",
        "undo" => "as before",
        _ => return String::new(),
    };
    format!("{count} {} {words}", if count == 1 { "incident is" } else { "incidents are" })
}

/// What a form says of incidents.
#[derive(Debug, Default)]
struct Said {
    ids: Vec<String>,
    what: String,
    until: String,
    reason: String,
    back: String,
}

impl Said {
    fn new(body: &[u8]) -> Self {
        let mut said = Self::default();
        for (name, value) in form_urlencoded::parse(body) {
            let value = value.into_owned();
            match name.as_ref() {
                "id" => said.ids.push(value),
                "what" => said.what = value,
                "until" => said.until = value,
                "reason" => said.reason = value,
                "back" => said.back = value,
                _ => {}
            }
        }
        said
    }

    fn operation(&self, by: &str) -> Result<TriageIncidents> {
        let triage = match self.what.as_str() {
            "ack" => Triage::Ack,
            "snooze" => Triage::Snooze,
            "expect" => Triage::Expect,
            "undo" => Triage::Undo,
            _ => return Err(Error::usage("nothing is said of the incidents").hint("choose what to say of them")),
        };
        if self.ids.is_empty() {
            return Err(Error::usage("no incident is chosen").hint("tick those that are meant"));
        }
        let until = Some(self.until.as_str()).filter(|until| !until.is_empty() && triage == Triage::Snooze);
        Ok(TriageIncidents {
            ids: self.ids.clone(),
            triage,
            until: until.map(str::parse).transpose()?,
            reason: self.reason.clone(),
            by: by.to_owned(),
        })
    }
}

async fn say(State(app): State<Arc<App>>, Extension(guest): Extension<Guest>, body: Bytes) -> Response {
    let said = Said::new(&body);
    let count = said.ids.len();
    let done = match said.operation(&guest.name) {
        Ok(operation) => unwatched(app.answers.calls(), move |session| session.run(&operation).map(drop)).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(()) => {
            // Back to where the form was, if that is one of the pages of incidents.
            let back = if said.back.starts_with("/incidents") { said.back.as_str() } else { "/incidents" };
            let (path, query) = back.split_once('?').unwrap_or((back, ""));
            let kept = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name != "said");
            let query = form_urlencoded::Serializer::new(String::new())
                .extend_pairs(kept)
                .append_pair("said", &format!("{}-{count}", said.what))
                .finish();
            Redirect::to(&format!("{path}?{query}")).into_response()
        }
        Err(error) => of_problem(&error.into(), Some(&guest)),
    }
}
