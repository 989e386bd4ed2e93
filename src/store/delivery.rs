//! What is loaded, and what came of it.

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::Serialize;

use super::{exact_sum, records::Record};
use crate::model::source::Repeated;

/// The measures of the summary and the log, in the order of their columns.
pub(super) const COSTS: [&str; 6] =
    ["unblended_cost", "blended_cost", "amortized_cost", "net_unblended_cost", "net_amortized_cost", "list_cost"];

/// Counts up whenever a bill's columns are understood in another way, so that former loads are not current.
pub(super) const MAPPING_VERSION: u32 = 1;

/// What may be the same money, as far as columns say it: a payer's month. The provider is no part of it, since versions
/// of FOCUS name the sellers of a marketplace differently.
pub(super) const SCOPE: &str = "data_source, payer_account_id, billing_period";

/// Files that belong together: all that there is of the periods in them.
pub(crate) struct Load<'a> {
    pub data_source: &'a str,
    pub export: &'a str,
    pub assembly_id: &'a str,
    /// The first and the last day that may be in them.
    pub days: (NaiveDate, NaiveDate),
    pub files: Vec<SourceFile<'a>>,
    /// What becomes of what is stored and of files that hold the same days.
    pub mode: Mode,
    /// What is kept in the same transaction, of costs that were handed in one by one.
    pub records: &'a [Record],
}

/// What a load does with what is stored of the same months.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Replaces earlier versions of the same, and nothing else.
    #[default]
    Restate,
    /// Stands beside what is stored, but for lines that are there already.
    Add,
    /// Replaces whatever is stored of the same accounts and files.
    Force,
}

/// One file as SQL.
pub(crate) struct SourceFile<'a> {
    pub key: &'a str,
    pub size: u64,
    pub etag: &'a str,
    /// The FROM item that reads it.
    pub from: String,
    /// Pairs of a column of `cost_line_items` and the expression over the file that fills it.
    pub expressions: Vec<(&'static str, String)>,
    /// Rows to leave out.
    pub excluded: Option<&'a str>,
    /// Rows of the file, where that is known without reading it.
    pub rows: Option<u64>,
}

/// What the database now holds of one period of one payer, and what was there before.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct LoadedPeriod {
    pub data_source: String,
    pub provider: String,
    pub payer_account_id: String,
    pub billing_period: NaiveDate,
    pub currency: String,
    pub files: u64,
    pub rows: u64,
    pub first_day: NaiveDate,
    pub last_day: NaiveDate,
    pub days: u64,
    pub unblended_cost: f64,
    pub blended_cost: Option<f64>,
    pub amortized_cost: f64,
    pub net_unblended_cost: f64,
    pub net_amortized_cost: f64,
    pub list_cost: Option<f64>,
    /// The sum of credits and refunds, unblended, at most 0.
    pub credits: f64,
    pub estimated: bool,
}

/// What the database has of the files of a load.
#[derive(Debug, PartialEq)]
pub(crate) struct Stored {
    /// Each is there whole and unchanged.
    pub whole: bool,
    /// Other files that were loaded together with them and share a period.
    pub siblings: Vec<String>,
}

/// The outcome of one load.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub periods: Vec<LoadedPeriod>,
    /// Rows that the files hold but the store does not want.
    pub excluded: u64,
    /// Former files of the same money that are not part of this load.
    pub replaced: Vec<Replaced>,
    /// Months that a former file of the same name had, which stay though the file does not have them any more.
    pub kept: Vec<Replaced>,
    /// What is in another file, or stored already, and not counted again.
    pub counted_once: Vec<CountedOnce>,
}

/// What a former file had brought of one billing period.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct Replaced {
    pub key: String,
    pub billing_period: NaiveDate,
    pub rows: u64,
}

/// A payer's month: payer and billing period.
pub(crate) type PayerMonth = (String, NaiveDate);

/// The sum of credits in the rows of `loaded`, whose columns have `prefix`.
pub(super) fn exact_credits(prefix: &str) -> String {
    let credits = format!("CASE WHEN {prefix}charge_category = 'Credit' THEN {prefix}unblended_cost ELSE 0 END");
    exact_sum(&credits)
}

/// Lines that are in the database, or in the same command, once already.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct CountedOnce {
    /// The file, or the folder of a delivery, that is not counted.
    pub key: String,
    /// Where its money is counted.
    pub counted_in: String,
    pub billing_period: NaiveDate,
    pub rows: u64,
    pub what: Repeated,
}
