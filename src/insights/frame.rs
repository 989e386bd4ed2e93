//! The time frame and the bills that a question is about: what is read, how new it is, and what a reader should know of that.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate};

use super::{
    Question,
    answer::Header,
    bills::{Bill, bills},
    warning::{BillEnd, BillSource, ConvertedCurrency, SourcePeriod, Warning},
};
use crate::{
    analysis::calendar::settled_through,
    error::{Code, Error, Result, nearest},
    model::{Dimension, Filter, Granularity, Period, first_of_month},
    store::{
        Facts,
        currency::Conversion,
        holdings::{Holding, Payer},
        queries::Selection,
        segments::Segment,
    },
};

/// A bill whose data ended so many days before the days asked for is not missed.
const FORGOTTEN_DAYS: u64 = 45;
/// What is longer is no hole.
const LONGEST_HOLE: usize = 400;
/// A bill that ended so many days ago did not stop coming just now.
const NEWS_DAYS: u64 = 90;

/// The time frame that the data allows.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// The day asked for, or the newest day of the data when that is older.
    pub as_of: NaiveDate,
    /// By how many days the newest data is older than the day asked for.
    pub data_age_days: i64,
    pub settled_through: NaiveDate,
    /// What the question's filters leave.
    bills: Vec<Bill>,
    /// What comes together, by place in `bills`.
    pub(super) deliveries: Vec<Delivery>,
    /// The days of all bills.
    days: BTreeSet<NaiveDate>,
}

/// Bills that come in the same files: a day that one of them has is a day of all.
#[derive(Clone, Debug)]
pub(super) struct Delivery {
    /// What it is called in a note.
    pub name: String,
    pub payers: Vec<Payer>,
    pub days: BTreeSet<NaiveDate>,
    /// The newest day with usage, and the newest settled one.
    pub newest: NaiveDate,
    pub settled_through: NaiveDate,
}

/// Whether a bill still comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Freshness {
    pub payer: String,
    pub name: String,
    pub newest: NaiveDate,
    pub is_stale: bool,
}

impl Delivery {
    /// The payer that it is known by.
    fn payer(&self) -> String {
        let first = self.payers.iter().min();
        first.map_or(String::new(), |payer| payer.provider.clone().unwrap_or_else(|| payer.id.clone()))
    }

    /// The days without costs between any two of its last [`NEWS_DAYS`] days: a bill may have a line a month.
    fn longest_gap(&self) -> i64 {
        let recent: Vec<&NaiveDate> = self
            .days
            .range(..=self.newest)
            .rev()
            .take_while(|day| **day + Days::new(NEWS_DAYS) >= self.newest)
            .collect();
        recent.windows(2).map(|pair| (*pair[0] - *pair[1]).num_days() - 1).max().unwrap_or(0)
    }
}

impl Frame {
    /// Reads what there is.
    ///
    /// # Errors
    /// When there is nothing, or not of the source asked for.
    pub(crate) fn new(facts: &dyn Facts, question: &Question) -> Result<Self> {
        let mut holdings = facts.holdings()?;
        if holdings.is_empty() {
            return Err(Error::input("the database holds no costs")
                .with_code(Code::NoData)
                .hint("ingest a bill: `aws-cost-anomalies ingest PATH`"));
        }
        if let Some(source) = question.source {
            let names: BTreeSet<String> = holdings.iter().map(|holding| holding.data_source.clone()).collect();
            holdings.retain(|holding| holding.data_source == source);
            if holdings.is_empty() {
                let names: Vec<String> = names.into_iter().collect();
                let error = Error::input(format!("there is no data source `{source}`")).with_code(Code::NotFound);
                let near =
                    nearest(source, names.iter().map(String::as_str)).map(|near| format!("did you mean `{near}`? "));
                return Err(error.hint(format!("{}there are: {}", near.unwrap_or_default(), names.join(", "))));
            }
        }
        let sources: BTreeSet<&str> = holdings.iter().map(|holding| holding.data_source.as_str()).collect();
        // With one source there is nothing to choose.
        let accounts = if sources.len() > 1 { facts.account_costs()? } else { Vec::new() };
        let mut bills = bills(&holdings, &accounts, question.as_of, question.settle_days);
        let together = if bills.len() > 1 { facts.loaded_together()? } else { Vec::new() };
        let mut deliveries = deliveries(&bills, &together, question);
        let kept = asked_for(&holdings, question.filters);
        let is_asked = |bill: &Bill| bill.payers.iter().any(|payer| kept.contains(payer));
        bills.retain(is_asked);
        deliveries.retain(|delivery| delivery.payers.iter().any(|payer| kept.contains(payer)));
        let days: BTreeSet<NaiveDate> = bills.iter().flat_map(|bill| bill.days.iter().copied()).collect();
        let begun = |day: &NaiveDate| *day <= question.as_of;
        let all = || deliveries.iter().map(|delivery| delivery.newest);
        // A bill that begins later than today does not say how new the data is.
        let newest =
            all().filter(begun).max().or(all().max()).ok_or_else(|| Error::bug("data sources without days"))?;
        Ok(Self {
            as_of: question.as_of.min(newest),
            data_age_days: (question.as_of - newest).num_days().max(0),
            settled_through: settled_through(question.as_of, question.settle_days, newest),
            bills,
            deliveries,
            days,
        })
    }

