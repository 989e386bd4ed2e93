//! The ledger of incidents as other multi-cloud detectors show it: flat, by cloud, counted by hours. Who spoke with one of those
//! gets the same fields here.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{Days, NaiveDate};
use serde::Serialize;
use serde_json::Value;

use super::{FindAnomalies, ListIncidents, ListValues, Session, ShowStatus, Shown, at_stake, parse_flags};
use crate::{
    error::{Code, Error, Result},
    model::{Period, Severity, phrases},
};

/// Days before an incident that say whose cost it is of.
const DAYS_BEFORE: Days = Days::new(28);

/// Whose bill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cloud {
    Aws,
    Azure,
    Gcp,
    All,
}

impl Cloud {
    /// The cloud of a parameter; nothing means all.
    ///
    /// # Errors
    /// When it is none of them.
    pub(crate) fn of(text: Option<&str>) -> Result<Self> {
        match text.map(str::to_lowercase).as_deref() {
            Some("aws") => Ok(Cloud::Aws),
            Some("azure") => Ok(Cloud::Azure),
            Some("gcp") => Ok(Cloud::Gcp),
            None | Some("all") => Ok(Cloud::All),
            _ => Err(Error::usage("`cloud` is aws, azure, gcp or all")),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Cloud::Aws => "aws",
            Cloud::Azure => "azure",
            Cloud::Gcp => "gcp",
            Cloud::All => "all",
        }
    }

    fn has(self, cloud: &str) -> bool {
        self == Cloud::All || self.name() == cloud
    }
}

/// A severity as these detectors name it; nothing means all.
///
/// # Errors
/// When it is none of them.
pub(crate) fn severity(text: Option<&str>) -> Result<Option<Severity>> {
    match text.map(str::to_lowercase).as_deref() {
        None | Some("all") => Ok(None),
        Some("critical" | "high") => Ok(Some(Severity::Critical)),
        Some("warning" | "medium") => Ok(Some(Severity::Warning)),
        Some("info" | "low") => Ok(Some(Severity::Info)),
        _ => Err(Error::usage("`severity` is critical, warning or info; high, medium and low mean the same")),
    }
}

/// A provider of bills, as these detectors call it.
fn cloud_of(provider: &str) -> String {
    match provider {
        "AWS" | "Amazon Web Services" => "aws".to_owned(),
        "Microsoft" | "Microsoft Azure" => "azure".to_owned(),
        "Google Cloud" | "Google" => "gcp".to_owned(),
        other => other.to_lowercase(),
    }
}

/// An incident, flat.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct FlatIncident {
    id: String,
    /// `aws`, `azure`, `gcp`, another provider's name, `several`, or `unknown` where the bill is not there any more.
    cloud: String,
    service: Option<String>,
    account: Option<String>,
    region: Option<String>,
    severity: Severity,
    kind: String,
    status: String,
    actual: f64,
    expected: f64,
    /// Dollars a day beyond what was expected.
    impact: f64,
    /// What would be saved if it ended: what it has at stake.
    potential_savings: f64,
    currency: String,
    start_date: NaiveDate,
    last_date: NaiveDate,
    description: String,
}

/// What a run of the detector gives.
#[derive(Debug, Serialize)]
pub(crate) struct Detected {
    cloud: &'static str,
    judged: Period,
    total: usize,
    anomalies: Vec<FlatIncident>,
}

/// Incidents of the last hours, counted.
#[derive(Debug, Serialize)]
pub(crate) struct Stats {
    hours: u64,
    total: usize,
    by_severity: BTreeMap<String, usize>,
    by_cloud: BTreeMap<String, usize>,
    /// What those that go on have at stake; nothing where that is in several currencies.
    potential_savings: Option<f64>,
}

/// Judges the newest day, keeps what is found, and gives what is open.
///
/// # Errors
/// As [`FindAnomalies`].
pub(crate) fn detect(session: &Session, cloud: Cloud) -> Result<Detected> {
    let found = session.run(&FindAnomalies::default())?;
    let anomalies = open(session, cloud, None, usize::MAX)?;
    Ok(Detected { cloud: cloud.name(), judged: found.judged, total: anomalies.len(), anomalies })
}

/// Open incidents, those with most at stake first, `limit` at most.
///
/// # Errors
/// As [`ListIncidents`].
pub(crate) fn open(
    session: &Session,
    cloud: Cloud,
    severity: Option<Severity>,
    limit: usize,
) -> Result<Vec<FlatIncident>> {
    let mut shown = session.run(&ListIncidents::default())?.body.incidents;
    shown.retain(|one| severity.is_none_or(|severity| one.incident.severity == severity));
    shown.sort_by(|a, b| b.incident.at_stake.total_cmp(&a.incident.at_stake));
    let mut clouds = Clouds::new(session)?;
    let mut found = Vec::new();
    for one in &shown {
        if found.len() >= limit {
            break;
        }
        let own = clouds.of(one)?;
        if cloud.has(&own) {
            found.push(flat(one, own));
        }
    }
    Ok(found)
}

