use clap::{Args, Subcommand};

use super::{Context, print};
use crate::{
    error::{ExitCode, Result},
    model::Day,
    operations::{ListIncidents, ShowIncident, Status, Triage, TriageIncidents},
    report::{self, Format},
};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct IncidentsArgs {
    #[command(subcommand)]
    triage: Option<TriageCommand>,

    /// One incident, by its id or the beginning of it
    #[arg(conflicts_with_all = ["status", "since", "min_impact", "filter"])]
    id: Option<String>,

    #[command(flatten)]
    list: ListIncidents,

    /// How to write the answer
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

#[derive(Debug, Subcommand)]
enum TriageCommand {
    Ack(AckArgs),
    Snooze(SnoozeArgs),
    #[command(alias = "expected")]
    Expect(ExpectArgs),
}

/// Say that somebody is at an incident
///
/// There is no further alert until it grows past `notify.growth_factor`, or comes back after it was over.
#[derive(Debug, Args)]
pub(crate) struct AckArgs {
    #[command(flatten)]
    common: CommonArgs,

    /// What is known of it
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

/// Hold alerts of an incident back until a day
///
/// There is no alert before that day; then there is, if it still goes on.
#[derive(Debug, Args)]
pub(crate) struct SnoozeArgs {
    #[command(flatten)]
    common: CommonArgs,

    /// The first day on which alerts come again, as YYYY-MM-DD
    #[arg(long, value_name = "DATE", required_unless_present = "undo")]
    until: Option<Day>,

    /// Why it can wait
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

/// Accept an incident as what is meant to be
///
/// The cost is normal from now on: there is no alert unless it grows past `notify.growth_factor` beyond what it is today.
#[derive(Debug, Args)]
pub(crate) struct ExpectArgs {
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

    /// Take back what was said
    #[arg(long)]
    undo: bool,

    /// How to write the answer
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub(super) fn run(args: &IncidentsArgs, context: &Context) -> Result<ExitCode> {
    match (&args.triage, &args.id) {
        (Some(TriageCommand::Ack(args)), _) => ack(args, context),
        (Some(TriageCommand::Snooze(args)), _) => snooze(args, context),
        (Some(TriageCommand::Expect(args)), _) => expect(args, context),
        (None, Some(id)) => {
            let answer = context.answer(&ShowIncident { id: id.clone() })?;
            print(&report::incidents::render_one(&answer, args.format, context.style)?)?;
            Ok(ExitCode::Done)
        }
        (None, None) => list(args, context),
    }
}

fn list(args: &IncidentsArgs, context: &Context) -> Result<ExitCode> {
    let answer = context.answer(&args.list)?;
    print(&report::incidents::render(&answer, args.format, context.style)?)?;
    if answer.incidents.is_empty() && !args.list.status.contains(&Status::All) {
        context.note("hint: `--status all` lists those that are over, too");
    }
    Ok(ExitCode::Done)
}

pub(super) fn ack(args: &AckArgs, context: &Context) -> Result<ExitCode> {
    triage(&args.common, Triage::Ack, None, &args.reason, context)
}

pub(super) fn snooze(args: &SnoozeArgs, context: &Context) -> Result<ExitCode> {
    triage(&args.common, Triage::Snooze, args.until, &args.reason, context)
}

pub(super) fn expect(args: &ExpectArgs, context: &Context) -> Result<ExitCode> {
    triage(&args.common, Triage::Expect, None, args.reason.as_deref().unwrap_or_default(), context)
}

fn triage(args: &CommonArgs, triage: Triage, until: Option<Day>, reason: &str, context: &Context) -> Result<ExitCode> {
    let operation = TriageIncidents {
        ids: args.ids.clone(),
        triage: if args.undo { Triage::Undo } else { triage },
        until: until.filter(|_| !args.undo),
        reason: reason.to_owned(),
        by: args.by.clone(),
    };
    let answer = context.answer(&operation)?;
    print(&report::incidents::render(&answer, args.format, context.style)?)?;
    Ok(ExitCode::Done)
}