    /// What is read of `period`: of each bill one data source for each month.
    pub(crate) fn segments(&self, period: Period) -> Vec<Segment> {
        self.segments_where(period, |_| true)
    }

    /// The same of the bills of some payers only.
    pub(crate) fn segments_where(&self, period: Period, is_wanted: impl Fn(&Payer) -> bool) -> Vec<Segment> {
        /// The payers of a source's month that are read, and whether it has others.
        #[derive(Default, PartialEq)]
        struct Month<'a> {
            read: BTreeSet<&'a Payer>,
            others: bool,
        }
        let whole = Period { start: first_of_month(period.start), end: period.end };
        let mut sources: BTreeMap<&str, BTreeMap<NaiveDate, Month>> = BTreeMap::new();
        for bill in &self.bills {
            let is_wanted = bill.payers.iter().any(&is_wanted);
            for (source, payers) in &bill.held {
                for (payer, months) in payers {
                    for month in months.range(whole.start..=whole.end) {
                        let place = sources.entry(source).or_default().entry(*month).or_default();
                        match is_wanted && bill.read.get(month) == Some(source) {
                            true => _ = place.read.insert(payer),
                            false => place.others = true,
                        }
                    }
                }
            }
        }
        let mut segments: Vec<Segment> = Vec::new();
        for (source, months) in sources {
            let mut before: Option<Month> = None;
            for (month, now) in months {
                if now.read.is_empty() {
                    before = None;
                    continue;
                }
                let end = Granularity::Monthly.period_of(month).end.min(period.end);
                let is_same = before
                    .as_ref()
                    .is_some_and(|before| before.others == now.others && (!now.others || before.read == now.read));
                match segments.last_mut().filter(|_| is_same) {
                    Some(last) => last.period.end = end,
                    None => segments.push(Segment {
                        data_source: source.to_owned(),
                        payers: now.others.then(|| now.read.iter().map(|payer| (*payer).clone()).collect()),
                        period: Period { start: month.max(period.start), end },
                    }),
                }
                before = Some(now);
            }
        }
        segments.sort_by(|a, b| (a.period, &a.data_source).cmp(&(b.period, &b.data_source)));
        segments
    }

    /// The segments of `span` that some of `periods` need.
    pub(crate) fn segments_of(&self, span: Period, periods: &[Period]) -> Vec<Segment> {
        let mut segments = self.segments(span);
        let overlap = |a: Period, b: &Period| a.start <= b.end && b.start <= a.end;
        segments.retain(|segment| periods.iter().any(|period| overlap(segment.period, period)));
        segments
    }

    /// The newest settled day of each bill that is still delivered, by its payer. Bills that come together are one.
    pub(crate) fn ends(&self) -> Vec<(String, NaiveDate)> {
        let is_expected = |delivery: &&Delivery| delivery.newest + Days::new(FORGOTTEN_DAYS) >= self.settled_through;
        let end = |delivery: &Delivery| (delivery.payer(), delivery.settled_through.min(self.settled_through));
        self.deliveries.iter().filter(is_expected).map(end).collect()
    }

    /// Which bills have stopped coming, where there are several: those without a day for `stale_days` beyond their longest gap. What
    /// ended long ago is no news.
    pub(crate) fn freshness(&self, today: NaiveDate, stale_days: u32) -> Vec<Freshness> {
        if self.deliveries.len() < 2 {
            return Vec::new();
        }
        let expected = self.deliveries.iter().filter(|delivery| delivery.newest + Days::new(NEWS_DAYS) >= today);
        let freshness = |delivery: &Delivery| Freshness {
            payer: delivery.payer(),
            name: delivery.name.clone(),
            newest: delivery.newest,
            is_stale: (today - delivery.newest).num_days() > i64::from(stale_days) + delivery.longest_gap(),
        };
        expected.map(freshness).collect()
    }

    /// The currencies of all bills.
    pub(super) fn currencies(&self) -> BTreeSet<&str> {
        self.bills.iter().flat_map(|bill| &bill.currencies).map(String::as_str).collect()
    }

    /// The currencies of what a question is about that are judged by themselves: those with costs in `period` or shortly before it, where there are
    /// several in all history. None where there is one.
    ///
    /// # Errors
    /// When a filter's key does not exist.
    pub(super) fn currencies_apart(
        &self,
        facts: &dyn Facts,
        question: &Question,
        period: Period,
    ) -> Result<Vec<String>> {
        let in_days = |period: Period| {
            let segments = self.segments(period);
            facts.currencies(&Selection { segments: &segments, metric: question.metric, filters: question.filters })
        };
        let first = self.first_day().unwrap_or(period.start).min(period.start);
        let all = in_days(Period { start: first, ..period })?;
        if all.len() < 2 {
            return Ok(Vec::new());
        }
        let recent = in_days(Period { start: period.start - Days::new(FORGOTTEN_DAYS), ..period })?;
        Ok(if recent.is_empty() { all } else { recent })
    }

    /// Whether the days of two sides are of other data sources in any bill, which name usage differently.
    pub(super) fn sources_differ(&self, sides: [&[NaiveDate]; 2]) -> bool {
        let [before, after] = sides.map(|days| days.iter().map(|day| first_of_month(*day)).collect::<BTreeSet<_>>());
        self.bills.iter().any(|bill| {
            let read = |months: &BTreeSet<NaiveDate>| -> BTreeSet<&String> {
                months.iter().filter_map(|month| bill.read.get(month)).collect()
            };
            let (before, after) = (read(&before), read(&after));
            !before.is_empty() && !after.is_empty() && before != after
        })
    }

    /// Whether any bill has the day.
    pub(crate) fn has_day(&self, day: NaiveDate) -> bool {
        self.days.contains(&day)
    }

    /// The first day of any data.
    pub(crate) fn first_day(&self) -> Option<NaiveDate> {
        self.days.first().copied()
    }

    /// The days of `period` that no bill has.
    pub(crate) fn missing(&self, period: Period) -> BTreeSet<NaiveDate> {
        missing(&self.days, period)
    }

    /// The header of an answer about `periods`, read from `segments`.
    ///
    /// # Errors
    /// When a filter's key does not exist.
    pub(super) fn header(
        &self,
        facts: &dyn Facts,
        question: &Question,
        segments: &[Segment],
        periods: &[Period],
    ) -> Result<Header> {
        let mut warnings = self.warnings(question, segments, periods);
        warnings.extend(self.conversions(facts, question, segments)?);
        Ok(Header {
            data_through: Some(self.as_of),
            settled_through: Some(self.settled_through),
            sources: source_names(segments),
            metric: Some(question.metric),
            warnings,
            ..Header::of(question.as_of)
        })
    }

    /// Which currencies are shown in another one, and which should be and are not.
    ///
    /// # Errors
    /// When a filter's key does not exist.
    pub(super) fn conversions(
        &self,
        facts: &dyn Facts,
        question: &Question,
        segments: &[Segment],
    ) -> Result<Vec<Warning>> {
        let all = facts.conversions(&Selection { segments, metric: question.metric, filters: question.filters })?;
        let (done, lacking): (Vec<Conversion>, Vec<Conversion>) = all.into_iter().partition(|one| one.rates.is_some());
        let target = |list: &[Conversion]| list.first().map(|one| one.target.clone());
        let converted = target(&done).map(|target| Warning::Converted {
            target,
            currencies: done.into_iter().filter_map(ConvertedCurrency::of).collect(),
        });
        let not = target(&lacking).map(|target| Warning::NotConverted {
            target,
            currencies: lacking.into_iter().map(|one| one.currency).collect(),
        });
        Ok(converted.into_iter().chain(not).collect())
    }

    /// What a reader should know before trusting the figures of `periods`.
    fn warnings(&self, question: &Question, segments: &[Segment], periods: &[Period]) -> Vec<Warning> {
        let mut warnings = Vec::new();
        if self.data_age_days > 0 {
            warnings.push(Warning::DataIsOld {
                data_through: self.as_of,
                as_of: question.as_of,
                days: self.data_age_days,
            });
        }
        let is_read = |month: NaiveDate| {
            let whole = Granularity::Monthly.period_of(month);
            periods.iter().any(|period| whole.start <= period.end && period.start <= whole.end)
        };
        match self.bills.as_slice() {
            [bill] => warnings.extend(one_bill(bill, segments)),
            bills => warnings.extend(several(bills, &is_read)),
        }
        warnings.extend(self.bills.iter().flat_map(|bill| not_counted(bill, &is_read)));
        warnings.extend(self.late(periods));
        warnings
    }

    /// Bills that end before the others, in the days that `periods` are of.
    fn late(&self, periods: &[Period]) -> Option<Warning> {
        let start = periods.iter().map(|period| period.start).min()?;
        let end = periods.iter().map(|period| period.end).max()?.min(self.settled_through);
        let is_late =
            |delivery: &&Delivery| delivery.newest < end && delivery.newest + Days::new(FORGOTTEN_DAYS) >= start;
        let late = self.deliveries.iter().filter(is_late);
        let bills: Vec<BillEnd> =
            late.map(|delivery| BillEnd { bill: delivery.name.clone(), data_through: delivery.newest }).collect();
        (!bills.is_empty()).then_some(Warning::BillsEnd { bills })
    }
}

