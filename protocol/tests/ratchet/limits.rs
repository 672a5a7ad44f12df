//! Where the ratchet stops: skips, used keys, closed chains, absurd numbers, fields out of place.

use super::side::{Fate, START, Side, header, mac, session};
use crate::common::forge::seal_letter;
use crate::common::{Dice, low_order};
use waxwing_protocol::crypto::kem::{CT_BYTES, EK_BYTES, KemKey};
use waxwing_protocol::id::Fixed;
use waxwing_protocol::limits::{
    ADVANCE_AFTER_MS, ADVANCE_MAX, PQ_EVERY_MS, PQ_LETTERS, SKIP_MAX, SKIPPED_PER_ACCOUNT_MAX,
};
use waxwing_protocol::session::Letter;
use waxwing_protocol::session::ratchet::{OpenError, SessionRow};

const USED: Fate = Fate::Refused(OpenError::Used);
const BROKEN: Fate = Fate::Refused(OpenError::Broken);
const NOT_YET: Fate = Fate::Refused(OpenError::NotYet);

fn opened(text: &[u8]) -> Fate {
    Fate::Opened(text.to_vec())
}

/// Seals `count` letters and returns them.
fn seal(side: &mut Side, count: u32, dice: &mut Dice) -> Vec<Letter> {
    let mut row = side.row();
    let letters = (0..count)
        .map(|_| row.seal(b"x", START, dice).unwrap())
        .collect();
    side.put(&row);
    letters
}

/// A session on which both have written and read.
fn warm(dice: &mut Dice) -> (Side, Side) {
    let (mut a, mut b) = session(dice);
    for _ in 0..2 {
        let letter = a.seal(b"a", START, dice);
        assert_eq!(b.hear(&letter, START), opened(b"a"));
        let letter = b.seal(b"b", START, dice);
        assert_eq!(a.hear(&letter, START), opened(b"b"));
    }
    (a, b)
}

/// A letter that says what it likes, sealed under the key that the receiver will come to.
fn bend(
    row: &SessionRow,
    letter: &Letter,
    change: impl FnOnce(&mut waxwing_protocol::session::ratchet::Header),
) -> Letter {
    let mut head = header(letter);
    change(&mut head);
    let mk = mac(row.cks.as_ref().unwrap(), 1);
    seal_letter(&mk, &head, &row.ad, b"bent")
}

#[test]
fn a_thousand_keys_are_skipped_and_not_one_more() {
    let dice = &mut Dice(1);
    let (mut a, mut b) = warm(dice);
    let letters = seal(&mut a, SKIP_MAX + 2, dice);
    let (last, beyond) = (&letters[SKIP_MAX as usize], &letters[SKIP_MAX as usize + 1]);
    assert_eq!(b.hear(beyond, START), NOT_YET);
    assert_eq!(b.spares(), 0);
    assert_eq!(b.hear(last, START), opened(b"x"));
    assert_eq!(b.spares(), SKIP_MAX);
    assert_eq!(b.hear(beyond, START), opened(b"x"));
    for letter in letters.iter().take(SKIP_MAX as usize).rev() {
        assert_eq!(b.hear(letter, START), opened(b"x"));
    }
    assert_eq!(b.spares(), 0);
    for letter in letters.iter().step_by(97) {
        assert_eq!(b.hear(letter, START), Fate::Duplicate);
    }
}

#[test]
fn after_a_minute_in_vain_a_chain_advances_and_keeps_the_newest_keys() {
    let dice = &mut Dice(2);
    let (mut a, mut b) = warm(dice);
    let letters = seal(&mut a, 3_000, dice);
    let far = letters.last().unwrap();
    assert_eq!(b.hear(far, START), NOT_YET);
    let later = START + ADVANCE_AFTER_MS;
    assert_eq!(b.hear(far, later - 1), NOT_YET);
    assert_eq!(b.hear(far, later), opened(b"x"));
    assert_eq!(b.spares(), SKIP_MAX);
    assert_eq!(b.hear(&letters[2_500], later), opened(b"x"));
    assert_eq!(b.hear(&letters[500], later), USED);
}

