//! Values as people write them, read through a file and a database as bills are.

use std::path::PathBuf;

use chrono::NaiveDate;

use crate::{
    error::Result,
    sources::{
        self, Bill, Opened, Options,
        dates::DateOrder,
        mapping::{Assignment, Mapping},
        numbers::Decimal,
    },
    store::{Database, Settings, Writer},
};

/// A folder with a database, for many small files.
struct Desk {
    folder: tempfile::TempDir,
    store: Writer,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = Settings {
            path: folder.path().join("costs.duckdb"),
            cache_dir: PathBuf::new(),
            cache_limit_gb: 1.0,
            memory_limit: "1GB".parse().expect("a size"),
            threads: 1,
        };
        let store = Database::new(settings.clone()).write().expect("a database");
        Self { folder, store }
    }

    fn bill(&self, csv: &str, mapping: &Mapping) -> Result<Bill> {
        let path = self.folder.path().join("bill.csv");
        std::fs::write(&path, csv).expect("write");
        let options = Options { mapping: Some(mapping), ..Options::default() };
        match sources::open_bill(&path, options, self.folder.path(), &|sql| self.store.ask(sql))? {
            Opened::Bill(bill) => Ok(*bill),
            Opened::NotABill(error) => Err(error),
        }
    }

    /// What the bill has as `columns` of the database once its forms are settled, or the summary of the error.
    fn read(&self, csv: &str, mapping: &Mapping, columns: &[&str]) -> String {
        let read = || -> Result<String> {
            let mut bill = self.bill(csv, mapping)?;
            let today = NaiveDate::from_ymd_opt(2026, 11, 25).expect("a day");
            bill.settle_forms(today, &|sql| self.store.ask(sql))?;
            let sql = columns.iter().map(|column| {
                let columns = bill.line_items.line_item.columns();
                columns.into_iter().find(|(name, _)| name == column).expect("a column of the database").1
            });
            let sql = format!("SELECT {} FROM {}", sql.collect::<Vec<_>>().join(", "), bill.from);
            let rows = self.store.ask(&sql)?;
            let row =
                |row: Vec<Option<String>>| row.into_iter().map(|v| v.unwrap_or_default()).collect::<Vec<_>>().join(" ");
            Ok(rows.into_iter().map(row).collect::<Vec<_>>().join(", "))
        };
        read().unwrap_or_else(|error| error.summary())
    }
}

fn csv_of(header: &str, rows: &[String]) -> String {
    format!("{header}\n{}\n", rows.join("\n"))
}

