//! A finding with its group.

use chrono::{Days, NaiveDate};

use super::coverage::Covered;
use crate::{
    analysis::detection::Finding,
    model::{Dimension, GroupBy, Kind, Period},
    store::ledger::Incident,
};

/// Incidents of one group and direction whose days are this close are the same.
pub(super) const GAP_DAYS: i64 = 3;
/// A bill that ends before the others by no more than this is judged on its own newest settled day.
const LATE_DAYS: u64 = 14;

/// The days whose findings are news.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub judged: Period,
    /// Whether they end with the newest settled days.
    pub is_newest: bool,
}

impl Window {
    /// The first of these days for a bill that ends on `end`.
    fn start(&self, end: NaiveDate) -> NaiveDate {
        let is_late = self.is_newest && end < self.judged.start && self.judged.start <= end + Days::new(LATE_DAYS);
        if is_late { end } else { self.judged.start }
    }
}

/// A finding, and the group that it is of.
#[derive(Clone, Debug)]
pub(crate) struct GroupFinding {
    pub finding: Finding,
    pub group_by: GroupBy,
    /// One value for each dimension; none for a move that many groups share.
    pub values: Vec<String>,
    /// What it tells of other levels.
    pub members: Vec<GroupFinding>,
    /// The groups that take part in a move that many share.
    pub shared_by: Vec<Vec<String>>,
    /// The newest settled day of its bills.
    pub end: NaiveDate,
    /// Whether its days are news.
    pub is_current: bool,
}

impl GroupFinding {
    pub(crate) fn new(finding: Finding, group_by: &GroupBy, covered: &Covered, window: Window) -> Self {
        let series = &covered.series;
        let groups = finding.series.iter().map(|index| series[*index].group.clone());
        let (values, shared_by) = match finding.series[..] {
            [only] => (series[only].group.clone(), Vec::new()),
            _ => (Vec::new(), groups.collect()),
        };
        let ends = finding.series.iter().map(|index| covered.coverages[covered.of[*index]].end);
        let end = ends.max().unwrap_or(window.judged.end);
        let is_current = finding.last_seen >= window.start(end);
        Self { finding, group_by: group_by.clone(), values, members: Vec::new(), shared_by, end, is_current }
    }

    pub(crate) fn is_of_group(&self, incident: &Incident) -> bool {
        self.values == incident.group_values && self.group_by == incident.group_by
    }

    pub(crate) fn has_direction(&self, incident: &Incident) -> bool {
        self.finding.direction == incident.direction
    }

    pub(crate) fn is_move(&self) -> bool {
        self.finding.kind == Kind::Moved
    }

    /// Days that it shares with an incident, less than one when there are none.
    pub(crate) fn overlap(&self, incident: &Incident) -> i64 {
        let start = incident.start_date.max(self.finding.start);
        (incident.last_date.min(self.finding.last_seen) - start).num_days() + 1
    }

    /// Whether it tells an incident that is not found by itself any more: as a member, or as one of the groups, or within one
    /// of them, that a cross-series shift is of.
    pub(crate) fn covers(&self, incident: &Incident) -> bool {
        if self.members.iter().any(|one| one.is_same(incident)) {
            return true;
        }
        let value = |dimension: &Dimension| {
            let place = incident.group_by.0.iter().position(|own| own == dimension)?;
            incident.group_values.get(place)
        };
        let within: Option<Vec<&String>> = self.group_by.0.iter().map(value).collect();
        let shares = |values: Vec<&String>| self.shared_by.iter().any(|group| group.iter().eq(values.iter().copied()));
        within.is_some_and(shares) && self.has_direction(incident) && self.overlap(incident) > 0
    }

    /// Whether it is a cross-series shift that has taken a finding of one of its groups up, which has no later day of its own.
    pub(crate) fn goes_on_with(&self, one: &GroupFinding) -> bool {
        let value = |dimension: &Dimension| {
            one.group_by.0.iter().position(|own| own == dimension).and_then(|place| one.values.get(place))
        };
        let within: Option<Vec<&String>> = self.group_by.0.iter().map(value).collect();
        let shares = |values: Vec<&String>| self.shared_by.iter().any(|group| group.iter().eq(values.iter().copied()));
        let gap = (self.finding.start - one.finding.last_seen).num_days();
        within.is_some_and(shares)
            && self.finding.direction == one.finding.direction
            && self.finding.last_seen > one.finding.last_seen
            && gap <= GAP_DAYS
    }

    /// Whether it is of the group, the direction and the days of an incident.
    pub(crate) fn is_same(&self, incident: &Incident) -> bool {
        self.is_of_group(incident) && self.has_direction(incident) && self.overlap(incident) > 0
    }
}
