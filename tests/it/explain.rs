//! Why a cost moved: planted causes are named with their dollars, and parts add up.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::harness::Sandbox;

const BEFORE: &str = "2026-02-20..2026-02-26";
const AFTER: &str = "2026-03-06..2026-03-12";

/// Generated bills in which causes begin on 2026-03-06.
fn planted(causes: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let days = ["--days", "30", "--as-of", "2026-03-15", "--quiet"];
    sandbox.ok(&[&["sample-data", "--out", "bill", "--causes", causes], &days[..]].concat());
    sandbox.ok(&["ingest", "bill", "--quiet"]);
    sandbox
}

/// Dollars of the week from 2026-03-06 on by cause, as `causes.csv` says.
fn labels(sandbox: &Sandbox) -> BTreeMap<String, f64> {
    let text = std::fs::read_to_string(sandbox.path("bill/causes.csv")).expect("labels");
    let mut sums = BTreeMap::new();
    for line in text.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        if ("2026-03-06".."2026-03-13").contains(&cells[3]) {
            *sums.entry(cells[0].to_owned()).or_default() += cells[4].parse::<f64>().expect("dollars");
        }
    }
    sums
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn list<'a>(value: &'a Value, key: &str) -> &'a Vec<Value> {
    value[key].as_array().unwrap_or_else(|| panic!("{key} is no list in {value}"))
}

fn compared(sandbox: &Sandbox, from: &str, to: &str) -> Value {
    sandbox.json(&[
        "compare",
        "--from",
        from,
        "--to",
        to,
        "--include",
        "credits,tax",
        "--as-of",
        "2026-03-15",
        "--quiet",
    ])
}

fn causes(answer: &Value) -> BTreeMap<String, f64> {
    let one = |share: &Value| (share["cause"].as_str().expect("a cause").to_owned(), number(&share["change"]));
    list(answer, "causes").iter().map(one).filter(|(_, change)| change.abs() >= 0.005).collect()
}

#[track_caller]
fn assert_named(planting: &str) {
    let sandbox = planted(planting);
    let mut expected = labels(&sandbox);
    let answer = compared(&sandbox, BEFORE, AFTER);
    if planting.contains("moved") {
        let moves = list(&answer, "moves");
        assert_eq!(moves.len(), 1, "{planting}: {moves:?}");
        let (from, to) = (&moves[0]["from"][0][0], &moves[0]["to"][0][0]);
        assert_eq!((from.as_str(), to.as_str()), (Some("333333333333"), Some("444444444444")));
        assert!((number(&moves[0]["dollars"]) - 7.0 * 21.0).abs() < 0.01, "{planting}: {moves:?}");
    }
    expected.retain(|_, dollars| dollars.abs() >= 0.005);
    let found = causes(&answer);
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{planting}");
    for (cause, dollars) in &expected {
        assert!((found[cause] - dollars).abs() < 0.01, "{planting}: {cause} {} of {dollars}", found[cause]);
    }
    let sum: f64 = list(&answer, "causes").iter().map(|share| number(&share["change"])).sum();
    assert!((sum - number(&answer["total"]["change"])).abs() < 1e-6, "{planting}: causes do not add up");
}

#[test]
fn causes_planted_alone_are_named_to_the_cent() {
    for cause in ["usage", "price", "mix", "coverage", "unused-commitment", "credit"] {
        assert_named(cause);
    }
}

#[test]
fn more_causes_planted_alone_are_named_to_the_cent() {
    for cause in ["discount", "free-tier", "new", "gone", "moved"] {
        assert_named(cause);
    }
}

#[test]
fn causes_planted_in_pairs_are_told_apart() {
    for pair in
        ["usage,price", "mix,coverage", "credit,discount", "free-tier,new", "gone,moved", "unused-commitment,usage"]
    {
        assert_named(pair);
    }
}

