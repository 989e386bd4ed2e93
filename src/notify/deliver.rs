//! Sending what waits: each channel for itself, its oldest message first. One that fails does not stop the others.

use std::{collections::BTreeMap, thread};

use chrono::{NaiveDateTime, TimeDelta};

use super::{Settings, channel::Channel, digest::Digest, transport::Sending};
use crate::{
    error::{Error, Result},
    model::{Delivery, Queued},
    web::{Failure, Kind, LONGEST_REST},
};

/// A message that was refused in so many runs is given up.
const MOST_REFUSALS: u32 = 5;

/// A message that waited longer says so.
const DELAYED: TimeDelta = TimeDelta::hours(1);

/// What came of a message.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub message_id: String,
    pub channel: String,
    pub delivery: Delivery,
    pub failed: Option<Kind>,
}

/// Whether any of the messages goes to AWS.
pub(crate) fn needs_aws(settings: &Settings, messages: &[Queued]) -> bool {
    let is_used = |channel: &&Channel| messages.iter().any(|message| message.channel == channel.name);
    settings.channels.iter().filter(is_used).any(Channel::needs_aws)
}

/// Sends messages, each channel in a thread of its own, and calls `done` of each as soon as it is known.
pub(crate) fn deliver(
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
                    match &attempt.delivery {
                        Delivery::Sent { .. } => tracing::info!(channel = name, message = attempt.message_id, "sent"),
                        Delivery::Waiting { error, .. } | Delivery::Dropped { error } => {
                            tracing::warn!(channel = name, message = attempt.message_id, error, "not sent");
                        }
                    }
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
    // What is refused again and again may be so for a name in it: what counts is sent without.
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
pub(crate) fn send_digest(
    channel: &Channel,
    digest: &Digest,
    sending: &Sending,
    parts: &mut Vec<String>,
) -> Result<Option<String>, Failure> {
    let transport = channel.transport().map_err(|e: Error| Failure::settings(e.summary()))?;
    transport.send(digest, sending, parts)
}

fn attempt(message: &Queued, delivery: Delivery) -> Attempt {
    Attempt { message_id: message.message_id.clone(), channel: message.channel.clone(), delivery, failed: None }
}
