//! REST: each operation that reads is at an address, its parameters are those of the command line, and the body is what the command
//! line prints.

mod actions;
mod detector;
mod events;
mod health;
mod openapi;
mod records;

use std::sync::Arc;

use axum::{
    Router,
    extract::{RawPathParams, RawQuery, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::Value;

pub(super) use self::{
    actions::{Runs, reply},
    events::{Changes, state, watched},
    health::Metrics,
};
use super::{
    App,
    answers::{Answered, Answers, Body},
    problem::Problem,
};
use crate::{
    error::{Error, Result},
    operations::{
        self, ComparePeriods, DrillDown, Entry, ExplainCost, FindAnomalies, ForecastCosts, ListAccounts, ListIncidents,
        ListValues, ReconcileMonth, ReplayForecasts, ScoreDays, Session, ShowBudgets, ShowIncident, ShowStatus,
        ShowTrends, SummarizeCosts, parse_flags,
    },
    report::{self, Format, Style},
};

/// Where the API is.
pub(super) const BASE: &str = "/api/v1";
/// Texts for programs have no width.
const STYLE: Style = Style { width: None, color: false };
/// Entries of a list that are given at once, at most.
const MOST_ENTRIES: usize = 1000;

/// An operation at an address.
pub(super) struct Route {
    /// Below [`BASE`].
    pub path: &'static str,
    /// The operation's name.
    pub operation: &'static str,
    /// Flags that are always there.
    fixed: &'static [&'static str],
    /// Parameters that are not for guests.
    withheld: &'static [&'static str],
    /// The parameters that the address has, by its own names for them.
    named: &'static [(&'static str, &'static str)],
    /// The list of the answer, which can be had in parts.
    pub rows: Option<&'static str>,
    answer: fn(&Session, &[String], Format) -> Result<String>,
}

macro_rules! routes {
    ($($path:literal: $operation:ty, $render:expr $(, $field:ident: $value:expr)*;)*) => {
        /// Every operation that reads, and where it is.
        pub(super) static ROUTES: &[Route] = &[$(Route {
            path: $path,
            operation: <$operation as operations::Operation>::NAME,
            $($field: $value,)*
            ..Route::of(|session, line, format| {
                let answer = session.run(&parse_flags::<$operation>(line)?)?;
                let render: fn(&_, Format, Style) -> Result<String> = $render;
                render(&answer, format, STYLE)
            })
        }),*];
    };
}

routes! {
    "overview": SummarizeCosts, |page, format, _| report::overview::render(page, format);
    "trends": ShowTrends, report::trends::render;
    "compare": ComparePeriods, report::compare::render;
    "drilldown": DrillDown, report::drilldown::render;
    "forecast": ForecastCosts, report::forecast::render, fixed: &["--no-save"], withheld: &["no_save"];
    "forecast/backtest": ReplayForecasts, report::forecast::render_backtest;
    "budgets": ShowBudgets, report::budgets::render;
    "incidents": ListIncidents, report::incidents::render, rows: Some("incidents");
    "incidents/{id}": ShowIncident, report::incidents::render_one, named: &[("id", "id")];
    "incidents/{id}/explanation": ExplainCost, report::explain::render, named: &[("id", "id")];
    "explain": ExplainCost, report::explain::render;
    "findings": FindAnomalies, |found, format, style| report::anomalies::render(found, usize::MAX, format, style),
        fixed: &["--no-save"], withheld: &["no_save"], rows: Some("findings");
    "scores": ScoreDays, |scores, format, _| report::anomalies::render_scores(scores, format), rows: Some("scores");
    "values": ListValues, report::values::render, rows: Some("values");
    "accounts": ListAccounts, report::accounts::render, withheld: &["refresh"], rows: Some("accounts");
    "reconcile": ReconcileMonth, report::reconcile::render;
    "status": ShowStatus, report::status::render;
}

impl Route {
    const fn of(answer: fn(&Session, &[String], Format) -> Result<String>) -> Self {
        Self { path: "", operation: "", fixed: &[], withheld: &[], named: &[], rows: None, answer }
    }

