//! Chat completions as OpenAI has them and Ollama, vLLM, LiteLLM and others speak them:
//! <https://platform.openai.com/docs/api-reference/chat>. Not as a stream: Ollama loses calls of tools in one.

use serde_json::{Value, json};

use super::{
    Answering, Hear, OpenAi, Provider,
    http::{MOST_BYTES, base, exposed, failed},
};
use crate::{
    agent::conversation::{Block, Call, Message, Request, Role, Stopped, Turn, Usage},
    error::{Error, Result},
    web::{EventHttp, check_address, secret::Secret},
};

const WHO: &str = "the model's server";
/// The limit of what is said, as newer models call it.
const NEWER_NAME: &str = "max_completion_tokens";

/// A way to a server with models.
pub(crate) struct ChatCompletions {
    http: EventHttp,
    address: String,
    key: Option<Secret>,
    model: String,
}

impl ChatCompletions {
    /// # Errors
    /// When the key cannot be read, or the address would show it to others.
    pub(crate) fn new(settings: &OpenAi) -> Result<Self> {
        check_address("openai.url", &settings.url)?;
        let address = format!("{}/chat/completions", base(&settings.url));
        let key = settings.api_key.as_ref().map(|key| key.read()).transpose()?;
        Ok(Self { http: EventHttp::new()?, address, key, model: settings.model.clone() })
    }

    async fn ask(&self, request: &Request<'_>, hear: Hear<'_>) -> Result<Turn> {
        let mut body = body(&self.model, request);
        let authorization = format!("Bearer {}", exposed(self.key.as_ref()));
        let headers = [("authorization", authorization.as_str())];
        let secrets: Vec<&Secret> = self.key.iter().collect();
        let headers = if self.key.is_some() { &headers[..] } else { &[] };
        let mut answer = self.http.post(&self.address, &secrets, headers, &body).await;
        // Newer models of OpenAI's own take the same by another name, and say so; other servers know the older one only.
        if answer.as_ref().is_err_and(|failure| failure.error.contains(NEWER_NAME)) {
            body[NEWER_NAME] = body["max_tokens"].take();
            body.as_object_mut().map(|body| body.shift_remove("max_tokens"));
            answer = self.http.post(&self.address, &secrets, headers, &body).await;
        }
        let hint =
            "`openai.url` names the server, such as http://127.0.0.1:11434/v1 of Ollama; `openai.model` must be there";
        let answer = answer.map_err(|failure| failed(WHO, &failure, hint))?;
        let text = answer.text(MOST_BYTES).await.map_err(|failure| failed(WHO, &failure, ""))?;
        let answer: Value = serde_json::from_str(&text)
            .map_err(|e| Error::remote(format!("{WHO} does not answer in JSON")).caused_by(e))?;
        let turn = turn(&answer)?;
        hear(&turn.text());
        Ok(turn)
    }
}

impl Provider for ChatCompletions {
    fn name(&self) -> &'static str {
        "openai"
    }

    fn model(&self) -> &str {
        &self.model
    }

    fn turn<'a>(&'a self, request: &'a Request<'a>, hear: Hear<'a>) -> Answering<'a> {
        Box::pin(self.ask(request, hear))
    }
}

fn body(model: &str, request: &Request) -> Value {
    let system = json!({"role": "system", "content": request.system});
    let messages: Vec<Value> = [system].into_iter().chain(request.messages.iter().flat_map(messages)).collect();
    let mut body = json!({"model": model, "stream": false, "messages": messages, "max_tokens": request.max_tokens});
    if !request.tools.is_empty() {
        let tool = |tool: &crate::agent::conversation::Definition| json!({"type": "function", "function": {"name": tool.name, "description": tool.description, "parameters": tool.input}});
        body["tools"] = request.tools.iter().map(tool).collect();
    }
    body
}

/// A message, which is several where it has results: each is a message of its own there.
fn messages(message: &Message) -> Vec<Value> {
    let text: String = message
        .blocks
        .iter()
        .filter_map(|block| match block {
            Block::Text(text) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    if message.role == Role::User {
        let results = message.blocks.iter().filter_map(|block| match block {
            Block::Result(result) => Some(json!({"role": "tool", "tool_call_id": result.id, "content": result.text})),
            _ => None,
        });
        let said = (!text.is_empty()).then(|| json!({"role": "user", "content": text}));
        return results.chain(said).collect();
    }
    let calls: Vec<Value> = message
        .blocks
        .iter()
        .filter_map(|block| match block {
            Block::Call(call) => {
                let arguments = Value::Object(call.input.clone()).to_string();
                Some(
                    json!({"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}),
                )
            }
            _ => None,
        })
        .collect();
    let mut said = json!({"role": "assistant", "content": text});
    if !calls.is_empty() {
        said["tool_calls"] = calls.into();
    }
    vec![said]
}

fn turn(answer: &Value) -> Result<Turn> {
    let choice = &answer["choices"][0];
    let Some(message) = choice["message"].as_object() else {
        let said = answer["error"]["message"].as_str().unwrap_or("there is no choice in it");
        return Err(Error::remote(format!("the answer of {WHO} is none")).cause(said));
    };
    let mut blocks = Vec::new();
    blocks.extend(
        message
            .get("content")
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
            .map(|text| Block::Text(text.to_owned())),
    );
    for (index, call) in message.get("tool_calls").and_then(Value::as_array).into_iter().flatten().enumerate() {
        let name = call["function"]["name"].as_str().unwrap_or_default().to_owned();
        // Some servers give no ids, and some give objects where text should be.
        let id = call["id"].as_str().filter(|id| !id.is_empty()).map_or_else(|| format!("call_{index}"), str::to_owned);
        let input = match &call["function"]["arguments"] {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            value => value.to_string(),
        };
        blocks.push(Block::Call(Call::read(id, name, &input)));
    }
    blocks.retain(Block::says_something);
    let has_calls = blocks.iter().any(|block| matches!(block, Block::Call(_)));
    let refused = message.get("refusal").is_some_and(Value::is_string);
    let stopped = match choice["finish_reason"].as_str().unwrap_or_default() {
        "length" => Stopped::Length,
        "content_filter" => Stopped::Refused,
        _ if refused => Stopped::Refused,
        // Some say `stop` although there are calls.
        "stop" | "tool_calls" | "function_call" if has_calls => Stopped::Calls,
        "stop" | "" => Stopped::Done,
        other => Stopped::Other(other.to_owned()),
    };
    let usage = &answer["usage"];
    let count = |value: &Value| value.as_u64().unwrap_or(0);
    let cached = count(&usage["prompt_tokens_details"]["cached_tokens"]);
    let usage = Usage {
        input: count(&usage["prompt_tokens"]).saturating_sub(cached),
        output: count(&usage["completion_tokens"]),
        cache_read: cached,
        cache_write: 0,
    };
    Ok(Turn { blocks, stopped, usage })
}
