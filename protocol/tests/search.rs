//! Everything that was said is found, packed or not; what was taken back is found nowhere.

mod common;

use common::Dice;
use common::node::{Node, Pair, START_MS};
use rand_core::Rng;
use waxwing_protocol::feed::body::{Body, Text};
use waxwing_protocol::feed::segments;
use waxwing_protocol::feed::view::{self, MessageRow};
use waxwing_protocol::id::{Fixed, Mid};
use waxwing_protocol::identity::contact::{self, ContactNo, ContactState};
use waxwing_protocol::input::{Command, Input};
use waxwing_protocol::output::Answer;
use waxwing_protocol::query::{Hunt, MessageView, Missing, Search};
use waxwing_protocol::store::{MemoryStore, Store, Table, Tx};

fn run(store: &MemoryStore, hunt: &Hunt) -> Vec<MessageView> {
    let mut search = Search::begin(store, hunt).unwrap().unwrap();
    while !search.step(store).unwrap() {}
    search.found()
}

fn found(store: &MemoryStore, text: &str) -> Vec<String> {
    let hunt = Hunt {
        text: text.into(),
        ..Hunt::default()
    };
    let found = run(store, &hunt).into_iter();
    found.map(|m| m.text.unwrap_or_default()).collect()
}

fn rows(store: &MemoryStore, table: Table) -> usize {
    store.iter().filter(|(key, _)| key.table() == table).count()
}

/// Some row holds these bytes.
fn holds(store: &MemoryStore, text: &str) -> bool {
    let text = text.as_bytes();
    let mut values = store.iter().map(|(_, value)| value);
    values.any(|value| value.windows(text.len()).any(|part| part == text))
}

fn say(pair: &mut Pair, a: bool, text: &str) -> Mid {
    let to = if a { "bob" } else { "alice" };
    let send = Command::Send {
        to: to.into(),
        text: text.into(),
        reply_to: None,
    };
    match pair.ask(a, send).unwrap() {
        Answer::Message { id, .. } => id,
        other => panic!("{other:?}"),
    }
}

/// Time passes in which nobody says anything.
fn be_quiet(pair: &mut Pair) {
    for _ in 0..200 {
        pair.pass(500);
    }
}

#[test]
fn every_script_is_found_whatever_its_case() {
    let mut pair = Pair::new();
    pair.meet(1);
    let said = [
        "Grüße aus der STRASSE",
        "ΟΔΥΣΣΕΥΣ came home",
        "明日の会議は三時です",
        "Привет, Боб",
        "مرحبا يا بوب",
        "plain Words",
    ];
    for text in said {
        say(&mut pair, true, text);
    }
    for (needle, n) in [
        ("grüße", 0),
        ("GRÜSSE", usize::MAX),
        ("strasse", 0),
        ("οδυσσευς", 1),
        ("Οδυσσευσ", 1),
        ("会議", 2),
        ("三時", 2),
        ("пРИВЕТ", 3),
        ("بوب", 4),
        ("N wOr", 5),
    ] {
        let expected: Vec<&str> = said.get(n).copied().into_iter().collect();
        assert_eq!(found(&pair.a.store, needle), expected, "{needle}");
        assert_eq!(found(&pair.b.store, needle), expected, "{needle}");
    }
}

#[test]
fn nothing_is_packed_while_people_talk_and_everything_once_they_are_quiet() {
    let mut pair = Pair::new();
    pair.meet(1);
    for n in 0..300 {
        pair.a.now += 5;
        pair.b.now += 5;
        say(&mut pair, n % 2 == 0, &format!("word {n}"));
    }
    for node in [&pair.a, &pair.b] {
        assert_eq!(rows(&node.store, Table::Segment), 0);
        assert_eq!(found(&node.store, "WORD 29").len(), 11);
    }
    be_quiet(&mut pair);
    for node in [&pair.a, &pair.b] {
        assert!(rows(&node.store, Table::Segment) > 0);
        let row = contact::get(&node.store, 1).unwrap().unwrap();
        assert_eq!(row.packed.unwrap().fresh, 0);
        let newest = ["word 299", "word 298", "word 297"];
        assert_eq!(found(&node.store, "WORD 29")[..3], newest);
        assert_eq!(found(&node.store, "WORD 29").len(), 11);
    }
    // Nothing more to do: no job is left that would wake the node for it.
    let before = pair.a.rows().len();
    be_quiet(&mut pair);
    assert_eq!(pair.a.rows().len(), before);
}

