//! The ledger: what `anomalies` keeps, and how it stands after later runs and restated bills.

use chrono::{Days, NaiveDate};

use crate::harness::Sandbox;

/// Costs by day from 2026-01-01: two services, one of them with what `moved` adds to a day, by index.
fn bill(days: u64, moved: impl Fn(u64) -> f64) -> String {
    let start: NaiveDate = "2026-01-01".parse().expect("a date");
    let mut text = String::from("date,cost,account,service\n");
    for index in 0..days {
        let day = start + Days::new(index);
        let noise = (index * 7 % 5) as f64 - 2.0;
        text += &format!("{day},{},x,Moved\n{day},{},x,Steady\n", 100.0 + noise + moved(index), 50.0 - noise);
    }
    text
}

/// Ingests a bill and judges its newest settled day.
fn morning(sandbox: &Sandbox, days: u64, moved: impl Fn(u64) -> f64) {
    sandbox.write("a.csv", bill(days, moved));
    sandbox.ok(&["ingest", "a.csv", "--quiet"]);
    let today: NaiveDate = "2026-01-01".parse().expect("a date");
    let today = (today + Days::new(days)).to_string();
    sandbox.ok(&["anomalies", "--group-by", "service", "--as-of", &today, "--quiet"]);
}

fn step(index: u64) -> f64 {
    if index >= 60 { 80.0 } else { 0.0 }
}

