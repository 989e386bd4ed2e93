//! Columns of plain CSVs that look like a date, a cost or a currency though their names are not known: by words of
//! several languages, and by what their values look like. They are never passed over, but asked about.

use std::collections::BTreeMap;

use super::{
    columns::{Column, Columns},
    forms::Ask,
    mapping::{Mapping, compared, simple_name},
    numbers::CURRENCIES,
};
use crate::{
    error::{Error, Result},
    inert,
};

/// Words in names of columns, by field.
const WORDS: [(&str, &[&str]); 3] = [
    ("date", &["date", "day", "datum", "fecha", "data", "time", "month", "period", "日付", "日期"]),
    (
        "cost",
        &[
            "cost", "amount", "charge", "spend", "total", "price", "kosten", "betrag", "coste", "montant", "importe",
            "preis", "金額", "费用", "料金",
        ],
    ),
    (
        "currency",
        &[
            "currency", "curr", "ccy", "währung", "waehrung", "devise", "moneda", "divisa", "valuta", "moeda", "通貨",
            "币种",
        ],
    ),
];

/// Rows that are looked at.
const SAMPLE: usize = 200;

/// What is known of a file beside its columns.
#[derive(Clone, Copy)]
pub struct About<'a> {
    /// As the user named it, for the command to write.
    pub path: &'a str,
    /// The FROM item that reads it.
    pub from: &'a str,
    pub ask: &'a Ask<'a>,
}

/// Refuses a file that lacks fields which money depends on, and names the columns that may be meant. A currency
/// is only missed where a column looks like one, or says one in its name.
///
/// # Errors
/// When `date` or `cost` is lacking, or a column looks like the currency.
pub(crate) fn refuse_lookalikes(
    columns: &Columns,
    fields: &BTreeMap<&str, String>,
    mapping: &Mapping,
    lacking: &[&str],
    about: About,
) -> Result<()> {
    let (suggested, unknown) = suggestions(columns, fields, lacking, about)?;
    let cost = fields.iter().find(|(_, field)| *field == "cost").map(|(physical, _)| *physical);
    let cost = columns.iter().find(|column| Some(column.physical.as_str()) == cost).map(|column| column.name.as_str());
    let cost = cost.or_else(|| suggested.iter().find(|(field, _)| *field == "cost").map(|(_, name)| name.as_str()));
    let says_currency = lacking.contains(&"currency") && !suggested.iter().any(|(field, _)| *field == "currency");
    let in_name = cost.filter(|_| says_currency).and_then(currency_in_name).filter(|code| *code != "USD");
    let required: Vec<&str> = lacking.iter().copied().filter(|field| *field != "currency").collect();
    if required.is_empty() && suggested.is_empty() && in_name.is_none() {
        return Ok(());
    }
    let mut assigned: Vec<(&str, &str)> = suggested.iter().map(|(field, name)| (*field, name.as_str())).collect();
    if let Some(code) = in_name {
        assigned.push(("currency:", code));
    }
    let error = match (required.as_slice(), suggested.first(), in_name) {
        ([], Some((field, name)), _) => Error::input(format!("the column `{name}` looks like the {field}"))
            .cause("no column has a known name for it, and amounts would be taken as USD"),
        ([], None, Some(code)) => Error::input(format!("the column `{}` says {code}", cost.unwrap_or_default()))
            .cause("no column has a known name for the currency, and amounts would be taken as USD"),
        (required, ..) => {
            let names: Vec<String> = required.iter().map(|field| format!("`{field}`")).collect();
            Error::input(format!("no column has a known name for {}", names.join(" and ")))
                .cause(format!("it has {}", columns.preview(8)))
        }
    };
    if assigned.is_empty() {
        let needed: Vec<(&str, &str)> = unknown.iter().map(|field| (*field, "COLUMN")).collect();
        return Err(error.hint(format!("say which it is: `{}`", command(about.path, mapping, &needed))));
    }
    let needed = unknown.iter().map(|field| (*field, "COLUMN"));
    assigned.extend(needed);
    let error = error.hint(format!("if that is right: `{}`", command(about.path, mapping, &assigned)));
    let is_currency = required.is_empty() && in_name.is_none();
    Err(if is_currency { error.hint("or say the currency of all amounts: `--map currency:=USD`") } else { error })
}

/// Pairs of a field and the column that may be it.
type Suggested<'a> = Vec<(&'a str, String)>;

