//! A language model, where one is asked for.

use std::cell::OnceCell;

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Session;
use crate::{
    agent,
    error::{Error, Result},
    insights::{answer::Answer, explanation::Explanation},
    sources::aws::{self, Aws},
};

/// Language models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
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
    pub fn new(with: Option<ExplainWith>, session: &Session) -> Result<Self> {
        let configured = &session.config().notify.explain_with;
        let configured = match configured.as_str() {
            "" => None,
            name => Some(ExplainWith::from_str(name, true).map_err(Error::input)?),
        };
        Ok(Self { with: with.or(configured), aws: OnceCell::new() })
    }

    /// The model's words; none when no model is asked for, or it fails, which is said on stderr.
    pub fn words(&self, found: &Answer<Explanation>, session: &Session) -> Option<String> {
        let config = &session.config();
        let settings = &config.language_model;
        let ask = |connection: &agent::Connection| agent::words(connection, settings, session.runtime()?, found);
        let words = match self.with? {
            ExplainWith::Anthropic => ask(&agent::Connection::Anthropic(&config.anthropic)),
            ExplainWith::Bedrock => self
                .bedrock(session)
                .and_then(|aws| ask(&agent::Connection::Bedrock(&config.bedrock, aws.sdk_config()))),
        };
        words.map_err(|error| session.reporter().failed(&error)).ok()
    }

    /// Credentials of their own: the role for costs is not theirs.
    fn bedrock(&self, session: &Session) -> Result<&Aws> {
        if let Some(aws) = self.aws.get() {
            return Ok(aws);
        }
        let config = &session.config();
        let settings = aws::Settings { role_arn: String::new(), ..config.aws.clone() };
        let aws = Aws::connect(&settings, &config.bedrock.profile, session.runtime()?);
        Ok(self.aws.get_or_init(|| aws))
    }
}
