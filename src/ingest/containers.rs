//! Bills from Azure Blob Storage and Google Cloud Storage: which are the latest of each period, fetched while the ones
//! before are loaded.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
};

use chrono::NaiveDate;

use super::{
    Done, Outcome, Request, Unchanged, Unit, Watcher, load_watched, loose,
    s3::{Planned, Wanted, rate},
};
use crate::{
    error::{Error, Result},
    sources::{
        self, Format, Opened,
        containers::{Container, Listed},
        files, manifest,
        objects::{Object, is_manifest},
    },
    store::Store,
};

/// Files that are one delivery, or that nothing tells apart.
#[derive(Debug)]
struct Group {
    planned: Planned,
    label: String,
    format: Option<Format>,
    assembly_id: String,
    /// Rows that the manifest says there are.
    rows: Option<u64>,
    objects: Vec<Object>,
    /// Whether the place holds nothing else.
    alone: bool,
}

/// What there is below one address.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    groups: Vec<Group>,
    /// Everything that is there, by its address.
    there: BTreeSet<String>,
    superseded: usize,
    notes: Vec<String>,
    pub failures: Vec<Error>,
}

impl Plan {
    pub(crate) fn planned(self) -> (Vec<Planned>, Vec<Error>) {
        (self.groups.into_iter().map(|group| group.planned).collect(), self.failures)
    }
}

/// Looks what is below an address, and what of it the database does not have.
///
/// # Errors
/// When it cannot be listed. What is wrong with one delivery goes to [`Plan::failures`].
pub(crate) fn plan(store: &Store, container: &Container, wanted: &Wanted) -> Result<Plan> {
    let listed = container.list()?;
    let mut plan = Plan { there: listed.iter().map(|file| file.object.address()).collect(), ..Plan::default() };
    let by_key: BTreeMap<&str, &Listed> = listed.iter().map(|file| (file.object.key.as_str(), file)).collect();
    let mut latest: BTreeMap<(String, NaiveDate), (String, manifest::Parsed, PathBuf)> = BTreeMap::new();
    let (mut territories, mut unread) = (BTreeSet::new(), BTreeSet::new());
    let is_small = |file: &&Listed| file.object.size <= manifest::MAX_MANIFEST_BYTES;
    for file in listed.iter().filter(|file| is_manifest(&file.object.key)).filter(is_small) {
        let territory = manifest::territory(Path::new(&file.object.key));
        let read = container.text(&file.object).and_then(|text| manifest::run(&text, &file.object.address()));
        match read {
            // Some other vendor's.
            Ok(None) => {}
            Ok(Some((submitted, run))) => {
                territories.insert(territory.clone());
                let key = (run.export.clone(), run.period);
                if latest.get(&key).is_none_or(|(former, ..)| submitted > *former) {
                    latest.insert(key, (submitted, run, territory));
                }
            }
            // What it names may be the latest: an older run must not stand for it, nor the files for themselves.
            Err(error) => {
                territories.insert(territory.clone());
                unread.insert(territory);
                plan.failures.push(error);
            }
        }
    }
    let stored: BTreeMap<String, String> = store.source_files()?.into_iter().collect();
    let mut named = BTreeSet::new();
    for ((export, period), (_, run, territory)) in latest {
        if unread.contains(&territory) {
            continue;
        }
        let find = |key: &String| {
            let found = by_key.get(key.as_str()).copied().or_else(|| in_a_copy(&listed, key));
            found.map(|file| file.object.clone()).ok_or_else(|| {
                Error::input(format!("a file that a manifest names is not there: `{key}`"))
                    .cause(format!("below `{}`", container.place().address()))
                    .hint("run the command again in some minutes; if it stays so, run the export again")
            })
        };
        let objects: Result<Vec<Object>> = run.keys.iter().map(find).collect();
        named.extend(objects.iter().flatten().map(|object| object.key.clone()));
        if !wanted.is_wanted(period) {
            continue;
        }
        let objects = match objects {
            Ok(objects) => objects,
            Err(error) => {
                plan.failures.push(error);
                continue;
            }
        };
        let source = run.format.data_source();
        let delivered = store.delivered(source, &export, &run.assembly_id)?;
        // One run may be of several months.
        let is_current = objects.iter().all(|object| delivered.get(&object.address()) == Some(&object.etag));
        let name = export.rsplit('/').next().unwrap_or(&export);
        plan.groups.push(Group {
            label: format!("{} of {name}", period.format("%Y-%m")),
            planned: planned(&export, Some(period), Some(source), &objects, is_current && !wanted.full_refresh),
            format: Some(run.format),
            assembly_id: run.assembly_id,
            rows: run.rows,
            objects,
            alone: false,
        });
    }
    let is_beside = |key: &Path| territories.iter().any(|territory| key.starts_with(territory));
    let data = listed.iter().filter(|file| files::looks_like_data(Path::new(&file.object.key)));
    let (beside, loose): (Vec<_>, Vec<_>) = data.partition(|file| is_beside(Path::new(&file.object.key)));
    // What a manifest with a fault names is not known; nothing is said of the files beside it.
    plan.superseded += beside.iter().filter(|file| unread.is_empty() && !named.contains(&file.object.key)).count();
    let loose: Vec<&Listed> = loose.into_iter().filter(|file| !named.contains(&file.object.key)).collect();
    let loose = without_former_runs(loose, &mut plan.superseded);
    let loose: Vec<Object> = loose
        .into_iter()
        .map(|file| file.object.clone())
        .filter(|object| manifest::period_in(&object.key).is_none_or(|period| wanted.is_wanted(period)))
        .collect();
    let unsaid = loose.iter().filter(|object| manifest::period_in(&object.key).is_none()).count();
    if wanted.is_limited() && unsaid > 0 {
        plan.notes.push(format!(
            "{unsaid} files are read whatever the period asked for: neither a manifest nor their folder says theirs"
        ));
    }
    if !loose.is_empty() {
        let is_current = loose.iter().all(|object| stored.get(&object.address()) == Some(&object.etag));
        let address = container.place().address();
        plan.groups.push(Group {
            label: format!("`{address}`"),
            planned: planned(&address, None, None, &loose, is_current && !wanted.full_refresh),
            format: None,
            assembly_id: String::new(),
            rows: None,
            objects: loose,
            alone: plan.groups.is_empty(),
        });
    }
    if plan.groups.is_empty() && plan.failures.is_empty() {
        plan.failures.push(
            Error::input(format!(
                "there are no bills of the periods asked for below `{}`",
                container.place().address()
            ))
            .hint("bills are .parquet, .csv and .json files (also .gz), or Azure's folders with manifests"),
        );
    }
    Ok(plan)
}

