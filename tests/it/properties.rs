//! Properties of money: nothing is lost or counted twice between a file and any sum of it.

use proptest::{prelude::*, test_runner::Config};

use crate::harness::{Sandbox, direct_numbers};

#[derive(Clone, Debug)]
struct Line {
    day: u32,
    cents: i64,
    account: u8,
    service: u8,
    category: &'static str,
}

fn lines() -> impl Strategy<Value = Vec<Line>> {
    let category = prop::sample::select(vec!["Usage", "Purchase", "Tax", "Credit", "Adjustment"]);
    let line = (1u32..29, -100_000i64..1_000_000, 0u8..4, 0u8..5, category)
        .prop_map(|(day, cents, account, service, category)| Line { day, cents, account, service, category });
    prop::collection::vec(line, 1..40)
}

fn csv(lines: &[Line]) -> String {
    let mut text = String::from(
        "ChargePeriodStart,BilledCost,EffectiveCost,ListCost,ChargeCategory,SubAccountId,ServiceName,ResourceId\n",
    );
    for (index, Line { day, cents, account, service, category }) in lines.iter().enumerate() {
        let billed = *cents as f64 / 100.0;
        let effective = *cents as f64 / 128.0;
        text += &format!(
            "2026-03-{day:02}T05:00:00Z,{billed},{effective},{billed},{category},{account},service-{service},{cents}-{index}\n"
        );
    }
    text
}

const ALL: &str = "usage,purchase,tax,credit,adjustment";

proptest! {
    #![proptest_config(Config { cases: 8, failure_persistence: None, ..Config::default() })]

    #[test]
    fn money_is_conserved_from_the_file_to_every_grouping(lines in lines()) {
        let sandbox = Sandbox::new();
        let path = sandbox.write("bill.csv", csv(&lines));
        sandbox.ok(&["ingest", "bill.csv", "--quiet"]);
        let file = direct_numbers(
            &format!("SELECT sum(\"BilledCost\"), sum(\"EffectiveCost\"), sum(\"ListCost\") FROM read_csv('{}')", path.display()),
            3,
        );
        for (metric, column, expected) in [("unblended", "unblended_cost", file[0]), ("net-amortized", "net_amortized_cost", file[1]), ("list", "list_cost", file[2])] {
            for table in ["cost_line_items", "daily_cost_summary"] {
                let stored = sandbox.number(&format!("SELECT sum({column}) FROM {table}"));
                prop_assert!((stored - expected).abs() < 1e-6, "{} {}: {} {}", table, metric, stored, expected);
            }
            for group_by in ["service", "account", "charge-category", "usage-type", "service+account"] {
                let answer = sandbox.json(&[
                    "trends", "--from", "2026-03-01", "--to", "2026-03-31", "--granularity", "weekly", "--metric", metric,
                    "--group-by", group_by, "--include", ALL, "--top", "2", "--quiet",
                ]);
                let periods = answer["periods"].as_array().expect("periods");
                let total: f64 = periods.iter().map(|period| period["total"].as_f64().expect("a total")).sum();
                prop_assert!((total - expected).abs() < 1e-6, "{} {}: {} {}", group_by, metric, total, expected);
            }
        }
    }

    #[test]
    fn row_order_and_repetition_do_not_matter(lines in lines()) {
        let sums = "SELECT usage_date, product_code, usage_account_id, charge_category, round(sum(unblended_cost), 6) AS cost, \
                    sum(line_item_count) AS lines FROM daily_cost_summary GROUP BY ALL ORDER BY ALL";
        let forward = Sandbox::new();
        forward.write("bill.csv", csv(&lines));
        forward.ok(&["ingest", "bill.csv", "--quiet"]);
        let expected = forward.rows(sums);
        forward.ok(&["ingest", "bill.csv", "--quiet"]);
        forward.ok(&["ingest", "bill.csv", "--full-refresh", "--quiet"]);
        prop_assert_eq!(&forward.rows(sums), &expected);

        let backward = Sandbox::new();
        let mut reversed = lines.clone();
        reversed.reverse();
        backward.write("bill.csv", csv(&reversed));
        backward.ok(&["ingest", "bill.csv", "--quiet"]);
        prop_assert_eq!(&backward.rows(sums), &expected);

        let split = Sandbox::new();
        let (left, right) = lines.split_at(lines.len() / 2);
        for (name, part) in [("a", left), ("b", right)] {
            if !part.is_empty() {
                split.write(&format!("bills/{name}.csv"), csv(part));
            }
        }
        split.ok(&["ingest", "bills", "--quiet"]);
        prop_assert_eq!(&split.rows(sums), &expected);
    }
}
