//! Bills of several providers and payers add up, each with days of its own; formats of one bill do not.

use serde_json::{Value, json};

use crate::{
    harness::{Run, Sandbox},
    levels::day,
};

/// A channel that is a file of JSON, one line a message.
const LOG: &str = "notify:\n  channels: [{ name: log, file: { path: log.jsonl, format: json } }]\n";

/// Costs around `level`, the same each time.
fn cost(level: f64, index: u64, seed: u64) -> f64 {
    level * (1.0 + 0.04 * (((index * 7919 + seed * 104_729) % 997) as f64 / 997.0 - 0.5))
}

/// An AWS CUR 2.0 of two accounts and three services, `dollars` a day in each, of the days before `until`.
fn cur2(sandbox: &Sandbox, until: u64, dollars: f64) {
    let mut text = String::from(
        "bill_payer_account_id,bill_billing_period_start_date,line_item_usage_account_id,line_item_usage_start_date,\
         line_item_product_code,line_item_unblended_cost,line_item_line_item_type\n",
    );
    for index in 0..until {
        for (seed, account) in ["111111111111", "222222222222"].iter().enumerate() {
            for (own, service) in ["AmazonEC2", "AmazonRDS", "AmazonS3"].iter().enumerate() {
                let amount = cost(dollars, index, (seed * 3 + own) as u64);
                let (date, month) = (day(index), day(index).format("%Y-%m-01"));
                text += &format!("111111111111,{month},{account},{date},{service},{amount:.6},Usage\n");
            }
        }
    }
    sandbox.write("cur.csv", text);
    sandbox.ok(&["ingest", "cur.csv", "--format-hint", "cur2", "--quiet"]);
}

/// A FOCUS bill of a payer, `(account, service, dollars a day)`.
fn focus(sandbox: &Sandbox, name: &str, of: (&str, &str, &str), until: u64, lines: &[(&str, &str, f64)]) {
    let (provider, payer, currency) = of;
    let mut text = String::from(
        "ChargePeriodStart,BillingPeriodStart,BilledCost,EffectiveCost,ChargeCategory,BillingAccountId,SubAccountId,ProviderName,\
         ServiceName,BillingCurrency\n",
    );
    for index in 0..until {
        for (seed, (account, service, dollars)) in lines.iter().enumerate() {
            let amount = cost(*dollars, index, 50 + seed as u64);
            let (date, month) = (day(index), day(index).format("%Y-%m-01"));
            text += &format!(
                "{date}T00:00:00Z,{month}T00:00:00Z,{amount:.6},{amount:.6},Usage,{payer},{account},{provider},{service},{currency}\n"
            );
        }
    }
    sandbox.write(name, text);
    sandbox.ok(&["ingest", name, "--quiet"]);
}

/// A vendor's plain CSV at 900 a day, and what `more` adds to a day.
fn vendor(sandbox: &Sandbox, until: u64, more: impl Fn(u64) -> f64) {
    let mut text = String::from("date,cost,service\n");
    for index in 0..until {
        text += &format!("{},{:.6},Logs\n", day(index), cost(900.0, index, 9) + more(index));
    }
    sandbox.write("datadog.csv", text);
    sandbox.ok(&["ingest", "datadog.csv", "--data-source", "datadog", "--quiet"]);
}

const AZURE: (&str, &str, &str) = ("Microsoft", "EA-8611537", "USD");

/// An AWS CUR 2.0 beside an Azure FOCUS bill beside a vendor's CSV, of the days before `until`.
fn three(until: u64, more: impl Fn(u64) -> f64) -> Sandbox {
    let sandbox = Sandbox::new();
    cur2(&sandbox, until, 45.0);
    focus(&sandbox, "azure.csv", AZURE, until, &[("sub-1", "Virtual Machines", 49_321.0), ("sub-1", "Storage", 300.0)]);
    vendor(&sandbox, until, more);
    sandbox
}

