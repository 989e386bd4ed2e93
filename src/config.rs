//! The configuration: the settings of every module added up, from the built-in defaults, a file, the
//! environment and flags, in this order. Every value knows where it came from.

mod budgets;
mod rates;
mod refusals;
mod saved;

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_yaml::Value;

use crate::{
    agent,
    analysis::detection,
    error::{Error, Result, nearest},
    model::Budget,
    notify::{self, planned::Plan},
    sources::{aws, cost_explorer, mapping, model_vendors, s3},
    store,
    web::Guests,
};

pub(crate) use budgets::{budgets, budgets_as_yaml};
pub(crate) use rates::rates;
use refusals::{refusal, refused_element, wrong_kind};
pub(crate) use saved::with_mapping;

/// The built-in defaults, which are the example file.
pub(crate) const EXAMPLE: &str = include_str!("../config.example.yaml");

/// Environment variables and the keys that they override.
const ENVIRONMENT: [(&str, &str); 6] = [
    ("AWS_COST_DB_PATH", "database.path"),
    ("AWS_COST_CACHE_DIR", "database.cache_dir"),
    ("AWS_COST_PROFILE", "aws_profile"),
    ("AWS_COST_EXPLORER_REGION", "cost_explorer.region"),
    ("AWS_BEDROCK_PROFILE", "bedrock.profile"),
    ("AWS_BEDROCK_REGION", "bedrock.region"),
];

/// The variables of the environment, by name.
pub(crate) type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub aws_profile: String,
    pub aws: aws::Settings,
    pub s3: s3::Settings,
    /// Addresses of containers and buckets of other clouds.
    pub buckets: Vec<String>,
    pub cost_explorer: cost_explorer::Settings,
    pub vendors: model_vendors::Settings,
    /// Names of accounts by id, which win over all others.
    pub accounts: BTreeMap<String, String>,
    /// How plain CSVs are read, by name.
    pub mappings: mapping::Settings,
    pub language_model: agent::Settings,
    pub bedrock: agent::Bedrock,
    pub anthropic: agent::Anthropic,
    pub openai: agent::OpenAi,
    pub agent: agent::AgentSettings,
    pub database: store::Settings,
    pub currency: store::currency::Settings,
    pub anomaly: detection::Settings,
    pub notify: notify::Settings,
    pub budgets: Vec<Budget>,
    pub budgets_file: PathBuf,
    pub server: Guests,
}

/// The merged configuration with the origin of every value.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    pub config: Config,
    /// Key, value and origin, in the order of the example.
    pub entries: Vec<Entry>,
    pub file: Option<PathBuf>,
    /// Whether the file was named, not found.
    pub is_named: bool,
}

/// One value and where it came from.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Entry {
    pub key: String,
    pub value: String,
    pub origin: String,
}

/// A value given by a flag.
pub(crate) struct Override {
    pub key: &'static str,
    pub flag: &'static str,
    pub value: OsString,
}

/// The built-in defaults alone.
pub(crate) fn defaults() -> Result<Loaded> {
    merged(None, &|_| None, &[])
}

/// Merges defaults, `file` (or the first that exists of `./config.yaml` and the user's own), environment
/// and flags.
///
/// # Errors
/// When the file cannot be read, is no YAML, or has a key or value that is not known, or a variable is not UTF-8.
pub(crate) fn load(file: Option<&Path>, environment: Environment, overrides: &[Override]) -> Result<Loaded> {
    let loaded = merged(file.map(Path::to_owned).or_else(|| find_file(environment)), environment, overrides)?;
    Ok(Loaded { is_named: file.is_some(), ..loaded })
}

