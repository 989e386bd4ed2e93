//! What the configuration says of models.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{conversation::Usage, external::Server};
use crate::error::{Error, Result};

/// Nobody has a question that costs more.
const MOST_DOLLARS: f64 = 1e6;

/// The `language_model` section of the configuration.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// Whether ids of resources may be sent.
    pub send_resource_names: bool,
    pub timeout_seconds: u64,
}

/// The `agent` section of the configuration.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AgentSettings {
    /// `bedrock`, `anthropic` or `openai`.
    pub provider: String,
    /// Of Bedrock; each empty for what its own section says.
    pub model: String,
    pub region: String,
    pub profile: String,
    pub max_tokens: u32,
    pub max_agent_iterations: u32,
    pub max_calls: u32,
    pub timeout_seconds: u64,
    /// US dollars a question.
    pub max_cost_usd: f64,
    /// Tokens that the model takes.
    pub context_window: u64,
    pub send_resource_names: bool,
    /// By a part of the model's name.
    pub prices: BTreeMap<String, Price>,
    pub mcp_servers: Vec<Server>,
}

/// US dollars for a million tokens.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Price {
    pub input: f64,
    pub output: f64,
    pub cache_read: f64,
    pub cache_write: f64,
}

impl AgentSettings {
    /// # Errors
    /// When a value is out of range, with its key.
    pub(crate) fn check(&self) -> Result<()> {
        let ranges = [
            ("max_tokens", u64::from(self.max_tokens), 100..=1_000_000),
            ("max_agent_iterations", self.max_agent_iterations.into(), 1..=100),
            ("max_calls", self.max_calls.into(), 1..=1_000),
            ("timeout_seconds", self.timeout_seconds, 1..=3_600),
            ("context_window", self.context_window, 4_000..=100_000_000),
        ];
        if let Some((key, _, range)) = ranges.iter().find(|(_, value, range)| !range.contains(value)) {
            return Err(Error::input(format!("`agent.{key}` must be from {} to {}", range.start(), range.end())));
        }
        if !["bedrock", "anthropic", "openai"].contains(&self.provider.as_str()) {
            return Err(Error::input("`agent.provider` must be bedrock, anthropic or openai"));
        }
        let check = |key: &str, dollars: f64| match (0.0..=MOST_DOLLARS).contains(&dollars) {
            true => Ok(()),
            false => Err(Error::input(format!("`agent.{key}` must be from 0 to {MOST_DOLLARS}"))),
        };
        check("max_cost_usd", self.max_cost_usd)?;
        for (model, price) in &self.prices {
            let parts = [
                ("input", price.input),
                ("output", price.output),
                ("cache_read", price.cache_read),
                ("cache_write", price.cache_write),
            ];
            parts.iter().try_for_each(|(part, price)| check(&format!("prices.{model}.{part}"), *price))?;
        }
        let names: Vec<&str> = self.mcp_servers.iter().map(|server| server.name.as_str()).collect();
        if let Some(twice) =
            names.iter().enumerate().find_map(|(place, name)| names[..place].contains(name).then_some(name))
        {
            return Err(Error::input(format!("`agent.mcp_servers` has two servers `{twice}`")));
        }
        self.mcp_servers.iter().try_for_each(Server::check)
    }

    /// What a model costs; none where `prices` does not know it.
    pub(crate) fn price(&self, model: &str) -> Option<Price> {
        // The longest name is the nearest.
        let of_model = self.prices.iter().filter(|(name, _)| model.contains(name.as_str()));
        of_model.max_by_key(|(name, _)| name.len()).map(|(_, price)| *price)
    }
}

impl Price {
    /// US dollars of so many tokens.
    pub(crate) fn of(self, usage: Usage) -> f64 {
        let parts = [
            (usage.input, self.input),
            (usage.output, self.output),
            (usage.cache_read, self.cache_read),
            (usage.cache_write, self.cache_write),
        ];
        parts.iter().map(|(tokens, price)| *tokens as f64 * price / 1e6).sum()
    }
}
