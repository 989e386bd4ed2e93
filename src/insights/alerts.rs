//! Which alerts there are of incidents, and why there is none: each matters once, however often it is looked at.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::incidents::{Shown, shown};
use crate::{
    error::Result,
    model::{AlertKind, Event, Notification, State, TriageState, Triaged, money},
    store::{
        Store,
        ledger::{Incident, Scope},
    },
};

/// An earlier incident of the same group and direction makes a new one a return for so many days.
const RETURN_DAYS: i64 = 30;

/// An incident that there may be an alert of, with all that was said and sent of it.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub shown: Shown,
    /// What was sent, to all channels, the oldest first.
    pub notifications: Vec<Notification>,
    /// Whether the run that is going on found it.
    pub is_new: bool,
    /// The last day that earlier runs judged; what changed on days up to it is a restatement.
    pub judged_through: Option<NaiveDate>,
    /// The last day of the time before, when it was over and has come back with a new day.
    pub returned_after: Option<NaiveDate>,
    /// The last day of an incident of the same group and direction that was over when this one began.
    pub earlier: Option<NaiveDate>,
    /// What somebody expects of this group and direction, said of this or of an earlier incident.
    pub expected: Option<Triaged>,
    /// Dollars a day that were sent, by channel, of incidents that are part of this one now.
    pub merged: BTreeMap<String, f64>,
    /// The incident that covers this one now.
    pub whole: Option<Whole>,
}

/// An incident that goes on with another one.
#[derive(Debug)]
pub(crate) struct Whole {
    pub id: String,
    pub is_open: bool,
    /// Channels that were alerted to it.
    pub sent: Vec<String>,
}

/// What an alert is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum AlertEvent {
    Opened,
    /// From so many dollars a day to so many.
    Grown {
        from: f64,
        to: f64,
    },
    /// The last day of the time before.
    Returned {
        after: NaiveDate,
    },
    /// It was snoozed until today and goes on.
    Woken,
    /// It covers what were several incidents.
    Joined,
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
    Absorbed,
    /// The bill was restated.
    Withdrawn,
    /// Another incident covers it.
    Merged,
}

impl Exceeded {
    /// What happened to the plan, after the subject of an alert.
    pub(crate) fn text(&self, currency: &str) -> String {
        match self {
            Exceeded::Days { plan, ended } => format!("goes on after the plan `{plan}` ended on {ended}"),
            Exceeded::DailyDollars { plan, planned } => {
                format!("exceeds the plan `{plan}` of {} a day", money(*planned, currency))
            }
            Exceeded::Dollars { plan, planned } => {
                format!("exceeds the plan `{plan}` of {}", money(*planned, currency))
            }
        }
    }
}

impl AlertEvent {
    pub fn kind(&self) -> AlertKind {
        match self {
            AlertEvent::Opened => AlertKind::Opened,
            AlertEvent::Grown { .. } => AlertKind::Grown,
            AlertEvent::Returned { .. } => AlertKind::Returned,
            AlertEvent::Woken => AlertKind::Woken,
            AlertEvent::Joined => AlertKind::Joined,
            AlertEvent::Closed { .. } => AlertKind::Closed,
        }
    }
}

/// Why there is no alert.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Suppression {
    /// Alerted before, and not grown past the step: dollars a day then.
    Notified {
        on: NaiveDate,
        impact: f64,
    },
    /// What made it larger are days that were judged before: the bill was restated.
    Restated,
    /// It was over before there was an alert.
    Over,
    /// Another incident goes on with it.
    PartOf {
        incident: String,
    },
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
pub(crate) struct Covered {
    pub plan: String,
    pub exceeded: Option<Exceeded>,
}

/// How an incident exceeds a plan.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub(crate) enum Exceeded {
    /// It goes on after the last day of the plan.
    Days { plan: String, ended: NaiveDate },
    /// Dollars a day.
    DailyDollars { plan: String, planned: f64 },
    /// Dollars over the whole window.
    Dollars { plan: String, planned: f64 },
}

/// How a channel wants to be notified.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy<'a> {
    pub channel: &'a str,
    /// So many times the dollars of the last alert are a new one.
    pub step: f64,
    pub notifies_closed: bool,
}