fn merged(file: Option<PathBuf>, environment: Environment, overrides: &[Override]) -> Result<Loaded> {
    let mut merged: Value =
        serde_yaml::from_str(EXAMPLE).map_err(|e| Error::bug("the built-in defaults are broken").caused_by(e))?;
    let mut origins = BTreeMap::new();
    if let Some(path) = &file {
        let shown = path.display();
        let text = std::fs::read_to_string(path).map_err(|e| {
            Error::input(format!("cannot read the configuration `{shown}`"))
                .caused_by(e)
                .hint("`aws-cost-anomalies config init` writes one")
        })?;
        let value: Value = serde_yaml::from_str(&text)
            .map_err(|e| Error::input(format!("the configuration `{shown}` is not YAML")).caused_by(e))?;
        if !value.is_null() {
            merge(&mut merged, value, "", &shown.to_string(), &mut origins)
                .map_err(|e| e.context(format!("the configuration `{shown}` is not valid")))?;
        }
    }
    let mut given = Vec::new();
    for (variable, key) in ENVIRONMENT {
        given.extend(environment(variable).filter(|value| !value.is_empty()).map(|value| (key, variable, value)));
    }
    given.extend(overrides.iter().map(|one| (one.key, one.flag, one.value.clone())));
    for (key, origin, value) in given {
        // Names of files, too: DuckDB takes no others.
        let text = value.to_str().ok_or_else(|| Error::input(format!("the value of `{origin}` is not UTF-8")))?;
        set(&mut merged, key, text);
        origins.insert(key.to_owned(), origin.to_owned());
    }
    let mut entries = Vec::new();
    flatten(&merged, "", &origins, &mut entries);
    let invalid = |cause: String| {
        let origin = file
            .as_ref()
            .map_or_else(|| "the configuration".to_owned(), |path| format!("the configuration `{}`", path.display()));
        Error::input(format!("{origin} is not valid"))
            .cause(cause)
            .hint("`aws-cost-anomalies config show` prints what is merged; docs/CONFIG.md explains each key")
    };
    let example = serde_yaml::from_str(EXAMPLE).unwrap_or_default();
    if let Some(cause) = wrong_kind(&example, &merged, "") {
        return Err(invalid(cause));
    }
    // What is at the wrong place here may be a secret: the error must not show it.
    let refusals = [
        refusal::<agent::Anthropic>(&merged, "anthropic", None),
        refusal::<agent::AgentSettings>(&merged, "agent", None),
        refusal::<agent::OpenAi>(&merged, "openai", None),
        refusal::<Guests>(&merged, "server", None),
        refusal::<model_vendors::Settings>(&merged, "vendors", None),
        refusal::<notify::Channel>(&merged, "notify", Some("channels")),
        refusal::<notify::Owner>(&merged, "notify", Some("owners")),
        refusal::<notify::Link>(&merged, "notify", Some("links")),
        refusal::<notify::Settings>(&merged, "notify", None),
    ];
    if let Some(cause) = refusals.into_iter().flatten().next() {
        return Err(invalid(cause).hint("docs/ALERTS.md shows every kind of channel"));
    }
    if let Some(cause) = merged.get("budgets").and_then(|list| refused_element::<Budget>(list, "budgets")) {
        return Err(invalid(cause).hint("docs/BUDGETS.md shows every kind of budget"));
    }
    let config: Config = serde_yaml::from_value(merged).map_err(|e| invalid(e.to_string()))?;
    config.database.check()?;
    config.currency.check()?;
    check(&config.anomaly)?;
    check_aws(&config)?;
    for (name, mapping) in &config.mappings {
        mapping.check().map_err(|e| invalid(format!("mappings.{name}: {}", e.summary())))?;
    }
    if !(1..=400).contains(&config.vendors.lookback_days) {
        return Err(Error::input("`vendors.lookback_days` must be from 1 to 400"));
    }
    config.notify.check()?;
    config.agent.check()?;
    config.server.check()?;
    budgets::check(&config.budgets, &config).map_err(|e| e.context("`budgets` is not valid"))?;
    if !(1..=600).contains(&config.language_model.timeout_seconds) {
        return Err(Error::input("`language_model.timeout_seconds` must be from 1 to 600"));
    }
    Ok(Loaded { config, entries, file, is_named: false })
}

/// The plans of a file: a list.
///
/// # Errors
/// When it cannot be read, is no list of plans, or a plan is of nothing.
pub(crate) fn plans(path: &Path) -> Result<Vec<Plan>> {
    if path.as_os_str().is_empty() {
        return Ok(Vec::new());
    }
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|e| {
        Error::input(format!("cannot read the plans `{shown}`"))
            .caused_by(e)
            .hint("`notify.planned` names the file; leave it empty for none")
    })?;
    let wrong = |e: serde_yaml::Error| {
        Error::input(format!("the plans `{shown}` are not valid"))
            .caused_by(e)
            .hint("dates are YYYY-MM-DD, filters a list such as [service=AmazonEC2]; docs/ALERTS.md shows such a file")
    };
    let plans: Option<Vec<Plan>> = serde_yaml::from_str(&text).map_err(wrong)?;
    let plans = plans.unwrap_or_default();
    for plan in &plans {
        plan.check().map_err(|e| e.context(format!("the plans `{shown}` are not valid")))?;
    }
    Ok(plans)
}

