//! What becomes of a question.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::conversation::Usage;

/// An answer, how it came about, and what of it was checked.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Reply {
    /// What was asked.
    pub question: String,
    /// What the model says, with every figure from a tool; empty where it came to none.
    pub answer: String,
    /// Why it was ended before the model had.
    pub stopped: Option<Limit>,
    /// Where the model is: bedrock, anthropic or openai.
    pub provider: String,
    /// The model.
    pub model: String,
    /// The calls of tools, in order.
    pub steps: Vec<Step>,
    /// What the figures are of, and the commands that repeat them.
    pub sources: Vec<Source>,
    /// What was checked.
    pub checks: Checks,
    /// Tokens.
    pub usage: Usage,
    /// Their price in US dollars; none where `agent.prices` does not know the model.
    pub cost_usd: Option<f64>,
    /// Turns of the model.
    pub turns: u32,
}

/// A call of a tool.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Step {
    /// The tool.
    pub tool: String,
    /// What it was given.
    pub arguments: Map<String, Value>,
    /// Whether it answered; otherwise it said why not.
    pub ok: bool,
    /// Whether the same was asked before, and taken from memory.
    pub remembered: bool,
    /// How long it took.
    pub milliseconds: u64,
}

/// What figures are of.
#[derive(Clone, Debug, Default, PartialEq, JsonSchema, Serialize)]
pub struct Source {
    /// The tool that gave them.
    pub tool: String,
    /// The days that they are of, as first..last.
    pub days: Option<String>,
    /// The data source, such as cur2.
    pub source: Option<String>,
    /// The cost that is meant.
    pub metric: Option<String>,
    /// The newest day of the data.
    pub data_through: Option<String>,
    /// The newest day that does not change any more.
    pub settled_through: Option<String>,
    /// The command that gives them again; none of external tools.
    pub cli: Option<String>,
    /// What qualifies them.
    pub warnings: Vec<String>,
}

/// What was checked of an answer.
#[derive(Clone, Debug, Default, JsonSchema, Serialize)]
pub struct Checks {
    /// Whether the model was asked to mend figures that no tool gave, or web addresses.
    pub repaired: bool,
    /// What it did not mend, and is not shown.
    pub withheld: Vec<String>,
}

/// A limit that ended a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// Turns of the model (`agent.max_agent_iterations`).
    Turns,
    /// Calls of tools (`agent.max_calls`).
    Calls,
    /// Time (`agent.timeout_seconds`).
    Time,
    /// Dollars (`agent.max_cost_usd`).
    Cost,
    /// Somebody stopped it.
    Stopped,
}
