//! A month, morning by morning: bills arrive unfinished, are finished and restated, and each incident is told once.

use std::{collections::BTreeMap, fmt::Write as _};

use chrono::{Days, NaiveDate};
use serde_json::Value;

use crate::harness::{Sandbox, direct};

/// Columns of CUR 2.0 that are money.
const COSTS: [&str; 5] = [
    "line_item_unblended_cost",
    "line_item_blended_cost",
    "pricing_public_on_demand_cost",
    "reservation_effective_cost",
    "savings_plan_savings_plan_effective_cost",
];

/// A month of the bills as it stands on a morning: nothing after `until` o'clock, and each cost times the factor of its
/// row.
fn month(sandbox: &Sandbox, month: &str, until: &str, factor: &str) {
    let replaced: Vec<String> = COSTS.iter().map(|column| format!("{column} * ({factor}) AS {column}")).collect();
    let from = sandbox.path(&format!("all/acme-cur2/data/BILLING_PERIOD={month}/*.parquet"));
    let to = sandbox.path(&format!("bills/{month}.parquet"));
    std::fs::create_dir_all(sandbox.path("bills")).expect("a folder");
    direct(&format!(
        "COPY (SELECT * REPLACE ({}) FROM read_parquet('{}', hive_partitioning = false) \
         WHERE line_item_usage_start_date < TIMESTAMP '{until}') TO '{}' (FORMAT parquet)",
        replaced.join(", "),
        from.display(),
        to.display()
    ));
}

/// The factor of each row on a morning: yesterday and the day before are not whole yet, and AWS restates.
fn factor(today: NaiveDate) -> String {
    let mut factor = format!(
        "CASE WHEN line_item_usage_start_date >= TIMESTAMP '{}' THEN 0.6 WHEN line_item_usage_start_date >= TIMESTAMP '{}' THEN 0.97 ELSE 1 END",
        today - Days::new(1),
        today - Days::new(2)
    );
    let day = |text: &str| text.parse::<NaiveDate>().expect("a date");
    let of_day = |from: &str, service: &str| {
        format!("line_item_usage_start_date::DATE = DATE '{from}' AND line_item_product_code = '{service}'")
    };
    // A quiet day is restated to three times its cost, a week later.
    if today >= day("2026-03-12") {
        write!(factor, " * CASE WHEN {} THEN 3 ELSE 1 END", of_day("2026-03-05", "AmazonS3")).expect("text");
    }
    // A day that was told is restated to twice, then taken back.
    if (day("2026-03-22")..day("2026-03-25")).contains(&today) {
        write!(factor, " * CASE WHEN {} THEN 2.5 ELSE 1 END", of_day("2026-03-18", "AWSLambda")).expect("text");
    }
    if today >= day("2026-03-25") {
        write!(factor, " * CASE WHEN {} THEN 0.2 ELSE 1 END", of_day("2026-03-18", "AWSLambda")).expect("text");
    }
    // The step is restated to half as much for two mornings.
    if (day("2026-03-19")..day("2026-03-21")).contains(&today) {
        write!(factor, " * CASE WHEN {} THEN 0.5 ELSE 1 END", of_day("2026-03-16", "AmazonRDS")).expect("text");
    }
    factor
}

