//! Language models: ways to them, what they may be told, and what of their words is kept.

mod answering;
mod asking;
mod calculator;
mod conversation;
mod external;
mod figures;
mod providers;
mod pseudonyms;
mod reply;
mod settings;
mod shelf;
mod toolbox;
mod words;

pub(crate) use self::{
    answering::Conversation,
    asking::Means,
    conversation::Definition,
    external::External,
    providers::{Anthropic, Bedrock, Connection, OpenAi, Provider},
    settings::{AgentSettings, Settings},
    toolbox::{Listener, Outcome, Toolbox},
    words::words,
};
pub use self::{
    conversation::Usage,
    reply::{Checks, Limit, Reply, Source, Step},
};
