//! Bills that AWS and others wrote, against sums taken from the files directly. They are not part of this
//! repository; where they are missing the tests say so.

use serde_json::Value;

use crate::harness::{Sandbox, direct_numbers, shared};

fn cents(value: &Value) -> i64 {
    (value.as_f64().expect("a number") * 100.0).round() as i64
}

#[test]
fn the_legacy_report_of_2018_is_right_to_the_cent() {
    let Some(sandbox) = Sandbox::with_real("cur_v1_parquet") else { return };
    assert_eq!(sandbox.number("SELECT count(*) FROM cost_line_items"), 334_911.0);
    let months = |metric: &str| -> Vec<i64> {
        let arguments =
            ["trends", "--from", "2018-10-01", "--to", "2018-12-31", "--granularity", "monthly", "--quiet", "--metric"];
        let answer = sandbox.json(&[&arguments[..], &[metric]].concat());
        answer["periods"].as_array().expect("periods").iter().map(|period| cents(&period["total"])).collect()
    };
    assert_eq!(months("unblended"), [406_448, 350_533, 40_838]);
    assert_eq!(months("amortized"), [419_596, 363_256, 53_985]);
    let accounts = sandbox.rows("SELECT DISTINCT usage_account_id AS id FROM cost_line_items ORDER BY 1");
    assert_eq!(accounts[0]["id"], "011254002932");
    let missing =
        sandbox.number("SELECT count(*) FROM cost_line_items WHERE region IS NULL OR product_code = 'unknown'");
    assert_eq!(missing, 0.0);
}

#[test]
fn aws_glue_doubled_on_2018_10_10() {
    let Some(sandbox) = Sandbox::with_real("cur_v1_parquet") else { return };
    let answer = sandbox.json(&[
        "anomalies",
        "--group-by",
        "service",
        "--as-of",
        "2018-10-13",
        "--sensitivity",
        "medium",
        "--quiet",
    ]);
    let glue = &answer["findings"][0];
    assert_eq!((glue["group"]["service"].as_str(), glue["direction"].as_str()), (Some("AWSGlue"), Some("up")));
    assert_eq!((cents(&glue["expected"]), cents(&glue["actual"])), (5_286, 10_571));
    let since = sandbox.json(&[
        "anomalies",
        "--group-by",
        "service",
        "--as-of",
        "2018-10-13",
        "--from",
        "2018-10-05",
        "--quiet",
    ]);
    assert_eq!(since["findings"][0]["peak_date"], "2018-10-10");
}

