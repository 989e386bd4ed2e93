//! Which source is read of which bill, as a table of cases.

use chrono::Days;

use super::*;

fn day(text: &str) -> NaiveDate {
    text.parse().expect("a date")
}

/// A holding of all days from `start` to `end`, and its accounts at a dollar amount a month each.
struct Made {
    holdings: Vec<Holding>,
    accounts: Vec<AccountCost>,
}

impl Made {
    fn new() -> Self {
        Self { holdings: Vec::new(), accounts: Vec::new() }
    }

    /// `accounts` are pairs of a name and what it costs a day.
    fn and(mut self, source: &str, provider: &str, payer: &str, days: (&str, &str), accounts: &[(&str, f64)]) -> Self {
        let (start, end) = (day(days.0), day(days.1));
        let days: BTreeSet<NaiveDate> = start.iter_days().take_while(|day| *day <= end).collect();
        let payer = Payer::new(payer, provider);
        let mut by_month: BTreeMap<NaiveDate, usize> = BTreeMap::new();
        days.iter().for_each(|day| *by_month.entry(first_of_month(*day)).or_default() += 1);
        for (month, count) in by_month {
            self.accounts.extend(accounts.iter().map(|(account, cost)| AccountCost {
                data_source: source.into(),
                payer: payer.clone(),
                month,
                account: (*account).into(),
                cost: cost * count as f64,
            }));
        }
        self.holdings.push(Holding {
            data_source: source.into(),
            payer,
            provider: provider.into(),
            currency: "USD".into(),
            usage_days: days.clone(),
            days,
        });
        self
    }

    fn bills(&self, today: &str) -> Vec<Bill> {
        bills(&self.holdings, &self.accounts, day(today), 2)
    }

    /// `payer: month source, …` for each bill.
    fn read(&self, today: &str) -> Vec<String> {
        let in_words = |bill: &Bill| {
            let months: Vec<String> =
                bill.read.iter().map(|(month, source)| format!("{} {source}", month.format("%m"))).collect();
            format!("{}: {}", bill.payer(), months.join(", "))
        };
        let mut bills: Vec<String> = self.bills(today).iter().map(in_words).collect();
        bills.sort();
        bills
    }
}

const YEAR: (&str, &str) = ("2026-10-01", "2026-12-31");
const ORG: [(&str, f64); 3] = [("1", 10.0), ("2", 20.0), ("3", 30.0)];

#[test]
fn formats_of_one_payer_are_one_bill_and_the_most_detailed_that_covers_a_month_is_read() {
    let made = Made::new()
        .and("cost-explorer", "AWS", "1", YEAR, &ORG)
        .and("cur", "AWS", "1", ("2026-11-01", "2026-12-30"), &ORG)
        .and("cur2", "AWS", "1", ("2026-12-20", "2026-12-30"), &ORG);
    assert_eq!(made.read("2026-12-31"), ["1: 10 cost-explorer, 11 cur, 12 cur"]);
    assert_eq!(made.bills("2026-12-31")[0].excluded, []);
}

#[test]
fn a_finished_month_that_lacks_its_end_is_read_from_the_source_that_has_it() {
    let made = Made::new().and("cost-explorer", "AWS", "1", ("2026-01-01", "2026-03-01"), &ORG).and(
        "cur2",
        "AWS",
        "1",
        ("2026-01-01", "2026-02-26"),
        &ORG,
    );
    assert_eq!(made.read("2026-03-01"), ["1: 01 cur2, 02 cost-explorer, 03 cost-explorer"]);
}

#[test]
fn other_payers_clouds_and_vendors_are_bills_of_their_own() {
    let made = Made::new()
        .and("cur2", "AWS", "1", YEAR, &ORG)
        .and("cur2", "AWS", "7", YEAR, &[("7", 5.0)])
        .and("focus", "Microsoft", "EA-1", YEAR, &[("sub", 50.0)])
        .and("datadog", "datadog", "datadog", YEAR, &[("datadog", 9.0)])
        .and("snowflake", "snowflake", "snowflake", YEAR, &[("snowflake", 9.0)]);
    let expected =
        ["1: 10 cur2, 11 cur2, 12 cur2", "7: 10 cur2, 11 cur2, 12 cur2", "EA-1: 10 focus, 11 focus, 12 focus"];
    assert_eq!(made.read("2026-12-31")[..3], expected);
    assert_eq!(made.read("2026-12-31").len(), 5);
}

