//! Who is told what, and why: incidents go by their owner to channels, and each channel says what it wants.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use sha2::{Digest as _, Sha256};

use super::{
    Channel, Settings,
    alert::Alert,
    digest::Digest,
    places::Places,
    planned::{Plan, Spent},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    error::Result,
    insights::{
        alerts::{Case, Cases, News, Quiet, Taste},
        answer::Answer,
        explanation::Explanation,
        incidents::Shown,
        warning::Warning,
    },
    model::{AlertKind, Dimension, Notification, Severity, State, money},
};

/// Incidents that are explained in a run, those with most at stake: each asks the database several questions.
const MOST_EXPLAINED: usize = 50;

/// What was decided of an incident for a channel.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Decided {
    pub id: String,
    pub subject: String,
    pub severity: Severity,
    pub impact: f64,
    pub currency: String,
    pub owner: Option<String>,
    /// `null` when no channel takes it.
    pub channel: Option<String>,
    /// `opened`, `grown`, `returned`, `woken`, `joined`, `closed`; `null` for nothing.
    pub tells: Option<String>,
    pub why: String,
}

/// How far an explanation goes.
pub type Explain<'a> = dyn Fn(&Shown, &[Dimension]) -> Result<Answer<Explanation>> + 'a;
/// A language model's words about an explanation.
pub type Words<'a> = dyn Fn(&Answer<Explanation>) -> Option<String> + 'a;

/// What there is to tell with.
pub struct Inputs<'a> {
    pub settings: &'a Settings,
    pub plans: &'a [Plan],
    pub today: NaiveDate,
    pub settled_through: Option<NaiveDate>,
    /// Explain what is not told, too, to say whose it is.
    pub explain_all: bool,
    pub explain: &'a Explain<'a>,
}

/// Messages to send, and what was decided of each incident and channel.
#[derive(Debug, Default)]
pub struct Planned {
    pub messages: Vec<Message>,
    pub decisions: Vec<Decided>,
    pub notes: Vec<String>,
    /// Open incidents that nobody was or is told of.
    pub kept_back: usize,
    /// Incidents that are open.
    pub open: usize,
    /// By incident.
    pub explanations: BTreeMap<String, Answer<Explanation>>,
}

/// A message to a channel with what it tells.
#[derive(Debug)]
pub struct Message {
    pub channel: String,
    pub digest: Digest,
    pub notices: Vec<Notification>,
}

/// A case with what is known of where it is.
struct Seen<'a> {
    case: &'a Case,
    explained: Option<Answer<Explanation>>,
    places: Places,
}

