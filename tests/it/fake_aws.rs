//! AWS over real HTTP. What others wrote as a server (S3, by moto) is passed on to it; Cost Explorer, STS,
//! Organizations and the lists of reports are answered here, after what came was checked. Faults are put in
//! on purpose.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex, OnceLock},
    thread,
    time::Duration,
};

use chrono::{Datelike, Days, Months, NaiveDate};
use serde_json::{Value, json};

use crate::{
    http::{self, Answer, Incoming},
    servers::python,
};

/// The account of the credentials.
pub(crate) const PAYER: &str = "111122223333";

/// Keys that must appear nowhere.
pub(crate) const SECRET: &str = "wJalrXUtnFEMIK7MDENGbPxRfiCYSECRETKEY";

/// What goes wrong with a request.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// An error with this status, code and message.
    Error(u16, &'static str, &'static str),
    /// No answer for so long.
    Hang(Duration),
    /// The connection is reset after half of the body.
    Reset,
    /// The body is shorter than said.
    Truncated,
    /// A byte of the body is another.
    Corrupted,
    /// Every time of last modification is a century later.
    Newer,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// `GetCostAndUsage`, or `GET` and the like of S3.
    pub operation: String,
    pub path: String,
    pub headers: HashMap<String, String>,
    pub body: Value,
}

struct State {
    requests: Vec<Request>,
    violations: Vec<String>,
    /// Faults by a part of the operation and path, each used up once.
    faults: VecDeque<(String, Fault)>,
    /// Parameters that a page token was given for.
    tokens: HashMap<String, (Value, usize)>,
    page_size: usize,
    /// A factor on all costs, for months that AWS restates.
    factor: f64,
    /// The day from which costs are estimated.
    estimated_from: NaiveDate,
    bytes_of_objects: u64,
    /// The account that the credentials are said to be of.
    caller: String,
    /// The one account that Cost Explorer shows.
    only_account: Option<String>,
    /// Whether the next answer is a page without groups, with a token for the first that has some.
    empty_first_page: bool,
    /// The operation that fails from this request on.
    fails_from: Option<(String, usize)>,
}

pub(crate) struct FakeAws {
    pub url: String,
    state: Arc<Mutex<State>>,
}

/// One service and account of the bill that Cost Explorer has.
const BILL: [(&str, &str, &str, &str, f64); 9] = [
    ("Amazon Elastic Compute Cloud - Compute", PAYER, "us-east-1", "Usage", 120.0),
    ("Amazon Elastic Compute Cloud - Compute", "011254002932", "eu-west-1", "Usage", 41.5),
    ("EC2 - Other", PAYER, "us-east-1", "Usage", 17.25),
    ("AWS Key Management Service", "011254002932", "eu-west-1", "Usage", 0.1234567891),
    ("Claude 3 Haiku (Amazon Bedrock Edition)", PAYER, "us-east-1", "Usage", 3.0),
    ("Amazon Elastic Compute Cloud - Compute", PAYER, "us-east-1", "Credit", -20.0),
    ("Amazon Simple Storage Service", PAYER, "", "Usage", 9.0),
    ("Savings Plans for AWS Compute usage", PAYER, "global", "SavingsPlanRecurringFee", 24.0),
    ("Tax", PAYER, "global", "Tax", 5.0),
];

/// What the bill has of a day.
fn amount(daily: f64, day: NaiveDate, factor: f64) -> f64 {
    let wave = f64::from((day - NaiveDate::MIN).num_days() as i32 % 7) / 100.0;
    (daily * (1.0 + wave) * factor * 1e10).round() / 1e10
}

/// The sum that Cost Explorer has of some days, in its own order.
pub(crate) fn billed(from: &str, to: &str, matches: impl Fn(&str, &str, &str) -> bool) -> f64 {
    let (from, to): (NaiveDate, NaiveDate) = (from.parse().expect("a date"), to.parse().expect("a date"));
    let days = from.iter_days().take_while(|day| *day <= to);
    days.flat_map(|day| BILL.iter().map(move |line| (day, line)))
        .filter(|(_, (service, account, _, record_type, _))| matches(service, account, record_type))
        .map(|(day, (.., daily))| amount(*daily, day, 1.0))
        .sum()
}

