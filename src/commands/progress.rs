//! Who watches bills being loaded: a bar on a terminal, a line for each group of files elsewhere.

use std::{
    io::IsTerminal,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};

use crate::{ingest::Watcher, model::count, store::Progress};

/// Lets `work` be watched on stderr; `note` writes a line there.
pub(super) fn watch(note: &dyn Fn(&str), work: &mut dyn FnMut(&dyn Watcher)) {
    if std::io::stderr().is_terminal() {
        let bar = Bar::default();
        work(&bar);
        bar.stop();
    } else {
        lines(note, work);
    }
}

/// The same with a line for each group of files, wherever stderr leads.
pub(super) fn lines(note: &dyn Fn(&str), work: &mut dyn FnMut(&dyn Watcher)) {
    work(&Lines { note, label: Mutex::default() });
}

/// A line for each group of files.
struct Lines<'a> {
    note: &'a dyn Fn(&str),
    label: Mutex<String>,
}

impl Watcher for Lines<'_> {
    fn loading(&self, label: &str, _bytes: u64, _progress: &dyn Fn() -> Progress) {
        if let Ok(mut current) = self.label.lock() {
            *current = label.to_owned();
        }
    }

    fn loaded(&self, _bytes: u64, rows: u64) {
        // What is unchanged or failed is said elsewhere.
        if rows > 0
            && let Ok(label) = self.label.lock()
        {
            (self.note)(&format!("ingested {label}: {} rows", count(rows)));
        }
    }

    fn fetched(&self, what: &str) {
        (self.note)(&format!("fetched {what}"));
    }
}

/// A progress bar over bytes, moved on by what DuckDB says of the running statement.
#[derive(Default)]
struct Bar {
    shared: Arc<Shared>,
    ticker: Mutex<Option<thread::JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    bar: Mutex<Option<ProgressBar>>,
    /// The running statement and the bytes that it reads.
    running: Mutex<Option<(Progress, u64)>>,
    done: AtomicU64,
    rows: AtomicU64,
    /// Bytes that come over the network, and how many have come.
    fetching: Mutex<Option<(u64, Arc<AtomicU64>)>>,
    /// What was fetched last, where bytes do not tell.
    fetched: Mutex<String>,
    stopped: AtomicBool,
}

impl Watcher for Bar {
    fn planned(&self, _files: usize, bytes: u64) {
        // Without bytes to count, what is being done is all that can be shown.
        let template = match bytes {
            0 => "{spinner} {elapsed} {msg}",
            _ => "{bar:20} {percent:>3} % {decimal_bytes}/{decimal_total_bytes} {msg}",
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::new(bytes).with_style(style);
        if let Ok(mut slot) = self.shared.bar.lock() {
            *slot = Some(bar);
        }
        let shared = Arc::clone(&self.shared);
        let ticker = thread::spawn(move || {
            while !shared.stopped.load(Ordering::Relaxed) {
                shared.tick();
                thread::sleep(Duration::from_millis(100));
            }
        });
        if let Ok(mut slot) = self.ticker.lock() {
            *slot = Some(ticker);
        }
    }

    fn loading(&self, _label: &str, bytes: u64, progress: &dyn Fn() -> Progress) {
        if let Ok(mut running) = self.shared.running.lock() {
            *running = Some((progress(), bytes));
        }
    }

    fn loaded(&self, bytes: u64, rows: u64) {
        if let Ok(mut running) = self.shared.running.lock() {
            *running = None;
        }
        self.shared.done.fetch_add(bytes, Ordering::Relaxed);
        self.shared.rows.fetch_add(rows, Ordering::Relaxed);
    }

    fn fetching(&self, bytes: u64, done: Arc<AtomicU64>) {
        if let Ok(mut fetching) = self.shared.fetching.lock() {
            *fetching = Some((bytes, done));
        }
    }

    fn fetched(&self, what: &str) {
        if let Ok(mut fetched) = self.shared.fetched.lock() {
            *fetched = what.to_owned();
        }
    }
}

impl Bar {
    fn stop(&self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        if let Ok(mut ticker) = self.ticker.lock()
            && let Some(ticker) = ticker.take()
        {
            let _ = ticker.join();
        }
        if let Ok(bar) = self.shared.bar.lock()
            && let Some(bar) = bar.as_ref()
        {
            bar.finish_and_clear();
        }
    }
}

impl Shared {
    /// What has come over the network so far.
    fn came(&self) -> Option<String> {
        let fetching = self.fetching.lock().ok()?;
        if let Some((bytes, done)) = fetching.as_ref().filter(|(bytes, _)| *bytes > 0) {
            let megabytes = |bytes: u64| bytes as f64 / 1e6;
            return Some(format!(
                "{:.0} of {:.0} MB fetched",
                megabytes(done.load(Ordering::Relaxed)),
                megabytes(*bytes)
            ));
        }
        let fetched = self.fetched.lock().ok()?;
        (!fetched.is_empty()).then(|| fetched.clone())
    }

    fn tick(&self) {
        let partial = self.running.lock().ok().and_then(|running| {
            let (progress, bytes) = running.as_ref()?;
            Some((progress.fraction()? * *bytes as f64) as u64)
        });
        if let Ok(bar) = self.bar.lock()
            && let Some(bar) = bar.as_ref()
        {
            let rows = count(self.rows.load(Ordering::Relaxed));
            bar.set_message(match self.came() {
                Some(came) => format!("{rows} rows, {came}"),
                None => format!("{rows} rows"),
            });
            bar.tick();
            bar.set_position(self.done.load(Ordering::Relaxed) + partial.unwrap_or(0));
        }
    }
}
