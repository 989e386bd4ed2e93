//! Plain CSV files of any other vendor: a date, a cost, and whatever else is known.

use super::columns::{Columns, LineItems, Missing, coalesce, cur_column_name, quoted};
use crate::error::Result;

/// Other names that headers have for a column, by the name used here.
const ALIASES: [(&str, &[&str]); 12] = [
    ("date", &["day", "usage_date"]),
    ("cost", &["amount", "unblended_cost"]),
    ("account", &["account_id", "usage_account_id"]),
    ("service", &["service_name", "product", "product_code"]),
    ("resource", &["resource_id"]),
    ("currency", &["currency_code", "billing_currency"]),
    ("usage_amount", &["quantity", "usage_quantity"]),
    ("usage_unit", &["unit"]),
    ("description", &["line_item_description"]),
    ("account_name", &["usage_account_name"]),
    ("charge_category", &["category"]),
    ("invoice_id", &["invoice"]),
];

/// The name used here for a header: `Service Name` is `service`, `tag:team` and `tag_team` are `tag_team`.
pub fn column_name(header: &str) -> String {
    let simple = cur_column_name(&header.to_lowercase());
    let known = ALIASES.iter().find(|(_, aliases)| aliases.contains(&simple.as_str()));
    known.map_or(simple, |(name, _)| (*name).into())
}

/// The line items of a plain CSV with `columns` named by [`column_name`].
///
/// # Errors
/// When `date` or `cost` is missing.
pub fn line_items(columns: &Columns, data_source: &str) -> Result<LineItems> {
    columns.require("a plain CSV", &[&["date", "day", "usage_date"], &["cost", "amount", "unblended_cost"]])?;
    let text = |name: &str, otherwise: &str| {
        coalesce(columns.text(name).into_iter().chain([otherwise.to_owned()])).unwrap_or_default()
    };
    let start = columns.time("date").unwrap_or_default();
    let cost = format!("COALESCE({}, 0)", columns.number("cost").unwrap_or_default());
    let category = text("charge_category", "'Usage'");
    let expressions = vec![
        ("usage_start", start.clone()),
        ("usage_end", format!("{start} + INTERVAL 1 DAY")),
        ("usage_date", format!("CAST({start} AS DATE)")),
        ("billing_period", format!("CAST(date_trunc('month', {start}) AS DATE)")),
        ("provider", text("provider", &quoted(data_source))),
        ("payer_account_id", text("payer_account_id", &quoted(data_source))),
        ("usage_account_id", text("account", &quoted(data_source))),
        ("usage_account_name", text("account_name", "NULL")),
        ("product_code", text("service", &quoted(data_source))),
        ("product_name", text("service", "NULL")),
        ("region", text("region", "'global'")),
        ("availability_zone", "NULL".into()),
        ("usage_type", text("usage_type", "NULL")),
        ("operation", text("operation", "NULL")),
        ("resource_id", text("resource", "NULL")),
        ("line_item_type", text("line_item_type", &category)),
        (
            "charge_category",
            format!(
                "CASE lower({category}) WHEN 'purchase' THEN 'Purchase' WHEN 'fee' THEN 'Purchase' WHEN 'tax' THEN 'Tax' \
                 WHEN 'credit' THEN 'Credit' WHEN 'refund' THEN 'Credit' WHEN 'adjustment' THEN 'Adjustment' \
                 WHEN 'discount' THEN 'Adjustment' ELSE 'Usage' END"
            ),
        ),
        ("billing_entity", "NULL".into()),
        ("purchase_option", text("purchase_option", "NULL")),
        ("description", text("description", "NULL")),
        ("invoice_id", text("invoice_id", "NULL")),
        ("usage_amount", columns.number("usage_amount").unwrap_or_else(|| "NULL".into())),
        ("usage_unit", text("usage_unit", "NULL")),
        ("currency", format!("upper({})", text("currency", "'USD'"))),
        ("unblended_cost", cost.clone()),
        ("blended_cost", "NULL".into()),
        ("amortized_cost", cost.clone()),
        ("net_unblended_cost", cost.clone()),
        ("net_amortized_cost", cost),
        ("list_cost", "NULL".into()),
        ("tags", columns.map("tags").or_else(|| columns.map_of_prefix("tag_")).unwrap_or_else(|| "NULL".into())),
        ("cost_categories", "NULL".into()),
    ];
    let optional = [
        ("account", "one account, named as the source"),
        ("service", "one service, named as the source"),
        ("region", "every region is `global`"),
        ("usage_type", "no breakdown by usage type"),
        ("resource", "no breakdown by resource"),
        ("currency", "amounts are taken as USD"),
    ];
    let absent = optional.into_iter().filter(|(name, _)| !columns.has(name));
    let missing = absent.map(|(name, consequence)| Missing { column: name.into(), consequence }).collect();
    let casts = [("cost", "DOUBLE"), ("usage_amount", "DOUBLE"), ("date", "TIMESTAMPTZ")];
    Ok(LineItems { expressions, left_out: None, missing, casts: columns.casts(casts.into_iter()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_have_many_spellings() {
        for (header, name) in [
            ("Date", "date"),
            ("Service Name", "service"),
            ("AMOUNT", "cost"),
            ("tag:team", "tag_team"),
            ("account_id", "account"),
        ] {
            assert_eq!(column_name(header), name);
        }
    }
}
