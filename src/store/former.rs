//! What former loads brought of the months of a new one, and what becomes of it. The caller judges; this module says
//! how the two are related.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use super::{
    Store,
    delivery::{CountedOnce, Load, Loaded, Mode, PayerMonth, Replaced, SCOPE},
    overlap::{Overlap, Surplus},
    quoted,
};
use crate::{error::Result, model::source::Repeated};

const DOING: &str = "cannot read the ingestion log";

/// What one former load has of one payer's month that the new load is of, too.
#[derive(Clone, Debug)]
pub(crate) struct FormerLoad {
    /// Its files in that month.
    pub keys: Vec<String>,
    /// The export that it was delivered by; blank for loose files.
    pub export: String,
    pub billing_period: NaiveDate,
    /// Its unblended cost and the currency of it.
    pub cost: f64,
    pub currency: String,
    /// Whether a file of the new load has the name of one of its files.
    pub same_file: bool,
    /// Whether it stands beside a former version of the new load's files.
    pub stood_beside: bool,
    /// Whether no provider is in both: an id may be a payer's of several clouds.
    pub other_provider: bool,
    pub overlap: Overlap,
    /// Days and accounts that the new load has and it lacks.
    pub brings: Surplus,
    /// Days and accounts that it has and the new load lacks.
    pub lacks: Surplus,
}

/// What becomes of a former load in a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is an earlier version.
    Replaced,
    /// It is other money.
    Stays,
    /// It holds all that the new load brings; the new lines of the month are not counted.
    HoldsAll,
}

/// A former load in a month, before anybody looked at its lines.
struct Candidate {
    id: i64,
    scope: PayerMonth,
    former: FormerLoad,
    /// Whether it is replaced whatever it holds: the same files unchanged, or the same export.
    certain: bool,
    shares_accounts: bool,
}

impl Store {
    /// Finds what former loads brought of the same money, into the table `former`: the same files unchanged, the same
    /// export's former deliveries of the same billing periods, and what `judge` says is an earlier version. A load without an
    /// account and without a file in common is other money and stays.
    ///
    /// Returns how many of the new rows were deleted because they are stored already.
    pub(super) fn find_former(
        &self,
        id: i64,
        load: &Load,
        judge: &dyn Fn(&FormerLoad) -> Result<Fate>,
        loaded: &mut Loaded,
    ) -> Result<u64> {
        let mine = load.files.iter().map(|file| quoted(file.key)).collect::<Vec<_>>().join(", ");
        let source = quoted(load.data_source);
        let export = quoted(load.export);
        // What a delivery had of other months goes with it; of a loose file, whose name may be used for the next
        // month again, only by force.
        let whole_files = !load.export.is_empty() || load.mode == Mode::Force;
        self.run(
            &format!(
                "CREATE OR REPLACE TEMP TABLE former AS FROM ingestion_log WHERE data_source = {source} AND \
                 (({whole_files} AND key IN ({mine})) \
                 OR ({whole_files} AND ({SCOPE}) IN (SELECT ({SCOPE}) FROM loaded) AND ingestion_id IN \
                 (SELECT ingestion_id FROM ingestion_log WHERE data_source = {source} AND key IN ({mine}))) \
                 OR ({export} <> '' AND export = {export} AND billing_period IN (SELECT billing_period FROM loaded)))"
            ),
            DOING,
        )?;
        let candidates = self.candidates(load, &mine)?;
        let mut to_compare: BTreeMap<i64, BTreeSet<PayerMonth>> = BTreeMap::new();
        let forced = load.mode == Mode::Force;
        let is_open = |candidate: &&mut Candidate| {
            !forced && !candidate.certain && (candidate.shares_accounts || candidate.former.same_file)
        };
        let mut candidates = candidates;
        for candidate in candidates.iter_mut().filter(is_open) {
            to_compare.entry(candidate.id).or_default().insert(candidate.scope.clone());
        }
        if !to_compare.is_empty() {
            self.lay_side_by_side(id, &to_compare)?;
        }
        for candidate in candidates.iter_mut().filter(is_open) {
            let (overlap, brings, lacks) = self.beside_former(id, candidate.id, &candidate.scope)?;
            candidate.former = FormerLoad { overlap, brings, lacks, ..candidate.former.clone() };
        }
        let mut deleted = 0;
        for Candidate { id: former_id, scope, former, certain, shares_accounts } in candidates {
            let fate = match (certain, shares_accounts || former.same_file) {
                (true, _) => Fate::Replaced,
                (false, false) => Fate::Stays,
                (false, true) => judge(&former)?,
            };
            match fate {
                Fate::Stays => {}
                Fate::Replaced => self.run(
                    &format!(
                        "INSERT INTO former FROM ingestion_log WHERE ingestion_id = {former_id} AND {}",
                        of(&scope, load)
                    ),
                    DOING,
                )?,
                Fate::HoldsAll => deleted += self.drop_scope(id, &scope, &former, load, loaded)?,
            }
        }
        loaded.replaced = self.rows(
            &format!(
                "SELECT key, billing_period, sum(rows)::UBIGINT FROM (SELECT DISTINCT * FROM former) WHERE key NOT IN ({mine}) \
                 GROUP BY ALL ORDER BY ALL"
            ),
            DOING,
            |row| Ok(Replaced { key: row.get(0)?, billing_period: row.get(1)?, rows: row.get(2)? }),
        )?;
        if !whole_files {
            loaded.kept = self.rows(
                &format!(
                    "SELECT key, billing_period, sum(rows)::UBIGINT FROM ingestion_log l WHERE data_source = {source} AND key IN ({mine}) \
                     AND rows > 0 AND ({SCOPE}) NOT IN (SELECT ({SCOPE}) FROM loaded) AND ingestion_id = \
                     (SELECT max(ingestion_id) FROM ingestion_log m WHERE m.data_source = l.data_source AND m.key = l.key) \
                     GROUP BY ALL ORDER BY ALL"
                ),
                DOING,
                |row| Ok(Replaced { key: row.get(0)?, billing_period: row.get(1)?, rows: row.get(2)? }),
            )?;
        }
        Ok(deleted)
    }

