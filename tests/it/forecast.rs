//! Where the month will end: golden months, what adds up, what is said of little history, and how forecasts are checked.

use chrono::{Datelike, Days, NaiveDate};
use insta::assert_snapshot;
use serde_json::Value;

use crate::harness::Sandbox;

fn day(text: &str) -> NaiveDate {
    text.parse().expect("a day")
}

/// Costs by day of two services in two accounts, from a day to another: a week, and a fee on the 1st.
fn bill(from: &str, to: &str) -> String {
    let mut text = String::from("date,cost,account,service,region\n");
    for date in day(from).iter_days().take_while(|date| *date <= day(to)) {
        let is_weekend = date.weekday().num_days_from_monday() >= 5;
        let (web, fee) = (if is_weekend { 40.0 } else { 100.0 }, if date.day() == 1 { 50.0 } else { 0.0 });
        text += &format!("{date},{},a,Web,eu\n{date},{},b,Web,us\n{date},10,b,Storage,us\n", web + fee, web / 2.0);
    }
    text
}

/// The bill, ingested.
fn with_bill(from: &str, to: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", bill(from, to));
    sandbox.ok(&["ingest", "a.csv", "--quiet"]);
    sandbox
}

/// What the bill has of a month.
fn total(month: &str) -> f64 {
    let first = day(&format!("{month}-01"));
    let last = first + chrono::Months::new(1) - Days::new(1);
    let lines = bill(&first.to_string(), &last.to_string());
    lines.lines().skip(1).filter_map(|line| line.split(',').nth(1)?.parse::<f64>().ok()).sum()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn close(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-6, "{a} is not {b}");
}

/// Every month end of two years with a leap day, from every fifth day: what is regular is forecast to the cent.
#[test]
fn golden_months_end_where_they_do() {
    let sandbox = with_bill("2023-01-01", "2024-12-31");
    for (today, month) in [
        ("2024-02-07", "2024-02"),
        ("2024-02-22", "2024-02"),
        ("2024-04-02", "2024-04"),
        ("2024-10-31", "2024-10"),
        ("2024-05-12", "2024-06"),
    ] {
        let found = sandbox.json(&["forecast", "--no-save", "--as-of", today, "--month", month]);
        close(number(&found["total"]["expected"]), total(month));
        for interval in found["total"]["intervals"].as_array().expect("intervals") {
            close(number(&interval["low"]), total(month));
            close(number(&interval["high"]), total(month));
        }
    }
}

