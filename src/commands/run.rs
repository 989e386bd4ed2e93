use clap::Args;

use super::{Context, deliver, nobody_read, print};
use crate::{
    error::{Error, ExitCode, Result},
    operations::{
        Answer, RunOnce,
        run::{Summary, note_printed},
    },
    report::{self, Format},
};

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    operation: RunOnce,

    /// How to write the summary
    #[arg(long, value_enum, default_value = "table")]
    format: Format,

    /// End with exit code 10 when there were alerts
    #[arg(long)]
    exit_code: bool,
}

pub(super) fn run(args: &RunArgs, context: &Context) -> Result<ExitCode> {
    check_format(args.format)?;
    let answer = context.answer(&args.operation)?;
    match finish(&answer, args.format, context)? {
        ExitCode::Done if args.exit_code && answer.has_alerted() => Ok(ExitCode::Findings),
        code => Ok(code),
    }
}

/// A summary is for people, or an object.
pub(super) fn check_format(format: Format) -> Result<()> {
    match format {
        Format::Table | Format::Json => Ok(()),
        Format::Csv | Format::Markdown => Err(Error::usage("a summary is written as `table` or `json` only")),
    }
}

/// Shows a summary and what failed, which decides how the process ends.
pub(super) fn finish(answer: &Answer<Summary>, format: Format, context: &Context) -> Result<ExitCode> {
    show(answer, format, context)?;
    let errors: Vec<&Error> = answer.errors.iter().chain(&answer.send_errors).collect();
    errors.iter().for_each(|error| context.complain(error));
    Ok(errors.first().map_or(ExitCode::Done, |error| error.exit_code()))
}

/// Prints a summary below the messages that are for stdout; with `--quiet` these alone. Messages are sent once they are
/// written.
///
/// # Errors
/// When it cannot be written, or nobody is there to read the messages, which then wait.
pub(super) fn show(answer: &Answer<Summary>, format: Format, context: &Context) -> Result<()> {
    let is_read = deliver(&match format {
        Format::Json => report::json(answer)?,
        _ => report::run::messages(&answer.printed, context.style),
    })?;
    if !is_read && !answer.printed.is_empty() {
        return Err(nobody_read());
    }
    note_printed(answer, &context.session)?;
    if format != Format::Json && !context.quiet {
        print(&report::run::text(answer, context.style))?;
    }
    Ok(())
}
