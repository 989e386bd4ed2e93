//! Alerts: from the ledger to messages in the outbox, and from there to channels.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

use chrono::{Days, NaiveDate, TimeDelta, Utc};

use super::{ExplainWith, Notified, Printed, Session, Summary, Waiting, Writer, budgets, now, request};
use crate::{
    error::{Error, Result},
    insights::{
        Frame,
        alerts::{self, Candidates},
        answer::Answer,
        explain,
        explanation::Explanation,
        incidents::Shown,
        ledger::{Levels, scope},
    },
    model::{AlertKind, Delivery, Dimension, Filter, Notification, Queued, Sensitivity},
    notify::{
        Channel,
        deliver::{Attempt, deliver, needs_aws, send_digest},
        digest::{About, Digest},
        plan::{Inputs, Message, Planned, plan, short_hash},
        planned::Plan,
        transport::{AwsAccess, Sending},
    },
    store::Store,
    web::{Kind, Signer},
};

/// A message waits so long for a channel that the configuration does not have: another one may, on the same database.
const LONGEST_WAIT: TimeDelta = TimeDelta::days(30);

/// Alerts to what is new: messages are written into the outbox with what they are about, then everything that waits is
/// sent. Errors of channels go into the summary.
///
/// # Errors
/// When nothing could be planned or kept.
pub(super) fn alert(
    alerting: &Alerting,
    with: Option<ExplainWith>,
    session: &Session,
    summary: &mut Summary,
) -> Result<()> {
    let settings = &session.config().notify;
    let mut planned = planned(alerting, false, session)?;
    // The database is closed: a model takes its time.
    let writer = Writer::new(with, session)?;
    planned.add_words(&|found: &Answer<Explanation>| writer.words(found, session));
    planned.notes.iter().for_each(|note| session.reporter().note(&format!("note: {note}")));
    summary.open = planned.open;
    summary.suppressed = planned.suppressed;
    planned.messages.extend(freshness(alerting.today, session, summary)?);
    let mut errors = Vec::new();
    match budgets::news(alerting.today, session) {
        Ok(news) => {
            session.store_for_writing()?.note(now(), &news.corrected)?;
            planned.messages.extend(news.messages);
        }
        Err(error) => errors.push(error),
    }
    let queued: Vec<(Queued, Vec<Notification>)> = planned.messages.iter().map(queued).collect::<Result<_>>()?;
    let (waiting, references) = {
        let mut store = session.store_for_writing()?;
        errors.extend(keep(&queued, &mut store)?);
        let waiting = without_absent(store.waiting()?, &mut store, session, summary)?;
        (waiting, store.references()?.into_iter().collect::<BTreeMap<String, String>>())
    };
    // What is for stdout is printed by the caller, and noted as sent after that.
    let is_printed = |message: &Queued| settings.channel(&message.channel).is_ok_and(|channel| channel.is_terminal());
    let (printed, waiting): (Vec<Queued>, Vec<Queued>) = waiting.into_iter().partition(is_printed);
    for message in printed {
        if queued.iter().all(|(own, _)| own.message_id != message.message_id) {
            *summary.caught_up.entry(message.channel.clone()).or_default() += 1;
        }
        let digest: Digest = match serde_json::from_str(&message.message) {
            Ok(digest) => digest,
            Err(error) => {
                let error = Error::input(format!("the message {} cannot be read", message.message_id)).cause(error);
                let given_up = [(message.message_id, Delivery::Dropped { error: error.summary() })];
                session.store_for_writing()?.save_deliveries(now(), &given_up)?;
                errors.push(error);
                continue;
            }
        };
        let as_json = serde_json::to_value(&digest).unwrap_or_default();
        summary.printed.push(Printed { message_id: message.message_id, text: digest.plain(), message: as_json });
    }
    let aws = if needs_aws(settings, &waiting) { Some(aws_access(session)?) } else { None };
    let sending = Sending::new(settings, aws, &references)?;
    let results: Mutex<Vec<Attempt>> = Mutex::default();
    let failed: Mutex<Option<Error>> = Mutex::default();
    deliver(settings, &waiting, &sending, now(), &|attempt| {
        // Noted at once: what was sent is not sent again, whatever happens next.
        let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
        let done = [(attempt.message_id.clone(), attempt.delivery.clone())];
        let saved = session.store_for_writing().and_then(|mut store| store.save_deliveries(now(), &done));
        if let Err(error) = saved {
            *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        }
        results.push(attempt);
    });
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    errors.extend(failed.into_inner().unwrap_or_else(PoisonError::into_inner));
    let tried: BTreeSet<String> = results.iter().map(|one| one.channel.clone()).collect();
    errors.extend(note_results(results, &planned, &waiting, summary));
    // A channel that nothing is sent to today may be broken all the same.
    for channel in settings.channels.iter().filter(|channel| !tried.contains(&channel.name)) {
        if let Err(error) = channel.check_secrets() {
            errors.push(error.context(format!("the channel `{}` cannot be used", channel.name)));
        }
    }
    summary.send_errors.extend(errors);
    Ok(())
}

