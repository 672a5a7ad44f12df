//! Messages that disappear, between two processes: read, stopped and killed in between.

use super::{meet, messages, person, say, until_delivered};
use serde_json::{Value, json};
use waxwing_tests::process::{Person, until};

fn has(person: &Person, with: &str, id: &str) -> bool {
    messages(person, with).iter().any(|m| m["id"] == id)
}

fn mark_read(person: &Person, of: &str) {
    let path = format!("/v1/contacts/{of}/read");
    let marked = person.ask("POST", &path, "", &json!({})).unwrap();
    assert_eq!(marked.status, 200, "{marked:?}");
}

fn until_gone(person: &Person, with: &str, id: &str) -> Value {
    until("it has disappeared", || !has(person, with, id));
    let left = person.get(&format!("/v1/messages/{id}"));
    assert_eq!(left["state"], "deleted", "{left}");
    assert_eq!(left["text"], Value::Null, "{left}");
    left
}

#[test]
fn set_read_and_gone_on_both_sides() {
    let (mut alice, mut bob) = (person("alice"), person("bob"));
    meet(&mut alice, &mut bob);
    let stays = say(&alice, "bob", "this stays");
    until_delivered(&alice, &stays);
    let set = alice.run(&["disappear", "bob", "5s"]).ok();
    assert_eq!(set, json!({ "name": "bob", "disappear_s": 5 }));
    until("bob knows", || {
        bob.run(&["disappear", "alice"]).ok()["disappear_s"] == 5
    });
    let told = messages(&bob, "alice");
    assert_eq!(told[1]["sets_disappear_s"], 5, "{told:?}");
    assert_eq!(told[1]["from"], "alice");

    let (hers, his) = (say(&alice, "bob", "hers"), say(&bob, "alice", "his"));
    until_delivered(&alice, &hers);
    until_delivered(&bob, &his);
    // What is not read waits, also where its author has lost it already.
    until_gone(&alice, "bob", &hers);
    let waits = bob.get(&format!("/v1/messages/{hers}"));
    assert_eq!(waits["text"], "hers", "{waits}");
    assert_eq!(
        (&waits["disappear_s"], &waits["expires_at"]),
        (&json!(5), &Value::Null)
    );

    // Read, and killed at once: the time goes on, and what was told stays told.
    mark_read(&bob, "alice");
    bob.kill();
    bob.up();
    assert!(until_gone(&bob, "alice", &hers)["expires_at"].is_string());
    mark_read(&alice, "bob");
    assert_eq!(alice.stop().code(), Some(0));
    alice.up();
    until_gone(&alice, "bob", &his);
    until_gone(&bob, "alice", &his);
    for (who, with) in [(&alice, "bob"), (&bob, "alice")] {
        assert!(has(who, with, &stays));
        let why = who.run(&["why", &hers]).ok();
        let steps = why["steps"].as_array().unwrap();
        assert_eq!(steps.last().unwrap()["what"], "disappeared", "{why}");
        let no = who.run(&["react", &hers, "x"]).error(7);
        assert_eq!(no["code"], "disappeared");
    }
    let off = bob.run(&["disappear", "alice", "off"]).ok();
    assert_eq!(off["disappear_s"], Value::Null);
    until("alice knows", || {
        alice.get("/v1/contacts/bob")["disappear_s"].is_null()
    });
    assert_eq!(
        alice.run(&["disappear", "bob", "2s"]).error(2)["code"],
        "bad_timer"
    );
    assert_eq!(alice.run(&["disappear", "nobody", "1d"]).code, 3);
}

#[test]
fn what_waits_for_somebody_who_is_away_is_there_when_they_come() {
    let (mut alice, mut bob) = (person("alice"), person("bob"));
    meet(&mut alice, &mut bob);
    alice.run(&["disappear", "bob", "5s"]).ok();
    until("bob knows", || {
        bob.get("/v1/contacts/alice")["disappear_s"] == 5
    });
    bob.kill();
    until("alice notices", || !alice.reaches("bob"));
    let id = say(&alice, "bob", "waits");
    alice.kill();
    std::thread::sleep(std::time::Duration::from_secs(7));
    alice.up();
    assert!(has(&alice, "bob", &id));
    bob.up();
    until("it is there", || has(&bob, "alice", &id));
    until_gone(&alice, "bob", &id);
    assert!(has(&bob, "alice", &id));
    mark_read(&bob, "alice");
    until_gone(&bob, "alice", &id);
    let cursor = bob.get("/v1/status")["cursor"].as_u64().unwrap();
    assert!(cursor > 0);
}
