//! Seeded storms: loss, reordering, duplicates, crashes, forgeries, days passing.

use super::side::{Fate, START, Side, Used, header, session};
use crate::common::Dice;
use std::collections::BTreeSet;
use waxwing_protocol::limits::{PQ_EVERY_MS, PQ_LETTERS};
use waxwing_protocol::session::Letter;
use waxwing_protocol::session::ratchet::OpenError;

/// A letter on its way.
#[derive(Clone)]
struct Flying {
    to_a: bool,
    text: Vec<u8>,
    letter: Letter,
}

struct Storm {
    a: Side,
    b: Side,
    now: u64,
    dice: Dice,
    flying: Vec<Flying>,
    used: Used,
    opened: BTreeSet<Vec<u8>>,
    sent: u32,
    proposals: u32,
    answers: u32,
}

impl Storm {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let (a, b) = session(&mut dice);
        Self {
            a,
            b,
            now: START,
            dice,
            flying: vec![],
            used: Used::default(),
            opened: BTreeSet::new(),
            sent: 0,
            proposals: 0,
            answers: 0,
        }
    }

    fn side(&mut self, a: bool) -> &mut Side {
        if a { &mut self.a } else { &mut self.b }
    }

    /// Seals a letter and checks what it shows of ML-KEM against the schedule.
    fn seal(&mut self, a: bool) {
        let now = self.now;
        let before = self.side(a).row();
        if before.cks.is_none() && before.dhr.is_none() {
            return; // B, before the first letter.
        }
        let text = format!("{} {}", if a { "alice" } else { "bob" }, self.sent).into_bytes();
        self.sent += 1;
        let mut dice = self.dice.clone();
        let letter = self.side(a).seal(&text, now, &mut dice);
        self.dice = dice;
        self.used.note(&before, &letter);
        let head = header(&letter);
        assert!(head.ct.is_none() || head.ek.is_none(), "fields 5 and 6");
        if before.cks.is_none() {
            let due =
                before.since >= PQ_LETTERS || now.saturating_sub(before.last_pq) >= PQ_EVERY_MS;
            assert_eq!(head.ct.is_some(), before.ek_r.is_some(), "answers at once");
            let proposes = before.ek_r.is_none() && before.dk.is_none() && due;
            assert_eq!(head.ek.is_some(), proposes, "proposes on schedule");
            self.proposals += u32::from(proposes);
            self.answers += u32::from(head.ct.is_some());
            assert_eq!(head.n, 0);
        } else {
            assert_eq!((head.ct, head.ek), (before.chain_ct, before.chain_ek));
        }
        self.flying.push(Flying {
            to_a: !a,
            text,
            letter,
        });
    }

    fn deliver(&mut self, flying: &Flying) {
        let now = self.now;
        let known = self.opened.contains(&flying.text);
        match self.side(flying.to_a).hear(&flying.letter, now) {
            Fate::Opened(text) => {
                assert_eq!(text, flying.text);
                assert!(self.opened.insert(text), "opened twice");
            }
            Fate::Duplicate => assert!(known),
            other => panic!("{other:?}"),
        }
    }

    /// A random letter out of those that fly, perhaps left there to come again.
    fn pick(&mut self, keep_one_in: u64) -> Option<Flying> {
        if self.flying.is_empty() {
            return None;
        }
        let at = self.dice.below(self.flying.len() as u64) as usize;
        Some(if self.dice.one_in(keep_one_in) {
            self.flying[at].clone()
        } else {
            self.flying.swap_remove(at)
        })
    }

    /// The disk after a forgery is the disk before it.
    fn forge(&mut self) {
        let Some(mut flying) = self.pick(1) else {
            return;
        };
        let letter = &mut flying.letter;
        let part = if self.dice.one_in(2) {
            &mut letter.hdr.0
        } else {
            &mut letter.ct.0
        };
        let at = self.dice.below(part.len() as u64) as usize;
        part[at] ^= 1 << self.dice.below(8);
        let now = self.now;
        let side = self.side(flying.to_a);
        let (fate, batch) = side.consider(&flying.letter, now);
        match fate {
            // The number may now lie beyond the limit: only the time of that is noted.
            Fate::Refused(OpenError::NotYet) => {}
            Fate::Refused(_) => assert!(batch.is_none()),
            other => panic!("a forgery: {other:?}"),
        }
    }

    /// A letter is opened and sealed for, and the machine stops before or after the disk has it.
    fn crash(&mut self) {
        let a = self.dice.one_in(2);
        let now = self.now;
        if let Some(flying) = self.pick(1).filter(|f| f.to_a == a) {
            // Before: nothing was kept, the letter comes again later.
            let side = self.side(a);
            let rows: Vec<_> = side
                .store
                .iter()
                .map(|(k, v)| (k.clone(), v.to_vec()))
                .collect();
            let _ = side.consider(&flying.letter, now);
            let after: Vec<_> = side
                .store
                .iter()
                .map(|(k, v)| (k.clone(), v.to_vec()))
                .collect();
            assert!(rows == after);
        }
        let before = self.side(a).row();
        if before.dhr.is_none() {
            return;
        }
        if self.dice.one_in(2) {
            // Sealed, not durable, never sent: the next one takes its place.
            let mut dice = self.dice.clone();
            let mut row = before.clone();
            row.seal(b"lost with the crash", now, &mut dice).unwrap();
            self.dice = dice;
        } else {
            // Durable, never sent: a number is left out for good.
            self.seal(a);
            self.flying.pop();
        }
    }

    fn step(&mut self) {
        match self.dice.below(100) {
            0..=29 => self.seal(true),
            30..=54 => self.seal(false),
            55..=79 => {
                if let Some(flying) = self.pick(6) {
                    self.deliver(&flying);
                }
            }
            80..=84 => {
                self.pick(u64::MAX);
            }
            85..=92 => self.forge(),
            93..=97 => self.crash(),
            _ => self.now += self.dice.below(10 * 3_600_000),
        }
        self.now += self.dice.below(1_000);
    }
}