#[test]
fn another_letter_that_opens_begins_the_wait_anew() {
    let dice = &mut Dice(3);
    let (mut a, mut b) = warm(dice);
    let letters = seal(&mut a, 2_500, dice);
    let far = letters.last().unwrap();
    assert_eq!(b.hear(far, START), NOT_YET);
    assert_eq!(b.hear(&letters[3], START + 59_000), opened(b"x"));
    assert_eq!(b.hear(far, START + ADVANCE_AFTER_MS), NOT_YET);
    let later = START + 2 * ADVANCE_AFTER_MS;
    assert_eq!(b.hear(far, later), opened(b"x"));
}

#[test]
fn beyond_twenty_thousand_nothing_advances() {
    let dice = &mut Dice(4);
    let (mut a, mut b) = warm(dice);
    let mut letters = seal(&mut a, 2, dice);
    let letter = letters.remove(1);
    assert_eq!(b.hear(&letters[0], START), opened(b"x"));
    let row = a.row();
    let nr = b.row().nr;
    for n in [nr + ADVANCE_MAX + 1, u32::MAX - 1, u32::MAX] {
        let bent = bend(&row, &letter, |head| head.n = n);
        assert_eq!(b.hear(&bent, START), BROKEN);
        assert_eq!(b.hear(&bent, START + ADVANCE_AFTER_MS), BROKEN);
    }
    let bent = bend(&row, &letter, |head| head.n = nr + ADVANCE_MAX);
    assert_eq!(b.hear(&bent, START), NOT_YET);
    // After the wait it is tried and fails on its key, at the price of twenty thousand steps.
    assert_eq!(b.hear(&bent, START + ADVANCE_AFTER_MS), BROKEN);
    assert_eq!(b.hear(&letter, START), opened(b"x"));
}

#[test]
fn the_last_number_there_is_does_not_wrap() {
    let dice = &mut Dice(5);
    let (mut a, mut b) = warm(dice);
    let letter = seal(&mut a, 1, dice).remove(0);
    assert_eq!(b.hear(&letter, START), opened(b"x"));
    let mut row = b.row();
    let mut sender = a.row();
    // As if four thousand million letters had gone before.
    row.nr = u32::MAX;
    b.put(&row);
    sender.cks = row.ckr.clone();
    let bent = bend(&sender, &letter, |head| head.n = u32::MAX);
    assert_eq!(b.hear(&bent, START), BROKEN);
    assert_eq!(b.row().nr, u32::MAX);
}

#[test]
fn pn_is_bounded_like_n() {
    let dice = &mut Dice(6);
    let (mut a, mut b) = warm(dice);
    let old = seal(&mut a, 3, dice);
    let (_, batch) = b.consider(&old[0], START);
    assert!(batch.is_some());
    b.hear(&old[0], START);
    let reply = b.seal(b"r", START, dice);
    a.hear(&reply, START);
    let next = a.seal(b"next", START, dice);
    for (pn, fate) in [(2_000, NOT_YET), (u32::MAX, BROKEN)] {
        let mut head = header(&next);
        head.pn = pn;
        let mk = waxwing_protocol::private::Secret::new([0; 32]);
        let bent = seal_letter(&mk, &head, &a.row().ad, b"bent");
        assert_eq!(b.hear(&bent, START), fate);
    }
    assert_eq!(b.hear(&next, START), opened(b"next"));
    assert_eq!(b.spares(), 2);
    assert_eq!(b.hear(&old[2], START), opened(b"x"));
    assert_eq!(b.hear(&old[1], START), opened(b"x"));
}

