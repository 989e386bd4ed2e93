//! A conversation with a language model, in words of no provider.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    User,
    Assistant,
}

/// What one side says at once.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub(crate) struct Message {
    pub role: Role,
    pub blocks: Vec<Block>,
}

/// A part of a message.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Block {
    Text(String),
    /// What a model thought, in its provider's own form: it goes back unchanged, or the provider refuses it.
    Reasoning(Value),
    Call(Call),
    Result(CallResult),
}

/// A model asks for a tool.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub(crate) struct Call {
    pub id: String,
    pub name: String,
    pub input: Map<String, Value>,
    /// What was written where the input is no JSON object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<String>,
}

/// What a tool answers.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub(crate) struct CallResult {
    pub id: String,
    pub text: String,
    pub is_error: bool,
}

/// A tool as a model is told of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Definition {
    pub name: String,
    pub description: String,
    pub input: Map<String, Value>,
}

/// What is sent for one turn of a model.
pub(crate) struct Request<'a> {
    pub system: &'a str,
    pub messages: &'a [Message],
    pub tools: &'a [Definition],
    pub max_tokens: u32,
}

/// What a model said, and why it stopped.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Turn {
    pub blocks: Vec<Block>,
    pub stopped: Stopped,
    pub usage: Usage,
}

/// Why a model stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// It has said all.
    Done,
    /// It waits for tools.
    Calls,
    /// `max_tokens` were said.
    Length,
    /// It, or a filter of its provider, does not want to answer.
    Refused,
    /// The conversation is longer than it takes.
    Window,
    /// It wrote a call that nobody can read.
    Malformed,
    /// A reason that is not known here.
    Other(String),
}

/// Tokens, as providers count them. `input` is without those read from a cache or written to one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema, Serialize)]
pub struct Usage {
    /// Read by the model.
    pub input: u64,
    /// Said by it.
    pub output: u64,
    /// Read from the provider's cache.
    pub cache_read: u64,
    /// Written to it.
    pub cache_write: u64,
}

impl Usage {
    pub(crate) fn add(&mut self, other: Self) {
        self.input += other.input;
        self.output += other.output;
        self.cache_read += other.cache_read;
        self.cache_write += other.cache_write;
    }

    /// Tokens of what the model was sent.
    pub fn sent(self) -> u64 {
        self.input + self.cache_read + self.cache_write
    }
}

impl Block {
    /// Whether it is more than an empty text, which providers say and do not take back.
    pub(crate) fn says_something(&self) -> bool {
        !matches!(self, Block::Text(text) if text.trim().is_empty())
    }
}

impl Message {
    pub(crate) fn user(text: impl Into<String>) -> Self {
        Self { role: Role::User, blocks: vec![Block::Text(text.into())] }
    }
}

impl Turn {
    pub(crate) fn text(&self) -> String {
        let texts = self.blocks.iter().filter_map(|block| match block {
            Block::Text(text) => Some(text.as_str()),
            _ => None,
        });
        texts.collect()
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        let calls = self.blocks.iter().filter_map(|block| match block {
            Block::Call(call) => Some(call.clone()),
            _ => None,
        });
        calls.collect()
    }
}

impl Call {
    /// A call whose input comes as text.
    pub(crate) fn read(id: String, name: String, input: &str) -> Self {
        // Nothing at all is what some send for no parameters.
        let text = if input.trim().is_empty() { "{}" } else { input };
        match serde_json::from_str::<Value>(text) {
            Ok(Value::Object(input)) => Self { id, name, input, broken: None },
            _ => Self { id, name, input: Map::new(), broken: Some(input.to_owned()) },
        }
    }
}
