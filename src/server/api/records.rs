//! Costs that other programs hand in one by one: the eight endpoints of the Sentinel, as it describes them. Off until
//! `server.accept_records`.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, StatusCode},
    middleware::from_fn,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::{BASE, actions::fields};
use crate::{
    error::{Error, Result},
    operations::{
        Session,
        records::{self, NewRecord},
    },
    server::{App, calls::unwatched, ingest, problem::Problem, read},
};

/// Records that are given at once where nothing says how many.
const PAGE: u64 = 1000;
/// Days that can be made up.
const MOST_DAYS: u32 = 365;

pub(super) fn router() -> Router<Arc<App>> {
    let billing = format!("{BASE}/billing");
    Router::new()
        .route(
            &format!("{billing}/"),
            get(list).route_layer(from_fn(read)).merge(post(add).route_layer(from_fn(ingest))),
        )
        .route(&format!("{billing}/batch"), post(batch).route_layer(from_fn(ingest)))
        .route(&format!("{billing}/seed"), post(seed).route_layer(from_fn(ingest)))
        .route(&format!("{billing}/summary"), get(summary).route_layer(from_fn(read)))
        .route(&format!("{billing}/anomalies"), get(anomalies).route_layer(from_fn(read)))
        .route(&format!("{billing}/{{id}}"), get(one).route_layer(from_fn(read)))
}

/// The parameters of a query that are known; one that is not is an error.
///
/// # Errors
/// When there is another.
pub(super) fn parameters<const N: usize>(query: Option<&str>, names: [&str; N]) -> Result<[Option<String>; N]> {
    let mut found = [const { None }; N];
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        match names.iter().position(|known| *known == name) {
            Some(place) => found[place] = Some(value.into_owned()).filter(|value| !value.is_empty()),
            None => {
                let error = Error::usage(format!("there is no parameter `{}`", crate::inert::one_line(&name)));
                return Err(error.hint(format!("there are: {}", names.join(", "))));
            }
        }
    }
    Ok(found)
}

/// A number of a query.
///
/// # Errors
/// When it is none.
pub(super) fn number<T: std::str::FromStr + std::fmt::Display>(
    name: &str,
    text: Option<String>,
    default: T,
) -> Result<T> {
    let Some(text) = text else { return Ok(default) };
    text.parse().map_err(|_| {
        let said = format!("`{name}` cannot be `{}`", crate::inert::one_line(&text));
        Error::usage(said).hint(format!("it is a number; without it, it is {default}"))
    })
}

fn parsed<T: DeserializeOwned>(value: Value) -> Result<T> {
    serde_json::from_value(value).map_err(|e| Error::usage("the record is not valid").caused_by(e))
}

