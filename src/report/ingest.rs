//! What an ingestion did, as text.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Format, Style, csv, json,
    table::{Column, Table},
    units::{count, money},
    wrapped,
};
use crate::{
    error::Result,
    ingest::Outcome,
    insights::{SCHEMA_VERSION, trends::HIDING_SHARE},
};

pub fn render(outcome: &Outcome, format: Format, style: Style) -> Result<String> {
    match format {
        Format::Json => {
            #[derive(serde::Serialize)]
            struct Answer<'a> {
                schema_version: u32,
                command: &'static str,
                #[serde(flatten)]
                outcome: &'a Outcome,
            }
            json(&Answer { schema_version: SCHEMA_VERSION, command: "ingest", outcome })
        }
        Format::Csv => periods_csv(outcome),
        Format::Table => Ok(text(outcome, |table| table.render(style), |prose| wrapped(prose, style))),
        Format::Markdown => Ok(text(outcome, Table::markdown, str::to_owned)),
    }
}

fn text(outcome: &Outcome, render: impl Fn(&Table) -> String, prose: impl Fn(&str) -> String) -> String {
    let mut text = String::new();
    if !outcome.periods.is_empty() {
        text += &render(&periods(outcome));
        let rows: u64 = outcome.periods.iter().map(|period| period.loaded.rows).sum();
        text += &format!("\n{} {} ingested\n", count(rows), if rows == 1 { "row" } else { "rows" });
    }
    text += &prose(&notes(outcome));
    for unchanged in &outcome.unchanged {
        let files = if unchanged.files == 1 { "1 file".into() } else { format!("{} files", unchanged.files) };
        text += &format!("unchanged: {} ({files}, nothing to do)\n", unchanged.label);
    }
    for former in &outcome.vanished {
        text += &format!(
            "{}: {} rows of `{}` are gone, no file has them any more\n",
            former.billing_period.format("%Y-%m"),
            count(former.rows),
            former.key
        );
    }
    for path in &outcome.passed_over {
        text += &format!("passed over, not a bill: {path}\n");
    }
    if outcome.superseded_files > 0 {
        text += &format!("{} older files that no manifest names were left out\n", outcome.superseded_files);
    }
    text
}

fn periods(outcome: &Outcome) -> Table {
    let mut table = Table::new(vec![
        Column::name("period"),
        Column::name("format").rank(2),
        Column::name("provider").rank(7),
        Column::name("payer").rank(3),
        Column::number("files").rank(6),
        Column::number("rows"),
        Column::name("days").rank(1),
        Column::number("unblended"),
        Column::number("blended").rank(9),
        Column::number("amortized").rank(4),
        Column::number("net unblended").rank(8),
        Column::number("net amortized"),
        Column::number("list").rank(10),
        Column::number("credits in it").rank(5),
    ]);
    for period in &outcome.periods {
        let loaded = &period.loaded;
        let money = |amount: f64| money(amount, &loaded.currency);
        let whole = u64::try_from((loaded.last_day - loaded.first_day).num_days() + 1).unwrap_or(0);
        let holes = if loaded.days < whole { format!(" ({} days)", loaded.days) } else { String::new() };
        table.row(vec![
            loaded.billing_period.format("%Y-%m").to_string(),
            period.format.clone(),
            loaded.provider.clone(),
            loaded.payer_account_id.clone(),
            loaded.files.to_string(),
            count(loaded.rows),
            format!("{}..{}{holes}", loaded.first_day, loaded.last_day.format("%m-%d")),
            money(loaded.unblended_cost),
            loaded.blended_cost.map_or("-".into(), money),
            money(loaded.amortized_cost),
            money(loaded.net_unblended_cost),
            money(loaded.net_amortized_cost),
            loaded.list_cost.map_or("-".into(), money),
            money(loaded.credits),
        ]);
    }
    table
}

/// What was missing, left out or replaced, said once for all periods that it is true of.
fn notes(outcome: &Outcome) -> String {
    let mut said: Vec<(String, Vec<String>)> = Vec::new();
    for period in &outcome.periods {
        let name = period.loaded.billing_period.format("%Y-%m").to_string();
        let mut say = |note: String| match said.iter_mut().find(|(said, _)| *said == note) {
            Some((_, periods)) if periods.contains(&name) => {}
            Some((_, periods)) => periods.push(name.clone()),
            None => said.push((note, vec![name.clone()])),
        };
        for missing in &period.missing_columns {
            say(format!("no {}: {}", missing.column, missing.consequence));
        }
        if let Some(left_out) = &period.left_out {
            say(format!("{} rows left out: {}", count(left_out.rows), left_out.what));
        }
        for replaced in &period.replaced {
            say(format!(
                "replaced what came from `{}` ({} rows); files that belong together are ingested in one command",
                replaced.key,
                count(replaced.rows)
            ));
        }
    }
    let all = outcome.periods.iter().map(|period| period.loaded.billing_period).collect::<BTreeSet<_>>().len();
    said.into_iter()
        .map(
            |(note, periods)| {
                if periods.len() == all { format!("{note}\n") } else { format!("{}: {note}\n", periods.join(", ")) }
            },
        )
        .chain(credits(outcome))
        .collect()
}

/// What credits and refunds take off the unblended sums, by currency, where it is much.
fn credits(outcome: &Outcome) -> impl Iterator<Item = String> {
    let mut sums: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for period in &outcome.periods {
        let (credits, spend) = sums.entry(&period.loaded.currency).or_default();
        *credits += period.loaded.credits;
        *spend += period.loaded.unblended_cost - period.loaded.credits;
    }
    let much = |(credits, spend): &(f64, f64)| *credits <= -0.01 && -credits >= HIDING_SHARE * spend;
    let note = |(currency, (credits, spend)): (&str, (f64, f64))| {
        format!(
            "credits and refunds of {} are in the unblended sums: without them {}\n",
            money(credits, currency),
            money(spend, currency)
        )
    };
    sums.into_iter().filter(move |(_, sums)| much(sums)).map(note).collect::<Vec<_>>().into_iter()
}

fn periods_csv(outcome: &Outcome) -> Result<String> {
    let header = [
        "billing_period",
        "format",
        "export",
        "data_source",
        "provider",
        "payer_account_id",
        "currency",
        "files",
        "rows",
        "first_day",
        "last_day",
        "days",
        "unblended_cost",
        "blended_cost",
        "amortized_cost",
        "net_unblended_cost",
        "net_amortized_cost",
        "list_cost",
        "credits",
    ];
    let number = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
    let rows = outcome.periods.iter().map(|period| {
        let loaded = &period.loaded;
        vec![
            loaded.billing_period.to_string(),
            period.format.clone(),
            period.export.clone(),
            loaded.data_source.clone(),
            loaded.provider.clone(),
            loaded.payer_account_id.clone(),
            loaded.currency.clone(),
            loaded.files.to_string(),
            loaded.rows.to_string(),
            loaded.first_day.to_string(),
            loaded.last_day.to_string(),
            loaded.days.to_string(),
            loaded.unblended_cost.to_string(),
            number(loaded.blended_cost),
            loaded.amortized_cost.to_string(),
            loaded.net_unblended_cost.to_string(),
            loaded.net_amortized_cost.to_string(),
            number(loaded.list_cost),
            loaded.credits.to_string(),
        ]
    });
    csv(&header.map(str::to_owned), rows)
}
