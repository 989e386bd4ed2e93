use std::{
    cell::OnceCell,
    collections::BTreeMap,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use chrono::{Days, NaiveDate, NaiveDateTime, Utc};
use clap::{Args, ValueEnum};

use super::{Context, day, ingest, lock::Lock, print};
use crate::{
    agent,
    analysis::detect::{Method, Parameters, Sensitivity},
    config,
    error::{Error, ExitCode, Result},
    ingest::Outcome,
    insights::{
        Question,
        alerts::{self, Delivery, Notice, Queued},
        anomalies::{Anomalies, Request},
        explain::{self, Explanation},
        incidents::{Asked, Shown, State, scope},
        levels,
    },
    model::{ChargeCategory, Dimension, GroupBy, Metric, Period},
    notify::{
        deliver::{Attempt, Sending, deliver, needs_aws},
        digest::Digest,
        plan::{Inputs, Message, Planned, plan},
        planned::Plan,
    },
    report::{
        self, Format,
        run::{Ingested, Judged, Printed, Summary, Told, Waiting},
    },
    sources::aws::Aws,
    store::{Store, notices::RunRecord},
    web::Kind,
};

/// Mornings that were missed are judged afterwards, so many at most.
const MOST_MISSED_DAYS: u64 = 14;

/// Fetch, judge and tell what is new, once
///
/// What `ingest` and `anomalies` do, then each channel of the configuration (`notify`) is told of the incidents that
/// opened, grew or came back since it was told last, in one message. Nothing is told twice: not when bills are restated,
/// not when this runs again. What a channel does not take waits for the next run. For cron; `watch` is the same as a daemon.
/// docs/ALERTS.md has it all.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Bills, as `ingest` takes them [default: the exports of the configuration]
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,

    #[command(flatten)]
    pub how: HowArgs,

    /// Take this day for today
    #[arg(long, value_name = "DATE", value_parser = day)]
    pub as_of: Option<NaiveDate>,

    /// How to write the summary
    #[arg(long, value_enum, default_value = "table")]
    pub format: Format,

    /// End with exit code 10 when something new was told
    #[arg(long)]
    pub exit_code: bool,
}

/// What `run` and `watch` share.
#[derive(Clone, Debug, Args)]
pub struct HowArgs {
    /// Where bills come from when no PATH is named
    #[arg(long, value_enum, value_name = "SOURCE", conflicts_with = "paths")]
    pub source: Option<ingest::Source>,

    /// Judge what the database holds, and fetch nothing
    #[arg(long, conflicts_with_all = ["paths", "source"])]
    pub no_ingest: bool,

    /// How readily a day is flagged [default: anomaly.z_score_threshold]
    #[arg(long, value_enum)]
    pub sensitivity: Option<Sensitivity>,

    /// Let a language model explain in words what it is given in figures [default: notify.explain_with]
    #[arg(long, value_enum, value_name = "MODEL")]
    pub explain_with: Option<ExplainWith>,
}

/// Language models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExplainWith {
    /// A model of Amazon Bedrock (`bedrock` in the configuration)
    Bedrock,
    /// Anthropic's API (`anthropic` in the configuration)
    Anthropic,
}

/// What one run is asked.
pub struct Morning<'a> {
    pub paths: &'a [PathBuf],
    pub how: &'a HowArgs,
    pub as_of: Option<NaiveDate>,
}

pub fn run(args: &RunArgs, context: &Context) -> Result<ExitCode> {
    let _lock = Lock::take(&context.database().path)?;
    let asked = Morning { paths: &args.paths, how: &args.how, as_of: args.as_of };
    let done = once(&asked, context)?;
    show(&done.summary, args.format, context)?;
    done.errors.iter().for_each(|error| context.complain(error));
    Ok(match done.errors.first() {
        Some(error) => error.exit_code(),
        None if args.exit_code && !done.summary.told.is_empty() => ExitCode::Findings,
        None => ExitCode::Done,
    })
}

