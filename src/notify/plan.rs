//! Who is sent what, and why: incidents go by their owner to channels, and each channel says what it wants.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use chrono::NaiveDate;
use sha2::{Digest as _, Sha256};

use super::{
    Channel, Settings,
    alert::{Alert, Button},
    digest::Digest,
    places::{Fit, Places},
    planned::{Plan, Spent},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    error::Result,
    insights::{
        alerts::{AlertEvent, Candidate, Candidates, Policy, Suppression},
        answer::Answer,
        explanation::Explanation,
        incidents::Shown,
        warning::Warning,
    },
    model::{
        AlertKind, Dimension, Direction, Notification, Severity, State, money,
        text::{WithText, with_text},
    },
};

/// Incidents that are explained in a run, those with most at stake: each asks the database several questions.
const MOST_EXPLAINED: usize = 50;

/// What was decided of an incident for a channel.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Decision {
    pub id: String,
    pub subject: String,
    pub severity: Severity,
    pub impact: f64,
    pub currency: String,
    pub owner: Option<String>,
    /// `null` when no channel takes it.
    pub channel: Option<String>,
    /// What the alert is about; `null` when there is none.
    pub event: Option<AlertKind>,
    #[serde(serialize_with = "with_text")]
    #[schemars(with = "WithText<'static, Reason>")]
    pub reason: Reason,
}

/// Why an alert goes to a channel, or does not.
#[derive(Clone, Debug, JsonSchema, PartialEq, Serialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Reason {
    /// The owner's filters fit by these places.
    Owner {
        owner: String,
        fits: Vec<Fit>,
    },
    /// The configuration has no owners.
    NoOwners,
    /// The filters of none fit.
    NoOwnerFits,
    /// No channel takes it.
    NoChannel,
    /// There is no alert of it.
    Suppressed {
        why: Suppression,
        currency: String,
    },
    BelowMinSeverity {
        severity: Severity,
        min_severity: Severity,
    },
    BelowMinImpact {
        min_impact: f64,
    },
    /// The channel's directions leave it out.
    Direction {
        direction: Direction,
    },
    /// The channel's filters leave it out.
    Filters,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Reason::Owner { owner, fits } => {
                let fits: Vec<String> = fits.iter().map(ToString::to_string).collect();
                write!(f, "{}: {owner}", fits.join(", "))
            }
            Reason::NoOwners => f.write_str("there are no owners"),
            Reason::NoOwnerFits => f.write_str("no owner fits"),
            Reason::NoChannel => f.write_str("no channel takes it"),
            Reason::Suppressed { why, currency } => match why {
                Suppression::Notified { on, impact } => {
                    write!(f, "sent on {on} at {} a day", money(*impact, currency))
                }
                Suppression::Restated => f.write_str("only restated days have changed"),
                Suppression::Over => f.write_str("it is over"),
                Suppression::PartOf { incident } => write!(f, "incident {incident} goes on with it"),
                Suppression::Acked { by } if by.is_empty() => f.write_str("acked"),
                Suppression::Acked { by } => write!(f, "acked by {by}"),
                Suppression::Snoozed { until } => write!(f, "snoozed until {until}"),
                Suppression::Expected { reason } => write!(f, "expected: {reason}"),
                Suppression::Planned { plan } => write!(f, "within the plan `{plan}`"),
            },
            Reason::BelowMinSeverity { severity, min_severity } => {
                write!(f, "{} is below its `min_severity` {}", severity.name(), min_severity.name())
            }
            Reason::BelowMinImpact { min_impact } => write!(f, "below its `min_impact` {min_impact:.2}"),
            Reason::Direction { direction } => write!(f, "its `directions` leave out what goes {}", direction.name()),
            Reason::Filters => f.write_str("its `filters` leave it out"),
        }
    }
}

/// How far an explanation goes.
pub(crate) type Explain<'a> = dyn Fn(&Shown, &[Dimension]) -> Result<Answer<Explanation>> + 'a;
/// A language model's words about an explanation.
pub(crate) type Words<'a> = dyn Fn(&Answer<Explanation>) -> Option<String> + 'a;

/// What there is to tell with.
pub(crate) struct Inputs<'a> {
    pub settings: &'a Settings,
    pub plans: &'a [Plan],
    pub today: NaiveDate,
    pub settled_through: Option<NaiveDate>,
    /// Explain what is not sent, too, to say whose it is.
    pub explain_all: bool,
    pub explain: &'a Explain<'a>,
    /// The address of an incident's own page, where there is a server.
    pub page: &'a dyn Fn(&str) -> Option<String>,
}

