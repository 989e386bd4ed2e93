//! What is to be judged.

use chrono::NaiveDate;

use super::Question;
use crate::{
    analysis::detection::Parameters,
    model::{ChargeCategory, GroupBy, Sensitivity},
};

/// What to judge.
#[derive(Clone, Debug)]
pub(crate) struct Request<'a> {
    pub question: Question<'a>,
    pub group_by: GroupBy,
    /// The first and last day to judge; `None` is the newest settled day.
    pub from: Option<NaiveDate>,
    pub to: Option<NaiveDate>,
    pub include: &'a [ChargeCategory],
    pub sensitivity: Option<Sensitivity>,
    pub parameters: Parameters,
}
