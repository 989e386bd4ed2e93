//! Bills as people have them: twice, in parts, in several versions, under the name of last month's. Whatever comes,
//! no line counts twice and none is lost with exit code 0.

use std::io::Write;

use proptest::{prelude::*, test_runner::Config};

use crate::{
    harness::{Run, Sandbox, direct},
    replacement::total,
};

const HEADER: &str = "date,cost,account,service,resource\n";

/// `cost` a day for each day of a month, of one account.
fn days(month: u32, days: std::ops::RangeInclusive<u32>, cost: f64, account: &str) -> String {
    days.map(|day| format!("2026-{month:02}-{day:02},{cost},{account},compute,i-{account}\n")).collect()
}

fn write(sandbox: &Sandbox, name: &str, lines: &str) {
    sandbox.write(name, format!("{HEADER}{lines}"));
}

fn ingest(sandbox: &Sandbox, more: &[&str]) -> Run {
    sandbox.run(&[&["ingest", "--data-source", "vendor", "--quiet"], more].concat())
}

fn gzip(text: &str) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(text.as_bytes()).expect("gzip");
    gzip.finish().expect("gzip")
}

#[test]
fn the_same_bill_under_two_names_counts_once() {
    let sandbox = Sandbox::new();
    let bill = days(6, 1..=30, 10.0, "1");
    write(&sandbox, "bills/bill.csv", &bill);
    write(&sandbox, "bills/bill (1).csv", &bill);
    insta::assert_snapshot!(ingest(&sandbox, &["bills", "--format", "markdown"]), @"
    | period | format | provider | payer | files | rows | days | unblended | blended | amortized | net unblended | net amortized | list | credits in it |
    | --- | --- | --- | --- | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
    | 2026-06 | csv | vendor | vendor | 1 | 30 | 2026-06-01..06-30 | $300.00 | - | $300.00 | $300.00 | $300.00 | - | $0.00 |

    30 rows ingested
    no currency: amounts are taken as USD
    no region: every region is `global`
    no usage_type: no breakdown by usage type
    counted once: `[DIR]/bills/bill (1).csv` has the same lines as `[DIR]/bills/bill.csv` (2026-06, 30 rows left out)
    --- exit code 0
    ");
    assert_eq!(total(&sandbox), 300.0);
    let again = ingest(&sandbox, &["bills"]);
    assert!(again.stdout.starts_with("unchanged:"), "{again}");
    // Ingested later under a third name it is there already.
    write(&sandbox, "copy.csv", &bill);
    insta::assert_snapshot!(ingest(&sandbox, &["copy.csv"]), @"
    counted once: `[DIR]/copy.csv` has the same lines as `[DIR]/bills/bill.csv` (2026-06, 30 rows left out)
    --- exit code 0
    ");
    assert_eq!(total(&sandbox), 300.0);
}

#[test]
fn packed_beside_unpacked_and_csv_beside_parquet_count_once() {
    let sandbox = Sandbox::new();
    let text = format!("{HEADER}{}", days(6, 1..=30, 10.0, "1"));
    sandbox.write("bills/june.csv", &text);
    sandbox.write("bills/june.csv.gz", gzip(&text));
    direct(&format!(
        "COPY (FROM read_csv('{0}/june.csv', types = {{'account': 'VARCHAR'}})) TO '{0}/june.parquet' (FORMAT parquet)",
        sandbox.path("bills").display()
    ));
    let run = ingest(&sandbox, &["bills"]);
    assert_eq!((run.code, total(&sandbox)), (0, 300.0), "{run}");
    assert_eq!(run.stdout.matches("counted once").count(), 2, "{run}");
}

#[test]
fn of_loads_that_each_append_to_the_one_before_the_newest_counts() {
    let sandbox = Sandbox::new();
    for (name, last) in [("load-4.csv", 8), ("load-1.csv", 2), ("load-3.csv", 6), ("load-2.csv", 4)] {
        write(&sandbox, &format!("loads/{name}"), &days(6, 1..=last, 10.0, "1"));
    }
    let run = ingest(&sandbox, &["loads"]);
    assert_eq!((run.code, total(&sandbox)), (0, 80.0), "{run}");
    assert!(run.stdout.contains("loads/load-1.csv` has no line that is not in"), "{run}");
    // One after the other, each replaces the one before.
    let one_by_one = Sandbox::new();
    for (name, last) in [("load-1.csv", 2), ("load-2.csv", 4), ("load-3.csv", 6)] {
        write(&one_by_one, name, &days(6, 1..=last, 10.0, "1"));
        assert_eq!(ingest(&one_by_one, &[name]).code, 0);
    }
    assert_eq!(total(&one_by_one), 60.0);
}

#[test]
fn parts_of_a_month_one_by_one_are_not_versions_of_it() {
    let sandbox = Sandbox::new();
    write(&sandbox, "part1.csv", &days(5, 1..=10, 10.0, "1"));
    write(&sandbox, "part2.csv", &days(5, 11..=20, 20.0, "1"));
    write(&sandbox, "part3.csv", &days(5, 21..=31, 30.0, "1"));
    assert_eq!(ingest(&sandbox, &["part1.csv"]).code, 0);
    insta::assert_snapshot!(ingest(&sandbox, &["part2.csv"]), @"
    --- stderr
    error: cannot ingest `part2.csv`
      caused by: it is a part of 2026-05, no new version of it: it brings 2026-05-11..05-20, and lacks 2026-05-01..05-10 that came from `[DIR]/part1.csv`
      caused by: replacing that ($100.00) would lose money
    hint: take them together: `aws-cost-anomalies ingest [DIR]/part1.csv part2.csv`
    hint: or count it beside what is stored: `--add`; `--full-refresh` replaces what is stored
    --- exit code 1
    ");
    assert_eq!(total(&sandbox), 100.0);
    assert_eq!(ingest(&sandbox, &["part2.csv", "--add"]).code, 0);
    assert_eq!(ingest(&sandbox, &["part3.csv", "--add"]).code, 0);
    assert_eq!(total(&sandbox), 630.0);
    // Added again, nothing is counted again; restated, a part replaces itself and no other.
    for _ in 0..2 {
        assert_eq!(ingest(&sandbox, &["part2.csv", "--add"]).code, 0);
    }
    write(&sandbox, "part2.csv", &days(5, 11..=20, 21.0, "1"));
    assert_eq!(ingest(&sandbox, &["part2.csv"]).code, 0);
    assert_eq!(total(&sandbox), 640.0);

    let together = Sandbox::new();
    for (name, from, to) in [("part1.csv", 1, 10), ("part2.csv", 11, 20), ("part3.csv", 21, 31)] {
        write(&together, name, &days(5, from..=to, 10.0, "1"));
    }
    assert_eq!(ingest(&together, &["part1.csv"]).code, 0);
    assert_eq!(ingest(&together, &["part1.csv", "part2.csv", "part3.csv"]).code, 0);
    assert_eq!(total(&together), 310.0);
}

#[test]
fn parts_by_account_and_by_line_are_told_from_versions_too() {
    let line = |day: u32, account: &str, resource: &str| format!("2026-05-{day:02},5,{account},compute,{resource}\n");
    let by_line = Sandbox::new();
    let half = |odd: u32| {
        (0..40).filter(|i| i % 2 == odd).map(|i| line(1 + i % 10, "1", &format!("i-{i}"))).collect::<String>()
    };
    write(&by_line, "half1.csv", &half(0));
    write(&by_line, "half2.csv", &half(1));
    assert_eq!(ingest(&by_line, &["half1.csv"]).code, 0);
    let run = ingest(&by_line, &["half2.csv"]);
    assert!(run.code == 1 && run.stderr.contains("it is a part of 2026-05, no new version of it"), "{run}");
    assert_eq!(ingest(&by_line, &["half1.csv", "half2.csv"]).code, 0);
    assert_eq!(total(&by_line), 200.0);

    let by_account = Sandbox::new();
    write(&by_account, "a.csv", &(line(1, "1", "x") + &line(1, "2", "y")));
    write(&by_account, "b.csv", &(line(1, "2", "y") + &line(1, "3", "z")));
    assert_eq!(ingest(&by_account, &["a.csv"]).code, 0);
    let run = ingest(&by_account, &["b.csv"]);
    assert!(run.code == 1 && run.stderr.contains("it lacks the account 1"), "{run}");
    assert_eq!(total(&by_account), 10.0);
}

#[test]
fn the_next_month_under_the_same_file_name_leaves_the_month_before() {
    let sandbox = Sandbox::new();
    write(&sandbox, "report.csv", &days(5, 1..=31, 10.0, "1"));
    assert_eq!(ingest(&sandbox, &["report.csv"]).code, 0);
    write(&sandbox, "report.csv", &days(6, 1..=28, 10.0, "1"));
    insta::assert_snapshot!(ingest(&sandbox, &["report.csv"]), @"
    period   format  provider  payer   files  rows  days               unblended  amortized  net amortized  credits in it
    2026-06  csv     vendor    vendor      1    28  2026-06-01..06-28    $280.00    $280.00        $280.00          $0.00

    28 rows ingested
    no currency: amounts are taken as USD
    no region: every region is `global`
    no usage_type: no breakdown by usage type
    2026-05: 31 rows of a former `[DIR]/report.csv` stay, though the file does not have that month any more; `--full-refresh` removes them
    --- exit code 0
    ");
    assert_eq!(total(&sandbox), 590.0);
    // The next week of the same month under that name is a part, not a version.
    write(&sandbox, "report.csv", &days(6, 29..=30, 10.0, "1"));
    let run = ingest(&sandbox, &["report.csv"]);
    assert_eq!((run.code, total(&sandbox)), (1, 590.0), "{run}");
    assert_eq!(ingest(&sandbox, &["report.csv", "--add"]).code, 0);
    assert_eq!(total(&sandbox), 610.0);
    write(&sandbox, "report.csv", &days(6, 1..=30, 11.0, "1"));
    assert_eq!(ingest(&sandbox, &["report.csv", "--full-refresh"]).code, 0);
    assert_eq!(total(&sandbox), 330.0, "by force, the file is all that there is of it");
}

#[test]
fn a_restated_month_under_the_same_name_replaces_it_and_a_shrunk_one_does_not() {
    let sandbox = Sandbox::new();
    write(&sandbox, "report.csv", &days(5, 1..=20, 10.0, "1"));
    assert_eq!(ingest(&sandbox, &["report.csv"]).code, 0);
    write(&sandbox, "report.csv", &days(5, 1..=31, 11.0, "1"));
    assert_eq!(ingest(&sandbox, &["report.csv"]).code, 0);
    assert_eq!(total(&sandbox), 341.0);
    write(&sandbox, "report.csv", &days(5, 1..=4, 11.0, "1"));
    insta::assert_snapshot!(ingest(&sandbox, &["report.csv"]), @"
    --- stderr
    error: cannot ingest `report.csv`
      caused by: it lacks 2026-05-05..05-31 that `[DIR]/report.csv` brought of 2026-05
      caused by: replacing that ($341.00) would lose money, keeping both would count the rest twice
    hint: ingest the whole month; `--full-refresh` replaces what is stored by this file all the same
    --- exit code 1
    ");
    assert_eq!(total(&sandbox), 341.0);
}

#[test]
fn two_versions_of_a_month_in_one_folder_count_once() {
    let sandbox = Sandbox::new();
    write(&sandbox, "bills/may-early.csv", &days(5, 1..=16, 10.0, "1"));
    write(
        &sandbox,
        "bills/may-final.csv",
        &(days(5, 1..=15, 10.0, "1") + &days(5, 16..=31, 10.0, "1").replacen("10", "9.5", 2)),
    );
    let run = ingest(&sandbox, &["bills"]);
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(total(&sandbox), 309.0, "{run}");
    assert!(run.stdout.contains("may-early.csv` is an earlier version of"), "{run}");
}

#[test]
fn versions_of_the_same_days_at_other_costs_are_for_the_user_to_choose() {
    let sandbox = Sandbox::new();
    write(&sandbox, "bills/v1.csv", &days(5, 1..=31, 10.0, "1"));
    write(&sandbox, "bills/v2.csv", &days(5, 1..=31, 11.0, "1"));
    insta::assert_snapshot!(ingest(&sandbox, &["bills"]), @"
    --- stderr
    error: cannot ingest `bills/v1.csv` and 1 more of the same period
      caused by: `[DIR]/bills/v1.csv` and `[DIR]/bills/v2.csv` hold the same lines of 2026-05
      caused by: counting both would count money twice, and nothing says which is the newer: they have the same days, and other costs or lines
    hint: name only the newer one, or cut the days out of one that the other has
    hint: if they are different money all the same (say, of two vendors), `--add` counts both
    --- exit code 1
    ");
    assert_eq!(ingest(&sandbox, &["bills", "--add"]).code, 0);
    assert_eq!(total(&sandbox), 651.0, "the user says that they are different money");
}

#[test]
fn exports_that_overlap_by_some_days_are_refused() {
    let sandbox = Sandbox::new();
    write(&sandbox, "a.csv", &days(5, 1..=15, 10.0, "1"));
    write(&sandbox, "b.csv", &days(5, 14..=31, 10.0, "1"));
    let run = ingest(&sandbox, &["a.csv", "b.csv"]);
    assert!(run.code == 1 && run.stderr.contains("each also has days or accounts that the other lacks"), "{run}");
    assert_eq!(ingest(&sandbox, &["a.csv"]).code, 0);
    let run = ingest(&sandbox, &["b.csv"]);
    assert!(run.code == 1 && run.stderr.contains("it lacks 2026-05-01..05-13 that"), "{run}");
    assert_eq!(total(&sandbox), 150.0);
}

const FOCUS: &str =
    "ChargePeriodStart,BilledCost,EffectiveCost,ChargeCategory,BillingAccountId,SubAccountId,ServiceName,ResourceId";

/// A run of Azure's month to date export: its parts in a folder of the run's own.
fn azure_run(sandbox: &Sandbox, run: &str, parts: u32, last_day: u32) {
    for part in 0..parts {
        let lines = (1..=last_day)
            .flat_map(|day| (0..6).map(move |vm| (day, vm)))
            .filter(|(day, vm)| (day * 7 + vm) % parts == part);
        let lines =
            lines.map(|(day, vm)| format!("2026-05-{day:02}T00:00:00Z,1,1,Usage,B,S,Virtual Machines,vm-{vm}\n"));
        let text = format!("{FOCUS}\n{}", lines.collect::<String>());
        sandbox.write(&format!("azure/export/20260501-20260531/{run}/part_{part}_0001.csv"), text);
    }
    sandbox.write(&format!("azure/export/20260501-20260531/{run}/manifest.json"), "{}");
}

#[test]
fn month_to_date_runs_two_folders_deep_count_once() {
    let sandbox = Sandbox::new();
    for (run, parts, last_day) in
        [("202605110600/3f2a", 1, 10), ("202605210600/aa01", 2, 20), ("202605310600/07bc", 3, 30)]
    {
        azure_run(&sandbox, run, parts, last_day);
    }
    let run = sandbox.run(&["ingest", "azure", "--quiet"]);
    assert_eq!((run.code, total(&sandbox)), (0, 180.0), "{run}");
    assert_eq!(run.stdout.matches("counted once").count(), 2, "{run}");
}

#[test]
fn a_bill_restated_in_a_newer_version_of_focus_replaces_the_older() {
    let sandbox = Sandbox::new();
    let rows = |seller: &str| {
        format!(
            "2026-05-01T00:00:00Z,10,10,Usage,111,222,EC2,i-1,AWS\n2026-05-01T00:00:00Z,5,5,Usage,111,222,Databricks,d-1,{seller}\n"
        )
    };
    sandbox.write("v1.csv", format!("{FOCUS},ProviderName\n{}", rows("AWS")));
    sandbox.ok(&["ingest", "v1.csv"]);
    sandbox.write(
        "v13.csv",
        format!("{FOCUS},ServiceProviderName\n{}", rows("Databricks Inc.").replace(",5,5,", ",6,6,")),
    );
    sandbox.ok(&["ingest", "v13.csv"]);
    assert_eq!(total(&sandbox), 16.0);
}

#[test]
fn a_bill_in_hours_and_in_days_is_one() {
    let sandbox = Sandbox::new();
    let line = |time: &str, cost: f64| format!("{time},{cost},{cost},Usage,B,S,EC2,i-1\n");
    let hourly: String = (1..=9)
        .flat_map(|day| (0..4).map(move |hour| line(&format!("2026-05-{day:02}T{hour:02}:00:00Z"), f64::from(day))))
        .collect();
    let daily: String = (1..=9).map(|day| line(&format!("2026-05-{day:02}T00:00:00Z"), 4.0 * f64::from(day))).collect();
    sandbox.write("hourly.csv", format!("{FOCUS}\n{hourly}"));
    sandbox.write("daily.csv", format!("{FOCUS}\n{daily}"));
    let both = sandbox.run(&["ingest", "hourly.csv", "daily.csv", "--quiet"]);
    assert!(both.code == 1 && both.stderr.contains("counting both would count money twice"), "{both}");
    sandbox.ok(&["ingest", "hourly.csv"]);
    sandbox.ok(&["ingest", "daily.csv"]);
    assert_eq!(total(&sandbox), 180.0);
}

#[test]
fn a_file_without_rows_beside_good_ones_is_no_failure() {
    let sandbox = Sandbox::new();
    write(&sandbox, "bills/a.csv", &days(5, 1..=2, 10.0, "1"));
    write(&sandbox, "bills/empty.csv", "");
    let run = ingest(&sandbox, &["bills"]);
    assert!(run.code == 0 && run.stdout.contains("no rows below the header: bills/empty.csv"), "{run}");
    assert_eq!(total(&sandbox), 20.0);
    // One that had rows is another matter.
    write(&sandbox, "bills/a.csv", &days(5, 1..=2, 11.0, "1"));
    write(&sandbox, "bills/empty.csv", &days(6, 1..=2, 1.0, "1"));
    assert_eq!(ingest(&sandbox, &["bills"]).code, 0);
    write(&sandbox, "bills/empty.csv", "");
    let run = ingest(&sandbox, &["bills"]);
    assert_eq!((run.code, total(&sandbox)), (1, 24.0), "{run}");
}

#[test]
fn ninety_one_replaced_files_are_one_line() {
    let sandbox = Sandbox::new();
    let line = |index: u32, cost: f64| format!("2026-05-{:02},{cost},1,compute,i-{index}\n", 1 + index % 31);
    for index in 0..91 {
        write(&sandbox, &format!("bills/{index:02}.csv"), &line(index, 1.0));
    }
    assert_eq!(ingest(&sandbox, &["bills"]).code, 0);
    assert_eq!(total(&sandbox), 91.0);
    write(&sandbox, "whole.csv", &(0..91).map(|index| line(index, 2.0)).collect::<String>());
    let run = ingest(&sandbox, &["whole.csv"]);
    assert_eq!((run.code, total(&sandbox)), (0, 182.0), "{run}");
    assert_eq!(run.stdout.matches("replaced what came from").count(), 1, "{run}");
    assert!(run.stdout.contains("replaced what came from 91 files, such as"), "{run}");
}

#[test]
fn a_manifest_beside_the_unpacked_file_says_which_to_name() {
    let sandbox = Sandbox::new();
    let folder = "report/20260501-20260601";
    sandbox.write(&format!("{folder}/report-1.csv"), "lineItem/UsageStartDate\n");
    let manifest = serde_json::json!({
        "assemblyId": "a", "account": "1", "reportName": "report", "billingPeriod": {"start": "20260501T000000.000Z"},
        "reportKeys": [format!("{folder}/report-1.csv.gz")],
    });
    sandbox.write(&format!("{folder}/report-Manifest.json"), manifest.to_string());
    insta::assert_snapshot!(sandbox.run(&["ingest", "report"]), @"
    --- stderr
    error: a file that a manifest names is missing: `report/20260501-20260601/report-1.csv.gz`
      caused by: named by `report/20260501-20260601/report-Manifest.json`
    hint: ingest the csv by name: `aws-cost-anomalies ingest report/20260501-20260601/report-1.csv`
    --- exit code 1
    ");
}

/// Lines of a month whose resource is their own.
fn lines() -> impl Strategy<Value = Vec<(u32, u8, i64)>> {
    prop::collection::vec((1u32..29, 0u8..3, 1i64..100_000), 4..40)
}

proptest! {
    #![proptest_config(Config { cases: 5, failure_persistence: None, ..Config::default() })]

    #[test]
    fn however_a_month_is_cut_and_repeated_its_sum_is_the_same(lines in lines(), cuts in prop::collection::vec(0usize..4, 40), repeated in 0usize..4) {
        let text = |index: usize| {
            let (day, account, cents) = lines[index];
            format!("2026-05-{day:02},{},{account},compute,i-{index}\n", cents as f64 / 100.0)
        };
        let sandbox = Sandbox::new();
        let part = |part: usize| (0..lines.len()).filter(|index| cuts[*index] == part).map(text).collect::<String>();
        for index in 0..4 {
            write(&sandbox, &format!("bills/{index}.csv"), &part(index));
        }
        write(&sandbox, "bills/again.csv", &part(repeated));
        let run = ingest(&sandbox, &["bills"]);
        prop_assert_eq!(run.code, 0, "{}", run);
        let expected: i64 = lines.iter().map(|(.., cents)| cents).sum();
        prop_assert!((total(&sandbox) - expected as f64 / 100.0).abs() < 1e-6, "{}", run);
        // The parts one by one: each is refused or adds its own, and nothing is lost.
        let one_by_one = Sandbox::new();
        for index in 0..4 {
            write(&one_by_one, &format!("{index}.csv"), &part(index));
            if !part(index).is_empty() {
                let run = ingest(&one_by_one, &[&format!("{index}.csv"), "--add"]);
                prop_assert_eq!(run.code, 0, "{}", run);
            }
        }
        prop_assert!((total(&one_by_one) - expected as f64 / 100.0).abs() < 1e-6);
    }
}
