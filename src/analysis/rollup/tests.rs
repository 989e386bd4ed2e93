//! What the roll-up promises, as findings in words and as properties.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const LEVELS: [&str; 6] = ["", "region", "account", "service", "service usage-type", "service account"];

/// A finding of so many dollars a day, from one day of the year to another.
fn candidate(group: &str, dollars: f64, start: u64, last: u64) -> Candidate {
    let group: Vec<(String, String)> =
        group.split_whitespace().filter_map(|pair| pair.split_once('=')).map(|(a, b)| (a.into(), b.into())).collect();
    let dimensions: Vec<&str> = group.iter().map(|(dimension, _)| dimension.as_str()).collect();
    let level = LEVELS.iter().position(|level| *level == dimensions.join(" ")).expect("a level");
    let since = NaiveDate::from_ymd_opt(2026, 1, 1).expect("a date");
    let difference = |day: u64| if (start..=last).contains(&day) { dollars } else { 0.0 };
    Candidate {
        level,
        group,
        is_common: false,
        is_wide: level < 2,
        direction: Direction::of(dollars),
        start: since + Days::new(start),
        last: since + Days::new(last),
        is_absorbed: false,
        impact: dollars,
        since,
        differences: (0..100).map(difference).collect(),
    }
}

fn name(candidate: &Candidate) -> String {
    let values: Vec<&str> = candidate.group.iter().map(|(_, value)| value.as_str()).collect();
    if values.is_empty() { "total".into() } else { values.join("/") }
}

/// Each incident in words: who tells it, where it came from, how many members.
fn told(candidates: &[Candidate]) -> Vec<String> {
    let words = |incident: Incident| {
        let from = incident.from.map_or(String::new(), |from| format!(" from {}", name(&candidates[from])));
        format!("{}{from} with {}", name(&candidates[incident.of]), incident.members.len())
    };
    let mut told: Vec<String> = roll_up(candidates).into_iter().map(words).collect();
    told.sort();
    told
}

#[test]
fn one_service_in_one_account_is_one_incident_there() {
    let candidates = [
        candidate("", 104.0, 10, 12),
        candidate("region=r", 103.0, 10, 12),
        candidate("account=a", 102.0, 10, 12),
        candidate("service=s", 101.0, 11, 12),
        candidate("service=s usage-type=u", 100.0, 10, 12),
        candidate("service=s account=a", 100.0, 10, 12),
    ];
    assert_eq!(told(&candidates), ["s/a with 5"]);
}

#[test]
fn one_usage_type_in_two_accounts_is_told_by_the_usage_type() {
    let candidates = [
        candidate("service=s", 100.0, 10, 12),
        candidate("service=s usage-type=u", 100.0, 10, 12),
        candidate("service=s account=a", 50.0, 10, 12),
        candidate("service=s account=b", 50.0, 10, 12),
    ];
    assert_eq!(told(&candidates), ["s/u with 3"]);
}

#[test]
fn services_of_an_account_that_rise_together_are_the_account() {
    let services = (0..5).flat_map(|index| {
        [
            candidate(&format!("service=s{index}"), 20.0, 10, 12),
            candidate(&format!("service=s{index} account=a"), 20.0, 10, 12),
        ]
    });
    let candidates: Vec<Candidate> =
        services.chain([candidate("account=a", 100.0, 10, 12), candidate("", 100.0, 10, 12)]).collect();
    assert_eq!(told(&candidates), ["a with 11"]);
}

#[test]
fn what_is_not_the_same_dollars_stays_apart() {
    let candidates = [
        candidate("account=a", 120.0, 10, 12),
        candidate("service=s account=a", 100.0, 10, 12),
        candidate("service=t account=a", 20.0, 10, 12),
        candidate("service=t account=b", 20.0, 40, 42),
        candidate("service=s account=b", -60.0, 10, 12),
    ];
    assert_eq!(told(&candidates), ["s/a with 1", "s/b with 0", "t/a with 0", "t/b with 0"]);
}

#[test]
fn a_spike_within_a_lasting_change_is_its_own_incident() {
    let mut service = candidate("service=s", 50.0, 10, 23);
    service.differences[20] = 350.0;
    assert_eq!(told(&[service, candidate("service=s account=a", 300.0, 20, 20)]), ["s with 0", "s/a with 0"]);
}

#[test]
fn steps_of_a_change_within_a_week_are_one() {
    let usage_type = |name: &str, start: u64| candidate(&format!("service=s usage-type={name}"), 25.0, start, 23);
    let mut account = candidate("service=s account=a", 25.0, 10, 23);
    account.differences[14..=23].fill(75.0);
    account.impact = 75.0;
    let service = Candidate { level: 3, group: vec![("service".into(), "s".into())], ..account.clone() };
    let candidates = [account, service, usage_type("u", 10), usage_type("v", 14), usage_type("w", 18)];
    assert_eq!(told(&candidates), ["s/a with 3", "s/w with 0"]);
}

