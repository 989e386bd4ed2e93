//! Which files the database is made of.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::{
    Store,
    delivery::{Load, MAPPING_VERSION, SCOPE, Stored},
    quoted,
};
use crate::error::{Error, Result};

impl Store {
    /// Whether each file of `load` is stored whole and unchanged, and the other files that were loaded with
    /// them and share a period.
    pub(crate) fn stored(&self, load: &Load) -> Result<Stored> {
        let doing = "cannot read the ingestion log";
        let files = load.files.iter().map(|file| format!("({}, {})", quoted(file.key), quoted(file.etag)));
        let files = files.collect::<Vec<_>>().join(", ");
        let logged = format!(
            "WITH mine AS (FROM (VALUES {files}) f(key, etag)), \
             logged AS (FROM ingestion_log WHERE data_source = {} AND export = {})",
            quoted(load.data_source),
            quoted(load.export)
        );
        let whole = format!(
            "{logged} SELECT (SELECT count(*) FROM mine) = (SELECT count(*) FROM (SELECT key FROM logged \
             JOIN mine USING (key, etag) WHERE assembly_id = {} AND mapping_version = {MAPPING_VERSION} \
             GROUP BY key HAVING sum(rows) = max(file_rows)))",
            quoted(load.assembly_id)
        );
        let whole = self.connection.query_row(&whole, [], |row| row.get(0)).map_err(|e| self.error(doing, &e))?;
        let siblings = format!(
            "{logged} SELECT DISTINCT key FROM logged WHERE key NOT IN (SELECT key FROM mine) AND (ingestion_id, {SCOPE}) IN \
             (SELECT (ingestion_id, {SCOPE}) FROM logged WHERE key IN (SELECT key FROM mine)) ORDER BY key"
        );
        let mut statement = self.connection.prepare(&siblings).map_err(|e| self.error(doing, &e))?;
        let siblings = statement.query_map([], |row| row.get(0)).and_then(Iterator::collect);
        Ok(Stored { whole, siblings: siblings.map_err(|e| self.error(doing, &e))? })
    }

    /// Whether anything of a file is stored.
    pub(crate) fn has_rows_of(&self, key: &str) -> Result<bool> {
        let sql = format!("SELECT COALESCE(sum(rows), 0) > 0 FROM ingestion_log WHERE key = {}", quoted(key));
        self.connection
            .query_row(&sql, [], |row| row.get(0))
            .map_err(|e| self.error("cannot read the ingestion log", &e))
    }

    /// Whether a delivery is stored whole: the ETags by key of its files that are, as loaded by this version.
    pub(crate) fn delivered(
        &self,
        data_source: &str,
        export: &str,
        assembly_id: &str,
    ) -> Result<BTreeMap<String, String>> {
        let sql = format!(
            "SELECT key, any_value(etag) FROM ingestion_log WHERE data_source = {} AND export = {} AND assembly_id = {} \
             AND mapping_version = {MAPPING_VERSION} GROUP BY key HAVING sum(rows) = max(file_rows)",
            quoted(data_source),
            quoted(export),
            quoted(assembly_id)
        );
        let rows = self.rows(&sql, "cannot read the ingestion log", |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.into_iter().collect())
    }

    /// Keys and ETags of all files that the database is made of.
    pub(crate) fn source_files(&self) -> Result<Vec<(String, String)>> {
        let sql = "SELECT DISTINCT key, etag FROM ingestion_log ORDER BY ALL";
        self.rows(sql, "cannot read the ingestion log", |row| Ok((row.get(0)?, row.get(1)?)))
    }

    /// The day (UTC) on which bills came last.
    pub(crate) fn last_ingested(&self) -> Result<Option<NaiveDate>> {
        let sql = "SELECT CAST(max(ingested_at) AS DATE) FROM ingestion_log";
        Ok(self.rows(sql, "cannot read the ingestion log", |row| row.get(0))?.pop().flatten())
    }

    pub(super) fn next_ingestion_id(&self) -> Result<i64> {
        self.connection
            .query_row("SELECT COALESCE(max(ingestion_id), 0) + 1 FROM ingestion_log", [], |row| row.get(0))
            .map_err(|e: duckdb::Error| -> Error { self.error("cannot read the ingestion log", &e) })
    }
}
