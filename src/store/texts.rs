//! Names of accounts, services and regions are made free of control characters: they are what other rows, messages and filters
//! go by. Only where there are any is a row written again. The other texts of a line stay as they are, and are made inert where
//! they come out (`inert`): looking through all of them takes a load five times as long.

use super::Store;
use crate::error::Result;

/// The columns of `cost_line_items` that hold words of the bill and are in the aggregation of a load, too.
const NAMES: [&str; 7] =
    ["provider", "payer_account_id", "usage_account_id", "usage_account_name", "product_code", "region", "currency"];

/// Control characters of ASCII, as a regular expression.
const CONTROLS: &str = r"[\x00-\x1f\x7f]";

/// SQL of a text with blanks for its control characters, and nothing for NUL.
fn clean(text: &str) -> String {
    format!("regexp_replace(regexp_replace({text}, '\\x00', '', 'g'), '{CONTROLS}', ' ', 'g')")
}

impl Store {
    /// Cleans the names of an ingestion that is aggregated; says whether it must be aggregated again.
    pub(super) fn clean_names(&self, id: i64) -> Result<bool> {
        let doing = "cannot clean the names of the new line items";
        let sql = format!(
            "SELECT COALESCE(bool_or(regexp_matches(concat_ws('', {}), '{CONTROLS}')), false) FROM loaded",
            NAMES.join(", ")
        );
        let found: Vec<bool> = self.rows(&sql, doing, |row| row.get(0))?;
        if !found.contains(&true) {
            return Ok(false);
        }
        for column in NAMES {
            self.run(
                &format!(
                    "UPDATE cost_line_items SET {column} = {} WHERE ingestion_id = {id} AND regexp_matches({column}, '{CONTROLS}')",
                    clean(column)
                ),
                doing,
            )?;
        }
        Ok(true)
    }
}
