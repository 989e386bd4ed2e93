//! Costs that other programs hand in one by one, as a bill: a month of them is replaced whole, in the transaction that keeps them.

use std::{collections::BTreeMap, fs};

use chrono::{Months, NaiveDate};
use sha2::{Digest, Sha256};

use super::{Done, Outcome, Request, Unit, load};
use crate::{
    error::{Error, Result},
    model::{first_of_month, source::RECORDS},
    sources::{self, Opened},
    store::{
        Store,
        records::{Record, Wanted},
    },
};

/// Keeps new records and counts them, month by month.
///
/// # Errors
/// When they cannot be written; months before the one at fault are kept.
pub(crate) fn hand_in(store: &mut Store, new: &[Record], today: NaiveDate) -> Result<()> {
    let mut months: BTreeMap<NaiveDate, Vec<Record>> = BTreeMap::new();
    for record in new {
        months.entry(first_of_month(record.timestamp.date_naive())).or_default().push(record.clone());
    }
    let folder = store.scratch()?;
    for (month, new) in months {
        let last = month + Months::new(1) - chrono::Days::new(1);
        let mut all = store.records(&Wanted { days: Some((month, last)), ..Wanted::default() })?;
        all.extend(new.iter().cloned());
        let mut unit = unit(store, month, &all, folder.path())?;
        let request = Request { full_refresh: true, today, records: new, ..Request::default() };
        load(store, &mut unit, &request, &Done::default(), &mut Outcome::default())
            .map_err(|e| e.context(format!("cannot count the records of {}", month.format("%Y-%m"))))?;
    }
    Ok(())
}

/// Records of a month as a plain table, and that as what is loaded.
fn unit(store: &Store, month: NaiveDate, records: &[Record], folder: &std::path::Path) -> Result<Unit> {
    let broken = |e: csv::Error| Error::bug("records are no table").caused_by(e);
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["date", "cost", "currency", "service", "region", "account", "resource"]).map_err(broken)?;
    for record in records {
        let (date, cost, id) =
            (record.timestamp.date_naive().to_string(), format!("{:?}", record.cost), format!("record-{}", record.id));
        writer
            .write_record([&date, &cost, "USD", &record.service, &record.region, &record.account_id, &id])
            .map_err(broken)?;
    }
    let text = writer.into_inner().map_err(|e| Error::bug("records are no table").cause(e))?;
    let path = folder.join(format!("records-{}.csv", month.format("%Y-%m")));
    fs::write(&path, &text).map_err(|e| Error::input(format!("cannot write `{}`", path.display())).caused_by(e))?;
    let digest: String = Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect();
    let options = sources::Options {
        format: Some(sources::Format::Csv),
        data_source: Some(RECORDS),
        ..sources::Options::default()
    };
    let mut bill = match sources::open_bill(&path, options, folder, &|sql| store.ask(sql))? {
        Opened::Bill(bill) => *bill,
        Opened::NotABill(error) => return Err(error),
    };
    bill.key = format!("{RECORDS}://{}", month.format("%Y-%m"));
    bill.etag.clone_from(&digest);
    Ok(Unit {
        label: format!("{} of {RECORDS}", month.format("%Y-%m")),
        data_source: RECORDS.to_owned(),
        export: RECORDS.to_owned(),
        assembly_id: digest,
        period: Some(month),
        rows: Some(records.len() as u64),
        bills: vec![bill],
    })
}
