//! What `trends` shows.

use serde_json::Value;

use crate::harness::Sandbox;

/// Generated bills of 60 days up to 2026-03-15, ingested.
fn sample() -> Sandbox {
    Sandbox::with_sample()
}

fn total(answer: &Value) -> f64 {
    let periods = answer["periods"].as_array().expect("periods");
    periods.iter().map(|period| period["total"].as_f64().expect("a total")).sum()
}

#[test]
fn fourteen_days_by_service() {
    insta::assert_snapshot!(sample().run(&["trends", "--as-of", "2026-03-15"]), @"
    Net amortized cost by service, 2026-03-02 to 2026-03-15, from cur2

    service               total    share  per day  2026-03-13   change        %  trend
    AmazonEC2         $4,666.50   54.5 %  $333.32     $356.50  +$12.73   +3.7 %  ██████▇█████▇▄
    AmazonRDS         $1,138.19   13.3 %   $81.30      $91.50   -$1.47   -1.6 %  ▅▅▅██████████▄
    AmazonS3            $510.35    6.0 %   $36.45      $38.31   +$0.21   +0.5 %  █████████████▄
    AWSDataTransfer     $363.52    4.2 %   $25.97      $27.85   -$0.37   -1.3 %  ▇▇▇▇▇████████▄
    AmazonCloudWatch    $315.58    3.7 %   $22.54      $26.55   -$0.52   -1.9 %  ▆▆▆▆▇▆▆▇█████▄
    AWSGlue             $282.64    3.3 %   $20.19      $18.24   -$3.57  -16.4 %  █████▇▇▇███▇█▄
    AWSLambda           $246.12    2.9 %   $17.58      $14.25   -$0.12   -0.9 %  ▂▂▂▂▂█▂▂▂▂▂▂▂▂
    AmazonDynamoDB      $232.50    2.7 %   $16.61      $18.22   +$0.33   +1.9 %  ▂▇█▇▇██▇█▇▇▇▇▄
    AmazonSageMaker     $215.43    2.5 %   $15.39      $33.69   -$0.39   -1.1 %  ▁▁▁▁▁▁▁██████▄
    ElasticMapReduce    $160.99    1.9 %   $11.50      $12.83   +$1.25  +10.8 %  ██▇▇█▇█▇██▇█▇▄
    other               $433.77    5.1 %   $30.98      $28.63   +$0.19   +0.7 %  █▃▄▃▃▃▃▃▃▃▃▄▄▂
    total             $8,565.58  100.0 %  $611.83     $666.57   +$8.26   +1.3 %  ▇▇▇█▇█▇██████▄

    day           total    change        %  credits
    2026-03-02  $621.60         -        -   -$6.71
    2026-03-03  $587.91   -$33.70   -5.4 %   -$7.55
    2026-03-04  $581.86    -$6.04   -1.0 %   -$7.04
    2026-03-05  $629.94   +$48.08   +8.3 %   -$7.37
    2026-03-06  $613.88   -$16.06   -2.5 %   -$6.88
    2026-03-07  $671.86   +$57.98   +9.4 %   -$6.96
    2026-03-08  $608.08   -$63.78   -9.5 %   -$7.51
    2026-03-09  $668.59   +$60.52  +10.0 %   -$7.21
    2026-03-10  $673.89    +$5.29   +0.8 %   -$7.33
    2026-03-11  $669.94    -$3.94   -0.6 %   -$7.06
    2026-03-12  $658.31   -$11.63   -1.7 %   -$7.35
    2026-03-13  $666.57    +$8.26   +1.3 %   -$7.59
    2026-03-14  $645.24   -$21.33   -3.2 %   -$7.73  provisional
    2026-03-15  $267.91  -$377.33  -58.5 %   -$3.04  provisional

    average $637.70, minimum $581.86 (2026-03-04), maximum $673.89 (2026-03-10) of what is settled
    provisional: days after 2026-03-13 may still change
    not in the total: Credit -$97.35 (`--include`)
    credits and refunds take $97.35 off $8,565.58 of spend: $8,468.23 remain
    --- exit code 0
    ");
}

#[test]
fn months_by_account_with_names() {
    let arguments = ["trends", "--from", "2026-01-15", "--as-of", "2026-03-15", "--granularity", "monthly"];
    let run = sample().run(&[&arguments[..], &["--group-by", "account"]].concat());
    insta::assert_snapshot!(run, @"
    Net amortized cost by account, 2026-01-15 to 2026-03-15, from cur2

    account                            2026-02  2026-03-01..03-15       total    share  per day  change 2026-02  %  trend
    222222222222 (acme-production)  $13,197.54          $7,334.00  $28,450.40   74.8 %  $474.17               -  -  ▅█▅
    444444444444 (acme-data)         $2,888.69          $1,237.29   $5,883.39   15.5 %   $98.06               -  -  ▅█▄
    333333333333 (acme-staging)      $1,596.75            $618.14   $3,173.85    8.3 %   $52.90               -  -  ▅█▄
    012345678901 (acme-management)     $255.36            $181.16     $528.60    1.4 %    $8.81               -  -  ▄█▆
    total                           $17,938.33          $9,370.59  $38,036.23  100.0 %  $633.94               -  -  ▅█▅

    month                   total  change  %   credits
    2026-01-15..01-31  $10,727.31       -  -  -$122.54
    2026-02            $17,938.33       -  -  -$202.23
    2026-03-01..03-15   $9,370.59       -  -  -$105.05  provisional

    average $14,332.82, minimum $10,727.31 (2026-01-15..01-31), maximum $17,938.33 (2026-02) of what is settled
    provisional: days after 2026-03-13 may still change
    not in the total: Tax $45.15, Credit -$429.82 (`--include`)
    credits and refunds take $429.82 off $38,036.23 of spend: $37,606.41 remain
    --- exit code 0
    ");
}

#[test]
fn a_narrow_terminal_keeps_names_and_numbers_whole() {
    let sandbox = sample();
    let mut command = sandbox.command(&["trends", "--top", "4", "--days", "5", "--quiet"]);
    command.env("COLUMNS", "50");
    let run = sandbox.finish(command);
    insta::assert_snapshot!(run, @"
    Net amortized cost by service, 2026-03-11 to
      2026-03-15, from cur2

    service              total  change 2026-03-14
    AmazonEC2        $1,519.41            -$26.83
    AmazonRDS          $412.64             +$2.16
    AmazonS3           $167.57             -$0.34
    AmazonSageMaker    $148.42             -$0.04
    other              $659.93             +$3.72
    total            $2,907.97            -$21.33

    day           total    change
    2026-03-11  $669.94         -
    2026-03-12  $658.31   -$11.63
    2026-03-13  $666.57    +$8.26
    2026-03-14  $645.24   -$21.33
    2026-03-15  $267.91  -$377.33  provisional

    average $660.02, minimum $645.24 (2026-03-14),
      maximum $669.94 (2026-03-11) of what is settled
    provisional: days after 2026-03-14 may still
      change
    not in the total: Credit -$32.78 (`--include`)
    credits and refunds take $32.78 off $2,907.97 of
      spend: $2,875.18 remain
    --- exit code 0
    ");
    let table = run.stdout.lines().filter(|line| line.starts_with("Amazon") || line.starts_with("2026"));
    assert!(run.stdout.lines().all(|line| line.chars().count() <= 50), "{run}");
    assert!(table.clone().count() > 5 && table.clone().all(|line| line.chars().count() <= 50), "{run}");
}

#[test]
fn markdown_and_csv() {
    let sandbox = sample();
    let arguments = ["trends", "--granularity", "weekly", "--days", "14", "--top", "2", "--quiet", "--format"];
    insta::assert_snapshot!(sandbox.run(&[&arguments[..], &["markdown"]].concat()), @"
    Net amortized cost by service, 2026-03-02 to 2026-03-15, from cur2

    | service | 2026-03-02..03-08 | 2026-03-09..03-15 | total | share | per day | change 2026-03-02..03-08 | % | trend |
    | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |
    | AmazonEC2 | $2,429.66 | $2,236.84 | $4,666.50 | 54.5 % | $333.32 | - | - | █▇ |
    | AmazonRDS | $537.14 | $601.05 | $1,138.19 | 13.3 % | $81.30 | - | - | ▇█ |
    | other | $1,348.34 | $1,412.55 | $2,760.89 | 32.2 % | $197.21 | - | - | ██ |
    | total | $4,315.13 | $4,250.45 | $8,565.58 | 100.0 % | $611.83 | - | - | ██ |

    | week | total | change | % | credits |  |
    | --- | ---: | ---: | ---: | ---: | --- |
    | 2026-03-02..03-08 | $4,315.13 | - | - | -$50.03 |  |
    | 2026-03-09..03-15 | $4,250.45 | -$64.68 | -1.5 % | -$47.32 | provisional |
    provisional: days after 2026-03-14 may still change
    not in the total: Credit -$97.35 (`--include`)
    credits and refunds take $97.35 off $8,565.58 of spend: $8,468.23 remain
    --- exit code 0
    ");
    insta::assert_snapshot!(sandbox.run(&[&arguments[..], &["csv"]].concat()), @"
    start,end,provisional,service,cost,change,change_pct,currency
    2026-03-02,2026-03-08,false,AmazonEC2,2429.655097778788,,,USD
    2026-03-02,2026-03-08,false,AmazonRDS,537.139488620795,,,USD
    2026-03-02,2026-03-08,false,other,1348.3375858255552,,,USD
    2026-03-09,2026-03-15,true,AmazonEC2,2236.844443893516,-192.81065388527168,-7.935721167236489,USD
    2026-03-09,2026-03-15,true,AmazonRDS,601.054180482143,63.91469186134805,11.89908640406626,USD
    2026-03-09,2026-03-15,true,other,1412.550400105494,64.21281427993881,4.762369228224312,USD
    --- exit code 0
    ");
}

#[test]
fn json_has_the_promised_fields() {
    let answer = sample().json(&[
        "trends",
        "--as-of",
        "2026-03-20",
        "--days",
        "2",
        "--top",
        "1",
        "--filter",
        "service=AmazonS3",
        "--quiet",
    ]);
    insta::assert_snapshot!(serde_json::to_string_pretty(&answer).expect("JSON"), @r#"
    {
      "schema_version": 1,
      "operation": "trends",
      "as_of": "2026-03-20",
      "data_through": "2026-03-15",
      "settled_through": "2026-03-14",
      "sources": [
        "cur2"
      ],
      "metric": "net_amortized",
      "currency": "USD",
      "warnings": [
        {
          "code": "data_is_old",
          "data_through": "2026-03-15",
          "as_of": "2026-03-20",
          "days": 5,
          "text": "the newest data is of 2026-03-15, 5 days before 2026-03-20: reading as of that day"
        }
      ],
      "granularity": "daily",
      "group_by": [
        "service"
      ],
      "include": [
        "Usage",
        "Purchase",
        "Adjustment"
      ],
      "total": 53.663168768243,
      "periods": [
        {
          "start": "2026-03-14",
          "end": "2026-03-14",
          "provisional": false,
          "total": 37.966587316331,
          "change": null,
          "change_pct": null,
          "credits": 0.0,
          "groups": [
            {
              "group": {
                "service": "AmazonS3"
              },
              "cost": 37.966587316331,
              "change": null,
              "change_pct": null
            }
          ]
        },
        {
          "start": "2026-03-15",
          "end": "2026-03-15",
          "provisional": true,
          "total": 15.696581451912,
          "change": -22.270005864419,
          "change_pct": -58.65685445697078,
          "credits": 0.0,
          "groups": [
            {
              "group": {
                "service": "AmazonS3"
              },
              "cost": 15.696581451912,
              "change": -22.270005864419,
              "change_pct": -58.65685445697078
            }
          ]
        }
      ],
      "groups": [
        {
          "group": {
            "service": "AmazonS3"
          },
          "account_name": null,
          "other": false,
          "cost": 53.663168768243,
          "share_pct": 100.0,
          "average": 26.8315843841215,
          "minimum": 15.696581451912,
          "maximum": 37.966587316331,
          "costs": [
            37.966587316331,
            15.696581451912
          ]
        }
      ],
      "excluded_charges": [],
      "hidden_by_credits": null
    }
    "#);
}

#[test]
fn rows_add_up_to_the_total_whatever_the_grouping() {
    let sandbox = sample();
    let expected = total(&sandbox.json(&["trends", "--days", "60", "--quiet"]));
    let direct = sandbox.number(
        "SELECT sum(net_amortized_cost) FROM cost_line_items WHERE charge_category IN ('Usage', 'Purchase', 'Adjustment')",
    );
    assert!((expected - direct).abs() < 0.005, "{expected} {direct}");
    let groupings = [
        "account",
        "region",
        "service+account",
        "service+region",
        "account+region",
        "usage-type",
        "operation",
        "resource",
        "charge-category",
        "line-item-type",
        "purchase-option",
        "tag:team",
        "cost-category:cost_center",
        "provider",
        "payer",
        "billing-entity",
        "currency",
        "tag:team+usage-type",
    ];
    for group_by in groupings {
        for granularity in ["daily", "weekly", "monthly"] {
            let answer = sandbox.json(&[
                "trends",
                "--days",
                "60",
                "--group-by",
                group_by,
                "--granularity",
                granularity,
                "--top",
                "3",
                "--quiet",
            ]);
            assert!((total(&answer) - expected).abs() < 0.005, "{group_by} {granularity}: {}", total(&answer));
            for period in answer["periods"].as_array().expect("periods") {
                let groups = period["groups"].as_array().expect("groups");
                let sum: f64 = groups.iter().map(|group| group["cost"].as_f64().expect("a cost")).sum();
                assert!((sum - period["total"].as_f64().expect("a total")).abs() < 0.005, "{group_by} {granularity}");
            }
        }
    }
}

#[test]
fn filters_split_the_total() {
    let sandbox = sample();
    let all = total(&sandbox.json(&["trends", "--days", "60", "--quiet"]));
    for filter in ["service", "tag:team", "usage-type"] {
        let value = match filter {
            "service" => "AmazonRDS",
            "tag:team" => "data",
            _ => "BoxUsage:m5.large",
        };
        let only =
            total(&sandbox.json(&["trends", "--days", "60", "--quiet", "--filter", &format!("{filter}={value}")]));
        let without =
            total(&sandbox.json(&["trends", "--days", "60", "--quiet", "--filter", &format!("{filter}!={value}")]));
        assert!(only > 1.0 && (only + without - all).abs() < 0.005, "{filter}: {only} + {without} = {all}");
    }
    let two = total(&sandbox.json(&[
        "trends",
        "--days",
        "60",
        "--filter",
        "service=AmazonRDS",
        "--filter",
        "service=AmazonS3",
    ]));
    let one = total(&sandbox.json(&["trends", "--days", "60", "--filter", "service=AmazonRDS"]));
    assert!(two > one, "values of one dimension are alternatives");
}

#[test]
fn credits_and_taxes_count_when_asked_for() {
    let sandbox = sample();
    let without = sandbox.json(&["trends", "--days", "60", "--quiet"]);
    let with = sandbox.json(&["trends", "--days", "60", "--include", "credits,tax", "--quiet"]);
    let apart: f64 = without["excluded_charges"]
        .as_array()
        .expect("apart")
        .iter()
        .map(|line| line["cost"].as_f64().expect("a cost"))
        .sum();
    assert!(apart < -10.0);
    assert!((total(&without) + apart - total(&with)).abs() < 0.005);
    assert_eq!(with["excluded_charges"].as_array().map(Vec::len), Some(0));
}

#[test]
fn metrics_differ_where_they_should() {
    let sandbox = sample();
    let cost = |metric: &str| total(&sandbox.json(&["trends", "--days", "60", "--metric", metric, "--quiet"]));
    assert!((cost("amortized") - cost("net-amortized")).abs() < 0.005, "no discounts");
    assert!((cost("unblended") - cost("blended")).abs() < 0.005);
    assert!(cost("list") > cost("amortized"));
    let plain = Sandbox::new();
    plain.write("a.csv", "date,cost\n2026-03-01,1\n");
    plain.ok(&["ingest", "a.csv", "--quiet"]);
    insta::assert_snapshot!(plain.run(&["trends", "--metric", "list", "--quiet"]), @"
    --- stderr
    error: this data does not have the list cost
    hint: choose another with `--metric`; `ingest` says which columns a bill lacks
    --- exit code 1
    ");
}

#[test]
fn credits_that_hide_the_bill_are_said() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "date,cost,charge_category\n2026-03-01,100,Usage\n2026-03-01,-100,Credit\n2026-03-02,100,Usage\n2026-03-02,-100,Credit\n");
    sandbox.ok(&["ingest", "a.csv", "--quiet"]);
    insta::assert_snapshot!(sandbox.run(&["trends", "--as-of", "2026-03-02"]), @"
    Net amortized cost by service, 2026-03-01 to 2026-03-02, from csv

    service  2026-03-01  2026-03-02    total    share  per day  change 2026-03-02      %  trend
    csv         $100.00     $100.00  $200.00  100.0 %  $100.00              $0.00  0.0 %  ██
    total       $100.00     $100.00  $200.00  100.0 %  $100.00              $0.00  0.0 %  ██

    day           total  change      %   credits
    2026-03-01  $100.00       -      -  -$100.00  provisional
    2026-03-02  $100.00   $0.00  0.0 %  -$100.00  provisional
    provisional: days after 2026-02-28 may still change
    not in the total: Credit -$200.00 (`--include`)
    credits and refunds take $200.00 off $200.00 of spend: $0.00 remain
    --- exit code 0
    ");
}

#[test]
fn sources_are_never_added() {
    let sandbox = sample();
    let one = total(&sandbox.json(&["trends", "--days", "60", "--quiet"]));
    sandbox.sample("again", &["--format", "focus"]);
    sandbox.ok(&["ingest", "again", "--quiet"]);
    let run = sandbox.ok(&["trends", "--days", "60", "--format", "json"]);
    let answer: Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert!((total(&answer) - one).abs() < 0.005);
    assert_eq!(answer["sources"][0], "cur2");
    assert!(run.stderr.contains("from cur2; also in the database: focus (`--source`)"), "{run}");
    let focus = sandbox.json(&["trends", "--days", "60", "--source", "focus", "--quiet"]);
    assert_eq!(focus["sources"][0], "focus");
    assert!((total(&focus) - one).abs() < 0.005, "the same money");
}

#[test]
fn no_color_unless_asked() {
    let sandbox = sample();
    assert!(!sandbox.ok(&["anomalies", "--from", "2026-02-20"]).stdout.contains('\u{1b}'));
    assert!(sandbox.ok(&["--color", "always", "anomalies", "--from", "2026-02-20"]).stdout.contains('\u{1b}'));
}
