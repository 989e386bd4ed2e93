//! What happens, said on stderr: for those who ask, and for what collects logs.

use serde_json::Value;

use crate::harness::Sandbox;

const ASKED: &[&str] = &["anomalies", "--as-of", "2026-03-20", "--format", "json"];

/// The lines of stderr, each a JSON object.
fn events(stderr: &str) -> Vec<Value> {
    stderr.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

#[test]
fn data_is_the_same_however_much_is_said() {
    let sandbox = Sandbox::with_sample();
    let quiet = sandbox.ok(&[ASKED, &["--quiet"]].concat());
    assert_eq!(quiet.stderr, "");
    let verbose = sandbox.ok(&[ASKED, &["--quiet", "-vv"]].concat());
    assert_eq!(verbose.stdout, quiet.stdout);
    assert!(verbose.stderr.contains("INFO answered operation=\"anomalies\""), "{verbose}");
    assert!(verbose.stderr.contains("DEBUG judging series="), "{verbose}");
}

#[test]
fn a_collector_gets_an_object_a_line_and_nothing_else() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "date,service,cost\n2026-03-01,Logs,10\n2026-03-02,Logs,12.5\n");
    let run = sandbox.ok(&["--log-format", "json", "ingest", "a.csv"]);
    let events = events(&run.stderr);
    let ingested = events.iter().find(|event| event["bill"].is_string()).expect("an event of the bill");
    assert_eq!((&ingested["level"], &ingested["rows"], &ingested["files"]), (&"INFO".into(), &2.into(), &1.into()));
    // What went wrong is an event with its code, also where the command line is wrong.
    let missing = sandbox.run(&["--log-format=json", "ingest", "none.csv"]);
    let missing = self::events(&missing.stderr);
    let error = missing.iter().find(|event| event["level"] == "ERROR").expect("an error");
    assert_eq!(error["code"], "invalid_input");
    let wrong = sandbox.run(&["--log-format=json", "trends", "--gruop-by", "account"]);
    assert_eq!(self::events(&wrong.stderr)[0]["error"]["code"], "invalid_usage");
}

#[test]
fn a_variable_says_how_much_and_is_checked() {
    let sandbox = Sandbox::with_sample();
    let with = |level: &str, more: &[&str]| {
        let mut command = sandbox.command(&[ASKED, &["--quiet"], more].concat());
        command.env("AWS_COST_LOG", level);
        sandbox.finish(command)
    };
    assert!(with("info", &[]).stderr.contains("answered"));
    assert_eq!(with("warn", &[]).stderr, "");
    assert!(with("warn", &["-v"]).stderr.contains("answered"), "the flag wins");
    let wrong = with("loud", &[]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.stderr.contains("`AWS_COST_LOG` names no level: `loud`"), "{wrong}");
}