fn total(answer: &Value) -> f64 {
    let periods = answer["periods"].as_array().expect("periods");
    periods.iter().map(|period| period["total"].as_f64().expect("a total")).sum()
}

fn findings(answer: &Value) -> Vec<String> {
    let findings = answer["findings"].as_array().expect("findings");
    let in_words = |finding: &Value| {
        let group = finding["group"].as_object().expect("a group");
        let mut values: Vec<&str> = group.values().filter_map(Value::as_str).collect();
        values.sort_unstable();
        format!("{} {} {} {}", values.join(" / "), finding["kind"], finding["start_date"], finding["end_date"])
            .replace('"', "")
    };
    findings.iter().map(in_words).collect()
}

fn messages(sandbox: &Sandbox) -> String {
    std::fs::read_to_string(sandbox.path("log.jsonl")).unwrap_or_default()
}

fn morning(sandbox: &Sandbox, today: u64) -> Run {
    sandbox.ok(&["run", "--no-ingest", "--as-of", &day(today).to_string(), "--quiet"])
}

#[test]
fn providers_and_vendors_add_up_to_the_total() {
    let sandbox = three(60, |_| 0.0);
    let arguments = ["trends", "--as-of", "2026-03-01", "--days", "30", "--group-by", "provider"];
    let run = sandbox.ok(&[&arguments[..], &["--format", "json"]].concat());
    let answer: Value = serde_json::from_str(&run.stdout).expect("JSON");
    let of = |more: &[&str]| total(&sandbox.json(&[&arguments[..], &["--quiet"], more].concat()));
    let parts = [["--source", "cur2"], ["--source", "focus"], ["--source", "datadog"]].map(|source| of(&source));
    assert!(parts.iter().all(|part| *part > 1000.0), "{parts:?}");
    assert!((total(&answer) - parts.iter().sum::<f64>()).abs() < 0.01, "{parts:?}");
    let providers: Vec<&str> = answer["groups"]
        .as_array()
        .expect("groups")
        .iter()
        .filter_map(|row| row["group"]["provider"].as_str())
        .collect();
    assert_eq!(providers, ["Microsoft", "datadog", "AWS"]);
    assert_eq!(answer["sources"], json!(["cur2", "datadog", "focus"]));
    assert!(run.stderr.contains("added up: AWS from cur2, Microsoft from focus, datadog"), "{run}");
    // Each filter leaves the bill that it names.
    assert!((of(&["--filter", "provider=Microsoft"]) - parts[1]).abs() < 0.01);
    assert!((of(&["--filter", "provider!=Microsoft"]) - parts[0] - parts[2]).abs() < 0.01);
    assert!((of(&["--filter", "payer=datadog"]) - parts[2]).abs() < 0.01);
}

#[test]
fn what_a_vendor_charges_more_is_found_and_told() {
    let more = |index: u64| if index >= 55 { 4_800.0 } else { 0.0 };
    let sandbox = three(60, more);
    sandbox.write("config.yaml", LOG);
    let answer = sandbox.json(&["anomalies", "--as-of", "2026-03-02", "--quiet", "--no-save"]);
    // One incident, though provider, account, service and the total see it.
    assert_eq!(findings(&answer), ["Logs / datadog point 2026-02-25 null"], "{answer}");
    assert!(answer["levels"].to_string().contains("[\"provider\"]"), "{}", answer["levels"]);
    morning(&sandbox, 60);
    assert!(messages(&sandbox).contains("Logs"), "{}", messages(&sandbox));
    let id = sandbox.rows("SELECT id FROM incidents WHERE state = 'open'")[0]["id"].as_str().expect("an id").to_owned();
    let explained = sandbox.json(&["explain", &id, "--as-of", "2026-03-02", "--quiet"]);
    assert!((explained["change"]["change"].as_f64().expect("a change") - 4_800.0).abs() < 60.0, "{explained}");
}

