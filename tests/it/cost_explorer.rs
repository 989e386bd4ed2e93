//! Cost Explorer, through the binary and real HTTP, against a fake that checks what it is sent.

use std::time::Duration;

use insta::assert_snapshot;

use crate::{
    fake_aws::{FakeAws, Fault, PAYER, SECRET, billed},
    harness::{Run, Sandbox, shared},
};

/// 90 days up to the day before this one.
const TODAY: &str = "2026-11-20";

fn ingest(sandbox: &Sandbox, aws: &FakeAws, more: &[&str]) -> Run {
    let fixed = ["ingest", "--source", "cost-explorer", "--as-of", TODAY];
    with_aws(sandbox, aws, &[&fixed, more].concat())
}

fn with_aws(sandbox: &Sandbox, aws: &FakeAws, arguments: &[&str]) -> Run {
    let mut command = sandbox.command(arguments);
    aws.environment(&mut command);
    let run = sandbox.finish(command);
    assert!(!format!("{run}").contains(SECRET), "a secret leaks");
    run
}

fn sum(sandbox: &Sandbox, condition: &str) -> f64 {
    sandbox.number(&format!(
        "SELECT sum(unblended_cost) FROM daily_cost_summary WHERE data_source = 'cost-explorer' AND {condition}"
    ))
}

fn close(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-6, "{a} is not {b}");
}

