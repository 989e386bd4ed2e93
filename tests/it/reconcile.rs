//! The same month in two sources.

use insta::assert_snapshot;
use serde_json::Value;

use crate::{
    fake_aws::{FakeAws, PAYER},
    harness::{Run, Sandbox},
};

/// A CUR of October 2026 made of what the fake Cost Explorer has, so that only what a test changes differs.
fn scene(more: &[&str], changes: &str) -> Sandbox {
    let (sandbox, aws) = (Sandbox::new(), FakeAws::start());
    let fixed = ["ingest", "--source", "cost-explorer", "--as-of", "2026-11-20", "--quiet"];
    let span = ["--from", "2026-10-01", "--to", "2026-10-31"];
    let mut command = sandbox.command(&[&fixed[..], &span, more].concat());
    aws.environment(&mut command);
    let run = sandbox.finish(command);
    assert_eq!(run.code, 0, "{run}");
    let lines = sandbox.ok(&[
        "sql",
        "SELECT usage_date, usage_account_id, product_code, charge_category, sum(unblended_cost)::DECIMAL(20,10)::VARCHAR AS cost \
         FROM cost_line_items GROUP BY ALL ORDER BY ALL",
        "--limit",
        "1000000",
        "--format",
        "csv",
    ]);
    sandbox.write("ce.csv", lines.stdout);
    sandbox.parquet(
        "cur/bill.snappy.parquet",
        &format!(
            "SELECT '{PAYER}' AS bill_payer_account_id, TIMESTAMP '2026-10-01' AS bill_billing_period_start_date, 'INV-1' AS bill_invoice_id, \
             usage_account_id AS line_item_usage_account_id, CAST(usage_date AS TIMESTAMP) AS line_item_usage_start_date, \
             CAST(usage_date AS TIMESTAMP) + INTERVAL 1 DAY AS line_item_usage_end_date, \
             CASE WHEN product_code = 'Tax' THEN 'AmazonEC2' ELSE product_code END AS line_item_product_code, \
             CASE charge_category WHEN 'Purchase' THEN 'Fee' ELSE charge_category END AS line_item_line_item_type, \
             'l' AS identity_line_item_id, 't' AS identity_time_interval, 'Anniversary' AS bill_bill_type, 'AWS' AS bill_billing_entity, \
             'USD' AS line_item_currency_code, CAST(cost AS DOUBLE) AS line_item_unblended_cost, \
             CAST(cost AS DOUBLE) AS line_item_blended_cost \
             FROM (SELECT usage_date, usage_account_id, product_code, charge_category, cost FROM \
             read_csv('{}', header = true, all_varchar = true)) WHERE true {changes}",
            sandbox.path("ce.csv").display()
        ),
    );
    sandbox.ok(&["ingest", "cur", "--quiet"]);
    sandbox
}

fn reconcile(sandbox: &Sandbox, more: &[&str]) -> Run {
    sandbox.run(&[&["reconcile", "--as-of", "2026-11-20"], more].concat())
}

/// The output without the times at which the two were read.
fn timeless(run: &Run) -> String {
    let day = chrono::Utc::now().format("%Y-%m-%d").to_string();
    run.to_string().replace(&day, "[today]")
}

