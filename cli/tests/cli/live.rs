//! The real executable against a real node on loopback.

use super::{PATIENCE, POLL, command, run};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Instant;
use tempfile::TempDir;

/// A node in a home of its own; killed with the test.
pub struct Live {
    home: PathBuf,
    _made: Option<TempDir>,
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
        let home = tempfile::tempdir().unwrap();
        let mut node = Self::start_at(home.path(), args);
        node._made = Some(home);
        node
    }

    pub fn start_at(home: &Path, args: &[&str]) -> Self {
        let listen = "/ip4/127.0.0.1/tcp/0";
        let up = ["up", "--json", "--name", "alice", "--listen", listen];
        let mut child = command(home, &[&up[..], args].concat()).spawn().unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let ready = serde_json::from_str(&line).unwrap_or(Value::Null);
        let mut node = Self {
            home: home.to_owned(),
            _made: None,
            ready,
            child,
        };
        if node.ready.is_null() {
            panic!("the node did not start: {line} {}", node.log());
        }
        node
    }

    pub fn path(&self) -> &Path {
        &self.home
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

#[test]
fn a_passphrase_is_set_changed_and_removed() {
    let home = tempfile::tempdir().unwrap();
    let file = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
    let (one, two) = (file("one"), file("two"));
    fs::write(&one, "one\n").unwrap();
    fs::write(&two, "two\n").unwrap();
    let place = home.path().join("node");
    let said = |words: &[&str]| {
        let (code, out, err) = run(&place, &[words, &["--json"]].concat());
        let line = if out.is_empty() { err } else { out };
        (code, serde_json::from_str::<Value>(&line).unwrap())
    };
    let refused = |words: &[&str], code: i32, why: &str| {
        let (exit, error) = said(words);
        assert_eq!(
            (exit, error["error"]["code"].as_str().unwrap()),
            (code, why)
        );
    };
    let set = ["passphrase", "set", "--new-passphrase-file", &one];
    let change = ["passphrase", "change", "--passphrase-file", &one];
    let change = [&change[..], &["--new-passphrase-file", &two]].concat();
    let remove = ["passphrase", "remove", "--passphrase-file", &two];
    refused(&set, 3, "no_home");
    // Made, and then stopped by the API it serves.
    let mut node = Live::start_at(&place, &[]);
    refused(&set, 7, "home_locked");
    assert_eq!(said(&["stop"]).0, 0);
    assert_eq!(node.ended().0, 0);
    refused(&change, 7, "passphrase_not_set");
    refused(&["passphrase", "set"], 4, "passphrase_needed");
    assert_eq!(said(&set).1["passphrase"], "set");
    refused(&set, 7, "passphrase_set");
    refused(&remove, 4, "passphrase_wrong");
    assert_eq!(said(&change).1["passphrase"], "changed");
    let mut node = Live::start_at(&place, &["--passphrase-file", &two]);
    assert_eq!(said(&["stop"]).0, 0);
    assert_eq!(node.ended().0, 0);
    assert_eq!(said(&remove).1["passphrase"], "removed");
    drop(Live::start_at(&place, &[]));
}
