//! Budgets: how they stand, who hears of them and how often, and those of AWS.

use chrono::NaiveDate;
use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::{
    fake_aws::{FakeAws, PAYER, SECRET, moto_budgets},
    harness::{Run, Sandbox},
};

/// Two services of two accounts at 60 and 40 a day, with a credit; `factor` for what a restated bill has.
fn bill(to: &str, factor: f64) -> String {
    let mut text = String::from("date,cost,account,service,category\n");
    let (from, to): (NaiveDate, NaiveDate) = ("2024-03-01".parse().expect("a day"), to.parse().expect("a day"));
    for date in from.iter_days().take_while(|date| *date <= to) {
        text += &format!("{date},{},a,Web,Usage\n{date},{},b,Web,Usage\n", 60.0 * factor, 40.0 * factor);
        text += &format!("{date},-7,b,Web,Credit\n");
    }
    text
}

fn with_bill(to: &str, config: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("config.yaml", config);
    restate(&sandbox, to, 1.0);
    sandbox
}

fn restate(sandbox: &Sandbox, to: &str, factor: f64) {
    sandbox.write("a.csv", bill(to, factor));
    sandbox.ok(&["ingest", "a.csv", "--map", "charge_category=category", "--quiet"]);
}

const BUDGETS: &str = "
budgets:
  - { name: all, amount: 3050 }
  - { name: a, amount: { average: 3 months }, growth: 10 %, filters: [account=a] }
  - { name: net, amount: 1850, include: [credit], thresholds: [{ actual: 100 % }] }
  - { name: fiscal, amount: { 2024-07: 3000, 2024-08: 3000, 2024-09: 3000 }, period: quarterly, starts: 2024-01 }
";

