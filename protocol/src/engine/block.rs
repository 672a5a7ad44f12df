//! Blocks from a mailbox of ours: what is in them is taken in as if it had come over a connection.

use super::way::Way;
use super::{arrival, letters};
use crate::frame::Frame;
use crate::id::B32;
use crate::identity::contact;
use crate::mailbox::block::Block;
use crate::mailbox::client;
use crate::outbox::{self, Cx};
use crate::store::StoreError;

/// Takes in one block. Says whether it has to wait for others.
pub(super) fn take(
    cx: &mut Cx<'_, '_, '_>,
    bridge: &B32,
    block: &[u8],
) -> Result<bool, StoreError> {
    // A bridge's nonsense is acknowledged like everything else: it would only come again.
    let Ok(block) = Block::read(block) else {
        return Ok(false);
    };
    let (tag, nonce, ct) = match block {
        Block::Envelope(tag, nonce, ct) => (tag, nonce, ct),
        Block::Reply(fid, reply) => {
            outbox::box_answered(cx, &fid, Some(&reply))?;
            return Ok(false);
        }
        Block::GaveUp(fid) => {
            outbox::box_answered(cx, &fid, None)?;
            return Ok(false);
        }
    };
    let Some((lane, day)) = client::lane_of(cx.tx, bridge, &tag, cx.at.now)? else {
        return Ok(false);
    };
    let Some(contact) = contact::get(cx.tx, lane.no)? else {
        return Ok(false);
    };
    if !outbox::may_send(contact.state) {
        return Ok(false);
    }
    let device = contact::device(cx.tx, lane.no, &lane.device)?;
    let session = device.sessions.iter().find(|s| s.id == lane.session);
    let opened = session
        .and_then(|session| client::incoming(session, bridge))
        .and_then(|lane| lane.open(day, &tag, &nonce, &ct));
    let Some(frame) = opened else {
        return Ok(false);
    };
    let way = Way::Mail(lane.no, &lane.device);
    match Frame::open(&frame) {
        Ok(Frame::Letter(letter)) => letters::receive(cx, way, &letter),
        Ok(Frame::Init(init)) => arrival::receive(cx, way, &init),
        _ => Ok(false),
    }
}