impl Candidate {
    /// The alert of a channel on a day.
    ///
    /// An incident grows when its last day costs `step` times what was sent, and comes back with a day after it was over;
    /// either by a day that no run judged before: a restated day alerts nobody.
    ///
    /// # Errors
    /// The reason for which there is none.
    pub(crate) fn decide(
        &self,
        policy: &Policy,
        today: NaiveDate,
        covered: Option<&Covered>,
    ) -> Result<AlertEvent, Suppression> {
        let incident = &self.shown.incident;
        let sent: Vec<&Notification> =
            self.notifications.iter().filter(|notification| notification.channel == policy.channel).collect();
        let last = sent.last().copied();
        let is_open = incident.state == State::Open;
        if let Some(last) = last.filter(|_| !is_open) {
            let ended = matches!(incident.state, State::Closed | State::Absorbed);
            let size = self.notified_size(&sent, policy.channel);
            let is_quiet = self.shown.triage.is_some()
                || self.expected.is_some()
                || covered.is_some_and(|covered| covered.exceeded.is_none());
            // What grew while nobody looked may be over by now; what somebody keeps quiet stays so.
            if ended && !is_quiet && last.event != AlertKind::Closed && self.has_grown(size, policy.step, last.seen_on)
            {
                return Ok(AlertEvent::Grown { from: size, to: self.size() });
            }
            return match policy.notifies_closed && last.event != AlertKind::Closed {
                true => self.closing(policy.channel),
                false => Err(Suppression::Over),
            };
        }
        // A morning that was missed may have had one that is over by now.
        let was_missed = self.is_new && matches!(incident.state, State::Closed | State::Absorbed);
        if !is_open && !was_missed {
            return Err(Suppression::Over);
        }
        if let Some(Covered { plan, exceeded: None }) = covered {
            return Err(Suppression::Planned { plan: plan.clone() });
        }
        if let Some(until) = self.snoozed_until().filter(|until| today < *until) {
            return Err(Suppression::Snoozed { until });
        }
        let Some(last) = last else { return self.decide_first(policy) };
        let acked = self.shown.triage.as_ref().filter(|triaged| triaged.state == TriageState::Acked);
        let known = self.expected.as_ref().or(acked);
        let after = self.returned_after.or((last.event == AlertKind::Closed).then_some(last.last_date));
        if let Some(after) = after.filter(|after| last.event == AlertKind::Closed || last.last_date <= *after)
            && known.is_none_or(|triaged| triaged.state != TriageState::Expected && triaged.last_date <= after)
        {
            return Ok(AlertEvent::Returned { after });
        }
        let woke =
            self.snoozed_until().is_some_and(|until| sent.iter().all(|notification| notification.notified_on < until));
        if woke {
            return Ok(AlertEvent::Woken);
        }
        let size = self.notified_size(&sent, policy.channel);
        let size = known.map_or(size, |triaged| size.max(triaged.impact.abs()));
        let notified_through = known.map_or(last.seen_on, |triaged| last.seen_on.max(triaged.last_date));
        if self.has_grown(size, policy.step, notified_through) {
            return Ok(AlertEvent::Grown { from: size, to: self.size() });
        }
        Err(match known {
            _ if size > 0.0 && incident.impact.abs() >= policy.step * size => Suppression::Restated,
            Some(triaged) => known_as(triaged),
            None => Suppression::Notified { on: last.notified_on, impact: size },
        })
    }

    /// The same for a channel that was sent nothing of it yet.
    fn decide_first(&self, policy: &Policy) -> Result<AlertEvent, Suppression> {
        let incident = &self.shown.incident;
        let merged = self.merged.get(policy.channel).copied().unwrap_or(0.0);
        let acked = self.shown.triage.as_ref().filter(|triaged| triaged.state == TriageState::Acked);
        if let Some(triaged) = self.expected.as_ref().or(acked) {
            let larger = self.size() >= policy.step * triaged.impact.abs();
            let from = triaged.impact.abs();
            return if larger { Ok(AlertEvent::Grown { from, to: self.size() }) } else { Err(known_as(triaged)) };
        }
        if merged > 0.0 {
            return match self.size() >= policy.step * merged {
                true => Ok(AlertEvent::Grown { from: merged, to: self.size() }),
                false if policy.notifies_closed => Ok(AlertEvent::Joined),
                false => Err(Suppression::Notified { on: incident.opened_on, impact: merged }),
            };
        }
        Ok(self.earlier.map_or(AlertEvent::Opened, |after| AlertEvent::Returned { after }))
    }

