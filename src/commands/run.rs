use std::path::PathBuf;

use chrono::{Days, NaiveDate, NaiveDateTime, Utc};
use clap::Args;

use super::{
    Context, day, deliver, ingest,
    lock::Lock,
    nobody_read, print,
    tell::{Told, note_printed, tell},
    words::ExplainWith,
};
use crate::{
    analysis::detect::Parameters,
    config,
    error::{Error, ExitCode, Result},
    ingest::Outcome,
    insights::{
        Question,
        anomalies::{Anomalies, Request},
        incidents::{Asked, scope},
        levels,
    },
    model::{ChargeCategory, Dimension, Event, Filter, GroupBy, Method, Metric, Period, Sensitivity},
    report::{
        self, Format,
        run::{Ingested, Judged, Summary},
    },
    store::{Store, notices::RunRecord},
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

/// What one run is asked.
pub struct Morning<'a> {
    pub paths: &'a [PathBuf],
    pub how: &'a HowArgs,
    pub as_of: Option<NaiveDate>,
}

pub fn run(args: &RunArgs, context: &Context) -> Result<ExitCode> {
    check_format(args.format)?;
    if args.how.no_ingest {
        // A database that is not there is said before anything is made.
        drop(context.store()?);
    }
    let _lock = Lock::take(&context.database().path)?;
    let asked = Morning { paths: &args.paths, how: &args.how, as_of: args.as_of };
    let done = once(&asked, context)?;
    show(&done.summary, args.format, context)?;
    let errors: Vec<&Error> = done.errors.iter().chain(&done.untold).collect();
    errors.iter().for_each(|error| context.complain(error));
    Ok(match errors.first() {
        Some(error) => error.exit_code(),
        None if args.exit_code && done.summary.has_news() => ExitCode::Findings,
        None => ExitCode::Done,
    })
}

/// A summary is for people, or an object.
pub fn check_format(format: Format) -> Result<()> {
    match format {
        Format::Table | Format::Json => Ok(()),
        Format::Csv | Format::Markdown => Err(Error::usage("a summary is written as `table` or `json` only")),
    }
}

/// Prints a summary below the messages that are for stdout; with `--quiet` these alone. Messages are told once they are
/// written.
///
/// # Errors
/// When it cannot be written, or nobody is there to read the messages, which then wait.
pub fn show(summary: &Summary, format: Format, context: &Context) -> Result<()> {
    let is_read = deliver(&match format {
        Format::Json => report::run::json(summary)?,
        _ => report::run::messages(&summary.printed, context.style),
    })?;
    if !is_read && !summary.printed.is_empty() {
        return Err(nobody_read());
    }
    note_printed(summary, context)?;
    if format != Format::Json && !context.quiet {
        print(&report::run::text(summary, context.style))?;
    }
    Ok(())
}

/// What came of a run.
pub struct Done {
    pub summary: Summary,
    /// Of fetching and judging.
    pub errors: Vec<Error>,
    /// Of telling.
    pub untold: Vec<Error>,
}

/// Ingests, judges, keeps the ledger and tells what is new. What can be done is done, whatever else fails.
///
/// # Errors
/// When nothing could be done at all.
pub fn once(asked: &Morning, context: &Context) -> Result<Done> {
    let started_at = now();
    let today = asked.as_of.unwrap_or(context.today);
    let config = &context.loaded.config;
    let mut errors = Vec::new();
    // Without the plans too much is told, without the run nothing.
    let plans = config::plans(&config.notify.planned).unwrap_or_else(|error| {
        errors.push(error);
        Vec::new()
    });
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
    // Without any bill there is nothing to tell, and what went wrong above is why.
    let questions = questions(today, context).unwrap_or_else(|error| {
        errors.push(error);
        Vec::new()
    });
    let mut records = Vec::new();
    for filters in &questions {
        let request = request(context, today, asked.how.sensitivity, filters);
        let scope = scope(&request, Asked::EveryLevel);
        match judge(&request, &scope, context, &mut summary) {
            Ok((judged, late)) => {
                records.push((scope.clone(), Some(judged)));
                records.extend(
                    late.into_iter().map(|(bill, end)| (below(&scope, &bill), Some(Period { start: end, end }))),
                );
            }
            Err(error) => {
                errors.push(error);
                records.push((scope, None));
            }
        }
    }
    let first = errors.first().map(Error::summary);
    let mut untold = Vec::new();
    if !questions.is_empty() {
        let morning = Told { questions: &questions, plans: &plans, today, sensitivity: asked.how.sensitivity };
        match tell(&morning, asked.how.explain_with, context, &mut summary) {
            Ok(errors) => untold = errors,
            Err(error) => {
                // What was judged is as new to the next run as it was to this one.
                records.iter_mut().for_each(|(_, judged)| *judged = None);
                untold.push(error);
            }
        }
    }
    // The next run judges from here on, so this comes last.
    for (scope, judged) in records {
        let record = RunRecord { started_at, finished_at: now(), as_of: today, scope, judged, error: first.clone() };
        if let Err(error) = Store::open_when_free(context.database()).and_then(|mut store| store.save_run(&record)) {
            errors.push(error);
        }
    }
    Ok(Done { summary, errors, untold })
}

