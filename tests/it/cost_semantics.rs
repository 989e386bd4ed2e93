//! Each rule of `docs/DATA.md` on a line or two of a bill.

use crate::harness::Sandbox;

/// A CUR file of the given columns and rows beside the five that every CUR has.
fn cur(columns: &str, rows: &[&str]) -> Sandbox {
    let sandbox = Sandbox::new();
    let header =
        "line_item_usage_account_id,line_item_usage_start_date,line_item_product_code,bill_billing_period_start_date";
    let mut text = format!("{header},{columns}\n");
    for row in rows {
        text += &format!("011254002932,2026-03-05T01:00:00Z,AmazonEC2,2026-03-01T00:00:00Z,{row}\n");
    }
    sandbox.write("bill.csv", text);
    sandbox.ok(&["ingest", "bill.csv", "--quiet"]);
    sandbox
}

/// The costs of a line item type, as `unblended amortized net_unblended net_amortized`.
fn costs(sandbox: &Sandbox, line_item_type: &str) -> String {
    let rows = sandbox.rows(&format!(
        "SELECT printf('%.2f %.2f %.2f %.2f', sum(unblended_cost), sum(amortized_cost), sum(net_unblended_cost), \
         sum(net_amortized_cost)) AS costs FROM cost_line_items WHERE line_item_type = '{line_item_type}'"
    ));
    rows[0]["costs"].as_str().expect("text").to_owned()
}

const TYPE: &str = "line_item_line_item_type,line_item_unblended_cost";

#[test]
fn reserved_usage_counts_its_effective_cost_and_the_fee_only_what_went_unused() {
    let columns = format!(
        "{TYPE},reservation_effective_cost,reservation_unused_amortized_upfront_fee_for_billing_period,\
         reservation_unused_recurring_fee,reservation_reservation_a_r_n"
    );
    let bill =
        cur(&columns, &["DiscountedUsage,0,0.62,,,arn:x", "RIFee,50,,3,4,arn:x", "Fee,900,,,,arn:x", "Fee,29,,,,"]);
    assert_eq!(costs(&bill, "DiscountedUsage"), "0.00 0.62 0.00 0.62");
    assert_eq!(costs(&bill, "RIFee"), "50.00 7.00 50.00 7.00");
    assert_eq!(
        costs(&bill, "Fee"),
        "929.00 29.00 929.00 29.00",
        "an upfront fee is spread over its term, support is not"
    );
}

#[test]
fn savings_plans_count_covered_usage_once() {
    let columns = format!(
        "{TYPE},savings_plan_savings_plan_effective_cost,savings_plan_total_commitment_to_date,savings_plan_used_commitment"
    );
    let bill = cur(
        &columns,
        &[
            "SavingsPlanCoveredUsage,1.00,0.72,,",
            "SavingsPlanNegation,-1.00,,,",
            "SavingsPlanRecurringFee,0.80,,0.80,0.72",
            "SavingsPlanUpfrontFee,100,,,",
        ],
    );
    assert_eq!(costs(&bill, "SavingsPlanCoveredUsage"), "1.00 0.72 1.00 0.72");
    assert_eq!(costs(&bill, "SavingsPlanNegation"), "-1.00 0.00 -1.00 0.00");
    assert_eq!(costs(&bill, "SavingsPlanRecurringFee"), "0.80 0.08 0.80 0.08");
    assert_eq!(costs(&bill, "SavingsPlanUpfrontFee"), "100.00 0.00 100.00 0.00");
}

