//! One file for each subcommand: its arguments, whose comments are the help, and `run`.

mod accounts;
mod anomalies;
mod backtest;
mod cache;
mod compare;
mod completions;
mod config;
mod demo;
mod doctor;
mod drilldown;
mod explain;
mod health;
mod incidents;
mod ingest;
mod lock;
mod man;
mod marks;
mod notify;
mod periods;
mod reconcile;
mod report;
mod run;
mod sample_data;
mod saved_mapping;
mod selection;
mod sql;
mod tell;
mod trends;
mod watch;
mod words;

use std::io::{self, ErrorKind, Write};

use chrono::NaiveDate;
use clap::Subcommand;

use crate::{
    config::Loaded,
    error::{Error, ExitCode, Result},
    inert,
    model::Day,
    report::Style,
    sources::aws::Aws,
    store::{Settings, Store},
};

#[derive(Debug, Subcommand)]
pub enum Command {
    Ingest(ingest::IngestArgs),
    Trends(trends::TrendsArgs),
    Anomalies(anomalies::AnomaliesArgs),
    Incidents(incidents::IncidentsArgs),
    Run(run::RunArgs),
    Watch(watch::WatchArgs),
    Notify(notify::NotifyArgs),
    Ack(marks::AckArgs),
    Snooze(marks::SnoozeArgs),
    Expected(marks::ExpectedArgs),
    Explain(explain::ExplainArgs),
    Compare(compare::CompareArgs),
    Drilldown(drilldown::DrilldownArgs),
    Report(report::ReportArgs),
    Backtest(backtest::BacktestArgs),
    Reconcile(reconcile::ReconcileArgs),
    Accounts(accounts::AccountsArgs),
    Sql(sql::SqlArgs),
    Demo(demo::DemoArgs),
    SampleData(sample_data::SampleDataArgs),
    Doctor(doctor::DoctorArgs),
    Cache(cache::CacheArgs),
    Config(config::ConfigArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
}

/// What every command is handed.
#[derive(Clone)]
pub struct Context {
    pub loaded: Loaded,
    pub today: NaiveDate,
    pub style: Style,
    pub quiet: bool,
}

impl Command {
    /// Whether the command goes by the configuration; the others work with a broken one, too.
    pub fn needs_config(&self) -> bool {
        match self {
            Command::Config(args) => args.reads(),
            Command::Completions(_) | Command::Man(_) | Command::SampleData(_) => false,
            _ => true,
        }
    }

    pub fn run(&self, context: &Context) -> Result<ExitCode> {
        match self {
            Command::Ingest(args) => ingest::run(args, context),
            Command::Trends(args) => trends::run(args, context),
            Command::Anomalies(args) => anomalies::run(args, context),
            Command::Incidents(args) => incidents::run(args, context),
            Command::Run(args) => run::run(args, context),
            Command::Watch(args) => watch::run(args, context),
            Command::Notify(args) => notify::run(args, context),
            Command::Ack(args) => marks::ack(args, context),
            Command::Snooze(args) => marks::snooze(args, context),
            Command::Expected(args) => marks::expected(args, context),
            Command::Explain(args) => explain::run(args, context),
            Command::Compare(args) => compare::run(args, context),
            Command::Drilldown(args) => drilldown::run(args, context),
            Command::Report(args) => report::run(args, context),
            Command::Backtest(args) => backtest::run(args, context),
            Command::Reconcile(args) => reconcile::run(args, context),
            Command::Accounts(args) => accounts::run(args, context),
            Command::Sql(args) => sql::run(args, context),
            Command::Demo(args) => demo::run(args, context),
            Command::SampleData(args) => sample_data::run(args, context),
            Command::Doctor(args) => doctor::run(args, context),
            Command::Cache(args) => cache::run(args, context),
            Command::Config(args) => config::run(args, context),
            Command::Completions(args) => completions::run(args),
            Command::Man(args) => man::run(args),
        }
    }
}

impl Context {
    /// The database, read-only.
    fn store(&self) -> Result<Store> {
        Ok(Store::open_read_only_when_free(self.database())?.with_account_names(self.loaded.config.accounts.clone()))
    }

    /// A way to AWS with the credentials for costs.
    fn aws(&self) -> Result<Aws> {
        Aws::connect(&self.loaded.config.aws, &self.loaded.config.aws_profile)
    }

    fn database(&self) -> &Settings {
        &self.loaded.config.database
    }

    /// Whether a flag gave the value of a key.
    fn is_flag(&self, key: &str) -> bool {
        self.loaded.entries.iter().any(|entry| entry.key == key && entry.origin.starts_with("--"))
    }

    /// Says something that is not data.
    fn note(&self, text: &str) {
        if !self.quiet {
            // Nobody can be told that stderr is closed.
            let _ = writeln!(io::stderr(), "{}", inert::lines(text));
        }
    }

    /// Says what went wrong with a part of the work; the rest goes on.
    fn complain(&self, error: &Error) {
        let _ = writeln!(io::stderr(), "{}: {error}", error.label());
    }

    /// Says what qualifies the figures on stdout.
    fn notes(&self, notes: &[String]) {
        notes.iter().for_each(|note| self.note(&format!("note: {note}")));
    }
}

/// A day as the command line takes it: every flag with a day goes through here.
fn day(text: &str) -> Result<NaiveDate, String> {
    text.parse().map(Day::date).map_err(in_help)
}

/// A month as the command line takes it: its first day.
fn month(text: &str) -> Result<NaiveDate, String> {
    Day::of_month(text).map(Day::date).map_err(in_help)
}

/// The next step alone: what was given, and for which flag, is said before it.
fn in_help(error: Error) -> String {
    error.hints().join("; ")
}

/// Writes data. A reader who has seen enough is no error.
fn print(text: &str) -> Result<()> {
    deliver(text).map(drop)
}

/// What is said when news for stdout had no reader.
fn nobody_read() -> Error {
    Error::input("nobody read the messages for stdout").hint("they wait for the next run")
}

/// Writes what somebody is waiting for; whether there was anybody to take it.
///
/// # Errors
/// When it cannot be written for another reason than that the reader has gone.
fn deliver(text: &str) -> Result<bool> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(e) => Err(Error::input("cannot write the output").cause(e)),
    }
}