fn planned(
    export: &str,
    period: Option<NaiveDate>,
    format: Option<&'static str>,
    objects: &[Object],
    current: bool,
) -> Planned {
    Planned {
        export: export.to_owned(),
        period,
        format,
        files: objects.len(),
        bytes: objects.iter().map(|object| object.size).sum(),
        fetch_bytes: objects.iter().filter(|object| !object.is_cached()).map(|object| object.size).sum(),
        current,
    }
}

/// The file of a manifest in a container that was copied into a folder of another.
fn in_a_copy<'a>(listed: &'a [Listed], key: &str) -> Option<&'a Listed> {
    listed.iter().find(|file| file.object.key.strip_suffix(key).is_some_and(|above| above.ends_with('/')))
}

/// Exports of Azure's without manifests write each run as one file more, `NAME_GUID.csv`, into the folder of the period:
/// the same money again, restated. The newest counts.
fn without_former_runs<'a>(files: Vec<&'a Listed>, superseded: &mut usize) -> Vec<&'a Listed> {
    let mut newest: BTreeMap<(PathBuf, String), &Listed> = BTreeMap::new();
    let mut others = Vec::new();
    let before = files.len();
    for file in files {
        match manifest::run_of_file(Path::new(&file.object.key)) {
            Some(run) => {
                let slot = newest.entry(run).or_insert(file);
                if (file.written, &file.object.key) > (slot.written, &slot.object.key) {
                    *slot = file;
                }
            }
            None => others.push(file),
        }
    }
    others.extend(newest.into_values());
    *superseded += before - others.len();
    others.sort_by(|a, b| a.object.key.cmp(&b.object.key));
    others
}

