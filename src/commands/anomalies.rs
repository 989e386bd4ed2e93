use chrono::NaiveDate;
use clap::Args;

use super::{Context, day, print, selection::SelectionArgs};
use crate::{
    analysis::detect::{Parameters, Step},
    error::{Error, ExitCode, Result},
    insights::{
        anomalies::{Anomalies, Request, anomalies, scores},
        levels,
    },
    model::{Dimension, GroupBy, Method, Sensitivity, Severity},
    report::{self, Format},
    store::Store,
};

/// The threshold of `--method zscore`, which is not in units of the modified z-score.
const ZSCORE_THRESHOLD: f64 = 2.0;

/// Find costs that moved
///
/// Judges the newest settled day, or each day from --from to --to, by the days before it, and keeps what it finds in the
/// ledger (`incidents`). Looks at the total, regions, accounts, services and the parts of these, and tells the same dollars
/// once, as small as they are. docs/ANOMALIES.md says how, and how well.
#[derive(Debug, Args)]
pub struct AnomaliesArgs {
    /// Days of two weeks: levels are medians of twice, lasting changes of half as many [default: anomaly.rolling_window_days]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(5..=400))]
    days: Option<u32>,

    /// First day to judge, as YYYY-MM-DD [default: the newest settled day]
    #[arg(long, value_name = "DATE", value_parser = day)]
    from: Option<NaiveDate>,

    /// Last day to judge, as YYYY-MM-DD [default: the newest settled day]
    #[arg(long, value_name = "DATE", value_parser = day)]
    to: Option<NaiveDate>,

    /// Judge only the groups of these dimensions, joined by +; `trends --help` lists them [default: every level; service for
    /// --scores]
    #[arg(long, value_name = "DIMENSIONS")]
    group_by: Option<GroupBy>,

    /// How a day is judged
    #[arg(long, value_enum, default_value = "robust")]
    method: Method,

    /// How readily a day is flagged [default: anomaly.z_score_threshold]
    #[arg(long, value_enum)]
    sensitivity: Option<Sensitivity>,

    /// Score from which a day is flagged [default: anomaly.z_score_threshold; 2.0 for --method zscore]
    #[arg(long, value_name = "SCORE", conflicts_with = "sensitivity")]
    threshold: Option<f64>,

    /// Percentage from which a lasting change is flagged [default: anomaly.drift_threshold_pct]
    #[arg(long, value_name = "PERCENT")]
    drift_threshold: Option<f64>,

    /// Daily cost, actual or expected, below which nothing matters [default: anomaly.min_daily_cost]
    #[arg(long, value_name = "AMOUNT")]
    min_cost: Option<f64>,

    /// Difference a day, in money, below which nothing is flagged [default: anomaly.min_impact]
    #[arg(long, value_name = "AMOUNT")]
    min_impact: Option<f64>,

    /// Findings to show, those with most at stake first; 0 for all
    #[arg(long, value_name = "N", default_value_t = 20)]
    top: usize,

    /// Do not write to the ledger
    #[arg(long)]
    no_save: bool,

    /// One row for every series and judged day instead of findings, as CSV or JSON
    #[arg(long)]
    scores: bool,

    /// End with exit code 10 when there are findings
    #[arg(long)]
    exit_code: bool,

    /// End with exit code 10 when there are findings of this severity or above
    #[arg(long, value_enum, value_name = "SEVERITY")]
    fail_on: Option<Severity>,

    /// Leave steps of the robust method out, to measure what they are worth
    #[arg(long, value_enum, value_delimiter = ',', hide = true)]
    without: Vec<Step>,

    #[command(flatten)]
    selection: SelectionArgs,
}

pub fn run(args: &AnomaliesArgs, context: &Context) -> Result<ExitCode> {
    let include = args.selection.include();
    let request = Request {
        question: args.selection.question(context),
        group_by: args.group_by.clone().unwrap_or_else(|| GroupBy(vec![Dimension::Service])),
        from: args.from,
        to: args.to,
        include: &include,
        sensitivity: args.sensitivity,
        parameters: parameters(args, context)?,
    };
    if args.scores {
        if args.selection.format == Format::Markdown {
            return Err(Error::usage("`--scores` is for programs").hint("use `--format csv` or `--format json`"));
        }
        let answer = scores(&context.store()?, &request)?;
        context.notes(&answer.notes);
        print(&report::anomalies::render_scores(&answer, args.selection.format)?)?;
        return Ok(ExitCode::Done);
    }
    let answer = match args.group_by {
        Some(_) => anomalies(&context.store()?, &request)?,
        None => levels::anomalies(&context.store()?, &request)?,
    };
    context.notes(&answer.notes);
    if !args.no_save {
        save(&answer, args, context);
    }
    print(&report::anomalies::render(&answer, args.top, args.selection.format, context.style)?)?;
    let fails_at = args.fail_on.or(args.exit_code.then_some(Severity::Info));
    let fails = fails_at.is_some_and(|least| answer.findings.iter().any(|finding| finding.severity >= least));
    Ok(if fails { ExitCode::Findings } else { ExitCode::Done })
}

/// Writes what changed to the ledger. The answer stands without it: a database that somebody else uses, or that
/// may not be written, is a warning.
fn save(answer: &Anomalies, args: &AnomaliesArgs, context: &Context) {
    if answer.ledger.changes.is_empty() {
        return;
    }
    // Incidents that a look with other settings does not find would be withdrawn.
    let others = [
        ("--days", args.days.is_some()),
        ("--threshold", args.threshold.is_some()),
        ("--drift-threshold", args.drift_threshold.is_some()),
        ("--min-cost", args.min_cost.is_some()),
        ("--min-impact", args.min_impact.is_some()),
        ("--without", !args.without.is_empty()),
    ];
    if let Some((flag, _)) = others.iter().find(|(_, given)| *given) {
        context.note(&format!("note: not kept in the ledger: `{flag}` is another setting than the configuration's"));
        return;
    }
    let saved = Store::open(context.database()).and_then(|mut store| store.save_incidents(&answer.ledger.changes));
    if let Err(error) = saved {
        context.complain(&error.hint("the findings stand; the ledger was not written (`--no-save` never does)"));
    }
}

fn parameters(args: &AnomaliesArgs, context: &Context) -> Result<Parameters> {
    let settings = &context.loaded.config.anomaly;
    let mut parameters = Parameters::new(settings, args.method);
    if args.method == Method::Zscore {
        parameters.threshold = ZSCORE_THRESHOLD;
    }
    if let Some(threshold) = args.sensitivity.map(Sensitivity::threshold).or(positive("--threshold", args.threshold)?) {
        parameters.threshold = threshold;
    }
    if let Some(days) = args.days {
        parameters.window_days = days as usize;
    }
    if let Some(percent) = positive("--drift-threshold", args.drift_threshold)? {
        parameters.drift_threshold_pct = percent;
    }
    if let Some(cost) = at_least_zero("--min-cost", args.min_cost)? {
        parameters.min_daily_cost = cost;
    }
    if let Some(impact) = at_least_zero("--min-impact", args.min_impact)? {
        parameters.min_impact = impact;
    }
    parameters.without = args.without.clone();
    Ok(parameters)
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
