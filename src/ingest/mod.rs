//! From paths to the store: find the bills, group what belongs together, load each group whole, sum up.
//! The only place where sources meet the store.

pub(crate) mod containers;
pub(crate) mod cost_explorer;
mod forms;
mod loose;
pub(crate) mod model_vendors;
pub(crate) mod records;
pub(crate) mod s3;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicU64},
};

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    error::{Error, Result},
    sources::{
        self, Bill, Format, Opened,
        columns::Missing,
        files, manifest,
        mapping::{self, Mapping},
    },
    store::{
        Progress, Store,
        delivery::{CountedOnce, Load, Loaded, LoadedPeriod, Mode, Replaced, SourceFile},
        records::Record,
    },
};

/// What to ingest.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub paths: Vec<PathBuf>,
    /// Takes every file for this format, whatever its columns.
    pub format_hint: Option<Format>,
    /// The name under which plain CSVs are kept.
    pub data_source: Option<String>,
    /// Which column of plain CSVs is which field, and how dates and numbers are written.
    pub mapping: Option<Mapping>,
    /// The mappings of the configuration.
    pub saved_mappings: mapping::Settings,
    /// Loads even what is current, and replaces whatever is stored of the same accounts and files.
    pub full_refresh: bool,
    /// Counts the files beside what is stored of the same months, but for lines that are there already.
    pub add: bool,
    /// No day of a bill may be more than two years later.
    pub today: NaiveDate,
    /// What is kept with what is loaded, of costs that were handed in one by one.
    pub records: Vec<Record>,
}

impl Request {
    fn mode(&self) -> Mode {
        match (self.full_refresh, self.add) {
            (true, _) => Mode::Force,
            (false, true) => Mode::Add,
            (false, false) => Mode::Restate,
        }
    }
}

/// Told what is going on, for a progress bar. Every method may be ignored.
pub trait Watcher {
    /// The work is known: `files` of `bytes` in all.
    fn planned(&self, _files: usize, _bytes: u64) {}
    /// A group of files of `bytes` begins; `progress` gives what tells how far its statements are.
    fn loading(&self, _label: &str, _bytes: u64, _progress: &dyn Fn() -> Progress) {}
    /// The group is done, well or not, with `rows` loaded.
    fn loaded(&self, _bytes: u64, _rows: u64) {}
    /// Bytes come over the network from now on: `bytes` in all, counted in `done`.
    fn fetching(&self, _bytes: u64, _done: Arc<AtomicU64>) {}
    /// Something was fetched, in words.
    fn fetched(&self, _what: &str) {}
}

/// What became of an ingestion.
#[derive(Debug, Default, JsonSchema, Serialize)]
pub struct Outcome {
    /// What the database now holds of each period that was loaded.
    pub periods: Vec<IngestedPeriod>,
    /// Groups of files that were there already.
    pub unchanged: Vec<Unchanged>,
    /// Older versions of the same periods that no manifest names.
    pub superseded_files: usize,
    /// What former files had brought of periods that are in none of the files any more.
    pub vanished: Vec<Replaced>,
    /// What former files of the same names had brought of other months, which stays.
    pub kept: Vec<Replaced>,
    /// What is in another file, or stored already, and not counted again.
    pub counted_once: Vec<CountedOnce>,
    /// Files in the folders named that are no bills.
    pub skipped: Vec<String>,
    /// Bills with a header and nothing below it.
    pub without_rows: Vec<String>,
    /// What was fetched over the network, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fetched_bytes: Option<u64>,
    /// What the requests to a priced API cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_cost: Option<ApiCost>,
    /// What a reader should know of the data.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    #[serde(serialize_with = "crate::error::as_texts")]
    #[schemars(with = "Vec<String>")]
    pub failures: Vec<Error>,
}

impl Outcome {
    /// Adds what became of another export.
    pub fn add(&mut self, other: Outcome) {
        self.periods.extend(other.periods);
        self.unchanged.extend(other.unchanged);
        self.superseded_files += other.superseded_files;
        self.vanished.extend(other.vanished);
        self.kept.extend(other.kept);
        self.counted_once.extend(other.counted_once);
        self.without_rows.extend(other.without_rows);
        self.skipped.extend(other.skipped);
        self.notes.extend(other.notes);
        self.failures.extend(other.failures);
        self.fetched_bytes = match (self.fetched_bytes, other.fetched_bytes) {
            (None, None) => None,
            (ours, theirs) => Some(ours.unwrap_or(0) + theirs.unwrap_or(0)),
        };
    }
}

