//! Costs of vendors of models, fetched over their APIs: a month at a time, each replaced whole or not at all.

use std::{fs, io::Write};

use chrono::{Days, Months, NaiveDate};
use sha2::{Digest, Sha256};

use super::{Done, Outcome, Request, Unit, Watcher, load_watched};
use crate::{
    error::{Code, Error, Result},
    model::first_of_month,
    sources::{
        self, Opened,
        model_vendors::{Api, Row, Vendor},
    },
    store::Store,
};

/// Which months of a vendor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// The first day; its whole month is fetched.
    pub from: NaiveDate,
    /// Fetches also months that are over and stored.
    pub full_refresh: bool,
    pub today: NaiveDate,
}

/// Fetches and loads the months that are not there yet, and those that may still change: this one and the one before.
///
/// # Errors
/// When the key cannot be read. What is wrong with one month goes to [`Outcome::failures`].
pub(crate) fn ingest(
    store: &mut Store,
    api: &Api,
    vendor: Vendor,
    wanted: Wanted,
    watcher: &dyn Watcher,
) -> Result<Outcome> {
    let folder = store.scratch()?;
    let this_month = first_of_month(wanted.today);
    let first = first_of_month(wanted.from).min(this_month);
    let months: Vec<NaiveDate> =
        (0..).map(|count| first + Months::new(count)).take_while(|month| *month <= this_month).collect();
    let mut outcome = Outcome::default();
    let mut done = Done::default();
    watcher.planned(months.len(), 0);
    let request = Request { full_refresh: wanted.full_refresh, today: wanted.today, ..Request::default() };
    for month in months {
        let label = format!("{} of {}", month.format("%Y-%m"), vendor.name());
        let key = format!("{}://{}", vendor.name(), month.format("%Y-%m"));
        let may_change = month + Months::new(1) >= this_month;
        if !may_change && !wanted.full_refresh && store.has_rows_of(&key)? {
            outcome.unchanged.push(super::Unchanged { label, files: 1 });
            continue;
        }
        let fetched = api.month(month, wanted.today).and_then(|rows| {
            if rows.is_empty() {
                return Ok(None);
            }
            watcher.fetched(&format!("{label}: {} rows", rows.len()));
            unit(store, vendor, month, &label, &key, &rows, folder.path()).map(Some)
        });
        match fetched {
            Ok(Some(mut unit)) => {
                if !load_watched(store, &mut unit, &request, &mut done, watcher, &mut outcome) {
                    break;
                }
            }
            // A month without calls costs nothing, unless it did before.
            Ok(None) if store.has_rows_of(&key)? => outcome.failures.push(
                Error::remote(format!("{} has no costs of {} any more", vendor.name(), month.format("%Y-%m")))
                    .cause("what is stored of it stays")
                    .hint("ask the vendor; a key of another organization has other costs"),
            ),
            Ok(None) => outcome.notes.push(format!("{} has no costs of {}", vendor.name(), month.format("%Y-%m"))),
            Err(error) => {
                let is_of_key = error.code() != Code::RemoteFailed;
                outcome.failures.push(error.context(format!("cannot fetch {label}")));
                // The next month would be refused in the same words.
                if is_of_key {
                    break;
                }
            }
        }
    }
    Ok(outcome)
}

/// The first day to ask for where nothing says it.
pub(crate) fn lookback(today: NaiveDate, days: u32) -> NaiveDate {
    today - Days::new(u64::from(days))
}

/// Rows as a file on lines of their own, and the file as what is loaded.
fn unit(
    store: &Store,
    vendor: Vendor,
    month: NaiveDate,
    label: &str,
    key: &str,
    rows: &[Row],
    folder: &std::path::Path,
) -> Result<Unit> {
    let mut text = Vec::new();
    for row in rows {
        serde_json::to_writer(&mut text, row).map_err(|e| Error::bug("a row is no JSON").caused_by(e))?;
        text.push(b'\n');
    }
    let path = folder.join(format!("{}-{}.jsonl", vendor.name(), month.format("%Y-%m")));
    let written = fs::File::create(&path).and_then(|mut file| file.write_all(&text));
    written.map_err(|e| Error::input(format!("cannot write `{}`", path.display())).caused_by(e))?;
    let digest: String = Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect();
    let options = sources::Options { format: Some(vendor.format()), ..sources::Options::default() };
    let mut bill = match sources::open_bill(&path, options, folder, &|sql| store.ask(sql))? {
        Opened::Bill(bill) => *bill,
        Opened::NotABill(error) => return Err(error),
    };
    key.clone_into(&mut bill.key);
    bill.etag.clone_from(&digest);
    Ok(Unit {
        label: label.to_owned(),
        data_source: vendor.name().to_owned(),
        export: vendor.name().to_owned(),
        assembly_id: digest,
        period: Some(month),
        rows: Some(rows.len() as u64),
        bills: vec![bill],
    })
}