#[test]
fn an_organization_beside_one_of_its_members_is_one_bill() {
    let sandbox = Sandbox::new();
    let lines = [("1", "AmazonEC2", 500.0), ("2", "AmazonEC2", 300.0), ("3", "AmazonS3", 200.0)];
    focus(&sandbox, "org.csv", ("AWS", "1", "USD"), 60, &lines);
    let arguments = ["trends", "--as-of", "2026-03-01", "--days", "30", "--format", "json"];
    let alone = sandbox.json(&arguments[..5]);
    let mut member = String::from(
        "bill_payer_account_id,line_item_usage_account_id,line_item_usage_start_date,line_item_product_code,\
         line_item_unblended_cost,line_item_line_item_type\n",
    );
    for index in 0..60 {
        member += &format!("2,2,{},AmazonEC2,{:.6},Usage\n", day(index), cost(300.0, index, 51));
    }
    sandbox.write("member.csv", member);
    sandbox.ok(&["ingest", "member.csv", "--format-hint", "cur", "--quiet"]);
    let run = sandbox.ok(&arguments);
    let both: Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert!((total(&both) - total(&alone)).abs() < 0.001, "{run}");
    assert_eq!(both["sources"], json!(["focus"]));
    assert!(run.stderr.contains("from focus; also in the database: cur (`--source`)"), "{run}");
}

#[test]
fn money_that_only_another_source_has_is_said() {
    let sandbox = Sandbox::new();
    focus(&sandbox, "org.csv", ("AWS", "1", "USD"), 40, &[("1", "AmazonEC2", 500.0), ("2", "AmazonEC2", 300.0)]);
    let mut own = String::from(
        "bill_payer_account_id,line_item_usage_account_id,line_item_usage_start_date,line_item_product_code,\
         line_item_unblended_cost,line_item_line_item_type\n",
    );
    for index in 0..59 {
        own += &format!("1,1,{},AmazonEC2,500,Usage\n", day(index));
    }
    sandbox.write("own.csv", own);
    sandbox.ok(&["ingest", "own.csv", "--format-hint", "cur", "--quiet"]);
    // In February FOCUS has both accounts of nine days, CUR one account of all: CUR has more.
    let run = sandbox.ok(&["trends", "--from", "2026-02-01", "--to", "2026-02-28", "--as-of", "2026-03-10"]);
    assert!(
        run.stderr.contains("of AWS are not counted: in 2026-02 only focus has 1 account, which cur does not"),
        "{run}"
    );
}

#[test]
fn a_bill_that_ends_earlier_is_judged_on_its_own_days() {
    let sandbox = Sandbox::new();
    cur2(&sandbox, 80, 45.0);
    // It ends six days before AWS does, and its newest settled day is the second of a rise.
    vendor(&sandbox, 74, |index| if index >= 71 { 4_800.0 } else { 0.0 });
    let today = day(80).to_string();
    let answer = sandbox.json(&["anomalies", "--as-of", &today, "--quiet"]);
    assert_eq!(answer["settled_through"], day(78).to_string());
    assert_eq!(findings(&answer), [format!("Logs / datadog point {} null", day(71))], "no drop to nothing: {answer}");
    assert!(
        answer["warnings"].to_string().contains(&format!("there is no data of datadog after {}", day(73))),
        "{answer}"
    );
    // The other bill is judged to its own newest day, as it is alone.
    cur2(&sandbox, 80, 45.0);
    let alone = sandbox.json(&["anomalies", "--as-of", &today, "--quiet", "--no-save", "--source", "cur2"]);
    assert_eq!(alone["judged"], answer["judged"]);
    // Its total is that of what reaches as far.
    let arguments = ["anomalies", "--scores", "--as-of", &today, "--group-by", "provider", "--quiet"];
    let scores = sandbox.json(&[&arguments[..], &["--from", &day(60).to_string()]].concat());
    let of = |provider: &str| {
        let all = scores["scores"].as_array().expect("scores");
        all.iter().filter(|score| score["group"]["provider"] == provider).count()
    };
    assert_eq!((of("AWS"), of("datadog")), (19, 13), "{scores}");
}

