//! Slack: <https://docs.slack.dev/reference/block-kit/blocks> and
//! <https://docs.slack.dev/messaging/formatting-message-text>

use std::collections::HashSet;

use serde_json::{Value, json};

use super::{
    Received, SLACK_TOKEN,
    checks::{
        as_json, check_fields, check_json, check_optional_text, check_optional_url, check_optional_word, check_text,
        is_url, parts, text,
    },
};
use crate::http::Answer;

/// What a message may consist of. Slack refuses what it does not know in blocks only; here it is refused at once.
const MESSAGE: [&str; 8] =
    ["text", "blocks", "attachments", "thread_ts", "mrkdwn", "unfurl_links", "unfurl_media", "reply_broadcast"];

pub(super) fn webhook(request: &Received, wrong: &mut Vec<String>) -> Answer {
    check_json(request, wrong);
    if !wrong.is_empty() {
        return text(400, "invalid_payload");
    }
    check_fields(&request.body, &MESSAGE[..7], "a message", wrong);
    match check_message(&request.body, wrong) {
        Some(error) => text(400, error),
        None if !wrong.is_empty() => text(400, "invalid_payload"),
        None => text(200, "ok"),
    }
}

/// Messages that were posted are there by channel and time.
pub(super) fn message(request: &Received, messages: &mut Vec<(String, String)>, wrong: &mut Vec<String>) -> Answer {
    let refuse = |error: &str, wrong: &[String]| {
        as_json(200, &json!({"ok": false, "error": error, "response_metadata": {"messages": wrong}}))
    };
    match request.headers.get("authorization").map(String::as_str) {
        None => {
            wrong.push("there is no token".into());
            return refuse("not_authed", wrong);
        }
        Some(token) if token != format!("Bearer {SLACK_TOKEN}") => {
            wrong.push("the token is another".into());
            return refuse("invalid_auth", wrong);
        }
        Some(_) => {}
    }
    check_json(request, wrong);
    if !wrong.is_empty() {
        return refuse("invalid_json", wrong);
    }
    let body = &request.body;
    let known = [&["channel", "username", "icon_emoji", "icon_url", "metadata"], &MESSAGE[..]].concat();
    check_fields(body, &known, "a message", wrong);
    let channel = body["channel"].as_str().unwrap_or_default();
    if channel.is_empty() {
        wrong.push("there is no channel".into());
        return refuse("channel_not_found", wrong);
    }
    if let Some(error) = check_message(body, wrong) {
        return refuse(error, wrong);
    }
    // Not in the documentation: https://github.com/slackapi/bolt-js/issues/2509
    let length = if body["blocks"].is_null() { 0 } else { body["blocks"].to_string().chars().count() };
    if length > 13_200 {
        wrong.push(format!("the blocks have {length} characters together"));
        return refuse("msg_blocks_too_long", wrong);
    }
    if !body["reply_broadcast"].is_null() && (!body["reply_broadcast"].is_boolean() || body["thread_ts"].is_null()) {
        wrong.push(format!("reply_broadcast is {} of the thread {}", body["reply_broadcast"], body["thread_ts"]));
    }
    if !wrong.is_empty() {
        return refuse("invalid_arguments", wrong);
    }
    // A channel goes by its name or by its identifier; in answers by the latter.
    let is_identifier = ["C0", "G0", "D0"].iter().any(|start| channel.starts_with(start));
    let channel = if is_identifier { channel.to_owned() } else { "C0TESTCHANNEL".to_owned() };
    let thread = &body["thread_ts"];
    let mut posted = messages.iter();
    if !thread.is_null() && !posted.any(|(of, time)| *of == channel && thread == time.as_str()) {
        wrong.push(format!("there is no thread {thread} in {channel}"));
        return refuse("thread_not_found", wrong);
    }
    let time = format!("1700000000.{:06}", messages.len() + 1);
    messages.push((channel.clone(), time.clone()));
    as_json(200, &json!({"ok": true, "channel": channel, "ts": time, "message": {"text": body["text"], "ts": time}}))
}

/// Slack's word for what is wrong with a message, if something is.
fn check_message(body: &Value, wrong: &mut Vec<String>) -> Option<&'static str> {
    // The text is what notifications show, also where there are blocks.
    let former = wrong.len();
    check_text(&body["text"], 40_000, "the text of a message", wrong);
    if wrong.len() > former {
        let is_long = body["text"].as_str().is_some_and(|text| text.chars().count() > 40_000);
        return Some(if is_long { "msg_too_long" } else { "no_text" });
    }
    check_mrkdwn(body["text"].as_str().unwrap_or_default(), "the text of a message", wrong);
    let mut identifiers = HashSet::new();
    check_blocks(&body["blocks"], &mut identifiers, wrong);
    for attachment in body["attachments"].as_array().into_iter().flatten() {
        check_fields(attachment, &["color", "fallback", "blocks"], "an attachment", wrong);
        check_blocks(&attachment["blocks"], &mut identifiers, wrong);
    }
    (wrong.len() > former).then_some("invalid_blocks")
}

