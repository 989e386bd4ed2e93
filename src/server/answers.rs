//! Answers that are kept: one is made once for all who ask the same, and is right until the database changes. While somebody
//! writes the database, the last one is given and marked as stale.

use std::{
    collections::HashMap,
    fs,
    io::Write,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, UNIX_EPOCH},
};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use sha2::{Digest, Sha256};

use super::calls::{Calls, unwatched};
use crate::{
    error::{Code, Error, Result},
    operations::Session,
};

/// Bytes of answers that are kept, and how many.
const MOST_BYTES: usize = 24 << 20;
const MOST_ANSWERS: usize = 2000;
const MOST_WHOLES: usize = 100;
/// Who has an older answer waits for a writer only for so long, and looks whether it is still there after so long.
const PATIENCE: Duration = Duration::from_millis(150);
const WRITER_STAYS: Duration = Duration::from_millis(500);

/// An answer as it is sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Body {
    /// What it is: the media type.
    pub media: &'static str,
    pub text: String,
    /// The title of a page.
    pub title: String,
    /// Where the list goes on.
    pub next: Option<String>,
    /// As it goes to those who take it compressed: done once for all of them.
    zipped: OnceLock<Bytes>,
}

impl Body {
    pub(super) fn new(media: &'static str, text: String) -> Self {
        Self { media, text, ..Self::default() }
    }

    /// A page without what is around it.
    pub(super) fn page(title: String, text: String) -> Self {
        Self { title, ..Self::new("text/html; charset=utf-8", text) }
    }

    /// The text compressed with gzip.
    pub(super) fn zipped(&self) -> Bytes {
        self.zipped.get_or_init(|| zipped(self.text.as_bytes())).clone()
    }
}

/// Bytes compressed with gzip; nothing where that fails, which memory does not.
pub(super) fn zipped(bytes: &[u8]) -> Bytes {
    let mut writer = GzEncoder::new(Vec::new(), Compression::default());
    writer.write_all(bytes).and_then(|()| writer.finish()).unwrap_or_default().into()
}

/// An answer, and of which state of the database.
#[derive(Clone, Debug)]
pub(super) struct Answered {
    pub body: Arc<Body>,
    /// By which a client knows it again.
    pub tag: String,
    /// Of which state the answer is, however much later it is sent.
    pub generation: String,
    /// Whether somebody writes the database, so that this is of how it was before.
    pub is_stale: bool,
}

/// Answers, each under what was asked.
pub(super) struct Answers {
    calls: Arc<Calls>,
    /// Whose change makes answers old.
    files: Vec<PathBuf>,
    places: Mutex<HashMap<String, Arc<Place>>>,
    /// Pages with what is around them, by their tags.
    wholes: Mutex<HashMap<String, Arc<Body>>>,
    /// Counts what is asked, so that what was not asked for long can go.
    clock: AtomicU64,
    /// When the database was seen being written.
    written: Mutex<Option<Instant>>,
    pub(super) counts: Counts,
}

/// How often which way was taken.
#[derive(Default)]
pub(super) struct Counts {
    pub kept: AtomicU64,
    pub made: AtomicU64,
    pub stale: AtomicU64,
}

/// Where one answer is kept.
#[derive(Default)]
struct Place {
    kept: Mutex<Option<Kept>>,
    /// Held by whoever makes it anew.
    making: tokio::sync::Mutex<()>,
    asked: AtomicU64,
}

