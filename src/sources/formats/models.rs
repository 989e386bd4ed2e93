//! What the cost APIs of vendors of models answer, one row for each line of an answer: `ingest --source openai`, `anthropic` and `litellm` keep
//! it so, and OpenAI's own CSV of costs has the same columns. Tokens are quantities, so that a change of use and one of price are told apart.

use std::path::Path;

use super::{Layout, Table, Understood};
use crate::{
    error::Result,
    sources::{
        columns::{Columns, LineItems, Missing, Role, Value, coalesce},
        line_item::LineItem,
    },
};

/// OpenAI's costs of an organization, by project and line item.
/// <https://platform.openai.com/docs/api-reference/usage/costs>.
pub(crate) struct OpenAi;

/// Anthropic's cost report, by workspace, model and kind of tokens.
/// <https://docs.anthropic.com/en/api/admin-api/usage-cost/get-cost-report>.
pub(crate) struct Anthropic;

/// The daily activity of a LiteLLM proxy, by model and team.
/// <https://docs.litellm.ai/docs/proxy/cost_tracking>.
pub(crate) struct LiteLlm;

/// The parts that the three have in common.
struct Row {
    start: String,
    cost: String,
    currency: String,
    provider: String,
    payer: String,
    account: String,
    account_name: String,
    service: String,
    usage_type: String,
    quantity: String,
    unit: String,
    description: String,
    resource: String,
    roles: Vec<(&'static str, Role)>,
}

impl Row {
    fn line_items(self, columns: &Columns, says_currency: bool, missing: Vec<Missing>) -> LineItems {
        let cost = format!("COALESCE({}, 0)", self.cost);
        let line_item = LineItem {
            usage_start: self.start.clone(),
            usage_date: format!("CAST({} AS DATE)", self.start),
            billing_period: format!("CAST(date_trunc('month', {}) AS DATE)", self.start),
            provider: self.provider,
            payer_account_id: self.payer,
            usage_account_id: self.account,
            usage_account_name: self.account_name,
            product_code: self.service.clone(),
            product_name: self.service,
            region: "'global'".into(),
            usage_type: self.usage_type,
            line_item_type: "'Usage'".into(),
            charge_category: format!("CASE WHEN {cost} < 0 THEN 'Credit' ELSE 'Usage' END"),
            resource_id: self.resource,
            description: self.description,
            usage_amount: self.quantity,
            usage_unit: self.unit,
            currency: format!("upper({})", self.currency),
            unblended_cost: cost.clone(),
            amortized_cost: cost.clone(),
            net_unblended_cost: cost.clone(),
            net_amortized_cost: cost,
            ..LineItem::null()
        };
        let values: Vec<Value> = columns.values(self.roles);
        LineItems { line_item, excluded: None, missing, values, says_currency }
    }
}

/// The first of some columns that there is, as text; else `otherwise`.
fn first(columns: &Columns, names: &[&str], otherwise: &str) -> String {
    let found = names.iter().filter_map(|name| columns.text(name));
    coalesce(found.chain([otherwise.to_owned()])).unwrap_or_default()
}

fn number(columns: &Columns, name: &str) -> String {
    columns.number(name).unwrap_or_else(|| "NULL".into())
}

fn absent(columns: &Columns, optional: &[(&str, &'static str)]) -> Vec<Missing> {
    let absent = optional.iter().filter(|(name, _)| !columns.has(name));
    absent.map(|(name, consequence)| Missing { column: (*name).into(), consequence }).collect()
}

fn lower(table: &Table) -> Columns {
    table.columns.renamed(|name| name.trim_start_matches('\u{feff}').to_lowercase())
}

impl Layout for OpenAi {
    fn is_known_by(&self, columns: &Columns, _path: &Path) -> bool {
        ["amount_value", "line_item", "start_time"].iter().all(|name| columns.has(name))
    }

    fn understand(&self, table: Table) -> Result<Understood> {
        let columns = lower(&table);
        columns.require("OpenAI's costs", &[&["start_time"], &["amount_value"]])?;
        let start = columns.number("start_time").unwrap_or_default();
        let item = first(&columns, &["line_item"], "'unknown'");
        let row = Row {
            // Seconds since 1970, UTC.
            start: format!("make_timestamp(CAST({start} * 1000000 AS BIGINT))"),
            cost: number(&columns, "amount_value"),
            currency: first(&columns, &["amount_currency"], "'USD'"),
            provider: "'OpenAI'".into(),
            // A proxy that writes down the same calls does not know the organization.
            payer: "'unknown'".into(),
            account: first(&columns, &["project_id", "organization_id"], "'unknown'"),
            account_name: first(&columns, &["project_name", "organization_name"], "NULL"),
            // `gpt-5-2025-08-07, input` is the model and what of it.
            service: format!("trim(split_part({item}, ',', 1))"),
            usage_type: item.clone(),
            quantity: number(&columns, "quantity"),
            unit: first(&columns, &["quantity_unit"], "NULL"),
            description: item,
            resource: first(&columns, &["api_key_id"], "NULL"),
            roles: vec![("amount_value", Role::Money), ("quantity", Role::Quantity)],
        };
        let missing = absent(
            &columns,
            &[
                ("amount_currency", "amounts are taken as USD"),
                ("project_id", "the account is the organization"),
                ("quantity", "price and use cannot be told apart"),
            ],
        );
        let says_currency = columns.has("amount_currency");
        let line_items = row.line_items(&columns, says_currency, missing);
        Ok(Understood { columns, line_items, version: None, charges: None })
    }
}

impl Layout for Anthropic {
    fn is_known_by(&self, columns: &Columns, _path: &Path) -> bool {
        ["starting_at", "amount", "cost_type"].iter().all(|name| columns.has(name))
            && (columns.has("token_type") || columns.has("workspace_id"))
    }

    fn understand(&self, table: Table) -> Result<Understood> {
        let columns = lower(&table);
        columns.require("Anthropic's cost report", &[&["starting_at"], &["amount"]])?;
        let description = first(&columns, &["description", "cost_type"], "'unknown'");
        let has_tokens = columns.has("tokens");
        let row = Row {
            start: columns.time("starting_at").unwrap_or_default(),
            // The API counts in cents.
            cost: format!("{} / 100", number(&columns, "amount")),
            currency: first(&columns, &["currency"], "'USD'"),
            provider: "'Anthropic'".into(),
            payer: "'unknown'".into(),
            account: first(&columns, &["workspace_id"], "'default workspace'"),
            account_name: first(&columns, &["workspace_name"], "NULL"),
            service: first(&columns, &["model", "cost_type"], "'unknown'"),
            usage_type: format!(
                "concat_ws(', ', {}, {}, nullif({}, 'standard'), nullif({}, '0-200k'))",
                first(&columns, &["model", "cost_type"], "NULL"),
                first(&columns, &["token_type"], "NULL"),
                first(&columns, &["service_tier"], "NULL"),
                first(&columns, &["context_window"], "NULL"),
            ),
            quantity: number(&columns, "tokens"),
            unit: if has_tokens {
                format!("CASE WHEN {} IS NOT NULL THEN 'tokens' END", number(&columns, "tokens"))
            } else {
                "NULL".into()
            },
            description,
            resource: "NULL".into(),
            roles: vec![("starting_at", Role::Start), ("amount", Role::Money), ("tokens", Role::Quantity)],
        };
        let missing = absent(
            &columns,
            &[
                ("currency", "amounts are taken as USD"),
                ("workspace_id", "the account is the default workspace"),
                ("tokens", "price and use cannot be told apart"),
            ],
        );
        let says_currency = columns.has("currency");
        let line_items = row.line_items(&columns, says_currency, missing);
        Ok(Understood { columns, line_items, version: None, charges: None })
    }
}

impl Layout for LiteLlm {
    fn is_known_by(&self, columns: &Columns, _path: &Path) -> bool {
        ["date", "spend", "custom_llm_provider"].iter().all(|name| columns.has(name))
    }

    fn understand(&self, table: Table) -> Result<Understood> {
        let columns = lower(&table);
        columns.require("LiteLLM's activity", &[&["date"], &["spend"]])?;
        let model = first(&columns, &["model"], "'unknown'");
        let row = Row {
            start: columns.time("date").unwrap_or_default(),
            cost: number(&columns, "spend"),
            currency: "'USD'".into(),
            provider: provider(&first(&columns, &["custom_llm_provider"], "'unknown'")),
            payer: "'unknown'".into(),
            account: first(&columns, &["team_id", "api_key"], "'unknown'"),
            account_name: first(&columns, &["team_alias", "key_alias"], "NULL"),
            service: model.clone(),
            usage_type: format!("{model} || ', all tokens'"),
            quantity: number(&columns, "total_tokens"),
            unit: "'tokens'".into(),
            description: "NULL".into(),
            resource: "NULL".into(),
            roles: vec![("date", Role::Start), ("spend", Role::Money), ("total_tokens", Role::Quantity)],
        };
        let missing = absent(
            &columns,
            &[("team_id", "the account is not known"), ("total_tokens", "price and use cannot be told apart")],
        );
        let line_items = row.line_items(&columns, true, missing);
        Ok(Understood { columns, line_items, version: None, charges: None })
    }
}

/// LiteLLM's names of providers as their own bills have them, so that the same money is seen to be the same.
fn provider(name: &str) -> String {
    format!(
        "CASE lower({name}) WHEN 'openai' THEN 'OpenAI' WHEN 'anthropic' THEN 'Anthropic' WHEN 'azure' THEN 'Microsoft' \
         WHEN 'azure_ai' THEN 'Microsoft' WHEN 'bedrock' THEN 'AWS' WHEN 'sagemaker' THEN 'AWS' WHEN 'vertex_ai' THEN 'Google Cloud' \
         WHEN 'gemini' THEN 'Google Cloud' WHEN 'mistral' THEN 'Mistral AI' ELSE {name} END"
    )
}
