//! Text of a bill is inert wherever it comes out: one database in which every name is hostile, through every command
//! and format, and to every kind of channel.

use std::{collections::BTreeSet, process::Command, sync::OnceLock};

use duckdb::Connection;
use serde_json::Value;

use crate::{
    fake_services::{FakeServices, HOOK_SECRET, TWILIO_TOKEN},
    harness::{Run, Sandbox},
    levels::day,
};

/// Days without an event, and the events after them, one a day.
const QUIET: u64 = 45;
const EVENTS: u64 = 13;
/// What a name that is run at a shell leaves behind.
const PWNED: &str = "pwned";

fn names() -> Vec<String> {
    serde_json::from_str(include_str!("hostile_names.json")).expect("names")
}

/// What is not seen itself, and must reach no terminal.
fn is_live(c: char) -> bool {
    c.is_control()
        || ('\u{200b}'..='\u{200f}').contains(&c)
        || ('\u{2028}'..='\u{202e}').contains(&c)
        || ('\u{2060}'..='\u{206f}').contains(&c)
        || c == '\u{feff}'
}

fn one_line(name: &str) -> String {
    name.replace(is_live, " ")
}

/// One bill of AWS's, and one of a vendor for each name, with a name in every field. On each day after the quiet ones
/// one account costs more.
fn database() -> &'static Sandbox {
    static DATABASE: OnceLock<Sandbox> = OnceLock::new();
    DATABASE.get_or_init(|| {
        let sandbox = Sandbox::kept();
        let count = names().len();
        let place = |index: usize| format!("place{:03}", index % count);
        let header = "date,cost,provider,account,account_name,service,region,usage_type,usage_amount,usage_unit,resource,description,tag_team,charge_category";
        let mut bill = format!("{header}\n");
        for at in 0..QUIET + EVENTS {
            for index in 0..count {
                let noise = ((at * 7919 + index as u64 * 104_729) % 997) as f64 / 997.0 - 0.5;
                let own = if at >= QUIET && (at - QUIET) * 5 == index as u64 { 90.0 } else { 0.0 };
                let cost = 20.0 + noise + own;
                let [account, name, service, region, usage_type, resource, description, tag] =
                    [0, 5, 11, 17, 23, 29, 41, 31].map(|shift| place(index + shift));
                bill += &format!("{},{cost:.4},AWS,{account},{name},{service},{region},{usage_type},{cost:.1},{tag},{resource},{description},{tag},Usage\n", day(at));
                bill += &format!("{},1.5,{account},vendor,,{service},,,,,,{description},{tag},Usage\n", day(at));
            }
        }
        sandbox.write("bill.csv", bill);
        sandbox.ok(&["ingest", "bill.csv", "--quiet"]);
        let connection = Connection::open(sandbox.path("data/costs.duckdb")).expect("the database");
        let quoted = |name: &str| {
            let parts: Vec<String> = name.split('\0').map(|part| format!("'{}'", part.replace('\'', "''"))).collect();
            parts.join(" || chr(0) || ")
        };
        let rows: Vec<String> =
            names().iter().enumerate().map(|(index, name)| format!("('{}', {})", place(index), quoted(name))).collect();
        let mut sql = format!("CREATE TEMP TABLE hostile AS FROM (VALUES {}) AS t(place, name);", rows.join(", "));
        let own = [
            "provider",
            "usage_account_id",
            "usage_account_name",
            "product_code",
            "product_name",
            "region",
            "usage_type",
            "usage_unit",
            "resource_id",
            "description",
        ];
        let summed = ["provider", "usage_account_id", "product_code", "region"];
        let named = |table: &str, column: &str| {
            format!("UPDATE {table} SET {column} = hostile.name FROM hostile WHERE {table}.{column} = hostile.place;")
        };
        sql.extend(own.map(|column| named("cost_line_items", column)));
        sql.extend(summed.map(|column| named("daily_cost_summary", column)));
        sql += &named("ingestion_log", "provider");
        sql.extend(["id", "name"].map(|column| named("accounts", column)));
        sql += "UPDATE cost_line_items SET tags = map([hostile.name, 'team'], ['own', hostile.name])
                FROM hostile WHERE cost_line_items.tags['team'] = hostile.place;";
        connection.execute_batch(&sql).expect("SQL of a test");
        sandbox
    })
}

