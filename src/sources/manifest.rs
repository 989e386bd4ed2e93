//! The delivery layouts of AWS and Azure: which files are the latest version of each billing period.
//!
//! CUR writes `<report>/YYYYMMDD-YYYYMMDD/<report>-Manifest.json` (and a copy per assembly), Data Exports
//! `<export>/metadata/BILLING_PERIOD=YYYY-MM/<export>-Manifest.json` (and a copy per execution). The
//! manifest names the files; what lies beside them may be old versions of the same money, so folders are
//! never just listed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use chrono::NaiveDate;
use serde::Deserialize;

use super::{Format, files};
use crate::{
    error::{Error, Result},
    inert,
    model::{Day, Month, first_of_month},
};

/// How much later than a file that it names a manifest may be dated. AWS writes the manifest last, within
/// minutes; copies keep the dates or give all the same one.
const MAX_MANIFEST_LEAD: Duration = Duration::from_secs(6 * 3600);

/// No manifest is larger.
pub(crate) const MAX_MANIFEST_BYTES: u64 = 64 << 20;

/// The latest version of one billing period of one export.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub format: Format,
    /// What tells it from others: the ARN of Data Exports, account and name of CUR.
    pub export: String,
    /// The first day of the billing period.
    pub period: NaiveDate,
    /// The assembly id of CUR, the execution id of Data Exports.
    pub assembly_id: String,
    pub files: Vec<PathBuf>,
    /// Rows of all files, where the manifest says it.
    pub rows: Option<u64>,
}

/// A file that no manifest speaks for.
#[derive(Clone, Debug)]
pub(crate) struct Loose {
    pub path: PathBuf,
    /// Whether the user named the file itself, not a folder that it is in.
    pub named: bool,
}

/// What there is to ingest under the paths that the user named.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub deliveries: Vec<Delivery>,
    /// Files that no manifest speaks for.
    pub loose: Vec<Loose>,
    /// Older versions beside the deliveries.
    pub superseded: usize,
    pub failures: Vec<Error>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    assembly_id: Option<String>,
    execution_id: Option<String>,
    account: Option<String>,
    report_name: Option<String>,
    export_arn: Option<String>,
    billing_period: Option<BillingPeriod>,
    #[serde(default)]
    report_keys: Vec<String>,
    #[serde(default)]
    data_files: Vec<String>,
    #[serde(default)]
    columns: Vec<ManifestColumn>,
    export_config: Option<ExportConfig>,
    run_info: Option<RunInfo>,
    #[serde(default)]
    blobs: Vec<Blob>,
}

/// What Azure exports.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExportConfig {
    resource_id: String,
    /// `ActualCost`, `AmortizedCost` or `FocusCost`.
    r#type: String,
}

/// A run of Azure's, whose last day is a part of it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RunInfo {
    submitted_time: String,
    run_id: String,
    start_date: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Blob {
    blob_name: String,
    data_row_count: Option<u64>,
}

#[derive(Deserialize)]
struct BillingPeriod {
    start: String,
}

#[derive(Deserialize)]
struct ManifestColumn {
    name: String,
}

/// Finds deliveries and loose files under `paths`: files, folders and glob patterns.
///
/// # Errors
/// When a path does not exist or a pattern matches nothing. What is wrong with one delivery goes to
/// [`Found::failures`].
pub(crate) fn discover(paths: &[PathBuf]) -> Result<Found> {
    let mut found = Found::default();
    let mut manifests = BTreeSet::new();
    let mut data = BTreeMap::new();
    for (path, named) in expand(paths)? {
        if path.is_dir() {
            for file in files::walk(&path)? {
                if is_manifest(&file) {
                    manifests.insert(file);
                } else if files::looks_like_data(&file) {
                    data.entry(files::canonical(&file)?).or_insert(Loose { path: file, named: false });
                }
            }
        } else if path.is_file()
            && (is_manifest(&path)
                || (named && has_extension(&path, "json") && (names_files(&path) || !files::is_json_data(&path)?)))
        {
            manifests.insert(path);
        } else {
            data.insert(files::canonical(&path)?, Loose { path, named });
        }
    }
    let named = take_deliveries(&manifests, &mut found)?;
    let territories: BTreeSet<PathBuf> = manifests.iter().map(|manifest| territory(manifest)).collect();
    let territories = territories.iter().map(|folder| files::canonical(folder)).collect::<Result<Vec<PathBuf>>>()?;
    let (beside, loose): (Vec<_>, Vec<_>) = data
        .into_iter()
        .partition(|(path, file)| !file.named && territories.iter().any(|territory| path.starts_with(territory)));
    // What a manifest with a fault names is not known; nothing is said of its folder.
    let all_read = found.failures.is_empty();
    found.superseded =
        beside.iter().filter(|(path, _)| all_read && !named.contains(path) && !is_status_table(path)).count();
    let loose = loose.into_iter().filter(|(path, _)| !named.contains(path)).map(|(_, file)| file).collect();
    found.loose = without_several_versions(loose, &mut found.failures);
    Ok(found)
}

