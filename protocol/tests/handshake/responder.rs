//! Bob's side: what he refuses, and that refusing leaves no trace.

use super::scene::{NOW, Scene, count, notices, objects};
use crate::common::forge::{ident, seal_letter};
use crate::common::node::{START_MS, penalty, sent};
use crate::common::persona::Persona;
use crate::common::{Dice, low_order};
use waxwing_protocol::crypto::agree::AgreeKey;
use waxwing_protocol::crypto::derive;
use waxwing_protocol::crypto::sign::SignKey;
use waxwing_protocol::discovery::invite::{self, Invite};
use waxwing_protocol::frame::Frame;
use waxwing_protocol::id::Fixed;
use waxwing_protocol::identity::account::{Genesis, SPARE_EPOCH_MIN, Signed, account_id};
use waxwing_protocol::identity::device;
use waxwing_protocol::identity::list::Device;
use waxwing_protocol::input::Command;
use waxwing_protocol::output::ContactState;
use waxwing_protocol::private::Secret;
use waxwing_protocol::query;
use waxwing_protocol::session::handshake::{HsPublic, Init};
use waxwing_protocol::session::ratchet::Header;
use waxwing_protocol::store::Table;
use waxwing_protocol::wire::codec::{Blob, decode, encode};

#[test]
fn an_honest_first_message_comes_in() {
    let mut scene = Scene::new(1);
    let init = scene.forge(|_| {});
    let out = scene.hear(init);
    assert_eq!((scene.sessions(), scene.contacts()), (1, 1));
    assert_eq!(penalty(&out), 2);
    let contact = query::contact(&scene.bob.store, "mallory").unwrap();
    assert_eq!(contact.unwrap().state, ContactState::Connected);
}

#[test]
fn low_order_agreement_keys_are_refused() {
    for key in low_order() {
        let mut scene = Scene::new(1);
        // EK: bob's agreements would be zero, whatever eid is.
        let mut init = scene.forge(|_| {});
        let mut hs: HsPublic = decode(&init.pb).unwrap();
        hs.ek = key;
        init.pb = Blob(encode(&hs));
        scene.refused(init, "EK");
        // DIK_A: the forger knows that DH1 is zero and reckons with it.
        scene.mallory.issue(|list| list.devices[0].dik = key);
        let init = scene.forge(|f| {
            f.ident.dik = key;
            f.dik = None;
        });
        scene.refused(init, "DIK");
        // DHs of the first letter, likewise.
        let mut scene = Scene::new(1);
        let mut dice = Dice(5);
        let forged = scene.honest().make(&mut dice);
        let plain = scene.hello();
        let letter = forged.letter(&plain, Some(key), &mut dice);
        scene.refused(forged.init(letter), "DHs");
        let init = scene.wrapped(&forged);
        scene.admitted(init);
    }
}

#[test]
fn weak_signing_keys_are_refused() {
    // The identity point: R = identity and S = 0 verify under it for lenient readers.
    let mut weak = Fixed([0; 32]);
    weak.0[0] = 1;
    let mut sig = Fixed([0; 64]);
    sig.0[0] = 1;
    let mut scene = Scene::new(1);
    let body = Genesis {
        suite: 1,
        root: weak,
        spare_hash: Fixed([0; 32]),
        created: NOW,
        salt: Fixed([0; 16]),
    };
    let genesis = Signed {
        body: Blob(encode(&body)),
        sig,
    };
    let mut statement = scene.mallory.objects.statement.clone();
    let mut body: waxwing_protocol::identity::account::RootStatement = statement.peek().unwrap();
    body.account = account_id(&genesis);
    statement.body = Blob(encode(&body));
    statement.sig = sig;
    let account = account_id(&genesis);
    scene.mallory.issue(|list| list.account = account);
    let init = scene.forge(|f| {
        f.ident.account = account;
        f.ident.genesis = genesis;
        f.ident.statement = statement;
    });
    scene.refused(init, "weak root");

    let mut scene = Scene::new(1);
    let root = scene.mallory.root.clone();
    let mut body: waxwing_protocol::identity::account::RootStatement =
        scene.mallory.objects.statement.peek().unwrap();
    body.ask = weak;
    let statement = Signed::make(derive::SIG_ROOT_STATEMENT, &root, &body);
    let mut list = scene.mallory.objects.list.clone();
    list.sig = sig;
    let init = scene.forge(|f| {
        f.ident.statement = statement;
        f.ident.list = list;
    });
    scene.refused(init, "weak ASK");
}

