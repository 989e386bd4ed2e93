//! AWS Cost and Usage Reports, both generations: which column is which fact, and the cost formulas.
//! Formulas follow the Cloud Intelligence Dashboards' summary view and the CUR data dictionary;
//! `docs/DATA.md` has them as a table.

use std::path::Path;

use super::{Layout, NetCosts, Table, Understood};
use crate::{
    error::Result,
    sources::{
        columns::{Columns, Kind, LineItems, Missing, Role, coalesce, cur_column_name},
        line_item::LineItem,
    },
};

/// Operations of split cost allocation rows: the same EC2 money again, by pod and by task.
const SPLIT_COST_OPERATIONS: &str = "'EKSPod-EC2', 'ECSTask-EC2'";

const USAGE_AMOUNT: &str = "line_item_usage_amount";
const RI_EFFECTIVE_COST: &str = "reservation_effective_cost";
const RI_UNUSED_RECURRING_FEE: &str = "reservation_unused_recurring_fee";
const SP_EFFECTIVE_COST: &str = "savings_plan_savings_plan_effective_cost";
const SP_TOTAL_COMMITMENT: &str = "savings_plan_total_commitment_to_date";
const SP_USED_COMMITMENT: &str = "savings_plan_used_commitment";

/// The column that says whether net costs are filled.
const NET_UNBLENDED_COST: &str = "line_item_net_unblended_cost";

/// Columns that costs are made of.
const NUMBERS: [&str; 19] = [
    "line_item_unblended_cost",
    NET_UNBLENDED_COST,
    "line_item_blended_cost",
    USAGE_AMOUNT,
    "pricing_public_on_demand_cost",
    RI_EFFECTIVE_COST,
    RI_UNUSED_RECURRING_FEE,
    SP_EFFECTIVE_COST,
    SP_TOTAL_COMMITMENT,
    SP_USED_COMMITMENT,
    "reservation_net_effective_cost",
    "reservation_unused_amortized_upfront_fee_for_billing_period",
    "reservation_net_unused_amortized_upfront_fee_for_billing_period",
    "reservation_net_unused_recurring_fee",
    "savings_plan_net_savings_plan_effective_cost",
    "savings_plan_net_recurring_commitment_for_billing_period",
    "savings_plan_recurring_commitment_for_billing_period",
    "savings_plan_net_amortized_upfront_commitment_for_billing_period",
    "savings_plan_amortized_upfront_commitment_for_billing_period",
];

/// Columns that only CUR 2.0 has.
const CUR2_COLUMNS: [&str; 8] = [
    "resource_tags",
    "cost_category",
    "product",
    "discount",
    "tags",
    "bill_payer_account_name",
    "line_item_usage_account_name",
    "line_item_user_identifier",
];

/// Columns that every legacy report has: AWS writes all of them, in no report a selection.
const CUR1_COLUMNS: [&str; 8] = [
    "identity_line_item_id",
    "identity_time_interval",
    "bill_bill_type",
    "bill_billing_entity",
    "bill_payer_account_id",
    "bill_billing_period_start_date",
    "line_item_usage_account_id",
    "line_item_blended_cost",
];

/// One generation of the report.
pub(crate) struct Cur {
    name: &'static str,
    is_legacy: bool,
}

/// The legacy report.
pub(crate) const LEGACY: Cur = Cur { name: "CUR", is_legacy: true };
/// The table `COST_AND_USAGE_REPORT` of Data Exports.
pub(crate) const DATA_EXPORT: Cur = Cur { name: "CUR 2.0", is_legacy: false };

impl Layout for Cur {
    fn is_known_by(&self, columns: &Columns, path: &Path) -> bool {
        let renamed = columns.renamed(cur_column_name);
        let is_focus = columns.iter().any(|column| column.name.eq_ignore_ascii_case("billedcost"));
        let is_cur = renamed.has("line_item_usage_start_date") || renamed.has("line_item_unblended_cost");
        is_cur && !is_focus && is_legacy(columns, path) == self.is_legacy
    }

