//! Real nodes: processes with homes in a temporary directory, listening on loopback alone.
//!
//! Everything that a test starts here ends with it, also when the test panics: a node is killed
//! when its [`Person`] is dropped. Commands run through the real executable; [`Person::ask`] speaks
//! to the local API directly where a process for each question would take too long.

use crate::http::{self, Answer};
use crate::net::Host;
use serde_json::Value;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longest wait for anything: far beyond what it takes on a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at what is waited for.
pub const POLL: Duration = Duration::from_millis(20);
/// Ports are drawn here: below the range from which Linux gives away ports by itself.
const PORTS: (u16, u16) = (20_000, 32_000);
/// Ports tried until one is free.
const PORT_DRAWS_MAX: u16 = 500;
/// Lines of a log shown with a failure.
const LOG_LINES_SHOWN: usize = 30;

/// What a node listens with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transports {
    /// QUIC and TCP, as by default.
    Both,
    /// QUIC alone.
    Quic,
    /// TCP alone.
    Tcp,
}

/// How a command ended.
#[derive(Debug)]
pub struct Said {
    /// Exit code; -1 if a signal ended it.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Said {
    fn from_output(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The JSON objects on standard output, one a line.
    ///
    /// # Panics
    /// If a line is none.
    pub fn lines(&self) -> Vec<Value> {
        let parse = |line| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}\n{self:?}"))
        };
        self.out.lines().map(parse).collect()
    }

    /// The one JSON object on standard output of a command that went well.
    ///
    /// # Panics
    /// If it did not go well, or there is not exactly one.
    pub fn ok(&self) -> Value {
        assert_eq!(self.code, 0, "{self:?}");
        let mut lines = self.lines();
        assert_eq!(lines.len(), 1, "{self:?}");
        lines.remove(0)
    }

    /// The JSON objects on standard output of a command that went well.
    ///
    /// # Panics
    /// If it did not go well.
    pub fn ok_lines(&self) -> Vec<Value> {
        assert_eq!(self.code, 0, "{self:?}");
        self.lines()
    }

    /// The error object on standard error of a command that failed with this exit code.
    ///
    /// # Panics
    /// If it ended otherwise, or said nothing that a program could read.
    pub fn error(&self, code: i32) -> Value {
        assert_eq!(self.code, code, "{self:?}");
        let error: Value = serde_json::from_str(self.err.trim())
            .unwrap_or_else(|error| panic!("{error}: {self:?}"));
        let error = error["error"].clone();
        let told = |key: &str| error[key].as_str().is_some_and(|text| !text.is_empty());
        assert!(told("code") && told("message"), "{self:?}");
        error
    }
}

/// Somebody with a home, and a node in it that runs or not.
pub struct Person {
    /// What they call themselves.
    pub name: String,
    /// More words for `up`.
    pub up_args: Vec<String>,
    program: PathBuf,
    /// Where the node runs, if not here.
    host: Option<Host>,
    dir: TempDir,
    home: PathBuf,
    listen: Vec<String>,
    child: Option<Child>,
    ready: Value,
}

impl Person {
    /// A person with an empty home; the node does not run yet.
    ///
    /// # Panics
    /// If there is no room for a temporary directory, or no port is free.
    pub fn new(program: &Path, name: &str, transports: Transports) -> Self {
        let quic = || format!("/ip4/127.0.0.1/udp/{}/quic-v1", port());
        let tcp = || format!("/ip4/127.0.0.1/tcp/{}", port());
        let listen = match transports {
            Transports::Both => vec![quic(), tcp()],
            Transports::Quic => vec![quic()],
            Transports::Tcp => vec![tcp()],
        };
        Self::listening(program, name, listen)
    }

    /// A person whose node runs on a host of a [lab](crate::net::Lab); it is spoken to from here
    /// all the same, through its socket.
    ///
    /// # Panics
    /// If there is no room for a temporary directory.
    pub fn at(program: &Path, name: &str, host: &Host, listen: Vec<String>) -> Self {
        let mut person = Self::listening(program, name, listen);
        person.host = Some(host.clone());
        person
    }

