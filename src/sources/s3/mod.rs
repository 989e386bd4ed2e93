//! Bills in S3 buckets: finding the deliveries, and fetching what changed into the cache.
//!
//! Folders are walked with a delimiter as far as their names tell the layout; what to fetch is said by the
//! manifests alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use aws_sdk_s3::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    operation::list_objects_v2::ListObjectsV2Output,
    types::RequestPayer,
};
use chrono::NaiveDate;
use futures_util::stream;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Format,
    aws::{ApiRequest, Aws, OwnedWhom},
    manifest,
    objects::{self, Answer, Fetching, Object, Origin, bare, cache_path, write_whole},
};
use crate::error::{Error, Result};

/// Folders between the prefix and a report: more are some other data.
const MAX_DEPTH: usize = 5;

/// How much newer than its manifest a file may be. AWS writes the manifest last, and the next delivery hours later;
/// copies of a bucket may be written in any order.
const MAX_LAG_SECONDS: i64 = 3600;

/// AWS delivers at least daily: a file that stays newer than its manifest for longer was copied.
const DAY_SECONDS: i64 = 86_400;

/// The `s3` section of the configuration: one export in its own keys, more of them in `exports`.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub bucket: String,
    pub prefix: String,
    pub report_name: String,
    pub region: String,
    pub requester_pays: bool,
    pub exports: Vec<Export>,
}

/// Where AWS delivers a report or export.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Export {
    pub bucket: String,
    #[serde(default)]
    pub prefix: String,
    /// Only the report or export of this name; blank for all below the prefix.
    #[serde(default)]
    pub report_name: String,
    #[serde(default = "default_region")]
    pub region: String,
    /// Whether requests are paid by who makes them.
    #[serde(default)]
    pub requester_pays: bool,
}

fn default_region() -> String {
    "us-east-1".into()
}

impl Settings {
    /// Every export that is configured.
    pub fn all(&self) -> Vec<Export> {
        let own = Export {
            bucket: self.bucket.clone(),
            prefix: self.prefix.clone(),
            report_name: self.report_name.clone(),
            region: self.region.clone(),
            requester_pays: self.requester_pays,
        };
        [own].into_iter().chain(self.exports.iter().cloned()).filter(|export| !export.bucket.is_empty()).collect()
    }
}

impl Export {
    /// The place that an address such as `s3://bucket/prefix` names.
    pub fn of_address(address: &str, settings: &Settings) -> Option<Self> {
        let rest = address.get(5..).filter(|_| address.to_lowercase().starts_with("s3://"))?;
        let (bucket, prefix) = match rest {
            "" => return None,
            rest => rest.split_once('/').unwrap_or((rest, "")),
        };
        Some(Self {
            bucket: bucket.to_owned(),
            prefix: prefix.trim_end_matches('/').to_owned(),
            report_name: String::new(),
            region: settings.region.clone(),
            requester_pays: settings.requester_pays,
        })
    }

    /// `s3://bucket/prefix`.
    pub fn address(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.prefix)
    }
}

/// The newest manifest of a billing period.
#[derive(Clone, Debug)]
pub(crate) struct ManifestObject {
    pub period: NaiveDate,
    key: String,
    etag: String,
    /// Seconds since 1970.
    written: i64,
}

/// What a manifest says of a period, with its objects.
#[derive(Clone, Debug)]
pub(crate) struct RemoteDelivery {
    pub format: Format,
    pub export: String,
    pub period: NaiveDate,
    pub assembly_id: String,
    /// `(bucket, key)` of each file.
    places: Vec<(String, String)>,
}

impl RemoteDelivery {
    /// The names of the files in the database.
    pub(crate) fn addresses(&self) -> Vec<String> {
        self.places.iter().map(|(bucket, key)| address(bucket, key)).collect()
    }
}

fn address(bucket: &str, key: &str) -> String {
    format!("s3://{bucket}/{key}")
}

/// One export's bucket, and the cache.
pub(crate) struct Bucket<'a> {
    aws: &'a Aws,
    client: Client,
    export: Export,
    cache: PathBuf,
}

impl<'a> Bucket<'a> {
    /// `cache` is the folder for what is fetched.
    pub(crate) fn new(aws: &'a Aws, export: &Export, cache: &Path) -> Self {
        let config = aws_sdk_s3::config::Builder::from(&aws.in_region(&export.region));
        // An endpoint of one's own has no host name for each bucket.
        let own_endpoint = aws.has_own_endpoint();
        let client = Client::from_conf(config.force_path_style(own_endpoint).build());
        Self { aws, client, export: export.clone(), cache: cache.to_owned() }
    }

