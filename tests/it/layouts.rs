//! Folders as AWS lays them out: only what the latest manifest names counts.

use crate::harness::Sandbox;

const CUR: &str = "lineItem/UsageAccountId,lineItem/UsageStartDate,lineItem/ProductCode,lineItem/LineItemType,lineItem/UnblendedCost";

fn cur_csv(cost: &str) -> String {
    format!("{CUR}\n000000000001,2026-03-05T00:00:00Z,AmazonS3,Usage,{cost}\n")
}

fn cur_manifest(assembly: &str, keys: &[&str]) -> String {
    serde_json::json!({
        "assemblyId": assembly,
        "reportName": "report",
        "billingPeriod": {"start": "20260301T000000.000Z", "end": "20260401T000000.000Z"},
        "bucket": "b",
        "reportKeys": keys,
    })
    .to_string()
}

fn export_manifest(execution: &str, files: &[&str]) -> String {
    serde_json::json!({
        "executionId": execution,
        "exportArn": "arn:aws:bcm-data-exports:us-east-1:1:export/export",
        "columns": [{"name": "line_item_usage_start_date"}],
        "dataFiles": files,
    })
    .to_string()
}

fn total(sandbox: &Sandbox, path: &str) -> f64 {
    sandbox.ok(&["ingest", path, "--quiet"]);
    sandbox.number("SELECT sum(unblended_cost) FROM cost_line_items")
}

#[test]
fn cur_create_new_takes_the_latest_assembly_only() {
    let sandbox = Sandbox::new();
    let period = "bucket/prefix/report/20260301-20260401";
    for (assembly, cost) in [("20260305T010000Z", "1"), ("20260306T010000Z", "2")] {
        let key = format!("prefix/report/20260301-20260401/{assembly}/report-1.csv");
        sandbox.write(&format!("bucket/{key}"), cur_csv(cost));
        let manifest = cur_manifest(assembly, &[&key]);
        sandbox.write(&format!("{period}/{assembly}/report-Manifest.json"), &manifest);
        sandbox.write(&format!("{period}/report-Manifest.json"), &manifest);
    }
    let run = sandbox.ok(&["ingest", "bucket"]);
    assert!(run.stdout.contains("1 older files that no manifest names were left out"), "{run}");
    assert_eq!(sandbox.number("SELECT sum(unblended_cost) FROM cost_line_items"), 2.0);
    let log = sandbox.rows("SELECT export, assembly_id FROM ingestion_log");
    assert_eq!(log[0].to_string(), r#"{"export":"report","assembly_id":"20260306T010000Z"}"#);
}

#[test]
fn cur_copies_without_the_periods_own_manifest_go_by_their_timestamp() {
    let sandbox = Sandbox::new();
    for (assembly, cost) in [("20260306T010000Z", "2"), ("20260305T010000Z", "1")] {
        let key = format!("report/20260301-20260401/{assembly}/report-1.csv");
        sandbox.write(&key, cur_csv(cost));
        let manifest = cur_manifest(assembly, &[&format!("some/prefix/{key}")]);
        sandbox.write(&format!("report/20260301-20260401/{assembly}/report-Manifest.json"), manifest);
    }
    assert_eq!(total(&sandbox, "report"), 2.0);
}

#[test]
fn cur_overwrite_reads_the_files_beside_the_manifest_and_an_empty_prefix_is_fine() {
    let sandbox = Sandbox::new();
    sandbox.write("report/20260301-20260401/report-1.csv", cur_csv("3"));
    sandbox.write("report/20260301-20260401/report-9.csv", cur_csv("100"));
    let manifest = cur_manifest("a", &["/report/20260301-20260401/report-1.csv"]);
    sandbox.write("report/20260301-20260401/report-Manifest.json", manifest);
    assert_eq!(total(&sandbox, "report"), 3.0);
}

#[test]
fn cur_athena_months_are_not_padded_and_the_status_table_is_no_bill() {
    let sandbox = Sandbox::new();
    sandbox.write("p/report/report/year=2026/month=3/report-00001.csv", cur_csv("4"));
    sandbox.write("p/report/cost_and_usage_data_status/status.csv", "status\nREADY\n");
    let manifest = cur_manifest("a", &["p/report/report/year=2026/month=3/report-00001.csv"]);
    sandbox.write("p/report/20260301-20260401/report-Manifest.json", manifest);
    let run = sandbox.ok(&["ingest", "p", "--quiet"]);
    assert!(!run.stdout.contains("older files"), "{run}");
    assert_eq!(sandbox.number("SELECT sum(unblended_cost) FROM cost_line_items"), 4.0);
}

#[test]
fn data_exports_take_the_latest_execution_whatever_the_case_of_the_partition() {
    for partition in ["BILLING_PERIOD=2026-03", "billing_period=2026-03"] {
        let sandbox = Sandbox::new();
        for (execution, cost) in [("2026-03-05T15:24:15.653Z-a", "1"), ("2026-03-06T15:24:15.653Z-b", "5")] {
            let key = format!("export/data/{partition}/{execution}/export-00001.csv");
            sandbox.write(&key, cur_csv(cost).replace("lineItem/", "line_item_"));
            let manifest = export_manifest(execution, &[&format!("s3://bucket/prefix/{key}")]);
            sandbox.write(&format!("export/metadata/{partition}/{execution}/export-Manifest.json"), &manifest);
            sandbox.write(&format!("export/metadata/{partition}/export-Manifest.json"), &manifest);
        }
        assert_eq!(total(&sandbox, "export"), 5.0);
        assert_eq!(sandbox.rows("SELECT data_source FROM ingestion_log")[0]["data_source"], "cur2");
    }
}

#[test]
fn a_new_delivery_replaces_the_period_even_if_files_vanish() {
    let sandbox = Sandbox::new();
    let period = "report/20260301-20260401";
    sandbox.write(&format!("{period}/report-1.csv"), cur_csv("1"));
    sandbox.write(&format!("{period}/report-2.csv"), cur_csv("2"));
    let keys = [format!("{period}/report-1.csv"), format!("{period}/report-2.csv")];
    sandbox.write(&format!("{period}/report-Manifest.json"), cur_manifest("a", &[&keys[0], &keys[1]]));
    assert_eq!(total(&sandbox, "report"), 3.0);
    sandbox.write(&format!("{period}/report-Manifest.json"), cur_manifest("b", &[&keys[0]]));
    assert_eq!(total(&sandbox, "report"), 1.0);
}

#[test]
fn a_manifest_may_be_named_itself() {
    let sandbox = Sandbox::new();
    sandbox.write("report/20260301-20260401/report-1.csv", cur_csv("3"));
    let manifest = cur_manifest("a", &["x/y/report/20260301-20260401/report-1.csv"]);
    sandbox.write("report/20260301-20260401/report-Manifest.json", manifest);
    assert_eq!(total(&sandbox, "report/20260301-20260401/report-Manifest.json"), 3.0);
}

#[test]
fn all_generated_formats_hold_the_same_money() {
    let mut seen = Vec::new();
    for format in ["cur1", "cur2", "focus"] {
        let sandbox = Sandbox::new();
        sandbox.sample("bills", &["--format", format]);
        sandbox.ok(&["ingest", "bills", "--quiet"]);
        let rows = sandbox.rows(
            "SELECT round(sum(net_amortized_cost), 4) AS amortized, \
             round(sum(net_amortized_cost) FILTER (charge_category = 'Credit'), 4) AS credits, \
             count(DISTINCT product_code) AS services, count(DISTINCT usage_account_id) AS accounts FROM cost_line_items",
        );
        seen.push(rows[0].to_string());
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[1], seen[2]);
}
