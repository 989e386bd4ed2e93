//! Costs that other programs hand in one by one, as the Sentinel does it that they come from: kept, listed, and scored by the
//! standard deviation of their service.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, NaiveDateTime, NaiveTime, SubsecRound, Utc};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::Session;
use crate::{
    error::{Code, Error, Result},
    ingest::records::hand_in,
    store::records::{Record, Wanted},
};

/// Records that are handed in at once, and given at once.
const MOST: usize = 10_000;
/// Characters of a name.
const MOST_CHARACTERS: usize = 300;

/// A cost that is handed in.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRecord {
    pub service: String,
    pub cost: f64,
    #[serde(deserialize_with = "time")]
    pub timestamp: DateTime<Utc>,
    #[serde(default)]
    pub region: String,
    #[serde(default)]
    pub account_id: String,
    #[serde(default)]
    pub is_anomaly: bool,
}

/// A time with its zone, or in UTC without one.
fn time<'de, D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<DateTime<Utc>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let zoned = DateTime::parse_from_rfc3339(&text).map(|time| time.to_utc());
    let plain = || text.parse::<NaiveDateTime>().map(|time| time.and_utc());
    let day = || text.parse::<chrono::NaiveDate>().map(|day| day.and_time(NaiveTime::MIN).and_utc());
    zoned
        .or_else(|_| plain())
        .or_else(|_| day())
        .map_err(|_| serde::de::Error::custom("`timestamp` must be a time such as 2026-03-01T12:00:00Z"))
}

/// A record and how unusual its cost is.
#[derive(Debug, Serialize)]
pub(crate) struct Scored {
    #[serde(flatten)]
    pub record: Record,
    pub z_score: f64,
}

/// Keeps records; gives them with their ids.
///
/// # Errors
/// When one is not as it must be, which the error names, or the database cannot be written.
pub(crate) fn add(session: &Session, new: Vec<NewRecord>) -> Result<Vec<Record>> {
    if new.len() > MOST {
        return Err(
            Error::usage(format!("{} records at once are too many", new.len())).hint(format!("hand in {MOST} at most"))
        );
    }
    for (place, record) in new.iter().enumerate() {
        check(record).map_err(|e| if new.len() > 1 { e.context(format!("record {place} is not valid")) } else { e })?;
    }
    if new.is_empty() {
        return Ok(Vec::new());
    }
    let mut store = session.store_for_writing()?;
    let first = store.next_record_id()?;
    // As the database keeps times.
    let created_at = Utc::now().trunc_subsecs(6);
    let records: Vec<Record> = (first..)
        .zip(new)
        .map(|(id, new)| Record {
            id,
            service: new.service,
            cost: new.cost,
            timestamp: new.timestamp.trunc_subsecs(6),
            region: new.region,
            account_id: new.account_id,
            is_anomaly: new.is_anomaly,
            created_at,
        })
        .collect();
    hand_in(&mut store, &records, session.today())?;
    Ok(records)
}

fn check(record: &NewRecord) -> Result<()> {
    let invalid = |what: &str| Err(Error::usage(what).with_code(Code::InvalidValue));
    for (name, text) in [("service", &record.service), ("region", &record.region), ("account_id", &record.account_id)] {
        if text.chars().count() > MOST_CHARACTERS {
            return invalid(&format!("`{name}` must have {MOST_CHARACTERS} characters at most"));
        }
    }
    if record.service.trim().is_empty() {
        return invalid("`service` must not be empty");
    }
    if !record.cost.is_finite() || record.cost.abs() > 1e12 {
        return invalid("`cost` must be a number of dollars");
    }
    let year = chrono::Datelike::year(&record.timestamp);
    if !(1990..=2200).contains(&year) {
        return invalid("`timestamp` is beyond belief");
    }
    Ok(())
}

/// Records of a service and a region, `limit` at most after `skip` others.
///
/// # Errors
/// When the database cannot be read.
pub(crate) fn list(
    session: &Session,
    service: Option<&str>,
    region: Option<&str>,
    skip: u64,
    limit: u64,
) -> Result<Vec<Record>> {
    let page = Some((limit.min(MOST as u64), skip));
    let wanted = Wanted { service, region, page, ..Wanted::default() };
    session.store()?.records(&wanted)
}

/// One record.
///
/// # Errors
/// When the database cannot be read.
pub(crate) fn one(session: &Session, id: i64) -> Result<Option<Record>> {
    let found = session.store()?.records(&Wanted { id: Some(id), ..Wanted::default() });
    found.map(|mut records| records.pop())
}