/// Requests to a priced API and their price in US dollars: of this run, and of the month so far, this run included.
#[derive(Clone, Copy, Debug, PartialEq, JsonSchema, Serialize)]
pub struct ApiCost {
    pub requests: u64,
    pub cost_usd: f64,
    pub month_requests: u64,
    pub month_cost_usd: f64,
}

/// One period of one payer as loaded.
#[derive(Debug, JsonSchema, Serialize)]
pub struct IngestedPeriod {
    pub format: String,
    pub export: String,
    #[serde(flatten)]
    pub loaded: LoadedPeriod,
    pub missing_columns: Vec<Missing>,
    /// Rows of the group that count nothing, and what they are.
    pub excluded: Option<Excluded>,
    /// Files that held the period before and are not part of it any more, with their rows.
    pub replaced: Vec<Replaced>,
}

#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Excluded {
    pub rows: u64,
    pub what: &'static str,
}

#[derive(Debug, JsonSchema, Serialize)]
pub struct Unchanged {
    pub label: String,
    pub files: usize,
}

/// Files that are loaded in one transaction.
struct Unit {
    label: String,
    data_source: String,
    export: String,
    assembly_id: String,
    /// The billing period that a manifest says it is of.
    period: Option<NaiveDate>,
    /// The rows that it says there are.
    rows: Option<u64>,
    bills: Vec<Bill>,
}

/// What a run has done so far, as far as later groups of files must know.
#[derive(Default)]
pub(crate) struct Done {
    /// Files that are loaded, or were there already.
    keys: BTreeSet<String>,
    /// Loose files that the command is about.
    named: BTreeSet<String>,
    /// Loose files that could not be read, or have no rows.
    failed: BTreeSet<String>,
    /// Fetched files of periods that could not be loaded.
    pub unfinished: BTreeSet<PathBuf>,
    /// Folders with loose files that could not be read, of no one knows which period.
    broken: BTreeSet<PathBuf>,
}

impl Done {
    /// Whether a loose file is there still, on disk or in a container that the command looked at.
    fn is_there(&self, key: &str) -> bool {
        self.named.contains(key) || Path::new(key).exists()
    }
}

/// Ingests bills from disk.
///
/// # Errors
/// When the paths name nothing, or the folder for unpacked archives cannot be made. What is wrong with
/// one period goes to [`Outcome::failures`]; the others are loaded.
pub(crate) fn ingest(store: &mut Store, request: &Request, watcher: &dyn Watcher) -> Result<Outcome> {
    let unpack_to = store.scratch()?;
    let found = manifest::discover(&request.paths)?;
    if found.deliveries.is_empty() && found.loose.is_empty() && found.failures.is_empty() {
        return Err(Error::input("there are no bills under the paths given")
            .hint("bills are .parquet and .csv files (also .gz, .zip, .bz2, .zst), or AWS's folders with manifests"));
    }
    let mut outcome = Outcome { superseded_files: found.superseded, failures: found.failures, ..Outcome::default() };
    let open = |path: &PathBuf, format: Option<Format>| {
        let options = sources::Options {
            format: request.format_hint.or(format),
            data_source: request.data_source.as_deref(),
            mapping: request.mapping.as_ref(),
            saved: Some(&request.saved_mappings),
        };
        sources::open_bill(path, options, unpack_to.path(), &|sql| store.ask(sql))
            .map_err(|e| e.context(cannot_ingest(path)))
    };
    let mut units = Vec::new();
    for delivery in &found.deliveries {
        let name = delivery.export.rsplit('/').next().unwrap_or(&delivery.export);
        let label = format!("{} of {name}", delivery.period.format("%Y-%m"));
        let open_bill = |path| match open(path, Some(delivery.format))? {
            Opened::Bill(bill) => Ok(*bill),
            Opened::NotABill(error) => Err(error),
        };
        match delivery.files.iter().map(open_bill).collect::<Result<Vec<Bill>>>() {
            Ok(bills) => units.push(Unit {
                data_source: data_source(request, delivery.format),
                export: delivery.export.clone(),
                assembly_id: delivery.assembly_id.clone(),
                period: Some(delivery.period),
                rows: delivery.rows,
                label,
                bills,
            }),
            Err(error) => outcome.failures.push(error),
        }
    }
    let mut done = Done::default();
    let mut loose = Vec::new();
    let mut strangers = Vec::new();
    for file in &found.loose {
        let key = files::canonical(&file.path)?.to_string_lossy().into_owned();
        done.named.insert(key.clone());
        match open(&file.path, None) {
            Ok(Opened::Bill(bill)) => loose.push(*bill),
            Ok(Opened::NotABill(error)) => {
                // What was a bill when it was ingested is not to be forgotten with the file.
                done.failed.insert(key);
                strangers.push((file, error.context(cannot_ingest(&file.path))));
            }
            Err(error) => {
                done.failed.insert(key);
                done.broken.extend(file.path.parent().map(Path::to_owned));
                outcome.failures.push(error);
            }
        }
    }
    // Other tables may lie in a folder of bills; named as bills, or alone, they are a mistake.
    let alone = loose.is_empty() && found.deliveries.is_empty();
    for (file, error) in strangers {
        if alone || file.named {
            outcome.failures.push(error);
        } else {
            outcome.skipped.push(file.path.display().to_string());
        }
    }
    units.extend(loose::group(store, loose, request, &mut outcome, &mut done));

    watcher.planned(units.iter().map(|unit| unit.bills.len()).sum(), units.iter().map(bytes).sum());
    for unit in &mut units {
        if !load_watched(store, unit, request, &mut done, watcher, &mut outcome) {
            break;
        }
    }
    outcome.periods.sort_by_key(|period| (period.loaded.billing_period, period.loaded.provider.clone()));
    Ok(outcome)
}

