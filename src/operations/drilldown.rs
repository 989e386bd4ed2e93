use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Effect, Operation, Periods, Selection, Session};
use crate::{
    error::Result,
    insights::drilldown::{Drilldown, Request, drilldown},
    store::Facts,
};

/// Follow a change from the total down to the resource
///
/// Account, service, region, usage type, resource: what each level adds to the change between two periods, and the path of
/// greatest change. Without periods, the last 7 settled days and the 7 before them.
#[derive(Args, Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct DrillDown {
    /// Which days.
    #[command(flatten)]
    #[serde(flatten)]
    pub periods: Periods,

    /// Members of each level to show by name
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub top: usize,

    /// Which costs.
    #[command(flatten)]
    #[serde(flatten)]
    pub selection: Selection,
}

impl DrillDown {
    /// Gives `visit` what is asked for, to walk through by hand.
    ///
    /// # Errors
    /// When there is no such data, and as `visit`.
    pub(crate) fn walk<T>(
        &self,
        session: &Session,
        visit: impl FnOnce(&dyn Facts, &Request) -> Result<T>,
    ) -> Result<T> {
        let store = session.store()?;
        let question = self.selection.question(session);
        let (before, after) = self.periods.resolve(&store, &question)?;
        let include = self.selection.included();
        let request = Request { question, before, after, include: &include, top: self.top.max(1) };
        visit(&*store, &request)
    }
}

impl Operation for DrillDown {
    const NAME: &'static str = "drilldown";
    const TITLE: &'static str = "From the total down to the resource";
    const EFFECT: Effect = Effect::Read;
    type Output = Drilldown;

    fn answer(&self, session: &Session) -> Result<Answer<Drilldown>> {
        self.walk(session, drilldown)
    }
}
