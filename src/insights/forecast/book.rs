//! All leaves in the same spans: what each is expected to cost, taxes and support as a share of the rest, and their sums.

use std::collections::BTreeMap;

use chrono::{Days, Months, NaiveDate};

use super::leaves::{Leaf, Leaves, cost_in};
use crate::{
    analysis::forecast::{Ahead, Input, Span, ahead},
    model::{ChargeCategory, Granularity, Period, first_of_month},
};

/// History without which a month that is over is not replayed: weekday factors need three of each.
pub(super) const LEAST_HISTORY: u64 = 21;

/// What every leaf costs in every span.
pub(super) struct Book<'a> {
    leaves: &'a Leaves,
    spans: Vec<Span>,
    /// By leaf and span.
    aheads: Vec<Vec<Ahead>>,
}

/// What was expected of something in a span, and what came.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Outcome {
    pub expected: f64,
    pub actual: f64,
}

/// What was expected of the total and its parts in a span, and what came.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcomes<'a> {
    pub total: Outcome,
    /// None of a group that nothing is told of.
    pub groups: Vec<Option<Outcome>>,
    /// Of the accounts; of the services where there is one account.
    pub estate: BTreeMap<&'a str, Outcome>,
}

impl Outcome {
    fn add(&mut self, other: Outcome) {
        self.expected += other.expected;
        self.actual += other.actual;
    }

    /// Whether it is expected to be at least a share of another.
    pub(super) fn is_share_of(self, whole: Outcome, share: f64) -> bool {
        self.expected.abs() >= share * whole.expected.abs()
    }

    /// Actual beyond expected, relative to expected; none where nothing was expected.
    pub(super) fn error(self) -> Option<f64> {
        (self.expected.abs() >= 0.01).then(|| (self.actual - self.expected) / self.expected.abs())
    }
}

