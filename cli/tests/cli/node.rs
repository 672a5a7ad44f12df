//! A node that answers as a test scripts it, on a socket in a home of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub body: String,
    headers: Vec<(String, String)>,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// What is answered.
pub enum Answer {
    /// A whole answer.
    Json(u16, String),
    /// Events; the stream stays open.
    Stream(String),
    /// Events; then the stream ends.
    ShortStream(String),
    /// Nothing: the connection breaks.
    HangUp,
}

impl Answer {
    pub fn json(status: u16, body: &str) -> Self {
        Self::Json(status, body.to_owned())
    }
}

/// The node. Its thread ends with the test's process.
pub struct Node {
    home: TempDir,
    url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

impl Node {
    /// On the Unix socket of its home.
    pub fn start(script: impl FnMut(&Asked) -> Answer + Send + 'static) -> Self {
        let home = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(home.path().join("api.sock")).unwrap();
        let accept = move || Box::new(listener.accept().unwrap().0) as Box<dyn Stream>;
        Self::serve(home, String::new(), accept, script)
    }

    /// On loopback TCP.
    pub fn start_tcp(script: impl FnMut(&Asked) -> Answer + Send + 'static) -> Self {
        let home = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let accept = move || Box::new(listener.accept().unwrap().0) as Box<dyn Stream>;
        Self::serve(home, url, accept, script)
    }

    fn serve(
        home: TempDir,
        url: String,
        accept: impl Fn() -> Box<dyn Stream> + Send + 'static,
        mut script: impl FnMut(&Asked) -> Answer + Send + 'static,
    ) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        std::thread::spawn(move || {
            // Streams that stay open.
            let mut open = Vec::new();
            loop {
                let mut stream = accept();
                let Some(ask) = read(&mut stream) else {
                    continue;
                };
                log.lock().unwrap().push(ask.clone());
                let (text, keep) = match script(&ask) {
                    Answer::Json(status, body) => (whole(status, &body), false),
                    Answer::Stream(events) => (streamed(&events), true),
                    Answer::ShortStream(events) => (streamed(&events), false),
                    Answer::HangUp => continue,
                };
                // The client may have gone; that is its business.
                let _ = stream.write_all(text.as_bytes());
                let _ = stream.flush();
                if keep {
                    open.push(stream);
                }
            }
        });
        Self { home, url, asked }
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    pub fn url(&self) -> String {
        self.url.clone()
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn whole(status: u16, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    )
}

fn streamed(events: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n{events}"
    )
}

fn read(stream: &mut Box<dyn Stream>) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        if name == "content-length" {
            length = value.parse().ok()?;
        }
        headers.push((name.to_owned(), value.to_owned()));
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body = String::from_utf8(body).ok()?;
    Some(Asked {
        method,
        path,
        body,
        headers,
    })
}
