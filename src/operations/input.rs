//! Parameters that come as JSON: which are missing, unknown, of the wrong type or out of range.

use clap::{Arg, ArgAction, Args, Command};
use schemars::{Schema, schema_for};
use serde_json::{Map, Value};

use super::{Operation, tools::refused};
use crate::error::{Error, Result, nearest};

/// A number as a flag takes it: neither infinity nor what is no number.
pub(super) fn number(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite());
    number.ok_or_else(|| "write a number such as 1234.56".to_owned())
}

/// What a command line without any flags gives. `Default` has no way to fail, and cannot: only parameters without a
/// required one are in [`defaults_of_flags`], whose defaults each test of a schema makes.
pub(super) fn without_flags<A: Args>() -> A {
    let command = A::augment_args(Command::new("defaults")).no_binary_name(true);
    let parsed = command.try_get_matches_from::<_, &str>([]).and_then(|matches| A::from_arg_matches(&matches));
    parsed.expect("every flag has a default")
}

/// Gives parameters that are all optional the defaults of their flags.
macro_rules! defaults_of_flags {
    ($($input:ty),* $(,)?) => {$(
        impl Default for $input {
            fn default() -> Self {
                $crate::operations::input::without_flags()
            }
        }
    )*};
}

pub(super) use defaults_of_flags;

/// The flags of an operation, and which of them have no default.
fn flags<O: Operation>() -> (Command, Vec<Arg>) {
    let command = O::augment_args(Command::new(O::NAME)).no_binary_name(true);
    let required = command.get_arguments().filter(|arg| arg.is_required_set()).cloned().collect();
    (command, required)
}

/// The parameters that a command line without any flags gives, as JSON, without those that are required.
fn defaults<O: Operation>() -> Map<String, Value> {
    let (command, required) = flags::<O>();
    let mut line = Vec::new();
    for arg in &required {
        line.extend(arg.get_long().map(|long| format!("--{long}")));
        // Whatever the parser takes: it is left out below. `service` is a dimension, too.
        let possible = arg.get_possible_values().first().map(|value| value.get_name().to_owned());
        line.push(possible.unwrap_or_else(|| "service".to_owned()));
    }
    let parsed = command.try_get_matches_from(line).and_then(|matches| O::from_arg_matches(&matches));
    let Ok(Ok(Value::Object(mut defaults))) = parsed.map(|input| serde_json::to_value(input)) else {
        return Map::new();
    };
    required.iter().for_each(|arg| _ = defaults.remove(arg.get_id().as_str()));
    defaults
}

/// The schema of the parameters with their defaults; only those without one are required.
pub(super) fn with_defaults<O: Operation>(mut schema: Schema) -> Schema {
    let (defaults, (_, required)) = (defaults::<O>(), flags::<O>());
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        for (name, property) in properties.iter_mut().filter_map(|(name, value)| Some((name, value.as_object_mut()?))) {
            if let Some(default) = defaults.get(name).filter(|default| !default.is_null()) {
                property.insert("default".into(), default.clone());
            }
        }
    }
    let required: Vec<&str> = required.iter().map(|arg| arg.get_id().as_str()).collect();
    schema.insert("required".into(), required.into());
    schema.insert("additionalProperties".into(), false.into());
    schema
}

/// Reads parameters from a JSON object.
///
/// # Errors
/// When it is no object, or a parameter is unknown, missing or not of its type.
pub(super) fn parse<O: Operation>(given: Value) -> Result<O> {
    let Value::Object(given) = given else {
        return Err(Error::usage(format!("the input of `{}` is a JSON object", O::NAME)));
    };
    let schema = schema_for!(O);
    let properties = schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    if let Some(unknown) = given.keys().find(|name| !properties.contains_key(*name)) {
        let names = || properties.keys().map(String::as_str);
        let error = Error::usage(format!("`{}` has no parameter `{unknown}`", O::NAME));
        let all = format!("there are: {}", names().collect::<Vec<_>>().join(", "));
        return Err(match nearest(unknown, names()) {
            Some(near) => error.hint(format!("did you mean `{near}`? {all}")),
            None => error.hint(all),
        });
    }
    let mut whole = defaults::<O>();
    whole.extend(given.clone());
    let read = |input: &Map<String, Value>| serde_json::from_value::<O>(Value::Object(input.clone()));
    let cause = match read(&whole) {
        Ok(input) => return Ok(input),
        Err(cause) => cause,
    };
    // The parameter without which the rest, or another error, remains.
    let is_at_fault = |name: &&String| {
        let mut others = whole.clone();
        match defaults::<O>().remove(*name) {
            Some(default) => others.insert((*name).clone(), default),
            None => others.remove(*name),
        };
        read(&others).map_or_else(|error| error.to_string() != cause.to_string(), |_| true)
    };
    let error = match given.keys().find(is_at_fault) {
        Some(name) => {
            let expected = properties.get(name).map(expected).unwrap_or_default();
            Error::usage(format!("`{name}` cannot be {}", given[name])).cause(cause).hint(expected)
        }
        None => Error::usage(format!("the input of `{}` is not complete", O::NAME)).cause(cause),
    };
    Err(error)
}

