//! What the APIs of vendors of models answer, a row on a line, as `ingest --source` keeps it.

use std::{
    io::{BufWriter, Write},
    path::Path,
};

use chrono::Days;
use serde_json::{Value, json};

use super::{Estate, Line, Month, Provider, create};
use crate::{
    error::{Error, Result},
    model::Period,
};

const ORGANIZATION: &str = "org-acme";

fn row(provider: Provider, line: &Line) -> Value {
    let (account, name) = line.meter.account();
    let (day, next) = (line.day, line.day + Days::new(1));
    match provider {
        Provider::Openai => json!({
            "start_time": day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp(),
            "end_time": next.and_time(chrono::NaiveTime::MIN).and_utc().timestamp(),
            "amount_value": line.actual,
            "amount_currency": "usd",
            "line_item": line.meter.sku,
            "project_id": account,
            "project_name": name,
            "organization_id": ORGANIZATION,
            "quantity": line.quantity.round(),
            "quantity_unit": line.meter.unit,
        }),
        Provider::Anthropic => json!({
            "starting_at": format!("{day}T00:00:00Z"),
            "ending_at": format!("{next}T00:00:00Z"),
            // In cents, as the API has it.
            "amount": format!("{:.4}", line.actual * 100.0),
            "currency": "USD",
            "cost_type": "tokens",
            "description": format!("{} Usage - {}", line.meter.sku, line.meter.family),
            "model": line.meter.sku,
            "token_type": line.meter.family,
            "service_tier": "standard",
            "workspace_id": account,
            "workspace_name": name,
            "tokens": line.quantity.round(),
        }),
        _ => json!({
            "date": day.to_string(),
            "model": line.meter.sku,
            "custom_llm_provider": line.meter.family,
            "team_id": account,
            "team_alias": name,
            "spend": line.actual,
            "total_tokens": line.quantity.round(),
            "api_requests": (line.quantity / 1000.0).ceil(),
        }),
    }
}

/// Writes a month.
pub(super) fn write(out: &Path, provider: Provider, period: Period, estate: &Estate) -> Result<Month> {
    let path = out.join(format!("{}-{}.jsonl", provider.name(), period.start.format("%Y-%m")));
    let mut writer = BufWriter::new(create(&path)?);
    let failed = |e: std::io::Error| Error::input(format!("cannot write `{}`", path.display())).caused_by(e);
    let mut rows = 0;
    estate.lines(period, &mut |line| {
        rows += 1;
        writeln!(writer, "{}", row(provider, &line)).map_err(failed)
    })?;
    writer.flush().map_err(failed)?;
    Ok((rows, vec![path]))
}