    /// The former loads of the months of the new one, with what the log says of them.
    fn candidates(&self, load: &Load, mine: &str) -> Result<Vec<Candidate>> {
        let files = load.files.iter().map(|file| format!("({}, {})", quoted(file.key), quoted(file.etag)));
        let files = files.collect::<Vec<_>>().join(", ");
        let sql = format!(
            "WITH mine AS (FROM (VALUES {files}) f(key, etag)), \
             logged AS (SELECT l.*, key IN ({mine}) AS same_file, (key, etag) IN (SELECT (key, etag) FROM mine) AS unchanged, \
             ({SCOPE}, provider) IN (SELECT ({SCOPE}, provider) FROM loaded) AS same_provider \
             FROM ingestion_log l WHERE ({SCOPE}) IN (SELECT ({SCOPE}) FROM loaded) AND data_source = {source}), \
             loads AS (SELECT ingestion_id, payer_account_id, billing_period, COALESCE(list_sort(list(DISTINCT key) FILTER (rows > 0)), list(DISTINCT key)) AS keys, \
             COALESCE(max(export), '') AS export, sum(unblended_cost) AS cost, max(currency) AS currency, bool_or(same_file) AS same_file, \
             bool_and(unchanged OR rows = 0) AND bool_or(unchanged) AS unchanged, NOT bool_or(same_provider) AS other_provider \
             FROM logged GROUP BY ALL) \
             SELECT ingestion_id, payer_account_id, billing_period, CAST(to_json(keys) AS VARCHAR), export, cost, currency, same_file, \
             unchanged OR ({export} <> '' AND export = {export}), \
             NOT same_file AND bool_or(same_file) OVER (PARTITION BY payer_account_id, billing_period), other_provider \
             FROM loads ORDER BY ALL",
            source = quoted(load.data_source),
            export = quoted(load.export),
        );
        let mut candidates = self.rows(&sql, DOING, |row| {
            let keys: String = row.get(3)?;
            Ok(Candidate {
                id: row.get(0)?,
                scope: (row.get(1)?, row.get(2)?),
                certain: row.get(8)?,
                shares_accounts: false,
                former: FormerLoad {
                    keys: serde_json::from_str(&keys).unwrap_or_default(),
                    export: row.get(4)?,
                    billing_period: row.get(2)?,
                    cost: row.get(5)?,
                    currency: row.get(6)?,
                    same_file: row.get(7)?,
                    stood_beside: row.get(9)?,
                    other_provider: row.get(10)?,
                    overlap: Overlap::default(),
                    brings: Surplus::default(),
                    lacks: Surplus::default(),
                },
            })
        })?;
        if candidates.iter().any(|candidate| !candidate.certain) {
            let ids: Vec<String> = candidates.iter().map(|candidate| candidate.id.to_string()).collect();
            let sharing: BTreeSet<(i64, PayerMonth)> = self
                .rows(
                    &format!(
                        "SELECT DISTINCT ingestion_id, payer_account_id, billing_period FROM \
                         (SELECT DISTINCT ingestion_id, {SCOPE}, usage_account_id FROM cost_line_items WHERE ingestion_id IN ({})) \
                         SEMI JOIN loaded USING ({SCOPE}, usage_account_id)",
                        ids.join(", ")
                    ),
                    DOING,
                    |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))),
                )?
                .into_iter()
                .collect();
            for candidate in &mut candidates {
                candidate.shares_accounts = sharing.contains(&(candidate.id, candidate.scope.clone()));
            }
        }
        Ok(candidates)
    }

    /// Deletes the new lines of a month that is stored already.
    fn drop_scope(
        &self,
        id: i64,
        scope: &PayerMonth,
        former: &FormerLoad,
        load: &Load,
        loaded: &mut Loaded,
    ) -> Result<u64> {
        let new = format!("ingestion_id = {id} AND {}", of(scope, load));
        let rows: Vec<(String, u64)> = self.rows(
            &format!("SELECT source_file, count(*)::UBIGINT FROM cost_line_items WHERE {new} GROUP BY 1 ORDER BY 1"),
            DOING,
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        self.run(&format!("DELETE FROM cost_line_items WHERE {new}"), "cannot leave out what is stored already")?;
        let what = if former.overlap.right_in_left { Repeated::Same } else { Repeated::Contained };
        let counted_in = former.keys.join(", ");
        loaded.counted_once.extend(rows.iter().map(|(key, rows)| CountedOnce {
            key: key.clone(),
            counted_in: counted_in.clone(),
            billing_period: scope.1,
            rows: *rows,
            what,
        }));
        Ok(rows.iter().map(|(_, rows)| rows).sum())
    }
}

fn of((payer, period): &PayerMonth, load: &Load) -> String {
    format!(
        "data_source = {} AND payer_account_id = {} AND billing_period = DATE '{period}'",
        quoted(load.data_source),
        quoted(payer)
    )
}