impl FakeAws {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let state = Arc::new(Mutex::new(State {
            requests: Vec::new(),
            violations: Vec::new(),
            faults: VecDeque::new(),
            tokens: HashMap::new(),
            page_size: 10_000,
            factor: 1.0,
            estimated_from: NaiveDate::MAX,
            bytes_of_objects: 0,
            caller: PAYER.to_owned(),
            only_account: None,
            empty_first_page: false,
            fails_from: None,
        }));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                thread::spawn(move || serve(stream, &state));
            }
        });
        Self { url, state }
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().expect("the state"))
    }

    /// Puts in a fault for the next request whose operation and path contain `what`; those for a further page
    /// end in ` page`.
    pub(crate) fn fault(&self, what: &str, fault: Fault) {
        self.with(|state| state.faults.push_back((what.to_owned(), fault)));
    }

    pub(crate) fn clear_faults(&self) {
        self.with(|state| {
            state.faults.clear();
            state.fails_from = None;
        });
    }

    /// Lets every request of an operation fail from the `number`th on.
    pub(crate) fn fail_from(&self, operation: &str, number: usize) {
        self.with(|state| state.fails_from = Some((operation.to_owned(), number)));
    }

    /// Lets Cost Explorer show one account, as to the credentials of a member.
    pub(crate) fn only_account(&self, account: Option<&str>) {
        self.with(|state| state.only_account = account.map(str::to_owned));
    }

    pub(crate) fn page_size(&self, groups: usize) {
        self.with(|state| state.page_size = groups);
    }

    /// Lets the next answer be a page without groups.
    pub(crate) fn empty_first_page(&self) {
        self.with(|state| state.empty_first_page = true);
    }

    pub(crate) fn restate(&self, factor: f64) {
        self.with(|state| state.factor = factor);
    }

    /// Lets the credentials be of another account.
    pub(crate) fn caller(&self, account: &str) {
        self.with(|state| state.caller = account.to_owned());
    }

    pub(crate) fn estimated_from(&self, day: &str) {
        self.with(|state| state.estimated_from = day.parse().expect("a date"));
    }

    /// Requests so far whose operation is this.
    pub(crate) fn count(&self, operation: &str) -> usize {
        self.with(|state| state.requests.iter().filter(|request| request.operation == operation).count())
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.with(|state| state.requests.clone())
    }

    /// Bytes of bills that S3 has handed out.
    pub(crate) fn bytes_of_objects(&self) -> u64 {
        self.with(|state| state.bytes_of_objects)
    }

    /// The variables that lead the program here.
    pub(crate) fn environment(&self, command: &mut Command) {
        command.env("AWS_ENDPOINT_URL", &self.url).env("AWS_REGION", "us-east-1");
        command.env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE").env("AWS_SECRET_ACCESS_KEY", SECRET);
        command.env("AWS_EC2_METADATA_DISABLED", "true");
    }
}

impl Drop for FakeAws {
    fn drop(&mut self) {
        let violations = self.with(|state| std::mem::take(&mut state.violations));
        if !thread::panicking() {
            assert_eq!(violations, Vec::<String>::new(), "what was sent is not what AWS takes");
        }
    }
}

