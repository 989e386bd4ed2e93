use chrono::NaiveDate;
use clap::{Args, ValueEnum};

use super::{Context, day, print};
use crate::{
    error::{Error, ExitCode, Result},
    insights::{
        alerts::Mark,
        incidents::{Wanted, list, one},
    },
    model::{Filter, State},
    report::{self, Format},
};

/// List what was found, and how it stands
///
/// `anomalies` keeps what it finds in the ledger: an incident has one id for as long as it lasts, over later runs and
/// restated bills. With an ID, or the beginning of one, shows that incident with its history.
#[derive(Debug, Args)]
pub struct IncidentsArgs {
    /// One incident, by its id or the beginning of it
    id: Option<String>,

    /// Only incidents in these states
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "open",
        value_name = "STATES",
        conflicts_with = "id"
    )]
    status: Vec<Status>,

    /// Only incidents that were seen on this day or later, as YYYY-MM-DD
    #[arg(long, value_name = "DATE", value_parser = day, conflicts_with = "id")]
    since: Option<NaiveDate>,

    /// Only incidents of at least so much money in all, up or down
    #[arg(long, value_name = "AMOUNT", conflicts_with = "id")]
    min_impact: Option<f64>,

    /// Only incidents of a group with this value, such as service=AmazonEC2; repeatable
    #[arg(long, value_name = "DIMENSION=VALUE", conflicts_with = "id")]
    filter: Vec<Filter>,

    /// How to write the answer
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Status {
    /// Going on, or seen within three days
    Open,
    /// Over
    Closed,
    /// Lasted, and is what is normal now
    Accepted,
    /// Not found any more: the bill was restated, or the settings changed
    Withdrawn,
    /// Open, and somebody is at it
    Acked,
    /// Open, and not told until a day
    Snoozed,
    /// Open, and meant to be so
    Expected,
    /// Every state
    All,
}

impl Status {
    fn states(self) -> Vec<State> {
        match self {
            Status::Open => vec![State::Open],
            Status::Closed => vec![State::Closed],
            Status::Accepted => vec![State::Absorbed],
            Status::Withdrawn => vec![State::Withdrawn],
            Status::All => State::ALL.to_vec(),
            Status::Acked | Status::Snoozed | Status::Expected => Vec::new(),
        }
    }

    fn mark(self) -> Option<Mark> {
        match self {
            Status::Acked => Some(Mark::Acked),
            Status::Snoozed => Some(Mark::Snoozed),
            Status::Expected => Some(Mark::Expected),
            _ => None,
        }
    }
}

pub fn run(args: &IncidentsArgs, context: &Context) -> Result<ExitCode> {
    let store = context.store()?;
    if let Some(id) = &args.id {
        let incident = one(&store, id)?;
        print(&report::incidents::render_one(&incident, args.format, context.style)?)?;
        return Ok(ExitCode::Done);
    }
    if args.filter.iter().any(|filter| filter.negated) {
        return Err(Error::usage("`incidents --filter` takes DIMENSION=VALUE only"));
    }
    let values: Vec<(String, String)> =
        args.filter.iter().map(|filter| (filter.dimension.to_string(), filter.value.clone())).collect();
    let states: Vec<State> = args.status.iter().flat_map(|status| status.states()).collect();
    let marks: Vec<Mark> = args.status.iter().filter_map(|status| status.mark()).collect();
    let wanted =
        Wanted { states: &states, marks: &marks, since: args.since, min_impact: args.min_impact, values: &values };
    let incidents = list(&store, &wanted)?;
    print(&report::incidents::render(&incidents, args.format, context.style)?)?;
    if incidents.incidents.is_empty() && !args.status.contains(&Status::All) {
        context.note("hint: `--status all` lists those that are over, too");
    }
    Ok(ExitCode::Done)
}
