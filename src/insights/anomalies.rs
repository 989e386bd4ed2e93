//! Which costs moved, and whether it matters.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    Frame, Question, SCHEMA_VERSION, check_filters,
    found::{Found, shown},
    group_object,
    incidents::{self, Asked, Ledger, State},
    single_currency, source_names,
};
use crate::{
    analysis::{
        detect::{self, Direction, Judged, Kind, Method, Parameters, Sensitivity, Severity},
        findings, screen,
    },
    error::{Error, Result},
    model::{ChargeCategory, Dimension, GroupBy, Metric, Period, Series},
    store::{
        Store,
        ledger::Incident,
        queries::{Segment, Selection},
        series::Wanted,
    },
};

/// What to judge.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    pub question: Question<'a>,
    pub group_by: GroupBy,
    /// The first and last day to judge; `None` is the newest settled day.
    pub from: Option<NaiveDate>,
    pub to: Option<NaiveDate>,
    pub include: &'a [ChargeCategory],
    pub sensitivity: Option<Sensitivity>,
    pub parameters: Parameters,
}

/// The findings, those with most dollars at stake first.
#[derive(Debug, Serialize)]
pub struct Anomalies {
    pub schema_version: u32,
    pub command: &'static str,
    pub as_of: NaiveDate,
    pub data_age_days: i64,
    pub settled_through: NaiveDate,
    pub source: String,
    pub metric: Metric,
    pub currency: String,
    /// Empty when every level was judged.
    pub group_by: GroupBy,
    /// The levels that were judged, when it was not one grouping.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub levels: Option<Vec<GroupBy>>,
    pub method: Method,
    /// `null` when the threshold comes from the configuration.
    pub sensitivity: Option<Sensitivity>,
    pub threshold: f64,
    pub window_days: usize,
    /// The days that were judged.
    pub judged: Period,
    pub series: usize,
    pub findings: Vec<Finding>,
    pub notes: Vec<String>,
    /// What the ledger is told.
    #[serde(skip)]
    pub ledger: Ledger,
}

/// One finding.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// The same whenever the same is found.
    pub id: String,
    pub kind: Kind,
    pub direction: Direction,
    pub severity: Severity,
    pub date: NaiveDate,
    pub start: NaiveDate,
    pub end: Option<NaiveDate>,
    /// Empty for a move that many groups share.
    pub group: Map<String, Value>,
    pub account_name: Option<String>,
    /// How many groups it is of.
    pub groups: usize,
    pub actual: f64,
    pub expected: f64,
    pub impact: f64,
    pub impact_total: f64,
    pub at_stake: f64,
    pub score: f64,
    pub flagged_days: usize,
    /// Whether the change has lasted and is what is normal now.
    pub accepted: bool,
    pub reasons: Vec<String>,
    /// What at other levels is the same dollars; of a move first where from and where to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<Member>,
}

/// A finding that another one tells.
#[derive(Clone, Debug, Serialize)]
pub struct Member {
    /// Empty for the total, and for a move that many groups share.
    pub group: Map<String, Value>,
    pub account_name: Option<String>,
    pub groups: usize,
    pub kind: Kind,
    pub direction: Direction,
    pub start: NaiveDate,
    pub end: Option<NaiveDate>,
    pub impact: f64,
    pub impact_total: f64,
}

/// One judged day of one series.
#[derive(Debug, Serialize)]
pub struct Score {
    pub date: NaiveDate,
    pub group: Map<String, Value>,
    pub cost: f64,
    pub expected: Option<f64>,
    pub score: Option<f64>,
    pub direction: Option<Direction>,
    pub flagged: bool,
    pub kind: Option<Kind>,
}

/// Every judged day of every series.
#[derive(Debug, Serialize)]
pub struct Scores {
    pub schema_version: u32,
    pub command: &'static str,
    pub as_of: NaiveDate,
    pub data_age_days: i64,
    pub settled_through: NaiveDate,
    pub source: String,
    pub metric: Metric,
    pub currency: String,
    pub group_by: GroupBy,
    pub method: Method,
    pub threshold: f64,
    pub window_days: usize,
    pub scores: Vec<Score>,
    pub notes: Vec<String>,
}

