//! `run`, `notify`, `ack`, `snooze`, `expected`: each incident once, to whom it belongs.

use std::{process::Stdio, thread, time::Duration};

use serde_json::Value;

use crate::{
    fake_services::{FakeServices, Fault},
    harness::{Run, Sandbox},
    levels::{bill, day, from_60},
};

/// A channel that is a file of JSON, one line a message.
const LOG: &str = "notify:\n  channels: [{ name: log, file: { path: log.jsonl, format: json } }]\n";

/// A morning: bills up to the day before, judged and told.
fn morning(sandbox: &Sandbox, days: u64, moved: impl Fn(usize, usize, u64) -> f64) -> Run {
    sandbox.write("a.csv", bill(days, moved));
    sandbox.ok(&["run", "a.csv", "--as-of", &day(days).to_string(), "--quiet"])
}

/// What was told since the last look, as `event subject`.
fn told(sandbox: &Sandbox, seen: &mut usize) -> Vec<String> {
    let text = std::fs::read_to_string(sandbox.path("log.jsonl")).unwrap_or_default();
    let lines: Vec<&str> = text.lines().skip(*seen).collect();
    *seen += lines.len();
    let tell = |line: &&str| {
        let digest: Value = serde_json::from_str(line).expect("JSON");
        let alerts = digest["alerts"].as_array().cloned().unwrap_or_default();
        let tell = |alert: &Value| {
            format!("{} {}", alert["event"].as_str().unwrap_or("-"), alert["subject"].as_str().unwrap_or("-"))
        };
        alerts.iter().map(tell).collect::<Vec<_>>().join(", ")
    };
    // What is about the program itself is no alert.
    lines.iter().map(tell).filter(|line| !line.is_empty()).collect()
}

fn id(sandbox: &Sandbox) -> String {
    let rows = sandbox.rows("SELECT id FROM incidents WHERE state = 'open' ORDER BY abs(impact) DESC");
    rows[0]["id"].as_str().expect("an id").to_owned()
}

/// So many dollars more for RDS of the first account on the days from 60 on, given in order, then none.
fn rds(dollars: &'static [f64]) -> impl Fn(usize, usize, u64) -> f64 {
    move |account, service, index| {
        let place = index.checked_sub(60).filter(|_| (account, service) == (0, 1));
        place.and_then(|place| dollars.get(place as usize)).copied().unwrap_or(0.0)
    }
}

