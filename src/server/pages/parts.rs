//! Parts of pages: tables whose figures lead to their days, and the ways to have the same elsewhere.

use askama::Template;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{
    error::{Error, Result},
    inert, operations,
    report::{self, Table, units::amount_parts},
};

/// What a `data:` address has to write in another way (<https://www.rfc-editor.org/rfc/rfc2397>): all but what is plain in an address.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b',').remove(b':');

/// An address with parameters; empty ones are left out.
pub(super) fn address(path: &str, parameters: &[(&str, &str)]) -> String {
    let given = parameters.iter().filter(|(_, value)| !value.is_empty());
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(given).finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// A template as text.
///
/// # Errors
/// Never, unless this program is broken.
pub(super) fn rendered(template: &impl Template) -> Result<String> {
    template.render().map_err(|e| Error::bug("a page is not written").caused_by(e))
}

/// A cell of a table.
#[derive(Clone, Debug, Default)]
pub(super) struct Cell {
    pub text: String,
    pub href: Option<String>,
    pub class: &'static str,
    /// Drawn beside the text; markup of our own.
    pub svg: String,
    /// Where what belongs here is, when that takes longer than the page.
    pub later: Option<String>,
}

impl Cell {
    pub(super) fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        // A day stays on one line.
        let class = if text.len() == 10 && text.parse::<chrono::NaiveDate>().is_ok() { "day" } else { "" };
        Self { text, class, ..Self::default() }
    }

    pub(super) fn to(mut self, href: impl Into<String>) -> Self {
        self.href = Some(href.into());
        self
    }

    pub(super) fn class(self, class: &'static str) -> Self {
        Self { class, ..self }
    }

    /// A cell that is filled once the page is there; until then, and without JavaScript, it has a text.
    pub(super) fn later(address: impl Into<String>, text: &str) -> Self {
        Self { later: Some(address.into()), class: "later", ..Self::new(text) }
    }

    pub(super) fn drawn(svg: String) -> Self {
        Self { svg, ..Self::default() }
    }
}

/// A row of a table.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    pub cells: Vec<Cell>,
    /// Where the row as a whole leads.
    pub href: Option<String>,
    /// The value of its checkbox, in a table whose rows can be chosen.
    pub choice: Option<String>,
    pub class: &'static str,
}

/// A table.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "grid.html")]
pub(super) struct Grid {
    pub caption: String,
    /// Names of columns, and whether they are numbers.
    pub columns: Vec<(String, bool)>,
    pub rows: Vec<Row>,
    /// Columns that a phone has no room for: the page that a row leads to has them.
    pub wide: &'static [usize],
    pub source: Option<Source>,
    /// What is said where there are no rows.
    pub empty: &'static str,
}

impl Grid {
    pub(super) fn new(caption: impl Into<String>, columns: &[(&str, bool)]) -> Self {
        let columns = columns.iter().map(|(name, right)| ((*name).to_owned(), *right)).collect();
        Self { caption: caption.into(), columns, ..Self::default() }
    }

    /// A table of the command line, as it is.
    pub(super) fn of(caption: impl Into<String>, table: &Table) -> Self {
        let columns = table.headers().map(|(name, right)| (name.to_owned(), right)).collect();
        let row = |cells: &[String]| Row { cells: cells.iter().map(Cell::new).collect(), ..Row::default() };
        Self { caption: caption.into(), columns, rows: table.cells().map(row).collect(), ..Self::default() }
    }

