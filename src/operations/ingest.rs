use std::path::PathBuf;

use chrono::{Days, NaiveDate};
use clap::{Args, ValueEnum};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Effect, Header, Operation, Session, saved_mapping};
use crate::{
    error::{Error, Result},
    ingest::{
        Done, Outcome, Request, containers,
        cost_explorer::{self, Span},
        ingest, model_vendors, s3,
    },
    model::{Day, Month, Period, source},
    sources::{
        self,
        aws::Aws,
        containers::{Container, Place},
        cost_explorer::Detail,
        dates::DateOrder,
        mapping::{Assignment, Mapping},
        model_vendors::{Api, Vendor},
        numbers::Decimal,
        s3::{Bucket, Export},
    },
    store::{Store, accounts::NameSource},
};

/// Read bills into the database: from disk, from buckets, from Cost Explorer, or from vendors of models
///
/// PATH is a file, a folder or a quoted pattern: CUR, CUR 2.0, FOCUS, exports of Azure and Google Cloud, or a plain table with
/// `date` and `cost`, as parquet, CSV or JSON lines (also .gz, .zip, .bz2, .zst); or s3://bucket/prefix,
/// gs://bucket/prefix, az://container/prefix. Folders and buckets as AWS and Azure lay them out are read by their manifests. A billing period is replaced whole, or not at all.
///
/// Without PATH the exports of the configuration (`s3`, `buckets`) are read: what changed since the last time is fetched.
/// `--source cost-explorer` needs no export; each request costs $0.01, and `--dry-run` tells how many. `--source openai`,
/// `anthropic` and `litellm` ask their cost APIs, for nothing, with the key that `vendors` of the configuration names.
#[derive(Args, Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
pub struct IngestBills {
    /// Bills: files, folders, quoted patterns, or s3://bucket/prefix, gs://bucket/prefix, https://ACCOUNT.blob.core.windows.net/CONTAINER/PREFIX
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,

    /// Where bills come from when no PATH is named
    #[arg(long, value_enum, value_name = "SOURCE", conflicts_with = "paths")]
    pub source: Option<Source>,

    /// First day to fetch; of buckets, the billing periods from this day on
    #[arg(long, value_name = "DATE")]
    pub from: Option<Day>,

    /// Last day to fetch, itself included
    #[arg(long, value_name = "DATE")]
    pub to: Option<Day>,

    /// Only say what would be fetched, and what it costs
    #[arg(long)]
    pub dry_run: bool,

    /// Load again what is current already, and replace whatever is stored of the same accounts and files
    #[arg(long)]
    pub full_refresh: bool,

    /// How files on disk are read.
    #[command(flatten, next_help_heading = "Files on disk")]
    #[serde(flatten)]
    pub files: FileOptions,

    /// What is read of buckets.
    #[command(flatten, next_help_heading = "Buckets (S3)")]
    #[serde(flatten)]
    pub bucket: BucketOptions,

    /// What Cost Explorer is asked.
    #[command(flatten, next_help_heading = "Cost Explorer")]
    #[serde(flatten)]
    pub explorer: ExplorerOptions,

    /// Take this day for today
    #[arg(long, value_name = "DATE", help_heading = "Options")]
    pub as_of: Option<Day>,
}

/// How files on disk are read.
#[derive(Args, Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
pub struct FileOptions {
    /// Take the files for this format, whatever their columns
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format_hint: Option<sources::Format>,

    /// Name under which plain CSV files are kept
    #[arg(long, value_name = "NAME", value_parser = data_source_name)]
    pub data_source: Option<String>,

    /// Count the files beside what is stored of the same months: parts of a bill one by one. Lines that are there
    /// already are not counted again
    #[arg(long, conflicts_with = "full_refresh")]
    pub add: bool,

    /// Column of plain CSV files that is a field, such as date=UsageDay, or currency:=EUR for all rows; repeatable
    ///
    /// Fields are date, cost, currency, account, account_name, payer_account_id, service, region, usage_type, operation,
    /// resource, usage_amount, usage_unit, description, charge_category, line_item_type, purchase_option, provider,
    /// invoice_id, tags and tag_KEY.
    #[arg(long, value_name = "FIELD=COLUMN")]
    pub map: Vec<Assignment>,

    /// Read plain CSV files by this mapping of the configuration, and keep them under its name
    #[arg(long, value_name = "NAME", conflicts_with = "save_mapping")]
    pub mapping: Option<String>,

