//! Why a cost moved: what was expected and came, since when, what carries the change, and where to look.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate, NaiveDateTime, Timelike};

use super::{
    Question,
    answer::Answer,
    change::{Attribution, Change, Compared, Members, MeterChange, Status},
    check_filters,
    course::{Course, baseline, chart, course, day_sets},
    explanation::{Explanation, Subject},
    history::History,
    incidents, is_fixed,
    next_steps::next_steps,
    request,
    warning::Warning,
};
use crate::{
    analysis::{
        attribution::Meter,
        detection::{self, Finding, Parameters, Settings},
    },
    error::{Error, Result},
    model::{ChargeCategory, Dimension, Filter, GroupBy, Period},
    store::{
        Facts,
        queries::{NONE, Selection},
    },
};

/// Contributors of each dimension in an alert.
const TOP: usize = 5;
/// Hours that either side of a change needs.
const LEAST_HOURS: usize = 6;

/// What to explain.
#[derive(Clone, Debug)]
pub(crate) struct Request<'a> {
    /// With the filters that say which cost.
    pub question: Question<'a>,
    pub include: &'a [ChargeCategory],
    pub parameters: Parameters,
    /// A day of the change; `None` is the newest settled one.
    pub date: Option<NaiveDate>,
    /// The incident that is explained.
    pub incident: Option<&'a incidents::Shown>,
    /// Contributors of each dimension.
    pub top: usize,
    /// Dimensions to look for contributors in, beside those that are always looked at.
    pub also: &'a [Dimension],
}

/// Explains a change.
///
/// # Errors
/// When there is no data of the day, the data is of several currencies, or a filter names what is not there.
pub(crate) fn explain(facts: &dyn Facts, request: &Request) -> Result<Answer<Explanation>> {
    let question = &request.question;
    let data = History::read(
        facts,
        &request::Request {
            question: *question,
            group_by: GroupBy(Vec::new()),
            from: None,
            to: None,
            include: request.include,
            sensitivity: None,
            parameters: request.parameters.clone(),
        },
    )?;
    let selection = Selection { segments: &data.segments, metric: question.metric, filters: question.filters };
    let Some(series) = data.covered.series.first() else {
        check_filters(facts, &selection)?;
        return Err(Error::input("there are no charges of this to explain").hint("`trends` lists what there is"));
    };
    // A bill may end before the others.
    let end = data.covered.coverages[0].end;
    let missing = data.covered.missing(0);
    let date = request.date.unwrap_or(end);
    let (Some(day), true) = (series.index(date), date <= end) else {
        let error = Error::input(format!("there is no settled day {date} of this cost"));
        return Err(error.hint(format!("its days are {} to {end}", series.start)));
    };
    let whole = Period { start: data.first_day, end: data.judged.end };
    let judged = data.judge(whole, &request.parameters);
    let verdicts = &judged.verdicts[0];
    let found = detection::findings(&data.covered.series[..1], &judged, whole, &request.parameters);
    let known = |found: &&Finding| match request.incident {
        Some(shown) => found.start <= shown.incident.last_date && shown.incident.start_date <= found.last_seen,
        None => (found.start..=found.last_seen).contains(&date),
    };
    let found = found.iter().filter(known).max_by_key(|found| found.flagged_days);
    let event = event(found, request, date);
    // A day that was asked for by name is the one to talk about.
    let peak = match request.date {
        Some(_) if request.incident.is_none() => day,
        _ => found.and_then(|found| series.index(found.date)).unwrap_or(day),
    };
    let known = |day: NaiveDate| series.index(day).is_some() && !missing.contains(&day);
    let sets = day_sets(verdicts, series, event, data.covered.bills()[0].first_day, &known);
    if sets.iter().all(|set| set.after) {
        return Err(Error::input(format!("there are no days before {} to compare with", event.start))
            .hint("ingest more history"));
    }
    let compared = Compared { frame: &data.frame, selection: &selection, include: request.include, sets: &sets };
    let attribution = Attribution::read(facts, compared)?;
    let names = facts.account_names()?;
    let (mut contributors, missing_dimensions) = contributors(facts, compared, &attribution, request, &names)?;
    annotate(facts, compared, &mut contributors)?;
    let change = attribution.total;
    let course = Course {
        start_date: event.start,
        start_hour: start_hour(compared, facts, event, change.change)?,
        last_date: event.end,
        ..course(series, event, found.is_some() || request.incident.is_some(), change)
    };
    let baseline = baseline(series, missing, verdicts, peak, event, found, &request.parameters);
    let all_meters = meters(&attribution);
    let main_meter = main_meter(&attribution, &all_meters);
    let meters: Vec<MeterChange> = all_meters.into_iter().take(request.top).collect();
    let subject = subject(question.filters, &names);
    let until = (event.end + Days::new(1)).to_string();
    let provider_of = providers(facts, &selection)?;
    let next = next_steps(&meters, &contributors, (&event.start.to_string(), &until), &provider_of);
    let mut header = data.header.clone();
    header.warnings.extend(missing_dimensions);
    if let Some(shown) =
        request.incident.filter(|shown| shown.incident.group_values.is_empty() && !shown.incident.group_by.0.is_empty())
    {
        header.warnings.push(Warning::ExplainsWholeBill { incident: shown.incident.id.clone() });
    }
    let mut explanation = Explanation {
        id: request.incident.map(|shown| shown.incident.id.clone()),
        subject,
        sentence: String::new(),
        baseline,
        course,
        change,
        before_days: sets.iter().filter(|set| !set.after).flat_map(|set| set.days.clone()).collect(),
        after_days: sets.iter().filter(|set| set.after).flat_map(|set| set.days.clone()).collect(),
        next,
        model_text: None,
        unknown: unknown(&attribution, &contributors),
        causes: attribution.causes,
        moves: attribution.moves,
        contributors,
        main_meter,
        meters,
        excluded_charges: attribution.excluded_charges,
        chart: chart(series, missing, verdicts, event, end),
    };
    explanation.before_days.sort();
    explanation.sentence = super::sentences::explanation(&explanation, header.currency());
    Ok(Answer { header, body: explanation })
}

