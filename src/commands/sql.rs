use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;

use super::{Context, print};
use crate::{
    error::{Error, ExitCode, Result},
    report::{self, Format},
    store::{apart, guard::Query},
};

/// Ask the database with one SELECT statement
///
/// The database is opened read-only and cut off from files and network, in a process of its own that may take --timeout
/// and --memory-limit. Tables: cost_line_items, daily_cost_summary, ingestion_log, accounts (docs/DATA.md). In JSON, which
/// does not have them, NaN and infinity are the texts NaN, inf and -inf.
#[derive(Debug, Args)]
pub struct SqlArgs {
    /// The statement, in DuckDB's SQL
    #[arg(value_name = "SELECT", allow_hyphen_values = true)]
    query: String,

    /// Rows to show at most
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    limit: u32,

    /// Seconds that the query may take, such as 60 or 0.5
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    timeout: Duration,

    /// How to write the answer
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

/// A time from a thousandth of a second to a day.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.001..=86_400.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "write seconds from 0.001 to 86400".to_owned())
}

pub fn run(args: &SqlArgs, context: &Context) -> Result<ExitCode> {
    let query = Query { sql: &args.query, rows: args.limit as usize, time: args.timeout };
    let table = apart::select(&program()?, context.database(), &query)?;
    print(&report::sql::render(&table.columns, &table.rows, table.truncated, args.format, context.style)?)?;
    if table.truncated {
        context.note(&format!("note: there are more than {} rows; `--limit` shows more", args.limit));
    }
    Ok(ExitCode::Done)
}

/// This program's file, also when another has taken its place since it was started.
fn program() -> Result<PathBuf> {
    let running = Path::new("/proc/self/exe");
    if cfg!(target_os = "linux") && running.exists() {
        return Ok(running.to_owned());
    }
    std::env::current_exe().map_err(|e| Error::input("cannot find this program's own file").cause(e))
}
