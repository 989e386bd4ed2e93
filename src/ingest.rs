//! From paths to the store: find the bills, group what belongs together, load each group whole, sum up.
//! The only place where sources meet the store.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use serde::Serialize;

use crate::{
    error::{Error, Result},
    sources::{self, Bill, Format, Opened, columns::Missing, files, manifest},
    store::{
        Progress, Store,
        load::{Load, LoadedPeriod, SourceFile},
    },
};

/// What to ingest.
#[derive(Clone, Debug)]
pub struct Request {
    pub paths: Vec<PathBuf>,
    /// Takes every file for this format, whatever its columns.
    pub format_hint: Option<Format>,
    /// The name under which plain CSVs are kept.
    pub data_source: Option<String>,
    /// Loads even what is current.
    pub full_refresh: bool,
}

/// Told what is going on, for a progress bar. Every method may be ignored.
pub trait Watcher {
    /// The work is known: `files` of `bytes` in all.
    fn planned(&self, _files: usize, _bytes: u64) {}
    /// A group of files of `bytes` begins; `progress` tells how far its statements are.
    fn loading(&self, _label: &str, _bytes: u64, _progress: Progress) {}
    /// The group is done, well or not, with `rows` loaded.
    fn loaded(&self, _bytes: u64, _rows: u64) {}
}

/// What became of an ingestion.
#[derive(Debug, Default, Serialize)]
pub struct Outcome {
    /// What the database now holds of each period that was loaded.
    pub periods: Vec<IngestedPeriod>,
    /// Groups of files that were there already.
    pub unchanged: Vec<Unchanged>,
    /// Older versions of the same periods that no manifest names.
    pub superseded_files: usize,
    /// Files in the folders named that are no bills.
    pub passed_over: Vec<String>,
    #[serde(serialize_with = "error_texts")]
    pub failures: Vec<Error>,
}

/// One period of one payer as loaded.
#[derive(Debug, Serialize)]
pub struct IngestedPeriod {
    pub format: String,
    pub export: String,
    #[serde(flatten)]
    pub loaded: LoadedPeriod,
    pub missing_columns: Vec<Missing>,
    /// Rows of the group that count nothing, and what they are.
    pub left_out: Option<LeftOut>,
    /// Files that held the period before and are not part of it any more, with their rows.
    pub replaced: Vec<ReplacedFile>,
}

#[derive(Clone, Debug, Serialize)]
pub struct LeftOut {
    pub rows: u64,
    pub what: &'static str,
}

#[derive(Clone, Debug, Serialize)]
pub struct ReplacedFile {
    pub key: String,
    pub rows: u64,
}

#[derive(Debug, Serialize)]
pub struct Unchanged {
    pub label: String,
    pub files: usize,
}

fn error_texts<S: serde::Serializer>(errors: &[Error], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(errors.iter().map(ToString::to_string))
}

/// Files that are loaded in one transaction.
struct Unit {
    label: String,
    data_source: String,
    export: String,
    assembly_id: String,
    bills: Vec<Bill>,
}