async fn add(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Result<Response, Problem> {
    let record: NewRecord = parsed(Value::Object(fields(&headers, &body)?))?;
    let added = unwatched(app.answers.calls(), move |session| records::add(session, vec![record])).await?;
    Ok((StatusCode::CREATED, Json(added.into_iter().next())).into_response())
}

async fn batch(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Result<Response, Problem> {
    let given = fields(&headers, &body)?;
    let list = given.get("records").cloned().ok_or_else(|| Error::usage("the body is `{\"records\": [...]}`"))?;
    let new: Vec<NewRecord> = parsed(list)?;
    let added = unwatched(app.answers.calls(), move |session| records::add(session, new)).await?;
    Ok((StatusCode::CREATED, Json(added)).into_response())
}

async fn seed(State(app): State<Arc<App>>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let [days] = parameters(query.as_deref(), ["days"])?;
    let days = number("days", days, 30)?;
    if !(1..=MOST_DAYS).contains(&days) {
        return Err(Error::usage(format!("`days` must be from 1 to {MOST_DAYS}")).into());
    }
    let count = unwatched(app.answers.calls(), move |session| records::seed(session, days)).await?;
    let body = json!({"message": format!("made up {count} records of {days} days"), "records_created": count});
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

/// Answers with what is read.
async fn given<T: serde::Serialize + Send + 'static>(
    app: &App,
    work: impl FnOnce(&Session) -> Result<T> + Send + 'static,
) -> Result<Response, Problem> {
    Ok(Json(unwatched(app.answers.calls(), work).await?).into_response())
}

async fn list(State(app): State<Arc<App>>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let [service, region, skip, limit] = parameters(query.as_deref(), ["service", "region", "skip", "limit"])?;
    let (skip, limit) = (number("skip", skip, 0)?, number("limit", limit, PAGE)?);
    given(&app, move |session| records::list(session, service.as_deref(), region.as_deref(), skip, limit)).await
}

async fn summary(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    given(&app, |session| {
        let totals = records::totals(session)?;
        let total = |(service, cost): (String, f64)| json!({"service": service, "total_cost": cost});
        Ok(totals.into_iter().map(total).collect::<Vec<_>>())
    })
    .await
}

async fn anomalies(State(app): State<Arc<App>>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let [threshold] = parameters(query.as_deref(), ["threshold"])?;
    let threshold: f64 = number("threshold", threshold, 2.0)?;
    if !(threshold.is_finite() && threshold >= 0.0) {
        return Err(Error::usage("`threshold` must be at least 0").into());
    }
    given(&app, move |session| records::unusual(session, threshold)).await
}

async fn one(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Response, Problem> {
    let id: i64 = number("id", Some(id), 0)?;
    let found = unwatched(app.answers.calls(), move |session| records::one(session, id)).await?;
    Ok(match found {
        Some(record) => Json(record).into_response(),
        // In the words that its clients look for.
        None => (StatusCode::NOT_FOUND, Json(json!({"detail": "Billing Record not found"}))).into_response(),
    })
}

/// The same for OpenAPI.
pub(super) fn described() -> Map<String, Value> {
    let record = json!({"type": "object", "required": ["service", "cost", "timestamp"], "additionalProperties": false, "properties": {
        "service": {"type": "string"}, "cost": {"type": "number"}, "timestamp": {"type": "string", "format": "date-time"},
        "region": {"type": "string", "default": ""}, "account_id": {"type": "string", "default": ""}, "is_anomaly": {"type": "boolean", "default": false}}});
    let mut kept = record.clone();
    kept["properties"]["id"] = json!({"type": "integer"});
    kept["properties"]["created_at"] = json!({"type": "string", "format": "date-time"});
    let mut scored = kept.clone();
    scored["properties"]["z_score"] = json!({"type": "number"});
    let array = |schema: &Value| json!({"type": "array", "items": schema});
    let answer = |status: &str, what: &str, schema: Value| json!({status: {"description": what, "content": {"application/json": {"schema": schema}}}, "default": {"$ref": "#/components/responses/Problem"}});
    let body = |schema: &Value| json!({"required": true, "content": {"application/json": {"schema": schema}}});
    let query = |name: &str, schema: Value| json!({"name": name, "in": "query", "schema": schema});
    let text = || json!({"type": "string"});
    let about = |id: &str, summary: &str, tag: &str| json!({"operationId": id, "summary": summary, "tags": [tag]});
    let with = |mut operation: Value, fields: Value| {
        for (key, value) in fields.as_object().into_iter().flatten() {
            operation[key] = value.clone();
        }
        operation
    };
    let add = with(
        about("add_record", "Hand in a cost (`server.accept_records`)", "records"),
        json!({"requestBody": body(&record), "responses": answer("201", "The record", kept.clone())}),
    );
    let list = with(
        about("records", "Records, in the order in which they came", "records"),
        json!({"parameters": [query("service", text()), query("region", text()), query("skip", json!({"type": "integer", "default": 0})), query("limit", json!({"type": "integer", "default": PAGE}))], "responses": answer("200", "Records", array(&kept))}),
    );
    let batch = with(
        about("add_records", "Hand in costs", "records"),
        json!({"requestBody": body(&json!({"type": "object", "required": ["records"], "properties": {"records": array(&record)}})), "responses": answer("201", "The records", array(&kept))}),
    );
    let seed = with(
        about("seed_records", "Make records up, to try", "records"),
        json!({"parameters": [query("days", json!({"type": "integer", "minimum": 1, "maximum": MOST_DAYS, "default": 30}))], "responses": answer("201", "How many", json!({"type": "object", "properties": {"message": text(), "records_created": {"type": "integer"}}}))}),
    );
    let summary = with(
        about("records_summary", "What the records of each service cost", "records"),
        json!({"responses": answer("200", "Services", array(&json!({"type": "object", "properties": {"service": text(), "total_cost": {"type": "number"}}})))}),
    );
    let anomalies = with(
        about(
            "unusual_records",
            "Records far from the mean of their service, in sample standard deviations",
            "records",
        ),
        json!({"parameters": [query("threshold", json!({"type": "number", "minimum": 0, "default": 2.0}))], "responses": answer("200", "The furthest first", array(&scored))}),
    );
    let one = with(
        about("record", "One record", "records"),
        json!({"parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "integer"}}], "responses": answer("200", "The record", kept)}),
    );
    let paths = [
        ("/", json!({"post": add, "get": list})),
        ("/batch", json!({"post": batch})),
        ("/seed", json!({"post": seed})),
        ("/summary", json!({"get": summary})),
        ("/anomalies", json!({"get": anomalies})),
        ("/{id}", json!({"get": one})),
    ];
    paths.into_iter().map(|(path, described)| (format!("{BASE}/billing{path}"), described)).collect()
}
