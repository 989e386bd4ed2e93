//! Who may use the database now. DuckDB lets one process open a file twice without an error, and closing one handle drops
//! the lock of the other (measured); so a process holds one instance of a file at most: readers share one that is
//! read-only, a writer has one of its own. Threads wait for each other, and for other processes, for a while.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    ops::{Deref, DerefMut},
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak},
    thread,
    time::{Duration, Instant},
};

use super::{Rates, Settings, Store, turns};
use crate::{
    error::{Code, Error, Result},
    model::Stop,
};

/// Readers are with whom somebody waits at a terminal, writers often work by themselves.
pub(super) const READER_WAITS: Duration = Duration::from_secs(5);
const WRITER_WAITS: Duration = Duration::from_secs(30);
/// Another process is asked again after so long.
const PAUSE: Duration = Duration::from_millis(300);
/// A server of another process lets go within this time, unless an answer takes longer; so long any writer waits for it.
const SERVER_LETS_GO: Duration = Duration::from_secs(5);
const SERVER_PAUSE: Duration = Duration::from_millis(50);

/// A database file and how it is opened. Clones, and other handles of the same file, share one instance.
#[derive(Clone)]
pub(crate) struct Database {
    settings: Settings,
    /// The user's own names of accounts.
    account_names: BTreeMap<String, String>,
    /// An instance without readers is kept for so long.
    idle: Duration,
    /// A reader waits for writers for so long.
    patience: Duration,
    /// Says to other processes that this one keeps the file; for as long as there is a handle that does.
    _kept: Option<Arc<File>>,
    instance: Arc<Instance>,
}

/// The instance of a file in this process.
#[derive(Default)]
struct Instance {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    readers: usize,
    is_written: bool,
    /// Who waits, in the order of coming, and whether to write: nobody is overtaken for long.
    waiting: BTreeMap<u64, bool>,
    coming: u64,
    /// The read-only one, while somebody reads or it is kept.
    open: Option<Store>,
    /// When the last reader went.
    idle_since: Option<Instant>,
    /// Whether a thread looks after the instance while it is idle.
    is_watched: bool,
}

/// The database, read-only, until it is dropped. Fields are dropped in their order: the clone goes before the lease ends.
pub(crate) struct Reader {
    store: Store,
    _lease: ReadLease,
}

/// The right of one reader.
struct ReadLease {
    idle: Duration,
    path: PathBuf,
    instance: Arc<Instance>,
}

/// The database for writing, until it is dropped. Fields are dropped in their order: the file is closed before the lease ends.
pub(crate) struct Writer {
    store: Store,
    _lease: WriteLease,
}

/// The right of the only writer.
struct WriteLease {
    instance: Arc<Instance>,
}

impl Database {
    pub(crate) fn new(settings: Settings) -> Self {
        let instance = Instance::of(&settings.path);
        let account_names = BTreeMap::new();
        Self { settings, account_names, idle: Duration::ZERO, patience: READER_WAITS, _kept: None, instance }
    }

    /// Puts the user's own names of accounts over those stored.
    pub(crate) fn with_account_names(self, account_names: BTreeMap<String, String>) -> Self {
        Self { account_names, ..self }
    }

    /// Keeps the instance for so long after its last reader, unless a writer waits, of this process or another.
    pub(crate) fn kept_open(self, idle: Duration) -> Self {
        let kept = turns::keep(&place(&self.settings.path)).map(Arc::new);
        Self { idle, _kept: kept, ..self }
    }

