use std::{
    io::IsTerminal,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use chrono::{Days, NaiveDate};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

use super::{Context, print, saved_mapping};
use crate::{
    error::{Error, ExitCode, Result},
    ingest::{
        Done, Outcome, Request, Watcher,
        cost_explorer::{self, Span},
        ingest, s3,
    },
    model::Period,
    report::{self, Format, units::count},
    sources::{
        self,
        aws::Aws,
        cost_explorer::Detail,
        dates::DateOrder,
        mapping::{self, Assignment, Mapping},
        numbers::Decimal,
        s3::{Bucket, Export},
    },
    store::{Progress, Store, api::NameSource},
};

/// Read bills into the database: from disk, from S3, or from Cost Explorer
///
/// PATH is a file, a folder or a quoted pattern: CUR, CUR 2.0, FOCUS, or a plain table with `date` and `cost`, as
/// parquet or CSV (also .gz, .zip, .bz2, .zst); or s3://bucket/prefix. Folders and buckets as AWS lays them out are
/// read by their manifests. A billing period is replaced whole, or not at all.
///
/// Without PATH the exports of the configuration (`s3`) are read: what changed since the last time is fetched.
/// `--source cost-explorer` needs no export; each request costs $0.01, and `--dry-run` tells how many.
#[derive(Debug, Default, Args)]
pub struct IngestArgs {
    /// Bills: files, folders, quoted patterns, or s3://bucket/prefix
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Where bills come from when no PATH is named
    #[arg(long, value_enum, value_name = "SOURCE", conflicts_with = "paths")]
    source: Option<Source>,

    /// Days to fetch from Cost Explorer, up to yesterday [default: cost_explorer.lookback_days]
    #[arg(long, value_name = "N", conflicts_with_all = ["from", "to"], value_parser = clap::value_parser!(u32).range(1..=400))]
    days: Option<u32>,

    /// First day to fetch; of S3, the billing periods from this day on
    #[arg(long, value_name = "DATE", value_parser = super::day)]
    from: Option<NaiveDate>,

    /// Last day to fetch, itself included
    #[arg(long, value_name = "DATE", value_parser = super::day)]
    to: Option<NaiveDate>,

    /// Only this billing period of S3; may be given several times
    #[arg(long, value_name = "YYYY-MM", value_parser = super::month)]
    date: Vec<NaiveDate>,

    /// Split Cost Explorer's costs by region: one request for each region and month
    #[arg(long, value_enum, value_name = "WHAT")]
    split: Option<Split>,

    /// Set credits, taxes, fees and discounts of Cost Explorer apart: five requests instead of one
    #[arg(long)]
    charge_categories: bool,

    /// Only say what would be fetched, and what it costs
    #[arg(long)]
    dry_run: bool,

    /// Find the account's reports and exports, and write their configuration
    #[arg(long, conflicts_with_all = ["paths", "source", "dry_run", "full_refresh"])]
    discover: bool,

    /// Take the files for this format, whatever their columns
    #[arg(long, value_enum, value_name = "FORMAT")]
    format_hint: Option<sources::Format>,

    /// Name under which plain CSV files are kept
    #[arg(long, value_name = "NAME", value_parser = data_source_name)]
    data_source: Option<String>,

    /// Count the files beside what is stored of the same months: parts of a bill one by one. Lines that are there
    /// already are not counted again
    #[arg(long, conflicts_with = "full_refresh")]
    add: bool,

    /// Column of plain CSV files that is a field, such as date=UsageDay, or currency:=EUR for all rows; repeatable
    ///
    /// Fields are date, cost, currency, account, account_name, payer_account_id, service, region, usage_type, operation,
    /// resource, usage_amount, usage_unit, description, charge_category, line_item_type, purchase_option, provider,
    /// invoice_id, tags and tag_KEY.
    #[arg(long, value_name = "FIELD=COLUMN", value_parser = assignment)]
    map: Vec<Assignment>,

    /// Read plain CSV files by this mapping of the configuration, and keep them under its name
    #[arg(long, value_name = "NAME", conflicts_with = "save_mapping")]
    mapping: Option<String>,

    /// Write what `--map`, `--date-order` and `--decimal` say into the configuration once the files are read
    #[arg(long, value_name = "NAME", value_parser = data_source_name)]
    save_mapping: Option<String>,

    /// Order of dates such as 1/5/26, where a file does not decide
    #[arg(long, value_enum, value_name = "ORDER")]
    date_order: Option<DateOrder>,

    /// Sign before the decimals, where a file does not decide
    #[arg(long, value_enum, value_name = "SIGN")]
    decimal: Option<Decimal>,

    /// Load again what is current already, and replace whatever is stored of the same accounts and files
    #[arg(long)]
    full_refresh: bool,

    /// Take this day for today
    #[arg(long, value_name = "DATE", value_parser = super::day)]
    as_of: Option<NaiveDate>,

    /// How to write the summary
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Source {
    /// The Cost Explorer API
    CostExplorer,
    /// CUR, CUR 2.0 and FOCUS exports in S3, as configured
    #[value(alias = "s3")]
    Cur,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Split {
    Region,
}

fn assignment(text: &str) -> Result<Assignment, String> {
    mapping::parse(text).map_err(|e| e.to_string())
}

fn data_source_name(name: &str) -> Result<String, String> {
    let fine =
        !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_');
    match name {
        "cur" | "cur2" | "focus" | "cost-explorer" => Err("that name is AWS's own".into()),
        name if fine => Ok(name.into()),
        _ => Err("use lower-case letters, digits, - and _".into()),
    }
}

/// Where to read from, after the arguments are seen to fit together.
enum From {
    Disk,
    CostExplorer,
    S3(Vec<Export>),
}

pub fn run(args: &IngestArgs, context: &Context) -> Result<ExitCode> {
    if args.discover {
        return discover(args, context);
    }
    match work(args, context)? {
        Work::Planned(code) => Ok(code),
        Work::Done(outcome) => finish(&outcome, args, context),
    }
}

/// What came of an ingestion: a plan that was printed, or what was done.
enum Work {
    Planned(ExitCode),
    Done(Box<Outcome>),
}

fn work(args: &IngestArgs, context: &Context) -> Result<Work> {
    match from(args, context)? {
        From::Disk => {
            let mapping = mapping(args, context)?;
            let saving = args
                .save_mapping
                .as_ref()
                .map(|name| saved_mapping::Saving::plan(name, &mapping, context))
                .transpose()?;
            let mut store = open(context)?;
            let name = args.mapping.as_ref().or(args.save_mapping.as_ref()).filter(|_| mapping.names_fields());
            let request = Request {
                paths: args.paths.clone(),
                format_hint: args.format_hint,
                data_source: args.data_source.as_ref().or(name).cloned(),
                mapping: (!mapping.is_empty()).then_some(mapping),
                saved_mappings: context.loaded.config.mappings.clone(),
                full_refresh: args.full_refresh,
                add: args.add,
                today: args.as_of.unwrap_or(context.today),
            };
            let outcome = ingest_watched(&mut store, &request, context)?;
            if let Some(saving) = saving.filter(|_| outcome.failures.is_empty()) {
                saving.write(context)?;
            }
            Ok(Work::Done(Box::new(outcome)))
        }
        From::CostExplorer => from_cost_explorer(args, context),
        From::S3(exports) => from_s3(&exports, args, context),
    }
}

/// The mapping that the arguments name and say.
fn mapping(args: &IngestArgs, context: &Context) -> Result<Mapping> {
    let named = args.mapping.as_ref().map_or(Ok(Mapping::default()), |name| saved_mapping::named(name, context))?;
    let mapping = named.with(&args.map, args.date_order, args.decimal);
    mapping.check()?;
    if args.save_mapping.is_some() && !mapping.names_fields() {
        return Err(Error::usage("there is nothing to save: `--save-mapping` needs `--map FIELD=COLUMN`"));
    }
    Ok(mapping)
}

/// Ingests as `ingest` does without options, and prints nothing but progress.
///
/// # Errors
/// When nothing says where the bills are, or none can be read.
pub fn unattended(
    paths: &[PathBuf],
    source: Option<Source>,
    as_of: Option<NaiveDate>,
    context: &Context,
) -> Result<Outcome> {
    let args = IngestArgs { paths: paths.to_vec(), source, as_of, ..IngestArgs::default() };
    match work(&args, context)? {
        Work::Done(outcome) => Ok(*outcome),
        Work::Planned(_) => Err(Error::bug("an ingestion was only planned")),
    }
}

fn from(args: &IngestArgs, context: &Context) -> Result<From> {
    let settings = &context.loaded.config.s3;
    let addresses = args.paths.iter().filter(|path| path.to_string_lossy().to_lowercase().starts_with("s3://")).count();
    let from = if args.source == Some(Source::CostExplorer) {
        From::CostExplorer
    } else if addresses > 0 {
        if addresses < args.paths.len() {
            return Err(Error::usage("S3 addresses and paths on disk do not go together in one command"));
        }
        let export = |path: &PathBuf| {
            Export::of_address(&path.to_string_lossy(), settings)
                .ok_or_else(|| Error::usage(format!("`{}` names no bucket", path.display())))
        };
        From::S3(args.paths.iter().map(export).collect::<Result<_>>()?)
    } else if !args.paths.is_empty() {
        From::Disk
    } else {
        let exports = settings.all();
        if exports.is_empty() {
            return Err(Error::usage("nothing says where the bills are")
                .hint("name a file, a folder or s3://bucket/prefix: `aws-cost-anomalies ingest PATH`")
                .hint("or ask AWS itself, for $0.01 a request: `aws-cost-anomalies ingest --source cost-explorer`")
                .hint("or set `s3.bucket` in the configuration; `aws-cost-anomalies ingest --discover` finds it"));
        }
        From::S3(exports)
    };
    let refuse = |given: bool, flag: &str, only: &str| {
        if given { Err(Error::usage(format!("`{flag}` is for {only}"))) } else { Ok(()) }
    };
    let (explorer, s3) = (matches!(from, From::CostExplorer), matches!(from, From::S3(_)));
    refuse(args.days.is_some() && !explorer, "--days", "Cost Explorer (`--source cost-explorer`)")?;
    refuse(args.split.is_some() && !explorer, "--split", "Cost Explorer (`--source cost-explorer`)")?;
    refuse(args.charge_categories && !explorer, "--charge-categories", "Cost Explorer (`--source cost-explorer`)")?;
    refuse(!args.date.is_empty() && !s3, "--date", "bills in S3")?;
    refuse((args.from.is_some() || args.to.is_some()) && !s3 && !explorer, "--from, --to", "S3 and Cost Explorer")?;
    refuse(args.dry_run && !s3 && !explorer, "--dry-run", "S3 and Cost Explorer; files on disk cost nothing")?;
    refuse(args.format_hint.is_some() && (s3 || explorer), "--format-hint", "files on disk")?;
    refuse(!args.map.is_empty() && (s3 || explorer), "--map", "files on disk")?;
    refuse(
        (args.mapping.is_some() || args.save_mapping.is_some()) && (s3 || explorer),
        "--mapping, --save-mapping",
        "files on disk",
    )?;
    refuse(
        (args.date_order.is_some() || args.decimal.is_some()) && (s3 || explorer),
        "--date-order, --decimal",
        "files on disk",
    )?;
    refuse(args.data_source.is_some() && (s3 || explorer), "--data-source", "files on disk")?;
    refuse(args.add && (s3 || explorer), "--add", "files on disk")?;
    if let (Some(from), Some(to)) = (args.from, args.to)
        && from > to
    {
        return Err(Error::usage(format!("`--from` {from} is after `--to` {to}")));
    }
    Ok(from)
}

fn open(context: &Context) -> Result<Store> {
    Store::open(context.database())
}

fn from_cost_explorer(args: &IngestArgs, context: &Context) -> Result<Work> {
    let settings = &context.loaded.config.cost_explorer;
    let today = args.as_of.unwrap_or(context.today);
    let yesterday = today - Days::new(1);
    let span = match (args.from, args.to) {
        (None, None) => Span::Days(args.days.unwrap_or(settings.lookback_days)),
        (None, Some(_)) => return Err(Error::usage("`--to` needs `--from`")),
        (Some(from), to) => Span::Exactly(Period { start: from, end: to.unwrap_or(yesterday) }),
    };
    let detail = Detail {
        split_region: args.split.is_some() || settings.split_region,
        charge_categories: args.charge_categories || settings.charge_categories,
    };
    let request = cost_explorer::Request { span, detail, full_refresh: args.full_refresh, today };
    let mut store = open(context)?;
    let aws = context.aws()?;
    // Whose the credentials are may be asked for nothing.
    let plan = cost_explorer::plan(&store, &aws.caller()?.account_id, settings, &request)?;
    if args.dry_run {
        print(&report::ingest::cost_explorer_plan(&plan, args.format, context.style)?)?;
        return Ok(Work::Planned(ExitCode::Done));
    }
    if plan.requests > plan.max_requests as usize {
        return Err(Error::usage(format!(
            "this takes at least {} requests to Cost Explorer, ${:.2}",
            plan.requests, plan.cost_usd
        ))
        .cause(format!("`cost_explorer.max_requests` is {}", plan.max_requests))
        .hint("set it higher, or ask for fewer days or less detail; nothing was asked yet"));
    }
    let outcome =
        watched(context, |watcher| cost_explorer::ingest(&mut store, &aws, settings, &plan, context.today, watcher))?;
    name_accounts(&store, &aws)?;
    Ok(Work::Done(Box::new(outcome)))
}

fn from_s3(exports: &[Export], args: &IngestArgs, context: &Context) -> Result<Work> {
    let database = context.database();
    let period = (args.from.is_some() || args.to.is_some())
        .then(|| Period { start: args.from.unwrap_or(NaiveDate::MIN), end: args.to.unwrap_or(NaiveDate::MAX) });
    let wanted = s3::Wanted {
        months: args.date.clone(),
        period,
        full_refresh: args.full_refresh,
        today: args.as_of.unwrap_or(context.today),
    };
    let mut store = open(context)?;
    let aws = context.aws()?;
    // Errors say whose the credentials are; S3 itself says what is wrong with them.
    let _ = aws.caller();
    let mut all = Outcome::default();
    let mut planned = Vec::new();
    let mut done = Done::default();
    for export in exports {
        let bucket = Bucket::new(&aws, export, &database.cache_dir);
        let plan = match s3::plan(&store, &bucket, &wanted) {
            Ok(plan) => plan,
            Err(error) => {
                all.failures.push(error);
                continue;
            }
        };
        if args.dry_run {
            planned.extend(plan.periods);
            all.failures.extend(plan.failures);
            continue;
        }
        let outcome = watched(context, |watcher| s3::ingest(&mut store, &bucket, plan, &wanted, &mut done, watcher))?;
        all.add(outcome);
    }
    if args.dry_run {
        if !planned.is_empty() || args.format != Format::Table {
            print(&report::ingest::s3_plan(&planned, args.format, context.style)?)?;
        }
        return Ok(Work::Planned(complain(&all, context)));
    }
    name_accounts(&store, &aws)?;
    s3::prune(&store, &database.cache_dir, super::cache::limit(context), &done.unfinished)?;
    Ok(Work::Done(Box::new(all)))
}

/// Asks the organization for the names of its accounts. Most may not ask; then the bill's names stay.
fn name_accounts(store: &Store, aws: &Aws) -> Result<()> {
    match sources::accounts::of_organization(aws) {
        Ok(names) => store.set_account_names(&names, NameSource::Organizations),
        Err(_) => Ok(()),
    }
}

fn discover(args: &IngestArgs, context: &Context) -> Result<ExitCode> {
    let aws = context.aws()?;
    aws.caller()?;
    let discovery = sources::discover::discover(&aws);
    print(&report::ingest::discovered(&discovery.found, args.format)?)?;
    for failure in &discovery.failures {
        context.complain(failure);
    }
    if discovery.found.is_empty() && discovery.failures.is_empty() {
        context.note("this account has no report and no export; create one in the Billing console under Data Exports (CUR 2.0, daily, parquet)");
    }
    Ok(discovery.failures.first().map_or(ExitCode::Done, Error::exit_code))
}

fn finish(outcome: &Outcome, args: &IngestArgs, context: &Context) -> Result<ExitCode> {
    print(&report::ingest::render(outcome, args.format, context.style)?)?;
    Ok(complain(outcome, context))
}

fn complain(outcome: &Outcome, context: &Context) -> ExitCode {
    for failure in &outcome.failures {
        context.complain(failure);
    }
    outcome.failures.first().map_or(ExitCode::Done, Error::exit_code)
}

/// Ingests from disk with a progress bar on a terminal, with a line for each group of files elsewhere.
pub fn ingest_watched(store: &mut Store, request: &Request, context: &Context) -> Result<Outcome> {
    watched(context, |watcher| ingest(store, request, watcher))
}

fn watched(context: &Context, work: impl FnOnce(&dyn Watcher) -> Result<Outcome>) -> Result<Outcome> {
    if context.quiet {
        struct Silent;
        impl Watcher for Silent {}
        work(&Silent)
    } else if std::io::stderr().is_terminal() {
        let bar = Bar::default();
        let outcome = work(&bar);
        bar.stop();
        outcome
    } else {
        work(&Lines { context, label: Mutex::default() })
    }
}

/// A line for each group of files.
struct Lines<'a> {
    context: &'a Context,
    label: Mutex<String>,
}

impl Watcher for Lines<'_> {
    fn loading(&self, label: &str, _bytes: u64, _progress: Progress) {
        if let Ok(mut current) = self.label.lock() {
            *current = label.to_owned();
        }
    }

    fn loaded(&self, _bytes: u64, rows: u64) {
        // What is unchanged or failed is said elsewhere.
        if rows > 0
            && let Ok(label) = self.label.lock()
        {
            self.context.note(&format!("ingested {label}: {} rows", count(rows)));
        }
    }

    fn fetched(&self, what: &str) {
        self.context.note(&format!("fetched {what}"));
    }
}

/// A progress bar over bytes, moved on by what DuckDB says of the running statement.
#[derive(Default)]
struct Bar {
    shared: Arc<Shared>,
    ticker: Mutex<Option<thread::JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    bar: Mutex<Option<ProgressBar>>,
    /// The running statement and the bytes that it reads.
    running: Mutex<Option<(Progress, u64)>>,
    done: AtomicU64,
    rows: AtomicU64,
    /// Bytes that come over the network, and how many have come.
    fetching: Mutex<Option<(u64, Arc<AtomicU64>)>>,
    /// What was fetched last, where bytes do not tell.
    fetched: Mutex<String>,
    stopped: AtomicBool,
}

impl Watcher for Bar {
    fn planned(&self, _files: usize, bytes: u64) {
        // Without bytes to count, what is being done is all that can be shown.
        let template = match bytes {
            0 => "{spinner} {elapsed} {msg}",
            _ => "{bar:20} {percent:>3} % {decimal_bytes}/{decimal_total_bytes} {msg}",
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::new(bytes).with_style(style);
        if let Ok(mut slot) = self.shared.bar.lock() {
            *slot = Some(bar);
        }
        let shared = Arc::clone(&self.shared);
        let ticker = thread::spawn(move || {
            while !shared.stopped.load(Ordering::Relaxed) {
                shared.tick();
                thread::sleep(Duration::from_millis(100));
            }
        });
        if let Ok(mut slot) = self.ticker.lock() {
            *slot = Some(ticker);
        }
    }

    fn loading(&self, _label: &str, bytes: u64, progress: Progress) {
        if let Ok(mut running) = self.shared.running.lock() {
            *running = Some((progress, bytes));
        }
    }

    fn loaded(&self, bytes: u64, rows: u64) {
        if let Ok(mut running) = self.shared.running.lock() {
            *running = None;
        }
        self.shared.done.fetch_add(bytes, Ordering::Relaxed);
        self.shared.rows.fetch_add(rows, Ordering::Relaxed);
    }

    fn fetching(&self, bytes: u64, done: Arc<AtomicU64>) {
        if let Ok(mut fetching) = self.shared.fetching.lock() {
            *fetching = Some((bytes, done));
        }
    }

    fn fetched(&self, what: &str) {
        if let Ok(mut fetched) = self.shared.fetched.lock() {
            *fetched = what.to_owned();
        }
    }
}

impl Bar {
    fn stop(&self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        if let Ok(mut ticker) = self.ticker.lock()
            && let Some(ticker) = ticker.take()
        {
            let _ = ticker.join();
        }
        if let Ok(bar) = self.shared.bar.lock()
            && let Some(bar) = bar.as_ref()
        {
            bar.finish_and_clear();
        }
    }
}

impl Shared {
    /// What has come over the network so far.
    fn came(&self) -> Option<String> {
        let fetching = self.fetching.lock().ok()?;
        if let Some((bytes, done)) = fetching.as_ref().filter(|(bytes, _)| *bytes > 0) {
            let megabytes = |bytes: u64| bytes as f64 / 1e6;
            return Some(format!(
                "{:.0} of {:.0} MB fetched",
                megabytes(done.load(Ordering::Relaxed)),
                megabytes(*bytes)
            ));
        }
        let fetched = self.fetched.lock().ok()?;
        (!fetched.is_empty()).then(|| fetched.clone())
    }

    fn tick(&self) {
        let partial = self.running.lock().ok().and_then(|running| {
            let (progress, bytes) = running.as_ref()?;
            Some((progress.fraction()? * *bytes as f64) as u64)
        });
        if let Ok(bar) = self.bar.lock()
            && let Some(bar) = bar.as_ref()
        {
            let rows = count(self.rows.load(Ordering::Relaxed));
            bar.set_message(match self.came() {
                Some(came) => format!("{rows} rows, {came}"),
                None => format!("{rows} rows"),
            });
            bar.tick();
            bar.set_position(self.done.load(Ordering::Relaxed) + partial.unwrap_or(0));
        }
    }
}
