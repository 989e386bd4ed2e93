//! What a message says, whatever the channel: incidents with their dollars, cause and owner. Digests wait in the
//! outbox as JSON, so they hold no secret.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Link;
use crate::{
    insights::{
        SCHEMA_VERSION,
        alerts::{Cause, Closing, News},
        change::CauseShare,
        explain::{Explanation, cause_words},
        incidents::Shown,
    },
    model::{change, cut, money, printable},
    report,
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
    /// The incidents told in full, those with most at stake first.
    pub alerts: Vec<Alert>,
    /// Further incidents, and their dollars a day together.
    pub more: usize,
    pub more_impact: f64,
    /// What there is to say beside incidents.
    pub text: Option<String>,
    /// The id of the message that this is an update of.
    pub update_of: Option<String>,
}

/// What is told of an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// The incident.
    pub id: String,
    #[serde(flatten)]
    pub news: News,
    pub severity: String,
    pub kind: String,
    pub direction: String,
    /// Which cost, in words.
    pub subject: String,
    pub group: Map<String, Value>,
    pub account_name: Option<String>,
    pub owner: Option<String>,
    pub since: NaiveDate,
    pub last_date: NaiveDate,
    pub peak_date: NaiveDate,
    pub metric: String,
    pub currency: String,
    /// Of the peak day.
    pub expected: f64,
    pub actual: f64,
    pub impact: f64,
    /// From the first to the last flagged day.
    pub impact_total: f64,
    pub at_stake: f64,
    /// What happened, as `explain` says it.
    pub sentence: String,
    pub cause: Option<String>,
    /// A plan that it exceeds, or that it is not covered by any more.
    pub plan: Option<String>,
    /// A language model's words, checked against the figures.
    pub words: Option<String>,
    /// A command to look further with.
    pub next: Option<String>,
    pub links: Vec<Button>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Button {
    pub name: String,
    pub url: String,
}

impl Alert {
    pub fn new(shown: &Shown, news: News, explained: Option<&Explanation>, links: &[Link]) -> Self {
        let incident = &shown.incident;
        let sentence = match explained {
            Some(explained) => explained.sentence.clone(),
            None => format!("{}.", incident.reasons.join("; ")),
        };
        let cause = explained.and_then(|explained| {
            let known = |share: &&CauseShare| share.cause != Cause::Unknown && share.change * incident.impact > 0.0;
            let main = explained.causes.iter().find(known)?;
            Some(cause_words(main.cause).to_owned())
        });
        let next = explained.and_then(|explained| explained.next.first()).map(|step| step.command.clone());
        let mut alert = Self {
            id: incident.id.clone(),
            news,
            severity: incident.severity.clone(),
            kind: incident.kind.clone(),
            direction: incident.direction.clone(),
            subject: report::incidents::who(shown),
            group: shown.group.clone(),
            account_name: shown.account_name.clone(),
            owner: None,
            since: incident.start_date,
            last_date: incident.last_date,
            peak_date: incident.peak_date,
            metric: incident.metric.clone(),
            currency: incident.currency.clone(),
            expected: incident.expected,
            actual: incident.actual,
            impact: incident.impact,
            impact_total: incident.impact_total,
            at_stake: incident.at_stake,
            sentence,
            cause,
            plan: None,
            words: None,
            next,
            links: Vec::new(),
        };
        let is_aws = explained.is_some_and(|explained| !explained.next.is_empty());
        alert.links.extend(is_aws.then(|| Button { name: "Cost Explorer".into(), url: alert.cost_explorer() }));
        let own: Vec<Button> =
            links.iter().map(|link| Button { name: link.name.clone(), url: alert.filled(&link.url) }).collect();
        alert.links.extend(own);
        alert
    }