/// The days of the change: of the finding, else of the incident, else the day that is asked for.
fn event(found: Option<&Finding>, request: &Request, date: NaiveDate) -> Period {
    match (found, request.incident) {
        (Some(found), _) => Period { start: found.start, end: found.last_seen },
        (None, Some(shown)) => Period { start: shown.incident.start_date, end: shown.incident.last_date },
        (None, None) => Period { start: date, end: date },
    }
}

/// What carries the change, by dimension, and which dimensions the data does not have.
fn contributors(
    facts: &dyn Facts,
    compared: Compared,
    attribution: &Attribution,
    request: &Request,
    names: &BTreeMap<String, String>,
) -> Result<(Vec<Members>, Vec<Warning>)> {
    let filters = request.question.filters;
    let (mut contributors, mut missing) = (Vec::new(), Vec::new());
    let also = request.also.iter().filter(|one| !is_fixed(filters, one)).cloned();
    let mut looked_at = dimensions(filters);
    looked_at.extend(also.filter(|one| !looked_at.contains(one)).collect::<Vec<_>>());
    for dimension in looked_at {
        let members = match attribution.members_of(facts, compared, &dimension, request.top, names) {
            // A tag that an owner is known by and this data does not have is no reason to explain nothing.
            Err(error) if request.also.contains(&dimension) => {
                let dimension = dimension.to_string();
                missing.push(Warning::DimensionMissing { dimension, error: error.summary() });
                continue;
            }
            members => members?,
        };
        // One value that is all of it says nothing that the subject does not.
        if members.members.iter().any(|member| member.value != NONE && !member.value.is_empty()) {
            contributors.push(members);
        }
    }
    Ok((contributors, missing))
}

/// Explains an incident as it was found, on its peak day.
///
/// # Errors
/// As [`explain`].
pub(crate) fn incident(
    facts: &dyn Facts,
    shown: &incidents::Shown,
    question: Question,
    settings: &Settings,
    also: &[Dimension],
) -> Result<Answer<Explanation>> {
    let filters = shown.filters();
    let question = Question {
        filters: &filters,
        metric: shown.incident.scope.metric,
        source: shown.incident.scope.data_source.as_deref(),
        ..question
    };
    let request = Request {
        question,
        include: &shown.incident.scope.charge_categories,
        parameters: shown.parameters(settings),
        date: Some(shown.incident.peak_date),
        incident: Some(shown),
        top: TOP,
        also,
    };
    explain(facts, &request)
}

