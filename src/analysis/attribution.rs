//! What made a change between two periods: each dollar of it goes to one cause, and all causes of all meters add up to
//! the change.
//!
//! A meter's cost is quantity × shares of purchase options × unit prices × what discounts leave. Its change is split by
//! Bennet's indicator (Bennet, 1920; Diewert, 2005: the mean of the Laspeyres and Paasche weights), which adds up without a
//! remainder and turns its sign when the periods are swapped. Quantity that appears in one meter while it goes from
//! another is a move between accounts or regions, or a mix of sizes, and not growth.

use std::collections::BTreeMap;

use serde::Serialize;

/// What a line of the bill is, as far as it decides why its cost changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
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
    pub fn is_usage(self) -> bool {
        direct_cause(self).is_none()
    }
}

/// Why a cost changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
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
pub struct Meter {
    pub account: String,
    pub service: String,
    pub region: String,
    pub usage_type: String,
    pub operation: String,
    pub unit: String,
}

/// What a class of a meter cost in a period.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Amounts {
    /// In the metric asked for.
    pub cost: f64,
    /// The same before discounts that are part of the metric; equal to `cost` where there are none.
    pub gross: f64,
    /// In the meter's unit; `None` where the bill does not say.
    pub quantity: Option<f64>,
}

/// A class of a meter in both periods.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    pub meter: Meter,
    pub class: Class,
    pub before: Amounts,
    pub after: Amounts,
}

/// Dollars of a meter's change that one cause made.
#[derive(Clone, Debug, PartialEq)]
pub struct Effect {
    pub meter: Meter,
    pub cause: Cause,
    pub change: f64,
}

