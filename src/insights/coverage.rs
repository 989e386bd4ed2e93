//! Days that a bill does not have are not days without costs: which days each series can be judged on, and by which bills.
//!
//! Bills come from different places, so each has a first day, a newest settled one, and holes of its own. Bills that agree in all of these are a
//! class. A series of one class is judged on its days. A series that several classes are in (the total, a region) is made of those that reach
//! farthest; what ends earlier is left out of it and judged where it is alone, so that neither hides the other.

use std::collections::BTreeSet;

use chrono::{Days, NaiveDate};

use super::frame::{Frame, holes};
use crate::{
    analysis::detection::BillDays,
    model::{Period, Series},
    store::holdings::Payer,
};

/// A bill joins series that began so much earlier once it has as many days as say what is normal: its first day would
/// be a jump of them.
const JOINS_AFTER_DAYS: u64 = 60;
const BEGINS_TOGETHER_DAYS: u64 = 14;
/// A bill that lacks at most this share of its days is one that should have each.
const HOLES: f64 = 0.1;
/// A hole of a bill is one of a sum when the bill is at least this share of it.
const MATTERS: f64 = 0.05;

/// Bills that have the same days.
#[derive(Clone, Debug)]
pub(crate) struct Class {
    /// What they are called.
    pub names: Vec<String>,
    pub payers: Vec<Payer>,
    pub first: NaiveDate,
    /// The newest settled day.
    pub end: NaiveDate,
    pub missing: BTreeSet<NaiveDate>,
}

impl Class {
    /// Whether there should be costs of each day, so that a day without is a hole.
    pub(crate) fn is_daily(&self) -> bool {
        self.missing.len() as f64 <= HOLES * Period { start: self.first, end: self.end }.days() as f64
    }
}

/// The classes of the bills that a frame has up to `end`.
pub(super) fn classes(frame: &Frame, end: NaiveDate) -> Vec<Class> {
    let mut classes: Vec<Class> = Vec::new();
    for delivery in &frame.deliveries {
        let Some(first) = delivery.days.first().copied().filter(|first| *first <= end) else { continue };
        let own_end = delivery.settled_through.min(end);
        let own = holes(&delivery.days, own_end);
        let is_same = |class: &&mut Class| class.first == first && class.end == own_end && class.missing == own;
        match classes.iter_mut().find(is_same) {
            Some(class) => {
                class.names.push(delivery.name.clone());
                class.payers.extend(delivery.payers.iter().cloned());
            }
            None => classes.push(Class {
                names: vec![delivery.name.clone()],
                payers: delivery.payers.clone(),
                first,
                end: own_end,
                missing: own,
            }),
        }
    }
    classes
}

/// What is known of the bills that some series are of.
#[derive(Clone, Debug)]
pub(crate) struct Coverage {
    /// The classes, by place.
    pub classes: Vec<usize>,
    /// The last day.
    pub end: NaiveDate,
    pub bills: BillDays,
}

/// Series with what is known of the bills of each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Covered {
    pub series: Vec<Series>,
    pub coverages: Vec<Coverage>,
    /// For each series its coverage, by place.
    pub of: Vec<usize>,
    /// Classes that have costs of some group whose series is without them.
    pub excluded: BTreeSet<usize>,
}

impl Covered {
    /// Series of groups made of their parts, each the costs of one class, in order of groups.
    pub(crate) fn new(mut parts: Vec<(usize, Series)>, classes: &[Class]) -> Self {
        let mut covered = Covered::default();
        if classes.len() > 1 {
            parts.sort_by(|a, b| (&a.1.group, a.0).cmp(&(&b.1.group, b.0)));
        }
        let mut group: Vec<(usize, Series)> = Vec::new();
        for part in parts {
            if group.first().is_some_and(|(_, first)| first.group != part.1.group) {
                covered.add(std::mem::take(&mut group), classes);
            }
            group.push(part);
        }
        covered.add(group, classes);
        covered
    }

    /// The days of the bills of each series.
    pub(crate) fn bills(&self) -> Vec<&BillDays> {
        self.of.iter().map(|place| &self.coverages[*place].bills).collect()
    }

    pub(crate) fn missing(&self, series: usize) -> &BTreeSet<NaiveDate> {
        &self.coverages[self.of[series]].bills.missing
    }

    fn add(&mut self, mut parts: Vec<(usize, Series)>, classes: &[Class]) {
        let Some(end) = parts.iter().map(|(class, _)| classes[*class].end).max() else { return };
        let all: Vec<usize> = parts.iter().map(|(class, _)| *class).collect();
        parts.retain(|(class, _)| classes[*class].end == end);
        let first = parts.iter().map(|(class, _)| classes[*class].first).min().unwrap_or(end);
        // Of bills that begin later, those join whose beginning is long enough ago.
        parts.retain(|(class, _)| {
            let own = classes[*class].first;
            own <= first + Days::new(BEGINS_TOGETHER_DAYS) || own + Days::new(JOINS_AFTER_DAYS) <= end
        });
        let members: Vec<usize> = parts.iter().map(|(class, _)| *class).collect();
        self.excluded.extend(all.into_iter().filter(|class| !members.contains(class)));
        let missing = match members[..] {
            [only] => classes[only].missing.clone(),
            _ => missing_of_sum(&parts, classes),
        };
        let Some(series) = sum(parts.into_iter().map(|(_, series)| series), end) else { return };
        let is_same = |coverage: &Coverage| coverage.classes == members && coverage.bills.missing == missing;
        let place = self.coverages.iter().rposition(is_same).unwrap_or_else(|| {
            self.coverages.push(Coverage { classes: members, end, bills: BillDays { first_day: first, missing } });
            self.coverages.len() - 1
        });
        self.of.push(place);
        self.series.push(series);
    }
}