    fn understand(&self, table: Table) -> Result<Understood> {
        let columns = table.columns.renamed(cur_column_name);
        Ok(Understood { line_items: line_items(&columns, self.name)?, columns, version: None, charges: None })
    }

    fn net_costs(&self) -> Option<NetCosts> {
        Some(NetCosts { column: NET_UNBLENDED_COST, line_items: |columns| line_items(columns, "CUR") })
    }
}

/// Which of the two generations a CUR file is, by its columns or the partition folder that it lies in.
///
/// The legacy report has `lineItem/…` in CSV, and in parquet always all its columns. CUR 2.0 is what a query
/// selects, and has `line_item_…` in CSV, too.
fn is_legacy(columns: &Columns, path: &Path) -> bool {
    let renamed = columns.renamed(cur_column_name);
    let in_partition =
        path.components().any(|part| part.as_os_str().to_string_lossy().to_lowercase().starts_with("billing_period="));
    let is_csv = columns.iter().all(|column| column.kind == Kind::Text);
    let is_selection = CUR1_COLUMNS.iter().any(|name| !renamed.has(name));
    let has_columns_of_cur2 = CUR2_COLUMNS.iter().any(|name| renamed.has(name));
    columns.has_prefix("lineItem/") || !(in_partition || has_columns_of_cur2 || is_csv || is_selection)
}

/// The line items of a CUR file with `columns` named by [`cur_column_name`].
///
/// # Errors
/// When one of the five columns is missing without which no cost can be told.
fn line_items(columns: &Columns, name: &str) -> Result<LineItems> {
    columns.require(
        name,
        &[
            &["line_item_usage_account_id", "lineItem/UsageAccountId"],
            &["line_item_usage_start_date", "lineItem/UsageStartDate"],
            &["line_item_product_code", "lineItem/ProductCode"],
            &["line_item_unblended_cost", "lineItem/UnblendedCost"],
            &["line_item_line_item_type", "lineItem/LineItemType"],
        ],
    )?;
    let text = |name: &str| columns.text(name).unwrap_or_else(|| "NULL".into());
    let start = columns.time("line_item_usage_start_date").unwrap_or_default();
    let either = |first: &str, second: &str| {
        coalesce([columns.text(first), columns.text(second)].into_iter().flatten()).unwrap_or_default()
    };
    let account = either("line_item_usage_account_id", "bill_payer_account_id");
    let payer = either("bill_payer_account_id", "line_item_usage_account_id");
    let costs = Costs { columns };
    let line_item = LineItem {
        usage_start: start.clone(),
        usage_end: columns.lenient_time("line_item_usage_end_date").unwrap_or_else(|| "NULL".into()),
        usage_date: format!("CAST({start} AS DATE)"),
        billing_period: billing_period(columns, &start),
        provider: "'AWS'".into(),
        payer_account_id: payer,
        usage_account_id: account,
        usage_account_name: text("line_item_usage_account_name"),
        product_code: format!("COALESCE({}, 'unknown')", text("line_item_product_code")),
        product_name: product_name(columns),
        region: region(columns),
        availability_zone: text("line_item_availability_zone"),
        usage_type: text("line_item_usage_type"),
        operation: text("line_item_operation"),
        resource_id: text("line_item_resource_id"),
        line_item_type: format!("COALESCE({}, 'unknown')", text("line_item_line_item_type")),
        charge_category: charge_category(&text("line_item_line_item_type")),
        billing_entity: text("bill_billing_entity"),
        purchase_option: purchase_option(columns),
        commitment_id: commitment_id(columns),
        commitment_end: commitment_end(columns),
        description: text("line_item_line_item_description"),
        invoice_id: text("bill_invoice_id"),
        usage_amount: columns.number("line_item_usage_amount").unwrap_or_else(|| "NULL".into()),
        usage_unit: text("pricing_unit"),
        currency: format!("upper(COALESCE({}, 'USD'))", text("line_item_currency_code")),
        usd_rate: "NULL".into(),
        unblended_cost: costs.unblended(false),
        blended_cost: columns.number("line_item_blended_cost").unwrap_or_else(|| "NULL".into()),
        amortized_cost: costs.amortized(false),
        net_unblended_cost: costs.unblended(true),
        net_amortized_cost: costs.amortized(true),
        list_cost: columns.number("pricing_public_on_demand_cost").unwrap_or_else(|| "NULL".into()),
        tags: tags(columns).unwrap_or_else(|| "NULL".into()),
        cost_categories: cost_categories(columns).unwrap_or_else(|| "NULL".into()),
        estimated: "NULL".into(),
    };
    let split = match columns.text("line_item_operation") {
        Some(operation) => Some(format!("COALESCE({operation}, '') IN ({SPLIT_COST_OPERATIONS})")),
        None => columns.text("split_line_item_parent_resource_id").map(|parent| format!("{parent} IS NOT NULL")),
    };
    let excluded = split.map(|split| (split, "split cost allocation rows (EC2 money again, by pod and task)"));
    let numbers = NUMBERS.map(|name| (name, if name == USAGE_AMOUNT { Role::Quantity } else { Role::Money }));
    let times = [
        ("line_item_usage_start_date", Role::Start),
        ("line_item_usage_end_date", Role::End),
        ("bill_billing_period_start_date", Role::PeriodStart),
        ("bill_billing_period_end_date", Role::PeriodEnd),
    ];
    let values = columns.values(numbers.into_iter().chain(times));
    let says_currency = columns.has("line_item_currency_code");
    Ok(LineItems { line_item, excluded, missing: missing(columns), values, says_currency })
}

