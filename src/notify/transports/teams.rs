//! Microsoft Teams, by the webhook of a workflow, as an adaptive card:
//! <https://adaptivecards.io/explorer/AdaptiveCard.html>.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    inert,
    model::{Severity, cut},
    notify::{
        alert::Alert,
        digest::{Digest, LIST_COMMAND},
        transport::{Sending, Transport},
    },
    web::{self, Failure, secret::Reference},
};

/// Teams takes 28 kB with all that it adds itself; others were refused from 21 kB on:
/// <https://learn.microsoft.com/connectors/teams>.
const MOST_BYTES: usize = 20_000;
const TEXT: usize = 1500;
const BUTTONS: usize = 5;

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    pub webhook: Reference,
}

impl Transport for Settings {
    fn secrets(&self) -> Vec<&Reference> {
        vec![&self.webhook]
    }

    fn send(&self, digest: &Digest, sending: &Sending, _: &mut Vec<String>) -> Result<Option<String>, Failure> {
        let webhook = sending.secret(Some(&self.webhook))?;
        web::secret_address("webhook", &webhook)?;
        sending.json(webhook.expose(), &[&webhook], &fitting(digest), &[])?;
        Ok(None)
    }
}

/// The card with as many incidents as fit.
fn fitting(digest: &Digest) -> Value {
    let fits = |card: &Value| card.to_string().len() <= MOST_BYTES;
    let cards = (0..=digest.alerts.len()).rev().map(|shown| card(digest, shown));
    let mut smallest = Value::Null;
    for card in cards {
        if fits(&card) {
            return card;
        }
        smallest = card;
    }
    smallest
}

fn card(digest: &Digest, shown: usize) -> Value {
    let mut body = vec![
        json!({"type": "TextBlock", "text": text(&digest.title), "weight": "bolder", "size": "medium", "wrap": true}),
    ];
    if let Some(own) = &digest.text {
        body.push(block(own));
    }
    let mut actions = Vec::new();
    for alert in &digest.alerts[..shown] {
        body.push(incident(digest, alert));
        actions.extend(alert.links.iter().map(|link| {
            json!({"type": "Action.OpenUrl", "title": inert::one_line(&format!("{}: {}", link.name, cut(&alert.subject, 40))), "url": link.url})
        }));
    }
    actions.truncate(BUTTONS);
    let excluded = digest.alerts.len() - shown;
    let mut end: Vec<String> = digest.rest().into_iter().collect();
    if excluded > 0 {
        end.push(format!("{excluded} more do not fit here"));
    }
    if !end.is_empty() {
        body.push(block(&format!("{}: {LIST_COMMAND}", end.join(", "))));
    }
    for line in digest.footer() {
        body.push(json!({"type": "TextBlock", "text": text(&line), "size": "small", "isSubtle": true, "wrap": true}));
    }
    let mut content = json!({"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard",
        "version": "1.4", "body": body});
    if !actions.is_empty() {
        content["actions"] = actions.into();
    }
    json!({"type": "message", "attachments": [
        {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null, "content": content}]})
}

fn incident(digest: &Digest, alert: &Alert) -> Value {
    let color = match alert.severity {
        _ if alert.is_over() => "good",
        _ if alert.is_closed() || alert.is_saving() => "accent",
        Severity::Critical => "attention",
        Severity::Warning => "warning",
        _ => "default",
    };
    let facts = alert.facts().into_iter().map(|(name, value)| json!({"title": name, "value": text(&value)}));
    let mut items = vec![
        json!({"type": "TextBlock", "text": text(&digest.heading(alert)), "weight": "bolder",
            "color": color, "wrap": true}),
        block(&alert.sentence),
    ];
    let facts: Vec<Value> = facts.collect();
    if !facts.is_empty() {
        items.push(json!({"type": "FactSet", "facts": facts}));
    }
    items.extend(alert.model_text.as_deref().map(block));
    if !alert.is_closed() {
        items.push(json!({"type": "TextBlock", "text": alert.command(), "fontType": "monospace", "size": "small", "wrap": true}));
    }
    json!({"type": "Container", "separator": true, "items": items})
}

fn block(own: &str) -> Value {
    json!({"type": "TextBlock", "text": text(own), "wrap": true})
}

/// Names come from bills: what looks like a link or formatting is text.
fn text(own: &str) -> String {
    inert::adaptive_card(&cut(own, TEXT))
}