/// Reads parameters from flags.
///
/// # Errors
/// When a flag is unknown or missing, or its value is none of its own; in words of parameters.
pub(crate) fn parse_flags<O: Operation>(line: &[String]) -> Result<O> {
    let command = flags::<O>().0.disable_help_flag(true).color(clap::ColorChoice::Never);
    let parsed = command.try_get_matches_from(line).and_then(|matches| O::from_arg_matches(&matches));
    parsed.map_err(|error| refused(&error, O::NAME))
}

/// The command line of parameters as a web address has them, such as `days=5&group_by=account`. Names may have `-` for `_`; what is
/// left empty is as if it were not there.
///
/// # Errors
/// When a parameter is unknown, or a switch is neither on nor off.
pub(super) fn line_of(flags: &Command, name: &str, given: &[(String, String)]) -> Result<Vec<String>> {
    let (mut options, mut positionals) = (Vec::new(), Vec::new());
    for (parameter, value) in given.iter().filter(|(_, value)| !value.is_empty()) {
        let id = parameter.replace('-', "_");
        let Some(arg) = flags.get_arguments().find(|arg| arg.get_id().as_str() == id) else {
            let names: Vec<&str> = flags.get_arguments().map(|arg| arg.get_id().as_str()).collect();
            let all = format!("there are: {}", names.join(", "));
            let error = Error::usage(format!("`{name}` has no parameter `{parameter}`"));
            return Err(match nearest(&id, names) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error.hint(all),
            });
        };
        let flag = format!("--{}", arg.get_long().unwrap_or_default());
        match (arg.get_action(), value.as_str()) {
            _ if arg.is_positional() => positionals.push(value.clone()),
            (ArgAction::SetTrue, "true" | "1" | "on" | "yes") => options.push(flag),
            (ArgAction::SetTrue, "false" | "0" | "off" | "no") => {}
            (ArgAction::SetTrue, _) => {
                return Err(Error::usage(format!("`{id}` cannot be `{value}`")).hint("it is true or false"));
            }
            _ => options.push(format!("{flag}={value}")),
        }
    }
    if !positionals.is_empty() {
        options.push("--".to_owned());
        options.extend(positionals);
    }
    Ok(options)
}

/// Checks the ranges that the schema gives numbers.
///
/// # Errors
/// When a number is outside, with its parameter.
pub(super) fn check<O: Operation>(input: &O) -> Result<()> {
    let schema = schema_for!(O);
    // A path that is not UTF-8 has no JSON; whoever opens it says so.
    let Ok(input) = serde_json::to_value(input) else { return Ok(()) };
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    for (name, property) in properties {
        let Some(number) = input.get(name).and_then(Value::as_f64) else { continue };
        let bound = |key: &str| property.get(key).and_then(Value::as_f64);
        let (least, most) = (bound("minimum"), bound("maximum"));
        let above = bound("exclusiveMinimum");
        let is_within = least.is_none_or(|least| number >= least)
            && most.is_none_or(|most| number <= most)
            && above.is_none_or(|above| number > above);
        if !is_within {
            let flag = name.replace('_', "-");
            let range = match (least, most, above) {
                (_, _, Some(above)) => format!("above {above}"),
                (Some(least), Some(most), _) => format!("from {least} to {most}"),
                (Some(least), None, _) => format!("at least {least}"),
                (None, Some(most), _) => format!("at most {most}"),
                (None, None, None) => continue,
            };
            return Err(Error::usage(format!("`--{flag}` must be {range}")));
        }
    }
    Ok(())
}

/// What a parameter may be, in words.
fn expected(property: &Value) -> String {
    let description = property.get("description").and_then(Value::as_str).unwrap_or_default();
    let types = property.get("type").map(|types| types.to_string().replace(['"', '[', ']'], "").replace(',', " or "));
    match types {
        Some(types) => format!("it is of type {types}: {description}"),
        None => format!("it is: {description}"),
    }
}
