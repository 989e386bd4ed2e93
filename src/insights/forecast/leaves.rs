//! The series that a forecast is made of: one for each account, service and charge category of each bill, so that the total does
//! not depend on how it is grouped.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};

use super::request::Request;
use crate::{
    analysis::forecast::Span,
    error::{Code, Error, Result},
    insights::{
        Frame, Question, check_filters,
        coverage::{Class, classes},
        single_currency,
    },
    model::{ChargeCategory, Dimension, Period, Series},
    store::{Facts, holdings::Payer, queries::Selection, segments::Segment, series::Extent},
};

/// What makes a leaf.
const LEAF: [Dimension; 3] = [Dimension::Account, Dimension::Service, Dimension::ChargeCategory];
/// The days before the first day to come that say which share of a leaf each of its groups is.
const SHARE_DAYS: u64 = 28;
/// A bill without newer days for longer does not come any more.
const ENDED_DAYS: u64 = 45;

/// One series of a forecast.
pub(super) struct Leaf {
    /// The bills that it is of, by place in [`Leaves::classes`].
    pub class: usize,
    pub account: String,
    pub service: String,
    pub category: ChargeCategory,
    /// With the days that are not settled.
    pub series: Series,
    /// Days that its bills do not have.
    pub skipped: Vec<bool>,
    /// What of it each group is.
    pub parts: Vec<Part>,
}

/// The part of a leaf that is in a group.
pub(super) struct Part {
    /// By place in [`Leaves::groups`].
    pub group: usize,
    /// None where it is the whole leaf.
    series: Option<Series>,
}

/// All series of a question.
pub(super) struct Leaves {
    pub leaves: Vec<Leaf>,
    /// The values of each group.
    pub groups: Vec<Vec<String>>,
    pub classes: Vec<Class>,
    pub segments: Vec<Segment>,
    pub currency: String,
    /// The first day of any data.
    pub first_day: NaiveDate,
    is_one_account: bool,
}

impl Leaves {
    /// # Errors
    /// When no day is settled, the data is of several currencies, or a filter or key names what is not there.
    pub(super) fn read(facts: &dyn Facts, frame: &Frame, request: &Request) -> Result<Self> {
        let Question { metric, filters, .. } = request.question;
        let first_day = frame.first_day().unwrap_or(frame.as_of);
        let segments = frame.segments(Period { start: first_day, end: frame.as_of });
        let selection = Selection { segments: &segments, metric, filters };
        let currency = single_currency(facts, &selection)?;
        let classes = classes(frame, frame.settled_through);
        if classes.is_empty() {
            return Err(Error::input("no day of the data is settled yet")
                .with_code(Code::NoData)
                .hint(format!("the newest day is {}; ask again when later days have come", frame.as_of)));
        }
        let payers: Vec<Vec<Payer>> = classes.iter().map(|class| class.payers.clone()).collect();
        let others = request.group_by.0.iter().filter(|dimension| !LEAF.contains(dimension));
        let dimensions: Vec<Dimension> = LEAF.iter().chain(others).cloned().collect();
        let series = facts.daily_series(&selection, &dimensions, request.include, frame.as_of, Extent::All, &payers)?;
        if series.is_empty() {
            check_filters(facts, &selection)?;
        }
        let places: Vec<usize> =
            request.group_by.0.iter().filter_map(|one| dimensions.iter().position(|d| d == one)).collect();
        let (leaves, groups) = gathered(series, &places, dimensions.len() == LEAF.len(), &classes);
        let is_one_account = leaves.windows(2).all(|pair| pair[0].account == pair[1].account);
        Ok(Self { leaves, groups, classes, segments, currency, first_day, is_one_account })
    }

    /// What part of the estate a leaf is in: its account, or its service where there is one account.
    pub(super) fn part_of_estate<'a>(&self, leaf: &'a Leaf) -> &'a str {
        if self.is_one_account { &leaf.service } else { &leaf.account }
    }

    /// The last day of a class that is known.
    pub(super) fn known(&self, class: usize) -> NaiveDate {
        self.classes[class].end
    }

    /// Whether a class has ended: nothing of it is to come.
    pub(super) fn has_ended(&self, class: usize, settled_through: NaiveDate) -> bool {
        self.known(class) + Days::new(ENDED_DAYS) < settled_through
    }
}