/// Puts messages into the outbox, each with what is noted of it, and gives the errors of those that cannot be put there: they are
/// as new to the next run as they were to this one.
///
/// # Errors
/// When none can.
fn keep(queued: &[(Queued, Vec<Notification>)], store: &mut Store) -> Result<Vec<Error>> {
    let mut failed = Vec::new();
    for one in queued {
        if let Err(error) = store.queue(now(), std::slice::from_ref(one)) {
            failed.push(error.context(format!("a message to the channel `{}` cannot be kept", one.0.channel)));
        }
    }
    if !queued.is_empty() && failed.len() == queued.len() { Err(failed.remove(0)) } else { Ok(failed) }
}

/// The messages to channels that the configuration has. The others wait, which the summary says; those that have waited
/// for too long are given up.
fn without_absent(
    waiting: Vec<Queued>,
    store: &mut Store,
    session: &Session,
    summary: &mut Summary,
) -> Result<Vec<Queued>> {
    let settings = &session.config().notify;
    let (known, absent): (Vec<_>, Vec<_>) =
        waiting.into_iter().partition(|message| settings.channel(&message.channel).is_ok());
    let (old, absent): (Vec<_>, Vec<_>) =
        absent.into_iter().partition(|message| now() - message.created_at > LONGEST_WAIT);
    let given_up = old.into_iter().map(|message| (message.message_id, Delivery::Dropped { error: NO_CHANNEL.into() }));
    store.save_deliveries(now(), &given_up.collect::<Vec<_>>())?;
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for message in absent {
        *counts.entry(message.channel).or_default() += 1;
    }
    summary.waiting.extend(counts.into_iter().map(|(channel, messages)| {
        let error = format!("{NO_CHANNEL}; `notify drop {channel}` gives up what waits");
        Waiting { channel, messages, error, not_before: None }
    }));
    Ok(known)
}

/// Why a message waits for a channel of another configuration.
pub(super) const NO_CHANNEL: &str = "this configuration has no such channel";

/// Puts what came of messages into the summary, and gives the errors.
fn note_results(mut results: Vec<Attempt>, planned: &Planned, waiting: &[Queued], summary: &mut Summary) -> Vec<Error> {
    results.sort_by(|a, b| (&a.channel, &a.message_id).cmp(&(&b.channel, &b.message_id)));
    for message in &planned.messages {
        summary.notified.push(Notified {
            channel: message.channel.clone(),
            incidents: message.digest.alerts.len() + message.digest.more,
            title: message.digest.title.clone(),
            sent: results.iter().any(|one| one.message_id == message.digest.id && one.failed.is_none())
                || summary.printed.iter().any(|one| one.message_id == message.digest.id),
        });
    }
    let is_done = |id: &str| {
        let done = results.iter().find(|one| one.message_id == id);
        done.is_some_and(|one| !matches!(one.delivery, Delivery::Waiting { .. }))
    };
    let waits = |channel: &str| {
        waiting.iter().filter(|message| message.channel == channel && !is_done(&message.message_id)).count()
    };
    let left: BTreeMap<String, usize> =
        waiting.iter().map(|message| (message.channel.clone(), waits(&message.channel))).collect();
    let mut errors = Vec::new();
    // Those that want to be left alone were not tried.
    for message in waiting.iter().filter(|message| results.iter().all(|one| one.channel != message.channel)) {
        let waiting = Waiting {
            channel: message.channel.clone(),
            messages: left[&message.channel],
            error: message.error.clone().unwrap_or_default(),
            not_before: message.not_before,
        };
        if summary.waiting.iter().all(|one| one.channel != waiting.channel) {
            let error = Error::remote(format!("the channel `{}` wants to be left alone for a while", waiting.channel));
            errors.push(error.cause(&waiting.error));
            summary.waiting.push(waiting);
        }
    }
    for attempt in results {
        match attempt.delivery {
            Delivery::Sent { .. } => {
                summary.sent += 1;
                // What was written before this run began.
                let is_own = planned.messages.iter().any(|message| message.digest.id == attempt.message_id);
                if !is_own {
                    *summary.caught_up.entry(attempt.channel).or_default() += 1;
                }
            }
            Delivery::Waiting { error, not_before, .. } => {
                let title = format!("the channel `{}` does not take the message", attempt.channel);
                let failed =
                    if attempt.failed == Some(Kind::Settings) { Error::input(title) } else { Error::remote(title) };
                errors.push(failed.cause(&error).hint("it waits for the next run; `notify status` shows what waits"));
                let messages = left.get(&attempt.channel).copied().unwrap_or(1);
                if summary.waiting.iter().all(|one| one.channel != attempt.channel) {
                    summary.waiting.push(Waiting { channel: attempt.channel, messages, error, not_before });
                }
            }
            Delivery::Dropped { error } => {
                errors.push(
                    Error::remote(format!("a message to the channel `{}` is given up", attempt.channel)).cause(&error),
                );
            }
        }
    }
    errors
}

