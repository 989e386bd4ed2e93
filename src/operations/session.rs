//! What a run needs beside its parameters: settings, today, the database, and clients that are made when they are
//! first used.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use chrono::NaiveDate;
use tokio::runtime::{self, Handle, Runtime};

use super::{Answer, Operation, input};
use crate::{
    config::{self, Config, Loaded},
    error::{Error, Result},
    ingest::Watcher,
    insights::warning::Warning,
    model::{Day, Stop},
    sources::aws::Aws,
    store::{Database, Reader, Settings, Writer, currency::Rates},
};

/// Hears what an operation has to say while it goes on.
pub trait Reporter: Send + Sync {
    /// Something that is worth knowing.
    fn note(&self, _text: &str) {}

    /// A part of the work that failed; the rest goes on.
    fn failed(&self, _error: &Error) {}

    /// What qualifies figures.
    fn warned(&self, warnings: &[Warning]) {
        warnings.iter().for_each(|warning| self.note(&format!("note: {}", warning.text())));
    }

    /// Whether something may be done that a model asks for. Where nobody can be asked, it may not.
    fn allow(&self, _permission: &Permission) -> bool {
        false
    }

    /// A model says something, which is not checked yet.
    fn written(&self, _text: &str) {}

    /// Calls `work` with somebody who watches bills being loaded.
    fn watch(&self, work: &mut dyn FnMut(&dyn Watcher)) {
        work(&Silent);
    }
}

/// Something that reaches out of this machine, or costs money.
#[derive(Clone, Debug)]
pub struct Permission {
    /// In words.
    pub what: String,
    /// The same as a command.
    pub command: Option<String>,
    /// What it costs in US dollars, if anything.
    pub cost_usd: Option<f64>,
}

/// Nobody listens.
pub struct Silent;

impl Reporter for Silent {}
impl Watcher for Silent {}

/// One user, one configuration, one database, one today. Clones share what was opened or connected once.
#[derive(Clone)]
pub struct Session {
    loaded: Arc<Loaded>,
    database: Database,
    today: NaiveDate,
    reporter: Arc<dyn Reporter>,
    /// This program's file, which runs the user's SQL in a process of its own.
    program: Option<PathBuf>,
    /// Made when the network is first used; one for the whole program.
    runtime: Arc<OnceLock<Runtime>>,
    aws: Arc<OnceLock<Aws>>,
    /// Read when costs are first read.
    rates: Arc<OnceLock<Option<Rates>>>,
    /// Given when nobody wants the answer any more.
    stop: Option<Stop>,
}

impl Session {
    /// A session on a database, which is made when something is written, with the default settings.
    ///
    /// # Errors
    /// Never, unless this program is broken.
    pub fn on_database(path: impl Into<PathBuf>, today: Day) -> Result<Self> {
        let mut loaded = config::defaults()?;
        loaded.config.database.path = path.into();
        Ok(Self::new(loaded, today.date()))
    }

    /// A session on the database of a configuration, with `today` as today and nobody who listens.
    pub(crate) fn new(loaded: Loaded, today: NaiveDate) -> Self {
        let names = loaded.config.accounts.clone();
        let database = Database::new(loaded.config.database.clone()).with_account_names(names);
        Self {
            loaded: Arc::new(loaded),
            database,
            today,
            reporter: Arc::new(Silent),
            program: None,
            runtime: Arc::default(),
            aws: Arc::default(),
            rates: Arc::default(),
            stop: None,
        }
    }

    /// The same for one of many calls: with its own today, somebody who listens to it, and a sign that ends it. What was
    /// opened or connected once is shared.
    pub(crate) fn for_call(&self, today: NaiveDate, reporter: Arc<dyn Reporter>, stop: Stop) -> Self {
        Self { today, reporter, stop: Some(stop), ..self.clone() }
    }

    /// The same on another day.
    pub(crate) fn of_day(&self, today: NaiveDate) -> Self {
        Self { today, ..self.clone() }
    }

    /// The same for a server: the database stays open for a while after an answer, unless somebody waits to write it.
    pub(crate) fn kept_open(&self, idle: Duration) -> Self {
        Self { database: self.database.clone().kept_open(idle), ..self.clone() }
    }

    /// The same for readers who wait for a writer only for so long: there is something else to show.
    pub(crate) fn with_patience(&self, patience: Duration) -> Self {
        Self { database: self.database.clone().with_patience(patience), ..self.clone() }
    }

    /// The same with somebody who listens.
    pub fn with_reporter(self, reporter: Arc<dyn Reporter>) -> Self {
        Self { reporter, ..self }
    }

    /// The same with the file of this program: the user's SQL then runs in a process of its own, within its limits.
    pub fn with_program(self, program: PathBuf) -> Self {
        Self { program: Some(program), ..self }
    }

