use clap::{Args, Subcommand};

use super::{Context, print};
use crate::{
    error::{ExitCode, Result},
    operations::{AskCloudWatch, AskCostExplorer},
    report::{self, Format},
};

/// Ask AWS for what the database does not have yet
#[derive(Debug, Args)]
pub(crate) struct LiveArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Costs(CostsArgs),
    Charges(ChargesArgs),
}

#[derive(Debug, Args)]
struct CostsArgs {
    #[command(flatten)]
    operation: AskCostExplorer,

    /// How to write the answer
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

#[derive(Debug, Args)]
struct ChargesArgs {
    #[command(flatten)]
    operation: AskCloudWatch,

    /// How to write the answer
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub(super) fn run(args: &LiveArgs, context: &Context) -> Result<ExitCode> {
    match &args.what {
        What::Costs(args) => {
            let answer = context.answer(&args.operation)?;
            print(&report::live::costs(&answer, args.format, context.style)?)?;
        }
        What::Charges(args) => {
            let answer = context.answer(&args.operation)?;
            print(&report::live::charges(&answer, args.format, context.style)?)?;
        }
    }
    Ok(ExitCode::Done)
}
