//! The real executable against a real node on loopback.

use super::{PATIENCE, POLL, command, run};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::Child;
use std::time::Instant;
use tempfile::TempDir;

/// A node in a home of its own; killed with the test.
pub struct Live {
    pub home: TempDir,
    pub ready: Value,
    child: Child,
}

impl Drop for Live {
    fn drop(&mut self) {
        // One that has ended already cannot be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Live {
    pub fn start(args: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), args)
    }

    pub fn start_in(home: TempDir, args: &[&str]) -> Self {
        let listen = "/ip4/127.0.0.1/tcp/0";
        let up = ["up", "--json", "--name", "alice", "--listen", listen];
        let mut child = command(home.path(), &[&up[..], args].concat())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let ready = serde_json::from_str(&line).unwrap_or(Value::Null);
        let mut node = Self { home, ready, child };
        if node.ready.is_null() {
            panic!("the node did not start: {line} {}", node.log());
        }
        node
    }

    pub fn path(&self) -> &Path {
        self.home.path()
    }

    /// Exit code and JSON lines of a command that this node is asked.
    pub fn ask(&self, args: &[&str]) -> (i32, Vec<Value>, String) {
        let (code, out, err) = run(self.path(), &[args, &["--json"]].concat());
        let lines = out.lines().map(|line| serde_json::from_str(line).unwrap());
        (code, lines.collect(), err)
    }

    /// Waits for the process, which was told to end, and gives its exit code and its log.
    pub fn ended(&mut self) -> (i32, String) {
        let since = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(since.elapsed() < PATIENCE, "the node does not end");
            std::thread::sleep(POLL);
        }
        let code = self.child.wait().unwrap().code().unwrap();
        (code, self.log())
    }

    fn log(&mut self) -> String {
        let mut log = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            let _ = self.child.kill();
            stderr.read_to_string(&mut log).unwrap();
        }
        log
    }
}

#[test]
fn stop_ends_the_node_and_leaves_the_home_free() {
    let mut node = Live::start(&[]);
    let (code, lines, err) = node.ask(&["stop"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(lines, [serde_json::json!({ "stopped": true })]);
    // Free at once: what stop waited for is the lock.
    fs::rename(node.path().join("db"), node.path().join("moved")).unwrap();
    assert_eq!(node.ended().0, 0);
    let (code, lines, _) = node.ask(&["stop"]);
    assert_eq!((code, lines.len()), (5, 0));
}

#[test]
fn stop_says_so_if_the_node_takes_too_long() {
    let stubborn = super::Node::start(|_| super::Answer::json(202, r#"{"stopping":true}"#));
    let (code, _, err) = run(stubborn.home(), &["stop", "--timeout", "1s"]);
    assert_eq!(code, 6, "{err}");
    assert_eq!(super::paths(&stubborn.asked()), ["POST /v1/stop"]);
}

#[test]
fn the_log_level_changes_while_the_node_runs() {
    let mut node = Live::start(&["--log-level", "error"]);
    let level = |words: &[&str]| {
        let (code, lines, err) = node.ask(words);
        assert_eq!((code, err.as_str()), (0, ""));
        lines[0]["level"].as_str().unwrap().to_owned()
    };
    assert_eq!(level(&["log-level"]), "error");
    assert_eq!(level(&["log-level", "trace"]), "trace");
    assert_eq!(level(&["log-level"]), "trace");
    assert_eq!(node.ask(&["log-level", "loud"]).0, 2);
    assert_eq!(node.ask(&["log-level", "libp2p_swarm=trace"]).0, 2);
    assert_eq!(node.ask(&["stop"]).0, 0);
    let (code, log) = node.ended();
    assert_eq!(code, 0);
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(line["target"].as_str().unwrap().starts_with("waxwing"));
    }
}