    pub(crate) fn export(&self) -> &Export {
        &self.export
    }

    /// The newest manifest of each billing period for which `wanted` holds, in order.
    ///
    /// # Errors
    /// When AWS refuses, or there is no report below the prefix. A period without a manifest goes to `failures`.
    pub(crate) fn manifests(
        &self,
        wanted: &dyn Fn(NaiveDate) -> bool,
        failures: &mut Vec<Error>,
    ) -> Result<Vec<ManifestObject>> {
        let mut manifests = Vec::new();
        for (folder, period) in self.period_folders()?.into_iter().filter(|(_, period)| wanted(*period)) {
            let listing = self.list(&folder)?;
            let of_period: Vec<_> = listing.objects.iter().filter(|object| is_manifest(&object.key)).collect();
            if of_period.is_empty() {
                failures.push(
                    Error::input(format!("there is no manifest in `{}`", address(&self.export.bucket, &folder)))
                        .cause("AWS writes it last, once all files of the period are there")
                        .hint("if the report is new, run the command again in some hours; else have AWS deliver the period again"),
                );
            }
            manifests.extend(of_period.into_iter().map(|object| ManifestObject {
                period,
                key: object.key.clone(),
                etag: object.etag.clone(),
                written: object.written,
            }));
        }
        manifests.sort_by(|a, b| (a.period, &a.key).cmp(&(b.period, &b.key)));
        Ok(manifests)
    }

    /// Reads a manifest, from the cache when it has not changed.
    ///
    /// # Errors
    /// When AWS refuses, or it is no manifest.
    pub(crate) fn delivery(&self, manifest: &ManifestObject) -> Result<RemoteDelivery> {
        let place = address(&self.export.bucket, &manifest.key);
        let cached = cache_path(&self.cache, &place, &manifest.etag);
        let text = match fs::read_to_string(&cached) {
            Ok(text) => text,
            Err(_) => {
                let request = self.client.get_object().bucket(&self.export.bucket).key(&manifest.key);
                let request = request.set_request_payer(self.payer());
                let read = async {
                    let answer = request.send().await.map_err(|e| self.explain("s3:GetObject", &place, &e))?;
                    let body = answer.body.collect().await;
                    body.map_err(|e| Error::remote(format!("cannot read `{place}`")).caused_by(e))
                };
                let bytes = self.aws.block_on(read)?.to_vec();
                write_whole(&cached, &bytes)?;
                String::from_utf8(bytes).map_err(|e| Error::input(format!("`{place}` is not text")).caused_by(e))?
            }
        };
        let parsed = manifest::parse(&text, &place).inspect_err(|_| {
            // What is no manifest is not kept; the next run asks again.
            let _ = fs::remove_file(&cached);
        })?;
        let split = |key: &String| match key.strip_prefix("s3://").and_then(|rest| rest.split_once('/')) {
            Some((bucket, key)) => (bucket.to_owned(), key.to_owned()),
            None => (self.export.bucket.clone(), key.clone()),
        };
        Ok(RemoteDelivery {
            format: parsed.format,
            export: parsed.export,
            period: parsed.period,
            assembly_id: parsed.assembly_id,
            places: parsed.keys.iter().map(split).collect(),
        })
    }

    /// The objects of a delivery with size and ETag, by listing the folders that they are in.
    ///
    /// # Errors
    /// When AWS refuses, an object is missing, or is of a newer delivery than the manifest.
    pub(crate) fn objects(&self, manifest: &ManifestObject, delivery: &RemoteDelivery) -> Result<Vec<Object>> {
        let mut listings: BTreeMap<(String, String), BTreeMap<String, Listed>> = BTreeMap::new();
        let mut objects = Vec::with_capacity(delivery.places.len());
        for (bucket, key) in &delivery.places {
            let folder = key.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
            let slot = (bucket.clone(), folder.clone());
            if !listings.contains_key(&slot) {
                let listed = self.list_bucket(bucket, &folder)?.objects;
                listings.insert(slot.clone(), listed.into_iter().map(|object| (object.key.clone(), object)).collect());
            }
            let place = address(bucket, key);
            let listed = listings.get(&slot).and_then(|listing| listing.get(key)).ok_or_else(|| {
                Error::input(format!("a file that the manifest names is not in the bucket: `{place}`"))
                    .hint("run the command again in some minutes; if it stays so, have AWS deliver the period again")
            })?;
            let now = chrono::Utc::now().timestamp();
            if listed.written > manifest.written + MAX_LAG_SECONDS && now - listed.written < DAY_SECONDS {
                return Err(Error::remote(format!("`{place}` is newer than its manifest"))
                    .cause("AWS is writing the next delivery over this one, and its manifest comes last")
                    .hint("run the command again in some minutes; the period is kept as it was"));
            }
            let path = cache_path(&self.cache, &place, &listed.etag);
            objects.push(Object {
                root: format!("s3://{bucket}"),
                key: key.clone(),
                etag: listed.etag.clone(),
                size: listed.size,
                path,
            });
        }
        Ok(objects)
    }

