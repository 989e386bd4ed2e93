//! From the total down, level by level: what each level's members add to the change, and the path of those that add most.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Frame, Question,
    answer::Answer,
    change::{Attribution, CauseShare, Change, Compared, HALF_CENT, Known, Member, Members, known_sets},
    check_filters, is_fixed, single_currency,
    warning::Warning,
};
use crate::{
    analysis::attribution::Move,
    error::{Code, Error, Result},
    model::{ChargeCategory, Dimension, Filter, Period},
    store::{
        Facts,
        changes::DaySet,
        queries::{NONE, Selection},
        segments::Segment,
    },
};

/// The levels, from the widest to the narrowest.
pub(crate) const LEVELS: [Dimension; 5] =
    [Dimension::Account, Dimension::Service, Dimension::Region, Dimension::UsageType, Dimension::Resource];

/// What to walk through.
#[derive(Clone, Debug)]
pub(crate) struct Request<'a> {
    pub question: Question<'a>,
    pub before: Period,
    pub after: Period,
    pub include: &'a [ChargeCategory],
    /// Members of a level to show by name.
    pub top: usize,
}

/// A level: its members below what was chosen on the levels above.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Level {
    #[serde(flatten)]
    pub members: Members,
    /// The change of what was chosen above, which the members make up.
    pub of: Change,
    /// The member that the path goes on with.
    pub chosen: Option<String>,
}

/// The path of greatest change.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Drilldown {
    /// The earlier period.
    pub before: Period,
    /// The later period.
    pub after: Period,
    /// Whether costs are of a mean day.
    pub per_day: bool,
    /// The whole change.
    pub total: Change,
    /// From the total down.
    pub levels: Vec<Level>,
    /// Of the narrowest place on the path that has meters, and its change.
    pub causes: Vec<CauseShare>,
    /// What the last level changed by.
    pub caused: Change,
    /// Of the service on the path.
    pub moves: Vec<Move>,
}

/// Goes down the path of greatest change.
///
/// # Errors
/// When there is no data, it is of several currencies, or a filter names what is not there.
pub(crate) fn drilldown(facts: &dyn Facts, request: &Request) -> Result<Answer<Drilldown>> {
    let walk = Walk::new(facts, request)?;
    let mut path: Vec<Filter> = Vec::new();
    let mut levels = Vec::new();
    let mut place = walk.below(facts, &path)?;
    while let Some(members) = place.members.take() {
        let chosen = strongest(&members).map(|member| member.value.clone());
        let dimension = members.dimension.clone();
        levels.push(Level { members, of: place.change, chosen: chosen.clone() });
        let Some(value) = chosen.filter(|_| has_meters(&dimension)) else { break };
        path.push(Filter { dimension, value, negated: false });
        place = walk.below(facts, &path)?;
    }
    let mut header = walk.frame.header(facts, &request.question, &walk.segments, &[request.before, request.after])?;
    header.warnings.extend(walk.warnings);
    header.currency = Some(walk.currency);
    let body = Drilldown {
        before: request.before,
        after: request.after,
        per_day: walk.per_day,
        total: walk.attribution.total,
        levels,
        causes: place.causes,
        caused: place.change,
        moves: moves(&walk.attribution, &path),
    };
    Ok(Answer { header, body })
}

/// Two periods, read once, to be walked through.
pub(crate) struct Walk<'a> {
    request: &'a Request<'a>,
    frame: Frame,
    segments: Vec<Segment>,
    attribution: Attribution,
    sets: Vec<DaySet>,
    per_day: bool,
    warnings: Vec<Warning>,
    names: BTreeMap<String, String>,
    pub currency: String,
}

/// What is below a place.
#[derive(Debug)]
pub(crate) struct Below {
    pub change: Change,
    /// Of the next level; `None` below the last one.
    pub members: Option<Members>,
    pub causes: Vec<CauseShare>,
}

impl<'a> Walk<'a> {
    /// Reads the periods.
    ///
    /// # Errors
    /// As [`drilldown`].
    pub(crate) fn new(facts: &dyn Facts, request: &'a Request) -> Result<Self> {
        let question = &request.question;
        let frame = Frame::new(facts, question)?;
        let sides = [request.before, request.after];
        let span = Period { start: sides[0].start.min(sides[1].start), end: sides[0].end.max(sides[1].end) };
        let segments = frame.segments_of(span, &sides);
        let selection = Selection { segments: &segments, metric: question.metric, filters: question.filters };
        let Known { sets, per_day, warnings } = known_sets(&frame, sides)?;
        let compared = Compared { frame: &frame, selection: &selection, include: request.include, sets: &sets };
        let attribution = Attribution::read(facts, compared)?;
        if attribution.cells.is_empty() {
            check_filters(facts, &selection)?;
            let error = Error::input("there is no data in these days").with_code(Code::NoData);
            return Err(error.hint(format!("the newest data is of {}", frame.as_of)));
        }
        let currency = single_currency(facts, &selection)?;
        let names = facts.account_names()?;
        Ok(Self { request, frame, names, attribution, currency, segments, sets, per_day, warnings })
    }

    /// Whether costs are a day's.
    pub(crate) fn is_per_day(&self) -> bool {
        self.per_day
    }

    /// The change below `path`, which the next level's members make up.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(crate) fn below(&self, facts: &dyn Facts, path: &[Filter]) -> Result<Below> {
        let (request, question) = (self.request, &self.request.question);
        let narrow = |attribution: Option<Attribution>, filter: &Filter| {
            attribution.as_ref().unwrap_or(&self.attribution).narrowed(&filter.dimension, &filter.value).or(attribution)
        };
        let narrowed = path.iter().fold(None, narrow);
        let attribution = narrowed.as_ref().unwrap_or(&self.attribution);
        let filters: Vec<Filter> = question.filters.iter().chain(path).cloned().collect();
        let selection = Selection { segments: &self.segments, metric: question.metric, filters: &filters };
        let is_fixed = |dimension: &&Dimension| is_fixed(&filters, dimension);
        let mut below = Below { change: attribution.total, members: None, causes: attribution.causes.clone() };
        for dimension in LEVELS.iter().filter(|dimension| !is_fixed(dimension)) {
            let compared =
                Compared { frame: &self.frame, selection: &selection, include: request.include, sets: &self.sets };
            let members = attribution.members_of(facts, compared, dimension, request.top, &self.names)?;
            // A level that the data does not have is skipped.
            if members.members.iter().any(|member| member.value != NONE) {
                below.members = Some(members);
                break;
            }
        }
        Ok(below)
    }
}

/// Whether there is something below a value of the dimension.
pub(crate) fn has_meters(dimension: &Dimension) -> bool {
    LEVELS.last() != Some(dimension)
}

/// The member that changed most.
fn strongest(members: &Members) -> Option<&Member> {
    let first = members.members.first()?;
    (first.change.change.abs() >= HALF_CENT && first.value != NONE).then_some(first)
}

/// What moved of the service on the path.
fn moves(attribution: &Attribution, path: &[Filter]) -> Vec<Move> {
    let service = path.iter().find(|filter| filter.dimension == Dimension::Service);
    let is_of = |moved: &&Move| service.is_some_and(|service| moved.service == service.value);
    attribution.moves.iter().filter(is_of).cloned().collect()
}
