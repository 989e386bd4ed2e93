use std::net::SocketAddr;

use clap::Args;

use super::Context;
use crate::{
    error::{ExitCode, Result},
    model::Day,
    server::{self, Offer},
};

/// Let AI assistants ask: a server of the Model Context Protocol
///
/// Claude Code, Cursor, Goose, Amazon Q and others start it themselves and speak with it over stdin and stdout; docs/MCP.md has
/// a line for each. It reads, and changes nothing: what it answers stays between it and the assistant.
#[derive(Debug, Args)]
pub(crate) struct McpArgs {
    /// Serve over HTTP at /mcp instead, such as 127.0.0.1:8000; others than this machine need a token (`server.tokens`)
    #[arg(long, value_name = "ADDRESS:PORT")]
    http: Option<SocketAddr>,

    /// Also offer to triage incidents: the only tool that writes
    #[arg(long)]
    allow_triage: bool,

    /// Always take this day for today, as YYYY-MM-DD
    #[arg(long, value_name = "DATE")]
    as_of: Option<Day>,
}

pub(super) fn run(args: &McpArgs, context: &Context) -> Result<ExitCode> {
    let offer = Offer { triage: args.allow_triage, as_of: args.as_of.map(Day::date) };
    match args.http {
        None => server::stdio(&context.session, offer)?,
        Some(address) => {
            let ready = |address: SocketAddr| context.note(&format!("MCP at http://{address}/mcp; Ctrl-C stops it"));
            server::over_http(&context.session, offer, address, &ready)?;
        }
    }
    Ok(ExitCode::Done)
}
