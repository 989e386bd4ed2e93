//! A folder of its own for each test, a clean environment, and the whole answer as one text.

use std::{
    collections::BTreeMap,
    fmt, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use duckdb::{AccessMode, Config, Connection};
use serde_json::Value;
use tempfile::TempDir;

/// Where the shared real bills are, for those who have them.
const SHARED_DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data");

pub(crate) struct Sandbox {
    folder: TempDir,
}

/// What a command answered.
#[derive(Debug)]
pub(crate) struct Run {
    pub stdout: String,
    pub stderr: String,
    pub code: i32,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self { folder: TempDir::new().expect("a temporary folder") }
    }

    /// A sandbox for several tests, which none of them drops: it lies where the next run of tests removes it.
    pub(crate) fn kept() -> Self {
        static FOLDER: OnceLock<PathBuf> = OnceLock::new();
        let folder = FOLDER.get_or_init(|| {
            let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
            let is_old = |entry: &fs::DirEntry| {
                let changed = entry.metadata().and_then(|found| found.modified()).ok();
                changed.and_then(|changed| changed.elapsed().ok()).is_some_and(|age| age > Duration::from_secs(3600))
            };
            fs::read_dir(&folder).into_iter().flatten().flatten().filter(is_old).for_each(|entry| {
                let _ = fs::remove_dir_all(entry.path());
            });
            folder
        });
        Self { folder: TempDir::new_in(folder).expect("a folder in the target folder") }
    }

    /// Generated bills of 60 days up to 2026-03-15, ingested.
    pub(crate) fn with_sample() -> Self {
        Self::beginning("sample", |sandbox| {
            sandbox.sample("bills", &[]);
            sandbox.ok(&["ingest", "bills", "--quiet"]);
        })
    }

    /// A folder of real bills, ingested; `None` with a word on stderr where it does not exist.
    pub(crate) fn with_real(name: &str) -> Option<Self> {
        let folder = shared(name)?;
        Some(Self::beginning(name, |sandbox| {
            sandbox.ok(&["ingest", &folder, "--quiet"]);
        }))
    }

    /// A copy of what many tests begin with, which is made once.
    pub(crate) fn beginning(name: &str, make: impl FnOnce(&Self)) -> Self {
        static MADE: Mutex<BTreeMap<String, Arc<OnceLock<Sandbox>>>> = Mutex::new(BTreeMap::new());
        let made = MADE.lock().expect("no panic").entry(name.to_owned()).or_default().clone();
        let made = made.get_or_init(|| {
            let sandbox = Self::kept();
            make(&sandbox);
            sandbox
        });
        let own = Self::new();
        copy(made.folder.path(), own.folder.path());
        own
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file, and the folders above it.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("create the folder");
        fs::write(&path, content).expect("write the file");
        path
    }

    /// A command in the sandbox: no configuration, a fixed width, a time zone far from UTC.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.command_of(Path::new(env!("CARGO_BIN_EXE_aws-cost-anomalies")), arguments)
    }

    /// The same of a copy of the binary.
    pub(crate) fn command_of(&self, binary: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary);
        command.args(arguments).current_dir(self.folder.path()).env_clear().stdin(Stdio::null());
        command.env("HOME", self.folder.path()).env("COLUMNS", "120").env("TZ", "Pacific/Kiritimati");
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        self.finish(self.command(arguments))
    }

    pub(crate) fn finish(&self, mut command: Command) -> Run {
        let output = command.output().expect("the binary runs");
        let own = self.folder.path().to_string_lossy().into_owned();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text").replace(&own, "[DIR]");
        Run { stdout: text(output.stdout), stderr: text(output.stderr), code: output.status.code().unwrap_or(-1) }
    }

    /// Runs a command that must succeed.
    pub(crate) fn ok(&self, arguments: &[&str]) -> Run {
        let run = self.run(arguments);
        assert_eq!(run.code, 0, "{arguments:?}\n{run}");
        run
    }

    /// Runs a command with `--format json` that must succeed.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let run = self.ok(&[arguments, &["--format", "json"]].concat());
        serde_json::from_str(&run.stdout).expect("JSON")
    }

    /// Changes the sandbox's database past the program.
    pub(crate) fn execute(&self, sql: &str) {
        let connection = Connection::open(self.path("data/costs.duckdb")).expect("the database");
        connection.execute_batch(sql).expect("it takes that");
    }

    /// The rows of a query on the sandbox's database, as objects. The test reads the file itself, which takes a tenth of
    /// the time that `sql` does.
    pub(crate) fn rows(&self, query: &str) -> Vec<Value> {
        let path = self.path("data/costs.duckdb");
        let open = || {
            let config = Config::default().access_mode(AccessMode::ReadOnly)?.threads(1)?;
            Connection::open_with_flags(&path, config)
        };
        // Somebody may be writing.
        let waits = (0..20).map(|_| std::thread::sleep(Duration::from_millis(200)));
        let connection = open().or_else(|e| waits.map(|()| open()).find(Result::is_ok).unwrap_or(Err(e)));
        let connection = connection.expect("the sandbox's database");
        let mut statement = connection
            .prepare(&format!("SELECT CAST(to_json(own_row) AS VARCHAR) FROM ({query}) own_row"))
            .unwrap_or_else(|e| panic!("{query}: {e}"));
        let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap_or_else(|e| panic!("{query}: {e}"));
        rows.map(|row| serde_json::from_str(&row.expect("a row")).expect("JSON")).collect()
    }

    /// The one number of a query on the sandbox's database.
    pub(crate) fn number(&self, query: &str) -> f64 {
        let rows = self.rows(query);
        let first = rows.first().and_then(|row| row.as_object()?.values().next()?.as_f64());
        first.unwrap_or_else(|| panic!("{query} gives {rows:?}"))
    }

    /// Writes the answer of a query to a parquet file.
    pub(crate) fn parquet(&self, name: &str, query: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("create the folder");
        direct(&format!("COPY ({query}) TO '{}' (FORMAT parquet)", path.display()));
        path
    }

    /// Generated bills: 60 days up to 2026-03-15.
    pub(crate) fn sample(&self, out: &str, more: &[&str]) {
        let made = Self::beginning(&format!("bills {more:?}"), |sandbox| {
            let fixed = ["sample-data", "--out", "bills", "--days", "60", "--as-of", "2026-03-15", "--quiet"];
            sandbox.ok(&[&fixed, more].concat());
        });
        fs::rename(made.path("bills"), self.path(out)).expect("a place for the bills");
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("create the folder");
    for entry in fs::read_dir(from).expect("a folder").map(|entry| entry.expect("an entry")) {
        let to = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).expect("a copy");
        }
    }
}

/// Runs SQL in a DuckDB of the test's own.
pub(crate) fn direct(sql: &str) {
    let connection = Connection::open_in_memory().expect("DuckDB");
    connection.execute_batch(sql).expect("SQL of a test");
}

/// The numbers of the one row of a query in a DuckDB of the test's own.
pub(crate) fn direct_numbers(sql: &str, count: usize) -> Vec<f64> {
    let connection = Connection::open_in_memory().expect("DuckDB");
    let row = connection.query_row(sql, [], |row| (0..count).map(|index| row.get::<_, f64>(index)).collect());
    row.expect("SQL of a test")
}

/// The folder of real bills, or `None` with a word on stderr where it does not exist.
pub(crate) fn shared(name: &str) -> Option<String> {
    let path = Path::new(SHARED_DATA).join(name);
    if path.exists() {
        return Some(path.canonicalize().expect("a path").to_string_lossy().into_owned());
    }
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "not tested here: there is no {}", path.display());
    None
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.stdout)?;
        if !self.stderr.is_empty() {
            write!(f, "--- stderr\n{}", self.stderr)?;
        }
        write!(f, "--- exit code {}", self.code)
    }
}