fn serve(mut stream: TcpStream, state: &Mutex<State>) {
    let Some(Incoming { method, path, headers, body: bytes }) = http::read(&stream) else { return };
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let target = headers.get("x-amz-target").and_then(|target| target.rsplit('.').next()).map(str::to_owned);
    let is_sts = text.starts_with("Action=");
    let operation = target.unwrap_or_else(|| {
        if is_sts {
            text.trim_start_matches("Action=").split('&').next().unwrap_or_default().to_owned()
        } else {
            method.clone()
        }
    });
    let is_s3 = ["GET", "HEAD", "PUT"].contains(&operation.as_str());
    let body = serde_json::from_str(&text).unwrap_or(Value::Null);
    let request = Request { operation, path, headers, body };
    let fault = {
        let mut state = state.lock().expect("the state");
        state.requests.push(request.clone());
        check_signature(&request, &mut state);
        let page = if request.body["NextPageToken"].is_string() { " page" } else { "" };
        let name = format!("{} {}{page}", request.operation, request.path);
        let index = state.faults.iter().position(|(what, _)| name.contains(what.as_str()));
        let fault = index.and_then(|index| state.faults.remove(index)).map(|(_, fault)| fault);
        let number = state.requests.iter().filter(|other| other.operation == request.operation).count();
        let fails = state.fails_from.as_ref().is_some_and(|(name, from)| *name == request.operation && number >= *from);
        fault.or_else(|| fails.then_some(Fault::Error(500, "InternalFailure", "no luck")))
    };
    match &fault {
        Some(Fault::Error(status, code, message)) => {
            let answer = if is_s3 || is_sts {
                let error = format!("<Code>{code}</Code><Message>{message}</Message>");
                let body = if is_sts {
                    format!(
                        "<ErrorResponse><Error><Type>Sender</Type>{error}</Error><RequestId>1</RequestId></ErrorResponse>"
                    )
                } else {
                    format!("<Error>{error}</Error>")
                };
                Answer { status: *status, ..Answer::xml(body) }
            } else {
                Answer { status: *status, ..Answer::json(&json!({"__type": code, "message": message})) }
            };
            send(&mut stream, &answer, None);
            return;
        }
        Some(Fault::Hang(duration)) => {
            thread::sleep(*duration);
            return;
        }
        _ => {}
    }
    let answer = if is_s3 { forward(&request, state) } else { answer(&request, &mut state.lock().expect("the state")) };
    send(&mut stream, &answer, fault.as_ref());
}

fn send(stream: &mut TcpStream, answer: &Answer, fault: Option<&Fault>) {
    let mut body = answer.body.clone();
    match fault {
        Some(Fault::Reset | Fault::Truncated) => body.truncate(body.len() / 2),
        Some(Fault::Corrupted) => {
            let middle = body.len() / 2;
            if let Some(byte) = body.get_mut(middle) {
                *byte ^= 0x55;
            }
        }
        Some(Fault::Newer) => {
            body = String::from_utf8_lossy(&body).replace("<LastModified>20", "<LastModified>21").into_bytes();
        }
        _ => {}
    }
    if matches!(fault, Some(Fault::Reset)) {
        // Without lingering the end of the connection is a reset.
        let _ = socket2::SockRef::from(&*stream).set_linger(Some(Duration::ZERO));
    }
    http::write(stream, answer, &body);
    if matches!(fault, Some(Fault::Reset)) {
        // What was sent has time to arrive.
        thread::sleep(Duration::from_millis(100));
    }
}

fn check_signature(request: &Request, state: &mut State) {
    let service = match request.operation.as_str() {
        "GetCostAndUsage" | "GetDimensionValues" => "ce",
        "GetCallerIdentity" | "AssumeRole" => "sts",
        "ListAccounts" => "organizations",
        "DescribeReportDefinitions" => "cur",
        "ListExports" | "GetExport" => "bcm-data-exports",
        "DescribeBudgets" | "DescribeNotificationsForBudget" => "budgets",
        _ => "s3",
    };
    let authorization = request.headers.get("authorization").cloned().unwrap_or_default();
    let scope = format!("/us-east-1/{service}/aws4_request");
    if !authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIA") || !authorization.contains(&scope) {
        state.violations.push(format!("{} is not signed for {service}: `{authorization}`", request.operation));
    }
}

