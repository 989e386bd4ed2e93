//! Generated bills: a small company's estate, hour by hour, with labelled events. The same seed gives the
//! same bill. Amounts are made up; columns, layout and line item types are AWS's.

mod causes;
mod clouds;
mod estate;
mod files;

use std::path::{Path, PathBuf};

use chrono::{Datelike, Days, Months, NaiveDate, Weekday};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::sources::Format;
use crate::{
    error::{Error, Result},
    model::{Granularity, Period, first_of_month},
};
use causes::{Causes, Terms};
use estate::{ACCOUNTS, Coverage, LARGE, METERS, Meter, PAYER};

pub(crate) use causes::Planted;
pub(crate) use clouds::{Layout, Provider};

/// Hours of the last day that the bill already has.
const HOURS_OF_LAST_DAY: u32 = 10;
/// What share of list price a reservation and a Savings Plan cost, and how much of each is used.
const RESERVED_RATE: f64 = 0.62;
const RESERVED_USED: f64 = 0.9;
const SAVINGS_PLAN_RATE: f64 = 0.72;
const SAVINGS_PLAN_USED: f64 = 0.95;
/// What share of the credited usage a credit pays.
const CREDITED: f64 = 0.8;

/// What to generate.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub out: PathBuf,
    pub provider: Provider,
    /// How another provider than AWS writes its bills; the usual way when nothing is said.
    pub layout: Option<Layout>,
    /// AWS's format.
    pub format: Format,
    /// The last day, which is unfinished.
    pub last_day: NaiveDate,
    pub days: u32,
    pub seed: u64,
    pub events: bool,
    /// Causes to plant instead, in an estate without noise.
    pub causes: Vec<Planted>,
    /// Line items to reach at least, by giving each meter more resources.
    pub rows: Option<u64>,
}

/// What was generated.
#[derive(Debug)]
pub(crate) struct Written {
    pub rows: u64,
    pub files: Vec<PathBuf>,
    pub events: Vec<Event>,
}

/// Something that happened to one service of one account.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    pub kind: &'static str,
    pub account: &'static str,
    pub service: &'static str,
    pub region: &'static str,
    pub start: NaiveDate,
    pub end: NaiveDate,
    pub direction: &'static str,
    /// Dollars of list price a day more or less than without the event, on its last day.
    pub dollars_per_day: f64,
}

/// One line of the bill, before any format.
pub(crate) struct Line<'a> {
    pub kind: LineKind,
    pub meter: &'static Meter,
    pub resource: &'a str,
    /// Milliseconds since 1970, UTC.
    pub start: i64,
    pub end: i64,
    pub billing_period: NaiveDate,
    pub usage_amount: f64,
    pub list_cost: f64,
    pub unblended_cost: f64,
    /// The cost under commitments: of covered usage what was paid ahead, of a fee what went unused.
    pub effective_cost: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineKind {
    Usage,
    DiscountedUsage,
    RiFee,
    SavingsPlanCoveredUsage,
    SavingsPlanNegation,
    SavingsPlanRecurringFee,
    Fee,
    Tax,
    Credit,
    Discount,
    /// What FOCUS shows of a commitment beside its purchase.
    UnusedCommitment,
}

/// Writes bills, manifests and `events.csv` below `request.out`.
///
/// # Errors
/// When the folder is not empty or cannot be written, or the format is not generated.
pub(crate) fn write(request: &Request) -> Result<Written> {
    let out = &request.out;
    if out.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Error::input(format!("the folder `{}` is not empty", out.display()))
            .hint("name a new one with `--out`; nothing is written over"));
    }
    std::fs::create_dir_all(out)
        .map_err(|e| Error::input(format!("cannot create the folder `{}`", out.display())).caused_by(e))?;
    if request.provider != Provider::Aws {
        return clouds::write(request);
    }
    let estate = Estate::new(request);
    let mut written = Written { rows: 0, files: Vec::new(), events: estate.events.clone() };
    let range = Period { start: estate.first_day, end: request.last_day };
    for period in range.split(Granularity::Monthly) {
        let mut writer = files::PeriodWriter::new(out, request.format, first_of_month(period.start))?;
        estate.lines(period, |line| writer.push(&line))?;
        let (rows, files) = writer.finish()?;
        written.rows += rows;
        written.files.extend(files);
    }
    match &estate.causes {
        Some(causes) => causes.write(&out.join("causes.csv"), estate.first_day, &estate.daily)?,
        None => write_events(&out.join("events.csv"), &estate.events)?,
    }
    Ok(written)
}