/// The column that may be each of the fields `lacking`, and those fields that must be there and look like none.
fn suggestions<'a>(
    columns: &Columns,
    fields: &BTreeMap<&str, String>,
    lacking: &[&'a str],
    about: About,
) -> Result<(Suggested<'a>, Vec<&'a str>)> {
    let free: Vec<(usize, &Column)> =
        columns.iter().enumerate().filter(|(_, column)| !fields.contains_key(column.physical.as_str())).collect();
    let rows = (about.ask)(&format!("SELECT CAST(COLUMNS(*) AS VARCHAR) FROM {} LIMIT {SAMPLE}", about.from))?;
    let sample = |place: usize| -> Vec<&str> {
        let values = rows.iter().filter_map(|row| row.get(place)?.as_deref()).map(str::trim);
        values.filter(|value| !value.is_empty()).collect()
    };
    let mut suggested: Vec<(&'a str, String)> = Vec::new();
    let mut unknown = Vec::new();
    for field in lacking {
        let taken = |column: &Column| suggested.iter().any(|(_, name)| *name == column.name);
        let candidates = || free.iter().filter(|(_, column)| !taken(column));
        let by_value = || candidates().find(|(place, _)| looks_like(field, &sample(*place)));
        let by_name = || {
            let named = candidates().filter(|(place, column)| {
                // Rates between currencies are none.
                has_word(field, &column.name) && (*field != "currency" || is_words(&sample(*place)))
            });
            // The first of those whose values fit as well.
            named.max_by_key(|(place, _)| (looks_like(field, &sample(*place)), std::cmp::Reverse(*place)))
        };
        match by_name().or_else(by_value) {
            Some((_, column)) => suggested.push((field, column.name.clone())),
            None if *field != "currency" => unknown.push(*field),
            None => {}
        }
    }
    Ok((suggested, unknown))
}

/// The error that a file is no bill, with the command that reads it where columns look like a date and a cost.
pub(crate) fn with_suggestion(error: Error, columns: &Columns, about: About) -> Error {
    let lacking = ["date", "cost", "currency"];
    match suggestions(columns, &BTreeMap::new(), &lacking, about) {
        Ok((suggested, unknown)) if unknown.is_empty() => {
            let assigned: Vec<(&str, &str)> = suggested.iter().map(|(field, name)| (*field, name.as_str())).collect();
            error.hint(format!("if it is one: `{}`", command(about.path, &Mapping::default(), &assigned)))
        }
        _ => error.hint("`--map date=COLUMN --map cost=COLUMN` reads any other table"),
    }
}

/// The command that reads `path` with these assignments of fields to columns, beside those that there are.
pub(crate) fn command(path: &str, mapping: &Mapping, more: &[(&str, &str)]) -> String {
    let said = mapping.columns.iter().map(|(field, column)| format!("{field}={column}"));
    let values = mapping.values.iter().map(|(field, value)| format!("{field}:={value}"));
    let more = more.iter().map(|(field, column)| format!("{field}={column}"));
    let maps: Vec<String> =
        said.chain(values).chain(more).map(|map| format!(" --map {}", inert::shell(&map))).collect();
    format!("aws-cost-anomalies ingest {}{}", inert::shell(path), maps.concat())
}

fn has_word(field: &str, name: &str) -> bool {
    let words = WORDS.iter().filter(|(of, _)| *of == field).flat_map(|(_, words)| words.iter());
    let (whole, simple) = (compared(name), simple_name(name));
    match field {
        // `recurring` and `concurrency` are no currencies.
        "currency" => {
            words.clone().any(|word| simple.split('_').any(|part| part == *word) || whole == *word) || {
                whole.contains("currency") && !whole.contains("concurrency")
            }
        }
        _ => words.clone().any(|word| whole.contains(word)),
    }
}

/// Whether values look like those of a field.
fn looks_like(field: &str, values: &[&str]) -> bool {
    let all = |fits: &dyn Fn(&str) -> bool| !values.is_empty() && values.iter().all(|value| fits(value));
    match field {
        "date" => all(&is_like_date),
        "currency" => all(&|value| CURRENCIES.contains(&value.to_uppercase().as_str())),
        _ => all(&is_like_number) && values.iter().any(|value| value.contains(['.', ','])),
    }
}

/// Whether there are values, and all are words or signs, not numbers.
fn is_words(values: &[&str]) -> bool {
    !values.is_empty() && values.iter().all(|value| !value.chars().any(|c| c.is_ascii_digit()))
}

fn is_like_date(value: &str) -> bool {
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    let parts = value.split(['-', '/', '.']).filter(|part| part.starts_with(|c: char| c.is_ascii_digit())).count();
    value.starts_with(|c: char| c.is_ascii_digit()) && parts >= 3 && digits >= 4
}

fn is_like_number(value: &str) -> bool {
    let usual = |c: char| c.is_ascii_digit() || "+-.,()$€£ eE".contains(c);
    value.chars().all(usual) && value.chars().any(|c| c.is_ascii_digit()) && !is_like_date(value)
}

/// The currency that the name of a column says: of `cost_eur`, `Cost (EUR)`, `Kosten in €`.
fn currency_in_name(name: &str) -> Option<&'static str> {
    let signs = [("€", "EUR"), ("£", "GBP"), ("₹", "INR")];
    if let Some((_, code)) = signs.iter().find(|(sign, _)| name.contains(sign)) {
        return Some(code);
    }
    let simple = simple_name(name);
    let words: Vec<String> = simple.split('_').map(str::to_uppercase).collect();
    CURRENCIES.into_iter().find(|code| words.iter().any(|word| word == code))
}
