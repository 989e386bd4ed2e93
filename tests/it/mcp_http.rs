//! The MCP server over HTTP, and clients of MCP that others wrote, on both transports and both eras of the protocol.

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    harness::{Run, Sandbox},
    mcp::{TODAY, sandbox},
    servers::{npm, python},
};

/// A server that ends with the test.
pub(crate) struct Server {
    child: Child,
    address: String,
}

impl Server {
    pub(crate) fn start(sandbox: &Sandbox, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = sandbox.command(&[&["mcp", "--http", "127.0.0.1:0", "--as-of", TODAY], arguments].concat());
        let mut child = command.envs(environment.iter().copied()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut line = String::new();
        BufReader::new(child.stderr.take().expect("a pipe")).read_line(&mut line).expect("a line");
        let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next());
        Self { address: address.unwrap_or_else(|| panic!("{line}")).to_owned(), child }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// The status and the body of an answer.
    fn post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> (u16, String) {
        let client = reqwest::blocking::Client::new();
        let mut request = client.post(format!("http://{}{path}", self.address)).body(body.to_string());
        request =
            request.header("content-type", "application/json").header("accept", "application/json, text/event-stream");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().expect("an answer");
        (answer.status().as_u16(), answer.text().expect("text"))
    }

    fn hello(&self, headers: &[(&str, &str)]) -> u16 {
        let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "tests", "version": "1"}}});
        self.post("/mcp", headers, &hello).0
    }

    fn signal(&mut self, name: &str) -> i32 {
        let killed = Command::new("kill").args([name, &self.child.id().to_string()]).status().expect("kill");
        assert!(killed.success());
        self.child.wait().expect("it ends").code().unwrap_or(-1)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn pages_of_others_and_other_names_are_refused_on_every_path() {
    let sandbox = sandbox();
    let mut server = Server::start(&sandbox, &[], &[]);
    let own = server.address.clone();
    let port = own.split(':').nth(1).expect("a port");
    assert_eq!(server.hello(&[]), 200);
    assert_eq!(server.hello(&[("host", &format!("localhost:{port}"))]), 200);
    assert_eq!(server.hello(&[("origin", &format!("http://{own}"))]), 200);
    let rebound = format!("costs.evil.example:{port}");
    for refused in [
        [("host", rebound.as_str())].as_slice(),
        // What a browser sends after a name was led here: both are the name's.
        &[("host", &rebound), ("origin", &format!("http://{rebound}"))],
        &[("origin", "https://evil.example")],
        &[("origin", "http://localhost:3000")],
        &[("origin", "null")],
    ] {
        assert_eq!(server.hello(refused), 403, "{refused:?}");
        assert_eq!(server.post("/other", refused, &json!({})).0, 403, "{refused:?}");
    }
    assert_eq!(server.post("/other", &[], &json!({})).0, 404);
    // The newest protocol has no hello: a request says all of itself.
    let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientInfo": {"name": "tests", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {}});
    let call = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "get_cost_trend", "arguments": {"days": 7}, "_meta": meta}});
    let headers =
        [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", "get_cost_trend")];
    let (status, body) = server.post("/mcp", &headers, &call);
    let answer: Value = serde_json::from_str(&body).unwrap_or_else(|_| panic!("{status} {body}"));
    assert_eq!(answer["result"]["structuredContent"]["metric"], "net_amortized", "{answer:#}");
    let long = json!({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"x": "x".repeat(2 << 20)}});
    assert_eq!(server.post("/mcp", &[], &long).0, 413);
    assert_eq!(server.signal("-TERM"), 0);
}

#[test]
fn others_than_this_machine_need_a_token() {
    let sandbox = sandbox();
    let refused = sandbox.run(&["mcp", "--http", "0.0.0.0:0"]);
    insta::assert_snapshot!(refused, @"
    --- stderr
    error: `0.0.0.0:0` can be reached from other machines, and no token is configured
    hint: put `tokens: [{ env: NAME }]` under `server` in the configuration, or take 127.0.0.1
    hint: behind a proxy that says who somebody is, `server.trusted_proxies` names it
    --- exit code 2
    ");
    sandbox.write(
        "config.yaml",
        "server:\n  tokens: [{ env: FIRST_TOKEN }, { file: token.txt }]\n  hosts: [costs.acme.example]\n",
    );
    sandbox.write("token.txt", "token-of-the-file\n");
    let missing = sandbox.run(&["mcp", "--http", "0.0.0.0:0"]);
    assert!(missing.stderr.contains("the environment variable `FIRST_TOKEN` is not set"), "{missing}");
    let server = Server::start(&sandbox, &["-vv"], &[("FIRST_TOKEN", "token-of-the-environment")]);
    for token in ["token-of-the-file", "token-of-the-environment"] {
        let authorization = format!("Bearer {token}");
        assert_eq!(server.hello(&[("authorization", &authorization)]), 200);
        assert_eq!(server.hello(&[("authorization", &authorization), ("host", "costs.acme.example")]), 200);
        assert_eq!(server.hello(&[("authorization", &authorization), ("host", "evil.example")]), 403);
    }
    for wrong in [[].as_slice(), &[("authorization", "Bearer token")], &[("authorization", "Basic token-of-the-file")]]
    {
        assert_eq!(server.hello(wrong), 401, "{wrong:?}");
    }
    // A browser is told so as well: there is no page to log in at.
    let page = reqwest::blocking::Client::new().get(server.url()).header("accept", "text/html").send();
    assert_eq!(page.expect("an answer").status().as_u16(), 401);
    // A secret that is written where only its place belongs is not repeated.
    sandbox.write("config.yaml", "server:\n  tokens: [token-by-itself]\n");
    let refused = sandbox.run(&["mcp", "--http", "127.0.0.1:0"]);
    assert!(refused.code == 1 && !refused.stderr.contains("token-by-itself"), "{refused}");
}

#[test]
fn a_token_for_reading_triages_nothing() {
    let sandbox = sandbox();
    sandbox.write("config.yaml", "server: { tokens: [{ env: READS }, { env: TRIAGES, scopes: [read, triage] }] }\n");
    let server = Server::start(
        &sandbox,
        &["--allow-triage"],
        &[("READS", "long-enough-token-r"), ("TRIAGES", "long-enough-token-t")],
    );
    let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientInfo": {"name": "tests", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {}});
    let call = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "triage_incident", "arguments": {"ids": ["zzzz"], "triage": "ack"}, "_meta": meta}});
    let said = |token: &str| {
        let headers = [
            ("authorization", token),
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/call"),
            ("mcp-name", "triage_incident"),
        ];
        server.post("/mcp", &headers, &call).1
    };
    let refused = said("Bearer long-enough-token-r");
    assert!(refused.contains("the token is not for `triage`"), "{refused}");
    let taken = said("Bearer long-enough-token-t");
    assert!(taken.contains("there is no incident `zzzz`"), "{taken}");
}

