//! Webhooks: <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use std::collections::HashMap;

use chrono::Utc;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;

use super::{
    HOOK_SECRET, Received,
    checks::{as_json, check_json, empty},
    decode::decode_base64,
};
use crate::http::Answer;

/// The body that each webhook-id stands for is in `bodies`.
pub(super) fn answer(request: &Received, bodies: &mut HashMap<String, Vec<u8>>, wrong: &mut Vec<String>) -> Answer {
    check_json(request, wrong);
    if request.body["schema_version"].is_null() {
        wrong.push("there is no schema_version".into());
    }
    if !wrong.is_empty() {
        return as_json(400, &json!({"error": wrong}));
    }
    if request.path.starts_with("/hook/unsigned") {
        // An identifier and a time help without a secret too.
        if request.headers.contains_key("webhook-signature") {
            wrong.push("there is a signature without a secret".into());
        }
    } else {
        check_signature(request, wrong);
    }
    if let Some(id) = request.headers.get("webhook-id") {
        // It is the same for each attempt, and for nothing else.
        let former = bodies.entry(format!("{} {id}", request.path)).or_insert_with(|| request.raw.clone());
        if *former != request.raw {
            wrong.push(format!("the webhook-id `{id}` stands for two bodies"));
        }
    }
    if wrong.is_empty() { empty(204) } else { as_json(401, &json!({"error": wrong})) }
}

fn check_signature(request: &Received, wrong: &mut Vec<String>) {
    let (id, timestamp) = (request.header("webhook-id"), request.header("webhook-timestamp"));
    // A full stop in it would let the parts of what is signed be cut elsewhere.
    if id.is_empty() || id.contains('.') {
        wrong.push(format!("the webhook-id is `{id}`"));
    }
    let seconds = timestamp.parse::<i64>().ok();
    if seconds.is_none_or(|seconds| (Utc::now().timestamp() - seconds).abs() > 300) {
        wrong.push(format!("the webhook-timestamp is `{timestamp}`"));
    }
    let secret = HOOK_SECRET.strip_prefix("whsec_").and_then(decode_base64).expect("a secret");
    let mut expected = Hmac::<Sha256>::new_from_slice(&secret).expect("a key of any length");
    expected.update(format!("{id}.{timestamp}.").as_bytes());
    expected.update(&request.raw);
    let mut signatures = request.header("webhook-signature").split(' ');
    let matches = signatures.any(|signature| {
        let bytes = signature.strip_prefix("v1,").and_then(decode_base64);
        bytes.is_some_and(|bytes| expected.clone().verify_slice(&bytes).is_ok())
    });
    if !matches {
        wrong.push(format!("the webhook-signature is `{}`", request.header("webhook-signature")));
    }
}
