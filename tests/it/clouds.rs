//! Google Cloud's export in its layouts, Azure's deliveries, vendors of models, and all of them in one database.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::{
    fake_services::{
        FakeServices, Fault,
        costs::{ANTHROPIC_KEY, LITELLM_KEY, OPENAI_KEY},
    },
    harness::{Run, Sandbox, direct_numbers},
    serve::Server,
};

/// What every layout of one bill must say.
const FACTS: &str = "SELECT usage_date, billing_period, usage_account_id, product_code, usage_type, region, resource_id, line_item_type, \
                     charge_category, unblended_cost, usage_amount, usage_unit, tags['team'] AS team FROM cost_line_items ORDER BY ALL";

/// Generated bills of a provider: 60 days up to 2026-03-15.
fn generated(provider: &str, more: &[&str]) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.sample("bills", &[&["--provider", provider], more].concat());
    sandbox
}

fn sum(sandbox: &Sandbox) -> f64 {
    sandbox.number("SELECT CAST(sum(CAST(unblended_cost AS DECIMAL(38, 12))) AS DOUBLE) FROM cost_line_items")
}

/// The sum of an answer of `trends`.
fn total(answer: &Value) -> f64 {
    let periods = answer["periods"].as_array().expect("periods").iter();
    periods.map(|period| period["total"].as_f64().expect("a total")).sum()
}

/// What DuckDB itself adds up of generated files, with all credits of Google Cloud's.
fn of_files(sandbox: &Sandbox, sql: &str) -> f64 {
    direct_numbers(&sql.replace("{}", &sandbox.path("bills").to_string_lossy()), 1)[0]
}

#[test]
fn google_clouds_export_says_the_same_nested_and_flat() {
    let with_credits = "sum(cost) + sum(list_sum(list_transform(credits, lambda credit: credit.amount)))";
    let layouts = [
        ("parquet", format!("SELECT {with_credits} FROM '{{}}/*.parquet'")),
        ("json", format!("SELECT {with_credits} FROM read_json('{{}}/*.json', sample_size = -1)")),
        (
            "csv",
            "SELECT sum(cost) + sum(list_sum(CAST(json_extract(credits, '$[*].amount') AS DOUBLE[]))) \
             FROM read_csv('{}/gcp*.csv', sample_size = -1)"
                .to_owned(),
        ),
    ];
    let mut first: Option<Vec<Value>> = None;
    for (layout, independent) in layouts {
        let sandbox = generated("gcp", &["--layout", layout]);
        sandbox.ok(&["ingest", "bills", "--quiet"]);
        let (ours, theirs) = (sum(&sandbox), of_files(&sandbox, &independent));
        assert!((ours - theirs).abs() < 0.005, "{layout}: {ours} and {theirs}");
        let facts = sandbox.rows(FACTS);
        match &first {
            None => first = Some(facts),
            Some(first) => assert_eq!(&facts, first, "{layout}"),
        }
    }
    let categories = |facts: &[Value]| -> Vec<String> {
        let mut all: Vec<String> = facts
            .iter()
            .map(|row| format!("{} {}", row["charge_category"], row["line_item_type"]).replace('"', ""))
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    };
    assert_eq!(
        categories(&first.expect("facts")),
        ["Adjustment SUSTAINED_USAGE_DISCOUNT", "Credit FREE_TIER", "Credit PROMOTION", "Tax tax", "Usage regular",]
    );
}

const FLAT: &str = "billing_account_id,service.description,sku.description,usage_start_time,project.id,cost,currency,credits,invoice.month,cost_type\n";

