//! The program as its users run it. One binary: every other one would link DuckDB again.

mod anomalies;
mod backtest;
mod bad_input;
mod config;
mod cost_explorer;
mod cost_semantics;
mod demo;
mod docs;
mod explain;
mod fake_aws;
mod harness;
mod incidents;
mod ingest;
mod layouts;
mod levels;
mod newest_day;
mod properties;
mod real_bills;
mod reconcile;
mod replacement;
mod s3;
mod sql;
mod tidy;
mod trends;
