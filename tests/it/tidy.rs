//! The architecture, checked: who may use whom, and which crate appears where.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Modules of this crate that each module may use; every one may use `model`, `error` and `inert`.
const MAY_USE: [(&str, &[&str]); 19] = [
    ("inert", &[]),
    ("error", &[]),
    ("model", &[]),
    ("analysis", &[]),
    ("sources", &["web"]),
    ("store", &[]),
    ("ingest", &["sources", "store"]),
    ("insights", &["store", "analysis"]),
    ("web", &[]),
    ("notify", &["insights", "analysis", "web"]),
    ("agent", &["insights", "analysis", "web"]),
    ("config", &["store", "analysis", "sources", "notify", "agent", "web"]),
    ("operations", &["analysis", "sources", "store", "ingest", "insights", "notify", "agent", "web", "config"]),
    ("report", &["insights", "ingest", "analysis", "notify", "operations"]),
    ("server", &["operations", "report", "web"]),
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
            "server",
            "sources",
            "store",
        ],
    ),
    ("cli", &["commands", "config", "operations", "report", "store"]),
    ("sample", &["sources"]),
    ("lib", &["cli", "operations"]),
];

/// Where a crate may appear.
const CRATES: [(&str, &[&str]); 50] = [
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
    ("tokio", &["sources", "notify", "agent", "operations", "server", "web", "commands"]),
    ("rayon", &["analysis"]),
    ("object_store", &["sources"]),
    ("futures_util", &["sources", "agent", "server", "web"]),
    ("bytes", &["server", "sources", "web"]),
    ("unicode_width", &["report"]),
    ("percent_encoding", &["notify", "server"]),
    ("tracing_subscriber", &["commands"]),
    ("reqwest", &["web"]),
    ("sse_stream", &["agent"]),
    ("rmcp", &["server", "agent"]),
    ("axum", &["server"]),
    ("askama", &["server"]),
    ("tower", &["server"]),
    ("tower_http", &["server"]),
    ("governor", &["server"]),
    ("ipnet", &["server", "web"]),
    ("prometheus_client", &["server"]),
    ("hyper_util", &["server"]),
    ("subtle", &["server"]),
    ("tokio_util", &["server"]),
    ("rust_decimal", &["agent"]),
    ("rustyline", &["commands"]),
    ("aws_smithy_types", &["agent"]),
    ("aws_sdk_cloudwatch", &["sources"]),
    ("lettre", &["notify"]),
    ("hmac", &["notify", "web"]),
    ("croner", &["commands"]),
    ("aws_config", &["sources", "notify", "agent"]),
    ("aws_sdk_sns", &["notify"]),
    ("aws_sdk_bedrockruntime", &["agent"]),
    ("aws_sdk_bcmdataexports", &["sources"]),
    ("aws_sdk_budgets", &["sources"]),
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

/// No name of another module is handed on, for that would get around the table: what all share is in `model`. The
/// library's face are the operations, whose answers are insights' bodies.
#[test]
fn nothing_is_handed_on_around_the_table() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let handed_on = code(&text).lines().filter(|line| line.trim_start().starts_with("pub use crate::")).count();
        let from_model = code(&text).matches("pub use crate::model").count();
        if !["operations", "lib"].contains(&module(&path).as_str()) && handed_on > from_model {
            wrong.push(path.display().to_string());
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// The files that a file names, by the longest beginning of each of its paths that is one. Tests of a file are left out,
/// and so are the folders above it: their `mod.rs` is what all in them stand on.
fn files_named(path: &Path, text: &str, files: &BTreeSet<PathBuf>) -> BTreeSet<PathBuf> {
    let code = code(text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default());
    let mut own: Vec<String> =
        path.with_extension("").components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
    own.retain(|name| name != "mod");
    let mut named = BTreeSet::new();
    for (start, anchor) in ["crate::", "super::"].iter().flat_map(|anchor| code.match_indices(anchor)) {
        // `super::super::` is one path, seen from its beginning.
        if anchor == "super::" && code[..start].ends_with("super::") {
            continue;
        }
        for names in paths(&code[start..]) {
            let mut place = if names[0] == "crate" { Vec::new() } else { own.clone() };
            for name in names {
                match name.as_str() {
                    "crate" => {}
                    "super" => _ = place.pop(),
                    _ => place.push(name),
                }
            }
            let ends = (1..=place.len()).rev().map(|length| place[..length].iter().collect::<PathBuf>());
            let found = ends.flat_map(|end| [end.with_extension("rs"), end.join("mod.rs")]);
            let is_above =
                |file: &PathBuf| file.ends_with("mod.rs") && path.starts_with(file.parent().expect("a folder"));
            named.extend(
                found.into_iter().find(|file| files.contains(file)).filter(|file| file != path && !is_above(file)),
            );
        }
    }
    named
}

/// The paths of one that may branch: `a::{b, c::d}` are `a::b` and `a::c::d`.
fn paths(text: &str) -> Vec<Vec<String>> {
    let name: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let rest = &text[name.len()..];
    if name.is_empty() && !rest.starts_with('{') {
        return vec![Vec::new()];
    }
    let below = match rest.strip_prefix("::") {
        Some(branches) if branches.starts_with('{') => {
            let (mut depth, mut start, mut all) = (0, 1, Vec::new());
            for (index, character) in branches.char_indices() {
                depth += i32::from(character == '{') - i32::from(character == '}');
                if depth == 0 || (depth == 1 && character == ',') {
                    all.extend(paths(branches[start..index].trim()));
                    start = index + 1;
                }
                if depth == 0 {
                    break;
                }
            }
            all
        }
        Some(more) => paths(more),
        None => vec![Vec::new()],
    };
    below.into_iter().map(|below| [vec![name.clone()], below].concat()).collect()
}

#[test]
fn no_circle_of_files() {
    let sources = sources();
    let files: BTreeSet<PathBuf> = sources.keys().cloned().collect();
    let mut uses: BTreeMap<&PathBuf, BTreeSet<PathBuf>> = BTreeMap::new();
    // The face of a folder, which lists what is in it, is no part of a circle.
    for (path, text) in sources.iter().filter(|(path, _)| !path.ends_with("mod.rs") && path.as_os_str() != "lib.rs") {
        uses.insert(path, files_named(path, text, &files));
    }
    assert!(uses.values().map(BTreeSet::len).sum::<usize>() > 300, "the paths were not read");
    // What names nothing that is left cannot be in a circle; what remains is one, or leads to one.
    loop {
        let left: BTreeSet<PathBuf> = uses.keys().map(|path| (*path).clone()).collect();
        let before = uses.len();
        uses.retain(|_, named| named.iter().any(|file| left.contains(file)));
        if uses.len() == before {
            break;
        }
    }
    assert!(uses.is_empty(), "{uses:#?}");
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
    let read = |text: &str| paths(text).iter().map(|names| names.join("::")).collect::<Vec<_>>();
    assert_eq!(read("super::{a::B, c::{self, D}};"), ["super::a::B", "super::c::self", "super::c::D"]);
    let files = BTreeSet::from(["a/b.rs", "a/c.rs", "a/mod.rs"].map(PathBuf::from));
    let named = files_named(Path::new("a/b.rs"), "use super::{E, c::D};\ncrate::a::c::x()", &files);
    assert_eq!(named, BTreeSet::from([PathBuf::from("a/c.rs")]));
}
