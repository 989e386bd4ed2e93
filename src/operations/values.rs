use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Effect, Operation, Selection, Session};
use crate::{
    error::Result,
    insights::values::{Request, values},
    model::{Day, Dimension},
};

pub use crate::insights::values::{ValueCost, Values};

/// List the exact values of a dimension, the costliest first
///
/// Filters take these values: services, accounts with their names, regions, tags.
#[derive(Args, Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct ListValues {
    /// service, account, region, usage-type and so on; `trends --help` lists them
    #[arg(value_name = "DIMENSION")]
    pub dimension: Dimension,

    /// Only values, or names of accounts, that contain this text
    #[arg(long, value_name = "TEXT")]
    pub like: Option<String>,

    /// Days up to the newest
    #[arg(long, value_name = "N", default_value_t = 30)]
    #[schemars(range(min = 1, max = 3660))]
    pub days: u32,

    /// First day, as YYYY-MM-DD
    #[arg(long, value_name = "DATE", conflicts_with = "days")]
    pub from: Option<Day>,

    /// Last day, as YYYY-MM-DD [default: the newest]
    #[arg(long, value_name = "DATE")]
    pub to: Option<Day>,

    /// Values to list
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub top: usize,

    /// Which costs.
    #[command(flatten)]
    #[serde(flatten)]
    pub selection: Selection,
}

impl Operation for ListValues {
    const NAME: &'static str = "values";
    const TITLE: &'static str = "The values of a dimension";
    const EFFECT: Effect = Effect::Read;
    type Output = Values;

    fn answer(&self, session: &Session) -> Result<Answer<Values>> {
        let request = Request {
            question: self.selection.question(session),
            dimension: &self.dimension,
            like: self.like.as_deref(),
            from: self.from.map(Day::date),
            to: self.to.map(Day::date),
            days: self.days,
            include: &self.selection.included(),
            top: self.top,
        };
        values(&*session.store()?, &request)
    }
}
