//! Words that are one text everywhere: on the command line, in JSON, in the configuration.

use std::fmt::Display;

use schemars::JsonSchema;
use serde::{Serialize, Serializer, de};

use crate::error::Error;

/// Reads and writes a type in JSON as its `FromStr` and `Display` do, with a schema that says so.
macro_rules! as_text {
    ($($word:ident: $schema:tt),*) => {$(
        impl serde::Serialize for $word {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $word {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err($crate::model::text::explained)
            }
        }

        impl schemars::JsonSchema for $word {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($word).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!($schema)
            }
        }
    )*};
}

/// Words of the program's own: each has one name, in the database, in JSON, on the command line.
macro_rules! words {
    ($(#[$meta:meta])* pub enum $name:ident in $case:literal { $($variants:tt)* }) => {
        $(#[$meta])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize, strum::Display, strum::EnumString,
            strum::IntoStaticStr, schemars::JsonSchema, serde::Serialize, strum::VariantArray,
        )]
        #[serde(rename_all = $case)]
        #[strum(serialize_all = $case)]
        pub enum $name { $($variants)* }

        impl $name {
            /// Every one of them, in order.
            pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;

            /// Its name.
            pub fn name(self) -> &'static str {
                self.into()
            }
        }
    };
}

pub(crate) use as_text;
pub(crate) use words;

/// An error of the program as one of a reader of files.
pub(crate) fn explained<E: de::Error>(error: Error) -> E {
    E::custom(format!("{} ({})", error.summary(), error.hints().join("; ")))
}

/// A fact as JSON has it.
#[derive(JsonSchema, Serialize)]
pub(crate) struct WithText<'a, T> {
    #[serde(flatten)]
    fact: &'a T,
    /// The same in English.
    text: String,
}

/// The same of one fact.
pub(crate) fn with_text<S: Serializer, T: Display + Serialize>(fact: &T, serializer: S) -> Result<S::Ok, S::Error> {
    WithText { fact, text: fact.to_string() }.serialize(serializer)
}

/// The same of a fact that there may be.
pub(crate) fn with_text_if_any<S: Serializer, T: Display + Serialize>(
    fact: &Option<T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    fact.as_ref().map(|fact| WithText { fact, text: fact.to_string() }).serialize(serializer)
}

/// Facts with what they say in English, for `#[serde(serialize_with)]`.
pub(crate) fn with_texts<S: Serializer, T: Display + Serialize>(facts: &[T], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(facts.iter().map(|fact| WithText { fact, text: fact.to_string() }))
}
