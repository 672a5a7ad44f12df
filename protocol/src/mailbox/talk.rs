//! What a device and a bridge say to each other about the device's mailbox.

use super::forward::Forward;
use crate::crypto::derive;
use crate::crypto::sign::{Sig, SignKey, verify};
use crate::id::{B32, Hash16, Tag};
use crate::identity::account::Signed;
use crate::limits::{ACK_IDS_MAX, COOKIE_BYTES_MAX, TAG_BATCH};
use crate::time::Secs;
use crate::wire::codec::Blob;
use alloc::boxed::Box;
use alloc::vec::Vec;
use minicbor::{Decode, Encode};

/// What a device asks.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(flat)]
pub enum Ask {
    /// I hold this mailbox's key: challenge me.
    #[n(1)]
    Hello(#[n(0)] B32),
    /// The challenge's time, and its answer ([`auth`]). Makes the mailbox if there is none.
    #[n(2)]
    Auth(#[n(0)] Secs, #[n(1)] Sig),
    /// What comes under these tags until then is mine: exactly [`TAG_BATCH`].
    #[n(3)]
    Register(#[n(0)] Vec<Tag>, #[n(1)] Secs),
    /// Blocks with greater numbers than this, at most so many.
    #[n(5)]
    Fetch(#[n(0)] u64, #[n(1)] u32),
    /// I have all blocks up to this number, and these; they can go.
    #[n(6)]
    Ack(#[n(0)] u64, #[n(1)] Vec<u64>),
    /// Keep this for me, and show it with every challenge.
    #[n(7)]
    SetCookie(#[n(0)] Blob),
    /// Hand this on.
    #[n(8)]
    Forward(#[n(0)] Box<Forward>),
    /// The keys that boxes for this bridge are sealed to.
    #[n(12)]
    KeysOf(#[n(0)] B32),
    /// A bridge that you may not know.
    #[n(13)]
    Know(#[n(0)] Signed),
}

impl Ask {
    /// Its number on the wire.
    pub fn number(&self) -> u8 {
        match self {
            Self::Hello(..) => ask::HELLO,
            Self::Auth(..) => ask::AUTH,
            Self::Register(..) => ask::REGISTER,
            Self::Fetch(..) => ask::FETCH,
            Self::Ack(..) => ask::ACK,
            Self::SetCookie(..) => ask::SET_COOKIE,
            Self::Forward(..) => ask::FORWARD,
            Self::KeysOf(..) => ask::KEYS_OF,
            Self::Know(..) => ask::KNOW,
        }
    }

    /// Within its bounds.
    pub fn fits(&self) -> bool {
        match self {
            Self::Register(tags, _) => tags.len() == TAG_BATCH,
            Self::Ack(_, ids) => ids.len() <= ACK_IDS_MAX,
            Self::SetCookie(cookie) => cookie.len() <= COOKIE_BYTES_MAX,
            Self::Forward(forward) => forward.fits(),
            _ => true,
        }
    }
}

/// What a bridge answers or tells.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(flat)]
pub enum Tell {
    /// Sign this nonce and time; and the cookie, empty if there is none.
    #[n(1)]
    Challenge(#[n(0)] B32, #[n(1)] Secs, #[n(2)] Blob),
    /// What came of an ask of this number.
    #[n(2)]
    Result(#[n(0)] u8, #[n(1)] Why),
    /// Blocks with their numbers, in order; whether there are more.
    #[n(3)]
    Blocks(#[n(0)] Vec<(u64, Blob)>, #[n(1)] bool),
    /// A box is kept and will be handed on: the promise.
    #[n(4)]
    Queued(#[n(0)] Signed),
    /// There are new blocks, up to this number.
    #[n(5)]
    New(#[n(0)] u64),
    /// The keys of a bridge.
    #[n(6)]
    Keys(#[n(0)] Signed),
    /// A box is not kept.
    #[n(8)]
    NotQueued(#[n(0)] Hash16, #[n(1)] Why),
}

/// Numbers of asks, for [`Tell::Result`].
pub mod ask {
    /// [`super::Ask::Hello`].
    pub const HELLO: u8 = 1;
    /// [`super::Ask::Auth`].
    pub const AUTH: u8 = 2;
    /// [`super::Ask::Register`].
    pub const REGISTER: u8 = 3;
    /// [`super::Ask::Fetch`].
    pub const FETCH: u8 = 5;
    /// [`super::Ask::Ack`].
    pub const ACK: u8 = 6;
    /// [`super::Ask::SetCookie`].
    pub const SET_COOKIE: u8 = 7;
    /// [`super::Ask::Forward`].
    pub const FORWARD: u8 = 8;
    /// [`super::Ask::KeysOf`].
    pub const KEYS_OF: u8 = 12;
    /// [`super::Ask::Know`].
    pub const KNOW: u8 = 13;
}

/// Why something was not done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(index_only)]
pub enum Why {
    /// It was done.
    #[n(0)]
    Ok,
    /// A time that the bridge did not give, or gave too long ago.
    #[n(1)]
    Clock,
    /// The proof is wrong or missing.
    #[n(2)]
    Proof,
    /// There is no room: later.
    #[n(3)]
    Full,
    /// The box may be handed on for too long, or no longer.
    #[n(4)]
    Until,
    /// The bridge does not know the one that it is for.
    #[n(5)]
    UnknownBridge,
    /// Too much at once: later.
    #[n(6)]
    Rate,
    /// Out of its bounds.
    #[n(7)]
    Malformed,
    /// This bridge does not do that, or does not take anything new.
    #[n(8)]
    Closed,
}

/// What a bridge says to another, or to whoever brings a box itself.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(flat)]
pub enum Over {
    /// Open this.
    #[n(1)]
    Forward(#[n(0)] Box<Forward>),
    /// The answer to a box.
    #[n(2)]
    Reply(#[n(0)] Hash16, #[n(1)] Blob),
    /// A box that does not open, or that came too late.
    #[n(3)]
    Unopened(#[n(0)] Hash16),
    /// Your keys of the day, please.
    #[n(4)]
    KeysPlease,
    /// Keys of the day.
    #[n(5)]
    Keys(#[n(0)] Signed),
}

fn auth_body(bridge: &B32, nonce: &B32, time: Secs) -> Vec<u8> {
    [&bridge.0[..], &nonce.0, &time.to_be_bytes()].concat()
}

/// Answers a challenge: a signature over `b ‖ nonce ‖ u64 time`.
pub fn auth(key: &SignKey, bridge: &B32, nonce: &B32, time: Secs) -> Ask {
    let body = auth_body(bridge, nonce, time);
    Ask::Auth(time, key.sign(derive::MAILBOX_AUTH, &body))
}

/// Whether an answer is that of the mailbox's key.
pub fn proves(mailbox: &B32, bridge: &B32, nonce: &B32, time: Secs, sig: &Sig) -> bool {
    let body = auth_body(bridge, nonce, time);
    verify(mailbox, derive::MAILBOX_AUTH, &body, sig).is_ok()
}
