//! Rules that many services share, and the kinds of answers.

use serde_json::Value;

use super::Received;
use crate::http::Answer;

pub(super) fn text(status: u16, body: &str) -> Answer {
    let headers = vec![("content-type".to_owned(), "text/plain".to_owned())];
    Answer { status, headers, body: body.as_bytes().to_vec() }
}

pub(super) fn empty(status: u16) -> Answer {
    Answer { status, headers: Vec::new(), body: Vec::new() }
}

pub(super) fn as_json(status: u16, body: &Value) -> Answer {
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    Answer { status, headers, ..Answer::json(body) }
}

fn is_json(request: &Received) -> bool {
    let kind = request.header("content-type").to_lowercase();
    let (kind, parameters) = kind.split_once(';').unwrap_or((&kind, ""));
    let parameters = parameters.trim().replace('"', "");
    kind.trim() == "application/json" && ["", "charset=utf-8"].contains(&parameters.as_str())
}

/// Only JSON that says so.
pub(super) fn check_json(request: &Received, wrong: &mut Vec<String>) {
    if !is_json(request) {
        wrong.push(format!("the content type is {:?}", request.headers.get("content-type")));
    }
    if !request.body.is_object() {
        wrong.push("the body is no JSON object".into());
    }
}

/// No fields but these, and none of them null.
pub(super) fn check_fields(value: &Value, known: &[&str], what: &str, wrong: &mut Vec<String>) {
    let Some(object) = value.as_object() else {
        wrong.push(format!("{what} is no object: {value}"));
        return;
    };
    for (key, value) in object {
        check_name(key, known, what, wrong);
        if value.is_null() {
            wrong.push(format!("{what} has a null for `{key}`"));
        }
    }
}

/// What a service does not know is wrong, also where the service itself would let it pass.
pub(super) fn check_name(name: &str, known: &[&str], what: &str, wrong: &mut Vec<String>) {
    if !known.contains(&name) {
        wrong.push(format!("{what} has no field `{name}`"));
    }
}

/// Text of 1 up to so many characters.
pub(super) fn check_text(value: &Value, most: usize, what: &str, wrong: &mut Vec<String>) {
    match value.as_str() {
        None => wrong.push(format!("{what} is no text: {value}")),
        Some(text) if text.trim().is_empty() => wrong.push(format!("{what} is empty")),
        Some(text) if text.chars().count() > most => {
            wrong.push(format!("{what} has {} characters, more than {most}", text.chars().count()));
        }
        Some(_) => {}
    }
}

pub(super) fn check_optional_text(value: &Value, most: usize, what: &str, wrong: &mut Vec<String>) {
    if !value.is_null() {
        check_text(value, most, what, wrong);
    }
}

/// Text that is one of some words.
pub(super) fn check_word(value: &Value, words: &[&str], what: &str, wrong: &mut Vec<String>) {
    if !value.as_str().is_some_and(|word| words.contains(&word)) {
        wrong.push(format!("{what} is none of {words:?}: {value}"));
    }
}

pub(super) fn check_optional_word(value: &Value, words: &[&str], what: &str, wrong: &mut Vec<String>) {
    if !value.is_null() {
        check_word(value, words, what, wrong);
    }
}

pub(super) fn check_url(value: &Value, most: usize, what: &str, wrong: &mut Vec<String>) {
    check_text(value, most, what, wrong);
    if !value.as_str().is_some_and(is_url) {
        wrong.push(format!("{what} is no address of the web: {value}"));
    }
}

pub(super) fn check_optional_url(value: &Value, most: usize, what: &str, wrong: &mut Vec<String>) {
    if !value.is_null() {
        check_url(value, most, what, wrong);
    }
}

pub(super) fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
        && !text.contains(|c: char| c.is_whitespace() || c.is_control() || "<>\"".contains(c))
}

/// The parts of an array that must have from one to so many.
pub(super) fn parts<'a>(value: &'a Value, most: usize, what: &str, wrong: &mut Vec<String>) -> &'a [Value] {
    let parts = value.as_array().map_or(&[][..], Vec::as_slice);
    if parts.is_empty() || parts.len() > most {
        wrong.push(format!("{what} has {} parts, not 1 to {most}", parts.len()));
    }
    parts
}

/// A whole number from 1.
pub(super) fn is_count(value: &Value) -> bool {
    value.as_u64().is_some_and(|count| count > 0)
}

/// So many hexadecimal digits.
pub(super) fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.chars().all(|c| c.is_ascii_hexdigit())
}
