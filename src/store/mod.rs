//! The one DuckDB file. Nothing else in the program speaks SQL to it.
//! It is blind to where bills come from and to what is made of them.
//!
//! A database opened for writing has access to files, because bills are loaded by DuckDB itself; so it runs the
//! program's own statements alone, with every value of a user's or a bill's quoted. A statement of the user's runs on a
//! database opened read-only and cut off ([`user_query`] refuses others), and in a process of its own ([`apart`]).

pub(crate) mod accounts;
pub(crate) mod apart;
pub(crate) mod api_calls;
pub(crate) mod changes;
pub(crate) mod commitments;
pub(crate) mod currency;
pub(crate) mod days;
pub(crate) mod delivery;
mod facts;
pub(crate) mod forecasts;
pub(crate) mod former;
pub(crate) mod holdings;
mod ingestion_log;
mod lease;
pub(crate) mod ledger;
mod load;
mod memory;
pub(crate) mod outbox;
pub(crate) mod overlap;
pub(crate) mod queries;
mod reading;
pub(crate) mod records;
mod schema;
mod scratch;
pub(crate) mod segments;
pub(crate) mod series;
pub(crate) mod standing;
mod texts;
pub(crate) mod triage;
mod turns;
pub(crate) mod user_query;

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use duckdb::{AccessMode, Config, Connection};
use serde::{Deserialize, Serialize};

use self::{
    currency::Converted,
    holdings::{AccountCost, Holding, Payer},
};
pub(crate) use self::{
    currency::Rates,
    facts::Facts,
    lease::{Database, Reader, Writer},
    memory::MemoryLimit,
};
use crate::error::{Code, Error, Result};

/// The oldest DuckDB that can open the files written here, so that users can bring their own client.
const STORAGE_VERSION: &str = "v1.4.0";

/// The `database` section of the configuration.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// The database file.
    pub path: PathBuf,
    /// Where fetched bills are kept.
    pub cache_dir: PathBuf,
    /// Gigabytes of them to keep.
    pub cache_limit_gb: f64,
    /// Memory that DuckDB may take before it spills to disk, such as `2GB`.
    pub memory_limit: MemoryLimit,
    /// Threads that DuckDB may use; 0 is one for each core.
    pub threads: u32,
}

/// More threads than that are no machine's; each takes memory before it does anything.
pub(crate) const MOST_THREADS: u32 = 1024;
/// Gigabytes of fetched bills, at most.
const MOST_CACHE_GB: f64 = 1e6;

impl Settings {
    /// The bytes of fetched bills to keep.
    pub(crate) fn cache_limit(&self) -> u64 {
        (self.cache_limit_gb * 1e9) as u64
    }

    /// # Errors
    /// When a value is out of range.
    pub(crate) fn check(&self) -> Result<()> {
        if !(0.0..=MOST_CACHE_GB).contains(&self.cache_limit_gb) {
            return Err(Error::input(format!("`database.cache_limit_gb` must be from 0 to {MOST_CACHE_GB}")));
        }
        if self.threads > MOST_THREADS {
            return Err(Error::input(format!("`database.threads` must be from 0 to {MOST_THREADS}")));
        }
        Ok(())
    }
}

/// An open database.
pub(crate) struct Store {
    connection: Connection,
    path: PathBuf,
    access: Access,
    memory_limit: MemoryLimit,
    /// The user's own names of accounts, which win over those stored.
    own_names: BTreeMap<String, String>,
    /// At which costs are read in another currency than they were billed in.
    rates: Option<Rates>,
    /// What they are read from instead of the tables.
    converted: Option<Converted>,
    known: Arc<Known>,
}

/// What every question begins with, and what does not change while a database is open for reading alone: nobody can write it then.
/// Read once for all who share the instance.
#[derive(Default)]
struct Known {
    holdings: OnceLock<Vec<Holding>>,
    account_costs: OnceLock<Vec<AccountCost>>,
    loaded_together: OnceLock<Vec<(Payer, String)>>,
    account_names: OnceLock<BTreeMap<String, String>>,
}

