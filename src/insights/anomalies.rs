//! Which costs moved, and whether it matters.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    Frame, Question, account_name,
    answer::{Answer, Header},
    group_finding::GroupFinding,
    group_object,
    history::History,
    is_fixed,
    ledger::{self, Ledger, Levels},
    request::Request,
    warning::Warning,
};
use crate::{
    analysis::detection::{Parameters, findings},
    error::{Error, Result},
    model::{
        Dimension, Direction, Evidence, Filter, GroupBy, Kind, Method, Period, Sensitivity, Severity,
        text::{WithText, with_texts},
    },
    store::{Facts, Store, ledger::Incident},
};

/// The findings, those with most dollars at stake first.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Anomalies {
    /// Empty when every level was judged.
    pub group_by: GroupBy,
    /// The levels that were judged, when it was not one grouping.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub levels: Option<Vec<GroupBy>>,
    /// The method that judged.
    pub method: Method,
    /// `null` when the threshold comes from the configuration.
    pub sensitivity: Option<Sensitivity>,
    /// The score from which a day is flagged.
    pub threshold: f64,
    /// `anomaly.rolling_window_days`, or `--days`.
    pub window_days: usize,
    /// The days that were judged.
    pub judged: Period,
    /// How many series there are.
    pub series: usize,
    /// Those with most dollars at stake first.
    pub findings: Vec<Finding>,
}

/// Findings, and what they change in the ledger.
#[derive(Debug)]
pub(crate) struct Detected {
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
    pub peak_date: NaiveDate,
    pub start_date: NaiveDate,
    pub end_date: Option<NaiveDate>,
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
    #[serde(serialize_with = "with_texts")]
    #[schemars(with = "Vec<WithText<'static, Evidence>>")]
    pub reasons: Vec<Evidence>,
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
    pub start_date: NaiveDate,
    pub end_date: Option<NaiveDate>,
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
    /// The range in which the score stays below the threshold, where the day is judged by a level.
    pub low: Option<f64>,
    pub high: Option<f64>,
    pub score: Option<f64>,
    pub direction: Option<Direction>,
    pub flagged: bool,
    pub kind: Option<Kind>,
}

/// Every judged day of every series.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Scores {
    /// What costs are grouped by.
    pub group_by: GroupBy,
    /// The method that judged.
    pub method: Method,
    /// The score from which a day is flagged.
    pub threshold: f64,
    /// `anomaly.rolling_window_days`, or `--days`.
    pub window_days: usize,
    /// By day, then by group.
    pub scores: Vec<Score>,
}

/// Judges the newest settled day, or each day of a range, as if it were the newest; each currency by itself.
///
/// # Errors
/// When there is too little data, or a filter or key names what is not there.
pub(crate) fn anomalies(facts: &dyn Facts, state: &Store, request: &Request) -> Result<Detected> {
    by_currency(facts, request, &|request, frame| judge(facts, state, request, frame))
}

/// Judges one currency after another, where there are several: sums of them mean nothing, and what moves in one must not hide behind the
/// other. A currency that cannot be judged is said; the others are.
///
/// # Errors
/// When none can be judged.
pub(super) fn by_currency(
    facts: &dyn Facts,
    request: &Request,
    judge: &dyn Fn(&Request, &Frame) -> Result<Detected>,
) -> Result<Detected> {
    let question = &request.question;
    let frame = Frame::new(facts, question)?;
    let is_one = frame.currencies().len() < 2 || is_fixed(question.filters, &Dimension::Currency);
    let end = request.to.unwrap_or(frame.settled_through).min(frame.settled_through);
    let period = Period { start: request.from.unwrap_or(end).min(end), end };
    let currencies = if is_one { Vec::new() } else { frame.currencies_apart(facts, question, period)? };
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
        match Frame::new(facts, &question).and_then(|frame| judge(&request, &frame)) {
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

fn judge(facts: &dyn Facts, state: &Store, request: &Request, frame: &Frame) -> Result<Detected> {
    let known = ledger::known(state, request, Levels::One)?;
    let data = History::newest(facts, request, frame, &known)?;
    let names = facts.account_names()?;
    let whole = Period { start: data.first_day, end: data.judged.end };
    let judged = data.judge(whole, &request.parameters);
    let every = findings(&data.covered.series, &judged, whole, &request.parameters);
    let every: Vec<GroupFinding> = every
        .into_iter()
        .map(|found| GroupFinding::new(found, &request.group_by, &data.covered, data.window()))
        .collect();
    let groups = data.groups();
    let is_judged =
        |incident: &Incident| groups.as_ref().is_none_or(|groups| groups.contains(&incident.group_values[..]));
    let ledger = Ledger::new(&known, request, Levels::One, data.currency(), data.judged, &every, &is_judged);
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
pub(crate) fn scores(facts: &dyn Facts, request: &Request) -> Result<Answer<Scores>> {
    let data = History::read(facts, request)?;
    let judged = data.judge(data.judged, &request.parameters);
    let mut scores = Vec::new();
    for day in (Period { start: data.judged.start.max(data.first_day), ..data.judged }).iter() {
        for (series, verdicts) in data.covered.series.iter().zip(&judged.verdicts) {
            let Some(index) = series.index(day) else { continue };
            let verdict = verdicts[index].as_ref();
            let range = verdict.and_then(|verdict| verdict.range(request.parameters.threshold));
            scores.push(Score {
                date: day,
                group: group_object(&request.group_by, &series.group),
                cost: series.values[index],
                expected: verdict.map(|verdict| verdict.expected),
                low: range.map(|(low, _)| low),
                high: range.map(|(_, high)| high),
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

/// The findings that reach into the judged days.
pub(crate) fn shown(
    every: &[GroupFinding],
    ledger: &Ledger,
    names: &BTreeMap<String, String>,
    currency: &str,
) -> Vec<Finding> {
    let reaching = every.iter().zip(&ledger.ids).filter(|(found, _)| found.is_current);
    let shown = reaching.map(|(GroupFinding { finding: found, group_by, values, members, .. }, id)| Finding {
        id: id.clone(),
        kind: found.kind,
        direction: found.direction,
        severity: found.severity,
        peak_date: found.date,
        start_date: found.start,
        end_date: found.end,
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

fn member(found: &GroupFinding, names: &BTreeMap<String, String>) -> Member {
    let finding = &found.finding;
    Member {
        group: group_object(&found.group_by, &found.values),
        account_name: account_name(&found.group_by, &found.values, names),
        groups: finding.series.len(),
        kind: finding.kind,
        direction: finding.direction,
        start_date: finding.start,
        end_date: finding.end,
        impact: finding.impact,
        impact_total: finding.impact_total,
    }
}
