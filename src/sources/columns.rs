//! From a file's columns to the columns of `cost_line_items`: a small builder of SQL expressions.
//! It never reads data; whether a column exists is all it asks.

use std::collections::BTreeMap;

use super::line_item::LineItem;
use crate::error::{Error, Result};

/// What a column of a file holds, as far as casts differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Number,
    Time,
    Map,
    /// A list of structs with a `key` and a `value`.
    Entries,
    Other,
}

/// One column of a file.
#[derive(Clone, Debug)]
pub struct Column {
    /// The name to look it up by; several columns may share one.
    pub name: String,
    /// The name to read it by in SQL.
    pub physical: String,
    pub kind: Kind,
    /// Whether the column has a value in any row; `None` where only reading the rows can tell.
    pub filled: Option<bool>,
}

impl Column {
    /// A field of this column, which is a struct, as a column `column.field`.
    pub fn part(&self, field: &str, kind: Kind) -> Self {
        Self {
            name: format!("{}.{field}", self.name),
            physical: format!("struct_extract({}, {})", self.physical, quoted(field)),
            kind,
            filled: None,
        }
    }

    /// Whether it is a column of the file, and not a part of one.
    fn is_whole(&self) -> bool {
        self.physical.starts_with('"')
    }
}

/// The columns of one file.
#[derive(Clone, Debug)]
pub struct Columns(Vec<Column>);

/// What a value of a bill is, as far as it tells the forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The start of the charge: its day.
    Start,
    End,
    PeriodStart,
    PeriodEnd,
    Money,
    Quantity,
}

impl Role {
    pub fn is_date(self) -> bool {
        !matches!(self, Role::Money | Role::Quantity)
    }

    /// Whether figures depend on it; the others are only evidence.
    pub fn counts(self) -> bool {
        !matches!(self, Role::End | Role::PeriodEnd)
    }
}

/// A column of a file that must hold dates or numbers.
#[derive(Clone, Debug)]
pub struct Value {
    /// Its name in the file.
    pub name: String,
    /// The name to read it by in SQL.
    pub physical: String,
    /// SQL of its text, NULL for blanks.
    pub text: String,
    pub kind: Kind,
    pub role: Role,
}

/// A column that a file does not have, and what its user loses.
#[derive(Clone, Debug, PartialEq, Eq, schemars::JsonSchema, serde::Serialize)]
pub struct Missing {
    pub column: String,
    pub consequence: &'static str,
}

/// What each column of `cost_line_items` is, as SQL over one file.
#[derive(Clone, Debug)]
pub struct LineItems {
    pub line_item: LineItem,
    /// Rows to leave out, when the file may hold any: a condition, and what they are.
    pub excluded: Option<(String, &'static str)>,
    pub missing: Vec<Missing>,
    /// The columns of the file that must hold dates or numbers.
    pub values: Vec<Value>,
    /// Whether something says which currency amounts are in.
    pub says_currency: bool,
}

impl Columns {
    pub fn new(columns: Vec<Column>) -> Self {
        Self(columns)
    }

    /// The same columns, looked up by other names.
    pub fn renamed(&self, rename: impl Fn(&str) -> String) -> Self {
        let renamed = self.0.iter().map(|column| Column { name: rename(&column.name), ..column.clone() });
        Self(renamed.collect())
    }

