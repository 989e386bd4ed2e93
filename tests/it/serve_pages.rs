//! The server's pages, what their forms do, and the same as files.

use std::{
    io::{BufRead, BufReader},
    thread,
    time::Duration,
};

use reqwest::blocking::Client;
use serde_json::{Value, json};

use crate::{
    agent::{configure, say, then},
    fake_services::{FakeServices, models::Script},
    harness::Sandbox,
    mcp::{TODAY, sandbox},
    serve::{Server, reading},
};

#[test]
fn runs_triage_and_news() {
    let sandbox = sandbox();
    let server = Server::start(&sandbox, &[]);
    let address = server.address.clone();
    // Somebody who listens hears of the change.
    let heard = thread::spawn(move || {
        let answer = Client::new().get(format!("http://{address}/api/v1/events")).send().expect("events");
        let mut lines = BufReader::new(answer).lines().map_while(Result::ok);
        lines.find(|line| line == "event: changed").is_some()
    });
    let started = server.post("/api/v1/runs", &json!({"no_ingest": true}));
    assert_eq!(started.status().as_u16(), 202);
    let place = started.headers()["location"].to_str().expect("text").to_owned();
    let run = (0..100).find_map(|_| {
        thread::sleep(Duration::from_millis(100));
        Some(server.json(&place)).filter(|run| run["status"] != "running")
    });
    let run = run.expect("it ends");
    assert_eq!((&run["status"], &run["answer"]["operation"]), (&json!("done"), &json!("run")), "{run:#}");
    assert_eq!(server.json("/api/v1/runs")["runs"][0]["id"], run["id"]);
    let refused = server.post("/api/v1/runs", &json!({"paths": ["/etc/passwd"]}));
    assert_eq!(refused.status().as_u16(), 400);

    let id = sandbox.json(&["incidents"])["incidents"][0]["id"].as_str().expect("an id").to_owned();
    let said = server.form(
        "/incidents/triage",
        &[("id", &id), ("what", "ack"), ("reason", "a migration"), ("back", "/incidents?status=open")],
    );
    assert_eq!(said.status().as_u16(), 303);
    assert_eq!(said.headers()["location"], "/incidents?status=open&said=ack-1");
    let (_, page) = server.page(&format!("/incidents/{id}"));
    assert!(page.contains("acked") && page.contains("a migration"), "{page}");
    let snoozed = server.form(
        "/incidents/triage",
        &[("id", &id), ("what", "snooze"), ("until", "2026-04-01"), ("back", "//evil.example")],
    );
    assert_eq!(snoozed.headers()["location"], "/incidents?said=snooze-1");
    assert_eq!(sandbox.json(&["incidents", &id])["triage"]["until"], "2026-04-01");
    for wrong in [
        &[("what", "ack")][..],
        &[("id", &id), ("what", "snooze")],
        &[("id", &id), ("what", "delete")],
        &[("id", "zzzz"), ("what", "ack")],
    ] {
        assert!(server.form("/incidents/triage", wrong).status().is_client_error(), "{wrong:?}");
    }
    assert!(heard.join().expect("no panic"), "nobody heard of it");
}

