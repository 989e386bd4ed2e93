//! The ledger: findings become incidents that keep their id, and what was found before is judged again.

use std::collections::BTreeSet;

use chrono::{Days, NaiveDate};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{
    Question,
    group_finding::{GAP_DAYS, GroupFinding},
    matching::{match_other_levels, matched},
    request::Request,
};
use crate::{
    analysis::detection::Finding,
    error::Result,
    model::{Dimension, Event, Evidence, Filter, Period, State},
    store::{
        Facts, Store,
        ledger::{Incident, Scope},
    },
};

/// At which levels a run judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Levels {
    /// One grouping.
    One,
    Every,
}

/// What a run of `anomalies` has to tell the ledger.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
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
    pub(crate) fn new(
        known: &[Incident],
        request: &Request,
        levels: Levels,
        currency: &str,
        judged: Period,
        findings: &[GroupFinding],
        is_judged: &dyn Fn(&Incident) -> bool,
    ) -> Self {
        let scope = scope(request, levels);
        let newest = known.iter().map(|incident| incident.seen_on).max();
        let mut matched = matched(known, findings);
        if levels == Levels::Every {
            match_other_levels(known, findings, &mut matched);
        }
        let mut given: BTreeSet<String> = known.iter().map(|incident| incident.id.clone()).collect();
        let id_of = |(one, place): (&GroupFinding, &Option<usize>)| match place {
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
            if former.is_none() && !one.is_current {
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
            let whole = findings.iter().zip(&ids).find(|(found, _)| found.covers(incident));
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
    pub(crate) fn with(mut self, other: Self) -> Self {
        self.ids.extend(other.ids);
        self.changes.extend(other.changes);
        self
    }
}

/// The incidents of what is asked. When a second currency comes, each is judged by itself from then on: what is open of the only one there
/// was goes on in the scope of that currency, with its id and all that was told of it.
pub(crate) fn known(store: &Store, request: &Request, levels: Levels) -> Result<Vec<Incident>> {
    let own = scope(request, levels);
    let mut known = store.incidents(Some(&own))?;
    let (currency, others): (Vec<Filter>, Vec<Filter>) = request
        .question
        .filters
        .iter()
        .cloned()
        .partition(|filter| filter.dimension == Dimension::Currency && !filter.negated);
    if let [currency] = currency.as_slice()
        && Facts::delivered_currencies(store)? > 1
    {
        let question = Question { filters: &others, ..request.question };
        let before = store.incidents(Some(&scope(&Request { question, ..request.clone() }, levels)))?;
        let is_same = |incident: &Incident| incident.currency == currency.value && incident.state == State::Open;
        known.extend(before.into_iter().filter(is_same).map(|incident| Incident { scope: own.clone(), ..incident }));
    }
    Ok(known)
}

/// What is asked: incidents of the same scope can be compared.
pub(crate) fn scope(request: &Request, levels: Levels) -> Scope {
    let question = &request.question;
    let mut filters = question.filters.to_vec();
    filters.sort_by_key(ToString::to_string);
    Scope {
        metric: question.metric,
        group_by: (levels == Levels::One).then(|| request.group_by.clone()),
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

/// The same for the same question, group, direction and first day, and given once.
fn stable_id(scope: &Scope, found: &GroupFinding, given: &mut BTreeSet<String>) -> String {
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
