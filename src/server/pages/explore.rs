//! Costs by day, week or month and by group; each group leads to what it is made of.

use std::collections::BTreeSet;

use askama::Template;

use super::{
    Asked, Made, about,
    parts::{Cell, Grid, Row, Source, address, rendered},
    plot::{COLOURS, Kind, Line, Plot, sparkline},
};
use crate::{
    error::Result,
    operations::{self, Answer, Session, ShowTrends, Trends, parse_flags},
    report::{
        self,
        units::{change, money, percent},
    },
};

/// Dimensions that can be chosen; tags are written.
const DIMENSIONS: [&str; 10] = [
    "service",
    "account",
    "region",
    "usage-type",
    "operation",
    "resource",
    "provider",
    "charge-category",
    "purchase-option",
    "service+account",
];

#[derive(Template)]
#[template(path = "explore.html")]
struct Explore {
    form: Form,
    total: String,
    words: String,
    plot: String,
    grid: Grid,
    excluded: Vec<String>,
    about: String,
    compare: String,
}

/// What the form holds.
struct Form {
    from: String,
    to: String,
    days: String,
    granularity: String,
    group_by: String,
    metric: String,
    top: String,
    include: String,
    dimensions: Vec<String>,
    /// Each with the address without it.
    filters: Vec<(String, String)>,
    /// Values that can be filtered by.
    values: Vec<String>,
}

/// What a group of a dimension is made of.
fn below(dimension: &str, filtered: &BTreeSet<String>) -> &'static str {
    let order = ["account", "service", "region", "usage-type", "operation", "resource"];
    let next: &[&'static str] = match dimension {
        "service" | "product" => &["usage-type", "account", "operation", "resource"],
        "account" | "payer" | "provider" => &["service", "region", "usage-type"],
        "region" => &["service", "account", "usage-type"],
        "usage-type" => &["resource", "operation", "account"],
        "operation" => &["resource", "account"],
        _ => &order,
    };
    next.iter().find(|one| !filtered.contains(**one) && **one != dimension).copied().unwrap_or("resource")
}

pub(super) fn page(session: &Session, asked: &Asked) -> Result<Made> {
    let mut given = asked.without(&[]);
    let has = |name: &str| !asked.get(name).is_empty();
    // Without days, those of two months; more than the command line shows, for there is room.
    if !has("from") && !has("days") {
        given.push(("days".to_owned(), if has("to") { "14" } else { "60" }.to_owned()));
    }
    if has("from") {
        given.retain(|(name, _)| name != "days");
    }
    if !has("top") {
        given.push(("top".to_owned(), "8".to_owned()));
    }
    let line = operations::find("trends")?.line_of(&given)?;
    let found = session.run(&parse_flags::<ShowTrends>(&line)?)?;
    let currency = found.header.currency();
    let filters = asked.all("filter");
    let (first, last) = (found.periods.first(), found.periods.last());
    let (start, end) = (
        first.map_or(String::new(), |one| one.start.to_string()),
        last.map_or(String::new(), |one| one.end.to_string()),
    );
    let to_compare: Vec<(&str, String)> = vec![
        ("to", format!("{start}..{end}")),
        ("group_by", found.group_by.to_string()),
        ("metric", asked.get("metric").to_owned()),
    ];
    let mut to_compare: Vec<(&str, &str)> = to_compare.iter().map(|(name, value)| (*name, value.as_str())).collect();
    to_compare.extend(filters.iter().map(|filter| ("filter", filter.as_str())));
    let made = Explore {
        total: money(found.total, currency),
        words: format!("{start} to {end}, by {}", found.group_by),
        plot: plot(&found, asked).render()?,
        grid: grid(&found, asked, &filters, (&start, &end)).from(Source::new("trends", "trends", "trends", &given)?),
        excluded: found
            .excluded_charges
            .iter()
            .map(|one| format!("{} {}", one.charge_category, money(one.cost, currency)))
            .collect(),
        compare: address("/compare", &to_compare),
        form: form(&found, asked, &filters),
        about: about(&found.header)?,
    };
    Ok(Made { title: format!("Costs by {}", found.group_by), main: rendered(&made)? })
}

fn form(found: &Answer<Trends>, asked: &Asked, filters: &[String]) -> Form {
    let group_by = found.group_by.to_string();
    let mut dimensions: Vec<String> = DIMENSIONS.map(str::to_owned).to_vec();
    if !dimensions.contains(&group_by) {
        dimensions.insert(0, group_by.clone());
    }
    let without = |gone: usize| {
        let mut place = 0;
        let kept: Vec<(&str, &str)> = asked
            .query
            .iter()
            .filter(|(name, value)| {
                if name != "filter" || value.is_empty() {
                    return true;
                }
                place += 1;
                place - 1 != gone
            })
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        address("/explore", &kept)
    };
    let values = found.groups.iter().filter(|group| !group.other).flat_map(|group| {
        group.group.iter().filter_map(|(dimension, value)| Some(format!("{dimension}={}", value.as_str()?)))
    });
    Form {
        from: asked.get("from").to_owned(),
        to: asked.get("to").to_owned(),
        days: asked.get("days").to_owned(),
        granularity: asked.get("granularity").to_owned(),
        group_by,
        metric: asked.get("metric").to_owned(),
        top: asked.get("top").to_owned(),
        include: asked.get("include").to_owned(),
        dimensions,
        filters: filters.iter().enumerate().map(|(place, filter)| (filter.clone(), without(place))).collect(),
        values: values.collect::<BTreeSet<_>>().into_iter().collect(),
    }
}

