use clap::Args;

use super::{Context, print};
use crate::{
    error::{ExitCode, Result},
    operations::ShowTrends,
    report::{self, Format},
};

#[derive(Debug, Args)]
pub(crate) struct TrendsArgs {
    #[command(flatten)]
    operation: ShowTrends,

    /// How to write the answer
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub(super) fn run(args: &TrendsArgs, context: &Context) -> Result<ExitCode> {
    let answer = context.answer(&args.operation)?;
    print(&report::trends::render(&answer, args.format, context.style)?)?;
    Ok(ExitCode::Done)
}
