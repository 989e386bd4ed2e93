use std::collections::BTreeMap;

use chrono::{NaiveDate, Utc};
use clap::{Args, Subcommand};

use super::{Context, day, lock::Lock, print, run};
use crate::{
    config,
    error::{Error, ExitCode, Result},
    insights::incidents::{Asked, scope},
    notify::{
        Channel, Target,
        deliver::{Sending, send_digest},
        digest::{About, Digest},
        plan::short_hash,
    },
    report::{
        self, Format,
        notify::{Decided, Standing},
        run::Summary,
    },
    sources::aws::Aws,
};

/// Tell what is new of the incidents that the ledger has
///
/// Without fetching and judging, which `run` does before. With `--dry-run` says who would be told what, and why.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct NotifyArgs {
    #[command(subcommand)]
    what: Option<What>,

    /// Only say who would be told what, and why
    #[arg(long)]
    dry_run: bool,

    /// Take this day for today
    #[arg(long, value_name = "DATE", value_parser = day)]
    as_of: Option<NaiveDate>,

    /// How to write the answer
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Send a sample to a channel
    Test {
        /// The channel's name in the configuration
        channel: String,
    },
    /// Show what was sent, and what waits
    Status {
        /// How to write the answer
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
}

pub fn run(args: &NotifyArgs, context: &Context) -> Result<ExitCode> {
    match &args.what {
        Some(What::Test { channel }) => test(channel, context),
        Some(What::Status { format }) => status(*format, context),
        None => tell(args, context),
    }
}

fn tell(args: &NotifyArgs, context: &Context) -> Result<ExitCode> {
    let today = args.as_of.unwrap_or(context.today);
    let plans = config::plans(&context.loaded.config.notify.planned)?;
    let scope = scope(&run::request(context, today, None), Asked::EveryLevel);
    if args.dry_run {
        let planned = run::planned(&scope, &plans, today, None, context)?;
        context.notes(&planned.notes);
        let decided = planned.decisions.into_iter().map(|one| Decided {
            id: one.id,
            subject: one.subject,
            severity: one.severity,
            impact: one.impact,
            currency: one.currency,
            owner: one.owner,
            channel: one.channel,
            tells: one.news.map(|news| news.name().to_owned()),
            why: one.why,
        });
        let decided: Vec<Decided> = decided.collect();
        print(&report::notify::decisions(&decided, args.format, context.style)?)?;
        return Ok(ExitCode::Done);
    }
    // A database that is not there is said before it is made.
    drop(context.store()?);
    let _lock = Lock::take(&context.database().path)?;
    let mut summary = Summary::new(today);
    let errors = run::tell(&scope, &plans, today, None, context, &mut summary)?;
    run::show(&summary, args.format, context)?;
    errors.iter().for_each(|error| context.complain(error));
    Ok(errors.first().map_or(ExitCode::Done, Error::exit_code))
}

/// Sends a sample.
fn test(name: &str, context: &Context) -> Result<ExitCode> {
    let channel = context.loaded.config.notify.channel(name)?;
    let text = format!(
        "This is how alerts of aws-cost-anomalies arrive over the channel {name}. There is nothing to do: no cost moved."
    );
    let mut digest = Digest::of_program(About::Test, context.today, "Cost alerts: a test", text);
    digest.id = short_hash(&format!("{name} {}", Utc::now()));
    send_now(&channel, &digest, context)?;
    print(&match channel.target()? {
        Target::Stdout => digest.plain(),
        _ => format!("sent to {name}\n"),
    })?;
    Ok(ExitCode::Done)
}

/// Sends a message past the outbox.
///
/// # Errors
/// When it does not arrive.
pub fn send_now(channel: &Channel, digest: &Digest, context: &Context) -> Result<()> {
    let aws = if channel.sns.is_some() { Some(context.aws()?) } else { None };
    let references = BTreeMap::new();
    let sending = Sending::new(&context.loaded.config.notify, aws.as_ref().map(Aws::sdk_config), &references)?;
    send_digest(channel, digest, &sending, &mut Vec::new()).map(drop).map_err(|failure| {
        let error = failure.to_error(format!("the channel `{}` does not take the message", channel.name));
        error.hint("docs/ALERTS.md says what each channel needs")
    })
}

fn status(format: Format, context: &Context) -> Result<ExitCode> {
    let store = context.store()?;
    let waiting = store.waiting()?;
    let deliveries = store.deliveries()?;
    let standing = |channel: &Channel| {
        let known = deliveries.iter().find(|(name, ..)| *name == channel.name);
        let waits = || waiting.iter().filter(|message| message.channel == channel.name);
        Standing {
            channel: channel.name.clone(),
            kind: channel.target().map_or("", |target| target.name()).to_owned(),
            sent: known.map_or(0, |(_, sent, ..)| *sent),
            last_sent_at: known.and_then(|(_, _, last, _)| *last),
            waiting: waits().count(),
            given_up: known.map_or(0, |(.., dropped)| *dropped),
            error: waits().find_map(|message| message.error.clone()),
        }
    };
    let standings: Vec<Standing> = context.loaded.config.notify.channels_or_terminal().iter().map(standing).collect();
    print(&report::notify::standings(&standings, format, context.style)?)?;
    Ok(ExitCode::Done)
}
