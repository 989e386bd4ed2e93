//! Google Cloud's billing exports of BigQuery, standard and detailed: which column is which fact. They are nested, and come out of
//! BigQuery as parquet, as JSON lines, or made flat by somebody's query or script, with dots or underscores in the names and the
//! credits as JSON or as Python prints them. What is charged is the cost and **all** credits of a row, so each credit is a line
//! item of its own. <https://cloud.google.com/billing/docs/how-to/export-data-bigquery-tables/standard-usage>.

use std::path::Path;

use super::{Layout, Table, Understood};
use crate::{
    error::Result,
    sources::{
        columns::{Column, Columns, Kind, LineItems, Missing, Role, Value, coalesce, map_of_entries},
        files::Field,
        line_item::LineItem,
    },
};

/// One of the two exports. Both describe the same money.
pub(crate) struct Gcp {
    is_detailed: bool,
}

/// `gcp_billing_export_v1_…`: by project and SKU.
pub(crate) const STANDARD: Gcp = Gcp { is_detailed: false };
/// `gcp_billing_export_resource_v1_…`: by resource, too.
pub(crate) const DETAILED: Gcp = Gcp { is_detailed: true };

/// Units of the currency that one US dollar is.
const RATE: &str = "currency_conversion_rate";

impl Layout for Gcp {
    fn is_known_by(&self, columns: &Columns, _path: &Path) -> bool {
        let columns = columns.renamed(name);
        let has = |names: &[&str]| names.iter().any(|name| columns.has(name));
        let is_gcp = columns.has("usage_start_time")
            && columns.has("cost")
            && columns.has("billing_account_id")
            && has(&["sku_id", "sku_description", "service_description"])
            && has(&["credits", "invoice_month", "project_id"]);
        let is_detailed = has(&["resource_name", "resource_global_name"]);
        is_gcp && !columns.has("chargeperiodstart") && is_detailed == self.is_detailed
    }

    fn understand(&self, table: Table) -> Result<Understood> {
        let columns = table.columns.renamed(name);
        let line_items = self.line_items(&columns)?;
        let version = match () {
            () if columns.iter().any(|column| column.name == "credits" && column.kind != Kind::Text) => "nested",
            () => "flat",
        };
        let charges = charges(&columns);
        Ok(Understood { columns, line_items, version: Some(version), charges: Some(charges) })
    }

    /// What rows of an export lack is not in its JSON at all.
    fn fields(&self) -> Vec<Field> {
        vec![
            Field::of("service", &["id", "description"]),
            Field::of("sku", &["id", "description"]),
            Field::of("project", &["id", "name"]),
            Field::list_of("labels", &["key", "value"]),
            Field::of("location", &["location", "region", "zone"]),
            Field::of("usage", &["amount", "unit", "amount_in_pricing_units", "pricing_unit"]),
            Field::list_of("credits", &["name", "amount", "full_name", "id", "type"]),
            Field::of("invoice", &["month"]),
            Field::text("cost_type"),
            Field::text("currency"),
            Field::text("cost_at_list"),
            Field::text(RATE),
        ]
    }
}

/// A column's own name: `service.id` and `service_id` are one.
fn name(column: &str) -> String {
    let name = column.trim_start_matches('\u{feff}').trim().to_lowercase().replace(['.', ' '], "_");
    match name.as_str() {
        "billing_account" => "billing_account_id".to_owned(),
        _ => name,
    }
}

