//! What is wrong with a value, by its key. The value itself may be a secret that went astray, so none is shown.

use serde_yaml::Value;

use crate::error::nearest;

/// The first value that is of another kind than the example's, by its key. The value itself may be a secret that
/// went astray.
pub(super) fn wrong_kind(example: &Value, given: &Value, path: &str) -> Option<String> {
    let must = |is_fine: bool, be: &str| (!is_fine).then(|| format!("`{path}` must be {be}"));
    match example {
        Value::Mapping(example) => example.iter().find_map(|(key, example)| {
            let name = key.as_str().unwrap_or_default();
            let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            wrong_kind(example, given.get(key)?, &path)
        }),
        Value::Number(number) if number.is_f64() => {
            must(given.as_f64().is_some_and(|number| given.is_number() && number.is_finite()), "a number")
        }
        Value::Number(_) => {
            must(given.as_u64().is_some_and(|number| u32::try_from(number).is_ok()), "a whole number of at least 0")
        }
        Value::Bool(_) => must(given.is_bool(), "true or false"),
        Value::String(_) => must(given.is_string(), "text; a number goes in quotes"),
        Value::Sequence(_) => must(given.is_sequence(), "a list"),
        Value::Null | Value::Tagged(_) => None,
    }
}

/// What is wrong with a section, or with an element of its list, which is named.
pub(super) fn refusal<T: serde::de::DeserializeOwned>(
    merged: &Value,
    section: &str,
    list: Option<&str>,
) -> Option<String> {
    let value = merged.get(section)?;
    let Some(list) = list else {
        let error = serde_yaml::from_value::<T>(value.clone()).err()?;
        return Some(format!("{section}: {}", without_values(&error.to_string())));
    };
    refused_element::<T>(value.get(list)?, &format!("{section}.{list}"))
}

/// What is wrong with an element of a list, which is named.
pub(super) fn refused_element<T: serde::de::DeserializeOwned>(list: &Value, key: &str) -> Option<String> {
    list.as_sequence()?.iter().enumerate().find_map(|(place, element)| {
        let error = serde_yaml::from_value::<T>(element.clone()).err()?.to_string();
        let name = element.get("name").and_then(Value::as_str).map_or(String::new(), |name| format!(" ({name})"));
        Some(format!("{key}[{place}]{name}: {}{}", without_values(&error), nearest_field(&error)))
    })
}

/// The known field that is nearest to an unknown one, as the YAML reader names both.
fn nearest_field(message: &str) -> String {
    let mut names = message.split('`').skip(1).step_by(2);
    let unknown = names.next().filter(|_| message.contains("unknown field"));
    let near = unknown.and_then(|unknown| nearest(unknown, names));
    near.map_or(String::new(), |near| format!("; did you mean `{near}`?"))
}

/// A message of the YAML reader without the values that it quotes.
fn without_values(message: &str) -> String {
    let quoted: Vec<&str> = message.split('"').collect();
    let kept = quoted.iter().enumerate().map(|(place, part)| if place % 2 == 0 { *part } else { "…" });
    kept.collect::<Vec<_>>().join("\"")
}