#[test]
fn dates_are_read_as_people_write_them() {
    let desk = Desk::new();
    let undecided = |row: u32, value: &str, one: &str, other: &str| {
        format!("row {row}, column `date`: `{value}` may be {one} or {other}, and nothing in the file decides")
    };
    let no_date = |row: u32, value: &str| format!("row {row}, column `date`: `{value}` is not a date or time");
    let beyond = |row: u32, value: &str| {
        format!("row {row}, column `date`: `{value}` is before 2000-01-01 or more than two years after 2026-11-25")
    };
    let cases: [(&[&str], String); 37] = [
        (&["2026-10-01", "2026-10-02T23:59:59Z"], "2026-10-01, 2026-10-02".into()),
        (&["2026-10-01T23:00:00-07:00", "2026-10-01 01:00:00+02"], "2026-10-02, 2026-09-30".into()),
        (&["2026-10-01T00:00:00,5z", "2026-10-02 00:00:00 UTC"], "2026-10-01, 2026-10-02".into()),
        (&["20261015", "20261016T120000.000Z"], "2026-10-15, 2026-10-16".into()),
        (&["2026/10/5", "2026.10.06"], "2026-10-05, 2026-10-06".into()),
        (&["15.10.2026", "1.10.2026 09:30"], "2026-10-15, 2026-10-01".into()),
        (&["15.10.26", "1.2.26"], "2026-10-15, 2026-02-01".into()),
        (&["10/15/2026", "10/1/2026"], "2026-10-15, 2026-10-01".into()),
        (&["15/10/2026", "1/10/2026"], "2026-10-15, 2026-10-01".into()),
        (&["15-10-2026", "1-10-2026"], "2026-10-15, 2026-10-01".into()),
        (&["10/15/2026 9:05 PM", "10/1/2026 12:00:00 AM"], "2026-10-15, 2026-10-01".into()),
        (&["10/15/2026 0:00", "10/1/2026 23:59"], "2026-10-15, 2026-10-01".into()),
        (&["1/5/26", "1/25/26"], "2026-01-05, 2026-01-25".into()),
        (&["26-10-01", "26-10-02"], "2026-10-01, 2026-10-02".into()),
        (&["15-Oct-2026", "\"Oct 16, 2026\"", "17-OCT-26"], "2026-10-15, 2026-10-16, 2026-10-17".into()),
        (&["\"Thu, 15 Oct 2026 23:30:00 GMT\"", "1 September 2026"], "2026-10-15, 2026-09-01".into()),
        // The same day, whichever way it is read.
        (&["5/5/2026"], "2026-05-05".into()),
        // Nobody's year 1: the order is not said.
        (&["1/5/26", "2/5/26"], undecided(2, "1/5/26", "2026-01-05", "2026-05-01")),
        (&["2026-10-01", "1/5/26"], undecided(3, "1/5/26", "2026-01-05", "2026-05-01")),
        (&["10/11/2026"], undecided(2, "10/11/2026", "2026-10-11", "2026-11-10")),
        (&["26-10-20"], undecided(2, "26-10-20", "2020-10-26", "2026-10-20")),
        // One file has one order.
        (&["10/15/2026", "15/10/2026"], no_date(3, "15/10/2026")),
        (&["2026-10-01", "soon"], no_date(3, "soon")),
        (&["30/02/2026"], no_date(2, "30/02/2026")),
        (&["2026-02-30"], no_date(2, "2026-02-30")),
        (&["1790000000"], no_date(2, "1790000000")),
        (&["46310"], no_date(2, "46310")),
        (&["2026-10"], no_date(2, "2026-10")),
        (&["12026-10-01"], no_date(2, "12026-10-01")),
        (&["2026-10-01 (BC)"], no_date(2, "2026-10-01 (BC)")),
        (&["infinity"], no_date(2, "infinity")),
        (&["epoch"], no_date(2, "epoch")),
        (&["2026-10-01", "0001-05-26"], beyond(3, "0001-05-26")),
        (&["1999-12-31"], beyond(2, "1999-12-31")),
        (&["2000-01-01"], "2000-01-01".into()),
        (&["2028-11-25"], "2028-11-25".into()),
        (&["2028-11-26"], beyond(2, "2028-11-26")),
    ];
    for (dates, expected) in cases {
        let rows: Vec<String> = dates.iter().map(|date| format!("\"{}\",1", date.trim_matches('"'))).collect();
        assert_eq!(desk.read(&csv_of("date,cost", &rows), &Mapping::default(), &["usage_date"]), expected, "{dates:?}");
    }
}

#[test]
fn the_user_says_the_order_that_a_file_does_not() {
    let desk = Desk::new();
    let csv = "date,cost\n1/5/26,1\n2/5/26,1\n";
    let read = |order| {
        let mapping = Mapping { date_order: Some(order), ..Mapping::default() };
        desk.read(csv, &mapping, &["usage_date"])
    };
    assert_eq!(read(DateOrder::Mdy), "2026-01-05, 2026-02-05");
    assert_eq!(read(DateOrder::Dmy), "2026-05-01, 2026-05-02");
    assert_eq!(read(DateOrder::Ymd), "row 2, column `date`: `1/5/26` is not a date or time");
}

