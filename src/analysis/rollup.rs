//! Findings of several levels that are the same dollars become one incident: at the level that tells it with the
//! fewest members, and at the finest of those. Opposite findings beside each other become a move.
//!
//! A level is a way to group costs: all of them, by account, by service and account. The groups of one level share
//! no dollars; those of two levels do.

use crate::model::Direction;
use std::cmp::Ordering;

use chrono::{Days, NaiveDate};

/// Findings that begin together do so within so many days.
const SAME_DAYS: i64 = 1;
/// The days from the first one on that say what a change began with.
const ONSET_DAYS: u64 = 3;
/// The share of a finding's dollars that explains it, and what is as much as the same dollars.
const MOST: f64 = 0.8;
const SAME: f64 = 1.0 / MOST;
/// A coarser level that notices what is normal already within so many days notices nothing new.
const ECHO_DAYS: i64 = 14;
/// What comes in steps within so many days is one change.
const STEP_DAYS: i64 = 7;
/// A step is part of a change for so many days after this was flagged last.
const GAP_DAYS: u64 = 3;
/// So many incidents that did not begin together explain a coarser finding; more of them are told by it.
const FEW: usize = 3;
/// What cost moves between, when all else of a group stays.
const MOVES_BETWEEN: [&str; 3] = ["account", "region", "usage-type"];

/// A finding of one level.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    /// The place of its level, the finest the last.
    pub level: usize,
    /// Its values by dimension; none for the total, and for a change that many series share.
    pub group: Vec<(String, String)>,
    /// Whether many series share it.
    pub is_common: bool,
    /// Whether the groups of finer levels are no parts of it, or all are: the total, a region, what many series share.
    pub is_wide: bool,
    pub direction: Direction,
    /// The first and the last flagged day.
    pub start: NaiveDate,
    pub last: NaiveDate,
    /// Whether the change has become what is normal, so that nothing is left of it after `last`.
    pub is_absorbed: bool,
    /// Actual minus expected cost of the day that stands out most.
    pub impact: f64,
    /// The same of every day, and the day of the first.
    pub since: NaiveDate,
    pub differences: Vec<f64>,
}

/// Findings that are the same dollars, by their places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Incident {
    /// The one that tells it; of a move where the cost went.
    pub of: usize,
    /// Of a move, where it came from.
    pub from: Option<usize>,
    /// The others, in order.
    pub members: Vec<usize>,
}

/// Every candidate in exactly one incident. Their order does not matter.
///
/// First the finest findings: of two that are the same dollars, the one of the finer level tells. Then the coarser
/// ones, the largest first, are added to what they are made of ([`add`]).
pub(crate) fn roll_up(candidates: &[Candidate]) -> Vec<Incident> {
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    order.sort_by(|a, b| in_turn(&candidates[*a], &candidates[*b]));
    let (mut fine, coarse): (Vec<usize>, Vec<usize>) =
        order.into_iter().partition(|place| candidates[*place].group.len() > 1);
    fine.sort_by_key(|place| std::cmp::Reverse(candidates[*place].level));
    let mut incidents: Vec<Incident> = Vec::new();
    for place in fine {
        let same = |incident: &&mut Incident| candidates[incident.of].explains(&candidates[place]);
        match incidents.iter_mut().find(same) {
            Some(incident) => incident.members.push(place),
            None => incidents.push(Incident { of: place, from: None, members: Vec::new() }),
        }
    }
    let (parts, wide): (Vec<usize>, Vec<usize>) = coarse.into_iter().partition(|place| !candidates[*place].is_wide);
    parts.into_iter().for_each(|place| add(candidates, &mut incidents, place));
    join_steps(candidates, &mut incidents);
    let mut incidents = moves(candidates, incidents);
    wide.into_iter().for_each(|place| add(candidates, &mut incidents, place));
    let mut incidents = moves(candidates, incidents);
    incidents.iter_mut().for_each(|incident| incident.members.sort_unstable());
    incidents
}

