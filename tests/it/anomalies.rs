//! What `anomalies` finds, and how it says so.

use serde_json::Value;

use crate::harness::Sandbox;

/// 40 days of two services up to 2026-03-31, one of them with the given costs at the end.
fn with_last_days(last: &[f64]) -> Sandbox {
    let sandbox = Sandbox::new();
    let mut text = String::from("date,cost,account,service\n");
    let start: chrono::NaiveDate = "2026-02-20".parse().expect("a date");
    for index in 0..40 {
        let day = start + chrono::Days::new(index);
        let noise = (index * 7 % 5) as f64 - 2.0;
        let from_end = 40 - index as usize;
        let cost = last.len().checked_sub(from_end).map_or(100.0 + noise, |index| last[index]);
        if cost > 0.0 {
            text += &format!("{day},{cost},x,Moved\n");
        }
        text += &format!("{day},{},x,Steady\n", 50.0 - noise);
    }
    sandbox.write("a.csv", text);
    sandbox.ok(&["ingest", "a.csv", "--quiet"]);
    sandbox
}

fn findings(answer: &Value) -> Vec<String> {
    let findings = answer["findings"].as_array().expect("findings");
    let short = |finding: &Value| {
        format!(
            "{} {} {} {} {}",
            finding["group"]["service"].as_str().unwrap_or_default(),
            finding["kind"].as_str().unwrap_or_default(),
            finding["direction"].as_str().unwrap_or_default(),
            finding["severity"].as_str().unwrap_or_default(),
            finding["start_date"].as_str().unwrap_or_default()
        )
    };
    findings.iter().map(short).collect()
}

