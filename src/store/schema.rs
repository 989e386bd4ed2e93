//! The tables and their version. Nothing is released yet, so there is one version; later ones are migrations after it.

use super::Store;
use crate::error::{Code, Error, Result};

const TABLES: &str = include_str!("schema.sql");
const VERSION: usize = 1;

/// What a database file holds.
enum Held {
    Nothing,
    Current,
}

/// Makes the tables where there are none, all at once or not at all.
///
/// # Errors
/// When the database is of another version, or cannot be written.
pub(super) fn prepare(store: &mut Store) -> Result<()> {
    if matches!(held(store)?, Held::Current) {
        return Ok(());
    }
    let program = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));
    let batch = format!(
        "BEGIN; CREATE TABLE schema_version (version INTEGER NOT NULL, applied_at TIMESTAMP NOT NULL, program VARCHAR NOT NULL);\n\
         {TABLES}; INSERT INTO schema_version VALUES ({VERSION}, CAST(current_timestamp AS TIMESTAMP), '{program}'); COMMIT"
    );
    store.connection.execute_batch(&batch).map_err(|e| {
        let error = store.error(&format!("cannot make the tables of `{}`", store.path.display()), &e);
        // A failed COMMIT has already ended the transaction.
        let _ = store.connection.execute_batch("ROLLBACK");
        error
    })
}

/// Refuses to read what holds no tables of this version.
///
/// # Errors
/// When there are none, or they are of another version.
pub(super) fn check(store: &Store) -> Result<()> {
    match held(store)? {
        Held::Nothing => Err(Error::input(format!("the database `{}` holds no bills", store.path.display()))
            .with_code(Code::NoData)
            .hint("ingest one: `aws-cost-anomalies ingest PATH`")),
        Held::Current => Ok(()),
    }
}

/// # Errors
/// When the tables are of another version.
fn held(store: &Store) -> Result<Held> {
    let ask = |sql: &str| {
        let found: duckdb::Result<usize> = store.connection.query_row(sql, [], |row| row.get(0));
        found.map_err(|e| store.error("cannot read the schema version", &e))
    };
    if ask("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'schema_version'")? == 0 {
        return Ok(Held::Nothing);
    }
    let version = ask("SELECT COALESCE(max(version), 0) FROM schema_version")?;
    let other = |how: &str| {
        Error::input(format!("the database `{}` was written by {how} version of this program", store.path.display()))
    };
    // Versions before the first release had no such table.
    let newest = "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'records'";
    if ask(newest)? == 0 {
        return Err(
            other("an unreleased").hint("ingest the bills again into a new file: `--db FILE`, or move this one away")
        );
    }
    match version {
        VERSION => Ok(Held::Current),
        version => Err(other("a newer")
            .cause(format!("its schema is {version}, this program knows {VERSION}"))
            .hint("use the newer program, or another file with `--db`")),
    }
}