#[test]
fn how_budgets_stand() {
    let sandbox = with_bill("2024-07-22", BUDGETS);
    assert_snapshot!(sandbox.run(&["budgets", "--as-of", "2024-07-22"]), @"
    budget  period                amount      spent        %   expected        %  state        reached
    all     2024-07-01..07-31  $3,050.00  $2,000.00   65.6 %  $3,100.00  101.6 %  will exceed  2024-07-31
    a       2024-07-01..07-31  $2,002.00  $1,200.00   59.9 %  $1,860.00   92.9 %  within       -
    net     2024-07-01..07-31  $1,850.00  $1,860.00  100.5 %  $2,883.00  155.8 %  exceeded     2024-07-20
    fiscal  2024-07-01..09-30  $9,000.00  $2,000.00   22.2 %  $9,200.00  102.2 %  will exceed  2024-09-28

    all: $2,000.00 of $3,050.00 spent up to 2024-07-20 (65.6 %), $3,100.00 expected at the end: the amount is reached on
      2024-07-31, with a probability of 93 %.
      ██████████████████████████░░░░░░░░░░░░|░
      on 2024-07-20: $32.26 above an even path, $32.26 above one by weekdays and fees
      credits and refunds in these days: -$140.00
      crossed: 100 % forecast
      against the period before: Web +$100.00

    a: $1,200.00 of $2,002.00 spent up to 2024-07-20 (59.9 %), $1,860.00 expected at the end: below the amount, even if that
      is as wrong as earlier forecasts were.
      ████████████████████████░░░░░░░░░░░░░··|
      on 2024-07-20: $91.61 below an even path, $91.61 below one by weekdays and fees
      against the period before: Web +$60.00

    net: $1,860.00 of $1,850.00 spent up to 2024-07-20 (100.5 %): exceeded since 2024-07-20, $2,883.00 expected at the end.
      █████████████████████████|░░░░░░░░░░░░░░
      on 2024-07-20: $666.45 above an even path, $666.45 above one by weekdays and fees
      credits and refunds in these days: -$140.00
      crossed: 100 % spent on 2024-07-20
      against the period before: Web +$93.00

    fiscal: $2,000.00 of $9,000.00 spent up to 2024-07-20 (22.2 %), $9,200.00 expected at the end: the amount is reached on
      2024-09-28, with a probability of 83 %.
      █████████░░░░░░░░░░░░░░░░░░░░░░░░░░░░░|░
      on 2024-07-20: $43.48 above an even path, $43.48 above one by weekdays and fees
      credits and refunds in these days: -$140.00
      crossed: 100 % forecast
    --- exit code 0
    ");
    assert_snapshot!(sandbox.run(&["budgets", "--as-of", "2024-07-22", "--name", "a", "--format", "csv"]), @"
    budget,start,end,known_through,amount,spent,spent_pct,expected,expected_pct,low_80,high_80,state,reached,probability,credits,currency
    a,2024-07-01,2024-07-31,2024-07-20,2002.0000000000002,1200,59.94005994005993,1860,92.90709290709289,,,within,,,0,USD
    --- exit code 0
    ");
}

#[test]
fn the_exit_code_says_how_far_budgets_are() {
    let sandbox = with_bill("2024-07-22", BUDGETS);
    let code = |name: &str, state: &str| {
        sandbox.run(&["budgets", "--as-of", "2024-07-22", "--name", name, "--fail-on", state, "--quiet"]).code
    };
    assert_eq!([code("all", "forecast"), code("all", "exceeded"), code("a", "forecast")], [10, 0, 0]);
    assert_eq!(code("net", "exceeded"), 10);
}

#[test]
fn what_is_wrong_with_a_budget_is_said() {
    let sandbox = with_bill("2024-07-22", "");
    sandbox.write("config.yaml", "budgets: [{ name: alll, amount: much }]\n");
    assert_snapshot!(sandbox.run(&["budgets"]), @"
    --- stderr
    error: the configuration `config.yaml` is not valid
      caused by: budgets[0] (alll): write an amount as 20000, as `last_month`, as `{ average: 3 months }`, or by month as `{ 2026-11: 20000 }`
    hint: `aws-cost-anomalies config show` prints what is merged; docs/CONFIG.md explains each key
    hint: docs/BUDGETS.md shows every kind of budget
    --- exit code 1
    ");
    for (config, said) in [
        (
            "budgets: [{ name: x, amount: 5, owner: platfrom }]\nnotify: { owners: [{ name: platform, filters: [account=a], channels: [] }] }\n",
            "did you mean `platform`?",
        ),
        ("budgets: [{ name: x, amount: 5, channels: [nobody] }]\n", "there is no channel `nobody`"),
        ("budgets: [{ name: x, amount: 5 }, { name: x, amount: 6 }]\n", "is there twice"),
        ("budgets: [{ name: x, amount: 5, filter: [account=a] }]\n", "did you mean `filters`?"),
        ("budgets_file: nowhere.yaml\n", "cannot read the budgets `nowhere.yaml`"),
    ] {
        sandbox.write("config.yaml", config);
        let run = sandbox.run(&["budgets", "--as-of", "2024-07-22"]);
        assert!(run.code == 1 && run.stderr.contains(said), "{config}\n{run}");
    }
    // A budget that cannot be told does not hide the others.
    sandbox.write("config.yaml", "budgets: [{ name: x, amount: { 2020-01: 5 } }, { name: y, amount: 6 }]\n");
    let run = sandbox.ok(&["budgets", "--as-of", "2024-07-22"]);
    assert!(
        run.stderr.contains("the budget `x` is not told: it has no amount for 2024-07") && run.stdout.contains("y: "),
        "{run}"
    );
    sandbox.write("config.yaml", "");
    assert_eq!(sandbox.run(&["budgets"]).code, 1);
}

#[test]
fn budgets_are_in_a_file_too() {
    let sandbox = with_bill("2024-07-22", "budgets_file: git/budgets.yaml\nbudgets: [{ name: own, amount: 3000 }]\n");
    sandbox.write("git/budgets.yaml", "budgets:\n  - { name: b, amount: 9, filters: [account=b] }\n");
    let found = sandbox.json(&["budgets", "--as-of", "2024-07-22"]);
    let names: Vec<&str> =
        found["budgets"].as_array().expect("budgets").iter().filter_map(|one| one["name"].as_str()).collect();
    assert_eq!(names, ["own", "b"]);
}

const NOTIFIED: &str = "
notify:
  channels: [{ name: out, file: { path: alerts.txt } }, { name: other, file: { path: other.txt } }]
  owners: [{ name: platform, filters: [account=a], channels: [out] }]
budgets:
  - { name: all, amount: 3050, owner: platform, thresholds: [{ actual: 60 % }, { forecast: 101 % }] }
";

/// Each threshold is told once in a period, to its owner; again only when it was corrected and is crossed anew.
#[test]
fn each_threshold_is_told_once_a_period() {
    let sandbox = with_bill("2024-07-22", NOTIFIED);
    let told = |today: &str| {
        let run = sandbox.ok(&["run", "--no-ingest", "--as-of", today, "--quiet"]);
        let _ = run;
        let text = std::fs::read_to_string(sandbox.path("alerts.txt")).unwrap_or_default();
        let _ = std::fs::remove_file(sandbox.path("alerts.txt"));
        text.lines().filter(|line| line.contains("Budget all")).map(str::to_owned).collect::<Vec<String>>()
    };
    assert_eq!(told("2024-07-22"), ["2024-07-22 Budget all: 60 % spent, 101 % forecast"]);
    assert_eq!(told("2024-07-22"), Vec::<String>::new(), "not twice");
    assert!(!sandbox.path("other.txt").exists(), "to its owner only");
    // Less was spent after all: nothing is said, but it is noted.
    restate(&sandbox, "2024-07-23", 0.7);
    assert_eq!(told("2024-07-23"), Vec::<String>::new());
    let events = sandbox.rows("SELECT event, count(*) AS n FROM notifications GROUP BY 1 ORDER BY 1");
    assert_eq!(events, [json!({"event": "corrected", "n": 2}), json!({"event": "crossed", "n": 2})]);
    // And more again.
    restate(&sandbox, "2024-07-24", 1.0);
    assert_eq!(told("2024-07-24"), ["2024-07-24 Budget all: 60 % spent, 101 % forecast"]);
    // A restatement that leaves it crossed is no news; the next month is.
    restate(&sandbox, "2024-07-25", 1.05);
    assert_eq!(told("2024-07-25"), Vec::<String>::new());
    restate(&sandbox, "2024-08-25", 1.05);
    assert_eq!(told("2024-08-25"), ["2024-08-25 Budget all: 60 % spent, 101 % forecast"]);
}

#[test]
fn a_message_says_what_drives_it() {
    let sandbox = with_bill("2024-07-22", NOTIFIED);
    assert_snapshot!(sandbox.run(&["notify", "--dry-run", "--as-of", "2024-07-22"]), @"
    no incident is open, and nobody waits for news of one

    out is sent: Budget all: 60 % spent, 101 % forecast
    --- exit code 0
    ");
    sandbox.ok(&["notify", "--as-of", "2024-07-22", "--quiet"]);
    assert_snapshot!(std::fs::read_to_string(sandbox.path("alerts.txt")).expect("alerts"), @"
    2024-07-22 Budget all: 60 % spent, 101 % forecast

    all: $2,000.00 of $3,050.00 spent up to 2024-07-20 (65.6 %), $3,100.00 expected at the end: the amount is reached on 2024-07-31, with a probability of 93 %.
    on 2024-07-20: $32.26 above an even path, $32.26 above one by weekdays and fees
    credits and refunds in these days: -$140.00
    crossed: 60 % spent on 2024-07-19, 101 % forecast
    against the period before: Web +$100.00
    2024-07-01 to 2024-07-20 cost $2,000.00, as much as 2024-06-01 to 2024-06-20.
    owner: platform
    look further with: aws-cost-anomalies budgets --name all
    ");
}

/// What was crossed on the last days of a month settles in the next one.
#[test]
fn a_month_that_settles_late_is_told_after_its_end() {
    let sandbox =
        with_bill("2024-08-03", &NOTIFIED.replace("60 %", "101 %").replace("{ forecast: 101 % }", "{ actual: 100 % }"));
    sandbox.ok(&["run", "--no-ingest", "--as-of", "2024-08-03", "--quiet"]);
    let text = std::fs::read_to_string(sandbox.path("alerts.txt")).expect("alerts");
    assert!(
        text.contains("Budget all: 101 % spent, 100 % spent") && text.contains("exceeded since 2024-07-31"),
        "{text}"
    );
}

#[test]
fn credits_do_not_hide_a_breach() {
    let sandbox = with_bill("2024-07-22", "budgets: [{ name: net, amount: 1900, include: [credit], filters: [] }]\n");
    let found = sandbox.json(&["budgets", "--as-of", "2024-07-22"]);
    let budget = &found["budgets"][0];
    assert_eq!([&budget["spent"], &budget["credits"]], [&json!(1860.0), &json!(-140.0)]);
    assert_eq!(budget["hidden_by_credits"], true);
    assert!(sandbox.ok(&["budgets", "--as-of", "2024-07-22"]).stdout.contains("without them the amount is exceeded"));
}

fn import(sandbox: &Sandbox, aws: &FakeAws, endpoint: Option<&str>, arguments: &[&str]) -> Run {
    let mut command = sandbox.command(&[&["budgets", "import"], arguments].concat());
    aws.environment(&mut command);
    if let Some(endpoint) = endpoint {
        command.env("AWS_ENDPOINT_URL_BUDGETS", endpoint);
    }
    let run = sandbox.finish(command);
    assert!(!format!("{run}").contains(SECRET), "a secret leaks");
    run
}

#[test]
fn the_budgets_of_aws_become_a_file() {
    let (sandbox, aws) = (with_bill("2024-07-22", ""), FakeAws::start());
    let run = import(&sandbox, &aws, None, &[]);
    assert_snapshot!(run, @"
    budgets:
    - name: production
      amount: 20000.0
      period: monthly
      filters:
      - account=222222222222
      - service=AmazonEC2
      - tag:team=payments
      metric: amortized
      thresholds:
      - actual: 80 %
      - forecast: 21000.0
    - name: fiscal
      amount: 300000.0
      period: yearly
      starts: 2026-02
      filters:
      - region=eu-west-1
      - region=us-east-1
      - tag:team!=sandbox
      metric: net_unblended
      include:
      - Tax
      - Credit
    - name: grown
      amount:
        average: 3 months
      period: monthly
      metric: unblended
      include:
      - Tax
      - Credit
    - name: planned
      amount:
        2026-11: 100.0
        2026-12: 120.5
      period: monthly
      metric: unblended
      include:
      - Tax
      - Credit
    --- stderr
    note: the budget `production`: counts support here, which AWS leaves out of it
    note: the budget `production`: a notification of what is below or equal to its threshold is left out
    note: the budget `production`: the filter InvoicingEntity = x is left out: give one of your own
    note: the budget `hours`: left out, for it is of USAGE, not of costs
    note: the budget `fiscal`: has no notification: the usual thresholds count
    note: the budget `grown`: has no notification: the usual thresholds count
    note: the budget `planned`: has no notification: the usual thresholds count
    --- exit code 0
    ");
    assert_eq!(aws.count("DescribeBudgets"), 2, "two pages");
    // What it writes is a file of budgets.
    sandbox.write("budgets.yaml", &run.stdout);
    sandbox.write("config.yaml", "budgets_file: budgets.yaml\n");
    let shown = sandbox.run(&["budgets", "--as-of", "2024-07-22"]);
    assert!(shown.stderr.contains("planned") && !shown.stderr.contains("not valid"), "{shown}");
    aws.fault("DescribeBudgets", crate::fake_aws::Fault::Error(400, "AccessDeniedException", "no"));
    let refused = import(&sandbox, &aws, None, &[]);
    assert!(refused.code == 3 && refused.stderr.contains("budgets:ViewBudget"), "{refused}");
}

#[test]
fn the_budgets_of_moto_are_read() {
    let own = json!({"AccountId": "123456789012", "Budget": {"BudgetName": "of moto", "BudgetType": "COST", "TimeUnit": "MONTHLY",
        "BudgetLimit": {"Amount": "10", "Unit": "USD"}}, "NotificationsWithSubscribers": [{"Notification": {
        "NotificationType": "FORECASTED", "ComparisonOperator": "GREATER_THAN", "Threshold": 90.0, "ThresholdType": "PERCENTAGE"},
        "Subscribers": [{"SubscriptionType": "EMAIL", "Address": "a@example.com"}]}]});
    let Some(endpoint) = moto_budgets("CreateBudget", &own) else { return };
    let (sandbox, aws) = (Sandbox::new(), FakeAws::start());
    let run = import(&sandbox, &aws, Some(&endpoint), &["--account", "123456789012", "--format", "json"]);
    let found: Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!(found["budgets"][0]["name"], "of moto", "{run}");
    assert_eq!(found["budgets"][0]["thresholds"], json!([{"forecast": "90 %"}]), "{run}");
    assert_ne!(PAYER, "123456789012");
}
