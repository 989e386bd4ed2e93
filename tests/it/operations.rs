//! Every door answers the same: the command line and the list of operations are compared, and each answer with its own schema.

use aws_cost_anomalies::{
    Session,
    operations::{Effect, Entry, OPERATIONS, find},
};
use serde_json::{Value, json};

use crate::harness::Sandbox;

const TODAY: &str = "2026-03-18";

/// An operation, its command line without `--format json`, and the same as JSON.
fn doors() -> Vec<(&'static str, Vec<&'static str>, Value)> {
    vec![
        ("trends", vec!["trends", "--days", "5", "--top", "2"], json!({"days": 5, "top": 2})),
        (
            "trends",
            vec![
                "trends",
                "--from",
                "2026-03-01",
                "--granularity",
                "weekly",
                "--group-by",
                "account+region",
                "--metric",
                "unblended",
                "--filter",
                "service!=AmazonEC2",
                "--include",
                "credits,tax",
            ],
            json!({"from": "2026-03-01", "granularity": "weekly", "group_by": ["account", "region"], "metric": "unblended", "filter": ["service!=AmazonEC2"], "include": ["Credit", "Tax"]}),
        ),
        (
            "anomalies",
            vec!["anomalies", "--no-save", "--sensitivity", "high"],
            json!({"no_save": true, "sensitivity": "high"}),
        ),
        (
            "anomalies",
            vec![
                "anomalies",
                "--no-save",
                "--group-by",
                "service",
                "--from",
                "2026-03-01",
                "--method",
                "rolling-zscore",
            ],
            json!({"no_save": true, "group_by": ["service"], "from": "2026-03-01", "method": "rolling-zscore"}),
        ),
        ("scores", vec!["anomalies", "--scores", "--from", "2026-03-10"], json!({"from": "2026-03-10"})),
        ("incidents", vec!["incidents", "--status", "all"], json!({"status": ["all"]})),
        ("explain", vec!["explain", "--service", "AmazonRDS", "--top", "2"], json!({"service": "AmazonRDS", "top": 2})),
        (
            "compare",
            vec!["compare", "--to", "2026-03-08..2026-03-14"],
            json!({"to": {"start": "2026-03-08", "end": "2026-03-14"}}),
        ),
        ("compare", vec!["compare", "--month", "2026-03"], json!({"month": "2026-03"})),
        ("drilldown", vec!["drilldown", "--top", "3"], json!({"top": 3})),
        (
            "forecast",
            vec!["forecast", "--no-save", "--group-by", "account", "--top", "2"],
            json!({"no_save": true, "group_by": ["account"], "top": 2}),
        ),
        ("forecast", vec!["forecast", "--no-save", "--days", "10"], json!({"no_save": true, "days": 10})),
        ("forecast_backtest", vec!["forecast", "--backtest"], json!({})),
        ("report", vec!["report"], json!({})),
        ("backtest", vec!["backtest", "--days", "7", "--events", "2"], json!({"days": 7, "events": 2})),
        (
            "reconcile",
            vec!["reconcile", "--month", "2026-02", "--invoice", "100"],
            json!({"month": "2026-02", "invoice": 100.0}),
        ),
        ("accounts", vec!["accounts"], json!({})),
        ("values", vec!["values", "service", "--like", "amazon"], json!({"dimension": "service", "like": "amazon"})),
        (
            "sql",
            vec!["sql", "SELECT count(*) AS n FROM cost_line_items"],
            json!({"query": "SELECT count(*) AS n FROM cost_line_items"}),
        ),
        ("status", vec!["status"], json!({})),
        ("doctor", vec!["doctor", "--offline"], json!({"offline": true})),
        ("notify_plan", vec!["notify", "--dry-run"], json!({})),
        ("notify_status", vec!["notify", "status"], json!({})),
        ("run", vec!["run", "--no-ingest"], json!({"no_ingest": true})),
        ("notify", vec!["notify"], json!({})),
        ("ingest", vec!["ingest"], json!({})),
    ]
}

/// Operations that are not asked above, and where they are.
const ELSEWHERE: [(&str, &str); 10] = [
    ("live_costs", "needs AWS, in `live`"),
    ("live_charges", "needs AWS, in `live`"),
    ("query", "needs a model, in `agent`"),
    ("budgets", "needs a configuration, in `budgets`"),
    ("budgets_import", "needs AWS, in `budgets`"),
    ("incident", "below"),
    ("triage", "below"),
    ("discover", "needs AWS"),
    ("notify_test", "its channels, in `channels`"),
    ("notify_drop", "messages that wait, in `run`"),
];

fn session(sandbox: &Sandbox) -> Session {
    let path = sandbox.path("data/costs.duckdb");
    Session::on_database(path, TODAY.parse().expect("a day")).expect("a session")
}

fn takes_as_of(entry: &Entry) -> bool {
    (entry.input)().get("properties").is_some_and(|properties| properties.get("as_of").is_some())
}

