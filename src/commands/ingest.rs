use std::{
    io::IsTerminal,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::{Context, print};
use crate::{
    error::{ExitCode, Result},
    ingest::{Outcome, Request, Watcher, ingest},
    report::{self, Format, units::count},
    sources,
    store::{Progress, Store},
};

/// Read bills from disk into the database
///
/// PATH is a file, a folder or a quoted pattern: CUR (parquet, csv, csv.gz, csv.zip), CUR 2.0 and FOCUS
/// (parquet, csv, csv.gz), or a plain CSV with `date` and `cost`. Folders as AWS lays them out are read by
/// their manifests. A billing period is replaced whole, or not at all.
#[derive(Debug, Args)]
pub struct IngestArgs {
    /// Bills: files, folders or quoted patterns
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Take the files for this format, whatever their columns
    #[arg(long, value_enum, value_name = "FORMAT")]
    format_hint: Option<sources::Format>,

    /// Name under which plain CSV files are kept
    #[arg(long, value_name = "NAME", value_parser = data_source_name)]
    data_source: Option<String>,

    /// Load again what is current already
    #[arg(long)]
    full_refresh: bool,

    /// How to write the summary
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

fn data_source_name(name: &str) -> Result<String, String> {
    let fine =
        !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_');
    match name {
        "cur" | "cur2" | "focus" | "cost-explorer" => Err("that name is AWS's own".into()),
        name if fine => Ok(name.into()),
        _ => Err("use lower-case letters, digits, - and _".into()),
    }
}

pub fn run(args: &IngestArgs, context: &Context) -> Result<ExitCode> {
    let mut store = Store::open(context.database())?;
    let request = Request {
        paths: args.paths.clone(),
        format_hint: args.format_hint,
        data_source: args.data_source.clone(),
        full_refresh: args.full_refresh,
    };
    let outcome = ingest_watched(&mut store, &request, context)?;
    print(&report::ingest::render(&outcome, args.format, context.style)?)?;
    for failure in &outcome.failures {
        context.complain(failure);
    }
    Ok(if outcome.failures.is_empty() { ExitCode::Done } else { ExitCode::Failed })
}

/// Ingests with a progress bar on a terminal, with a line for each group of files elsewhere.
pub fn ingest_watched(store: &mut Store, request: &Request, context: &Context) -> Result<Outcome> {
    if context.quiet {
        struct Silent;
        impl Watcher for Silent {}
        ingest(store, request, &Silent)
    } else if std::io::stderr().is_terminal() {
        let bar = Bar::default();
        let outcome = ingest(store, request, &bar);
        bar.stop();
        outcome
    } else {
        ingest(store, request, &Lines { context, label: Mutex::default() })
    }
}

/// A line for each group of files.
struct Lines<'a> {
    context: &'a Context,
    label: Mutex<String>,
}

impl Watcher for Lines<'_> {
    fn loading(&self, label: &str, _bytes: u64, _progress: Progress) {
        if let Ok(mut current) = self.label.lock() {
            *current = label.to_owned();
        }
    }

    fn loaded(&self, _bytes: u64, rows: u64) {
        // What is unchanged or failed is said elsewhere.
        if rows > 0
            && let Ok(label) = self.label.lock()
        {
            self.context.note(&format!("ingested {label}: {} rows", count(rows)));
        }
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
    stopped: AtomicBool,
}

impl Watcher for Bar {
    fn planned(&self, _files: usize, bytes: u64) {
        let style = ProgressStyle::with_template("{bar:20} {percent:>3} % {bytes}/{total_bytes} {msg} {eta} left");
        let bar = ProgressBar::new(bytes).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
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

    fn loading(&self, _label: &str, bytes: u64, progress: Progress) {
        if let Ok(mut running) = self.shared.running.lock() {
            *running = Some((progress, bytes));
        }
    }

    fn loaded(&self, bytes: u64, rows: u64) {
        if let Ok(mut running) = self.shared.running.lock() {
            *running = None;
        }
        self.shared.done.fetch_add(bytes, Ordering::Relaxed);
        self.shared.rows.fetch_add(rows, Ordering::Relaxed);
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
    fn tick(&self) {
        let partial = self.running.lock().ok().and_then(|running| {
            let (progress, bytes) = running.as_ref()?;
            Some((progress.fraction()? * *bytes as f64) as u64)
        });
        if let Ok(bar) = self.bar.lock()
            && let Some(bar) = bar.as_ref()
        {
            bar.set_message(format!("{} rows", count(self.rows.load(Ordering::Relaxed))));
            bar.set_position(self.done.load(Ordering::Relaxed) + partial.unwrap_or(0));
        }
    }
}
