//! What an explanation says.

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    change::{CauseShare, Change, ExcludedChange, Members, MeterChange},
    course::{Baseline, ChartDay, Course},
    next_steps::NextStep,
};
use crate::analysis::attribution::Move;

/// An explanation.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Explanation {
    /// The incident's id.
    pub id: Option<String>,
    /// Which cost, by dimension; the same dimension may have several values.
    pub subject: Vec<Subject>,
    /// What happened, in words and figures.
    pub sentence: String,
    /// What the day should have cost.
    pub baseline: Baseline,
    /// Since when, and how it goes on.
    pub course: Course,
    /// A day's cost, as the mean of the compared days.
    pub change: Change,
    /// The days that the change is compared with, and those of it.
    pub before_days: Vec<NaiveDate>,
    /// The days of the change.
    pub after_days: Vec<NaiveDate>,
    /// What the change is made of.
    pub causes: Vec<CauseShare>,
    /// Cost that moved between accounts or regions.
    pub moves: Vec<Move>,
    /// What carries the change, by dimension.
    pub contributors: Vec<Members>,
    /// The meter on which the largest cause did most.
    pub main_meter: Option<MeterChange>,
    /// The meters that changed most, with quantities and unit prices.
    pub meters: Vec<MeterChange>,
    /// Charges that are no usage: credits, taxes, fees.
    pub excluded_charges: Vec<ExcludedChange>,
    /// The days around the change.
    pub chart: Vec<ChartDay>,
    /// Where to look next.
    pub next: Vec<NextStep>,
    /// A language model's words, when they were asked for and hold no other number than these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_text: Option<String>,
    /// What this data cannot say, and what could.
    pub unknown: Vec<String>,
}

/// A filter of the subject.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Subject {
    pub dimension: String,
    pub value: String,
    pub name: Option<String>,
    pub negated: bool,
}