#[test]
fn letters_survive_storms() {
    let (mut opened, mut proposals, mut answers) = (0, 0, 0);
    for seed in 0..24 {
        let mut storm = Storm::new(seed);
        storm.seal(true);
        let first = storm.flying[0].clone();
        storm.deliver(&first);
        for _ in 0..400 {
            storm.step();
        }
        while !storm.flying.is_empty() {
            let flying = storm.pick(u64::MAX).unwrap();
            storm.deliver(&flying);
        }
        opened += storm.opened.len();
        proposals += storm.proposals;
        answers += storm.answers;
        // And it still works both ways.
        for a in [true, false, true] {
            storm.seal(a);
            let last = storm.flying.pop().unwrap();
            storm.deliver(&last);
        }
    }
    assert!(opened > 2_000, "{opened}");
    assert!(proposals > 20 && answers > 20, "{proposals} {answers}");
}

#[test]
fn a_restored_old_copy_repeats_no_key_and_is_found_out() {
    for seed in 0..16 {
        let mut storm = Storm::new(1_000 + seed);
        storm.seal(true);
        for _ in 0..10 {
            let flying = storm.flying.pop().unwrap();
            storm.deliver(&flying);
            let a = flying.to_a;
            storm.seal(a);
        }
        storm.flying.clear();
        let old = storm.a.clone();
        // Letters of both sides that the copy will not know of.
        for a in [true, true, false, true] {
            storm.seal(a);
            let flying = storm.flying.pop().unwrap();
            storm.deliver(&flying);
        }
        storm.a = old;
        let mut troubles = 0;
        for _ in 0..4 {
            storm.seal(true);
            let flying = storm.flying.pop().unwrap();
            let now = storm.now;
            match storm.b.hear(&flying.letter, now) {
                Fate::Refused(OpenError::Used | OpenError::Broken) => troubles += 1,
                Fate::Opened(text) => assert_eq!(text, flying.text),
                other => panic!("{other:?}"),
            }
        }
        assert!(troubles > 0, "seed {seed}");
    }
}
