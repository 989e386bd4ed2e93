use std::{net::SocketAddr, path::PathBuf};

use clap::Args;

use super::Context;
use crate::{
    error::{ExitCode, Result},
    model::Day,
    server,
};

/// Serve a dashboard and a REST API
///
/// Pages for browsers, REST at /api/v1 (described at /docs) and MCP at /mcp, from the same database as the commands. It asks nobody
/// else, and whoever is not on this machine needs a token (`server` in the configuration). docs/SERVER.md has it all.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Where to listen
    #[arg(
        long,
        value_name = "ADDRESS:PORT",
        default_value = "127.0.0.1:8000",
        env = "AWS_COST_LISTEN",
        hide_env_values = true
    )]
    listen: SocketAddr,

    /// Always take this day for today, as YYYY-MM-DD
    #[arg(long, value_name = "DATE")]
    as_of: Option<Day>,

    /// Ask the server that listens there whether it runs, instead of being one: exit code 0 or 1, for health checks
    #[arg(long, conflicts_with_all = ["as_of", "export"])]
    check: bool,

    /// Write all pages as files below this folder instead, for a bucket or GitHub Pages
    #[arg(long, value_name = "DIR", conflicts_with = "listen")]
    export: Option<PathBuf>,
}

pub(super) fn run(args: &ServeArgs, context: &Context) -> Result<ExitCode> {
    if args.check {
        server::check(args.listen)?;
        return Ok(ExitCode::Done);
    }
    let as_of = args.as_of.map(Day::date);
    if let Some(folder) = &args.export {
        let today = as_of.unwrap_or(context.session.today());
        let exported = server::export(&context.session.of_day(today), folder)?;
        for (address, reason) in &exported.left_out {
            context.note(&format!("note: the page `{address}` is left out: {}", reason.message()));
        }
        let count = exported.pages;
        context.note(&format!("wrote {count} pages below `{}`; `index.html` is the first", folder.display()));
        return Ok(ExitCode::Done);
    }
    let ready = |address: SocketAddr| context.note(&format!("http://{address}/ ; Ctrl-C stops it"));
    server::serve(&context.session, as_of, args.listen, &ready)?;
    Ok(ExitCode::Done)
}
