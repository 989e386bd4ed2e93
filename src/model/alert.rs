//! What is sent of incidents, and what people say of them.

use chrono::{NaiveDate, NaiveDateTime};
use schemars::JsonSchema;
use serde::Serialize;

use super::text::words;

words! {
    /// What an alert is about.
    pub enum AlertKind in "lowercase" {
        /// An incident is new.
        Opened,
        /// It costs more than the last alert said.
        Grown,
        /// It was over and has come back.
        Returned,
        /// A snooze is over.
        Woken,
        /// Several incidents are one now.
        Joined,
        /// There are no further alerts, unless the incident comes back.
        Closed,
        /// Bills have stopped coming.
        Stale,
        /// They come again.
        Fresh,
        /// A threshold of a budget is crossed.
        Crossed,
        /// It is not any more: the bill was restated, or less is expected.
        Corrected,
    }
}

/// What was sent of an incident to a channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Notification {
    /// The incident.
    pub incident_id: String,
    /// The channel, by name.
    pub channel: String,
    /// What the alert was about.
    pub event: AlertKind,
    /// What the incident was called then.
    pub subject: String,
    /// The day that was today then.
    pub notified_on: NaiveDate,
    /// The newest judged day then.
    pub seen_on: NaiveDate,
    /// The incident's last flagged day then.
    pub last_date: NaiveDate,
    /// Its dollars a day then.
    pub impact: f64,
    /// Its dollars over all days then.
    pub impact_total: f64,
    /// The message that said it.
    pub message_id: String,
}

/// A message to a channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Queued {
    /// The message that said it.
    pub message_id: String,
    /// The channel, by name.
    pub channel: String,
    /// When it was queued (UTC).
    pub created_at: NaiveDateTime,
    /// JSON, without any secret.
    pub message: String,
    /// Attempts so far.
    pub attempts: u32,
    /// Runs in which the channel did not want it.
    pub refusals: u32,
    /// A time before which the channel does not want it.
    pub not_before: Option<NaiveDateTime>,
    /// Parts, such as recipients, that have it already.
    pub parts_done: Vec<String>,
    /// What came of the last attempt.
    pub error: Option<String>,
}

/// How a message stands after an attempt.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each variant says what its fields are")]
pub enum Delivery {
    /// Sent, with what the channel calls it.
    Sent { reference: Option<String> },
    /// To be tried again.
    Waiting { error: String, not_before: Option<NaiveDateTime>, parts_done: Vec<String>, refusals: u32 },
    /// Given up.
    Dropped { error: String },
}

words! {
    /// What somebody said of an incident.
    pub enum TriageState in "lowercase" {
        /// Somebody is at it.
        Acked,
        /// There are no alerts of it until a day.
        Snoozed,
        /// The cost is meant to be so.
        Expected,
        /// What was said before is taken back.
        Undone,
    }
}

/// What somebody said of one incident.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct Triaged {
    /// The incident.
    #[serde(skip)]
    pub incident_id: String,
    /// What was said.
    pub state: TriageState,
    /// Of a snoozed one: the first day on which alerts come again.
    pub until: Option<NaiveDate>,
    /// Why, in the words of whoever said it.
    pub reason: String,
    /// Who said it.
    pub triaged_by: String,
    /// When (UTC).
    pub triaged_at: NaiveDateTime,
    /// The incident's dollars a day, and its last flagged day, then.
    pub impact: f64,
    /// The incident's last flagged day then.
    pub last_date: NaiveDate,
}
