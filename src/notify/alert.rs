//! What is sent of one incident: one set of figures, its cause, and what to do.

use chrono::{Days, NaiveDate};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Link;
use crate::{
    analysis::attribution::Cause,
    inert,
    insights::{
        alerts::{AlertEvent, Closing},
        answer::Answer,
        change::{CauseShare, cause_words},
        course::CourseState,
        explanation::Explanation,
        incidents::Shown,
        next_steps::LOOK_WITH,
    },
    model::{Dimension, Direction, Kind, Metric, Severity, State, change, cut, money},
};

/// An explanation is of an incident when the dollars a day that it finds are not less than this share of the incident's, nor
/// more than its inverse.
const AGREES: f64 = 0.5;
/// Days by which an explanation of the same may begin earlier or later.
const SAME_START: i64 = 3;
/// Contributors that are named of what is wide.
const NAMED: usize = 3;
/// Characters of a subject in a headline, so that its dollars are seen.
const SUBJECT: usize = 80;

/// What is encoded in a component of an address: <https://www.rfc-editor.org/rfc/rfc3986#section-2.3>.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What is sent of an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// The incident.
    pub id: String,
    #[serde(flatten)]
    pub event: AlertEvent,
    pub severity: Severity,
    pub kind: Kind,
    pub direction: Direction,
    /// Which cost, in words.
    pub subject: String,
    /// What it was called when this channel was alerted first, if that was something else.
    pub previous_subject: Option<String>,
    pub group: Map<String, Value>,
    pub account_name: Option<String>,
    pub owner: Option<String>,
    pub since: NaiveDate,
    pub last_date: NaiveDate,
    /// Whether it was over when it was sent.
    pub has_ended: bool,
    pub metric: Metric,
    pub currency: String,
    /// Beyond what such days cost before, as the mean of its days; of the peak day, where history is too short for that.
    pub per_day: f64,
    /// Of the peak day.
    pub peak_date: NaiveDate,
    pub expected: f64,
    pub actual: f64,
    pub impact: f64,
    /// From the first to the last flagged day.
    pub impact_total: f64,
    pub at_stake: f64,
    /// What happened.
    pub sentence: String,
    pub cause: Option<String>,
    /// What carries most of it, of a cost that is wide.
    pub contributors: Option<String>,
    /// A plan that it exceeds, or that does not cover it any more.
    pub plan: Option<String>,
    /// A language model's words, checked against the figures.
    pub model_text: Option<String>,
    /// Whether its sentence is that of the explanation.
    #[serde(skip)]
    pub is_explained: bool,
    /// What to do at once.
    pub request: Option<String>,
    /// A command to look further with.
    pub next: Option<String>,
    pub links: Vec<Button>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Button {
    pub name: String,
    pub url: String,
}

/// Whether an explanation speaks of what the incident is. It compares with the same weekdays of four weeks: with little
/// history, or after other events, that is another question than the detector's, and two answers are no help.
fn agrees(shown: &Shown, found: &Answer<Explanation>) -> bool {
    let incident = &shown.incident;
    let ratio = found.change.change / incident.impact;
    let course = &found.course;
    let same_days = course.start_date <= incident.last_date && course.last_date >= incident.start_date;
    let same_state = course.state != CourseState::Over || incident.state != State::Open;
    let same_start = (course.start_date - incident.start_date).num_days().abs() <= SAME_START;
    same_days && same_start && same_state && (AGREES..=1.0 / AGREES).contains(&ratio)
}