/// Prints a summary below the messages that are for stdout; with `--quiet` these alone.
pub fn show(summary: &Summary, format: Format, context: &Context) -> Result<()> {
    if format == Format::Json {
        return print(&report::run::json(summary)?);
    }
    print(&report::run::messages(&summary.printed, context.style))?;
    if context.quiet { Ok(()) } else { print(&report::run::text(summary, context.style)) }
}

/// What came of a run.
pub struct Done {
    pub summary: Summary,
    pub errors: Vec<Error>,
}

/// Ingests, judges, keeps the ledger and tells what is new. What can be done is done, whatever else fails.
///
/// # Errors
/// When nothing could be done at all.
pub fn once(asked: &Morning, context: &Context) -> Result<Done> {
    let started_at = now();
    let today = asked.as_of.unwrap_or(context.today);
    let config = &context.loaded.config;
    let plans = config::plans(&config.notify.planned)?;
    let mut errors = Vec::new();
    let mut summary = Summary::new(today);
    if !asked.how.no_ingest {
        match ingest::unattended(asked.paths, asked.how.source, asked.as_of, context) {
            Ok(outcome) => {
                summary.ingested = Some(ingested(&outcome));
                errors.extend(outcome.failures);
            }
            Err(error) if error.exit_code() == ExitCode::Usage => {
                return Err(error.hint("or judge what the database holds already: `--no-ingest`"));
            }
            Err(error) => errors.push(error),
        }
    }
    let request = request(context, today, asked.how.sensitivity);
    let scope = scope(&request, Asked::EveryLevel);
    let judged = judge(&request, &scope, context, &mut summary);
    // Without any bill there is nothing to tell, and what went wrong above is why.
    if let Err(error) = judged {
        errors.push(error);
    }
    let first = errors.first().map(Error::summary);
    if context.database().path.exists() {
        match tell(&scope, &plans, today, asked.how.explain_with, context, &mut summary) {
            Ok(failed) => errors.extend(failed),
            Err(error) => errors.push(error),
        }
        let judged = summary.judged.as_ref().map(|judged| Period { start: judged.from, end: judged.to });
        let record = RunRecord { started_at, finished_at: now(), as_of: today, scope, judged, error: first };
        Store::open_when_free(context.database())?.save_run(&record)?;
    }
    Ok(Done { summary, errors })
}

fn now() -> NaiveDateTime {
    Utc::now().naive_utc()
}

/// The question of every morning: every level, as `anomalies` asks without options.
pub fn request(context: &Context, today: NaiveDate, sensitivity: Option<Sensitivity>) -> Request<'static> {
    let settings = &context.loaded.config.anomaly;
    let mut parameters = Parameters::new(settings, Method::Robust);
    if let Some(sensitivity) = sensitivity {
        parameters.threshold = sensitivity.threshold();
    }
    let question = Question {
        source: None,
        metric: Metric::NetAmortized,
        filters: &[],
        as_of: today,
        settle_days: settings.settle_days,
    };
    Request {
        question,
        group_by: GroupBy(Vec::new()),
        from: None,
        to: None,
        include: &ChargeCategory::USAGE_LIKE,
        sensitivity,
        parameters,
    }
}

/// Judges the days since the last run, and writes the ledger.
fn judge(request: &Request, scope: &str, context: &Context, summary: &mut Summary) -> Result<()> {
    let answer = {
        let store = context.store()?;
        let settled = levels::settled_through(&store, &request.question)?;
        let missed = store.judged_through(scope)?.map(|last| last + Days::new(1)).filter(|next| *next < settled);
        let from = missed.map(|next| next.max(settled - Days::new(MOST_MISSED_DAYS)));
        levels::anomalies(&store, &Request { from, ..request.clone() })?
    };
    context.notes(&answer.notes);
    Store::open_when_free(context.database())?.save_incidents(&answer.ledger.changes)?;
    summary.judged = Some(of_answer(&answer));
    Ok(())
}

