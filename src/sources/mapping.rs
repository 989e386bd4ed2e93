//! What a user says of a plain CSV: which column is which field. On the command line, and saved by name.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{columns::cur_column_name, dates::DateOrder, numbers::Decimal};
use crate::{
    error::{Error, Result, nearest},
    model::as_text,
};

/// The mappings of the configuration, by name.
pub(crate) type Settings = BTreeMap<String, Mapping>;

/// How the columns of a vendor's file are read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mapping {
    /// From a field, such as `date`, to the column of the file that it is in.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub columns: BTreeMap<String, String>,
    /// From a field, such as `currency`, to the value that it has in every row.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, String>,
    /// The order of dates, where a file does not decide.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date_order: Option<DateOrder>,
    /// The sign before decimals, where a file does not decide.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decimal: Option<Decimal>,
}

/// A field of a plain CSV and the other names that headers have for it.
pub(crate) struct Field {
    pub name: &'static str,
    pub aliases: &'static [&'static str],
}

const fn field(name: &'static str, aliases: &'static [&'static str]) -> Field {
    Field { name, aliases }
}

/// All fields. Names are compared without case, blanks, underscores and hyphens.
pub(crate) const FIELDS: [Field; 20] = [
    field("date", &["day", "usage_date", "usage_day", "charge_date", "usage_start_date"]),
    field("cost", &["amount", "unblended_cost", "cost_usd", "total_cost", "billed_cost"]),
    field("currency", &["currency_code", "billing_currency", "billing_currency_code", "cost_currency"]),
    field("account", &["account_id", "usage_account_id"]),
    field("account_name", &["usage_account_name"]),
    field("payer_account_id", &["payer", "payer_account"]),
    field("service", &["service_name", "product", "product_code", "product_name"]),
    field("region", &["region_name", "region_id"]),
    field("usage_type", &[]),
    field("operation", &[]),
    field("resource", &["resource_id"]),
    field("usage_amount", &["quantity", "usage_quantity"]),
    field("usage_unit", &["unit", "unit_of_measure"]),
    field("description", &["line_item_description"]),
    field("charge_category", &["charge_type", "category"]),
    field("line_item_type", &[]),
    field("purchase_option", &[]),
    field("provider", &[]),
    field("invoice_id", &["invoice"]),
    field("tags", &[]),
];

/// A header as a name of words joined by underscores: `UsageDate` and `Usage Date` are `usage_date`.
pub(crate) fn simple_name(header: &str) -> String {
    let mut name = String::new();
    let mut before = '_';
    for character in header.chars() {
        if character.is_uppercase() && before.is_lowercase() {
            name.push('_');
        }
        name.extend(character.to_lowercase());
        before = character;
    }
    cur_column_name(&name)
}

/// A name as it is compared: letters and digits alone.
pub(crate) fn compared(name: &str) -> String {
    name.chars().filter(|c| !c.is_whitespace() && !c.is_ascii_punctuation()).flat_map(char::to_lowercase).collect()
}

/// One `FIELD=COLUMN` or `FIELD:=VALUE` of the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    field: String,
    is_value: bool,
    text: String,
}

/// Fields of which a value for all rows makes no sense.
const OF_EACH_ROW: [&str; 3] = ["date", "cost", "usage_amount"];

/// The field that a name means: `tag:Team` is `tag_team`.
fn known_field(name: &str) -> Result<String> {
    let name = name.trim();
    let simple = simple_name(name);
    if let Some(key) = simple.strip_prefix("tag_").filter(|key| !key.is_empty()) {
        return Ok(format!("tag_{key}"));
    }
    let names = FIELDS.iter().map(|field| field.name);
    if let Some(known) = names.clone().find(|known| *known == simple) {
        return Ok(known.to_owned());
    }
    let all = names.clone().collect::<Vec<_>>().join(", ");
    let error = Error::usage(format!("there is no field `{name}`"));
    Err(match nearest(&simple, names) {
        Some(near) => error.hint(format!("did you mean `{near}`? There are: {all}, tag_KEY")),
        None => error.hint(format!("there are: {all}, tag_KEY")),
    })
}

