//! Where bills come from. Each source ends in the same line items: as SQL over a file, never as rows.
//! This module reads file names, headers and manifests; it never touches the database.

pub mod accounts;
pub mod aws;
pub mod columns;
pub mod cost_explorer;
pub mod cur;
pub mod dates;
pub mod discover;
pub mod files;
pub mod focus;
pub mod forms;
pub mod line_item;
pub mod looks;
pub mod manifest;
pub mod mapping;
pub mod numbers;
pub mod plain;
pub mod s3;
pub mod vendors;

use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    model::source,
};
use columns::{Columns, LineItems};
use forms::Ask;
use looks::About;
use mapping::Mapping;

/// The layout of a bill's columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// AWS Cost and Usage Report, the legacy one
    #[value(alias = "cur")]
    Cur1,
    /// AWS Data Exports, CUR 2.0
    Cur2,
    /// FinOps Open Cost and Usage Specification 1.0 to 1.4, any provider
    Focus,
    /// A plain CSV with at least the columns `date` and `cost`
    Csv,
}

impl Format {
    /// The `data_source` under which its line items are kept.
    pub fn data_source(self) -> &'static str {
        match self {
            Format::Cur1 => source::CUR,
            Format::Cur2 => source::CUR2,
            Format::Focus => source::FOCUS,
            Format::Csv => source::PLAIN,
        }
    }
}

/// One bill file, its columns understood.
#[derive(Clone, Debug)]
pub struct Bill {
    /// The file as found.
    pub path: PathBuf,
    /// Name of the file in the database: the absolute path.
    pub key: String,
    /// Bytes on disk.
    pub size: u64,
    /// Changes when the file does.
    pub stamp: String,
    /// Whether it came out of a pipe, and is a copy that nobody else changes.
    pub piped: bool,
    /// What tells its versions apart in the database: the stamp, or the ETag in a bucket.
    pub etag: String,
    pub format: Format,
    /// The version, where the format has several: `1.2`.
    pub version: Option<&'static str>,
    /// A FROM item that reads the file in DuckDB.
    pub from: String,
    /// What each column of the store is in terms of the file's columns.
    pub line_items: LineItems,
    /// Rows, where the file's own metadata says it.
    pub rows: Option<u64>,
    /// The name under which its line items are kept.
    pub data_source: String,
    columns: Columns,
    mapping: Mapping,
    /// Whether the forms of its values are known.
    is_settled: bool,
}

/// What a file turned out to be.
pub enum Opened {
    Bill(Box<Bill>),
    /// A readable table whose columns are of no known format; the error says which.
    NotABill(Error),
}

/// How files are to be read, as far as the user says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// Takes every file for this format, whatever its columns.
    pub format: Option<Format>,
    /// The name under which plain CSVs are kept.
    pub data_source: Option<&'a str>,
    /// Which column is which field, and how dates and numbers are written.
    pub mapping: Option<&'a Mapping>,
    /// The mappings of the configuration; one whose columns a file has is used for it.
    pub saved: Option<&'a mapping::Settings>,
}

/// Looks at the header of `path` and decides what it is.
///
/// `unpack_to` is a folder for what cannot be read in place: archives, pipes, text in other encodings. `ask` answers what only
/// rows can tell of plain CSVs.
///
/// # Errors
/// When the file cannot be read or lacks a column that its format requires.
pub fn open_bill(path: &Path, options: Options, unpack_to: &Path, ask: &Ask) -> Result<Opened> {
    let stamp = files::stamp(path)?;
    let file = files::open(path, unpack_to)?;
    let mut mapping = options.mapping.cloned().unwrap_or_default();
    let mut data_source = options.data_source.map(str::to_owned);
    let format = match options.format {
        Some(format) => format,
        None if mapping.names_fields() => Format::Csv,
        None => match recognise(&file.columns, path) {
            Ok(format) if format != Format::Csv => format,
            recognised => match (saved(&file.columns, options.saved), recognised) {
                (Some((name, saved)), _) => {
                    data_source = data_source.or_else(|| Some(name.to_owned()));
                    mapping = saved.clone().with(&[], mapping.date_order, mapping.decimal);
                    Format::Csv
                }
                (None, Ok(format)) => format,
                // Bills that are known by name say themselves what to do.
                (None, Err(error)) if vendors::refusal(&file.columns, &path.to_string_lossy()).is_some() => {
                    return Ok(Opened::NotABill(error));
                }
                (None, Err(error)) => {
                    let from = file.as_from_item(&[""]);
                    let about = About { path: &path.to_string_lossy(), from: &from, ask };
                    return Ok(Opened::NotABill(looks::with_suggestion(error, &file.columns, about)));
                }
            },
        },
    };
    if data_source.is_some() && format != Format::Csv {
        return Err(Error::usage(format!(
            "`--data-source` names plain CSV files, and this is {}",
            format.data_source()
        )));
    }
    if mapping.names_fields() && format != Format::Csv {
        return Err(Error::usage(format!("`--map` is for plain CSV files, and this is {}", format.data_source())));
    }
    let data_source = data_source.unwrap_or_else(|| format.data_source().to_owned());
    let piped = file.piped.is_some();
    let stamp = file.piped.clone().unwrap_or(stamp);
    let null_texts: &[&str] = match format {
        Format::Focus => &["", "NULL", "null"],
        _ => &[""],
    };
    let from = file.as_from_item(null_texts);
    let (columns, mut line_items, version) = match format {
        Format::Cur1 | Format::Cur2 => {
            let columns = file.columns.renamed(columns::cur_column_name);
            let line_items = cur::line_items(&columns, format)?;
            (columns, line_items, None)
        }
        Format::Focus => {
            let columns = file.columns.renamed(|name| name.to_lowercase());
            let (line_items, version) = (focus::line_items(&columns)?, focus::version(&columns));
            (columns, line_items, Some(version))
        }
        Format::Csv => {
            let about = About { path: &path.to_string_lossy(), from: &from, ask };
            let understood = plain::understand(&file.columns, &mapping, about)?;
            let line_items = plain::line_items(&understood, &mapping, &data_source)?;
            (understood.columns, line_items, None)
        }
    };
    line_items.missing.extend(file.missing.clone());
    Ok(Opened::Bill(Box::new(Bill {
        path: path.to_owned(),
        from,
        key: files::canonical(path)?.to_string_lossy().into_owned(),
        size: stamp.size,
        etag: stamp.text.clone(),
        stamp: stamp.text,
        piped,
        format,
        version,
        line_items,
        rows: file.rows,
        data_source,
        columns,
        mapping,
        is_settled: false,
    })))
}

