//! The cost APIs of OpenAI, Anthropic and LiteLLM: what they are asked is held against their references, and rows as
//! `sample-data` writes them are answered in their shape, in small pages.
//! <https://platform.openai.com/docs/api-reference/usage>, <https://platform.claude.com/docs/en/api/admin-api/usage-cost/get-cost-report>,
//! <https://docs.litellm.ai/docs/proxy/cost_tracking>.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, NaiveDate};
use serde_json::{Value, json};

use super::{Received, checks::as_json, decode::read_form};
use crate::http::Answer;

pub(crate) const OPENAI_KEY: &str = "sk-admin-test-0123456789";
pub(crate) const ANTHROPIC_KEY: &str = "sk-ant-admin-test-0123456789";
pub(crate) const LITELLM_KEY: &str = "sk-litellm-test-0123456789";

/// Days, or rows, of a page, fewer than is asked for.
const PAGE: usize = 9;

/// What is asked: names and values, with `group_by[]` as often as it is there.
fn query(request: &Received) -> Vec<(String, String)> {
    let query = request.path.split_once('?').map_or("", |(_, query)| query);
    let decode = |text: &str| {
        let form = read_form(format!("x={text}").as_bytes());
        form["x"].as_str().unwrap_or_default().to_owned()
    };
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decode(name), decode(value))).collect()
}

fn one<'a>(query: &'a [(String, String)], name: &str) -> Option<&'a str> {
    query.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
}

fn refuse(status: u16, message: &str, wrong: &mut Vec<String>) -> Answer {
    wrong.push(message.to_owned());
    as_json(status, &json!({"error": {"type": "invalid_request_error", "message": message}}))
}

fn check(query: &[(String, String)], known: &[&str], groups: &[&str], most: usize) -> Result<(), String> {
    for (name, value) in query {
        let is_fine = match name.as_str() {
            "group_by[]" => groups.contains(&value.as_str()),
            "bucket_width" => value == "1d",
            "limit" => value.parse().is_ok_and(|limit: usize| (1..=most).contains(&limit)),
            name => known.contains(&name),
        };
        if !is_fine {
            return Err(format!("there is no `{name}={value}`"));
        }
    }
    Ok(())
}

/// The days of a span in pages: buckets made by `of_day`, and the token of the next page.
fn buckets(start: NaiveDate, end: NaiveDate, page: Option<&str>, of_day: impl Fn(NaiveDate) -> Value) -> Value {
    let from = page.and_then(|page| page.strip_prefix("page_")).and_then(|page| page.parse().ok()).unwrap_or(0);
    let days: Vec<NaiveDate> = start.iter_days().take_while(|day| *day < end).collect();
    let data: Vec<Value> = days.iter().skip(from).take(PAGE).map(|day| of_day(*day)).collect();
    let more = from + PAGE < days.len();
    json!({"object": "page", "data": data, "has_more": more, "next_page": more.then(|| format!("page_{}", from + PAGE))})
}

