//! Versions of the tables: each migration runs once, in order, those that are due in one transaction.

use super::Store;
use crate::error::{Error, Result};

const MIGRATIONS: [&str; 5] = [
    include_str!("migrations/0001_initial.sql"),
    include_str!("migrations/0002_api.sql"),
    include_str!("migrations/0003_ledger.sql"),
    include_str!("migrations/0004_subject.sql"),
    include_str!("migrations/0005_notices.sql"),
];

/// Brings the tables up to date, all at once or not at all.
pub fn migrate(store: &mut Store) -> Result<()> {
    let current = version(store)?;
    if current == MIGRATIONS.len() {
        return Ok(());
    }
    let program = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));
    let mut batch = String::from(
        "BEGIN; CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL, applied_at TIMESTAMP NOT NULL, program VARCHAR NOT NULL);",
    );
    for (index, migration) in MIGRATIONS.iter().enumerate().skip(current) {
        let version = index + 1;
        batch += migration;
        batch += &format!(
            "; INSERT INTO schema_version VALUES ({version}, CAST(current_timestamp AS TIMESTAMP), '{program}');"
        );
    }
    batch += "COMMIT";
    store.connection.execute_batch(&batch).map_err(|e| {
        let error = store.error(&format!("cannot bring the tables of `{}` up to date", store.path.display()), &e);
        // A failed COMMIT has already ended the transaction.
        let _ = store.connection.execute_batch("ROLLBACK");
        error
    })
}

/// Whether the tables are up to date.
///
/// # Errors
/// When there are none, or they are of a newer program.
pub fn is_current(store: &Store) -> Result<bool> {
    match version(store)? {
        0 => Err(Error::input(format!("the database `{}` holds no bills", store.path.display()))
            .hint("ingest one: `aws-cost-anomalies ingest PATH`")),
        version => Ok(version == MIGRATIONS.len()),
    }
}

/// The version of the tables, 0 for none.
fn version(store: &Store) -> Result<usize> {
    let exists: bool = store
        .connection
        .query_row("SELECT count(*) > 0 FROM duckdb_tables() WHERE table_name = 'schema_version'", [], |row| row.get(0))
        .map_err(|e| store.error("cannot read the schema version", &e))?;
    if !exists {
        return Ok(0);
    }
    let version: usize = store
        .connection
        .query_row("SELECT COALESCE(max(version), 0) FROM schema_version", [], |row| row.get(0))
        .map_err(|e| store.error("cannot read the schema version", &e))?;
    if version > MIGRATIONS.len() {
        return Err(Error::input(format!(
            "the database `{}` was written by a newer version of this program",
            store.path.display()
        ))
        .cause(format!("its schema is {version}, this program knows {}", MIGRATIONS.len()))
        .hint("use the newer program, or another file with `--db`"));
    }
    Ok(version)
}
