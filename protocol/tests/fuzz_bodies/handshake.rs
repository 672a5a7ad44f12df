//! First messages: bytes bent on their way change nothing; whatever somebody with an invite seals
//! into one, only that somebody can come in.

use super::reader::Reader;
use crate::common::Dice;
use crate::common::forge::{Forgery, honest};
use crate::common::node::{Node, START_MS, sent};
use crate::common::persona::{Persona, plain_of};
use std::collections::BTreeSet;
use std::sync::OnceLock;
use waxwing_protocol::discovery::invite::{self, Invite, InviteGet, InvitePlain, open_objects};
use waxwing_protocol::feed::body::{Body, Profile};
use waxwing_protocol::frame::Frame;
use waxwing_protocol::id::{AccountId, Fixed};
use waxwing_protocol::identity::bundle::Bundle;
use waxwing_protocol::query;
use waxwing_protocol::store::Table;
use waxwing_protocol::wire::codec::encode;

/// Unix seconds at which it happens.
const NOW: u64 = START_MS / 1_000;

/// Bob with a link, and mallory who holds it.
struct Scene {
    bob: Node,
    link: Invite,
    plain: InvitePlain,
    bundle: Bundle,
    mallory: Persona,
    hello: Vec<u8>,
}

impl Scene {
    fn new(uses: u8) -> Self {
        let mut dice = Dice(77);
        let mut bob = Node::new(2, "bob");
        let link = Invite::from_link(&bob.link(uses, None)).expect("our own link");
        let get = Frame::InviteGet(InviteGet {
            version: 1,
            id: invite::id(&link.seed),
        });
        let out = bob.hear(Fixed([9; 32]), get.to_bytes());
        let Ok(Frame::InviteObjects(sealed)) = Frame::open(&sent(&out)[0]) else {
            panic!("no objects")
        };
        let plain = open_objects(&link.seed, &sealed).expect("our own objects");
        let bundle = plain.bundle.peek().expect("our own bundle");
        let mallory = Persona::new("mallory", NOW, &mut dice);
        let profile = Body::Profile(Profile {
            name: "mallory".into(),
            note: None,
        });
        let hello = plain_of(&mallory.own, &profile, &mut dice);
        Self {
            bob,
            link,
            plain,
            bundle,
            mallory,
            hello,
        }
    }

    fn forgery(&self) -> Forgery<'_> {
        let mut forgery = honest(&self.mallory, &self.bundle, self.plain.bundle.hash(), NOW);
        forgery.opk = self.plain.opk.as_ref().map(|opk| (opk.id, opk.key));
        let seed = &self.link.seed;
        forgery.psk = Some((Fixed(invite::id(seed).0), invite::psk(seed)));
        forgery
    }

    /// Accounts that bob knows of.
    fn known(&self, bob: &Node) -> BTreeSet<AccountId> {
        let contacts = query::contacts(&bob.store).expect("no disk fails");
        let requests = query::requests(&bob.store).expect("no disk fails");
        let asked = requests.into_iter().map(|r| r.account);
        contacts
            .into_iter()
            .map(|c| c.account)
            .chain(asked)
            .collect()
    }
}

/// A first message made and bent as the input says.
pub fn handshake_receive(data: &[u8]) {
    static SCENES: OnceLock<[Scene; 2]> = OnceLock::new();
    let scenes = SCENES.get_or_init(|| [Scene::new(1), Scene::new(3)]);
    let mut choice = Reader::new(data);
    let flags = choice.byte();
    let scene = &scenes[usize::from(flags & 1)];
    let mut dice = Dice(u64::from(choice.byte()));

    let mut forgery = scene.forgery();
    if flags & 2 != 0 {
        forgery.opk = None;
    }
    if flags & 4 != 0 {
        forgery.psk = None;
    }
    if flags & 8 != 0 {
        forgery.suite = choice.byte();
    }
    forgery.swapped = flags & 16 != 0;
    let mut ident = encode(&forgery.ident);
    if flags & 32 != 0 {
        ident = choice.bend(&ident);
    }
    let mut plain = scene.hello.clone();
    if flags & 64 != 0 {
        plain = choice.bend(&plain);
    }
    let forged = forgery.make_around(&ident, &mut dice);
    let letter = forged.letter(&plain, None, &mut dice);
    let whole = Frame::Init(forged.init(letter)).to_bytes();
    let mut bytes = whole.clone();
    if flags & 128 != 0 {
        for _ in 0..=choice.byte() % 3 {
            bytes = choice.bend(&bytes);
        }
    }

    let mut bob = scene.bob.clone();
    let out = bob.hear(scene.mallory.own.peer, bytes.clone());
    if bytes != whole {
        assert!(scene.bob.rows() == bob.rows(), "bent bytes left something");
        assert!(sent(&out).is_empty(), "bent bytes were answered");
    }
    let mallory = scene.mallory.account();
    for account in scene.known(&bob) {
        assert_eq!(account, mallory, "somebody came in who was not there");
    }
    let right = flags & 0b1111_1000 == 0 && forgery.psk.is_some();
    if right {
        assert_eq!(
            scene.known(&bob).len(),
            1,
            "an honest first message is let in"
        );
    }
    if forgery.psk.is_none() || forgery.swapped {
        assert!(scene.known(&bob).is_empty(), "let in for nothing");
    }

    // A second time it is known again: nothing is made twice.
    let sessions = |node: &Node| {
        let rows = node.store.iter();
        rows.filter(|(key, _)| key.table() == Table::Session)
            .count()
    };
    let first = sessions(&bob);
    assert!(first <= 1);
    bob.now += 1_000;
    bob.hear(scene.mallory.own.peer, bytes);
    assert_eq!(
        sessions(&bob),
        first,
        "a repeated first message made a session"
    );
}
