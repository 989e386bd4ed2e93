use clap::Args;

use super::{Context, print};
use crate::{
    error::{ExitCode, Result},
    operations::{
        ExplainCost,
        run::{ExplainWith, Writer},
    },
    report::{self, Format},
};

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    operation: ExplainCost,

    /// Let a language model add at most 150 words, which may hold no number that is not in the explanation
    #[arg(long, value_enum, value_name = "MODEL")]
    explain_with: Option<ExplainWith>,

    /// How to write the answer
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub(super) fn run(args: &ExplainArgs, context: &Context) -> Result<ExitCode> {
    let mut answer = context.session.run(&args.operation)?;
    if args.explain_with.is_some() {
        answer.body.model_text = Writer::new(args.explain_with, &context.session)?.words(&answer, &context.session);
    }
    context.warn(&answer.header);
    print(&report::explain::render(&answer, args.format, context.style)?)?;
    Ok(ExitCode::Done)
}
