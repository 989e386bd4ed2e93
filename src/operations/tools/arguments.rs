//! What a model gives, as a command line. Models write numbers and lists as texts, texts as lists and periods as objects;
//! whatever can be meant in one way only is taken so.

use clap::{Arg, ArgAction, builder::PossibleValue, error::ContextKind};
use serde_json::{Map, Value, json};

use super::Tool;
use crate::{
    error::{Code, Error, Result, nearest},
    inert,
    operations::{Entry, Session},
};

/// The parameters of a tool as properties of a schema, made of the flags of its operation.
pub(super) fn properties(tool: &Tool, entry: &Entry) -> Map<String, Value> {
    let schema = (entry.input)();
    let types = schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let flags = (entry.flags)();
    let property = |name: &&str| {
        let arg = flags.get_arguments().find(|arg| arg.get_id().as_str() == *name)?;
        Some(((*name).to_owned(), property(arg, types.get(*name))))
    };
    tool.parameters.iter().filter_map(property).collect()
}

fn property(arg: &Arg, schema: Option<&Value>) -> Value {
    // What a list may hold, its words say; an enumeration in each tool would fill a model's memory.
    let values = if is_list(arg) && arg.get_id() == "include" { Vec::new() } else { names(&arg.get_possible_values()) };
    let json_type = schema.and_then(|schema| type_of(schema));
    let one = match (arg.get_action(), values.is_empty(), json_type) {
        (ArgAction::SetTrue, ..) => json!({"type": "boolean"}),
        (_, false, _) => json!({"type": "string", "enum": values}),
        (_, true, Some(number @ ("integer" | "number"))) => json!({"type": number}),
        _ => json!({"type": "string"}),
    };
    let mut property = if is_list(arg) { json!({"type": "array", "items": one}) } else { one };
    let default = arg.get_default_values().first().and_then(|value| value.to_str()).filter(|value| !value.is_empty());
    if let Some(default) = default.filter(|_| !is_list(arg) && !matches!(arg.get_action(), ArgAction::SetTrue)) {
        let is_number = property["type"] != "string";
        property["default"] = default.parse().ok().filter(|_| is_number).unwrap_or_else(|| default.into());
    }
    let help = super::catalog::words(arg.get_id().as_str()).map(str::to_owned);
    let help = help.or_else(|| arg.get_help().map(|help| help.to_string()));
    if let Some(help) = help.filter(|help| !help.is_empty() && values_say_nothing(arg)) {
        property["description"] = short(&help).into();
    }
    property
}

/// Whether the values of an enumeration do not say what it is by themselves.
fn values_say_nothing(arg: &Arg) -> bool {
    arg.get_possible_values().is_empty() || arg.get_id() == "include"
}

/// The first type of a schema that is not null.
fn type_of(schema: &Value) -> Option<&str> {
    match &schema["type"] {
        Value::String(name) => Some(name),
        Value::Array(names) => names.iter().filter_map(Value::as_str).find(|name| *name != "null"),
        _ => None,
    }
}

fn names(values: &[PossibleValue]) -> Vec<String> {
    values.iter().filter(|value| !value.is_hide_set()).map(|value| value.get_name().to_owned()).collect()
}

/// The help of a flag without what only a command line needs.
fn short(help: &str) -> String {
    let help = help.split("; repeatable").next().unwrap_or_default();
    let help = help.split("; `trends --help`").next().unwrap_or_default();
    let help = help.split(" [default").next().unwrap_or_default();
    help.replace('\n', " ").replace("--", "")
}

fn is_list(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Append)
}

/// The parameters that a tool must be given.
pub(super) fn required(tool: &Tool, entry: &Entry) -> Vec<String> {
    let flags = (entry.flags)();
    let is_required =
        |name: &&&str| flags.get_arguments().any(|arg| arg.get_id().as_str() == **name && arg.is_required_set());
    tool.parameters.iter().filter(is_required).map(|name| (*name).to_owned()).collect()
}