pub(super) fn openai(request: &Received, rows: &[Value], wrong: &mut Vec<String>) -> Answer {
    if request.header("authorization") != format!("Bearer {OPENAI_KEY}") {
        let message =
            "Incorrect API key provided: sk-wro***. You can find your API key at https://platform.openai.com.";
        return as_json(401, &json!({"error": {"message": message, "code": "invalid_api_key"}}));
    }
    let query = query(request);
    let plain = request.path.split('?').next().unwrap_or_default();
    if plain == "/v1/organization/projects" {
        let projects: BTreeMap<&str, &str> =
            rows.iter().filter_map(|row| Some((row["project_id"].as_str()?, row["project_name"].as_str()?))).collect();
        let data: Vec<Value> = projects.iter().map(|(id, name)| json!({"id": id, "name": name})).collect();
        return as_json(200, &json!({"object": "list", "data": data, "has_more": false}));
    }
    let (groups, most): (&[&str], _) = match plain {
        "/v1/organization/costs" => (&["project_id", "line_item", "api_key_id"], 180),
        "/v1/organization/usage/completions" => (&["project_id", "model", "user_id", "api_key_id", "batch"], 31),
        _ => return refuse(404, &format!("there is no {plain}"), wrong),
    };
    if let Err(message) = check(&query, &["start_time", "end_time", "page"], groups, most) {
        return refuse(400, &message, wrong);
    }
    let day = |name: &str| {
        let seconds: i64 = one(&query, name)?.parse().ok()?;
        DateTime::from_timestamp(seconds, 0).map(|time| time.date_naive())
    };
    let (Some(start), Some(end)) = (day("start_time"), day("end_time")) else {
        return refuse(400, "start_time and end_time are seconds", wrong);
    };
    let answer = buckets(start, end, one(&query, "page"), |day| {
        let seconds = day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp();
        let own = rows.iter().filter(|row| row["start_time"] == seconds);
        let results: Vec<Value> = if plain.ends_with("costs") {
            own.map(|row| {
                json!({"object": "organization.costs.result", "amount": {"value": row["amount_value"], "currency": "usd"},
                    "line_item": row["line_item"], "project_id": row["project_id"]})
            })
            .collect()
        } else {
            let of_part = |row: &Value, part: &str| {
                let is_of = row["line_item"].as_str().is_some_and(|item| item.ends_with(part));
                if is_of { row["quantity"].clone() } else { json!(0) }
            };
            own.filter_map(|row| {
                let (model, _) = row["line_item"].as_str()?.rsplit_once(", ")?;
                Some(json!({"object": "organization.usage.completions.result", "project_id": row["project_id"], "model": model,
                    "input_tokens": of_part(row, ", input"), "output_tokens": of_part(row, ", output"), "input_cached_tokens": 0}))
            })
            .collect()
        };
        json!({"object": "bucket", "start_time": seconds, "end_time": seconds + 86400, "results": results})
    });
    as_json(200, &answer)
}

pub(super) fn anthropic(request: &Received, rows: &[Value], wrong: &mut Vec<String>) -> Answer {
    if request.header("x-api-key") != ANTHROPIC_KEY {
        return as_json(
            401,
            &json!({"type": "error", "error": {"type": "authentication_error", "message": "invalid x-api-key"}}),
        );
    }
    if request.header("anthropic-version") != "2023-06-01" {
        return refuse(400, "anthropic-version: header is required", wrong);
    }
    let query = query(request);
    let plain = request.path.split('?').next().unwrap_or_default();
    if plain == "/v1/organizations/workspaces" {
        let names: BTreeMap<&str, &str> = rows
            .iter()
            .filter_map(|row| Some((row["workspace_id"].as_str()?, row["workspace_name"].as_str()?)))
            .collect();
        let data: Vec<Value> =
            names.iter().map(|(id, name)| json!({"id": id, "name": name, "type": "workspace"})).collect();
        return as_json(200, &json!({"data": data, "has_more": false}));
    }
    let groups: &[&str] = match plain {
        "/v1/organizations/cost_report" => &["workspace_id", "description"],
        "/v1/organizations/usage_report/messages" => {
            &["workspace_id", "model", "service_tier", "context_window", "api_key_id"]
        }
        _ => return refuse(404, &format!("there is no {plain}"), wrong),
    };
    if let Err(message) = check(&query, &["starting_at", "ending_at", "page"], groups, 31) {
        return refuse(400, &message, wrong);
    }
    let day = |name: &str| DateTime::parse_from_rfc3339(one(&query, name)?).ok().map(|time| time.date_naive());
    let (Some(start), Some(end)) = (day("starting_at"), day("ending_at")) else {
        return refuse(400, "starting_at and ending_at are RFC 3339", wrong);
    };
    let answer = buckets(start, end, one(&query, "page"), |day| {
        let starting = format!("{day}T00:00:00Z");
        let own = rows.iter().filter(|row| row["starting_at"] == starting.as_str());
        let results: Vec<Value> = if plain.ends_with("cost_report") {
            own.map(|row| {
                json!({"currency": "USD", "amount": row["amount"], "workspace_id": row["workspace_id"], "description": row["description"],
                    "cost_type": row["cost_type"], "context_window": null, "model": row["model"], "service_tier": row["service_tier"],
                    "token_type": row["token_type"], "inference_geo": null})
            })
            .collect()
        } else {
            own.map(|row| {
                let part = row["token_type"].as_str().unwrap_or_default();
                let mut result = json!({"workspace_id": row["workspace_id"], "model": row["model"], "service_tier": row["service_tier"],
                    "context_window": null, "api_key_id": null, "cache_creation": {"ephemeral_1h_input_tokens": 0, "ephemeral_5m_input_tokens": 0}});
                result[part] = row["tokens"].clone();
                result
            })
            .collect()
        };
        json!({"starting_at": starting, "ending_at": format!("{}T00:00:00Z", day + Days::new(1)), "results": results})
    });
    as_json(200, &answer)
}

