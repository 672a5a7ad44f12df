//! Two people meet and talk, all through the command line.

use super::program;
use serde_json::Value;
use waxwing_tests::process::{Person, Transports, until};

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    let found = value[key].as_str();
    found.unwrap_or_else(|| panic!("no {key} in {value}"))
}

fn whats(why: &Value) -> Vec<&str> {
    let steps = why["steps"].as_array().unwrap();
    steps.iter().map(|step| text(step, "what")).collect()
}

fn a_talk_over(transports: Transports) {
    let mut alice = Person::new(&program(), "alice", transports);
    let mut bob = Person::new(&program(), "bob", transports);
    alice.up();
    bob.up();

    let invite = alice.run(&["invite"]).ok();
    assert_eq!(invite["uses"], 1);
    let link = text(&invite, "link");
    let added = bob.run(&["add", link, "--wait", "30s"]).ok();
    assert_eq!(text(&added, "name"), "alice");
    assert_eq!(text(&added, "state"), "connected");
    assert_eq!(added["account"], alice.ready()["account"]);

    let args = ["send", "alice", "hello\nalice", "--wait", "delivered"];
    let sent = bob.run(&args).ok();
    assert_eq!(text(&sent, "state"), "delivered");
    let id = text(&sent, "id");
    let read = alice.run(&["read", "bob"]);
    let read = &read.lines()[..];
    assert_eq!(read.len(), 1);
    assert_eq!(text(&read[0], "id"), id);
    assert_eq!(text(&read[0], "text"), "hello\nalice");
    assert_eq!(text(&read[0], "from"), "bob");

    let shown = bob.command(["why", id]);
    let told = waxwing_tests::process::run(shown);
    assert_eq!(told.code, 0, "{told:?}");
    assert!(told.out.contains("The message to alice was"), "{told:?}");
    until("the read receipt is there", || {
        text(&bob.run(&["why", id]).ok(), "state") == "read"
    });
    let why = bob.run(&["why", id]).ok();
    assert_eq!(text(&why, "to"), "alice");
    for what in ["sealed", "sent", "delivered", "read"] {
        assert!(whats(&why).contains(&what), "{why}");
    }
    let theirs = alice.run(&["why", id]).ok();
    assert_eq!(text(&theirs, "state"), "read");

    let args = ["reply", id, "hello bob", "--wait", "delivered"];
    let answer = alice.run(&args).ok();
    let answer_id = text(&answer, "id");
    let done = bob.run(&["react", answer_id, "🎉"]).ok();
    assert_eq!(text(&done, "id"), answer_id);
    until("the reaction is there", || {
        let lines = alice.run(&["read", "bob", "--peek"]).lines();
        lines[1]["reactions"][0]["emoji"] == "🎉"
    });
    let lines = bob.run(&["read", "alice", "--limit", "1"]).lines();
    assert_eq!(text(&lines[0], "reply_to"), id);
    assert_eq!(lines[0]["reactions"][0]["mine"], true);

    figures(&alice, &bob, transports);
    words(&alice);
    assert_eq!(alice.stop().code(), Some(0));
    assert_eq!(bob.stop().code(), Some(0));
    let id = alice.run(&["id"]).ok();
    assert_eq!(id["account"], alice.ready()["account"]);
}

fn figures(alice: &Person, bob: &Person, transports: Transports) {
    let contacts = alice.run(&["contacts"]).ok();
    assert_eq!(text(&contacts, "name"), "bob");
    assert_eq!(text(&contacts, "reach"), "direct");
    assert_eq!(contacts["account"], bob.ready()["account"]);
    assert_eq!(contacts["verified"], false);
    assert_eq!(contacts["unread"], 0);

    let status = alice.run(&["status"]).ok();
    assert_eq!(status["account"], alice.ready()["account"]);
    assert_eq!(status["peer"], alice.ready()["peer"]);
    assert_eq!(status["connected"], 1);
    until("nothing waits any more", || {
        alice.run(&["status"]).ok()["outbox"] == 0
    });
    let listen = status["listen"].as_array().unwrap();
    let has = |part: &str| {
        listen
            .iter()
            .any(|addr| addr.as_str().unwrap().contains(part))
    };
    assert_eq!(has("/quic-v1"), transports != Transports::Tcp);
    assert_eq!(has("/tcp/"), transports != Transports::Quic);

    let id = bob.run(&["id"]).ok();
    assert_eq!(text(&id, "name"), "bob");
    assert_eq!(id["peer"], bob.ready()["peer"]);
    assert_eq!(contacts["peer"], id["peer"]);
}

fn words(alice: &Person) {
    let words = alice.run(&["words"]).ok();
    assert_eq!(text(&words, "words").split(' ').count(), 24);
    assert_eq!(alice.run(&["status"]).ok()["words_kept"], true);
    let done = alice.run(&["words", "--written-down"]).ok();
    assert_eq!(done["erased"], true);
    let gone = alice.run(&["words"]).error(3);
    assert_eq!(text(&gone, "code"), "words_erased");
    assert_eq!(alice.run(&["status"]).ok()["words_kept"], false);
}

#[test]
fn over_both_transports() {
    a_talk_over(Transports::Both);
}

#[test]
fn over_quic_alone() {
    a_talk_over(Transports::Quic);
}

#[test]
fn over_tcp_alone() {
    a_talk_over(Transports::Tcp);
}
