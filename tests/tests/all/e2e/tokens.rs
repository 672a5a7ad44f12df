//! A program's token: it opens what it should, over kills and restarts, and not a line more.

use super::{introduce, meet, messages, person, say, state, until_delivered};
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;
use waxwing_tests::http::{self, Answer, Events};
use waxwing_tests::process::{Person, until};

/// Far longer than an event takes: a stream that ends is noticed, one that is silent is not waited
/// for.
const SILENCE: Duration = Duration::from_secs(20);

/// Has a token made on the command line and gives its object.
fn token(person: &Person, words: &str) -> Value {
    let words: Vec<&str> = ["token", "create"]
        .into_iter()
        .chain(words.split(' '))
        .collect();
    person.run(&words).ok()
}

fn text(token: &Value) -> &str {
    token["token"].as_str().unwrap()
}

fn ask(person: &Person, token: &Value, method: &str, path: &str, body: &Value) -> Answer {
    let (host, bearer) = (person.api().to_string(), format!("Bearer {}", text(token)));
    let headers = [
        ("Host", host.as_str()),
        ("Authorization", &bearer),
        ("Content-Type", "application/json"),
    ];
    let body = match body {
        Value::Null => Vec::new(),
        body => body.to_string().into_bytes(),
    };
    let request = http::request(method, path, &headers, &body);
    http::exchange(http::at_port(person.api()).unwrap(), &request).unwrap()
}

fn get(person: &Person, token: &Value, path: &str) -> Answer {
    ask(person, token, "GET", path, &Value::Null)
}

/// What an event is about, by petname.
fn whose(event: &Value) -> &Value {
    match event["event"].as_str() {
        Some("contact" | "request") => &event["name"],
        _ => &event["contact"],
    }
}

#[test]
fn a_token_for_one_contact_is_blind_to_the_others() {
    let (mut alice, mut bob, mut carol) = (person("alice"), person("bob"), person("carol"));
    meet(&mut alice, &mut bob);
    carol.up();
    introduce(&alice, &carol);
    let bot = token(&alice, "--scope send --contact bob --name echo");
    let from_bob = say(&bob, "alice", "for the bot");
    let from_carol = say(&carol, "alice", "not for the bot");
    until_delivered(&bob, &from_bob);
    until_delivered(&carol, &from_carol);

    let contacts = get(&alice, &bot, "/v1/contacts").body;
    assert_eq!(contacts["contacts"].as_array().unwrap().len(), 1);
    assert_eq!(contacts["contacts"][0]["name"], "bob");
    let read = get(&alice, &bot, "/v1/contacts/BOB/messages");
    assert_eq!(read.body["messages"][0]["text"], "for the bot");
    for path in [
        "/v1/contacts/carol",
        "/v1/contacts/carol/messages",
        "/v1/contacts/dave",
    ] {
        let refused = get(&alice, &bot, path);
        assert_eq!(
            (refused.status, refused.code()),
            (403, "other_contact"),
            "{path}"
        );
    }
    for path in ["/v1/status", "/v1/tokens", "/v1/words", "/v1/log"] {
        assert_eq!(get(&alice, &bot, path).status, 403, "{path}");
    }
    let path = |id: &str| format!("/v1/messages/{id}");
    assert_eq!(get(&alice, &bot, &path(&from_bob)).status, 200);
    let hidden = get(&alice, &bot, &path(&from_carol));
    let unknown = get(&alice, &bot, &path(&"a".repeat(26)));
    assert_eq!((hidden.status, &hidden.body), (404, &unknown.body));

    // What it may do, it may do whole; what it may not, nobody saw.
    let hello = json!({ "text": "hello from a program", "reply_to": from_bob });
    let sent = ask(&alice, &bot, "POST", "/v1/contacts/bob/messages", &hello);
    assert_eq!(sent.status, 201, "{sent:?}");
    until_delivered(&alice, sent.body["id"].as_str().unwrap());
    let read = ask(&alice, &bot, "POST", "/v1/contacts/bob/read", &json!({}));
    assert_eq!(read.body["count"], 1);
    until("bob knows that it was read", || {
        state(&bob, &from_bob) == "read"
    });
    let hello = json!({ "text": "hello" });
    let refused = ask(&alice, &bot, "POST", "/v1/contacts/carol/messages", &hello);
    assert_eq!(refused.code(), "other_contact");
    let quoted = json!({ "text": "see", "reply_to": from_carol });
    let refused = ask(&alice, &bot, "POST", "/v1/contacts/bob/messages", &quoted);
    assert_eq!(refused.status, 404, "{refused:?}");
    let react = format!("/v1/messages/{from_carol}/reactions");
    let refused = ask(&alice, &bot, "POST", &react, &json!({ "emoji": "👍" }));
    assert_eq!(refused.status, 404, "{refused:?}");
    assert_eq!(messages(&carol, "alice").len(), 1);

    // Its events are the owner's, less what is others'.
    until_delivered(&carol, &say(&carol, "alice", "still not for the bot"));
    let last = say(&bob, "alice", "the last one");
    until_delivered(&bob, &last);
    let is_last = |event: &Value| event["event"] == "message" && event["id"] == last.as_str();
    let until_last = |events: Events| {
        let mut log = Vec::new();
        for event in events {
            let done = is_last(&event);
            log.push(event);
            if done {
                return log;
            }
        }
        panic!("the last event never came: {log:?}");
    };
    let all = until_last(Events::open(&alice.socket(), 0, SILENCE).unwrap());
    let seen = until_last(Events::open_as(text(&bot), alice.api(), 0, SILENCE).unwrap());
    // A contact is shown as it is, and may have changed between the two looks.
    let place = |log: &[Value]| -> Vec<Value> {
        log.iter()
            .filter(|e| *whose(e) == "bob")
            .map(|e| e["cursor"].clone())
            .collect()
    };
    assert!(all.iter().any(|event| *whose(event) == "carol"));
    assert!(seen.iter().all(|event| *whose(event) == "bob"), "{seen:?}");
    assert_eq!(place(&seen), place(&all));
}