/// Reads the latest manifest of each period; returns the files that they name.
fn take_deliveries(manifests: &BTreeSet<PathBuf>, found: &mut Found) -> Result<BTreeSet<PathBuf>> {
    let mut latest: BTreeMap<(String, PathBuf), &PathBuf> = BTreeMap::new();
    for manifest in manifests {
        let name = manifest.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let slot = latest.entry((name, period_folder(manifest))).or_insert(manifest);
        if rank(manifest) > rank(slot) {
            *slot = manifest;
        }
    }
    let mut named = BTreeSet::new();
    for manifest in latest.into_values() {
        match read_manifest(manifest) {
            Ok(delivery) => {
                for file in &delivery.files {
                    named.insert(files::canonical(file)?);
                }
                found.deliveries.push(delivery);
            }
            Err(error) => found.failures.push(error),
        }
    }
    Ok(named)
}

/// Of files in folders by assembly or execution, several of one period are the same money several times.
/// Without a manifest nothing says which is the latest.
fn without_several_versions(loose: Vec<Loose>, failures: &mut Vec<Error>) -> Vec<Loose> {
    let version = |file: &Loose| {
        let folder = file.path.parent()?;
        let period = folder.parent().filter(|period| is_period_folder(period))?;
        Some((period.to_owned(), folder.to_owned()))
    };
    let mut versions: BTreeMap<PathBuf, BTreeSet<PathBuf>> = BTreeMap::new();
    for (period, folder) in loose.iter().filter_map(version) {
        versions.entry(period).or_default().insert(folder);
    }
    versions.retain(|_, folders| folders.len() > 1);
    for (period, folders) in &versions {
        failures.push(
            Error::input(format!("`{}` holds {} versions of one period", period.display(), folders.len()))
                .cause("each is the whole bill again, and there is no manifest that says which is the latest")
                .hint("ingest the folder above, with its manifests (`metadata` for Data Exports)"),
        );
    }
    loose.into_iter().filter(|file| version(file).is_none_or(|(period, _)| !versions.contains_key(&period))).collect()
}

fn is_status_table(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "cost_and_usage_data_status")
}

/// The paths that exist, with whether each was named itself and not by a pattern. A path that exists is itself, whatever
/// characters are in it.
///
/// # Errors
/// When there is nothing of a name, or what a pattern matches cannot be looked at.
fn expand(paths: &[PathBuf]) -> Result<Vec<(PathBuf, bool)>> {
    let mut expanded = Vec::new();
    for path in paths {
        let text = path.to_string_lossy();
        let is_there = path.try_exists().map_err(|e| Error::input(format!("cannot read `{text}`")).caused_by(e))?;
        if is_there {
            expanded.push((path.clone(), true));
        } else if path.is_symlink() {
            return Err(Error::input(format!("`{text}` is a link to a file that is not there")));
        } else if path.to_str().is_some() && text.contains(['*', '?', '[']) {
            let as_in_a_shell = glob::MatchOptions { require_literal_leading_dot: true, ..glob::MatchOptions::new() };
            let matches = glob::glob_with(&text, as_in_a_shell)
                .map_err(|e| Error::input(format!("cannot read the pattern `{text}`")).caused_by(e))?;
            let before = expanded.len();
            for found in matches {
                let found = found
                    .map_err(|e| Error::input(format!("cannot read `{}`", e.path().display())).cause(e.error()))?;
                // Pipes and devices are read where they are named, and nowhere else.
                if found.is_file() || found.is_dir() {
                    expanded.push((found, false));
                }
            }
            if expanded.len() == before {
                return Err(Error::input(format!("nothing matches `{text}`")));
            }
        } else {
            return Err(Error::input(format!("there is no file or folder `{text}`"))
                .hint("name a bill, a folder of bills or a quoted pattern such as 'bills/*.parquet'"));
        }
    }
    Ok(expanded)
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found.eq_ignore_ascii_case(extension))
}

