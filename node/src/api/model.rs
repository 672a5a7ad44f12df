//! The JSON objects of the local API and of `--json`: one vocabulary for both.
//!
//! Times are RFC 3339 UTC with milliseconds. Ids are lower-case unpadded base32, accounts are
//! `wax1…` addresses, peers are libp2p PeerIds. A field that has no value is `null`, never
//! missing, except where its comment says so.

mod keep;
mod process;

pub use keep::{Disappear, DisappearRequest};
pub use process::{Log, Stopping};
use serde::{Deserialize, Serialize};

/// How far a message has come, in the order in which it may move.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Durable here.
    Queued,
    /// Written to a live connection of one of their devices.
    Sent,
    /// Durable at one bridge or more.
    Held,
    /// Gave up after 30 days.
    Expired,
    /// Blocked, against policy, or too large.
    Refused,
    /// Their device's end-to-end receipt came.
    Delivered,
    /// They read it.
    Read,
    /// Deleted.
    Deleted,
}

impl State {
    /// The word used in JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Held => "held",
            Self::Expired => "expired",
            Self::Refused => "refused",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Deleted => "deleted",
        }
    }

    /// Nothing better can come of it: `expired`, `refused` or `deleted`.
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Expired | Self::Refused | Self::Deleted)
    }

    /// A wait for `wanted` is over: this state is it or a later one.
    pub fn meets(self, wanted: Self) -> bool {
        !self.is_end() && self >= wanted
    }
}

/// Where a contact stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContactState {
    /// We asked; no answer yet.
    Pending,
    /// They asked; waits in `requests`.
    Requested,
    /// Both sides know.
    Connected,
    /// We want to hear nothing of them.
    Blocked,
    /// A request that was declined.
    Declined,
}

impl ContactState {
    /// The word used in JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Requested => "requested",
            Self::Connected => "connected",
            Self::Blocked => "blocked",
            Self::Declined => "declined",
        }
    }
}

/// How a contact is reached right now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// A connection between the two nodes.
    Direct,
    /// Direct, after punching through NATs.
    Punched,
    /// Through a relay.
    Relayed,
    /// Their bridges take messages for them.
    Bridge,
    /// No way to them at present.
    Away,
}

impl Reach {
    /// The word used in JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Punched => "punched",
            Self::Relayed => "relayed",
            Self::Bridge => "bridge",
            Self::Away => "away",
        }
    }
}

/// `GET /v1/id`: this account and device.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Id {
    /// `wax1…`
    pub account: String,
    /// Self-declared name.
    pub name: String,
    /// Device id.
    pub device: String,
    /// This device's libp2p PeerId.
    pub peer: Option<String>,
}

/// `GET /v1/status`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Status {
    /// `wax1…`
    pub account: String,
    /// Self-declared name.
    pub name: String,
    /// This device's libp2p PeerId.
    pub peer: Option<String>,
    /// Version of the node.
    pub version: String,
    /// Seconds since this node started.
    pub uptime_s: u64,
    /// Multiaddrs that the node listens on.
    pub listen: Vec<String>,
    /// As far as the listen addresses tell: `public`, `private`, `loopback`, or `none`.
    pub reachability: String,
    /// Contacts of any state but declined.
    pub contacts: u64,
    /// Contacts reached right now.
    pub connected: u64,
    /// Requests that wait for the user's word.
    pub requests: u64,
    /// Letters that wait for a receipt or a connection.
    pub outbox: u64,
    /// Newest cursor of the change log.
    pub cursor: u64,
    /// The recovery words are still in the home: they ought to be written down.
    pub words_kept: bool,
    /// Ids of this account's bridges.
    pub bridges: Vec<String>,
    /// The disk under the home; `null` if it cannot be told.
    pub disk: Option<Disk>,
}

/// The disk under the home.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Disk {
    /// Bytes that the home takes.
    pub used_bytes: u64,
    /// Bytes free on its file system.
    pub free_bytes: u64,
    /// The disk is nearly full: reading works, writing does not.
    pub read_only: bool,
}

/// `GET /v1/words`: the recovery words, while the home still has them.
#[derive(Clone, Serialize, Deserialize)]
pub struct Words {
    /// 24 words, one space between them.
    pub words: String,
}

