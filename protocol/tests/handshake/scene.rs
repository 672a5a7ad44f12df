//! Bob's node, one of his links, and somebody with every key in hand.

use crate::common::Dice;
use crate::common::forge::{Forged, Forgery, honest};
use crate::common::node::{Node, START_MS, penalty, sent};
use crate::common::persona::{Persona, plain_of};
use waxwing_protocol::discovery::invite::{self, Invite, InviteGet, InvitePlain, open_objects};
use waxwing_protocol::feed::body::{Body, Profile};
use waxwing_protocol::frame::Frame;
use waxwing_protocol::id::{Fixed, Peer};
use waxwing_protocol::identity::bundle::Bundle;
use waxwing_protocol::output::Output;
use waxwing_protocol::query;
use waxwing_protocol::session::handshake::Init;
use waxwing_protocol::store::Table;

/// Unix seconds at which every scene begins.
pub const NOW: u64 = START_MS / 1_000;

pub struct Scene {
    pub bob: Node,
    pub link: Invite,
    pub plain: InvitePlain,
    pub bundle: Bundle,
    pub mallory: Persona,
    pub dice: Dice,
}

impl Scene {
    pub fn new(uses: u8) -> Self {
        let mut dice = Dice(77);
        let mut bob = Node::new(2, "bob");
        let link = Invite::from_link(&bob.link(uses, None)).unwrap();
        let plain = objects(&mut bob, &link).unwrap();
        let bundle = plain.bundle.peek().unwrap();
        Self {
            bob,
            link,
            plain,
            bundle,
            mallory: Persona::new("mallory", NOW, &mut dice),
            dice,
        }
    }

    /// What mallory would send if she were honest.
    pub fn honest(&self) -> Forgery<'_> {
        self.honest_as(&self.mallory)
    }

    pub fn honest_as(&self, who: &Persona) -> Forgery<'_> {
        let mut forgery = honest(who, &self.bundle, self.plain.bundle.hash(), NOW);
        forgery.opk = self.plain.opk.as_ref().map(|opk| (opk.id, opk.key));
        let seed = &self.link.seed;
        forgery.psk = Some((Fixed(invite::id(seed).0), invite::psk(seed)));
        forgery
    }

    /// Makes what `change` asks for, with a profile in its first letter.
    pub fn forge(&mut self, change: impl FnOnce(&mut Forgery<'_>)) -> Init {
        let mut dice = self.dice.clone();
        let mut forgery = self.honest();
        change(&mut forgery);
        let forged = forgery.make(&mut dice);
        self.dice = dice;
        self.wrapped(&forged)
    }

    /// A forged session's init with a good first letter.
    pub fn wrapped(&mut self, forged: &Forged) -> Init {
        let plain = self.hello();
        forged.init(forged.letter(&plain, None, &mut self.dice))
    }

    pub fn hello(&mut self) -> Vec<u8> {
        let profile = Body::Profile(Profile {
            name: "mallory".into(),
            note: None,
        });
        plain_of(&self.mallory.own, &profile, &mut self.dice)
    }

    /// Mallory's node.
    pub fn peer(&self) -> Peer {
        self.mallory.own.peer
    }

    pub fn hear(&mut self, init: Init) -> Vec<Output> {
        let from = self.peer();
        self.bob.hear(from, Frame::Init(init).to_bytes())
    }

    /// Bob hears it, keeps nothing and says nothing. Returns the points charged.
    pub fn refused(&mut self, init: Init, why: &str) -> u32 {
        let before = self.bob.rows();
        let out = self.hear(init);
        assert!(before == self.bob.rows(), "{why}: bob's state changed");
        assert!(sent(&out).is_empty(), "{why}: bob answered");
        penalty(&out)
    }

    /// Bob hears it and lets it in.
    pub fn admitted(&mut self, init: Init) {
        let before = self.sessions();
        self.hear(init);
        assert_eq!(self.sessions(), before + 1);
    }

    /// Sessions on bob's disk.
    pub fn sessions(&self) -> usize {
        count(&self.bob, Table::Session)
    }

    pub fn contacts(&self) -> usize {
        query::contacts(&self.bob.store).unwrap().len()
    }

    pub fn notices(&self, code: &str) -> usize {
        notices(&self.bob, code)
    }
}

pub fn count(node: &Node, table: Table) -> usize {
    let rows = node.store.iter();
    rows.filter(|(key, _)| key.table() == table).count()
}

pub fn notices(node: &Node, wanted: &str) -> usize {
    let query::Changes::Rows(rows) = query::changes(&node.store, 0, 1_000).unwrap() else {
        panic!("the log begins at 1")
    };
    rows.iter()
        .filter(|row| matches!(&row.change, query::Change::Notice { code, .. } if code == wanted))
        .count()
}

/// What bob's node gives to whoever names the link.
pub fn objects(bob: &mut Node, link: &Invite) -> Option<InvitePlain> {
    let get = Frame::InviteGet(InviteGet {
        version: 1,
        id: invite::id(&link.seed),
    });
    let out = bob.hear(Fixed([9; 32]), get.to_bytes());
    let answer = sent(&out).pop()?;
    match Frame::open(&answer).unwrap() {
        Frame::InviteObjects(sealed) => open_objects(&link.seed, &sealed),
        other => panic!("{other:?}"),
    }
}
