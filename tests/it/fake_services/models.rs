//! Language models: <https://platform.claude.com/docs/en/api/messages>,
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html> and
//! <https://platform.openai.com/docs/api-reference/chat>. Each says what a script has, and holds every request against the rules
//! of its provider: sides take turns, each call is answered in the next message, tools stay once there were any, thoughts come
//! back as they were.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use serde_json::{Value, json};

use super::{
    Received,
    aws::check_signature,
    checks::{as_json, check_fields, check_json, check_text, check_word, is_count, parts},
    decode::decode_percent,
};
use crate::http::Answer;

/// What a model says in a turn.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    said: Vec<Said>,
    stop: Stop,
    /// Whether the answer breaks off in its middle.
    cut: bool,
    /// Tokens read, said, and read from a cache.
    tokens: [u64; 3],
}

#[derive(Clone, Debug)]
enum Said {
    Text(String),
    Thought(String),
    /// A tool and its input as it is written, JSON or not.
    Call(String, String),
}

/// Why a model stops, in nobody's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    Auto,
    Length,
    Refusal,
    Window,
    Malformed,
}

/// A script that is made once it is known what the model was sent.
pub(crate) type Turn = Box<dyn FnOnce(&Seen) -> Script + Send>;

/// What a model was sent, in nobody's words.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub system: String,
    pub tools: Vec<String>,
    pub messages: Vec<SeenMessage>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct SeenMessage {
    pub role: String,
    pub texts: Vec<String>,
    pub thoughts: Vec<Value>,
    /// Ids and names.
    pub calls: Vec<(String, String)>,
    /// Ids, texts, and whether they are errors.
    pub results: Vec<(String, String, bool)>,
}

/// What models have to say, and what they said.
#[derive(Default)]
pub(crate) struct Models {
    pub turns: VecDeque<Turn>,
    /// What is said without a script.
    pub text: String,
    pub seen: Vec<Seen>,
    /// Thoughts that were thought, as each provider has them.
    thoughts: BTreeSet<String>,
    count: usize,
}

impl Script {
    pub(crate) fn text(text: &str) -> Self {
        Self { said: vec![Said::Text(text.to_owned())], stop: Stop::Auto, cut: false, tokens: [1000, 50, 0] }
    }

    pub(crate) fn call(name: &str, input: &Value) -> Self {
        Self::raw_call(name, &input.to_string())
    }

    /// A call whose input is written so.
    pub(crate) fn raw_call(name: &str, input: &str) -> Self {
        Self { said: vec![Said::Call(name.to_owned(), input.to_owned())], ..Self::text("") }
    }

    pub(crate) fn and_call(mut self, name: &str, input: &Value) -> Self {
        self.said.push(Said::Call(name.to_owned(), input.to_string()));
        self
    }

    pub(crate) fn thinking(mut self, thought: &str) -> Self {
        self.said.insert(0, Said::Thought(thought.to_owned()));
        self
    }

    pub(crate) fn stopped(self, stop: Stop) -> Self {
        Self { stop, ..self }
    }

    pub(crate) fn cut(self) -> Self {
        Self { cut: true, ..self }
    }

    pub(crate) fn tokens(self, tokens: [u64; 3]) -> Self {
        Self { tokens, ..self }
    }

    fn has_calls(&self) -> bool {
        self.said.iter().any(|said| matches!(said, Said::Call(..)))
    }
}

impl Seen {
    /// The texts of the results that came last.
    pub(crate) fn results(&self) -> Vec<&str> {
        self.messages.last().into_iter().flat_map(|last| &last.results).map(|(_, text, _)| text.as_str()).collect()
    }

    /// The number that stands in a line of the last results, after `name: `.
    pub(crate) fn figure(&self, name: &str) -> String {
        let start = format!("{name}: ");
        let line = self.results().iter().flat_map(|text| text.lines()).find_map(|line| line.strip_prefix(&start));
        line.unwrap_or_else(|| panic!("there is no `{name}` in {:#?}", self.results())).to_owned()
    }
}

impl Models {
    /// What is said next.
    fn next(&mut self, seen: Seen) -> Script {
        let script = match self.turns.pop_front() {
            Some(turn) => turn(&seen),
            None if self.text.is_empty() => Script::text("Nothing to say."),
            None => Script::text(&self.text),
        };
        self.seen.push(seen);
        script
    }

    fn id(&mut self) -> String {
        self.count += 1;
        format!("call_{}", self.count)
    }