/// Loads a unit; what is wrong with it goes to the outcome. Says whether the database still answers.
fn load_watched(
    store: &mut Store,
    unit: &mut Unit,
    request: &Request,
    done: &mut Done,
    watcher: &dyn Watcher,
    outcome: &mut Outcome,
) -> bool {
    let bytes = bytes(unit);
    watcher.loading(&unit.label, bytes, &|| store.progress());
    let before = outcome.periods.len();
    let result = load(store, unit, request, done, outcome);
    let alive = match result {
        Ok(()) => {
            done.keys.extend(unit.bills.iter().map(|bill| bill.key.clone()));
            true
        }
        Err(error) => {
            outcome.failures.push(error.context(format!("cannot ingest {}", unit.label)));
            let alive = store.is_alive();
            if !alive {
                outcome.failures.push(
                    Error::input("the database does not answer any more; what was left was not tried")
                        .hint("mend what the error above names, then ingest again"),
                );
            }
            alive
        }
    };
    let rows = outcome.periods[before..].iter().map(|period| period.loaded.rows).sum();
    watcher.loaded(bytes, rows);
    alive
}

fn bytes(unit: &Unit) -> u64 {
    unit.bills.iter().map(|bill| bill.size).sum()
}

fn cannot_ingest(path: &Path) -> String {
    format!("cannot ingest `{}`", path.display())
}

fn data_source(request: &Request, format: Format) -> String {
    match (&request.data_source, format) {
        (Some(name), Format::Csv) => name.clone(),
        _ => format.data_source().into(),
    }
}

fn source_file(bill: &Bill) -> SourceFile<'_> {
    SourceFile {
        key: &bill.key,
        size: bill.size,
        etag: &bill.etag,
        from: bill.line_items_from(),
        expressions: bill.line_items.line_item.columns(),
        excluded: bill.line_items.excluded.as_ref().map(|(condition, _)| condition.as_str()),
        rows: bill.rows,
    }
}

fn load(store: &mut Store, unit: &mut Unit, request: &Request, done: &Done, outcome: &mut Outcome) -> Result<()> {
    match load_once(store, unit, request, done, outcome) {
        Err(error) if error.is_of_a_value() => {
            forms::settle(store, &mut unit.bills, request.today, error)?;
            load_once(store, unit, request, done, outcome)
        }
        loaded => loaded,
    }
}

