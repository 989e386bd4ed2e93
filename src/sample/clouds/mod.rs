//! Generated bills of other clouds and of vendors of models, each in its own layouts: days of a few meters, with labelled events.
//! The same seed gives the same bill. Amounts are made up; columns and folders are the provider's.

mod azure;
mod gcp;
mod meters;
mod models;

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use chrono::{Datelike, Days, NaiveDate, Weekday};
use clap::ValueEnum;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Event, HOURS_OF_LAST_DAY, Request, Written, noise, write_events};
use crate::{
    error::{Error, Result},
    model::{Granularity, Period},
};
use meters::Meter;

/// Decimals of generated costs, so that every layout has the same ones.
const DECIMALS: f64 = 1e6;

/// Whose bills are generated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Provider {
    /// Amazon Web Services
    #[default]
    Aws,
    /// Microsoft Azure: exports of actual and of amortized costs
    Azure,
    /// Google Cloud: the detailed billing export
    Gcp,
    /// OpenAI: the costs of an organization
    Openai,
    /// Anthropic: the cost report of an organization
    Anthropic,
    /// A LiteLLM proxy: its daily activity
    Litellm,
}

/// How a provider writes its bills, where it has several ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Layout {
    /// Azure, enterprise agreement before 2019
    Ea2018,
    /// Azure, enterprise agreement
    Ea,
    /// Azure, enterprise agreement with costs in the billing currency
    EaV2,
    /// Azure, Microsoft customer agreement
    Mca,
    /// Azure, the schema of April 2025 with a manifest for each run
    #[value(name = "2025-04")]
    Azure2025,
    /// Google Cloud, nested
    Parquet,
    /// Google Cloud, nested, one object on a line
    Json,
    /// Google Cloud, flat, with credits as JSON
    Csv,
}

impl Provider {
    /// The layouts that it has, the usual one first.
    fn layouts(self) -> &'static [Layout] {
        match self {
            Provider::Azure => &[Layout::Azure2025, Layout::Ea2018, Layout::Ea, Layout::EaV2, Layout::Mca],
            Provider::Gcp => &[Layout::Parquet, Layout::Json, Layout::Csv],
            Provider::Aws | Provider::Openai | Provider::Anthropic | Provider::Litellm => &[],
        }
    }

    fn name(self) -> String {
        self.to_possible_value().map_or(String::new(), |value| value.get_name().to_owned())
    }
}

/// What a line of a bill is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Usage,
    /// Usage that a reservation pays for.
    Reserved,
    /// A reservation, bought on the 1st.
    Purchase,
    /// What of it nothing used.
    Unused,
    Refund,
    Rounding,
    Tax,
}

/// A day of a meter, before any layout.
struct Line {
    kind: Kind,
    meter: &'static Meter,
    day: NaiveDate,
    month: NaiveDate,
    resource: String,
    quantity: f64,
    /// At the price of pay as you go.
    list: f64,
    /// As billed, and with reservations spread over what they cover.
    actual: f64,
    amortized: f64,
    /// What a promotion or a discount takes off.
    credit: f64,
}

/// Writes bills and `events.csv` below `request.out`.
///
/// # Errors
/// When a file cannot be written, or the provider has no such layout.
pub(super) fn write(request: &Request) -> Result<Written> {
    let provider = request.provider;
    let layout = match (request.layout, provider.layouts()) {
        (None, layouts) => layouts.first().copied(),
        (Some(layout), layouts) if layouts.contains(&layout) => Some(layout),
        (Some(_), []) => {
            return Err(Error::usage(format!("{} has one layout", provider.name())).hint("leave out `--layout`"));
        }
        (Some(_), layouts) => {
            let names: Vec<String> =
                layouts.iter().filter_map(|layout| Some(layout.to_possible_value()?.get_name().to_owned())).collect();
            return Err(Error::usage(format!("{} has no such layout", provider.name()))
                .hint(format!("there are: {}", names.join(", "))));
        }
    };
    let days = request.days.max(1) as usize;
    let first_day = request.last_day - Days::new(days as u64 - 1);
    let mut random = ChaCha8Rng::seed_from_u64(request.seed);
    let meters = meters::of(provider);
    let mut events = Vec::new();
    let mut daily: Vec<Vec<f64>> = Vec::with_capacity(meters.len());
    for meter in meters {
        let from = meter.event.map(|event| days - 1 - (event.before_end * days / 90).min(days - 1));
        let factor = |day: usize| match (meter.event, from) {
            (Some(event), Some(from)) if day >= from && request.events => event.factor,
            (Some(event), _) => event.before,
            _ => 1.0,
        };
        let costs: Vec<f64> = (0..days)
            .map(|day| usual(meter, first_day + Days::new(day as u64)) * factor(day) * noise(&mut random, meter.noise))
            .collect();
        if let (Some(event), Some(from), true) = (meter.event, from, request.events) {
            let last = days.saturating_sub(2);
            events.push(Event {
                kind: event.kind,
                account: meter.account().0,
                service: meter.service,
                region: meter.region,
                start: first_day + Days::new(from as u64),
                end: first_day + Days::new(last as u64),
                direction: if event.factor < event.before { "down" } else { "up" },
                dollars_per_day: costs[last] * (1.0 - event.before / event.factor),
            });
        }
        daily.push(costs);
    }
    // More lines come of more resources, each with its share of the meter's day.
    let usual_lines: usize = meters.iter().map(|meter| meter.resources).sum::<usize>() * days;
    let factor = request.rows.map_or(1, |rows| rows.div_ceil(usual_lines.max(1) as u64).max(1)) as usize;
    let seed = random.random::<u32>();
    let mut written = Written { rows: 0, files: Vec::new(), events };
    for period in (Period { start: first_day, end: request.last_day }).split(Granularity::Monthly) {
        let estate = Estate { meters, daily: &daily, first_day, last_day: request.last_day, factor, seed };
        let (rows, files) = match (provider, layout) {
            (Provider::Azure, Some(layout)) => azure::write(&request.out, layout, period, &estate)?,
            (Provider::Gcp, Some(layout)) => gcp::write(&request.out, layout, period, &estate)?,
            _ => models::write(&request.out, provider, period, &estate)?,
        };
        written.rows += rows;
        written.files.extend(files);
    }
    write_events(&request.out.join("events.csv"), &written.events)?;
    Ok(written)
}

