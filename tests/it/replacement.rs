//! Which former data a load replaces, and which it must not touch.

use proptest::{prelude::*, test_runner::Config};

use crate::harness::Sandbox;

const CUR: &str = "lineItem/UsageAccountId,lineItem/UsageStartDate,lineItem/ProductCode,lineItem/LineItemType,lineItem/UnblendedCost,\
                   bill/PayerAccountId,bill/BillingPeriodStartDate";

/// Lines of March of payer 9: pairs of account and cost.
fn cur(lines: &[(&str, f64)]) -> String {
    let mut text = format!("{CUR}\n");
    for (account, cost) in lines {
        text += &format!("{account},2026-03-05T00:00:00Z,AmazonS3,Usage,{cost},9,2026-03-01T00:00:00Z\n");
    }
    text
}

/// A delivery of March: the files named, and a manifest of them.
fn deliver(sandbox: &Sandbox, folder: &str, account: &str, name: &str, files: &[(&str, String)]) {
    let keys: Vec<String> = files.iter().map(|(file, _)| format!("{name}/20260301-20260401/{file}")).collect();
    for ((_, text), key) in files.iter().zip(&keys) {
        sandbox.write(&format!("{folder}/{key}"), text);
    }
    let manifest = serde_json::json!({
        "assemblyId": format!("{folder}-{}", files.len()),
        "account": account,
        "reportName": name,
        "billingPeriod": {"start": "20260301T000000.000Z"},
        "reportKeys": keys,
    });
    sandbox.write(&format!("{folder}/{name}/20260301-20260401/{name}-Manifest.json"), manifest.to_string());
}

/// The money in line items, which summary and log must agree with.
pub(crate) fn total(sandbox: &Sandbox) -> f64 {
    let sum = |table: &str| sandbox.number(&format!("SELECT round(coalesce(sum(unblended_cost), 0), 6) FROM {table}"));
    let lines = sum("cost_line_items");
    assert_eq!(sum("daily_cost_summary"), lines, "summary");
    assert_eq!(sum("ingestion_log"), lines, "log");
    lines
}

fn refused(sandbox: &Sandbox, path: &str, reason: &str) {
    let before = total(sandbox);
    let run = sandbox.run(&["ingest", path, "--quiet"]);
    assert!(run.code == 1 && run.stderr.contains(reason), "{run}");
    assert_eq!(total(sandbox), before);
}

#[test]
fn a_broken_part_under_a_new_name_does_not_let_half_a_period_replace_a_whole_one() {
    let sandbox = Sandbox::new();
    sandbox.write("v1/p1.csv", cur(&[("1", 100.0)]));
    sandbox.write("v1/p2.csv", cur(&[("1", 50.0)]).replace("AmazonS3", "AmazonEC2"));
    sandbox.ok(&["ingest", "v1"]);
    sandbox.write("v2/p1.csv", cur(&[("1", 101.0)]));
    sandbox.write("v2/p2.csv", "");
    refused(&sandbox, "v2", "a file beside it could not be read");
    assert_eq!(total(&sandbox), 150.0);
}

#[test]
fn exports_of_one_name_in_two_organisations_are_two_exports() {
    let sandbox = Sandbox::new();
    deliver(&sandbox, "a", "9", "daily", &[("d-1.csv", cur(&[("1", 100.0)]))]);
    deliver(&sandbox, "b", "8", "daily", &[("d-1.csv", cur(&[("2", 7.0)]).replace(",9,2026", ",8,2026"))]);
    sandbox.ok(&["ingest", "a"]);
    sandbox.ok(&["ingest", "b"]);
    sandbox.ok(&["ingest", "a", "b", "--full-refresh"]);
    assert_eq!(total(&sandbox), 107.0);
}

#[test]
fn a_file_of_some_accounts_does_not_erase_the_others() {
    let sandbox = Sandbox::new();
    deliver(&sandbox, "a", "9", "daily", &[("d-1.csv", cur(&[("1", 100.0), ("2", 40.0)]))]);
    sandbox.ok(&["ingest", "a"]);
    sandbox.write("one.csv", cur(&[("1", 90.0)]));
    refused(&sandbox, "one.csv", "it has some of the accounts");
    sandbox.write("all.csv", cur(&[("1", 90.0), ("2", 41.0), ("3", 1.0)]));
    sandbox.ok(&["ingest", "all.csv"]);
    assert_eq!(total(&sandbox), 132.0);
    sandbox.ok(&["ingest", "one.csv", "--full-refresh"]);
    assert_eq!(total(&sandbox), 90.0, "by force");
}

