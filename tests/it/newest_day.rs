//! The newest day of very many series: a first look decides which of them are judged, and nobody can tell.

use serde_json::Value;

use crate::harness::{Sandbox, direct};

const DATABASE: &str = "costs.duckdb";

/// 6,000 series of 90 days and one of 400, up to 2026-03-31: levels, weeks, noise, and around 2026-03-20 spikes, steps, drops,
/// first and last charges.
fn estate() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("one.csv", "date,cost\n2026-03-01,1\n");
    sandbox.ok(&["--db", DATABASE, "ingest", "one.csv", "--quiet"]);
    direct(&format!(
        "ATTACH '{}' AS costs;
         CREATE MACRO u(a, b, c) AS (hash(a * 1000003 + b * 7919 + c) % 1000003) / 1000003.0;
         DELETE FROM costs.cost_line_items; DELETE FROM costs.daily_cost_summary; DELETE FROM costs.ingestion_log;
         INSERT INTO costs.daily_cost_summary
         SELECT day, date_trunc('month', day), 'AWS', 'csv', 'payer', 'a' || (i // 60), 's' || (i % 60), 'r', 'Usage', 'USD', NULL,
             cost, cost, cost, cost, cost, cost, 1, 1
         FROM (
             SELECT DATE '2026-03-31' - 399 + d::INTEGER AS day, i, d - 388 AS since, exp(u(i, 0, 1) * 6)
                 * CASE WHEN i % 3 = 0 AND dayofweek(day) IN (0, 6) THEN 0.5 ELSE 1 END
                 * exp((u(i, d, 2) + u(i, d, 3) + u(i, d, 4) - 1.5) * (0.05 + 0.3 * u(i, 0, 5)))
                 * CASE WHEN i % 97 = 1 AND since = 0 THEN 2.5 WHEN i % 89 = 2 AND since >= -5 THEN 1.6
                        WHEN i % 83 = 3 AND since >= -12 THEN 0.7 ELSE 1 END AS cost
             FROM range(6001) series(i), range(400) days(d)
             WHERE (d >= 310 OR i = 6000) AND NOT (i % 101 = 4 AND since >= 0) AND NOT (i % 103 = 5 AND since < -1)
                 AND NOT (i % 20 = 6 AND u(i, d, 6) < 0.5))",
        sandbox.path(DATABASE).display()
    ));
    sandbox
}

fn judge(sandbox: &Sandbox, as_of: &str, more: &[&str]) -> Value {
    let fixed = ["--db", DATABASE, "anomalies", "--group-by", "account+service", "--top", "0", "--as-of", as_of];
    sandbox.json(&[&fixed, more].concat())
}

fn going_on(answer: &Value) -> Vec<&Value> {
    let findings = answer["findings"].as_array().expect("findings");
    findings.iter().filter(|finding| finding["end_date"].is_null()).collect()
}

#[test]
fn a_first_look_at_very_many_series_changes_no_finding() {
    let sandbox = estate();
    let newest = judge(&sandbox, "2026-03-22", &["--no-save"]);
    // Two days at once are judged in full.
    let range = judge(&sandbox, "2026-03-22", &["--no-save", "--from", "2026-03-19", "--to", "2026-03-20"]);
    assert_eq!(newest["judged"]["start"], "2026-03-20");
    assert_eq!(newest["series"], 6001);
    let told = |answer: &Value| answer["warnings"].to_string().contains("of 6001 series are judged in full");
    assert!(told(&newest) && !told(&range), "{} {}", newest["warnings"], range["warnings"]);
    assert!(going_on(&newest).len() > 150, "{}", going_on(&newest).len());
    assert_eq!(going_on(&newest), going_on(&range));
}

#[test]
fn the_ledger_judges_what_is_open_again_and_leaves_the_rest_alone() {
    let sandbox = estate();
    let count = |condition: &str| {
        let sql = format!("SELECT count(*) AS n FROM incidents WHERE {condition}");
        sandbox.json(&["--db", DATABASE, "sql", &sql])["rows"][0]["n"].as_u64().expect("a count")
    };
    judge(&sandbox, "2026-03-22", &[]);
    assert!(count("state = 'open'") > 150);
    // Spikes are over, and their series quiet again: they are judged because they are open.
    judge(&sandbox, "2026-03-26", &[]);
    let closed = count("state = 'closed'");
    assert!(closed > 40, "{closed}");
    // Now they are over and not judged: nobody withdraws them.
    judge(&sandbox, "2026-03-27", &[]);
    assert!(count("state = 'closed' AND seen_on = '2026-03-24'") > 30);
    assert!(count("state = 'closed'") >= closed);
    assert_eq!(count("state = 'withdrawn'"), 0);
}