/// What contributors are looked for in: all that the filters do not fix.
fn dimensions(filters: &[Filter]) -> Vec<Dimension> {
    use Dimension::*;
    [Account, Service, Region, UsageType, Operation, Resource, PurchaseOption]
        .into_iter()
        .filter(|dimension| !is_fixed(filters, dimension))
        .collect()
}

/// First days of what is new, tags of resources. Resources come and go: when one was new is not asked of all history.
fn annotate(facts: &dyn Facts, compared: Compared, contributors: &mut [Members]) -> Result<()> {
    let Compared { selection, include, sets, .. } = compared;
    let days = || sets.iter().flat_map(|set| &set.days).copied();
    let (Some(from), Some(to)) = (days().min(), days().max()) else { return Ok(()) };
    for members in contributors {
        let is_new = |member: &&super::change::Member| member.status == Status::New;
        let is_resource = members.dimension == Dimension::Resource;
        let new: Vec<String> =
            members.members.iter().filter(is_new).filter(|_| !is_resource).map(|member| member.value.clone()).collect();
        let first: BTreeMap<String, NaiveDate> =
            facts.first_days(selection, &members.dimension, include, &new)?.into_iter().collect();
        let tags: BTreeMap<String, Vec<String>> = match members.dimension {
            Dimension::Resource => {
                let shown: Vec<String> = members.members.iter().map(|member| member.value.clone()).collect();
                facts.resource_tags(selection, &shown, from, to)?.into_iter().collect()
            }
            _ => BTreeMap::new(),
        };
        for member in &mut members.members {
            member.first_day = first.get(&member.value).copied();
            member.tags = tags.get(&member.value).cloned().unwrap_or_default();
        }
    }
    Ok(())
}

/// The hour from which the cost differs, by the best split of the hours from the day before the event to its second day into
/// two levels (least squares; Hinkley, 1970). `None` where lines are of whole days, or the hours do not show the change.
fn start_hour(compared: Compared, facts: &dyn Facts, event: Period, change: f64) -> Result<Option<NaiveDateTime>> {
    let first = event.start - Days::new(1);
    let last = event.end.min(event.start + Days::new(1));
    let known: BTreeMap<NaiveDateTime, f64> =
        facts.hourly_costs(compared.selection, compared.include, first, last)?.into_iter().collect();
    if known.keys().all(|hour| hour.hour() == 0) {
        return Ok(None);
    }
    let hours: Vec<NaiveDateTime> = Period { start: first, end: last }
        .iter()
        .flat_map(|day| (0..24).filter_map(move |hour| day.and_hms_opt(hour, 0, 0)))
        .collect();
    let costs: Vec<f64> = hours.iter().map(|hour| known.get(hour).copied().unwrap_or(0.0)).collect();
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len().max(1) as f64;
    let error = |part: &[f64]| part.iter().map(|cost| (cost - mean(part)).powi(2)).sum::<f64>();
    let both = |at: &usize| error(&costs[..*at]) + error(&costs[*at..]);
    let best = (LEAST_HOURS..=costs.len() - LEAST_HOURS).min_by(|a, b| both(a).total_cmp(&both(b)));
    Ok(best.and_then(|at| {
        let step = mean(&costs[at..]) - mean(&costs[..at]);
        // A split that explains less than half of the spread is none.
        let explains = both(&at) <= 0.5 * error(&costs);
        (step * change > 0.0 && explains).then_some(hours[at])
    }))
}

/// The meter on which the largest cause in the direction of the change did most.
fn main_meter(attribution: &Attribution, meters: &[MeterChange]) -> Option<MeterChange> {
    let change = attribution.total.change;
    let main = attribution.causes.iter().find(|share| share.change * change > 0.0)?;
    let of_it = attribution.effects.iter().filter(|effect| effect.cause == main.cause);
    let most = of_it.max_by(|a, b| (a.change * change).total_cmp(&(b.change * change)))?;
    let is_it = |meter: &&MeterChange| {
        let Meter { account, service, region, usage_type, operation, .. } = &most.meter;
        (&meter.account, &meter.service, &meter.region) == (account, service, region)
            && (&meter.usage_type, &meter.operation) == (usage_type, operation)
    };
    meters.iter().find(is_it).filter(|meter| meter.usage_type != NONE).cloned()
}