/// The days of `period` that are not among `days`.
pub(super) fn missing(days: &BTreeSet<NaiveDate>, period: Period) -> BTreeSet<NaiveDate> {
    period.iter().filter(|day| !days.contains(day)).collect()
}

/// The holes between `days` up to `end`. What lies years apart is no hole: series begin anew behind it.
pub(super) fn holes(days: &BTreeSet<NaiveDate>, end: NaiveDate) -> BTreeSet<NaiveDate> {
    let known: Vec<NaiveDate> = days.range(..=end).copied().collect();
    let pairs = known.windows(2).map(|pair| Period { start: pair[0] + Days::new(1), end: pair[1] - Days::new(1) });
    let last = known.last().map(|last| Period { start: *last + Days::new(1), end });
    pairs.chain(last).filter(|hole| hole.days() <= LONGEST_HOLE).flat_map(Period::iter).collect()
}

/// The sources of `segments` by name, in order.
pub(super) fn source_names(segments: &[Segment]) -> Vec<String> {
    let names: BTreeSet<&str> = segments.iter().map(|segment| segment.data_source.as_str()).collect();
    owned(names)
}

fn owned<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    names.into_iter().map(str::to_owned).collect()
}

/// Where the costs of the only bill come from, when that was chosen.
fn one_bill(bill: &Bill, segments: &[Segment]) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let read: BTreeSet<&str> = segments.iter().map(|segment| segment.data_source.as_str()).collect();
    let others: Vec<&str> = bill.held.keys().map(String::as_str).filter(|name| !read.contains(name)).collect();
    if read.len() > 1 {
        let part = |segment: &Segment| SourcePeriod { source: segment.data_source.clone(), period: segment.period };
        warnings.push(Warning::SourcesByPeriod { parts: segments.iter().map(part).collect() });
    }
    if !others.is_empty() && !read.is_empty() {
        warnings.push(Warning::OtherSources { read: owned(read), others: owned(others) });
    }
    warnings
}

