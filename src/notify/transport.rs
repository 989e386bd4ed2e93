//! What a channel is made of: how it is checked, which secrets it has, and how it sends.

use std::{collections::BTreeMap, time::Duration};

use aws_config::SdkConfig;
use serde_json::Value;
use tokio::runtime::Handle;

use super::{Settings, digest::Digest};
use crate::{
    error::Result,
    web::{
        Answer, Failure, Http, Kind,
        secret::{Reference, Secret},
    },
};

/// A kind of channel: its settings, which send.
pub(crate) trait Transport {
    /// # Errors
    /// When a setting cannot be right.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// The secrets that sending reads.
    fn secrets(&self) -> Vec<&Reference> {
        Vec::new()
    }

    /// Whether sending needs AWS credentials.
    fn needs_aws(&self) -> bool {
        false
    }

    /// Whether the message is the output of the command itself, and nothing is sent.
    fn is_terminal(&self) -> bool {
        false
    }

    /// Whether each incident is one of its own there, which stays open until it is said to be over.
    fn tracks_incidents(&self) -> bool {
        false
    }

    /// Whether an update goes below the message that it is an update of.
    fn has_threads(&self) -> bool {
        false
    }

    /// Sends to each part (a recipient, an incident) that is not among `done`, and adds it there. Gives what the service
    /// calls the message.
    ///
    /// # Errors
    /// When it did not arrive, or not everywhere.
    fn send(&self, digest: &Digest, sending: &Sending, done: &mut Vec<String>) -> Result<Option<String>, Failure>;
}

/// The credentials for costs, and what waits for AWS.
pub(crate) type AwsAccess<'a> = (&'a SdkConfig, &'a Handle);

/// What channels send with.
pub(crate) struct Sending<'a> {
    pub http: Http,
    pub attempts: u32,
    pub timeout: Duration,
    /// Of the credentials for costs, where a channel needs it.
    pub aws: Option<AwsAccess<'a>>,
    /// What channels call the messages that they were sent, by our id.
    pub references: &'a BTreeMap<String, String>,
}

impl<'a> Sending<'a> {
    /// # Errors
    /// When TLS cannot be set up.
    pub(crate) fn new(
        settings: &Settings,
        aws: Option<AwsAccess<'a>>,
        references: &'a BTreeMap<String, String>,
    ) -> Result<Self> {
        let timeout = Duration::from_secs(settings.timeout_seconds);
        Ok(Self { http: Http::new(settings.attempts, timeout)?, attempts: settings.attempts, timeout, aws, references })
    }

    /// Posts JSON.
    pub(crate) fn json(
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
    pub(crate) fn each<T>(
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

    pub(crate) fn secret(&self, reference: Option<&Reference>) -> Result<Secret, Failure> {
        let reference = reference.ok_or_else(|| Failure::settings("a secret is missing in the configuration"))?;
        reference.read().map_err(|e| Failure::settings(e.summary()))
    }

    pub(crate) fn reference(&self, message_id: &str) -> Option<&str> {
        self.references.get(message_id).map(String::as_str)
    }
}
