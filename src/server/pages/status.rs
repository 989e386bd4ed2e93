//! How the data stands, and what the program did.

use askama::Template;

use super::{
    Asked, Made, about,
    parts::{Cell, Grid, Source, rendered},
};
use crate::{
    error::Result,
    operations::{CheckStatus, DataStatus, ReconcileMonth, Session, ShowStatus},
    report::{
        reconcile,
        units::{count, money},
    },
};

#[derive(Template)]
#[template(path = "status.html")]
struct StatusPage {
    bills: Grid,
    checks: Grid,
    reconciled: String,
    differences: Grid,
    runs: Grid,
    channels: Grid,
    spent: Grid,
    size: String,
    about: String,
}

pub(super) fn page(session: &Session, _: &Asked) -> Result<Made> {
    let status = session.run(&ShowStatus::default())?;
    let (reconciled, differences) = match session.run(&ReconcileMonth::default()) {
        Ok(found) => (reconcile::headline(&found), Grid::of("Differences", &reconcile::totals(&found))),
        // One source alone has nothing to be held against.
        Err(error) => (error.message().to_owned(), Grid::default()),
    };
    let source = Source::new("status", "status", "status", &[])?;
    let made = StatusPage {
        checks: checks(&status).from(source.part()),
        reconciled,
        differences: differences.from(Source::new("reconcile", "reconcile", "reconcile", &[])?.part()),
        runs: runs(&status).from(source.part()),
        channels: channels(&status).from(source.part()),
        spent: spent(&status).from(source.part()),
        bills: bills(&status).from(source),
        size: count(status.database_bytes / 1_000_000),
        about: about(&status.header)?,
    };
    Ok(Made { title: "Status".to_owned(), main: rendered(&made)? })
}

fn bills(status: &DataStatus) -> Grid {
    let columns = [
        ("source", false),
        ("provider", false),
        ("payer", false),
        ("first day", false),
        ("newest day", false),
        ("months", true),
        ("rows", true),
        ("cost", true),
        ("", false),
        ("read on (UTC)", false),
    ];
    let mut grid = Grid::new("Bills", &columns);
    grid.empty = "There are no bills.";
    for bill in &status.bills {
        grid.row(vec![
            Cell::new(&bill.source),
            Cell::new(&bill.provider),
            Cell::new(&bill.payer_account_id),
            Cell::new(bill.first_day.to_string()),
            Cell::new(bill.last_day.to_string()),
            Cell::new(bill.months.to_string()),
            Cell::new(count(bill.rows)),
            Cell::new(money(bill.cost, &bill.currency)),
            Cell::new(if bill.estimated { "may change" } else { "" }),
            Cell::new(bill.ingested_at.format("%Y-%m-%d %H:%M").to_string()),
        ]);
    }
    grid
}

fn checks(status: &DataStatus) -> Grid {
    let mut grid = Grid::new("Checks", &[("state", false), ("check", false), ("found", false), ("what to do", false)]);
    for check in &status.checks {
        let (mark, class) = match check.status {
            CheckStatus::Ok => ("ok", "fine"),
            CheckStatus::Warn => ("look", "warning"),
            CheckStatus::Fail => ("failed", "critical"),
            CheckStatus::Skip => ("-", ""),
        };
        grid.row(vec![
            Cell::new(mark).class(class),
            Cell::new(&check.check),
            Cell::new(&check.detail),
            Cell::new(check.fix.clone().unwrap_or_default()),
        ]);
    }
    grid
}

fn runs(status: &DataStatus) -> Grid {
    let mut grid = Grid::new("Runs", &[("began (UTC)", false), ("took", true), ("judged", false), ("failed", false)]);
    grid.empty = "Nothing was run yet: `run` and `watch` fetch, judge and alert.";
    for run in &status.runs {
        let took = (run.finished_at - run.started_at).num_milliseconds() as f64 / 1000.0;
        let judged = run.judged_start.zip(run.judged_end).map(|(start, end)| format!("{start} to {end}"));
        grid.row(vec![
            Cell::new(run.started_at.format("%Y-%m-%d %H:%M").to_string()),
            Cell::new(format!("{took:.1} s")),
            Cell::new(judged.unwrap_or_default()),
            Cell::new(run.error.clone().unwrap_or_default()).class("critical"),
        ]);
    }
    grid
}

fn channels(status: &DataStatus) -> Grid {
    let mut grid = Grid::new("Messages", &[("channel", false), ("sent", true), ("waiting", true), ("why", false)]);
    grid.empty = "There are no channels.";
    for channel in &status.channels {
        grid.row(vec![
            Cell::new(&channel.channel),
            Cell::new(count(channel.sent)),
            Cell::new(channel.waiting.to_string()),
            Cell::new(channel.error.clone().unwrap_or_default()),
        ]);
    }
    grid
}

fn spent(status: &DataStatus) -> Grid {
    let mut grid = Grid::new(
        "What this program asked of priced APIs",
        &[("month", false), ("service", false), ("requests", true), ("cost", true)],
    );
    grid.empty = "Nothing: files and buckets cost no requests that are priced here.";
    for one in &status.spent {
        grid.row(vec![
            Cell::new(one.month.format("%Y-%m").to_string()),
            Cell::new(&one.service),
            Cell::new(count(one.requests)),
            Cell::new(money(one.cost_usd, "USD")),
        ]);
    }
    grid
}
