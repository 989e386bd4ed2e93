//! The `server` section of the configuration: who may ask this program over HTTP, and for what.

use std::{collections::BTreeSet, net::IpAddr};

use ipnet::IpNet;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, Visitor},
    ser::SerializeMap,
};

use super::secret::Reference;
use crate::{
    error::{Error, Result},
    model::text::words,
};

/// Nobody asks more often.
const MOST_REQUESTS: u32 = 1_000_000;
/// Days that a link may be read, at most.
const MOST_LINK_DAYS: u32 = 366;

words! {
    /// What somebody may do.
    pub enum Scope in "lowercase" {
        /// See costs and incidents.
        Read,
        /// Say what is known of incidents.
        Triage,
        /// Start runs, and hand in records.
        Ingest,
        /// Ask the language model, and the database in SQL.
        Query,
    }
}

/// Who may ask over HTTP.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Guests {
    /// Bearer tokens, one of which a request must have.
    pub tokens: Vec<Token>,
    /// Names by which the server is reached beside localhost, such as that of a proxy.
    pub hosts: Vec<String>,
    /// Networks of proxies that say who somebody is.
    pub trusted_proxies: Vec<String>,
    /// The header in which they say it.
    pub identity_header: String,
    /// What those may do whom a proxy names.
    pub proxy_scopes: Vec<Scope>,
    /// The address that people open, for links in messages; empty for none.
    pub public_url: String,
    /// What signs links to one incident, which need no token.
    pub link_key: Option<Reference>,
    /// Days that such a link may be read.
    pub link_days: u32,
    /// Requests that each guest may make in a minute; 0 for any number.
    pub requests_per_minute: u32,
    /// Whether costs may be handed in as records.
    pub accept_records: bool,
}

/// Where a token is kept, and what who has it may do: `{ env: NAME, scopes: [read, triage] }`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub place: Reference,
    pub scopes: Vec<Scope>,
}

impl Guests {
    /// # Errors
    /// When a value is none of its key.
    pub(crate) fn check(&self) -> Result<()> {
        self.proxies()?;
        if self.requests_per_minute > MOST_REQUESTS {
            return Err(Error::input(format!("`server.requests_per_minute` must be from 0 to {MOST_REQUESTS}")));
        }
        if !(1..=MOST_LINK_DAYS).contains(&self.link_days) {
            return Err(Error::input(format!("`server.link_days` must be from 1 to {MOST_LINK_DAYS}")));
        }
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if self.identity_header.is_empty() || !self.identity_header.bytes().all(is_name) {
            return Err(Error::input(
                "`server.identity_header` must be the name of a header, such as X-Forwarded-User",
            ));
        }
        let url = &self.public_url;
        let is_plain = |rest: &str| !rest.is_empty() && !rest.contains(['?', '#', '@', ' ']) && !rest.starts_with('/');
        let rest = url.strip_prefix("https://").or(url.strip_prefix("http://"));
        if !url.is_empty() && !rest.is_some_and(is_plain) {
            return Err(Error::input("`server.public_url` must be an address such as https://costs.example.com"));
        }
        Ok(())
    }

    /// The networks of proxies.
    ///
    /// # Errors
    /// When one is neither an address nor a network.
    pub(crate) fn proxies(&self) -> Result<Vec<IpNet>> {
        let network = |text: &String| {
            let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
            text.parse().ok().or_else(address).ok_or_else(|| {
                Error::input(format!("`server.trusted_proxies`: `{text}` is no address or network"))
                    .hint("write them as 10.0.0.7 or 10.0.0.0/8")
            })
        };
        self.trusted_proxies.iter().map(network).collect()
    }

    /// The public address without a slash at its end.
    pub(crate) fn public_url(&self) -> Option<&str> {
        Some(self.public_url.trim_end_matches('/')).filter(|url| !url.is_empty())
    }

    /// The host of the public address, with its port if it has one.
    pub(crate) fn public_host(&self) -> Option<&str> {
        let rest = self.public_url()?.split_once("://")?.1;
        rest.split('/').next()
    }
}

impl Serialize for Token {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match &self.place {
            Reference::Env(name) => map.serialize_entry("env", name)?,
            Reference::File(path) => map.serialize_entry("file", &path.display().to_string())?,
        }
        map.serialize_entry("scopes", &self.scopes)?;
        map.end()
    }
}

// Written out, because a derived one shows the value that it does not like, which may be the token.
impl<'de> Deserialize<'de> for Token {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;

        const HOW: &str =
            "a token is given as `{ env: NAME, scopes: [read] }` or `{ file: PATH, scopes: [read] }`, never by itself";

        impl<'de> Visitor<'de> for Written {
            type Value = Token;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(HOW)
            }

            fn visit_str<E: de::Error>(self, _: &str) -> Result<Token, E> {
                Err(E::custom(HOW))
            }

            fn visit_u64<E: de::Error>(self, _: u64) -> Result<Token, E> {
                Err(E::custom(HOW))
            }

            fn visit_i64<E: de::Error>(self, _: i64) -> Result<Token, E> {
                Err(E::custom(HOW))
            }

            fn visit_f64<E: de::Error>(self, _: f64) -> Result<Token, E> {
                Err(E::custom(HOW))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Token, A::Error> {
                let wrong = |_| de::Error::custom(HOW);
                let (mut place, mut scopes) = (None, None);
                while let Some(key) = map.next_key::<String>().map_err(wrong)? {
                    if key == "scopes" && scopes.is_none() {
                        scopes = Some(
                            map.next_value::<BTreeSet<Scope>>()
                                .map_err(|_| de::Error::custom("`scopes` is a list of read, triage, ingest, query"))?,
                        );
                    } else if place.is_none() {
                        place = Some(Reference::of(&key, map.next_value().map_err(wrong)?, HOW)?);
                    } else {
                        return Err(de::Error::custom(HOW));
                    }
                }
                let scopes = scopes.map_or_else(|| vec![Scope::Read], |scopes| scopes.into_iter().collect());
                Ok(Token { place: place.ok_or_else(|| de::Error::custom(HOW))?, scopes })
            }
        }

        deserializer.deserialize_any(Written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_named_and_never_written() {
        let read = |text: &str| serde_json::from_str::<Token>(text).map_err(|error| error.to_string());
        let token = read(r#"{"env": "A_TOKEN", "scopes": ["triage", "read", "read"]}"#).expect("a token");
        assert_eq!(token.scopes, [Scope::Read, Scope::Triage]);
        assert_eq!(serde_json::to_string(&token).expect("JSON"), r#"{"env":"A_TOKEN","scopes":["read","triage"]}"#);
        assert_eq!(read(r#"{"file": "/run/token"}"#).expect("a token").scopes, [Scope::Read]);
        for wrong in [
            r#""secret-1""#,
            "17",
            "1.5",
            "-1",
            r#"{"secret-1": "x"}"#,
            r#"{"env": "secret-1"}"#,
            r#"{"env": 1}"#,
            r#"{"scopes": ["read"]}"#,
            r#"{"env": "A", "scopes": ["secret-1"]}"#,
            r#"{"env": "A", "file": "secret-1"}"#,
            "{}",
        ] {
            let said = read(wrong).expect_err(wrong);
            assert!(!said.contains("secret-1"), "{said}");
        }
    }
}
