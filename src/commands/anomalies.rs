use clap::Args;

use super::{Context, print};
use crate::{
    error::{Error, ExitCode, Result},
    model::Severity,
    operations::{FindAnomalies, ScoreDays},
    report::{self, Format},
};

#[derive(Debug, Args)]
pub(crate) struct AnomaliesArgs {
    #[command(flatten)]
    operation: FindAnomalies,

    /// Findings to show, those with most at stake first; 0 for all
    #[arg(long, value_name = "N", default_value_t = 20)]
    top: usize,

    /// One row for every series and judged day instead of findings, as CSV or JSON
    #[arg(long)]
    scores: bool,

    /// End with exit code 10 when there are findings
    #[arg(long)]
    exit_code: bool,

    /// End with exit code 10 when there are findings of this severity or above
    #[arg(long, value_enum, value_name = "SEVERITY")]
    fail_on: Option<Severity>,

    /// How to write the answer
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub(super) fn run(args: &AnomaliesArgs, context: &Context) -> Result<ExitCode> {
    if args.scores {
        if args.format == Format::Markdown {
            return Err(Error::usage("`--scores` is for programs").hint("use `--format csv` or `--format json`"));
        }
        let answer = context.answer(&ScoreDays { detection: args.operation.detection.clone() })?;
        print(&report::anomalies::render_scores(&answer, args.format)?)?;
        return Ok(ExitCode::Done);
    }
    let answer = context.answer(&args.operation)?;
    print(&report::anomalies::render(&answer, args.top, args.format, context.style)?)?;
    let fails_at = args.fail_on.or(args.exit_code.then_some(Severity::Info));
    let fails = fails_at.is_some_and(|least| answer.findings.iter().any(|finding| finding.severity >= least));
    Ok(if fails { ExitCode::Findings } else { ExitCode::Done })
}