fn of_answer(answer: &Anomalies) -> Judged {
    let count = |event: &str| answer.ledger.changes.iter().filter(|(_, what)| *what == Some(event)).count();
    Judged {
        from: answer.judged.start,
        to: answer.judged.end,
        series: answer.series,
        findings: answer.findings.len(),
        opened: count("opened"),
        ended: count("closed") + count("accepted") + count("withdrawn") + count("merged"),
    }
}

/// Tells what is new: messages are written into the outbox with what they tell, then everything that waits is sent.
/// Gives the errors of channels.
pub fn tell(
    scope: &str,
    plans: &[Plan],
    today: NaiveDate,
    with: Option<ExplainWith>,
    context: &Context,
    summary: &mut Summary,
) -> Result<Vec<Error>> {
    let settings = &context.loaded.config.notify;
    let planned = planned(scope, plans, today, with, context)?;
    context.notes(&planned.notes);
    let queued: Vec<(Queued, Vec<Notice>)> = planned.messages.iter().map(queued).collect::<Result<_>>()?;
    let (waiting, references) = {
        let mut store = Store::open_when_free(context.database())?;
        store.queue(now(), &queued)?;
        summary.open = store.incidents(Some(scope))?.iter().filter(|incident| incident.state == State::Open).count();
        (store.waiting()?, store.references()?.into_iter().collect::<BTreeMap<String, String>>())
    };
    let aws = if needs_aws(settings, &waiting) { Some(context.aws()?) } else { None };
    let config = aws.as_ref().map(Aws::sdk_config);
    let sending = Sending::new(settings, config, &references)?;
    let results: Mutex<Vec<Attempt>> = Mutex::default();
    let failed: Mutex<Option<Error>> = Mutex::default();
    deliver(settings, &waiting, &sending, now(), &|attempt| {
        // Noted at once: what was sent is not sent again, whatever happens next.
        let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
        let done = [(attempt.message_id.clone(), attempt.delivery.clone())];
        let saved = Store::open_when_free(context.database()).and_then(|mut store| store.save_deliveries(now(), &done));
        if let Err(error) = saved {
            *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        }
        results.push(attempt);
    });
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut errors: Vec<Error> = failed.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().collect();
    errors.extend(note_results(results, &planned, &waiting, summary));
    Ok(errors)
}

/// Puts what came of messages into the summary, and gives the errors.
fn note_results(mut results: Vec<Attempt>, planned: &Planned, waiting: &[Queued], summary: &mut Summary) -> Vec<Error> {
    results.sort_by(|a, b| (&a.channel, &a.message_id).cmp(&(&b.channel, &b.message_id)));
    for message in &planned.messages {
        summary.told.push(Told {
            channel: message.channel.clone(),
            incidents: message.notices.len(),
            title: message.digest.title.clone(),
            sent: results.iter().any(|one| one.message_id == message.digest.id && one.failed.is_none()),
        });
    }
    let waits = |channel: &str| waiting.iter().filter(|message| message.channel == channel).count();
    let mut errors = Vec::new();
    // Those that want to be left alone were not tried.
    for message in waiting.iter().filter(|message| results.iter().all(|one| one.channel != message.channel)) {
        let waiting = Waiting {
            channel: message.channel.clone(),
            messages: waits(&message.channel),
            error: message.error.clone().unwrap_or_default(),
            not_before: message.not_before,
        };
        if summary.waiting.iter().all(|one| one.channel != waiting.channel) {
            summary.waiting.push(waiting);
        }
    }
    for attempt in results {
        match attempt.delivery {
            Delivery::Sent { .. } => summary.sent += 1,
            Delivery::Waiting { error, not_before, .. } => {
                let title = format!("the channel `{}` does not take the message", attempt.channel);
                let failed =
                    if attempt.failed == Some(Kind::Settings) { Error::input(title) } else { Error::remote(title) };
                errors.push(failed.cause(&error).hint("it waits for the next run; `notify status` shows what waits"));
                let messages = waits(&attempt.channel);
                summary.waiting.push(Waiting { channel: attempt.channel, messages, error, not_before });
            }
            Delivery::Dropped { error } => {
                errors.push(
                    Error::remote(format!("a message to the channel `{}` is given up", attempt.channel)).cause(&error),
                );
            }
        }
        summary.printed.extend(attempt.printed.map(|digest| Printed {
            text: digest.plain(),
            message: serde_json::to_value(&digest).unwrap_or_default(),
        }));
    }
    errors
}

