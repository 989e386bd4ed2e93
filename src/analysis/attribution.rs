//! What made a change between two periods: each dollar of it goes to one cause, and all causes of all meters add up to
//! the change.
//!
//! A meter's cost is quantity × shares of purchase options × unit prices × what discounts leave. Its change is split by
//! Bennet's indicator (Bennet, 1920; Diewert, 2005: the mean of the Laspeyres and Paasche weights), which adds up without a
//! remainder and turns its sign when the periods are swapped. Quantity that appears in one meter while it goes from
//! another is a move between accounts or regions, or a mix of sizes, and not growth.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

/// What a line of the bill is, as far as it decides why its cost changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    OnDemand,
    Spot,
    Reserved,
    SavingsPlans,
    /// Usage at no price.
    Free,
    /// What of a commitment nothing used.
    UnusedCommitment,
    CommitmentFee,
    Fee,
    Discount,
    Credit,
    Tax,
}

impl Class {
    /// Whether its quantity is one of use.
    pub(crate) fn is_usage(self) -> bool {
        direct_cause(self).is_none()
    }
}

/// Why a cost changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// More or less of what was used before.
    Usage,
    /// Another unit price.
    Price,
    /// Other sizes or variants of the same.
    Mix,
    /// Another share under Savings Plans, reservations or spot.
    Coverage,
    UnusedCommitment,
    CommitmentFee,
    Credit,
    Discount,
    /// Another share free of charge.
    FreeTier,
    /// Not charged in the earlier period.
    New,
    /// Not charged in the later one.
    Gone,
    /// The same usage in another account or region.
    Moved,
    Fee,
    Tax,
    /// Cost without a quantity.
    Unknown,
}

/// What is charged, where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Meter {
    pub account: String,
    pub service: String,
    pub region: String,
    pub usage_type: String,
    pub operation: String,
    pub unit: String,
}

/// What a class of a meter cost in a period.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Amounts {
    /// In the metric asked for.
    pub cost: f64,
    /// The same before discounts that are part of the metric; equal to `cost` where there are none.
    pub gross: f64,
    /// In the meter's unit; `None` where the bill does not say.
    pub quantity: Option<f64>,
}

/// A class of a meter in both periods.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cell {
    pub meter: Meter,
    pub class: Class,
    pub before: Amounts,
    pub after: Amounts,
}

/// Dollars of a meter's change that one cause made.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Effect {
    pub meter: Meter,
    pub cause: Cause,
    pub change: f64,
}

/// The same usage, gone in some places and found in others.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct Move {
    pub service: String,
    /// Without the prefix of its region.
    pub usage_type: String,
    /// Account and region.
    pub from: Vec<(String, String)>,
    pub to: Vec<(String, String)>,
    /// What it costs where it is now.
    pub dollars: f64,
    /// What it cost where it was.
    pub before: f64,
}

/// Below a ten-thousandth of a cent there is no change.
const NOTHING: f64 = 1e-6;
/// A place that usage moved to has at least twice of what it had, one that it left at most half.
const MOVED_FACTOR: f64 = 2.0;

/// What comes and what goes are the same when the smaller quantity is this share of the larger one.
const MOVED_SHARE: f64 = 0.8;

/// Every effect on every meter, and what moved. The effects of a meter add up to its change.
///
/// Cells of the same meter and class must be one.
pub(crate) fn effects(cells: &[Cell]) -> (Vec<Effect>, Vec<Move>) {
    let mut effects = Vec::new();
    let mut by_meter: BTreeMap<&Meter, Vec<&Cell>> = BTreeMap::new();
    for cell in cells {
        match direct_cause(cell.class) {
            Some(cause) => push(&mut effects, &cell.meter, cause, cell.after.cost - cell.before.cost),
            None => by_meter.entry(&cell.meter).or_default().push(cell),
        }
    }
    let mut flows = Vec::new();
    for (meter, cells) in by_meter {
        flows.extend(meter_effects(meter, &cells, &mut effects));
    }
    let moves = take_moves(&mut flows, &mut effects);
    take_mix(&mut flows, &mut effects);
    for flow in flows {
        push(&mut effects, flow.meter, flow.cause(), flow.dollars);
    }
    (effects, moves)
}

