//! Generated lines as parquet in AWS's columns and folders, with manifests.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, Float64Builder, MapBuilder, StringBuilder, TimestampMillisecondBuilder},
    datatypes::{DataType, Field, Schema, TimeUnit},
    record_batch::RecordBatch,
};
use chrono::{Months, NaiveDate};
use parquet::{arrow::ArrowWriter, basic::Compression, file::properties::WriterProperties};
use serde_json::json;

use super::{
    Line, LineKind,
    estate::{ACCOUNTS, PAYER},
    milliseconds,
};
use crate::{
    error::{Error, Result},
    sources::Format,
};

const BATCH_ROWS: usize = 64 * 1024;
const ROWS_PER_FILE: u64 = 4_000_000;
/// Readers work on row groups in parallel.
pub(super) const ROWS_PER_GROUP: usize = 250_000;
const BUCKET: &str = "acme-billing";

/// A column: its name and what it is of a line. Getters return `None` for blanks.
struct Column {
    name: &'static str,
    value: Value,
}

enum Value {
    Text(fn(&Row) -> Option<String>),
    Number(fn(&Row) -> Option<f64>),
    Time(fn(&Row) -> i64),
    Map(fn(&Row) -> Vec<(&'static str, String)>),
}

/// A line kept until its batch is full.
struct Row {
    kind: LineKind,
    meter: &'static super::Meter,
    resource: String,
    start: i64,
    end: i64,
    period: NaiveDate,
    amount: f64,
    list: f64,
    unblended: f64,
    effective: f64,
}

impl Row {
    fn is(&self, kind: LineKind) -> bool {
        self.kind == kind
    }

    fn account(&self) -> (&'static str, &'static str) {
        ACCOUNTS[self.meter.account]
    }

    fn description(&self) -> String {
        match self.kind {
            LineKind::Tax => format!("Tax for product code {}", self.meter.service),
            LineKind::Credit => "Promotional credit".into(),
            LineKind::Discount => "Enterprise discount".into(),
            LineKind::RiFee => format!("{} reservation, hourly fee for the month", self.meter.usage_type),
            LineKind::SavingsPlanRecurringFee => "1 year No Upfront Compute Savings Plan".into(),
            LineKind::SavingsPlanNegation => "SavingsPlanNegation used by AccountId".into(),
            _ => format!("${} per {} of {}", self.meter.price, self.meter.unit, self.meter.usage_type),
        }
    }

    fn has_resource_and_tags(&self) -> bool {
        !self.resource.is_empty() && !matches!(self.kind, LineKind::Tax | LineKind::RiFee | LineKind::Fee)
    }

    fn tags(&self) -> Vec<(&'static str, String)> {
        if !self.has_resource_and_tags() || self.meter.team.is_empty() {
            return Vec::new();
        }
        vec![("user_environment", self.meter.environment().into()), ("user_team", self.meter.team.into())]
    }

    fn region(&self) -> Option<String> {
        (!matches!(self.kind, LineKind::Tax | LineKind::SavingsPlanRecurringFee)).then(|| text(self.meter.region))?
    }

    fn product_code(&self) -> &'static str {
        if self.is(LineKind::SavingsPlanRecurringFee) { "ComputeSavingsPlans" } else { self.meter.service }
    }
}

fn text(value: &str) -> Option<String> {
    (!value.is_empty()).then(|| value.to_owned())
}

fn line_item_type(kind: LineKind) -> &'static str {
    match kind {
        LineKind::Usage => "Usage",
        LineKind::DiscountedUsage => "DiscountedUsage",
        LineKind::RiFee => "RIFee",
        LineKind::SavingsPlanCoveredUsage => "SavingsPlanCoveredUsage",
        LineKind::SavingsPlanNegation => "SavingsPlanNegation",
        LineKind::SavingsPlanRecurringFee => "SavingsPlanRecurringFee",
        LineKind::Fee => "Fee",
        LineKind::Tax => "Tax",
        LineKind::Credit => "Credit",
        LineKind::Discount => "EdpDiscount",
        LineKind::UnusedCommitment => "UnusedCommitment",
    }
}

fn only(row: &Row, kind: LineKind, value: f64) -> Option<f64> {
    row.is(kind).then_some(value)
}

const fn column(name: &'static str, value: Value) -> Column {
    Column { name, value }
}

