//! An explanation as text.

use super::{
    Format, Page, Style, chart, csv, json,
    table::{Column, Table},
    units::{change, money, percent},
};
use chrono::NaiveDate;

use crate::{
    analysis::attribution::{Cause, Move},
    error::Result,
    inert,
    insights::{
        answer::Answer,
        change::cause_words,
        change::{CauseShare, Change, HALF_CENT, Members, share as share_of},
        course::CourseState,
        explanation::Explanation,
        sentences::number,
    },
    model::Dimension,
};

/// Moves to tell, and the dollars from which one is worth a line.
const MOST_MOVES: usize = 3;
const LEAST_MOVE: f64 = 0.5;

pub(crate) fn render(found: &Answer<Explanation>, format: Format, style: Style) -> Result<String> {
    match format {
        Format::Json => json(found),
        Format::Csv => contributors_csv(found),
        Format::Table => {
            let plain = chart::terminal(&found.chart, found.header.currency(), style.width);
            Ok(text(found, &plain, Page::Terminal(style)))
        }
        Format::Markdown => {
            let plain = format!("```text\n{}```\n", chart::terminal(&found.chart, found.header.currency(), Some(80)));
            Ok(text(found, &plain, Page::Markdown))
        }
    }
}

fn text(found: &Answer<Explanation>, chart: &str, page: Page) -> String {
    let mut text = page.prose(&format!("{}\n", found.sentence));
    if let Some(words) = &found.model_text {
        text += &page.prose(&format!("\n{words}\n"));
    }
    text += &format!("\n{chart}\n");
    text += &page.prose(&baseline(found));
    text += &page.prose(&course(found));
    text += &format!(
        "\nwhy, a day: {} to {}\n",
        money(found.change.before, found.header.currency()),
        money(found.change.after, found.header.currency())
    );
    text += &page.table(&causes(&found.causes, found.change, found.header.currency()));
    text += &page.prose(&moves(&found.moves, found.header.currency()));
    // A dimension with one value says where, not which.
    let (alone, several): (Vec<&Members>, Vec<&Members>) =
        found.contributors.iter().partition(|members| members.members.len() == 1 && members.others == 0);
    let places = alone.iter().flat_map(|members| members.members.iter().map(|one| (&members.dimension, one)));
    let places: Vec<String> =
        places.map(|(dimension, one)| format!("{dimension} {}", one.name.as_deref().unwrap_or(&one.value))).collect();
    if !places.is_empty() {
        text += &page.prose(&format!("\nall of it in {}\n", inert::one_line(&places.join(", "))));
    }
    for members in several {
        let carried = match (members.carried_by, members.members.len() + members.others) {
            (Some(few), all) if few < all => format!(", carried by {few} of {all}"),
            _ => String::new(),
        };
        text += &format!("\n{}", page.line(&format!("by {}{carried}", members.dimension)));
        text += &page.table(&members_table(members, found.change, found.course.start_date, found.header.currency()));
    }
    if found.meters.iter().any(|meter| meter.quantity_before.is_some() || meter.quantity_after.is_some()) {
        text += "\nquantities and unit prices, a day\n";
        text += &page.table(&meters(found));
    }
    for excluded in &found.excluded_charges {
        text += &page.prose(&format!(
            "\nnot in the total: {} {} a day, {} before (`--include`)\n",
            excluded.charge_category,
            money(excluded.change.after, found.header.currency()),
            money(excluded.change.before, found.header.currency())
        ));
    }
    if !found.next.is_empty() {
        text += "\nwhere to look next\n";
    }
    for step in &found.next {
        text += &page.own(&format!("- {} ({})\n", step.what, step.source));
        text += &page.command(&step.command);
    }
    for unknown in &found.unknown {
        text += &page.prose(&format!("\nnot known: {}\n", inert::one_line(unknown)));
    }
    text
}

