use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Effect, Header, Operation, Session};
use crate::{
    error::Result,
    model::Account,
    sources,
    store::{Facts, accounts::NameSource},
};

/// List the accounts, with their names and who says them
///
/// Names come from the configuration (`accounts`), from AWS Organizations, from Cost Explorer, or from the bill, in this
/// order. `ingest` from AWS asks the organization, too, where it may.
#[derive(Args, Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct ListAccounts {
    /// Ask AWS Organizations for the names first
    #[arg(long)]
    pub refresh: bool,
}

/// The accounts that have costs.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Accounts {
    /// In order of their ids.
    pub accounts: Vec<Account>,
    /// Whether names were asked for and could not be had; the others stay.
    #[serde(skip)]
    pub is_incomplete: bool,
}

impl Operation for ListAccounts {
    const NAME: &'static str = "accounts";
    const TITLE: &'static str = "Accounts and their names";
    const EFFECT: Effect = Effect::Write;
    type Output = Accounts;

    fn answer(&self, session: &Session) -> Result<Answer<Accounts>> {
        let mut is_incomplete = false;
        if self.refresh {
            let aws = session.aws()?;
            aws.caller()?;
            match sources::accounts::of_organization(aws) {
                Ok(names) => session.store_for_writing_now()?.set_account_names(&names, NameSource::Organizations)?,
                Err(error) => {
                    session.reporter().failed(&error.hint("the names of bills and of Cost Explorer stay"));
                    is_incomplete = true;
                }
            }
        }
        let accounts = Facts::accounts(&*session.store()?)?;
        Ok(Answer { header: Header::plain(), body: Accounts { accounts, is_incomplete } })
    }
}
