use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Effect, Operation, Selection, Session};
use crate::{
    analysis::detection::Parameters,
    error::{Error, Result},
    insights::{
        Question,
        explain::{Request, explain},
        explanation::Explanation,
        incidents::one,
    },
    model::{Day, Dimension, Filter, Method},
};

/// Say why a cost moved
///
/// Of an incident of the ledger, by its id or the beginning of it, or of any cost on any settled day: what was expected, since
/// when, which usage types, operations, resources, accounts and regions carry the change, whether it is usage, price, mix,
/// commitments, credits or something new, and where to look next.
#[derive(Args, Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct ExplainCost {
    /// An incident, by its id or the beginning of it
    #[arg(conflicts_with_all = ["service", "account", "region", "usage_type", "date"])]
    pub id: Option<String>,

    /// Costs of this service, such as AmazonEC2
    #[arg(long, value_name = "SERVICE")]
    pub service: Option<String>,

    /// Costs of this account, by id or name
    #[arg(long, value_name = "ACCOUNT")]
    pub account: Option<String>,

    /// Costs of this region
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,

    /// Costs of this usage type
    #[arg(long, value_name = "TYPE")]
    pub usage_type: Option<String>,

    /// A day of the change, as YYYY-MM-DD [default: the newest settled day]
    #[arg(long, value_name = "DATE")]
    pub date: Option<Day>,

    /// Contributors of each dimension to show by name
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub top: usize,

    /// Which costs.
    #[command(flatten)]
    #[serde(flatten)]
    pub selection: Selection,
}

impl Operation for ExplainCost {
    const NAME: &'static str = "explain";
    const TITLE: &'static str = "Why a cost moved";
    const EFFECT: Effect = Effect::Read;
    type Output = Explanation;

    fn answer(&self, session: &Session) -> Result<Answer<Explanation>> {
        let named = [
            (Dimension::Service, &self.service),
            (Dimension::Account, &self.account),
            (Dimension::Region, &self.region),
            (Dimension::UsageType, &self.usage_type),
        ];
        if self.id.is_some() && (self.date.is_some() || named.iter().any(|(_, value)| value.is_some())) {
            return Err(Error::usage("an incident has its own service, account, region, usage type and day")
                .hint("leave these out, or leave the id out"));
        }
        let store = session.store()?;
        let asked = self.selection.question(session);
        let mut filters: Vec<Filter> = self.selection.filter.clone();
        let mut include = self.selection.included();
        let incident = self.id.as_deref().map(|id| one(&store, id)).transpose()?;
        let (mut metric, mut source) = (asked.metric, asked.source);
        if let Some(shown) = &incident {
            filters.extend(shown.filters());
            include.clone_from(&shown.incident.scope.charge_categories);
            metric = shown.incident.scope.metric;
            source = shown.incident.scope.data_source.as_deref();
        }
        for (dimension, value) in named {
            filters.extend(value.clone().map(|value| Filter { dimension, value, negated: false }));
        }
        if incident.is_none() && filters.is_empty() && self.date.is_none() {
            return Err(Error::usage("what is to be explained?")
                .hint("name an incident (`incidents` lists them), or `--service NAME --date DATE`"));
        }
        // An incident is judged as it was found.
        let settings = &session.config().anomaly;
        let parameters = incident
            .as_ref()
            .map_or_else(|| Parameters::new(settings, Method::default()), |shown| shown.parameters(settings));
        let request = Request {
            question: Question { metric, source, filters: &filters, ..asked },
            include: &include,
            parameters,
            date: self.date.map(Day::date).or(incident.as_ref().map(|shown| shown.incident.peak_date)),
            incident: incident.as_ref(),
            top: self.top.max(1),
            also: &[],
        };
        explain(&*store, &request)
    }
}
