use clap::Args;

use super::{Context, print};
use crate::{
    error::{ExitCode, Result},
    report::{self, Format},
    sources,
    store::{Store, api::NameSource},
};

/// List the accounts, with their names and who says them
///
/// Names come from the configuration (`accounts`), from AWS Organizations, from Cost Explorer, or from the bill, in this
/// order. `ingest` from AWS asks the organization, too, where it may.
#[derive(Debug, Args)]
pub struct AccountsArgs {
    /// Ask AWS Organizations for the names first
    #[arg(long)]
    refresh: bool,

    /// How to write the list
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub fn run(args: &AccountsArgs, context: &Context) -> Result<ExitCode> {
    let mut code = ExitCode::Done;
    if args.refresh {
        let aws = context.aws()?;
        aws.caller()?;
        match sources::accounts::of_organization(&aws) {
            Ok(names) => Store::open(context.database())?.set_account_names(&names, NameSource::Organizations)?,
            Err(error) => {
                context.complain(&error.hint("the names of bills and of Cost Explorer stay"));
                code = ExitCode::Remote;
            }
        }
    }
    let accounts = context.store()?.accounts()?;
    print(&report::accounts::render(&accounts, args.format, context.style)?)?;
    Ok(code)
}
