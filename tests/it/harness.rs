//! A folder of its own for each test, a clean environment, and the whole answer as one text.

use std::{
    fmt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use duckdb::Connection;
use serde_json::Value;
use tempfile::TempDir;

/// Where the shared real bills are, for those who have them.
const SHARED_DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data");

pub struct Sandbox {
    folder: TempDir,
}

/// What a command answered.
#[derive(Debug)]
pub struct Run {
    pub stdout: String,
    pub stderr: String,
    pub code: i32,
}

impl Sandbox {
    pub fn new() -> Self {
        Self { folder: TempDir::new().expect("a temporary folder") }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file, and the folders above it.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("create the folder");
        std::fs::write(&path, content).expect("write the file");
        path
    }

    /// A command in the sandbox: no configuration, a fixed width, a time zone far from UTC.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.command_of(Path::new(env!("CARGO_BIN_EXE_aws-cost-anomalies")), arguments)
    }

    /// The same of a copy of the binary.
    pub fn command_of(&self, binary: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary);
        command.args(arguments).current_dir(self.folder.path()).env_clear().stdin(Stdio::null());
        command.env("HOME", self.folder.path()).env("COLUMNS", "120").env("TZ", "Pacific/Kiritimati");
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Run {
        self.finish(self.command(arguments))
    }

    pub fn finish(&self, mut command: Command) -> Run {
        let output = command.output().expect("the binary runs");
        let own = self.folder.path().to_string_lossy().into_owned();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text").replace(&own, "[DIR]");
        Run { stdout: text(output.stdout), stderr: text(output.stderr), code: output.status.code().unwrap_or(-1) }
    }

    /// Runs a command that must succeed.
    pub fn ok(&self, arguments: &[&str]) -> Run {
        let run = self.run(arguments);
        assert_eq!(run.code, 0, "{arguments:?}\n{run}");
        run
    }

    /// Runs a command with `--format json` that must succeed.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let run = self.ok(&[arguments, &["--format", "json"]].concat());
        serde_json::from_str(&run.stdout).expect("JSON")
    }

    /// The rows of a query on the sandbox's database.
    pub fn rows(&self, query: &str) -> Vec<Value> {
        let answer = self.json(&["sql", query]);
        answer["rows"].as_array().cloned().unwrap_or_default()
    }

    /// The one number of a query on the sandbox's database.
    pub fn number(&self, query: &str) -> f64 {
        let rows = self.rows(query);
        let first = rows.first().and_then(|row| row.as_object()?.values().next()?.as_f64());
        first.unwrap_or_else(|| panic!("{query} gives {rows:?}"))
    }

    /// Writes the answer of a query to a parquet file.
    pub fn parquet(&self, name: &str, query: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("create the folder");
        direct(&format!("COPY ({query}) TO '{}' (FORMAT parquet)", path.display()));
        path
    }

    /// Generated bills: 60 days up to 2026-03-15.
    pub fn sample(&self, out: &str, more: &[&str]) {
        let fixed = ["sample-data", "--out", out, "--days", "60", "--as-of", "2026-03-15", "--quiet"];
        self.ok(&[&fixed, more].concat());
    }
}

/// Runs SQL in a DuckDB of the test's own.
pub fn direct(sql: &str) {
    let connection = Connection::open_in_memory().expect("DuckDB");
    connection.execute_batch(sql).expect("SQL of a test");
}

/// The numbers of the one row of a query in a DuckDB of the test's own.
pub fn direct_numbers(sql: &str, count: usize) -> Vec<f64> {
    let connection = Connection::open_in_memory().expect("DuckDB");
    let row = connection.query_row(sql, [], |row| (0..count).map(|index| row.get::<_, f64>(index)).collect());
    row.expect("SQL of a test")
}

/// The folder of real bills, or `None` with a word on stderr where it does not exist.
pub fn shared(name: &str) -> Option<String> {
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
