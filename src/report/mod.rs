//! Results made readable: tables for people, JSON, CSV and markdown for programs. It returns text and
//! never prints.

pub(crate) mod accounts;
pub(crate) mod anomalies;
pub(crate) mod backtest;
pub(crate) mod budgets;
mod chart;
pub(crate) mod compare;
pub(crate) mod config;
pub(crate) mod doctor;
pub(crate) mod drilldown;
pub(crate) mod explain;
pub(crate) mod forecast;
pub(crate) mod incidents;
pub(crate) mod ingest;
pub(crate) mod live;
pub(crate) mod notify;
pub(crate) mod overview;
pub(crate) mod query;
pub(crate) mod reconcile;
pub(crate) mod run;
pub(crate) mod sql;
pub(crate) mod status;
mod table;
pub(crate) mod trends;
pub(crate) mod units;
pub(crate) mod values;

use clap::ValueEnum;
use serde::Serialize;

use crate::{
    error::{Error, Result},
    inert,
    insights::{
        answer::{Header, SCHEMA_VERSION},
        group_names,
    },
};

pub(crate) use table::Table;

/// How a result is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people, fitted to the terminal
    #[default]
    Table,
    /// One object with `schema_version`
    Json,
    /// One row for each fact
    Csv,
    /// For pull requests and wikis
    Markdown,
}

/// What the reader's screen can do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    /// Columns of the terminal; `None` when the output is not one.
    pub width: Option<usize>,
    pub color: bool,
}

/// The newest day that does not change any more, as text.
fn settled(header: &Header) -> String {
    header.settled_through.map_or_else(String::new, |day| day.to_string())
}

/// Pretty JSON with a final newline.
pub(crate) fn json(value: &impl Serialize) -> Result<String> {
    let mut text = serde_json::to_string_pretty(value).map_err(|e| Error::bug("a result has no JSON").caused_by(e))?;
    text.push('\n');
    Ok(text)
}

/// The JSON object of a command that is no operation: `schema_version`, `operation`, and the fields of `result`.
fn own_json(command: &str, result: &impl Serialize) -> Result<String> {
    #[derive(Serialize)]
    struct Answer<'a, T: Serialize> {
        schema_version: u32,
        operation: &'a str,
        #[serde(flatten)]
        result: &'a T,
    }
    json(&Answer { schema_version: SCHEMA_VERSION, operation: command, result })
}

/// What a view for people is written on.
#[derive(Clone, Copy, Debug)]
enum Page {
    Terminal(Style),
    Markdown,
}

impl Page {
    fn table(self, table: &Table) -> String {
        match self {
            Page::Terminal(style) => table.render(style),
            Page::Markdown => table.markdown(),
        }
    }

    /// Lines broken between words where they do not fit.
    fn prose(self, text: &str) -> String {
        match self {
            Page::Terminal(style) => wrapped(text, style),
            Page::Markdown => inert::markdown_lines(text),
        }
    }

    /// The same of lines in which nothing is from a bill: their markup is meant.
    fn own(self, text: &str) -> String {
        match self {
            Page::Terminal(style) => wrapped(text, style),
            Page::Markdown => text.to_owned(),
        }
    }

    /// One line that stays whole, such as a path.
    fn line(self, text: &str) -> String {
        let text = inert::one_line(text);
        match self {
            Page::Terminal(_) => format!("{text}\n"),
            Page::Markdown => inert::markdown_lines(&text) + "\n",
        }
    }

    /// A command to copy, on a line of its own.
    fn command(self, text: &str) -> String {
        match self {
            Page::Terminal(_) => format!("    {}\n", inert::one_line(text)),
            Page::Markdown => format!("    {}\n", inert::markdown_code(text)),
        }
    }
}

/// CSV with a header.
///
/// # Errors
/// Never, unless this program is broken.
pub(crate) fn csv(header: &[String], rows: impl IntoIterator<Item = Vec<String>>) -> Result<String> {
    let failed = |e: csv::Error| Error::bug("a result has no CSV").caused_by(e);
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(header.iter().map(|name| inert::csv(name))).map_err(failed)?;
    for row in rows {
        writer.write_record(row.iter().map(|cell| inert::csv(cell))).map_err(failed)?;
    }
    let bytes = writer.into_inner().map_err(|e| Error::bug("a result has no CSV").caused_by(e))?;
    String::from_utf8(bytes).map_err(|e| Error::bug("a result has no CSV").caused_by(e))
}

/// Prose broken between words where it does not fit the screen; lines that fit stay as they are.
fn wrapped(text: &str, style: Style) -> String {
    let text = &inert::lines(text);
    let Some(width) = style.width else { return text.clone() };
    // Dates and ids have hyphens; they are not places to break at.
    let options = textwrap::Options::new(width)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .break_words(false)
        .subsequent_indent("  ");
    let lines = text.split_inclusive('\n').map(|line| textwrap::fill(line.trim_end_matches('\n'), &options));
    lines.flat_map(|line| [line, "\n".to_owned()]).collect()
}

/// The values of a group in one text, an account with its name.
pub(crate) fn names(group: &serde_json::Map<String, serde_json::Value>, account_name: Option<&str>) -> String {
    group_names(group, account_name).join(" / ")
}

/// The text of a JSON value as CSV and tables have it.
fn plain(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
