//! PagerDuty, events API v2: <https://developer.pagerduty.com/docs/send-alert-event>. An incident here is an incident there:
//! its id is what they are told apart by, so that it is opened once however often it is sent.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    error::Result,
    inert,
    model::cut,
    notify::{
        alert::Alert,
        digest::{About, Digest},
        transport::{Sending, Transport},
    },
    web::{self, Failure, secret::Reference},
};

const SUMMARY: usize = 1024;
/// What failures of the program itself are told apart by.
const OWN: &str = "aws-cost-anomalies";

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    pub routing_key: Reference,
    #[serde(default = "events")]
    pub url: String,
}

fn events() -> String {
    "https://events.pagerduty.com/v2/enqueue".into()
}

impl Transport for Settings {
    fn secrets(&self) -> Vec<&Reference> {
        vec![&self.routing_key]
    }

    fn check(&self) -> Result<()> {
        web::check_address("url", &self.url)
    }

    fn tracks_incidents(&self) -> bool {
        true
    }

    /// Sends an event for each incident that is not among `done`, and adds it there.
    fn send(&self, digest: &Digest, sending: &Sending, done: &mut Vec<String>) -> Result<Option<String>, Failure> {
        let key = sending.secret(Some(&self.routing_key))?;
        sending.each(events_of(digest).into_iter(), done, |events| {
            for mut event in events {
                event["routing_key"] = key.expose().into();
                without_nulls(&mut event);
                inert::json(&mut event);
                sending.json(&self.url, &[&key], &event, &[])?;
            }
            Ok(())
        })
    }
}

/// The events of each incident, which are sent together or not at all.
fn events_of(digest: &Digest) -> Vec<(String, Vec<Value>)> {
    if digest.about != About::Incidents {
        let severity = match digest.about {
            About::Failure => Some("error"),
            About::Budget => Some("warning"),
            _ => None,
        };
        let action = if severity.is_some() { "trigger" } else { "resolve" };
        let own = format!("{OWN}-{}", digest.topic.as_deref().unwrap_or_default());
        let mut event = json!({"event_action": action, "dedup_key": own});
        if let Some(severity) = severity {
            event["payload"] = json!({"summary": cut(&digest.title, SUMMARY), "source": "aws-cost-anomalies",
                "severity": severity, "custom_details": {"text": digest.text}});
        }
        // A test is opened and closed again.
        return match digest.about {
            About::Test => {
                let opened = json!({"event_action": "trigger", "dedup_key": digest.id, "payload": {"summary": digest.title,
                    "source": "aws-cost-anomalies", "severity": "info", "custom_details": {"text": digest.text}}});
                let closed = json!({"event_action": "resolve", "dedup_key": digest.id});
                vec![("test".into(), vec![opened, closed])]
            }
            _ => vec![("own".into(), vec![event])],
        };
    }
    digest.alerts.iter().map(events_of_alert).collect()
}

/// What is not known is left out.
fn without_nulls(value: &mut Value) {
    if let Value::Object(fields) = value {
        fields.retain(|_, value| !value.is_null());
        fields.values_mut().for_each(without_nulls);
    }
}

/// What is over already is opened and resolved.
fn events_of_alert(alert: &Alert) -> (String, Vec<Value>) {
    let resolved = || json!({"event_action": "resolve", "dedup_key": alert.id});
    let events = match (alert.is_closed(), alert.has_ended) {
        (true, _) => vec![resolved()],
        (false, true) => vec![trigger(alert), resolved()],
        (false, false) => vec![trigger(alert)],
    };
    (format!("{} {}", alert.id, alert.event.kind()), events)
}

fn trigger(alert: &Alert) -> Value {
    let links = alert.links.iter().map(|link| json!({"href": link.url, "text": link.name}));
    let details = json!({"event": alert.event(), "sentence": alert.sentence, "cause": alert.cause, "owner": alert.owner,
        "since": alert.since, "expected": alert.expected, "actual": alert.actual, "per_day": alert.per_day,
        "impact_total": alert.impact_total, "currency": alert.currency, "contributors": alert.contributors, "at_once": alert.request, "look_with": alert.next, "plan": alert.plan, "words": alert.model_text,
        "command": alert.command()});
    json!({"event_action": "trigger", "dedup_key": alert.id, "client": "aws-cost-anomalies", "payload": {
        "summary": cut(&format!("{} ({})", alert.headline(), alert.event()), SUMMARY), "source": alert.subject,
        "severity": alert.severity, "class": alert.kind, "component": alert.group.get("service"),
        "group": alert.owner, "custom_details": details}, "links": links.collect::<Vec<_>>()})
}
