//! One page for a team: what the last week cost, what moved and why, and how good the data is.

use chrono::{Days, NaiveDate};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Question,
    anomalies::{self, Finding},
    answer::{Answer, Header},
    budgets::{self, BudgetStatus},
    change::CauseShare,
    compare::{self, Comparison, Versus, just_before, month_periods},
    course::ChartDay,
    explain,
    forecast::{self, Asked, Forecast, Plan},
    group_filters, levels, request,
    trends::{self, HiddenByCredits},
    warning::Warning,
};
use crate::{
    analysis::detection::Parameters,
    error::{Error, Result},
    model::{Budget, ChargeCategory, Dimension, Granularity, GroupBy, Period, first_of_month, phrases},
    store::{Facts, Store},
};

/// Days of the week, of the chart, and of the findings that are shown.
const WEEK: u64 = 7;
const CHART_DAYS: u64 = 90;
const FINDING_DAYS: u64 = 14;

/// What the page is about.
#[derive(Clone, Debug)]
pub(crate) struct Request<'a> {
    pub question: Question<'a>,
    pub include: &'a [ChargeCategory],
    pub group_by: GroupBy,
    pub parameters: Parameters,
    /// Movers and findings to show by name.
    pub top: usize,
    /// Costs that somebody said would come.
    pub plans: &'a [Plan],
    pub budgets: &'a [Budget],
}

/// The page.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Overview {
    /// The last seven settled days and the seven before.
    pub week: Comparison,
    /// The month so far and the month before, by the day.
    pub month: Option<Comparison>,
    /// Where the month will end.
    pub month_end: Forecast,
    /// How budgets stand; none where none are configured.
    pub budgets: Vec<BudgetStatus>,
    /// The daily total.
    pub chart: Vec<ChartDay>,
    /// Of the last fourteen days, those with most at stake first.
    pub findings: Vec<ExplainedFinding>,
    /// Findings that are not shown.
    pub more_findings: usize,
    /// What of the data is missing or old.
    pub quality: Quality,
}

/// A finding with its cause.
#[derive(Debug, JsonSchema, Serialize)]
pub struct ExplainedFinding {
    pub finding: Finding,
    pub sentence: String,
    pub causes: Vec<CauseShare>,
    pub chart: Vec<ChartDay>,
}

/// What a reader should know of the data.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Quality {
    pub first_day: NaiveDate,
    pub newest_day: NaiveDate,
    /// Days that may still change.
    pub unsettled: Option<Period>,
    /// Days without any data among the ninety of the chart.
    pub missing: Vec<NaiveDate>,
    pub hidden_by_credits: Option<HiddenByCredits>,
}