impl Alert {
    pub fn new(shown: &Shown, event: AlertEvent, explained: Option<&Answer<Explanation>>, links: &[Link]) -> Self {
        let incident = &shown.incident;
        let is_move = incident.kind == Kind::Moved;
        let explained = explained.filter(|found| is_move || agrees(shown, found));
        let subject = subject(shown);
        let change = explained.filter(|_| !is_move).map_or(incident.impact, |found| found.change.change);
        let urgent = incident.reasons.iter().find(|reason| reason.is_request());
        let mut alert = Self {
            id: incident.id.clone(),
            severity: incident.severity,
            kind: incident.kind,
            direction: incident.direction,
            previous_subject: None,
            group: shown.group.clone(),
            account_name: shown.account_name.clone(),
            owner: None,
            since: incident.start_date,
            last_date: incident.last_date,
            has_ended: incident.state != State::Open,
            metric: incident.scope.metric,
            currency: incident.currency.clone(),
            per_day: change,
            peak_date: incident.peak_date,
            expected: incident.expected,
            actual: incident.actual,
            impact: incident.impact,
            impact_total: incident.impact_total,
            at_stake: incident.at_stake,
            sentence: String::new(),
            cause: explained.filter(|_| !is_move).and_then(|found| cause(found, incident.impact)),
            contributors: explained.and_then(|found| mostly(shown, found)),
            plan: None,
            model_text: None,
            is_explained: false,
            request: urgent.map(ToString::to_string),
            next: explained.and_then(|found| found.next.first()).map(|step| step.command.clone()),
            links: Vec::new(),
            event,
            subject,
        };
        alert.sentence = match (&alert.event, explained) {
            (AlertEvent::Closed { how }, _) => alert.ending(*how, incident.merged_into.as_deref()),
            (_, Some(found)) => {
                alert.is_explained = true;
                found.sentence.clone()
            }
            (_, None) => {
                let reasons: Vec<String> =
                    incident.reasons.iter().filter(|one| !one.is_request()).map(ToString::to_string).collect();
                let (actual, expected) = (alert.money(alert.actual), alert.money(alert.expected));
                let (subject, day) = (&alert.subject, alert.peak_date);
                format!("{subject} cost {actual} on {day}, {expected} was expected ({}).", reasons.join("; "))
            }
        };
        // Names come from bills: a line break in one would write lines of its own, a NUL is refused by services.
        let own = [&mut alert.subject, &mut alert.sentence].into_iter();
        for text in own.chain(&mut alert.contributors).chain(&mut alert.request).chain(&mut alert.account_name) {
            *text = inert::one_line(text).into_owned();
        }
        alert.group.values_mut().for_each(inert::json);
        let is_aws = explained.is_some_and(|found| !found.next.is_empty());
        let console = is_aws.then(|| Button { name: "Cost Explorer".into(), url: alert.cost_explorer() });
        let own = links.iter().map(|link| Button { name: link.name.clone(), url: alert.filled(&link.url) });
        alert.links = console.into_iter().chain(own).collect();
        alert
    }

    /// How it ended.
    fn ending(&self, how: Closing, whole: Option<&str>) -> String {
        let (subject, total) = (&self.subject, self.money(self.impact_total.abs()));
        let more = if self.impact_total < 0.0 { "less" } else { "more" };
        let days = (self.last_date - self.since).num_days() + 1;
        let plural = if days == 1 { "" } else { "s" };
        match how {
            Closing::Over => format!(
                "{subject} is not flagged any more since {}: it cost {total} {more} than expected in {days} day{plural}.",
                self.last_date + Days::new(1)
            ),
            Closing::Absorbed => format!(
                "{subject} stays where it is, which is normal from now on: it cost {total} {more} than expected until {}.",
                self.last_date
            ),
            Closing::Withdrawn => {
                format!("The bill was restated: what was flagged of {subject} from {} on is gone.", self.since)
            }
            Closing::Merged => {
                format!("{subject} is told by incident {} from now on.", whole.unwrap_or("of another level"))
            }
        }
    }

    /// What happened to the incident: `new`, `grown from +$50.00 a day`.
    pub fn event(&self) -> String {
        match &self.event {
            AlertEvent::Opened if self.has_ended => "new, and over already".into(),
            AlertEvent::Opened => "new".into(),
            AlertEvent::Joined => "several as one".into(),
            AlertEvent::Grown { from, to } => {
                let signed = |size: f64| change(size.abs().copysign(self.impact), &self.currency);
                format!("grown from {} to {} a day", signed(*from), signed(*to))
            }
            AlertEvent::Returned { after } => format!("flagged again, the last time was {after}"),
            AlertEvent::Woken => "goes on after its snooze".into(),
            AlertEvent::Closed { how: Closing::Over } => "over".into(),
            AlertEvent::Closed { how: Closing::Absorbed } => "normal now".into(),
            AlertEvent::Closed { how: Closing::Withdrawn } => "withdrawn".into(),
            AlertEvent::Closed { how: Closing::Merged } => "part of another".into(),
        }
    }

    pub fn is_closed(&self) -> bool {
        matches!(self.event, AlertEvent::Closed { .. })
    }

    /// Whether it is back where it was.
    pub fn is_over(&self) -> bool {
        matches!(self.event, AlertEvent::Closed { how: Closing::Over | Closing::Withdrawn })
    }