fn as_of() -> String {
    day(QUIET + EVENTS).to_string()
}

#[track_caller]
fn assert_terminal(what: &str, text: &str) {
    let live = text.chars().find(|c| *c != '\n' && is_live(*c));
    assert_eq!(live, None, "{what} shows it:\n{text:?}");
    let own = ["error: disk full", "hint: curl"];
    let begun = text.lines().find(|line| own.iter().any(|own| line.starts_with(own)));
    assert_eq!(begun, None, "{what} has a line that a name wrote");
}

/// A line of markdown without its code.
fn without_code(line: &str) -> String {
    let mut kept = String::new();
    let mut rest = line;
    while let Some(start) = rest.find(['`', '\\']) {
        kept += &rest[..start];
        rest = &rest[start..];
        if rest.starts_with('\\') {
            let end = rest.chars().take(2).map(char::len_utf8).sum();
            kept += &rest[..end];
            rest = &rest[end..];
            continue;
        }
        let fence = rest.len() - rest.trim_start_matches('`').len();
        let (ticks, after) = rest.split_at(fence);
        let closing = after
            .match_indices(ticks)
            .map(|(at, _)| at)
            .find(|at| !after[..*at].ends_with('`') && !after[at + fence..].starts_with('`'));
        let Some(closing) = closing else { panic!("code without an end: {line:?}") };
        rest = &after[closing + fence..];
    }
    kept + rest
}

#[track_caller]
fn assert_markdown(what: &str, text: &str) {
    assert_terminal(what, text);
    let mut is_code = false;
    let mut bars = None;
    for line in text.lines() {
        if line.starts_with("```") {
            is_code = !is_code;
            continue;
        }
        if is_code {
            continue;
        }
        let line = without_code(line);
        for live in ["<s", "<i", "<h", "<!", "</", "<@", "://evil", "www.evil", "@here", "@acme"] {
            assert!(!line.to_lowercase().contains(live), "{what} has {live}: {line}");
        }
        let bare = line.replace("\\\\", "").replace("\\[", "").replace("\\]", "").replace("\\|", "");
        assert!(!bare.contains("](") && !bare.contains("[click") && !bare.contains("**"), "{what}: {line}");
        let here = line.starts_with("| ").then(|| bare.matches('|').count());
        assert!(bars.is_none() || here.is_none() || bars == here, "{what} has a row of other cells: {line}");
        bars = here;
    }
    assert!(!is_code, "{what} has a block without an end");
}

#[track_caller]
fn assert_html(what: &str, text: &str) {
    assert_terminal(what, text);
    let known = "!doctype html head meta title style body h1 h2 h3 p b br a table tr td th svg g rect text line polyline polygon path \
        circle ul li code div";
    for (at, _) in text.match_indices('<') {
        let tag: String =
            text[at + 1..].trim_start_matches('/').chars().take_while(|c| !" >/\n".contains(*c)).collect();
        assert!(known.split_whitespace().any(|known| *known == tag.to_lowercase()), "{what} has <{tag}>");
    }
    assert!(!text.contains("href=\"javascript:"), "{what}");
}

#[track_caller]
fn assert_csv(what: &str, text: &str) {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    for record in reader.records() {
        for cell in &record.expect("CSV with as many cells in each row") {
            assert!(!cell.contains(is_live), "{what}: {cell:?}");
            let is_formula = cell.trim_start().starts_with(['=', '+', '-', '@', '＝']);
            assert!(!is_formula || cell.parse::<f64>().is_ok(), "{what} has the formula {cell:?}");
        }
    }
}

/// Every text in a JSON value.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::Object(fields) => {
            fields.iter().flat_map(|(key, value)| [vec![key.clone()], texts(value)].concat()).collect()
        }
        _ => Vec::new(),
    }
}

/// The words that a shell makes of a command, which is not run.
fn words(sandbox: &Sandbox, command: &str) -> Vec<String> {
    assert!(!command.contains('\n'), "{command}");
    let script = format!("set -- {command}\nprintf '%s\\n' \"$@\"");
    let output = Command::new("sh").arg("-c").arg(script).current_dir(sandbox.path("")).output().expect("a shell");
    assert!(output.status.success(), "{command}: {output:?}");
    String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect()
}