/// What a database is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    /// Reading alone, cut off from files and network.
    ReadOnly,
    Writing,
}

impl Store {
    /// Opens the database for writing; creates it where there is none.
    ///
    /// # Errors
    /// When the file is no database, is in use, was written by another version of this program, or cannot be written.
    fn open(settings: &Settings) -> Result<Self> {
        let path = &settings.path;
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder)
                .map_err(|e| Error::input(format!("cannot create the folder `{}`", folder.display())).caused_by(e))?;
        }
        if is_missing(path)? {
            create(settings)?;
        }
        check_magic(path)?;
        let mut store = Self::open_for_writing(path, settings)?;
        schema::prepare(&mut store)?;
        scratch::remove_left_behind(path);
        Ok(store)
    }

    /// Opens a file for writing as the database of the settings, which errors name.
    fn open_for_writing(file: &Path, settings: &Settings) -> Result<Self> {
        let config = config(settings)
            .and_then(|config| config.access_mode(AccessMode::ReadWrite))
            .and_then(|config| config.with("preserve_insertion_order", "false"))
            .and_then(|config| config.with("storage_compatibility_version", STORAGE_VERSION));
        Self::connect(file, settings, config, Access::Writing)
    }

    /// Opens the database for reading only, cut off from files and network.
    ///
    /// # Errors
    /// When there is no database yet, and as for [`Store::open`].
    fn open_read_only(settings: &Settings) -> Result<Self> {
        Self::open_reading(settings, None)
    }

    /// The same. `spills` is the folder for what does not fit into memory, where it is not DuckDB's own choice.
    fn open_reading(settings: &Settings, spills: Option<&Path>) -> Result<Self> {
        let path = &settings.path;
        if is_missing(path)? {
            return Err(Error::input(format!("there is no database at `{}` yet", path.display()))
                .with_code(Code::NoDatabase)
                .hint("ingest a bill: `aws-cost-anomalies ingest PATH`")
                .hint("or see what the program does: `aws-cost-anomalies demo`"));
        }
        check_magic(path)?;
        let own = config(settings).and_then(|config| match spills.and_then(Path::to_str) {
            // Not any more once there is no access to files.
            Some(folder) => config.with("temp_directory", folder),
            None => Ok(config),
        });
        let config = own
            .and_then(|config| config.access_mode(AccessMode::ReadOnly))
            .and_then(|config| config.enable_external_access(false))
            .and_then(|config| config.with("lock_configuration", "true"));
        let store = Self::connect(path, settings, config, Access::ReadOnly)?;
        schema::check(&store)?;
        Ok(store)
    }

    /// A handle to ask from another thread how far the running statement is. From here on DuckDB keeps count of that, which takes time:
    /// only for somebody who looks.
    pub(crate) fn progress(&self) -> Progress {
        // Without it nobody hears anything, and all else goes on.
        let _ = self.connection.set_query_progress_tracking(true);
        Progress(self.connection.progress_handle())
    }

    fn connect(file: &Path, settings: &Settings, config: duckdb::Result<Config>, access: Access) -> Result<Self> {
        let path = &settings.path;
        let config = config.map_err(|e| Error::input("the `database` settings are refused").cause(tidy(&e)))?;
        let connection = Connection::open_with_flags(file, config).map_err(|e| cannot_open(path, &e))?;
        set_time_zone(&connection);
        let memory_limit = settings.memory_limit.clone();
        let (path, own_names) = (path.to_owned(), BTreeMap::new());
        let known = Arc::default();
        Ok(Self { connection, path, access, memory_limit, own_names, rates: None, converted: None, known })
    }

    /// Another connection to the same instance.
    fn share(&self) -> Result<Self> {
        let connection = self.connection.try_clone().map_err(|e| cannot_open(&self.path, &e))?;
        set_time_zone(&connection);
        let (path, memory_limit, own_names) = (self.path.clone(), self.memory_limit.clone(), self.own_names.clone());
        let (rates, converted) = (self.rates.clone(), self.converted.clone());
        let known = Arc::clone(&self.known);
        Ok(Self { connection, path, access: self.access, memory_limit, own_names, rates, converted, known })
    }

    /// Puts the user's own names of accounts over those stored.
    fn with_account_names(mut self, names: BTreeMap<String, String>) -> Self {
        self.own_names = names;
        self
    }

    /// Runs `work` in a transaction, which an error undoes.
    fn in_transaction<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.run("BEGIN", "cannot start the transaction")?;
        let done = work(self).and_then(|done| self.run("COMMIT", "cannot commit").map(|()| done));
        if done.is_err() {
            // Fails only when DuckDB has rolled back already.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        done
    }

    fn run(&self, sql: &str, doing: &str) -> Result<()> {
        self.connection.execute_batch(sql).map_err(|e| self.error(doing, &e))
    }

    /// What is known already, where nobody can have changed it; else what `read` gives.
    fn once<T: Clone>(&self, of: impl Fn(&Known) -> &OnceLock<T>, read: impl FnOnce() -> Result<T>) -> Result<T> {
        if self.access != Access::ReadOnly {
            return read();
        }
        let place = of(&self.known);
        match place.get() {
            Some(known) => Ok(known.clone()),
            None => read().map(|found| place.get_or_init(|| found).clone()),
        }
    }

    /// All rows of a query.
    fn rows<T>(
        &self,
        sql: &str,
        doing: &str,
        mut read: impl FnMut(&duckdb::Row) -> duckdb::Result<T>,
    ) -> Result<Vec<T>> {
        let mut collect = || -> duckdb::Result<Vec<T>> {
            let mut statement = self.connection.prepare(sql)?;
            let mut rows = statement.query([])?;
            let mut all = Vec::new();
            while let Some(row) = rows.next()? {
                all.push(read(row)?);
            }
            Ok(all)
        };
        collect().map_err(|e| self.error(doing, &e))
    }

    fn error(&self, doing: &str, error: &duckdb::Error) -> Error {
        translate(doing, error, &self.path)
    }
}

