//! As much HTTP as it takes to ask a node directly, and to ask it wrongly.

use serde_json::Value;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// A node answers within this, or the test has found something.
pub const ANSWER_TIME_MAX: Duration = Duration::from_secs(20);
/// No answer of a test's node comes near this.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What a node answered.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body; null if there is none, a string if it is no JSON.
    pub body: Value,
}

impl Answer {
    /// The machine word of a problem, or nothing.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }
}

/// Connects to a node's socket, with bounds on every read and write.
///
/// # Errors
/// If nobody listens there.
pub fn at_socket(path: &Path) -> io::Result<UnixStream> {
    let stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(ANSWER_TIME_MAX))?;
    stream.set_write_timeout(Some(ANSWER_TIME_MAX))?;
    Ok(stream)
}

/// Connects to a node's TCP port, with bounds on every read and write.
///
/// # Errors
/// If nobody listens there.
pub fn at_port(addr: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&addr, ANSWER_TIME_MAX)?;
    stream.set_read_timeout(Some(ANSWER_TIME_MAX))?;
    stream.set_write_timeout(Some(ANSWER_TIME_MAX))?;
    Ok(stream)
}

/// The bytes of a request, in HTTP/1.0: one answer, then the end.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.0\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// Sends a request and reads the whole answer.
///
/// # Errors
/// If the connection breaks first, or the answer is none.
pub fn exchange<S: Read + Write>(mut stream: S, request: &[u8]) -> io::Result<Answer> {
    // A server that refuses a large body may close before it is all written: what counts is
    // whether it answered.
    let written = stream.write_all(request).and_then(|()| stream.flush());
    let mut bytes = Vec::new();
    let read = stream.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes);
    match parse(&bytes) {
        Some(answer) => Ok(answer),
        None => {
            written?;
            read?;
            Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "no whole answer",
            ))
        }
    }
}

fn parse(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let body = &bytes[end + 4..];
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    if length.is_some_and(|length| length != body.len()) {
        return None;
    }
    let body = match body {
        [] => Value::Null,
        body => serde_json::from_slice(body)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).into_owned())),
    };
    Some(Answer { status, body })
}

/// An open stream of server-sent events.
pub struct Events {
    lines: io::Lines<BufReader<Box<dyn Read + Send>>>,
}

impl Events {
    /// Opens the stream after a cursor. `silence` is how long a read waits for the next line.
    ///
    /// # Errors
    /// If the node is not there or refuses.
    pub fn open(socket: &Path, after: u64, silence: Duration) -> io::Result<Self> {
        let mut stream = at_socket(socket)?;
        stream.set_read_timeout(Some(silence))?;
        let after = after.to_string();
        let headers = [("Accept", "text/event-stream"), ("Last-Event-ID", &after)];
        stream.write_all(&request("GET", "/v1/events", &headers, b""))?;
        Self::begin(Box::new(stream))
    }

    /// The same at the node's port, under a token.
    ///
    /// # Errors
    /// If the node is not there or refuses.
    pub fn open_as(
        token: &str,
        addr: SocketAddr,
        after: u64,
        silence: Duration,
    ) -> io::Result<Self> {
        let mut stream = at_port(addr)?;
        stream.set_read_timeout(Some(silence))?;
        let (host, bearer) = (addr.to_string(), format!("Bearer {token}"));
        let headers = [("Host", host.as_str()), ("Authorization", &bearer)];
        let path = format!("/v1/events?after={after}");
        stream.write_all(&request("GET", &path, &headers, b""))?;
        Self::begin(Box::new(stream))
    }

    fn begin(stream: Box<dyn Read + Send>) -> io::Result<Self> {
        let mut lines = BufReader::new(stream).lines();
        let status = lines.next().transpose()?.unwrap_or_default();
        if status.split(' ').nth(1) != Some("200") {
            return Err(io::Error::other(status));
        }
        for line in lines.by_ref() {
            if line?.is_empty() {
                break;
            }
        }
        Ok(Self { lines })
    }
}

impl Iterator for Events {
    type Item = Value;

    /// The object of the next event; nothing once the stream broke or fell silent.
    fn next(&mut self) -> Option<Value> {
        loop {
            let line = self.lines.next()?.ok()?;
            if let Some(data) = line.strip_prefix("data:") {
                return serde_json::from_str(data.trim_start()).ok();
            }
        }
    }
}
