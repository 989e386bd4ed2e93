//! Telling people: which incidents, to whom, over which channel, and once. What there is to tell is for
//! [`crate::insights::alerts`] to say; messages wait in the store's outbox, which commands read and write.

pub mod alert;
pub mod deliver;
pub mod digest;
mod email;
mod file;
mod pagerduty;
mod places;
pub mod plan;
pub mod planned;
mod slack;
mod sns;
mod teams;
mod twilio;
mod webhook;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result, nearest},
    model::{Direction, Filter, Severity},
    web::{self, secret::Reference},
};

/// The `notify` section of the configuration.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub channels: Vec<Channel>,
    /// Who a cost belongs to; the first that fits.
    pub owners: Vec<Owner>,
    /// Channels for what has no owner; none for all.
    pub default_channels: Vec<String>,
    /// An incident is told again when what it costs a day is so many times what was told.
    pub growth_factor: f64,
    /// Incidents of a message that are told in full.
    pub top: usize,
    /// Attempts at one message in a run.
    pub attempts: u32,
    pub timeout_seconds: u64,
    /// Buttons beside the program's own.
    pub links: Vec<Link>,
    /// Days without newer bills after which the channels are told so; 0 for never.
    pub stale_days: u32,
    /// A file of plans; empty for none.
    pub planned: PathBuf,
    /// A language model to explain with; empty for none.
    pub explain_with: String,
}

/// Where alerts go, and which.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    pub name: String,
    #[serde(default = "warning")]
    pub min_severity: Severity,
    /// Dollars a day.
    #[serde(default = "floor")]
    pub min_impact: f64,
    #[serde(default = "up")]
    pub directions: Vec<Direction>,
    #[serde(default)]
    pub filters: Vec<Filter>,
    /// Whether to tell that an incident is over.
    #[serde(default)]
    pub tell_closed: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slack: Option<slack::Settings>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teams: Option<teams::Settings>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<webhook::Settings>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<email::Settings>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sns: Option<sns::Settings>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pagerduty: Option<pagerduty::Settings>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub twilio: Option<twilio::Settings>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<file::Settings>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdout: Option<Stdout>,
}

/// The output of the command itself.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Stdout {}

