//! What `ingest` keeps, replaces and says.

use std::io::Write;

use crate::harness::Sandbox;

const HEADER: &str = "date,cost,account,service\n";

#[test]
fn a_bill_is_summed_up_by_period() {
    let sandbox = Sandbox::new();
    sandbox.sample("bills", &[]);
    insta::assert_snapshot!(sandbox.run(&["ingest", "bills"]), @"
    period   format  payer         files    rows  days                unblended   amortized  net amortized  credits in it
    2026-01  cur2    012345678901      1  17,544  2026-01-15..01-31   $9,635.72  $10,604.76     $10,604.76       -$122.54
    2026-02  cur2    012345678901      1  28,910  2026-02-01..02-28  $17,769.09  $17,769.09     $17,769.09       -$202.23
    2026-03  cur2    012345678901      1  14,442  2026-03-01..03-15   $9,310.58   $9,277.71      $9,277.71       -$105.05

    60,896 rows ingested
    no values in net columns: net amortized = amortized
    credits and refunds of -$429.82 are in the unblended sums: without them $37,145.21
    skipped, not a bill: bills/events.csv
    --- stderr
    ingested 2026-01 of acme-cur2: 17,544 rows
    ingested 2026-02 of acme-cur2: 28,910 rows
    ingested 2026-03 of acme-cur2: 14,442 rows
    --- exit code 0
    ");
}

#[test]
fn the_same_again_changes_nothing_and_says_so() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", format!("{HEADER}2026-03-01,1,x,y\n"));
    sandbox.ok(&["ingest", "a.csv"]);
    let log = sandbox.rows("SELECT * FROM ingestion_log");
    insta::assert_snapshot!(sandbox.run(&["ingest", "a.csv"]), @"
    unchanged: `a.csv` (1 file, nothing to do)
    --- exit code 0
    ");
    assert_eq!(sandbox.rows("SELECT * FROM ingestion_log"), log);
}

#[test]
fn full_refresh_loads_again_what_is_current() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", format!("{HEADER}2026-03-01,1,x,y\n"));
    sandbox.ok(&["ingest", "a.csv"]);
    let answer = sandbox.json(&["ingest", "a.csv", "--full-refresh", "--quiet"]);
    assert_eq!(answer["periods"][0]["rows"], 1);
    assert_eq!(sandbox.number("SELECT count(*) FROM cost_line_items"), 1.0);
    assert_eq!(sandbox.number("SELECT count(*) FROM ingestion_log"), 1.0);
}

