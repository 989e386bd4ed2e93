//! A user's statement in a process of its own, so that one which takes too much time or memory, or brings DuckDB down,
//! ends alone. The other process is this program again: it limits itself, opens the database read-only, runs the
//! statement by [`super::guard`] and writes the answer to its stdout. It never opens the database for writing, and knows no
//! variable of the environment.
//!
//! An answer is lines of a letter and values in JSON, apart by tabs, which JSON does not have: `o` when the database is
//! open, `c` names of columns, `r` a row, then one of `d` done, `t` done with more rows than asked for, `e` an error.

use std::{
    ffi::OsString,
    io::{self, BufRead, BufReader, BufWriter, Read, Write},
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
    process::{self, Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{
    MemoryLimit, Settings, Store,
    lease::{READER_WAITS, once_free},
    user_query::{Part, Query, Table, is_of_memory, stopped, too_big, too_slow},
};
use crate::{
    error::{Error, Result},
    model::Stop,
};

/// The first argument of the other process.
const WORD: &str = "__query";
/// Opening may take so long, with waiting for a writer.
const OPENING: Duration = Duration::from_secs(30);
/// Whether nobody wants the answer any more is looked at so often.
const LOOK: Duration = Duration::from_millis(50);
/// Longer than anybody waits.
const FOREVER: Duration = Duration::from_secs(3600 * 24 * 366);
/// The other process ends by itself so long after its time, when nobody is left to end it.
const GRACE: Duration = Duration::from_secs(5);
/// The stack that a statement is parsed and planned on.
const STACK: usize = 64 << 20;
/// Address space that the other process takes beside DuckDB's memory and what it begins with.
#[cfg(unix)]
const OVERHEAD: u64 = 512 << 20;
/// The same for each thread: its stack, and what is set aside for it and never touched.
#[cfg(unix)]
const OVERHEAD_OF_THREAD: u64 = 64 << 20;
/// What it begins with, where the system does not say.
#[cfg(unix)]
const BEGINS_WITH: u64 = 2 << 30;
/// Bytes that are kept of what the other process says on stderr.
const SAID: u64 = 4096;

/// What the other process is asked on its stdin.
#[derive(Debug, Deserialize, Serialize)]
struct Request {
    sql: String,
    rows: usize,
    time: Duration,
    memory_limit: MemoryLimit,
    threads: u32,
}

/// What it is asked by arguments, which keep their bytes.
#[derive(Debug)]
pub(crate) struct Asked {
    path: PathBuf,
    spills: PathBuf,
}

/// News of the other process.
enum News {
    Opened,
    Ended(Result<Option<Table>>),
}

/// Runs one SELECT in a process of its own. `program` is this program's file.
///
/// # Errors
/// As [`Store::select`], and when the process cannot be started.
pub(crate) fn select(program: &Path, settings: &Settings, query: &Query) -> Result<Table> {
    let request = Request {
        sql: query.sql.to_owned(),
        rows: query.rows,
        time: query.time,
        memory_limit: settings.memory_limit.clone(),
        threads: settings.threads,
    };
    let request = serde_json::to_vec(&request).map_err(|e| Error::bug("a query has no JSON").caused_by(e))?;
    let spills = Spills::new(&settings.path);
    let mut child = start(program, &settings.path, &spills.0)
        .map_err(|e| Error::input(format!("cannot start `{}` again for the query", program.display())).caused_by(e))?;
    let (news, arriving) = mpsc::channel();
    let said = child.stderr.take().map(|stderr| thread::spawn(move || last_words(stderr)));
    if let Some(stdout) = child.stdout.take() {
        let most = settings.memory_limit.bytes() / 2;
        thread::spawn(move || {
            let ended = receive(BufReader::new(stdout.take(most)), &news, most);
            let _ = news.send(News::Ended(ended));
        });
    }
    if let Some(mut stdin) = child.stdin.take() {
        // Whoever does not listen has ended, which is seen below.
        let _ = stdin.write_all(&request);
    }
    let mut is_open = false;
    let mut deadline = Instant::now() + OPENING;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match arriving.recv_timeout(if query.stop.is_some() { left.min(LOOK) } else { left }) {
            Ok(News::Opened) => {
                is_open = true;
                // A time without end has no deadline that a clock could show.
                deadline = Instant::now().checked_add(query.time).unwrap_or(deadline + FOREVER);
            }
            Ok(News::Ended(Ok(Some(outcome)))) => {
                // It has nothing left to do.
                end(&mut child);
                return Ok(outcome);
            }
            Ok(News::Ended(Err(error))) => {
                end(&mut child);
                return Err(error);
            }
            Ok(News::Ended(Ok(None))) | Err(RecvTimeoutError::Disconnected) => {
                let status = child.wait().ok();
                let said = said.and_then(|said| said.join().ok()).unwrap_or_default();
                return Err(death(status, &said, &settings.memory_limit));
            }
            Err(RecvTimeoutError::Timeout) if query.stop.is_some_and(Stop::is_given) => {
                end(&mut child);
                return Err(stopped());
            }
            Err(RecvTimeoutError::Timeout) if Instant::now() < deadline => {}
            Err(RecvTimeoutError::Timeout) => {
                end(&mut child);
                return Err(if is_open { too_slow(query.time) } else { not_opened() });
            }
        }
    }
}

fn not_opened() -> Error {
    Error::input(format!("the database was not open within {} s", OPENING.as_secs()))
        .hint("is the disk or the machine very busy?")
}

fn start(program: &Path, database: &Path, spills: &Path) -> io::Result<Child> {
    let mut command = Command::new(program);
    command.arg(WORD).arg(database).arg(spills);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A statement has nothing to find there. Windows' own libraries need theirs.
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;
        command.env_clear().arg0(env!("CARGO_PKG_NAME"));
    }
    command.spawn()
}

