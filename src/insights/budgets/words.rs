//! How a budget stands, in words.

use super::{BudgetDay, BudgetState, BudgetStatus, Crossing};
use crate::{
    inert,
    insights::{forecast::Driver, group_names},
    model::{change, money},
};

impl BudgetStatus {
    /// How it stands, in a sentence.
    pub(crate) fn sentence(&self) -> String {
        sentence(self)
    }

    /// What a reader should know beside: the even and the seasonal path, credits, thresholds, and what makes the difference.
    pub(crate) fn notes(&self) -> Vec<String> {
        notes(self)
    }
}

fn percent(share: f64) -> String {
    format!("{share:.1} %")
}

fn sentence(budget: &BudgetStatus) -> String {
    let money = |amount: f64| money(amount, &budget.currency);
    let (name, known) = (inert::one_line(&budget.name), budget.known_through.min(budget.period.end));
    let spent = format!(
        "{name}: {} of {} spent up to {known} ({})",
        money(budget.spent),
        money(budget.amount),
        percent(budget.spent_pct)
    );
    let is_over = budget.period.end <= budget.known_through;
    let expected = format!("{} expected at the end", money(budget.expected.expected));
    match budget.crossing {
        Some(crossing) if budget.state == BudgetState::Exceeded => {
            let on = crossing.day.map_or(String::new(), |day| format!(" since {day}"));
            let expected = if is_over { String::new() } else { format!(", {expected}") };
            format!("{spent}: exceeded{on}{expected}.")
        }
        _ if is_over => format!("{spent}: it held."),
        Some(crossing) => format!("{spent}, {expected}: {}.", reached(&crossing)),
        None => format!("{spent}, {expected}: below the amount, even if that is as wrong as earlier forecasts were."),
    }
}

/// When the amount will be reached and how likely that is.
fn reached(crossing: &Crossing) -> String {
    let between = match (crossing.earliest, crossing.latest) {
        (Some(earliest), Some(latest)) if earliest != latest => format!(" (from {earliest} to {latest})"),
        _ => String::new(),
    };
    let probability = crossing.probability.map(|share| format!("a probability of {:.0} %", share * 100.0));
    match (crossing.day, probability) {
        (Some(day), Some(probability)) => format!("the amount is reached on {day}{between}, with {probability}"),
        (Some(day), None) => format!("the amount is reached on {day}"),
        (None, Some(probability)) => format!("the amount may be reached{between}, with {probability}"),
        (None, None) => "the amount may be reached".to_owned(),
    }
}

fn notes(budget: &BudgetStatus) -> Vec<String> {
    let mut notes = Vec::new();
    notes.extend(budget.data_from.map(|first| format!("data begins on {first}: what was spent before is not counted")));
    let today = budget.days.iter().rev().find(|day| day.spent.is_some());
    notes.extend(today.map(|day| paths(budget, day)));
    if budget.credits.abs() >= 0.005 {
        let hides = if budget.hidden_by_credits { ": without them the amount is exceeded" } else { "" };
        notes.push(format!("credits and refunds in these days: {}{hides}", money(budget.credits, &budget.currency)));
    }
    let crossed = budget.thresholds.iter().filter(|threshold| threshold.crossed).map(|threshold| {
        let on = threshold.on.map_or(String::new(), |day| format!(" on {day}"));
        format!("{}{on}", threshold.threshold)
    });
    let crossed: Vec<String> = crossed.collect();
    if !crossed.is_empty() {
        notes.push(format!("crossed: {}", crossed.join(", ")));
    }
    notes.extend(drivers(budget));
    notes
}

/// Services that make the difference to the period before.
fn drivers(budget: &BudgetStatus) -> Option<String> {
    let one = |driver: &Driver| {
        let names = group_names(&driver.group, driver.account_name.as_deref());
        format!("{} {}", names.join(" / "), change(driver.change.change, &budget.currency))
    };
    let drivers: Vec<String> = budget.drivers.iter().take(3).map(one).collect();
    (!drivers.is_empty()).then(|| format!("against the period before: {}", drivers.join(", ")))
}

fn paths(budget: &BudgetStatus, day: &BudgetDay) -> String {
    let spent = day.spent.unwrap_or(0.0);
    let beside = |path: f64| {
        let more = spent - path;
        format!("{} {}", money(more.abs(), &budget.currency), if more > 0.0 { "above" } else { "below" })
    };
    let seasonal = day.seasonal.map_or(String::new(), |path| format!(", {} one by weekdays and fees", beside(path)));
    format!("on {}: {} an even path{seasonal}", day.date, beside(day.even))
}
