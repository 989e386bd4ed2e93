//! The words that every module shares: dimensions, metrics, periods, series, findings. It never does I/O.

mod account;
mod alert;
mod amount;
mod budget;
mod cost;
mod dimension;
mod evidence;
mod finding;
mod series;
pub mod source;
mod stop;
pub(crate) mod text;
mod time;

pub(crate) use self::text::as_text;
pub use self::{
    account::Account,
    alert::{AlertKind, Delivery, Notification, Queued, TriageState, Triaged},
    amount::{bytes, change, count, cut, grouped, money, parts as amount_parts},
    budget::{Budget, BudgetAmount, BudgetPeriod, Limit, Percent, Threshold},
    cost::{ChargeCategory, Metric},
    dimension::{Dimension, Filter, GroupBy},
    evidence::{Evidence, Named, Part, phrases},
    finding::{Direction, Event, Kind, Method, Sensitivity, Severity, State},
    series::{Series, days_of},
    stop::Stop,
    time::{Day, Granularity, Month, Period, first_of_month},
};