#[test]
fn billing_periods_decide_the_order_of_a_focus_file() {
    let desk = Desk::new();
    let header =
        "BillingPeriodStart,BillingPeriodEnd,ChargePeriodStart,ChargePeriodEnd,ChargeCategory,BilledCost,EffectiveCost";
    let read = |dates: &str| {
        let csv = csv_of(header, &[format!("{dates},Usage,1.5,0.75")]);
        desk.read(&csv, &Mapping::default(), &["usage_start", "billing_period"])
    };
    // Of May by months before days, of May by days before months.
    assert_eq!(read("5/1/26,6/1/26,5/1/26,5/2/26"), "2026-05-01 00:00:00 2026-05-01");
    assert_eq!(read("1/5/26,1/6/26,1/5/26 1:00,1/5/26 2:00"), "2026-05-01 01:00:00 2026-05-01");
    assert_eq!(read("1/1/23,2/1/23,1/5/23 0:00,1/5/23 1:00"), "2023-01-05 00:00:00 2023-01-01");
    assert_eq!(read("26-10-01,26-11-01,26-10-01,26-10-02"), "2026-10-01 00:00:00 2026-10-01");
    assert_eq!(read("2026-01-01,2026-02-01,1/2/26,1/3/26"), "2026-01-02 00:00:00 2026-01-01");
    // A term ends years ahead.
    assert_eq!(read("1/1/26,2/1/26,1/13/26,1/13/29"), "2026-01-13 00:00:00 2026-01-01");
}

#[test]
fn numbers_are_read_as_people_write_them() {
    let desk = Desk::new();
    let no_number = |row: u32, value: &str| format!("row {row}, column `cost`: `{value}` is not a number");
    let cases: [(&[&str], String); 28] = [
        (&["1234.5", "-3", "+2", ".5", "1e3", "2.5E-2"], "1234.5, -3.0, 2.0, 0.5, 1000.0, 0.025".into()),
        (&["$1,234.56", "1,234"], "1234.56, 1234.0".into()),
        (&["1.234,56", "1.234"], "1234.56, 1234.0".into()),
        (&["5,50", "1.234.567"], "5.5, 1234567.0".into()),
        (&["1,234,567"], "1234567.0".into()),
        (&["12,34,567.80"], "1234567.8".into()),
        (&["0,125"], "0.125".into()),
        (&["1 234,50", "1\u{a0}234\u{a0}567,25", "1'234,5"], "1234.5, 1234567.25, 1234.5".into()),
        (&["(3.00)", "3.00-", "-$4.00", "$-5.00", "($6.00)", "\u{2212}7.00"], "-3.0, -3.0, -4.0, -5.0, -6.0, -7.0".into()),
        (&["3.00 USD", "USD 4.00", "US$5.00", "USD6"], "3.0, 4.0, 5.0, 6.0".into()),
        (&["", "$ -", "$1.00"], "0.0, 0.0, 1.0".into()),
        (&["1,5E-05", "2"], "1.5e-05, 2.0".into()),
        // A point alone is what machines write before decimals.
        (&["1.234"], "1.234".into()),
        (&["1,234"], "row 2, column `cost`: the comma of `1,234` may be before thousands or before decimals, and no other number of the file decides".into()),
        (&["1234.56", "1,5"], no_number(3, "1,5")),
        (&["1", "abc"], no_number(3, "abc")),
        (&["12 34"], no_number(2, "12 34")),
        (&["1.2.3"], no_number(2, "1.2.3")),
        (&["12%"], no_number(2, "12%")),
        (&["NaN"], no_number(2, "NaN")),
        (&["n/a"], no_number(2, "n/a")),
        (&["=1+1"], no_number(2, "=1+1")),
        (&["inf"], "row 2, column `cost`: `inf` is not a finite number".into()),
        (&["1", "-Infinity"], "row 3, column `cost`: `-Infinity` is not a finite number".into()),
        (&["1e400"], "row 2, column `cost`: `1e400` has more than 26 digits before its decimals".into()),
        (&["123456789012345678901234567"], "row 2, column `cost`: `123456789012345678901234567` has more than 26 digits before its decimals".into()),
        (&["€3.00"], "row 2, column `cost`: `€3.00` is not in US dollars, and no column says the currency".into()),
        (&["3.00 CHF"], "row 2, column `cost`: `3.00 CHF` is not in US dollars, and no column says the currency".into()),
    ];
    for (numbers, expected) in cases {
        let rows: Vec<String> = numbers.iter().map(|number| format!("2026-10-01,\"{number}\"")).collect();
        assert_eq!(
            desk.read(&csv_of("date,cost", &rows), &Mapping::default(), &["unblended_cost"]),
            expected,
            "{numbers:?}"
        );
    }
}

