//! What AWS says now: Cost Explorer and CloudWatch by fakes that check each request.

use std::{
    net::TcpListener,
    sync::{Arc, Mutex},
    thread,
};

use ciborium::Value as Cbor;
use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::{
    agent::{configure, query, say, then},
    fake_aws::{FakeAws, Fault, billed},
    fake_services::{FakeServices, models::Script},
    harness::{Run, Sandbox},
    http::{self, Answer},
    mcp::sandbox,
};

fn live(aws: &FakeAws, sandbox: &Sandbox, arguments: &[&str]) -> Run {
    let mut command = sandbox.command(&[&["live"], arguments].concat());
    aws.environment(&mut command);
    sandbox.finish(command)
}

#[test]
fn cost_explorer_is_asked_past_the_database() {
    let (sandbox, aws) = (sandbox(), FakeAws::start());
    aws.estimated_from("2026-03-03");
    let days = ["costs", "--from", "2026-03-01", "--to", "2026-03-03"];
    let run = live(&aws, &sandbox, &[&days[..], &["--by", "account"]].concat());
    assert_snapshot!(run);
    let run = live(&aws, &sandbox, &[&days[..], &["--monthly", "--metric", "unblended", "--format", "json"]].concat());
    let answer: Value = serde_json::from_str(&run.stdout).expect("JSON");
    let total = billed("2026-03-01", "2026-03-03", |_, _, _| true);
    assert!((answer["total"].as_f64().expect("a total") - total).abs() < 1e-6, "{answer:#}");
    assert_eq!(
        (&answer["costs"][0]["end"], &answer["metric"], &answer["cost_usd"]),
        (&json!("2026-03-03"), &json!("unblended"), &json!(0.01))
    );
    // Pages are requests, and each is paid.
    aws.page_size(4);
    let run = live(&aws, &sandbox, &[&days[..], &["--format", "csv"]].concat());
    let sum: f64 = run
        .stdout
        .lines()
        .skip(1)
        .map(|line| line.split(',').nth(3).and_then(|cost| cost.parse::<f64>().ok()).expect("a cost"))
        .sum();
    assert!((sum - total).abs() < 1e-6, "{run}");
    assert_eq!(sandbox.number("SELECT sum(requests) FROM api_calls") as usize, aws.count("GetCostAndUsage"));
    aws.fault("GetCostAndUsage", Fault::Error(400, "AccessDeniedException", "no"));
    let run = live(&aws, &sandbox, &days);
    assert!(run.code == 3 && run.stderr.contains("ce:GetCostAndUsage"), "{run}");
    let run = live(&aws, &sandbox, &["costs", "--from", "2026-03-04", "--to", "2026-03-01"]);
    assert_eq!(run.code, 2, "{run}");
    let run = live(&aws, &sandbox, &["costs", "--metric", "list"]);
    assert!(run.code == 2 && run.stderr.contains("Cost Explorer has no list prices"), "{run}");
    drop(aws);
}

#[test]
fn an_agent_spends_only_what_it_may() {
    let (sandbox, aws, services) = (sandbox(), FakeAws::start(), FakeServices::start());
    configure(&sandbox, &services, "");
    let asks = || Script::call("get_live_costs", &json!({"from": "2026-03-01", "to": "2026-03-02", "by": "account"}));
    let run = |arguments: &[&str]| {
        let mut command = query(&sandbox, &services, arguments);
        aws.environment(&mut command);
        let run: Run = sandbox.finish(command);
        services.assert_clean();
        assert_eq!((run.code, services.turns_left()), (0, 0), "{run}");
        run
    };
    services.script(vec![
        say(asks()),
        then(|seen| {
            assert!(
                seen.results()[0].contains(
                    "does not allow `aws-cost-anomalies live costs --from 2026-03-01 --to 2026-03-02 --by account`"
                ),
                "{:?}",
                seen.results()
            );
            assert!(seen.results()[0].contains("`--max-spend 0.01`"));
            Script::text("I may not.")
        }),
    ]);
    run(&["what does AWS say?", "--yes"]);
    assert_eq!(aws.count("GetCostAndUsage"), 0);
    services.script(vec![
        say(asks()),
        then(|seen| {
            assert!(seen.results()[0].contains("source: cost-explorer, live"), "{:?}", seen.results());
            // The second request would be a cent too much.
            Script::call("get_live_costs", &json!({"from": "2026-03-01", "to": "2026-03-01"}))
        }),
        then(|seen| {
            assert!(seen.results()[0].contains("does not allow"), "{:?}", seen.results());
            Script::text("That is all.")
        }),
    ]);
    let said = run(&["what does AWS say?", "--max-spend", "0.01"]);
    assert!(said.stdout.contains("cost-explorer, live"), "{said}");
    assert_eq!(aws.count("GetCostAndUsage"), 1);
    // What is free of charge is asked for, too, and `--yes` is an answer.
    services.script(vec![
        say(Script::call("list_aws_budgets", &json!({})).and_call("list_organization_accounts", &json!({}))),
        then(|seen| {
            let [budgets, accounts] = seen.results()[..] else { panic!("{:?}", seen.results()) };
            assert!(budgets.contains("budgets") && accounts.contains("acme"), "{budgets} {accounts}");
            Script::text("They are there.")
        }),
    ]);
    run(&["which budgets are there?", "--yes"]);
    assert_eq!(aws.count("ListAccounts"), 2);
}