    /// Dollars a day, of the peak day or the last one.
    pub(crate) fn size(&self) -> f64 {
        let incident = &self.shown.incident;
        incident.impact.abs().max(incident.last_impact.abs())
    }

    /// The most that a channel was sent, of this incident or of those that are part of it.
    fn notified_size(&self, sent: &[&Notification], channel: &str) -> f64 {
        let merged = self.merged.get(channel).copied().unwrap_or(0.0);
        sent.iter().map(|notification| notification.impact.abs()).fold(merged, f64::max)
    }

    /// Whether the last flagged day, or the one that stands out most, is new and so many times a size.
    fn has_grown(&self, size: f64, step: f64, notified_through: NaiveDate) -> bool {
        let incident = &self.shown.incident;
        // Of a bill that ends before the others, earlier runs did not judge the days that they judged of these.
        let judged = self.judged_through.filter(|judged| incident.seen_on >= *judged);
        let judged = judged.map_or(notified_through, |judged| judged.max(notified_through));
        let days = [(incident.last_date, incident.last_impact), (incident.peak_date, incident.impact)];
        days.into_iter().any(|(day, impact)| day > judged && impact.abs() >= step * size)
    }

    /// The alert of a channel that the incident is over: as part of another one only where that one is known.
    fn closing(&self, channel: &str) -> Result<AlertEvent, Suppression> {
        let how = closing(&self.shown.incident);
        let Some(whole) = self.whole.as_ref().filter(|_| how == Closing::Merged) else {
            return Ok(AlertEvent::Closed { how });
        };
        match (whole.is_open, whole.sent.iter().any(|sent| sent == channel)) {
            (true, true) => Ok(AlertEvent::Closed { how }),
            (true, false) => Err(Suppression::PartOf { incident: whole.id.clone() }),
            (false, _) => Ok(AlertEvent::Closed { how: Closing::Over }),
        }
    }

    fn snoozed_until(&self) -> Option<NaiveDate> {
        self.shown.triage.as_ref().filter(|triaged| triaged.state == TriageState::Snoozed)?.until
    }
}

fn known_as(triaged: &Triaged) -> Suppression {
    match triaged.state {
        TriageState::Expected => Suppression::Expected { reason: triaged.reason.clone() },
        _ => Suppression::Acked { by: triaged.triaged_by.clone() },
    }
}

fn closing(incident: &Incident) -> Closing {
    match incident.state {
        State::Absorbed => Closing::Absorbed,
        State::Withdrawn if incident.merged_into.is_some() => Closing::Merged,
        State::Withdrawn => Closing::Withdrawn,
        State::Open | State::Closed => Closing::Over,
    }
}

/// All incidents of a scope, and those of them that there may be something to tell of.
#[derive(Debug)]
pub(crate) struct Candidates {
    pub candidates: Vec<Candidate>,
    /// The others, which count for plans.
    pub others: Vec<Shown>,
}

