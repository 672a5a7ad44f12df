//! A bridge that somebody runs, and what it says of itself.

use super::{introduce, messages, person, say, state};
use serde_json::{Value, json};
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use waxwing_tests::http;
use waxwing_tests::process::{Person, until};

/// Looks in a row at which nothing may wait any more before somebody has said what there is to say.
const QUIET_LOOKS: u32 = 50;

/// Has a person's node run as a bridge: by its file, so that every `up` is one.
fn make_a_bridge(person: &Person) {
    fs::create_dir(person.home()).unwrap();
    fs::set_permissions(person.home(), fs::Permissions::from_mode(0o700)).unwrap();
    let text =
        "metrics = \"127.0.0.1:0\"\n\n[bridge]\ncountry = \"my\"\noperator = \"Harbour Library\"\n";
    fs::write(person.home().join("config.toml"), text).unwrap();
}

fn host(bridge: &Person) -> Value {
    bridge.get("/v1/bridge")
}

/// A figure that the bridge serves.
fn figure(bridge: &Person, name: &str) -> Option<u64> {
    let url = bridge.ready()["metrics"].as_str().expect("an address");
    let addr = url.strip_prefix("http://").unwrap();
    let addr: SocketAddr = addr.strip_suffix("/metrics").unwrap().parse().unwrap();
    let request = http::request("GET", "/metrics", &[("Host", "localhost")], b"");
    let answer = http::exchange(http::at_port(addr).unwrap(), &request).unwrap();
    let text = answer.body.as_str().expect("figures");
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|value| value.trim().parse().ok())
}

/// Bob keeps a mailbox at the bridge, and alice knows.
fn settle(bob: &Person, bridge: &Person) {
    let descriptor = bridge.ready()["bridge"].as_str().unwrap().to_owned();
    let added = bob.run(&["bridges", "add", &descriptor]).ok();
    assert_eq!(added["operator"], "Harbour Library");
    assert_eq!(added["country"], "MY");
    until("it lets bob in and takes his tags", || {
        bob.get("/v1/bridges")["bridges"][0]["state"] == "connected" && host(bridge)["tags"] != 0
    });
    // Then friends are told; a receipt says that they know.
    let mut quiet = 0;
    until("alice knows", || {
        quiet = match bob.get("/v1/status")["outbox"].as_u64() {
            Some(0) => quiet + 1,
            _ => 0,
        };
        quiet == QUIET_LOOKS
    });
}

#[test]
fn a_letter_waits_at_a_bridge_that_is_killed_meanwhile() {
    let (mut alice, mut bob, mut carol) = (person("alice"), person("bob"), person("carol"));
    make_a_bridge(&carol);
    for node in [&mut alice, &mut bob, &mut carol] {
        node.up();
    }
    introduce(&alice, &bob);
    settle(&bob, &carol);
    assert_eq!(bob.stop().code(), Some(0));
    let id = say(&alice, "bob", "while you sleep");
    until("it is held", || state(&alice, &id) == "held");
    let before = host(&carol);
    assert_eq!(
        figure(&carol, "waxwing_bridge_blocks "),
        before["blocks"].as_u64()
    );
    assert_eq!(figure(&carol, "waxwing_bridge_mailboxes "), Some(1));
    assert!(before["blocks"].as_u64() > Some(0), "{before}");
    assert!(before["deposits"].as_u64() > Some(0), "{before}");
    // What it acknowledged is on its disk, however it ends.
    carol.kill();
    carol.up();
    let after = host(&carol);
    for same in ["bridge", "blocks", "bytes", "mailboxes", "tags", "deposits"] {
        assert_eq!(after[same], before[same], "{same}");
    }
    assert_eq!(carol.stop().code(), Some(0));
    carol.up();
    assert_eq!(host(&carol)["blocks"], before["blocks"]);

    alice.kill();
    bob.up();
    until("bob has it", || messages(&bob, "alice").len() == 1);
    assert_eq!(messages(&bob, "alice")[0]["id"], json!(id));
    until("the bridge holds nothing any more", || {
        host(&carol)["blocks"] == 0
    });
    until("its figures say so", || {
        figure(&carol, "waxwing_bridge_blocks ") == Some(0)
            && figure(&carol, "waxwing_bridge_collects_total ") > Some(0)
    });
}

#[test]
fn a_bridge_is_added_given_up_and_run_as_a_person_again() {
    let (mut bob, mut carol) = (person("bob"), person("carol"));
    make_a_bridge(&carol);
    bob.up();
    carol.up();
    let descriptor = carol.ready()["bridge"].as_str().unwrap().to_owned();
    assert!(descriptor.starts_with("waxwing-bridge:"), "{descriptor}");
    assert_eq!(bob.run(&["bridges"]).ok_lines(), Vec::<Value>::new());
    let cut = &descriptor[..descriptor.len() - 4];
    let refused = bob.run(&["bridges", "add", cut]).error(2);
    assert_eq!(refused["code"], "bad_descriptor");
    let added = bob.run(&["bridges", "add", &descriptor]).ok();
    assert_eq!(added["bridge"], host(&carol)["bridge"]);
    let again = bob.run(&["bridges", "add", &descriptor]).ok();
    assert_eq!(again["bridge"], added["bridge"]);
    assert_eq!(bob.run(&["bridges", "list"]).ok_lines().len(), 1);
    let status = bob.get("/v1/status");
    assert_eq!(status["bridges"][0]["operator"], "Harbour Library");
    assert_eq!(
        bob.run(&["bridges", "remove", "Nobody"]).error(3)["code"],
        "no_bridge"
    );
    let removed = bob.run(&["bridges", "remove", "harbour library"]).ok();
    assert_eq!(removed["bridge"], added["bridge"]);
    until("nothing but its end is left of it", || {
        let left = bob.run(&["bridges"]).ok_lines();
        left.iter().all(|bridge| bridge["state"] == "leaving")
    });
    // Bob runs none; carol's home is a person's once nothing says otherwise.
    assert_eq!(
        bob.run(&["bridge", "status"]).error(3)["code"],
        "not_a_bridge"
    );
    assert_eq!(
        carol.run(&["bridge", "status"]).ok()["operator"],
        "Harbour Library"
    );
    carol.stop();
    fs::remove_file(carol.home().join("config.toml")).unwrap();
    carol.up();
    assert_eq!(carol.ready()["bridge"], Value::Null);
    assert_eq!(
        carol.run(&["bridge", "status"]).error(3)["code"],
        "not_a_bridge"
    );
}
