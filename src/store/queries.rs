//! Questions to the store, answered from the daily summary where that suffices.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveDate, NaiveDateTime};

use super::{
    Store,
    currency::{Conversion, RatesUsed},
    exact_sum, quoted,
    segments::{Segment, segments_sql},
};
use crate::{
    error::{Error, Result, nearest},
    model::{Dimension, Filter, Metric},
};

/// What stands for a value that the bill does not give.
pub(crate) const NONE: &str = "(none)";

/// What a query is about.
#[derive(Clone, Debug)]
pub(crate) struct Selection<'a> {
    pub segments: &'a [Segment],
    pub metric: Metric,
    pub filters: &'a [Filter],
}

/// The cost of one group, day and charge category.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cell {
    /// One value for each dimension.
    pub group: Vec<String>,
    pub day: NaiveDate,
    /// FOCUS's word.
    pub charge_category: String,
    pub cost: f64,
}

/// A payer's month of a data source.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Delivered {
    pub data_source: String,
    pub provider: String,
    pub payer_account_id: String,
    /// Its first day.
    pub month: NaiveDate,
    pub first_day: NaiveDate,
    pub last_day: NaiveDate,
    pub estimated: bool,
    /// When it was ingested last, UTC.
    pub ingested_at: NaiveDateTime,
}

/// What a month may be narrowed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MonthColumn {
    Payer,
    UsageAccount,
}

impl MonthColumn {
    fn name(self) -> &'static str {
        match self {
            MonthColumn::Payer => "payer_account_id",
            MonthColumn::UsageAccount => "usage_account_id",
        }
    }
}

/// What a product cost in a month, by charge category.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MonthCost {
    pub product_code: String,
    pub charge_category: String,
    pub currency: String,
    /// In the order of [`Metric::COSTS`]; `None` where the source does not have the metric.
    pub costs: Vec<Option<f64>>,
}

/// A source's billing period, of one payer or of all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BillMonth<'a> {
    pub data_source: &'a str,
    pub month: NaiveDate,
    pub payer: Option<&'a str>,
}

impl BillMonth<'_> {
    fn condition(&self) -> String {
        let payer = self.payer.map_or(String::new(), |payer| format!(" AND payer_account_id = {}", quoted(payer)));
        format!("data_source = {} AND billing_period = DATE '{}'{payer}", quoted(self.data_source), self.month)
    }
}

impl Store {
    /// The months that there are of each source and payer.
    pub(super) fn delivered_months(&self) -> Result<Vec<Delivered>> {
        let sql = "SELECT data_source, provider, payer_account_id, billing_period, min(first_day), max(last_day), \
                   bool_or(estimated), max(ingested_at) FROM ingestion_log GROUP BY ALL ORDER BY ALL";
        self.rows(sql, "cannot read the ingestion log", |row| {
            Ok(Delivered {
                data_source: row.get(0)?,
                provider: row.get(1)?,
                payer_account_id: row.get(2)?,
                month: row.get(3)?,
                first_day: row.get(4)?,
                last_day: row.get(5)?,
                estimated: row.get(6)?,
                ingested_at: row.get(7)?,
            })
        })
    }

    /// The values of a column of the summary in a billing period: payers, accounts.
    pub(super) fn month_values(&self, bill: BillMonth, column: MonthColumn) -> Result<Vec<String>> {
        let (column, condition) = (column.name(), bill.condition());
        let sql = format!("SELECT DISTINCT {column} FROM daily_cost_summary WHERE {condition} ORDER BY 1");
        self.rows(&sql, "cannot read the month", |row| row.get(0))
    }

    /// The costs of a billing period, of the values of one column only.
    pub(super) fn month_costs(
        &self,
        bill: BillMonth,
        only: Option<(MonthColumn, &[String])>,
    ) -> Result<Vec<MonthCost>> {
        let sums = Metric::COSTS.map(|metric| exact_sum(metric.column())).join(", ");
        let only = only.map_or(String::new(), |(column, values)| {
            let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
            format!(" AND {} IN ({})", column.name(), if values.is_empty() { "NULL".into() } else { values.join(", ") })
        });
        let sql = format!(
            "SELECT product_code, charge_category, currency, {sums} FROM daily_cost_summary \
             WHERE {}{only} GROUP BY ALL ORDER BY 1, 2, 3",
            bill.condition()
        );
        self.rows(&sql, "cannot sum up the month", |row| {
            Ok(MonthCost {
                product_code: row.get(0)?,
                charge_category: row.get(1)?,
                currency: row.get(2)?,
                costs: (3..3 + Metric::COSTS.len()).map(|index| row.get(index)).collect::<duckdb::Result<_>>()?,
            })
        })
    }

    /// Whether the database holds together: rows of the summary and the log against the line items.
    pub(super) fn line_counts(&self) -> Result<(u64, u64, u64)> {
        let sql = "SELECT (SELECT count(*) FROM cost_line_items), \
                   (SELECT COALESCE(sum(line_item_count), 0)::BIGINT FROM daily_cost_summary), \
                   (SELECT COALESCE(sum(rows), 0)::BIGINT FROM ingestion_log)";
        self.connection
            .query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .map_err(|e| self.error("cannot count the line items", &e))
    }

