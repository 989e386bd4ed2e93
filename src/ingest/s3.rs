//! Bills from S3: which periods changed, fetched while the ones before are loaded.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use chrono::{Months, NaiveDate};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Done, Outcome, Request, Unit, Watcher, load_watched};
use crate::{
    error::{Error, Result},
    model::{Period, first_of_month},
    sources::{
        self, Opened,
        objects::{FOLDER, Object, PART, cache_path, manifest_of},
        s3::{Bucket, ManifestObject, RemoteDelivery},
    },
    store::Store,
};

/// Where versions before kept what they fetched.
const FORMER_FOLDER: &str = "s3";

/// Which periods of which exports.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// Billing periods by their first day; all when there are none.
    pub months: Vec<NaiveDate>,
    /// Only billing periods that overlap these days.
    pub period: Option<Period>,
    /// Loads even what is current.
    pub full_refresh: bool,
    pub today: NaiveDate,
}

impl Wanted {
    /// Whether only some billing periods are asked for.
    pub(super) fn is_limited(&self) -> bool {
        !self.months.is_empty() || self.period.is_some()
    }

    /// Whether a billing period is asked for.
    pub(crate) fn is_wanted(&self, month: NaiveDate) -> bool {
        let end = month + Months::new(1);
        let overlaps = self.period.is_none_or(|period| month <= period.end && end > period.start);
        (self.months.is_empty() || self.months.contains(&month)) && overlaps
    }
}

/// A billing period of an export, and what is to be done about it.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Planned {
    pub export: String,
    /// Nothing where only the files themselves say it.
    pub period: Option<NaiveDate>,
    pub format: Option<&'static str>,
    pub files: usize,
    pub bytes: u64,
    /// Bytes that are not in the cache yet.
    pub fetch_bytes: u64,
    /// Whether the database has it as it is in the bucket.
    pub current: bool,
}

/// A billing period of a bucket, with its files.
#[derive(Clone, Debug)]
pub(crate) struct BucketPeriod {
    pub planned: Planned,
    delivery: RemoteDelivery,
    objects: Vec<Object>,
}

/// What there is in one bucket.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub periods: Vec<BucketPeriod>,
    pub failures: Vec<Error>,
}

/// Looks what of an export changed. The current month and the one before are compared file by file; older ones
/// are left alone while their manifest names the assembly or execution that is loaded.
///
/// # Errors
/// When the bucket cannot be read at all. What is wrong with one period goes to [`Plan::failures`].
pub(crate) fn plan(store: &Store, bucket: &Bucket, wanted: &Wanted) -> Result<Plan> {
    let mut plan = Plan::default();
    let manifests = bucket.manifests(&|month| wanted.is_wanted(month), &mut plan.failures)?;
    for missing in wanted.months.iter().filter(|month| !manifests.iter().any(|manifest| manifest.period == **month)) {
        let place = bucket.export().address();
        plan.failures.push(
            Error::input(format!("there is no billing period {} in `{place}`", missing.format("%Y-%m")))
                .hint("`--dry-run` lists the periods that there are"),
        );
    }
    let checked_from = first_of_month(wanted.today) - Months::new(1);
    for manifest in manifests {
        let check_files = wanted.full_refresh || manifest.period >= checked_from;
        match bucket.delivery(&manifest).and_then(|delivery| planned(store, bucket, &manifest, &delivery, check_files))
        {
            Ok(mut period) => {
                period.planned.current &= !wanted.full_refresh;
                plan.periods.push(period);
            }
            Err(error) => plan.failures.push(error.context(format!(
                "cannot fetch {} of `{}`",
                manifest.period.format("%Y-%m"),
                bucket.export().address()
            ))),
        }
    }
    if plan.periods.is_empty() && plan.failures.is_empty() {
        plan.failures.push(
            Error::input(format!("no billing period in `{}` is one of those asked for", bucket.export().address()))
                .hint("`--dry-run` without `--date`, `--from` and `--to` lists the periods that there are"),
        );
    }
    plan.periods.sort_by(|a, b| (a.planned.period, &a.planned.export).cmp(&(b.planned.period, &b.planned.export)));
    Ok(plan)
}