// They are the account: a stray `{:?}` must not print them.
impl std::fmt::Debug for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Words([secret])")
    }
}

/// Answer of `POST /v1/words/written`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WordsWritten {
    /// The words are no longer in the home.
    pub erased: bool,
}

/// Body of `POST /v1/invites`; an empty body is `{}`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InviteRequest {
    /// 1 (the default) to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses: Option<u8>,
    /// Life, as `7d` or `12h`; 7 days if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
}

/// An invite.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Invite {
    /// `waxwing:…`
    pub link: String,
    /// When it ends.
    pub expires: String,
    /// How often it can be used.
    pub uses: u8,
}

/// Body of `POST /v1/contacts`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddRequest {
    /// `waxwing:…`
    pub link: String,
    /// Petname to give; the contact's own name if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A line for the other side's `requests`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What became of a contact: answer to adding, accepting, declining and blocking.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Added {
    /// Petname.
    pub name: String,
    /// `wax1…`, or the bare account id in base32 where the address is not known yet.
    pub account: String,
    /// Where it stands now.
    pub state: ContactState,
}

/// A contact.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Contact {
    /// Petname.
    pub name: String,
    /// `wax1…`
    pub account: String,
    /// Where it stands.
    pub state: ContactState,
    /// Safety numbers were compared.
    pub verified: bool,
    /// How it is reached.
    pub reach: Reach,
    /// Last time anything of theirs was opened.
    pub last_seen: Option<String>,
    /// Received and not yet read.
    pub unread: u64,
    /// Their device's libp2p PeerId, if known.
    pub peer: Option<String>,
    /// After how many seconds what is sent from now on disappears; `null`: it stays.
    pub disappear_s: Option<u64>,
}

/// `GET /v1/contacts`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ContactList {
    /// In order of name.
    pub contacts: Vec<Contact>,
}

/// A contact request.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Request {
    /// Petname it would get.
    pub name: String,
    /// `wax1…`
    pub account: String,
    /// What they wrote.
    pub note: String,
    /// When it came.
    pub received_at: String,
    /// 60 digits, in groups of five.
    pub safety_number: String,
}

/// `GET /v1/requests`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RequestList {
    /// In order of arrival.
    pub requests: Vec<Request>,
}

/// Body of `POST /v1/contacts/{name}/messages`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SendRequest {
    /// At most 32 KiB as UTF-8.
    pub text: String,
    /// The message this answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
}

/// Body of `POST /v1/messages/{id}/edit`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EditRequest {
    /// The text from now on, at most 32 KiB.
    pub text: String,
}

/// Body of `POST /v1/messages/{id}/reactions`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReactRequest {
    /// One emoji; empty takes the reaction back.
    pub emoji: String,
}

/// A message that was sent, or the message that was reacted to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Sent {
    /// Its id.
    pub id: String,
    /// Its state now.
    pub state: State,
}

/// Body of `POST /v1/contacts/{name}/read`; an empty body is `{}`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadRequest {
    /// The last message that was shown; all of them if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upto: Option<String>,
}

/// Answer of `POST /v1/contacts/{name}/read`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Marked {
    /// So many messages were marked as read.
    pub count: u64,
}

/// A reaction.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Reaction {
    /// Petname, or our own name.
    pub from: String,
    /// It is ours.
    pub mine: bool,
    /// The emoji.
    pub emoji: String,
}

/// A message.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Message {
    /// Its id.
    pub id: String,
    /// Whose conversation: petname.
    pub contact: String,
    /// Petname, or our own name.
    pub from: String,
    /// It is ours.
    pub mine: bool,
    /// The text; `null` if this version cannot show the body.
    pub text: Option<String>,
    /// Unix milliseconds: first key of the canonical order.
    pub clock: u64,
    /// When its author sent it, by the author's clock.
    pub sent_at: String,
    /// When it came to this device; `null` for our own.
    pub received_at: Option<String>,
    /// State of our own; `delivered` or `read` of theirs.
    pub state: State,
    /// Arrived after one that sorts behind it.
    pub late: bool,
    /// The message it answers.
    pub reply_to: Option<String>,
    /// Reactions, ours first.
    pub reactions: Vec<Reaction>,
    /// It was edited.
    pub edited: bool,
    /// After how many seconds it disappears; `null`: it stays.
    pub disappear_s: Option<u64>,
    /// When it disappears, once that time counts; when it did, if it is gone.
    pub expires_at: Option<String>,
    /// It says that later messages disappear after so many seconds, 0: that they stay; `null` for
    /// every other message.
    pub sets_disappear_s: Option<u64>,
}

