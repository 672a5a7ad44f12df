//! Figures for Prometheus at `/metrics`, and how the node is at `/livez` and `/readyz`, on a listener
//! of their own.
//!
//! Whoever may connect may read, so nothing here names anybody: no account, no peer, no address, no
//! tag, no name. What is served is a snapshot, made when it is asked for; nothing is counted on the
//! way of a message.

mod figures;
mod health;
#[cfg(test)]
mod tests;

use crate::api::{DiskProbe, NodeInfo, accept_all};
use crate::runtime::EngineHandle;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The type of the text that `/metrics` answers with.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the figures are taken from.
#[derive(Clone)]
pub(crate) struct Sources {
    pub(crate) handle: EngineHandle,
    pub(crate) info: NodeInfo,
    pub(crate) disk: DiskProbe,
}

/// The running listener. Dropping it ends it at once.
pub(crate) struct Metrics {
    addr: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Binds and serves until shutdown.
///
/// # Errors
/// If the address cannot be listened on.
pub(crate) async fn serve(addr: SocketAddr, sources: Sources) -> io::Result<Metrics> {
    let listener = TcpListener::bind(addr).await?;
    let addr = listener.local_addr()?;
    let (stop, stopped) = watch::channel(false);
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .with_state(Arc::new(sources));
    let pick = move |_: &TcpStream| router.clone();
    let task = tokio::spawn(accept_all(listener, pick, stopped));
    Ok(Metrics { addr, stop, task })
}

impl Metrics {
    /// Where it listens, with the port that was drawn.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Takes no new connections and lets requests under way finish for a moment.
    pub(crate) async fn shutdown(mut self) {
        self.stop.send_replace(true);
        // It ends by itself; one that met a bug has ended already.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Metrics {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Asked = State<Arc<Sources>>;

async fn metrics(State(sources): Asked) -> Response {
    match figures::text(&sources).await {
        Some(text) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        None => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the node does not answer\n",
        )
            .into_response(),
    }
}

async fn livez(State(sources): Asked) -> Response {
    health::answer(vec![health::store(&sources).await])
}

async fn readyz(State(sources): Asked) -> Response {
    health::answer(vec![
        health::store(&sources).await,
        health::disk(&sources),
        health::network(&sources),
    ])
}