fn baseline(found: &Answer<Explanation>) -> String {
    let money = |amount: f64| money(amount, found.header.currency());
    let baseline = &found.baseline;
    let mut text = format!("{}: {}", baseline.peak_date, money(baseline.actual));
    if let Some(expected) = baseline.expected {
        text += &format!(", expected {}", money(expected));
    }
    if let (Some(low), Some(high)) = (baseline.low, baseline.high) {
        text += &format!(" ({} to {})", money(low), money(high));
    }
    if let Some(score) = baseline.score {
        let verdict = if baseline.flagged { "flagged" } else { "not flagged" };
        text += &format!(", score {score:.1}, {verdict}");
    }
    if let Some(reason) = &baseline.not_flagged {
        text += &format!(": {reason}");
    }
    text.push('\n');
    let mut earlier = Vec::new();
    if let (Some(median), Some(mad)) = (baseline.median, baseline.mad) {
        earlier.push(format!("median of the {} days before {}, MAD {}", baseline.days, money(median), money(mad)));
    }
    if let Some(cost) = baseline.same_weekday {
        earlier.push(format!("same weekday {}", money(cost)));
    }
    if let Some(cost) = baseline.last_month_same_day {
        earlier.push(format!("same day last month {}", money(cost)));
    }
    if !earlier.is_empty() {
        text += &format!("{}\n", earlier.join(", "));
    }
    for reason in &baseline.reasons {
        text += &format!("because: {}\n", inert::one_line(&reason.to_string()));
    }
    text
}

fn course(found: &Answer<Explanation>) -> String {
    let course = &found.course;
    let since =
        course.start_hour.map_or(course.start_date.to_string(), |hour| hour.format("%Y-%m-%d %H:00 UTC").to_string());
    let days = if course.days == 1 { "1 day".to_owned() } else { format!("{} days", course.days) };
    let month = course.per_month.map_or(String::new(), |month| {
        format!(
            "; {} a month at {} a day",
            change(month, found.header.currency()),
            money(course.recent, found.header.currency())
        )
    });
    let state = match course.state {
        CourseState::GoesOn => format!("goes on{month}"),
        CourseState::Stayed => format!("has stayed{month}"),
        CourseState::Over => {
            format!("over since {}", course.over_since.unwrap_or(course.last_date + chrono::Days::new(1)))
        }
        CourseState::NotFlagged => "no finding".to_owned(),
    };
    format!("since {since}, {days}, {} so far, {state}\n", change(course.so_far, found.header.currency()))
}

/// What a cause is called.
pub(crate) fn cause_name(cause: Cause) -> &'static str {
    cause_words(cause)
}

/// A quantity or a unit price: four digits that matter.
pub(crate) fn quantity(value: f64) -> String {
    number(value)
}

/// The largest cause in the direction of the change, in words.
pub(crate) fn main_cause(found: &Explanation) -> String {
    let main = found.causes.iter().find(|share| share.change * found.change.change > 0.0);
    main.map_or(String::new(), |share| match telling(share.share_pct) {
        Some(percent) if percent < 99.5 => format!("{percent:.0} % {}", cause_words(share.cause)),
        _ => cause_words(share.cause).to_owned(),
    })
}

/// Dollars by cause, with their sum.
pub(crate) fn causes(causes: &[CauseShare], total: Change, currency: &str) -> Table {
    let mut table = Table::new(vec![Column::name("cause"), Column::number("change"), Column::number("share").rank(1)]);
    for share in causes.iter().filter(|share| share.change.abs() >= HALF_CENT) {
        table.row(vec![
            cause_words(share.cause).into(),
            change(share.change, currency),
            percent(share.share_pct, false),
        ]);
    }
    let all = Some(100.0).filter(|_| total.change.abs() >= 0.01);
    table.row(vec!["all".into(), change(total.change, currency), percent(all, false)]);
    table
}

/// Shares of a change that others nearly cancel say nothing.
fn telling(share: Option<f64>) -> Option<f64> {
    share.filter(|share| share.abs() <= 200.0)
}

