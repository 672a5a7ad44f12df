//! Everything that can happen to the engine.

use crate::feed::past::Past;
use crate::id::{Mid, Peer};
pub use crate::identity::contact::Reach;
use crate::time::{Millis, Secs};
use alloc::string::String;
use alloc::vec::Vec;
use rand_core::CryptoRng;

/// What the shell lends to one call: the time, the dice, the settings.
pub struct Moment<'a> {
    /// Unix time in milliseconds; never goes back within one run of a node.
    pub now: Millis,
    /// Cryptographic randomness; seeded in tests.
    pub rng: &'a mut dyn CryptoRng,
    /// What the user set.
    pub settings: &'a Settings,
}

/// What the user set; read at every call, stored nowhere by the core.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Tell senders when their messages were read.
    pub read_receipts: bool,
    /// Receipts for a device leave together at multiples of so many milliseconds; 0: at once. A node
    /// says [`crate::limits::RECEIPT_GATHER_MS`].
    pub gather_ms: Millis,
    /// This node is a bridge.
    pub bridge: Option<BridgeSettings>,
}

/// What a bridge does for others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BridgeSettings {
    /// ISO 3166-1 alpha-2, upper case.
    pub country: String,
    /// Who runs it, as people know them.
    pub operator: String,
    /// It holds blocks for others.
    pub mailbox: bool,
    /// It hands boxes on to other bridges.
    pub forward: bool,
    /// It carries connections between nodes that cannot reach each other; the shell does that.
    pub relay: bool,
    /// Multiaddrs at which others reach it, with or without `/p2p/`; empty for those that are
    /// listened on.
    pub public: Vec<String>,
    /// Bytes that all mailboxes together may hold.
    pub quota_bytes: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            read_receipts: true,
            bridge: None,
            gather_ms: 0,
        }
    }
}

/// Why a dial failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
pub enum DialError {
    /// Nobody answered in time.
    #[n(0)]
    Timeout,
    /// The address refused the connection.
    #[n(1)]
    Refused,
    /// There is no route to the address, or the network is down.
    #[n(2)]
    Unreachable,
    /// Somebody else answered at the address.
    #[n(3)]
    WrongPeer,
    /// None of the addresses uses a transport that this node listens on.
    #[n(4)]
    NoTransport,
    /// No address is known.
    #[n(5)]
    NoAddress,
    /// Anything else.
    #[n(6)]
    Other,
}

/// Why a frame was not written to a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SendError {
    /// No connection to the peer.
    NotConnected,
    /// The connection's queue is full; it will drain.
    Busy,
}

/// One thing that happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// The store was opened: first input of every run. Counts the start, forgets who was
    /// connected, dials every contact. `listen` as in [`Input::Listening`], possibly empty.
    Start {
        /// Our addresses, each a multiaddr with `/p2p/`, best first.
        listen: Vec<String>,
    },
    /// Our addresses are these from now on.
    Listening {
        /// Multiaddrs with `/p2p/`, best first.
        listen: Vec<String>,
    },
    /// A user's wish.
    Command {
        /// Comes back in the reply.
        reply_to: u64,
        /// Idempotency key: the same key gives the same answer and acts once.
        key: Option<String>,
        /// The wish.
        command: Command,
    },
    /// Bytes from a connected peer.
    Frame {
        /// Who the transport proved it to be.
        from: Peer,
        /// One whole frame, at most [`crate::limits::FRAME_BYTES_MAX`].
        bytes: Vec<u8>,
    },
    /// A connection to the peer is ready, or a newer one replaced it: after `Down`, unless it came
    /// in place of one through a relay that still stands.
    Up {
        /// The peer.
        peer: Peer,
        /// How it is reached.
        how: Reach,
    },
    /// The last connection to the peer is gone.
    Down {
        /// The peer.
        peer: Peer,
    },
    /// A dial of [`crate::output::Output::Dial`] failed at every address.
    DialFailed {
        /// The peer.
        peer: Peer,
        /// Why.
        why: DialError,
    },
    /// A frame of [`crate::output::Output::Send`] was not written.
    Undelivered {
        /// To whom.
        to: Peer,
        /// The id of the send.
        id: u64,
        /// Why.
        why: SendError,
    },
    /// Time passed: the agenda may have something due.
    Wake,
}