#[test]
fn ninety_days_from_credentials_alone() {
    let (sandbox, aws) = (Sandbox::new(), FakeAws::start());
    let announced = ingest(&sandbox, &aws, &["--days", "90", "--dry-run"]);
    assert_snapshot!(announced, @"
    2026-08-22 to 2026-11-19 from Cost Explorer, nothing asked yet
    4 months: 4 requests, $0.04; each further page of an answer is one more
    --- exit code 0
    ");
    assert_eq!(aws.count("GetCostAndUsage"), 0, "nothing is asked before");
    assert_snapshot!(ingest(&sandbox, &aws, &["--days", "90"]), @"
    period   format         payer         files  rows  days               unblended  amortized  net amortized  credits in it
    2026-08  cost-explorer  111122223333      1    80  2026-08-22..08-31  $2,058.70  $2,058.70      $2,058.70          $0.00
    2026-09  cost-explorer  111122223333      1   240  2026-09-01..09-30  $6,186.08  $6,186.08      $6,186.08          $0.00
    2026-10  cost-explorer  111122223333      1   248  2026-10-01..10-31  $6,369.97  $6,369.97      $6,369.97          $0.00
    2026-11  cost-explorer  111122223333      1   152  2026-11-01..11-19  $3,917.52  $3,917.52      $3,917.52          $0.00

    720 rows ingested
    services without a product code of CUR keep their name: Claude 3 Haiku (Amazon Bedrock Edition)
    credits and discounts are inside the services' costs; `--charge-categories` sets them apart, for 5 requests instead of
      one
    4 requests, $0.04; this month 4, $0.04
    --- stderr
    fetched 2026-11 from Cost Explorer: 152 rows
    fetched 2026-10 from Cost Explorer: 248 rows
    fetched 2026-09 from Cost Explorer: 240 rows
    fetched 2026-08 from Cost Explorer: 80 rows
    ingested Cost Explorer: 720 rows
    --- exit code 0
    ");
    assert_eq!(aws.count("GetCostAndUsage"), 4, "as announced");
    close(sum(&sandbox, "true"), billed("2026-08-22", "2026-11-19", |_, _, _| true));
    // Two names are one code; both are kept.
    close(
        sum(&sandbox, "product_code = 'AmazonEC2'"),
        billed("2026-08-22", "2026-11-19", |service, _, _| {
            service == "EC2 - Other" || service.contains("Compute Cloud")
        }),
    );
    assert_snapshot!(with_aws(&sandbox, &aws, &["trends", "--as-of", TODAY, "--days", "30", "--group-by", "account"]), @"
    Net amortized cost by account, 2026-10-21 to 2026-11-19, from cost-explorer

    account                           total    share  per day  2026-11-18  change       %  trend
    111122223333 (acme-payer)     $4,735.43   78.6 %  $157.85     $162.44  +$1.53  +1.0 %  ██████████████████████████████
    011254002932 (zero, leading)  $1,286.16   21.4 %   $42.87      $44.12  +$0.42  +1.0 %  ██████████████████████████████
    total                         $6,021.59  100.0 %  $200.72     $206.57  +$1.95  +1.0 %  ██████████████████████████████

    day           total   change       %
    2026-10-21  $206.57        -       -
    2026-10-22  $194.87  -$11.69  -5.7 %
    2026-10-23  $196.82   +$1.95  +1.0 %
    2026-10-24  $198.77   +$1.95  +1.0 %
    2026-10-25  $200.72   +$1.95  +1.0 %
    2026-10-26  $202.67   +$1.95  +1.0 %
    2026-10-27  $204.62   +$1.95  +1.0 %
    2026-10-28  $206.57   +$1.95  +1.0 %
    2026-10-29  $194.87  -$11.69  -5.7 %
    2026-10-30  $196.82   +$1.95  +1.0 %
    2026-10-31  $198.77   +$1.95  +1.0 %
    2026-11-01  $200.72   +$1.95  +1.0 %
    2026-11-02  $202.67   +$1.95  +1.0 %
    2026-11-03  $204.62   +$1.95  +1.0 %
    2026-11-04  $206.57   +$1.95  +1.0 %
    2026-11-05  $194.87  -$11.69  -5.7 %
    2026-11-06  $196.82   +$1.95  +1.0 %
    2026-11-07  $198.77   +$1.95  +1.0 %
    2026-11-08  $200.72   +$1.95  +1.0 %
    2026-11-09  $202.67   +$1.95  +1.0 %
    2026-11-10  $204.62   +$1.95  +1.0 %
    2026-11-11  $206.57   +$1.95  +1.0 %
    2026-11-12  $194.87  -$11.69  -5.7 %
    2026-11-13  $196.82   +$1.95  +1.0 %
    2026-11-14  $198.77   +$1.95  +1.0 %
    2026-11-15  $200.72   +$1.95  +1.0 %
    2026-11-16  $202.67   +$1.95  +1.0 %
    2026-11-17  $204.62   +$1.95  +1.0 %
    2026-11-18  $206.57   +$1.95  +1.0 %
    2026-11-19  $194.87  -$11.69  -5.7 %  provisional

    average $200.92, minimum $194.87 (2026-10-22), maximum $206.57 (2026-11-18) of what is settled
    provisional: days after 2026-11-18 may still change
    not in the total: Tax $154.50 (`--include`)
    --- stderr
    note: the newest data is of 2026-11-19, 1 days before 2026-11-20: reading as of that day
    --- exit code 0
    ");
    let findings = with_aws(&sandbox, &aws, &["anomalies", "--as-of", TODAY, "--sensitivity", "high"]);
    assert_eq!(findings.code, 0, "{findings}");
    // Without a CUR there is the invoice to compare with.
    let october = format!("{:.2}", billed("2026-10-01", "2026-10-31", |_, _, _| true));
    let month = ["reconcile", "--as-of", TODAY, "--exit-code", "--tolerance", "0.02"];
    let agrees = sandbox.run(&[&month[..], &["--month", "2026-10", "--invoice", &october]].concat());
    assert_eq!(agrees.code, 0, "{agrees}");
    let differs = sandbox.run(&[&month[..], &["--invoice", "7000"]].concat());
    assert_snapshot!(differs, @"
    2026-10: invoice $7,000.00 beside $6,369.97 unblended in cost-explorer: +$630.03: the month is not final: AWS closes it
      some days into the next and restates for about two weeks
    --- exit code 10
    ");
    assert_snapshot!(with_aws(&sandbox, &aws, &["accounts"]), @"
    account       name           name from      last charge
    011254002932  zero, leading  cost-explorer  2026-11-19
    111122223333  acme-payer     organizations  2026-11-19
    --- exit code 0
    ");
}

#[test]
fn a_second_run_asks_only_for_what_may_be_restated() {
    let (sandbox, aws) = (Sandbox::new(), FakeAws::start());
    ingest(&sandbox, &aws, &["--days", "90"]);
    aws.restate(1.1);
    let again = ingest(&sandbox, &aws, &["--days", "90"]);
    assert_eq!(again.code, 0, "{again}");
    assert_eq!(aws.count("GetCostAndUsage"), 4 + 2);
    let before = billed("2026-08-22", "2026-09-30", |_, _, _| true);
    close(sum(&sandbox, "usage_date < DATE '2026-10-01'"), before);
    let restated = sum(&sandbox, "usage_date >= DATE '2026-10-01'");
    close(restated, 1.1 * billed("2026-10-01", "2026-11-19", |_, _, _| true));
    assert!(again.stdout.contains("2 requests, $0.02; this month 6, $0.06"), "{again}");
    let rows = sandbox.rows("SELECT sum(requests) AS requests, sum(cost_usd) AS usd FROM api_calls");
    assert_snapshot!(serde_json::to_string(&rows).expect("JSON"), @r#"[{"requests":6,"usd":0.06}]"#);
    // Lines, summary and log hold together after the replacement.
    let counts = sandbox.rows(
        "SELECT (SELECT count(*) FROM cost_line_items) = (SELECT sum(line_item_count) FROM daily_cost_summary) AS summary, \
         (SELECT count(*) FROM cost_line_items) = (SELECT sum(rows) FROM ingestion_log) AS log",
    );
    assert_eq!(counts[0], serde_json::json!({"summary": true, "log": true}));
}

#[test]
fn pages_are_followed_with_the_same_parameters() {
    let (sandbox, aws) = (Sandbox::new(), FakeAws::start());
    aws.page_size(37);
    aws.empty_first_page();
    let run = ingest(&sandbox, &aws, &["--from", "2026-10-01", "--to", "2026-10-31"]);
    assert_eq!(run.code, 0, "{run}");
    // 31 days of 8 groups.
    assert_eq!(aws.count("GetCostAndUsage"), 1 + (31 * 8_usize).div_ceil(37), "the first page is empty");
    close(sum(&sandbox, "true"), billed("2026-10-01", "2026-10-31", |_, _, _| true));
}

#[test]
fn the_end_is_exclusive_and_estimated_days_are_kept() {
    let (sandbox, aws) = (Sandbox::new(), FakeAws::start());
    aws.estimated_from("2026-11-01");
    ingest(&sandbox, &aws, &["--from", "2026-10-30", "--to", "2026-11-02"]);
    let asked: Vec<String> = aws
        .requests()
        .iter()
        .filter(|request| request.operation == "GetCostAndUsage")
        .map(|request| request.body["TimePeriod"].to_string())
        .collect();
    assert_eq!(asked, [r#"{"Start":"2026-11-01","End":"2026-11-03"}"#, r#"{"Start":"2026-10-30","End":"2026-11-01"}"#]);
    let estimated =
        sandbox.rows("SELECT estimated, count(DISTINCT usage_date) AS days FROM cost_line_items GROUP BY 1 ORDER BY 1");
    assert_eq!(
        serde_json::json!(estimated),
        serde_json::json!([{"estimated": false, "days": 2}, {"estimated": true, "days": 2}])
    );
}

#[test]
fn regions_and_categories_add_up_to_the_whole() {
    let whole = billed("2026-10-01", "2026-10-31", |_, _, _| true);
    let (sandbox, aws) = (Sandbox::new(), FakeAws::start());
    let span = ["--from", "2026-10-01", "--to", "2026-10-31"];
    let run = ingest(&sandbox, &aws, &[&span[..], &["--split", "region", "--charge-categories"]].concat());
    assert_eq!(run.code, 0, "{run}");
    assert_eq!((aws.count("GetDimensionValues"), aws.count("GetCostAndUsage")), (1, 4 * 5));
    close(sum(&sandbox, "true"), whole);
    close(
        sum(&sandbox, "charge_category = 'Credit'"),
        billed("2026-10-01", "2026-10-31", |_, _, kind| kind == "Credit"),
    );
    close(sum(&sandbox, "region = 'eu-west-1'"), billed("2026-10-01", "2026-10-31", |_, account, _| account != PAYER));
    assert_snapshot!(ingest(&sandbox, &aws, &[&span[..], &["--split", "region", "--charge-categories", "--dry-run"]].concat()), @"
    2026-10-01 to 2026-10-31 from Cost Explorer, nothing asked yet
    1 month of 20 queries, and 1 for the list of regions, reckoned at 3: 21 requests, $0.21; each further page of an answer
      is one more
    --- exit code 0
    ");
}

#[test]
fn the_limit_of_requests_stops_and_keeps_what_is_complete() {
    let (sandbox, aws) = (Sandbox::new(), FakeAws::start());
    sandbox.write("config.yaml", "cost_explorer: { max_requests: 3 }");
    assert_snapshot!(ingest(&sandbox, &aws, &["--days", "90"]), @"
    --- stderr
    error: this takes at least 4 requests to Cost Explorer, $0.04
      caused by: `cost_explorer.max_requests` is 3
    hint: set it higher, or ask for fewer days or less detail; nothing was asked yet
    --- exit code 2
    ");
    assert_eq!(aws.count("GetCostAndUsage"), 0, "more than allowed is not begun");
    aws.page_size(150);
    assert_snapshot!(ingest(&sandbox, &aws, &["--from", "2026-10-01", "--to", "2026-11-19"]), @"
    period   format         payer         files  rows  days               unblended  amortized  net amortized  credits in it
    2026-11  cost-explorer  111122223333      1   152  2026-11-01..11-19  $3,917.52  $3,917.52      $3,917.52          $0.00

    152 rows ingested
    services without a product code of CUR keep their name: Claude 3 Haiku (Amazon Bedrock Edition)
    credits and discounts are inside the services' costs; `--charge-categories` sets them apart, for 5 requests instead of
      one
    3 requests, $0.03; this month 3, $0.03
    --- stderr
    fetched 2026-11 from Cost Explorer: 152 rows
    ingested Cost Explorer: 152 rows
    error: 3 requests to Cost Explorer are made, and the costs of 2026-10-01..2026-10-31 are still to come
      caused by: `cost_explorer.max_requests` is 3, which is $0.03
    hint: set `cost_explorer.max_requests` higher, or ask for fewer days or less detail
    hint: 2026-11 came whole and is kept
    --- exit code 1
    ");
    assert_eq!(aws.count("GetCostAndUsage"), 3);
    let days = sandbox.rows("SELECT min(usage_date) AS first, max(usage_date) AS last FROM daily_cost_summary");
    assert_eq!(days[0], serde_json::json!({"first": "2026-11-01", "last": "2026-11-19"}), "whole months only");
}

#[test]
fn retries_are_counted_and_paid() {
    let (sandbox, aws) = (Sandbox::new(), FakeAws::start());
    aws.fault("GetCostAndUsage", Fault::Error(400, "ThrottlingException", "Rate exceeded"));
    aws.fault("GetCostAndUsage", Fault::Error(500, "InternalFailure", "oops"));
    let run = ingest(&sandbox, &aws, &["--from", "2026-10-01", "--to", "2026-10-31"]);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.stdout.contains("3 requests, $0.03; this month 3, $0.03"), "{run}");
    close(sum(&sandbox, "true"), billed("2026-10-01", "2026-10-31", |_, _, _| true));
}

#[test]
fn a_page_that_fails_leaves_the_former_days() {
    let (sandbox, aws) = (Sandbox::new(), FakeAws::start());
    let span = ["--from", "2026-10-01", "--to", "2026-10-31"];
    ingest(&sandbox, &aws, &span);
    aws.restate(2.0);
    aws.page_size(100);
    for fault in [
        Fault::Error(400, "InvalidNextTokenException", "the token expired"),
        Fault::Error(400, "RequestChangedException", "the request changed"),
        Fault::Truncated,
        Fault::Reset,
    ] {
        let what = format!("{fault:?}");
        // A broken connection is tried again; broken for good it is an error.
        for _ in 0..5 {
            aws.fault("GetCostAndUsage / page", fault.clone());
        }
        let run = ingest(&sandbox, &aws, &span);
        assert_eq!(run.code, 3, "{what}: {run}");
        close(sum(&sandbox, "true"), billed("2026-10-01", "2026-10-31", |_, _, _| true));
        aws.clear_faults();
    }
    let run = ingest(&sandbox, &aws, &span);
    assert_eq!(run.code, 0, "{run}");
    close(sum(&sandbox, "true"), 2.0 * billed("2026-10-01", "2026-10-31", |_, _, _| true));
}

#[test]
fn each_refusal_says_the_next_step() {
    let refusals = [
        (
            400,
            "AccessDeniedException",
            "User: arn:aws:iam::111122223333:user/finops is not authorized to perform: ce:GetCostAndUsage",
        ),
        (400, "AccessDeniedException", "User not enabled for cost explorer access"),
        (400, "DataUnavailableException", "Data is not available. Please try to adjust the time period."),
        (400, "BillExpirationException", "The requested report expired."),
        (400, "ExpiredTokenException", "The security token included in the request is expired"),
        (
            400,
            "UnrecognizedClientException",
            "The security token AKIAIOSFODNN7EXAMPLE included in the request is invalid.",
        ),
        (
            400,
            "InvalidSignatureException",
            "Signature expired: 20261120T000000Z is now earlier than 20261120T010000Z. The Canonical String for this request should have been 'x-amz-security-token:abc'",
        ),
        (400, "OptInRequired", "The AWS Access Key Id needs a subscription for the service"),
    ];
    let mut said = String::new();
    for (status, code, message) in refusals {
        let (sandbox, aws) = (Sandbox::new(), FakeAws::start());
        aws.fault("GetCostAndUsage", Fault::Error(status, code, message));
        let run = ingest(&sandbox, &aws, &["--from", "2026-10-01", "--to", "2026-10-31", "--quiet"]);
        assert_eq!(run.code, 3, "{run}");
        said += &format!("{}\n", run.stderr);
    }
    assert_snapshot!(said, @r#"
    error: Cost Explorer does not give the costs of 2026-10-01..2026-10-31 of account 111122223333
      caused by: AccessDeniedException: User: arn:aws:iam::111122223333:user/finops is not authorized to perform: ce:GetCostAndUsage
    hint: allow `arn:aws:iam::111122223333:user/finops` `ce:GetCostAndUsage`: docs/IAM.md has the least policy
    hint: if it is allowed already: enable Cost Explorer once in the Billing console, and "IAM user access to billing" in the account settings of the management account

    error: Cost Explorer does not give the costs of 2026-10-01..2026-10-31 of account 111122223333
      caused by: AccessDeniedException: User not enabled for cost explorer access
    hint: enable Cost Explorer: open it once in the Billing console of the management account; data comes within 24 hours
    hint: and let IAM users and roles see billing, in the management account's settings

    error: Cost Explorer does not give the costs of 2026-10-01..2026-10-31 of account 111122223333
      caused by: DataUnavailableException: Data is not available. Please try to adjust the time period.
    hint: Cost Explorer was just enabled or has no data yet: it takes up to 24 hours; try again tomorrow

    error: Cost Explorer does not give the costs of 2026-10-01..2026-10-31 of account 111122223333
      caused by: BillExpirationException: The requested report expired.
    hint: Cost Explorer does not keep days that old any more: ask for later ones, or ingest a CUR export of them

    error: Cost Explorer does not give the costs of 2026-10-01..2026-10-31 of account 111122223333
      caused by: ExpiredTokenException: The security token included in the request is expired
    hint: the credentials have expired; sign in again: `aws sso login`
    hint: temporary keys in the environment (AWS_SESSION_TOKEN) must be fetched anew

    error: Cost Explorer does not give the costs of 2026-10-01..2026-10-31 of account 111122223333
      caused by: UnrecognizedClientException: The security token [access key] included in the request is invalid.
    hint: AWS does not know these credentials; `aws-cost-anomalies doctor` says which are used
    hint: choose others with `aws_profile` or AWS_COST_PROFILE, or sign in: `aws sso login`

    error: Cost Explorer does not give the costs of 2026-10-01..2026-10-31 of account 111122223333
      caused by: InvalidSignatureException: Signature expired: 20261120T000000Z is now earlier than 20261120T010000Z.
    hint: the clock of this machine is wrong: set it by NTP, then try again

    error: Cost Explorer does not give the costs of 2026-10-01..2026-10-31 of account 111122223333
      caused by: OptInRequired: The AWS Access Key Id needs a subscription for the service
    hint: this account has not signed up for the service: open it once in the AWS console
    "#);
}

#[test]
fn no_answer_and_no_credentials() {
    let (sandbox, aws) = (Sandbox::new(), FakeAws::start());
    sandbox.write("config.yaml", "aws: { max_attempts: 2, timeout_seconds: 1 }");
    for _ in 0..2 {
        aws.fault("GetCostAndUsage", Fault::Hang(Duration::from_secs(3)));
    }
    assert_snapshot!(ingest(&sandbox, &aws, &["--from", "2026-10-01", "--to", "2026-10-31"]), @"
    2 requests, $0.02; this month 2, $0.02
    --- stderr
    error: Cost Explorer does not give the costs of 2026-10-01..2026-10-31 of account 111122223333
      caused by: dispatch failure: timeout: HTTP read timeout occurred after 1s: timed out
    hint: there was no answer in time: try again, or set `aws.timeout_seconds` higher
    --- exit code 3
    ");
    let mut command = sandbox.command(&["ingest", "--source", "cost-explorer", "--as-of", TODAY]);
    command.env("AWS_ENDPOINT_URL", &aws.url).env("AWS_EC2_METADATA_DISABLED", "true");
    let run = sandbox.finish(command);
    assert_eq!(run.code, 1, "{run}");
    assert_snapshot!(run, @"
    --- stderr
    error: there are no AWS credentials for this
      caused by: dispatch failure: other: the credential provider was not enabled: no credentials found in chain. Attempted:
          Environment: the credential provider was not enabled: environment variable not set
          Profile: the credential provider was not enabled
          WebIdentityToken: the credential provider was not enabled: $AWS_WEB_IDENTITY_TOKEN_FILE was not set
          EcsContainer: the credential provider was not enabled: ECS provider not configured
          Ec2InstanceMetadata: the credential provider was not enabled: IMDS disabled by AWS_EC2_METADATA_DISABLED env var set to `true`
    hint: sign in: `aws sso login`, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
    hint: `aws configure list` shows which credentials there are
    --- exit code 1
    ");
    let mut command = sandbox.command(&["ingest", "--source", "cost-explorer", "--as-of", TODAY]);
    aws.environment(&mut command);
    command.env("AWS_COST_PROFILE", "nobody");
    let run = sandbox.finish(command);
    assert_eq!(run.code, 1, "a profile is not replaced by other credentials: {run}");
}

#[test]
fn wrong_days_and_flags_are_told_before_anything_is_paid() {
    let (sandbox, aws) = (Sandbox::new(), FakeAws::start());
    let mut said = String::new();
    for more in [
        &["--from", "2025-01-01", "--to", "2025-01-31"][..],
        &["--from", "2026-11-25", "--to", "2026-11-30"],
        &["--from", "2026-11-10", "--to", "2026-11-01"],
        &["--to", "2026-11-01"],
        &["--date", "2026-10"],
        &["--data-source", "datadog"],
    ] {
        let run = ingest(&sandbox, &aws, more);
        assert_eq!(run.code, 2, "{run}");
        said += &format!("{}\n", run.stderr);
    }
    assert_snapshot!(said, @"
    error: Cost Explorer keeps daily costs from 2025-10-01 on, not of 2025-01-01
      caused by: it has the current month and 13 before
    hint: begin at 2025-10-01 or later; older months are in CUR exports

    error: 2026-11-25 to 2026-11-30 is not over yet
    hint: the last whole day is 2026-11-19; days are UTC

    error: `--from` 2026-11-10 is after `--to` 2026-11-01

    error: `--to` needs `--from`

    error: `--date` is for bills in buckets

    error: `--data-source` is for files on disk
    ");
    let run = with_aws(&sandbox, &aws, &["ingest", "x.csv", "--split", "region"]);
    assert_eq!(run.code, 2, "{run}");
    assert_snapshot!(with_aws(&sandbox, &aws, &["ingest"]), @"
    --- stderr
    error: nothing says where the bills are
    hint: name a file, a folder, or a bucket such as s3://bucket/prefix or gs://bucket/prefix: `aws-cost-anomalies ingest PATH`
    hint: or ask AWS itself, for $0.01 a request: `aws-cost-anomalies ingest --source cost-explorer`
    hint: or set `s3.bucket` in the configuration; `aws-cost-anomalies ingest --discover` finds it
    --- exit code 2
    ");
    assert_eq!(aws.count("GetCostAndUsage"), 0);
}

#[test]
fn a_hole_that_an_error_left_is_filled_by_the_next_run() {
    let (sandbox, aws) = (Sandbox::new(), FakeAws::start());
    ingest(&sandbox, &aws, &["--from", "2026-07-01", "--to", "2026-09-10"]);
    sandbox.write("config.yaml", "aws: { max_attempts: 1 }");
    // The newest two months come, the third does not.
    let asked = aws.count("GetCostAndUsage");
    aws.fail_from("GetCostAndUsage", asked + 3);
    let broken = ingest(&sandbox, &aws, &["--days", "80"]);
    assert_eq!(broken.code, 3, "{broken}");
    aws.clear_faults();
    // What is missing comes first.
    let asked = aws.count("GetCostAndUsage");
    let next = ingest(&sandbox, &aws, &["--days", "80"]);
    assert_eq!(next.code, 0, "{next}");
    assert_eq!(aws.count("GetCostAndUsage"), asked + 3);
    let months: Vec<String> = aws
        .requests()
        .iter()
        .filter(|request| request.operation == "GetCostAndUsage")
        .skip(asked)
        .map(|request| request.body["TimePeriod"]["Start"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(months, ["2026-09-01", "2026-11-01", "2026-10-01"]);
    close(sum(&sandbox, "true"), billed("2026-07-01", "2026-11-19", |_, _, _| true));
    // Then only what may be restated.
    let asked = aws.count("GetCostAndUsage");
    ingest(&sandbox, &aws, &["--days", "80"]);
    assert_eq!(aws.count("GetCostAndUsage"), asked + 2);
}

#[test]
fn the_same_accounts_through_other_credentials_never_count_twice() {
    let (sandbox, aws) = (Sandbox::new(), FakeAws::start());
    let october = ["--from", "2026-10-01", "--to", "2026-10-31"];
    aws.caller("011254002932");
    aws.only_account(Some("011254002932"));
    ingest(&sandbox, &aws, &october);
    let own = billed("2026-10-01", "2026-10-31", |_, account, _| account == "011254002932");
    close(sum(&sandbox, "true"), own);
    // The payer sees all: what the member saw is in it.
    aws.caller(PAYER);
    aws.only_account(None);
    let all = ingest(&sandbox, &aws, &october);
    assert_eq!(all.code, 0, "{all}");
    let whole = billed("2026-10-01", "2026-10-31", |_, _, _| true);
    close(sum(&sandbox, "true"), whole);
    // Back again would lose the others.
    aws.caller("011254002932");
    aws.only_account(Some("011254002932"));
    let refused = ingest(&sandbox, &aws, &october);
    assert_snapshot!(refused, @"
    credits and discounts are inside the services' costs; `--charge-categories` sets them apart, for 5 requests instead of
      one
    1 request, $0.01; this month 3, $0.03
    --- stderr
    fetched 2026-10 from Cost Explorer: 62 rows
    error: the costs of account 011254002932 are there already, as account 111122223333 sees them
      caused by: read with other credentials they would count twice
    hint: use the credentials of account 111122223333, or another database (`--db`)
    --- exit code 1
    ");
    close(sum(&sandbox, "true"), whole);
}

#[test]
fn detail_that_changes_is_said() {
    let (sandbox, aws) = (Sandbox::new(), FakeAws::start());
    ingest(&sandbox, &aws, &["--from", "2026-08-01", "--to", "2026-11-10", "--charge-categories"]);
    let run = ingest(&sandbox, &aws, &["--days", "30"]);
    assert!(
        run.stdout.contains("2026-09-30 and earlier days were fetched by service and account, charge category"),
        "{run}"
    );
    // The lines of days that stay keep a row in the log.
    ingest(&sandbox, &aws, &["--from", "2026-11-10", "--to", "2026-11-12"]);
    let orphans = sandbox.number(
        "SELECT count(*) FROM cost_line_items c WHERE NOT EXISTS (FROM ingestion_log l WHERE l.ingestion_id = c.ingestion_id \
         AND l.billing_period = c.billing_period)",
    );
    assert_eq!(orphans, 0.0);
    sandbox.write("config.yaml", "cost_explorer: { charge_categories: true }");
    let plan = ingest(&sandbox, &aws, &["--days", "30", "--dry-run", "--format", "json"]);
    let plan: serde_json::Value = serde_json::from_str(&plan.stdout).expect("JSON");
    assert_eq!(plan["cost_explorer"]["queries_per_month"], 5);
}

#[test]
fn a_profile_may_assume_a_role() {
    let (sandbox, aws) = (Sandbox::new(), FakeAws::start());
    sandbox.write(
        ".aws/config",
        "[profile billing]\nrole_arn = arn:aws:iam::111122223333:role/billing\nsource_profile = base\n[profile base]\n",
    );
    sandbox.write(
        ".aws/credentials",
        format!("[base]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = {SECRET}\n"),
    );
    let arguments = ["ingest", "--source", "cost-explorer", "--as-of", TODAY, "--from", "2026-11-01"];
    let run = |set: &dyn Fn(&mut std::process::Command)| {
        let mut command = sandbox.command(&arguments);
        command.env("AWS_ENDPOINT_URL", &aws.url).env("AWS_EC2_METADATA_DISABLED", "true");
        set(&mut command);
        sandbox.finish(command)
    };
    let by_profile = run(&|command| {
        command.env("AWS_COST_PROFILE", "billing");
    });
    assert_eq!(by_profile.code, 0, "{by_profile}");
    let assumed = aws.count("AssumeRole");
    assert!(assumed > 0);
    // The role of the configuration, on top of the default credentials.
    sandbox.write("config.yaml", "aws: { role_arn: \"arn:aws:iam::111122223333:role/billing\", external_id: acme }");
    let by_config = run(&|command| aws.environment(command));
    assert_eq!(by_config.code, 0, "{by_config}");
    assert!(aws.count("AssumeRole") > assumed);
    let roles: Vec<String> = aws
        .requests()
        .iter()
        .filter(|request| request.operation == "GetCostAndUsage")
        .map(|request| request.headers["authorization"].clone())
        .collect();
    assert!(roles.iter().all(|role| role.contains("AKIAROLEOFTHEBILL000")), "{roles:?}");
}

#[test]
fn days_of_other_sources_stay() {
    let (sandbox, aws) = (Sandbox::with_sample(), FakeAws::start());
    let before = sandbox.number("SELECT sum(unblended_cost) FROM daily_cost_summary");
    let run =
        with_aws(&sandbox, &aws, &["ingest", "--source", "cost-explorer", "--as-of", "2026-03-16", "--days", "30"]);
    assert_eq!(run.code, 0, "{run}");
    close(
        sandbox.number("SELECT sum(unblended_cost) FROM daily_cost_summary WHERE data_source <> 'cost-explorer'"),
        before,
    );
    let trends = sandbox.ok(&["trends", "--as-of", "2026-03-15", "--days", "7"]);
    let note = format!("added up: AWS {PAYER} from cost-explorer, AWS 012345678901 from cur2");
    assert!(trends.stderr.contains(&note), "other payers' bills: {trends}");
}

#[test]
fn own_names_win_over_all_others() {
    let (sandbox, aws) = (Sandbox::new(), FakeAws::start());
    // YAML takes an id without its leading zero for a number.
    sandbox.write("config.yaml", "accounts:\n  11254002932: \"Data Platform\"\n");
    ingest(&sandbox, &aws, &["--from", "2026-10-01", "--to", "2026-10-31", "--quiet"]);
    assert_snapshot!(with_aws(&sandbox, &aws, &["accounts", "--refresh", "--format", "csv"]), @"
    account,name,source,last_day
    011254002932,Data Platform,configuration,2026-10-31
    111122223333,acme-payer,organizations,2026-10-31
    --- exit code 0
    ");
    let trends = sandbox.ok(&["trends", "--as-of", "2026-10-31", "--days", "7", "--group-by", "account"]);
    assert!(trends.stdout.contains("Data Platform") && trends.stdout.contains("acme-payer"), "{trends}");
    aws.fault("ListAccounts", Fault::Error(400, "AccessDeniedException", "not the management account"));
    let refused = with_aws(&sandbox, &aws, &["accounts", "--refresh"]);
    assert_eq!(refused.code, 3, "{refused}");
    assert!(refused.stdout.contains("acme-payer"), "the list comes all the same: {refused}");
}

#[test]
fn discovery_writes_the_configuration() {
    let (sandbox, aws) = (Sandbox::new(), FakeAws::start());
    let run = with_aws(&sandbox, &aws, &["ingest", "--discover"]);
    assert_snapshot!(run, @r#"
    s3:
      exports:
        # CUR
        - { bucket: "acme-cur", prefix: "cur", report_name: "hourly", region: "eu-west-1" }
        # COST_AND_USAGE_REPORT
        - { bucket: "acme-exports", prefix: "exports", report_name: "daily", region: "us-east-1" }
    # not for ingestion: tips: `COST_OPTIMIZATION_RECOMMENDATIONS` holds no costs by day
    --- exit code 0
    "#);
    // What it writes is a configuration.
    sandbox.write("config.yaml", &run.stdout);
    let shown = sandbox.json(&["config", "show"]);
    let exports = shown["values"].as_array().into_iter().flatten().find(|value| value["key"] == "s3.exports");
    assert!(exports.is_some_and(|exports| exports["value"].to_string().contains("acme-exports")), "{shown}");
    aws.fault("DescribeReportDefinitions", Fault::Error(400, "AccessDeniedException", "no"));
    let partly = with_aws(&sandbox, &aws, &["ingest", "--discover"]);
    assert_eq!(partly.code, 3, "{partly}");
    assert!(partly.stdout.contains("acme-exports"), "{partly}");
}

#[test]
fn the_table_of_services_is_the_measured_one() {
    let Some(path) = shared("ce_service_map.csv") else { return };
    let ours = include_str!("../../src/sources/cost_explorer/services.csv");
    let mut reader = csv::Reader::from_path(path).expect("the map");
    let mut rows: Vec<(String, String)> = reader
        .records()
        .map(|record| record.expect("a record"))
        .map(|record| (record[0].to_owned(), record[1].to_owned()))
        .filter(|(_, code)| !code.is_empty())
        .collect();
    rows.sort();
    let mut own = csv::Reader::from_reader(ours.as_bytes());
    let own: Vec<(String, String)> = own
        .records()
        .map(|record| record.expect("a record"))
        .map(|record| (record[0].to_owned(), record[1].to_owned()))
        .collect();
    assert_eq!(own, rows);
}