/// Judges the newest settled day, or each day of a range, as if it were the newest.
///
/// # Errors
/// When there is too little data, several currencies, or a filter or key names what is not there.
pub fn anomalies(store: &Store, request: &Request) -> Result<Anomalies> {
    let known = incidents::known(store, request, Asked::Grouping)?;
    let data = Data::newest(store, request, &known)?;
    let names = store.account_names()?;
    let whole = Period { start: data.first_day, end: data.judged.end };
    let judged = data.judge(whole, &request.parameters);
    let every = findings::findings(&data.series, &judged, whole, &request.parameters);
    let every: Vec<Found> = every.into_iter().map(|found| Found::new(found, &request.group_by, &data.series)).collect();
    let groups = data.groups();
    let is_judged =
        |incident: &Incident| groups.as_ref().is_none_or(|groups| groups.contains(&incident.group_values[..]));
    let ledger = Ledger::new(&known, request, Asked::Grouping, &data.currency, data.judged, &every, &is_judged);
    let findings = shown(&every, &ledger, data.judged, &names);
    let mut notes = data.notes.clone();
    let (series, unusable) = data.all(&judged);
    notes.extend(unusable_note(series, unusable, &data.missing, data.judged));
    notes.extend(chance_note(&request.parameters, series.len(), data.judged));
    Ok(Anomalies {
        schema_version: SCHEMA_VERSION,
        command: "anomalies",
        as_of: data.frame.as_of,
        data_age_days: data.frame.data_age_days,
        settled_through: data.frame.settled_through,
        source: source_names(&data.segments),
        metric: request.question.metric,
        currency: data.currency.clone(),
        group_by: request.group_by.clone(),
        levels: None,
        method: request.parameters.method,
        sensitivity: request.sensitivity,
        threshold: request.parameters.threshold,
        window_days: request.parameters.window_days,
        judged: data.judged,
        series: series.len(),
        findings,
        notes,
        ledger,
    })
}

/// One row for every series and judged day, for evaluation from outside.
///
/// # Errors
/// As [`anomalies`].
pub fn scores(store: &Store, request: &Request) -> Result<Scores> {
    let data = Data::read(store, request)?;
    let judged = data.judge(data.judged, &request.parameters);
    let mut scores = Vec::new();
    for day in data.judged.iter() {
        for (series, verdicts) in data.series.iter().zip(&judged.verdicts) {
            let Some(index) = series.index(day) else { continue };
            let verdict = verdicts[index].as_ref();
            scores.push(Score {
                date: day,
                group: group_object(&request.group_by, &series.group),
                cost: series.values[index],
                expected: verdict.map(|verdict| verdict.expected),
                score: verdict.map(|verdict| verdict.score),
                direction: verdict.map(|verdict| Direction::of(verdict.score)),
                flagged: verdict.is_some_and(|verdict| verdict.flagged),
                kind: verdict.map(|verdict| verdict.kind),
            });
        }
    }
    Ok(Scores {
        schema_version: SCHEMA_VERSION,
        command: "anomalies",
        as_of: data.frame.as_of,
        data_age_days: data.frame.data_age_days,
        settled_through: data.frame.settled_through,
        source: source_names(&data.segments),
        metric: request.question.metric,
        currency: data.currency,
        group_by: request.group_by.clone(),
        method: request.parameters.method,
        threshold: request.parameters.threshold,
        window_days: request.parameters.window_days,
        scores,
        notes: data.notes,
    })
}

/// The series of a question and the days to judge in them.
pub(super) struct Data {
    pub frame: Frame,
    pub judged: Period,
    /// The first day of any data.
    pub first_day: NaiveDate,
    /// Days since then that the data does not have.
    pub missing: BTreeSet<NaiveDate>,
    pub segments: Vec<Segment>,
    pub currency: String,
    pub series: Vec<Series>,
    /// For each series a number that series of its account share.
    pub accounts: Vec<usize>,
    pub notes: Vec<String>,
    /// What a first look at all series said, when `series` are only those that it did not clear.
    look: Option<Look>,
}

/// The last weeks of every series, and of their days those that say nothing.
struct Look {
    series: Vec<Series>,
    unusable: Vec<Vec<bool>>,
}

/// With more series-days, a first look decides which series are judged.
const MANY: usize = 2_000_000;
/// Days before the newest of which a first look tells whether an account's bill is whole.
const UNUSABLE_SPAN: u64 = 28;