#[test]
fn another_suite_is_refused() {
    let mut scene = Scene::new(1);
    for suite in [0, 2, 255] {
        let init = scene.forge(|f| f.suite = suite);
        assert_eq!(scene.refused(init, "suite"), 10);
    }
    let root = scene.mallory.root.clone();
    let mut body: Genesis = scene.mallory.objects.genesis.peek().unwrap();
    body.suite = 2;
    let genesis = Signed::make(derive::SIG_GENESIS, &root, &body);
    let init = scene.forge(|f| {
        f.ident.account = account_id(&genesis);
        f.ident.genesis = genesis;
    });
    scene.refused(init, "genesis of another suite");
}

#[test]
fn swapped_roles_do_not_open() {
    let mut scene = Scene::new(1);
    let init = scene.forge(|f| f.swapped = true);
    scene.refused(init, "AD with A and B exchanged");
    // Bob's identity sent back to him.
    let own = device::load(&scene.bob.store).unwrap().unwrap();
    let row = device::objects(&scene.bob.store, &own).unwrap();
    let init = scene.forge(|f| {
        f.ident.account = own.account;
        f.ident.device = own.device;
        f.ident.dik = own.dik.public();
        f.ident.genesis = row.genesis;
        f.ident.statement = row.statement;
        f.ident.list = row.list;
        f.dik = Some(own.dik);
    });
    scene.refused(init, "bob himself");
    let init = scene.forge(|_| {});
    scene.admitted(init);
}

#[test]
fn another_devices_bundle_is_not_ours() {
    let mut scene = Scene::new(1);
    let mallory = scene.mallory.clone();
    let init = scene.forge(|f| f.bundle_hash = mallory.prekeys.bundle.hash());
    scene.refused(init, "a bundle that is not bob's");
    let mut other = scene.bundle.clone();
    other.device = Fixed([8; 16]);
    let hash = scene.plain.bundle.hash();
    let forged = {
        let mut forgery = scene.honest();
        forgery.bundle = &other;
        forgery.bundle_hash = hash;
        forgery.make(&mut Dice(3))
    };
    let init = scene.wrapped(&forged);
    assert_eq!(scene.refused(init, "another device"), 10);
    for field in 0..2 {
        let mut other = scene.bundle.clone();
        if field == 0 {
            other.spk.id += 1;
        } else {
            other.pq.id += 1;
        }
        let forged = {
            let mut forgery = scene.honest();
            forgery.bundle = &other;
            forgery.make(&mut Dice(3))
        };
        let init = scene.wrapped(&forged);
        assert_eq!(scene.refused(init, "ids of another bundle"), 12);
    }
}

#[test]
fn flipped_bytes_change_nothing() {
    let mut scene = Scene::new(1);
    let good = scene.forge(|_| {});
    let parts: [fn(&mut Init) -> &mut Vec<u8>; 4] = [
        |init| &mut init.pb.0,
        |init| &mut init.eid.0,
        |init| &mut init.letter.hdr.0,
        |init| &mut init.letter.ct.0,
    ];
    let mut tried = 0;
    for part in parts {
        let length = part(&mut good.clone()).len();
        // Every byte of what is short, some of what is long.
        let step = (length / 48).max(1);
        for at in (0..length).step_by(step) {
            let mut bent = good.clone();
            part(&mut bent)[at] ^= 1 << (at % 8);
            scene.refused(bent, "a flipped bit");
            tried += 1;
        }
        for cut in [0, 1, length - 1] {
            let mut bent = good.clone();
            part(&mut bent).truncate(cut);
            scene.refused(bent, "cut short");
        }
    }
    assert!(tried > 150);
    scene.admitted(good);
}

#[test]
fn a_replayed_init_hands_over_and_makes_no_second_session() {
    let mut scene = Scene::new(1);
    let mut dice = Dice(6);
    let forged = scene.honest().make(&mut dice);
    let init = scene.wrapped(&forged);
    scene.admitted(init.clone());
    for from in [scene.peer(), Fixed([0x42; 32])] {
        scene.bob.hear(from, Frame::Init(init.clone()).to_bytes());
        assert_eq!((scene.sessions(), scene.contacts()), (1, 1));
    }
    // A later letter of the first flight, in the same wrapping, is taken in by that session.
    let seen = count(&scene.bob, Table::Seen);
    let later = {
        let plain = scene.hello();
        let session = query::contact(&scene.bob.store, "mallory").unwrap();
        assert!(session.is_some());
        let letter = forged.letter(&plain, None, &mut Dice(7));
        forged.init(letter)
    };
    // Another ratchet key in place of an answer: the session refuses it, no new one is made.
    scene
        .bob
        .hear(Fixed([0x42; 32]), Frame::Init(later).to_bytes());
    assert_eq!(scene.sessions(), 1);
    assert_eq!(count(&scene.bob, Table::Seen), seen);
    assert_eq!(scene.notices("link_used_twice"), 0);
}

