//! The run cycle: fetch bills, judge the days since the last run, keep the ledger, alert the channels. What can be done is
//! done, whatever else fails.

mod alerts;
mod budgets;
mod language_model;
mod lock;
mod notify;
mod summary;

use std::path::PathBuf;

use chrono::{Days, NaiveDate, NaiveDateTime, Utc};
use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::alerts::{Alerting, alert};
pub use self::{
    alerts::{note_printed, send_to_all},
    language_model::{ExplainWith, Writer},
    lock::Lock,
    notify::{
        BudgetAlert, ChannelStatus, DropMessages, Dropped, NotifyChannels, PlanAlerts, Plans, ShowChannels,
        TestChannel, Tested,
    },
    summary::{Ingested, Judged, Notified, Printed, Summary, Waiting},
};
use super::{Answer, Effect, Header, IngestBills, Operation, Session, forecast::plans, ingest::Source};
use crate::{
    analysis::detection::Parameters,
    config,
    error::{Error, ExitCode, Result},
    ingest::Outcome,
    insights::{
        Frame, Question,
        anomalies::Detected,
        forecast::{self, Asked},
        ledger::{Levels, scope},
        levels,
        request::Request,
    },
    model::{ChargeCategory, Day, Dimension, Event, Filter, GroupBy, Method, Metric, Period, Sensitivity},
    store::{ledger::Scope, outbox::RunRecord},
};

/// Days that were missed are judged afterwards, so many at most.
const MOST_MISSED_DAYS: u64 = 14;

/// Fetch, judge and alert to what is new, once
///
/// What `ingest` and `anomalies` do, then each channel of the configuration (`notify`) is alerted to the incidents that
/// opened, grew or came back since its last alert, in one message. Nothing is sent twice: not when bills are restated,
/// not when this runs again. What a channel does not take waits for the next run. For cron; `watch` is the same as a daemon.
/// docs/ALERTS.md has it all.
#[derive(Args, Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct RunOnce {
    /// What a run does.
    #[command(flatten)]
    #[serde(flatten)]
    pub cycle: Cycle,

    /// Take this day for today
    #[arg(long, value_name = "DATE")]
    pub as_of: Option<Day>,
}

#[expect(missing_docs, reason = "clap takes that of a flattened struct for the help of the command")]
#[derive(Args, Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct Cycle {
    /// Bills, as `ingest` takes them [default: the exports of the configuration]
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,

    /// Where bills come from when no PATH is named
    #[arg(long, value_enum, value_name = "SOURCE", conflicts_with = "paths")]
    pub source: Option<Source>,

    /// Judge what the database holds, and fetch nothing
    #[arg(long, conflicts_with_all = ["paths", "source"])]
    pub no_ingest: bool,

    /// How readily a day is flagged [default: anomaly.z_score_threshold]
    #[arg(long, value_enum)]
    pub sensitivity: Option<Sensitivity>,

    /// Let a language model explain in words what it is given in figures [default: notify.explain_with]
    #[arg(long, value_enum, value_name = "MODEL")]
    pub explain_with: Option<ExplainWith>,
}

impl Operation for RunOnce {
    const NAME: &'static str = "run";
    const TITLE: &'static str = "Fetch, judge and alert, once";
    const EFFECT: Effect = Effect::Spends;
    type Output = Summary;

    fn answer(&self, session: &Session) -> Result<Answer<Summary>> {
        if self.cycle.no_ingest {
            // A database that is not there is said before anything is made.
            drop(session.store()?);
        }
        let _lock = Lock::take(&session.database().path)?;
        let today = self.as_of.map_or(session.today(), Day::date);
        Ok(Answer { header: Header::of(today), body: self.cycle.run(session, today)? })
    }
}

