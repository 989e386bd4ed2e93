//! Where an incident is: what filters of owners, channels and plans look at.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    insights::{answer::Answer, explanation::Explanation, incidents::Shown},
    model::{Dimension, Filter},
};

/// A value stands for an incident when it carries at least this share of the change, in percent.
const MOST_OF_IT: f64 = 50.0;

/// A place of an incident that fits filters.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct Fit {
    pub dimension: Dimension,
    pub value: String,
    /// Of an account.
    pub name: Option<String>,
    /// What of the change it carries, in percent.
    pub share_pct: f64,
}

impl fmt::Display for Fit {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} {}", self.dimension, self.value)?;
        if let Some(name) = &self.name {
            write!(f, " ({name})")?;
        }
        // What carries nearly all of it is the incident itself.
        if self.share_pct < 99.95 { write!(f, " carries {:.0} % of it", self.share_pct) } else { Ok(()) }
    }
}

/// Where an incident is: the values of each dimension that carry most of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places(BTreeMap<String, Vec<Place>>);

#[derive(Clone, Debug)]
struct Place {
    value: String,
    /// Of an account.
    name: Option<String>,
    /// Percent of the change.
    share: f64,
}

impl Places {
    /// Of the incident's own group, and of what carries it.
    pub(crate) fn new(shown: &Shown, explained: Option<&Answer<Explanation>>) -> Self {
        let mut places: BTreeMap<String, Vec<Place>> = BTreeMap::new();
        for (dimension, value) in &shown.group {
            let value = value.as_str().unwrap_or_default().to_owned();
            let name = shown.account_name.clone().filter(|_| dimension == "account");
            places.insert(dimension.clone(), vec![Place { value, name, share: 100.0 }]);
        }
        for members in explained.iter().flat_map(|explained| &explained.contributors) {
            let most = members.members.iter().filter_map(|member| {
                let share = member.share_pct.filter(|share| *share >= MOST_OF_IT)?;
                Some(Place { value: member.value.clone(), name: member.name.clone(), share })
            });
            let most: Vec<Place> = most.collect();
            places.entry(members.dimension.to_string()).or_insert(most);
        }
        Self(places)
    }

    /// By which places the incident fits filters, if it does: values of one dimension are alternatives, dimensions must all
    /// fit.
    pub(crate) fn fits(&self, filters: &[Filter]) -> Option<Vec<Fit>> {
        let mut fits = Vec::new();
        let dimensions: BTreeSet<&Dimension> = filters.iter().map(|filter| &filter.dimension).collect();
        for dimension in dimensions {
            let of_it = || filters.iter().filter(|filter| filter.dimension == *dimension);
            let places = self.0.get(&dimension.to_string()).map(Vec::as_slice).unwrap_or_default();
            let is = |filter: &Filter, place: &Place| {
                place.value == filter.value || place.name.as_ref() == Some(&filter.value)
            };
            if of_it().any(|filter| filter.negated && places.iter().any(|place| is(filter, place))) {
                return None;
            }
            let mut wanted = of_it().filter(|filter| !filter.negated).peekable();
            if wanted.peek().is_none() {
                continue;
            }
            let found = wanted.find_map(|filter| places.iter().find(|place| is(filter, place)))?;
            let (value, name) = (found.value.clone(), found.name.clone());
            fits.push(Fit { dimension: dimension.clone(), value, name, share_pct: found.share });
        }
        Some(fits)
    }
}
