//! Anthropic: the cost report by workspace and description, and the tokens of the usage report.
//! <https://platform.claude.com/docs/en/api/admin-api/usage-cost/get-cost-report>.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Api, Row, Span, by_day, if_allowed, row};
use crate::error::Result;

pub(super) const VERSION: &str = "2023-06-01";
const COSTS: &str = "/v1/organizations/cost_report";
/// What is counted, by the names that costs have for it.
const PARTS: [(&str, &[&str]); 5] = [
    ("uncached_input_tokens", &["uncached_input_tokens"]),
    ("output_tokens", &["output_tokens"]),
    ("cache_read_input_tokens", &["cache_read_input_tokens"]),
    ("cache_creation.ephemeral_1h_input_tokens", &["cache_creation", "ephemeral_1h_input_tokens"]),
    ("cache_creation.ephemeral_5m_input_tokens", &["cache_creation", "ephemeral_5m_input_tokens"]),
];

/// What tokens are of: day, workspace, model, service tier, context window, part.
type Key = [String; 6];

pub(super) fn rows(api: &Api, span: Span) -> Result<Vec<Row>> {
    let common = |group_by: &[&str]| {
        by_day(
            [("starting_at", format!("{}T00:00:00Z", span.start)), ("ending_at", format!("{}T00:00:00Z", span.end))],
            group_by,
        )
    };
    let workspaces = api.names(
        "/v1/organizations/workspaces",
        &[("limit", "1000".into()), ("include_archived", "true".into())],
        "after_id",
    )?;
    let mut rows = Vec::new();
    api.pages(COSTS, &common(&["workspace_id", "description"]), |bucket| {
        for result in bucket["results"].as_array().into_iter().flatten() {
            let amount =
                result["amount"].as_str().map(str::to_owned).or_else(|| Some(result["amount"].as_f64()?.to_string()));
            let amount = amount.ok_or_else(|| api.odd(COSTS, "a cost has no `amount`"))?;
            let workspace = result["workspace_id"].as_str();
            rows.push(row(json!({
                "starting_at": bucket["starting_at"],
                "ending_at": bucket["ending_at"],
                "amount": amount,
                "currency": result["currency"],
                "cost_type": result["cost_type"],
                "description": result["description"],
                "model": result["model"],
                "token_type": result["token_type"],
                "service_tier": result["service_tier"],
                "context_window": result["context_window"],
                "workspace_id": workspace,
                "workspace_name": workspace.and_then(|id| workspaces.get(id)),
            })));
        }
        Ok(())
    })?;
    let tokens = if rows.is_empty() {
        BTreeMap::new()
    } else {
        if_allowed(tokens(api, &common(&["workspace_id", "model", "service_tier", "context_window"])))?
    };
    for row in &mut rows {
        let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let key = ["starting_at", "workspace_id", "model", "service_tier", "context_window", "token_type"].map(text);
        if let Some(count) = tokens.get(&key).filter(|count| **count > 0.0) {
            row.insert("tokens".into(), json!(count));
        }
    }
    Ok(rows)
}

/// The tokens of messages. Where they cannot be read, costs are kept without.
fn tokens(api: &Api, query: &[(&str, String)]) -> Result<BTreeMap<Key, f64>> {
    let mut tokens = BTreeMap::new();
    api.pages("/v1/organizations/usage_report/messages", query, |bucket| {
        for result in bucket["results"].as_array().into_iter().flatten() {
            let text = |name: &str| result[name].as_str().unwrap_or_default().to_owned();
            let start = bucket["starting_at"].as_str().unwrap_or_default();
            for (part, path) in PARTS {
                let count = path.iter().try_fold(result, |value, key| value.get(key)).and_then(Value::as_f64);
                let key = [
                    start.to_owned(),
                    text("workspace_id"),
                    text("model"),
                    text("service_tier"),
                    text("context_window"),
                    part.to_owned(),
                ];
                *tokens.entry(key).or_default() += count.unwrap_or_default();
            }
        }
        Ok(())
    })?;
    Ok(tokens)
}
