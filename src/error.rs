//! What can go wrong and how the process ends. This module formats errors; it never prints them.

use std::{fmt, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{Display, IntoStaticStr, VariantArray};

use crate::inert;

/// The exit codes of the program. `docs/cli.md` documents them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitCode {
    /// Everything asked for was done.
    Done = 0,
    /// Input, configuration or data were at fault; what could be done was done.
    Failed = 1,
    /// The command line was at fault.
    Usage = 2,
    /// A remote service failed or refused.
    Remote = 3,
    /// Findings were reported, and the caller asked to be told by exit code.
    Findings = 10,
    /// The program is at fault.
    Bug = 70,
}

/// What went wrong, for programs: the words are a promise, and new ones are only added.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Deserialize, Display, IntoStaticStr, JsonSchema, Serialize, VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Code {
    /// A file, the configuration or the data is not as it must be.
    InvalidInput,
    /// A value in a file is not what its column holds.
    InvalidValue,
    /// What was named is not there.
    NotFound,
    /// There are no costs of what was asked for.
    NoData,
    /// There is no database yet.
    NoDatabase,
    /// Somebody else has the database open.
    DatabaseInUse,
    /// Too much is asked at once.
    Busy,
    /// The command line, or the parameters of an operation.
    InvalidUsage,
    /// A service on the network failed or refused.
    RemoteFailed,
    /// This program is at fault.
    Bug,
}

impl Code {
    /// The code as JSON has it.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// How the process ends.
    pub fn exit_code(self) -> ExitCode {
        match self {
            Code::InvalidInput
            | Code::InvalidValue
            | Code::NotFound
            | Code::NoData
            | Code::NoDatabase
            | Code::DatabaseInUse
            | Code::Busy => ExitCode::Failed,
            Code::InvalidUsage => ExitCode::Usage,
            Code::RemoteFailed => ExitCode::Remote,
            Code::Bug => ExitCode::Bug,
        }
    }
}

/// An error names the thing, the causes below it, and the next step.
///
/// Messages are lower-case without a final period, with objects in backticks.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Error {
    code: Code,
    message: String,
    causes: Vec<String>,
    hints: Vec<String>,
    /// What the first cause was, where it was an error of its own.
    #[serde(skip)]
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

/// What most functions give: a value, or an [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of a file, the configuration or the data.
    pub fn input(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidInput, message)
    }

    /// An error of the data: a value in a file is not what its column holds.
    pub fn value(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidValue, message)
    }

    /// Whether a value in a file is at fault; which one is for the reader of the file to find.
    pub fn is_of_a_value(&self) -> bool {
        self.code == Code::InvalidValue
    }

    /// An error of the command line.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidUsage, message)
    }

    /// An error of a service on the network.
    pub fn remote(message: impl Into<String>) -> Self {
        Self::new(Code::RemoteFailed, message)
    }

    /// A state that the program's own logic rules out.
    pub fn bug(message: impl Into<String>) -> Self {
        Self::new(Code::Bug, message).hint("please report this with the command you ran")
    }

    fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), causes: Vec::new(), hints: Vec::new(), source: None }
    }

    /// Adds what lies below the message.
    pub fn cause(mut self, cause: impl fmt::Display) -> Self {
        self.causes.push(cause.to_string());
        self
    }

    /// Adds the error that lies below the message, and keeps it.
    pub fn caused_by(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.causes.push(source.to_string());
        self.source.get_or_insert_with(|| Arc::new(source));
        self
    }

    /// Adds a next step.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Puts `message` on top; what was the message becomes the first cause.
    pub fn context(mut self, message: impl Into<String>) -> Self {
        let below = std::mem::replace(&mut self.message, message.into());
        self.causes.insert(0, below);
        self
    }

    /// `error` or `bug`, to go before the message.
    pub fn label(&self) -> &'static str {
        if self.code == Code::Bug { "bug" } else { "error" }
    }

    /// The message and its causes on one line.
    pub fn summary(&self) -> String {
        let parts = [self.message.as_str()].into_iter().chain(self.causes.iter().map(String::as_str));
        inert::one_line(&parts.collect::<Vec<_>>().join(": ")).into_owned()
    }

    /// The next steps.
    /// What went wrong, alone.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What lies below the message, the nearest first.
    pub fn causes(&self) -> &[String] {
        &self.causes
    }

    /// Next steps.
    pub fn hints(&self) -> &[String] {
        &self.hints
    }

    /// What went wrong, for programs.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The same error by another code.
    pub fn with_code(self, code: Code) -> Self {
        Self { code, ..self }
    }

    /// How the process ends with it.
    pub fn exit_code(&self) -> ExitCode {
        self.code.exit_code()
    }

    /// The error as a program reads it: `{"error": {"code", "message", "causes", "hints"}}`, on one line.
    pub fn to_json(&self) -> String {
        serde_json::json!({ "error": self }).to_string()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Names of files and bills are in all of it: none writes a line of its own.
        write!(f, "{}", inert::one_line(&self.message))?;
        for cause in &self.causes {
            write!(f, "\n  caused by: {}", inert::lines(cause).replace('\n', "\n    "))?;
        }
        for hint in &self.hints {
            write!(f, "\nhint: {}", inert::lines(hint).replace('\n', "\n  "))?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn std::error::Error + 'static))
    }
}

/// Errors in an answer, as a person reads them.
pub(crate) fn as_texts<S: serde::Serializer>(errors: &[Error], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(errors.iter().map(ToString::to_string))
}

/// The candidate nearest in spelling to `wanted`, when it is near enough to be a typo of it.
pub(crate) fn nearest<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = wanted.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&wanted, &candidate.to_lowercase()), candidate))
        .filter(|(similarity, _)| *similarity > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displays_message_causes_and_hints() {
        let error = Error::input("cannot read `a.csv`").cause("No such file").hint("check the path");
        assert_eq!(
            error.context("cannot ingest 2018-10").to_string(),
            "cannot ingest 2018-10\n  caused by: cannot read `a.csv`\n  caused by: No such file\nhint: check the path"
        );
    }

    #[test]
    fn names_in_it_write_no_lines_and_no_escape_sequences() {
        let error = Error::input("cannot read `a\u{1b}[2J\nerror: b`").cause("c\u{202e}\0").hint("d\nhint: e");
        assert_eq!(error.to_string(), "cannot read `a [2J error: b`\n  caused by: c  \nhint: d\n  hint: e");
        assert!(!error.summary().contains(char::is_control));
    }

    #[test]
    fn nearest_finds_typos_and_nothing_far() {
        assert_eq!(nearest("servce", ["account", "service"]), Some("service"));
        assert_eq!(nearest("zzz", ["account", "service"]), None);
    }
}