/// A command to copy is of AWS's, and what is of the bill in it is one word each.
#[track_caller]
fn assert_command(sandbox: &Sandbox, command: &str) {
    let known: BTreeSet<String> = names().iter().map(|name| one_line(name)).collect();
    let words = words(sandbox, command);
    assert_eq!(words[0], "aws", "{command}");
    let region = words.iter().position(|word| word == "--region").map(|at| &words[at + 1]);
    assert!(region.is_none_or(|region| known.contains(region)), "{command}");
    assert!(!sandbox.path(PWNED).exists(), "{command}");
}

/// A command that does not fail, in each format, looked at as it is.
#[track_caller]
fn in_every_format(sandbox: &Sandbox, arguments: &[&str]) -> Value {
    let what = arguments.join(" ");
    let run = |format: &str| {
        let run = sandbox.run(&[arguments, &["--format", format]].concat());
        assert!([0, 3].contains(&run.code), "{what}\n{run}");
        assert_terminal(&what, &run.stderr);
        run.stdout
    };
    assert_terminal(&what, &run("table"));
    assert_markdown(&what, &run("markdown"));
    assert_csv(&what, &run("csv"));
    serde_json::from_str(&run("json")).expect("JSON")
}

#[test]
fn names_are_inert_in_every_command_and_format() {
    let sandbox = database();
    let as_of = as_of();
    let first = day(QUIET - 10).to_string();
    let all: BTreeSet<String> = names().into_iter().collect();
    let holds_all = |what: &str, answer: &Value| {
        let texts: BTreeSet<String> = texts(answer).into_iter().collect();
        let missing: Vec<&String> = all.difference(&texts).collect();
        assert_eq!(missing, Vec::<&String>::new(), "{what}: JSON has the names as they are");
    };
    for dimension in
        ["account", "service", "region", "usage-type", "resource", "tag:team", "provider", "service+account"]
    {
        let answer = in_every_format(sandbox, &["trends", "--group-by", dimension, "--top", "100", "--as-of", &as_of]);
        holds_all(dimension, &answer);
    }
    for dimension in ["resource", "tag:team+service"] {
        let asked =
            ["anomalies", "--group-by", dimension, "--from", &first, "--top", "0", "--no-save", "--as-of", &as_of];
        in_every_format(sandbox, &asked);
    }
    let last = day(QUIET + EVENTS - 2).to_string();
    let before = format!("{first}..{first}");
    let after = format!("{last}..{last}");
    for dimension in ["account", "tag:team"] {
        let asked =
            ["compare", "--from", &before, "--to", &after, "--group-by", dimension, "--top", "100", "--as-of", &as_of];
        holds_all(dimension, &in_every_format(sandbox, &asked));
    }
    in_every_format(sandbox, &["drilldown", "--from", &before, "--to", &after, "--top", "100", "--as-of", &as_of]);
    holds_all("accounts", &in_every_format(sandbox, &["accounts"]));
    in_every_format(sandbox, &["backtest", "--group-by", "service", "--days", "7", "--as-of", &as_of]);
    in_every_format(sandbox, &["doctor", "--offline"]);
}

#[test]
fn names_are_inert_in_the_answers_of_sql() {
    let sandbox = database();
    let query = "SELECT DISTINCT description, product_code AS \"=1+1\", usage_account_name FROM cost_line_items";
    let answer = in_every_format(sandbox, &["sql", query]);
    let texts: BTreeSet<String> = texts(&answer).into_iter().collect();
    assert!(names().iter().all(|name| texts.contains(name)), "{answer}");
    let columns: Vec<String> = names()
        .iter()
        .filter(|name| !name.contains('\0'))
        .map(|name| format!("1 AS \"{}\"", name.replace('"', "\"\"")))
        .collect();
    in_every_format(sandbox, &["sql", &format!("SELECT {}", columns.join(", "))]);
}

#[test]
fn names_are_inert_on_the_page() {
    let sandbox = database();
    let page = |format: &str, dimension: &str| {
        sandbox.ok(&["report", "--group-by", dimension, "--top", "100", "--format", format, "--as-of", &as_of()]).stdout
    };
    assert_markdown("report", &page("markdown", "service+account"));
    assert_html("report", &page("html", "service+account"));
}

