//! Changes whose cause is known to the cent: each begins on one day of an estate without noise and stays.

use std::path::Path;

use chrono::{Days, NaiveDate};
use clap::ValueEnum;

use super::{
    CREDITED, SAVINGS_PLAN_RATE, SAVINGS_PLAN_USED,
    estate::{ACCOUNTS, Coverage, LARGE, METERS, Meter},
};
use crate::error::{Error, Result};

/// Days from the beginning of the causes to the last one, which is unfinished.
const DAYS_BEFORE_END: usize = 9;
/// What usage and prices are multiplied with, and what of a Savings Plan is used when less of it is.
const USAGE_FACTOR: f64 = 2.0;
const PRICE_FACTOR: f64 = 1.5;
const LESS_USED: f64 = 0.6;
/// What a discount takes off.
const DISCOUNT: f64 = 0.1;
/// Half of the small instances are replaced by as many large ones.
const REPLACED: f64 = 0.5;

/// Why a cost changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Planted {
    /// Lambda in production doubles
    Usage,
    /// DynamoDB writes cost half as much again
    Price,
    /// Half of the m5.large become m5.2xlarge
    Mix,
    /// A Savings Plan ends
    Coverage,
    /// Less of a Savings Plan is used
    UnusedCommitment,
    /// A promotional credit ends
    Credit,
    /// A discount ends
    Discount,
    /// KMS requests stop being free
    FreeTier,
    /// A SageMaker endpoint appears
    New,
    /// Redshift is gone
    Gone,
    /// A Glue job goes to another account
    Moved,
}

/// The terms on which an hour of a meter is billed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub coverage: Coverage,
    /// What the list price is multiplied with.
    pub price: f64,
    pub free: bool,
    /// What discounts take off.
    pub discount: f64,
    /// The share of a Savings Plan that is used.
    pub used: f64,
}

/// What is planted, and from which day on.
#[derive(Clone, Debug)]
pub(super) struct Causes {
    pub planted: Vec<Planted>,
    from: usize,
}

impl Causes {
    pub(super) fn new(planted: &[Planted], days: usize) -> Self {
        Self { planted: planted.to_vec(), from: days.saturating_sub(1 + DAYS_BEFORE_END) }
    }

    fn has(&self, planted: Planted) -> bool {
        self.planted.contains(&planted)
    }

    /// Whether a cause changes the meter.
    fn is_of(planted: Planted, meter: &Meter) -> bool {
        let of = |service: &str, account: usize| meter.service == service && meter.account == account;
        match planted {
            Planted::Usage => of("AWSLambda", 1),
            Planted::Price => of("AmazonDynamoDB", 1),
            Planted::Mix => meter.usage_type == METERS[0].usage_type,
            Planted::Coverage | Planted::UnusedCommitment => meter.coverage == Coverage::SavingsPlan,
            Planted::Credit => meter.coverage == Coverage::Credited,
            Planted::Discount => of("AmazonCloudWatch", 1),
            Planted::FreeTier => of("awskms", 1),
            Planted::New => of("AmazonSageMaker", 3),
            Planted::Gone => of("AmazonRedshift", 3),
            Planted::Moved => of("AWSGlue", 2) || of("AWSGlue", 3),
        }
    }

    fn concerns(&self, planted: Planted, meter: &Meter) -> bool {
        self.has(planted) && Self::is_of(planted, meter)
    }

    /// What the cost of a meter is multiplied with on a day.
    pub(super) fn factor(&self, meter: &Meter, day: usize) -> f64 {
        let begun = day >= self.from;
        let mut factor = 1.0;
        if std::ptr::eq(meter, &LARGE) {
            // As many hours as the small ones lose.
            return if begun && self.has(Planted::Mix) { REPLACED * LARGE.price / METERS[0].price } else { 0.0 };
        }
        if begun && self.concerns(Planted::Usage, meter) {
            factor *= USAGE_FACTOR;
        }
        if begun && self.concerns(Planted::Price, meter) {
            factor *= PRICE_FACTOR;
        }
        if begun && self.concerns(Planted::Mix, meter) {
            factor *= 1.0 - REPLACED;
        }
        if begun && self.concerns(Planted::Gone, meter) {
            factor = 0.0;
        }
        // What exists for an event alone exists from its beginning on.
        if Self::is_of(Planted::New, meter) && !(begun && self.has(Planted::New)) {
            factor = 0.0;
        }
        if Self::is_of(Planted::Moved, meter) {
            let is_here = (meter.account == 3) == (begun && self.has(Planted::Moved));
            factor = if is_here { factor } else { 0.0 };
        }
        factor
    }

