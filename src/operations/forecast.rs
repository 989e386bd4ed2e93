use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Effect, Operation, Selection, Session};
use crate::{
    error::Result,
    insights::forecast::{Asked, Forecast, ForecastBacktest, Request, backtest, forecast},
    model::{ChargeCategory, Day, GroupBy, Month},
};

/// Say where the month will end
///
/// What is spent, what is to come and how sure that is: the level of each series with its week and trend, and fees on their
/// day. Intervals are from the errors that forecasts of earlier months, made on the same day of the month, turned out to have.
#[derive(Args, Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct ForecastCosts {
    /// The month, as YYYY-MM [default: this month]
    #[arg(long, value_name = "MONTH", conflicts_with_all = ["days", "to"])]
    pub month: Option<Month>,

    /// The next days instead of a month
    #[arg(long, value_name = "N", conflicts_with = "to")]
    #[schemars(range(min = 1, max = 366))]
    pub days: Option<u32>,

    /// The days from the first of this month to this one, as YYYY-MM-DD
    #[arg(long, value_name = "DATE")]
    pub to: Option<Day>,

    /// Dimensions joined by +; `trends --help` lists them
    #[arg(long, value_name = "DIMENSIONS", default_value = "service")]
    pub group_by: GroupBy,

    /// Groups to show by name; the rest is one row
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub top: usize,

    /// Which costs.
    #[command(flatten)]
    #[serde(flatten)]
    pub selection: Selection,
}

impl Operation for ForecastCosts {
    const NAME: &'static str = "forecast";
    const TITLE: &'static str = "Where the month will end";
    const EFFECT: Effect = Effect::Read;
    type Output = Forecast;

    fn answer(&self, session: &Session) -> Result<Answer<Forecast>> {
        let question = self.selection.question(session);
        let asked = match (self.month, self.days, self.to) {
            (Some(month), ..) => Asked::Month(month.first_day()),
            (_, Some(days), _) => Asked::Days(days),
            (_, _, Some(to)) => Asked::To(to.date()),
            _ => Asked::Month(question.as_of),
        };
        let include = self.selection.included();
        let request =
            Request { question, include: &include, group_by: self.group_by.clone(), asked, plans: &[], top: self.top };
        forecast(&*session.store()?, &request)
    }
}

/// Replay the forecasts of months that are over: how wrong they would have been
///
/// Forecasts each month as of its 5th, 10th, 15th and 20th day, going by nothing later, and compares with what came; beside the
/// rules of other tools. Nothing is stored.
#[derive(Args, Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct ReplayForecasts {
    /// Dimensions joined by +; `trends --help` lists them
    #[arg(long, value_name = "DIMENSIONS", default_value = "service")]
    pub group_by: GroupBy,

    /// Which costs.
    #[command(flatten)]
    #[serde(flatten)]
    pub selection: Selection,
}

impl Operation for ReplayForecasts {
    const NAME: &'static str = "forecast_backtest";
    const TITLE: &'static str = "How wrong forecasts of your own months would have been";
    const EFFECT: Effect = Effect::Read;
    type Output = ForecastBacktest;

    fn answer(&self, session: &Session) -> Result<Answer<ForecastBacktest>> {
        let question = self.selection.question(session);
        let include: Vec<ChargeCategory> = self.selection.included();
        let group_by = self.group_by.clone();
        let request =
            Request { question, include: &include, group_by, asked: Asked::Month(question.as_of), plans: &[], top: 0 };
        backtest(&*session.store()?, &request)
    }
}
