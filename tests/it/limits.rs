//! What comes from outside is checked where it comes in, and nothing takes more time, memory or disk than it may.

use std::{
    fs,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use duckdb::{AccessMode, Config, Connection};
use serde_json::Value;

use crate::{
    harness::{Run, Sandbox, direct},
    levels::{bill, day, from_60},
};

fn small() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "date,cost,service\n2026-03-01,1.5,x\n2026-03-02,2.5,y\n");
    sandbox.ok(&["ingest", "a.csv", "--quiet"]);
    sandbox
}

/// A bill in which one service of an account costs more from its 60th day on.
fn with_news() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write(
        "a.csv",
        bill(63, |account, service, index| if (account, service) == (0, 1) { from_60(index, 80.0) } else { 0.0 }),
    );
    sandbox
}

fn finished(child: Child) -> Run {
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Run { stdout: text(output.stdout), stderr: text(output.stderr), code: output.status.code().unwrap_or(-1) }
}

/// Runs `SCRIPT` in a shell of the sandbox, where `$0` is the program.
fn shell(sandbox: &Sandbox, script: &str) -> Run {
    let mut command = Command::new("bash");
    command.args(["-c", script, env!("CARGO_BIN_EXE_aws-cost-anomalies")]).current_dir(sandbox.path(""));
    command.env_clear().env("HOME", sandbox.path("")).env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
    sandbox.finish(command)
}