    /// The exports that bills came from, blank for loose files.
    pub(crate) fn exports(&self) -> Result<Vec<String>> {
        self.rows("SELECT DISTINCT export FROM ingestion_log ORDER BY 1", "cannot read the ingestion log", |row| {
            row.get(0)
        })
    }

    /// How many currencies bills came in.
    pub(super) fn delivered_currencies(&self) -> Result<u64> {
        let sql = "SELECT count(DISTINCT currency) FROM ingestion_log";
        self.connection
            .query_row(sql, [], |row| row.get(0))
            .map_err(|e| self.error("cannot read the ingestion log", &e))
    }

    /// The regions that any source has costs in, `global` left out.
    pub(crate) fn regions(&self) -> Result<Vec<String>> {
        let sql =
            "SELECT DISTINCT region FROM daily_cost_summary WHERE region <> 'global' AND provider = 'AWS' ORDER BY 1";
        self.rows(sql, "cannot read the regions", |row| row.get(0))
    }

    /// The currencies of what is selected.
    pub(super) fn currencies(&self, selection: &Selection) -> Result<Vec<String>> {
        let (table, condition) = self.source_and_condition(selection, &[])?;
        let sql = format!("SELECT DISTINCT currency FROM {table} WHERE {condition} ORDER BY 1");
        self.rows(&sql, "cannot read the currencies", |row| row.get(0))
    }

    /// What of the selection is in another currency than it was billed in, or should be; nothing where nothing is converted.
    pub(super) fn conversions(&self, selection: &Selection) -> Result<Vec<Conversion>> {
        let Some(rates) = &self.rates else { return Ok(Vec::new()) };
        let (table, condition) = self.source_and_condition(selection, &[])?;
        let sql = format!(
            "SELECT billed_currency, currency, min(conversion), max(conversion), bool_or(given_rate IS NOT NULL), \
             bool_or(given_rate IS NULL) FROM {table} WHERE {condition} AND billed_currency <> {} GROUP BY ALL ORDER BY ALL",
            quoted(&rates.target)
        );
        self.rows(&sql, "cannot read the conversions", |row| {
            let billed: String = row.get(0)?;
            let is_converted = row.get::<_, String>(1)? != billed;
            let (given, of_bill) = (row.get(4)?, row.get(5)?);
            let range = row.get::<_, Option<f64>>(2)?.zip(row.get::<_, Option<f64>>(3)?);
            let newest = rates.newest(&billed);
            let used = range.filter(|_| is_converted);
            let rates_used = used.map(|(lowest, highest)| RatesUsed { lowest, highest, given, of_bill, newest });
            Ok(Conversion { target: rates.target.clone(), rates: rates_used, currency: billed })
        })
    }

    /// Cost by group, day and charge category, without days on which a group has no charge.
    ///
    /// # Errors
    /// When a tag or cost category key does not exist, or the source does not know the metric.
    pub(super) fn cells(&self, selection: &Selection, dimensions: &[Dimension]) -> Result<Vec<Cell>> {
        let (table, condition) = self.source_and_condition(selection, dimensions)?;
        let mut columns = Vec::new();
        for dimension in dimensions {
            columns.push(self.expression(dimension, selection.segments)?);
        }
        let group = columns.iter().map(|column| format!("COALESCE({column}, '{NONE}'), ")).collect::<String>();
        let metric = selection.metric.column();
        let sql = format!(
            "SELECT {group}usage_date, charge_category, {}, count({metric}) FROM {table} WHERE {condition} \
             GROUP BY ALL ORDER BY ALL",
            exact_sum(metric)
        );
        let width = columns.len();
        let mut known = false;
        let cells: Vec<Cell> = self.rows(&sql, "cannot sum up the costs", |row| {
            let cost: Option<f64> = row.get(width + 2)?;
            let count: i64 = row.get(width + 3)?;
            known |= count > 0;
            Ok(Cell {
                group: (0..width).map(|index| row.get(index)).collect::<duckdb::Result<_>>()?,
                day: row.get(width)?,
                charge_category: row.get(width + 1)?,
                cost: cost.unwrap_or(0.0),
            })
        })?;
        if !known && !cells.is_empty() {
            return Err(self.unknown_metric(selection.metric));
        }
        Ok(cells)
    }

    pub(super) fn unknown_metric(&self, metric: Metric) -> Error {
        Error::input(format!("this data does not have the {} cost", metric.name()))
            .hint("choose another with `--metric`; `ingest` says which columns a bill lacks")
    }

    /// The values of `dimension` in what is selected, the costliest first.
    pub(super) fn values(&self, selection: &Selection, dimension: &Dimension) -> Result<Vec<String>> {
        let (table, condition) = self.source_and_condition(selection, std::slice::from_ref(dimension))?;
        let column = self.expression(dimension, selection.segments)?;
        let sql = format!(
            "SELECT COALESCE({column}, '{NONE}') AS value FROM {table} WHERE {condition} GROUP BY 1 \
             ORDER BY sum(abs(net_amortized_cost)) DESC, 1 LIMIT 1000"
        );
        self.rows(&sql, "cannot read the values", |row| row.get(0))
    }

