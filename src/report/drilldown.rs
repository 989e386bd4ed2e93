//! A way down from the total as text.

use super::{
    Format, Page, Style, csv,
    explain::{causes, members_table, moves},
    json,
    units::{change, money},
};
use chrono::NaiveDate;

use crate::{
    error::Result,
    insights::{
        answer::Answer,
        change::Change,
        drilldown::{Below, Drilldown},
    },
    model::Period,
};

pub(crate) fn render(found: &Answer<Drilldown>, format: Format, style: Style) -> Result<String> {
    match format {
        Format::Json => json(found),
        Format::Csv => members_csv(found),
        Format::Table => Ok(text(found, Page::Terminal(style))),
        Format::Markdown => Ok(text(found, Page::Markdown)),
    }
}

fn text(found: &Answer<Drilldown>, page: Page) -> String {
    let mut text = page.prose(&heading(found.before, found.after, found.total, found.per_day, found.header.currency()));
    let mut path = String::from("all");
    for level in &found.levels {
        let of = change(level.of.change, found.header.currency());
        text += &format!("\n{}", page.line(&format!("{path}: {of} by {}", level.members.dimension)));
        text += &page.table(&members_table(&level.members, level.of, found.after.start, found.header.currency()));
        if let Some(chosen) = &level.chosen {
            path += &format!(" > {chosen}");
        }
    }
    text += &format!("\nwhy, {}\n", change(found.caused.change, found.header.currency()));
    text += &page.table(&causes(&found.causes, found.caused, found.header.currency()));
    text + &page.prose(&moves(&found.moves, found.header.currency()))
}

/// The two periods and the change between them.
pub(crate) fn heading(before: Period, after: Period, total: Change, per_day: bool, currency: &str) -> String {
    format!(
        "{} to {} cost {}{}, {} against {} to {}\n",
        after.start,
        after.end,
        money(total.after, currency),
        if per_day { " a day" } else { "" },
        change(total.change, currency),
        before.start,
        before.end
    )
}

/// One place on the way, for one who walks by hand.
pub(crate) fn place(below: &Below, since: NaiveDate, currency: &str, style: Style) -> String {
    let (members, shares, of) = (below.members.as_ref(), &below.causes, below.change);
    let table = match members {
        Some(members) => members_table(members, of, since, currency),
        None => causes(shares, of, currency),
    };
    table.render(style)
}

fn members_csv(found: &Answer<Drilldown>) -> Result<String> {
    let header = ["level", "dimension", "value", "before", "after", "change", "chosen", "per_day", "currency"];
    let rows = found.levels.iter().enumerate().flat_map(|(index, level)| {
        level.members.members.iter().map(move |member| {
            vec![
                (index + 1).to_string(),
                level.members.dimension.to_string(),
                member.value.clone(),
                member.change.before.to_string(),
                member.change.after.to_string(),
                member.change.change.to_string(),
                (Some(&member.value) == level.chosen.as_ref()).to_string(),
                found.per_day.to_string(),
                found.header.currency().to_owned(),
            ]
        })
    });
    csv(&header.map(str::to_owned), rows)
}
