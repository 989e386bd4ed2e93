//! Who may ask the server, and for what: names, pages of others, tokens, proxies, links; and what hold nobody up.

use std::{
    io::{Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    harness::Sandbox,
    mcp::{TODAY, sandbox},
    serve::{Server, reading},
};

/// Host × Origin × token × scope.
#[test]
fn each_guest_may_do_what_the_token_is_for() {
    let sandbox = sandbox();
    sandbox.write(
        "config.yaml",
        "server:\n  tokens: [{ env: READS }, { env: TRIAGES, scopes: [read, triage] }, { env: INGESTS, scopes: [ingest] }, { env: ASKS, scopes: [query] }]\n  \
         hosts: [costs.acme.example]\n  accept_records: true\n",
    );
    let tokens = [
        ("READS", "long-enough-token-r"),
        ("TRIAGES", "long-enough-token-t"),
        ("INGESTS", "long-enough-token-i"),
        ("ASKS", "long-enough-token-q"),
    ];
    let server = Server::start(&sandbox, &tokens);
    let port = server.address.split(':').nth(1).expect("a port").to_owned();
    let record = r#"{"service": "A", "cost": 1, "timestamp": "2026-03-10"}"#;
    // Method, address, body, and who may.
    let doors = [
        ("GET", "/api/v1/status", "", "rt"),
        ("GET", "/openapi.json", "", "rt"),
        ("GET", "/metrics", "", "rt"),
        ("GET", "/accounts", "", "rt"),
        ("GET", "/docs", "", "rt"),
        ("POST", "/api/v1/incidents/zz/triage", r#"{"triage": "ack"}"#, "t"),
        ("POST", "/incidents/triage", "", "t"),
        ("POST", "/api/v1/billing/", record, "i"),
        ("GET", "/api/v1/billing/summary", "", "rt"),
        ("POST", "/api/v1/billing/seed?days=0", "", "i"),
        ("POST", "/api/v1/detect?cloud=x", "", "i"),
        ("POST", "/api/v1/runs", r#"{"paths": ["/etc"]}"#, "i"),
        ("POST", "/api/v1/sql", r#"{"query": "SELECT 1"}"#, "q"),
        ("POST", "/api/v1/query", r#"{"yes": true}"#, "q"),
        ("POST", "/ask", "", "q"),
        ("POST", "/mcp", "{}", "rt"),
        ("GET", "/health", "", "rtiq-"),
        ("GET", "/login", "", "rtiq-"),
        ("GET", "/assets/app.css", "", "rtiq-"),
    ];
    let hosts = [("localhost", true), ("127.0.0.1", true), ("costs.acme.example", true), ("evil.example", false)];
    for (method, path, body, may) in doors {
        for who in ["r", "t", "i", "q", "-", "x"] {
            for (host, is_own) in hosts {
                for (origin, is_ours) in [("", true), ("own", true), ("https://evil.example", false), ("null", false)] {
                    let host = format!("{host}:{port}");
                    let origin = if origin == "own" { format!("http://{host}") } else { origin.to_owned() };
                    let token = format!("Bearer long-enough-token-{who}");
                    let mut headers = vec![("host", host.as_str()), ("content-type", "application/json")];
                    headers.push(("accept", "application/json, text/event-stream"));
                    if !origin.is_empty() {
                        headers.push(("origin", &origin));
                    }
                    if who != "-" {
                        headers.push(("authorization", &token));
                    }
                    // A wrong token is tried a few times only: more are another answer.
                    if who == "x" && (method != "GET" || path != "/api/v1/status" || origin.is_empty()) {
                        continue;
                    }
                    let status = server.with(method, path, &headers, Some(body.to_owned())).status().as_u16();
                    let case = format!("{method} {path} by {who} at {host} from {origin:?}: {status}");
                    if !is_own || !is_ours {
                        assert_eq!(status, 403, "{case}");
                    } else if may.contains(who) {
                        assert!(![401, 403].contains(&status), "{case}");
                    } else if "-x".contains(who) {
                        assert_eq!(status, 401, "{case}");
                    } else {
                        assert_eq!(status, 403, "{case}");
                    }
                }
            }
        }
    }
    // A page of another site sends forms without `Origin` in no browser, but it says where it is.
    let cross =
        [("host", "localhost"), ("authorization", "Bearer long-enough-token-t"), ("sec-fetch-site", "cross-site")];
    assert_eq!(server.with("POST", "/incidents/triage", &cross, None).status().as_u16(), 403);
}

#[test]
fn browsers_log_in_and_a_trusted_proxy_says_who_they_are() {
    let sandbox = sandbox();
    sandbox.write(
        "config.yaml",
        "server: { tokens: [{ env: TOKEN, scopes: [read, triage] }], trusted_proxies: ['127.0.0.1'], proxy_scopes: [read, triage] }\n",
    );
    let server = Server::start(&sandbox, &[("TOKEN", "a-token-of-someone")]);
    let asked = server.with("GET", "/incidents?status=all", &[("accept", "text/html")], None);
    assert_eq!(
        (asked.status().as_u16(), asked.headers()["location"].to_str().expect("text")),
        (303, "/login?to=%2Fincidents%3Fstatus%3Dall")
    );
    let wrong = server.form("/login", &[("token", "b-token-of-someone"), ("to", "/")]);
    assert_eq!(wrong.status().as_u16(), 401);
    let right = server.form("/login", &[("token", "a-token-of-someone"), ("to", "//evil.example")]);
    assert_eq!((right.status().as_u16(), right.headers()["location"].to_str().expect("text")), (303, "/"));
    let cookie = right.headers()["set-cookie"].to_str().expect("text").to_owned();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && !cookie.contains("a-token-of-someone"),
        "{cookie}"
    );
    let pair = cookie.split(';').next().expect("a pair");
    let page = server.with("GET", "/incidents", &[("cookie", pair)], None);
    assert_eq!(page.status().as_u16(), 200);
    assert!(page.text().expect("text").contains("Log out"));
    // The proxy's word counts, and a triage is in that name.
    let id = sandbox.json(&["incidents", "--status", "all"])["incidents"][0]["id"].as_str().expect("an id").to_owned();
    let by_ann = [("x-forwarded-user", "ann"), ("content-type", "application/json")];
    let body = json!({"triage": "ack", "reason": "looking", "by": "bob"}).to_string();
    let said = server.with("POST", &format!("/api/v1/incidents/{id}/triage"), &by_ann, Some(body));
    assert_eq!(said.status().as_u16(), 200);
    let triaged: Value = said.json().expect("JSON");
    assert_eq!(triaged["incidents"][0]["triage"]["triaged_by"], "ann");
    assert_eq!(server.with("GET", "/api/v1/status", &[("x-forwarded-user", "")], None).status().as_u16(), 401);
    let out = server.with("POST", "/logout", &[("cookie", pair)], None);
    assert_eq!(out.status().as_u16(), 303);
    assert_eq!(server.with("GET", "/api/v1/status", &[("cookie", pair)], None).status().as_u16(), 401);
}

#[test]
fn nobody_asks_or_guesses_without_end() {
    let sandbox = sandbox();
    sandbox.write("config.yaml", "server: { tokens: [{ env: ONE }, { env: TWO }], requests_per_minute: 5 }\n");
    let server = Server::start(&sandbox, &[("ONE", "long-enough-token-1"), ("TWO", "long-enough-token-2")]);
    let asks = |token: &str| server.with("GET", "/api/v1/status", &[("authorization", token)], None);
    let statuses: Vec<u16> = (0..6).map(|_| asks("Bearer long-enough-token-1").status().as_u16()).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 429]);
    let refused = asks("Bearer long-enough-token-1");
    assert!(refused.headers().contains_key("retry-after"), "{:?}", refused.headers());
    assert_eq!(refused.json::<Value>().expect("JSON")["code"], "too_many_requests");
    // Another token is another guest.
    assert_eq!(asks("Bearer long-enough-token-2").status().as_u16(), 200);
    let guesses: Vec<u16> = (0..12).map(|guess| asks(&format!("Bearer guess-{guess}")).status().as_u16()).collect();
    assert!(guesses.starts_with(&[401; 10]) && guesses.ends_with(&[429; 2]), "{guesses:?}");
    // From there nobody gets in any more for a while, not by the page either; who is known stays.
    assert_eq!(server.form("/login", &[("token", "guess")]).status().as_u16(), 429);
    assert_eq!(asks("Bearer long-enough-token-2").status().as_u16(), 200);
}

#[test]
fn other_addresses_need_somebody_who_is_known() {
    let sandbox = sandbox();
    insta::assert_snapshot!(sandbox.run(&["serve", "--listen", "0.0.0.0:0"]), @"
    --- stderr
    error: `0.0.0.0:0` can be reached from other machines, and no token is configured
    hint: put `tokens: [{ env: NAME }]` under `server` in the configuration, or take 127.0.0.1
    hint: behind a proxy that says who somebody is, `server.trusted_proxies` names it
    --- exit code 2
    ");
    for (given, said) in [
        ("trusted_proxies: [ten]", "`server.trusted_proxies`: `ten` is no address or network"),
        ("public_url: costs.example.com", "`server.public_url` must be an address"),
        ("link_days: 0", "`server.link_days` must be from 1 to 366"),
        ("identity_header: 'X User'", "`server.identity_header` must be the name of a header"),
        ("tokens: [secret-token]", "a token is given as `{ env: NAME, scopes: [read] }`"),
        ("tokens: [{ env: TOKEN, scopes: [secret-scope] }]", "`scopes` is a list of read, triage, ingest, query"),
    ] {
        sandbox.write("config.yaml", format!("server: {{ {given} }}\n"));
        let run = sandbox.run(&["serve", "--listen", "127.0.0.1:0"]);
        assert!(run.code == 1 && run.stderr.contains(said) && !run.stderr.contains("secret"), "{run}");
    }
    for (given, key) in [("link_key: { env: KEY }", "server.link_key"), ("tokens: [{ env: KEY }]", "server.tokens")] {
        sandbox.write("config.yaml", format!("server: {{ {given} }}\n"));
        let mut short = sandbox.command(&["serve", "--listen", "127.0.0.1:0"]);
        short.env("KEY", "short-one");
        let run = sandbox.finish(short);
        let said = format!("`{key}`: the secret of the environment variable `KEY` must have 16 characters or more");
        assert!(run.stderr.contains(&said) && !run.stderr.contains("short-one"), "{run}");
    }
}

#[test]
fn slow_and_strange_requests_hold_nobody_up() {
    let (_, server) = reading();
    let raw = |text: &str| {
        let mut stream = TcpStream::connect(&server.address).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        stream.write_all(text.as_bytes()).expect("sent");
        let mut answer = String::new();
        let started = Instant::now();
        let _ = stream.read_to_string(&mut answer);
        (answer, started.elapsed())
    };
    // Half of a head, and nothing more: meanwhile others are answered.
    let slow = thread::spawn({
        let address = server.address.clone();
        move || {
            let mut stream = TcpStream::connect(address).expect("a connection");
            stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
            stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ").expect("sent");
            let started = Instant::now();
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            started.elapsed()
        }
    });
    for (path, status) in [
        ("/assets/../config.yaml", "404"),
        ("/assets/..%2fconfig.yaml", "404"),
        ("/%2e%2e/%2e%2e/etc/passwd", "404"),
        ("//api/v1/status", "404"),
        ("/api/v1/../v1/status", "404"),
        ("/incidents/..%2F..%2Fetc%2Fpasswd", "404"),
        ("/api/v1/incidents/%00", "404"),
        ("/api/v1/trends?filter=service%3D%ff", "404"),
    ] {
        let (answer, _) = raw(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {answer}");
        assert!(!answer.contains("root:"), "{path}");
    }
    let (many, _) = raw(&format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X-A: b\r\n".repeat(200)));
    assert!(many.starts_with("HTTP/1.1 431"), "{many}");
    let (two, _) = raw("GET /health HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
    assert!(two.starts_with("HTTP/1.1 403") || two.starts_with("HTTP/1.1 400"), "{two}");
    let long = "x".repeat(2 << 20);
    let refused = server.with("POST", "/api/v1/sql", &[("content-type", "application/json")], Some(long));
    assert_eq!(refused.status().as_u16(), 413);
    let took = slow.join().expect("no panic");
    assert!(took < Duration::from_secs(20), "{took:?}");
}

#[test]
fn a_link_in_an_alert_shows_one_incident_for_a_while() {
    let sandbox = Sandbox::with_sample();
    sandbox.write(
        "config.yaml",
        "server: { public_url: 'https://costs.acme.example/', link_key: { env: KEY }, tokens: [{ env: TOKEN }] }\n",
    );
    let environment = [("KEY", "a-key-of-thirty-two-characters-x"), ("TOKEN", "a-token-of-someone")];
    let mut run = sandbox.command(&["run", "--no-ingest", "--as-of", TODAY, "--quiet", "--format", "json"]);
    run.envs(environment);
    let run: Value = serde_json::from_str(&sandbox.finish(run).stdout).expect("JSON");
    let alert = &run["messages"][0]["alerts"][0];
    let link = alert["links"].as_array().into_iter().flatten().find(|link| link["name"] == "Incident").expect("a link");
    let path = link["url"].as_str().and_then(|url| url.strip_prefix("https://costs.acme.example")).expect("an address");
    let id = alert["id"].as_str().expect("an id");
    assert!(path.starts_with(&format!("/shared/incidents/{id}?expires=")), "{path}");
    let server = Server::start(&sandbox, &environment);
    let answer = server.get(path);
    assert_eq!(
        (answer.status().as_u16(), answer.headers()["referrer-policy"].to_str().expect("text")),
        (200, "no-referrer")
    );
    let page = answer.text().expect("text");
    assert!(page.contains(id) && !page.contains("<nav") && !page.contains("/incidents/triage"), "{page}");
    for wrong in [
        path.replace("signature=", "signature=0"),
        path.replace("expires=", "expires=9"),
        path.replace(id, "0000"),
        format!("/shared/incidents/{id}"),
    ] {
        assert_eq!(server.get(&wrong).status().as_u16(), 403, "{wrong}");
    }
    // It is a right to nothing else.
    assert_eq!(server.get("/api/v1/status").status().as_u16(), 401);
    // Without a key the link is one for those who may see all.
    let sandbox = Sandbox::with_sample();
    sandbox.write("config.yaml", "server: { public_url: 'https://costs.acme.example' }\n");
    let plain = sandbox.json(&["run", "--no-ingest", "--as-of", TODAY, "--quiet"]);
    let alert = &plain["messages"][0]["alerts"][0];
    let id = alert["id"].as_str().expect("an id");
    assert_eq!(alert["links"][0]["url"], format!("https://costs.acme.example/incidents/{id}"));
}
