//! Accounts.

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::Serialize;

/// An account, and who says its name.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Account {
    pub id: String,
    pub name: Option<String>,
    /// `configuration`, `organizations`, `cost-explorer` or `bill`.
    pub source: Option<String>,
    /// The newest day with a charge.
    pub last_day: Option<NaiveDate>,
}
