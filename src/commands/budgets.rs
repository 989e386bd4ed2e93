use clap::{Args, Subcommand, ValueEnum};

use super::{Context, print};
use crate::{
    error::{ExitCode, Result},
    operations::{FailOn, ImportBudgets, ShowBudgets},
    report::{self, Format},
};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct BudgetsArgs {
    #[command(subcommand)]
    command: Option<BudgetsCommand>,

    #[command(flatten)]
    operation: ShowBudgets,

    /// End with exit code 10 when a budget is as far
    #[arg(long, value_enum, value_name = "STATE")]
    fail_on: Option<FailOn>,

    /// How to write the answer
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

#[derive(Debug, Subcommand)]
enum BudgetsCommand {
    Import(ImportArgs),
}

#[derive(Debug, Args)]
struct ImportArgs {
    #[command(flatten)]
    operation: ImportBudgets,

    /// How to write them
    #[arg(long, value_enum, default_value = "yaml")]
    format: FileFormat,
}

/// How imported budgets are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FileFormat {
    /// As `budgets_file` has them
    Yaml,
    /// One object with `schema_version`
    Json,
}

pub(super) fn run(args: &BudgetsArgs, context: &Context) -> Result<ExitCode> {
    if let Some(BudgetsCommand::Import(import)) = &args.command {
        return run_import(import, context);
    }
    let answer = context.answer(&args.operation)?;
    print(&report::budgets::render(&answer, args.format, context.style)?)?;
    let fails = args.fail_on.is_some_and(|least| least.is_reached(&answer));
    Ok(if fails { ExitCode::Findings } else { ExitCode::Done })
}

fn run_import(args: &ImportArgs, context: &Context) -> Result<ExitCode> {
    let answer = context.answer(&args.operation)?;
    if args.format == FileFormat::Json {
        print(&report::json(&answer)?)?;
        return Ok(ExitCode::Done);
    }
    answer.notes.iter().for_each(|note| context.note(&format!("note: {note}")));
    if answer.budgets.is_empty() {
        context.note("note: the account has no cost budgets");
    }
    print(&answer.as_yaml()?)?;
    Ok(ExitCode::Done)
}