#[test]
fn pages_show_what_the_commands_say() {
    let (sandbox, server) = reading();
    let week = sandbox.json(&["report", "--as-of", TODAY]);
    let (status, morning) = server.page("/");
    assert_eq!(status, 200);
    let expected = week["month_end"]["total"]["expected"].as_f64().expect("an amount");
    let cents = format!("{:.2}", expected).split('.').nth(1).expect("cents").to_owned();
    assert!(morning.contains(&format!(".{cents}")), "{expected}");
    let id = sandbox.json(&["incidents", "--status", "all"])["incidents"][0]["id"].as_str().expect("an id").to_owned();
    for path in [
        "/",
        "/incidents",
        "/incidents?status=all",
        "/explore",
        "/explore?group_by=account&granularity=weekly&days=30",
        "/explore?filter=service%3DAmazonEC2&group_by=usage-type",
        "/compare",
        "/compare?month=2026-03",
        "/forecast",
        "/forecast?group_by=account",
        "/forecast/record",
        "/budgets",
        "/accounts",
        "/ask",
        "/status",
        &format!("/incidents/{id}"),
    ] {
        let answer = server.with("GET", path, &[("accept", "text/html")], None);
        assert_eq!(answer.status().as_u16(), 200, "{path}");
        let policy = answer.headers()["content-security-policy"].to_str().expect("text").to_owned();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"), "{policy}");
        let text = answer.text().expect("text");
        // Nothing from elsewhere, and nothing that the policy would refuse.
        for inline in ["<script>", "<style", " style=", " onclick=", "javascript:"] {
            assert!(!text.contains(inline), "{path} has {inline}");
        }
        for source in text.split("src=\"").skip(1).chain(text.split("<link rel=\"stylesheet\" href=\"").skip(1)) {
            assert!(source.starts_with("/assets/"), "{path}: {}", &source[..40.min(source.len())]);
        }
        // Each link of its own leads somewhere; those of the pages themselves are tried here.
        assert!(text.contains("</html>"), "{path}");
    }
    // A figure leads to its days: the total of a day is that of the page.
    let explored = server.page("/explore?from=2026-03-10&to=2026-03-10").1;
    let day = sandbox.json(&["trends", "--from", "2026-03-10", "--to", "2026-03-10", "--as-of", TODAY]);
    let amount = format!("{:.2}", day["total"].as_f64().expect("a total"));
    assert!(explored.replace(',', "").contains(&amount), "{amount}");
    let (status, missing) = server.page("/incidents/zzzz");
    assert!(status == 404 && missing.contains("there is no incident"), "{missing}");
    let (status, wrong) = server.page("/explore?days=x");
    assert!(status == 400 && wrong.contains("days"), "{wrong}");
    assert_eq!(server.page("/nowhere").0, 404);
    // Commands to copy give the same: that of the explorer is run.
    let command = explored.split("data-copy>").nth(1).and_then(|rest| rest.split('<').next()).expect("a command");
    let words: Vec<&str> = command.split_whitespace().skip(1).collect();
    let again = sandbox.json(&[&words[..], &["--as-of", TODAY]].concat());
    assert_eq!(again["total"], day["total"], "{command}");
}

#[test]
fn before_the_first_bill_a_page_says_what_to_do() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, &[]);
    let (status, page) = server.page("/");
    assert!(status == 200 && page.contains("aws-cost-anomalies ingest PATH"), "{page}");
    assert_eq!(server.get("/ready").status().as_u16(), 503);
    assert_eq!(server.get("/health").status().as_u16(), 200);
    let answer = server.get("/api/v1/trends");
    assert_eq!(answer.status().as_u16(), 503);
    assert_eq!(answer.json::<Value>().expect("JSON")["code"], "no_database");
    assert!(server.text("/metrics").contains("cost_anomalies_open_incidents"));
}

#[test]
fn what_is_at_stake_in_several_currencies_is_not_added_up() {
    let sandbox = Sandbox::new();
    let day = |place: u32| {
        let date = chrono::NaiveDate::from_ymd_opt(2026, 2, 1).expect("a day") + chrono::Days::new(place.into());
        let (left, right) = if place < 36 { (50, 80) } else { (150, 200) };
        format!("{date},Left,{left},USD\n{date},Right,{right},EUR\n")
    };
    let bill = format!("date,service,cost,currency\n{}", (0..40).map(day).collect::<String>());
    sandbox.write("bill.csv", bill);
    sandbox.ok(&["ingest", "bill.csv", "--quiet"]);
    sandbox.ok(&["anomalies", "--from", "2026-03-07", "--as-of", "2026-03-13", "--quiet"]);
    let listed = sandbox.json(&["incidents"]);
    let stake = |currency: &str| -> f64 {
        let own = listed["incidents"].as_array().expect("a list").iter().filter(|one| one["currency"] == currency);
        own.map(|one| one["at_stake"].as_f64().expect("an amount")).sum()
    };
    let (dollars, euros) = (stake("USD"), stake("EUR"));
    assert!(dollars > 0.0 && euros > 0.0, "{listed}");
    let server = Server::as_of(&sandbox, "2026-03-13", &[]);
    // The morning's costs are of one currency, which its address says, and so are its incidents.
    let both = format!("€{euros:.2} and ${dollars:.2} at stake");
    for (path, words) in [("/incidents", both), ("/?filter=currency%3DEUR", format!("€{euros:.2} at stake"))] {
        let (_, page) = server.page(path);
        let text = page.replace(',', "").replace("<strong>", "").replace("</strong>", "");
        assert!(text.contains(&words), "{path} has no {words}: {page}");
    }
    assert!(server.json("/api/v1/stats?hours=1000")["potential_savings"].is_null());
    let metrics = server.text("/metrics");
    let of = |currency: &str| -> f64 {
        let label = format!("currency=\"{currency}\"}} ");
        let own =
            metrics.lines().filter_map(|line| line.strip_prefix("cost_anomalies_open_at_stake{")?.split_once(&label));
        own.map(|(_, amount)| amount.parse::<f64>().expect("a number")).sum()
    };
    assert!((of("USD") - dollars).abs() < 0.01 && (of("EUR") - euros).abs() < 0.01, "{metrics}");
}

