//! What made a change between two sets of days: the parts that `explain`, `compare` and `drilldown` share.
//! Contributors with their remainder add up to the change, and so do causes.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Frame, single_currency, warning::Warning};
use crate::{
    analysis::attribution::{Amounts, Cause, Cell, Class, Effect, Meter, Move, effects},
    error::{Code, Error, Result},
    model::{ChargeCategory, Dimension, Filter, Period},
    store::{
        Facts,
        changes::{ClassCost, DaySet},
        queries::{NONE, Selection},
    },
};

/// The smallest set of contributors that carries a change makes at least this share of it.
pub(crate) const CARRIED_SHARE: f64 = 0.8;
/// Below half a cent nothing changed.
pub(crate) const HALF_CENT: f64 = 0.005;

/// A cost before and after.
#[derive(Clone, Copy, Debug, Default, PartialEq, JsonSchema, Serialize)]
pub struct Change {
    pub before: f64,
    pub after: f64,
    pub change: f64,
    /// `null` when there was nothing before.
    pub change_pct: Option<f64>,
}

impl Change {
    pub fn new(before: f64, after: f64) -> Self {
        let change = after - before;
        Self { before, after, change, change_pct: (before.abs() >= 0.01).then(|| change / before.abs() * 100.0) }
    }
}

/// Whether a cost was there before and is there after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    New,
    Gone,
    Grown,
    Shrunk,
    Unchanged,
}

impl Status {
    pub fn of(before: f64, after: f64) -> Self {
        match (before.abs() < HALF_CENT, after.abs() < HALF_CENT) {
            (true, false) => Status::New,
            (false, true) => Status::Gone,
            _ if after - before >= HALF_CENT => Status::Grown,
            _ if before - after >= HALF_CENT => Status::Shrunk,
            _ => Status::Unchanged,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Status::New => "new",
            Status::Gone => "gone",
            Status::Grown => "grown",
            Status::Shrunk => "shrunk",
            Status::Unchanged => "unchanged",
        }
    }
}

/// One value of a dimension.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Member {
    pub value: String,
    /// Of an account.
    pub name: Option<String>,
    #[serde(flatten)]
    pub change: Change,
    /// Of the whole change.
    pub share_pct: Option<f64>,
    pub status: Status,
    /// The first day of all history with a charge, of what is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_day: Option<NaiveDate>,
    /// Of a resource, as `key=value`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// The values of a dimension that changed most, and the rest: together the whole change.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Members {
    pub dimension: Dimension,
    pub members: Vec<Member>,
    /// How many values are not shown.
    pub others: usize,
    pub remainder: Change,
    /// How many members carry at least four fifths of the change, the fewest there can be; `null` when those shown do not.
    pub carried_by: Option<usize>,
}

/// Dollars of the change that one cause made.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct CauseShare {
    pub cause: Cause,
    pub change: f64,
    pub share_pct: Option<f64>,
}

/// A change that is not part of the total, such as credits.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct ExcludedChange {
    pub charge_category: &'static str,
    #[serde(flatten)]
    pub change: Change,
}

/// What made a change.
#[derive(Debug)]
pub(crate) struct Attribution {
    pub total: Change,
    pub causes: Vec<CauseShare>,
    pub moves: Vec<Move>,
    pub excluded_charges: Vec<ExcludedChange>,
    /// The cells of the selection that count.
    pub cells: Vec<Cell>,
    pub effects: Vec<Effect>,
    /// Whether the two sides are read from different data sources, which name usage differently: then no more is said than
    /// account, service and region.
    pub sources_differ: bool,
}

/// Two periods as sets of the days that there is data of.
pub(crate) struct Known {
    /// The earlier and the later one.
    pub sets: Vec<DaySet>,
    /// Whether costs are a day's, because the numbers of days differ.
    pub per_day: bool,
    pub warnings: Vec<Warning>,
}

/// The days of two periods that some source has.
///
/// # Errors
/// When a period has none.
pub(crate) fn known_sets(frame: &Frame, periods: [Period; 2]) -> Result<Known> {
    let mut warnings = Vec::new();
    let mut sets = Vec::new();
    for (period, after) in periods.into_iter().zip([false, true]) {
        let days: Vec<NaiveDate> = period.iter().filter(|day| frame.has_day(*day)).collect();
        if days.is_empty() {
            let first = frame.first_day().unwrap_or(frame.as_of);
            return Err(Error::input(format!("there is no data from {} to {}", period.start, period.end))
                .with_code(Code::NoData)
                .hint(format!("the data is of {first} to {}", frame.as_of)));
        }
        let (known, all) = (days.len(), period.days());
        if known < all {
            warnings.push(Warning::PeriodIncomplete { period, days: known });
        }
        sets.push(DaySet { days, weight: 1.0, after });
    }
    let per_day = sets[0].days.len() != sets[1].days.len();
    if per_day {
        sets.iter_mut().for_each(|set| set.weight = 1.0 / set.days.len() as f64);
    }
    Ok(Known { sets, per_day, warnings })
}

