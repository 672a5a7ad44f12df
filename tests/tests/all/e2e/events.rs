//! The change log: a client that goes on from its cursor misses nothing and hears nothing twice.

use super::{meet, person, say, until_delivered};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::time::Duration;
use waxwing_tests::http::Events;
use waxwing_tests::process::{Person, finish, signal, until};

/// A stream that says nothing for so long has said everything.
const SILENCE: Duration = Duration::from_secs(2);

fn cursor(event: &Value) -> u64 {
    event["cursor"].as_u64().unwrap()
}

fn newest(person: &Person) -> u64 {
    cursor(&person.get("/v1/status"))
}

/// The log from a cursor to a cursor, both told by a node that is at rest there.
fn log(person: &Person, after: u64, upto: u64) -> Vec<Value> {
    let events = Events::open(&person.socket(), after, SILENCE).unwrap();
    let mut log = Vec::new();
    for event in events {
        let done = cursor(&event) >= upto;
        log.push(event);
        if done {
            break;
        }
    }
    log
}

fn exchange(alice: &Person, bob: &Person, word: &str) {
    for n in 0..5 {
        let id = say(alice, "bob", &format!("{word} from alice {n}"));
        until_delivered(alice, &id);
        let id = say(bob, "alice", &format!("{word} from bob {n}"));
        until_delivered(bob, &id);
    }
}

/// Nothing has changed for a while: all receipts are in.
fn at_rest(person: &Person) -> u64 {
    let mut last = newest(person);
    loop {
        std::thread::sleep(Duration::from_millis(300));
        let now = newest(person);
        if now == last {
            return now;
        }
        last = now;
    }
}

fn assert_gapless(events: &[Value], after: u64, upto: u64) {
    let cursors: Vec<u64> = events.iter().map(cursor).collect();
    assert!(cursors.is_sorted_by(|a, b| a < b), "{cursors:?}");
    assert!(cursors.iter().all(|c| (after + 1..=upto).contains(c)));
    assert_eq!(cursors.last(), Some(&upto));
}

#[test]
fn cursors_survive_restarts_without_gap_or_repetition() {
    let (mut alice, mut bob) = (person("alice"), person("bob"));
    meet(&mut alice, &mut bob);
    let begin = at_rest(&alice);
    // Heard live, in pieces cut by ends of the node, each begun where the last one ended.
    let mut heard: Vec<Value> = Vec::new();
    for (round, gracefully) in [true, false, false].into_iter().enumerate() {
        let from = heard.last().map_or(begin, cursor);
        let live = Events::open(&alice.socket(), from, SILENCE).unwrap();
        let listening = std::thread::spawn(move || live.collect::<Vec<Value>>());
        exchange(&alice, &bob, &format!("round {round}"));
        if gracefully {
            assert_eq!(alice.stop().code(), Some(0));
        } else {
            alice.kill();
        }
        heard.extend(listening.join().unwrap());
        let missed = say(&bob, "alice", &format!("missed {round}"));
        alice.up();
        until_delivered(&bob, &missed);
        until("they are connected again", || alice.reaches("bob"));
    }
    let end = at_rest(&alice);
    let from = heard.last().map_or(begin, cursor);
    heard.extend(log(&alice, from, end));
    assert_gapless(&heard, begin, end);

    let whole = log(&alice, begin, end);
    let pieces: Vec<(u64, &Value)> = heard.iter().map(|e| (cursor(e), &e["event"])).collect();
    let again: Vec<(u64, &Value)> = whole.iter().map(|e| (cursor(e), &e["event"])).collect();
    assert_eq!(pieces, again);
    for n in 0..3 {
        let text = format!("missed {n}");
        let times = heard.iter().filter(|e| e["text"] == text.as_str()).count();
        assert_eq!(times, 1, "{text}");
    }
}

#[test]
fn watch_goes_on_by_itself_while_the_node_restarts() {
    let (mut alice, mut bob) = (person("alice"), person("bob"));
    meet(&mut alice, &mut bob);
    let begin = at_rest(&alice);
    exchange(&alice, &bob, "before");
    let mut watch = alice
        .command(["watch", "--json", "--after", &begin.to_string()])
        .spawn()
        .unwrap();
    let stdout = BufReader::new(watch.stdout.take().unwrap());
    let mut lines = stdout.lines().map_while(Result::ok);
    let mut upto_text = move |text: &str| {
        let mut events: Vec<Value> = Vec::new();
        while events.last().is_none_or(|event| event["text"] != text) {
            let line = lines.next().expect("it goes on watching");
            events.push(serde_json::from_str(&line).unwrap());
        }
        events
    };
    let mut events = upto_text("before from bob 4");
    let reading = std::thread::spawn(move || upto_text("the end"));
    for _ in 0..2 {
        alice.kill();
        alice.up();
        exchange(&alice, &bob, "after a kill");
    }
    let last = say(&bob, "alice", "the end");
    until_delivered(&bob, &last);
    events.extend(reading.join().unwrap());
    signal(&watch, "INT");
    assert_eq!(finish(watch).code, 130);
    let upto = events.last().map_or(0, cursor);
    assert_gapless(&events, begin, upto);
    let whole = log(&alice, begin, upto);
    let cursors = |list: &[Value]| list.iter().map(cursor).collect::<Vec<u64>>();
    assert_eq!(cursors(&events), cursors(&whole));
}

#[test]
fn a_cursor_that_the_log_never_reached_is_told_so() {
    let mut alice = person("alice");
    alice.up();
    let beyond = (newest(&alice) + 1_000).to_string();
    let refused = alice.run(&["watch", "--after", &beyond]);
    assert_eq!(refused.error(1)["code"], "resync");
    let path = format!("/v1/events?after={beyond}");
    let answer = alice.ask("GET", &path, "", &json!(null)).unwrap();
    assert_eq!((answer.status, answer.code()), (410, "resync"));
}