impl Gcp {
    /// The line items of an export with `columns` named by [`name`]; `charge` is one of a row's charges, by [`charges`].
    ///
    /// # Errors
    /// When a column is missing without which no cost can be told.
    fn line_items(&self, columns: &Columns) -> Result<LineItems> {
        columns.require(
            "GCP",
            &[&["usage_start_time"], &["cost"], &["service_description", "service_id", "sku_description"]],
        )?;
        let text = |name: &str| columns.text(name).unwrap_or_else(|| "NULL".into());
        let number = |name: &str| columns.number(name).unwrap_or_else(|| "NULL".into());
        let first = |names: &[&str], otherwise: &str| {
            let found = names.iter().filter_map(|name| columns.text(name));
            coalesce(found.chain([otherwise.to_owned()])).unwrap_or_default()
        };
        // Quantities, list prices and the like are the cost's, not its credits'.
        let of_cost = |value: String| format!("CASE WHEN charge.is_credit THEN NULL ELSE {value} END");
        let start = columns.time("usage_start_time").unwrap_or_default();
        let payer = first(&["billing_account_id"], "'unknown'");
        let service = first(&["service_description", "service_id", "sku_description"], "'unknown'");
        let pricing_quantity = columns.number("usage_amount_in_pricing_units").zip(columns.text("usage_pricing_unit"));
        let (quantity, unit) = pricing_quantity.unwrap_or_else(|| (number("usage_amount"), text("usage_unit")));
        let cost = "charge.cost".to_owned();
        let line_item = LineItem {
            usage_start: start.clone(),
            usage_end: columns.lenient_time("usage_end_time").unwrap_or_else(|| "NULL".into()),
            usage_date: format!("CAST({start} AS DATE)"),
            billing_period: invoice_month(columns, &start),
            provider: "'Google Cloud'".into(),
            payer_account_id: payer.clone(),
            // Taxes and support are of no project: they are the billing account's own.
            usage_account_id: first(&["project_id"], &payer),
            usage_account_name: text("project_name"),
            product_code: service.clone(),
            product_name: service,
            region: first(&["location_region", "location_location"], "'global'"),
            availability_zone: text("location_zone"),
            usage_type: first(&["sku_description", "sku_id"], "NULL"),
            operation: text("sku_id"),
            resource_id: first(&["resource_global_name", "resource_name"], "NULL"),
            line_item_type: format!(
                "CASE WHEN charge.is_credit THEN COALESCE(charge.kind, 'CREDIT') ELSE {} END",
                first(&["cost_type"], "'regular'")
            ),
            charge_category: charge_category(&text("cost_type")),
            billing_entity: first(&["seller_name"], "NULL"),
            description: format!("COALESCE(charge.name, {})", text("sku_description")),
            usage_amount: of_cost(quantity),
            usage_unit: of_cost(unit),
            currency: format!("upper({})", first(&["currency"], "'USD'")),
            usd_rate: format!("1 / nullif({}, 0)", number(RATE)),
            unblended_cost: cost.clone(),
            amortized_cost: cost.clone(),
            net_unblended_cost: cost.clone(),
            net_amortized_cost: cost,
            list_cost: of_cost(number("cost_at_list")),
            tags: labels(columns),
            ..LineItem::null()
        };
        let mut values = columns.values([
            ("usage_start_time", Role::Start),
            ("usage_end_time", Role::End),
            ("cost", Role::Money),
            ("usage_amount", Role::Quantity),
            ("usage_amount_in_pricing_units", Role::Quantity),
            ("cost_at_list", Role::Quantity),
            (RATE, Role::Quantity),
        ]);
        // Credits in text are one more value that must be read, or named with its row.
        values.extend(columns.values([("credits", Role::Money)]).into_iter().map(|credits| {
            let text = match credits.kind {
                Kind::Text => format!("CASE WHEN {} IS NULL THEN {} END", credits_in_text(&credits.text), credits.text),
                _ => format!(
                    "list_filter(list_transform({}, lambda c: nullif(CAST(c.amount AS VARCHAR), '')), lambda amount: \
                     amount IS NOT NULL AND TRY_CAST(amount AS DOUBLE) IS NULL)[1]",
                    credits.physical
                ),
            };
            Value { text, kind: Kind::Text, ..credits }
        }));
        let says_currency = columns.has("currency");
        Ok(LineItems { line_item, excluded: None, missing: self.missing(columns), values, says_currency })
    }

    fn missing(&self, columns: &Columns) -> Vec<Missing> {
        let optional = [
            ("currency", "amounts are taken as USD"),
            ("billing_account_id", "the payer is `unknown`"),
            ("project_id", "the account is the billing account"),
            ("credits", "costs are before credits and discounts"),
            ("invoice_month", "a line is of the month of its usage"),
            ("cost_type", "every charge counts as usage"),
            ("labels", "no breakdown by tag"),
            ("cost_at_list", "list cost is not known"),
        ];
        let is_there = |name: &str| columns.has(name) || (name == "labels" && columns.has("labels_key"));
        let absent = optional.into_iter().filter(|(name, _)| !is_there(name));
        absent.map(|(name, consequence)| Missing { column: name.into(), consequence }).collect()
    }
}

/// The invoice's month, `202603`; Google's months are Pacific, so it is not always that of the usage.
fn invoice_month(columns: &Columns, start: &str) -> String {
    let usage = format!("CAST(date_trunc('month', {start}) AS DATE)");
    match columns.text("invoice_month") {
        Some(month) => {
            format!("COALESCE(CAST(strptime(left(replace({month}, '-', ''), 6), '%Y%m') AS DATE), {usage})")
        }
        None => usage,
    }
}