/// Which costs of which days.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compared<'a> {
    pub frame: &'a Frame,
    pub selection: &'a Selection<'a>,
    pub include: &'a [ChargeCategory],
    pub sets: &'a [DaySet],
}

impl Attribution {
    /// Reads and splits the change. What moved is looked for in all accounts and regions, whatever the selection.
    ///
    /// # Errors
    /// When a filter names what is not there.
    pub(crate) fn read(facts: &dyn Facts, compared: Compared) -> Result<Self> {
        let Compared { frame, selection, include, sets } = compared;
        let is_place = |filter: &&Filter| matches!(filter.dimension, Dimension::Account | Dimension::Region);
        let mut wider: Vec<Filter> = selection.filters.iter().filter(|filter| !is_place(filter)).cloned().collect();
        let currency = single_currency(facts, selection)?;
        wider.push(Filter { dimension: Dimension::Currency, value: currency, negated: false });
        let rows = facts.class_costs(&Selection { filters: &wider, ..selection.clone() }, sets)?;
        let places = Places::new(facts, selection.filters.iter().filter(is_place))?;
        let is_selected = |meter: &Meter| places.have(&meter.account, &meter.region);
        let days = |after: bool| -> Vec<NaiveDate> {
            sets.iter().filter(|set| set.after == after).flat_map(|set| set.days.iter().copied()).collect()
        };
        let sources_differ = frame.sources_differ([&days(false), &days(true)]);
        let (mut counted, mut excluded_charges) = (Vec::new(), BTreeMap::new());
        for cell in cells(rows, sets, sources_differ)? {
            match category(cell.class).filter(|category| !include.contains(category)) {
                None => counted.push(cell),
                Some(category) if is_selected(&cell.meter) => {
                    let sums: &mut (f64, f64) = excluded_charges.entry(category).or_default();
                    sums.0 += cell.before.cost;
                    sums.1 += cell.after.cost;
                }
                Some(_) => {}
            }
        }
        let (mut effects, moves) = effects(&counted);
        effects.retain(|effect| is_selected(&effect.meter));
        counted.retain(|cell| is_selected(&cell.meter));
        let here = |(account, region): &(String, String)| places.have(account, region);
        let concerns = |one: &Move| one.from.iter().chain(&one.to).any(here);
        let sum = |of: fn(&Cell) -> f64| counted.iter().map(of).sum::<f64>();
        let total = Change::new(sum(|cell| cell.before.cost), sum(|cell| cell.after.cost));
        Ok(Self {
            causes: causes(&effects, total.change),
            total,
            moves: moves.into_iter().filter(concerns).collect(),
            excluded_charges: excluded_charges
                .into_iter()
                .map(|(category, (before, after))| ExcludedChange {
                    charge_category: category.as_str(),
                    change: Change::new(before, after),
                })
                .filter(|excluded| excluded.change.before != 0.0 || excluded.change.after != 0.0)
                .collect(),
            cells: counted,
            effects,
            sources_differ,
        })
    }

    /// The values of a dimension that a cell has; `None` for other dimensions, which only the store can tell.
    pub(crate) fn members(
        &self,
        dimension: &Dimension,
        top: usize,
        names: &BTreeMap<String, String>,
    ) -> Option<Members> {
        let value = cell_value(dimension)?;
        let mut sums: BTreeMap<String, (f64, f64)> = BTreeMap::new();
        for cell in &self.cells {
            let entry = sums.entry(value(cell).to_owned()).or_default();
            entry.0 += cell.before.cost;
            entry.1 += cell.after.cost;
        }
        sums.retain(|_, (before, after)| *before != 0.0 || *after != 0.0);
        let count = sums.len();
        let mut all: Vec<(String, f64, f64)> =
            sums.into_iter().map(|(value, (before, after))| (value, before, after)).collect();
        all.sort_by(|a, b| (b.2 - b.1).abs().total_cmp(&(a.2 - a.1).abs()).then_with(|| a.0.cmp(&b.0)));
        all.truncate(top);
        Some(members(dimension, all, count, self.total, names))
    }