/// Days are UTC. Without DuckDB's ICU extension there is no other zone, and no setting to refuse it.
fn set_time_zone(connection: &Connection) {
    let _ = connection.execute_batch("SET TimeZone = 'UTC'");
}

/// Whether there is no database yet. A file without any content is none: `touch` and `mktemp` leave one.
fn is_missing(path: &Path) -> Result<bool> {
    match fs::metadata(path) {
        Ok(found) => Ok(found.is_file() && found.len() == 0),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) => Err(Error::input(format!("cannot read `{}`", path.display())).cause(error)),
    }
}

/// Makes the database beside its place and puts it there once it is whole: a disk that is full on the way leaves nothing.
fn create(settings: &Settings) -> Result<()> {
    // What a link leads to, where that is there.
    let path = fs::canonicalize(&settings.path).unwrap_or_else(|_| settings.path.clone());
    let doing = format!("cannot create the database `{}`", settings.path.display());
    // Temporary names in the system's own words would help nobody.
    let failed = |e: std::io::Error| explained(&doing, e.kind().to_string(), &settings.path);
    // A folder, because what DuckDB writes beside its file goes with it.
    let own = scratch::beside(&path).map_err(failed)?;
    // DuckDB calls what is in a database by the name of its file.
    let new = own.path().join(path.file_name().unwrap_or_default());
    {
        let made = Store::open_for_writing(&new, settings)
            .and_then(|mut store| schema::prepare(&mut store).map(|()| store))
            .map_err(|e| e.context(&doing))?;
        made.connection.execute_batch("CHECKPOINT").map_err(|e| made.error(&doing, &e))?;
    }
    File::open(&new).and_then(|file| file.sync_all()).map_err(failed)?;
    let aside = new.with_added_extension("aside");
    if path.metadata().is_ok_and(|found| found.len() == 0) {
        fs::rename(&path, &aside).map_err(failed)?;
    }
    // A database that somebody else put there at this moment goes back.
    let placed = if aside.metadata().is_ok_and(|found| found.len() > 0) { &aside } else { &new };
    let placed = tempfile::TempPath::try_from_path(placed).and_then(|placed| Ok(placed.persist_noclobber(&path)?));
    match placed {
        // Somebody else was faster, or it is a link to where there is nothing yet: DuckDB opens what is there.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        placed => placed.map_err(failed),
    }
}