    /// The rules that all providers have.
    fn check(&self, seen: &Seen, wrong: &mut Vec<String>) {
        let roles: Vec<&str> = seen.messages.iter().map(|message| message.role.as_str()).collect();
        if roles.first() != Some(&"user") || roles.last() != Some(&"user") {
            wrong.push(format!("the messages are of {roles:?}"));
        }
        if roles.windows(2).any(|pair| pair[0] == pair[1]) {
            wrong.push(format!("roles must alternate: {roles:?}"));
        }
        let mut ids = BTreeSet::new();
        for (message, next) in seen.messages.iter().zip(seen.messages.iter().skip(1)) {
            let called: Vec<&String> = message.calls.iter().map(|(id, _)| id).collect();
            let answered: Vec<&String> = next.results.iter().map(|(id, ..)| id).collect();
            if called != answered {
                wrong.push(format!("the calls {called:?} are answered by {answered:?}"));
            }
            if !called.iter().all(|id| ids.insert((*id).clone())) {
                wrong.push(format!("an id of {called:?} was there before"));
            }
            for thought in &message.thoughts {
                if !self.thoughts.contains(&thought.to_string()) {
                    wrong.push(format!("a thought came back as another: {thought}"));
                }
            }
        }
        if seen.messages.first().is_some_and(|first| !first.results.is_empty()) {
            wrong.push("the first message answers a call that nobody made".into());
        }
        let has_calls = seen.messages.iter().any(|message| !message.calls.is_empty() || !message.results.is_empty());
        if has_calls && seen.tools.is_empty() {
            wrong.push("there are calls and no tools".into());
        }
        let is_name = |name: &String| {
            (1..=64).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
        };
        let names: BTreeSet<&String> = seen.tools.iter().collect();
        if !seen.tools.iter().all(is_name) || names.len() != seen.tools.len() {
            wrong.push(format!("the tools are {:?}", seen.tools));
        }
        for message in &seen.messages {
            if message.texts.iter().any(|text| text.trim().is_empty()) {
                wrong.push("text must not be empty".into());
            }
            if message.texts.is_empty() && message.calls.is_empty() && message.results.is_empty() {
                wrong.push("a message is empty".into());
            }
        }
    }
}

/// An answer that may break off.
fn answer(kind: &str, body: Vec<u8>, cut: bool) -> Answer {
    let headers = vec![("content-type".to_owned(), kind.to_owned())];
    let mut answer = Answer { status: 200, headers, body };
    if cut {
        // Its head speaks of more than there is.
        answer.headers.push(("x-test-cut".into(), (answer.body.len() / 2).to_string()));
    }
    answer
}