impl<'a> Book<'a> {
    /// Looks at all leaves in `spans`, which are in order of their known days. A leaf whose bills end before a known day is known up to its
    /// own last day only.
    pub(super) fn open(leaves: &'a Leaves, spans: &[Span]) -> Self {
        let own = |class: usize| {
            let end = leaves.known(class);
            spans.iter().map(|span| Span { known: span.known.min(end), ..*span }).collect::<Vec<Span>>()
        };
        let of_class: Vec<Vec<Span>> = (0..leaves.classes.len()).map(own).collect();
        let input = |leaf: &'a Leaf| Input {
            series: &leaf.series,
            skipped: &leaf.skipped,
            by_calendar: leaf.category == ChargeCategory::Purchase,
            spans: &of_class[leaf.class],
        };
        let inputs: Vec<Input> = leaves.leaves.iter().map(input).collect();
        let mut book = Self { leaves, spans: spans.to_vec(), aheads: ahead(&inputs) };
        for span in 0..spans.len() {
            book.follow(span);
        }
        book
    }

    pub(super) fn span(&self, place: usize) -> Span {
        self.spans[place]
    }

    pub(super) fn ahead(&self, leaf: usize, span: usize) -> &Ahead {
        &self.aheads[leaf][span]
    }

    pub(super) fn ahead_mut(&mut self, leaf: usize, span: usize) -> &mut Ahead {
        &mut self.aheads[leaf][span]
    }

    /// Makes taxes and support what they were of the other costs in the last whole month.
    fn follow(&mut self, place: usize) {
        let known = self.spans[place].known;
        for class in 0..self.leaves.classes.len() {
            let Some(base) = self.base(class, known) else { continue };
            let of_class = |leaf: &usize| self.leaves.leaves[*leaf].class == class;
            let own: Vec<usize> = (0..self.aheads.len()).filter(of_class).collect();
            let mut days = vec![0.0; self.spans[place].period.days()];
            for leaf in own.iter().filter(|leaf| self.leaves.leaves[**leaf].is_base()) {
                days.iter_mut().zip(&self.aheads[*leaf][place].days).for_each(|(sum, cost)| *sum += cost);
            }
            for leaf in own {
                if let Some(share) = self.share(&self.leaves.leaves[leaf], base, known) {
                    self.aheads[leaf][place].days = self.following(leaf, place, share, &days);
                }
            }
        }
    }

    /// What the costs that taxes and support of a class follow were in the last whole month; none when there is no such month, or
    /// nothing follows them.
    pub(super) fn base(&self, class: usize, known: NaiveDate) -> Option<f64> {
        let month = last_whole_month(known);
        let mut own = self.leaves.leaves.iter().filter(|leaf| leaf.class == class);
        if self.leaves.classes[class].first > month.start || !own.clone().any(Leaf::is_ratio) {
            return None;
        }
        let base = own.by_ref().filter(|leaf| leaf.is_base()).map(|leaf| cost_in(&leaf.series, month)).sum::<f64>();
        (base > 0.0).then_some(base)
    }

    /// What a leaf was of that; none when it follows nothing, or is charged daily like any other.
    pub(super) fn share(&self, leaf: &Leaf, base: f64, known: NaiveDate) -> Option<f64> {
        let month = last_whole_month(known);
        let is_charged = |day: &NaiveDate| leaf.series.index(*day).is_some_and(|at| leaf.series.values[at] != 0.0);
        let is_seldom = leaf.is_ratio() && month.iter().filter(is_charged).count() <= month.days() / 2;
        is_seldom.then(|| cost_in(&leaf.series, month) / base)
    }

    /// The days of a leaf that follows others, which cost `bases` a day: what is missing to its share of each month comes on the last day.
    fn following(&self, leaf: usize, place: usize, share: f64, bases: &[f64]) -> Vec<f64> {
        let (own, ahead) = (&self.leaves.leaves[leaf], &self.aheads[leaf][place]);
        let span = self.spans[place];
        let known = span.known.min(self.leaves.known(own.class));
        let as_known = |(day, cost): (NaiveDate, &f64)| if day <= known { *cost } else { 0.0 };
        let mut days: Vec<f64> = span.period.iter().zip(&ahead.days).map(as_known).collect();
        for month in span.period.split(Granularity::Monthly).into_iter().filter(|month| month.end > known) {
            let at = |day: NaiveDate| (day - span.period.start).num_days() as usize;
            let in_month = at(month.start)..=at(month.end);
            let base: f64 = bases[in_month.clone()].iter().sum();
            let charged: f64 = days[in_month].iter().sum();
            days[at(month.end)] += (share * base - charged).max(0.0);
        }
        days
    }

    /// Whether a leaf tells anything of a span that is over: its bills had begun long enough before, and have all days of it.
    fn is_told(&self, leaf: &Leaf, span: Span) -> bool {
        let class = &self.leaves.classes[leaf.class];
        class.first + Days::new(LEAST_HISTORY) <= span.known && class.end >= span.period.end
    }

    /// What was expected of everything in a span that is over, and what came.
    pub(super) fn outcomes(&self, place: usize) -> Outcomes<'_> {
        let span = self.spans[place];
        let over = Span { known: span.period.end, ..span };
        let mut outcomes = Outcomes { groups: vec![None; self.leaves.groups.len()], ..Outcomes::default() };
        let sum = |days: &[f64]| days.iter().sum::<f64>();
        for (leaf, aheads) in self.leaves.leaves.iter().zip(&self.aheads) {
            if !self.is_told(leaf, span) {
                continue;
            }
            let expected = &aheads[place].days;
            let whole = Outcome { expected: sum(expected), actual: cost_in(&leaf.series, span.period) };
            outcomes.total.add(whole);
            outcomes.estate.entry(self.leaves.part_of_estate(leaf)).or_default().add(whole);
            let mut add = |group: usize, own: Outcome| outcomes.groups[group].get_or_insert_default().add(own);
            match &leaf.parts[..] {
                [only] => add(only.group, whole),
                _ => {
                    for (group, days) in leaf.split(expected, span) {
                        add(group, Outcome { expected: sum(&days), actual: 0.0 });
                    }
                    let actual =
                        span.period.iter().map(|day| leaf.series.index(day).map_or(0.0, |at| leaf.series.values[at]));
                    for (group, days) in leaf.split(&actual.collect::<Vec<f64>>(), over) {
                        add(group, Outcome { expected: 0.0, actual: sum(&days) });
                    }
                }
            }
        }
        outcomes
    }
}

impl Book<'_> {
    /// What each key cost on each day of `period`, of the leaves that tell anything of a span.
    pub(super) fn history<K: Ord>(
        &self,
        place: usize,
        period: Period,
        keys: impl Fn(&Leaf, &[f64], Span) -> Vec<(K, Vec<f64>)>,
    ) -> BTreeMap<K, Vec<f64>> {
        let mut history: BTreeMap<K, Vec<f64>> = BTreeMap::new();
        for leaf in self.leaves.leaves.iter().filter(|leaf| self.is_told(leaf, self.spans[place])) {
            let cost = |day: NaiveDate| leaf.series.index(day).map_or(0.0, |at| leaf.series.values[at]);
            let costs: Vec<f64> = period.iter().map(cost).collect();
            for (key, days) in keys(leaf, &costs, Span { period, known: period.end }) {
                let sum = history.entry(key).or_insert_with(|| vec![0.0; period.days()]);
                sum.iter_mut().zip(days).for_each(|(sum, cost)| *sum += cost);
            }
        }
        history
    }
}

/// The newest month of which every day is known.
pub(super) fn last_whole_month(known: NaiveDate) -> Period {
    let next = known + Days::new(1);
    Granularity::Monthly.period_of(first_of_month(next) - Months::new(1))
}