#[test]
fn one_part_of_an_export_is_not_the_export() {
    let sandbox = Sandbox::new();
    let parts = [("d-1.csv", cur(&[("1", 100.0)])), ("d-2.csv", cur(&[("1", 50.0)]))];
    deliver(&sandbox, "a", "9", "daily", &parts);
    sandbox.ok(&["ingest", "a"]);
    refused(&sandbox, "a/daily/20260301-20260401/d-2.csv", "it is a part of the export `9/daily`");
}

#[test]
fn loose_files_of_other_accounts_stand_beside_each_other() {
    let sandbox = Sandbox::new();
    sandbox.write("p.csv", cur(&[("1", 100.0)]));
    sandbox.write("q.csv", cur(&[("2", 9.0)]));
    sandbox.ok(&["ingest", "p.csv"]);
    sandbox.ok(&["ingest", "q.csv"]);
    assert_eq!(total(&sandbox), 109.0);
    let again = sandbox.json(&["ingest", "p.csv", "--quiet"]);
    assert_eq!(again["unchanged"].as_array().map(Vec::len), Some(1), "{again}");
}

#[test]
fn files_of_a_broken_delivery_are_not_taken_for_loose_ones() {
    let sandbox = Sandbox::new();
    let parts = [("d-1.csv", cur(&[("1", 100.0)])), ("d-2.csv", cur(&[("1", 50.0)]))];
    deliver(&sandbox, "a", "9", "daily", &parts);
    sandbox.ok(&["ingest", "a"]);
    std::fs::remove_file(sandbox.path("a/daily/20260301-20260401/d-2.csv")).expect("remove");
    refused(&sandbox, "a/daily/20260301-20260401/*", "a file that a manifest names is missing");
    refused(&sandbox, "a", "a file that a manifest names is missing");
}

#[test]
fn the_manifest_says_the_period_where_the_file_does_not() {
    let sandbox = Sandbox::new();
    let text = "lineItem/UsageAccountId,lineItem/UsageStartDate,lineItem/ProductCode,lineItem/LineItemType,lineItem/UnblendedCost\n\
                1,2026-03-05T00:00:00Z,AmazonS3,Usage,10\n1,2026-04-01T00:00:00Z,AmazonS3,Fee,5\n";
    deliver(&sandbox, "a", "9", "daily", &[("d-1.csv", text.into())]);
    sandbox.ok(&["ingest", "a"]);
    let periods = sandbox.rows("SELECT DISTINCT billing_period FROM cost_line_items");
    assert_eq!((periods.len(), periods[0]["billing_period"].as_str()), (1, Some("2026-03-01")));
}

#[test]
fn a_part_without_rows_does_not_make_a_bill_new_each_time() {
    let sandbox = Sandbox::new();
    deliver(&sandbox, "a", "9", "daily", &[("d-1.csv", cur(&[("1", 100.0)])), ("d-2.csv", cur(&[]))]);
    sandbox.ok(&["ingest", "a"]);
    let again = sandbox.json(&["ingest", "a", "--quiet"]);
    assert_eq!(again["unchanged"].as_array().map(Vec::len), Some(1), "{again}");
    assert_eq!(total(&sandbox), 100.0);
}

#[test]
fn broken_and_empty_parts_in_other_folders_keep_what_they_had() {
    for broken in ["", "lineItem/UsageAccountId\n", CUR] {
        let sandbox = Sandbox::new();
        sandbox.write("f/one/a.csv", cur(&[("1", 10.0)]));
        sandbox.write("f/two/b.csv", cur(&[("2", 20.0)]));
        sandbox.ok(&["ingest", "f"]);
        sandbox.write("f/one/a.csv", cur(&[("1", 11.0)]));
        sandbox.write("f/two/b.csv", broken);
        let run = sandbox.run(&["ingest", "f", "--quiet"]);
        assert_eq!((run.code, total(&sandbox)), (1, 30.0), "{broken:?}: {run}");
    }
}

