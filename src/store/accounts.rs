//! Accounts and their names.

use std::collections::BTreeMap;

use super::{Store, quoted};
use crate::{
    error::Result,
    model::{Account, source},
};

/// Where a name of an account comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NameSource {
    Organizations,
    CostExplorer,
}

impl NameSource {
    fn as_str(self) -> &'static str {
        match self {
            NameSource::Organizations => "organizations",
            NameSource::CostExplorer => source::COST_EXPLORER,
        }
    }
}

/// How much a name of a source is worth, as SQL: Organizations know best, a bill may be old.
pub(super) fn name_rank(source: &str) -> String {
    format!("CASE {source} WHEN 'organizations' THEN 3 WHEN 'cost-explorer' THEN 2 ELSE 1 END")
}

impl Store {
    /// Account names by id.
    pub(super) fn account_names(&self) -> Result<BTreeMap<String, String>> {
        let read = || -> Result<BTreeMap<String, String>> {
            let names = self.rows("SELECT id, name FROM accounts", "cannot read the account names", |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
            })?;
            Ok(names.into_iter().collect())
        };
        let stored = self.once(|known| &known.account_names, read)?;
        Ok(stored.into_iter().chain(self.own_names.clone()).collect())
    }

    /// Every account that has costs or a name.
    pub(super) fn accounts(&self) -> Result<Vec<Account>> {
        let sql = "SELECT id, any_value(name), any_value(source), max(last_day) FROM (\
                   SELECT id, name, source, NULL::DATE AS last_day FROM accounts UNION ALL BY NAME \
                   SELECT usage_account_id AS id, max(usage_date) AS last_day FROM daily_cost_summary GROUP BY 1) \
                   WHERE id <> '' GROUP BY id ORDER BY id";
        let mut accounts = self.rows(sql, "cannot read the account names", |row| {
            Ok(Account { id: row.get(0)?, name: row.get(1)?, source: row.get(2)?, last_day: row.get(3)? })
        })?;
        for account in &mut accounts {
            if let Some(own) = self.own_names.get(&account.id) {
                account.name = Some(own.clone());
                account.source = Some("configuration".into());
            }
        }
        Ok(accounts)
    }

    /// The ids of the accounts of a name.
    pub(super) fn accounts_named(&self, name: &str) -> Result<Vec<String>> {
        Ok(self.account_names()?.into_iter().filter(|(_, known)| known == name).map(|(id, _)| id).collect())
    }

    /// Keeps names of accounts, unless a better source has named them.
    pub(crate) fn set_account_names(&self, names: &[(String, String)], source: NameSource) -> Result<()> {
        if names.is_empty() {
            return Ok(());
        }
        let rows = names.iter().map(|(id, name)| format!("({}, {})", quoted(id), quoted(name)));
        let rows = rows.collect::<Vec<_>>().join(", ");
        self.run(
            &insert_names(&format!("SELECT id, name, '{}' FROM (VALUES {rows}) n(id, name)", source.as_str())),
            "cannot write the account names",
        )
    }
}

/// The statement that keeps the names of `select` (id, name, source) but where a better source has named them.
pub(super) fn insert_names(select: &str) -> String {
    format!(
        "INSERT INTO accounts BY NAME SELECT * FROM ({select}) s(id, name, source) ON CONFLICT (id) DO UPDATE \
         SET name = excluded.name, source = excluded.source WHERE {} >= {}",
        name_rank("excluded.source"),
        name_rank("accounts.source")
    )
}