#[test]
fn an_unused_savings_plan_is_discounted_as_its_commitment_is() {
    let columns = format!(
        "{TYPE},savings_plan_savings_plan_effective_cost,savings_plan_total_commitment_to_date,savings_plan_used_commitment,\
         savings_plan_recurring_commitment_for_billing_period,savings_plan_net_recurring_commitment_for_billing_period,\
         savings_plan_amortized_upfront_commitment_for_billing_period,savings_plan_net_amortized_upfront_commitment_for_billing_period"
    );
    let bill = cur(&columns, &["SavingsPlanRecurringFee,1.00,,1.00,0.60,1.00,0.90,0,0"]);
    assert_eq!(costs(&bill, "SavingsPlanRecurringFee"), "1.00 0.40 1.00 0.36");
    let upfront = cur(&columns, &["SavingsPlanRecurringFee,0.00,,1.00,0.60,0,0,1.00,0.80"]);
    assert_eq!(costs(&upfront, "SavingsPlanRecurringFee"), "0.00 0.40 0.00 0.32");
}

#[test]
fn without_effective_costs_the_cash_view_stays_whole() {
    let bill =
        cur(TYPE, &["SavingsPlanCoveredUsage,1.00", "SavingsPlanNegation,-1.00", "SavingsPlanRecurringFee,0.80"]);
    assert_eq!(bill.number("SELECT sum(amortized_cost) FROM cost_line_items"), 0.8);
    let fees = cur(&format!("{TYPE},reservation_unused_recurring_fee"), &["DiscountedUsage,0,", "RIFee,50,4"]);
    assert_eq!(fees.number("SELECT sum(amortized_cost) FROM cost_line_items"), 50.0);
}

#[test]
fn net_falls_back_to_gross_row_by_row() {
    let bill = cur(&format!("{TYPE},line_item_net_unblended_cost"), &["Usage,10,7.5", "Tax,2,", "Usage,1,"]);
    assert_eq!(costs(&bill, "Usage"), "11.00 11.00 8.50 8.50");
    assert_eq!(costs(&bill, "Tax"), "2.00 2.00 2.00 2.00");
}

#[test]
fn a_discount_that_is_in_the_net_costs_is_not_counted_twice() {
    let bill = cur(&format!("{TYPE},line_item_net_unblended_cost"), &["Usage,10,9", "EdpDiscount,-1,"]);
    assert_eq!(costs(&bill, "EdpDiscount"), "-1.00 -1.00 0.00 0.00");
    assert_eq!(bill.number("SELECT sum(net_amortized_cost) FROM cost_line_items"), 9.0);
    let without_net = cur(TYPE, &["Usage,10", "EdpDiscount,-1"]);
    assert_eq!(without_net.number("SELECT sum(net_amortized_cost) FROM cost_line_items"), 9.0);
}

#[test]
fn a_csv_with_blank_net_columns_keeps_its_discounts() {
    let bill = cur(&format!("{TYPE},line_item_net_unblended_cost"), &["Usage,10,", "EdpDiscount,-1,"]);
    assert_eq!(bill.number("SELECT sum(net_amortized_cost) FROM cost_line_items"), 9.0);
}

#[test]
fn net_columns_that_are_all_null_do_not_swallow_discounts() {
    let query = "SELECT '1' AS line_item_usage_account_id, TIMESTAMP '2026-03-05' AS line_item_usage_start_date, \
                 'AmazonEC2' AS line_item_product_code, kind AS line_item_line_item_type, cost AS line_item_unblended_cost, \
                 NULL::DOUBLE AS line_item_net_unblended_cost, MAP {'a': 'b'} AS resource_tags \
                 FROM (VALUES ('Usage', 10.0::DOUBLE), ('EdpDiscount', -1.0::DOUBLE)) t(kind, cost)";
    let sandbox = Sandbox::new();
    sandbox.parquet("bill.parquet", query);
    let run = sandbox.ok(&["ingest", "bill.parquet", "--quiet"]);
    assert!(run.stdout.contains("no values in net columns: net amortized = amortized"), "{run}");
    assert_eq!(sandbox.number("SELECT sum(net_amortized_cost) FROM cost_line_items"), 9.0);
}

