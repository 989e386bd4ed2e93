use clap::Args;

use super::{Context, print};
use crate::{
    error::{ExitCode, Result},
    operations::ReconcileMonth,
    report::{self, Format},
};

#[derive(Debug, Args)]
pub(crate) struct ReconcileArgs {
    #[command(flatten)]
    operation: ReconcileMonth,

    /// End with code 10 when a difference is over the tolerance
    #[arg(long)]
    exit_code: bool,

    /// How to write the comparison
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub(super) fn run(args: &ReconcileArgs, context: &Context) -> Result<ExitCode> {
    let answer = context.session.run(&args.operation)?;
    print(&report::reconcile::render(&answer, args.format, context.style)?)?;
    Ok(if args.exit_code && !answer.agrees { ExitCode::Findings } else { ExitCode::Done })
}