#[test]
fn a_one_time_prekey_makes_one_session() {
    let mut scene = Scene::new(1);
    let init = scene.forge(|_| {});
    scene.admitted(init);
    let carol = Persona::new("carol", NOW, &mut scene.dice);
    for round in 0..3 {
        let forged = scene.honest_as(&carol).make(&mut Dice(round));
        let init = scene.wrapped(&forged);
        let from = carol.own.peer;
        let out = scene.bob.hear(from, Frame::Init(init).to_bytes());
        assert!(sent(&out).is_empty());
        assert_eq!((scene.sessions(), scene.contacts()), (1, 1));
        assert_eq!(scene.notices("link_used_twice"), 1, "told once");
    }
    // Without the prekey the invite is used up all the same.
    let forged = {
        let mut forgery = scene.honest_as(&carol);
        forgery.opk = None;
        forgery.make(&mut Dice(9))
    };
    let init = scene.wrapped(&forged);
    scene.refused(init, "a used-up invite");
    // And it gives its objects to nobody any more.
    assert!(objects(&mut scene.bob, &scene.link.clone()).is_none());
}

#[test]
fn a_one_time_prekey_is_good_with_its_own_invite_only() {
    let mut scene = Scene::new(1);
    let counted = Invite::from_link(&scene.bob.link(5, None)).unwrap();
    let seed = counted.seed;
    let init = scene.forge(|f| f.psk = Some((Fixed(invite::id(&seed).0), invite::psk(&seed))));
    scene.refused(init, "the prekey of another invite");
    let init = scene.forge(|f| f.psk = None);
    scene.refused(init, "a prekey without its invite");
    let init = scene.forge(|f| f.opk = Some((99, f.bundle.spk.key)));
    scene.refused(init, "a prekey that there is not");
    let init = scene.forge(|_| {});
    scene.admitted(init);
}

#[test]
fn an_unknown_psk_and_none_at_all_are_dropped() {
    let mut scene = Scene::new(1);
    let init = scene.forge(|f| f.psk = Some((Fixed([1; 16]), Secret::new([2; 32]))));
    assert_eq!(scene.refused(init, "unknown psk"), 2);
    let init = scene.forge(|f| {
        let (id, _) = f.psk.take().unwrap();
        f.psk = Some((id, Secret::new([2; 32])));
    });
    assert_eq!(scene.refused(init, "another psk under a known id"), 12);
    let init = scene.forge(|f| (f.psk, f.opk) = (None, None));
    scene.refused(init, "a stranger without a psk");
}

#[test]
fn an_expired_invite_admits_only_what_was_born_before() {
    let mut scene = Scene::new(1);
    let early = scene.forge(|f| f.ident.born = NOW + 60);
    scene.bob.now = START_MS + 8 * 24 * 3_600_000;
    let now = scene.bob.now / 1_000;
    let init = scene.forge(|f| f.ident.born = now);
    scene.refused(init, "an expired invite");
    assert!(objects(&mut scene.bob, &scene.link.clone()).is_none());
    // A letter that was on its way meanwhile.
    scene.admitted(early);
}

#[test]
fn born_may_not_lie_ahead() {
    let mut scene = Scene::new(1);
    let init = scene.forge(|f| f.ident.born = NOW + 601);
    scene.refused(init, "eleven minutes ahead");
    let init = scene.forge(|f| f.ident.born = NOW + 600);
    scene.admitted(init);
}

#[test]
fn the_identity_must_be_one_listed_device() {
    let mut scene = Scene::new(1);
    let carol = Persona::new("carol", NOW, &mut scene.dice);
    let dik = AgreeKey::random(&mut scene.dice);
    let public = dik.public();
    let init = scene.forge(|f| {
        f.ident.dik = public;
        f.dik = Some(dik);
    });
    scene.refused(init, "a DIK that the list does not have");
    let init = scene.forge(|f| f.ident.device = Fixed([6; 16]));
    scene.refused(init, "a device that the list does not have");
    let init = scene.forge(|f| f.ident.account = carol.account());
    scene.refused(init, "another's account id");
    let init = scene.forge(|f| {
        let theirs = ident(&carol, NOW);
        f.ident.genesis = theirs.genesis;
    });
    scene.refused(init, "another's genesis");
    let init = scene.forge(|f| f.ident.list = ident(&carol, NOW).list);
    scene.refused(init, "another's list");
    // The forger claims carol's whole identity, without her DIK.
    let init = scene.forge(|f| {
        f.ident = ident(&carol, NOW);
        f.dik = Some(AgreeKey::from_bytes(Secret::new([5; 32])));
    });
    scene.refused(init, "carol's identity without her key");
    let init = scene.forge(|_| {});
    scene.admitted(init);
}