/// For how long a contact is muted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, minicbor::Encode, minicbor::Decode)]
pub enum Mute {
    /// Not at all, or no longer.
    #[n(0)]
    Off,
    /// For so many seconds.
    #[n(1)]
    For(#[n(0)] Secs),
    /// Until the user says otherwise.
    #[n(2)]
    Always,
}

/// A user's wish. Names are petnames; case does not matter in them.
#[derive(Clone, PartialEq, Eq, Debug, minicbor::Encode, minicbor::Decode)]
pub enum Command {
    /// Make the account and this device. Refused if there is one.
    #[n(0)]
    Create {
        /// Self-declared name.
        #[n(0)]
        name: String,
    },
    /// Change the self-declared name and tell contacts.
    #[n(1)]
    Rename {
        /// The new name.
        #[n(0)]
        name: String,
    },
    /// Make an invite link.
    #[n(2)]
    Invite {
        /// 1 for a one-use link that accepts by itself, up to 100.
        #[n(0)]
        uses: u8,
        /// Life in seconds; `None` for the default of 7 days.
        #[n(1)]
        life: Option<Secs>,
    },
    /// Take up an invite link.
    #[n(3)]
    Add {
        /// `waxwing:…`
        #[n(0)]
        link: String,
        /// Petname to give; otherwise the contact's own name once known.
        #[n(1)]
        name: Option<String>,
        /// A line for the other side's `requests`.
        #[n(2)]
        note: Option<String>,
    },
    /// Accept a contact request.
    #[n(4)]
    Accept {
        /// Whose.
        #[n(0)]
        name: String,
    },
    /// Decline a contact request; the sender is not told.
    #[n(5)]
    Decline {
        /// Whose.
        #[n(0)]
        name: String,
    },
    /// Block a contact or a requester; the other side is not told.
    #[n(6)]
    Block {
        /// Whom.
        #[n(0)]
        name: String,
    },
    /// Send a text.
    #[n(7)]
    Send {
        /// To whom.
        #[n(0)]
        to: String,
        /// At most [`crate::limits::TEXT_BYTES_MAX`] bytes.
        #[n(1)]
        text: String,
        /// The message this answers.
        #[n(2)]
        reply_to: Option<Mid>,
    },
    /// React to a message; an empty emoji takes the reaction back.
    #[n(8)]
    React {
        /// Which message.
        #[n(0)]
        to: Mid,
        /// One emoji, or nothing.
        #[n(1)]
        emoji: String,
    },
    /// Mark messages of a contact as read, all or up to one.
    #[n(9)]
    MarkRead {
        /// Whose.
        #[n(0)]
        name: String,
        /// The last one that was shown; `None` for all.
        #[n(1)]
        upto: Option<Mid>,
    },
    /// Put another text in place of that of a message of ours.
    #[n(11)]
    Edit {
        /// Which message.
        #[n(0)]
        of: Mid,
        /// At most [`crate::limits::TEXT_BYTES_MAX`] bytes.
        #[n(1)]
        text: String,
    },
    /// Delete a message of ours here, and ask the other side's nodes to do the same.
    #[n(12)]
    Delete {
        /// Which message.
        #[n(0)]
        of: Mid,
    },
    /// Set after which time later messages of a conversation disappear, for both sides.
    #[n(16)]
    Disappear {
        /// Whose conversation.
        #[n(0)]
        name: String,
        /// Seconds; 0: they stay.
        #[n(1)]
        secs: Secs,
    },
    /// Give a contact another petname, which no name of theirs replaces.
    #[n(14)]
    NameContact {
        /// Whom.
        #[n(0)]
        name: String,
        /// The new petname.
        #[n(1)]
        new: String,
    },
    /// Say whether clients notify of what a contact writes.
    #[n(15)]
    Mute {
        /// Whose.
        #[n(0)]
        name: String,
        /// For how long.
        #[n(1)]
        mute: Mute,
    },
    /// Erase the history with a contact in this home. What still waits for delivery stays.
    #[n(18)]
    Clear {
        /// Whose.
        #[n(0)]
        name: String,
    },
    /// Forget a contact altogether. It is a stranger from then on, and not told.
    #[n(17)]
    Remove {
        /// Whom.
        #[n(0)]
        name: String,
    },
    /// Mark a contact as verified, or take the mark back.
    #[n(13)]
    Verify {
        /// Whose.
        #[n(0)]
        name: String,
        /// The safety number that was compared; `None` takes the mark back.
        #[n(1)]
        compared: Option<String>,
    },
    /// Keep a text for later, in place of what was kept before.
    #[n(21)]
    Draft {
        /// To whom.
        #[n(0)]
        name: String,
        /// At most [`crate::limits::TEXT_BYTES_MAX`] bytes; `None` forgets it.
        #[n(1)]
        text: Option<String>,
    },
    /// Send what was kept, and forget it.
    #[n(22)]
    SendDraft {
        /// To whom.
        #[n(0)]
        name: String,
    },
    /// Take in messages of the past: of another home, or of an earlier one. Those that are there
    /// already are left as they are; nothing is sent, nothing is unread.
    #[n(20)]
    Import {
        /// With whom they were said.
        #[n(0)]
        contact: String,
        /// At most [`crate::limits::IMPORT_MAX`].
        #[n(1)]
        messages: Vec<Past>,
    },
    /// The recovery words are on paper: erase them from the home.
    #[n(10)]
    WordsWritten,
    /// Keep a mailbox at a bridge from now on.
    #[n(23)]
    AddBridge {
        /// `waxwing-bridge:…`
        #[n(0)]
        descriptor: String,
    },
    /// Give up the mailbox at a bridge. What it holds is fetched for a while yet.
    #[n(24)]
    RemoveBridge {
        /// Its id, or the beginning of it, or its operator's name if no other bridge has it.
        #[n(0)]
        bridge: String,
    },
}
