//! Which costs moved, and whether it matters.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    Frame, Question,
    answer::{Answer, Header},
    check_filters,
    coverage::{Class, Covered, classes},
    found::{Found, Window, shown},
    group_object,
    incidents::{self, Asked, Ledger},
    is_fixed, single_currency,
    warning::{IncompleteDay, Warning},
};
use crate::{
    analysis::{
        detect::{self, Judged, Known, Parameters},
        findings, screen,
    },
    error::{Code, Error, Result},
    model::{
        ChargeCategory, Dimension, Direction, Filter, GroupBy, Kind, Method, Period, Sensitivity, Series, Severity,
        State,
    },
    store::{
        Store,
        holdings::Payer,
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
#[derive(Debug, JsonSchema, Serialize)]
pub struct Anomalies {
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
}

/// Findings, and what they change in the ledger.
#[derive(Debug)]
pub struct Detected {
    pub answer: Answer<Anomalies>,
    pub ledger: Ledger,
}

/// One finding.
#[derive(Clone, Debug, JsonSchema, Serialize)]
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
    pub currency: String,
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
    pub absorbed: bool,
    pub reasons: Vec<String>,
    /// What at other levels is the same dollars; of a move first where from and where to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<Member>,
}

/// A finding that another one tells.
#[derive(Clone, Debug, JsonSchema, Serialize)]
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
#[derive(Debug, JsonSchema, Serialize)]
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
#[derive(Debug, JsonSchema, Serialize)]
pub struct Scores {
    pub group_by: GroupBy,
    pub method: Method,
    pub threshold: f64,
    pub window_days: usize,
    pub scores: Vec<Score>,
}

/// Judges the newest settled day, or each day of a range, as if it were the newest; each currency by itself.
///
/// # Errors
/// When there is too little data, or a filter or key names what is not there.
pub fn anomalies(store: &Store, request: &Request) -> Result<Detected> {
    by_currency(store, request, &|request, frame| judge(store, request, frame))
}

/// Judges one currency after another, where there are several: sums of them mean nothing, and what moves in one must not hide behind the
/// other. A currency that cannot be judged is said; the others are.
///
/// # Errors
/// When none can be judged.
pub(super) fn by_currency(
    store: &Store,
    request: &Request,
    judge: &dyn Fn(&Request, &Frame) -> Result<Detected>,
) -> Result<Detected> {
    let question = &request.question;
    let frame = Frame::new(store, question)?;
    let is_one = frame.currencies().len() < 2 || is_fixed(question.filters, &Dimension::Currency);
    let end = request.to.unwrap_or(frame.settled_through).min(frame.settled_through);
    let period = Period { start: request.from.unwrap_or(end).min(end), end };
    let currencies = if is_one { Vec::new() } else { frame.currencies_apart(store, question, period)? };
    if currencies.is_empty() {
        return judge(request, &frame);
    }
    let mut detected = Vec::new();
    let mut failed: Vec<(String, Error)> = Vec::new();
    for currency in currencies {
        let own = Filter { dimension: Dimension::Currency, value: currency.clone(), negated: false };
        let filters = [question.filters, &[own]].concat();
        let question = Question { filters: &filters, ..*question };
        let request = Request { question, ..request.clone() };
        match Frame::new(store, &question).and_then(|frame| judge(&request, &frame)) {
            Ok(one) => detected.push(one),
            Err(error) => failed.push((currency, error)),
        }
    }
    let Some(mut all) = detected.into_iter().reduce(Detected::with) else {
        return Err(failed.into_iter().next().map_or_else(|| Error::bug("there is no currency"), |(_, error)| error));
    };
    all.answer.body.findings.sort_by(|a, b| b.at_stake.total_cmp(&a.at_stake));
    let failed =
        failed.into_iter().map(|(currency, error)| Warning::CurrencyNotJudged { currency, error: error.summary() });
    all.answer.header.warnings.extend(failed);
    Ok(all)
}

impl Detected {
    /// What was detected in two currencies.
    fn with(self, other: Self) -> Self {
        let (Answer { header, body }, other_answer) = (self.answer, other.answer);
        let ledger = self.ledger.with(other.ledger);
        let mut warnings = header.warnings;
        warnings
            .extend(other_answer.header.warnings.into_iter().filter(|one| !warnings.contains(one)).collect::<Vec<_>>());
        let mut sources = [header.sources, other_answer.header.sources].concat();
        sources.sort_unstable();
        sources.dedup();
        let other_body = other_answer.body;
        let levels = body.levels.zip(other_body.levels).map(|(mut levels, others)| {
            levels.extend(others.into_iter().filter(|level| !levels.contains(level)).collect::<Vec<_>>());
            levels
        });
        let header = Header {
            data_through: header.data_through.max(other_answer.header.data_through),
            settled_through: header.settled_through.max(other_answer.header.settled_through),
            sources,
            currency: None,
            warnings,
            ..header
        };
        let other = Anomalies { levels: None, ..other_body };
        let judged =
            Period { start: body.judged.start.min(other.judged.start), end: body.judged.end.max(other.judged.end) };
        let series = body.series + other.series;
        let findings = [body.findings, other.findings].concat();
        let body = Anomalies { levels, judged, series, findings, ..body };
        Self { answer: Answer { header, body }, ledger }
    }
}

fn judge(store: &Store, request: &Request, frame: &Frame) -> Result<Detected> {
    let known = incidents::known(store, request, Asked::Grouping)?;
    let data = Data::newest(store, request, frame, &known)?;
    let names = store.account_names()?;
    let whole = Period { start: data.first_day, end: data.judged.end };
    let judged = data.judge(whole, &request.parameters);
    let every = findings::findings(&data.covered.series, &judged, whole, &request.parameters);
    let every: Vec<Found> =
        every.into_iter().map(|found| Found::new(found, &request.group_by, &data.covered, data.window())).collect();
    let groups = data.groups();
    let is_judged =
        |incident: &Incident| groups.as_ref().is_none_or(|groups| groups.contains(&incident.group_values[..]));
    let ledger = Ledger::new(&known, request, Asked::Grouping, data.currency(), data.judged, &every, &is_judged);
    let findings = shown(&every, &ledger, &names, data.currency());
    let series = data.count();
    let mut header = data.header.clone();
    header.warnings.extend(data.incomplete_days(&judged));
    header.warnings.extend(by_chance(&request.parameters, series, data.judged));
    let group_by = request.group_by.clone();
    let body = Anomalies { group_by, findings, ..Anomalies::none(request, data.judged, series) };
    Ok(Detected { answer: Answer { header, body }, ledger })
}

impl Anomalies {
    /// An answer about `judged` without findings.
    pub(super) fn none(request: &Request, judged: Period, series: usize) -> Self {
        Self {
            group_by: GroupBy(Vec::new()),
            levels: None,
            method: request.parameters.method,
            sensitivity: request.sensitivity,
            threshold: request.parameters.threshold,
            window_days: request.parameters.window_days,
            judged,
            series,
            findings: Vec::new(),
        }
    }
}

/// One row for every series and judged day, for evaluation from outside.
///
/// # Errors
/// As [`anomalies`].
pub fn scores(store: &Store, request: &Request) -> Result<Answer<Scores>> {
    let data = Data::read(store, request)?;
    let judged = data.judge(data.judged, &request.parameters);
    let mut scores = Vec::new();
    for day in (Period { start: data.judged.start.max(data.first_day), ..data.judged }).iter() {
        for (series, verdicts) in data.covered.series.iter().zip(&judged.verdicts) {
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
    let body = Scores {
        group_by: request.group_by.clone(),
        method: request.parameters.method,
        threshold: request.parameters.threshold,
        window_days: request.parameters.window_days,
        scores,
    };
    Ok(Answer { header: data.header, body })
}

/// The series of a question and the days to judge in them.
pub(super) struct Data {
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
    /// What a first look at all series said, when `covered` are only those that it did not clear.
    look: Option<Look>,
}

/// The last weeks of every series, and of their days those that say nothing.
struct Look {
    covered: Covered,
    unusable: Vec<Vec<bool>>,
}

/// With more series-days, a first look decides which series are judged.
const MANY: usize = 2_000_000;
/// Days that end so shortly before the newest settled one are what is newest: a run judges what was settled when bills came.
const NEWEST_DAYS: u64 = 7;
/// Days before the newest of which a first look tells whether an account's bill is whole.
const UNUSABLE_SPAN: u64 = 28;

impl Data {
    /// All history of all series.
    pub fn read(store: &Store, request: &Request) -> Result<Self> {
        let frame = Frame::new(store, &request.question)?;
        Self::open(store, request, &frame)?.with_series(store, request, Wanted::All)
    }

    /// What judging the newest day takes. Of very many series that is all history of those whose day a first look at
    /// the last weeks of all does not clear, and of those that `known` incidents are open of. Everything is
    /// read when many series may have moved together: that shows in all of them only.
    pub fn newest(store: &Store, request: &Request, frame: &Frame, known: &[Incident]) -> Result<Self> {
        let data = Self::open(store, request, frame)?;
        let (judged, parameters) = (data.judged, &request.parameters);
        let whole = Period { start: data.first_day, end: judged.end };
        if judged.days() > 1 || whole.days() <= 2 * screen::SPAN || !screen::can_tell(parameters) {
            return data.with_series(store, request, Wanted::All);
        }
        let start = judged.end - Days::new(screen::SPAN as u64 - 1);
        let covered = data.covered(store, request, Wanted::Since(start))?;
        if covered.series.len() * whole.days() <= MANY {
            return data.with_series(store, request, Wanted::All);
        }
        let accounts = account_numbers(&request.group_by, &covered.series);
        let recent = Period { start: judged.end - Days::new(UNUSABLE_SPAN), end: judged.end };
        let unusable = detect::unusable_days(&covered.series, &accounts, &covered.known(), recent);
        let (wanted, common) = screened(&covered, &unusable, judged.end, parameters);
        let open = known.iter().filter(|incident| incident.state == State::Open);
        if common || open.clone().any(|incident| incident.group_values.is_empty()) {
            return data.with_series(store, request, Wanted::All);
        }
        let mut groups: BTreeSet<&Vec<String>> = open.map(|incident| &incident.group_values).collect();
        groups.extend(covered.series.iter().zip(&wanted).filter(|(_, wanted)| **wanted).map(|(one, _)| &one.group));
        let groups: Vec<Vec<String>> = groups.into_iter().cloned().collect();
        let mut data = data.with_series(store, request, Wanted::Groups(&groups))?;
        let (judged, series) = (data.covered.series.len(), covered.series.len());
        data.header.warnings.push(Warning::JudgedInPart { judged, series });
        data.look = Some(Look { covered, unusable });
        Ok(data)
    }

    /// All but the series.
    fn open(store: &Store, request: &Request, frame: &Frame) -> Result<Self> {
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
        let currency = Some(single_currency(store, &selection)?);
        let mut header = Header { currency, ..frame.header(question, &segments, &[judged]) };
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
        Ok(Self { frame, judged, first_day, segments, header, classes, covered, accounts, look: None })
    }

    fn covered(&self, store: &Store, request: &Request, wanted: Wanted) -> Result<Covered> {
        let Question { metric, filters, .. } = request.question;
        let selection = Selection { segments: &self.segments, metric, filters };
        let payers: Vec<Vec<Payer>> = self.classes.iter().map(|class| class.payers.clone()).collect();
        let (dimensions, end) = (&request.group_by.0, self.judged.end);
        let parts = store.daily_series(&selection, dimensions, request.include, end, wanted, &payers)?;
        Ok(Covered::new(parts, &self.classes))
    }

    fn with_series(mut self, store: &Store, request: &Request, wanted: Wanted) -> Result<Self> {
        self.covered = self.covered(store, request, wanted)?;
        if self.covered.series.is_empty() {
            let Question { metric, filters, .. } = request.question;
            check_filters(store, &Selection { segments: &self.segments, metric, filters })?;
        }
        self.accounts = account_numbers(&request.group_by, &self.covered.series);
        if request.group_by.0.is_empty() {
            self.narrow();
        }
        Ok(self)
    }

    /// Leaves the bills that the only series is made of, so that whatever else is asked of it is asked of the same.
    fn narrow(&mut self) {
        let Some(coverage) = self.covered.coverages.first().filter(|_| !self.covered.left_out.is_empty()) else {
            return;
        };
        let payers: BTreeSet<&Payer> = coverage.classes.iter().flat_map(|place| &self.classes[*place].payers).collect();
        let names: Vec<String> =
            self.covered.left_out.iter().flat_map(|place| self.classes[*place].names.clone()).collect();
        self.header.warnings.push(Warning::TotalWithout { bills: names });
        let start = self.first_day.min(self.judged.start);
        self.segments =
            self.frame.segments_where(Period { start, end: self.judged.end }, |payer| payers.contains(payer));
    }

    /// The days whose findings are news: those asked for, and of a bill that ends before them its newest ones.
    pub fn window(&self) -> Window {
        let is_newest = self.judged.end + Days::new(NEWEST_DAYS) >= self.frame.settled_through;
        Window { judged: self.judged, is_newest }
    }

    /// All series, judged in full or looked at, and of their days those that say nothing.
    pub fn all<'a>(&'a self, judged: &'a Judged) -> (&'a Covered, &'a [Vec<bool>]) {
        match &self.look {
            Some(look) => (&look.covered, &look.unusable),
            None => (&self.covered, &judged.unusable),
        }
    }

    /// How many series there are, judged in full or looked at.
    pub fn count(&self) -> usize {
        self.look.as_ref().map_or(self.covered.series.len(), |look| look.covered.series.len())
    }

    /// The groups that are judged in full, when not all are.
    pub fn groups(&self) -> Option<BTreeSet<&[String]>> {
        self.look.as_ref().map(|_| self.covered.series.iter().map(|one| one.group.as_slice()).collect())
    }

    pub fn judge(&self, period: Period, parameters: &Parameters) -> Judged {
        let (series, known) = (&self.covered.series, self.covered.known());
        let Some(look) = &self.look else {
            return detect::judge(series, &self.accounts, &known, period, parameters);
        };
        // What takes all series to tell is known from the look: which days say nothing, and that nothing is common.
        let looked_at = &look.covered.series;
        let places: BTreeMap<&[String], usize> =
            looked_at.iter().enumerate().map(|(place, one)| (one.group.as_slice(), place)).collect();
        let unusable_of = |(one, known): (&Series, &&Known)| {
            let is_unusable = |day: NaiveDate| {
                let place = places.get(one.group.as_slice())?;
                Some(look.unusable[*place][looked_at[*place].index(day)?])
            };
            let days = one.start.iter_days().take(one.values.len());
            days.map(|day| known.missing.contains(&day) || is_unusable(day) == Some(true)).collect()
        };
        let unusable: Vec<Vec<bool>> = series.iter().zip(&known).map(unusable_of).collect();
        let verdicts = detect::verdicts(series, &unusable, &known, parameters);
        Judged { verdicts, moves: Vec::new(), unusable }
    }

    /// What the costs are in.
    pub fn currency(&self) -> &str {
        self.header.currency()
    }

    /// Days of the judged ones that say nothing, with how many series are concerned.
    pub fn incomplete_days(&self, judged: &Judged) -> Option<Warning> {
        let (covered, unusable) = self.all(judged);
        let mut days: BTreeMap<NaiveDate, usize> = BTreeMap::new();
        for (place, (one, unusable)) in covered.series.iter().zip(unusable).enumerate() {
            let missing = covered.missing(place);
            let (start, end) = (one.start.max(self.judged.start), self.judged.end);
            for day in (Period { start, end }).iter().filter(|day| !missing.contains(day)) {
                if one.index(day).is_some_and(|index| unusable[index]) {
                    *days.entry(day).or_default() += 1;
                }
            }
        }
        let days: Vec<IncompleteDay> = days.into_iter().map(|(date, series)| IncompleteDay { date, series }).collect();
        (!days.is_empty()).then_some(Warning::IncompleteDays { days })
    }
}

/// What a first look says of all series: those that are to be judged in full, and whether many may have moved together. It is of the
/// newest day; series that end earlier are always judged.
fn screened(covered: &Covered, unusable: &[Vec<bool>], end: NaiveDate, parameters: &Parameters) -> (Vec<bool>, bool) {
    let is_current = |place: &usize| covered.coverages[covered.of[*place]].end == end;
    let current: Vec<usize> = (0..covered.series.len()).filter(is_current).collect();
    if current.len() == covered.series.len() {
        let screen::Screened { wanted, common } = screen::screen(&covered.series, unusable, parameters);
        return (wanted, common);
    }
    let series: Vec<Series> = current.iter().map(|place| covered.series[*place].clone()).collect();
    let days: Vec<Vec<bool>> = current.iter().map(|place| unusable[*place].clone()).collect();
    let screened = screen::screen(&series, &days, parameters);
    let mut wanted = vec![true; covered.series.len()];
    current.iter().zip(screened.wanted).for_each(|(place, is_wanted)| wanted[*place] = is_wanted);
    (wanted, screened.common)
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

/// False alerts in 1000 series-days at 3.0, 2.5 and 2.0, as `docs/ANOMALIES.md` measures them.
const FALSE_ALERTS: [(f64, f64); 3] = [(3.0, 0.19), (2.5, 0.47), (2.0, 1.37)];

/// How many findings of so many series and days are chance, when that is one and more.
pub(super) fn by_chance(parameters: &Parameters, series: usize, judged: Period) -> Option<Warning> {
    let (_, rate) = FALSE_ALERTS.iter().find(|(threshold, _)| parameters.threshold >= *threshold)?;
    let days = judged.days();
    let expected = rate * series as f64 * days as f64 / 1000.0;
    let is_said = parameters.method == Method::Robust && expected >= 1.0;
    is_said.then_some(Warning::FindingsByChance { expected, series, days })
}
