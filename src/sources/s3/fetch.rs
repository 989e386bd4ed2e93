//! Objects from a bucket to the cache: in parallel, in the order of the deliveries, each checked and renamed into
//! place when it is whole.

use std::{
    collections::BTreeMap,
    fs,
    io::Read,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use aws_sdk_s3::{Client, types::RequestPayer};
use md5::{Digest, Md5};
use tokio::{
    fs::OpenOptions,
    io::AsyncWriteExt,
    sync::{Mutex, Semaphore, oneshot},
};

use super::{
    super::aws::{ApiRequest, OwnedWhom},
    Bucket, Object, bare,
};
use crate::error::{Error, Result};

/// Objects that are fetched at the same time.
const PARALLEL: usize = 8;

/// Deliveries that are fetched at the same time.
const DELIVERIES_AT_ONCE: usize = 2;

/// Attempts at the body of one object; each goes on where the one before broke off.
const ATTEMPTS: u32 = 5;

/// The end of the name of what is not whole yet.
pub(crate) const PART: &str = ".part";

/// Fetches under way, in the order of the deliveries.
pub(crate) struct Fetching {
    arriving: Vec<Option<oneshot::Receiver<Result<Vec<PathBuf>>>>>,
    /// Microseconds from the start to the last byte.
    last: Arc<AtomicU64>,
    done: Arc<AtomicU64>,
}

impl Bucket<'_> {
    /// Starts to fetch the objects of each delivery. Few deliveries are under way at once, so that the first is there
    /// soon and is loaded while the next ones come. What is cached is done.
    pub(crate) fn fetch(&self, deliveries: &[Vec<Object>]) -> Fetching {
        let done = Arc::new(AtomicU64::new(0));
        let last = Arc::new(AtomicU64::new(0));
        let begun = Instant::now();
        // Two deliveries may name the same object; it is fetched once.
        let mut locks: BTreeMap<PathBuf, Arc<Mutex<()>>> = BTreeMap::new();
        let mut fetch = |object: &Object| ObjectFetch {
            client: self.client.clone(),
            object: object.clone(),
            payer: self.payer(),
            whom: self.aws.whom(),
            done: Arc::clone(&done),
            last: Arc::clone(&last),
            begun,
            kms: AtomicBool::new(false),
            lock: Arc::clone(locks.entry(object.path.clone()).or_default()),
        };
        let (mut waiting, mut arriving) = (Vec::new(), Vec::new());
        for objects in deliveries {
            let (sender, receiver) = oneshot::channel();
            waiting.push((objects.iter().map(&mut fetch).collect::<Vec<_>>(), sender));
            arriving.push(Some(receiver));
        }
        self.aws.handle().spawn(async move {
            let at_once = Arc::new(Semaphore::new(DELIVERIES_AT_ONCE));
            let permits = Arc::new(Semaphore::new(PARALLEL));
            for (fetches, sender) in waiting {
                let turn = Arc::clone(&at_once).acquire_owned().await;
                let permits = Arc::clone(&permits);
                tokio::spawn(async move {
                    let _turn = turn;
                    // Nobody waits any more when the command is ending.
                    let _ = sender.send(fetch_all(fetches, permits).await);
                });
            }
        });
        Fetching { arriving, done, last }
    }
}

/// Fetches the objects of one delivery, some at the same time.
async fn fetch_all(fetches: Vec<ObjectFetch>, permits: Arc<Semaphore>) -> Result<Vec<PathBuf>> {
    let handles: Vec<_> = fetches
        .into_iter()
        .map(|fetch| {
            let permits = Arc::clone(&permits);
            tokio::spawn(async move {
                let _permit = permits.acquire().await;
                let _lock = fetch.lock.lock().await;
                fetch.run().await
            })
        })
        .collect();
    let mut paths = Vec::with_capacity(handles.len());
    for handle in handles {
        paths.push(handle.await.map_err(|e| Error::bug("a fetch ended early").caused_by(e))??);
    }
    Ok(paths)
}

/// Where an object is until it is whole.
fn part_of(path: &Path) -> PathBuf {
    let mut part = path.as_os_str().to_owned();
    part.push(PART);
    part.into()
}

impl Fetching {
    /// Waits for the objects of the delivery `index`; those of later ones go on meanwhile.
    ///
    /// # Errors
    /// The first that an object failed with.
    pub(crate) fn wait(&mut self, index: usize) -> Result<Vec<PathBuf>> {
        let arriving = self.arriving.get_mut(index).and_then(Option::take);
        let arriving = arriving.ok_or_else(|| Error::bug("a delivery that nobody fetches"))?;
        arriving.blocking_recv().map_err(|e| Error::bug("a fetch ended early").caused_by(e))?
    }

    /// Bytes fetched in a second, from the start to the last that came.
    pub(crate) fn bytes_per_second(&self) -> f64 {
        let seconds = self.last.load(Ordering::Relaxed) as f64 / 1e6;
        self.done.load(Ordering::Relaxed) as f64 / seconds.max(1e-3)
    }

    /// Bytes fetched so far.
    pub(crate) fn bytes(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.done)
    }
}

/// Fetches one object.
struct ObjectFetch {
    client: Client,
    object: Object,
    payer: Option<RequestPayer>,
    whom: OwnedWhom,
    done: Arc<AtomicU64>,
    last: Arc<AtomicU64>,
    begun: Instant,
    /// Whether S3 said that a key of KMS encrypts it.
    kms: AtomicBool,
    /// Held while the object is fetched.
    lock: Arc<Mutex<()>>,
}

