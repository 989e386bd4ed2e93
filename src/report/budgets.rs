//! How budgets stand, as text.

use chrono::NaiveDate;

use super::{
    Format, Page, Style, csv, json,
    table::{Column, Table},
    units::{money, percent},
};
use crate::{
    error::Result,
    insights::{
        answer::Answer,
        budgets::{BudgetState, BudgetStatus, Budgets},
    },
};

/// The interval of tables.
const LIKELY: f64 = 0.8;
/// Columns of a bar.
const BAR: usize = 40;

pub(crate) fn render(answer: &Answer<Budgets>, format: Format, style: Style) -> Result<String> {
    match format {
        Format::Json => json(answer),
        Format::Csv => to_csv(&answer.budgets),
        Format::Table => Ok(text(&answer.budgets, Page::Terminal(style))),
        Format::Markdown => Ok(text(&answer.budgets, Page::Markdown)),
    }
}

fn text(budgets: &[BudgetStatus], page: Page) -> String {
    let mut text = page.table(&table(budgets));
    for budget in budgets {
        text += &page.prose(&format!("\n{}\n", budget.sentence()));
        if let Page::Terminal(_) = page {
            text += &bar(budget);
        }
        for line in budget.notes() {
            text += &page.prose(&format!("  {line}\n"));
        }
    }
    text
}

/// A row for each budget.
pub(crate) fn table(budgets: &[BudgetStatus]) -> Table {
    let mut table = Table::new(vec![
        Column::name("budget"),
        Column::name("period").rank(3),
        Column::number("amount"),
        Column::number("spent"),
        Column::number("%").rank(1),
        Column::number("expected"),
        Column::number("%").rank(1),
        Column::number("80 % interval").rank(4),
        Column::name("state"),
        Column::name("reached").rank(2),
    ]);
    for budget in budgets {
        let money = |amount: f64| money(amount, &budget.currency);
        let interval = budget.expected.interval(LIKELY);
        table.row(vec![
            budget.name.clone(),
            format!("{}..{}", budget.period.start, budget.period.end.format("%m-%d")),
            money(budget.amount),
            money(budget.spent),
            percent(Some(budget.spent_pct), false),
            money(budget.expected.expected),
            percent(Some(budget.expected_pct), false),
            interval.map_or("-".into(), |ends| format!("{}..{}", money(ends.low), money(ends.high))),
            state(budget.state).into(),
            budget.crossing.and_then(|crossing| crossing.day).map_or("-".into(), |day| day.to_string()),
        ]);
    }
    table
}

fn state(state: BudgetState) -> &'static str {
    match state {
        BudgetState::Within => "within",
        BudgetState::Forecast => "will exceed",
        BudgetState::Exceeded => "exceeded",
    }
}

/// What is spent and what is expected, beside the amount.
fn bar(budget: &BudgetStatus) -> String {
    let most = budget.amount.max(budget.expected.expected).max(budget.spent);
    let at = |amount: f64| ((amount.max(0.0) / most * BAR as f64).round() as usize).min(BAR);
    let (spent, expected, amount) = (at(budget.spent), at(budget.expected.expected), at(budget.amount).max(1));
    let cell = |place: usize| match place {
        place if place + 1 == amount => '|',
        place if place < spent => '█',
        place if place < expected => '░',
        _ => '·',
    };
    format!("  {}\n", (0..BAR).map(cell).collect::<String>())
}

/// One row for each budget.
fn to_csv(budgets: &[BudgetStatus]) -> Result<String> {
    let header = [
        "budget",
        "start",
        "end",
        "known_through",
        "amount",
        "spent",
        "spent_pct",
        "expected",
        "expected_pct",
        "low_80",
        "high_80",
        "state",
        "reached",
        "probability",
        "credits",
        "currency",
    ];
    let number = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
    let date = |day: Option<NaiveDate>| day.map_or(String::new(), |day| day.to_string());
    let rows = budgets.iter().map(|budget| {
        let interval = budget.expected.interval(LIKELY);
        vec![
            budget.name.clone(),
            budget.period.start.to_string(),
            budget.period.end.to_string(),
            budget.known_through.to_string(),
            budget.amount.to_string(),
            budget.spent.to_string(),
            budget.spent_pct.to_string(),
            budget.expected.expected.to_string(),
            budget.expected_pct.to_string(),
            number(interval.map(|ends| ends.low)),
            number(interval.map(|ends| ends.high)),
            state(budget.state).replace(' ', "_"),
            date(budget.crossing.and_then(|crossing| crossing.day)),
            number(budget.crossing.and_then(|crossing| crossing.probability)),
            budget.credits.to_string(),
            budget.currency.clone(),
        ]
    });
    csv(&header.map(str::to_owned), rows)
}