/// What a class that is no usage is the cause of.
fn direct_cause(class: Class) -> Option<Cause> {
    match class {
        Class::UnusedCommitment => Some(Cause::UnusedCommitment),
        Class::CommitmentFee => Some(Cause::CommitmentFee),
        Class::Fee => Some(Cause::Fee),
        Class::Discount => Some(Cause::Discount),
        Class::Credit => Some(Cause::Credit),
        Class::Tax => Some(Cause::Tax),
        Class::OnDemand | Class::Spot | Class::Reserved | Class::SavingsPlans | Class::Free => None,
    }
}

fn push(effects: &mut Vec<Effect>, meter: &Meter, cause: Cause, change: f64) {
    if change.abs() >= NOTHING {
        effects.push(Effect { meter: meter.clone(), cause, change });
    }
}

/// More or less quantity of a meter, and the dollars that it makes.
struct Flow<'a> {
    meter: &'a Meter,
    before: f64,
    after: f64,
    quantity: f64,
    dollars: f64,
}

impl Flow<'_> {
    fn cause(&self) -> Cause {
        if self.before <= 0.0 {
            Cause::New
        } else if self.after <= 0.0 {
            Cause::Gone
        } else {
            Cause::Usage
        }
    }

    /// Takes a share of the quantity, and returns the dollars of it.
    fn take(&mut self, share: f64) -> f64 {
        let dollars = self.dollars * share;
        self.quantity *= 1.0 - share;
        self.dollars -= dollars;
        dollars
    }
}

/// A class of a meter: quantities, net unit prices, gross ones, and the share that discounts leave.
struct Part {
    free: bool,
    quantity: [f64; 2],
    price: [f64; 2],
    gross: [f64; 2],
    rate: [f64; 2],
}

impl Part {
    fn new(cell: &Cell) -> Self {
        let sides = [cell.before, cell.after];
        let quantity = sides.map(|side| side.quantity.unwrap_or(0.0));
        let has_gross = sides.iter().all(|side| side.gross.abs() >= NOTHING || side.cost.abs() < NOTHING);
        let of = |value: fn(&Amounts) -> f64| {
            let at = |side: usize| value(&sides[side]) / quantity[side];
            // What was not used has the price that it has in the other period.
            match (quantity[0] > 0.0, quantity[1] > 0.0) {
                (true, true) => [at(0), at(1)],
                (true, false) => [at(0); 2],
                (false, true) => [at(1); 2],
                (false, false) => [0.0; 2],
            }
        };
        let price = of(|side| side.cost);
        let gross = if has_gross { of(|side| side.gross) } else { price };
        let rate = |side: usize| if gross[side].abs() > 0.0 { price[side] / gross[side] } else { 1.0 };
        Self { free: cell.class == Class::Free, quantity, price, gross, rate: [rate(0), rate(1)] }
    }
}

fn mean(pair: [f64; 2]) -> f64 {
    f64::midpoint(pair[0], pair[1])
}

fn difference(pair: [f64; 2]) -> f64 {
    pair[1] - pair[0]
}

