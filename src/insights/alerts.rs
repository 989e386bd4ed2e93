//! What there is to tell of incidents, and why nothing is: each matters once, however often it is looked at.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::incidents::{Shown, State, shown};
use crate::{
    error::Result,
    store::{Store, ledger::Incident},
};

pub use crate::{
    analysis::{
        attribution::Cause,
        detect::{Direction, Severity},
    },
    store::notices::{Delivery, Mark, Marked, Notice, Queued},
};

/// An earlier incident of the same group and direction makes a new one a return for so many days.
const RETURN_DAYS: i64 = 30;

/// An incident with all that was said and told of it.
#[derive(Debug)]
pub struct Case {
    pub shown: Shown,
    /// What was told, to all channels, the oldest first.
    pub notices: Vec<Notice>,
    /// The last day of the time before, when it was over and has come back with a new day.
    pub came_back_after: Option<NaiveDate>,
    /// An incident of the same group and direction that was over when this one began.
    pub earlier: Option<Incident>,
    /// Dollars a day that were told, by channel, of incidents that are part of this one now.
    pub merged: BTreeMap<String, f64>,
}

/// What there is to tell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum News {
    Opened,
    /// From so many dollars a day.
    Grown {
        from: f64,
    },
    /// It was over, last on this day.
    Returned {
        after: NaiveDate,
    },
    /// It was snoozed until today and goes on.
    Woken,
    Closed {
        how: Closing,
    },
}

/// How an incident ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Closing {
    Over,
    /// The change stayed.
    Accepted,
    /// The bill was restated.
    Withdrawn,
    /// Another incident tells it.
    Merged,
}

impl News {
    pub fn name(&self) -> &'static str {
        match self {
            News::Opened => "opened",
            News::Grown { .. } => "grown",
            News::Returned { .. } => "returned",
            News::Woken => "woken",
            News::Closed { .. } => "closed",
        }
    }
}

/// Why nothing is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Quiet {
    /// Told before, and not grown past the step: dollars a day then and now.
    Told {
        on: NaiveDate,
        then: f64,
    },
    /// The day that made it larger is one that was told before: the bill was restated.
    Restated,
    /// It was over before it was told.
    Over,
    Acked {
        by: String,
    },
    Snoozed {
        until: NaiveDate,
    },
    Expected {
        reason: String,
    },
    Planned {
        plan: String,
    },
}

/// A plan that covers an incident, and whether the incident keeps to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Covered {
    pub plan: String,
    /// How the plan is exceeded, in words.
    pub exceeded: Option<String>,
}

impl Case {
    /// What to tell a channel on a day.
    ///
    /// An incident grows when what it costs a day is `step` times what was told, by a day that was not judged then: a
    /// restated day does not tell anybody anything.
    ///
    /// # Errors
    /// The reason for which nothing is told.
    pub fn decide(
        &self,
        channel: &str,
        today: NaiveDate,
        step: f64,
        tell_closed: bool,
        covered: Option<&Covered>,
    ) -> Result<News, Quiet> {
        let incident = &self.shown.incident;
        let told: Vec<&Notice> = self.notices.iter().filter(|notice| notice.channel == channel).collect();
        let last = told.last().copied();
        if incident.state != State::Open {
            return match last {
                Some(last) if tell_closed && last.notice != "closed" => Ok(News::Closed { how: closing(incident) }),
                _ => Err(Quiet::Over),
            };
        }
        if let Some(Covered { plan, exceeded: None }) = covered {
            return Err(Quiet::Planned { plan: plan.clone() });
        }
        if let Some(until) = self.snoozed_until().filter(|until| today < *until) {
            return Err(Quiet::Snoozed { until });
        }
        let Some(last) = last else {
            return match &self.shown.mark {
                Some(mark) if !self.has_grown(mark.impact.abs(), mark.last_date, step) => match mark.mark {
                    Mark::Acked => Err(Quiet::Acked { by: mark.marked_by.clone() }),
                    Mark::Expected => Err(Quiet::Expected { reason: mark.reason.clone() }),
                    _ => Ok(self.first()),
                },
                _ => Ok(self.first()),
            };
        };
        let is_known = |mark: &&Marked| matches!(mark.mark, Mark::Acked | Mark::Expected);
        let known = self.shown.mark.as_ref().filter(is_known);
        if let Some(after) = self.came_back_after.filter(|after| last.last_date <= *after)
            && known.is_none_or(|mark| mark.last_date <= after && mark.mark != Mark::Expected)
        {
            return Ok(News::Returned { after });
        }
        let woke = self.snoozed_until().is_some_and(|until| told.iter().all(|notice| notice.told_on < until));
        if woke {
            return Ok(News::Woken);
        }
        let size = told.iter().map(|notice| notice.impact.abs()).fold(0.0, f64::max);
        let size = size + self.merged.get(channel).copied().unwrap_or(0.0);
        let size = known.map_or(size, |mark| size.max(mark.impact.abs()));
        let told_through = known.map_or(last.last_date, |mark| mark.last_date.max(last.last_date));
        if self.has_grown(size, told_through, step) {
            return Ok(News::Grown { from: size });
        }
        Err(match known {
            _ if incident.impact.abs() >= step * size && size > 0.0 => Quiet::Restated,
            Some(mark) if mark.mark == Mark::Expected => Quiet::Expected { reason: mark.reason.clone() },
            Some(mark) => Quiet::Acked { by: mark.marked_by.clone() },
            None => Quiet::Told { on: last.told_on, then: size },
        })
    }