/// Ingests bills from disk.
///
/// # Errors
/// When the paths name nothing, or the folder for unpacked archives cannot be made. What is wrong with
/// one period goes to [`Outcome::failures`]; the others are loaded.
pub fn ingest(store: &mut Store, request: &Request, watcher: &dyn Watcher) -> Result<Outcome> {
    let unpack_to = tempfile::Builder::new()
        .prefix(".unpacked-")
        .tempdir_in(store.path().parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(".".as_ref()))
        .map_err(|e| Error::input("cannot make a folder for unpacked archives").cause(e))?;
    let found = manifest::discover(&request.paths)?;
    if found.deliveries.is_empty() && found.loose.is_empty() && found.failures.is_empty() {
        return Err(Error::input("there are no bills under the paths given")
            .hint("bills are .parquet, .csv, .csv.gz and .csv.zip files, or AWS's folders with manifests"));
    }
    let mut outcome = Outcome { superseded_files: found.superseded, failures: found.failures, ..Outcome::default() };
    let open = |path: &PathBuf, format: Option<Format>| {
        let hint = request.format_hint.or(format);
        sources::open_bill(path, hint, request.data_source.as_deref(), unpack_to.path())
            .map_err(|e| e.context(cannot_ingest(path)))
    };
    let mut units = Vec::new();
    for delivery in &found.deliveries {
        let label = format!("{} of {}", delivery.period.format("%Y-%m"), delivery.export);
        let open_bill = |path| match open(path, Some(delivery.format))? {
            Opened::Bill(bill) => Ok(*bill),
            Opened::NotABill(error) => Err(error),
        };
        match delivery.files.iter().map(open_bill).collect::<Result<Vec<Bill>>>() {
            Ok(bills) => units.push(Unit {
                data_source: data_source(request, delivery.format),
                export: delivery.export.clone(),
                assembly_id: delivery.assembly_id.clone(),
                label,
                bills,
            }),
            Err(error) => outcome.failures.push(error),
        }
    }
    let mut loose = Vec::new();
    let mut strangers = Vec::new();
    for file in &found.loose {
        match open(&file.path, None) {
            Ok(Opened::Bill(bill)) => loose.push(*bill),
            Ok(Opened::NotABill(error)) => strangers.push((file, error.context(cannot_ingest(&file.path)))),
            Err(error) => outcome.failures.push(error),
        }
    }
    // Other tables may lie in a folder of bills; named as bills, or alone, they are a mistake.
    let alone = loose.is_empty() && found.deliveries.is_empty();
    for (file, error) in strangers {
        if alone || file.named {
            outcome.failures.push(error);
        } else {
            outcome.passed_over.push(file.path.display().to_string());
        }
    }
    units.extend(group(store, loose, request, &mut outcome.failures));

    let bytes = |unit: &Unit| unit.bills.iter().map(|bill| bill.size).sum::<u64>();
    watcher.planned(units.iter().map(|unit| unit.bills.len()).sum(), units.iter().map(bytes).sum());
    for unit in &units {
        watcher.loading(&unit.label, bytes(unit), store.progress());
        let before = outcome.periods.len();
        if let Err(error) = load(store, unit, request.full_refresh, &mut outcome) {
            outcome.failures.push(error.context(format!("cannot ingest {}", unit.label)));
        }
        let rows = outcome.periods[before..].iter().map(|period| period.loaded.rows).sum();
        watcher.loaded(bytes(unit), rows);
    }
    outcome.periods.sort_by_key(|period| (period.loaded.billing_period, period.loaded.provider.clone()));
    Ok(outcome)
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

/// Groups loose files that hold the same money: provider, payer and period. Only where there are several
/// is a look inside needed.
fn group(store: &Store, bills: Vec<Bill>, request: &Request, failures: &mut Vec<Error>) -> Vec<Unit> {
    let several = bills.len() > 1;
    let mut groups: Vec<(BTreeSet<_>, Vec<Bill>)> = Vec::new();
    for bill in bills {
        let source = data_source(request, bill.format);
        let scopes = if several {
            match store.scopes(&source_file(&bill)) {
                Ok(scopes) => scopes,
                Err(error) => {
                    failures.push(error.context(cannot_ingest(&bill.path)));
                    continue;
                }
            }
        } else {
            Vec::new()
        };
        let mut scopes: BTreeSet<_> = scopes.into_iter().map(|scope| (source.clone(), scope)).collect();
        let mut members = vec![bill];
        let (same, others): (Vec<_>, Vec<_>) =
            groups.into_iter().partition(|(other, _)| other.intersection(&scopes).next().is_some());
        for (other_scopes, other_bills) in same.into_iter().rev() {
            scopes.extend(other_scopes);
            members.splice(0..0, other_bills);
        }
        groups = others;
        groups.push((scopes, members));
    }
    let units = groups.into_iter().map(|(_, bills)| Unit {
        label: match bills.as_slice() {
            [one] => format!("`{}`", one.path.display()),
            [first, rest @ ..] => format!("`{}` and {} more of the same period", first.path.display(), rest.len()),
            [] => String::new(),
        },
        data_source: bills.first().map(|bill| data_source(request, bill.format)).unwrap_or_default(),
        export: String::new(),
        assembly_id: String::new(),
        bills,
    });
    units.collect()
}

fn source_file(bill: &Bill) -> SourceFile<'_> {
    SourceFile {
        key: &bill.key,
        size: bill.size,
        etag: &bill.stamp,
        from: &bill.from,
        expressions: &bill.line_items.expressions,
        left_out: bill.line_items.left_out.as_ref().map(|(condition, _)| condition.as_str()),
    }
}

fn load(store: &mut Store, unit: &Unit, full_refresh: bool, outcome: &mut Outcome) -> Result<()> {
    let load = Load {
        data_source: &unit.data_source,
        export: &unit.export,
        assembly_id: &unit.assembly_id,
        files: unit.bills.iter().map(source_file).collect(),
    };
    if !full_refresh && store.is_current(&load)? {
        outcome.unchanged.push(Unchanged { label: unit.label.clone(), files: unit.bills.len() });
        return Ok(());
    }
    let loaded = store.replace(&load, || unit.bills.iter().try_for_each(unchanged_since_opened))?;
    let mut missing: BTreeMap<&str, &Missing> = BTreeMap::new();
    for bill in &unit.bills {
        missing.extend(bill.line_items.missing.iter().map(|missing| (missing.column.as_str(), missing)));
    }
    let missing: Vec<Missing> = missing.into_values().cloned().collect();
    let what = unit.bills.iter().find_map(|bill| bill.line_items.left_out.as_ref()).map(|(_, what)| *what);
    let left_out = what.filter(|_| loaded.left_out > 0).map(|what| LeftOut { rows: loaded.left_out, what });
    let replaced: Vec<ReplacedFile> =
        loaded.replaced.into_iter().map(|(key, rows)| ReplacedFile { key, rows }).collect();
    let format = unit.bills.first().map(|bill| match bill.version {
        Some(version) => format!("{} {version}", bill.format.data_source()),
        None => bill.format.data_source().to_owned(),
    });
    outcome.periods.extend(loaded.periods.into_iter().map(|period| IngestedPeriod {
        format: format.clone().unwrap_or_default(),
        export: unit.export.clone(),
        loaded: period,
        missing_columns: missing.clone(),
        left_out: left_out.clone(),
        replaced: replaced.clone(),
    }));
    Ok(())
}

/// A file that is being written while it is read gives half of two bills.
fn unchanged_since_opened(bill: &Bill) -> Result<()> {
    let now = files::stamp(&bill.path)?;
    if now.text == bill.stamp {
        return Ok(());
    }
    Err(Error::input(format!("`{}` changed while it was read", bill.path.display()))
        .cause(format!("it had {} bytes and now has {}", bill.size, now.size))
        .hint("ingest it again once it is complete; nothing of it was kept"))
}