#[test]
fn an_incident_keeps_its_id_from_its_first_day_until_it_is_normal() {
    let sandbox = Sandbox::new();
    for days in [61, 63, 64, 64, 70, 77, 82] {
        morning(&sandbox, days, step);
    }
    let ids = sandbox.rows("SELECT count(*) AS n FROM incidents");
    assert_eq!(ids[0]["n"], 1);
    let id = sandbox.rows("SELECT id FROM incidents")[0]["id"].as_str().expect("an id").to_owned();
    insta::assert_snapshot!(sandbox.run(&["incidents", &id[..5]]), @"
    830daaf43658 Moved: level shift up, critical, absorbed
    from 2026-03-02 to 2026-03-15, 14 of 14 days flagged, most on 2026-03-04: $182.00 instead of $100.00
    +$1,119.00 in all so far
    182.00 instead of 100.00 give or take 7.54 (the level of 28 days); score 27.2, threshold 2.5; 14 of 14 days flagged;
      taken as normal from 2026-03-16 on (net_amortized of service +Usage +Purchase +Adjustment by robust, threshold 2.5,
      version 0.1.0)

    judged      event     what         severity  last flagged   impact      in all  score
    2026-03-03  opened    point        critical  2026-03-03    +$80.00    +$158.00   26.5
    2026-03-04  changed   point        critical  2026-03-04    +$82.00    +$240.00   27.2
    2026-03-10  changed   level shift  critical  2026-03-10    +$82.00    +$719.00   27.2
    2026-03-17  absorbed  level shift  critical  2026-03-15    +$82.00  +$1,119.00   27.2
    --- exit code 0
    ");
    insta::assert_snapshot!(sandbox.run(&["incidents"]), @"
    No incidents
    --- stderr
    hint: `--status all` lists those that are over, too
    --- exit code 0
    ");
    insta::assert_snapshot!(sandbox.run(&["incidents", "--status", "all"]), @"
    id            state                severity  since       days  who    what              a day      in all  last flagged
    830daaf43658  absorbed 2026-03-17  critical  2026-03-02    14  Moved  level shift up  +$82.00  +$1,119.00  2026-03-15
    --- exit code 0
    ");
}

#[test]
fn a_restated_bill_scores_incidents_anew_and_withdraws_what_is_gone() {
    let sandbox = Sandbox::new();
    let spike = |size: f64| move |index: u64| if index == 60 { size } else { 0.0 };
    morning(&sandbox, 62, spike(80.0));
    morning(&sandbox, 63, spike(150.0));
    let after = sandbox.rows("SELECT impact, state FROM incidents");
    assert!(after[0]["impact"].as_f64().is_some_and(|impact| (impact - 150.0).abs() < 5.0), "{after:?}");
    morning(&sandbox, 64, spike(0.0));
    let answer = sandbox.json(&["incidents", "--status", "withdrawn"]);
    assert_eq!(answer["incidents"].as_array().map(Vec::len), Some(1), "{answer}");
    let id = answer["incidents"][0]["id"].as_str().expect("an id");
    let one = sandbox.json(&["incidents", id]);
    let events: Vec<&str> =
        one["history"].as_array().expect("history").iter().filter_map(|event| event["event"].as_str()).collect();
    assert_eq!(events, ["opened", "changed", "withdrawn"]);
}

#[test]
fn nothing_is_written_with_no_save_by_scores_or_twice() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", bill(63, step));
    sandbox.ok(&["ingest", "a.csv", "--quiet"]);
    sandbox.ok(&["anomalies", "--group-by", "service", "--as-of", "2026-03-05", "--no-save", "--quiet"]);
    sandbox.ok(&[
        "anomalies",
        "--group-by",
        "service",
        "--as-of",
        "2026-03-05",
        "--scores",
        "--format",
        "csv",
        "--quiet",
    ]);
    sandbox.ok(&["backtest", "--as-of", "2026-03-05", "--days", "14", "--quiet"]);
    assert_eq!(sandbox.number("SELECT count(*) FROM incidents"), 0.0);
    for _ in 0..3 {
        sandbox.ok(&["anomalies", "--group-by", "service", "--as-of", "2026-03-05", "--quiet"]);
    }
    assert_eq!(sandbox.number("SELECT count(*) FROM incidents"), 1.0);
    assert_eq!(sandbox.number("SELECT count(*) FROM incident_events"), 1.0);
}

#[test]
fn a_look_back_does_not_turn_the_ledger_back() {
    let sandbox = Sandbox::new();
    morning(&sandbox, 70, step);
    let before = sandbox.rows("SELECT * FROM incidents");
    sandbox.ok(&["anomalies", "--group-by", "service", "--as-of", "2026-03-05", "--quiet"]);
    sandbox.ok(&["anomalies", "--group-by", "service", "--as-of", "2026-02-15", "--quiet"]);
    assert_eq!(sandbox.rows("SELECT * FROM incidents"), before);
}

#[test]
fn questions_of_different_scope_do_not_touch_each_other() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", bill(63, step));
    sandbox.ok(&["ingest", "a.csv", "--quiet"]);
    for arguments in [
        &["--group-by", "service"][..],
        &["--group-by", "account"],
        &["--group-by", "service", "--filter", "service=Steady"],
        &["--group-by", "service", "--method", "classic"],
    ] {
        sandbox.ok(&[&["anomalies", "--as-of", "2026-03-05", "--quiet"], arguments].concat());
    }
    let open = sandbox.rows("SELECT group_by, scope, state FROM incidents ORDER BY ALL");
    assert!(open.len() >= 3 && open.iter().all(|row| row["state"] == "open"), "{open:?}");
}

#[test]
fn incidents_are_filtered_and_refused_when_unknown() {
    let sandbox = Sandbox::new();
    morning(&sandbox, 63, step);
    let count = |arguments: &[&str]| {
        let answer = sandbox.json(&[&["incidents", "--quiet"], arguments].concat());
        answer["incidents"].as_array().map_or(0, Vec::len)
    };
    assert_eq!(count(&["--filter", "service=Moved"]), 1);
    assert_eq!(count(&["--filter", "service=Steady"]), 0);
    assert_eq!(count(&["--min-impact", "100000"]), 0);
    assert_eq!(count(&["--since", "2026-03-02"]), 1);
    assert_eq!(count(&["--since", "2026-03-04"]), 0);
    for format in ["csv", "markdown"] {
        assert!(sandbox.ok(&["incidents", "--format", format]).stdout.contains("Moved"));
    }
    insta::assert_snapshot!(sandbox.run(&["incidents", "zzzz"]), @"
    --- stderr
    error: there is no incident `zzzz` in the ledger
    hint: `aws-cost-anomalies incidents --status all` lists them
    --- exit code 1
    ");
    insta::assert_snapshot!(sandbox.run(&["incidents", "--filter", "service!=Moved"]), @"
    --- stderr
    error: `incidents --filter` takes DIMENSION=VALUE only
    --- exit code 2
    ");
}

#[test]
fn a_database_in_use_is_a_warning_and_the_findings_stand() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", bill(63, step));
    sandbox.ok(&["ingest", "a.csv", "--quiet"]);
    let path = sandbox.path("data/costs.duckdb");
    let reader = duckdb::Connection::open_with_flags(
        &path,
        duckdb::Config::default().access_mode(duckdb::AccessMode::ReadOnly).expect("a setting"),
    )
    .expect("the database opens");
    let run = sandbox.run(&["anomalies", "--group-by", "service", "--as-of", "2026-03-05", "--quiet"]);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.stdout.contains("Moved") && run.stderr.contains("the ledger was not written"), "{run}");
    drop(reader);
}
