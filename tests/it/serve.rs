//! The server's REST beside the command line: bodies, parts of lists, problems, its own description, records, answers while
//! somebody writes.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use reqwest::blocking::{Client, Response};
use serde_json::{Value, json};

use crate::{
    harness::Sandbox,
    mcp::{TODAY, sandbox},
};

/// A server that ends with the test.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
    client: Client,
}

impl Server {
    pub(crate) fn start(sandbox: &Sandbox, environment: &[(&str, &str)]) -> Self {
        Self::as_of(sandbox, TODAY, environment)
    }

    pub(crate) fn as_of(sandbox: &Sandbox, today: &str, environment: &[(&str, &str)]) -> Self {
        // A shell waits beside it for the end of its input, which comes with the end of the tests, however they end.
        let script = "\"$0\" \"$@\" & read nothing; kill $!";
        let binary = env!("CARGO_BIN_EXE_aws-cost-anomalies");
        let line = ["-c", script, binary, "serve", "--listen", "127.0.0.1:0", "--as-of", today];
        let mut command = sandbox.command_of(Path::new("/bin/sh"), &line);
        command.env("PATH", "/usr/bin:/bin").envs(environment.iter().copied());
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut line = String::new();
        BufReader::new(child.stderr.take().expect("a pipe")).read_line(&mut line).expect("a line");
        let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next());
        let client = Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
        Self { address: address.unwrap_or_else(|| panic!("{line}")).to_owned(), child, client }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn get(&self, path: &str) -> Response {
        self.with("GET", path, &[], None)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Response {
        self.with("POST", path, &[("content-type", "application/json")], Some(body.to_string()))
    }

    /// A form as a browser sends it.
    pub(crate) fn form(&self, path: &str, fields: &[(&str, &str)]) -> Response {
        let body = fields.iter().map(|(name, value)| format!("{name}={}", value.replace(' ', "+"))).collect::<Vec<_>>();
        let media = [("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", "same-origin")];
        self.with("POST", path, &media, Some(body.join("&")))
    }

    pub(crate) fn with(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<String>) -> Response {
        let method = method.parse().expect("a method");
        let mut request = self.client.request(method, self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        body.into_iter().fold(request, |request, body| request.body(body)).send().expect("an answer")
    }

    /// What an address gives, which must be there.
    pub(crate) fn text(&self, path: &str) -> String {
        let answer = self.get(path);
        let status = answer.status();
        let text = answer.text().expect("text");
        assert!(status.is_success(), "{path}: {status} {text}");
        text
    }

    pub(crate) fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.text(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
    }

    pub(crate) fn page(&self, path: &str) -> (u16, String) {
        let answer = self.with("GET", path, &[("accept", "text/html")], None);
        (answer.status().as_u16(), answer.text().expect("text"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// One server for the tests that only read.
pub(crate) fn reading() -> &'static (Sandbox, Server) {
    static SERVER: OnceLock<(Sandbox, Server)> = OnceLock::new();
    SERVER.get_or_init(|| {
        let sandbox = Sandbox::kept();
        sandbox.sample("bills", &[]);
        sandbox.ok(&["ingest", "bills", "--quiet"]);
        sandbox.ok(&["anomalies", "--from", "2026-02-20", "--as-of", TODAY, "--quiet"]);
        sandbox.write("config.yaml", "budgets:\n  - { name: all, amount: 20000 }\n");
        let server = Server::start(&sandbox, &[]);
        (sandbox, server)
    })
}

#[test]
fn bodies_are_what_the_command_line_prints() {
    let (sandbox, server) = reading();
    let id = sandbox.json(&["incidents", "--status", "all"])["incidents"][0]["id"].as_str().expect("an id").to_owned();
    let (one, why) = (format!("incidents/{id}"), format!("incidents/{id}/explanation"));
    let today = ["--as-of", TODAY];
    let questions: Vec<(&str, Vec<&str>, bool)> = vec![
        ("overview?group_by=account", vec!["report", "--group-by", "account"], true),
        (
            "trends?days=5&group_by=account%2Bregion&filter=service!=AmazonEC2",
            vec!["trends", "--days", "5", "--group-by", "account+region", "--filter", "service!=AmazonEC2"],
            true,
        ),
        ("compare?month=2026-03", vec!["compare", "--month", "2026-03"], true),
        ("drilldown?top=3", vec!["drilldown", "--top", "3"], true),
        ("forecast?group-by=account", vec!["forecast", "--no-save", "--group-by", "account"], true),
        ("budgets", vec!["budgets"], true),
        ("incidents?status=all", vec!["incidents", "--status", "all"], false),
        (&one, vec!["incidents", &id], false),
        (&why, vec!["explain", &id], true),
        ("explain?service=AmazonRDS", vec!["explain", "--service", "AmazonRDS"], true),
        ("findings?from=2026-03-01", vec!["anomalies", "--no-save", "--from", "2026-03-01"], true),
        ("scores?from=2026-03-10", vec!["anomalies", "--scores", "--from", "2026-03-10"], true),
        ("values?dimension=service", vec!["values", "service"], true),
        ("accounts", vec!["accounts"], false),
        ("reconcile?month=2026-02&invoice=100", vec!["reconcile", "--month", "2026-02", "--invoice", "100"], true),
        ("status", vec!["status"], true),
    ];
    for (path, mut line, takes_today) in questions {
        if takes_today {
            line.extend(today);
        }
        line.extend(["--quiet", "--format", "json"]);
        assert_eq!(server.text(&format!("/api/v1/{path}")), sandbox.ok(&line).stdout, "{path}");
    }
    // The other formats, too.
    for (format, media) in [("csv", "text/csv; charset=utf-8"), ("markdown", "text/markdown; charset=utf-8")] {
        let answer = server.get(&format!("/api/v1/trends?days=5&format={format}"));
        assert_eq!(answer.headers()["content-type"], media);
        let printed = sandbox.ok(&["trends", "--days", "5", "--as-of", TODAY, "--quiet", "--format", format]).stdout;
        assert_eq!(answer.text().expect("text"), printed);
    }
}

#[test]
fn lists_come_in_parts_and_answers_are_known_again() {
    let (_, server) = reading();
    let whole = server.json("/api/v1/values?dimension=usage-type&top=1000");
    let mut gathered = Vec::new();
    let mut next = "/api/v1/values?dimension=usage-type&limit=7".to_owned();
    loop {
        let answer = server.get(&next);
        let link = answer.headers().get("link").map(|link| link.to_str().expect("text").to_owned());
        let part: Value = serde_json::from_str(&answer.text().expect("text")).expect("JSON");
        assert_eq!(part["total_count"], whole["count"]);
        gathered.extend(part["values"].as_array().expect("a list").clone());
        let Some(link) = link else { break };
        next = link.trim_start_matches('<').split('>').next().expect("an address").to_owned();
        assert!(next.contains(part["next_cursor"].as_str().expect("a cursor")), "{next}");
    }
    assert!(gathered.len() > 14);
    assert_eq!(&gathered, whole["values"].as_array().expect("a list"));
    let refused: Value = server.get("/api/v1/incidents?limit=2&cursor=MSB4").json().expect("JSON");
    assert_eq!(refused["title"], "the data has changed since the list began");

    let first = server.get("/api/v1/trends?days=4");
    let tag = first.headers()["etag"].to_str().expect("text").to_owned();
    let again = server.with("GET", "/api/v1/trends?days=4", &[("if-none-match", &tag)], None);
    assert_eq!((again.status().as_u16(), again.text().expect("text").as_str()), (304, ""));
    let other = server.with("GET", "/api/v1/trends?days=5", &[("if-none-match", &tag)], None);
    assert_eq!(other.status().as_u16(), 200);
    let page = server.with("GET", "/accounts", &[("accept", "text/html")], None);
    let tag = page.headers()["etag"].to_str().expect("text").to_owned();
    assert_eq!(server.with("GET", "/accounts", &[("if-none-match", &tag)], None).status().as_u16(), 304);
}

#[test]
fn what_is_wrong_is_a_problem_with_a_code() {
    let (_, server) = reading();
    let problem = |answer: Response| -> Value {
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        let status = answer.status().as_u16();
        let body: Value = answer.json().expect("JSON");
        assert_eq!(body["status"], status);
        json!([status, body["code"], body["title"], body["hints"]])
    };
    let list: Vec<Value> = [
        "/api/v1/trends?dayz=3",
        "/api/v1/trends?days=0",
        "/api/v1/trends?filter=servise=x",
        "/api/v1/forecast?no_save=false",
        "/api/v1/overview?format=csv",
        "/api/v1/incidents/zzzz",
        "/api/v1/nothing",
        "/api/v1/billing/summary",
        "/api/v1/runs/7",
    ]
    .iter()
    .map(|path| problem(server.get(path)))
    .collect();
    insta::assert_snapshot!(list.iter().map(|one| format!("{one}\n")).collect::<String>());
    assert_eq!(server.with("POST", "/api/v1/trends", &[], None).status().as_u16(), 405);
    let text = server.with("POST", "/api/v1/sql", &[("content-type", "text/plain")], Some("{}".into()));
    assert_eq!(problem(text)[0], 415);
    // The door of SQL is as tight as the command's.
    for statement in ["DROP TABLE incidents", "SELECT * FROM read_csv('/etc/passwd')", "SELECT 1; SELECT 2"] {
        let refused = server.post("/api/v1/sql", &json!({ "query": statement }));
        let status = refused.status();
        let text = refused.text().expect("text");
        assert!(status.is_client_error() && !text.contains("root:"), "{statement}: {status} {text}");
    }
    let long = json!({"query": "SELECT 1", "limit": 100_000});
    assert_eq!(server.post("/api/v1/sql", &long).status().as_u16(), 400);
    let answer: Value = server.post("/api/v1/sql", &json!({"query": "SELECT 6 * 7 AS n"})).json().expect("JSON");
    assert_eq!(answer["rows"], json!([{"n": 42}]));
}

#[test]
fn the_api_is_as_it_describes_itself() {
    let (sandbox, server) = reading();
    let document = server.json("/openapi.json");
    let id = sandbox.json(&["incidents", "--status", "all"])["incidents"][0]["id"].as_str().expect("an id").to_owned();
    let mut asked = 0;
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for method in methods.as_object().expect("methods").keys() {
            // Records are off, and events do not end.
            if path.contains("/billing") || path.ends_with("/events") || method == "post" {
                continue;
            }
            let query = match path.as_str() {
                "/api/v1/explain" => "?service=AmazonRDS",
                "/api/v1/values" => "?dimension=region",
                "/api/v1/reconcile" => "?month=2026-02&invoice=1",
                "/api/v1/runs/{id}" => continue,
                _ => "",
            };
            let text = server.text(&format!("{}{query}", path.replace("{id}", &id)));
            let schema = &methods[method]["responses"]["200"]["content"]["application/json"]["schema"];
            if let Some(reference) = schema["$ref"].as_str() {
                let mut whole =
                    document["components"]["schemas"][reference.rsplit('/').next().expect("a name")].clone();
                whole["components"] = document["components"].clone();
                let validator = jsonschema::validator_for(&whole).expect("a schema");
                let answer: Value = serde_json::from_str(&text).expect("JSON");
                let wrong: Vec<String> = validator.iter_errors(&answer).map(|error| error.to_string()).collect();
                assert!(wrong.is_empty(), "{path}: {wrong:?}");
                asked += 1;
            }
        }
    }
    assert!(asked >= 16, "{asked}");
    // Each parameter is one that the address takes.
    let described = document["paths"]["/api/v1/trends"]["get"]["parameters"].as_array().expect("a list");
    let names: Vec<&str> = described.iter().map(|one| one["name"].as_str().expect("a name")).collect();
    for name in
        ["days", "from", "to", "granularity", "group_by", "top", "metric", "filter", "include", "as_of", "format"]
    {
        assert!(names.contains(&name), "{name} {names:?}");
    }
    server.text("/api/v1/trends");
    let metrics = server.text("/metrics");
    for line in [
        "cost_anomalies_open_incidents{severity=\"critical\"}",
        "cost_anomalies_data_through_timestamp_seconds",
        "cost_anomalies_http_requests_total{route=\"/api/v1/trends\"",
        "# EOF",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    assert_eq!(metrics.matches("# EOF").count(), 1);
    assert_eq!(server.json("/ready"), json!({"status": "ready"}));
    assert_eq!(server.json("/health"), json!({"status": "ok", "service": "aws-cost-anomalies"}));
}

#[test]
fn a_command_is_let_in_while_many_read_and_nothing_is_torn() {
    let sandbox = sandbox();
    let server = Server::start(&sandbox, &[]);
    // Two lines that only come together.
    sandbox.write("more.csv", "date,service,cost\n2026-03-10,Left,10\n2026-03-10,Right,-10\n");
    let pair = "/api/v1/trends?from=2026-03-10&to=2026-03-10&top=100&group_by=service";
    let before = server.json(pair)["total"].as_f64().expect("a total");
    let is_done = AtomicBool::new(false);
    let (took, seen) = thread::scope(|scope| {
        let readers: Vec<_> = (0..8)
            .map(|reader| {
                let (server, is_done) = (&server, &is_done);
                scope.spawn(move || {
                    let mut seen = (0, 0, 0);
                    while !is_done.load(Ordering::Relaxed) || seen.0 == 0 {
                        // Some ask what others ask, some what nobody asked before.
                        let path = if reader % 2 == 0 {
                            pair.to_owned()
                        } else {
                            format!("{pair}&days={}", seen.0 + reader * 400 + 1).replace("from=2026-03-10&", "")
                        };
                        let answer = server.get(&path);
                        match answer.status().as_u16() {
                            200 if reader % 2 == 0 => {
                                let is_stale = answer.headers().contains_key("x-stale");
                                let body: Value = answer.json().expect("JSON");
                                let names = body["groups"].to_string();
                                assert_eq!(names.contains("Left"), names.contains("Right"), "half of it");
                                assert!((body["total"].as_f64().expect("a total") - before).abs() < 0.005);
                                seen.1 += usize::from(is_stale);
                            }
                            200 => {}
                            503 => {
                                assert!(answer.headers().contains_key("retry-after"));
                                seen.2 += 1;
                            }
                            other => panic!("{path}: {other} {}", answer.text().expect("text")),
                        }
                        seen.0 += 1;
                    }
                    seen
                })
            })
            .collect();
        thread::sleep(Duration::from_millis(500));
        let started = Instant::now();
        sandbox.ok(&["ingest", "more.csv", "--quiet"]);
        let took = started.elapsed();
        thread::sleep(Duration::from_millis(1200));
        is_done.store(true, Ordering::Relaxed);
        let seen: Vec<(usize, usize, usize)> =
            readers.into_iter().map(|reader| reader.join().expect("no panic")).collect();
        (took, seen)
    });
    // A busy machine is slower than the benchmark's; without being let in, it would be refused.
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert!(seen.iter().all(|(all, ..)| *all > 0), "{seen:?}");
    let names = server.json(pair)["groups"].to_string();
    assert!(names.contains("Left") && names.contains("Right"), "{names}");
}

#[test]
fn a_page_and_the_events_know_the_same_state() {
    let sandbox = sandbox();
    let server = Server::start(&sandbox, &[]);
    let of_page = || {
        let (_, page) = server.page("/incidents");
        page.split("data-state=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a state").to_owned()
    };
    let event = |mut lines: &mut dyn Iterator<Item = String>| {
        let name = Iterator::find_map(&mut lines, |line: String| line.strip_prefix("event: ").map(str::to_owned))
            .expect("an event");
        let data = Iterator::find_map(&mut lines, |line: String| line.strip_prefix("data: ").map(str::to_owned))
            .expect("its data");
        let data: Value = serde_json::from_str(&data).expect("JSON");
        (name, data["state"].as_str().expect("a state").to_owned())
    };
    let (before, id) = (of_page(), sandbox.json(&["incidents", "--status", "all"])["incidents"][0]["id"].clone());
    let id = id.as_str().expect("an id");
    // Nobody hears yet: what comes first is still what is, not what was.
    sandbox.ok(&["incidents", "ack", id, "--reason", "first"]);
    let mut lines = BufReader::new(server.get("/api/v1/events")).lines().map_while(Result::ok);
    let (name, first) = event(&mut lines);
    assert_eq!((name.as_str(), first.as_str()), ("state", of_page().as_str()));
    assert_ne!(first, before);
    sandbox.ok(&["incidents", "ack", id, "--undo"]);
    let (name, second) = event(&mut lines);
    assert_eq!((name.as_str(), second.as_str()), ("changed", of_page().as_str()));
    assert_ne!(second, first);
}

#[test]
fn records_are_a_bill_of_their_own() {
    let sandbox = sandbox();
    sandbox.write("config.yaml", "server: { accept_records: true }\n");
    let server = Server::start(&sandbox, &[]);
    let billing = "/api/v1/billing";
    let total =
        |server: &Server| server.json("/api/v1/trends?from=2026-03-01&to=2026-03-14&source=records")["total"].as_f64();
    let added = server.post(&format!("{billing}/"), &json!({"service": "Acme", "cost": 12.5, "timestamp": "2026-03-10T10:00:00", "region": "eu", "account_id": "1"}));
    assert_eq!(added.status().as_u16(), 201);
    let record: Value = added.json().expect("JSON");
    assert_eq!(
        (&record["id"], &record["is_anomaly"], &record["timestamp"]),
        (&json!(1), &json!(false), &json!("2026-03-10T10:00:00Z"))
    );
    assert!(record["created_at"].is_string());
    let days = (1..=9).map(|day| json!({"service": "Acme", "cost": 10 + day % 2, "timestamp": format!("2026-03-0{day}T00:00:00Z"), "region": "us"}));
    let batch = server.post(&format!("{billing}/batch"), &json!({"records": days.collect::<Vec<_>>()}));
    assert_eq!(batch.status().as_u16(), 201);
    assert_eq!(batch.json::<Value>().expect("JSON").as_array().map(Vec::len), Some(9));
    assert_eq!(total(&server), Some(12.5 + 95.0));
    assert_eq!(server.json(&format!("{billing}/?service=Acme&region=eu")), json!([record]));
    assert_eq!(server.json(&format!("{billing}/1")), record);
    assert_eq!(server.json(&format!("{billing}/summary")), json!([{"service": "Acme", "total_cost": 107.5}]));
    let unusual = server.json(&format!("{billing}/anomalies?threshold=2.0"));
    assert_eq!(unusual.as_array().map(Vec::len), Some(1));
    // As Python's statistics has it: mean 10.75, sample deviation 0.7905694.
    assert!((unusual[0]["z_score"].as_f64().expect("a score") - 2.213_594_4).abs() < 1e-6, "{unusual}");
    let none = server.get(&format!("{billing}/999"));
    assert_eq!(
        (none.status().as_u16(), none.json::<Value>().expect("JSON")),
        (404, json!({"detail": "Billing Record not found"}))
    );
    let seeded: Value = server.post(&format!("{billing}/seed?days=3"), &json!({})).json().expect("JSON");
    assert_eq!(seeded["records_created"], 15);
    for (wrong, said) in [
        (json!({"service": "", "cost": 1, "timestamp": "2026-03-10"}), "`service` must not be empty"),
        (json!({"service": "A", "cost": 1, "timestamp": "soon"}), "the record is not valid"),
        (json!({"service": "A", "cost": 1e300, "timestamp": "2026-03-10"}), "`cost` must be a number of dollars"),
        (json!({"service": "A", "timestamp": "2026-03-10"}), "the record is not valid"),
        (json!({"service": "A", "cost": 1, "timestamp": "2026-03-10", "tenant": 1}), "the record is not valid"),
    ] {
        let refused = server.post(&format!("{billing}/"), &wrong);
        assert_eq!(refused.status().as_u16(), 400);
        assert_eq!(refused.json::<Value>().expect("JSON")["title"], said, "{wrong}");
    }
    // All of a batch or nothing.
    let half =
        json!({"records": [{"service": "B", "cost": 1, "timestamp": "2026-03-10"}, {"service": "B", "cost": 1}]});
    assert_eq!(server.post(&format!("{billing}/batch"), &half).status().as_u16(), 400);
    assert_eq!(server.json(&format!("{billing}/?service=B")), json!([]));
    // The whole is what it was, and the records.
    let all = server.json("/api/v1/trends?from=2026-03-10&to=2026-03-10&group_by=service&top=100");
    assert!(all["groups"].to_string().contains("\"Acme\"") && all["groups"].to_string().contains("AmazonEC2"));
    let rows = sandbox.number("SELECT (SELECT sum(cost) FROM records) - (SELECT sum(unblended_cost) FROM cost_line_items WHERE data_source = 'records')");
    assert!(rows.abs() < 1e-9, "{rows}");

    let found: Value = server.post("/api/v1/detect?cloud=aws", &json!({})).json().expect("JSON");
    assert_eq!(found["cloud"], "aws");
    let listed = server.json("/api/v1/anomalies?cloud=all");
    assert!(listed.as_array().is_some_and(|list| !list.is_empty()), "{listed}");
    let stake: Vec<f64> =
        listed.as_array().into_iter().flatten().filter_map(|one| one["potential_savings"].as_f64()).collect();
    assert!(stake.windows(2).all(|pair| pair[0] >= pair[1]), "{stake:?}");
    let critical = server.json("/api/v1/anomalies?severity=HIGH");
    assert!(critical.as_array().into_iter().flatten().all(|one| one["severity"] == "critical"));
    let stats = server.json("/api/v1/stats?hours=720");
    let by =
        |name: &str| stats[name].as_object().into_iter().flatten().filter_map(|(_, count)| count.as_u64()).sum::<u64>();
    assert_eq!(
        (by("by_severity"), by("by_cloud")),
        (stats["total"].as_u64().expect("a count"), stats["total"].as_u64().expect("a count")),
        "{stats}"
    );
    assert_eq!(server.get("/api/v1/stats?hours=0").status().as_u16(), 400);
    assert_eq!(server.get("/api/v1/anomalies?cloud=moon").status().as_u16(), 400);
}

#[test]
fn a_health_check_needs_no_other_program() {
    let (sandbox, server) = reading();
    assert_eq!(sandbox.ok(&["serve", "--check", "--listen", &server.address]).to_string(), "--- exit code 0");
    let nobody = sandbox.run(&["serve", "--check", "--listen", "127.0.0.1:9"]);
    assert!(nobody.code == 1 && nobody.stderr.contains("nobody answers at `127.0.0.1:9`"), "{nobody}");
}
