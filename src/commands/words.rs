//! A language model, where one is asked for.

use std::cell::OnceCell;

use clap::ValueEnum;

use super::Context;
use crate::{
    agent,
    error::{Error, Result},
    insights::explain::Explanation,
    sources::aws::{self, Aws},
};

/// Language models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExplainWith {
    /// A model of Amazon Bedrock (`bedrock` in the configuration)
    Bedrock,
    /// Anthropic's API (`anthropic` in the configuration)
    Anthropic,
}

/// A language model, when one is asked for.
pub struct Writer {
    with: Option<ExplainWith>,
    aws: OnceCell<Aws>,
}

impl Writer {
    /// # Errors
    /// When the configuration names a model that there is not.
    pub fn new(with: Option<ExplainWith>, context: &Context) -> Result<Self> {
        let configured = &context.loaded.config.notify.explain_with;
        let configured = match configured.as_str() {
            "" => None,
            name => Some(ExplainWith::from_str(name, true).map_err(Error::input)?),
        };
        Ok(Self { with: with.or(configured), aws: OnceCell::new() })
    }

    /// The model's words; none when no model is asked for, or it fails, which is said on stderr.
    pub fn words(&self, found: &Explanation, context: &Context) -> Option<String> {
        let config = &context.loaded.config;
        let settings = &config.language_model;
        let words = match self.with? {
            ExplainWith::Anthropic => agent::words(&agent::Model::Anthropic(&config.anthropic), settings, found),
            ExplainWith::Bedrock => self.bedrock(context).and_then(|aws| {
                agent::words(&agent::Model::Bedrock(&config.bedrock, aws.sdk_config()), settings, found)
            }),
        };
        words.map_err(|error| context.complain(&error)).ok()
    }

    /// Credentials of their own: the role for costs is not theirs.
    fn bedrock(&self, context: &Context) -> Result<&Aws> {
        if let Some(aws) = self.aws.get() {
            return Ok(aws);
        }
        let config = &context.loaded.config;
        let settings = aws::Settings { role_arn: String::new(), ..config.aws.clone() };
        let aws = Aws::connect(&settings, &config.bedrock.profile)?;
        Ok(self.aws.get_or_init(|| aws))
    }
}
