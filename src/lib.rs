//! Which cloud cost moved, since when, by how many dollars, and whether it is worth somebody's morning.
//!
//! Modules in reading order; `docs/ARCHITECTURE.md` says who may use whom.

mod error;
mod model;
mod analysis;
mod sources;
mod store;
mod ingest;
mod insights;
mod report;
mod config;
mod commands;
mod cli;

/// Parses the command line, runs the command and turns its outcome into an exit code.
pub fn main() -> std::process::ExitCode {
    cli::main()
}