    /// The same for readers who wait for writers only for so long.
    pub(crate) fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The database for reading, once no thread and no process writes it, for some seconds at most.
    ///
    /// # Errors
    /// When there is no database, it is of another version, or it is still being written.
    pub(crate) fn read(&self) -> Result<Reader> {
        let deadline = Instant::now() + self.patience;
        let mut state = self.instance.turn(false, deadline, &self.settings.path)?;
        loop {
            // Whoever keeps the file between answers lets others in.
            let is_wanted = !self.idle.is_zero() && turns::is_wanted(&place(&self.settings.path));
            let opened = match &state.open {
                _ if is_wanted => Err(in_use_by_a_writer(&self.settings.path)),
                Some(open) => open.share(),
                None => Store::open_read_only(&self.settings),
            };
            if is_wanted && state.readers == 0 {
                state.open = None;
            }
            let store = match opened {
                Err(error) if error.code() == Code::DatabaseInUse && Instant::now() + PAUSE < deadline => {
                    // Other threads may go on meanwhile.
                    drop(state);
                    thread::sleep(PAUSE);
                    state = self.instance.turn(false, deadline, &self.settings.path)?;
                    continue;
                }
                opened => opened?,
            };
            if state.open.is_none() {
                state.open = Some(store.share()?);
            }
            state.readers += 1;
            let lease =
                ReadLease { idle: self.idle, path: place(&self.settings.path), instance: Arc::clone(&self.instance) };
            return Ok(Reader { store: store.with_account_names(self.account_names.clone()), _lease: lease });
        }
    }

    /// The database for writing, once nobody else uses it, for half a minute at most. Makes it where there is none.
    ///
    /// # Errors
    /// When it is still in use, is of another version, or cannot be written.
    pub(crate) fn write(&self) -> Result<Writer> {
        self.write_within(WRITER_WAITS)
    }

    /// The same, if nobody else uses it now. In a server somebody always reads, so there it waits for them.
    ///
    /// # Errors
    /// As [`Database::write`].
    pub(crate) fn write_now(&self) -> Result<Writer> {
        self.write_within(if self.idle.is_zero() { Duration::ZERO } else { SERVER_LETS_GO })
    }

    fn write_within(&self, wait: Duration) -> Result<Writer> {
        let (asked, deadline) = (Instant::now(), Instant::now() + wait);
        let mut state = self.instance.turn(true, deadline, &self.settings.path)?;
        state.is_written = true;
        // What is kept for readers goes before the file is opened again.
        state.open = None;
        drop(state);
        // From here on this thread is the only one.
        let lease = WriteLease { instance: Arc::clone(&self.instance) };
        let store = self.once_let_in(wait, deadline)?;
        tracing::debug!(waited = ?asked.elapsed(), "opened the database for writing");
        Ok(Writer { store: store.with_account_names(self.account_names.clone()), _lease: lease })
    }
}

impl Database {
    /// Opens for writing once other processes have let go. One that only keeps the file between answers is told, and waited for
    /// even by those who do not wait.
    fn once_let_in(&self, wait: Duration, deadline: Instant) -> Result<Store> {
        let path = place(&self.settings.path);
        let mut deadline = deadline;
        let mut said = None;
        loop {
            let error = match Store::open(&self.settings) {
                Err(error) if error.code() == Code::DatabaseInUse => error,
                opened => return opened,
            };
            let is_kept = turns::is_kept(&path);
            if is_kept && said.is_none() {
                deadline = deadline.max(Instant::now() + SERVER_LETS_GO.max(wait));
                said = Some(turns::announce(&path));
            }
            let pause = if is_kept { SERVER_PAUSE } else { PAUSE };
            if Instant::now() + pause >= deadline {
                return Err(error);
            }
            thread::sleep(pause);
        }
    }
}

