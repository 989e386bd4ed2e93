use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Effect, Operation, Session, input::number};
use crate::{
    error::Result,
    insights::reconcile::{Question, Reconciliation, reconcile},
    model::{Day, Metric, Month},
};

/// Set a month of CUR beside Cost Explorer, or beside the invoice
///
/// Compares by service and charge category for each metric, and says why a difference is likely. The two hold the same
/// money and are never added.
#[derive(Args, Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct ReconcileMonth {
    /// The month [default: the newest whole one that both sources have]
    #[arg(long, value_name = "YYYY-MM")]
    pub month: Option<Month>,

    /// The detailed source [default: the most detailed that has the month]
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,

    /// The account that pays [default: all that both have; an invoice is of one]
    #[arg(long, value_name = "ID")]
    pub payer: Option<String>,

    /// One metric [default: all that both have]
    #[arg(long, value_enum, value_name = "METRIC")]
    pub metric: Option<Metric>,

    /// The total of the invoice, tax and credits included
    #[arg(long, value_name = "AMOUNT", allow_negative_numbers = true, value_parser = number)]
    pub invoice: Option<f64>,

    /// Differences up to this are none
    #[arg(long, value_name = "AMOUNT", default_value = "0.01", value_parser = number)]
    pub tolerance: f64,

    /// Take this day for today
    #[arg(long, value_name = "DATE")]
    pub as_of: Option<Day>,
}

impl Operation for ReconcileMonth {
    const NAME: &'static str = "reconcile";
    const TITLE: &'static str = "A month beside Cost Explorer or the invoice";
    const EFFECT: Effect = Effect::Read;
    type Output = Reconciliation;

    fn answer(&self, session: &Session) -> Result<Answer<Reconciliation>> {
        let question = Question {
            month: self.month.map(Month::first_day),
            source: self.source.clone(),
            payer: self.payer.clone(),
            metric: self.metric,
            invoice: self.invoice,
            tolerance: self.tolerance.abs(),
            today: self.as_of.map_or(session.today(), Day::date),
        };
        reconcile(&*session.store()?, &question)
    }
}
