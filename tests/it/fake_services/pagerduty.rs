//! PagerDuty: <https://github.com/PagerDuty/developer-docs/blob/main/docs/events-API-v2>

use chrono::DateTime;
use serde_json::{Value, json};

use super::{
    Received,
    checks::{
        as_json, check_fields, check_json, check_optional_text, check_optional_url, check_text, check_url, check_word,
    },
};
use crate::http::Answer;

pub(super) fn answer(request: &Received, wrong: &mut Vec<String>) -> Answer {
    if request.raw.len() > 512 * 1024 {
        wrong.push(format!("{} bytes are more than 512 KB", request.raw.len()));
        return as_json(413, &json!({"status": "invalid event", "message": "Event is too large", "errors": wrong}));
    }
    check_json(request, wrong);
    let body = &request.body;
    let known = ["routing_key", "event_action", "dedup_key", "payload", "client", "client_url", "links", "images"];
    check_fields(body, &known, "an event", wrong);
    let key = body["routing_key"].as_str().unwrap_or_default();
    if key.len() != 32 || !key.chars().all(|c| c.is_ascii_alphanumeric()) {
        wrong.push("Length of 'routing_key' is incorrect (should be 32 characters)".into());
    }
    check_word(&body["event_action"], &["trigger", "acknowledge", "resolve"], "event_action", wrong);
    // PagerDuty makes one up, and then nobody can resolve the alert.
    check_text(&body["dedup_key"], 255, "dedup_key", wrong);
    if body["event_action"] == "trigger" || !body["payload"].is_null() {
        check_payload(&body["payload"], wrong);
    }
    check_optional_text(&body["client"], usize::MAX, "client", wrong);
    check_optional_url(&body["client_url"], usize::MAX, "client_url", wrong);
    for link in body["links"].as_array().into_iter().flatten() {
        check_fields(link, &["href", "text"], "a link", wrong);
        check_url(&link["href"], usize::MAX, "the href of a link", wrong);
        check_optional_text(&link["text"], usize::MAX, "the text of a link", wrong);
    }
    for image in body["images"].as_array().into_iter().flatten() {
        check_fields(image, &["src", "href", "alt"], "an image", wrong);
        if !image["src"].as_str().is_some_and(|src| src.starts_with("https://")) {
            wrong.push(format!("the src of an image is {}", image["src"]));
        }
    }
    for list in ["links", "images"] {
        if !body[list].is_null() && !body[list].is_array() {
            wrong.push(format!("{list} is no list"));
        }
    }
    if wrong.is_empty() {
        let answer = json!({"status": "success", "message": "Event processed", "dedup_key": body["dedup_key"]});
        return as_json(202, &answer);
    }
    as_json(400, &json!({"status": "invalid event", "message": "Event object is invalid", "errors": wrong}))
}

fn check_payload(payload: &Value, wrong: &mut Vec<String>) {
    let known = ["summary", "source", "severity", "timestamp", "component", "group", "class", "custom_details"];
    check_fields(payload, &known, "the payload", wrong);
    check_text(&payload["summary"], 1024, "payload.summary", wrong);
    check_text(&payload["source"], usize::MAX, "payload.source", wrong);
    check_word(&payload["severity"], &["critical", "error", "warning", "info"], "payload.severity", wrong);
    for field in ["component", "group", "class"] {
        check_optional_text(&payload[field], usize::MAX, &format!("payload.{field}"), wrong);
    }
    if let Some(time) = payload.get("timestamp") {
        let text = time.as_str().unwrap_or_default();
        let is_time = DateTime::parse_from_rfc3339(text).is_ok()
            || DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z").is_ok();
        if !is_time {
            wrong.push(format!("payload.timestamp is {time}"));
        }
    }
    if payload.get("custom_details").is_some_and(|details| !details.is_object()) {
        wrong.push("payload.custom_details is no object".into());
    }
}
