use chrono::NaiveDate;
use clap::Args;

use super::{Context, print};
use crate::{
    error::{ExitCode, Result},
    insights::reconcile::{Question, reconcile},
    model::Metric,
    report::{self, Format},
};

/// Set a month of CUR beside Cost Explorer, or beside the invoice
///
/// Compares by service and charge category for each metric, and says why a difference is likely. The two hold the same
/// money and are never added.
#[derive(Debug, Args)]
pub struct ReconcileArgs {
    /// The month [default: the newest whole one that both sources have]
    #[arg(long, value_name = "YYYY-MM", value_parser = super::month)]
    month: Option<NaiveDate>,

    /// The detailed source [default: the most detailed that has the month]
    #[arg(long, value_name = "NAME")]
    source: Option<String>,

    /// The account that pays [default: all that both have; an invoice is of one]
    #[arg(long, value_name = "ID")]
    payer: Option<String>,

    /// One metric [default: all that both have]
    #[arg(long, value_enum, value_name = "METRIC")]
    metric: Option<Metric>,

    /// The total of the invoice, tax and credits included
    #[arg(long, value_name = "AMOUNT", allow_negative_numbers = true, value_parser = amount)]
    invoice: Option<f64>,

    /// Differences up to this are none
    #[arg(long, value_name = "AMOUNT", default_value = "0.01", value_parser = amount)]
    tolerance: f64,

    /// Take this day for today
    #[arg(long, value_name = "DATE", value_parser = super::day)]
    as_of: Option<NaiveDate>,

    /// End with code 10 when a difference is over the tolerance
    #[arg(long)]
    exit_code: bool,

    /// How to write the comparison
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

fn amount(text: &str) -> Result<f64, String> {
    let amount = text.parse().ok().filter(|amount: &f64| amount.is_finite());
    amount.ok_or_else(|| "write an amount such as 1234.56".to_owned())
}

pub fn run(args: &ReconcileArgs, context: &Context) -> Result<ExitCode> {
    let question = Question {
        month: args.month,
        source: args.source.clone(),
        payer: args.payer.clone(),
        metric: args.metric,
        invoice: args.invoice,
        tolerance: args.tolerance.abs(),
        today: args.as_of.unwrap_or(context.today),
    };
    let answer = reconcile(&context.store()?, &question)?;
    print(&report::reconcile::render(&answer, args.format, context.style)?)?;
    Ok(if args.exit_code && !answer.agrees { ExitCode::Findings } else { ExitCode::Done })
}