#[test]
fn what_comes_late_is_found_before_and_after_it_is_packed() {
    let mut pair = Pair::new();
    pair.meet(1);
    pair.part();
    for n in 0..150 {
        say(&mut pair, false, &format!("from bob {n}"));
    }
    pair.a.now += 10_000;
    for n in 0..150 {
        say(&mut pair, true, &format!("from alice {n}"));
    }
    // She alone: what bob said waits with him.
    for _ in 0..40 {
        pair.a.now += 500;
        pair.a.step(Input::Wake);
    }
    assert!(rows(&pair.a.store, Table::Segment) > 0);
    pair.join();
    pair.settle();
    assert!(rows(&pair.a.store, Table::Unpacked) >= 100);
    assert_eq!(found(&pair.a.store, "bob 14").len(), 11);
    assert_eq!(found(&pair.a.store, "From ").len(), 50);
    be_quiet(&mut pair);
    assert_eq!(rows(&pair.a.store, Table::Unpacked), 0);
    assert_eq!(found(&pair.a.store, "bob 14").len(), 11);
}

#[test]
fn what_was_edited_or_deleted_stands_in_no_row() {
    let mut pair = Pair::new();
    pair.meet(1);
    let mut ids = Vec::new();
    for n in 0..200 {
        pair.a.now += 5;
        pair.b.now += 5;
        ids.push(say(&mut pair, n % 2 == 0, &format!("planted {n:03} word")));
    }
    be_quiet(&mut pair);
    for side in [true, false] {
        assert!(holds(&pair.node(side).store, "planted 040 word"));
    }
    let (of, text) = (ids[40], "another text".to_owned());
    pair.ask(true, Command::Edit { of, text }).unwrap();
    pair.ask(false, Command::Delete { of: ids[41] }).unwrap();
    for side in [true, false] {
        let store = &pair.node(side).store;
        for gone in ["planted 040 word", "planted 041 word"] {
            assert!(!holds(store, gone), "{gone}");
            assert!(found(store, gone).is_empty());
        }
        assert_eq!(found(store, "ANOTHER"), ["another text"]);
        assert_eq!(found(store, "planted 042").len(), 1);
    }
}

#[test]
fn a_home_that_was_never_packed_is_packed_after_its_start() {
    let mut pair = Pair::new();
    pair.meet(1);
    for n in 0..40 {
        say(&mut pair, true, &format!("word {n}"));
    }
    let mut tx = Tx::new(&pair.a.store);
    let mut row = contact::get(&tx, 1).unwrap().unwrap();
    row.packed = None;
    contact::put(&mut tx, &row);
    let batch = tx.into_batch();
    pair.a.store.apply(batch).unwrap();
    assert_eq!(found(&pair.a.store, "word 1").len(), 11);
    pair.a.now += 1_000;
    pair.a.step(Input::Start { listen: Vec::new() });
    for _ in 0..10 {
        pair.a.now += 1_000;
        pair.a.step(Input::Wake);
    }
    assert_eq!(rows(&pair.a.store, Table::Segment), 1);
    assert_eq!(found(&pair.a.store, "word 1").len(), 11);
}

/// A home in which messages are put where they are wanted.
struct Shelf {
    node: Node,
    said: Vec<(ContactNo, Mid, Vec<u8>, String)>,
    dice: Dice,
}

impl Shelf {
    fn new(seed: u64) -> Self {
        let mut node = Node::new(seed, "alice");
        let mut tx = Tx::new(&node.store);
        for n in 1..=3u8 {
            let state = ContactState::Connected;
            let name = ["", "bob", "carol", "dave"][usize::from(n)];
            contact::add(
                &mut tx,
                Fixed([n; 32]),
                Fixed([n; 32]),
                name,
                state,
                START_MS,
            )
            .unwrap();
        }
        let batch = tx.into_batch();
        node.store.apply(batch).unwrap();
        Self {
            node,
            said: Vec::new(),
            dice: Dice(seed),
        }
    }

    fn below(&mut self, n: u64) -> u64 {
        self.dice.next_u64() % n
    }

    fn text(&mut self) -> String {
        let word = ["apple", "Pear", "PLUM", "Birne", "桃"][self.below(5) as usize];
        let long = "x".repeat(self.below(6_000) as usize);
        format!("{long} {word} {}", self.below(1_000))
    }

    fn act(&mut self) {
        let no = 1 + u32::try_from(self.below(3)).unwrap();
        let own = waxwing_protocol::query::me(&self.node.store)
            .unwrap()
            .unwrap()
            .account;
        let what = self.below(20);
        let text = self.text();
        let at = self.below(self.said.len().max(1) as u64) as usize;
        let (messages, bytes) = (
            1 + self.below(80) as usize,
            1 + self.below(200_000) as usize,
        );
        let clock = START_MS + self.below(2_000);
        let mid = Mid::random(&mut self.dice);
        let mut tx = Tx::new(&self.node.store);
        let mut row = contact::must(&tx, no).unwrap();
        let body = |text: &str| {
            let text = text.to_owned();
            Body::Text(Text {
                text,
                reply_to: None,
            })
            .to_typed()
        };
        match what {
            0..14 => {
                let new = MessageRow::new(mid, what.is_multiple_of(2), body(&text), clock, clock);
                let placed = view::insert(&mut tx, &mut row, &own, new).unwrap();
                self.said.push((no, mid, placed.unwrap().0, text));
            }
            14..16 => {
                segments::pack(&mut tx, &mut row, messages, bytes).unwrap();
            }
            _ if self.said.is_empty() => {}
            16..18 => {
                let (no, _, order, old) = &mut self.said[at];
                row = contact::must(&tx, *no).unwrap();
                let mut message = view::get(&tx, *no, order).unwrap().unwrap();
                message.body = body(&text);
                view::put(&mut tx, *no, order, &message);
                let folded = segments::text_of(&message);
                segments::replace(&mut tx, &row, order, folded.as_deref()).unwrap();
                *old = text;
            }
            _ => {
                let (no, _, order, _) = self.said.swap_remove(at);
                row = contact::must(&tx, no).unwrap();
                let mut message = view::get(&tx, no, &order).unwrap().unwrap();
                view::forget(&mut tx, &mut row, &order, &mut message).unwrap();
            }
        }
        contact::put(&mut tx, &row);
        let batch = tx.into_batch();
        self.node.store.apply(batch).unwrap();
    }

