//! What a contact's row is made of.

use crate::id::{DeviceId, InviteId};
use crate::private::Secret;
use crate::time::Secs;
use crate::wire::codec::Blob;
use minicbor::{Decode, Encode};

/// How a connection reaches a peer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Encode, Decode)]
#[cbor(index_only)]
pub enum Reach {
    /// A connection between the two nodes.
    #[n(0)]
    Direct,
    /// Direct, after punching through NATs.
    #[n(1)]
    Punched,
    /// Through a relay.
    #[n(2)]
    Relayed,
}

/// Where a contact stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Encode, Decode)]
#[cbor(index_only)]
pub enum ContactState {
    /// We asked; no answer yet.
    #[n(0)]
    Pending,
    /// They asked; waits in `requests`.
    #[n(1)]
    Requested,
    /// Both sides know.
    #[n(2)]
    Connected,
    /// We want to hear nothing of them.
    #[n(3)]
    Blocked,
    /// A request that was declined.
    #[n(4)]
    Declined,
}

/// An invite that was taken up and whose objects have not come yet.
#[derive(Clone, Debug, Encode, Decode)]
pub struct PendingInvite {
    /// Its id.
    #[n(0)]
    pub id: InviteId,
    /// Its seed.
    #[n(1)]
    pub seed: Secret<32>,
    /// Least (epoch, version) of the inviter's list.
    #[n(2)]
    pub floor: (u32, u32),
    /// Unix seconds.
    #[n(3)]
    pub expires: Secs,
}

/// A requester's letter that waits for the user's word.
#[derive(Clone, Debug, Encode, Decode)]
pub struct HeldLetter {
    /// Which of their devices sealed it.
    #[n(0)]
    pub device: DeviceId,
    /// The encoded plaintext. Stored, it lies in a row of its own (`held`).
    #[n(1)]
    pub plain: Blob,
}

/// How far a history is erased.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Clearing {
    /// What came at this cursor of the change log or later stays.
    #[n(0)]
    pub upto: u64,
    /// Order key behind which it goes on.
    #[n(1)]
    pub from: Blob,
}
