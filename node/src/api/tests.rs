//! The API over real loopback sockets, with a scripted engine behind it.

mod doors;
mod openapi;
mod process;
mod programs;
mod shapes;

use super::{ApiConfig, ApiServer, ApiState, NodeInfo, serve};
use crate::net::Reachability;
use crate::roles::Roles;
use crate::runtime::{Ask, EngineHandle};
use crate::tokens::Tokens;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{Notify, mpsc, watch};
use waxwing_protocol::input::Command;
use waxwing_protocol::output::{Answer, Refusal};
use waxwing_protocol::private::Secret;
use waxwing_protocol::store::MemoryStore;

/// Far beyond what anything here takes; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(20);
const TOKEN: &str = "test-token-0123456789";

/// What the scripted engine was told.
type Told = Arc<Mutex<Vec<(Option<String>, Command)>>>;

/// A served API, its engine, and its home.
struct Node {
    server: ApiServer,
    end: Arc<Notify>,
    tokens: Arc<Tokens>,
    /// What the tokens' clock shows.
    clock: Arc<AtomicU64>,
    told: Told,
    home: TempDir,
    _cursor: watch::Sender<u64>,
    _listen: watch::Sender<Vec<String>>,
}

fn config(home: &TempDir, addr: Ipv4Addr) -> ApiConfig {
    ApiConfig {
        addr: SocketAddr::from((addr, 0)),
        socket: home.path().join("api.sock"),
        token: TOKEN.to_owned(),
    }
}

fn state(
    asks: mpsc::Sender<Ask>,
    cursors: watch::Receiver<u64>,
    listen: watch::Receiver<Vec<String>>,
) -> ApiState {
    ApiState {
        handle: EngineHandle::new(asks, cursors),
        info: NodeInfo {
            listen,
            reachability: watch::channel(Reachability::default()).1,
            roles: Roles::default(),
            started: Instant::now(),
        },
        disk: None,
        end: Arc::default(),
        tokens: Arc::new(tokens(Path::new("/nonexistent"), Arc::default())),
    }
}

/// Tokens kept in a directory, under a clock that stands until it is moved.
fn tokens(dir: &Path, clock: Arc<AtomicU64>) -> Tokens {
    let now = Box::new(move || clock.load(Ordering::Relaxed));
    Tokens::open(dir.join("api-tokens"), &Secret::new([7; 32]), now).unwrap()
}

/// What the API is given when its engine has gone.
fn orphan() -> ApiState {
    let (asks, _) = mpsc::channel(1);
    let (_, cursors) = watch::channel(0);
    let (_, listen) = watch::channel(Vec::new());
    state(asks, cursors, listen)
}

impl Node {
    async fn start(script: impl Fn(&Command) -> Result<Answer, Refusal> + Send + 'static) -> Self {
        let (asks, mut asked) = mpsc::channel(16);
        let (cursor, cursors) = watch::channel(0);
        let (listen, listens) = watch::channel(Vec::new());
        let told = Told::default();
        let log = Arc::clone(&told);
        tokio::spawn(async move {
            let store = MemoryStore::default();
            while let Some(ask) = asked.recv().await {
                match ask {
                    Ask::Command {
                        key,
                        command,
                        reply,
                    } => {
                        let answer = script(&command);
                        log.lock().unwrap().push((key, command));
                        let _ = reply.send(Ok(answer));
                    }
                    Ask::Query(run) => run(&store),
                    _ => {}
                }
            }
        });
        let home = tempfile::tempdir().unwrap();
        let config = config(&home, Ipv4Addr::LOCALHOST);
        let mut state = state(asks, cursors, listens);
        let clock = Arc::new(AtomicU64::new(1_800_000_000_000));
        let tokens = tokens(home.path(), Arc::clone(&clock));
        state.tokens = Arc::new(tokens);
        let tokens = Arc::clone(&state.tokens);
        let end = Arc::clone(&state.end);
        Self {
            server: serve(config, state).await.unwrap(),
            end,
            tokens,
            clock,
            told,
            home,
            _cursor: cursor,
            _listen: listen,
        }
    }

    fn socket(&self) -> PathBuf {
        self.home.path().join("api.sock")
    }

    fn host(&self) -> String {
        format!("127.0.0.1:{}", self.server.addr().port())
    }

    /// Over TCP with the right host and token.
    async fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> Reply {
        let host = self.host();
        let headers = format!("host: {host}\r\nauthorization: Bearer {TOKEN}\r\n{headers}");
        self.raw(&request(method, path, &headers, body)).await
    }

    /// Over TCP, under a program's token.
    async fn ask_as(&self, token: &str, method: &str, path: &str, body: &str) -> Reply {
        let host = self.host();
        let headers = format!("host: {host}\r\nauthorization: Bearer {token}\r\n");
        self.raw(&request(method, path, &headers, body)).await
    }

    /// Over TCP, every byte chosen.
    async fn raw(&self, request: &str) -> Reply {
        let stream = TcpStream::connect(self.server.addr()).await.unwrap();
        exchange(stream, request).await
    }

    /// Over the Unix socket, without a token.
    async fn local(&self, method: &str, path: &str, body: &str) -> Reply {
        let stream = UnixStream::connect(self.socket()).await.unwrap();
        exchange(stream, &request(method, path, "host: localhost\r\n", body)).await
    }

    fn told(&self) -> Vec<(Option<String>, Command)> {
        self.told.lock().unwrap().clone()
    }
}

fn request(method: &str, path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    let json = if body.is_empty() {
        ""
    } else {
        "content-type: application/json\r\n"
    };
    format!(
        "{method} {path} HTTP/1.1\r\n{headers}{json}content-length: {length}\r\n\
         connection: close\r\n\r\n{body}"
    )
}

#[derive(Debug)]
struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Reply {
    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn code(&self) -> String {
        assert!(
            self.head.contains("content-type: application/problem+json"),
            "{self:?}"
        );
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        problem["code"].as_str().unwrap().to_owned()
    }
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> Reply {
    let mut bytes = Vec::new();
    let talk = async {
        // The node may answer, and hang up, before it has read a body that is too large.
        let _ = stream.write_all(request.as_bytes()).await;
        let _ = stream.read_to_end(&mut bytes).await;
    };
    tokio::time::timeout(PATIENCE, talk).await.unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    Reply {
        status: head[9..12].parse().unwrap(),
        head: head.to_ascii_lowercase(),
        body: body.to_owned(),
    }
}
