//! The ledger: findings become incidents that keep their id, and what was found before is judged again.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{
    Question,
    anomalies::Request,
    found::{Found, match_other_levels},
    group_filters, group_names,
};
use crate::{
    analysis::detection::{Finding, Parameters, Settings},
    error::{Code, Error, Result, nearest},
    model::{Dimension, Event, Evidence, Filter, Kind, Period, State},
    store::{
        Store,
        ledger::{HistoryEntry, Incident, Scope},
        triage::{TriageState, Triaged},
    },
};

/// Incidents of one group and direction whose days are this close are the same.
pub(super) const GAP_DAYS: i64 = 3;

/// What a run judged: one grouping, or every level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Grouping,
    EveryLevel,
}

/// What a run of `anomalies` has to tell the ledger.
#[derive(Debug, Default)]
pub struct Ledger {
    /// The id of each finding.
    pub ids: Vec<String>,
    /// Incidents that are new or changed, with what happened.
    pub changes: Vec<(Incident, Option<Event>)>,
}

impl Ledger {
    /// Matches all findings of history with the incidents of the same scope.
    ///
    /// A finding is the incident of the same group and direction whose days it overlaps, and else a new one if it
    /// reaches into the `judged` days. An incident that is not found any more is closed when its days are over,
    /// and withdrawn when this run would have found it. Incidents of groups that were not judged
    /// are left as they are.
    pub fn new(
        known: &[Incident],
        request: &Request,
        asked: Asked,
        currency: &str,
        judged: Period,
        findings: &[Found],
        is_judged: &dyn Fn(&Incident) -> bool,
    ) -> Self {
        let scope = scope(request, asked);
        let newest = known.iter().map(|incident| incident.seen_on).max();
        let mut matched = matched(known, findings);
        if asked == Asked::EveryLevel {
            match_other_levels(known, findings, &mut matched);
        }
        let mut given: BTreeSet<String> = known.iter().map(|incident| incident.id.clone()).collect();
        let id_of = |(one, place): (&Found, &Option<usize>)| match place {
            Some(place) => known[*place].id.clone(),
            None => stable_id(&scope, one, &mut given),
        };
        let ids: Vec<String> = findings.iter().zip(&matched).map(id_of).collect();
        let mut changes = Vec::new();
        for ((one, place), id) in findings.iter().zip(&matched).zip(&ids) {
            let (found, values) = (&one.finding, &one.values);
            let former = place.map(|place| &known[place]);
            let whole = findings.iter().zip(&ids).find(|(whole, _)| whole.goes_on_with(one));
            if let (Some(former), Some((_, whole))) = (former, whole) {
                changes.extend(merged(former, whole, judged.end));
                continue;
            }
            if former.is_none() && !one.is_news {
                continue;
            }
            let incident = Incident {
                id: id.clone(),
                scope: scope.clone(),
                group_by: one.group_by.clone(),
                group_values: values.clone(),
                program: env!("CARGO_PKG_VERSION").into(),
                threshold: request.parameters.threshold,
                currency: currency.into(),
                state: state(found, one.end),
                kind: found.kind,
                direction: found.direction,
                severity: found.severity,
                start_date: found.start,
                peak_date: found.date,
                last_date: found.last_seen,
                opened_on: former.map_or(judged.end, |former| former.opened_on),
                seen_on: judged.end.min(one.end),
                closed_on: None,
                actual: found.actual,
                expected: found.expected,
                impact: found.impact,
                last_impact: found.last_impact,
                impact_total: found.impact_total,
                at_stake: found.at_stake,
                score: found.score,
                flagged_days: u32::try_from(found.flagged_days).unwrap_or(u32::MAX),
                reasons: found.reasons.clone(),
                merged_into: None,
            };
            changes.extend(change(former, incident, judged.end));
        }
        let taken: BTreeSet<usize> = matched.into_iter().flatten().collect();
        for (_, incident) in known.iter().enumerate().filter(|(index, _)| !taken.contains(index)) {
            let whole = findings.iter().zip(&ids).find(|(found, _)| found.tells(incident));
            changes.extend(match whole {
                Some((_, id)) => merged(incident, id, judged.end),
                None if is_judged(incident) => gone(incident, request, judged.end),
                None => None,
            });
        }
        // A look at an older day does not turn the ledger back.
        if newest.is_some_and(|newest| judged.end < newest) {
            changes.clear();
        }
        Self { ids, changes }
    }
}