fn write_events(path: &Path, events: &[Event]) -> Result<()> {
    let failed = |e: csv::Error| Error::input(format!("cannot write `{}`", path.display())).caused_by(e);
    let mut writer = csv::Writer::from_path(path).map_err(failed)?;
    writer
        .write_record(["kind", "account", "service", "region", "start", "end", "direction", "dollars_per_day"])
        .map_err(failed)?;
    for event in events {
        let row = [
            event.kind.to_owned(),
            event.account.into(),
            event.service.into(),
            event.region.into(),
            event.start.to_string(),
            event.end.to_string(),
            event.direction.into(),
            format!("{:.2}", event.dollars_per_day),
        ];
        writer.write_record(row).map_err(failed)?;
    }
    writer.flush().map_err(|e| Error::input(format!("cannot write `{}`", path.display())).caused_by(e))
}

/// What a meter's cost is spread over.
struct Resource {
    id: String,
    /// The share of the meter's day by hour; those of all resources of a meter add up to 1.
    shares: [f64; 24],
}

impl Resource {
    fn all_of(meter: &Meter, factor: usize, random: &mut impl Rng) -> Vec<Self> {
        let one = |_| {
            let id = if meter.arn.is_empty() {
                String::new()
            } else {
                format!("{}{:016x}", meter.arn, random.random::<u64>())
            };
            Self { id, shares: std::array::from_fn(|_| random.random_range(0.7..1.3)) }
        };
        let mut all: Vec<Self> = (0..meter.resources * factor).map(one).collect();
        let sum: f64 = all.iter().flat_map(|resource| resource.shares).sum();
        all.iter_mut().flat_map(|resource| &mut resource.shares).for_each(|share| *share /= sum);
        all
    }
}

/// The hours that the bill has of a day.
fn hours_of(day: usize, days: usize) -> u32 {
    if day + 1 == days { HOURS_OF_LAST_DAY } else { 24 }
}

