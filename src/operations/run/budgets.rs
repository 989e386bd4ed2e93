//! Budgets in a run: a message to the owner of each when a threshold is crossed, once in a period.

use chrono::{Days, NaiveDate};

use super::super::forecast::plans;
use crate::{
    config,
    error::Result,
    inert,
    insights::{
        Question,
        budgets::{BudgetStatus, Request, ThresholdState, budgets, included},
        compare, sentences,
    },
    model::{AlertKind, Budget, Dimension, GroupBy, Notification, Period},
    notify::{
        digest::{About, Digest},
        plan::{Message, short_hash},
    },
    operations::Session,
    store::Store,
};

/// What there is to tell of budgets, and thresholds that are not crossed any more, which are noted without a message.
#[derive(Default)]
pub(super) struct News {
    pub messages: Vec<Message>,
    pub corrected: Vec<Notification>,
}

/// Looks at all budgets, and at those of periods that ended a few days ago.
///
/// # Errors
/// When the budgets cannot be read, or there is no data.
pub(super) fn news(today: NaiveDate, session: &Session) -> Result<News> {
    let all = config::budgets(session.config())?;
    if all.is_empty() {
        return Ok(News::default());
    }
    let plans = plans(session)?;
    let settle_days = session.config().anomaly.settle_days;
    let store = session.store()?;
    let request = Request { budgets: &all, plans: &plans, as_of: today, settle_days, with_late: true };
    let answer = budgets(&*store, &store, &request)?;
    session.reporter().warned(&answer.header.warnings);
    let known = store.notifications()?;
    let mut news = News::default();
    for status in &answer.budgets {
        let Some(budget) = all.iter().find(|budget| budget.name == status.name) else { continue };
        let mut why = None;
        for channel in channels(budget, session) {
            let note = |threshold: &ThresholdState, event: AlertKind| Notification {
                incident_id: topic(status, threshold),
                channel: channel.clone(),
                event,
                subject: status.name.clone(),
                notified_on: today,
                seen_on: status.known_through,
                last_date: status.period.end,
                impact: status.spent,
                impact_total: status.expected.expected,
                message_id: String::new(),
            };
            let last = |threshold: &ThresholdState| {
                let id = topic(status, threshold);
                known.iter().rfind(|one| one.incident_id == id && one.channel == channel)
            };
            let was_crossed =
                |threshold: &&ThresholdState| last(threshold).is_some_and(|one| one.event == AlertKind::Crossed);
            let (before, open): (Vec<&ThresholdState>, Vec<&ThresholdState>) =
                status.thresholds.iter().partition(was_crossed);
            // A look at an older day corrects nothing.
            let is_newer =
                |threshold: &ThresholdState| last(threshold).is_some_and(|one| one.seen_on <= status.known_through);
            let corrected = before.iter().filter(|threshold| threshold.corrected && is_newer(threshold));
            news.corrected.extend(corrected.map(|threshold| note(threshold, AlertKind::Corrected)));
            let crossed: Vec<&ThresholdState> = open.into_iter().filter(|threshold| threshold.crossed).collect();
            if crossed.is_empty() {
                continue;
            }
            let why = why.get_or_insert_with(|| explained(&store, status, budget, settle_days, today));
            let mut digest = digest(status, &crossed, why, today);
            let topics: Vec<String> = crossed.iter().map(|threshold| topic(status, threshold)).collect();
            digest.id = short_hash(&format!("{channel} {} {today}", topics.join(" ")));
            let told = crossed.iter().map(|threshold| note(threshold, AlertKind::Crossed));
            let notifications = told.map(|one| Notification { message_id: digest.id.clone(), ..one }).collect();
            news.messages.push(Message { channel, digest, notifications });
        }
    }
    Ok(news)
}

/// What the notices of a threshold are kept by: it is told once in a period.
fn topic(status: &BudgetStatus, threshold: &ThresholdState) -> String {
    format!("budget {} {} {}", status.name, status.period.start, threshold.threshold)
}

/// The channels of a budget: its own, its owner's, or those of what has no owner.
fn channels(budget: &Budget, session: &Session) -> Vec<String> {
    let settings = &session.config().notify;
    let owner = settings.owners.iter().find(|owner| budget.owner.as_ref() == Some(&owner.name));
    let named = match (&budget.channels[..], owner) {
        ([], Some(owner)) => owner.channels.clone(),
        ([], None) => settings.default_channels.clone(),
        (own, _) => own.to_vec(),
    };
    if !named.is_empty() {
        return named;
    }
    settings.channels_or_terminal().into_iter().map(|channel| channel.name).collect()
}

fn digest(status: &BudgetStatus, crossed: &[&ThresholdState], why: &str, today: NaiveDate) -> Digest {
    let names: Vec<&str> = crossed.iter().map(|threshold| threshold.threshold.as_str()).collect();
    let title = format!("Budget {}: {}", inert::one_line(&status.name), names.join(", "));
    let mut lines = vec![status.sentence()];
    lines.extend(status.notes());
    if !why.is_empty() {
        lines.push(why.to_owned());
    }
    if let Some(owner) = &status.owner {
        lines.push(format!("owner: {owner}"));
    }
    let look = format!("aws-cost-anomalies budgets --name {}", inert::shell(&status.name));
    lines.push(format!("look further with: {look}"));
    let topic = format!("budget {} {}", status.name, status.period.start);
    Digest::of_program(About::Budget, &topic, today, &title, lines.join("\n"))
}

/// What the days so far cost against as many of the period before, and what made the difference; empty where that cannot be told.
fn explained(store: &Store, status: &BudgetStatus, budget: &Budget, settle_days: u32, today: NaiveDate) -> String {
    let after = Period { end: status.period.end.min(status.known_through), ..status.period };
    let before = budget.period_of(status.period.start - Days::new(1));
    if after.start > after.end {
        return String::new();
    }
    let before = Period { end: before.end.min(before.start + Days::new(after.days() as u64 - 1)), ..before };
    let question =
        Question { source: None, metric: budget.metric, filters: &budget.filters, as_of: today, settle_days };
    let include = included(budget);
    let group_by = GroupBy(vec![Dimension::Service]);
    let asked = compare::Request { question, group_by, before, after, include: &include, top: 5 };
    compare::compare(store, &asked).map_or(String::new(), |found| sentences::comparison(&found, &status.currency))
}