/// Where the costs of several bills come from: by provider and source; by payer only where one of a provider is read from
/// another source than the rest.
fn several(bills: &[Bill], is_read: &dyn Fn(NaiveDate) -> bool) -> Option<Warning> {
    let mut kinds: BTreeMap<(String, Vec<&str>), Vec<&str>> = BTreeMap::new();
    let (mut used, mut held) = (BTreeSet::new(), BTreeSet::new());
    for bill in bills {
        let mut sources: Vec<&str> =
            bill.read.iter().filter(|(month, _)| is_read(**month)).map(|(_, source)| source.as_str()).collect();
        sources.dedup();
        used.extend(sources.iter().copied());
        held.extend(bill.held.keys().map(String::as_str));
        if !sources.is_empty() {
            kinds.entry((bill.provider(), sources)).or_default().push(bill.payer());
        }
    }
    // Where nothing is read there is nothing to add up.
    if held.len() < 2 || used.is_empty() {
        return None;
    }
    let mut of_provider: BTreeMap<String, usize> = BTreeMap::new();
    kinds.keys().for_each(|(provider, _)| *of_provider.entry(provider.clone()).or_default() += 1);
    let added = kinds.into_iter().map(|((provider, sources), payers)| BillSource {
        payer: match payers[..] {
            [one] if of_provider[&provider] > 1 && !one.is_empty() => Some(one.to_owned()),
            _ => None,
        },
        provider,
        payers: payers.len(),
        sources: owned(sources),
    });
    let others = held.into_iter().filter(|source| !used.contains(source));
    Some(Warning::BillsAdded { bills: added.collect(), others: owned(others) })
}

