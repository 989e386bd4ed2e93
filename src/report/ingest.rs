//! What an ingestion did, as text.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use super::{
    Format, Page, Style, csv, json, own_json,
    table::{Column, Table},
    units::{count, money},
    wrapped,
};
use crate::{
    error::Result,
    inert,
    ingest::{Outcome, cost_explorer, s3},
    insights::{answer::Answer, trends::HIDING_SHARE},
    model::{bytes as size, source::Repeated},
    operations::{Exports, Ingestion},
};

pub(crate) fn render(answer: &Answer<Ingestion>, format: Format, style: Style) -> Result<String> {
    match (&answer.body, format) {
        (_, Format::Json) => json(answer),
        (Ingestion::Done(outcome), Format::Csv) => periods_csv(outcome),
        (Ingestion::Done(outcome), _) => Ok(done(outcome, format, style)),
        (Ingestion::Planned(planned), _) => match (&planned.cost_explorer, &planned.periods) {
            (Some(plan), _) => Ok(cost_explorer_plan(plan, style)),
            (None, Some(periods)) => buckets_plan(periods, planned.fetch_bytes.unwrap_or(0), format, style),
            (None, None) => Ok(String::new()),
        },
    }
}

/// What was done, for people.
pub(crate) fn done(outcome: &Outcome, format: Format, style: Style) -> String {
    text(outcome, if format == Format::Markdown { Page::Markdown } else { Page::Terminal(style) })
}

fn text(outcome: &Outcome, page: Page) -> String {
    let mut text = String::new();
    if !outcome.periods.is_empty() {
        text += &page.table(&periods(outcome));
        let rows: u64 = outcome.periods.iter().map(|period| period.loaded.rows).sum();
        text += &format!("\n{} {} ingested\n", count(rows), if rows == 1 { "row" } else { "rows" });
    }
    text += &page.prose(&notes(outcome));
    for unchanged in &outcome.unchanged {
        let files = if unchanged.files == 1 { "1 file".into() } else { format!("{} files", unchanged.files) };
        text += &page.line(&format!("unchanged: {} ({files}, nothing to do)", unchanged.label));
    }
    for former in &outcome.vanished {
        text += &page.line(&format!(
            "{}: {} rows of `{}` are gone, no file has them any more",
            former.billing_period.format("%Y-%m"),
            count(former.rows),
            former.key
        ));
    }
    for former in &outcome.kept {
        text += &page.line(&format!(
            "{}: {} rows of a former `{}` stay, though the file does not have that month any more; `--full-refresh` removes them",
            former.billing_period.format("%Y-%m"),
            count(former.rows),
            former.key
        ));
    }
    counted_once(outcome).iter().for_each(|line| text += &page.line(line));
    for path in &outcome.without_rows {
        text += &page.line(&format!("no rows below the header: {path}"));
    }
    for path in &outcome.skipped {
        text += &page.line(&format!("skipped, not a bill: {path}"));
    }
    if outcome.superseded_files > 0 {
        text += &format!("{} older files that no manifest names were left out\n", outcome.superseded_files);
    }
    for note in &outcome.notes {
        text += &page.prose(&format!("{}\n", inert::one_line(note)));
    }
    if let Some(bytes) = outcome.fetched_bytes {
        text += &format!("{} fetched\n", size(bytes));
    }
    if let Some(cost) = outcome.api_cost {
        text += &format!(
            "{} {}, ${:.2}; this month {}, ${:.2}\n",
            count(cost.requests),
            if cost.requests == 1 { "request" } else { "requests" },
            cost.cost_usd,
            count(cost.month_requests),
            cost.month_cost_usd
        );
    }
    text
}

/// What Cost Explorer would be asked.
fn cost_explorer_plan(plan: &cost_explorer::Plan, style: Style) -> String {
    let mut text = format!("{} to {} from Cost Explorer, nothing asked yet\n", plan.start, plan.end);
    let each = match plan.queries_per_month {
        1 => String::new(),
        queries => format!(" of {queries} queries"),
    };
    text += &format!("{} {}{each}", plan.months, if plan.months == 1 { "month" } else { "months" });
    if let Some(regions) = plan.regions {
        text += &format!(", and 1 for the list of regions, reckoned at {regions}");
    }
    text += &format!(
        ": {} {}, ${:.2}; each further page of an answer is one more\n",
        count(plan.requests as u64),
        if plan.requests == 1 { "request" } else { "requests" },
        plan.cost_usd
    );
    if plan.requests > plan.max_requests as usize {
        text += &format!("more than `cost_explorer.max_requests`, {}: it would be refused\n", plan.max_requests);
    }
    for note in &plan.notes {
        text += &format!("{note}\n");
    }
    wrapped(&text, style)
}