/// The words of the command line of a call, without the command itself.
///
/// # Errors
/// When a parameter is unknown, or what it is given is nothing of its kind.
pub(super) fn line(tool: &Tool, entry: &Entry, given: &Map<String, Value>) -> Result<Vec<String>> {
    let flags = (entry.flags)();
    let arg = |name: &str| flags.get_arguments().find(|arg| arg.get_id().as_str() == name);
    let (mut options, mut positionals) = (Vec::new(), Vec::new());
    for (name, value) in given.iter().filter(|(_, value)| !value.is_null()) {
        if ["limit", "cursor"].contains(&name.as_str()) && !tool.rows.is_empty() {
            continue;
        }
        let known = tool.parameters.contains(&name.as_str());
        let arg = arg(name).filter(|_| known).ok_or_else(|| unknown(tool, name))?;
        let words = words(arg, value).ok_or_else(|| {
            let kind = if is_list(arg) {
                "a list of texts"
            } else {
                "a text, a number, or true or false where it is a switch"
            };
            Error::usage(format!("`{name}` cannot be {value}")).hint(format!("it is {kind}"))
        })?;
        if arg.is_positional() {
            positionals.extend(words);
        } else if matches!(arg.get_action(), ArgAction::SetTrue) {
            options.extend(words.first().filter(|word| *word == "true").map(|_| flag(arg)));
        } else {
            options.extend(words.iter().map(|word| format!("{}={word}", flag(arg))));
        }
    }
    for (name, value) in tool.fixed {
        let Some(arg) = arg(name) else { return Err(Error::bug(format!("`{}` has no `{name}`", tool.operation))) };
        options.push(if *value == "true" { flag(arg) } else { format!("{}={value}", flag(arg)) });
    }
    if !positionals.is_empty() {
        options.push("--".to_owned());
        options.extend(positionals);
    }
    Ok(options)
}

fn flag(arg: &Arg) -> String {
    format!("--{}", arg.get_long().unwrap_or_default())
}

fn unknown(tool: &Tool, name: &str) -> Error {
    let own = if tool.rows.is_empty() { &[][..] } else { &["limit", "cursor"] };
    let names: Vec<&str> = tool.parameters.iter().chain(own).copied().collect();
    let error = Error::usage(format!("`{}` has no parameter `{name}`", tool.name));
    let all = if names.is_empty() { "it has none".to_owned() } else { format!("there are: {}", names.join(", ")) };
    match nearest(name, names.iter().copied()) {
        Some(near) => error.hint(format!("did you mean `{near}`? {all}")),
        None => error.hint(all),
    }
}

/// A value as words for a flag; none when it cannot be meant.
fn words(arg: &Arg, value: &Value) -> Option<Vec<String>> {
    if is_list(arg) {
        return match value {
            Value::Array(values) => values.iter().map(word).collect(),
            Value::String(text) if text.trim_start().starts_with('[') => {
                serde_json::from_str::<Vec<Value>>(text).ok()?.iter().map(word).collect()
            }
            Value::String(text) => Some(parts(text)),
            // `{"service": "AmazonEC2"}` is what some make of a list of filters.
            Value::Object(pairs) => pairs.iter().map(|(key, value)| Some(format!("{key}={}", word(value)?))).collect(),
            value => Some(vec![word(value)?]),
        };
    }
    if matches!(arg.get_action(), ArgAction::SetTrue) {
        let is_on = match value {
            Value::Bool(is_on) => *is_on,
            Value::String(text) => ["true", "yes", "1"].contains(&text.trim().to_lowercase().as_str()),
            _ => return None,
        };
        return Some(vec![is_on.to_string()]);
    }
    match value {
        // Dimensions are joined by +.
        Value::Array(values) => {
            let words: Vec<String> = values.iter().map(word).collect::<Option<_>>()?;
            Some(vec![words.join("+")])
        }
        Value::Object(period) => {
            let day = |key: &str| period.get(key).and_then(Value::as_str);
            let (start, end) = (day("start").or_else(|| day("from"))?, day("end").or_else(|| day("to"))?);
            (period.len() == 2).then(|| vec![format!("{start}..{end}")])
        }
        value => Some(vec![word(value)?]),
    }
}

fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) => {
            // 14.0 is a whole number.
            let whole = number.as_f64().filter(|number| number.fract() == 0.0 && number.abs() < 1e15);
            Some(whole.map_or_else(|| number.to_string(), |whole| format!("{whole:.0}")))
        }
        _ => None,
    }
}

