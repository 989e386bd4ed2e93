//! OpenAI: costs of an organization by project and line item, and the tokens of its completions.
//! <https://platform.openai.com/docs/api-reference/usage/costs>.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Api, Row, Span, by_day, if_allowed, row};
use crate::error::Result;

const COSTS: &str = "/v1/organization/costs";

/// Tokens by day, project, model and what of it.
type Tokens = BTreeMap<(i64, String, String, &'static str), f64>;

pub(super) fn rows(api: &Api, span: Span) -> Result<Vec<Row>> {
    let (start, end) = span.seconds();
    let common =
        |group_by: &[&str]| by_day([("start_time", start.to_string()), ("end_time", end.to_string())], group_by);
    let projects = api.names(
        "/v1/organization/projects",
        &[("limit", "100".into()), ("include_archived", "true".into())],
        "after",
    )?;
    let mut rows = Vec::new();
    api.pages(COSTS, &common(&["project_id", "line_item"]), |bucket| {
        for result in bucket["results"].as_array().into_iter().flatten() {
            let amount = &result["amount"];
            // Some answers have the number as text.
            let value = amount["value"].as_f64().or_else(|| amount["value"].as_str()?.parse().ok());
            let value = value.ok_or_else(|| api.odd(COSTS, "a cost has no `amount.value`"))?;
            let project = result["project_id"].as_str();
            rows.push(row(json!({
                "start_time": bucket["start_time"],
                "end_time": bucket["end_time"],
                "amount_value": value,
                "amount_currency": amount["currency"],
                "line_item": result["line_item"],
                "project_id": project,
                "project_name": result["project_name"].as_str().or_else(|| projects.get(project?).map(String::as_str)),
                "organization_id": result["organization_id"],
                "api_key_id": result["api_key_id"],
                "quantity": result["quantity"],
            })));
        }
        Ok(())
    })?;
    let lack_quantities = rows.iter().any(|row: &Row| !row.contains_key("quantity"));
    let tokens =
        if lack_quantities { if_allowed(tokens(api, &common(&["project_id", "model"])))? } else { Tokens::new() };
    for row in &mut rows {
        let found = of_row(row, &tokens);
        if row.contains_key("quantity") {
            // Of what is counted in tokens the line item says it.
            let is_of_tokens = part(row["line_item"].as_str().unwrap_or_default()).is_some();
            row.extend(is_of_tokens.then(|| ("quantity_unit".to_owned(), json!("tokens"))));
        } else if let Some(tokens) = found {
            row.insert("quantity".into(), json!(tokens));
            row.insert("quantity_unit".into(), json!("tokens"));
        }
    }
    Ok(rows)
}

/// The tokens of completions. Where the key may not read them, costs are kept without.
fn tokens(api: &Api, query: &[(&str, String)]) -> Result<Tokens> {
    let mut tokens = Tokens::new();
    api.pages("/v1/organization/usage/completions", query, |bucket| {
        let start = bucket["start_time"].as_i64().unwrap_or_default();
        for result in bucket["results"].as_array().into_iter().flatten() {
            let count = |name: &str| result[name].as_f64().unwrap_or_default();
            let text = |name: &str| result[name].as_str().unwrap_or_default().to_owned();
            let cached = count("input_cached_tokens");
            for (part, tokens_of) in [
                ("input", count("input_tokens") - cached),
                ("cached input", cached),
                ("output", count("output_tokens")),
            ] {
                *tokens.entry((start, text("project_id"), text("model"), part)).or_default() += tokens_of;
            }
        }
        Ok(())
    })?;
    Ok(tokens)
}

/// What of a model a line item is: `gpt-5-2025-08-07, cached input`.
fn part(line_item: &str) -> Option<(&str, &'static str)> {
    let (model, part) = line_item.rsplit_once(", ")?;
    let part = ["input", "cached input", "output"].into_iter().find(|one| *one == part)?;
    Some((model, part))
}

fn of_row(row: &Row, tokens: &Tokens) -> Option<f64> {
    let (model, part) = part(row.get("line_item")?.as_str()?)?;
    let start = row.get("start_time")?.as_i64()?;
    let project = row.get("project_id").and_then(Value::as_str).unwrap_or_default();
    tokens.get(&(start, project.to_owned(), model.to_owned(), part)).copied().filter(|tokens| *tokens > 0.0)
}
