//! What an agent needs of those who have tools, and of those who watch.

use serde_json::{Map, Value};

use super::{
    conversation::Definition,
    reply::{Source, Step},
};
use crate::{
    error::{Error, Result},
    model::Stop,
};

/// Tools that a model may call, and what they answer.
pub(crate) trait Toolbox {
    fn definitions(&self) -> Vec<Definition>;

    /// Calls a tool by name. An error is told to the model.
    fn call(&self, name: &str, input: &Map<String, Value>, stop: &Stop) -> Result<Outcome>;
}

/// What a tool answers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// For the model.
    pub text: String,
    /// The same as JSON, of which the figures are known.
    pub structured: Value,
    /// What its figures are of; none of tools without any.
    pub source: Option<Source>,
    /// Whether it asked the world outside, or changed something: it is not remembered, and what is may be old.
    pub is_of_now: bool,
}

/// Hears how an answer comes about.
pub(crate) trait Listener: Send + Sync {
    /// The model says something, which is not checked yet.
    fn says(&self, _text: &str) {}

    /// A tool has been called.
    fn step(&self, _step: &Step, _error: Option<&Error>) {}
}
