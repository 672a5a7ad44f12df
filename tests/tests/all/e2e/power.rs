//! A node whose disk loses its power again and again, while both people talk. Needs root, for a
//! disk of its own.

use super::{is_full, meet, messages, person};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use waxwing_tests::cut::disk::Disk;
use waxwing_tests::dice::{Dice, Purpose};
use waxwing_tests::process::{Person, ask, until};

/// When the cuts come; `SEED=n` draws other times.
const SEED: u64 = 7;
/// Both talk for so many milliseconds.
const LIFE_MS: (u64, u64) = (0, 500);
/// Between two messages of one person: the conversation stays small.
const PAUSE: Duration = Duration::from_millis(10);

/// Sends messages until told to stop. Gives the ids of those that were accepted.
fn talk(socket: PathBuf, to: &str, stop: &Arc<AtomicBool>) -> JoinHandle<Vec<String>> {
    let path = format!("/v1/contacts/{to}/messages");
    let stop = Arc::clone(stop);
    thread::spawn(move || {
        let mut ids = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let wish = json!({ "text": "is it dark where you are?" });
            // Whoever has no power accepts nothing.
            if let Ok(answer) = ask(&socket, "POST", &path, "", &wish)
                && answer.status == 201
            {
                ids.push(answer.body["id"].as_str().unwrap().to_owned());
            }
            thread::sleep(PAUSE);
        }
        ids
    })
}

/// Ids of a conversation, each there once.
fn ids(person: &Person, with: &str) -> BTreeSet<String> {
    let list = messages(person, with);
    let ids: BTreeSet<String> = list
        .iter()
        .map(|message| message["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids.len(), list.len(), "a message is shown twice");
    ids
}

#[test]
fn a_node_without_power_has_lost_nothing_accepted_or_receipted() {
    // Before the people: it goes after them.
    let Some(disk) = Disk::mount().unwrap() else {
        return;
    };
    let seed = std::env::var("SEED")
        .ok()
        .and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or(SEED);
    let rounds = if is_full() { 30 } else { 3 };
    let (mut alice, mut bob) = (person("alice"), person("bob"));
    alice.move_to(disk.path().join("home"));
    meet(&mut alice, &mut bob);
    let (mut hers, mut his) = (BTreeSet::new(), BTreeSet::new());
    let mut receipted = 0;
    for round in 0..rounds {
        let mut dice = Dice::new(seed, Purpose::Shell, round, 0);
        let stop = Arc::default();
        let talks = [
            talk(alice.socket(), "bob", &stop),
            talk(bob.socket(), "alice", &stop),
        ];
        let cutter = disk.cutter().unwrap();
        thread::sleep(Duration::from_millis(dice.between(LIFE_MS)));
        let cut = cutter.blackout(|| {
            alice.kill();
            Ok(())
        });
        stop.store(true, Ordering::Relaxed);
        let [of_alice, of_bob] = talks.map(|talk| talk.join().unwrap());
        cut.unwrap();
        hers.extend(of_alice);
        his.extend(of_bob);
        // What bob's node holds for delivered rests on a receipt of hers.
        let delivered: BTreeSet<String> = messages(&bob, "alice")
            .iter()
            .filter(|message| {
                message["mine"] == true
                    && message["state"] != "queued"
                    && message["state"] != "sent"
            })
            .map(|message| message["id"].as_str().unwrap().to_owned())
            .collect();
        receipted = delivered.len();
        // A node whose disk fails says so, rightly.
        alice.forget_log();
        alice.up();
        let there = ids(&alice, "bob");
        let lost: Vec<&String> = hers
            .iter()
            .chain(&delivered)
            .filter(|id| !there.contains(*id))
            .collect();
        assert!(lost.is_empty(), "seed {seed}, round {round}: {lost:?}");
    }
    let all = hers.len() + his.len();
    let settled = |person: &Person, other| {
        let list = messages(person, other);
        let open = |state: &str| state == "queued" || state == "sent";
        list.len() >= all
            && !list
                .iter()
                .any(|message| open(message["state"].as_str().unwrap_or("")))
    };
    until("everything is delivered", || {
        settled(&alice, "bob") && settled(&bob, "alice")
    });
    let order = |person, other| -> Vec<String> {
        let list = messages(person, other);
        list.iter()
            .map(|message| message["id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(order(&alice, "bob"), order(&bob, "alice"));
    eprintln!(
        "{rounds} cuts, seed {seed}: {} accepted by her node, {} by his, {receipted} receipted by hers before the last cut",
        hers.len(),
        his.len()
    );
}