fn answer(request: &Request, state: &mut State) -> Answer {
    match request.operation.as_str() {
        "AssumeRole" => Answer::xml(
            "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><Credentials>\
             <AccessKeyId>AKIAROLEOFTHEBILL000</AccessKeyId><SecretAccessKey>role</SecretAccessKey><SessionToken>token</SessionToken>\
             <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials><AssumedRoleUser><AssumedRoleId>A:b</AssumedRoleId>\
             <Arn>arn:aws:sts::111122223333:assumed-role/billing/x</Arn></AssumedRoleUser></AssumeRoleResult></AssumeRoleResponse>",
        ),
        "GetCallerIdentity" => Answer::xml(format!(
            "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
             <Arn>arn:aws:iam::{0}:user/finops</Arn><UserId>AIDA</UserId><Account>{0}</Account>\
             </GetCallerIdentityResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></GetCallerIdentityResponse>",
            state.caller
        )),
        "GetCostAndUsage" => get_cost_and_usage(&request.body, state),
        "GetDimensionValues" => {
            check_interval(&request.body, state);
            let values =
                ["eu-west-1", "us-east-1", "global", ""].map(|region| json!({"Value": region, "Attributes": {}}));
            Answer::json(&json!({"DimensionValues": values, "ReturnSize": 4, "TotalSize": 4}))
        }
        // The first page is empty, as AWS's may be.
        "ListAccounts" => match request.body["NextToken"].as_str() {
            None => Answer::json(&json!({"Accounts": [], "NextToken": "more"})),
            Some(_) => Answer::json(&json!({"Accounts": [{"Id": PAYER, "Name": "acme-payer"}]})),
        },
        "DescribeReportDefinitions" => Answer::json(&json!({"ReportDefinitions": [{
            "ReportName": "hourly", "TimeUnit": "HOURLY", "Format": "Parquet", "Compression": "Parquet",
            "AdditionalSchemaElements": ["RESOURCES"], "S3Bucket": "acme-cur", "S3Prefix": "cur", "S3Region": "eu-west-1"}]})),
        "ListExports" => Answer::json(&json!({"Exports": [
            {"ExportArn": "arn:aws:bcm-data-exports:us-east-1:111122223333:export/daily-1", "ExportName": "daily",
             "ExportStatus": {"StatusCode": "HEALTHY"}},
            {"ExportArn": "arn:aws:bcm-data-exports:us-east-1:111122223333:export/tips-2", "ExportName": "tips",
             "ExportStatus": {"StatusCode": "HEALTHY"}}]})),
        "GetExport" => {
            let tips = request.body["ExportArn"].as_str().is_some_and(|arn| arn.contains("tips"));
            let (name, table) =
                if tips { ("tips", "COST_OPTIMIZATION_RECOMMENDATIONS") } else { ("daily", "COST_AND_USAGE_REPORT") };
            Answer::json(&json!({"Export": {
                "Name": name, "DataQuery": {"QueryStatement": format!("SELECT * FROM {table}")},
                "DestinationConfigurations": {"S3Destination": {"S3Bucket": "acme-exports", "S3Prefix": "exports", "S3Region": "us-east-1",
                    "S3OutputConfigurations": {"OutputType": "CUSTOM", "Format": "PARQUET", "Compression": "PARQUET", "Overwrite": "OVERWRITE_REPORT"}}},
                "RefreshCadence": {"Frequency": "SYNCHRONOUS"}}, "ExportStatus": {"StatusCode": "HEALTHY"}}))
        }
        "DescribeBudgets" => describe_budgets(&request.body, state),
        "DescribeNotificationsForBudget" => {
            check_account(&request.body, state);
            let own = json!([
                {"NotificationType": "ACTUAL", "ComparisonOperator": "GREATER_THAN", "Threshold": 80.0, "ThresholdType": "PERCENTAGE"},
                {"NotificationType": "FORECASTED", "ComparisonOperator": "GREATER_THAN", "Threshold": 21000.0, "ThresholdType": "ABSOLUTE_VALUE"},
                {"NotificationType": "ACTUAL", "ComparisonOperator": "LESS_THAN", "Threshold": 10.0}]);
            let is_told = request.body["BudgetName"] == "production";
            Answer::json(&json!({"Notifications": if is_told { own } else { json!([]) }}))
        }
        other => {
            state.violations.push(format!("nobody asks AWS for `{other}`"));
            Answer { status: 400, ..Answer::json(&json!({"__type": "UnknownOperationException"})) }
        }
    }
}

fn check_account(body: &Value, state: &mut State) {
    if body["AccountId"] != PAYER {
        state.violations.push(format!("budgets of the account {}", body["AccountId"]));
    }
}