#[derive(Clone)]
struct Kept {
    body: Arc<Body>,
    generation: String,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Answers {
    pub(super) fn new(calls: Arc<Calls>) -> Arc<Self> {
        let session = calls.session();
        let database = fs::canonicalize(&session.database().path).unwrap_or_else(|_| session.database().path.clone());
        let config = session.config();
        let named = [&config.budgets_file, &config.notify.planned, &config.currency.rates];
        let named = named.into_iter().filter(|path| !path.as_os_str().is_empty()).cloned();
        let files = [database.with_added_extension("wal"), database].into_iter().chain(named).collect();
        Arc::new(Self {
            calls,
            files,
            places: Mutex::default(),
            wholes: Mutex::default(),
            clock: AtomicU64::new(0),
            written: Mutex::default(),
            counts: Counts::default(),
        })
    }

    pub(super) fn calls(&self) -> &Arc<Calls> {
        &self.calls
    }

    /// The state of the database, and the day: what answers are made of beside the question.
    pub(super) fn generation(&self) -> String {
        let state = |path: &PathBuf| state(path).unwrap_or_default();
        let files: Vec<String> = self.files.iter().map(state).collect();
        format!("{} {}", self.calls.today(), files.join(" "))
    }

    /// The tag of an answer of a generation.
    pub(super) fn tag(key: &str, generation: &str) -> String {
        let digest = Sha256::digest(format!("{}\n{generation}\n{key}", env!("CARGO_PKG_VERSION")));
        let hex: String = digest.iter().take(10).map(|byte| format!("{byte:02x}")).collect();
        format!("W/\"{hex}\"")
    }

    /// The answer to `key`, which `work` makes where there is none of how the database is now.
    ///
    /// # Errors
    /// As `work`, and when the database is in use and nothing is kept, or too many wait.
    pub(super) async fn get(
        self: &Arc<Self>,
        key: &str,
        work: impl FnOnce(&Session) -> Result<Body> + Send + 'static,
    ) -> Result<Answered> {
        let place = self.place(key);
        let generation = self.generation();
        let fresh = |kept: Option<Kept>| kept.filter(|kept| kept.generation == generation);
        let given = |kept: Kept, is_stale: bool| {
            let tag = Self::tag(key, if is_stale { "stale" } else { &kept.generation });
            Answered { body: kept.body, tag, generation: kept.generation, is_stale }
        };
        if let Some(kept) = fresh(locked(&place.kept).clone()) {
            self.counts.kept.fetch_add(1, Ordering::Relaxed);
            return Ok(given(kept, false));
        }
        let older = locked(&place.kept).clone();
        if let Some(kept) = older.clone().filter(|_| self.is_written()) {
            self.counts.stale.fetch_add(1, Ordering::Relaxed);
            return Ok(given(kept, true));
        }
        let _making = place.making.lock().await;
        if let Some(kept) = fresh(locked(&place.kept).clone()) {
            self.counts.kept.fetch_add(1, Ordering::Relaxed);
            return Ok(given(kept, false));
        }
        // A client that goes away stops nobody else's answer.
        let (own, patience) = (Arc::clone(self), older.is_some().then_some(PATIENCE));
        let made = tokio::spawn(async move {
            unwatched(&own.calls, move |session| match patience {
                Some(patience) => work(&session.with_patience(patience)),
                None => work(session),
            })
            .await
        });
        let made = made.await.unwrap_or_else(|e| Err(Error::bug("the answer broke off").caused_by(e)));
        match (made, older) {
            (Ok(body), _) => {
                self.counts.made.fetch_add(1, Ordering::Relaxed);
                let kept = Kept { body: Arc::new(body), generation: generation.clone() };
                *locked(&place.kept) = Some(kept.clone());
                self.make_room();
                Ok(given(kept, false))
            }
            (Err(error), Some(kept)) if error.code() == Code::DatabaseInUse => {
                *locked(&self.written) = Some(Instant::now());
                self.counts.stale.fetch_add(1, Ordering::Relaxed);
                Ok(given(kept, true))
            }
            (Err(error), _) => Err(error),
        }
    }

    /// A page with what is around it, which `make` puts there once.
    ///
    /// # Errors
    /// As `make`.
    pub(super) fn whole(&self, tag: &str, make: impl FnOnce() -> Result<Body>) -> Result<Arc<Body>> {
        if let Some(known) = locked(&self.wholes).get(tag) {
            return Ok(Arc::clone(known));
        }
        let made = Arc::new(make()?);
        let mut wholes = locked(&self.wholes);
        // They are put together in no time; what matters is that they do not pile up.
        if wholes.len() >= MOST_WHOLES {
            wholes.clear();
        }
        wholes.insert(tag.to_owned(), Arc::clone(&made));
        Ok(made)
    }

    /// Whether the database was just seen being written.
    fn is_written(&self) -> bool {
        locked(&self.written).is_some_and(|seen| seen.elapsed() < WRITER_STAYS)
    }

    fn place(&self, key: &str) -> Arc<Place> {
        let mut places = locked(&self.places);
        let place = match places.get(key) {
            Some(place) => Arc::clone(place),
            None => Arc::clone(places.entry(key.to_owned()).or_default()),
        };
        place.asked.store(self.clock.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        place
    }

    /// Lets answers go that were not asked for longest.
    fn make_room(&self) {
        let mut places = locked(&self.places);
        let size = |place: &Arc<Place>| locked(&place.kept).as_ref().map_or(0, |kept| kept.body.text.len());
        let mut bytes: usize = places.values().map(size).sum();
        let mut count = places.len();
        if bytes <= MOST_BYTES && count <= MOST_ANSWERS {
            return;
        }
        let mut oldest: Vec<(u64, String)> =
            places.iter().map(|(key, place)| (place.asked.load(Ordering::Relaxed), key.clone())).collect();
        oldest.sort_unstable();
        for (_, key) in oldest {
            // A little more than needs be, so that it is not done for each answer.
            if bytes <= MOST_BYTES / 4 * 3 && count <= MOST_ANSWERS / 4 * 3 {
                break;
            }
            bytes -= places.remove(&key).map_or(0, |place| size(&place));
            count -= 1;
        }
    }
}

/// How long a file is, when it was changed, and which one it is.
fn state(path: &Path) -> Option<String> {
    let found = fs::metadata(path).ok()?;
    let changed = found.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(format!("{}.{}", found.len(), changed.as_nanos()))
}