/// Messages to send, and what was decided of each incident and channel.
#[derive(Debug, Default)]
pub(crate) struct Planned {
    pub messages: Vec<Message>,
    pub decisions: Vec<Decision>,
    pub notes: Vec<String>,
    /// Open incidents that nobody was or is alerted to.
    pub suppressed: usize,
    /// Incidents that are open.
    pub open: usize,
    /// By incident.
    pub explanations: BTreeMap<String, Answer<Explanation>>,
}

/// A message to a channel, with what is noted of it.
#[derive(Debug)]
pub(crate) struct Message {
    pub channel: String,
    pub digest: Digest,
    pub notifications: Vec<Notification>,
}

/// A candidate with what is known of where it is.
struct Seen<'a> {
    candidate: &'a Candidate,
    explained: Option<Answer<Explanation>>,
    places: Places,
}

/// Decides on every candidate for every channel, and makes one message for each channel.
pub(crate) fn plan(candidates: &Candidates, inputs: &Inputs) -> Planned {
    let settings = inputs.settings;
    let channels = settings.channels_or_terminal();
    let mut planned = Planned::default();
    let seen = explained(candidates, &channels, inputs, &mut planned.notes);
    let spent: Vec<Spent> = inputs.plans.iter().map(|plan| spent(plan, candidates, &seen, inputs)).collect();
    let mut alerts_by_channel: BTreeMap<&str, Vec<(Alert, &Candidate)>> = BTreeMap::new();
    for Seen { candidate, explained, places } in &seen {
        let shown = &candidate.shown;
        let covered = inputs.plans.iter().zip(&spent);
        let covered = covered.filter_map(|(plan, spent)| Some((plan, plan.covers(shown, places, spent)?)));
        let covered = covered.min_by_key(|(_, covered)| covered.exceeded.is_some());
        let owner = settings.owners.iter().find_map(|owner| Some((owner, places.fits(&owner.filters)?)));
        let owner_name = owner.as_ref().map(|(owner, _)| owner.name.clone());
        let (requested, reason) = match &owner {
            Some((owner, fits)) => (&owner.channels, Reason::Owner { owner: owner.name.clone(), fits: fits.clone() }),
            None if settings.owners.is_empty() => (&settings.default_channels, Reason::NoOwners),
            None => (&settings.default_channels, Reason::NoOwnerFits),
        };
        let all = owner.is_none() && requested.is_empty();
        let was_notified = |channel: &Channel| {
            candidate.merged.contains_key(&channel.name)
                || candidate.notifications.iter().any(|notification| notification.channel == channel.name)
        };
        let mut taken = false;
        for channel in channels.iter().filter(|one| all || requested.contains(&one.name) || was_notified(one)) {
            taken = true;
            let decided = candidate
                .decide(&channel.policy(settings), inputs.today, covered.as_ref().map(|(_, covered)| covered))
                .map_err(|why| Reason::Suppressed { why, currency: shown.incident.currency.clone() })
                .and_then(|event| channel.accepts(candidate, places, &event).map(|()| event));
            planned.decisions.push(decision(shown, owner_name.clone(), Some(channel), &decided, &reason));
            let Ok(event) = decided else { continue };
            let mut alert = Alert::new(shown, event, explained.as_ref(), &settings.links);
            let page = (inputs.page)(&shown.incident.id);
            alert.links.splice(0..0, page.map(|url| Button { name: "Incident".to_owned(), url }));
            let planner = covered.as_ref().and_then(|(plan, _)| plan.owner.clone());
            alert.owner = owner_name.clone().or(planner);
            let exceeded = covered.as_ref().and_then(|(_, covered)| covered.exceeded.as_ref());
            alert.plan = exceeded.map(|exceeded| exceeded.text(&shown.incident.currency));
            let first = candidate.notifications.iter().find(|notification| notification.channel == channel.name);
            alert.previous_subject =
                first.map(|notification| notification.subject.clone()).filter(|subject| *subject != alert.subject);
            alerts_by_channel.entry(&channel.name).or_default().push((alert, candidate));
        }
        let is_sent = planned.decisions.iter().any(|one| one.id == shown.incident.id && one.event.is_some());
        let is_open = shown.incident.state == State::Open;
        planned.open += usize::from(is_open);
        planned.suppressed += usize::from(is_open && !is_sent && candidate.notifications.is_empty());
        if !taken {
            let nobody = Err(Reason::NoChannel);
            planned.decisions.push(decision(shown, owner_name, None, &nobody, &reason));
        }
    }
    for channel in &channels {
        let Some(alerts) = alerts_by_channel.remove(channel.name.as_str()) else { continue };
        planned.messages.extend(messages(channel, alerts, inputs));
    }
    let explained = seen.into_iter().filter_map(|one| Some((one.candidate.shown.incident.id.clone(), one.explained?)));
    planned.explanations = explained.collect();
    planned
}

