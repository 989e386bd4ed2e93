//! What changes something or takes long: triage, runs, statements and questions in plain words.

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Extension, Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::from_fn,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::{get, post},
};
use chrono::{DateTime, Utc};
use futures_util::stream;
use serde::Serialize;
use serde_json::{Map, Value, json};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::BASE;
use crate::{
    error::{Code, Error, Result},
    inert,
    model::Stop,
    operations::{self, Answer, AskBill, Reply, Reporter, Session, Talk},
    report,
    server::{self, App, calls::unwatched, guard::Guest, problem::Problem},
};

/// Questions to the model at once: each may take minutes.
const TALKS: usize = 2;
/// Runs that are remembered.
const MOST_RUNS: usize = 50;
/// Lines of a run's progress that are remembered.
const MOST_NOTES: usize = 200;
/// Rows and seconds of a statement; the command line allows more.
const MOST_ROWS: u64 = 10_000;
const MOST_SECONDS: f64 = 30.0;

/// What is at work beside the calls.
pub(in crate::server) struct Runs {
    runs: Mutex<VecDeque<Run>>,
    talks: Semaphore,
}

/// A run that was asked for.
#[derive(Clone, Debug, Serialize)]
struct Run {
    id: u64,
    status: Status,
    started_at: DateTime<Utc>,
    finished_at: Option<DateTime<Utc>>,
    /// What was said on the way, the last last.
    progress: Vec<String>,
    /// The answer of `run`, once it is done.
    answer: Option<Value>,
    error: Option<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Running,
    Done,
    Failed,
}

impl Default for Runs {
    fn default() -> Self {
        Self { runs: Mutex::default(), talks: Semaphore::new(TALKS) }
    }
}

impl Runs {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Run>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, id: u64, change: impl FnOnce(&mut Run)) {
        if let Some(run) = self.lock().iter_mut().find(|run| run.id == id) {
            change(run);
        }
    }
}

pub(super) fn router() -> Router<Arc<App>> {
    let triage = post(triage).route_layer(from_fn(server::triage));
    let runs = post(start).route_layer(from_fn(server::ingest)).merge(get(all).route_layer(from_fn(server::read)));
    Router::new()
        .route(&format!("{BASE}/incidents/{{id}}/triage"), triage)
        .route(&format!("{BASE}/runs"), runs)
        .route(&format!("{BASE}/runs/{{id}}"), get(run).route_layer(from_fn(server::read)))
        .route(&format!("{BASE}/sql"), post(sql).route_layer(from_fn(server::query)))
        .route(&format!("{BASE}/query"), post(query).route_layer(from_fn(server::query)))
}

/// The fields of a body; none of an empty one.
///
/// # Errors
/// When it is no JSON object.
pub(in crate::server) fn fields(headers: &HeaderMap, body: &Bytes) -> Result<Map<String, Value>, Problem> {
    if body.is_empty() {
        return Ok(Map::new());
    }
    // A form of another site can send texts, but not JSON.
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if media.split(';').next().map(str::trim) != Some("application/json") {
        let title = "the body must be JSON, and say so: `content-type: application/json`";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "invalid_usage", title));
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(Error::usage("the body must be a JSON object").into()),
        Err(error) => Err(Error::usage("the body is not JSON").caused_by(error).into()),
    }
}

/// Answers an operation with fields of a body, as the command line's JSON.
async fn answered(app: &App, name: &'static str, given: Map<String, Value>) -> Result<Response, Problem> {
    let gone = CancellationToken::new();
    let _ends = gone.clone().drop_guard();
    let work = move |session: &Session| report::json(&operations::find(name)?.call(session, Value::Object(given))?);
    let text = app.answers.calls().run(&gone, |_, _| Box::pin(async {}), work).await?;
    Ok(([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], text).into_response())
}

async fn triage(
    State(app): State<Arc<App>>,
    Extension(guest): Extension<Guest>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let mut given = fields(&headers, &body)?;
    if given.contains_key("ids") {
        return Err(Error::usage("the address names the incident").into());
    }
    given.insert("ids".into(), json!([id]));
    // Whom a proxy names cannot be somebody else.
    if !guest.name.is_empty() {
        given.insert("by".into(), guest.name.into());
    }
    let work = move |session: &Session| report::json(&operations::find("triage")?.call(session, Value::Object(given))?);
    let text = unwatched(app.answers.calls(), work).await?;
    Ok(([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], text).into_response())
}