    /// The operation of it.
    ///
    /// # Errors
    /// Never, unless this program is broken.
    pub(super) fn entry(&self) -> Result<&'static Entry> {
        operations::find(self.operation)
    }

    /// Whether a parameter can be given.
    pub(super) fn takes(&self, parameter: &str) -> bool {
        !self.withheld.contains(&parameter)
    }
}

/// What is asked of a route, understood.
struct Asked {
    line: Vec<String>,
    format: Format,
    limit: Option<usize>,
    cursor: Option<String>,
}

impl Asked {
    /// # Errors
    /// When a parameter is unknown or not for guests.
    fn new(route: &Route, path: &[(String, String)], query: &str) -> Result<Self> {
        let mut asked = Self { line: Vec::new(), format: Format::Json, limit: None, cursor: None };
        let mut given: Vec<(String, String)> = Vec::new();
        let number = |name: &str, value: &str| {
            let number = value.parse().ok().filter(|number| (1..=MOST_ENTRIES).contains(number));
            number.ok_or_else(|| Error::usage(format!("`{name}` must be from 1 to {MOST_ENTRIES}")))
        };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match (name.as_ref(), route.rows) {
                ("format", _) => asked.format = format(&value)?,
                ("limit", Some(_)) => asked.limit = Some(number("limit", &value)?),
                ("cursor", Some(_)) => asked.cursor = Some(value.into_owned()),
                (name, _) if !route.takes(&name.replace('-', "_")) => {
                    return Err(Error::usage(format!("`{name}` is not for guests of a server")));
                }
                _ => given.push((name.into_owned(), value.into_owned())),
            }
        }
        if asked.limit.is_some() && asked.format != Format::Json {
            return Err(Error::usage("`limit` is for JSON"));
        }
        if asked.cursor.is_some() && asked.limit.is_none() {
            return Err(Error::usage("`cursor` needs `limit`"));
        }
        let named = route.named.iter().filter_map(|(own, parameter)| {
            let (_, value) = path.iter().find(|(name, _)| name == own)?;
            Some(((*parameter).to_owned(), value.clone()))
        });
        let entry = route.entry()?;
        given.splice(0..0, named);
        let mut line = entry.line_of(&given)?;
        // Parts of a list are of the whole list.
        if asked.limit.is_some() && entry.has_flag("top") && !given.iter().any(|(name, _)| name == "top") {
            line.insert(0, "--top=1000000".to_owned());
        }
        line.splice(0..0, route.fixed.iter().map(|flag| (*flag).to_owned()));
        asked.line = line;
        Ok(asked)
    }

    /// By what the answer is kept: the same question in another order is another one, which costs nothing but room.
    fn key(&self, route: &Route) -> String {
        format!("{} {:?} {:?} {:?} {:?}", route.path, self.line, self.format, self.limit, self.cursor)
    }
}

fn format(text: &str) -> Result<Format> {
    match text {
        "json" => Ok(Format::Json),
        "csv" => Ok(Format::Csv),
        "markdown" => Ok(Format::Markdown),
        _ => Err(Error::usage("`format` is json, csv or markdown")),
    }
}

pub(super) fn media(format: Format) -> &'static str {
    match format {
        Format::Json => "application/json",
        Format::Csv => "text/csv; charset=utf-8",
        Format::Markdown => "text/markdown; charset=utf-8",
        Format::Table => "text/plain; charset=utf-8",
    }
}

/// The addresses of the API, each with what its callers must be allowed.
pub(super) fn router(accepts_records: bool) -> Router<Arc<App>> {
    let mut reads = Router::new();
    for route in ROUTES {
        let ask = move |State(app): State<Arc<App>>, path: RawPathParams, RawQuery(query), headers: HeaderMap| async move {
            let path = path.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<Vec<_>>();
            ask(&app, route, &path, query.as_deref().unwrap_or_default(), &headers).await
        };
        reads = reads.route(&format!("{BASE}/{}", route.path), get(ask));
    }
    reads
        .route("/openapi.json", get(openapi::document))
        .merge(events::router())
        .route_layer(axum::middleware::from_fn(super::read))
        .merge(actions::router())
        .merge(if accepts_records { records::router() } else { Router::new() })
        .merge(detector::router())
        .merge(health::router())
}