impl Planned {
    /// Lets a language model say something about each incident that is shown in full.
    pub(crate) fn add_words(&mut self, words: &Words) {
        let mut known: BTreeMap<String, Option<String>> = BTreeMap::new();
        let alerts = self.messages.iter_mut().flat_map(|message| &mut message.digest.alerts);
        // Words about an explanation that is not sent would be about something else.
        for alert in alerts.filter(|alert| alert.is_explained) {
            let Some(explained) = self.explanations.get(&alert.id) else { continue };
            alert.model_text = known.entry(alert.id.clone()).or_insert_with(|| words(explained)).clone();
        }
    }
}

/// Explains what may be sent, and says where each incident is.
fn explained<'a>(
    candidates: &'a Candidates,
    channels: &[Channel],
    inputs: &Inputs,
    notes: &mut Vec<String>,
) -> Vec<Seen<'a>> {
    let asked = asked_dimensions(inputs.settings, channels, inputs.plans);
    let mut by_stake: Vec<&Candidate> = candidates.candidates.iter().collect();
    by_stake.sort_by(|a, b| b.shown.incident.at_stake.total_cmp(&a.shown.incident.at_stake));
    let (mut explanations, mut unexplained) = (0, 0);
    let (mut seen, mut missing) = (Vec::new(), BTreeSet::new());
    for candidate in by_stake {
        let shown = &candidate.shown;
        // Explaining takes a while: only what may be sent, and what has ended needs no cause.
        let needs_cause = |event: AlertEvent| !matches!(event, AlertEvent::Closed { .. });
        let tells = |channel: &Channel| {
            candidate.decide(&channel.policy(inputs.settings), inputs.today, None).is_ok_and(needs_cause)
        };
        let may_tell = channels.iter().any(tells)
            || inputs.explain_all && shown.incident.state == State::Open
            || inputs.plans.iter().any(|plan| plan.in_window(shown));
        unexplained += usize::from(may_tell && explanations == MOST_EXPLAINED);
        let explains = may_tell && explanations < MOST_EXPLAINED;
        explanations += usize::from(explains);
        let explained = explains.then(|| (inputs.explain)(shown, &asked)).and_then(|explained| {
            let failed = |error: crate::error::Error| {
                notes.push(format!("incident {} is sent without its cause: {}", shown.incident.id, error.summary()));
            };
            explained.map_err(failed).ok()
        });
        // An owner's tag that is not there is a typo, or not an active cost allocation tag.
        for note in explained.iter().flat_map(|found| &found.header.warnings) {
            let Warning::DimensionMissing { dimension, error } = note else { continue };
            if missing.insert(dimension.clone()) {
                notes.push(format!("{error}: `notify.owners`, a channel or a plan asks for it"));
            }
        }
        seen.push(Seen { candidate, places: Places::new(shown, explained.as_ref()), explained });
    }
    if unexplained > 0 {
        notes.push(format!(
            "{unexplained} incidents are sent without their cause: {MOST_EXPLAINED} with more at stake are explained"
        ));
    }
    seen
}

/// What all incidents of a plan came to.
fn spent(plan: &Plan, candidates: &Candidates, seen: &[Seen], inputs: &Inputs) -> Spent {
    let others = candidates.others.iter().filter(|one| one.incident.state != State::Withdrawn && plan.in_window(one));
    let dimensions: Vec<Dimension> = plan.filters.iter().map(|filter| filter.dimension.clone()).collect();
    let others = others.map(|shown| (shown, Places::new(shown, (inputs.explain)(shown, &dimensions).ok().as_ref())));
    let all = seen.iter().map(|one| (&one.candidate.shown, one.places.clone())).chain(others);
    let mut spent = Spent::default();
    for (shown, _) in all.filter(|(shown, places)| plan.is_of(shown, places)) {
        let incident = &shown.incident;
        let is_open = incident.state == State::Open;
        spent.add(&incident.currency, incident.impact_total, if is_open { incident.last_impact } else { 0.0 });
    }
    spent
}