    fn first(&self) -> News {
        self.earlier.as_ref().map_or(News::Opened, |earlier| News::Returned { after: earlier.last_date })
    }

    fn has_grown(&self, size: f64, told_through: NaiveDate, step: f64) -> bool {
        let incident = &self.shown.incident;
        incident.impact.abs() >= step * size && incident.peak_date > told_through
    }

    fn snoozed_until(&self) -> Option<NaiveDate> {
        self.shown.mark.as_ref().filter(|mark| mark.mark == Mark::Snoozed)?.until
    }
}

fn closing(incident: &Incident) -> Closing {
    match incident.state {
        State::Accepted => Closing::Accepted,
        State::Withdrawn if incident.merged_into.is_some() => Closing::Merged,
        State::Withdrawn => Closing::Withdrawn,
        State::Open | State::Closed => Closing::Over,
    }
}

/// The incidents of a scope that are open, or that somebody was told of.
///
/// # Errors
/// When the database cannot be read.
pub fn cases(store: &Store, scope: &str) -> Result<Vec<Case>> {
    let all = store.incidents(Some(scope))?;
    let mut notices: BTreeMap<String, Vec<Notice>> = BTreeMap::new();
    for notice in store.notices()? {
        notices.entry(notice.anomaly_id.clone()).or_default().push(notice);
    }
    let wanted = all.iter().filter(|incident| incident.state == State::Open || notices.contains_key(&incident.id));
    let mut cases = Vec::new();
    for one in shown(store, wanted.cloned().collect())? {
        let incident = &one.incident;
        let told = notices.get(&incident.id).cloned().unwrap_or_default();
        let came_back_after = match incident.state == State::Open && !told.is_empty() {
            true => came_back_after(store, incident)?,
            false => None,
        };
        let parts = all.iter().filter(|other| other.merged_into.as_ref() == Some(&incident.id));
        let mut merged: BTreeMap<String, f64> = BTreeMap::new();
        for part in parts {
            let mut largest: BTreeMap<&str, f64> = BTreeMap::new();
            for notice in notices.get(&part.id).into_iter().flatten() {
                let size = largest.entry(&notice.channel).or_default();
                *size = size.max(notice.impact.abs());
            }
            largest.into_iter().for_each(|(channel, size)| *merged.entry(channel.to_owned()).or_default() += size);
        }
        cases.push(Case {
            notices: told,
            came_back_after,
            earlier: earlier(&all, incident).cloned(),
            merged,
            shown: one,
        });
    }
    Ok(cases)
}

/// The last day before an incident was over that is open again because of a new day.
fn came_back_after(store: &Store, incident: &Incident) -> Result<Option<NaiveDate>> {
    let events = store.incident_events(&incident.id)?;
    let Some(reopened) = events.iter().rposition(|event| event.event == "reopened") else { return Ok(None) };
    let ended = events[..reopened].iter().rev().find(|event| matches!(event.event.as_str(), "closed" | "accepted"));
    Ok(ended.map(|event| event.last_date).filter(|last| incident.last_date > *last))
}

fn earlier<'a>(all: &'a [Incident], incident: &Incident) -> Option<&'a Incident> {
    let is_earlier = |other: &&Incident| {
        let days = (incident.start_date - other.last_date).num_days();
        matches!(other.state, State::Closed | State::Accepted)
            && (&other.group_by, &other.group_values, &other.direction)
                == (&incident.group_by, &incident.group_values, &incident.direction)
            && (1..=RETURN_DAYS).contains(&days)
    };
    all.iter().filter(is_earlier).max_by_key(|other| other.last_date)
}