    /// Write what `--map`, `--date-order` and `--decimal` say into the configuration once the files are read
    #[arg(long, value_name = "NAME", value_parser = data_source_name, requires = "map")]
    pub save_mapping: Option<String>,

    /// Order of dates such as 1/5/26, where a file does not decide
    #[arg(long, value_enum, value_name = "ORDER")]
    pub date_order: Option<DateOrder>,

    /// Sign before the decimals, where a file does not decide
    #[arg(long, value_enum, value_name = "SIGN")]
    pub decimal: Option<Decimal>,
}

/// What is read of buckets.
#[derive(Args, Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
pub struct BucketOptions {
    /// Only this billing period; may be given several times
    #[arg(long, value_name = "YYYY-MM")]
    pub date: Vec<Month>,
}

/// What Cost Explorer is asked.
#[derive(Args, Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
pub struct ExplorerOptions {
    /// Days to fetch, up to yesterday [default: cost_explorer.lookback_days; of vendors whole months, vendors.lookback_days]
    #[arg(long, value_name = "N", conflicts_with_all = ["from", "to"])]
    #[schemars(range(min = 1, max = 400))]
    pub days: Option<u32>,

    /// Split costs by region: one request for each region and month
    #[arg(long, value_enum, value_name = "WHAT")]
    pub split: Option<Split>,

    /// Set credits, taxes, fees and discounts apart: five requests instead of one
    #[arg(long)]
    pub charge_categories: bool,
}

/// Where bills come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The Cost Explorer API
    CostExplorer,
    /// CUR, CUR 2.0 and FOCUS exports in S3, as configured
    #[value(alias = "s3")]
    Cur,
    /// OpenAI's costs API
    #[value(name = "openai")]
    #[serde(rename = "openai")]
    OpenAi,
    /// Anthropic's cost report
    Anthropic,
    /// The daily activity of a LiteLLM proxy
    #[value(name = "litellm")]
    #[serde(rename = "litellm")]
    LiteLlm,
}

impl Source {
    fn vendor(self) -> Option<Vendor> {
        match self {
            Source::CostExplorer | Source::Cur => None,
            Source::OpenAi => Some(Vendor::OpenAi),
            Source::Anthropic => Some(Vendor::Anthropic),
            Source::LiteLlm => Some(Vendor::LiteLlm),
        }
    }
}

/// What Cost Explorer's costs are split by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    Region,
}

fn data_source_name(name: &str) -> Result<String, String> {
    let fine =
        !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_');
    match name {
        name if source::is_reserved(name) => Err("that name is a format's own".into()),
        name if fine => Ok(name.into()),
        _ => Err("use lower-case letters, digits, - and _".into()),
    }
}

/// Where to read from, after the arguments are seen to fit together.
enum From {
    Disk,
    CostExplorer,
    Buckets(Buckets),
    Vendor(Vendor),
}

/// Exports in S3, and places of other clouds.
#[derive(Default)]
struct Buckets {
    s3: Vec<Export>,
    others: Vec<Place>,
}

impl IngestBills {
    /// Bills as `ingest` takes them without options.
    pub(super) fn unattended(paths: &[PathBuf], source: Option<Source>, as_of: Option<Day>) -> Self {
        Self { paths: paths.to_vec(), source, as_of, ..Self::default() }
    }

    /// Ingests.
    ///
    /// # Errors
    /// When nothing says where the bills are, or none can be read.
    pub(super) fn fetch(&self, session: &Session) -> Result<Outcome> {
        match self.work(session)? {
            Ingestion::Done(outcome) => Ok(*outcome),
            Ingestion::Planned(_) => Err(Error::bug("an ingestion was only planned")),
        }
    }

    fn today(&self, session: &Session) -> NaiveDate {
        self.as_of.map_or(session.today(), Day::date)
    }

    fn work(&self, session: &Session) -> Result<Ingestion> {
        match from(self, session)? {
            From::Disk => self.read_files(session).map(|outcome| Ingestion::Done(Box::new(outcome))),
            From::CostExplorer => self.ask_cost_explorer(session),
            From::Buckets(buckets) => self.fetch_buckets(&buckets, session),
            From::Vendor(vendor) => self.ask_vendor(vendor, session).map(|outcome| Ingestion::Done(Box::new(outcome))),
        }
    }