impl Instance {
    /// The one of a file, whatever it is called by.
    fn of(path: &Path) -> Arc<Self> {
        /// Instances by file, for as long as somebody has a handle.
        static INSTANCES: Mutex<BTreeMap<PathBuf, Weak<Instance>>> = Mutex::new(BTreeMap::new());
        let mut instances = INSTANCES.lock().unwrap_or_else(PoisonError::into_inner);
        instances.retain(|_, instance| instance.strong_count() > 0);
        let known = instances.entry(place(path)).or_default();
        known.upgrade().unwrap_or_else(|| {
            let instance = Arc::new(Self::default());
            *known = Arc::downgrade(&instance);
            instance
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it is the caller's turn: a reader's once nobody writes and no writer came before, a writer's once
    /// nobody else is there or came before.
    ///
    /// # Errors
    /// When it is too late.
    fn turn(&self, writes: bool, deadline: Instant, path: &Path) -> Result<MutexGuard<'_, State>> {
        let mut state = self.lock();
        let number = state.coming;
        state.coming += 1;
        state.waiting.insert(number, writes);
        loop {
            let mut before = state.waiting.range(..number);
            let is_free = match writes {
                true => state.readers == 0 && before.next().is_none(),
                false => before.all(|(_, writes)| !writes),
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if is_free && !state.is_written || left.is_zero() {
                state.waiting.remove(&number);
                self.changed.notify_all();
                return if is_free && !state.is_written { Ok(state) } else { Err(in_use_here(path)) };
            }
            (state, _) = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn in_use_here(path: &Path) -> Error {
    Error::input(format!("the database `{}` is in use by this same program", path.display()))
        .with_code(Code::DatabaseInUse)
        .hint("wait until what it does is done; readers may share the file, a writer needs it alone")
}

fn in_use_by_a_writer(path: &Path) -> Error {
    Error::input(format!("the database `{}` is about to be written by another process", path.display()))
        .with_code(Code::DatabaseInUse)
        .hint("ask again in some seconds")
}

/// Opens once no other process has the file, within `wait`.
///
/// # Errors
/// As `open`, and when it is still in use.
pub(super) fn once_free<T>(wait: Duration, open: impl Fn() -> Result<T>) -> Result<T> {
    let deadline = Instant::now() + wait;
    loop {
        match open() {
            Err(error) if error.code() == Code::DatabaseInUse && Instant::now() + PAUSE < deadline => {
                thread::sleep(PAUSE);
            }
            opened => return opened,
        }
    }
}

/// A file by a name that all its other names lead to, whether it is there yet or not.
fn place(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
        folder.join(path.file_name().unwrap_or_default())
    })
}

impl Reader {
    /// Interrupts the statement that runs when the sign is given.
    pub(crate) fn end_with(&self, stop: &Stop) {
        let interrupt = self.store.connection.interrupt_handle();
        stop.then(move || interrupt.interrupt());
    }

    /// The same with costs in the currency of `rates`, if any.
    pub(crate) fn converted(self, rates: Option<&Rates>) -> Self {
        Self { store: self.store.converted(rates), ..self }
    }
}

impl Writer {
    /// The same with costs read in the currency of `rates`, if any; they are written as they were billed.
    pub(crate) fn converted(self, rates: Option<&Rates>) -> Self {
        Self { store: self.store.converted(rates), ..self }
    }
}

impl Drop for ReadLease {
    fn drop(&mut self) {
        let mut state = self.instance.lock();
        state.readers -= 1;
        if state.readers > 0 {
            return;
        }
        if self.idle.is_zero() || state.waiting.values().any(|writes| *writes) || turns::is_wanted(&self.path) {
            state.open = None;
        } else {
            state.idle_since = Some(Instant::now());
            if !std::mem::replace(&mut state.is_watched, true) {
                let (instance, idle, path) = (Arc::downgrade(&self.instance), self.idle, self.path.clone());
                thread::spawn(move || watch(&instance, idle, &path));
            }
        }
        self.instance.changed.notify_all();
    }
}

/// Looks after an instance that is kept: closes it once it is idle for so long, or a writer of another process waits.
fn watch(instance: &Weak<Instance>, idle: Duration, path: &Path) {
    loop {
        thread::sleep(SERVER_PAUSE.min(idle));
        let Some(instance) = instance.upgrade() else { return };
        let mut state = instance.lock();
        let is_idle = state.readers == 0 && state.idle_since.is_none_or(|since| since.elapsed() >= idle);
        if state.open.is_none() || is_idle || state.readers == 0 && turns::is_wanted(path) {
            if state.readers == 0 {
                state.open = None;
            }
            state.is_watched = false;
            return;
        }
    }
}

impl Drop for WriteLease {
    fn drop(&mut self) {
        self.instance.lock().is_written = false;
        self.instance.changed.notify_all();
    }
}

impl Deref for Reader {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

impl Deref for Writer {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

impl DerefMut for Writer {
    fn deref_mut(&mut self) -> &mut Store {
        &mut self.store
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::accounts::NameSource;

    fn settings(path: PathBuf) -> Settings {
        let memory_limit = "200MB".parse().expect("a size");
        Settings { path, cache_dir: "".into(), cache_limit_gb: 1.0, memory_limit, threads: 1 }
    }

    fn count(store: &Store) -> (i64, i64) {
        let row = |row: &duckdb::Row| Ok((row.get(0)?, row.get(1)?));
        store.connection.query_row("SELECT (SELECT n FROM counter), (SELECT n FROM twin)", [], row).expect("a count")
    }

    /// Two rows that only change together.
    fn raise(store: &mut Store) {
        let sql = "BEGIN; UPDATE counter SET n = n + 1; UPDATE twin SET n = n + 1; COMMIT";
        store.connection.execute_batch(sql).expect("written");
    }

    fn with_counter(settings: &Settings) -> Database {
        let database = Database::new(settings.clone());
        let writer = database.write().expect("a new database");
        let sql = "CREATE TABLE counter AS SELECT 0::BIGINT AS n; CREATE TABLE twin AS SELECT 0::BIGINT AS n";
        writer.connection.execute_batch(sql).expect("tables");
        drop(writer);
        database
    }

    #[test]
    fn threads_lose_nothing_and_see_whole_transactions() {
        const ROUNDS: i64 = 50;
        let folder = tempfile::tempdir().expect("a folder");
        let settings = settings(folder.path().join("a.duckdb"));
        let database = with_counter(&settings);
        thread::scope(|scope| {
            for writes in [true, true, false, false] {
                // Half of them by a handle of their own, and by another name of the file.
                let own = settings.path.parent().expect("a folder").join(".").join("a.duckdb");
                let database =
                    if writes { database.clone() } else { Database::new(Settings { path: own, ..settings.clone() }) };
                scope.spawn(move || {
                    let mut before = 0;
                    for _ in 0..ROUNDS {
                        if writes {
                            raise(&mut database.write().expect("its turn"));
                        } else {
                            let (one, two) = count(&database.read().expect("its turn"));
                            assert!(one == two && one >= before, "{one} {two} after {before}");
                            before = one;
                        }
                    }
                });
            }
        });
        assert_eq!(count(&database.read().expect("free")), (2 * ROUNDS, 2 * ROUNDS));
    }

    #[test]
    fn readers_share_and_a_writer_is_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let database = with_counter(&settings(folder.path().join("a.duckdb")));
        let (one, two) = (database.read().expect("a reader"), database.read().expect("another"));
        let refused = database.write_now().err().expect("readers are there");
        assert_eq!(refused.code(), Code::DatabaseInUse);
        assert!(refused.to_string().contains("is in use by this same program"), "{refused}");
        drop((one, two));
        let writer = database.write_now().expect("free");
        assert!(database.write_now().is_err());
        drop(writer);
        assert!(database.read().is_ok());
    }

    #[test]
    fn what_readers_know_is_forgotten_with_the_first_write() {
        let folder = tempfile::tempdir().expect("a folder");
        let own = Database::new(settings(folder.path().join("a.duckdb")));
        let database = Database { idle: Duration::from_secs(5), ..own };
        for name in ["first", "second"] {
            let named = [("111111111111".to_owned(), name.to_owned())];
            database.write().expect("a writer").set_account_names(&named, NameSource::Organizations).expect("named");
            // Two readers of one instance: the second asks nobody.
            for _ in 0..2 {
                let reader = database.read().expect("a reader");
                assert_eq!(reader.account_names().expect("names")["111111111111"], name);
                assert!(reader.known.account_names.get().is_some());
            }
        }
        let writer = database.write().expect("a writer");
        writer.account_names().expect("names");
        assert!(writer.known.account_names.get().is_none(), "a writer sees what it writes");
    }

    #[test]
    fn an_idle_instance_is_let_go() {
        let folder = tempfile::tempdir().expect("a folder");
        let database =
            Database { idle: Duration::from_millis(50), ..with_counter(&settings(folder.path().join("a.duckdb"))) };
        drop(database.read().expect("a reader"));
        assert!(database.instance.lock().open.is_some());
        thread::sleep(Duration::from_millis(400));
        assert!(database.instance.lock().open.is_none());
        drop(database.read().expect("a reader"));
        assert!(database.write_now().is_ok(), "what is kept for readers does not keep a writer away");
    }
}
