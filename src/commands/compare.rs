use clap::Args;

use super::{Context, print};
use crate::{
    error::{ExitCode, Result},
    operations::ComparePeriods,
    report::{self, Format},
};

#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    #[command(flatten)]
    operation: ComparePeriods,

    /// How to write the answer
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub(super) fn run(args: &CompareArgs, context: &Context) -> Result<ExitCode> {
    let answer = context.answer(&args.operation)?;
    print(&report::compare::render(&answer, args.format, context.style)?)?;
    Ok(ExitCode::Done)
}
