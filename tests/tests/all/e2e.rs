//! Real processes, real disks, real sockets on loopback: what only they can show.
//!
//! `cargo test -p waxwing-tests e2e` runs these alone. `WAXWING_UNDER_TEST=path` tests another
//! build of the executable; `E2E_FULL=1` runs the long forms.

mod bot;
mod compact;
mod contacts;
mod demo;
mod events;
mod exits;
mod fade;
mod full_disk;
mod garbage;
mod history;
mod kill;
mod nat;
mod once;
mod power;
mod requests;
mod restart;
mod secrets;
mod talk;
mod tokens;

use serde_json::{Value, json};
use std::path::PathBuf;
use waxwing_tests::process::{Person, Transports, until};

/// The executable.
pub fn program() -> PathBuf {
    match std::env::var_os("WAXWING_UNDER_TEST") {
        Some(path) => path.into(),
        None => env!("CARGO_BIN_EXE_waxwing-under-test").into(),
    }
}

/// Somebody whose node does not run yet.
pub fn person(name: &str) -> Person {
    Person::new(&program(), name, Transports::Both)
}

/// The long forms are wanted.
pub fn is_full() -> bool {
    std::env::var_os("E2E_FULL").is_some_and(|value| value == "1")
}

/// Starts two nodes and makes them contacts of each other.
pub fn meet(a: &mut Person, b: &mut Person) {
    a.up();
    b.up();
    introduce(a, b);
}

/// Makes two people, whose nodes run, contacts of each other.
pub fn introduce(a: &Person, b: &Person) {
    let invite = a.ask("POST", "/v1/invites", "", &json!({})).unwrap();
    assert_eq!(invite.status, 201, "{invite:?}");
    let wish = json!({ "link": invite.body["link"], "name": a.name });
    let added = b.ask("POST", "/v1/contacts", "", &wish).unwrap();
    assert_eq!(added.status, 201, "{added:?}");
    for (one, other) in [(a, b), (b, a)] {
        until("both sides know each other", || {
            is_connected(one, &other.name)
        });
    }
}

fn is_connected(person: &Person, other: &str) -> bool {
    let path = format!("/v1/contacts/{other}");
    let answer = person.ask("GET", &path, "", &Value::Null).unwrap();
    answer.status == 200 && answer.body["state"] == "connected"
}

/// Has a text sent and gives its id.
pub fn say(from: &Person, to: &str, text: &str) -> String {
    let path = format!("/v1/contacts/{to}/messages");
    let sent = from.ask("POST", &path, "", &json!({ "text": text }));
    let sent = sent.unwrap();
    assert_eq!(sent.status, 201, "{sent:?}");
    sent.body["id"].as_str().unwrap().to_owned()
}

/// A conversation as a person's node holds it, in canonical order.
pub fn messages(person: &Person, with: &str) -> Vec<Value> {
    let path = format!("/v1/contacts/{with}/messages?limit=10000");
    let list = person.get(&path);
    list["messages"].as_array().unwrap().clone()
}

/// The state of a message of one's own.
pub fn state(person: &Person, id: &str) -> String {
    let message = person.get(&format!("/v1/messages/{id}"));
    message["state"].as_str().unwrap().to_owned()
}

/// Waits until a message is with the other side.
pub fn until_delivered(person: &Person, id: &str) {
    until("it is delivered", || {
        matches!(state(person, id).as_str(), "delivered" | "read")
    });
}