pub(super) fn anthropic(request: &Received, models: &mut Models, wrong: &mut Vec<String>) -> Answer {
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
    check_fields(body, &["model", "max_tokens", "messages", "system", "stream", "tools"], "a request", wrong);
    check_text(&body["model"], 256, "model", wrong);
    if !is_count(&body["max_tokens"]) {
        wrong.push(format!("max_tokens is {}", body["max_tokens"]));
    }
    if body["stream"] != true {
        wrong.push("the answer is not asked for as a stream".into());
    }
    let seen = Seen {
        system: body["system"][0]["text"].as_str().unwrap_or_default().to_owned(),
        tools: anthropic_tools(body, wrong),
        messages: parts(&body["messages"], 100_000, "messages", wrong)
            .iter()
            .map(|message| {
                check_word(&message["role"], &["user", "assistant"], "the role of a message", wrong);
                let mut seen = SeenMessage { role: text_of(&message["role"]), ..SeenMessage::default() };
                for block in parts(&message["content"], usize::MAX, "messages.content", wrong) {
                    match block["type"].as_str().unwrap_or_default() {
                        "text" => seen.texts.push(text_of(&block["text"])),
                        "thinking" => seen.thoughts.push(block.clone()),
                        "tool_use" => {
                            check_fields(block, &["type", "id", "name", "input"], "tool_use", wrong);
                            if !block["input"].is_object() {
                                wrong.push(format!("the input of a tool_use is {}", block["input"]));
                            }
                            seen.calls.push((text_of(&block["id"]), text_of(&block["name"])));
                        }
                        "tool_result" => {
                            check_fields(block, &["type", "tool_use_id", "content", "is_error"], "tool_result", wrong);
                            if !seen.texts.is_empty() {
                                wrong.push("tool_result blocks come first".into());
                            }
                            seen.results.push((
                                text_of(&block["tool_use_id"]),
                                text_of(&block["content"]),
                                block["is_error"] == true,
                            ));
                        }
                        other => wrong.push(format!("there is no block `{other}`")),
                    }
                }
                seen
            })
            .collect(),
    };
    models.check(&seen, wrong);
    if let Some(message) = wrong.first() {
        return refuse(400, "invalid_request_error", message);
    }
    let script = models.next(seen);
    let [input, output, cached] = script.tokens;
    let mut events = vec![
        json!({"type": "message_start", "message": {
        "id": "msg_1", "type": "message", "role": "assistant", "model": body["model"], "content": [], "stop_reason": null,
        "usage": {"input_tokens": input, "cache_read_input_tokens": cached, "cache_creation_input_tokens": 0, "output_tokens": 1}}}),
        json!({"type": "ping"}),
    ];
    for (index, said) in script.said.iter().enumerate() {
        let (block, deltas) = match said {
            Said::Text(text) => (
                json!({"type": "text", "text": ""}),
                halves(text).map(|text| json!({"type": "text_delta", "text": text})).to_vec(),
            ),
            Said::Thought(text) => {
                models
                    .thoughts
                    .insert(json!({"type": "thinking", "thinking": text, "signature": "c2lnbmVk"}).to_string());
                (
                    json!({"type": "thinking", "thinking": "", "signature": ""}),
                    vec![
                        json!({"type": "thinking_delta", "thinking": text}),
                        json!({"type": "signature_delta", "signature": "c2lnbmVk"}),
                    ],
                )
            }
            Said::Call(name, input) => (
                json!({"type": "tool_use", "id": models.id(), "name": name, "input": {}}),
                halves(input).map(|part| json!({"type": "input_json_delta", "partial_json": part})).to_vec(),
            ),
        };
        events.push(json!({"type": "content_block_start", "index": index, "content_block": block}));
        events.extend(
            deltas.into_iter().map(|delta| json!({"type": "content_block_delta", "index": index, "delta": delta})),
        );
        events.push(json!({"type": "content_block_stop", "index": index}));
    }
    let reason = match script.stop {
        Stop::Auto if script.has_calls() => "tool_use",
        Stop::Auto => "end_turn",
        Stop::Length => "max_tokens",
        Stop::Refusal => "refusal",
        Stop::Window => "model_context_window_exceeded",
        // It has no word for that: the call is what it is.
        Stop::Malformed => "tool_use",
    };
    events.push(json!({"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": null}, "usage": {"output_tokens": output}}));
    events.push(json!({"type": "message_stop"}));
    let event = |event: &Value| format!("event: {}\ndata: {event}\n\n", text_of(&event["type"]));
    answer("text/event-stream", events.iter().map(event).collect::<String>().into_bytes(), script.cut)
}

fn anthropic_tools(body: &Value, wrong: &mut Vec<String>) -> Vec<String> {
    let tools = body["tools"].as_array().cloned().unwrap_or_default();
    for tool in &tools {
        check_fields(tool, &["name", "description", "input_schema", "cache_control"], "a tool", wrong);
        check_schema(&tool["input_schema"], wrong);
    }
    tools.iter().map(|tool| text_of(&tool["name"])).collect()
}