#[test]
fn used_keys_and_closed_chains_are_told_from_forgeries() {
    let dice = &mut Dice(7);
    let (mut a, mut b) = warm(dice);
    let first = a.seal(b"one", START, dice);
    let row = a.row();
    assert_eq!(b.hear(&first, START), opened(b"one"));
    // Another letter under a number that was used: an old copy of the sender.
    let again = bend(&row, &first, |head| head.salt = Fixed([1; 16]));
    assert_eq!(b.hear(&again, START), USED);
    let reply = b.seal(b"two", START, dice);
    a.hear(&reply, START);
    let next = a.seal(b"three", START, dice);
    assert_eq!(b.hear(&next, START), opened(b"three"));
    // The chain is closed now, whatever number it claims.
    for n in [0, 1, 5] {
        let late = bend(&row, &first, |head| {
            head.n = n;
            head.salt = Fixed([2; 16]);
        });
        assert_eq!(b.hear(&late, START), USED);
    }
    let mut other = header(&first);
    other.sid = Fixed([0; 8]);
    let mk = mac(row.cks.as_ref().unwrap(), 1);
    assert_eq!(
        b.hear(&seal_letter(&mk, &other, &row.ad, b"x"), START),
        BROKEN
    );
}

#[test]
fn keys_are_bounded_per_contact_and_the_oldest_go() {
    let dice = &mut Dice(8);
    let (mut a, mut b) = warm(dice);
    let mut first = None;
    for round in 0..3 {
        let letters = seal(&mut a, SKIP_MAX + 1, dice);
        assert_eq!(b.hear(letters.last().unwrap(), START), opened(b"x"));
        first.get_or_insert(letters);
        let most = u32::min((round + 1) * SKIP_MAX, SKIPPED_PER_ACCOUNT_MAX);
        assert_eq!(b.spares(), most);
    }
    assert_eq!(b.hear(&first.unwrap()[0], START), USED);
}

#[test]
fn a_new_chain_without_an_answer_of_ours_is_refused() {
    let dice = &mut Dice(9);
    let (mut a, mut b) = warm(dice);
    let letter = a.seal(b"one", START, dice);
    b.hear(&letter, START);
    // Bob has not begun a chain of his own since: he holds no private key to agree with.
    assert!(b.row().dhs.is_none());
    let row = a.row();
    let bent = bend(&row, &letter, |head| head.dh = Fixed([9; 32]));
    assert_eq!(b.hear(&bent, START), BROKEN);
}

#[test]
fn low_order_ratchet_keys_are_refused() {
    let dice = &mut Dice(10);
    let (mut a, mut b) = warm(dice);
    let letter = a.seal(b"one", START, dice);
    b.hear(&letter, START);
    b.seal(b"two", START, dice);
    let row = a.row();
    for key in low_order() {
        let before = b.row();
        let bent = bend(&row, &letter, |head| (head.dh, head.n) = (key, 0));
        assert_eq!(b.hear(&bent, START), BROKEN);
        assert_eq!(b.row().rk.expose(), before.rk.expose());
        // Nor is anything sealed towards one.
        let mut poisoned = before.clone();
        (poisoned.dhr, poisoned.cks) = (Some(key), None);
        assert!(poisoned.seal(b"x", START, dice).is_err());
    }
}

