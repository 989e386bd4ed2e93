use std::io::IsTerminal;

use chrono::NaiveDate;
use clap::Args;
use dialoguer::Select;

use super::{Context, print};
use crate::{
    error::{Error, ExitCode, Result},
    inert,
    insights::drilldown::{Walk, has_meters},
    model::Filter,
    operations::DrillDown,
    report::{self, Format, units},
    store::Facts,
};

#[derive(Debug, Args)]
pub(crate) struct DrilldownArgs {
    #[command(flatten)]
    operation: DrillDown,

    /// Choose the way by hand, in a terminal
    #[arg(long, short)]
    interactive: bool,

    /// How to write the answer
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub(super) fn run(args: &DrilldownArgs, context: &Context) -> Result<ExitCode> {
    if args.interactive {
        let is_terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        if !is_terminal || args.format != Format::Table {
            return Err(
                Error::usage("`--interactive` needs a terminal").hint("leave it out for the path of greatest change")
            );
        }
        return args.operation.walk(&context.session, |store, request| {
            let walked = Walk::new(store, request)?;
            let total = walked.below(store, &[])?.change;
            let (before, after) = (request.before, request.after);
            print(&report::drilldown::heading(before, after, total, walked.is_per_day(), &walked.currency))?;
            walk(&walked, store, after.start, context)
        });
    }
    let answer = context.answer(&args.operation)?;
    print(&report::drilldown::render(&answer, args.format, context.style)?)?;
    Ok(ExitCode::Done)
}

/// Shows one place after another until the reader leaves.
fn walk(walk: &Walk, store: &dyn Facts, since: NaiveDate, context: &Context) -> Result<ExitCode> {
    let mut path: Vec<Filter> = Vec::new();
    loop {
        let below = walk.below(store, &path)?;
        let names: Vec<&str> = path.iter().map(|filter| filter.value.as_str()).collect();
        let place = if names.is_empty() { "all".to_owned() } else { format!("all > {}", names.join(" > ")) };
        let place = inert::one_line(&place);
        print(&format!("\n{place}: {}\n", units::change(below.change.change, &walk.currency)))?;
        print(&report::drilldown::place(&below, since, &walk.currency, context.style))?;
        let members = below.members.as_ref();
        // Below a resource there is nothing.
        let further = members.filter(|members| has_meters(&members.dimension));
        let values: Vec<&str> =
            further.iter().flat_map(|members| &members.members).map(|member| member.value.as_str()).collect();
        let mut choices: Vec<String> = values
            .iter()
            .zip(further.iter().flat_map(|members| &members.members))
            .map(|(value, member)| {
                format!("{}  {}", inert::one_line(value), units::change(member.change.change, &walk.currency))
            })
            .collect();
        if !path.is_empty() {
            choices.push("up".into());
        }
        choices.push("quit".into());
        let prompt = further.map_or("end of the way".to_owned(), |members| members.dimension.to_string());
        let chosen = Select::new()
            .with_prompt(format!("{prompt} (arrows, Enter; Esc ends)"))
            .items(&choices)
            .default(0)
            .interact_opt();
        let chosen = chosen.map_err(|e| Error::input("cannot read from the terminal").caused_by(e))?;
        match (chosen, further) {
            (Some(index), Some(members)) if index < values.len() => {
                path.push(Filter { dimension: members.dimension.clone(), value: values[index].into(), negated: false });
            }
            (Some(index), _) if index + 1 < choices.len() => {
                path.pop();
            }
            _ => return Ok(ExitCode::Done),
        }
    }
}
