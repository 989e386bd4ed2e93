//! SNS: <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>; STS, and the signatures of both and of Bedrock.

use std::collections::BTreeMap;

use chrono::NaiveDateTime;
use serde_json::{Value, json};

use super::{
    Received,
    checks::{as_json, is_hex},
};
use crate::http::Answer;

pub(super) fn sns(request: &Received, wrong: &mut Vec<String>) -> Answer {
    let region = check_signature(request, "sns", wrong);
    let body = &request.body;
    let target = request.headers.get("x-amz-target");
    let field = |name: &str| body[name].as_str().unwrap_or_default();
    if target.is_none() && body["Version"] != "2010-03-31" {
        wrong.push(format!("the version of the API is {}", body["Version"]));
    }
    let topic = field("TopicArn");
    if arn_region(topic).is_none_or(|of| of != region) {
        wrong.push(format!("Invalid parameter: TopicArn `{topic}`, signed for `{region}`"));
    }
    let message = field("Message");
    if message.is_empty() {
        wrong.push("Invalid parameter: Empty message".into());
    }
    let attributes = message_attributes(body, target.is_some(), wrong);
    // The attributes count too.
    let mut size = message.len();
    for (name, [kind, value]) in &attributes {
        check_attribute(name, kind, value, wrong);
        size += name.len() + kind.len() + value.len();
    }
    if size > 262_144 {
        wrong.push(format!("Invalid parameter: Message too long: {size} bytes"));
    }
    if attributes.len() > 10 {
        wrong.push(format!("{} attributes are more than SQS takes raw", attributes.len()));
    }
    if let Some(subject) = body["Subject"].as_str() {
        // `less than 100 characters long`; the rest is of former documentation, and not every receiver is newer.
        let is_start = subject.starts_with(|c: char| c.is_ascii_alphanumeric() || c.is_ascii_punctuation());
        let is_line = subject.chars().all(|c| c == ' ' || c.is_ascii_graphic());
        if !is_start || !is_line || subject.len() >= 100 {
            wrong.push(format!("Invalid parameter: Subject `{subject}`"));
        }
    }
    match body["MessageStructure"].as_str() {
        None => {}
        Some("json") => {
            let parts: Value = serde_json::from_str(message).unwrap_or_default();
            if !parts["default"].is_string() {
                wrong.push("Invalid parameter: Message Structure - No default entry in JSON message body".into());
            }
        }
        Some(other) => wrong.push(format!("Invalid parameter: MessageStructure `{other}`")),
    }
    let is_fifo = topic.ends_with(".fifo");
    for name in ["MessageGroupId", "MessageDeduplicationId"] {
        let value = field(name);
        let is_identifier = (1..=128).contains(&value.len()) && value.chars().all(|c| c.is_ascii_graphic());
        let is_allowed = is_fifo || name == "MessageGroupId";
        if (is_fifo || !body[name].is_null()) && !(is_identifier && is_allowed) {
            wrong.push(format!("Invalid parameter: {name} `{value}` of `{topic}`"));
        }
    }
    let id = "94f20ce6-13c5-43a0-9a9e-ca52d816e90b";
    match (wrong.first(), target) {
        (None, None) => Answer::xml(format!(
            "<PublishResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishResult><MessageId>{id}</MessageId>\
             </PublishResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></PublishResponse>"
        )),
        (None, Some(_)) => as_json(200, &json!({"MessageId": id})),
        (Some(message), Some(_)) => as_json(400, &json!({"__type": "InvalidParameterException", "message": message})),
        (Some(message), None) => refuse_query("http://sns.amazonaws.com/doc/2010-03-31/", "InvalidParameter", message),
    }
}

/// Name, and type and value, of each attribute of a message.
fn message_attributes(body: &Value, is_json: bool, wrong: &mut Vec<String>) -> BTreeMap<String, [String; 2]> {
    let mut attributes = BTreeMap::new();
    if is_json {
        for (name, value) in body["MessageAttributes"].as_object().into_iter().flatten() {
            let field = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
            attributes.insert(name.clone(), [field("DataType"), field("StringValue")]);
        }
        return attributes;
    }
    let mut used = 0;
    for number in 1.. {
        let field = |end: &str| body[&format!("MessageAttributes.entry.{number}.{end}")].as_str();
        let Some(name) = field("Name") else { break };
        let values = ["Value.DataType", "Value.StringValue"].map(field);
        used += 1 + values.iter().flatten().count();
        if attributes.insert(name.to_owned(), values.map(|value| value.unwrap_or_default().to_owned())).is_some() {
            wrong.push(format!("the attribute `{name}` is there twice"));
        }
    }
    let sent = body.as_object().into_iter().flatten().filter(|(name, _)| name.starts_with("MessageAttributes")).count();
    if sent != used {
        wrong.push(format!("{sent} fields of attributes, {used} of them well formed"));
    }
    attributes
}