/// Scripts write what Python prints; what nobody can read is no 0.
#[test]
fn credits_are_read_as_json_and_as_python_prints_them() {
    let row = |credits: &str| {
        format!("01AB,Compute Engine,Core,2026-03-01 08:00:00 UTC,acme,10,USD,\"{credits}\",202604,regular\n")
    };
    let sandbox = Sandbox::new();
    let credits = [
        "[{'name': \"\"Bob's discount\"\", 'amount': -1.5, 'full_name': None, 'id': '', 'type': 'DISCOUNT'}]",
        "[{\"\"name\"\":\"\"CUD\"\",\"\"amount\"\":-0.25,\"\"type\"\":\"\"COMMITTED_USAGE_DISCOUNT\"\"},{\"\"name\"\":\"\"p\"\",\"\"amount\"\":-1,\"\"type\"\":\"\"PROMOTION\"\"}]",
        "{'name': 'Free Trial', 'amount': -0.125}",
        "array([{'name': 'x', 'amount': Decimal('-0.5'), 'type': 'RESELLER_MARGIN'}], dtype=object)",
        "[]",
        "",
    ];
    sandbox.write("gcp.csv", FLAT.to_owned() + &credits.map(row).concat());
    sandbox.ok(&["ingest", "gcp.csv", "--quiet"]);
    let by = "SELECT charge_category AS category, count(*) AS lines, sum(unblended_cost) AS cost, any_value(billing_period) AS month \
              FROM cost_line_items GROUP BY 1 ORDER BY 1";
    assert_eq!(
        json!(sandbox.rows(by)),
        json!([
            {"category": "Adjustment", "lines": 3, "cost": -2.25, "month": "2026-04-01"},
            {"category": "Credit", "lines": 2, "cost": -1.125, "month": "2026-04-01"},
            {"category": "Usage", "lines": 6, "cost": 60.0, "month": "2026-04-01"},
        ])
    );
    sandbox.write("bad.csv", FLAT.to_owned() + &row("[]") + &row("see appendix"));
    assert_snapshot!(sandbox.run(&["ingest", "bad.csv"]), @"
    --- stderr
    error: cannot ingest `bad.csv`
      caused by: cannot read `[DIR]/bad.csv`
      caused by: row 3, column `credits`: `see appendix` is not a number
    hint: numbers are read as 1234.56, and as $1,234.56, 1.234,56, (3.00) or 3.00- where the column decides what its commas are
    --- exit code 1
    ");
}

/// BigQuery leaves out of JSON what is NULL: the first rows may lack what later ones have.
#[test]
fn what_the_first_rows_of_json_lack_is_read_all_the_same() {
    let sandbox = Sandbox::new();
    let row = |more: &str| {
        format!(
            "{{\"billing_account_id\":\"01AB\",\"sku\":{{\"description\":\"Core\"}},\"usage_start_time\":\"2026-03-01 08:00:00 UTC\",\
             \"cost\":2.5,\"invoice\":{{\"month\":\"202603\"}}{more}}}\n"
        )
    };
    let late = ",\"service\":{\"description\":\"Compute Engine\"},\"credits\":[{\"amount\":-0.5,\"type\":\"DISCOUNT\",\"new\":1}],\"labels\":[{\"key\":\"team\",\"value\":\"web\"}]";
    sandbox.write("export-000000000000.json", row("").repeat(5000) + &row(late));
    sandbox.ok(&["ingest", "export-000000000000.json", "--quiet"]);
    assert!((sum(&sandbox) - 12_502.0).abs() < 1e-9);
    assert_eq!(sandbox.number("SELECT count(*) FROM cost_line_items WHERE tags['team'] = 'web'"), 2.0);
    // A list of objects is the same.
    sandbox.write("list.json", format!("[{}]", [row(""), row(late)].join(",")));
    let run = sandbox.ok(&["--db", "list.duckdb", "ingest", "list.json"]);
    assert!(run.stdout.contains("3 rows ingested"), "{run}");
    // Neither a byte order mark, nor one row in all, nor objects of nulls are in the way.
    for (name, text) in [
        ("mark.jsonl", format!("\u{feff}{}", row(""))),
        ("one.json", row("")),
        ("nulls.jsonl", row(",\"extra\":{\"a\":null}")),
    ] {
        sandbox.write(name, text);
        let run = sandbox.ok(&["--db", &format!("{name}.duckdb"), "ingest", name]);
        assert!(run.stdout.contains("1 row"), "{name}: {run}");
    }
    for (name, text, said) in [
        ("broken.jsonl", row("") + "{\"cost\": \n" + &row(""), "line 2 is no whole JSON object"),
        (
            "amount.jsonl",
            row("") + &row(",\"credits\":[{\"amount\":\"abc\",\"type\":\"D\"}]"),
            "row 2, column `credits`: `abc` is not a number",
        ),
    ] {
        sandbox.write(name, text);
        let run = sandbox.run(&["--db", "refused.duckdb", "ingest", name]);
        assert!(run.code == 1 && run.stderr.contains(said), "{name}: {run}");
    }
    for (name, text) in [("cut.json", "[{\"cost\":1,"), ("no.json", "{\"cost\" 1}\n{}\n")] {
        sandbox.write(name, text);
        assert_eq!(sandbox.run(&["ingest", name]).code, 1, "{name}");
    }
}

/// The detailed export, the standard one and FOCUS are one bill.
#[test]
fn google_clouds_month_delivered_three_ways_counts_once() {
    let sandbox = generated("gcp", &[]);
    let standard = "SELECT * EXCLUDE (resource) FROM read_parquet('{}/*.parquet')";
    let focus = "SELECT billing_account_id AS BillingAccountId, COALESCE(project.id, billing_account_id) AS SubAccountId, 'Google Cloud' AS ProviderName, \
                 service.description AS ServiceName, usage_start_time AS ChargePeriodStart, strptime(invoice.month, '%Y%m') AS BillingPeriodStart, \
                 currency AS BillingCurrency, cost + COALESCE(list_sum(list_transform(credits, lambda credit: credit.amount)), 0) AS BilledCost, \
                 BilledCost AS EffectiveCost, 'Usage' AS ChargeCategory FROM read_parquet('{}/*.parquet')";
    let bills = sandbox.path("bills").to_string_lossy().into_owned();
    sandbox.parquet("standard/gcp.parquet", &standard.replace("{}", &bills));
    sandbox.parquet("focus/gcp.parquet", &focus.replace("{}", &bills));
    sandbox.ok(&["ingest", "bills", "--quiet"]);
    let read = |sandbox: &Sandbox| {
        let answer = sandbox.json(&["trends", "--from", "2026-01-15", "--to", "2026-03-15", "--as-of", "2026-03-15"]);
        (total(&answer), answer["sources"].clone())
    };
    let once = read(&sandbox);
    for other in ["standard", "focus"] {
        sandbox.ok(&["ingest", other, "--quiet"]);
        let rows =
            sandbox.number(&format!("SELECT count(*) FROM cost_line_items WHERE source_file LIKE '%/{other}/%'"));
        assert!(rows > 100.0, "{other}");
    }
    assert_eq!(read(&sandbox), once);
    assert_eq!(once.1, json!(["gcp-detailed"]));
    assert_snapshot!(sandbox.ok(&["trends", "--from", "2026-03-01", "--to", "2026-03-04", "--as-of", "2026-03-15", "--top", "2"]), @"
    Net amortized cost by service, 2026-03-01 to 2026-03-04, from gcp-detailed

    service         2026-03-02  2026-03-03  2026-03-04      total    share  per day  change 2026-03-04       %  trend
    Compute Engine     $120.02     $119.07     $114.84    $463.41   44.7 %  $115.85             -$4.22  -3.5 %  ▇███
    BigQuery            $82.09      $78.06      $75.71    $313.46   30.2 %   $78.37             -$2.34  -3.0 %  ███▇
    other               $64.29      $65.21      $65.56    $260.58   25.1 %   $65.15             +$0.34  +0.5 %  ████
    total              $266.40     $262.34     $256.11  $1,037.45  100.0 %  $259.36             -$6.22  -2.4 %  ████

    day           total   change       %  credits
    2026-03-01  $252.61        -       -  -$16.78
    2026-03-02  $266.40  +$13.79  +5.5 %  -$16.06
    2026-03-03  $262.34   -$4.06  -1.5 %  -$16.63
    2026-03-04  $256.11   -$6.22  -2.4 %  -$16.36

    average $259.36, minimum $252.61 (2026-03-01), maximum $266.40 (2026-03-02)
    not in the total: Credit -$65.82 (`--include`)
    credits and refunds take $65.82 off $1,037.45 of spend: $971.63 remain
    --- stderr
    note: from gcp-detailed; also in the database: focus, gcp (`--source`)
    --- exit code 0
    ");
}

/// Every layout of Azure's generator, against what DuckDB adds up of the same files.
#[test]
fn azures_layouts_have_the_costs_of_their_files() {
    for (layout, cost) in [
        ("ea2018", "PreTaxCost"),
        ("ea", "Cost"),
        ("ea-v2", "CostInBillingCurrency"),
        ("mca", "costInBillingCurrency"),
        ("2025-04", "Cost"),
    ] {
        let sandbox = generated("azure", &["--layout", layout]);
        sandbox.ok(&["ingest", "bills", "--quiet"]);
        for view in ["actual", "amortized"] {
            let sql = format!("SELECT sum({cost}) FROM read_csv('{{}}/costs-{view}/**/*.csv', union_by_name = true)");
            let theirs = of_files(&sandbox, &sql);
            let ours = sandbox.number(&format!(
                "SELECT CAST(sum(CAST(unblended_cost AS DECIMAL(38, 12))) AS DOUBLE) FROM cost_line_items WHERE data_source = 'azure-{view}'"
            ));
            assert!((ours - theirs).abs() < 0.005, "{layout} {view}: {ours} and {theirs}");
        }
    }
}

/// Each run of an export is the whole month again, and the manifest with the latest time says which run counts.
#[test]
fn azures_latest_run_of_a_month_counts() {
    let sandbox = generated("azure", &[]);
    let folder = sandbox.path("bills/costs-amortized/20260301-20260331");
    let run = std::fs::read_dir(&folder).expect("runs").next().expect("a run").expect("an entry").path();
    let former = folder.join("00000000-0000-4000-8000-000000000000");
    std::fs::create_dir(&former).expect("a folder");
    let csv = std::fs::read_to_string(run.join("part_0_0001.csv")).expect("a part");
    let half: Vec<&str> = csv.lines().take(50).collect();
    std::fs::write(former.join("part_0_0001.csv"), half.join("\n")).expect("written");
    let manifest = std::fs::read_to_string(run.join("manifest.json")).expect("a manifest");
    let name = run.file_name().expect("a name").to_string_lossy().into_owned();
    let earlier =
        manifest.replace(&name, "00000000-0000-4000-8000-000000000000").replace("2026-03-15T06", "2026-03-08T06");
    assert_ne!(earlier, manifest);
    std::fs::write(former.join("manifest.json"), earlier).expect("written");

    let shown = sandbox.ok(&["ingest", "bills"]);
    assert!(shown.stdout.contains("1 older files that no manifest names"), "{shown}");
    let of_month =
        "SELECT count(*) FROM cost_line_items WHERE data_source = 'azure-amortized' AND billing_period = '2026-03-01'";
    let rows = sandbox.number(of_month);
    assert_eq!(rows as usize, csv.lines().count() - 1);
    assert!(sandbox.ok(&["ingest", "bills"]).stdout.contains("unchanged"));

    // A part that is cut short is refused, and what is stored stays.
    std::fs::write(run.join("part_0_0001.csv"), half.join("\n")).expect("written");
    let run = sandbox.run(&["ingest", "bills/costs-amortized"]);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.stderr.contains("the files have 49 rows, their manifest says"), "{run}");
    assert_eq!(sandbox.number(of_month), rows);
}

/// A proxy counts the calls that the vendor charges.
#[test]
fn what_a_proxy_counted_is_not_added_to_the_vendors_own_costs() {
    let sandbox = generated("openai", &[]);
    sandbox.ok(&["ingest", "bills", "--quiet"]);
    let sum_of = |sandbox: &Sandbox| {
        let answer = sandbox.json(&[
            "trends",
            "--from",
            "2026-02-01",
            "--to",
            "2026-02-28",
            "--as-of",
            "2026-03-15",
            "--filter",
            "provider=OpenAI",
        ]);
        total(&answer)
    };
    let alone = sum_of(&sandbox);
    let proxy = generated("litellm", &[]);
    std::fs::rename(proxy.path("bills"), sandbox.path("proxy")).expect("moved");
    sandbox.ok(&["ingest", "proxy", "--quiet"]);
    assert!((sum_of(&sandbox) - alone).abs() < 1e-9, "{} and {alone}", sum_of(&sandbox));
    // What only the proxy knows is counted.
    let answer = sandbox.json(&[
        "trends",
        "--group-by",
        "provider",
        "--from",
        "2026-02-01",
        "--to",
        "2026-02-28",
        "--as-of",
        "2026-03-15",
    ]);
    assert_eq!(answer["sources"], json!(["litellm", "openai"]));
    let groups =
        answer["groups"].as_array().expect("groups").iter().filter_map(|row| row["group"]["provider"].as_str());
    assert_eq!(groups.collect::<Vec<_>>(), ["OpenAI", "Anthropic", "Google Cloud"]);
}

#[test]
fn bills_are_made_in_a_providers_own_layouts_only() {
    let sandbox = Sandbox::new();
    let of = |more: &[&str]| sandbox.run(&[&["sample-data", "--out", "bills"], more].concat()).stderr;
    let refusals = [
        of(&["--provider", "gcp", "--format", "focus"]),
        of(&["--layout", "mca"]),
        of(&["--provider", "azure", "--causes", "price"]),
    ];
    assert_snapshot!(refusals.concat(), @"
    error: `--format` is for the bills of AWS
    hint: others have a `--layout`
    error: `--layout` is for the bills of other providers
    hint: AWS's have a `--format`
    error: `--causes` is for the bills of AWS
    hint: leave it out: other bills have events
    ");
    assert!(!sandbox.path("bills").exists());
}

/// The endpoints of other detectors say of which cloud an incident is, and count them so.
fn incidents_know_their_cloud(sandbox: &Sandbox) {
    let as_of = "2026-03-15";
    sandbox.ok(&["anomalies", "--from", "2026-02-20", "--to", "2026-03-14", "--as-of", as_of, "--quiet"]);
    let server = Server::as_of(sandbox, as_of, &[]);
    let all = server.json("/api/v1/anomalies?limit=1000");
    let all = all.as_array().expect("a list");
    let of = |cloud: &str| all.iter().filter(|one| one["cloud"] == cloud).count();
    for (service, cloud) in [("AmazonSageMaker", "aws"), ("Foundry Models", "azure"), ("Vertex AI", "gcp")] {
        let found: Vec<&Value> = all.iter().filter(|one| one["service"] == service).collect();
        assert!(!found.is_empty() && found.iter().all(|one| one["cloud"] == cloud), "{service}: {all:#?}");
    }
    for cloud in ["aws", "azure", "gcp"] {
        let own = server.json(&format!("/api/v1/anomalies?limit=1000&cloud={cloud}"));
        let own = own.as_array().expect("a list");
        assert!(own.len() == of(cloud) && own.iter().all(|one| one["cloud"] == cloud), "{cloud}: {own:#?}");
    }
    // More than a year: whatever the ledger has.
    let stats = server.json("/api/v1/stats?hours=10000");
    let ledger = sandbox.json(&["incidents", "--status", "all"]);
    assert_eq!(stats["total"].as_u64(), ledger["incidents"].as_array().map(|all| all.len() as u64), "{stats}");
    for cloud in ["aws", "azure", "gcp", "openai"] {
        assert!(stats["by_cloud"][cloud].as_u64() >= Some(of(cloud).max(1) as u64), "{cloud}: {stats}");
    }
    // Also of what stopped, and has no lines any more.
    assert!(stats["by_cloud"]["unknown"].is_null(), "{stats}");
}

/// AWS, Azure, Google Cloud and OpenAI in one database.
#[test]
fn four_providers_are_on_one_page() {
    let sandbox = Sandbox::new();
    let mut alone = 0.0;
    for provider in ["aws", "azure", "gcp", "openai"] {
        let own = Sandbox::new();
        own.ok(&["sample-data", "--provider", provider, "--out", "bills", "--as-of", "2026-03-15", "--quiet"]);
        own.ok(&["ingest", "bills", "--quiet"]);
        let answer = own.json(&["trends", "--days", "40", "--as-of", "2026-03-15"]);
        alone += total(&answer);
        std::fs::rename(own.path("bills"), sandbox.path(provider)).expect("moved");
        sandbox.ok(&["ingest", provider, "--quiet"]);
    }
    let trends = sandbox.json(&["trends", "--days", "40", "--as-of", "2026-03-15", "--group-by", "provider"]);
    let all = total(&trends);
    assert!((all - alone).abs() < 0.01, "{all} and {alone}");
    assert_eq!(trends["groups"].as_array().expect("groups").len(), 4);
    let found = sandbox.json(&[
        "anomalies",
        "--from",
        "2026-02-20",
        "--to",
        "2026-03-14",
        "--group-by",
        "service+account",
        "--as-of",
        "2026-03-15",
        "--no-save",
    ]);
    let services: Vec<&str> = found["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .filter_map(|finding| finding["group"]["service"].as_str())
        .collect();
    for planted in ["AmazonRDS", "SQL Database", "BigQuery", "gpt-5-2025-08-07"] {
        assert!(services.contains(&planted), "{planted}: {services:?}");
    }
    incidents_know_their_cloud(&sandbox);
    // Where to look next is said in each cloud's own words, and not at all where there are none.
    for (service, command) in [
        ("AmazonRDS", Some("aws rds describe-events --region us-east-1")),
        (
            "SQL Database",
            Some(
                "az monitor activity-log list --subscription 8f5e1c5a-0000-4000-8000-000000000001 --namespace Microsoft.Sql",
            ),
        ),
        ("BigQuery", Some("bq ls --jobs=true --all=true --max_results=50 --project_id=acme-ml-0815")),
        ("gpt-5-2025-08-07", None),
    ] {
        let answer = sandbox.json(&["explain", "--service", service, "--as-of", "2026-03-15", "--quiet"]);
        let next = answer["next"].as_array().expect("next steps");
        match command {
            None => assert!(next.is_empty(), "{service}: {next:?}"),
            Some(command) => {
                let first = next.first().and_then(|step| step["command"].as_str()).unwrap_or_default();
                assert!(first.starts_with(command), "{service}: {next:?}");
            }
        }
    }
    // Tokens are quantities: what moved is use, not the price.
    let explained = sandbox.ok(&["explain", "--service", "gpt-5-2025-08-07", "--as-of", "2026-02-18", "--quiet"]);
    assert_snapshot!(explained, @"
    gpt-5-2025-08-07 has cost $53.44 a day since 2026-02-14, $15.83 a day more (+42 %) than before; all of it is usage
      (`gpt-5-2025-08-07, output`: 2,317,720 to 3,970,106 tokens a day). It goes on: $481.73 a month more at the $53.44 a
      day of its newest days.

    $80.12                                                            █
           ▃  ▃▄▃▁▃    ▂▄▁  ▂▂▄▂▁  ▃▄ ▂   ▂▃▃▃▃   ▁▂▂▁   ▃▃▅▁  ▃ ▂▃▄  █
           █  █████  █████  █████  █████  █████  ▇████  █████  █▇███  █
           █▃ █████▃▁█████▁▁█████ ▁█████▁▁█████▁▂█████▁▂█████▁▁████████
           ████████████████████████████████████████████████████████████
           ████████████████████████████████████████████████████████████
                                                                    ^^^
           2025-12-19                                             02-16

    2026-02-14: $40.81, expected $28.50 ($23.10 to $33.89), score 5.7, flagged
    median of the 28 days before $55.97, MAD $2.93, same weekday $28.45, same day last month $54.12
    because: 40.81 instead of 28.50 give or take 5.39 (the level of 28 days, times 0.58 on this weekday)
    because: score 5.7, threshold 2.5
    because: 3 of 3 days flagged
    because: 80.12 on 2026-02-16
    since 2026-02-14, 3 days, +$47.48 so far, goes on; +$481.73 a month at $53.44 a day

    why, a day: $37.62 to $53.44
    cause   change    share
    usage  +$15.83  100.0 %
    all    +$15.83  100.0 %

    all of it in account Search, region global

    by usage-type, carried by 1 of 2
    usage-type                before   after   change    share
    gpt-5-2025-08-07, output  $23.18  $39.70  +$16.52  104.4 %  grown
    gpt-5-2025-08-07, input   $14.44  $13.74   -$0.70   -4.4 %  shrunk

    quantities and unit prices, a day
    usage type                operation  account       change  quantity before       after  unit    price before       after
    gpt-5-2025-08-07, output  (none)     proj_search  +$16.52        2,317,720   3,970,106  tokens       0.00001     0.00001
    gpt-5-2025-08-07, input   (none)     proj_search   -$0.70       11,551,861  10,994,326  tokens    0.00000125  0.00000125

    not known: this data has no resource ids: a CUR has them with INCLUDE_RESOURCES, and the detailed export of Google Cloud
    --- exit code 0
    ");
}

/// A sandbox whose configuration leads to the services, and the rows that these charge.
fn with_vendor(provider: &str, services: &FakeServices) -> (Sandbox, Vec<Value>) {
    let sandbox = generated(provider, &[]);
    let mut rows = Vec::new();
    for month in ["2026-01", "2026-02", "2026-03"] {
        let text = std::fs::read_to_string(sandbox.path(&format!("bills/{provider}-{month}.jsonl"))).expect("a month");
        rows.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")));
    }
    services.charge(rows.clone());
    let url = &services.url;
    sandbox.write(
        "config.yaml",
        format!(
            "vendors:\n  openai: {{ url: '{url}' }}\n  anthropic: {{ url: '{url}' }}\n  litellm: {{ url: '{url}' }}\n"
        ),
    );
    (sandbox, rows)
}

fn fetch(sandbox: &Sandbox, provider: &str, key: &str, more: &[&str]) -> Run {
    let from: &[&str] = if more.contains(&"--from") { &[] } else { &["--from", "2026-01-01"] };
    let arguments = [&["ingest", "--source", provider, "--as-of", "2026-03-15"], from, more].concat();
    let mut command = sandbox.command(&arguments);
    for name in ["OPENAI_ADMIN_KEY", "ANTHROPIC_ADMIN_KEY", "LITELLM_API_KEY"] {
        command.env(name, key);
    }
    sandbox.finish(command)
}

/// What the APIs answer is what the generator wrote, page for page, and comes with its tokens.
#[test]
fn vendors_of_models_are_asked_for_what_they_charge() {
    for (provider, key, per_month) in
        [("openai", OPENAI_KEY, 9), ("anthropic", ANTHROPIC_KEY, 9), ("litellm", LITELLM_KEY, 15)]
    {
        let services = FakeServices::start();
        let (sandbox, rows) = with_vendor(provider, &services);
        let run = fetch(&sandbox, provider, key, &[]);
        assert_eq!(run.code, 0, "{run}");
        assert!(services.received().len() > 6, "{provider}: {}", services.received().len());
        let facts = "SELECT usage_date, usage_account_id, product_code, usage_type, round(unblended_cost, 6) AS cost, usage_amount, usage_unit \
                     FROM cost_line_items ORDER BY ALL";
        let fetched = sandbox.rows(facts);
        assert_eq!(fetched.len(), rows.len(), "{provider}");
        let disk = generated(provider, &[]);
        disk.ok(&["ingest", "bills", "--quiet"]);
        if provider == "openai" {
            // Embeddings are no completions: the costs API alone does not say how many tokens they were.
            let with_tokens = |rows: Vec<Value>| {
                rows.into_iter().filter(|row| row["usage_type"] != "text-embedding-3-large").collect::<Vec<_>>()
            };
            assert_eq!(with_tokens(fetched), with_tokens(disk.rows(facts)), "{provider}");
        } else {
            assert_eq!(fetched, disk.rows(facts), "{provider}");
        }
        assert!((sum(&sandbox) - sum(&disk)).abs() < 1e-6, "{provider}");

        // What is over is not asked for again; what is asked for and the same is left as it is.
        services.clear();
        let again = fetch(&sandbox, provider, key, &[]);
        assert!(again.stdout.contains("unchanged") && !again.stdout.contains("rows ingested"), "{again}");
        assert!(services.received().len() <= 2 * per_month, "{provider}: {}", services.received().len());
        assert!(services.received().iter().all(|request| !request.path.contains("2026-01")), "{provider}");

        // A restated day of this month replaces the month; what a vendor forgets is said.
        let mut restated = rows.clone();
        let cost =
            ["amount_value", "amount", "spend"].into_iter().find(|name| rows[0].get(*name).is_some()).expect("a cost");
        let last = restated.last_mut().expect("a row");
        last[cost] = if last[cost].is_string() { json!("4200.0000") } else { json!(42.0) };
        services.charge(restated);
        assert!(fetch(&sandbox, provider, key, &[]).stdout.contains("rows ingested"), "{provider}");
        assert_eq!(sandbox.rows(facts).len(), rows.len(), "{provider}");
        assert_eq!(
            sandbox.number("SELECT count(*) FROM cost_line_items WHERE abs(unblended_cost - 42) < 1e-9"),
            1.0,
            "{provider}"
        );
        services.charge(Vec::new());
        let gone = fetch(&sandbox, provider, key, &[]);
        assert_eq!(gone.code, 3, "{gone}");
        assert_eq!(sandbox.rows(facts).len(), rows.len(), "{provider}");
        services.assert_clean();
    }
}

/// A busy service is asked again, a wrong key is not, and no key is ever shown.
#[test]
fn a_vendors_refusal_is_said_without_the_key() {
    let services = FakeServices::start();
    let (sandbox, _) = with_vendor("openai", &services);
    services.fault("openai costs", Fault::Status(429, vec![("retry-after", "0".into())], "slow down"));
    services.fault("openai costs", Fault::Status(503, Vec::new(), "busy"));
    assert_eq!(fetch(&sandbox, "openai", OPENAI_KEY, &[]).code, 0);
    services.assert_clean();
    assert_snapshot!(fetch(&sandbox, "openai", "sk-wrong-0123456789", &["--full-refresh"]), @r#"
    --- stderr
    error: cannot fetch 2026-01 of openai
      caused by: openai does not say what it charges
      caused by: 401 Unauthorized: {"error":{"message":"Incorrect API key provided: sk-wro***. You can find your API key at https://platform.openai.com.","code":"invalid_api_key"}}
    hint: it must be an admin key of the organization (`sk-admin-…`), with read access to usage
    --- exit code 1
    "#);
    let mut command = sandbox.command(&["ingest", "--source", "anthropic"]);
    command.env_remove("ANTHROPIC_ADMIN_KEY");
    assert_snapshot!(sandbox.finish(command), @"
    --- stderr
    error: there is no key for anthropic
      caused by: the environment variable `ANTHROPIC_ADMIN_KEY` is not set
    hint: `vendors.anthropic.api_key` of the configuration says where it is; it must be an admin key of the organization (`sk-ant-admin…`)
    --- exit code 1
    ");
    assert_snapshot!(sandbox.run(&["ingest", "--source", "openai", "--dry-run"]), @"
    --- stderr
    error: `--dry-run` is for buckets and Cost Explorer; files on disk and vendors cost nothing
    --- exit code 2
    ");
    let without = fetch(&sandbox, "openai", OPENAI_KEY, &["--from", "2025-12-01", "--full-refresh"]);
    assert!(without.code == 0 && without.stdout.contains("openai has no costs of 2025-12"), "{without}");
    // A busy usage API is no reason to keep a month without its tokens.
    let tokens = "SELECT count(usage_amount) FROM cost_line_items";
    let before = sandbox.number(tokens);
    for _ in 0..4 {
        services.fault("/v1/organization/usage/completions", Fault::Status(503, Vec::new(), "busy"));
    }
    assert_eq!(fetch(&sandbox, "openai", OPENAI_KEY, &["--full-refresh"]).code, 3);
    assert!(before > 100.0 && sandbox.number(tokens) == before, "{before}");
    services.fault("openai costs", Fault::Status(200, Vec::new(), "{\"data\": [{\"results\": [{\"amount\": {}}]}]}"));
    services.fault("openai costs", Fault::Status(200, Vec::new(), "{\"data\": [{\"results\": [{\"amount\": {}}]}]}"));
    let odd = fetch(&sandbox, "openai", OPENAI_KEY, &["--full-refresh"]);
    assert!(odd.stderr.contains("a cost has no `amount.value`"), "{odd}");
}
