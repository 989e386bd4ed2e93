//! Findings and scores as text.

use std::collections::BTreeMap;

use comfy_table::Color;

use super::{
    Format, Page, Style, csv, json, plain,
    table::{Column, Table},
    units::{self, change, money, percent},
};
use crate::{
    error::Result,
    inert,
    insights::{
        anomalies::{Anomalies, Finding, Scores},
        answer::Answer,
        group_names,
    },
    model::{Direction, Kind, Severity, phrases},
};

/// For people the first `top` findings, 0 for all; for programs always all.
pub(crate) fn render(anomalies: &Answer<Anomalies>, top: usize, format: Format, style: Style) -> Result<String> {
    let shown = match top {
        0 => anomalies.findings.len(),
        top => top.min(anomalies.findings.len()),
    };
    match format {
        Format::Json => json(anomalies),
        Format::Csv => findings_csv(anomalies),
        Format::Table => Ok(text(anomalies, shown, Page::Terminal(style))),
        Format::Markdown => Ok(text(anomalies, shown, Page::Markdown)),
    }
}

/// Scores are rows for programs: JSON, else CSV.
pub(crate) fn render_scores(scores: &Answer<Scores>, format: Format) -> Result<String> {
    if format == Format::Json {
        return json(scores);
    }
    let mut header = vec!["date".to_owned()];
    header.extend(scores.group_by.0.iter().map(ToString::to_string));
    header.extend(["cost", "expected", "score", "direction", "flagged", "kind", "low", "high"].map(str::to_owned));
    let number = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
    let rows = scores.scores.iter().map(|score| {
        let mut row = vec![score.date.to_string()];
        row.extend(score.group.values().map(plain));
        row.extend([
            score.cost.to_string(),
            number(score.expected),
            number(score.score),
            score.direction.map_or("", Direction::name).into(),
            score.flagged.to_string(),
            score.kind.map_or("", |kind| kind.name()).into(),
            number(score.low),
            number(score.high),
        ]);
        row
    });
    csv(&header, rows)
}

fn text(anomalies: &Answer<Anomalies>, shown: usize, page: Page) -> String {
    let judged = if anomalies.judged.days() == 1 {
        format!("on {}", anomalies.judged.end)
    } else {
        format!("from {} to {}", anomalies.judged.start, anomalies.judged.end)
    };
    let levels = anomalies.levels.as_ref().map_or(String::new(), |levels| format!(" at {} levels", levels.len()));
    let basis = format!(
        "{} series{levels} of {} cost, {}, threshold {:.1}",
        units::count(anomalies.series as u64),
        anomalies.header.metric.unwrap_or_default().name().replace('_', " "),
        anomalies.method.name(),
        anomalies.threshold,
    );
    if anomalies.findings.is_empty() {
        return page.prose(&format!("No anomalies {judged} ({basis})\n"));
    }
    let count = anomalies.findings.len();
    let mut text =
        page.prose(&format!("{count} {} {judged} ({basis})\n", if count == 1 { "anomaly" } else { "anomalies" }));
    let findings = &anomalies.findings[..shown];
    text.push('\n');
    text += &page.table(&table(anomalies, findings));
    let rest = &anomalies.findings[shown..];
    if !rest.is_empty() {
        let mut moved: BTreeMap<&str, f64> = BTreeMap::new();
        for finding in rest {
            *moved.entry(&finding.currency).or_default() += finding.impact_total.abs();
        }
        let moved: Vec<String> = moved.into_iter().map(|(currency, amount)| money(amount, currency)).collect();
        text += &page.prose(&format!(
            "\nand {} more that moved {} in all; `--top 0` shows them\n",
            rest.len(),
            moved.join(" and ")
        ));
    }
    text += "\nwhy\n\n";
    for finding in findings {
        text += &page.prose(&format!(
            "- {} {}: {}\n",
            finding.id,
            who(anomalies, finding).join(" / "),
            inert::one_line(&phrases(&finding.reasons))
        ));
    }
    text
}

/// The values of a finding's group; of a move that many groups share, how many they are.
fn who(anomalies: &Answer<Anomalies>, finding: &Finding) -> Vec<String> {
    if anomalies.levels.is_some() {
        return vec![where_it_is(finding)];
    }
    if finding.group.is_empty() && !anomalies.group_by.0.is_empty() {
        let mut names = vec![format!("({} groups)", finding.groups)];
        names.resize(anomalies.group_by.0.len(), "-".into());
        return names;
    }
    group_names(&finding.group, finding.account_name.as_deref())
}

