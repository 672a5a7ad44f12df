//! `waxwing doctor`, without a node and beside one that answers as scripted.

use super::live::Live;
use super::node::{Answer, Node};
use super::{STATUS, run};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;

fn checks(out: &str) -> Vec<Value> {
    let parse = |line: &str| serde_json::from_str::<Value>(line).unwrap();
    let checks: Vec<Value> = out.lines().map(parse).collect();
    for check in &checks {
        let keys: Vec<&str> = check
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(keys, ["check", "detail", "hint", "state"]);
        let state = check["state"].as_str().unwrap();
        assert!(
            ["ok", "warn", "fail", "skipped"].contains(&state),
            "{check}"
        );
    }
    checks
}

fn state<'a>(checks: &'a [Value], name: &str) -> &'a str {
    let named: Vec<&Value> = checks
        .iter()
        .filter(|check| check["check"] == name)
        .collect();
    assert_eq!(named.len(), 1, "{name}: {checks:?}");
    named[0]["state"].as_str().unwrap()
}

#[test]
fn without_a_home_everything_that_can_be_looked_at_is() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    let (code, out, err) = run(&home, &["doctor", "--json"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    let found = checks(&out);
    for (name, expected) in [
        ("settings", "ok"),
        ("node", "warn"),
        ("version", "skipped"),
        ("home", "warn"),
        ("reachability", "skipped"),
        ("nat", "skipped"),
        ("core_dumps", "ok"),
    ] {
        assert_eq!(state(&found, name), expected, "{name}");
    }
    assert!(!home.exists());
    let (code, out, _) = run(&home, &["doctor"]);
    assert!(
        code == 0 && out.contains("`waxwing up` starts one"),
        "{out}"
    );
}

#[test]
fn a_failure_ends_with_one_and_is_named() {
    let home = tempfile::tempdir().unwrap();
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(home.path().join("config.toml"), "lisen = []\n").unwrap();
    let (code, out, err) = run(home.path(), &["doctor", "--json"]);
    assert_eq!(code, 1);
    assert_eq!(state(&checks(&out), "settings"), "fail");
    let error: Value = serde_json::from_str(&err).unwrap();
    assert_eq!(error["error"]["code"], "doctor");
    assert!(
        error["error"]["message"]
            .as_str()
            .unwrap()
            .contains("settings")
    );
}

#[test]
fn a_node_is_asked_and_its_version_compared() {
    let node = Node::start(|asked| {
        assert_eq!(asked.path, "/v1/status");
        Answer::json(200, STATUS)
    });
    let (_, out, _) = run(node.home(), &["doctor", "--json"]);
    let found = checks(&out);
    assert_eq!(state(&found, "node"), "ok");
    let same = STATUS.contains(&format!("\"version\":\"{}\"", env!("CARGO_PKG_VERSION")));
    assert_eq!(state(&found, "version"), if same { "ok" } else { "warn" });
    assert_eq!(state(&found, "reachability"), "warn");
    assert_eq!(state(&found, "contacts"), "warn");
    // It says that it listens where nobody does, and it has no token.
    assert_eq!(state(&found, "ports"), "fail");
    assert_eq!(state(&found, "token"), "fail");
}

#[test]
fn a_node_that_does_not_answer_is_a_failure() {
    let node = Node::start(|_| Answer::HangUp);
    // Somebody holds the home, so a node runs there.
    let lock = fs::File::create(node.home().join("lock")).unwrap();
    lock.lock().unwrap();
    let (code, out, _) = run(node.home(), &["doctor", "--json"]);
    assert_eq!(code, 1);
    assert_eq!(state(&checks(&out), "node"), "fail");
}

#[test]
fn a_real_node_is_well_while_it_runs_and_after() {
    let mut live = Live::start(&[]);
    let (code, found, err) = live.ask(&["doctor"]);
    assert_eq!((code, err.as_str()), (0, ""), "{found:?}");
    for name in [
        "settings", "node", "version", "token", "clock", "home", "schema", "data_key", "ports",
        "contacts",
    ] {
        assert_eq!(state(&found, name), "ok", "{found:?}");
    }
    // It listens on loopback alone.
    assert_eq!(state(&found, "reachability"), "warn");
    assert_eq!(live.ask(&["stop"]).0, 0);
    assert_eq!(live.ended().0, 0);
    let (code, found, _) = live.ask(&["doctor"]);
    assert_eq!((code, state(&found, "node")), (0, "warn"));
    assert_eq!(state(&found, "lock"), "ok");
}
