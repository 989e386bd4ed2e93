//! Plans: costs that somebody said would come, so that they alert nobody as long as they keep to it.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde::Deserialize;

use super::places::Places;
use crate::{
    error::{Error, Result},
    insights::{
        alerts::{Covered, Exceeded},
        incidents::Shown,
    },
    model::{Day, Direction, Filter},
};

/// Days before and after a window that still belong to it: bills lag.
const SLACK: TimeDelta = TimeDelta::days(1);

/// What the incidents of a plan came to, beyond what was expected.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spent {
    /// By currency: in all, and on the newest day of those that are open.
    sums: BTreeMap<String, (f64, f64)>,
}

impl Spent {
    pub(crate) fn add(&mut self, currency: &str, total: f64, a_day: f64) {
        let sums = self.sums.entry(currency.to_owned()).or_default();
        sums.0 += total;
        sums.1 += a_day;
    }
}

/// A plan of `planned.yaml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plan {
    pub name: String,
    /// The first and last day.
    pub from: Day,
    pub to: Day,
    /// Which cost, as `--filter` takes it.
    pub filters: Vec<Filter>,
    #[serde(default)]
    pub owner: Option<String>,
    /// Dollars beyond the usual, over the whole window.
    #[serde(default)]
    pub expected_dollars: Option<f64>,
    /// The same of one day.
    #[serde(default)]
    pub expected_dollars_per_day: Option<f64>,
}

impl Plan {
    /// # Errors
    /// When it is of no cost, no days or no dollars.
    pub(crate) fn check(&self) -> Result<()> {
        let refuse = |what: &str| Err(Error::input(format!("the plan `{}` {what}", self.name)));
        if self.from > self.to {
            return refuse("ends before it starts");
        }
        if self.filters.is_empty() {
            return refuse("has no `filters`: it would keep every alert back");
        }
        let dollars = [self.expected_dollars, self.expected_dollars_per_day];
        if dollars.iter().all(Option::is_none) {
            return refuse("needs `expected_dollars` or `expected_dollars_per_day`");
        }
        if dollars.iter().flatten().any(|dollars| !(dollars.is_finite() && *dollars >= 0.0)) {
            return refuse("needs dollars of at least 0");
        }
        Ok(())
    }

    /// Whether an incident is what was planned. What goes down was never a plan to spend.
    pub(crate) fn is_of(&self, shown: &Shown, places: &Places) -> bool {
        self.in_window(shown) && places.fits(&self.filters).is_some()
    }

    /// Whether an incident is of the days and the direction of the plan.
    pub(crate) fn in_window(&self, shown: &Shown) -> bool {
        let incident = &shown.incident;
        let begins = incident.start_date >= self.from.date() - SLACK && incident.start_date <= self.to.date();
        begins && incident.direction == Direction::Up
    }

    /// The same, and whether all that was planned keeps to it.
    pub(crate) fn covers(&self, shown: &Shown, places: &Places, spent: &Spent) -> Option<Covered> {
        if !self.is_of(shown, places) {
            return None;
        }
        let incident = &shown.incident;
        let (total, a_day) = spent.sums.get(&incident.currency).copied().unwrap_or_default();
        let over = |planned: Option<f64>, actual: f64| planned.filter(|planned| actual > *planned);
        let plan = self.name.clone();
        let exceeded = if incident.last_date > self.to.date() + SLACK {
            Some(Exceeded::Days { plan, ended: self.to.date() })
        } else if let Some(planned) = over(self.expected_dollars_per_day, a_day.max(incident.impact)) {
            Some(Exceeded::DailyDollars { plan, planned })
        } else {
            over(self.expected_dollars, total).map(|planned| Exceeded::Dollars { plan, planned })
        };
        Some(Covered { plan: self.name.clone(), exceeded })
    }
}
