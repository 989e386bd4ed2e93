//! The endpoints of a multi-cloud detector that others have: find, list, count, by cloud and severity. They show the ledger of
//! incidents.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json, Router,
    extract::{RawQuery, State},
    http::HeaderMap,
    middleware::from_fn,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use chrono::{Days, NaiveDate};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{BASE, records::parameters};
use crate::{
    error::{Code, Error, Result},
    model::{Severity, phrases},
    operations::{FindAnomalies, ListIncidents, ListValues, Session, ShowStatus, Shown, parse_flags},
    server::{App, answers::Body, calls::unwatched, ingest, problem::Problem, read},
};

/// Incidents whose cloud is looked up.
const MOST: usize = 500;

/// Whose bill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cloud {
    Aws,
    Azure,
    Gcp,
    All,
}

impl Cloud {
    fn of(text: Option<&str>) -> Result<Self> {
        match text.map(str::to_lowercase).as_deref() {
            Some("aws") => Ok(Cloud::Aws),
            Some("azure") => Ok(Cloud::Azure),
            Some("gcp") => Ok(Cloud::Gcp),
            None | Some("all") => Ok(Cloud::All),
            _ => Err(Error::usage("`cloud` is aws, azure, gcp or all")),
        }
    }

    fn has(self, cloud: &str) -> bool {
        match self {
            Cloud::Aws => cloud == "aws",
            Cloud::Azure => cloud == "azure",
            Cloud::Gcp => cloud == "gcp",
            Cloud::All => true,
        }
    }
}

/// A provider of bills, as these endpoints call it.
fn cloud_of(provider: &str) -> String {
    match provider {
        "AWS" | "Amazon Web Services" => "aws".to_owned(),
        "Microsoft" | "Microsoft Azure" => "azure".to_owned(),
        "Google Cloud" | "Google" => "gcp".to_owned(),
        other => other.to_lowercase(),
    }
}

fn severity(text: Option<&str>) -> Result<Option<Severity>> {
    match text.map(str::to_lowercase).as_deref() {
        None | Some("all") => Ok(None),
        Some("critical" | "high") => Ok(Some(Severity::Critical)),
        Some("warning" | "medium") => Ok(Some(Severity::Warning)),
        Some("info" | "low") => Ok(Some(Severity::Info)),
        _ => Err(Error::usage("`severity` is critical, warning or info; high, medium and low mean the same")),
    }
}

/// An incident, flat.
#[derive(Clone, Debug, Serialize)]
struct Flat {
    id: String,
    cloud: String,
    service: Option<String>,
    account: Option<String>,
    region: Option<String>,
    severity: Severity,
    kind: String,
    status: String,
    actual: f64,
    expected: f64,
    /// Dollars a day beyond what was expected.
    impact: f64,
    /// What would be saved if it ended: what it has at stake.
    potential_savings: f64,
    currency: String,
    start_date: NaiveDate,
    last_date: NaiveDate,
    description: String,
}

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route(&format!("{BASE}/detect"), post(detect).route_layer(from_fn(ingest)))
        .route(&format!("{BASE}/anomalies"), get(anomalies).route_layer(from_fn(read)))
        .route(&format!("{BASE}/stats"), get(stats).route_layer(from_fn(read)))
}

/// The clouds of an incident: those whose costs it is of.
fn cloud(session: &Session, shown: &Shown, only: Option<&str>) -> Result<String> {
    if let Some(only) = only {
        return Ok(only.to_owned());
    }
    let incident = &shown.incident;
    let filters = shown.filters().into_iter().map(|filter| format!("--filter={filter}"));
    let days = [format!("--from={}", incident.start_date), format!("--to={}", incident.last_date)];
    let line: Vec<String> = filters.chain(days).chain(["--".to_owned(), "provider".to_owned()]).collect();
    let providers = match session.run(&parse_flags::<ListValues>(&line)?) {
        // Its bill may not be there any more.
        Err(error) if [Code::NoData, Code::NotFound, Code::InvalidInput].contains(&error.code()) => {
            return Ok("unknown".to_owned());
        }
        providers => providers?,
    };
    let mut names: Vec<String> = providers.values.iter().map(|one| cloud_of(&one.value)).collect();
    names.dedup();
    Ok(if names.len() == 1 { names.remove(0) } else { "several".to_owned() })
}

/// Incidents of a cloud; `open` alone, or all.
fn flat(session: &Session, cloud_wanted: Cloud, severity: Option<Severity>, is_open: bool) -> Result<Vec<Flat>> {
    let line = if is_open { Vec::new() } else { vec!["--status=all".to_owned()] };
    let all = session.run(&parse_flags::<ListIncidents>(&line)?)?;
    let bills = session.run(&ShowStatus::default())?;
    let mut clouds: Vec<String> = bills.bills.iter().map(|bill| cloud_of(&bill.provider)).collect();
    clouds.dedup();
    let only = if clouds.len() == 1 { clouds.first().map(String::as_str) } else { None };
    let wanted =
        all.incidents.iter().filter(|shown| severity.is_none_or(|severity| shown.incident.severity == severity));
    let mut found = Vec::new();
    for shown in wanted.take(MOST) {
        let cloud = cloud(session, shown, only)?;
        if !cloud_wanted.has(&cloud) {
            continue;
        }
        let incident = &shown.incident;
        let value = |dimension: &str| shown.group.get(dimension).and_then(Value::as_str).map(str::to_owned);
        found.push(Flat {
            id: incident.id.clone(),
            cloud,
            service: value("service"),
            account: value("account"),
            region: value("region"),
            severity: incident.severity,
            kind: incident.kind.name().to_owned(),
            status: incident.state.name().to_owned(),
            actual: incident.actual,
            expected: incident.expected,
            impact: incident.impact,
            potential_savings: incident.at_stake.max(0.0),
            currency: incident.currency.clone(),
            start_date: incident.start_date,
            last_date: incident.last_date,
            description: format!("{}: {}", shown.subject(), phrases(&incident.reasons)),
        });
    }
    Ok(found)
}

