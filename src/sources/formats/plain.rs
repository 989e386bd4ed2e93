//! Plain CSV files of any other vendor: a date, a cost, and whatever else is known. Which column is which is said
//! by its name, or by the user; a column that looks like a date, a cost or a currency is never passed over.

use std::{collections::BTreeMap, path::Path};

use super::{Layout, Table, Understood};
use crate::{
    error::{Error, Result, nearest},
    sources::{
        columns::{Column, Columns, LineItems, Missing, Role, coalesce, cur_column_name, quoted},
        line_item::LineItem,
        looks::{self, About},
        mapping::{FIELDS, Field, Mapping, compared},
    },
};

/// A plain table.
pub(crate) struct Plain;

impl Layout for Plain {
    // One of the two columns makes it plain what was meant; the other is then asked for by name.
    fn is_known_by(&self, columns: &Columns, _path: &Path) -> bool {
        is_meant(columns)
    }

    fn understand(&self, table: Table) -> Result<Understood> {
        let fields = fields_of(table.columns, table.mapping, table.about)?;
        let line_items = line_items(&fields, table.mapping, table.data_source)?;
        Ok(Understood { columns: fields.columns, line_items, version: None, charges: None })
    }
}

/// Fields of which money depends: two columns that may be one of them are a question to the user.
const DECISIVE: [&str; 3] = ["date", "cost", "currency"];

/// What `charge_category` may say: FOCUS's words and AWS's.
const CATEGORIES: &str = "'usage', 'purchase', 'fee', 'tax', 'credit', 'refund', 'adjustment', 'discount'";

/// The key of a column of tags: of `tag:Team` and `tag_team`.
fn tag(header: &str) -> Option<String> {
    let simple = cur_column_name(&header.to_lowercase());
    simple.strip_prefix("tag_").filter(|key| !key.is_empty()).map(|_| simple.clone())
}

/// Whether the columns are meant for a plain CSV: `date` or `cost` by that very name, or both by any.
fn is_meant(columns: &Columns) -> bool {
    let by_name = |field: &Field| columns.iter().any(|column| compared(&column.name) == compared(field.name));
    let by_alias = |field: &Field| columns.iter().any(|column| is_alias(field, &column.name));
    let [date, cost, ..] = &FIELDS;
    by_name(date) || by_name(cost) || (by_alias(date) && by_alias(cost))
}

fn is_alias(field: &Field, header: &str) -> bool {
    let header = compared(header);
    field.aliases.iter().any(|alias| compared(alias) == header)
}

/// Whether each column that `mapping` names is there.
pub(crate) fn fits(columns: &Columns, mapping: &Mapping) -> bool {
    !mapping.columns.is_empty() && mapping.columns.values().all(|wanted| named(columns, wanted).is_ok())
}

/// The column of this name: spelled so, else the only one that compares equal.
fn named<'a>(columns: &'a Columns, wanted: &str) -> Result<&'a Column> {
    if let Some(exact) = columns.iter().find(|column| column.name == wanted) {
        return Ok(exact);
    }
    let alike: Vec<&Column> = columns.iter().filter(|column| compared(&column.name) == compared(wanted)).collect();
    match alike.as_slice() {
        [one] => Ok(one),
        _ => {
            let error = Error::input(format!("there is no column `{wanted}`"))
                .cause(format!("the columns are {}", columns.preview(12)));
            Err(match nearest(wanted, columns.iter().map(|column| column.name.as_str())) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error,
            })
        }
    }
}

/// Which column is which field.
struct Fields {
    /// Named by field; what is no field has a name that no field has.
    columns: Columns,
    /// Whether the vendor has categories of its own that are no charge categories.
    own_categories: bool,
}

/// Finds out which column is which field.
///
/// # Errors
/// When a field that money depends on is not found, or found twice. The error shows the mapping to write.
fn fields_of(columns: &Columns, mapping: &Mapping, about: About) -> Result<Fields> {
    let mut fields: BTreeMap<&str, String> = BTreeMap::new();
    for (field, wanted) in &mapping.columns {
        fields.insert(&named(columns, wanted)?.physical, field.clone());
    }
    let mapped: Vec<String> = mapping.columns.keys().chain(mapping.values.keys()).cloned().collect();
    for field in FIELDS.iter().filter(|field| !mapped.iter().any(|mapped| mapped == field.name)) {
        let free = |column: &&Column| !fields.contains_key(column.physical.as_str());
        let exact: Vec<&Column> =
            columns.iter().filter(free).filter(|column| compared(&column.name) == compared(field.name)).collect();
        let found = if exact.is_empty() { by_alias(columns, field, &free) } else { exact };
        match found.as_slice() {
            [] => {}
            [_, _, ..] if DECISIVE.contains(&field.name) => return Err(several(field, &found, mapping, about)),
            [first, ..] => {
                fields.insert(&first.physical, field.name.to_owned());
            }
        }
    }
    let has = |name: &str| mapping.values.contains_key(name) || fields.values().any(|field| field == name);
    let lacking: Vec<&str> = DECISIVE.into_iter().filter(|name| !has(name)).collect();
    if !lacking.is_empty() {
        looks::refuse_lookalikes(columns, &fields, mapping, &lacking, about)?;
    }
    let own_categories = has_own_categories(columns, &fields, about)?;
    let named = columns.iter().enumerate().map(|(place, column)| {
        let field =
            fields.get(column.physical.as_str()).filter(|field| !(own_categories && *field == "charge_category"));
        let name = field.cloned().or_else(|| tag(&column.name)).unwrap_or_else(|| format!("column {place}"));
        Column { name, ..column.clone() }
    });
    Ok(Fields { columns: Columns::new(named.collect()), own_categories })
}

