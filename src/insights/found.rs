//! A finding with its group, and which incident of the ledger it is when it is told at another level than before.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};

use super::{
    account_name,
    anomalies::{self, Member},
    coverage::Covered,
    group_object,
    incidents::{Fits, GAP_DAYS, Ledger, match_round},
};
use crate::{
    analysis::detection::Finding,
    model::{Dimension, GroupBy, Kind, Period},
    store::ledger::Incident,
};

/// A bill that ends before the others by no more than this is judged on its own newest settled day.
const LATE_DAYS: u64 = 14;

/// The days whose findings are news.
#[derive(Clone, Copy, Debug)]
pub struct Window {
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
pub struct Found {
    pub finding: Finding,
    pub group_by: GroupBy,
    /// One value for each dimension; none for a move that many groups share.
    pub values: Vec<String>,
    /// What it tells of other levels.
    pub members: Vec<Found>,
    /// The groups that take part in a move that many share.
    pub shared_by: Vec<Vec<String>>,
    /// The newest settled day of its bills.
    pub end: NaiveDate,
    /// Whether its days are news.
    pub is_news: bool,
}

impl Found {
    pub fn new(finding: Finding, group_by: &GroupBy, covered: &Covered, window: Window) -> Self {
        let series = &covered.series;
        let groups = finding.series.iter().map(|index| series[*index].group.clone());
        let (values, shared_by) = match finding.series[..] {
            [only] => (series[only].group.clone(), Vec::new()),
            _ => (Vec::new(), groups.collect()),
        };
        let ends = finding.series.iter().map(|index| covered.coverages[covered.of[*index]].end);
        let end = ends.max().unwrap_or(window.judged.end);
        let is_news = finding.last_seen >= window.start(end);
        Self { finding, group_by: group_by.clone(), values, members: Vec::new(), shared_by, end, is_news }
    }

    pub fn is_of_group(&self, incident: &Incident) -> bool {
        self.values == incident.group_values && self.group_by == incident.group_by
    }

    pub fn has_direction(&self, incident: &Incident) -> bool {
        self.finding.direction == incident.direction
    }

    pub fn is_move(&self) -> bool {
        self.finding.kind == Kind::Moved
    }

    /// Days that it shares with an incident, less than one when there are none.
    pub fn overlap(&self, incident: &Incident) -> i64 {
        let start = incident.start_date.max(self.finding.start);
        (incident.last_date.min(self.finding.last_seen) - start).num_days() + 1
    }

    /// Whether it tells an incident that is not found by itself any more: as a member, or as one of the groups, or within one
    /// of them, that a common move is of.
    pub fn tells(&self, incident: &Incident) -> bool {
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

    /// Whether it is a common move that has taken a finding of one of its groups up, which has no later day of its own.
    pub fn goes_on_with(&self, one: &Found) -> bool {
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
    pub fn is_same(&self, incident: &Incident) -> bool {
        self.is_of_group(incident) && self.has_direction(incident) && self.overlap(incident) > 0
    }
}

/// The findings that reach into the judged days.
pub fn shown(
    every: &[Found],
    ledger: &Ledger,
    names: &BTreeMap<String, String>,
    currency: &str,
) -> Vec<anomalies::Finding> {
    let reaching = every.iter().zip(&ledger.ids).filter(|(found, _)| found.is_news);
    let shown = reaching.map(|(Found { finding: found, group_by, values, members, .. }, id)| anomalies::Finding {
        id: id.clone(),
        kind: found.kind,
        direction: found.direction,
        severity: found.severity,
        date: found.date,
        start: found.start,
        end: found.end,
        group: group_object(group_by, values),
        account_name: account_name(group_by, values, names),
        currency: currency.to_owned(),
        groups: found.series.len(),
        actual: found.actual,
        expected: found.expected,
        impact: found.impact,
        impact_total: found.impact_total,
        at_stake: found.at_stake,
        score: found.score,
        flagged_days: found.flagged_days,
        absorbed: found.absorbed,
        reasons: found.reasons.clone(),
        members: members.iter().map(|one| member(one, names)).collect(),
    });
    shown.collect()
}

fn member(found: &Found, names: &BTreeMap<String, String>) -> Member {
    let finding = &found.finding;
    Member {
        group: group_object(&found.group_by, &found.values),
        account_name: account_name(&found.group_by, &found.values, names),
        groups: finding.series.len(),
        kind: finding.kind,
        direction: finding.direction,
        start: finding.start,
        end: finding.end,
        impact: finding.impact,
        impact_total: finding.impact_total,
    }
}

/// What is told at another level today: first incidents of a group that the finding has as a member, then those whose
/// group does not contradict its own and that began when it did, give or take [`GAP_DAYS`].
pub fn match_other_levels(known: &[Incident], findings: &[Found], matched: &mut [Option<usize>]) {
    let is_member = |incident: &Incident, found: &Found| {
        let same = found.members.iter().filter(|member| member.is_same(incident));
        same.map(|member| member.overlap(incident)).max()
    };
    let is_nested = |incident: &Incident, found: &Found| {
        let is_move = found.is_move() || incident.kind == Kind::Moved;
        let apart = (incident.start_date - found.finding.start).num_days().abs();
        if apart > GAP_DAYS || found.overlap(incident) <= 0 || !(is_move || found.has_direction(incident)) {
            return None;
        }
        let differs = |(dimension, value): (&Dimension, &String)| {
            let mut pairs = incident.group_by.0.iter().zip(&incident.group_values);
            pairs.any(|(own, other)| own == dimension && other != value)
        };
        let mut pairs = found.group_by.0.iter().zip(&found.values);
        (!pairs.any(differs)).then_some(-apart)
    };
    let rounds: [&Fits; 2] = [&is_member, &is_nested];
    for fits in rounds {
        match_round(known, findings, matched, fits);
    }
}