/// What the records of each service cost.
///
/// # Errors
/// When the database cannot be read.
pub(crate) fn totals(session: &Session) -> Result<Vec<(String, f64)>> {
    session.store()?.record_totals()
}

/// Records whose cost is more than `threshold` sample standard deviations from the mean of their service, the furthest first.
///
/// # Errors
/// When the database cannot be read.
pub(crate) fn unusual(session: &Session, threshold: f64) -> Result<Vec<Scored>> {
    let records = session.store()?.records(&Wanted::default())?;
    Ok(scored(records, threshold))
}

fn scored(records: Vec<Record>, threshold: f64) -> Vec<Scored> {
    let mut services: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for record in &records {
        services.entry(&record.service).or_default().push(record.cost);
    }
    let spread: BTreeMap<String, (f64, f64)> = services
        .into_iter()
        .filter(|(_, costs)| costs.len() > 1)
        .map(|(service, costs)| {
            let count = costs.len() as f64;
            let mean = costs.iter().sum::<f64>() / count;
            let variance = costs.iter().map(|cost| (cost - mean).powi(2)).sum::<f64>() / (count - 1.0);
            (service.to_owned(), (mean, variance.sqrt()))
        })
        .collect();
    let score = |record: Record| {
        let (mean, deviation) = spread.get(&record.service).filter(|(_, deviation)| *deviation > 0.0)?;
        let z_score = (record.cost - mean) / deviation;
        (z_score.abs() > threshold).then_some(Scored { record, z_score })
    };
    let mut scored: Vec<Scored> = records.into_iter().filter_map(score).collect();
    scored.sort_by(|a, b| b.z_score.abs().total_cmp(&a.z_score.abs()).then(a.record.id.cmp(&b.record.id)));
    scored
}

/// Services of made-up records, with what a day of them costs.
const SEEDED: [(&str, &str, f64); 5] = [
    ("AmazonEC2", "us-east-1", 120.0),
    ("AmazonS3", "us-east-1", 35.0),
    ("AmazonRDS", "eu-west-1", 80.0),
    ("AWSLambda", "us-west-2", 12.0),
    ("AmazonCloudFront", "us-east-1", 25.0),
];

/// Keeps made-up records of the last `days` days, some of them far too dear; gives how many.
///
/// # Errors
/// As [`add`].
pub(crate) fn seed(session: &Session, days: u32) -> Result<usize> {
    let mut random = ChaCha8Rng::seed_from_u64(u64::from(days));
    let mut new = Vec::new();
    for back in (0..days).rev() {
        let day = session.today() - Days::new(u64::from(back));
        for (service, region, usual) in SEEDED {
            let is_anomaly = random.random_bool(0.03);
            let cost =
                usual * random.random_range(0.9..1.1) * if is_anomaly { random.random_range(3.0..6.0) } else { 1.0 };
            let cost = (cost * 100.0).round() / 100.0;
            let timestamp = day.and_time(NaiveTime::MIN).and_utc();
            let (service, region) = (service.to_owned(), region.to_owned());
            new.push(NewRecord { service, cost, timestamp, region, account_id: "123456789012".to_owned(), is_anomaly });
        }
    }
    add(session, new).map(|records| records.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: i64, service: &str, cost: f64) -> Record {
        let at = DateTime::UNIX_EPOCH;
        let (region, account_id) = (String::new(), String::new());
        Record {
            id,
            service: service.into(),
            cost,
            timestamp: at,
            region,
            account_id,
            is_anomaly: false,
            created_at: at,
        }
    }

    /// By `statistics.stdev` of Python: mean 12.5, deviation 5.0 of five; 2 and 22 of the other.
    #[test]
    fn scores_are_by_service_with_the_sample_deviation() {
        let records = vec![
            record(1, "a", 10.0),
            record(2, "a", 10.0),
            record(3, "a", 10.0),
            record(4, "a", 20.0),
            record(5, "b", 2.0),
            record(6, "b", 22.0),
            record(7, "alone", 5.0),
            record(8, "flat", 1.0),
            record(9, "flat", 1.0),
        ];
        let found: Vec<(i64, f64)> = scored(records, 0.7).into_iter().map(|one| (one.record.id, one.z_score)).collect();
        assert_eq!(found.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [4, 5, 6]);
        assert!((found[0].1 - 1.5).abs() < 1e-12 && (found[1].1 + 0.5f64.sqrt()).abs() < 1e-12, "{found:?}");
    }
}