#[test]
fn days_that_come_late_are_judged_when_they_come() {
    let sandbox = Sandbox::new();
    sandbox.write("config.yaml", LOG);
    let spike = |index: u64| if index == 76 { 4_800.0 } else { 0.0 };
    cur2(&sandbox, 80, 45.0);
    vendor(&sandbox, 74, spike);
    morning(&sandbox, 80);
    assert!(!messages(&sandbox).contains("Logs"), "{}", messages(&sandbox));
    // A week of the vendor comes at once, with a day of it that nobody has seen.
    cur2(&sandbox, 82, 45.0);
    vendor(&sandbox, 82, spike);
    morning(&sandbox, 82);
    assert!(messages(&sandbox).contains("Logs"), "{}", messages(&sandbox));
}

#[test]
fn a_bill_that_stops_coming_is_said_once_while_others_come() {
    let sandbox = Sandbox::new();
    sandbox.write("config.yaml", LOG);
    vendor(&sandbox, 70, |_| 0.0);
    cur2(&sandbox, 80, 45.0);
    morning(&sandbox, 80);
    morning(&sandbox, 80);
    let text = messages(&sandbox);
    assert_eq!(text.matches(&format!("No new bills of datadog since {}", day(69))).count(), 1, "{text}");
    vendor(&sandbox, 81, |_| 0.0);
    cur2(&sandbox, 81, 45.0);
    morning(&sandbox, 81);
    assert!(messages(&sandbox).contains("Bills of datadog come again"), "{}", messages(&sandbox));
}

#[test]
fn a_line_dated_ahead_does_not_make_old_data_new() {
    let sandbox = Sandbox::new();
    sandbox.write("config.yaml", LOG);
    let mut text = String::from("date,cost\n2028-01-01,1\n");
    (0..60).for_each(|index| text += &format!("{},{:.6}\n", day(index), cost(100.0, index, 1)));
    sandbox.write("a.csv", text);
    sandbox.ok(&["ingest", "a.csv", "--quiet"]);
    let answer = sandbox.json(&["anomalies", "--as-of", &day(80).to_string(), "--quiet", "--no-save"]);
    assert_eq!(answer["data_through"], day(59).to_string());
    morning(&sandbox, 80);
    assert!(messages(&sandbox).contains(&format!("No new bills since {}", day(59))), "{}", messages(&sandbox));
}

/// A CUR in dollars beside a bill in euros, which costs 900 more on one day.
fn dollars_and_euros() -> Sandbox {
    let sandbox = Sandbox::new();
    cur2(&sandbox, 60, 45.0);
    focus(&sandbox, "azure.csv", ("Microsoft", "EA-1", "EUR"), 60, &[("sub-1", "Virtual Machines", 200.0)]);
    let mut more = std::fs::read_to_string(sandbox.path("azure.csv")).expect("the bill");
    let (date, month) = (day(57), day(57).format("%Y-%m-01"));
    more += &format!("{date}T00:00:00Z,{month}T00:00:00Z,900,900,Usage,EA-1,sub-1,Microsoft,Virtual Machines,EUR\n");
    sandbox.write("azure.csv", more);
    sandbox.ok(&["ingest", "azure.csv", "--quiet"]);
    sandbox
}

