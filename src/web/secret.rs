//! Secrets by reference: the configuration only says where one is kept.

use std::{fmt, path::PathBuf};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, Visitor},
};

use crate::error::{Error, Result};

/// Where a secret is kept: `{ env: NAME }` or `{ file: PATH }`.
#[derive(Clone, Debug, PartialEq)]
pub enum Reference {
    Env(String),
    File(PathBuf),
}

/// A secret itself. It is never shown, logged or stored.
#[derive(Clone)]
pub struct Secret(String);

impl Reference {
    /// Reads the secret.
    ///
    /// # Errors
    /// When the variable is not set, or the file cannot be read, or it is empty.
    pub fn read(&self) -> Result<Secret> {
        let text = match self {
            Reference::Env(name) => std::env::var(name)
                .map_err(|_| Error::input(format!("the environment variable `{name}` is not set")))?,
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
                match key.as_str() {
                    "env" => Ok(Reference::Env(value)),
                    "file" => Ok(Reference::File(value.into())),
                    _ => Err(wrong()),
                }
            }
        }

        deserializer.deserialize_any(Place)
    }
}

impl Secret {
    /// The secret, to be handed to whom it is for.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// A text without this secret.
    pub fn redact(&self, text: &str) -> String {
        text.replace(&self.0, "********")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("********")
    }
}