fn check_blocks<'a>(blocks: &'a Value, identifiers: &mut HashSet<&'a str>, wrong: &mut Vec<String>) {
    if blocks.is_null() {
        return;
    }
    for (index, block) in parts(blocks, 50, "blocks", wrong).iter().enumerate() {
        let kind = block["type"].as_str().unwrap_or_default();
        let what = format!("block {index} ({kind})");
        check_identifier(block, "block_id", identifiers, &what, wrong);
        let mut actions = HashSet::new();
        match kind {
            "divider" => check_fields(block, &["type", "block_id"], &what, wrong),
            "header" => {
                check_fields(block, &["type", "block_id", "text"], &what, wrong);
                check_text_object(&block["text"], 150, true, &what, wrong);
            }
            "section" => {
                check_fields(block, &["type", "block_id", "text", "fields", "accessory", "expand"], &what, wrong);
                if block["text"].is_null() && block["fields"].is_null() {
                    wrong.push(format!("{what} has neither text nor fields"));
                }
                if !block["text"].is_null() {
                    check_text_object(&block["text"], 3000, false, &what, wrong);
                }
                if !block["fields"].is_null() {
                    for field in parts(&block["fields"], 10, &format!("{what}: fields"), wrong) {
                        check_text_object(field, 2000, false, &format!("{what}: a field"), wrong);
                    }
                }
                if !block["accessory"].is_null() {
                    check_button(&block["accessory"], &mut actions, &what, wrong);
                }
            }
            "context" => {
                check_fields(block, &["type", "block_id", "elements"], &what, wrong);
                for element in parts(&block["elements"], 10, &format!("{what}: elements"), wrong) {
                    // An own limit there is none; that of every text object is this.
                    check_text_object(element, 3000, false, &what, wrong);
                }
            }
            "actions" => {
                check_fields(block, &["type", "block_id", "elements"], &what, wrong);
                for element in parts(&block["elements"], 25, &format!("{what}: elements"), wrong) {
                    check_button(element, &mut actions, &what, wrong);
                }
            }
            _ => wrong.push(format!("block {index} is of no known type: {}", block["type"])),
        }
    }
}

fn check_text_object(value: &Value, most: usize, plain_only: bool, what: &str, wrong: &mut Vec<String>) {
    let is_plain = value["type"] == "plain_text";
    if !is_plain && (plain_only || value["type"] != "mrkdwn") {
        wrong.push(format!("{what}: a text of type {}", value["type"]));
    }
    let known: &[&str] = if is_plain { &["type", "text", "emoji"] } else { &["type", "text", "verbatim"] };
    check_fields(value, known, what, wrong);
    check_text(&value["text"], most, &format!("{what}: text"), wrong);
    if !is_plain {
        check_mrkdwn(value["text"].as_str().unwrap_or_default(), what, wrong);
    }
}

fn check_button<'a>(button: &'a Value, actions: &mut HashSet<&'a str>, what: &str, wrong: &mut Vec<String>) {
    let what = &format!("{what}: a button");
    if button["type"] != "button" {
        wrong.push(format!("{what} is of type {}", button["type"]));
    }
    let known = ["type", "text", "action_id", "url", "value", "style", "confirm", "accessibility_label"];
    check_fields(button, &known, what, wrong);
    check_text_object(&button["text"], 75, true, what, wrong);
    check_optional_text(&button["value"], 2000, &format!("{what}: value"), wrong);
    check_optional_text(&button["accessibility_label"], 75, &format!("{what}: accessibility_label"), wrong);
    check_optional_url(&button["url"], 3000, &format!("{what}: url"), wrong);
    check_optional_word(&button["style"], &["primary", "danger"], &format!("{what}: style"), wrong);
    check_identifier(button, "action_id", actions, what, wrong);
}

/// A name that is there once, if at all.
fn check_identifier<'a>(
    of: &'a Value,
    field: &str,
    former: &mut HashSet<&'a str>,
    what: &str,
    wrong: &mut Vec<String>,
) {
    let value = &of[field];
    if value.is_null() {
        return;
    }
    check_text(value, 255, &format!("{what}: {field}"), wrong);
    if !former.insert(value.as_str().unwrap_or_default()) {
        wrong.push(format!("{what}: {field} {value} is there twice"));
    }
}

/// `&`, `<` and `>` stand only for themselves as entities. Nobody is called, whatever a tag in a bill says.
fn check_mrkdwn(text: &str, what: &str, wrong: &mut Vec<String>) {
    let mut rest = text;
    let mut at_start_of_line = true;
    while let Some(first) = rest.chars().next() {
        let mut length = first.len_utf8();
        match first {
            '&' if !["&amp;", "&lt;", "&gt;"].iter().any(|entity| rest.starts_with(entity)) => {
                wrong.push(format!("{what}: `&` is not escaped in `{text}`"));
            }
            '<' => {
                let end = rest.find(['>', '\n']).filter(|end| rest[*end..].starts_with('>'));
                let inside = end.map_or("", |end| &rest[1..end]);
                let (target, label) = inside.split_once('|').unwrap_or((inside, "-"));
                let names = |start: &str| target.strip_prefix(start).is_some_and(|name| !name.is_empty());
                let is_link = is_url(target) && !label.trim().is_empty() && !inside.contains('<');
                let is_mention = names("#C") || names("!date^") || names("!subteam^") || names("mailto:");
                if !is_link && !is_mention {
                    wrong.push(format!("{what}: `<` is not escaped or calls somebody in `{text}`"));
                }
                if inside.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "").contains('&') {
                    wrong.push(format!("{what}: `&` is not escaped in the link `{inside}`"));
                }
                length = end.map_or(1, |end| end + 1);
            }
            // At the start of a line it makes a quotation.
            '>' if !at_start_of_line => wrong.push(format!("{what}: `>` is not escaped in `{text}`")),
            _ => {}
        }
        at_start_of_line = first == '\n' || (at_start_of_line && first == '>');
        rest = &rest[length..];
    }
}