/// AWS ends the names in `-Manifest.json`; a bare `manifest.json` is Azure's, or some other vendor's.
fn is_manifest(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    name.ends_with("-manifest.json") || (name == "manifest.json" && submitted(path).is_some())
}

/// Whether a file is a manifest by what it says, whatever it is called.
fn names_files(path: &Path) -> bool {
    read_text(path).is_some_and(|text| parse(&text, "").is_ok())
}

/// The text of a file that is no larger than any manifest.
fn read_text(path: &Path) -> Option<String> {
    let is_small = fs::metadata(path).is_ok_and(|metadata| metadata.len() <= MAX_MANIFEST_BYTES);
    if is_small { fs::read_to_string(path).ok() } else { None }
}

/// When Azure submitted the run that a manifest is of; nothing for other files.
fn submitted(path: &Path) -> Option<String> {
    let manifest: Manifest = serde_json::from_str(read_text(path)?.trim_start_matches('\u{feff}')).ok()?;
    manifest.export_config?;
    Some(manifest.run_info?.submitted_time)
}

/// The folder of the billing period that a manifest or a copy of it lies in.
fn period_folder(manifest: &Path) -> PathBuf {
    let folder = manifest.parent().unwrap_or(manifest);
    let period = manifest.ancestors().skip(1).find(|folder| is_period_folder(folder));
    period.unwrap_or(folder).to_owned()
}

fn is_period_folder(folder: &Path) -> bool {
    let name = folder.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let digits = |text: &str| text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit());
    name.starts_with("billing_period=") || name.split_once('-').is_some_and(|(start, end)| digits(start) && digits(end))
}

/// The folder of the whole report, in which only what manifests name counts.
pub(crate) fn territory(manifest: &Path) -> PathBuf {
    let period = period_folder(manifest);
    // Of a manifest that is named without a folder.
    if period.as_os_str().is_empty() {
        return PathBuf::from(".");
    }
    let above = if is_period_folder(&period) { period.parent().unwrap_or(&period) } else { &period };
    match above.file_name() {
        Some(name) if name == "metadata" => above.parent().unwrap_or(above).to_owned(),
        _ => above.to_owned(),
    }
}

/// Orders the manifests of one period: the one in the period's own folder is always the latest; of copies
/// the folder's timestamp decides, then the file's date.
fn rank(manifest: &Path) -> (bool, String, SystemTime) {
    if let Some(submitted) = submitted(manifest) {
        return (false, submitted, modified(manifest));
    }
    let folder = manifest.parent().unwrap_or(manifest);
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    // `20250307T053621Z` or `2026-04-17T15:24:15.653Z-…`, not a UUID that begins with 20.
    let is_timestamp = name.starts_with("20") && matches!(name.as_bytes().get(8), Some(b'T' | b'1'..=b'3' | b'0'));
    let timestamp = if is_timestamp && name.contains('T') { name } else { String::new() };
    (is_period_folder(folder), timestamp, modified(manifest))
}

