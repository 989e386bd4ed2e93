use std::fs;

use chrono::NaiveDate;
use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Effect, Header, Operation, Session, ShowChannels};
use crate::{
    error::Result,
    insights::{
        health::checks,
        status::{DataStatus, Outgoing},
    },
    model::Day,
};

/// Runs, and months of spending, that are shown.
const MOST: usize = 20;

/// Say how the data stands: bills and their age, gaps, runs, messages that wait, and what this program spent itself
///
/// It reads the database alone; `doctor` also tries what AWS, buckets and channels say.
#[derive(Args, Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct ShowStatus {
    /// The day to take for today, as YYYY-MM-DD
    #[arg(long, value_name = "DATE")]
    pub as_of: Option<Day>,
}

impl Operation for ShowStatus {
    const NAME: &'static str = "status";
    const TITLE: &'static str = "How the data stands";
    const EFFECT: Effect = Effect::Read;
    type Output = DataStatus;

    fn answer(&self, session: &Session) -> Result<Answer<DataStatus>> {
        let today = self.as_of.map_or(session.today(), Day::date);
        let channels = ShowChannels {}.answer(session)?.body.channels;
        let store = session.store()?;
        let bills = store.stored_bills()?;
        let newest: Option<NaiveDate> = bills.iter().map(|bill| bill.last_day).filter(|day| *day <= today).max();
        let mut sources: Vec<String> = bills.iter().map(|bill| bill.source.clone()).collect();
        sources.sort_unstable();
        sources.dedup();
        let body = DataStatus {
            bills,
            checks: checks(&*store, today)?,
            runs: store.past_runs(MOST)?,
            channels: channels
                .into_iter()
                .map(|one| Outgoing { channel: one.channel, sent: one.sent, waiting: one.waiting, error: one.error })
                .collect(),
            spent: store.spent_by_month(MOST)?,
            // A file that goes away meanwhile has none.
            database_bytes: fs::metadata(&session.database().path).map_or(0, |found| found.len()),
        };
        Ok(Answer { header: Header { data_through: newest, sources, ..Header::of(today) }, body })
    }
}
