//! Which cloud cost moved, since when, by how many dollars, and whether it is worth somebody's morning.
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
mod model;
mod notify;
mod report;
mod sources;
mod store;
mod web;

/// For Rust's allocations and, under its plain names, for DuckDB's.
#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Parses the command line, runs the command and turns its outcome into an exit code.
pub fn main() -> std::process::ExitCode {
    cli::main()
}
