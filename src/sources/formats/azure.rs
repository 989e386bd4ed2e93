//! Azure Cost Management exports, actual and amortized: which column is which fact. Five layouts are in the wild (EA before and after 2019,
//! its "v2", MCA, and the schema of 2025), which name the same facts otherwise, in any case, some with a byte order mark, some with
//! a translation before the name. <https://learn.microsoft.com/azure/cost-management-billing/dataset-schema/schema-index>.

use std::path::Path;

use super::{Layout, Table, Understood};
use crate::{
    error::Result,
    sources::{
        columns::{Columns, LineItems, Missing, Role, coalesce},
        dates::DateOrder,
        line_item::LineItem,
    },
};

/// One kind of export. Both describe the same money.
pub(crate) struct Azure {
    is_amortized: bool,
}

/// Purchases of commitments on their day, and what they cover at nothing.
pub(crate) const ACTUAL: Azure = Azure { is_amortized: false };
/// Commitments spread over what they cover.
pub(crate) const AMORTIZED: Azure = Azure { is_amortized: true };

const DATE: [&str; 3] = ["date", "usagedatetime", "usagedate"];
const PERIOD: &str = "billingperiodstart";
const COST: [&str; 3] = ["costinbillingcurrency", "cost", "pretaxcost"];
const CURRENCY: [&str; 3] = ["billingcurrencycode", "billingcurrency", "currency"];
const QUANTITY: [&str; 3] = ["quantity", "usagequantity", "consumedquantity"];
const SUBSCRIPTION: [&str; 2] = ["subscriptionid", "subscriptionguid"];
/// Units of the billing currency that one of the pricing currency is.
const RATE: &str = "exchangeratepricingtobilling";
/// MCA once had the ARM id in `InstanceName`.
const RESOURCE: [&str; 3] = ["resourceid", "instanceid", "instancename"];

impl Layout for Azure {
    fn is_known_by(&self, columns: &Columns, path: &Path) -> bool {
        let columns = columns.renamed(name);
        let has = |names: &[&str]| names.iter().any(|name| columns.has(name));
        let is_azure = has(&["metercategory"])
            && has(&DATE)
            && has(&COST)
            && (has(&SUBSCRIPTION) || has(&["resourcegroup", "resourcegroupname"]));
        let says_amortized = path.to_string_lossy().to_lowercase().contains("amortized");
        is_azure && !columns.has("chargeperiodstart") && says_amortized == self.is_amortized
    }

    fn understand(&self, table: Table) -> Result<Understood> {
        let columns = table.columns.renamed(name);
        let line_items = self.line_items(&columns, table.mapping.date_order)?;
        Ok(Understood { columns, line_items, version: Some(version(table.columns)), charges: None })
    }

    fn null_texts(&self) -> &'static [&'static str] {
        &["", "NULL", "null"]
    }

    /// Dates with slashes are American; those that show another order are read so.
    fn usual_date_order(&self) -> Option<DateOrder> {
        Some(DateOrder::Mdy)
    }
}

/// A column's own name: in lower case, without a byte order mark, and of `Kategorie (MeterCategory)` what is in brackets.
fn name(column: &str) -> String {
    let column = column.trim_start_matches('\u{feff}').trim();
    let own = column.strip_suffix(')').and_then(|column| column.rsplit_once('(')).map_or(column, |(_, own)| own);
    match own.to_lowercase().replace([' ', '_'], "").as_str() {
        "billingperiodstartdate" => "billingperiodstart".to_owned(),
        "billingperiodenddate" => "billingperiodend".to_owned(),
        own => own.to_owned(),
    }
}

