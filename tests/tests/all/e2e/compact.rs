//! Compacting the database of a node that runs, of one that is killed in the middle of it, and of one
//! that does not run.

use super::{introduce, is_full, meet, messages, person, say, until_delivered};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use waxwing_tests::process::{Person, until};

/// Texts long enough that a few hundred of them fill some megabytes.
fn long(n: usize) -> String {
    format!("text {n} {}", "waxwing ".repeat(900))
}

fn ids(person: &Person, with: &str) -> BTreeSet<String> {
    let list = messages(person, with);
    let here = list.iter().filter(|m| m["state"] != "deleted");
    here.map(|m| m["id"].as_str().unwrap().to_owned()).collect()
}

fn delete(person: &Person, id: &str) {
    let path = format!("/v1/messages/{id}/delete");
    let answer = person.ask("POST", &path, "", &json!({})).unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
}

fn figure(line: &Value, key: &str) -> u64 {
    line[key]
        .as_u64()
        .unwrap_or_else(|| panic!("{key} in {line}"))
}

#[test]
fn a_node_answers_on_and_ends_smaller() {
    let (mut alice, mut bob) = (person("alice"), person("bob"));
    meet(&mut alice, &mut bob);
    let mut kept = BTreeSet::new();
    for n in 0..200 {
        let id = say(&alice, "bob", &long(n));
        if n % 4 == 0 {
            kept.insert(id);
        } else {
            delete(&alice, &id);
        }
    }
    let running = alice.command(["--json", "compact"]).spawn().unwrap();
    // Asked at once what everybody asks a node all the time.
    for n in 0..20 {
        let id = say(&alice, "bob", &format!("meanwhile {n}"));
        kept.insert(id.clone());
        until_delivered(&alice, &id);
    }
    let said = waxwing_tests::process::finish(running);
    let line = said.ok();
    assert!(
        figure(&line, "after_bytes") < figure(&line, "before_bytes"),
        "{line}"
    );
    assert!(line["took_ms"].is_u64(), "{line}");
    assert_eq!(line.as_object().unwrap().len(), 3, "{line}");
    let last = say(&alice, "bob", "afterwards");
    until_delivered(&alice, &last);
    kept.insert(last);
    assert_eq!(ids(&alice, "bob"), kept);
    until("bob has them too", || ids(&bob, "alice") == kept);

    // The same again, with nobody there.
    assert_eq!(alice.stop().code(), Some(0));
    let line = alice.run(&["compact"]).ok();
    assert!(line["after_bytes"].is_u64(), "{line}");
    assert!(!alice.home().join("db.whole").exists());
    alice.up();
    assert_eq!(ids(&alice, "bob"), kept);
    let nowhere = person("carol").run(&["compact"]);
    assert_eq!(nowhere.error(5)["code"], "no_node");
}

#[test]
fn killed_in_the_middle_of_it_nothing_accepted_is_lost() {
    let (mut alice, mut bob) = (person("alice"), person("bob"));
    alice.up();
    bob.up();
    introduce(&alice, &bob);
    let mut kept: BTreeSet<String> = (0..60).map(|n| say(&alice, "bob", &long(n))).collect();
    let rounds = if is_full() { 50 } else { 12 };
    for round in 0..rounds {
        let begun = alice.ask("POST", "/v1/compact", "", &json!({})).unwrap();
        assert_eq!(begun.status, 202, "{begun:?}");
        kept.insert(say(&alice, "bob", &format!("round {round}")));
        // Sooner and later in it, and after it.
        std::thread::sleep(Duration::from_millis(7 * round));
        alice.kill();
        alice.up();
        assert_eq!(ids(&alice, "bob"), kept, "round {round}");
        for left in ["db.new", "db.whole", "db.old"] {
            assert!(!alice.home().join(left).exists(), "{left}, round {round}");
        }
    }
    until("bob has them all", || ids(&bob, "alice") == kept);
}
