use clap::Args;

use super::{Context, print};
use crate::{
    error::{Error, ExitCode, Result},
    operations::{DiscoverExports, IngestBills, Ingestion},
    report::{self, Format},
};

#[derive(Debug, Args)]
pub(crate) struct IngestArgs {
    #[command(flatten)]
    operation: IngestBills,

    /// Find the account's reports and exports, and write their configuration
    #[arg(long, conflicts_with_all = ["paths", "source", "dry_run", "full_refresh"])]
    discover: bool,

    /// How to write the summary
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub(super) fn run(args: &IngestArgs, context: &Context) -> Result<ExitCode> {
    if args.discover {
        return discover(args.format, context);
    }
    let answer = context.answer(&args.operation)?;
    // A plan of nothing, because nothing could be asked, is for programs only.
    let is_empty = matches!(&answer.body, Ingestion::Planned(plan) if plan.periods.as_ref().is_some_and(Vec::is_empty));
    if !is_empty || args.format != Format::Table {
        print(&report::ingest::render(&answer, args.format, context.style)?)?;
    }
    Ok(complain(answer.failures(), context))
}

fn discover(format: Format, context: &Context) -> Result<ExitCode> {
    let answer = context.answer(&DiscoverExports {})?;
    print(&report::ingest::discovered(&answer, format)?)?;
    if answer.exports.is_empty() && answer.failures.is_empty() {
        context.note("this account has no report and no export; create one in the Billing console under Data Exports (CUR 2.0, daily, parquet)");
    }
    Ok(complain(&answer.failures, context))
}

/// Says what failed, which decides how the process ends.
fn complain(failures: &[Error], context: &Context) -> ExitCode {
    failures.iter().for_each(|failure| context.complain(failure));
    failures.first().map_or(ExitCode::Done, Error::exit_code)
}
