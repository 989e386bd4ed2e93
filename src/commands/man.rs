use std::path::PathBuf;

use clap::Args;

use super::{Context, print};
use crate::error::{Error, ExitCode, Result};

/// Print the manual page, or write those of all commands to a folder
#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Folder for `aws-cost-anomalies.1`, `aws-cost-anomalies-ingest.1`, …
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(super) fn run(args: &ManArgs, context: &Context) -> Result<ExitCode> {
    match &args.out {
        Some(folder) => {
            let failed =
                |e: std::io::Error| Error::input(format!("cannot write to `{}`", folder.display())).caused_by(e);
            std::fs::create_dir_all(folder).map_err(failed)?;
            clap_mangen::generate_to((context.program)(), folder).map_err(failed)?;
        }
        None => {
            let mut page = Vec::new();
            let failed = |e: std::io::Error| Error::bug("the manual page cannot be made").caused_by(e);
            clap_mangen::Man::new((context.program)()).render(&mut page).map_err(failed)?;
            print(&String::from_utf8(page).map_err(|e| Error::bug("the manual page is not text").caused_by(e))?)?;
        }
    }
    Ok(ExitCode::Done)
}
