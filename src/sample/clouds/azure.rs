//! Azure Cost Management exports, actual and amortized, in five layouts.

use std::path::Path;

use serde_json::json;

use super::{Estate, Kind, Layout, Line, Month, cannot_write, create, csv_writer};
use crate::{
    error::{Error, Result},
    model::{Granularity, Period},
};

const BILLING_ACCOUNT: &str = "8611537";
/// What a dollar of the price list is in the billing currency; the generated bills are in dollars.
const RATE: &str = "1";

/// A column: its name and what it is of a line.
type Column = (&'static str, fn(&Line, bool) -> String);

fn charge_type(line: &Line) -> &'static str {
    match line.kind {
        Kind::Usage | Kind::Reserved | Kind::Tax => "Usage",
        Kind::Purchase => "Purchase",
        Kind::Unused => "UnusedReservation",
        Kind::Refund => "Refund",
        Kind::Rounding => "RoundingAdjustment",
    }
}

fn cost(line: &Line, amortized: bool) -> String {
    if amortized { line.amortized } else { line.actual }.to_string()
}

fn slashed(line: &Line, _: bool) -> String {
    line.day.format("%m/%d/%Y").to_string()
}

fn iso(line: &Line, _: bool) -> String {
    line.day.to_string()
}

fn subscription(line: &Line, _: bool) -> String {
    // Purchases are the billing account's own.
    if line.kind == Kind::Purchase { String::new() } else { line.meter.account().0.to_owned() }
}

fn resource(line: &Line, _: bool) -> String {
    if line.resource.is_empty() {
        return String::new();
    }
    format!("/subscriptions/{}/resourceGroups/acme/providers/{}", line.meter.account().0, line.resource)
}

fn tags(line: &Line, _: bool) -> String {
    if line.resource.is_empty() {
        String::new()
    } else {
        format!("\"team\": \"{}\",\"cost center\": \"4711\"", line.meter.team)
    }
}

fn tags_in_braces(line: &Line, amortized: bool) -> String {
    let tags = tags(line, amortized);
    if tags.is_empty() { tags } else { format!("{{{tags}}}") }
}

fn reservation(line: &Line, _: bool) -> String {
    let is_of_one = matches!(line.kind, Kind::Reserved | Kind::Purchase | Kind::Unused);
    if is_of_one { "49ed0e4d-8e0c-4f1f-af2c-67c865056615".into() } else { String::new() }
}

fn pricing_model(line: &Line, amortized: bool) -> String {
    if reservation(line, amortized).is_empty() { "OnDemand" } else { "Reservation" }.into()
}

fn price(line: &Line, _: bool) -> String {
    if line.list > 0.0 { line.meter.price.to_string() } else { "0".into() }
}

/// The columns that the layouts share, by the names of each.
fn columns(layout: Layout) -> Vec<Column> {
    let mut columns: Vec<Column> = match layout {
        Layout::Ea2018 => vec![
            ("SubscriptionGuid", subscription),
            ("ResourceGroup", |_, _| "acme".into()),
            ("ResourceLocation", |line, _| line.meter.region.into()),
            ("UsageDateTime", iso),
            ("MeterCategory", |line, _| line.meter.service.into()),
            ("MeterSubcategory", |line, _| line.meter.family.into()),
            ("MeterName", |line, _| line.meter.sku.into()),
            ("UsageQuantity", |line, _| line.quantity.to_string()),
            ("ResourceRate", price),
            ("PreTaxCost", cost),
            ("InstanceId", resource),
            ("Tags", tags_in_braces),
            ("Currency", |_, _| "USD".into()),
        ],
        Layout::Mca => vec![
            ("billingAccountId", |_, _| BILLING_ACCOUNT.into()),
            ("billingPeriodStartDate", |line, _| line.month.format("%m/%d/%Y").to_string()),
            ("subscriptionId", subscription),
            ("subscriptionName", |line, _| line.meter.account().1.into()),
            ("date", slashed),
            ("meterCategory", |line, _| line.meter.service.into()),
            ("meterSubCategory", |line, _| line.meter.family.into()),
            ("meterName", |line, _| line.meter.sku.into()),
            ("quantity", |line, _| line.quantity.to_string()),
            ("costInBillingCurrency", cost),
            ("costInPricingCurrency", cost),
            ("costInUsd", cost),
            ("exchangeRatePricingToBilling", |_, _| RATE.into()),
            ("billingCurrency", |_, _| "USD".into()),
            ("pricingCurrency", |_, _| "USD".into()),
            ("resourceLocation", |line, _| line.meter.region.into()),
            ("InstanceName", resource),
            ("tags", tags),
        ],
        _ => {
            let (cost_name, currency) = match layout {
                Layout::EaV2 => ("CostInBillingCurrency", "BillingCurrencyCode"),
                _ => ("Cost", "BillingCurrency"),
            };
            vec![
                ("BillingAccountId", |_, _| BILLING_ACCOUNT.into()),
                ("BillingPeriodStartDate", |line, _| line.month.format("%m/%d/%Y").to_string()),
                ("SubscriptionId", subscription),
                ("SubscriptionName", |line, _| line.meter.account().1.into()),
                ("Date", if layout == Layout::EaV2 { iso } else { slashed }),
                ("MeterCategory", |line, _| line.meter.service.into()),
                ("MeterSubCategory", |line, _| line.meter.family.into()),
                ("MeterName", |line, _| line.meter.sku.into()),
                ("Quantity", |line, _| line.quantity.to_string()),
                (cost_name, cost),
                (currency, |_, _| "USD".into()),
                ("ResourceLocation", |line, _| line.meter.region.into()),
                ("ResourceId", resource),
                ("Tags", tags),
            ]
        }
    };
    let camel = layout == Layout::Mca;
    columns.extend::<[Column; 5]>([
        ("UnitOfMeasure", |line, _| line.meter.unit.into()),
        (if camel { "chargeType" } else { "ChargeType" }, |line, _| charge_type(line).into()),
        (if camel { "pricingModel" } else { "PricingModel" }, pricing_model),
        (if camel { "reservationId" } else { "ReservationId" }, reservation),
        ("PayGPrice", price),
    ]);
    if layout == Layout::Azure2025 {
        columns.push(("benefitId", reservation));
    }
    columns
}