#[test]
fn the_other_numbers_of_a_file_decide_for_a_column() {
    let desk = Desk::new();
    let csv = "date;cost;quantity\n2026-10-01;1,234;2,5\n2026-10-02;1.234;3\n";
    assert_eq!(desk.read(csv, &Mapping::default(), &["unblended_cost", "usage_amount"]), "1.234 2.5, 1234.0 3.0");
    let csv = "date,cost\n2026-10-01,\"1,234\"\n";
    for (decimal, cost) in [(Decimal::Point, "1234.0"), (Decimal::Comma, "1.234")] {
        let mapping = Mapping { decimal: Some(decimal), ..Mapping::default() };
        assert_eq!(desk.read(csv, &mapping, &["unblended_cost"]), cost);
    }
}

#[test]
fn euros_are_read_where_something_says_so() {
    let desk = Desk::new();
    let csv = "date,cost,currency\n2026-10-01,€3.00,eur\n";
    assert_eq!(desk.read(csv, &Mapping::default(), &["unblended_cost", "currency"]), "3.0 EUR");
    let mapping = Mapping::default().with(&["currency:=EUR".parse::<Assignment>().expect("fine")], None, None);
    assert_eq!(desk.read("date,cost\n2026-10-01,€3.00\n", &mapping, &["unblended_cost", "currency"]), "3.0 EUR");
}

#[test]
fn a_blank_date_is_named() {
    let csv = "date,cost\n2026-10-01,1\n,2\n";
    assert_eq!(Desk::new().read(csv, &Mapping::default(), &["usage_date"]), "row 3, column `date`: there is no date");
}

#[test]
fn names_are_matched_however_they_are_spelled() {
    let desk = Desk::new();
    let columns = ["usage_date", "unblended_cost", "currency", "product_code", "usage_account_id", "usage_amount"];
    let row = "2026-10-01,5,EUR,VM,acme-1,3\n";
    for header in [
        "UsageDate,Cost,BillingCurrency,ServiceName,AccountId,UsageQuantity",
        "usage_date,cost,billing_currency,service_name,account_id,usage_quantity",
        "USAGE DATE,AMOUNT,Currency Code,Product,Account-ID,Quantity",
        "Date,Total Cost,CURRENCY,SERVICE,account,usageAmount",
    ] {
        let read = desk.read(&format!("{header}\n{row}"), &Mapping::default(), &columns);
        assert_eq!(read, "2026-10-01 5.0 EUR VM acme-1 3.0", "{header}");
    }
}

#[test]
fn an_exact_name_wins_and_two_of_a_rank_are_a_question() {
    let desk = Desk::new();
    let read = |csv: &str| desk.read(csv, &Mapping::default(), &["unblended_cost"]);
    // Blanks of one are not filled from the other.
    assert_eq!(read("date,amount,cost\n2026-10-01,2000,10\n2026-10-02,7,\n"), "10.0, 0.0");
    assert_eq!(
        read("date,amount,total_cost\n2026-10-01,1,2\n"),
        "the columns `amount` and `total_cost` may each be the cost"
    );
    assert_eq!(
        read("day,usage_date,cost\n2026-10-01,2026-10-02,2\n"),
        "the columns `day` and `usage_date` may each be the date"
    );
    let mapping = Mapping::default().with(&["cost=total_cost".parse::<Assignment>().expect("fine")], None, None);
    assert_eq!(desk.read("date,amount,total_cost\n2026-10-01,1,2\n", &mapping, &["unblended_cost"]), "2.0");
}

#[test]
fn what_looks_like_a_currency_is_not_passed_over() {
    let desk = Desk::new();
    let read = |csv: &str| desk.read(csv, &Mapping::default(), &["currency"]);
    for (name, value) in [("Währung", "EUR"), ("ccy", "Euro"), ("whatever", "eur"), ("exchange currency", "€")] {
        let refused = read(&format!("date,cost,{name}\n2026-10-01,1,{value}\n"));
        assert!(refused.starts_with(&format!("the column `{name}` looks like the currency")), "{refused}");
    }
    for (name, value) in [("recurring", "yes"), ("concurrency", "3"), ("currency rate", "1.07"), ("zone", "eu1")] {
        assert_eq!(read(&format!("date,cost,{name}\n2026-10-01,1,{value}\n")), "USD", "{name}");
    }
    let refused = read("date,cost_eur\n2026-10-01,1\n");
    assert!(refused.starts_with("no column has a known name for `cost`"), "{refused}");
    let mapping = Mapping::default().with(&["cost=cost_eur".parse::<Assignment>().expect("fine")], None, None);
    let refused = desk.read("date,cost_eur\n2026-10-01,1\n", &mapping, &["currency"]);
    assert!(refused.starts_with("the column `cost_eur` says EUR"), "{refused}");
}