/// Leaves of the parts that were read, with the groups that these are in. A part's values are those of [`LEAF`] and of the group's
/// other dimensions; `places` says which of them are the group's.
fn gathered(
    series: Vec<(usize, Series)>,
    places: &[usize],
    whole: bool,
    classes: &[Class],
) -> (Vec<Leaf>, Vec<Vec<String>>) {
    let mut groups: BTreeMap<Vec<String>, usize> = BTreeMap::new();
    /// A class and the names of a leaf, and the group and the series of each of its parts.
    type Parts = BTreeMap<(usize, Vec<String>), Vec<(Vec<String>, Series)>>;
    let mut of_leaf = Parts::new();
    for (class, one) in series {
        let group: Vec<String> = places.iter().map(|place| one.group[*place].clone()).collect();
        let next = groups.len();
        groups.entry(group.clone()).or_insert(next);
        of_leaf.entry((class, one.group[..LEAF.len()].to_vec())).or_default().push((group, one));
    }
    let leaves = of_leaf.into_iter().map(|((class, names), parts)| {
        let series = sum(parts.iter().map(|(_, series)| series));
        let is_missing = |day: NaiveDate| classes[class].is_daily() && classes[class].missing.contains(&day);
        let skipped = series.start.iter_days().take(series.values.len()).map(is_missing).collect();
        let part = |(group, series)| Part { group: groups[&group], series: Some(series).filter(|_| !whole) };
        let [account, service, category] = [0, 1, 2].map(|place| names[place].clone());
        let category = category.parse().unwrap_or(ChargeCategory::Usage);
        Leaf { class, account, service, category, series, skipped, parts: parts.into_iter().map(part).collect() }
    });
    let leaves = leaves.collect();
    let mut names = vec![Vec::new(); groups.len()];
    groups.into_iter().for_each(|(group, place)| names[place] = group);
    (leaves, names)
}

/// The costs of series added by day.
pub(super) fn sum<'a>(parts: impl Iterator<Item = &'a Series> + Clone) -> Series {
    let start = parts.clone().map(|one| one.start).min().unwrap_or_default();
    let mut whole = Series { group: Vec::new(), start, values: Vec::new() };
    for one in parts {
        let offset = (one.start - start).num_days() as usize;
        whole.values.resize(whole.values.len().max(offset + one.values.len()), 0.0);
        whole.values[offset..].iter_mut().zip(&one.values).for_each(|(sum, cost)| *sum += cost);
    }
    whole
}

/// The cost of a series in a period.
pub(super) fn cost_in(series: &Series, period: Period) -> f64 {
    let index = |day: NaiveDate| (day - series.start).num_days();
    let first = index(period.start).max(0) as usize;
    let end = usize::try_from(index(period.end) + 1).unwrap_or(0).min(series.values.len());
    series.values.get(first..end).unwrap_or_default().iter().sum()
}

impl Leaf {
    /// Whether tax or support, whose bill follows the others'.
    pub(super) fn is_ratio(&self) -> bool {
        let is_support = || {
            let name = self.service.to_lowercase();
            name.starts_with("awssupport") || name.starts_with("aws support") || name == "awsdevelopersupport"
        };
        self.category == ChargeCategory::Tax || is_support()
    }

    /// Whether it is what taxes and support are a share of.
    pub(super) fn is_base(&self) -> bool {
        !self.is_ratio() && self.category != ChargeCategory::Credit
    }

    /// What of the leaf's `costs` of a span each of its parts is: days that are known as they were, days to come by the part's share of the
    /// days before.
    pub(super) fn split(&self, costs: &[f64], span: Span) -> Vec<(usize, Vec<f64>)> {
        let [only] = &self.parts[..] else { return self.split_by_share(costs, span) };
        vec![(only.group, costs.to_vec())]
    }

    fn split_by_share(&self, costs: &[f64], span: Span) -> Vec<(usize, Vec<f64>)> {
        let recent = Period { start: span.known - Days::new(SHARE_DAYS - 1), end: span.known };
        let of = |period: Period| {
            let costs =
                self.parts.iter().map(|part| part.series.as_ref().map_or(0.0, |one| cost_in(one, period).abs()));
            costs.collect::<Vec<f64>>()
        };
        let mut weights = of(recent);
        if weights.iter().sum::<f64>() <= 0.0 {
            weights = of(Period { start: self.series.start, end: span.known });
        }
        let all: f64 = weights.iter().sum();
        let share = |weight: f64| if all > 0.0 { weight / all } else { 1.0 / self.parts.len() as f64 };
        let split = |(part, weight): (&Part, f64)| {
            let day = |(day, cost): (NaiveDate, &f64)| match &part.series {
                Some(own) if day <= span.known && self.has(day) => own.index(day).map_or(0.0, |at| own.values[at]),
                _ => cost * share(weight),
            };
            (part.group, span.period.iter().zip(costs).map(day).collect())
        };
        self.parts.iter().zip(weights).map(split).collect()
    }

    /// What each of its groups cost in a period.
    pub(super) fn cost_by_group(&self, period: Period) -> impl Iterator<Item = (usize, f64)> {
        self.parts.iter().map(move |part| (part.group, cost_in(part.series.as_ref().unwrap_or(&self.series), period)))
    }

    /// Whether there is data of a day that lies in the series or before it.
    pub(super) fn has(&self, day: NaiveDate) -> bool {
        self.series.index(day).is_none_or(|index| !self.skipped[index])
    }
}