impl ObjectFetch {
    async fn run(&self) -> Result<PathBuf> {
        let object = &self.object;
        if object.is_cached() {
            return Ok(object.path.clone());
        }
        let cannot_write = |e: std::io::Error| {
            Error::input(format!("cannot write to the cache `{}`", object.path.display())).caused_by(e)
        };
        if let Some(folder) = object.path.parent() {
            fs::create_dir_all(folder).map_err(cannot_write)?;
        }
        let part = part_of(&object.path);
        let mut broken = None;
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                tokio::time::sleep(Duration::from_millis(200 << attempt)).await;
            }
            if let Err(error) = self.append(&part).await? {
                broken = Some(error);
                continue;
            }
            if self.is_whole(&part)? {
                fs::rename(&part, &object.path).map_err(cannot_write)?;
                return Ok(object.path.clone());
            }
            // Damaged on the way: from the start again.
            broken = Some("what arrived is not what S3 has: its size or MD5 differs from the ETag".to_owned());
            fs::remove_file(&part).map_err(cannot_write)?;
        }
        Err(Error::remote(format!("cannot fetch `{}`", object.address()))
            .cause(broken.unwrap_or_default())
            .hint("run the command again: it goes on where it broke off"))
    }

    /// Fetches from where `part` ends. The inner error is one that another attempt may get over.
    async fn append(&self, part: &Path) -> Result<std::result::Result<(), String>> {
        let object = &self.object;
        let cannot_write =
            |e: std::io::Error| Error::input(format!("cannot write to the cache `{}`", part.display())).caused_by(e);
        let mut file = OpenOptions::new().create(true).append(true).open(part).await.map_err(cannot_write)?;
        let mut have = file.metadata().await.map_err(cannot_write)?.len();
        // Only what an MD5 vouches for may be put together of several answers.
        if have > object.size || (have > 0 && !self.has_md5()) {
            file.set_len(0).await.map_err(cannot_write)?;
            have = 0;
        }
        if have == object.size && object.size > 0 {
            return Ok(Ok(()));
        }
        let range = (have > 0).then(|| format!("bytes={have}-"));
        let request = self.client.get_object().bucket(&object.bucket).key(&object.key);
        let request = request.if_match(format!("\"{}\"", object.etag)).set_range(range);
        let answer = match request.set_request_payer(self.payer.clone()).send().await {
            Ok(answer) => {
                tracing::debug!(object = object.address(), bytes = answer.content_length(), "fetching");
                answer
            }
            Err(e) => {
                let about = format!("`{}`", object.address());
                return Err(self
                    .whom
                    .explain(&ApiRequest { service: "S3", action: "s3:GetObject", about: &about }, &e));
            }
        };
        if bare(answer.e_tag().unwrap_or_default()) != object.etag {
            return Err(Error::remote(format!("`{}` was overwritten while it was fetched", object.address()))
                .hint("run the command again in some minutes"));
        }
        let encryption = answer.server_side_encryption().map_or("", |encryption| encryption.as_str());
        self.kms.store(encryption.starts_with("aws:kms"), Ordering::Relaxed);
        if have > 0 && !self.has_md5() {
            file.set_len(0).await.map_err(cannot_write)?;
            return Ok(Err("what was fetched before cannot be checked".into()));
        }
        // A server that ignores the range sends all.
        if have > 0 && answer.content_range().is_none() {
            file.set_len(0).await.map_err(cannot_write)?;
        }
        let mut body = answer.body;
        loop {
            match body.next().await {
                None => break,
                Some(Ok(bytes)) => {
                    file.write_all(&bytes).await.map_err(cannot_write)?;
                    self.done.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                    self.last.fetch_max(self.begun.elapsed().as_micros() as u64, Ordering::Relaxed);
                }
                Some(Err(e)) => {
                    file.flush().await.map_err(cannot_write)?;
                    // An error after the last byte is the SDK's, whose checksum of the whole differs.
                    if file.metadata().await.map_err(cannot_write)?.len() >= object.size {
                        file.set_len(0).await.map_err(cannot_write)?;
                    }
                    return Ok(Err(format!("the connection broke off: {e}")));
                }
            }
        }
        file.flush().await.map_err(cannot_write)?;
        file.sync_all().await.map_err(cannot_write)?;
        Ok(Ok(()))
    }

    /// Whether the ETag is the MD5 of the object. That of objects in parts (`…-N`), or encrypted with a key of KMS,
    /// is none; such are fetched in one answer, whose checksum the SDK verifies where S3 has one.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html>
    fn has_md5(&self) -> bool {
        let etag = &self.object.etag;
        !self.kms.load(Ordering::Relaxed) && etag.len() == 32 && etag.bytes().all(|byte| byte.is_ascii_hexdigit())
    }

    /// Whether the file is what S3 has: its size, and its MD5 where the ETag is one.
    fn is_whole(&self, part: &Path) -> Result<bool> {
        let cannot_read = |e| Error::input(format!("cannot read `{}`", part.display())).caused_by(e);
        let mut file = fs::File::open(part).map_err(cannot_read)?;
        if file.metadata().map_err(cannot_read)?.len() != self.object.size {
            return Ok(false);
        }
        if !self.has_md5() {
            return Ok(true);
        }
        let mut digest = Md5::new();
        let mut buffer = vec![0; 1 << 20];
        loop {
            match file.read(&mut buffer).map_err(cannot_read)? {
                0 => break,
                read => digest.update(&buffer[..read]),
            }
        }
        let md5: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(md5.eq_ignore_ascii_case(&self.object.etag))
    }
}
