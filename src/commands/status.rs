use clap::Args;

use super::{Context, print};
use crate::{
    error::{ExitCode, Result},
    operations::ShowStatus,
    report::{self, Format},
};

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    operation: ShowStatus,

    /// How to write the answer
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub(super) fn run(args: &StatusArgs, context: &Context) -> Result<ExitCode> {
    let answer = context.answer(&args.operation)?;
    print(&report::status::render(&answer, args.format, context.style)?)?;
    Ok(ExitCode::Done)
}
