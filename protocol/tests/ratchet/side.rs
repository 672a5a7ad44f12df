//! One end of a session with a disk of its own, doing what the engine does around it.

use crate::common::Dice;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::collections::BTreeMap;
use waxwing_protocol::crypto::agree::AgreeKey;
use waxwing_protocol::crypto::derive::{DR_MESSAGE, expand};
use waxwing_protocol::crypto::hash::hash16;
use waxwing_protocol::id::{B32, Fixed};
use waxwing_protocol::identity::contact::{self, ContactState};
use waxwing_protocol::private::Secret;
use waxwing_protocol::session::handshake::SessionKeys;
use waxwing_protocol::session::ratchet::{FirstFlight, Header, OpenError, SessionRow, closed_mark};
use waxwing_protocol::session::{Letter, SeenRow, load, save, seen_key, skipped};
use waxwing_protocol::store::{MemoryStore, ReadExt, Store, Tx};
use waxwing_protocol::wire::codec::{Blob, decode_closed, encode};

/// When every test begins.
pub const START: u64 = 1_800_000_000_000;

/// What became of a letter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fate {
    /// Opened: its plaintext.
    Opened(Vec<u8>),
    /// It had been opened before.
    Duplicate,
    /// It did not open.
    Refused(OpenError),
}

#[derive(Clone)]
pub struct Side {
    pub store: MemoryStore,
    pub sid: Fixed<8>,
}

impl Side {
    fn new(row: &SessionRow) -> Self {
        let mut store = MemoryStore::default();
        let mut tx = Tx::new(&store);
        let state = ContactState::Connected;
        contact::add(&mut tx, Fixed([1; 32]), Fixed([2; 32]), "them", state, 1).unwrap();
        save(&mut tx, row);
        let batch = tx.into_batch();
        store.apply(batch).unwrap();
        Self { store, sid: row.id }
    }

    pub fn row(&self) -> SessionRow {
        load(&self.store, &self.sid).unwrap().unwrap()
    }

    pub fn put(&mut self, row: &SessionRow) {
        let mut tx = Tx::new(&self.store);
        save(&mut tx, row);
        let batch = tx.into_batch();
        self.store.apply(batch).unwrap();
    }

    /// Seals and makes the state durable.
    pub fn seal(&mut self, text: &[u8], now: u64, dice: &mut Dice) -> Letter {
        let mut row = self.row();
        let letter = row.seal(text, now, dice).unwrap();
        self.put(&row);
        letter
    }

    /// Opens and, if that succeeds, makes everything durable at once.
    pub fn hear(&mut self, letter: &Letter, now: u64) -> Fate {
        let (fate, tx) = self.consider(letter, now);
        if let Some(batch) = tx {
            self.store.apply(batch).unwrap();
        }
        fate
    }

    /// What hearing a letter would do, without doing it.
    pub fn consider(
        &self,
        letter: &Letter,
        now: u64,
    ) -> (Fate, Option<waxwing_protocol::store::Batch>) {
        let mut row = self.row();
        let mark = seen_key(&row.id, &hash16(&encode(letter)));
        if self.store.row::<SeenRow>(&mark).unwrap().is_some() {
            return (Fate::Duplicate, None);
        }
        let mut tx = Tx::new(&self.store);
        let opened = match row.open(&self.store, letter, now).unwrap() {
            Ok(opened) => opened,
            Err(OpenError::NotYet) => {
                row.beyond_since.get_or_insert(now);
                save(&mut tx, &row);
                return (Fate::Refused(OpenError::NotYet), Some(tx.into_batch()));
            }
            Err(why) => return (Fate::Refused(why), None),
        };
        let seen = SeenRow {
            at: now,
            mid: None,
            receipted_at: now,
        };
        let mut owner = contact::must(&tx, 1).unwrap();
        skipped::keep(&mut tx, &mut owner, &row.id, opened.spares, now).unwrap();
        if let Some((dh, n)) = opened.spare_used {
            skipped::erase(&mut tx, &mut owner, &row.id, &dh, n).unwrap();
        }
        contact::put(&mut tx, &owner);
        if let Some(dh) = opened.closed {
            tx.put(seen_key(&row.id, &closed_mark(&dh)), &seen);
        }
        tx.put(mark, &seen);
        save(&mut tx, &opened.next);
        (Fate::Opened(opened.plain.to_vec()), Some(tx.into_batch()))
    }

    /// Keys that wait for letters.
    pub fn spares(&self) -> u32 {
        contact::must(&self.store, 1).unwrap().skipped
    }
}

/// Both ends of a fresh session.
pub fn session(dice: &mut Dice) -> (Side, Side) {
    let spk = AgreeKey::random(dice);
    let keys = SessionKeys {
        rk: Secret::random(dice),
        k_mbx: Secret::random(dice),
        sid: Fixed::random(dice),
        k_exp: Secret::random(dice),
        ad: Fixed::random(dice),
        th2: Fixed::random(dice),
    };
    let first = FirstFlight {
        pb: Blob(vec![]),
        eid: Blob(vec![]),
        sealed: 0,
    };
    let device = Fixed([3; 16]);
    let a = SessionRow::initiator(&keys, 1, device, spk.public(), first, 1, START);
    let b = SessionRow::responder(&keys, 1, device, spk, 1, START);
    (Side::new(&a), Side::new(&b))
}

pub fn header(letter: &Letter) -> Header {
    decode_closed(&letter.hdr).unwrap()
}

/// HMAC-SHA256 with one byte.
pub fn mac(key: &Secret<32>, byte: u8) -> Secret<32> {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key.expose()).unwrap();
    mac.update(&[byte]);
    Secret::new(mac.finalize().into_bytes().into())
}

/// The key and nonce of the letter that a state would seal next, given its salt. Only where a
/// chain has begun.
pub fn next_key(row: &SessionRow, salt: &Fixed<16>) -> Option<[u8; 44]> {
    let mk = mac(row.cks.as_ref()?, 1);
    let out: Secret<44> = expand(mk.expose(), &[DR_MESSAGE.bytes(), &salt.0]);
    Some(*out.expose())
}

/// Every (key, nonce) that was ever used, and by which chain and number.
#[derive(Default)]
pub struct Used {
    pairs: BTreeMap<[u8; 44], Letter>,
    places: BTreeMap<(B32, u32, Fixed<16>), Letter>,
}

impl Used {
    /// Notes a sealed letter; panics if its key and nonce were used for another one.
    pub fn note(&mut self, before: &SessionRow, letter: &Letter) {
        let header = header(letter);
        let place = (header.dh, header.n, header.salt);
        let again = self.places.insert(place, letter.clone());
        assert!(
            again.is_none_or(|old| old == *letter),
            "chain, number, salt"
        );
        if let Some(pair) = next_key(before, &header.salt) {
            let again = self.pairs.insert(pair, letter.clone());
            assert!(again.is_none_or(|old| old == *letter), "key and nonce");
        }
    }
}
