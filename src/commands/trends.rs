use chrono::NaiveDate;
use clap::Args;

use super::{Context, day, print, selection::SelectionArgs};
use crate::{
    error::{ExitCode, Result},
    insights::trends::{Request, trends},
    model::{Granularity, GroupBy},
    report,
};

/// Show costs by period and group
#[derive(Debug, Args)]
pub struct TrendsArgs {
    /// Days up to the newest
    #[arg(long, value_name = "N", default_value_t = 14, value_parser = clap::value_parser!(u32).range(1..=3660), conflicts_with = "from")]
    days: u32,

    /// First day, as YYYY-MM-DD
    #[arg(long, value_name = "DATE", value_parser = day)]
    from: Option<NaiveDate>,

    /// Last day, as YYYY-MM-DD [default: the newest]
    #[arg(long, value_name = "DATE", value_parser = day)]
    to: Option<NaiveDate>,

    /// Length of a period
    #[arg(long, value_enum, default_value = "daily")]
    granularity: Granularity,

    /// Dimensions joined by +: service, account, region, usage-type, operation, resource,
    /// charge-category, line-item-type, purchase-option, provider, payer, billing-entity, currency,
    /// tag:KEY, cost-category:KEY
    #[arg(long, value_name = "DIMENSIONS", default_value = "service")]
    group_by: GroupBy,

    /// Groups to show by name; the rest is one row
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: usize,

    #[command(flatten)]
    selection: SelectionArgs,
}

pub fn run(args: &TrendsArgs, context: &Context) -> Result<ExitCode> {
    let include = args.selection.include();
    let request = Request {
        question: args.selection.question(context),
        from: args.from,
        to: args.to,
        days: args.days,
        granularity: args.granularity,
        group_by: args.group_by.clone(),
        top: args.top,
        include: &include,
    };
    let answer = trends(&context.store()?, &request)?;
    context.notes(&answer.notes);
    print(&report::trends::render(&answer, args.selection.format, context.style)?)?;
    Ok(ExitCode::Done)
}
