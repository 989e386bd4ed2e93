use std::{
    path::PathBuf,
    str::FromStr,
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;
use croner::Cron;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::runtime::Handle;

use super::{Context, deliver, health, nobody_read, run::show};
use crate::{
    error::{Error, ExitCode, Result},
    notify::{
        digest::{About, Digest},
        plan::short_hash,
    },
    operations::{
        Answer, Header,
        run::{Cycle, Lock, send_to_all},
    },
    report::Format,
};

/// The first wait after a failure; each further one is twice as long, up to the time between two runs.
const FIRST_RETRY: TimeDelta = TimeDelta::minutes(1);
/// The longest time without a look at the clock, which may be set meanwhile.
const LOOK: Duration = Duration::from_secs(20);

/// Run again and again
///
/// What `run` does, every so often, until it is told to stop (SIGTERM, Ctrl-C), which ends it after the run that is going
/// on. One at a time for a database. After a failure it tries again sooner; after --report-after failures in a row it
/// tells the channels so, once, and again when it works.
#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    cycle: Cycle,

    /// Time between two runs, such as 30m, 6h or 1d
    #[arg(long, value_name = "TIME", value_parser = duration, required_unless_present_any = ["cron", "check"])]
    every: Option<TimeDelta>,

    /// When to run, as cron has it, in UTC: minute, hour, day of month, month, weekday
    #[arg(long, value_name = "EXPR", value_parser = schedule, conflicts_with = "every")]
    cron: Option<Cron>,

    /// Up to so much later, at random: not everybody at the same second
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "1m")]
    jitter: TimeDelta,

    /// A file that says after each run whether all is well
    #[arg(long, value_name = "FILE")]
    health_file: Option<PathBuf>,

    /// Failures in a row after which the channels are told
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    report_after: u32,

    /// Only look at the health file of a `watch` that runs: 0 when all is well, 1 when not
    #[arg(long, requires = "health_file", conflicts_with_all = ["every", "cron", "paths"])]
    check: bool,
}

/// `30m`, `6h`, `1d`.
fn duration(text: &str) -> Result<TimeDelta, String> {
    let wrong = || "write a time such as 90s, 30m, 6h or 1d".to_owned();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let number: i64 = text[..text.len() - unit.len_utf8()].parse().map_err(|_| wrong())?;
    let time = match unit {
        's' => TimeDelta::try_seconds(number),
        'm' => TimeDelta::try_minutes(number),
        'h' => TimeDelta::try_hours(number),
        'd' => TimeDelta::try_days(number),
        _ => None,
    };
    time.filter(|time| (TimeDelta::zero()..=TimeDelta::days(366)).contains(time)).ok_or_else(wrong)
}

fn schedule(text: &str) -> Result<Cron, String> {
    Cron::from_str(text).map_err(|e| format!("{e}; write it as cron has it, such as `0 7 * * *`"))
}

/// When runs are due.
enum Schedule<'a> {
    Every(TimeDelta),
    Cron(&'a Cron),
}

impl Schedule<'_> {
    /// The next time after `now`.
    fn next(&self, now: DateTime<Utc>) -> Result<DateTime<Utc>> {
        match self {
            Schedule::Every(time) => Ok(now + *time),
            Schedule::Cron(cron) => cron.find_next_occurrence(&now, false).map_err(|e| {
                Error::usage("`--cron` never comes").caused_by(e).hint("minute, hour, day of month, month, weekday")
            }),
        }
    }

    /// When to try again after so many failures in a row: soon, later each time, and never after the next run.
    fn retry(&self, now: DateTime<Utc>, failures: u32) -> Result<DateTime<Utc>> {
        let wait = FIRST_RETRY * 2_i32.pow(failures.saturating_sub(1).min(12));
        Ok(self.next(now)?.min(now + wait))
    }
}

/// A clock that was set back does not make anybody wait longer than from now to the next time.
fn not_later(due: DateTime<Utc>, planned_at: DateTime<Utc>, now: DateTime<Utc>) -> DateTime<Utc> {
    if now < planned_at { due - (planned_at - now) } else { due }
}

