//! Accounts, with their names and what they cost.

use std::collections::BTreeMap;

use askama::Template;

use super::{
    Asked, Made, about,
    parts::{Cell, Grid, Row, Source, address, rendered},
};
use crate::{
    error::Result,
    operations::{self, ListAccounts, ListValues, Session, parse_flags},
    report::units::money,
};

#[derive(Template)]
#[template(path = "accounts.html")]
struct AccountsPage {
    days: String,
    grid: Grid,
    about: String,
}

pub(super) fn page(session: &Session, asked: &Asked) -> Result<Made> {
    let mut given = asked.without(&[]);
    given.push(("dimension".to_owned(), "account".to_owned()));
    if asked.get("top").is_empty() {
        given.push(("top".to_owned(), "1000".to_owned()));
    }
    let line = operations::find("values")?.line_of(&given)?;
    let costs = session.run(&parse_flags::<ListValues>(&line)?)?;
    let accounts = session.run(&ListAccounts::default())?;
    let known: BTreeMap<&str, &operations::Account> =
        accounts.accounts.iter().map(|one| (one.id.as_str(), one)).collect();
    let total: f64 = costs.values.iter().map(|one| one.cost).sum();
    let mut grid = Grid::new(
        "Accounts",
        &[("account", false), ("name", false), ("named by", false), ("cost", true), ("share", true)],
    );
    grid.empty = "There are no accounts.";
    let currency = costs.header.currency();
    let (from, to) = (costs.period.start.to_string(), costs.period.end.to_string());
    for one in &costs.values {
        let filter = format!("account={}", one.value);
        let href = address("/explore", &[("from", &from), ("to", &to), ("filter", &filter)]);
        let account = known.get(one.value.as_str());
        let share = if total.abs() >= 0.01 { format!("{:.1} %", one.cost / total * 100.0) } else { String::new() };
        grid.rows.push(Row {
            cells: vec![
                Cell::new(&one.value).to(&href),
                Cell::new(one.name.clone().unwrap_or_default()),
                Cell::new(account.and_then(|account| account.source.clone()).unwrap_or_default()),
                Cell::new(money(one.cost, currency)).to(&href),
                Cell::new(share),
            ],
            href: Some(href),
            ..Row::default()
        });
    }
    let grid = grid.from(Source::new("values", "values", "values", &given)?);
    let made = AccountsPage { days: format!("{from} to {to}"), grid, about: about(&costs.header)? };
    Ok(Made { title: "Accounts".to_owned(), main: rendered(&made)? })
}