/// Writes a month of both exports. Those of 2025 have a folder and a manifest for each run.
pub(super) fn write(out: &Path, layout: Layout, period: Period, estate: &Estate) -> Result<Month> {
    let whole = Granularity::Monthly.period_of(period.start);
    let range = format!("{}-{}", whole.start.format("%Y%m%d"), whole.end.format("%Y%m%d"));
    let (mut rows, mut files) = (0, Vec::new());
    for (export, amortized) in [("costs-actual", false), ("costs-amortized", true)] {
        let run = format!("{:08x}-0000-4000-8000-{:012x}", estate.seed, u64::from(amortized) + 1);
        let folder = out.join(export).join(&range);
        let path = match layout {
            Layout::Azure2025 => folder.join(&run).join("part_0_0001.csv"),
            _ => folder.join(format!("{export}_{run}.csv")),
        };
        let mut writer = csv_writer(&path)?;
        let columns = columns(layout);
        // Azure begins its CSV with a byte order mark.
        let names = columns
            .iter()
            .enumerate()
            .map(|(at, (name, _))| if at == 0 { format!("\u{feff}{name}") } else { (*name).into() });
        writer.write_record(names).map_err(cannot_write(&path))?;
        let mut count = 0_u64;
        estate.lines(period, &mut |line| {
            let is_in = match line.kind {
                Kind::Purchase => !amortized,
                Kind::Unused => amortized,
                _ => true,
            };
            if is_in {
                count += 1;
                writer
                    .write_record(columns.iter().map(|(_, value)| value(&line, amortized)))
                    .map_err(cannot_write(&path))?;
            }
            Ok(())
        })?;
        writer.flush().map_err(|e| cannot_write(&path)(e.into()))?;
        if layout == Layout::Azure2025 {
            let blob = format!("{export}/{range}/{run}/part_0_0001.csv");
            let manifest = json!({
                "manifestVersion": "2024-04-01",
                "byteCount": std::fs::metadata(&path).map_or(0, |metadata| metadata.len()),
                "blobCount": 1,
                "dataRowCount": count,
                "exportConfig": {
                    "exportName": export,
                    "resourceId": format!("/providers/Microsoft.Billing/billingAccounts/{BILLING_ACCOUNT}/providers/Microsoft.CostManagement/exports/{export}"),
                    "dataVersion": "2025-04-01-preview",
                    "apiVersion": "2023-07-01-preview",
                    "type": if amortized { "AmortizedCost" } else { "ActualCost" },
                    "timeFrame": "OneTime",
                    "granularity": "Daily",
                },
                "deliveryConfig": {
                    "partitionData": true,
                    "dataOverwriteBehavior": "CreateNewReport",
                    "fileFormat": "Csv",
                    "compressionMode": "None",
                    "containerUri": "/subscriptions/8f5e1c5a-0000-4000-8000-000000000001/resourceGroups/acme/providers/Microsoft.Storage/storageAccounts/acmebilling",
                    "rootFolderPath": "",
                },
                "runInfo": {
                    "executionType": "OnDemand",
                    "submittedTime": format!("{}T06:12:40.0000000Z", period.end),
                    "runId": run,
                    "startDate": format!("{}T00:00:00", whole.start),
                    "endDate": format!("{}T00:00:00", whole.end),
                },
                "blobs": [{
                    "blobName": blob,
                    "byteCount": std::fs::metadata(&path).map_or(0, |metadata| metadata.len()),
                    "dataRowCount": count,
                }],
            });
            let place = folder.join(&run).join("manifest.json");
            serde_json::to_writer_pretty(create(&place)?, &manifest)
                .map_err(|e| Error::input(format!("cannot write `{}`", place.display())).caused_by(e))?;
        }
        rows += count;
        files.push(path);
    }
    Ok((rows, files))
}