fn load_once(store: &mut Store, unit: &mut Unit, request: &Request, done: &Done, outcome: &mut Outcome) -> Result<()> {
    settle_net(store, &mut unit.bills)?;
    if let Some(period) = unit.period {
        unit.bills.iter_mut().for_each(|bill| bill.settle_period(period));
    }
    let load = Load {
        data_source: &unit.data_source,
        export: &unit.export,
        assembly_id: &unit.assembly_id,
        days: forms::days(request.today),
        files: unit.bills.iter().map(source_file).collect(),
        mode: request.mode(),
        records: &request.records,
    };
    let stored = store.stored(&load)?;
    // Files that were loaded with these and are still there belong to them; a delivery has just its own.
    let complete = stored.siblings.iter().all(|key| unit.period.is_none() && done.is_there(key));
    if !request.full_refresh && stored.whole && complete {
        tracing::debug!(bill = unit.label.trim_matches('`'), files = unit.bills.len(), "unchanged");
        outcome.unchanged.push(Unchanged { label: unit.label.clone(), files: unit.bills.len() });
        return Ok(());
    }
    let judge = |former: &_| loose::judge(unit, request, done, &stored.siblings, former);
    let loaded = store.replace(&load, &judge, |loaded| {
        unit.bills.iter().try_for_each(unchanged_since_opened)?;
        is_of_its_period(unit, loaded)?;
        is_complete(unit, loaded)?;
        loose::has_all_parts(unit, done, loaded)
    })?;
    let rows: u64 = loaded.periods.iter().map(|period| period.rows).sum();
    let (files, replaced) = (unit.bills.len(), loaded.replaced.len());
    tracing::info!(bill = unit.label.trim_matches('`'), files, rows, excluded = loaded.excluded, replaced, "ingested");
    let mut missing: BTreeMap<&str, &Missing> = BTreeMap::new();
    for bill in &unit.bills {
        missing.extend(bill.line_items.missing.iter().map(|missing| (missing.column.as_str(), missing)));
    }
    let missing: Vec<Missing> = missing.into_values().cloned().collect();
    let what = unit.bills.iter().find_map(|bill| bill.line_items.excluded.as_ref()).map(|(_, what)| *what);
    let excluded = what.filter(|_| loaded.excluded > 0).map(|what| Excluded { rows: loaded.excluded, what });
    let format = unit.bills.first().map(|bill| match bill.version {
        Some(version) => format!("{} {version}", bill.format.data_source()),
        None => bill.format.data_source().to_owned(),
    });
    outcome.kept.extend(loaded.kept);
    outcome.counted_once.extend(loaded.counted_once);
    let mut replaced = loaded.replaced;
    outcome.periods.extend(loaded.periods.into_iter().map(|period| IngestedPeriod {
        format: format.clone().unwrap_or_default(),
        export: unit.export.clone(),
        missing_columns: missing.clone(),
        excluded: excluded.clone(),
        replaced: replaced.extract_if(.., |former| former.billing_period == period.billing_period).collect(),
        loaded: period,
    }));
    // Of a month that is in no file any more there is no period to say it with.
    outcome.vanished.extend(replaced);
    Ok(())
}

/// Whether any part of the bill has net costs decides for all of it.
fn settle_net(store: &Store, bills: &mut [Bill]) -> Result<()> {
    let mut filled = bills.iter().any(Bill::has_net);
    for bill in bills.iter() {
        if let Some(question) = bill.net_question().filter(|_| !filled) {
            filled = store.has_values(&bill.from, &question)?;
        }
    }
    bills.iter_mut().try_for_each(|bill| bill.settle_net(filled))
}

/// A file of another month under a manifest's name would be taken for the month of the manifest.
fn is_of_its_period(unit: &Unit, loaded: &Loaded) -> Result<()> {
    let Some(period) = unit.period.filter(|_| unit.bills.iter().all(Bill::says_billing_period)) else { return Ok(()) };
    match loaded.periods.iter().find(|loaded| loaded.billing_period != period) {
        None => Ok(()),
        Some(other) => Err(Error::input(format!(
            "the files are of {}, their manifest is of {}",
            other.billing_period.format("%Y-%m"),
            period.format("%Y-%m")
        ))
        .hint("copy the whole report again, e.g. with `aws s3 sync`")),
    }
}

/// A manifest that counts rows is of the files that have them.
fn is_complete(unit: &Unit, loaded: &Loaded) -> Result<()> {
    let counted = loaded.counted_once.iter().map(|counted| counted.rows).sum::<u64>();
    let rows = loaded.periods.iter().map(|period| period.rows).sum::<u64>() + loaded.excluded + counted;
    match unit.rows {
        Some(said) if said != rows => {
            Err(Error::input(format!("the files have {rows} rows, their manifest says {said}"))
                .cause("they are of different runs, or not there whole")
                .hint("copy the whole export again, e.g. with `az storage blob download-batch`"))
        }
        _ => Ok(()),
    }
}

/// A file that is being written while it is read gives half of two bills.
fn unchanged_since_opened(bill: &Bill) -> Result<()> {
    if bill.piped {
        return Ok(());
    }
    let now = files::stamp(&bill.path)?;
    if now.text == bill.stamp {
        return Ok(());
    }
    Err(Error::input(format!("`{}` changed while it was read", bill.path.display()))
        .cause(format!("it had {} bytes and now has {}", bill.size, now.size))
        .hint("ingest it again once it is complete; nothing of it was kept"))
}
