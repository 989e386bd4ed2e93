//! Findings and scores as text.

use comfy_table::Color;

use super::{
    Format, Style, csv, group_names, json, plain,
    table::{Column, Table},
    units::{self, change, money, percent},
    wrapped,
};
use crate::{
    analysis::detect::{Direction, Severity},
    error::Result,
    insights::anomalies::{Anomalies, Finding, Scores},
};

/// For people the first `top` findings, 0 for all; for programs always all.
pub fn render(anomalies: &Anomalies, top: usize, format: Format, style: Style) -> Result<String> {
    let shown = match top {
        0 => anomalies.findings.len(),
        top => top.min(anomalies.findings.len()),
    };
    match format {
        Format::Json => json(anomalies),
        Format::Csv => findings_csv(anomalies),
        Format::Table => Ok(text(anomalies, shown, |table| table.render(style), |prose| wrapped(prose, style))),
        Format::Markdown => Ok(text(anomalies, shown, Table::markdown, str::to_owned)),
    }
}

/// Scores are rows for programs: JSON, else CSV.
pub fn render_scores(scores: &Scores, format: Format) -> Result<String> {
    if format == Format::Json {
        return json(scores);
    }
    let mut header = vec!["date".to_owned()];
    header.extend(scores.group_by.0.iter().map(ToString::to_string));
    header.extend(["cost", "expected", "score", "direction", "flagged", "kind"].map(str::to_owned));
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
        ]);
        row
    });
    csv(&header, rows)
}

fn text(
    anomalies: &Anomalies,
    shown: usize,
    render: impl Fn(&Table) -> String,
    prose: impl Fn(&str) -> String,
) -> String {
    let judged = if anomalies.judged.days() == 1 {
        format!("on {}", anomalies.judged.end)
    } else {
        format!("from {} to {}", anomalies.judged.start, anomalies.judged.end)
    };
    let basis = format!(
        "{} series of {} cost, {}, threshold {:.1}",
        units::count(anomalies.series as u64),
        anomalies.metric.name().replace('_', " "),
        anomalies.method.name(),
        anomalies.threshold,
    );
    if anomalies.findings.is_empty() {
        return prose(&format!("No anomalies {judged} ({basis})\n"));
    }
    let count = anomalies.findings.len();
    let mut text = prose(&format!("{count} {} {judged} ({basis})\n", if count == 1 { "anomaly" } else { "anomalies" }));
    let findings = &anomalies.findings[..shown];
    text.push('\n');
    text += &render(&table(anomalies, findings));
    let rest = &anomalies.findings[shown..];
    if !rest.is_empty() {
        let dollars = rest.iter().map(|finding| finding.impact_total.abs()).sum();
        text += &prose(&format!(
            "\nand {} more that moved {} in all; `--top 0` shows them\n",
            rest.len(),
            money(dollars, &anomalies.currency)
        ));
    }
    text += "\nwhy\n\n";
    for finding in findings {
        text += &prose(&format!(
            "- {} {}: {}\n",
            finding.id,
            who(anomalies, finding).join(" / "),
            finding.reasons.join("; ")
        ));
    }
    text
}

/// The values of a finding's group; of a move that many groups share, how many they are.
fn who(anomalies: &Anomalies, finding: &Finding) -> Vec<String> {
    if finding.group.is_empty() && !anomalies.group_by.0.is_empty() {
        let mut names = vec![format!("({} groups)", finding.groups)];
        names.resize(anomalies.group_by.0.len(), "-".into());
        return names;
    }
    group_names(&finding.group, finding.account_name.as_deref())
}

fn table(anomalies: &Anomalies, findings: &[Finding]) -> Table {
    let mut columns = vec![Column::name("severity"), Column::name("since")];
    columns.extend(anomalies.group_by.0.iter().map(|dimension| Column::name(dimension.to_string())));
    columns.extend([
        Column::name("what"),
        Column::number("expected").rank(3),
        Column::number("actual").rank(2),
        Column::number("impact"),
        Column::number("%").rank(4),
        Column::number("in all").rank(5),
        Column::number("score").rank(6),
        Column::name("until").rank(7),
    ]);
    let money = |amount| money(amount, &anomalies.currency);
    let mut table = Table::new(columns);
    for finding in findings {
        let mut cells = vec![finding.severity.name().to_owned(), finding.start.to_string()];
        cells.extend(who(anomalies, finding));
        let pct = (finding.expected.abs() >= 0.01).then(|| finding.impact / finding.expected.abs() * 100.0);
        let until = match finding.end {
            _ if finding.accepted => "normal now".into(),
            None => "going on".into(),
            Some(end) => end.to_string(),
        };
        cells.extend([
            format!("{} {}", finding.kind.name().replace('_', " "), finding.direction.name()),
            money(finding.expected),
            money(finding.actual),
            change(finding.impact, &anomalies.currency),
            percent(pct, true),
            change(finding.impact_total, &anomalies.currency),
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

fn findings_csv(anomalies: &Anomalies) -> Result<String> {
    let mut header: Vec<String> =
        ["id", "kind", "direction", "severity", "date", "start", "end"].map(str::to_owned).into();
    header.extend(anomalies.group_by.0.iter().map(ToString::to_string));
    header.extend(
        ["actual", "expected", "impact", "impact_total", "at_stake", "score", "currency", "reasons"].map(str::to_owned),
    );
    let rows = anomalies.findings.iter().map(|finding| {
        let mut row = vec![
            finding.id.clone(),
            finding.kind.name().into(),
            finding.direction.name().into(),
            finding.severity.name().into(),
            finding.date.to_string(),
            finding.start.to_string(),
            finding.end.map_or(String::new(), |end| end.to_string()),
        ];
        let mut group: Vec<String> = finding.group.values().map(plain).collect();
        group.resize(anomalies.group_by.0.len(), String::new());
        row.extend(group);
        row.extend([
            finding.actual.to_string(),
            finding.expected.to_string(),
            finding.impact.to_string(),
            finding.impact_total.to_string(),
            finding.at_stake.to_string(),
            finding.score.to_string(),
            anomalies.currency.clone(),
            finding.reasons.join("; "),
        ]);
        row
    });
    csv(&header, rows)
}