#[test]
fn the_python_sdk_finds_everything_in_both_eras_and_over_both_transports() {
    let Some(python) = python("MCP by its Python SDK") else { return };
    let sandbox = sandbox();
    let server = Server::start(&sandbox, &[], &[]);
    let database = sandbox.path("data/costs.duckdb");
    let database = database.to_str().expect("UTF-8");
    let program = [env!("CARGO_BIN_EXE_aws-cost-anomalies"), "mcp", "--as-of", TODAY, "--db", database];
    let total =
        sandbox.json(&["trends", "--days", "7", "--as-of", TODAY, "--quiet"])["total"].as_f64().expect("a total");
    let (url, mut found) = (server.url(), Vec::new());
    for (mode, target) in [("legacy", &program[..]), ("auto", &program), ("auto", &[url.as_str()]), ("legacy", &[&url])]
    {
        let mut client = Command::new(&python);
        client.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/mcp_client.py")).arg(mode).args(target);
        let run: Run = sandbox.finish(client);
        assert_eq!(run.code, 0, "{mode} {target:?}\n{run}");
        let answer: Value = serde_json::from_str(&run.stdout).expect("JSON");
        assert!((answer["total"].as_f64().expect("a total") - total).abs() < 1e-4);
        found.push(answer);
    }
    let protocols: Vec<&Value> = found.iter().map(|answer| &answer["protocol"]).collect();
    assert_eq!(protocols, ["2025-11-25", "2026-07-28", "2026-07-28", "2025-11-25"]);
    for answer in &mut found {
        answer["protocol"] = Value::Null;
    }
    assert!(found.windows(2).all(|pair| pair[0] == pair[1]), "{found:#?}");
    found[0]["total"] = Value::Null;
    insta::assert_snapshot!(serde_json::to_string_pretty(&found[0]).expect("JSON"));
}

#[test]
fn the_inspector_and_the_conformance_suite_are_content() {
    let Some(folder) = npm("mcp", "MCP by its inspector and its conformance suite") else { return };
    let node = folder.join("node");
    let package = |name: &str| -> PathBuf { folder.join("node_modules/@modelcontextprotocol").join(name) };
    let sandbox = sandbox();
    let server = Server::start(&sandbox, &[], &[]);
    let inspect = |target: &[&str], asked: &[&str]| -> Value {
        let mut inspector = Command::new(&node);
        inspector.arg(package("inspector/clients/launcher/build/index.js")).arg("--cli").args(target).args(asked);
        inspector.current_dir(sandbox.path("")).env("HOME", sandbox.path(""));
        let run: Run = sandbox.finish(inspector);
        assert_eq!(run.code, 0, "{target:?} {asked:?}\n{run}");
        serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{run}"))
    };
    let program = [env!("CARGO_BIN_EXE_aws-cost-anomalies"), "mcp"];
    let url = server.url();
    let tools = inspect(&program, &["--method", "tools/list"]);
    assert_eq!(tools, inspect(&[&url, "--transport", "http"], &["--method", "tools/list"]));
    let called =
        ["--method", "tools/call", "--tool-name", "get_cost_trend", "--tool-arg", "days=7", "group_by=account"];
    let answer = inspect(&[&url, "--transport", "http"], &called);
    assert_eq!(answer["structuredContent"]["group_by"], json!(["account"]), "{answer:#}");
    let begun = Instant::now();
    let mut suite = Command::new(&node);
    suite.arg(package("conformance/dist/index.js")).args(["server", "--url", &url, "--expected-failures"]);
    suite.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/mcp_conformance.yml"));
    let run: Run = sandbox.finish(suite);
    assert_eq!(run.code, 0, "{run}");
    assert!(begun.elapsed() < Duration::from_secs(60));
    for passed in [
        "server-initialize",
        "ping",
        "completion-complete",
        "tools-list",
        "resources-list",
        "prompts-list",
        "dns-rebinding-protection",
    ] {
        assert!(run.stdout.contains(&format!("✓ {passed}: ")), "{passed}\n{run}");
    }
}
