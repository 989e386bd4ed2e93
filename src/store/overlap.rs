//! Whether two deliveries hold the same money, told by their content: days and accounts first, then lines.
//!
//! People hand over a bill twice (`bill.csv` and `bill (1).csv`, CSV beside parquet, a month to date beside the month)
//! and in parts (by day, by account, by line). Nothing but the lines tells these cases apart: AWS's line item ids are
//! stable neither within a report nor between two versions of it. A line is known again by everything that it is
//! about; its costs are what a restated bill changes.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use super::{
    Store,
    delivery::{CountedOnce, PayerMonth, SCOPE},
    quoted,
};
use crate::{
    error::{Error, Result},
    model::source::Repeated,
};

/// What a line is about, without its costs. Random halves of a real CUR share one in a hundred of these.
const LINE: &str = "hash(usage_start, usage_account_id, product_code, region, usage_type, operation, resource_id, \
                    line_item_type, description, list_sort(map_values(tags)))";

/// Costs below this are the same, in the currency of the bill.
const CENT_OF_A_CENT: f64 = 0.0001;

/// So many different sums are not the same by chance.
const TELLING_SUMS: u64 = 3;

const DOING: &str = "cannot compare the new lines with each other and with those stored";

/// Two sets of lines of one payer's month, side by side. A cell is a day of an account.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Overlap {
    /// Cells that both have.
    shared_cells: u64,
    /// Of these, with a cost, those that cost the same in both, and how many different sums that are.
    equal_cells: u64,
    equal_sums: u64,
    shared_cells_with_cost: u64,
    /// Different lines of the first and the second in the cells that both have, and those that are in both.
    lines_left: u64,
    lines_right: u64,
    lines_both: u64,
    /// Whether each line of the first is in the second, at the same costs; and the other way round.
    pub left_in_right: bool,
    pub right_in_left: bool,
    /// Cells with costs that only one of the two has.
    pub only_left: u64,
    pub only_right: u64,
}

impl Overlap {
    /// Whether the days that both have are the same money: half of their lines are the same, or half of their cells
    /// have the same sums (in another detail).
    pub(crate) fn is_same_money(&self) -> bool {
        let lines = self.lines_both > 0 && 2 * self.lines_both >= self.lines_left.min(self.lines_right);
        lines || self.has_same_sums()
    }

    /// Parts may cost the same by chance, at a fixed price a day: then they have as many lines.
    fn has_same_sums(&self) -> bool {
        let (fewer, more) = (self.lines_left.min(self.lines_right), self.lines_left.max(self.lines_right));
        let telling = self.equal_sums >= TELLING_SUMS || more >= 2 * fewer;
        telling && self.equal_cells > 0 && 2 * self.equal_cells >= self.shared_cells_with_cost
    }

    /// Whether the left side has the lines of the right one, as far as both have the days; a restated bill drops some.
    pub(crate) fn left_has_lines_of_right(&self) -> bool {
        self.has_same_sums() || 2 * self.lines_both >= self.lines_right
    }

    fn right_has_lines_of_left(&self) -> bool {
        self.has_same_sums() || 2 * self.lines_both >= self.lines_left
    }
}

/// The days and accounts with costs that one side has and the other lacks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Surplus {
    pub days: Vec<NaiveDate>,
    pub accounts: Vec<String>,
}

/// How parts of one load are named while they are compared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Parts {
    Folders,
    Files,
}

impl Parts {
    fn column(self) -> &'static str {
        match self {
            Parts::Folders => "folder",
            Parts::Files => "source_file",
        }
    }
}

impl Store {
    /// Counts each line of the files of one load once: deletes what other files of the load hold, too.
    ///
    /// # Errors
    /// When two files hold the same days and nothing says which is the newer, unless `add` wants both counted.
    pub(super) fn count_once(&self, id: i64, add: bool) -> Result<Vec<CountedOnce>> {
        let shared: bool = self.one(&format!(
            "SELECT count(*) > 0 FROM (SELECT 1 FROM loaded GROUP BY {SCOPE}, usage_date, usage_account_id \
             HAVING count(DISTINCT source_file) > 1)"
        ))?;
        if !shared {
            return Ok(Vec::new());
        }
        self.run(
            &format!(
                "CREATE OR REPLACE TEMP TABLE side AS SELECT source_file, regexp_replace(source_file, '[/\\\\][^/\\\\]*$', '') AS folder, \
                 {SCOPE}, usage_date, usage_account_id, {LINE} AS line, count(*) AS n, sum(unblended_cost) AS unblended, \
                 sum(net_amortized_cost) AS amortized FROM cost_line_items WHERE ingestion_id = {id} GROUP BY ALL"
            ),
            DOING,
        )?;
        let mut dropped = Vec::new();
        for parts in [Parts::Folders, Parts::Files] {
            for (scope, repeating) in self.repeating(parts)? {
                dropped.extend(self.drop_repeated(&scope, &repeating, parts, add)?);
            }
        }
        if dropped.is_empty() {
            return Ok(dropped);
        }
        self.run(
            &format!(
                "DELETE FROM cost_line_items WHERE ingestion_id = {id} AND (source_file, {SCOPE}) NOT IN \
                 (SELECT DISTINCT (source_file, {SCOPE}) FROM side)"
            ),
            DOING,
        )?;
        Ok(dropped)
    }

