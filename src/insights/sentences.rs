//! A change in one sentence that can be read aloud, made from the figures of its answer.

use super::{
    change::{CauseShare, Change, Members, MeterChange, cause_words},
    compare::{Comparison, Mover, Side},
    course::CourseState,
    explanation::Explanation,
};
use crate::{
    analysis::attribution::{Cause, Move, without_region},
    inert,
    model::{Dimension, grouped, money},
    store::queries::NONE,
};

/// A contributor is named alone when it makes at least this share of a change.
const MOST_OF_IT: f64 = 50.0;
/// Beyond this, others make up for a good part of it, and it does not tell the change.
const ALONE: f64 = 120.0;
/// What goes up and down together is so many times what is left of it.
const MUCH_OF_BOTH: f64 = 3.0;

/// What happened, why, and whether it goes on, on one line.
pub(crate) fn explanation(found: &Explanation, currency: &str) -> String {
    inert::one_line(&explained(found, currency)).into_owned()
}

fn explained(found: &Explanation, currency: &str) -> String {
    let level = |amount: f64| money(amount, currency);
    let money = |amount: f64| money(amount.abs(), currency);
    let more = |change: f64| if change < 0.0 { "less" } else { "more" };
    let subject = subject(found);
    let (course, change) = (&found.course, found.change);
    let percent = change.change_pct.map_or(String::new(), |percent| format!(" ({percent:+.0} %)"));
    let nothing = change.after.abs() < super::change::HALF_CENT;
    let cost = if nothing { "nothing".to_owned() } else { level(change.after) };
    let mut text = if course.days == 1 {
        let than = match change.change.abs() < super::change::HALF_CENT {
            true => "as much as".to_owned(),
            false => format!("{} {}{percent} than", money(change.change), more(change.change)),
        };
        format!("{subject} cost {cost} on {}, {than} such days before", course.start_date)
    } else {
        let a_day = if nothing { "" } else { " a day" };
        let span = match course.state {
            CourseState::GoesOn => format!("has cost {cost}{a_day} since {}", course.start_date),
            _ => format!("cost {cost}{a_day} from {} to {}", course.start_date, course.last_date),
        };
        format!("{subject} {span}, {} a day {}{percent} than before", money(change.change), more(change.change))
    };
    if course.state == CourseState::NotFlagged {
        text += ", which is not flagged";
    }
    if let Some(moved) = moved(found, currency) {
        text += &format!("; {moved}");
    } else {
        if let Some(cause) = cause(&found.causes, found.change, found.main_meter.as_ref()) {
            text += &format!("; {cause}");
        }
        if let Some(place) = place(&found.contributors) {
            text += &format!(", {place}");
        }
    }
    let at_this_level = |month: f64| {
        format!("{} a month {} at the {} a day of its newest days", money(month), more(month), level(course.recent))
    };
    text += &match (course.state, course.per_month) {
        (CourseState::Stayed, Some(month)) => format!(". It stayed: {}", at_this_level(month)),
        (CourseState::GoesOn, Some(month)) if course.days > 1 => format!(". It goes on: {}", at_this_level(month)),
        (CourseState::GoesOn, _) => ". It is of the newest settled day: whether it goes on is not known yet".to_owned(),
        (CourseState::Over, _) => {
            format!(". It is over{}", course.over_since.map_or(String::new(), |day| format!(" since {day}")))
        }
        _ => String::new(),
    };
    text + "."
}

/// What changed between two periods, on one line.
pub(crate) fn comparison(compared: &Comparison, currency: &str) -> String {
    inert::one_line(&compare(compared, currency)).into_owned()
}

fn compare(compared: &Comparison, currency: &str) -> String {
    let level = |amount: f64| money(amount, currency);
    let money = |amount: f64| money(amount.abs(), currency);
    let total = compared.total;
    let a_day = if compared.per_day { " a day" } else { "" };
    let (after, before) = (&compared.after, &compared.before);
    let mut text = format!("{} cost {}{a_day}, ", days(after), level(total.after));
    if total.change.abs() < super::change::HALF_CENT {
        return text + &format!("as much as {}.", days(before));
    }
    let percent = total.change_pct.map_or(String::new(), |percent| format!(" ({percent:+.1} %)"));
    let more = if total.change < 0.0 { "less" } else { "more" };
    text += &format!("{}{percent} {more} than {}", money(total.change), days(before));
    // Where much goes up and much goes down, what is left of both tells nothing.
    if compared.increases - compared.decreases > MUCH_OF_BOTH * total.change.abs() {
        let largest = |sign: f64| {
            let mover = compared.movers.iter().find(|mover| mover.change.change * sign > 0.0);
            mover.map_or(String::new(), |mover| {
                format!(" (most of all {} by {})", name(mover), money(mover.change.change))
            })
        };
        let (up, down) = (money(compared.increases), money(compared.decreases));
        return text + &format!(": {up} up{}, {down} down{}.", largest(1.0), largest(-1.0));
    }
    if let Some(cause) = cause(&compared.causes, total, None) {
        text += &format!("; {cause}");
    }
    let first = compared.movers.iter().find(|mover| mover.change.change * total.change > 0.0);
    if let Some(first) =
        first.filter(|first| first.share_pct.is_some_and(|share| (MOST_OF_IT..=ALONE).contains(&share)))
    {
        text += &format!(", {} {}", percent_of(first.share_pct), name(first));
    }
    text + "."
}

