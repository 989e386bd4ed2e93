//! The architecture, checked: who may use whom, and which crate appears where.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Modules of this crate that each module may use; every one may use `model`, `error` and `inert`.
const MAY_USE: [(&str, &[&str]); 18] = [
    ("inert", &[]),
    ("error", &[]),
    ("model", &[]),
    ("analysis", &[]),
    ("sources", &[]),
    ("store", &[]),
    ("ingest", &["sources", "store"]),
    ("insights", &["store", "analysis"]),
    ("web", &[]),
    ("notify", &["insights", "web"]),
    ("agent", &["insights", "web"]),
    ("config", &["store", "analysis", "sources", "notify", "agent"]),
    ("operations", &["analysis", "sources", "store", "ingest", "insights", "notify", "agent", "web", "config"]),
    ("report", &["insights", "ingest", "analysis", "notify", "operations"]),
    (
        "commands",
        &[
            "operations",
            "report",
            "agent",
            "config",
            "cli",
            "insights",
            "ingest",
            "notify",
            "sample",
            "sources",
            "store",
        ],
    ),
    ("cli", &["commands", "config", "operations", "report", "store"]),
    ("sample", &["sources"]),
    ("lib", &["cli", "operations"]),
];

/// Where a crate may appear.
const CRATES: [(&str, &[&str]); 26] = [
    ("duckdb", &["store"]),
    ("parquet", &["sample", "sources"]),
    ("arrow", &["sample", "sources"]),
    ("encoding_rs", &["sources"]),
    ("bzip2", &["sources"]),
    ("ruzstd", &["sources"]),
    ("comfy_table", &["report"]),
    ("plotters", &["report"]),
    ("dialoguer", &["commands"]),
    ("rustix", &["store", "operations"]),
    ("serde_yaml", &["config"]),
    ("indicatif", &["commands"]),
    ("tokio", &["sources", "notify", "agent", "commands"]),
    ("reqwest", &["web"]),
    ("lettre", &["notify"]),
    ("hmac", &["notify"]),
    ("croner", &["commands"]),
    ("aws_config", &["sources", "notify", "agent"]),
    ("aws_sdk_sns", &["notify"]),
    ("aws_sdk_bedrockruntime", &["agent"]),
    ("aws_sdk_bcmdataexports", &["sources"]),
    ("aws_sdk_costandusagereport", &["sources"]),
    ("aws_sdk_costexplorer", &["sources"]),
    ("aws_sdk_organizations", &["sources"]),
    ("aws_sdk_s3", &["sources"]),
    ("aws_sdk_sts", &["sources"]),
];

/// Modules that never read the clock, the environment or the network.
const PURE: [&str; 6] = ["inert", "analysis", "insights", "store", "report", "model"];

fn sources() -> BTreeMap<PathBuf, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = BTreeMap::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source file");
                files.insert(path.strip_prefix(&root).expect("below src").to_owned(), text);
            }
        }
    }
    assert!(files.len() > 20, "the sources were not found");
    files
}

fn module(path: &Path) -> String {
    let first = path.components().next().expect("a name").as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// The code without comments and strings' worth of prose: lines that are comments are left out.
fn code(text: &str) -> String {
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The first names of all paths into this crate: of `crate::a::b` and of `use crate::{a::…, b::…}`.
fn uses(code: &str) -> Vec<String> {
    let name = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut found = Vec::new();
    for (start, _) in code.match_indices("crate::") {
        let rest = &code[start + "crate::".len()..];
        if !rest.starts_with('{') {
            found.push(name(rest));
            continue;
        }
        let mut depth = 0;
        let mut at_start = false;
        for (index, character) in rest.char_indices() {
            match character {
                '{' => {
                    depth += 1;
                    at_start = depth == 1;
                }
                '}' => {
                    depth -= 1;
                    if depth == 0 {
                        break;
                    }
                }
                ',' if depth == 1 => at_start = true,
                c if c.is_alphabetic() && at_start => {
                    found.push(name(&rest[index..]));
                    at_start = false;
                }
                _ => {}
            }
        }
    }
    found
}

#[test]
fn modules_use_only_what_the_table_allows() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let module = module(&path);
        if module == "main" {
            continue;
        }
        let (_, allowed) =
            MAY_USE.iter().find(|(name, _)| *name == module).unwrap_or_else(|| panic!("{module} is not in the table"));
        for used in uses(&code(&text)) {
            if used != module
                && !["model", "error", "inert"].contains(&used.as_str())
                && !allowed.contains(&used.as_str())
            {
                wrong.push(format!("{} uses {used}", path.display()));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn crates_appear_only_where_they_belong() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let module = module(&path);
        for (name, allowed) in CRATES {
            let code = code(&text);
            let appears = [
                format!("use {name}::"),
                format!(" {name}::"),
                format!("({name}::"),
                format!("<{name}::"),
                format!("&{name}::"),
            ];
            // `report::config` and the like are modules of ours.
            if appears.iter().any(|text| code.contains(text)) && !allowed.contains(&module.as_str()) {
                wrong.push(format!("{} uses {name}", path.display()));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn clap_stays_at_the_edge() {
    for (path, text) in sources() {
        // The parameters of an operation are flags.
        if ["commands", "cli", "operations"].contains(&module(&path).as_str()) {
            continue;
        }
        for line in code(&text).lines().filter(|line| line.contains("clap::")) {
            assert_eq!(line.trim(), "use clap::ValueEnum;", "{}", path.display());
        }
    }
}

#[test]
fn pure_modules_do_not_look_outside() {
    let outside = ["Utc::now", "Local::now", "SystemTime::now", "Instant::now", "env::var", "TcpStream", "std::net"];
    for (path, text) in sources() {
        if PURE.contains(&module(&path).as_str()) {
            for word in outside {
                // How long the store waits for others is no matter of days.
                let is_waiting = word == "Instant::now" && module(&path) == "store";
                assert!(is_waiting || !code(&text).contains(word), "{} has {word}", path.display());
            }
        }
    }
}

#[test]
fn the_checker_sees_what_it_should() {
    assert_eq!(uses("use crate::{\n    error::{Error, Result},\n    store::Store,\n};"), ["error", "store"]);
    assert_eq!(uses("crate::ingest::Outcome"), ["ingest"]);
}
