//! Asking the node in the home: HTTP over its Unix socket, or over TCP with its token.

use crate::error::{CliError, Kind};
use crate::sse::{Parser, SseEvent};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use waxwing_node::api::model::Problem;

/// A node on this machine answers the door at once or not at all.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// A little longer than the node gives itself for an answer.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(40);
/// The node's heartbeat comes every 15 s: four missed, and the stream is dead.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// Ten thousand of the longest messages, mostly of plain letters.
const ANSWER_BYTES_MAX: usize = 512 * 1024 * 1024;

/// Where the node is.
#[derive(Clone, Debug)]
enum Door {
    Socket(PathBuf),
    Tcp {
        /// `host:port`
        authority: String,
        /// `Bearer …`
        authorization: HeaderValue,
    },
}

/// A client of one node. Every request has its own connection: a restarted node is met anew.
#[derive(Clone, Debug)]
pub struct Client {
    door: Door,
}

/// Under which idempotency key something is done.
#[derive(Clone, Copy, Debug)]
pub enum Key<'a> {
    /// A random one: done once, also if the connection breaks and the request is sent again.
    Fresh,
    /// This one: done once, however often it is asked.
    Is(&'a str),
    /// None: doing it twice changes nothing.
    None,
    /// None, and it is not sent again: whether it was done is for the user to look up.
    Once,
}

/// A request that may be sent again, because it names its key or changes nothing.
struct Wish<'a> {
    method: Method,
    path: &'a str,
    body: Bytes,
    key: Option<&'a str>,
}

/// What went wrong on the way; decides whether to try again.
enum Lost {
    /// Nobody opened.
    Closed(CliError),
    /// The connection broke after it was made: the node may or may not have acted.
    Broken(CliError),
}

impl From<Lost> for CliError {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Closed(error) | Lost::Broken(error) => error,
        }
    }
}

impl Client {
    /// The node of a home: at `api` (`http://HOST:PORT`) with the home's token, or at the home's
    /// socket. Does not connect yet.
    ///
    /// # Errors
    /// [`CliError`] if `api` is no such address, or the token cannot be read.
    pub fn locate(home: &Path, api: Option<&str>) -> Result<Self, CliError> {
        let Some(api) = api else {
            return Ok(Self::at_socket(home.join("api.sock")));
        };
        let wrong = || CliError::usage("WAXWING_API has to look like http://127.0.0.1:4711");
        let rest = api.strip_prefix("http://").ok_or_else(wrong)?;
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let port = authority
            .rsplit_once(':')
            .map(|(_, port)| port.parse::<u16>());
        if !matches!(port, Some(Ok(_))) || authority.contains(['/', '@', ' ']) {
            return Err(wrong());
        }
        let path = home.join("api-token");
        let token = std::fs::read_to_string(&path).map_err(|error| {
            let text = format!("cannot read the token in {}: {error}", path.display());
            CliError::new(Kind::Unauthorised, "no_token", text)
                .hint("give the node's home with --home")
        })?;
        let mut authorization = HeaderValue::try_from(format!("Bearer {}", token.trim()))
            .map_err(|_| CliError::new(Kind::Unauthorised, "no_token", "the token is damaged"))?;
        authorization.set_sensitive(true);
        Ok(Self {
            door: Door::Tcp {
                authority: authority.to_owned(),
                authorization,
            },
        })
    }

    /// The node behind a Unix socket.
    pub fn at_socket(path: PathBuf) -> Self {
        Self {
            door: Door::Socket(path),
        }
    }