/// The days of a side.
fn days(side: &Side) -> String {
    if side.start == side.end { side.start.to_string() } else { format!("{} to {}", side.start, side.end) }
}

fn name(mover: &Mover) -> String {
    let values: Vec<&str> = mover.group.values().filter_map(|value| value.as_str()).collect();
    mover.account_name.clone().unwrap_or_else(|| values.join(" / "))
}

fn subject(found: &Explanation) -> String {
    let mut values = Vec::new();
    for one in &found.subject {
        let value = one.name.clone().unwrap_or_else(|| one.value.clone());
        values.push(if one.negated { format!("all but {value}") } else { value });
    }
    if values.is_empty() { "The whole bill".into() } else { values.join(" in ") }
}

/// The largest move, where it is the main cause or more than what is left of both its ends.
fn moved(found: &Explanation, currency: &str) -> Option<String> {
    let size = |moved: &Move| moved.dollars.max(moved.before);
    let largest = found.moves.iter().max_by(|a, b| size(a).total_cmp(&size(b)))?;
    let main = found.causes.iter().find(|share| share.change * found.change.change > 0.0);
    let is_main = main.is_some_and(|share| share.cause == Cause::Moved);
    if !is_main && size(largest) <= found.change.change.abs() {
        return None;
    }
    let accounts = found.contributors.iter().find(|members| members.dimension == Dimension::Account);
    let names = |places: &[(String, String)]| {
        let name = |(account, region): &(String, String)| {
            let known = accounts.and_then(|members| members.members.iter().find(|one| one.value == *account));
            format!("{} in {region}", known.and_then(|one| one.name.as_deref()).unwrap_or(account))
        };
        places.iter().map(name).collect::<Vec<_>>().join(" and ")
    };
    let dollars = money(size(largest), currency);
    Some(format!("{dollars} a day moved from {} to {}", names(&largest.from), names(&largest.to)))
}

/// The largest cause in the direction of the change, with what it rests on.
fn cause(causes: &[CauseShare], change: Change, meter: Option<&MeterChange>) -> Option<String> {
    if change.change.abs() < super::change::HALF_CENT {
        return None;
    }
    let main = causes.iter().find(|share| share.change * change.change > 0.0)?;
    if main.cause == Cause::Unknown {
        return None;
    }
    let mut text = format!("{} is {}", percent_of(main.share_pct), cause_words(main.cause));
    if let (Cause::Usage | Cause::Price | Cause::New | Cause::Gone | Cause::Mix, Some(meter)) = (main.cause, meter)
        && let (Some(before), Some(after)) = (meter.quantity_before, meter.quantity_after)
    {
        let usage_type = without_region(&meter.usage_type);
        text += &format!(" (`{usage_type}`: {} to {} {} a day", number(before), number(after), meter.unit);
        if main.cause == Cause::Price
            && let (Some(before), Some(after)) = (meter.price_before, meter.price_after)
        {
            text += &format!(" at {} instead of {} each", number(after), number(before));
        }
        text += ")";
    }
    Some(text)
}

/// Where most of it is: the most telling place that carries it alone.
fn place(contributors: &[Members]) -> Option<String> {
    let alone = |dimension: &Dimension| {
        let members = contributors.iter().find(|members| members.dimension == *dimension)?;
        let first = members.members.first()?;
        // One of one is no finding.
        let is_one_of_some = members.members.len() + members.others > 1;
        let carries = first.share_pct.is_some_and(|share| (MOST_OF_IT..=ALONE).contains(&share));
        let value = first.name.clone().unwrap_or_else(|| first.value.clone());
        (is_one_of_some && carries && first.value != NONE && !value.is_empty())
            .then(|| format!("{} in {value}", percent_of(first.share_pct)))
    };
    [Dimension::Resource, Dimension::Account, Dimension::Service, Dimension::Region].iter().find_map(alone)
}

fn percent_of(share: Option<f64>) -> String {
    match share {
        Some(share) if share >= 100.5 => "more than all of it".into(),
        Some(share) if share > 99.5 => "all of it".into(),
        Some(share) => format!("{share:.0} % of it"),
        None => "most of it".into(),
    }
}

/// Four digits that matter, without an exponent.
pub(crate) fn number(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 1000.0 || size == 0.0 => 0,
        size => (3 - size.log10().floor() as i32).clamp(0, 12) as usize,
    };
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { grouped(&text) }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_have_four_digits_that_matter() {
        assert_eq!(number(0.000_016_666_7), "0.00001667");
        assert_eq!(number(12.0), "12");
        assert_eq!(number(123.456), "123.5");
        assert_eq!(number(1_234_567.8), "1,234,568");
        assert_eq!(number(0.0), "0");
    }
}