/// Every meter that changed, the largest change first.
fn meters(attribution: &Attribution) -> Vec<MeterChange> {
    let mut sums: BTreeMap<&Meter, [(f64, Option<f64>); 2]> = BTreeMap::new();
    for cell in &attribution.cells {
        let sides = sums.entry(&cell.meter).or_default();
        for (sums, amounts) in sides.iter_mut().zip([cell.before, cell.after]) {
            sums.0 += amounts.cost;
            if let Some(quantity) = amounts.quantity.filter(|_| cell.class.is_usage()) {
                sums.1 = Some(sums.1.unwrap_or(0.0) + quantity);
            }
        }
    }
    let price = |(cost, quantity): (f64, Option<f64>)| quantity.filter(|quantity| *quantity > 0.0).map(|q| cost / q);
    let mut all: Vec<MeterChange> = sums
        .into_iter()
        .map(|(meter, [before, after])| MeterChange {
            account: meter.account.clone(),
            service: meter.service.clone(),
            region: meter.region.clone(),
            usage_type: meter.usage_type.clone(),
            operation: meter.operation.clone(),
            unit: meter.unit.clone(),
            change: Change::new(before.0, after.0),
            quantity_before: before.1,
            quantity_after: after.1,
            price_before: price(before),
            price_after: price(after),
        })
        .filter(|meter| Status::of(meter.change.before, meter.change.after) != Status::Unchanged)
        .collect();
    all.sort_by(|a, b| b.change.change.abs().total_cmp(&a.change.change.abs()));
    all
}

/// Whose the costs of an account are: the only provider of what is selected, else the only one that the account has costs of.
///
/// # Errors
/// When the store cannot be read.
fn providers(facts: &dyn Facts, selection: &Selection) -> Result<impl Fn(&str) -> Option<String> + use<>> {
    let all = facts.values(selection, &Dimension::Provider)?;
    let mut of_account: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    if all.len() > 1 {
        for cell in facts.cells(selection, &[Dimension::Account, Dimension::Provider])? {
            if let [account, provider] = cell.group.as_slice() {
                of_account.entry(account.clone()).or_default().insert(provider.clone());
            }
        }
    }
    Ok(move |account: &str| match (all.as_slice(), of_account.get(account)) {
        ([only], _) => Some(only.clone()),
        (_, Some(own)) if own.len() == 1 => own.first().cloned(),
        // Sellers of a marketplace are beside the cloud that bills for them.
        (_, Some(own)) => {
            ["AWS", "Microsoft", "Google Cloud"].into_iter().find(|cloud| own.contains(*cloud)).map(str::to_owned)
        }
        _ => None,
    })
}

fn subject(filters: &[Filter], names: &BTreeMap<String, String>) -> Vec<Subject> {
    let one = |filter: &Filter| Subject {
        dimension: filter.dimension.to_string(),
        value: filter.value.clone(),
        name: (filter.dimension == Dimension::Account).then(|| names.get(&filter.value).cloned()).flatten(),
        negated: filter.negated,
    };
    filters.iter().map(one).collect()
}

/// What this data cannot say.
fn unknown(attribution: &Attribution, contributors: &[Members]) -> Vec<String> {
    let has_resources = contributors.iter().any(|members| members.dimension == Dimension::Resource);
    let mut unknown = Vec::new();
    if attribution.sources_differ {
        unknown.push(
            "the days before come from another data source, which names usage differently: nothing below account, service and region is compared (`--source` takes one)"
                .to_owned(),
        );
    } else if !attribution.has_usage_types() {
        let what = if has_resources { "usage types and operations" } else { "usage types, operations and resources" };
        unknown.push(format!("this data has no {what}: a CUR or FOCUS export has them"));
    } else if !has_resources {
        unknown.push("this data has no resource ids: a CUR has them with INCLUDE_RESOURCES, and the detailed export of Google Cloud".into());
    }
    if !attribution.has_quantities() {
        unknown.push("without quantities by usage type, more use and a higher price cannot be told apart".into());
    }
    unknown
}
