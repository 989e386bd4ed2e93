use clap::Args;

use super::{Context, print};
use crate::{
    error::{ExitCode, Result},
    operations::{ForecastCosts, ReplayForecasts},
    report::{self, Format},
};

#[derive(Debug, Args)]
pub(crate) struct ForecastArgs {
    #[command(flatten)]
    operation: ForecastCosts,

    /// Replay months that are over instead: how wrong forecasts would have been, beside the rules of other tools
    #[arg(long, conflicts_with_all = ["month", "days", "to", "top"])]
    backtest: bool,

    /// How to write the answer
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub(super) fn run(args: &ForecastArgs, context: &Context) -> Result<ExitCode> {
    let ForecastCosts { group_by, selection, .. } = &args.operation;
    if args.backtest {
        let replay = ReplayForecasts { group_by: group_by.clone(), selection: selection.clone() };
        let answer = context.answer(&replay)?;
        print(&report::forecast::render_backtest(&answer, args.format, context.style)?)?;
        return Ok(ExitCode::Done);
    }
    let answer = context.answer(&args.operation)?;
    print(&report::forecast::render(&answer, args.format, context.style)?)?;
    Ok(ExitCode::Done)
}