    /// The same of any dimension, asking the store where need be.
    ///
    /// # Errors
    /// When a tag key does not exist.
    pub(crate) fn members_of(
        &self,
        facts: &dyn Facts,
        compared: Compared,
        dimension: &Dimension,
        top: usize,
        names: &BTreeMap<String, String>,
    ) -> Result<Members> {
        if let Some(members) = self.members(dimension, top, names) {
            return Ok(members);
        }
        let (values, count) = facts.value_costs(compared.selection, dimension, compared.include, compared.sets, top)?;
        let values = values.into_iter().map(|one| (one.value, one.before, one.after)).collect();
        Ok(members(dimension, values, count, self.total, names))
    }

    /// The part of it that has a value, of the dimensions that a cell has.
    pub(crate) fn narrowed(&self, dimension: &Dimension, wanted: &str) -> Option<Self> {
        let value = cell_value(dimension)?;
        let cells: Vec<Cell> = self.cells.iter().filter(|cell| value(cell) == wanted).cloned().collect();
        let meters: BTreeSet<&Meter> = cells.iter().map(|cell| &cell.meter).collect();
        let effects: Vec<Effect> =
            self.effects.iter().filter(|effect| meters.contains(&effect.meter)).cloned().collect();
        let sum = |of: fn(&Cell) -> f64| cells.iter().map(of).sum::<f64>();
        let total = Change::new(sum(|cell| cell.before.cost), sum(|cell| cell.after.cost));
        let (causes, moves) = (causes(&effects, total.change), self.moves.clone());
        Some(Self {
            total,
            causes,
            moves,
            excluded_charges: Vec::new(),
            effects,
            cells,
            sources_differ: self.sources_differ,
        })
    }

    /// Whether costs come with quantities, so that use and price can be told apart.
    pub(crate) fn has_quantities(&self) -> bool {
        self.cells.iter().any(|cell| cell.before.quantity.is_some() || cell.after.quantity.is_some())
    }

    /// Whether lines say what was used; Cost Explorer's do not.
    pub(crate) fn has_usage_types(&self) -> bool {
        self.cells.iter().any(|cell| cell.meter.usage_type != NONE)
    }
}

/// How the dimensions of a meter are read from its cell.
fn cell_value(dimension: &Dimension) -> Option<fn(&Cell) -> &str> {
    Some(match dimension {
        Dimension::Account => |cell| &cell.meter.account,
        Dimension::Service => |cell| &cell.meter.service,
        Dimension::Region => |cell| &cell.meter.region,
        Dimension::UsageType => |cell| &cell.meter.usage_type,
        Dimension::Operation => |cell| &cell.meter.operation,
        _ => return None,
    })
}

fn members(
    dimension: &Dimension,
    values: Vec<(String, f64, f64)>,
    count: usize,
    total: Change,
    names: &BTreeMap<String, String>,
) -> Members {
    let shown = values.len();
    let (before, after) = values.iter().fold((0.0, 0.0), |sums, (_, before, after)| (sums.0 + before, sums.1 + after));
    let mut sum = 0.0;
    let with_it = values.iter().map(|(_, before, after)| after - before).filter(|own| own * total.change > 0.0);
    let carried = with_it.enumerate().find_map(|(place, own)| {
        sum += own;
        (total.change.abs() >= HALF_CENT && sum / total.change >= CARRIED_SHARE).then_some(place + 1)
    });
    Members {
        dimension: dimension.clone(),
        others: count - shown,
        remainder: Change::new(total.before - before, total.after - after),
        carried_by: carried,
        members: values
            .into_iter()
            .map(|(value, before, after)| Member {
                name: (*dimension == Dimension::Account).then(|| names.get(&value).cloned()).flatten(),
                change: Change::new(before, after),
                share_pct: share(after - before, total.change),
                status: Status::of(before, after),
                first_day: None,
                tags: Vec::new(),
                value,
            })
            .collect(),
    }
}

/// `part` in percent of `whole`.
pub(crate) fn share(part: f64, whole: f64) -> Option<f64> {
    (whole.abs() >= 0.01).then(|| part / whole * 100.0)
}

/// Effects by cause, the largest first.
fn causes(effects: &[Effect], change: f64) -> Vec<CauseShare> {
    let mut sums: BTreeMap<Cause, f64> = BTreeMap::new();
    for effect in effects {
        *sums.entry(effect.cause).or_default() += effect.change;
    }
    let mut causes: Vec<CauseShare> = sums
        .into_iter()
        .map(|(cause, dollars)| CauseShare { cause, change: dollars, share_pct: share(dollars, change) })
        .collect();
    causes.sort_by(|a, b| b.change.abs().total_cmp(&a.change.abs()).then(a.cause.cmp(&b.cause)));
    causes
}

/// The charge category that a class belongs to, where it may be left out.
fn category(class: Class) -> Option<ChargeCategory> {
    match class {
        Class::Credit => Some(ChargeCategory::Credit),
        Class::Tax => Some(ChargeCategory::Tax),
        _ => None,
    }
}

