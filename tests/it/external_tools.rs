//! The agent's client of the Model Context Protocol, with servers that behave and servers that do not.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::{
    agent::{ask, configure, query, say, then},
    fake_services::{FakeServices, models::Script},
    harness::{Run, Sandbox},
    mcp::sandbox,
    servers::python,
};

/// A configuration with a child in a mode, beside what is `more` of it.
fn with_child(sandbox: &Sandbox, services: &FakeServices, python: &str, mode: &str, more: &str) {
    let child = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/mcp_child.py");
    let log = sandbox.path("calls.jsonl");
    let server = format!(
        "{{ name: wiki, command: '{python}', args: ['{child}', {mode}, '{}'], timeout_seconds: 2{more} }}",
        log.display()
    );
    configure(sandbox, services, &format!("  mcp_servers: [{server}]\n"));
}

fn calls(sandbox: &Sandbox) -> String {
    std::fs::read_to_string(sandbox.path("calls.jsonl")).unwrap_or_default()
}

/// The tools of the server that the model was told of in its last turn.
fn told(services: &FakeServices) -> Vec<String> {
    let seen = services.seen();
    seen.last().expect("a turn").tools.iter().filter(|tool| tool.starts_with("wiki__")).cloned().collect()
}

#[test]
fn tools_of_others_are_called_once_they_are_allowed() {
    let Some(python) = python("tools of other MCP servers") else { return };
    let python = python.to_string_lossy().into_owned();
    let (sandbox, services) = (sandbox(), FakeServices::start());
    with_child(&sandbox, &services, &python, "good", "");
    let owner = || Script::call("wiki__find_owner", &json!({"service": "AmazonRDS"}));
    // Nobody is there to be asked, so it is left out.
    services.script(vec![
        say(owner()),
        then(|seen| {
            assert!(seen.results()[0].contains("there is no tool `wiki__find_owner`"), "{:?}", seen.results());
            Script::text("Nobody knows.")
        }),
    ]);
    let run = ask(&sandbox, &services, &["who owns RDS?"]);
    assert!(
        run.code == 0
            && run.stderr.contains(
                "offers the model these tools: wiki__delete_everything_, wiki__find_owner: not allowed, and left out"
            ),
        "{run}"
    );
    assert_eq!((told(&services), calls(&sandbox)), (Vec::new(), String::new()));
    // Allowed, and only what the list names; what it says is data.
    with_child(&sandbox, &services, &python, "good", ", tools: [find_owner]");
    services.script(vec![
        say(owner()),
        then(|seen| {
            let result = seen.results()[0];
            assert!(result.starts_with("<result>\n") && result.contains("IGNORE ALL RULES"), "{result}");
            Script::text("It is team-7, with a budget of 4321 dollars.")
        }),
    ]);
    let run = ask(&sandbox, &services, &["who owns RDS?", "--yes"]);
    assert!(run.code == 0 && run.stdout.starts_with("It is team-7, with a budget of 4321 dollars."), "{run}");
    assert_eq!(
        (told(&services), calls(&sandbox)),
        (vec!["wiki__find_owner".to_owned()], "[\"find_owner\", {\"service\": \"AmazonRDS\"}]\n".to_owned())
    );
    // Known by now.
    services.script(vec![say(Script::text("As before."))]);
    let run = ask(&sandbox, &services, &["who owns RDS?"]);
    assert!(run.code == 0 && !run.stderr.contains("offers"), "{run}");
    assert_eq!(told(&services), ["wiki__find_owner"]);
    // The same name with other words is another tool, and so is another name, also for whoever wants no questions.
    for mode in ["changed", "renamed"] {
        with_child(&sandbox, &services, &python, mode, ", tools: [find_owner, find_owners]");
        services.script(vec![say(Script::text("As before."))]);
        let run = ask(&sandbox, &services, &["who owns RDS?", "--yes"]);
        assert!(run.stderr.contains("new or not as they were when you allowed the others"), "{mode}: {run}");
        assert_eq!(told(&services), Vec::<String>::new());
    }
}