#[test]
fn statements_keep_to_their_root_and_epochs() {
    let spare_low = |who: &mut Persona, key: &SignKey| {
        who.state(key, 5, Some(key.public()));
        who.issue(|list| list.epoch = 5);
    };
    let mut scene = Scene::new(1);
    let (root, spare) = (scene.mallory.root.clone(), scene.mallory.spare.clone());
    let honest = scene.mallory.clone();
    spare_low(&mut scene.mallory, &spare);
    let init = scene.forge(|_| {});
    scene.refused(init, "the spare below 2^31");
    spare_low(&mut scene.mallory, &root);
    let init = scene.forge(|_| {});
    scene.refused(init, "root 0 as if it were the spare");
    scene.mallory.state(&root, SPARE_EPOCH_MIN, None);
    scene.mallory.issue(|list| list.epoch = SPARE_EPOCH_MIN);
    let init = scene.forge(|_| {});
    scene.refused(init, "root 0 from 2^31 on");
    scene
        .mallory
        .state(&spare, SPARE_EPOCH_MIN, Some(root.public()));
    let init = scene.forge(|_| {});
    scene.refused(init, "the spare under another key");
    scene.mallory = honest;
    scene
        .mallory
        .state(&spare, SPARE_EPOCH_MIN, Some(spare.public()));
    scene.mallory.issue(|list| list.epoch = SPARE_EPOCH_MIN);
    let init = scene.forge(|_| {});
    scene.admitted(init);
}

#[test]
fn old_and_future_lists_are_refused() {
    let day = 86_400;
    for (issued, expires, welcome) in [
        (NOW + 601, NOW + 30 * day, false),
        (NOW - 44 * day, NOW - 14 * day - 1, false),
        (NOW - 44 * day, NOW - 14 * day, true),
        (NOW, NOW + 31 * day, false),
        (NOW, NOW, false),
    ] {
        let mut scene = Scene::new(1);
        scene
            .mallory
            .issue(|list| (list.issued, list.expires) = (issued, expires));
        let init = scene.forge(|_| {});
        if welcome {
            scene.admitted(init);
        } else {
            scene.refused(init, "a list of the wrong age");
        }
    }
}

#[test]
fn a_revoked_device_stays_out() {
    let mut scene = Scene::new(1);
    let me = scene.mallory.own.device;
    scene.mallory.issue(|list| list.revoked = vec![me]);
    let init = scene.forge(|_| {});
    scene.refused(init, "its own list revokes it");

    // Bob knows a list of two devices that revokes mallory's; she shows older and newer ones.
    let mut scene = Scene::new(1);
    let second = Persona::new("second", NOW, &mut scene.dice);
    let old = scene.mallory.clone();
    let mut honest = scene.mallory.clone();
    let device = Device {
        id: second.own.device,
        dsk: second.own.dsk.public(),
        dik: second.own.dik.public(),
        added: NOW,
        caps: 1,
    };
    honest.issue(|list| {
        list.version = 5;
        list.revoked = vec![me];
        list.devices = vec![device];
    });
    honest.own.device = second.own.device;
    honest.own.dik = second.own.dik.clone();
    let forged = scene.honest_as(&honest).make(&mut Dice(1));
    let init = scene.wrapped(&forged);
    scene.admitted(init);

    let link = Invite::from_link(&scene.bob.link(1, None)).unwrap();
    scene.plain = objects(&mut scene.bob, &link).unwrap();
    scene.link = link;
    scene.mallory = old.clone();
    let init = scene.forge(|_| {});
    scene.refused(init, "an older list");
    for version in [5, 6] {
        scene.mallory = old.clone();
        scene.mallory.issue(|list| list.version = version);
        let init = scene.forge(|_| {});
        scene.refused(init, "a later list that forgets the revocation");
    }
    // A new epoch is a new beginning: whoever holds the root decides.
    let root = old.root.clone();
    scene.mallory.state(&root, 2, None);
    scene
        .mallory
        .issue(|list| (list.epoch, list.version) = (2, 1));
    let init = scene.forge(|_| {});
    scene.admitted(init);
}