/// `GET /v1/contacts/{name}/messages`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MessageList {
    /// In canonical order, oldest first.
    pub messages: Vec<Message>,
}

/// One change: data of an SSE event, line of `watch`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Event {
    /// Its number; go on from here with `--after` or `Last-Event-ID`.
    pub cursor: u64,
    /// What changed; its kind stands in the field `event`.
    #[serde(flatten)]
    pub change: Change,
    /// When it changed.
    pub at: String,
}

/// What changed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Change {
    /// A message came, was sent, or changed otherwise than in its state (a reaction).
    Message(Message),
    /// A message of ours moved to a state; or one of either side disappeared, and is `deleted`.
    State {
        /// Which.
        id: String,
        /// Petname.
        contact: String,
        /// The state it moved to then.
        state: State,
    },
    /// A contact is new or changed.
    Contact(Contact),
    /// A request came.
    Request(Request),
    /// A contact came or went.
    Reach {
        /// Petname.
        contact: String,
        /// How it was reached then.
        reach: Reach,
    },
    /// Something the user should know.
    Notice {
        /// Petname, where it is about one.
        contact: Option<String>,
        /// Snake-case word.
        code: String,
        /// One sentence.
        text: String,
    },
    /// A kind that this version does not know.
    #[serde(other)]
    Other,
}

impl Change {
    /// The kind, as it stands in `event`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Message(_) => "message",
            Self::State { .. } => "state",
            Self::Contact(_) => "contact",
            Self::Request(_) => "request",
            Self::Reach { .. } => "reach",
            Self::Notice { .. } => "notice",
            Self::Other => "other",
        }
    }
}

/// `GET /v1/messages/{id}/why`: where a message is, who holds it, what happens next.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Why {
    /// The message.
    pub id: String,
    /// Its state.
    pub state: State,
    /// To whom: petname.
    pub to: String,
    /// What happened, in order.
    pub steps: Vec<Step>,
    /// What happens next; `null` if nothing will.
    pub next: Option<Next>,
}

/// One step of a message's custody.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Step {
    /// When.
    pub at: String,
    /// What.
    pub what: What,
    /// Which of their devices.
    pub device: Option<String>,
    /// Id of the bridge, where there is one.
    pub by: Option<String>,
    /// Until when it is held, where that is known.
    pub until: Option<String>,
    /// Why, or where.
    pub reason: Option<String>,
}

/// The words of `why`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Encrypted for a device.
    Sealed,
    /// A connection was tried.
    Dialed,
    /// Written to a live connection.
    Sent,
    /// Durable at a bridge.
    Held,
    /// Passed on by a bridge.
    Forwarded,
    /// Their receipt came, or, for theirs, we stored it.
    Delivered,
    /// They read it, or we did.
    Read,
    /// A try failed.
    Failed,
    /// It was refused.
    Refused,
    /// It was sent again.
    Retried,
    /// We gave up.
    Expired,
    /// Its time was up: it is gone from this home.
    Disappeared,
}

/// What happens next to a message.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Next {
    /// When, if that is known.
    pub at: Option<String>,
    /// A sentence.
    pub what: String,
}

/// First line of `up`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReadyLine {
    /// Always `ready`.
    pub event: String,
    /// `wax1…`
    pub account: String,
    /// libp2p PeerId.
    pub peer: String,
    /// Multiaddrs that the node listens on.
    pub listen: Vec<String>,
    /// `http://127.0.0.1:PORT`
    pub api: String,
}

/// An error as `application/problem+json` (RFC 9457).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Problem {
    /// `urn:waxwing:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// What the HTTP status says.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// Snake-case word for programs.
    pub code: String,
    /// One sentence.
    pub detail: String,
    /// What to try; missing if there is nothing to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}
