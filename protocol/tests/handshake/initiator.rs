//! Alice's side: what an inviter may not give her.

use super::scene::{NOW, count, notices};
use crate::common::node::{Node, address_of, penalty, sent};
use crate::common::persona::Persona;
use crate::common::{Dice, low_order};
use waxwing_protocol::crypto::agree::AgreeKey;
use waxwing_protocol::discovery::invite::{Floor, Invite, InvitePlain, seal_objects};
use waxwing_protocol::frame::Frame;
use waxwing_protocol::id::Fixed;
use waxwing_protocol::identity::bundle::NumberedKey;
use waxwing_protocol::input::{Command, Input, Reach};
use waxwing_protocol::output::{ContactState, Output};
use waxwing_protocol::private::Secret;
use waxwing_protocol::query;
use waxwing_protocol::store::Table;

struct Scene {
    alice: Node,
    inviter: Persona,
    link: Invite,
    dice: Dice,
}

impl Scene {
    fn new() -> Self {
        Self::with(|_| {}, |_| {})
    }

    /// Alice has taken up a link of a persona and is connected to its node.
    fn with(person: impl FnOnce(&mut Persona), change: impl FnOnce(&mut Invite)) -> Self {
        let mut dice = Dice(31);
        let mut inviter = Persona::new("bob", NOW, &mut dice);
        person(&mut inviter);
        let mut link = Invite {
            version: 1,
            account: inviter.account(),
            ak: inviter.own.ak_public,
            floor: Floor {
                epoch: 1,
                version: 1,
                suite: 1,
            },
            bridges: vec![],
            addrs: vec![address_of(&inviter.own.peer)],
            uses: 1,
            expires: NOW + 1_000,
            seed: Secret::random(&mut dice),
        };
        change(&mut link);
        let mut alice = Node::new(1, "alice");
        let add = Command::Add {
            link: link.to_link(),
            name: Some("bob".into()),
            note: None,
        };
        alice.ask(add).unwrap();
        let peer = inviter.own.peer;
        let how = Reach::Direct;
        let out = alice.step(Input::Up { peer, how });
        let asks = sent(&out).into_iter().map(|bytes| Frame::open(&bytes));
        assert!(
            asks.flatten()
                .any(|frame| matches!(frame, Frame::InviteGet(_)))
        );
        Self {
            alice,
            inviter,
            link,
            dice,
        }
    }

    fn plain(&self) -> InvitePlain {
        let objects = &self.inviter.objects;
        InvitePlain {
            genesis: objects.genesis.clone(),
            statement: objects.statement.clone(),
            list: objects.list.clone(),
            bundle: self.inviter.prekeys.bundle.clone(),
            opk: Some(NumberedKey {
                id: 1,
                key: AgreeKey::from_bytes(Secret::new([4; 32])).public(),
            }),
        }
    }

    fn answer(&mut self, plain: &InvitePlain) -> Vec<Output> {
        let sealed = seal_objects(&self.link.seed, plain, &mut self.dice).unwrap();
        let from = self.inviter.own.peer;
        self.alice
            .hear(from, Frame::InviteObjects(sealed).to_bytes())
    }

    fn refused(&mut self, plain: &InvitePlain, why: &str) {
        let before = self.alice.rows();
        let out = self.answer(plain);
        assert!(before == self.alice.rows(), "{why}: state changed");
        assert!(sent(&out).is_empty(), "{why}: alice answered");
        assert_eq!(penalty(&out), 10, "{why}");
    }

    fn accepted(&mut self) {
        let plain = self.plain();
        let out = self.answer(&plain);
        let inits = sent(&out)
            .into_iter()
            .filter(|bytes| matches!(Frame::open(bytes), Ok(Frame::Init(_))));
        assert!(inits.count() >= 1);
        assert_eq!(count(&self.alice, Table::Session), 1);
    }

    fn still_pending(&self) {
        assert_eq!(count(&self.alice, Table::Session), 0);
        let contact = query::contact(&self.alice.store, "bob").unwrap().unwrap();
        assert_eq!(contact.state, ContactState::Pending);
    }
}

#[test]
fn honest_objects_begin_a_session() {
    Scene::new().accepted();
}

#[test]
fn a_list_below_the_floor_is_refused() {
    for (epoch, version) in [(1, 2), (2, 1), (2, 0)] {
        let mut scene = Scene::with(
            |_| {},
            |link| {
                link.floor.epoch = epoch;
                link.floor.version = version;
            },
        );
        let plain = scene.plain();
        scene.refused(&plain, "below the floor");
    }
    let mut scene = Scene::with(
        |bob| bob.issue(|list| list.version = 9),
        |link| link.floor.version = 9,
    );
    scene.accepted();
}

