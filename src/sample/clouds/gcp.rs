//! Google Cloud's detailed billing export: nested as parquet and as JSON lines, or flat.

use std::{
    io::{BufWriter, Write},
    path::Path,
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, Float64Array, ListArray, RecordBatch, StringArray, StructArray, TimestampMicrosecondArray},
    buffer::OffsetBuffer,
    datatypes::{DataType, Field, Fields, Schema, TimeUnit},
};
use chrono::{Days, Months, NaiveDate};
use parquet::{arrow::ArrowWriter, basic::Compression, file::properties::WriterProperties};
use serde_json::{Value, json};

use super::{Estate, Kind, Layout, Line, Month, cannot_write, create, csv_writer, rounded};
use crate::{
    error::{Error, Result},
    model::Period,
    sample::files::ROWS_PER_GROUP,
};

const BILLING_ACCOUNT: &str = "01ABCD-23EF45-6789AB";
const BATCH_ROWS: usize = 64 * 1024;

/// A row of the export.
struct Row {
    line: Line,
    cost: f64,
}

impl Row {
    fn is_tax(&self) -> bool {
        self.line.kind == Kind::Tax
    }

    fn service(&self) -> &'static str {
        if self.is_tax() { "Invoice" } else { self.line.meter.service }
    }

    fn sku(&self) -> &'static str {
        if self.is_tax() { "Tax" } else { self.line.meter.sku }
    }

    fn sku_id(&self) -> String {
        format!("SKU-{:04X}", self.sku().bytes().map(u32::from).sum::<u32>())
    }

    fn project(&self) -> Option<(&'static str, &'static str)> {
        (!self.is_tax()).then(|| self.line.meter.account())
    }

    fn credits(&self) -> Vec<(&'static str, f64)> {
        if self.line.credit == 0.0 { Vec::new() } else { vec![(self.line.meter.credit_type, self.line.credit)] }
    }

    fn labels(&self) -> Vec<(&'static str, &'static str)> {
        if self.is_tax() { Vec::new() } else { vec![("team", self.line.meter.team), ("env", "prod")] }
    }

    fn unit(&self) -> &'static str {
        self.line.meter.unit
    }

    fn resource(&self) -> Option<&str> {
        (!self.is_tax()).then_some(self.line.resource.as_str())
    }

    fn exported(&self) -> NaiveDate {
        self.line.day + Days::new(1)
    }

    fn as_json(&self) -> Value {
        let (day, next) = (self.line.day, self.line.day + Days::new(1));
        // BigQuery leaves out what is NULL.
        let mut row = json!({
            "billing_account_id": BILLING_ACCOUNT,
            "service": {"id": "6F81-5844-456A", "description": self.service()},
            "sku": {"id": self.sku_id(), "description": self.sku()},
            "usage_start_time": format!("{day} 00:00:00 UTC"),
            "usage_end_time": format!("{next} 00:00:00 UTC"),
            "labels": self.labels().iter().map(|(key, value)| json!({"key": key, "value": value})).collect::<Vec<_>>(),
            "system_labels": [],
            "location": {"location": self.line.meter.region, "region": self.line.meter.region},
            "export_time": format!("{} 04:10:00 UTC", self.exported()),
            "cost": self.cost,
            "currency": "USD",
            "currency_conversion_rate": 1.0,
            "usage": {
                "amount": self.line.quantity,
                "unit": self.unit(),
                "amount_in_pricing_units": self.line.quantity,
                "pricing_unit": self.unit(),
            },
            "credits": self.credits().iter().map(|(kind, amount)| {
                json!({"name": kind.replace('_', " "), "amount": amount, "type": kind})
            }).collect::<Vec<_>>(),
            "invoice": {"month": self.line.month.format("%Y%m").to_string()},
            "cost_type": if self.is_tax() { "tax" } else { "regular" },
        });
        if let Some((id, name)) = self.project() {
            row["project"] = json!({"id": id, "number": "4711", "name": name, "labels": []});
            row["resource"] = json!({"name": self.resource(), "global_name": format!("//acme/{}", self.line.resource)});
        }
        row
    }
}

/// Writes a month; taxes are of its last day.
pub(super) fn write(out: &Path, layout: Layout, period: Period, estate: &Estate) -> Result<Month> {
    let name = format!("gcp_billing_export_resource_v1_01ABCD_23EF45_6789AB-{}", period.start.format("%Y%m"));
    let path = out.join(match layout {
        Layout::Json => format!("{name}-000000000000.json"),
        Layout::Csv => format!("{name}.csv"),
        _ => format!("{name}-000000000000.parquet"),
    });
    let mut sink = Sink::new(layout, &path)?;
    let (mut rows, mut sum) = (0, 0.0);
    let mut last = None;
    estate.lines(period, &mut |line| {
        let cost = line.actual;
        sum += cost + line.credit;
        rows += 1;
        last = Some(line.meter);
        sink.push(Row { line, cost })
    })?;
    // A month that is over is taxed.
    let is_over = period.end + Days::new(1) == crate::model::first_of_month(period.start) + Months::new(1);
    if let Some(meter) = last.filter(|_| is_over) {
        let cost = rounded(sum * 0.01);
        let (day, month) = (period.end, crate::model::first_of_month(period.start));
        let line = Line {
            kind: Kind::Tax,
            meter,
            day,
            month,
            resource: String::new(),
            quantity: 0.0,
            list: 0.0,
            actual: cost,
            amortized: cost,
            credit: 0.0,
        };
        sink.push(Row { line, cost })?;
        rows += 1;
    }
    sink.finish()?;
    Ok((rows, vec![path]))
}