/// What of a bill is not counted because another source has it, once for each pair of sources.
fn not_counted(bill: &Bill, is_read: &dyn Fn(NaiveDate) -> bool) -> Vec<Warning> {
    /// The months, the most accounts, the days and the money.
    type Sum = (BTreeSet<NaiveDate>, usize, usize, f64);
    let mut pairs: BTreeMap<(&str, &str), Sum> = BTreeMap::new();
    for one in bill.excluded.iter().filter(|one| is_read(one.month)) {
        let sum = pairs.entry((&one.read, &one.other)).or_default();
        sum.0.insert(one.month);
        sum.1 = sum.1.max(one.accounts);
        sum.2 += one.days;
        sum.3 += one.dollars;
    }
    let warning = |((read, other), (months, accounts, days, amount)): ((&str, &str), Sum)| Warning::NotCounted {
        provider: bill.provider(),
        months: months.into_iter().collect(),
        accounts,
        days,
        amount,
        currency: bill.currencies.first().filter(|_| bill.currencies.len() == 1).cloned(),
        read: read.to_owned(),
        other: other.to_owned(),
    };
    pairs.into_iter().map(warning).collect()
}

/// The payers that a question's filters leave; all when they leave none, which is for the answer to say.
fn asked_for(holdings: &[Holding], filters: &[Filter]) -> BTreeSet<Payer> {
    let fits = |dimension: Dimension, value: &str| {
        let own = filters.iter().filter(|filter| filter.dimension == dimension);
        let (not, only): (Vec<&Filter>, Vec<&Filter>) = own.partition(|filter| filter.negated);
        !not.iter().any(|filter| filter.value == value)
            && (only.is_empty() || only.iter().any(|filter| filter.value == value))
    };
    let kept: BTreeSet<Payer> = holdings
        .iter()
        .filter(|holding| {
            fits(Dimension::Provider, &holding.provider)
                && fits(Dimension::Payer, &holding.payer.id)
                && fits(Dimension::Currency, &holding.currency)
        })
        .map(|holding| holding.payer.clone())
        .collect();
    if kept.is_empty() { holdings.iter().map(|holding| holding.payer.clone()).collect() } else { kept }
}

/// Bills that were loaded together are one delivery.
fn deliveries(bills: &[Bill], together: &[(Payer, String)], question: &Question) -> Vec<Delivery> {
    let mut of_payer: BTreeMap<&Payer, usize> = BTreeMap::new();
    for (index, bill) in bills.iter().enumerate() {
        of_payer.extend(bill.payers.iter().map(|payer| (payer, index)));
    }
    let mut group: Vec<usize> = (0..bills.len()).collect();
    let mut first_of: BTreeMap<&str, usize> = BTreeMap::new();
    for (payer, load) in together {
        let Some(bill) = of_payer.get(payer) else { continue };
        let first = *first_of.entry(load).or_insert(*bill);
        let (from, to) = (group[*bill].max(group[first]), group[*bill].min(group[first]));
        if from != to {
            group.iter_mut().filter(|group| **group == from).for_each(|group| *group = to);
        }
    }
    let mut members: BTreeMap<usize, Vec<&Bill>> = BTreeMap::new();
    for (bill, group) in bills.iter().zip(group) {
        members.entry(group).or_default().push(bill);
    }
    let mut providers: BTreeMap<String, usize> = BTreeMap::new();
    members.values().for_each(|bills| *providers.entry(bills[0].provider()).or_default() += 1);
    let delivery = |bills: Vec<&Bill>| {
        let newest = bills.iter().map(|bill| bill.newest);
        // A bill that begins later than today says nothing of the others.
        let newest = newest.clone().filter(|day| *day <= question.as_of).max().or(newest.max())?;
        let provider = bills[0].provider();
        let name = match (bills.len(), providers.get(&provider)) {
            (1, Some(1)) => provider,
            (1, _) => format!("{provider} {}", bills[0].payer()),
            (count, _) => format!("{provider} and {} more", count - 1),
        };
        Some(Delivery {
            name,
            payers: bills.iter().flat_map(|bill| bill.payers.iter().cloned()).collect(),
            days: bills.iter().flat_map(|bill| bill.days.iter().copied()).collect(),
            newest,
            settled_through: settled_through(question.as_of, question.settle_days, newest),
        })
    };
    members.into_values().filter_map(delivery).collect()
}
