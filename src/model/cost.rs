//! Which cost is meant, and what kind of charge it is.

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantArray};

use super::text::words;

words! {
    /// Which cost of a line item is meant; AWS's words (DATA.md says how each is computed).
    #[derive(Default, ValueEnum)]
    pub enum Metric in "snake_case" {
        /// As billed
        Unblended,
        /// By the average rates of an organization
        Blended,
        /// Commitments spread over what they cover
        Amortized,
        /// As billed, after discounts
        NetUnblended,
        /// Amortized, after discounts
        #[default]
        NetAmortized,
        /// At public on-demand prices
        List,
    }
}

impl Metric {
    /// The metrics that Cost Explorer and CUR both have.
    pub const COSTS: [Metric; 5] =
        [Metric::Unblended, Metric::Blended, Metric::Amortized, Metric::NetUnblended, Metric::NetAmortized];

    /// The column of `cost_line_items` and `daily_cost_summary`.
    pub fn column(self) -> &'static str {
        match self {
            Metric::Unblended => "unblended_cost",
            Metric::Blended => "blended_cost",
            Metric::Amortized => "amortized_cost",
            Metric::NetUnblended => "net_unblended_cost",
            Metric::NetAmortized => "net_amortized_cost",
            Metric::List => "list_cost",
        }
    }
}

/// FOCUS's charge categories.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Deserialize,
    Display,
    EnumString,
    IntoStaticStr,
    JsonSchema,
    Serialize,
    ValueEnum,
    VariantArray,
)]
pub enum ChargeCategory {
    /// What was consumed, discounts and covered usage included
    #[serde(alias = "usage")]
    Usage,
    /// Fees, upfront and recurring, and what of a commitment went unused
    #[value(aliases = ["fee", "fees", "purchases"])]
    #[serde(alias = "purchase")]
    Purchase,
    /// Taxes
    #[value(aliases = ["taxes"])]
    #[serde(alias = "tax")]
    Tax,
    /// Credits and refunds
    #[value(aliases = ["credits", "refund", "refunds"])]
    #[serde(alias = "credit")]
    Credit,
    /// Discounts on lines of their own, roundings, corrections
    #[value(aliases = ["adjustments", "discount", "discounts"])]
    #[serde(alias = "adjustment")]
    Adjustment,
}

impl ChargeCategory {
    /// Every one of them, in order.
    pub const ALL: &[ChargeCategory] = Self::VARIANTS;

    /// The categories that are what things cost; the others hide or pile up on it.
    pub const USAGE_LIKE: [ChargeCategory; 3] =
        [ChargeCategory::Usage, ChargeCategory::Purchase, ChargeCategory::Adjustment];

    /// FOCUS's word, as the store has it.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}
