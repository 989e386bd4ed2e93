//! What a run did, as text.

use chrono::{NaiveDate, NaiveDateTime};
use serde::Serialize;
use serde_json::Value;

use super::{Style, answer, units::count, wrapped};
use crate::error::Result;

/// What a run did.
#[derive(Debug, Serialize)]
pub struct Summary {
    pub as_of: NaiveDate,
    pub ingested: Option<Ingested>,
    pub judged: Option<Judged>,
    /// Incidents that are open now.
    pub open: usize,
    /// What was new, by channel.
    pub told: Vec<Told>,
    /// Messages that arrived, those that waited from before among them.
    pub sent: usize,
    pub waiting: Vec<Waiting>,
    /// The messages of channels that are this command's own output.
    #[serde(rename = "messages")]
    pub printed: Vec<Printed>,
}

/// A message on stdout.
#[derive(Debug, Serialize)]
pub struct Printed {
    #[serde(skip)]
    pub text: String,
    #[serde(flatten)]
    pub message: Value,
}

#[derive(Debug, Serialize)]
pub struct Ingested {
    pub periods: usize,
    pub rows: u64,
    pub unchanged: usize,
    pub failures: usize,
}

#[derive(Debug, Serialize)]
pub struct Judged {
    pub from: NaiveDate,
    pub to: NaiveDate,
    pub series: usize,
    pub findings: usize,
    pub opened: usize,
    pub ended: usize,
}

/// New for a channel.
#[derive(Debug, Serialize)]
pub struct Told {
    pub channel: String,
    pub incidents: usize,
    pub title: String,
    /// Whether it has arrived; otherwise it waits.
    pub sent: bool,
}

/// A channel that did not take its message.
#[derive(Debug, Serialize)]
pub struct Waiting {
    pub channel: String,
    pub messages: usize,
    pub error: String,
    pub not_before: Option<NaiveDateTime>,
}

impl Summary {
    pub fn new(as_of: NaiveDate) -> Self {
        Self {
            as_of,
            ingested: None,
            judged: None,
            open: 0,
            told: Vec::new(),
            sent: 0,
            waiting: Vec::new(),
            printed: Vec::new(),
        }
    }
}

pub fn json(summary: &Summary) -> Result<String> {
    answer("run", summary)
}

/// The messages that are this command's own output.
pub fn messages(printed: &[Printed], style: Style) -> String {
    printed.iter().map(|message| wrapped(&message.text, style) + "\n").collect()
}

/// A few lines that say what was done.
pub fn text(summary: &Summary, style: Style) -> String {
    let plural = |count: usize, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
    let mut text = String::new();
    if let Some(ingested) = &summary.ingested {
        text += &match ingested.periods {
            0 => "ingested: nothing new".into(),
            periods => format!("ingested: {}, {} rows", plural(periods, "billing period"), count(ingested.rows)),
        };
        if ingested.failures > 0 {
            text += &format!(", {} failed", ingested.failures);
        }
        text.push('\n');
    }
    if let Some(judged) = &summary.judged {
        let days =
            if judged.from == judged.to { judged.to.to_string() } else { format!("{} to {}", judged.from, judged.to) };
        text += &format!(
            "judged: {days}, {} series; incidents: {} opened, {} ended, {} open\n",
            count(judged.series as u64),
            judged.opened,
            judged.ended,
            summary.open
        );
    }
    for told in summary.told.iter().filter(|told| told.sent) {
        text += &format!("told {}: {} ({})\n", told.channel, plural(told.incidents, "incident"), told.title);
    }
    if summary.told.is_empty() {
        text += "told nobody: nothing is new\n";
    }
    for waiting in &summary.waiting {
        let until = waiting
            .not_before
            .map_or(String::new(), |time| format!(", not before {} UTC", time.format("%Y-%m-%d %H:%M")));
        text += &format!(
            "waiting for {}: {} ({}{until})\n",
            waiting.channel,
            plural(waiting.messages, "message"),
            waiting.error
        );
    }
    wrapped(&text, style)
}