    fn read_files(&self, session: &Session) -> Result<Outcome> {
        let mapping = self.mapping(session)?;
        let saving = self
            .files
            .save_mapping
            .as_ref()
            .map(|name| saved_mapping::Saving::plan(name, &mapping, session))
            .transpose()?;
        let mut store = session.store_for_loading()?;
        let name = self.files.mapping.as_ref().or(self.files.save_mapping.as_ref()).filter(|_| mapping.names_fields());
        let request = Request {
            paths: self.paths.clone(),
            format_hint: self.files.format_hint,
            data_source: self.files.data_source.as_ref().or(name).cloned(),
            mapping: (!mapping.is_empty()).then_some(mapping),
            saved_mappings: session.config().mappings.clone(),
            full_refresh: self.full_refresh,
            add: self.files.add,
            today: self.today(session),
            records: Vec::new(),
        };
        let outcome = session.watched(|watcher| ingest(&mut store, &request, watcher))?;
        if let Some(saving) = saving.filter(|_| outcome.failures.is_empty()) {
            saving.write(session)?;
        }
        Ok(outcome)
    }

    /// The mapping that the parameters name and say.
    fn mapping(&self, session: &Session) -> Result<Mapping> {
        let named =
            self.files.mapping.as_ref().map_or(Ok(Mapping::default()), |name| saved_mapping::named(name, session))?;
        let mapping = named.with(&self.files.map, self.files.date_order, self.files.decimal);
        mapping.check()?;
        if self.files.save_mapping.is_some() && !mapping.names_fields() {
            return Err(Error::usage("there is nothing to save: `--save-mapping` needs `--map FIELD=COLUMN`"));
        }
        Ok(mapping)
    }

    fn ask_cost_explorer(&self, session: &Session) -> Result<Ingestion> {
        let settings = &session.config().cost_explorer;
        let today = self.today(session);
        let yesterday = today - Days::new(1);
        let span = match (self.from, self.to) {
            (None, None) => Span::Days(self.explorer.days.unwrap_or(settings.lookback_days)),
            (None, Some(_)) => return Err(Error::usage("`--to` needs `--from`")),
            (Some(from), to) => Span::Exactly(Period { start: from.date(), end: to.map_or(yesterday, Day::date) }),
        };
        let detail = Detail {
            split_region: self.explorer.split.is_some() || settings.split_region,
            charge_categories: self.explorer.charge_categories || settings.charge_categories,
        };
        let request = cost_explorer::Request { span, detail, full_refresh: self.full_refresh, today };
        let mut store = session.store_for_loading()?;
        let aws = session.aws()?;
        // Whose the credentials are may be asked for nothing.
        let plan = cost_explorer::plan(&store, &aws.caller()?.account_id, settings, &request)?;
        if self.dry_run {
            return Ok(Ingestion::planned(Some(plan), Vec::new(), Vec::new()));
        }
        if plan.requests > plan.max_requests as usize {
            return Err(Error::usage(format!(
                "this takes at least {} requests to Cost Explorer, ${:.2}",
                plan.requests, plan.cost_usd
            ))
            .cause(format!("`cost_explorer.max_requests` is {}", plan.max_requests))
            .hint("set it higher, or ask for fewer days or less detail; nothing was asked yet"));
        }
        let outcome = session
            .watched(|watcher| cost_explorer::ingest(&mut store, aws, settings, &plan, session.today(), watcher))?;
        name_accounts(&store, aws)?;
        Ok(Ingestion::Done(Box::new(outcome)))
    }

    fn ask_vendor(&self, vendor: Vendor, session: &Session) -> Result<Outcome> {
        let settings = &session.config().vendors;
        let today = self.today(session);
        let days = self.explorer.days.unwrap_or(settings.lookback_days);
        let from = self.from.map_or_else(|| model_vendors::lookback(today, days), Day::date);
        let wanted = model_vendors::Wanted { from, full_refresh: self.full_refresh, today };
        let api = Api::new(vendor, settings)?;
        let mut store = session.store_for_loading()?;
        session.watched(|watcher| model_vendors::ingest(&mut store, &api, vendor, wanted, watcher))
    }