/// The parts of a list that is written as one text: a comma ends a part where another `dimension=` or a plain word begins.
fn parts(text: &str) -> Vec<String> {
    let begins = |part: &str| {
        let name = part.split(['=', '!']).next().unwrap_or_default();
        let kind = name.split(':').next().unwrap_or_default();
        part.len() > name.len() && !kind.is_empty() && kind.chars().all(|c| c.is_ascii_lowercase() || c == '-')
    };
    let mut parts: Vec<String> = Vec::new();
    for part in text.split(',') {
        match parts.last_mut() {
            Some(last) if last.contains('=') && !begins(part.trim()) => *last += &format!(",{part}"),
            _ => parts.push(part.trim().to_owned()),
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// The command line that repeats a call, as a shell takes it.
pub(super) fn command(tool: &Tool, entry: &Entry, line: &[String], as_of: Option<&str>, session: &Session) -> String {
    let mut words = vec![env!("CARGO_PKG_NAME").to_owned()];
    words.extend(tool.command.iter().map(|word| (*word).to_owned()));
    let mut line: Vec<String> = line.to_vec();
    if let Some(parameter) = tool.subcommand {
        let start = format!("--{parameter}=");
        let place = line.iter().position(|word| word.starts_with(&start));
        match place.map(|place| line.remove(place)[start.len()..].to_owned()) {
            // The command line takes back by a flag.
            Some(word) if word == "undo" => words.extend(["ack".to_owned(), "--undo".to_owned()]),
            word => words.extend(word),
        }
    }
    let flags = (entry.flags)();
    let given = |name: &str| line.iter().any(|word| word.split('=').next() == Some(name));
    // What is as without the flag does not have to be said.
    let is_default = |word: &str| {
        let (flag, value) = word.split_once('=').unwrap_or((word, ""));
        let arg =
            flags.get_arguments().find(|arg| arg.get_long().is_some_and(|long| flag.strip_prefix("--") == Some(long)));
        arg.is_some_and(|arg| !is_list(arg) && arg.get_default_values().iter().any(|default| default == value))
    };
    let as_of = as_of.filter(|_| !given("--as-of")).map(|day| format!("--as-of={day}"));
    let options = session.options().into_iter().map(|(flag, value)| format!("{flag}={value}"));
    let own = line.iter().take_while(|word| *word != "--").filter(|word| !is_default(word)).cloned();
    for word in own.chain(as_of).chain(options).collect::<Vec<_>>() {
        match word.split_once('=') {
            Some((flag, value)) if !value.starts_with('-') => words.extend([flag.to_owned(), inert::shell(value)]),
            _ => words.push(inert::shell(&word)),
        }
    }
    let mut rest = line.iter().skip_while(|word| *word != "--").skip(1).peekable();
    if rest.peek().is_some_and(|word| word.starts_with('-')) {
        words.push("--".to_owned());
    }
    words.extend(rest.map(|word| inert::shell(word)));
    words.join(" ")
}

/// What the reader of flags says, in words of parameters.
pub(in crate::operations) fn refused(error: &clap::Error, name: &str) -> Error {
    let text = |kind| match error.get(kind) {
        Some(clap::error::ContextValue::String(text)) => Some(text.clone()),
        Some(clap::error::ContextValue::Strings(texts)) => Some(texts.join(", ")),
        _ => None,
    };
    let parameter = |kind| text(kind).map(|flag| flag.split(", ").map(parameter_of).collect::<Vec<_>>().join("`, `"));
    let cause = std::error::Error::source(error).map(ToString::to_string);
    let parameters = parameter(ContextKind::InvalidArg).unwrap_or_default();
    use clap::error::ErrorKind;
    let refusal = match error.kind() {
        ErrorKind::MissingRequiredArgument => Error::usage(format!("`{name}` needs `{parameters}`")),
        ErrorKind::ArgumentConflict => {
            let other = parameter(ContextKind::PriorArg).unwrap_or_default();
            Error::usage(format!("`{parameters}` and `{other}` do not go together"))
        }
        _ => {
            let value = text(ContextKind::InvalidValue).unwrap_or_default();
            Error::usage(format!("`{parameters}` cannot be `{value}`"))
        }
    };
    let refusal = cause.into_iter().fold(refusal, Error::cause);
    let near = text(ContextKind::SuggestedValue).map(|near| format!("did you mean `{near}`?"));
    let valid = text(ContextKind::ValidValue).map(|valid| format!("there are: {valid}"));
    near.into_iter().chain(valid).fold(refusal, Error::hint)
}

/// `--usage-type <TYPE>` is `usage_type`, and `<DIMENSION>` is `dimension`.
fn parameter_of(flag: &str) -> String {
    let name = flag.split_whitespace().next().unwrap_or_default();
    name.trim_matches(|c: char| !c.is_alphanumeric()).replace('-', "_").to_lowercase()
}

/// An error of an operation with its flags named as parameters.
pub(super) fn in_words_of(error: Error, tool: &Tool) -> Error {
    if error.code() != Code::InvalidUsage {
        return error;
    }
    let renamed = |text: &str| {
        let text = text.replace(&format!("`{}` needs", tool.operation), &format!("`{}` needs", tool.name));
        tool.parameters
            .iter()
            .fold(text, |text, name| text.replace(&format!("`--{}`", name.replace('_', "-")), &format!("`{name}`")))
    };
    let again =
        error.causes().iter().fold(Error::usage(renamed(error.message())), |again, cause| again.cause(renamed(cause)));
    error.hints().iter().fold(again, |again, hint| again.hint(renamed(hint)))
}
