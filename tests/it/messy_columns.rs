//! Bills as people have them: dates, numbers, names of columns and other providers' files. What is not read is
//! refused with the next step, and the database stays as it was.

use crate::harness::{Run, Sandbox, shared};

fn ingest(content: &str, more: &[&str]) -> Run {
    let sandbox = Sandbox::new();
    sandbox.write("bill.csv", content);
    sandbox.run(&[&["ingest", "bill.csv", "--quiet"], more].concat())
}

/// Cost by day of what is ingested.
fn days(sandbox: &Sandbox) -> String {
    let rows = sandbox.rows(
        "SELECT string_agg(day || ' ' || cost || ' ' || currency, ', ' ORDER BY day) AS days FROM \
         (SELECT usage_date AS day, currency, sum(unblended_cost) AS cost FROM daily_cost_summary GROUP BY ALL)",
    );
    rows[0]["days"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_date_that_may_be_two_days_is_a_question() {
    let csv = "date,cost\n1/5/26,1\n2/5/26,2\n";
    insta::assert_snapshot!(ingest(csv, &[]), @"
    --- stderr
    error: cannot ingest `bill.csv`
      caused by: cannot read `[DIR]/bill.csv`
      caused by: row 2, column `date`: `1/5/26` may be 2026-01-05 or 2026-05-01, and nothing in the file decides
    hint: say which with `--date-order mdy` or `--date-order dmy`
    --- exit code 1
    ");
    let sandbox = Sandbox::new();
    sandbox.write("bill.csv", csv);
    sandbox.ok(&["ingest", "bill.csv", "--date-order", "dmy", "--quiet"]);
    assert_eq!(days(&sandbox), "2026-05-01 1.0 USD, 2026-05-02 2.0 USD");
}

#[test]
fn a_day_beyond_belief_is_refused_by_row_in_text_and_in_parquet() {
    insta::assert_snapshot!(ingest("date,cost\n2026-10-01,1\n2099-01-01,1\n", &["--as-of", "2026-11-25"]), @"
    --- stderr
    error: cannot ingest `bill.csv`
      caused by: cannot read `[DIR]/bill.csv`
      caused by: row 3, column `date`: `2099-01-01` is before 2000-01-01 or more than two years after 2026-11-25
    hint: mend the file, or fetch it again
    --- exit code 1
    ");
    let sandbox = Sandbox::new();
    for (name, date, cost) in [
        ("old", "DATE '0001-05-26'", "1.0"),
        ("bc", "DATE '2026-10-01 (BC)'", "1.0"),
        ("far", "TIMESTAMP '20260-10-01'", "1.0"),
        ("inf", "DATE '2026-10-01'", "'inf'::DOUBLE"),
        ("nan", "DATE '2026-10-01'", "'nan'::DOUBLE"),
        ("big", "DATE '2026-10-01'", "1e27::DOUBLE"),
    ] {
        let file = format!("{name}.parquet");
        sandbox.parquet(&file, &format!("SELECT {date} AS date, {cost} AS cost"));
        let run = sandbox.run(&["ingest", &file, "--quiet"]);
        assert_eq!(run.code, 1, "{run}");
        assert!(run.stderr.contains("row 1, column `"), "{run}");
    }
    assert_eq!(days(&sandbox), "");
}

#[test]
fn several_files_have_the_message_that_one_has() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "date,cost\n1/5/26,1\n");
    sandbox.write("b.csv", "date,cost\n2026-10-01,1\nsoon,1\n");
    sandbox.write("c.csv", "date,cost\n2026-10-01,1\n2026-10-02,inf\n");
    let run = sandbox.run(&["ingest", "a.csv", "b.csv", "c.csv", "--quiet"]);
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("row 2, column `date`: `1/5/26` may be 2026-01-05 or 2026-05-01"), "{run}");
    assert!(run.stderr.contains("row 3, column `date`: `soon` is not a date or time"), "{run}");
    assert!(run.stderr.contains("dates are read as 2026-10-15"), "{run}");
}

#[test]
fn files_written_in_different_ways_go_together() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "date,cost,account\n10/15/2026,\"$1,000.50\",x\n");
    sandbox.write("b.csv", "date;cost;account\n16.10.2026;2.000,50;x\n");
    sandbox.ok(&["ingest", "a.csv", "b.csv", "--quiet"]);
    assert_eq!(days(&sandbox), "2026-10-15 1000.5 USD, 2026-10-16 2000.5 USD");
    let again = sandbox.ok(&["ingest", "a.csv", "b.csv"]);
    assert!(again.stdout.contains("unchanged"), "{again}");
}