fn check_attribute(name: &str, kind: &str, value: &str, wrong: &mut Vec<String>) {
    let lower = name.to_lowercase();
    let is_name = (1..=256).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
        && !(name.starts_with('.') || name.ends_with('.') || name.contains(".."))
        && !(lower.starts_with("aws.") || lower.starts_with("amazon."));
    let is_value = match kind {
        "String" => !value.is_empty(),
        "Number" => value.parse::<f64>().is_ok_and(f64::is_finite),
        "String.Array" => serde_json::from_str::<Vec<Value>>(value).is_ok(),
        _ => false,
    };
    if !is_name || !is_value {
        wrong.push(format!("Invalid parameter: the attribute `{name}` is the {kind} `{value}`"));
    }
}

/// The region of a topic.
fn arn_region(arn: &str) -> Option<&str> {
    let [arn, partition, service, region, account, name] = arn.split(':').collect::<Vec<_>>().try_into().ok()?;
    let stem = name.strip_suffix(".fifo").unwrap_or(name);
    let is_name = (1..=256).contains(&name.len())
        && !stem.is_empty()
        && stem.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
    let is_account = account.len() == 12 && account.chars().all(|c| c.is_ascii_digit());
    let is_partition = ["aws", "aws-cn", "aws-us-gov"].contains(&partition);
    (arn == "arn" && is_partition && service == "sns" && is_account && is_name && !region.is_empty()).then_some(region)
}

fn refuse_query(space: &str, code: &str, message: &str) -> Answer {
    let message = message.replace('&', "&amp;").replace('<', "&lt;");
    let error = format!("<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>");
    let body = format!("<ErrorResponse xmlns=\"{space}\">{error}<RequestId>1</RequestId></ErrorResponse>");
    Answer { status: 400, ..Answer::xml(body) }
}

/// Holds the form of a signature against the service; gives the region that it is for.
pub(super) fn check_signature(request: &Received, service: &str, wrong: &mut Vec<String>) -> String {
    let authorization = request.header("authorization");
    let part = |name: &str| {
        let rest = authorization.split(name).nth(1).unwrap_or_default();
        rest.split(',').next().unwrap_or_default().trim()
    };
    let scope: Vec<&str> = part("Credential=").split('/').collect();
    let signed: Vec<&str> = part("SignedHeaders=").split(';').collect();
    let signature = part("Signature=");
    let region = scope.get(2).copied().unwrap_or_default();
    let time = NaiveDateTime::parse_from_str(request.header("x-amz-date"), "%Y%m%dT%H%M%SZ");
    let day = time.as_ref().map(|time| time.format("%Y%m%d").to_string()).unwrap_or_default();
    let is_key = scope.first().is_some_and(|key| key.starts_with("AKIA") || key.starts_with("ASIA"));
    let is_scope = scope.len() == 5 && scope[1] == day && scope[3..] == [service, "aws4_request"];
    let is_signed = ["host", "x-amz-date"].iter().all(|name| signed.contains(name));
    let is_signature = is_hex(signature, 64);
    if !authorization.starts_with("AWS4-HMAC-SHA256 ") || !is_key || !is_scope || !is_signed || !is_signature {
        wrong.push(format!("not signed for {service} on `{}`: `{authorization}`", request.header("x-amz-date")));
    }
    if time.is_err() {
        wrong.push(format!("x-amz-date is `{}`", request.header("x-amz-date")));
    }
    region.to_owned()
}

pub(super) fn sts(request: &Received, wrong: &mut Vec<String>) -> Answer {
    check_signature(request, "sts", wrong);
    if let Some(message) = wrong.first() {
        return refuse_query("https://sts.amazonaws.com/doc/2011-06-15/", "IncompleteSignature", message);
    }
    Answer::xml(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
         <Arn>arn:aws:iam::111122223333:user/finops</Arn><UserId>AIDA</UserId><Account>111122223333</Account>\
         </GetCallerIdentityResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></GetCallerIdentityResponse>",
    )
}
