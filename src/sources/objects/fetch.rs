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

use bytes::Bytes;
use futures_util::{StreamExt, stream::BoxStream};
use md5::{Digest, Md5};
use tokio::{
    fs::OpenOptions,
    io::AsyncWriteExt,
    runtime::Handle,
    sync::{Mutex, Semaphore, oneshot},
};

use super::Object;
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

/// Who hands out objects.
pub(crate) trait Origin: Clone + Send + Sync + 'static {
    /// Whether an ETag of 32 hexadecimal digits is the MD5 of the object.
    const ETAG_IS_MD5: bool;

    /// Asks for an object, from the byte `from` on.
    ///
    /// # Errors
    /// When it is refused; another attempt would not help.
    fn open(&self, object: &Object, from: u64) -> impl Future<Output = Result<Answer>> + Send;
}

/// An object on its way.
pub(crate) struct Answer {
    /// Of what is sent.
    pub etag: String,
    /// The first byte; 0 when the range was ignored.
    pub from: u64,
    /// Whether the ETag is no MD5, though it looks like one.
    pub encrypted: bool,
    pub body: BoxStream<'static, std::result::Result<Bytes, String>>,
}

/// Starts to fetch the objects of each delivery. Few deliveries are under way at once, so that the first is there
/// soon and is loaded while the next ones come. What is cached is done.
pub(crate) fn fetch<O: Origin>(origin: &O, deliveries: &[Vec<Object>], runtime: &Handle) -> Fetching {
    let done = Arc::new(AtomicU64::new(0));
    let last = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    // Two deliveries may name the same object; it is fetched once.
    let mut locks: BTreeMap<PathBuf, Arc<Mutex<()>>> = BTreeMap::new();
    let mut fetch = |object: &Object| ObjectFetch {
        origin: origin.clone(),
        object: object.clone(),
        done: Arc::clone(&done),
        last: Arc::clone(&last),
        begun,
        encrypted: AtomicBool::new(false),
        lock: Arc::clone(locks.entry(object.path.clone()).or_default()),
    };
    let (mut waiting, mut arriving) = (Vec::new(), Vec::new());
    for objects in deliveries {
        let (sender, receiver) = oneshot::channel();
        waiting.push((objects.iter().map(&mut fetch).collect::<Vec<_>>(), sender));
        arriving.push(Some(receiver));
    }
    runtime.spawn(async move {
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

/// Fetches the objects of one delivery, some at the same time.
async fn fetch_all<O: Origin>(fetches: Vec<ObjectFetch<O>>, permits: Arc<Semaphore>) -> Result<Vec<PathBuf>> {
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
struct ObjectFetch<O> {
    origin: O,
    object: Object,
    done: Arc<AtomicU64>,
    last: Arc<AtomicU64>,
    begun: Instant,
    /// Whether it was said that the ETag is no MD5.
    encrypted: AtomicBool,
    /// Held while the object is fetched.
    lock: Arc<Mutex<()>>,
}

impl<O: Origin> ObjectFetch<O> {
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
            broken = Some("what arrived is not what the bucket has: its size or MD5 differs".to_owned());
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
        if have > object.size || (have > 0 && !self.may_resume()) {
            file.set_len(0).await.map_err(cannot_write)?;
            have = 0;
        }
        if have == object.size && object.size > 0 {
            return Ok(Ok(()));
        }
        let mut answer = self.origin.open(object, have).await?;
        tracing::debug!(object = object.address(), from = answer.from, "fetching");
        if answer.etag != object.etag {
            return Err(Error::remote(format!("`{}` was overwritten while it was fetched", object.address()))
                .hint("run the command again in some minutes"));
        }
        self.encrypted.store(answer.encrypted, Ordering::Relaxed);
        if have > 0 && !self.may_resume() {
            file.set_len(0).await.map_err(cannot_write)?;
            return Ok(Err("what was fetched before cannot be checked".into()));
        }
        // A server that ignores the range sends all.
        if answer.from < have {
            file.set_len(0).await.map_err(cannot_write)?;
        }
        while let Some(bytes) = answer.body.next().await {
            match bytes {
                Ok(bytes) => {
                    file.write_all(&bytes).await.map_err(cannot_write)?;
                    self.done.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                    self.last.fetch_max(self.begun.elapsed().as_micros() as u64, Ordering::Relaxed);
                }
                Err(e) => {
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

    /// Whether what came before may be put together with the rest: a checksum of the whole tells whether they fit, or
    /// the ETag of each answer vouches for the same version.
    fn may_resume(&self) -> bool {
        !O::ETAG_IS_MD5 || self.has_md5()
    }

    /// Whether the ETag is the MD5 of the object.
    fn has_md5(&self) -> bool {
        let etag = &self.object.etag;
        let is_hash = etag.len() == 32 && etag.bytes().all(|byte| byte.is_ascii_hexdigit());
        O::ETAG_IS_MD5 && is_hash && !self.encrypted.load(Ordering::Relaxed)
    }

    /// Whether the file is what the bucket has: its size, and its MD5 where the ETag is one.
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
