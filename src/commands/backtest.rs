use chrono::NaiveDate;
use clap::Args;

use super::{Context, day, print, selection::SelectionArgs};
use crate::{
    analysis::detect::Parameters,
    error::{Error, ExitCode, Result},
    insights::{
        anomalies::Request,
        backtest::{Replay, backtest},
    },
    model::{GroupBy, Method},
    report,
};

/// Replay your own past: how often each method would have alerted, and what it would have found
///
/// Judges every settled day of the last weeks as if it were the newest, at each sensitivity and with each method. Then puts
/// spikes, drops, steps and drifts of known size into copies of your series, and counts which are found, and how late.
/// Nothing is stored.
#[derive(Debug, Args)]
pub struct BacktestArgs {
    /// Days to replay
    #[arg(long, value_name = "N", default_value_t = 90, value_parser = clap::value_parser!(u32).range(7..=730))]
    days: u32,

    /// Last day to replay, as YYYY-MM-DD [default: the newest settled day]
    #[arg(long, value_name = "DATE", value_parser = day)]
    to: Option<NaiveDate>,

    /// Dimensions joined by +; `trends --help` lists them
    #[arg(long, value_name = "DIMENSIONS", default_value = "service")]
    group_by: GroupBy,

    /// Events to put in, for each shape and size
    #[arg(long, value_name = "N", default_value_t = 25)]
    events: usize,

    /// Seed of where they are put
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Alerts a week that you would look at
    #[arg(long, value_name = "N", default_value_t = 3.0)]
    alerts_per_week: f64,

    #[command(flatten)]
    selection: SelectionArgs,
}

pub fn run(args: &BacktestArgs, context: &Context) -> Result<ExitCode> {
    if !(args.alerts_per_week.is_finite() && args.alerts_per_week > 0.0) {
        return Err(Error::usage("`--alerts-per-week` must be above 0"));
    }
    let include = args.selection.include();
    let request = Request {
        question: args.selection.question(context),
        group_by: args.group_by.clone(),
        from: None,
        to: args.to,
        include: &include,
        sensitivity: None,
        parameters: Parameters::new(&context.loaded.config.anomaly, Method::Robust),
    };
    let replay = Replay {
        request,
        days: args.days,
        events: args.events,
        seed: args.seed,
        alerts_per_week: args.alerts_per_week,
    };
    let answer = backtest(&context.store()?, &replay)?;
    context.notes(&answer.notes);
    print(&report::backtest::render(&answer, args.selection.format, context.style)?)?;
    Ok(ExitCode::Done)
}
