//! The models: <https://platform.claude.com/docs/en/api/messages> and
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>

use serde_json::{Value, json};

use super::{
    Received,
    aws::check_signature,
    checks::{as_json, check_fields, check_json, check_text, check_word, is_count, parts},
    decode::decode_percent,
};
use crate::http::Answer;

pub(super) fn anthropic(request: &Received, said: &str, wrong: &mut Vec<String>) -> Answer {
    let refuse = |status: u16, kind: &str, message: &str| {
        as_json(status, &json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}))
    };
    if request.headers.get("x-api-key").is_none_or(String::is_empty) {
        wrong.push("x-api-key header is required".into());
        return refuse(401, "authentication_error", "x-api-key header is required");
    }
    if request.headers.get("anthropic-version").is_none_or(|version| version != "2023-06-01") {
        wrong.push(format!("anthropic-version: {:?}", request.headers.get("anthropic-version")));
    }
    check_json(request, wrong);
    let body = &request.body;
    let known = [
        "model",
        "max_tokens",
        "messages",
        "system",
        "temperature",
        "top_p",
        "top_k",
        "stop_sequences",
        "metadata",
        "stream",
        "thinking",
        "tools",
        "tool_choice",
        "service_tier",
        "output_config",
    ];
    check_fields(body, &known, "a request", wrong);
    check_text(&body["model"], 256, "model", wrong);
    if !is_count(&body["max_tokens"]) {
        wrong.push(format!("max_tokens is {}", body["max_tokens"]));
    }
    check_share(body, "temperature", wrong);
    if body["stream"] == true {
        wrong.push("nobody here answers as a stream".into());
    }
    for message in check_roles(&body["messages"], wrong) {
        check_said(&message["content"], "messages.content", wrong);
    }
    if !body["system"].is_null() {
        check_said(&body["system"], "system", wrong);
    }
    if let Some(message) = wrong.first() {
        return refuse(400, "invalid_request_error", message);
    }
    as_json(
        200,
        &json!({
            "id": "msg_1", "type": "message", "role": "assistant", "model": body["model"],
            "content": [{"type": "text", "text": said}], "stop_reason": "end_turn", "stop_sequence": null,
            "usage": {"input_tokens": 1, "output_tokens": 1}
        }),
    )
}

fn check_share(body: &Value, name: &str, wrong: &mut Vec<String>) {
    let value = &body[name];
    if !value.is_null() && !value.as_f64().is_some_and(|share| (0.0..=1.0).contains(&share)) {
        wrong.push(format!("{name} is {value}"));
    }
}

/// The messages, which begin with the user's.
fn check_roles<'a>(messages: &'a Value, wrong: &mut Vec<String>) -> &'a [Value] {
    let messages = parts(messages, 100_000, "messages", wrong);
    for message in messages {
        check_fields(message, &["role", "content"], "a message", wrong);
        check_word(&message["role"], &["user", "assistant"], "the role of a message", wrong);
    }
    if messages.first().is_some_and(|first| first["role"] != "user") {
        wrong.push("the first message is not the user's".into());
    }
    messages
}

/// Text, or blocks of text.
fn check_said(content: &Value, what: &str, wrong: &mut Vec<String>) {
    if content.is_string() {
        return check_text(content, usize::MAX, what, wrong);
    }
    for block in parts(content, usize::MAX, what, wrong) {
        check_word(&block["type"], &["text"], what, wrong);
        check_text(&block["text"], usize::MAX, what, wrong);
    }
}

pub(super) fn bedrock(request: &Received, said: &str, wrong: &mut Vec<String>) -> Answer {
    let region = check_signature(request, "bedrock", wrong);
    if region.is_empty() {
        wrong.push("there is no region".into());
    }
    check_json(request, wrong);
    let model = request.path.trim_start_matches("/model/").trim_end_matches("/converse");
    let model = decode_percent(model).unwrap_or_default();
    if model.is_empty() || !model.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:/".contains(c)) {
        wrong.push(format!("the model is `{model}`"));
    }
    let body = &request.body;
    let known = ["messages", "system", "inferenceConfig", "additionalModelRequestFields", "requestMetadata"];
    check_fields(body, &known, "a request", wrong);
    let messages = check_roles(&body["messages"], wrong).iter().map(|message| &message["content"]);
    let system = Some(&body["system"]).filter(|system| !system.is_null());
    for content in messages.chain(system) {
        for block in parts(content, usize::MAX, "content", wrong) {
            check_fields(block, &["text"], "a block of content", wrong);
            check_text(&block["text"], usize::MAX, "the text of a block", wrong);
        }
    }
    let settings = &body["inferenceConfig"];
    if !settings.is_null() {
        check_fields(settings, &["maxTokens", "temperature", "topP", "stopSequences"], "inferenceConfig", wrong);
        check_share(settings, "temperature", wrong);
        check_share(settings, "topP", wrong);
        if settings.get("maxTokens").is_some_and(|tokens| !is_count(tokens)) {
            wrong.push(format!("maxTokens is {}", settings["maxTokens"]));
        }
    }
    if let Some(message) = wrong.first() {
        let mut answer = as_json(400, &json!({"message": message}));
        answer.headers.push(("x-amzn-errortype".into(), "ValidationException".into()));
        return answer;
    }
    as_json(
        200,
        &json!({
            "output": {"message": {"role": "assistant", "content": [{"text": said}]}}, "stopReason": "end_turn",
            "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}, "metrics": {"latencyMs": 1}
        }),
    )
}
