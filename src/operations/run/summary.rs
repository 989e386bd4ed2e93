//! What a run did.

use std::collections::BTreeMap;

use chrono::{NaiveDate, NaiveDateTime};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::error::Error;

/// What a run did.
#[derive(Debug, Default, JsonSchema, Serialize)]
pub struct Summary {
    /// What was read; `null` with `--no-ingest`.
    pub ingested: Option<Ingested>,
    /// What was judged; `null` when nothing could be.
    pub judged: Option<Judged>,
    /// Days that the newest bills are old.
    pub data_age_days: Option<i64>,
    /// Incidents that are open now, and how many of them nobody was alerted to.
    pub open: usize,
    /// Open incidents that nobody is alerted to.
    pub suppressed: usize,
    /// What was new, by channel.
    pub notified: Vec<Notified>,
    /// Messages that arrived.
    pub sent: usize,
    /// Channels that took messages which had waited, with how many.
    pub caught_up: BTreeMap<String, usize>,
    /// Messages that wait for a channel.
    pub waiting: Vec<Waiting>,
    /// The messages of channels that are this command's own output.
    #[serde(rename = "messages")]
    pub printed: Vec<Printed>,
    /// What failed of fetching and judging, and of sending.
    #[serde(serialize_with = "crate::error::as_texts")]
    #[schemars(with = "Vec<String>")]
    pub errors: Vec<Error>,
    /// What went wrong with channels.
    #[serde(serialize_with = "crate::error::as_texts")]
    #[schemars(with = "Vec<String>")]
    pub send_errors: Vec<Error>,
}

/// A message on stdout.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Printed {
    /// Its id in the outbox.
    #[serde(skip)]
    pub message_id: String,
    /// As text.
    #[serde(skip)]
    pub text: String,
    /// As data.
    #[serde(flatten)]
    pub message: Value,
}

/// What was read.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Ingested {
    /// Billing periods.
    pub periods: usize,
    /// Line items.
    pub rows: u64,
    /// Bills that were current already.
    pub unchanged: usize,
    /// Bills that could not be read.
    pub failures: usize,
}

/// What was judged.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Judged {
    /// The first day.
    pub start: NaiveDate,
    /// The last day.
    pub end: NaiveDate,
    /// How many series there are.
    pub series: usize,
    /// How many findings reach into these days.
    pub findings: usize,
    /// Incidents that are new.
    pub opened: usize,
    /// Incidents that ended.
    pub ended: usize,
}

/// New for a channel.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Notified {
    /// The channel, by name.
    pub channel: String,
    /// Incidents in the message.
    pub incidents: usize,
    /// Its first line.
    pub title: String,
    /// Whether it has arrived; otherwise it waits.
    pub sent: bool,
}

/// A channel that did not take its message.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Waiting {
    /// The channel, by name.
    pub channel: String,
    /// How many.
    pub messages: usize,
    /// What came of the last attempt.
    pub error: String,
    /// The time that the channel asked to wait for (UTC).
    pub not_before: Option<NaiveDateTime>,
}

impl Summary {
    /// Whether anybody was alerted.
    pub fn has_alerted(&self) -> bool {
        !self.notified.is_empty() || !self.caught_up.is_empty()
    }
}