fn billing_period(columns: &Columns, start: &str) -> String {
    match columns.time("bill_billing_period_start_date") {
        Some(period) => format!("CAST(date_trunc('month', COALESCE({period}, {start})) AS DATE)"),
        None => format!("CAST(date_trunc('month', {start}) AS DATE)"),
    }
}

fn product_name(columns: &Columns) -> String {
    let names = [columns.text("product_product_name"), columns.map_value("product", "product_name")];
    coalesce(names.into_iter().flatten()).unwrap_or_else(|| "NULL".into())
}

/// The region: the product's, else that of the availability zone, else `global`; never NULL.
fn region(columns: &Columns) -> String {
    let zone = columns
        .text("line_item_availability_zone")
        .map(|zone| format!(r"nullif(regexp_extract({zone}, '^[a-z]{{2}}(-[a-z]+)+-\d+'), '')"));
    let product =
        [columns.text("product_region_code"), columns.text("product_region"), columns.map_value("product", "region")];
    let known = product.into_iter().flatten().map(|region| format!("nullif({region}, 'NoRegion')"));
    coalesce(known.chain(zone).chain(["'global'".to_owned()])).unwrap_or_default()
}

/// FOCUS's charge category of an AWS line item type. Discounts on lines of their own are adjustments,
/// refunds count with credits, unknown types with usage so that no money is lost from sight.
fn charge_category(line_item_type: &str) -> String {
    format!(
        "CASE WHEN {line_item_type} IN ('Fee', 'RIFee', 'SavingsPlanRecurringFee', 'SavingsPlanUpfrontFee', 'FlatRateSubscription') \
         THEN 'Purchase' WHEN {line_item_type} = 'Tax' THEN 'Tax' WHEN {line_item_type} IN ('Credit', 'Refund') THEN 'Credit' \
         WHEN {line_item_type} LIKE '%Discount' THEN 'Adjustment' ELSE 'Usage' END"
    )
}

fn purchase_option(columns: &Columns) -> String {
    let line_item_type = columns.text("line_item_line_item_type").unwrap_or_else(|| "NULL".into());
    let usage_type = columns.text("line_item_usage_type").unwrap_or_else(|| "NULL".into());
    let term = columns.text("pricing_term").unwrap_or_else(|| "NULL".into());
    format!(
        "CASE WHEN {line_item_type} IN ('DiscountedUsage', 'RIFee') THEN 'Reserved' \
         WHEN {line_item_type} LIKE 'SavingsPlan%' THEN 'SavingsPlans' \
         WHEN {usage_type} LIKE '%SpotUsage%' OR {term} = 'Spot' THEN 'Spot' ELSE {term} END"
    )
}