#[test]
fn a_token_lives_through_a_kill_and_ends_when_it_is_revoked() {
    let (mut alice, mut bob) = (person("alice"), person("bob"));
    meet(&mut alice, &mut bob);
    let read = token(&alice, "--scope read --expires 30d");
    alice.kill();
    alice.up();
    assert_eq!(get(&alice, &read, "/v1/contacts").status, 200);

    let id = say(&bob, "alice", "look, do not touch");
    until_delivered(&bob, &id);
    let refused = ask(&alice, &read, "POST", "/v1/contacts/bob/read", &json!({}));
    assert_eq!((refused.status, refused.code()), (403, "scope_too_small"));
    assert!(
        refused.body["hint"]
            .as_str()
            .unwrap()
            .contains("--scope send")
    );
    assert_eq!(get(&alice, &read, "/v1/words").code(), "scope_too_small");
    assert_eq!(alice.get("/v1/contacts/bob")["unread"], 1);

    let list = alice.run(&["token", "list"]).ok();
    assert_eq!(list["id"], read["id"]);
    assert!(list["last_used"].is_string() && list.get("token").is_none());
    let secret = text(&read).rsplit('_').next().unwrap();
    for entry in fs::read_dir(alice.home()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap_or_default();
        let found = bytes
            .windows(secret.len())
            .any(|part| part == secret.as_bytes());
        assert!(!found, "{}", path.display());
    }

    // Taking a newer token along: it is made by none, so it outlives this one.
    let other = token(&alice, "--scope admin --rate 100/s");
    let stream = Events::open_as(text(&read), alice.api(), 0, SILENCE).unwrap();
    let listening = std::thread::spawn(move || stream.count());
    let revoked = alice
        .run(&["token", "revoke", read["id"].as_str().unwrap()])
        .ok();
    assert_eq!(revoked["revoked"], true);
    // Ends well before it would be called silent; how many events it had told does not matter.
    listening.join().unwrap();
    assert_eq!(get(&alice, &read, "/v1/contacts").code(), "unauthorized");
    alice.kill();
    alice.up();
    assert_eq!(get(&alice, &read, "/v1/contacts").code(), "unauthorized");
    assert_eq!(get(&alice, &other, "/v1/status").status, 200);
    let gone = alice.run(&["token", "revoke", read["id"].as_str().unwrap()]);
    assert_eq!(gone.error(3)["code"], "no_such_token");
    let junk = alice.run(&["token", "revoke", "nonsense"]);
    assert_eq!(junk.error(2)["code"], "invalid_id");
}