#[test]
fn days_far_away_are_refused_at_every_door() {
    let sandbox = Sandbox::new();
    let doors: [&[&str]; 27] = [
        &["trends", "--from"],
        &["trends", "--to"],
        &["trends", "--as-of"],
        &["anomalies", "--from"],
        &["anomalies", "--to"],
        &["anomalies", "--as-of"],
        &["explain", "--date"],
        &["explain", "--as-of"],
        &["compare", "--from"],
        &["compare", "--to"],
        &["compare", "--as-of"],
        &["drilldown", "--from"],
        &["drilldown", "--to"],
        &["report", "--as-of"],
        &["backtest", "--to"],
        &["incidents", "--since"],
        &["reconcile", "--as-of"],
        &["run", "--as-of"],
        &["notify", "--as-of"],
        &["snooze", "1", "--until"],
        &["ingest", "a.csv", "--as-of"],
        &["ingest", "--source", "cost-explorer", "--from"],
        &["ingest", "--source", "cost-explorer", "--to"],
        &["doctor", "--as-of"],
        &["demo", "--as-of"],
        &["sample-data", "--out", "x", "--as-of"],
        &["trends", "--filter", "service=x", "--from"],
    ];
    for door in doors {
        for far in ["+10000-01-01", "0001-05-26", "262142-12-31"] {
            let run = sandbox.run(&[door, &[far]].concat());
            assert!(run.code == 2 && run.stderr.contains(far), "{door:?} {far}: {run}");
            assert!(run.stderr.contains("from 2000-01-01 to 2199-12-31"), "{door:?} {far}: {run}");
        }
    }
    for door in
        [&["compare", "--month"][..], &["drilldown", "--month"], &["reconcile", "--month"], &["ingest", "--date"]]
    {
        for far in ["+10000-01", "0001-05", "9999-12"] {
            let run = sandbox.run(&[door, &[far]].concat());
            assert!(run.code == 2 && run.stderr.contains("from 2000-01 to 2199-12"), "{door:?} {far}: {run}");
        }
    }
    insta::assert_snapshot!(sandbox.run(&["snooze", "1", "--until", "+10000-01-01"]), @"
    --- stderr
    error: invalid value '+10000-01-01' for '--until <DATE>': `+10000-01-01` is not a day
    hint: write days as YYYY-MM-DD, from 2000-01-01 to 2199-12-31

    For more information, try '--help'.
    --- exit code 2
    ");
    sandbox.write(
        "planned.yaml",
        "- { name: p, from: 2026-01-01, to: +10000-01-01, filters: [service=x], expected_dollars: 1 }\n",
    );
    sandbox.write("config.yaml", "notify: { planned: planned.yaml }\n");
    sandbox.write("a.csv", "date,cost\n2026-03-01,1\n");
    let run = sandbox.run(&["run", "a.csv", "--as-of", "2026-03-02"]);
    assert!(run.code == 1 && run.stderr.contains("`+10000-01-01` is not a day"), "{run}");
}

#[test]
fn the_first_and_the_last_day_are_days_as_others() {
    let sandbox = small();
    for end in ["2000-01-01", "2199-12-31"] {
        for command in [
            &["trends"][..],
            &["anomalies"],
            &["compare"],
            &["drilldown"],
            &["report", "--format", "json"],
            &["reconcile"],
            &["notify"],
            &["run", "--no-ingest"],
            &["doctor", "--offline"],
        ] {
            let run = sandbox.run(&[command, &["--as-of", end]].concat());
            assert!([0, 1, 2].contains(&run.code), "{command:?} {end}: {run}");
        }
        for command in [
            &["trends", "--from", end, "--to", end][..],
            &["anomalies", "--from", end, "--to", end],
            &["explain", "--service", "x", "--date", end],
            &["compare", "--month", &end[..7]],
            &["compare", "--month", &end[..7], "--vs", "last-year"],
            &["compare", "--to", end],
            &["backtest", "--to", end],
            &["incidents", "--since", end],
        ] {
            let run = sandbox.run(command);
            assert!([0, 1, 2].contains(&run.code), "{command:?}: {run}");
        }
    }
}

#[test]
fn numbers_that_are_none_are_refused_by_their_key() {
    let sandbox = Sandbox::new();
    sandbox.write("data/cache/bill.csv", "fetched");
    sandbox.write("config.yaml", "database: { cache_limit_gb: .nan }\n");
    insta::assert_snapshot!(sandbox.run(&["cache", "prune"]), @"
    --- stderr
    error: the configuration `config.yaml` is not valid
      caused by: `database.cache_limit_gb` must be a number
    hint: `aws-cost-anomalies config show` prints what is merged; docs/CONFIG.md explains each key
    --- exit code 1
    ");
    assert!(sandbox.path("data/cache/bill.csv").exists());
    fs::remove_file(sandbox.path("config.yaml")).expect("remove");
    for (flags, said) in [
        (["--threads", "1000000"], "1000000 is not in 0..=1024"),
        (["--threads", "-1"], "unexpected argument '-1'"),
        (["--memory-limit", "plenty"], "must be a size from 32MB to 1000TB, such as 2GB"),
        (["--memory-limit", "0GB"], "must be a size from 32MB"),
        (["--memory-limit", "1KB"], "must be a size from 32MB"),
    ] {
        let run = sandbox.run(&[&flags[..], &["trends"]].concat());
        assert!(run.code == 2 && run.stderr.contains(said), "{run}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_variable_that_is_no_text_is_refused_and_no_other_database_written() {
    use std::os::unix::ffi::OsStrExt;
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "date,cost\n2026-03-01,1.5\n");
    let mut command = sandbox.command(&["ingest", "a.csv", "--quiet"]);
    command.env("AWS_COST_DB_PATH", std::ffi::OsStr::from_bytes(b"odd-\xff.duckdb"));
    insta::assert_snapshot!(sandbox.finish(command), @"
    --- stderr
    error: the value of `AWS_COST_DB_PATH` is not UTF-8
    --- exit code 1
    ");
    assert!(!sandbox.path("data").exists());
}

#[test]
fn long_statements_are_run_and_bottomless_ones_are_refused() {
    let sandbox = small();
    let added = vec!["1"; 61].join(" + ");
    let many = vec!["1"; 900].join(" + ");
    let texts = vec!["'a'"; 130].join(" || ");
    let joined: String = (1..=130).map(|place| format!(", (SELECT 1 AS a) t{place}")).collect();
    for (query, answer) in [
        (format!("SELECT {added} AS n; -- 61; numbers"), "61".to_owned()),
        (format!("SELECT {many} AS n"), "900".to_owned()),
        (format!("SELECT {texts} AS n"), "a".repeat(130)),
        (format!("SELECT t0.a AS n FROM (SELECT 1 AS a) t0{joined}"), "1".to_owned()),
    ] {
        let run = sandbox.ok(&["sql", &query, "--format", "csv"]);
        assert_eq!(run.stdout, format!("n\n{answer}\n"));
    }
    let deep = format!("SELECT {}1{}", "(".repeat(20_000), ")".repeat(20_000));
    let long = format!("SELECT {}1", "1 + ".repeat(20_000));
    for query in [deep, long] {
        let run = sandbox.run(&["sql", &query]);
        assert!((run.code == 1 || run.code == 2) && run.stderr.starts_with("error: "), "{run}");
    }
}

#[test]
fn a_statement_takes_no_more_time_than_it_may() {
    let sandbox = small();
    for query in [
        "SELECT levenshtein(repeat('a', 300000), repeat('b', 300000))",
        "SELECT count(*) FROM range(100000000) a, range(100000) b WHERE (a.range * b.range) % 7 = 3",
        "SELECT sha256(repeat('x', 500000000))",
    ] {
        let begun = Instant::now();
        let run = sandbox.run(&["sql", query, "--timeout", "0.3"]);
        assert!(run.code == 1 && run.stderr.contains("took longer than 0.3 s"), "{query}: {run}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{query}: {:?}", begun.elapsed());
    }
    for wrong in ["0", "-1", "nan", "inf", "100000", "soon"] {
        let run = sandbox.run(&["sql", "SELECT 1", &format!("--timeout={wrong}")]);
        assert!(run.code == 2 && run.stderr.contains("--timeout"), "{run}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_statement_takes_no_more_memory_than_it_may() {
    let sandbox = small();
    for query in [
        "SELECT length(repeat('x', 4000000000))",
        "SELECT length(list_sort(range(500000000)))",
        "SELECT length(list(a.range)) FROM range(500000000) a",
    ] {
        let run = sandbox.run(&["sql", query, "--memory-limit", "100MB", "--threads", "2", "--timeout", "20"]);
        assert!(run.code == 1 && run.stderr.contains("needed more than 100MB of memory"), "{query}: {run}");
    }
    let run = sandbox.run(&["sql", "SELECT repeat('x', 12000000) FROM range(3)", "--memory-limit", "64MB"]);
    assert!(run.code == 1 && run.stderr.contains("the answer is longer than 32 MB"), "{run}");
    let left = fs::read_dir(sandbox.path("data")).expect("a folder").flatten().map(|entry| entry.file_name());
    assert_eq!(left.collect::<Vec<_>>(), ["costs.duckdb"]);
}

#[test]
fn numbers_that_json_does_not_have_are_shown() {
    let sandbox = small();
    let query =
        "SELECT 'nan'::DOUBLE AS a, 'inf'::DOUBLE AS b, '-inf'::FLOAT AS c, [1, 'nan'::DOUBLE] AS d, NULL::DOUBLE AS e";
    let run = sandbox.ok(&["sql", query, "--format", "csv"]);
    assert_eq!(run.stdout.lines().nth(1), Some("NaN,inf,-inf,\"[1.0,NaN]\","), "{run}");
    let answer = sandbox.json(&["sql", query]);
    let row = &answer["rows"][0];
    assert_eq!((&row["a"], &row["b"], &row["c"]), (&"NaN".into(), &"inf".into(), &"-inf".into()));
    assert!(row["e"].is_null());
}

/// As deep as readers of JSON go, and one deeper.
#[test]
fn nested_values_arrive_as_they_are() {
    let sandbox = small();
    for depth in [100, 126, 127, 128, 300] {
        let nested = format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        let run = sandbox.ok(&["sql", &format!("SELECT '{nested}'::JSON AS n"), "--format", "csv"]);
        assert_eq!(run.stdout, format!("n\n{nested}\n"), "{depth}");
    }
    let answer = sandbox.json(&["sql", "SELECT 'a\tb\nc' AS t, '\t' AS u, [1, NULL] AS v"]);
    assert_eq!(answer["rows"], serde_json::json!([{"t": "a\tb\nc", "u": "\t", "v": [1, null]}]));
}

#[test]
fn sql_never_opens_for_writing() {
    let sandbox = small();
    let path = sandbox.path("data/costs.duckdb");
    let before = fs::read(&path).expect("a database");
    let config = Config::default().access_mode(AccessMode::ReadOnly).expect("a mode");
    // Nobody can write while somebody reads.
    let reader = Connection::open_with_flags(&path, config).expect("a reader");
    sandbox.ok(&["sql", "FROM cost_line_items"]);
    let run = sandbox.run(&["sql", "DELETE FROM cost_line_items"]);
    assert!(run.code == 2 && run.stderr.contains("only one SELECT statement is allowed"), "{run}");
    drop(reader);
    assert!(fs::read(&path).expect("a database") == before);
}

#[test]
#[cfg(target_os = "linux")]
fn a_program_that_was_replaced_meanwhile_still_finds_itself() {
    let sandbox = small();
    fs::copy(env!("CARGO_BIN_EXE_aws-cost-anomalies"), sandbox.path("own")).expect("a copy");
    let run = shell(&sandbox, "exec 3<own; rm own; exec /proc/self/fd/3 sql 'SELECT 1 AS n' --format csv");
    assert_eq!((run.code, run.stdout.as_str()), (0, "n\n1\n"), "{run}");
}

#[test]
#[cfg(unix)]
fn a_disk_that_is_full_leaves_no_broken_database() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "date,cost\n2026-03-01,1.5\n");
    // Written beyond the limit, a file gives an error instead of a signal.
    for blocks in [1, 8, 64] {
        let run = shell(&sandbox, &format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" ingest a.csv"));
        assert!(run.code == 1 && run.stderr.contains("cannot create the database `./data/costs.duckdb`"), "{run}");
        assert!(run.stderr.contains("free space on the disk"), "{run}");
        assert_eq!(fs::read_dir(sandbox.path("data")).expect("a folder").count(), 0);
    }
    sandbox.ok(&["ingest", "a.csv"]);
}

#[test]
fn a_file_without_content_is_no_database_yet() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "date,cost\n2026-03-01,1.5\n");
    sandbox.write("data/costs.duckdb", "");
    let run = sandbox.run(&["sql", "SELECT 1"]);
    assert!(run.code == 1 && run.stderr.contains("there is no database at `./data/costs.duckdb` yet"), "{run}");
    sandbox.ok(&["ingest", "a.csv"]);
    assert_eq!(sandbox.number("SELECT sum(unblended_cost) FROM cost_line_items"), 1.5);
    sandbox.write("b.duckdb", "x");
    let run = sandbox.run(&["--db", "b.duckdb", "ingest", "a.csv"]);
    assert!(run.code == 1 && run.stderr.contains("`b.duckdb` is not a DuckDB database"), "{run}");
}

#[test]
#[cfg(unix)]
fn a_lock_that_leads_elsewhere_is_not_written_to() {
    let sandbox = with_news();
    sandbox.write("mine", "my notes");
    sandbox.write("data/keep", "");
    std::os::unix::fs::symlink(sandbox.path("mine"), sandbox.path("data/costs.duckdb.lock")).expect("a link");
    let run = sandbox.run(&["run", "a.csv"]);
    assert!(run.code == 1 && run.stderr.contains("cannot lock `./data/costs.duckdb.lock`"), "{run}");
    assert_eq!(fs::read_to_string(sandbox.path("mine")).expect("a file"), "my notes");
}

#[test]
fn what_nobody_read_was_not_told() {
    let sandbox = with_news();
    for format in ["table", "json"] {
        let arguments = ["run", "a.csv", "--as-of", "2026-03-05", "--format", format];
        let mut child =
            sandbox.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
        drop(child.stdout.take());
        let run = finished(child);
        assert!(run.code == 1 && run.stderr.contains("nobody read the messages for stdout"), "{run}");
        assert_eq!(sandbox.number("SELECT count(*) FROM outbox WHERE state = 'waiting'"), 1.0);
    }
    let run = sandbox.ok(&["notify", "--as-of", "2026-03-05"]);
    assert!(run.stdout.contains("AmazonRDS") && run.stdout.contains("delivered to stdout: 1 message"), "{run}");
    // A reader who has seen enough when there is no news is none who missed any.
    let mut child =
        sandbox.command(&["notify", "--as-of", "2026-03-05"]).stdout(Stdio::piped()).spawn().expect("it runs");
    drop(child.stdout.take());
    assert_eq!(finished(child).code, 0);
}

#[test]
#[cfg(target_os = "linux")]
fn a_daemon_whose_output_is_full_says_so_once_and_goes_on() {
    let sandbox = with_news();
    sandbox.write("config.yaml", "notify: { stale_days: 0 }\n");
    let full = fs::File::options().write(true).open("/dev/full").expect("a device");
    let arguments =
        ["watch", "a.csv", "--every", "1s", "--jitter", "0s", "--health-file", "health", "--report-after", "99"];
    let child = sandbox.command(&arguments).stdout(full).stderr(Stdio::piped()).spawn().expect("it runs");
    let health = || -> Value {
        serde_json::from_str(&fs::read_to_string(sandbox.path("health")).unwrap_or_default()).unwrap_or_default()
    };
    let begun = Instant::now();
    while health()["failures_in_a_row"].as_u64().is_none_or(|failures| failures < 2) {
        assert!(begun.elapsed() < Duration::from_secs(30), "it does not go on");
        thread::sleep(Duration::from_millis(30));
    }
    let stopped = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill");
    assert!(stopped.success());
    let run = finished(child);
    assert_eq!((run.code, run.stderr.matches("cannot write the output").count()), (0, 1), "{run}");
    assert_eq!(sandbox.number("SELECT count(*) FROM outbox WHERE state = 'waiting'"), 1.0);
}

#[test]
fn what_waits_for_a_channel_of_another_configuration_stays() {
    let sandbox = with_news();
    let to = |path: &str| format!("notify: {{ channels: [{{ name: log, file: {{ path: {path} }} }}] }}\n");
    sandbox.write("a.yaml", to("missing/log"));
    sandbox.write("b.yaml", "notify: { channels: [{ name: other, min_impact: 1000000, file: { path: other } }] }\n");
    let today = day(63).to_string();
    let run = sandbox.run(&["--config", "a.yaml", "run", "a.csv", "--as-of", &today]);
    assert!(run.code == 3 && run.stdout.contains("waiting for log: 1 message"), "{run}");
    let run = sandbox.ok(&["--config", "b.yaml", "notify", "--as-of", &today]);
    assert!(
        run.stdout.contains("waiting for log: 1 message (this configuration has no such channel; `notify drop log`"),
        "{run}"
    );
    let status = sandbox.ok(&["--config", "b.yaml", "notify", "status", "--format", "csv"]).stdout;
    assert!(status.lines().any(|line| line.starts_with("log,-,0,,1,0,")), "{status}");
    sandbox.write("missing/keep", "");
    let run = sandbox.ok(&["--config", "a.yaml", "notify", "--as-of", &today]);
    assert!(run.stdout.contains("delivered to log: 1 message"), "{run}");
    assert!(fs::read_to_string(sandbox.path("missing/log")).expect("a log").contains("AmazonRDS"));
    let run = sandbox.run(&["--config", "b.yaml", "notify", "drop", "log"]);
    assert!(run.code == 1 && run.stderr.contains("no message waits for the channel `log`"), "{run}");
}

#[test]
fn what_waits_is_given_up_when_told_so_or_after_a_month() {
    let sandbox = with_news();
    sandbox.write("a.yaml", "notify: { channels: [{ name: log, file: { path: missing/log } }] }\n");
    let today = day(63).to_string();
    sandbox.run(&["--config", "a.yaml", "run", "a.csv", "--as-of", &today]);
    let state = || sandbox.rows("SELECT state, error FROM outbox WHERE channel = 'log'")[0].clone();
    let age = |days: u32| {
        let database = sandbox.path("data/costs.duckdb");
        direct(&format!(
            "ATTACH '{}' AS db; UPDATE db.outbox SET state = 'waiting', created_at = current_timestamp::TIMESTAMP - INTERVAL {days} DAY WHERE channel = 'log'",
            database.display()
        ));
    };
    age(29);
    sandbox.ok(&["notify", "--as-of", &today]);
    assert_eq!(state()["state"], "waiting");
    age(31);
    sandbox.ok(&["notify", "--as-of", &today]);
    assert_eq!(
        (&state()["state"], &state()["error"]),
        (&"dropped".into(), &"this configuration has no such channel".into())
    );
    age(1);
    assert_eq!(sandbox.ok(&["notify", "drop", "log"]).stdout, "gave up 1 message to log\n");
    assert_eq!((&state()["state"], &state()["error"]), (&"dropped".into(), &"given up by `notify drop`".into()));
}

#[test]
fn a_day_to_come_is_said_and_makes_nothing_newer() {
    let sandbox = small();
    direct(&format!(
        "ATTACH '{}' AS db; UPDATE db.cost_line_items SET usage_date = DATE '2099-01-01' WHERE usage_date = DATE '2026-03-02'; \
         UPDATE db.daily_cost_summary SET usage_date = DATE '2099-01-01' WHERE usage_date = DATE '2026-03-02'",
        sandbox.path("data/costs.duckdb").display()
    ));
    let run = sandbox.run(&["doctor", "--offline", "--as-of", "2026-03-20", "--format", "csv"]);
    assert!(run.stdout.contains("1 after 2026-03-21, the last is 2099-01-01"), "{run}");
    assert!(run.stdout.contains("2026-03-01..2026-03-01, newest 19 days old"), "{run}");
}

#[test]
fn a_parquet_file_with_more_rows_than_a_bill_has_is_refused() {
    let sandbox = Sandbox::new();
    let query = "SELECT DATE '2026-10-01' AS date, 1 AS cost FROM range(5000000)";
    let path = sandbox.parquet("bill.parquet", query);
    let bytes = fs::metadata(&path).expect("a file").len();
    let run = sandbox.run(&["ingest", "bill.parquet"]);
    assert!(run.code == 1 && run.stderr.contains(&format!("caused by: 5000000 rows in {bytes} bytes")), "{run}");
}
