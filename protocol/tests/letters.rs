//! Letters through the engine's door: what is taken in, receipted, or left without a trace.

mod common;
#[path = "letters/fading.rs"]
mod fading;
#[path = "letters/scene.rs"]
mod scene;
#[path = "letters/verified.rs"]
mod verified;

use common::node::{Node, Pair, START_MS, penalty, sent};
use common::persona::Persona;
use common::{Dice, forge};
use scene::{NOW, Scene, fetch};
use waxwing_protocol::discovery::invite;
use waxwing_protocol::feed::body::{Body, NO_LIST, Plain, Profile, Reaction, Text};
use waxwing_protocol::frame::Frame;
use waxwing_protocol::id::{Fixed, Hash16, Mid};
use waxwing_protocol::input::Command;
use waxwing_protocol::private::Secret;
use waxwing_protocol::query::{self, Page};
use waxwing_protocol::session::handshake::Target;
use waxwing_protocol::session::heal_psk;
use waxwing_protocol::store::Table;
use waxwing_protocol::wire::codec::encode;

const DAY_MS: u64 = 24 * 3_600_000;

#[test]
fn messages_of_other_conversations_and_of_the_far_future_are_refused() {
    let mut scene = Scene::new(1);
    let (ours, now) = (scene.conversation(), START_MS);
    let good = scene.text("good", ours, now);
    let edge = scene.text("a day ahead", ours, now + DAY_MS);
    let elsewhere = scene.text("elsewhere", Fixed([1; 32]), now);
    let ahead = scene.text("too far ahead", ours, now + DAY_MS + 1);
    let body = Body::Text(Text {
        text: "nowhere".into(),
        reply_to: None,
    });
    let nowhere = scene.say(&body, None, Some(now));
    let never = scene.say(&body, Some(ours), None);
    assert_eq!(scene.texts(), ["good", "a day ahead"]);
    assert!(scene.owes(&good) && scene.owes(&edge));
    for mid in [elsewhere, ahead, nowhere, never] {
        assert!(!scene.owes(&mid));
    }
}

#[test]
fn held_letters_are_judged_alike_once_the_request_is_accepted() {
    let mut scene = Scene::new(5);
    let (ours, now) = (scene.conversation(), START_MS);
    let good = scene.text("good", ours, now);
    let elsewhere = scene.text("elsewhere", Fixed([1; 32]), now);
    assert!(!scene.owes(&good), "nothing before the user's word");
    let name = "carol".into();
    scene.bob.ask(Command::Accept { name }).unwrap();
    assert_eq!(scene.texts(), ["good"]);
    assert!(scene.owes(&good));
    assert!(!scene.owes(&elsewhere));
}

#[test]
fn at_most_eleven_letters_of_a_stranger_are_held() {
    let mut scene = Scene::new(5);
    let ours = scene.conversation();
    for i in 0..20 {
        scene.text(&format!("{i}"), ours, START_MS + i);
    }
    let name = "carol".into();
    scene.bob.ask(Command::Accept { name }).unwrap();
    // The profile was the first of the eleven.
    assert_eq!(scene.texts().len(), 10);
}

#[test]
fn the_first_body_under_an_id_wins() {
    let mut scene = Scene::new(1);
    let ours = scene.conversation();
    let mid = scene.text("first", ours, START_MS);
    let body = Body::Text(Text {
        text: "second".into(),
        reply_to: None,
    });
    scene.say_as(mid, &body, Some(ours), Some(START_MS + 1));
    assert_eq!(scene.texts(), ["first"]);
}

/// The reaction that stands on the one message there is.
fn standing(scene: &Scene) -> String {
    let all = query::messages(&scene.bob.store, "carol", &Page::default());
    all.unwrap().unwrap()[0].reactions[0].emoji.clone()
}

#[test]
fn of_two_reactions_the_same_one_stands_whatever_comes_first() {
    let react = |emoji: &str, to: Mid| {
        Body::Reaction(Reaction {
            to,
            emoji: emoji.into(),
        })
    };
    let (low, high, target) = (Fixed([1; 16]), Fixed([2; 16]), Fixed([7; 16]));
    let text = Body::Text(Text {
        text: "target".into(),
        reply_to: None,
    });
    for target_at in 0..3 {
        for low_first in [true, false] {
            let mut scene = Scene::new(1);
            let ours = scene.conversation();
            let mut letters = vec![(low, react("a", target)), (high, react("b", target))];
            if !low_first {
                letters.reverse();
            }
            letters.insert(target_at, (target, text.clone()));
            for (mid, body) in letters {
                scene.say_as(mid, &body, Some(ours), Some(START_MS));
            }
            assert_eq!(standing(&scene), "b", "{target_at} {low_first}");
        }
    }
}