/// How far the running statement is.
pub struct Progress(duckdb::ProgressHandle);

impl Progress {
    /// The share done, from 0 to 1, when DuckDB can tell.
    pub fn fraction(&self) -> Option<f64> {
        self.0.query_progress().percentage().map(|percent| (percent / 100.0).clamp(0.0, 1.0))
    }
}

/// The version of the DuckDB library, such as `v2.0.0`.
pub(crate) fn duckdb_version() -> String {
    Connection::open_in_memory().and_then(|connection| connection.version()).unwrap_or_else(|_| "unknown".into())
}

fn config(settings: &Settings) -> duckdb::Result<Config> {
    // Nothing is fetched, whatever a query asks for: extensions would come over the network.
    let mut config = Config::default()
        .with("autoinstall_known_extensions", "false")?
        .with("autoload_known_extensions", "false")?
        .max_memory(&settings.memory_limit.to_string())?;
    if settings.threads > 0 {
        config = config.threads(i64::from(settings.threads))?;
    }
    Ok(config)
}

/// Refuses files that are something else before DuckDB touches them.
fn check_magic(path: &Path) -> Result<()> {
    let Ok(mut file) = File::open(path) else { return Ok(()) };
    let mut header = [0u8; 12];
    match file.read_exact(&mut header) {
        Ok(()) if &header[8..] == b"DUCK" => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => {
            Err(Error::input(format!("cannot read `{}`", path.display())).caused_by(e))
        }
        _ => {
            let error = Error::input(format!("`{}` is not a DuckDB database", path.display()));
            Err(if header == [0; 12] {
                error.hint("nothing was ever written to it: remove it")
            } else {
                error.hint("name another file with `--db` or `database.path` in the configuration")
            })
        }
    }
}

fn cannot_open(path: &Path, error: &duckdb::Error) -> Error {
    let text = error.to_string();
    let shown = path.display();
    if let Some((_, rest)) = text.split_once("(PID ") {
        let pid: String = rest.chars().take_while(char::is_ascii_digit).collect();
        return Error::input(format!("the database `{shown}` is in use by PID {pid}"))
            .with_code(Code::DatabaseInUse)
            .hint("wait until that process is done; readers may share the file, a writer needs it alone");
    }
    translate(&format!("cannot open the database `{shown}`"), error, path)
}

/// What DuckDB says, made into an error with a next step.
fn translate(doing: &str, error: &duckdb::Error, path: &Path) -> Error {
    explained(doing, tidy(error), path)
}

fn explained(doing: &str, text: String, path: &Path) -> Error {
    let translated = Error::input(doing).cause(&text);
    let lower = text.to_lowercase();
    let is_full = ["no space left", "no storage space", "file too large", "quota"];
    if is_full.iter().any(|words| lower.contains(words)) {
        translated.hint(format!(
            "free space on the disk of `{}`; nothing of this change was kept",
            path.parent().unwrap_or(path).display()
        ))
    } else if lower.contains("permission denied") || lower.contains("read-only") {
        translated.hint(format!("make `{}` and its folder writable, or name another file with `--db`", path.display()))
    } else if lower.contains("out of memory") || lower.contains("could not allocate") {
        translated.hint("allow more with `--memory-limit`, or fewer `--threads`")
    } else if lower.contains("to decimal(38,12)") {
        // Text such as `NaN` casts to a number that would poison every sum.
        Error::value(doing)
            .cause("a cost is not a number, or has more than 26 digits")
            .hint("mend the bill, or fetch it again")
    } else if lower.contains("newer version of duckdb") {
        translated.hint("use a newer release of this program, or another file with `--db`")
    } else {
        translated
    }
}