/// The days on which a sum lacks a bill that matters to it; where no bill of it should have each day, those that none has.
fn missing_of_sum(parts: &[(usize, Series)], classes: &[Class]) -> BTreeSet<NaiveDate> {
    let size = |series: &Series| series.values.iter().map(|cost| cost.abs()).sum::<f64>();
    let all: f64 = parts.iter().map(|(_, series)| size(series)).sum();
    let daily: Vec<&(usize, Series)> = parts.iter().filter(|(class, _)| classes[*class].is_daily()).collect();
    if daily.is_empty() {
        let mut sets = parts.iter().map(|(class, _)| &classes[*class].missing);
        let Some(first) = sets.next() else { return BTreeSet::new() };
        return sets.fold(first.clone(), |common, set| common.intersection(set).copied().collect());
    }
    let matter = daily.into_iter().filter(|(_, series)| size(series) >= MATTERS * all);
    matter.flat_map(|(class, _)| classes[*class].missing.iter().copied()).collect()
}

/// The costs of several series added by day, up to `end`.
fn sum(mut parts: impl Iterator<Item = Series>, end: NaiveDate) -> Option<Series> {
    let mut whole = parts.next()?;
    for part in parts {
        if part.start < whole.start {
            let earlier = Period { start: part.start, end: whole.start }.days() - 1;
            whole.values.splice(..0, std::iter::repeat_n(0.0, earlier));
            whole.start = part.start;
        }
        let offset = Period { start: whole.start, end: part.start }.days() - 1;
        let days = whole.values.len().max(offset + part.values.len());
        whole.values.resize(days, 0.0);
        whole.values[offset..].iter_mut().zip(&part.values).for_each(|(sum, cost)| *sum += cost);
    }
    whole.values.truncate(Period { start: whole.start, end }.days());
    (whole.start <= end).then_some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a date")
    }

    fn class(first: &str, end: &str, missing: &[&str]) -> Class {
        let missing = missing.iter().map(|text| day(text)).collect();
        Class { names: vec![first.into()], payers: Vec::new(), first: day(first), end: day(end), missing }
    }

    fn part(class: usize, group: &str, start: &str, values: &[f64]) -> (usize, Series) {
        (class, Series { group: vec![group.into()], start: day(start), values: values.to_vec() })
    }

    #[test]
    fn one_class_is_as_if_there_were_none() {
        let classes = [class("2026-01-01", "2026-01-03", &["2026-01-02"])];
        let covered = Covered::new(vec![part(0, "a", "2026-01-02", &[1.0, 2.0])], &classes);
        assert_eq!(covered.series, [part(0, "a", "2026-01-02", &[1.0, 2.0]).1]);
        assert_eq!(covered.bills()[0].first_day, day("2026-01-01"));
        assert_eq!(covered.missing(0), &classes[0].missing);
        assert!(covered.excluded.is_empty());
    }

    #[test]
    fn what_ends_earlier_is_left_out_of_a_sum_and_judged_where_it_is_alone() {
        let classes = [class("2026-01-01", "2026-01-04", &[]), class("2026-01-01", "2026-01-02", &[])];
        let parts = vec![
            part(0, "both", "2026-01-01", &[1.0, 1.0, 1.0, 1.0]),
            part(1, "both", "2026-01-01", &[5.0, 5.0, 0.0, 0.0]),
            part(1, "late", "2026-01-01", &[5.0, 5.0, 0.0, 0.0]),
        ];
        let covered = Covered::new(parts, &classes);
        let values: Vec<&[f64]> = covered.series.iter().map(|one| one.values.as_slice()).collect();
        assert_eq!(values, [&[1.0, 1.0, 1.0, 1.0][..], &[5.0, 5.0][..]], "no drop to nothing");
        assert_eq!(covered.coverages[covered.of[1]].end, day("2026-01-02"));
        assert_eq!(covered.excluded, BTreeSet::from([1]));
    }

    #[test]
    fn a_bill_joins_a_sum_when_its_beginning_is_no_jump_any_more() {
        let parts = || vec![part(0, "both", "2026-01-01", &[1.0; 120]), part(1, "both", "2026-03-01", &[9.0; 61])];
        let young = [class("2026-01-01", "2026-04-15", &[]), class("2026-03-01", "2026-04-15", &[])];
        assert_eq!(Covered::new(parts(), &young).series[0].values.last(), Some(&1.0));
        let old = [class("2026-01-01", "2026-04-30", &[]), class("2026-03-01", "2026-04-30", &[])];
        let joined = Covered::new(parts(), &old).series.remove(0);
        assert_eq!((joined.values[58], joined.values[59], joined.values.len()), (1.0, 10.0, 120));
    }

    #[test]
    fn a_hole_matters_to_a_sum_when_the_bill_does() {
        let hole = "2026-01-05";
        let of = |small: f64| {
            let classes = [class("2026-01-01", "2026-01-20", &[]), class("2026-01-01", "2026-01-20", &[hole])];
            let parts = vec![part(0, "x", "2026-01-01", &[100.0; 20]), part(1, "x", "2026-01-01", &[small; 20])];
            Covered::new(parts, &classes).missing(0).clone()
        };
        assert_eq!(of(1.0), BTreeSet::new());
        assert_eq!(of(50.0), BTreeSet::from([day(hole)]));
    }
}
