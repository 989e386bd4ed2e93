use std::time::Duration;

use clap::Args;

use super::{Context, print};
use crate::{
    error::{ExitCode, Result},
    report::{self, Format},
};

/// Ask the database with one SELECT statement
///
/// The database is opened read-only and cut off from files and network. Tables: cost_line_items,
/// daily_cost_summary, ingestion_log, accounts (docs/DATA.md).
#[derive(Debug, Args)]
pub struct SqlArgs {
    /// The statement, in DuckDB's SQL
    #[arg(value_name = "SELECT", allow_hyphen_values = true)]
    query: String,

    /// Rows to show at most
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    limit: u32,

    /// Seconds that the query may take
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,

    /// How to write the answer
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub fn run(args: &SqlArgs, context: &Context) -> Result<ExitCode> {
    let table = context.store()?.select(&args.query, args.limit as usize, Duration::from_secs(args.timeout))?;
    print(&report::sql::render(&table.columns, &table.rows, table.truncated, args.format, context.style)?)?;
    if table.truncated {
        context.note(&format!("note: there are more than {} rows; `--limit` shows more", args.limit));
    }
    Ok(ExitCode::Done)
}
