use chrono::{Datelike, NaiveDate};
use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Effect, Header, Operation, Session, ingest::places};
use crate::{
    error::{Error, Result},
    ingest::cost_explorer::record_call,
    insights::health::{self, Check, Status},
    model::{Day, bytes as in_words, first_of_month},
    sources::{
        self,
        aws::Aws,
        containers::{Container, Place},
        cost_explorer::CostExplorer,
        s3::Bucket,
    },
};

/// Check configuration, database, credentials and permissions
///
/// Asks AWS only what costs nothing; `--paid` adds one request to Cost Explorer, $0.01. Ends with code 1 when a check
/// fails.
#[derive(Args, Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct CheckHealth {
    /// Check Cost Explorer, too: one request, $0.01
    #[arg(long)]
    pub paid: bool,

    /// Take this day for today
    #[arg(long, value_name = "DATE")]
    pub as_of: Option<Day>,

    /// Leave AWS alone
    #[arg(long, conflicts_with = "paid")]
    pub offline: bool,
}

/// What was checked.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Health {
    /// Whether no check failed.
    pub healthy: bool,
    /// In the order in which they were made.
    pub checks: Vec<Check>,
}

impl Operation for CheckHealth {
    const NAME: &'static str = "doctor";
    const TITLE: &'static str = "Configuration, database, credentials and permissions";
    const EFFECT: Effect = Effect::Spends;
    type Output = Health;

    fn answer(&self, session: &Session) -> Result<Answer<Health>> {
        let today = self.as_of.map_or(session.today(), Day::date);
        let mut checks = vec![configuration(session)];
        checks.extend(channels(session));
        checks.extend(database(session, today));
        if !self.offline {
            checks.extend(remote(self.paid, session, today)?);
            checks.extend(places(&session.config().buckets)?.iter().flat_map(|place| container(place, session)));
        }
        let healthy = checks.iter().all(|check| check.status != Status::Fail);
        Ok(Answer { header: Header::of(today), body: Health { healthy, checks } })
    }
}

fn configuration(session: &Session) -> Check {
    let found = match session.config_file() {
        Some(path) => format!("`{}`, every key is known", path.display()),
        None => "none, the defaults are used".to_owned(),
    };
    Check::new("configuration", Status::Ok, found)
}

/// Channels that would fail, or get nothing, on the day on which they are needed.
fn channels(session: &Session) -> Vec<Check> {
    let settings = &session.config().notify;
    if settings.channels.is_empty() {
        return Vec::new();
    }
    let notes = settings.notes();
    let count = settings.channels.len();
    match notes.is_empty() {
        true => {
            vec![Check::new("channels", Status::Ok, format!("{count} configured; `notify test NAME` sends a sample"))]
        }
        false => {
            notes.into_iter().map(|note| Check::new("channels", Status::Warn, note).fix("docs/ALERTS.md")).collect()
        }
    }
}

fn database(session: &Session, today: NaiveDate) -> Vec<Check> {
    let path = &session.database().path;
    if !path.exists() {
        return vec![
            Check::new("database", Status::Warn, format!("there is none at `{}` yet", path.display()))
                .fix("`aws-cost-anomalies ingest` makes it"),
        ];
    }
    let checked = session.store().and_then(|store| health::checks(&*store, today));
    let size = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    match checked {
        Ok(checks) => {
            let found = format!("`{}`, {}", path.display(), in_words(size));
            [Check::new("database", Status::Ok, found)].into_iter().chain(checks).collect()
        }
        Err(error) => vec![failed("database", &error)],
    }
}

/// An error as a check that failed: its hints are the fix.
fn failed(check: impl Into<String>, error: &Error) -> Check {
    let check = Check::new(check, Status::Fail, error.summary());
    match error.hints() {
        [] => check,
        hints => check.fix(hints.join("; ")),
    }
}

fn optional(check: &str, error: &Error, without: &str) -> Check {
    Check { status: Status::Warn, ..failed(check, error) }.fix(format!("{without}; {}", error.hints().join("; ")))
}

fn remote(paid: bool, session: &Session, today: NaiveDate) -> Result<Vec<Check>> {
    let config = &session.config();
    session.reporter().note("asking AWS; this may take some seconds");
    let aws = session.aws()?;
    let mut checks = Vec::new();
    match aws.caller() {
        Ok(caller) => {
            checks.push(Check::new("credentials", Status::Ok, format!("{}, account {}", caller.arn, caller.account_id)))
        }
        Err(error) => {
            checks.push(failed("credentials", &error));
            checks.push(Check::new("permissions", Status::Skip, "not without credentials"));
            return Ok(checks);
        }
    }
    checks.extend(aws.clock_skew_seconds().map(clock));
    checks.push(match sources::accounts::of_organization(aws) {
        Ok(accounts) => Check::new("organizations:ListAccounts", Status::Ok, format!("{} accounts", accounts.len())),
        Err(error) => optional("organizations:ListAccounts", &error, "names then come from bills and Cost Explorer"),
    });
    let discovery = sources::discover::discover(aws);
    for error in &discovery.failures {
        checks.push(optional("discovery of exports", error, "only `ingest --discover` needs it"));
    }
    if discovery.failures.is_empty() {
        checks.push(Check::new("discovery of exports", Status::Ok, format!("{} found", discovery.found.len())));
    }
    checks.push(if paid {
        explorer(aws, session, today)
    } else {
        Check::new("ce:GetCostAndUsage", Status::Skip, "a request costs $0.01: `doctor --paid` makes one")
    });
    let exports = config.s3.all();
    if exports.is_empty() {
        checks.push(Check::new("exports in S3", Status::Skip, "none is configured (`s3.bucket`)"));
    }
    for export in exports {
        checks.extend(bucket(&Bucket::new(aws, &export, &config.database.cache_dir), today));
    }
    Ok(checks)
}