#[test]
fn names_are_inert_in_errors_and_hints() {
    let sandbox = database();
    for name in names().iter().filter(|name| !name.contains('\0')).step_by(3) {
        let filter = format!("service={name}x");
        let run = sandbox.run(&["trends", "--filter", &filter, "--as-of", &as_of()]);
        assert_eq!(run.code, 1, "{run}");
        assert_terminal(&filter, &run.stderr);
        if let Some((_, near)) = run.stderr.split_once("did you mean `") {
            let (near, _) = near.rsplit_once("`?").expect("a name");
            let words = words(sandbox, &format!("trends --filter service={near}"));
            let value = words[2].strip_prefix("service=").expect("a filter");
            assert!(words.len() == 3 && names().iter().any(|name| one_line(name) == value), "{words:?}");
        }
    }
    assert!(!sandbox.path(PWNED).exists());
}

#[test]
fn names_of_files_and_columns_are_inert() {
    let sandbox = Sandbox::new();
    for (index, name) in names().iter().filter(|name| !name.contains(['\0', '/']) && name.len() < 200).enumerate() {
        let header = format!("date,cost,service,\"{}\"", name.replace('"', "\"\""));
        let content = match index % 3 {
            0 => format!("{header}\n{},1.5,S3,x\n", day(index as u64)),
            1 => format!("\"{}\",cost\n1,2\n", name.replace('"', "\"\"")),
            _ => format!("{header}\nno-day,no-cost,\"{}\",x\n", name.replace('"', "\"\"")),
        };
        sandbox.write(&format!("bills/{name}.csv"), content);
    }
    for format in ["table", "markdown", "csv"] {
        let run = sandbox.run(&["ingest", "bills", "--format", format]);
        assert_terminal("ingest", &run.stderr);
        match format {
            "table" => assert_terminal("ingest", &run.stdout),
            "csv" => assert_csv("ingest", &run.stdout),
            _ => assert_markdown("ingest", &run.stdout),
        }
    }
    for file in std::fs::read_dir(sandbox.path("bills")).expect("the bills").take(12) {
        let run = sandbox.run(&["ingest", &file.expect("a bill").path().to_string_lossy()]);
        assert_terminal("ingest", &run.to_string());
    }
}

