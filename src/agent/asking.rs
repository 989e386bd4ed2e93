//! A question on its way: what it may use, how far it has come, and the limits that end it.

use tokio::runtime::Handle;

use super::{
    conversation::{Block, Definition, Message, Request, Role, Turn},
    providers::Provider,
    reply::{Limit, Reply},
    settings::{AgentSettings, Price},
    toolbox::{Listener, Toolbox},
};
use crate::{error::Result, model::Stop};

/// What a question may use.
pub(crate) struct Means<'a> {
    pub provider: &'a dyn Provider,
    pub tools: &'a dyn Toolbox,
    pub settings: &'a AgentSettings,
    pub runtime: &'a Handle,
    pub listener: &'a dyn Listener,
    pub stop: &'a Stop,
    /// Today, which models do not know.
    pub today: String,
}

/// A question on its way.
pub(super) struct Asking<'a> {
    pub means: &'a Means<'a>,
    pub tools: Vec<Definition>,
    pub system: String,
    pub reply: Reply,
    pub calls: u32,
    /// Whether the model was told that it has no more calls.
    pub is_last: bool,
    /// Turns that were dropped.
    pub dropped: u32,
    /// Given when somebody stops the question, and when its time is up.
    pub ends: Stop,
}

impl Means<'_> {
    pub(super) fn price(&self) -> Option<Price> {
        self.settings.price(self.provider.model())
    }
}

impl Asking<'_> {
    /// The limit that is reached.
    pub(super) fn over(&self) -> Option<Limit> {
        let settings = self.means.settings;
        if self.means.stop.is_given() {
            return Some(Limit::Stopped);
        }
        if self.ends.is_given() {
            return Some(Limit::Time);
        }
        if self.reply.turns >= settings.max_agent_iterations {
            return Some(Limit::Turns);
        }
        self.reply.cost_usd.filter(|cost| *cost >= settings.max_cost_usd).map(|_| Limit::Cost)
    }

    /// Tells the model when it has no more calls.
    pub(super) fn say_when_last(&mut self, messages: &mut Vec<Message>) {
        let settings = self.means.settings;
        let is_last = self.reply.turns + 1 >= settings.max_agent_iterations || self.calls >= settings.max_calls;
        if is_last && !self.is_last && self.reply.turns > 0 {
            self.is_last = true;
            add_text(
                messages,
                "There are no more calls of tools for this question: answer now with what you have, and say what is missing.",
            );
        }
    }

    /// Lets the model say what is next; none when time is up or somebody stopped it.
    pub(super) fn turn(&mut self, messages: &[Message]) -> Result<Option<Turn>> {
        let means = self.means;
        let request =
            Request { system: &self.system, messages, tools: &self.tools, max_tokens: means.settings.max_tokens };
        let mut hear = |text: &str| means.listener.says(text);
        let (told, asked) = tokio::sync::oneshot::channel::<()>();
        let told = std::sync::Mutex::new(Some(told));
        self.ends.then(move || drop(told.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()));
        let turn = means.runtime.block_on(async {
            tokio::select! {
                turn = means.provider.turn(&request, &mut hear) => Some(turn),
                // The sender is dropped when the sign is given.
                _ = asked => None,
            }
        });
        self.reply.turns += 1;
        let Some(turn) = turn.transpose()? else { return Ok(None) };
        self.reply.usage.add(turn.usage);
        if let (Some(cost), Some(price)) = (&mut self.reply.cost_usd, means.price()) {
            *cost += price.of(turn.usage);
        }
        Ok(Some(turn))
    }
}

/// Adds a text to what the user says last: two messages of one side would be refused.
pub(super) fn add_text(messages: &mut Vec<Message>, text: &str) {
    match messages.last_mut() {
        Some(last) if last.role == Role::User => last.blocks.push(Block::Text(text.to_owned())),
        _ => messages.push(Message::user(text)),
    }
}
