use std::{fs::OpenOptions, io::Write, path::PathBuf};

use clap::{Args, Subcommand};

use super::{Context, print};
use crate::{
    config::EXAMPLE,
    error::{Error, ExitCode, Result},
    report::{self, Format, config::Line},
};

/// Show or write the configuration
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print the merged configuration with the origin of each value, secrets redacted
    Show {
        /// How to write it
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
    /// Write the example, which is the default, to a file
    Init {
        /// File to write; never written over
        #[arg(default_value = "config.yaml")]
        path: PathBuf,
    },
}

impl ConfigArgs {
    /// Whether the configuration is read, not written.
    pub(crate) fn reads(&self) -> bool {
        matches!(self.action, Action::Show { .. })
    }
}

pub(super) fn run(args: &ConfigArgs, context: &Context) -> Result<ExitCode> {
    match &args.action {
        Action::Show { format } => {
            let entries = &context.entries;
            let lines: Vec<Line> = entries
                .iter()
                .map(|entry| Line { key: &entry.key, value: &entry.value, origin: &entry.origin })
                .collect();
            print(&report::config::render(&lines, *format, context.style)?)?;
            match context.session.config_file() {
                Some(file) => context.note(&format!("note: read `{}`", file.display())),
                None => context.note("note: there is no configuration file; `config init` writes one"),
            }
        }
        Action::Init { path } => {
            let failed = |e: std::io::Error| Error::input(format!("cannot write `{}`", path.display())).caused_by(e);
            let opened = OpenOptions::new().write(true).create_new(true).open(path);
            let mut file = opened.map_err(|e| failed(e).hint("nothing is written over; name another file"))?;
            file.write_all(EXAMPLE.as_bytes()).map_err(failed)?;
            context.note(&format!("wrote `{}`", path.display()));
        }
    }
    Ok(ExitCode::Done)
}
