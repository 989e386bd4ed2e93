//! Changes as they happen: server-sent events (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::get,
};
use futures_util::stream;
use serde_json::json;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::BASE;
use crate::server::{App, answers::Answers};

/// How often it is looked whether anything changed.
const LOOK: Duration = Duration::from_secs(1);

/// Who hears of changes.
pub(in crate::server) type Changes = watch::Receiver<String>;

/// Looks for changes of the database until `stop`.
pub(in crate::server) fn watched(answers: &Arc<Answers>, stop: &CancellationToken) -> Changes {
    let mut last = now(answers);
    let (tells, hears) = watch::channel(last.clone());
    let (answers, stop) = (Arc::clone(answers), stop.clone());
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
            // The first of them is the server's own.
            if tells.receiver_count() > 1 {
                let now = now(&answers);
                // While somebody writes, each look finds another state; what is told is the one that stays.
                if now == last {
                    tells.send_if_modified(|told| std::mem::replace(told, now.clone()) != now);
                }
                last = now;
            }
        }
    });
    hears
}

/// A state of the data by a short name, as pages and events have it.
pub(in crate::server) fn state(generation: &str) -> String {
    Answers::tag("", generation).trim_start_matches("W/").trim_matches('"').to_owned()
}

fn now(answers: &Answers) -> String {
    state(&answers.generation())
}

pub(super) fn router() -> Router<Arc<App>> {
    Router::new().route(&format!("{BASE}/events"), get(events))
}

/// An event at first, and one for each change of bills, incidents or the day.
async fn events(State(app): State<Arc<App>>) -> Response {
    let (mut changes, stop) = (app.changes.clone(), app.stop.clone());
    // What was told last may be long ago, where nobody heard: the first event waits for what is looked at next then.
    let is_told = *changes.borrow_and_update() == now(&app.answers);
    let events = stream::unfold((changes, stop, true), move |(mut changes, stop, is_first)| async move {
        if !(is_first && is_told) {
            tokio::select! {
                () = stop.cancelled() => return None,
                changed = changes.changed() => changed.ok()?,
            }
        }
        let state = changes.borrow_and_update().clone();
        let name = if is_first { "state" } else { "changed" };
        let event = Event::default().event(name).data(json!({ "state": state }).to_string());
        Some((Ok::<_, Infallible>(event), (changes, stop, false)))
    });
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
}