#[test]
fn a_restated_period_replaces_the_former_one_whatever_its_file_is_called() {
    let sandbox = Sandbox::new();
    sandbox.write("first.csv", format!("{HEADER}2026-02-01,5,x,y\n2026-03-01,1,x,y\n2026-03-02,1,x,gone\n"));
    let vendor = ["--data-source", "vendor"];
    let ingest = |file: &str| sandbox.run(&[&["ingest", file], &vendor[..]].concat());
    ingest("first.csv");
    sandbox.write("second.csv", format!("{HEADER}2026-03-01,7,x,y\n2026-03-02,1,x,y\n"));
    insta::assert_snapshot!(ingest("second.csv"), @"
    period   format  provider  payer   files  rows  days               unblended  amortized  net amortized  credits in it
    2026-03  csv     vendor    vendor      1     2  2026-03-01..03-02      $8.00      $8.00          $8.00          $0.00

    2 rows ingested
    no currency: amounts are taken as USD
    no region: every region is `global`
    no resource: no breakdown by resource
    no usage_type: no breakdown by usage type
    replaced what came from `[DIR]/first.csv` (2 rows), an earlier version
    --- stderr
    ingested `second.csv`: 2 rows
    --- exit code 0
    ");
    assert_eq!(sandbox.number("SELECT sum(unblended_cost) FROM cost_line_items"), 13.0, "February stays, March is new");
    assert_eq!(sandbox.number("SELECT sum(unblended_cost) FROM daily_cost_summary"), 13.0);
    // The first file is not current any more: March is not what it says.
    let again = sandbox.json(&[&["ingest", "first.csv", "--quiet"], &vendor[..]].concat());
    assert_eq!(again["unchanged"].as_array().map(Vec::len), Some(0));
    assert_eq!(sandbox.number("SELECT sum(unblended_cost) FROM cost_line_items"), 7.0);
}

#[test]
fn two_vendors_without_names_do_not_replace_each_other() {
    let sandbox = Sandbox::new();
    sandbox.write("datadog.csv", format!("{HEADER}2026-03-01,1,x,y\n"));
    sandbox.write("snowflake.csv", format!("{HEADER}2026-03-01,7,x,y\n"));
    sandbox.ok(&["ingest", "datadog.csv"]);
    insta::assert_snapshot!(sandbox.run(&["ingest", "snowflake.csv"]), @"
    --- stderr
    error: cannot ingest `snowflake.csv`
      caused by: it would replace what came from `[DIR]/datadog.csv`
    hint: name the vendor of each with `--data-source NAME`; a restated bill replaces that of its own name
    --- exit code 1
    ");
    sandbox.ok(&["ingest", "snowflake.csv", "--data-source", "snowflake"]);
    assert_eq!(sandbox.number("SELECT sum(unblended_cost) FROM cost_line_items"), 8.0);
}

#[test]
fn a_part_that_cannot_be_read_keeps_its_whole_period() {
    let sandbox = Sandbox::new();
    sandbox.write("bills/a.csv", format!("{HEADER}2026-03-01,10,x,y\n"));
    sandbox.write("bills/b.csv", format!("{HEADER}2026-03-02,5,x,y\n"));
    sandbox.ok(&["ingest", "bills"]);
    sandbox.write("bills/a.csv", format!("{HEADER}2026-03-01,11,x,y\n"));
    sandbox.write("bills/b.csv", "");
    insta::assert_snapshot!(sandbox.run(&["ingest", "bills", "--quiet"]), @"
    --- stderr
    error: cannot ingest `bills/b.csv`
      caused by: the file is empty
    error: cannot ingest `bills/a.csv`
      caused by: a file beside it could not be read and may be a part of the same period
    hint: mend or remove that file, or name the good ones one by one; the period is kept as it was
    --- exit code 1
    ");
    assert_eq!(sandbox.number("SELECT sum(unblended_cost) FROM cost_line_items"), 15.0);
}

#[test]
fn one_file_named_in_many_ways_counts_once() {
    let sandbox = Sandbox::new();
    sandbox.write("bills/a.csv", format!("{HEADER}2026-03-01,7,x,y\n"));
    std::os::unix::fs::symlink(sandbox.path("bills"), sandbox.path("bills/self")).expect("a link");
    sandbox.ok(&["ingest", "bills", "./bills/a.csv", "bills/../bills/a.csv", "bills/self/a.csv"]);
    assert_eq!(sandbox.number("SELECT sum(unblended_cost) FROM cost_line_items"), 7.0);
}

#[test]
fn what_vanished_from_a_file_or_a_folder_vanishes_from_the_database() {
    let sandbox = Sandbox::new();
    sandbox.write("bills/a.csv", format!("{HEADER}2026-01-01,200,x,y\n"));
    sandbox.write("bills/b.csv", format!("{HEADER}2026-03-01,7,x,y\n"));
    sandbox.write("bills/c.csv", format!("{HEADER}2026-03-01,9,x,z\n"));
    let ingest = || sandbox.ok(&["ingest", "bills", "--data-source", "vendor"]);
    ingest();
    // A date was wrong: the month that it named is empty now, which the next month's bill under that name looks like, too.
    sandbox.write("bills/a.csv", format!("{HEADER}2026-02-01,200,x,y\n"));
    let run = ingest();
    assert!(run.stdout.contains("2026-01: 1 rows of a former `[DIR]/bills/a.csv` stay"), "{run}");
    sandbox.ok(&["ingest", "bills", "--data-source", "vendor", "--full-refresh"]);
    assert_eq!(sandbox.number("SELECT sum(unblended_cost) FROM daily_cost_summary"), 216.0);
    std::fs::remove_file(sandbox.path("bills/c.csv")).expect("remove");
    ingest();
    assert_eq!(sandbox.number("SELECT sum(unblended_cost) FROM cost_line_items"), 207.0);
    assert_eq!(sandbox.number("SELECT sum(unblended_cost) FROM daily_cost_summary"), 207.0);
}

#[test]
fn files_of_one_period_are_loaded_together() {
    let sandbox = Sandbox::new();
    for (name, row) in [("a", "2026-03-01,1,x,y"), ("b", "2026-03-02,2,x,y"), ("c", "2026-04-02,4,x,y")] {
        sandbox.write(&format!("bills/{name}.csv"), format!("{HEADER}{row}\n"));
    }
    sandbox.ok(&["ingest", "bills"]);
    assert_eq!(sandbox.number("SELECT sum(unblended_cost) FROM cost_line_items"), 7.0);
    assert_eq!(sandbox.number("SELECT count(DISTINCT ingestion_id) FROM ingestion_log"), 2.0);
    let again = sandbox.json(&["ingest", "bills/*.csv", "--quiet"]);
    assert_eq!(again["unchanged"].as_array().map(Vec::len), Some(2), "{again}");
}

#[test]
fn payers_and_providers_do_not_replace_each_other() {
    let sandbox = Sandbox::new();
    let header =
        "ChargePeriodStart,BilledCost,EffectiveCost,ChargeCategory,BillingAccountId,ProviderName,ServiceName\n";
    for (name, payer, provider) in [("a", "1", "AWS"), ("b", "2", "AWS"), ("c", "1", "Oracle")] {
        sandbox.write(
            &format!("{name}.csv"),
            format!("{header}2026-03-01,1,1,Usage,{payer},{provider},{provider} Compute\n"),
        );
        sandbox.ok(&["ingest", &format!("{name}.csv")]);
    }
    assert_eq!(sandbox.number("SELECT sum(unblended_cost) FROM cost_line_items"), 3.0);
}

#[test]
fn one_bad_file_does_not_stop_the_others_and_leaves_its_period_as_it_was() {
    let sandbox = Sandbox::new();
    sandbox.write("bills/a.csv", format!("{HEADER}2026-03-01,1,x,y\n"));
    sandbox.write("bills/b.csv", format!("{HEADER}2026-04-01,2,x,y\n"));
    sandbox.ok(&["ingest", "bills"]);
    sandbox.write("bills/a.csv", format!("{HEADER}2026-03-01,10,x,y\n2026-03-02,ten,x,y\n"));
    sandbox.write("bills/b.csv", format!("{HEADER}2026-04-01,20,x,y\n"));
    insta::assert_snapshot!(sandbox.run(&["ingest", "bills"]), @"
    period   format  provider  payer  files  rows  days               unblended  amortized  net amortized  credits in it
    2026-04  csv     csv       csv        1     1  2026-04-01..04-01     $20.00     $20.00         $20.00          $0.00

    1 row ingested
    no currency: amounts are taken as USD
    no region: every region is `global`
    no resource: no breakdown by resource
    no usage_type: no breakdown by usage type
    --- stderr
    ingested `bills/b.csv`: 1 rows
    error: cannot ingest `bills/a.csv`
      caused by: cannot read `[DIR]/bills/a.csv`
      caused by: row 3, column `cost`: `ten` is not a number
    hint: numbers are read as 1234.56, and as $1,234.56, 1.234,56, (3.00) or 3.00- where the column decides what its commas are
    --- exit code 1
    ");
    let costs = sandbox
        .rows("SELECT billing_period, sum(unblended_cost) AS cost FROM daily_cost_summary GROUP BY 1 ORDER BY 1");
    assert_eq!(costs[0]["cost"], 1.0);
    assert_eq!(costs[1]["cost"], 20.0);
}

#[test]
fn csv_comes_plain_gzipped_or_zipped() {
    let sandbox = Sandbox::new();
    let text = |cost: &str, month: &str| format!("{HEADER}2026-{month}-01,{cost},x,y\n");
    sandbox.write("plain.csv", text("1", "01"));
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(text("2", "02").as_bytes()).expect("gzip");
    sandbox.write("packed.csv.gz", gzip.finish().expect("gzip"));
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("report-1.csv", zip::write::SimpleFileOptions::default()).expect("zip");
    zip.write_all(text("4", "03").as_bytes()).expect("zip");
    sandbox.write("packed.csv.zip", zip.finish().expect("zip").into_inner());
    sandbox.ok(&["ingest", "plain.csv", "packed.csv.gz", "packed.csv.zip"]);
    assert_eq!(sandbox.number("SELECT sum(unblended_cost) FROM cost_line_items"), 7.0);
}

#[test]
fn other_tables_in_a_folder_of_bills_are_passed_over() {
    let sandbox = Sandbox::new();
    sandbox.write("bills/a.csv", format!("{HEADER}2026-03-01,1,x,y\n"));
    sandbox.write("bills/budgets.csv", "team,budget\nweb,10\n");
    let run = sandbox.ok(&["ingest", "bills"]);
    assert!(run.stdout.contains("skipped, not a bill: bills/budgets.csv"), "{run}");
}

#[test]
fn account_names_of_the_bill_are_kept() {
    let sandbox = Sandbox::with_sample();
    let rows = sandbox.rows("SELECT name FROM accounts WHERE id = '012345678901'");
    assert_eq!(rows[0]["name"], "acme-management");
}

#[test]
fn every_way_of_writing_the_summary_has_the_figures() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", format!("{HEADER}2026-03-01,1234.5,x,y\n"));
    for (format, expected) in [
        ("json", "\"unblended_cost\": 1234.5"),
        ("csv", ",1234.5,"),
        ("markdown", "| $1,234.50 |"),
        ("table", "$1,234.50"),
    ] {
        let run = sandbox.ok(&["ingest", "a.csv", "--full-refresh", "--format", format]);
        assert!(run.stdout.contains(expected), "{format}: {run}");
    }
}

#[test]
fn the_database_opens_in_older_clients() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", format!("{HEADER}2026-03-01,1,x,y\n"));
    sandbox.ok(&["ingest", "a.csv"]);
    let bytes = std::fs::read(sandbox.path("data/costs.duckdb")).expect("the database");
    let storage_version = u64::from_le_bytes(bytes[12..20].try_into().expect("eight bytes"));
    assert!(storage_version <= 68, "DuckDB 1.4 reads up to 68, this is {storage_version}");
}