/// The day of a charge and the start of its billing period, as SQL. Dates as `06/30/2026` are read so at once where the billing
/// period agrees; what does not fails as a cast, and the file is asked how it writes dates.
fn days(columns: &Columns, order: Option<DateOrder>) -> (String, String) {
    let read = |names: &[&str]| coalesce(names.iter().filter_map(|name| columns.time(name)));
    let start = read(&DATE).unwrap_or_default();
    let month = |period: Option<String>, start: &String| {
        coalesce(period.into_iter().chain([start.clone()])).unwrap_or_default()
    };
    let usual = month(read(&[PERIOD]), &start);
    let american = |name: &str| columns.time_written(name, "%m/%d/%Y");
    let Some(day) =
        DATE.iter().find_map(|name| american(name)).filter(|_| order.is_none_or(|order| order == DateOrder::Mdy))
    else {
        return (start, usual);
    };
    let first = american(PERIOD);
    // A period of its own type says nothing of the order of the dates.
    if first.is_none() && columns.has(PERIOD) {
        return (start, usual);
    }
    let unless = |fast: &str, names: &[&str]| {
        coalesce([fast.to_owned()].into_iter().chain(names.iter().filter_map(|name| columns.time_unless(fast, name))))
    };
    let is_day = first.as_ref().map(|first| format!("CASE WHEN date_trunc('month', {day}) = {first} THEN {day} END"));
    let start = unless(&is_day.unwrap_or(day), &DATE).unwrap_or_default();
    let is_first = first.map(|first| format!("CASE WHEN day({first}) = 1 THEN {first} END"));
    let period = is_first.and_then(|first| unless(&first, &[PERIOD]));
    let month = month(period, &start);
    (start, month)
}

/// Which of the layouts the columns show.
fn version(columns: &Columns) -> &'static str {
    let named = columns.renamed(name);
    let is_camel = columns.iter().any(|column| column.name == "costInBillingCurrency");
    match () {
        () if named.has("pretaxcost") => "EA, before 2019",
        () if is_camel => "MCA",
        () if named.has("costinbillingcurrency") => "EA v2",
        () if named.has("benefitid") => "2025-04",
        () => "EA",
    }
}

impl Azure {
    /// The line items of an export with `columns` named by [`name`].
    ///
    /// # Errors
    /// When a column is missing without which no cost can be told.
    fn line_items(&self, columns: &Columns, date_order: Option<DateOrder>) -> Result<LineItems> {
        columns.require("Azure", &[&DATE, &COST, &["metercategory", "MeterCategory"]])?;
        let text = |name: &str| columns.text(name).unwrap_or_else(|| "NULL".into());
        let first = |names: &[&str], otherwise: &str| {
            let found = names.iter().filter_map(|name| columns.text(name));
            coalesce(found.chain([otherwise.to_owned()])).unwrap_or_default()
        };
        let number = |names: &[&str]| {
            coalesce(names.iter().filter_map(|name| columns.number(name))).unwrap_or_else(|| "NULL".into())
        };
        let (start, month) = days(columns, date_order);
        let cost = format!("COALESCE({}, 0)", number(&COST));
        let account = first(&SUBSCRIPTION, "NULL");
        // Purchases are of no subscription: they are the billing account's own.
        let payer = first(&["billingaccountid", "customertenantid"], &first(&SUBSCRIPTION, "'unknown'"));
        let line_item = LineItem {
            usage_start: start.clone(),
            usage_date: format!("CAST({start} AS DATE)"),
            billing_period: format!("CAST(date_trunc('month', {month}) AS DATE)"),
            provider: "'Microsoft'".into(),
            payer_account_id: payer.clone(),
            usage_account_id: format!("COALESCE({account}, {payer})"),
            usage_account_name: text("subscriptionname"),
            product_code: first(&["metercategory", "consumedservice"], "'unknown'"),
            product_name: first(&["productname", "product", "metercategory"], "NULL"),
            region: format!("COALESCE({}, 'global')", region(columns)),
            availability_zone: text("availabilityzone"),
            usage_type: format!("nullif(concat_ws('/', {}, {}), '')", text("metersubcategory"), text("metername")),
            operation: text("consumedservice"),
            resource_id: first(&RESOURCE, "NULL"),
            line_item_type: format!("COALESCE({}, 'Usage')", text("chargetype")),
            charge_category: charge_category(&text("chargetype")),
            billing_entity: first(&["publishername", "publishertype"], "NULL"),
            purchase_option: purchase_option(&text("pricingmodel"), &text("reservationid")),
            commitment_id: first(&["benefitid", "reservationid"], "NULL"),
            description: first(&["product", "productname"], "NULL"),
            invoice_id: first(&["invoiceid", "previousinvoiceid"], "NULL"),
            usage_amount: number(&QUANTITY),
            usage_unit: text("unitofmeasure"),
            currency: format!("upper({})", first(&CURRENCY, "'USD'")),
            usd_rate: usd_rate(columns),
            unblended_cost: cost.clone(),
            amortized_cost: cost.clone(),
            net_unblended_cost: cost.clone(),
            net_amortized_cost: cost,
            list_cost: list_cost(columns),
            tags: columns.map("tags").unwrap_or_else(|| "NULL".into()),
            ..LineItem::null()
        };
        let roles = DATE.map(|name| (name, Role::Start)).into_iter().chain(COST.map(|name| (name, Role::Money)));
        let roles = roles.chain(QUANTITY.map(|name| (name, Role::Quantity)));
        let values = columns.values(roles.chain([
            ("billingperiodstart", Role::PeriodStart),
            ("billingperiodend", Role::PeriodEnd),
            ("paygprice", Role::Quantity),
            (RATE, Role::Quantity),
        ]));
        let says_currency = CURRENCY.iter().any(|name| columns.has(name));
        Ok(LineItems { line_item, excluded: None, missing: self.missing(columns), values, says_currency })
    }