fn modified(path: &Path) -> SystemTime {
    fs::metadata(path).and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// What a manifest says.
#[derive(Clone, Debug)]
pub(crate) struct Parsed {
    pub format: Format,
    pub export: String,
    pub period: NaiveDate,
    pub assembly_id: String,
    /// The files: keys of the bucket, or `s3://bucket/key`.
    pub keys: Vec<String>,
    /// Rows of all files, where the manifest says it.
    pub rows: Option<u64>,
}

/// Reads the text of a manifest that lies at `path`, on disk or in a bucket.
///
/// # Errors
/// When it is no manifest of a bill, names no files, or does not say its period.
pub(crate) fn parse(text: &str, path: &str) -> Result<Parsed> {
    let manifest: Manifest = serde_json::from_str(text.trim_start_matches('\u{feff}'))
        .map_err(|e| Error::input(format!("`{path}` is not a manifest of a bill")).caused_by(e))?;
    if let (Some(export), Some(run)) = (&manifest.export_config, &manifest.run_info) {
        return azure(export, run, &manifest.blobs, path);
    }
    let (keys, format) = if !manifest.report_keys.is_empty() {
        (manifest.report_keys, Format::Cur1)
    } else if !manifest.data_files.is_empty() {
        let focus = manifest.columns.iter().any(|column| column.name.eq_ignore_ascii_case("BilledCost"));
        (manifest.data_files, if focus { Format::Focus } else { Format::Cur2 })
    } else {
        return Err(Error::input(format!("`{path}` names no files"))
            .cause("it has none of `reportKeys` (CUR), `dataFiles` (Data Exports) and `blobs` (Azure)"));
    };
    let assembly_id = match format {
        Format::Cur1 => manifest.assembly_id,
        _ => manifest.execution_id.or(manifest.assembly_id),
    };
    // Names are free to choose in each account, so the account is a part of what an export is.
    let stem = path.rsplit(['/', '\\']).next().unwrap_or(path).trim_end_matches("-Manifest.json");
    let name = manifest.report_name.unwrap_or_else(|| stem.to_owned());
    let export = manifest.export_arn.or_else(|| Some(format!("{}/{name}", manifest.account?))).unwrap_or(name);
    let period = manifest
        .billing_period
        .and_then(|period| compact_day(period.start.get(..8)?))
        .or_else(|| keys.iter().find_map(|key| period_in(key)))
        .or_else(|| period_in(path))
        .ok_or_else(|| {
            Error::input(format!("`{path}` does not say which billing period it is of"))
                .hint("keep the folders as AWS names them: `BILLING_PERIOD=YYYY-MM` or `YYYYMMDD-YYYYMMDD`")
        })?;
    Ok(Parsed { format, export, period, assembly_id: assembly_id.unwrap_or_default(), keys, rows: None })
}

/// A manifest of Azure's, with when its run was submitted; nothing for other documents.
///
/// # Errors
/// When it is of an export that is no bill, names no files, or does not say its period.
pub(crate) fn run(text: &str, path: &str) -> Result<Option<(String, Parsed)>> {
    let Ok(manifest) = serde_json::from_str::<Manifest>(text.trim_start_matches('\u{feff}')) else { return Ok(None) };
    match (&manifest.export_config, &manifest.run_info) {
        (Some(export), Some(run)) => Ok(Some((run.submitted_time.clone(), azure(export, run, &manifest.blobs, path)?))),
        _ => Ok(None),
    }
}

/// The folder and name of an export of Azure's of which a file is one run: `…/20260601-20260630/NAME_GUID.csv`.
pub(crate) fn run_of_file(path: &Path) -> Option<(PathBuf, String)> {
    let folder = path.parent().filter(|folder| is_period_folder(folder))?;
    let stem = path.file_name()?.to_str()?.split('.').next()?;
    let (name, guid) = stem.rsplit_once('_')?;
    let is_guid = guid.len() == 36 && guid.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    is_guid.then(|| (folder.to_owned(), name.to_owned()))
}

/// What a manifest of Azure's says. <https://learn.microsoft.com/azure/cost-management-billing/costs/tutorial-improved-exports>.
fn azure(export: &ExportConfig, run: &RunInfo, blobs: &[Blob], path: &str) -> Result<Parsed> {
    let format = match export.r#type.to_lowercase().as_str() {
        "actualcost" | "usage" => Format::AzureActual,
        "amortizedcost" => Format::AzureAmortized,
        "focuscost" => Format::Focus,
        other => {
            return Err(Error::input(format!("`{path}` is of an export of `{other}`, which is no bill"))
                .hint("ingest an export of actual or amortized costs, or FOCUS"));
        }
    };
    if blobs.is_empty() {
        return Err(Error::input(format!("`{path}` names no files")).cause("its `blobs` are empty"));
    }
    let start = run.start_date.get(..10).and_then(|day| day.parse::<Day>().ok());
    let period = start.map(|day| first_of_month(day.date())).ok_or_else(|| {
        Error::input(format!("`{path}` does not say which billing period it is of"))
            .cause(format!("its `startDate` is `{}`", run.start_date))
    })?;
    let rows = blobs.iter().map(|blob| blob.data_row_count).sum();
    let keys = blobs.iter().map(|blob| blob.blob_name.clone()).collect();
    Ok(Parsed { format, export: export.resource_id.clone(), period, assembly_id: run.run_id.clone(), keys, rows })
}