#[test]
fn a_column_that_looks_like_the_currency_is_asked_about() {
    insta::assert_snapshot!(ingest("date,cost,Währung\n2026-10-01,5,EUR\n", &[]), @"
    --- stderr
    error: cannot ingest `bill.csv`
      caused by: the column `Währung` looks like the currency
      caused by: no column has a known name for it, and amounts would be taken as USD
    hint: if that is right: `aws-cost-anomalies ingest bill.csv --map 'currency=Währung'`
    hint: or say the currency of all amounts: `--map currency:=USD`
    --- exit code 1
    ");
}

#[test]
fn a_mapping_is_shown_used_saved_and_found_again() {
    let sandbox = Sandbox::new();
    sandbox.write("config.yaml", "# ours\naws_profile: \"\" # none\n");
    sandbox.write("bill.csv", "Nutzungs Datum;Betrag;Währung\n01.10.2026;5,50;EUR\n");
    insta::assert_snapshot!(sandbox.run(&["ingest", "bill.csv", "--quiet"]), @"
    --- stderr
    error: cannot ingest `bill.csv`
      caused by: this is not a bill
      caused by: its columns are of no known format: `Nutzungs Datum`, `Betrag`, `Währung`
    hint: known are CUR, CUR 2.0, FOCUS 1.0 to 1.4, exports of Azure and Google Cloud, and CSV files with the columns `date` and `cost`
    hint: `--format-hint cur1|cur2|focus|azure-amortized|azure-actual|gcp-detailed|gcp|openai|anthropic|litellm|csv` takes it for one of them and names the columns that it lacks
    hint: if it is one: `aws-cost-anomalies ingest bill.csv --map 'date=Nutzungs Datum' --map cost=Betrag --map 'currency=Währung'`
    --- exit code 1
    ");
    let maps = ["--map", "date=Nutzungs Datum", "--map", "cost=betrag", "--map", "currency=Währung"];
    let saving = sandbox.ok(&[&["ingest", "bill.csv", "--save-mapping", "acme"], &maps[..]].concat());
    assert!(saving.stderr.contains("wrote the mapping into `config.yaml`"), "{saving}");
    assert_eq!(days(&sandbox), "2026-10-01 5.5 EUR");
    insta::assert_snapshot!(std::fs::read_to_string(sandbox.path("config.yaml")).expect("the file"), @r##"
    # ours
    aws_profile: "" # none

    mappings:
      acme:
        columns:
          "cost": "betrag"
          "currency": "Währung"
          "date": "Nutzungs Datum"
    "##);
    assert!(sandbox.ok(&["config", "show", "--quiet"]).stdout.contains("mappings.acme.columns.cost"));
    // The next file of the vendor needs no words.
    sandbox.write("next.csv", "Nutzungs Datum;Betrag;Währung\n01.11.2026;6,50;EUR\n");
    sandbox.ok(&["ingest", "next.csv", "--quiet"]);
    assert_eq!(days(&sandbox), "2026-10-01 5.5 EUR, 2026-11-01 6.5 EUR");
    assert_eq!(
        sandbox.number("SELECT count(DISTINCT data_source) FROM daily_cost_summary WHERE data_source = 'acme'"),
        1.0
    );
    insta::assert_snapshot!(sandbox.run(&["ingest", "next.csv", "--mapping", "acmee", "--quiet"]), @"
    --- stderr
    error: there is no mapping `acmee` in the configuration
    hint: did you mean `acme`?
    --- exit code 2
    ");
}

#[test]
fn other_providers_files_are_known_by_name() {
    let dbr = "InvoiceID,PayerAccountId,LinkedAccountId,RecordType,UsageStartDate,UnBlendedCost\n1,2,3,LineItem,2014-01-01,1\n";
    insta::assert_snapshot!(ingest(dbr, &[]), @"
    --- stderr
    error: cannot ingest `bill.csv`
      caused by: this is an old detailed billing report (DBR) of AWS
      caused by: it repeats its lines in rows of totals, and has no amortized costs
    hint: create a CUR 2.0 export in the Billing console under Data Exports and ingest that; `aws-cost-anomalies ingest --source cost-explorer` has the last 13 months at once
    --- exit code 1
    ");
    for (header, said) in [
        ("Service,EC2-Instances($),S3($),Total costs($)", "the CSV download of Cost Explorer"),
        ("Billing account ID,SKU description,Unrounded cost ($),Cost ($)", "a cost table report of Google Cloud (GCP)"),
        (
            "lineItem/referenceNo,lineItem/intervalUsageStart,product/service,cost/myCost,cost/currencyCode",
            "a cost or usage report of Oracle Cloud (OCI)",
        ),
        (
            "InvoiceDetailId,InvoiceId,BilledCost,BillingPeriodStart,InvoiceDetailGrain",
            "FOCUS's invoice detail data set",
        ),
        (
            "BillingPeriodStart,BillingPeriodEnd,BillingPeriodStatus,InvoiceIssuerName",
            "FOCUS's billing period data set",
        ),
        ("ContractCommitmentId,ContractId,ContractCommitmentCost", "FOCUS's contract commitment data set"),
    ] {
        let row = vec!["1"; header.split(',').count()].join(",");
        let run = ingest(&format!("{header}\n{row}\n"), &[]);
        assert_eq!(run.code, 1, "{run}");
        assert!(run.stderr.contains(&format!("this is {said}")), "{run}");
    }
}

/// The specification's scenarios with the dates of a spreadsheet: the same costs on the same days.
#[test]
fn the_scenarios_of_focus_are_read_as_a_spreadsheet_saves_them() {
    let Some(folder) = shared("focus_spec_scenarios") else { return };
    let mut read = 0;
    for entry in files_below(&folder) {
        let text = std::fs::read_to_string(&entry).expect("a scenario");
        let saved = text
            .replace("2023-01-01T", "1/1/23 ")
            .replace("2023-02-01T", "2/1/23 ")
            .replace("2024-01-01T", "1/1/24 ")
            .replace(":00Z", "");
        let sums = |text: &str| {
            let sandbox = Sandbox::new();
            sandbox.write("scenario.csv", text);
            sandbox.ok(&["ingest", "scenario.csv", "--quiet"]);
            sandbox.rows(
                "SELECT usage_date, billing_period, charge_category, sum(unblended_cost) AS billed, sum(amortized_cost) AS effective \
                 FROM cost_line_items GROUP BY ALL ORDER BY ALL",
            )
        };
        assert_eq!(sums(&saved), sums(&text), "{entry}");
        read += 1;
    }
    assert!(read >= 10, "the scenarios were not found");
}

/// The files in the folders of `folder`.
fn files_below(folder: &str) -> Vec<String> {
    let mut files = Vec::new();
    for kind in std::fs::read_dir(folder).expect("a folder").flatten().filter(|entry| entry.path().is_dir()) {
        for file in std::fs::read_dir(kind.path()).expect("a folder").flatten() {
            files.push(file.path().to_string_lossy().into_owned());
        }
    }
    files.sort();
    files
}

#[test]
fn tag_keys_keep_their_letters_in_any_script() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "cur.csv",
        "lineItem/UsageAccountId,lineItem/UsageStartDate,lineItem/ProductCode,lineItem/UnblendedCost,lineItem/LineItemType,\
         resourceTags/user:部署,resourceTags/user:環境\n1,2026-10-01,AmazonEC2,3,Usage,販売,本番\n1,2026-10-01,AmazonEC2,4,Usage,,試験\n",
    );
    sandbox.ok(&["ingest", "cur.csv", "--quiet"]);
    let by = |dimension: &str| {
        let arguments = ["trends", "--group-by", dimension, "--from", "2026-10-01", "--to", "2026-10-01", "--quiet"];
        sandbox.ok(&arguments).stdout
    };
    assert!(by("tag:部署").contains("販売"), "{}", by("tag:部署"));
    let environments = by("tag:環境");
    assert!(environments.contains("本番") && environments.contains("試験"), "{environments}");
}

#[test]
fn control_characters_of_a_bill_do_not_reach_the_names_in_the_database() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "bill.csv",
        "date,cost,service,resource\n2026-10-01,1,\"Vir\0tual\u{1b}[31mMachine\",\"a\tb\nc\"\n2026-10-01,2,Plain,r\n",
    );
    sandbox.ok(&["ingest", "bill.csv", "--quiet"]);
    let rows = sandbox.rows("SELECT product_code, resource_id FROM cost_line_items ORDER BY 1");
    assert_eq!(rows[0]["product_code"], "Plain");
    assert_eq!(rows[1]["product_code"], "Virtual [31mMachine");
    assert_eq!(rows[1]["resource_id"], "a\tb\nc", "other texts are made inert where they come out");
    assert_eq!(
        sandbox.number("SELECT count(*) FROM daily_cost_summary WHERE product_code = 'Virtual [31mMachine'"),
        1.0
    );
}
