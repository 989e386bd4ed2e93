use clap::{Args, Subcommand};

use super::{
    Context, print,
    run::{check_format, finish},
};
use crate::{
    error::{ExitCode, Result},
    operations::{DropMessages, NotifyChannels, PlanAlerts, ShowChannels, TestChannel},
    report::{self, Format},
};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct NotifyArgs {
    #[command(subcommand)]
    action: Option<Action>,

    #[command(flatten)]
    operation: NotifyChannels,

    /// Only say who would be alerted to what, and why
    #[arg(long)]
    dry_run: bool,

    /// How to write the answer
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

#[derive(Debug, Subcommand)]
enum Action {
    Test {
        #[command(flatten)]
        operation: TestChannel,
    },
    Drop {
        #[command(flatten)]
        operation: DropMessages,
    },
    /// Show what was sent, and what waits
    Status {
        /// How to write the answer
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
}

pub(super) fn run(args: &NotifyArgs, context: &Context) -> Result<ExitCode> {
    match &args.action {
        Some(Action::Test { operation }) => {
            let tested = context.answer(operation)?;
            print(&tested.text.clone().unwrap_or_else(|| format!("sent to {}\n", tested.channel)))?;
        }
        Some(Action::Drop { operation }) => {
            let dropped = context.answer(operation)?;
            let plural = if dropped.messages == 1 { "" } else { "s" };
            print(&format!("gave up {} message{plural} to {}\n", dropped.messages, dropped.channel))?;
        }
        Some(Action::Status { format }) => {
            print(&report::notify::channels(&context.answer(&ShowChannels {})?, *format, context.style)?)?;
        }
        None if args.dry_run => {
            let answer = context.answer(&PlanAlerts { as_of: args.operation.as_of })?;
            print(&report::notify::decisions(&answer, args.format, context.style)?)?;
        }
        None => {
            check_format(args.format)?;
            let answer = context.answer(&args.operation)?;
            return finish(&answer, args.format, context);
        }
    }
    Ok(ExitCode::Done)
}