/// Decides of every case for every channel, and makes one message for each channel.
pub fn plan(cases: &Cases, inputs: &Inputs) -> Planned {
    let settings = inputs.settings;
    let channels = settings.channels_or_terminal();
    let mut planned = Planned::default();
    let seen = see(cases, &channels, inputs, &mut planned.notes);
    let spent: Vec<Spent> = inputs.plans.iter().map(|plan| spent(plan, cases, &seen, inputs)).collect();
    let mut told: BTreeMap<&str, Vec<(Alert, &Case)>> = BTreeMap::new();
    for Seen { case, explained, places } in &seen {
        let shown = &case.shown;
        let covered = inputs.plans.iter().zip(&spent);
        let covered = covered.filter_map(|(plan, spent)| Some((plan, plan.covers(shown, places, spent)?)));
        let covered = covered.min_by_key(|(_, covered)| covered.exceeded.is_some());
        let owner = settings.owners.iter().find_map(|owner| Some((owner, places.fits(&owner.filters)?)));
        let owner_name = owner.as_ref().map(|(owner, _)| owner.name.clone());
        let (wanted, why) = match &owner {
            Some((owner, why)) => (&owner.channels, format!("{why}: {}", owner.name)),
            None if settings.owners.is_empty() => (&settings.default_channels, "there are no owners".into()),
            None => (&settings.default_channels, "no owner fits".into()),
        };
        let all = owner.is_none() && wanted.is_empty();
        let was_told = |channel: &Channel| {
            case.merged.contains_key(&channel.name) || case.notices.iter().any(|notice| notice.channel == channel.name)
        };
        let mut taken = false;
        for channel in channels.iter().filter(|one| all || wanted.contains(&one.name) || was_told(one)) {
            taken = true;
            let decided = case
                .decide(&channel.taste(settings), inputs.today, covered.as_ref().map(|(_, covered)| covered))
                .map_err(|quiet| quiet_words(quiet, &shown.incident.currency))
                .and_then(|news| channel.wants(case, places, &news).map(|()| news));
            planned.decisions.push(decision(shown, owner_name.clone(), Some(channel), &decided, &why));
            let Ok(news) = decided else { continue };
            let mut alert = Alert::new(shown, news, explained.as_ref(), &settings.links);
            let planner = covered.as_ref().and_then(|(plan, _)| plan.owner.clone());
            alert.owner = owner_name.clone().or(planner);
            alert.plan = covered.as_ref().and_then(|(_, covered)| covered.exceeded.clone());
            let first = case.notices.iter().find(|notice| notice.channel == channel.name);
            alert.told_as = first.map(|notice| notice.subject.clone()).filter(|subject| *subject != alert.subject);
            told.entry(&channel.name).or_default().push((alert, case));
        }
        let is_told = planned.decisions.iter().any(|one| one.id == shown.incident.id && one.tells.is_some());
        let is_open = shown.incident.state == State::Open;
        planned.open += usize::from(is_open);
        planned.kept_back += usize::from(is_open && !is_told && case.notices.is_empty());
        if !taken {
            let nobody = Err("no channel takes it".to_owned());
            planned.decisions.push(decision(shown, owner_name, None, &nobody, &why));
        }
    }
    for channel in &channels {
        let Some(alerts) = told.remove(channel.name.as_str()) else { continue };
        planned.messages.extend(messages(channel, alerts, inputs));
    }
    let explained = seen.into_iter().filter_map(|one| Some((one.case.shown.incident.id.clone(), one.explained?)));
    planned.explanations = explained.collect();
    planned
}

impl Planned {
    /// Lets a language model say something about each incident that is told in full.
    pub fn add_words(&mut self, words: &Words) {
        let mut known: BTreeMap<String, Option<String>> = BTreeMap::new();
        for alert in self.messages.iter_mut().flat_map(|message| &mut message.digest.alerts) {
            // Words about an explanation that is not told would be about something else.
            let explained = self.explanations.get(&alert.id).filter(|found| found.sentence == alert.sentence);
            let Some(explained) = explained else { continue };
            alert.words = known.entry(alert.id.clone()).or_insert_with(|| words(explained)).clone();
        }
    }
}

