//! Links to one incident that are signed and expire: `/shared/incidents/ID?expires=SECONDS&signature=HEX`.

use chrono::{DateTime, Days, Utc};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::Guests;
use crate::error::{Error, Result};

/// What signs links: HMAC-SHA-256 (<https://www.rfc-editor.org/rfc/rfc2104>) with the configuration's key.
pub(crate) struct Signer {
    key: Hmac<Sha256>,
    days: u32,
}

impl Signer {
    /// The one of the configuration, if it has a key.
    ///
    /// # Errors
    /// When the key cannot be read, or is too short.
    pub(crate) fn new(settings: &Guests) -> Result<Option<Self>> {
        let Some(place) = &settings.link_key else { return Ok(None) };
        let key = place.read_own("server.link_key")?;
        let key = Hmac::new_from_slice(key.expose().as_bytes()).map_err(|e| Error::bug("a key is refused").cause(e))?;
        Ok(Some(Self { key, days: settings.link_days }))
    }

    /// The path and query of a link that may be read for some days from `now` on.
    pub(crate) fn path(&self, incident: &str, now: DateTime<Utc>) -> String {
        let expires = (now + Days::new(u64::from(self.days))).timestamp().to_string();
        let signature: String =
            self.signed(incident, &expires).finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("/shared/incidents/{incident}?expires={expires}&signature={signature}")
    }

    /// Whether a signature is this one's, compared in constant time.
    pub(crate) fn is_of(&self, incident: &str, expires: &str, signature: &str) -> bool {
        let byte = |place: usize| signature.get(place..place + 2).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        let bytes: Option<Vec<u8>> = (0..signature.len()).step_by(2).map(byte).collect();
        bytes.is_some_and(|bytes| self.signed(incident, expires).verify_slice(&bytes).is_ok())
    }

    fn signed(&self, incident: &str, expires: &str) -> Hmac<Sha256> {
        // Neither has a line break, so no two links are signed alike.
        self.key.clone().chain_update(format!("incident\n{incident}\n{expires}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_of_one_incident_and_one_time() {
        let key = Hmac::new_from_slice(b"0123456789abcdef").expect("a key");
        let signer = Signer { key, days: 14 };
        let now = "2026-03-01T00:00:00Z".parse().expect("a time");
        let path = signer.path("ab12", now);
        let (expires, signature) =
            path.split_once("expires=").and_then(|(_, rest)| rest.split_once("&signature=")).expect("both");
        assert_eq!(expires, "1773532800", "2026-03-15");
        assert!(signer.is_of("ab12", expires, signature));
        for (incident, expires, signature) in [
            ("ab13", expires, signature),
            ("ab12", "1773532801", signature),
            ("ab12", expires, &signature.replace(|c: char| c.is_ascii_digit(), "0")),
            ("ab12", expires, &signature[..62]),
            ("ab12", expires, ""),
            ("ab12", expires, "é"),
        ] {
            assert!(!signer.is_of(incident, expires, signature), "{incident} {expires} {signature}");
        }
    }
}