    /// What ought to be found, newest first, by looking at everything.
    fn expected(&self, needle: &str) -> Vec<(Vec<u8>, ContactNo, Mid)> {
        let needle = needle.to_lowercase();
        let has = |text: &str| text.to_lowercase().contains(&needle);
        let mut hits: Vec<_> = self
            .said
            .iter()
            .filter(|(.., text)| has(text))
            .map(|(no, mid, order, _)| (order.clone(), *no, *mid))
            .collect();
        hits.sort_by(|a, b| b.cmp(a));
        hits
    }

    fn check(&self) {
        for needle in ["pear", "BIRNE", "桃", " 7", "nowhere"] {
            let all = self.expected(needle);
            let mids: Vec<Mid> = all.iter().map(|hit| hit.2).collect();
            for limit in [3, 10_000] {
                // Page by page, to the end.
                let mut seen = Vec::new();
                let mut before = None;
                loop {
                    let hunt = Hunt {
                        text: needle.into(),
                        contact: None,
                        limit,
                        before,
                    };
                    let page = run(&self.node.store, &hunt);
                    seen.extend(page.iter().map(|m| m.id));
                    before = page.last().map(|m| m.id);
                    if page.len() < limit || seen.len() > 30 {
                        break;
                    }
                }
                assert_eq!(seen, mids[..seen.len()], "{needle}, {limit} a page");
                assert!(seen.len() == mids.len() || seen.len() > 30);
            }
            let hunt = Hunt {
                text: needle.into(),
                contact: Some("Carol".into()),
                limit: 10_000,
                before: None,
            };
            let carols: Vec<Mid> = all.iter().filter(|h| h.1 == 2).map(|h| h.2).collect();
            let page: Vec<Mid> = run(&self.node.store, &hunt).iter().map(|m| m.id).collect();
            assert_eq!(page, carols, "{needle} with carol");
        }
    }
}

#[test]
fn a_search_finds_what_looking_at_everything_finds() {
    for seed in 1..=4 {
        let mut shelf = Shelf::new(seed);
        for round in 0..900 {
            shelf.act();
            if round % 150 == 149 {
                shelf.check();
            }
        }
        assert!(
            rows(&shelf.node.store, Table::Segment) > 9,
            "segments were filled"
        );
    }
}

#[test]
fn packing_between_two_slices_hides_nothing() {
    let mut shelf = Shelf::new(9);
    while shelf.said.len() < 500 {
        shelf.act();
    }
    let expected: Vec<Mid> = shelf.expected("e").iter().map(|hit| hit.2).collect();
    let hunt = Hunt {
        text: "e".into(),
        limit: 10_000,
        ..Hunt::default()
    };
    let mut search = Search::begin(&shelf.node.store, &hunt).unwrap().unwrap();
    let mut slices = 1;
    while !search.step(&shelf.node.store).unwrap() {
        slices += 1;
        let mut tx = Tx::new(&shelf.node.store);
        for no in 1..=3 {
            let mut row = contact::must(&tx, no).unwrap();
            segments::pack(&mut tx, &mut row, 40, usize::MAX).unwrap();
            contact::put(&mut tx, &row);
        }
        let batch = tx.into_batch();
        shelf.node.store.apply(batch).unwrap();
    }
    assert!(slices > 3, "{slices}");
    let found: Vec<Mid> = search.found().iter().map(|m| m.id).collect();
    assert_eq!(found, expected);
}

#[test]
fn who_or_what_is_not_there_is_said() {
    let shelf = Shelf::new(3);
    let hunt = Hunt {
        text: "x".into(),
        contact: Some("nobody".into()),
        ..Hunt::default()
    };
    let begun = Search::begin(&shelf.node.store, &hunt).unwrap();
    assert_eq!(begun.err(), Some(Missing::Contact));
    let hunt = Hunt {
        text: "x".into(),
        before: Some(Fixed([7; 16])),
        ..Hunt::default()
    };
    let begun = Search::begin(&shelf.node.store, &hunt).unwrap();
    assert_eq!(begun.err(), Some(Missing::Message));
}