impl Ledger {
    /// Both.
    pub fn with(mut self, other: Self) -> Self {
        self.ids.extend(other.ids);
        self.changes.extend(other.changes);
        self
    }
}

/// The incidents of what is asked. When a second currency comes, each is judged by itself from then on: what is open of the only one there
/// was goes on in the scope of that currency, with its id and all that was told of it.
pub fn known(store: &Store, request: &Request, asked: Asked) -> Result<Vec<Incident>> {
    let own = scope(request, asked);
    let mut known = store.incidents(Some(&own))?;
    let (currency, others): (Vec<Filter>, Vec<Filter>) = request
        .question
        .filters
        .iter()
        .cloned()
        .partition(|filter| filter.dimension == Dimension::Currency && !filter.negated);
    if let [currency] = currency.as_slice()
        && store.delivered_currencies()? > 1
    {
        let question = Question { filters: &others, ..request.question };
        let before = store.incidents(Some(&scope(&Request { question, ..request.clone() }, asked)))?;
        let is_same = |incident: &Incident| incident.currency == currency.value && incident.state == State::Open;
        known.extend(before.into_iter().filter(is_same).map(|incident| Incident { scope: own.clone(), ..incident }));
    }
    Ok(known)
}

/// What is asked: incidents of the same scope can be compared.
pub fn scope(request: &Request, asked: Asked) -> Scope {
    let question = &request.question;
    let mut filters = question.filters.to_vec();
    filters.sort_by_key(ToString::to_string);
    Scope {
        metric: question.metric,
        group_by: (asked == Asked::Grouping).then(|| request.group_by.clone()),
        charge_categories: request.include.to_vec(),
        filters,
        data_source: question.source.map(str::to_owned),
        method: request.parameters.method,
    }
}

/// How a finding stands whose bills are settled through `settled`.
fn state(found: &Finding, settled: NaiveDate) -> State {
    if found.absorbed {
        State::Absorbed
    } else if found.last_seen + Days::new(GAP_DAYS as u64) > settled {
        State::Open
    } else {
        State::Closed
    }
}

/// The incident as it stands now and what happened to it, if anything did.
fn change(former: Option<&Incident>, mut now: Incident, settled: NaiveDate) -> Option<(Incident, Option<Event>)> {
    let Some(former) = former else {
        now.closed_on = (now.state != State::Open).then_some(settled);
        return Some((now, Some(Event::Opened)));
    };
    now.closed_on = match now.state {
        State::Open => None,
        _ => former.closed_on.or(Some(settled)),
    };
    let was = |state: State| former.state == state;
    let event = match now.state {
        State::Open if !was(State::Open) => Some(Event::Reopened),
        State::Closed if !was(State::Closed) => Some(Event::Closed),
        State::Absorbed if !was(State::Absorbed) => Some(Event::Absorbed),
        _ => {
            let moved = (now.impact_total - former.impact_total).abs() >= 0.01;
            (moved || now.kind != former.kind || now.severity != former.severity || now.last_date != former.last_date)
                .then_some(Event::Changed)
        }
    };
    (event.is_some() || now.seen_on != former.seen_on).then_some((now, event))
}

/// What becomes of an incident that is not found any more.
fn gone(incident: &Incident, request: &Request, settled: NaiveDate) -> Option<(Incident, Option<Event>)> {
    if incident.state == State::Withdrawn {
        return None;
    }
    let as_sensitive = request.parameters.threshold <= incident.threshold;
    let over = incident.state == State::Open && incident.last_date + Days::new(GAP_DAYS as u64) <= settled;
    let (state, event) = match (as_sensitive, over) {
        (true, _) => (State::Withdrawn, Event::Withdrawn),
        (false, true) => (State::Closed, Event::Closed),
        (false, false) => return None,
    };
    let now = Incident { state, seen_on: settled, closed_on: Some(settled), ..incident.clone() };
    Some((now, Some(event)))
}