fn find_file(environment: Environment) -> Option<PathBuf> {
    let home = || environment("HOME").map(|home| PathBuf::from(home).join(".config"));
    let user = environment("XDG_CONFIG_HOME").map(PathBuf::from).or_else(home);
    let candidates = [Some(PathBuf::from("config.yaml")), user.map(|dir| dir.join("aws-cost-anomalies/config.yaml"))];
    candidates.into_iter().flatten().find(|path| path.is_file())
}

/// Puts `new` over `base`; keys that `base` does not have are refused.
fn merge(
    base: &mut Value,
    new: Value,
    prefix: &str,
    origin: &str,
    origins: &mut BTreeMap<String, String>,
) -> Result<()> {
    match (base, new) {
        // The one section whose keys are the user's own: account ids, which YAML may take for numbers.
        (Value::Mapping(base), Value::Mapping(new)) if prefix == "accounts" => {
            for (id, name) in new {
                let text = |value: &Value| match value {
                    Value::String(text) => Some(text.clone()),
                    Value::Number(number) => Some(format!("{:0>12}", number.to_string())),
                    _ => None,
                };
                let Some((id, name)) = text(&id).zip(name.as_str()) else {
                    return Err(Error::input("`accounts` is a map from account id to name"));
                };
                origins.insert(format!("accounts.{id}"), origin.to_owned());
                base.insert(Value::String(id), Value::String(name.to_owned()));
            }
            Ok(())
        }
        // The other one: mappings have names, and within them what a mapping says.
        (base, Value::Mapping(new)) if prefix == "mappings" => {
            let names = new.keys().filter_map(Value::as_str);
            origins.extend(names.map(|name| (format!("mappings.{name}"), origin.to_owned())));
            *base = Value::Mapping(new);
            Ok(())
        }
        // Models have names, too: those of the user stand beside the known ones.
        (Value::Mapping(base), Value::Mapping(new)) if prefix == "agent.prices" => {
            for (model, price) in new {
                let path = format!("agent.prices.{}", model.as_str().unwrap_or_default());
                match base.get_mut(&model) {
                    Some(slot) => merge(slot, price, &path, origin, origins)?,
                    None => {
                        origins.insert(path, origin.to_owned());
                        base.insert(model, price);
                    }
                }
            }
            Ok(())
        }
        // The place of a secret: a variable or a file, not both.
        (base, Value::Mapping(new)) if prefix == "anthropic.api_key" => {
            *base = Value::Mapping(new);
            Ok(())
        }
        (Value::Mapping(base), Value::Mapping(new)) => {
            for (key, value) in new {
                let name = key.as_str().unwrap_or_default().to_owned();
                let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                match base.get_mut(&key) {
                    Some(slot) => merge(slot, value, &path, origin, origins)?,
                    None => {
                        let known: Vec<&str> = base.keys().filter_map(Value::as_str).collect();
                        let error = Error::input(format!("there is no key `{path}`"));
                        let hint = match nearest(&name, known.iter().copied()) {
                            Some(near) => format!("did you mean `{near}`?"),
                            None => format!("there are: {}", known.join(", ")),
                        };
                        return Err(error.hint(hint));
                    }
                }
            }
            Ok(())
        }
        (Value::Mapping(_), Value::Null) => Ok(()),
        (Value::Mapping(base), _) => {
            let known: Vec<&str> = base.keys().filter_map(Value::as_str).collect();
            Err(Error::input(format!("`{prefix}` is a section with the keys {}", known.join(", "))))
        }
        (base, new) => {
            // Nothing is nothing where the default is, and else an empty text.
            *base = if new.is_null() && !base.is_null() { Value::String(String::new()) } else { new };
            origins.insert(prefix.to_owned(), origin.to_owned());
            Ok(())
        }
    }
}

fn set(root: &mut Value, key: &str, text: &str) {
    let mut value = root;
    for part in key.split('.') {
        match value.get_mut(part) {
            Some(next) => value = next,
            None => return,
        }
    }
    // A path such as `1e3` or `no` stays text; numbers are read as YAML reads them.
    *value = match value {
        Value::Number(_) => serde_yaml::from_str(text).unwrap_or_else(|_| Value::String(text.into())),
        _ => Value::String(text.into()),
    };
}