    /// Reads an object.
    ///
    /// # Errors
    /// [`CliError`] if the node is not there or refuses.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CliError> {
        let wish = Wish {
            method: Method::GET,
            path,
            body: Bytes::new(),
            key: None,
        };
        self.ask(&wish).await
    }

    /// Has something done. Sent again, once, if the connection breaks, except under [`Key::Once`].
    ///
    /// # Errors
    /// [`CliError`] if the node is not there or refuses.
    pub async fn post<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
        key: Key<'_>,
    ) -> Result<T, CliError> {
        let fresh;
        let once = matches!(key, Key::Once);
        let key = match key {
            Key::Is(key) => Some(key),
            Key::Fresh => {
                fresh = random_key()?;
                Some(fresh.as_str())
            }
            Key::None | Key::Once => None,
        };
        let body = serde_json::to_vec(body)
            .map_err(|error| CliError::failed("internal", error.to_string()))?;
        let wish = Wish {
            method: Method::POST,
            path,
            body: body.into(),
            key,
        };
        if once {
            return self.answer(&wish).await?;
        }
        self.ask(&wish).await
    }

    /// Has something taken away. Sent again, once, if the connection breaks.
    ///
    /// # Errors
    /// [`CliError`] if the node is not there or refuses.
    pub async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, CliError> {
        let key = random_key()?;
        let wish = Wish {
            method: Method::DELETE,
            path,
            body: Bytes::new(),
            key: Some(&key),
        };
        self.ask(&wish).await
    }

    /// Puts something in place of what is there. Sent again, once, if the connection breaks.
    ///
    /// # Errors
    /// [`CliError`] if the node is not there or refuses.
    pub async fn put<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<T, CliError> {
        let body = serde_json::to_vec(body)
            .map_err(|error| CliError::failed("internal", error.to_string()))?;
        let wish = Wish {
            method: Method::PUT,
            path,
            body: body.into(),
            key: None,
        };
        self.ask(&wish).await
    }

    /// The change log from a cursor on.
    ///
    /// # Errors
    /// [`CliError`] if the node is not there; code `resync` if the log no longer reaches back.
    pub async fn events(&self, after: u64) -> Result<EventStream, CliError> {
        let path = format!("/v1/events?after={after}");
        let wish = Wish {
            method: Method::GET,
            path: &path,
            body: Bytes::new(),
            key: None,
        };
        let response = self.exchange(&wish).await?;
        if response.status() != StatusCode::OK {
            return Err(refused(response).await);
        }
        Ok(EventStream {
            body: response.into_body(),
            parser: Parser::default(),
            ready: VecDeque::new(),
        })
    }

    async fn ask<T: DeserializeOwned>(&self, wish: &Wish<'_>) -> Result<T, CliError> {
        match self.answer(wish).await {
            Err(Lost::Broken(_)) => Ok(self.answer(wish).await??),
            other => other?,
        }
    }

    /// The outer error is about the way, the inner one is the node's word.
    async fn answer<T: DeserializeOwned>(
        &self,
        wish: &Wish<'_>,
    ) -> Result<Result<T, CliError>, Lost> {
        let response = self.exchange(wish).await?;
        if !response.status().is_success() {
            return Ok(Err(refused(response).await));
        }
        let bytes = collect(response).await?;
        Ok(serde_json::from_slice(&bytes).map_err(|error| {
            CliError::failed(
                "bad_answer",
                format!("the node's answer does not fit: {error}"),
            )
            .hint("are the node and this command of the same version?")
        }))
    }

    async fn exchange(&self, wish: &Wish<'_>) -> Result<Response<Incoming>, Lost> {
        let connect = async {
            match &self.door {
                Door::Socket(path) => {
                    let stream = UnixStream::connect(path).await.map_err(closed)?;
                    self.over(stream, wish).await
                }
                Door::Tcp { authority, .. } => {
                    let stream = TcpStream::connect(authority).await.map_err(closed)?;
                    self.over(stream, wish).await
                }
            }
        };
        // Connecting is the smaller part; one bound covers both.
        match tokio::time::timeout(CONNECT_TIME_MAX + ANSWER_TIME_MAX, connect).await {
            Ok(result) => result,
            Err(_) => Err(Lost::Closed(CliError::timeout("the node does not answer"))),
        }
    }

    async fn over<S>(&self, stream: S, wish: &Wish<'_>) -> Result<Response<Incoming>, Lost>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let request = self.request(wish).map_err(Lost::Closed)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(broken)?;
        // Lives as long as the request or its body does; its error comes out of those.
        tokio::spawn(connection);
        sender.send_request(request).await.map_err(broken)
    }

    fn request(&self, wish: &Wish<'_>) -> Result<Request<Full<Bytes>>, CliError> {
        let mut request = Request::builder()
            .method(wish.method.clone())
            .uri(wish.path)
            .header(ACCEPT, "application/json, text/event-stream");
        request = match &self.door {
            Door::Socket(_) => request.header(HOST, "localhost"),
            Door::Tcp {
                authority,
                authorization,
            } => request
                .header(HOST, authority)
                .header(AUTHORIZATION, authorization),
        };
        if wish.method != Method::GET {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some(key) = wish.key {
            request = request.header("idempotency-key", key);
        }
        request
            .body(Full::new(wish.body.clone()))
            .map_err(|_| CliError::usage("that cannot be asked: it holds characters that may not"))
    }
}