impl Data {
    /// All history of all series.
    pub fn read(store: &Store, request: &Request) -> Result<Self> {
        Self::open(store, request)?.with_series(store, request, Wanted::All)
    }

    /// What judging the newest day takes. Of very many series that is all history of those whose day a first look at
    /// the last weeks of all does not clear, and of those that `known` incidents are open of. Everything is
    /// read when many series may have moved together: that shows in all of them only.
    pub fn newest(store: &Store, request: &Request, known: &[Incident]) -> Result<Self> {
        let data = Self::open(store, request)?;
        let (judged, parameters) = (data.judged, &request.parameters);
        let whole = Period { start: data.first_day, end: judged.end };
        if judged.days() > 1 || whole.days() <= 2 * screen::SPAN || !screen::can_tell(parameters) {
            return data.with_series(store, request, Wanted::All);
        }
        let start = judged.end - Days::new(screen::SPAN as u64 - 1);
        let selection =
            Selection { segments: &data.segments, metric: request.question.metric, filters: request.question.filters };
        let series =
            store.daily_series(&selection, &request.group_by.0, request.include, judged.end, Wanted::Since(start))?;
        if series.len() * whole.days() <= MANY {
            return data.with_series(store, request, Wanted::All);
        }
        let accounts = account_numbers(&request.group_by, &series);
        let recent = Period { start: judged.end - Days::new(UNUSABLE_SPAN), end: judged.end };
        let unusable = detect::unusable_days(&series, &accounts, &data.missing, recent);
        let screened = screen::screen(&series, &unusable, parameters);
        let open = known.iter().filter(|incident| incident.state == State::Open);
        if screened.common || open.clone().any(|incident| incident.group_values.is_empty()) {
            return data.with_series(store, request, Wanted::All);
        }
        let mut groups: BTreeSet<&Vec<String>> = open.map(|incident| &incident.group_values).collect();
        groups.extend(series.iter().zip(&screened.wanted).filter(|(_, wanted)| **wanted).map(|(one, _)| &one.group));
        let groups: Vec<Vec<String>> = groups.into_iter().cloned().collect();
        let mut data = data.with_series(store, request, Wanted::Groups(&groups))?;
        data.notes.push(format!(
            "{} of {} series are judged in full: the day of the others is as their last eight weeks were",
            data.series.len(),
            series.len()
        ));
        data.look = Some(Look { series, unusable });
        Ok(data)
    }

    /// All but the series.
    fn open(store: &Store, request: &Request) -> Result<Self> {
        let question = &request.question;
        let frame = Frame::new(store, question)?;
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
                .hint("ingest more days, or name a later day with `--as-of`"));
        };
        // All history: a verdict must not depend on which days are asked for.
        let read = Period { start: first_day.min(start), end };
        let segments = frame.segments(read, question.settle_days);
        let selection = Selection { segments: &segments, metric: question.metric, filters: question.filters };
        let currency = single_currency(store, &selection)?;
        let mut notes = frame.notes(question, &segments);
        notes.extend(little_history(&frame, judged));
        if let Some(to) = request.to.filter(|to| *to > end) {
            notes.push(format!("days after {end} are not settled and not judged, though asked for up to {to}"));
        }
        let read = Period { start: first_day, end };
        let missing: BTreeSet<NaiveDate> = read.iter().filter(|day| !frame.has_day(&segments, *day)).collect();
        notes.extend(missing_note(&missing, judged));
        let (series, accounts) = (Vec::new(), Vec::new());
        Ok(Self { frame, judged, first_day, missing, segments, currency, series, accounts, notes, look: None })
    }

    fn with_series(mut self, store: &Store, request: &Request, wanted: Wanted) -> Result<Self> {
        let Question { metric, filters, .. } = request.question;
        let selection = Selection { segments: &self.segments, metric, filters };
        let end = self.judged.end;
        self.series = store.daily_series(&selection, &request.group_by.0, request.include, end, wanted)?;
        if self.series.is_empty() {
            check_filters(store, &selection)?;
        }
        self.accounts = account_numbers(&request.group_by, &self.series);
        Ok(self)
    }

    /// All series, judged in full or looked at, and of their days those that say nothing.
    pub fn all<'a>(&'a self, judged: &'a Judged) -> (&'a [Series], &'a [Vec<bool>]) {
        match &self.look {
            Some(look) => (&look.series, &look.unusable),
            None => (&self.series, &judged.unusable),
        }
    }

    /// How many series there are, judged in full or looked at.
    pub fn count(&self) -> usize {
        self.look.as_ref().map_or(self.series.len(), |look| look.series.len())
    }

    /// The groups that are judged in full, when not all are.
    pub fn groups(&self) -> Option<BTreeSet<&[String]>> {
        self.look.as_ref().map(|_| self.series.iter().map(|one| one.group.as_slice()).collect())
    }

    pub fn judge(&self, period: Period, parameters: &Parameters) -> Judged {
        let Some(look) = &self.look else {
            return detect::judge(&self.series, &self.accounts, &self.missing, self.first_day, period, parameters);
        };
        // What takes all series to tell is known from the look: which days say nothing, and that nothing is common.
        let places: BTreeMap<&[String], usize> =
            look.series.iter().enumerate().map(|(place, one)| (one.group.as_slice(), place)).collect();
        let unusable_of = |one: &Series| {
            let is_unusable = |day: NaiveDate| {
                let place = places.get(one.group.as_slice())?;
                Some(look.unusable[*place][look.series[*place].index(day)?])
            };
            let days = Period { start: one.start, end: period.end };
            days.iter().map(|day| self.missing.contains(&day) || is_unusable(day) == Some(true)).collect()
        };
        let unusable: Vec<Vec<bool>> = self.series.iter().map(unusable_of).collect();
        let verdicts = detect::verdicts(&self.series, &unusable, self.first_day, parameters);
        Judged { verdicts, moves: Vec::new(), unusable }
    }
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
fn little_history(frame: &Frame, judged: Period) -> Option<String> {
    let days = (judged.start - frame.first_day()?).num_days();
    (days < 45)
        .then(|| format!("only {} days of data before {}: 45 and more give better findings", days.max(0), judged.start))
}