fn end(child: &mut Child) {
    // One that has ended already cannot be ended.
    let _ = child.kill();
    let _ = child.wait();
}

/// Reads an answer; none when it breaks off.
fn receive(mut lines: impl BufRead, news: &Sender<News>, most: u64) -> Result<Option<Table>> {
    let broken = |e: serde_json::Error| Error::bug("the answer to a query cannot be read").caused_by(e);
    let mut table = Table::default();
    let mut line = Vec::new();
    let mut bytes = 0;
    loop {
        line.clear();
        let length =
            lines.read_until(b'\n', &mut line).map_err(|e| Error::input("the query broke off").caused_by(e))?;
        bytes += length as u64;
        if line.pop() != Some(b'\n') {
            let is_full = bytes >= most;
            return if is_full { Err(too_long(most)) } else { Ok(None) };
        }
        let Some((letter, rest)) = line.split_first() else { return Ok(None) };
        match letter {
            b'o' => drop(news.send(News::Opened)),
            b'c' => table.add(Part::Columns(serde_json::from_slice(rest).map_err(broken)?)),
            b'r' => {
                let cells = rest.split(|byte| *byte == b'\t').map(serde_json::from_slice);
                table.add(Part::Row(cells.collect::<Result<Vec<Json>, _>>().map_err(broken)?));
            }
            b't' => {
                table.add(Part::Truncated);
                return Ok(Some(table));
            }
            b'd' => return Ok(Some(table)),
            b'e' => return Err(serde_json::from_slice(rest).map_err(broken)?),
            _ => return Err(Error::bug("the answer to a query has a line of no kind")),
        }
    }
}

fn too_long(most: u64) -> Error {
    Error::input(format!("the answer is longer than {} MB", most / 1_000_000))
        .hint("ask for fewer rows (`--limit`) or columns, or allow more with `--memory-limit`")
}

/// The last of what was said on stderr.
fn last_words(mut stderr: impl Read) -> String {
    let mut kept = Vec::new();
    // What comes after it is read, too, so that nobody waits for room to say it.
    let _ = stderr.by_ref().take(SAID).read_to_end(&mut kept).and_then(|_| io::copy(&mut stderr, &mut io::sink()));
    String::from_utf8_lossy(&kept).trim().to_owned()
}

/// The error of a process that ended without an answer.
fn death(status: Option<ExitStatus>, said: &str, memory_limit: &MemoryLimit) -> Error {
    const ABORT: i32 = 6;
    const KILL: i32 = 9;
    let signal = status.and_then(signal);
    let is_of_stack = said.contains("overflowed its stack");
    match signal {
        // C++ and Rust both abort where memory is not to be had.
        Some(ABORT) if !is_of_stack || is_of_memory(said) => too_big(&memory_limit.to_string()),
        Some(KILL) => Error::input("the query was killed from outside")
            .cause("the system does so when the machine's memory runs out")
            .hint("allow less with `--memory-limit`, or fewer `--threads`"),
        Some(_) => Error::input("the query brought the database engine down")
            .cause(if is_of_stack {
                "it is nested too deeply"
            } else {
                "it is nested too deeply, or DuckDB has an error"
            })
            .hint("write it in another way; the database is as it was"),
        None => Error::bug("the process of a query ended without an answer").cause(said),
    }
}