/// A file being written.
struct Sink<'a> {
    path: &'a Path,
    to: To,
    rows: Vec<Row>,
}

enum To {
    Json(BufWriter<std::fs::File>),
    Csv(csv::Writer<std::fs::File>),
    Parquet(ArrowWriter<std::fs::File>),
}

/// The columns of the flat file, each with the path of its value.
const FLAT: [(&str, &[&str]); 22] = [
    ("billing_account_id", &["billing_account_id"]),
    ("service_id", &["service", "id"]),
    ("service_description", &["service", "description"]),
    ("sku_id", &["sku", "id"]),
    ("sku_description", &["sku", "description"]),
    ("usage_start_time", &["usage_start_time"]),
    ("usage_end_time", &["usage_end_time"]),
    ("project_id", &["project", "id"]),
    ("project_name", &["project", "name"]),
    ("labels", &["labels"]),
    ("location_location", &["location", "location"]),
    ("location_region", &["location", "region"]),
    ("export_time", &["export_time"]),
    ("cost", &["cost"]),
    ("currency", &["currency"]),
    ("usage_amount_in_pricing_units", &["usage", "amount_in_pricing_units"]),
    ("usage_pricing_unit", &["usage", "pricing_unit"]),
    ("credits", &["credits"]),
    ("invoice_month", &["invoice", "month"]),
    ("cost_type", &["cost_type"]),
    ("resource_name", &["resource", "name"]),
    ("resource_global_name", &["resource", "global_name"]),
];

impl<'a> Sink<'a> {
    fn new(layout: Layout, path: &'a Path) -> Result<Self> {
        let to = match layout {
            Layout::Json => To::Json(BufWriter::new(create(path)?)),
            Layout::Csv => {
                let mut writer = csv_writer(path)?;
                writer.write_record(FLAT.map(|(name, _)| name)).map_err(cannot_write(path))?;
                To::Csv(writer)
            }
            _ => {
                let properties = WriterProperties::builder()
                    .set_compression(Compression::SNAPPY)
                    .set_max_row_group_row_count(Some(ROWS_PER_GROUP))
                    .build();
                let schema = batch(&[])?.schema();
                let writer = ArrowWriter::try_new(create(path)?, schema, Some(properties));
                To::Parquet(writer.map_err(|e| Error::input("cannot write the bill").caused_by(e))?)
            }
        };
        Ok(Self { path, to, rows: Vec::new() })
    }

    fn push(&mut self, row: Row) -> Result<()> {
        let failed = |e: std::io::Error| Error::input(format!("cannot write `{}`", self.path.display())).caused_by(e);
        match &mut self.to {
            To::Json(writer) => writeln!(writer, "{}", row.as_json()).map_err(failed),
            To::Csv(writer) => {
                let json = row.as_json();
                let cells = FLAT.iter().map(|(_, path)| {
                    let value = path.iter().try_fold(&json, |value, key| value.get(key));
                    match value {
                        None | Some(Value::Null) => String::new(),
                        Some(Value::String(text)) => text.clone(),
                        Some(other) => other.to_string(),
                    }
                });
                writer.write_record(cells).map_err(cannot_write(self.path))
            }
            To::Parquet(_) => {
                self.rows.push(row);
                if self.rows.len() >= BATCH_ROWS { self.flush() } else { Ok(()) }
            }
        }
    }

    fn flush(&mut self) -> Result<()> {
        let failed = |e| Error::input("cannot write the bill").caused_by(e);
        if let To::Parquet(writer) = &mut self.to {
            writer.write(&batch(&self.rows)?).map_err(failed)?;
            self.rows.clear();
        }
        Ok(())
    }

    fn finish(mut self) -> Result<()> {
        self.flush()?;
        let failed = |e: std::io::Error| Error::input(format!("cannot write `{}`", self.path.display())).caused_by(e);
        match self.to {
            To::Json(mut writer) => writer.flush().map_err(failed),
            To::Csv(mut writer) => writer.flush().map_err(failed),
            To::Parquet(writer) => {
                writer.close().map(drop).map_err(|e| Error::input("cannot write the bill").caused_by(e))
            }
        }
    }
}

fn texts<'r, T: Into<String>>(rows: &'r [Row], value: impl Fn(&'r Row) -> Option<T>) -> ArrayRef {
    Arc::new(rows.iter().map(|row| value(row).map(Into::into)).collect::<StringArray>())
}

fn numbers(rows: &[Row], value: impl Fn(&Row) -> f64) -> ArrayRef {
    Arc::new(rows.iter().map(|row| Some(value(row))).collect::<Float64Array>())
}

