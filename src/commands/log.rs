//! What happened, on stderr: for those who ask (`-v`), and for what collects logs. Only events of this program are
//! written, whose fields are chosen where they are made: libraries would write headers, and with them credentials.

use std::io;

use clap::{ArgAction, Args, ValueEnum};
use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{filter::Targets, fmt, layer::SubscriberExt, registry::LookupSpan, util::SubscriberInitExt};

use crate::{
    config::Environment,
    error::{Error, Result},
};

/// The variable that says how much is logged.
const LEVEL: &str = "AWS_COST_LOG";

/// Options of the log.
#[derive(Clone, Debug, Args)]
pub(crate) struct LogArgs {
    /// Say on stderr what happens; twice for every request
    #[arg(help_heading = super::GLOBAL, long, short, global = true, action = ArgAction::Count)]
    verbose: u8,

    /// How stderr is written
    #[arg(help_heading = super::GLOBAL, long, global = true, value_name = "FORMAT", default_value = "text")]
    log_format: LogFormat,
}

/// How stderr is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// For people
    Text,
    /// A JSON object a line, for what collects logs
    Json,
}

impl LogArgs {
    /// Whether everything on stderr is JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.log_format == LogFormat::Json
    }

    /// Begins to write events.
    ///
    /// # Errors
    /// When the variable names no level.
    pub(crate) fn start(&self, environment: Environment) -> Result<()> {
        let level = self.level(environment)?;
        // What goes wrong with stderr is nobody's to hear.
        let layer = fmt::layer().with_writer(io::stderr).with_ansi(false).log_internal_errors(false);
        let ours = Targets::new().with_target(env!("CARGO_CRATE_NAME"), level);
        let registry = tracing_subscriber::registry().with(ours);
        let started = match self.log_format {
            LogFormat::Text => init(registry.with(layer.with_target(false))),
            LogFormat::Json => init(registry.with(layer.json().flatten_event(true).with_current_span(false))),
        };
        // Another subscriber is there in a program that has this one as a library.
        started.or(Ok(()))
    }

    /// The flag, else the variable, else nothing for people and what matters for collectors.
    fn level(&self, environment: Environment) -> Result<LevelFilter> {
        match (self.verbose, environment(LEVEL)) {
            (0, Some(text)) if !text.is_empty() => {
                let text = text.to_string_lossy();
                text.parse().map_err(|_| {
                    Error::usage(format!("`{LEVEL}` names no level: `{text}`"))
                        .hint("it is one of off, error, warn, info, debug and trace")
                })
            }
            (0, _) if self.is_json() => Ok(LevelFilter::INFO),
            (0, _) => Ok(LevelFilter::OFF),
            (1, _) => Ok(LevelFilter::INFO),
            (2, _) => Ok(LevelFilter::DEBUG),
            _ => Ok(LevelFilter::TRACE),
        }
    }
}

fn init(subscriber: impl Subscriber + for<'a> LookupSpan<'a> + Send + Sync) -> Result<(), ()> {
    subscriber.try_init().map_err(drop)
}
