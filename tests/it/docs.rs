//! What the documents say is what the program does.

use std::{fs, path::Path};

use crate::harness::Sandbox;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The help of every command, as `docs/cli.md` has it.
fn reference(sandbox: &Sandbox) -> String {
    let mut text = String::from(
        "# Command line\n\nGenerated from `--help`: `UPDATE_DOCS=1 cargo test --release docs`. Do not edit.\n",
    );
    let commands: &[&[&str]] = &[
        &[],
        &["ingest"],
        &["trends"],
        &["anomalies"],
        &["incidents"],
        &["run"],
        &["watch"],
        &["notify"],
        &["notify", "test"],
        &["notify", "status"],
        &["incidents", "ack"],
        &["incidents", "snooze"],
        &["incidents", "expect"],
        &["explain"],
        &["compare"],
        &["drilldown"],
        &["forecast"],
        &["budgets"],
        &["budgets", "import"],
        &["report"],
        &["backtest"],
        &["reconcile"],
        &["accounts"],
        &["values"],
        &["sql"],
        &["query"],
        &["live"],
        &["live", "costs"],
        &["live", "charges"],
        &["mcp"],
        &["demo"],
        &["sample-data"],
        &["status"],
        &["doctor"],
        &["serve"],
        &["cache"],
        &["cache", "prune"],
        &["config"],
        &["config", "show"],
        &["config", "init"],
        &["completions"],
        &["man"],
    ];
    for command in commands.iter().copied() {
        let mut process = sandbox.command(&[command, &["--help"]].concat());
        process.env("COLUMNS", "100");
        let run = sandbox.finish(process);
        assert_eq!(run.code, 0, "{run}");
        let name = ["aws-cost-anomalies"].iter().chain(command).copied().collect::<Vec<_>>().join(" ");
        text += &format!("\n## {name}\n\n```text\n{}```\n", run.stdout);
    }
    text
}

#[test]
fn cli_md_is_the_help() {
    let current = reference(&Sandbox::new());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cli.md"), &current).expect("write");
    }
    assert!(read("docs/cli.md") == current, "run `UPDATE_DOCS=1 cargo test --release docs` and look at the difference");
}

#[test]
fn every_command_is_in_the_reference() {
    let sandbox = Sandbox::new();
    let help = sandbox.ok(&["--help"]).stdout;
    let (_, commands) = help.split_once("Commands:").expect("commands");
    let (commands, _) = commands.split_once("\n\n").expect("a blank line");
    for line in commands.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   ")) {
        let name = line.split_whitespace().next().expect("a name");
        assert!(name == "help" || read("docs/cli.md").contains(&format!("## aws-cost-anomalies {name}\n")), "{name}");
    }
}

#[test]
fn every_column_and_key_is_documented() {
    let data = read("docs/DATA.md");
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "date,cost\n2026-03-01,1\n");
    sandbox.ok(&["ingest", "a.csv", "--quiet"]);
    for row in sandbox.rows("SELECT DISTINCT column_name FROM duckdb_columns() WHERE NOT internal") {
        let name = row["column_name"].as_str().expect("a name");
        assert!(data.contains(&format!("`{name}`")), "docs/DATA.md lacks `{name}`");
    }
    let config = read("docs/CONFIG.md");
    for entry in sandbox.json(&["config", "show", "--quiet"])["values"].as_array().expect("values") {
        let key = entry["key"].as_str().expect("a key");
        assert!(config.contains(&format!("`{key}`")), "docs/CONFIG.md lacks `{key}`");
    }
}

#[test]
fn version_names_duckdb() {
    let run = Sandbox::new().ok(&["--version"]);
    assert!(run.stdout.starts_with(concat!("aws-cost-anomalies ", env!("CARGO_PKG_VERSION"), " (DuckDB v")), "{run}");
}

#[test]
fn completions_and_manual_pages_are_made() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        assert!(sandbox.ok(&["completions", shell]).stdout.contains("aws-cost-anomalies"));
    }
    assert!(sandbox.ok(&["man"]).stdout.contains(".TH"));
    sandbox.ok(&["man", "--out", "pages"]);
    assert!(sandbox.path("pages/aws-cost-anomalies-trends.1").exists());
}

#[test]
fn links_between_documents_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for file in [
        "README.md",
        "docs/ARCHITECTURE.md",
        "docs/ANOMALIES.md",
        "docs/DATA.md",
        "docs/CONFIG.md",
        "docs/IAM.md",
        "docs/MCP.md",
        "docs/AGENT.md",
        "docs/BENCHMARKS.md",
    ] {
        let text = read(file);
        let folder = root.join(file).parent().expect("a folder").to_owned();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target) {
            let path = target.split('#').next().unwrap_or_default();
            if !path.is_empty() && !path.contains("://") {
                assert!(folder.join(path).exists(), "{file} links to {path}");
            }
        }
    }
}

#[test]
fn the_policies_parse_and_name_what_the_table_names() {
    let text = read("docs/IAM.md");
    let (table, _) = text.split_once("## Cost Explorer").expect("a table");
    let blocks: Vec<&str> = text.split("```json").skip(1).filter_map(|block| block.split("```").next()).collect();
    let mut allowed = std::collections::BTreeSet::new();
    for block in blocks {
        let policy: serde_json::Value = serde_json::from_str(block).unwrap_or_else(|e| panic!("{e}: {block}"));
        assert_eq!(policy["Version"], "2012-10-17");
        for statement in policy["Statement"].as_array().expect("statements") {
            assert_eq!(statement["Effect"], "Allow");
            assert!(statement["Resource"].is_string(), "{statement}");
            match &statement["Action"] {
                serde_json::Value::Array(actions) => {
                    allowed.extend(actions.iter().filter_map(|action| action.as_str().map(str::to_owned)));
                }
                action => drop(allowed.insert(action.as_str().expect("an action").to_owned())),
            }
        }
    }
    assert!(allowed.len() >= 9, "{allowed:?}");
    for action in &allowed {
        assert!(table.contains(&format!("`{action}`")), "{action} is in a policy and not in the table");
    }
    // Every action that the program's errors name is documented.
    for file in ["aws.rs", "accounts.rs", "cost_explorer/mod.rs", "budgets.rs", "discover.rs", "s3/mod.rs"] {
        let source = read(&format!("src/sources/{file}"));
        for part in source.split('"').filter(|part| {
            part.split_once(':').is_some_and(|(service, action)| {
                ["s3", "ce", "cur", "bcm-data-exports", "organizations", "budgets"].contains(&service)
                    && action.starts_with(|c: char| c.is_ascii_uppercase())
            })
        }) {
            assert!(allowed.contains(part), "{part} of {file} is in no policy");
        }
    }
}
