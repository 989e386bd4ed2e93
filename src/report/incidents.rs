//! The ledger as text.

use super::{
    Format, Page, Style, csv, json, plain,
    table::{Column, Table},
    units::{change, money},
};
use crate::{
    error::Result,
    inert,
    insights::{
        answer::Answer,
        incidents::{Incidents, Shown},
    },
    model::{Kind, State, TriageState, Triaged, phrases},
};

pub(crate) fn render(incidents: &Answer<Incidents>, format: Format, style: Style) -> Result<String> {
    match format {
        Format::Json => json(incidents),
        Format::Csv => to_csv(incidents),
        Format::Table if incidents.incidents.is_empty() => Ok("No incidents\n".into()),
        Format::Table => Ok(table(&incidents.incidents).render(style)),
        Format::Markdown => Ok(table(&incidents.incidents).markdown()),
    }
}

/// One incident with its history.
pub(crate) fn render_one(shown: &Answer<Shown>, format: Format, style: Style) -> Result<String> {
    if format == Format::Json {
        return json(shown);
    }
    let incident = &shown.incident;
    let mut history = Table::new(vec![
        Column::name("judged"),
        Column::name("event"),
        Column::name("what").rank(1),
        Column::name("severity").rank(1),
        Column::name("last flagged"),
        Column::number("impact"),
        Column::number("in all"),
        Column::number("score").rank(2),
    ]);
    for event in shown.history.iter().flatten() {
        history.row(vec![
            event.seen_on.to_string(),
            event.event.to_string(),
            event.kind.name().replace('_', " "),
            event.severity.to_string(),
            event.last_date.to_string(),
            change(event.impact, &incident.currency),
            change(event.impact_total, &incident.currency),
            format!("{:.1}", event.score),
        ]);
    }
    if format == Format::Csv {
        return to_csv_of(std::slice::from_ref(shown));
    }
    let who = shown.subject();
    let triage = shown.triage.as_ref().filter(|_| incident.state == State::Open).map(|triage| triage.state.name());
    let state = triage.unwrap_or(incident.state.name());
    let mut text = format!("{} {}: {}, {}, {state}\n", incident.id, who, what(shown), incident.severity.name());
    text += &format!(
        "from {} to {}, {} of {} days flagged, most on {}: {} instead of {}\n",
        incident.start_date,
        incident.last_date,
        incident.flagged_days,
        shown.days,
        incident.peak_date,
        money(incident.actual, &incident.currency),
        money(incident.expected, &incident.currency)
    );
    text += &format!("{} in all so far\n", change(incident.impact_total, &incident.currency));
    text += &format!(
        "{} ({}, threshold {:.1}, version {})\n",
        inert::one_line(&phrases(&incident.reasons)),
        inert::one_line(&incident.scope.to_string()),
        incident.threshold,
        inert::one_line(&incident.program)
    );
    if let Some(triage) = &shown.triage {
        let until = triage.until.map_or(String::new(), |until| format!(" until {until}"));
        let by = if triage.triaged_by.is_empty() { String::new() } else { format!(" by {}", triage.triaged_by) };
        let reason = if triage.reason.is_empty() { String::new() } else { format!(": {}", triage.reason) };
        let said = format!("{}{until}{by} on {}{reason}", triage.state.name(), triage.triaged_at.date());
        text += &format!("{}\n", inert::one_line(&said));
    }
    let page = if format == Format::Markdown { Page::Markdown } else { Page::Terminal(style) };
    Ok(page.prose(&text) + "\n" + &page.table(&history))
}

/// How the cost moved.
pub(crate) fn what(shown: &Shown) -> String {
    let incident = &shown.incident;
    match incident.kind {
        Kind::Moved => incident.kind.name().to_owned(),
        kind => format!("{} {}", kind.name().replace('_', " "), incident.direction.name()),
    }
}

/// How it stands, and until when.
pub(crate) fn state_words(shown: &Shown) -> String {
    let incident = &shown.incident;
    match incident.state {
        State::Open => match &shown.triage {
            Some(Triaged { state: TriageState::Snoozed, until: Some(until), .. }) => format!("snoozed until {until}"),
            Some(triage) => triage.state.name().to_owned(),
            None => "open".to_owned(),
        },
        state => format!("{} {}", state.name(), incident.closed_on.map_or(String::new(), |day| day.to_string())),
    }
}

fn table(incidents: &[Shown]) -> Table {
    let mut table = Table::new(vec![
        Column::name("id"),
        Column::name("state"),
        Column::name("severity").rank(4),
        Column::name("since"),
        Column::number("days").rank(2),
        Column::name("of").rank(7),
        Column::name("who"),
        Column::name("what").rank(1),
        Column::number("a day").rank(3),
        Column::number("in all"),
        Column::number("score").rank(6),
        Column::name("last flagged").rank(5),
    ]);
    for shown in incidents {
        let incident = &shown.incident;
        let state = state_words(shown);
        table.row(vec![
            incident.id.clone(),
            state,
            incident.severity.name().to_owned(),
            incident.start_date.to_string(),
            shown.days.to_string(),
            incident.group_by.to_string(),
            shown.subject(),
            what(shown),
            change(incident.impact, &incident.currency),
            change(incident.impact_total, &incident.currency),
            format!("{:.1}", incident.score),
            incident.last_date.to_string(),
        ]);
    }
    table
}

fn to_csv(incidents: &Incidents) -> Result<String> {
    to_csv_of(&incidents.incidents)
}

fn to_csv_of(incidents: &[Shown]) -> Result<String> {
    let header = [
        "id",
        "state",
        "kind",
        "direction",
        "severity",
        "group_by",
        "group",
        "start_date",
        "peak_date",
        "last_date",
        "opened_on",
        "seen_on",
        "closed_on",
        "actual",
        "expected",
        "impact",
        "impact_total",
        "at_stake",
        "score",
        "currency",
        "method",
        "threshold",
        "scope",
        "reasons",
        "triage",
        "until",
        "triaged_by",
        "triage_reason",
    ];
    let rows = incidents.iter().map(|shown| {
        let incident = &shown.incident;
        let group: Vec<String> = shown.group.values().map(plain).collect();
        vec![
            incident.id.clone(),
            incident.state.name().into(),
            incident.kind.name().to_owned(),
            incident.direction.name().to_owned(),
            incident.severity.name().to_owned(),
            incident.group_by.to_string(),
            group.join("+"),
            incident.start_date.to_string(),
            incident.peak_date.to_string(),
            incident.last_date.to_string(),
            incident.opened_on.to_string(),
            incident.seen_on.to_string(),
            incident.closed_on.map_or(String::new(), |day| day.to_string()),
            incident.actual.to_string(),
            incident.expected.to_string(),
            incident.impact.to_string(),
            incident.impact_total.to_string(),
            incident.at_stake.to_string(),
            incident.score.to_string(),
            incident.currency.clone(),
            incident.scope.method.name().to_owned(),
            incident.threshold.to_string(),
            incident.scope.to_string(),
            phrases(&incident.reasons),
            shown.triage.as_ref().map_or("", |triage| triage.state.name()).to_owned(),
            shown.triage.as_ref().and_then(|triage| triage.until).map_or(String::new(), |until| until.to_string()),
            shown.triage.as_ref().map_or(String::new(), |triage| triage.triaged_by.clone()),
            shown.triage.as_ref().map_or(String::new(), |triage| triage.reason.clone()),
        ]
    });
    csv(&header.map(str::to_owned), rows)
}