/// Explains what may be told, and says where each incident is.
fn see<'a>(cases: &'a Cases, channels: &[Channel], inputs: &Inputs, notes: &mut Vec<String>) -> Vec<Seen<'a>> {
    let asked = asked_dimensions(inputs.settings, channels, inputs.plans);
    let mut by_stake: Vec<&Case> = cases.cases.iter().collect();
    by_stake.sort_by(|a, b| b.shown.incident.at_stake.total_cmp(&a.shown.incident.at_stake));
    let (mut explanations, mut unexplained) = (0, 0);
    let mut seen = Vec::new();
    for case in by_stake {
        let shown = &case.shown;
        // Explaining takes a while: only what may be told, and what has ended needs no cause.
        let needs_cause = |news: News| !matches!(news, News::Closed { .. });
        let tells =
            |channel: &Channel| case.decide(&channel.taste(inputs.settings), inputs.today, None).is_ok_and(needs_cause);
        let may_tell = channels.iter().any(tells)
            || inputs.explain_all && shown.incident.state == State::Open
            || inputs.plans.iter().any(|plan| plan.in_window(shown));
        unexplained += usize::from(may_tell && explanations == MOST_EXPLAINED);
        let explains = may_tell && explanations < MOST_EXPLAINED;
        explanations += usize::from(explains);
        let explained = explains.then(|| (inputs.explain)(shown, &asked)).and_then(|explained| {
            let failed = |error: crate::error::Error| {
                notes.push(format!("incident {} is told without its cause: {}", shown.incident.id, error.summary()));
            };
            explained.map_err(failed).ok()
        });
        // An owner's tag that is not there is a typo, or not an active cost allocation tag.
        for note in explained.iter().flat_map(|found| &found.header.warnings) {
            let Warning::DimensionMissing { error, .. } = note else { continue };
            let note = format!("{error}: `notify.owners`, a channel or a plan asks for it");
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
        seen.push(Seen { case, places: Places::new(shown, explained.as_ref()), explained });
    }
    if unexplained > 0 {
        notes.push(format!(
            "{unexplained} incidents are told without their cause: {MOST_EXPLAINED} with more at stake are explained"
        ));
    }
    seen
}

/// What all incidents of a plan came to.
fn spent(plan: &Plan, cases: &Cases, seen: &[Seen], inputs: &Inputs) -> Spent {
    let others = cases.others.iter().filter(|one| one.incident.state != State::Withdrawn && plan.in_window(one));
    let dimensions: Vec<Dimension> = plan.filters.iter().map(|filter| filter.dimension.clone()).collect();
    let others = others.map(|shown| (shown, Places::new(shown, (inputs.explain)(shown, &dimensions).ok().as_ref())));
    let all = seen.iter().map(|one| (&one.case.shown, one.places.clone())).chain(others);
    let mut spent = Spent::default();
    for (shown, _) in all.filter(|(shown, places)| plan.is_of(shown, places)) {
        let incident = &shown.incident;
        let is_open = incident.state == State::Open;
        spent.add(&incident.currency, incident.impact_total, if is_open { incident.last_impact } else { 0.0 });
    }
    spent
}

/// The messages of one channel in one run: one, and one for each thread that is gone on with.
fn messages(channel: &Channel, alerts: Vec<(Alert, &Case)>, inputs: &Inputs) -> Vec<Message> {
    let mut threads: BTreeMap<Option<String>, Vec<(Alert, &Case)>> = BTreeMap::new();
    for (alert, case) in alerts {
        let first = case.notices.iter().find(|notice| notice.channel == channel.name);
        let thread = first.filter(|_| channel.has_threads()).map(|notice| notice.message_id.clone());
        threads.entry(thread).or_default().push((alert, case));
    }
    let message = |(thread, alerts): (Option<String>, Vec<(Alert, &Case)>)| {
        let notice = |(alert, case): &(Alert, &Case)| Notification {
            incident_id: alert.id.clone(),
            channel: channel.name.clone(),
            // Of what is over already there is no end to tell.
            event: if case.shown.incident.state == State::Open { alert.news.kind() } else { AlertKind::Closed },
            subject: alert.subject.clone(),
            notified_on: inputs.today,
            seen_on: case.shown.incident.seen_on,
            last_date: alert.last_date,
            impact: case.size(),
            impact_total: alert.impact_total,
            message_id: String::new(),
        };
        let mut notices: Vec<Notification> = alerts.iter().map(notice).collect();
        let id = message_id(channel, &notices, inputs.today);
        notices.iter_mut().for_each(|notice| notice.message_id.clone_from(&id));
        let alerts = alerts.into_iter().map(|(alert, _)| alert).collect();
        // PagerDuty's incidents are opened and resolved one by one.
        let top = if channel.tracks_incidents() { usize::MAX } else { inputs.settings.top };
        let mut digest = Digest::of_incidents(inputs.today, inputs.settled_through, alerts, top);
        digest.id = id;
        digest.update_of = thread;
        Message { channel: channel.name.clone(), digest, notices }
    };
    threads.into_iter().map(message).collect()
}