#[test]
fn what_agrees_is_said_to() {
    let sandbox = scene(&[], "");
    let run = reconcile(&sandbox, &["--exit-code"]);
    assert_eq!(run.code, 0, "{run}");
    assert_snapshot!(timeless(&run), @"
    2026-10: cur (read [today]) beside Cost Explorer (read [today])

    metric               cur  Cost Explorer  difference
    unblended      $6,369.97      $6,369.97       $0.00
    blended        $6,369.97      $6,369.97       $0.00
    amortized      $6,369.97      $6,369.97       $0.00
    net unblended  $6,369.97      $6,369.97       $0.00
    net amortized  $6,369.97      $6,369.97       $0.00

    every service agrees within $0.01
    Cost Explorer was fetched without `--charge-categories`: services are compared with their fees and credits in them
    --- exit code 0
    ");
    let answer: Value = serde_json::from_str(&reconcile(&sandbox, &["--format", "json"]).stdout).expect("JSON");
    assert_eq!((&answer["agrees"], &answer["month"]), (&Value::from(true), &Value::from("2026-10-01")));
}

#[test]
fn categories_are_compared_where_both_have_them() {
    let sandbox = scene(&["--charge-categories"], "AND charge_category <> 'Credit'");
    let run = reconcile(&sandbox, &["--exit-code", "--metric", "unblended"]);
    assert_eq!(run.code, 10, "{run}");
    assert_snapshot!(timeless(&run), @"
    2026-10: cur (read [today]) beside Cost Explorer (read [today])

    metric           cur  Cost Explorer  difference
    unblended  $7,007.37      $6,369.97    -$637.40

    service    category  metric    cur  Cost Explorer  difference
    AmazonEC2  Credit    all     $0.00       -$637.40    -$637.40

    likely because
      credits: are in Cost Explorer only: AmazonEC2
    --- exit code 10
    ");
}

#[test]
fn differences_come_with_their_likely_reason() {
    // A service fewer, days fewer of another.
    let sandbox = scene(&[], "AND product_code <> 'awskms'");
    assert_snapshot!(timeless(&reconcile(&sandbox, &["--metric", "unblended"])), @"
    2026-10: cur (read [today]) beside Cost Explorer (read [today])

    metric           cur  Cost Explorer  difference
    unblended  $6,366.03      $6,369.97      +$3.93

    service  category     metric    cur  Cost Explorer  difference
    awskms   all but tax  all     $0.00          $3.93      +$3.93

    likely because
      only in Cost Explorer: a service with another name or code in CUR, or restated since: awskms
    Cost Explorer was fetched without `--charge-categories`: services are compared with their fees and credits in them
    --- exit code 0
    ");
    let days = scene(&[], "AND CAST(usage_date AS DATE) > DATE '2026-10-02'");
    assert_snapshot!(timeless(&reconcile(&days, &["--metric", "unblended"])), @"
    2026-10: cur (read [today]) beside Cost Explorer (read [today])

    metric           cur  Cost Explorer  difference
    unblended  $5,968.22      $6,369.97    +$401.75

    service                                  category     metric        cur  Cost Explorer  difference
    AmazonEC2                                all but tax  all     $4,740.27      $5,059.36    +$319.09
    ComputeSavingsPlans                      all but tax  all       $716.64        $764.88     +$48.24
    AmazonS3                                 all but tax  all       $268.74        $286.83     +$18.09
    Tax                                      Tax          all       $149.30        $159.35     +$10.05
    Claude 3 Haiku (Amazon Bedrock Edition)  all but tax  all        $89.58         $95.61      +$6.03
    awskms                                   all but tax  all         $3.69          $3.93      +$0.25

    likely because
      days: Cost Explorer has 2026-10-01..2026-10-31, cur 2026-10-03..2026-10-31: AmazonEC2, ComputeSavingsPlans, AmazonS3,
      Tax, Claude 3 Haiku (Amazon Bedrock Edition), awskms
    Cost Explorer was fetched without `--charge-categories`: services are compared with their fees and credits in them
    cur has 2026-10-03..2026-10-31, Cost Explorer 2026-10-01..2026-10-31
    --- exit code 0
    ");
}

#[test]
fn an_invoice_is_held_against_the_bill() {
    let sandbox = scene(&["--charge-categories"], "");
    let total =
        sandbox.number("SELECT round(sum(unblended_cost), 2) FROM daily_cost_summary WHERE data_source = 'cur'");
    let tax = sandbox.number(
        "SELECT sum(unblended_cost) FROM daily_cost_summary WHERE data_source = 'cur' AND charge_category = 'Tax'",
    );
    let agrees = reconcile(&sandbox, &["--invoice", &format!("{total:.2}"), "--exit-code", "--tolerance", "0.02"]);
    assert_eq!(agrees.code, 0, "{agrees}");
    let without_tax =
        reconcile(&sandbox, &["--invoice", &format!("{:.2}", total - tax), "--exit-code", "--tolerance", "0.02"]);
    assert_eq!(without_tax.code, 10, "{without_tax}");
    assert!(without_tax.stdout.contains("tax of"), "{without_tax}");
}

#[test]
fn what_is_missing_is_named() {
    let sandbox = Sandbox::with_sample();
    assert_snapshot!(reconcile(&sandbox, &["--month", "2026-02"]), @"
    --- stderr
    error: there is no Cost Explorer data of 2026-02
    hint: `aws-cost-anomalies ingest --source cost-explorer --from 2026-02-01 --to 2026-02-28`, $0.01
    --- exit code 1
    ");
    assert_snapshot!(reconcile(&sandbox, &["--month", "2025-02"]), @"
    --- stderr
    error: there is no CUR, CUR 2.0 or FOCUS bill of 2025-02
    hint: ingest one; `--source` names another vendor's
    --- exit code 1
    ");
    let list = reconcile(&sandbox, &["--month", "2026-02", "--metric", "list"]);
    assert_eq!(list.code, 2, "{list}");
    let alone = reconcile(&sandbox, &["--month", "2026-02", "--invoice", "100"]);
    assert_eq!(alone.code, 0, "{alone}");
}
