//! What a message says, whatever the channel. Digests wait in the outbox as JSON, so they hold no secret.

use chrono::{NaiveDate, NaiveDateTime};
use serde::{Deserialize, Serialize};

use super::alert::Alert;
use crate::{
    inert,
    insights::{alerts::AlertEvent, answer::SCHEMA_VERSION},
    model::{change, cut},
};

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum About {
    Incidents,
    /// The program itself fails.
    Failure,
    /// It works again.
    Recovery,
    /// A budget.
    Budget,
    /// `notify test`.
    Test,
}

/// A message to a channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Digest {
    pub schema_version: u32,
    /// The same when it is sent again.
    pub id: String,
    pub about: About,
    pub title: String,
    pub as_of: NaiveDate,
    pub settled_through: Option<NaiveDate>,
    /// The incidents shown in full, those with most at stake first.
    pub alerts: Vec<Alert>,
    /// Further incidents, and their dollars a day together.
    pub more: usize,
    pub more_per_day: f64,
    /// What it is about beside incidents: `runs`, `channels`, `bills`.
    pub topic: Option<String>,
    /// What there is to say beside incidents.
    pub text: Option<String>,
    /// The id of the message that this is an update of.
    pub update_of: Option<String>,
}

/// The command that lists what is not shown in full.
pub(crate) const LIST_COMMAND: &str = "aws-cost-anomalies incidents";

impl Digest {
    /// A message of incidents.
    pub fn of_incidents(
        as_of: NaiveDate,
        settled_through: Option<NaiveDate>,
        mut alerts: Vec<Alert>,
        top: usize,
    ) -> Self {
        alerts.sort_by(|a, b| {
            (a.is_closed().cmp(&b.is_closed())).then(b.at_stake.total_cmp(&a.at_stake)).then(a.id.cmp(&b.id))
        });
        let rest = alerts.split_off(alerts.len().min(top));
        let more_per_day = rest.iter().filter(|alert| !alert.is_closed()).fold(0.0, |sum, alert| sum + alert.per_day);
        Self {
            schema_version: SCHEMA_VERSION,
            id: String::new(),
            about: About::Incidents,
            title: title(&alerts, rest.len(), more_per_day),
            as_of,
            settled_through,
            alerts,
            more: rest.len(),
            more_per_day,
            topic: None,
            text: None,
            update_of: None,
        }
    }

    /// A message about the program itself.
    pub fn of_program(about: About, topic: &str, as_of: NaiveDate, title: &str, text: String) -> Self {
        Self {
            title: title.to_owned(),
            about,
            topic: Some(topic.to_owned()),
            text: Some(text),
            ..Self::of_incidents(as_of, None, Vec::new(), 1)
        }
    }

    /// The same, when it could not be sent at its time.
    pub fn delayed(self, since: NaiveDateTime) -> Self {
        let waited = format!("This message waited since {} UTC.", since.format("%Y-%m-%d %H:%M"));
        let text = self.text.as_ref().map_or(waited.clone(), |text| format!("{waited}\n{text}"));
        Self { text: Some(text), ..self }
    }

    /// Without anything that comes from a bill.
    pub fn reduced(self) -> Self {
        if self.alerts.is_empty() {
            return self;
        }
        let alerts: Vec<Alert> = self.alerts.into_iter().map(Alert::reduced).collect();
        Self { title: title(&alerts, self.more, self.more_per_day), alerts, ..self }
    }

    /// The one incident that it is about, if it is.
    fn only(&self) -> Option<&Alert> {
        self.alerts.first().filter(|_| self.alerts.len() + self.more == 1)
    }

    /// What stands above an incident: its headline, unless that is the title already.
    pub fn heading(&self, alert: &Alert) -> String {
        let what = format!("{}, {}", alert.severity, alert.event());
        if self.only().is_some() { what } else { format!("{} ({what})", alert.headline()) }
    }

    /// `and 3 more incidents, +$41.00 a day together`
    pub fn rest(&self) -> Option<String> {
        let currency = self.alerts.first().map_or("USD", |alert| alert.currency.as_str());
        let plural = if self.more == 1 { "" } else { "s" };
        (self.more > 0).then(|| match self.alerts.iter().all(|alert| alert.currency == currency) {
            true => {
                format!(
                    "and {} more incident{plural}, {} a day together",
                    self.more,
                    change(self.more_per_day, currency)
                )
            }
            false => format!("and {} more incident{plural}", self.more),
        })
    }

    /// What stands below: how fresh the data is, and how to keep an incident quiet.
    pub fn footer(&self) -> Vec<String> {
        let mut footer = Vec::new();
        footer.extend(self.settled_through.map(|day| format!("bills judged through {day}")));
        if self.alerts.iter().any(|alert| !alert.is_closed()) {
            let id = self.only().map_or("ID", |alert| &alert.id);
            footer.push(format!(
                "to keep it quiet: aws-cost-anomalies ack {id}, snooze {id} --until DATE, or expect {id} --reason TEXT"
            ));
        }
        footer
    }

    /// For terminals, mails and files.
    pub fn plain(&self) -> String {
        let mut text = format!("{}\n", self.title);
        if let Some(own) = &self.text {
            text += &format!("\n{own}\n");
        }
        for alert in &self.alerts {
            text += &format!("\n{}\n", self.heading(alert));
            text += &format!("  {}\n", alert.sentence);
            for (name, value) in alert.facts() {
                text += &format!("  {name}: {value}\n");
            }
            if let Some(words) = &alert.model_text {
                text += &format!("  {}\n", words.replace('\n', "\n  "));
            }
            if !alert.is_closed() {
                text += &format!("  {}\n", alert.command());
            }
        }
        if let Some(rest) = self.rest() {
            text += &format!("\n{rest}: {LIST_COMMAND}\n");
        }
        let footer = self.footer();
        if !footer.is_empty() {
            text += &format!("\n{}\n", footer.join("\n"));
        }
        inert::lines(&text)
    }

    /// A few lines for a telephone: at most `most` characters.
    pub fn short(&self, most: usize) -> String {
        let mut text = self.title.clone();
        if let Some(only) = self.only().filter(|only| !only.is_closed()) {
            text += &format!("\n{}, {}; {}", only.severity, only.id, only.expected_to_actual());
        }
        if let Some(own) = &self.text {
            text += &format!("\n{own}");
        }
        for alert in self.alerts.iter().filter(|_| self.only().is_none()) {
            text += &format!("\n{} ({}, {})", alert.headline(), alert.event(), alert.id);
        }
        text += &self.rest().map_or(String::new(), |rest| format!("\n{rest}"));
        cut(&inert::lines(&text), most)
    }
}

fn title(alerts: &[Alert], more: usize, more_per_day: f64) -> String {
    let count = alerts.len() + more;
    let Some(first) = alerts.first() else { return String::new() };
    if count == 1 {
        return match first.event {
            AlertEvent::Opened => format!("Cost incident: {}", first.headline()),
            _ => format!("Cost incident, {}: {}", first.event(), first.headline()),
        };
    }
    let open = alerts.iter().filter(|alert| !alert.is_closed());
    if alerts.iter().any(|alert| alert.currency != first.currency) {
        return format!("{count} cost incidents");
    }
    match first.is_closed() {
        true => format!("{count} cost incidents ended, {} among them", first.subject),
        false => {
            let dollars: f64 = open.map(|alert| alert.per_day).sum();
            format!("{count} cost incidents: {} a day", change(dollars + more_per_day, &first.currency))
        }
    }
}