fn flatten(value: &Value, prefix: &str, origins: &BTreeMap<String, String>, entries: &mut Vec<Entry>) {
    if let Value::Mapping(mapping) = value {
        for (key, value) in mapping {
            let name = key.as_str().unwrap_or_default();
            let path = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
            flatten(value, &path, origins, entries);
        }
        return;
    }
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Sequence(_) => serde_json::to_string(value).unwrap_or_default(),
        other => serde_yaml::to_string(other).unwrap_or_default().trim().to_owned(),
    };
    entries.push(Entry {
        key: prefix.to_owned(),
        value: if !value.is_null() && is_secret(prefix) || has_password(&text) && !text.is_empty() {
            "********".into()
        } else {
            text
        },
        origin: origin_of(prefix, origins).unwrap_or_else(|| "default".into()),
    });
}

/// The origin of a key, or of the nearest key above it that has one.
fn origin_of(key: &str, origins: &BTreeMap<String, String>) -> Option<String> {
    let above = key.match_indices('.').map(|(end, _)| &key[..end]);
    std::iter::once(key).chain(above.collect::<Vec<_>>().into_iter().rev()).find_map(|key| origins.get(key).cloned())
}

/// Whether a key's value must not be shown.
fn is_secret(key: &str) -> bool {
    let last = key.rsplit('.').next().unwrap_or(key).to_lowercase();
    // `tokens` are a model's words, or places of secrets.
    last.contains("api_key") || last.split('_').any(|word| ["secret", "token", "password", "webhook"].contains(&word))
}

/// Whether a text is an address with a name and a password in it.
fn has_password(text: &str) -> bool {
    text.split_once("://").is_some_and(|(_, rest)| rest.split('/').next().is_some_and(|host| host.contains('@')))
}

fn check(anomaly: &detection::Settings) -> Result<()> {
    let refuse = |key: &str, what: &str| Err(Error::input(format!("`anomaly.{key}` must be {what}")));
    if !(5..=400).contains(&anomaly.rolling_window_days) {
        return refuse("rolling_window_days", "from 5 to 400");
    }
    let windows = [
        ("level_days", anomaly.level_days, 7),
        ("shift_days", anomaly.shift_days, 3),
        ("absorb_days", anomaly.absorb_days, 3),
    ];
    for (key, days, least) in windows {
        if days != 0 && !(least..=800).contains(&days) {
            return refuse(key, &format!("from {least} to 800, or 0 for what `rolling_window_days` says"));
        }
    }
    let scales = [
        ("z_score_threshold", anomaly.z_score_threshold),
        ("day_sigmas", anomaly.day_sigmas),
        ("shift_sigmas", anomaly.shift_sigmas),
        ("charge_sigmas", anomaly.charge_sigmas),
        ("drift_threshold_pct", anomaly.drift_threshold_pct),
    ];
    for (key, value) in scales {
        if !(value.is_finite() && value > 0.0) {
            return refuse(key, "above 0");
        }
    }
    let floors = [
        ("min_daily_cost", anomaly.min_daily_cost),
        ("min_impact", anomaly.min_impact),
        ("min_impact_pct", anomaly.min_impact_pct),
        ("min_new_cost", anomaly.min_new_cost),
    ];
    for (key, value) in floors {
        if !(value.is_finite() && value >= 0.0) {
            return refuse(key, "at least 0");
        }
    }
    if anomaly.settle_days > 60 {
        return refuse("settle_days", "at most 60");
    }
    Ok(())
}

