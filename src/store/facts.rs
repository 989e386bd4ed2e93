//! What costs are read: the questions that an engine over bills answers. DuckDB's answers are those of [`Store`]; what this
//! program itself keeps (incidents, alerts, runs) is no part of it.

use std::collections::BTreeMap;

use chrono::{NaiveDate, NaiveDateTime};

use super::{
    Store,
    changes::{ClassCost, DaySet, ValueCost},
    commitments::Ending,
    currency::Conversion,
    holdings::{AccountCost, Holding, Payer},
    queries::{BillMonth, Cell, Delivered, MonthColumn, MonthCost, Selection},
    series::Extent,
};
use crate::{
    error::Result,
    model::{Account, ChargeCategory, Dimension, Period, Series},
};

/// Each question, its errors, and a method of [`Store`] that answers it.
macro_rules! facts {
    ($($(#[$doc:meta])* fn $name:ident(&self $(, $argument:ident: $type:ty)* $(,)?) -> $answer:ty;)*) => {
        /// The reads of costs. Every one fails when the bills cannot be read.
        pub(crate) trait Facts {
            $($(#[$doc])* fn $name(&self $(, $argument: $type)*) -> $answer;)*
        }

        impl Facts for Store {
            $(fn $name(&self $(, $argument: $type)*) -> $answer {
                Store::$name(self $(, $argument)*)
            })*
        }
    };
}

facts! {
    /// The months that there are of each source and payer.
    fn delivered_months(&self) -> Result<Vec<Delivered>>;

    /// How many currencies bills came in.
    fn delivered_currencies(&self) -> Result<u64>;

    /// What there is, in order of data source, payer, provider and currency.
    fn holdings(&self) -> Result<Vec<Holding>>;

    /// What each account cost by month, payer and data source.
    fn account_costs(&self) -> Result<Vec<AccountCost>>;

    /// Payers whose costs came in the same load or export, each with a name of that.
    fn loaded_together(&self) -> Result<Vec<(Payer, String)>>;

    /// Account names by id.
    fn account_names(&self) -> Result<BTreeMap<String, String>>;

    /// Every account that has costs or a name.
    fn accounts(&self) -> Result<Vec<Account>>;

    /// The ids of the accounts of a name.
    fn accounts_named(&self, name: &str) -> Result<Vec<String>>;

    /// The currencies of what is selected.
    fn currencies(&self, selection: &Selection) -> Result<Vec<String>>;

    /// What of the selection is in another currency than it was billed in, or should be; nothing where nothing is converted.
    fn conversions(&self, selection: &Selection) -> Result<Vec<Conversion>>;

    /// The values of `dimension` in what is selected, the costliest first.
    fn values(&self, selection: &Selection, dimension: &Dimension) -> Result<Vec<String>>;

    /// Cost by group, day and charge category, without days on which a group has no charge.
    ///
    /// # Errors
    /// When a tag or cost category key does not exist, or the source does not know the metric.
    fn cells(&self, selection: &Selection, dimensions: &[Dimension]) -> Result<Vec<Cell>>;

    /// The daily costs of each group up to `end`; of the payers of one of `classes`, whose number stands before.
    ///
    /// # Errors
    /// As for [`Facts::cells`].
    fn daily_series(
        &self,
        selection: &Selection,
        dimensions: &[Dimension],
        include: &[ChargeCategory],
        end: NaiveDate,
        extent: Extent,
        classes: &[Vec<Payer>],
    ) -> Result<Vec<(usize, Series)>>;

    /// Costs and quantities by meter and class of each set of days, all charge categories.
    ///
    /// # Errors
    /// When a filter's tag key does not exist.
    fn class_costs(&self, selection: &Selection, sets: &[DaySet]) -> Result<Vec<ClassCost>>;

    /// Costs before and after of the `top` values of a dimension that changed most, and how many values there are.
    ///
    /// # Errors
    /// When a tag key does not exist.
    fn value_costs(
        &self,
        selection: &Selection,
        dimension: &Dimension,
        include: &[ChargeCategory],
        sets: &[DaySet],
        top: usize,
    ) -> Result<(Vec<ValueCost>, usize)>;

    /// The first day of all history with a charge of each of `values`, where there is one.
    ///
    /// # Errors
    /// When a tag key does not exist.
    fn first_days(
        &self,
        selection: &Selection,
        dimension: &Dimension,
        include: &[ChargeCategory],
        values: &[String],
    ) -> Result<Vec<(String, NaiveDate)>>;

    /// The tags of resources as `key=value`, of the newest line from `first` to `last` that has any.
    fn resource_tags(
        &self,
        selection: &Selection,
        resources: &[String],
        first: NaiveDate,
        last: NaiveDate,
    ) -> Result<Vec<(String, Vec<String>)>>;

    /// The selection's cost by hour of usage from `first` to `last`; empty when its lines are of whole days.
    fn hourly_costs(
        &self,
        selection: &Selection,
        include: &[ChargeCategory],
        first: NaiveDate,
        last: NaiveDate,
    ) -> Result<Vec<(NaiveDateTime, f64)>>;

    /// The commitments that end after `recent` and not after `until`, by group, with costs of the days of `recent`.
    ///
    /// # Errors
    /// As for [`Facts::cells`].
    fn ending_commitments(
        &self,
        selection: &Selection,
        dimensions: &[Dimension],
        include: &[ChargeCategory],
        recent: Period,
        until: NaiveDateTime,
    ) -> Result<Vec<Ending>>;

    /// The values of a column of the summary in a billing period: payers, accounts.
    fn month_values(&self, bill: BillMonth, column: MonthColumn) -> Result<Vec<String>>;

    /// The costs of a billing period, of the values of one column only.
    fn month_costs(&self, bill: BillMonth, only: Option<(MonthColumn, &[String])>) -> Result<Vec<MonthCost>>;

    /// Rows of the line items, the summary and the log, which are the same when the database holds together.
    fn line_counts(&self) -> Result<(u64, u64, u64)>;
}
