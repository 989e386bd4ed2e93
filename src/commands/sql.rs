use clap::Args;

use super::{Context, print};
use crate::{
    error::{ExitCode, Result},
    operations::QueryDatabase,
    report::{self, Format},
};

#[derive(Debug, Args)]
pub(crate) struct SqlArgs {
    #[command(flatten)]
    operation: QueryDatabase,

    /// How to write the answer
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub(super) fn run(args: &SqlArgs, context: &Context) -> Result<ExitCode> {
    let answer = context.answer(&args.operation)?;
    print(&report::sql::render(&answer, args.format, context.style)?)?;
    if answer.truncated {
        context.note(&format!("note: there are more than {} rows; `--limit` shows more", args.operation.limit));
    }
    Ok(ExitCode::Done)
}
