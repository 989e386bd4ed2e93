//! The health file of `watch`: what it says after each run, and what a probe makes of it.

use std::{fs, io::Write, path::Path};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::print;
use crate::error::{Error, ExitCode, Result};

/// A run may take so long before it counts as overdue.
const GRACE: TimeDelta = TimeDelta::hours(1);

/// What the health file says.
#[derive(Debug, Deserialize, Serialize)]
struct Health {
    healthy: bool,
    failures_in_a_row: u32,
    error: Option<String>,
    finished_at: DateTime<Utc>,
    next_run_at: DateTime<Utc>,
}

/// Puts the file in place as a whole.
///
/// # Errors
/// When it cannot be written.
pub(super) fn write(
    path: &Path,
    failures_in_a_row: u32,
    error: Option<String>,
    finished_at: DateTime<Utc>,
    next_run_at: DateTime<Utc>,
) -> Result<()> {
    let health = Health { healthy: failures_in_a_row == 0, failures_in_a_row, error, finished_at, next_run_at };
    let failed =
        |e: std::io::Error| Error::input(format!("cannot write the health file `{}`", path.display())).caused_by(e);
    let text = serde_json::to_string(&health).map_err(|e| Error::bug("health has no JSON").caused_by(e))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    writeln!(file, "{text}").map_err(failed)?;
    // Whoever looks at it is somebody else.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o644)).map_err(failed)?;
    }
    file.persist(path).map_err(|e| failed(e.error))?;
    Ok(())
}

/// Whether the health file says that all is well, and that the next run is not long overdue.
///
/// # Errors
/// When it does not, or there is no such file.
pub(super) fn check(path: &Path) -> Result<ExitCode> {
    let shown = path.display();
    let text = fs::read_to_string(path)
        .map_err(|e| Error::input(format!("cannot read the health file `{shown}`")).caused_by(e))?;
    let health: Health =
        serde_json::from_str(&text).map_err(|e| Error::input(format!("`{shown}` is no health file")).caused_by(e))?;
    let overdue = Utc::now() - health.next_run_at;
    if overdue > GRACE {
        return Err(Error::input(format!("the run of {} UTC is overdue", health.next_run_at.format("%Y-%m-%d %H:%M")))
            .hint("does `watch` still run?"));
    }
    match health.error {
        Some(error) if !health.healthy => {
            Err(Error::input(format!("{} runs in a row have failed", health.failures_in_a_row)).cause(error))
        }
        _ => print("healthy\n").map(|()| ExitCode::Done),
    }
}