    fn missing(&self, columns: &Columns) -> Vec<Missing> {
        let optional = [
            (&CURRENCY[..], "amounts are taken as USD"),
            (&SUBSCRIPTION, "the account is the billing account"),
            (&["resourcelocation", "location", "meterregion"], "every region is `global`"),
            (&RESOURCE, "no breakdown by resource"),
            (&["tags"], "no breakdown by tag"),
            (&["chargetype"], "every charge counts as usage"),
            (&["paygprice"], "list cost is not known"),
        ];
        let absent = optional.into_iter().filter(|(names, _)| !names.iter().any(|name| columns.has(name)));
        let mut missing: Vec<Missing> =
            absent.map(|(names, consequence)| Missing { column: names[0].into(), consequence }).collect();
        missing.push(match self.is_amortized {
            true => Missing {
                column: "billed costs".into(),
                consequence: "unblended = amortized, for the export is amortized",
            },
            false => Missing {
                column: "amortized costs".into(),
                consequence: "amortized = unblended, for the export is of actual costs",
            },
        });
        missing
    }
}

/// Prices are often in US dollars, whatever the invoice is in.
fn usd_rate(columns: &Columns) -> String {
    let pricing = coalesce(["pricingcurrency", "pricingcurrencycode"].iter().filter_map(|name| columns.text(name)));
    match pricing.zip(columns.number(RATE)) {
        Some((pricing, rate)) => format!("CASE WHEN upper({pricing}) = 'USD' THEN 1 / nullif({rate}, 0) END"),
        None => "NULL".to_owned(),
    }
}

/// A region's own name: `US West` and `uswest` are `uswest`.
fn region(columns: &Columns) -> String {
    let names = ["resourcelocation", "location", "meterregion"].into_iter().filter_map(|name| columns.text(name));
    let plain = names.map(|name| format!("nullif(lower(replace({name}, ' ', '')), '')"));
    coalesce(plain).unwrap_or_else(|| "NULL".into())
}

/// What went unused of a commitment is a purchase, as in every bill; an unknown type counts as usage, so that no money is lost from sight.
fn charge_category(charge_type: &str) -> String {
    format!(
        "CASE lower(replace({charge_type}, ' ', '')) WHEN 'purchase' THEN 'Purchase' WHEN 'unusedreservation' THEN 'Purchase' \
         WHEN 'unusedsavingsplan' THEN 'Purchase' WHEN 'refund' THEN 'Credit' WHEN 'credit' THEN 'Credit' WHEN 'tax' THEN 'Tax' \
         WHEN 'roundingadjustment' THEN 'Adjustment' WHEN 'adjustment' THEN 'Adjustment' ELSE 'Usage' END"
    )
}

fn purchase_option(pricing_model: &str, reservation: &str) -> String {
    format!(
        "CASE lower(replace({pricing_model}, ' ', '')) WHEN 'reservation' THEN 'Reserved' WHEN 'savingsplan' THEN 'SavingsPlans' \
         WHEN 'spot' THEN 'Spot' WHEN 'ondemand' THEN 'OnDemand' \
         ELSE CASE WHEN {reservation} IS NOT NULL THEN 'Reserved' ELSE {pricing_model} END END"
    )
}

/// The price of pay as you go times the quantity, in the billing currency; of purchases, which have none, not known.
fn list_cost(columns: &Columns) -> String {
    let (Some(price), Some(quantity)) =
        (columns.number("paygprice"), coalesce(QUANTITY.iter().filter_map(|name| columns.number(name))))
    else {
        return "NULL".to_owned();
    };
    let rate = columns.number(RATE).unwrap_or_else(|| "NULL".into());
    format!("nullif({price}, 0) * {quantity} * COALESCE({rate}, 1)")
}