/// Services and accounts, then regions, what many series share, and the total; of each the largest first. The rest of
/// the order is only there so that there is one.
fn in_turn(a: &Candidate, b: &Candidate) -> Ordering {
    let wideness = |one: &Candidate| (one.is_wide, one.group.is_empty(), !one.is_common);
    (wideness(a).cmp(&wideness(b)))
        .then_with(|| b.dollars().total_cmp(&a.dollars()))
        .then_with(|| (b.level, a.start, a.last, &a.group).cmp(&(a.level, b.start, b.last, &b.group)))
        .then_with(|| a.direction.cmp(&b.direction))
}

/// Adds a coarser finding. If something alone is most of it, it is part of that. If several parts that began together are
/// most of it, it tells them. If few parts that began apart are, it is part of the largest. Otherwise it is an
/// incident of its own, which tells the parts that began with it.
fn add(candidates: &[Candidate], incidents: &mut Vec<Incident>, place: usize) {
    let whole = &candidates[place];
    let mut shares: Vec<(f64, usize)> = Vec::new();
    let mut alone: Option<(usize, f64, usize)> = None;
    for (index, incident) in incidents.iter().enumerate() {
        let sides = [Some(incident.of), incident.from].into_iter().flatten();
        let members = incident.members.iter().copied().filter(|_| !whole.is_wide);
        let parts: Vec<&Candidate> = sides.chain(members).map(|part| &candidates[part]).collect();
        let share = parts.iter().filter_map(|part| part.share_in(whole)).max_by(f64::total_cmp);
        shares.extend(share.map(|share| (share, index)));
        if candidates[incident.of].fits(whole) && parts.iter().any(|part| part.explains(whole)) {
            let this = (candidates[incident.of].level, share.unwrap_or(1.0), index);
            if alone.is_none_or(|best| (best.0, best.1) < (this.0, this.1)) {
                alone = Some(this);
            }
        }
    }
    shares.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let sum = |shares: &[(f64, usize)]| shares.iter().map(|(share, _)| share).sum::<f64>();
    let began_together = |index: usize| {
        let incident = &incidents[index];
        incident.from.is_none() && candidates[incident.of].starts_within(SAME_DAYS, whole)
    };
    let together: Vec<(f64, usize)> = shares.iter().copied().filter(|(_, index)| began_together(*index)).collect();
    if let Some((.., index)) = alone {
        // What else it is made of is the same dollars seen another way.
        let told = &candidates[incidents[index].of];
        let is_same = |other: usize| {
            let other = &candidates[incidents[other].of];
            other.refines(whole) && other.fits(told)
        };
        let same =
            together.iter().map(|(_, other)| *other).filter(|other| *other != index && is_same(*other)).collect();
        incidents[index].members.push(place);
        let of = incidents[index].of;
        absorb(incidents, of, same);
        return;
    }
    let tells = !whole.is_wide && together.len() > 1 && sum(&together) >= MOST;
    if !tells && sum(&shares[..shares.len().min(FEW)]) >= MOST {
        incidents[shares[0].1].members.push(place);
        return;
    }
    // The dollars of a region are those of incidents elsewhere when they are as many.
    let holds =
        !whole.is_common && (whole.group.is_empty() || !whole.is_wide || (MOST..=SAME).contains(&sum(&together)));
    incidents.push(Incident { of: place, from: None, members: Vec::new() });
    if holds {
        absorb(incidents, place, together.into_iter().map(|(_, index)| index).collect());
    }
}

