//! The HTTP server: who may ask, and for how long one may take to do so. Pages of the web must not reach it through a
//! browser, so `Host` and `Origin` are checked on every path; TLS is a proxy's.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::{net::TcpListener, sync::Semaphore, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::mcp::Mcp;
use crate::{
    error::{Error, Result},
    web::Guests,
};

/// A client must have sent the head of its request within this time.
const HEAD: Duration = Duration::from_secs(10);
/// Bytes of a request: questions are short.
const MOST_BYTES: usize = 1 << 20;
/// Connections at once.
const CONNECTIONS: usize = 256;
/// Answers that are on their way when the process is told to stop may take so long.
const GOODBYE: Duration = Duration::from_secs(5);

/// Who may ask.
pub(super) struct Guard {
    /// Names of this server, as `Host` has them, without the port and in small letters.
    hosts: Vec<String>,
    /// SHA-256 of the tokens: all are equally long, so comparing them tells nothing.
    tokens: Vec<[u8; 32]>,
}

impl Guard {
    /// # Errors
    /// When others than this machine could ask without a token, or a token cannot be read.
    pub(super) fn new(settings: &Guests, address: SocketAddr) -> Result<Self> {
        let tokens =
            settings.tokens.iter().map(|token| Ok(digest(token.read()?.expose()))).collect::<Result<Vec<_>>>()?;
        if tokens.is_empty() && !address.ip().is_loopback() {
            return Err(Error::usage(format!(
                "`{address}` can be reached from other machines, and no token is configured"
            ))
            .hint("put `tokens: [{ env: NAME }]` under `server` in the configuration, or take 127.0.0.1"));
        }
        let own = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned);
        let bound = Some(address.ip()).filter(|ip| !ip.is_unspecified()).map(|ip| match ip {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        });
        let named = settings.hosts.iter().map(|host| host.to_lowercase());
        Ok(Self { hosts: own.into_iter().chain(bound).chain(named).collect(), tokens })
    }

    /// Whether a request is for this server, from no page of another, and by somebody who may ask.
    fn check(&self, headers: &HeaderMap, uri_host: Option<&str>) -> Result<(), (StatusCode, &'static str)> {
        let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
        let host = text(header::HOST).or(uri_host).unwrap_or_default();
        if !self.hosts.contains(&without_port(host).to_lowercase()) {
            return Err((
                StatusCode::FORBIDDEN,
                "this `Host` is not served; `server.hosts` of the configuration names others",
            ));
        }
        if let Some(origin) = text(header::ORIGIN) {
            let own = origin.strip_prefix("http://").or(origin.strip_prefix("https://"));
            // A page of this server, and of no other on the same machine.
            if own.is_none_or(|own| !own.eq_ignore_ascii_case(host)) {
                return Err((StatusCode::FORBIDDEN, "this `Origin` may not ask"));
            }
        }
        let given = text(header::AUTHORIZATION).and_then(|value| value.split_once(' '));
        let given =
            given.filter(|(kind, _)| kind.eq_ignore_ascii_case("bearer")).map(|(_, token)| digest(token.trim()));
        // All are compared, whichever is right.
        let is_known =
            |given: [u8; 32]| self.tokens.iter().fold(0, |found, token| found | token.ct_eq(&given).unwrap_u8()) == 1;
        if !self.tokens.is_empty() && !given.is_some_and(is_known) {
            return Err((
                StatusCode::UNAUTHORIZED,
                "a bearer token is needed; `server.tokens` of the configuration has it",
            ));
        }
        Ok(())
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// `localhost:8000` without its port; `[::1]:8000`, too.
fn without_port(host: &str) -> &str {
    match host.rfind(':') {
        Some(place) if !host.ends_with(']') => &host[..place],
        _ => host,
    }
}

async fn guarded(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    match guard.check(request.headers(), request.uri().host()) {
        Ok(()) => next.run(request).await,
        Err((status, text)) => {
            let mut response = (status, format!("{text}\n")).into_response();
            if status == StatusCode::UNAUTHORIZED {
                response.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
            }
            response
        }
    }
}

/// Serves until the process is told to stop.
///
/// # Errors
/// When the address cannot be had.
pub(super) async fn serve(handler: Mcp, guard: Guard, address: SocketAddr, ready: &dyn Fn(SocketAddr)) -> Result<()> {
    let cannot = |e: std::io::Error| Error::input(format!("cannot listen on `{address}`")).caused_by(e);
    let listener = TcpListener::bind(address).await.map_err(cannot)?;
    let stop = CancellationToken::new();
    // No sessions, so nothing is kept of a client. Its own checks of `Host` and `Origin` would know fewer names than ours.
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_max_request_body_bytes(MOST_BYTES)
        .with_cancellation_token(stop.clone())
        .with_allowed_hosts(guard.hosts.clone())
        .disable_allowed_origins();
    let mcp = StreamableHttpService::new(move || Ok(handler.clone()), Arc::new(NeverSessionManager::default()), config);
    let router =
        Router::new().route_service("/mcp", mcp).layer(middleware::from_fn_with_state(Arc::new(guard), guarded));
    ready(listener.local_addr().map_err(cannot)?);
    let (connections, open) = (Arc::new(Semaphore::new(CONNECTIONS)), TaskTracker::new());
    let told = told_to_stop()?;
    tokio::pin!(told);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut told => break,
        };
        // One that broke off is no reason to stop.
        let Ok((stream, _)) = accepted else { continue };
        let Ok(place) = Arc::clone(&connections).try_acquire_owned() else { continue };
        let (service, stop) = (TowerToHyperService::new(router.clone()), stop.clone());
        open.spawn(async move {
            let _place = place;
            let mut server = auto::Builder::new(TokioExecutor::new()).http1_only();
            server.http1().timer(TokioTimer::new()).header_read_timeout(HEAD);
            let connection = server.serve_connection(TokioIo::new(stream), service);
            tokio::pin!(connection);
            tokio::select! {
                // A client that breaks off has its reasons.
                _ = &mut connection => {}
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    let _ = connection.await;
                }
            }
        });
    }
    stop.cancel();
    open.close();
    // What is not done by then is broken off.
    let _ = timeout(GOODBYE, open.wait()).await;
    Ok(())
}

