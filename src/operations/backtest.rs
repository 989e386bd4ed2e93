use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Effect, Operation, Selection, Session, input::number};
use crate::{
    analysis::detection::Parameters,
    error::Result,
    insights::{
        backtest::{Backtest, Replay, backtest},
        request::Request,
    },
    model::{Day, GroupBy, Method},
};

/// Replay your own past: how often each method would have alerted, and what it would have found
///
/// Judges every settled day of the last weeks as if it were the newest, at each sensitivity and with each method. Then puts
/// spikes, drops, steps and drifts of known size into copies of your series, and counts which are found, and how late.
/// Nothing is stored.
#[derive(Args, Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct ReplayPast {
    /// Days to replay
    #[arg(long, value_name = "N", default_value_t = 90)]
    #[schemars(range(min = 7, max = 730))]
    pub days: u32,

    /// Last day to replay, as YYYY-MM-DD [default: the newest settled day]
    #[arg(long, value_name = "DATE")]
    pub to: Option<Day>,

    /// Dimensions joined by +; `trends --help` lists them
    #[arg(long, value_name = "DIMENSIONS", default_value = "service")]
    pub group_by: GroupBy,

    /// Events to put in, for each shape and size
    #[arg(long, value_name = "N", default_value_t = 25)]
    pub events: usize,

    /// Seed of where they are put
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,

    /// Alerts a week that you would look at
    #[arg(long, value_name = "N", default_value_t = 3.0, value_parser = number)]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub alerts_per_week: f64,

    /// Which costs.
    #[command(flatten)]
    #[serde(flatten)]
    pub selection: Selection,
}

impl Operation for ReplayPast {
    const NAME: &'static str = "backtest";
    const TITLE: &'static str = "What each method would have found in your own past";
    const EFFECT: Effect = Effect::Read;
    type Output = Backtest;

    fn answer(&self, session: &Session) -> Result<Answer<Backtest>> {
        let request = Request {
            question: self.selection.question(session),
            group_by: self.group_by.clone(),
            from: None,
            to: self.to.map(Day::date),
            include: &self.selection.included(),
            sensitivity: None,
            parameters: Parameters::new(&session.config().anomaly, Method::Robust),
        };
        let replay = Replay {
            request,
            days: self.days,
            events: self.events,
            seed: self.seed,
            alerts_per_week: self.alerts_per_week,
        };
        backtest(&*session.store()?, &replay)
    }
}
