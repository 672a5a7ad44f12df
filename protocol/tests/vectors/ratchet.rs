use crate::cbor::{array, bytes, map, uint};
use crate::dice::Dice;
use crate::formulas::{decaps, expand, h, hkdf, hmac, label, seal, x, x_public};
use crate::json::{J, hex, maybe, object};
use crate::settle;
use waxwing_protocol::crypto::agree::AgreeKey;
use waxwing_protocol::id::{B32, Fixed};
use waxwing_protocol::identity::contact::{self, ContactState};
use waxwing_protocol::private::Secret;
use waxwing_protocol::session::handshake::SessionKeys;
use waxwing_protocol::session::ratchet::{FirstFlight, Header, SessionRow};
use waxwing_protocol::session::{Letter, skipped};
use waxwing_protocol::store::{MemoryStore, Store, Tx};
use waxwing_protocol::time::HOUR_MS;
use waxwing_protocol::wire::codec::{Blob, decode_closed, encode};

const START: u64 = 1_800_000_000_000;

/// The ratchet of one side as the spec has it, sending half.
#[derive(Clone)]
struct Model {
    ck: [u8; 32],
    n: u32,
    pn: u32,
}

struct Side {
    row: SessionRow,
    store: MemoryStore,
    model: Option<Model>,
    /// DHs public of the last chain that was modelled.
    chain: Option<B32>,
}

struct World {
    a: Side,
    b: Side,
    now: u64,
    /// RK after the newest chain, common to both sides.
    rk: [u8; 32],
    dice: Dice,
    steps: Vec<J>,
    letters: Vec<Letter>,
}

impl World {
    fn side(&mut self, a: bool) -> &mut Side {
        if a { &mut self.a } else { &mut self.b }
    }

    /// Seals a letter and recomputes everything about it. Returns its number in the script.
    fn seal(&mut self, a: bool, text: &str) -> usize {
        let now = self.now;
        let mut dice = std::mem::replace(&mut self.dice, Dice::new(""));
        let before = self.side(a).row.clone();
        let row = &mut self.side(a).row;
        let letter = row.seal(text.as_bytes(), now, &mut dice).unwrap();
        let row = row.clone();
        self.dice = dice;
        let header: Header = decode_closed(&letter.hdr).unwrap();

        // From here on only the formulas, and the random values that the crate drew.
        let fresh = self.side(a).chain != Some(header.dh);
        let mut chain = J::Null;
        if fresh {
            let dhs = *row.dhs.as_ref().unwrap().secret().expose();
            assert_eq!(x_public(&dhs), header.dh.0);
            let dhr = before.dhr.unwrap().0;
            let dh = x(&dhs, &dhr);
            let ss = header.ct.as_ref().map(|ct| {
                let dk = self.side(!a).row.dk.clone().unwrap();
                decaps(dk.seed().expose(), &ct.0)
            });
            let ikm = [&dh[..], &ss.unwrap_or([0; 32])].concat();
            let mut info = label("wx1/DR/root");
            info.push(u8::from(ss.is_some()));
            let out = hkdf(&self.rk, &ikm, &info, 64);
            let pn = self.side(a).model.as_ref().map_or(0, |m| m.n);
            let dk = row.dk.as_ref().filter(|_| header.ek.is_some());
            chain = object([
                ("rk_before", hex(self.rk)),
                ("dhs_private", hex(dhs)),
                ("dhr", hex(dhr)),
                ("dh", hex(dh)),
                ("ss", maybe(ss)),
                ("dk_seed", maybe(dk.map(|dk| *dk.seed().expose()))),
                ("rk", hex(&out[..32])),
                ("ck", hex(&out[32..])),
            ]);
            self.rk.copy_from_slice(&out[..32]);
            let side = self.side(a);
            side.chain = Some(header.dh);
            side.model = Some(Model {
                ck: out[32..].try_into().unwrap(),
                n: 0,
                pn,
            });
        }
        assert_eq!(row.rk.expose(), &self.rk);
        let ad = row.ad.0;
        let model = self.side(a).model.as_mut().unwrap();
        let (ck, n) = (model.ck, model.n);
        let mk = hmac(&ck, &[1]);
        model.ck = hmac(&ck, &[2]);
        model.n += 1;
        assert_eq!(row.cks.unwrap().expose(), &model.ck);
        let hdr = map(&[
            (1, Some(bytes(header.sid))),
            (2, Some(bytes(header.dh))),
            (3, Some(uint(model.pn))),
            (4, Some(uint(n))),
            (5, header.ct.map(bytes)),
            (6, header.ek.map(bytes)),
            (7, Some(bytes(header.salt))),
        ]);
        assert_eq!(hdr, letter.hdr.0);
        let info = [&label("wx1/DR/msg")[..], &header.salt.0].concat();
        let out = expand(&mk, &info, 44);
        let aad = [&ad[..], &hdr].concat();
        let ct = seal(&out[..32], &out[32..], text.as_bytes(), &aad);
        assert_eq!(ct, letter.ct.0);
        let whole = array(&[bytes(&hdr), bytes(&ct)]);
        assert_eq!(whole, encode(&letter));
        let number = self.letters.len();
        self.steps.push(object([
            ("letter", (number as u64).into()),
            ("from", if a { "alice" } else { "bob" }.into()),
            ("at_ms", now.into()),
            ("new_chain", chain),
            ("pn", model_pn(&header).into()),
            ("n", n.into()),
            ("proposes", header.ek.is_some().into()),
            ("answers", header.ct.is_some().into()),
            ("ck", hex(ck)),
            ("mk", hex(mk)),
            ("salt", hex(header.salt)),
            ("key", hex(&out[..32])),
            ("nonce", hex(&out[32..])),
            ("hdr", hex(&hdr)),
            ("aad", hex(aad)),
            ("plain", hex(text)),
            ("ct", hex(ct)),
            ("letter_hash16", hex(&h(&[&whole])[..16])),
        ]));
        self.letters.push(letter);
        number
    }