    /// What happened to the incident: `new`, `grown from +$50.00 a day`.
    pub fn event(&self) -> String {
        match &self.news {
            News::Opened => "new".into(),
            News::Grown { from } => format!("grown from {} a day", self.signed(*from)),
            News::Returned { after } => format!("back, it was over since {after}"),
            News::Woken => "goes on after its snooze".into(),
            News::Closed { how: Closing::Over } => "over".into(),
            News::Closed { how: Closing::Accepted } => "normal now: the change stayed".into(),
            News::Closed { how: Closing::Withdrawn } => "withdrawn: the bill was restated".into(),
            News::Closed { how: Closing::Merged } => "part of another incident now".into(),
        }
    }

    pub fn is_closed(&self) -> bool {
        matches!(self.news, News::Closed { .. })
    }

    /// `+$80.80 a day`
    pub fn a_day(&self) -> String {
        format!("{} a day", change(self.impact, &self.currency))
    }

    /// `$99.69 → $180.49`
    pub fn from_to(&self) -> String {
        format!("{} → {}", money(self.expected, &self.currency), money(self.actual, &self.currency))
    }

    pub fn in_all(&self) -> String {
        change(self.impact_total, &self.currency)
    }

    /// A size with the sign of this incident.
    fn signed(&self, size: f64) -> String {
        change(size.abs().copysign(self.impact), &self.currency)
    }

    /// One line: subject, dollars and since when.
    pub fn headline(&self) -> String {
        format!("{}: {} since {}", self.subject, self.a_day(), self.since)
    }

    /// Facts beside the sentence, as name and value.
    pub fn facts(&self) -> Vec<(&'static str, String)> {
        let mut facts = vec![
            ("expected → actual", format!("{} on {}", self.from_to(), self.peak_date)),
            ("so far", format!("{} since {}", self.in_all(), self.since)),
        ];
        facts.extend(self.cause.clone().map(|cause| ("cause", cause)));
        facts.extend(self.owner.clone().map(|owner| ("owner", owner)));
        facts.extend(self.plan.clone().map(|plan| ("plan", plan)));
        facts
    }

    /// The command that tells more.
    pub fn command(&self) -> String {
        format!("aws-cost-anomalies explain {}", self.id)
    }

    /// AWS's console at the days around the incident, by service; of the account, where it is of one.
    fn cost_explorer(&self) -> String {
        let start = self.since - chrono::Days::new(14);
        let account = self.group.get("account").and_then(Value::as_str);
        let filter = account.map_or_else(
            || serde_json::json!([]),
            |account| {
                serde_json::json!([{"dimension": {"id": "LinkedAccount", "displayValue": "Linked account"},
                    "operator": "INCLUDES", "values": [{"value": account, "displayValue": account}]}])
            },
        );
        format!(
            "https://us-east-1.console.aws.amazon.com/costmanagement/home#/cost-explorer?chartStyle=STACK&granularity=Daily\
             &historicalRelativeRange=CUSTOM&startDate={start}&endDate={}&groupBy={}&filter={}",
            self.last_date,
            encoded("[\"Service\"]"),
            encoded(&filter.to_string())
        )
    }

    fn filled(&self, url: &str) -> String {
        let value = |dimension: &str| self.group.get(dimension).and_then(Value::as_str).unwrap_or_default();
        let places = [
            ("{id}", self.id.as_str()),
            ("{service}", value("service")),
            ("{account}", value("account")),
            ("{region}", value("region")),
        ];
        let filled = places.into_iter().fold(url.to_owned(), |url, (place, value)| url.replace(place, &encoded(value)));
        filled.replace("{date}", &self.since.to_string())
    }
}