    fn listening(program: &Path, name: &str, listen: Vec<String>) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("waxwing-test-")
            .tempdir()
            .expect("a temporary directory");
        let home = dir.path().join("home");
        Self {
            name: name.to_owned(),
            up_args: Vec::new(),
            program: program.to_owned(),
            host: None,
            dir,
            home,
            listen,
            child: None,
            ready: Value::Null,
        }
    }

    /// Has the home somewhere else than in the temporary directory, from the next start on.
    pub fn move_to(&mut self, home: PathBuf) {
        self.home = home;
    }

    /// The home.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// A directory of this person beside the home; gone with them.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The local API's socket.
    pub fn socket(&self) -> PathBuf {
        self.home.join("api.sock")
    }

    /// The ready line of the node's last start.
    pub fn ready(&self) -> &Value {
        &self.ready
    }

    /// Where the node's API listens.
    ///
    /// # Panics
    /// If the node never was up.
    pub fn api(&self) -> SocketAddr {
        let url = self.ready["api"].as_str().expect("a node that was up");
        let addr = url.strip_prefix("http://").expect("an address");
        addr.parse().expect("an address")
    }

    /// Ports that the node listens on, by protocol (`udp` or `tcp`).
    pub fn port(&self, protocol: &str) -> Option<u16> {
        let find = |addr: &String| {
            let (_, rest) = addr.split_once(&format!("/{protocol}/"))?;
            rest.split('/').next()?.parse().ok()
        };
        self.listen.iter().find_map(find)
    }

    /// The command line of this person's home, ready to run.
    pub fn command<I: IntoIterator<Item: AsRef<OsStr>>>(&self, args: I) -> Command {
        let mut command = match &self.host {
            Some(host) => host.command(&self.program),
            None => Command::new(&self.program),
        };
        command
            .env_clear()
            .env("WAXWING_HOME", &self.home)
            .env("TMPDIR", self.dir.path())
            .env("TZ", "UTC")
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn up_command(&self) -> Command {
        let mut command = self.command(["up", "--json", "--name", &self.name]);
        for addr in &self.listen {
            command.args(["--listen", addr]);
        }
        command.args(&self.up_args);
        command
    }

    /// Starts the node and waits until it is ready.
    ///
    /// # Panics
    /// If it does not get ready.
    pub fn up(&mut self) {
        assert!(self.child.is_none(), "{} is up already", self.name);
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_path())
            .expect("a log file");
        let mut child = self
            .up_command()
            .stderr(Stdio::from(log))
            .spawn()
            .expect("the executable");
        let stdout = child.stdout.take().expect("a pipe");
        // Held from here on, so that a panic below ends the process too.
        self.child = Some(child);
        let (tell, heard) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let mut reader = BufReader::new(stdout);
            let read = reader.read_line(&mut line);
            // Nobody listens any more if it took too long.
            let _ = tell.send(read.map(|_| line));
            let _ = io::copy(&mut reader, &mut io::sink());
        });
        let line = heard.recv_timeout(PATIENCE).expect("a ready line in time");
        let line = line.expect("a ready line");
        self.ready = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("{} is not ready: {error}: {line}", self.name));
    }

    /// Runs `up` to its end: for starts that are refused.
    pub fn up_refused(&self) -> Said {
        run(self.up_command())
    }

    /// SIGKILL: no chance to save or say anything.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Fails only if it ended before; then it is reaped all the same.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// SIGTERM, then waits for the end.
    ///
    /// # Panics
    /// If the node does not run, or does not end.
    pub fn stop(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("a running node");
        signal(&child, "TERM");
        wait(&mut child)
    }

    /// The node's process still runs.
    ///
    /// # Panics
    /// If the system cannot tell.
    pub fn is_up(&mut self) -> bool {
        let child = self.child.as_mut();
        child.is_some_and(|child| child.try_wait().expect("a process").is_none())
    }

    /// The process of the node, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Runs a command with `--json` in front.
    pub fn run(&self, args: &[&str]) -> Said {
        run(self.command(std::iter::once(&"--json").chain(args)))
    }

    /// Asks the local API through its socket. `key` is an idempotency key, or empty.
    ///
    /// # Errors
    /// If the node is not there or the connection breaks.
    pub fn ask(&self, method: &str, path: &str, key: &str, body: &Value) -> io::Result<Answer> {
        ask(&self.socket(), method, path, key, body)
    }

    /// Asks for an object that has to be there.
    ///
    /// # Panics
    /// If the node does not answer with it.
    pub fn get(&self, path: &str) -> Value {
        let answer = self.ask("GET", path, "", &Value::Null);
        let answer = answer.unwrap_or_else(|error| panic!("{}: {path}: {error}", self.name));
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.body
    }

    /// The node reaches a contact right now.
    pub fn reaches(&self, name: &str) -> bool {
        self.get(&format!("/v1/contacts/{name}"))["reach"] == "direct"
    }

    /// Forgets what the node logged: where a test did to it what it complains about.
    pub fn forget_log(&self) {
        let _ = fs::remove_file(self.log_path());
    }

    fn log_path(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    /// Everything that the node logged, over all its starts.
    pub fn log(&self) -> String {
        let bytes = fs::read(self.log_path()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn complaints(&self) -> Vec<String> {
        let bad = |line: &&str| line.contains("\"level\":\"ERROR\"") || line.contains("panicked");
        self.log().lines().filter(bad).map(str::to_owned).collect()
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let from = lines.len().saturating_sub(LOG_LINES_SHOWN);
            eprintln!("---- end of {}'s log", self.name);
            for line in &lines[from..] {
                eprintln!("{line}");
            }
        } else {
            let complaints = self.complaints();
            assert!(complaints.is_empty(), "{}: {complaints:?}", self.name);
        }
    }
}

/// As [`Person::ask`], for whoever has only the path of the socket.
///
/// # Errors
/// If the node is not there or the connection breaks.
pub fn ask(socket: &Path, method: &str, path: &str, key: &str, body: &Value) -> io::Result<Answer> {
    let mut headers = vec![("Host", "localhost"), ("Content-Type", "application/json")];
    if !key.is_empty() {
        headers.push(("Idempotency-Key", key));
    }
    let body = match body {
        Value::Null => Vec::new(),
        body => body.to_string().into_bytes(),
    };
    let request = http::request(method, path, &headers, &body);
    http::exchange(http::at_socket(socket)?, &request)
}

/// Runs a command to its end.
///
/// # Panics
/// If it does not end.
pub fn run(mut command: Command) -> Said {
    finish(command.spawn().expect("the executable"))
}

/// Runs a command with something on its standard input.
///
/// # Panics
/// If it does not end.
pub fn run_with(mut command: Command, input: &[u8]) -> Said {
    let spawned = command.stdin(Stdio::piped()).spawn();
    let mut child = spawned.expect("the executable");
    // A command that refuses its input early closes it early.
    let _ = child.stdin.take().map(|mut stdin| stdin.write_all(input));
    finish(child)
}

/// Waits for the end of a command and takes what it said.
///
/// # Panics
/// If it does not end.
pub fn finish(mut child: Child) -> Said {
    // Pipes are emptied while the command runs: a long answer must not stop it.
    let take = |pipe: Option<Box<dyn Read + Send>>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            if let Some(mut pipe) = pipe {
                let _ = pipe.read_to_end(&mut bytes);
            }
            bytes
        })
    };
    let out = take(child.stdout.take().map(|pipe| Box::new(pipe) as _));
    let err = take(child.stderr.take().map(|pipe| Box::new(pipe) as _));
    let status = wait(&mut child);
    Said::from_output(&Output {
        status,
        stdout: out.join().unwrap_or_default(),
        stderr: err.join().unwrap_or_default(),
    })
}