/// Judges the newest day, keeps what is found, and gives what is open.
async fn detect(State(app): State<Arc<App>>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let [wanted] = parameters(query.as_deref(), ["cloud"])?;
    let cloud = Cloud::of(wanted.as_deref())?;
    let body = unwatched(app.answers.calls(), move |session| {
        let found = session.run(&FindAnomalies::default())?;
        let open = flat(session, cloud, None, true)?;
        Ok(json!({
            "cloud": wanted.unwrap_or_else(|| "all".to_owned()),
            "judged": found.judged,
            "total": open.len(),
            "anomalies": open,
        }))
    })
    .await?;
    Ok(Json(body).into_response())
}

async fn anomalies(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let [level, wanted, limit] = parameters(query.as_deref(), ["severity", "cloud", "limit"])?;
    let (severity, cloud) = (severity(level.as_deref())?, Cloud::of(wanted.as_deref())?);
    let limit = limit.map_or(Ok(100), |limit| limit.parse()).map_err(|_| Error::usage("`limit` is a number"))?;
    kept(&app, &headers, format!("anomalies {severity:?} {cloud:?} {limit}"), move |session| {
        let mut found = flat(session, cloud, severity, true)?;
        found.sort_by(|a, b| b.potential_savings.total_cmp(&a.potential_savings));
        found.truncate(limit);
        Ok(json!(found))
    })
    .await
}

async fn stats(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let [hours] = parameters(query.as_deref(), ["hours"])?;
    let hours: u64 = hours.map_or(Ok(24), |hours| hours.parse()).map_err(|_| Error::usage("`hours` is a number"))?;
    if !(1..=87_600).contains(&hours) {
        return Err(Error::usage("`hours` must be from 1 to 87600").into());
    }
    kept(&app, &headers, format!("stats {hours}"), move |session| {
        // Bills are of days: of an hour, its whole day.
        let status = session.run(&ShowStatus::default())?;
        let newest = status.header.data_through.unwrap_or(session.today());
        let since = newest - Days::new(hours.div_ceil(24));
        let found: Vec<Flat> =
            flat(session, Cloud::All, None, false)?.into_iter().filter(|one| one.last_date > since).collect();
        let count = |by: &dyn Fn(&Flat) -> String| {
            let mut counts: BTreeMap<String, usize> = BTreeMap::new();
            found.iter().for_each(|one| *counts.entry(by(one)).or_default() += 1);
            counts
        };
        Ok(json!({
            "hours": hours,
            "total": found.len(),
            "by_severity": count(&|one| one.severity.name().to_owned()),
            "by_cloud": count(&|one| one.cloud.clone()),
            "potential_savings": found.iter().map(|one| one.potential_savings).sum::<f64>(),
        }))
    })
    .await
}

/// Answers with what is kept until the data changes.
async fn kept(
    app: &App,
    headers: &HeaderMap,
    key: String,
    work: impl FnOnce(&Session) -> Result<Value> + Send + 'static,
) -> Result<Response, Problem> {
    let made = move |session: &Session| Ok(Body::new("application/json", format!("{:#}\n", work(session)?)));
    let answered = app.answers.get(&key, made).await?;
    Ok(super::respond(&answered, headers))
}

/// The same for OpenAPI.
pub(super) fn described() -> Map<String, Value> {
    let query = |name: &str, schema: Value| json!({"name": name, "in": "query", "schema": schema});
    let cloud = || query("cloud", json!({"enum": ["aws", "azure", "gcp", "all"], "default": "all"}));
    let answers = |what: &str| json!({"200": {"description": what, "content": {"application/json": {"schema": {}}}}, "default": {"$ref": "#/components/responses/Problem"}});
    let paths = [
        (
            "detect",
            json!({"post": {"operationId": "detect", "summary": "Judge the newest day and keep what is found", "tags": ["ingest"], "parameters": [cloud()], "responses": answers("What is open")}}),
        ),
        (
            "anomalies",
            json!({"get": {"operationId": "anomalies", "summary": "Open incidents, those with most at stake first", "tags": ["read"], "parameters": [query("severity", json!({"enum": ["critical", "warning", "info", "high", "medium", "low"]})), cloud(), query("limit", json!({"type": "integer", "default": 100}))], "responses": answers("Incidents")}}),
        ),
        (
            "stats",
            json!({"get": {"operationId": "stats", "summary": "Incidents of the last hours, counted", "tags": ["read"], "parameters": [query("hours", json!({"type": "integer", "default": 24}))], "responses": answers("Counts")}}),
        ),
    ];
    paths.into_iter().map(|(path, described)| (format!("{BASE}/{path}"), described)).collect()
}
