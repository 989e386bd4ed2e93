use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{Context, print};
use crate::{
    error::{Error, ExitCode, Result},
    operations::SummarizeCosts,
    report,
};

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    #[command(flatten)]
    operation: SummarizeCosts,

    /// How to write the page
    #[arg(long, value_enum, default_value = "markdown")]
    format: PageFormat,

    /// File to write to instead of stdout
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PageFormat {
    Markdown,
    /// One file with styles and charts inside
    Html,
    Json,
}

pub(super) fn run(args: &ReportArgs, context: &Context) -> Result<ExitCode> {
    let page = context.session.run(&args.operation)?;
    let text = match args.format {
        PageFormat::Html => report::overview::html(&page)?,
        PageFormat::Markdown => report::overview::markdown(&page),
        PageFormat::Json => report::json(&page)?,
    };
    match &args.output {
        Some(path) => std::fs::write(path, text)
            .map_err(|e| Error::input(format!("cannot write `{}`", path.display())).caused_by(e))?,
        None => print(&text)?,
    }
    Ok(ExitCode::Done)
}
