//! Bob's node, and somebody with every key in hand who wrote to it by a link.

use crate::common::Dice;
use crate::common::node::{Node, START_MS, sent};
use crate::common::persona::{Persona, Reached};
use waxwing_protocol::discovery::invite::{self, Invite, InviteGet, InvitePlain, open_objects};
use waxwing_protocol::feed::body::{Body, NO_LIST, Plain, Profile, Text};
use waxwing_protocol::frame::Frame;
use waxwing_protocol::id::{Fixed, Mid};
use waxwing_protocol::identity::account::conversation_id;
use waxwing_protocol::identity::bundle::Bundle;
use waxwing_protocol::query::{self, Page};
use waxwing_protocol::session::handshake::Target;
use waxwing_protocol::session::ratchet::SessionRow;
use waxwing_protocol::store::Table;
use waxwing_protocol::wire::codec::encode;

pub const NOW: u64 = START_MS / 1_000;

/// Bob's node, and a persona that wrote to it by a link.
pub struct Scene {
    pub bob: Node,
    pub carol: Persona,
    pub dice: Dice,
    pub reached: Reached,
    pub opened: SessionRow,
    /// After how many seconds what carol says disappears.
    pub timer: Option<u64>,
}

/// Makes a link and fetches what it leads to.
pub fn fetch(bob: &mut Node, uses: u8) -> (Invite, InvitePlain, Bundle) {
    let link = Invite::from_link(&bob.link(uses, None)).unwrap();
    let get = Frame::InviteGet(InviteGet {
        version: 1,
        id: invite::id(&link.seed),
    });
    let out = bob.hear(Fixed([9; 32]), get.to_bytes());
    let Ok(Frame::InviteObjects(sealed)) = Frame::open(&sent(&out)[0]) else {
        panic!("no objects")
    };
    let plain = open_objects(&link.seed, &sealed).unwrap();
    let bundle: Bundle = plain.bundle.peek().unwrap();
    (link, plain, bundle)
}

impl Scene {
    pub fn new(uses: u8) -> Self {
        let mut dice = Dice(11);
        let mut bob = Node::new(2, "bob");
        let (link, plain, bundle) = fetch(&mut bob, uses);
        let carol = Persona::new("carol", NOW, &mut dice);
        let target = Target {
            bundle: &bundle,
            bundle_hash: plain.bundle.hash(),
            opk: plain.opk.map(|opk| (opk.id, opk.key)),
            psk: Some((Fixed(invite::id(&link.seed).0), invite::psk(&link.seed))),
        };
        let reached = carol.reach(&target, NOW, &mut dice);
        let opened = reached.session.clone();
        let mut scene = Self {
            bob,
            carol,
            dice,
            reached,
            opened,
            timer: None,
        };
        let profile = Body::Profile(Profile {
            name: "carol".into(),
            note: None,
        });
        scene.say(&profile, None, None);
        scene
    }

    pub fn conversation(&self) -> Fixed<32> {
        let bob = query::me(&self.bob.store).unwrap().unwrap().account;
        conversation_id(&self.carol.account(), &bob)
    }

    /// Carol says something in her first flight. Returns its id.
    pub fn say(&mut self, body: &Body, conversation: Option<Fixed<32>>, clock: Option<u64>) -> Mid {
        let mid = Mid::random(&mut self.dice);
        self.say_as(mid, body, conversation, clock);
        mid
    }

    pub fn say_as(
        &mut self,
        mid: Mid,
        body: &Body,
        conversation: Option<Fixed<32>>,
        clock: Option<u64>,
    ) {
        let plain = Plain {
            sender_list: self.carol.own.list,
            recipient_list: NO_LIST,
            mid,
            conversation,
            clock,
            body: body.to_typed(),
            custody: None,
            timer: self.timer,
            sent: None,
        };
        let letter = self
            .opened
            .seal(&encode(&plain), self.bob.now, &mut self.dice)
            .unwrap();
        let init = self.reached.wrap(letter);
        self.bob
            .hear(self.carol.own.peer, Frame::Init(init).to_bytes());
    }

    pub fn text(&mut self, text: &str, conversation: Fixed<32>, clock: u64) -> Mid {
        let body = Body::Text(Text {
            text: text.into(),
            reply_to: None,
        });
        self.say(&body, Some(conversation), Some(clock))
    }

    pub fn texts(&self) -> Vec<String> {
        let page = Page::default();
        let all = query::messages(&self.bob.store, "carol", &page);
        let all = all.unwrap().unwrap();
        all.into_iter().map(|m| m.text.unwrap()).collect()
    }

    /// Whether bob owes carol a receipt of this message.
    pub fn owes(&self, mid: &Mid) -> bool {
        let mut rows = self.bob.store.iter();
        rows.any(|(key, value)| {
            key.table() == Table::ReceiptDue && value.windows(16).any(|part| part == mid.0)
        })
    }
}
