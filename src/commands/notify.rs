use std::collections::BTreeSet;

use chrono::{NaiveDate, Utc};
use clap::{Args, Subcommand};

use super::{Context, day, lock::Lock, print, run, tell};
use crate::{
    config,
    error::{Error, ExitCode, Result},
    insights::alerts::Delivery,
    notify::{
        Channel, Target,
        digest::{About, Digest},
        plan::short_hash,
    },
    report::{self, Format, notify::Standing, run::Summary},
    store::Store,
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
    /// Give up the messages that wait for a channel
    Drop {
        /// The channel's name, whether the configuration has it or not
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
        Some(What::Drop { channel }) => give_up(channel, context),
        Some(What::Status { format }) => status(*format, context),
        None => tell(args, context),
    }
}

fn tell(args: &NotifyArgs, context: &Context) -> Result<ExitCode> {
    let today = args.as_of.unwrap_or(context.today);
    let plans = config::plans(&context.loaded.config.notify.planned)?;
    // A database that is not there is said before it is made.
    let questions = run::questions(today, context)?;
    let told = tell::Told { questions: &questions, plans: &plans, today, sensitivity: None };
    if args.dry_run {
        let planned = tell::planned(&told, true, context)?;
        context.notes(&planned.notes);
        context.notes(&context.loaded.config.notify.notes());
        print(&report::notify::decisions(&planned.decisions, args.format, context.style)?)?;
        return Ok(ExitCode::Done);
    }
    run::check_format(args.format)?;
    let _lock = Lock::take(&context.database().path)?;
    let mut summary = Summary::new(today);
    let errors = tell::tell(&told, None, context, &mut summary)?;
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
    let mut digest = Digest::of_program(About::Test, "test", context.today, "Cost alerts: a test", text);
    digest.id = short_hash(&format!("{name} {}", Utc::now()));
    tell::send_now(&channel, &digest, context)?;
    print(&match channel.target()? {
        Target::Stdout => digest.plain(),
        _ => format!("sent to {name}\n"),
    })?;
    Ok(ExitCode::Done)
}

/// Gives up what waits for a channel.
fn give_up(channel: &str, context: &Context) -> Result<ExitCode> {
    drop(context.store()?);
    let _lock = Lock::take(&context.database().path)?;
    let mut store = Store::open_when_free(context.database())?;
    let waiting = store.waiting()?.into_iter().filter(|message| message.channel == channel);
    let error = "given up by `notify drop`";
    let given_up: Vec<_> =
        waiting.map(|message| (message.message_id, Delivery::Dropped { error: error.to_owned() })).collect();
    if given_up.is_empty() {
        return Err(Error::input(format!("no message waits for the channel `{channel}`"))
            .hint("`aws-cost-anomalies notify status` shows what waits"));
    }
    store.save_deliveries(Utc::now().naive_utc(), &given_up)?;
    let plural = if given_up.len() == 1 { "" } else { "s" };
    print(&format!("gave up {} message{plural} to {channel}\n", given_up.len()))?;
    Ok(ExitCode::Done)
}

fn status(format: Format, context: &Context) -> Result<ExitCode> {
    let store = context.store()?;
    let waiting = store.waiting()?;
    let deliveries = store.deliveries()?;
    let standing = |name: &str, kind: &str, unusable: Option<String>| {
        let known = deliveries.iter().find(|one| one.channel == name);
        let waits = || waiting.iter().filter(|message| message.channel == name);
        Standing {
            channel: name.to_owned(),
            kind: kind.to_owned(),
            sent: known.map_or(0, |one| one.sent),
            last_sent_at: known.and_then(|one| one.last_sent_at),
            waiting: waits().count(),
            given_up: known.map_or(0, |one| one.dropped),
            error: waits().find_map(|message| message.error.clone()).or(unusable),
        }
    };
    let channels = context.loaded.config.notify.channels_or_terminal();
    let of_channel = |channel: &Channel| {
        let unusable = channel.check_secrets().err().map(|error| error.summary());
        standing(&channel.name, channel.target().map_or("", |target| target.name()), unusable)
    };
    let mut standings: Vec<Standing> = channels.iter().map(of_channel).collect();
    let absent: BTreeSet<&str> = waiting.iter().map(|message| message.channel.as_str()).collect();
    let absent = absent.into_iter().filter(|name| channels.iter().all(|channel| channel.name != *name));
    standings.extend(absent.map(|name| standing(name, "-", Some(tell::NO_CHANNEL.to_owned()))));
    print(&report::notify::standings(&standings, format, context.style)?)?;
    Ok(ExitCode::Done)
}
