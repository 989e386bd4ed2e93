use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Effect, Operation, Selection, Session};
use crate::{
    analysis::detection::Parameters,
    config,
    error::Result,
    insights::{
        forecast::{Asked, Forecast, ForecastBacktest, Plan, Request, backtest, forecast, made},
        warning::Warning,
    },
    model::{ChargeCategory, Day, Granularity, GroupBy, Method, Month, Period},
    notify::planned,
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

    /// Do not keep the forecast in the ledger, by which later ones are checked
    #[arg(long)]
    pub no_save: bool,

    /// Which costs.
    #[command(flatten)]
    #[serde(flatten)]
    pub selection: Selection,
}

impl ForecastCosts {
    /// Keeps the forecast of a month that is not over, made today. The answer stands without it.
    fn keep(&self, request: &Request, answer: &mut Answer<Forecast>, session: &Session) {
        let is_of_today = request.question.as_of == session.today() && answer.known_through < answer.period.end;
        let is_month = Granularity::Monthly.period_of(answer.period.start) == answer.period;
        if self.no_save || !is_of_today || !is_month {
            return;
        }
        let store = session.store_for_writing_now();
        if let Err(error) = store.and_then(|mut store| store.save_forecasts(&[made(request, answer)])) {
            answer.header.warnings.push(Warning::ForecastNotKept { error: error.summary() });
        }
    }
}

impl Operation for ForecastCosts {
    const NAME: &'static str = "forecast";
    const TITLE: &'static str = "Where the month will end";
    const EFFECT: Effect = Effect::Write;
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
        let (plans, parameters) = (plans(session)?, Parameters::new(&session.config().anomaly, Method::Robust));
        let request = Request {
            question,
            include: &include,
            group_by: self.group_by.clone(),
            asked,
            plans: &plans,
            top: self.top,
            detection: Some(&parameters),
        };
        let mut answer = {
            let store = session.store()?;
            forecast(&*store, &store, &request)?
        };
        self.keep(&request, &mut answer, session);
        Ok(answer)
    }
}

/// The plans of `notify.planned`.
///
/// # Errors
/// When the file is not valid.
pub(super) fn plans(session: &Session) -> Result<Vec<Plan>> {
    let plan = |plan: planned::Plan| {
        let period = Period { start: plan.from.date(), end: plan.to.date() };
        let by_day = plan.expected_dollars_per_day.map(|dollars| dollars * period.days() as f64);
        let dollars = plan.expected_dollars.or(by_day).unwrap_or(0.0);
        Plan { name: plan.name, period, filters: plan.filters, dollars }
    };
    Ok(config::plans(&session.config().notify.planned)?.into_iter().map(plan).collect())
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
        let asked = Asked::Month(question.as_of);
        let request = Request { question, include: &include, group_by, asked, plans: &[], top: 0, detection: None };
        backtest(&*session.store()?, &request)
    }
}
