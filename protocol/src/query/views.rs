//! Shapes of what is read.

use crate::id::{AccountId, B32, DeviceId, Mid, Peer};
use crate::input::Reach;
use crate::output::{ContactState, State};
use crate::time::{Millis, Secs};
use alloc::string::String;
use alloc::vec::Vec;

/// This account and device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Me {
    /// Account id.
    pub account: AccountId,
    /// `wax1…`
    pub address: String,
    /// Self-declared name.
    pub name: String,
    /// This device.
    pub device: DeviceId,
    /// This device's libp2p key.
    pub peer: Peer,
    /// Unix seconds.
    pub created: Secs,
    /// The recovery words are still in the home.
    pub words_kept: bool,
    /// How often the store was opened.
    pub starts: u64,
}

/// A contact as `contacts` shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ContactView {
    /// Petname.
    pub name: String,
    /// Account id.
    pub account: AccountId,
    /// `wax1…`
    pub address: String,
    /// Where it stands.
    pub state: ContactState,
    /// Safety numbers were compared.
    pub verified: bool,
    /// They were, and something has put that in question since.
    pub doubted: bool,
    /// Clients do not notify of what they write.
    pub muted: bool,
    /// When that ends by itself.
    pub muted_until: Option<Millis>,
    /// Its history is being erased.
    pub clearing: bool,
    /// `None`: away.
    pub reach: Option<Reach>,
    /// Last time anything of theirs was opened.
    pub last_seen: Option<Millis>,
    /// Received and not yet read.
    pub unread: u64,
    /// Their device's libp2p key, if known.
    pub peer: Option<Peer>,
    /// After how many seconds messages disappear.
    pub disappear_s: Option<Secs>,
    /// What was begun and not sent.
    pub draft: Option<String>,
}

/// How to find out whether a contact is who they say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SafetyView {
    /// Petname.
    pub name: String,
    /// `wax1…`
    pub address: String,
    /// 60 digits, in groups of five; the same on both sides.
    pub number: String,
    /// The text of a QR code: both full fingerprints.
    pub code: String,
    /// The numbers were compared.
    pub verified: bool,
    /// They were, and something has put that in question since.
    pub doubted: bool,
}

/// Something that the user was told about a contact.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NoticeView {
    /// Petname.
    pub contact: String,
    /// Snake-case word.
    pub code: String,
    /// One sentence.
    pub text: String,
    /// When.
    pub at: Millis,
    /// It stands behind messages with a clock up to this one.
    pub clock: Millis,
}

/// A contact request as `requests` shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestView {
    /// Petname it would get.
    pub name: String,
    /// Account id.
    pub account: AccountId,
    /// `wax1…`
    pub address: String,
    /// What they wrote.
    pub note: String,
    /// When it came.
    pub received_at: Millis,
    /// 60 digits, in groups of five.
    pub safety_number: String,
}

/// A reaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReactionView {
    /// Petname, or our own name.
    pub from: String,
    /// It was ours.
    pub mine: bool,
    /// The emoji.
    pub emoji: String,
}

/// A message as `read` shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MessageView {
    /// Its id.
    pub id: Mid,
    /// Whose conversation: petname.
    pub contact: String,
    /// The contact's account.
    pub account: AccountId,
    /// Petname, or our own name.
    pub from: String,
    /// It was ours.
    pub mine: bool,
    /// The text; `None` if this version cannot show the body ("needs a newer version").
    pub text: Option<String>,
    /// Canonical clock.
    pub clock: Millis,
    /// When its author sent it, by the author's clock.
    pub sent_at: Millis,
    /// When it came to this device; `None` for our own.
    pub received_at: Option<Millis>,
    /// State of our own; `Delivered` or `Read` of theirs.
    pub state: State,
    /// Arrived after one that sorts behind it.
    pub late: bool,
    /// The message it answers.
    pub reply_to: Option<Mid>,
    /// Reactions, ours first.
    pub reactions: Vec<ReactionView>,
    /// It was edited.
    pub edited: bool,
    /// After how many seconds it disappears.
    pub disappear_s: Option<Secs>,
    /// When it disappears, once that time counts; when it disappeared, if it is gone.
    pub expires_at: Option<Millis>,
    /// It says that later messages disappear after so many seconds; 0: that they stay.
    pub sets_disappear_s: Option<Secs>,
    /// The contact is muted: clients do not notify of it.
    pub muted: bool,
    /// It was taken in from another home.
    pub imported: bool,
}

/// One change, as `watch` shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChangeView {
    /// Its number.
    pub cursor: u64,
    /// When.
    pub at: Millis,
    /// What.
    pub change: Change,
}