/// The columns that CUR and CUR 2.0 share.
fn cur_columns() -> Vec<Column> {
    use Value::{Number, Text, Time};
    vec![
        column("bill_billing_entity", Text(|_| text("AWS"))),
        column("bill_bill_type", Text(|_| text("Anniversary"))),
        column("bill_payer_account_id", Text(|_| text(ACCOUNTS[PAYER].0))),
        column("bill_invoice_id", Text(|_| None)),
        column("bill_billing_period_start_date", Time(|row| milliseconds(row.period))),
        column("bill_billing_period_end_date", Time(|row| milliseconds(row.period + Months::new(1)))),
        column("line_item_usage_account_id", Text(|row| text(row.account().0))),
        column("line_item_line_item_type", Text(|row| text(line_item_type(row.kind)))),
        column("line_item_usage_start_date", Time(|row| row.start)),
        column("line_item_usage_end_date", Time(|row| row.end)),
        column("line_item_product_code", Text(|row| text(row.product_code()))),
        column("line_item_usage_type", Text(|row| text(row.meter.usage_type))),
        column("line_item_operation", Text(|row| text(row.meter.operation))),
        column("line_item_availability_zone", Text(|_| None)),
        column("line_item_resource_id", Text(|row| text(&row.resource))),
        column("line_item_usage_amount", Number(|row| Some(row.amount))),
        column("line_item_currency_code", Text(|_| text("USD"))),
        column("line_item_unblended_cost", Number(|row| Some(row.unblended))),
        column("line_item_blended_cost", Number(|row| Some(row.unblended))),
        column("line_item_line_item_description", Text(|row| Some(row.description()))),
        column("pricing_unit", Text(|row| text(row.meter.unit))),
        column("pricing_term", Text(|row| row.is(LineKind::Usage).then(|| "OnDemand".to_owned()))),
        column("pricing_public_on_demand_cost", Number(|row| Some(row.list))),
        column(
            "reservation_reservation_a_r_n",
            Text(|row| {
                matches!(row.kind, LineKind::DiscountedUsage | LineKind::RiFee)
                    .then(|| format!("arn:aws:ec2:us-east-1:{}:reserved-instances/0a1b", row.account().0))
            }),
        ),
        column("reservation_effective_cost", Number(|row| only(row, LineKind::DiscountedUsage, row.effective))),
        column("reservation_unused_recurring_fee", Number(|row| only(row, LineKind::RiFee, row.effective))),
        column(
            "reservation_unused_amortized_upfront_fee_for_billing_period",
            Number(|row| only(row, LineKind::RiFee, 0.0)),
        ),
        column(
            "savings_plan_savings_plan_effective_cost",
            Number(|row| only(row, LineKind::SavingsPlanCoveredUsage, row.effective)),
        ),
        column(
            "savings_plan_total_commitment_to_date",
            Number(|row| only(row, LineKind::SavingsPlanRecurringFee, row.unblended)),
        ),
        column(
            "savings_plan_used_commitment",
            Number(|row| only(row, LineKind::SavingsPlanRecurringFee, row.unblended - row.effective)),
        ),
    ]
}