#[test]
fn a_spike_on_the_newest_settled_day() {
    // 2026-03-29 is settled on the 31st; the two days after it are not.
    let sandbox = with_last_days(&[180.0, 100.0, 100.0]);
    insta::assert_snapshot!(sandbox.run(&["anomalies", "--group-by", "service", "--as-of", "2026-03-31"]), @"
    1 anomaly on 2026-03-29 (2 series of net amortized cost, robust, threshold 2.5)

    severity  since       service  what      expected   actual   impact        %   in all  score  until
    critical  2026-03-29  Moved    point up   $100.00  $180.00  +$80.00  +80.0 %  +$80.00   26.2  going on

    why

    - c4aca1ff32fe Moved: 180.00 instead of 100.00 give or take 7.63 (the level of 28 days); score 26.2, threshold 2.5
    --- stderr
    note: only 37 days of data before 2026-03-29: 45 and more give better findings
    --- exit code 0
    ");
}

#[test]
fn nothing_to_report() {
    insta::assert_snapshot!(with_last_days(&[]).run(&["anomalies", "--group-by", "service", "--as-of", "2026-03-31"]), @"
    No anomalies on 2026-03-29 (2 series of net amortized cost, robust, threshold 2.5)
    --- stderr
    note: only 37 days of data before 2026-03-29: 45 and more give better findings
    --- exit code 0
    ");
}

#[test]
fn unsettled_days_are_not_judged() {
    let sandbox = with_last_days(&[500.0, 3.0]);
    let answer = sandbox.json(&["anomalies", "--group-by", "service", "--as-of", "2026-03-31", "--quiet"]);
    assert_eq!((findings(&answer), answer["settled_through"].as_str()), (vec![], Some("2026-03-29")));
    let later = sandbox.json(&[
        "anomalies",
        "--group-by",
        "service",
        "--as-of",
        "2026-03-31",
        "--from",
        "2026-03-20",
        "--to",
        "2026-03-31",
        "--quiet",
    ]);
    assert_eq!(later["judged"]["end"], "2026-03-29");
}

#[test]
fn a_service_that_stops_is_judged_though_it_has_no_row() {
    let sandbox = with_last_days(&[0.0, 0.0, 0.0]);
    let answer = sandbox.json(&["anomalies", "--group-by", "service", "--as-of", "2026-03-31", "--quiet"]);
    assert_eq!(findings(&answer), ["Moved stopped down critical 2026-03-29"]);
    assert_eq!(answer["findings"][0]["actual"], 0.0);
    let high_floor =
        sandbox.json(&["anomalies", "--group-by", "service", "--as-of", "2026-03-31", "--min-cost", "200", "--quiet"]);
    assert_eq!(findings(&high_floor), Vec::<String>::new());
}

#[test]
fn old_data_is_judged_as_of_its_newest_day_and_that_is_said() {
    // Long after, all but the last day of the data is settled.
    let sandbox = with_last_days(&[180.0, 100.0]);
    let run = sandbox.ok(&["anomalies", "--group-by", "service", "--as-of", "2026-05-01", "--format", "json"]);
    let answer: Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!((answer["as_of"].as_str(), answer["data_through"].as_str()), (Some("2026-05-01"), Some("2026-03-31")));
    assert_eq!(findings(&answer).len(), 1);
    assert!(run.stderr.contains("the newest data is of 2026-03-31, 31 days before 2026-05-01"), "{run}");
}

#[test]
fn a_range_is_judged_day_by_day_and_runs_are_merged() {
    let sandbox = with_last_days(&[180.0, 185.0, 100.0, 100.0, 100.0]);
    let run = sandbox.run(&[
        "anomalies",
        "--group-by",
        "service",
        "--as-of",
        "2026-03-31",
        "--from",
        "2026-03-15",
        "--filter",
        "service=Moved",
        "--quiet",
    ]);
    insta::assert_snapshot!(run, @"
    1 anomaly from 2026-03-15 to 2026-03-29 (1 series of net amortized cost, robust, threshold 2.5)

    severity  since       service  what      expected   actual   impact        %    in all  score  until
    critical  2026-03-27  Moved    point up   $100.00  $185.00  +$85.00  +85.0 %  +$165.00   27.8  2026-03-28

    why

    - 45773af87e7f Moved: 185.00 instead of 100.00 give or take 7.63 (the level of 28 days); score 27.8, threshold 2.5; 2 of
      2 days flagged
    --- exit code 0
    ");
}

#[test]
fn sensitivity_wins_over_the_configured_threshold() {
    let sandbox = with_last_days(&[113.0, 100.0, 100.0]);
    let flagged = |arguments: &[&str]| {
        let answer = sandbox
            .json(&[&["anomalies", "--group-by", "service", "--as-of", "2026-03-31", "--quiet"], arguments].concat());
        (findings(&answer).len(), answer["threshold"].as_f64().expect("a number"))
    };
    assert_eq!(flagged(&[]), (1, 2.5));
    assert_eq!(flagged(&["--sensitivity", "high"]).1, 2.0);
    sandbox.write("config.yaml", "anomaly: { z_score_threshold: 9.5 }\n");
    assert_eq!(flagged(&[]), (0, 9.5));
    assert_eq!(flagged(&["--sensitivity", "low"]), (1, 3.0));
}

#[test]
fn ids_are_stable_and_depend_on_what_is_found() {
    let sandbox = with_last_days(&[180.0, 100.0, 100.0]);
    let id = |arguments: &[&str]| {
        let answer = sandbox
            .json(&[&["anomalies", "--group-by", "service", "--as-of", "2026-03-31", "--quiet"], arguments].concat());
        answer["findings"][0]["id"].as_str().expect("an id").to_owned()
    };
    let first = id(&[]);
    assert_eq!(first, id(&["--sensitivity", "high"]));
    sandbox.ok(&["ingest", "a.csv", "--full-refresh", "--quiet"]);
    assert_eq!(first, id(&[]));
    let answer = sandbox.json(&["anomalies", "--group-by", "service+account", "--as-of", "2026-03-31", "--quiet"]);
    assert_ne!(first, answer["findings"][0]["id"].as_str().expect("an id"));
}

#[test]
fn exit_codes_tell_scripts() {
    let quiet = with_last_days(&[]);
    let loud = with_last_days(&[180.0, 100.0, 100.0]);
    let code = |sandbox: &Sandbox, arguments: &[&str]| {
        sandbox
            .run(&[&["anomalies", "--group-by", "service", "--as-of", "2026-03-31", "--quiet"], arguments].concat())
            .code
    };
    assert_eq!(code(&loud, &[]), 0);
    assert_eq!(code(&loud, &["--exit-code"]), 10);
    assert_eq!(code(&loud, &["--fail-on", "critical"]), 10);
    assert_eq!(code(&quiet, &["--exit-code"]), 0);
    assert_eq!(code(&loud, &["--days", "3"]), 2);
    assert_eq!(code(&loud, &["--drift-threshold", "-1"]), 2);
}

#[test]
fn scores_have_a_row_for_every_series_and_day() {
    let sandbox = with_last_days(&[180.0, 100.0, 100.0]);
    let arguments = [
        "anomalies",
        "--scores",
        "--as-of",
        "2026-03-31",
        "--from",
        "2026-03-28",
        "--to",
        "2026-03-29",
        "--group-by",
        "account+service",
        "--format",
        "csv",
        "--quiet",
    ];
    insta::assert_snapshot!(sandbox.run(&arguments), @"
    date,account,service,cost,expected,score,direction,flagged,kind,low,high
    2026-03-28,x,Moved,100,100,0,up,false,point,92.36907513190599,107.63092486809401
    2026-03-28,x,Steady,50,50,0,up,false,point,42.36907513190599,57.63092486809401
    2026-03-29,x,Moved,180,100,26.20914285714285,up,true,point,92.36907513190599,107.63092486809401
    2026-03-29,x,Steady,48,50,-0.6552285714285713,down,false,point,42.36907513190599,57.63092486809401
    --- exit code 0
    ");
}

#[test]
fn scores_of_a_day_do_not_depend_on_later_days() {
    let sandbox = with_last_days(&[180.0, 90.0, 300.0, 100.0, 100.0]);
    let scores = |to: &str| {
        let run = sandbox.ok(&[
            "anomalies",
            "--scores",
            "--as-of",
            "2026-03-31",
            "--from",
            "2026-03-05",
            "--to",
            to,
            "--format",
            "csv",
            "--quiet",
        ]);
        run.stdout
            .lines()
            .filter(|line| line.starts_with("2026-03-0") || line.starts_with("2026-03-1"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let early = scores("2026-03-19");
    assert_eq!(early.len(), 30);
    assert_eq!(early, scores("2026-03-29"));
}

#[test]
fn scores_of_a_day_do_not_depend_on_the_range_asked_for() {
    let sandbox = Sandbox::new();
    let mut text = String::from("date,cost,service\n2026-01-05,40,rare\n2026-03-29,40,rare\n");
    for day in chrono::NaiveDate::from_ymd_opt(2026, 1, 1).expect("a date").iter_days().take(90) {
        text += &format!("{day},{},steady\n", 10 + day.to_string().len());
    }
    sandbox.write("a.csv", text);
    sandbox.ok(&["ingest", "a.csv", "--quiet"]);
    let score = |from: &str| {
        let arguments = [
            "anomalies",
            "--scores",
            "--as-of",
            "2026-04-10",
            "--to",
            "2026-03-29",
            "--format",
            "csv",
            "--quiet",
            "--from",
        ];
        let run = sandbox.ok(&[&arguments[..], &[from]].concat());
        run.stdout.lines().find(|line| line.starts_with("2026-03-29,rare")).expect("a row").to_owned()
    };
    assert_eq!(score("2026-03-29"), score("2026-01-10"));
    assert!(score("2026-03-29").contains("up,"), "{}", score("2026-03-29"));
}

#[test]
fn findings_in_csv_and_markdown() {
    let sandbox = with_last_days(&[180.0, 100.0, 100.0]);
    for format in ["csv", "markdown"] {
        let run =
            sandbox.ok(&["anomalies", "--group-by", "service", "--as-of", "2026-03-31", "--format", format, "--quiet"]);
        assert!(run.stdout.contains("Moved") && run.stdout.contains("2026-03-29"), "{run}");
    }
    assert_eq!(sandbox.run(&["anomalies", "--scores", "--format", "markdown"]).code, 2);
}
