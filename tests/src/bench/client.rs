//! A user's program, as small as it can be: HTTP/1.1 with keep-alive over the node's Unix socket,
//! and its stream of events.

use serde::Deserialize;
use serde_json::Value;
use std::io;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

/// Longest wait for an answer or for the next event.
const PATIENCE: Duration = Duration::from_secs(60);

fn broken(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

async fn in_time<T>(wait: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(PATIENCE, wait)
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

/// Reads from a stream through one buffer.
struct Input {
    stream: UnixStream,
    buffer: Vec<u8>,
    start: usize,
}

impl Input {
    fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            buffer: Vec::with_capacity(16 * 1024),
            start: 0,
        }
    }

    fn here(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    async fn more(&mut self) -> io::Result<()> {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// Bytes up to and without a mark, which is passed over.
    async fn until(&mut self, mark: &[u8]) -> io::Result<Vec<u8>> {
        let mut from = 0;
        loop {
            let here = self.here();
            let found = here[from..].windows(mark.len()).position(|w| w == mark);
            if let Some(at) = found {
                let bytes = here[..from + at].to_vec();
                self.start += from + at + mark.len();
                return Ok(bytes);
            }
            from = here.len().saturating_sub(mark.len() - 1);
            self.more().await?;
        }
    }

    async fn take(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.here().len() < count {
            self.more().await?;
        }
        let bytes = self.here()[..count].to_vec();
        self.start += count;
        Ok(bytes)
    }
}

/// A connection that asks one thing after the other.
pub struct Caller {
    input: Input,
    request: Vec<u8>,
}

impl Caller {
    /// Connects to a node's socket.
    ///
    /// # Errors
    /// If nobody listens there.
    pub async fn connect(socket: &Path) -> io::Result<Self> {
        Ok(Self {
            input: Input::new(UnixStream::connect(socket).await?),
            request: Vec::new(),
        })
    }

    /// Sends a text and returns the id it was given, once it is durable.
    ///
    /// # Errors
    /// If the node refuses or the connection breaks.
    pub async fn send(&mut self, to: &str, text: &str) -> io::Result<String> {
        #[derive(Deserialize)]
        struct Sent {
            id: String,
        }
        let body = serde_json::json!({ "text": text }).to_string();
        self.request.clear();
        self.request.extend_from_slice(
            format!(
                "POST /v1/contacts/{to}/messages HTTP/1.1\r\nHost: localhost\r\n\
                 Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
            .as_bytes(),
        );
        self.input.stream.write_all(&self.request).await?;
        let (status, body) = in_time(self.answer()).await?;
        if status != 201 {
            return Err(broken(&format!(
                "{status}: {}",
                String::from_utf8_lossy(&body)
            )));
        }
        let sent: Sent = serde_json::from_slice(&body)?;
        Ok(sent.id)
    }

    /// Reads an object.
    ///
    /// # Errors
    /// If the node refuses or the connection breaks.
    pub async fn get(&mut self, path: &str) -> io::Result<Value> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        self.input.stream.write_all(request.as_bytes()).await?;
        let (status, body) = in_time(self.answer()).await?;
        if status != 200 {
            return Err(broken(&format!("{path}: {status}")));
        }
        Ok(serde_json::from_slice(&body)?)
    }

    async fn answer(&mut self) -> io::Result<(u16, Vec<u8>)> {
        let head = self.input.until(b"\r\n\r\n").await?;
        let head = String::from_utf8_lossy(&head);
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let named = name.eq_ignore_ascii_case("content-length");
            named.then(|| value.trim().parse().ok())?
        });
        let (Some(status), Some(length)) = (status, length) else {
            return Err(broken("an answer without status or length"));
        };
        Ok((status, self.input.take(length).await?))
    }
}

/// A node's stream of events.
pub struct Events {
    input: Input,
}

impl Events {
    /// Opens it at the present.
    ///
    /// # Errors
    /// If the node refuses.
    pub async fn open(socket: &Path) -> io::Result<Self> {
        let mut stream = UnixStream::connect(socket).await?;
        // HTTP/1.0: no chunks between the lines.
        stream
            .write_all(b"GET /v1/events HTTP/1.0\r\nHost: localhost\r\n\r\n")
            .await?;
        let mut input = Input::new(stream);
        let head = in_time(input.until(b"\r\n\r\n")).await?;
        if !head.starts_with(b"HTTP/1.0 200") && !head.starts_with(b"HTTP/1.1 200") {
            return Err(broken("no stream of events"));
        }
        Ok(Self { input })
    }

    /// The id of the next message that came from somebody else.
    ///
    /// # Errors
    /// If the stream ends, or stays silent for too long.
    pub async fn message(&mut self) -> io::Result<String> {
        #[derive(Deserialize)]
        struct Said {
            event: String,
            id: Option<String>,
            mine: Option<bool>,
        }
        loop {
            let line = in_time(self.input.until(b"\n")).await?;
            let Some(data) = line.strip_prefix(b"data:") else {
                continue;
            };
            let said: Said = serde_json::from_slice(data)?;
            if let Said {
                event,
                id: Some(id),
                mine: Some(false),
            } = said
                && event == "message"
            {
                return Ok(id);
            }
        }
    }
}
