use std::path::PathBuf;

use clap::Args;

use super::{Context, print};
use crate::{
    error::{Error, ExitCode, Result},
    model::Day,
    report::units::count,
    sample,
    sources::Format,
};

/// Write generated bills with labelled events
///
/// Bills of a made-up company in the provider's own columns and folders, and `events.csv` that says what happens in them; those of
/// AWS are hourly, with manifests, the others daily. The same seed gives the same bills.
#[derive(Debug, Args)]
pub(crate) struct SampleDataArgs {
    /// Folder to write to, new or empty
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// Days, the last one unfinished
    #[arg(long, value_name = "N", default_value_t = 90, value_parser = clap::value_parser!(u32).range(14..=1100))]
    days: u32,

    /// Seed of all that is random
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Whose bills
    #[arg(long, value_enum, default_value = "aws")]
    provider: sample::Provider,

    /// Layout of another provider's bills [default: 2025-04 of Azure, parquet of Google Cloud]
    #[arg(long, value_enum)]
    layout: Option<sample::Layout>,

    /// Format of AWS's bills: cur1, cur2 or focus [default: cur2]
    #[arg(long, value_enum)]
    format: Option<Format>,

    /// Leave the events out
    #[arg(long)]
    no_anomalies: bool,

    /// Plant changes whose cause is known instead, from the tenth day before the end on, in an estate without noise;
    /// `causes.csv` says what each makes of each day
    #[arg(long, value_enum, value_delimiter = ',', value_name = "CAUSES")]
    causes: Vec<sample::Planted>,

    /// Line items to reach at least, by more resources for each meter
    #[arg(long, value_name = "N")]
    rows: Option<u64>,

    /// The last day, as YYYY-MM-DD [default: today]
    #[arg(long, value_name = "DATE")]
    as_of: Option<Day>,
}

pub(super) fn run(args: &SampleDataArgs, context: &Context) -> Result<ExitCode> {
    if args.provider == sample::Provider::Aws && args.layout.is_some() {
        return Err(Error::usage("`--layout` is for the bills of other providers").hint("AWS's have a `--format`"));
    }
    if args.provider != sample::Provider::Aws && args.format.is_some() {
        return Err(Error::usage("`--format` is for the bills of AWS").hint("others have a `--layout`"));
    }
    if args.provider != sample::Provider::Aws && !args.causes.is_empty() {
        return Err(Error::usage("`--causes` is for the bills of AWS").hint("leave it out: other bills have events"));
    }
    let written = sample::write(&sample::Request {
        out: args.out.clone(),
        provider: args.provider,
        layout: args.layout,
        format: args.format.unwrap_or(Format::Cur2),
        last_day: args.as_of.map_or(context.session.today(), Day::date),
        days: args.days,
        seed: args.seed,
        events: !args.no_anomalies,
        causes: args.causes.clone(),
        rows: args.rows,
    })?;
    for file in &written.files {
        print(&format!("{}\n", file.display()))?;
    }
    let labels = match args.causes.len() {
        0 => format!("{} events in `{}`", written.events.len(), args.out.join("events.csv").display()),
        causes => format!("{causes} causes in `{}`", args.out.join("causes.csv").display()),
    };
    context.note(&format!("{} line items in {} files, {labels}", count(written.rows), written.files.len()));
    Ok(ExitCode::Done)
}
