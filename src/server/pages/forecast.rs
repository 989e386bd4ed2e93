//! Where the month will end, how sure that is, and how right forecasts were.

use askama::Template;

use super::{
    Asked, Made, about,
    parts::{Grid, Source, rendered},
    plot::{Kind, Line, Plot, days_link},
};
use crate::{
    error::Result,
    operations::{self, Answer, Forecast, ForecastCosts, ReplayForecasts, Session, parse_flags},
    report::{
        self, forecast,
        units::{change, money, percent},
    },
};

#[derive(Template)]
#[template(path = "forecast.html")]
struct ForecastPage {
    month: String,
    group_by: String,
    filters: Vec<String>,
    headline: String,
    facts: Vec<String>,
    plot: String,
    groups: Grid,
    drivers: Vec<String>,
    assumptions: Vec<String>,
    earlier: Grid,
    record: String,
    about: String,
}

#[derive(Template)]
#[template(path = "record.html")]
struct Record {
    grid: Grid,
    about: String,
}

pub(super) fn page(session: &Session, asked: &Asked) -> Result<Made> {
    let given = asked.without(&[]);
    let mut line = operations::find("forecast")?.line_of(&given)?;
    line.insert(0, "--no-save".to_owned());
    let found = session.run(&parse_flags::<ForecastCosts>(&line)?)?;
    let currency = found.header.currency();
    let filters = asked.all("filter");
    let kept: Vec<(&str, &str)> = given
        .iter()
        .filter(|(name, _)| !["month", "days", "to", "top"].contains(&name.as_str()))
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let drivers = found.drivers.iter().map(|driver| {
        let names = report::names(&driver.group, driver.account_name.as_deref());
        format!("{names} {} ({})", change(driver.change.change, currency), percent(driver.change.change_pct, true))
    });
    let source = Source::new("forecast", "forecast", "forecast", &given)?;
    let made = ForecastPage {
        month: asked.get("month").to_owned(),
        group_by: found.group_by.to_string(),
        headline: forecast::headline(&found, currency),
        facts: forecast::summary(&found, currency).lines().map(str::to_owned).collect(),
        plot: plot(&found, currency, &filters).render()?,
        groups: Grid::of("Where groups will end", &forecast::groups(&found, currency)).from(source.clone()),
        drivers: drivers.collect(),
        assumptions: found.assumptions.iter().map(ToString::to_string).collect(),
        earlier: earlier(&found, currency).from(source.part()),
        record: super::parts::address("/forecast/record", &kept),
        about: about(&found.header)?,
        filters,
    };
    Ok(Made { title: "Forecast".to_owned(), main: rendered(&made)? })
}

fn plot(found: &Answer<Forecast>, currency: &str, filters: &[String]) -> Plot {
    let line =
        |name: &str, kind: Kind, values: Vec<Option<f64>>| Line { name: name.to_owned(), kind, colour: 0, values };
    Plot {
        caption: "Cost by day, as it was and as it is expected".to_owned(),
        currency: currency.to_owned(),
        labels: found.days.iter().map(|day| day.date.to_string()).collect(),
        lines: vec![
            line("cost", Kind::Bars, found.days.iter().map(|day| day.cost).collect()),
            line(
                "expected",
                Kind::Dashes,
                found.days.iter().map(|day| (!day.settled).then_some(day.expected)).collect(),
            ),
        ],
        open_from: found.days.iter().position(|day| !day.settled),
        links: found.days.iter().map(|day| days_link(&day.date.to_string(), &day.date.to_string(), filters)).collect(),
        ..Plot::default()
    }
}

/// What was forecast before.
fn earlier(found: &Forecast, currency: &str) -> Grid {
    let mut grid = Grid::new("Earlier forecasts", &[("made on", false), ("expected", true), ("80 %", false)]);
    grid.empty = "Nothing was forecast of this month before.";
    let row = |one: &operations::EarlierForecast| {
        let range = one.interval.map_or(String::new(), |range| {
            format!("{} to {}", money(range.low, currency), money(range.high, currency))
        });
        [one.made_on.to_string(), money(one.expected, currency), range].map(super::parts::Cell::new).to_vec()
    };
    found.earlier.iter().for_each(|one| grid.row(row(one)));
    if let Some(checked) = &found.checked {
        let words = format!(
            "{} for {}: it came to {} ({})",
            checked.forecast.made_on,
            checked.period.start.format("%Y-%m"),
            money(checked.actual, currency),
            percent(checked.error_pct, true)
        );
        let mut cells = row(&checked.forecast);
        cells[0] = super::parts::Cell::new(words);
        grid.row(cells);
    }
    grid
}

/// How right forecasts of months that are over would have been: months are replayed, which takes a while.
pub(super) fn record(session: &Session, asked: &Asked) -> Result<Made> {
    let given = asked.without(&[]);
    let line = operations::find("forecast_backtest")?.line_of(&given)?;
    let found = session.run(&parse_flags::<ReplayForecasts>(&line)?)?;
    let table = forecast::scores(&found);
    let source = Source::new("forecast/backtest", "forecast_backtest", "forecast --backtest", &given)?;
    let made = Record { grid: Grid::of("How right forecasts were", &table).from(source), about: about(&found.header)? };
    Ok(Made { title: "How right forecasts were".to_owned(), main: rendered(&made)? })
}
