use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Effect, Operation, Periods, Selection, Session};
use crate::{
    error::Result,
    insights::compare::{Comparison, Request, compare},
    model::GroupBy,
};

/// Compare two periods
///
/// Says what moved, what is new and what is gone, and how much of the change is usage, price, commitments and so on. Without
/// periods, the last 7 settled days and the 7 before them. Periods with different numbers of days are compared by the day.
#[derive(Args, Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct ComparePeriods {
    /// Which days.
    #[command(flatten)]
    #[serde(flatten)]
    pub periods: Periods,

    /// Dimensions joined by +; `trends --help` lists them
    #[arg(long, value_name = "DIMENSIONS", default_value = "service")]
    pub group_by: GroupBy,

    /// Groups to show by name; the rest is one row
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub top: usize,

    /// Which costs.
    #[command(flatten)]
    #[serde(flatten)]
    pub selection: Selection,
}

impl Operation for ComparePeriods {
    const NAME: &'static str = "compare";
    const TITLE: &'static str = "Two periods side by side";
    const EFFECT: Effect = Effect::Read;
    type Output = Comparison;

    fn answer(&self, session: &Session) -> Result<Answer<Comparison>> {
        let store = session.store()?;
        let question = self.selection.question(session);
        let (before, after) = self.periods.resolve(&store, &question)?;
        let include = self.selection.included();
        let group_by = self.group_by.clone();
        compare(&*store, &Request { question, group_by, before, after, include: &include, top: self.top })
    }
}
