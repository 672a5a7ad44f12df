//! Frames from a stranger: read strictly, and without a trace on the disk.

use crate::common::node::Node;
use std::sync::OnceLock;
use waxwing_protocol::discovery::invite::{self, Invite};
use waxwing_protocol::frame::Frame;
use waxwing_protocol::id::{Fixed, InviteId, Peer};
use waxwing_protocol::output::Output;
use waxwing_protocol::wire::codec::strip;

const STRANGER: Peer = Fixed([9; 32]);

/// Any bytes as a frame: to the reader, then through the engine's door.
pub fn frame(data: &[u8]) {
    if let Ok(frame) = Frame::open(data) {
        let bytes = frame.to_bytes();
        assert_eq!(strip(data).as_deref(), Ok(&bytes[..]));
        assert_eq!(Frame::open(&bytes), Ok(frame));
    }
    static BOB: OnceLock<(Node, InviteId)> = OnceLock::new();
    let (before, invite) = BOB.get_or_init(|| {
        let mut bob = Node::new(2, "bob");
        let link = Invite::from_link(&bob.link(1, None)).unwrap();
        (bob, invite::id(&link.seed))
    });
    let mut bob = before.clone();
    let out = bob.hear(STRANGER, data.to_vec());
    assert!(before.rows() == bob.rows(), "a stranger left something");
    // Nobody guesses the id of an invite, but a fuzzer that watches comparisons reads it off.
    let names_it = match Frame::open(data) {
        Ok(Frame::InviteGet(get)) => get.version == 1 && get.id == *invite,
        _ => false,
    };
    let mut answers = 0;
    for output in out {
        match output {
            Output::Penalty { .. } => {}
            Output::Send { to, bytes, .. } => {
                assert_eq!(to, STRANGER);
                let objects = matches!(Frame::open(&bytes),
                    Ok(Frame::InviteObjects(objects)) if objects.id == *invite);
                assert!(objects, "only the objects of the invite that was named");
                answers += 1;
            }
            other => panic!("to a stranger: {other:?}"),
        }
    }
    assert_eq!(
        answers,
        usize::from(names_it),
        "whoever names the invite gets its objects, nobody else gets an answer"
    );
}
