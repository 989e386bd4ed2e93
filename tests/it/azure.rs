//! Azure Cost Management exports: five layouts of the same facts, actual and amortized of the same money.

use insta::assert_snapshot;

use crate::harness::{Sandbox, shared};

/// A row of an export: day, cost, subscription, service, charge type.
type Row = (u32, f64, &'static str, &'static str, &'static str);

const ROWS: [Row; 5] = [
    (1, 10.0, "sub-1", "Virtual Machines", "Usage"),
    (2, 12.5, "sub-1", "Virtual Machines", "Usage"),
    (2, 3.25, "sub-2", "Storage", "Usage"),
    (3, -4.0, "sub-2", "Storage", "Refund"),
    (3, 0.01, "sub-1", "Virtual Machines", "RoundingAdjustment"),
];

/// The rows in a layout, with a date as the layout writes it.
fn export(header: &str, row: impl Fn(&Row) -> String) -> String {
    ROWS.iter().fold(format!("{header}\n"), |text, line| text + &row(line) + "\n")
}

fn layouts() -> [(&'static str, String); 5] {
    let mdy = |day: u32| format!("05/{day:02}/2026");
    let iso = |day: u32| format!("2026-05-{day:02}");
    let arm =
        |subscription: &str| format!("/subscriptions/{subscription}/resourceGroups/rg/providers/Microsoft.Compute/x");
    [
        (
            "EA, before 2019",
            export(
                "SubscriptionGuid,ResourceGroup,ResourceLocation,UsageDateTime,MeterCategory,MeterSubcategory,MeterName,UsageQuantity,PreTaxCost,InstanceId,Tags,Currency,ChargeType",
                |(day, cost, sub, service, charge)| {
                    format!(
                        "{sub},rg,East US,{},{service},A,B,2,{cost},{},\"\"\"team\"\": \"\"web\"\"\",EUR,{charge}",
                        iso(*day),
                        arm(sub)
                    )
                },
            ),
        ),
        (
            "EA",
            export(
                "\u{feff}BillingAccountId,BillingPeriodStartDate,SubscriptionId,Date,MeterCategory,MeterSubCategory,MeterName,Quantity,Cost,BillingCurrency,ResourceLocation,ResourceId,Tags,ChargeType,PricingModel",
                |(day, cost, sub, service, charge)| {
                    format!(
                        "EA-1,05/01/2026,{sub},{},{service},A,B,2,{cost},EUR,EastUS,{},\"{{\"\"team\"\": \"\"web\"\"}}\",{charge},OnDemand",
                        mdy(*day),
                        arm(sub)
                    )
                },
            ),
        ),
        (
            "EA v2",
            export(
                "BillingAccountId,SubscriptionId,Date,MeterCategory,MeterSubCategory,MeterName,Quantity,CostInBillingCurrency,BillingCurrencyCode,ResourceLocation,ResourceId,Tags,ChargeType",
                |(day, cost, sub, service, charge)| {
                    format!(
                        "EA-1,{sub},{},{service},A,B,2,{cost},EUR,eastus,{},\"\"\"team\"\": \"\"web\"\"\",{charge}",
                        iso(*day),
                        arm(sub)
                    )
                },
            ),
        ),
        (
            "MCA",
            export(
                "billingAccountId,subscriptionId,date,meterCategory,meterSubCategory,meterName,quantity,costInBillingCurrency,costInUsd,exchangeRatePricingToBilling,billingCurrency,pricingCurrency,resourceLocation,InstanceName,tags,chargeType",
                |(day, cost, sub, service, charge)| {
                    format!(
                        "MCA-1,{sub},{},{service},A,B,2,{cost},99,0.9,EUR,USD,eastus,{},\"\"\"team\"\": \"\"web\"\"\",{charge}",
                        mdy(*day),
                        arm(sub)
                    )
                },
            ),
        ),
        (
            "2025-04",
            export(
                "BillingAccountId,SubscriptionId,Date,MeterCategory,MeterSubCategory,MeterName,Quantity,Cost,BillingCurrency,ResourceLocation,ResourceId,Tags,ChargeType,benefitId",
                |(day, cost, sub, service, charge)| {
                    format!(
                        "EA-1,{sub},{},{service},A,B,2,{cost},EUR,eastus,{},\"\"\"team\"\": \"\"web\"\"\",{charge},",
                        mdy(*day),
                        arm(sub)
                    )
                },
            ),
        ),
    ]
}

/// Whatever the layout calls them, the same facts come of it.
#[test]
fn five_layouts_say_the_same() {
    let facts = "SELECT usage_date, usage_account_id, product_code, usage_type, region, charge_category, unblended_cost, usage_amount, currency, \
                 tags['team'] AS team, ends_with(resource_id, '/x') AS is_arm FROM cost_line_items ORDER BY ALL";
    let mut all: Vec<(&str, Vec<serde_json::Value>)> = Vec::new();
    for (name, text) in layouts() {
        let sandbox = Sandbox::new();
        sandbox.write("export.csv", text);
        let shown = sandbox.ok(&["ingest", "export.csv"]);
        assert!(shown.stdout.contains(&format!("azure-actual {name}")), "{name}: {shown}");
        all.push((name, sandbox.rows(facts)));
    }
    let (_, first) = &all[0];
    assert_eq!(first.len(), 5);
    for (name, rows) in &all[1..] {
        assert_eq!(rows, first, "{name}");
    }
    assert_eq!(first[0]["usage_date"], "2026-05-01");
    let categories: Vec<&str> = first.iter().filter_map(|row| row["charge_category"].as_str()).collect();
    assert_eq!(categories, ["Usage", "Usage", "Usage", "Adjustment", "Credit"]);
}

/// An order that the file shows wins over the usual one, and where it shows none the usual one counts.
#[test]
fn dates_are_american_unless_the_file_shows_otherwise() {
    let header = "SubscriptionId,Date,MeterCategory,Cost,BillingCurrency";
    for (dates, expected) in [
        (["03/04/2026", "03/05/2026"], "2026-03-04"),
        (["03/04/2026", "25/04/2026"], "2026-04-03"),
        (["03/04/2026", "03/25/2026"], "2026-03-04"),
    ] {
        let sandbox = Sandbox::new();
        let rows: String = dates.iter().map(|date| format!("s,{date},Storage,1,USD\n")).collect();
        sandbox.write("a.csv", format!("{header}\n{rows}"));
        sandbox.ok(&["ingest", "a.csv", "--quiet"]);
        assert_eq!(sandbox.rows("SELECT min(usage_date) AS day FROM cost_line_items")[0]["day"], expected, "{dates:?}");
    }
}

/// Both describe the same money: amortized costs count, the others are said.
#[test]
fn actual_and_amortized_of_a_month_are_never_added() {
    let sandbox = Sandbox::new();
    let header =
        "BillingAccountId,SubscriptionId,Date,MeterCategory,Quantity,Cost,BillingCurrency,ChargeType,PricingModel";
    let days = |line: &dyn Fn(u32) -> String| (1..=20).map(line).collect::<String>();
    let actual = days(&|day| format!("EA-1,s,05/{day:02}/2026,Virtual Machines,1,0,EUR,Usage,Reservation\n"));
    let purchase = "EA-1,,05/01/2026,Virtual Machines,1,300,EUR,Purchase,Reservation\n";
    let amortized = days(&|day| format!("EA-1,s,05/{day:02}/2026,Virtual Machines,1,9,EUR,Usage,Reservation\n"));
    let unused = "EA-1,s,05/20/2026,Virtual Machines,1,5,EUR,UnusedReservation,Reservation\n";
    sandbox.write("exports/daily-actual/part_0_0001.csv", format!("{header}\n{actual}{purchase}"));
    sandbox.write("exports/daily-amortized/part_0_0001.csv", format!("{header}\n{amortized}{unused}"));
    sandbox.ok(&["ingest", "exports", "--quiet"]);
    assert_snapshot!(sandbox.run(&["trends", "--from", "2026-05-01", "--to", "2026-05-20", "--granularity", "monthly", "--as-of", "2026-05-20", "--format", "csv"]), @"
    start,end,provisional,service,cost,change,change_pct,currency
    2026-05-01,2026-05-20,true,Virtual Machines,185,,,EUR
    --- stderr
    note: from azure-amortized; also in the database: azure-actual (`--source`)
    --- exit code 0
    ");
    let billed = sandbox.ok(&[
        "trends",
        "--source",
        "azure-actual",
        "--from",
        "2026-05-01",
        "--to",
        "2026-05-20",
        "--granularity",
        "monthly",
        "--as-of",
        "2026-05-20",
        "--format",
        "csv",
        "--quiet",
    ]);
    assert!(billed.stdout.contains("300"), "{billed}");
}

/// The same export as FOCUS names accounts by paths: the same bill all the same.
#[test]
fn focus_beside_a_native_export_counts_once() {
    let sandbox = Sandbox::new();
    let native = (1..=20).map(|day| format!("EA-1,s-1,05/{day:02}/2026,Storage,1,9,EUR,Usage\n")).collect::<String>();
    sandbox.write(
        "native/part.csv",
        format!(
            "BillingAccountId,SubscriptionId,Date,MeterCategory,Quantity,Cost,BillingCurrency,ChargeType\n{native}"
        ),
    );
    let focus = (1..=20).map(|day| {
        format!("2026-05-{day:02}T00:00:00Z,9,9,Usage,/providers/Microsoft.Billing/billingAccounts/EA-1,/subscriptions/s-1,Storage,EUR,Microsoft\n")
    });
    let focus: String = focus.collect();
    sandbox.write("focus/part.csv", format!("ChargePeriodStart,BilledCost,EffectiveCost,ChargeCategory,BillingAccountId,SubAccountId,ServiceName,BillingCurrency,ProviderName\n{focus}"));
    sandbox.ok(&["ingest", "native", "focus", "--quiet"]);
    let found = sandbox.json(&[
        "trends",
        "--from",
        "2026-05-01",
        "--to",
        "2026-05-20",
        "--granularity",
        "monthly",
        "--as-of",
        "2026-05-20",
    ]);
    assert_eq!(found["periods"][0]["total"], 180.0, "{found}");
    assert_eq!(found["sources"], serde_json::json!(["azure-actual"]));
    assert!(found["warnings"].to_string().contains("also in the database: focus"), "{found}");
}

/// A one-time export of a month beside the daily one of it: the period is replaced, never added.
#[test]
fn a_one_time_export_beside_a_daily_one_counts_once() {
    let sandbox = Sandbox::new();
    let header =
        "BillingAccountId,SubscriptionId,Date,MeterCategory,MeterName,Quantity,Cost,BillingCurrency,ChargeType";
    let rows = |until: u32| {
        (1..=until).map(|day| format!("EA-1,s,05/{day:02}/2026,Storage,m{day},1,{day},EUR,Usage\n")).collect::<String>()
    };
    sandbox.write("once/whole-month.csv", format!("{header}\n{}", rows(31)));
    sandbox.write("daily/20260501-20260531/202605201200/1f/part_0_0001.csv", format!("{header}\n{}", rows(20)));
    for folder in ["once", "daily"] {
        sandbox.ok(&["ingest", folder, "--quiet"]);
    }
    assert_eq!(sandbox.number("SELECT sum(unblended_cost) FROM cost_line_items"), 496.0);
}

/// Published for tests by Microsoft: `../shared/data/README.md` has the sums.
#[test]
fn real_exports_are_read_to_the_cent() {
    for (name, sum, rows, source) in [
        ("EA_ActualCost_Small", 8.545008, 11.0, "azure-actual"),
        ("EA_AmortizedCost_Small", 16.296932, 28.0, "azure-amortized"),
    ] {
        let Some(file) = shared(&format!("azure_native/{name}.csv")) else { return };
        let sandbox = Sandbox::new();
        sandbox.ok(&["ingest", &file, "--quiet"]);
        assert_eq!(sandbox.number("SELECT round(sum(unblended_cost), 6) FROM cost_line_items"), sum);
        assert_eq!(sandbox.number("SELECT count(*) FROM cost_line_items"), rows);
        assert_eq!(sandbox.rows("SELECT DISTINCT data_source AS s FROM cost_line_items")[0]["s"], source);
    }
    for name in ["Enterprise", "EnterpriseCamel", "German", "PayAsYouGo"] {
        let Some(file) = shared(&format!("azure_native/{name}.csv")) else { return };
        let sandbox = Sandbox::new();
        sandbox.ok(&["ingest", &file, "--quiet"]);
        assert_eq!(sandbox.rows("SELECT usage_date AS day FROM cost_line_items")[0]["day"], "2021-02-02", "{name}");
    }
}