#[test]
fn parquet_without_statistics_is_asked_for_its_net_costs() {
    let sandbox = Sandbox::new();
    let fields = |name: &str, data_type| arrow::datatypes::Field::new(name, data_type, true);
    use arrow::{array, datatypes::DataType};
    let schema = std::sync::Arc::new(arrow::datatypes::Schema::new(vec![
        fields("line_item_usage_account_id", DataType::Utf8),
        fields("line_item_usage_start_date", DataType::Utf8),
        fields("line_item_product_code", DataType::Utf8),
        fields("line_item_line_item_type", DataType::Utf8),
        fields("line_item_unblended_cost", DataType::Float64),
        fields("line_item_net_unblended_cost", DataType::Float64),
    ]));
    let text = |values: [&str; 2]| std::sync::Arc::new(array::StringArray::from(values.to_vec())) as array::ArrayRef;
    let batch = arrow::record_batch::RecordBatch::try_new(
        std::sync::Arc::clone(&schema),
        vec![
            text(["1", "1"]),
            text(["2026-03-05", "2026-03-05"]),
            text(["AmazonEC2", "AmazonEC2"]),
            text(["Usage", "EdpDiscount"]),
            std::sync::Arc::new(array::Float64Array::from(vec![10.0, -1.0])),
            std::sync::Arc::new(array::Float64Array::from(vec![None, None])),
        ],
    );
    let properties = parquet::file::properties::WriterProperties::builder()
        .set_statistics_enabled(parquet::file::properties::EnabledStatistics::None)
        .build();
    let file = std::fs::File::create(sandbox.path("bill.parquet")).expect("create");
    let mut writer = parquet::arrow::ArrowWriter::try_new(file, schema, Some(properties)).expect("a writer");
    writer.write(&batch.expect("a batch")).expect("write");
    writer.close().expect("close");
    sandbox.ok(&["ingest", "bill.parquet", "--quiet"]);
    assert_eq!(sandbox.number("SELECT sum(net_amortized_cost) FROM cost_line_items"), 9.0);
}

#[test]
fn refunds_of_savings_plan_fees_leave_the_amortized_view() {
    let bill = cur(
        &format!("{TYPE},line_item_line_item_description,savings_plan_savings_plan_effective_cost"),
        &["Refund,-100,Refund for one-time fee for Savings Plan ID: 1,", "Refund,-5,Refund of something else,"],
    );
    assert_eq!(costs(&bill, "Refund"), "-105.00 -5.00 -105.00 -5.00");
    let cash = cur(
        &format!("{TYPE},line_item_line_item_description"),
        &["SavingsPlanUpfrontFee,100,", "Refund,-99,Refund for one-time fee for Savings Plan ID: 1"],
    );
    assert_eq!(cash.number("SELECT sum(amortized_cost) FROM cost_line_items"), 1.0, "the fee is in the cash view, too");
}

#[test]
fn charge_categories_are_those_of_focus() {
    let types = [
        ("Usage", "Usage"),
        ("DiscountedUsage", "Usage"),
        ("SavingsPlanCoveredUsage", "Usage"),
        ("SavingsPlanNegation", "Usage"),
        ("RIFee", "Purchase"),
        ("Fee", "Purchase"),
        ("SavingsPlanRecurringFee", "Purchase"),
        ("SavingsPlanUpfrontFee", "Purchase"),
        ("FlatRateSubscription", "Purchase"),
        ("Tax", "Tax"),
        ("Credit", "Credit"),
        ("Refund", "Credit"),
        ("EdpDiscount", "Adjustment"),
        ("PrivateRateDiscount", "Adjustment"),
        ("BundledDiscount", "Adjustment"),
        ("RiVolumeDiscount", "Adjustment"),
        ("SppDiscount", "Adjustment"),
        ("Discount", "Adjustment"),
        ("SomethingNew", "Usage"),
    ];
    let rows: Vec<String> = types.iter().map(|(line_item_type, _)| format!("{line_item_type},1")).collect();
    let bill = cur(TYPE, &rows.iter().map(String::as_str).collect::<Vec<_>>());
    for (line_item_type, category) in types {
        let rows = bill
            .rows(&format!("SELECT charge_category FROM cost_line_items WHERE line_item_type = '{line_item_type}'"));
        assert_eq!(rows[0]["charge_category"], category, "{line_item_type}");
    }
}