#[test]
fn a_vendors_own_categories_are_no_charge_categories() {
    let desk = Desk::new();
    let read = |csv: &str| desk.read(csv, &Mapping::default(), &["charge_category", "line_item_type"]);
    assert_eq!(read("date,cost,category\n2026-10-01,1,Compute\n2026-10-01,1,Tax\n"), "Usage Usage, Usage Usage");
    assert_eq!(read("date,cost,category\n2026-10-01,1,usage\n2026-10-01,1,Tax\n"), "Usage usage, Tax Tax");
    assert_eq!(read("date,cost,charge category\n2026-10-01,1,Refund\n"), "Credit Refund");
}

#[test]
fn the_payer_of_a_focus_file_without_accounts_is_its_provider() {
    let desk = Desk::new();
    let header = "ChargePeriodStart,ChargeCategory,BilledCost,EffectiveCost";
    let read = |header: &str, row: &str| {
        desk.read(&csv_of(header, &[row.to_owned()]), &Mapping::default(), &["payer_account_id", "provider"])
    };
    assert_eq!(read(&format!("{header},ProviderName"), "2026-10-01,Usage,1,1,Microsoft Azure"), "Microsoft Microsoft");
    assert_eq!(read(&format!("{header},ProviderName,BillingAccountId"), "2026-10-01,Usage,1,1,AWS,7"), "7 AWS");
    assert_eq!(read(header, "2026-10-01,Usage,1,1"), "unknown unknown");
}

/// Confirmed: the fee of which the total is blank fell back to the whole fee, beside usage that has its cost.
#[test]
fn a_savings_plan_fee_without_a_total_is_not_counted_beside_what_it_covers() {
    let desk = Desk::new();
    let header = "lineItem/UsageAccountId,lineItem/UsageStartDate,lineItem/ProductCode,lineItem/LineItemType,lineItem/UnblendedCost,\
                  savingsPlan/SavingsPlanEffectiveCost,savingsPlan/TotalCommitmentToDate,savingsPlan/UsedCommitment";
    let read = |fee: &str| {
        let rows = [
            "1,2026-10-01,AmazonEC2,SavingsPlanCoveredUsage,10,7,,",
            "1,2026-10-01,AmazonEC2,SavingsPlanNegation,-10,,,",
        ];
        let rows = [
            rows.map(str::to_owned).to_vec(),
            vec![format!("1,2026-10-01,ComputeSavingsPlans,SavingsPlanRecurringFee,8,,{fee}")],
        ];
        desk.read(&csv_of(header, &rows.concat()), &Mapping::default(), &["amortized_cost"])
    };
    assert_eq!(read("8,7"), "7.0, 0.0, 1.0");
    assert_eq!(read(","), "7.0, 0.0, 0.0");
    assert_eq!(read(",7"), "7.0, 0.0, 0.0");
}

#[test]
fn a_cur_file_is_of_its_generation_wherever_it_lies() {
    let desk = Desk::new();
    let source = |header: &str| {
        let columns = header.split(',').count();
        let mut row = vec!["1"; columns];
        if let Some(start) = header.split(',').position(|name| name.to_lowercase().contains("start")) {
            row[start] = "2026-10-01";
        }
        desk.bill(&format!("{header}\n{}\n", row.join(",")), &Mapping::default()).expect("a bill").data_source
    };
    let selected = "line_item_usage_account_id,line_item_usage_start_date,line_item_product_code,line_item_unblended_cost,line_item_line_item_type";
    assert_eq!(source(selected), "cur2");
    let legacy = "lineItem/UsageAccountId,lineItem/UsageStartDate,lineItem/ProductCode,lineItem/UnblendedCost,lineItem/LineItemType";
    assert_eq!(source(legacy), "cur");
}