    /// The parts of each month of which half of the lines, or of the sums by day and account, are those of other parts.
    fn repeating(&self, parts: Parts) -> Result<BTreeMap<PayerMonth, BTreeSet<String>>> {
        let part = parts.column();
        let sql = format!(
            "WITH cells AS (SELECT {SCOPE}, usage_date, usage_account_id, {part}, count(*) AS lines, round(sum(unblended), 4) AS cost \
             FROM side GROUP BY ALL), \
             shared AS (SELECT {SCOPE}, usage_date, usage_account_id FROM cells GROUP BY ALL HAVING count(*) > 1), \
             alike AS (SELECT {SCOPE}, usage_date, usage_account_id, cost, count(*) AS parts, max(lines) >= 2 * min(lines) AS finer \
             FROM cells WHERE cost <> 0 GROUP BY ALL), \
             sums AS (SELECT {part}, {SCOPE}, count(*) AS n, count(*) FILTER (parts > 1) AS m, \
             count(DISTINCT cost) FILTER (parts > 1) >= {TELLING_SUMS} OR bool_or(finer AND parts > 1) AS telling \
             FROM cells SEMI JOIN shared USING ({SCOPE}, usage_date, usage_account_id) \
             JOIN alike USING ({SCOPE}, usage_date, usage_account_id, cost) GROUP BY ALL), \
             lines AS (SELECT {SCOPE}, line, count(DISTINCT {part}) AS parts FROM side GROUP BY ALL), \
             repeated AS (SELECT {part}, {SCOPE}, count(DISTINCT line) AS n, count(DISTINCT line) FILTER (parts > 1) AS m, true AS telling \
             FROM side SEMI JOIN shared USING ({SCOPE}, usage_date, usage_account_id) JOIN lines USING ({SCOPE}, line) GROUP BY ALL) \
             SELECT DISTINCT payer_account_id, billing_period, {part} FROM (FROM sums UNION ALL FROM repeated) \
             WHERE telling AND 2 * m >= n AND m > 0"
        );
        let mut repeating: BTreeMap<PayerMonth, BTreeSet<String>> = BTreeMap::new();
        for (scope, part) in self.rows(&sql, DOING, |row| Ok(((row.get(0)?, row.get(1)?), row.get::<_, String>(2)?)))? {
            repeating.entry(scope).or_default().insert(part);
        }
        Ok(repeating)
    }