    pub fn is_saving(&self) -> bool {
        self.impact < 0.0
    }

    fn money(&self, amount: f64) -> String {
        money(amount, &self.currency)
    }

    /// `$99.69 → $180.49`
    pub fn expected_to_actual(&self) -> String {
        format!("{} → {}", self.money(self.expected), self.money(self.actual))
    }

    /// Without anything that comes from a bill.
    pub fn reduced(self) -> Self {
        Self {
            subject: format!("incident {}", self.id),
            sentence: "This channel refused the message with its details; `explain` has them.".into(),
            group: Map::new(),
            account_name: None,
            cause: None,
            owner: None,
            contributors: None,
            plan: None,
            model_text: None,
            is_explained: false,
            request: None,
            next: None,
            previous_subject: None,
            links: Vec::new(),
            ..self
        }
    }

    /// One line: subject, dollars and since when.
    pub fn headline(&self) -> String {
        let subject = cut(&self.subject, SUBJECT);
        let days = match self.since == self.last_date {
            true => format!("on {}", self.since),
            false => format!("from {} to {}", self.since, self.last_date),
        };
        match self.has_ended {
            _ if matches!(self.event, AlertEvent::Closed { how: Closing::Withdrawn | Closing::Merged }) => subject,
            true => format!("{subject}: {} {days}", change(self.impact_total, &self.currency)),
            false => format!("{subject}: {} a day since {}", change(self.per_day, &self.currency), self.since),
        }
    }

    /// Facts beside the sentence, as name and value.
    pub fn facts(&self) -> Vec<(&'static str, String)> {
        let mut facts = Vec::new();
        if !self.is_closed() {
            facts.push(("expected → actual", format!("{} on {}", self.expected_to_actual(), self.peak_date)));
            facts.push(("so far", format!("{} since {}", change(self.impact_total, &self.currency), self.since)));
            facts.extend(self.cause.clone().map(|cause| ("cause", cause)));
            facts.extend(self.contributors.clone().map(|mostly| ("mostly", mostly)));
        }
        facts.extend(self.owner.clone().map(|owner| ("owner", owner)));
        facts.extend(self.plan.clone().map(|plan| ("plan", plan)));
        facts.extend(self.previous_subject.clone().map(|told| ("first sent as", told)));
        if !self.is_closed() {
            facts.extend(self.request.clone().map(|urgent| ("at once", urgent)));
            facts.extend(self.next.clone().map(|next| (LOOK_WITH, next)));
        }
        facts
    }

    /// The command that says more.
    pub fn command(&self) -> String {
        format!("aws-cost-anomalies explain {}", self.id)
    }

    /// AWS's console at the days around the incident, by service; of the account, where it is of one.
    fn cost_explorer(&self) -> String {
        let start = self.since - Days::new(14);
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
            utf8_percent_encode("[\"Service\"]", COMPONENT),
            utf8_percent_encode(&filter.to_string(), COMPONENT)
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
        let filled = places.into_iter().fold(url.to_owned(), |url, (place, value)| {
            url.replace(place, &utf8_percent_encode(value, COMPONENT).to_string())
        });
        filled.replace("{date}", &self.since.to_string())
    }
}

/// Which cost, in words.
fn subject(shown: &Shown) -> String {
    match &shown.incident.group_by.0[..] {
        [only] if shown.group.is_empty() => format!("many {only}s"),
        [_, ..] if shown.group.is_empty() => {
            format!("many groups of {}", shown.incident.group_by.to_string().replace('+', " and "))
        }
        _ => shown.subject(),
    }
}

/// The largest cause in the direction of the change.
fn cause(found: &Answer<Explanation>, impact: f64) -> Option<String> {
    let known = |share: &&CauseShare| share.cause != Cause::Unknown && share.change * impact > 0.0;
    found.causes.iter().find(known).map(|share| cause_words(share.cause).to_owned())
}

/// The services that carry most of what is of no one service.
fn mostly(shown: &Shown, found: &Answer<Explanation>) -> Option<String> {
    if shown.group.contains_key("service") {
        return None;
    }
    let members = found.contributors.iter().find(|members| members.dimension == Dimension::Service)?;
    let with_it = members.members.iter().filter(|member| member.change.change * found.change.change > 0.0).take(NAMED);
    let named: Vec<String> = with_it
        .map(|member| format!("{} {}", member.value, change(member.change.change, found.header.currency())))
        .collect();
    (!named.is_empty()).then(|| named.join(", "))
}
