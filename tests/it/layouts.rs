//! Folders as AWS lays them out: only what the latest manifest names counts.

use crate::harness::Sandbox;

const CUR: &str =
    "lineItem/UsageAccountId,lineItem/UsageStartDate,lineItem/ProductCode,lineItem/LineItemType,lineItem/UnblendedCost";

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

/// A manifest and a file of March for an export of one account.
fn export_of(sandbox: &Sandbox, name: &str, account: &str, cost: &str) {
    let file = format!("{name}/20260301-20260401/{name}-1.csv");
    sandbox.write(&file, cur_csv(cost).replace("000000000001", account));
    let manifest = cur_manifest("a", &[&file]).replace("\"report\"", &format!("\"{name}\""));
    sandbox.write(&format!("{name}/20260301-20260401/{name}-Manifest.json"), manifest);
}

#[test]
fn exports_of_other_accounts_stand_beside_each_other() {
    let sandbox = Sandbox::new();
    sandbox.parquet("ignored/x.parquet", "SELECT 1 AS a");
    let header = format!("{CUR},bill/PayerAccountId");
    for (name, account, cost) in [("web", "000000000001", "100"), ("data", "000000000002", "50")] {
        export_of(&sandbox, name, account, cost);
        let text = format!("{header}\n{account},2026-03-05T00:00:00Z,AmazonS3,Usage,{cost},000000000009\n");
        sandbox.write(&format!("{name}/20260301-20260401/{name}-1.csv"), text);
    }
    sandbox.ok(&["ingest", "web", "data", "--quiet"]);
    assert_eq!(sandbox.number("SELECT sum(unblended_cost) FROM cost_line_items"), 150.0);
    assert_eq!(sandbox.number("SELECT sum(unblended_cost) FROM daily_cost_summary"), 150.0);
    let again = sandbox.json(&["ingest", "web", "data", "--quiet"]);
    assert_eq!(again["unchanged"].as_array().map(Vec::len), Some(2), "{again}");
    sandbox.ok(&["ingest", "web", "--full-refresh", "--quiet"]);
    assert_eq!(sandbox.number("SELECT sum(unblended_cost) FROM daily_cost_summary"), 150.0);
}

#[test]
fn two_exports_of_the_same_money_in_one_command_are_refused() {
    let sandbox = Sandbox::new();
    export_of(&sandbox, "one", "000000000001", "100");
    export_of(&sandbox, "two", "000000000001", "100");
    for _ in 0..2 {
        let run = sandbox.run(&["ingest", "one", "two", "--quiet"]);
        assert_eq!(run.code, 1, "{run}");
        assert!(run.stderr.contains("that would count the same money twice"), "{run}");
        assert_eq!(sandbox.number("SELECT sum(unblended_cost) FROM cost_line_items"), 100.0);
    }
}

#[test]
fn versions_without_a_manifest_are_refused() {
    let sandbox = Sandbox::new();
    for execution in ["2026-03-05T15:24:15.653Z-a", "2026-03-06T15:24:15.653Z-b"] {
        sandbox.write(&format!("export/data/BILLING_PERIOD=2026-03/{execution}/export-00001.csv"), cur_csv("7"));
    }
    let run = sandbox.run(&["ingest", "export/data"]);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.stderr.contains("holds 2 versions of one period"), "{run}");
}

#[test]
fn a_file_of_another_month_is_not_taken_for_the_manifests() {
    let sandbox = Sandbox::new();
    let text =
        format!("{CUR},bill/BillingPeriodStartDate\n1,2025-12-05T00:00:00Z,AmazonS3,Usage,9,2025-12-01T00:00:00Z\n");
    sandbox.write("report/20260301-20260401/report-1.csv", text);
    let manifest = cur_manifest("a", &["report/20260301-20260401/report-1.csv"]);
    sandbox.write("report/20260301-20260401/report-Manifest.json", manifest);
    let run = sandbox.run(&["ingest", "report"]);
    assert!(run.stderr.contains("the files are of 2025-12, their manifest is of 2026-03"), "{run}");
    // A file of the same name elsewhere is no substitute for one that is missing.
    let elsewhere = Sandbox::new();
    elsewhere.write("report/report-1.csv", cur_csv("9"));
    let manifest = cur_manifest("a", &["report/20260301-20260401/x/report-1.csv"]);
    elsewhere.write("report/20260301-20260401/report-Manifest.json", manifest);
    assert!(elsewhere.run(&["ingest", "report"]).stderr.contains("a file that a manifest names is missing"));
}

#[test]
fn manifests_of_other_vendors_are_no_manifests() {
    let sandbox = Sandbox::new();
    sandbox.write("azure/20260301-20260331/manifest.json", r#"{"manifestVersion": "2024-04-01", "blobs": []}"#);
    let focus = "ChargePeriodStart,BilledCost,EffectiveCost,ChargeCategory,Tags\n";
    let rows = "2026-03-01,1,1,Usage,\"\"\"team\"\": \"\"web\"\"\"\n2026-03-02,2,2,usage,[]\n2026-03-03,4,4,Usage,{}\n";
    sandbox.write("azure/20260301-20260331/part_0_0001.csv", format!("{focus}{rows}"));
    assert_eq!(total(&sandbox, "azure"), 7.0);
    let tags = sandbox.rows("SELECT tags['team'] AS team FROM cost_line_items ORDER BY usage_date");
    assert_eq!((tags[0]["team"].as_str(), tags[1]["team"].as_str()), (Some("web"), None));
    let answer = sandbox.json(&["trends", "--from", "2026-03-01", "--to", "2026-03-03", "--granularity", "monthly"]);
    assert_eq!(answer["periods"][0]["total"], 7.0, "a category in another case is not lost");
}
