//! How the data stands: which bills there are and how new they are, what was run, what waits, and what this program itself spent.

use schemars::JsonSchema;
use serde::Serialize;

use super::health::Check;
use crate::store::standing::{PastRun, Spent, StoredBill};

/// How the data stands.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct DataStatus {
    /// In order of provider, source and payer.
    pub bills: Vec<StoredBill>,
    /// Whether the data can be trusted: tables that agree, freshness, gaps, names.
    pub checks: Vec<Check>,
    /// The newest runs of `run` and `watch`, the last first.
    pub runs: Vec<PastRun>,
    /// Channels, and what waits for them.
    pub channels: Vec<Outgoing>,
    /// What this program asked of priced APIs, the newest month first.
    pub spent: Vec<Spent>,
    /// Bytes of the database file.
    pub database_bytes: u64,
}

/// A channel, and what waits for it.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Outgoing {
    /// Its name in the configuration.
    pub channel: String,
    /// Messages that it took.
    pub sent: u64,
    /// Messages that wait for it.
    pub waiting: usize,
    /// Why they do.
    pub error: Option<String>,
}
