//! What people said of incidents, what was told of them, and the messages that wait for a channel.

use chrono::{NaiveDate, NaiveDateTime};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Store,
    ledger::{list, nullable, texts},
    quoted,
};
use crate::{error::Result, model::Period};

/// What somebody said of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mark {
    /// Somebody is at it.
    Acked,
    /// Nothing is to be told of it until a day.
    Snoozed,
    /// The cost is meant to be so.
    Expected,
    /// The mark before is taken back.
    Unmarked,
}

impl Mark {
    pub const ALL: [Mark; 4] = [Mark::Acked, Mark::Snoozed, Mark::Expected, Mark::Unmarked];

    pub fn name(self) -> &'static str {
        match self {
            Mark::Acked => "acked",
            Mark::Snoozed => "snoozed",
            Mark::Expected => "expected",
            Mark::Unmarked => "unmarked",
        }
    }
}

/// A mark of one incident.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct Marked {
    #[serde(skip)]
    pub anomaly_id: String,
    pub mark: Mark,
    /// Of a snoozed one: the first day on which it is told again.
    pub until: Option<NaiveDate>,
    pub reason: String,
    pub marked_by: String,
    pub marked_at: NaiveDateTime,
    /// The incident's dollars a day, and its last flagged day, when it was marked.
    pub impact: f64,
    pub last_date: NaiveDate,
}

/// What was told of an incident to a channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    pub anomaly_id: String,
    pub channel: String,
    /// `opened`, `grown`, `returned`, `woken`, `closed`.
    pub notice: String,
    /// What the incident was called then.
    pub subject: String,
    /// The day that was today then.
    pub told_on: NaiveDate,
    /// The newest judged day then.
    pub seen_on: NaiveDate,
    /// The incident's last flagged day then.
    pub last_date: NaiveDate,
    /// Its dollars a day then.
    pub impact: f64,
    pub impact_total: f64,
    pub message_id: String,
}

/// A message to a channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Queued {
    pub message_id: String,
    pub channel: String,
    pub created_at: NaiveDateTime,
    /// JSON, without any secret.
    pub message: String,
    pub attempts: u32,
    /// Runs in which the channel did not want it.
    pub refusals: u32,
    /// A time before which the channel does not want it.
    pub not_before: Option<NaiveDateTime>,
    /// Parts, such as recipients, that have it already.
    pub parts_done: Vec<String>,
    pub error: Option<String>,
}

/// How a message stands after an attempt.
#[derive(Clone, Debug, PartialEq)]
pub enum Delivery {
    /// Sent, with what the channel calls it.
    Sent { reference: Option<String> },
    /// To be tried again.
    Waiting { error: String, not_before: Option<NaiveDateTime>, parts_done: Vec<String>, refusals: u32 },
    /// Given up.
    Dropped { error: String },
}

/// What became of the messages to a channel.
#[derive(Clone, Debug)]
pub struct Deliveries {
    pub channel: String,
    pub sent: u64,
    pub last_sent_at: Option<NaiveDateTime>,
    pub dropped: u64,
}

/// A run of `run` or `watch`.
#[derive(Clone, Debug)]
pub struct RunRecord {
    pub started_at: NaiveDateTime,
    pub finished_at: NaiveDateTime,
    pub as_of: NaiveDate,
    pub scope: String,
    pub judged: Option<Period>,
    pub error: Option<String>,
}

const READ: &str = "cannot read what was told";
const WRITE: &str = "cannot write what was told";

impl Store {
    /// All marks, the oldest first; of one incident, or of all.
    pub fn marks(&self, id: Option<&str>) -> Result<Vec<Marked>> {
        let condition = id.map_or_else(|| "true".to_owned(), |id| format!("anomaly_id = {}", quoted(id)));
        let sql = format!(
            "SELECT anomaly_id, mark, until, reason, marked_by, marked_at, impact, last_date FROM incident_marks \
             WHERE {condition} ORDER BY marked_at, rowid"
        );
        self.rows(&sql, READ, |row| {
            let mark: String = row.get(1)?;
            Ok(Marked {
                anomaly_id: row.get(0)?,
                mark: Mark::ALL.into_iter().find(|one| one.name() == mark).unwrap_or(Mark::Unmarked),
                until: row.get(2)?,
                reason: row.get(3)?,
                marked_by: row.get(4)?,
                marked_at: row.get(5)?,
                impact: row.get(6)?,
                last_date: row.get(7)?,
            })
        })
    }