fn columns(format: Format) -> Vec<Column> {
    use Value::{Map, Number, Text, Time};
    match format {
        Format::Cur1 => {
            let mut columns = cur_columns();
            columns.extend([
                column("product_product_name", Text(|row| text(row.meter.product_name))),
                column("product_region", Text(Row::region)),
                column(
                    "resource_tags_user_environment",
                    Text(|row| row.tags().into_iter().next().map(|(_, value)| value)),
                ),
                column("resource_tags_user_team", Text(|row| row.tags().into_iter().nth(1).map(|(_, value)| value))),
            ]);
            columns
        }
        Format::Cur2 => {
            let mut columns = cur_columns();
            columns.extend([
                column("bill_payer_account_name", Text(|_| text(ACCOUNTS[PAYER].1))),
                column("line_item_usage_account_name", Text(|row| text(row.account().1))),
                column("line_item_net_unblended_cost", Number(|_| None)),
                column("product_region_code", Text(Row::region)),
                column("product", Map(|row| vec![("product_name", row.meter.product_name.into())])),
                column("resource_tags", Map(Row::tags)),
                column(
                    "cost_category",
                    Map(|row| {
                        text(row.meter.team).map(|team| ("cost_center", format!("cc-{team}"))).into_iter().collect()
                    }),
                ),
            ]);
            columns
        }
        _ => vec![
            column("BillingAccountId", Text(|_| text(ACCOUNTS[PAYER].0))),
            column("BillingAccountName", Text(|_| text(ACCOUNTS[PAYER].1))),
            column("BillingAccountType", Text(|_| text("Billing Account"))),
            column("BillingCurrency", Text(|_| text("USD"))),
            column("BillingPeriodStart", Time(|row| milliseconds(row.period))),
            column("BillingPeriodEnd", Time(|row| milliseconds(row.period + Months::new(1)))),
            column("SubAccountId", Text(|row| text(row.account().0))),
            column("SubAccountName", Text(|row| text(row.account().1))),
            column("SubAccountType", Text(|_| text("Member Account"))),
            column("ChargePeriodStart", Time(|row| row.start)),
            column("ChargePeriodEnd", Time(|row| row.end)),
            column("ChargeCategory", Text(|row| text(focus_category(row)))),
            column("ChargeClass", Text(|_| None)),
            column("ChargeDescription", Text(|row| Some(row.description()))),
            column("BilledCost", Number(|row| Some(focus_billed(row)))),
            column("EffectiveCost", Number(|row| Some(focus_effective(row)))),
            column("ListCost", Number(|row| Some(row.list))),
            column("ConsumedQuantity", Number(|row| Some(row.amount))),
            column("ConsumedUnit", Text(|row| text(row.meter.unit))),
            column(
                "CommitmentDiscountStatus",
                Text(|row| match row.kind {
                    LineKind::DiscountedUsage | LineKind::SavingsPlanCoveredUsage => text("Used"),
                    LineKind::UnusedCommitment => text("Unused"),
                    _ => None,
                }),
            ),
            column(
                "PricingCategory",
                Text(|row| match row.kind {
                    LineKind::DiscountedUsage | LineKind::SavingsPlanCoveredUsage | LineKind::UnusedCommitment => {
                        text("Committed")
                    }
                    _ => text("Standard"),
                }),
            ),
            column("InvoiceId", Text(|_| None)),
            column("ProviderName", Text(|_| text("AWS"))),
            column("PublisherName", Text(|_| text("AWS"))),
            column("InvoiceIssuerName", Text(|_| text("Amazon Web Services, Inc."))),
            column("RegionId", Text(Row::region)),
            column("ResourceId", Text(|row| text(&row.resource))),
            column("ServiceName", Text(|row| text(row.meter.product_name))),
            column("SkuMeter", Text(|row| text(row.meter.usage_type))),
            column("x_ServiceCode", Text(|row| text(row.product_code()))),
            column("x_Operation", Text(|row| text(row.meter.operation))),
            column("Tags", Map(Row::tags)),
        ],
    }
}

fn focus_category(row: &Row) -> &'static str {
    match row.kind {
        LineKind::Tax => "Tax",
        LineKind::Credit => "Credit",
        LineKind::Discount => "Adjustment",
        LineKind::RiFee | LineKind::SavingsPlanRecurringFee | LineKind::Fee => "Purchase",
        _ => "Usage",
    }
}

/// FOCUS bills a commitment where it is bought and nothing where it is used.
fn focus_billed(row: &Row) -> f64 {
    match row.kind {
        LineKind::SavingsPlanCoveredUsage | LineKind::SavingsPlanNegation => 0.0,
        _ => row.unblended,
    }
}

fn focus_effective(row: &Row) -> f64 {
    match row.kind {
        LineKind::Tax | LineKind::Fee => row.unblended,
        _ => row.effective,
    }
}

/// Writes one billing period: data files of bounded size, then the manifest.
pub(super) struct PeriodWriter {
    format: Format,
    period: NaiveDate,
    out: PathBuf,
    columns: Vec<Column>,
    schema: Arc<Schema>,
    rows: Vec<Row>,
    writer: Option<ArrowWriter<File>>,
    written: u64,
    files: Vec<String>,
}

