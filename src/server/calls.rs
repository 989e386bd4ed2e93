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
    error::{Error, Result},
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

impl Calls {
    pub(super) fn new(session: Session, as_of: Option<NaiveDate>) -> Arc<Self> {
        let (places, queue) = (Semaphore::new(AT_ONCE), Semaphore::new(AT_ONCE + WAITING));
        Arc::new(Self { session, as_of, places, queue })
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
        let busy = |_| Error::input("too many questions at once").hint("ask again in some seconds");
        let _waits = self.queue.try_acquire().map_err(busy)?;
        let _works = self.places.acquire().await.map_err(|e| Error::bug("the places are closed").caused_by(e))?;
        let (stop, heard) = (Stop::default(), Arc::new(Heard::default()));
        let reporter: Arc<dyn Reporter> = Arc::clone(&heard) as _;
        let today = self.as_of.unwrap_or_else(|| Utc::now().date_naive());
        let session = self.session.for_call(today, reporter, stop.clone());
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
