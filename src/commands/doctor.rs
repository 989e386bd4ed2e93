use clap::Args;

use super::{Context, print};
use crate::{
    error::{ExitCode, Result},
    operations::CheckHealth,
    report::{self, Format},
};

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    operation: CheckHealth,

    /// How to write what was found
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub(super) fn run(args: &DoctorArgs, context: &Context) -> Result<ExitCode> {
    let answer = context.answer(&args.operation)?;
    print(&report::doctor::render(&answer, args.format, context.style)?)?;
    Ok(if answer.healthy { ExitCode::Done } else { ExitCode::Failed })
}