#[test]
fn an_incident_is_told_when_it_opens_grows_ends_and_comes_back() {
    let sandbox = Sandbox::new();
    sandbox.write("config.yaml", LOG.replace("} }]", "}, notify_closed: true }]"));
    let dollars: &[f64] = &[80.0, 85.0, 90.0, 200.0, 190.0, 0.0, 0.0, 0.0, 0.0, 0.0, 120.0, 0.0];
    let mut seen = 0;
    let mut course = Vec::new();
    for days in 61..75 {
        morning(&sandbox, days, rds(dollars));
        let told = told(&sandbox, &mut seen);
        morning(&sandbox, days, rds(dollars));
        assert_eq!(self::told(&sandbox, &mut seen), Vec::<String>::new(), "again on the same morning");
        course.push(format!("{}: {}", day(days), told.join(" | ")));
    }
    insta::assert_snapshot!(course.join("\n"), @"
    2026-03-03: 
    2026-03-04: opened AmazonRDS / 111111111111 (team-0)
    2026-03-05: 
    2026-03-06: 
    2026-03-07: grown AmazonRDS / 111111111111 (team-0)
    2026-03-08: 
    2026-03-09: 
    2026-03-10: 
    2026-03-11: closed AmazonRDS / 111111111111 (team-0)
    2026-03-12: 
    2026-03-13: 
    2026-03-14: returned AmazonRDS / 111111111111 (team-0)
    2026-03-15: 
    2026-03-16:
    ");
    let runs = sandbox
        .rows("SELECT min(judged_start)::VARCHAR AS first, max(judged_end)::VARCHAR AS last, count(*) AS n FROM runs");
    assert_eq!(runs[0]["n"], 28);
}

#[test]
fn restated_days_and_clocks_that_jump_tell_nothing() {
    let sandbox = Sandbox::new();
    sandbox.write("config.yaml", LOG);
    let mut seen = 0;
    morning(&sandbox, 63, rds(&[80.0, 80.0]));
    assert_eq!(told(&sandbox, &mut seen), ["opened AmazonRDS / 111111111111 (team-0)"]);
    // The day of the incident is restated to three times as much, and one long before to a lot.
    morning(&sandbox, 63, rds(&[240.0, 240.0]));
    morning(&sandbox, 63, |account, service, index| {
        if (account, service, index) == (1, 2, 40) { 300.0 } else { rds(&[80.0, 80.0])(account, service, index) }
    });
    morning(&sandbox, 64, |account, service, index| {
        if (account, service, index) == (1, 2, 50) { 300.0 } else { rds(&[80.0, 80.0, 80.0])(account, service, index) }
    });
    // The incident is restated away, and back.
    morning(&sandbox, 64, rds(&[]));
    morning(&sandbox, 64, rds(&[80.0, 80.0, 80.0]));
    morning(&sandbox, 65, rds(&[80.0, 80.0, 80.0, 80.0]));
    assert_eq!(told(&sandbox, &mut seen), Vec::<String>::new());
    // Clocks: a month back, then a year ahead.
    for as_of in ["2026-02-10", "2027-03-10", "2026-03-07"] {
        sandbox.ok(&["run", "--no-ingest", "--as-of", as_of, "--quiet"]);
    }
    assert_eq!(told(&sandbox, &mut seen), Vec::<String>::new());
    let dry = sandbox.ok(&["notify", "--dry-run", "--as-of", "2026-03-07", "--format", "csv", "--quiet"]);
    assert!(dry.stdout.contains("sent on 2026-03-05 at $80.80 a day"), "{dry}");
}

#[test]
fn a_morning_that_was_missed_is_judged_later() {
    let sandbox = Sandbox::new();
    sandbox.write("config.yaml", LOG);
    let mut seen = 0;
    morning(&sandbox, 61, rds(&[]));
    // One day only, on a morning without a run.
    morning(&sandbox, 65, rds(&[0.0, 90.0, 0.0, 0.0]));
    assert_eq!(told(&sandbox, &mut seen), ["opened AmazonRDS / 111111111111 (team-0)"]);
    // The same for another account, over for a week when it is judged.
    let spike = |account: usize, service: usize, index: u64| match (account, service, index) {
        (1, 2, 66) => 400.0,
        _ => rds(&[0.0, 90.0])(account, service, index),
    };
    morning(&sandbox, 75, spike);
    assert_eq!(told(&sandbox, &mut seen), ["opened AmazonS3 / 222222222222 (team-1)"]);
    let log = std::fs::read_to_string(sandbox.path("log.jsonl")).expect("a log");
    let last: Value = serde_json::from_str(log.lines().last().expect("a line")).expect("JSON");
    insta::assert_snapshot!(last["title"].as_str().expect("a title"), @"Cost incident: AmazonS3 / 222222222222 (team-1): +$398.77 on 2026-03-08");
    morning(&sandbox, 76, spike);
    assert_eq!(told(&sandbox, &mut seen), Vec::<String>::new(), "it is over, as was said");
}

#[test]
fn only_a_day_that_was_not_judged_before_is_growth() {
    let sandbox = Sandbox::new();
    sandbox.write("config.yaml", LOG);
    let mut seen = 0;
    morning(&sandbox, 62, rds(&[80.0]));
    assert_eq!(told(&sandbox, &mut seen).len(), 1);
    // A day that was judged quiet is restated to a lot, and so is the day that was told.
    morning(&sandbox, 63, rds(&[80.0, 0.0]));
    morning(&sandbox, 63, rds(&[80.0, 500.0]));
    morning(&sandbox, 63, rds(&[900.0, 500.0]));
    assert_eq!(told(&sandbox, &mut seen), Vec::<String>::new());
    let dry = sandbox.ok(&["notify", "--dry-run", "--as-of", &day(63).to_string(), "--format", "csv", "--quiet"]);
    assert!(dry.stdout.contains("only restated days have changed"), "{dry}");
    // A new day is larger than what was told, though not than what was restated.
    morning(&sandbox, 64, rds(&[900.0, 500.0, 400.0]));
    assert_eq!(told(&sandbox, &mut seen), ["grown AmazonRDS / 111111111111 (team-0)"]);
}

#[test]
fn every_incident_of_pagerduty_is_opened_and_resolved() {
    let services = FakeServices::start();
    let sandbox = Sandbox::new();
    let pager = format!(
        "notify:\n  top: 1\n  channels: [{{ name: pager, pagerduty: {{ routing_key: {{ env: KEY }}, url: '{}/v2/enqueue' }} }}]\n",
        services.url
    );
    sandbox.write("config.yaml", pager);
    let moved = |account: usize, service: usize, index: u64| match (account, service, index) {
        (0, 0, 60) | (1, 1, 60) | (2, 3, 60) => 150.0 + 10.0 * account as f64,
        _ => 0.0,
    };
    for days in [62, 67] {
        sandbox.write("a.csv", bill(days, moved));
        let mut run = sandbox.command(&["run", "a.csv", "--as-of", &day(days).to_string(), "--quiet"]);
        run.env("KEY", "0123456789abcdef0123456789abcdef");
        assert_eq!(sandbox.finish(run).code, 0);
    }
    services.assert_clean();
    let of = |action: &str| {
        let received = services.received();
        let keys = received.iter().filter(|one| one.body["event_action"] == action);
        let mut keys: Vec<String> = keys.map(|one| one.body["dedup_key"].to_string()).collect();
        keys.sort();
        keys
    };
    assert_eq!(of("trigger").len(), 3);
    assert_eq!(of("trigger"), of("resolve"));
}

#[test]
fn one_message_has_the_largest_and_counts_the_rest() {
    let sandbox = Sandbox::new();
    sandbox.write("config.yaml", "notify: { top: 2 }\n");
    let moved = |account: usize, service: usize, index| {
        if (account, service) == (0, 0) || (account, service) == (1, 1) || (account, service) == (2, 3) {
            from_60(index, 60.0 + 20.0 * account as f64)
        } else {
            0.0
        }
    };
    sandbox.write("a.csv", bill(63, moved));
    insta::assert_snapshot!(sandbox.run(&["run", "a.csv", "--as-of", &day(63).to_string(), "--exit-code"]), @"
    3 cost incidents: +$240.74 a day

    AWSLambda / 333333333333 (team-2): +$100.50 a day since 2026-03-02 (critical, new)
      AWSLambda in team-2 has cost $200.37 a day since 2026-03-02, $100.50 a day more (+101 %) than before. It goes on:
      $3,058.91 a month more at the $200.37 a day of its newest days.
      expected → actual: $99.99 → $200.49 on 2026-03-02
      so far: +$200.76 since 2026-03-02
      aws-cost-anomalies explain 723e64273796

    AmazonRDS / 222222222222 (team-1): +$80.00 a day since 2026-03-02 (critical, new)
      AmazonRDS in team-1 has cost $180.14 a day since 2026-03-02, $80.00 a day more (+80 %) than before. It goes on:
      $2,434.94 a month more at the $180.14 a day of its newest days.
      expected → actual: $99.95 → $180.02 on 2026-03-03
      so far: +$160.17 since 2026-03-02
      aws-cost-anomalies explain dd32fd260440

    and 1 more incident, +$60.25 a day together: aws-cost-anomalies incidents

    bills judged through 2026-03-03
    to keep it quiet: aws-cost-anomalies ack ID, snooze ID --until DATE, or expect ID --reason TEXT

    ingested: 3 billing periods, 1,890 rows
    judged: 2026-03-03, 36 series; incidents: 3 opened, 0 ended, 3 open
    notified stdout: 3 incidents (3 cost incidents: +$240.74 a day)
    --- stderr
    ingested `a.csv`: 1,890 rows
    note: the newest data is of 2026-03-04, 1 days before 2026-03-05: reading as of that day
    --- exit code 10
    ");
    insta::assert_snapshot!(sandbox.run(&["run", "a.csv", "--as-of", &day(63).to_string(), "--exit-code"]), @"
    ingested: nothing new
    judged: 2026-03-03, 36 series; incidents: 0 opened, 0 ended, 3 open
    notified nobody: nothing is new
    --- stderr
    note: the newest data is of 2026-03-04, 1 days before 2026-03-05: reading as of that day
    --- exit code 0
    ");
    let json = sandbox.json(&["run", "a.csv", "--as-of", &day(63).to_string()]);
    assert_eq!(
        (&json["operation"], &json["notified"], &json["open"]),
        (&"run".into(), &Value::Array(Vec::new()), &3.into())
    );
}

#[test]
fn owners_get_what_is_theirs_and_the_rest_has_a_default() {
    let sandbox = Sandbox::new();
    let channel = |name: &str, more: &str| format!("    - {{ name: {name}, file: {{ path: {name}.txt }}{more} }}\n");
    sandbox.write(
        "config.yaml",
        format!(
            "notify:\n  channels:\n{}{}{}{}  default_channels: [finops]\n  owners:\n    - {{ name: data, filters: [service=AmazonS3], channels: [data, finops] }}\n    - {{ name: checkout, filters: [account=team-1, region=us-east-1], channels: [checkout] }}\n",
            channel("finops", ", min_impact: 50"),
            channel("data", ", min_severity: critical"),
            channel("checkout", ", filters: [service!=AmazonSQS]"),
            channel("nobody", ""),
        ),
    );
    let moved = |account: usize, service: usize, index| match (account, service) {
        (0, 2) => from_60(index, 70.0),
        (1, 1) => from_60(index, 80.0),
        (1, 4) => from_60(index, -45.0),
        (2, 3) => from_60(index, 20.0),
        _ => 0.0,
    };
    sandbox.write("a.csv", bill(63, moved));
    sandbox.ok(&["ingest", "a.csv", "--quiet"]);
    sandbox.ok(&["anomalies", "--as-of", &day(63).to_string(), "--quiet"]);
    insta::assert_snapshot!(sandbox.run(&["notify", "--dry-run", "--as-of", &day(63).to_string(), "--quiet"]), @"
    id            where                     severity    a day  owner     channel   event   reason
    dd32fd260440  AmazonRDS / 222222222222  critical  +$80.07  checkout  checkout  opened  account 222222…t-1: checkout
    992ddbc293b1  AmazonS3 / 111111111111   critical  +$71.45  data      finops    opened  service AmazonS3: data
    992ddbc293b1  AmazonS3 / 111111111111   critical  +$71.45  data      data      opened  service AmazonS3: data
    680db4ef7349  AmazonSQS / 222222222222  critical  -$43.40  checkout  checkout  -       its `direction…hat goes down
    723e64273796  AWSLambda / 333333333333  critical  +$20.50  -         finops    -       below its `min_impact` 50.00
    --- exit code 0
    ");
    assert!(!sandbox.path("finops.txt").exists(), "nothing was told");
    sandbox.ok(&["notify", "--as-of", &day(63).to_string(), "--quiet"]);
    let has = |name: &str, what: &str| std::fs::read_to_string(sandbox.path(name)).unwrap_or_default().contains(what);
    assert!(has("data.txt", "AmazonS3") && has("finops.txt", "owner: data") && has("checkout.txt", "AmazonRDS"));
    assert!(!sandbox.path("nobody.txt").exists() && !has("finops.txt", "AmazonRDS"));
    assert_eq!(
        sandbox.json(&["notify", "--dry-run", "--as-of", &day(63).to_string()])["decisions"][0]["event"],
        Value::Null
    );
}

#[test]
fn names_that_lead_nowhere_are_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("config.yaml", format!("{LOG}  owners: [{{ name: a, filters: [service=x], channels: [lag] }}]\n"));
    insta::assert_snapshot!(sandbox.run(&["notify", "--dry-run"]), @"
    --- stderr
    error: `notify.owners` or `notify.default_channels` is not valid
      caused by: there is no channel `lag`
    hint: did you mean `log`?
    --- exit code 1
    ");
    sandbox.write("config.yaml", format!("{LOG}  owners: [{{ name: a, filters: [servce=x], channels: [log] }}]\n"));
    insta::assert_snapshot!(sandbox.run(&["notify", "--dry-run"]), @"
    --- stderr
    error: the configuration `config.yaml` is not valid
      caused by: notify.owners[0] (a): there is no dimension `servce` (did you mean `service`? There are: service, account, region, usage-type, operation, resource, charge-category, line-item-type, purchase-option, provider, payer, billing-entity, currency, tag:KEY, cost-category:KEY)
    hint: `aws-cost-anomalies config show` prints what is merged; docs/CONFIG.md explains each key
    hint: docs/ALERTS.md shows every kind of channel
    --- exit code 1
    ");
    sandbox.write("config.yaml", format!("{LOG}  growth_factor: 1\n"));
    insta::assert_snapshot!(sandbox.run(&["notify", "--dry-run"]), @"
    --- stderr
    error: `notify.growth_factor` must be above 1
    --- exit code 1
    ");
    sandbox.write("config.yaml", LOG);
    insta::assert_snapshot!(sandbox.run(&["notify"]), @"
    --- stderr
    error: there is no database at `./data/costs.duckdb` yet
    hint: ingest a bill: `aws-cost-anomalies ingest PATH`
    hint: or see what the program does: `aws-cost-anomalies demo`
    --- exit code 1
    ");
    assert!(!sandbox.path("data").exists());
    insta::assert_snapshot!(sandbox.run(&["run"]), @"
    --- stderr
    error: nothing says where the bills are
    hint: name a file, a folder, or a bucket such as s3://bucket/prefix or gs://bucket/prefix: `aws-cost-anomalies ingest PATH`
    hint: or ask AWS itself, for $0.01 a request: `aws-cost-anomalies ingest --source cost-explorer`
    hint: or set `s3.bucket` in the configuration; `aws-cost-anomalies ingest --discover` finds it
    hint: or judge what the database holds already: `--no-ingest`
    --- exit code 2
    ");
}

#[test]
fn what_is_acked_is_quiet_until_it_grows() {
    let sandbox = Sandbox::new();
    sandbox.write("config.yaml", LOG);
    let mut seen = 0;
    morning(&sandbox, 62, rds(&[80.0, 80.0]));
    told(&sandbox, &mut seen);
    let id = id(&sandbox);
    insta::assert_snapshot!(sandbox.run(&["ack", &id[..6], "--by", "ada", "--reason", "a migration"]), @"
    id            state  severity  since       days  who                       what        a day   in all  last flagged
    5c269b652e9b  acked  critical  2026-03-02     1  AmazonRDS / 111111111111  point up  +$80.80  +$80.80  2026-03-02
    --- exit code 0
    ");
    insta::assert_snapshot!(sandbox.run(&["incidents", "--status", "acked", "--format", "csv"]), @r#"
    id,state,kind,direction,severity,group_by,group,start_date,peak_date,last_date,opened_on,seen_on,closed_on,actual,expected,impact,impact_total,at_stake,score,currency,method,threshold,scope,reasons,triage,until,triaged_by,triage_reason
    5c269b652e9b,open,point,up,critical,service+account,AmazonRDS+111111111111,2026-03-02,2026-03-02,2026-03-02,2026-03-02,2026-03-02,,180.720161,99.92174520034683,80.79841579965316,80.79841579965316,161.5968315993063,19.841738819382066,USD,robust,2.5,net_amortized of every level +Usage +Purchase +Adjustment by robust,"180.72 instead of 99.92 give or take 10.18 (the level of 28 days); score 19.8, threshold 2.5",acked,,ada,a migration
    --- exit code 0
    "#);
    morning(&sandbox, 64, rds(&[80.0, 80.0, 130.0, 130.0]));
    assert_eq!(told(&sandbox, &mut seen), Vec::<String>::new());
    morning(&sandbox, 65, rds(&[80.0, 80.0, 130.0, 130.0, 260.0]));
    morning(&sandbox, 66, rds(&[80.0, 80.0, 130.0, 130.0, 260.0, 260.0]));
    assert_eq!(told(&sandbox, &mut seen), ["grown AmazonRDS / 111111111111 (team-0)"]);
    assert!(sandbox.ok(&["incidents", &id]).stdout.contains("acked by ada on "));
    sandbox.ok(&["ack", &id, "--undo"]);
    assert!(sandbox.ok(&["incidents", "--status", "acked"]).stdout.contains("No incidents"));
    insta::assert_snapshot!(sandbox.run(&["ack", "ffff"]), @"
    --- stderr
    error: there is no incident `ffff` in the ledger
    hint: `aws-cost-anomalies incidents --status all` lists them
    --- exit code 1
    ");
}

#[test]
fn what_is_snoozed_wakes_once_if_it_goes_on() {
    let sandbox = Sandbox::new();
    sandbox.write("config.yaml", LOG);
    let mut seen = 0;
    let step: &[f64] = &[80.0; 14];
    morning(&sandbox, 62, rds(step));
    assert_eq!(told(&sandbox, &mut seen).len(), 1);
    let id = id(&sandbox);
    // Days of the test are in the past of the day on which it runs, or in its future: both are written.
    sandbox.ok(&["snooze", &id, "--until", "2099-01-01", "--reason", "known"]);
    morning(&sandbox, 64, rds(step));
    assert!(sandbox.ok(&["incidents", "--status", "snoozed"]).stdout.contains("snoozed until 2099-01-01"));
    let dry = sandbox.ok(&["notify", "--dry-run", "--as-of", &day(64).to_string(), "--format", "json"]);
    assert!(dry.stdout.contains("\"text\": \"snoozed until 2099-01-01\""), "{dry}");
    sandbox.ok(&["run", "--no-ingest", "--as-of", "2098-12-31", "--quiet"]);
    assert_eq!(told(&sandbox, &mut seen), Vec::<String>::new());
    sandbox.ok(&["run", "--no-ingest", "--as-of", "2099-01-01", "--quiet"]);
    sandbox.ok(&["run", "--no-ingest", "--as-of", "2099-01-02", "--quiet"]);
    assert_eq!(told(&sandbox, &mut seen), ["woken AmazonRDS / 111111111111 (team-0)"]);
    insta::assert_snapshot!(sandbox.run(&["snooze", &id, "--until", "2020-01-01"]).stderr.replace(&today(), "[TODAY]"), @"error: `--until 2020-01-01` is not after today, [TODAY]");
    assert_eq!(sandbox.run(&["snooze", &id]).code, 2);
}

#[test]
fn what_is_snoozed_stays_quiet_though_it_grew_and_ended_meanwhile() {
    for is_snoozed in [true, false] {
        let sandbox = Sandbox::new();
        sandbox.write("config.yaml", LOG);
        let mut seen = 0;
        let course: &[f64] = &[80.0, 80.0, 400.0, 400.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        morning(&sandbox, 62, rds(course));
        assert_eq!(told(&sandbox, &mut seen).len(), 1);
        if is_snoozed {
            sandbox.ok(&["snooze", &id(&sandbox), "--until", "2099-01-01"]);
        }
        // No run while it grew.
        morning(&sandbox, 69, rds(course));
        let expected: &[&str] = if is_snoozed { &[] } else { &["grown AmazonRDS / 111111111111 (team-0)"] };
        assert_eq!(told(&sandbox, &mut seen), expected);
    }
}

fn today() -> String {
    chrono::Utc::now().date_naive().to_string()
}

#[test]
fn what_is_expected_is_normal() {
    let sandbox = Sandbox::new();
    sandbox.write("config.yaml", LOG);
    let mut seen = 0;
    let course: &[f64] = &[80.0, 80.0, 80.0, 80.0, 300.0, 300.0];
    morning(&sandbox, 62, rds(course));
    told(&sandbox, &mut seen);
    let id = id(&sandbox);
    assert_eq!(sandbox.run(&["expected", &id, "--reason", " "]).code, 2);
    let marked = sandbox.json(&["expected", &id, "--reason", "the new region", "--by", "ada"]);
    let mark = &marked["incidents"][0]["triage"];
    assert_eq!(
        (&mark["state"], &mark["reason"], &mark["triaged_by"]),
        (&"expected".into(), &"the new region".into(), &"ada".into())
    );
    morning(&sandbox, 64, rds(course));
    assert_eq!(told(&sandbox, &mut seen), Vec::<String>::new());
    morning(&sandbox, 66, rds(course));
    assert_eq!(told(&sandbox, &mut seen), ["grown AmazonRDS / 111111111111 (team-0)"], "that is not what was expected");
}

#[test]
fn what_is_planned_alerts_nobody_while_it_keeps_to_the_plan() {
    let plan = |dollars: &str, to: &str| {
        format!(
            "- {{ name: load test, from: 2026-03-02, to: {to}, filters: [service=AmazonRDS], owner: ada, {dollars} }}\n"
        )
    };
    let course_of_two = std::cell::Cell::new(false);
    let course = |account: usize, service: usize, index: u64| match (account, service) {
        (0, 3) if course_of_two.get() => from_60(index, 90.0),
        _ => rds(&[80.0, 80.0, 80.0, 80.0])(account, service, index),
    };
    let tell = |plan: String| {
        let sandbox = Sandbox::new();
        sandbox.write("config.yaml", format!("{LOG}  planned: planned.yaml\n"));
        sandbox.write("planned.yaml", plan);
        sandbox.write("a.csv", bill(65, course));
        sandbox.ok(&["run", "a.csv", "--as-of", &day(65).to_string(), "--quiet"]);
        let why =
            sandbox.json(&["notify", "--dry-run", "--as-of", &day(65).to_string()])["decisions"][0]["reason"]["text"]
                .to_string();
        let text = std::fs::read_to_string(sandbox.path("log.jsonl")).unwrap_or_default();
        let told: Value = serde_json::from_str(text.lines().next().unwrap_or("{}")).expect("JSON");
        (told["alerts"][0]["plan"].clone(), told["alerts"][0]["owner"].clone(), why)
    };
    let (told, _, why) = tell(plan("expected_dollars_per_day: 100", "2026-03-05"));
    assert_eq!((told, why.as_str()), (Value::Null, "\"within the plan `load test`\""));
    let (told, _, why) = tell(plan("expected_dollars: 400", "2026-03-05"));
    assert_eq!((told, why.as_str()), (Value::Null, "\"within the plan `load test`\""));
    let (told, owner, _) = tell(plan("expected_dollars_per_day: 50", "2026-03-05"));
    assert_eq!((told, owner), ("exceeds the plan `load test` of $50.00 a day".into(), "ada".into()));
    let (told, ..) = tell(plan("expected_dollars: 200", "2026-03-05"));
    assert_eq!(told, "exceeds the plan `load test` of $200.00");
    // Two incidents of one plan have one budget.
    let both =
        "- { name: both, from: 2026-03-02, to: 2026-03-05, filters: [account=111111111111], expected_dollars: 400 }\n";
    let (told, ..) = tell(both.into());
    assert_eq!(told, Value::Null, "half of it would be within");
    course_of_two.set(true);
    let (told, ..) = tell(both.into());
    assert_eq!(told, "exceeds the plan `both` of $400.00");
    course_of_two.set(false);
    let (told, ..) = tell(plan("expected_dollars: 1000", "2026-03-03"));
    assert_eq!(told, "goes on after the plan `load test` ended on 2026-03-03");
    let sandbox = Sandbox::new();
    sandbox.write("config.yaml", "notify: { planned: planned.yaml }\n");
    insta::assert_snapshot!(sandbox.run(&["notify", "--dry-run"]), @"
    --- stderr
    error: cannot read the plans `planned.yaml`
      caused by: No such file or directory (os error 2)
    hint: `notify.planned` names the file; leave it empty for none
    --- exit code 1
    ");
    sandbox.write(
        "planned.yaml",
        "- { name: a, from: 2026-03-02, to: 2026-03-01, filters: [service=x], expected_dollars: 1 }",
    );
    insta::assert_snapshot!(sandbox.run(&["notify", "--dry-run"]), @"
    --- stderr
    error: the plans `planned.yaml` are not valid
      caused by: the plan `a` ends before it starts
    --- exit code 1
    ");
    sandbox.write("planned.yaml", "- { name: a, from: 2026-03-02, to: 2026-03-03, expected_dollars: 1 }");
    insta::assert_snapshot!(sandbox.run(&["notify", "--dry-run"]), @"
    --- stderr
    error: the plans `planned.yaml` are not valid
      caused by: .[0]: missing field `filters` at line 1 column 3
    hint: dates are YYYY-MM-DD, filters a list such as [service=AmazonEC2]; docs/ALERTS.md shows such a file
    --- exit code 1
    ");
}

#[test]
fn updates_of_an_incident_go_below_its_first_message() {
    let services = FakeServices::start();
    let sandbox = Sandbox::new();
    sandbox.write(
        "config.yaml",
        format!(
            "notify:\n  channels: [{{ name: bot, notify_closed: true, slack: {{ token: {{ env: TOKEN }}, channel: C0COSTS, api_url: '{}/api' }} }}]\n",
            services.url
        ),
    );
    let course: &[f64] = &[80.0, 80.0, 200.0, 200.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    for days in [62, 64, 68] {
        sandbox.write("a.csv", bill(days, rds(course)));
        let as_of = day(days).to_string();
        let mut command = sandbox.command(&["run", "a.csv", "--as-of", &as_of, "--quiet"]);
        command.env("TOKEN", crate::fake_services::SLACK_TOKEN);
        assert_eq!(sandbox.finish(command).code, 0);
    }
    services.assert_clean();
    let threads: Vec<(Value, Value)> = services
        .received()
        .iter()
        .map(|one| (one.body["thread_ts"].clone(), one.body["reply_broadcast"].clone()))
        .collect();
    let first = &sandbox.rows("SELECT reference FROM outbox ORDER BY created_at LIMIT 1")[0]["reference"];
    assert_eq!(threads, [(Value::Null, Value::Null), (first.clone(), true.into()), (first.clone(), false.into())]);
}

#[test]
fn two_runs_at_once_are_one() {
    let services = FakeServices::start();
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", bill(63, rds(&[80.0; 3])));
    sandbox.write(
        "config.yaml",
        "notify: { channels: [{ name: relay, webhook: { url: { file: url } } }], attempts: 2 }\n",
    );
    sandbox.write("url", format!("{}/hook/unsigned", services.url));
    services.fault("hook", Fault::Hang(Duration::from_secs(3)));
    let mut first = sandbox.command(&["run", "a.csv", "--as-of", "2026-03-05", "--quiet"]);
    let mut first = first.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs");
    while services.received().is_empty() {
        thread::sleep(Duration::from_millis(20));
    }
    let pid = first.id().to_string();
    let second = sandbox.run(&["run", "a.csv", "--as-of", "2026-03-05"]);
    insta::assert_snapshot!(second.to_string().replace(&pid, "[PID]"), @"
    --- stderr
    error: another `run`, `watch` or `notify` is at work (PID [PID])
    hint: it tells what there is to tell; this one did nothing
    --- exit code 1
    ");
    // Readers are let in while messages are on their way.
    assert!(sandbox.ok(&["incidents"]).stdout.contains("AmazonRDS"));
    assert!(first.wait().expect("it ends").success());
    assert_eq!(services.received().len(), 2, "the first try was not answered");
    assert_eq!(sandbox.number("SELECT count(*) FROM notifications"), 1.0);
    sandbox.ok(&["run", "a.csv", "--as-of", "2026-03-05"]);
}

#[test]
fn a_run_that_is_killed_loses_nothing_and_tells_nothing_twice() {
    let services = FakeServices::start();
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", bill(63, rds(&[80.0; 3])));
    let channels =
        "[{ name: slow, webhook: { url: { file: url } } }, { name: log, file: { path: log.jsonl, format: json } }]";
    sandbox.write("config.yaml", format!("notify: {{ channels: {channels} }}\n"));
    sandbox.write("url", format!("{}/hook/unsigned", services.url));
    services.fault("hook", Fault::Hang(Duration::from_secs(20)));
    let mut first = sandbox.command(&["run", "a.csv", "--as-of", "2026-03-05", "--quiet"]);
    let mut first = first.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs");
    let mut seen = 0;
    let mut logged = Vec::new();
    while services.received().is_empty() || logged.is_empty() {
        thread::sleep(Duration::from_millis(50));
        logged.extend(told(&sandbox, &mut seen));
    }
    // The other channel's message is noted as sent within moments.
    thread::sleep(Duration::from_millis(500));
    first.kill().expect("it is there");
    first.wait().expect("it ends");
    let next = sandbox.ok(&["run", "a.csv", "--as-of", "2026-03-05"]);
    assert!(next.stdout.contains("delivered to slow: 1 message that had waited"), "{next}");
    let received = services.received();
    assert_eq!((received.len(), &received[0].body["id"]), (2, &received[1].body["id"]), "the same message");
    assert_eq!((logged.len(), told(&sandbox, &mut seen).len()), (1, 0));
    let again = sandbox.ok(&["run", "a.csv", "--as-of", "2026-03-05"]);
    assert!(again.stdout.contains("notified nobody: nothing is new"), "{again}");
}

#[test]
fn a_language_model_adds_words_that_are_in_the_figures() {
    let services = FakeServices::start();
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", bill(63, rds(&[80.0; 3])));
    sandbox.write("config.yaml", format!("{LOG}anthropic: {{ url: '{}', api_key: {{ env: KEY }} }}\n", services.url));
    sandbox.ok(&["ingest", "a.csv", "--quiet"]);
    let ask = |with: &str, says: &str| {
        services.clear();
        services.say(says);
        let mut command = sandbox.command(&[
            "explain",
            "--service",
            "AmazonRDS",
            "--explain-with",
            with,
            "--as-of",
            "2026-03-05",
            "--quiet",
        ]);
        command.env("KEY", "sk-ant-SECRET").env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE");
        command.env("AWS_SECRET_ACCESS_KEY", crate::fake_aws::SECRET).env("AWS_ENDPOINT_URL", &services.url);
        let run = sandbox.finish(command);
        assert!(run.code == 0 && !run.to_string().contains("SECRET"), "{run}");
        services.assert_clean();
        run
    };
    let words = "Cause: AmazonRDS rose in team-0. Where to look: AmazonRDS-Usage0. Verdict: review.";
    for with in ["anthropic", "bedrock"] {
        assert!(ask(with, words).stdout.contains(words), "{with}");
        let dropped = ask(with, "Cause: it costs $12,345.67 a day.");
        assert!(
            !dropped.stdout.contains("12,345.67") && dropped.stderr.contains("`12,345.67` is not in the figures"),
            "{dropped}"
        );
    }
    let asked = services.received();
    let sent = asked.last().expect("a request").body.to_string();
    assert!(sent.contains("AmazonRDS") && sent.contains("<figures>"), "{sent}");
    // In an alert, too.
    services.say(words);
    let mut command =
        sandbox.command(&["run", "--no-ingest", "--explain-with", "anthropic", "--as-of", "2026-03-05", "--quiet"]);
    let run = sandbox.finish({
        command.env("KEY", "sk-ant-SECRET");
        command
    });
    assert_eq!(run.code, 0, "{run}");
    let log = std::fs::read_to_string(sandbox.path("log.jsonl")).expect("a log");
    assert!(log.contains(words), "{log}");
}

#[test]
fn what_was_told_as_several_is_one_and_not_over() {
    let sandbox = Sandbox::new();
    sandbox.write("config.yaml", LOG.replace("} }]", "}, notify_closed: true }]"));
    // Four of twelve services rise one after the other, then all of them together, until the tenth day.
    let bill = |days: u64| {
        let mut text = String::from("date,cost,service\n");
        for index in 0..days {
            for service in 0..12_u64 {
                let noise = ((index * 7919 + service * 104_729) % 997) as f64 / 997.0;
                let begins = 60 + service.min(4);
                let rise = if (begins..70).contains(&index) { 900.0 } else { 0.0 };
                text += &format!("{},{:.4},Svc{service:02}\n", day(index), 100.0 + noise + rise);
            }
        }
        text
    };
    let mut seen = 0;
    let mut course = Vec::new();
    for days in 61..76 {
        sandbox.write("a.csv", bill(days));
        sandbox.ok(&["run", "a.csv", "--as-of", &day(days).to_string(), "--quiet"]);
        course.push(format!("{}: {}", day(days), told(&sandbox, &mut seen).join(" | ")));
    }
    insta::assert_snapshot!(course.join("\n"), @"
    2026-03-03: 
    2026-03-04: opened Svc00
    2026-03-05: opened Svc01
    2026-03-06: opened Svc02
    2026-03-07: opened Svc03
    2026-03-08: grown many services
    2026-03-09: closed Svc00, closed Svc01, closed Svc02, closed Svc03
    2026-03-10: 
    2026-03-11: 
    2026-03-12: 
    2026-03-13: 
    2026-03-14: 
    2026-03-15: 
    2026-03-16: closed many services
    2026-03-17:
    ");
}

#[test]
fn owners_are_known_by_tags_and_cost_categories() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["sample-data", "--out", "bills", "--days", "90", "--as-of", "2026-03-15", "--quiet"]);
    let owner = |name: &str, filter: &str, channel: &str| {
        format!("    - {{ name: {name}, filters: ['{filter}'], channels: [{channel}] }}\n")
    };
    let route = |owners: &str| {
        let channels = "[{ name: a, file: { path: a.txt } }, { name: b, file: { path: b.txt } }]";
        sandbox.write(
            "config.yaml",
            format!("notify:\n  channels: {channels}\n  default_channels: [b]\n  owners:\n{owners}"),
        );
        sandbox.run(&["notify", "--dry-run", "--as-of", "2026-03-15", "--format", "csv"])
    };
    sandbox.ok(&["ingest", "bills", "--quiet"]);
    sandbox.ok(&["anomalies", "--as-of", "2026-03-15", "--quiet"]);
    let of_sage_maker =
        |run: &Run| run.stdout.lines().find(|line| line.contains("SageMaker")).expect("a row").to_owned();
    let by_tag = route(&(owner("web", "tag:team=web", "b") + &owner("data", "tag:team=data", "a")));
    assert!(of_sage_maker(&by_tag).ends_with(",data,a,opened,tag:team data: data"), "{by_tag}");
    let by_category = route(&owner("cc", "cost-category:cost_center=cc-data", "a"));
    assert!(of_sage_maker(&by_category).contains(",cc,a,opened,cost-category:cost_center cc-data"), "{by_category}");
    // A key that the data does not have fits nothing, is said, and keeps nobody from a cause.
    let unknown = route(&(owner("x", "tag:tema=data", "b") + &owner("data", "tag:team=data", "a")));
    assert!(of_sage_maker(&unknown).contains(",data,a,opened,"), "{unknown}");
    assert!(unknown.stderr.contains("note: there is no `tag:tema` in this data"), "{unknown}");
    assert!(!unknown.stderr.contains("without its cause"), "{unknown}");
}