#[test]
fn ml_kem_fields_come_when_they_are_due_and_never_together() {
    let dice = &mut Dice(11);
    let (mut a, mut b) = warm(dice);
    let both = {
        let letter = a.seal(b"one", START, dice);
        let row = a.row();
        let bent = bend(&row, &letter, |head| {
            head.ct = Some(Fixed([0; CT_BYTES]));
            head.ek = Some(Fixed([0; EK_BYTES]));
        });
        b.hear(&letter, START);
        bent
    };
    assert_eq!(b.hear(&both, START), BROKEN);
    let reply = b.seal(b"two", START, dice);
    a.hear(&reply, START);
    // An answer that nobody asked for.
    let letter = a.seal(b"three", START, dice);
    let mut head = header(&letter);
    head.ct = Some(Fixed([0; CT_BYTES]));
    let mk = mac(a.row().cks.as_ref().unwrap(), 1);
    let unasked = seal_letter(&mk, &head, &a.row().ad, b"x");
    assert_eq!(b.hear(&unasked, START), BROKEN);
    b.hear(&letter, START);
    // A day later bob proposes; alice's next chain without an answer is refused.
    let day = START + PQ_EVERY_MS;
    let proposal = b.seal(b"four", day, dice);
    assert!(header(&proposal).ek.is_some());
    a.hear(&proposal, day);
    let answer = a.seal(b"five", day, dice);
    let mut head = header(&answer);
    assert!(head.ct.take().is_some());
    let bare = seal_letter(&mk, &head, &a.row().ad, b"x");
    assert_eq!(b.hear(&bare, day), BROKEN);
    assert!(b.row().dk.is_some(), "the proposal still stands");
    assert_eq!(b.hear(&answer, day), opened(b"five"));
    assert!(b.row().dk.is_none());
    assert_eq!((b.row().since, b.row().last_pq), (1, day));
    // Nothing more is proposed until it is due again.
    for _ in 0..4 {
        let letter = b.seal(b"b", day, dice);
        assert!(header(&letter).ek.is_none());
        a.hear(&letter, day);
        let letter = a.seal(b"a", day, dice);
        assert!(header(&letter).ek.is_none());
        b.hear(&letter, day);
    }
}

/// Keys and tags are right here: only what the header says of ML-KEM does not fit.
#[test]
fn a_well_sealed_letter_is_refused_if_its_ml_kem_part_does_not_fit() {
    let dice = &mut Dice(21);
    let (mut a, mut b) = warm(dice);
    let mut row = a.row();
    let first = row.seal(b"one", START, dice).unwrap();
    row.chain_ct = Some(Fixed([0; CT_BYTES]));
    let unasked = row.seal(b"two", START, dice).unwrap();
    assert_eq!(b.hear(&unasked, START), BROKEN);
    assert_eq!(b.hear(&first, START), opened(b"one"));
    row.chain_ct = None;
    a.put(&row);
    // A day later bob proposes, and alice's next chain is made as if he had not.
    let day = START + PQ_EVERY_MS;
    let proposal = b.seal(b"three", day, dice);
    a.hear(&proposal, day);
    let mut row = a.row();
    assert!(row.ek_r.take().is_some());
    row.last_pq = day;
    let unanswered = row.seal(b"four", day, dice).unwrap();
    assert!(header(&unanswered).ct.is_none() && header(&unanswered).ek.is_none());
    assert_eq!(b.hear(&unanswered, day), BROKEN);
    assert!(b.row().dk.is_some(), "the proposal still stands");
    let answer = a.seal(b"five", day, dice);
    assert_eq!(b.hear(&answer, day), opened(b"five"));
}

#[test]
fn a_proposal_comes_with_the_first_chain_after_fifty_letters() {
    let dice = &mut Dice(12);
    let (mut a, mut b) = session(dice);
    for letter in seal(&mut a, PQ_LETTERS, dice) {
        assert!(header(&letter).ek.is_none());
        b.hear(&letter, START);
    }
    let letter = b.seal(b"b", START, dice);
    assert!(header(&letter).ek.is_some());
    let again = b.seal(b"b", START, dice);
    assert_eq!(header(&again).ek, header(&letter).ek);
    // A malformed proposal cannot be answered, and sealing says so.
    a.hear(&letter, START);
    let mut row = a.row();
    row.ek_r = Some(Fixed([0xff; EK_BYTES]));
    assert!(row.seal(b"x", START, dice).is_err());
    // An answer under another key gives another secret: the letter does not open.
    let mut row = b.row();
    row.dk = Some(KemKey::random(dice));
    let mut other = b.clone();
    other.put(&row);
    let answer = a.seal(b"answer", START, dice);
    assert_eq!(other.hear(&answer, START), BROKEN);
    assert_eq!(b.hear(&answer, START), opened(b"answer"));
}
