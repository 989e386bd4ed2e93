//! Doors for other programs and for browsers: REST, pages, and the Model Context Protocol, over HTTP or stdin and stdout. They ask
//! operations; none has logic of its own.

mod answers;
mod api;
mod assets;
mod calls;
mod guard;
mod links;
mod listener;
mod mcp;
mod pages;
mod problem;
mod prompts;
mod resources;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{MatchedPath, Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Redirect, Response},
};
use chrono::NaiveDate;
use rmcp::{
    ServiceExt,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
    },
};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower_http::compression::CompressionLayer;

use self::{
    answers::Answers,
    api::{Changes, Metrics, Runs},
    calls::Calls,
    guard::{Guard, Guest, Refusal},
    links::Links,
    listener::Peer,
    mcp::Mcp,
    problem::Problem,
};
use crate::{
    error::{Error, Result},
    operations::Session,
    web::Scope,
};

pub(crate) use self::{listener::check, pages::export};

/// The database stays open for so long after an answer: the next question mostly comes soon.
const IDLE: Duration = Duration::from_secs(2);
/// Bytes of a request: questions are short, and a batch of records is not very long.
const MOST_BYTES: usize = 1 << 20;
/// A client must have sent all of its request within this time.
const BODY: Duration = Duration::from_secs(30);

/// What a server offers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Offer {
    /// Whether incidents may be triaged.
    pub triage: bool,
    /// The day that is always today.
    pub as_of: Option<NaiveDate>,
}

/// What all requests share.
struct App {
    answers: Arc<Answers>,
    guard: Guard,
    links: Links,
    changes: Changes,
    runs: Runs,
    metrics: Metrics,
    /// Whether there are pages, or MCP alone.
    has_pages: bool,
    stop: CancellationToken,
}

/// A request to a server that has pages.
#[derive(Clone, Copy)]
struct HasPages;

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
/// When the address cannot be had, or is not this machine's own and nobody could be known.
pub(crate) fn over_http(
    session: &Session,
    offer: Offer,
    address: SocketAddr,
    ready: &dyn Fn(SocketAddr),
) -> Result<()> {
    served(session, offer, address, ready, None)
}

/// Serves pages, REST and MCP until the process is told to stop. `ready` is told the address.
///
/// # Errors
/// As [`over_http`].
pub(crate) fn serve(
    session: &Session,
    as_of: Option<NaiveDate>,
    address: SocketAddr,
    ready: &dyn Fn(SocketAddr),
) -> Result<()> {
    let offer = Offer { triage: false, as_of };
    let pages = Router::new()
        .merge(api::router(session.config().server.accept_records))
        .merge(pages::router())
        .merge(assets::router());
    served(session, offer, address, ready, Some(pages))
}

fn served(
    session: &Session,
    offer: Offer,
    address: SocketAddr,
    ready: &dyn Fn(SocketAddr),
    pages: Option<Router<Arc<App>>>,
) -> Result<()> {
    let runtime = session.runtime()?.clone();
    let settings = &session.config().server;
    let guard = Guard::new(settings, address)?;
    let links = Links::new(settings)?;
    let calls = Calls::new(session.kept_open(IDLE), offer.as_of);
    let (stop, answers) = (CancellationToken::new(), Answers::new(Arc::clone(&calls)));
    let mcp = over_http_service(Mcp::new(calls, offer.triage)?, &guard, stop.clone());
    runtime.block_on(async {
        let listener = listener::bind(address).await?;
        let changes = api::watched(&answers, &stop);
        let (runs, metrics) = (Runs::default(), Metrics::default());
        let has_pages = pages.is_some();
        let app = Arc::new(App { answers, guard, links, changes, runs, metrics, has_pages, stop: stop.clone() });
        let router = pages
            .unwrap_or_default()
            .route_service("/mcp", Router::new().fallback_service(mcp).layer(middleware::from_fn(read)))
            .fallback(nothing)
            .layer(CompressionLayer::new())
            .layer(middleware::from_fn_with_state(Arc::clone(&app), guarded))
            .with_state(app);
        listener::serve(listener, router, stop, ready).await
    })
}

fn over_http_service(
    handler: Mcp,
    guard: &Guard,
    stop: CancellationToken,
) -> StreamableHttpService<Mcp, NeverSessionManager> {
    // No sessions, so nothing is kept of a client. Its own checks of `Host` and `Origin` would know fewer names than ours.
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_max_request_body_bytes(MOST_BYTES)
        .with_cancellation_token(stop)
        .with_allowed_hosts(guard.hosts().to_vec())
        .disable_allowed_origins();
    StreamableHttpService::new(move || Ok(handler.clone()), Arc::new(NeverSessionManager::default()), config)
}