fn check_schema(entry: &Entry, answer: &Value) {
    let schema = (entry.output)().to_value();
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let wrong: Vec<String> =
        validator.iter_errors(answer).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(wrong.is_empty(), "{}: {}", entry.name, wrong.join("\n"));
}

#[test]
fn the_command_line_and_the_list_answer_the_same_and_by_their_schemas() {
    let mut asked = Vec::new();
    for (name, mut line, mut input) in doors() {
        let entry = find(name).expect(name);
        if takes_as_of(entry) {
            line.extend(["--as-of", TODAY]);
            input["as_of"] = TODAY.into();
        }
        line.extend(["--quiet", "--format", "json"]);
        // What writes begins twice with the same.
        let (shell, library) = (Sandbox::with_sample(), Sandbox::with_sample());
        let (path, bill) = (shell.path("data/costs.duckdb"), shell.path("bill.csv"));
        line.extend(["--db", path.to_str().expect("UTF-8")]);
        if name == "ingest" {
            for sandbox in [&shell, &library] {
                sandbox.write("bill.csv", "date,service,cost\n2026-03-01,Logs,10\n2026-03-02,Logs,12.5\n");
            }
            line.push(bill.to_str().expect("UTF-8"));
            input["paths"] = json!([library.path("bill.csv")]);
        }
        let printed = shell.ok(&line).stdout;
        let database = if entry.effect == Effect::Read { &shell } else { &library };
        let answer = entry.call(&session(database), input).unwrap_or_else(|error| panic!("{name}: {error}"));
        check_schema(entry, &answer);
        assert_eq!(answer["operation"], name);
        let own = database.path("").to_string_lossy().trim_end_matches('/').to_owned();
        let text = (serde_json::to_string_pretty(&answer).expect("JSON") + "\n").replace(&own, "[DIR]");
        assert_eq!(printed, text, "{name}");
        asked.push(name);
    }
    for entry in OPERATIONS {
        let is_known = asked.contains(&entry.name) || ELSEWHERE.iter().any(|(name, _)| *name == entry.name);
        assert!(is_known, "`{}` is not compared", entry.name);
    }
}

#[test]
fn incidents_are_shown_and_triaged_the_same_way() {
    let sandbox = Sandbox::with_sample();
    let session = session(&sandbox);
    let call = |name: &str, input: Value| {
        let entry = find(name).expect(name);
        entry.call(&session, input).inspect(|answer| check_schema(entry, answer))
    };
    let found = call("anomalies", json!({"as_of": TODAY, "from": "2026-03-01"})).expect("findings");
    let id = found["findings"][0]["id"].as_str().expect("a finding").to_owned();
    let shown = call("incident", json!({"id": id})).expect("an incident");
    assert_eq!(shown["id"], id.as_str());
    assert!(!shown["history"].as_array().expect("a history").is_empty());
    let open = call("incidents", json!({})).expect("incidents");
    let open = open["incidents"][0]["id"].as_str().expect("an open incident").to_owned();
    let marked =
        call("triage", json!({"ids": [open], "triage": "ack", "by": "jo", "reason": "on it"})).expect("a mark");
    assert_eq!(marked["incidents"][0]["triage"]["triaged_by"], "jo");
    let printed = sandbox.json(&["incidents", &open, "--quiet"]);
    assert_eq!(printed, call("incident", json!({"id": open})).expect("an incident"));
    let error = call("triage", json!({"ids": [open], "triage": "snooze"})).expect_err("no day").to_string();
    assert!(error.contains("a snooze needs a day"), "{error}");
}

