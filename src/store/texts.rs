//! Texts of new line items are made free of control characters: a NUL or an escape sequence in one name would come out
//! in every message and on every terminal. Only where there are any is a row written again.

use super::Store;
use crate::error::Result;

/// The columns of `cost_line_items` that hold words of the bill.
const TEXTS: [&str; 18] = [
    "provider",
    "payer_account_id",
    "usage_account_id",
    "usage_account_name",
    "product_code",
    "product_name",
    "region",
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
    "currency",
];

/// Control characters of ASCII, as a regular expression.
const CONTROLS: &str = r"[\x00-\x1f\x7f]";

/// SQL of a text with blanks for its control characters, and nothing for NUL.
fn clean(text: &str) -> String {
    format!("regexp_replace(regexp_replace({text}, '\\x00', '', 'g'), '{CONTROLS}', ' ', 'g')")
}

impl Store {
    /// Cleans the texts of an ingestion. Looking at each distinct value once costs a few percent of a load.
    pub(super) fn clean_texts(&self, id: i64) -> Result<()> {
        let doing = "cannot clean the texts of the new line items";
        let own = format!("FROM cost_line_items WHERE ingestion_id = {id}");
        let looks = TEXTS.iter().map(|column| {
            format!("SELECT '{column}' FROM (SELECT DISTINCT {column} AS text {own}) WHERE regexp_matches(text, '{CONTROLS}')")
        });
        let in_tags = format!(
            "SELECT 'tags' FROM (SELECT DISTINCT map_keys(tags) AS keys, map_values(tags) AS texts {own}) \
             WHERE regexp_matches(array_to_string(list_concat(keys, texts), ''), '{CONTROLS}')"
        );
        let sql = looks.chain([in_tags]).collect::<Vec<_>>().join(" UNION ALL ");
        let found: Vec<String> =
            self.rows(&format!("SELECT DISTINCT * FROM ({sql}) ORDER BY ALL"), doing, |row| row.get(0))?;
        for column in found {
            let (cleaned, is_odd) = match column.as_str() {
                "tags" => (
                    format!(
                        "map_from_entries(list_transform(map_entries(tags), lambda e: {{'k': {}, 'v': {}}}))",
                        clean("e.key"),
                        clean("e.value")
                    ),
                    format!("regexp_matches(CAST(tags AS VARCHAR), '{CONTROLS}')"),
                ),
                text => (clean(text), format!("regexp_matches({text}, '{CONTROLS}')")),
            };
            self.run(
                &format!("UPDATE cost_line_items SET {column} = {cleaned} WHERE ingestion_id = {id} AND {is_odd}"),
                doing,
            )?;
        }
        Ok(())
    }
}
