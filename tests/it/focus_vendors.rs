//! FOCUS as providers deliver it who do not keep to all of it: Oracle, Alibaba Cloud, Tencent Cloud, Databricks. Columns are those of their
//! documentation; <https://www.alibabacloud.com/help/en/user-center/user-guide/alibaba-cloud-focus-1-0-preview-field-differences>,
//! <https://tencentcloud.com/document/product/555/67496>, <https://github.com/databricks-solutions/cloud-infra-costs/tree/main/focus>,
//! <https://docs.oracle.com/en-us/iaas/Content/Billing/Concepts/costusagereportsoverview.htm>.

use insta::assert_snapshot;

use crate::harness::{Sandbox, direct, shared};

const OCI: &str = "AvailabilityZone,BilledCost,BillingAccountId,BillingAccountName,BillingCurrency,BillingPeriodEnd,BillingPeriodStart,\
    ChargeCategory,ChargeDescription,ChargeFrequency,ChargePeriodEnd,ChargePeriodStart,ChargeSubcategory,CommitmentDiscountCategory,\
    CommitmentDiscountId,CommitmentDiscountName,CommitmentDiscountType,EffectiveCost,InvoiceIssuer,ListCost,ListUnitPrice,PricingCategory,\
    PricingQuantity,PricingUnit,Provider,Publisher,Region,ResourceId,ResourceName,ResourceType,ServiceCategory,ServiceName,SkuId,SkuPriceId,\
    SubAccountId,SubAccountName,Tags,UsageQuantity,UsageUnit,oci_ReferenceNumber,oci_CompartmentId,oci_CompartmentName,oci_OverageFlag,\
    oci_UnitPriceOverage,oci_BilledQuantityOverage,oci_CostOverage,oci_AttributedUsage,oci_AttributedCost,oci_BackReferenceNumber\n";

/// An hour of a virtual machine, as Oracle writes it: times without seconds, tags as JSON, a reference to the line that it corrects.
fn oci(hour: &str, cost: &str, quantity: &str, number: u32, corrects: &str) -> String {
    format!(
        "AD-1,{cost},20209880,Acme,EUR,2026-04-01T00:00Z,2026-03-01T00:00Z,Usage,Standard - E4 - OCPU,Usage-Based,{hour}:59Z,{hour}:00Z,\
         On-Demand,,,,,{cost},Oracle,{cost},0.025,,{quantity},OCPU Hours,Oracle,Oracle,eu-frankfurt-1,ocid1.instance.oc1..a,web-1,instance,\
         Compute,COMPUTE,B93113,,ocid1.tenancy.oc1..t,acme,\"{{\"\"Oracle-Tags/CreatedBy\"\": \"\"alice\"\"}}\",{quantity},OCPU Hours,ref{number},\
         ocid1.compartment.oc1..c,production,N,,,,,,{corrects}\n"
    )
}