fn names(group: &operations::GroupTotal) -> String {
    report::names(&group.group, group.account_name.as_deref())
}

fn plot(found: &Answer<Trends>, asked: &Asked) -> Plot {
    let last = found.groups.len().saturating_sub(1);
    let lines = found.groups.iter().enumerate().map(|(place, group)| Line {
        name: names(group),
        kind: Kind::Bars,
        // Others are the last colour, whatever their place.
        colour: if group.other && place == last { COLOURS - 1 } else { place % (COLOURS - 1) },
        values: group.costs.iter().map(|cost| Some(*cost)).collect(),
    });
    let links = found.periods.iter().map(|period| {
        let (from, to) = (period.start.to_string(), period.end.to_string());
        let mut parameters = vec![("from", from.as_str()), ("to", to.as_str())];
        let kept =
            asked.query.iter().filter(|(name, _)| !["from", "to", "days", "granularity"].contains(&name.as_str()));
        parameters.extend(kept.map(|(name, value)| (name.as_str(), value.as_str())));
        address("/explore", &parameters)
    });
    Plot {
        caption: format!("Cost by {}", found.group_by),
        currency: found.header.currency().to_owned(),
        labels: found.periods.iter().map(|period| period.start.to_string()).collect(),
        lines: lines.collect(),
        open_from: found.periods.iter().position(|period| period.provisional),
        links: links.collect(),
        ..Plot::default()
    }
}

fn grid(found: &Answer<Trends>, asked: &Asked, filters: &[String], days: (&str, &str)) -> Grid {
    let currency = found.header.currency();
    let group_by = found.group_by.to_string();
    let columns = [
        (group_by.as_str(), false),
        ("cost", true),
        ("share", true),
        ("a period", true),
        ("last change", true),
        ("%", true),
        ("", false),
    ];
    let mut grid = Grid::new(format!("Costs by {group_by}"), &columns);
    grid.empty = "There are no costs of that.";
    let filtered: BTreeSet<String> = filters
        .iter()
        .filter_map(|filter| filter.split_once('='))
        .map(|(name, _)| name.trim_end_matches('!').to_owned())
        .collect();
    // A change into a period that is not finished says nothing.
    let settled = found.periods.iter().rposition(|period| !period.provisional);
    for (place, group) in found.groups.iter().enumerate() {
        let own: Vec<String> = group
            .group
            .iter()
            .map(|(dimension, value)| format!("{dimension}={}", value.as_str().unwrap_or_default()))
            .collect();
        let next = group.group.keys().next().map_or("service", |dimension| below(dimension, &filtered));
        let mut parameters = vec![("from", days.0), ("to", days.1), ("group_by", next)];
        let kept = ["metric", "granularity", "source", "include", "as_of", "top"];
        parameters.extend(kept.iter().map(|name| (*name, asked.get(name))));
        parameters.extend(filters.iter().chain(&own).map(|filter| ("filter", filter.as_str())));
        let href = (!group.other).then(|| address("/explore", &parameters));
        let moved = settled.and_then(|last| found.periods[last].groups.get(place));
        let name = Cell { href: href.clone(), ..Cell::new(names(group)) };
        let cost = Cell { href: href.clone(), ..Cell::new(money(group.cost, currency)) };
        grid.rows.push(Row {
            cells: vec![
                name,
                cost,
                Cell::new(percent(group.share_pct, false)),
                Cell::new(money(group.average, currency)),
                Cell::new(moved.and_then(|one| one.change).map_or("-".to_owned(), |moved| change(moved, currency))),
                Cell::new(percent(moved.and_then(|one| one.change_pct), true)),
                Cell::drawn(sparkline(&group.costs, &[], &[])),
            ],
            href,
            ..Row::default()
        });
    }
    let totals: Vec<f64> = found.periods.iter().map(|period| period.total).collect();
    let last = settled.map(|last| &found.periods[last]);
    grid.rows.push(Row {
        cells: vec![
            Cell::new("total"),
            Cell::new(money(found.total, currency)),
            Cell::default(),
            Cell::new(money(found.total / totals.len().max(1) as f64, currency)),
            Cell::new(last.and_then(|one| one.change).map_or("-".to_owned(), |moved| change(moved, currency))),
            Cell::new(percent(last.and_then(|one| one.change_pct), true)),
            Cell::drawn(sparkline(&totals, &[], &[])),
        ],
        class: "total",
        ..Row::default()
    });
    grid
}
