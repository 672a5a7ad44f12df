//! A contact as its owner keeps it: verified, named, silent, gone.

use super::{meet, messages, person, say, state, until_delivered};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use waxwing_tests::process::{Person, run, until};

fn contact(person: &Person, name: &str) -> Value {
    person.get(&format!("/v1/contacts/{name}"))
}

/// Codes of the notices that stand in a conversation.
fn told(person: &Person, with: &str) -> Vec<String> {
    let list = person.get(&format!("/v1/contacts/{with}/notices"));
    let notices = list["notices"].as_array().unwrap();
    let code = |notice: &Value| notice["code"].as_str().unwrap().to_owned();
    notices.iter().map(code).collect()
}

/// What `chat` shows of a conversation, as a person reads it.
fn chat(person: &Person, with: &str) -> String {
    let said = run(person.command(["chat", with]));
    assert_eq!(said.code, 0, "{said:?}");
    said.out
}

#[test]
fn two_compare_numbers_and_mark_each_other() {
    let (mut alice, mut bob) = (person("alice"), person("bob"));
    meet(&mut alice, &mut bob);
    let id = say(&alice, "bob", "let us compare");
    until_delivered(&alice, &id);
    let (hers, his) = (
        alice.run(&["verify", "bob"]).ok(),
        bob.run(&["verify", "alice"]).ok(),
    );
    for field in ["safety_number", "code"] {
        assert_eq!(hers[field], his[field]);
    }
    assert_eq!(hers["name"], "bob");
    assert_eq!(hers["account"], bob.ready()["account"]);
    assert_eq!(hers["verified"], false);
    let plain = run(alice.command(["verify", "bob"]));
    let number = hers["safety_number"].as_str().unwrap();
    let shown: Vec<&str> = plain.out.split_whitespace().collect();
    let groups: Vec<&str> = number.split(' ').collect();
    assert_eq!(shown[3..15], groups, "{plain:?}");

    let done = alice.run(&["verify", "bob", "--confirmed"]).ok();
    assert_eq!(
        (&done["verified"], &done["name"]),
        (&Value::Bool(true), &hers["name"])
    );
    assert_eq!(done["safety_number"], hers["safety_number"]);
    assert_eq!(contact(&alice, "bob")["verified"], true);
    let bent = format!("{}x", his["code"].as_str().unwrap());
    let refused = bob.run(&["verify", "alice", "--scanned", &bent]).error(7);
    assert_eq!(refused["code"], "safety_number_differs");
    assert_eq!(contact(&bob, "alice")["verified"], false);
    let code = hers["code"].as_str().unwrap();
    let done = bob.run(&["verify", "alice", "--scanned", code]).ok();
    assert_eq!(done["verified"], true);

    let done = alice.run(&["verify", "bob", "--undo"]).ok();
    assert_eq!(done["verified"], false);
    assert_eq!(told(&alice, "bob"), ["verified", "unverified"]);
    // Whoever opens the chat later finds it in its place, behind what was said before.
    let shown = chat(&alice, "bob");
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines[0].contains("you: let us compare"), "{shown}");
    assert!(
        lines[1].ends_with("you compared safety numbers: verified --"),
        "{shown}"
    );
    assert!(
        lines[2].ends_with("you took the verified mark back --"),
        "{shown}"
    );

    alice.run(&["verify", "nobody"]).error(3);
    alice
        .run(&["verify", "bob", "--undo", "--confirmed"])
        .error(2);
    let link = bob.run(&["invite"]).ok()["link"]
        .as_str()
        .unwrap()
        .to_owned();
    bob.kill();
    let mut carol = person("carol");
    carol.up();
    let args = ["add", &link, "--name", "bob"];
    assert_eq!(carol.run(&args).ok()["state"], "pending");
    let early = carol.run(&["verify", "bob"]).error(7);
    assert_eq!(early["code"], "keys_unknown");
}

#[test]
fn a_contact_is_named_and_muted() {
    let (mut alice, mut bob) = (person("alice"), person("bob"));
    meet(&mut alice, &mut bob);
    let renamed = alice.run(&["rename", "bob", "bob from the choir"]).ok();
    assert_eq!(renamed["name"], "bob from the choir");
    assert_eq!(renamed["account"], bob.ready()["account"]);
    alice.run(&["send", "bob", "hi"]).error(3);
    let name = "Bob from the Choir";
    let sent = alice.run(&["send", name, "hi", "--wait", "delivered"]).ok();
    assert_eq!(sent["state"], "delivered");
    // Whatever he calls himself: the name is hers.
    bob.stop();
    bob.name = "robert".into();
    bob.up();
    let id = say(&bob, "alice", "I am robert now");
    until_delivered(&bob, &id);
    let contacts = alice.run(&["contacts"]).ok();
    assert_eq!(contacts["name"], "bob from the choir");

    let link = bob.run(&["invite"]).ok()["link"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        alice.run(&["add", &link]).ok()["name"],
        "bob from the choir"
    );
    let taken = bob.run(&["rename", "alice", "bad\u{7}name"]).error(2);
    assert_eq!(taken["code"], "bad_name");

    let muted = alice.run(&["mute", name, "8h"]).ok();
    assert_eq!(muted["muted"], true);
    assert!(muted["muted_until"].is_string());
    let cursor = alice.run(&["status"]).ok()["cursor"].as_u64().unwrap();
    let id = say(&bob, "alice", "quietly");
    until_delivered(&bob, &id);
    let event = first_event(&alice, cursor, "message");
    assert_eq!(
        (&event["muted"], &event["text"]),
        (&true.into(), &"quietly".into())
    );
    assert_eq!(contact(&alice, "bob%20from%20the%20choir")["unread"], 2);
    let always = alice.run(&["mute", name]).ok();
    assert_eq!(
        (&always["muted"], &always["muted_until"]),
        (&true.into(), &Value::Null)
    );
    let plain = run(alice.command(["contacts"]));
    assert!(plain.out.contains("  muted  2 unread"), "{plain:?}");
    assert_eq!(alice.run(&["mute", name, "off"]).ok()["muted"], false);
    alice.run(&["mute", name, "soon"]).error(2);
    assert_eq!(
        alice.run(&["mute", name, "5s"]).error(2)["code"],
        "bad_span"
    );
    assert_eq!(bob.run(&["contacts"]).ok()["muted"], false);
}

