use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Effect, Header, Operation, Session};
use crate::{
    error::{Error, Result},
    sources,
    sources::discover::Discovered,
};

/// Find the account's reports and exports
#[derive(Args, Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct DiscoverExports {}

/// What delivers bills to S3.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Exports {
    /// Reports and data exports of the account.
    pub exports: Vec<Discovered>,
    /// What may not be asked.
    #[serde(serialize_with = "crate::error::as_texts")]
    #[schemars(with = "Vec<String>")]
    pub failures: Vec<Error>,
}

impl Operation for DiscoverExports {
    const NAME: &'static str = "discover";
    const TITLE: &'static str = "Reports and exports of the account";
    const EFFECT: Effect = Effect::Read;
    type Output = Exports;

    fn answer(&self, session: &Session) -> Result<Answer<Exports>> {
        let aws = session.aws()?;
        aws.caller()?;
        let discovery = sources::discover::discover(aws);
        let body = Exports { exports: discovery.found, failures: discovery.failures };
        Ok(Answer { header: Header::plain(), body })
    }
}