    /// The columns in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Column> + Clone {
        self.0.iter()
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|column| column.name == name)
    }

    /// Whether the column has values: `None` where only reading the rows can tell.
    pub fn is_filled(&self, name: &str) -> Option<bool> {
        let mut known = self.0.iter().filter(|column| column.name == name).map(|column| column.filled);
        known.try_fold(false, |any, filled| Some(any || filled?))
    }

    /// Settles whether `name` has values.
    pub fn set_filled(&mut self, name: &str, filled: bool) {
        self.0.iter_mut().filter(|column| column.name == name).for_each(|column| column.filled = Some(filled));
    }

    pub fn has_prefix(&self, prefix: &str) -> bool {
        self.0.iter().any(|column| column.name.starts_with(prefix))
    }

    /// The first names, for an error.
    pub fn preview(&self, count: usize) -> String {
        let names: Vec<String> = self.0.iter().take(count).map(|column| format!("`{}`", column.name)).collect();
        let rest = self.0.len().saturating_sub(count);
        if rest > 0 { format!("{} and {rest} more", names.join(", ")) } else { names.join(", ") }
    }

    /// Fails unless each of `required` is there; a requirement is a list of accepted names.
    pub fn require(&self, format: &str, required: &[&[&str]]) -> Result<()> {
        let lacking: Vec<String> = required
            .iter()
            .filter(|accepted| !accepted.iter().any(|name| self.has(name)))
            .map(|accepted| accepted.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or "))
            .collect();
        if lacking.is_empty() {
            return Ok(());
        }
        Err(Error::input(format!("a column that {format} requires is missing: {}", lacking.join(", ")))
            .cause(format!("it has {}", self.preview(8)))
            .hint("select the column in the export, or name another format with `--format-hint`"))
    }

    /// The text of a column, NULL for blanks. Columns of one name are merged.
    pub fn text(&self, name: &str) -> Option<String> {
        self.merged(name, text_of)
    }

    /// The number of a column in DOUBLE, NULL for blanks.
    pub fn number(&self, name: &str) -> Option<String> {
        self.merged(name, |column| match column.kind {
            Kind::Number => format!("CAST({} AS DOUBLE)", column.physical),
            _ => format!("CAST({} AS DOUBLE)", text_of(column)),
        })
    }

    /// The instant of a column as TIMESTAMP in UTC; offsets in text are applied.
    pub fn time(&self, name: &str) -> Option<String> {
        self.merged(name, |column| time_of(column, "CAST"))
    }

    /// Like [`Columns::time`] where the expression `other` is NULL; elsewhere nothing is read, whatever DuckDB computes before it needs to.
    pub fn time_unless(&self, other: &str, name: &str) -> Option<String> {
        self.merged(name, |column| {
            let text = format!("CASE WHEN {other} IS NULL THEN {} END", text_of(column));
            format!("CAST(CAST({text} AS TIMESTAMPTZ) AS TIMESTAMP)")
        })
    }

    /// The TIMESTAMP of a text column that is written as `format` says (of `strptime`), NULL for what is written otherwise;
    /// nothing where the column is missing, or is no text.
    pub fn time_written(&self, name: &str, format: &str) -> Option<String> {
        let is_text = self.iter().filter(|column| column.name == name).all(|column| column.kind == Kind::Text);
        let written = |column: &Column| format!("try_strptime({}, {})", text_of(column), quoted(format));
        self.merged(name, written).filter(|_| is_text)
    }

    /// Like [`Columns::time`], NULL for what is no time. For times that no figure depends on.
    pub fn lenient_time(&self, name: &str) -> Option<String> {
        self.merged(name, |column| time_of(column, "TRY_CAST"))
    }

    /// The MAP(VARCHAR, VARCHAR) of a column, whether it is a map or JSON text, with or without the outer
    /// braces; NULL when empty, and when unreadable, since no figure depends on it.
    pub fn map(&self, name: &str) -> Option<String> {
        self.merged(name, |column| match column.kind {
            Kind::Map => {
                let map = format!("CAST({} AS MAP(VARCHAR, VARCHAR))", column.physical);
                format!("CASE WHEN cardinality({map}) > 0 THEN {map} END")
            }
            Kind::Entries => map_of_entries(&column.physical),
            _ => {
                let text = text_of(column);
                let map = |text: &str| format!("TRY(CAST(TRY_CAST({text} AS JSON) AS MAP(VARCHAR, VARCHAR)))");
                format!(
                    "COALESCE({}, {})",
                    map(&format!("nullif({text}, '{{}}')")),
                    map(&format!("'{{' || {text} || '}}'"))
                )
            }
        })
    }

    /// Those of `wanted` that there are, each with what it is; parts of columns have a type of their own.
    pub fn values(&self, wanted: impl IntoIterator<Item = (&'static str, Role)>) -> Vec<Value> {
        let value = |column: &Column, role: Role| Value {
            name: column.physical.trim_matches('"').replace("\"\"", "\""),
            physical: column.physical.clone(),
            text: text_of(column),
            kind: column.kind,
            role,
        };
        wanted
            .into_iter()
            .flat_map(|(name, role)| {
                let columns = self.0.iter().filter(move |column| column.name == name && column.is_whole());
                columns.map(move |column| value(column, role))
            })
            .collect()
    }

    /// The MAP of all columns that start with `prefix`, keyed by the rest; NULL when all are blank.
    pub fn map_of_prefix(&self, prefix: &str) -> Option<String> {
        let mut by_key: BTreeMap<&str, Vec<&Column>> = BTreeMap::new();
        for column in &self.0 {
            if let Some(key) = column.name.strip_prefix(prefix) {
                by_key.entry(key).or_default().push(column);
            }
        }
        let value = |columns: &Vec<&Column>| match columns.as_slice() {
            [text] if text.kind == Kind::Text => text.physical.clone(),
            several => coalesce(several.iter().map(|column| text_of(column))).unwrap_or_default(),
        };
        let keys: Vec<String> = by_key.keys().map(|key| quoted(key)).collect();
        let values: Vec<String> = by_key.values().map(value).collect();
        // Blanks are left out of the list, not of each column: DuckDB's time grows with the square of the expressions.
        (!keys.is_empty()).then(|| {
            format!(
                "map_from_entries(nullif(list_filter(list_zip([{}], [{}]), lambda entry: entry[2] <> ''), []))",
                keys.join(", "),
                values.join(", ")
            )
        })
    }

    /// One value of a map column; a text column is read as JSON.
    pub fn map_value(&self, name: &str, key: &str) -> Option<String> {
        self.merged(name, |column| match column.kind {
            Kind::Map => format!("nullif({}['{key}'], '')", column.physical),
            _ => format!("nullif(json_extract_string(TRY_CAST({} AS JSON), '$.\"{key}\"'), '')", text_of(column)),
        })
    }

    fn merged(&self, name: &str, expression: impl Fn(&Column) -> String) -> Option<String> {
        let all: Vec<String> = self.0.iter().filter(|column| column.name == name).map(expression).collect();
        coalesce(all)
    }
}

/// The MAP of a list of structs with a `key` and a `value`; of two of one key the first counts. NULL when empty.
pub(crate) fn map_of_entries(list: &str) -> String {
    let keys = format!("list_transform({list}, lambda entry: entry.key)");
    format!(
        "CASE WHEN len({list}) > 0 THEN COALESCE(TRY(map_from_entries({list})), map_from_entries(list_filter({list}, \
         lambda entry, i: entry.key IS NOT NULL AND list_position({keys}, entry.key) = i))) END"
    )
}

/// Text is read with its offset, which a plain TIMESTAMP would drop.
fn time_of(column: &Column, cast: &str) -> String {
    match column.kind {
        Kind::Time => format!("CAST({} AS TIMESTAMP)", column.physical),
        _ => format!("CAST({cast}({} AS TIMESTAMPTZ) AS TIMESTAMP)", text_of(column)),
    }
}

fn text_of(column: &Column) -> String {
    match column.kind {
        Kind::Text => format!("nullif({}, '')", column.physical),
        _ => format!("nullif(CAST({} AS VARCHAR), '')", column.physical),
    }
}

/// `COALESCE` of what is there; nothing when nothing is.
pub(crate) fn coalesce(expressions: impl IntoIterator<Item = String>) -> Option<String> {
    let mut all: Vec<String> = expressions.into_iter().collect();
    match all.len() {
        0 => None,
        1 => all.pop(),
        _ => Some(format!("COALESCE({})", all.join(", "))),
    }
}

/// The SQL literal of a text.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The SQL identifier of a name.
pub(crate) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The column name that AWS's Athena integration makes of a CUR header, so that one mapping serves
/// CSV and parquet: `lineItem/UsageStartDate` becomes `line_item_usage_start_date`,
/// `reservation/ReservationARN` becomes `reservation_reservation_a_r_n`.
///
/// Letters of other scripts stay as they are, so that `user:部署` and `user:環境` stay two keys.
///
/// Source: AWS CUR user guide, "Querying CUR using Athena" (column names).
pub(crate) fn cur_column_name(header: &str) -> String {
    let mut name = String::with_capacity(header.len() + 8);
    for character in header.chars() {
        if character.is_ascii_uppercase() {
            name.push('_');
            name.push(character.to_ascii_lowercase());
        } else if character.is_ascii_alphanumeric() || is_of_a_word(character) {
            name.push(character);
        } else {
            name.push('_');
        }
    }
    let parts: Vec<&str> = name.split('_').filter(|part| !part.is_empty()).collect();
    parts.join("_")
}

/// Whether a character beyond ASCII is a part of a word: letters, their marks, digits.
fn is_of_a_word(character: char) -> bool {
    !character.is_ascii() && !character.is_whitespace() && !character.is_control()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(names: &[(&str, Kind)]) -> Columns {
        let columns = names.iter().map(|(name, kind)| Column {
            name: (*name).into(),
            physical: identifier(name),
            kind: *kind,
            filled: Some(true),
        });
        Columns::new(columns.collect())
    }

    #[test]
    fn names_follow_the_athena_rule() {
        for (header, expected) in [
            ("lineItem/UsageStartDate", "line_item_usage_start_date"),
            ("reservation/ReservationARN", "reservation_reservation_a_r_n"),
            ("savingsPlan/SavingsPlanARN", "savings_plan_savings_plan_a_r_n"),
            ("pricing/publicOnDemandCost", "pricing_public_on_demand_cost"),
            ("product/servicecode", "product_servicecode"),
            ("resourceTags/user:CostCenter", "resource_tags_user_cost_center"),
            ("line_item_usage_type", "line_item_usage_type"),
            ("resourceTags/user:部署", "resource_tags_user_部署"),
            ("resourceTags/user:環境", "resource_tags_user_環境"),
            ("resourceTags/user:แผนก", "resource_tags_user_แผนก"),
        ] {
            assert_eq!(cur_column_name(header), expected);
        }
    }

    #[test]
    fn columns_of_one_name_are_merged() {
        let both = columns(&[("resourceTags/user:Name", Kind::Text), ("resourceTags/user:name", Kind::Text)])
            .renamed(cur_column_name);
        assert_eq!(
            both.text("resource_tags_user_name").expect("merged"),
            "COALESCE(nullif(\"resourceTags/user:Name\", ''), nullif(\"resourceTags/user:name\", ''))"
        );
    }

    #[test]
    fn a_missing_requirement_names_what_would_do() {
        let error = columns(&[("a", Kind::Text)]).require("x", &[&["b", "c"], &["a"]]).expect_err("missing");
        assert!(error.to_string().contains("missing: `b` or `c`"), "{error}");
    }
}