#[test]
fn one_file_of_several_is_not_all_of_them() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", cur(&[("1", 10.0)]));
    sandbox.write("b.csv", cur(&[("2", 20.0)]));
    sandbox.ok(&["ingest", "a.csv", "b.csv"]);
    let again = sandbox.json(&["ingest", "a.csv", "--quiet"]);
    assert_eq!(again["unchanged"].as_array().map(Vec::len), Some(1), "{again}");
    sandbox.write("a.csv", cur(&[("1", 11.0)]));
    refused(&sandbox, "a.csv", "b.csv` was ingested together with it");
    sandbox.ok(&["ingest", "a.csv", "b.csv"]);
    assert_eq!(total(&sandbox), 31.0);
}

#[test]
fn a_restated_month_leaves_the_months_before_it_alone() {
    let sandbox = Sandbox::new();
    let header = "date,cost\n";
    sandbox.write("jan.csv", format!("{header}2026-01-05,1\n"));
    sandbox.write("janfeb.csv", format!("{header}2026-01-06,2\n2026-02-05,3\n"));
    sandbox.write("feb.csv", format!("{header}2026-02-06,4\n"));
    let ingest = |files: &[&str]| sandbox.run(&[&["ingest", "--data-source", "v", "--quiet"], files].concat());
    assert_eq!(ingest(&["jan.csv", "janfeb.csv", "feb.csv"]).code, 0);
    sandbox.write("feb.csv", format!("{header}2026-02-06,5\n"));
    assert_eq!((ingest(&["feb.csv"]).code, total(&sandbox)), (1, 10.0));
    assert_eq!((ingest(&["jan.csv", "janfeb.csv", "feb.csv"]).code, total(&sandbox)), (0, 11.0));
}

/// One step of a random history: a vendor's file of a name, for some months, accounts and costs.
#[derive(Clone, Debug)]
struct Step {
    vendor: &'static str,
    file: &'static str,
    lines: Vec<(u32, u8, u32)>,
    force: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let line = (1u32..4, 0u8..3, 1u32..1000);
    let vendor = prop::sample::select(vec!["one", "two"]);
    let file = prop::sample::select(vec!["a.csv", "b.csv", "c.csv"]);
    (vendor, file, prop::collection::vec(line, 1..6), any::<bool>()).prop_map(|(vendor, file, lines, force)| Step {
        vendor,
        file,
        lines,
        force,
    })
}

proptest! {
    #![proptest_config(Config { cases: 6, failure_persistence: None, ..Config::default() })]

    #[test]
    fn whatever_is_ingested_in_whatever_order_the_three_tables_agree(steps in prop::collection::vec(step(), 1..7)) {
        let sandbox = Sandbox::new();
        for Step { vendor, file, lines, force } in steps {
            let mut text = String::from("date,cost,account\n");
            for (month, account, cost) in &lines {
                text += &format!("2026-{month:02}-05,{cost},account-{account}\n");
            }
            sandbox.write(&format!("{vendor}/{file}"), text);
            let path = format!("{vendor}/{file}");
            let mut arguments = vec!["ingest", &path, "--data-source", vendor, "--quiet"];
            if force {
                arguments.push("--full-refresh");
            }
            let others = format!("SELECT coalesce(sum(unblended_cost), 0) FROM cost_line_items WHERE data_source <> '{vendor}'");
            let before = if sandbox.path("data/costs.duckdb").exists() { (total(&sandbox), sandbox.number(&others)) } else { (0.0, 0.0) };
            let run = sandbox.run(&arguments);
            prop_assert!(run.code == 0 || run.code == 1, "{}", run);
            let after = total(&sandbox);
            if run.code == 1 {
                prop_assert_eq!(after, before.0, "a refusal changes nothing");
            } else {
                let months: Vec<String> = lines.iter().map(|(month, ..)| format!("DATE '2026-{month:02}-01'")).collect();
                let own = format!(
                    "SELECT coalesce(sum(unblended_cost), 0) FROM cost_line_items WHERE source_file LIKE '%{path}' AND billing_period IN ({})",
                    months.join(", ")
                );
                let expected: u32 = lines.iter().map(|(_, _, cost)| cost).sum();
                let is_in = sandbox.number(&own) == f64::from(expected);
                prop_assert!(is_in || run.stdout.contains("counted once"), "the file is in, whole and once: {}", run);
            }
            prop_assert_eq!(sandbox.number(&others), before.1, "another vendor is not touched");
            let twice = "SELECT count(*) FROM (SELECT data_source, billing_period, usage_account_id FROM cost_line_items \
                         GROUP BY ALL HAVING count(DISTINCT ingestion_id) > 1)";
            prop_assert_eq!(sandbox.number(twice), 0.0, "no account of a period comes from two loads");
        }
    }
}
