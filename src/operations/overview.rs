use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Effect, Operation, Session, forecast::plans};
use crate::{
    analysis::detection::Parameters,
    config,
    error::Result,
    insights::{
        Question,
        overview::{Overview, Request, overview},
    },
    model::{ChargeCategory, Day, Filter, GroupBy, Method, Metric},
};

/// Write one page for a team
///
/// What the last week and the month cost, what moved, the incidents of the last two weeks with their causes, and how good
/// the data is. HTML is one file with its charts inside.
#[derive(Args, Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct SummarizeCosts {
    /// Cost to look at
    #[arg(long, value_enum, default_value = "net-amortized")]
    pub metric: Metric,

    /// Data source, such as cur2; without it all bills add up, each from its most detailed source of each month
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,

    /// Only costs with this value, such as account=acme-production; repeatable
    #[arg(long, value_name = "DIMENSION=VALUE")]
    pub filter: Vec<Filter>,

    /// Dimensions joined by +; `trends --help` lists them
    #[arg(long, value_name = "DIMENSIONS", default_value = "service")]
    pub group_by: GroupBy,

    /// Movers and incidents to show by name
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub top: usize,

    /// The day to take for today, as YYYY-MM-DD
    #[arg(long, value_name = "DATE")]
    pub as_of: Option<Day>,
}

impl Operation for SummarizeCosts {
    const NAME: &'static str = "report";
    const TITLE: &'static str = "One page for a team";
    const EFFECT: Effect = Effect::Read;
    type Output = Overview;

    fn answer(&self, session: &Session) -> Result<Answer<Overview>> {
        let settings = &session.config().anomaly;
        let plans = plans(session)?;
        let budgets = config::budgets(session.config())?;
        let request = Request {
            question: Question {
                source: self.source.as_deref(),
                metric: self.metric,
                filters: &self.filter,
                as_of: self.as_of.map_or(session.today(), Day::date),
                settle_days: settings.settle_days,
            },
            include: &ChargeCategory::USAGE_LIKE,
            group_by: self.group_by.clone(),
            parameters: Parameters::new(settings, Method::Robust),
            top: self.top.max(1),
            plans: &plans,
            budgets: &budgets,
        };
        let store = session.store()?;
        overview(&*store, &store, &request)
    }
}