#[test]
fn pages_as_files_lead_to_each_other() {
    let (sandbox, _) = reading();
    let run = sandbox.ok(&["serve", "--export", "public", "--as-of", TODAY]);
    assert!(run.stderr.contains("`index.html` is the first"), "{run}");
    assert!(!run.stderr.contains("left out"), "{run}");
    assert!(all_links_lead(&sandbox.path("public")) >= 12);
}

#[test]
fn pages_that_a_short_history_has_nothing_for_are_named_and_not_linked() {
    let sandbox = Sandbox::new();
    sandbox.write("bill.csv", "date,service,cost\n2026-03-10,Left,10\n2026-03-11,Left,11\n");
    sandbox.ok(&["ingest", "bill.csv", "--quiet"]);
    let run = sandbox.ok(&["serve", "--export", "public", "--as-of", "2026-03-12"]);
    assert!(run.stderr.contains("note: the page `/compare` is left out: "), "{run}");
    assert!(!sandbox.path("public/compare.html").exists());
    assert!(all_links_lead(&sandbox.path("public")) >= 3);
}

/// Follows the links of pages from the first; gives how many pages there are.
fn all_links_lead(folder: &std::path::Path) -> usize {
    let mut pages = vec![folder.join("index.html")];
    let mut seen = std::collections::BTreeSet::new();
    while let Some(page) = pages.pop() {
        if !seen.insert(page.clone()) {
            continue;
        }
        let text = std::fs::read_to_string(&page).unwrap_or_else(|e| panic!("{}: {e}", page.display()));
        let places = text.split(" href=\"").chain(text.split(" src=\"")).skip(1);
        for place in places.filter_map(|rest| rest.split('"').next()) {
            let place = place.split('#').next().expect("a part");
            assert!(!place.starts_with('/'), "{}: {place}", page.display());
            if place.is_empty() || place.contains("://") || place.starts_with("data:") || place.contains("<!doctype") {
                continue;
            }
            let target = page.parent().expect("a folder").join(place);
            assert!(target.exists(), "{} leads to {place}", page.display());
            if place.ends_with(".html") {
                pages.push(target.canonicalize().expect("a file"));
            }
        }
    }
    seen.len()
}

#[test]
fn questions_are_answered_with_their_steps() {
    let (sandbox, services) = (sandbox(), FakeServices::start());
    configure(&sandbox, &services, "");
    let server = Server::start(&sandbox, &[("KEY", "sk-ant-SECRET")]);
    let turns = || {
        vec![
            say(Script::call("get_cost_trend", &json!({"days": 7}))),
            then(|seen| Script::text(&format!("The last 7 days cost ${} <b>net</b>.", seen.figure("total")))),
        ]
    };
    services.script(turns());
    let question = json!({"question": "what did the last 7 days cost?"});
    let answer: Value = server.post("/api/v1/query", &question).json().expect("JSON");
    assert!(answer["answer"].as_str().expect("text").starts_with("The last 7 days cost $"), "{answer}");
    assert_eq!(answer["steps"][0]["tool"], "get_cost_trend");
    services.script(turns());
    let headers = [("content-type", "application/json"), ("accept", "text/event-stream")];
    let events = server.with("POST", "/api/v1/query", &headers, Some(question.to_string())).text().expect("text");
    assert!(events.contains("event: answer\ndata: {"), "{events}");
    services.script(turns());
    let page = server.form("/ask", &[("question", "what did the last 7 days cost?")]).text().expect("text");
    // A model's words are text.
    assert!(page.contains("&lt;b&gt;net&lt;/b&gt;") && page.contains("aws-cost-anomalies trends"), "{page}");
    for (body, said) in [
        (json!({"question": "x", "yes": true}), "`yes` is not for guests of a server"),
        (json!({"question": "x", "max_spend": 5}), "`max_spend` is not for guests of a server"),
        (json!({"question": " "}), "what is the question?"),
    ] {
        let refused = server.post("/api/v1/query", &body);
        assert_eq!(refused.json::<Value>().expect("JSON")["title"], said);
    }
    services.assert_clean();
}