#[test]
fn strangers_letters_leave_no_trace() {
    let mut pair = Pair::new();
    pair.meet(1);
    for i in 0..6 {
        pair.say(i % 2 == 0, "hello");
    }
    let letters: Vec<Vec<u8>> = pair
        .log
        .iter()
        .filter(|(to_a, bytes)| !to_a && bytes.starts_with(&[0x82, 0x01]))
        .map(|(_, bytes)| bytes.clone())
        .collect();
    let stranger = Fixed([0x66; 32]);
    let mut dice = Dice(4);
    let before = pair.b.rows();
    for letter in &letters {
        for _ in 0..20 {
            let mut bent = letter.clone();
            let at = dice.below(bent.len() as u64) as usize;
            bent[at] ^= 1 << dice.below(8);
            let out = pair.b.hear(stranger, bent);
            // A bent session id is that of no session, as a removed contact's would be.
            assert!(matches!(penalty(&out), 2 | 10) && sent(&out).is_empty());
            assert!(pair.b.rows() == before);
        }
        // The whole letter again is a duplicate, from whomever it comes.
        pair.b.hear(stranger, letter.clone());
        assert!(pair.b.rows() == before);
    }
    let unknown = forge::seal_letter(
        &waxwing_protocol::private::Secret::new([0; 32]),
        &waxwing_protocol::session::ratchet::Header {
            sid: Fixed([0; 8]),
            dh: Fixed([9; 32]),
            pn: 0,
            n: 0,
            ct: None,
            ek: None,
            salt: Fixed([0; 16]),
        },
        &Fixed([0; 32]),
        b"x",
    );
    let bytes = Frame::Letter(unknown).to_bytes();
    assert_eq!(penalty(&pair.b.hear(stranger, bytes)), 2);
    assert!(pair.b.rows() == before);
}

#[test]
fn a_duplicate_has_its_receipt_sent_again_but_not_at_once() {
    let mut pair = Pair::new();
    pair.meet(1);
    pair.say(true, "one");
    pair.say(false, "two");
    pair.say(true, "three");
    let (_, letter) = pair
        .log
        .iter()
        .rev()
        .find(|(to_a, _)| !to_a)
        .cloned()
        .unwrap();
    let alice = pair.a.peer();
    assert!(sent(&pair.b.hear(alice, letter.clone())).is_empty());
    pair.b.now += 4_000;
    assert_eq!(sent(&pair.b.hear(alice, letter.clone())).len(), 1);
    assert!(sent(&pair.b.hear(alice, letter.clone())).is_empty());
    // On a new connection it is: what was sent on the old one may be lost.
    pair.part();
    pair.b.now += 1;
    pair.join();
    assert_eq!(sent(&pair.b.hear(alice, letter.clone())).len(), 1);
    assert!(sent(&pair.b.hear(alice, letter)).is_empty());
}

#[test]
fn a_blocked_contacts_letters_are_dropped() {
    let mut pair = Pair::new();
    pair.meet(1);
    pair.say(true, "one");
    let name = "alice".into();
    pair.b.ask(Command::Block { name }).unwrap();
    let before = pair.b.rows();
    pair.say(true, "two");
    assert!(pair.b.rows() == before);
}

#[test]
fn an_old_copy_is_found_out_and_repaired() {
    let mut pair = Pair::new();
    pair.meet(1);
    pair.say(true, "one");
    pair.say(false, "two");
    let old = pair.a.store.clone();
    for i in 0..3 {
        pair.say(true, &format!("more {i}"));
        pair.say(false, &format!("and more {i}"));
    }
    pair.a.store = old;
    pair.say(true, "from the old copy");
    for _ in 0..8 {
        pair.pass(61_000);
    }
    pair.say(true, "after the repair");
    pair.say(false, "yes");
    let texts = |node: &Node, name: &str| -> Vec<String> {
        let all = query::messages(&node.store, name, &Page::default());
        let all = all.unwrap().unwrap();
        all.into_iter().map(|m| m.text.unwrap()).collect()
    };
    let (alice, bob) = (texts(&pair.a, "bob"), texts(&pair.b, "alice"));
    for text in ["from the old copy", "after the repair", "yes"] {
        assert!(bob.iter().any(|t| t == text), "bob lacks {text}: {bob:?}");
        assert!(alice.iter().any(|t| t == text), "alice lacks {text}");
    }
}

/// The proof of a repair is knowledge of the session that broke: of one's own.
#[test]
fn a_contact_cannot_repair_with_the_session_of_another() {
    let mut scene = Scene::new(1);
    let dave = Persona::new("dave", NOW, &mut Dice(12));
    let mut first_from_dave = |psk: Option<(Hash16, Secret<32>)>, opk: bool| {
        let (link, plain, bundle) = fetch(&mut scene.bob, 1);
        let own_psk = (Fixed(invite::id(&link.seed).0), invite::psk(&link.seed));
        let target = Target {
            bundle: &bundle,
            bundle_hash: plain.bundle.hash(),
            opk: plain.opk.filter(|_| opk).map(|opk| (opk.id, opk.key)),
            psk: Some(psk.unwrap_or(own_psk)),
        };
        let mut reached = dave.reach(&target, NOW, &mut scene.dice);
        let profile = Body::Profile(Profile {
            name: "dave".into(),
            note: None,
        });
        let plain = Plain {
            sender_list: dave.own.list,
            recipient_list: NO_LIST,
            mid: Mid::random(&mut scene.dice),
            conversation: None,
            clock: None,
            body: profile.to_typed(),
            custody: None,
            timer: None,
            sent: None,
        };
        let letter = reached
            .session
            .seal(&encode(&plain), scene.bob.now, &mut scene.dice)
            .unwrap();
        let init = reached.wrap(letter);
        scene.bob.hear(dave.own.peer, Frame::Init(init).to_bytes());
        let rows = scene.bob.store.iter();
        let sessions = rows
            .filter(|(key, _)| key.table() == Table::Session)
            .count();
        (sessions, reached.keys.k_exp)
    };
    let (sessions, k_exp) = first_from_dave(None, true);
    assert_eq!(sessions, 2, "carol's and dave's");
    let of_carol = heal_psk(&scene.reached.keys.k_exp);
    assert_eq!(
        first_from_dave(Some(of_carol), false).0,
        2,
        "carol's proof in dave's hand"
    );
    assert_eq!(
        first_from_dave(Some(heal_psk(&k_exp)), false).0,
        3,
        "dave's own proof"
    );
}