/// What a row charges: its cost, then each of its credits, as a list of structs.
fn charges(columns: &Columns) -> String {
    let cost = columns.number("cost").unwrap_or_else(|| "NULL".into());
    let own =
        format!("[{{'is_credit': false, 'kind': NULL::VARCHAR, 'name': NULL::VARCHAR, 'cost': COALESCE({cost}, 0)}}]");
    let credits = columns.iter().filter(|column| column.name == "credits").map(credits);
    match coalesce(credits) {
        Some(credits) => format!("list_concat({own}, {credits})"),
        None => own,
    }
}

/// The credits of a row as a list of structs; none of those without an amount.
fn credits(column: &Column) -> String {
    let list = match column.kind {
        // What cannot be read is no number, and stops the load.
        Kind::Text => {
            let raw = format!("nullif({}, '')", column.physical);
            let unread = format!(
                "[{{'name': NULL::VARCHAR, 'full_name': NULL::VARCHAR, 'type': NULL::VARCHAR, 'amount': {raw}}}]"
            );
            format!("CASE WHEN {raw} IS NOT NULL THEN COALESCE({}, {unread}) END", credits_in_text(&raw))
        }
        _ => column.physical.clone(),
    };
    format!(
        "list_transform(list_filter({list}, lambda c: nullif(CAST(c.amount AS VARCHAR), '') IS NOT NULL), lambda c: \
         {{'is_credit': true, 'kind': c.type, 'name': COALESCE(c.full_name, c.name), 'cost': CAST(c.amount AS DOUBLE)}})"
    )
}

/// JSON in text, also as Python prints it: `'name': "Bob's", 'id': None`, `array([…], dtype=object)`. NULL where it is neither.
fn json_in_text(text: &str) -> String {
    let quoted = format!(r#"regexp_replace({text}, '"([^"\\]*)"|''([^''\\]*)''', '"\1\2"', 'g')"#);
    let plain = format!(r"regexp_replace({quoted}, '\b(None|nan|NaN)\b', 'null', 'g')");
    let plain = format!(r#"regexp_replace({plain}, 'Decimal\(("[^"]*")\)', '\1', 'g')"#);
    let python = format!(r"regexp_replace({plain}, '^\s*array\((.*?)(, *dtype=object)?\)\s*$', '\1')");
    format!("COALESCE(TRY_CAST({text} AS JSON), TRY_CAST({python} AS JSON))")
}

/// A list of credits, or one, in text. NULL where it is neither.
fn credits_in_text(text: &str) -> String {
    let json = json_in_text(text);
    let list = |json: &str| {
        let shape = r#"[{"name":"VARCHAR","full_name":"VARCHAR","type":"VARCHAR","amount":"VARCHAR"}]"#;
        format!("json_transform({json}, '{shape}')")
    };
    format!(
        "CASE json_type({json}) WHEN 'ARRAY' THEN {} WHEN 'OBJECT' THEN {} END",
        list(&json),
        list(&format!("CAST('[' || CAST({json} AS VARCHAR) || ']' AS JSON)"))
    )
}

/// Discounts for how much or how long something is used are adjustments of its price; money that Google gives is a credit.
fn charge_category(cost_type: &str) -> String {
    format!(
        "CASE WHEN charge.is_credit THEN CASE WHEN charge.kind IN ('PROMOTION', 'FREE_TIER') THEN 'Credit' \
         WHEN charge.kind IS NULL AND regexp_matches(charge.name, '(?i)free|promo|trial') THEN 'Credit' ELSE 'Adjustment' END \
         ELSE CASE lower({cost_type}) WHEN 'tax' THEN 'Tax' WHEN 'adjustment' THEN 'Adjustment' \
         WHEN 'rounding_error' THEN 'Adjustment' ELSE 'Usage' END END"
    )
}

/// Labels of the resource; flat files have one pair of them, or JSON.
fn labels(columns: &Columns) -> String {
    let lists = columns.iter().filter(|column| column.name == "labels").map(|column| match column.kind {
        Kind::Text => {
            let json = json_in_text(&format!("nullif({}, '')", column.physical));
            let pairs = r#"[{"key":"VARCHAR","value":"VARCHAR"}]"#;
            let list = format!("CASE json_type({json}) WHEN 'ARRAY' THEN json_transform({json}, '{pairs}') END");
            let map = format!("TRY(CAST(nullif({json}, '{{}}') AS MAP(VARCHAR, VARCHAR)))");
            format!("COALESCE({}, {map})", map_of_entries(&list))
        }
        Kind::Entries => map_of_entries(&column.physical),
        _ => "NULL".to_owned(),
    });
    let pair = columns.text("labels_key").zip(columns.text("labels_value"));
    let pair = pair.map(|(key, value)| format!("CASE WHEN {key} IS NOT NULL THEN MAP {{{key}: {value}}} END"));
    coalesce(lists.chain(pair)).unwrap_or_else(|| "NULL".into())
}
