//! What is said of mailboxes: blocks, descriptors, boxes, and frames 7 to 9 at a bridge and at a
//! device that keeps a mailbox there.

use crate::common::node::{Node, sent};
use std::sync::OnceLock;
use waxwing_protocol::crypto::agree::AgreeKey;
use waxwing_protocol::crypto::kem::KemKey;
use waxwing_protocol::frame::Frame;
use waxwing_protocol::id::{Fixed, Peer, to_base64url};
use waxwing_protocol::input::{BridgeSettings, Command, Input, Reach};
use waxwing_protocol::limits::{BLOCK_BYTES, DESCRIPTOR_CHARS_MAX, FRAME_BYTES_MAX};
use waxwing_protocol::mailbox::block::{Block, Lane};
use waxwing_protocol::mailbox::descriptor;
use waxwing_protocol::mailbox::forward::{Forward, open_reply};
use waxwing_protocol::mailbox::talk::{Ask, Over, Tell, Why};
use waxwing_protocol::output::Output;
use waxwing_protocol::private::Secret;
use waxwing_protocol::query;
use waxwing_protocol::wire::codec::{decode, encode};

const STRANGER: Peer = Fixed([9; 32]);

/// A bridge, and a device whose mailbox there is open.
struct Scene {
    bridge: Node,
    device: Node,
}

/// Any bytes as each of the things that are said.
pub fn mailbox(data: &[u8]) {
    block(data);
    text(data);
    sealed(data);
    static SCENE: OnceLock<Scene> = OnceLock::new();
    let scene = SCENE.get_or_init(scene);
    for number in [7, 8, 9] {
        let bytes = [&[0x82, number], data].concat();
        if let Ok(frame) = Frame::open(&bytes) {
            assert_eq!(Frame::open(&frame.to_bytes()), Ok(frame));
        }
        let (device, bridge) = (scene.device.peer(), scene.bridge.peer());
        let mut at_bridge = scene.bridge.clone();
        said(&at_bridge.hear(device, bytes.clone()));
        let mut at_bridge = scene.bridge.clone();
        for answer in said(&at_bridge.hear(STRANGER, bytes.clone())) {
            to_a_stranger(&answer);
        }
        let mut at_device = scene.device.clone();
        said(&at_device.hear(bridge, bytes.clone()));
        let mut at_device = scene.device.clone();
        let answers = said(&at_device.hear(STRANGER, bytes));
        assert!(answers.is_empty(), "a device answers strangers nothing");
    }
}

fn block(data: &[u8]) {
    let Ok(block) = Block::read(data) else {
        return;
    };
    assert_eq!(block.to_bytes(), data, "a second way to write it");
    if let Block::Envelope(tag, nonce, ct) = block {
        assert!(BLOCK_BYTES.contains(&data.len()));
        let (key, bridge) = (Secret::new([1; 32]), Fixed([2; 32]));
        let lane = Lane {
            key: &key,
            bridge: &bridge,
            from_initiator: true,
        };
        assert!(lane.open(20_000, &tag, &nonce, &ct).is_none());
    }
}

fn text(data: &[u8]) {
    let held = format!("waxwing-bridge:{}", to_base64url(data));
    let text = core::str::from_utf8(data).unwrap_or("");
    for text in [text, &held] {
        if let Ok((signed, said)) = descriptor::from_text(text) {
            assert_eq!(descriptor::to_text(&signed), text.trim());
            assert_eq!(descriptor::open(&signed), Ok(said));
            assert!(text.trim().len() <= DESCRIPTOR_CHARS_MAX + 15);
        }
    }
}

/// As a box, and as the answer to one: neither opens, whatever it looks like.
fn sealed(data: &[u8]) {
    static KEYS: OnceLock<(AgreeKey, KemKey)> = OnceLock::new();
    let (x, kem) = KEYS.get_or_init(|| {
        let dice = &mut crate::common::Dice(5);
        (AgreeKey::random(dice), KemKey::random(dice))
    });
    if let Ok(forward) = decode::<Forward>(data) {
        assert_eq!(decode(&encode(&forward)), Ok(forward.clone()));
        assert!(forward.open(x, kem).is_none());
    }
    assert!(open_reply(&Secret::new([3; 32]), &Fixed([4; 32]), data).is_none());
}

/// Frames that were sent: each can be sent and read.
fn said(out: &[Output]) -> Vec<Frame> {
    let read = |bytes: Vec<u8>| {
        assert!(bytes.len() <= FRAME_BYTES_MAX);
        Frame::open(&bytes).expect("what a node says is well-formed")
    };
    sent(out).into_iter().map(read).collect()
}

fn to_a_stranger(answer: &Frame) {
    let fine = match answer {
        Frame::Tell(Tell::Challenge(_, _, cookie)) => cookie.is_empty(),
        Frame::Tell(Tell::Result(of, why)) => *why != Why::Ok || *of == 13,
        Frame::Tell(Tell::NotQueued(_, why)) => *why == Why::Proof,
        Frame::Tell(Tell::Keys(_)) => true,
        Frame::Over(Over::Unopened(_) | Over::Keys(_)) => true,
        _ => false,
    };
    assert!(fine, "to a stranger: {answer:?}");
}

fn scene() -> Scene {
    let mut bridge = Node::new(3, "bridge");
    bridge.settings.bridge = Some(BridgeSettings {
        country: "PT".into(),
        operator: "bridge".into(),
        mailbox: true,
        forward: true,
        relay: false,
        public: Vec::new(),
        quota_bytes: 1 << 20,
    });
    let listen = vec![crate::common::node::address_of(&bridge.peer())];
    bridge.step(Input::Start { listen });
    let view = query::bridge(&bridge.store).unwrap().unwrap();
    let mut device = Node::new(1, "alice");
    let descriptor = view.descriptor;
    device.ask(Command::AddBridge { descriptor }).unwrap();
    let (a, b) = (device.peer(), bridge.peer());
    let how = Reach::Direct;
    bridge.step(Input::Up { peer: a, how });
    let mut to_bridge = sent(&device.step(Input::Up { peer: b, how }));
    let mut proved = false;
    while !to_bridge.is_empty() {
        let mut to_device = Vec::new();
        for bytes in to_bridge.drain(..) {
            proved |= matches!(Frame::open(&bytes), Ok(Frame::Ask(Ask::Auth(..))));
            to_device.extend(sent(&bridge.hear(a, bytes)));
        }
        for bytes in to_device {
            to_bridge.extend(sent(&device.hear(b, bytes)));
        }
    }
    assert!(proved);
    Scene { bridge, device }
}
