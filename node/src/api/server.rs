//! Listening, connections, and their end.

use super::auth::Gate;
use super::caller::Limits;
use super::guard::{self, Guard, Way};
use super::model::Disk;
use super::routes;
use crate::net::Reachability;
use crate::roles::Roles;
use crate::runtime::EngineHandle;
use crate::tokens::Tokens;
use axum::Router;
use axum::middleware;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinSet;

/// Connections at once, on each of the two listeners: a page with a few streams and a few dozen
/// scripts fit well; a runaway client fills one listener and leaves the other.
const CONNECTIONS_MAX: usize = 256;
/// A request's head has to be here by then; an idle connection ends as late.
const HEAD_TIME_MAX: Duration = Duration::from_secs(15);
/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// After this, shutdown no longer waits for requests under way.
const GOODBYE_TIME_MAX: Duration = Duration::from_secs(3);
/// Tokens are looked after this often: an idle stream outlives its token by no more.
const TEND_EVERY: Duration = Duration::from_secs(15);

/// Where the API listens.
pub struct ApiConfig {
    /// Loopback only; port 0 draws one.
    pub addr: SocketAddr,
    /// Unix socket, made with mode 0600; a stale one is replaced. Its directory has to be private.
    pub socket: PathBuf,
    /// The bearer token.
    pub token: String,
}

/// Tells how the disk is doing; `None` if it cannot be told. Must not block.
pub type DiskProbe = Arc<dyn Fn() -> Option<Disk> + Send + Sync>;

/// What `status` says about the node beyond the engine.
#[derive(Clone)]
pub struct NodeInfo {
    /// Multiaddrs that the node listens on, kept up to date by the network.
    pub listen: watch::Receiver<Vec<String>>,
    /// How others reach this node.
    pub reachability: watch::Receiver<Reachability>,
    /// What it does for others.
    pub roles: Roles,
    /// When the node started.
    pub started: Instant,
}

/// What the API needs of the node.
pub struct ApiState {
    /// The engine.
    pub handle: EngineHandle,
    /// The node.
    pub info: NodeInfo,
    /// The disk, where it can be told.
    pub disk: Option<DiskProbe>,
    /// Notified when a client asks the node to end.
    pub end: Arc<Notify>,
    /// Tokens of programs.
    pub(crate) tokens: Arc<Tokens>,
}

