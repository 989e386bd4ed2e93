//! The incidents of the ledger, as they are shown.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{group_filters, group_names};
use crate::{
    analysis::detection::{Parameters, Settings},
    error::{Code, Error, Result, nearest},
    model::{AlertKind, Filter, State, TriageState, Triaged},
    store::{
        Facts, Store,
        ledger::{HistoryEntry, Incident},
    },
};

/// Which incidents to list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query<'a> {
    /// States, none for all.
    pub states: &'a [State],
    /// Marks of open ones, beside the states.
    pub triage_states: &'a [TriageState],
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
    /// The last one first.
    pub incidents: Vec<Shown>,
}

/// One incident, its group an object.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Shown {
    /// Its values by dimension; empty for the total, and for a shift that many groups share.
    pub group: Map<String, Value>,
    /// The name of its account.
    pub account_name: Option<String>,
    /// Days from the first to the last flagged day.
    pub days: i64,
    /// As the ledger keeps it.
    #[serde(flatten)]
    pub incident: Incident,
    /// What somebody said of it last.
    pub triage: Option<Triaged>,
    /// What became of it; only where one incident is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<Vec<HistoryEntry>>,
    /// Who was alerted to it; only where one incident is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alerts: Option<Vec<Alerted>>,
}

/// An alert that was sent of an incident.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Alerted {
    /// The channel that it went to.
    pub channel: String,
    /// What it was about.
    pub event: AlertKind,
    /// On which day.
    pub notified_on: NaiveDate,
}

/// Lists incidents, the last one first.
///
/// # Errors
/// When the database cannot be read.
pub(crate) fn list(store: &Store, query: &Query) -> Result<Incidents> {
    let shown = shown(store, store.incidents(None)?)?;
    let matches = |one: &Shown| {
        let has = |(dimension, value): &(String, String)| {
            one.group.get(dimension).and_then(Value::as_str) == Some(value)
                || (dimension == "account" && one.account_name.as_ref() == Some(value))
                || (dimension == "currency" && one.incident.currency == *value)
        };
        let is_triaged = one.triage.as_ref().is_some_and(|triaged| query.triage_states.contains(&triaged.state));
        let any = query.states.is_empty() && query.triage_states.is_empty();
        (any || query.states.contains(&one.incident.state) || is_triaged && one.incident.state == State::Open)
            && query.since.is_none_or(|since| one.incident.last_date >= since)
            && query.min_impact.is_none_or(|least| one.incident.impact_total.abs() >= least)
            && query.values.iter().all(has)
    };
    Ok(Incidents { incidents: shown.into_iter().filter(matches).collect() })
}

/// What those that are open have at stake, by currency: amounts of several do not add up.
pub(crate) fn at_stake<'a>(incidents: impl IntoIterator<Item = &'a Shown>) -> BTreeMap<String, f64> {
    let mut sums = BTreeMap::new();
    for shown in incidents.into_iter().filter(|shown| shown.incident.state == State::Open) {
        *sums.entry(shown.incident.currency.clone()).or_default() += shown.incident.at_stake.max(0.0);
    }
    sums
}

/// One incident with its history, by its id or the beginning of it.
///
/// # Errors
/// When there is none, or several begin so.
pub(crate) fn one(store: &Store, id: &str) -> Result<Shown> {
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
    let of_it = store.notifications()?.into_iter().filter(|sent| sent.incident_id == incident.id);
    let alerts =
        of_it.map(|sent| Alerted { channel: sent.channel, event: sent.event, notified_on: sent.notified_on }).collect();
    let mut shown = shown(store, vec![incident])?;
    shown
        .pop()
        .map(|one| Shown { history: Some(history), alerts: Some(alerts), ..one })
        .ok_or_else(|| Error::bug("an incident went missing"))
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
    let mut triaged: BTreeMap<String, Triaged> =
        store.triage(None)?.into_iter().map(|one| (one.incident_id.clone(), one)).collect();
    triaged.retain(|_, one| one.state != TriageState::Undone);
    Ok(triaged)
}

pub(super) fn shown(store: &Store, incidents: Vec<Incident>) -> Result<Vec<Shown>> {
    let names = Facts::account_names(store)?;
    let triaged = current_triage(store)?;
    let show = |incident: Incident| {
        let dimensions = incident.group_by.0.iter().map(ToString::to_string);
        let values = incident.group_values.iter().map(|value| Value::from(value.as_str()));
        let group: Map<String, Value> = dimensions.zip(values).collect();
        let account_name = group.get("account").and_then(Value::as_str).and_then(|account| names.get(account)).cloned();
        let days = (incident.last_date - incident.start_date).num_days() + 1;
        let triage = triaged.get(&incident.id).cloned();
        Shown { group, account_name, days, incident, triage, history: None, alerts: None }
    };
    Ok(incidents.into_iter().map(show).collect())
}