/// AWS refuses signatures that are off by more than five minutes.
fn clock(skew: i64) -> Check {
    let found = format!("{} s {} AWS's", skew.abs(), if skew < 0 { "behind" } else { "ahead of" });
    match skew.abs() {
        0..60 => Check::new("clock", Status::Ok, found),
        60..300 => {
            Check::new("clock", Status::Warn, found).fix("set it by NTP: from 5 minutes on AWS refuses requests")
        }
        _ => Check::new("clock", Status::Fail, found).fix("set it by NTP: AWS refuses requests"),
    }
}

fn explorer(aws: &Aws, session: &Session, today: NaiveDate) -> Check {
    let asked = || -> Result<usize> {
        let store = session.store_for_writing_now()?;
        let account_id = aws.caller()?.account_id.clone();
        let explorer = CostExplorer::new(aws, &session.config().cost_explorer);
        explorer.probe(today, &mut |call| record_call(&store, &account_id, &call))
    };
    match asked() {
        Ok(groups) => Check::new(
            "ce:GetCostAndUsage",
            Status::Ok,
            format!("{groups} services and accounts with costs the day before yesterday"),
        ),
        Err(error) => failed("ce:GetCostAndUsage", &error),
    }
}

/// The place can be listed, and a byte of its newest object be read.
fn container(place: &Place, session: &Session) -> Vec<Check> {
    let name = place.address();
    let asked = session.runtime().and_then(|runtime| {
        let container = Container::new(place, runtime, &session.config().database.cache_dir)?;
        let listed = container.list()?;
        let newest = listed.iter().max_by_key(|file| file.written);
        newest.map_or(Ok(()), |newest| container.probe(&newest.object))?;
        Ok((listed.len(), listed.iter().map(|file| file.object.size).sum()))
    });
    vec![match asked {
        Ok((files, bytes)) => {
            Check::new(format!("list and read {name}"), Status::Ok, format!("{files} objects, {}", in_words(bytes)))
        }
        Err(error) => failed(format!("list and read {name}"), &error),
    }]
}

/// The bucket can be listed, the newest manifest read, and its first file be seen.
fn bucket(bucket: &Bucket, today: NaiveDate) -> Vec<Check> {
    let name = bucket.export().address();
    let mut failures = Vec::new();
    let manifests = match bucket.manifests(&|_| true, &mut failures) {
        Ok(manifests) => manifests,
        Err(error) => return vec![failed(format!("s3:ListBucket {name}"), &error)],
    };
    let mut checks: Vec<Check> = failures.iter().map(|error| failed(format!("manifests in {name}"), error)).collect();
    let (Some(first), Some(newest)) = (manifests.first(), manifests.last()) else { return checks };
    let periods = format!("{} to {}", first.period.format("%Y-%m"), newest.period.format("%Y-%m"));
    checks.push(Check::new(
        format!("s3:ListBucket {name}"),
        Status::Ok,
        format!("{} periods, {periods}", manifests.len()),
    ));
    let read = bucket.delivery(newest).and_then(|delivery| {
        let objects = bucket.objects(newest, &delivery)?;
        objects.first().map_or(Ok(()), |object| bucket.probe(object))?;
        Ok(objects)
    });
    checks.push(match read {
        Ok(objects) => {
            let bytes = objects.iter().map(|object| object.size).sum();
            Check::new(
                format!("s3:GetObject {name}"),
                Status::Ok,
                format!(
                    "the manifest of {}: {} files, {}",
                    newest.period.format("%Y-%m"),
                    objects.len(),
                    in_words(bytes)
                ),
            )
        }
        Err(error) => failed(format!("s3:GetObject {name}"), &error),
    });
    let this_month = first_of_month(today);
    if newest.period < this_month && today.day() > 2 {
        checks.push(
            Check::new(
                format!("delivery to {name}"),
                Status::Warn,
                format!("nothing of {} yet", this_month.format("%Y-%m")),
            )
            .fix("see in the Billing console, under Data Exports, whether the export is healthy"),
        );
    }
    checks
}