/// Reads a manifest and finds its files.
fn read_manifest(path: &Path) -> Result<Delivery> {
    let shown = path.display();
    let text = fs::read_to_string(path).map_err(|e| Error::input(format!("cannot read `{shown}`")).caused_by(e))?;
    let Parsed { format, export, period, assembly_id, keys, rows } = parse(&text, &path.to_string_lossy())?;
    let mut found = Vec::with_capacity(keys.len());
    for key in &keys {
        let file = locate(key, path).ok_or_else(|| {
            let error = Error::input(format!("a file that a manifest names is missing: `{key}`"))
                .cause(format!("named by `{shown}`"));
            match unpacked(key, path) {
                Some(file) => {
                    error.hint(format!("ingest the csv by name: `aws-cost-anomalies ingest {}`", inert::shell(&file)))
                }
                None => error
                    .hint("copy the whole report again, e.g. with `aws s3 sync` or `az storage blob download-batch`"),
            }
        })?;
        if modified(path).duration_since(modified(&file)).is_ok_and(|lead| lead > MAX_MANIFEST_LEAD) {
            return Err(Error::input(format!("the manifest `{shown}` is newer than its file `{}`", file.display()))
                .cause("the file is from an earlier delivery of the same period")
                .hint("copy the report again, or ingest the file by its own name"));
        }
        found.push(file);
    }
    Ok(Delivery { format, export, period, assembly_id, files: found, rows })
}

/// The billing period that a folder of AWS's is named for: `20261001-20261101`, `BILLING_PERIOD=2026-10`.
pub(crate) fn period_of_folder(name: &str) -> Option<NaiveDate> {
    if let Some((start, end)) = name.split_once('-')
        && start.len() == 8
        && end.len() == 8
        && compact_day(end).is_some()
    {
        return compact_day(start);
    }
    period_in(name)
}

/// A day as AWS's folders have it: `20261001`.
fn compact_day(text: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text, "%Y%m%d").ok().and_then(Day::new).map(Day::date)
}

/// The month in `…BILLING_PERIOD=2026-04/…`, whatever the case.
pub(crate) fn period_in(path: &str) -> Option<NaiveDate> {
    let lower = path.to_lowercase();
    let (_, rest) = lower.split_once("billing_period=")?;
    rest.get(..7)?.parse().ok().map(Month::first_day)
}

/// The unpacked file beside a manifest of a packed one that it names: `report-1.csv` of `report-1.csv.gz`.
fn unpacked(key: &str, manifest: &Path) -> Option<String> {
    let packed = [".gz", ".zip", ".bz2", ".zst"].iter().find_map(|ending| key.strip_suffix(ending))?;
    let csv = if packed.ends_with(".csv") { packed.to_owned() } else { format!("{packed}.csv") };
    locate(&csv, manifest).map(|file| file.to_string_lossy().into_owned())
}

