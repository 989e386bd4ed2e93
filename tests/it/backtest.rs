//! `backtest`: what would have been found.

use crate::harness::Sandbox;

/// Sixty days of generated bills, ingested.
fn sample() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.sample("bills", &["--no-anomalies"]);
    sandbox.ok(&["ingest", "bills", "--quiet"]);
    sandbox
}

#[test]
fn a_replay_counts_alerts_and_finds_doubled_services() {
    let sandbox = sample();
    let answer = sandbox.json(&["backtest", "--as-of", "2026-03-15", "--days", "21", "--events", "10", "--quiet"]);
    let results = answer["results"].as_array().expect("results");
    assert_eq!(results.len(), 7);
    let robust: Vec<_> = results.iter().filter(|result| result["method"] == "robust").collect();
    assert_eq!(robust.len(), 3);
    for result in &robust {
        // Bills without events: few alerts.
        assert!(result["alerts_per_week"].as_f64().is_some_and(|alerts| alerts <= 1.0), "{result}");
    }
    let medium = robust.iter().find(|result| result["sensitivity"] == "medium").expect("medium");
    let cells = medium["by_shape"].as_array().expect("cells");
    let tripled = cells.iter().find(|cell| cell["shape"] == "spike" && cell["size"] == 3.0).expect("a cell");
    assert_eq!(tripled["detected"], tripled["events"], "{tripled}");
    assert!(
        answer["recommendation"]["text"].as_str().is_some_and(|text| text.contains("would have alerted")),
        "{answer}"
    );
}

#[test]
fn the_same_seed_gives_the_same_answer() {
    let sandbox = sample();
    let run = |seed: &str| {
        let arguments =
            ["backtest", "--as-of", "2026-03-15", "--days", "21", "--events", "3", "--seed", seed, "--quiet"];
        sandbox.ok(&arguments).stdout
    };
    assert_eq!(run("1"), run("1"));
    assert_ne!(run("1"), run("2"));
}

#[test]
fn every_format_says_the_same() {
    let sandbox = sample();
    let run = |format: &str| {
        let arguments =
            ["backtest", "--as-of", "2026-03-15", "--days", "21", "--events", "3", "--quiet", "--format", format];
        sandbox.ok(&arguments).stdout
    };
    for text in [run("table"), run("markdown")] {
        assert!(text.contains("rolling-zscore") && text.contains("drift"), "{text}");
    }
    let csv = run("csv");
    assert!(csv.starts_with(
        "method,sensitivity,threshold,alerts,alerts_per_week,shape,size,events,detected,median_delay_days\n"
    ));
    assert!(csv.lines().count() > 7 * 4, "{csv}");
}

#[test]
fn too_little_history_is_said() {
    let sandbox = Sandbox::new();
    let mut text = String::from("date,cost\n");
    for day in 1..=25 {
        text += &format!("2026-03-{day:02},10\n");
    }
    sandbox.write("a.csv", text);
    sandbox.ok(&["ingest", "a.csv", "--quiet"]);
    insta::assert_snapshot!(sandbox.run(&["backtest", "--as-of", "2026-03-25"]), @"
    --- stderr
    error: there are 23 days of data, and a replay needs 28 before the first day it judges
    hint: ingest more days: `ingest --source cost-explorer --days 120`, or older bills
    --- exit code 1
    ");
    assert_eq!(sandbox.run(&["backtest", "--alerts-per-week", "0"]).code, 2);
}