#[test]
fn the_planted_cause_of_one_service_is_explained() {
    let sandbox = planted("usage,price");
    let arguments = ["explain", "--service", "AWSLambda", "--date", "2026-03-10", "--as-of", "2026-03-15"];
    insta::assert_snapshot!(sandbox.run(&arguments), @"
    AWSLambda has cost $28.00 a day since 2026-03-06, $14.00 a day more (+100 %) than before; all of it is usage
      (`Lambda-GB-Second`: 839,998 to 1,679,997 Lambda-GB-Second a day), 51 % of it in
      arn:aws:lambda:us-east-1:222222222222:function:checkout-e0b96b25595d8895. It goes on: $426.12 a month more at the
      $28.00 a day of its newest days.

    $28.00                     ████████
                               ████████
                               ████████
           ████████████████████████████
           ████████████████████████████
           ████████████████████████████
                               ^^^^^^^^
           2026-02-14             03-13

    2026-03-10: $28.00, expected $14.00 ($13.20 to $14.80), score 43.6, flagged
    median of the 20 days before $14.00, MAD $0.00, same weekday $14.00
    because: 28.00 instead of 14.00 give or take 0.53 (the level of 20 days)
    because: score 66.7, threshold 2.5
    because: 8 of 8 days flagged
    because: 28.00 on 2026-03-13
    since 2026-03-06 00:00 UTC, 8 days, +$112.00 so far, goes on; +$426.12 a month at $28.00 a day

    why, a day: $14.00 to $28.00
    cause   change    share
    usage  +$14.00  100.0 %
    all    +$14.00  100.0 %

    all of it in account acme-production, region us-east-1, usage-type Lambda-GB-Second, operation Invoke, purchase-option
      OnDemand

    by resource
    resource                                     before   after  change   share
    arn:aws:lambda:us-eas…kout-e0b96b25595d8895   $7.20  $14.39  +$7.20  51.4 %  grown, user_environme…tion user_team=orders
    arn:aws:lambda:us-eas…kout-07e15c2173e9ebe5   $6.80  $13.61  +$6.80  48.6 %  grown, user_environme…tion user_team=orders

    quantities and unit prices, a day
    usage type        operation   change  quantity before      after  unit              price before       after
    Lambda-GB-Second  Invoke     +$14.00          839,998  1,679,997  Lambda-GB-Second    0.00001667  0.00001667

    where to look next
    - duration of the function, then its memory (https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html)
        aws cloudwatch get-metric-statistics --region us-east-1 --namespace AWS/Lambda --metric-name Duration --dimensions Name=FunctionName,Value=checkout-e0b96b25595d8895 --statistics Sum Average --period 3600 --start-time 2026-03-06 --end-time 2026-03-14
    --- stderr
    note: only 27 days of data before 2026-03-13: 45 and more give better findings
    --- exit code 0
    ");
    let answer = sandbox.json(&[&arguments[..], &["--quiet"]].concat());
    let (before, after) = (number(&answer["change"]["before"]), number(&answer["change"]["after"]));
    assert!((before - 14.0).abs() < 0.005 && (after - 28.0).abs() < 0.005, "{before} {after}");
    assert_eq!(answer["causes"][0]["cause"], "usage");
    assert!((number(&answer["causes"][0]["change"]) - 14.0).abs() < 0.01);
    for members in list(&answer, "contributors") {
        let parts: f64 = list(members, "members").iter().map(|member| number(&member["change"])).sum();
        let sum = parts + number(&members["remainder"]["change"]);
        assert!((sum - number(&answer["change"]["change"])).abs() < 1e-6, "{members}");
    }
}

#[test]
fn swapped_periods_turn_every_sign_and_a_period_against_itself_is_nothing() {
    let sandbox = planted("usage,price,new,gone,moved,mix");
    let (there, back) = (compared(&sandbox, BEFORE, AFTER), compared(&sandbox, AFTER, BEFORE));
    let (there, back) = (causes(&there), causes(&back));
    for (cause, change) in &there {
        let other = match cause.as_str() {
            "new" => "gone",
            "gone" => "new",
            same => same,
        };
        assert!((change + back[other]).abs() < 1e-6, "{cause}: {change} {back:?}");
    }
    let same = compared(&sandbox, AFTER, AFTER);
    assert!(list(&same, "movers").is_empty() && list(&same, "causes").is_empty() && list(&same, "moves").is_empty());
    assert_eq!(number(&same["total"]["change"]), 0.0);
}

#[test]
fn a_comparison_says_who_moved_and_why() {
    let sandbox = planted("usage,new");
    let run = sandbox.run(&["compare", "--from", BEFORE, "--to", AFTER, "--as-of", "2026-03-15"]);
    insta::assert_snapshot!(run, @"
    2026-03-06 to 2026-03-12 cost $4,743.44, $334.60 (+7.6 %) more than 2026-02-20 to 2026-02-26; 71 % of it is first-time
      charges, 71 % of it AmazonSageMaker.

    service             before      after    change         %    share
    AmazonSageMaker      $0.00    $236.60  +$236.60         -   70.7 %  new
    AWSLambda           $98.00    $196.00   +$98.00  +100.0 %   29.3 %  grown
    15 unchanged     $4,310.84  $4,310.84     $0.00     0.0 %    0.0 %
    total            $4,408.84  $4,743.44  +$334.60    +7.6 %  100.0 %

    step               change      total
    before                     $4,408.84
    AmazonSageMaker  +$236.60  $4,645.44  █████████████████████
    AWSLambda         +$98.00  $4,743.44                       █████████
    after                      $4,743.44

    cause                 change    share
    first-time charges  +$236.60   70.7 %
    usage                +$98.00   29.3 %
    all                 +$334.60  100.0 %
    not in the total: Credit -$50.40 before, -$50.40 after (`--include`)
    --- exit code 0
    ");
}

#[test]
fn months_of_different_lengths_are_compared_by_the_day() {
    let sandbox = Sandbox::new();
    let mut text = String::from("date,cost,account,service\n");
    for day in 1..=28 {
        text += &format!("2026-02-{day:02},10,x,Steady\n");
    }
    for day in 1..=31 {
        text += &format!("2026-03-{day:02},10,x,Steady\n2026-03-{day:02},3.10,x,Fresh\n");
    }
    sandbox.write("a.csv", text);
    sandbox.ok(&["ingest", "a.csv", "--quiet"]);
    let run = sandbox.run(&["compare", "--month", "2026-03", "--as-of", "2026-04-20", "--quiet"]);
    insta::assert_snapshot!(run, @"
    2026-03-01 to 2026-03-31 cost $13.10 a day, $3.10 (+31.0 %) more than 2026-02-01 to 2026-02-28; all of it is first-time
      charges, all of it Fresh.
    $406.10 in 31 days against $280.00 in 28 days: all figures below are a day's
    provisional: days after 2026-03-30 may still change

    service      before   after  change        %    share
    Fresh         $0.00   $3.10  +$3.10        -  100.0 %  new
    1 unchanged  $10.00  $10.00   $0.00    0.0 %    0.0 %
    total        $10.00  $13.10  +$3.10  +31.0 %  100.0 %

    step    change   total
    before          $10.00
    Fresh   +$3.10  $13.10  ██████████████████████████████
    after           $13.10

    cause               change    share
    first-time charges  +$3.10  100.0 %
    all                 +$3.10  100.0 %
    --- exit code 0
    ");
    insta::assert_snapshot!(sandbox.run(&["compare", "--month", "2026-07", "--as-of", "2026-04-20", "--quiet"]), @"
    --- stderr
    error: there is no settled day of 2026-07 yet
    hint: the newest settled day is 2026-03-31
    --- exit code 1
    ");
    insta::assert_snapshot!(sandbox.run(&["compare", "--from", "2025-01-01..2025-01-02", "--as-of", "2026-04-20", "--quiet"]), @"
    --- stderr
    error: there is no data from 2025-01-01 to 2025-01-02
    hint: the data is of 2026-02-01 to 2026-03-31
    --- exit code 1
    ");
}

#[test]
fn a_drilldown_follows_the_greatest_change() {
    let sandbox = planted("usage");
    let arguments = ["drilldown", "--from", BEFORE, "--to", AFTER, "--as-of", "2026-03-15", "--top", "2"];
    insta::assert_snapshot!(sandbox.run(&arguments), @"
    2026-03-06 to 2026-03-12 cost $4,506.84, +$98.00 against 2026-02-20 to 2026-02-26

    all: +$98.00 by account
    account                            before      after   change    share
    222222222222 (acme-production)  $3,258.24  $3,356.24  +$98.00  100.0 %  grown
    012345678901 (acme-management)     $38.50     $38.50    $0.00    0.0 %  unchanged
    2 others                        $1,112.10  $1,112.10    $0.00    0.0 %

    all > 222222222222: +$98.00 by service
    service             before      after   change    share
    AWSLambda           $98.00    $196.00  +$98.00  100.0 %  grown
    AWSDataTransfer    $189.00    $189.00    $0.00    0.0 %  unchanged
    9 others         $2,971.24  $2,971.24    $0.00    0.0 %

    all > 222222222222 > AWSLambda: +$98.00 by region
    region     before    after   change    share
    us-east-1  $98.00  $196.00  +$98.00  100.0 %  grown

    all > 222222222222 > AWSLambda > us-east-1: +$98.00 by usage-type
    usage-type        before    after   change    share
    Lambda-GB-Second  $98.00  $196.00  +$98.00  100.0 %  grown

    all > 222222222222 > AWSLambda > us-east-1 > Lambda-GB-Second: +$98.00 by resource
    resource                                                                  before    after   change   share
    arn:aws:lambda:us-east-1:222222222222:function:checkout-e0b96b25595d8895  $50.38  $100.76  +$50.38  51.4 %  grown
    arn:aws:lambda:us-east-1:222222222222:function:checkout-07e15c2173e9ebe5  $47.62   $95.24  +$47.62  48.6 %  grown

    why, +$98.00
    cause   change    share
    usage  +$98.00  100.0 %
    all    +$98.00  100.0 %
    --- exit code 0
    ");
    let answer = sandbox.json(&[&arguments[..], &["--quiet"]].concat());
    for level in list(&answer, "levels") {
        let parts: f64 = list(level, "members").iter().map(|member| number(&member["change"])).sum();
        let sum = parts + number(&level["remainder"]["change"]);
        assert!((sum - number(&level["of"]["change"])).abs() < 1e-6, "{level}");
    }
    let refused = sandbox.run(&["drilldown", "--interactive"]);
    insta::assert_snapshot!(refused, @"
    --- stderr
    error: `--interactive` needs a terminal
    hint: leave it out for the path of greatest change
    --- exit code 2
    ");
}

#[test]
fn an_incident_of_the_ledger_is_explained_by_its_id() {
    let sandbox = planted("usage");
    let (group, question) = (["--group-by", "service"], ["--filter", "account=acme-production"]);
    sandbox.ok(&[&["anomalies", "--as-of", "2026-03-15", "--quiet"], &group[..], &question[..]].concat());
    let id = sandbox.rows("SELECT id FROM incidents WHERE group_values = ['AWSLambda']")[0]["id"].clone();
    let id = id.as_str().expect("an incident");
    let answer = sandbox.json(&["explain", &id[..6], "--as-of", "2026-03-15", "--quiet"]);
    assert_eq!(answer["id"], id);
    assert_eq!(answer["subject"].as_array().map(Vec::len), Some(2), "its filter and its group");
    assert_eq!(answer["course"]["start_date"], "2026-03-06");
    insta::assert_snapshot!(sandbox.run(&["explain", "zzz"]), @"
    --- stderr
    error: there is no incident `zzz` in the ledger
    hint: `aws-cost-anomalies incidents --status all` lists them
    --- exit code 1
    ");
    insta::assert_snapshot!(sandbox.run(&["explain"]), @"
    --- stderr
    error: what is to be explained?
    hint: name an incident (`incidents` lists them), or `--service NAME --date DATE`
    --- exit code 2
    ");
    insta::assert_snapshot!(sandbox.run(&["explain", "--service", "AWSLamda", "--as-of", "2026-03-15", "--quiet"]), @"
    --- stderr
    error: there is no service `AWSLamda` in these days
    hint: did you mean `AWSLambda`?
    --- exit code 1
    ");
    insta::assert_snapshot!(
        sandbox.run(&["explain", "--service", "AWSLambda", "--date", "2026-03-15", "--as-of", "2026-03-15", "--quiet"]),
        @"
    --- stderr
    error: there is no settled day 2026-03-15 of this cost
    hint: its days are 2026-02-14 to 2026-03-13
    --- exit code 1
    "
    );
}

#[test]
fn what_a_bill_without_usage_types_cannot_say_is_said() {
    let sandbox = Sandbox::new();
    let mut text = String::from("date,cost,account,service\n");
    for day in 1..=28 {
        let cost = if day > 20 { 30 } else { 10 };
        text += &format!("2026-02-{day:02},{cost},x,Moved\n2026-02-{day:02},5,y,Moved\n");
    }
    sandbox.write("a.csv", text);
    sandbox.ok(&["ingest", "a.csv", "--quiet"]);
    let run =
        sandbox.run(&["explain", "--service", "Moved", "--as-of", "2026-03-01", "--date", "2026-02-24", "--quiet"]);
    insta::assert_snapshot!(run, @"
    Moved has cost $35.00 a day since 2026-02-21, $20.00 a day more (+133 %) than before, all of it in x. It goes on:
      $608.75 a month more at the $35.00 a day of its newest days.

    $35.00                     ███████
                               ███████
                               ███████
           ▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅███████
           ███████████████████████████
           ███████████████████████████
                               ^^^^^^^
           2026-02-01            02-27

    2026-02-24: $35.00, expected $15.00 ($14.14 to $15.86), score 58.1, flagged
    median of the 20 days before $15.00, MAD $0.00, same weekday $15.00
    because: 35.00 instead of 15.00 give or take 0.56 (the level of 20 days)
    because: score 88.9, threshold 2.5
    because: 7 of 7 days flagged
    because: 35.00 on 2026-02-27
    since 2026-02-21, 7 days, +$140.00 so far, goes on; +$608.75 a month at $35.00 a day

    why, a day: $15.00 to $35.00
    cause               change    share
    no quantity known  +$20.00  100.0 %
    all                +$20.00  100.0 %

    all of it in region global

    by account, carried by 1 of 2
    account  before   after   change    share
    x        $10.00  $30.00  +$20.00  100.0 %  grown
    y         $5.00   $5.00    $0.00    0.0 %  unchanged

    not known: this data has no usage types, operations and resources: a CUR or FOCUS export has them

    not known: without quantities by usage type, more use and a higher price cannot be told apart
    --- exit code 0
    ");
    let mut narrow = sandbox.command(&["explain", "--service", "Moved", "--as-of", "2026-03-01", "--quiet"]);
    narrow.env("COLUMNS", "60");
    let narrow = sandbox.finish(narrow);
    // Commands are to be copied, and stay on one line.
    let fits = |line: &str| line.chars().count() <= 60 || line.trim_start().starts_with("aws ");
    assert!(narrow.stdout.lines().all(fits), "{narrow}");
}

/// Services of a bill whose first one costs more from 2026-02-21 on; `skipped` days are not in it.
fn plain_bill(sandbox: &Sandbox, skipped: &[u32]) {
    let mut text = String::from("date,cost,account,service,currency\n");
    for day in (1..=28).filter(|day| !skipped.contains(day)) {
        let raised = if day > 20 { 200 } else { 100 };
        text += &format!(
            "2026-02-{day:02},{raised},x,One,USD\n2026-02-{day:02},50,x,Two,USD\n2026-02-{day:02},9000,z,Yen,JPY\n"
        );
    }
    sandbox.write("a.csv", text);
    sandbox.ok(&["ingest", "a.csv", "--quiet"]);
}

#[test]
fn days_that_the_data_does_not_have_are_no_days_without_cost() {
    let sandbox = Sandbox::new();
    plain_bill(&sandbox, &[3, 10]);
    let common = ["--filter", "currency=USD", "--as-of", "2026-03-01", "--quiet"];
    let answer = sandbox.json(&[&["explain", "--service", "One", "--date", "2026-02-24"], &common[..]].concat());
    assert_eq!((number(&answer["change"]["before"]), number(&answer["change"]["after"])), (100.0, 200.0));
    assert!(list(&answer, "before_days").iter().all(|day| day != "2026-02-03" && day != "2026-02-10"));
    let periods = ["drilldown", "--from", "2026-02-01..2026-02-05", "--to", "2026-02-11..2026-02-15"];
    let answer = sandbox.json(&[&periods[..], &common].concat());
    assert_eq!((&answer["per_day"], number(&answer["total"]["change"])), (&Value::Bool(true), 0.0));
    let nothing = ["drilldown", "--from", "2026-01-01..2026-01-05", "--to", "2026-02-11..2026-02-15"];
    insta::assert_snapshot!(sandbox.run(&[&nothing[..], &common].concat()), @"
    --- stderr
    error: there is no data from 2026-01-01 to 2026-01-05
    hint: the data is of 2026-02-01 to 2026-02-28
    --- exit code 1
    ");
}

#[test]
fn an_incident_of_several_values_is_explained_alone_and_in_its_currency() {
    let sandbox = Sandbox::new();
    plain_bill(&sandbox, &[]);
    let filters = ["--filter", "service=One", "--filter", "service=Two"];
    let question = ["anomalies", "--group-by", "service", "--as-of", "2026-02-26", "--quiet"];
    sandbox.ok(&[&question[..], &filters].concat());
    let id = sandbox.rows("SELECT id FROM incidents")[0]["id"].clone();
    let answer = sandbox.json(&["explain", id.as_str().expect("an id"), "--as-of", "2026-02-26", "--quiet"]);
    assert_eq!((number(&answer["change"]["before"]), number(&answer["change"]["after"])), (100.0, 200.0));
    assert_eq!(answer["currency"], "USD");
    let mixed = sandbox.run(&["compare", "--from", "2026-02-01..2026-02-05", "--to", "2026-02-21..2026-02-25"]);
    assert!(mixed.code == 1 && mixed.stderr.contains("are not added"), "{mixed}");
}

#[test]
fn a_move_is_said_though_nothing_is_left_of_it() {
    let sandbox = planted("moved");
    let said = |filters: &[&str]| {
        let arguments = ["explain", "--service", "AWSGlue", "--date", "2026-03-10", "--as-of", "2026-03-15", "--quiet"];
        let answer = sandbox.json(&[&arguments[..], filters].concat());
        answer["sentence"].as_str().expect("a sentence").to_owned()
    };
    insta::assert_snapshot!(said(&[]), @"AWSGlue cost $21.00 on 2026-03-10, as much as such days before, which is not flagged; $21.00 a day moved from acme-staging in eu-central-1 to acme-data in eu-central-1.");
    insta::assert_snapshot!(said(&["--account", "acme-data"]), @"AWSGlue in acme-data has cost $21.00 a day since 2026-03-06, $21.00 a day more than before; $21.00 a day moved from 333333333333 in eu-central-1 to 444444444444 in eu-central-1. It goes on: $639.19 a month more at the $21.00 a day of its newest days.");
}

#[test]
fn a_page_for_a_team() {
    let sandbox = planted("usage,new");
    let run = sandbox.run(&["report", "--as-of", "2026-03-15"]);
    insta::assert_snapshot!(run, @"
    # Cloud costs up to 2026-03-13

    2026-03-07 to 2026-03-13 cost $4,743.44, $67.73 (+1.4 %) more than 2026-02-28 to 2026-03-06: $286.80 up (most of all AmazonSageMaker by $202.80), $219.07 down (most of all AWSSupportBusiness by $100.00).

    ```text
    $802.56                █    ▁  ▁▁▁▁▁
            ▄▄▆▆▆▆▆▄▄▆▆▆▆▆▆█▆▆▆▆█▇▇█████
            ████████████████████████████
            ████████████████████████████
            ████████████████████████████
            ████████████████████████████
            2026-02-14             03-13
    ```

    ## Where the month will end

    2026-03: $20,958.27 expected

    - spent up to 2026-03-13: $8,787.66

    | service | to date | expected | 80 % interval |
    | --- | ---: | ---: | ---: |
    | AmazonEC2 | $4,641.71 | $10,879.31 | - |
    | AmazonRDS | $708.50 | $1,689.50 | - |
    | AmazonRedshift | $676.00 | $1,612.00 | - |
    | AmazonS3 | $494.00 | $1,178.00 | - |
    | AmazonSageMaker | $270.40 | $878.80 | - |
    | AWSDataTransfer | $351.00 | $837.00 | - |
    | AWSLambda | $294.00 | $798.00 | - |
    | AWSGlue | $273.00 | $651.00 | - |
    | AmazonDynamoDB | $247.00 | $589.00 | - |
    | AmazonCloudWatch | $208.00 | $496.00 | - |
    | other | $624.05 | $1,349.66 | - |
    | total | $8,787.66 | $20,958.27 | - |

    ## What moved in the week

    | service | before | week | change | % |  |
    | --- | ---: | ---: | ---: | ---: | --- |
    | AmazonSageMaker | $33.80 | $236.60 | +$202.80 | +600.0 % | grown |
    | AWSSupportBusiness | $100.00 | $0.00 | -$100.00 | -100.0 % | gone |
    | AmazonEC2 | $2,531.23 | $2,436.16 | -$95.07 | -3.8 % | shrunk |
    | AWSLambda | $112.00 | $196.00 | +$84.00 | +75.0 % | grown |
    | ElasticMapReduce | $108.00 | $84.00 | -$24.00 | -22.2 % | shrunk |
    | 13 others | $1,790.68 | $1,790.68 | $0.00 | 0.0 % |  |
    | total | $4,675.71 | $4,743.44 | +$67.73 | +1.4 % |  |

    | cause | change | share |
    | --- | ---: | ---: |
    | usage | +$262.80 | 388.0 % |
    | fees | -$100.00 | -147.6 % |
    | unused commitment | -$95.07 | -140.4 % |
    | all | +$67.73 | 100.0 % |

    ## Incidents of the last two weeks

    - 5d6633046baf AmazonSageMaker / 444444444444 (acme-data), new up, critical: AmazonSageMaker in acme-data has cost $33.80 a day since 2026-03-06, $33.80 a day more than before; all of it is first-time charges. It goes on: $1,028.79 a month more at the $33.80 a day of its newest days.
    - 37960626043b AWSLambda / 222222222222 (acme-production), level shift up, warning: AWSLambda in acme-production has cost $28.00 a day since 2026-03-06, $14.00 a day more (+100 %) than before; all of it is usage (`Lambda-GB-Second`: 839,998 to 1,679,997 Lambda-GB-Second a day), 51 % of it in arn:aws:lambda:us-east-1:222222222222:function:checkout-e0b96b25595d8895. It goes on: $426.12 a month more at the $28.00 a day of its newest days.
    - cdaabdfa7ab5 AWSSupportBusiness / 012345678901 (acme-management), new up, critical: AWSSupportBusiness in acme-management cost $100.00 on 2026-03-01, $100.00 more than such days before; all of it is fees. It is over since 2026-03-02.
    - fddb7a0545af ElasticMapReduce / 444444444444 (acme-data), point up, critical: ElasticMapReduce in acme-data cost $36.00 on 2026-02-28, $24.00 more (+200 %) than such days before; all of it is usage (`BoxUsage:m5.xlarge`: 250 to 750 Hrs a day). It is over since 2026-03-01.

    ## The data

    - net amortized cost from cur2, 2026-02-14 to 2026-03-15
    - not part of this page, for it may still change: 2026-03-14 to 2026-03-15
    - credits and refunds take $201.60 off $18,236.83 of spend: $18,035.23 remain
    --- exit code 0
    ");
    sandbox.ok(&["report", "--as-of", "2026-03-15", "--format", "html", "--output", "page.html", "--quiet"]);
    let page = std::fs::read_to_string(sandbox.path("page.html")).expect("the page");
    assert!(page.starts_with("<!doctype html>") && page.matches("<svg").count() >= 2);
    let outside = ["src=", "href=", "@import", "url("];
    assert!(outside.iter().all(|part| !page.contains(part)), "nothing is loaded from elsewhere");
    let answer = sandbox.json(&["report", "--as-of", "2026-03-15", "--quiet"]);
    assert_eq!(answer["operation"], "report");
}
