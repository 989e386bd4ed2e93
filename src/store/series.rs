//! Costs by day and group, read as columns: series for detection.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use duckdb::arrow::{
    array::{Array, AsArray},
    datatypes::{Date32Type, Float64Type},
};

use super::{Store, exact_sum, quoted};
use crate::{
    error::{Error, Result},
    model::{ChargeCategory, Dimension, Period, Series},
    store::queries::{NONE, Selection},
};

impl Store {
    /// One series for each group of `dimensions`, of the charge categories of `include`, in order of the group's
    /// values: from its first charge to `end`, days without one counting 0.
    ///
    /// # Errors
    /// As for [`Store::cells`].
    pub fn daily_series(
        &self,
        selection: &Selection,
        dimensions: &[Dimension],
        include: &[ChargeCategory],
        end: NaiveDate,
    ) -> Result<Vec<Series>> {
        let (table, condition) = self.source_and_condition(selection, dimensions)?;
        let mut groups = Vec::new();
        for (index, dimension) in dimensions.iter().enumerate() {
            let column = self.expression(dimension, selection.segments)?;
            groups.push((format!("COALESCE({column}, '{NONE}') AS g{index}"), format!("g{index}")));
        }
        let select = |parts: Vec<String>| parts.iter().map(|part| format!("{part}, ")).collect::<String>();
        let expressions = select(groups.iter().map(|(expression, _)| expression.clone()).collect());
        let names: Vec<String> = groups.iter().map(|(_, name)| name.clone()).collect();
        let metric = selection.metric.column();
        let include: BTreeSet<String> = include.iter().map(|category| quoted(category.as_str())).collect();
        let include = include.into_iter().collect::<Vec<_>>().join(", ");
        let order = if names.is_empty() { String::new() } else { format!("ORDER BY {}", names.join(", ")) };
        let sql = format!(
            "WITH days AS (SELECT {expressions}usage_date, {sum} AS cost FROM {table} \
             WHERE {condition} AND charge_category IN ({include}) AND usage_date <= DATE '{end}' GROUP BY ALL) \
             SELECT {plain}list({{'day': usage_date, 'cost': cost}}) AS days FROM days GROUP BY ALL {order}",
            sum = exact_sum(metric),
            plain = select(names.clone()),
        );
        let failed = |e: &duckdb::Error| self.error("cannot sum up the costs", e);
        let mut statement = self.connection.prepare(&sql).map_err(|e| failed(&e))?;
        let batches = statement.query_arrow([]).map_err(|e| failed(&e))?;
        let unread = || Error::bug("the database gives series in another shape than asked for");
        let mut all = Vec::new();
        let mut known = false;
        for batch in batches {
            let lists = batch.column(names.len()).as_list_opt::<i32>().ok_or_else(unread)?;
            for row in 0..batch.num_rows() {
                let mut group = Vec::with_capacity(names.len());
                for column in 0..names.len() {
                    group.push(batch.column(column).as_string_opt::<i32>().ok_or_else(unread)?.value(row).to_owned());
                }
                let entries = lists.value(row);
                let entries = entries.as_struct_opt().ok_or_else(unread)?;
                let days = entries.column(0).as_primitive_opt::<Date32Type>().ok_or_else(unread)?;
                let costs = entries.column(1).as_primitive_opt::<Float64Type>().ok_or_else(unread)?;
                known |= costs.null_count() < costs.len();
                let Some(first) = days.values().iter().min().copied() else { continue };
                let start = NaiveDate::from_epoch_days(first).ok_or_else(unread)?;
                let mut values = vec![0.0; Period { start, end }.days()];
                for (index, day) in days.values().iter().enumerate() {
                    if costs.is_valid(index)
                        && let Some(value) = values.get_mut((day - first) as usize)
                    {
                        *value += costs.value(index);
                    }
                }
                all.push(Series { group, start, values });
            }
        }
        if !known && !all.is_empty() {
            return Err(self.unknown_metric(selection.metric));
        }
        Ok(all)
    }
}
