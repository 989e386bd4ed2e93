//! `anomalies` at every level: the same dollars are one incident, where the fewest members tell them.

use chrono::{Days, NaiveDate};
use serde_json::Value;

use crate::harness::Sandbox;

const ACCOUNTS: [&str; 3] = ["111111111111", "222222222222", "333333333333"];
const SERVICES: [&str; 5] = ["AmazonEC2", "AmazonRDS", "AmazonS3", "AWSLambda", "AmazonSQS"];

pub(crate) fn day(index: u64) -> NaiveDate {
    let start: NaiveDate = "2026-01-01".parse().expect("a date");
    start + Days::new(index)
}

/// Costs of five services in three accounts, two usage types each, around 50 a day and usage type: from 2026-01-01 on,
/// with what `moved` adds to an account and service on a day, by their places.
pub(crate) fn bill(days: u64, moved: impl Fn(usize, usize, u64) -> f64) -> String {
    let mut text = String::from("date,cost,account,account_name,service,usage_type,region\n");
    for index in 0..days {
        for (account, id) in ACCOUNTS.iter().enumerate() {
            for (service, name) in SERVICES.iter().enumerate() {
                let region = if account == 2 { "eu-west-1" } else { "us-east-1" };
                for usage_type in 0..2_u64 {
                    let place = (account * 10 + service) as u64 * 2 + usage_type;
                    let noise = ((index * 7919 + place * 104_729) % 997) as f64 / 997.0 - 0.5;
                    let own = if usage_type == 0 { moved(account, service, index) } else { 0.0 };
                    let cost = 50.0 + 2.0 * noise + own;
                    if cost > 0.0 {
                        let name = format!("{name},{name}-Usage{usage_type}");
                        text += &format!("{},{cost:.6},{id},team-{account},{name},{region}\n", day(index));
                    }
                }
            }
        }
    }
    text
}

/// Ingests a bill, which has one settled day less than `days` and judges its newest settled day.
fn morning(sandbox: &Sandbox, days: u64, moved: impl Fn(usize, usize, u64) -> f64) -> Value {
    sandbox.write("a.csv", bill(days, moved));
    sandbox.ok(&["ingest", "a.csv", "--quiet"]);
    sandbox.json(&["anomalies", "--as-of", &day(days).to_string(), "--quiet"])
}

/// Incidents of the ledger: who, kind, state.
fn ledger(sandbox: &Sandbox) -> Vec<String> {
    let query =
        "SELECT array_to_string(group_values, '/') || ' ' || kind || ' ' || state AS text FROM incidents ORDER BY 1";
    sandbox.rows(query).iter().map(|row| row["text"].as_str().expect("text").to_owned()).collect()
}

fn ids(sandbox: &Sandbox) -> Vec<String> {
    let rows = sandbox.rows("SELECT id FROM incidents WHERE state <> 'withdrawn' ORDER BY opened_on, id");
    rows.iter().map(|row| row["id"].as_str().expect("an id").to_owned()).collect()
}

pub(crate) fn from_60(index: u64, dollars: f64) -> f64 {
    if index >= 60 { dollars } else { 0.0 }
}

