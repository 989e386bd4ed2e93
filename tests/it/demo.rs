//! The first thing that a new user runs.

use crate::harness::Sandbox;

#[test]
fn the_demo_finds_what_it_planted_and_can_run_again() {
    let sandbox = Sandbox::new();
    let first = sandbox.ok(&["demo", "--as-of", "2026-03-15"]);
    let second = sandbox.ok(&["demo", "--as-of", "2026-03-15", "--quiet"]);
    assert_eq!(first.stdout, second.stdout);
    for text in [
        "1. A bill:",
        "2. Ingested into ./data/demo.duckdb",
        "3. Where the money goes",
        "4. What moved",
        "5. Planted and found",
        "6. Try next",
    ] {
        assert!(first.stdout.contains(text), "{first}");
    }
}

#[test]
fn the_demo_finds_its_events_whatever_the_day_and_the_seed() {
    for (day, seed) in
        [("2026-01-01", "1"), ("2026-03-02", "2"), ("2026-07-05", "3"), ("2026-10-31", "4"), ("2028-02-29", "5")]
    {
        let run = Sandbox::new().ok(&["demo", "--as-of", day, "--seed", seed, "--quiet"]);
        for kind in ["spike", "drop", "step", "drift", "stopped"] {
            let line =
                run.stdout.lines().find(|line| line.trim_start().starts_with(kind)).expect("a line for each event");
            assert!(line.contains("found as"), "{day} {seed}: {line}");
        }
        let all = "8 of 8 events found, the two sides of the move as one; 0 other findings";
        assert!(run.stdout.contains(all), "{day} {seed}: {run}");
    }
}

#[test]
fn the_demo_does_not_write_over_bills_of_others() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "date,cost\n2026-03-01,1\n");
    sandbox.ok(&["ingest", "a.csv", "--quiet"]);
    insta::assert_snapshot!(sandbox.run(&["--db", "data/costs.duckdb", "demo"]), @"
    --- stderr
    error: `data/costs.duckdb` holds bills that are not the demo's
    hint: name another file with `--db`; the demo writes its database anew
    --- exit code 1
    ");
    assert_eq!(sandbox.number("SELECT count(*) FROM cost_line_items"), 1.0);
}

#[test]
fn the_commands_that_the_demo_names_work() {
    let sandbox = Sandbox::new();
    let run = sandbox.ok(&["demo", "--quiet"]);
    let (_, commands) = run.stdout.split_once("6. Try next").expect("commands");
    let mut tried = 0;
    // A server goes on until it is stopped; what it shows is tested elsewhere.
    for line in commands.lines().filter(|line| line.contains("--db") && !line.ends_with(" serve")) {
        let words = line.trim().replace('\'', "");
        let arguments: Vec<&str> = match words.split_once(" sql ") {
            Some((before, query)) => before.split(' ').skip(1).chain(["sql", query]).collect(),
            None => words.split(' ').skip(1).collect(),
        };
        sandbox.ok(&arguments);
        tried += 1;
    }
    assert_eq!(tried, 7);
    let kept = sandbox.json(&["--db", "data/demo.duckdb", "incidents", "--status", "all"]);
    assert!(kept["incidents"].as_array().is_some_and(|list| list.len() >= 6), "{kept}");
}

#[test]
fn the_same_seed_gives_the_same_bill_and_another_another() {
    let sandbox = Sandbox::new();
    for (out, seed) in [("a", "7"), ("b", "7"), ("c", "8")] {
        sandbox.sample(out, &["--seed", seed]);
    }
    let file = |out: &str| {
        std::fs::read(
            sandbox.path(&format!("{out}/acme-cur2/data/BILLING_PERIOD=2026-02/acme-cur2-00001.snappy.parquet")),
        )
    };
    assert_eq!(file("a").expect("a file"), file("b").expect("a file"));
    assert_ne!(file("a").expect("a file"), file("c").expect("a file"));
}

#[test]
fn events_are_labelled_and_can_be_left_out() {
    let sandbox = Sandbox::new();
    sandbox.sample("with", &[]);
    sandbox.sample("without", &["--no-anomalies"]);
    let events = |out: &str| std::fs::read_to_string(sandbox.path(&format!("{out}/events.csv"))).expect("a file");
    assert_eq!(events("with").lines().count(), 9);
    assert_eq!(events("without").lines().count(), 1);
}

#[test]
fn a_folder_with_something_in_it_is_left_alone() {
    let sandbox = Sandbox::new();
    sandbox.write("mine/notes.txt", "keep");
    insta::assert_snapshot!(sandbox.run(&["sample-data", "--out", "mine"]), @"
    --- stderr
    error: the folder `mine` is not empty
    hint: name a new one with `--out`; nothing is written over
    --- exit code 1
    ");
}

#[test]
fn rows_are_at_least_those_asked_for() {
    let sandbox = Sandbox::new();
    sandbox.sample("bills", &["--rows", "150000"]);
    sandbox.ok(&["ingest", "bills", "--quiet"]);
    let rows = sandbox.number("SELECT count(*) FROM cost_line_items");
    assert!((150_000.0..300_000.0).contains(&rows), "{rows}");
}
