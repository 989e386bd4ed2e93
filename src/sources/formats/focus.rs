//! FOCUS cost and usage files, 1.0 to 1.4, of any provider: which column is which fact.
//! Mapping by the definitions of the FOCUS specification (focus.finops.org).

use std::path::Path;

use super::{Layout, Table, Understood};
use crate::{
    error::Result,
    sources::{
        columns::{Columns, LineItems, Missing, Role, coalesce},
        line_item::LineItem,
    },
};

/// Who sells, best first; without `Name` in the preview of 1.0 that Oracle delivers.
const PROVIDER: [&str; 7] = [
    "serviceprovidername",
    "providername",
    "provider",
    "publishername",
    "publisher",
    "invoiceissuername",
    "invoiceissuer",
];
/// Units of the billing currency that one of the pricing currency is, an addition of Azure's.
const RATE: &str = "x_billingexchangerate";

/// Cost and usage by the FOCUS specification.
pub(crate) struct Focus;

impl Layout for Focus {
    fn is_known_by(&self, columns: &Columns, _path: &Path) -> bool {
        let lower = columns.renamed(|name| name.to_lowercase());
        lower.has("billedcost") && lower.has("chargeperiodstart")
    }

    fn understand(&self, table: Table) -> Result<Understood> {
        let columns = table.columns.renamed(|name| name.to_lowercase());
        let (line_items, version) = (line_items(&columns)?, Some(version(&columns)));
        Ok(Understood { columns, line_items, version, charges: None })
    }

    fn null_texts(&self) -> &'static [&'static str] {
        &["", "NULL", "null"]
    }
}

/// The version of the specification that the columns show.
fn version(columns: &Columns) -> &'static str {
    if columns.has("serviceprovidername") {
        if columns.has("providername") { "1.3" } else { "1.4" }
    } else if columns.has("chargesubcategory") {
        "1.0-preview"
    } else if columns.has("invoiceid") && columns.has("subaccounttype") {
        "1.2"
    } else if columns.has("skumeter") {
        "1.1"
    } else {
        "1.0"
    }
}

