//! Servers of others whose tools somebody has allowed: their definitions are kept, so that another one is seen.

use std::{collections::BTreeMap, fs, path::Path};

use crate::{
    agent::External,
    error::{Error, Result},
    operations::{Permission, Session},
};

/// Where the definitions are kept, in `database.cache_dir`.
const ALLOWED: &str = "mcp_tools.json";

/// A server whose tools somebody has allowed. New ones, and those that are not as they were, are asked about.
pub(super) fn allowed(external: External, yes: bool, session: &Session) -> Result<Option<External>> {
    let path = session.database().cache_dir.join(ALLOWED);
    let mut known: BTreeMap<String, BTreeMap<String, String>> =
        fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    let (now, before) = (external.fingerprints(), known.get(external.name()).cloned().unwrap_or_default());
    let other: Vec<&String> =
        now.iter().filter(|(name, print)| before.get(*name) != Some(print)).map(|(name, _)| name).collect();
    if other.is_empty() {
        return Ok(Some(external));
    }
    let names: Vec<&str> = other.iter().map(|name| name.as_str()).collect();
    let changed = if before.is_empty() { "" } else { ", new or not as they were when you allowed the others" };
    let what =
        format!("the MCP server `{}` offers the model these tools{changed}: {}", external.name(), names.join(", "));
    // A server that somebody knows and that has changed is asked about whoever wants no questions.
    let is_fine = yes && changed.is_empty()
        || session.reporter().allow(&Permission { what: what.clone(), command: None, cost_usd: None });
    if !is_fine {
        let hint = format!(
            "allow them at a terminal, or name those that may be called in `tools` of `agent.mcp_servers`; {} has what was allowed",
            path.display()
        );
        session.reporter().failed(&Error::input(format!("{what}: not allowed, and left out")).hint(hint));
        external.end(session.runtime()?);
        return Ok(None);
    }
    known.insert(external.name().to_owned(), now);
    keep(&path, &known)?;
    Ok(Some(external))
}

fn keep(path: &Path, known: &BTreeMap<String, BTreeMap<String, String>>) -> Result<()> {
    let cannot = |e: std::io::Error| Error::input(format!("cannot write `{}`", path.display())).caused_by(e);
    let json = serde_json::to_vec_pretty(known).map_err(|e| Error::bug("names have no JSON").caused_by(e))?;
    path.parent().map_or(Ok(()), fs::create_dir_all).map_err(cannot)?;
    fs::write(path, json).map_err(cannot)
}