impl PeriodWriter {
    pub(super) fn new(out: &Path, format: Format, period: NaiveDate) -> Result<Self> {
        if !matches!(format, Format::Cur1 | Format::Cur2 | Format::Focus) {
            return Err(Error::usage(format!("{} is not generated", format.data_source()))
                .hint("there are cur1, cur2 and focus"));
        }
        let columns = columns(format);
        let fields: Vec<Field> = columns.iter().map(|column| field(column, format)).collect();
        Ok(Self {
            format,
            period,
            out: out.to_owned(),
            columns,
            schema: Arc::new(Schema::new(fields)),
            rows: Vec::with_capacity(BATCH_ROWS),
            writer: None,
            written: 0,
            files: Vec::new(),
        })
    }

    /// Adds a line. FOCUS has no negations, and tells the unused part of a commitment from its purchase.
    pub(super) fn push(&mut self, line: &Line) -> Result<()> {
        match line.kind {
            LineKind::SavingsPlanNegation if self.format == Format::Focus => Ok(()),
            LineKind::RiFee | LineKind::SavingsPlanRecurringFee if self.format == Format::Focus => {
                self.push_row(&Line { effective_cost: 0.0, ..*line })?;
                self.push_row(&Line { kind: LineKind::UnusedCommitment, unblended_cost: 0.0, ..*line })
            }
            _ => self.push_row(line),
        }
    }

    fn push_row(&mut self, line: &Line) -> Result<()> {
        self.rows.push(Row {
            kind: line.kind,
            meter: line.meter,
            resource: line.resource.to_owned(),
            start: line.start,
            end: line.end,
            period: line.billing_period,
            amount: line.usage_amount,
            list: line.list_cost,
            unblended: line.unblended_cost,
            effective: line.effective_cost,
        });
        if self.rows.len() >= BATCH_ROWS { self.flush() } else { Ok(()) }
    }

    /// Writes what is left and the manifest; returns the number of lines and the data files.
    pub(super) fn finish(mut self) -> Result<(u64, Vec<PathBuf>)> {
        self.flush()?;
        self.close_file()?;
        self.write_manifest()?;
        let files = self.files.iter().map(|file| self.out.join(file)).collect();
        Ok((self.written, files))
    }

    fn flush(&mut self) -> Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        if self.written >= self.files.len() as u64 * ROWS_PER_FILE {
            self.close_file()?;
            self.next_file()?;
        }
        let arrays: Vec<ArrayRef> = self.columns.iter().map(|column| array(column, &self.rows, self.format)).collect();
        let failed = |e: &dyn std::fmt::Display| Error::input("cannot write the bill").cause(e);
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), arrays).map_err(|e| failed(&e))?;
        if let Some(writer) = &mut self.writer {
            writer.write(&batch).map_err(|e| failed(&e))?;
        }
        self.written += self.rows.len() as u64;
        self.rows.clear();
        Ok(())
    }

    fn next_file(&mut self) -> Result<()> {
        let name = format!("{}-{:05}.snappy.parquet", export_name(self.format), self.files.len() + 1);
        let relative = format!("{}/{name}", data_folder(self.format, self.period));
        let file = create(&self.out.join(&relative))?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_max_row_group_row_count(Some(ROWS_PER_GROUP))
            .build();
        let writer = ArrowWriter::try_new(file, Arc::clone(&self.schema), Some(properties));
        self.writer = Some(writer.map_err(|e| Error::input("cannot write the bill").cause(e))?);
        self.files.push(relative);
        Ok(())
    }

    fn close_file(&mut self) -> Result<()> {
        match self.writer.take() {
            Some(writer) => writer.close().map(drop).map_err(|e| Error::input("cannot write the bill").cause(e)),
            None => Ok(()),
        }
    }

    fn write_manifest(&self) -> Result<()> {
        let name = export_name(self.format);
        let month = self.period.format("%Y-%m");
        let next = self.period + Months::new(1);
        let columns: Vec<_> = self.columns.iter().map(|column| json!({"name": column.name})).collect();
        let (folder, manifest) = match self.format {
            Format::Cur1 => (
                format!("{name}/{}-{}", self.period.format("%Y%m%d"), next.format("%Y%m%d")),
                json!({
                    "assemblyId": format!("sample-{month}-{}", self.written),
                    "account": ACCOUNTS[PAYER].0,
                    "columns": columns,
                    "charset": "UTF-8",
                    "compression": "Parquet",
                    "contentType": "Parquet",
                    "reportId": "sample",
                    "reportName": name,
                    "billingPeriod": {
                        "start": format!("{}T000000.000Z", self.period.format("%Y%m%d")),
                        "end": format!("{}T000000.000Z", next.format("%Y%m%d")),
                    },
                    "bucket": BUCKET,
                    "reportKeys": self.files,
                }),
            ),
            _ => {
                let key = if self.format == Format::Cur2 { "BILLING_PERIOD" } else { "billing_period" };
                (
                    format!("{name}/metadata/{key}={month}"),
                    json!({
                        "executionId": format!("sample-{month}-{}", self.written),
                        "exportArn": format!("arn:aws:bcm-data-exports:us-east-1:{}:export/{name}", ACCOUNTS[PAYER].0),
                        "columns": columns,
                        "dataFiles": self.files.iter().map(|file| format!("s3://{BUCKET}/{file}")).collect::<Vec<_>>(),
                    }),
                )
            }
        };
        let path = self.out.join(folder).join(format!("{name}-Manifest.json"));
        let file = create(&path)?;
        serde_json::to_writer_pretty(file, &manifest)
            .map_err(|e| Error::input(format!("cannot write `{}`", path.display())).cause(e))
    }
}

