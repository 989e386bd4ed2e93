//! Calls of operations, made for clients that may go away: some at once, the others wait, and who has gone is not worked for.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{NaiveDate, Utc};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{
    error::{Code, Error, Result},
    model::Stop,
    operations::{Reporter, Session},
};

/// Calls that are worked on at once: DuckDB takes all cores for each.
const AT_ONCE: usize = 4;
/// Calls that may wait for them.
const WAITING: usize = 64;
/// How often a client that wants to know hears that the work goes on.
const TICK: Duration = Duration::from_secs(1);

/// A message on its way to a client.
pub(super) type Told = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A session that answers many.
pub(super) struct Calls {
    session: Session,
    as_of: Option<NaiveDate>,
    places: Semaphore,
    queue: Semaphore,
}

/// The last that was said while the work went on.
#[derive(Default)]
struct Heard(Mutex<String>);

impl Reporter for Heard {
    fn note(&self, text: &str) {
        text.clone_into(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// What those hear who come when too many wait.
fn busy() -> Error {
    Error::input("too many questions at once").with_code(Code::Busy).hint("ask again in some seconds")
}

impl Calls {
    pub(super) fn new(session: Session, as_of: Option<NaiveDate>) -> Arc<Self> {
        let (places, queue) = (Semaphore::new(AT_ONCE), Semaphore::new(AT_ONCE + WAITING));
        Arc::new(Self { session, as_of, places, queue })
    }

    /// The session that all calls share.
    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    /// The day that is today for a call that comes now.
    pub(super) fn today(&self) -> NaiveDate {
        self.as_of.unwrap_or_else(|| Utc::now().date_naive())
    }

    /// Calls that are worked on, and that wait.
    pub(super) fn at_work(&self) -> (usize, usize) {
        let taken = AT_ONCE + WAITING - self.queue.available_permits();
        let works = AT_ONCE - self.places.available_permits();
        (works, taken - works.min(taken))
    }

    /// Works on a thread of its own. `progress` is awaited now and then with the seconds that have gone and what was said;
    /// once `gone` is cancelled, the work is ended.
    ///
    /// # Errors
    /// As `work`, when too many wait, and when the client has gone.
    pub(super) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        gone: &CancellationToken,
        progress: impl Fn(u64, String) -> Told,
        work: impl FnOnce(&Session) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let _waits = self.queue.try_acquire().map_err(|_| busy())?;
        let _works = self.places.acquire().await.map_err(|e| Error::bug("the places are closed").caused_by(e))?;
        let (stop, heard) = (Stop::default(), Arc::new(Heard::default()));
        let reporter: Arc<dyn Reporter> = Arc::clone(&heard) as _;
        let session = self.session.for_call(self.today(), reporter, stop.clone());
        let mut working = tokio::task::spawn_blocking(move || work(&session));
        let mut seconds = 0;
        loop {
            tokio::select! {
                done = &mut working => {
                    return done.unwrap_or_else(|e| Err(Error::bug("the answer broke off").caused_by(e)));
                }
                () = gone.cancelled() => {
                    stop.stop();
                    // It ends soon; its place is free then.
                    let _ = working.await;
                    return Err(Error::input("nobody waits for the answer any more"));
                }
                () = tokio::time::sleep(TICK) => {
                    seconds += TICK.as_secs();
                    let said = heard.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
                    progress(seconds, said).await;
                }
            }
        }
    }
}

/// Works for somebody who is not told how it goes, and who may go away without ending it.
///
/// # Errors
/// As `work`, and when too many wait.
pub(super) async fn unwatched<T: Send + 'static>(
    calls: &Arc<Calls>,
    work: impl FnOnce(&Session) -> Result<T> + Send + 'static,
) -> Result<T> {
    calls.run(&CancellationToken::new(), |_, _| Box::pin(async {}), work).await
}
