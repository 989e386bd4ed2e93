//! Secrets by reference: the configuration only says where one is kept.

use std::{fmt, path::PathBuf};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, Visitor},
};

use crate::error::{Error, Result};

/// Where a secret is kept: `{ env: NAME }` or `{ file: PATH }`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reference {
    Env(String),
    File(PathBuf),
}

const STARS: &str = "********";
/// Shorter parts of an address are words such as `hooks`.
const LEAST_PART: usize = 6;

/// A secret itself. It is never shown, logged or stored.
#[derive(Clone)]
pub(crate) struct Secret(String);

/// Characters of a secret that lets others in: a shorter one could be guessed.
const LEAST_OWN: usize = 16;

impl Reference {
    /// Reads the secret.
    ///
    /// # Errors
    /// When the variable is not set, or the file cannot be read, or it is empty.
    pub(crate) fn read(&self) -> Result<Secret> {
        let text = match self {
            Reference::Env(name) => std::env::var(name).map_err(|e| {
                let what = if e == std::env::VarError::NotPresent { "set" } else { "UTF-8" };
                Error::input(format!("the environment variable `{name}` is not {what}"))
            })?,
            Reference::File(path) => std::fs::read_to_string(path)
                .map_err(|e| Error::input(format!("cannot read the secret in `{}`", path.display())).cause(e))?,
        };
        let text = text.trim();
        if text.is_empty() {
            return Err(Error::input(format!("the secret of {self} is empty")));
        }
        if text.chars().any(char::is_control) {
            return Err(Error::input(format!("the secret of {self} is more than one line")));
        }
        Ok(Secret(text.to_owned()))
    }

    /// Reads a secret that lets others in here, of a key of the configuration.
    ///
    /// # Errors
    /// As [`Self::read`], and when it is so short that it could be guessed.
    pub(crate) fn read_own(&self, key: &str) -> Result<Secret> {
        let secret = self.read().map_err(|e| e.context(format!("cannot use `{key}`")))?;
        if secret.expose().chars().count() < LEAST_OWN {
            return Err(Error::input(format!(
                "`{key}`: the secret of {self} must have {LEAST_OWN} characters or more"
            ))
            .hint("`openssl rand -hex 32` makes one"));
        }
        Ok(secret)
    }
}

impl Reference {
    /// A place by its kind, `env` or `file`; `how` says how one is written.
    ///
    /// # Errors
    /// When it is neither, or `env` takes no name of a variable. The error does not show the value: it may be the secret.
    pub(super) fn of<E: de::Error>(kind: &str, place: String, how: &str) -> Result<Self, E> {
        match kind {
            "env" if is_name(&place) => Ok(Reference::Env(place)),
            "env" => Err(E::custom("`env` takes the name of an environment variable, such as SLACK_TOKEN")),
            "file" => Ok(Reference::File(place.into())),
            _ => Err(E::custom(how)),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reference::Env(name) => write!(f, "the environment variable `{name}`"),
            Reference::File(path) => write!(f, "the file `{}`", path.display()),
        }
    }
}

// Written out, because YAML's own way with alternatives is another.
impl Serialize for Reference {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let (key, value) = match self {
            Reference::Env(name) => ("env", name.clone()),
            Reference::File(path) => ("file", path.display().to_string()),
        };
        serializer.collect_map([(key, value)])
    }
}

// Written out, because a derived one shows the value that it does not like, which may be the secret.
impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Place;

        const HOW: &str = "a secret is given as `{ env: NAME }` or `{ file: PATH }`, never by itself";

        impl<'de> Visitor<'de> for Place {
            type Value = Reference;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(HOW)
            }

            fn visit_str<E: de::Error>(self, _: &str) -> std::result::Result<Reference, E> {
                Err(E::custom(HOW))
            }

            fn visit_u64<E: de::Error>(self, _: u64) -> std::result::Result<Reference, E> {
                Err(E::custom(HOW))
            }

            fn visit_i64<E: de::Error>(self, _: i64) -> std::result::Result<Reference, E> {
                Err(E::custom(HOW))
            }

            fn visit_f64<E: de::Error>(self, _: f64) -> std::result::Result<Reference, E> {
                Err(E::custom(HOW))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Reference, A::Error> {
                let wrong = || de::Error::custom(HOW);
                let (key, value) = map.next_entry::<String, String>().map_err(|_| wrong())?.ok_or_else(wrong)?;
                if map.next_key::<String>().map_err(|_| wrong())?.is_some() {
                    return Err(wrong());
                }
                Reference::of(&key, value, HOW)
            }
        }

        deserializer.deserialize_any(Place)
    }
}

/// Whether a text is the name of a variable, and not what belongs into one.
fn is_name(text: &str) -> bool {
    let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
    !text.starts_with(|first: char| first.is_ascii_digit()) && !text.is_empty() && text.chars().all(is_part)
}

impl Secret {
    /// The secret, to be handed to whom it is for.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// A text without this secret, and without the parts of it that a server may repeat when it is an address.
    pub(crate) fn redact(&self, text: &str) -> String {
        let whole = text.replace(&self.0, STARS);
        let path = self.0.split_once("://").map_or("", |(_, rest)| rest.split_once('/').map_or("", |(_, path)| path));
        let parts = path.split(['/', '?', '&', '=', '#']).filter(|part| part.len() >= LEAST_PART);
        parts.fold(whole, |text, part| text.replace(part, STARS))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(STARS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_of_an_address_is_left() {
        let secret = Secret("https://hooks.example.com/services/T00000000/B00000000/XXSECRETXX?sig=abcdef123".into());
        let said =
            secret.redact("The requested URL /services/T00000000/B00000000/XXSECRETXX was not found (abcdef123)");
        assert!(
            ["T00000000", "B00000000", "XXSECRETXX", "abcdef123"].iter().all(|part| !said.contains(part)),
            "{said}"
        );
        assert_eq!(Secret("xoxb-1".into()).redact("token xoxb-1 is wrong"), "token ******** is wrong");
    }

    #[test]
    fn variables_have_names() {
        assert!(is_name("SLACK_TOKEN") && is_name("_x1"));
        assert!(!is_name("https://hooks.slack.com/x") && !is_name("xoxb-1") && !is_name("") && !is_name("1X"));
    }
}
