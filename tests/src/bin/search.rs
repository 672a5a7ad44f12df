//! `search`: how long `waxwing search` takes on a real node with many messages, and what others
//! notice of it. Figures stand in `docs/benchmarks.md`.

use serde_json::{Value, json};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use waxwing_protocol::id::to_base32;
use waxwing_protocol::limits::IMPORT_MAX;
use waxwing_tests::process::{Person, Transports, ask, until};

const USAGE: &str = "usage: search [--messages N] [--runs N]";
/// Words of the texts: enough of them that a text is found by chance once in a while.
const WORDS: [&str; 16] = [
    "about", "Before", "candle", "dinner", "evening", "friday", "garden", "Harbour", "island",
    "journey", "kitchen", "letter", "mountain", "November", "orchard", "postcard",
];
/// Bytes of a text, about.
const TEXT_BYTES: usize = 200;
/// Messages to a conversation: as many contacts as that takes are made.
const CONVERSATION: usize = 25_000;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    // The nodes are this program too: what is measured is what was built.
    if args.first().is_some_and(|word| word == "up") {
        return waxwing::run(std::env::args_os());
    }
    let (mut messages, mut runs) = (100_000, 100);
    for pair in args.chunks(2) {
        match pair {
            [flag, n] if flag == "--messages" => messages = n.parse().unwrap_or(messages),
            [flag, n] if flag == "--runs" => runs = n.parse().unwrap_or(runs),
            _ => {
                eprintln!("{USAGE}");
                return ExitCode::from(2);
            }
        }
    }
    measure(messages, runs);
    ExitCode::SUCCESS
}

fn text(n: usize) -> String {
    let mut seed = n as u64;
    let mut text = format!("number {n:07}");
    while text.len() < TEXT_BYTES {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        text.push(' ');
        text.push_str(WORDS[(seed >> 60) as usize]);
    }
    text
}

fn measure(messages: usize, runs: usize) {
    let program = std::env::current_exe().expect("this program");
    let mut alice = Person::new(&program, "alice", Transports::Tcp);
    alice.up();
    let mut from = 0;
    let began = Instant::now();
    let mut others = Vec::new();
    while from < messages {
        let name = format!("bob{}", others.len());
        let mut bob = Person::new(&program, &name, Transports::Tcp);
        bob.up();
        let invite = alice
            .ask("POST", "/v1/invites", "", &json!({}))
            .expect("a node");
        let wish = json!({ "link": invite.body["link"] });
        bob.ask("POST", "/v1/contacts", "", &wish).expect("a node");
        let path = format!("/v1/contacts/{name}");
        until("they know each other", || {
            alice
                .ask("GET", &path, "", &Value::Null)
                .is_ok_and(|it| it.body["state"] == "connected")
        });
        let upto = messages.min(from + CONVERSATION);
        fill(&alice, &name, from..upto);
        from = upto;
        bob.kill();
        others.push(bob);
    }
    println!(
        "{messages} messages with {} contacts taken in, {:.0} a second",
        others.len(),
        messages as f64 / began.elapsed().as_secs_f64()
    );
    let oldest = "number 0000000";
    let (ms, _) = once(&alice, oldest, 50);
    println!("not packed yet: {ms:.1} ms");
    // Packing waits for quiet and cannot be asked about: it is over when nothing gets faster.
    let mut last = f64::MAX;
    let packing = Instant::now();
    loop {
        std::thread::sleep(Duration::from_secs(4));
        let (ms, _) = once(&alice, oldest, 50);
        if (ms > last * 0.9 && ms < last * 1.5 && packing.elapsed().as_secs() > 12)
            || packing.elapsed().as_secs() > 180
        {
            break;
        }
        last = ms;
    }
    alice.kill();
    alice.up();
    std::thread::sleep(Duration::from_secs(3));
    let first = once(&alice, oldest, 50).0;
    println!("first search after a start: {first:.1} ms");
    row(
        "an answer of the API (floor)",
        times(runs, || ask_id(&alice)),
    );
    for (what, needle, limit, found) in [
        ("nothing to find", "no such words", 50, 0),
        ("the oldest message", oldest, 50, 1),
        ("a frequent word, newest 50", "NOVEMBER", 50, 50),
        ("two words, newest 10,000", "friday garden", 10_000, 1),
    ] {
        let all = times(runs, || {
            let (ms, count) = once(&alice, needle, limit);
            assert!(count >= found, "{needle}: {count}");
            ms
        });
        row(what, all);
    }
    let done = AtomicBool::new(false);
    let waits = std::thread::scope(|scope| {
        let searching = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                once(&alice, "no such words", 50);
            }
        });
        let waits = times(runs, || ask_id(&alice));
        done.store(true, Ordering::Relaxed);
        searching.join().expect("searches");
        waits
    });
    row("an answer while another search runs", waits);
}

/// Puts messages into a conversation.
fn fill(person: &Person, name: &str, numbers: std::ops::Range<usize>) {
    let path = format!("/v1/contacts/{name}/history");
    let all: Vec<usize> = numbers.collect();
    for batch in all.chunks(IMPORT_MAX) {
        let messages: Vec<Value> = batch
            .iter()
            .map(|n| {
                let mut id = [0; 16];
                id[..8].copy_from_slice(&(*n as u64).to_be_bytes());
                json!({
                    "id": to_base32(&id), "mine": n % 2 == 0,
                    "clock": 1_700_000_000_000_u64 + 1_000 * *n as u64, "text": text(*n)
                })
            })
            .collect();
        let answer = person.ask("POST", &path, "", &json!({ "messages": messages }));
        let answer = answer.expect("a node");
        assert_eq!(answer.body["added"], batch.len(), "{answer:?}");
    }
}

/// One search: milliseconds, and how many were found.
fn once(person: &Person, needle: &str, limit: usize) -> (f64, usize) {
    let path = format!(
        "/v1/search?limit={limit}&text={}",
        needle.replace(' ', "%20")
    );
    let began = Instant::now();
    let answer = ask(&person.socket(), "GET", &path, "", &Value::Null).expect("a node");
    let ms = began.elapsed().as_secs_f64() * 1_000.0;
    assert_eq!(answer.status, 200, "{answer:?}");
    (ms, answer.body["messages"].as_array().map_or(0, Vec::len))
}

/// Something small that only the engine's thread can answer.
fn ask_id(person: &Person) -> f64 {
    let began = Instant::now();
    let answer = ask(&person.socket(), "GET", "/v1/id", "", &Value::Null).expect("a node");
    assert_eq!(answer.status, 200);
    began.elapsed().as_secs_f64() * 1_000.0
}

fn times(runs: usize, mut run: impl FnMut() -> f64) -> Vec<f64> {
    let mut all: Vec<f64> = (0..runs).map(|_| run()).collect();
    all.sort_by(f64::total_cmp);
    all
}

fn row(what: &str, all: Vec<f64>) {
    let at = |share: f64| all[((all.len() - 1) as f64 * share) as usize];
    println!(
        "{what}: p50 {:.2} ms, p95 {:.2} ms, least {:.2} ms, most {:.2} ms",
        at(0.5),
        at(0.95),
        at(0.0),
        at(1.0)
    );
}