/// Reads the incidents of a scope: those that are open, that the run going on found, or that somebody was alerted to. What
/// only a look with a lower threshold than `threshold` has found is none of them.
///
/// # Errors
/// When the database cannot be read.
pub(crate) fn candidates(store: &Store, scope: &Scope, threshold: f64) -> Result<Candidates> {
    let all = store.incidents(Some(scope))?;
    let judged_through = store.judged_through(scope)?;
    let mut notifications: BTreeMap<String, Vec<Notification>> = BTreeMap::new();
    for notification in store.notifications()? {
        notifications.entry(notification.incident_id.clone()).or_default().push(notification);
    }
    let every = shown(store, all.clone())?;
    let expected: Vec<(&Incident, &Triaged)> = every
        .iter()
        .filter_map(|one| {
            Some((&one.incident, one.triage.as_ref().filter(|triaged| triaged.state == TriageState::Expected)?))
        })
        .collect();
    let mut found = Vec::new();
    for one in &every {
        let incident = &one.incident;
        let sent = notifications.get(&incident.id).cloned().unwrap_or_default();
        let is_new = judged_through.is_some_and(|judged| incident.opened_on > judged);
        let counts = incident.score.abs() >= threshold || incident.threshold >= threshold;
        let is_wanted = (incident.state == State::Open || is_new) && counts || !sent.is_empty();
        let returned_after = match incident.state == State::Open && !sent.is_empty() {
            true => returned_after(store, incident)?,
            false => None,
        };
        let said =
            expected.iter().filter(|(other, _)| is_alike(other, incident)).map(|(_, triaged)| (*triaged).clone());
        found.push(is_wanted.then(|| Candidate {
            merged: merged(&all, &notifications, &incident.id),
            whole: whole(&all, &notifications, incident),
            notifications: sent,
            is_new,
            judged_through,
            returned_after,
            earlier: earlier(&all, incident).map(|earlier| earlier.last_date),
            expected: said.max_by_key(|triaged| triaged.triaged_at),
            shown: one.clone(),
        }));
    }
    let others =
        every.iter().zip(&found).filter(|(_, candidate)| candidate.is_none()).map(|(one, _)| one.clone()).collect();
    Ok(Candidates { candidates: found.into_iter().flatten().collect(), others })
}

/// What was sent incidents that are part of one now, and of parts of these, by channel, in dollars a day.
fn merged(all: &[Incident], notifications: &BTreeMap<String, Vec<Notification>>, whole: &str) -> BTreeMap<String, f64> {
    let mut sums: BTreeMap<String, f64> = BTreeMap::new();
    let mut seen = BTreeSet::from([whole]);
    let mut wholes = vec![whole];
    while let Some(whole) = wholes.pop() {
        for part in all.iter().filter(|other| other.merged_into.as_deref() == Some(whole)) {
            if !seen.insert(&part.id) {
                continue;
            }
            let mut largest: BTreeMap<&str, f64> = BTreeMap::new();
            for notification in notifications.get(&part.id).into_iter().flatten() {
                let size = largest.entry(&notification.channel).or_default();
                *size = size.max(notification.impact.abs());
            }
            // What a part was sent at holds what its own parts were sent at.
            if largest.is_empty() {
                wholes.push(&part.id);
            }
            largest.into_iter().for_each(|(channel, size)| *sums.entry(channel.to_owned()).or_default() += size);
        }
    }
    sums
}

fn whole(all: &[Incident], notifications: &BTreeMap<String, Vec<Notification>>, part: &Incident) -> Option<Whole> {
    let whole = all.iter().find(|other| Some(&other.id) == part.merged_into.as_ref())?;
    let sent =
        notifications.get(&whole.id).into_iter().flatten().map(|notification| notification.channel.clone()).collect();
    Some(Whole { id: whole.id.clone(), is_open: whole.state == State::Open, sent })
}

/// The last day before an incident was over that is open again because of a day that was not judged then.
fn returned_after(store: &Store, incident: &Incident) -> Result<Option<NaiveDate>> {
    let events = store.incident_events(&incident.id)?;
    let Some(reopened) = events.iter().rposition(|event| event.event == Event::Reopened) else { return Ok(None) };
    let ended = events[..reopened].iter().rev().find(|event| matches!(event.event, Event::Closed | Event::Absorbed));
    Ok(ended.filter(|ended| incident.last_date > ended.seen_on).map(|ended| ended.last_date))
}

fn is_alike(one: &Incident, other: &Incident) -> bool {
    (&one.group_by, &one.group_values, &one.direction) == (&other.group_by, &other.group_values, &other.direction)
}

fn earlier<'a>(all: &'a [Incident], incident: &Incident) -> Option<&'a Incident> {
    let is_earlier = |other: &&Incident| {
        let days = (incident.start_date - other.last_date).num_days();
        let has_ended = matches!(other.state, State::Closed | State::Absorbed);
        has_ended && is_alike(other, incident) && (1..=RETURN_DAYS).contains(&days)
    };
    all.iter().filter(is_earlier).max_by_key(|other| other.last_date)
}