/// The columns with an alias of `field`: all of what money depends on, else the first alias that there is.
fn by_alias<'a>(columns: &'a Columns, field: &Field, free: &impl Fn(&&Column) -> bool) -> Vec<&'a Column> {
    let of =
        |alias: &str| columns.iter().filter(free).filter(|column| compared(&column.name) == compared(alias)).collect();
    let all: Vec<Vec<&Column>> =
        field.aliases.iter().map(|alias| of(alias)).filter(|found: &Vec<_>| !found.is_empty()).collect();
    if DECISIVE.contains(&field.name) { all.concat() } else { all.into_iter().next().unwrap_or_default() }
}

fn several(field: &Field, found: &[&Column], mapping: &Mapping, about: About) -> Error {
    let names: Vec<String> = found.iter().map(|column| format!("`{}`", column.name)).collect();
    let first = [(field.name, found[0].name.as_str())];
    Error::input(format!("the columns {} may each be the {}", names.join(" and "), field.name))
        .hint(format!("say which: `{}`", looks::command(about.path, mapping, &first)))
}

/// Whether the column `category` has words that are no charge categories: then it is the vendor's own.
fn has_own_categories(columns: &Columns, fields: &BTreeMap<&str, String>, about: About) -> Result<bool> {
    let is_category = |column: &&Column| {
        fields.get(column.physical.as_str()).is_some_and(|field| field == "charge_category")
            && compared(&column.name) == "category"
    };
    let Some(column) = columns.iter().find(is_category) else { return Ok(false) };
    let rows = (about.ask)(&format!(
        "SELECT 1 FROM {} WHERE lower(trim(CAST({} AS VARCHAR))) NOT IN ('', {CATEGORIES}) LIMIT 1",
        about.from, column.physical
    ))?;
    Ok(!rows.is_empty())
}

/// The line items of a plain CSV that is understood.
///
/// # Errors
/// When `date` or `cost` is missing.
fn line_items(file: &Fields, mapping: &Mapping, data_source: &str) -> Result<LineItems> {
    let columns = &file.columns;
    let constant = |name: &str| mapping.values.get(name).map(|value| quoted(value));
    let text = |name: &str, otherwise: &str| {
        constant(name)
            .or_else(|| coalesce(columns.text(name).into_iter().chain([otherwise.to_owned()])))
            .unwrap_or_default()
    };
    let start = columns.time("date").unwrap_or_default();
    let cost = format!("COALESCE({}, 0)", columns.number("cost").unwrap_or_default());
    let category = text("charge_category", "'Usage'");
    let line_item = LineItem {
        usage_start: start.clone(),
        usage_end: format!("{start} + INTERVAL 1 DAY"),
        usage_date: format!("CAST({start} AS DATE)"),
        billing_period: format!("CAST(date_trunc('month', {start}) AS DATE)"),
        provider: text("provider", &quoted(data_source)),
        payer_account_id: text("payer_account_id", &quoted(data_source)),
        usage_account_id: text("account", &quoted(data_source)),
        usage_account_name: text("account_name", "NULL"),
        product_code: text("service", &quoted(data_source)),
        product_name: text("service", "NULL"),
        region: text("region", "'global'"),
        availability_zone: "NULL".into(),
        usage_type: text("usage_type", "NULL"),
        operation: text("operation", "NULL"),
        resource_id: text("resource", "NULL"),
        line_item_type: text("line_item_type", &category),
        charge_category: format!(
            "CASE lower({category}) WHEN 'purchase' THEN 'Purchase' WHEN 'fee' THEN 'Purchase' WHEN 'tax' THEN 'Tax' \
                 WHEN 'credit' THEN 'Credit' WHEN 'refund' THEN 'Credit' WHEN 'adjustment' THEN 'Adjustment' \
                 WHEN 'discount' THEN 'Adjustment' ELSE 'Usage' END"
        ),
        billing_entity: "NULL".into(),
        purchase_option: text("purchase_option", "NULL"),
        commitment_id: "NULL".into(),
        commitment_end: "NULL".into(),
        description: text("description", "NULL"),
        invoice_id: text("invoice_id", "NULL"),
        usage_amount: columns.number("usage_amount").unwrap_or_else(|| "NULL".into()),
        usage_unit: text("usage_unit", "NULL"),
        currency: format!("upper({})", text("currency", "'USD'")),
        usd_rate: "NULL".into(),
        unblended_cost: cost.clone(),
        blended_cost: "NULL".into(),
        amortized_cost: cost.clone(),
        net_unblended_cost: cost.clone(),
        net_amortized_cost: cost,
        list_cost: "NULL".into(),
        tags: columns.map("tags").or_else(|| columns.map_of_prefix("tag_")).unwrap_or_else(|| "NULL".into()),
        cost_categories: "NULL".into(),
        estimated: "NULL".into(),
    };
    let says_currency = columns.has("currency") || mapping.values.contains_key("currency");
    let optional = [
        ("account", "one account, named as the source"),
        ("service", "one service, named as the source"),
        ("region", "every region is `global`"),
        ("usage_type", "no breakdown by usage type"),
        ("resource", "no breakdown by resource"),
        ("currency", "amounts are taken as USD"),
    ];
    let absent = optional.into_iter().filter(|(name, _)| !columns.has(name) && !mapping.values.contains_key(*name));
    let mut missing: Vec<Missing> =
        absent.map(|(name, consequence)| Missing { column: name.into(), consequence }).collect();
    if file.own_categories {
        let consequence = "`category` has the vendor's own words: every line is usage";
        missing.push(Missing { column: "charge_category".into(), consequence });
    }
    let values = columns.values([("cost", Role::Money), ("usage_amount", Role::Quantity), ("date", Role::Start)]);
    Ok(LineItems { line_item, excluded: None, missing, values, says_currency })
}
