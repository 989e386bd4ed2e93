//! Budgets of the configuration and of a file of their own.

use serde::Serialize;
use serde_yaml::Value;

use super::{Config, refused_element};
use crate::{
    error::{Error, Result, nearest},
    model::Budget,
};

/// The budgets of the configuration, and those of the file that it names: a list, or one under `budgets`.
///
/// # Errors
/// When the file cannot be read, is no list of budgets, or a budget makes no sense.
pub(crate) fn budgets(config: &Config) -> Result<Vec<Budget>> {
    let path = &config.budgets_file;
    if path.as_os_str().is_empty() {
        return Ok(config.budgets.clone());
    }
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|e| {
        Error::input(format!("cannot read the budgets `{shown}`"))
            .caused_by(e)
            .hint("`budgets_file` names the file; leave it empty for none")
    })?;
    let wrong = |cause: String| {
        Error::input(format!("the budgets `{shown}` are not valid"))
            .cause(cause)
            .hint("docs/BUDGETS.md shows such a file")
    };
    let value: Value = serde_yaml::from_str(&text).map_err(|e| wrong(e.to_string()))?;
    let list = value.get("budgets").cloned().unwrap_or(value);
    if let Some(cause) = refused_element::<Budget>(&list, "budgets") {
        return Err(wrong(cause));
    }
    let own: Option<Vec<Budget>> = serde_yaml::from_value(list).map_err(|e| wrong(e.to_string()))?;
    let mut all = config.budgets.clone();
    all.extend(own.unwrap_or_default());
    check(&all, config).map_err(|e| e.context(format!("the budgets `{shown}` are not valid")))?;
    Ok(all)
}

/// Budgets as `budgets_file` has them.
///
/// # Errors
/// Never in practice: a budget always has YAML.
pub(crate) fn budgets_as_yaml(budgets: &[Budget]) -> Result<String> {
    #[derive(Serialize)]
    struct File<'a> {
        budgets: &'a [Budget],
    }
    serde_yaml::to_string(&File { budgets }).map_err(|e| Error::bug("budgets have no YAML").caused_by(e))
}

/// # Errors
/// When a budget makes no sense, is there twice, or names an owner or a channel that nobody knows.
pub(super) fn check(budgets: &[Budget], config: &Config) -> Result<()> {
    for (place, budget) in budgets.iter().enumerate() {
        budget.check()?;
        let name = &budget.name;
        if budgets[..place].iter().any(|other| other.name == *name) {
            return Err(Error::input(format!("the budget `{name}` is there twice")));
        }
        let owners = || config.notify.owners.iter().map(|owner| owner.name.as_str());
        if let Some(owner) = budget.owner.as_deref().filter(|owner| !owners().any(|name| name == *owner)) {
            let error =
                Error::input(format!("the budget `{name}` is of the owner `{owner}`, who is not in `notify.owners`"));
            return Err(match nearest(owner, owners()) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error.hint("name an owner of `notify.owners`, or channels with `channels`"),
            });
        }
        for channel in &budget.channels {
            config.notify.channel(channel).map_err(|e| e.context(format!("the budget `{name}` cannot be sent")))?;
        }
    }
    Ok(())
}