/// Two pages, as AWS gives them: <https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_DescribeBudgets.html>.
fn describe_budgets(body: &Value, state: &mut State) -> Answer {
    check_account(body, state);
    if !body["MaxResults"].as_u64().is_some_and(|count| (1..=1000).contains(&count)) {
        state.violations.push(format!("a page of {} budgets", body["MaxResults"]));
    }
    let spend = |amount: &str| json!({"Amount": amount, "Unit": "USD"});
    match body["NextToken"].as_str() {
        None => Answer::json(&json!({"NextToken": "more", "Budgets": [
            {"BudgetName": "production", "BudgetType": "COST", "TimeUnit": "MONTHLY", "BudgetLimit": spend("20000.0"),
             "CostFilters": {"LinkedAccount": ["222222222222"], "Service": ["Amazon Elastic Compute Cloud - Compute"],
                "TagKeyValue": ["user:team$payments"], "InvoicingEntity": ["x"]},
             "CostTypes": {"IncludeTax": false, "IncludeCredit": false, "IncludeRefund": false, "IncludeSupport": false,
                "UseAmortized": true, "UseBlended": false}},
            {"BudgetName": "hours", "BudgetType": "USAGE", "TimeUnit": "MONTHLY", "BudgetLimit": {"Amount": "1", "Unit": "Hours"}}]})),
        Some("more") => Answer::json(&json!({"Budgets": [
            {"BudgetName": "fiscal", "BudgetType": "COST", "TimeUnit": "ANNUALLY", "BudgetLimit": spend("300000"),
             "TimePeriod": {"Start": 1_769_904_000, "End": 3_706_473_600_u64}, "Metrics": ["NetUnblendedCost"],
             "FilterExpression": {"And": [
                {"Dimensions": {"Key": "REGION", "Values": ["eu-west-1", "us-east-1"]}},
                {"Not": {"Tags": {"Key": "team", "Values": ["sandbox"]}}}]}},
            {"BudgetName": "grown", "BudgetType": "COST", "TimeUnit": "MONTHLY", "BudgetLimit": spend("5"),
             "AutoAdjustData": {"AutoAdjustType": "HISTORICAL", "HistoricalOptions": {"BudgetAdjustmentPeriod": 3}}},
            {"BudgetName": "planned", "BudgetType": "COST", "TimeUnit": "MONTHLY",
             "PlannedBudgetLimits": {"1793491200": spend("100"), "1796083200": spend("120.5")}}]})),
        Some(other) => {
            state.violations.push(format!("a page of budgets after {other}"));
            Answer { status: 400, ..Answer::json(&json!({"__type": "InvalidNextTokenException"})) }
        }
    }
}

fn check_interval(body: &Value, state: &mut State) -> Option<(NaiveDate, NaiveDate)> {
    let date = |key: &str| body["TimePeriod"][key].as_str().and_then(|day| day.parse::<NaiveDate>().ok());
    let interval = date("Start").zip(date("End")).filter(|(start, end)| start < end);
    if interval.is_none() {
        state.violations.push(format!("the time period {} is none", body["TimePeriod"]));
    }
    interval
}

const METRICS: [&str; 7] = [
    "AmortizedCost",
    "BlendedCost",
    "NetAmortizedCost",
    "NetUnblendedCost",
    "NormalizedUsageAmount",
    "UnblendedCost",
    "UsageQuantity",
];

/// Values of RECORD_TYPE, in Cost Explorer's words and in those of CUR's line items.
const RECORD_TYPES: [&str; 20] = [
    "Tax",
    "Credit",
    "Refund",
    "Recurring",
    "Upfront",
    "RIFee",
    "Fee",
    "SavingsPlanRecurringFee",
    "SavingsPlanUpfrontFee",
    "FlatRateSubscription",
    "Discount",
    "BundledDiscount",
    "EdpDiscount",
    "Enterprise Discount Program Discount",
    "PrivateRateDiscount",
    "Private Rate Discount",
    "RiVolumeDiscount",
    "SppDiscount",
    "Solution Provider Program Discount",
    "DistributorDiscount",
];