    fn fetch_buckets(&self, buckets: &Buckets, session: &Session) -> Result<Ingestion> {
        let database = session.database();
        let period = (self.from.is_some() || self.to.is_some()).then(|| Period {
            start: self.from.map_or(NaiveDate::MIN, Day::date),
            end: self.to.map_or(NaiveDate::MAX, Day::date),
        });
        let wanted = s3::Wanted {
            months: self.bucket.date.iter().map(|month| month.first_day()).collect(),
            period,
            full_refresh: self.full_refresh,
            today: self.today(session),
        };
        let mut store = session.store_for_loading()?;
        let mut all = Outcome::default();
        let mut planned = Vec::new();
        let mut done = Done::default();
        // Errors say whose the credentials are; S3 itself says what is wrong with them.
        let aws = if buckets.s3.is_empty() { None } else { Some(session.aws()?) };
        let _ = aws.map(Aws::caller);
        for (export, aws) in buckets.s3.iter().zip(aws.into_iter().cycle()) {
            let bucket = Bucket::new(aws, export, &database.cache_dir);
            let plan = match s3::plan(&store, &bucket, &wanted) {
                Ok(plan) => plan,
                Err(error) => {
                    all.failures.push(error);
                    continue;
                }
            };
            if self.dry_run {
                planned.extend(plan.periods.into_iter().map(|period| period.planned));
                all.failures.extend(plan.failures);
                continue;
            }
            let outcome =
                session.watched(|watcher| s3::ingest(&mut store, &bucket, plan, &wanted, &mut done, watcher))?;
            all.add(outcome);
        }
        let request = Request {
            saved_mappings: session.config().mappings.clone(),
            full_refresh: self.full_refresh,
            today: self.today(session),
            ..Request::default()
        };
        for place in &buckets.others {
            let container = Container::new(place, session.runtime()?, &database.cache_dir)?;
            let plan = match containers::plan(&store, &container, &wanted) {
                Ok(plan) => plan,
                Err(error) => {
                    all.failures.push(error);
                    continue;
                }
            };
            if self.dry_run {
                let (periods, failures) = plan.planned();
                planned.extend(periods);
                all.failures.extend(failures);
                continue;
            }
            let outcome = session
                .watched(|watcher| containers::ingest(&mut store, &container, plan, &request, &mut done, watcher))?;
            all.add(outcome);
        }
        if self.dry_run {
            return Ok(Ingestion::planned(None, planned, all.failures));
        }
        if let Some(aws) = aws {
            name_accounts(&store, aws)?;
        }
        s3::prune(&store, &database.cache_dir, database.cache_limit(), &done.unfinished)?;
        Ok(Ingestion::Done(Box::new(all)))
    }
}

/// What came of an ingestion: what would be fetched, or what was done.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(untagged)]
pub enum Ingestion {
    /// What was done.
    Done(Box<Outcome>),
    /// What would be done.
    Planned(Planned),
}

/// What would be fetched, and what it costs.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Planned {
    /// Always true: nothing was fetched.
    pub dry_run: bool,
    /// What Cost Explorer would be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_explorer: Option<cost_explorer::Plan>,
    /// Bytes that would be fetched from buckets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fetch_bytes: Option<u64>,
    /// What would be fetched from buckets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub periods: Option<Vec<s3::Planned>>,
    /// What could not be planned.
    #[serde(skip)]
    pub failures: Vec<Error>,
}

impl Ingestion {
    fn planned(explorer: Option<cost_explorer::Plan>, periods: Vec<s3::Planned>, failures: Vec<Error>) -> Self {
        let bytes = periods.iter().filter(|period| !period.current).map(|period| period.fetch_bytes).sum();
        let is_s3 = explorer.is_none();
        Ingestion::Planned(Planned {
            dry_run: true,
            cost_explorer: explorer,
            fetch_bytes: is_s3.then_some(bytes),
            periods: is_s3.then_some(periods),
            failures,
        })
    }

    /// What failed; the rest was done.
    pub fn failures(&self) -> &[Error] {
        match self {
            Ingestion::Done(outcome) => &outcome.failures,
            Ingestion::Planned(planned) => &planned.failures,
        }
    }
}

impl Operation for IngestBills {
    const NAME: &'static str = "ingest";
    const TITLE: &'static str = "Read bills into the database";
    const EFFECT: Effect = Effect::Spends;
    type Output = Ingestion;

    fn answer(&self, session: &Session) -> Result<Answer<Ingestion>> {
        Ok(Answer { header: Header::of(self.today(session)), body: self.work(session)? })
    }
}

/// Asks the organization for the names of its accounts. Most may not ask; then the bill's names stay.
fn name_accounts(store: &Store, aws: &Aws) -> Result<()> {
    match sources::accounts::of_organization(aws) {
        Ok(names) => store.set_account_names(&names, NameSource::Organizations),
        Err(_) => Ok(()),
    }
}

