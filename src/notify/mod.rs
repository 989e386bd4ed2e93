//! Telling people: which incidents, to whom, over which channel, and once. What there is to tell is for
//! [`crate::insights::alerts`] to say; messages wait in the store's outbox, which commands read and write.

pub(crate) mod alert;
mod channel;
pub(crate) mod deliver;
pub(crate) mod digest;
mod places;
pub(crate) mod plan;
pub(crate) mod planned;
pub(crate) mod transport;
mod transports;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub(crate) use self::channel::Channel;
use crate::{
    error::{Error, Result, nearest},
    model::Filter,
    web,
};

/// The `notify` section of the configuration.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    pub channels: Vec<Channel>,
    /// Who a cost belongs to; the first that fits.
    pub owners: Vec<Owner>,
    /// Channels for what has no owner; none for all.
    pub default_channels: Vec<String>,
    /// An incident is sent again when what it costs a day is so many times what was sent.
    pub growth_factor: f64,
    /// Incidents of a message that are shown in full.
    pub top: usize,
    /// Attempts at one message in a run.
    pub attempts: u32,
    pub timeout_seconds: u64,
    /// Buttons beside the program's own.
    pub links: Vec<Link>,
    /// Days without newer bills after which the channels are alerted; 0 for never.
    pub stale_days: u32,
    /// A file of plans; empty for none.
    pub planned: PathBuf,
    /// A language model to explain with; empty for none.
    pub explain_with: String,
}

/// Who costs belong to.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Owner {
    pub name: String,
    /// As `--filter` takes them: values of one dimension are alternatives, dimensions must all fit.
    pub filters: Vec<Filter>,
    pub channels: Vec<String>,
}

/// A button: `{id}`, `{service}`, `{account}`, `{region}` and `{date}` are filled in.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    pub name: String,
    pub url: String,
}

/// Incidents that one message can tell in full.
const MOST_TOP: usize = 50;

/// The channel of those who configured none: what is new appears where the command was run.
pub(crate) const TERMINAL: &str = "stdout";

impl Settings {
    /// The channels, or the terminal when there are none.
    pub(crate) fn channels_or_terminal(&self) -> Vec<Channel> {
        if !self.channels.is_empty() {
            return self.channels.clone();
        }
        vec![Channel::terminal(TERMINAL)]
    }

    /// The channel of a name.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn channel(&self, name: &str) -> Result<Channel> {
        let channels = self.channels_or_terminal();
        let names: Vec<String> = channels.iter().map(|channel| channel.name.clone()).collect();
        channels.into_iter().find(|channel| channel.name == name).ok_or_else(|| no_channel(name, &names))
    }

    /// Channels that nothing is sent to, and secrets that cannot be read: what nobody would find out before it is needed.
    pub(crate) fn notes(&self) -> Vec<String> {
        let reached = |channel: &Channel| {
            let all = self.default_channels.is_empty();
            let named = self.owners.iter().flat_map(|owner| &owner.channels).chain(&self.default_channels);
            all || named.into_iter().any(|name| *name == channel.name)
        };
        let unreached = self.channels.iter().filter(|channel| !reached(channel));
        let note = |channel: &Channel| {
            format!("the channel `{}` gets nothing: no owner and no default names it", channel.name)
        };
        let mut notes: Vec<String> = unreached.map(note).collect();
        for channel in &self.channels {
            if let Err(error) = channel.check_secrets() {
                notes.push(format!("the channel `{}` cannot be used: {}", channel.name, error.summary()));
            }
        }
        notes
    }

    /// # Errors
    /// When a value is out of range, a channel is of no kind or of several, or a name leads nowhere.
    pub(crate) fn check(&self) -> Result<()> {
        let refuse = |key: &str, what: &str| Err(Error::input(format!("`notify.{key}` must be {what}")));
        if !(self.growth_factor.is_finite() && self.growth_factor > 1.0) {
            return refuse("growth_factor", "above 1");
        }
        if !(1..=MOST_TOP).contains(&self.top) {
            return refuse("top", "from 1 to 50");
        }
        if !(1..=10).contains(&self.attempts) {
            return refuse("attempts", "from 1 to 10");
        }
        if !(1..=300).contains(&self.timeout_seconds) {
            return refuse("timeout_seconds", "from 1 to 300");
        }
        if !["", "bedrock", "anthropic"].contains(&self.explain_with.as_str()) {
            return refuse("explain_with", "`bedrock`, `anthropic` or empty");
        }
        let names: Vec<String> = self.channels.iter().map(|channel| channel.name.clone()).collect();
        for (place, channel) in self.channels.iter().enumerate() {
            if channel.name.is_empty() || names[..place].contains(&channel.name) {
                return Err(Error::input(format!("`notify.channels` has the name `{}` twice, or empty", channel.name)));
            }
            channel.check().map_err(|e| e.context(format!("the channel `{}` is not valid", channel.name)))?;
        }
        let named = self.owners.iter().flat_map(|owner| &owner.channels).chain(&self.default_channels);
        if let Some(unknown) = named.into_iter().find(|name| !names.contains(name)) {
            return Err(
                no_channel(unknown, &names).context("`notify.owners` or `notify.default_channels` is not valid")
            );
        }
        if let Some(owner) = self.owners.iter().find(|owner| owner.filters.is_empty()) {
            return Err(Error::input(format!("the owner `{}` has no `filters`", owner.name))
                .hint("what fits no owner goes to `notify.default_channels`"));
        }
        if let Some(link) = self.links.iter().find(|link| !web::is_address(&link.url) || link.name.is_empty()) {
            return Err(Error::input(format!(
                "the link `{}` of `notify.links` needs a name and a web address",
                link.name
            )));
        }
        Ok(())
    }
}

fn no_channel(name: &str, names: &[String]) -> Error {
    let error = Error::input(format!("there is no channel `{name}`"));
    match nearest(name, names.iter().map(String::as_str)) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None if names.is_empty() => {
            error.hint("`notify.channels` in the configuration has none; docs/ALERTS.md shows how")
        }
        None => error.hint(format!("there are: {}", names.join(", "))),
    }
}