fn check_aws(config: &Config) -> Result<()> {
    let within = |key: &str, value: u64, least: u64, most: u64| {
        if (least..=most).contains(&value) {
            return Ok(());
        }
        Err(Error::input(format!("`{key}` must be from {least} to {most}")))
    };
    within("aws.max_attempts", u64::from(config.aws.max_attempts), 1, 20)?;
    within("aws.timeout_seconds", config.aws.timeout_seconds, 1, 3600)?;
    within("cost_explorer.lookback_days", u64::from(config.cost_explorer.lookback_days), 1, 400)?;
    within("cost_explorer.max_requests", u64::from(config.cost_explorer.max_requests), 1, 100_000)?;
    if let Some(export) = config.s3.all().into_iter().find(|export| export.bucket.contains('/')) {
        return Err(Error::input(format!("`{}` is not the name of a bucket", export.bucket))
            .hint("`s3.bucket` is the name alone, without `s3://`; folders are `s3.prefix`"));
    }
    let endpoint = &config.aws.endpoint_url;
    if !endpoint.is_empty() && !endpoint.starts_with("http://") && !endpoint.starts_with("https://") {
        return Err(Error::input("`aws.endpoint_url` must begin with https:// or http://"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing(_: &str) -> Option<OsString> {
        None
    }

    fn with_file(text: &str) -> Result<Loaded> {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("config.yaml");
        std::fs::write(&path, text).expect("write");
        load(Some(&path), &nothing, &[])
    }

    #[test]
    fn the_example_is_the_default_and_complete() {
        let config: Config = serde_yaml::from_str(EXAMPLE).expect("every key is known, none is missing");
        let again = serde_yaml::to_value(&config).expect("serialises");
        let example: Value = serde_yaml::from_str(EXAMPLE).expect("YAML");
        assert_eq!(again, example, "the example has every key, with the type of the settings");
    }

    #[test]
    fn flags_win_over_environment_over_file_over_default() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("config.yaml");
        std::fs::write(&path, "database: { path: from-file, threads: 3 }\naws_profile: from-file\n").expect("write");
        let environment =
            |name: &str| (name == "AWS_COST_DB_PATH" || name == "AWS_COST_PROFILE").then(|| "from-env".into());
        let flag = Override { key: "database.path", flag: "--db", value: "from-flag".into() };
        let loaded = load(Some(&path), &environment, &[flag]).expect("valid");
        assert_eq!(loaded.config.database.path, Path::new("from-flag"));
        assert_eq!(loaded.config.aws_profile, "from-env");
        assert_eq!(loaded.config.database.threads, 3);
        assert_eq!(loaded.config.cost_explorer.lookback_days, 60);
        let origin =
            |key: &str| loaded.entries.iter().find(|e| e.key == key).map(|e| e.origin.clone()).unwrap_or_default();
        assert_eq!(origin("database.path"), "--db");
        assert_eq!(origin("aws_profile"), "AWS_COST_PROFILE");
        assert_eq!(origin("s3.prefix"), "default");
    }

    #[test]
    fn unknown_keys_name_the_nearest() {
        let error = with_file("anomaly: { z_score_treshold: 3 }").expect_err("unknown").to_string();
        assert!(error.contains("there is no key `anomaly.z_score_treshold`"), "{error}");
        assert!(error.contains("did you mean `z_score_threshold`?"), "{error}");
    }

    #[test]
    fn values_of_the_wrong_type_or_range_are_refused() {
        assert!(with_file("anomaly: { settle_days: many }").is_err());
        assert!(with_file("anomaly: { z_score_threshold: -1 }").is_err());
        assert!(with_file("anomaly: 3").expect_err("section").to_string().contains("is a section"));
    }

    #[test]
    fn numbers_that_are_none_are_refused_by_their_key() {
        let numbers: Vec<Entry> = defaults().expect("defaults").entries;
        let numbers = numbers.iter().filter(|entry| entry.value.parse::<f64>().is_ok());
        let mut seen = 0;
        for entry in numbers {
            let (section, key) = entry.key.rsplit_once('.').expect("every number is in a section");
            for wrong in [".nan", ".inf", "-.inf", "-1", "1e300", "\"1\"", "many", "[]", "~"] {
                // Without a limit a score or a floor is only useless.
                if wrong == "1e300" && (section == "anomaly" || key == "growth_factor") {
                    continue;
                }
                let nested = section
                    .split('.')
                    .rev()
                    .fold(format!("{key}: {wrong}"), |inner, name| format!("{name}: {{ {inner} }}"));
                let error = with_file(&nested).expect_err(wrong).to_string();
                assert!(error.contains(&format!("`{}` must be", entry.key)), "{wrong}: {error}");
            }
            seen += 1;
        }
        assert!(seen >= 20, "{seen}");
    }

    #[test]
    #[cfg(unix)]
    fn what_is_no_text_is_refused_by_its_name_and_never_ignored() {
        use std::os::unix::ffi::OsStringExt;
        let odd = || OsString::from_vec(b"odd-\xff.duckdb".to_vec());
        for (variable, _) in ENVIRONMENT {
            let error = load(None, &|asked| (asked == variable).then(odd), &[]).expect_err(variable).to_string();
            assert_eq!(error, format!("the value of `{variable}` is not UTF-8"));
        }
        let flag = Override { key: "database.path", flag: "--db", value: odd() };
        assert!(load(None, &nothing, &[flag]).expect_err("a flag").to_string().contains("`--db` is not UTF-8"));
    }

    #[test]
    fn an_empty_file_changes_nothing() {
        assert!(with_file("# nothing\n").is_ok());
    }

    #[test]
    fn secrets_are_recognised() {
        assert!(is_secret("notify.slack.webhook_url") && is_secret("x.bot_token"));
        assert!(!is_secret("database.path") && !is_secret("agent.max_tokens"));
    }
}
