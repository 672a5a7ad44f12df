//! What two connected peers say live: `[type, content]`.

use crate::discovery::invite::{InviteGet, InviteObjects};
use crate::limits::FRAME_BYTES_MAX;
use crate::mailbox::talk::{Ask, Over, Tell};
use crate::session::Letter;
use crate::session::handshake::Init;
use crate::wire::codec::{Malformed, decode, encode};
use alloc::vec::Vec;
use minicbor::{Decode, Encode};

/// One frame.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(flat)]
pub enum Frame {
    /// A letter of a session.
    #[n(1)]
    Letter(#[n(0)] Letter),
    /// A first message.
    #[n(2)]
    Init(#[n(0)] Init),
    /// Asks for an invite's objects.
    #[n(3)]
    InviteGet(#[n(0)] InviteGet),
    /// An invite's objects.
    #[n(4)]
    InviteObjects(#[n(0)] InviteObjects),
    /// A device to a bridge, about its mailbox.
    #[n(7)]
    Ask(#[n(0)] Ask),
    /// A bridge to a device, about its mailbox.
    #[n(8)]
    Tell(#[n(0)] Tell),
    /// To a bridge that opens boxes, and back.
    #[n(9)]
    Over(#[n(0)] Over),
}

impl Frame {
    /// Reads a peer's bytes.
    ///
    /// # Errors
    /// [`Malformed`] for anything but a canonical frame within its size.
    pub fn open(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() > FRAME_BYTES_MAX {
            Err(Malformed)
        } else {
            decode(bytes)
        }
    }

    /// The frame's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Fixed;
    use crate::wire::codec::Blob;
    use alloc::vec;

    #[test]
    fn frames_are_arrays_of_type_and_content() {
        let letter = Letter {
            hdr: Blob(vec![1]),
            ct: Blob(vec![2, 3]),
        };
        let frame = Frame::Letter(letter);
        let bytes = frame.to_bytes();
        assert_eq!(bytes, [0x82, 0x01, 0x82, 0x41, 1, 0x42, 2, 3]);
        assert_eq!(Frame::open(&bytes), Ok(frame));
        let get = Frame::InviteGet(InviteGet {
            version: 1,
            id: Fixed([7; 16]),
        });
        assert_eq!(Frame::open(&get.to_bytes()), Ok(get));
        for bad in [
            &[0x82, 0x17, 0x80][..],
            &[0x81, 0x01],
            &[0x83, 0x01, 0x80, 0x80],
            &[],
        ] {
            assert!(Frame::open(bad).is_err());
        }
    }
}
