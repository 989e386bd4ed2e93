//! `ack`, `snooze` and `expected`: what people say of incidents.

use chrono::{NaiveDate, Utc};
use clap::Args;

use super::{Context, day, print};
use crate::{
    error::{Error, ExitCode, Result},
    insights::{
        alerts::{Mark, Marked},
        incidents::{Incidents, Shown, one},
    },
    model::State,
    report::{self, Format},
    store::Store,
};

/// Say that somebody is at an incident
///
/// It is not told again until it grows past `notify.growth_factor`, or comes back after it was over.
#[derive(Debug, Args)]
pub struct AckArgs {
    #[command(flatten)]
    common: CommonArgs,

    /// What is known of it
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

/// Keep quiet about an incident until a day
///
/// It is not told before that day; then it is, if it still goes on.
#[derive(Debug, Args)]
pub struct SnoozeArgs {
    #[command(flatten)]
    common: CommonArgs,

    /// The first day on which it is told again, as YYYY-MM-DD
    #[arg(long, value_name = "DATE", value_parser = day, required_unless_present = "undo")]
    until: Option<NaiveDate>,

    /// Why it can wait
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

/// Accept an incident as what is meant to be
///
/// The cost is normal from now on: it is not told again unless it grows past `notify.growth_factor` beyond what it is today.
#[derive(Debug, Args)]
pub struct ExpectedArgs {
    #[command(flatten)]
    common: CommonArgs,

    /// Why the cost is meant to be so
    #[arg(long, value_name = "TEXT", required_unless_present = "undo")]
    reason: Option<String>,
}

#[derive(Debug, Args)]
struct CommonArgs {
    /// Incidents, by their ids or the beginnings of them
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,

    /// Who says so
    #[arg(long, value_name = "NAME", env = "USER", hide_env_values = true, default_value = "")]
    by: String,

    /// Take the mark back
    #[arg(long)]
    undo: bool,

    /// How to write the answer
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub fn ack(args: &AckArgs, context: &Context) -> Result<ExitCode> {
    mark(&args.common, Mark::Acked, None, &args.reason, context)
}

pub fn snooze(args: &SnoozeArgs, context: &Context) -> Result<ExitCode> {
    if let Some(until) = args.until.filter(|until| *until <= context.today && !args.common.undo) {
        return Err(Error::usage(format!("`--until {until}` is not after today, {}", context.today)));
    }
    mark(&args.common, Mark::Snoozed, args.until, &args.reason, context)
}

pub fn expected(args: &ExpectedArgs, context: &Context) -> Result<ExitCode> {
    let reason = args.reason.clone().unwrap_or_default();
    if reason.trim().is_empty() && !args.common.undo {
        return Err(
            Error::usage("`--reason` is empty").hint("say why the cost is meant to be so, for whoever asks later")
        );
    }
    mark(&args.common, Mark::Expected, None, &reason, context)
}

fn mark(args: &CommonArgs, mark: Mark, until: Option<NaiveDate>, reason: &str, context: &Context) -> Result<ExitCode> {
    let mark = if args.undo { Mark::Unmarked } else { mark };
    // All of them are there before any is marked.
    let find = || -> Result<Vec<Shown>> {
        let store = context.store()?;
        args.ids.iter().map(|id| one(&store, id)).collect()
    };
    let marked = |shown: &Shown| Marked {
        anomaly_id: shown.incident.id.clone(),
        mark,
        until: until.filter(|_| mark == Mark::Snoozed),
        reason: reason.to_owned(),
        marked_by: args.by.clone(),
        marked_at: Utc::now().naive_utc(),
        impact: shown.incident.impact,
        last_date: shown.incident.last_date,
    };
    let found = find()?;
    for shown in &found {
        let (id, state) = (&shown.incident.id, shown.incident.state);
        if args.undo && shown.mark.is_none() {
            return Err(Error::input(format!("there is nothing to undo of incident {id}")));
        }
        if !args.undo && state != State::Open {
            return Err(Error::input(format!("incident {id} is {}: there is nothing to keep quiet", state.name()))
                .hint("`aws-cost-anomalies incidents` lists those that are open"));
        }
    }
    let marks: Vec<Marked> = found.iter().map(marked).collect();
    Store::open_when_free(context.database())?.save_marks(&marks)?;
    let incidents = find()?.into_iter().map(|shown| Shown { history: None, ..shown }).collect();
    print(&report::incidents::render(&Incidents { incidents }, args.format, context.style)?)?;
    Ok(ExitCode::Done)
}