/// The messages of one channel in one run: one, and one for each thread that is gone on with.
fn messages(channel: &Channel, alerts: Vec<(Alert, &Candidate)>, inputs: &Inputs) -> Vec<Message> {
    let mut threads: BTreeMap<Option<String>, Vec<(Alert, &Candidate)>> = BTreeMap::new();
    for (alert, candidate) in alerts {
        let first = candidate.notifications.iter().find(|notification| notification.channel == channel.name);
        let thread = first.filter(|_| channel.has_threads()).map(|notification| notification.message_id.clone());
        threads.entry(thread).or_default().push((alert, candidate));
    }
    let message = |(thread, alerts): (Option<String>, Vec<(Alert, &Candidate)>)| {
        let notification = |(alert, candidate): &(Alert, &Candidate)| Notification {
            incident_id: alert.id.clone(),
            channel: channel.name.clone(),
            // Of what is over already there is no end to tell.
            event: if candidate.shown.incident.state == State::Open { alert.event.kind() } else { AlertKind::Closed },
            subject: alert.subject.clone(),
            notified_on: inputs.today,
            seen_on: candidate.shown.incident.seen_on,
            last_date: alert.last_date,
            impact: candidate.size(),
            impact_total: alert.impact_total,
            message_id: String::new(),
        };
        let mut notifications: Vec<Notification> = alerts.iter().map(notification).collect();
        let id = message_id(channel, &notifications, inputs.today);
        notifications.iter_mut().for_each(|notification| notification.message_id.clone_from(&id));
        let alerts = alerts.into_iter().map(|(alert, _)| alert).collect();
        // PagerDuty's incidents are opened and resolved one by one.
        let top = if channel.tracks_incidents() { usize::MAX } else { inputs.settings.top };
        let mut digest = Digest::of_incidents(inputs.today, inputs.settled_through, alerts, top);
        digest.id = id;
        digest.update_of = thread;
        Message { channel: channel.name.clone(), digest, notifications }
    };
    threads.into_iter().map(message).collect()
}

/// The same for the same alert to the same channel on the same day.
fn message_id(channel: &Channel, notifications: &[Notification], today: NaiveDate) -> String {
    let mut text = format!("{}|{today}", channel.name);
    for notification in notifications {
        text += &format!(
            "|{} {} {} {:.2}",
            notification.incident_id, notification.event, notification.last_date, notification.impact
        );
    }
    short_hash(&text)
}

/// Sixteen hexadecimal digits of a text.
pub(crate) fn short_hash(text: &str) -> String {
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
    fn policy(&self, settings: &Settings) -> Policy<'_> {
        Policy { channel: &self.name, step: settings.growth_factor, notifies_closed: self.notifies_closed() }
    }

    /// Whether the channel wants an incident.
    ///
    /// # Errors
    /// Why not.
    fn accepts(&self, candidate: &Candidate, places: &Places, event: &AlertEvent) -> Result<(), Reason> {
        // Whoever was alerted hears that it is over.
        if matches!(event, AlertEvent::Closed { .. }) {
            return Ok(());
        }
        let incident = &candidate.shown.incident;
        let least = self.min_severity;
        if incident.severity < least {
            return Err(Reason::BelowMinSeverity { severity: incident.severity, min_severity: least });
        }
        if candidate.size() < self.min_impact {
            return Err(Reason::BelowMinImpact { min_impact: self.min_impact });
        }
        if !self.directions.contains(&incident.direction) {
            return Err(Reason::Direction { direction: incident.direction });
        }
        // Whoever was alerted hears how it goes on.
        let was_notified = candidate.merged.contains_key(&self.name)
            || candidate.notifications.iter().any(|notification| notification.channel == self.name);
        match places.fits(&self.filters) {
            _ if was_notified => Ok(()),
            Some(_) => Ok(()),
            None => Err(Reason::Filters),
        }
    }
}

fn decision(
    shown: &Shown,
    owner: Option<String>,
    channel: Option<&Channel>,
    decided: &Result<AlertEvent, Reason>,
    routed: &Reason,
) -> Decision {
    let incident = &shown.incident;
    Decision {
        id: incident.id.clone(),
        subject: shown.subject(),
        severity: incident.severity,
        impact: incident.impact,
        currency: incident.currency.clone(),
        owner,
        channel: channel.map(|channel| channel.name.clone()),
        event: decided.as_ref().ok().map(AlertEvent::kind),
        reason: decided.as_ref().err().unwrap_or(routed).clone(),
    }
}