/// Makes incidents that are a step of another one its members: part of the same service, told by account, say, and by usage
/// type.
fn join_steps(candidates: &[Candidate], incidents: &mut Vec<Incident>) {
    let mut steps: Vec<(usize, usize)> = Vec::new();
    for step in incidents.iter().map(|incident| incident.of) {
        let one = &candidates[step];
        let is_whole = |incident: &&Incident| {
            let told = &candidates[incident.of];
            told.dollars() > one.dollars()
                && told.fits(one)
                && incident.members.iter().any(|member| one.is_step_of(&candidates[*member]))
        };
        let whole = incidents.iter().filter(is_whole).map(|incident| incident.of);
        let largest = |a: &usize, b: &usize| candidates[*a].dollars().total_cmp(&candidates[*b].dollars());
        steps.extend(whole.max_by(largest).map(|whole| (step, whole)));
    }
    // The smallest first: a step may have steps.
    steps.sort_by(|a, b| candidates[a.0].dollars().total_cmp(&candidates[b.0].dollars()));
    for (step, whole) in steps {
        let place = incidents.iter().position(|incident| incident.of == step);
        absorb(incidents, whole, place.into_iter().collect());
    }
}

/// Makes incidents members of the one that is told by `of`.
fn absorb(incidents: &mut Vec<Incident>, of: usize, others: Vec<usize>) {
    let mut members = Vec::new();
    let mut index = 0;
    incidents.retain(|incident| {
        let is_other = others.contains(&index);
        if is_other {
            members.push(incident.of);
            members.extend(&incident.members);
        }
        index += 1;
        !is_other
    });
    incidents
        .iter_mut()
        .filter(|incident| incident.of == of)
        .for_each(|incident| incident.members.append(&mut members));
}

/// Joins incidents that are the two sides of a move, those of most dollars first.
fn moves(candidates: &[Candidate], incidents: Vec<Incident>) -> Vec<Incident> {
    let mut left: Vec<Option<Incident>> = incidents.into_iter().map(Some).collect();
    let mut joined = Vec::with_capacity(left.len());
    for index in 0..left.len() {
        let Some(one) = left[index].take() else { continue };
        let is_other = |other: &Incident| {
            let is_single = one.from.is_none() && other.from.is_none();
            is_single && candidates[one.of].is_moved_to_or_from(&candidates[other.of])
        };
        let other = left.iter_mut().find(|other| other.as_ref().is_some_and(is_other)).and_then(Option::take);
        joined.push(match other {
            Some(other) => {
                let (to, from) = match candidates[one.of].direction {
                    Direction::Up => (one, other),
                    Direction::Down => (other, one),
                };
                let members = [to.members, from.members].concat();
                Incident { of: to.of, from: Some(from.of), members }
            }
            None => one,
        });
    }
    joined
}

impl Candidate {
    /// What its days cost more or less than expected.
    fn dollars(&self) -> f64 {
        self.sum(self.start, self.last).abs()
    }

    fn sum(&self, from: NaiveDate, to: NaiveDate) -> f64 {
        let index = |day: NaiveDate| usize::try_from((day - self.since).num_days()).unwrap_or(0);
        if to < self.since {
            return 0.0;
        }
        let end = (index(to) + 1).min(self.differences.len());
        self.differences[index(from).min(end)..end].iter().sum()
    }

    /// Whether no dimension has another value in the other's group.
    pub(crate) fn fits(&self, other: &Candidate) -> bool {
        let differs = |(dimension, value): &(String, String)| {
            other.group.iter().any(|(name, other)| name == dimension && other != value)
        };
        !self.group.iter().any(differs)
    }

    /// Whether its group is a part of the other's.
    pub(crate) fn refines(&self, other: &Candidate) -> bool {
        self.group.len() > other.group.len() && other.group.iter().all(|pair| self.group.contains(pair))
    }

    fn starts_within(&self, days: i64, other: &Candidate) -> bool {
        (self.start - other.start).num_days().abs() <= days
    }

    fn length(&self) -> i64 {
        (self.last - self.start).num_days() + 1
    }

    /// The days that both have, when both go the same way.
    fn shared_days(&self, other: &Candidate) -> i64 {
        let days = (self.last.min(other.last) - self.start.max(other.start)).num_days() + 1;
        if self.direction == other.direction { days.max(0) } else { 0 }
    }

