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
    let commands: [&[&str]; 12] = [
        &[],
        &["ingest"],
        &["trends"],
        &["anomalies"],
        &["sql"],
        &["demo"],
        &["sample-data"],
        &["config"],
        &["config", "show"],
        &["config", "init"],
        &["completions"],
        &["man"],
    ];
    for command in commands {
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
