use std::{fs, path::PathBuf};

use chrono::Days;
use clap::Args;

use super::{Context, print};
use crate::{
    error::{Error, ExitCode, Result},
    inert,
    ingest::Outcome,
    insights::anomalies::{Anomalies, Finding},
    model::{Day, Kind, Sensitivity},
    operations::{Detection, FindAnomalies, IngestBills, Ingestion, Session, ShowTrends},
    report::{self, Format, units},
    sample, sources,
    store::{Database, Settings},
};

/// Days that the check of the planted events looks back over.
const LOOK_BACK_DAYS: u64 = 30;
/// Days after an event began on which finding it still counts.
const FOUND_WITHIN_DAYS: u64 = 3;

/// Show what the program does, on generated bills
///
/// Generates 90 days of hourly bills, ingests them into ./data/demo.duckdb (or --db), shows trends and
/// anomalies and checks these against the events that were planted.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Seed of all that is random
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// The day to take for today, as YYYY-MM-DD
    #[arg(long, value_name = "DATE")]
    as_of: Option<Day>,
}

/// Where the demo keeps its database, unless `--db` names another file.
const DEMO_DATABASE: &str = "./data/demo.duckdb";

pub(super) fn run(args: &DemoArgs, context: &Context) -> Result<ExitCode> {
    let is_named = context.is_flag("database.path");
    let own = if is_named { context.session.database().path.clone() } else { PathBuf::from(DEMO_DATABASE) };
    let path = own.display().to_string();
    let settings = Settings { path: own, ..context.session.database().clone() };
    let today = args.as_of.map_or(context.session.today(), Day::date);
    remove_former(&settings)?;
    let folder = tempfile::tempdir().map_err(|e| Error::input("cannot make a folder for the bills").caused_by(e))?;
    let written = sample::write(&sample::Request {
        out: folder.path().join("bills"),
        provider: sample::Provider::Aws,
        layout: None,
        format: sources::Format::Cur2,
        last_day: today,
        days: 90,
        seed: args.seed,
        events: true,
        causes: Vec::new(),
        rows: None,
    })?;
    let (payer, company) = sample::payer();
    print(&format!(
        "1. A bill: {} hourly line items of 90 days, CUR 2.0, payer {payer} ({company}), seed {}\n\n",
        units::count(written.rows),
        args.seed
    ))?;

    // A session of its own, on the demo's database.
    let session = context.session.on(settings, today);
    let ingest = IngestBills { paths: vec![folder.path().join("bills")], ..IngestBills::default() };
    let answer = session.run(&ingest)?;
    let Ingestion::Done(outcome) = answer.body else { return Err(Error::bug("the demo's bills were only planned")) };
    if let Some(error) = outcome.failures.first() {
        return Err(error.clone());
    }
    print(&format!("2. Ingested into {path}\n\n"))?;
    let periods = Outcome { periods: outcome.periods, ..Outcome::default() };
    print(&report::ingest::done(&periods, Format::Table, context.style))?;

    show_trends(&session, context)?;
    let found = show_anomalies(&session, context)?;
    print(&check(&written.events, &found))?;
    let db = inert::shell(&path.to_string());
    print(&format!(
        "\n6. Try next\n\n  aws-cost-anomalies --db {db} trends --group-by account --granularity weekly --days 90\n  \
         aws-cost-anomalies --db {db} trends --group-by tag:team --filter service=AmazonEC2\n  \
         aws-cost-anomalies --db {db} anomalies --group-by service+account --sensitivity high\n  \
         aws-cost-anomalies --db {db} explain --service AmazonSageMaker\n  \
         aws-cost-anomalies --db {db} forecast\n  \
         aws-cost-anomalies --db {db} incidents --status all\n  \
         aws-cost-anomalies --db {db} serve\n  \
         aws-cost-anomalies --db {db} sql 'FROM daily_cost_summary LIMIT 5'\n  \
         aws-cost-anomalies ingest PATH/TO/YOUR/BILL\n"
    ))?;
    Ok(ExitCode::Done)
}