/// The line items of a FOCUS file with `columns` named in lower case.
///
/// # Errors
/// When a column is missing without which no cost can be told.
fn line_items(columns: &Columns) -> Result<LineItems> {
    columns.require(
        "FOCUS",
        &[
            &["chargeperiodstart", "ChargePeriodStart"],
            &["billedcost", "BilledCost"],
            &["effectivecost", "EffectiveCost"],
            &["chargecategory", "ChargeCategory"],
        ],
    )?;
    let text = |name: &str| columns.text(name).unwrap_or_else(|| "NULL".into());
    let number = |name: &str| columns.number(name).unwrap_or_else(|| "NULL".into());
    let first = |names: &[&str], otherwise: &str| {
        let found = names.iter().filter_map(|name| columns.text(name));
        coalesce(found.chain([otherwise.to_owned()])).unwrap_or_default()
    };
    let start = columns.time("chargeperiodstart").unwrap_or_default();
    let provider = provider(&first(&PROVIDER, "'unknown'"));
    let billed = format!("COALESCE({}, 0)", number("billedcost"));
    // Tencent Cloud leaves the effective cost blank, which the specification forbids.
    let effective = format!("COALESCE({}, {}, 0)", number("effectivecost"), number("billedcost"));
    let (usage_amount, usage_unit) = quantity(columns);
    let billing_period = coalesce([columns.time("billingperiodstart"), Some(start.clone())].into_iter().flatten());
    let line_item = LineItem {
        usage_start: start.clone(),
        usage_end: columns.lenient_time("chargeperiodend").unwrap_or_else(|| "NULL".into()),
        usage_date: format!("CAST({start} AS DATE)"),
        billing_period: format!("CAST(date_trunc('month', {}) AS DATE)", billing_period.unwrap_or_default()),
        provider: provider.clone(),
        // Where no account is named the provider's own name tells one bill from another.
        payer_account_id: account(&first(&["billingaccountid", "subaccountid"], &provider)),
        usage_account_id: account(&first(&["subaccountid", "billingaccountid"], "'unknown'")),
        usage_account_name: account_name(columns),
        product_code: first(&["x_servicecode", "servicename"], "'unknown'"),
        product_name: text("servicename"),
        // Oracle has the name alone.
        region: first(&["regionid", "region", "regionname"], "'global'"),
        availability_zone: text("availabilityzone"),
        usage_type: first(&["x_usagetype", "skumeter", "skuid"], "NULL"),
        operation: text("x_operation"),
        resource_id: text("resourceid"),
        line_item_type: line_item_type(columns),
        charge_category: charge_category(&text("chargecategory")),
        billing_entity: first(&["invoiceissuername", "invoiceissuer", "publishername", "publisher"], "NULL"),
        purchase_option: purchase_option(columns),
        commitment_id: text("commitmentdiscountid"),
        commitment_end: "NULL".into(),
        description: text("chargedescription"),
        invoice_id: text("invoiceid"),
        usage_amount,
        usage_unit,
        currency: format!("upper({})", first(&["billingcurrency"], "'USD'")),
        usd_rate: usd_rate(columns),
        unblended_cost: billed.clone(),
        blended_cost: "NULL".into(),
        amortized_cost: effective.clone(),
        net_unblended_cost: billed,
        net_amortized_cost: effective,
        list_cost: number("listcost"),
        tags: columns.map("tags").unwrap_or_else(|| "NULL".into()),
        cost_categories: "NULL".into(),
        estimated: "NULL".into(),
    };
    let values = columns.values([
        ("billedcost", Role::Money),
        ("effectivecost", Role::Money),
        ("listcost", Role::Money),
        (RATE, Role::Quantity),
        ("consumedquantity", Role::Quantity),
        ("usagequantity", Role::Quantity),
        ("pricingquantity", Role::Quantity),
        ("chargeperiodstart", Role::Start),
        ("chargeperiodend", Role::End),
        ("billingperiodstart", Role::PeriodStart),
        ("billingperiodend", Role::PeriodEnd),
    ]);
    let says_currency = columns.has("billingcurrency");
    Ok(LineItems { line_item, excluded: None, missing: missing(columns), values, says_currency })
}

/// The quantity of what is used, and its unit; Alibaba Cloud gives only what is priced.
fn quantity(columns: &Columns) -> (String, String) {
    let consumed = coalesce(["consumedquantity", "usagequantity"].iter().filter_map(|name| columns.number(name)));
    let unit = coalesce(["consumedunit", "usageunit"].iter().filter_map(|name| columns.text(name)));
    let (consumed, unit) = (consumed.unwrap_or_else(|| "NULL".into()), unit.unwrap_or_else(|| "NULL".into()));
    let Some((priced, priced_unit)) = columns.number("pricingquantity").zip(columns.text("pricingunit")) else {
        return (consumed, unit);
    };
    let category = columns.text("chargecategory").unwrap_or_else(|| "NULL".into());
    let otherwise = |value: &str, priced: &str| {
        format!("CASE WHEN {consumed} IS NULL AND lower({category}) = 'usage' THEN {priced} ELSE {value} END")
    };
    (otherwise(&consumed, &priced), otherwise(&unit, &priced_unit))
}

/// Azure's FOCUS says how many units of the billing currency one of the pricing currency is, which often is the US dollar.
fn usd_rate(columns: &Columns) -> String {
    let pricing = coalesce(["pricingcurrency", "x_pricingcurrency"].iter().filter_map(|name| columns.text(name)));
    match pricing.zip(columns.number(RATE)) {
        Some((pricing, rate)) => format!("CASE WHEN upper({pricing}) = 'USD' THEN 1 / nullif({rate}, 0) END"),
        None => "NULL".to_owned(),
    }
}

