//! The rates at which costs are converted, of a file that the configuration names.

use std::{collections::BTreeMap, path::Path};

use chrono::NaiveDate;
use csv::{ReaderBuilder, StringRecord, Trim};

use crate::{
    error::{Error, Result},
    store::currency::{Rates, Settings, is_code},
};

/// The columns of the file, in any order and case.
const COLUMNS: [&str; 3] = ["date", "currency", "rate"];

/// The rates of `settings`; nothing where costs are shown as they were billed.
///
/// # Errors
/// When the file cannot be read or one of its rows is no rate; it is named.
pub(crate) fn rates(settings: &Settings) -> Result<Option<Rates>> {
    let target = settings.target.clone();
    if target.is_empty() {
        return Ok(None);
    }
    let path = &settings.rates;
    let given = if path.as_os_str().is_empty() {
        BTreeMap::new()
    } else {
        read(path, &target).map_err(|e| {
            e.context(format!("cannot read the rates `{}`", path.display()))
                .hint("`currency.rates` is a CSV of `date,currency,rate`; docs/CONFIG.md shows one")
        })?
    };
    Ok(Some(Rates { target, given }))
}

fn read(path: &Path, target: &str) -> Result<BTreeMap<String, BTreeMap<NaiveDate, f64>>> {
    let unread = |e: csv::Error| Error::input("it cannot be read as CSV").caused_by(e);
    let mut reader = ReaderBuilder::new().trim(Trim::All).from_path(path).map_err(unread)?;
    let header: Vec<String> = reader.headers().map_err(unread)?.iter().map(str::to_lowercase).collect();
    let mut places = [0; COLUMNS.len()];
    for (place, column) in places.iter_mut().zip(COLUMNS) {
        *place = header.iter().position(|name| name == column).ok_or_else(|| {
            Error::input(format!("the column `{column}` is missing"))
                .cause(format!("its columns are {}", header.join(", ")))
        })?;
    }
    let mut given: BTreeMap<String, BTreeMap<NaiveDate, f64>> = BTreeMap::new();
    for record in reader.records() {
        let record = record.map_err(unread)?;
        let line = record.position().map_or(0, |position| position.line());
        let (day, currency, rate) =
            row(&record, places).map_err(|cause| Error::input(format!("line {line}: {cause}")))?;
        if currency == target && rate != 1.0 {
            return Err(Error::input(format!("line {line}: {target} is what is converted to: its rate is 1")));
        }
        if given.entry(currency.clone()).or_default().insert(day, rate).is_some() {
            return Err(Error::input(format!("line {line}: {currency} has two rates of {day}")));
        }
    }
    given.remove(target);
    Ok(given)
}

/// # Errors
/// When it is no rate of a day.
fn row(record: &StringRecord, places: [usize; COLUMNS.len()]) -> Result<(NaiveDate, String, f64), String> {
    let [day, currency, rate] = places.map(|place| record.get(place).unwrap_or_default());
    let day = day.parse().map_err(|_| format!("`{day}` is no day such as 2026-06-01"))?;
    let code = currency.to_uppercase();
    if !is_code(&code) {
        return Err(format!("`{currency}` is no currency such as EUR"));
    }
    let number: Option<f64> = rate.parse().ok().filter(|rate: &f64| rate.is_finite() && *rate > 0.0);
    let number = number.ok_or_else(|| format!("`{rate}` is no rate: a number above 0 such as 1.0834"))?;
    Ok((day, code, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(text: &str) -> Result<Option<Rates>> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("rates.csv");
        std::fs::write(&path, text).expect("written");
        rates(&Settings { target: "USD".into(), rates: path })
    }

    #[test]
    fn rates_are_read_whatever_the_order_of_their_columns() {
        let read =
            given("\u{feff}Rate , Currency,date\r\n1.08,eur,2026-06-01\r\n1,USD,2026-06-01\r\n1.1,EUR,2026-05-01\r\n");
        let read = read.expect("valid").expect("rates");
        let day = |text: &str| text.parse::<NaiveDate>().expect("a day");
        let eur = BTreeMap::from([(day("2026-05-01"), 1.1), (day("2026-06-01"), 1.08)]);
        assert_eq!(read, Rates { target: "USD".into(), given: BTreeMap::from([("EUR".into(), eur)]) });
    }

    #[test]
    fn what_is_no_rate_is_named_with_its_line() {
        let cases = [
            ("day,currency,rate\n", "the column `date` is missing"),
            ("date,currency,rate\n2026-06-01,EUR,1.08\n01/07/2026,EUR,1.08\n", "line 3: `01/07/2026` is no day"),
            ("date,currency,rate\n2026-06-01,Euro,1.08\n", "line 2: `Euro` is no currency"),
            ("date,currency,rate\n2026-06-01,EUR,\"1,08\"\n", "line 2: `1,08` is no rate"),
            ("date,currency,rate\n2026-06-01,EUR,0\n", "line 2: `0` is no rate"),
            ("date,currency,rate\n2026-06-01,EUR,NaN\n", "line 2: `NaN` is no rate"),
            ("date,currency,rate\n2026-06-01,EUR,1\n2026-06-01,eur,2\n", "line 3: EUR has two rates of 2026-06-01"),
            ("date,currency,rate\n2026-06-01,USD,2\n", "line 2: USD is what is converted to"),
            ("date,currency,rate\n2026-06-01,EUR\n", "found record with 2 fields"),
        ];
        for (text, expected) in cases {
            let error = given(text).expect_err(text).summary();
            assert!(error.contains(expected) && error.contains("rates.csv"), "{expected}: {error}");
        }
    }
}