pub(super) fn litellm(request: &Received, rows: &[Value], wrong: &mut Vec<String>) -> Answer {
    if request.header("authorization") != format!("Bearer {LITELLM_KEY}") {
        return as_json(
            401,
            &json!({"error": {"message": "Authentication Error, Invalid proxy server token passed", "code": "401"}}),
        );
    }
    let query = query(request);
    let known = ["start_date", "end_date", "page", "page_size"];
    if let Some((name, _)) = query.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        return refuse(422, &format!("there is no `{name}`"), wrong);
    }
    let (Some(start), Some(end)) = (one(&query, "start_date"), one(&query, "end_date")) else {
        return refuse(400, "Please provide start_date and end_date", wrong);
    };
    let number = |name: &str| one(&query, name).and_then(|text| text.parse::<usize>().ok());
    let (Some(page), Some(1..=1000)) = (number("page"), number("page_size")) else {
        return refuse(422, "page_size must be from 1 to 1000", wrong);
    };
    let date = |row: &&Value| row["date"].as_str().unwrap_or_default().to_owned();
    let own: Vec<&Value> = rows.iter().filter(|row| (start..=end).contains(&date(row).as_str())).collect();
    let pages = own.len().div_ceil(PAGE).max(1);
    // A page is so many rows of the proxy's table: a day may be in several.
    let mut days: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    own.iter().skip((page - 1) * PAGE).take(PAGE).for_each(|row| days.entry(date(row)).or_default().push(row));
    let metrics = |rows: &[&Value]| {
        let sum = |name: &str| rows.iter().filter_map(|row| row[name].as_f64()).sum::<f64>();
        json!({"spend": sum("spend"), "total_tokens": sum("total_tokens"), "prompt_tokens": sum("total_tokens"), "completion_tokens": 0,
            "api_requests": sum("api_requests")})
    };
    let results: Vec<Value> = days
        .iter()
        .map(|(date, rows)| {
            let by = |name: &str| -> BTreeMap<String, Vec<&Value>> {
                let mut all: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
                rows.iter()
                    .for_each(|row| all.entry(row[name].as_str().unwrap_or_default().into()).or_default().push(row));
                all
            };
            let models: serde_json::Map<String, Value> = by("model")
                .into_iter()
                .map(|(model, rows)| {
                    let keys: serde_json::Map<String, Value> = rows
                        .iter()
                        .map(|row| {
                            let team = row["team_id"].as_str().unwrap_or_default();
                            let metadata = json!({"key_alias": row["team_alias"], "team_id": team});
                            (format!("hash-of-{team}"), json!({"metrics": metrics(&[row]), "metadata": metadata}))
                        })
                        .collect();
                    (model, json!({"metrics": metrics(&rows), "metadata": {}, "api_key_breakdown": keys}))
                })
                .collect();
            let providers: serde_json::Map<String, Value> = by("custom_llm_provider")
                .into_iter()
                .map(|(name, rows)| (name, json!({"metrics": metrics(&rows)})))
                .collect();
            json!({"date": date, "metrics": metrics(rows), "breakdown": {"models": models, "providers": providers}})
        })
        .collect();
    as_json(
        200,
        &json!({"results": results, "metadata": {"page": page, "total_pages": pages, "has_more": page < pages}}),
    )
}
