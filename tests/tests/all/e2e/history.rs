//! What was said, found again, taken along, and kept for later.

use super::{introduce, is_full, meet, messages, person, say, until_delivered};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use waxwing_tests::process::{Person, Said, run, run_with, until};

fn texts(said: &Said) -> Vec<String> {
    let lines = said.ok_lines();
    let text = |line: &Value| line["text"].as_str().unwrap_or_default().to_owned();
    lines.iter().map(text).collect()
}

#[test]
fn what_was_said_is_found_before_and_after_a_restart() {
    let (mut alice, mut bob) = (person("alice"), person("bob"));
    meet(&mut alice, &mut bob);
    let mut last = String::new();
    for n in 0..160 {
        last = say(&alice, "bob", &format!("Nummer {n}: Äpfel"));
    }
    let grey = say(&bob, "alice", "今日は Grüße");
    until_delivered(&alice, &last);
    until_delivered(&bob, &grey);
    for _ in 0..2 {
        for one in [&alice, &bob] {
            let found = texts(&one.run(&["search", "nummer 15", "--limit", "3"]));
            let newest = [
                "Nummer 159: Äpfel",
                "Nummer 158: Äpfel",
                "Nummer 157: Äpfel",
            ];
            assert_eq!(found, newest);
            assert_eq!(
                one.run(&["search", "ÄPFEL", "--limit", "500"])
                    .lines()
                    .len(),
                160
            );
            assert_eq!(texts(&one.run(&["search", "grÜSSe"])), [""; 0]);
            assert_eq!(texts(&one.run(&["search", "は grü"])), ["今日は Grüße"]);
        }
        let page = alice.run(&["search", "nummer", "--limit", "2"]).ok_lines();
        let before = page[1]["id"].as_str().unwrap();
        let args = [
            "search", "nummer", "--in", "bob", "--limit", "1", "--before", before,
        ];
        assert_eq!(texts(&alice.run(&args)), ["Nummer 157: Äpfel"]);
        assert_eq!(page[0]["contact"], "bob");
        alice.kill();
        alice.up();
    }
    alice.run(&["delete", &last]).ok();
    assert_eq!(texts(&alice.run(&["search", "nummer 159"])), [""; 0]);
    until("it is gone there too", || {
        texts(&bob.run(&["search", "nummer 159"])).is_empty()
    });
    let error = alice.run(&["search", "x", "--in", "nobody"]).error(3);
    assert_eq!(error["code"], "not_found");
    alice.run(&["search", " "]).error(2);
    assert_eq!(messages(&bob, "alice").len(), 161);
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    let parse = |line| serde_json::from_str(line).unwrap();
    text.lines().map(parse).collect()
}

fn export(of: &Person, name: &str) -> (String, Vec<Value>) {
    let path = of.dir().join(name);
    let file = path.to_str().unwrap().to_owned();
    let done = of.run(&["export", "--output", &file]).ok();
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let lines = lines(&path);
    let count = lines.iter().filter(|l| l["type"] == "message").count();
    assert_eq!(done["messages"], count);
    let end = json!({ "type": "end", "messages": count });
    assert_eq!(lines.last(), Some(&end));
    (file, lines)
}

/// A talk with a bit of everything; ends when both sides have all of it. Says how many messages.
fn talk(alice: &Person, bob: &Person) -> usize {
    let more = if is_full() { 2_000 } else { 300 };
    let mut last = String::new();
    for n in 0..more {
        last = say(alice, "bob", &format!("line {n}\n\t\u{1} \u{202e}ü"));
    }
    until_delivered(alice, &last);
    let one = say(bob, "alice", "wrong");
    until_delivered(bob, &one);
    bob.run(&["edit", &one, "right"]).ok();
    alice.run(&["reply", &one, "indeed"]).ok();
    alice.run(&["react", &one, "👍"]).ok();
    let args = ["send", "bob", "away with it", "--wait", "delivered"];
    let gone = alice.run(&args).ok();
    alice.run(&["delete", gone["id"].as_str().unwrap()]).ok();
    until("bob has seen it all", || {
        let seen = messages(bob, "alice");
        let find = |id: &Value| seen.iter().find(|m| m["id"] == *id).cloned();
        let (gone, one) = (find(&gone["id"]), find(&json!(one)));
        gone.is_some_and(|m| m["state"] == "deleted")
            && one.is_some_and(|m| m["reactions"][0]["emoji"] == "👍")
    });
    until("alice has seen it all", || {
        messages(alice, "bob").iter().any(|m| m["text"] == "right")
    });
    alice.run(&["read", "bob", "--limit", "10000"]);
    until("nothing is under way", || {
        alice.run(&["status"]).ok()["outbox"] == 0 && bob.run(&["status"]).ok()["outbox"] == 0
    });
    more + 3
}

