//! Where bills come from. Each source ends in the same line items: as SQL over a file, never as rows.
//! This module reads file names, headers and manifests; it never touches the database.

pub mod accounts;
pub mod aws;
pub mod columns;
pub mod cost_explorer;
pub mod cur;
pub mod discover;
pub mod files;
pub mod focus;
pub mod manifest;
pub mod plain;
pub mod s3;
pub mod sample;

use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use clap::ValueEnum;
use serde::Serialize;

use crate::error::{Error, Result};
use columns::{Columns, LineItems};

/// The layout of a bill's columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
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
            Format::Cur1 => "cur",
            Format::Cur2 => "cur2",
            Format::Focus => "focus",
            Format::Csv => "csv",
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
    columns: Columns,
}

/// What a file turned out to be.
pub enum Opened {
    Bill(Box<Bill>),
    /// A readable table whose columns are of no known format; the error says which.
    NotABill(Error),
}

/// Looks at the header of `path` and decides what it is.
///
/// `unpack_to` is a folder for what cannot be read in place: archives, pipes, text in other encodings. `data_source` names plain CSVs.
///
/// # Errors
/// When the file cannot be read or lacks a column that its format requires.
pub fn open_bill(path: &Path, hint: Option<Format>, data_source: Option<&str>, unpack_to: &Path) -> Result<Opened> {
    let stamp = files::stamp(path)?;
    let file = files::open(path, unpack_to)?;
    let format = match hint {
        Some(format) => format,
        None => match recognise(&file.columns, path) {
            Ok(format) => format,
            Err(error) => return Ok(Opened::NotABill(error)),
        },
    };
    if data_source.is_some() && format != Format::Csv {
        return Err(Error::usage(format!(
            "`--data-source` names plain CSV files, and this is {}",
            format.data_source()
        )));
    }
    let columns = match format {
        Format::Cur1 | Format::Cur2 => file.columns.renamed(columns::cur_column_name),
        Format::Focus => file.columns.renamed(|name| name.to_lowercase()),
        Format::Csv => file.columns.renamed(plain::column_name),
    };
    let (mut line_items, version) = match format {
        Format::Cur1 | Format::Cur2 => (cur::line_items(&columns, format)?, None),
        Format::Focus => (focus::line_items(&columns)?, Some(focus::version(&columns))),
        Format::Csv => (plain::line_items(&columns, data_source.unwrap_or("csv"))?, None),
    };
    line_items.missing.extend(file.missing.clone());
    let piped = file.piped.is_some();
    let stamp = file.piped.clone().unwrap_or(stamp);
    let null_texts: &[&str] = match format {
        Format::Focus => &["", "NULL", "null"],
        _ => &[""],
    };
    Ok(Opened::Bill(Box::new(Bill {
        path: path.to_owned(),
        from: file.as_from_item(null_texts),
        key: files::canonical(path)?.to_string_lossy().into_owned(),
        size: stamp.size,
        etag: stamp.text.clone(),
        stamp: stamp.text,
        piped,
        format,
        version,
        line_items,
        rows: file.rows,
        columns,
    })))
}

impl Bill {
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
            let billing_period = self.line_items.expressions.iter_mut().find(|(column, _)| *column == "billing_period");
            if let Some((_, expression)) = billing_period {
                *expression = format!("DATE '{period}'");
            }
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
    let plain = columns.renamed(plain::column_name);
    // One of the two makes it plain what was meant; the other is then asked for by name.
    if plain.has("date") || plain.has("cost") {
        return Ok(Format::Csv);
    }
    let mut error =
        Error::input("this is not a bill").cause(format!("its columns are of no known format: {}", columns.preview(6)));
    if lower.has("contractcommitmentid") {
        error = error.hint("this is FOCUS's contract commitment data set; ingest the cost and usage one");
    }
    Err(error
        .hint("known are CUR, CUR 2.0, FOCUS 1.0 to 1.4, and CSV files with the columns `date` and `cost`")
        .hint("`--format-hint cur1|cur2|focus|csv` takes it for one of them and names the columns that it lacks"))
}