    /// Keeps marks, all or none.
    ///
    /// # Errors
    /// When the database cannot be written; it then is as it was.
    pub fn save_marks(&mut self, marks: &[Marked]) -> Result<()> {
        let rows = marks.iter().map(|mark| {
            format!(
                "({}, TIMESTAMP '{}', {}, {}, {}, {}, {:?}, DATE '{}')",
                quoted(&mark.anomaly_id),
                mark.marked_at,
                quoted(mark.mark.name()),
                day(mark.until),
                quoted(&mark.reason),
                quoted(&mark.marked_by),
                mark.impact,
                mark.last_date
            )
        });
        let rows: Vec<String> = rows.collect();
        if rows.is_empty() {
            return Ok(());
        }
        self.run(&format!("INSERT INTO incident_marks VALUES {}", rows.join(", ")), "cannot keep the mark")
    }

    /// What was told, the oldest first.
    pub fn notices(&self) -> Result<Vec<Notice>> {
        let sql = "SELECT anomaly_id, channel, notice, subject, told_on, seen_on, last_date, impact, impact_total, message_id FROM notices \
                   ORDER BY told_at, rowid";
        self.rows(sql, READ, |row| {
            Ok(Notice {
                anomaly_id: row.get(0)?,
                channel: row.get(1)?,
                notice: row.get(2)?,
                subject: row.get(3)?,
                told_on: row.get(4)?,
                seen_on: row.get(5)?,
                last_date: row.get(6)?,
                impact: row.get(7)?,
                impact_total: row.get(8)?,
                message_id: row.get(9)?,
            })
        })
    }

    /// Puts messages into the outbox and notes what they tell, in one transaction. A message that is there already, with
    /// its notices, stays as it is.
    ///
    /// # Errors
    /// When the database cannot be written; it then is as it was.
    pub fn queue(&mut self, now: NaiveDateTime, messages: &[(Queued, Vec<Notice>)]) -> Result<()> {
        if messages.is_empty() {
            return Ok(());
        }
        let mut sql = String::new();
        for (message, notices) in messages {
            let id = quoted(&message.message_id);
            for notice in notices {
                sql += &format!(
                    "INSERT INTO notices SELECT {}, {}, TIMESTAMP '{now}', {}, {}, DATE '{}', DATE '{}', DATE '{}', {:?}, {:?}, {id} \
                     WHERE NOT EXISTS (FROM outbox WHERE message_id = {id});",
                    quoted(&notice.anomaly_id),
                    quoted(&notice.channel),
                    quoted(&notice.notice),
                    quoted(&notice.subject),
                    notice.told_on,
                    notice.seen_on,
                    notice.last_date,
                    notice.impact,
                    notice.impact_total,
                );
            }
            sql += &format!(
                "INSERT OR IGNORE INTO outbox VALUES ({id}, {}, TIMESTAMP '{}', {}, 'waiting', 0, 0, NULL, [], NULL, NULL, NULL);",
                quoted(&message.channel),
                message.created_at,
                quoted(&message.message),
            );
        }
        self.in_transaction(|store| store.run(&sql, WRITE))
    }

    /// The messages that wait, the oldest first.
    pub fn waiting(&self) -> Result<Vec<Queued>> {
        let sql = "SELECT message_id, channel, created_at, message, attempts, refusals, not_before, parts_done, error FROM outbox \
                   WHERE state = 'waiting' ORDER BY created_at, rowid";
        self.rows(sql, READ, |row| {
            Ok(Queued {
                message_id: row.get(0)?,
                channel: row.get(1)?,
                created_at: row.get(2)?,
                message: row.get(3)?,
                attempts: row.get(4)?,
                refusals: row.get(5)?,
                not_before: row.get(6)?,
                parts_done: texts(row.get(7)?),
                error: row.get(8)?,
            })
        })
    }

    /// What each channel calls the messages that it was sent, by our own id.
    pub fn references(&self) -> Result<Vec<(String, String)>> {
        let sql = "SELECT message_id, reference FROM outbox WHERE reference IS NOT NULL ORDER BY message_id";
        self.rows(sql, READ, |row| Ok((row.get(0)?, row.get(1)?)))
    }

    /// What became of the messages to each channel.
    pub fn deliveries(&self) -> Result<Vec<Deliveries>> {
        let sql = "SELECT channel, count(*) FILTER (state = 'sent'), max(sent_at), count(*) FILTER (state = 'dropped') \
                   FROM outbox GROUP BY channel ORDER BY channel";
        self.rows(sql, READ, |row| {
            Ok(Deliveries { channel: row.get(0)?, sent: row.get(1)?, last_sent_at: row.get(2)?, dropped: row.get(3)? })
        })
    }

