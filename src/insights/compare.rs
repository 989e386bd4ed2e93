//! What changed between two periods: who moved, what is new or gone, and why.

use std::collections::BTreeMap;

use chrono::{Days, Months, NaiveDate};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    Frame, Question, account_name,
    answer::Answer,
    change::{Attribution, CauseShare, Change, Compared, ExcludedChange, HALF_CENT, Known, Status, known_sets, share},
    check_filters, group_object, single_currency,
    warning::Warning,
};
use crate::{
    analysis::attribution::Move,
    error::{Error, Result},
    model::{ChargeCategory, Granularity, GroupBy, Period},
    store::{Facts, queries::Selection, segments::Segment},
};

/// What to compare.
#[derive(Clone, Debug)]
pub(crate) struct Request<'a> {
    pub question: Question<'a>,
    pub group_by: GroupBy,
    pub before: Period,
    pub after: Period,
    pub include: &'a [ChargeCategory],
    /// Groups to show by name.
    pub top: usize,
}

/// Which month a month is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Versus {
    Previous,
    LastYear,
}

/// One side of a comparison.
#[derive(Clone, Copy, Debug, JsonSchema, Serialize)]
pub struct Side {
    pub start: NaiveDate,
    pub end: NaiveDate,
    /// Days that there is data of.
    pub days: usize,
    /// Of all days together.
    pub total: f64,
    /// Whether some of its days are not settled.
    pub provisional: bool,
}

/// One group in both periods.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Mover {
    pub group: Map<String, Value>,
    pub account_name: Option<String>,
    #[serde(flatten)]
    pub change: Change,
    pub share_pct: Option<f64>,
    pub status: Status,
}

/// One step from the earlier total to the later one.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct WaterfallStep {
    pub label: String,
    pub change: f64,
    /// The total after this step.
    pub total: f64,
}

/// Two periods side by side.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Comparison {
    /// What costs are grouped by.
    pub group_by: GroupBy,
    /// The charge categories that count.
    pub include: Vec<&'static str>,
    /// The earlier period.
    pub before: Side,
    /// The later period.
    pub after: Side,
    /// Whether all costs below are a day's, because the periods have different numbers of days.
    pub per_day: bool,
    /// The whole change.
    pub total: Change,
    /// What all groups that grew, and all that shrank, changed by.
    pub increases: f64,
    /// The sum of what went down, at most 0.
    pub decreases: f64,
    /// Those that changed most, the largest change first.
    pub movers: Vec<Mover>,
    /// Groups that changed and are not shown by name, and their change.
    pub other_groups: usize,
    /// What is not named.
    pub others: Change,
    /// Groups that cost the same in both.
    pub unchanged: usize,
    /// From the earlier total to the later one.
    pub waterfall: Vec<WaterfallStep>,
    /// What the change is made of.
    pub causes: Vec<CauseShare>,
    /// Cost that moved between accounts or regions.
    pub moves: Vec<Move>,
    /// Charges that are no usage: credits, taxes, fees.
    pub excluded_charges: Vec<ExcludedChange>,
}

/// A month and the one that it is compared with: of one that is not over, as many days of both.
///
/// # Errors
/// When the month has not begun.
pub(crate) fn month_periods(month: NaiveDate, versus: Versus, newest: NaiveDate) -> Result<(Period, Period)> {
    let whole = Granularity::Monthly.period_of(month);
    if whole.start > newest {
        return Err(Error::input(format!("there is no settled day of {} yet", month.format("%Y-%m")))
            .hint(format!("the newest settled day is {newest}")));
    }
    let months = match versus {
        Versus::Previous => 1,
        Versus::LastYear => 12,
    };
    let after = Period { start: whole.start, end: whole.end.min(newest) };
    let mut before = Granularity::Monthly.period_of(whole.start - Months::new(months));
    // Fees come on the 1st: the first days of a month are compared with those of the other.
    if after.end < whole.end {
        before.end = before.end.min(before.start + Days::new(after.days() as u64 - 1));
    }
    Ok((before, after))
}

/// The newest settled day, for periods that end with it.
///
/// # Errors
/// When there is no data.
pub(crate) fn newest_settled(facts: &dyn Facts, question: &Question) -> Result<NaiveDate> {
    Ok(Frame::new(facts, question)?.settled_through)
}

/// The newest day that may be part of a month: by the calendar settled, and there. The newest day of the data is whole when it
/// is long past.
///
/// # Errors
/// When there is no data.
pub(crate) fn newest_of_months(facts: &dyn Facts, question: &Question) -> Result<NaiveDate> {
    let settled = question.as_of - Days::new(u64::from(question.settle_days));
    Ok(Frame::new(facts, question)?.as_of.min(settled))
}

