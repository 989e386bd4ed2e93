//! Costs by day and group, read as columns: series for detection.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use duckdb::arrow::{
    array::{Array, AsArray},
    datatypes::{Date32Type, Float64Type, Int32Type},
};

use super::{Store, exact_sum, holdings::Payer, quoted, segments::payers_sql};
use crate::{
    error::{Error, Result},
    model::{ChargeCategory, Dimension, Period, Series},
    store::queries::{NONE, Selection},
};

const TRILLION: f64 = 1e12;

/// A series ends so many days after its last charge, and begins anew after as many without one: what is years apart is not filled
/// with days of 0. It is more than a year, so that what comes yearly is one series.
const LONGEST_SILENCE: i32 = 400;

/// Which series to read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Extent<'a> {
    /// All history of every group.
    All,
    /// All history of these groups.
    Groups(&'a [Vec<String>]),
    /// The days from this one on of every group, in no order.
    Since(NaiveDate),
}

impl Store {
    /// One series for each group of `dimensions`, of the charge categories of `include`, in order of the group's
    /// values: from its first charge to `end`, days without one counting 0. A silence of more than [`LONGEST_SILENCE`] days begins a
    /// series anew, or ends it.
    ///
    /// Payers whose costs are to be told apart are in `classes`: each series is then of the payers of one class, whose number
    /// stands before it.
    ///
    /// # Errors
    /// As for [`Store::cells`].
    pub(super) fn daily_series(
        &self,
        selection: &Selection,
        dimensions: &[Dimension],
        include: &[ChargeCategory],
        end: NaiveDate,
        extent: Extent,
        classes: &[Vec<Payer>],
    ) -> Result<Vec<(usize, Series)>> {
        let (table, condition) = self.source_and_condition(selection, dimensions)?;
        let mut groups = Vec::new();
        for dimension in dimensions {
            let column = self.expression(dimension, selection.segments)?;
            groups.push(format!("COALESCE({column}, '{NONE}')"));
        }
        let names: Vec<String> = (0..groups.len()).map(|index| format!("g{index}")).collect();
        let expressions: String =
            groups.iter().zip(&names).map(|(group, name)| format!("{group} AS {name}, ")).collect();
        let plain: String = names.iter().map(|name| format!("{name}, ")).collect();
        let metric = selection.metric.column();
        let include: BTreeSet<String> = include.iter().map(|category| quoted(category.as_str())).collect();
        let include = include.into_iter().collect::<Vec<_>>().join(", ");
        let order = if names.is_empty() { String::new() } else { format!("ORDER BY {}", names.join(", ")) };
        let (wanted_rows, order) = match extent {
            Extent::All => (String::new(), order),
            Extent::Groups([]) => return Ok(Vec::new()),
            Extent::Groups(extent) => {
                let rows: Vec<String> = extent.iter().map(|group| row(group)).collect();
                (format!("AND ({}) IN (VALUES {})", groups.join(", "), rows.join(", ")), order)
            }
            Extent::Since(day) => (format!("AND usage_date >= DATE '{day}'"), String::new()),
        };
        let class = class_sql(classes);
        let class_column =
            if classes.len() > 1 { format!("CAST({class} AS INTEGER) AS class, ") } else { String::new() };
        let own_class = if classes.len() > 1 { "class" } else { "CAST(0 AS INTEGER) AS class" };
        // Of a service in an account the summary has few rows for a day, which are added up faster below than by the database.
        let is_fine = [Dimension::Service, Dimension::Account].iter().all(|one| dimensions.contains(one));
        let (cost, sums) = match is_fine && table == self.summary() {
            true => (metric.to_owned(), ""),
            false => (exact_sum(metric), "GROUP BY ALL"),
        };
        let sql = format!(
            "WITH days AS (SELECT {expressions}{class_column}usage_date, {cost} AS cost FROM {table} \
             WHERE {condition} AND charge_category IN ({include}) AND usage_date <= DATE '{end}' {wanted_rows} {sums}) \
             SELECT {plain}list({{'day': usage_date, 'cost': cost}}) AS days, {own_class} FROM days GROUP BY ALL {order}",
        );
        let failed = |e: &duckdb::Error| self.error("cannot sum up the costs", e);
        let mut statement = self.connection.prepare(&sql).map_err(|e| failed(&e))?;
        let batches = statement.query_arrow([]).map_err(|e| failed(&e))?;
        let unread = || Error::bug("the database gives series in another shape than asked for");
        let mut all = Vec::new();
        let mut known = false;
        for batch in batches {
            let lists = batch.column(names.len()).as_list_opt::<i32>().ok_or_else(unread)?;
            let entries = lists.values().as_struct_opt().ok_or_else(unread)?;
            let days = entries.column(0).as_primitive_opt::<Date32Type>().ok_or_else(unread)?;
            let costs = entries.column(1).as_primitive_opt::<Float64Type>().ok_or_else(unread)?;
            let class_of = batch.column(names.len() + 1).as_primitive_opt::<Int32Type>().ok_or_else(unread)?;
            for (row, ends) in lists.value_offsets().windows(2).enumerate() {
                let mut group = Vec::with_capacity(names.len());
                for column in 0..names.len() {
                    group.push(batch.column(column).as_string_opt::<i32>().ok_or_else(unread)?.value(row).to_owned());
                }
                let entries = ends[0] as usize..ends[1] as usize;
                known |= !known && entries.clone().any(|entry| costs.is_valid(entry));
                let Some((first, last)) = span(&days.values()[entries.clone()]) else { continue };
                let start = NaiveDate::from_epoch_days(first).ok_or_else(unread)?;
                let end = end.min(NaiveDate::from_epoch_days(last + LONGEST_SILENCE).ok_or_else(unread)?);
                let valid = entries.filter(|entry| costs.is_valid(*entry) && days.value(*entry) >= first);
                let charges = valid.map(|entry| ((days.value(entry) - first) as usize, costs.value(entry)));
                let class = usize::try_from(class_of.value(row)).unwrap_or_default();
                all.push((class, Series { group, start, values: by_day(charges, Period { start, end }.days()) }));
            }
        }
        if !known && !all.is_empty() && !matches!(extent, Extent::Since(_)) {
            return Err(self.unknown_metric(selection.metric));
        }
        Ok(all)
    }
}

