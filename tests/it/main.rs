//! The program as its users run it. One binary: every other one would link DuckDB again.

mod anomalies;
mod bad_input;
mod config;
mod cost_semantics;
mod demo;
mod docs;
mod harness;
mod ingest;
mod layouts;
mod properties;
mod real_bills;
mod replacement;
mod sql;
mod tidy;
mod trends;
