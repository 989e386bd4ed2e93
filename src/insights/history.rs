//! The series of a question, the days to judge in them, and what of them is read.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate};

use super::{
    Frame, Question,
    answer::Header,
    check_filters,
    coverage::{Class, Covered, classes},
    group_finding::Window,
    request::Request,
    single_currency,
    warning::{IncompleteDay, Warning},
};
use crate::{
    analysis::detection::{
        self, BillDays, Judged, Parameters,
        prefilter::{self, Prefiltered},
    },
    error::{Code, Error, Result},
    model::{Dimension, GroupBy, Period, Series, State},
    store::{Facts, holdings::Payer, ledger::Incident, queries::Selection, segments::Segment, series::Extent},
};

/// The series of a question and the days to judge in them.
pub(super) struct History {
    pub frame: Frame,
    pub judged: Period,
    /// The first day of any data.
    pub first_day: NaiveDate,
    pub segments: Vec<Segment>,
    /// Of an answer about these days.
    pub header: Header,
    pub classes: Vec<Class>,
    pub covered: Covered,
    /// For each series a number that series of its account share.
    pub accounts: Vec<usize>,
    /// All series, when `covered` are only those that the prefilter did not clear.
    recent: Option<Recent>,
}

/// The last weeks of every series, and of their days those that say nothing.
struct Recent {
    covered: Covered,
    incomplete: Vec<Vec<bool>>,
}

/// With more series-days, the prefilter decides which series are judged.
const MANY: usize = 2_000_000;
/// Days that end so shortly before the newest settled one are what is newest: a run judges what was settled when bills came.
const NEWEST_DAYS: u64 = 7;
/// Days before the newest of which the last weeks tell whether an account's bill is whole.
const INCOMPLETE_SPAN: u64 = 28;

impl History {
    /// All history of all series.
    pub(super) fn read(facts: &dyn Facts, request: &Request) -> Result<Self> {
        let frame = Frame::new(facts, &request.question)?;
        Self::open(facts, request, &frame)?.with_series(facts, request, Extent::All)
    }

    /// What judging the newest day takes. Of very many series that is all history of those whose day the prefilter
    /// does not clear, and of those that `known` incidents are open of. Everything is
    /// read when many series may have moved together: that shows in all of them only.
    pub(super) fn newest(facts: &dyn Facts, request: &Request, frame: &Frame, known: &[Incident]) -> Result<Self> {
        let data = Self::open(facts, request, frame)?;
        let (judged, parameters) = (data.judged, &request.parameters);
        let whole = Period { start: data.first_day, end: judged.end };
        if judged.days() > 1 || whole.days() <= 2 * prefilter::SPAN || !prefilter::can_tell(parameters) {
            return data.with_series(facts, request, Extent::All);
        }
        let start = judged.end - Days::new(prefilter::SPAN as u64 - 1);
        let covered = data.covered(facts, request, Extent::Since(start))?;
        if covered.series.len() * whole.days() <= MANY {
            return data.with_series(facts, request, Extent::All);
        }
        let accounts = account_numbers(&request.group_by, &covered.series);
        let span = Period { start: judged.end - Days::new(INCOMPLETE_SPAN), end: judged.end };
        let incomplete =
            detection::incomplete_days(&covered.series, &accounts, &covered.bills(), span, parameters.tuning.late_days);
        let Prefiltered { candidates, together } = prefiltered(&covered, &incomplete, judged.end, parameters);
        let open = known.iter().filter(|incident| incident.state == State::Open);
        if together || open.clone().any(|incident| incident.group_values.is_empty()) {
            return data.with_series(facts, request, Extent::All);
        }
        let mut groups: BTreeSet<&Vec<String>> = open.map(|incident| &incident.group_values).collect();
        let candidates = covered.series.iter().zip(&candidates).filter(|(_, is_candidate)| **is_candidate);
        groups.extend(candidates.map(|(one, _)| &one.group));
        let groups: Vec<Vec<String>> = groups.into_iter().cloned().collect();
        let mut data = data.with_series(facts, request, Extent::Groups(&groups))?;
        let (judged, series) = (data.covered.series.len(), covered.series.len());
        data.header.warnings.push(Warning::JudgedInPart { judged, series });
        data.recent = Some(Recent { covered, incomplete });
        Ok(data)
    }