/// Fetches and loads what is not current, a delivery at a time, each in one transaction.
///
/// # Errors
/// When the folder for unpacked archives cannot be made. What is wrong with one delivery goes to [`Outcome::failures`].
pub(crate) fn ingest(
    store: &mut Store,
    container: &Container,
    plan: Plan,
    request: &Request,
    done: &mut Done,
    watcher: &dyn Watcher,
) -> Result<Outcome> {
    let unpack_to = store.scratch()?;
    let mut outcome =
        Outcome { failures: plan.failures, superseded_files: plan.superseded, notes: plan.notes, ..Outcome::default() };
    done.named.extend(plan.there);
    let (current, groups): (Vec<Group>, Vec<Group>) = plan.groups.into_iter().partition(|group| group.planned.current);
    for group in current {
        // Another place of this command must not replace it.
        done.keys.extend(group.objects.iter().map(Object::address));
        outcome.unchanged.push(Unchanged { label: group.label, files: group.planned.files });
    }
    let objects: Vec<Vec<Object>> = groups.iter().map(|group| group.objects.clone()).collect();
    watcher.planned(objects.iter().map(Vec::len).sum(), objects.iter().flatten().map(|object| object.size).sum());
    // Of a delivery that fails, what has come is kept for the next run.
    let mut failed: BTreeSet<PathBuf> = objects.iter().flatten().map(|object| object.path.clone()).collect();
    let mut fetching = container.fetch(&objects);
    let fetched = fetching.bytes();
    watcher.fetching(groups.iter().map(|group| group.planned.fetch_bytes).sum(), Arc::clone(&fetched));
    for (index, group) in groups.iter().enumerate() {
        let paths = match fetching.wait(index) {
            Ok(paths) => paths,
            Err(error) => {
                outcome.failures.push(error.context(format!("cannot ingest {}", group.label)));
                continue;
            }
        };
        if group.planned.fetch_bytes > 0 {
            watcher.fetched(&rate(&group.label, &group.planned, fetching.bytes_per_second()));
        }
        let failures = outcome.failures.len();
        let mut alive = true;
        for mut unit in units(store, group, &paths, unpack_to.path(), request, done, &mut outcome) {
            alive = load_watched(store, &mut unit, request, done, watcher, &mut outcome);
            if !alive {
                break;
            }
        }
        if outcome.failures.len() == failures {
            failed.retain(|path| !group.objects.iter().any(|object| object.path == *path));
        }
        if !alive {
            break;
        }
    }
    done.unfinished.extend(failed);
    // The cache is one folder: what could not be read here is no neighbour of what is elsewhere.
    done.broken.clear();
    outcome.fetched_bytes = Some(fetched.load(Ordering::Relaxed));
    outcome.periods.sort_by_key(|period| (period.loaded.billing_period, period.loaded.provider.clone()));
    Ok(outcome)
}

/// What is loaded in one transaction each. What is wrong with a file goes to the outcome.
fn units(
    store: &Store,
    group: &Group,
    paths: &[PathBuf],
    unpack_to: &Path,
    request: &Request,
    done: &mut Done,
    outcome: &mut Outcome,
) -> Vec<Unit> {
    let (mut bills, mut strangers) = (Vec::with_capacity(paths.len()), Vec::new());
    for (object, path) in group.objects.iter().zip(paths) {
        let context = |error: Error| error.context(format!("cannot read `{}`", object.address()));
        let options = sources::Options {
            format: group.format,
            saved: Some(&request.saved_mappings),
            ..sources::Options::default()
        };
        match sources::open_bill(path, options, unpack_to, &|sql| store.ask(sql)) {
            Ok(Opened::Bill(mut bill)) => {
                bill.key = object.address();
                bill.etag.clone_from(&object.etag);
                bills.push(*bill);
            }
            Ok(Opened::NotABill(error)) if group.format.is_none() => {
                done.failed.insert(object.address());
                strangers.push((object, context(error)));
            }
            Ok(Opened::NotABill(error)) | Err(error) => {
                outcome.failures.push(context(error));
                done.failed.insert(object.address());
                // A delivery is read whole or not at all, and of loose files nobody knows which are of one period.
                done.broken.extend(path.parent().map(Path::to_owned));
                if group.format.is_some() {
                    return Vec::new();
                }
            }
        }
    }
    // Other tables may lie in a folder of bills; alone, they are a mistake.
    let is_mistake = group.alone && bills.is_empty();
    for (object, error) in strangers {
        if is_mistake {
            outcome.failures.push(error);
        } else {
            // It is not fetched again to see that it is none.
            done.unfinished.insert(object.path.clone());
            outcome.skipped.push(object.address());
        }
    }
    match group.format {
        None => loose::group(store, bills, request, outcome, done),
        Some(format) => vec![Unit {
            label: group.label.clone(),
            data_source: format.data_source().to_owned(),
            export: group.planned.export.clone(),
            assembly_id: group.assembly_id.clone(),
            period: group.planned.period,
            rows: group.rows,
            bills,
        }],
    }
}