/// Counts the incidents whose last day is one of the last `hours`. Bills are of days: of an hour, its whole day counts; the last hour
/// is that of the newest day of the bills.
///
/// # Errors
/// When `hours` is not from 1 to 87,600, and as [`ListIncidents`].
pub(crate) fn stats(session: &Session, hours: u64) -> Result<Stats> {
    if !(1..=87_600).contains(&hours) {
        return Err(Error::usage("`hours` must be from 1 to 87600"));
    }
    let newest = session.run(&ShowStatus::default())?.header.data_through.unwrap_or(session.today());
    let since = newest - Days::new(hours.div_ceil(24));
    let shown = session.run(&parse_flags::<ListIncidents>(&["--status=all".to_owned()])?)?.body.incidents;
    let mut clouds = Clouds::new(session)?;
    let recent = || shown.iter().filter(|one| one.incident.last_date > since);
    let stakes = at_stake(recent());
    let potential_savings = (stakes.len() < 2).then(|| stakes.values().sum());
    let mut stats =
        Stats { hours, total: 0, by_severity: BTreeMap::new(), by_cloud: BTreeMap::new(), potential_savings };
    for one in recent() {
        stats.total += 1;
        *stats.by_severity.entry(one.incident.severity.name().to_owned()).or_default() += 1;
        *stats.by_cloud.entry(clouds.of(one)?).or_default() += 1;
    }
    Ok(stats)
}

fn flat(shown: &Shown, cloud: String) -> FlatIncident {
    let incident = &shown.incident;
    let value = |dimension: &str| shown.group.get(dimension).and_then(Value::as_str).map(str::to_owned);
    FlatIncident {
        id: incident.id.clone(),
        cloud,
        service: value("service"),
        account: value("account"),
        region: value("region"),
        severity: incident.severity,
        kind: incident.kind.name().to_owned(),
        status: incident.state.name().to_owned(),
        actual: incident.actual,
        expected: incident.expected,
        impact: incident.impact,
        potential_savings: incident.at_stake.max(0.0),
        currency: incident.currency.clone(),
        start_date: incident.start_date,
        last_date: incident.last_date,
        description: format!("{}: {}", shown.subject(), phrases(&incident.reasons)),
    }
}

/// Of which cloud an incident is, asked once for all incidents of the same group and days.
struct Clouds<'a> {
    session: &'a Session,
    /// Where all bills are of one cloud.
    only: Option<String>,
    known: HashMap<Vec<String>, String>,
}

impl<'a> Clouds<'a> {
    fn new(session: &'a Session) -> Result<Self> {
        let bills = session.run(&ShowStatus::default())?;
        let mut clouds: BTreeSet<String> = bills.bills.iter().map(|bill| cloud_of(&bill.provider)).collect();
        let only = if clouds.len() == 1 { clouds.pop_first() } else { None };
        Ok(Self { session, only, known: HashMap::new() })
    }

    fn of(&mut self, shown: &Shown) -> Result<String> {
        if let Some(only) = &self.only {
            return Ok(only.clone());
        }
        let incident = &shown.incident;
        let filters = shown.filters().into_iter().map(|filter| format!("--filter={filter}"));
        // What stopped has lines on the days before alone.
        let days = [format!("--from={}", incident.start_date - DAYS_BEFORE), format!("--to={}", incident.last_date)];
        let line: Vec<String> = filters.chain(days).chain(["--".to_owned(), "provider".to_owned()]).collect();
        if let Some(known) = self.known.get(&line) {
            return Ok(known.clone());
        }
        let found = match self.session.run(&parse_flags::<ListValues>(&line)?) {
            // Its bill may not be there any more.
            Err(error) if [Code::NoData, Code::NotFound, Code::InvalidInput].contains(&error.code()) => {
                "unknown".to_owned()
            }
            Err(error) => return Err(error),
            Ok(providers) => {
                let mut clouds: BTreeSet<String> = providers.values.iter().map(|one| cloud_of(&one.value)).collect();
                match (clouds.len(), clouds.pop_first()) {
                    (1, Some(cloud)) => cloud,
                    (0, _) => "unknown".to_owned(),
                    _ => "several".to_owned(),
                }
            }
        };
        self.known.insert(line, found.clone());
        Ok(found)
    }
}
