//! `watch`: again and again, one at a time, until it is told to stop.

use std::{
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    harness::{Run, Sandbox},
    levels::{bill, from_60},
};

const LOG: &str = "notify:\n  stale_days: 0\n  channels: [{ name: log, file: { path: log.jsonl, format: json } }]\n";

fn start(sandbox: &Sandbox, arguments: &[&str]) -> Child {
    let mut command = sandbox.command(&[&["watch", "--jitter", "0s", "--health-file", "health"], arguments].concat());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs")
}

/// Waits for something, half a minute at most.
fn until(what: &str, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what}");
        thread::sleep(Duration::from_millis(30));
    }
}

fn health(sandbox: &Sandbox) -> Value {
    serde_json::from_str(&std::fs::read_to_string(sandbox.path("health")).unwrap_or_default()).unwrap_or_default()
}

fn stop(child: Child, signal: &str) -> Run {
    let sent = std::process::Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill");
    assert!(sent.success());
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Run { stdout: text(output.stdout), stderr: text(output.stderr), code: output.status.code().unwrap_or(-1) }
}

#[test]
fn it_runs_says_how_it_is_and_stops_when_told() {
    let sandbox = Sandbox::new();
    sandbox.write("config.yaml", LOG);
    sandbox.write(
        "a.csv",
        bill(63, |account, service, index| if (account, service) == (0, 1) { from_60(index, 80.0) } else { 0.0 }),
    );
    let child = start(&sandbox, &["a.csv", "--every", "6h"]);
    until("a first run", || health(&sandbox)["healthy"] == true);
    let run = sandbox.run(&["run", "a.csv"]);
    assert!(run.code == 1 && run.stderr.contains("another `run`, `watch` or `notify` is at work"), "{run}");
    assert_eq!(sandbox.ok(&["watch", "--check", "--health-file", "health"]).stdout, "healthy\n");
    let run = stop(child, "-TERM");
    assert!(run.code == 0 && run.stderr.ends_with("stopped\n"), "{run}");
    assert!(run.stdout.contains("notified log: 1 incident"), "{run}");
    let log = std::fs::read_to_string(sandbox.path("log.jsonl")).expect("a log");
    assert!(log.contains("AmazonRDS"), "{log}");
    let long_ago = "2020-01-01T00:00:00Z";
    let health = serde_json::json!({"healthy": true, "failures_in_a_row": 0, "error": null, "finished_at": long_ago,
        "next_run_at": long_ago});
    sandbox.write("health", health.to_string());
    insta::assert_snapshot!(sandbox.run(&["watch", "--check", "--health-file", "health"]), @"
    --- stderr
    error: the run of 2020-01-01 00:00 UTC is overdue
    hint: does `watch` still run?
    --- exit code 1
    ");
}

#[test]
fn its_own_failures_are_told_once_and_so_is_their_end() {
    let sandbox = Sandbox::new();
    sandbox.write("config.yaml", LOG);
    let child = start(&sandbox, &["a.csv", "--every", "1s", "--report-after", "2", "--quiet"]);
    until("three failures", || health(&sandbox)["failures_in_a_row"].as_u64().is_some_and(|failures| failures >= 3));
    let check = sandbox.run(&["watch", "--check", "--health-file", "health"]);
    assert!(check.code == 1 && check.stderr.contains("runs in a row have failed"), "{check}");
    let told = || {
        let text = std::fs::read_to_string(sandbox.path("log.jsonl")).unwrap_or_default();
        let about = |line: &str| {
            serde_json::from_str::<Value>(line).expect("JSON")["about"].as_str().expect("about").to_owned()
        };
        text.lines().map(about).collect::<Vec<_>>()
    };
    assert_eq!(told(), ["failure"]);
    sandbox.write("a.csv", bill(63, |_, _, _| 0.0));
    until("it works", || health(&sandbox)["healthy"] == true && told().len() > 1);
    assert_eq!(told(), ["failure", "recovery"]);
    let run = stop(child, "-INT");
    assert_eq!(run.code, 0, "{run}");
    let log = std::fs::read_to_string(sandbox.path("log.jsonl")).expect("a log");
    let text = serde_json::from_str::<Value>(log.lines().next().expect("a line")).expect("JSON")["text"].clone();
    let text = text.as_str().expect("text");
    let (before, after) =
        text.split_once(", since ").zip(text.split_once(" UTC, ")).map(|(a, b)| (a.0, b.1)).expect("a time");
    insta::assert_snapshot!(format!("{before}, since [TIME] UTC, {after}"), @"
    2 runs in a row have failed, since [TIME] UTC, for `./data/costs.duckdb`. Cost alerts may be missing until this is mended.
    there is no file or folder `a.csv`
    hint: name a bill, a folder of bills or a quoted pattern such as 'bills/*.parquet'
    ");
}

#[test]
fn what_cannot_be_is_said_at_once() {
    let sandbox = Sandbox::new();
    for (arguments, said) in [
        (&["watch"][..], "--every"),
        (&["watch", "--every", "often"], "write a time such as"),
        (&["watch", "--cron", "99 * * * *"], "as cron has it"),
        (&["watch", "--cron", "0 0 30 2 *"], "never comes"),
        (&["watch", "--every", "6h"], "nothing says where the bills are"),
    ] {
        let run = sandbox.run(arguments);
        assert!(run.code == 2 && run.stderr.contains(said), "{run}");
    }
}
