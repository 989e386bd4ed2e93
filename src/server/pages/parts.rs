//! Parts of pages: tables whose figures lead to their days, and the ways to have the same elsewhere.

use askama::Template;

use crate::{
    error::{Error, Result},
    inert, operations,
    report::Table,
};

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

    fn is_number(&self, column: &usize) -> bool {
        self.columns.get(*column).is_some_and(|(_, is_number)| *is_number)
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
}

/// A text that begins a line.
pub(super) fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or(String::new(), |first| first.to_uppercase().chain(characters).collect())
}
