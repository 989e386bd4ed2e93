//! Texts of new line items are made free of control characters: a NUL or an escape sequence in one name would come out
//! in every message and on every terminal. Only where there are any is a row written again.

use super::Store;
use crate::error::Result;

/// The columns of `cost_line_items` that hold words of the bill and are in the aggregation of a load, too.
const AGGREGATED: [&str; 7] =
    ["provider", "payer_account_id", "usage_account_id", "usage_account_name", "product_code", "region", "currency"];

/// The others.
const OF_LINES: [&str; 11] = [
    "product_name",
    "availability_zone",
    "usage_type",
    "operation",
    "resource_id",
    "line_item_type",
    "billing_entity",
    "purchase_option",
    "description",
    "invoice_id",
    "usage_unit",
];

/// Control characters of ASCII, as a regular expression.
const CONTROLS: &str = r"[\x00-\x1f\x7f]";

/// SQL of a text with blanks for its control characters, and nothing for NUL.
fn clean(text: &str) -> String {
    format!("regexp_replace(regexp_replace({text}, '\\x00', '', 'g'), '{CONTROLS}', ' ', 'g')")
}

impl Store {
    /// Cleans the texts of an ingestion that is aggregated; says whether it must be aggregated again. Looking for
    /// something to clean is one pass over the distinct combinations of texts: about a twentieth of a load.
    pub(super) fn clean_texts(&self, id: i64) -> Result<bool> {
        let doing = "cannot clean the texts of the new line items";
        let (aggregated, of_lines) = (AGGREGATED.join(", "), OF_LINES.join(", "));
        let sql = format!(
            "SELECT COALESCE(bool_or(odd), false) FROM (SELECT regexp_matches(concat_ws('', {aggregated}), '{CONTROLS}') AS odd \
             FROM loaded UNION ALL SELECT regexp_matches(concat_ws('', {of_lines}, CAST(tags AS VARCHAR)), '{CONTROLS}') \
             FROM (SELECT DISTINCT {of_lines}, tags FROM cost_line_items WHERE ingestion_id = {id}))"
        );
        let found: Vec<bool> = self.rows(&sql, doing, |row| row.get(0))?;
        if !found.contains(&true) {
            return Ok(false);
        }
        let update = |column: &str, cleaned: &str| {
            self.run(
                &format!(
                    "UPDATE cost_line_items SET {column} = {cleaned} \
                     WHERE ingestion_id = {id} AND regexp_matches(CAST({column} AS VARCHAR), '{CONTROLS}')"
                ),
                doing,
            )
        };
        for column in AGGREGATED.into_iter().chain(OF_LINES) {
            update(column, &clean(column))?;
        }
        let entry = format!("{{'k': {}, 'v': {}}}", clean("e.key"), clean("e.value"));
        update("tags", &format!("map_from_entries(list_transform(map_entries(tags), lambda e: {entry}))"))?;
        Ok(true)
    }
}
