use chrono::NaiveDate;
use clap::Args;

use super::{
    Context, day, print,
    selection::SelectionArgs,
    words::{ExplainWith, Writer},
};
use crate::{
    analysis::detect::Parameters,
    error::{Error, ExitCode, Result},
    insights::{
        Question,
        explain::{Request, explain},
        incidents::one,
    },
    model::{Dimension, Filter, Method},
    report,
};

/// Say why a cost moved
///
/// Of an incident of the ledger, by its id or the beginning of it, or of any cost on any settled day: what was expected, since
/// when, which usage types, operations, resources, accounts and regions carry the change, whether it is usage, price, mix,
/// commitments, credits or something new, and where to look next.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// An incident, by its id or the beginning of it
    #[arg(conflicts_with_all = ["service", "account", "region", "usage_type", "date"])]
    id: Option<String>,

    /// Costs of this service, such as AmazonEC2
    #[arg(long, value_name = "SERVICE")]
    service: Option<String>,

    /// Costs of this account, by id or name
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,

    /// Costs of this region
    #[arg(long, value_name = "REGION")]
    region: Option<String>,

    /// Costs of this usage type
    #[arg(long, value_name = "TYPE")]
    usage_type: Option<String>,

    /// A day of the change, as YYYY-MM-DD [default: the newest settled day]
    #[arg(long, value_name = "DATE", value_parser = day)]
    date: Option<NaiveDate>,

    /// Contributors of each dimension to show by name
    #[arg(long, value_name = "N", default_value_t = 5)]
    top: usize,

    /// Let a language model add at most 150 words, which may hold no number that is not in the explanation
    #[arg(long, value_enum, value_name = "MODEL")]
    explain_with: Option<ExplainWith>,

    #[command(flatten)]
    selection: SelectionArgs,
}

pub fn run(args: &ExplainArgs, context: &Context) -> Result<ExitCode> {
    let store = context.store()?;
    let asked = args.selection.question(context);
    let mut filters: Vec<Filter> = args.selection.filter.clone();
    let mut include = args.selection.include();
    let incident = args.id.as_deref().map(|id| one(&store, id)).transpose()?;
    let (mut metric, mut source) = (asked.metric, asked.source);
    if let Some(shown) = &incident {
        filters.extend(shown.filters()?);
        include = shown.include();
        metric = shown.incident.metric;
        source = shown.incident.data_source.as_deref();
    }
    let given = [
        (Dimension::Service, &args.service),
        (Dimension::Account, &args.account),
        (Dimension::Region, &args.region),
        (Dimension::UsageType, &args.usage_type),
    ];
    for (dimension, value) in given {
        filters.extend(value.clone().map(|value| Filter { dimension, value, negated: false }));
    }
    if incident.is_none() && filters.is_empty() && args.date.is_none() {
        return Err(Error::usage("what is to be explained?")
            .hint("name an incident (`incidents` lists them), or `--service NAME --date DATE`"));
    }
    // An incident is judged as it was found.
    let settings = &context.loaded.config.anomaly;
    let parameters = incident
        .as_ref()
        .map_or_else(|| Parameters::new(settings, Method::default()), |shown| shown.parameters(settings));
    let request = Request {
        question: Question { metric, source, filters: &filters, ..asked },
        include: &include,
        parameters,
        date: args.date.or(incident.as_ref().map(|shown| shown.incident.peak_date)),
        incident: incident.as_ref(),
        top: args.top.max(1),
        also: &[],
    };
    let mut answer = explain(&store, &request)?;
    if args.explain_with.is_some() {
        answer.words = Writer::new(args.explain_with, context)?.words(&answer, context);
    }
    context.notes(&answer.notes);
    print(&report::explain::render(&answer, args.selection.format, context.style)?)?;
    Ok(ExitCode::Done)
}