    /// Starts to fetch the objects of each delivery.
    pub(crate) fn fetch(&self, deliveries: &[Vec<Object>]) -> Fetching {
        let origin = S3 { client: self.client.clone(), payer: self.payer(), whom: self.aws.whom() };
        objects::fetch(&origin, deliveries, self.aws.handle())
    }

    /// Reads a byte of an object, past the cache.
    ///
    /// # Errors
    /// When AWS refuses.
    pub(crate) fn probe(&self, object: &Object) -> Result<()> {
        let request = self.client.get_object().bucket(bucket_of(object)).key(&object.key).range("bytes=0-0");
        let answer = self.aws.block_on(request.set_request_payer(self.payer()).send());
        answer.map(drop).map_err(|e| self.explain("s3:GetObject", &object.address(), &e))
    }

    /// The folders of the billing periods, with their periods.
    fn period_folders(&self) -> Result<Vec<(String, NaiveDate)>> {
        let start = match self.export.prefix.trim_end_matches('/') {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        };
        let mut folders = Vec::new();
        let mut seen = BTreeSet::new();
        let mut undescribed: Vec<(String, NaiveDate)> = Vec::new();
        let mut queue = vec![(start.clone(), 0)];
        while let Some((folder, depth)) = queue.pop() {
            let children = self.list(&folder)?.folders;
            let periods: Vec<(String, NaiveDate)> = children
                .iter()
                .filter_map(|child| Some((child.clone(), manifest::period_of_folder(last(child))?)))
                .collect();
            let name = last(&folder);
            if !periods.is_empty() {
                // Data Exports keep their manifests in `metadata`; the same folders in `data` hold the files.
                let report = if name == "metadata" { last(parent(&folder)) } else { name };
                seen.insert(report.to_owned());
                if self.export.report_name.is_empty() || report == self.export.report_name {
                    let more = undescribed.extract_if(.., |(path, _)| path.starts_with(&folder));
                    let more: Vec<_> = more.filter(|more| !periods.contains(more)).collect();
                    folders.extend(periods);
                    folders.extend(more);
                }
                continue;
            }
            if let Some(metadata) = children.iter().find(|child| last(child) == "metadata") {
                queue.push((metadata.clone(), depth + 1));
                // A period that has files and no manifest yet is looked for, to say so.
                let wanted = self.export.report_name.is_empty() || name == self.export.report_name;
                if let Some(data) = children.iter().find(|child| wanted && last(child) == "data") {
                    let delivered = self.list(data)?.folders;
                    undescribed.extend(delivered.iter().filter_map(|folder| {
                        Some((format!("{metadata}{}/", last(folder)), manifest::period_of_folder(last(folder))?))
                    }));
                }
            } else if depth < MAX_DEPTH {
                let named = children.iter().find(|child| !name.is_empty() && last(child) == self.export.report_name);
                let next: Vec<&String> = match named {
                    Some(child) => vec![child],
                    None => children.iter().filter(|child| !last(child).contains('=')).collect(),
                };
                queue.extend(next.into_iter().map(|child| (child.clone(), depth + 1)));
            }
        }
        // Exports whose first files are there, and no manifest yet.
        folders.extend(undescribed);
        if folders.is_empty() {
            return Err(self.nothing_found(&start, &seen));
        }
        folders.sort();
        Ok(folders)
    }

