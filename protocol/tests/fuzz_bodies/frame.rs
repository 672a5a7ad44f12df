//! Frames from a stranger: read strictly, and without a trace on the disk.

use crate::common::node::Node;
use std::sync::OnceLock;
use waxwing_protocol::frame::Frame;
use waxwing_protocol::id::Fixed;
use waxwing_protocol::output::Output;
use waxwing_protocol::wire::codec::strip;

/// Any bytes as a frame: to the reader, then through the engine's door.
pub fn frame(data: &[u8]) {
    if let Ok(frame) = Frame::open(data) {
        let bytes = frame.to_bytes();
        assert_eq!(strip(data).as_deref(), Ok(&bytes[..]));
        assert_eq!(Frame::open(&bytes), Ok(frame));
    }
    static BOB: OnceLock<Node> = OnceLock::new();
    let before = BOB.get_or_init(|| {
        let mut bob = Node::new(2, "bob");
        bob.link(1, None);
        bob
    });
    let mut bob = before.clone();
    let out = bob.hear(Fixed([9; 32]), data.to_vec());
    assert!(before.rows() == bob.rows(), "a stranger left something");
    for output in out {
        assert!(
            matches!(output, Output::Penalty { .. }),
            "nobody who knows no secret gets an answer"
        );
    }
}
