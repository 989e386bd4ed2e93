//! What Cost Explorer answers, as rows of a file, and what these are in the store's terms.

use std::{collections::BTreeMap, sync::LazyLock};

use aws_sdk_costexplorer::{operation::get_cost_and_usage::GetCostAndUsageOutput, types::Group};
use chrono::NaiveDate;

use super::super::line_item::LineItem;
use super::{Fetched, METRICS, Slice};
use crate::{
    error::{Error, Result},
    model::ChargeCategory,
    sources::{columns::quoted, files::pattern_of},
};

/// Names of Cost Explorer's services and the product codes that CUR has for them. Several names may be one
/// code: `EC2 - Other` is EC2's volumes, gateways, addresses and transfer.
const SERVICES: &str = include_str!("services.csv");

/// Columns of the file that a month is written to.
pub(super) const HEADER: [&str; 15] = [
    "usage_date",
    "account",
    "account_name",
    "service",
    "region",
    "charge_category",
    "estimated",
    "currency",
    "unblended",
    "blended",
    "amortized",
    "net_unblended",
    "net_amortized",
    "usage_amount",
    "usage_unit",
];

/// Writes the groups of a page, one row each; names and services that are not known go to `fetched`.
///
/// # Errors
/// When a day, a group or an amount is not what the API promises.
pub(super) fn take_page(
    answer: &GetCostAndUsageOutput,
    slice: &Slice,
    fetched: &mut Fetched,
    write: &mut dyn FnMut(&[String]) -> Result<()>,
) -> Result<()> {
    for account in answer.dimension_value_attributes() {
        let name = account.attributes().and_then(|attributes| attributes.get("description"));
        if let (Some(id), Some(name)) = (account.value(), name.filter(|name| !name.is_empty())) {
            fetched.account_names.insert(id.to_owned(), name.clone());
        }
    }
    for result in answer.results_by_time() {
        let start = result.time_period().map_or("", |period| period.start());
        let day: NaiveDate = start
            .get(..10)
            .and_then(|day| day.parse().ok())
            .ok_or_else(|| Error::remote(format!("Cost Explorer gives the day `{start}`")))?;
        if !fetched.period.contains(day) {
            return Err(Error::remote(format!("Cost Explorer gives {day}, which was not asked for")));
        }
        for group in result.groups() {
            if let Some(row) = row(day, group, result.estimated(), slice, fetched)? {
                write(&row)?;
                fetched.rows += 1;
            }
        }
    }
    Ok(())
}

/// The row of a group, or none when all its figures are 0.
fn row(
    day: NaiveDate,
    group: &Group,
    estimated: bool,
    slice: &Slice,
    fetched: &mut Fetched,
) -> Result<Option<Vec<String>>> {
    let [service, account] = group.keys() else {
        return Err(Error::remote("Cost Explorer gives a group without service and account"));
    };
    let empty = std::collections::HashMap::new();
    let metrics = group.metrics().unwrap_or(&empty);
    let mut amounts = Vec::with_capacity(METRICS.len());
    let mut nothing = true;
    for name in METRICS {
        let amount = metrics.get(name).and_then(|metric| metric.amount()).unwrap_or_default();
        if !amount.is_empty() {
            let number = amount.parse::<f64>().ok().filter(|number| number.is_finite());
            let number = number
                .ok_or_else(|| Error::remote(format!("`{amount}` of {name} of `{service}` on {day} is no number")))?;
            nothing &= number == 0.0;
        }
        amounts.push(amount.to_owned());
    }
    if nothing {
        return Ok(None);
    }
    let unit = |name: &str| metrics.get(name).and_then(|metric| metric.unit()).unwrap_or_default();
    let pseudo = pseudo_category(service);
    if pseudo.is_none() && product_code(service).is_none() {
        fetched.unknown_services.insert(service.clone());
    }
    let category = slice.category.or(pseudo).unwrap_or(ChargeCategory::Usage);
    // A quantity of mixed units is none.
    let usage_unit = Some(unit("UsageQuantity")).filter(|unit| !unit.is_empty() && *unit != "N/A");
    let usage_amount = if usage_unit.is_some() { amounts[5].clone() } else { String::new() };
    let region = match slice.region.as_deref() {
        None | Some("" | "NoRegion" | "global") => "global",
        Some(region) => region,
    };
    let mut row = vec![
        day.to_string(),
        account.clone(),
        fetched.account_names.get(account).cloned().unwrap_or_default(),
        service.clone(),
        region.to_owned(),
        category.as_str().to_owned(),
        estimated.to_string(),
        unit("UnblendedCost").to_owned(),
    ];
    row.extend(amounts.drain(..5));
    row.push(usage_amount);
    row.push(usage_unit.unwrap_or_default().to_owned());
    Ok(Some(row))
}