/// All that detection says of three real months; docs/ANOMALIES.md has a verdict on each line.
#[test]
fn the_findings_of_the_2018_bill() {
    let Some(sandbox) = Sandbox::with_real("cur_v1_parquet") else { return };
    let arguments =
        ["anomalies", "--metric", "amortized", "--as-of", "2018-12-31", "--from", "2018-10-01", "--top", "0"];
    let run = sandbox.run(&[&arguments[..], &["--group-by", "service", "--quiet"]].concat());
    insta::assert_snapshot!(run, @"
    8 anomalies from 2018-10-01 to 2018-12-29 (17 series of amortized cost, robust, threshold 2.5)

    severity  since       service    what              expected   actual   impact         %      in all  score  until
    critical  2018-11-21  AWSGlue    stopped down        $98.47    $0.00  -$98.47  -100.0 %  -$1,372.27  -20.3  normal now
    critical  2018-10-10  AWSGlue    level shift up      $52.86  $105.71  +$52.85  +100.0 %    +$527.65   20.0  normal now
    critical  2018-11-24  AmazonRDS  level shift down    $30.05    $0.01  -$30.04  -100.0 %    -$394.39  -66.7  normal now
    warning   2018-11-24  AmazonEC2  level shift down    $31.05   $14.25  -$16.80   -54.1 %    -$220.51  -13.5  normal now
    warning   2018-10-16  AmazonEC2  level shift up      $23.66   $28.69   +$5.03   +21.3 %     +$62.60    4.3  normal now
    critical  2018-10-27  AWSGlue    point up            $78.22   $98.40  +$20.19   +25.8 %     +$38.05    5.2  2018-10-28
    warning   2018-10-16  AWSGlue    point down          $52.86   $40.82  -$12.04   -22.8 %     -$19.08   -4.6  2018-10-17
    warning   2018-10-09  AmazonEC2  point up            $23.66   $27.66   +$4.00   +16.9 %      +$4.00    3.4  2018-10-09

    why

    - 6a57a9869521 AWSGlue: median of 7 days 0.00 against 98.47 before, -100 %, weekdays evened out; score -20.3, threshold
      2.5; 14 of 14 days flagged; taken as normal from 2018-12-05 on
    - 50312d5ab911 AWSGlue: 105.71 instead of 52.86 give or take 6.61 (the level of 9 days); score 20.0, threshold 2.5; 14
      of 17 days flagged; taken as normal from 2018-10-27 on
    - 68a3070048d4 AmazonRDS: 0.01 instead of 30.05 give or take 1.13 (the level of 28 days); score -66.7, threshold 2.5; 14
      of 14 days flagged; taken as normal from 2018-12-08 on
    - e70b7f6b5fc3 AmazonEC2: median of 7 days 14.25 against 31.05 before, -54 %, weekdays evened out; score -13.5,
      threshold 2.5; 14 of 15 days flagged; taken as normal from 2018-12-09 on
    - acda2bf35c59 AmazonEC2: 28.69 instead of 23.66 give or take 2.96 (the level of 9 days); score 4.3, threshold 2.5; 13
      of 14 days flagged; taken as normal from 2018-10-30 on
    - ddf5cb9e3700 AWSGlue: 98.40 instead of 78.22 give or take 9.78 (the level of 7 days); score 5.2, threshold 2.5; 2 of 2
      days flagged
    - fcf4956efda9 AWSGlue: 40.82 instead of 52.86 give or take 6.61 (the level of 9 days); score -4.6, threshold 2.5; 2 of
      2 days flagged
    - 4e2c3cf65629 AmazonEC2: 27.66 instead of 23.66 give or take 2.96 (the level of 8 days); score 3.4, threshold 2.5
    --- exit code 0
    ");
}

/// docs/EXPLAIN.md shows what the program says of the three changes that matter.
#[test]
fn the_worked_example_of_an_explanation_is_what_the_program_says() {
    let Some(sandbox) = Sandbox::with_real("cur_v1_parquet") else { return };
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/EXPLAIN.md")).expect("the page");
    for (service, date) in [("AWSGlue", "2018-10-10"), ("AmazonRDS", "2018-11-25"), ("AmazonEC2", "2018-11-24")] {
        let arguments =
            ["explain", "--service", service, "--date", date, "--as-of", "2018-12-31", "--metric", "amortized"];
        let said = sandbox.ok(&[&arguments[..], &["--quiet"]].concat()).stdout;
        assert!(page.contains(&format!("{}\n{said}```", arguments.join(" "))), "docs/EXPLAIN.md is not this:\n{said}");
    }
}

/// The same at every level, one incident for each event.
#[test]
fn the_incidents_of_the_2018_bill() {
    let Some(sandbox) = Sandbox::with_real("cur_v1_parquet") else { return };
    let arguments = ["anomalies", "--metric", "amortized", "--as-of", "2018-12-31", "--from", "2018-10-01", "--quiet"];
    insta::assert_snapshot!(sandbox.run(&arguments), @"
    11 anomalies from 2018-10-01 to 2018-12-29 (359 series at 6 levels of amortized cost, robust, threshold 2.5)

    id            severity  since       where                         what              expected   actual   impact         %
    e1214fa64f1f  critical  2018-11-21  AWSGlue / 836060457634        stopped down        $98.47    $0.00  -$98.47  -100.0 %
    f88ff11da332  critical  2018-10-10  AWSGlue / 836060457634        level shift up      $52.86  $105.71  +$52.85  +100.0 %
    89a76801968a  critical  2018-11-24  AmazonRDS / 836060457634      level shift down    $30.05    $0.01  -$30.04  -100.0 %
    fe407c68d040  warning   2018-11-21  AmazonEC2 / 836060457634      level shift down    $28.95   $13.12  -$15.83   -54.7 %
    90108804ae4c  warning   2018-11-21  Ama…EC2 / BoxUsage:m4.xlarge  stopped down         $4.80    $0.00   -$4.80  -100.0 %
    4490e27985c3  warning   2018-10-29  Amaz…EC2 / BoxUsage:t2.large  level shift up       $1.41    $5.87   +$4.46  +315.6 %
    095c82c0c626  critical  2018-10-27  AWSGlue / 836060457634        point up            $78.22   $98.40  +$20.19   +25.8 %
    0c2f338913d9  warning   2018-10-11  AmazonEC2 / 011254002932      level shift up       $1.35    $3.59   +$2.24  +165.6 %
    238dea310fcd  warning   2018-10-16  AWSGlue / 836060457634        point down          $52.86   $40.82  -$12.04   -22.8 %
    5e15fc0bfa66  warning   2018-12-05  Amaz…EC2 / BoxUsage:t2.micro  level shift down     $2.88    $0.56   -$2.32   -80.7 %
    d8b58abdb3b1  warning   2018-10-09  AmazonEC2 / 836060457634      point up            $22.30   $26.26   +$3.96   +17.7 %

    why

    - e1214fa64f1f AWSGlue / 836060457634: median of 7 days 0.00 against 98.47 before, -100 %, weekdays evened out; score
      -20.3, threshold 2.5; 14 of 14 days flagged; taken as normal from 2018-12-05 on
    - f88ff11da332 AWSGlue / 836060457634: 105.71 instead of 52.86 give or take 6.61 (the level of 9 days); score 20.0,
      threshold 2.5; 14 of 17 days flagged; taken as normal from 2018-10-27 on
    - 89a76801968a AmazonRDS / 836060457634: 0.01 instead of 30.05 give or take 1.13 (the level of 28 days); score -66.7,
      threshold 2.5; 14 of 14 days flagged; taken as normal from 2018-12-08 on
    - fe407c68d040 AmazonEC2 / 836060457634: median of 7 days 13.12 against 28.95 before, -55 %, weekdays evened out; score
      -13.7, threshold 2.5; 5 of 18 days flagged; taken as normal from 2018-12-09 on
    - 90108804ae4c AmazonEC2 / BoxUsage:m4.xlarge: 0.00 instead of 4.80 give or take 0.18 (the level of 28 days); score
      -66.7, threshold 2.5; 13 of 16 days flagged; taken as normal from 2018-12-07 on
    - 4490e27985c3 AmazonEC2 / BoxUsage:t2.large: 5.87 instead of 1.41 give or take 0.18 (the level of 14 days); score 63.1,
      threshold 2.5; 13 of 15 days flagged; taken as normal from 2018-11-13 on
    - 095c82c0c626 AWSGlue / 836060457634: 98.40 instead of 78.22 give or take 9.78 (the level of 7 days); score 5.2,
      threshold 2.5; 2 of 2 days flagged
    - 0c2f338913d9 AmazonEC2 / 011254002932: 3.59 instead of 1.35 give or take 0.17 (the level of 9 days); score 33.1,
      threshold 2.5; 13 of 13 days flagged; taken as normal from 2018-10-24 on
    - 238dea310fcd AWSGlue / 836060457634: 40.82 instead of 52.86 give or take 6.61 (the level of 9 days); score -4.6,
      threshold 2.5; 2 of 2 days flagged
    - 5e15fc0bfa66 AmazonEC2 / BoxUsage:t2.micro: 0.56 instead of 2.88 give or take 0.36 (the level of 9 days); score -16.1,
      threshold 2.5; 7 of 8 days flagged; taken as normal from 2018-12-13 on
    - d8b58abdb3b1 AmazonEC2 / 836060457634: 26.26 instead of 22.30 give or take 2.79 (the level of 8 days); score 3.5,
      threshold 2.5
    --- exit code 0
    ");
}

#[test]
fn both_layouts_of_the_cur2_export_hold_the_same() {
    let Some(folder) = shared("cur_v2") else { return };
    let mut summaries = Vec::new();
    for layout in ["create_new_csv", "overwrite_parquet"] {
        let sandbox = Sandbox::new();
        sandbox.ok(&["ingest", &format!("{folder}/{layout}"), "--quiet"]);
        assert_eq!(sandbox.number("SELECT count(*) FROM cost_line_items"), 1_882.0);
        assert_eq!(sandbox.number("SELECT count(*) FROM cost_line_items WHERE region IS NULL"), 0.0);
        let answer = sandbox.json(&[
            "trends",
            "--from",
            "2026-04-01",
            "--to",
            "2026-04-30",
            "--granularity",
            "monthly",
            "--group-by",
            "account",
            "--quiet",
        ]);
        assert_eq!(answer["groups"][0]["group"]["account"], "111122223333");
        assert_eq!((cents(&answer["periods"][0]["total"]), cents(&answer["periods"][0]["credits"])), (4_768, -4_768));
        assert_eq!(cents(&answer["hidden_by_credits"]["net"]), 0);
        summaries.push(sandbox.rows(
            "SELECT usage_date, usage_account_id, product_code, region, charge_category, round(unblended_cost, 9) AS cost, \
             round(list_cost, 9) AS list, line_item_count FROM daily_cost_summary ORDER BY ALL",
        ));
    }
    assert!(summaries[0].len() > 100);
    assert_eq!(summaries[0], summaries[1]);
}

#[test]
fn every_focus_file_keeps_its_sums() {
    for folder in ["focus_1_0", "focus_1_2", "focus_spec_scenarios"] {
        let Some(folder) = shared(folder) else { return };
        let mut files: Vec<String> = Vec::new();
        for pattern in ["*.csv", "*/*.csv"] {
            let found = glob::glob(&format!("{folder}/{pattern}")).expect("a pattern");
            files.extend(found.map(|path| path.expect("a path").to_string_lossy().into_owned()));
        }
        assert!(!files.is_empty());
        for file in files {
            let sandbox = Sandbox::new();
            sandbox.ok(&["ingest", &file, "--quiet"]);
            let expected = direct_numbers(
                &format!(
                    "SELECT sum(TRY_CAST(\"BilledCost\" AS DOUBLE)), sum(TRY_CAST(\"EffectiveCost\" AS DOUBLE)), count(*)::DOUBLE \
                     FROM read_csv('{file}', all_varchar = true, null_padding = true) WHERE \"BilledCost\" IS NOT NULL"
                ),
                3,
            );
            let stored = |column: &str| sandbox.number(&format!("SELECT {column} FROM cost_line_items"));
            assert!((stored("sum(unblended_cost)") - expected[0]).abs() < 1e-6, "{file}");
            assert!((stored("sum(net_amortized_cost)") - expected[1]).abs() < 1e-6, "{file}");
            assert_eq!(stored("count(*)"), expected[2], "{file}");
        }
    }
}

#[test]
fn providers_are_told_apart() {
    let (Some(first), Some(second)) = (shared("focus_1_0"), shared("focus_1_2")) else { return };
    let sandbox = Sandbox::new();
    sandbox.ok(&["ingest", &first, &second, "--quiet"]);
    let rows = sandbox.rows("SELECT provider, count(*) AS lines FROM cost_line_items GROUP BY 1 ORDER BY 1");
    let lines: Vec<String> =
        rows.iter().map(|row| format!("{} {}", row["provider"].as_str().unwrap_or_default(), row["lines"])).collect();
    assert_eq!(lines, ["AWS 1942", "Google Cloud 1000", "Microsoft 1051", "Oracle 7"]);
}

/// The specification's own scenarios: covered usage is billed nothing, a commitment's purchase costs
/// nothing in the effective view.
#[test]
fn commitment_scenarios_of_the_focus_specification() {
    let Some(folder) = shared("focus_spec_scenarios") else { return };
    let sandbox = Sandbox::new();
    // Each scenario is another course of the same days.
    sandbox.ok(&["ingest", &folder, "--add", "--quiet"]);
    let query = "SELECT sum(net_amortized_cost) FROM cost_line_items WHERE charge_category = 'Purchase'";
    assert_eq!(sandbox.number(query), 0.0);
    let query = "SELECT sum(unblended_cost) FROM cost_line_items WHERE charge_category = 'Usage' AND purchase_option = 'Reserved'";
    assert_eq!(sandbox.number(query), 0.0);
}

#[test]
fn manifests_without_their_files_are_refused_by_name() {
    let Some(folder) = shared("manifests") else { return };
    let run = Sandbox::new().run(&[
        "ingest",
        &format!("{folder}/cur1_manifest.json"),
        &format!("{folder}/cur2_manifest.json"),
        "--quiet",
    ]);
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("20240101-20240131/MockTestReport-00001.csv.zip"), "{run}");
    assert!(run.stderr.contains("BILLING_PERIOD=2024-09/MockTestReportV2-00001.csv.gz"), "{run}");
}