fn wait(child: &mut Child) -> ExitStatus {
    let since = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a process") {
            return status;
        }
        if since.elapsed() > PATIENCE {
            let _ = child.kill();
            let _ = child.wait();
            panic!("a process did not end in time");
        }
        std::thread::sleep(POLL);
    }
}

/// Sends a signal (`INT`, `TERM`) to a process that this test started.
///
/// # Panics
/// If the process is gone already.
pub fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    let sent = Command::new("kill").args(["-s", name, &pid]).status();
    assert!(sent.is_ok_and(|status| status.success()), "no process");
}

/// Waits until something is so and says how long that took.
///
/// # Panics
/// If it does not become so.
pub fn until(what: &str, mut so: impl FnMut() -> bool) -> Duration {
    let since = Instant::now();
    while !so() {
        assert!(since.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(POLL);
    }
    since.elapsed()
}

/// A port that is free for UDP and TCP, and that no other call of this process was given.
fn port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let (low, high) = PORTS;
    // Where to begin differs from process to process, so that two runs seldom meet.
    let begin = u16::try_from(std::process::id() % 10_007).unwrap_or(0);
    for _ in 0..PORT_DRAWS_MAX {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = low + begin.wrapping_add(step) % (high - low);
        let addr = (Ipv4Addr::LOCALHOST, port);
        if UdpSocket::bind(addr).is_ok() && TcpListener::bind(addr).is_ok() {
            return port;
        }
    }
    panic!("no port is free");
}