/// Why the API did not start.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The address is not a loopback address.
    #[error("the local API may only listen on a loopback address, not on {0}")]
    NotLoopback(SocketAddr),
    /// The TCP address could not be bound.
    #[error("the local API cannot listen on {addr}: {error}")]
    Bind {
        /// Which address.
        addr: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// The Unix socket could not be made.
    #[error("the local API cannot make its socket {}: {error}", path.display())]
    Socket {
        /// Which path.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

/// What the routes share.
pub(super) struct Shared {
    pub(super) handle: EngineHandle,
    pub(super) info: NodeInfo,
    pub(super) disk: Option<DiskProbe>,
    pub(super) end: Arc<Notify>,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) tokens: Arc<Tokens>,
}

/// The running API. Dropping it ends it at once; [`ApiServer::shutdown`] ends it well.
pub struct ApiServer {
    addr: SocketAddr,
    socket: PathBuf,
    stop: watch::Sender<bool>,
    listeners: JoinSet<()>,
}

/// Binds both listeners and serves until shutdown.
///
/// # Errors
/// [`ApiError`] if the address is not loopback or a listener cannot be made.
pub async fn serve(config: ApiConfig, state: ApiState) -> Result<ApiServer, ApiError> {
    if !config.addr.ip().is_loopback() {
        return Err(ApiError::NotLoopback(config.addr));
    }
    let bind = |error| ApiError::Bind {
        addr: config.addr,
        error,
    };
    let tcp = TcpListener::bind(config.addr).await.map_err(bind)?;
    let addr = tcp.local_addr().map_err(bind)?;
    let (unix, owner) = bind_unix(&config.socket).map_err(|error| ApiError::Socket {
        path: config.socket.clone(),
        error,
    })?;

    let (stop, stopped) = watch::channel(false);
    let tokens = Arc::clone(&state.tokens);
    let node = state.handle.clone();
    let routes = routes::router(Arc::new(Shared {
        handle: state.handle,
        info: state.info,
        disk: state.disk,
        end: state.end,
        stop: stopped.clone(),
        tokens: state.tokens,
    }));
    let gate = Arc::new(Gate::new(config.token, Arc::clone(&tokens)));
    let limits = Arc::new(Limits::default());
    let app = |way| {
        let guard = Guard {
            way,
            gate: Arc::clone(&gate),
            tokens: Arc::clone(&tokens),
            limits: Arc::clone(&limits),
            node: node.clone(),
        };
        let check = middleware::from_fn_with_state(guard, guard::check);
        routes.clone().layer(check)
    };

    let mut listeners = JoinSet::new();
    listeners.spawn(tend(Arc::clone(&tokens), stopped.clone()));
    let pages = app(Way::Tcp(addr.port()));
    let pick_tcp = move |stream: &TcpStream| {
        // Small answers leave at once; a failure only costs delay.
        let _ = stream.set_nodelay(true);
        pages.clone()
    };
    listeners.spawn(accept_all(tcp, pick_tcp, stopped.clone()));
    let (ours, others) = (app(Way::Owner), app(Way::Stranger));
    let pick_unix = move |stream: &UnixStream| match stream.peer_cred() {
        Ok(peer) if peer.uid() == owner => ours.clone(),
        _ => others.clone(),
    };
    listeners.spawn(accept_all(unix, pick_unix, stopped));
    Ok(ApiServer {
        addr,
        socket: config.socket,
        stop,
        listeners,
    })
}

impl ApiServer {
    /// Where the API listens, with the port that was drawn.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Takes no new connections, ends event streams, lets requests under way finish for a moment.
    pub async fn shutdown(mut self) {
        // A client that starts from now on finds no socket, rather than one that answers nothing.
        let _ = fs::remove_file(&self.socket);
        let _ = self.stop.send(true);
        while self.listeners.join_next().await.is_some() {}
    }
}

/// Binds beside the path, tightens, then moves into place: the path never leads to a socket with
/// lax permissions, and a stale one is replaced in one step. Returns the owner's uid with it.
fn bind_unix(path: &Path) -> io::Result<(UnixListener, u32)> {
    match fs::symlink_metadata(path) {
        Ok(there) if !there.file_type().is_socket() => {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "something that is no socket stands there",
            ));
        }
        Ok(_) | Err(_) => {}
    }
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    let fresh = PathBuf::from(fresh);
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&fresh)?;
    let placed = fs::set_permissions(&fresh, fs::Permissions::from_mode(0o600))
        .and_then(|()| fs::rename(&fresh, path))
        .and_then(|()| fs::symlink_metadata(path));
    match placed {
        Ok(socket) => Ok((listener, socket.uid())),
        Err(error) => {
            let _ = fs::remove_file(&fresh);
            Err(error)
        }
    }
}

/// Ends tokens whose time has come, and writes their uses down now and then and in the end.
async fn tend(tokens: Arc<Tokens>, mut stop: watch::Receiver<bool>) {
    let mut ended = false;
    while !ended {
        ended = tokio::time::timeout(TEND_EVERY, stop.wait_for(|stop| *stop))
            .await
            .is_ok();
        let tokens = Arc::clone(&tokens);
        let tended = tokio::task::spawn_blocking(move || {
            tokens.tend();
            if ended {
                tokens.write_uses(0);
            }
        });
        // It met a bug: the next time may go better.
        let _ = tended.await;
    }
}

async fn accept_all<L: Listener>(
    mut listener: L,
    pick: impl Fn(&L::Io) -> Router,
    mut stop: watch::Receiver<bool>,
) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        // A full house leaves newcomers in the kernel's queue.
        let next = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, listener.accept().await.0)
        };
        let (slot, stream) = tokio::select! {
            next = next => next,
            Some(_) = connections.join_next() => continue,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let app = pick(&stream);
        let stop = stop.clone();
        connections.spawn(async move {
            serve_one(stream, app, stop).await;
            drop(slot);
        });
    }
    let finish = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(GOODBYE_TIME_MAX, finish).await;
}

async fn serve_one<S>(stream: S, app: Router, mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(app));
    let mut connection = pin!(connection);
    tokio::select! {
        // How a client hangs up is its own affair.
        _ = connection.as_mut() => return,
        _ = stop.wait_for(|stop| *stop) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}
