//! Every level judged, and one finding for the same dollars: a service, its account and the total that it moves are
//! one. What is the same is for [`crate::analysis::rollup`] to say.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use super::{
    Frame, Question,
    anomalies::{Anomalies, Detected, by_chance, by_currency, shown},
    answer::Answer,
    group_finding::GroupFinding,
    history::History,
    ledger::{self, Ledger, Levels},
    request::Request,
};
use crate::{
    analysis::{
        detection::{Finding, Judged, findings},
        rollup::{Candidate, Incident, roll_up},
    },
    error::{Error, Result},
    model::{Dimension, Direction, Evidence, GroupBy, Kind, Named, Part, Period, Severity},
    store::{Facts, Store, ledger::Incident as Known},
};

/// The levels, the finest last: of two that tell a change alike, the later one is said.
const LEVELS: [&[Dimension]; 7] = [
    &[],
    &[Dimension::Provider],
    &[Dimension::Region],
    &[Dimension::Account],
    &[Dimension::Service],
    &[Dimension::Service, Dimension::UsageType],
    &[Dimension::Service, Dimension::Account],
];

/// One level, judged.
struct Level {
    group_by: GroupBy,
    data: History,
    judged: Judged,
}

/// Judges the newest settled day, or each day of a range, at every level. `request.group_by` does not matter.
///
/// # Errors
/// As [`super::anomalies::anomalies`].
pub(crate) fn anomalies(facts: &dyn Facts, state: &Store, request: &Request) -> Result<Detected> {
    by_currency(facts, request, &|request, frame| judge(facts, state, request, frame))
}

fn judge(facts: &dyn Facts, state: &Store, request: &Request, frame: &Frame) -> Result<Detected> {
    let known = ledger::known(state, request, Levels::Every)?;
    let levels = levels(facts, request, frame, &known)?;
    let Some(Level { data, .. }) = levels.first() else { return Err(Error::bug("there is no level")) };
    let whole = Period { start: data.first_day, end: data.judged.end };
    let names = facts.account_names()?;
    let mut found: Vec<GroupFinding> = Vec::new();
    let mut candidates: Vec<Candidate> = Vec::new();
    for (place, level) in levels.iter().enumerate() {
        for finding in findings(&level.data.covered.series, &level.judged, whole, &request.parameters) {
            candidates.push(candidate(place, level, &finding));
            found.push(GroupFinding::new(finding, &level.group_by, &level.data.covered, level.data.window()));
        }
    }
    let incidents = roll_up(&candidates);
    let mut every: Vec<GroupFinding> =
        incidents.iter().map(|incident| of_incident(incident, &candidates, &found, &names)).collect();
    every.sort_by(|a, b| {
        let key = |one: &GroupFinding| (one.finding.start, one.values.clone());
        b.finding.at_stake.total_cmp(&a.finding.at_stake).then_with(|| key(a).cmp(&key(b)))
    });
    let groups: BTreeMap<&GroupBy, Option<BTreeSet<&[String]>>> =
        levels.iter().map(|level| (&level.group_by, level.data.groups())).collect();
    let is_judged = |incident: &Known| match groups.get(&incident.group_by) {
        Some(Some(groups)) => groups.contains(&incident.group_values[..]),
        _ => true,
    };
    let ledger = Ledger::new(&known, request, Levels::Every, data.currency(), data.judged, &every, &is_judged);
    let series = levels.iter().map(|level| level.data.count()).sum();
    let detail = &levels[detail(levels.iter().map(|level| &level.group_by))];
    let mut header = data.header.clone();
    header.warnings.extend(detail.data.incomplete_days(&detail.judged));
    header.warnings.extend(by_chance(&request.parameters, series, data.judged));
    let body = Anomalies {
        levels: Some(levels.iter().map(|level| level.group_by.clone()).collect()),
        findings: shown(&every, &ledger, &names, data.currency()),
        ..Anomalies::none(request, data.judged, series)
    };
    Ok(Detected { answer: Answer { header, body }, ledger })
}

/// The currencies of the data that are judged by themselves, for they are never added; none where there is one.
///
/// # Errors
/// When there is no data.
pub(crate) fn currencies(facts: &dyn Facts, question: &Question) -> Result<Vec<String>> {
    let frame = Frame::new(facts, question)?;
    let newest = Period { start: frame.settled_through, end: frame.settled_through };
    frame.currencies_apart(facts, question, newest)
}