#[test]
fn the_whole_answer() {
    let sandbox = with_bill("2024-01-01", "2024-07-20");
    assert_snapshot!(sandbox.run(&["forecast", "--as-of", "2024-07-19"]), @"
    2024-07: $4,290.00 expected, 80 % between $4,290.00 and $4,290.00

    spent up to 2024-07-17: $2,410.00
    50 % between $4,290.00 and $4,290.00; intervals are from how wrong forecasts of 5 earlier months were as of the same day
    2024-06 cost $3,950.00: +$340.00 (+8.6 %); its same days $2,230.00: +$180.00 (+8.1 %)

    $210.00 █
            █▅▅▅▅  ▅▅▅▅▅  ▅▅▅▅▅  ▅▅▅▅▅  ▅▅▅
            █████  █████  ███░░  ░░░░░  ░░░
            █████  █████  ███░░  ░░░░░  ░░░
            █████████████████░░░░░░░░░░░░░░
            █████████████████░░░░░░░░░░░░░░
            2024-07-01                07-31

    service    to date   expected         80 % interval    2024-06    change
    Web      $2,240.00  $3,980.00  $3,980.00..$3,980.00  $3,650.00  +$330.00
    Storage    $170.00    $310.00      $310.00..$310.00    $300.00   +$10.00
    total    $2,410.00  $4,290.00  $4,290.00..$4,290.00  $3,950.00  +$340.00

    what makes the difference: Web +$330.00, Storage +$10.00

    it goes by
    - days from 2024-07-18 on are not settled: as expected, or what is there of them if that is more
    --- exit code 0
    ");
}

/// Groups are the total, whatever they are by; days are too; and nothing ends below what is spent.
#[test]
fn everything_adds_up() {
    let sandbox = Sandbox::with_sample();
    for group_by in ["service", "account", "region", "usage-type", "service+region", "tag:team"] {
        let found =
            sandbox.json(&["forecast", "--no-save", "--as-of", "2026-03-15", "--group-by", group_by, "--top", "3"]);
        let sum =
            |of: &str| found["groups"].as_array().expect("groups").iter().map(|group| number(&group[of])).sum::<f64>();
        for of in ["to_date", "expected", "before"] {
            let whole = if of == "before" { &found["before"]["total"]["before"] } else { &found["total"][of] };
            assert!((sum(of) - number(whole)).abs() < 1e-6, "{group_by} {of}: {} and {whole}", sum(of));
        }
        let days = found["days"].as_array().expect("days");
        assert_eq!(days.len(), 31);
        close(days.iter().map(|day| number(&day["expected"])).sum(), number(&found["total"]["expected"]));
        assert!(number(&found["total"]["expected"]) >= number(&found["total"]["to_date"]));
        for interval in found["total"]["intervals"].as_array().expect("intervals") {
            assert!(number(&interval["low"]) >= number(&found["total"]["to_date"]));
        }
        // However it is grouped, the total is one.
        let plain = sandbox.json(&["forecast", "--no-save", "--as-of", "2026-03-15"]);
        close(number(&plain["total"]["expected"]), number(&found["total"]["expected"]));
    }
}

#[test]
fn a_plan_adds_its_dollars_and_nothing_else() {
    let sandbox = with_bill("2024-01-01", "2024-07-20");
    let expected = |filter: &[&str]| {
        let arguments = [&["forecast", "--no-save", "--as-of", "2024-07-19"], filter].concat();
        sandbox.json(&arguments)
    };
    let before = number(&expected(&[])["total"]["expected"]);
    sandbox.write(
        "planned.yaml",
        "- { name: load test, from: 2024-07-25, to: 2024-07-28, filters: [service=Web, account=a], expected_dollars: 1234.5 }\n\
         - { name: begun, from: 2024-07-10, to: 2024-07-28, filters: [service=Web], expected_dollars: 99 }\n\
         - { name: over, from: 2024-08-01, to: 2024-08-02, filters: [service=Web], expected_dollars_per_day: 99 }\n\
         - { name: new, from: 2024-07-30, to: 2024-07-31, filters: [service=SageMaker], expected_dollars_per_day: 50 }\n",
    );
    sandbox.write("config.yaml", "notify: { planned: planned.yaml }\n");
    let with = expected(&[]);
    close(number(&with["total"]["expected"]) - before, 1234.5 + 2.0 * 50.0);
    let new = with["groups"].as_array().expect("groups").iter().find(|group| group["group"]["service"] == "SageMaker");
    close(number(&new.expect("a group that only a plan names")["expected"]), 100.0);
    let web = with["groups"].as_array().expect("groups").iter().find(|group| group["group"]["service"] == "Web");
    assert!(web.is_some());
    let texts: Vec<&str> =
        with["assumptions"].as_array().expect("some").iter().filter_map(|one| one["text"].as_str()).collect();
    assert!(texts.contains(&"the plan load test adds $1,234.50 from 2024-07-25 to 2024-07-28"), "{texts:?}");
    assert!(texts.iter().any(|text| text.starts_with("the plan begun has begun")), "{texts:?}");
    // Of another account it says nothing, of what it does not name it cannot tell.
    let other = expected(&["--filter", "account=b"]);
    assert!(!other.to_string().contains("load test"), "{other}");
    let region = expected(&["--filter", "region=eu"]);
    assert!(region.to_string().contains("the plan load test is not added"), "{region}");
}

#[test]
fn little_history_is_said_and_none_is_an_error() {
    let short = with_bill("2024-07-01", "2024-07-09");
    let found = short.json(&["forecast", "--no-save", "--as-of", "2024-07-10"]);
    assert_eq!(found["total"]["intervals"].as_array().map(Vec::len), Some(0));
    assert!(found.to_string().contains("no interval yet: 0 forecasts"), "{found}");
    assert!(number(&found["total"]["expected"]) > number(&found["total"]["to_date"]));
    assert_snapshot!(short.run(&["forecast", "--backtest", "--as-of", "2024-07-10"]), @"
    --- stderr
    error: no month can be replayed
    hint: it takes 21 days before the 5th of a month that is over; there is data from 2024-07-01 to 2024-07-08
    --- exit code 1
    ");
    assert_snapshot!(short.run(&["forecast", "--to", "2024-06-30", "--as-of", "2024-07-10"]), @"
    --- stderr
    error: 2024-06-30 is before 2024-07-01, the first of the month
    hint: name a later day, or a month with `--month`
    --- exit code 2
    ");
    assert_snapshot!(short.run(&["forecast", "--month", "2026-07", "--as-of", "2024-07-10"]), @"
    --- stderr
    error: 2026-07-31 is more than 400 days after the newest settled day
    hint: the newest settled day is 2024-07-08; `--as-of` takes an earlier day for today
    --- exit code 1
    ");
    assert_snapshot!(short.run(&["forecast", "--month", "2020-07", "--as-of", "2024-07-10"]), @"
    --- stderr
    error: there is no data up to 2020-07-31
    hint: the first day of the data is 2024-07-01
    --- exit code 1
    ");
    let first = with_bill("2024-07-10", "2024-07-10");
    let run = first.run(&["forecast", "--as-of", "2024-07-10"]);
    assert!(run.code == 1 && run.stderr.contains("no day of the data is settled yet"), "{run}");
    let two = with_bill("2024-07-08", "2024-07-09");
    assert_eq!(two.json(&["forecast", "--no-save", "--as-of", "2024-07-10"])["total"]["to_date"], 210.0 - 50.0);
    let empty = Sandbox::new();
    empty.write("a.csv", "date,cost\n");
    assert_eq!(empty.run(&["forecast"]).code, 1);
}

#[test]
fn days_that_are_not_settled_count_at_least_as_they_are() {
    let sandbox = Sandbox::new();
    // The newest two days are not settled: one is nearly empty so far, the other has a purchase.
    let mut text = bill("2024-05-01", "2024-07-18");
    text += "2024-07-19,5000,a,Web,eu\n2024-07-20,1,a,Web,eu\n";
    sandbox.write("a.csv", text);
    sandbox.ok(&["ingest", "a.csv", "--quiet"]);
    let found = sandbox.json(&["forecast", "--no-save", "--as-of", "2024-07-20"]);
    close(number(&found["total"]["expected"]), total("2024-07") + 4900.0);
    close(number(&found["total"]["to_date"]), {
        let known = bill("2024-07-01", "2024-07-18");
        known.lines().skip(1).filter_map(|line| line.split(',').nth(1)?.parse::<f64>().ok()).sum()
    });
}

#[test]
fn currencies_are_not_added() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "date,cost,currency\n2024-07-01,1,USD\n2024-07-02,1,EUR\n2024-07-03,1,EUR\n");
    sandbox.ok(&["ingest", "a.csv", "--quiet"]);
    let both = sandbox.run(&["forecast", "--as-of", "2024-07-04"]);
    assert!(both.code == 1 && both.stderr.contains("the costs are in EUR and USD and are not added"), "{both}");
    let one = sandbox.json(&["forecast", "--no-save", "--as-of", "2024-07-04", "--filter", "currency=EUR"]);
    assert_eq!(one["currency"], "EUR");
}

/// A reservation ends in the month: from then on what it covers costs on demand. By hand: 24 a day on demand instead of 10, and 2 a day that
/// went unused.
#[test]
fn a_commitment_that_ends_is_said_with_its_day_and_dollars() {
    let sandbox = Sandbox::new();
    let mut text = String::from(
        "lineItem/UsageStartDate,lineItem/UsageAccountId,lineItem/ProductCode,lineItem/LineItemType,lineItem/UnblendedCost,\
         pricing/publicOnDemandCost,reservation/ReservationARN,reservation/EndTime,reservation/EffectiveCost,reservation/UnusedRecurringFee\n",
    );
    for date in day("2024-05-01").iter_days().take_while(|date| *date <= day("2024-07-20")) {
        text += &format!(
            "{date}T00:00:00Z,1,AmazonEC2,DiscountedUsage,0,24,arn:ri,,10,0\n{date}T00:00:00Z,1,AmazonEC2,RIFee,0,0,arn:ri,2024-07-25T00:00:00Z,0,2\n"
        );
    }
    sandbox.write("a.csv", text);
    sandbox.ok(&["ingest", "a.csv", "--quiet"]);
    let found = sandbox.json(&["forecast", "--no-save", "--as-of", "2024-07-21"]);
    // 24 days at 12, and from the 25th on seven at 24.
    close(number(&found["total"]["expected"]), 24.0 * 12.0 + 7.0 * 24.0);
    let said = found["assumptions"].as_array().expect("some").iter().find(|one| one["code"] == "commitment_ends");
    assert_eq!(
        said.expect("said")["text"],
        "arn:ri ends: from 2024-07-25 on +$12.00 a day, +$84.00 in all, as what it covers costs on demand"
    );
}

#[test]
fn forecasts_are_kept_and_checked_when_the_month_is_over() {
    let sandbox = with_bill("2024-01-01", "2024-07-20");
    // What is asked of another day than today is no record.
    sandbox.ok(&["forecast", "--as-of", "2024-07-19", "--quiet"]);
    assert_eq!(sandbox.rows("SELECT count(*) AS n FROM forecasts")[0]["n"], 0);
    let scope = r#"{"metric":"net_amortized","charge_categories":["Usage","Purchase","Adjustment"],"filters":[],"data_source":null}"#;
    sandbox.execute(&format!(
        "INSERT INTO forecasts VALUES ('2024-06-18', '{scope}', '2024-06-01', '2024-06-30', '2024-06-16', 'USD', 1000, {}, NULL, NULL, 3000, 5000, 'x'), \
         ('2024-07-10', '{scope}', '2024-07-01', '2024-07-31', '2024-07-08', 'USD', 1000, 4321, NULL, NULL, NULL, NULL, 'x')",
        total("2024-06") * 1.1
    ));
    let found = sandbox.json(&["forecast", "--no-save", "--as-of", "2024-07-19"]);
    assert_eq!(found["earlier"][0]["expected"], 4321.0);
    let checked = &found["checked"];
    close(number(&checked["error_pct"]), 10.0);
    assert_eq!(checked["within"], true);
}

#[test]
fn the_backtest_replays_whole_months_only() {
    let sandbox = with_bill("2024-01-01", "2024-07-20");
    assert_snapshot!(sandbox.run(&["forecast", "--backtest", "--as-of", "2024-07-19", "--group-by", "account"]), @"
    5 months replayed, 2024-02-01 to 2024-06-30: how far month totals were off, in percent

    the total

    method         as of day  forecasts  mean error    bias  in 50 %  in 80 %  its width
    forecast               5          5       0.0 %   0.0 %    100 %    100 %      0.0 %
    forecast              10          5       0.0 %   0.0 %    100 %    100 %      0.0 %
    forecast              15          5       0.0 %   0.0 %    100 %    100 %      0.0 %
    forecast              20          5       0.0 %   0.0 %    100 %    100 %      0.0 %
    month to date          5          5       6.3 %  +4.2 %        -        -          -
    month to date         10          5       3.7 %  +1.8 %        -        -          -
    month to date         15          5       2.0 %  +2.0 %        -        -          -
    month to date         20          5       2.0 %  +0.7 %        -        -          -
    opt scale              5          5       2.4 %  +1.9 %        -        -          -
    opt scale             10          5       1.4 %  +1.4 %        -        -          -
    opt scale             15          5       1.9 %  +1.7 %        -        -          -
    opt scale             20          5       1.8 %  +0.8 %        -        -          -
    koku                   5          5       4.9 %  +3.6 %        -        -          -
    koku                  10          5       3.0 %  +2.8 %        -        -          -
    koku                  15          5       3.7 %  +2.3 %        -        -          -
    koku                  20          5       2.6 %  -0.2 %        -        -          -

    each account of at least 1 %

    method         as of day  forecasts  mean error    bias  in 50 %  in 80 %  its width
    forecast               5         10       0.0 %   0.0 %    100 %    100 %      0.0 %
    forecast              10         10       0.0 %   0.0 %    100 %    100 %      0.0 %
    forecast              15         10       0.0 %   0.0 %    100 %    100 %      0.0 %
    forecast              20         10       0.0 %   0.0 %    100 %    100 %      0.0 %
    month to date          5         10       7.9 %  +3.1 %        -        -          -
    month to date         10         10       3.8 %  +1.4 %        -        -          -
    month to date         15         10       1.8 %  +1.7 %        -        -          -
    month to date         20         10       1.9 %  +0.6 %        -        -          -
    opt scale              5         10       2.5 %  +1.6 %        -        -          -
    opt scale             10         10       1.4 %  +1.2 %        -        -          -
    opt scale             15         10       1.8 %  +1.5 %        -        -          -
    opt scale             20         10       1.7 %  +0.7 %        -        -          -
    koku                   5         10       6.8 %  +3.6 %        -        -          -
    koku                  10         10       3.3 %  +2.3 %        -        -          -
    koku                  15         10       3.6 %  +2.2 %        -        -          -
    koku                  20         10       3.2 %  +0.4 %        -        -          -
    --- exit code 0
    ");
    let csv = sandbox.ok(&["forecast", "--backtest", "--as-of", "2024-07-19", "--format", "csv"]);
    assert!(csv.stdout.starts_with("of,method,day,forecasts,mape_pct,bias_pct,coverage_50,"), "{csv}");
}

#[test]
fn an_open_incident_has_two_ends() {
    let sandbox = Sandbox::new();
    let mut text = bill("2024-03-01", "2024-07-20");
    for date in day("2024-07-16").iter_days().take(5) {
        text += &format!("{date},200,a,Web,eu\n");
    }
    sandbox.write("a.csv", text);
    sandbox.ok(&["ingest", "a.csv", "--quiet"]);
    let found = sandbox.json(&["forecast", "--no-save", "--as-of", "2024-07-20"]);
    let scenarios = &found["scenarios"];
    let (expected, end, stay) =
        (number(&found["total"]["expected"]), number(&scenarios["if_they_end"]), number(&scenarios["if_they_stay"]));
    assert!(end <= expected && expected <= stay, "{end} {expected} {stay}");
    // Thirteen days are to come after the newest settled one.
    assert!((stay - end - 13.0 * 200.0).abs() < 30.0, "{scenarios}");
}

/// Tax is what it was of the other costs in the last whole month: 10 % of them, charged on the last day.
#[test]
fn taxes_follow_the_other_costs() {
    let sandbox = Sandbox::new();
    let mut text = String::from("date,cost,account,service,charge_category\n");
    for date in day("2024-05-01").iter_days().take_while(|date| *date <= day("2024-07-20")) {
        let cost = if date.month() == 7 { 200.0 } else { 100.0 };
        text += &format!("{date},{cost},a,Web,Usage\n");
        if date.month() < 7 && (date + Days::new(1)).day() == 1 {
            text += &format!("{date},{},a,Tax,Tax\n", 10.0 * f64::from(date.day()));
        }
    }
    sandbox.write("a.csv", text);
    sandbox.ok(&["ingest", "a.csv", "--quiet"]);
    let found = sandbox.json(&["forecast", "--no-save", "--as-of", "2024-07-20", "--include", "tax"]);
    close(number(&found["total"]["expected"]), 31.0 * 220.0);
    assert!(found.to_string().contains("tax is 10.00 % of other costs, as in 2024-06"), "{found}");
    let without = sandbox.json(&["forecast", "--no-save", "--as-of", "2024-07-20"]);
    close(number(&without["total"]["expected"]), 31.0 * 200.0);
}

/// Bills of two providers: each is known up to its own end, and what ended long ago is not expected.
#[test]
fn each_bill_goes_on_from_its_own_end() {
    let sandbox = Sandbox::new();
    let bill = |provider: &str, to: &str, cost: f64| {
        let mut text = String::from("date,cost,account,service,provider,payer\n");
        for date in day("2024-03-01").iter_days().take_while(|date| *date <= day(to)) {
            text += &format!("{date},{cost},{provider},Web,{provider},{provider}\n");
        }
        sandbox.write(&format!("{provider}.csv"), text);
        let file = format!("{provider}.csv");
        let map = ["--map", "payer_account_id=payer"];
        sandbox.ok(&[&["ingest", &file, "--data-source", &provider.to_lowercase(), "--quiet"], &map[..]].concat());
    };
    bill("One", "2024-07-20", 100.0);
    bill("Late", "2024-07-15", 10.0);
    bill("Gone", "2024-05-10", 1.0);
    let found = sandbox.json(&["forecast", "--no-save", "--as-of", "2024-07-20", "--group-by", "provider"]);
    close(number(&found["total"]["expected"]), 31.0 * 110.0);
    let groups = found["groups"].as_array().expect("groups");
    let of = |name: &str, field: &str| {
        let group = groups.iter().find(|group| group["group"]["provider"] == name);
        group.map_or(0.0, |group| number(&group[field]))
    };
    assert_eq!([of("One", "to_date"), of("Late", "to_date")], [18.0 * 100.0, 14.0 * 10.0]);
    assert!(found.to_string().contains("nothing more of Gone, whose data ended on 2024-05-09"), "{found}");
}