/// Answers a question.
///
/// # Errors
/// As the operation.
async fn ask(
    app: &App,
    route: &'static Route,
    path: &[(String, String)],
    query: &str,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let asked = Asked::new(route, path, query)?;
    let key = asked.key(route);
    if let Some(unchanged) = unchanged(&app.answers, &key, headers) {
        return Ok(unchanged);
    }
    let format = asked.format;
    let generation = app.answers.generation();
    let answered = app.answers.get(&key, move |session| made(session, route, &asked, &generation)).await?;
    let mut response = respond(&answered, headers);
    if format == Format::Csv {
        let name = route.path.replace(['/', '{', '}'], "-");
        let name = format!("attachment; filename=\"{name}.csv\"");
        response.headers_mut().extend(name.parse().ok().map(|name: HeaderValue| (header::CONTENT_DISPOSITION, name)));
    }
    if let Some(next) = answered.body.next.as_deref().and_then(|next| link(route, path, query, next)) {
        response.headers_mut().insert(header::LINK, next);
    }
    Ok(response)
}

fn made(session: &Session, route: &Route, asked: &Asked, generation: &str) -> Result<Body> {
    let text = (route.answer)(session, &asked.line, asked.format)?;
    let body = Body::new(media(asked.format), text);
    match (route.rows, asked.limit) {
        (Some(rows), Some(limit)) => part(body, rows, limit, asked.cursor.as_deref(), generation),
        _ => Ok(body),
    }
}

/// A part of the list of an answer.
///
/// # Errors
/// When the cursor is of another state of the database.
fn part(body: Body, rows: &str, limit: usize, cursor: Option<&str>, generation: &str) -> Result<Body> {
    let broken = |e: serde_json::Error| Error::bug("an answer is no JSON").caused_by(e);
    let mut answer: Value = serde_json::from_str(&body.text).map_err(broken)?;
    let state = Answers::tag("", generation);
    let start = match cursor {
        None => 0,
        Some(cursor) => {
            let text = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let place = text.as_ref().and_then(|text| text.split_once(' '));
            let (place, of) = place
                .and_then(|(place, of)| Some((place.parse::<usize>().ok()?, of)))
                .ok_or_else(|| Error::usage("`cursor` is none of this server's"))?;
            if of != state {
                return Err(
                    Error::usage("the data has changed since the list began").hint("begin it again, without `cursor`")
                );
            }
            place
        }
    };
    let list = answer.get_mut(rows).and_then(Value::as_array_mut).ok_or_else(|| Error::bug("an answer has no list"))?;
    let count = list.len();
    let end = start.saturating_add(limit).min(count);
    *list = list.drain(start.min(count)..end).collect();
    let next = (end < count).then(|| BASE64_URL_SAFE_NO_PAD.encode(format!("{end} {state}")));
    answer["next_cursor"] = next.clone().into();
    answer["total_count"] = count.into();
    let mut part = Body::new(body.media, report::json(&answer)?);
    part.next = next;
    Ok(part)
}

/// Where a list goes on: <https://www.rfc-editor.org/rfc/rfc8288>.
fn link(route: &Route, path: &[(String, String)], query: &str, next: &str) -> Option<HeaderValue> {
    let mut address = format!("{BASE}/{}", route.path);
    for (name, value) in path {
        let value: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
        address = address.replace(&format!("{{{name}}}"), &value);
    }
    let others = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name != "cursor");
    let query =
        form_urlencoded::Serializer::new(String::new()).extend_pairs(others).append_pair("cursor", next).finish();
    format!("<{address}?{query}>; rel=\"next\"").parse().ok()
}

