//! One file for each subcommand: its arguments, whose comments are the help, and `run`.

mod accounts;
mod anomalies;
mod asking;
mod backtest;
mod budgets;
mod cache;
mod compare;
mod completions;
mod config;
mod conversation;
mod demo;
mod doctor;
mod drilldown;
mod explain;
mod forecast;
mod health;
mod incidents;
mod ingest;
mod live;
mod log;
mod man;
mod mcp;
mod notify;
mod progress;
mod query;
mod reconcile;
mod report;
mod run;
mod sample_data;
mod serve;
mod sql;
mod status;
mod stderr;
mod trends;
mod values;
mod watch;

use std::io::{self, ErrorKind, Write};

use clap::Subcommand;

use crate::{
    config::Entry,
    error::{Error, ExitCode, Result},
    operations::{Answer, Header, Operation, Session},
    report::Style,
};

pub(crate) use self::{
    log::LogArgs,
    stderr::{Stderr, Words},
};

/// The heading of options that every command has.
pub(crate) const GLOBAL: &str = "Global options";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Ingest(ingest::IngestArgs),
    Trends(trends::TrendsArgs),
    Anomalies(anomalies::AnomaliesArgs),
    Incidents(incidents::IncidentsArgs),
    Run(run::RunArgs),
    Watch(watch::WatchArgs),
    Notify(notify::NotifyArgs),
    /// The same as `incidents ack`
    #[command(hide = true)]
    Ack(incidents::AckArgs),
    /// The same as `incidents snooze`
    #[command(hide = true)]
    Snooze(incidents::SnoozeArgs),
    /// The same as `incidents expect`
    #[command(hide = true)]
    Expected(incidents::ExpectArgs),
    Explain(explain::ExplainArgs),
    Compare(compare::CompareArgs),
    Drilldown(drilldown::DrilldownArgs),
    Forecast(forecast::ForecastArgs),
    Budgets(budgets::BudgetsArgs),
    Report(report::ReportArgs),
    Backtest(backtest::BacktestArgs),
    Reconcile(reconcile::ReconcileArgs),
    Accounts(accounts::AccountsArgs),
    Values(values::ValuesArgs),
    Sql(sql::SqlArgs),
    Query(query::QueryArgs),
    Live(live::LiveArgs),
    Mcp(mcp::McpArgs),
    Serve(serve::ServeArgs),
    Demo(demo::DemoArgs),
    SampleData(sample_data::SampleDataArgs),
    Status(status::StatusArgs),
    Doctor(doctor::DoctorArgs),
    Cache(cache::CacheArgs),
    Config(config::ConfigArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
}

/// What every command is handed.
pub(crate) struct Context {
    pub session: Session,
    /// The merged configuration, with the origin of every value.
    pub entries: Vec<Entry>,
    pub style: Style,
    pub quiet: bool,
    /// How stderr speaks.
    pub words: Words,
    /// The whole command line with its version.
    pub program: fn() -> clap::Command,
}

impl Command {
    /// Whether the command goes by the configuration; the others work with a broken one, too.
    pub(crate) fn needs_config(&self) -> bool {
        match self {
            Command::Config(args) => args.reads(),
            Command::Completions(_) | Command::Man(_) | Command::SampleData(_) => false,
            _ => true,
        }
    }

    pub(crate) fn run(&self, context: &Context) -> Result<ExitCode> {
        match self {
            Command::Ingest(args) => ingest::run(args, context),
            Command::Trends(args) => trends::run(args, context),
            Command::Anomalies(args) => anomalies::run(args, context),
            Command::Incidents(args) => incidents::run(args, context),
            Command::Run(args) => run::run(args, context),
            Command::Watch(args) => watch::run(args, context),
            Command::Notify(args) => notify::run(args, context),
            Command::Ack(args) => incidents::ack(args, context),
            Command::Snooze(args) => incidents::snooze(args, context),
            Command::Expected(args) => incidents::expect(args, context),
            Command::Explain(args) => explain::run(args, context),
            Command::Compare(args) => compare::run(args, context),
            Command::Drilldown(args) => drilldown::run(args, context),
            Command::Forecast(args) => forecast::run(args, context),
            Command::Budgets(args) => budgets::run(args, context),
            Command::Report(args) => report::run(args, context),
            Command::Backtest(args) => backtest::run(args, context),
            Command::Reconcile(args) => reconcile::run(args, context),
            Command::Accounts(args) => accounts::run(args, context),
            Command::Values(args) => values::run(args, context),
            Command::Sql(args) => sql::run(args, context),
            Command::Live(args) => live::run(args, context),
            Command::Query(args) => query::run(args, context),
            Command::Serve(args) => serve::run(args, context),
            Command::Mcp(args) => mcp::run(args, context),
            Command::Demo(args) => demo::run(args, context),
            Command::SampleData(args) => sample_data::run(args, context),
            Command::Status(args) => status::run(args, context),
            Command::Doctor(args) => doctor::run(args, context),
            Command::Cache(args) => cache::run(args, context),
            Command::Config(args) => config::run(args, context),
            Command::Completions(args) => completions::run(args, context),
            Command::Man(args) => man::run(args, context),
        }
    }
}

impl Context {
    /// The answer to an operation; what qualifies it is said on stderr.
    fn answer<O: Operation>(&self, operation: &O) -> Result<Answer<O::Output>> {
        let answer = self.session.run(operation)?;
        self.warn(&answer.header);
        Ok(answer)
    }

    /// Says what qualifies the figures on stdout.
    fn warn(&self, header: &Header) {
        self.session.reporter().warned(&header.warnings);
    }

    /// Whether a flag gave the value of a key.
    fn is_flag(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key && entry.origin.starts_with("--"))
    }

    /// Says something that is not data.
    fn note(&self, text: &str) {
        self.session.reporter().note(text);
    }

    /// Says what went wrong with a part of the work; the rest goes on.
    fn complain(&self, error: &Error) {
        self.session.reporter().failed(error);
    }
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
        Err(e) => Err(Error::input("cannot write the output").caused_by(e)),
    }
}
