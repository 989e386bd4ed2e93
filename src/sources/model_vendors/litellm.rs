//! LiteLLM: the daily activity of a proxy, by model and key. <https://docs.litellm.ai/docs/proxy/cost_tracking>.

use std::collections::BTreeMap;

use chrono::Days;
use serde_json::{Value, json};

use super::{Api, MOST_PAGES, Row, Span, row};
use crate::error::Result;

const ACTIVITY: &str = "/user/daily/activity";
/// Rows of the proxy's own table in an answer, at most 1000; a day may be in several answers.
const PAGE_SIZE: u32 = 1000;
/// Dollars below this are rounding.
const NOTHING: f64 = 1e-9;

/// What calls cost, of a day, a model and a key.
#[derive(Clone, Debug, Default)]
struct Calls {
    provider: String,
    team: Option<String>,
    key_name: Option<String>,
    counts: BTreeMap<&'static str, f64>,
}

const COUNTS: [&str; 5] = ["spend", "total_tokens", "prompt_tokens", "completion_tokens", "api_requests"];

pub(super) fn rows(api: &Api, span: Span) -> Result<Vec<Row>> {
    let mut all: BTreeMap<(String, String, String), Calls> = BTreeMap::new();
    for page in 1..=MOST_PAGES {
        let query = [
            ("start_date", span.start.to_string()),
            ("end_date", (span.end - Days::new(1)).to_string()),
            ("page", page.to_string()),
            ("page_size", PAGE_SIZE.to_string()),
        ];
        let answer = api.get(ACTIVITY, &query)?;
        let results = answer["results"].as_array().ok_or_else(|| api.odd(ACTIVITY, "there are no `results`"))?;
        for day in results {
            let date = day["date"]
                .as_str()
                .and_then(|date| date.get(..10))
                .ok_or_else(|| api.odd(ACTIVITY, "a day has no `date`"))?;
            let providers: Vec<&String> =
                day["breakdown"]["providers"].as_object().into_iter().flatten().map(|(name, _)| name).collect();
            let models = day["breakdown"]["models"].as_object();
            for (model, of_model) in models.into_iter().flatten() {
                let provider = provider(model, &providers);
                let mut left = counts(&of_model["metrics"]);
                for (key, of_key) in of_model["api_key_breakdown"].as_object().into_iter().flatten() {
                    let own = counts(&of_key["metrics"]);
                    COUNTS.iter().for_each(|name| *left.entry(name).or_default() -= own[name]);
                    let text = |name: &str| {
                        of_key["metadata"][name].as_str().filter(|text| !text.is_empty()).map(str::to_owned)
                    };
                    let calls = all.entry((date.to_owned(), model.clone(), key.clone())).or_default();
                    add(calls, &own);
                    calls.provider.clone_from(&provider);
                    calls.team = text("team_id");
                    calls.key_name = text("key_alias");
                }
                // What no key is named for.
                if left["spend"].abs() > NOTHING {
                    let calls = all.entry((date.to_owned(), model.clone(), String::new())).or_default();
                    add(calls, &left);
                    calls.provider = provider;
                }
            }
            let of_models: f64 =
                models.into_iter().flatten().map(|(_, model)| counts(&model["metrics"])["spend"]).sum();
            let of_day = counts(&day["metrics"])["spend"];
            if (of_day - of_models).abs() > 1e-6 * of_day.abs().max(1.0) {
                return Err(api.odd(ACTIVITY, &format!("{date} costs {of_day}, its models {of_models}")));
            }
        }
        let metadata = &answer["metadata"];
        let is_last = metadata["total_pages"].as_u64().is_none_or(|pages| page as u64 >= pages);
        if is_last && metadata["has_more"] != Value::Bool(true) {
            return Ok(all.into_iter().map(as_row).collect());
        }
    }
    Err(api.odd(ACTIVITY, "it has no last page"))
}

fn counts(metrics: &Value) -> BTreeMap<&'static str, f64> {
    COUNTS.iter().map(|name| (*name, metrics[name].as_f64().unwrap_or_default())).collect()
}

fn add(calls: &mut Calls, counts: &BTreeMap<&'static str, f64>) {
    counts.iter().for_each(|(name, count)| *calls.counts.entry(name).or_default() += count);
}

fn as_row(((date, model, key), calls): ((String, String, String), Calls)) -> Row {
    let count = |name: &str| calls.counts.get(name).copied().unwrap_or_default();
    row(json!({
        "date": date,
        "model": model,
        "custom_llm_provider": calls.provider,
        "team_id": calls.team,
        // A proxy answers with hashes of its keys; one that does not is not to be written down.
        "api_key": (!key.is_empty() && !key.starts_with("sk-")).then_some(&key),
        "key_alias": calls.key_name,
        "spend": count("spend"),
        "total_tokens": count("total_tokens"),
        "prompt_tokens": count("prompt_tokens"),
        "completion_tokens": count("completion_tokens"),
        "api_requests": count("api_requests"),
    }))
}

/// Whose a model is: what its name begins with, the day's only provider, else what models of that name are known for.
fn provider(model: &str, providers: &[&String]) -> String {
    const KNOWN: [(&str, &str); 9] = [
        ("gpt-", "openai"),
        ("o1", "openai"),
        ("o3", "openai"),
        ("o4", "openai"),
        ("text-embedding-", "openai"),
        ("claude-", "anthropic"),
        ("gemini-", "gemini"),
        ("mistral-", "mistral"),
        ("command-", "cohere"),
    ];
    let named = model.split_once('/').map(|(provider, _)| provider);
    if let Some(named) = named.filter(|named| providers.iter().any(|provider| provider.as_str() == *named)) {
        return named.to_owned();
    }
    match providers {
        [only] => (*only).clone(),
        _ => {
            let own = model.rsplit('/').next().unwrap_or(model);
            let known = KNOWN.iter().find(|(start, _)| own.starts_with(start)).map(|(_, provider)| *provider);
            named.or(known).unwrap_or("unknown").to_owned()
        }
    }
}