/// The saved mapping for a file: the only one whose columns it has, or the one that names most of them.
fn saved<'a>(columns: &Columns, saved: Option<&'a mapping::Settings>) -> Option<(&'a str, &'a Mapping)> {
    let fitting = saved?.iter().filter(|(_, mapping)| plain::fits(columns, mapping));
    let mut fitting: Vec<(&str, &Mapping)> = fitting.map(|(name, mapping)| (name.as_str(), mapping)).collect();
    fitting.sort_by_key(|(_, mapping)| std::cmp::Reverse(mapping.columns.len()));
    match fitting.as_slice() {
        [(_, first), (_, second), ..] if first.columns.len() == second.columns.len() => None,
        [first, ..] => Some(*first),
        [] => None,
    }
}

impl Bill {
    /// Finds out how dates and numbers are written where a load failed on one. Says whether the file is now read
    /// in another way.
    ///
    /// # Errors
    /// When a value is no date or number, or the file does not decide how to read it: with row, column and value.
    pub fn settle_forms(&mut self, today: NaiveDate, ask: &Ask) -> Result<bool> {
        if self.is_settled {
            return Ok(false);
        }
        self.is_settled = true;
        let file = forms::File {
            from: &self.from,
            values: &self.line_items.values,
            header_lines: u32::from(self.rows.is_none()),
            says_currency: self.line_items.says_currency,
        };
        let known = forms::Known { today, date_order: self.mapping.date_order, decimal: self.mapping.decimal };
        match forms::settled(file, known, ask)? {
            Some(from) => self.from = from,
            None => return Ok(false),
        }
        Ok(true)
    }

    /// The expression to ask the rows for, when only they can tell whether net costs are filled.
    pub fn net_question(&self) -> Option<String> {
        let is_cur = matches!(self.format, Format::Cur1 | Format::Cur2);
        let unknown =
            self.columns.has(cur::NET_UNBLENDED_COST) && self.columns.is_filled(cur::NET_UNBLENDED_COST).is_none();
        (is_cur && unknown).then(|| self.columns.text(cur::NET_UNBLENDED_COST))?
    }

    /// Whether net costs are known to be filled.
    pub fn has_net(&self) -> bool {
        self.columns.is_filled(cur::NET_UNBLENDED_COST) == Some(true)
    }

    /// Settles whether the bill that the file is a part of has net costs: a discount on a line of its own
    /// counts only where they do not contain it.
    ///
    /// # Errors
    /// As [`open_bill`].
    pub fn settle_net(&mut self, filled: bool) -> Result<()> {
        if matches!(self.format, Format::Cur1 | Format::Cur2) && self.columns.has(cur::NET_UNBLENDED_COST) {
            self.columns.set_filled(cur::NET_UNBLENDED_COST, filled);
            self.line_items = cur::line_items(&self.columns, self.format)?;
        }
        Ok(())
    }

    /// Takes the billing period of the manifest where the file does not say it.
    pub fn settle_period(&mut self, period: NaiveDate) {
        if !self.says_billing_period() {
            self.line_items.line_item.billing_period = format!("DATE '{period}'");
        }
    }

    /// Whether the file says which billing period each row is of.
    pub fn says_billing_period(&self) -> bool {
        self.columns.has("bill_billing_period_start_date") || self.columns.has("billingperiodstart")
    }
}

/// The format that the columns show.
fn recognise(columns: &Columns, path: &Path) -> Result<Format> {
    let lower = columns.renamed(|name| name.to_lowercase());
    if lower.has("billedcost") && lower.has("chargeperiodstart") {
        return Ok(Format::Focus);
    }
    let cur = columns.renamed(columns::cur_column_name);
    if cur.has("line_item_usage_start_date") || cur.has("line_item_unblended_cost") {
        return Ok(cur::generation(columns, path));
    }
    if let Some(refusal) = vendors::refusal(columns, &path.to_string_lossy()) {
        return Err(refusal);
    }
    // One of the two makes it plain what was meant; the other is then asked for by name.
    if plain::is_meant(columns) {
        return Ok(Format::Csv);
    }
    Err(Error::input("this is not a bill")
        .cause(format!("its columns are of no known format: {}", columns.preview(6)))
        .hint("known are CUR, CUR 2.0, FOCUS 1.0 to 1.4, and CSV files with the columns `date` and `cost`")
        .hint("`--format-hint cur1|cur2|focus|csv` takes it for one of them and names the columns that it lacks"))
}