/// Addresses that need nobody to be known: what a browser needs to ask for a token, what others look after the server by, and links
/// that carry their own right.
fn is_public(path: &str) -> bool {
    ["/health", "/ready", "/login"].contains(&path) || path.starts_with("/assets/") || path.starts_with("/shared/")
}

/// Whether somebody at a browser asks for a page.
fn wants_page(request: &Request) -> bool {
    let accepts = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    request.extensions().get::<HasPages>().is_some()
        && request.method() == Method::GET
        && accepts.contains("text/html")
        && !request.uri().path().starts_with("/api/")
}

/// What every request goes through, whatever its address: who asks, how much, how long; and what every answer says to browsers.
async fn guarded(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let here = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
    let peer = request.extensions().get::<Peer>().map_or(here, |peer| peer.0);
    if app.has_pages {
        request.extensions_mut().insert(HasPages);
    }
    let (name, mut response) = match admitted(&app, &mut request, peer.ip()) {
        Ok(guest) => {
            let name = guest.map_or(String::new(), |guest| guest.name);
            match whole(request).await {
                Ok(request) => (name, next.run(request).await),
                Err(problem) => (name, problem.into_response()),
            }
        }
        // A browser is asked for the token, and then goes where it wanted.
        Err(Refusal::Unknown) if wants_page(&request) => {
            let to = request.uri().path_and_query().map_or("/", |to| to.as_str());
            let to: String = form_urlencoded::byte_serialize(to.as_bytes()).collect();
            (String::new(), Redirect::to(&format!("/login?to={to}")).into_response())
        }
        Err(refusal) => (String::new(), Problem::from(refusal).into_response()),
    };
    let headers = response.headers_mut();
    for (name, value) in SECURE {
        // A page may be stricter.
        headers.entry(*name).or_insert(HeaderValue::from_static(value));
    }
    // A link that carries its own right is not written down.
    let shown = if path.starts_with("/shared/") { "/shared/…" } else { path.as_str() };
    let status = response.status();
    let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::info!(%method, path = %crate::inert::one_line(shown), status = status.as_u16(), ms, user = %crate::inert::one_line(&name), peer = %peer.ip(), "served");
    app.metrics.count(route.as_deref().unwrap_or("none"), status, started.elapsed());
    response
}

/// What browsers must not do with an answer: <https://owasp.org/www-project-secure-headers/>.
const SECURE: &[(&str, &str)] = &[
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; form-action 'self'; \
         base-uri 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
];

/// Who asks, once it is seen that somebody may; nobody where an address needs nobody to be known.
fn admitted(app: &App, request: &mut Request, peer: IpAddr) -> Result<Option<Guest>, Refusal> {
    app.guard.check(request.method(), request.headers(), request.uri().host())?;
    let guest = match app.guard.guest(request.headers_mut(), peer) {
        Err(Refusal::Unknown) if is_public(request.uri().path()) => return Ok(None),
        guest => guest?,
    };
    app.guard.count(&guest)?;
    request.extensions_mut().insert(guest.clone());
    Ok(Some(guest))
}

/// A request with all of its body, which is neither too long nor too slow.
async fn whole(request: Request) -> Result<Request, Problem> {
    if [Method::GET, Method::HEAD].contains(request.method()) {
        return Ok(request);
    }
    let (head, body) = request.into_parts();
    match timeout(BODY, to_bytes(body, MOST_BYTES)).await {
        Ok(Ok(bytes)) => Ok(Request::from_parts(head, Body::from(bytes))),
        Ok(Err(_)) => {
            let said = format!("the body is longer than {MOST_BYTES} bytes, or broke off");
            Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "invalid_input", said))
        }
        Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "invalid_input", "the body took too long")),
    }
}

async fn nothing(request: Request) -> Response {
    let problem = Problem::nothing_at(request.uri().path());
    if wants_page(&request) { pages::problem(&problem) } else { problem.into_response() }
}

async fn needing(scope: Scope, request: Request, next: Next) -> Response {
    let may = match request.extensions().get::<Guest>() {
        Some(guest) if guest.may(scope) => Ok(()),
        Some(_) => Err(Refusal::Scope(scope)),
        None => Err(Refusal::Unknown),
    };
    match may {
        Ok(()) => next.run(request).await,
        Err(refusal) if wants_page(&request) => pages::problem(&refusal.into()),
        Err(refusal) => Problem::from(refusal).into_response(),
    }
}

/// For those who may see costs.
async fn read(request: Request, next: Next) -> Response {
    needing(Scope::Read, request, next).await
}

/// For those who may say what is known of incidents.
async fn triage(request: Request, next: Next) -> Response {
    needing(Scope::Triage, request, next).await
}

/// For those who may start runs and hand in records.
async fn ingest(request: Request, next: Next) -> Response {
    needing(Scope::Ingest, request, next).await
}

/// For those who may ask the model and the database.
async fn query(request: Request, next: Next) -> Response {
    needing(Scope::Query, request, next).await
}