/// What becomes of an incident that is told by another one now.
fn merged(incident: &Incident, whole: &str, settled: NaiveDate) -> Option<(Incident, Option<Event>)> {
    if incident.state == State::Withdrawn {
        return None;
    }
    let mut now = Incident { state: State::Withdrawn, seen_on: settled, closed_on: Some(settled), ..incident.clone() };
    now.reasons.push(Evidence::CoveredBy { incident: whole.to_owned() });
    now.merged_into = Some(whole.to_owned());
    Some((now, Some(Event::Merged)))
}

/// How well an incident fits a finding, if it does.
pub(super) type Fits<'a> = dyn Fn(&Incident, &Found) -> Option<i64> + 'a;

/// The incident of each finding, each at most once: first those that began on the same day, then those whose
/// days overlap most, then open ones that were over at most [`GAP_DAYS`] before.
fn matched(known: &[Incident], findings: &[Found]) -> Vec<Option<usize>> {
    let mut matched: Vec<Option<usize>> = vec![None; findings.len()];
    let is_same = |incident: &Incident, found: &Found| {
        let is_move = incident.kind == Kind::Moved;
        found.is_of_group(incident) && found.is_move() == is_move && (is_move || found.has_direction(incident))
    };
    let rounds: [&Fits; 3] = [
        &|incident, found| (incident.start_date == found.finding.start).then_some(0),
        &|incident, found| Some(found.overlap(incident)).filter(|days| *days > 0),
        &|incident, found| {
            let near = found.overlap(incident) > -GAP_DAYS;
            (near && incident.state == State::Open).then_some(0)
        },
    ];
    for fits in rounds {
        match_round(known, findings, &mut matched, &|incident, found| {
            is_same(incident, found).then(|| fits(incident, found)).flatten()
        });
    }
    matched
}

/// Gives each finding that has none the free incident that fits best.
pub(super) fn match_round(known: &[Incident], findings: &[Found], matched: &mut [Option<usize>], fits: &Fits) {
    let mut free: BTreeSet<usize> = (0..known.len()).collect();
    matched.iter().flatten().for_each(|place| _ = free.remove(place));
    for (found, matched) in findings.iter().zip(matched).filter(|(_, matched)| matched.is_none()) {
        let best = free.iter().filter_map(|place| Some((fits(&known[*place], found)?, *place)));
        // Of several that fit alike, the newest, which comes first.
        *matched = best.max_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1))).map(|(_, place)| place);
        matched.iter().for_each(|place| _ = free.remove(place));
    }
}

/// The same for the same question, group, direction and first day, and given once.
fn stable_id(scope: &Scope, found: &Found, given: &mut BTreeSet<String>) -> String {
    let finding = &found.finding;
    for count in 0.. {
        let facts = json!([scope, found.group_by, found.values, finding.direction, finding.start, count]);
        let id: String = Sha256::digest(facts.to_string()).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        if given.insert(id.clone()) {
            return id;
        }
    }
    String::new()
}

/// Which incidents to list.
#[derive(Clone, Debug, Default)]
pub struct Wanted<'a> {
    /// States, none for all.
    pub states: &'a [State],
    /// Marks of open ones, beside the states.
    pub marks: &'a [TriageState],
    /// The last flagged day is this one or later.
    pub since: Option<NaiveDate>,
    /// Dollars in all, up or down.
    pub min_impact: Option<f64>,
    /// A dimension and its value.
    pub values: &'a [(String, String)],
}

/// The incidents of the ledger.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Incidents {
    pub incidents: Vec<Shown>,
}

/// One incident, its group an object.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Shown {
    pub group: Map<String, Value>,
    pub account_name: Option<String>,
    /// Days from the first to the last flagged day.
    pub days: i64,
    #[serde(flatten)]
    pub incident: Incident,
    /// What somebody said of it last.
    pub triage: Option<Triaged>,
    /// What became of it; only where one incident is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<Vec<HistoryEntry>>,
}