/// A statement, as tight as on the command line, with less time and fewer rows.
async fn sql(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Result<Response, Problem> {
    let mut given = fields(&headers, &body)?;
    let limit = given.get("limit").and_then(Value::as_u64).unwrap_or(1000);
    let timeout = given.get("timeout").and_then(Value::as_f64).unwrap_or(MOST_SECONDS);
    if limit > MOST_ROWS || timeout > MOST_SECONDS {
        let said = format!("a server gives {MOST_ROWS} rows and {MOST_SECONDS} seconds at most");
        return Err(Error::usage(said).hint("`aws-cost-anomalies sql` allows more").into());
    }
    given.entry("timeout").or_insert(timeout.into());
    answered(&app, "sql", given).await
}

/// Somebody who hears all that is said.
struct Notes(Box<dyn Fn(String) + Send + Sync>);

impl Reporter for Notes {
    fn note(&self, text: &str) {
        (self.0)(inert::lines(text));
    }

    fn failed(&self, error: &Error) {
        (self.0)(format!("error: {}", error.summary()));
    }
}

async fn start(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Result<Response, Problem> {
    let given = fields(&headers, &body)?;
    // Files of the server's machine are its own affair.
    if given.contains_key("paths") {
        return Err(Error::usage("`paths` is not for guests of a server")
            .hint("the configuration says where bills are")
            .into());
    }
    let location =
        |id: u64| HeaderValue::from_str(&format!("{BASE}/runs/{id}")).map(|place| [(header::LOCATION, place)]);
    let id = {
        let mut runs = app.runs.lock();
        if let Some(running) = runs.iter().find(|run| run.status == Status::Running) {
            let problem = Problem::new(StatusCode::CONFLICT, "busy", format!("run {} is not over", running.id));
            return Ok((location(running.id).ok(), problem).into_response());
        }
        let id = runs.back().map_or(1, |run| run.id + 1);
        let (status, progress) = (Status::Running, Vec::new());
        runs.push_back(Run {
            id,
            status,
            started_at: Utc::now(),
            finished_at: None,
            progress,
            answer: None,
            error: None,
        });
        if runs.len() > MOST_RUNS {
            runs.pop_front();
        }
        id
    };
    let (own, today) = (Arc::clone(&app), app.answers.calls().today());
    let said = Arc::clone(&app);
    let reporter = Notes(Box::new(move |text| {
        said.runs.change(id, |run| {
            if run.progress.len() < MOST_NOTES {
                run.progress.push(text);
            }
        });
    }));
    tokio::task::spawn_blocking(move || {
        let session = own.answers.calls().session().for_call(today, Arc::new(reporter), Stop::default());
        let done = operations::find("run").and_then(|entry| entry.call(&session, Value::Object(given)));
        own.runs.change(id, |run| {
            run.finished_at = Some(Utc::now());
            match done {
                Ok(answer) => (run.status, run.answer) = (Status::Done, Some(answer)),
                Err(error) => (run.status, run.error) = (Status::Failed, Some(json!(error))),
            }
        });
    });
    let body = json!({"id": id, "status": Status::Running});
    Ok((StatusCode::ACCEPTED, location(id).ok(), Json(body)).into_response())
}

async fn run(State(app): State<Arc<App>>, Path(id): Path<u64>) -> Result<Json<Run>, Problem> {
    let found = app.runs.lock().iter().find(|run| run.id == id).cloned();
    let none = || Problem::new(StatusCode::NOT_FOUND, "not_found", format!("there is no run {id}"));
    found.map(Json).ok_or_else(none)
}

async fn all(State(app): State<Arc<App>>) -> Json<Value> {
    let runs: Vec<Run> =
        app.runs.lock().iter().rev().map(|run| Run { progress: Vec::new(), answer: None, ..run.clone() }).collect();
    Json(json!({ "runs": runs }))
}

/// What is said while a question is answered.
enum Said {
    Note(String),
    Answer(Box<Answer<Reply>>),
    Failed(Error),
}

async fn query(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Result<Response, Problem> {
    let given = fields(&headers, &body)?;
    // Nobody can be asked, so nothing that costs money or reaches out is allowed beforehand either.
    if let Some(name) = given.keys().find(|name| !["question", "as_of"].contains(&name.as_str())) {
        return Err(Error::usage(format!("`{name}` is not for guests of a server"))
            .hint("there are: question, as_of")
            .into());
    }
    let question: AskBill = parsed(given)?;
    let mut said = begin(&app, question)?;
    let wants_events =
        headers.get(header::ACCEPT).is_some_and(|media| media.as_bytes().starts_with(b"text/event-stream"));
    if wants_events {
        let events = stream::unfold(said, |mut said| async move {
            let event = match said.hears.recv().await? {
                Said::Note(text) => Event::default().event("note").data(text),
                Said::Answer(answer) => {
                    Event::default().event("answer").data(serde_json::to_string(&answer).unwrap_or_default())
                }
                Said::Failed(error) => {
                    let problem = serde_json::to_string(&Problem::from(error).body).unwrap_or_default();
                    Event::default().event("problem").data(problem)
                }
            };
            Some((Ok::<_, Infallible>(event), said))
        });
        return Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response());
    }
    let text = report::json(&said.answer().await?)?;
    Ok(([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], text).into_response())
}

/// The answer to a question, once it is there.
///
/// # Errors
/// As the operation, and when others are being answered.
pub(in crate::server) async fn reply(app: &Arc<App>, question: AskBill) -> Result<Answer<Reply>> {
    begin(app, question)?.answer().await
}

fn parsed(given: Map<String, Value>) -> Result<AskBill> {
    let entry = operations::find("query")?;
    let text = |value: Value| value.as_str().map(str::to_owned);
    let given: Vec<(String, String)> =
        given.into_iter().filter_map(|(name, value)| Some((name, text(value)?))).collect();
    operations::parse_flags(&entry.line_of(&given)?)
}

/// A question that is being answered; it is given up when this is dropped.
struct Talking {
    hears: mpsc::UnboundedReceiver<Said>,
    stop: Stop,
}

impl Talking {
    /// What comes of it.
    async fn answer(&mut self) -> Result<Answer<Reply>> {
        loop {
            match self.hears.recv().await {
                Some(Said::Note(_)) => {}
                Some(Said::Answer(answer)) => return Ok(*answer),
                Some(Said::Failed(error)) => return Err(error),
                None => return Err(Error::bug("the answer broke off")),
            }
        }
    }
}

impl Drop for Talking {
    fn drop(&mut self) {
        self.stop.stop();
    }
}

/// # Errors
/// When others are being answered.
fn begin(app: &Arc<App>, question: AskBill) -> Result<Talking> {
    let busy = |_| Error::input("too many questions at once").with_code(Code::Busy).hint("ask again in a minute");
    // Held by the thread until the model is done.
    app.runs.talks.try_acquire().map_err(busy)?.forget();
    let (tells, hears) = mpsc::unbounded_channel();
    let (own, today, stop) = (Arc::clone(app), app.answers.calls().today(), Stop::default());
    let given_up = stop.clone();
    tokio::task::spawn_blocking(move || {
        let note = tells.clone();
        // Who has gone hears nothing.
        let reporter = Notes(Box::new(move |text| _ = note.send(Said::Note(text))));
        let session = own.answers.calls().session().for_call(today, Arc::new(reporter), given_up.clone());
        let answer = asked(&question, &session, &given_up);
        own.runs.talks.add_permits(1);
        let _ = tells.send(match answer {
            Ok(answer) => Said::Answer(Box::new(answer)),
            Err(error) => Said::Failed(error),
        });
    });
    Ok(Talking { hears, stop })
}

fn asked(question: &AskBill, session: &Session, stop: &Stop) -> Result<Answer<Reply>> {
    let mut talk = Talk::begin(question, session)?;
    let answer = talk.ask(&question.question, session, stop);
    talk.end(session)?;
    answer
}