/// What a channel is.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    Slack(&'a slack::Settings),
    Teams(&'a teams::Settings),
    Webhook(&'a webhook::Settings),
    Email(&'a email::Settings),
    Sns(&'a sns::Settings),
    Pagerduty(&'a pagerduty::Settings),
    Twilio(&'a twilio::Settings),
    File(&'a file::Settings),
    Stdout,
}

/// Who costs belong to.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Owner {
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

fn warning() -> Severity {
    Severity::Warning
}

/// Less a day is for those who ask for it.
fn floor() -> f64 {
    5.0
}

fn up() -> Vec<Direction> {
    vec![Direction::Up]
}

/// Incidents that one message can tell in full.
const MOST_TOP: usize = 50;

/// The channel of those who configured none: what is new appears where the command was run.
pub const TERMINAL: &str = "stdout";

impl Settings {
    /// The channels, or the terminal when there are none.
    pub fn channels_or_terminal(&self) -> Vec<Channel> {
        if !self.channels.is_empty() {
            return self.channels.clone();
        }
        vec![Channel {
            name: TERMINAL.into(),
            min_severity: Severity::Warning,
            min_impact: floor(),
            directions: up(),
            filters: Vec::new(),
            tell_closed: false,
            slack: None,
            teams: None,
            webhook: None,
            email: None,
            sns: None,
            pagerduty: None,
            twilio: None,
            file: None,
            stdout: Some(Stdout {}),
        }]
    }

    /// The channel of a name.
    ///
    /// # Errors
    /// When there is none.
    pub fn channel(&self, name: &str) -> Result<Channel> {
        let channels = self.channels_or_terminal();
        let names: Vec<String> = channels.iter().map(|channel| channel.name.clone()).collect();
        channels.into_iter().find(|channel| channel.name == name).ok_or_else(|| no_channel(name, &names))
    }

    /// Channels that nothing is sent to, and secrets that cannot be read: what nobody would find out before it is needed.
    pub fn notes(&self) -> Vec<String> {
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
    pub fn check(&self) -> Result<()> {
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
        if let Some(link) = self.links.iter().find(|link| !is_web(&link.url) || link.name.is_empty()) {
            return Err(Error::input(format!(
                "the link `{}` of `notify.links` needs a name and a web address",
                link.name
            )));
        }
        Ok(())
    }
}

impl Target<'_> {
    pub fn name(self) -> &'static str {
        match self {
            Target::Slack(_) => "slack",
            Target::Teams(_) => "teams",
            Target::Webhook(_) => "webhook",
            Target::Email(_) => "email",
            Target::Sns(_) => "sns",
            Target::Pagerduty(_) => "pagerduty",
            Target::Twilio(_) => "twilio",
            Target::File(_) => "file",
            Target::Stdout => "stdout",
        }
    }
}

impl Channel {
    /// What the channel is.
    ///
    /// # Errors
    /// When it is nothing, or several things.
    pub fn target(&self) -> Result<Target<'_>> {
        let all = [
            self.slack.as_ref().map(Target::Slack),
            self.teams.as_ref().map(Target::Teams),
            self.webhook.as_ref().map(Target::Webhook),
            self.email.as_ref().map(Target::Email),
            self.sns.as_ref().map(Target::Sns),
            self.pagerduty.as_ref().map(Target::Pagerduty),
            self.twilio.as_ref().map(Target::Twilio),
            self.file.as_ref().map(Target::File),
            self.stdout.as_ref().map(|_| Target::Stdout),
        ];
        let mut given = all.into_iter().flatten();
        match (given.next(), given.next()) {
            (Some(only), None) => Ok(only),
            _ => Err(Error::input(format!("the channel `{}` is of no kind, or of several", self.name))
                .hint("give it one of: slack, teams, webhook, email, sns, pagerduty, twilio, file, stdout")),
        }
    }

    fn check(&self) -> Result<()> {
        if !(self.min_impact.is_finite() && self.min_impact >= 0.0) {
            return Err(Error::input("`min_impact` must be at least 0"));
        }
        match self.target()? {
            Target::Slack(settings) => settings.check(),
            Target::Email(settings) => settings.check(),
            Target::Sns(settings) => settings.check(),
            Target::Twilio(settings) => settings.check(),
            Target::Pagerduty(settings) => web::check_address("url", &settings.url),
            _ => Ok(()),
        }
    }

    /// # Errors
    /// When a secret of the channel cannot be read.
    pub fn check_secrets(&self) -> Result<()> {
        let secrets: Vec<&Reference> = match self.target()? {
            Target::Slack(settings) => settings.webhook.iter().chain(&settings.token).collect(),
            Target::Teams(settings) => vec![&settings.webhook],
            Target::Webhook(settings) => {
                [&settings.url].into_iter().chain(&settings.secret).chain(settings.headers.values()).collect()
            }
            Target::Email(settings) => settings.password.iter().collect(),
            Target::Pagerduty(settings) => vec![&settings.routing_key],
            Target::Twilio(settings) => vec![&settings.auth_token],
            Target::Sns(_) | Target::File(_) | Target::Stdout => Vec::new(),
        };
        secrets.into_iter().try_for_each(|secret| secret.read().map(drop))
    }

    /// Whether to tell that an incident is over. PagerDuty's own stay open otherwise.
    pub fn tells_closed(&self) -> bool {
        self.tell_closed || self.pagerduty.is_some()
    }

    /// Whether an update goes below the message that it is an update of.
    pub fn has_threads(&self) -> bool {
        self.slack.as_ref().is_some_and(|slack| slack.token.is_some())
    }
}

fn is_web(address: &str) -> bool {
    address.starts_with("https://") || address.starts_with("http://")
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