fn get_cost_and_usage(body: &Value, state: &mut State) -> Answer {
    let refuse = |code: &str, message: &str| Answer {
        status: 400,
        ..Answer::json(&json!({"__type": code, "message": message}))
    };
    let Some((start, end)) = check_interval(body, state) else { return refuse("ValidationException", "dates") };
    let groups = body["GroupBy"].as_array().cloned().unwrap_or_default();
    if groups.len() > 2 {
        state.violations.push("more than two groups".into());
    }
    let by_month = body["Granularity"] == "MONTHLY";
    if !by_month && body["Granularity"] != "DAILY" {
        state.violations.push(format!("granularity {}", body["Granularity"]));
    }
    for metric in body["Metrics"].as_array().into_iter().flatten() {
        if !METRICS.iter().any(|known| metric == known) {
            state.violations.push(format!("metric {metric}"));
        }
    }
    check_filter(&body["Filter"], state);
    let mut parameters = body.clone();
    if let Some(object) = parameters.as_object_mut() {
        object.remove("NextPageToken");
    }
    let mut from = 0;
    if let Some(token) = body["NextPageToken"].as_str() {
        match state.tokens.remove(token) {
            None => return refuse("InvalidNextTokenException", "the token is not valid"),
            Some((given_for, _)) if given_for != parameters => {
                state.violations.push("a page is asked for with other parameters".into());
                return refuse("RequestChangedException", "the request changed");
            }
            Some((_, index)) => from = index,
        }
    }
    let names: Vec<&str> = groups.iter().map(|group| group["Key"].as_str().unwrap_or_default()).collect();
    if names.iter().any(|name| !["SERVICE", "LINKED_ACCOUNT", "REGION"].contains(name)) {
        state.violations.push(format!("groups {names:?}"));
    }
    let mut sums: BTreeMap<(NaiveDate, Vec<&str>), f64> = BTreeMap::new();
    for day in start.iter_days().take_while(|day| *day < end) {
        for (service, account, region, record_type, daily) in BILL {
            let shown = state.only_account.as_deref().is_none_or(|only| only == account);
            if shown && passes(&body["Filter"], region, record_type) {
                let key = names.iter().map(|name| match *name {
                    "SERVICE" => service,
                    "LINKED_ACCOUNT" => account,
                    _ => region,
                });
                let first = if by_month { day.with_day(1).expect("a day").max(start) } else { day };
                *sums.entry((first, key.collect())).or_default() += amount(daily, day, state.factor);
            }
        }
    }
    let all: Vec<_> = sums.into_iter().map(|((day, key), cost)| (day, key, cost)).collect();
    let page_size = if std::mem::take(&mut state.empty_first_page) { 0 } else { state.page_size };
    let page: Vec<_> = all.iter().skip(from).take(page_size).collect();
    let mut answer = json!({"GroupDefinitions": groups, "DimensionValueAttributes": [
        {"Value": PAYER, "Attributes": {"description": "payer of old"}},
        {"Value": "011254002932", "Attributes": {"description": "zero, leading"}}]});
    let mut results: BTreeMap<NaiveDate, Vec<Value>> = BTreeMap::new();
    for (day, keys, cost) in page {
        let mut metrics = serde_json::Map::new();
        for metric in body["Metrics"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let (amount, unit) = if metric == "UsageQuantity" { (1.5, "N/A") } else { (*cost, "USD") };
            metrics.insert(metric.into(), json!({"Amount": format!("{amount:.10}"), "Unit": unit}));
        }
        results.entry(*day).or_default().push(json!({"Keys": keys, "Metrics": metrics}));
    }
    let estimated_from = state.estimated_from;
    answer["ResultsByTime"] = results
        .into_iter()
        .map(|(day, groups)| {
            let next =
                if by_month { (day.with_day(1).expect("a day") + Months::new(1)).min(end) } else { day + Days::new(1) };
            json!({"TimePeriod": {"Start": day.to_string(), "End": next.to_string()}, "Total": {},
                   "Groups": groups, "Estimated": day >= estimated_from})
        })
        .collect();
    let next = from + page_size;
    if next < all.len() {
        let token = format!("token-{}", state.requests.len());
        state.tokens.insert(token.clone(), (parameters, next));
        answer["NextPageToken"] = json!(token);
    }
    Answer::json(&answer)
}

fn check_filter(filter: &Value, state: &mut State) {
    let Some(filter) = filter.as_object() else { return };
    if filter.len() != 1 {
        state.violations.push(format!("a filter has one root: {filter:?}"));
    }
    for (key, value) in filter {
        match key.as_str() {
            "And" if value.as_array().is_some_and(|parts| parts.len() > 1) => {
                value.as_array().into_iter().flatten().for_each(|part| check_filter(part, state));
            }
            "Not" => check_filter(value, state),
            "Dimensions" => {
                let key = value["Key"].as_str().unwrap_or_default();
                let values = value["Values"].as_array().cloned().unwrap_or_default();
                let some = !values.is_empty();
                for value in values
                    .iter()
                    .filter(|value| key == "RECORD_TYPE" && !RECORD_TYPES.iter().any(|known| value == known))
                {
                    state.violations.push(format!("RECORD_TYPE {value}"));
                }
                if !["RECORD_TYPE", "REGION"].contains(&key) || !some {
                    state.violations.push(format!("filter {value}"));
                }
            }
            other => state.violations.push(format!("filter {other}")),
        }
    }
}

