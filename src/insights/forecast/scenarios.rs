//! What becomes of the total when what is unusual now ends, and when it stays.

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::leaves::{Leaf, Leaves, sum};
use crate::{
    analysis::forecast::{Input, Span, ahead},
    insights::anomalies::Finding,
    model::{Direction, Series},
};

/// Incidents that are told; the sums are of all.
const TOLD: usize = 5;

/// The total as open incidents end or stay. What is expected lies mostly between: the level follows a change within ten days.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Scenarios {
    /// The total when all of them end after the newest settled day.
    pub if_they_end: f64,
    /// The total when all of them stay as they are.
    pub if_they_stay: f64,
    /// Those that make most of the difference.
    pub incidents: Vec<OpenIncident>,
    /// How many there are.
    pub count: usize,
}

/// An incident that is open.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct OpenIncident {
    pub id: String,
    /// Empty for the total, and for a move that many groups share.
    pub group: Map<String, Value>,
    pub account_name: Option<String>,
    pub direction: Direction,
    pub start_date: NaiveDate,
    /// What it makes of a day.
    pub a_day: f64,
    /// What the total changes by when it ends, and when it stays.
    pub if_it_ends: f64,
    pub if_it_stays: f64,
}

/// What open findings make of a total; none where none is open.
pub(super) fn scenarios(leaves: &Leaves, span: Span, expected: f64, findings: &[Finding]) -> Option<Scenarios> {
    let is_open = |finding: &&Finding| finding.end_date.is_none() && !finding.absorbed;
    let told = |finding| told(leaves, span, finding);
    let mut incidents: Vec<OpenIncident> = findings.iter().filter(is_open).filter_map(told).collect();
    if incidents.is_empty() || span.known >= span.period.end {
        return None;
    }
    incidents.sort_by(|a, b| b.difference().total_cmp(&a.difference()));
    let total = |of: fn(&OpenIncident) -> f64| expected + incidents.iter().map(of).sum::<f64>();
    let (if_they_end, if_they_stay) = (total(|one| one.if_it_ends), total(|one| one.if_it_stays));
    let count = incidents.len();
    incidents.truncate(TOLD);
    Some(Scenarios { if_they_end, if_they_stay, incidents, count })
}

impl OpenIncident {
    fn difference(&self) -> f64 {
        (self.if_it_stays - self.if_it_ends).abs()
    }
}

/// What one finding makes of the days to come. Its dollars are taken out of the series that it is in: what is then expected is what comes
/// when it ends; when it stays they are added to each day.
fn told(leaves: &Leaves, span: Span, finding: &Finding) -> Option<OpenIncident> {
    let is_of = |leaf: &&Leaf| {
        let fits =
            |name: &str, own: &str| finding.group.get(name).and_then(Value::as_str).is_none_or(|value| value == own);
        fits("account", &leaf.account) && fits("service", &leaf.service)
    };
    let own: Vec<&Leaf> = leaves.leaves.iter().filter(is_of).collect();
    if own.is_empty() {
        return None;
    }
    let days = (span.known - finding.start_date).num_days() + 1;
    let a_day = finding.impact_total / days.max(1) as f64;
    let whole = sum(own.iter().map(|leaf| &leaf.series));
    let without = |index: usize, cost: f64| {
        let date = whole.date(index);
        if date >= finding.start_date && date <= span.known { cost - a_day } else { cost }
    };
    let values = whole.values.iter().enumerate().map(|(index, cost)| without(index, *cost)).collect();
    let before = Series { group: Vec::new(), start: whole.start, values };
    let skipped = vec![false; whole.values.len()];
    let spans = [span];
    let input = |series| Input { series, skipped: &skipped, by_calendar: false, spans: &spans };
    let [with, without] = &ahead(&[input(&whole), input(&before)])[..] else { return None };
    let to_come = |ahead: &crate::analysis::forecast::Ahead| {
        let days = span.period.iter().zip(&ahead.days).filter(|(day, _)| *day > span.known);
        days.map(|(_, cost)| cost).sum::<f64>()
    };
    let if_it_ends = to_come(&without[0]) - to_come(&with[0]);
    let left = span.period.iter().filter(|day| *day > span.known).count();
    Some(OpenIncident {
        id: finding.id.clone(),
        group: finding.group.clone(),
        account_name: finding.account_name.clone(),
        direction: finding.direction,
        start_date: finding.start_date,
        a_day,
        if_it_ends,
        if_it_stays: if_it_ends + a_day * left as f64,
    })
}
