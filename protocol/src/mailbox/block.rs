//! Blocks: what a bridge holds. A tag names the mailbox; only the two devices of a session can
//! tell whose it is.

use crate::crypto::derive::{self, expand};
use crate::crypto::hash::hmac;
use crate::crypto::seal::{TAG_BYTES, open_x, seal_x};
use crate::id::{B32, Fixed, Hash16, Tag};
use crate::limits::BLOCK_BYTES;
use crate::private::{Bytes, Secret};
use crate::time::{DAY_MS, Millis};
use crate::wire::codec::{Blob, Malformed, decode_closed, encode};
use crate::wire::pad::{pad, unpad};
use alloc::vec::Vec;
use minicbor::{Decode, Encode};
use rand_core::CryptoRng;

/// CBOR heads of an envelope with its tag and nonce.
const HEADS: usize = 48;

/// One block.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(flat)]
pub enum Block {
    /// A frame of a session, under a tag of the day.
    #[n(1)]
    Envelope(#[n(0)] Tag, #[n(1)] Fixed<24>, #[n(2)] Blob),
    /// What came of a box that this bridge handed on; made by the bridge itself.
    #[n(3)]
    Reply(#[n(0)] Hash16, #[n(1)] Blob),
    /// A box that could not be handed on; made by the bridge itself.
    #[n(4)]
    GaveUp(#[n(0)] Hash16),
}

impl Block {
    /// Reads a block.
    ///
    /// # Errors
    /// [`Malformed`] for anything but a canonical one; an envelope has one of the exact sizes.
    pub fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let block = decode_closed(bytes)?;
        match &block {
            Self::Envelope(..) if !BLOCK_BYTES.contains(&bytes.len()) => Err(Malformed),
            _ => Ok(block),
        }
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }
}

/// The unix day of a time.
pub fn day(at: Millis) -> u32 {
    u32::try_from(at / DAY_MS).unwrap_or(u32::MAX)
}

/// One direction of one session at one bridge.
#[derive(Clone, Copy)]
pub struct Lane<'a> {
    /// K_mbx of the session.
    pub key: &'a Secret<32>,
    /// The bridge.
    pub bridge: &'a B32,
    /// The sender is the session's initiator.
    pub from_initiator: bool,
}

impl Lane<'_> {
    /// 0: from the initiator; 1: to it.
    fn direction(&self) -> [u8; 1] {
        [u8::from(!self.from_initiator)]
    }

    /// `HMAC(K_mbx, "wx1/tag" ‖ b ‖ u32 e ‖ u8 c ‖ u16 0)`, first 16 bytes.
    pub fn tag(&self, day: u32) -> Tag {
        let message = [
            derive::TAG.bytes(),
            &self.bridge.0,
            &day.to_be_bytes(),
            &self.direction(),
            &[0, 0],
        ]
        .concat();
        let mac = hmac(self.key.expose(), &message);
        Tag::from_slice(&mac[..16]).unwrap_or(Tag::ZERO)
    }

    fn envelope_key(&self, day: u32) -> Secret<32> {
        let info: [&[u8]; 4] = [
            derive::ENVELOPE.bytes(),
            &self.bridge.0,
            &day.to_be_bytes(),
            &self.direction(),
        ];
        expand(self.key.expose(), &info)
    }

    /// Puts a frame into an envelope of the smallest size that holds it; `None` if none does.
    pub fn seal(&self, day: u32, frame: &[u8], rng: &mut dyn CryptoRng) -> Option<Vec<u8>> {
        let padded = BLOCK_BYTES
            .iter()
            .find_map(|size| pad(frame, size - HEADS - TAG_BYTES))?;
        let tag = self.tag(day);
        let nonce = Fixed::random(rng);
        let ct = seal_x(&self.envelope_key(day), &nonce.0, &padded, &tag.0);
        Some(Block::Envelope(tag, nonce, Blob(ct)).to_bytes())
    }

    /// The frame in an envelope of a day, or `None` if it was not sealed by the other side.
    pub fn open(&self, day: u32, tag: &Tag, nonce: &Fixed<24>, ct: &[u8]) -> Option<Bytes> {
        let padded = open_x(&self.envelope_key(day), &nonce.0, ct, &tag.0).ok()?;
        unpad(&padded).map(|frame| Bytes::new(frame.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::dice::Counting;

    fn lane<'a>(key: &'a Secret<32>, bridge: &'a B32) -> Lane<'a> {
        Lane {
            key,
            bridge,
            from_initiator: true,
        }
    }

    #[test]
    fn envelopes_have_four_sizes_and_open_on_their_day_and_way_only() {
        let (key, bridge) = (Secret::new([1; 32]), Fixed([2; 32]));
        let lane = lane(&key, &bridge);
        let mut rng = Counting(0);
        for (frame, size) in [
            (0, 1_024),
            (956, 1_024),
            (957, 4_096),
            (4_029, 16_384),
            (16_317, 65_536),
            (65_468, 65_536),
        ] {
            let frame = alloc::vec![7; frame];
            let bytes = lane.seal(20_000, &frame, &mut rng).unwrap();
            assert_eq!(bytes.len(), size);
            let Ok(Block::Envelope(tag, nonce, ct)) = Block::read(&bytes) else {
                panic!("an envelope");
            };
            assert_eq!(tag, lane.tag(20_000));
            let opened = lane.open(20_000, &tag, &nonce, &ct).unwrap();
            assert_eq!(opened.as_slice(), frame);
            assert!(lane.open(20_001, &tag, &nonce, &ct).is_none());
            let back = Lane {
                from_initiator: false,
                ..lane
            };
            assert!(back.open(20_000, &tag, &nonce, &ct).is_none());
            assert_ne!(back.tag(20_000), tag);
            let other = Fixed([3; 32]);
            let elsewhere = Lane {
                bridge: &other,
                ..lane
            };
            assert!(elsewhere.open(20_000, &tag, &nonce, &ct).is_none());
        }
        let long = alloc::vec![7; 65_469];
        assert!(lane.seal(20_000, &long, &mut rng).is_none());
    }

    #[test]
    fn an_envelope_of_another_size_is_refused() {
        let block = Block::Envelope(Fixed([1; 16]), Fixed([2; 24]), Blob(alloc::vec![0; 900]));
        assert!(Block::read(&block.to_bytes()).is_err());
        let reply = Block::Reply(Fixed([1; 16]), Blob(alloc::vec![1, 2]));
        assert_eq!(Block::read(&reply.to_bytes()), Ok(reply));
    }
}