/// Prices, discounts, coverage and free tier of a meter; its quantity is left as a flow.
fn meter_effects<'a>(meter: &'a Meter, cells: &[&Cell], effects: &mut Vec<Effect>) -> Option<Flow<'a>> {
    let sum = |of: &dyn Fn(&Cell) -> f64| cells.iter().map(|cell| of(cell)).sum::<f64>();
    let change = sum(&|cell| cell.after.cost - cell.before.cost);
    let quantity = [
        sum(&|cell| cell.before.quantity.unwrap_or(0.0).max(0.0)),
        sum(&|cell| cell.after.quantity.unwrap_or(0.0).max(0.0)),
    ];
    let costs = |of: fn(&Cell) -> Amounts| cells.iter().any(|cell| of(cell).cost.abs() >= NOTHING);
    let charged = [costs(|cell| cell.before), costs(|cell| cell.after)];
    // A cost without a quantity says nothing but that it is there or not.
    let is_measured = |side: usize| quantity[side] > 0.0 || !charged[side];
    let whole = cells.iter().all(|cell| {
        let sides = [cell.before, cell.after];
        sides.iter().all(|side| side.cost.abs() < NOTHING || side.quantity.is_some_and(|quantity| quantity > 0.0))
    });
    if !is_measured(0) || !is_measured(1) || !whole {
        let cause = match charged {
            [false, true] => Cause::New,
            [true, false] => Cause::Gone,
            _ => Cause::Unknown,
        };
        push(effects, meter, cause, change);
        return None;
    }
    if quantity[0] + quantity[1] <= 0.0 {
        return None;
    }
    let parts: Vec<Part> = cells.iter().map(|cell| Part::new(cell)).collect();
    let (mut price, mut discount) = (0.0, 0.0);
    for part in &parts {
        price += mean(part.quantity) * difference(part.gross) * mean(part.rate);
        discount += mean(part.quantity) * mean(part.gross) * difference(part.rate);
    }
    push(effects, meter, Cause::Price, price);
    push(effects, meter, Cause::Discount, discount);
    // The share that is paid for, and of it the share of each class.
    let free = |side: usize| parts.iter().filter(|part| part.free).map(|part| part.quantity[side]).sum::<f64>();
    let paid_quantity = [quantity[0] - free(0), quantity[1] - free(1)];
    let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { f64::NAN };
    // A share of nothing is what it is in the other period.
    let filled = |pair: [f64; 2]| match (pair[0].is_nan(), pair[1].is_nan()) {
        (false, false) => pair,
        (true, false) => [pair[1]; 2],
        (false, true) => [pair[0]; 2],
        (true, true) => [0.0; 2],
    };
    let paid = filled([share(paid_quantity[0], quantity[0]), share(paid_quantity[1], quantity[1])]);
    let (mut usage, mut coverage, mut free_tier) = (0.0, 0.0, 0.0);
    for part in parts.iter().filter(|part| !part.free) {
        let within = filled([share(part.quantity[0], paid_quantity[0]), share(part.quantity[1], paid_quantity[1])]);
        let of_all = [paid[0] * within[0], paid[1] * within[1]];
        usage += difference(quantity) * mean(of_all) * mean(part.price);
        coverage += mean(quantity) * mean(paid) * difference(within) * mean(part.price);
        free_tier += mean(quantity) * difference(paid) * mean(within) * mean(part.price);
    }
    push(effects, meter, Cause::Coverage, coverage);
    push(effects, meter, Cause::FreeTier, free_tier);
    Some(Flow { meter, before: quantity[0], after: quantity[1], quantity: difference(quantity), dollars: usage })
}

/// Usage that ended in some accounts or regions while it began in others.
fn take_moves(flows: &mut [Flow], effects: &mut Vec<Effect>) -> Vec<Move> {
    let mut groups: BTreeMap<(String, String, String, String), Vec<usize>> = BTreeMap::new();
    for (index, flow) in flows.iter().enumerate() {
        let meter = flow.meter;
        let usage_type = without_region(&meter.usage_type).to_owned();
        groups
            .entry((meter.service.clone(), usage_type, meter.operation.clone(), meter.unit.clone()))
            .or_default()
            .push(index);
    }
    let mut moves = Vec::new();
    for ((service, usage_type, ..), members) in groups {
        let has_come = |index: &usize| {
            let flow = &flows[*index];
            flow.quantity > 0.0 && flow.after >= MOVED_FACTOR * flow.before
        };
        let has_gone = |index: &usize| {
            let flow = &flows[*index];
            flow.quantity < 0.0 && flow.before >= MOVED_FACTOR * flow.after
        };
        let come: Vec<usize> = members.iter().copied().filter(has_come).collect();
        let gone: Vec<usize> = members.iter().copied().filter(has_gone).collect();
        let appears = come.iter().any(|index| flows[*index].before <= 0.0);
        let vanishes = gone.iter().any(|index| flows[*index].after <= 0.0);
        let elsewhere = come.iter().any(|index| {
            gone.iter().any(|other| {
                let (a, b) = (flows[*index].meter, flows[*other].meter);
                a.account != b.account || a.region != b.region
            })
        });
        let total = |indexes: &[usize]| indexes.iter().map(|index| flows[*index].quantity.abs()).sum::<f64>();
        let (gained, lost) = (total(&come), total(&gone));
        let balances = gained.min(lost) >= MOVED_SHARE * gained.max(lost);
        if !(appears || vanishes) || !elsewhere || !balances {
            continue;
        }
        let (dollars, before) = exchange(flows, &come, &gone, Cause::Moved, effects);
        let places = |indexes: &[usize]| -> Vec<(String, String)> {
            let place = |index: &usize| (flows[*index].meter.account.clone(), flows[*index].meter.region.clone());
            indexes.iter().map(place).collect()
        };
        if dollars.abs().max(before.abs()) >= NOTHING {
            moves.push(Move { service, usage_type, from: places(&gone), to: places(&come), dollars, before });
        }
    }
    moves
}

