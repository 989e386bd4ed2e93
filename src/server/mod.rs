//! Doors for other programs: an MCP server, over stdin and stdout or over HTTP. They ask operations as tools; none has logic
//! of its own.

mod calls;
mod http;
mod mcp;
mod prompts;
mod resources;

use std::{net::SocketAddr, time::Duration};

use chrono::NaiveDate;
use rmcp::ServiceExt;

use self::{calls::Calls, mcp::Mcp};
use crate::{
    error::{Error, Result},
    operations::Session,
};

/// The database stays open for so long after an answer: the next question mostly comes soon.
const IDLE: Duration = Duration::from_secs(2);

/// What a server offers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Offer {
    /// Whether incidents may be triaged.
    pub triage: bool,
    /// The day that is always today.
    pub as_of: Option<NaiveDate>,
}

/// Speaks MCP over stdin and stdout until stdin ends.
///
/// # Errors
/// When the client breaks off before it has said hello.
pub(crate) fn stdio(session: &Session, offer: Offer) -> Result<()> {
    let runtime = session.runtime()?.clone();
    let handler = Mcp::new(Calls::new(session.kept_open(IDLE), offer.as_of), offer.triage)?;
    runtime.block_on(async {
        let failed = |e: String| Error::input("the client of MCP is not understood").cause(e);
        let service = match handler.serve(rmcp::transport::stdio()).await {
            Ok(service) => service,
            // Nobody came: `mcp < /dev/null`.
            Err(rmcp::service::ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
            Err(error) => return Err(failed(error.to_string())),
        };
        service.waiting().await.map(drop).map_err(|e| failed(e.to_string()))
    })
}

/// Speaks MCP over HTTP at `/mcp` until the process is told to stop. `ready` is told the address.
///
/// # Errors
/// When the address cannot be had, or is not this machine's own and there are no tokens.
pub(crate) fn over_http(
    session: &Session,
    offer: Offer,
    address: SocketAddr,
    ready: &dyn Fn(SocketAddr),
) -> Result<()> {
    let runtime = session.runtime()?.clone();
    let guard = http::Guard::new(&session.config().server, address)?;
    let handler = Mcp::new(Calls::new(session.kept_open(IDLE), offer.as_of), offer.triage)?;
    runtime.block_on(http::serve(handler, guard, address, ready))
}
