//! Slack, by incoming webhook or by bot token: <https://docs.slack.dev/reference/block-kit/blocks>.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    error::{Error, Result},
    inert,
    model::{Severity, cut},
    notify::{
        alert::Alert,
        digest::{Digest, LIST_COMMAND},
        transport::{Sending, Transport},
    },
    web::{self, Failure, secret::Reference},
};

/// Limits of Block Kit, in characters and numbers.
const HEADER: usize = 150;
const SECTION: usize = 3000;
const FIELD: usize = 2000;
const FIELDS: usize = 10;
const BLOCKS: usize = 50;
const BUTTONS: usize = 5;
const ADDRESS: usize = 3000;
/// Of all blocks as JSON; from about 13,200 on `chat.postMessage` refuses: <https://github.com/slackapi/bolt-js/issues/2509>.
const TOGETHER: usize = 11_000;

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// An incoming webhook,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Reference>,
    /// or the token of a bot with `chat:write`, and the channel that it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Reference>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    #[serde(default = "api")]
    pub api_url: String,
}

fn api() -> String {
    "https://slack.com/api".into()
}

impl Transport for Settings {
    fn check(&self) -> Result<()> {
        match (&self.webhook, &self.token, &self.channel) {
            (Some(_), None, None) | (None, Some(_), Some(_)) => web::check_address("api_url", &self.api_url),
            _ => Err(Error::input("`slack` needs either `webhook`, or `token` and `channel`")),
        }
    }

    fn secrets(&self) -> Vec<&Reference> {
        self.webhook.iter().chain(&self.token).collect()
    }

    fn has_threads(&self) -> bool {
        self.token.is_some()
    }