/// Days of the judged ones that there is no data of.
fn missing_note(missing: &BTreeSet<NaiveDate>, judged: Period) -> Option<String> {
    let days: Vec<String> = missing.iter().filter(|day| judged.contains(**day)).map(ToString::to_string).collect();
    let told = &days[..days.len().min(5)];
    let more = days.len() - told.len();
    let more = if more > 0 { format!(" and {more} more days") } else { String::new() };
    (!days.is_empty()).then(|| format!("there is no data at all of {}{more}: not judged", told.join(", ")))
}

/// Days of the judged ones that say nothing, with how many series are concerned.
pub(super) fn unusable_note(
    series: &[Series],
    unusable: &[Vec<bool>],
    missing: &BTreeSet<NaiveDate>,
    period: Period,
) -> Option<String> {
    let mut days: BTreeMap<NaiveDate, usize> = BTreeMap::new();
    for day in period.iter() {
        for (one, unusable) in series.iter().zip(unusable) {
            if !missing.contains(&day) && one.index(day).is_some_and(|index| unusable[index]) {
                *days.entry(day).or_default() += 1;
            }
        }
    }
    let told: Vec<String> = days.iter().take(5).map(|(day, count)| format!("{day} ({count} series)")).collect();
    (!told.is_empty()).then(|| {
        let more = days.len().saturating_sub(told.len());
        let more = if more > 0 { format!(" and {more} more days") } else { String::new() };
        format!(
            "not judged, for nearly all of an account is missing or low as on an unfinished day: {}{more}",
            told.join(", ")
        )
    })
}

/// False alerts in 1000 series-days at 3.0, 2.5 and 2.0, as `docs/ANOMALIES.md` measures them.
const FALSE_ALERTS: [(f64, f64); 3] = [(3.0, 0.19), (2.5, 0.47), (2.0, 1.37)];

/// How many findings of so many series and days are chance, when that is one and more.
pub(super) fn chance_note(parameters: &Parameters, series: usize, judged: Period) -> Option<String> {
    let (_, rate) = FALSE_ALERTS.iter().find(|(threshold, _)| parameters.threshold >= *threshold)?;
    let expected = rate * series as f64 * judged.days() as f64 / 1000.0;
    (parameters.method == Method::Robust && expected >= 1.0).then(|| {
        format!(
            "about {expected:.0} in {series} series and {} days would be chance in a bill as noisy as the ones measured (`backtest` measures yours)",
            judged.days()
        )
    })
}
