//! Letters of one session, lost, repeated, out of order and bent: each opens once and says what
//! was sealed; what was bent opens never and leaves no trace.

use super::reader::Reader;
use super::side::{Fate, START, Side, header, session};
use crate::common::Dice;
use waxwing_protocol::limits::PQ_EVERY_MS;
use waxwing_protocol::session::Letter;
use waxwing_protocol::session::ratchet::{OpenError, SessionRow};
use waxwing_protocol::time::SECOND_MS;
use waxwing_protocol::wire::codec::{Blob, decode, encode};

/// Operations of one run: more find nothing new and cost time.
const STEPS_MAX: usize = 96;

/// A letter on its way.
struct Flying {
    to_a: bool,
    letter: Letter,
    plain: Vec<u8>,
    opened: bool,
}

/// Two ends of one session, driven by the input.
pub fn letter_receive(data: &[u8]) {
    let mut choice = Reader::new(data);
    let mut dice = Dice(u64::from(choice.byte()));
    let (mut a, mut b) = session(&mut dice);
    let mut now = START;
    let mut flying: Vec<Flying> = Vec::new();
    for step in 0..STEPS_MAX {
        if choice.is_empty() {
            break;
        }
        let op = choice.byte();
        let from_a = op & 1 == 0;
        match (op >> 1) % 8 {
            0 | 1 => {
                let side = if from_a { &mut a } else { &mut b };
                if side.row().dhr.is_none() {
                    continue;
                }
                let plain = vec![op; step];
                let letter = side.seal(&plain, now, &mut dice);
                let to_a = !from_a;
                let opened = false;
                flying.push(Flying {
                    to_a,
                    letter,
                    plain,
                    opened,
                });
            }
            2..=4 => {
                let at = choice.below(flying.len());
                if let Some(one) = flying.get_mut(at) {
                    let side = if one.to_a { &mut a } else { &mut b };
                    deliver(side, one, now);
                }
            }
            5 => {
                let (at, other) = (choice.below(flying.len()), choice.below(flying.len()));
                if let Some(one) = flying.get(at) {
                    let bent = bend(&mut choice, &one.letter, &flying[other].letter);
                    let genuine = flying.iter().any(|f| f.letter == bent);
                    if !genuine {
                        let side = if one.to_a { &mut a } else { &mut b };
                        refuse(side, &bent, now);
                    }
                }
            }
            // Back to whoever sealed it.
            6 => {
                let at = choice.below(flying.len());
                if let Some(one) = flying.get(at) {
                    let side = if one.to_a { &mut b } else { &mut a };
                    refuse(side, &one.letter, now);
                }
            }
            _ => now += [1, SECOND_MS, 70 * SECOND_MS, PQ_EVERY_MS][usize::from(op >> 4) % 4],
        }
    }
    // Whatever happened, what is still on its way arrives.
    for one in flying.iter_mut().rev() {
        let side = if one.to_a { &mut a } else { &mut b };
        deliver(side, one, now);
        assert!(one.opened);
    }
}

fn deliver(side: &mut Side, one: &mut Flying, now: u64) {
    let expected = if one.opened {
        Fate::Duplicate
    } else {
        Fate::Opened(one.plain.clone())
    };
    let before = side.spares();
    assert_eq!(side.hear(&one.letter, now), expected);
    assert!(!one.opened || side.spares() == before);
    one.opened = true;
}

/// A letter that nobody sealed for this side: at most the start of a wait is noted.
fn refuse(side: &mut Side, letter: &Letter, now: u64) {
    let (before, spares) = (side.row(), side.spares());
    let fate = side.hear(letter, now);
    let after = side.row();
    match fate {
        Fate::Refused(OpenError::NotYet) => {
            let waiting = SessionRow {
                beyond_since: Some(before.beyond_since.unwrap_or(now)),
                ..before
            };
            assert_eq!(encode(&after), encode(&waiting));
        }
        Fate::Refused(OpenError::Used | OpenError::Broken) => {
            assert_eq!(encode(&after), encode(&before));
        }
        other => panic!("a bent letter: {other:?}"),
    }
    assert_eq!(side.spares(), spares);
}

/// A letter changed as the input says: in its bytes, in its header's fields, or put together from
/// two.
fn bend(choice: &mut Reader<'_>, letter: &Letter, other: &Letter) -> Letter {
    let mut bent = letter.clone();
    let mut fields = header(letter);
    match choice.byte() % 10 {
        0 => bent.hdr = Blob(choice.bend(&letter.hdr)),
        1 => bent.ct = Blob(choice.bend(&letter.ct)),
        2 => bent.ct = other.ct.clone(),
        3 => fields.n = fields.n.wrapping_add(u32::from(choice.short())),
        4 => fields.pn = fields.pn.wrapping_sub(u32::from(choice.short())),
        5 => fields.dh = header(other).dh,
        6 => fields.salt.0[0] ^= choice.byte() | 1,
        7 => fields.ct = header(other).ct,
        8 => fields.ek = header(other).ek,
        _ => {
            let bytes = choice.bend(&encode(letter));
            return decode(&bytes).unwrap_or(bent);
        }
    }
    let changed = encode(&fields);
    if fields != header(letter) {
        bent.hdr = Blob(changed);
    }
    bent
}