impl Cycle {
    /// Runs once, under a lock that the caller holds.
    ///
    /// # Errors
    /// When nothing could be done at all.
    pub fn run(&self, session: &Session, today: NaiveDate) -> Result<Summary> {
        let started_at = now();
        let mut summary = Summary::default();
        // Without the plans there are too many alerts, without the run none.
        let plans = config::plans(&session.config().notify.planned).unwrap_or_else(|error| {
            summary.errors.push(error);
            Vec::new()
        });
        if !self.no_ingest {
            self.fetch(session, today, &mut summary)?;
        }
        // Without any bill there is nothing to alert to, and what went wrong above is why.
        let questions = questions(today, session).unwrap_or_else(|error| {
            summary.errors.push(error);
            Vec::new()
        });
        let mut records = Vec::new();
        for filters in &questions {
            let request = request(session, today, self.sensitivity, filters);
            let scope = scope(&request, Levels::Every);
            match judge(&request, &scope, session, &mut summary) {
                Ok((judged, late)) => {
                    if today == session.today()
                        && let Err(error) = keep_forecast(&request.question, session)
                    {
                        summary.errors.push(error);
                    }
                    let late = late.into_iter().map(|(bill, end)| (Some(bill), Some(Period { start: end, end })));
                    let all = std::iter::once((None, Some(judged))).chain(late);
                    records.extend(all.map(|(bill, judged)| (scope.clone(), bill, judged)));
                }
                Err(error) => {
                    summary.errors.push(error);
                    records.push((scope, None, None));
                }
            }
        }
        let first = summary.errors.first().map(Error::summary);
        if !questions.is_empty() {
            let alerting = Alerting { questions: &questions, plans: &plans, today, sensitivity: self.sensitivity };
            if let Err(error) = alert(&alerting, self.explain_with, session, &mut summary) {
                // What was judged is as new to the next run as it was to this one.
                records.iter_mut().for_each(|(.., judged)| *judged = None);
                summary.send_errors.push(error);
            }
        }
        // The next run judges from here on, so this comes last.
        for (scope, bill, judged) in records {
            let error = first.clone();
            let record = RunRecord { started_at, finished_at: now(), as_of: today, scope, bill, judged, error };
            if let Err(error) = session.store_for_writing().and_then(|mut store| store.save_run(&record)) {
                summary.errors.push(error);
            }
        }
        Ok(summary)
    }

    /// Ingests as `ingest` does without options.
    ///
    /// # Errors
    /// When nothing says where the bills are.
    fn fetch(&self, session: &Session, today: NaiveDate, summary: &mut Summary) -> Result<()> {
        let ingest = IngestBills::unattended(&self.paths, self.source, Day::new(today));
        match ingest.fetch(session) {
            Ok(outcome) => {
                summary.ingested = Some(ingested(&outcome));
                summary.errors.extend(outcome.failures);
            }
            Err(error) if error.exit_code() == ExitCode::Usage => {
                return Err(error.hint("or judge what the database holds already: `--no-ingest`"));
            }
            Err(error) => summary.errors.push(error),
        }
        Ok(())
    }
}

/// The time as the database has it, in UTC.
pub(crate) fn now() -> NaiveDateTime {
    Utc::now().naive_utc()
}

/// What is asked by itself in each run, as filters: currencies, where there are several.
///
/// # Errors
/// When there is no data.
pub(crate) fn questions(today: NaiveDate, session: &Session) -> Result<Vec<Vec<Filter>>> {
    let currencies = levels::currencies(&*session.store()?, &request(session, today, None, &[]).question)?;
    if currencies.is_empty() {
        return Ok(vec![Vec::new()]);
    }
    let of = |value: String| vec![Filter { dimension: Dimension::Currency, value, negated: false }];
    Ok(currencies.into_iter().map(of).collect())
}

/// The question of every run: every level, as `anomalies` asks without options.
pub(crate) fn request<'a>(
    session: &Session,
    today: NaiveDate,
    sensitivity: Option<Sensitivity>,
    filters: &'a [Filter],
) -> Request<'a> {
    let settings = &session.config().anomaly;
    let mut parameters = Parameters::new(settings, Method::Robust);
    if let Some(sensitivity) = sensitivity {
        parameters.threshold = sensitivity.threshold();
    }
    let question = Question {
        source: None,
        metric: Metric::NetAmortized,
        filters,
        as_of: today,
        settle_days: settings.settle_days,
    };
    Request {
        question,
        group_by: GroupBy(Vec::new()),
        from: None,
        to: None,
        include: &ChargeCategory::USAGE_LIKE,
        sensitivity,
        parameters,
    }
}

