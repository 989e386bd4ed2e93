use clap::{Args, ValueEnum};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Effect, Header, Operation, Session, forecast::plans};
use crate::{
    config,
    error::{Code, Error, Result, nearest},
    insights::budgets::{BudgetState, Budgets, Request, budgets},
    model::{Budget, Day},
    sources,
};

/// Say how budgets stand: what is spent, where the period will end, and when the amount is reached
#[derive(Args, Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct ShowBudgets {
    /// Only this budget; repeatable
    #[arg(long, value_name = "NAME")]
    pub name: Vec<String>,

    /// The day to take for today, as YYYY-MM-DD
    #[arg(long, value_name = "DATE")]
    pub as_of: Option<Day>,
}

/// From when on a budget is a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// The amount is spent
    Exceeded,
    /// The amount is expected to be spent
    Forecast,
}

impl FailOn {
    /// Whether any budget is as far.
    pub fn is_reached(self, budgets: &Budgets) -> bool {
        let least = match self {
            FailOn::Exceeded => BudgetState::Exceeded,
            FailOn::Forecast => BudgetState::Forecast,
        };
        budgets.budgets.iter().any(|budget| budget.state >= least)
    }
}

impl Operation for ShowBudgets {
    const NAME: &'static str = "budgets";
    const TITLE: &'static str = "How budgets stand";
    const EFFECT: Effect = Effect::Read;
    type Output = Budgets;

    fn answer(&self, session: &Session) -> Result<Answer<Budgets>> {
        let mut all = config::budgets(session.config())?;
        if all.is_empty() {
            return Err(Error::input("there are no budgets")
                .with_code(Code::NotFound)
                .hint("write them into `budgets` of the configuration; `budgets import` reads those of AWS"));
        }
        let names: Vec<String> = all.iter().map(|budget| budget.name.clone()).collect();
        if let Some(unknown) = self.name.iter().find(|name| !names.contains(name)) {
            let error = Error::input(format!("there is no budget `{unknown}`")).with_code(Code::NotFound);
            let near = nearest(unknown, names.iter().map(String::as_str));
            return Err(match near {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error.hint(format!("there are: {}", names.join(", "))),
            });
        }
        all.retain(|budget| self.name.is_empty() || self.name.contains(&budget.name));
        let plans = plans(session)?;
        let request = Request {
            budgets: &all,
            plans: &plans,
            as_of: self.as_of.map_or(session.today(), Day::date),
            settle_days: session.config().anomaly.settle_days,
            with_late: false,
        };
        let store = session.store()?;
        budgets(&*store, &store, &request)
    }
}

/// Read the budgets of AWS Budgets, to put them into the configuration
///
/// Asks for the cost budgets of the account (`budgets:ViewBudget`) with their notifications. What this program has no words for is said.
/// Nothing is stored.
#[derive(Args, Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct ImportBudgets {
    /// The account whose budgets these are [default: the caller's]
    #[arg(long, value_name = "ID")]
    pub account: Option<String>,
}

/// Budgets of AWS, in this program's words.
#[derive(Debug, JsonSchema, Serialize)]
pub struct ImportedBudgets {
    /// As the configuration has them.
    pub budgets: Vec<Budget>,
    /// What was left out or changed, and why.
    pub notes: Vec<String>,
}

impl ImportedBudgets {
    /// As `budgets_file` has them.
    ///
    /// # Errors
    /// Never in practice: a budget always has YAML.
    pub fn as_yaml(&self) -> Result<String> {
        config::budgets_as_yaml(&self.budgets)
    }
}

impl Operation for ImportBudgets {
    const NAME: &'static str = "budgets_import";
    const TITLE: &'static str = "The budgets of AWS Budgets";
    const EFFECT: Effect = Effect::Read;
    type Output = ImportedBudgets;

    fn answer(&self, session: &Session) -> Result<Answer<ImportedBudgets>> {
        let aws = session.aws()?;
        let account = match &self.account {
            Some(account) => account.clone(),
            None => aws.caller()?.account_id.clone(),
        };
        let (budgets, notes) = sources::budgets::of_account(aws, &account)?;
        Ok(Answer { header: Header::plain(), body: ImportedBudgets { budgets, notes } })
    }
}