/// What is billed, by meter and day.
struct Estate<'a> {
    meters: &'static [Meter],
    daily: &'a [Vec<f64>],
    first_day: NaiveDate,
    last_day: NaiveDate,
    /// How many times its resources each meter has.
    factor: usize,
    seed: u32,
}

impl Estate<'_> {
    /// Calls `push` for every line of `period`, a part of one month.
    fn lines(&self, period: Period, push: &mut dyn FnMut(Line) -> Result<()>) -> Result<()> {
        let month = crate::model::first_of_month(period.start);
        for (meter, costs) in self.meters.iter().zip(self.daily) {
            let of_day = |day: NaiveDate| {
                let index = usize::try_from((day - self.first_day).num_days()).unwrap_or(0);
                let share = if day == self.last_day { f64::from(HOURS_OF_LAST_DAY) / 24.0 } else { 1.0 };
                costs[index] * share
            };
            let line = |kind, day, resource: String, cost: f64| Line {
                kind,
                meter,
                day,
                month,
                resource,
                quantity: rounded(cost / meter.price),
                list: rounded(cost),
                actual: rounded(cost),
                amortized: rounded(cost),
                credit: rounded(-cost * meter.credit),
            };
            let resources = meter.resources * self.factor;
            let mut used = 0.0;
            for day in period.iter() {
                let cost = of_day(day);
                if cost <= 0.0 {
                    continue;
                }
                for index in 0..resources {
                    let resource = format!("{}-{:08x}", meter.resource, self.seed.wrapping_add(index as u32));
                    let own = cost / resources as f64;
                    match meter.reserved {
                        None => push(line(Kind::Usage, day, resource, own))?,
                        Some(rate) => {
                            let amortized = rounded(own * rate);
                            used += amortized;
                            push(Line {
                                actual: 0.0,
                                amortized,
                                credit: 0.0,
                                ..line(Kind::Reserved, day, resource, own)
                            })?;
                        }
                    }
                }
            }
            if meter.reserved.is_some() {
                let unused = rounded(used / 9.0);
                let other = |kind, actual, amortized| Line {
                    quantity: 1.0,
                    list: 0.0,
                    credit: 0.0,
                    actual,
                    amortized,
                    ..line(kind, period.start, String::new(), 0.0)
                };
                push(other(Kind::Purchase, rounded(used + unused), 0.0))?;
                push(other(Kind::Unused, 0.0, unused))?;
                push(other(Kind::Refund, -3.5, -3.5))?;
                push(other(Kind::Rounding, 0.003, 0.003))?;
            }
        }
        Ok(())
    }
}

fn usual(meter: &Meter, day: NaiveDate) -> f64 {
    let is_weekend = matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
    meter.per_day * if is_weekend { meter.weekend } else { 1.0 }
}

fn rounded(amount: f64) -> f64 {
    (amount * DECIMALS).round() / DECIMALS
}

fn create(path: &Path) -> Result<File> {
    let failed = |e: std::io::Error| Error::input(format!("cannot write `{}`", path.display())).caused_by(e);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    File::create(path).map_err(failed)
}

fn csv_writer(path: &Path) -> Result<csv::Writer<File>> {
    Ok(csv::Writer::from_writer(create(path)?))
}

fn cannot_write(path: &Path) -> impl Fn(csv::Error) -> Error + use<'_> {
    |e| Error::input(format!("cannot write `{}`", path.display())).caused_by(e)
}

/// What was written of a month: lines and files.
type Month = (u64, Vec<PathBuf>);