    /// Drops from `side` the parts of a month whose money is in another part.
    fn drop_repeated(
        &self,
        scope: &PayerMonth,
        repeating: &BTreeSet<String>,
        parts: Parts,
        add: bool,
    ) -> Result<Vec<CountedOnce>> {
        let part = parts.column();
        let of_scope = condition(scope);
        // Whoever reaches furthest is the newest.
        let names: Vec<(String, u64)> = self.rows(
            &format!(
                "SELECT {part}, sum(n)::UBIGINT FROM side WHERE {of_scope} GROUP BY 1 \
                 ORDER BY count(DISTINCT (usage_date, usage_account_id)) DESC, 2 DESC, length({part}), 1"
            ),
            DOING,
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let mut kept: Vec<&str> = Vec::new();
        let mut dropped = Vec::new();
        for (name, rows) in &names {
            let own = |name: &str| format!("{of_scope} AND {part} = {}", quoted(name));
            let mut within = None;
            for other in kept.iter().filter(|other| repeating.contains(name) || repeating.contains(**other)) {
                let overlap = self.overlap(&own(name), &own(other))?;
                let what = if overlap.left_in_right && overlap.right_in_left {
                    Repeated::Same
                } else if overlap.left_in_right {
                    Repeated::Contained
                } else if !overlap.is_same_money() || add {
                    continue;
                } else if overlap.only_left == 0 && overlap.only_right > 0 && overlap.right_has_lines_of_left() {
                    Repeated::Earlier
                } else {
                    return Err(undecidable(name, other, scope, &overlap));
                };
                within = Some((*other, what));
                break;
            }
            let Some((counted_in, what)) = within else {
                kept.push(name);
                continue;
            };
            self.run(&format!("DELETE FROM side WHERE {}", own(name)), DOING)?;
            dropped.push(CountedOnce {
                key: name.clone(),
                counted_in: counted_in.to_owned(),
                billing_period: scope.1,
                rows: *rows,
                what,
            });
        }
        Ok(dropped)
    }

    /// Puts the lines of a new load of the scopes that `others` are of beside them, for [`Store::beside_former`].
    pub(super) fn lay_side_by_side(&self, id: i64, others: &BTreeMap<i64, BTreeSet<PayerMonth>>) -> Result<()> {
        let ids: Vec<String> = others.keys().chain([&id]).map(ToString::to_string).collect();
        let scopes: BTreeSet<String> =
            others.values().flatten().map(|scope| format!("({})", condition(scope))).collect();
        let scopes: Vec<String> = scopes.into_iter().collect();
        self.run(
            &format!(
                "CREATE OR REPLACE TEMP TABLE side AS SELECT ingestion_id, {SCOPE}, usage_date, usage_account_id, \
                 {LINE} AS line, count(*) AS n, sum(unblended_cost) AS unblended, sum(net_amortized_cost) AS amortized \
                 FROM cost_line_items WHERE ingestion_id IN ({}) AND data_source IN (SELECT data_source FROM loaded) AND ({}) GROUP BY ALL",
                ids.join(", "),
                scopes.join(" OR ")
            ),
            DOING,
        )
    }

    /// How the new load `id` and the former one are related in a month; the new one is the left side.
    pub(super) fn beside_former(
        &self,
        id: i64,
        former: i64,
        scope: &PayerMonth,
    ) -> Result<(Overlap, Surplus, Surplus)> {
        let own = |id: i64| format!("{} AND ingestion_id = {id}", condition(scope));
        let overlap = self.overlap(&own(id), &own(former))?;
        let (ours, theirs) = (self.surplus(&own(id), &own(former))?, self.surplus(&own(former), &own(id))?);
        Ok((overlap, ours, theirs))
    }

    fn overlap(&self, left: &str, right: &str) -> Result<Overlap> {
        let same = |a: &str, b: &str| {
            format!(
                "abs({a}.unblended - {b}.unblended) < {CENT_OF_A_CENT} AND abs({a}.amortized - {b}.amortized) < {CENT_OF_A_CENT}"
            )
        };
        let with_cost = |side: &str| format!("abs({side}.unblended) + abs({side}.amortized) >= {CENT_OF_A_CENT}");
        let sql = format!(
            "WITH l AS (SELECT usage_date, usage_account_id, line, sum(n) AS n, sum(unblended) AS unblended, sum(amortized) AS amortized \
             FROM side WHERE {left} GROUP BY ALL), \
             r AS (SELECT usage_date, usage_account_id, line, sum(n) AS n, sum(unblended) AS unblended, sum(amortized) AS amortized \
             FROM side WHERE {right} GROUP BY ALL), \
             cl AS (SELECT usage_date, usage_account_id, sum(unblended) AS unblended, sum(amortized) AS amortized FROM l GROUP BY ALL), \
             cr AS (SELECT usage_date, usage_account_id, sum(unblended) AS unblended, sum(amortized) AS amortized FROM r GROUP BY ALL), \
             shared AS (SELECT cl.usage_date, cl.usage_account_id, cl.unblended AS cost, {cells_same} AS alike, {cl_cost} OR {cr_cost} AS costs \
             FROM cl JOIN cr USING (usage_date, usage_account_id)) \
             SELECT (SELECT count(*) FROM shared), (SELECT count(*) FROM shared WHERE alike AND costs), (SELECT count(DISTINCT round(cost, 4)) FROM shared WHERE alike AND costs), \
             (SELECT count(*) FROM shared WHERE costs), \
             (SELECT count(*) FROM l SEMI JOIN shared USING (usage_date, usage_account_id)), \
             (SELECT count(*) FROM r SEMI JOIN shared USING (usage_date, usage_account_id)), \
             (SELECT count(*) FROM l SEMI JOIN r USING (usage_date, usage_account_id, line)), \
             (SELECT count(*) FROM l) = (SELECT count(*) FROM l JOIN r USING (usage_date, usage_account_id, line) WHERE l.n = r.n AND {lines_same}), \
             (SELECT count(*) FROM r) = (SELECT count(*) FROM l JOIN r USING (usage_date, usage_account_id, line) WHERE l.n = r.n AND {lines_same}), \
             (SELECT count(*) FROM cl ANTI JOIN cr USING (usage_date, usage_account_id) WHERE {cl_cost}), \
             (SELECT count(*) FROM cr ANTI JOIN cl USING (usage_date, usage_account_id) WHERE {cr_cost})",
            cells_same = same("cl", "cr"),
            lines_same = same("l", "r"),
            cl_cost = with_cost("cl"),
            cr_cost = with_cost("cr"),
        );
        self.connection
            .query_row(&sql, [], |row| {
                Ok(Overlap {
                    shared_cells: row.get(0)?,
                    equal_cells: row.get(1)?,
                    equal_sums: row.get(2)?,
                    shared_cells_with_cost: row.get(3)?,
                    lines_left: row.get(4)?,
                    lines_right: row.get(5)?,
                    lines_both: row.get(6)?,
                    left_in_right: row.get(7)?,
                    right_in_left: row.get(8)?,
                    only_left: row.get(9)?,
                    only_right: row.get(10)?,
                })
            })
            .map_err(|e| self.error(DOING, &e))
    }

    /// Days and accounts that `one` has costs on and `other` lacks altogether.
    fn surplus(&self, one: &str, other: &str) -> Result<Surplus> {
        let lacking = |column: &str| {
            format!(
                "SELECT {column} FROM side WHERE {one} GROUP BY 1 HAVING sum(abs(unblended) + abs(amortized)) >= {CENT_OF_A_CENT} \
                 EXCEPT SELECT {column} FROM side WHERE {other} ORDER BY 1"
            )
        };
        Ok(Surplus {
            days: self.rows(&lacking("usage_date"), DOING, |row| row.get(0))?,
            accounts: self.rows(&lacking("usage_account_id"), DOING, |row| row.get(0))?,
        })
    }

    fn one<T: duckdb::types::FromSql>(&self, sql: &str) -> Result<T> {
        self.connection.query_row(sql, [], |row| row.get(0)).map_err(|e| self.error(DOING, &e))
    }
}

fn condition((payer, period): &PayerMonth) -> String {
    format!("payer_account_id = {} AND billing_period = DATE '{period}'", quoted(payer))
}

fn undecidable(one: &str, other: &str, (_, period): &PayerMonth, overlap: &Overlap) -> Error {
    let month = period.format("%Y-%m");
    let (one, other) = (one.min(other), one.max(other));
    let why = if overlap.only_left > 0 {
        "each also has days or accounts that the other lacks"
    } else {
        "they have the same days, and other costs or lines"
    };
    Error::input(format!("`{one}` and `{other}` hold the same lines of {month}"))
        .cause(format!("counting both would count money twice, and nothing says which is the newer: {why}"))
        .hint("name only the newer one, or cut the days out of one that the other has")
        .hint("if they are different money all the same (say, of two vendors), `--add` counts both")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overlap(lines: [u64; 3], cells: [u64; 3]) -> Overlap {
        let [lines_left, lines_right, lines_both] = lines;
        let [shared_cells_with_cost, equal_cells, equal_sums] = cells;
        Overlap {
            lines_left,
            lines_right,
            lines_both,
            shared_cells_with_cost,
            equal_cells,
            equal_sums,
            ..Overlap::default()
        }
    }

    #[test]
    fn versions_share_their_lines_and_parts_do_not() {
        assert!(overlap([100, 120, 97], [30, 12, 12]).is_same_money(), "a restated month");
        assert!(overlap([24, 1, 0], [1, 1, 1]).is_same_money(), "by hour and by day");
        assert!(overlap([30, 30, 0], [30, 29, 25]).is_same_money(), "the same sums under other names");
        assert!(!overlap([30, 30, 0], [30, 30, 1]).is_same_money(), "two machines at a fixed price");
        assert!(
            !overlap([59_092, 58_792, 588], [62, 0, 0]).is_same_money(),
            "random halves of a real CUR of October 2018"
        );
        assert!(!overlap([0, 0, 0], [0, 0, 0]).is_same_money(), "nothing in common");
    }
}
