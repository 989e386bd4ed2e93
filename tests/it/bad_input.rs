//! Wrong input: an error that names the file and the cause, and a database that is as it was.

use std::{
    fs,
    io::Write,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::Value;

use crate::harness::{Run, Sandbox};

const HEADER: &str = "date,cost,account,service\n";

/// A database with one good bill in it; whatever `bad` does must leave it so.
fn untouched_by(bad: impl FnOnce(&Sandbox) -> Run) -> Run {
    let sandbox = Sandbox::new();
    sandbox.write("good.csv", format!("{HEADER}2026-03-01,42,x,y\n"));
    sandbox.ok(&["ingest", "good.csv", "--quiet"]);
    let state = || {
        (
            sandbox.rows("FROM cost_line_items"),
            sandbox.rows("FROM daily_cost_summary"),
            sandbox.rows("FROM ingestion_log"),
        )
    };
    let before = state();
    let run = bad(&sandbox);
    assert_eq!(state(), before);
    run
}

fn ingest(name: &'static str, content: impl AsRef<[u8]>) -> Run {
    untouched_by(|sandbox| {
        sandbox.write(name, content);
        sandbox.run(&["ingest", name, "--quiet"])
    })
}

#[test]
fn not_a_bill() {
    insta::assert_snapshot!(ingest("photo.csv", "width,height\n3,4\n"), @"
    --- stderr
    error: cannot ingest `photo.csv`
      caused by: this is not a bill
      caused by: its columns are of no known format: `width`, `height`
    hint: known are CUR, CUR 2.0, FOCUS 1.0 to 1.4, exports of Azure and Google Cloud, and CSV files with the columns `date` and `cost`
    hint: `--format-hint cur1|cur2|focus|azure-amortized|azure-actual|gcp-detailed|gcp|openai|anthropic|litellm|csv` takes it for one of them and names the columns that it lacks
    hint: `--map date=COLUMN --map cost=COLUMN` reads any other table
    --- exit code 1
    ");
}

#[test]
fn not_text_at_all() {
    insta::assert_snapshot!(ingest("noise.csv", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x02\0\0\0\x02"), @"
    --- stderr
    error: cannot ingest `noise.csv`
      caused by: this is not a bill
      caused by: it is neither parquet, an archive (gzip, zip, bzip2, zstd) nor text
    --- exit code 1
    ");
}

#[test]
fn an_empty_file() {
    insta::assert_snapshot!(ingest("empty.csv", ""), @"
    --- stderr
    error: cannot ingest `empty.csv`
      caused by: the file is empty
    --- exit code 1
    ");
}

#[test]
fn a_header_and_nothing_below() {
    insta::assert_snapshot!(ingest("header.csv", HEADER), @"
    --- stderr
    error: cannot ingest `header.csv`
      caused by: there are no rows
      caused by: the files have a header and nothing below it
    --- exit code 1
    ");
}

#[test]
fn no_such_file() {
    insta::assert_snapshot!(untouched_by(|sandbox| sandbox.run(&["ingest", "nowhere.csv"])), @"
    --- stderr
    error: there is no file or folder `nowhere.csv`
    hint: name a bill, a folder of bills or a quoted pattern such as 'bills/*.parquet'
    --- exit code 1
    ");
}

#[test]
fn truncated_parquet() {
    let run = untouched_by(|sandbox| {
        let path = sandbox.parquet("cut.parquet", "SELECT DATE '2026-03-01' AS date, 1.0 AS cost FROM range(10000)");
        let bytes = fs::read(&path).expect("read");
        fs::write(&path, &bytes[..bytes.len() / 2]).expect("write");
        sandbox.run(&["ingest", "cut.parquet", "--quiet"])
    });
    insta::assert_snapshot!(run, @"
    --- stderr
    error: cannot ingest `cut.parquet`
      caused by: the parquet file is damaged or cut short
      caused by: Parquet error: Invalid Parquet file. Corrupt footer
    hint: fetch the file again
    --- exit code 1
    ");
}

#[test]
fn gzip_cut_short() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(HEADER.as_bytes()).expect("gzip");
    for day in 0..20_000 {
        writeln!(gzip, "2026-03-{:02},{}.{day},account-{day},service", day % 28 + 1, day * 7 % 1000).expect("gzip");
    }
    let packed = gzip.finish().expect("gzip");
    insta::assert_snapshot!(ingest("cut.csv.gz", &packed[..packed.len() - 500]), @"
    --- stderr
    error: cannot ingest `cut.csv.gz`
      caused by: the gzip file is damaged or cut short
      caused by: incomplete deflate stream
    hint: fetch the file again
    --- exit code 1
    ");
}

#[test]
fn a_required_column_missing() {
    insta::assert_snapshot!(
        ingest("cur.csv", "lineItem/UsageAccountId,lineItem/UsageStartDate,lineItem/UnblendedCost\n1,2026-03-01,1\n"),
        @"
    --- stderr
    error: cannot ingest `cur.csv`
      caused by: a column that CUR requires is missing: `line_item_product_code` or `lineItem/ProductCode`, `line_item_line_item_type` or `lineItem/LineItemType`
      caused by: it has `line_item_usage_account_id`, `line_item_usage_start_date`, `line_item_unblended_cost`
    hint: select the column in the export, or name another format with `--format-hint`
    --- exit code 1
    "
    );
}

#[test]
fn a_cost_that_is_no_number() {
    insta::assert_snapshot!(ingest("words.csv", format!("{HEADER}2026-03-01,1,x,y\n2026-03-02,abc,x,y\n")), @"
    --- stderr
    error: cannot ingest `words.csv`
      caused by: cannot read `[DIR]/words.csv`
      caused by: row 3, column `cost`: `abc` is not a number
    hint: numbers are read as 1234.56, and as $1,234.56, 1.234,56, (3.00) or 3.00- where the column decides what its commas are
    --- exit code 1
    ");
    insta::assert_snapshot!(ingest("nan.csv", format!("{HEADER}2026-03-01,NaN,x,y\n")), @"
    --- stderr
    error: cannot ingest `nan.csv`
      caused by: cannot read `[DIR]/nan.csv`
      caused by: row 2, column `cost`: `NaN` is not a number
    hint: numbers are read as 1234.56, and as $1,234.56, 1.234,56, (3.00) or 3.00- where the column decides what its commas are
    --- exit code 1
    ");
}

#[test]
fn a_date_that_is_none() {
    insta::assert_snapshot!(ingest("dates.csv", format!("{HEADER}soon,1,x,y\n")), @"
    --- stderr
    error: cannot ingest `dates.csv`
      caused by: cannot read `[DIR]/dates.csv`
      caused by: row 2, column `date`: `soon` is not a date or time
    hint: dates are read as 2026-10-15 (with a time and an offset, if there are any), 20261015, 2026/10/15, 15.10.2026, 15-Oct-2026, Oct 15, 2026, and as 10/15/2026 or 15/10/2026 where the file decides between them
    --- exit code 1
    ");
    insta::assert_snapshot!(ingest("blank.csv", format!("{HEADER},1,x,y\n")), @"
    --- stderr
    error: cannot ingest `blank.csv`
      caused by: cannot read `[DIR]/blank.csv`
      caused by: row 2, column `date`: there is no date
    hint: every line of a bill needs one; leave out lines of totals and notes
    --- exit code 1
    ");
}

#[test]
fn a_zip_bomb() {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("bomb.csv", zip::write::SimpleFileOptions::default()).expect("zip");
    zip.write_all(HEADER.as_bytes()).expect("zip");
    let block = vec![b'0'; 1 << 20];
    for _ in 0..80 {
        zip.write_all(&block).expect("zip");
    }
    insta::assert_snapshot!(ingest("bomb.csv.zip", zip.finish().expect("zip").into_inner()), @"
    --- stderr
    error: cannot ingest `bomb.csv.zip`
      caused by: the archive unpacks to more than any bill does
      caused by: 81680 bytes grow past 67108864
    hint: if it is a bill all the same, unpack it yourself and ingest the CSV
    --- exit code 1
    ");
}

#[test]
fn a_zip_without_a_csv() {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("readme.txt", zip::write::SimpleFileOptions::default()).expect("zip");
    insta::assert_snapshot!(ingest("odd.zip", zip.finish().expect("zip").into_inner()), @"
    --- stderr
    error: cannot ingest `odd.zip`
      caused by: the archive holds 0 CSV files, not one
    hint: unpack it and ingest the folder
    --- exit code 1
    ");
}

fn manifest_of(key: &str) -> String {
    format!(
        r#"{{"assemblyId":"a","reportName":"report","billingPeriod":{{"start":"20260301T000000.000Z"}},"reportKeys":["{key}"]}}"#
    )
}

#[test]
fn a_manifest_that_names_a_missing_file() {
    let run = untouched_by(|sandbox| {
        sandbox.write(
            "report/20260301-20260401/report-Manifest.json",
            manifest_of("p/report/20260301-20260401/report-1.csv"),
        );
        sandbox.run(&["ingest", "report", "--quiet"])
    });
    insta::assert_snapshot!(run, @"
    --- stderr
    error: a file that a manifest names is missing: `p/report/20260301-20260401/report-1.csv`
      caused by: named by `report/20260301-20260401/report-Manifest.json`
    hint: copy the whole report again, e.g. with `aws s3 sync` or `az storage blob download-batch`
    --- exit code 1
    ");
}

#[test]
fn a_manifest_newer_than_its_files() {
    let run = untouched_by(|sandbox| {
        let file = sandbox.write("report/20260301-20260401/report-1.csv", format!("{HEADER}2026-03-01,1,x,y\n"));
        let yesterday = std::time::SystemTime::now() - std::time::Duration::from_secs(24 * 3600);
        fs::File::options().write(true).open(file).and_then(|file| file.set_modified(yesterday)).expect("set the date");
        sandbox.write(
            "report/20260301-20260401/report-Manifest.json",
            manifest_of("p/report/20260301-20260401/report-1.csv"),
        );
        sandbox.run(&["ingest", "report", "--quiet"])
    });
    insta::assert_snapshot!(run, @"
    --- stderr
    error: the manifest `report/20260301-20260401/report-Manifest.json` is newer than its file `report/20260301-20260401/report-1.csv`
      caused by: the file is from an earlier delivery of the same period
    hint: copy the report again, or ingest the file by its own name
    --- exit code 1
    ");
}

#[test]
fn a_manifest_that_is_none() {
    let run = untouched_by(|sandbox| {
        sandbox.write("report/20260301-20260401/report-Manifest.json", "{");
        sandbox.run(&["ingest", "report", "--quiet"])
    });
    insta::assert_snapshot!(run, @"
    --- stderr
    error: `report/20260301-20260401/report-Manifest.json` is not a manifest of a bill
      caused by: EOF while parsing an object at line 1 column 1
    --- exit code 1
    ");
}

#[test]
fn a_file_that_changes_while_it_is_read() {
    // Long enough to be caught while the load runs.
    let run = untouched_by(|sandbox| {
        let mut text = String::from(HEADER);
        for row in 0..1_500_000 {
            text += &format!("2026-03-{:02},1,account-{row},service\n", row % 28 + 1);
        }
        let path = sandbox.write("growing.csv", &text);
        let mut command = sandbox.command(&["ingest", "growing.csv", "--quiet"]);
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the binary runs");
        let mut growing = fs::File::options().append(true).open(&path).expect("open");
        while child.try_wait().expect("wait").is_none() {
            writeln!(growing, "2026-03-01,1,late,service").expect("append");
            std::thread::sleep(Duration::from_millis(2));
        }
        let output = child.wait_with_output().expect("ends");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        Run { stdout: text(output.stdout), stderr: text(output.stderr), code: output.status.code().unwrap_or(-1) }
    });
    assert_eq!(run.code, 1, "{run}");
    assert!(run.stderr.contains("`growing.csv` changed while it was read"), "{run}");
}

#[test]
fn two_currencies_in_one_sum() {
    let sandbox = Sandbox::new();
    sandbox.write("two.csv", "date,cost,currency\n2026-03-01,1,USD\n2026-03-01,2,eur\n");
    sandbox.ok(&["ingest", "two.csv", "--quiet"]);
    insta::assert_snapshot!(sandbox.run(&["trends", "--quiet"]), @"
    --- stderr
    error: the costs are in EUR and USD and are not added
    hint: choose one: `--filter currency=EUR` or `--filter currency=USD`
    --- exit code 1
    ");
    let euros = sandbox.json(&["trends", "--filter", "currency=EUR", "--days", "1"]);
    assert_eq!(euros["periods"][0]["total"], 2.0);
    assert_eq!(sandbox.run(&["anomalies", "--as-of", "2026-03-05"]).code, 1);
}

#[test]
fn a_database_that_is_none() {
    let sandbox = Sandbox::new();
    sandbox.write("notes.duckdb", "these are my notes and no database");
    sandbox.write("good.csv", format!("{HEADER}2026-03-01,42,x,y\n"));
    insta::assert_snapshot!(sandbox.run(&["--db", "notes.duckdb", "ingest", "good.csv"]), @"
    --- stderr
    error: `notes.duckdb` is not a DuckDB database
    hint: name another file with `--db` or `database.path` in the configuration
    --- exit code 1
    ");
    insta::assert_snapshot!(sandbox.run(&["--db", "notes.duckdb", "trends"]), @"
    --- stderr
    error: `notes.duckdb` is not a DuckDB database
    hint: name another file with `--db` or `database.path` in the configuration
    --- exit code 1
    ");
}

#[test]
fn no_database_yet() {
    insta::assert_snapshot!(Sandbox::new().run(&["trends"]), @"
    --- stderr
    error: there is no database at `./data/costs.duckdb` yet
    hint: ingest a bill: `aws-cost-anomalies ingest PATH`
    hint: or see what the program does: `aws-cost-anomalies demo`
    --- exit code 1
    ");
}

#[test]
fn a_database_of_a_newer_program() {
    let sandbox = Sandbox::new();
    sandbox.write("good.csv", format!("{HEADER}2026-03-01,42,x,y\n"));
    sandbox.ok(&["ingest", "good.csv", "--quiet"]);
    let connection = duckdb::Connection::open(sandbox.path("data/costs.duckdb")).expect("open");
    connection.execute_batch("INSERT INTO schema_version VALUES (99, now()::TIMESTAMP, 'future')").expect("insert");
    drop(connection);
    insta::assert_snapshot!(sandbox.run(&["ingest", "good.csv"]), @"
    --- stderr
    error: the database `./data/costs.duckdb` was written by a newer version of this program
      caused by: its schema is 99, this program knows 1
    hint: use the newer program, or another file with `--db`
    --- exit code 1
    ");
    insta::assert_snapshot!(sandbox.run(&["trends"]), @"
    --- stderr
    error: the database `./data/costs.duckdb` was written by a newer version of this program
      caused by: its schema is 99, this program knows 1
    hint: use the newer program, or another file with `--db`
    --- exit code 1
    ");
}

#[test]
fn a_database_in_use_names_the_process() {
    let sandbox = Sandbox::new();
    sandbox.write("good.csv", format!("{HEADER}2026-03-01,42,x,y\n"));
    sandbox.ok(&["ingest", "good.csv", "--quiet"]);
    let connection = duckdb::Connection::open(sandbox.path("data/costs.duckdb")).expect("open");
    let run = sandbox.run(&["trends"]);
    drop(connection);
    let own = std::process::id().to_string();
    insta::assert_snapshot!(run.to_string().replace(&own, "[PID]"), @"
    --- stderr
    error: the database `./data/costs.duckdb` is in use by PID [PID]
    hint: wait until that process is done; readers may share the file, a writer needs it alone
    --- exit code 1
    ");
}

#[test]
fn readers_share_the_database() {
    let sandbox = Sandbox::new();
    sandbox.write("good.csv", format!("{HEADER}2026-03-01,42,x,y\n"));
    sandbox.ok(&["ingest", "good.csv", "--quiet"]);
    let children: Vec<_> =
        (0..4).map(|_| sandbox.command(&["trends", "--quiet"]).stdout(Stdio::null()).spawn().expect("runs")).collect();
    for mut child in children {
        assert!(child.wait().expect("ends").success());
    }
}

#[test]
fn no_permission_to_write() {
    let sandbox = Sandbox::new();
    sandbox.write("good.csv", format!("{HEADER}2026-03-01,42,x,y\n"));
    fs::create_dir(sandbox.path("locked")).expect("create");
    fs::set_permissions(sandbox.path("locked"), fs::Permissions::from_mode(0o555)).expect("lock");
    // Root may write anywhere: drop to nobody where the tests run as root.
    let arguments = ["--db", "locked/costs.duckdb", "ingest", "good.csv"];
    let run = if fs::write(sandbox.path("locked/probe"), "").is_ok() {
        fs::set_permissions(sandbox.path(""), fs::Permissions::from_mode(0o755)).expect("open");
        let _ = fs::remove_file(sandbox.path("locked/probe"));
        let binary = sandbox.path("binary");
        fs::copy(env!("CARGO_BIN_EXE_aws-cost-anomalies"), &binary).expect("copy");
        let mut command = sandbox.command_of(&binary, &arguments);
        command.uid(65534);
        sandbox.finish(command)
    } else {
        sandbox.run(&arguments)
    };
    insta::assert_snapshot!(run, @r#"
    --- stderr
    error: cannot create the database `locked/costs.duckdb`
      caused by: permission denied
    hint: make `locked/costs.duckdb` and its folder writable, or name another file with `--db`
    --- exit code 1
    "#);
}

/// A disk of 3 MB in a mount namespace; where the kernel does not allow one, the test says so.
#[test]
fn a_full_disk_loses_nothing() {
    let sandbox = Sandbox::new();
    sandbox.sample("bills", &["--rows", "400000"]);
    fs::create_dir(sandbox.path("disk")).expect("create");
    let binary = env!("CARGO_BIN_EXE_aws-cost-anomalies");
    let script = format!(
        "mount -t tmpfs -o size=3m none disk && printf 'date,cost\\n2026-03-01,42\\n' > disk/good.csv && \
         {binary} --db disk/costs.duckdb ingest disk/good.csv --quiet >/dev/null && \
         {binary} --db disk/costs.duckdb ingest bills --quiet; echo \"code $?\"; \
         {binary} --db disk/costs.duckdb sql 'SELECT sum(unblended_cost) AS kept FROM cost_line_items' --format csv"
    );
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", &script]).current_dir(sandbox.path(""));
    let Ok(output) = command.output() else {
        let _ = writeln!(std::io::stderr(), "not tested here: there is no unshare");
        return;
    };
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if stderr.contains("unshare") || stderr.contains("mount:") {
        let _ = writeln!(std::io::stderr(), "not tested here: {stderr}");
        return;
    }
    assert!(stdout.contains("code 1"), "{stdout}\n{stderr}");
    assert!(stdout.ends_with("kept\n42.0\n"), "{stdout}\n{stderr}");
    assert!(stderr.contains("free space on the disk"), "{stderr}");
}

#[test]
fn unknown_dimensions_and_tags_suggest_near_ones() {
    let sandbox = Sandbox::with_sample();
    insta::assert_snapshot!(sandbox.run(&["trends", "--group-by", "servce", "--quiet"]), @"
    --- stderr
    error: invalid value 'servce' for '--group-by <DIMENSIONS>': there is no dimension `servce`
    hint: did you mean `service`? There are: service, account, region, usage-type, operation, resource, charge-category, line-item-type, purchase-option, provider, payer, billing-entity, currency, tag:KEY, cost-category:KEY

    For more information, try '--help'.
    --- exit code 2
    ");
    insta::assert_snapshot!(sandbox.run(&["trends", "--group-by", "tag:taem", "--quiet"]), @"
    --- stderr
    error: there is no `tag:taem` in this data
    hint: did you mean `team`? There are: environment, team
    --- exit code 1
    ");
    insta::assert_snapshot!(sandbox.run(&["trends", "--filter", "service=AmazonEC", "--quiet"]), @"
    --- stderr
    error: there is no service `AmazonEC` in these days
    hint: did you mean `AmazonEC2`?
    --- exit code 1
    ");
    insta::assert_snapshot!(sandbox.run(&["trends", "--source", "cur", "--quiet"]), @"
    --- stderr
    error: there is no data source `cur`
    hint: did you mean `cur2`? there are: cur2
    --- exit code 1
    ");
}

#[test]
fn dates_the_wrong_way_round() {
    let sandbox = Sandbox::new();
    sandbox.write("good.csv", format!("{HEADER}2026-03-01,42,x,y\n2026-03-09,1,x,y\n"));
    sandbox.ok(&["ingest", "good.csv", "--quiet"]);
    insta::assert_snapshot!(sandbox.run(&["trends", "--from", "2026-03-09", "--to", "2026-03-01", "--quiet"]), @"
    --- stderr
    error: the range ends before it starts: 2026-03-09 to 2026-03-01
    hint: `--from` is the first day, `--to` the last
    --- exit code 2
    ");
    insta::assert_snapshot!(sandbox.run(&["anomalies", "--from", "2026-03-05", "--to", "2026-03-01", "--quiet"]), @"
    --- stderr
    error: the range ends before it starts: 2026-03-05 to 2026-03-01
    hint: `--from` is the first day, `--to` the last
    --- exit code 2
    ");
    insta::assert_snapshot!(sandbox.run(&["trends", "--from", "2031-01-01", "--to", "2031-02-01", "--quiet"]), @"
    --- stderr
    error: there is no data from 2031-01-01 to 2031-02-01
    hint: the data is of 2026-03-01 to 2026-03-09
    --- exit code 1
    ");
    insta::assert_snapshot!(sandbox.run(&["trends", "--from", "tomorrow"]), @"
    --- stderr
    error: invalid value 'tomorrow' for '--from <DATE>': `tomorrow` is not a day
    hint: write days as YYYY-MM-DD, from 2000-01-01 to 2199-12-31

    For more information, try '--help'.
    --- exit code 2
    ");
}

#[test]
fn a_closed_pipe_is_success() {
    let sandbox = Sandbox::with_sample();
    let mut command =
        sandbox.command(&["sql", "FROM cost_line_items", "--limit", "20000", "--format", "json", "--quiet"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("ends");
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn errors_are_json_for_programs_with_a_code() {
    let sandbox = Sandbox::new();
    let error = |arguments: &[&str]| -> (Value, i32) {
        let run = sandbox.run(&[arguments, &["--format", "json"]].concat());
        assert_eq!(run.stdout, "", "{run}");
        let error: Value = serde_json::from_str(&run.stderr).unwrap_or_else(|error| panic!("{error}: {run}"));
        (error["error"].clone(), run.code)
    };
    let (none, code) = error(&["trends"]);
    assert_eq!((none["code"].as_str(), code), (Some("no_database"), 1));
    assert!(none["hints"][0].as_str().is_some_and(|hint| hint.contains("ingest PATH")), "{none}");
    let (usage, code) = error(&["trends", "--dayz", "3"]);
    assert_eq!((usage["code"].as_str(), code), (Some("invalid_usage"), 2));
    assert_eq!(usage["message"], "unexpected argument '--dayz' found");
    let (range, code) = error(&["trends", "--days", "0"]);
    assert_eq!((range["message"].as_str(), code), (Some("`--days` must be from 1 to 3660"), 2));
    sandbox.write("a.csv", "date,service,cost\n2026-03-01,Logs,10\n");
    sandbox.ok(&["ingest", "a.csv", "--quiet"]);
    let (source, code) = error(&["trends", "--source", "cvs"]);
    assert_eq!((source["code"].as_str(), code), (Some("not_found"), 1));
    let (value, _) = error(&["trends", "--filter", "service=Lgos"]);
    assert_eq!(value["code"], "not_found");
    assert_eq!(value["hints"][0], "did you mean `Logs`?");
    let (days, _) = error(&["trends", "--from", "2025-01-01", "--to", "2025-01-02"]);
    assert_eq!(days["code"], "no_data");
    sandbox.write("b.csv", "date,service,cost\nsoon,Logs,10\n");
    let run = sandbox.run(&["ingest", "b.csv", "--quiet", "--format", "json"]);
    let line: Value = serde_json::from_str(&run.stderr).expect("JSON");
    assert_eq!((line["error"]["code"].as_str(), run.code), (Some("invalid_input"), 1), "{run}");
}