pub(super) fn run(args: &WatchArgs, context: &Context) -> Result<ExitCode> {
    if let (true, Some(path)) = (args.check, &args.health_file) {
        return health::check(path);
    }
    let schedule = match (&args.cron, args.every) {
        (Some(cron), _) => Schedule::Cron(cron),
        (None, Some(every)) if every >= TimeDelta::seconds(1) => Schedule::Every(every),
        _ => return Err(Error::usage("`--every` must be at least 1s")),
    };
    // Said now, not at three in the morning.
    schedule.next(Utc::now())?;
    let _lock = Lock::take(&context.session.database().path)?;
    let stop = signals(context.session.runtime()?)?;
    let mut work =
        Failing::new("runs", "aws-cost-anomalies does not work", "Cost alerts may be missing until this is mended.");
    let mut sending = Failing::new(
        "channels",
        "Cost alerts do not reach a channel",
        "What there is to tell waits until this is mended.",
    );
    // Whether stdout took nothing the last time, which is said once.
    let mut is_mute = false;
    loop {
        let today = Utc::now().date_naive();
        let (errors, mut unsent, summary) = match args.cycle.run(&context.session, today) {
            Ok(summary) => (summary.errors.clone(), summary.send_errors.clone(), Some(summary)),
            // Nothing of this gets better by itself.
            Err(error) if error.exit_code() == ExitCode::Usage => return Err(error),
            Err(error) => (vec![error], Vec::new(), None),
        };
        errors.iter().chain(&unsent).for_each(|error| context.complain(error));
        if let Some(body) = summary {
            let summary = Answer { header: Header::of(today), body };
            let shown = show(&summary, Format::Table, context);
            if let Err(error) = &shown
                && !is_mute
            {
                context.complain(error);
            }
            is_mute = shown.is_err();
            // Without a summary nobody misses anything; messages wait.
            unsent.extend(shown.err().filter(|_| !summary.printed.is_empty()));
        }
        work.observe(errors.first(), args.report_after, context);
        sending.observe(unsent.first(), args.report_after, context);
        let now = Utc::now();
        let failures = work.failures.max(sending.failures);
        let next = if failures == 0 { schedule.next(now)? } else { schedule.retry(now, failures)? };
        let due = next + jitter(args.jitter);
        if let Some(path) = &args.health_file {
            let error = errors.iter().chain(&unsent).next().map(Error::summary);
            let written = health::write(path, failures, error, now, due);
            written.unwrap_or_else(|error| context.complain(&error));
        }
        context.note(&format!("next run at {} UTC", due.format("%Y-%m-%d %H:%M:%S")));
        if !wait(&stop, now, due) {
            context.note("stopped");
            return Ok(ExitCode::Done);
        }
    }
}

/// Something that fails run after run: the channels are told once, and once more when it works again.
struct Failing {
    topic: &'static str,
    title: &'static str,
    consequence: &'static str,
    failures: u32,
    since: DateTime<Utc>,
    reported: bool,
}

impl Failing {
    fn new(topic: &'static str, title: &'static str, consequence: &'static str) -> Self {
        Self { topic, title, consequence, failures: 0, since: DateTime::UNIX_EPOCH, reported: false }
    }

    fn observe(&mut self, error: Option<&Error>, report_after: u32, context: &Context) {
        let Some(error) = error else {
            self.failures = 0;
            if self.reported {
                let text =
                    format!("It works again, after it failed since {} UTC.", self.since.format("%Y-%m-%d %H:%M"));
                self.reported =
                    !report_to_channels(About::Recovery, self.topic, &format!("Mended: {}", self.title), text, context);
            }
            return;
        };
        if self.failures == 0 {
            self.since = Utc::now();
        }
        self.failures += 1;
        if self.failures >= report_after && !self.reported {
            let text = format!(
                "{} runs in a row have failed, since {} UTC, for `{}`. {}\n{error}",
                self.failures,
                self.since.format("%Y-%m-%d %H:%M"),
                context.session.database().path.display(),
                self.consequence
            );
            self.reported = report_to_channels(About::Failure, self.topic, self.title, text, context);
        }
    }
}