/// An answer that the client has already, by the state of the database alone.
pub(super) fn unchanged(answers: &Answers, key: &str, headers: &HeaderMap) -> Option<Response> {
    let tag = Answers::tag(key, &answers.generation());
    let known = headers.get(header::IF_NONE_MATCH)?.to_str().ok()?;
    let is_known = known.split(',').any(|one| one.trim() == tag || one.trim() == tag.trim_start_matches("W/"));
    is_known.then(|| {
        let tag = tag.parse().unwrap_or(HeaderValue::from_static("W/\"\""));
        (StatusCode::NOT_MODIFIED, [(header::ETAG, tag), (header::CACHE_CONTROL, NO_CACHE)]).into_response()
    })
}

/// Whoever keeps an answer asks whether it is still right; nobody between keeps it.
pub(super) const NO_CACHE: HeaderValue = HeaderValue::from_static("private, no-cache");

/// Shorter answers are sent as they are.
const LEAST_ZIPPED: usize = 1024;

/// Whether a client takes gzip.
pub(super) fn takes_gzip(headers: &HeaderMap) -> bool {
    let accepts = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepts.split(',').any(|one| one.trim().split(';').next() == Some("gzip"))
}

/// A body as a client takes it.
pub(super) fn sent(body: &Body, headers: &HeaderMap) -> Response {
    let media = (header::CONTENT_TYPE, HeaderValue::from_static(body.media));
    let varies = (header::VARY, HeaderValue::from_static("accept-encoding"));
    if body.text.len() >= LEAST_ZIPPED && takes_gzip(headers) {
        let coded = (header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        return ([media, varies, coded], body.zipped()).into_response();
    }
    ([media, varies], body.text.clone()).into_response()
}

pub(super) fn respond(answered: &Answered, headers: &HeaderMap) -> Response {
    let mut response = sent(&answered.body, headers);
    marked(answered, response.headers_mut());
    response
}

/// What caches must know of an answer.
pub(super) fn marked(answered: &Answered, headers: &mut HeaderMap) {
    headers.insert(header::CACHE_CONTROL, NO_CACHE);
    if answered.is_stale {
        headers.insert("x-stale", HeaderValue::from_static("the database is being written"));
    } else {
        headers.extend(answered.tag.parse().ok().map(|tag: HeaderValue| (header::ETAG, tag)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::Effect;

    #[test]
    fn what_is_read_changes_nothing() {
        for route in ROUTES {
            let entry = route.entry().expect("an operation");
            let is_safe = entry.effect == Effect::Read || !route.withheld.is_empty();
            assert!(is_safe, "{} may change something", route.path);
        }
    }

    #[test]
    fn questions_are_understood_or_refused() {
        let route = |path: &str| ROUTES.iter().find(|route| route.path == path).expect("a route");
        let asked = |path: &str, query: &str| {
            Asked::new(route(path), &[("id".into(), "ab".into())], query)
                .map(|asked| asked.line.join(" "))
                .map_err(|e| e.summary())
        };
        let line = asked("trends", "days=5&group_by=account%2Bregion&filter=service%3DA%26B&filter=region!=x&top=");
        assert_eq!(
            line.expect("understood"),
            "--days=5 --group-by=account+region --filter=service=A&B --filter=region!=x"
        );
        assert_eq!(asked("forecast", "days=9"), Ok("--no-save --days=9".to_owned()));
        assert_eq!(asked("incidents/{id}", ""), Ok("-- ab".to_owned()));
        assert_eq!(asked("values", "dimension=service&limit=5"), Ok("--top=1000000 -- service".to_owned()));
        for (path, query, said) in [
            ("trends", "dayz=5", "`trends` has no parameter `dayz`"),
            ("trends", "limit=5", "`trends` has no parameter `limit`"),
            ("forecast", "no-save=false", "`no-save` is not for guests of a server"),
            ("accounts", "refresh=1", "`refresh` is not for guests of a server"),
            ("incidents", "limit=0", "`limit` must be from 1 to 1000"),
            ("incidents", "cursor=x", "`cursor` needs `limit`"),
            ("incidents", "format=pdf", "`format` is json, csv or markdown"),
        ] {
            assert_eq!(asked(path, query), Err(said.to_owned()));
        }
    }
}
