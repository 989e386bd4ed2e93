//! Requests to models over HTTP: answers as a whole or as events, with the waits that busy services ask for.

use serde_json::Value;
use sse_stream::SseStream;

use crate::{
    error::{Error, Result},
    web::{Events, Failure, secret::Secret},
};

/// Bytes of an answer: what models say is short.
pub(super) const MOST_BYTES: usize = 8 << 20;

/// Hands on the events of an answer as JSON, until it ends or `take` says that it has.
///
/// # Errors
/// As `take`, and when the answer breaks off or an event is no JSON.
pub(super) async fn events(
    answer: Events,
    who: &str,
    mut take: impl FnMut(Value) -> Result<bool> + Send,
) -> Result<()> {
    use futures_util::StreamExt;
    let broken = |cause: String| Error::remote(format!("the answer of {who} broke off")).cause(cause);
    let mut events = SseStream::from_bytes_stream(answer.bytes(MOST_BYTES));
    while let Some(event) = events.next().await {
        let event = event.map_err(|e| broken(e.to_string()))?;
        let Some(data) = event.data.filter(|data| !data.trim().is_empty()) else { continue };
        if data.trim() == "[DONE]" {
            return Ok(());
        }
        let value = serde_json::from_str(&data).map_err(|e| broken(format!("an event is no JSON: {e}")))?;
        if take(value)? {
            return Ok(());
        }
    }
    Err(broken("it ended before the model had".to_owned()))
}

/// A failure as an error.
pub(super) fn failed(who: &str, failure: &Failure, hint: &str) -> Error {
    let error = failure.to_error(format!("{who} does not answer"));
    if hint.is_empty() { error } else { error.hint(hint) }
}

/// An address without a slash at its end, which the configuration may have.
pub(super) fn base(url: &str) -> &str {
    url.trim_end_matches('/')
}

/// A key, for a header.
pub(super) fn exposed(key: Option<&Secret>) -> &str {
    key.map_or("", Secret::expose)
}