    /// What share of the other's dollars it moved from one day to another; once it is normal, on those until then.
    fn share_of(&self, whole: &Candidate, last: NaiveDate) -> f64 {
        let until = if self.is_absorbed { last.min(self.last) } else { last };
        let dollars = whole.sum(whole.start, until);
        if dollars.abs() < f64::EPSILON { 0.0 } else { self.sum(whole.start, until) / dollars }
    }

    /// Whether its dollars are most of the other's on the other's days: as a part of it, or as the same dollars seen
    /// another way, which begin together. When both begin and last together, the first days or a day's dollars do, too:
    /// others may join later, and one of the two may be explained by a holiday.
    fn explains(&self, whole: &Candidate) -> bool {
        if self.may_be_echoed_by(whole) && (MOST..=SAME).contains(&(self.impact / whole.impact)) {
            return true;
        }
        let shared = self.shared_days(whole);
        let begins_with = self.starts_within(SAME_DAYS, whole);
        if shared == 0 || !self.fits(whole) || !(begins_with || self.refines(whole)) {
            return false;
        }
        let most = if self.refines(whole) { f64::INFINITY } else { SAME };
        let is_most = |share: f64| (MOST..=most).contains(&share);
        let lasts_with = 2 * shared >= self.length().max(whole.length());
        is_most(self.share_of(whole, whole.last))
            || (begins_with
                && lasts_with
                && (is_most(self.impact / whole.impact)
                    || is_most(self.share_of(whole, whole.last.min(whole.start + Days::new(ONSET_DAYS))))))
    }

    /// Whether it is a part of the other that began soon after it, hardly lasts longer and is not what its own days are about.
    fn is_step_of(&self, whole: &Candidate) -> bool {
        let dollars = whole.sum(self.start, self.last);
        self.refines(whole)
            && self.shared_days(whole) > 0
            && (-SAME_DAYS..=STEP_DAYS).contains(&(self.start - whole.start).num_days())
            && (whole.is_absorbed || self.last <= whole.last + Days::new(GAP_DAYS))
            && self.sum(self.start, self.last).abs() < MOST * dollars.abs()
    }

    /// Whether a coarser level may notice the change when it has become normal here.
    fn may_be_echoed_by(&self, whole: &Candidate) -> bool {
        self.is_absorbed
            && self.direction == whole.direction
            && self.start < whole.start
            && (whole.start - self.last).num_days() <= ECHO_DAYS
            && self.fits(whole)
            && (self.refines(whole) || whole.is_wide)
    }

    /// Its share of a coarser finding, if it may be a part of it. A group has other regions, too, so that it may be more
    /// than one of them.
    fn share_in(&self, whole: &Candidate) -> Option<f64> {
        if self.last < whole.start {
            return self.may_be_echoed_by(whole).then_some(self.impact / whole.impact).filter(|share| *share <= SAME);
        }
        let share = self.share_of(whole, whole.last);
        let is_region = whole.is_wide && !whole.group.is_empty();
        let is_part = (self.refines(whole) && !whole.is_common)
            || (whole.is_wide && share <= SAME)
            || (is_region && self.starts_within(SAME_DAYS, whole));
        (is_part && share > 0.0 && self.shared_days(whole) > 0 && self.fits(whole)).then_some(share)
    }

    /// Whether as much came here as went there on the same days, and one dimension tells here from there.
    fn is_moved_to_or_from(&self, other: &Candidate) -> bool {
        let differing = self.group.iter().zip(&other.group).filter(|(here, there)| here != there);
        let differing: Vec<&str> = differing.map(|((dimension, _), _)| dimension.as_str()).collect();
        let is_beside = self.level == other.level
            && self.group.len() == other.group.len()
            && matches!(differing[..], [only] if MOVES_BETWEEN.contains(&only));
        let (start, last) = (self.start.max(other.start), self.last.min(other.last));
        let (here, there) = (self.sum(start, last), other.sum(start, last));
        is_beside
            && self.direction != other.direction
            && self.starts_within(SAME_DAYS, other)
            && start <= last
            && (here + there).abs() <= (1.0 - MOST) * here.abs().max(there.abs())
    }
}

#[cfg(test)]
mod tests;
