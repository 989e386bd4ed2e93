//! The one DuckDB file. Nothing else in the program speaks SQL to it.
//! It is blind to where bills come from and to what is made of them.

pub mod api;
pub mod changes;
pub mod guard;
pub mod holdings;
pub mod ledger;
pub mod load;
pub mod notices;
pub mod queries;
mod schema;
mod segments;
pub mod series;

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

use duckdb::{AccessMode, Config, Connection};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The oldest DuckDB that can open the files written here, so that users can bring their own client.
const STORAGE_VERSION: &str = "v1.4.0";

/// The `database` section of the configuration.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The database file.
    pub path: PathBuf,
    /// Where fetched bills are kept.
    pub cache_dir: PathBuf,
    /// Gigabytes of them to keep.
    pub cache_limit_gb: f64,
    /// Memory that DuckDB may take before it spills to disk, such as `2GB`.
    pub memory_limit: String,
    /// Threads that DuckDB may use; 0 is one for each core.
    pub threads: usize,
}

/// What is said of a database that somebody else has open.
const IN_USE: &str = "is in use by PID";

/// An open database.
pub struct Store {
    connection: Connection,
    path: PathBuf,
    /// The user's own names of accounts, which win over those stored.
    own_names: BTreeMap<String, String>,
}

impl Store {
    /// Opens the database for writing; creates it, or brings its tables up to date.
    ///
    /// # Errors
    /// When the file is no database, is in use, was written by a newer program, or cannot be written.
    pub fn open(settings: &Settings) -> Result<Self> {
        let path = &settings.path;
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder)
                .map_err(|e| Error::input(format!("cannot create the folder `{}`", folder.display())).cause(e))?;
        }
        check_magic(path)?;
        let config = config(settings)
            .and_then(|config| config.access_mode(AccessMode::ReadWrite))
            .and_then(|config| config.with("preserve_insertion_order", "false"))
            .and_then(|config| config.with("storage_compatibility_version", STORAGE_VERSION));
        let mut store = Self::connect(path, config)?;
        store.connection.set_query_progress_tracking(true).map_err(|e| cannot_open(path, &e))?;
        schema::migrate(&mut store)?;
        Ok(store)
    }

    /// Opens the database for writing once nobody else uses it, for half a minute at most.
    ///
    /// # Errors
    /// As [`Store::open`], and when it is still in use.
    pub fn open_when_free(settings: &Settings) -> Result<Self> {
        when_free(100, || Self::open(settings))
    }

    /// Opens the database for reading once nobody writes it, for some seconds at most.
    ///
    /// # Errors
    /// As [`Store::open_read_only`], and when it is still in use.
    pub fn open_read_only_when_free(settings: &Settings) -> Result<Self> {
        when_free(15, || Self::open_read_only(settings))
    }

    /// Opens the database for reading only, cut off from files and network.
    ///
    /// # Errors
    /// When there is no database yet, and as for [`Store::open`].
    pub fn open_read_only(settings: &Settings) -> Result<Self> {
        let path = &settings.path;
        if !path.exists() {
            return Err(Error::input(format!("there is no database at `{}` yet", path.display()))
                .hint("ingest a bill: `aws-cost-anomalies ingest PATH`")
                .hint("or see what the program does: `aws-cost-anomalies demo`"));
        }
        check_magic(path)?;
        let connect = || {
            let config = config(settings)
                .and_then(|config| config.access_mode(AccessMode::ReadOnly))
                .and_then(|config| config.enable_external_access(false))
                .and_then(|config| config.with("lock_configuration", "true"));
            Self::connect(path, config)
        };
        let store = connect()?;
        if schema::is_current(&store)? {
            return Ok(store);
        }
        drop(store);
        drop(Self::open(settings)?);
        connect()
    }

    /// A handle to ask from another thread how far the running statement is.
    pub fn progress(&self) -> Progress {
        Progress(self.connection.progress_handle())
    }

    fn connect(path: &Path, config: duckdb::Result<Config>) -> Result<Self> {
        let config = config.map_err(|e| {
            Error::input("the `database` settings are refused")
                .cause(tidy(&e))
                .hint("`memory_limit` is a size such as `2GB`, `threads` a number")
        })?;
        let connection = Connection::open_with_flags(path, config).map_err(|e| cannot_open(path, &e))?;
        // Days are UTC. Without DuckDB's ICU extension there is no other zone, and no setting to refuse it.
        let _ = connection.execute_batch("SET TimeZone = 'UTC'");
        Ok(Self { connection, path: path.to_owned(), own_names: BTreeMap::new() })
    }

    /// Puts the user's own names of accounts over those stored.
    pub fn with_account_names(mut self, names: BTreeMap<String, String>) -> Self {
        self.own_names = names;
        self
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    fn error(&self, doing: &str, error: &duckdb::Error) -> Error {
        translate(doing, error, &self.path)
    }
}

/// Tries again while somebody else has the database open.
fn when_free(attempts: u32, open: impl Fn() -> Result<Store>) -> Result<Store> {
    for _ in 1..attempts {
        match open() {
            Err(error) if error.summary().contains(IN_USE) => {}
            done => return done,
        }
        std::thread::sleep(std::time::Duration::from_millis(300));
    }
    open()
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
pub fn duckdb_version() -> String {
    Connection::open_in_memory().and_then(|connection| connection.version()).unwrap_or_else(|_| "unknown".into())
}

fn config(settings: &Settings) -> duckdb::Result<Config> {
    // Nothing is fetched, whatever a query asks for: extensions would come over the network.
    let mut config = Config::default()
        .with("autoinstall_known_extensions", "false")?
        .with("autoload_known_extensions", "false")?
        .max_memory(&settings.memory_limit)?;
    if settings.threads > 0 {
        config = config.threads(i64::try_from(settings.threads).unwrap_or(i64::MAX))?;
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
            Err(Error::input(format!("cannot read `{}`", path.display())).cause(e))
        }
        _ => Err(Error::input(format!("`{}` is not a DuckDB database", path.display()))
            .hint("name another file with `--db` or `database.path` in the configuration")),
    }
}

fn cannot_open(path: &Path, error: &duckdb::Error) -> Error {
    let text = error.to_string();
    let shown = path.display();
    if let Some((_, rest)) = text.split_once("(PID ") {
        let pid: String = rest.chars().take_while(char::is_ascii_digit).collect();
        return Error::input(format!("the database `{shown}` {IN_USE} {pid}"))
            .hint("wait until that process is done; readers may share the file, a writer needs it alone");
    }
    translate(&format!("cannot open the database `{shown}`"), error, path)
}

/// What DuckDB says, made into an error with a next step.
fn translate(doing: &str, error: &duckdb::Error, path: &Path) -> Error {
    let text = tidy(error);
    let translated = Error::input(doing).cause(&text);
    let lower = text.to_lowercase();
    if lower.contains("no space left") || lower.contains("file too large") || lower.contains("disk quota") {
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
        Error::input(doing)
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
    let text = error.to_string();
    let end = ["\n\nLINE ", "\nPossible", "\n  file =", "\nThis type was", "\n\nNewer DuckDB", "\n\nColumn "]
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

/// The SQL literal of a text.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
