use clap::Args;

use super::{Context, print};
use crate::{
    error::{ExitCode, Result},
    operations::ReplayPast,
    report::{self, Format},
};

#[derive(Debug, Args)]
pub(crate) struct BacktestArgs {
    #[command(flatten)]
    operation: ReplayPast,

    /// How to write the answer
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub(super) fn run(args: &BacktestArgs, context: &Context) -> Result<ExitCode> {
    let answer = context.answer(&args.operation)?;
    print(&report::backtest::render(&answer, args.format, context.style)?)?;
    Ok(ExitCode::Done)
}