/// The five categories in the specification's case; anything else is usage, so that no money is lost from sight.
fn charge_category(category: &str) -> String {
    format!(
        "CASE lower({category}) WHEN 'purchase' THEN 'Purchase' WHEN 'tax' THEN 'Tax' WHEN 'credit' THEN 'Credit' \
         WHEN 'adjustment' THEN 'Adjustment' ELSE 'Usage' END"
    )
}

/// One name for each provider: files write `AWS`, `Amazon Web Services`, `Microsoft Azure`, ….
fn provider(name: &str) -> String {
    format!(
        "CASE WHEN {name} IN ('Amazon Web Services', 'Amazon', 'Amazon Web Services, Inc.') THEN 'AWS' \
         WHEN {name} IN ('Microsoft Azure', 'Azure', 'Microsoft Corporation') THEN 'Microsoft' \
         WHEN {name} IN ('Google', 'GCP') THEN 'Google Cloud' ELSE {name} END"
    )
}

/// Azure's own exports name an account alone, its FOCUS as the end of a path: `/subscriptions/…`,
/// `/providers/Microsoft.Billing/billingAccounts/…`.
fn account(id: &str) -> String {
    format!("regexp_replace({id}, '^/(subscriptions|providers/[Mm]icrosoft\\.[Bb]illing/billing[Aa]ccounts)/', '')")
}

fn account_name(columns: &Columns) -> String {
    let billing = columns.text("billingaccountname").unwrap_or_else(|| "NULL".into());
    match (columns.text("subaccountid"), columns.text("subaccountname")) {
        (Some(id), Some(name)) => format!("CASE WHEN {id} IS NULL THEN {billing} ELSE {name} END"),
        _ => billing,
    }
}

/// FOCUS has no line item types: a correction and an unused commitment are said as such, the rest by category. Oracle says a correction by
/// the number of the line that it corrects.
fn line_item_type(columns: &Columns) -> String {
    let text = |name: &str| columns.text(name).unwrap_or_else(|| "NULL".into());
    format!(
        "CASE WHEN {} = 'Correction' OR {} IS NOT NULL THEN 'Correction' WHEN {} = 'Unused' THEN 'UnusedCommitment' ELSE {} END",
        text("chargeclass"),
        text("oci_backreferencenumber"),
        text("commitmentdiscountstatus"),
        charge_category(&text("chargecategory"))
    )
}

fn purchase_option(columns: &Columns) -> String {
    let text = |name: &str| columns.text(name).unwrap_or_else(|| "NULL".into());
    format!(
        "CASE WHEN {category} = 'Standard' THEN 'OnDemand' WHEN {category} = 'Dynamic' THEN 'Spot' \
         WHEN {category} = 'Committed' THEN CASE WHEN {kind} ILIKE '%savings%' THEN 'SavingsPlans' ELSE 'Reserved' END \
         ELSE {category} END",
        category = text("pricingcategory"),
        kind = text("commitmentdiscounttype")
    )
}

fn missing(columns: &Columns) -> Vec<Missing> {
    let optional = [
        (&["BillingCurrency"][..], "amounts are taken as USD"),
        (
            &["ProviderName", "ServiceProviderName", "PublisherName", "InvoiceIssuerName", "Provider"],
            "the provider is `unknown`",
        ),
        (&["SubAccountId", "BillingAccountId"], "the account is `unknown`"),
        (&["ServiceName", "x_ServiceCode"], "the service is `unknown`"),
        (&["RegionId", "Region", "RegionName"], "every region is `global`"),
        (&["ListCost"], "list cost is not known"),
        (&["ResourceId"], "no breakdown by resource"),
        (&["SkuMeter", "x_UsageType", "SkuId"], "no breakdown by usage type"),
        (&["Tags"], "no breakdown by tag"),
    ];
    let absent = optional.into_iter().filter(|(names, _)| !names.iter().any(|name| columns.has(&name.to_lowercase())));
    absent.map(|(names, consequence)| Missing { column: names[0].into(), consequence }).collect()
}
