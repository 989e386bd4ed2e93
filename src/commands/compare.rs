use clap::Args;

use super::{Context, periods::PeriodArgs, print, selection::SelectionArgs};
use crate::{
    error::{ExitCode, Result},
    insights::compare::{Request, compare},
    model::GroupBy,
    report,
};

/// Compare two periods
///
/// Says what moved, what is new and what is gone, and how much of the change is usage, price, commitments and so on. Without
/// periods, the last 7 settled days and the 7 before them. Periods with different numbers of days are compared by the day.
#[derive(Debug, Args)]
pub struct CompareArgs {
    #[command(flatten)]
    periods: PeriodArgs,

    /// Dimensions joined by +; `trends --help` lists them
    #[arg(long, value_name = "DIMENSIONS", default_value = "service")]
    group_by: GroupBy,

    /// Groups to show by name; the rest is one row
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: usize,

    #[command(flatten)]
    selection: SelectionArgs,
}

pub fn run(args: &CompareArgs, context: &Context) -> Result<ExitCode> {
    let store = context.store()?;
    let question = args.selection.question(context);
    let (before, after) = args.periods.periods(&store, &question)?;
    let include = args.selection.include();
    let request =
        Request { question, group_by: args.group_by.clone(), before, after, include: &include, top: args.top };
    let answer = compare(&store, &request)?;
    context.notes(&answer.notes);
    print(&report::compare::render(&answer, args.selection.format, context.style)?)?;
    Ok(ExitCode::Done)
}