#[test]
fn a_history_goes_from_home_to_home_and_stays_the_same() {
    let (mut alice, mut bob) = (person("alice"), person("bob"));
    meet(&mut alice, &mut bob);
    let count = talk(&alice, &bob);
    let (file, first) = export(&alice, "first.jsonl");
    assert_eq!(first.len(), count + 3);
    assert_eq!(first[0]["format"], "waxwing-history");
    assert_eq!(first[0]["account"], alice.ready()["account"]);
    let piped = run(alice.command(["export", "bob"]));
    assert_eq!(piped.lines()[1..], first[1..]);

    // Nothing new for the home it comes from.
    let again = alice.run(&["import", &file]).ok();
    assert_eq!(
        (&again["added"], &again["there"]),
        (&json!(0), &json!(count))
    );

    // Alice begins anew, and bob is her contact there too.
    let mut anew = person("alicia");
    anew.up();
    introduce(&anew, &bob);
    let error = anew.run(&["import", &file]).error(7);
    assert_eq!(error["code"], "other_account");
    let cursor = anew.run(&["status"]).ok()["cursor"].clone();
    let done = anew.run(&["import", &file, "--other-account"]).ok();
    assert_eq!(
        (&done["added"], &done["refused"]),
        (&json!(count), &json!(0))
    );
    let (_, second) = export(&anew, "second.jsonl");
    assert_eq!(second[1..], first[1..]);

    let shown = messages(&anew, "bob");
    let fine = |m: &Value| m["imported"] == true && m["late"] == false;
    assert!(shown.iter().all(fine));
    let texts = |of: &Person| -> Vec<Value> {
        messages(of, "bob")
            .iter()
            .map(|m| m["text"].clone())
            .collect()
    };
    assert_eq!(texts(&anew), texts(&alice));
    assert_eq!(anew.run(&["contacts"]).ok()["unread"], 0);
    assert_eq!(anew.run(&["status"]).ok()["outbox"], 0);
    assert!(messages(&bob, "alicia").is_empty());
    let found = anew.run(&["search", "RIGHT"]).ok();
    assert_eq!(found["imported"], true);
    let why = anew.run(&["why", found["id"].as_str().unwrap()]).ok();
    assert_eq!(why["steps"], json!([]));
    // For watchers the contact changed: nothing arrived.
    let path = format!("/v1/contacts/bob/messages?after={cursor}");
    assert_eq!(anew.get(&path)["messages"], json!([]));

    // Both go on talking, behind what was taken in.
    let id = say(&anew, "bob", "hello again");
    until_delivered(&anew, &id);
    assert_eq!(messages(&anew, "bob").last().unwrap()["id"], id.as_str());

    // What was said with somebody who is no contact is passed over, and told.
    let (file, theirs) = export(&bob, "bob.jsonl");
    let done = alice.run(&["import", &file, "--other-account"]).ok();
    assert_eq!((&done["added"], &done["refused"]), (&json!(0), &json!(0)));
    let said = theirs.iter().filter(|l| l["type"] == "message").count();
    assert_eq!(done["skipped"], said);
    let strangers = done["strangers"].as_array().unwrap();
    assert!(strangers.iter().any(|stranger| stranger["name"] == "alice"));

    // An export that comes to nothing leaves nothing, and what was there stays.
    let before = fs::read(&file).unwrap();
    assert_eq!(bob.stop().code(), Some(0));
    bob.run(&["export", "--output", &file]).error(5);
    assert_eq!(fs::read(&file).unwrap(), before);
    let names = fs::read_dir(bob.dir()).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(names.into_iter().all(|name| !name.starts_with('.')));
}