#[cfg(unix)]
fn signal(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

#[cfg(not(unix))]
fn signal(_: ExitStatus) -> Option<i32> {
    None
}

/// The folder for what a query does not keep in memory. DuckDB makes it when it is needed, and this takes it away again;
/// DuckDB's own choice is the same folder for all processes, by which they would write over each other's files.
struct Spills(PathBuf);

impl Spills {
    const END: &str = ".query-spills";

    fn new(database: &Path) -> Self {
        let mut start = database.file_name().unwrap_or_default().to_owned();
        start.push(".");
        remove_left(database, &start);
        start.push(process::id().to_string());
        start.push(Self::END);
        Self(database.with_file_name(start))
    }
}

impl Drop for Spills {
    fn drop(&mut self) {
        // Mostly there is none.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Removes the folders of processes that were killed.
fn remove_left(database: &Path, start: &OsString) {
    let folder = database.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let own = name.strip_prefix(&*start.to_string_lossy()).and_then(|rest| rest.strip_suffix(Spills::END));
        if own.and_then(|id| id.parse().ok()).is_some_and(has_ended) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// Whether there is no process of an id any more.
#[cfg(unix)]
fn has_ended(id: i32) -> bool {
    let ended = rustix::process::Pid::from_raw(id).map(rustix::process::test_kill_process);
    ended.is_none_or(|found| found == Err(rustix::io::Errno::SRCH))
}

#[cfg(not(unix))]
fn has_ended(_: i32) -> bool {
    false
}

/// What the arguments of this process ask, when it is the other one.
pub(crate) fn asked(mut arguments: impl Iterator<Item = OsString>) -> Option<Asked> {
    if arguments.nth(1)? != WORD {
        return None;
    }
    Some(Asked { path: arguments.next()?.into(), spills: arguments.next()?.into() })
}

/// Answers as the other process.
pub(crate) fn serve(asked: &Asked, question: impl Read, answer: impl Write + Send) {
    let mut answer = BufWriter::new(answer);
    let mut write = |letter: &str, rest: &[u8]| {
        let parts = [letter.as_bytes(), rest, b"\n"];
        let written = parts.into_iter().try_for_each(|part| answer.write_all(part));
        // Of rows, many go at once; whoever does not want them any more has gone.
        if written.and_then(|()| if letter == "r" { Ok(()) } else { answer.flush() }).is_err() {
            process::abort();
        }
    };
    let done = serde_json::from_reader(question)
        .map_err(|e| Error::bug("a query cannot be read").caused_by(e))
        .and_then(|request: Request| on_large_stack(&request, || run(asked, &request, &mut write)));
    match done {
        Ok(letter) => write(letter, b""),
        Err(error) => write("e", &serde_json::to_vec(&error).unwrap_or_default()),
    }
}

/// Runs something on a thread that is limited in time, as this process is in memory from now on.
fn on_large_stack<T: Send>(request: &Request, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    limit(request);
    let time = OPENING + request.time + GRACE;
    thread::spawn(move || {
        thread::sleep(time);
        process::abort();
    });
    let work = AssertUnwindSafe(work);
    let failed = |what: String| Error::bug("the process of a query failed").cause(what);
    thread::scope(|scope| {
        let worker = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || panic::catch_unwind(work));
        let worked = worker.map_err(|e| failed(e.to_string()))?.join();
        worked.and_then(|worked| worked).unwrap_or_else(|_| Err(failed("it panicked".to_owned())))
    })
}

/// Limits what this process may take.
#[cfg(unix)]
fn limit(request: &Request) {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let cores = || thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let threads = if request.threads > 0 { u64::from(request.threads) } else { cores() };
    let space = begins_with() + request.memory_limit.bytes() + OVERHEAD + threads * OVERHEAD_OF_THREAD;
    for (resource, most) in [(Resource::As, space), (Resource::Core, 0)] {
        // A lower limit of the user's own stays.
        let _ = setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) });
    }
    // Whoever asked may be killed.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
}

/// The address space that this process has now: mostly what is set aside for allocations that may never come.
#[cfg(unix)]
fn begins_with() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")?.trim().strip_suffix(" kB")?.parse().ok());
    size.map_or(BEGINS_WITH, |kilobytes: u64| kilobytes * 1024)
}

#[cfg(not(unix))]
fn limit(_: &Request) {}

fn run(asked: &Asked, request: &Request, write: &mut dyn FnMut(&str, &[u8])) -> Result<&'static str> {
    let settings = Settings {
        path: asked.path.clone(),
        cache_dir: PathBuf::new(),
        cache_limit_gb: 0.0,
        memory_limit: request.memory_limit.clone(),
        threads: request.threads,
    };
    let store = once_free(READER_WAITS, || Store::open_reading(&settings, Some(&asked.spills)))?;
    write("o", b"");
    let query = Query { sql: &request.sql, rows: request.rows, time: request.time, stop: None };
    let mut is_truncated = false;
    let mut failed = None;
    store.stream(&query, &mut |part| {
        let json = match &part {
            Part::Columns(columns) => serde_json::to_vec(columns),
            Part::Row(cells) => row(cells),
            Part::Truncated => Ok(Vec::new()),
        };
        match (part, json) {
            (Part::Columns(_), Ok(json)) => write("c", &json),
            (Part::Row(_), Ok(json)) => write("r", &json),
            (Part::Truncated, _) => is_truncated = true,
            (_, Err(error)) => failed = Some(Error::bug("an answer has no JSON").cause(error)),
        }
    })?;
    failed.map_or(Ok(if is_truncated { "t" } else { "d" }), Err)
}

/// Cells in JSON, apart by tabs: each may be nested as deeply as readers of JSON go.
fn row(cells: &[Json]) -> serde_json::Result<Vec<u8>> {
    let mut line = Vec::new();
    for (index, cell) in cells.iter().enumerate() {
        if index > 0 {
            line.push(b'\t');
        }
        serde_json::to_writer(&mut line, cell)?;
    }
    Ok(line)
}