    pub(super) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(Row { cells, ..Row::default() });
    }

    pub(super) fn from(mut self, source: Source) -> Self {
        self.source = Some(source);
        self
    }

    /// The table as a file that the page carries with it: where no address of the API has it as CSV.
    fn file(&self) -> String {
        let shown = |column: &usize| !self.columns[*column].0.is_empty() || !self.texts(*column).all(str::is_empty);
        let columns: Vec<usize> = (0..self.columns.len()).filter(shown).collect();
        let units: Vec<Option<&str>> = columns.iter().map(|column| self.unit(*column)).collect();
        let header = columns.iter().zip(&units).map(|(column, unit)| match (&self.columns[*column].0, unit) {
            (name, Some(unit)) if !unit.is_empty() => format!("{name} ({unit})"),
            (name, _) => name.clone(),
        });
        let rows = self.rows.iter().map(|row| {
            let cell = |(column, unit): (&usize, &Option<&str>)| {
                let text = row.cells.get(*column).map_or("", |cell| cell.text.as_str());
                unit.and_then(|_| amount_parts(text)).map_or_else(|| text.to_owned(), |(number, _)| number)
            };
            columns.iter().zip(&units).map(cell).collect()
        });
        file(&header.collect::<Vec<_>>(), rows)
    }

    fn texts(&self, column: usize) -> impl Iterator<Item = &str> {
        self.rows.iter().filter_map(move |row| row.cells.get(column)).map(|cell| cell.text.as_str())
    }

    /// The unit that all amounts of a column have; nothing where it has texts, or amounts of several units.
    fn unit(&self, column: usize) -> Option<&str> {
        let given = self.texts(column).filter(|text| !text.is_empty() && *text != "-");
        let mut units = given.map(|text| amount_parts(text).map(|(_, unit)| unit));
        let first = units.next().flatten().filter(|_| self.is_number(&column))?;
        units.all(|unit| unit == Some(first)).then_some(first)
    }

    fn file_name(&self) -> String {
        file_name(&self.caption)
    }

    fn is_number(&self, column: &usize) -> bool {
        self.columns.get(*column).is_some_and(|(_, is_number)| *is_number)
    }

    /// The classes of a cell of a column.
    fn class(&self, column: &usize, cell: &str) -> String {
        let own = [("n", self.is_number(column)), ("wide", self.wide.contains(column)), (cell, !cell.is_empty())];
        own.into_iter().filter_map(|(class, is)| is.then_some(class)).collect::<Vec<_>>().join(" ")
    }

    /// Whether its rows can be chosen.
    fn has_choices(&self) -> bool {
        self.rows.iter().any(|row| row.choice.is_some())
    }
}

/// The same elsewhere: as CSV, and as a command.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub csv: Option<String>,
    pub command: String,
}

impl Source {
    /// Of an address of the API, whose command is `words`, with parameters.
    ///
    /// # Errors
    /// When a parameter is none of the operation's.
    pub(super) fn new(path: &str, operation: &str, words: &str, parameters: &[(String, String)]) -> Result<Self> {
        let entry = operations::find(operation)?;
        let line: Vec<String> = entry.line_of(parameters)?.iter().map(|word| inert::shell(word)).collect();
        let space = if line.is_empty() { "" } else { " " };
        let command = format!("{} {words}{space}{}", env!("CARGO_PKG_NAME"), line.join(" "));
        let mut all: Vec<(&str, &str)> =
            parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        all.push(("format", "csv"));
        Ok(Self { csv: Some(address(&format!("/api/v1/{path}"), &all)), command })
    }

    /// Of a part of what a command gives: the page itself has the CSV of the part.
    pub(super) fn part(&self) -> Self {
        Self { csv: None, ..self.clone() }
    }
}

/// CSV as an address to download it from; nothing where it cannot be written, which text always can.
pub(super) fn file(header: &[String], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let text = report::csv(header, rows).unwrap_or_default();
    format!("data:text/csv;charset=utf-8,{}", utf8_percent_encode(&text, ENCODED))
}

/// A caption as the name of a file.
pub(super) fn file_name(caption: &str) -> String {
    let words = caption.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    format!("{}.csv", words.map(str::to_lowercase).collect::<Vec<_>>().join("-"))
}

/// A text that begins a line.
pub(super) fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or(String::new(), |first| first.to_uppercase().chain(characters).collect())
}
