//! What every answer says of itself, once: what it is made of, and what a reader should know before trusting it.

use std::ops::Deref;

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::Serialize;

use super::warning::Warning;
use crate::model::Metric;

/// The version of every JSON answer. Fields are only ever added to it.
pub(crate) const SCHEMA_VERSION: u32 = 1;

/// What an operation answers: one header, and a body whose fields stand beside the header's.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Answer<T> {
    /// What every answer says about its data.
    #[serde(flatten)]
    pub header: Header,
    /// The answer itself.
    #[serde(flatten)]
    pub body: T,
}

/// What an answer is made of.
#[derive(Clone, Debug, Default, JsonSchema, PartialEq, Serialize)]
pub struct Header {
    /// The version of the fields; they are only ever added to.
    pub schema_version: u32,
    /// The operation that answers.
    pub operation: String,
    /// The day that was taken for today.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<NaiveDate>,
    /// The newest day of the data up to then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_through: Option<NaiveDate>,
    /// The newest day that does not change any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settled_through: Option<NaiveDate>,
    /// The data sources that were read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// The cost that is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<Metric>,
    /// What amounts are in, where it is one currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// What qualifies the figures.
    #[serde(serialize_with = "crate::model::text::with_texts")]
    #[schemars(with = "Vec<crate::model::text::WithText<super::warning::Warning>>")]
    pub warnings: Vec<Warning>,
}

impl Header {
    /// The header of an answer as of a day.
    pub fn of(as_of: NaiveDate) -> Self {
        Self { as_of: Some(as_of), ..Self::plain() }
    }

    /// The header of an answer that no day changes.
    pub fn plain() -> Self {
        Self { schema_version: SCHEMA_VERSION, ..Self::default() }
    }

    /// What amounts are in; nothing where they are in several currencies.
    pub fn currency(&self) -> &str {
        self.currency.as_deref().unwrap_or_default()
    }
}

/// The body's fields are the answer's, as in JSON.
impl<T> Deref for Answer<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.body
    }
}