/// Oracle writes a file for each few hours, which all stand beside each other; corrections come later as lines of their own.
#[test]
fn oracles_files_add_up_and_corrections_count() {
    let sandbox = Sandbox::new();
    let days = [
        [oci("2026-03-01T00", "1.25", "50", 1, ""), oci("2026-03-01T23", "0.50", "20", 2, "")].concat(),
        [
            oci("2026-03-02T00", "1.25", "50", 3, ""),
            oci("2026-03-01T22", "0.75", "30", 4, ""),
            oci("2026-03-01T00", "-0.25", "-10", 5, "ref1"),
        ]
        .concat(),
    ];
    for (index, rows) in days.iter().enumerate() {
        let plain = sandbox.write("plain.csv", format!("{OCI}{rows}"));
        let place = sandbox.write(&format!("FOCUS Reports/2026/03/0{}/000100000{index}.csv.gz", index + 1), "");
        direct(&format!(
            "COPY (FROM read_csv('{}', all_varchar = true)) TO '{}' (FORMAT csv, COMPRESSION gzip)",
            plain.display(),
            place.display()
        ));
    }
    sandbox.ok(&["ingest", "FOCUS Reports", "--quiet"]);
    let trends = [
        "trends",
        "--from",
        "2026-03-01",
        "--to",
        "2026-03-02",
        "--as-of",
        "2026-03-05",
        "--group-by",
        "provider+account",
    ];
    assert_snapshot!(sandbox.ok(&trends), @"
    Net amortized cost by provider and account, 2026-03-01 to 2026-03-02, from focus

    provider  account                      2026-03-01  2026-03-02  total    share  per day  change 2026-03-01  %  trend
    Oracle    ocid1.tenancy.oc1..t (acme)       €2.25       €1.25  €3.50  100.0 %    €1.75                  -  -  █▅
    total                                       €2.25       €1.25  €3.50  100.0 %    €1.75                  -  -  █▅

    day         total  change        %
    2026-03-01  €2.25       -        -
    2026-03-02  €1.25  -€1.00  -44.4 %  provisional
    provisional: days after 2026-03-01 may still change
    --- stderr
    note: the newest data is of 2026-03-02, 3 days before 2026-03-05: reading as of that day
    --- exit code 0
    ");
    let rows = sandbox.rows(
        "SELECT usage_date, region, availability_zone, resource_id, usage_unit, sum(usage_amount) AS amount, sum(net_amortized_cost) AS cost, \
         payer_account_id AS payer, billing_entity AS issuer, tags['Oracle-Tags/CreatedBy'] AS owner, currency, min(usage_start) AS first \
         FROM cost_line_items GROUP BY ALL ORDER BY 1",
    );
    assert_snapshot!(rows.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"), @r#"
    {"usage_date":"2026-03-01","region":"eu-frankfurt-1","availability_zone":"AD-1","resource_id":"ocid1.instance.oc1..a","usage_unit":"OCPU Hours","amount":90.0,"cost":2.25,"payer":"20209880","issuer":"Oracle","owner":"alice","currency":"EUR","first":"2026-03-01 00:00:00"}
    {"usage_date":"2026-03-02","region":"eu-frankfurt-1","availability_zone":"AD-1","resource_id":"ocid1.instance.oc1..a","usage_unit":"OCPU Hours","amount":50.0,"cost":1.25,"payer":"20209880","issuer":"Oracle","owner":"alice","currency":"EUR","first":"2026-03-02 00:00:00"}
    "#);
    // The next day's folder has all of the former days, too.
    let more = sandbox
        .write("FOCUS Reports/2026/03/03/0001000009.csv", format!("{OCI}{}", oci("2026-03-03T05", "2", "80", 6, "")));
    sandbox.ok(&["ingest", "FOCUS Reports", "--quiet"]);
    assert_eq!(sandbox.number("SELECT sum(net_amortized_cost) FROM cost_line_items"), 5.5, "{}", more.display());
}

/// Alibaba Cloud says no quantity consumed and no description; Tencent Cloud no effective cost, and blanks as `NULL`.
#[test]
fn what_alibaba_and_tencent_leave_blank_is_taken_from_what_they_say() {
    let sandbox = Sandbox::new();
    let header = "BilledCost,EffectiveCost,ListCost,BillingAccountId,BillingAccountName,SubAccountId,SubAccountName,BillingCurrency,\
        BillingPeriodStart,BillingPeriodEnd,ChargePeriodStart,ChargePeriodEnd,ChargeCategory,ChargeClass,ChargeDescription,ChargeFrequency,\
        ConsumedQuantity,ConsumedUnit,PricingQuantity,PricingUnit,PricingCategory,ProviderName,PublisherName,InvoiceIssuerName,RegionId,RegionName,\
        ResourceId,ResourceName,ServiceCategory,ServiceName,SkuId,SkuPriceId,Tags\n";
    let row = |costs: &str, category: &str, quantity: &str, provider: &str, service: &str, tags: &str| {
        format!(
            "{costs},1890001,main,1890001,main,CNY,2026-03-01T00:00:00Z,2026-04-01T00:00:00Z,2026-03-05T00:00:00Z,2026-03-06T00:00:00Z,{category},NULL,\
             NULL,Usage-Based,NULL,NULL,{quantity},Standard,{provider},{provider},{provider},cn-hangzhou,Hangzhou,i-1,web,Compute,{service},sku-1,NULL,{tags}\n"
        )
    };
    let alibaba = [
        row("12.50,12.50,14", "Usage", "24,Hour", "Alibaba Cloud", "云服务器ECS", r#""{""team"": ""web""}""#),
        row("300,0,300", "Purchase", "1,Month", "Alibaba Cloud", "云服务器ECS", "NULL"),
    ];
    let tencent = [row("7.25,NULL,NULL", "Usage", "10,GB", "Tencent Cloud", "COS", "NULL")];
    sandbox.write("alibaba.csv", format!("\u{feff}{header}{}", alibaba.concat()));
    sandbox.write("tencent.csv", format!("{header}{}", tencent.concat().replace("1890001", "2000")));
    sandbox.ok(&["ingest", "alibaba.csv", "--quiet"]);
    sandbox.ok(&["ingest", "tencent.csv", "--quiet"]);
    let rows = sandbox.rows(
        "SELECT provider, product_code AS service, charge_category AS category, unblended_cost AS billed, amortized_cost AS effective, \
         usage_amount AS amount, usage_unit AS unit, region, tags['team'] AS team, description FROM cost_line_items ORDER BY billed",
    );
    assert_snapshot!(rows.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"), @r#"
    {"provider":"Tencent Cloud","service":"COS","category":"Usage","billed":7.25,"effective":7.25,"amount":10.0,"unit":"GB","region":"cn-hangzhou","team":null,"description":null}
    {"provider":"Alibaba Cloud","service":"云服务器ECS","category":"Usage","billed":12.5,"effective":12.5,"amount":24.0,"unit":"Hour","region":"cn-hangzhou","team":"web","description":null}
    {"provider":"Alibaba Cloud","service":"云服务器ECS","category":"Purchase","billed":300.0,"effective":0.0,"amount":null,"unit":null,"region":"cn-hangzhou","team":null,"description":null}
    "#);
}

/// Databricks has a query that makes FOCUS 1.4 of its system tables: decimals of 30 digits, tags as a map, periods as times, the currency blank
/// where a price is missing, the cloud below it as the host.
#[test]
fn databricks_is_a_provider_of_its_own_on_whatever_cloud() {
    let sandbox = Sandbox::new();
    let usage = "SELECT CAST(NULL AS VARCHAR) AS AvailabilityZone, CAST(amount * 0.55 AS DECIMAL(30, 15)) AS BilledCost, 'acc-1' AS BillingAccountId, \
        'acc-1' AS BillingAccountName, currency AS BillingCurrency, TIMESTAMPTZ '2026-04-01 00:00:00+00' AS BillingPeriodEnd, \
        TIMESTAMPTZ '2026-03-01 00:00:00+00' AS BillingPeriodStart, 'Usage' AS ChargeCategory, CAST(NULL AS VARCHAR) AS ChargeClass, \
        'PREMIUM_JOBS_COMPUTE' AS ChargeDescription, CAST(day + INTERVAL 1 HOUR AS TIMESTAMPTZ) AS ChargePeriodEnd, CAST(day AS TIMESTAMPTZ) AS ChargePeriodStart, \
        CAST(amount AS DECIMAL(30, 15)) AS ConsumedQuantity, 'DBU' AS ConsumedUnit, CAST(amount * 0.55 AS DECIMAL(30, 15)) AS EffectiveCost, \
        'Amazon Web Services' AS HostProviderName, 'Databricks' AS InvoiceIssuerName, CAST(amount * 0.7 AS DECIMAL(30, 15)) AS ListCost, \
        'us-west-2' AS RegionId, 'job-7' AS ResourceId, 'JOBS' AS ServiceName, 'Databricks' AS ServiceProviderName, 'PREMIUM_JOBS_COMPUTE' AS SkuId, \
        '1234567890' AS SubAccountId, 'analytics' AS SubAccountName, MAP {'team': 'data'} AS Tags \
        FROM (VALUES (DATE '2026-03-01', 100, 'USD'), (DATE '2026-03-02', 40, NULL)) AS usage(day, amount, currency)";
    sandbox.parquet("databricks.parquet", usage);
    sandbox.ok(&["ingest", "databricks.parquet", "--quiet"]);
    let rows = sandbox.rows(
        "SELECT usage_date, provider, usage_account_id AS account, usage_account_name AS name, product_code AS service, usage_type, usage_amount AS amount, \
         usage_unit AS unit, net_amortized_cost AS cost, list_cost, currency, tags['team'] AS team FROM cost_line_items ORDER BY 1",
    );
    assert_snapshot!(rows.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"), @r#"
    {"usage_date":"2026-03-01","provider":"Databricks","account":"1234567890","name":"analytics","service":"JOBS","usage_type":"PREMIUM_JOBS_COMPUTE","amount":100.0,"unit":"DBU","cost":55.0,"list_cost":70.0,"currency":"USD","team":"data"}
    {"usage_date":"2026-03-02","provider":"Databricks","account":"1234567890","name":"analytics","service":"JOBS","usage_type":"PREMIUM_JOBS_COMPUTE","amount":40.0,"unit":"DBU","cost":22.0,"list_cost":28.0,"currency":"USD","team":"data"}
    "#);
}

/// Seven lines of the official sample are Oracle's: the region has a name alone, the rest is as the specification says.
#[test]
fn oracle_in_the_official_sample_has_regions() {
    let Some(folder) = shared("focus_1_0") else { return };
    let sandbox = Sandbox::new();
    sandbox.ok(&["ingest", &format!("{folder}/focus_sample.csv"), "--quiet"]);
    let rows = sandbox.rows(
        "SELECT region, count(*) AS lines, round(sum(unblended_cost), 11) AS billed FROM cost_line_items WHERE provider = 'Oracle' GROUP BY 1 ORDER BY 1",
    );
    assert_snapshot!(rows.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"), @r#"
    {"region":"us-phoenix-1","lines":1,"billed":0.24}
    {"region":"us-sanjose-1","lines":6,"billed":0.29707392473}
    "#);
}

/// Azure says how many euros a dollar of its prices is; of other pricing currencies nothing follows.
#[test]
fn azures_focus_says_its_rate() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "azure.csv",
        "ChargePeriodStart,BilledCost,EffectiveCost,ChargeCategory,BillingAccountId,ProviderName,ServiceName,BillingCurrency,\
         x_PricingCurrency,x_BillingExchangeRate\n\
         2026-03-01T00:00:00Z,8,8,Usage,1,Microsoft,Storage,EUR,USD,0.8\n\
         2026-03-02T00:00:00Z,9,9,Usage,1,Microsoft,Storage,EUR,GBP,1.15\n",
    );
    sandbox.ok(&["ingest", "azure.csv", "--quiet"]);
    let rows = sandbox.rows("SELECT usage_date AS day, usd_rate AS rate FROM daily_cost_summary ORDER BY 1");
    assert_eq!(rows[0]["rate"], 1.25, "{rows:?}");
    assert!(rows[1]["rate"].is_null(), "{rows:?}");
}