/// Compares two periods.
///
/// # Errors
/// When a period has no data, the data is of several currencies, or a filter or key names what is not there.
pub(crate) fn compare(facts: &dyn Facts, request: &Request) -> Result<Answer<Comparison>> {
    let question = &request.question;
    let frame = Frame::new(facts, question)?;
    let sides = [request.before, request.after];
    // One source for a day, whichever period asks for it.
    let span = Period { start: sides[0].start.min(sides[1].start), end: sides[0].end.max(sides[1].end) };
    let segments = frame.segments_of(span, &sides);
    let mut header = frame.header(facts, question, &segments, &sides)?;
    let Known { sets, per_day, warnings } = known_sets(&frame, sides)?;
    header.warnings.extend(warnings);
    let days = [&sets[0].days, &sets[1].days];
    let weights = [sets[0].weight, sets[1].weight];
    if sides[0].start <= sides[1].end && sides[1].start <= sides[0].end && sides[0] != sides[1] {
        header.warnings.push(Warning::PeriodsOverlap);
    }
    let selection = Selection { segments: &segments, metric: question.metric, filters: question.filters };
    let compared = Compared { frame: &frame, selection: &selection, include: request.include, sets: &sets };
    let attribution = Attribution::read(facts, compared)?;
    if attribution.cells.is_empty() {
        check_filters(facts, &selection)?;
    }
    header.currency = Some(single_currency(facts, &selection)?);
    let names = facts.account_names()?;
    let mut movers = movers(facts, &selection, request, &sides, weights, attribution.total.change, &names)?;
    let sum = |sign: f64| {
        let changes = movers.iter().map(|mover| mover.change.change).filter(|change| change * sign > 0.0);
        changes.sum::<f64>()
    };
    let (increases, decreases) = (sum(1.0), sum(-1.0));
    let unchanged = movers.iter().filter(|mover| mover.status == Status::Unchanged).count();
    movers.retain(|mover| mover.status != Status::Unchanged);
    let hidden = movers.split_off(movers.len().min(request.top));
    let shown = movers.iter().fold((0.0, 0.0), |sum, mover| (sum.0 + mover.change.before, sum.1 + mover.change.after));
    // What did not change is there as well.
    let others = Change::new(attribution.total.before - shown.0, attribution.total.after - shown.1);
    let total = attribution.total;
    let side = |period: Period, days: &[NaiveDate], cost: f64| Side {
        start: period.start,
        end: period.end,
        days: days.len(),
        total: if per_day { cost * days.len() as f64 } else { cost },
        provisional: period.end > frame.settled_through,
    };
    let body = Comparison {
        group_by: request.group_by.clone(),
        include: request.include.iter().map(|category| category.as_str()).collect(),
        before: side(request.before, days[0], total.before),
        after: side(request.after, days[1], total.after),
        per_day,
        total,
        increases,
        decreases,
        waterfall: waterfall(total, &movers, others),
        movers,
        other_groups: hidden.len(),
        others,
        unchanged,
        causes: attribution.causes,
        moves: attribution.moves,
        excluded_charges: attribution.excluded_charges,
    };
    Ok(Answer { header, body })
}

fn movers(
    facts: &dyn Facts,
    selection: &Selection,
    request: &Request,
    sides: &[Period; 2],
    weights: [f64; 2],
    change: f64,
    names: &BTreeMap<String, String>,
) -> Result<Vec<Mover>> {
    let mut groups: BTreeMap<Vec<String>, [f64; 2]> = BTreeMap::new();
    for (index, period) in sides.iter().enumerate() {
        let cut = |segment: &Segment| {
            let cut = Period { start: segment.period.start.max(period.start), end: segment.period.end.min(period.end) };
            (cut.start <= cut.end).then(|| Segment { period: cut, ..segment.clone() })
        };
        let segments: Vec<Segment> = selection.segments.iter().filter_map(cut).collect();
        for cell in facts.cells(&Selection { segments: &segments, ..selection.clone() }, &request.group_by.0)? {
            if request.include.iter().any(|category| category.as_str() == cell.charge_category) {
                groups.entry(cell.group).or_default()[index] += cell.cost * weights[index];
            }
        }
    }
    let mut movers: Vec<Mover> = groups
        .into_iter()
        .map(|(values, [before, after])| Mover {
            group: group_object(&request.group_by, &values),
            account_name: account_name(&request.group_by, &values, names),
            change: Change::new(before, after),
            share_pct: share(after - before, change),
            status: Status::of(before, after),
        })
        .collect();
    movers.sort_by(|a, b| b.change.change.abs().total_cmp(&a.change.change.abs()));
    Ok(movers)
}

/// From the earlier total to the later one, the largest steps first.
fn waterfall(total: Change, movers: &[Mover], others: Change) -> Vec<WaterfallStep> {
    let mut level = total.before;
    let mut step = |label: String, change: f64| {
        level += change;
        WaterfallStep { label, change, total: level }
    };
    let mut steps: Vec<WaterfallStep> = movers
        .iter()
        .map(|mover| {
            let values: Vec<&str> = mover.group.values().filter_map(Value::as_str).collect();
            step(mover.account_name.clone().unwrap_or_else(|| values.join(" / ")), mover.change.change)
        })
        .collect();
    if others.change.abs() >= HALF_CENT {
        steps.push(step("others".into(), others.change));
    }
    steps
}

/// The period of the same length just before another.
pub(crate) fn just_before(period: Period) -> Period {
    let days = period.days() as u64;
    Period { start: period.start - Days::new(days), end: period.start - Days::new(1) }
}
