use std::sync::Arc;

use clap::Args;

use super::{
    Context,
    asking::{Teller, ask, is_terminal, show},
    conversation,
};
use crate::{
    error::{Error, ExitCode, Result},
    operations::{AskBill, IngestBills, Permission, Session, Talk, ask::has_costs},
    report::Format,
};

#[derive(Debug, Args)]
pub(crate) struct QueryArgs {
    #[command(flatten)]
    operation: AskBill,

    /// Go on asking: a conversation
    #[arg(long, short)]
    interactive: bool,

    /// How to write the answer
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub(super) fn run(args: &QueryArgs, context: &Context) -> Result<ExitCode> {
    let teller = Arc::new(Teller::new(context));
    let session = context.session.clone().with_reporter(Arc::clone(&teller) as _);
    let is_talk = args.interactive || args.operation.question.trim().is_empty() && is_terminal();
    if !is_talk && args.operation.question.trim().is_empty() {
        return Err(Error::usage("what is the question?")
            .hint("`query \"what changed last week?\"`, or `query -i` to go on asking"));
    }
    offer_to_ingest(&session)?;
    let mut talk = Talk::begin(&args.operation, &session)?;
    if is_talk {
        let outcome = conversation::run(&mut talk, &args.operation, &session, context, &teller);
        talk.end(&session)?;
        return outcome;
    }
    let answer = ask(&mut talk, &args.operation.question, &session, &teller);
    talk.end(&session)?;
    let answer = answer?;
    show(&answer, args.format, context)
}

/// Offers to read bills where there are none yet.
fn offer_to_ingest(session: &Session) -> Result<()> {
    if has_costs(session)? {
        return Ok(());
    }
    let permission = Permission {
        what: "there are no costs yet: read the bills that the configuration names?".to_owned(),
        command: Some("aws-cost-anomalies ingest".to_owned()),
        cost_usd: None,
    };
    if session.reporter().allow(&permission) {
        session.run(&IngestBills::default())?;
        return Ok(());
    }
    Err(Error::input("there are no costs to ask about")
        .hint("`aws-cost-anomalies ingest PATH` reads bills; `demo` shows generated ones"))
}