/// What a service that is none stands for. CUR has a tax on the product that is taxed, and the fee of a Savings
/// Plan under the plan's own product.
fn pseudo_category(service: &str) -> Option<ChargeCategory> {
    match service {
        "Tax" => Some(ChargeCategory::Tax),
        "Refund" => Some(ChargeCategory::Credit),
        name if name.starts_with("Savings Plans for ") => Some(ChargeCategory::Purchase),
        _ => None,
    }
}

/// CUR's product code of a Cost Explorer service.
pub(in crate::sources) fn product_code(service: &str) -> Option<&'static str> {
    static CODES: LazyLock<BTreeMap<&'static str, &'static str>> = LazyLock::new(|| {
        let unquoted = |name: &'static str| name.trim_matches('"');
        SERVICES
            .lines()
            .skip(1)
            .filter_map(|line| line.rsplit_once(','))
            .map(|(name, code)| (unquoted(name), code))
            .collect()
    });
    CODES.get(service).copied()
}

impl Fetched {
    /// A FROM item that reads the file in DuckDB.
    pub(crate) fn source_item(&self) -> String {
        let path = pattern_of(&self.path).ok().flatten();
        let path = path.unwrap_or_else(|| self.path.to_string_lossy().into_owned());
        format!(
            "read_csv({}, header = true, all_varchar = true, delim = ',', quote = '\"', escape = '\"', nullstr = '')",
            quoted(&path)
        )
    }
}

/// What each column of the store is in terms of the file's, for costs that `payer` is billed for. Net costs that
/// the API does not give are the gross ones: accounts without discounts have none.
pub(crate) fn line_item(payer: &str) -> LineItem {
    let codes = SERVICES.lines().skip(1).filter_map(|line| line.rsplit_once(','));
    let code = |(name, code): (&str, &str)| {
        let quoted = name.trim_matches('"').replace('\'', "''");
        format!("'{quoted}': '{code}'")
    };
    let codes = codes.map(code).collect::<Vec<_>>().join(", ");
    let text = str::to_owned;
    LineItem {
        usage_start: text("CAST(usage_date AS TIMESTAMP)"),
        usage_end: text("CAST(usage_date AS TIMESTAMP) + INTERVAL 1 DAY"),
        usage_date: text("CAST(usage_date AS DATE)"),
        billing_period: text("CAST(date_trunc('month', CAST(usage_date AS DATE)) AS DATE)"),
        provider: text("'AWS'"),
        payer_account_id: format!("'{}'", payer.replace('\'', "''")),
        usage_account_id: text("COALESCE(account, '')"),
        usage_account_name: text("account_name"),
        product_code: format!("COALESCE(MAP {{{codes}}}[service], service)"),
        product_name: text("service"),
        region: text("region"),
        line_item_type: text(
            "CASE charge_category WHEN 'Purchase' THEN 'Fee' WHEN 'Adjustment' THEN 'Discount' ELSE charge_category END",
        ),
        charge_category: text("charge_category"),
        currency: text("COALESCE(currency, 'USD')"),
        unblended_cost: text("COALESCE(CAST(unblended AS DOUBLE), 0)"),
        blended_cost: text("CAST(blended AS DOUBLE)"),
        amortized_cost: text("COALESCE(CAST(amortized AS DOUBLE), CAST(unblended AS DOUBLE), 0)"),
        net_unblended_cost: text("COALESCE(CAST(net_unblended AS DOUBLE), CAST(unblended AS DOUBLE), 0)"),
        net_amortized_cost: text(
            "COALESCE(CAST(net_amortized AS DOUBLE), CAST(amortized AS DOUBLE), CAST(unblended AS DOUBLE), 0)",
        ),
        usage_amount: text("CAST(usage_amount AS DOUBLE)"),
        usage_unit: text("usage_unit"),
        estimated: text("CAST(estimated AS BOOLEAN)"),
        ..LineItem::null()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_product_codes() {
        assert_eq!(product_code("EC2 - Other"), Some("AmazonEC2"));
        assert_eq!(product_code("Amazon Elastic Compute Cloud - Compute"), Some("AmazonEC2"));
        assert_eq!(
            product_code("Amazon Chime Business Calling a service sold by AMCS, LLC"),
            Some("AmazonChimeBusinessCalling")
        );
        assert_eq!(product_code("Claude 3 Haiku (Amazon Bedrock Edition)"), None);
    }
}