    /// All but the series.
    fn open(facts: &dyn Facts, request: &Request, frame: &Frame) -> Result<Self> {
        let question = &request.question;
        let end = request.to.unwrap_or(frame.settled_through).min(frame.settled_through);
        let start = request.from.unwrap_or(end);
        if start > end {
            return Err(match (request.from, request.to) {
                (Some(from), Some(to)) if from > to => {
                    Error::usage(format!("the range ends before it starts: {from} to {to}"))
                        .hint("`--from` is the first day, `--to` the last")
                }
                _ => Error::input(format!("no day from {start} on is settled"))
                    .hint(format!("the newest settled day is {}", frame.settled_through)),
            });
        }
        let judged = Period { start, end };
        let Some(first_day) = frame.first_day().filter(|first| *first <= end) else {
            return Err(Error::input(format!("there is no data up to {end}, the newest settled day"))
                .with_code(Code::NoData)
                .hint("ingest more days, or name a later day with `--as-of`"));
        };
        // All history: a verdict must not depend on which days are asked for.
        let read = Period { start: first_day.min(start), end };
        let segments = frame.segments(read);
        let selection = Selection { segments: &segments, metric: question.metric, filters: question.filters };
        let currency = Some(single_currency(facts, &selection)?);
        let mut header = Header { currency, ..frame.header(facts, question, &segments, &[judged])? };
        let warnings = &mut header.warnings;
        warnings.extend(little_history(frame, judged));
        if let Some(asked_through) = request.to.filter(|to| *to > end) {
            warnings.push(Warning::NotSettled { settled_through: end, asked_through });
        }
        warnings.extend(missing_days(&[], &frame.missing(Period { start: first_day.max(judged.start), end }), judged));
        let classes = classes(frame, end);
        for class in classes.iter().filter(|class| classes.len() > 1 && class.is_daily()) {
            let own: BTreeSet<NaiveDate> = class.missing.iter().copied().filter(|day| frame.has_day(*day)).collect();
            warnings.extend(missing_days(&class.names, &own, judged));
        }
        let (covered, accounts) = (Covered::default(), Vec::new());
        let frame = frame.clone();
        Ok(Self { frame, judged, first_day, segments, header, classes, covered, accounts, recent: None })
    }

    fn covered(&self, facts: &dyn Facts, request: &Request, extent: Extent) -> Result<Covered> {
        let Question { metric, filters, .. } = request.question;
        let selection = Selection { segments: &self.segments, metric, filters };
        let payers: Vec<Vec<Payer>> = self.classes.iter().map(|class| class.payers.clone()).collect();
        let (dimensions, end) = (&request.group_by.0, self.judged.end);
        let parts = facts.daily_series(&selection, dimensions, request.include, end, extent, &payers)?;
        Ok(Covered::new(parts, &self.classes))
    }

    fn with_series(mut self, facts: &dyn Facts, request: &Request, extent: Extent) -> Result<Self> {
        self.covered = self.covered(facts, request, extent)?;
        if self.covered.series.is_empty() {
            let Question { metric, filters, .. } = request.question;
            check_filters(facts, &Selection { segments: &self.segments, metric, filters })?;
        }
        self.accounts = account_numbers(&request.group_by, &self.covered.series);
        if request.group_by.0.is_empty() {
            self.narrow();
        }
        Ok(self)
    }

    /// Leaves the bills that the only series is made of, so that whatever else is asked of it is asked of the same.
    fn narrow(&mut self) {
        let Some(coverage) = self.covered.coverages.first().filter(|_| !self.covered.excluded.is_empty()) else {
            return;
        };
        let payers: BTreeSet<&Payer> = coverage.classes.iter().flat_map(|place| &self.classes[*place].payers).collect();
        let names: Vec<String> =
            self.covered.excluded.iter().flat_map(|place| self.classes[*place].names.clone()).collect();
        self.header.warnings.push(Warning::TotalWithout { bills: names });
        let start = self.first_day.min(self.judged.start);
        self.segments =
            self.frame.segments_where(Period { start, end: self.judged.end }, |payer| payers.contains(payer));
    }

    /// The days whose findings are news: those asked for, and of a bill that ends before them its newest ones.
    pub(super) fn window(&self) -> Window {
        let is_newest = self.judged.end + Days::new(NEWEST_DAYS) >= self.frame.settled_through;
        Window { judged: self.judged, is_newest }
    }