    /// The other side opens a letter.
    fn open(&mut self, by_a: bool, number: usize) {
        let now = self.now;
        let letter = self.letters[number].clone();
        let side = self.side(by_a);
        let opened = side.row.open(&side.store, &letter, now).unwrap().unwrap();
        side.row = opened.next;
        let mut tx = Tx::new(&side.store);
        let mut owner = contact::must(&tx, 1).unwrap();
        let skipped_now: Vec<J> = opened
            .spares
            .iter()
            .map(|spare| {
                object([
                    ("dh", hex(spare.dh)),
                    ("n", spare.n.into()),
                    ("mk", hex(spare.key.expose())),
                ])
            })
            .collect();
        let sid = side.row.id;
        skipped::keep(&mut tx, &mut owner, &sid, opened.spares, now).unwrap();
        if let Some((dh, n)) = &opened.spare_used {
            skipped::erase(&mut tx, &mut owner, &sid, dh, *n).unwrap();
        }
        contact::put(&mut tx, &owner);
        let batch = tx.into_batch();
        side.store.apply(batch).unwrap();
        let used = opened.spare_used.is_some();
        self.steps.push(object([
            ("opened_by", if by_a { "alice" } else { "bob" }.into()),
            ("letter", (number as u64).into()),
            ("plain", hex(&opened.plain[..])),
            ("with_skipped_key", used.into()),
            ("keys_stored", skipped_now.into()),
        ]));
    }

    fn pass(&mut self, a: bool, text: &str) {
        let number = self.seal(a, text);
        self.open(!a, number);
    }
}

fn model_pn(header: &Header) -> u32 {
    header.pn
}

fn disk() -> MemoryStore {
    let mut store = MemoryStore::default();
    let mut tx = Tx::new(&store);
    let state = ContactState::Connected;
    contact::add(&mut tx, Fixed([1; 32]), Fixed([2; 32]), "them", state, 1).unwrap();
    let batch = tx.into_batch();
    store.apply(batch).unwrap();
    store
}

fn world() -> (World, J) {
    let mut dice = Dice::new("ratchet");
    let spk = AgreeKey::from_bytes(Secret::new(dice.bytes()));
    let (rk, sid, ad): ([u8; 32], [u8; 8], [u8; 32]) = (dice.bytes(), dice.bytes(), dice.bytes());
    let keys = SessionKeys {
        rk: Secret::new(rk),
        k_mbx: Secret::new([0; 32]),
        sid: Fixed(sid),
        k_exp: Secret::new([0; 32]),
        ad: Fixed(ad),
        th2: Fixed([0; 32]),
    };
    let first = FirstFlight {
        pb: Blob(vec![]),
        eid: Blob(vec![]),
        sealed: 0,
    };
    let given = object([
        ("rk", hex(rk)),
        ("sid", hex(sid)),
        ("ad", hex(ad)),
        ("spk_private", hex(spk.secret().expose())),
        ("start_ms", START.into()),
    ]);
    let device = Fixed([3; 16]);
    let a = SessionRow::initiator(&keys, 1, device, spk.public(), first, 1, START);
    let b = SessionRow::responder(&keys, 1, device, spk, 1, START);
    let side = |row| Side {
        row,
        store: disk(),
        model: None,
        chain: None,
    };
    let world = World {
        a: side(a),
        b: side(b),
        now: START,
        rk,
        dice,
        steps: Vec::new(),
        letters: Vec::new(),
    };
    (world, given)
}

/// Skips, a late letter of a closed chain, several changes of direction, an ML-KEM round after a
/// day.
fn day() -> J {
    let (mut w, given) = world();
    w.pass(true, "hello bob");
    let lost = w.seal(true, "this one comes late");
    w.seal(true, "this one never comes");
    w.pass(true, "are you there?");
    w.open(false, lost);
    w.now += 1_000;
    w.pass(false, "hello alice");
    let later = w.seal(false, "a letter that arrives in the next chain");
    w.pass(true, "good");
    w.now += 24 * HOUR_MS;
    w.pass(false, "the next day bob proposes");
    let second = w.seal(false, "on every letter of the chain");
    w.open(true, later);
    w.pass(true, "alice answers");
    w.open(true, second);
    w.pass(true, "still answering");
    w.pass(false, "and the step is done");
    w.pass(true, "back to plain steps");
    assert!(w.letters.len() >= 12);
    object([("given", given), ("steps", w.steps.into())])
}

/// An ML-KEM round after fifty letters.
fn fifty() -> J {
    let (mut w, given) = world();
    for i in 0..25 {
        w.pass(true, &format!("a{i}"));
    }
    for i in 0..25 {
        w.pass(false, &format!("b{i}"));
    }
    w.pass(true, "alice proposes");
    w.pass(false, "bob answers");
    w.pass(true, "and on");
    let shown: Vec<J> = w.steps.split_off(0);
    object([("given", given), ("steps", shown.into())])
}

#[test]
fn ratchet() {
    settle(
        "ratchet.json",
        "A session from its keys on. Steps in order: a letter sealed (new_chain: what the first \
         letter of a chain adds), or opened (keys_stored: of letters passed over). Times are unix \
         milliseconds. dk_seed is the private half of the proposal in field 6.",
        object([("day", day()), ("fifty", fifty())]),
    );
}
