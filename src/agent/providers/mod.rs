//! Where language models are: one file a provider, behind one trait.

mod anthropic;
mod bedrock;
mod http;
mod openai;

use std::pin::Pin;

use aws_config::SdkConfig;
use serde::{Deserialize, Serialize};

use super::conversation::{Request, Turn};
use crate::{error::Result, web::secret::Reference};

pub(crate) use self::{anthropic::AnthropicMessages, bedrock::BedrockConverse, openai::ChatCompletions};

/// The `bedrock` section of the configuration.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bedrock {
    pub profile: String,
    pub region: String,
    pub model: String,
}

/// The `anthropic` section.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Anthropic {
    pub api_key: Reference,
    pub url: String,
    pub model: String,
}

/// The `openai` section: OpenAI, or a server that speaks as it does.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OpenAi {
    /// None where the server asks for none.
    pub api_key: Option<Reference>,
    pub url: String,
    pub model: String,
}

/// What a provider is asked, on its way.
pub(crate) type Answering<'a> = Pin<Box<dyn Future<Output = Result<Turn>> + Send + 'a>>;

/// Hears what a model says while it says it.
pub(crate) type Hear<'a> = &'a mut (dyn FnMut(&str) + Send);

/// A way to a language model.
pub(crate) trait Provider: Send + Sync {
    /// What costs are noted under.
    fn name(&self) -> &'static str;

    /// The model.
    fn model(&self) -> &str;

    /// Lets the model say what it has to say next. Whoever drops the future breaks it off.
    fn turn<'a>(&'a self, request: &'a Request<'a>, hear: Hear<'a>) -> Answering<'a>;
}

/// What is needed to make a way to a model.
pub(crate) enum Connection<'a> {
    Bedrock(&'a Bedrock, &'a SdkConfig),
    Anthropic(&'a Anthropic),
    OpenAi(&'a OpenAi),
}

impl Connection<'_> {
    /// # Errors
    /// When a key cannot be read, or an address would show it to others.
    pub(crate) fn open(&self) -> Result<Box<dyn Provider>> {
        Ok(match self {
            Connection::Bedrock(settings, config) => Box::new(BedrockConverse::new(settings, config)),
            Connection::Anthropic(settings) => Box::new(AnthropicMessages::new(settings)?),
            Connection::OpenAi(settings) => Box::new(ChatCompletions::new(settings)?),
        })
    }
}
