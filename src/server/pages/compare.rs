//! Two periods side by side: what moved, and why.

use askama::Template;

use super::{
    Asked, Made, about,
    parts::{Cell, Grid, Source, capitalised, rendered},
    plot::{days_link, step_bar},
};
use crate::{
    error::Result,
    operations::{self, Answer, ComparePeriods, Comparison, Session, parse_flags},
    report::{
        compare, explain,
        units::{change, money, percent},
    },
};

#[derive(Template)]
#[template(path = "compare.html")]
struct Compare {
    before: String,
    after: String,
    month: String,
    group_by: String,
    filters: Vec<String>,
    sentence: String,
    waterfall: Grid,
    movers: Grid,
    causes: Grid,
    moves: Vec<String>,
    about: String,
}

pub(super) fn page(session: &Session, asked: &Asked) -> Result<Made> {
    let given = asked.without(&[]);
    let line = operations::find("compare")?.line_of(&given)?;
    let found = session.run(&parse_flags::<ComparePeriods>(&line)?)?;
    let currency = found.header.currency();
    let filters = asked.all("filter");
    let source = Source::new("compare", "compare", "compare", &given)?;
    let made = Compare {
        before: format!("{}..{}", found.before.start, found.before.end),
        after: format!("{}..{}", found.after.start, found.after.end),
        month: asked.get("month").to_owned(),
        group_by: found.group_by.to_string(),
        sentence: compare::sentence(&found, currency),
        waterfall: waterfall(&found, currency).from(source.part()),
        movers: movers(&found, &filters).from(source.clone()),
        causes: causes(&found, currency).from(source.part()),
        moves: explain::moves(&found.moves, currency).lines().map(str::to_owned).collect(),
        about: about(&found.header)?,
        filters,
    };
    Ok(Made { title: "Compare".to_owned(), main: rendered(&made)? })
}

/// The way from one total to the other. The scale is of the steps alone: beside a total from 0 they would all look alike.
fn waterfall(found: &Comparison, currency: &str) -> Grid {
    let mut grid = Grid::new("Waterfall", &[("step", false), ("change", true), ("total", true), ("", false)]);
    let levels: Vec<f64> = [found.total.before, found.total.after]
        .into_iter()
        .chain(found.waterfall.iter().map(|step| step.total))
        .collect();
    let (least, most) = (
        levels.iter().copied().fold(f64::INFINITY, f64::min),
        levels.iter().copied().fold(f64::NEG_INFINITY, f64::max),
    );
    let room = (most - least).max(0.01) * 0.1;
    let scale = (if least > room { least - room } else { least.min(0.0) }, most);
    let total = |name: &str, amount: f64| {
        vec![
            Cell::new(name),
            Cell::default(),
            Cell::new(money(amount, currency)),
            Cell::drawn(step_bar(scale.0, amount, scale, "sum")),
        ]
    };
    grid.row(total("before", found.total.before));
    let mut level = found.total.before;
    for step in &found.waterfall {
        let class = if step.change > 0.0 { "up" } else { "down" };
        grid.row(vec![
            Cell::new(&step.label),
            Cell::new(change(step.change, currency)),
            Cell::new(money(step.total, currency)),
            Cell::drawn(step_bar(level, step.total, scale, class)),
        ]);
        level = step.total;
    }
    grid.row(total("after", found.total.after));
    grid
}

fn movers(found: &Answer<Comparison>, filters: &[String]) -> Grid {
    let mut grid = Grid::of("Movers", &compare::movers(found));
    let width = found.group_by.0.len();
    let (before, after) = (&found.before, &found.after);
    for (row, mover) in grid.rows.iter_mut().zip(&found.movers) {
        let own =
            mover.group.iter().map(|(dimension, value)| format!("{dimension}={}", value.as_str().unwrap_or_default()));
        let all: Vec<String> = filters.iter().cloned().chain(own).collect();
        let link =
            |start: chrono::NaiveDate, end: chrono::NaiveDate| days_link(&start.to_string(), &end.to_string(), &all);
        let first = before.start.min(after.start);
        let links = [
            (0, link(first, after.end)),
            (width, link(before.start, before.end)),
            (width + 1, link(after.start, after.end)),
        ];
        for (place, href) in links {
            if let Some(cell) = row.cells.get_mut(place) {
                cell.href = Some(href);
            }
        }
        row.href = row.cells.first().and_then(|cell| cell.href.clone());
    }
    grid
}

fn causes(found: &Comparison, currency: &str) -> Grid {
    let mut grid = Grid::new("Causes", &[("cause", false), ("change", true), ("share", true)]);
    grid.empty = "Nothing changed.";
    for share in found.causes.iter().filter(|share| share.change.abs() >= 0.005) {
        grid.row(vec![
            Cell::new(capitalised(explain::cause_name(share.cause))),
            Cell::new(change(share.change, currency)),
            Cell::new(percent(share.share_pct, false)),
        ]);
    }
    grid
}
