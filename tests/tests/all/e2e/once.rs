//! What is asked twice under one key is done once, also when the node dies in between.

use super::{meet, messages, person, say, until_delivered};
use serde_json::{Value, json};
use std::thread;
use std::time::Duration;
use waxwing_tests::dice::{Dice, Purpose};
use waxwing_tests::process::{Person, ask, until};

const SEED: u64 = 11;
/// Kills in the middle of a request.
const KILLS: u64 = 12;
/// A request takes a few milliseconds: some kills come before its commit, some between commit and
/// reply, some after.
const KILL_AFTER_US: (u64, u64) = (0, 6_000);

fn post(person: &Person, path: &str, key: &str, body: &Value) -> Value {
    let answer = person.ask("POST", path, key, body).unwrap();
    assert!((200..300).contains(&answer.status), "{answer:?}");
    answer.body
}

#[test]
fn the_same_key_does_it_once() {
    let (mut alice, mut bob) = (person("alice"), person("bob"));
    meet(&mut alice, &mut bob);
    let to_bob = "/v1/contacts/bob/messages";
    let first = post(&alice, to_bob, "k1", &json!({ "text": "once" }));
    let again = post(&alice, to_bob, "k1", &json!({ "text": "once" }));
    assert_eq!(first["id"], again["id"]);
    let cli = ["send", "bob", "by command", "--key", "k2"];
    let (one, two) = (alice.run(&cli).ok(), alice.run(&cli).ok());
    assert_eq!(one["id"], two["id"]);
    let invites: Vec<Value> = (0..2)
        .map(|_| post(&alice, "/v1/invites", "k3", &json!({})))
        .collect();
    assert_eq!(invites[0], invites[1]);

    alice.kill();
    alice.up();
    let later = post(&alice, to_bob, "k1", &json!({ "text": "once" }));
    assert_eq!(first["id"], later["id"]);
    // Another key is another message, whatever it says.
    let other = post(&alice, to_bob, "k4", &json!({ "text": "once" }));
    assert_ne!(first["id"], other["id"]);
    until_delivered(&alice, other["id"].as_str().unwrap());
    assert_eq!(messages(&alice, "bob").len(), 3);
    until("bob has them all", || messages(&bob, "alice").len() == 3);
}

#[test]
fn killed_between_commit_and_reply_it_is_still_once() {
    let (mut alice, mut bob) = (person("alice"), person("bob"));
    meet(&mut alice, &mut bob);
    let mut dice = Dice::new(SEED, Purpose::Script, 0, 0);
    let (mut answered, mut kept) = (0, 0);
    for round in 0..KILLS {
        let text = format!("round {round:02}");
        let (socket, wish, key) = (alice.socket(), json!({ "text": text }), text.clone());
        let to_bob = "/v1/contacts/bob/messages";
        let asking = thread::spawn(move || ask(&socket, "POST", to_bob, &key, &wish));
        thread::sleep(Duration::from_micros(dice.between(KILL_AFTER_US)));
        alice.kill();
        let before = asking.join().unwrap();
        alice.up();
        kept += messages(&alice, "bob")
            .iter()
            .filter(|message| message["text"] == text.as_str())
            .count();
        let after = post(&alice, to_bob, &text, &json!({ "text": text }));
        if let Ok(before) = before
            && before.status == 201
        {
            answered += 1;
            assert_eq!(before.body["id"], after["id"], "{text}");
        }
    }
    eprintln!("{KILLS} kills: {kept} messages were kept, {answered} of those were answered");
    let last = say(&alice, "bob", "the end");
    until_delivered(&alice, &last);
    until("bob has them all", || {
        messages(&bob, "alice").len() as u64 > KILLS
    });
    for list in [messages(&alice, "bob"), messages(&bob, "alice")] {
        assert_eq!(list.len() as u64, KILLS + 1);
        for (round, message) in (0..KILLS).zip(&list) {
            assert_eq!(message["text"], format!("round {round:02}"));
        }
    }
}
