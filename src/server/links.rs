//! Links to one incident that carry their own right to be read, for a while: whoever has a message can see what it is about.
//! They are made where messages are (`notify::links`); here they are looked at.

use chrono::{DateTime, Utc};

use crate::{
    error::Result,
    web::{Guests, Signer},
};

/// What knows a link that this program signed.
pub(super) struct Links(Option<Signer>);

impl Links {
    /// # Errors
    /// When the key cannot be read.
    pub(super) fn new(settings: &Guests) -> Result<Self> {
        Signer::new(settings).map(Self)
    }

    /// Whether a link to an incident may be followed now.
    pub(super) fn is_valid(&self, incident: &str, expires: &str, signature: &str) -> bool {
        let Some(signer) = &self.0 else { return false };
        let in_time = expires.parse().ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
        in_time.is_some_and(|until| Utc::now() < until) && signer.is_of(incident, expires, signature)
    }
}