#[test]
fn currencies_are_never_added_and_each_is_judged() {
    let sandbox = dollars_and_euros();
    let today = day(60).to_string();
    let refused = sandbox.run(&["trends", "--as-of", &today, "--quiet"]);
    insta::assert_snapshot!(refused, @"
    --- stderr
    error: the costs are in EUR and USD and are not added
    hint: choose one: `--filter currency=EUR` or `--filter currency=USD`
    --- exit code 1
    ");
    let answer = sandbox.json(&["anomalies", "--as-of", &day(59).to_string(), "--quiet"]);
    assert_eq!(findings(&answer), [format!(" point {} null", day(57))], "{answer}");
    assert_eq!(answer["findings"][0]["currency"], "EUR");
    let table = sandbox.ok(&["anomalies", "--as-of", &day(59).to_string(), "--quiet"]);
    assert!(table.stdout.contains("+€"), "{table}");
}

/// Rates that change within the data; the first one is later than its first day.
const RATES: &str = "date,currency,rate\n2026-01-15,EUR,1.1\n2026-02-10,EUR,1.2\n2026-01-01,INR,0.012\n";

#[test]
fn currencies_are_shown_in_one_at_the_rates_given() {
    let sandbox = dollars_and_euros();
    sandbox.write("config.yaml", format!("currency: {{ target: USD, rates: rates.csv }}\n{LOG}"));
    let rates = sandbox.write("rates.csv", RATES);
    let as_of = day(60).to_string();
    let in_days = |more: &[&str]| {
        sandbox.json(
            &[&["trends", "--from", "2026-01-01", "--to", &day(59).to_string(), "--as-of", &as_of], more].concat(),
        )
    };
    // DuckDB's own join says the same, day by day.
    let expected = sandbox.number(&format!(
        "SELECT sum(net_amortized_cost * CASE s.currency WHEN 'EUR' THEN COALESCE(rate, 1.1) ELSE 1 END) \
         FROM daily_cost_summary s ASOF LEFT JOIN (FROM '{}') r ON s.currency = r.currency AND s.usage_date >= r.date",
        rates.display()
    ));
    let by_provider = in_days(&["--group-by", "provider"]);
    for answer in [&by_provider, &in_days(&[]), &in_days(&["--group-by", "resource"])] {
        assert!((total(answer) - expected).abs() < 0.005, "{} and {expected}", total(answer));
        assert_eq!(answer["currency"], "USD");
    }
    let converted = by_provider["warnings"].as_array().expect("warnings").iter().find(|one| one["code"] == "converted");
    assert_eq!(
        converted.expect("said")["text"],
        "in USD, converted: EUR at 1.1000 to 1.2000 (rates given, the newest of 2026-02-10)"
    );
    // One bill: judged together, explained, forecast and budgeted in one currency.
    let found = sandbox.json(&["anomalies", "--as-of", &day(59).to_string(), "--quiet", "--no-save"]);
    assert_eq!(findings(&found), [format!("Virtual Machines / sub-1 point {} null", day(57))], "{found}");
    assert_eq!(found["currency"], "USD");
    assert!((found["findings"][0]["impact"].as_f64().expect("dollars") - 900.0 * 1.2).abs() < 20.0, "{found}");
    let page = sandbox.ok(&["explain", "--service", "Virtual Machines", "--as-of", &day(59).to_string()]);
    assert!(page.stderr.contains("note: in USD, converted: EUR at 1.1000 to 1.2000"), "{page}");
    assert!(page.stdout.contains("$1,3"), "{page}");
    for page in ["report", "forecast", "values", "compare", "drilldown"] {
        let more: &[&str] = if page == "values" { &["service"] } else { &[] };
        let answer = sandbox.ok(&[&[page, "--as-of", &day(59).to_string()], more].concat());
        assert!(format!("{answer}").contains("in USD, converted: EUR at 1."), "{answer}");
    }
    // A morning is told in it, too.
    morning(&sandbox, 59);
    assert!(messages(&sandbox).contains(r#""currency":"USD""#), "{}", messages(&sandbox));
    // What was billed stays as it was.
    let billed = sandbox.ok(&["sql", "SELECT DISTINCT currency FROM daily_cost_summary ORDER BY 1", "--format", "csv"]);
    assert_eq!(billed.stdout, "currency\nEUR\nUSD\n");
}

#[test]
fn a_currency_without_a_rate_stays_and_is_said() {
    let sandbox = Sandbox::new();
    focus(&sandbox, "a.csv", ("Microsoft", "EA-1", "EUR"), 60, &[("sub-1", "Virtual Machines", 200.0)]);
    focus(&sandbox, "b.csv", ("Alibaba Cloud", "7", "CNY"), 60, &[("sub-7", "ECS", 300.0)]);
    sandbox.write("config.yaml", "currency: { target: USD, rates: rates.csv }\n");
    sandbox.write("rates.csv", RATES);
    let as_of = day(60).to_string();
    let refused = sandbox.run(&["trends", "--as-of", &as_of, "--quiet"]);
    insta::assert_snapshot!(refused, @"
    --- stderr
    error: the costs are in CNY and USD and are not added
    hint: choose one: `--filter currency=CNY` or `--filter currency=USD`
    hint: or add a rate of CNY to USD to `currency.rates`
    --- exit code 1
    ");
    let euros = sandbox.ok(&["trends", "--as-of", &as_of, "--days", "2", "--filter", "currency=USD"]);
    assert!(euros.stderr.contains("converted: EUR") && !euros.stderr.contains("CNY"), "{euros}");
    let yuan = sandbox.ok(&["trends", "--as-of", &as_of, "--days", "2", "--filter", "currency=CNY"]);
    assert!(yuan.stderr.contains("note: not converted to USD, for there is no rate: CNY (`currency.rates`)"), "{yuan}");
    let mut refusals = String::new();
    for (config, rates) in [
        ("currency: { target: USD, rates: missing.csv }", RATES),
        ("currency: { target: USD, rates: rates.csv }", "date,currency,rate\n2026-01-01,EUR,nothing\n"),
        ("currency: { target: dollars }", RATES),
        ("currency: { target: EUR }", RATES),
        ("currency: { rates: rates.csv }", RATES),
    ] {
        sandbox.write("config.yaml", config);
        sandbox.write("rates.csv", rates);
        refusals += &sandbox.run(&["trends", "--as-of", &as_of, "--quiet"]).stderr;
        // Bills are loaded whatever the rates are like.
        if config.contains("rates.csv }") && config.contains("USD") {
            sandbox.ok(&["ingest", "b.csv", "--quiet"]);
        }
    }
    insta::assert_snapshot!(refusals, @"
    error: cannot read the rates `missing.csv`
      caused by: it cannot be read as CSV
      caused by: No such file or directory (os error 2)
    hint: `currency.rates` is a CSV of `date,currency,rate`; docs/CONFIG.md shows one
    error: cannot read the rates `rates.csv`
      caused by: line 2: `nothing` is no rate: a number above 0 such as 1.0834
    hint: `currency.rates` is a CSV of `date,currency,rate`; docs/CONFIG.md shows one
    error: `currency.target` must be a code of three capital letters such as USD, not `dollars`
    error: there are no rates to convert to EUR
      caused by: bills say rates in US dollars only
    hint: name a CSV of `date,currency,rate` in `currency.rates`
    error: `currency.rates` is there without `currency.target`
    hint: name the currency that they lead to: `target: USD`
    ");
}

#[test]
fn bills_convert_at_their_own_rates() {
    let sandbox = Sandbox::new();
    let mut lines = String::new();
    let mut azure = String::from(
        "date,billingPeriodStartDate,meterCategory,subscriptionId,billingAccountId,costInBillingCurrency,billingCurrency,pricingCurrency,\
         exchangeRatePricingToBilling,chargeType\n",
    );
    for index in 0..60 {
        let (date, month) = (day(index), day(index).format("%Y%m"));
        // A month has a rate of its own.
        let (rate, gcp_rate) = if index < 31 { (0.9, 0.8) } else { (0.95, 0.85) };
        lines += &format!(
            r#"{{"billing_account_id":"G-1","service":{{"id":"1","description":"BigQuery"}},"sku":{{"id":"1","description":"Analysis"}},"usage_start_time":"{date}T00:00:00Z","usage_end_time":"{date}T01:00:00Z","project":{{"id":"p"}},"cost":{},"currency":"EUR","currency_conversion_rate":{gcp_rate},"credits":[{{"name":"Promo","amount":-8,"type":"PROMOTION"}}],"invoice":{{"month":"{month}"}},"cost_type":"regular"}}"#,
            cost(100.0, index, 1)
        );
        lines += "\n";
        azure += &format!(
            "{date},{},Storage,sub-1,E-1,{},EUR,USD,{rate},Usage\n",
            day(index).format("%Y-%m-01"),
            cost(50.0, index, 2)
        );
    }
    sandbox.write("gcp.json", lines);
    sandbox.write("azure.csv", azure);
    sandbox.ok(&["ingest", "gcp.json", "--quiet"]);
    sandbox.ok(&["ingest", "azure.csv", "--quiet"]);
    sandbox.write("config.yaml", "currency: { target: USD }\n");
    let as_of = day(60).to_string();
    let included = ["--include", "usage,credit"];
    let run = sandbox.ok(&[
        &["trends", "--from", "2026-01-01", "--to", &day(59).to_string(), "--as-of", &as_of, "--format", "json"],
        &included[..],
    ]
    .concat());
    let answer: Value = serde_json::from_str(&run.stdout).expect("JSON");
    let expected: f64 = (0..60)
        .map(|index| {
            let (rate, gcp_rate) = if index < 31 { (0.9, 0.8) } else { (0.95, 0.85) };
            (cost(100.0, index, 1) - 8.0) / gcp_rate + cost(50.0, index, 2) / rate
        })
        .sum();
    assert!((total(&answer) - expected).abs() < 0.005, "{} and {expected}: {answer}", total(&answer));
    let warnings = answer["warnings"].as_array().expect("warnings");
    let converted = warnings.iter().find(|one| one["code"] == "converted").expect("said");
    assert_eq!(converted["text"], "in USD, converted: EUR at 1.0526 to 1.2500 (the bill's own rates)");
}

#[test]
fn years_apart_are_not_filled_with_days() {
    let sandbox = Sandbox::new();
    let mut text = String::from("date,cost,service\n2001-03-01,5,Old\n2001-03-02,5,Logs\n");
    (0..60).for_each(|index| text += &format!("{},{:.6},Logs\n", day(index), cost(100.0, index, 1)));
    sandbox.write("a.csv", text);
    sandbox.ok(&["ingest", "a.csv", "--quiet"]);
    let today = day(60).to_string();
    let too_long = sandbox.run(&["trends", "--from", "2001-01-01", "--as-of", &today]);
    insta::assert_snapshot!(too_long, @"
    --- stderr
    error: 2001-01-01 to 2026-03-01 are 9191 periods, and a table has at most 4000
    hint: choose longer ones (`--granularity weekly`), or fewer days with `--from` and `--to`
    --- exit code 1
    ");
    let months = ["trends", "--from", "2001-01-01", "--as-of", &today, "--granularity", "monthly", "--quiet"];
    assert!(
        (total(&sandbox.json(&months))
            - total(&sandbox.json(&["trends", "--as-of", &today, "--days", "60", "--quiet"]))
            - 10.0)
            .abs()
            < 0.01
    );
    let scores = sandbox.json(&["anomalies", "--scores", "--from", "2001-01-01", "--as-of", &today, "--quiet"]);
    let count = scores["scores"].as_array().expect("scores").len();
    assert!(count < 1_000, "{count} days are judged");
    let backtest = sandbox.json(&["backtest", "--as-of", &today, "--days", "730", "--quiet"]);
    assert_eq!(backtest["series"], 2);
    sandbox.ok(&["compare", "--from", "2001-03-01..2001-03-02", "--to", "2026-02-01..2026-02-20", "--as-of", &today]);
    sandbox.ok(&["explain", "--filter", "service=Logs", "--as-of", &today]);
}

#[test]
fn a_source_is_chosen_for_each_of_many_payers() {
    let sandbox = Sandbox::new();
    let bill = |payers: std::ops::Range<u64>, days: &dyn Fn(u64) -> u64| {
        let mut text = String::from("date,cost,account,payer_account_id\n");
        for payer in payers {
            (0..days(payer)).for_each(|index| text += &format!("{},{},{payer},p{payer}\n", day(index), payer + 1));
        }
        text
    };
    // One source lacks days of half of its payers, which another one has.
    sandbox.write("a.csv", bill(0..60, &|payer| if payer < 30 { 20 } else { 31 }));
    sandbox.write("b.csv", bill(0..30, &|_| 31));
    sandbox.ok(&["ingest", "a.csv", "--data-source", "a", "--quiet"]);
    sandbox.ok(&["ingest", "b.csv", "--data-source", "b", "--quiet"]);
    let arguments = ["trends", "--from", "2026-01-01", "--to", "2026-01-31", "--as-of", "2026-03-01", "--quiet"];
    let answer = sandbox.json(&arguments);
    let expected: u64 = (0..60).map(|payer| (payer + 1) * 31).sum();
    assert!((total(&answer) - expected as f64).abs() < 0.01, "{answer}");
    assert_eq!(answer["sources"], json!(["a", "b"]));
    let usage = sandbox.json(&[&arguments[..], &["--group-by", "payer+usage-type"]].concat());
    assert!((total(&usage) - expected as f64).abs() < 0.01, "the same of line items: {usage}");
}

#[test]
fn an_invoice_is_of_one_payer_and_of_any_provider() {
    let sandbox = Sandbox::new();
    focus(&sandbox, "aws.csv", ("AWS", "111111111111", "USD"), 30, &[("1", "AmazonEC2", 100.0)]);
    focus(&sandbox, "azure.csv", ("Microsoft", "acme", "USD"), 30, &[("2", "Virtual Machines", 900.0)]);
    let month = day(0).format("%Y-%m").to_string();
    let reconcile = |more: &[&str]| {
        sandbox.run(&[&["reconcile", "--month", &month, "--invoice", "2000", "--quiet"], more].concat())
    };
    let several = reconcile(&[]);
    assert_eq!(several.code, 2, "{several}");
    assert!(several.stderr.contains("hint: say which one: `--payer 111111111111`, `--payer acme`"), "{several}");
    let of = |payer: &str, service: &str| {
        let run = reconcile(&["--payer", payer, "--format", "json"]);
        assert_eq!(run.code, 0, "{run}");
        let answer: Value = serde_json::from_str(&run.stdout).expect("JSON");
        let expected = sandbox.number(&format!(
            "SELECT sum(unblended_cost) FROM daily_cost_summary WHERE product_code = '{service}' AND billing_period = DATE '{month}-01'"
        ));
        let detailed = answer["invoice"]["detailed"].as_f64().expect("a sum");
        assert!((detailed - expected).abs() < 1e-6, "{payer}: {detailed} is not {expected}");
    };
    of("111111111111", "AmazonEC2");
    of("acme", "Virtual Machines");
    let unknown = reconcile(&["--payer", "nobody"]);
    assert!(unknown.code == 1 && unknown.stderr.contains("hint: there are: 111111111111, acme"), "{unknown}");
}

#[test]
fn commands_to_look_with_are_named_though_another_provider_is_in_the_database() {
    let sandbox = three(40, |_| 0.0);
    let explain = |filter: &str| {
        let date = day(37).to_string();
        sandbox.json(&["explain", "--filter", filter, "--date", &date, "--as-of", &day(40).to_string(), "--quiet"])
    };
    for (provider, tool) in [("AWS", Some("aws ")), ("Microsoft", Some("az ")), ("datadog", None)] {
        let next = explain(&format!("provider={provider}"))["next"].clone();
        let first = next[0]["command"].as_str();
        assert_eq!(
            first.map(|command| tool.is_some_and(|tool| command.starts_with(tool))),
            tool.map(|_| true),
            "{next}"
        );
    }
}