/// Lists incidents, the last one first.
///
/// # Errors
/// When the database cannot be read.
pub fn list(store: &Store, wanted: &Wanted) -> Result<Incidents> {
    let shown = shown(store, store.incidents(None)?)?;
    let is_wanted = |one: &Shown| {
        let has = |(dimension, value): &(String, String)| {
            one.group.get(dimension).and_then(Value::as_str) == Some(value)
                || (dimension == "account" && one.account_name.as_ref() == Some(value))
        };
        let is_marked = one.triage.as_ref().is_some_and(|mark| wanted.marks.contains(&mark.state));
        let any = wanted.states.is_empty() && wanted.marks.is_empty();
        (any || wanted.states.contains(&one.incident.state) || is_marked && one.incident.state == State::Open)
            && wanted.since.is_none_or(|since| one.incident.last_date >= since)
            && wanted.min_impact.is_none_or(|least| one.incident.impact_total.abs() >= least)
            && wanted.values.iter().all(has)
    };
    Ok(Incidents { incidents: shown.into_iter().filter(is_wanted).collect() })
}

/// One incident with its history, by its id or the beginning of it.
///
/// # Errors
/// When there is none, or several begin so.
pub fn one(store: &Store, id: &str) -> Result<Shown> {
    if id.is_empty() {
        return Err(Error::usage("an incident's id is not empty").hint("`aws-cost-anomalies incidents` lists them"));
    }
    let all = store.incidents(None)?;
    let mut matching: Vec<Incident> = all.iter().filter(|incident| incident.id.starts_with(id)).cloned().collect();
    if matching.len() > 1 {
        let ids: Vec<&str> = matching.iter().map(|incident| incident.id.as_str()).collect();
        return Err(Error::input(format!("several incidents begin with `{id}`: {}", ids.join(", ")))
            .hint("write more of the id"));
    }
    let Some(incident) = matching.pop() else {
        let error = Error::input(format!("there is no incident `{id}` in the ledger")).with_code(Code::NotFound);
        return Err(match nearest(id, all.iter().map(|incident| incident.id.as_str())) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint("`aws-cost-anomalies incidents --status all` lists them"),
        });
    };
    let history = store.incident_events(&incident.id)?;
    let mut shown = shown(store, vec![incident])?;
    shown.pop().map(|one| Shown { history: Some(history), ..one }).ok_or_else(|| Error::bug("an incident went missing"))
}

impl Shown {
    /// Which cost it is of, in words.
    pub fn subject(&self) -> String {
        match (self.group.is_empty(), self.incident.group_by.0.is_empty()) {
            (true, true) => "total".into(),
            (true, false) => "many groups".into(),
            (false, _) => group_names(&self.group, self.account_name.as_deref()).join(" / "),
        }
    }

    /// The question that the incident was found with: its filters and its group's values.
    pub fn filters(&self) -> Vec<Filter> {
        let incident = &self.incident;
        let values = incident.group_values.iter().cloned();
        group_filters(&incident.scope.filters, incident.group_by.0.iter().cloned().zip(values))
    }

    /// The settings with which it was found, as far as they are known.
    pub fn parameters(&self, settings: &Settings) -> Parameters {
        Parameters { threshold: self.incident.threshold, ..Parameters::new(settings, self.incident.scope.method) }
    }
}

/// The newest mark of each incident, but those that were taken back.
fn current_triage(store: &Store) -> Result<BTreeMap<String, Triaged>> {
    let mut said: BTreeMap<String, Triaged> =
        store.triage(None)?.into_iter().map(|one| (one.incident_id.clone(), one)).collect();
    said.retain(|_, one| one.state != TriageState::Undone);
    Ok(said)
}

pub(super) fn shown(store: &Store, incidents: Vec<Incident>) -> Result<Vec<Shown>> {
    let names = store.account_names()?;
    let said = current_triage(store)?;
    let show = |incident: Incident| {
        let dimensions = incident.group_by.0.iter().map(ToString::to_string);
        let values = incident.group_values.iter().map(|value| Value::from(value.as_str()));
        let group: Map<String, Value> = dimensions.zip(values).collect();
        let account_name = group.get("account").and_then(Value::as_str).and_then(|account| names.get(account)).cloned();
        let days = (incident.last_date - incident.start_date).num_days() + 1;
        let triage = said.get(&incident.id).cloned();
        Shown { group, account_name, days, incident, triage, history: None }
    };
    Ok(incidents.into_iter().map(show).collect())
}
