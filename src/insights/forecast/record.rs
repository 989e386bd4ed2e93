//! What was forecast before: of this period, and of the one before, of which it is known by now how right it was.

use chrono::Days;
use serde_json::json;

use super::{
    answer::{CheckedForecast, EarlierForecast, Forecast},
    intervals::{Interval, LEVELS},
    request::{Request, period_before},
};
use crate::{
    analysis::forecast::Span,
    error::Result,
    insights::answer::Answer,
    store::{Store, forecasts::Made},
};

/// A forecast of the same day of the period before is looked for among so many days.
const AROUND: u64 = 3;

/// The question of a forecast as one text of the database.
pub(crate) fn scope(request: &Request) -> String {
    let mut filters: Vec<String> = request.question.filters.iter().map(ToString::to_string).collect();
    filters.sort();
    json!({
        "metric": request.question.metric,
        "charge_categories": request.include.iter().map(|category| category.as_str()).collect::<Vec<_>>(),
        "filters": filters,
        "data_source": request.question.source,
    })
    .to_string()
}

/// A forecast as it is kept.
pub(crate) fn made(request: &Request, answer: &Answer<Forecast>) -> Made {
    let ends = |level: f64| answer.total.interval(level).map(|interval| (interval.low, interval.high));
    let [half, likely] = LEVELS.map(ends);
    Made {
        made_on: request.question.as_of,
        scope: scope(request),
        period: answer.period,
        known_through: answer.known_through,
        currency: answer.header.currency().to_owned(),
        to_date: answer.total.to_date,
        expected: answer.total.expected,
        half,
        likely,
    }
}

/// The forecasts of a period that were made before today, and the one of the period before that was made on the same day of it.
pub(super) fn record(
    state: &Store,
    request: &Request,
    span: Span,
    currency: &str,
    before: Option<f64>,
) -> Result<(Vec<EarlierForecast>, Option<CheckedForecast>)> {
    let today = request.question.as_of;
    let mut made = state.forecasts(&scope(request))?;
    made.retain(|one| one.currency == currency && one.made_on < today);
    let earlier = |one: &Made| EarlierForecast {
        made_on: one.made_on,
        expected: one.expected,
        interval: one.likely.map(|(low, high)| Interval { level: LEVELS[1], low, high }),
    };
    let of_this = made.iter().filter(|one| one.period == span.period).map(earlier).collect();
    let last = period_before(span);
    let same_day = last.start + (today - span.period.start);
    let near = |one: &&Made| {
        one.period == last && one.made_on + Days::new(AROUND) >= same_day && one.made_on <= same_day + Days::new(AROUND)
    };
    let nearest = made.iter().filter(near).min_by_key(|one| (one.made_on - same_day).num_days().abs());
    let checked = nearest.zip(before).map(|(one, actual)| {
        let forecast = earlier(one);
        CheckedForecast {
            forecast,
            period: last,
            actual,
            error_pct: (actual.abs() >= 0.01).then(|| (one.expected - actual) / actual.abs() * 100.0),
            within: forecast.interval.map(|interval| (interval.low..=interval.high).contains(&actual)),
        }
    });
    Ok((of_this, checked))
}