fn check_schema(schema: &Value, wrong: &mut Vec<String>) {
    if schema["type"] != "object" || jsonschema::meta::validate(schema).is_err() {
        wrong.push(format!("the input of a tool is {schema}"));
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A text in two parts, as streams have it.
fn halves(text: &str) -> [&str; 2] {
    let middle = (0..=text.len() / 2).rev().find(|place| text.is_char_boundary(*place)).unwrap_or(0);
    [&text[..middle], &text[middle..]]
}

pub(super) fn bedrock(request: &Received, models: &mut Models, wrong: &mut Vec<String>) -> Answer {
    let region = check_signature(request, "bedrock", wrong);
    if region.is_empty() {
        wrong.push("there is no region".into());
    }
    check_json(request, wrong);
    let model = request.path.trim_start_matches("/model/").trim_end_matches("/converse-stream");
    let model = decode_percent(model).unwrap_or_default();
    if model.is_empty() || !model.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:/".contains(c)) {
        wrong.push(format!("the model is `{model}`"));
    }
    let body = &request.body;
    check_fields(body, &["messages", "system", "inferenceConfig", "toolConfig"], "a request", wrong);
    check_fields(&body["inferenceConfig"], &["maxTokens"], "inferenceConfig", wrong);
    if !is_count(&body["inferenceConfig"]["maxTokens"]) {
        wrong.push(format!("maxTokens is {}", body["inferenceConfig"]["maxTokens"]));
    }
    let tools = body["toolConfig"]["tools"].as_array().cloned().unwrap_or_default();
    for tool in &tools {
        check_fields(&tool["toolSpec"], &["name", "description", "inputSchema"], "a toolSpec", wrong);
        check_schema(&tool["toolSpec"]["inputSchema"]["json"], wrong);
    }
    let seen = Seen {
        system: text_of(&body["system"][0]["text"]),
        tools: tools.iter().map(|tool| text_of(&tool["toolSpec"]["name"])).collect(),
        messages: parts(&body["messages"], 100_000, "messages", wrong)
            .iter()
            .map(|message| {
                check_word(&message["role"], &["user", "assistant"], "the role of a message", wrong);
                let mut seen = SeenMessage { role: text_of(&message["role"]), ..SeenMessage::default() };
                for block in parts(&message["content"], usize::MAX, "content", wrong) {
                    check_fields(
                        block,
                        &["text", "reasoningContent", "toolUse", "toolResult"],
                        "a block of content",
                        wrong,
                    );
                    if let Some(text) = block["text"].as_str() {
                        seen.texts.push(text.to_owned());
                    } else if block["reasoningContent"].is_object() {
                        seen.thoughts.push(block["reasoningContent"].clone());
                    } else if block["toolUse"].is_object() {
                        if !block["toolUse"]["input"].is_object() {
                            wrong.push(format!("the input of a toolUse is {}", block["toolUse"]["input"]));
                        }
                        seen.calls.push((text_of(&block["toolUse"]["toolUseId"]), text_of(&block["toolUse"]["name"])));
                    } else {
                        let result = &block["toolResult"];
                        check_word(&result["status"], &["success", "error"], "the status of a result", wrong);
                        let text = text_of(&result["content"][0]["text"]);
                        seen.results.push((text_of(&result["toolUseId"]), text, result["status"] == "error"));
                    }
                }
                seen
            })
            .collect(),
    };
    models.check(&seen, wrong);
    if let Some(message) = wrong.first() {
        let mut answer = as_json(400, &json!({"message": message}));
        answer.headers.push(("x-amzn-errortype".into(), "ValidationException".into()));
        return answer;
    }
    let script = models.next(seen);
    let [input, output, cached] = script.tokens;
    let mut events = vec![("messageStart", json!({"role": "assistant"}))];
    for (index, said) in script.said.iter().enumerate() {
        let delta = |delta: Value| ("contentBlockDelta", json!({"contentBlockIndex": index, "delta": delta}));
        match said {
            Said::Text(text) => events.extend(halves(text).map(|text| delta(json!({"text": text})))),
            Said::Thought(text) => {
                models.thoughts.insert(json!({"reasoningText": {"signature": "c2lnbmVk", "text": text}}).to_string());
                models.thoughts.insert(json!({"reasoningText": {"text": text, "signature": "c2lnbmVk"}}).to_string());
                events.push(delta(json!({"reasoningContent": {"text": text}})));
                events.push(delta(json!({"reasoningContent": {"signature": "c2lnbmVk"}})));
            }
            Said::Call(name, input) => {
                let start = json!({"toolUse": {"toolUseId": models.id(), "name": name}});
                events.push(("contentBlockStart", json!({"contentBlockIndex": index, "start": start})));
                events.extend(halves(input).map(|part| delta(json!({"toolUse": {"input": part}}))));
            }
        }
        events.push(("contentBlockStop", json!({"contentBlockIndex": index})));
    }
    let reason = match script.stop {
        Stop::Auto if script.has_calls() => "tool_use",
        Stop::Auto => "end_turn",
        Stop::Length => "max_tokens",
        Stop::Refusal => "content_filtered",
        Stop::Window => "model_context_window_exceeded",
        Stop::Malformed => "malformed_tool_use",
    };
    events.push(("messageStop", json!({"stopReason": reason})));
    events.push(("metadata", json!({
        "usage": {"inputTokens": input, "outputTokens": output, "totalTokens": input + output, "cacheReadInputTokens": cached},
        "metrics": {"latencyMs": 1}})));
    let mut bytes = Vec::new();
    for (name, payload) in events {
        let header =
            |name: &str, value: &str| Header::new(name.to_owned(), HeaderValue::String(value.to_owned().into()));
        let message = Message::new(payload.to_string().into_bytes())
            .add_header(header(":message-type", "event"))
            .add_header(header(":event-type", name))
            .add_header(header(":content-type", "application/json"));
        write_message_to(&message, &mut bytes).expect("a frame");
    }
    answer("application/vnd.amazon.eventstream", bytes, script.cut)
}

pub(super) fn openai(request: &Received, models: &mut Models, wrong: &mut Vec<String>) -> Answer {
    let refuse = |status: u16, message: &str| {
        as_json(
            status,
            &json!({"error": {"message": message, "type": "invalid_request_error", "param": null, "code": null}}),
        )
    };
    check_json(request, wrong);
    let body = &request.body;
    check_fields(
        body,
        &["model", "messages", "tools", "stream", "max_tokens", "max_completion_tokens"],
        "a request",
        wrong,
    );
    if ["max_tokens", "max_completion_tokens"].iter().filter(|name| is_count(&body[**name])).count() != 1 {
        wrong.push("the tokens have no limit, or two".into());
    }
    check_text(&body["model"], 256, "model", wrong);
    // Ollama loses calls of tools in a stream.
    if body["stream"] != false {
        wrong.push(format!("stream is {}", body["stream"]));
    }
    let tools = body["tools"].as_array().cloned().unwrap_or_default();
    for tool in &tools {
        check_word(&tool["type"], &["function"], "the type of a tool", wrong);
        check_fields(&tool["function"], &["name", "description", "parameters"], "a function", wrong);
        check_schema(&tool["function"]["parameters"], wrong);
    }
    let mut seen =
        Seen { tools: tools.iter().map(|tool| text_of(&tool["function"]["name"])).collect(), ..Seen::default() };
    for message in parts(&body["messages"], 100_000, "messages", wrong) {
        let role = text_of(&message["role"]);
        let text = text_of(&message["content"]);
        match role.as_str() {
            "system" => seen.system = text,
            // Results are messages of their own, before what else the user says.
            "tool" | "user" => {
                if seen
                    .messages
                    .last()
                    .is_none_or(|last| last.role != "user" || role == "user" && !last.texts.is_empty())
                {
                    seen.messages.push(SeenMessage { role: "user".into(), ..SeenMessage::default() });
                }
                let last = seen.messages.last_mut().expect("pushed");
                match role.as_str() {
                    "tool" => last.results.push((text_of(&message["tool_call_id"]), text, false)),
                    _ => last.texts.push(text),
                }
            }
            "assistant" => {
                let calls = message["tool_calls"].as_array().cloned().unwrap_or_default();
                for call in &calls {
                    let arguments = text_of(&call["function"]["arguments"]);
                    if serde_json::from_str::<BTreeMap<String, Value>>(&arguments).is_err() {
                        wrong.push(format!("the arguments of a call are `{arguments}`"));
                    }
                }
                let calls =
                    calls.iter().map(|call| (text_of(&call["id"]), text_of(&call["function"]["name"]))).collect();
                let texts = (!text.is_empty()).then_some(text).into_iter().collect();
                seen.messages.push(SeenMessage { role, texts, calls, ..SeenMessage::default() });
            }
            other => wrong.push(format!("there is no role `{other}`")),
        }
    }
    models.check(&seen, wrong);
    if let Some(message) = wrong.first() {
        return refuse(400, message);
    }
    let script = models.next(seen);
    let [input, output, cached] = script.tokens;
    let text: String = script
        .said
        .iter()
        .filter_map(|said| match said {
            Said::Text(text) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    let calls: Vec<Value> = script
        .said
        .iter()
        .filter_map(|said| match said {
            Said::Call(name, input) => {
                Some(json!({"id": models.id(), "type": "function", "function": {"name": name, "arguments": input}}))
            }
            _ => None,
        })
        .collect();
    let mut message = json!({"role": "assistant", "content": text});
    if !calls.is_empty() {
        message["tool_calls"] = calls.into();
    }
    let reason = match script.stop {
        Stop::Auto if script.has_calls() => "tool_calls",
        Stop::Auto | Stop::Malformed | Stop::Window => "stop",
        Stop::Length => "length",
        Stop::Refusal => "content_filter",
    };
    let body = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "model": body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        "usage": {"prompt_tokens": input + cached, "completion_tokens": output, "total_tokens": input + cached + output,
            "prompt_tokens_details": {"cached_tokens": cached}}
    });
    answer("application/json", body.to_string().into_bytes(), script.cut)
}
