//! Everything the program can do, described once. A door (the command line, and whatever comes beside it) parses into
//! an operation's fields, runs it on a [`Session`] and shows the [`Answer`]; it holds no logic of its own.
//!
//! The fields of an operation are its parameters: their comments are the help of the flags and the descriptions of the
//! schema. An operation never prints; what it says on the way goes to the session's [`Reporter`].

mod accounts;
mod anomalies;
pub mod ask;
mod backtest;
mod budgets;
mod compare;
pub(crate) mod detector;
mod discover;
mod drilldown;
mod explain;
mod forecast;
mod health;
mod incidents;
mod ingest;
mod input;
mod live;
mod overview;
mod periods;
mod reconcile;
pub(crate) mod records;
pub mod run;
mod saved_mapping;
mod selection;
mod session;
mod sql;
mod status;
pub mod tools;
mod trends;
mod values;

use clap::Args;
use schemars::{JsonSchema, Schema, generate::SchemaSettings, schema_for};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

pub(crate) use self::input::parse_flags;
pub use self::{
    accounts::{Accounts, ListAccounts},
    anomalies::{Detection, FindAnomalies, ScoreDays},
    ask::{AskBill, Limit, Reply, Source as FigureSource, Talk},
    backtest::ReplayPast,
    budgets::{FailOn, ImportBudgets, ImportedBudgets, ShowBudgets},
    compare::ComparePeriods,
    discover::{DiscoverExports, Exports},
    drilldown::DrillDown,
    explain::ExplainCost,
    forecast::{ForecastCosts, ReplayForecasts},
    health::{CheckHealth, Health},
    incidents::{ListIncidents, ShowIncident, Status, Triage, TriageIncidents},
    ingest::{IngestBills, Ingestion, Planned, Source},
    live::{AskCloudWatch, AskCostExplorer, EstimatedCharge, EstimatedCharges, LiveCosts, LiveDimension, LiveRow},
    overview::SummarizeCosts,
    periods::Periods,
    reconcile::ReconcileMonth,
    run::{DropMessages, NotifyChannels, PlanAlerts, RunOnce, ShowChannels, TestChannel},
    selection::Selection,
    session::{Permission, Reporter, Session, Silent},
    sql::{QueryDatabase, Rows},
    status::ShowStatus,
    trends::ShowTrends,
    values::{ListValues, ValueCost, Values},
};
use crate::error::{Error, Result};
pub(crate) use crate::insights::{
    anomalies::Score,
    budgets::{BudgetState, BudgetStatus},
    course::ChartDay,
    forecast::EarlierForecast,
    health::Status as CheckStatus,
    incidents::at_stake,
    trends::GroupTotal,
};
pub use crate::insights::{
    anomalies::{Anomalies, Scores},
    answer::{Answer, Header},
    backtest::Backtest,
    budgets::Budgets,
    compare::Comparison,
    drilldown::Drilldown,
    explanation::Explanation,
    forecast::{Forecast, ForecastBacktest},
    incidents::{Alerted, Incidents, Shown},
    overview::Overview,
    reconcile::Reconciliation,
    status::{DataStatus, Outgoing},
    trends::Trends,
    warning::Warning,
};
pub use crate::model::Account;
pub use crate::store::standing::{PastRun, Spent, StoredBill};

input::defaults_of_flags!(
    CheckHealth,
    ComparePeriods,
    Detection,
    DrillDown,
    ExplainCost,
    FindAnomalies,
    ForecastCosts,
    ListAccounts,
    ListIncidents,
    ReconcileMonth,
    ReplayForecasts,
    ReplayPast,
    RunOnce,
    ScoreDays,
    ShowBudgets,
    ShowStatus,
    ShowTrends,
    SummarizeCosts,
);

/// What an operation does beside answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// Nothing.
    Read,
    /// It changes the database, or sends messages.
    Write,
    /// It may make requests that cost money.
    Spends,
}

/// One thing that the program can do; its fields are the parameters.
pub trait Operation: Args + DeserializeOwned + JsonSchema + Serialize {
    /// The name in JSON and for programs, in snake case.
    const NAME: &'static str;
    /// A few words for people.
    const TITLE: &'static str;
    /// What it does to the world.
    const EFFECT: Effect;
    /// The body of its answer.
    type Output: JsonSchema + Serialize;

    /// Answers. [`Session::run`] is how others call it: it checks the fields before.
    ///
    /// # Errors
    /// When the fields do not fit together, or what they ask for is not there.
    fn answer(&self, session: &Session) -> Result<Answer<Self::Output>>;
}

