use clap::Args;

use super::{Context, print};
use crate::{
    error::{ExitCode, Result},
    operations::ListAccounts,
    report::{self, Format},
};

#[derive(Debug, Args)]
pub(crate) struct AccountsArgs {
    #[command(flatten)]
    operation: ListAccounts,

    /// How to write the list
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub(super) fn run(args: &AccountsArgs, context: &Context) -> Result<ExitCode> {
    let answer = context.answer(&args.operation)?;
    print(&report::accounts::render(&answer, args.format, context.style)?)?;
    Ok(if answer.is_incomplete { ExitCode::Remote } else { ExitCode::Done })
}