/// A run of each day on which something happens, to every kind of channel.
#[test]
fn names_are_inert_in_messages_and_their_commands_at_a_shell() {
    let services = FakeServices::start();
    let sandbox = Sandbox::new();
    std::fs::create_dir_all(sandbox.path("data")).expect("a folder");
    std::fs::copy(database().path("data/costs.duckdb"), sandbox.path("data/costs.duckdb")).expect("a copy");
    // Commands are for bills that are AWS's alone.
    let connection = Connection::open(sandbox.path("data/costs.duckdb")).expect("the database");
    let only = ["cost_line_items", "daily_cost_summary", "ingestion_log"]
        .map(|table| format!("DELETE FROM {table} WHERE provider <> 'AWS';"));
    connection.execute_batch(&only.concat()).expect("SQL of a test");
    drop(connection);
    let url = &services.url;
    sandbox.write(
        "config.yaml",
        format!(
            "notify:
  timeout_seconds: 2
  links: [{{ name: Wiki, url: 'https://wiki.example/{{service}}/{{account}}' }}]
  channels:
  - {{ name: slack, slack: {{ webhook: {{ env: SLACK_WEBHOOK }} }} }}
  - {{ name: teams, teams: {{ webhook: {{ env: TEAMS_WEBHOOK }} }} }}
  - {{ name: relay, webhook: {{ url: {{ env: HOOK_URL }}, secret: {{ env: HOOK_SECRET }} }} }}
  - {{ name: pager, pagerduty: {{ routing_key: {{ env: ROUTING_KEY }}, url: '{url}/v2/enqueue' }} }}
  - {{ name: phones, twilio: {{ account_sid: AC0123456789abcdef0123456789abcdef, auth_token: {{ env: TWILIO_TOKEN }},
      from: '+14155550100', to: ['+14155550123'], api_url: '{url}' }} }}
  - {{ name: topic, sns: {{ topic_arn: 'arn:aws:sns:eu-west-1:111122223333:costs' }} }}
  - {{ name: log, file: {{ path: alerts.txt }} }}
  - {{ name: here, stdout: {{}} }}
"
        ),
    );
    let run = |arguments: &[&str]| -> Run {
        let mut command = sandbox.command(arguments);
        command.env("SLACK_WEBHOOK", format!("{url}/services/T0/B0/X")).env("TEAMS_WEBHOOK", format!("{url}/teams/x"));
        command.env("HOOK_URL", format!("{url}/hook/x")).env("HOOK_SECRET", HOOK_SECRET);
        command.env("ROUTING_KEY", "0123456789abcdef0123456789abcdef").env("TWILIO_TOKEN", TWILIO_TOKEN);
        command.env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE").env("AWS_SECRET_ACCESS_KEY", crate::fake_aws::SECRET);
        command.env("AWS_REGION", "us-east-1").env("AWS_ENDPOINT_URL", url);
        sandbox.finish(command)
    };
    let mut printed = String::new();
    for event in 0..EVENTS {
        let as_of = day(QUIET + event + 2).to_string();
        let run = run(&["run", "--no-ingest", "--as-of", &as_of]);
        assert_eq!(run.code, 0, "{run}");
        assert_terminal("run", &run.to_string());
        printed += &run.stdout;
    }
    services.assert_clean();
    for request in services.received().iter().filter(|request| request.service != "sts") {
        let raw = request.body.to_string();
        for text in texts(&request.body) {
            let live = text.chars().find(|c| *c != '\n' && is_live(*c));
            assert_eq!(live, None, "{} gets it: {text:?}", request.service);
        }
        match request.service {
            "slack-webhook" => assert!(!raw.contains("<!") && !raw.contains("<@") && !raw.contains("<h"), "{raw}"),
            "teams" => {
                let bare = raw.replace(r"\\[", "").replace(r"\\]", "").replace(r"\\<", "");
                assert!(!bare.contains("](") && !bare.contains("<at>") && !bare.contains("{{DATE"), "{raw}");
            }
            _ => {}
        }
    }
    let log = std::fs::read_to_string(sandbox.path("alerts.txt")).expect("a log");
    assert_terminal("the file", &log);
    let mut commands = 0;
    for text in [&log, &printed] {
        for command in text.lines().filter_map(|line| line.trim_start().strip_prefix("look with: ")) {
            assert_command(&sandbox, command);
            commands += 1;
        }
    }
    assert!(commands >= 4, "{commands} commands in\n{log}");
    in_every_format(&sandbox, &["incidents", "--status", "all"]);
    in_every_format(&sandbox, &["notify", "--dry-run"]);
    in_every_format(&sandbox, &["notify", "status"]);
    let ids = sandbox.rows("SELECT id FROM incidents ORDER BY start_date, id");
    for id in ids.iter().filter_map(|row| row["id"].as_str()).take(4) {
        in_every_format(&sandbox, &["incidents", id]);
        let answer = in_every_format(&sandbox, &["explain", id]);
        let shown = sandbox.ok(&["explain", id, "--quiet"]).stdout;
        for step in answer["next"].as_array().into_iter().flatten() {
            let command = step["command"].as_str().expect("a command");
            assert_command(&sandbox, command);
            assert!(shown.lines().any(|line| line == format!("    {command}")), "{command} is not whole in\n{shown}");
        }
    }
    assert!(ids.len() >= 8, "{ids:?}");
    assert!(!sandbox.path(PWNED).exists());
}

