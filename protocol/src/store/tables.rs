//! The tables. Numbers are stored: never reuse one.

/// Kind of row; the first byte of its stored key.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, minicbor::Encode, minicbor::Decode,
)]
#[cbor(index_only)]
#[repr(u8)]
pub enum Table {
    /// Counters and single values, by name.
    #[n(1)]
    Meta = 1,
    /// This device's own keys and the account's objects, by name.
    #[n(2)]
    Own = 2,
    /// Signed prekeys with their private halves, by bundle hash.
    #[n(3)]
    Prekey = 3,
    /// One-time prekeys, by number.
    #[n(4)]
    OneTime = 4,
    /// Contacts, in order of their local number.
    #[n(5)]
    Contact = 5,
    /// Account id to contact number.
    #[n(6)]
    ByAccount = 6,
    /// Folded petname to contact number.
    #[n(7)]
    ByName = 7,
    /// A contact's verified account objects.
    #[n(8)]
    Account = 8,
    /// A contact's device: where it is, how to reach it, which sessions there are.
    #[n(9)]
    Device = 9,
    /// libp2p key to contact device.
    #[n(10)]
    ByPeer = 10,
    /// Ratchet state, by session id.
    #[n(11)]
    Session = 11,
    /// Skipped message keys.
    #[n(12)]
    Skipped = 12,
    /// Skipped keys of a contact in the order they were stored.
    #[n(13)]
    SkippedOrder = 13,
    /// Letters and closed chains of a session that were seen.
    #[n(14)]
    Seen = 14,
    /// Messages of a conversation in canonical order.
    #[n(15)]
    Message = 15,
    /// Message id to its places.
    #[n(16)]
    ByMid = 16,
    /// The change log.
    #[n(17)]
    Change = 17,
    /// What waits for a device, in order.
    #[n(18)]
    Outbox = 18,
    /// Outbox position of a message id.
    #[n(19)]
    OutboxByMid = 19,
    /// Deadlines in order of time.
    #[n(20)]
    Agenda = 20,
    /// Open and remembered invites.
    #[n(21)]
    Invite = 21,
    /// First messages already processed.
    #[n(22)]
    InitSeen = 22,
    /// Answers to idempotency keys.
    #[n(23)]
    Answer = 23,
    /// Received messages not yet read, in order of arrival.
    #[n(24)]
    Unread = 24,
    /// Receipts not yet sent.
    #[n(25)]
    ReceiptDue = 25,
    /// Dial attempts of a contact.
    #[n(26)]
    Dial = 26,
    /// Reactions, edits and deletions that arrived before their message.
    #[n(27)]
    Waiting = 27,
    /// Peers that are connected right now; emptied at start.
    #[n(28)]
    Online = 28,
    /// Repair psk id to the session it was derived from.
    #[n(29)]
    ByHeal = 29,
    /// Where the outbox of a device stands.
    #[n(30)]
    OutboxState = 30,
    /// What a conversation's owner was told about the contact, newest last.
    #[n(31)]
    Notice = 31,
    /// Folded texts of a conversation for search, many in a row, by the place of the first.
    #[n(32)]
    Segment = 32,
    /// Messages that came behind what was packed into segments, until they are packed too.
    #[n(33)]
    Unpacked = 33,
    /// What is left of messages that disappeared: that they were there.
    #[n(34)]
    Gone = 34,
    /// Ids of messages that were erased here, in order of that: no duplicate brings one back.
    #[n(35)]
    Cleared = 35,
    /// What disappearing messages say.
    #[n(36)]
    Fading = 36,
    /// What was begun to a contact and not sent.
    #[n(37)]
    Draft = 37,
    /// Letters of a requester that wait for the user's word.
    #[n(38)]
    Held = 38,
}

impl Table {
    /// Tables whose values are sealed under the rotating state key (`docs/spec/07-storage.md`).
    pub const fn rotates(self) -> bool {
        matches!(
            self,
            Self::Session
                | Self::Skipped
                | Self::Prekey
                | Self::OneTime
                | Self::Fading
                | Self::Waiting
                | Self::Held
        )
    }
}