/// The levels that tell something apart which a coarser one does not: not those by account of a single account, nor
/// those by usage type of data that has none.
fn levels(facts: &dyn Facts, request: &Request, frame: &Frame, known: &[Known]) -> Result<Vec<Level>> {
    let mut read: Vec<(GroupBy, History)> = Vec::new();
    for dimensions in LEVELS {
        let group_by = GroupBy(dimensions.to_vec());
        let of_level = |incident: &&Known| incident.group_by == group_by;
        let of_level: Vec<Known> = known.iter().filter(of_level).cloned().collect();
        let own = Request { group_by: group_by.clone(), ..request.clone() };
        let data = History::newest(facts, &own, frame, &of_level)?;
        let tells_no_more = |(coarser, known): &(GroupBy, History)| {
            coarser.0.iter().all(|dimension| dimensions.contains(dimension)) && known.count() >= data.count()
        };
        if !read.iter().any(tells_no_more) {
            read.push((group_by, data));
        }
    }
    // A day on which an account's bill is not whole shows only there where its services are told apart.
    let detail = detail(read.iter().map(|(group_by, _)| group_by));
    let parameters = &request.parameters;
    let judge = |data: &History| data.judge(Period { start: data.first_day, end: data.judged.end }, parameters);
    let told = judge(&read[detail].1);
    let unfinished = unfinished(&read[detail].1, &told);
    let mut told = Some(told);
    let judged = read.into_iter().enumerate().map(|(place, (group_by, mut data))| {
        let own = if place == detail { told.take() } else { None };
        let judged = own.unwrap_or_else(|| {
            for coverage in &mut data.covered.coverages {
                let days = coverage.classes.iter().filter_map(|class| unfinished.get(class));
                coverage.bills.missing.extend(days.flatten());
            }
            judge(&data)
        });
        Level { group_by, data, judged }
    });
    Ok(judged.collect())
}

/// The level that tells services apart, and accounts where there are several.
fn detail<'a>(levels: impl Iterator<Item = &'a GroupBy>) -> usize {
    let is_detail = |group_by: &GroupBy| !group_by.0.contains(&Dimension::UsageType);
    levels.enumerate().filter(|(_, group_by)| is_detail(group_by)).map(|(place, _)| place).last().unwrap_or(0)
}

/// The days on which some series of a class of bills say nothing, though these have the day.
fn unfinished(data: &History, judged: &Judged) -> BTreeMap<usize, BTreeSet<NaiveDate>> {
    let mut days: BTreeMap<usize, BTreeSet<NaiveDate>> = BTreeMap::new();
    let (covered, incomplete) = data.all(judged);
    for (place, (series, incomplete)) in covered.series.iter().zip(incomplete).enumerate() {
        let own = series.start.iter_days().zip(incomplete).filter(|(_, incomplete)| **incomplete).map(|(day, _)| day);
        let own: Vec<NaiveDate> = own.filter(|day| !covered.missing(place).contains(day)).collect();
        for class in &covered.coverages[covered.of[place]].classes {
            days.entry(*class).or_default().extend(&own);
        }
    }
    days
}

fn candidate(place: usize, level: &Level, finding: &Finding) -> Candidate {
    let series =
        || finding.series.iter().map(|index| (&level.data.covered.series[*index], &level.judged.verdicts[*index]));
    let since = series().map(|(one, _)| one.start).min().unwrap_or(finding.start);
    let mut differences = vec![0.0; Period { start: since, end: level.data.judged.end }.days()];
    for (one, verdicts) in series() {
        let offset = usize::try_from((one.start - since).num_days()).unwrap_or(0);
        for ((difference, cost), verdict) in differences[offset..].iter_mut().zip(&one.values).zip(verdicts) {
            *difference += verdict.as_ref().map_or(0.0, |verdict| cost - verdict.expected);
        }
    }
    let is_common = finding.series.len() > 1;
    let group = match finding.series[..] {
        [only] => {
            let values = level.data.covered.series[only].group.clone();
            level.group_by.0.iter().map(ToString::to_string).zip(values).collect()
        }
        _ => Vec::new(),
    };
    Candidate {
        level: place,
        group,
        is_common,
        is_wide: is_common || matches!(level.group_by.0[..], [] | [Dimension::Provider] | [Dimension::Region]),
        direction: finding.direction,
        start: finding.start,
        last: finding.last_seen,
        is_absorbed: finding.absorbed,
        impact: finding.impact,
        since,
        differences,
    }
}

/// The finding that tells an incident, with what it is made of.
fn of_incident(
    incident: &Incident,
    candidates: &[Candidate],
    found: &[GroupFinding],
    names: &BTreeMap<String, String>,
) -> GroupFinding {
    let mut told = found[incident.of].clone();
    told.members = incident.members.iter().map(|member| found[*member].clone()).collect();
    if let Some(from) = incident.from {
        return moved(told, found[from].clone(), names);
    }
    let own = &candidates[incident.of];
    let parts: Vec<usize> =
        incident.members.iter().copied().filter(|member| candidates[*member].refines(own)).collect();
    // A part of a bill that ends later may go on.
    told.end = parts.iter().map(|part| found[*part].end).fold(told.end, NaiveDate::max);
    told.is_current = told.is_current || parts.iter().any(|part| found[*part].is_current);
    let finding = &mut told.finding;
    let severities = parts.iter().map(|part| found[*part].finding.severity);
    finding.severity = severities.fold(finding.severity, Severity::max);
    if !finding.absorbed {
        let last = parts.iter().map(|part| found[*part].finding.last_seen);
        let last_seen = last.fold(finding.last_seen, NaiveDate::max);
        if last_seen > finding.last_seen {
            // Parts of several levels are the same dollars: the largest, not the sum.
            let newest = parts.iter().map(|part| &found[*part].finding).filter(|part| part.last_seen == last_seen);
            let largest = newest.map(|part| part.last_impact).max_by(|a, b| a.abs().total_cmp(&b.abs()));
            finding.last_impact = largest.unwrap_or(finding.last_impact);
        }
        finding.last_seen = last_seen;
        finding.end = (finding.last_seen != told.end).then_some(finding.last_seen);
    }
    let reason = made_of(&told, &parts, candidates, found);
    told.finding.reasons.extend(reason);
    told
}