/// The time as the database has it, in UTC.
pub fn now() -> NaiveDateTime {
    Utc::now().naive_utc()
}

/// What is asked apart each morning, as filters: currencies, where there are several.
///
/// # Errors
/// When there is no data.
pub fn questions(today: NaiveDate, context: &Context) -> Result<Vec<Vec<Filter>>> {
    let currencies = levels::currencies(&context.store()?, &request(context, today, None, &[]).question)?;
    if currencies.is_empty() {
        return Ok(vec![Vec::new()]);
    }
    let of = |value: String| vec![Filter { dimension: Dimension::Currency, value, negated: false }];
    Ok(currencies.into_iter().map(of).collect())
}

/// The question of every morning: every level, as `anomalies` asks without options.
pub fn request<'a>(
    context: &Context,
    today: NaiveDate,
    sensitivity: Option<Sensitivity>,
    filters: &'a [Filter],
) -> Request<'a> {
    let settings = &context.loaded.config.anomaly;
    let mut parameters = Parameters::new(settings, Method::Robust);
    if let Some(sensitivity) = sensitivity {
        parameters.threshold = sensitivity.threshold();
    }
    let question = Question {
        source: None,
        metric: Metric::NetAmortized,
        filters,
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

/// What a run notes of a bill that ended before the others, below its scope.
fn below(scope: &str, bill: &str) -> String {
    format!("{scope} of {bill}")
}

/// Judges the days since the last run, and writes the ledger. Gives the days that were judged, and the bills that end before them with
/// their last days: the next run judges from there on when these have caught up.
fn judge(
    request: &Request,
    scope: &str,
    context: &Context,
    summary: &mut Summary,
) -> Result<(Period, Vec<(String, NaiveDate)>)> {
    let (answer, late) = {
        let store = context.store()?;
        let frame = levels::frame(&store, &request.question)?;
        // A day settles by bills that come after it: what came before is not judged as if it were whole.
        let came = store.last_ingested()?.map(|day| day - Days::new(u64::from(request.question.settle_days)));
        let settled = frame.settled_through.min(came.unwrap_or(frame.settled_through));
        let missed = store.judged_through(scope)?.map(|last| last + Days::new(1)).filter(|next| *next < settled);
        let ends = frame.ends();
        let caught_up = store.judged_below(scope)?.into_iter().filter_map(|(bill, last)| {
            let end = ends.iter().find(|(name, _)| below("", name) == bill).map(|(_, end)| *end)?;
            (last < end.min(settled)).then_some(last + Days::new(1))
        });
        let first = caught_up.chain(missed).min();
        let from = first.map(|next| next.min(settled).max(settled - Days::new(MOST_MISSED_DAYS)));
        let late = ends.into_iter().filter(|(_, end)| *end < settled).collect();
        (levels::anomalies(&store, &Request { from, to: Some(settled), ..request.clone() })?, late)
    };
    context.notes(&answer.notes);
    Store::open_when_free(context.database())?.save_incidents(&answer.ledger.changes)?;
    let judged = of_answer(&answer);
    summary.judged = Some(match summary.judged.take() {
        None => judged,
        Some(before) => Judged {
            from: before.from.min(judged.from),
            to: before.to.max(judged.to),
            series: before.series + judged.series,
            findings: before.findings + judged.findings,
            opened: before.opened + judged.opened,
            ended: before.ended + judged.ended,
        },
    });
    Ok((answer.judged, late))
}

fn of_answer(answer: &Anomalies) -> Judged {
    let count = |event: Event| answer.ledger.changes.iter().filter(|(_, what)| *what == Some(event)).count();
    Judged {
        from: answer.judged.start,
        to: answer.judged.end,
        series: answer.series,
        findings: answer.findings.len(),
        opened: count(Event::Opened),
        ended: [Event::Closed, Event::Absorbed, Event::Withdrawn, Event::Merged].map(count).iter().sum(),
    }
}

fn ingested(outcome: &Outcome) -> Ingested {
    Ingested {
        periods: outcome.periods.len(),
        rows: outcome.periods.iter().map(|period| period.loaded.rows).sum(),
        unchanged: outcome.unchanged.len(),
        failures: outcome.failures.len(),
    }
}