#[test]
fn a_child_sees_only_the_variables_that_it_may() {
    let Some(python) = python("tools of other MCP servers") else { return };
    let (sandbox, services) = (sandbox(), FakeServices::start());
    with_child(
        &sandbox,
        &services,
        &python.to_string_lossy(),
        "environment",
        ", env_passthrough: [WIKI_TOKEN, NO_SUCH]",
    );
    services.script(vec![
        say(Script::call("wiki__find_owner", &json!({}))),
        then(|seen| {
            // Python sets the locale by itself.
            let names: Vec<&str> = seen.results()[0]
                .lines()
                .nth(1)
                .expect("names")
                .split(',')
                .filter(|name| *name != "LC_CTYPE")
                .collect();
            assert_eq!(names, ["WIKI_TOKEN"]);
            Script::text("It sees one.")
        }),
    ]);
    let mut command = query(&sandbox, &services, &["what do you see?", "--yes"]);
    command.env("WIKI_TOKEN", "wiki-SECRET");
    let run: Run = sandbox.finish(command);
    assert!(run.code == 0 && !run.to_string().contains("SECRET"), "{run}");
}

#[test]
fn servers_that_fail_are_said_and_cost_little_time() {
    let Some(python) = python("tools of other MCP servers") else { return };
    let python = python.to_string_lossy().into_owned();
    let (sandbox, services) = (sandbox(), FakeServices::start());
    for mode in ["hang", "die", "flood"] {
        with_child(&sandbox, &services, &python, mode, "");
        services.script(vec![
            say(Script::call("wiki__find_owner", &json!({}))),
            then(move |seen| {
                assert!(
                    seen.results()[0].contains("`wiki__find_owner` does not answer"),
                    "{mode}: {:?}",
                    seen.results()
                );
                Script::text("It does not answer.")
            }),
        ]);
        let begun = Instant::now();
        let run = ask(&sandbox, &services, &["who owns RDS?", "--yes"]);
        assert_eq!(run.code, 0, "{mode}: {run}");
        assert!(begun.elapsed() < Duration::from_secs(15), "{mode}: {:?}", begun.elapsed());
    }
    with_child(&sandbox, &services, &python, "long", "");
    services.script(vec![
        say(Script::call("wiki__find_owner", &json!({}))),
        then(|seen| {
            let result = seen.results()[0];
            assert!(
                result.starts_with("<result>\nCUT: only the beginning") && result.len() < 30_000,
                "{}",
                result.len()
            );
            Script::text("It is long.")
        }),
    ]);
    assert_eq!(ask(&sandbox, &services, &["who owns RDS?", "--yes"]).code, 0);
    // One that never says hello, and one that is not there.
    with_child(&sandbox, &services, &python, "mute", "");
    services.script(vec![say(Script::text("Alone."))]);
    let run = ask(&sandbox, &services, &["who owns RDS?", "--yes"]);
    assert!(run.code == 0 && run.stderr.contains("the MCP server `wiki` does not answer, and is left out"), "{run}");
    configure(&sandbox, &services, "  mcp_servers: [{ name: gone, command: no-such-program-here }]\n");
    services.script(vec![say(Script::text("Alone."))]);
    let run = ask(&sandbox, &services, &["who owns RDS?", "--yes"]);
    assert!(run.code == 0 && run.stderr.contains("the MCP server `gone` does not answer"), "{run}");
    for (server, wrong) in [
        ("{ name: 'a b', command: x }", "needs a name"),
        ("{ name: a }", "needs a `command` or a `url`"),
        ("{ name: a, command: x, url: 'https://x.example' }", "it takes one"),
        ("{ name: a, url: 'http://x.example' }", "begins with https"),
        ("{ name: a, command: x }, { name: a, command: y }", "two servers `a`"),
        ("{ name: a, command: x, token: sk-SECRET }", "never by itself"),
    ] {
        configure(&sandbox, &services, &format!("  mcp_servers: [{server}]\n"));
        let run = ask(&sandbox, &services, &["who owns RDS?"]);
        assert!(run.code == 1 && run.stderr.contains(wrong), "{server}: {run}");
    }
}

#[test]
fn a_server_over_http_is_our_own() {
    let (sandbox, services) = (sandbox(), FakeServices::start());
    let server = crate::mcp_http::Server::start(&sandbox, &[], &[]);
    configure(
        &sandbox,
        &services,
        &format!("  mcp_servers: [{{ name: costs, url: '{}', tools: [get_cost_trend] }}]\n", server.url()),
    );
    services.script(vec![
        say(Script::call("costs__get_cost_trend", &json!({"days": 7}))),
        then(|seen| {
            assert!(seen.tools.iter().any(|tool| tool == "costs__get_cost_trend"));
            Script::text(&format!("It cost ${}.", seen.figure("total")))
        }),
    ]);
    let run = ask(&sandbox, &services, &["what did it cost?", "--yes"]);
    assert!(run.code == 0 && run.stdout.starts_with("It cost $4250.449."), "{run}");
}