fn passes(filter: &Value, region: &str, record_type: &str) -> bool {
    let Some((key, value)) = filter.as_object().and_then(|filter| filter.iter().next()) else { return true };
    match key.as_str() {
        "And" => value.as_array().into_iter().flatten().all(|part| passes(part, region, record_type)),
        "Not" => !passes(value, region, record_type),
        _ => {
            let own = if value["Key"] == "REGION" { region } else { record_type };
            value["Values"].as_array().into_iter().flatten().any(|wanted| wanted == own)
        }
    }
}

/// Passes a request on to moto.
fn forward(request: &Request, state: &Mutex<State>) -> Answer {
    let Some(moto) = moto() else { return Answer { status: 500, ..Answer::xml("<Error><Code>NoMoto</Code></Error>") } };
    let keep =
        ["host", "range", "if-match", "x-amz-request-payer", "authorization", "x-amz-date", "x-amz-content-sha256"];
    let headers: Vec<(String, String)> = request
        .headers
        .iter()
        .filter(|(name, _)| keep.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let answer = exchange(moto, &request.operation, &request.path, &headers, &[]);
    let is_object = !request.path.contains("list-type") && !request.path.contains("-Manifest.json");
    if is_object && answer.status < 300 {
        state.lock().expect("the state").bytes_of_objects += answer.body.len() as u64;
    }
    answer
}

fn exchange(address: &str, method: &str, path: &str, headers: &[(String, String)], body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).expect("moto answers");
    let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += "\r\n";
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).expect("moto takes it");
    let mut all = Vec::new();
    stream.read_to_end(&mut all).expect("moto's answer");
    let end = all.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8_lossy(&all[..end]).into_owned();
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).expect("a status");
    let pass = [
        "etag",
        "content-range",
        "content-type",
        "last-modified",
        "x-amz-bucket-region",
        "x-amz-server-side-encryption",
    ];
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()));
    let headers: Vec<_> = headers.filter(|(name, _)| pass.contains(&name.as_str())).collect();
    Answer { status, headers, body: all[end + 4..].to_vec() }
}

/// The address of a moto server that all tests share, or `None` with a word on stderr where there is no moto.
pub(crate) fn moto() -> Option<&'static str> {
    static ADDRESS: OnceLock<Option<String>> = OnceLock::new();
    ADDRESS.get_or_init(start_moto).as_deref()
}

/// scripts/test.sh installs moto beside the build.
fn start_moto() -> Option<String> {
    let python = python("S3")?;
    // It ends when its standard input does, which is when the tests end.
    let program = "import sys, logging; logging.disable(logging.CRITICAL)\n\
                   from moto.server import ThreadedMotoServer\n\
                   server = ThreadedMotoServer(ip_address='127.0.0.1', port=0, verbose=False); server.start()\n\
                   print(server.get_host_and_port()[1], flush=True); sys.stdin.read()";
    let mut child = Command::new(python)
        .args(["-c", program])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("python runs");
    let mut port = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut port).expect("a port");
    // Kept open until the process ends.
    std::mem::forget(child);
    Some(format!("127.0.0.1:{}", port.trim()))
}

/// A bucket of a test's own.
pub(crate) struct TestBucket {
    pub name: String,
}

impl TestBucket {
    /// Makes a bucket, where there is a server for it.
    pub(crate) fn new(name: &str) -> Option<Self> {
        let bucket = Self { name: name.to_owned() };
        let answer = exchange(moto()?, "PUT", &format!("/{name}"), &signed(), &[]);
        assert!(answer.status < 300, "{}", String::from_utf8_lossy(&answer.body));
        Some(bucket)
    }