#[test]
fn regions_fall_back_and_are_never_null() {
    let columns = format!("{TYPE},product_region,product_region_code,line_item_availability_zone");
    let bill = cur(
        &columns,
        &[
            "Usage,1,us-east-1,,",
            "Usage,2,,eu-west-1,",
            "Usage,3,,,ap-southeast-2b",
            "Usage,4,,,",
            "Usage,5,NoRegion,,",
            "Usage,6,,,us-gov-west-1",
        ],
    );
    let rows = bill.rows("SELECT region FROM cost_line_items ORDER BY unblended_cost");
    let regions: Vec<&str> = rows.iter().map(|row| row["region"].as_str().expect("text")).collect();
    assert_eq!(regions, ["us-east-1", "eu-west-1", "ap-southeast-2", "global", "global", "us-gov-west-1"]);
}

#[test]
fn cur2_takes_the_region_from_the_product_map_where_its_column_is_null() {
    let columns = format!("{TYPE},product_region_code,product");
    let bill = cur(&columns, &[r#"Usage,1,,"{""region"":""eu-north-1"",""product_name"":""Amazon EC2""}""#]);
    let rows = bill.rows("SELECT region, product_name, data_source FROM cost_line_items");
    assert_eq!(rows[0].to_string(), r#"{"region":"eu-north-1","product_name":"Amazon EC2","data_source":"cur2"}"#);
}

#[test]
fn split_cost_rows_are_left_out_and_said() {
    let columns = format!("{TYPE},line_item_operation,split_line_item_split_cost");
    let sandbox = cur(&columns, &["Usage,10,RunInstances,", "Usage,6,EKSPod-EC2,6", "Usage,4,ECSTask-EC2,4"]);
    assert_eq!(sandbox.number("SELECT sum(unblended_cost) FROM cost_line_items"), 10.0);
    let unselected = cur(&format!("{TYPE},line_item_operation"), &["Usage,10,RunInstances", "Usage,6,EKSPod-EC2"]);
    assert_eq!(unselected.number("SELECT sum(unblended_cost) FROM cost_line_items"), 10.0);
    let run = sandbox.ok(&["ingest", "bill.csv", "--full-refresh", "--quiet"]);
    assert!(run.stdout.contains("2 rows left out: split cost allocation rows"), "{run}");
}

#[test]
fn leading_zeros_of_accounts_stay() {
    let bill = cur(TYPE, &["Usage,1"]);
    let rows = bill.rows("SELECT usage_account_id FROM cost_line_items");
    assert_eq!(rows[0]["usage_account_id"], "011254002932");
}

#[test]
fn blanks_are_null_and_blank_costs_zero() {
    let bill = cur(&format!("{TYPE},line_item_resource_id,line_item_currency_code"), &["Usage,,,"]);
    let rows = bill.rows("SELECT resource_id, unblended_cost, currency FROM cost_line_items");
    assert_eq!(rows[0].to_string(), r#"{"resource_id":null,"unblended_cost":0.0,"currency":"USD"}"#);
}

#[test]
fn times_are_utc_whatever_their_offset_or_type() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "focus.csv",
        "ChargePeriodStart,BilledCost,EffectiveCost,ChargeCategory\n\
         2026-03-01T00:30:00+02:00,1,1,Usage\n2026-02-28T23:30:00Z,2,2,Usage\n2026-03-01 00:00:00,4,4,Usage\n2026-03-01,8,8,Usage\n",
    );
    sandbox.ok(&["ingest", "focus.csv", "--quiet"]);
    let days =
        sandbox.rows("SELECT usage_date, sum(unblended_cost) AS cost FROM cost_line_items GROUP BY 1 ORDER BY 1");
    assert_eq!(days[0].to_string(), r#"{"usage_date":"2026-02-28","cost":3.0}"#);
    assert_eq!(days[1].to_string(), r#"{"usage_date":"2026-03-01","cost":12.0}"#);

    let zoned = Sandbox::new();
    zoned.parquet(
        "focus.parquet",
        "SELECT TIMESTAMPTZ '2026-03-01 00:30:00+02' AS \"ChargePeriodStart\", 1.5::DECIMAL(38, 17) AS \"BilledCost\", \
         1.5::DECIMAL(38, 17) AS \"EffectiveCost\", 'Usage' AS \"ChargeCategory\"",
    );
    zoned.ok(&["ingest", "focus.parquet", "--quiet"]);
    let rows = zoned.rows("SELECT usage_date, unblended_cost FROM cost_line_items");
    assert_eq!(rows[0].to_string(), r#"{"usage_date":"2026-02-28","unblended_cost":1.5}"#);
}

#[test]
fn csv_headers_of_the_legacy_report_are_the_same_columns() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "cur.csv",
        "\u{feff}lineItem/UsageAccountId,lineItem/UsageStartDate,lineItem/ProductCode,lineItem/LineItemType,lineItem/UnblendedCost,\
         bill/PayerAccountId,resourceTags/user:CostCenter,resourceTags/user:costCenter\r\n\
         000000000001,2026-03-05T00:00:00Z,AmazonS3,Usage,1.25,000000000009,web,\r\n\
         000000000001,2026-03-05T00:00:00Z,AmazonS3,Usage,2.50,000000000009,,data\r\n",
    );
    sandbox.ok(&["ingest", "cur.csv", "--quiet"]);
    let rows = sandbox.rows("SELECT data_source, payer_account_id, tags['user_cost_center'] AS tag, unblended_cost FROM cost_line_items ORDER BY 4");
    assert_eq!(
        rows[0].to_string(),
        r#"{"data_source":"cur","payer_account_id":"000000000009","tag":"web","unblended_cost":1.25}"#
    );
    assert_eq!(rows[1]["tag"], "data", "columns whose names collide are merged");
}

#[test]
fn focus_versions_are_told_apart_and_providers_named_alike() {
    let versions = [
        ("ProviderName", "AWS", "focus 1.0"),
        ("SkuMeter,ProviderName", "m,Amazon Web Services", "focus 1.1"),
        ("InvoiceId,SubAccountType,ProviderName", "i,t,AWS", "focus 1.2"),
        ("ServiceProviderName,ProviderName", "AWS,AWS", "focus 1.3"),
        ("ServiceProviderName", "AWS", "focus 1.4"),
    ];
    for (columns, values, version) in versions {
        let sandbox = Sandbox::new();
        sandbox.write(
            "focus.csv",
            format!("ChargePeriodStart,BilledCost,EffectiveCost,ChargeCategory,{columns}\n2026-03-01T00:00:00Z,1,1,Usage,{values}\n"),
        );
        let answer = sandbox.json(&["ingest", "focus.csv", "--quiet"]);
        assert_eq!(answer["periods"][0]["format"], version);
        assert_eq!(answer["periods"][0]["provider"], "AWS");
    }
}

#[test]
fn plain_csv_of_any_vendor_is_kept_under_its_own_name() {
    let sandbox = Sandbox::new();
    sandbox.write("dd.csv", "Date;Amount;Service Name;tag:team\n2026-03-01;12,5;APM;web\n".replace("12,5", "12.5"));
    sandbox.ok(&["ingest", "dd.csv", "--data-source", "datadog", "--quiet"]);
    let rows = sandbox.rows(
        "SELECT data_source, provider, product_code, net_amortized_cost, tags['team'] AS team FROM cost_line_items",
    );
    assert_eq!(
        rows[0].to_string(),
        r#"{"data_source":"datadog","provider":"datadog","product_code":"APM","net_amortized_cost":12.5,"team":"web"}"#
    );
}
