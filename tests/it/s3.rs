//! Bills in buckets: a server that others wrote, through a passage that breaks things on purpose.

use insta::assert_snapshot;

use crate::{
    fake_aws::{FakeAws, Fault, SECRET, TestBucket},
    harness::{Run, Sandbox},
};

/// The day after the last of the generated bills.
const TODAY: &str = "2026-03-16";

struct Scene {
    sandbox: Sandbox,
    aws: FakeAws,
    bucket: TestBucket,
}

impl Scene {
    /// Generated bills in a bucket, 60 days up to 2026-03-15 in all layouts that `more` asks for.
    fn new(name: &str, more: &[&str]) -> Option<Self> {
        let bucket = TestBucket::new(name)?;
        let sandbox = Sandbox::new();
        sandbox.sample("bills", more);
        bucket.upload(&sandbox.path("bills"));
        let config = format!("s3: {{ bucket: {name}, prefix: \"\" }}\naws: {{ timeout_seconds: 20 }}\n");
        sandbox.write("config.yaml", config);
        Some(Self { sandbox, aws: FakeAws::start(), bucket })
    }

    fn run(&self, arguments: &[&str]) -> Run {
        let mut command = self.sandbox.command(arguments);
        self.aws.environment(&mut command);
        let run = self.sandbox.finish(command);
        assert!(!format!("{run}").contains(SECRET), "a secret leaks");
        run
    }

    fn ingest(&self, more: &[&str]) -> Run {
        self.run(&[&["ingest", "--as-of", TODAY, "--quiet"], more].concat())
    }

    fn ok(&self, more: &[&str]) -> Run {
        let run = self.ingest(more);
        assert_eq!(run.code, 0, "{run}");
        run
    }

    /// The keys of the bucket that contain `part`, as uploaded.
    fn keys(&self, part: &str) -> Vec<String> {
        let root = self.sandbox.path("bills");
        let mut keys = Vec::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    keys.push(path.strip_prefix(&root).expect("below").to_string_lossy().into_owned());
                }
            }
        }
        keys.retain(|key| key.contains(part));
        keys.sort();
        keys
    }

    /// The sums of each period.
    fn sums(&self) -> Vec<serde_json::Value> {
        self.sandbox.rows(
            "SELECT data_source, billing_period, sum(line_item_count) AS lines, round(sum(unblended_cost), 6) AS cost \
             FROM daily_cost_summary GROUP BY ALL ORDER BY ALL",
        )
    }
}