/// Waits until it is time, by the clock on the wall. `false` when it is time to stop.
fn wait(stop: &Receiver<()>, planned_at: DateTime<Utc>, due: DateTime<Utc>) -> bool {
    let (mut planned_at, mut due) = (planned_at, due);
    loop {
        let now = Utc::now();
        due = not_later(due, planned_at, now);
        planned_at = now;
        let Ok(left) = (due - now).to_std() else { return true };
        if left.is_zero() {
            return true;
        }
        match stop.recv_timeout(left.min(LOOK)) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
}

/// Something arrives when the process is asked to end. Whoever asks twice does not want to wait.
fn signals(runtime: &Handle) -> Result<Receiver<()>> {
    let (sender, receiver) = channel();
    let (ready, listens) = channel();
    runtime.spawn(async move {
        let asked = terminated();
        // Whoever waits for this has gone when it cannot be sent.
        let _ = ready.send(asked.as_ref().map(|_| ()).map_err(ToString::to_string));
        let Ok(mut asked) = asked else { return };
        asked.next().await;
        let _ = sender.send(());
        asked.next().await;
        // The run that goes on leaves its transaction behind, which DuckDB rolls back.
        std::process::abort();
    });
    match listens.recv() {
        Ok(Ok(())) => Ok(receiver),
        Ok(Err(error)) => Err(Error::input("cannot listen for signals").cause(error)),
        Err(error) => Err(Error::bug("nobody listens for signals").cause(error)),
    }
}

/// SIGTERM, where there is one, and Ctrl-C.
struct Terminated {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
fn terminated() -> std::io::Result<Terminated> {
    use tokio::signal::unix::{SignalKind, signal};
    Ok(Terminated { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
}

#[cfg(not(unix))]
fn terminated() -> std::io::Result<Terminated> {
    Ok(Terminated {})
}

impl Terminated {
    #[cfg(unix)]
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    #[cfg(not(unix))]
    async fn next(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}

fn jitter(most: TimeDelta) -> TimeDelta {
    let most = most.num_milliseconds().max(0);
    // Machines that start together differ in their process ids and by some microseconds.
    let seed = u64::from(Utc::now().timestamp_subsec_nanos()) << 32 | u64::from(std::process::id());
    TimeDelta::milliseconds(ChaCha8Rng::seed_from_u64(seed).random_range(0..=most))
}

/// Tells every channel something about the program; whether any of them knows now.
fn report_to_channels(about: About, topic: &str, title: &str, text: String, context: &Context) -> bool {
    let mut digest = Digest::of_program(about, topic, Utc::now().date_naive(), title, text);
    digest.id = short_hash(&format!("{title} {}", Utc::now()));
    let print = |text: &str| if deliver(text)? { Ok(()) } else { Err(nobody_read()) };
    let errors = send_to_all(&digest, &context.session, &print);
    errors.iter().for_each(|error| context.complain(error));
    errors.len() < context.session.config().notify.channels_or_terminal().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    #[test]
    fn times_have_a_unit() {
        assert_eq!(duration("6h"), Ok(TimeDelta::hours(6)));
        assert_eq!(duration("90s"), Ok(TimeDelta::seconds(90)));
        for wrong in ["", "6", "h", "-1h", "6 hours", "9999999d", "1µ"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn cron_is_in_utc_and_checked() {
        let cron = schedule("30 7 * * 1-5").expect("a schedule");
        let next = Schedule::Cron(&cron).next(time("2026-11-20T07:30:00Z")).expect("a time");
        assert_eq!(next, time("2026-11-23T07:30:00Z"), "Friday to Monday");
        assert!(schedule("61 * * * *").is_err() && schedule("every day").is_err());
        let never = schedule("0 0 30 2 *").expect("a schedule");
        assert!(Schedule::Cron(&never).next(time("2026-01-01T00:00:00Z")).is_err());
    }

    #[test]
    fn failures_are_tried_again_sooner_and_never_after_the_next_run() {
        let schedule = Schedule::Every(TimeDelta::hours(6));
        let now = time("2026-03-01T00:00:00Z");
        let waits: Vec<i64> =
            (1..=11).map(|failures| (schedule.retry(now, failures).expect("a time") - now).num_minutes()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360]);
        assert_eq!((schedule.retry(now, u32::MAX).expect("a time") - now).num_minutes(), 360);
    }

    #[test]
    fn a_clock_that_is_set_does_not_stop_it() {
        let (planned, due) = (time("2026-03-01T12:00:00Z"), time("2026-03-01T18:00:00Z"));
        // Back by a day: the wait is what it was, not a day longer.
        assert_eq!(not_later(due, planned, time("2026-02-28T12:00:00Z")), time("2026-02-28T18:00:00Z"));
        // Forward past the time: it is due.
        assert!(not_later(due, planned, time("2026-03-02T12:00:00Z")) < time("2026-03-02T12:00:00Z"));
        assert_eq!(not_later(due, planned, time("2026-03-01T13:00:00Z")), due);
    }
}
