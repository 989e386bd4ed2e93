use chrono::NaiveDate;
use clap::Args;

use super::{Context, day, print, selection::SelectionArgs};
use crate::{
    analysis::detect::{Parameters, Sensitivity, Severity},
    error::{Error, ExitCode, Result},
    insights::anomalies::{Request, anomalies, scores},
    model::GroupBy,
    report::{self, Format},
};

/// Find costs that moved
///
/// Judges the newest settled day, or each day from --from to --to, against the days before it.
#[derive(Debug, Args)]
pub struct AnomaliesArgs {
    /// Days that a day is judged in, itself included [default: anomaly.rolling_window_days]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(5..=400))]
    days: Option<u32>,

    /// First day to judge, as YYYY-MM-DD [default: the newest settled day]
    #[arg(long, value_name = "DATE", value_parser = day)]
    from: Option<NaiveDate>,

    /// Last day to judge, as YYYY-MM-DD [default: the newest settled day]
    #[arg(long, value_name = "DATE", value_parser = day)]
    to: Option<NaiveDate>,

    /// Dimensions joined by +; `trends --help` lists them
    #[arg(long, value_name = "DIMENSIONS", default_value = "service")]
    group_by: GroupBy,

    /// How readily a day is flagged [default: anomaly.z_score_threshold]
    #[arg(long, value_enum)]
    sensitivity: Option<Sensitivity>,

    /// Change over the window, in percent, that is a drift [default: anomaly.drift_threshold_pct]
    #[arg(long, value_name = "PERCENT")]
    drift_threshold: Option<f64>,

    /// Daily cost, actual or expected, below which nothing matters [default: anomaly.min_daily_cost]
    #[arg(long, value_name = "AMOUNT")]
    min_cost: Option<f64>,

    /// One row for every series and judged day instead of findings, as CSV or JSON
    #[arg(long)]
    scores: bool,

    /// End with exit code 10 when there are findings
    #[arg(long)]
    exit_code: bool,

    /// End with exit code 10 when there are findings of this severity or above
    #[arg(long, value_enum, value_name = "SEVERITY")]
    fail_on: Option<Severity>,

    #[command(flatten)]
    selection: SelectionArgs,
}

pub fn run(args: &AnomaliesArgs, context: &Context) -> Result<ExitCode> {
    let settings = &context.loaded.config.anomaly;
    let drift_threshold_pct =
        positive("--drift-threshold", args.drift_threshold)?.unwrap_or(settings.drift_threshold_pct);
    let include = args.selection.include();
    let request = Request {
        question: args.selection.question(context),
        group_by: args.group_by.clone(),
        from: args.from,
        to: args.to,
        include: &include,
        sensitivity: args.sensitivity,
        parameters: Parameters {
            window_days: args.days.map_or(settings.rolling_window_days, |days| days as usize),
            threshold: args.sensitivity.map_or(settings.z_score_threshold, Sensitivity::threshold),
            min_daily_cost: at_least_zero("--min-cost", args.min_cost)?.unwrap_or(settings.min_daily_cost),
            drift_threshold_pct,
        },
    };
    let store = context.store()?;
    if args.scores {
        if args.selection.format == Format::Markdown {
            return Err(Error::usage("`--scores` is for programs").hint("use `--format csv` or `--format json`"));
        }
        let answer = scores(&store, &request)?;
        context.notes(&answer.notes);
        print(&report::anomalies::render_scores(&answer, args.selection.format)?)?;
        return Ok(ExitCode::Done);
    }
    let answer = anomalies(&store, &request)?;
    context.notes(&answer.notes);
    print(&report::anomalies::render(&answer, args.selection.format, context.style)?)?;
    let fails_at = args.fail_on.or(args.exit_code.then_some(Severity::Info));
    let fails = fails_at.is_some_and(|least| answer.findings.iter().any(|finding| finding.severity >= least));
    Ok(if fails { ExitCode::Findings } else { ExitCode::Done })
}

fn at_least_zero(flag: &str, value: Option<f64>) -> Result<Option<f64>> {
    match value {
        Some(value) if !(value.is_finite() && value >= 0.0) => {
            Err(Error::usage(format!("`{flag}` must be at least 0")))
        }
        value => Ok(value),
    }
}

fn positive(flag: &str, value: Option<f64>) -> Result<Option<f64>> {
    match value {
        Some(value) if !(value.is_finite() && value > 0.0) => Err(Error::usage(format!("`{flag}` must be above 0"))),
        value => Ok(value),
    }
}