/// The meters of a request, day by day.
struct Estate {
    first_day: NaiveDate,
    days: usize,
    /// Dollars of list price by meter and day.
    daily: Vec<(&'static Meter, Vec<f64>)>,
    resources: Vec<Vec<Resource>>,
    events: Vec<Event>,
    causes: Option<Causes>,
}

impl Estate {
    fn new(request: &Request) -> Self {
        let days = request.days.max(1) as usize;
        let first_day = request.last_day - Days::new(days as u64 - 1);
        let mut random = ChaCha8Rng::seed_from_u64(request.seed);
        let causes = (!request.causes.is_empty()).then(|| Causes::new(&request.causes, days));
        let large = causes.is_some().then_some(&LARGE);
        let mut daily: Vec<(&'static Meter, Vec<f64>)> = METERS
            .iter()
            .chain(large)
            .map(|meter| {
                let day = |index: usize| {
                    let usual = expected(meter, first_day + Days::new(index as u64));
                    match &causes {
                        Some(causes) => usual * causes.factor(meter, index),
                        None => usual * noise(&mut random, meter.noise),
                    }
                };
                (meter, (0..days).map(day).collect())
            })
            .collect();
        let events = match causes {
            Some(_) => Vec::new(),
            None => plant(&mut daily, first_day, request.events),
        };
        let lines = daily.iter().map(|(meter, costs)| {
            let hours = costs.iter().enumerate().filter(|(_, cost)| **cost > 0.0).map(|(day, _)| hours_of(day, days));
            hours.sum::<u32>() as usize * meter.lines_per_hour()
        });
        let lines = lines.sum::<usize>().max(1) as u64;
        let factor = request.rows.map_or(1, |rows| rows.div_ceil(lines).max(1)) as usize;
        let resources = daily.iter().map(|(meter, _)| Resource::all_of(meter, factor, &mut random)).collect();
        Self { first_day, days, daily, resources, events, causes }
    }

    /// Calls `push` for every line of `period`, a part of one month, in order of time.
    fn lines(&self, period: Period, mut push: impl FnMut(Line) -> Result<()>) -> Result<()> {
        let month = first_of_month(period.start);
        if period.start == month {
            self.monthly_lines(month, period, &mut push)?;
        }
        for day in period.iter() {
            let index = usize::try_from((day - self.first_day).num_days()).unwrap_or(0);
            for hour in 0..hours_of(index, self.days) {
                let start = milliseconds(day) + i64::from(hour) * 3_600_000;
                for ((meter, daily), resources) in self.daily.iter().zip(&self.resources) {
                    if daily[index] <= 0.0 {
                        continue;
                    }
                    let usual = || Terms::usual(meter);
                    let terms = self.causes.as_ref().map_or_else(usual, |causes| causes.terms(meter, index));
                    for resource in resources {
                        let cost = daily[index] * resource.shares[hour as usize];
                        hourly_lines(meter, terms, &resource.id, start, month, cost, &mut push)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// What AWS dates on the 1st: reservation fees, support, tax.
    fn monthly_lines(&self, month: NaiveDate, period: Period, push: &mut impl FnMut(Line) -> Result<()>) -> Result<()> {
        let (start, end) = (milliseconds(month), milliseconds(month + Months::new(1)));
        let line = |kind, meter, unblended_cost, effective_cost| Line {
            kind,
            meter,
            resource: "",
            start,
            end,
            billing_period: month,
            usage_amount: 1.0,
            list_cost: 0.0,
            unblended_cost,
            effective_cost,
        };
        for (meter, daily) in &self.daily {
            let cost: f64 = period
                .iter()
                .filter_map(|day| daily.get(usize::try_from((day - self.first_day).num_days()).ok()?))
                .sum();
            if meter.coverage == Coverage::Reserved {
                let used = cost * RESERVED_RATE;
                let fee = used / RESERVED_USED;
                push(line(LineKind::RiFee, meter, fee, fee - used))?;
            }
            if cost > 500.0 {
                push(line(LineKind::Tax, meter, (cost * 0.002 * 100.0).round() / 100.0, 0.0))?;
            }
        }
        push(line(LineKind::Fee, &estate::SUPPORT, 100.0, 0.0))
    }
}

fn hourly_lines(
    meter: &'static Meter,
    terms: Terms,
    resource: &str,
    start: i64,
    billing_period: NaiveDate,
    cost: f64,
    push: &mut impl FnMut(Line) -> Result<()>,
) -> Result<()> {
    let line = |kind, unblended_cost, effective_cost| Line {
        kind,
        meter,
        resource,
        start,
        end: start + 3_600_000,
        billing_period,
        usage_amount: cost / (meter.price * terms.price),
        list_cost: cost,
        unblended_cost,
        effective_cost,
    };
    if terms.discount > 0.0 {
        let discount = -cost * terms.discount;
        push(Line { resource: "", list_cost: 0.0, ..line(LineKind::Discount, discount, discount) })?;
    }
    match terms.coverage {
        Coverage::None if terms.free => push(line(LineKind::Usage, 0.0, 0.0)),
        Coverage::None => push(line(LineKind::Usage, cost, cost)),
        Coverage::Reserved => push(line(LineKind::DiscountedUsage, 0.0, cost * RESERVED_RATE)),
        Coverage::SavingsPlan => {
            let used = cost * SAVINGS_PLAN_RATE;
            let commitment = used / terms.used;
            push(line(LineKind::SavingsPlanCoveredUsage, cost, used))?;
            push(Line { resource: "", list_cost: 0.0, ..line(LineKind::SavingsPlanNegation, -cost, 0.0) })?;
            push(Line {
                resource: "",
                list_cost: 0.0,
                usage_amount: 1.0,
                ..line(LineKind::SavingsPlanRecurringFee, commitment, commitment - used)
            })
        }
        Coverage::Credited => {
            push(line(LineKind::Usage, cost, cost))?;
            push(Line { list_cost: 0.0, ..line(LineKind::Credit, -cost * CREDITED, -cost * CREDITED) })
        }
    }
}

/// List price of a meter on a day by its rhythm alone.
fn expected(meter: &Meter, day: NaiveDate) -> f64 {
    let weekend = matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
    let month_end = (day + Days::new(1)).day() == 1;
    meter.per_day * if weekend { meter.weekend } else { 1.0 } * if month_end { meter.month_end } else { 1.0 }
}

/// A factor around 1 with standard deviation `sigma`: the sum of twelve uniforms is near normal.
fn noise(random: &mut impl Rng, sigma: f64) -> f64 {
    let sum: f64 = (0..12).map(|_| random.random::<f64>()).sum();
    (1.0 + sigma * (sum - 6.0)).max(0.1)
}

fn milliseconds(day: NaiveDate) -> i64 {
    day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_millis()
}

/// What happens to a service of an account between two days: factors on its cost.
struct Plan {
    kind: &'static str,
    service: &'static str,
    account: usize,
    from: usize,
    to: usize,
    outside: f64,
    /// By the number of days since `from`.
    inside: fn(usize) -> f64,
}

/// One event of each kind. Days are counted from the end, in ninetieths of the bill, so that short bills
/// have all of them too. The moved workload leaves one account and turns up in another.
fn plans(days: usize) -> [Plan; 8] {
    let at = |before_end: usize| days - 1 - (before_end * days / 90).min(days - 1);
    let last = days.saturating_sub(2);
    let plan =
        |kind, service, account, from, to, outside, inside| Plan { kind, service, account, from, to, outside, inside };
    [
        plan("spike", "AWSLambda", 1, at(12), at(12), 1.0, |_| 5.0),
        plan("drop", "AmazonDynamoDB", 1, at(20), at(20), 1.0, |_| 0.1),
        plan("step", "AmazonRDS", 1, at(16), last, 1.0, |_| 1.8),
        plan("drift", "AmazonCloudWatch", 1, at(24), last, 1.0, |day| 1.0 + 0.05 * day as f64),
        plan("new", "AmazonSageMaker", 3, at(9), last, 0.0, |_| 1.0),
        plan("stopped", "AmazonRedshift", 3, at(18), last, 1.0, |_| 0.0),
        plan("moved", "AWSGlue", 2, at(14), last, 1.0, |_| 0.0),
        plan("moved", "AWSGlue", 3, at(14), last, 0.0, |_| 1.0),
    ]
}

/// Applies the plans to the daily costs and returns their labels; without `events`, only keeps away what
/// exists for an event alone.
fn plant(daily: &mut [(&'static Meter, Vec<f64>)], first_day: NaiveDate, events: bool) -> Vec<Event> {
    let days = daily.first().map_or(0, |(_, costs)| costs.len());
    let mut planted = Vec::new();
    for plan in plans(days) {
        let mut difference = 0.0;
        let mut region = "";
        let is_of = |(meter, _): &&mut (&'static Meter, Vec<f64>)| {
            meter.service == plan.service && meter.account == plan.account
        };
        for (meter, daily) in daily.iter_mut().filter(is_of) {
            region = meter.region;
            for (index, cost) in daily.iter_mut().enumerate() {
                // What lasts to the last finished day also goes on in the unfinished one.
                let inside = events && index >= plan.from && (index <= plan.to || plan.to + 2 >= days);
                let factor = if inside { (plan.inside)(index - plan.from) } else { plan.outside };
                if index == plan.to {
                    difference += *cost * (factor - plan.outside);
                }
                *cost *= factor;
            }
        }
        planted.push(Event {
            kind: plan.kind,
            account: ACCOUNTS[plan.account].0,
            service: plan.service,
            region,
            start: first_day + Days::new(plan.from as u64),
            end: first_day + Days::new(plan.to as u64),
            direction: if difference < 0.0 { "down" } else { "up" },
            dollars_per_day: difference,
        });
    }
    if events { planted } else { Vec::new() }
}

/// The name of the CUR 2.0 export.
pub(crate) const EXPORT: &str = "acme-cur2";

/// The account that pays, and its name.
pub(crate) fn payer() -> (&'static str, &'static str) {
    ACCOUNTS[PAYER]
}
