use std::path::PathBuf;

use chrono::NaiveDate;
use clap::{Args, ValueEnum};

use super::{Context, day, print};
use crate::{
    analysis::detect::Parameters,
    error::{Error, ExitCode, Result},
    insights::{
        Question,
        overview::{Request, overview},
    },
    model::{ChargeCategory, Filter, GroupBy, Method, Metric},
    report,
};

/// Write one page for a team
///
/// What the last week and the month cost, what moved, the incidents of the last two weeks with their causes, and how good
/// the data is. HTML is one file with its charts inside.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Cost to look at
    #[arg(long, value_enum, default_value = "net-amortized")]
    metric: Metric,

    /// Data source, such as cur2; without it all bills add up, each from its most detailed source of each month
    #[arg(long, value_name = "NAME")]
    source: Option<String>,

    /// Only costs with this value, such as account=acme-production; repeatable
    #[arg(long, value_name = "DIMENSION=VALUE")]
    filter: Vec<Filter>,

    /// Dimensions joined by +; `trends --help` lists them
    #[arg(long, value_name = "DIMENSIONS", default_value = "service")]
    group_by: GroupBy,

    /// Movers and incidents to show by name
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: usize,

    /// The day to take for today, as YYYY-MM-DD
    #[arg(long, value_name = "DATE", value_parser = day)]
    as_of: Option<NaiveDate>,

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

pub fn run(args: &ReportArgs, context: &Context) -> Result<ExitCode> {
    let request = Request {
        question: Question {
            source: args.source.as_deref(),
            metric: args.metric,
            filters: &args.filter,
            as_of: args.as_of.unwrap_or(context.today),
            settle_days: context.loaded.config.anomaly.settle_days,
        },
        include: &ChargeCategory::USAGE_LIKE,
        group_by: args.group_by.clone(),
        parameters: Parameters::new(&context.loaded.config.anomaly, Method::Robust),
        top: args.top.max(1),
    };
    let page = overview(&context.store()?, &request)?;
    let text = match args.format {
        PageFormat::Html => report::overview::html(&page)?,
        PageFormat::Markdown => report::overview::markdown(&page),
        PageFormat::Json => report::json(&page)?,
    };
    match &args.output {
        Some(path) => std::fs::write(path, text)
            .map_err(|e| Error::input(format!("cannot write `{}`", path.display())).cause(e))?,
        None => print(&text)?,
    }
    Ok(ExitCode::Done)
}