#[test]
fn wrong_parameters_are_named_with_what_is_allowed() {
    let sandbox = Sandbox::with_sample();
    let session = session(&sandbox);
    let refused = |name: &str, input: Value| find(name).expect(name).call(&session, input).expect_err(name).to_string();
    insta::assert_snapshot!(refused("trends", json!({"day": 5})), @"
    `trends` has no parameter `day`
    hint: did you mean `days`? there are: days, from, to, granularity, group_by, top, metric, source, filter, include, as_of
    ");
    insta::assert_snapshot!(refused("trends", json!({"days": "many"})), @r#"
    `days` cannot be "many"
      caused by: invalid type: string "many", expected u32
    hint: it is of type integer: Days up to the newest
    "#);
    insta::assert_snapshot!(refused("trends", json!({"days": 0})), @"`--days` must be from 1 to 3660");
    insta::assert_snapshot!(refused("trends", json!({"metric": "net"})), @r#"
    `metric` cannot be "net"
      caused by: unknown variant `net`, expected one of `unblended`, `blended`, `amortized`, `net_unblended`, `net_amortized`, `list`
    hint: it is: Cost to look at
    "#);
    insta::assert_snapshot!(refused("trends", json!({"group_by": ["servce"]})), @r#"
    `group_by` cannot be ["servce"]
      caused by: there is no dimension `servce` (did you mean `service`? There are: service, account, region, usage-type, operation, resource, charge-category, line-item-type, purchase-option, provider, payer, billing-entity, currency, tag:KEY, cost-category:KEY)
    hint: it is: Dimensions joined by +: service, account, region, usage-type, operation, resource,
      charge-category, line-item-type, purchase-option, provider, payer, billing-entity, currency,
      tag:KEY, cost-category:KEY
    "#);
    insta::assert_snapshot!(refused("trends", json!({"from": "0001-01-01"})), @r#"
    `from` cannot be "0001-01-01"
      caused by: `0001-01-01` is not a day (write days as YYYY-MM-DD, from 2000-01-01 to 2199-12-31)
    hint: it is: First day, as YYYY-MM-DD
    "#);
    insta::assert_snapshot!(refused("anomalies", json!({"threshold": 0})), @"`--threshold` must be above 0");
    insta::assert_snapshot!(refused("incident", json!({})), @"
    the input of `incident` is not complete
      caused by: missing field `id`
    ");
    insta::assert_snapshot!(refused("sql", json!([])), @"the input of `sql` is a JSON object");
    let error = find("trend").err().expect("no such operation").to_string();
    insta::assert_snapshot!(error, @"
    there is no operation `trend`
    hint: did you mean `trends`?
    ");
}

/// The fields are the parameters: each property of a schema is a flag of the same name, with the same words, and the
/// other way round.
#[test]
fn every_parameter_is_a_flag_with_the_same_words() {
    for entry in OPERATIONS {
        let schema = (entry.input)();
        let properties = schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
        let flags = (entry.flags)();
        let shown: Vec<_> = flags.get_arguments().filter(|flag| !flag.is_hide_set()).collect();
        for flag in &shown {
            let name = flag.get_id().as_str();
            let property = properties.get(name).unwrap_or_else(|| panic!("`{}` has no parameter `{name}`", entry.name));
            let help = flag.get_help().map(ToString::to_string).unwrap_or_default();
            let described = property.get("description").and_then(Value::as_str).unwrap_or_default();
            let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(one_line(described).starts_with(&one_line(&help)), "{} {name}: {described} | {help}", entry.name);
            assert!(!help.is_empty(), "{} {name} has no help", entry.name);
        }
        assert_eq!(properties.len(), shown.len(), "{}: {:?}", entry.name, properties.keys());
        assert!(!entry.description().is_empty() && !entry.title.is_empty());
        jsonschema::meta::validate(&schema.to_value()).unwrap_or_else(|error| panic!("{}: {error}", entry.name));
    }
}

/// Readers and writers of several processes wait for each other: nothing is refused, nothing is lost.
#[test]
fn processes_take_turns() {
    const EACH: usize = 12;
    let sandbox = Sandbox::with_sample();
    let found = sandbox.json(&["anomalies", "--as-of", TODAY, "--from", "2026-03-01", "--quiet"]);
    let open = found["findings"].as_array().expect("findings").iter().find(|finding| finding["end_date"].is_null());
    let id = open.expect("an open one")["id"].as_str().expect("an id").to_owned();
    std::thread::scope(|scope| {
        for number in 0..EACH {
            let (sandbox, id) = (&sandbox, &id);
            scope
                .spawn(move || sandbox.ok(&["incidents", "ack", id, "--reason", &format!("note {number}"), "--quiet"]));
            scope.spawn(move || assert_eq!(sandbox.json(&["incidents", id, "--quiet"])["id"], id.as_str()));
        }
    });
    assert_eq!(sandbox.number("SELECT count(DISTINCT reason) FROM triage"), EACH as f64);
}

#[test]
fn a_database_of_an_unreleased_version_is_refused() {
    let sandbox = Sandbox::new();
    let path = sandbox.path("old.duckdb");
    let old = duckdb::Connection::open(&path).expect("a database");
    let tables = "CREATE TABLE schema_version (version INTEGER, applied_at TIMESTAMP, program VARCHAR); \
                  INSERT INTO schema_version VALUES (5, now()::TIMESTAMP, 'aws-cost-anomalies 0.1.0'); \
                  CREATE TABLE anomalies (id VARCHAR)";
    old.execute_batch(tables).expect("old tables");
    drop(old);
    sandbox.write("a.csv", "date,cost\n2026-03-01,10\n");
    let before = std::fs::read(&path).expect("the file");
    for line in [vec!["--db", "old.duckdb", "trends"], vec!["--db", "old.duckdb", "ingest", "a.csv"]] {
        insta::allow_duplicates! {
            insta::assert_snapshot!(sandbox.run(&line), @"
            --- stderr
            error: the database `old.duckdb` was written by an unreleased version of this program
            hint: ingest the bills again into a new file: `--db FILE`, or move this one away
            --- exit code 1
            ");
        }
    }
    assert!(std::fs::read(&path).expect("the file") == before);
}