    /// Posts the message; the answer of a bot is its timestamp, by which it can be answered to.
    fn send(&self, digest: &Digest, sending: &Sending, _: &mut Vec<String>) -> Result<Option<String>, Failure> {
        let mut body = message(digest);
        let (Some(token), Some(channel)) = (&self.token, &self.channel) else {
            let webhook = sending.secret(self.webhook.as_ref())?;
            web::secret_address("webhook", &webhook)?;
            sending.json(webhook.expose(), &[&webhook], &body, &[])?;
            return Ok(None);
        };
        let token = sending.secret(Some(token))?;
        body["channel"] = channel.as_str().into();
        body["unfurl_links"] = false.into();
        if let Some(thread) = digest.update_of.as_ref().and_then(|id| sending.reference(id)) {
            body["thread_ts"] = thread.into();
            // What grew or came back is for all to see, not only below.
            body["reply_broadcast"] = digest.alerts.iter().any(|alert| !alert.is_closed()).into();
        }
        let bearer = format!("Bearer {}", token.expose());
        let address = format!("{}/chat.postMessage", self.api_url.trim_end_matches('/'));
        let post = |body: &Value| -> Result<Value, Failure> {
            let answer = sending.json(&address, &[&token], body, &[("authorization", &bearer)])?;
            Ok(serde_json::from_str(&answer.body).unwrap_or_default())
        };
        let mut answer = post(&body)?;
        // A thread that is gone, or locked, is no reason to keep it from anybody.
        if answer["ok"] != true && body["thread_ts"].is_string() && is_of_thread(&answer["error"]) {
            body["thread_ts"] = Value::Null;
            body["reply_broadcast"] = Value::Null;
            if let Value::Object(fields) = &mut body {
                fields.retain(|_, value| !value.is_null());
            }
            answer = post(&body)?;
        }
        if answer["ok"] == true {
            return Ok(answer["ts"].as_str().map(str::to_owned));
        }
        let error = answer["error"].as_str().unwrap_or("no JSON in the answer");
        let error = token.redact(&format!("Slack says `{}`", cut(&inert::one_line(error), 100)));
        let passes =
            ["ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"];
        let of_message = ["invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "msg_too_long", "no_text"];
        let is_one_of = |codes: &[&str]| codes.iter().any(|one| answer["error"] == *one);
        Err(match () {
            () if is_one_of(&passes) => Failure::later(error),
            () if is_one_of(&of_message) => Failure::refused(error),
            () => Failure::settings(error),
        })
    }
}

/// Whether Slack refuses because of the thread: <https://docs.slack.dev/reference/methods/chat.postMessage#errors>.
fn is_of_thread(error: &Value) -> bool {
    let codes = [
        "thread_not_found",
        "cannot_reply_to_message",
        "restricted_action_thread_locked",
        "restricted_action_thread_only_channel",
        "message_not_found",
    ];
    codes.iter().any(|code| error == code)
}

/// The blocks of a digest, with a text for notifications.
fn message(digest: &Digest) -> Value {
    let mut blocks = vec![
        json!({"type": "header", "text": {"type": "plain_text", "text": cut(&inert::one_line(&digest.title), HEADER)}}),
    ];
    if let Some(text) = &digest.text {
        blocks.push(section(&inert::slack(text)));
    }
    let size = |blocks: &[Value]| blocks.iter().map(|block| block.to_string().chars().count()).sum::<usize>();
    let mut excluded = 0;
    for alert in &digest.alerts {
        let more = incident(digest, alert);
        // One block stays for the end.
        let fits = blocks.len() + more.len() < BLOCKS && size(&blocks) + size(&more) + FIELD <= TOGETHER;
        // What comes after has less at stake.
        if excluded == 0 && fits { blocks.extend(more) } else { excluded += 1 }
    }
    let mut end: Vec<String> = digest.rest().into_iter().collect();
    if excluded > 0 {
        end.push(format!("{excluded} more do not fit here"));
    }
    if digest.more + excluded > 0 {
        end.push(format!("`{LIST_COMMAND}` lists all"));
    }
    end.extend(digest.footer().iter().map(|line| inert::slack(line)));
    if !end.is_empty() {
        blocks.push(context(&end.join("\n")));
    }
    json!({"text": cut_escaped(&inert::slack(&digest.short(SECTION)), SECTION), "blocks": blocks})
}

fn incident(digest: &Digest, alert: &Alert) -> Vec<Value> {
    let icon = match alert.severity {
        _ if alert.is_over() => ":white_check_mark:",
        _ if alert.is_closed() => ":pushpin:",
        _ if alert.is_saving() => ":chart_with_downwards_trend:",
        Severity::Critical => ":red_circle:",
        Severity::Warning => ":large_orange_circle:",
        _ => ":large_blue_circle:",
    };
    let head = format!("{icon} *{}*\n{}", inert::slack(&digest.heading(alert)), inert::slack(&alert.sentence));
    let mut blocks = vec![json!({"type": "divider"}), section(&head)];
    let facts = alert.facts();
    let fields = facts.iter().map(|(name, value)| mrkdwn(&format!("*{name}*\n{}", inert::slack(value)), FIELD));
    let fields: Vec<Value> = fields.take(FIELDS).collect();
    if !fields.is_empty() {
        blocks.push(json!({"type": "section", "fields": fields}));
    }
    if let Some(words) = &alert.model_text {
        blocks.push(section(&inert::slack(words)));
    }
    if alert.is_closed() {
        return blocks;
    }
    let buttons = alert.links.iter().filter(|link| link.url.len() <= ADDRESS).take(BUTTONS).enumerate();
    let buttons: Vec<Value> = buttons
        .map(|(place, link)| {
            json!({"type": "button", "text": {"type": "plain_text", "text": cut(&inert::one_line(&link.name), 75)},
                "url": link.url, "action_id": format!("link-{place}")})
        })
        .collect();
    if !buttons.is_empty() {
        blocks.push(json!({"type": "actions", "elements": buttons}));
    }
    blocks.push(context(&format!("`{}`", alert.command())));
    blocks
}

fn section(text: &str) -> Value {
    json!({"type": "section", "text": mrkdwn(text, SECTION)})
}

fn context(text: &str) -> Value {
    json!({"type": "context", "elements": [mrkdwn(text, FIELD)]})
}

/// Text in which Slack makes no links and mentions of its own.
fn mrkdwn(text: &str, most: usize) -> Value {
    json!({"type": "mrkdwn", "text": cut_escaped(text, most), "verbatim": true})
}

/// Cut so that no entity is cut through.
fn cut_escaped(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most - 1).collect();
    let entity = kept.rfind('&').filter(|start| !kept[*start..].contains(';'));
    format!("{}…", &kept[..entity.unwrap_or(kept.len())])
}
