use chrono::{NaiveDateTime, Utc};
use clap::{Args, ValueEnum};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Effect, Header, Operation, Session, input::number};
use crate::{
    error::{Error, Result},
    insights::incidents::{Incidents, Query, Shown, list, one},
    model::{Day, Filter, State, TriageState, Triaged},
};

/// List what was found, and how it stands
///
/// `anomalies` keeps what it finds in the ledger: an incident has one id for as long as it lasts, over later runs and
/// restated bills. With an ID, or the beginning of one, shows that incident with its history.
#[derive(Args, Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct ListIncidents {
    /// Only incidents in these states
    #[arg(long, value_enum, value_delimiter = ',', default_value = "open", value_name = "STATES")]
    pub status: Vec<Status>,

    /// Only incidents that were seen on this day or later, as YYYY-MM-DD
    #[arg(long, value_name = "DATE")]
    pub since: Option<Day>,

    /// Only incidents of at least so much money in all, up or down
    #[arg(long, value_name = "AMOUNT", value_parser = number)]
    pub min_impact: Option<f64>,

    /// Only incidents of a group with this value, such as service=AmazonEC2; repeatable
    #[arg(long, value_name = "DIMENSION=VALUE")]
    pub filter: Vec<Filter>,
}

/// Show one incident with its history
#[derive(Args, Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct ShowIncident {
    /// One incident, by its id or the beginning of it
    pub id: String,
}

/// Say what is known of incidents, so that nobody is alerted without need
#[derive(Args, Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct TriageIncidents {
    /// Incidents, by their ids or the beginnings of them
    #[arg(value_name = "ID", required = true)]
    pub ids: Vec<String>,

    /// What is said
    #[arg(long, value_enum)]
    pub triage: Triage,

    /// Of a snooze, the first day on which alerts come again, as YYYY-MM-DD
    #[arg(long, value_name = "DATE")]
    pub until: Option<Day>,

    /// Why
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub reason: String,

    /// Who says so
    #[arg(long, value_name = "NAME", default_value = "")]
    pub by: String,
}

/// What people say of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Triage {
    /// Somebody is at it
    Ack,
    /// It can wait until a day
    Snooze,
    /// The cost is meant to be so
    Expect,
    /// What was said before is taken back
    Undo,
}

/// States of incidents, and what people said of open ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Going on, or seen within three days
    Open,
    /// Over
    Closed,
    /// Lasted, and is what is normal now
    Absorbed,
    /// Not found any more: the bill was restated, or the settings changed
    Withdrawn,
    /// Open, and somebody is at it
    Acked,
    /// Open, and not told until a day
    Snoozed,
    /// Open, and meant to be so
    Expected,
    /// Every state
    All,
}

impl Status {
    fn states(self) -> Vec<State> {
        match self {
            Status::Open => vec![State::Open],
            Status::Closed => vec![State::Closed],
            Status::Absorbed => vec![State::Absorbed],
            Status::Withdrawn => vec![State::Withdrawn],
            Status::All => State::ALL.to_vec(),
            Status::Acked | Status::Snoozed | Status::Expected => Vec::new(),
        }
    }

    fn triaged(self) -> Option<TriageState> {
        match self {
            Status::Acked => Some(TriageState::Acked),
            Status::Snoozed => Some(TriageState::Snoozed),
            Status::Expected => Some(TriageState::Expected),
            _ => None,
        }
    }
}

impl Operation for ListIncidents {
    const NAME: &'static str = "incidents";
    const TITLE: &'static str = "Incidents and how they stand";
    const EFFECT: Effect = Effect::Read;
    type Output = Incidents;

