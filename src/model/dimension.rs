//! What costs are grouped and filtered by.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::as_text;
use crate::error::{Error, Result, nearest};

/// What a cost can be grouped or filtered by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dimension {
    /// The service or product
    Service,
    /// The account that used it
    Account,
    /// The account that pays
    Payer,
    /// The region
    Region,
    /// The usage type
    UsageType,
    /// The operation
    Operation,
    /// The resource
    Resource,
    /// Usage, purchase, tax, credit, adjustment
    ChargeCategory,
    /// The kind of line of the bill
    LineItemType,
    /// On demand, spot, or by a commitment
    PurchaseOption,
    /// The cloud or vendor
    Provider,
    /// Who bills it
    BillingEntity,
    /// The currency
    Currency,
    /// A tag, by its key
    Tag(String),
    /// A cost category, by its name
    CostCategory(String),
}

/// The dimensions without a key, by name and column, in the order that help shows them.
const PLAIN_DIMENSIONS: [(&str, Dimension, &str); 13] = [
    ("service", Dimension::Service, "product_code"),
    ("account", Dimension::Account, "usage_account_id"),
    ("region", Dimension::Region, "region"),
    ("usage-type", Dimension::UsageType, "usage_type"),
    ("operation", Dimension::Operation, "operation"),
    ("resource", Dimension::Resource, "resource_id"),
    ("charge-category", Dimension::ChargeCategory, "charge_category"),
    ("line-item-type", Dimension::LineItemType, "line_item_type"),
    ("purchase-option", Dimension::PurchaseOption, "purchase_option"),
    ("provider", Dimension::Provider, "provider"),
    ("payer", Dimension::Payer, "payer_account_id"),
    ("billing-entity", Dimension::BillingEntity, "billing_entity"),
    ("currency", Dimension::Currency, "currency"),
];

impl Dimension {
    /// The names that [`Dimension::from_str`] takes, for help and hints.
    pub fn names() -> String {
        let plain: Vec<&str> = PLAIN_DIMENSIONS.iter().map(|(name, ..)| *name).collect();
        format!("{}, tag:KEY, cost-category:KEY", plain.join(", "))
    }

    /// The column of the store, for the dimensions that are one.
    pub fn column(&self) -> Option<&'static str> {
        PLAIN_DIMENSIONS.iter().find(|(_, dimension, _)| dimension == self).map(|(.., column)| *column)
    }

    /// Whether `daily_cost_summary` has it; the others need the line items.
    pub fn in_daily_summary(&self) -> bool {
        use Dimension::*;
        matches!(self, Service | Account | Payer | Region | ChargeCategory | Provider | Currency)
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dimension::Tag(key) => write!(f, "tag:{key}"),
            Dimension::CostCategory(key) => write!(f, "cost-category:{key}"),
            plain => {
                let name = PLAIN_DIMENSIONS.iter().find(|(_, dimension, _)| dimension == plain);
                f.write_str(name.map_or("", |(name, ..)| name))
            }
        }
    }
}

impl FromStr for Dimension {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if let Some((kind, key)) = text.split_once(':')
            && !key.is_empty()
        {
            match kind {
                "tag" => return Ok(Dimension::Tag(key.into())),
                "cost-category" => return Ok(Dimension::CostCategory(key.into())),
                _ => {}
            }
        }
        let name = text.replace('_', "-").to_lowercase();
        if let Some((_, dimension, _)) = PLAIN_DIMENSIONS.iter().find(|(plain, ..)| *plain == name) {
            return Ok(dimension.clone());
        }
        let candidates = PLAIN_DIMENSIONS.iter().map(|(plain, ..)| *plain).chain(["tag:KEY", "cost-category:KEY"]);
        let error = Error::usage(format!("there is no dimension `{text}`"));
        Err(match nearest(&name, candidates) {
            Some(near) => error.hint(format!("did you mean `{near}`? There are: {}", Self::names())),
            None => error.hint(format!("there are: {}", Self::names())),
        })
    }
}

/// One or more dimensions joined by `+`, as `--group-by` takes them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema, Serialize)]
#[serde(try_from = "Vec<Dimension>")]
pub struct GroupBy(pub Vec<Dimension>);

impl TryFrom<Vec<Dimension>> for GroupBy {
    type Error = Error;

    fn try_from(dimensions: Vec<Dimension>) -> Result<Self> {
        let twice = dimensions.iter().enumerate().find(|(index, one)| dimensions[..*index].contains(one));
        match twice {
            Some((_, one)) => Err(Error::usage(format!("`{}` names `{one}` twice", GroupBy(dimensions.clone())))),
            None => Ok(Self(dimensions)),
        }
    }
}

impl fmt::Display for GroupBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&names.join("+"))
    }
}

impl FromStr for GroupBy {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let dimensions: Vec<Dimension> =
            text.split(['+', ',']).map(|part| part.trim().parse()).collect::<Result<_>>()?;
        dimensions.try_into()
    }
}

/// `dimension=value` or `dimension!=value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// What is looked at.
    pub dimension: Dimension,
    /// The value that it must have.
    pub value: String,
    /// Whether it must not have it.
    pub negated: bool,
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}={}", self.dimension, if self.negated { "!" } else { "" }, self.value)
    }
}

impl FromStr for Filter {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let Some((left, value)) = text.split_once('=') else {
            return Err(Error::usage(format!("cannot read the filter `{text}`"))
                .hint("write it as `service=AmazonEC2` or `service!=AmazonEC2`"));
        };
        let (name, negated) = match left.strip_suffix('!') {
            Some(name) => (name, true),
            None => (left, false),
        };
        Ok(Filter { dimension: name.trim().parse()?, value: value.trim().into(), negated })
    }
}

as_text!(
    Dimension: { "type": "string", "description": "a dimension of costs, such as `service`, `account` or `tag:team`" },
    Filter: { "type": "string", "description": "`DIMENSION=VALUE` or `DIMENSION!=VALUE`, such as `service=AmazonEC2`" }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plain_dimension_reads_back_from_its_name() {
        for (name, dimension, _) in PLAIN_DIMENSIONS {
            assert_eq!(dimension.to_string(), name);
            assert_eq!(name.parse::<Dimension>().ok(), Some(dimension));
        }
        assert_eq!("tag:team".parse::<Dimension>().ok(), Some(Dimension::Tag("team".into())));
    }

    #[test]
    fn unknown_dimension_names_the_nearest() {
        let error = "servce".parse::<Dimension>().expect_err("unknown").to_string();
        assert!(error.contains("did you mean `service`?"), "{error}");
    }

    #[test]
    fn filters_read_both_operators() {
        let filter: Filter = "service!=AmazonEC2".parse().expect("valid");
        assert!(filter.negated && filter.dimension == Dimension::Service && filter.value == "AmazonEC2");
    }
}
