//! The data sources of bills that are known by name: written here and nowhere else.

use schemars::JsonSchema;
use serde::Serialize;

/// AWS's own formats of one bill describe the same money.
pub const CUR: &str = "cur";
/// AWS Data Exports, CUR 2.0.
pub const CUR2: &str = "cur2";
/// Azure's own exports, of which amortized costs count by default.
pub const AZURE_AMORTIZED: &str = "azure-amortized";
/// The same of actual costs.
pub const AZURE_ACTUAL: &str = "azure-actual";
/// Google Cloud's export of BigQuery with resources.
pub const GCP_DETAILED: &str = "gcp-detailed";
/// The same by SKU.
pub const GCP: &str = "gcp";
/// FOCUS of any provider.
pub const FOCUS: &str = "focus";
/// What vendors of models say they charge.
pub const OPENAI: &str = "openai";
/// The same of Anthropic.
pub const ANTHROPIC: &str = "anthropic";
/// What a proxy counted of the same calls.
pub const LITELLM: &str = "litellm";
/// The API.
pub const COST_EXPLORER: &str = "cost-explorer";
/// Costs that other programs handed in one by one.
pub const RECORDS: &str = "records";
/// Plain tables without a name of their own.
pub const PLAIN: &str = "csv";

/// From the most detailed to the least.
const BY_DETAIL: [&str; 11] =
    [CUR2, CUR, AZURE_AMORTIZED, AZURE_ACTUAL, GCP_DETAILED, GCP, OPENAI, ANTHROPIC, FOCUS, COST_EXPLORER, LITELLM];

/// How much detail a source has, 0 for the most; none of those that are a user's own.
pub fn detail_rank(data_source: &str) -> Option<usize> {
    BY_DETAIL.iter().position(|name| *name == data_source)
}

/// Whether a source has the costs of another by another view, which leaves nothing out but is not the one to look at: actual costs
/// have purchases where amortized ones have what these cover, and a proxy estimates what a vendor then charges.
pub fn is_other_view(data_source: &str, of: &str) -> bool {
    (data_source == AZURE_ACTUAL && of == AZURE_AMORTIZED) || (data_source == LITELLM && of != LITELLM)
}

/// Whether a name is one of these, which no user's own source may take.
pub fn is_reserved(data_source: &str) -> bool {
    detail_rank(data_source).is_some() || data_source == RECORDS
}

/// How what is not counted is related to what is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Repeated {
    /// The same lines at the same costs.
    Same,
    /// Some of the lines at the same costs.
    Contained,
    /// An earlier version, that ends earlier or knows fewer accounts.
    Earlier,
}
