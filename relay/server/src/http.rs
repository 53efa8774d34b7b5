//! The HTTP side: the page, the API, WHEP and WHIP, over TLS for everybody and without for this machine.

pub(crate) mod accept;
mod doctor;
pub(crate) mod events;
pub(crate) mod forwarded;
mod ice;
mod metrics;
pub(crate) mod ogg;
mod openapi;
mod origin;
pub(crate) mod problem;
mod session;
mod sources;
mod stall;
pub(crate) mod stream;
mod whep;
mod whip;

use std::collections::HashSet;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper_util::rt::TokioTimer;
use soundport_api as api;
use soundport_core::ingest::RtpPort;
use tokio::sync::watch;

use self::accept::{Doorman, Open};
use self::events::Events;
use self::forwarded::Proxies;
use self::ogg::OggStreams;
use self::origin::Origins;
use self::problem::Refusal;
use self::stream::Streams;
use crate::discovery::SapCounters;
use crate::fanout::FanoutHandle;
use crate::ice::Ice;
use crate::ingest::IngestHandle;
use crate::network::Network;
use crate::options::HostPort;
use crate::page;
use crate::talkback::TalkbackHandle;
use crate::udp::bind_failed;

/// The largest body taken: an offer of a browser with many interfaces is about 10 kB.
const BODY_LIMIT_BYTES: usize = 64 * 1024;

/// Nothing here takes longer; what does is a client that sends one byte a minute.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection whose client takes longer to write the head of a request, or to answer a ping, is closed.
const HEADERS_WITHIN: Duration = Duration::from_secs(30);

/// What handlers need.
#[derive(Clone)]
pub(crate) struct State {
    pub(crate) fanout: FanoutHandle,
    pub(crate) ingest: IngestHandle,
    pub(crate) sources: watch::Receiver<Arc<[api::Source]>>,
    pub(crate) talkback: TalkbackHandle,
    /// The sources that can be talked into now.
    pub(crate) talkable: watch::Receiver<Arc<HashSet<String>>>,
    pub(crate) events: Events,
    /// None where announcements are not heard.
    pub(crate) sap: Option<SapCounters>,
    pub(crate) network: Network,
    pub(crate) ice: Ice,
    /// Who stands at the HTTPS port.
    pub(crate) doorman: Doorman,
    pub(crate) proxies: Proxies,
    pub(crate) streams: Streams,
    /// The port for containers' RTP.
    pub(crate) rtp_port: RtpPort,
    pub(crate) ogg: OggStreams,
}

/// All routes.
pub(crate) fn router(state: State, origins: &[String]) -> Router {
    let origins = Origins::new(origins);
    let policy = origins.policy();
    Router::new()
        .route("/api/sources", get(sources::list))
        .route("/api/events", get(events::stream_events))
        .route("/api/ice", get(ice::configuration))
        .route("/api/ice/check", get(ice::check))
        .merge(doctor::routes())
        .route("/api/openapi.json", get(openapi::show))
        .merge(whep::routes())
        .merge(whip::routes())
        .merge(stream::routes())
        .merge(ogg::routes(&origins))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/metrics", get(metrics::show))
        .fallback(move |method, uri, headers| async move { page::serve(&method, &uri, &headers, policy) })
        .method_not_allowed_fallback(|| async { Refusal::MethodNotAllowed.into_response() })
        .layer(from_fn(in_time))
        .layer(origins.cors())
        .layer(from_fn(session::advertise))
        .with_state(state)
}

/// The same routes for the plain listener: only for this machine's own names.
pub(crate) fn local_only(router: Router, origins: &[String]) -> Router {
    let origins = Arc::new(Origins::new(origins));
    router.layer(from_fn_with_state(origins, origin::require_local_host))
}

/// Gives up on a request that takes too long.
async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Refusal::TooSlow.into_response(),
    }
}

/// Waits until the relay stops.
async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // Nobody is left to say so where the sender is gone.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

/// Binds every address that `at` stands for. At least one must succeed, unless the failure is a port in use.
pub(crate) fn bind(at: &HostPort, option: &str) -> anyhow::Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    let mut failure = None;
    let mut port = None;
    for mut address in at.resolve()? {
        // One port for all addresses of a name, also where the system chooses it.
        if let Some(port) = port {
            address.set_port(port);
        }
        match listen(address) {
            Ok(listener) => {
                port = listener.local_addr().ok().map(|local| local.port());
                listeners.push(listener);
            }
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                return Err(error).with_context(|| bind_failed(at, "tcp", option));
            }
            Err(error) => failure = Some(error),
        }
    }
    match failure {
        Some(error) if listeners.is_empty() => Err(error).with_context(|| bind_failed(at, "tcp", option)),
        _ => Ok(listeners),
    }
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Serves one listener, with TLS if it has a doorman. Returns only on failure.
pub(crate) async fn serve(
    listener: TcpListener,
    doorman: Option<Doorman>,
    router: Router,
) -> anyhow::Result<()> {
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let mut server = axum_server::from_tcp(listener)?;
    let builder = server.http_builder();
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADERS_WITHIN);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(HEADERS_WITHIN)
        .keep_alive_timeout(HEADERS_WITHIN);
    let served = match doorman {
        Some(doorman) => server.acceptor(doorman).serve(service).await,
        None => server.acceptor(Open).serve(service).await,
    };
    served.context("Failed to serve HTTP")
}
