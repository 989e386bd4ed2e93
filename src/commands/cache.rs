use std::collections::BTreeSet;

use clap::{Args, Subcommand};

use super::{Context, print};
use crate::{
    error::{ExitCode, Result},
    ingest::s3,
    report::{self, Format},
};

/// Look after the bills fetched from buckets
#[derive(Debug, Args)]
pub(crate) struct CacheArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Remove fetched files that the database is not made of, then the oldest beyond database.cache_limit_gb
    Prune {
        /// Remove all of them; what is needed is fetched again
        #[arg(long)]
        all: bool,

        /// How to write what was removed
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
}

pub(super) fn run(args: &CacheArgs, context: &Context) -> Result<ExitCode> {
    let Action::Prune { all, format } = &args.action;
    let database = context.session.database();
    let pruned = s3::prune(
        &*context.session.store_for_writing_now()?,
        &database.cache_dir,
        if *all { 0 } else { database.cache_limit() },
        &BTreeSet::new(),
    )?;
    print(&report::ingest::pruned(&pruned, *format)?)?;
    Ok(ExitCode::Done)
}