#[test]
fn a_second_statement_of_one_epoch_is_told_to_the_user() {
    let mut scene = Scene::new(1);
    let init = scene.forge(|_| {});
    scene.admitted(init);
    // Whoever has a copy of the root says that another key speaks for the account.
    let root = scene.mallory.root.clone();
    scene.mallory.own.ask = SignKey::from_seed(Secret::new([0x66; 32]));
    scene.mallory.state(&root, 1, None);
    scene.mallory.issue(|_| {});
    let init = scene.forge(|f| {
        (f.psk, f.opk) = (None, None);
        f.ident.born += 1;
    });
    scene.hear(init);
    assert_eq!(scene.notices("root_fork"), 1);
    assert_eq!(scene.notices("device_list_fork"), 0);
}

#[test]
fn a_blocked_sender_stays_out() {
    let mut scene = Scene::new(1);
    let init = scene.forge(|_| {});
    scene.admitted(init);
    let name = "mallory".into();
    scene.bob.ask(Command::Block { name }).unwrap();
    let link = Invite::from_link(&scene.bob.link(1, None)).unwrap();
    scene.plain = objects(&mut scene.bob, &link).unwrap();
    scene.link = link;
    let init = scene.forge(|f| f.ident.born += 1);
    assert_eq!(scene.refused(init, "a blocked account"), 2);
    let init = scene.forge(|f| (f.psk, f.opk) = (None, None));
    scene.refused(init, "a blocked account without a psk");
}

#[test]
fn a_contact_may_begin_anew_but_the_user_is_told() {
    let mut scene = Scene::new(1);
    let init = scene.forge(|_| {});
    scene.admitted(init);
    let init = scene.forge(|f| {
        (f.psk, f.opk) = (None, None);
        f.ident.born += 1;
    });
    scene.admitted(init);
    assert_eq!(scene.notices("session_unproven"), 1);
    assert_eq!(scene.contacts(), 1);
}

#[test]
fn a_sixth_session_erases_the_lowest_whichever_came_last() {
    for born in [NOW - 100, NOW + 100] {
        let mut scene = Scene::new(1);
        let init = scene.forge(|_| {});
        scene.admitted(init);
        for n in 1..5 {
            let init = scene.forge(|f| {
                (f.psk, f.opk) = (None, None);
                f.ident.born = NOW + n;
            });
            scene.admitted(init);
        }
        let init = scene.forge(|f| {
            (f.psk, f.opk) = (None, None);
            f.ident.born = born;
        });
        scene.hear(init.clone());
        assert_eq!(scene.sessions(), 5, "born {born}");
        scene.hear(init);
        assert_eq!(scene.sessions(), 5);
    }
}

#[test]
fn absurd_letter_numbers_are_refused() {
    for (pn, n) in [(0, u32::MAX), (0, 1_001), (0, 20_001), (u32::MAX, u32::MAX)] {
        let mut scene = Scene::new(1);
        let forged = scene.honest().make(&mut Dice(4));
        let header = Header {
            sid: forged.sid,
            dh: AgreeKey::from_bytes(Secret::new([3; 32])).public(),
            pn,
            n,
            ct: None,
            ek: None,
            salt: Fixed([0; 16]),
        };
        let mk = Secret::new([0; 32]);
        let letter = seal_letter(&mk, &header, &forged.ad, b"x");
        scene.refused(forged.init(letter), "a number beyond every limit");
        let init = scene.wrapped(&forged);
        scene.admitted(init);
    }
}

#[test]
fn requests_are_bounded() {
    let mut scene = Scene::new(100);
    let more = Invite::from_link(&scene.bob.link(100, None)).unwrap();
    let last = Invite::from_link(&scene.bob.link(100, None)).unwrap();
    let links = [scene.link.clone(), more, last];
    let mut admitted = 0;
    for (i, link) in (0..205).map(|i| (i, links[i / 100].clone())) {
        scene.link = link;
        scene.mallory = Persona::new("m", NOW, &mut scene.dice);
        let init = scene.forge(|_| {});
        let before = scene.sessions();
        scene.hear(init);
        admitted += scene.sessions() - before;
        assert_eq!(admitted, usize::min(i + 1, 200));
    }
    assert_eq!(query::requests(&scene.bob.store).unwrap().len(), 200);
    assert_eq!(notices(&scene.bob, "link_used_twice"), 0);
}