#[test]
fn a_total_that_many_make_tells_them_and_few_tell_it() {
    let incident = |index: usize| candidate(&format!("service=s{index} account=a{index}"), 30.0, 10, 12);
    let few: Vec<Candidate> = (0..3).map(incident).chain([candidate("", 90.0, 10, 12)]).collect();
    assert_eq!(told(&few), ["s0/a0 with 1", "s1/a1 with 0", "s2/a2 with 0"]);
    let many: Vec<Candidate> = (0..6).map(incident).chain([candidate("", 180.0, 10, 12)]).collect();
    assert_eq!(told(&many), ["total with 6"]);
}

#[test]
fn cost_that_moves_is_one_incident_wherever_it_moves() {
    let accounts = [
        candidate("service=s account=a", -50.0, 10, 20),
        candidate("service=s account=b", 52.0, 11, 20),
        candidate("account=a", -50.0, 10, 20),
    ];
    assert_eq!(told(&accounts), ["s/b from s/a with 1"]);
    let regions = [
        candidate("service=s usage-type=EUC1-x", -50.0, 10, 20),
        candidate("service=s usage-type=USE1-x", 52.0, 10, 20),
        candidate("region=eu-central-1", -50.0, 10, 20),
        candidate("region=us-east-1", 52.0, 10, 20),
    ];
    assert_eq!(told(&regions), ["s/USE1-x from s/EUC1-x with 2"]);
    let unlike = [candidate("service=s account=a", -50.0, 10, 20), candidate("service=s account=b", 90.0, 10, 20)];
    assert_eq!(told(&unlike).len(), 2);
    let services = [candidate("service=s account=a", -50.0, 10, 20), candidate("service=t account=a", 50.0, 10, 20)];
    assert_eq!(told(&services).len(), 2);
}

#[test]
fn a_level_that_is_late_notices_nothing_new() {
    let mut known = candidate("service=s account=a", 50.0, 10, 23);
    known.is_absorbed = true;
    assert_eq!(told(&[known.clone(), candidate("region=r", 50.0, 30, 33)]), ["s/a with 1"]);
    assert_eq!(told(&[known.clone(), candidate("region=r", 50.0, 50, 53)]), ["r with 0", "s/a with 0"]);
    let other =
        Candidate { group: vec![("service".into(), "t".into()), ("account".into(), "a".into())], ..known.clone() };
    assert_eq!(told(&[known, other, candidate("region=r", 100.0, 30, 33)]), ["s/a with 1", "t/a with 0"]);
}

fn candidates() -> impl Strategy<Value = Vec<Candidate>> {
    let one = (0_usize..6, 0_u8..3, 0_u8..3, 1_i32..40, any::<bool>(), 0_u64..12, 0_u64..15, any::<bool>());
    let one = one.prop_map(|(level, here, there, dollars, is_up, start, days, is_absorbed)| {
        let group = LEVELS[level].split_whitespace().zip([here, there]);
        let group: String = group.map(|(dimension, value)| format!("{dimension}={value} ")).collect();
        let dollars = f64::from(dollars) * if is_up { 10.0 } else { -10.0 };
        Candidate { is_absorbed, ..candidate(&group, dollars, 20 + start, 20 + start + days) }
    });
    prop::collection::vec(one, 0..25).prop_map(|all| {
        let mut seen = BTreeSet::new();
        all.into_iter().filter(|one| seen.insert((name(one), one.level, one.direction))).collect()
    })
}

/// The incidents as sets of names, whatever their order.
fn sets(candidates: &[Candidate]) -> BTreeSet<Vec<String>> {
    let words = |place: usize| {
        format!("{} {} {:?}", candidates[place].level, name(&candidates[place]), candidates[place].direction)
    };
    let set = |incident: Incident| {
        let mut members: Vec<String> = incident.members.into_iter().map(words).collect();
        members.sort();
        [vec![words(incident.of)], incident.from.map(words).into_iter().collect(), members].concat()
    };
    roll_up(candidates).into_iter().map(set).collect()
}

proptest! {
    #[test]
    fn every_candidate_is_in_one_incident(candidates in candidates()) {
        let mut places: Vec<usize> = roll_up(&candidates)
            .into_iter()
            .flat_map(|incident| [vec![incident.of], incident.from.into_iter().collect(), incident.members].concat())
            .collect();
        places.sort_unstable();
        prop_assert_eq!(places, (0..candidates.len()).collect::<Vec<_>>());
    }

    #[test]
    fn the_order_of_candidates_does_not_matter(candidates in candidates(), turn in 0_usize..25) {
        let mut turned = candidates.clone();
        turned.reverse();
        turned.rotate_left(turn.min(candidates.len()));
        prop_assert_eq!(sets(&candidates), sets(&turned));
    }

    #[test]
    fn what_is_unrelated_changes_nothing(candidates in candidates()) {
        let mut more = candidates.clone();
        more.push(candidate("service=other account=other", 1e4, 80, 90));
        let mut expected = sets(&candidates);
        expected.insert(vec!["5 other/other Up".into()]);
        prop_assert_eq!(sets(&more), expected);
    }
}
