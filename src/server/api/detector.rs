//! The endpoints of a multi-cloud detector that others have: find, list, count, by cloud and severity.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{RawQuery, State},
    http::HeaderMap,
    middleware::from_fn,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    BASE,
    records::{number, parameters},
};
use crate::{
    error::Result,
    operations::{
        Session,
        detector::{self, Cloud},
    },
    server::{App, answers::Body, calls::unwatched, ingest, problem::Problem, read},
};

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route(&format!("{BASE}/detect"), post(detect).route_layer(from_fn(ingest)))
        .route(&format!("{BASE}/anomalies"), get(anomalies).route_layer(from_fn(read)))
        .route(&format!("{BASE}/stats"), get(stats).route_layer(from_fn(read)))
}

async fn detect(State(app): State<Arc<App>>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let [cloud] = parameters(query.as_deref(), ["cloud"])?;
    let cloud = Cloud::of(cloud.as_deref())?;
    let found = unwatched(app.answers.calls(), move |session| detector::detect(session, cloud)).await?;
    Ok(Json(found).into_response())
}

async fn anomalies(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let [severity, cloud, limit] = parameters(query.as_deref(), ["severity", "cloud", "limit"])?;
    let (severity, cloud) = (detector::severity(severity.as_deref())?, Cloud::of(cloud.as_deref())?);
    let limit = number("limit", limit, 100)?;
    kept(&app, &headers, format!("anomalies {severity:?} {cloud:?} {limit}"), move |session| {
        detector::open(session, cloud, severity, limit)
    })
    .await
}

async fn stats(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let [hours] = parameters(query.as_deref(), ["hours"])?;
    let hours = number("hours", hours, 24)?;
    kept(&app, &headers, format!("stats {hours}"), move |session| detector::stats(session, hours)).await
}

/// Answers with what is kept until the data changes.
async fn kept<T: Serialize>(
    app: &App,
    headers: &HeaderMap,
    key: String,
    work: impl FnOnce(&Session) -> Result<T> + Send + 'static,
) -> Result<Response, Problem> {
    let made = move |session: &Session| Ok(Body::new("application/json", format!("{:#}\n", json!(work(session)?))));
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
