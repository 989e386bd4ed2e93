//! Claude over Anthropic's own API: <https://docs.claude.com/en/api/messages>.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Anthropic, MOST_TOKENS, Question};
use crate::{
    error::{Error, Result},
    web::{Http, check_address},
};

const VERSION: &str = "2023-06-01";
const ATTEMPTS: u32 = 3;

pub(super) fn ask(settings: &Anthropic, question: &Question, timeout: Duration) -> Result<String> {
    check_address("anthropic.url", &settings.url)?;
    let key = settings.api_key.read()?;
    let body = json!({"model": settings.model, "max_tokens": MOST_TOKENS, "system": question.system,
        "messages": [{"role": "user", "content": question.user()}]});
    let address = format!("{}/v1/messages", settings.url.trim_end_matches('/'));
    let answer = Http::new(ATTEMPTS, timeout)?.post(&address, &[&key], |request| {
        request
            .header("content-type", "application/json")
            .header("anthropic-version", VERSION)
            .header("x-api-key", key.expose())
            .body(body.to_string())
    });
    let answer = answer.map_err(|failure| Error::remote("Anthropic does not answer").cause(failure.error))?;
    let answer: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    let texts = answer["content"].as_array().into_iter().flatten().filter_map(|part| part["text"].as_str());
    Ok(texts.collect())
}