impl Digest {
    /// A message of incidents.
    pub fn of_incidents(
        as_of: NaiveDate,
        settled_through: Option<NaiveDate>,
        mut alerts: Vec<Alert>,
        top: usize,
    ) -> Self {
        alerts.sort_by(|a, b| {
            let key = |alert: &Alert| (alert.is_closed(), alert.id.clone());
            key(a).0.cmp(&key(b).0).then(b.at_stake.total_cmp(&a.at_stake)).then(key(a).1.cmp(&key(b).1))
        });
        let rest = alerts.split_off(alerts.len().min(top));
        let more_impact = rest.iter().fold(0.0, |sum, alert| sum + alert.impact);
        let title = title(&alerts, rest.len(), more_impact);
        let about = About::Incidents;
        let (text, update_of, id) = (None, None, String::new());
        Self {
            schema_version: SCHEMA_VERSION,
            id,
            about,
            title,
            as_of,
            settled_through,
            alerts,
            more: rest.len(),
            more_impact,
            text,
            update_of,
        }
    }

    /// A message about the program itself.
    pub fn of_program(about: About, as_of: NaiveDate, title: &str, text: String) -> Self {
        Self { title: title.to_owned(), about, text: Some(text), ..Self::of_incidents(as_of, None, Vec::new(), 1) }
    }

    /// What stands above an incident: its headline, unless that is the title already.
    pub fn heading(&self, alert: &Alert) -> String {
        match self.alerts.len() + self.more {
            1 => format!("{}, {}", alert.severity, alert.event()),
            _ => format!("{} ({}, {})", alert.headline(), alert.severity, alert.event()),
        }
    }

    /// `and 3 more incidents, +$41.00 a day together`
    pub fn rest(&self) -> Option<String> {
        let currency = self.alerts.first().map_or("USD", |alert| alert.currency.as_str());
        let plural = if self.more == 1 { "" } else { "s" };
        (self.more > 0).then(|| {
            format!("and {} more incident{plural}, {} a day together", self.more, change(self.more_impact, currency))
        })
    }

    /// The command that lists what is not told in full.
    pub fn list_command(&self) -> &'static str {
        "aws-cost-anomalies incidents"
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
            if let Some(words) = &alert.words {
                text += &format!("  {}\n", words.replace('\n', "\n  "));
            }
            if !alert.is_closed() {
                text += &format!("  {}\n", alert.command());
            }
        }
        if let Some(rest) = self.rest() {
            text += &format!("\n{rest}: {}\n", self.list_command());
        }
        printable(&text)
    }

    /// A few lines for a telephone: at most `most` characters.
    pub fn short(&self, most: usize) -> String {
        let mut text = self.title.clone();
        if let ([only], 0) = (&self.alerts[..], self.more) {
            text += &format!("\n{}, {}; {}", only.severity, only.id, only.from_to());
        }
        if let Some(own) = &self.text {
            text += &format!("\n{own}");
        }
        if self.alerts.len() > 1 {
            self.alerts
                .iter()
                .for_each(|alert| text += &format!("\n{} ({}, {})", alert.headline(), alert.event(), alert.id));
        }
        text += &self.rest().map_or(String::new(), |rest| format!("\n{rest}"));
        cut(&printable(&text), most)
    }
}

fn title(alerts: &[Alert], more: usize, more_impact: f64) -> String {
    let count = alerts.len() + more;
    let closed = alerts.iter().filter(|alert| alert.is_closed()).count();
    match alerts {
        [] => String::new(),
        [only] if more == 0 && only.is_closed() => format!("Cost incident {}: {}", only.event(), only.subject),
        [only] if more == 0 => match only.news {
            News::Opened => format!("Cost incident: {}", only.headline()),
            _ => format!("Cost incident {}: {}", only.event(), only.headline()),
        },
        [first, ..] if closed == count => format!("{count} cost incidents ended, {} among them", first.subject),
        [first, ..] => {
            let dollars: f64 = alerts.iter().filter(|alert| !alert.is_closed()).map(|alert| alert.impact).sum();
            format!("{count} cost incidents: {} a day", change(dollars + more_impact, &first.currency))
        }
    }
}

/// Percent-encoded as a component of an address: <https://www.rfc-editor.org/rfc/rfc3986#section-2.3>.
fn encoded(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
