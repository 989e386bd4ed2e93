//! One bill file: what its columns show it to be, and what they are as line items.

use std::path::{Path, PathBuf};

use chrono::NaiveDate;

use super::{
    columns::{Columns, LineItems},
    files,
    formats::{Format, NetCosts, Table, Understood, plain},
    forms::{self, Ask},
    looks::{self, About},
    mapping::{self, Mapping},
    vendors,
};
use crate::error::{Error, Result};

/// One bill file, its columns understood.
#[derive(Clone, Debug)]
pub(crate) struct Bill {
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
    /// SQL of a list with an item for each line item of a row, where a row has several.
    charges: Option<String>,
    /// Lines of the file before its first row.
    header_lines: u32,
    /// The name under which its line items are kept.
    pub data_source: String,
    columns: Columns,
    mapping: Mapping,
    /// Whether the forms of its values are known.
    is_settled: bool,
}

/// What a file turned out to be.
pub(crate) enum Opened {
    Bill(Box<Bill>),
    /// A readable table whose columns are of no known format; the error says which.
    NotABill(Error),
}

/// How files are to be read, as far as the user says.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Options<'a> {
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
pub(crate) fn open_bill(path: &Path, options: Options, unpack_to: &Path, ask: &Ask) -> Result<Opened> {
    let stamp = files::stamp(path)?;
    let mut file = files::open(path, unpack_to)?;
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
    file.also_read(&format.layout().fields());
    let piped = file.piped.is_some();
    let stamp = file.piped.clone().unwrap_or(stamp);
    let from = file.as_from_item(format.layout().null_texts());
    let about = About { path: &path.to_string_lossy(), from: &from, ask };
    let understood = format.layout().understand(Table {
        columns: &file.columns,
        mapping: &mapping,
        data_source: &data_source,
        about,
    })?;
    let Understood { columns, mut line_items, version, charges } = understood;
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
        rows: file.rows.filter(|_| charges.is_none()),
        charges,
        header_lines: file.header_lines,
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
    /// What people know it by: its address in a bucket, else its path.
    pub(crate) fn shown(&self) -> String {
        if self.key.contains("://") { self.key.clone() } else { self.path.display().to_string() }
    }

    /// The FROM item of its rows, of which each may charge several line items.
    pub(crate) fn rows_from(&self) -> &str {
        &self.from
    }

    /// The FROM item of its line items.
    pub(crate) fn line_items_from(&self) -> String {
        match &self.charges {
            Some(charges) => format!("(SELECT *, unnest({charges}) AS charge FROM {})", self.from),
            None => self.from.clone(),
        }
    }

    /// Finds out how dates and numbers are written where a load failed on one. Says whether the file is now read
    /// in another way.
    ///
    /// # Errors
    /// When a value is no date or number, or the file does not decide how to read it: with row, column and value.
    pub(crate) fn settle_forms(&mut self, today: NaiveDate, ask: &Ask) -> Result<bool> {
        if self.is_settled {
            return Ok(false);
        }
        self.is_settled = true;
        let file = forms::File {
            from: &self.from,
            values: &self.line_items.values,
            header_lines: self.header_lines,
            says_currency: self.line_items.says_currency,
        };
        let known = forms::Known {
            today,
            date_order: self.mapping.date_order,
            usual_date_order: self.format.layout().usual_date_order(),
            decimal: self.mapping.decimal,
        };
        match forms::settled(file, known, ask)? {
            Some(from) => self.from = from,
            None => return Ok(false),
        }
        Ok(true)
    }

    /// The column that says whether there are net costs, where the bill has it.
    fn net_costs(&self) -> Option<NetCosts> {
        self.format.layout().net_costs().filter(|net| self.columns.has(net.column))
    }

    /// The expression to ask the rows for, when only they can tell whether net costs are filled.
    pub(crate) fn net_question(&self) -> Option<String> {
        let column = self.net_costs()?.column;
        self.columns.text(column).filter(|_| self.columns.is_filled(column).is_none())
    }

    /// Whether net costs are known to be filled.
    pub(crate) fn has_net(&self) -> bool {
        self.net_costs().is_some_and(|net| self.columns.is_filled(net.column) == Some(true))
    }

    /// Settles whether the bill that the file is a part of has net costs: a discount on a line of its own
    /// counts only where they do not contain it.
    ///
    /// # Errors
    /// As [`open_bill`].
    pub(crate) fn settle_net(&mut self, filled: bool) -> Result<()> {
        if let Some(net) = self.net_costs() {
            self.columns.set_filled(net.column, filled);
            self.line_items = (net.line_items)(&self.columns)?;
        }
        Ok(())
    }

    /// Takes the billing period of the manifest where the file does not say it.
    pub(crate) fn settle_period(&mut self, period: NaiveDate) {
        if !self.says_billing_period() {
            self.line_items.line_item.billing_period = format!("DATE '{period}'");
        }
    }

    /// Whether the file says which billing period each row is of.
    pub(crate) fn says_billing_period(&self) -> bool {
        ["bill_billing_period_start_date", "billingperiodstart", "invoice_month"]
            .iter()
            .any(|name| self.columns.has(name))
    }
}

/// The format that the columns show.
fn recognise(columns: &Columns, path: &Path) -> Result<Format> {
    let known = Format::ALL.iter().copied().find(|format| format.layout().is_known_by(columns, path));
    match (known, vendors::refusal(columns, &path.to_string_lossy())) {
        (Some(format), _) if format != Format::Csv => Ok(format),
        (_, Some(refusal)) => Err(refusal),
        (Some(format), None) => Ok(format),
        (None, None) => Err(Error::input("this is not a bill")
            .cause(format!("its columns are of no known format: {}", columns.preview(6)))
            .hint("known are CUR, CUR 2.0, FOCUS 1.0 to 1.4, exports of Azure and Google Cloud, and CSV files with the columns `date` and `cost`")
            .hint("`--format-hint cur1|cur2|focus|azure-amortized|azure-actual|gcp-detailed|gcp|openai|anthropic|litellm|csv` takes it for one of them and names the columns that it lacks")),
    }
}
