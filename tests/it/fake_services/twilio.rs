//! Twilio: <https://www.twilio.com/docs/messaging/api/message-resource>

use serde_json::json;

use super::{
    Received, TWILIO_TOKEN,
    checks::{as_json, is_hex},
    decode::decode_base64,
};
use crate::http::Answer;

pub(super) fn answer(request: &Received, wrong: &mut Vec<String>) -> Answer {
    let refuse = |status: u16, code: u32, message: String, wrong: &mut Vec<String>| {
        let more = format!("https://www.twilio.com/docs/errors/{code}");
        let answer = json!({"code": code, "message": message, "more_info": more, "status": status});
        wrong.push(message);
        as_json(status, &answer)
    };
    let account = request.path.split('/').nth(3).unwrap_or_default();
    let authorization = request.headers.get("authorization").and_then(|text| text.strip_prefix("Basic "));
    let login = authorization.and_then(decode_base64).and_then(|bytes| String::from_utf8(bytes).ok());
    if !is_sid(account, "AC") || login != Some(format!("{account}:{TWILIO_TOKEN}")) {
        return refuse(401, 20003, format!("Authenticate: the account is `{account}`"), wrong);
    }
    let field = |name: &str| request.body[name].as_str().unwrap_or_default();
    let (to, from, service) = (field("To"), field("From"), field("MessagingServiceSid"));
    let Some(fields) = request.body.as_object() else {
        return refuse(400, 21604, "The body is no form, or has a field twice".into(), wrong);
    };
    if let Some(other) =
        fields.keys().find(|name| !["To", "From", "MessagingServiceSid", "Body"].contains(&name.as_str()))
    {
        return refuse(400, 20001, format!("A message has no field `{other}`"), wrong);
    }
    if !is_e164(to) {
        return refuse(400, 21211, format!("The 'To' number {to} is not a valid phone number."), wrong);
    }
    let is_short = from.len() < 12 && from.chars().any(char::is_alphanumeric);
    let is_sender =
        is_e164(from) || (is_short && from.chars().all(|c| c.is_ascii_alphanumeric() || " +-_&".contains(c)));
    match (from.is_empty(), service.is_empty()) {
        (true, true) => return refuse(400, 21603, "A 'From' phone number is required".into(), wrong),
        (false, false) => return refuse(400, 20001, "There is both a 'From' and a service".into(), wrong),
        (false, true) if !is_sender => {
            return refuse(400, 21212, format!("The 'From' number {from} is not a valid phone number."), wrong);
        }
        (true, false) if !is_sid(service, "MG") => {
            return refuse(400, 21701, format!("The Messaging Service {service} does not exist"), wrong);
        }
        _ => {}
    }
    // What is outside of the Basic Multilingual Plane counts twice.
    match field("Body").encode_utf16().count() {
        0 => refuse(400, 21602, "Message body is required.".into(), wrong),
        1601.. => refuse(400, 21617, "The concatenated message body exceeds the 1600 character limit".into(), wrong),
        _ => as_json(
            201,
            &json!({"sid": format!("SM{:032x}", request.raw.len()), "status": "queued", "error_code": null}),
        ),
    }
}

fn is_sid(text: &str, start: &str) -> bool {
    text.strip_prefix(start).is_some_and(|rest| is_hex(rest, 32))
}

fn is_e164(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or_default();
    (7..=15).contains(&digits.len()) && !digits.starts_with('0') && digits.chars().all(|c| c.is_ascii_digit())
}
