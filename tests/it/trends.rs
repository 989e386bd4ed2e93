//! What `trends` shows.

use serde_json::Value;

use crate::harness::Sandbox;

/// Generated bills of 60 days up to 2026-03-15, ingested.
fn sample() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.sample("bills", &[]);
    sandbox.ok(&["ingest", "bills", "--quiet"]);
    sandbox
}

fn total(answer: &Value) -> f64 {
    let periods = answer["periods"].as_array().expect("periods");
    periods.iter().map(|period| period["total"].as_f64().expect("a total")).sum()
}

#[test]
fn fourteen_days_by_service() {
    insta::assert_snapshot!(sample().run(&["trends", "--as-of", "2026-03-15"]), @"");
}

#[test]
fn months_by_account_with_names() {
    let run = sample().run(&["trends", "--from", "2026-01-15", "--granularity", "monthly", "--group-by", "account"]);
    insta::assert_snapshot!(run, @"");
}

#[test]
fn a_narrow_terminal_keeps_names_and_numbers_whole() {
    let sandbox = sample();
    let mut command = sandbox.command(&["trends", "--top", "4", "--days", "5", "--quiet"]);
    command.env("COLUMNS", "50");
    let run = sandbox.finish(command);
    insta::assert_snapshot!(run, @"");
    assert!(run.stdout.lines().all(|line| line.chars().count() <= 60), "{run}");
}

#[test]
fn markdown_and_csv() {
    let sandbox = sample();
    let arguments = ["trends", "--granularity", "weekly", "--days", "14", "--top", "2", "--quiet", "--format"];
    insta::assert_snapshot!(sandbox.run(&[&arguments[..], &["markdown"]].concat()), @"");
    insta::assert_snapshot!(sandbox.run(&[&arguments[..], &["csv"]].concat()), @"");
}

#[test]
fn json_has_the_promised_fields() {
    let answer = sample().json(&["trends", "--days", "2", "--top", "1", "--filter", "service=AmazonS3", "--quiet"]);
    insta::assert_snapshot!(serde_json::to_string_pretty(&answer).expect("JSON"), @"");
}

#[test]
fn rows_add_up_to_the_total_whatever_the_grouping() {
    let sandbox = sample();
    let expected = total(&sandbox.json(&["trends", "--days", "60", "--quiet"]));
    let direct = sandbox.number(
        "SELECT sum(net_amortized_cost) FROM cost_line_items WHERE charge_category IN ('Usage', 'Purchase', 'Adjustment')",
    );
    assert!((expected - direct).abs() < 0.005, "{expected} {direct}");
    let groupings = [
        "account", "region", "service+account", "service+region", "account+region", "usage-type", "operation", "resource",
        "charge-category", "line-item-type", "purchase-option", "tag:team", "cost-category:cost_center", "provider", "payer",
        "billing-entity", "currency", "tag:team+usage-type",
    ];
    for group_by in groupings {
        for granularity in ["daily", "weekly", "monthly"] {
            let answer =
                sandbox.json(&["trends", "--days", "60", "--group-by", group_by, "--granularity", granularity, "--top", "3", "--quiet"]);
            assert!((total(&answer) - expected).abs() < 0.005, "{group_by} {granularity}: {}", total(&answer));
            for period in answer["periods"].as_array().expect("periods") {
                let groups = period["groups"].as_array().expect("groups");
                let sum: f64 = groups.iter().map(|group| group["cost"].as_f64().expect("a cost")).sum();
                assert!((sum - period["total"].as_f64().expect("a total")).abs() < 0.005, "{group_by} {granularity}");
            }
        }
    }
}

#[test]
fn filters_split_the_total() {
    let sandbox = sample();
    let all = total(&sandbox.json(&["trends", "--days", "60", "--quiet"]));
    for filter in ["service", "tag:team", "usage-type"] {
        let value = match filter {
            "service" => "AmazonRDS",
            "tag:team" => "data",
            _ => "BoxUsage:m5.large",
        };
        let only = total(&sandbox.json(&["trends", "--days", "60", "--quiet", "--filter", &format!("{filter}={value}")]));
        let without = total(&sandbox.json(&["trends", "--days", "60", "--quiet", "--filter", &format!("{filter}!={value}")]));
        assert!(only > 1.0 && (only + without - all).abs() < 0.005, "{filter}: {only} + {without} = {all}");
    }
    let two = total(&sandbox.json(&["trends", "--days", "60", "--filter", "service=AmazonRDS", "--filter", "service=AmazonS3"]));
    let one = total(&sandbox.json(&["trends", "--days", "60", "--filter", "service=AmazonRDS"]));
    assert!(two > one, "values of one dimension are alternatives");
}

#[test]
fn credits_and_taxes_count_when_asked_for() {
    let sandbox = sample();
    let without = sandbox.json(&["trends", "--days", "60", "--quiet"]);
    let with = sandbox.json(&["trends", "--days", "60", "--include", "credits,tax", "--quiet"]);
    let apart: f64 = without["apart"].as_array().expect("apart").iter().map(|line| line["cost"].as_f64().expect("a cost")).sum();
    assert!(apart < -10.0);
    assert!((total(&without) + apart - total(&with)).abs() < 0.005);
    assert_eq!(with["apart"].as_array().map(Vec::len), Some(0));
}

#[test]
fn metrics_differ_where_they_should() {
    let sandbox = sample();
    let cost = |metric: &str| total(&sandbox.json(&["trends", "--days", "60", "--metric", metric, "--quiet"]));
    assert!((cost("amortized") - cost("net-amortized")).abs() < 0.005, "no discounts");
    assert!((cost("unblended") - cost("blended")).abs() < 0.005);
    assert!(cost("list") > cost("amortized"));
    let plain = Sandbox::new();
    plain.write("a.csv", "date,cost\n2026-03-01,1\n");
    plain.ok(&["ingest", "a.csv", "--quiet"]);
    insta::assert_snapshot!(plain.run(&["trends", "--metric", "list", "--quiet"]), @"");
}

#[test]
fn credits_that_hide_the_bill_are_said() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "date,cost,charge_category\n2026-03-01,100,Usage\n2026-03-01,-100,Credit\n2026-03-02,100,Usage\n2026-03-02,-100,Credit\n");
    sandbox.ok(&["ingest", "a.csv", "--quiet"]);
    insta::assert_snapshot!(sandbox.run(&["trends", "--as-of", "2026-03-02"]), @"");
}

#[test]
fn sources_are_never_added() {
    let sandbox = sample();
    let one = total(&sandbox.json(&["trends", "--days", "60", "--quiet"]));
    sandbox.sample("again", &["--format", "focus"]);
    sandbox.ok(&["ingest", "again", "--quiet"]);
    let run = sandbox.ok(&["trends", "--days", "60", "--format", "json"]);
    let answer: Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert!((total(&answer) - one).abs() < 0.005);
    assert_eq!(answer["source"], "cur2");
    assert!(run.stderr.contains("from cur2; also in the database: focus (`--source`)"), "{run}");
    let focus = sandbox.json(&["trends", "--days", "60", "--source", "focus", "--quiet"]);
    assert_eq!(focus["source"], "focus");
    assert!((total(&focus) - one).abs() < 0.005, "the same money");
}

#[test]
fn no_color_unless_asked() {
    let sandbox = sample();
    assert!(!sandbox.ok(&["anomalies", "--from", "2026-02-20"]).stdout.contains('\u{1b}'));
    assert!(sandbox.ok(&["--color", "always", "anomalies", "--from", "2026-02-20"]).stdout.contains('\u{1b}'));
}
