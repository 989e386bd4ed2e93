//! What is said on stderr: notes, warnings, errors, progress.

use std::io::{self, Write};

use super::progress;
use crate::{
    error::Error,
    inert,
    ingest::Watcher,
    insights::warning::{NotKept, Warning},
    operations::{Reporter, Silent},
};

/// Says on stderr what is not data.
pub(crate) struct Stderr {
    pub quiet: bool,
    pub words: Words,
}

/// How stderr speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Words {
    /// For people.
    Text,
    /// Errors as JSON, for programs that read JSON from stdout.
    JsonErrors,
    /// Everything is an event of the log, a JSON object a line.
    Log,
}

impl Words {
    /// Says what went wrong.
    pub(crate) fn complain(self, error: &Error) {
        let text = match self {
            Words::Text => format!("{}: {error}", error.label()),
            Words::JsonErrors => error.to_json(),
            // Before the log begins: the command line or the configuration is wrong.
            Words::Log if !tracing::dispatcher::has_been_set() => error.to_json(),
            Words::Log => {
                let (causes, hints) = (error.causes().join("; "), error.hints().join("; "));
                return tracing::error!(code = error.code().name(), causes, hints, "{}", error.message());
            }
        };
        // Nobody can be told that stderr is closed.
        let _ = writeln!(io::stderr(), "{text}");
    }
}

impl Reporter for Stderr {
    fn note(&self, text: &str) {
        match self.words {
            _ if self.quiet => {}
            Words::Log => tracing::info!("{text}"),
            // Nobody can be told that stderr is closed.
            _ => _ = writeln!(io::stderr(), "{}", inert::lines(text)),
        }
    }

    fn failed(&self, error: &Error) {
        self.words.complain(error);
    }

    fn warned(&self, warnings: &[Warning]) {
        for warning in warnings {
            match warning {
                // What should have been written and was not is said whoever wants quiet.
                _ if self.words == Words::Log => tracing::warn!("{warning}"),
                Warning::NotKeptInLedger { reason: NotKept::NotWritten { .. } } => {
                    let _ = writeln!(io::stderr(), "warning: {}", inert::lines(&warning.text()));
                }
                _ => self.note(&format!("note: {}", warning.text())),
            }
        }
    }

    fn watch(&self, work: &mut dyn FnMut(&dyn Watcher)) {
        match self.words {
            _ if self.quiet => work(&Silent),
            Words::Log => progress::lines(&|text| self.note(text), work),
            _ => progress::watch(&|text| self.note(text), work),
        }
    }
}
