//! Where alerts go, and which.

use serde::{Deserialize, Serialize};

use super::{transport::Transport, transports::*};
use crate::{
    error::{Error, Result},
    model::{Direction, Filter, Severity},
};

/// A channel has one key for each kind that there is, of which it has one.
macro_rules! channel_of {
    ($($kind:ident),* $(,)?) => {
        /// Where alerts go, and which.
        #[derive(Clone, Debug, Deserialize, Serialize)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct Channel {
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
            pub notify_closed: bool,
            $(#[serde(default, skip_serializing_if = "Option::is_none")]
            $kind: Option<$kind::Settings>,)*
        }

        impl Channel {
            /// The kinds that there are.
            const KINDS: &[&str] = &[$(stringify!($kind)),*];

            /// A channel of the built-in policy, and of no kind yet.
            fn of_name(name: &str) -> Self {
                Self {
                    name: name.to_owned(),
                    min_severity: warning(),
                    min_impact: floor(),
                    directions: up(),
                    filters: Vec::new(),
                    notify_closed: false,
                    $($kind: None,)*
                }
            }

            /// Each kind that it is of.
            fn kinds(&self) -> Vec<(&'static str, &dyn Transport)> {
                let mut kinds: Vec<(&'static str, &dyn Transport)> = Vec::new();
                $(kinds.extend(self.$kind.as_ref().map(|one| (stringify!($kind), one as &dyn Transport)));)*
                kinds
            }
        }
    };
}

// The list of all kinds: a file of `transports` and its name here.
channel_of!(slack, teams, webhook, email, sns, pagerduty, twilio, file, stdout);

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

impl Channel {
    /// The output of the command itself.
    pub(crate) fn terminal(name: &str) -> Self {
        Self { stdout: Some(stdout::Settings {}), ..Self::of_name(name) }
    }

    fn kind_and_transport(&self) -> Result<(&'static str, &dyn Transport)> {
        match self.kinds()[..] {
            [only] => Ok(only),
            _ => Err(Error::input(format!("the channel `{}` is of no kind, or of several", self.name))
                .hint(format!("give it one of: {}", Self::KINDS.join(", ")))),
        }
    }

    /// What sends for the channel.
    ///
    /// # Errors
    /// When it is of no kind, or of several.
    pub(crate) fn transport(&self) -> Result<&dyn Transport> {
        self.kind_and_transport().map(|(_, transport)| transport)
    }

    /// The name of its kind.
    ///
    /// # Errors
    /// As [`Channel::transport`].
    pub(crate) fn kind(&self) -> Result<&'static str> {
        self.kind_and_transport().map(|(kind, _)| kind)
    }

    /// # Errors
    /// When a value is out of range, or the channel is of no kind or of several.
    pub(crate) fn check(&self) -> Result<()> {
        if !(self.min_impact.is_finite() && self.min_impact >= 0.0) {
            return Err(Error::input("`min_impact` must be at least 0"));
        }
        self.transport()?.check()
    }

    /// # Errors
    /// When a secret of the channel cannot be read.
    pub(crate) fn check_secrets(&self) -> Result<()> {
        self.transport()?.secrets().into_iter().try_for_each(|secret| secret.read().map(drop))
    }

    /// Whether each incident is one of its own there.
    pub(crate) fn tracks_incidents(&self) -> bool {
        self.is(|transport| transport.tracks_incidents())
    }

    /// Whether to tell that an incident is over.
    pub(crate) fn notifies_closed(&self) -> bool {
        self.notify_closed || self.tracks_incidents()
    }

    /// Whether an update goes below the message that it is an update of.
    pub(crate) fn has_threads(&self) -> bool {
        self.is(|transport| transport.has_threads())
    }

    /// Whether sending needs AWS credentials.
    pub(crate) fn needs_aws(&self) -> bool {
        self.is(|transport| transport.needs_aws())
    }

    /// Whether its messages are the output of the command itself.
    pub(crate) fn is_terminal(&self) -> bool {
        self.is(|transport| transport.is_terminal())
    }

    fn is(&self, what: impl Fn(&dyn Transport) -> bool) -> bool {
        self.transport().is_ok_and(what)
    }
}