/// Ends when the process is told to stop.
///
/// # Errors
/// When it cannot be told.
fn told_to_stop() -> Result<impl Future<Output = ()>> {
    let cannot = |e: std::io::Error| Error::input("cannot wait for signals").caused_by(e);
    #[cfg(unix)]
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).map_err(cannot)?;
    #[cfg(not(unix))]
    let mut terminate = tokio::signal::windows::ctrl_break().map_err(cannot)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::secret::Reference;

    fn guard(hosts: &[&str], tokens: &[&str]) -> Guard {
        let hosts = ["localhost", "127.0.0.1", "[::1]"].iter().chain(hosts).map(|host| (*host).to_owned()).collect();
        Guard { hosts, tokens: tokens.iter().map(|token| digest(token)).collect() }
    }

    fn status(guard: &Guard, given: &[(&'static str, &str)]) -> u16 {
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            headers.insert(*name, value.parse().expect("a header"));
        }
        guard.check(&headers, None).map_or_else(|(status, _)| status.as_u16(), |()| 200)
    }

    #[test]
    fn foreign_hosts_and_pages_are_refused() {
        let guard = guard(&["costs.acme.internal"], &[]);
        for host in ["localhost", "LOCALHOST:8000", "127.0.0.1:8000", "[::1]:8000", "[::1]", "costs.acme.internal"] {
            assert_eq!(status(&guard, &[("host", host)]), 200, "{host}");
            assert_eq!(status(&guard, &[("host", host), ("origin", &format!("http://{host}"))]), 200, "{host}");
        }
        // What rebinding looks like: a name of somebody else's that leads here.
        for host in ["evil.example:8000", "localhost.evil.example", "127.0.0.1.nip.io:8000", "", "0.0.0.0:8000"] {
            assert_eq!(status(&guard, &[("host", host)]), 403, "{host}");
        }
        assert_eq!(status(&guard, &[]), 403);
        for origin in
            ["http://evil.example", "null", "http://localhost:3000", "file://", "http://localhost:8000.evil.example"]
        {
            assert_eq!(status(&guard, &[("host", "localhost:8000"), ("origin", origin)]), 403, "{origin}");
        }
    }

    #[test]
    fn tokens_are_asked_for_where_there_are_any() {
        let guard = guard(&[], &["first-token", "second-token"]);
        let asks = |given: &str| status(&guard, &[("host", "localhost"), ("authorization", given)]);
        assert_eq!((asks("Bearer first-token"), asks("bearer  second-token")), (200, 200));
        for wrong in ["Bearer first-toke", "Bearer first-tokens", "Bearer ", "Basic first-token", "first-token"] {
            assert_eq!(asks(wrong), 401, "{wrong}");
        }
        assert_eq!(status(&guard, &[("host", "localhost")]), 401);
    }

    #[test]
    fn nobody_else_asks_without_a_token() {
        let open = Guests { tokens: Vec::new(), hosts: Vec::new() };
        let refused = |address: &str| Guard::new(&open, address.parse().expect("an address")).is_err();
        assert!(!refused("127.0.0.1:8000") && !refused("[::1]:8000"));
        assert!(refused("0.0.0.0:8000") && refused("[::]:8000") && refused("192.0.2.1:8000"));
        let missing = Guests { tokens: vec![Reference::Env("NO_SUCH_TOKEN_OF_ACME".to_owned())], hosts: Vec::new() };
        assert!(Guard::new(&missing, "127.0.0.1:0".parse().expect("an address")).is_err());
    }
}
