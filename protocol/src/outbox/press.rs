//! Sealing: an item becomes a letter, and the letter a frame.

use super::plain::plain;
use super::{Cx, Item, Sealed};
use crate::feed::body::kind;
use crate::frame::Frame;
use crate::id::{DeviceId, SessionId};
use crate::identity::contact::{ContactRow, DeviceRow};
use crate::limits::{FIRST_FLIGHT_LETTERS_MAX, FIRST_TEXT_BYTES_MAX, INIT_FRAME_BYTES_MAX};
use crate::session::handshake::Init;
use crate::session::ratchet::SessionRow;
use crate::session::{self, Letter};
use crate::store::StoreError;
use crate::wire::codec::encode;
use alloc::vec::Vec;

/// What came of preparing an item.
pub(super) enum Ready {
    /// This frame is to be sent.
    Frame(Vec<u8>),
    /// It cannot be sealed yet, nor what comes after it.
    Wait,
    /// There is nothing to say any more.
    Gone,
}

/// Seals letters of one device pair, keeping the session at hand between letters.
pub(super) struct Press<'a> {
    contact: &'a ContactRow,
    row: &'a DeviceRow,
    device: DeviceId,
    session: Option<SessionRow>,
}

impl<'a> Press<'a> {
    pub(super) fn new(contact: &'a ContactRow, row: &'a DeviceRow, device: DeviceId) -> Self {
        Self {
            contact,
            row,
            device,
            session: None,
        }
    }

    /// The frame that says an item, sealed now if it was not yet.
    pub(super) fn letter(
        &mut self,
        cx: &mut Cx<'_, '_, '_>,
        item: &mut Item,
    ) -> Result<Ready, StoreError> {
        if let Some(sealed) = &item.sealed {
            if self.take_up(cx, sealed.session)? {
                let letter = sealed.letter.clone();
                return Ok(Ready::Frame(self.frame(letter)));
            }
            item.sealed = None;
            item.copies.clear();
        }
        let Some(id) = self.row.sending().map(|s| s.id) else {
            return Ok(Ready::Wait);
        };
        if !self.take_up(cx, id)? {
            return Ok(Ready::Wait);
        }
        let first = self.unanswered();
        let Some(plain) = plain(cx, self.contact, item, first)? else {
            return Ok(Ready::Gone);
        };
        let Some(session) = &mut self.session else {
            return Ok(Ready::Wait);
        };
        let bytes = encode(&plain);
        if let Some(first) = &session.first {
            let long =
                plain.body.kind == kind::TEXT && plain.body.bytes.len() > FIRST_TEXT_BYTES_MAX + 32;
            // Heads and the header of a letter without ML-KEM fields.
            let size = first.pb.len() + first.eid.len() + bytes.len() + 160;
            if first.sealed >= FIRST_FLIGHT_LETTERS_MAX || long || size > INIT_FRAME_BYTES_MAX {
                return Ok(Ready::Wait);
            }
        }
        let Ok(letter) = session.seal(&bytes, cx.at.now, cx.at.rng) else {
            return Ok(Ready::Wait);
        };
        item.sealed = Some(Sealed {
            session: session.id,
            letter: letter.clone(),
            at: cx.at.now,
        });
        Ok(Ready::Frame(self.frame(letter)))
    }

    /// Until the peer's first reply every letter travels inside the init.
    fn frame(&self, letter: Letter) -> Vec<u8> {
        let first = self.session.as_ref().and_then(|s| s.first.as_ref());
        match first {
            Some(first) => {
                let init = Init {
                    pb: first.pb.clone(),
                    eid: first.eid.clone(),
                    letter,
                };
                Frame::Init(init).to_bytes()
            }
            None => Frame::Letter(letter).to_bytes(),
        }
    }

    /// The session at hand still waits for the peer's first reply.
    pub(super) fn unanswered(&self) -> bool {
        self.session.as_ref().is_some_and(|s| s.first.is_some())
    }

    /// Has a session at hand; `false` if it is gone.
    fn take_up(&mut self, cx: &mut Cx<'_, '_, '_>, id: SessionId) -> Result<bool, StoreError> {
        if self.session.as_ref().is_none_or(|s| s.id != id) {
            self.finish(cx);
            self.session = session::load(cx.tx, &id)?.filter(|s| s.device == self.device);
        }
        Ok(self.session.is_some())
    }

    /// Puts the session back; to be called once nothing more is sealed.
    pub(super) fn finish(&mut self, cx: &mut Cx<'_, '_, '_>) {
        if let Some(session) = self.session.take() {
            session::save(cx.tx, &session);
        }
    }
}