fn times(rows: &[Row], day: impl Fn(&Row) -> NaiveDate) -> ArrayRef {
    let micros = rows.iter().map(|row| super::super::milliseconds(day(row)) * 1000);
    Arc::new(TimestampMicrosecondArray::from_iter_values(micros).with_timezone("UTC"))
}

fn fields(names: &[(&str, DataType)]) -> Fields {
    names.iter().map(|(name, kind)| Field::new(*name, kind.clone(), true)).collect()
}

fn structs(columns: Vec<(&str, ArrayRef)>) -> Result<StructArray> {
    let fields: Fields =
        columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    StructArray::try_new(fields, arrays, None)
        .map_err(|e| Error::bug("a generated bill has uneven columns").caused_by(e))
}

fn list(lengths: impl Iterator<Item = usize>, items: StructArray) -> ArrayRef {
    let field = Arc::new(Field::new("item", DataType::Struct(items.fields().clone()), true));
    Arc::new(ListArray::new(field, OffsetBuffer::from_lengths(lengths), Arc::new(items), None))
}

/// Rows as the nested columns of the export.
fn batch(rows: &[Row]) -> Result<RecordBatch> {
    let text =
        |items: &mut dyn Iterator<Item = Option<String>>| -> ArrayRef { Arc::new(items.collect::<StringArray>()) };
    let labels: Vec<_> = rows.iter().map(Row::labels).collect();
    let label_items = structs(vec![
        ("key", text(&mut labels.iter().flatten().map(|(key, _)| Some((*key).to_owned())))),
        ("value", text(&mut labels.iter().flatten().map(|(_, value)| Some((*value).to_owned())))),
    ])?;
    let credits: Vec<_> = rows.iter().map(Row::credits).collect();
    let amounts = credits.iter().flatten().map(|(_, amount)| Some(*amount)).collect::<Float64Array>();
    let credit_items = structs(vec![
        ("name", text(&mut credits.iter().flatten().map(|(kind, _)| Some(kind.replace('_', " "))))),
        ("amount", Arc::new(amounts)),
        ("full_name", text(&mut credits.iter().flatten().map(|_| None))),
        ("id", text(&mut credits.iter().flatten().map(|_| None))),
        ("type", text(&mut credits.iter().flatten().map(|(kind, _)| Some((*kind).to_owned())))),
    ])?;
    let of = |columns| structs(columns).map(|array| Arc::new(array) as ArrayRef);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("billing_account_id", texts(rows, |_| Some(BILLING_ACCOUNT))),
        (
            "service",
            of(vec![
                ("id", texts(rows, |_| Some("6F81-5844-456A"))),
                ("description", texts(rows, |row| Some(row.service()))),
            ])?,
        ),
        (
            "sku",
            of(vec![
                ("id", texts(rows, |row| Some(row.sku_id()))),
                ("description", texts(rows, |row| Some(row.sku()))),
            ])?,
        ),
        ("usage_start_time", times(rows, |row| row.line.day)),
        ("usage_end_time", times(rows, |row| row.line.day + Days::new(1))),
        (
            "project",
            of(vec![
                ("id", texts(rows, |row| row.project().map(|(id, _)| id))),
                ("name", texts(rows, |row| row.project().map(|(_, name)| name))),
            ])?,
        ),
        ("labels", list(labels.iter().map(Vec::len), label_items)),
        (
            "location",
            of(vec![
                ("location", texts(rows, |row| Some(row.line.meter.region))),
                ("region", texts(rows, |row| Some(row.line.meter.region))),
            ])?,
        ),
        ("export_time", times(rows, Row::exported)),
        ("cost", numbers(rows, |row| row.cost)),
        ("currency", texts(rows, |_| Some("USD"))),
        ("currency_conversion_rate", numbers(rows, |_| 1.0)),
        (
            "usage",
            of(vec![
                ("amount", numbers(rows, |row| row.line.quantity)),
                ("unit", texts(rows, |row| Some(row.unit()))),
                ("amount_in_pricing_units", numbers(rows, |row| row.line.quantity)),
                ("pricing_unit", texts(rows, |row| Some(row.unit()))),
            ])?,
        ),
        ("credits", list(credits.iter().map(Vec::len), credit_items)),
        ("invoice", of(vec![("month", texts(rows, |row| Some(row.line.month.format("%Y%m").to_string())))])?),
        ("cost_type", texts(rows, |row| Some(if row.is_tax() { "tax" } else { "regular" }))),
        (
            "resource",
            of(vec![
                ("name", texts(rows, Row::resource)),
                ("global_name", texts(rows, |row| row.resource().map(|name| format!("//acme/{name}")))),
            ])?,
        ),
    ];
    let schema = fields(&columns.iter().map(|(name, array)| (*name, array.data_type().clone())).collect::<Vec<_>>());
    debug_assert!(matches!(schema[3].data_type(), DataType::Timestamp(TimeUnit::Microsecond, _)));
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    RecordBatch::try_new(Arc::new(Schema::new(schema)), arrays)
        .map_err(|e| Error::bug("a generated bill has uneven columns").caused_by(e))
}
