//! What was sent of incidents to which channel, the messages that wait, and the runs that judged.

use chrono::{NaiveDate, NaiveDateTime};

use super::{
    Store,
    ledger::{Scope, list, nullable, texts, word},
    quoted,
};
use crate::{
    error::Result,
    model::{Delivery, Notification, Period, Queued},
};

/// What became of the messages to a channel.
#[derive(Clone, Debug)]
pub(crate) struct Deliveries {
    pub channel: String,
    pub sent: u64,
    pub last_sent_at: Option<NaiveDateTime>,
    pub dropped: u64,
}

/// A run of `run` or `watch`.
#[derive(Clone, Debug)]
pub(crate) struct RunRecord {
    pub started_at: NaiveDateTime,
    pub finished_at: NaiveDateTime,
    pub as_of: NaiveDate,
    pub scope: Scope,
    /// A bill that ended before the others, whose own end `judged` is.
    pub bill: Option<String>,
    pub judged: Option<Period>,
    pub error: Option<String>,
}

const READ: &str = "cannot read what was sent";
const WRITE: &str = "cannot write what is to be sent";

/// The columns of a notice, as SQL.
fn values(notice: &Notification, now: NaiveDateTime) -> String {
    format!(
        "{}, {}, TIMESTAMP '{now}', {}, {}, DATE '{}', DATE '{}', DATE '{}', {:?}, {:?}, {}",
        quoted(&notice.incident_id),
        quoted(&notice.channel),
        quoted(notice.event.into()),
        quoted(&notice.subject),
        notice.notified_on,
        notice.seen_on,
        notice.last_date,
        notice.impact,
        notice.impact_total,
        quoted(&notice.message_id),
    )
}

impl Store {
    /// What was told, the oldest first.
    pub(crate) fn notifications(&self) -> Result<Vec<Notification>> {
        let sql = "SELECT incident_id, channel, event, subject, notified_on, seen_on, last_date, impact, impact_total, message_id FROM notifications \
                   ORDER BY notified_at, rowid";
        self.rows(sql, READ, |row| {
            Ok(Notification {
                incident_id: row.get(0)?,
                channel: row.get(1)?,
                event: word(row, 2)?,
                subject: row.get(3)?,
                notified_on: row.get(4)?,
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
    pub(crate) fn queue(&mut self, now: NaiveDateTime, messages: &[(Queued, Vec<Notification>)]) -> Result<()> {
        if messages.is_empty() {
            return Ok(());
        }
        let mut sql = String::new();
        for (message, notices) in messages {
            let id = quoted(&message.message_id);
            for notice in notices {
                sql += &format!(
                    "INSERT INTO notifications SELECT {} WHERE NOT EXISTS (FROM outbox WHERE message_id = {id});",
                    values(notice, now)
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

    /// Notes what no message tells.
    ///
    /// # Errors
    /// When the database cannot be written; it then is as it was.
    pub(crate) fn note(&mut self, now: NaiveDateTime, notices: &[Notification]) -> Result<()> {
        let insert = |notice: &Notification| format!("INSERT INTO notifications VALUES ({});", values(notice, now));
        let sql: String = notices.iter().map(insert).collect();
        if sql.is_empty() { Ok(()) } else { self.in_transaction(|store| store.run(&sql, WRITE)) }
    }

    /// The messages that wait, the oldest first.
    pub(crate) fn waiting(&self) -> Result<Vec<Queued>> {
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
    pub(crate) fn references(&self) -> Result<Vec<(String, String)>> {
        let sql = "SELECT message_id, reference FROM outbox WHERE reference IS NOT NULL ORDER BY message_id";
        self.rows(sql, READ, |row| Ok((row.get(0)?, row.get(1)?)))
    }

    /// What became of the messages to each channel.
    pub(crate) fn deliveries(&self) -> Result<Vec<Deliveries>> {
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
    pub(crate) fn save_deliveries(&mut self, now: NaiveDateTime, deliveries: &[(String, Delivery)]) -> Result<()> {
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
    pub(crate) fn save_run(&mut self, run: &RunRecord) -> Result<()> {
        let sql = format!(
            "INSERT INTO runs VALUES (TIMESTAMP '{}', TIMESTAMP '{}', DATE '{}', {}, {}, {}, {}, {})",
            run.started_at,
            run.finished_at,
            run.as_of,
            quoted(&run.scope.key()),
            nullable(run.bill.as_deref()),
            day(run.judged.map(|judged| judged.start)),
            day(run.judged.map(|judged| judged.end)),
            nullable(run.error.as_deref())
        );
        self.run(&sql, "cannot note the run")
    }

    /// The newest day that a run judged in a scope.
    pub(crate) fn judged_through(&self, scope: &Scope) -> Result<Option<NaiveDate>> {
        let sql = format!("SELECT max(judged_end) FROM runs WHERE bill IS NULL AND scope = {}", quoted(&scope.key()));
        Ok(self.rows(&sql, "cannot read the runs", |row| row.get(0))?.pop().flatten())
    }

    /// The bills that ended before the others in the last run of a scope, each with the last day that was judged.
    pub(crate) fn judged_bills(&self, scope: &Scope) -> Result<Vec<(String, NaiveDate)>> {
        let sql = format!(
            "SELECT bill, judged_end FROM runs WHERE scope = {scope} AND bill IS NOT NULL AND judged_end IS NOT NULL AND started_at = \
             (SELECT max(started_at) FROM runs WHERE scope = {scope} AND bill IS NULL AND judged_end IS NOT NULL) ORDER BY 1",
            scope = quoted(&scope.key())
        );
        self.rows(&sql, "cannot read the runs", |row| Ok((row.get(0)?, row.get(1)?)))
    }
}

pub(super) fn day(day: Option<NaiveDate>) -> String {
    day.map_or_else(|| "NULL".to_owned(), |day| format!("DATE '{day}'"))
}

#[cfg(test)]
mod tests {
    use super::{super::Settings, *};
    use crate::model::AlertKind;

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
            let notice = Notification {
                incident_id: id.to_owned(),
                channel: "log".to_owned(),
                event: AlertKind::Opened,
                subject: subject.to_owned(),
                notified_on: now.date(),
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
        assert_eq!(store.notifications().expect("notices"), messages.map(|(_, mut notices)| notices.remove(0)));
    }
}
