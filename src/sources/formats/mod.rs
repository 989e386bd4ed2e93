//! The formats of bills: one file for each, which knows its columns, and one line in the list.

pub(crate) mod azure;
pub(crate) mod cur;
pub(crate) mod focus;
pub(crate) mod gcp;
pub(crate) mod models;
pub(crate) mod plain;

use std::path::Path;

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    columns::{Columns, LineItems},
    dates::DateOrder,
    files::Field,
    looks::About,
    mapping::Mapping,
};
use crate::{error::Result, model::source};

/// The layout of a bill's columns: how it is known, and which column is which fact. What its costs mean is in the
/// expressions of its line items.
pub trait Layout: Sync {
    /// Whether columns, or the place of the file, show this and no other layout.
    fn is_known_by(&self, columns: &Columns, path: &Path) -> bool;

    /// The columns of a file as line items.
    ///
    /// # Errors
    /// When a column is missing without which no cost can be told.
    fn understand(&self, table: Table) -> Result<Understood>;

    /// Texts that stand for nothing.
    fn null_texts(&self) -> &'static [&'static str] {
        &[""]
    }

    /// The fields of its JSON, of which the first objects may lack some.
    fn fields(&self) -> Vec<Field> {
        Vec::new()
    }

    /// The order of dates of which a file does not show any; none where it must.
    fn usual_date_order(&self) -> Option<DateOrder> {
        None
    }

    /// Where only some bills have net costs: what says it.
    fn net_costs(&self) -> Option<NetCosts> {
        None
    }
}

/// What says whether a bill has net costs, which its other columns depend on.
pub struct NetCosts {
    /// The column that is filled in bills that have them.
    pub column: &'static str,
    /// The line items of understood columns, once it is known whether that one is filled.
    pub line_items: fn(&Columns) -> Result<LineItems>,
}

/// A file as far as its layout matters.
pub struct Table<'a> {
    pub columns: &'a Columns,
    /// Which column is which, as far as the user says.
    pub mapping: &'a Mapping,
    /// The name under which its line items are kept.
    pub data_source: &'a str,
    pub about: About<'a>,
}

/// A file whose columns are understood.
pub struct Understood {
    /// By the names that the layout looks them up by.
    pub columns: Columns,
    pub line_items: LineItems,
    /// Where the format has several.
    pub version: Option<&'static str>,
    /// Where a row is several line items: SQL of a list with an item for each, which they know as `charge`.
    pub charges: Option<String>,
}

macro_rules! formats {
    ($($(#[$meta:meta])* $name:ident: $source:expr, $layout:expr;)*) => {
        /// The layout of a bill's columns.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize, JsonSchema, Serialize)]
        #[serde(rename_all = "lowercase")]
        pub enum Format {
            $($(#[$meta])* $name,)*
        }

        impl Format {
            /// In the order in which they are recognised.
            pub const ALL: &[Format] = &[$(Format::$name),*];

            /// What knows its columns.
            pub fn layout(self) -> &'static dyn Layout {
                match self {
                    $(Format::$name => &$layout,)*
                }
            }

            /// The `data_source` under which its line items are kept.
            pub fn data_source(self) -> &'static str {
                match self {
                    $(Format::$name => $source,)*
                }
            }
        }
    };
}

formats! {
    /// AWS Cost and Usage Report, the legacy one
    #[value(alias = "cur")]
    Cur1: source::CUR, cur::LEGACY;
    /// AWS Data Exports, CUR 2.0
    Cur2: source::CUR2, cur::DATA_EXPORT;
    /// FinOps Open Cost and Usage Specification 1.0 to 1.4, any provider
    Focus: source::FOCUS, focus::Focus;
    /// Azure Cost Management, an export of amortized costs
    #[value(name = "azure-amortized")]
    #[serde(rename = "azure-amortized")]
    AzureAmortized: source::AZURE_AMORTIZED, azure::AMORTIZED;
    /// Azure Cost Management, an export of actual costs
    #[value(name = "azure-actual")]
    #[serde(rename = "azure-actual")]
    AzureActual: source::AZURE_ACTUAL, azure::ACTUAL;
    /// Google Cloud's billing export of BigQuery, detailed
    #[value(name = "gcp-detailed")]
    #[serde(rename = "gcp-detailed")]
    GcpDetailed: source::GCP_DETAILED, gcp::DETAILED;
    /// Google Cloud's billing export of BigQuery, standard
    Gcp: source::GCP, gcp::STANDARD;
    /// OpenAI, costs by project and line item
    #[value(name = "openai")]
    OpenAi: source::OPENAI, models::OpenAi;
    /// Anthropic, cost report by workspace and model
    Anthropic: source::ANTHROPIC, models::Anthropic;
    /// LiteLLM, daily activity by model and team
    #[value(name = "litellm")]
    LiteLlm: source::LITELLM, models::LiteLlm;
    /// A plain CSV with at least the columns `date` and `cost`
    Csv: source::PLAIN, plain::Plain;
}