/// DuckDB's message without its advice on DuckDB's own options.
fn tidy(error: &duckdb::Error) -> String {
    without_advice(&error.to_string())
}

fn without_advice(text: &str) -> String {
    let end =
        ["\n\nLINE ", "\nPossible", "\n  file =", "\nThis type was", "\n\nNewer DuckDB", "\n\nColumn ", ". Use \"SET "]
            .iter()
            .filter_map(|mark| text.find(mark))
            .min()
            .unwrap_or(text.len());
    text[..end].trim().to_owned()
}

/// The SQL of a sum that does not depend on the order of the rows: threads hand them over as they come, and
/// sums of floating-point numbers differ by it. Exact to 12 decimals, for sums below 10^26.
fn exact_sum(expression: &str) -> String {
    format!("CAST(sum(CAST({expression} AS DECIMAL(38, 12))) AS DOUBLE)")
}

/// The SQL of a text. A statement ends at a NUL, wherever it stands, so one in a text is spelt out.
fn quoted(text: &str) -> String {
    let parts: Vec<String> = text.split('\0').map(|part| format!("'{}'", part.replace('\'', "''"))).collect();
    match &parts[..] {
        [whole] => whole.clone(),
        parts => format!("({})", parts.join(" || chr(0) || ")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{user_query::Query, *};

    fn settings(path: PathBuf) -> Settings {
        let memory_limit = "100MB".parse().expect("a size");
        Settings { path, cache_dir: PathBuf::new(), cache_limit_gb: 1.0, memory_limit, threads: 1 }
    }

    #[test]
    fn every_text_comes_back_as_it_was() {
        let connection = Connection::open_in_memory().expect("DuckDB");
        for text in ["", "it's", "a\0b", "\0", "\0\0'", "\u{202e}x", "'; DROP TABLE t; --"] {
            let sql = format!("SELECT {}", quoted(text));
            assert_eq!(connection.query_row(&sql, [], |row| row.get::<_, String>(0)).expect(&sql), text);
        }
    }

    #[test]
    fn no_statement_of_a_users_runs_where_it_could_write() {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = settings(folder.path().join("a.duckdb"));
        let query = Query { sql: "SELECT 42 AS n", rows: 10, time: Duration::from_secs(10), stop: None };
        let writing = Store::open(&settings).expect("a new database");
        assert!(writing.select(&query).is_err());
        drop(writing);
        let reading = Store::open_read_only(&settings).expect("a database");
        assert_eq!(reading.select(&query).expect("an answer").rows, [[serde_json::Value::from(42)]]);
    }

    #[test]
    fn a_late_statement_is_stopped_even_before_it_begins() {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = settings(folder.path().join("a.duckdb"));
        drop(Store::open(&settings).expect("a new database"));
        let store = Store::open_read_only(&settings).expect("a database");
        let sql = "SELECT count(*) FROM range(100000000) a, range(100000) b WHERE (a.range * b.range) % 7 = 3";
        let error =
            store.select(&Query { sql, rows: 1, time: Duration::ZERO, stop: None }).expect_err("late").to_string();
        assert!(error.contains("took longer than 0 s"), "{error}");
        assert!(store.select(&Query { sql: "SELECT 1", rows: 1, time: Duration::from_secs(10), stop: None }).is_ok());
    }

    #[test]
    fn a_new_database_is_put_in_place_whole_and_over_no_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = settings(folder.path().join("a.duckdb"));
        let names = || {
            let names = fs::read_dir(folder.path()).expect("a folder").flatten().map(|entry| entry.file_name());
            names.collect::<Vec<_>>()
        };
        fs::write(&settings.path, "").expect("an empty file");
        create(&settings).expect("a new database");
        assert_eq!(names(), ["a.duckdb"]);
        let first = fs::read(&settings.path).expect("a database");
        // Another process was faster: what is there stays.
        create(&settings).expect("there is one");
        assert!(fs::read(&settings.path).expect("a database") == first);
        assert_eq!(names(), ["a.duckdb"]);
    }
}
