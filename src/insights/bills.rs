//! What is one bill, and which data source is read of it each month. It never reads the store: what that holds is its input.
//!
//! A bill is what one payer is charged. Formats of one bill (CUR, CUR 2.0, FOCUS, Cost Explorer) hold the same money, so one of them
//! is read of each month; different bills add up. A payer has one bill whatever the providers in it: FOCUS names the
//! sellers of a marketplace, where CUR says `AWS`.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use crate::{
    model::first_of_month,
    model::source::{LITELLM, detail_rank, is_other_view},
    store::holdings::{AccountCost, Holding, Payer},
};

/// A payer whose costs are this much in accounts of a payer of another data source is a part of its bill: Cost Explorer read
/// with a member's credentials has the member as payer.
const PART: f64 = 0.8;
/// The costs that a plain CSV and a bill have of the same accounts are the same money when they are this near.
const ALIKE: f64 = 0.75;
/// A source covers the accounts of a month when those that it lacks have at most this share of the costs, and two sources
/// have as much when their costs are as near.
const NEGLIGIBLE: f64 = 0.01;
/// What bills that do not say the account have in its place.
const NO_ACCOUNT: [&str; 2] = ["", "unknown"];

/// One payer's bill, from every data source that has it.
#[derive(Clone, Debug)]
pub(super) struct Bill {
    /// The payers, of which several are one bill when a source names a member of an organization.
    pub payers: BTreeSet<Payer>,
    pub providers: BTreeSet<String>,
    pub currencies: BTreeSet<String>,
    /// The payers of each source, with the months that they have costs of.
    pub held: BTreeMap<String, BTreeMap<Payer, BTreeSet<NaiveDate>>>,
    /// The source that is read, by month.
    pub read: BTreeMap<NaiveDate, String>,
    /// The days of what is read.
    pub days: BTreeSet<NaiveDate>,
    /// The newest day of it with usage, no later than today: fees may be dated ahead.
    pub newest: NaiveDate,
    pub excluded: Vec<Excluded>,
}

/// What no answer counts, because the source that has it does not have the rest.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Excluded {
    pub month: NaiveDate,
    pub read: String,
    pub other: String,
    /// Accounts and days that only the other source has.
    pub accounts: usize,
    pub days: usize,
    /// What these cost, about.
    pub dollars: f64,
}

/// What one data source has of one payer.
#[derive(Clone, Debug, Default)]
struct Part {
    providers: BTreeSet<String>,
    currencies: BTreeSet<String>,
    days: BTreeSet<NaiveDate>,
    usage_days: BTreeSet<NaiveDate>,
    /// By month.
    accounts: BTreeMap<NaiveDate, BTreeMap<String, f64>>,
}

type Place = (String, Payer);

impl Part {
    fn days_of(&self, month: NaiveDate) -> usize {
        self.days.iter().filter(|day| first_of_month(**day) == month).count()
    }

    /// What its accounts cost in all.
    fn costs(&self) -> BTreeMap<&str, f64> {
        let mut costs: BTreeMap<&str, f64> = BTreeMap::new();
        for (account, cost) in self.accounts.values().flatten() {
            if !NO_ACCOUNT.contains(&account.as_str()) {
                *costs.entry(account).or_default() += cost;
            }
        }
        costs
    }
}

/// The bills of what the database holds. `accounts` may be empty where there is one data source: nothing is chosen then.
pub(super) fn bills(holdings: &[Holding], accounts: &[AccountCost], today: NaiveDate, settle_days: u32) -> Vec<Bill> {
    let mut parts: BTreeMap<Place, Part> = BTreeMap::new();
    for holding in holdings {
        let part = parts.entry((holding.data_source.clone(), holding.payer.clone())).or_default();
        part.providers.insert(holding.provider.clone());
        part.currencies.insert(holding.currency.clone());
        part.days.extend(&holding.days);
        part.usage_days.extend(&holding.usage_days);
    }
    for cost in accounts {
        if let Some(part) = parts.get_mut(&(cost.data_source.clone(), cost.payer.clone())) {
            *part.accounts.entry(cost.month).or_default().entry(cost.account.clone()).or_default() += cost.cost;
        }
    }
    together(&parts).into_iter().filter_map(|places| bill(&parts, &places, today, settle_days)).collect()
}