    fn nothing_found(&self, start: &str, seen: &BTreeSet<String>) -> Error {
        let place = address(&self.export.bucket, start);
        let error = match self.export.report_name.as_str() {
            "" => Error::input(format!("there is no report or export below `{place}`"))
                .cause("no folder is named for a billing period: `YYYYMMDD-YYYYMMDD` (CUR), `metadata/BILLING_PERIOD=…` (Data Exports)"),
            name => Error::input(format!("there is no report `{name}` below `{place}`")),
        };
        if seen.is_empty() {
            error
                .hint(format!(
                    "`s3.prefix` is `{}`; with `prefix: \"\"` the whole bucket is searched",
                    self.export.prefix
                ))
                .hint("`aws-cost-anomalies ingest --discover` finds the account's reports and exports")
        } else {
            error.hint(format!("there are: {}", seen.iter().cloned().collect::<Vec<_>>().join(", ")))
        }
    }

    fn list(&self, prefix: &str) -> Result<Listing> {
        self.list_bucket(&self.export.bucket, prefix)
    }

    /// All objects and folders directly below `prefix`, over all pages.
    fn list_bucket(&self, bucket: &str, prefix: &str) -> Result<Listing> {
        let mut listing = Listing::default();
        let request = self.client.list_objects_v2().bucket(bucket).prefix(prefix).delimiter("/");
        let mut pages = request.set_request_payer(self.payer()).into_paginator().send();
        let place = address(bucket, prefix);
        while let Some(page) = self.aws.block_on(pages.next()) {
            listing.take(&page.map_err(|e| self.explain("s3:ListBucket", &place, &e))?);
        }
        Ok(listing)
    }

    fn payer(&self) -> Option<RequestPayer> {
        self.export.requester_pays.then_some(RequestPayer::Requester)
    }

    fn explain<E, R>(&self, action: &str, about: &str, error: &SdkError<E, R>) -> Error
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: std::fmt::Debug,
    {
        self.aws.explain(&ApiRequest { service: "S3", action, about: &format!("`{about}`") }, error)
    }
}

/// S3 as it hands out objects.
#[derive(Clone)]
struct S3 {
    client: Client,
    payer: Option<RequestPayer>,
    whom: OwnedWhom,
}

impl Origin for S3 {
    /// The ETag of objects in parts (`…-N`), or encrypted with a key of KMS, is no MD5; such are fetched in one answer,
    /// whose checksum the SDK verifies where S3 has one.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html>
    const ETAG_IS_MD5: bool = true;

    async fn open(&self, object: &Object, from: u64) -> Result<Answer> {
        let range = (from > 0).then(|| format!("bytes={from}-"));
        let request = self.client.get_object().bucket(bucket_of(object)).key(&object.key);
        let request = request.if_match(format!("\"{}\"", object.etag)).set_range(range);
        let answer = request.set_request_payer(self.payer.clone()).send().await.map_err(|e| {
            let about = format!("`{}`", object.address());
            self.whom.explain(&ApiRequest { service: "S3", action: "s3:GetObject", about: &about }, &e)
        })?;
        let encryption = answer.server_side_encryption().map_or("", |encryption| encryption.as_str());
        Ok(Answer {
            etag: bare(answer.e_tag().unwrap_or_default()),
            from: if answer.content_range().is_some() { from } else { 0 },
            encrypted: encryption.starts_with("aws:kms"),
            body: Box::pin(stream::unfold(answer.body, async |mut body| {
                let bytes = body.next().await?.map_err(|e| e.to_string());
                Some((bytes, body))
            })),
        })
    }
}

fn bucket_of(object: &Object) -> &str {
    object.root.strip_prefix("s3://").unwrap_or(&object.root)
}

/// What lies directly below a prefix.
#[derive(Debug, Default)]
struct Listing {
    folders: Vec<String>,
    objects: Vec<Listed>,
}

#[derive(Clone, Debug)]
struct Listed {
    key: String,
    etag: String,
    size: u64,
    /// Seconds since 1970.
    written: i64,
}

impl Listing {
    fn take(&mut self, page: &ListObjectsV2Output) {
        self.folders.extend(page.common_prefixes().iter().filter_map(|folder| folder.prefix()).map(str::to_owned));
        self.objects.extend(page.contents().iter().map(|object| Listed {
            key: object.key().unwrap_or_default().to_owned(),
            etag: bare(object.e_tag().unwrap_or_default()),
            size: object.size().and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
            written: object.last_modified().map_or(0, |time| time.secs()),
        }));
    }
}

fn is_manifest(key: &str) -> bool {
    key.to_lowercase().ends_with("-manifest.json")
}

/// The last name of a folder's path, which ends in `/`.
fn last(folder: &str) -> &str {
    folder.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
}

fn parent(folder: &str) -> &str {
    folder.trim_end_matches('/').rsplit_once('/').map_or("", |(parent, _)| parent)
}
