//! Real bytes held against `waxwing.cddl`.

use super::cddl::Cddl;
use super::page;
use crate::common::Dice;
use crate::common::forge::honest;
use crate::common::persona::{Persona, plain_of};
use data_encoding::HEXLOWER;
use waxwing_protocol::feed::body::{
    Body, Bridges, BundleBody, Delete, Edit, Lists, PeerIds, Profile, Reaction, Receipt, Repair,
    Text, Timer,
};
use waxwing_protocol::frame::Frame;
use waxwing_protocol::id::Fixed;
use waxwing_protocol::identity::account::Signed;
use waxwing_protocol::identity::bundle::Bundle;
use waxwing_protocol::wire::codec::{encode, strip};

fn cddl() -> Cddl {
    Cddl::parse(&page("waxwing.cddl"))
}

/// `"key": "value"` lines of a vector file, in order.
fn fields(name: &str) -> Vec<(String, String)> {
    page(&format!("vectors/{name}"))
        .lines()
        .filter_map(|line| {
            let (key, value) = line.trim().trim_end_matches(',').split_once(": ")?;
            let bare = |text: &str| text.trim_matches('"').to_owned();
            Some((bare(key), bare(value)))
        })
        .collect()
}

fn unhex(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.as_bytes()).unwrap()
}

#[test]
fn every_rule_is_defined_and_used() {
    let (missing, unused) = cddl().loose_ends();
    assert!(missing.is_empty(), "{missing:?}");
    // What stands at the top: frames, links, and plaintexts of what is sealed.
    let roots = [
        "answer",
        "frame",
        "ident",
        "invite",
        "invite-plain",
        "plain",
        "request",
    ];
    assert!(unused.iter().eq(roots.iter()), "{unused:?}");
}

#[test]
fn the_vectors_are_what_the_rules_say() {
    let cddl = cddl();
    let mut checked = 0;
    let mut check = |rule: &str, hex: &str| {
        assert!(cddl.allows(rule, &unhex(hex)), "{rule} {hex}");
        checked += 1;
    };
    let mut kind = String::new();
    for (key, value) in fields("signed.json") {
        match key.as_str() {
            "type" => kind = value,
            "body" => check(&format!("{kind}-body"), &value),
            "signed" => check(&format!("signed-{kind}"), &value),
            _ => {}
        }
    }
    for (key, value) in fields("invites.json") {
        match key.as_str() {
            "content" => check("invite", &value),
            "plain" => check("invite-plain", &value),
            "frame_3" | "frame_4" => check("frame", &value),
            _ => {}
        }
    }
    for (key, value) in fields("handshake.json") {
        match key.as_str() {
            "pb" => check("hs-public", &value),
            "ident" => check("ident", &value),
            _ => {}
        }
    }
    for (key, value) in fields("ratchet.json") {
        if key == "hdr" {
            check("dr-hdr", &value);
        }
    }
    for (key, value) in fields("mailbox.json") {
        match key.as_str() {
            "type" => kind = value,
            "body" => check(&format!("{kind}-body"), &value),
            "signed" => check(&format!("signed-{kind}"), &value),
            "envelope" | "request" | "answer" | "forward" | "frame" => check(&key, &value),
            _ => {}
        }
    }
    assert!(checked > 120, "{checked}");
}

/// Frames 7 to 9 that are out of their bounds, made of those of the vectors.
#[test]
fn the_rules_bound_the_talk_of_bridges() {
    let cddl = cddl();
    let (mut name, mut frames) = (String::new(), Vec::new());
    for (key, value) in fields("mailbox.json") {
        match key.as_str() {
            "name" => name = value,
            "frame" => frames.push((name.clone(), unhex(&value))),
            _ => {}
        }
    }
    let find = |name: &str| frames.iter().find(|(of, _)| of == name).unwrap().1.clone();
    // What is said in one frame is not said in another.
    for (name, frame) in &frames {
        let mut other = frame.clone();
        other[1] = if frame[1] == 9 { 7 } else { frame[1] + 1 };
        assert!(!cddl.allows("frame", &other), "{name}");
    }
    // 513 tags, why 9, a reply that is a byte short.
    let mut register = find("register");
    let at = register
        .windows(3)
        .position(|w| w == [0x99, 0x02, 0x00])
        .unwrap();
    register[at + 2] = 1;
    register.splice(at + 3..at + 3, [0x50].into_iter().chain([7; 16]));
    assert!(cddl_reads(&register) && !cddl.allows("frame", &register));
    let mut result = find("result");
    *result.last_mut().unwrap() = 9;
    assert!(cddl_reads(&result) && !cddl.allows("frame", &result));
    let mut reply = find("reply");
    let at = reply.len() - 553;
    reply[at] = 0x27;
    reply.pop();
    assert!(cddl_reads(&reply) && !cddl.allows("frame", &reply));
}