fn planned(
    store: &Store,
    bucket: &Bucket,
    manifest: &ManifestObject,
    delivery: &RemoteDelivery,
    check_files: bool,
) -> Result<BucketPeriod> {
    let stored = store.delivered(delivery.format.data_source(), &delivery.export, &delivery.assembly_id)?;
    let addresses = delivery.addresses();
    let all_there = addresses.iter().all(|address| stored.contains_key(address));
    let looks_current = all_there && stored.len() == addresses.len();
    let objects = if looks_current && !check_files { Vec::new() } else { bucket.objects(manifest, delivery)? };
    let current = looks_current && objects.iter().all(|object| stored.get(&object.address()) == Some(&object.etag));
    let planned = Planned {
        export: delivery.export.clone(),
        period: Some(delivery.period),
        format: Some(delivery.format.data_source()),
        files: addresses.len(),
        bytes: objects.iter().map(|object| object.size).sum(),
        fetch_bytes: objects.iter().filter(|object| !object.is_cached()).map(|object| object.size).sum(),
        current,
    };
    Ok(BucketPeriod { planned, delivery: delivery.clone(), objects })
}

/// Fetches and loads what is not current, a period at a time, each in one transaction.
///
/// # Errors
/// When the folder for unpacked archives cannot be made. What is wrong with one period goes to
/// [`Outcome::failures`].
pub(crate) fn ingest(
    store: &mut Store,
    bucket: &Bucket,
    plan: Plan,
    wanted: &Wanted,
    done: &mut Done,
    watcher: &dyn Watcher,
) -> Result<Outcome> {
    let unpack_to = store.scratch()?;
    let mut outcome = Outcome { failures: plan.failures, ..Outcome::default() };
    let mut periods = Vec::new();
    for period in plan.periods {
        if period.planned.current {
            // Another export of this command must not replace it.
            done.keys.extend(period.delivery.addresses());
            outcome.unchanged.push(super::Unchanged { label: label(&period), files: period.planned.files });
        } else {
            periods.push(period);
        }
    }
    let objects: Vec<Vec<Object>> = periods.iter().map(|period| period.objects.clone()).collect();
    let to_fetch = objects.iter().flatten().filter(|object| !object.is_cached()).map(|object| object.size).sum();
    watcher.planned(objects.iter().map(Vec::len).sum(), objects.iter().flatten().map(|object| object.size).sum());
    // Of a period that fails, what has come is kept for the next run.
    let mut failed: BTreeSet<PathBuf> = objects.iter().flatten().map(|object| object.path.clone()).collect();
    let mut fetching = bucket.fetch(&objects);
    let fetched = fetching.bytes();
    watcher.fetching(to_fetch, std::sync::Arc::clone(&fetched));
    let request = Request { full_refresh: wanted.full_refresh, today: wanted.today, ..Request::default() };
    for (index, period) in periods.iter().enumerate() {
        let label = label(period);
        let unit = fetching.wait(index).and_then(|paths| {
            if period.planned.fetch_bytes > 0 {
                watcher.fetched(&rate(&label, &period.planned, fetching.bytes_per_second()));
            }
            unit(store, period, &label, &paths, unpack_to.path())
        });
        match unit {
            Ok(mut unit) => {
                let failures = outcome.failures.len();
                let alive = load_watched(store, &mut unit, &request, done, watcher, &mut outcome);
                if outcome.failures.len() == failures {
                    failed.retain(|path| !period.objects.iter().any(|object| object.path == *path));
                }
                if !alive {
                    break;
                }
            }
            Err(error) => outcome.failures.push(error.context(format!("cannot ingest {label}"))),
        }
    }
    done.unfinished.extend(failed);
    outcome.fetched_bytes = Some(fetched.load(std::sync::atomic::Ordering::Relaxed));
    Ok(outcome)
}

fn label(period: &BucketPeriod) -> String {
    let export = &period.delivery.export;
    let name = export.rsplit('/').next().unwrap_or(export);
    format!("{} of {name}", period.delivery.period.format("%Y-%m"))
}

pub(super) fn rate(label: &str, period: &Planned, bytes_per_second: f64) -> String {
    let files = if period.files == 1 { "1 file".to_owned() } else { format!("{} files", period.files) };
    let megabytes = period.fetch_bytes as f64 / 1e6;
    format!("{label}: {files}, {megabytes:.1} MB; {:.0} MB/s so far", bytes_per_second / 1e6)
}