    /// A session on another database and another day, otherwise the same.
    pub(crate) fn on(&self, database: Settings, today: NaiveDate) -> Self {
        let mut loaded = Loaded::clone(&self.loaded);
        loaded.config.database = database;
        Self {
            reporter: Arc::clone(&self.reporter),
            program: self.program.clone(),
            runtime: Arc::clone(&self.runtime),
            ..Self::new(loaded, today)
        }
    }

    /// Runs an operation: checks its parameters, answers, and says of what the answer is.
    ///
    /// # Errors
    /// As the operation, and when a parameter is out of range.
    pub fn run<O: Operation>(&self, operation: &O) -> Result<Answer<O::Output>> {
        input::check(operation)?;
        let started = Instant::now();
        let answer = operation.answer(self);
        let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        match &answer {
            Ok(_) => tracing::info!(operation = O::NAME, ms, "answered"),
            Err(error) => tracing::info!(operation = O::NAME, ms, code = error.code().name(), "failed"),
        }
        answer.map(|mut answer| {
            answer.header.operation = O::NAME.to_owned();
            answer
        })
    }

    pub(crate) fn config(&self) -> &Config {
        &self.loaded.config
    }

    /// The file that the configuration comes from.
    pub fn config_file(&self) -> Option<&Path> {
        self.loaded.file.as_deref()
    }

    /// The day that is today, unless an operation is told another.
    pub fn today(&self) -> NaiveDate {
        self.today
    }

    /// Who hears what goes on.
    pub fn reporter(&self) -> &dyn Reporter {
        &*self.reporter
    }

    /// The same, to be handed on.
    pub(super) fn reporter_handle(&self) -> Arc<dyn Reporter> {
        Arc::clone(&self.reporter)
    }

    /// Works while the reporter watches.
    pub(super) fn watched<T>(&self, work: impl FnOnce(&dyn Watcher) -> Result<T>) -> Result<T> {
        let (mut work, mut done) = (Some(work), None);
        self.reporter.watch(&mut |watcher| done = work.take().map(|work| work(watcher)));
        done.unwrap_or_else(|| Err(Error::bug("nobody let the work begin")))
    }

    pub(super) fn program(&self) -> Option<&PathBuf> {
        self.program.as_ref()
    }

    /// The settings of the database.
    pub(crate) fn database(&self) -> &Settings {
        self.database.settings()
    }

    /// The database, read-only.
    ///
    /// # Errors
    /// When it cannot be read, or nobody wants the answer any more.
    pub(crate) fn store(&self) -> Result<Reader> {
        let reader = self.database.read()?.converted(self.rates()?);
        if let Some(stop) = &self.stop {
            reader.end_with(stop);
        }
        Ok(reader)
    }

    /// The sign that nobody wants the answer any more.
    pub(super) fn stop(&self) -> Option<&Stop> {
        self.stop.as_ref()
    }

    /// The options of this run that say what is read, as they were given: whoever repeats an answer needs them.
    pub(super) fn options(&self) -> Vec<(&'static str, String)> {
        let config =
            self.config_file().filter(|_| self.loaded.is_named).map(|file| ("--config", file.display().to_string()));
        let is_flag = self.loaded.entries.iter().any(|entry| entry.key == "database.path" && entry.origin == "--db");
        let database = is_flag.then(|| ("--db", self.database().path.display().to_string()));
        config.into_iter().chain(database).collect()
    }

    /// The database for writing, once nobody else uses it.
    pub(crate) fn store_for_writing(&self) -> Result<Writer> {
        Ok(self.database.write()?.converted(self.rates()?))
    }

    /// The database for writing, unless somebody else uses it.
    pub(crate) fn store_for_writing_now(&self) -> Result<Writer> {
        Ok(self.database.write_now()?.converted(self.rates()?))
    }

    /// The same to write bills into, which are kept as they were billed: no rates are needed.
    pub(crate) fn store_for_loading(&self) -> Result<Writer> {
        self.database.write_now()
    }

    /// The rates at which costs are converted, if they are.
    ///
    /// # Errors
    /// When their file is not valid.
    fn rates(&self) -> Result<Option<&Rates>> {
        if self.rates.get().is_none() {
            let read = config::rates(&self.config().currency)?;
            let _ = self.rates.set(read);
        }
        Ok(self.rates.get().and_then(Option::as_ref))
    }

    /// What runs whatever waits for the network.
    ///
    /// # Errors
    /// When its threads cannot be started.
    pub(crate) fn runtime(&self) -> Result<&Handle> {
        if let Some(runtime) = self.runtime.get() {
            return Ok(runtime.handle());
        }
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(|e| Error::input("cannot start the network threads").caused_by(e))?;
        Ok(self.runtime.get_or_init(|| runtime).handle())
    }

    /// A way to AWS with the credentials for costs, made on first use.
    pub(crate) fn aws(&self) -> Result<&Aws> {
        if let Some(aws) = self.aws.get() {
            return Ok(aws);
        }
        let aws = Aws::connect(&self.config().aws, &self.config().aws_profile, self.runtime()?);
        Ok(self.aws.get_or_init(|| aws))
    }
}
