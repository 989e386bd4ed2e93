use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Effect, Operation, Selection, Session};
use crate::{
    error::Result,
    insights::trends::{Request, Trends, trends},
    model::{Day, Granularity, GroupBy},
};

/// Show costs by period and group
#[derive(Args, Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct ShowTrends {
    /// Days up to the newest
    #[arg(long, value_name = "N", default_value_t = 14, conflicts_with = "from")]
    #[schemars(range(min = 1, max = 3660))]
    pub days: u32,

    /// First day, as YYYY-MM-DD
    #[arg(long, value_name = "DATE")]
    pub from: Option<Day>,

    /// Last day, as YYYY-MM-DD [default: the newest]
    #[arg(long, value_name = "DATE")]
    pub to: Option<Day>,

    /// Length of a period
    #[arg(long, value_enum, default_value = "daily")]
    pub granularity: Granularity,

    /// Dimensions joined by +: service, account, region, usage-type, operation, resource,
    /// charge-category, line-item-type, purchase-option, provider, payer, billing-entity, currency,
    /// tag:KEY, cost-category:KEY
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

impl Operation for ShowTrends {
    const NAME: &'static str = "trends";
    const TITLE: &'static str = "Costs by period and group";
    const EFFECT: Effect = Effect::Read;
    type Output = Trends;

    fn answer(&self, session: &Session) -> Result<Answer<Trends>> {
        let request = Request {
            question: self.selection.question(session),
            from: self.from.map(Day::date),
            to: self.to.map(Day::date),
            days: self.days,
            granularity: self.granularity,
            group_by: self.group_by.clone(),
            top: self.top,
            include: &self.selection.included(),
        };
        trends(&*session.store()?, &request)
    }
}
