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
    pub ingested: Option<Ingested>,
    pub judged: Option<Judged>,
    /// Days that the newest bills are old.
    pub data_age_days: Option<i64>,
    /// Incidents that are open now, and how many of them nobody was alerted to.
    pub open: usize,
    pub suppressed: usize,
    /// What was new, by channel.
    pub notified: Vec<Notified>,
    /// Messages that arrived.
    pub sent: usize,
    /// Channels that took messages which had waited, with how many.
    pub caught_up: BTreeMap<String, usize>,
    pub waiting: Vec<Waiting>,
    /// The messages of channels that are this command's own output.
    #[serde(rename = "messages")]
    pub printed: Vec<Printed>,
    /// What failed of fetching and judging, and of sending.
    #[serde(serialize_with = "crate::error::as_texts")]
    #[schemars(with = "Vec<String>")]
    pub errors: Vec<Error>,
    #[serde(serialize_with = "crate::error::as_texts")]
    #[schemars(with = "Vec<String>")]
    pub send_errors: Vec<Error>,
}

/// A message on stdout.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Printed {
    #[serde(skip)]
    pub message_id: String,
    #[serde(skip)]
    pub text: String,
    #[serde(flatten)]
    pub message: Value,
}

#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Ingested {
    pub periods: usize,
    pub rows: u64,
    pub unchanged: usize,
    pub failures: usize,
}

#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Judged {
    pub from: NaiveDate,
    pub to: NaiveDate,
    pub series: usize,
    pub findings: usize,
    pub opened: usize,
    pub ended: usize,
}

/// New for a channel.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Notified {
    pub channel: String,
    pub incidents: usize,
    pub title: String,
    /// Whether it has arrived; otherwise it waits.
    pub sent: bool,
}

/// A channel that did not take its message.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Waiting {
    pub channel: String,
    pub messages: usize,
    pub error: String,
    pub not_before: Option<NaiveDateTime>,
}

impl Summary {
    /// Whether anybody was alerted.
    pub fn has_alerted(&self) -> bool {
        !self.notified.is_empty() || !self.caught_up.is_empty()
    }
}