#[test]
fn a_service_of_an_account_is_one_incident_there() {
    let sandbox = Sandbox::new();
    let answer = morning(&sandbox, 63, |account, service, index| match (account, service) {
        (0, 1) => from_60(index, 80.0),
        _ => 0.0,
    });
    assert_eq!(answer["group_by"], serde_json::json!([]));
    let levels: Vec<String> = answer["levels"].as_array().expect("levels").iter().map(Value::to_string).collect();
    let expected = [
        "[]",
        "[\"region\"]",
        "[\"account\"]",
        "[\"service\"]",
        "[\"service\",\"usage-type\"]",
        "[\"service\",\"account\"]",
    ];
    assert_eq!(levels, expected);
    insta::assert_snapshot!(sandbox.run(&["anomalies", "--as-of", "2026-03-05"]), @"
    1 anomaly on 2026-03-03 (36 series at 6 levels of net amortized cost, robust, threshold 2.5)

    id            severity  since       where                     what      expected   actual   impact        %    in all
    5c269b652e9b  critical  2026-03-02  AmazonRDS / 111111111111  point up    $99.69  $180.49  +$80.80  +81.0 %  +$161.60

    why

    - 5c269b652e9b AmazonRDS / 111111111111 (team-0): 180.49 instead of 99.69 give or take 10.16 (the level of 28 days);
      score 19.9, threshold 2.5; 2 of 2 days flagged
    --- stderr
    note: the newest data is of 2026-03-04, 1 days before 2026-03-05: reading as of that day
    --- exit code 0
    ");
    for width in ["60", "80"] {
        let mut command = sandbox.command(&["anomalies", "--as-of", "2026-03-05", "--quiet"]);
        command.env("COLUMNS", width);
        let run = sandbox.finish(command);
        let id = answer["findings"][0]["id"].as_str().expect("an id");
        let row = run.stdout.lines().find(|line| line.starts_with(id)).expect("a row");
        assert!(row.contains(ACCOUNTS[0]) && row.contains("+$8") && row.chars().count() <= 80, "{run}");
        assert!(run.stdout.lines().all(|line| line.chars().count() <= width.parse().expect("a number")), "{run}");
    }
    let csv = sandbox.ok(&["anomalies", "--as-of", "2026-03-05", "--format", "csv", "--quiet"]);
    assert!(csv.stdout.starts_with(
        "id,kind,direction,severity,peak_date,start_date,end_date,region,account,service,usage-type,actual,"
    ));
    assert!(csv.stdout.contains(",,111111111111,AmazonRDS,,"), "{csv}");
}

#[test]
fn an_account_whose_services_rise_together_is_one_incident_of_all() {
    let sandbox = Sandbox::new();
    morning(&sandbox, 63, |account, service, index| match (account, service) {
        (1, 0..3) => from_60(index, 40.0 + 10.0 * service as f64),
        _ => 0.0,
    });
    insta::assert_snapshot!(sandbox.run(&["anomalies", "--as-of", "2026-03-05", "--quiet"]), @"
    1 anomaly on 2026-03-03 (36 series at 6 levels of net amortized cost, robust, threshold 2.5)

    id            severity  since       where                  what      expected   actual    impact        %    in all
    96ac3fa255a9  critical  2026-03-02  222222222222 (team-1)  point up   $500.03  $653.02  +$152.99  +30.6 %  +$304.84

    why

    - 96ac3fa255a9 222222222222 (team-1): 653.02 instead of 500.03 give or take 23.86 (the level of 28 days); score 16.0,
      threshold 2.5; 2 of 2 days flagged; 651.88 on 2026-03-03; of 3 services: AmazonS3 +60.63, AmazonRDS +50.07, AmazonEC2
      +39.60
    --- exit code 0
    ");
    insta::assert_snapshot!(sandbox.run(&["incidents"]), @"
    id            state  severity  since       days  who                    what         a day    in all  last flagged
    96ac3fa255a9  open   critical  2026-03-02     2  222222222222 (team-1)  point up  +$152.99  +$304.84  2026-03-03
    --- exit code 0
    ");
}

#[test]
fn cost_that_moves_between_accounts_is_one_incident_and_no_alarm() {
    let sandbox = Sandbox::new();
    let moves = |account: usize, service: usize, index: u64| match (account, service) {
        (0, 1) => from_60(index, -40.0),
        (1, 1) => from_60(index, 40.0),
        _ => 0.0,
    };
    for days in 61..=64 {
        morning(&sandbox, days, moves);
    }
    insta::assert_snapshot!(sandbox.run(&["anomalies", "--as-of", "2026-03-06", "--quiet"]), @"
    1 anomaly on 2026-03-04 (36 series at 6 levels of net amortized cost, robust, threshold 2.5)

    id            severity  since       where      what   expected   actual  impact       %  in all  score
    301759bf1dc8  info      2026-03-02  AmazonRDS  moved   $199.96  $200.51  +$0.55  +0.3 %  +$2.26   14.3

    why

    - 301759bf1dc8 AmazonRDS (between accounts): 39.55 a day moved from account 111111111111 (team-0) to 222222222222
      (team-1); -39.55 there, +40.10 here
    --- exit code 0
    ");
    assert_eq!(ledger(&sandbox), ["AmazonRDS moved open"]);
    assert_eq!(sandbox.run(&["anomalies", "--as-of", "2026-03-06", "--fail-on", "warning"]).code, 0);
    insta::assert_snapshot!(sandbox.run(&["incidents"]), @"
    id            state  severity  since       days  of       who        what    a day  in all  score  last flagged
    301759bf1dc8  open   info      2026-03-02     3  service  AmazonRDS  moved  +$0.55  +$2.26   14.3  2026-03-04
    --- exit code 0
    ");
    assert!(sandbox.ok(&["incidents", &ids(&sandbox)[0]]).stdout.contains(": moved, info, open"));
}

#[test]
fn an_incident_is_the_same_every_morning_until_it_is_normal() {
    let sandbox = Sandbox::new();
    let step = |account: usize, service: usize, index: u64| match (account, service) {
        (0, 1) => from_60(index, 80.0),
        (2, 3) if index == 66 => 60.0,
        _ => 0.0,
    };
    for days in 61..=84 {
        for _ in 0..2 {
            morning(&sandbox, days, step);
        }
    }
    assert_eq!(
        ledger(&sandbox),
        ["AWSLambda/333333333333 point closed", "AmazonRDS/111111111111 level_shift absorbed"]
    );
    assert_eq!(sandbox.number("SELECT count(*) FROM incident_events WHERE event = 'opened'"), 2.0);
    assert_eq!(sandbox.number("SELECT count(*) FROM incident_events WHERE event IN ('withdrawn', 'merged')"), 0.0);
}

#[test]
fn every_event_of_a_generated_bill_is_opened_once() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["demo", "--as-of", "2026-03-15", "--db", "data/costs.duckdb", "--quiet"]);
    let first: NaiveDate = "2026-02-20".parse().expect("a date");
    for today in first.iter_days().take(24) {
        sandbox.ok(&["anomalies", "--as-of", &today.to_string(), "--quiet"]);
    }
    // The drift goes on after it was taken as normal.
    let expected = [
        "AWSGlue moved open",
        "AWSLambda/222222222222 point closed",
        "AmazonCloudWatch/222222222222 drift absorbed",
        "AmazonCloudWatch/222222222222 point open",
        "AmazonDynamoDB/222222222222 point closed",
        "AmazonRDS/222222222222 level_shift absorbed",
        "AmazonRedshift/444444444444 stopped absorbed",
        "AmazonSageMaker/444444444444 new open",
    ];
    assert_eq!(ledger(&sandbox), expected);
    assert_eq!(sandbox.number("SELECT count(*) FROM incident_events WHERE event = 'opened'"), expected.len() as f64);
}

#[test]
fn an_incident_keeps_its_id_at_another_level() {
    let sandbox = Sandbox::new();
    let services = |count: usize| {
        move |account: usize, service: usize, index: u64| {
            let late = if service == 0 { 60 } else { 61 };
            if account == 1 && service < count && index >= late { 60.0 } else { 0.0 }
        }
    };
    morning(&sandbox, 62, services(1));
    assert_eq!(ledger(&sandbox), ["AmazonEC2/222222222222 point open"]);
    let first = ids(&sandbox);
    // More services of the account follow a day later: the account tells it.
    morning(&sandbox, 63, services(4));
    assert_eq!(ledger(&sandbox), ["222222222222 point open"]);
    assert_eq!(ids(&sandbox), first);
    // A restated bill takes them back.
    morning(&sandbox, 64, services(1));
    assert_eq!(ledger(&sandbox), ["AmazonEC2/222222222222 point open"]);
    assert_eq!(ids(&sandbox), first);
    // And all of it.
    morning(&sandbox, 65, services(0));
    assert_eq!(ledger(&sandbox), ["AmazonEC2/222222222222 point withdrawn"]);
}

#[test]
fn two_sides_that_turn_out_to_be_a_move_become_one() {
    let sandbox = Sandbox::new();
    let moves = |here: f64| {
        move |account: usize, service: usize, index: u64| match (account, service) {
            (0, 1) => from_60(index, -40.0),
            (1, 1) => from_60(index, here),
            _ => 0.0,
        }
    };
    morning(&sandbox, 62, moves(90.0));
    assert_eq!(ledger(&sandbox).len(), 2, "{:?}", ledger(&sandbox));
    // The bill of the account where it went is restated.
    morning(&sandbox, 63, moves(40.0));
    let after = ledger(&sandbox);
    assert_eq!(after.len(), 2);
    assert!(after.contains(&"AmazonRDS moved open".to_owned()), "{after:?}");
    assert_eq!(ids(&sandbox).len(), 1);
    assert_eq!(sandbox.number("SELECT count(*) FROM incident_events WHERE event = 'merged'"), 1.0);
}

#[test]
fn a_day_without_an_account_is_no_drop_of_the_total() {
    let sandbox = Sandbox::new();
    // The bill of an account is late: nothing of it on the newest settled day.
    let late = |account: usize, _: usize, index: u64| if account == 2 && index == 60 { -1000.0 } else { 0.0 };
    let text: String = bill(63, late)
        .lines()
        .filter(|line| !(line.starts_with(&day(60).to_string()) && line.contains(ACCOUNTS[2])))
        .flat_map(|line| [line, "\n"])
        .collect();
    sandbox.write("a.csv", text);
    sandbox.ok(&["ingest", "a.csv", "--quiet"]);
    let run = sandbox.ok(&["anomalies", "--as-of", &day(62).to_string()]);
    assert!(run.stdout.starts_with("No anomalies on 2026-03-02"), "{run}");
    assert!(run.stderr.contains("not judged, for nearly all of an account is missing"), "{run}");
}

#[test]
fn levels_that_the_data_does_not_have_are_left_out() {
    let sandbox = Sandbox::new();
    let mut text = String::from("date,cost,service\n");
    for index in 0..63 {
        text += &format!("{},{},AmazonEC2\n{},{},AmazonS3\n", day(index), 10 + index % 3, day(index), 20 + index % 4);
    }
    sandbox.write("a.csv", text);
    sandbox.ok(&["ingest", "a.csv", "--quiet"]);
    let answer = sandbox.json(&["anomalies", "--as-of", "2026-03-05", "--quiet"]);
    assert_eq!(answer["levels"].to_string(), "[[],[\"service\"]]");
    assert_eq!(answer["series"], 3);
    let flat = sandbox.json(&["anomalies", "--as-of", "2026-03-05", "--group-by", "service", "--quiet"]);
    assert!(flat.get("levels").is_none());
    let header = sandbox.ok(&["anomalies", "--scores", "--as-of", "2026-03-05", "--format", "csv", "--quiet"]);
    assert!(header.stdout.starts_with("date,service,cost,"), "{header}");
}