/// The ARN of the reservation or the Savings Plan that a line is paid by or pays for.
fn commitment_id(columns: &Columns) -> String {
    let arns = ["reservation_reservation_a_r_n", "savings_plan_savings_plan_a_r_n"].map(|name| columns.text(name));
    coalesce(arns.into_iter().flatten()).unwrap_or_else(|| "NULL".into())
}

/// When that ends.
fn commitment_end(columns: &Columns) -> String {
    let ends = ["reservation_end_time", "savings_plan_end_time"].map(|name| columns.lenient_time(name));
    coalesce(ends.into_iter().flatten()).unwrap_or_else(|| "NULL".into())
}

/// Resource tags, keyed as CUR 2.0 keys them: `user_cost_center`.
fn tags(columns: &Columns) -> Option<String> {
    let resource = columns.map("resource_tags").or_else(|| columns.map_of_prefix("resource_tags_"));
    coalesce([resource, columns.map("tags")].into_iter().flatten())
}

fn cost_categories(columns: &Columns) -> Option<String> {
    columns.map("cost_category").or_else(|| columns.map_of_prefix("cost_category_"))
}

/// The cost formulas, gross or net of discounts. A net term falls back to its gross one row by row,
/// because net columns exist only for accounts with discounts and may be there but empty.
struct Costs<'a> {
    columns: &'a Columns,
}

impl Costs<'_> {
    fn term(&self, net: Option<&str>, gross: &str) -> Option<String> {
        let net = net.and_then(|name| self.columns.number(name));
        coalesce([net, self.columns.number(gross)].into_iter().flatten())
    }

    fn line_item_type(&self) -> String {
        self.columns.text("line_item_line_item_type").unwrap_or_else(|| "NULL".into())
    }

    /// Unblended cost. Net: a discount line without a net cost counts nothing where net columns are
    /// filled, because the discount is in the net cost of the lines that it discounts.
    fn unblended(&self, net: bool) -> String {
        let gross = self.columns.number("line_item_unblended_cost").unwrap_or_default();
        let name = NET_UNBLENDED_COST;
        match self.columns.number(name) {
            Some(net_cost) if net && self.columns.is_filled(name) == Some(true) => format!(
                "COALESCE({net_cost}, CASE WHEN {} LIKE '%Discount' THEN 0 ELSE {gross} END, 0)",
                self.line_item_type()
            ),
            _ => format!("COALESCE({gross}, 0)"),
        }
    }

    /// Amortized cost by line item type.
    fn amortized(&self, net: bool) -> String {
        let pick = |name: &'static str| net.then_some(name);
        let unblended = self.unblended(net);
        let mut whens = Vec::new();
        // Fees may only leave the amortized view when their spread-out cost is on the covered usage.
        if let Some(effective) = self.term(pick("reservation_net_effective_cost"), RI_EFFECTIVE_COST) {
            let unused = [
                self.term(
                    pick("reservation_net_unused_amortized_upfront_fee_for_billing_period"),
                    "reservation_unused_amortized_upfront_fee_for_billing_period",
                ),
                self.term(pick("reservation_net_unused_recurring_fee"), RI_UNUSED_RECURRING_FEE),
            ];
            let unused: Vec<String> = unused.into_iter().flatten().map(|term| format!("COALESCE({term}, 0)")).collect();
            let unused = if unused.is_empty() { "0".to_owned() } else { unused.join(" + ") };
            whens.push(format!("WHEN 'DiscountedUsage' THEN {effective} WHEN 'RIFee' THEN {unused}"));
            if let Some(arn) = self.columns.text("reservation_reservation_a_r_n") {
                whens.push(format!("WHEN 'Fee' THEN CASE WHEN {arn} IS NULL THEN {unblended} ELSE 0 END"));
            }
        }
        if let Some(effective) = self.term(pick("savings_plan_net_savings_plan_effective_cost"), SP_EFFECTIVE_COST) {
            let unused = self.unused_savings_plan(net).unwrap_or_else(|| "0".into());
            whens.push(format!(
                "WHEN 'SavingsPlanCoveredUsage' THEN {effective} WHEN 'SavingsPlanNegation' THEN 0 \
                 WHEN 'SavingsPlanRecurringFee' THEN {unused} WHEN 'SavingsPlanUpfrontFee' THEN 0"
            ));
            if let Some(description) = self.columns.text("line_item_line_item_description") {
                whens.push(format!(
                    "WHEN 'Refund' THEN CASE WHEN {description} LIKE 'Refund for one-time fee for Savings Plan ID%' \
                     THEN 0 ELSE {unblended} END"
                ));
            }
        }
        if whens.is_empty() {
            return unblended;
        }
        format!("COALESCE(CASE {} {} ELSE {unblended} END, {unblended})", self.line_item_type(), whens.join(" "))
    }

    /// What of a Savings Plan's commitment went unused; nothing where the total is blank, for the covered usage
    /// has the cost of what was used. There are no net columns of the totals, so the net cost scales the gross
    /// one by the discount on the commitment itself.
    fn unused_savings_plan(&self, net: bool) -> Option<String> {
        let number = |name: &str| self.columns.number(name);
        let unused =
            format!("COALESCE({} - COALESCE({}, 0), 0)", number(SP_TOTAL_COMMITMENT)?, number(SP_USED_COMMITMENT)?);
        let ratio = |net: &str, gross: &str| Some(format!("{} / nullif({}, 0)", number(net)?, number(gross)?));
        let ratios = [
            ratio(
                "savings_plan_net_recurring_commitment_for_billing_period",
                "savings_plan_recurring_commitment_for_billing_period",
            ),
            ratio(
                "savings_plan_net_amortized_upfront_commitment_for_billing_period",
                "savings_plan_amortized_upfront_commitment_for_billing_period",
            ),
        ];
        match coalesce(ratios.into_iter().flatten().chain(["1".to_owned()])) {
            Some(ratio) if net => Some(format!("{unused} * {ratio}")),
            _ => Some(unused),
        }
    }
}

