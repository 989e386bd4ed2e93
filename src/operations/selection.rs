//! Which costs an operation is about: the parameters that all of them share.

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Session;
use crate::{
    insights::Question,
    model::{ChargeCategory, Day, Filter, Metric},
};

#[expect(missing_docs, reason = "clap takes that of a flattened struct for the help of the command")]
#[derive(Args, Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
pub struct Selection {
    /// Cost to look at
    #[arg(long, value_enum, default_value = "net-amortized")]
    pub metric: Metric,

    /// Data source, such as cur2; without it all bills add up, each from its most detailed source of each month
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,

    /// Only costs with this value, such as service=AmazonEC2 or region!=us-east-1; repeatable
    #[arg(long, value_name = "DIMENSION=VALUE")]
    pub filter: Vec<Filter>,

    /// Charge categories to count beside usage, purchases and adjustments, such as credits,tax
    #[arg(long, value_enum, value_delimiter = ',', value_name = "CATEGORIES")]
    pub include: Vec<ChargeCategory>,

    /// The day to take for today, as YYYY-MM-DD
    #[arg(long, value_name = "DATE")]
    pub as_of: Option<Day>,
}

impl Selection {
    pub(super) fn question(&self, session: &Session) -> Question<'_> {
        Question {
            source: self.source.as_deref(),
            metric: self.metric,
            filters: &self.filter,
            as_of: self.as_of.map_or(session.today(), Day::date),
            settle_days: session.config().anomaly.settle_days,
        }
    }

    /// The charge categories that count.
    pub(super) fn included(&self) -> Vec<ChargeCategory> {
        let is_included = |category: &ChargeCategory| {
            ChargeCategory::USAGE_LIKE.contains(category) || self.include.contains(category)
        };
        ChargeCategory::ALL.iter().copied().filter(is_included).collect()
    }
}
