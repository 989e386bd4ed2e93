use clap::Args;

use super::{Context, print};
use crate::{
    error::{ExitCode, Result},
    operations::ListValues,
    report::{self, Format},
};

#[derive(Debug, Args)]
pub(crate) struct ValuesArgs {
    #[command(flatten)]
    operation: ListValues,

    /// How to write the list
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub(super) fn run(args: &ValuesArgs, context: &Context) -> Result<ExitCode> {
    let answer = context.answer(&args.operation)?;
    print(&report::values::render(&answer, args.format, context.style)?)?;
    Ok(ExitCode::Done)
}