/// What there is to be alerted to.
pub(super) struct Alerting<'a> {
    /// What is asked apart, as filters.
    pub questions: &'a [Vec<Filter>],
    pub plans: &'a [Plan],
    pub today: NaiveDate,
    pub sensitivity: Option<Sensitivity>,
}

/// Notes that messages were printed.
///
/// # Errors
/// When the database cannot be written.
pub fn note_printed(summary: &Summary, session: &Session) -> Result<()> {
    if summary.printed.is_empty() {
        return Ok(());
    }
    let sent = summary.printed.iter().map(|one| (one.message_id.clone(), Delivery::Sent { reference: None }));
    session.store_for_writing()?.save_deliveries(now(), &sent.collect::<Vec<_>>())
}

/// What the ledger of notices calls bills that do not come any more.
const BILLS: &str = "bills";

/// A message to each channel that does not know yet that the bills have stopped coming, or that they come again.
fn freshness(today: NaiveDate, session: &Session, summary: &mut Summary) -> Result<Vec<Message>> {
    let settings = &session.config().notify;
    let store = session.store()?;
    let Ok(frame) = Frame::new(&*store, &request(session, today, None, &[]).question) else { return Ok(Vec::new()) };
    summary.data_age_days = Some(frame.data_age_days);
    if settings.stale_days == 0 {
        return Ok(Vec::new());
    }
    let newest = today - Days::new(u64::try_from(frame.data_age_days).unwrap_or(0));
    let is_stale = frame.data_age_days > i64::from(settings.stale_days);
    let known = store.notifications()?;
    let mut messages = Vec::new();
    for channel in settings.channels_or_terminal() {
        let last = known
            .iter()
            .rfind(|notification| notification.incident_id == BILLS && notification.channel == channel.name);
        let was_stale = last.is_some_and(|notification| notification.event == AlertKind::Stale);
        if is_stale == was_stale {
            continue;
        }
        let (about, title, text) = match is_stale {
            true => (
                About::Failure,
                format!("No new bills since {newest}"),
                format!(
                    "The newest costs are {} days old: what moved since is not seen. `doctor` says what is missing.",
                    frame.data_age_days
                ),
            ),
            false => (
                About::Recovery,
                "Bills come again".to_owned(),
                format!("The newest costs are of {newest}. What was missed is judged."),
            ),
        };
        let mut digest = Digest::of_program(about, BILLS, today, &title, text);
        digest.id = short_hash(&format!("{} {BILLS} {is_stale} {newest} {today}", channel.name));
        let notification = freshness_notice(BILLS, &channel.name, is_stale, newest, today, &digest.id);
        messages.push(Message { channel: channel.name, digest, notifications: vec![notification] });
    }
    if !is_stale {
        messages.extend(freshness_of_bills(today, &frame, session, &known));
    }
    Ok(messages)
}

/// What is noted when a channel is alerted that bills stopped coming, or that they come again.
fn freshness_notice(
    topic: &str,
    channel: &str,
    is_stale: bool,
    newest: NaiveDate,
    today: NaiveDate,
    message_id: &str,
) -> Notification {
    Notification {
        incident_id: topic.to_owned(),
        channel: channel.to_owned(),
        event: if is_stale { AlertKind::Stale } else { AlertKind::Fresh },
        subject: topic.to_owned(),
        notified_on: today,
        seen_on: newest,
        last_date: newest,
        impact: 0.0,
        impact_total: 0.0,
        message_id: message_id.to_owned(),
    }
}