/// The same usage, gone in some places and found in others.
#[derive(Clone, Debug, PartialEq, Serialize)]
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
pub fn effects(cells: &[Cell]) -> (Vec<Effect>, Vec<Move>) {
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
pub fn without_region(usage_type: &str) -> &str {
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn meter(account: &str, region: &str, usage_type: &str) -> Meter {
        Meter {
            account: account.into(),
            service: "AmazonEC2".into(),
            region: region.into(),
            usage_type: usage_type.into(),
            operation: "RunInstances".into(),
            unit: "Hrs".into(),
        }
    }

    /// Cost, gross cost and quantity of a unit price.
    fn amounts(quantity: f64, price: f64, rate: f64) -> Amounts {
        Amounts { cost: quantity * price * rate, gross: quantity * price, quantity: Some(quantity) }
    }

    fn cell(class: Class, before: (f64, f64, f64), after: (f64, f64, f64)) -> Cell {
        let of = |(quantity, price, rate): (f64, f64, f64)| amounts(quantity, price, rate);
        Cell { meter: meter("1", "us-east-1", "BoxUsage:m5.large"), class, before: of(before), after: of(after) }
    }

    fn at(account: &str, region: &str, usage_type: &str, before: f64, after: f64, price: f64) -> Cell {
        Cell {
            meter: meter(account, region, usage_type),
            ..cell(Class::OnDemand, (before, price, 1.0), (after, price, 1.0))
        }
    }

    fn by_cause(cells: &[Cell]) -> BTreeMap<Cause, f64> {
        let mut sums = BTreeMap::new();
        for effect in effects(cells).0 {
            *sums.entry(effect.cause).or_default() += effect.change;
        }
        sums.retain(|_, change: &mut f64| change.abs() > 1e-9);
        sums
    }

    #[track_caller]
    fn assert_causes(cells: &[Cell], expected: &[(Cause, f64)]) {
        let found = by_cause(cells);
        assert_eq!(found.keys().collect::<Vec<_>>(), expected.iter().map(|(cause, _)| cause).collect::<Vec<_>>());
        for (cause, dollars) in expected {
            assert!((found[cause] - dollars).abs() < 1e-9, "{cause:?}: {} instead of {dollars}", found[cause]);
        }
    }

    #[test]
    fn more_of_the_same_is_usage() {
        assert_causes(&[cell(Class::OnDemand, (100.0, 0.1, 1.0), (150.0, 0.1, 1.0))], &[(Cause::Usage, 5.0)]);
    }

    #[test]
    fn another_price_or_discount_is_no_usage() {
        assert_causes(&[cell(Class::OnDemand, (100.0, 0.1, 1.0), (100.0, 0.12, 1.0))], &[(Cause::Price, 2.0)]);
        assert_causes(&[cell(Class::OnDemand, (100.0, 0.1, 0.9), (100.0, 0.1, 1.0))], &[(Cause::Discount, 1.0)]);
    }

    /// 100 hours under a Savings Plan at 0.06 that are on demand at 0.1 afterwards, the plan having ended.
    #[test]
    fn a_savings_plan_that_ends_is_coverage() {
        let cells = [
            cell(Class::SavingsPlans, (100.0, 0.06, 1.0), (0.0, 0.0, 1.0)),
            cell(Class::OnDemand, (50.0, 0.1, 1.0), (150.0, 0.1, 1.0)),
        ];
        assert_causes(&cells, &[(Cause::Coverage, 4.0)]);
    }

    #[test]
    fn a_free_tier_that_is_used_up_is_not_a_price() {
        let cells = [
            cell(Class::Free, (100.0, 0.0, 1.0), (0.0, 0.0, 1.0)),
            cell(Class::OnDemand, (0.0, 0.0, 1.0), (100.0, 0.1, 1.0)),
        ];
        assert_causes(&cells, &[(Cause::FreeTier, 10.0)]);
    }

    #[test]
    fn sizes_that_replace_each_other_are_mix_and_a_size_beside_them_is_new() {
        let replaced = [
            at("1", "us-east-1", "BoxUsage:m5.large", 100.0, 0.0, 0.1),
            at("1", "us-east-1", "BoxUsage:m5.xlarge", 0.0, 100.0, 0.2),
        ];
        assert_causes(&replaced, &[(Cause::Mix, 10.0)]);
        let beside = [
            at("1", "us-east-1", "BoxUsage:m5.large", 100.0, 100.0, 0.1),
            at("1", "us-east-1", "BoxUsage:m5.xlarge", 0.0, 100.0, 0.2),
        ];
        assert_causes(&beside, &[(Cause::New, 20.0)]);
    }

    #[test]
    fn usage_that_goes_to_another_account_moved() {
        let cells = [
            at("1", "us-east-1", "BoxUsage:m5.large", 100.0, 0.0, 0.1),
            at("2", "eu-west-1", "EU-BoxUsage:m5.large", 0.0, 100.0, 0.12),
        ];
        assert_causes(&cells, &[(Cause::Moved, 2.0)]);
        let (found, moves) = effects(&cells);
        assert_eq!(found.iter().map(|effect| effect.change).collect::<Vec<_>>(), [12.0, -10.0]);
        assert_eq!(moves.len(), 1);
        assert_eq!((moves[0].from[0].0.as_str(), moves[0].to[0].0.as_str()), ("1", "2"));
        assert!((moves[0].dollars - 12.0).abs() < 1e-9 && (moves[0].before - 10.0).abs() < 1e-9);
    }

    #[test]
    fn cost_without_quantity_is_not_guessed_at() {
        let without = |cost: f64| Amounts { cost, gross: cost, quantity: None };
        let of = |before: f64, after: f64| Cell {
            meter: meter("1", "us-east-1", "(none)"),
            class: Class::OnDemand,
            before: without(before),
            after: without(after),
        };
        assert_causes(&[of(3.0, 5.0)], &[(Cause::Unknown, 2.0)]);
        assert_causes(&[of(0.0, 5.0)], &[(Cause::New, 5.0)]);
        assert_causes(&[of(3.0, 0.0)], &[(Cause::Gone, -3.0)]);
    }

    #[test]
    fn regions_and_families_of_usage_types() {
        assert_eq!(without_region("EUC1-BoxUsage:m5.large"), "BoxUsage:m5.large");
        assert_eq!(without_region("EU-DataTransfer-Out-Bytes"), "DataTransfer-Out-Bytes");
        assert_eq!(without_region("DataTransfer-Out-Bytes"), "DataTransfer-Out-Bytes");
        assert_eq!(without_region("USW2-MP:abc"), "MP:abc");
        assert_eq!(family("BoxUsage:m5.large"), "BoxUsage");
        assert_eq!(family("EBS:VolumeUsage.gp3"), "EBS:VolumeUsage");
        assert_eq!(family("EBS:SnapshotUsage"), "EBS:SnapshotUsage");
    }

    const CLASSES: [Class; 11] = [
        Class::OnDemand,
        Class::Spot,
        Class::Reserved,
        Class::SavingsPlans,
        Class::Free,
        Class::UnusedCommitment,
        Class::CommitmentFee,
        Class::Fee,
        Class::Discount,
        Class::Credit,
        Class::Tax,
    ];

    /// Bills of a few accounts, regions and usage types, some of them in one period only.
    fn bills() -> impl Strategy<Value = Vec<Cell>> {
        let side = prop_oneof![
            1 => Just(None),
            3 => (0.1..1e4f64, 0.001..5.0f64, 0.5..1.0f64).prop_map(Some),
        ];
        let one = (0..3usize, 0..2usize, 0..4usize, 0..CLASSES.len(), side.clone(), side, any::<bool>());
        prop::collection::vec(one, 0..25).prop_map(|rows| {
            let mut cells: BTreeMap<(Meter, Class), Cell> = BTreeMap::new();
            for (account, region, kind, class, before, after, measured) in rows {
                let usage_type = ["BoxUsage:m5.large", "BoxUsage:m5.xlarge", "EBS:VolumeUsage.gp3", "Requests"][kind];
                let meter = meter(["1", "2", "3"][account], ["us-east-1", "eu-west-1"][region], usage_type);
                let class = CLASSES[class];
                let of = |side: Option<(f64, f64, f64)>| {
                    let mut amounts = side.map_or(Amounts::default(), |(quantity, price, rate)| {
                        if class == Class::Free { amounts(quantity, 0.0, 1.0) } else { amounts(quantity, price, rate) }
                    });
                    if !measured {
                        amounts.quantity = None;
                    }
                    amounts
                };
                let cell = Cell { meter: meter.clone(), class, before: of(before), after: of(after) };
                cells.insert((meter, class), cell);
            }
            cells.into_values().collect()
        })
    }

    fn change(cells: &[Cell]) -> f64 {
        cells.iter().map(|cell| cell.after.cost - cell.before.cost).sum()
    }

    proptest! {
        #[test]
        fn effects_add_up_to_the_change_of_each_meter(cells in bills()) {
            let (effects, _) = effects(&cells);
            let total: f64 = effects.iter().map(|effect| effect.change).sum();
            prop_assert!((total - change(&cells)).abs() < 1e-4, "{total} of {}", change(&cells));
            for cell in &cells {
                let own: Vec<Cell> = cells.iter().filter(|other| other.meter == cell.meter).cloned().collect();
                let sum: f64 =
                    effects.iter().filter(|effect| effect.meter == cell.meter).map(|effect| effect.change).sum();
                prop_assert!((sum - change(&own)).abs() < 1e-4);
            }
        }

        #[test]
        fn swapping_the_periods_turns_every_sign(cells in bills()) {
            let swapped: Vec<Cell> =
                cells.iter().map(|cell| Cell { before: cell.after, after: cell.before, ..cell.clone() }).collect();
            let (there, back) = (by_cause(&cells), by_cause(&swapped));
            for (cause, change) in &there {
                let opposite = match cause {
                    Cause::New => Cause::Gone,
                    Cause::Gone => Cause::New,
                    other => *other,
                };
                let other = back.get(&opposite).copied().unwrap_or(0.0);
                prop_assert!((change + other).abs() < 1e-4, "{cause:?}: {change} and {other}");
            }
        }

        #[test]
        fn a_bill_against_itself_has_no_effects(cells in bills()) {
            let same: Vec<Cell> = cells.iter().map(|cell| Cell { after: cell.before, ..cell.clone() }).collect();
            let (effects, moves) = effects(&same);
            prop_assert!(effects.is_empty() && moves.is_empty(), "{effects:?}");
        }

        #[test]
        fn other_names_of_accounts_change_no_figure(cells in bills()) {
            let renamed: Vec<Cell> = cells
                .iter()
                .map(|cell| {
                    let account = format!("9{}", 7 - cell.meter.account.len() - cell.meter.account.parse::<usize>().unwrap_or(0));
                    Cell { meter: Meter { account, ..cell.meter.clone() }, ..cell.clone() }
                })
                .collect();
            let (one, other) = (by_cause(&cells), by_cause(&renamed));
            for (cause, change) in &one {
                prop_assert!((change - other.get(cause).copied().unwrap_or(0.0)).abs() < 1e-4);
            }
        }
    }
}
