//! Which cloud cost moved, since when, by how many dollars, and whether it is worth somebody's morning.
//!
//! A [`Session`] holds a configuration, a database and today; each thing that the program can do is an operation of
//! [`operations`], whose fields are its parameters:
//!
//! ```
//! use aws_cost_anomalies::{Session, operations::{IngestBills, ShowTrends}};
//!
//! # fn main() -> aws_cost_anomalies::Result<()> {
//! let folder = tempfile::tempdir().expect("a folder");
//! let bill = folder.path().join("bill.csv");
//! std::fs::write(&bill, "date,service,cost\n2026-03-01,Compute,10\n2026-03-02,Compute,12.5\n").expect("a file");
//!
//! let session = Session::on_database(folder.path().join("costs.duckdb"), "2026-03-03".parse()?)?;
//! session.run(&IngestBills { paths: vec![bill], ..IngestBills::default() })?;
//! let trends = session.run(&ShowTrends::default())?;
//! assert_eq!(trends.groups[0].cost, 22.5);
//! assert_eq!(trends.header.currency(), "USD");
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