/// Gathers the page.
///
/// # Errors
/// When there is too little data, it is of several currencies, or a filter names what is not there.
pub(crate) fn overview(facts: &dyn Facts, state: &Store, request: &Request) -> Result<Answer<Overview>> {
    let question = &request.question;
    let frame = super::Frame::new(facts, question)?;
    let settled = frame.settled_through;
    // Of a short history, the newer half.
    let known = frame.first_day().map_or(0, |first| (settled - first).num_days() + 1);
    let days = u64::try_from(known / 2).unwrap_or(0).min(WEEK);
    if days == 0 {
        return Err(
            Error::input("a page needs two settled days").hint("ingest more days, or name a later one with `--as-of`")
        );
    }
    let week = Period { start: settled - Days::new(days - 1), end: settled };
    let compared = |before: Period, after: Period| {
        let (group_by, include, top) = (request.group_by.clone(), request.include, request.top);
        compare::compare(facts, &compare::Request { question: *question, group_by, before, after, include, top })
    };
    let week = compared(just_before(week), week)?;
    let (before, after) = month_periods(first_of_month(settled), Versus::Previous, settled)?;
    let has_month = frame.first_day().is_some_and(|first| first <= before.start);
    let month = has_month.then(|| compared(before, after)).transpose()?;
    let month_end = forecast::forecast(
        facts,
        state,
        &forecast::Request {
            question: *question,
            include: request.include,
            group_by: request.group_by.clone(),
            // Of data that ends long ago, its last month.
            asked: Asked::Month(frame.as_of),
            plans: request.plans,
            top: request.top,
            detection: None,
        },
    )?;
    let budgets = budgets::budgets(
        facts,
        state,
        &budgets::Request {
            budgets: request.budgets,
            plans: request.plans,
            as_of: question.as_of,
            settle_days: question.settle_days,
            with_late: false,
        },
    )?;
    let judged = |from: NaiveDate, group_by: GroupBy| request::Request {
        question: *question,
        group_by,
        from: Some(from),
        to: Some(settled),
        include: request.include,
        sensitivity: None,
        parameters: request.parameters.clone(),
    };
    let first_day = frame.first_day().unwrap_or(settled);
    let from = (settled - Days::new(FINDING_DAYS - 1)).max(first_day);
    let mut found = levels::anomalies(facts, state, &judged(from, GroupBy(Vec::new())))?.answer.body.findings;
    let more_findings = found.len().saturating_sub(request.top);
    found.truncate(request.top);
    let findings = found.into_iter().map(|finding| explained(facts, request, finding)).collect::<Result<_>>()?;
    let chart_from = (settled - Days::new(CHART_DAYS - 1)).max(first_day);
    let scores = anomalies::scores(facts, &judged(chart_from, GroupBy(Vec::new())))?;
    let chart = scores.scores.iter().map(|score| ChartDay {
        date: score.date,
        cost: score.cost,
        expected: score.expected,
        flagged: score.flagged,
    });
    let chart = chart.collect();
    let costs = trends::trends(
        facts,
        &trends::Request {
            question: *question,
            from: Some(chart_from),
            to: Some(settled),
            days: 1,
            granularity: Granularity::Monthly,
            group_by: GroupBy(vec![Dimension::Service]),
            top: 1,
            include: request.include,
        },
    )?;
    let charted = Period { start: chart_from, end: settled };
    let segments = frame.segments(charted);
    let unsettled = Period { start: settled + Days::new(1), end: frame.as_of };
    let not_known = |warning: &Warning| matches!(warning, Warning::BudgetNotKnown { .. });
    let mut header = Header {
        sources: week.header.sources.clone(),
        currency: week.header.currency.clone(),
        ..frame.header(facts, question, &segments, &[charted])?
    };
    header.warnings.extend(budgets.header.warnings.into_iter().filter(not_known));
    let body = Overview {
        quality: Quality {
            first_day,
            newest_day: frame.as_of,
            unsettled: (unsettled.start <= unsettled.end).then_some(unsettled),
            missing: frame.missing(charted).into_iter().collect(),
            hidden_by_credits: costs.body.hidden_by_credits,
        },
        week: week.body,
        month: month.map(|month| month.body),
        month_end: month_end.body,
        budgets: budgets.body.budgets,
        chart,
        findings,
        more_findings,
    };
    Ok(Answer { header, body })
}

/// A finding with what explains it; of a move of many groups, and where the explanation fails, with its own reasons.
fn explained(facts: &dyn Facts, request: &Request, finding: Finding) -> Result<ExplainedFinding> {
    let group: Vec<(Dimension, String)> = finding
        .group
        .iter()
        .map(|(dimension, value)| Ok((dimension.parse()?, value.as_str().unwrap_or_default().to_owned())))
        .collect::<Result<_>>()?;
    let filters = group_filters(request.question.filters, group);
    let asked = explain::Request {
        question: Question { filters: &filters, ..request.question },
        include: request.include,
        parameters: request.parameters.clone(),
        date: Some(finding.peak_date),
        incident: None,
        top: 3,
        also: &[],
    };
    let explained = if finding.groups == 1 { explain::explain(facts, &asked).ok() } else { None };
    Ok(match explained {
        Some(explained) => {
            let explained = explained.body;
            ExplainedFinding { sentence: explained.sentence, causes: explained.causes, chart: explained.chart, finding }
        }
        None => {
            ExplainedFinding { sentence: phrases(&finding.reasons), causes: Vec::new(), chart: Vec::new(), finding }
        }
    })
}