#[test]
fn sellers_of_a_marketplace_do_not_split_a_bill() {
    let made = Made::new().and("cur2", "AWS", "1", YEAR, &ORG).and("focus", "AWS", "1", YEAR, &ORG).and(
        "focus",
        "Acme Data Inc.",
        "1",
        YEAR,
        &[("1", 3.0)],
    );
    assert_eq!(made.read("2026-12-31"), ["1: 10 cur2, 11 cur2, 12 cur2"]);
    assert_eq!(made.bills("2026-12-31")[0].provider(), "AWS");
}

#[test]
fn nobody_is_told_apart_by_provider() {
    let made =
        Made::new().and("focus", "A", "unknown", YEAR, &[("x", 1.0)]).and("focus", "B", "unknown", YEAR, &[("y", 1.0)]);
    assert_eq!(made.read("2026-12-31").len(), 2);
}

#[test]
fn a_member_read_by_itself_is_part_of_its_organization() {
    let member = Made::new().and("cost-explorer", "AWS", "2", YEAR, &[("2", 20.0)]).and("cur2", "AWS", "1", YEAR, &ORG);
    assert_eq!(member.read("2026-12-31"), ["1: 10 cur2, 11 cur2, 12 cur2"]);
    // The organization's coarser source has more than the member's finer one.
    let finer = Made::new().and("focus", "AWS", "1", YEAR, &ORG).and("cur2", "AWS", "2", YEAR, &[("2", 20.0)]);
    let bills = finer.bills("2026-12-31");
    assert_eq!(finer.read("2026-12-31"), ["2: 10 focus, 11 focus, 12 focus"]);
    assert_eq!(bills[0].excluded, []);
    // Two members and their organization.
    let two = Made::new()
        .and("cost-explorer", "AWS", "2", YEAR, &[("2", 20.0)])
        .and("cost-explorer", "AWS", "3", YEAR, &[("3", 30.0)])
        .and("cur", "AWS", "1", YEAR, &ORG);
    assert_eq!(two.read("2026-12-31").len(), 1);
}

#[test]
fn an_account_that_moved_between_organizations_is_in_both() {
    let made = Made::new()
        .and("cur2", "AWS", "1", YEAR, &ORG)
        .and("cur2", "AWS", "9", YEAR, &[("9", 40.0), ("3", 30.0)])
        .and("cost-explorer", "AWS", "9", YEAR, &[("9", 40.0), ("3", 30.0)]);
    assert_eq!(made.read("2026-12-31"), ["1: 10 cur2, 11 cur2, 12 cur2", "9: 10 cur2, 11 cur2, 12 cur2"]);
}

#[test]
fn a_vendor_that_names_aws_accounts_is_the_same_money_only_if_it_is_as_much() {
    let cur = || Made::new().and("cur2", "AWS", "1", YEAR, &ORG);
    let vendor = cur().and("datadog", "datadog", "datadog", YEAR, &[("1", 4.0), ("2", 4.0)]);
    assert_eq!(vendor.read("2026-12-31").len(), 2);
    let copy = cur().and("csv", "csv", "csv", YEAR, &[("2", 19.0)]);
    assert_eq!(copy.read("2026-12-31"), ["1: 10 cur2, 11 cur2, 12 cur2"]);
}

#[test]
fn what_a_proxy_counted_is_on_the_bill_of_its_provider() {
    let made = Made::new()
        .and("openai", "OpenAI", "unknown", ("2026-01-01", "2026-02-20"), &[("proj_a", 30.0)])
        .and("gcp", "Google Cloud", "01AB-CD", ("2026-01-01", "2026-02-19"), &[("acme", 90.0)])
        .and("litellm", "OpenAI", "unknown", ("2026-01-01", "2026-02-20"), &[("team", 40.0)])
        .and("litellm", "Google Cloud", "unknown", ("2026-01-01", "2026-02-20"), &[("team", 9.0)])
        .and("litellm", "Mistral AI", "unknown", ("2026-01-01", "2026-02-20"), &[("team", 2.0)]);
    assert_eq!(
        made.read("2026-02-20"),
        ["01AB-CD: 01 gcp, 02 gcp", "unknown: 01 litellm, 02 litellm", "unknown: 01 openai, 02 openai"]
    );
    assert!(made.bills("2026-02-20").iter().all(|bill| bill.excluded.is_empty()));
}

