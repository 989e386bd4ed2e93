//! What people said of incidents; the newest row of each counts.

use super::{Store, ledger::word, outbox::day, quoted};
use crate::{error::Result, model::Triaged};

impl Store {
    /// What was said, the oldest first; of one incident, or of all.
    pub(crate) fn triage(&self, id: Option<&str>) -> Result<Vec<Triaged>> {
        let condition = id.map_or_else(|| "true".to_owned(), |id| format!("incident_id = {}", quoted(id)));
        let sql = format!(
            "SELECT incident_id, state, until, reason, triaged_by, triaged_at, impact, last_date FROM triage \
             WHERE {condition} ORDER BY triaged_at, rowid"
        );
        self.rows(&sql, "cannot read what was said of incidents", |row| {
            Ok(Triaged {
                incident_id: row.get(0)?,
                state: word(row, 1)?,
                until: row.get(2)?,
                reason: row.get(3)?,
                triaged_by: row.get(4)?,
                triaged_at: row.get(5)?,
                impact: row.get(6)?,
                last_date: row.get(7)?,
            })
        })
    }

    /// Keeps what was said, all or none.
    ///
    /// # Errors
    /// When the database cannot be written; it then is as it was.
    pub(crate) fn save_triage(&mut self, triaged: &[Triaged]) -> Result<()> {
        let rows = triaged.iter().map(|one| {
            format!(
                "({}, TIMESTAMP '{}', {}, {}, {}, {}, {:?}, DATE '{}')",
                quoted(&one.incident_id),
                one.triaged_at,
                quoted(one.state.name()),
                day(one.until),
                quoted(&one.reason),
                quoted(&one.triaged_by),
                one.impact,
                one.last_date
            )
        });
        let rows: Vec<String> = rows.collect();
        if rows.is_empty() {
            return Ok(());
        }
        self.run(&format!("INSERT INTO triage VALUES {}", rows.join(", ")), "cannot keep what is said of incidents")
    }
}
