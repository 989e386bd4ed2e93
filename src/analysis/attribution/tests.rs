//! Causes of made-up changes, and what holds for any.

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