/// The parts that are of one bill: those of the same payer, and of another data source's payer that most of their accounts
/// belong to.
fn together(parts: &BTreeMap<Place, Part>) -> Vec<Vec<&Place>> {
    let places: Vec<&Place> = parts.keys().collect();
    let mut group: Vec<usize> = (0..places.len()).collect();
    fn root(group: &[usize], mut of: usize) -> usize {
        while group[of] != of {
            of = group[of];
        }
        of
    }
    let mut join = |a: usize, b: usize| {
        let (a, b) = (root(&group, a), root(&group, b));
        group[a.max(b)] = a.min(b);
    };
    let mut of_payer: BTreeMap<&Payer, usize> = BTreeMap::new();
    let mut of_account: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let costs: Vec<BTreeMap<&str, f64>> = parts.values().map(Part::costs).collect();
    for (index, (_, payer)) in places.iter().enumerate() {
        match of_payer.get(payer) {
            Some(first) => join(*first, index),
            None => _ = of_payer.insert(payer, index),
        }
        costs[index].keys().for_each(|account| of_account.entry(account).or_default().push(index));
    }
    for (index, (source, payer)) in places.iter().enumerate() {
        let mut shared: BTreeMap<usize, f64> = BTreeMap::new();
        for (account, cost) in &costs[index] {
            for other in of_account.get(account).into_iter().flatten() {
                *shared.entry(*other).or_default() += cost;
            }
        }
        let all: f64 = costs[index].values().sum();
        for (other, cost) in shared {
            let (other_source, other_payer) = places[other];
            // A payer that the other source has itself is nobody's member there.
            let is_other = other_source != source
                && other_payer != payer
                && !parts.contains_key(&(other_source.clone(), payer.clone()));
            if is_other && all > 0.0 && cost >= PART * all && may_be_same(parts, places[index], places[other]) {
                join(index, other);
            }
        }
    }
    // What a proxy counted of a provider's calls is on that provider's bill, whoever pays it; of several, on the one with most days.
    for (index, (_, payer)) in places.iter().enumerate().filter(|(_, (source, _))| source == LITELLM) {
        let has_provider = |(_, (place, part)): &(usize, (&Place, &Part))| {
            place.0 != LITELLM && payer.provider.as_ref().is_some_and(|provider| part.providers.contains(provider))
        };
        let billed = parts.iter().enumerate().filter(has_provider).max_by_key(|(_, (_, part))| part.days.len());
        if let Some((other, _)) = billed {
            join(index, other);
        }
    }
    let mut groups: BTreeMap<usize, Vec<&Place>> = BTreeMap::new();
    for (index, place) in places.iter().enumerate() {
        groups.entry(root(&group, index)).or_default().push(place);
    }
    groups.into_values().collect()
}

/// Whether accounts that two sources share may be the same money. Of AWS's formats they are. A vendor's CSV may name the customer's
/// AWS accounts: it is the same money only if it is as much.
fn may_be_same(parts: &BTreeMap<Place, Part>, one: &Place, other: &Place) -> bool {
    match (detail_rank(&one.0), detail_rank(&other.0)) {
        (Some(_), Some(_)) => return true,
        (None, None) => return false,
        _ => {}
    }
    let (one, other) = (&parts[one], &parts[other]);
    let (mut ours, mut theirs) = (0.0, 0.0);
    for (month, accounts) in &one.accounts {
        let Some(their_accounts) = other.accounts.get(month) else { continue };
        let days = (one.days_of(*month).max(1) as f64, other.days_of(*month).max(1) as f64);
        for (account, cost) in accounts {
            if let Some(their_cost) = their_accounts.get(account) {
                ours += cost / days.0;
                theirs += their_cost / days.1;
            }
        }
    }
    ours > 0.0 && ours.min(theirs) >= ALIKE * ours.max(theirs)
}

