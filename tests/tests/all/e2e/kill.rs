//! Both nodes are killed again and again while both people talk.

use super::{is_full, meet, messages, person};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use waxwing_tests::dice::{Dice, Purpose};
use waxwing_tests::process::{POLL, Person, ask, until};

/// When the kills come; `SEED=n` draws other times.
const SEED: u64 = 7;
/// A node is killed so many milliseconds after it was ready.
const LIFE_MS: (u64, u64) = (10, 250);
/// Whoever killed a node leaves it so many milliseconds alone.
const PAUSE_MS: (u64, u64) = (0, 120);
/// The whole storm, however slow the machine is.
const STORM_TIME_MAX: Duration = Duration::from_secs(240);

/// One side of the storm: messages to send, and how often the node was killed.
struct Side {
    socket: PathBuf,
    to: String,
    texts: Vec<String>,
    kills: Arc<AtomicU64>,
    kills_wanted: u64,
}

impl Side {
    /// Sends everything in order, each text under its own key until it was accepted. Gives the ids.
    fn talk(self) -> Vec<String> {
        let since = Instant::now();
        let path = format!("/v1/contacts/{}/messages", self.to);
        let count = self.texts.len() as u64;
        let mut ids = Vec::new();
        for (number, text) in self.texts.iter().enumerate() {
            // Spread over all kills, so that every one of them meets messages under way.
            let due = number as u64 * self.kills_wanted / count;
            while self.kills.load(Ordering::Relaxed) < due {
                assert!(since.elapsed() < STORM_TIME_MAX, "the kills do not come");
                thread::sleep(POLL);
            }
            let wish = json!({ "text": text });
            loop {
                assert!(since.elapsed() < STORM_TIME_MAX, "{text} is not accepted");
                match ask(&self.socket, "POST", &path, text, &wish) {
                    Ok(answer) if answer.status == 201 => {
                        ids.push(answer.body["id"].as_str().unwrap().to_owned());
                        break;
                    }
                    // It is ending, or not there: it will be again.
                    Ok(answer) => assert_eq!(answer.status, 503, "{answer:?}"),
                    Err(_) => {}
                }
                thread::sleep(Duration::from_millis(5));
            }
        }
        ids
    }
}

/// Kills a node again and again, and leaves it running.
fn kill_often(mut person: Person, kills: &AtomicU64, times: u64, mut dice: Dice) -> Person {
    for _ in 0..times {
        thread::sleep(Duration::from_millis(dice.between(LIFE_MS)));
        person.kill();
        kills.fetch_add(1, Ordering::Relaxed);
        thread::sleep(Duration::from_millis(dice.between(PAUSE_MS)));
        person.up();
    }
    person
}

/// The ids of a conversation by text, each text once.
fn by_text(list: &[Value]) -> BTreeMap<String, String> {
    let mut ids = BTreeMap::new();
    for message in list {
        let (id, text) = (&message["id"], &message["text"]);
        let (id, text) = (id.as_str().unwrap(), text.as_str().unwrap());
        let before = ids.insert(text.to_owned(), id.to_owned());
        assert_eq!(before, None, "{text} is shown twice");
    }
    ids
}

fn order(list: &[Value]) -> Vec<&str> {
    list.iter()
        .map(|message| message["id"].as_str().unwrap())
        .collect()
}

fn seed() -> u64 {
    let given = std::env::var("SEED").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(SEED)
}

fn storm(count: u64, kills: u64) {
    let (mut alice, mut bob) = (person("alice"), person("bob"));
    meet(&mut alice, &mut bob);
    let since = Instant::now();
    let mut talks = Vec::new();
    let mut killers = Vec::new();
    for (number, (person, other)) in [(alice, "bob"), (bob, "alice")].into_iter().enumerate() {
        let counted = Arc::new(AtomicU64::new(0));
        let side = Side {
            socket: person.socket(),
            to: other.to_owned(),
            texts: (0..count)
                .map(|n| format!("{}-{n:04}", person.name))
                .collect(),
            kills: Arc::clone(&counted),
            kills_wanted: kills,
        };
        let dice = Dice::new(seed(), Purpose::Script, number, 0);
        talks.push(thread::spawn(move || side.talk()));
        killers.push(thread::spawn(move || {
            kill_often(person, &counted, kills, dice)
        }));
    }
    // The nodes first: their threads end and clean up also if a talk failed.
    let people: Vec<_> = killers.into_iter().map(thread::JoinHandle::join).collect();
    let ids: Vec<_> = talks.into_iter().map(thread::JoinHandle::join).collect();
    let people: Vec<Person> = people.into_iter().map(Result::unwrap).collect();
    let ids: Vec<Vec<String>> = ids.into_iter().map(Result::unwrap).collect();
    let sent = since.elapsed();
    let (alice, bob) = (&people[0], &people[1]);

    let all = 2 * usize::try_from(count).unwrap();
    let settled = |person: &Person, other| {
        let list = messages(person, other);
        let done = |message: &Value| message["state"] == "delivered" || message["state"] == "read";
        list.len() >= all && list.iter().all(done)
    };
    until("everything is delivered", || {
        settled(alice, "bob") && settled(bob, "alice")
    });
    eprintln!(
        "{count} messages each way, {kills} kills each: accepted in {sent:?}, all delivered after {:?}",
        since.elapsed()
    );

    let (hers, his) = (messages(alice, "bob"), messages(bob, "alice"));
    assert_eq!(order(&hers), order(&his), "the same order on both sides");
    let shown = by_text(&hers);
    assert_eq!(shown.len(), all);
    for (person, ids) in people.iter().zip(&ids) {
        for (n, id) in ids.iter().enumerate() {
            assert_eq!(shown.get(&format!("{}-{n:04}", person.name)), Some(id));
        }
        until("nothing waits any more", || {
            person.get("/v1/status")["outbox"] == 0
        });
    }
}

#[test]
fn nothing_accepted_is_lost_or_doubled_however_often_both_are_killed() {
    if is_full() {
        storm(1_000, 25);
    } else {
        storm(200, 5);
    }
}