/// The first day after the last long silence, and the last day.
fn span(days: &[i32]) -> Option<(i32, i32)> {
    let (first, last) = (*days.iter().min()?, *days.iter().max()?);
    if last - first <= LONGEST_SILENCE {
        return Some((first, last));
    }
    let mut sorted = days.to_vec();
    sorted.sort_unstable();
    let after_silence = sorted.windows(2).rev().find(|pair| pair[1] - pair[0] > LONGEST_SILENCE);
    Some((after_silence.map_or(first, |pair| pair[1]), last))
}

/// The number of the class that a row's payer is in; the class of most payers is what is left.
fn class_sql(classes: &[Vec<Payer>]) -> String {
    let largest = (0..classes.len()).max_by_key(|index| classes[*index].len()).unwrap_or_default();
    let others = classes.iter().enumerate().filter(|(index, _)| *index != largest);
    let cases: String = others.map(|(index, payers)| format!(" WHEN {} THEN {index}", payers_sql(payers))).collect();
    if cases.is_empty() { largest.to_string() } else { format!("CASE{cases} ELSE {largest} END") }
}

/// Adds up charges by day. What a day has comes in the order in which threads hand it over, so it is added as
/// [`exact_sum`] does: in whole trillionths.
fn by_day(charges: impl Iterator<Item = (usize, f64)> + Clone, days: usize) -> Vec<f64> {
    let mut values = vec![0.0; days];
    let mut seen = vec![false; days];
    let mut is_repeated = false;
    for (day, cost) in charges.clone() {
        is_repeated |= std::mem::replace(&mut seen[day], true);
        values[day] = cost;
    }
    if is_repeated {
        let mut sums = vec![0_i128; days];
        charges.for_each(|(day, cost)| sums[day] += (cost * TRILLION).round() as i128);
        values = sums.into_iter().map(|sum| sum as f64 / TRILLION).collect();
    }
    values
}

/// The SQL of a row of texts.
fn row(values: &[String]) -> String {
    format!("({})", values.iter().map(|value| quoted(value)).collect::<Vec<_>>().join(", "))
}
