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
    let (tells, hears) = watch::channel(tag(answers));
    let (answers, stop) = (Arc::clone(answers), stop.clone());
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
            // The first of them is the server's own.
            if tells.receiver_count() > 1 {
                let now = tag(&answers);
                tells.send_if_modified(|before| std::mem::replace(before, now.clone()) != now);
            }
        }
    });
    hears
}

fn tag(answers: &Answers) -> String {
    Answers::tag("", &answers.generation())
}

pub(super) fn router() -> Router<Arc<App>> {
    Router::new().route(&format!("{BASE}/events"), get(events))
}

/// An event now, and one for each change of bills, incidents or the day.
async fn events(State(app): State<Arc<App>>) -> Response {
    let (changes, stop) = (app.changes.clone(), app.stop.clone());
    let events = stream::unfold((changes, stop, true), |(mut changes, stop, is_first)| async move {
        if !is_first {
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