    /// The terms of a meter on a day.
    pub(super) fn terms(&self, meter: &Meter, day: usize) -> Terms {
        let begun = day >= self.from;
        let mut terms = Terms::usual(meter);
        if begun && (self.concerns(Planted::Coverage, meter) || self.concerns(Planted::Credit, meter)) {
            terms.coverage = Coverage::None;
        }
        if begun && self.concerns(Planted::UnusedCommitment, meter) {
            terms.used = LESS_USED;
        }
        if begun && self.concerns(Planted::Price, meter) {
            terms.price = PRICE_FACTOR;
        }
        if !begun && self.concerns(Planted::Discount, meter) {
            terms.discount = DISCOUNT;
        }
        terms.free = !begun && self.concerns(Planted::FreeTier, meter);
        terms
    }

    /// Writes what each cause makes of each full day: `cause,account,service,on,dollars`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn write(&self, path: &Path, first_day: NaiveDate, daily: &[(&'static Meter, Vec<f64>)]) -> Result<()> {
        let failed = |e: csv::Error| Error::input(format!("cannot write `{}`", path.display())).caused_by(e);
        let mut writer = csv::Writer::from_path(path).map_err(failed)?;
        writer.write_record(["cause", "account", "service", "on", "dollars"]).map_err(failed)?;
        let days = daily.first().map_or(0, |(_, costs)| costs.len());
        for day in self.from..days.saturating_sub(1) {
            let date = (first_day + Days::new(day as u64)).to_string();
            let mut row = |cause: &str, meter: &Meter, dollars: f64| {
                let dollars = format!("{dollars:.6}");
                writer.write_record([cause, ACCOUNTS[meter.account].0, meter.service, &date, &dollars]).map_err(failed)
            };
            for planted in &self.planted {
                for (meter, costs) in daily.iter().filter(|(meter, _)| Self::is_of(*planted, meter)) {
                    let cost = costs[day];
                    let used = cost * SAVINGS_PLAN_RATE;
                    match planted {
                        Planted::Usage => row("usage", meter, cost * (1.0 - 1.0 / USAGE_FACTOR))?,
                        Planted::Price => row("price", meter, cost * (1.0 - 1.0 / PRICE_FACTOR))?,
                        Planted::Mix => row("mix", meter, cost * (LARGE.price / meter.price - 1.0))?,
                        Planted::Coverage => {
                            row("coverage", meter, cost - used)?;
                            row("unused_commitment", meter, used - used / SAVINGS_PLAN_USED)?;
                        }
                        Planted::UnusedCommitment => {
                            row("unused_commitment", meter, used / LESS_USED - used / SAVINGS_PLAN_USED)?;
                        }
                        Planted::Credit => row("credit", meter, cost * CREDITED)?,
                        Planted::Discount => row("discount", meter, cost * DISCOUNT)?,
                        Planted::FreeTier => row("free_tier", meter, cost)?,
                        Planted::New => row("new", meter, cost)?,
                        Planted::Gone => row("gone", meter, -meter.per_day)?,
                        Planted::Moved => row("moved", meter, if cost > 0.0 { cost } else { -meter.per_day })?,
                    }
                }
            }
        }
        writer.flush().map_err(|e| Error::input(format!("cannot write `{}`", path.display())).caused_by(e))
    }
}

impl Terms {
    /// A meter as it is without causes.
    pub(super) fn usual(meter: &Meter) -> Self {
        Self { coverage: meter.coverage, price: 1.0, free: false, discount: 0.0, used: SAVINGS_PLAN_USED }
    }
}
