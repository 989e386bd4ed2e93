//! Which incident of the ledger a finding is.

use std::collections::BTreeSet;

use super::group_finding::{GAP_DAYS, GroupFinding};
use crate::{
    model::{Dimension, Kind, State},
    store::ledger::Incident,
};

/// How well an incident fits a finding, if it does.
type Fits<'a> = dyn Fn(&Incident, &GroupFinding) -> Option<i64> + 'a;

/// The incident of each finding, each at most once: first those that began on the same day, then those whose
/// days overlap most, then open ones that were over at most [`GAP_DAYS`] before.
pub(super) fn matched(known: &[Incident], findings: &[GroupFinding]) -> Vec<Option<usize>> {
    let mut matched: Vec<Option<usize>> = vec![None; findings.len()];
    let is_same = |incident: &Incident, found: &GroupFinding| {
        let is_move = incident.kind == Kind::Moved;
        found.is_of_group(incident) && found.is_move() == is_move && (is_move || found.has_direction(incident))
    };
    let rounds: [&Fits; 3] = [
        &|incident, found| (incident.start_date == found.finding.start).then_some(0),
        &|incident, found| Some(found.overlap(incident)).filter(|days| *days > 0),
        &|incident, found| {
            let near = found.overlap(incident) > -GAP_DAYS;
            (near && incident.state == State::Open).then_some(0)
        },
    ];
    for fits in rounds {
        match_round(known, findings, &mut matched, &|incident, found| {
            is_same(incident, found).then(|| fits(incident, found)).flatten()
        });
    }
    matched
}

/// Gives each finding that has none the free incident that fits best.
fn match_round(known: &[Incident], findings: &[GroupFinding], matched: &mut [Option<usize>], fits: &Fits) {
    let mut free: BTreeSet<usize> = (0..known.len()).collect();
    matched.iter().flatten().for_each(|place| _ = free.remove(place));
    for (found, matched) in findings.iter().zip(matched).filter(|(_, matched)| matched.is_none()) {
        let best = free.iter().filter_map(|place| Some((fits(&known[*place], found)?, *place)));
        // Of several that fit alike, the newest, which comes first.
        *matched = best.max_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1))).map(|(_, place)| place);
        matched.iter().for_each(|place| _ = free.remove(place));
    }
}

/// What is told at another level today: first incidents of a group that the finding has as a member, then those whose
/// group does not contradict its own and that began when it did, give or take [`GAP_DAYS`].
pub(super) fn match_other_levels(known: &[Incident], findings: &[GroupFinding], matched: &mut [Option<usize>]) {
    let is_member = |incident: &Incident, found: &GroupFinding| {
        let same = found.members.iter().filter(|member| member.is_same(incident));
        same.map(|member| member.overlap(incident)).max()
    };
    let is_nested = |incident: &Incident, found: &GroupFinding| {
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