/// What there is to tell, and to whom.
pub fn planned(
    scope: &str,
    plans: &[Plan],
    today: NaiveDate,
    with: Option<ExplainWith>,
    context: &Context,
) -> Result<Planned> {
    let config = &context.loaded.config;
    let store = context.store()?;
    let cases = alerts::cases(&store, scope)?;
    let request = request(context, today, None);
    let settled_through = levels::settled_through(&store, &request.question).ok();
    let explain =
        |shown: &Shown, also: &[Dimension]| explain::incident(&store, shown, request.question, &config.anomaly, also);
    let writer = Writer::new(with, context)?;
    let words = |found: &Explanation| writer.words(found, context);
    let inputs = Inputs { settings: &config.notify, plans, today, settled_through, explain: &explain, words: &words };
    Ok(plan(&cases, &inputs))
}

fn queued(message: &Message) -> Result<(Queued, Vec<Notice>)> {
    let text = serde_json::to_string(&message.digest).map_err(|e| Error::bug("a message has no JSON").cause(e))?;
    let queued = Queued {
        message_id: message.digest.id.clone(),
        channel: message.channel.clone(),
        created_at: now(),
        message: text,
        attempts: 0,
        not_before: None,
        parts_done: Vec::new(),
        error: None,
    };
    Ok((queued, message.notices.clone()))
}

fn ingested(outcome: &Outcome) -> Ingested {
    Ingested {
        periods: outcome.periods.len(),
        rows: outcome.periods.iter().map(|period| period.loaded.rows).sum(),
        unchanged: outcome.unchanged.len(),
        failures: outcome.failures.len(),
    }
}

/// A language model, when one is asked for.
pub struct Writer {
    with: Option<ExplainWith>,
    aws: OnceCell<Aws>,
}

impl Writer {
    /// # Errors
    /// When the configuration names a model that there is not.
    pub fn new(with: Option<ExplainWith>, context: &Context) -> Result<Self> {
        let configured = &context.loaded.config.notify.explain_with;
        let configured = match configured.as_str() {
            "" => None,
            name => Some(ExplainWith::from_str(name, true).map_err(Error::input)?),
        };
        Ok(Self { with: with.or(configured), aws: OnceCell::new() })
    }

    /// The model's words; none when no model is asked for, or it fails, which is said on stderr.
    pub fn words(&self, found: &Explanation, context: &Context) -> Option<String> {
        let config = &context.loaded.config;
        let settings = &config.language_model;
        let words = match self.with? {
            ExplainWith::Anthropic => agent::words(&agent::Model::Anthropic(&config.anthropic), settings, found),
            ExplainWith::Bedrock => self.bedrock(context).and_then(|aws| {
                agent::words(&agent::Model::Bedrock(&config.bedrock, aws.sdk_config()), settings, found)
            }),
        };
        words.map_err(|error| context.complain(&error)).ok()
    }

    /// Credentials of their own: the role for costs is not theirs.
    fn bedrock(&self, context: &Context) -> Result<&Aws> {
        if let Some(aws) = self.aws.get() {
            return Ok(aws);
        }
        let config = &context.loaded.config;
        let settings = crate::sources::aws::Settings { role_arn: String::new(), ..config.aws.clone() };
        let aws = Aws::connect(&settings, &config.bedrock.profile)?;
        Ok(self.aws.get_or_init(|| aws))
    }
}

/// A message to every channel, at once and past the outbox: about the program itself.
pub fn tell_all(digest: &Digest, context: &Context) -> Vec<Error> {
    let settings = &context.loaded.config.notify;
    let mut errors = Vec::new();
    for channel in settings.channels_or_terminal() {
        if let Err(error) = super::notify::send_now(&channel, digest, context) {
            errors.push(error);
        }
    }
    errors
}