/// What the absence of each optional column costs the user.
fn missing(columns: &Columns) -> Vec<Missing> {
    let mut missing = Vec::new();
    let mut check = |name: &str, consequence: &'static str| {
        if !columns.has(name) {
            missing.push(Missing { column: name.into(), consequence });
        }
    };
    check("line_item_blended_cost", "blended cost is not known");
    check("pricing_public_on_demand_cost", "list cost is not known");
    check(RI_EFFECTIVE_COST, "amortized cost of reservations = unblended");
    check(SP_EFFECTIVE_COST, "amortized cost of Savings Plans = unblended");
    if columns.has(RI_EFFECTIVE_COST) {
        check("reservation_reservation_a_r_n", "upfront fees of reservations are in the amortized cost twice");
        check(RI_UNUSED_RECURRING_FEE, "unused reservations are not in the amortized cost");
    }
    if columns.has(SP_EFFECTIVE_COST) {
        check("line_item_line_item_description", "refunds of Savings Plans count in the amortized cost");
        for name in [SP_TOTAL_COMMITMENT, SP_USED_COMMITMENT] {
            check(name, "unused Savings Plans are not in the amortized cost");
        }
    }
    check("line_item_usage_type", "no breakdown by usage type");
    check("line_item_operation", "no breakdown by operation");
    check("line_item_resource_id", "no breakdown by resource");
    check("line_item_currency_code", "amounts are taken as USD");
    let net = [NET_UNBLENDED_COST, "reservation_net_effective_cost"];
    if !net.iter().any(|name| columns.has(name)) {
        missing.push(Missing { column: "net columns".into(), consequence: "net amortized = amortized" });
    } else if net.iter().all(|name| columns.is_filled(name) == Some(false)) {
        missing.push(Missing { column: "values in net columns".into(), consequence: "net amortized = amortized" });
    }
    let regions = ["product_region", "product_region_code", "product", "line_item_availability_zone"];
    if !regions.iter().any(|name| columns.has(name)) {
        missing.push(Missing { column: "region columns".into(), consequence: "every region is `global`" });
    }
    if tags(columns).is_none() {
        missing.push(Missing { column: "tag columns".into(), consequence: "no breakdown by tag" });
    }
    missing
}