fn export_name(format: Format) -> &'static str {
    match format {
        Format::Cur1 => "acme-cur",
        Format::Cur2 => super::EXPORT,
        _ => "acme-focus",
    }
}

/// The folder of the data, as AWS names it: the Athena layout of CUR does not pad months.
fn data_folder(format: Format, period: NaiveDate) -> String {
    let name = export_name(format);
    match format {
        Format::Cur1 => format!("{name}/{name}/{}", period.format("year=%Y/month=%-m")),
        Format::Cur2 => format!("{name}/data/{}", period.format("BILLING_PERIOD=%Y-%m")),
        _ => {
            format!("{name}/data/{}", period.format("billing_period=%Y-%m"))
        }
    }
}

fn create(path: &Path) -> Result<File> {
    let failed = |e: std::io::Error| Error::input(format!("cannot write `{}`", path.display())).cause(e);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    File::create(path).map_err(failed)
}

/// CUR marks every column REQUIRED and writes blanks; the others have NULL.
fn field(column: &Column, format: Format) -> Field {
    let data_type = match column.value {
        Value::Text(_) => DataType::Utf8,
        Value::Number(_) => DataType::Float64,
        Value::Time(_) => DataType::Timestamp(TimeUnit::Millisecond, None),
        Value::Map(_) => map_builder().finish_type(),
    };
    Field::new(column.name, data_type, format != Format::Cur1)
}

fn array(column: &Column, rows: &[Row], format: Format) -> ArrayRef {
    let blanks = format == Format::Cur1;
    match column.value {
        Value::Text(get) => {
            let mut builder = StringBuilder::new();
            for row in rows {
                match get(row) {
                    None if blanks => builder.append_value(""),
                    value => builder.append_option(value),
                }
            }
            Arc::new(builder.finish())
        }
        Value::Number(get) => {
            let mut builder = Float64Builder::with_capacity(rows.len());
            for row in rows {
                match get(row) {
                    None if blanks => builder.append_value(0.0),
                    value => builder.append_option(value),
                }
            }
            Arc::new(builder.finish())
        }
        Value::Time(get) => {
            let mut builder = TimestampMillisecondBuilder::with_capacity(rows.len());
            rows.iter().for_each(|row| builder.append_value(get(row)));
            Arc::new(builder.finish())
        }
        Value::Map(get) => {
            let mut builder = map_builder();
            for row in rows {
                builder.push(get(row));
            }
            builder.finish()
        }
    }
}

/// A builder of MAP(VARCHAR, VARCHAR) columns.
struct Maps(MapBuilder<StringBuilder, StringBuilder>);

fn map_builder() -> Maps {
    Maps(MapBuilder::new(None, StringBuilder::new(), StringBuilder::new()))
}

impl Maps {
    fn push(&mut self, entries: Vec<(&'static str, String)>) {
        for (key, value) in entries {
            self.0.keys().append_value(key);
            self.0.values().append_value(value);
        }
        // Keys and values were appended in pairs, which is all that can fail here.
        let appended = self.0.append(true);
        debug_assert!(appended.is_ok());
    }

    fn finish(mut self) -> ArrayRef {
        Arc::new(self.0.finish())
    }

    fn finish_type(self) -> DataType {
        arrow::array::Array::data_type(&self.finish()).clone()
    }
}
