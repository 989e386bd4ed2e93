//! The options that all commands share which read costs.

use chrono::NaiveDate;
use clap::Args;

use super::{Context, day};
use crate::{
    insights::Question,
    model::{ChargeCategory, Filter, Metric},
    report::Format,
};

#[derive(Debug, Args)]
pub struct SelectionArgs {
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
    #[arg(long, value_name = "DATE", value_parser = day)]
    pub as_of: Option<NaiveDate>,

    /// How to write the answer
    #[arg(long, value_enum, default_value = "table")]
    pub format: Format,
}

impl SelectionArgs {
    pub fn question(&self, context: &Context) -> Question<'_> {
        Question {
            source: self.source.as_deref(),
            metric: self.metric,
            filters: &self.filter,
            as_of: self.as_of.unwrap_or(context.today),
            settle_days: context.loaded.config.anomaly.settle_days,
        }
    }

    pub fn include(&self) -> Vec<ChargeCategory> {
        let wanted = |category: &ChargeCategory| {
            ChargeCategory::USAGE_LIKE.contains(category) || self.include.contains(category)
        };
        ChargeCategory::ALL.iter().copied().filter(wanted).collect()
    }
}
