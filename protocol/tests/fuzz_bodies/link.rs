//! Invite links: copied by hand, so anything may come.

use crate::common::node::Node;
use std::sync::OnceLock;
use waxwing_protocol::discovery::invite::Invite;
use waxwing_protocol::id::to_base64url;
use waxwing_protocol::input::Command;
use waxwing_protocol::limits::{ADDR_BYTES_MAX, ADDRS_MAX, INVITE_BRIDGES_MAX, INVITE_USES_MAX};

/// Any bytes as a link, written out by the user or as what a link holds.
pub fn invite_link(data: &[u8]) {
    if let Ok(text) = core::str::from_utf8(data) {
        read(text);
    }
    read(&format!("waxwing:{}", to_base64url(data)));
}

fn read(text: &str) {
    let Ok(invite) = Invite::from_link(text) else {
        return;
    };
    assert_eq!(invite.to_link(), text.trim(), "a second way to write it");
    assert_eq!(invite.version, 1);
    assert!((1..=INVITE_USES_MAX).contains(&invite.uses));
    assert!(invite.bridges.len() <= INVITE_BRIDGES_MAX);
    assert!(invite.addrs.len() <= ADDRS_MAX);
    assert!(invite.addrs.iter().all(|a| a.len() <= ADDR_BYTES_MAX));

    static BOB: OnceLock<Node> = OnceLock::new();
    let mut bob = BOB.get_or_init(|| Node::new(2, "bob")).clone();
    for _ in 0..2 {
        // Taken up or refused, twice: never a failure.
        let _ = bob.ask(Command::Add {
            link: text.into(),
            name: None,
            note: None,
        });
    }
}
