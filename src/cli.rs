//! The command line: global options, dispatch, and how the process ends.

use std::{
    ffi::OsString,
    io::{IsTerminal, Write},
    panic,
    path::{Path, PathBuf},
    process,
    sync::Arc,
};

use clap::{ColorChoice, CommandFactory, FromArgMatches, Parser};

use crate::{
    commands::{Command, Context, GLOBAL, LogArgs, Stderr, Words},
    config::{self, Override},
    error::{Error, ExitCode, Result},
    operations::Session,
    report::Style,
    store::{self, MemoryLimit, apart},
};

/// Says which cloud cost moved, since when, by how many dollars and whether it matters
///
/// Reads AWS CUR, CUR 2.0 and FOCUS bills (and plain CSV of any vendor) into one local DuckDB file.
/// No account, no data sent anywhere that you do not configure.
#[derive(Debug, Parser)]
#[command(name = "aws-cost-anomalies", after_help = EXIT_CODES, propagate_version = false)]
pub(crate) struct App {
    /// Configuration file [default: ./config.yaml, else the user's]
    #[arg(help_heading = GLOBAL, long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Database file [default: ./data/costs.duckdb]
    #[arg(help_heading = GLOBAL, long, global = true, value_name = "FILE")]
    db: Option<PathBuf>,

    /// Memory that the database may take before it spills to disk, such as 2GB
    #[arg(help_heading = GLOBAL, long, global = true, value_name = "SIZE")]
    memory_limit: Option<MemoryLimit>,

    /// Threads that the database may use, 1024 at most; 0 is one for each core
    #[arg(help_heading = GLOBAL, long, global = true, value_name = "N", value_parser = clap::value_parser!(u32).range(..=i64::from(store::MOST_THREADS)))]
    threads: Option<u32>,

    /// Colour the output
    #[arg(help_heading = GLOBAL, long, global = true, value_name = "WHEN", default_value = "auto")]
    color: ColorChoice,

    /// Keep progress and notes away
    #[arg(help_heading = GLOBAL, long, short, global = true)]
    quiet: bool,

    #[command(flatten)]
    log: LogArgs,

    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done; 1 failed on input, configuration or data; 2 wrong usage; \
3 a remote service failed; 10 findings (with --exit-code or --fail-on); 70 a bug.";

/// The whole command with its version, as completions, manual pages and documentation need it.
pub(crate) fn command() -> clap::Command {
    let version = format!("{} (DuckDB {})", env!("CARGO_PKG_VERSION"), store::duckdb_version());
    App::command().version(version)
}

/// Runs the program.
pub(crate) fn main() -> process::ExitCode {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(|location| format!("{}:{}", location.file(), location.line()));
        let what = info.payload_as_str().unwrap_or("panic");
        let error = Error::bug(what).cause(place.unwrap_or_default());
        let _ = writeln!(std::io::stderr(), "{}: {error}", error.label());
    }));
    let words = words(std::env::args_os());
    let code = panic::catch_unwind(|| match run(words) {
        Ok(code) => code,
        Err(error) => {
            words.complain(&error);
            error.exit_code()
        }
    });
    process::ExitCode::from(code.unwrap_or(ExitCode::Bug) as u8)
}

fn run(words: Words) -> Result<ExitCode> {
    // Another process of this program has a statement to run.
    if let Some(asked) = apart::asked(std::env::args_os()) {
        apart::serve(&asked, std::io::stdin().lock(), std::io::stdout());
        return Ok(ExitCode::Done);
    }
    // Asking DuckDB for its version takes milliseconds; only `--version` needs it.
    let asks_version = std::env::args_os().skip(1).any(|argument| argument == "--version" || argument == "-V");
    let line = if asks_version { command() } else { App::command().version(env!("CARGO_PKG_VERSION")) };
    let parsed = line.try_get_matches().and_then(|matches| App::from_arg_matches(&matches));
    let app = match parsed {
        Ok(app) => app,
        Err(error) if error.use_stderr() && words != Words::Text => return Err(usage(&error)),
        Err(error) => {
            // Help and version are output; a closed pipe is fine.
            let _ = error.print();
            return Ok(if error.use_stderr() { ExitCode::Usage } else { ExitCode::Done });
        }
    };
    let environment = |name: &str| std::env::var_os(name);
    app.log.start(&environment)?;
    let loaded = if app.command.needs_config() {
        config::load(app.config.as_deref(), &environment, &app.overrides())?
    } else {
        config::defaults()?
    };
    let terminal = std::io::stdout().is_terminal();
    let entries = loaded.entries.clone();
    let session = Session::new(loaded, chrono::Utc::now().date_naive())
        .with_program(program()?)
        .with_reporter(Arc::new(Stderr { quiet: app.quiet, words }));
    let context = Context {
        session,
        entries,
        style: Style { width: width(terminal), color: color(app.color, terminal) },
        quiet: app.quiet,
        words,
        program: command,
    };
    app.command.run(&context)
}

/// How stderr speaks, before the command line is understood: it may be what is wrong.
fn words(arguments: impl Iterator<Item = OsString>) -> Words {
    let arguments: Vec<OsString> = arguments.collect();
    let given: Vec<&OsString> = arguments.iter().take_while(|argument| *argument != "--").collect();
    let is_json = |option: &str| {
        let whole = format!("{option}=json");
        given.iter().any(|argument| ***argument == *whole)
            || given.windows(2).any(|pair| pair[0] == option && pair[1] == "json")
    };
    match (is_json("--log-format"), is_json("--format")) {
        (true, _) => Words::Log,
        (false, true) => Words::JsonErrors,
        (false, false) => Words::Text,
    }
}

/// What the reader of the command line says, without its colours.
fn usage(error: &clap::Error) -> Error {
    let text = error.render().to_string();
    let mut lines = text.lines().filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    let hint = "`--help` lists what there is";
    let rest: Vec<&str> =
        lines.take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more")).collect();
    let error = Error::usage(first.strip_prefix("error: ").unwrap_or(first));
    rest.into_iter().fold(error, |error, line| error.hint(line.trim())).hint(hint)
}

impl App {
    fn overrides(&self) -> Vec<Override> {
        let given = [
            ("database.path", "--db", self.db.as_ref().map(|path| path.clone().into_os_string())),
            (
                "database.memory_limit",
                "--memory-limit",
                self.memory_limit.as_ref().map(|limit| limit.to_string().into()),
            ),
            ("database.threads", "--threads", self.threads.map(|threads| threads.to_string().into())),
        ];
        let given = given.into_iter().filter_map(|(key, flag, value)| Some(Override { key, flag, value: value? }));
        given.collect()
    }
}

/// This program's file, also when another has taken its place since it was started.
fn program() -> Result<PathBuf> {
    let running = Path::new("/proc/self/exe");
    if cfg!(target_os = "linux") && running.exists() {
        return Ok(running.to_owned());
    }
    std::env::current_exe().map_err(|e| Error::input("cannot find this program's own file").caused_by(e))
}

/// The width to fit tables to: `COLUMNS` where it is set, the terminal's where there is one.
fn width(terminal: bool) -> Option<usize> {
    let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let measured = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    columns.or_else(|| measured().filter(|_| terminal)).map(|width: usize| width.max(20))
}

/// Whether to colour: <https://no-color.org>.
fn color(choice: ColorChoice, terminal: bool) -> bool {
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
    }
}
