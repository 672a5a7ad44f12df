//! What a conversation keeps beside its messages; a part of its contact's row.

use crate::id::Mid;
use crate::time::{Millis, Secs};
use crate::wire::codec::Blob;
use minicbor::{Decode, Encode};

/// After which time messages of a conversation disappear, as somebody in it set it last: the
/// newest clock wins, then the greater id.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct TimerRow {
    /// Seconds; 0: they stay.
    #[n(0)]
    pub secs: Secs,
    /// Clock of the message that set it.
    #[n(1)]
    pub clock: Millis,
    /// Its id.
    #[n(2)]
    pub mid: Mid,
}

/// How far a conversation is packed for search.
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub struct Packed {
    /// Order key up to which everything is packed, what came late excepted; empty: nothing is.
    #[n(0)]
    pub upto: Blob,
    /// Messages that came since.
    #[n(1)]
    pub fresh: u32,
}

/// A contact whose messages nobody is to be disturbed by.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Muted {
    /// When it ends by itself; `None`: never.
    #[n(0)]
    pub until: Option<Millis>,
}