/// What one source has of a bill in a month.
struct Candidate<'a> {
    source: &'a str,
    days: BTreeSet<NaiveDate>,
    accounts: BTreeMap<&'a str, f64>,
}

impl Candidate<'_> {
    fn cost(&self) -> f64 {
        self.accounts.values().sum()
    }
}

fn bill(parts: &BTreeMap<Place, Part>, places: &[&Place], today: NaiveDate, settle_days: u32) -> Option<Bill> {
    let own = || places.iter().map(|place| (*place, &parts[*place]));
    let mut months: BTreeMap<NaiveDate, BTreeMap<&str, Candidate>> = BTreeMap::new();
    let mut held: BTreeMap<String, BTreeMap<Payer, BTreeSet<NaiveDate>>> = BTreeMap::new();
    for ((source, payer), part) in own() {
        for day in &part.days {
            let month = first_of_month(*day);
            let candidate = months.entry(month).or_default().entry(source).or_insert_with(|| Candidate {
                source,
                days: BTreeSet::new(),
                accounts: BTreeMap::new(),
            });
            candidate.days.insert(*day);
            held.entry(source.clone()).or_default().entry(payer.clone()).or_default().insert(month);
        }
        for (month, accounts) in &part.accounts {
            let Some(candidate) = months.get_mut(month).and_then(|sources| sources.get_mut(source.as_str())) else {
                continue;
            };
            for (account, cost) in accounts {
                *candidate.accounts.entry(account).or_default() += cost;
            }
        }
    }
    let newest_month =
        own().filter_map(|(_, part)| part.days.range(..=today).next_back()).max().map(|day| first_of_month(*day));
    let (mut read, mut days, mut excluded) = (BTreeMap::new(), BTreeSet::new(), Vec::new());
    for (month, sources) in &months {
        let mut sources: Vec<&Candidate> = sources.values().collect();
        // Only the month that is still being delivered may lack its last days; another would show them as 0.
        let slack = if Some(*month) == newest_month { settle_days as usize } else { 0 };
        let chosen = choose(&mut sources, today, slack);
        for other in sources.iter().filter(|other| other.source != chosen.source) {
            excluded.extend(lacks(chosen, other, today, slack, *month));
        }
        days.extend(chosen.days.iter().copied());
        read.insert(*month, chosen.source.to_owned());
    }
    let is_read = |source: &str, day: &NaiveDate| read.get(&first_of_month(*day)).is_some_and(|read| read == source);
    let usage = own().flat_map(|((source, _), part)| part.usage_days.iter().filter(move |day| is_read(source, day)));
    let usage: BTreeSet<NaiveDate> = usage.copied().collect();
    // A line that is dated ahead does not make the data new.
    let until_today = |days: &BTreeSet<NaiveDate>| days.range(..=today).next_back().copied();
    let newest = until_today(&usage).or(until_today(&days)).or(usage.last().copied()).or(days.last().copied())?;
    Some(Bill {
        payers: places.iter().map(|(_, payer)| payer.clone()).collect(),
        providers: own().flat_map(|(_, part)| part.providers.iter().cloned()).collect(),
        currencies: own().flat_map(|(_, part)| part.currencies.iter().cloned()).collect(),
        held,
        read,
        days,
        newest,
        excluded,
    })
}

/// Days that count for a choice: those until today, unless there are none.
fn due(candidate: &Candidate, today: NaiveDate) -> usize {
    candidate.days.range(..=today).count()
}

