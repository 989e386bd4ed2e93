//! For those who look after the server: whether it runs, whether it can answer, and how it does (Prometheus).

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use serde_json::{Value, json};
use std::sync::atomic::AtomicU64;

use crate::{
    error::{Code, Result},
    model::Severity,
    operations::{ListIncidents, Session, ShowStatus, at_stake},
    server::{
        App,
        answers::{Answers, Body},
        problem::Problem,
    },
};

/// Seconds of the buckets of the histogram.
const BUCKETS: [f64; 9] = [0.005, 0.01, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Labels {
    route: String,
    status: u16,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct RouteLabel {
    route: String,
}

/// What was asked, and how long it took.
pub(in crate::server) struct Metrics {
    requests: Family<Labels, Counter>,
    seconds: Family<RouteLabel, Histogram, fn() -> Histogram>,
}

impl Default for Metrics {
    fn default() -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(BUCKETS);
        Self { requests: Family::default(), seconds: Family::new_with_constructor(histogram) }
    }
}

impl Metrics {
    pub(in crate::server) fn count(&self, route: &str, status: StatusCode, took: Duration) {
        let route = route.to_owned();
        self.seconds.get_or_create(&RouteLabel { route: route.clone() }).observe(took.as_secs_f64());
        self.requests.get_or_create(&Labels { route, status: status.as_u16() }).inc();
    }
}

pub(super) fn router() -> Router<Arc<App>> {
    let metrics = get(metrics).route_layer(axum::middleware::from_fn(crate::server::read));
    Router::new().route("/health", get(health)).route("/ready", get(ready)).route("/metrics", metrics)
}

async fn health() -> Json<Value> {
    Json(json!({"status": "ok", "service": env!("CARGO_PKG_NAME")}))
}

/// Whether questions are answered: there is a database that can be read, or was and is being written.
async fn ready(State(app): State<Arc<App>>) -> Result<Json<Value>, Problem> {
    app.answers.get("ready", |session| session.store().map(|_| Body::default())).await?;
    Ok(Json(json!({"status": "ready"})))
}

/// What stands in the database, for gauges.
#[derive(Default)]
struct Standing {
    /// Open incidents by severity and what they have at stake by currency, in the order of [`Severity::ALL`].
    open: Vec<(usize, BTreeMap<String, f64>)>,
    /// The newest day, as seconds since 1970.
    data_through: Option<i64>,
}

fn standing(session: &Session) -> Result<Standing> {
    let open = session.run(&ListIncidents::default())?;
    let of = |severity: &Severity| {
        let its = open.incidents.iter().filter(|shown| shown.incident.severity == *severity);
        (its.clone().count(), at_stake(its))
    };
    let newest = session.run(&ShowStatus::default())?.header.data_through;
    let midnight = newest.and_then(|day| day.and_hms_opt(0, 0, 0));
    let data_through = midnight.map(|time| time.and_utc().timestamp());
    Ok(Standing { open: Severity::ALL.iter().map(of).collect(), data_through })
}

async fn metrics(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let lines = app.answers.get("metrics", |session| {
        let standing = match standing(session) {
            Err(error) if error.code() == Code::NoDatabase => Standing::default(),
            standing => standing?,
        };
        let mut text = String::new();
        // Written by the registry's own writer, once for each state of the database.
        encode(&mut text, &registry_of(&standing))
            .map_err(|e| crate::error::Error::bug("metrics are not written").caused_by(e))?;
        Ok(Body::new("", text.trim_end().trim_end_matches("# EOF").to_owned()))
    });
    // How the server does is told also when the database cannot be read.
    let of_data = lines.await.map(|answered| answered.body.text.clone()).unwrap_or_default();
    let mut text = String::new();
    encode(&mut text, &registry(&app)).map_err(|e| crate::error::Error::bug("metrics are not written").caused_by(e))?;
    let media = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, media), (header::CACHE_CONTROL, "no-store")], of_data + &text).into_response())
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct SeverityLabel {
    severity: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct StakeLabel {
    severity: &'static str,
    currency: String,
}

fn registry_of(standing: &Standing) -> Registry {
    let mut registry = Registry::with_prefix("cost_anomalies");
    let open: Family<SeverityLabel, Gauge> = Family::default();
    let at_stake: Family<StakeLabel, Gauge<f64, AtomicU64>> = Family::default();
    // Without a database nothing is open.
    let open_ones = standing.open.iter().cloned().chain(std::iter::repeat_with(Default::default));
    for (severity, (count, stakes)) in Severity::ALL.iter().zip(open_ones) {
        let label = SeverityLabel { severity: severity.name() };
        open.get_or_create(&label).set(i64::try_from(count).unwrap_or(i64::MAX));
        for (currency, amount) in stakes {
            at_stake.get_or_create(&StakeLabel { severity: severity.name(), currency }).set(amount);
        }
    }
    registry.register("open_incidents", "Open incidents", open);
    registry.register("open_at_stake", "What open incidents have at stake", at_stake);
    if let Some(newest) = standing.data_through {
        let gauge: Gauge = Gauge::default();
        gauge.set(newest);
        registry.register("data_through_timestamp_seconds", "The newest day of the data", gauge);
    }
    registry
}

fn registry(app: &App) -> Registry {
    let mut registry = Registry::with_prefix("cost_anomalies");
    registry.register("http_requests", "Requests by route and status", app.metrics.requests.clone());
    registry.register("http_request_duration_seconds", "How long requests took", app.metrics.seconds.clone());
    let counts: &Answers = &app.answers;
    let counter = |value: &AtomicU64| {
        let counter: Counter = Counter::default();
        counter.inc_by(value.load(Ordering::Relaxed));
        counter
    };
    registry.register("answers_kept", "Answers that were given again", counter(&counts.counts.kept));
    registry.register("answers_made", "Answers that were made", counter(&counts.counts.made));
    registry.register(
        "answers_stale",
        "Answers of how the database was before it was written",
        counter(&counts.counts.stale),
    );
    let (works, waits) = app.answers.calls().at_work();
    for (name, help, value) in
        [("calls_working", "Calls that are worked on", works), ("calls_waiting", "Calls that wait", waits)]
    {
        let gauge: Gauge = Gauge::default();
        gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        registry.register(name, help, gauge);
    }
    registry
}