/// Members of a dimension with what is left, which add up to the change.
/// What was first charged before `since` is not new but back.
pub(crate) fn members_table(members: &Members, total: Change, since: NaiveDate, currency: &str) -> Table {
    let mut table = Table::new(vec![
        Column::name(members.dimension.to_string()),
        Column::number("before"),
        Column::number("after"),
        Column::number("change"),
        Column::number("share").rank(1),
        Column::name("").rank(2),
    ]);
    let cells = |name: String, of: Change, share: Option<f64>, status: String| {
        vec![
            name,
            money(of.before, currency),
            money(of.after, currency),
            change(of.change, currency),
            percent(telling(share), false),
            status,
        ]
    };
    for member in &members.members {
        let name = match &member.name {
            Some(name) => format!("{} ({name})", member.value),
            None => member.value.clone(),
        };
        let mut status = member.status.name().to_owned();
        match member.first_day {
            Some(first) if first < since => status = format!("back, first charge {first}"),
            Some(first) => status += &format!(", first charge {first}"),
            None => {}
        }
        if !member.tags.is_empty() {
            status += &format!(", {}", member.tags.join(" "));
        }
        table.row(cells(name, member.change, member.share_pct, status));
    }
    let rest = members.remainder;
    if members.others > 0 || rest.change.abs() >= HALF_CENT {
        let share = share_of(rest.change, total.change);
        table.row(cells(format!("{} others", members.others), rest, share, String::new()));
    }
    table
}

/// The largest moves in words, a line each.
pub(crate) fn moves(moves: &[Move], currency: &str) -> String {
    let worth = |moved: &&Move| moved.dollars.max(moved.before) >= LEAST_MOVE;
    let mut shown: Vec<&Move> = moves.iter().filter(worth).collect();
    shown.sort_by(|a, b| b.dollars.max(b.before).total_cmp(&a.dollars.max(a.before)));
    let more = shown.len().saturating_sub(MOST_MOVES);
    let mut text: String = shown
        .iter()
        .take(MOST_MOVES)
        .map(|moved| format!("{}\n", inert::one_line(&moved_words(moved, currency))))
        .collect();
    if more > 0 {
        text += &format!("and {more} smaller moves\n");
    }
    text
}

fn moved_words(moved: &Move, currency: &str) -> String {
    let places = |places: &[(String, String)]| {
        places.iter().map(|(account, region)| format!("{account} {region}")).collect::<Vec<_>>().join(", ")
    };
    let text = format!(
        "moved: {} {} from {} ({}) to {} ({})",
        moved.service,
        moved.usage_type,
        places(&moved.from),
        money(moved.before, currency),
        places(&moved.to),
        money(moved.dollars, currency)
    );
    inert::one_line(&text).into_owned()
}

fn meters(found: &Answer<Explanation>) -> Table {
    let mut table = Table::new(vec![
        Column::name("usage type"),
        Column::name("operation").rank(4),
        Column::name("account").rank(5),
        Column::number("change").rank(1),
        Column::number("quantity before"),
        Column::number("after"),
        Column::name("unit").rank(2),
        Column::number("price before").rank(3),
        Column::number("after").rank(3),
    ]);
    let shown = |value: Option<f64>| value.map_or("-".into(), number);
    for meter in &found.meters {
        table.row(vec![
            meter.usage_type.clone(),
            meter.operation.clone(),
            meter.account.clone(),
            change(meter.change.change, found.header.currency()),
            shown(meter.quantity_before),
            shown(meter.quantity_after),
            meter.unit.clone(),
            shown(meter.price_before),
            shown(meter.price_after),
        ]);
    }
    table
}

/// One row for each contributor, and one for what is left of each dimension.
fn contributors_csv(found: &Answer<Explanation>) -> Result<String> {
    let header =
        ["dimension", "value", "name", "before", "after", "change", "share_pct", "status", "first_day", "currency"];
    let optional = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
    let rows = found.contributors.iter().flat_map(|members| {
        let row = |dimension: &Dimension,
                   value: String,
                   name: String,
                   of: Change,
                   share: Option<f64>,
                   status: &str,
                   first: String| {
            vec![
                dimension.to_string(),
                value,
                name,
                of.before.to_string(),
                of.after.to_string(),
                of.change.to_string(),
                optional(share),
                status.to_owned(),
                first,
                found.header.currency().to_owned(),
            ]
        };
        let shown = members.members.iter().map(move |member| {
            let first = member.first_day.map_or(String::new(), |day| day.to_string());
            let name = member.name.clone().unwrap_or_default();
            row(
                &members.dimension,
                member.value.clone(),
                name,
                member.change,
                member.share_pct,
                member.status.name(),
                first,
            )
        });
        let rest = (members.others > 0).then(|| {
            let share = share_of(members.remainder.change, found.change.change);
            row(&members.dimension, String::new(), String::new(), members.remainder, share, "others", String::new())
        });
        shown.chain(rest)
    });
    csv(&header.map(str::to_owned), rows)
}