/// What a finding is made of, by the level that says most of it.
fn made_of(told: &GroupFinding, parts: &[usize], candidates: &[Candidate], found: &[GroupFinding]) -> Option<Evidence> {
    let mut levels: BTreeMap<usize, Vec<&GroupFinding>> = BTreeMap::new();
    for part in parts {
        levels.entry(candidates[*part].level).or_default().push(&found[*part]);
    }
    let dollars = |parts: &[&GroupFinding]| parts.iter().map(|part| part.finding.impact.abs()).sum::<f64>();
    let most = |a: &&Vec<&GroupFinding>, b: &&Vec<&GroupFinding>| {
        let cents = |parts: &[&GroupFinding]| (dollars(parts) * 100.0).round();
        cents(a).total_cmp(&cents(b)).then(b.len().cmp(&a.len()))
    };
    let mut parts = levels.values().max_by(most)?.clone();
    parts.sort_by(|a, b| b.finding.impact.abs().total_cmp(&a.finding.impact.abs()).then(a.values.cmp(&b.values)));
    let first = parts.first()?;
    let is_new = |dimension: &Dimension| !told.group_by.0.contains(dimension);
    let own: Vec<&Dimension> = first.group_by.0.iter().filter(|dimension| is_new(dimension)).collect();
    let dimension = match own[..] {
        [only] => Some(only.clone()),
        _ => None,
    };
    let part = |part: &&GroupFinding| {
        let pairs = part.group_by.0.iter().zip(&part.values);
        let values = pairs.filter(|(dimension, _)| is_new(dimension)).map(|(_, value)| value.clone());
        Part { values: values.collect(), impact: part.finding.impact }
    };
    Some(Evidence::MadeOf { dimension, parts: parts.iter().map(part).collect() })
}

/// One finding of two sides of a move: what both share, and the net of their dollars.
fn moved(to: GroupFinding, from: GroupFinding, names: &BTreeMap<String, String>) -> GroupFinding {
    let (here, there) = (&to.finding, &from.finding);
    let pairs = to.group_by.0.iter().zip(to.values.iter().zip(&from.values));
    let (mut group_by, mut values, mut reasons) = (Vec::new(), Vec::new(), Vec::new());
    let dollars = here.impact.abs().min(there.impact.abs());
    for (dimension, (here, there)) in pairs {
        if here == there {
            group_by.push(dimension.clone());
            values.push(here.clone());
        } else {
            let named = |value: &String| Named {
                value: value.clone(),
                name: names.get(value).filter(|_| *dimension == Dimension::Account).cloned(),
            };
            let (from, to) = (named(there), named(here));
            reasons.push(Evidence::MovedBetween { amount: dollars, dimension: dimension.clone(), from, to });
        }
    }
    reasons.push(Evidence::BothSides { there: there.impact, here: here.impact });
    let impact = here.impact + there.impact;
    let impact_total = here.impact_total + there.impact_total;
    let strongest = if there.score.abs() > here.score.abs() { there } else { here };
    let finding = Finding {
        series: [&from.finding.series[..], &to.finding.series].concat(),
        kind: Kind::Moved,
        direction: Direction::of(impact),
        severity: Severity::Info,
        date: strongest.date,
        start: here.start.min(there.start),
        end: here.end.zip(there.end).map(|(here, there)| here.max(there)),
        last_seen: here.last_seen.max(there.last_seen),
        actual: here.actual + there.actual,
        expected: here.expected + there.expected,
        impact,
        last_impact: here.last_impact + there.last_impact,
        impact_total,
        at_stake: impact_total.abs(),
        score: strongest.score,
        flagged_days: here.flagged_days.max(there.flagged_days),
        absorbed: here.absorbed && there.absorbed,
        reasons,
    };
    let members = [vec![plain(&from), plain(&to)], to.members.clone(), from.members.clone()].concat();
    let (end, is_current) = (to.end.max(from.end), to.is_current || from.is_current);
    GroupFinding { finding, group_by: GroupBy(group_by), values, members, shared_by: Vec::new(), end, is_current }
}

/// A finding without its members.
fn plain(found: &GroupFinding) -> GroupFinding {
    GroupFinding { members: Vec::new(), ..found.clone() }
}
