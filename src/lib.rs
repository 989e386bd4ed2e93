//! Which cloud cost moved, since when, by how many dollars, and whether it is worth somebody's morning.
//!
//! A [`Session`] holds a configuration, a database and today; each thing that the program can do is an operation of
//! [`operations`], whose fields are its parameters:
//!
//! ```
//! use aws_cost_anomalies::{Session, operations::{FindAnomalies, IngestBills}};
//!
//! # fn main() -> aws_cost_anomalies::Result<()> {
//! // A bill of two months, with twice the cost on its last two days, of which the newest is not settled.
//! let days = (1..=31).map(|day| (1, day)).chain((1..=28).map(|day| (2, day)));
//! let lines = days.map(|(month, day)| {
//!     let cost = if (month, day) >= (2, 27) { 200 } else { 100 + day % 3 };
//!     format!("2026-{month:02}-{day:02},Compute,{cost}\n")
//! });
//! let folder = tempfile::tempdir().expect("a folder");
//! let bill = folder.path().join("bill.csv");
//! std::fs::write(&bill, "date,service,cost\n".to_owned() + &lines.collect::<String>()).expect("a file");
//!
//! let session = Session::on_database(folder.path().join("costs.duckdb"), "2026-03-02".parse()?)?;
//! session.run(&IngestBills { paths: vec![bill], ..IngestBills::default() })?;
//! let answer = session.run(&FindAnomalies::default())?;
//! assert_eq!(answer.findings.len(), 1);
//! assert_eq!(answer.findings[0].actual, 200.0);
//! # Ok(())
//! # }
//! ```
//!
//! Modules in reading order; `docs/ARCHITECTURE.md` says who may use whom.

mod agent;
mod analysis;
mod cli;
mod commands;
mod config;
mod error;
mod inert;
mod ingest;
mod insights;
pub mod model;
mod notify;
pub mod operations;
mod report;
mod sample;
mod server;
mod sources;
mod store;
mod web;

pub use self::{
    error::{Error, ExitCode, Result},
    operations::{Answer, Header, Session},
};

/// For Rust's allocations and, under its plain names, for DuckDB's.
#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Parses the command line, runs the command and turns its outcome into an exit code.
pub fn main() -> std::process::ExitCode {
    cli::main()
}