/// The local file of an S3 key: the longest tail of the key that exists in the report's folder or just
/// above it. A bare file name counts only beside the manifest, since every period has files of that name.
fn locate(key: &str, manifest: &Path) -> Option<PathBuf> {
    let key = key.strip_prefix("s3://").map_or(key, |rest| rest.split_once('/').map_or(rest, |(_, key)| key));
    let parts: Vec<&str> = key.split('/').filter(|part| !part.is_empty() && *part != "..").collect();
    let report = territory(manifest);
    let own = manifest.parent()?;
    let folders: Vec<&Path> = own.ancestors().take_while(|folder| folder.starts_with(&report)).collect();
    let above = report.ancestors().skip(1).take(2);
    let folders: Vec<&Path> = folders.into_iter().chain(above).collect();
    let tails = (0..parts.len()).map(|start| (parts.len() - start, parts[start..].iter().collect::<PathBuf>()));
    tails
        .flat_map(|(length, tail)| folders.iter().map(move |folder| (length, *folder, folder.join(&tail))))
        .find(|(length, folder, candidate)| (*length > 1 || *folder == own) && candidate.is_file())
        .map(|(.., candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_found_whatever_the_case() {
        let april = NaiveDate::from_ymd_opt(2026, 4, 1);
        assert_eq!(period_in("x/BILLING_PERIOD=2026-04/y"), april);
        assert_eq!(period_in("x/billing_period=2026-04/y"), april);
        assert_eq!(period_in("x/2026-04/y"), None);
        assert_eq!(period_of_folder("20260401-20260501"), april);
    }

    #[test]
    fn folders_of_far_years_are_no_periods() {
        for far in ["00010401-00010501", "99990401-99990501", "BILLING_PERIOD=0026-04", "billing_period=9999-01"] {
            assert_eq!(period_of_folder(far), None, "{far}");
        }
    }

    #[test]
    fn a_path_that_exists_is_itself_and_a_pattern_is_a_pattern() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["a[1].csv", "a1.csv", "b*.csv", "bx.csv", ".hidden.csv"] {
            fs::write(folder.path().join(name), "x").expect("written");
        }
        let names = |pattern: &str| -> Vec<(String, bool)> {
            let expanded = expand(&[folder.path().join(pattern)]).expect("there");
            let name = |path: PathBuf| path.file_name().expect("a name").to_string_lossy().into_owned();
            expanded.into_iter().map(|(path, named)| (name(path), named)).collect()
        };
        assert_eq!(names("a[1].csv"), [("a[1].csv".into(), true)]);
        assert_eq!(names("b*.csv"), [("b*.csv".into(), true)]);
        assert_eq!(names("a[12].csv"), [("a1.csv".into(), false)]);
        assert_eq!(names("*.csv").len(), 4);
        assert!(expand(&[folder.path().join("c*.csv")]).is_err());
    }

    #[test]
    fn a_copy_in_an_execution_folder_ranks_below_the_periods_own() {
        let own = Path::new("r/metadata/BILLING_PERIOD=2026-04/r-Manifest.json");
        let copy = Path::new("r/metadata/BILLING_PERIOD=2026-04/2026-04-17T15:24:15.653Z-1/r-Manifest.json");
        assert!(rank(own) > rank(copy));
        assert_eq!(territory(own), Path::new("r"));
        assert_eq!(territory(copy), Path::new("r"));
        assert_eq!(period_folder(copy), Path::new("r/metadata/BILLING_PERIOD=2026-04"));
    }

    #[test]
    fn a_manifest_names_no_file_outside_of_its_report() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let write = |name: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("created");
            fs::write(&path, "x").expect("written");
            path
        };
        let secret = write("secret/key.csv");
        let own = write("bills/acme/report/20181001-20181101/key.csv");
        let manifest = write("bills/acme/report/20181001-20181101/report-Manifest.json");
        for key in ["../../../../secret/key.csv", "s3://b/../../../../secret/key.csv", "x/../../secret/key.csv"] {
            assert_eq!(locate(key, &manifest), Some(own.clone()), "the file beside it: {key}");
        }
        assert_eq!(locate(&secret.to_string_lossy(), &manifest), Some(own));
        assert_eq!(locate("../../../../secret/other.csv", &manifest), None);
    }

    #[test]
    fn cur_reports_own_their_folder() {
        let manifest = Path::new("p/report/20181001-20181101/report-Manifest.json");
        assert_eq!(territory(manifest), Path::new("p/report"));
    }
}