    /// Notes what came of attempts at messages.
    ///
    /// # Errors
    /// When the database cannot be written; it then is as it was.
    pub fn save_deliveries(&mut self, now: NaiveDateTime, deliveries: &[(String, Delivery)]) -> Result<()> {
        let update = |(id, delivery): &(String, Delivery)| {
            let what = match delivery {
                Delivery::Sent { reference } => format!(
                    "state = 'sent', sent_at = TIMESTAMP '{now}', error = NULL, reference = {}",
                    nullable(reference.as_deref())
                ),
                Delivery::Waiting { error, not_before, parts_done, refusals } => format!(
                    "error = {}, not_before = {}, parts_done = {}, refusals = {refusals}",
                    quoted(error),
                    not_before.map_or_else(|| "NULL".to_owned(), |time| format!("TIMESTAMP '{time}'")),
                    list(parts_done)
                ),
                Delivery::Dropped { error } => format!("state = 'dropped', error = {}", quoted(error)),
            };
            format!("UPDATE outbox SET attempts = attempts + 1, {what} WHERE message_id = {};", quoted(id))
        };
        let sql: String = deliveries.iter().map(update).collect();
        if sql.is_empty() { Ok(()) } else { self.in_transaction(|store| store.run(&sql, WRITE)) }
    }

    /// Notes a run.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn save_run(&mut self, run: &RunRecord) -> Result<()> {
        let sql = format!(
            "INSERT INTO runs VALUES (TIMESTAMP '{}', TIMESTAMP '{}', DATE '{}', {}, {}, {}, {})",
            run.started_at,
            run.finished_at,
            run.as_of,
            quoted(&run.scope),
            day(run.judged.map(|judged| judged.start)),
            day(run.judged.map(|judged| judged.end)),
            nullable(run.error.as_deref())
        );
        self.run(&sql, "cannot note the run")
    }

    /// The day (UTC) on which bills came last.
    pub fn last_ingested(&self) -> Result<Option<NaiveDate>> {
        let sql = "SELECT CAST(max(ingested_at) AS DATE) FROM ingestion_log";
        Ok(self.rows(sql, "cannot read the ingestion log", |row| row.get(0))?.pop().flatten())
    }

    /// The newest day that a run judged in a scope.
    pub fn judged_through(&self, scope: &str) -> Result<Option<NaiveDate>> {
        let sql = format!("SELECT max(judged_end) FROM runs WHERE scope = {}", quoted(scope));
        Ok(self.rows(&sql, "cannot read the runs", |row| row.get(0))?.pop().flatten())
    }

    /// What the last run of a scope noted below it, each with the last day that it judged.
    pub fn judged_below(&self, scope: &str) -> Result<Vec<(String, NaiveDate)>> {
        let sql = format!(
            "SELECT scope[length({scope}) + 1:], judged_end FROM runs WHERE starts_with(scope, {scope}) AND scope <> {scope} AND judged_end IS NOT NULL \
             AND started_at = (SELECT max(started_at) FROM runs WHERE scope = {scope} AND judged_end IS NOT NULL) ORDER BY 1",
            scope = quoted(scope)
        );
        self.rows(&sql, "cannot read the runs", |row| Ok((row.get(0)?, row.get(1)?)))
    }
}

fn day(day: Option<NaiveDate>) -> String {
    day.map_or_else(|| "NULL".to_owned(), |day| format!("DATE '{day}'"))
}

#[cfg(test)]
mod tests {
    use super::{super::Settings, *};

    #[test]
    fn a_name_with_a_nul_keeps_no_message_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let memory_limit = "100MB".parse().expect("a size");
        let path = folder.path().join("a.duckdb");
        let settings = Settings { path, cache_dir: "".into(), cache_limit_gb: 1.0, memory_limit, threads: 1 };
        let mut store = Store::open(&settings).expect("a new database");
        let now = NaiveDateTime::default();
        let message = |id: &str, subject: &str| {
            let queued = Queued {
                message_id: id.to_owned(),
                channel: "log".to_owned(),
                created_at: now,
                message: format!("{{\"subject\": \"{subject}\"}}"),
                attempts: 0,
                refusals: 0,
                not_before: None,
                parts_done: Vec::new(),
                error: None,
            };
            let notice = Notice {
                anomaly_id: id.to_owned(),
                channel: "log".to_owned(),
                notice: "opened".to_owned(),
                subject: subject.to_owned(),
                told_on: now.date(),
                seen_on: now.date(),
                last_date: now.date(),
                impact: 1.0,
                impact_total: 1.0,
                message_id: id.to_owned(),
            };
            (queued, vec![notice])
        };
        let messages = [message("a", "x"), message("b", "nul\0nul"), message("c", "z")];
        store.queue(now, &messages).expect("all are kept");
        let waiting: Vec<Queued> = store.waiting().expect("messages");
        assert_eq!(waiting, messages.clone().map(|(message, _)| message));
        assert_eq!(store.notices().expect("notices"), messages.map(|(_, mut notices)| notices.remove(0)));
    }
}
