//! What is done when a value of a file is not as usual bills have it: the file is asked how it is written, and read
//! again in that way, or refused with row, column and value. Usual bills never come here.

use chrono::NaiveDate;

use super::source_file;
use crate::{
    error::{Error, Result},
    sources::{Bill, dates},
    store::{
        Store,
        delivery::{PayerMonth, SourceFile},
    },
};

/// The days that a bill may have.
pub(super) fn days(today: NaiveDate) -> (NaiveDate, NaiveDate) {
    (dates::FIRST_DAY, dates::last_day(today))
}

/// What a file is the money of. Of one that breaks off, the first rows tell where it belongs; its load then says
/// what is wrong.
pub(super) fn scopes(store: &Store, bill: &mut Bill, today: NaiveDate) -> Result<Vec<PayerMonth>> {
    // The charges of a row are of its payer and month.
    let read = |bill: &Bill, first_rows: bool| {
        let rows = SourceFile { from: bill.rows_from().to_owned(), ..source_file(bill) };
        store.scopes(&rows, first_rows, days(today))
    };
    let all = match read(bill, false) {
        Err(error) if error.is_of_a_value() => {
            settle(store, std::slice::from_mut(bill), today, error)?;
            read(bill, false)
        }
        all => all,
    };
    all.or_else(|error| if error.is_of_a_value() { Err(error) } else { read(bill, true) })
}

/// Finds out how the dates and numbers of a unit are written, after a load failed with `error`.
///
/// # Errors
/// When that does not help: what is wrong with a value, else `error`.
pub(super) fn settle(store: &Store, bills: &mut [Bill], today: NaiveDate, error: Error) -> Result<()> {
    let mut settled = false;
    for bill in bills.iter_mut() {
        let key = bill.key.clone();
        settled |=
            bill.settle_forms(today, &|sql| store.ask(sql)).map_err(|e| e.context(format!("cannot read `{key}`")))?;
    }
    if settled { Ok(()) } else { Err(error) }
}

#[cfg(test)]
mod tests;
