//! Where bills come from. Each source ends in the same line items: as SQL over a file, never as rows.
//! This module reads file names, headers and manifests; it never touches the database.

pub mod accounts;
pub mod aws;
pub mod bill;
pub mod columns;
pub mod cost_explorer;
pub mod dates;
pub mod discover;
pub mod files;
pub mod formats;
pub mod forms;
pub mod line_item;
pub mod looks;
pub mod manifest;
pub mod mapping;
pub mod numbers;
pub mod s3;
pub mod vendors;

pub use bill::{Bill, Opened, Options, open_bill};
pub use formats::Format;
