//! Sending what waits: each channel for itself, its oldest message first. One that fails does not stop the others.

use std::{collections::BTreeMap, thread, time::Duration};

use aws_config::SdkConfig;
use chrono::{NaiveDateTime, TimeDelta};
use serde_json::Value;

use super::{Channel, Settings, Target, digest::Digest};
use crate::{
    error::{Error, Result},
    model::{Delivery, Queued},
    web::{
        Answer, Failure, Http, Kind, LONGEST_REST,
        secret::{Reference, Secret},
    },
};

/// A message that was refused in so many runs is given up.
const MOST_REFUSALS: u32 = 5;

/// A message that waited longer says so.
const DELAYED: TimeDelta = TimeDelta::hours(1);

/// What channels send with.
pub struct Sending<'a> {
    pub http: Http,
    pub attempts: u32,
    pub timeout: Duration,
    /// Of the credentials for costs, where a channel needs it.
    pub aws: Option<&'a SdkConfig>,
    /// What channels call the messages that they were sent, by our id.
    pub references: &'a BTreeMap<String, String>,
}

/// What came of a message.
#[derive(Debug)]
pub struct Attempt {
    pub message_id: String,
    pub channel: String,
    pub delivery: Delivery,
    pub failed: Option<Kind>,
}

impl<'a> Sending<'a> {
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(
        settings: &Settings,
        aws: Option<&'a SdkConfig>,
        references: &'a BTreeMap<String, String>,
    ) -> Result<Self> {
        let timeout = Duration::from_secs(settings.timeout_seconds);
        Ok(Self { http: Http::new(settings.attempts, timeout)?, attempts: settings.attempts, timeout, aws, references })
    }

    /// Posts JSON.
    pub fn json(
        &self,
        address: &str,
        secrets: &[&Secret],
        body: &Value,
        headers: &[(&str, &str)],
    ) -> Result<Answer, Failure> {
        let text = body.to_string();
        self.http.post(address, secrets, |request| {
            let request = request.header("content-type", "application/json; charset=utf-8").body(text.clone());
            headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
        })
    }

    /// Sends each part that is not among `done`, and adds it there. One that is refused does not stop the others; a service
    /// that is not reached, or wants to be left alone, does.
    ///
    /// # Errors
    /// The failure that asks for the next attempt, if there is one, else the first.
    pub fn each<T>(
        &self,
        parts: impl Iterator<Item = (String, T)>,
        done: &mut Vec<String>,
        send: impl Fn(T) -> Result<(), Failure>,
    ) -> Result<Option<String>, Failure> {
        let mut failed = None;
        for (part, what) in parts {
            if done.contains(&part) {
                continue;
            }
            match send(what) {
                Ok(()) => done.push(part),
                Err(failure) if failure.kind == Kind::Later => return Err(failure),
                Err(failure) => failed = failed.or(Some(failure)),
            }
        }
        failed.map_or(Ok(None), Err)
    }

    pub fn secret(&self, reference: Option<&Reference>) -> Result<Secret, Failure> {
        let reference = reference.ok_or_else(|| Failure::settings("a secret is missing in the configuration"))?;
        reference.read().map_err(|e| Failure::settings(e.summary()))
    }

    pub fn reference(&self, message_id: &str) -> Option<&str> {
        self.references.get(message_id).map(String::as_str)
    }
}

/// Whether any of the messages goes to AWS.
pub fn needs_aws(settings: &Settings, messages: &[Queued]) -> bool {
    settings
        .channels
        .iter()
        .any(|channel| channel.sns.is_some() && messages.iter().any(|one| one.channel == channel.name))
}

/// Sends messages, each channel in a thread of its own, and tells `done` of each as soon as it is known.
pub fn deliver(
    settings: &Settings,
    messages: &[Queued],
    sending: &Sending,
    now: NaiveDateTime,
    done: &(dyn Fn(Attempt) + Sync),
) {
    let channels = settings.channels_or_terminal();
    let mut by_channel: BTreeMap<&str, Vec<&Queued>> = BTreeMap::new();
    for message in messages {
        by_channel.entry(&message.channel).or_default().push(message);
    }
    thread::scope(|scope| {
        for (name, messages) in by_channel {
            // A channel of another configuration is another's to serve.
            let Some(channel) = channels.iter().find(|channel| channel.name == name) else { continue };
            scope.spawn(move || {
                for message in messages {
                    // A clock that was set back does not make anybody wait for longer than a service may ask for.
                    let rests = |time: NaiveDateTime| now < time && time - now <= LONGEST_REST;
                    if message.not_before.is_some_and(rests) {
                        break;
                    }
                    let attempt = send(channel, message, sending, now);
                    // Where a message waits for the channel, those after it do, too.
                    let stops = attempt.failed.is_some_and(|kind| kind != Kind::Refused);
                    done(attempt);
                    if stops {
                        break;
                    }
                }
            });
        }
    });
}

fn send(channel: &Channel, message: &Queued, sending: &Sending, now: NaiveDateTime) -> Attempt {
    let digest: Digest = match serde_json::from_str(&message.message) {
        Ok(digest) => digest,
        Err(error) => {
            let error = format!("the message cannot be read: {error}");
            return attempt(message, Delivery::Dropped { error });
        }
    };
    let digest = match now - message.created_at > DELAYED {
        true => digest.delayed(message.created_at),
        false => digest,
    };
    // What is refused again and again may be so for a name in it: what counts is told without.
    let digest = if message.refusals + 1 >= MOST_REFUSALS { digest.reduced() } else { digest };
    let mut parts = message.parts_done.clone();
    match send_digest(channel, &digest, sending, &mut parts) {
        Ok(reference) => attempt(message, Delivery::Sent { reference }),
        Err(Failure { error, not_before, kind }) => {
            let refusals = message.refusals + u32::from(kind == Kind::Refused);
            let delivery = match refusals >= MOST_REFUSALS {
                true => Delivery::Dropped { error },
                false => Delivery::Waiting { error, not_before, parts_done: parts, refusals },
            };
            Attempt { failed: Some(kind), ..attempt(message, delivery) }
        }
    }
}

/// Sends one digest to one channel.
///
/// # Errors
/// When it did not arrive; `parts` are those that did.
pub fn send_digest(
    channel: &Channel,
    digest: &Digest,
    sending: &Sending,
    parts: &mut Vec<String>,
) -> Result<Option<String>, Failure> {
    match channel.target().map_err(|e: Error| Failure::settings(e.summary()))? {
        Target::Slack(settings) => settings.send(digest, sending),
        Target::Teams(settings) => settings.send(digest, sending),
        Target::Webhook(settings) => settings.send(digest, sending),
        Target::Email(settings) => settings.send(digest, sending, parts),
        Target::Sns(settings) => settings.send(digest, sending),
        Target::Pagerduty(settings) => settings.send(digest, sending, parts),
        Target::Twilio(settings) => settings.send(digest, sending, parts),
        Target::File(settings) => settings.send(digest),
        Target::Stdout => Ok(None),
    }
}

fn attempt(message: &Queued, delivery: Delivery) -> Attempt {
    Attempt { message_id: message.message_id.clone(), channel: message.channel.clone(), delivery, failed: None }
}