/// An operation without its types, for those who choose one by name.
pub struct Entry {
    /// The name of the operation.
    pub name: &'static str,
    /// What it does, in a line.
    pub title: &'static str,
    /// What it does to the world.
    pub effect: Effect,
    /// The JSON schema of the parameters.
    pub input: fn() -> Schema,
    /// The JSON schema of the answer.
    pub output: fn() -> Schema,
    /// The flags of the parameters.
    pub flags: fn() -> clap::Command,
    call: fn(&Session, Value) -> Result<Value>,
    line: fn(&Session, &[String]) -> Result<Value>,
}

impl Entry {
    const fn of<O: Operation>() -> Self {
        Self {
            name: O::NAME,
            title: O::TITLE,
            effect: O::EFFECT,
            input: || input::with_defaults::<O>(schema_for!(O)),
            output: || {
                let settings = SchemaSettings::draft2020_12().for_serialize();
                settings.into_generator().into_root_schema_for::<Answer<O::Output>>()
            },
            flags: || O::augment_args(clap::Command::new(O::NAME)),
            call: |session, given| json(&session.run(&input::parse::<O>(given)?)?),
            line: |session, line| json(&session.run(&input::parse_flags::<O>(line)?)?),
        }
    }

    /// What it does, in a sentence or more.
    pub fn description(&self) -> String {
        let schema = (self.input)();
        schema.get("description").and_then(Value::as_str).unwrap_or(self.title).to_owned()
    }

    /// Runs it with parameters as a JSON object; those that are left out have their defaults.
    ///
    /// # Errors
    /// As the operation, and when a parameter is unknown or of the wrong type or size, which the error names.
    pub fn call(&self, session: &Session, input: Value) -> Result<Value> {
        (self.call)(session, input)
    }

    /// The same with the flags of a command line.
    ///
    /// # Errors
    /// As [`Entry::call`].
    pub(crate) fn call_line(&self, session: &Session, line: &[String]) -> Result<Value> {
        (self.line)(session, line)
    }

    /// The command line of parameters as a web address has them.
    ///
    /// # Errors
    /// When a parameter is unknown, or a switch is neither on nor off.
    pub(crate) fn line_of(&self, given: &[(String, String)]) -> Result<Vec<String>> {
        input::line_of(&(self.flags)(), self.name, given)
    }

    /// Whether it has a flag of this name.
    pub(crate) fn has_flag(&self, name: &str) -> bool {
        (self.flags)().get_arguments().any(|arg| arg.get_long() == Some(name))
    }
}

fn json<T: Serialize>(answer: &Answer<T>) -> Result<Value> {
    serde_json::to_value(answer).map_err(|e| Error::bug("an answer has no JSON").caused_by(e))
}

/// All operations, in the order in which people meet them.
pub static OPERATIONS: &[Entry] = &[
    Entry::of::<IngestBills>(),
    Entry::of::<ShowTrends>(),
    Entry::of::<FindAnomalies>(),
    Entry::of::<ScoreDays>(),
    Entry::of::<ListIncidents>(),
    Entry::of::<ShowIncident>(),
    Entry::of::<TriageIncidents>(),
    Entry::of::<ExplainCost>(),
    Entry::of::<ComparePeriods>(),
    Entry::of::<DrillDown>(),
    Entry::of::<ForecastCosts>(),
    Entry::of::<ReplayForecasts>(),
    Entry::of::<ShowBudgets>(),
    Entry::of::<ImportBudgets>(),
    Entry::of::<SummarizeCosts>(),
    Entry::of::<ReplayPast>(),
    Entry::of::<ReconcileMonth>(),
    Entry::of::<ListAccounts>(),
    Entry::of::<ListValues>(),
    Entry::of::<QueryDatabase>(),
    Entry::of::<AskBill>(),
    Entry::of::<AskCostExplorer>(),
    Entry::of::<AskCloudWatch>(),
    Entry::of::<RunOnce>(),
    Entry::of::<NotifyChannels>(),
    Entry::of::<PlanAlerts>(),
    Entry::of::<TestChannel>(),
    Entry::of::<DropMessages>(),
    Entry::of::<ShowChannels>(),
    Entry::of::<ShowStatus>(),
    Entry::of::<CheckHealth>(),
    Entry::of::<DiscoverExports>(),
];

/// The operation of a name.
///
/// # Errors
/// When there is none, with the nearest.
pub fn find(name: &str) -> Result<&'static Entry> {
    OPERATIONS.iter().find(|entry| entry.name == name).ok_or_else(|| {
        let error = Error::usage(format!("there is no operation `{name}`"));
        let names = OPERATIONS.iter().map(|entry| entry.name);
        match crate::error::nearest(name, names.clone()) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint(format!("there are: {}", names.collect::<Vec<_>>().join(", "))),
        }
    })
}