/// What changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// A message came, was sent, or changed otherwise than in its state (a reaction).
    Message(MessageView),
    /// A message of ours moved to a state; or one of either side disappeared.
    State {
        /// Which.
        id: Mid,
        /// Petname.
        contact: String,
        /// The state it moved to then.
        state: State,
    },
    /// A contact is new or changed.
    Contact(ContactView),
    /// A request came.
    Request(RequestView),
    /// A contact came or went.
    Reach {
        /// Petname.
        contact: String,
        /// How it was reached then; `None`: away.
        reach: Option<Reach>,
    },
    /// A contact was removed; nothing of it is here any more.
    Removed {
        /// The petname it had.
        name: String,
        /// Its account id.
        account: AccountId,
        /// `wax1…`
        address: String,
    },
    /// Something the user should know.
    Notice {
        /// Petname, where it is about one.
        contact: Option<String>,
        /// Snake-case word, such as `link_used_twice`.
        code: String,
        /// One sentence.
        text: String,
    },
}

/// Changes after a cursor.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Changes {
    /// In order; empty if there is nothing newer.
    Rows(Vec<ChangeView>),
    /// The cursor is older than the log: read everything anew from here.
    Gone {
        /// Oldest cursor still there.
        oldest: u64,
    },
}

/// What happened to a message, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WhyView {
    /// The message.
    pub id: Mid,
    /// Its state.
    pub state: State,
    /// Petname.
    pub to: String,
    /// What happened.
    pub steps: Vec<Step>,
    /// What happens next.
    pub next: Option<NextStep>,
}

/// One step of a message's custody.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// When.
    pub at: Millis,
    /// What.
    pub what: What,
    /// Which of their devices.
    pub device: Option<DeviceId>,
    /// Which bridge.
    pub by: Option<B32>,
    /// Until when the bridge keeps it, unless it is fetched: unix seconds.
    pub until: Option<Secs>,
    /// Why, or where: a sentence fragment such as `timed out at /ip4/…`.
    pub reason: Option<String>,
}

/// The words of `why`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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

/// What happens next to a message, and when.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NextStep {
    /// When, if that is known.
    pub at: Option<Millis>,
    /// A sentence.
    pub what: String,
}

/// Figures for `status`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct StatusView {
    /// Contacts of any state but declined.
    pub contacts: u64,
    /// Contacts reached right now.
    pub connected: u64,
    /// Letters that wait for a receipt or a connection.
    pub outbox: u64,
    /// Requests waiting for the user's word.
    pub requests: u64,
    /// Newest cursor of the change log.
    pub cursor: u64,
}

/// Which messages of a conversation.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Page {
    /// The newest so many.
    pub limit: usize,
    /// Only those whose arrival has a cursor after this.
    pub after: Option<u64>,
    /// Only those that sort before this message.
    pub before: Option<Mid>,
}

/// What is looked for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Hunt {
    /// A part of the text; case does not matter.
    pub text: String,
    /// In the conversation with this contact alone: petname.
    pub contact: Option<String>,
    /// The newest so many; 0 for the default.
    pub limit: usize,
    /// Only those that sort before this message.
    pub before: Option<Mid>,
}

/// How a bridge of ours stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BridgeState {
    /// Its mailbox is ours and it is connected.
    Connected,
    /// It is being reached for, or has not let us in yet.
    Connecting,
    /// It was given up; what it still holds is fetched.
    Leaving,
}

/// A bridge at which we keep a mailbox.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BridgeView {
    /// Its id: the key that it signs with.
    pub bridge: B32,
    /// Who runs it.
    pub operator: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// What it does: `mailbox`, `forward`, `relay`.
    pub roles: Vec<String>,
    /// Where it is.
    pub addrs: Vec<String>,
    /// How it stands.
    pub state: BridgeState,
    /// When it last let us in.
    pub last_seen: Option<Millis>,
    /// Letters that came through it.
    pub collected: u64,
    /// Letters of ours that it promised to hold, or to hand on.
    pub held: u64,
    /// What went wrong last, in one sentence.
    pub trouble: Option<String>,
}

/// This node as a bridge for others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HostView {
    /// Its id.
    pub bridge: B32,
    /// `waxwing-bridge:…`
    pub descriptor: String,
    /// Mailboxes.
    pub mailboxes: u64,
    /// Tags that letters may be left under.
    pub tags: u64,
    /// Blocks held now.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes that may be held.
    pub quota_bytes: u64,
    /// When the oldest block came that is still here; as far as is known.
    pub oldest: Option<Millis>,
    /// Blocks taken since the home was made.
    pub deposits: u64,
    /// Blocks handed over since the home was made.
    pub collects: u64,
    /// Boxes handed on since the home was made.
    pub forwards: u64,
    /// Boxes that wait to be handed on.
    pub queued: u64,
    /// What was refused since the home was made, by reason.
    pub refused: Vec<(String, u64)>,
}
