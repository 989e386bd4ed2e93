//! What a run did, as text.

use std::collections::BTreeMap;

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
    /// Days that the newest bills are old.
    pub data_age_days: Option<i64>,
    /// Incidents that are open now, and how many of them nobody was told of.
    pub open: usize,
    pub kept_back: usize,
    /// What was new, by channel.
    pub told: Vec<Told>,
    /// Messages that arrived.
    pub sent: usize,
    /// Channels that took messages which had waited, with how many.
    pub caught_up: BTreeMap<String, usize>,
    pub waiting: Vec<Waiting>,
    /// The messages of channels that are this command's own output.
    #[serde(rename = "messages")]
    pub printed: Vec<Printed>,
}

/// A message on stdout.
#[derive(Debug, Serialize)]
pub struct Printed {
    #[serde(skip)]
    pub message_id: String,
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
            data_age_days: None,
            open: 0,
            kept_back: 0,
            told: Vec::new(),
            sent: 0,
            caught_up: BTreeMap::new(),
            waiting: Vec::new(),
            printed: Vec::new(),
        }
    }
}

impl Summary {
    /// Whether anybody was told anything.
    pub fn has_news(&self) -> bool {
        !self.told.is_empty() || !self.caught_up.is_empty()
    }
}

pub fn json(summary: &Summary) -> Result<String> {
    answer("run", summary)
}

/// The name of a fact of a message that is a command.
pub const LOOK_WITH: &str = "look with";

/// The messages that are this command's own output. A command stays on one line: half of it pasted would run.
pub fn messages(printed: &[Printed], style: Style) -> String {
    let whole = Style { width: None, ..style };
    let is_command = |line: &str| line.trim_start().strip_prefix(LOOK_WITH).is_some_and(|rest| rest.starts_with(':'));
    let shown = |line| wrapped(line, if is_command(line) { whole } else { style });
    printed.iter().map(|message| message.text.split_inclusive('\n').map(shown).collect::<String>() + "\n").collect()
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
        text += &match told.incidents {
            0 => format!("told {}: {}\n", told.channel, told.title),
            incidents => format!("told {}: {} ({})\n", told.channel, plural(incidents, "incident"), told.title),
        };
    }
    for (channel, messages) in &summary.caught_up {
        text += &format!("delivered to {channel}: {} that had waited\n", plural(*messages, "message"));
    }
    if !summary.has_news() {
        text += "told nobody: nothing is new\n";
    }
    if summary.kept_back > 0 {
        text +=
            &format!("told to nobody: {} (`notify --dry-run` says why)\n", plural(summary.kept_back, "open incident"));
    }
    if let Some(days) = summary.data_age_days.filter(|days| *days > 2) {
        text += &format!("the newest bills are {days} days old\n");
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
