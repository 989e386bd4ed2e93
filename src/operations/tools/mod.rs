//! The operations as tools of language models, for the MCP server and the agent: flat parameters, short answers that say
//! what they are of, and the command line that repeats them. A tool call *is* a command line: what is given becomes flags,
//! and the flags of the operation read them.

mod arguments;
mod catalog;
mod shape;
mod text;

use serde_json::{Map, Value, json};

pub(super) use self::arguments::refused;
pub use self::{
    catalog::{ASKED_FOR, INCIDENT, OWN, TOOLS},
    shape::Answered,
};
use super::{Effect, Entry, Session, find as operation};
use crate::error::{Error, Result, nearest};

/// Rows of a page when nobody asks for another number.
const ROWS: usize = 25;
/// Rows of a page at most.
const MOST_ROWS: usize = 200;

/// An operation as a language model calls it.
pub struct Tool {
    /// Its name.
    pub name: &'static str,
    /// What it is for, and when to take it.
    pub about: &'static str,
    /// What it does to the world.
    pub effect: Effect,
    operation: &'static str,
    /// The words of the command line before its flags.
    command: &'static [&'static str],
    /// A parameter that is one of these words.
    subcommand: Option<&'static str>,
    /// Parameters of the operation that the model sees.
    parameters: &'static [&'static str],
    /// Parameters that are always the same.
    fixed: &'static [(&'static str, &'static str)],
    /// The list in the answer that has pages; empty for none.
    rows: &'static str,
    /// The parameter of the operation that ends its list, if it reads no more rows than are asked for.
    pages: Option<&'static str>,
    /// Lists in other parts of the answer that have an element for each row of the one that has pages.
    beside: &'static str,
    /// Fields of an answer that are for charts and programs: `chart` wherever it is, `periods.groups` only there.
    left_out: &'static [&'static str],
    /// Whether a call is a request to an API that costs money.
    is_paid: bool,
}

impl Tool {
    /// What most tools are like.
    const READS: Self = Self {
        name: "",
        about: "",
        effect: Effect::Read,
        operation: "",
        command: &[],
        subcommand: None,
        parameters: &[],
        fixed: &[],
        rows: "",
        pages: None,
        beside: "",
        left_out: &[],
        is_paid: false,
    };

    fn entry(&self) -> Result<&'static Entry> {
        operation(self.operation)
    }

    /// A few words for people.
    ///
    /// # Errors
    /// Never, unless this program is broken.
    pub fn title(&self) -> Result<&'static str> {
        Ok(self.entry()?.title)
    }

    /// The JSON schema of the parameters: one flat object.
    ///
    /// # Errors
    /// Never, unless this program is broken.
    pub fn input(&self) -> Result<Map<String, Value>> {
        let entry = self.entry()?;
        let mut properties = arguments::properties(self, entry);
        if !self.rows.is_empty() {
            properties.insert("limit".into(), json!({"type": "integer", "default": ROWS}));
            properties.insert("cursor".into(), json!({"type": "string"}));
        }
        let required = arguments::required(self, entry);
        let mut schema = Map::new();
        schema.insert("type".into(), "object".into());
        schema.insert("properties".into(), properties.into());
        if !required.is_empty() {
            schema.insert("required".into(), required.into());
        }
        schema.insert("additionalProperties".into(), false.into());
        Ok(schema)
    }

    /// The JSON schema of the answer: what all answers have, and the names and types of this one's fields. `Entry::output`
    /// has all of it.
    ///
    /// # Errors
    /// Never, unless this program is broken.
    pub fn output(&self) -> Result<Map<String, Value>> {
        Ok(shape::schema(self, self.entry()?))
    }

    /// Whether a call costs money.
    pub(crate) fn is_paid(&self) -> bool {
        self.is_paid
    }

    /// The command line of a call, as a shell takes it.
    ///
    /// # Errors
    /// When a parameter is unknown or cannot be read.
    pub(crate) fn command_line(&self, session: &Session, given: &Map<String, Value>) -> Result<String> {
        let entry = self.entry()?;
        let line = arguments::line(self, entry, given)?;
        Ok(arguments::command(self, entry, &line, None, session))
    }

    /// What a call would do, of an operation that can say so beforehand.
    ///
    /// # Errors
    /// As [`Tool::call`].
    pub(crate) fn planned(&self, session: &Session, given: &Map<String, Value>) -> Result<Value> {
        let entry = self.entry()?;
        let mut line = arguments::line(self, entry, given)?;
        line.insert(0, "--dry-run".to_owned());
        entry.call_line(session, &line).map_err(|error| arguments::in_words_of(error, self))
    }

    /// Answers.
    ///
    /// # Errors
    /// As the operation, and when a parameter is unknown or cannot be read.
    pub fn call(&self, session: &Session, given: &Map<String, Value>) -> Result<Answered> {
        let entry = self.entry()?;
        let page = shape::Page::of(self, given)?;
        let mut line = arguments::line(self, entry, given)?;
        if let Some(flag) = self.pages {
            line.insert(0, format!("--{flag}={}", page.end()));
        }
        let answer = entry.call_line(session, &line).map_err(|error| arguments::in_words_of(error, self))?;
        let as_of = answer.get("as_of").and_then(Value::as_str).filter(|_| entry.has_flag("as-of")).map(str::to_owned);
        let command = arguments::command(self, entry, &line, as_of.as_deref(), session);
        shape::answered(self, entry, answer, page, command, session)
    }
}

/// The tool of a name.
///
/// # Errors
/// When there is none, with the nearest.
pub fn find(name: &str) -> Result<&'static Tool> {
    TOOLS.iter().find(|tool| tool.name == name).ok_or_else(|| {
        let names = || TOOLS.iter().map(|tool| tool.name);
        let error = Error::usage(format!("there is no tool `{name}`"));
        let all = format!("there are: {}", names().collect::<Vec<_>>().join(", "));
        match nearest(name, names()) {
            Some(near) => error.hint(format!("did you mean `{near}`? {all}")),
            None => error.hint(all),
        }
    })
}