/// CloudWatch with billing metrics, in the protocol that its SDK speaks: <https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html>.
/// moto does not speak it. What is asked is checked.
fn cloudwatch() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let (url, wrong) =
        (format!("http://{}", listener.local_addr().expect("an address")), Arc::new(Mutex::new(Vec::new())));
    let said = Arc::clone(&wrong);
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let Some(request) = http::read(&stream) else { continue };
            let asked: Cbor = ciborium::from_reader(&request.body[..]).expect("CBOR");
            let header = |name: &str| request.headers.get(name).map_or("", String::as_str);
            let check = |is_fine: bool, what: &str| {
                if !is_fine {
                    said.lock().expect("no panic").push(format!("{what}: {} {asked:?}", request.path));
                }
            };
            check(header("smithy-protocol") == "rpc-v2-cbor", "protocol");
            check(header("authorization").contains("/us-east-1/monitoring/aws4_request"), "signature");
            let operation = request.path.rsplit('/').next().unwrap_or_default();
            let answer = match operation {
                "ListMetrics" => {
                    check(
                        text(&asked, "Namespace") == Some("AWS/Billing")
                            && text(&asked, "MetricName") == Some("EstimatedCharges"),
                        "metric",
                    );
                    // Two pages.
                    match text(&asked, "NextToken") {
                        None => map(vec![
                            ("Metrics", Cbor::Array(vec![metric(None)])),
                            ("NextToken", Cbor::Text("more".into())),
                        ]),
                        Some(_) => map(vec![("Metrics", Cbor::Array(vec![metric(Some("AmazonEC2"))]))]),
                    }
                }
                "GetMetricData" => {
                    let queries =
                        field(&asked, "MetricDataQueries").and_then(Cbor::as_array).cloned().unwrap_or_default();
                    let is_daily = |query: &Cbor| {
                        let stat = field(query, "MetricStat").expect("a statistic");
                        text(stat, "Stat") == Some("Maximum")
                            && field(stat, "Period") == Some(&Cbor::Integer(86_400.into()))
                    };
                    check(queries.len() == 2 && queries.iter().all(is_daily), "queries");
                    let result = |query: &Cbor| {
                        let id = text(query, "Id").expect("an id");
                        let values = if id == "m0" { [120.25, 240.75] } else { [90.0, 180.5] };
                        // 2026-03-01 and the day after it.
                        let times = [1_772_323_200_i64, 1_772_409_600]
                            .map(|time| Cbor::Tag(1, Box::new(Cbor::Integer(time.into()))));
                        map(vec![
                            ("Id", Cbor::Text(id.into())),
                            ("Timestamps", Cbor::Array(times.to_vec())),
                            ("Values", Cbor::Array(values.map(Cbor::Float).to_vec())),
                            ("StatusCode", Cbor::Text("Complete".into())),
                        ])
                    };
                    map(vec![("MetricDataResults", Cbor::Array(queries.iter().map(result).collect()))])
                }
                _ => map(Vec::new()),
            };
            let mut body = Vec::new();
            ciborium::into_writer(&answer, &mut body).expect("CBOR");
            let headers = vec![
                ("content-type".to_owned(), "application/cbor".to_owned()),
                ("smithy-protocol".to_owned(), "rpc-v2-cbor".to_owned()),
            ];
            http::write(&mut stream, &Answer { status: 200, headers, body: body.clone() }, &body);
        }
    });
    (url, wrong)
}

fn map(fields: Vec<(&str, Cbor)>) -> Cbor {
    Cbor::Map(fields.into_iter().map(|(name, value)| (Cbor::Text(name.into()), value)).collect())
}

fn field<'a>(value: &'a Cbor, name: &str) -> Option<&'a Cbor> {
    value.as_map()?.iter().find(|(key, _)| key.as_text() == Some(name)).map(|(_, value)| value)
}

fn text<'a>(value: &'a Cbor, name: &str) -> Option<&'a str> {
    field(value, name)?.as_text()
}

fn metric(service: Option<&str>) -> Cbor {
    let dimension =
        |name: &str, value: &str| map(vec![("Name", Cbor::Text(name.into())), ("Value", Cbor::Text(value.into()))]);
    let dimensions = [Some(dimension("Currency", "USD")), service.map(|service| dimension("ServiceName", service))];
    map(vec![
        ("Namespace", Cbor::Text("AWS/Billing".into())),
        ("MetricName", Cbor::Text("EstimatedCharges".into())),
        ("Dimensions", Cbor::Array(dimensions.into_iter().flatten().collect())),
    ])
}

#[test]
fn cloudwatch_says_what_the_month_is_estimated_to() {
    let (sandbox, (url, wrong)) = (Sandbox::new(), cloudwatch());
    let ask = |arguments: &[&str]| {
        let mut command =
            sandbox.command(&[&["live", "charges", "--from", "2026-03-01", "--to", "2026-03-02"], arguments].concat());
        command.env("AWS_ENDPOINT_URL", &url).env("AWS_REGION", "eu-central-1");
        command.env("AWS_ACCESS_KEY_ID", "AKIATEST").env("AWS_SECRET_ACCESS_KEY", "x");
        sandbox.finish(command)
    };
    assert_snapshot!(ask(&[]));
    let json: Value = serde_json::from_str(&ask(&["--format", "json"]).stdout).expect("JSON");
    assert_eq!(
        json["estimates"][1],
        json!({"date": "2026-03-02", "service": null, "account_id": null, "month_to_date": 240.75})
    );
    assert_eq!(*wrong.lock().expect("no panic"), Vec::<String>::new());
}