/// Changes as they come.
pub struct EventStream {
    body: Incoming,
    parser: Parser,
    ready: VecDeque<SseEvent>,
}

impl EventStream {
    /// The next event; `None` once the stream has ended, by whichever side.
    pub async fn next(&mut self) -> Option<SseEvent> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            let frame = tokio::time::timeout(SILENCE_MAX, self.body.frame()).await;
            let Ok(Some(Ok(frame))) = frame else {
                return None;
            };
            if let Ok(bytes) = frame.into_data() {
                self.ready.extend(self.parser.feed(&bytes).ok()?);
            }
        }
    }
}

async fn refused(response: Response<Incoming>) -> CliError {
    let status = response.status();
    match collect(response).await {
        Ok(bytes) => match serde_json::from_slice::<Problem>(&bytes) {
            Ok(problem) => CliError::from_problem(problem),
            Err(_) => CliError::failed("bad_answer", format!("the node answered {status}")),
        },
        Err(lost) => lost.into(),
    }
}

async fn collect(response: Response<Incoming>) -> Result<Bytes, Lost> {
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX);
    match tokio::time::timeout(ANSWER_TIME_MAX, body.collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) => Err(Lost::Broken(lost_way(&error))),
        Err(_) => Err(Lost::Closed(CliError::timeout(
            "the node's answer does not end",
        ))),
    }
}

fn closed(error: io::Error) -> Lost {
    Lost::Closed(match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            CliError::new(Kind::Unreachable, "no_node", "no node is running here")
                .hint("start one with `waxwing up`")
        }
        io::ErrorKind::PermissionDenied => CliError::new(
            Kind::Unauthorised,
            "not_permitted",
            "this user may not ask the node of that home",
        ),
        _ => CliError::new(
            Kind::Unreachable,
            "no_node",
            format!("the node cannot be reached: {error}"),
        ),
    })
}

fn broken(error: hyper::Error) -> Lost {
    Lost::Broken(lost_way(&error))
}

fn lost_way(error: &dyn std::fmt::Display) -> CliError {
    CliError::new(
        Kind::Unreachable,
        "connection_lost",
        format!("the connection to the node broke: {error}"),
    )
    .hint("is the node still running? `waxwing status` tells")
}

/// A fresh idempotency key.
///
/// # Errors
/// [`CliError`] if the system gives no random bytes.
pub fn random_key() -> Result<String, CliError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| CliError::failed("no_random", format!("no random bytes: {error}")))?;
    Ok(waxwing_protocol::id::to_base32(&bytes))
}

/// One part of a path, percent-encoded (RFC 3986 unreserved characters stay).
pub fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            // Dots too: `.` and `..` mean something in a path. Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_parts_are_encoded() {
        assert_eq!(segment("alice-2"), "alice-2");
        assert_eq!(segment("../a b/?#%"), "%2E%2E%2Fa%20b%2F%3F%23%25");
        assert_eq!(segment("Zoë"), "Zo%C3%AB");
    }

    #[test]
    fn keys_are_fresh() {
        assert_ne!(random_key().unwrap(), random_key().unwrap());
    }

    #[test]
    fn an_address_needs_a_scheme_and_a_port() {
        let home = Path::new("/nonexistent");
        for bad in [
            "127.0.0.1:1",
            "https://127.0.0.1:1",
            "http://127.0.0.1",
            "http://a:1/x",
            "http://u@a:1",
            "http://a:99999",
        ] {
            let error = Client::locate(home, Some(bad)).unwrap_err();
            assert_eq!(error.kind, Kind::Usage, "{bad}");
        }
        let error = Client::locate(home, Some("http://127.0.0.1:1/")).unwrap_err();
        assert_eq!(error.kind, Kind::Unauthorised);
    }
}