/// The demo's database is made anew each time, unless it holds anything but the demo's own bills.
fn remove_former(settings: &Settings) -> Result<()> {
    let path = &settings.path;
    if !path.exists() {
        return Ok(());
    }
    let exports = Database::new(settings.clone()).write_now()?.exports()?;
    if exports.iter().any(|export| export.rsplit('/').next() != Some(sample::EXPORT)) {
        return Err(Error::input(format!("`{}` holds bills that are not the demo's", path.display()))
            .hint("name another file with `--db`; the demo writes its database anew"));
    }
    fs::remove_file(path).map_err(|e| Error::input(format!("cannot remove `{}`", path.display())).caused_by(e))
}

fn show_trends(session: &Session, context: &Context) -> Result<()> {
    print("\n3. Where the money goes: `trends`\n\n")?;
    let answer = session.run(&ShowTrends { top: 8, ..ShowTrends::default() })?;
    print(&report::trends::render(&answer, Format::Table, context.style)?)
}

/// Shows today's findings and returns those of the last weeks.
fn show_anomalies(session: &Session, context: &Context) -> Result<Anomalies> {
    print("\n4. What moved: `anomalies`\n\n")?;
    let detection = Detection { sensitivity: Some(Sensitivity::Medium), ..Detection::default() };
    let newest = session.run(&FindAnomalies { detection: detection.clone(), no_save: true })?;
    print(&report::anomalies::render(&newest, 0, Format::Table, context.style)?)?;
    let from = newest.header.settled_through.map(|settled| settled - Days::new(LOOK_BACK_DAYS - 1));
    let detection = Detection { from: from.and_then(Day::new), ..detection };
    // Kept, so that `incidents` and `serve` have something to show.
    Ok(session.run(&FindAnomalies { detection, no_save: false })?.body)
}

/// Each planted event beside what was found of it.
fn check(events: &[sample::Event], found: &Anomalies) -> String {
    let mut text =
        format!("\n5. Planted and found: `anomalies --from {} --to {}`\n\n", found.judged.start, found.judged.end);
    let mut hits = 0;
    let mut explained = vec![false; found.findings.len()];
    for event in events {
        let matching = |(_, finding): &(usize, &Finding)| is_of(finding, event);
        let first = found.findings.iter().enumerate().filter(matching).min_by_key(|(_, finding)| finding.start_date);
        for (index, _) in found.findings.iter().enumerate().filter(matching) {
            explained[index] = true;
        }
        let verdict = match first {
            Some((_, finding)) => {
                hits += 1;
                let delay = (finding.start_date - event.start).num_days();
                let when = match delay {
                    ..=0 => "the same day".to_owned(),
                    1 => "a day later".to_owned(),
                    _ => format!("{delay} days later"),
                };
                let what = match finding.kind {
                    Kind::Moved => "moved".into(),
                    kind => format!("{} {}", kind.name(), finding.direction.name()),
                };
                format!("found as {what}, {when}")
            }
            None => "not found".to_owned(),
        };
        text += &format!(
            "  {:<8} {} {:<16} {:<13} {:>10} a day  {verdict}\n",
            event.kind,
            event.start,
            event.service,
            event.account,
            units::change(event.dollars_per_day, "USD"),
        );
    }
    let others = explained.iter().filter(|explained| !**explained).count();
    let moves = found.findings.iter().zip(&explained).any(|(one, told)| *told && one.kind == Kind::Moved);
    text += &format!(
        "\n{hits} of {} events found{}; {others} other findings in {} days and {} series\n",
        events.len(),
        if moves { ", the two sides of the move as one" } else { "" },
        found.judged.days(),
        found.series
    );
    text
}

/// Whether a finding, or one that it tells, is of an event: the same series and direction, close in time. A slow change
/// is found at any time while it lasts.
fn is_of(finding: &Finding, event: &sample::Event) -> bool {
    let own = (&finding.group, finding.kind, finding.direction, finding.start_date, finding.end_date);
    let members = finding.members.iter().map(|one| (&one.group, one.kind, one.direction, one.start_date, one.end_date));
    std::iter::once(own).chain(members).any(|(group, kind, direction, start, end)| {
        let same = |dimension: &str, value: &str| group.get(dimension).and_then(|found| found.as_str()) == Some(value);
        // The run of days that the finding is of, and the days on which finding the event still counts.
        let until = match (kind, event.kind) {
            (Kind::Point, kind) if kind != "drift" => event.start + Days::new(FOUND_WITHIN_DAYS),
            _ => event.end,
        };
        same("service", event.service)
            && same("account", event.account)
            && direction.name() == event.direction
            && start <= until
            && end.is_none_or(|end| end >= event.start)
    })
}