#[test]
fn hostile_lines_are_named_and_the_others_taken_in() {
    let (mut alice, mut bob) = (person("alice"), person("bob"));
    meet(&mut alice, &mut bob);
    let contact = alice.run(&["contacts"]).ok()["account"].clone();
    let id = |n: u8| waxwing_protocol::id::to_base32(&[n; 16]);
    let message = |n: u8, more: Value| {
        let clock = 1_600_000_000_000_u64 + u64::from(n);
        let mut line = json!({
            "type": "message", "contact": contact, "id": id(n), "mine": false, "clock": clock
        });
        let more = more.as_object().unwrap().clone();
        line.as_object_mut().unwrap().extend(more);
        line.to_string()
    };
    let header = json!({
        "type": "header", "format": "waxwing-history", "version": 1,
        "account": alice.ready()["account"]
    });
    let reaction = json!([{ "mine": true, "emoji": "\u{1b}[2J", "clock": 1, "id": id(1) }]);
    let lines = [
        header.to_string(),
        message(1, json!({ "text": "fine" })),
        "nonsense".into(),
        message(2, json!({ "text": 5 })),
        message(3, json!({ "text": "x".repeat(32 * 1024 + 1) })),
        message(4, json!({ "text": "x".repeat(400_000) })),
        message(5, json!({ "text": "far", "clock": u64::MAX })),
        message(6, json!({ "text": "early", "clock": 0 })),
        message(1, json!({ "text": "the same id, another text" })),
        message(7, json!({ "text": "" })),
        message(8, json!({})),
        message(9, json!({ "text": "x", "sent_at": "yesterday" })),
        message(10, json!({ "text": "x", "state": "queued" })),
        message(11, json!({ "text": "x", "reactions": reaction })),
        message(
            12,
            json!({ "text": "x", "deleted_at": "2026-01-01T00:00:00Z" }),
        ),
        message(13, json!({ "body": { "kind": 5, "bytes": "oA" } })),
        message(14, json!({ "text": "x", "id": "../../etc/passwd" })),
        "{\"type\":\"message\",\"text\":\"\u{1}\"}".into(),
        header.to_string(),
        "[".repeat(100_000),
        message(15, json!({ "text": "fine too" })),
        json!({ "type": "end", "messages": 2 }).to_string(),
    ];
    let mut bytes = lines.join("\n").into_bytes();
    bytes.extend_from_slice(b"\n\xff\xfe\n");
    let said = run_with(alice.command(["--json", "import", "-"]), &bytes);
    assert_eq!(said.code, 1, "{said:?}");
    let summary: Value = serde_json::from_str(&said.out).unwrap();
    let counts = (&summary["added"], &summary["there"]);
    assert_eq!(counts, (&json!(2), &json!(1)), "{said:?}");
    let errors = said
        .err
        .lines()
        .map(|l| serde_json::from_str::<Value>(l).unwrap());
    let mut named: Vec<u64> = errors.filter_map(|e| e["error"]["line"].as_u64()).collect();
    named.sort_unstable();
    let expected: Vec<u64> = (3..=20).filter(|n| *n != 9).chain([23]).collect();
    assert_eq!(named, expected, "{said:?}");
    let shown = messages(&alice, "bob");
    let texts: Vec<&Value> = shown.iter().map(|m| &m["text"]).collect();
    assert_eq!(texts, ["fine", "fine too"]);

    for bytes in [&b""[..], b"hello\n"] {
        let said = run_with(alice.command(["--json", "import", "-"]), bytes);
        assert_eq!(said.error(2)["code"], "no_history");
    }
    let error = alice.run(&["import", "/nonexistent/file"]).error(3);
    assert_eq!(error["code"], "input");
    let error = alice
        .run(&["export", "--output", "/nonexistent/file"])
        .error(1);
    assert_eq!(error["code"], "output");
    alice.run(&["export", "nobody"]).error(3);
}

#[test]
fn a_draft_is_kept_until_it_is_sent() {
    let (mut alice, mut bob) = (person("alice"), person("bob"));
    meet(&mut alice, &mut bob);
    let none = alice.run(&["draft", "bob"]).ok();
    assert_eq!(
        (&none["text"], &none["kept_at"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(
        alice.run(&["draft", "bob", "--send"]).error(3)["code"],
        "no_draft"
    );
    alice.run(&["draft", "bob", "so far"]).ok();
    let kept = run_with(
        alice.command(["--json", "draft", "bob", "-"]),
        b"what I\nmean\n",
    );
    assert_eq!(kept.ok()["text"], "what I\nmean");
    alice.kill();
    alice.up();
    let kept = alice.run(&["draft", "bob"]).ok();
    assert_eq!(kept["text"], "what I\nmean");
    assert_eq!(alice.run(&["contacts"]).ok()["draft"], "what I\nmean");
    assert!(messages(&bob, "alice").is_empty());

    // What cannot be sent stays.
    alice.run(&["block", "bob"]).ok();
    alice.run(&["draft", "bob", "--send"]).error(8);
    assert_eq!(alice.run(&["contacts"]).ok()["draft"], "what I\nmean");
    alice.run(&["accept", "bob"]).ok();

    let path = "/v1/contacts/bob/draft/send";
    let sent = alice.ask("POST", path, "once", &json!({})).unwrap();
    assert_eq!(sent.status, 201, "{sent:?}");
    let again = alice.ask("POST", path, "once", &json!({})).unwrap();
    assert_eq!(again.body, sent.body);
    assert_eq!(alice.run(&["contacts"]).ok()["draft"], Value::Null);
    until("it is there", || messages(&bob, "alice").len() == 1);
    assert_eq!(messages(&bob, "alice")[0]["text"], "what I\nmean");

    alice.run(&["draft", "bob", "another"]).ok();
    let done = alice.run(&["draft", "bob", "--clear"]).ok();
    assert_eq!(done["text"], Value::Null);
    alice.run(&["draft", "bob", ""]).error(2);
    alice.run(&["draft", "nobody", "x"]).error(3);
    let long = "x".repeat(32 * 1024 + 1);
    let said = run_with(
        alice.command(["--json", "draft", "bob", "-"]),
        long.as_bytes(),
    );
    said.error(8);

    // In a chat, too: kept in one, sent from the next.
    let said = run_with(
        alice.command(["chat", "bob"]),
        b"/draft for later\n/draft\n",
    );
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.err.contains("for later"), "{said:?}");
    let said = run_with(alice.command(["chat", "bob"]), b"/send\n");
    assert!(said.err.contains("Kept, not sent: for later"), "{said:?}");
    until("it is there", || messages(&bob, "alice").len() == 2);
    assert_eq!(alice.run(&["contacts"]).ok()["draft"], Value::Null);
}