/// The accounts and regions that filters leave.
struct Places(Vec<(Dimension, bool, BTreeSet<String>)>);

impl Places {
    /// Values of one dimension are alternatives.
    fn new<'a>(facts: &dyn Facts, filters: impl Iterator<Item = &'a Filter>) -> Result<Self> {
        let mut places: Vec<(Dimension, bool, BTreeSet<String>)> = Vec::new();
        for filter in filters {
            let mut values = BTreeSet::from([filter.value.clone()]);
            if filter.dimension == Dimension::Account {
                values.extend(facts.accounts_named(&filter.value)?);
            }
            let is_same = |place: &&mut (Dimension, bool, BTreeSet<String>)| {
                place.0 == filter.dimension && place.1 == filter.negated
            };
            match places.iter_mut().find(is_same) {
                Some((.., known)) => known.extend(values),
                None => places.push((filter.dimension.clone(), filter.negated, values)),
            }
        }
        Ok(Self(places))
    }

    fn have(&self, account: &str, region: &str) -> bool {
        self.0.iter().all(|(dimension, negated, values)| {
            let value = if *dimension == Dimension::Account { account } else { region };
            values.contains(value) != *negated
        })
    }
}

/// Rows of all sets, weighted and put side by side; `coarse` by account, service and region only. Quantities without a usage
/// type are sums of unlike things and left out.
fn cells(rows: Vec<ClassCost>, sets: &[DaySet], coarse: bool) -> Result<Vec<Cell>> {
    let mut cells: BTreeMap<(Meter, Class), [Amounts; 2]> = BTreeMap::new();
    for row in rows {
        let set = sets
            .get(row.set)
            .ok_or_else(|| Error::bug("the database gives a set of days that was not compared for"))?;
        let mut class = class(&row.class).ok_or_else(|| Error::bug("the database gives an unknown class of lines"))?;
        let mut meter = Meter {
            account: row.account,
            service: row.service,
            region: row.region,
            usage_type: row.usage_type,
            operation: row.operation,
            unit: row.unit,
        };
        if coarse {
            let none = || NONE.to_owned();
            meter = Meter { usage_type: none(), operation: none(), unit: String::new(), ..meter };
            class = if class.is_usage() { Class::OnDemand } else { class };
        }
        let is_measured = meter.usage_type != NONE;
        let amounts = &mut cells.entry((meter, class)).or_default()[usize::from(set.after)];
        amounts.cost += row.cost * set.weight;
        amounts.gross += row.gross * set.weight;
        if let Some(quantity) = row.quantity.filter(|_| is_measured) {
            amounts.quantity = Some(amounts.quantity.unwrap_or(0.0) + quantity * set.weight);
        }
    }
    let cell = |((meter, class), [before, after]): ((Meter, Class), [Amounts; 2])| Cell { meter, class, before, after };
    Ok(cells.into_iter().map(cell).collect())
}

/// A class by the word of the store.
fn class(name: &str) -> Option<Class> {
    Some(match name {
        "on_demand" => Class::OnDemand,
        "spot" => Class::Spot,
        "reserved" => Class::Reserved,
        "savings_plans" => Class::SavingsPlans,
        "free" => Class::Free,
        "unused_commitment" => Class::UnusedCommitment,
        "commitment_fee" => Class::CommitmentFee,
        "fee" => Class::Fee,
        "discount" => Class::Discount,
        "credit" => Class::Credit,
        "tax" => Class::Tax,
        _ => return None,
    })
}

/// A meter in both periods, a day.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct MeterChange {
    pub account: String,
    pub service: String,
    pub region: String,
    pub usage_type: String,
    pub operation: String,
    pub unit: String,
    #[serde(flatten)]
    pub change: Change,
    pub quantity_before: Option<f64>,
    pub quantity_after: Option<f64>,
    /// Cost of a unit.
    pub price_before: Option<f64>,
    pub price_after: Option<f64>,
}

/// A cause in a few words.
pub(crate) fn cause_words(cause: Cause) -> &'static str {
    match cause {
        Cause::Usage => "usage",
        Cause::Price => "unit price",
        Cause::Mix => "mix of sizes",
        Cause::Coverage => "coverage by commitments or spot",
        Cause::UnusedCommitment => "unused commitment",
        Cause::CommitmentFee => "commitment fees",
        Cause::Credit => "credits",
        Cause::Discount => "discounts",
        Cause::FreeTier => "free tier",
        Cause::New => "first-time charges",
        Cause::Gone => "charges that ended",
        Cause::Moved => "moved to or from another account or region",
        Cause::Fee => "fees",
        Cause::Tax => "tax",
        Cause::Unknown => "no quantity known",
    }
}