    /// All series, judged in full or not, and of their days those that say nothing.
    pub(super) fn all<'a>(&'a self, judged: &'a Judged) -> (&'a Covered, &'a [Vec<bool>]) {
        match &self.recent {
            Some(recent) => (&recent.covered, &recent.incomplete),
            None => (&self.covered, &judged.incomplete),
        }
    }

    /// How many series there are, judged in full or not.
    pub(super) fn count(&self) -> usize {
        self.recent.as_ref().map_or(self.covered.series.len(), |recent| recent.covered.series.len())
    }

    /// The groups that are judged in full, when not all are.
    pub(super) fn groups(&self) -> Option<BTreeSet<&[String]>> {
        self.recent.as_ref().map(|_| self.covered.series.iter().map(|one| one.group.as_slice()).collect())
    }

    pub(super) fn judge(&self, period: Period, parameters: &Parameters) -> Judged {
        let (start, end) = (period.start.to_string(), period.end.to_string());
        tracing::debug!(series = self.covered.series.len(), of = self.count(), start, end, "judging");
        let (series, bills) = (&self.covered.series, self.covered.bills());
        let Some(recent) = &self.recent else {
            return detection::judge(series, &self.accounts, &bills, period, parameters);
        };
        // What takes all series to tell is known from their last weeks: which days say nothing, and that nothing is shared.
        let recent_series = &recent.covered.series;
        let places: BTreeMap<&[String], usize> =
            recent_series.iter().enumerate().map(|(place, one)| (one.group.as_slice(), place)).collect();
        let incomplete_of = |(one, bill): (&Series, &&BillDays)| {
            let is_incomplete = |day: NaiveDate| {
                let place = places.get(one.group.as_slice())?;
                Some(recent.incomplete[*place][recent_series[*place].index(day)?])
            };
            let days = one.start.iter_days().take(one.values.len());
            days.map(|day| bill.missing.contains(&day) || is_incomplete(day) == Some(true)).collect()
        };
        let incomplete: Vec<Vec<bool>> = series.iter().zip(&bills).map(incomplete_of).collect();
        let verdicts = detection::verdicts(series, &incomplete, &bills, parameters);
        Judged { verdicts, shifts: Vec::new(), incomplete }
    }

    /// What the costs are in.
    pub(super) fn currency(&self) -> &str {
        self.header.currency()
    }

    /// Days of the judged ones that say nothing, with how many series are concerned.
    pub(super) fn incomplete_days(&self, judged: &Judged) -> Option<Warning> {
        let (covered, incomplete) = self.all(judged);
        let mut days: BTreeMap<NaiveDate, usize> = BTreeMap::new();
        for (place, (one, incomplete)) in covered.series.iter().zip(incomplete).enumerate() {
            let missing = covered.missing(place);
            let (start, end) = (one.start.max(self.judged.start), self.judged.end);
            for day in (Period { start, end }).iter().filter(|day| !missing.contains(day)) {
                if one.index(day).is_some_and(|index| incomplete[index]) {
                    *days.entry(day).or_default() += 1;
                }
            }
        }
        let days: Vec<IncompleteDay> = days.into_iter().map(|(date, series)| IncompleteDay { date, series }).collect();
        (!days.is_empty()).then_some(Warning::IncompleteDays { days })
    }
}

/// Which of all series are to be judged in full, and whether many may have moved together. It is of the newest day;
/// series that end earlier are always judged.
fn prefiltered(covered: &Covered, incomplete: &[Vec<bool>], end: NaiveDate, parameters: &Parameters) -> Prefiltered {
    let is_current = |place: &usize| covered.coverages[covered.of[*place]].end == end;
    let current: Vec<usize> = (0..covered.series.len()).filter(is_current).collect();
    if current.len() == covered.series.len() {
        let Prefiltered { candidates, together } = prefilter::prefilter(&covered.series, incomplete, parameters);
        return Prefiltered { candidates, together };
    }
    let series: Vec<Series> = current.iter().map(|place| covered.series[*place].clone()).collect();
    let days: Vec<Vec<bool>> = current.iter().map(|place| incomplete[*place].clone()).collect();
    let filtered = prefilter::prefilter(&series, &days, parameters);
    let mut candidates = vec![true; covered.series.len()];
    current.iter().zip(filtered.candidates).for_each(|(place, is_candidate)| candidates[*place] = is_candidate);
    Prefiltered { candidates, ..filtered }
}

/// A number for each account of the groups, the same for all series when they are not grouped by it.
fn account_numbers(group_by: &GroupBy, series: &[Series]) -> Vec<usize> {
    let is_account = |dimension: &Dimension| matches!(dimension, Dimension::Account | Dimension::Payer);
    let Some(position) = group_by.0.iter().position(is_account) else { return vec![0; series.len()] };
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    let number = |one: &'_ Series| one.group.get(position).map_or("", String::as_str).to_owned();
    let names: Vec<String> = series.iter().map(number).collect();
    names
        .iter()
        .map(|name| {
            let next = numbers.len();
            *numbers.entry(name).or_insert(next)
        })
        .collect()
}

/// Quality depends on history: below 45 days more is missed and more is flagged for nothing.
fn little_history(frame: &Frame, judged: Period) -> Option<Warning> {
    let days = (judged.start - frame.first_day()?).num_days();
    (days < 45).then(|| Warning::LittleHistory { days: days.max(0), before: judged.start })
}

/// Days of the judged ones that there is no data of: of all bills, or of those that are named.
fn missing_days(bills: &[String], missing: &BTreeSet<NaiveDate>, judged: Period) -> Option<Warning> {
    let days: Vec<NaiveDate> = missing.iter().copied().filter(|day| judged.contains(*day)).collect();
    (!days.is_empty()).then(|| Warning::MissingDays { bills: bills.to_vec(), days })
}