    pub(crate) fn put(&self, key: &str, body: &[u8]) {
        let path = format!("/{}/{}", self.name, key.replace('=', "%3D").replace(':', "%3A"));
        let answer = exchange(moto().expect("moto"), "PUT", &path, &signed(), body);
        assert!(answer.status < 300, "{key}: {}", String::from_utf8_lossy(&answer.body));
    }

    /// Puts an object in two parts, so that its ETag is no MD5.
    pub(crate) fn put_in_parts(&self, key: &str, body: &[u8]) {
        let address = moto().expect("moto");
        let path = format!("/{}/{}", self.name, key.replace('=', "%3D"));
        let begun = exchange(address, "POST", &format!("{path}?uploads"), &signed(), &[]);
        let text = String::from_utf8_lossy(&begun.body).into_owned();
        let id = text
            .split("<UploadId>")
            .nth(1)
            .and_then(|rest| rest.split("</UploadId>").next())
            .expect("an id")
            .to_owned();
        // All parts but the last have at least 5 MB.
        let mut parts = String::new();
        let padded = body.len().min(5 << 20);
        for (number, part) in
            [&body[..padded], &body[padded..]].into_iter().enumerate().filter(|(_, part)| !part.is_empty())
        {
            let number = number + 1;
            let put = exchange(address, "PUT", &format!("{path}?partNumber={number}&uploadId={id}"), &signed(), part);
            let etag = put.headers.iter().find(|(name, _)| name == "etag").expect("an ETag").1.clone();
            parts += &format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
        }
        let body = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
        let done = exchange(address, "POST", &format!("{path}?uploadId={id}"), &signed(), body.as_bytes());
        assert!(done.status < 300, "{}", String::from_utf8_lossy(&done.body));
    }

    pub(crate) fn delete(&self, key: &str) {
        let path = format!("/{}/{}", self.name, key.replace('=', "%3D").replace(':', "%3A"));
        let answer = exchange(moto().expect("moto"), "DELETE", &path, &signed(), &[]);
        assert!(answer.status < 300, "{key}: {}", String::from_utf8_lossy(&answer.body));
    }

    /// Uploads a folder; manifests then name this bucket.
    pub(crate) fn upload(&self, folder: &Path) {
        let mut folders = vec![folder.to_owned()];
        let mut files = Vec::new();
        while let Some(next) = folders.pop() {
            for entry in std::fs::read_dir(next).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() { folders.push(path) } else { files.push(path) }
            }
        }
        // AWS writes the manifest last.
        files.sort_by_key(|path| path.extension().is_some_and(|extension| extension == "json"));
        for path in files {
            let key = path.strip_prefix(folder).expect("below").to_string_lossy().into_owned();
            let mut bytes = std::fs::read(&path).expect("a file");
            if key.ends_with(".json") {
                let text = String::from_utf8(bytes).expect("text");
                let start = text.find("s3://").map(|start| start + 5);
                let former = start.and_then(|start| Some(text[start..].split('/').next()?.to_owned()));
                bytes = former
                    .map_or(text.clone(), |former| {
                        text.replace(&format!("s3://{former}/"), &format!("s3://{}/", self.name))
                    })
                    .into_bytes();
            }
            self.put(&key, &bytes);
        }
    }
}

/// Asks moto for an action of AWS Budgets.
pub(crate) fn moto_budgets(action: &str, body: &Value) -> Option<String> {
    let address = moto()?;
    let credential =
        "AWS4-HMAC-SHA256 Credential=AKIATEST/20260101/us-east-1/budgets/aws4_request, SignedHeaders=host, Signature=0";
    let headers = [
        ("host", "budgets.amazonaws.com"),
        ("authorization", credential),
        ("content-type", "application/x-amz-json-1.1"),
        ("x-amz-target", &format!("AWSBudgetServiceGateway.{action}")),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let answer = exchange(address, "POST", "/", &headers, body.to_string().as_bytes());
    assert!(answer.status < 300, "{action}: {}", String::from_utf8_lossy(&answer.body));
    Some(format!("http://{address}"))
}

/// moto wants to see a service in the signature, and believes it.
fn signed() -> Vec<(String, String)> {
    let credential =
        "AWS4-HMAC-SHA256 Credential=AKIATEST/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";
    vec![("host".into(), "s3.amazonaws.com".into()), ("authorization".into(), credential.into())]
}
