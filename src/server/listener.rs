//! The listener: connections, and how long a client may take. `axum::serve` sets no limits.

use std::{
    io::{BufRead, BufReader, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use axum::{Extension, Router};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, sync::Semaphore, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::Layer;

use crate::error::{Error, Result};

/// A client must have sent the head of its request within this time.
const HEAD: Duration = Duration::from_secs(10);
/// Bytes of a head, and how many headers.
const MOST_HEAD: usize = 32 << 10;
const MOST_HEADERS: usize = 100;
/// Connections at once.
const CONNECTIONS: usize = 512;
/// A server that runs answers a check within this time.
const CHECK: Duration = Duration::from_secs(3);
/// Answers that are on their way when the process is told to stop may take so long.
const GOODBYE: Duration = Duration::from_secs(5);

/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub SocketAddr);

/// Takes an address.
///
/// # Errors
/// When it cannot be had.
pub(super) async fn bind(address: SocketAddr) -> Result<TcpListener> {
    let taken = TcpListener::bind(address).await;
    taken.map_err(|e| Error::input(format!("cannot listen on `{address}`")).caused_by(e).hint("take another port"))
}

/// Serves until the process is told to stop, then cancels `stop`. `ready` is told the address.
///
/// # Errors
/// When signals cannot be waited for.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    stop: CancellationToken,
    ready: &dyn Fn(SocketAddr),
) -> Result<()> {
    ready(listener.local_addr().map_err(|e| Error::input("the listener has no address").caused_by(e))?);
    let (connections, open) = (Arc::new(Semaphore::new(CONNECTIONS)), TaskTracker::new());
    let told = told_to_stop()?;
    tokio::pin!(told);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut told => break,
        };
        // One that broke off is no reason to stop.
        let Ok((stream, peer)) = accepted else { continue };
        let Ok(place) = Arc::clone(&connections).try_acquire_owned() else { continue };
        // Small answers wait for nothing.
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(Extension(Peer(peer)).layer(router.clone()));
        let stop = stop.clone();
        open.spawn(async move {
            let _place = place;
            let mut server = auto::Builder::new(TokioExecutor::new()).http1_only();
            server
                .http1()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD)
                .max_buf_size(MOST_HEAD)
                .max_headers(MOST_HEADERS);
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

/// Asks the server at an address whether it runs.
///
/// # Errors
/// When it does not answer so, or not in time.
pub(crate) fn check(address: SocketAddr) -> Result<()> {
    // Whoever listens everywhere listens here, too.
    let here = if address.is_ipv6() { IpAddr::V6(Ipv6Addr::LOCALHOST) } else { IpAddr::V4(Ipv4Addr::LOCALHOST) };
    let address = if address.ip().is_unspecified() { SocketAddr::new(here, address.port()) } else { address };
    let failed = |e: std::io::Error| Error::input(format!("nobody answers at `{address}`")).caused_by(e);
    let mut stream = TcpStream::connect_timeout(&address, CHECK).map_err(failed)?;
    stream.set_read_timeout(Some(CHECK)).map_err(failed)?;
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").map_err(failed)?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).map_err(failed)?;
    match line.split(' ').nth(1) {
        Some("200") => Ok(()),
        _ => Err(Error::input(format!("what answers at `{address}` is not this server")).cause(line.trim())),
    }
}