/// A page has the elements of its templates and no others, and what browsers run is none of a name's.
#[track_caller]
fn assert_page(what: &str, text: &str) {
    assert_terminal(what, text);
    let known = "!doctype html head meta title link script body header nav main section footer figure figcaption dialog h1 h2 h3 p a span div \
        strong code pre ul ol li dl dt dd table caption thead tbody tr th td svg path rect title form fieldset legend label input select \
        option datalist textarea button details summary";
    for (at, _) in text.match_indices('<') {
        let rest = text[at + 1..].trim_start_matches('/');
        let tag: String = rest.chars().take_while(|c| !" >/\n".contains(*c)).collect();
        assert!(known.split_whitespace().any(|known| *known == tag.to_lowercase()), "{what} has <{tag}>");
        if text[at + 1..].starts_with('/') {
            continue;
        }
        // No attribute that runs anything, and scripts are files of the server's.
        // What is between quotes is a value; a quote of a name's is escaped.
        let mut is_value = false;
        let inside = rest.chars().take_while(|c| {
            is_value ^= *c == '"';
            is_value || *c != '>'
        });
        let inside: String = inside.collect();
        let names: String = inside.split('"').step_by(2).collect::<String>().to_lowercase();
        assert!(!names.contains(" on"), "{what}: <{names}>");
        let inside = inside.to_lowercase();
        assert!(tag != "script" || inside.starts_with("script src=\"/assets/"), "{what}: <{inside}>");
    }
    // Tables as files are what a page carries with it; each is CSV to be kept, by a name without anything odd.
    let file = " href=\"data:text/csv;charset=utf-8,";
    for part in text.split(file).skip(1) {
        let (written, rest) = part.split_once('"').expect("the end of an address");
        assert!(
            written.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._,:%".contains(&byte)),
            "{what}: {written}"
        );
        let name = rest.strip_prefix(" hx-boost=\"false\" download=\"").and_then(|rest| rest.split('"').next());
        let name = name.unwrap_or_else(|| panic!("{what} opens a file"));
        assert!(name.chars().all(|c| c.is_alphanumeric() || "-.".contains(c)), "{what}: {name}");
        assert_csv(what, &percent_encoding::percent_decode_str(written).decode_utf8().expect("UTF-8"));
    }
    let text = text.replace(file, "");
    for scheme in ["href=\"javascript:", "href=\"data:", "src=\"http", "href=\"//"] {
        assert!(!text.to_lowercase().contains(scheme), "{what} has {scheme}");
    }
}

#[test]
fn names_are_inert_in_pages_and_in_what_the_server_gives() {
    let template = database();
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path("data")).expect("a folder");
    std::fs::copy(template.path("data/costs.duckdb"), sandbox.path("data/costs.duckdb")).expect("a copy");
    let as_of = as_of();
    sandbox.ok(&["anomalies", "--from", &day(QUIET).to_string(), "--as-of", &as_of, "--quiet"]);
    let server = crate::serve::Server::as_of(&sandbox, &as_of, &[]);
    let incidents: Value = serde_json::from_str(&server.text("/api/v1/incidents?status=all")).expect("JSON");
    let ids: Vec<&str> =
        incidents["incidents"].as_array().expect("a list").iter().filter_map(|one| one["id"].as_str()).collect();
    assert!(ids.len() > 5, "{incidents}");
    let mut paths: Vec<String> =
        ["/", "/incidents?status=all", "/compare?top=100", "/forecast?top=100", "/accounts", "/status"]
            .map(str::to_owned)
            .to_vec();
    for dimension in
        ["account", "service", "region", "usage-type", "resource", "tag:team", "provider", "service%2Baccount"]
    {
        paths.push(format!("/explore?group_by={dimension}&top=100"));
    }
    paths.extend(ids.iter().step_by(ids.len() / 4).map(|id| format!("/incidents/{id}")));
    for path in paths {
        assert_page(&path, &server.text(&path));
    }
    // Names that come with the address.
    for name in names().iter().filter(|name| !name.contains('\0')).step_by(4) {
        let value: String = name.bytes().map(|byte| format!("%{byte:02x}")).collect();
        for path in [
            format!("/explore?filter=service%3D{value}"),
            format!("/incidents/{value}"),
            format!("/incidents?since=2099-01-01&said={value}"),
            format!("/{value}"),
        ] {
            let answer = server.get(&path);
            let is_page = answer.headers()["content-type"].to_str().expect("text").starts_with("text/html");
            let text = answer.text().expect("text");
            if is_page {
                assert_page(&path, &text);
            }
        }
        let asked = server.get(&format!("/login?to={value}"));
        assert_page("/login", &asked.text().expect("text"));
    }
    for path in [
        "trends?group_by=service&top=100",
        "values?dimension=tag:team&top=100",
        "incidents?status=all",
        "accounts",
        "compare?group_by=account",
    ] {
        let space = if path.contains('?') { '&' } else { '?' };
        assert_csv(path, &server.text(&format!("/api/v1/{path}{space}format=csv")));
        assert_markdown(path, &server.text(&format!("/api/v1/{path}{space}format=markdown")));
    }
}