/// The group of a finding at whatever level, in one cell.
fn where_it_is(finding: &Finding) -> String {
    let names = group_names(&finding.group, finding.account_name.as_deref()).join(" / ");
    match (finding.kind, names.is_empty(), finding.groups) {
        (Kind::Moved, true, _) => format!("between {}", moved_between(finding)),
        (Kind::Moved, false, _) => format!("{names} (between {})", moved_between(finding)),
        (_, true, 1) => "total".into(),
        (_, true, groups) => format!("({groups} groups)"),
        (_, false, _) => names,
    }
}

/// What tells the two sides of a move apart: accounts, regions.
fn moved_between(finding: &Finding) -> String {
    let from = finding.members.first().map(|from| &from.group);
    let differing = from.and_then(|from| from.keys().find(|dimension| !finding.group.contains_key(*dimension)));
    differing.map_or("groups".into(), |dimension| format!("{}s", dimension.replace('-', " ")))
}

fn what(finding: &Finding) -> String {
    match finding.kind {
        Kind::Moved => "moved".into(),
        kind => format!("{} {}", kind.name().replace('_', " "), finding.direction.name()),
    }
}

fn table(anomalies: &Answer<Anomalies>, findings: &[Finding]) -> Table {
    let has_levels = anomalies.levels.is_some();
    let mut columns = match has_levels {
        true => {
            vec![Column::name("id"), Column::name("severity").rank(2), Column::name("since"), Column::name("where")]
        }
        false => vec![Column::name("severity"), Column::name("since")],
    };
    columns.extend(anomalies.group_by.0.iter().map(|dimension| Column::name(dimension.to_string())));
    columns.extend([
        if has_levels { Column::name("what").rank(1) } else { Column::name("what") },
        Column::number("expected").rank(3),
        Column::number("actual").rank(2),
        Column::number("impact"),
        Column::number("%").rank(4),
        Column::number("in all").rank(5),
        Column::number("score").rank(6),
        Column::name("until").rank(7),
    ]);
    let mut table = Table::new(columns);
    for finding in findings {
        let currency = &finding.currency;
        let mut cells = vec![finding.severity.name().to_owned(), finding.start_date.to_string()];
        if has_levels {
            cells.insert(0, finding.id.clone());
        }
        cells.extend(who(anomalies, finding));
        let pct = (finding.expected.abs() >= 0.01).then(|| finding.impact / finding.expected.abs() * 100.0);
        let until = match finding.end_date {
            _ if finding.absorbed => "normal now".into(),
            None => "going on".into(),
            Some(end) => end.to_string(),
        };
        cells.extend([
            what(finding),
            money(finding.expected, currency),
            money(finding.actual, currency),
            change(finding.impact, currency),
            percent(pct, true),
            change(finding.impact_total, currency),
            format!("{:.1}", finding.score),
            until,
        ]);
        match finding.severity {
            Severity::Critical => table.colored_row(cells, Color::Red),
            Severity::Warning => table.colored_row(cells, Color::Yellow),
            Severity::Info => table.row(cells),
        }
    }
    table
}

fn findings_csv(anomalies: &Answer<Anomalies>) -> Result<String> {
    let mut dimensions = anomalies.group_by.0.clone();
    for dimension in anomalies.levels.iter().flatten().flat_map(|level| &level.0) {
        if !dimensions.contains(dimension) {
            dimensions.push(dimension.clone());
        }
    }
    let names: Vec<String> = dimensions.iter().map(ToString::to_string).collect();
    let mut header: Vec<String> =
        ["id", "kind", "direction", "severity", "peak_date", "start_date", "end_date"].map(str::to_owned).into();
    header.extend(names.clone());
    header.extend(
        ["actual", "expected", "impact", "impact_total", "at_stake", "score", "currency", "reasons"].map(str::to_owned),
    );
    let rows = anomalies.findings.iter().map(|finding| {
        let mut row = vec![
            finding.id.clone(),
            finding.kind.name().into(),
            finding.direction.name().into(),
            finding.severity.name().into(),
            finding.peak_date.to_string(),
            finding.start_date.to_string(),
            finding.end_date.map_or(String::new(), |end| end.to_string()),
        ];
        row.extend(names.iter().map(|name| finding.group.get(name).map_or(String::new(), plain)));
        row.extend([
            finding.actual.to_string(),
            finding.expected.to_string(),
            finding.impact.to_string(),
            finding.impact_total.to_string(),
            finding.at_stake.to_string(),
            finding.score.to_string(),
            finding.currency.clone(),
            phrases(&finding.reasons),
        ]);
        row
    });
    csv(&header, rows)
}