#[test]
fn objects_must_belong_together() {
    let mut scene = Scene::new();
    let other = Persona::new("carol", NOW, &mut scene.dice);
    let good = scene.plain();
    let theirs = &other.objects;
    let bad = [
        InvitePlain {
            genesis: theirs.genesis.clone(),
            ..good.clone()
        },
        InvitePlain {
            statement: theirs.statement.clone(),
            ..good.clone()
        },
        InvitePlain {
            list: theirs.list.clone(),
            ..good.clone()
        },
        InvitePlain {
            bundle: other.prekeys.bundle.clone(),
            ..good.clone()
        },
        // All of it somebody else's: consistent, and not who the link names.
        InvitePlain {
            genesis: theirs.genesis.clone(),
            statement: theirs.statement.clone(),
            list: theirs.list.clone(),
            bundle: other.prekeys.bundle.clone(),
            opk: None,
        },
        // A bundle of another device, another DIK, another suite, another time.
        InvitePlain {
            bundle: scene.inviter.bundle(|b| b.device = Fixed([1; 16])),
            ..good.clone()
        },
        InvitePlain {
            bundle: scene.inviter.bundle(|b| b.dik = Fixed([9; 32])),
            ..good.clone()
        },
        InvitePlain {
            bundle: scene.inviter.bundle(|b| b.suite = 2),
            ..good.clone()
        },
        InvitePlain {
            bundle: scene.inviter.bundle(|b| b.spk.id = 0),
            ..good.clone()
        },
        InvitePlain {
            bundle: scene
                .inviter
                .bundle(|b| (b.issued, b.expires) = (NOW - 100, NOW - 1)),
            ..good.clone()
        },
        InvitePlain {
            bundle: scene.inviter.bundle(|b| b.expires = NOW + 15 * 86_400),
            ..good.clone()
        },
        InvitePlain {
            bundle: scene
                .inviter
                .bundle(|b| (b.issued, b.expires) = (NOW + 601, NOW + 700)),
            ..good
        },
    ];
    for (i, plain) in bad.iter().enumerate() {
        scene.refused(plain, &format!("case {i}"));
    }
    scene.accepted();
}

#[test]
fn a_revoked_or_missing_device_is_refused() {
    let mut scene = Scene::new();
    let me = scene.inviter.own.device;
    scene.inviter.issue(|list| list.revoked = vec![me]);
    let plain = scene.plain();
    scene.refused(&plain, "the list revokes the bundle's device");
}

#[test]
fn low_order_and_malformed_keys_begin_nothing() {
    for key in low_order() {
        let mut scene = Scene::new();
        let good = scene.plain();
        let bad = [
            InvitePlain {
                bundle: scene.inviter.bundle(|b| b.spk.key = key),
                ..good.clone()
            },
            InvitePlain {
                opk: Some(NumberedKey { id: 1, key }),
                ..good.clone()
            },
            InvitePlain {
                // Every coefficient 4095: not below the modulus.
                bundle: scene.inviter.bundle(|b| b.pq.key = Fixed([0xff; 1_184])),
                ..good
            },
        ];
        for plain in bad {
            let out = scene.answer(&plain);
            assert!(sent(&out).is_empty());
            scene.still_pending();
        }
        scene.accepted();
        let mut scene = Scene::with(|bob| bob.issue(|list| list.devices[0].dik = key), |_| {});
        let mut plain = scene.plain();
        plain.bundle = scene.inviter.bundle(|b| b.dik = key);
        assert!(sent(&scene.answer(&plain)).is_empty());
        scene.still_pending();
    }
}

#[test]
fn only_the_asked_node_may_answer_and_only_what_was_asked() {
    let mut scene = Scene::new();
    let plain = scene.plain();
    let sealed = seal_objects(&scene.link.seed, &plain, &mut scene.dice).unwrap();
    let before = scene.alice.rows();
    let frame = Frame::InviteObjects(sealed.clone()).to_bytes();
    let out = scene.alice.hear(Fixed([0x55; 32]), frame);
    assert_eq!((penalty(&out), sent(&out).len()), (2, 0));
    let from = scene.inviter.own.peer;
    let other = seal_objects(&Secret::new([8; 32]), &plain, &mut scene.dice).unwrap();
    scene
        .alice
        .hear(from, Frame::InviteObjects(other).to_bytes());
    for at in [0, 100, 4_047] {
        let mut bent = sealed.clone();
        bent.ct.0[at] ^= 1;
        let out = scene
            .alice
            .hear(from, Frame::InviteObjects(bent).to_bytes());
        assert_eq!(penalty(&out), 10);
    }
    assert!(before == scene.alice.rows());
    scene.accepted();
    assert_eq!(notices(&scene.alice, "device_list_fork"), 0);
}

#[test]
fn own_expired_and_newer_links_are_not_taken_up() {
    let mut alice = Node::new(1, "alice");
    let own = alice.link(1, None);
    let good = Scene::new().link;
    let links = [
        (own, "own_link"),
        (
            Invite {
                expires: NOW - 1,
                ..good.clone()
            }
            .to_link(),
            "link_expired",
        ),
        (
            Invite {
                floor: Floor {
                    suite: 2,
                    ..good.floor
                },
                ..good.clone()
            }
            .to_link(),
            "bad_link",
        ),
        (
            Invite {
                addrs: vec![],
                ..good
            }
            .to_link(),
            "no_address",
        ),
    ];
    for (link, code) in links {
        let add = Command::Add {
            link,
            name: None,
            note: None,
        };
        assert_eq!(alice.ask(add).unwrap_err().code, code);
    }
}