/// Reads `FIELD=COLUMN` or `FIELD:=VALUE`.
impl FromStr for Assignment {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            Error::usage(format!("`{text}` is no mapping"))
                .hint("write FIELD=COLUMN, such as `--map date=UsageDate`, or FIELD:=VALUE for a value that all rows have, such as `--map currency:=EUR`")
        };
        let (name, value) = text.split_once('=').ok_or_else(wrong)?;
        let (name, is_value) = name.strip_suffix(':').map_or((name, false), |name| (name, true));
        if name.trim().is_empty() || value.trim().is_empty() {
            return Err(wrong());
        }
        Ok(Assignment { field: known_field(name)?, is_value, text: value.trim().to_owned() })
    }
}

impl fmt::Display for Assignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}={}", self.field, if self.is_value { ":" } else { "" }, self.text)
    }
}

as_text!(Assignment: { "type": "string", "description": "FIELD=COLUMN, or FIELD:=VALUE for all rows" });

impl Mapping {
    /// This mapping with what the command line adds; the command line wins.
    pub fn with(mut self, assignments: &[Assignment], date_order: Option<DateOrder>, decimal: Option<Decimal>) -> Self {
        for Assignment { field, is_value, text } in assignments {
            self.columns.remove(field);
            self.values.remove(field);
            let map = if *is_value { &mut self.values } else { &mut self.columns };
            map.insert(field.clone(), text.clone());
        }
        self.date_order = date_order.or(self.date_order);
        self.decimal = decimal.or(self.decimal);
        self
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it names fields, so that the file can only be a plain CSV.
    pub fn names_fields(&self) -> bool {
        !self.columns.is_empty() || !self.values.is_empty()
    }

    /// Refuses fields that do not exist, and values of what each row has for itself.
    ///
    /// # Errors
    /// When a field is not known.
    pub fn check(&self) -> Result<()> {
        for name in self.columns.keys().chain(self.values.keys()) {
            known_field(name)?;
        }
        match OF_EACH_ROW.iter().find(|field| self.values.contains_key(**field)) {
            Some(field) => Err(Error::usage(format!("`{field}` cannot be the same in every row"))
                .hint(format!("name its column: `{field}=COLUMN`"))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_name_a_column_or_a_value() {
        let read = |text: &str| {
            text.parse::<Assignment>().map(|read| (read.field, read.is_value, read.text)).map_err(|e| e.to_string())
        };
        assert_eq!(read("date=Usage Date"), Ok(("date".into(), false, "Usage Date".into())));
        assert_eq!(read("currency:=EUR"), Ok(("currency".into(), true, "EUR".into())));
        assert_eq!(read("tag:部署=Abteilung=2"), Ok(("tag_部署".into(), false, "Abteilung=2".into())));
        assert_eq!(read("Usage-Amount=x"), Ok(("usage_amount".into(), false, "x".into())));
        assert!(read("dat=x").expect_err("unknown").contains("did you mean `date`?"));
        assert!(read("date").expect_err("no column").contains("write FIELD=COLUMN"));
    }

    #[test]
    fn the_command_line_wins_over_what_is_saved() {
        let saved = Mapping { values: [("currency".into(), "EUR".into())].into(), ..Mapping::default() };
        let both = saved.with(&["currency=Currency".parse().expect("fine")], Some(DateOrder::Dmy), None);
        assert_eq!(both.values, BTreeMap::new());
        assert_eq!(both.columns["currency"], "Currency");
        assert_eq!(both.date_order, Some(DateOrder::Dmy));
    }

    #[test]
    fn a_cost_is_of_its_row() {
        let mapping = Mapping::default().with(&["cost:=3".parse().expect("fine")], None, None);
        assert!(mapping.check().expect_err("nonsense").to_string().contains("`cost` cannot be the same in every row"));
    }
}
