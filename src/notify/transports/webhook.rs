//! Any service that takes JSON, signed after <https://www.standardwebhooks.com>.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD as STANDARD};
use chrono::Utc;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::{
    notify::{
        digest::Digest,
        transport::{Sending, Transport},
    },
    web::{
        self, Failure,
        secret::{Reference, Secret},
    },
};

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    pub url: Reference,
    /// What the signature is made with; none for no signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Reference>,
    /// Further headers, such as `authorization`.
    #[serde(default)]
    pub headers: BTreeMap<String, Reference>,
}

impl Transport for Settings {
    fn secrets(&self) -> Vec<&Reference> {
        [&self.url].into_iter().chain(&self.secret).chain(self.headers.values()).collect()
    }

    fn send(&self, digest: &Digest, sending: &Sending, _: &mut Vec<String>) -> Result<Option<String>, Failure> {
        let url = sending.secret(Some(&self.url))?;
        // A signature holds over http, too; a header with a key is read by everybody on the way.
        if !self.headers.is_empty() || !web::is_address(url.expose()) {
            web::secret_address("url", &url)?;
        }
        let body = serde_json::to_string(digest).map_err(|e| Failure::refused(e.to_string()))?;
        let mut headers: Vec<(String, Secret)> = Vec::new();
        for (name, value) in &self.headers {
            headers.push((name.clone(), sending.secret(Some(value))?));
        }
        let time = Utc::now().timestamp();
        let signature = match &self.secret {
            Some(reference) => {
                let secret = sending.secret(Some(reference))?;
                let signed = format!("{}.{time}.{body}", digest.id);
                Some((signature(&key(&secret)?, &signed), secret))
            }
            None => None,
        };
        let mut secrets: Vec<&Secret> = headers.iter().map(|(_, value)| value).collect();
        secrets.push(&url);
        secrets.extend(signature.as_ref().map(|(_, secret)| secret));
        sending.http.post(url.expose(), &secrets, |mut request| {
            for (name, value) in &headers {
                request = request.header(name, value.expose());
            }
            if let Some((signature, _)) = &signature {
                request = request.header("webhook-signature", signature);
            }
            request
                .header("webhook-id", &digest.id)
                .header("webhook-timestamp", time)
                .header("content-type", "application/json")
                .body(body.clone())
        })?;
        Ok(None)
    }
}

/// The bytes of `whsec_` and base64, or of the text itself.
fn key(secret: &Secret) -> Result<Vec<u8>, Failure> {
    let text = secret.expose();
    match text.strip_prefix("whsec_") {
        Some(encoded) => STANDARD
            .decode(encoded)
            .map_err(|_| Failure::settings("`secret` begins with whsec_, but what follows is no base64")),
        None => Ok(text.as_bytes().to_vec()),
    }
}

/// `v1,` and the base64 of HMAC-SHA256.
fn signature(key: &[u8], signed: &str) -> String {
    // A key of any length will do.
    let code = Hmac::<Sha256>::new_from_slice(key).map(|mac| mac.chain_update(signed).finalize().into_bytes());
    format!("v1,{}", code.map_or_else(|_| String::new(), |code| STANDARD.encode(code)))
}