    fn answer(&self, session: &Session) -> Result<Answer<Incidents>> {
        if self.filter.iter().any(|filter| filter.negated) {
            return Err(Error::usage("`incidents --filter` takes DIMENSION=VALUE only"));
        }
        let values: Vec<(String, String)> =
            self.filter.iter().map(|filter| (filter.dimension.to_string(), filter.value.clone())).collect();
        let states: Vec<State> = self.status.iter().flat_map(|status| status.states()).collect();
        let triage_states: Vec<TriageState> = self.status.iter().filter_map(|status| status.triaged()).collect();
        let since = self.since.map(Day::date);
        let query = Query {
            states: &states,
            triage_states: &triage_states,
            since,
            min_impact: self.min_impact,
            values: &values,
        };
        Ok(Answer { header: Header::plain(), body: list(&*session.store()?, &query)? })
    }
}

impl Operation for ShowIncident {
    const NAME: &'static str = "incident";
    const TITLE: &'static str = "One incident with its history";
    const EFFECT: Effect = Effect::Read;
    type Output = Shown;

    fn answer(&self, session: &Session) -> Result<Answer<Shown>> {
        Ok(Answer { header: Header::plain(), body: one(&*session.store()?, &self.id)? })
    }
}

impl TriageIncidents {
    /// # Errors
    /// When what is said lacks what it needs.
    fn check(&self, session: &Session) -> Result<()> {
        match (self.triage, self.until) {
            (Triage::Snooze, None) => {
                Err(Error::usage("a snooze needs a day").hint("`--until YYYY-MM-DD`, on which alerts come again"))
            }
            (Triage::Snooze, Some(until)) if until.date() <= session.today() => {
                Err(Error::usage(format!("`--until {until}` is not after today, {}", session.today())))
            }
            (Triage::Ack | Triage::Expect | Triage::Undo, Some(_)) => Err(Error::usage("`until` is for a snooze")),
            (Triage::Expect, None) if self.reason.trim().is_empty() => {
                Err(Error::usage("`--reason` is empty")
                    .hint("say why the cost is meant to be so, for whoever asks later"))
            }
            _ => Ok(()),
        }
    }

    fn triaged(&self, shown: &Shown, triaged_at: NaiveDateTime) -> Triaged {
        let state = match self.triage {
            Triage::Ack => TriageState::Acked,
            Triage::Snooze => TriageState::Snoozed,
            Triage::Expect => TriageState::Expected,
            Triage::Undo => TriageState::Undone,
        };
        Triaged {
            incident_id: shown.incident.id.clone(),
            state,
            until: self.until.map(Day::date),
            reason: self.reason.clone(),
            triaged_by: self.by.clone(),
            triaged_at,
            impact: shown.incident.impact,
            last_date: shown.incident.last_date,
        }
    }
}

impl Operation for TriageIncidents {
    const NAME: &'static str = "triage";
    const TITLE: &'static str = "Say what is known of incidents";
    const EFFECT: Effect = Effect::Write;
    type Output = Incidents;

    fn answer(&self, session: &Session) -> Result<Answer<Incidents>> {
        self.check(session)?;
        // All of them are there before anything is said of any.
        let find = || -> Result<Vec<Shown>> {
            let store = session.store()?;
            self.ids.iter().map(|id| one(&store, id)).collect()
        };
        let found = find()?;
        for shown in &found {
            let (id, state) = (&shown.incident.id, shown.incident.state);
            if self.triage == Triage::Undo && shown.triage.is_none() {
                return Err(Error::input(format!("there is nothing to undo of incident {id}")));
            }
            if self.triage != Triage::Undo && state != State::Open {
                return Err(Error::input(format!("incident {id} is {state}: there is nothing to keep quiet"))
                    .hint("`aws-cost-anomalies incidents` lists those that are open"));
            }
        }
        let now = Utc::now().naive_utc();
        let triaged: Vec<Triaged> = found.iter().map(|shown| self.triaged(shown, now)).collect();
        session.store_for_writing()?.save_triage(&triaged)?;
        let incidents = find()?.into_iter().map(|shown| Shown { history: None, ..shown }).collect();
        Ok(Answer { header: Header::plain(), body: Incidents { incidents } })
    }
}