/// Judges the days since the last run, and writes the ledger. Gives the days that were judged, and the bills that end before them with
/// their last days: the next run judges from there on when these have caught up.
fn judge(
    request: &Request,
    scope: &Scope,
    session: &Session,
    summary: &mut Summary,
) -> Result<(Period, Vec<(String, NaiveDate)>)> {
    let (detected, late) = {
        let store = session.store()?;
        let frame = Frame::new(&*store, &request.question)?;
        // A day settles by bills that come after it: what came before is not judged as if it were whole.
        let came = store.last_ingested()?.map(|day| day - Days::new(u64::from(request.question.settle_days)));
        let settled = frame.settled_through.min(came.unwrap_or(frame.settled_through));
        let missed = store.judged_through(scope)?.map(|last| last + Days::new(1)).filter(|next| *next < settled);
        let ends = frame.ends();
        let caught_up = store.judged_bills(scope)?.into_iter().filter_map(|(bill, last)| {
            let end = ends.iter().find(|(name, _)| *name == bill).map(|(_, end)| *end)?;
            (last < end.min(settled)).then_some(last + Days::new(1))
        });
        let first = caught_up.chain(missed).min();
        let from = first.map(|next| next.min(settled).max(settled - Days::new(MOST_MISSED_DAYS)));
        let late = ends.into_iter().filter(|(_, end)| *end < settled).collect();
        (levels::anomalies(&*store, &store, &Request { from, to: Some(settled), ..request.clone() })?, late)
    };
    session.reporter().warned(&detected.answer.header.warnings);
    session.store_for_writing()?.save_incidents(&detected.ledger.changes)?;
    let judged = of(&detected);
    summary.judged = Some(match summary.judged.take() {
        None => judged,
        Some(before) => Judged {
            start: before.start.min(judged.start),
            end: before.end.max(judged.end),
            series: before.series + judged.series,
            findings: before.findings + judged.findings,
            opened: before.opened + judged.opened,
            ended: before.ended + judged.ended,
        },
    });
    Ok((detected.answer.judged, late))
}

/// Keeps what the month is expected to end at, by which later forecasts are checked.
///
/// # Errors
/// When there is no data, or the database cannot be written.
fn keep_forecast(question: &Question, session: &Session) -> Result<()> {
    let plans = plans(session)?;
    let request = forecast::Request {
        question: *question,
        include: &ChargeCategory::USAGE_LIKE,
        group_by: GroupBy(vec![Dimension::Service]),
        asked: Asked::Month(question.as_of),
        plans: &plans,
        top: 0,
        detection: None,
    };
    let made = {
        let store = session.store()?;
        forecast::made(&request, &forecast::forecast(&*store, &store, &request)?)
    };
    session.store_for_writing()?.save_forecasts(&[made])
}

fn of(detected: &Detected) -> Judged {
    let count = |event: Event| detected.ledger.changes.iter().filter(|(_, what)| *what == Some(event)).count();
    let answer = &detected.answer;
    Judged {
        start: answer.judged.start,
        end: answer.judged.end,
        series: answer.series,
        findings: answer.findings.len(),
        opened: count(Event::Opened),
        ended: [Event::Closed, Event::Absorbed, Event::Withdrawn, Event::Merged].map(count).iter().sum(),
    }
}

fn ingested(outcome: &Outcome) -> Ingested {
    Ingested {
        periods: outcome.periods.len(),
        rows: outcome.periods.iter().map(|period| period.loaded.rows).sum(),
        unchanged: outcome.unchanged.len(),
        failures: outcome.failures.len(),
    }
}
