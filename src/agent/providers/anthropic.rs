//! Claude over Anthropic's own API, as a stream: <https://platform.claude.com/docs/en/api/messages-streaming>.

use serde_json::{Map, Value, json};

use super::{
    Answering, Anthropic, Hear, Provider,
    http::{base, events, failed},
};
use crate::{
    agent::conversation::{Block, Call, Message, Request, Stopped, Turn, Usage},
    error::{Error, Result},
    web::{EventHttp, check_address, secret::Secret},
};

const VERSION: &str = "2023-06-01";
const WHO: &str = "Anthropic";

/// A way to Claude.
pub(crate) struct AnthropicMessages {
    http: EventHttp,
    address: String,
    key: Secret,
    model: String,
}

impl AnthropicMessages {
    /// # Errors
    /// When the key cannot be read, or the address would show it to others.
    pub(crate) fn new(settings: &Anthropic) -> Result<Self> {
        check_address("anthropic.url", &settings.url)?;
        let address = format!("{}/v1/messages", base(&settings.url));
        Ok(Self { http: EventHttp::new()?, address, key: settings.api_key.read()?, model: settings.model.clone() })
    }

    async fn ask(&self, request: &Request<'_>, hear: Hear<'_>) -> Result<Turn> {
        let body = body(&self.model, request);
        let headers = [("anthropic-version", VERSION), ("x-api-key", self.key.expose())];
        let answer = self.http.post(&self.address, &[&self.key], &headers, &body).await;
        let answer = answer.map_err(|failure| failed(WHO, &failure, ""))?;
        let mut reading = Reading::default();
        events(answer, WHO, |event| reading.take(&event, hear)).await?;
        reading.turn()
    }
}

impl Provider for AnthropicMessages {
    fn name(&self) -> &'static str {
        "anthropic"
    }

    fn model(&self) -> &str {
        &self.model
    }

    fn turn<'a>(&'a self, request: &'a Request<'a>, hear: Hear<'a>) -> Answering<'a> {
        Box::pin(self.ask(request, hear))
    }
}

fn body(model: &str, request: &Request) -> Value {
    let messages: Vec<Value> = request.messages.iter().map(message).collect();
    // What is the same in each turn is read from the provider's cache.
    let cached = json!({"type": "ephemeral"});
    let mut body = json!({
        "model": model, "max_tokens": request.max_tokens, "stream": true, "messages": messages,
        "system": [{"type": "text", "text": request.system, "cache_control": cached}],
    });
    if !request.tools.is_empty() {
        let mut tools: Vec<Value> = request
            .tools
            .iter()
            .map(|tool| json!({"name": tool.name, "description": tool.description, "input_schema": tool.input}))
            .collect();
        if let Some(last) = tools.last_mut() {
            last["cache_control"] = cached;
        }
        body["tools"] = tools.into();
    }
    body
}

fn message(message: &Message) -> Value {
    let block = |block: &Block| match block {
        Block::Text(text) => json!({"type": "text", "text": text}),
        Block::Reasoning(own) => own.clone(),
        Block::Call(call) => json!({"type": "tool_use", "id": call.id, "name": call.name, "input": call.input}),
        Block::Result(result) => json!({
            "type": "tool_result", "tool_use_id": result.id, "content": result.text, "is_error": result.is_error
        }),
    };
    json!({"role": message.role, "content": message.blocks.iter().map(block).collect::<Vec<_>>()})
}

/// An answer as far as it has come.
#[derive(Default)]
struct Reading {
    /// Blocks as they began, and the JSON of their inputs as text.
    blocks: Vec<(Value, String)>,
    stopped: Option<Stopped>,
    usage: Usage,
}

impl Reading {
    /// Takes an event; whether it was the last.
    fn take(&mut self, event: &Value, hear: Hear<'_>) -> Result<bool> {
        let index = event["index"].as_u64().and_then(|index| usize::try_from(index).ok());
        match event["type"].as_str().unwrap_or_default() {
            "message_start" => self.count(&event["message"]["usage"]),
            "content_block_start" => self.blocks.push((event["content_block"].clone(), String::new())),
            "content_block_delta" => {
                let Some((block, input)) = index.and_then(|index| self.blocks.get_mut(index)) else {
                    return Err(Error::remote(format!("{WHO} speaks of a block that did not begin")));
                };
                let delta = &event["delta"];
                let mut append = |field: &str| {
                    let more = delta[field].as_str().unwrap_or_default();
                    block[field] = format!("{}{more}", block[field].as_str().unwrap_or_default()).into();
                };
                match delta["type"].as_str().unwrap_or_default() {
                    "text_delta" => {
                        append("text");
                        hear(delta["text"].as_str().unwrap_or_default());
                    }
                    "thinking_delta" => append("thinking"),
                    "signature_delta" => append("signature"),
                    "input_json_delta" => *input += delta["partial_json"].as_str().unwrap_or_default(),
                    _ => {}
                }
            }
            "message_delta" => {
                self.count(&event["usage"]);
                self.stopped = event["delta"]["stop_reason"].as_str().map(stopped);
            }
            "message_stop" => return Ok(true),
            "error" => {
                let said = event["error"]["message"].as_str().unwrap_or("it did not say why");
                return Err(Error::remote(format!("{WHO} broke its answer off")).cause(said));
            }
            // `ping`, and whatever comes to be.
            _ => {}
        }
        Ok(false)
    }

    /// Later counts are of the whole answer so far.
    fn count(&mut self, usage: &Value) {
        let read = |name: &str, old: u64| usage[name].as_u64().unwrap_or(old);
        self.usage = Usage {
            input: read("input_tokens", self.usage.input),
            output: read("output_tokens", self.usage.output),
            cache_read: read("cache_read_input_tokens", self.usage.cache_read),
            cache_write: read("cache_creation_input_tokens", self.usage.cache_write),
        };
    }

    fn turn(self) -> Result<Turn> {
        let text = |block: &Value, field: &str| block[field].as_str().unwrap_or_default().to_owned();
        let blocks = self.blocks.into_iter().map(|(block, input)| match block["type"].as_str() {
            Some("text") => Block::Text(text(&block, "text")),
            Some("tool_use") => {
                let whole = block["input"].as_object().filter(|input| !input.is_empty()).cloned().map(Value::Object);
                let input =
                    if input.is_empty() { whole.unwrap_or_else(|| Map::new().into()).to_string() } else { input };
                Block::Call(Call::read(text(&block, "id"), text(&block, "name"), &input))
            }
            _ => Block::Reasoning(block),
        });
        let stopped = self.stopped.ok_or_else(|| Error::remote(format!("{WHO} does not say why it stopped")))?;
        Ok(Turn { blocks: blocks.filter(Block::says_something).collect(), stopped, usage: self.usage })
    }
}

fn stopped(reason: &str) -> Stopped {
    match reason {
        "end_turn" | "stop_sequence" => Stopped::Done,
        "tool_use" => Stopped::Calls,
        "max_tokens" => Stopped::Length,
        "refusal" => Stopped::Refused,
        "model_context_window_exceeded" => Stopped::Window,
        other => Stopped::Other(other.to_owned()),
    }
}