fn unit(store: &Store, period: &BucketPeriod, label: &str, paths: &[PathBuf], unpack_to: &Path) -> Result<Unit> {
    let mut bills = Vec::with_capacity(paths.len());
    for (object, path) in period.objects.iter().zip(paths) {
        let context = || format!("cannot read `{}`", object.address());
        let options = sources::Options { format: Some(period.delivery.format), ..sources::Options::default() };
        let opened = sources::open_bill(path, options, unpack_to, &|sql| store.ask(sql));
        let mut bill = match opened.map_err(|e| e.context(context()))? {
            Opened::Bill(bill) => *bill,
            Opened::NotABill(error) => return Err(error.context(context())),
        };
        bill.key = object.address();
        bill.etag.clone_from(&object.etag);
        bills.push(bill);
    }
    Ok(Unit {
        label: label.to_owned(),
        data_source: period.delivery.format.data_source().to_owned(),
        export: period.delivery.export.clone(),
        assembly_id: period.delivery.assembly_id.clone(),
        period: Some(period.delivery.period),
        rows: None,
        bills,
    })
}

/// What pruning the cache removed, and what is left.
#[derive(Clone, Copy, Debug, Default, JsonSchema, Serialize)]
pub(crate) struct Pruned {
    pub removed_files: usize,
    pub removed_bytes: u64,
    pub kept_files: usize,
    pub kept_bytes: u64,
}

/// Removes from the cache what the database is not made of, and what versions before named otherwise, then the oldest files until the rest is within
/// `limit` bytes. Everything in it can be fetched again. What is `spared`, whole or in part, stays for the next run.
///
/// # Errors
/// When a file cannot be removed, or the log not be read.
pub(crate) fn prune(store: &Store, cache: &Path, limit: u64, spared: &BTreeSet<PathBuf>) -> Result<Pruned> {
    let wanted: BTreeSet<PathBuf> =
        store.source_files()?.into_iter().map(|(address, etag)| cache_path(cache, &address, &etag)).collect();
    let mut manifests: BTreeMap<String, (SystemTime, u64, PathBuf)> = BTreeMap::new();
    let root = cache.join(FOLDER);
    let mut pruned = Pruned::default();
    let mut kept: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
    let mut files = Vec::new();
    for folder in [&root, &cache.join(FORMER_FOLDER)] {
        if folder.is_dir() {
            files.extend(sources::files::walk(folder)?);
        }
    }
    let remove = |path: &Path, bytes: u64, pruned: &mut Pruned| {
        match fs::remove_file(path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::input(format!("cannot remove `{}`", path.display())).caused_by(e));
            }
            _ => {}
        }
        // Folders are of versions before; one that holds something else stays.
        let folders = path.ancestors().skip(1).take_while(|folder| *folder != root && *folder != cache);
        folders.map_while(|folder| fs::remove_dir(folder).ok()).for_each(drop);
        pruned.removed_files += 1;
        pruned.removed_bytes += bytes;
        Ok::<(), Error>(())
    };
    for path in files {
        let Ok(metadata) = fs::metadata(&path) else { continue };
        let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let whole = path.to_str().and_then(|path| path.strip_suffix(PART)).map_or_else(|| path.clone(), PathBuf::from);
        if wanted.contains(&path) || spared.contains(&whole) {
            kept.push((modified, metadata.len(), path));
        } else if let Some(manifest) = manifest_of(&path).filter(|_| path.parent() == Some(&root)) {
            // Manifests are small, and the newest saves a request.
            let newest = manifests.entry(manifest.to_owned()).or_insert((modified, metadata.len(), path.clone()));
            if newest.0 < modified {
                let former = std::mem::replace(newest, (modified, metadata.len(), path));
                remove(&former.2, former.1, &mut pruned)?;
            } else if newest.2 != path {
                remove(&path, metadata.len(), &mut pruned)?;
            }
        } else {
            remove(&path, metadata.len(), &mut pruned)?;
        }
    }
    kept.extend(manifests.into_values());
    kept.sort();
    let mut total: u64 = kept.iter().map(|(_, bytes, _)| bytes).sum();
    for (_, bytes, path) in kept {
        if total > limit {
            remove(&path, bytes, &mut pruned)?;
            total -= bytes;
        } else {
            pruned.kept_files += 1;
            pruned.kept_bytes += bytes;
        }
    }
    Ok(pruned)
}