/// Quantity that went from some sizes of a family to others, in one place.
fn take_mix(flows: &mut [Flow], effects: &mut Vec<Effect>) {
    let mut groups: BTreeMap<Meter, Vec<usize>> = BTreeMap::new();
    for (index, flow) in flows.iter().enumerate() {
        let usage_type = family(&flow.meter.usage_type).to_owned();
        groups.entry(Meter { usage_type, ..flow.meter.clone() }).or_default().push(index);
    }
    for members in groups.into_values() {
        let of_sign = |sign: f64| {
            let mut some = members.clone();
            some.retain(|index| flows[*index].quantity * sign > 0.0);
            some
        };
        let (grown, shrunk) = (of_sign(1.0), of_sign(-1.0));
        if !grown.is_empty() && !shrunk.is_empty() {
            exchange(flows, &grown, &shrunk, Cause::Mix, effects);
        }
    }
}

/// Takes the quantity that `come` and `gone` have in common from both, as effects of `cause`; returns its dollars there and
/// where it was.
fn exchange(flows: &mut [Flow], come: &[usize], gone: &[usize], cause: Cause, effects: &mut Vec<Effect>) -> (f64, f64) {
    let total = |indexes: &[usize]| indexes.iter().map(|index| flows[*index].quantity.abs()).sum::<f64>();
    let (gained, lost) = (total(come), total(gone));
    let common = gained.min(lost);
    let mut take = |indexes: &[usize], total: f64| -> f64 {
        let mut dollars = 0.0;
        for index in indexes {
            let taken = flows[*index].take(common / total);
            push(effects, flows[*index].meter, cause, taken);
            dollars += taken;
        }
        dollars
    };
    (take(come, gained), -take(gone, lost))
}

/// A usage type without the region that AWS puts before it: `EUC1-BoxUsage:m5.large` is `BoxUsage:m5.large`.
pub(crate) fn without_region(usage_type: &str) -> &str {
    let Some((prefix, rest)) = usage_type.split_once('-') else { return usage_type };
    let letters = prefix.trim_end_matches(|character: char| character.is_ascii_digit());
    let is_region = (2..=4).contains(&letters.len())
        && letters.chars().all(|character| character.is_ascii_uppercase())
        && prefix.len() == letters.len() + 1;
    let is_old = matches!(prefix, "EU" | "USE" | "USW");
    if (is_region || is_old) && !rest.is_empty() { rest } else { usage_type }
}

/// What sizes and variants of a usage type have in common: `BoxUsage` of `BoxUsage:m5.large`, `EBS:VolumeUsage` of
/// `EBS:VolumeUsage.gp3`.
fn family(usage_type: &str) -> &str {
    match usage_type.split_once(':') {
        Some((head, _)) if !head.ends_with("EBS") => head,
        _ => usage_type.rsplit_once('.').map_or(usage_type, |(head, _)| head),
    }
}

#[cfg(test)]
mod tests;