    pub(super) fn source_and_condition(
        &self,
        selection: &Selection,
        dimensions: &[Dimension],
    ) -> Result<(&str, String)> {
        let mut all = dimensions.iter().chain(selection.filters.iter().map(|filter| &filter.dimension));
        let table = if all.all(Dimension::in_daily_summary) { self.summary() } else { self.line_items() };
        let mut condition = segments_sql(selection.segments);
        // Several values of one dimension are alternatives; all else must hold together.
        let mut wanted: BTreeMap<&Dimension, Vec<String>> = BTreeMap::new();
        for filter in selection.filters {
            let mut values = vec![quoted(&filter.value)];
            if filter.dimension == Dimension::Account {
                values.extend(self.accounts_named(&filter.value)?.iter().map(|id| quoted(id)));
            }
            if filter.negated {
                let column = self.expression(&filter.dimension, selection.segments)?;
                condition += &format!(" AND COALESCE({column}, '{NONE}') NOT IN ({})", values.join(", "));
            } else {
                wanted.entry(&filter.dimension).or_default().extend(values);
            }
        }
        for (dimension, values) in wanted {
            let column = self.expression(dimension, selection.segments)?;
            condition += &format!(" AND COALESCE({column}, '{NONE}') IN ({})", values.join(", "));
        }
        Ok((table, condition))
    }

    /// The SQL of a dimension. A tag key matches whatever way the bill's format spells it.
    pub(super) fn expression(&self, dimension: &Dimension, segments: &[Segment]) -> Result<String> {
        let (map, key) = match dimension {
            Dimension::Tag(key) => ("tags", key),
            Dimension::CostCategory(key) => ("cost_categories", key),
            plain => {
                return plain.column().map(str::to_owned).ok_or_else(|| Error::bug("a dimension without a column"));
            }
        };
        let sources: BTreeSet<String> = segments.iter().map(|segment| quoted(&segment.data_source)).collect();
        let sources: Vec<String> = sources.into_iter().collect();
        let sources = if sources.is_empty() { "''".to_owned() } else { sources.join(", ") };
        let keys: Vec<String> = self.rows(
            &format!(
                "SELECT DISTINCT unnest(keys) FROM (SELECT DISTINCT map_keys({map}) AS keys FROM cost_line_items \
                 WHERE {map} IS NOT NULL AND data_source IN ({sources})) ORDER BY 1"
            ),
            "cannot read the tag keys",
            |row| row.get(0),
        )?;
        let wanted = simple_key(key);
        let same: Vec<String> = keys
            .iter()
            .filter(|stored| simple_key(stored) == wanted)
            .map(|stored| format!("{map}[{}]", quoted(stored)))
            .collect();
        if !same.is_empty() {
            return Ok(format!("COALESCE({}, NULL)", same.join(", ")));
        }
        let simple: Vec<String> = keys.iter().map(|stored| simple_key(stored)).collect();
        let error = Error::input(format!("there is no `{dimension}` in this data"));
        Err(match (nearest(&wanted, simple.iter().map(String::as_str)), simple.as_slice()) {
            (Some(near), _) => error.hint(format!("did you mean `{near}`? There are: {}", simple.join(", "))),
            (None, []) => error.hint("the bill has no such keys; AWS adds tags that are activated for cost allocation"),
            (None, _) => error.hint(format!("there are: {}", simple.join(", "))),
        })
    }
}

/// A tag key without what formats add: `user:CostCenter`, `user_cost_center`, `cost-center` and
/// `resourceTags/user:CostCenter` are all `cost_center`.
fn simple_key(key: &str) -> String {
    let mut simple = String::new();
    let mut previous_lower = false;
    for character in key.chars() {
        if character.is_ascii_uppercase() && previous_lower {
            simple.push('_');
        }
        previous_lower = character.is_ascii_lowercase() || character.is_ascii_digit();
        // Beyond ASCII, marks are parts of letters.
        let of_a_word = character.is_ascii_alphanumeric() || !character.is_ascii() && !character.is_whitespace();
        if of_a_word { simple.extend(character.to_lowercase()) } else { simple.push('_') }
    }
    let simple = simple.trim_matches('_');
    let simple = simple.strip_prefix("resource_tags_").unwrap_or(simple);
    simple.strip_prefix("user_").unwrap_or(simple).to_owned()
}

#[cfg(test)]
mod tests {
    use super::simple_key;

    #[test]
    fn tag_keys_are_one_whatever_the_format() {
        for key in ["user:CostCenter", "user_cost_center", "cost-center", "resourceTags/user:CostCenter", "CostCenter"]
        {
            assert_eq!(simple_key(key), "cost_center", "{key}");
        }
        assert_eq!(simple_key("aws_created_by"), "aws_created_by");
        assert_eq!(simple_key("user:部署"), "部署");
        assert_eq!(simple_key("user_แผนก"), "แผนก");
    }
}
