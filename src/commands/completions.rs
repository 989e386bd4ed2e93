use clap::Args;
use clap_complete::Shell;

use super::{Context, print};
use crate::error::{Error, ExitCode, Result};

/// Print the completions of a shell
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell to complete in
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(args: &CompletionsArgs, context: &Context) -> Result<ExitCode> {
    let mut command = (context.program)();
    let name = command.get_name().to_owned();
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut command, name, &mut text);
    print(&String::from_utf8(text).map_err(|e| Error::bug("completions are not text").caused_by(e))?)?;
    Ok(ExitCode::Done)
}