#[test]
fn where_no_source_has_all_the_one_with_most_dollars_is_read_and_the_rest_is_said() {
    // The finer one has more accounts, the coarser one more days.
    let made = Made::new().and("cur2", "AWS", "1", ("2026-11-01", "2026-11-27"), &ORG).and(
        "cost-explorer",
        "AWS",
        "1",
        ("2026-11-01", "2026-11-30"),
        &[("1", 10.0), ("2", 20.0)],
    );
    let bills = made.bills("2026-12-31");
    assert_eq!(made.read("2026-12-31"), ["1: 11 cur2"]);
    let excluded = &bills[0].excluded[0];
    assert_eq!((excluded.other.as_str(), excluded.accounts, excluded.days), ("cost-explorer", 0, 3));
    assert!((excluded.dollars - 90.0).abs() < 1e-9, "{excluded:?}");
}

#[test]
fn what_is_negligible_decides_nothing() {
    let made = Made::new().and("cur2", "AWS", "1", YEAR, &ORG).and(
        "cost-explorer",
        "AWS",
        "1",
        YEAR,
        &[("1", 10.0), ("2", 20.0), ("3", 30.0), ("4", 0.1)],
    );
    assert_eq!(made.read("2026-12-31"), ["1: 10 cur2, 11 cur2, 12 cur2"]);
    assert_eq!(made.bills("2026-12-31")[0].excluded, []);
}

#[test]
fn lines_dated_ahead_make_nothing_new_and_choose_nothing() {
    let made = Made::new()
        .and("cost-explorer", "AWS", "1", ("2026-12-01", "2026-12-20"), &ORG)
        .and("cur2", "AWS", "1", ("2026-12-01", "2026-12-19"), &ORG)
        .and("cur2", "AWS", "1", ("2099-01-01", "2099-01-01"), &ORG);
    let bills = made.bills("2026-12-21");
    assert_eq!(bills[0].newest, day("2026-12-19"));
    assert_eq!(bills[0].read[&day("2026-12-01")], "cur2");
}

#[test]
fn a_bill_that_begins_later_than_today_has_its_own_days() {
    let bills = Made::new().and("cur2", "AWS", "1", YEAR, &ORG).bills("2026-09-01");
    assert_eq!(bills[0].newest, day("2026-12-31"));
}

proptest::proptest! {
    /// Whatever else is in the database, a bill of its own accounts is read as it is alone.
    #[test]
    fn a_second_bill_never_changes_the_first(ends in proptest::collection::vec(0_u64..60, 6), with_ce: bool) {
        let end = |index: usize| (day("2026-11-01") + Days::new(ends[index])).to_string();
        let first = |mut made: Made| {
            made = made.and("cur2", "AWS", "1", ("2026-11-01", &end(0)), &ORG);
            if with_ce { made.and("cost-explorer", "AWS", "1", ("2026-11-01", &end(1)), &ORG) } else { made }
        };
        let alone = first(Made::new());
        let beside = first(Made::new())
            .and("cur2", "AWS", "8", ("2026-11-01", &end(2)), &[("8", 1.0)])
            .and("focus", "Microsoft", "EA", ("2026-11-01", &end(3)), &[("sub", 70.0)])
            .and("cost-explorer", "AWS", "8", ("2026-11-01", &end(4)), &[("8", 1.0)])
            .and("vendor", "vendor", "vendor", ("2026-11-01", &end(5)), &[("vendor", 9.0)]);
        let of = |made: &Made| {
            let bill = made.bills("2026-12-31").into_iter().find(|bill| bill.payer() == "1").expect("the bill");
            (bill.read, bill.days, bill.newest, bill.excluded)
        };
        proptest::prop_assert_eq!(of(&alone), of(&beside));
    }
}