/// The first event of a kind after a cursor.
fn first_event(person: &Person, after: u64, kind: &str) -> Value {
    let after = after.to_string();
    let mut child = person
        .command(["watch", "--json", "--after", &after])
        .spawn()
        .unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let mut events = stdout
        .lines()
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap());
    let found = events.find(|event: &Value| event["event"] == kind);
    child.kill().unwrap();
    child.wait().unwrap();
    found.unwrap()
}

#[test]
fn a_history_is_erased_here_and_what_waits_is_delivered() {
    let (mut alice, mut bob) = (person("alice"), person("bob"));
    meet(&mut alice, &mut bob);
    let mut last = String::new();
    for n in 0..300 {
        last = say(&alice, "bob", &format!("old {n}"));
    }
    until_delivered(&alice, &last);
    bob.kill();
    let waits = say(&alice, "bob", "this waits");
    let unsure = alice.run(&["clear", "bob"]).error(2);
    assert_eq!(unsure["code"], "not_confirmed");
    assert_eq!(messages(&alice, "bob").len(), 301);
    let file = alice.dir().join("history.jsonl");
    let file = file.to_str().unwrap();
    assert_eq!(alice.run(&["export", "bob", "--output", file]).code, 0);
    let done = alice.run(&["clear", "bob", "--yes"]).ok();
    assert_eq!(
        (&done["name"], &done["clearing"]),
        (&"bob".into(), &false.into())
    );
    let left = messages(&alice, "bob");
    assert_eq!(left.len(), 1);
    assert_eq!(left[0]["text"], "this waits");
    assert!(alice.run(&["search", "old"]).lines().is_empty());
    bob.up();
    until_delivered(&alice, &waits);
    assert_eq!(messages(&bob, "alice").len(), 301);
    assert_eq!(told(&alice, "bob"), ["cleared"]);
    alice.run(&["clear", "nobody", "--yes"]).error(3);
    // Nothing brings it back but the copy that she kept.
    assert_eq!(alice.run(&["import", file]).code, 0);
    assert_eq!(messages(&alice, "bob").len(), 301);
    alice.run(&["clear", "bob", "--yes"]).ok();
    assert!(messages(&alice, "bob").is_empty());
}

#[test]
fn who_was_removed_is_a_stranger_until_a_new_link() {
    let (mut alice, mut bob) = (person("alice"), person("bob"));
    meet(&mut alice, &mut bob);
    let id = say(&bob, "alice", "before");
    until_delivered(&bob, &id);
    let cursor = alice.run(&["status"]).ok()["cursor"].as_u64().unwrap();
    let unsure = alice.run(&["contacts", "remove", "bob"]).error(2);
    assert_eq!(unsure["code"], "not_confirmed");
    let gone = alice.run(&["contacts", "remove", "bob", "--yes"]).ok();
    assert_eq!(gone["account"], bob.ready()["account"]);
    let event = first_event(&alice, cursor, "removed");
    assert_eq!(
        (&event["name"], &event["account"]),
        (&"bob".into(), &gone["account"])
    );
    assert!(alice.run(&["contacts"]).lines().is_empty());
    for args in [
        &["read", "bob"][..],
        &["contacts", "remove", "bob", "--yes"],
    ] {
        alice.run(args).error(3);
    }
    alice.run(&["why", &id]).error(3);
    // Bob is told nothing, and what he says waits.
    let waiting = say(&bob, "alice", "meanwhile");
    until("it is written to her node", || {
        state(&bob, &waiting) == "sent"
    });
    assert!(alice.run(&["requests"]).lines().is_empty());
    alice.stop();
    alice.up();
    assert!(alice.run(&["contacts"]).lines().is_empty());

    let invite = alice.run(&["invite"]).ok();
    let link = invite["link"].as_str().unwrap();
    assert_eq!(bob.run(&["add", link]).ok()["state"], "connected");
    until_delivered(&bob, &waiting);
    until("she knows his name", || {
        !alice.run(&["contacts"]).lines().is_empty()
            && alice.run(&["contacts"]).ok()["name"] == "bob"
    });
    let texts: Vec<Value> = messages(&alice, "bob");
    assert_eq!(texts.len(), 1);
    assert_eq!(texts[0]["text"], "meanwhile");
    let id = say(&alice, "bob", "welcome back");
    until_delivered(&alice, &id);
}