/// The same for the same news to the same channel on the same day.
fn message_id(channel: &Channel, notices: &[Notification], today: NaiveDate) -> String {
    let mut text = format!("{}|{today}", channel.name);
    for notice in notices {
        text += &format!("|{} {} {} {:.2}", notice.incident_id, notice.event, notice.last_date, notice.impact);
    }
    short_hash(&text)
}

/// Sixteen hexadecimal digits of a text.
pub fn short_hash(text: &str) -> String {
    Sha256::digest(text).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The dimensions that owners, channels and plans ask about and an explanation does not look at by itself.
fn asked_dimensions(settings: &Settings, channels: &[Channel], plans: &[Plan]) -> Vec<Dimension> {
    let filters = settings.owners.iter().flat_map(|owner| &owner.filters);
    let filters = filters.chain(channels.iter().flat_map(|channel| &channel.filters));
    let filters = filters.chain(plans.iter().flat_map(|plan| &plan.filters));
    let asked: BTreeSet<Dimension> = filters.map(|filter| filter.dimension.clone()).collect();
    asked.into_iter().collect()
}

impl Channel {
    fn taste(&self, settings: &Settings) -> Taste<'_> {
        Taste { channel: &self.name, step: settings.growth_factor, tells_closed: self.tells_closed() }
    }

    /// Whether the channel wants an incident.
    ///
    /// # Errors
    /// Why not.
    fn wants(&self, case: &Case, places: &Places, news: &News) -> Result<(), String> {
        // Whom was told that it is, is told that it is over.
        if matches!(news, News::Closed { .. }) {
            return Ok(());
        }
        let incident = &case.shown.incident;
        let least = self.min_severity;
        if incident.severity < least {
            return Err(format!("{} is below its `min_severity` {}", incident.severity.name(), least.name()));
        }
        if case.size() < self.min_impact {
            return Err(format!("below its `min_impact` {:.2}", self.min_impact));
        }
        if !self.directions.contains(&incident.direction) {
            return Err(format!("its `directions` leave out what goes {}", incident.direction.name()));
        }
        // Whoever was told of it is told how it goes on.
        let was_told =
            case.merged.contains_key(&self.name) || case.notices.iter().any(|notice| notice.channel == self.name);
        match places.fits(&self.filters) {
            _ if was_told => Ok(()),
            Some(_) => Ok(()),
            None => Err("its `filters` leave it out".into()),
        }
    }
}

fn quiet_words(quiet: Quiet, currency: &str) -> String {
    match quiet {
        Quiet::Told { on, then } => format!("told on {on} at {} a day", money(then, currency)),
        Quiet::Restated => "only restated days have changed".into(),
        Quiet::Over => "it is over".into(),
        Quiet::Part { of } => format!("incident {of} goes on with it"),
        Quiet::Acked { by } if by.is_empty() => "acked".into(),
        Quiet::Acked { by } => format!("acked by {by}"),
        Quiet::Snoozed { until } => format!("snoozed until {until}"),
        Quiet::Expected { reason } => format!("expected: {reason}"),
        Quiet::Planned { plan } => format!("within the plan `{plan}`"),
    }
}

fn decision(
    shown: &Shown,
    owner: Option<String>,
    channel: Option<&Channel>,
    decided: &Result<News, String>,
    why: &str,
) -> Decided {
    let incident = &shown.incident;
    Decided {
        id: incident.id.clone(),
        subject: shown.subject(),
        severity: incident.severity,
        impact: incident.impact,
        currency: incident.currency.clone(),
        owner,
        channel: channel.map(|channel| channel.name.clone()),
        tells: decided.as_ref().ok().map(|news| news.kind().to_string()),
        why: match decided {
            Ok(_) => why.to_owned(),
            Err(quiet) => quiet.clone(),
        },
    }
}