/// What would be fetched from buckets.
fn buckets_plan(periods: &[s3::Planned], total: u64, format: Format, style: Style) -> Result<String> {
    let header = ["period", "export", "format", "files", "bytes", "to fetch", "state"];
    let state = |period: &s3::Planned| match (period.current, period.fetch_bytes) {
        (true, _) => "current",
        (false, 0) => "to load",
        (false, _) => "to fetch",
    };
    match format {
        Format::Csv => csv(
            &["period", "export", "format", "files", "bytes", "fetch_bytes", "state"].map(str::to_owned),
            periods.iter().map(|period| {
                vec![
                    period.period.map(|period| period.to_string()).unwrap_or_default(),
                    period.export.clone(),
                    period.format.unwrap_or_default().to_owned(),
                    period.files.to_string(),
                    period.bytes.to_string(),
                    if period.current { 0 } else { period.fetch_bytes }.to_string(),
                    state(period).to_owned(),
                ]
            }),
        ),
        _ => {
            let columns = header.into_iter().enumerate().map(|(index, name)| match index {
                1 => Column::name(name).rank(1),
                3..=5 => Column::number(name).rank(2),
                _ => Column::name(name),
            });
            let mut table = Table::new(columns.collect());
            for period in periods {
                // Of what is current not even the sizes are asked for older months.
                let bytes = if period.current && period.bytes == 0 { "-".to_owned() } else { size(period.bytes) };
                table.row(vec![
                    period.period.map_or("-".to_owned(), |period| period.format("%Y-%m").to_string()),
                    period.export.clone(),
                    period.format.unwrap_or("-").to_owned(),
                    period.files.to_string(),
                    bytes,
                    size(if period.current { 0 } else { period.fetch_bytes }),
                    state(period).to_owned(),
                ]);
            }
            let shown = if format == Format::Markdown { table.markdown() } else { table.render(style) };
            Ok(format!("{shown}\n{} to fetch, nothing fetched yet\n", size(total)))
        }
    }
}

/// The reports and exports of an account, as the lines of a configuration.
pub(crate) fn discovered(answer: &Answer<Exports>, format: Format) -> Result<String> {
    if format == Format::Json {
        return json(answer);
    }
    let found = &answer.exports;
    let mut text = String::new();
    if found.iter().any(|export| export.unfit.is_none()) {
        text += "s3:\n  exports:\n";
    }
    for export in found {
        let (name, kind, export, unfit) = (&export.name, &export.kind, &export.export, &export.unfit);
        text += &match unfit {
            Some(why) => format!("# not for ingestion: {}\n", inert::one_line(&format!("{name}: {why}"))),
            None => format!(
                "    # {kind}\n    - {{ bucket: {}, prefix: {}, report_name: {}, region: {} }}\n",
                yaml(&export.bucket),
                yaml(&export.prefix),
                yaml(&export.report_name),
                yaml(&export.region)
            ),
        };
    }
    Ok(text)
}

/// What pruning the cache did.
pub(crate) fn pruned(pruned: &s3::Pruned, format: Format) -> Result<String> {
    if format == Format::Json {
        return own_json("cache prune", pruned);
    }
    let files = |count: usize| if count == 1 { "1 file".to_owned() } else { format!("{count} files") };
    let s3::Pruned { removed_files, removed_bytes, kept_files, kept_bytes } = *pruned;
    let (removed, kept) = (files(removed_files), files(kept_files));
    Ok(format!("{removed} removed ({}), {kept} kept ({})\n", size(removed_bytes), size(kept_bytes)))
}

/// A text as YAML takes it in any place: a JSON string is one.
fn yaml(text: &str) -> String {
    serde_json::Value::from(text).to_string()
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
        if let Some(excluded) = &period.excluded {
            say(format!("{} rows left out: {}", count(excluded.rows), excluded.what));
        }
        let rows: u64 = period.replaced.iter().map(|replaced| replaced.rows).sum();
        match period.replaced.as_slice() {
            [] => {}
            [one] => say(format!("replaced what came from `{}` ({} rows), an earlier version", one.key, count(rows))),
            [first, ..] => say(format!(
                "replaced what came from {} files, such as `{}` ({} rows), an earlier version",
                period.replaced.len(),
                first.key,
                count(rows)
            )),
        }
    }
    let all = outcome.periods.iter().map(|period| period.loaded.billing_period).collect::<BTreeSet<_>>().len();
    said.into_iter()
        .map(|(note, periods)| {
            let note = inert::one_line(&note);
            if periods.len() == all { format!("{note}\n") } else { format!("{}: {note}\n", periods.join(", ")) }
        })
        .chain(credits(outcome))
        .collect()
}

/// What is not counted, because it is counted already: a line for each pair of files, whatever the months.
fn counted_once(outcome: &Outcome) -> Vec<String> {
    let mut pairs: BTreeMap<(&str, &str, Repeated), (BTreeSet<NaiveDate>, u64)> = BTreeMap::new();
    for once in &outcome.counted_once {
        let (months, rows) = pairs.entry((&once.key, &once.counted_in, once.what)).or_default();
        months.insert(once.billing_period);
        *rows += once.rows;
    }
    let line = |((key, counted_in, what), (months, rows)): ((&str, &str, Repeated), (BTreeSet<NaiveDate>, u64))| {
        let month =
            |month: Option<&NaiveDate>| month.map(|month| month.format("%Y-%m").to_string()).unwrap_or_default();
        let months = match months.len() {
            1 => month(months.first()),
            count => format!("{count} months from {} to {}", month(months.first()), month(months.last())),
        };
        let what = match what {
            Repeated::Same => "has the same lines as",
            Repeated::Contained => "has no line that is not in",
            Repeated::Earlier => "is an earlier version of",
        };
        format!("counted once: `{key}` {what} `{counted_in}` ({months}, {} rows left out)", count(rows))
    };
    pairs.into_iter().map(line).collect()
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