fn cddl_reads(bytes: &[u8]) -> bool {
    super::cddl::read(bytes).is_some()
}

#[test]
fn what_strict_readers_refuse_the_rules_do_not_allow() {
    let cddl = cddl();
    let (mut kind, mut bytes, mut checked) = (String::new(), vec![], 0);
    for (key, value) in fields("cbor.json") {
        match key.as_str() {
            "type" => kind = value,
            "hex" => bytes = unhex(&value),
            // Encodings that are not canonical are beyond what CDDL can say.
            "accepted" if kind != "any" && strip(&bytes).is_ok() => {
                assert_eq!(cddl.allows(&kind, &bytes), value == "true");
                checked += 1;
            }
            _ => {}
        }
    }
    assert!(checked >= 10);
}

/// The signed descriptor of the vectors.
fn descriptor() -> Signed {
    let text = fields("mailbox.json")
        .into_iter()
        .find_map(|(key, value)| (key == "descriptor_text").then_some(value));
    let text = text.unwrap();
    waxwing_protocol::mailbox::descriptor::from_text(&text)
        .unwrap()
        .0
}

#[test]
fn every_body_and_a_whole_first_message_are_what_the_rules_say() {
    let cddl = cddl();
    let dice = &mut Dice(3);
    let alice = Persona::new("alice", 1_800_000_000, dice);
    let bodies = [
        (
            "text",
            Body::Text(Text {
                text: "hi".into(),
                reply_to: Some(Fixed([1; 16])),
            }),
        ),
        (
            "edit",
            Body::Edit(Edit {
                to: Fixed([1; 16]),
                text: "hello".into(),
            }),
        ),
        ("delete", Body::Delete(Delete { to: Fixed([1; 16]) })),
        (
            "reaction",
            Body::Reaction(Reaction {
                to: Fixed([1; 16]),
                emoji: String::new(),
            }),
        ),
        (
            "receipt",
            Body::Receipt(Receipt {
                mids: vec![Fixed([1; 16]); 64],
                kind: Receipt::READ,
            }),
        ),
        ("timer", Body::Timer(Timer { secs: 86_400 })),
        (
            "profile",
            Body::Profile(Profile {
                name: "alice".into(),
                note: None,
            }),
        ),
        (
            "lists",
            Body::Lists(Lists {
                statement: alice.objects.statement.clone(),
                list: alice.objects.list.clone(),
            }),
        ),
        (
            "peer-ids",
            Body::PeerIds(PeerIds {
                peer: alice.own.peer,
                addrs: vec!["/ip4/127.0.0.1/tcp/1".into()],
                expires: 1,
            }),
        ),
        (
            "repair",
            Body::Repair(Repair {
                failed: Fixed([1; 8]),
                n: 7,
                last: Fixed([0; 16]),
            }),
        ),
        (
            "bridges",
            Body::Bridges(Bridges {
                descriptors: vec![descriptor(); 4],
                said: u64::MAX,
            }),
        ),
        ("bundle-request", Body::BundleRequest),
        (
            "bundle",
            Body::Bundle(BundleBody {
                bundle: alice.prekeys.bundle.clone(),
            }),
        ),
    ];
    for (name, body) in &bodies {
        let typed = body.to_typed();
        let rule = if *name == "bundle" {
            "bundle-body-body".into()
        } else {
            format!("{name}-body")
        };
        assert!(cddl.allows(&rule, &encode(&typed)), "{rule}");
        assert!(cddl.allows(name, &typed.bytes), "{name}");
        let plain = plain_of(&alice.own, body, dice);
        assert!(cddl.allows("plain", &plain), "{name}");
    }
    let bob = Persona::new("bob", 1_800_000_000, dice);
    let bundle: Bundle = bob.prekeys.bundle.peek().unwrap();
    let forged = honest(&alice, &bundle, bob.prekeys.bundle.hash(), 1_800_000_000).make(dice);
    let letter = forged.letter(b"", None, dice);
    let letter_frame = Frame::Letter(letter.clone()).to_bytes();
    assert!(cddl.allows("letter-frame", &letter_frame));
    let init = Frame::Init(forged.init(letter)).to_bytes();
    assert!(cddl.allows("init-frame", &init));
    assert!(cddl.allows("frame", &init));
    assert!(!cddl.allows("letter-frame", &init));
}