/// The same of single bills while others come.
fn freshness_of_bills(today: NaiveDate, frame: &Frame, session: &Session, known: &[Notification]) -> Vec<Message> {
    let settings = &session.config().notify;
    let mut messages = Vec::new();
    for bill in frame.freshness(today, settings.stale_days) {
        let topic = format!("{BILLS} of {}", bill.payer);
        for channel in settings.channels_or_terminal() {
            let last = known
                .iter()
                .rfind(|notification| notification.incident_id == topic && notification.channel == channel.name);
            if bill.is_stale == last.is_some_and(|notification| notification.event == AlertKind::Stale) {
                continue;
            }
            let (name, newest) = (&bill.name, bill.newest);
            let (about, title, text) = match bill.is_stale {
                true => (
                    About::Failure,
                    format!("No new bills of {name} since {newest}"),
                    "Other bills come. What moved in this one since is not seen, and sums are without it.".to_owned(),
                ),
                false => (
                    About::Recovery,
                    format!("Bills of {name} come again"),
                    format!("Its newest costs are of {newest}. What was missed is judged."),
                ),
            };
            let mut digest = Digest::of_program(about, &topic, today, &title, text);
            digest.id = short_hash(&format!("{} {topic} {} {newest} {today}", channel.name, bill.is_stale));
            let notification = freshness_notice(&topic, &channel.name, bill.is_stale, newest, today, &digest.id);
            messages.push(Message { channel: channel.name, digest, notifications: vec![notification] });
        }
    }
    messages
}

/// What there is to tell, and to whom.
pub(super) fn planned(alerting: &Alerting, explain_all: bool, session: &Session) -> Result<Planned> {
    let config = &session.config();
    let store = session.store()?;
    let mut all = Candidates { candidates: Vec::new(), others: Vec::new() };
    for filters in alerting.questions {
        let request = request(session, alerting.today, alerting.sensitivity, filters);
        let candidates = alerts::candidates(&store, &scope(&request, Levels::Every), request.parameters.threshold)?;
        all.candidates.extend(candidates.candidates);
        all.others.extend(candidates.others);
    }
    let question = request(session, alerting.today, alerting.sensitivity, &[]).question;
    let settled_through = Frame::new(&*store, &question).ok().map(|frame| frame.settled_through);
    let explain =
        |shown: &Shown, also: &[Dimension]| explain::incident(&*store, shown, question, &config.anomaly, also);
    // A message without a link is better than none.
    let signer = Signer::new(&config.server).unwrap_or_else(|error| {
        session.reporter().failed(&error);
        None
    });
    let page = |id: &str| {
        let path = signer.as_ref().map_or_else(|| format!("/incidents/{id}"), |signer| signer.path(id, Utc::now()));
        config.server.public_url().map(|url| format!("{url}{path}"))
    };
    let inputs = Inputs {
        page: &page,
        settings: &config.notify,
        plans: alerting.plans,
        today: alerting.today,
        settled_through,
        explain_all,
        explain: &explain,
    };
    Ok(plan(&all, &inputs))
}

fn queued(message: &Message) -> Result<(Queued, Vec<Notification>)> {
    let text = serde_json::to_string(&message.digest).map_err(|e| Error::bug("a message has no JSON").caused_by(e))?;
    let queued = Queued {
        message_id: message.digest.id.clone(),
        channel: message.channel.clone(),
        created_at: now(),
        message: text,
        attempts: 0,
        refusals: 0,
        not_before: None,
        parts_done: Vec::new(),
        error: None,
    };
    Ok((queued, message.notifications.clone()))
}

/// A message to every channel, at once and past the outbox: about the program itself. `print` takes what is for stdout.
pub fn send_to_all(digest: &Digest, session: &Session, print: &dyn Fn(&str) -> Result<()>) -> Vec<Error> {
    let settings = &session.config().notify;
    let send = |channel: &Channel| match channel.is_terminal() {
        true => print(&(digest.plain() + "\n")),
        false => send_now(channel, digest, session),
    };
    settings.channels_or_terminal().iter().filter_map(|channel| send(channel).err()).collect()
}

/// Sends a message past the outbox.
///
/// # Errors
/// When it does not arrive.
pub(super) fn send_now(channel: &Channel, digest: &Digest, session: &Session) -> Result<()> {
    let aws = if channel.needs_aws() { Some(aws_access(session)?) } else { None };
    let references = BTreeMap::new();
    let sending = Sending::new(&session.config().notify, aws, &references)?;
    send_digest(channel, digest, &sending, &mut Vec::new()).map(drop).map_err(|failure| {
        let error = failure.to_error(format!("the channel `{}` does not take the message", channel.name));
        error.hint("docs/ALERTS.md says what each channel needs")
    })
}

/// What channels of AWS send with.
fn aws_access(session: &Session) -> Result<AwsAccess<'_>> {
    Ok((session.aws()?.sdk_config(), session.runtime()?))
}