#[test]
fn a_month_of_mornings_tells_each_incident_once() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["sample-data", "--out", "all", "--days", "100", "--as-of", "2026-03-31", "--quiet"]);
    sandbox.write(
        "config.yaml",
        "notify:\n  channels:\n    - { name: finops, file: { path: finops.jsonl, format: json }, min_severity: info, min_impact: 0, directions: [up, down], notify_closed: true }\n    - { name: on-call, file: { path: on-call.jsonl, format: json }, min_severity: critical }\n",
    );
    let first: NaiveDate = "2026-03-02".parse().expect("a date");
    for earlier in ["2025-12", "2026-01", "2026-02"] {
        month(&sandbox, earlier, "2026-03-01", "1");
    }
    let mut naive: BTreeMap<&str, usize> = BTreeMap::new();
    let mut naive_mornings = 0;
    let mut lines = Vec::new();
    let mut seen = BTreeMap::new();
    for today in first.iter_days().take(30) {
        month(&sandbox, "2026-03", &format!("{today} 06:00:00"), &factor(today));
        // The month before is closed with a correction.
        let path = if today.to_string() == "2026-03-04" {
            month(&sandbox, "2026-02", "2026-03-01", "1.02");
            "bills"
        } else if today == first {
            "bills"
        } else {
            "bills/2026-03.parquet"
        };
        let as_of = today.to_string();
        sandbox.ok(&["run", path, "--as-of", &as_of, "--quiet"]);
        for channel in ["finops", "on-call"] {
            lines.extend(told(&sandbox, channel, &as_of, seen.entry(channel).or_default()));
        }
        // What is flagged on the newest settled day.
        let flagged = sandbox.rows(&format!(
            "SELECT severity, direction FROM incidents WHERE state <> 'withdrawn' AND last_date = DATE '{}'",
            today - Days::new(2)
        ));
        naive_mornings += usize::from(!flagged.is_empty());
        *naive.entry("finops").or_default() += flagged.len();
        *naive.entry("on-call").or_default() +=
            flagged.iter().filter(|one| one["severity"] == "critical" && one["direction"] == "up").count();
    }
    insta::assert_snapshot!(lines.join("\n"), @"
    2026-03-11 finops: opened warning AmazonDynamoDB / 222222222222 (acme-production) -16.85 a day since 2026-03-09
    2026-03-13 finops: opened warning us-east-1 -79.10 a day since 2026-03-11
    2026-03-14 finops: closed warning AmazonDynamoDB / 222222222222 (acme-production) -17.18 a day since 2026-03-09
    2026-03-16 finops: opened warning AmazonCloudWatch / 222222222222 (acme-production) +3.79 a day since 2026-03-06
    2026-03-16 finops: opened critical AmazonRDS / 222222222222 (acme-production) +34.32 a day since 2026-03-14
    2026-03-16 on-call: opened critical AmazonRDS / 222222222222 (acme-production) +34.32 a day since 2026-03-14
    2026-03-18 finops: opened info AWSGlue -1.59 a day since 2026-03-16
    2026-03-20 finops: opened critical AWSLambda / 222222222222 (acme-production) +50.04 a day since 2026-03-18
    2026-03-20 on-call: opened critical AWSLambda / 222222222222 (acme-production) +50.04 a day since 2026-03-18
    2026-03-23 finops: opened critical AmazonSageMaker / 444444444444 (acme-data) +33.12 a day since 2026-03-21
    2026-03-23 finops: closed critical AWSLambda / 222222222222 (acme-production) +152.65 a day since 2026-03-18
    2026-03-23 on-call: opened critical AmazonSageMaker / 444444444444 (acme-data) +33.12 a day since 2026-03-21
    2026-03-24 finops: grown from 5.99 to 13.09 warning AmazonCloudWatch / 222222222222 (acme-production) +7.14 a day since 2026-03-06
    2026-03-29 finops: closed critical AmazonRDS / 222222222222 (acme-production) +38.57 a day since 2026-03-14
    2026-03-29 finops: closed critical total -66.42 a day since 2026-03-12
    2026-03-31 finops: closed warning AmazonCloudWatch / 222222222222 (acme-production) +16.69 a day since 2026-03-06
    2026-03-31 finops: closed info AWSGlue +0.79 a day since 2026-03-16
    ");
    let alerts = |channel: &str| lines.iter().filter(|line| line.contains(&format!(" {channel}: "))).count();
    let counts = format!(
        "finops: {} messages with {} lines, on-call: {} messages; whenever flagged: {} and {} alerts on {naive_mornings} of 30 mornings",
        seen["finops"],
        alerts("finops"),
        seen["on-call"],
        naive["finops"],
        naive["on-call"]
    );
    insta::assert_snapshot!(counts, @"finops: 10 messages with 14 lines, on-call: 3 messages; whenever flagged: 69 and 24 alerts on 20 of 30 mornings");
}

/// What a channel was told since the last look, a line for each incident.
fn told(sandbox: &Sandbox, channel: &str, today: &str, seen: &mut usize) -> Vec<String> {
    let text = std::fs::read_to_string(sandbox.path(&format!("{channel}.jsonl"))).unwrap_or_default();
    let digests: Vec<Value> = text.lines().skip(*seen).map(|line| serde_json::from_str(line).expect("JSON")).collect();
    *seen += digests.len();
    let tell = |alert: &Value| {
        let text = |key: &str| alert[key].as_str().unwrap_or("-").to_owned();
        let from = alert["from"].as_f64().map_or(String::new(), |from| format!(" from {from:.2}"));
        let to = alert["to"].as_f64().map_or(String::new(), |to| format!(" to {to:.2}"));
        format!(
            "{today} {channel}: {}{from}{to} {} {} {:+.2} a day since {}",
            text("event"),
            text("severity"),
            text("subject"),
            alert["per_day"].as_f64().expect("dollars"),
            text("since")
        )
    };
    digests
        .iter()
        .flat_map(|digest| digest["alerts"].as_array().cloned().unwrap_or_default())
        .map(|alert| tell(&alert))
        .collect()
}
