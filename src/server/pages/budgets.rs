//! Budgets: what is spent, where the period will end, and when the amount is reached.

use askama::Template;

use super::{
    Asked, Made, about,
    parts::{Grid, Source, rendered},
    plot::{Kind, Line, Plot, days_link},
};
use crate::{
    error::{Code, Result},
    operations::{self, BudgetState, BudgetStatus, Session, ShowBudgets, parse_flags},
    report::{budgets, units::money},
};

#[derive(Template)]
#[template(path = "budgets.html")]
struct BudgetsPage {
    grid: Grid,
    budgets: Vec<One>,
    about: String,
}

/// A budget.
struct One {
    anchor: String,
    name: String,
    owner: String,
    class: &'static str,
    sentence: String,
    notes: Vec<String>,
    plot: String,
}

/// A name as a place in a page.
pub(super) fn anchor(name: &str) -> String {
    let kept: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    format!("budget-{kept}")
}

pub(super) fn page(session: &Session, asked: &Asked) -> Result<Made> {
    let given = asked.without(&[]);
    let line = operations::find("budgets")?.line_of(&given)?;
    let found = match session.run(&parse_flags::<ShowBudgets>(&line)?) {
        // None are configured: a page that says how.
        Err(error) if error.code() == Code::NotFound && asked.get("name").is_empty() => {
            let made = BudgetsPage { grid: Grid::default(), budgets: Vec::new(), about: String::new() };
            return Ok(Made { title: "Budgets".to_owned(), main: rendered(&made)? });
        }
        found => found?,
    };
    let mut all = Vec::new();
    for budget in &found.budgets {
        all.push(One {
            anchor: anchor(&budget.name),
            name: budget.name.clone(),
            owner: budget.owner.clone().unwrap_or_default(),
            class: match budget.state {
                BudgetState::Within => "",
                BudgetState::Forecast => "warning",
                BudgetState::Exceeded => "critical",
            },
            sentence: crate::inert::html_sentence(&budget.sentence()),
            notes: budget.notes(),
            plot: plot(budget).render()?,
        });
    }
    let made = BudgetsPage {
        grid: Grid::of("Budgets", &budgets::table(&found.budgets))
            .from(Source::new("budgets", "budgets", "budgets", &given)?),
        budgets: all,
        about: about(&found.header)?,
    };
    Ok(Made { title: "Budgets".to_owned(), main: rendered(&made)? })
}

/// What is spent day by day, against the amount spread evenly.
fn plot(budget: &BudgetStatus) -> Plot {
    let line = |name: &str, kind: Kind, colour: usize, values: Vec<Option<f64>>| Line {
        name: name.to_owned(),
        kind,
        colour,
        values,
    };
    let last = budget.days.iter().rposition(|day| day.spent.is_some());
    let to_come = budget
        .days
        .iter()
        .enumerate()
        .map(|(place, day)| last.is_none_or(|last| place >= last).then_some(day.expected));
    let filters: Vec<String> = budget.filters.iter().map(ToString::to_string).collect();
    Plot {
        caption: format!("{}: spent, added up by day", budget.name),
        currency: budget.currency.clone(),
        labels: budget.days.iter().map(|day| day.date.to_string()).collect(),
        lines: vec![
            line("spent", Kind::Line, 0, budget.days.iter().map(|day| day.spent).collect()),
            line("expected", Kind::Dashes, 0, to_come.collect()),
            line("spread evenly", Kind::Line, 8, budget.days.iter().map(|day| Some(day.even)).collect()),
        ],
        limit: Some((format!("amount {}", money(budget.amount, &budget.currency)), budget.amount)),
        links: budget
            .days
            .iter()
            .map(|day| days_link(&day.date.to_string(), &day.date.to_string(), &filters))
            .collect(),
        ..Plot::default()
    }
}
