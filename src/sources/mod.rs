//! Where bills come from. Each source ends in the same line items: as SQL over a file, never as rows.
//! This module reads file names, headers and manifests; it never touches the database.

pub(crate) mod accounts;
pub(crate) mod aws;
pub(crate) mod bill;
pub(crate) mod budgets;
pub(crate) mod cloudwatch;
pub(crate) mod columns;
pub(crate) mod containers;
pub(crate) mod cost_explorer;
pub(crate) mod dates;
pub(crate) mod discover;
pub(crate) mod files;
pub(crate) mod formats;
pub(crate) mod forms;
pub(crate) mod line_item;
pub(crate) mod looks;
pub(crate) mod manifest;
pub(crate) mod mapping;
pub(crate) mod model_vendors;
pub(crate) mod numbers;
pub(crate) mod objects;
pub(crate) mod s3;
pub(crate) mod vendors;

pub(crate) use bill::{Bill, Opened, Options, open_bill};
pub(crate) use formats::Format;