#[test]
fn a_bucket_is_loaded_once_and_then_left_alone() {
    let Some(scene) = Scene::new("loaded-once", &[]) else { return };
    assert_snapshot!(scene.ingest(&["--dry-run"]), @"
    period   export                                                            format  files     bytes  to fetch  state
    2026-01  arn:aws:bcm-data-exports:us-east-1:012345678901:export/acme-cur2  cur2        1  642.3 kB  642.3 kB  to fetch
    2026-02  arn:aws:bcm-data-exports:us-east-1:012345678901:export/acme-cur2  cur2        1    1.1 MB    1.1 MB  to fetch
    2026-03  arn:aws:bcm-data-exports:us-east-1:012345678901:export/acme-cur2  cur2        1  532.3 kB  532.3 kB  to fetch

    2.2 MB to fetch, nothing fetched yet
    --- exit code 0
    ");
    assert_eq!(scene.aws.bytes_of_objects(), 0);
    assert_snapshot!(scene.ok(&[]), @"
    period   format  payer         files    rows  days                unblended   amortized  net amortized  credits in it
    2026-01  cur2    012345678901      1  17,544  2026-01-15..01-31   $9,635.72  $10,604.76     $10,604.76       -$122.54
    2026-02  cur2    012345678901      1  28,910  2026-02-01..02-28  $17,769.09  $17,769.09     $17,769.09       -$202.23
    2026-03  cur2    012345678901      1  14,442  2026-03-01..03-15   $9,310.58   $9,277.71      $9,277.71       -$105.05

    60,896 rows ingested
    no values in net columns: net amortized = amortized
    credits and refunds of -$429.82 are in the unblended sums: without them $37,145.21
    2.2 MB fetched
    --- exit code 0
    ");
    let fetched = scene.aws.bytes_of_objects();
    assert!(fetched > 0);
    let sums = scene.sums();
    let direct = Sandbox::new();
    direct.ok(&["ingest", &scene.sandbox.path("bills").to_string_lossy(), "--quiet"]);
    let on_disk = direct.rows(
        "SELECT data_source, billing_period, sum(line_item_count) AS lines, round(sum(unblended_cost), 6) AS cost \
         FROM daily_cost_summary GROUP BY ALL ORDER BY ALL",
    );
    assert_eq!(sums, on_disk, "the same as from disk");
    assert_snapshot!(scene.ok(&[]), @"
    unchanged: 2026-01 of acme-cur2 (1 file, nothing to do)
    unchanged: 2026-02 of acme-cur2 (1 file, nothing to do)
    unchanged: 2026-03 of acme-cur2 (1 file, nothing to do)
    0 B fetched
    --- exit code 0
    ");
    assert_eq!(scene.aws.bytes_of_objects(), fetched, "nothing is fetched twice");
    assert_eq!(scene.sums(), sums);
    // Loaded again, the cache suffices.
    scene.ok(&["--full-refresh"]);
    assert_eq!(scene.aws.bytes_of_objects(), fetched);
    assert_eq!(scene.sums(), sums);
}

#[test]
fn a_restated_month_replaces_exactly_itself() {
    let Some(scene) = Scene::new("restated-month", &[]) else { return };
    scene.ok(&[]);
    let before = scene.sums();
    // Another bill of the same months under the same names, of which one is delivered anew.
    scene.sandbox.ok(&[
        "sample-data",
        "--out",
        "anew",
        "--days",
        "60",
        "--as-of",
        "2026-03-15",
        "--quiet",
        "--seed",
        "7",
    ]);
    for key in scene.keys("2026-02") {
        let path = scene.sandbox.path("anew").join(&key);
        let mut bytes = std::fs::read(path).expect("the same keys");
        if key.ends_with(".json") {
            let text = String::from_utf8(bytes).expect("text");
            bytes = text
                .replace("s3://acme-billing/", "s3://restated-month/")
                .replace("\"executionId\": \"", "\"executionId\": \"anew-")
                .into_bytes();
        }
        scene.bucket.put(&key, &bytes);
    }
    // While it cannot be fetched, the former month stays whole.
    scene.aws.fault("GET /restated-month/acme-cur2/data", Fault::Error(403, "AccessDenied", "Access Denied"));
    let refused = scene.ingest(&[]);
    assert_eq!((refused.code, scene.sums()), (3, before.clone()), "{refused}");
    let fetched = scene.aws.bytes_of_objects();
    let run = scene.ok(&[]);
    assert!(scene.aws.bytes_of_objects() > fetched, "{run}");
    let after = scene.sums();
    let of = |sums: &[serde_json::Value], restated: bool| -> Vec<serde_json::Value> {
        sums.iter().filter(|row| (row["billing_period"] == "2026-02-01") == restated).cloned().collect()
    };
    assert_eq!(of(&before, false), of(&after, false));
    assert_ne!(of(&before, true), of(&after, true));
    let files = scene.sandbox.number("SELECT count(*) FROM (SELECT key FROM ingestion_log WHERE billing_period = DATE '2026-02-01' GROUP BY key HAVING count(DISTINCT ingestion_id) > 1)");
    assert_eq!(files, 0.0);
}

#[test]
fn every_fault_leaves_a_whole_period_and_the_next_run_completes_it() {
    let Some(scene) = Scene::new("many-faults", &[]) else { return };
    let Some(key) = scene.keys("2026-02").into_iter().find(|key| key.ends_with(".parquet")) else { panic!("a bill") };
    let name = key.rsplit('/').next().expect("a name").to_owned();
    let february = format!("GET /many-faults/{}", key.replace('=', "%3D"));
    let faults = [
        (Fault::Error(503, "SlowDown", "Please reduce your request rate."), 1, 0),
        (Fault::Error(500, "InternalError", "We encountered an internal error."), 2, 0),
        (Fault::Truncated, 2, 0),
        (Fault::Reset, 2, 0),
        (Fault::Corrupted, 1, 0),
        (Fault::Corrupted, 9, 3),
        (Fault::Error(403, "AccessDenied", "Access Denied"), 1, 3),
        (Fault::Error(403, "ExpiredToken", "The provided token has expired."), 1, 3),
        (
            Fault::Error(
                403,
                "RequestTimeTooSkewed",
                "The difference between the request time and the current time is too large.",
            ),
            9,
            3,
        ),
        (
            Fault::Error(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold"),
            1,
            3,
        ),
        (Fault::Newer, 0, 3),
        (Fault::Error(404, "NoSuchKey", "The specified key does not exist."), 1, 3),
        (Fault::Error(403, "InvalidObjectState", "The operation is not valid for the object's storage class"), 1, 3),
        (Fault::Error(403, "AccessDenied", "User is not authorized to perform: kms:Decrypt on the resource"), 1, 3),
        (
            Fault::Error(
                301,
                "PermanentRedirect",
                "The bucket you are attempting to access must be addressed using the specified endpoint.",
            ),
            1,
            3,
        ),
    ];
    let mut said = String::new();
    for (fault, times, code) in faults {
        let _ = std::fs::remove_dir_all(scene.sandbox.path("data"));
        let what = format!("{fault:?} {times} times");
        for _ in 0..times {
            scene.aws.fault(&february, fault.clone());
        }
        if matches!(fault, Fault::Newer) {
            // The listing of the month's files.
            scene.aws.fault("%2Fdata%2FBILLING_PERIOD%3D2026-02", fault.clone());
        }
        let run = scene.ingest(&[]);
        scene.aws.clear_faults();
        assert_eq!(run.code, code, "{what}: {run}");
        let periods = scene.sandbox.rows("SELECT DISTINCT billing_period FROM cost_line_items ORDER BY 1").len();
        assert_eq!(periods, if code == 0 { 3 } else { 2 }, "{what}");
        if code != 0 {
            said += &format!("{}\n", run.stderr.replace(&name, "[file]"));
        }
        scene.ok(&[]);
        assert_eq!(scene.sandbox.rows("SELECT DISTINCT billing_period FROM cost_line_items").len(), 3, "{what}");
    }
    assert_snapshot!(said, @"
    error: cannot ingest 2026-02 of acme-cur2
      caused by: cannot fetch `s3://many-faults/acme-cur2/data/BILLING_PERIOD=2026-02/[file]`
      caused by: what arrived is not what the bucket has: its size or MD5 differs
    hint: run the command again: it goes on where it broke off

    error: cannot ingest 2026-02 of acme-cur2
      caused by: S3 does not give `s3://many-faults/acme-cur2/data/BILLING_PERIOD=2026-02/[file]` of account 111122223333
      caused by: AccessDenied: Access Denied
    hint: allow `arn:aws:iam::111122223333:user/finops` `s3:GetObject`: docs/IAM.md has the least policy
    hint: if the bucket's owner lets readers pay, set `s3.requester_pays: true`

    error: cannot ingest 2026-02 of acme-cur2
      caused by: S3 does not give `s3://many-faults/acme-cur2/data/BILLING_PERIOD=2026-02/[file]` of account 111122223333
      caused by: ExpiredToken: The provided token has expired.
    hint: the credentials have expired; sign in again: `aws sso login`
    hint: temporary keys in the environment (AWS_SESSION_TOKEN) must be fetched anew

    error: cannot ingest 2026-02 of acme-cur2
      caused by: S3 does not give `s3://many-faults/acme-cur2/data/BILLING_PERIOD=2026-02/[file]` of account 111122223333
      caused by: RequestTimeTooSkewed: The difference between the request time and the current time is too large.
    hint: the clock of this machine is wrong: set it by NTP, then try again

    error: cannot ingest 2026-02 of acme-cur2
      caused by: S3 does not give `s3://many-faults/acme-cur2/data/BILLING_PERIOD=2026-02/[file]` of account 111122223333
      caused by: PreconditionFailed: At least one of the pre-conditions you specified did not hold
    hint: AWS is writing this delivery now; run the command again in some minutes

    error: cannot fetch 2026-02 of `s3://many-faults/`
      caused by: `s3://many-faults/acme-cur2/data/BILLING_PERIOD=2026-02/[file]` is newer than its manifest
      caused by: AWS is writing the next delivery over this one, and its manifest comes last
    hint: run the command again in some minutes; the period is kept as it was

    error: cannot ingest 2026-02 of acme-cur2
      caused by: S3 does not give `s3://many-faults/acme-cur2/data/BILLING_PERIOD=2026-02/[file]` of account 111122223333
      caused by: NoSuchKey: The specified key does not exist.
    hint: the object was removed, or is being written; run the command again in some minutes

    error: cannot ingest 2026-02 of acme-cur2
      caused by: S3 does not give `s3://many-faults/acme-cur2/data/BILLING_PERIOD=2026-02/[file]` of account 111122223333
      caused by: InvalidObjectState: The operation is not valid for the object's storage class
    hint: the object is archived (Glacier): restore it with `aws s3api restore-object`, or exclude the month with `--from`

    error: cannot ingest 2026-02 of acme-cur2
      caused by: S3 does not give `s3://many-faults/acme-cur2/data/BILLING_PERIOD=2026-02/[file]` of account 111122223333
      caused by: AccessDenied: User is not authorized to perform: kms:Decrypt on the resource
    hint: the objects are encrypted with a KMS key: allow `arn:aws:iam::111122223333:user/finops` `kms:Decrypt` on that key

    error: cannot ingest 2026-02 of acme-cur2
      caused by: S3 does not give `s3://many-faults/acme-cur2/data/BILLING_PERIOD=2026-02/[file]` of account 111122223333
      caused by: PermanentRedirect: The bucket you are attempting to access must be addressed using the specified endpoint.
    hint: the bucket is in another region: set `s3.region` to the bucket's (`aws s3api get-bucket-location`)
    ");
}

#[test]
fn a_fetch_goes_on_where_it_broke_off() {
    let Some(scene) = Scene::new("broke-off", &[]) else { return };
    let Some(key) = scene.keys("2026-02").into_iter().find(|key| key.ends_with(".parquet")) else { panic!("a bill") };
    let february = format!("GET /broke-off/{}", key.replace('=', "%3D"));
    scene.aws.fault(&february, Fault::Reset);
    scene.ok(&[]);
    let ranges: Vec<String> =
        scene.aws.requests().iter().filter_map(|request| request.headers.get("range").cloned()).collect();
    let size = std::fs::metadata(scene.sandbox.path("bills").join(&key)).expect("a file").len();
    let starts: Vec<u64> = ranges
        .iter()
        .map(|range| range.trim_start_matches("bytes=").trim_end_matches('-').parse().expect("a range to the end"))
        .collect();
    assert!(starts.len() == 1 && starts[0] > 0 && starts[0] <= size / 2, "{ranges:?} of {size}");
}

#[test]
fn what_no_md5_vouches_for_is_fetched_in_one_answer() {
    let Some(scene) = Scene::new("no-md5", &[]) else { return };
    let Some(key) = scene.keys("2026-02").into_iter().find(|key| key.ends_with(".parquet")) else { panic!("a bill") };
    let bytes = std::fs::read(scene.sandbox.path("bills").join(&key)).expect("a file");
    // An object in parts: its ETag is no MD5.
    scene.bucket.put_in_parts(&key, &bytes);
    let february = format!("GET /no-md5/{}", key.replace('=', "%3D"));
    scene.aws.fault(&february, Fault::Reset);
    scene.ok(&[]);
    let ranges = scene.aws.requests().iter().filter(|request| request.headers.contains_key("range")).count();
    assert_eq!(ranges, 0, "two answers are never put together");
    let direct = Sandbox::new();
    direct.ok(&["ingest", &scene.sandbox.path("bills").to_string_lossy(), "--quiet"]);
    let sql = "SELECT round(sum(unblended_cost), 6) FROM cost_line_items";
    assert_eq!(scene.sandbox.number(sql), direct.number(sql));
}

#[test]
fn two_exports_of_the_same_money_are_told() {
    let Some(scene) = Scene::new("two-exports", &[]) else { return };
    let Some(second) = TestBucket::new("two-exports-b") else { return };
    scene.sandbox.ok(&["sample-data", "--out", "other", "--days", "60", "--as-of", "2026-03-15", "--quiet"]);
    // The same bill under another export's name.
    for month in ["01", "02", "03"] {
        let manifest = format!("other/acme-cur2/metadata/BILLING_PERIOD=2026-{month}/acme-cur2-Manifest.json");
        let text = std::fs::read_to_string(scene.sandbox.path(&manifest)).expect("a manifest");
        assert!(text.contains("export/acme-cur2"), "{text}");
        scene.sandbox.write(&manifest, text.replace("export/acme-cur2", "export/again"));
    }
    second.upload(&scene.sandbox.path("other"));
    scene
        .sandbox
        .write("config.yaml", "s3: { bucket: two-exports, prefix: \"\", exports: [{ bucket: two-exports-b }] }");
    for run in [scene.ingest(&[]), scene.ingest(&[])] {
        assert_eq!(run.code, 1, "{run}");
        assert!(run.stderr.contains("would count the same money twice"), "{run}");
        assert_eq!(scene.sandbox.number("SELECT count(DISTINCT export) FROM ingestion_log"), 1.0);
    }
}

#[test]
fn only_the_months_asked_for() {
    let Some(scene) = Scene::new("some-months", &[]) else { return };
    scene.ok(&["--date", "2026-02"]);
    let periods = || scene.sandbox.rows("SELECT DISTINCT billing_period FROM cost_line_items ORDER BY 1");
    assert_eq!(periods().len(), 1);
    scene.ok(&["--from", "2026-02-10", "--to", "2026-03-02"]);
    assert_eq!(periods().len(), 2);
    assert_snapshot!(scene.ingest(&["--date", "2025-01"]), @"
    0 B fetched
    --- stderr
    error: there is no billing period 2025-01 in `s3://some-months/`
    hint: `--dry-run` lists the periods that there are
    --- exit code 1
    ");
}

#[test]
fn who_pays_for_requests_is_said_with_each() {
    let Some(scene) = Scene::new("who-pays", &[]) else { return };
    let by_requester = |scene: &Scene| {
        let s3: Vec<_> = scene.aws.requests().into_iter().filter(|request| request.operation == "GET").collect();
        let paid = s3.iter().filter(|request| request.headers.contains_key("x-amz-request-payer")).count();
        (paid, s3.len())
    };
    scene.ok(&["--date", "2026-01"]);
    assert_eq!(by_requester(&scene).0, 0);
    let before = by_requester(&scene).1;
    scene.sandbox.write("config.yaml", "s3: { bucket: who-pays, prefix: \"\", requester_pays: true }");
    scene.ok(&["--date", "2026-02"]);
    let (paid, all) = by_requester(&scene);
    assert!(paid > 0 && paid == all - before, "{paid} of {}", all - before);
}

#[test]
fn an_address_needs_no_configuration() {
    let Some(scene) = Scene::new("by-address", &[]) else { return };
    std::fs::remove_file(scene.sandbox.path("config.yaml")).expect("remove");
    let run = scene.run(&["ingest", "s3://by-address", "--as-of", TODAY]);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.stderr.contains("fetched 2026-02 of"), "{run}");
    assert_eq!(scene.sandbox.rows("SELECT DISTINCT billing_period FROM cost_line_items").len(), 3);
}

#[test]
fn what_is_not_there_is_said() {
    let Some(scene) = Scene::new("not-there", &[]) else { return };
    let mut said = String::new();
    for config in [
        "s3: { bucket: \"s3://not-there\" }",
        "s3: { bucket: no-such-bucket }",
        "s3: { bucket: not-there, prefix: elsewhere }",
        "s3: { bucket: not-there, prefix: \"\", report_name: other }",
    ] {
        scene.sandbox.write("config.yaml", config);
        said += &format!("{}\n", scene.ingest(&[]));
    }
    scene.sandbox.write("config.yaml", "s3: { bucket: not-there, prefix: \"\" }");
    for key in scene.keys("2026-02").iter().filter(|key| key.ends_with("-Manifest.json")) {
        scene.bucket.delete(key);
    }
    said += &scene.ingest(&[]).to_string();
    assert_snapshot!(said, @r#"
    --- stderr
    error: `s3://not-there` is not the name of a bucket
    hint: `s3.bucket` is the name alone, without `s3://`; folders are `s3.prefix`
    --- exit code 1
    --- stderr
    error: S3 does not give `s3://no-such-bucket/cur-reports/` of account 111122223333
      caused by: NoSuchBucket: The specified bucket does not exist
    hint: check `s3.bucket` in the configuration; `ingest --discover` lists the account's exports
    --- exit code 3
    --- stderr
    error: there is no report or export below `s3://not-there/elsewhere/`
      caused by: no folder is named for a billing period: `YYYYMMDD-YYYYMMDD` (CUR), `metadata/BILLING_PERIOD=…` (Data Exports)
    hint: `s3.prefix` is `elsewhere`; with `prefix: ""` the whole bucket is searched
    hint: `aws-cost-anomalies ingest --discover` finds the account's reports and exports
    --- exit code 1
    --- stderr
    error: there is no report `other` below `s3://not-there/`
    hint: there are: acme-cur2
    --- exit code 1
    period   format  payer         files    rows  days               unblended   amortized  net amortized  credits in it
    2026-01  cur2    012345678901      1  17,544  2026-01-15..01-31  $9,635.72  $10,604.76     $10,604.76       -$122.54
    2026-03  cur2    012345678901      1  14,442  2026-03-01..03-15  $9,310.58   $9,277.71      $9,277.71       -$105.05

    31,986 rows ingested
    no values in net columns: net amortized = amortized
    credits and refunds of -$227.60 are in the unblended sums: without them $19,173.89
    1.2 MB fetched
    --- stderr
    error: there is no manifest in `s3://not-there/acme-cur2/metadata/BILLING_PERIOD=2026-02/`
      caused by: AWS writes it last, once all files of the period are there
    hint: if the report is new, run the command again in some hours; else have AWS deliver the period again
    --- exit code 1
    "#);
    let loaded = scene.sandbox.rows("SELECT DISTINCT billing_period FROM cost_line_items").len();
    assert_eq!(loaded, 2, "the rest is loaded");
}

#[test]
fn the_cache_keeps_what_the_database_is_made_of() {
    let Some(scene) = Scene::new("pruned-cache", &[]) else { return };
    scene.ok(&[]);
    let is_ours = |name: &str| {
        let mut parts = name.splitn(3, '-');
        let hashes = [parts.next(), parts.next()].map(Option::unwrap_or_default);
        hashes.iter().all(|hash| hash.len() == 32 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    for file in std::fs::read_dir(scene.sandbox.path("data/cache/objects")).expect("the cache") {
        let file = file.expect("a file");
        assert!(
            file.path().is_file() && is_ours(&file.file_name().to_string_lossy()),
            "{file:?} is named by the bucket"
        );
    }
    // What earlier versions named by the bucket's own words.
    scene.sandbox.write("data/cache/s3/pruned-cache/x/0123.old.parquet", "old");
    scene.sandbox.write("data/cache/s3/pruned-cache/x/0123.old-Manifest.json", "old");
    assert_snapshot!(scene.run(&["cache", "prune"]), @"
    2 files removed (6 B), 6 files kept (2.2 MB)
    --- exit code 0
    ");
    assert!(!scene.sandbox.path("data/cache/s3/pruned-cache").exists(), "with their folders");
    assert_snapshot!(scene.run(&["cache", "prune", "--all"]), @"
    6 files removed (2.2 MB), 0 files kept (0 B)
    --- exit code 0
    ");
    let fetched = scene.aws.bytes_of_objects();
    scene.ok(&[]);
    assert_eq!(scene.aws.bytes_of_objects(), fetched, "the database is current without the cache");
}

#[test]
fn doctor_checks_all_of_it() {
    let Some(scene) = Scene::new("doctored", &[]) else { return };
    scene.ok(&[]);
    let masked = |run: Run| {
        let text = run.to_string().replace(" 1 s ahead", " 0 s ahead");
        match text.split_once("costs.duckdb`, ") {
            Some((before, after)) => {
                let end = after.find(" MB").expect("a size") + " MB".len();
                format!("{before}costs.duckdb`, [size]{}", &after[end..])
            }
            None => text,
        }
    };
    assert_snapshot!(masked(scene.run(&["doctor", "--paid", "--as-of", TODAY])), @"
    ok    configuration                 `config.yaml`, every key is known
    ok    database                      `./data/costs.duckdb`, [size]
    ok    tables                        60896 line items, the same in summary and log
    ok    freshness of cur2             2026-01-15..2026-03-15, newest 1 days old
    ok    gaps in cur2                  none in 60 days
    ok    account names                 every account has one
    ok    credentials                   arn:aws:iam::111122223333:user/finops, account 111122223333
    ok    clock                         0 s ahead of AWS's
    ok    organizations:ListAccounts    1 accounts
    ok    discovery of exports          3 found
    ok    ce:GetCostAndUsage            8 services and accounts with costs the day before yesterday
    ok    s3:ListBucket s3://doctored/  3 periods, 2026-01 to 2026-03
    ok    s3:GetObject s3://doctored/   the manifest of 2026-03: 1 files, 532.3 kB
    0 failed, 0 to look at
    --- stderr
    asking AWS; this may take some seconds
    --- exit code 0
    ");
    scene.aws.fault(
        "GetCallerIdentity",
        Fault::Error(403, "InvalidClientTokenId", "The security token included in the request is invalid."),
    );
    let refused = scene.run(&["doctor", "--as-of", TODAY]);
    assert_eq!(refused.code, 1, "{refused}");
    assert_snapshot!(masked(refused), @"
    ok    configuration      `config.yaml`, every key is known
    ok    database           `./data/costs.duckdb`, [size]
    ok    tables             60896 line items, the same in summary and log
    ok    freshness of cur2  2026-01-15..2026-03-15, newest 1 days old
    ok    gaps in cur2       none in 60 days
    ok    account names      every account has one
    FAIL  credentials        STS does not give whose the credentials are: InvalidClientTokenId: The security token included
      in the request is invalid.
          fix: AWS does not know these credentials; `aws-cost-anomalies doctor` says which are used; choose others with
      `aws_profile` or AWS_COST_PROFILE, or sign in: `aws sso login`
    skip  permissions        not without credentials
    1 failed, 0 to look at
    --- stderr
    asking AWS; this may take some seconds
    --- exit code 1
    ");
    assert_snapshot!(masked(scene.run(&["doctor", "--offline", "--as-of", "2026-03-20", "--format", "csv"])), @r#"
    check,status,detail,fix
    configuration,ok,"`config.yaml`, every key is known",
    database,ok,"`./data/costs.duckdb`, [size]",
    tables,ok,"60896 line items, the same in summary and log",
    freshness of cur2,warn,"2026-01-15..2026-03-15, newest 5 days old",ingest again; cron should do it daily
    gaps in cur2,ok,none in 60 days,
    account names,ok,every account has one,
    --- exit code 0
    "#);
}

/// Uploads generated bills in AWS's create-new layout: the files of each assembly or execution in a folder of
/// their own, a copy of the manifest beside them or in `metadata`, and an older version that is superseded.
fn upload_create_new(bucket: &TestBucket, folder: &std::path::Path, keys: &[String]) {
    let (manifests, files): (Vec<&String>, Vec<&String>) = keys.iter().partition(|key| key.ends_with("-Manifest.json"));
    for manifest in manifests {
        let mut text = std::fs::read_to_string(folder.join(manifest)).expect("a manifest");
        let version = "20260316T010203Z";
        for key in &files {
            let Some((above, name)) = key.rsplit_once('/') else { continue };
            if !text.contains(key.as_str()) {
                continue;
            }
            let moved = format!("{above}/{version}/{name}");
            let bytes = std::fs::read(folder.join(key)).expect("a bill");
            bucket.put(&moved, &bytes);
            // What AWS delivered the day before: the same money again.
            bucket.put(&format!("{above}/20260315T010203Z/{name}"), &bytes);
            text = text.replace(&format!("{key}\""), &format!("{moved}\""));
        }
        let text = text.replace("s3://acme-billing/", &format!("s3://{}/", bucket.name));
        let (above, name) = manifest.rsplit_once('/').expect("a folder");
        bucket.put(&format!("{above}/20260315T010203Z/{name}"), text.replace(version, "20260315T010203Z").as_bytes());
        bucket.put(&format!("{above}/{version}/{name}"), text.as_bytes());
        bucket.put(manifest, text.as_bytes());
    }
}

#[test]
fn every_layout_holds_the_same_bill() {
    let mut totals = Vec::new();
    for (index, (format, create_new)) in
        [("cur1", false), ("cur1", true), ("cur2", false), ("cur2", true), ("focus", false), ("focus", true)]
            .into_iter()
            .enumerate()
    {
        let name = format!("layout-{index}");
        let Some(bucket) = TestBucket::new(&name) else { return };
        // One of them is longer than a year; of the others a few months say the same.
        let (days, months) = if format == "cur2" { ("420", 14) } else { ("150", 5) };
        let sandbox = Sandbox::beginning(&format!("{days} days of {format}"), |sandbox| {
            let days = ["--days", days, "--as-of", "2026-03-15", "--quiet"];
            sandbox.ok(&[&["sample-data", "--out", "bills", "--format", format][..], &days].concat());
        });
        let scene = Scene { sandbox, aws: FakeAws::start(), bucket };
        let keys = scene.keys("");
        if create_new {
            upload_create_new(&scene.bucket, &scene.sandbox.path("bills"), &keys);
        } else {
            scene.bucket.upload(&scene.sandbox.path("bills"));
        }
        scene.sandbox.write("config.yaml", format!("s3: {{ bucket: {name}, prefix: \"\" }}"));
        let first = scene.ok(&[]);
        let sums = scene.sums();
        assert!(sums.len() >= months, "{format}: {} periods", sums.len());
        let fetched = scene.aws.bytes_of_objects();
        let requests = scene.aws.count("GET");
        scene.ok(&[]);
        assert_eq!(scene.aws.bytes_of_objects(), fetched, "{format}, {create_new}: {first}");
        assert!(scene.aws.count("GET") - requests < 60, "a run with nothing to do asks little");
        assert_eq!(scene.sums(), sums);
        totals.push((format, scene.sandbox.number("SELECT round(sum(unblended_cost), 4) FROM daily_cost_summary")));
    }
    assert!(totals.windows(2).all(|pair| pair[0].0 != pair[1].0 || pair[0].1 == pair[1].1), "{totals:?}");
}