/// The places of other clouds that the configuration names.
///
/// # Errors
/// When an address is none.
pub(super) fn places(addresses: &[String]) -> Result<Vec<Place>> {
    let place = |address: &String| Place::of_address(address).map_err(|e| e.context("`buckets` is not valid"));
    addresses.iter().map(place).collect()
}

/// Where to read from.
///
/// # Errors
/// When the parameters do not go together.
fn from(args: &IngestBills, session: &Session) -> Result<From> {
    for name in args.files.data_source.iter().chain(&args.files.save_mapping) {
        data_source_name(name)
            .map_err(|wrong| Error::usage(format!("`{name}` is no name of a data source")).hint(wrong))?;
    }
    let settings = &session.config().s3;
    let is_address = |path: &str| path.to_lowercase().starts_with("s3://") || Place::is_address(path);
    let addresses = args.paths.iter().filter(|path| is_address(&path.to_string_lossy())).count();
    let from = if args.source == Some(Source::CostExplorer) {
        From::CostExplorer
    } else if let Some(vendor) = args.source.and_then(Source::vendor) {
        From::Vendor(vendor)
    } else if addresses > 0 {
        if addresses < args.paths.len() {
            return Err(Error::usage("addresses of buckets and paths on disk do not go together in one command"));
        }
        let mut buckets = Buckets::default();
        for path in &args.paths {
            let address = path.to_string_lossy();
            if Place::is_address(&address) {
                buckets.others.push(Place::of_address(&address)?);
            } else {
                let export = Export::of_address(&address, settings);
                buckets.s3.push(export.ok_or_else(|| Error::usage(format!("`{address}` names no bucket")))?);
            }
        }
        From::Buckets(buckets)
    } else if !args.paths.is_empty() {
        From::Disk
    } else {
        let buckets = Buckets { s3: settings.all(), others: places(&session.config().buckets)? };
        if buckets.s3.is_empty() && buckets.others.is_empty() {
            return Err(Error::usage("nothing says where the bills are")
                .hint("name a file, a folder, or a bucket such as s3://bucket/prefix or gs://bucket/prefix: `aws-cost-anomalies ingest PATH`")
                .hint("or ask AWS itself, for $0.01 a request: `aws-cost-anomalies ingest --source cost-explorer`")
                .hint("or set `s3.bucket` in the configuration; `aws-cost-anomalies ingest --discover` finds it"));
        }
        From::Buckets(buckets)
    };
    // What the command line cannot tell: where paths lead, and where bills are when none is given.
    let (disk, explorer, s3, vendor) = match from {
        From::Disk => (true, false, false, false),
        From::CostExplorer => (false, true, false, false),
        From::Buckets(_) => (false, false, true, false),
        From::Vendor(_) => (false, false, false, true),
    };
    let days = ExplorerOptions { days: args.explorer.days, ..ExplorerOptions::default() };
    let detail = ExplorerOptions { days: None, ..args.explorer.clone() };
    let groups = [
        (first_given(&args.files)?, disk, "files on disk"),
        (first_given(&args.bucket)?, s3, "bills in buckets"),
        (first_given(&days)?, explorer || vendor, "Cost Explorer and vendors of models (`--source`)"),
        (first_given(&detail)?, explorer, "Cost Explorer (`--source cost-explorer`)"),
        (args.from.map(|_| "from".to_owned()), !disk, "buckets, Cost Explorer and vendors of models"),
        (args.to.map(|_| "to".to_owned()), explorer || s3, "buckets and Cost Explorer"),
        (
            args.dry_run.then(|| "dry-run".to_owned()),
            explorer || s3,
            "buckets and Cost Explorer; files on disk and vendors cost nothing",
        ),
    ];
    for (given, fits, only) in groups {
        if let Some(flag) = given.filter(|_| !fits) {
            return Err(Error::usage(format!("`--{flag}` is for {only}")));
        }
    }
    if let (Some(from), Some(to)) = (args.from, args.to)
        && from > to
    {
        return Err(Error::usage(format!("`--from` {from} is after `--to` {to}")));
    }
    Ok(from)
}

/// The first option of a group that was given, by its flag.
fn first_given<T: Serialize + Default>(options: &T) -> Result<Option<String>> {
    let as_json =
        |options: &T| serde_json::to_value(options).map_err(|e| Error::bug("the parameters are no JSON").caused_by(e));
    let (given, nothing) = (as_json(options)?, as_json(&T::default())?);
    let given = given.as_object().into_iter().flatten().find(|(name, value)| nothing.get(name) != Some(value));
    Ok(given.map(|(name, _)| name.replace('_', "-")))
}
