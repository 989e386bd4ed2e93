//! Accounts.

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::Serialize;

/// An account, and who says its name.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Account {
    /// Twelve digits at AWS.
    pub id: String,
    /// The name of the best source.
    pub name: Option<String>,
    /// `configuration`, `organizations`, `cost-explorer` or `bill`.
    pub source: Option<String>,
    /// The newest day with a charge.
    pub last_day: Option<NaiveDate>,
}