/// The most detailed source that has the days and the accounts which any has; where none has both, the one with most dollars, and of
/// those that have as much the most detailed.
fn choose<'a>(sources: &mut [&'a Candidate<'a>], today: NaiveDate, slack: usize) -> &'a Candidate<'a> {
    sources.sort_by_key(|one| (detail_rank(one.source).unwrap_or(usize::MAX), one.source));
    let is_needless = |one: &&Candidate| {
        let other = sources.iter().find(|other| is_other_view(one.source, other.source));
        other.is_some_and(|other| due(one, today) <= due(other, today) + slack)
    };
    let sources: Vec<&Candidate> = sources.iter().copied().filter(|one| !is_needless(one)).collect();
    let most_days = sources.iter().map(|one| due(one, today)).max().unwrap_or(0);
    let weights = weights(&sources);
    let all: f64 = weights.values().sum();
    let covers = |one: &&&Candidate| {
        let lacking: f64 =
            weights.iter().filter(|(account, _)| !one.accounts.contains_key(*account)).map(|(_, cost)| cost).sum();
        due(one, today) + slack >= most_days && lacking <= NEGLIGIBLE * all
    };
    let most = sources.iter().map(|one| one.cost()).fold(0.0, f64::max);
    let has_most = |one: &&&Candidate| one.cost() >= (1.0 - NEGLIGIBLE) * most;
    let chosen = sources.iter().find(covers).or_else(|| sources.iter().find(has_most));
    chosen.copied().unwrap_or(sources[0])
}

/// What each account cost in the source that has most of it.
fn weights<'a>(sources: &[&'a Candidate<'a>]) -> BTreeMap<&'a str, f64> {
    let mut weights: BTreeMap<&str, f64> = BTreeMap::new();
    for (account, cost) in sources.iter().flat_map(|one| &one.accounts) {
        let weight = weights.entry(account).or_default();
        *weight = weight.max(*cost);
    }
    weights
}

/// What `other` has of a month that `chosen` lacks, when that is not negligible.
fn lacks(chosen: &Candidate, other: &Candidate, today: NaiveDate, slack: usize, month: NaiveDate) -> Option<Excluded> {
    let accounts: Vec<f64> = other
        .accounts
        .iter()
        .filter(|_| !is_other_view(other.source, chosen.source))
        .filter(|(account, cost)| !chosen.accounts.contains_key(*account) && **cost > 0.0)
        .map(|(_, cost)| *cost)
        .collect();
    let of_accounts: f64 = accounts.iter().sum();
    let missing = other.days.range(..=today).filter(|day| !chosen.days.contains(day)).count();
    let missing = if missing > slack { missing } else { 0 };
    let of_days = (other.cost() - of_accounts) / other.days.len().max(1) as f64 * missing as f64;
    let dollars = of_accounts + of_days;
    (dollars > NEGLIGIBLE * other.cost().max(chosen.cost())).then(|| Excluded {
        month,
        read: chosen.source.to_owned(),
        other: other.source.to_owned(),
        accounts: accounts.len(),
        days: missing,
        dollars,
    })
}

impl Bill {
    /// What it is called: its provider, or its payer where it has several.
    pub(super) fn provider(&self) -> String {
        match self.providers.first() {
            Some(only) if self.providers.len() == 1 => only.clone(),
            // Sellers of a marketplace are beside the cloud that bills for them.
            _ => ["AWS", "Microsoft", "Google Cloud"]
                .iter()
                .find(|cloud| self.providers.contains(**cloud))
                .map_or_else(|| format!("payer {}", self.payer()), ToString::to_string),
        }
    }

    /// Its payer, of several the one that the most detailed source names.
    pub(super) fn payer(&self) -> &str {
        let best = self.held.iter().min_by_key(|(source, _)| detail_rank(source).unwrap_or(usize::MAX));
        let named = best.and_then(|(_, payers)| payers.keys().next()).or(self.payers.first());
        named.map_or("", |payer| &payer.id)
    }
}

#[cfg(test)]
mod tests;
