//! The plaintext of a letter, and the bodies in it (`docs/spec/04-messages.md`).

use crate::id::{B32, Fixed, Hash16, Mid, Peer, SessionId};
use crate::identity::account::Signed;
use crate::identity::list::ListRef;
use crate::limits::{
    CONTACT_BRIDGES_MAX, NAME_BYTES_MAX, NOTE_BYTES_MAX, REACTION_BYTES_MAX, RECEIPT_MIDS_MAX,
    TEXT_BYTES_MAX, TIMER_S_MAX, TIMER_S_MIN,
};
use crate::time::{Millis, Secs};
use crate::wire::codec::{Blob, Malformed, decode, encode};
use alloc::string::String;
use alloc::vec::Vec;
use minicbor::{Decode, Encode};

/// Types below this are shown in a conversation, known or not.
const SHOWN_TYPES: core::ops::Range<u16> = 1..32;

/// Which of the recipient's lists a sender used: `[version, hash16]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct UsedList {
    /// Version.
    #[n(0)]
    pub version: u32,
    /// Hash of the body.
    #[n(1)]
    pub hash: Hash16,
}

/// `[type, bytes]`.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct TypedBody {
    /// Type number.
    #[n(0)]
    pub kind: u16,
    /// CBOR of that type.
    #[n(1)]
    pub bytes: Blob,
}

/// What a bridge said about an earlier letter (read by a later version).
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Custody {
    /// The bridge.
    #[n(0)]
    pub bridge: B32,
    /// SHA-256 of the block.
    #[n(1)]
    pub block: B32,
    /// Unix seconds.
    #[n(2)]
    pub until: Secs,
    /// Unix seconds.
    #[n(3)]
    pub received: Secs,
}

/// The plaintext of a letter.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Plain {
    /// Sender's own list.
    #[n(1)]
    pub sender_list: ListRef,
    /// Recipient's list that the sender used.
    #[n(2)]
    pub recipient_list: UsedList,
    /// Message id.
    #[n(3)]
    pub mid: Mid,
    /// Conversation; in user messages.
    #[n(4)]
    pub conversation: Option<B32>,
    /// Canonical clock in milliseconds; in user messages.
    #[n(5)]
    pub clock: Option<Millis>,
    /// What it says.
    #[n(6)]
    pub body: TypedBody,
    /// Custody of earlier letters.
    #[n(7)]
    pub custody: Option<Vec<Custody>>,
    /// Disappears after so many seconds; in what is shown.
    #[n(8)]
    pub timer: Option<u64>,
    /// When it was sent, if that is not `clock`.
    #[n(9)]
    pub sent: Option<Millis>,
}

/// A text.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Text {
    /// The text.
    #[n(1)]
    pub text: String,
    /// The message it answers.
    #[n(2)]
    pub reply_to: Option<Mid>,
}

/// Another text in place of that of a message.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Edit {
    /// The message; only its author edits it.
    #[n(1)]
    pub to: Mid,
    /// The text from now on.
    #[n(2)]
    pub text: String,
}

/// Takes a message back.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Delete {
    /// The message; only its author deletes it.
    #[n(1)]
    pub to: Mid,
}

/// A reaction; an empty emoji takes it back.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Reaction {
    /// The message.
    #[n(1)]
    pub to: Mid,
    /// One emoji, or nothing.
    #[n(2)]
    pub emoji: String,
}

/// A receipt.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Receipt {
    /// One to 64 message ids.
    #[n(1)]
    pub mids: Vec<Mid>,
    /// [`Receipt::DELIVERED`] or [`Receipt::READ`].
    #[n(2)]
    pub kind: u8,
}

impl Receipt {
    /// Stored by the recipient's device.
    pub const DELIVERED: u8 = 1;
    /// Read by the recipient.
    pub const READ: u8 = 2;
}

/// Sets after which time later messages of the conversation disappear.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Timer {
    /// Seconds; 0: they stay.
    #[n(1)]
    pub secs: Secs,
}

impl Timer {
    /// Whether messages may be set to disappear after this.
    pub fn fits(secs: Secs) -> bool {
        secs == 0 || (TIMER_S_MIN..=TIMER_S_MAX).contains(&secs)
    }
}

/// What somebody says of themselves.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Profile {
    /// Self-declared name.
    #[n(1)]
    pub name: String,
    /// A line for the other side's `requests`, in a first letter.
    #[n(2)]
    pub note: Option<String>,
}

/// Newer account objects.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Lists {
    /// RootStatement.
    #[n(1)]
    pub statement: Signed,
    /// DeviceList.
    #[n(2)]
    pub list: Signed,
}

/// Where the sending device can be reached.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct PeerIds {
    /// Its libp2p Ed25519 key.
    #[n(1)]
    pub peer: Peer,
    /// Multiaddrs, at most eight.
    #[n(2)]
    pub addrs: Vec<String>,
    /// Unix seconds until which this is worth trying.
    #[n(3)]
    pub expires: Secs,
}

/// First body of a session that replaces a broken one.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Repair {
    /// The session that failed.
    #[n(1)]
    pub failed: SessionId,
    /// N of the letter that failed.
    #[n(2)]
    pub n: u32,
    /// Last message id of the peer that was opened; zeros if none.
    #[n(3)]
    pub last: Mid,
}

/// A bundle.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct BundleBody {
    /// Signed by the sending device's DSK.
    #[n(1)]
    pub bundle: Signed,
}

/// The bridges at which the sending device keeps a mailbox.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Bridges {
    /// Descriptors, at most [`CONTACT_BRIDGES_MAX`].
    #[n(1)]
    pub descriptors: Vec<Signed>,
    /// Greater than in whatever the device said of its bridges before: letters may come in another
    /// order than they were sealed.
    #[n(2)]
    pub said: u64,
}

/// A map without fields.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Empty {}

/// A body of a known type, or one that this version does not know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Body {
    /// 1.
    Text(Text),
    /// 2.
    Edit(Edit),
    /// 3.
    Delete(Delete),
    /// 4.
    Reaction(Reaction),
    /// 5.
    Receipt(Receipt),
    /// 6.
    Timer(Timer),
    /// 8.
    Profile(Profile),
    /// 32.
    Lists(Lists),
    /// 33.
    Bridges(Bridges),
    /// 34.
    PeerIds(PeerIds),
    /// 37.
    Repair(Repair),
    /// 39.
    BundleRequest,
    /// 40.
    Bundle(BundleBody),
    /// Unknown, but to be shown in the conversation as needing a newer version.
    Later,
    /// Unknown and not to be shown.
    Ignored,
}

/// Type numbers (`docs/spec/04-messages.md`).
pub mod kind {
    /// Text.
    pub const TEXT: u16 = 1;
    /// Edit.
    pub const EDIT: u16 = 2;
    /// Delete.
    pub const DELETE: u16 = 3;
    /// Reaction.
    pub const REACTION: u16 = 4;
    /// Receipt.
    pub const RECEIPT: u16 = 5;
    /// Timer.
    pub const TIMER: u16 = 6;
    /// Profile.
    pub const PROFILE: u16 = 8;
    /// Device list.
    pub const LISTS: u16 = 32;
    /// Bridges.
    pub const BRIDGES: u16 = 33;
    /// Peer ids.
    pub const PEER_IDS: u16 = 34;
    /// Repair.
    pub const REPAIR: u16 = 37;
    /// Bundle request.
    pub const BUNDLE_REQUEST: u16 = 39;
    /// Bundle.
    pub const BUNDLE: u16 = 40;
}

impl Body {
    /// The body as it travels.
    pub fn to_typed(&self) -> TypedBody {
        let (kind, bytes) = match self {
            Self::Text(b) => (kind::TEXT, encode(b)),
            Self::Edit(b) => (kind::EDIT, encode(b)),
            Self::Delete(b) => (kind::DELETE, encode(b)),
            Self::Reaction(b) => (kind::REACTION, encode(b)),
            Self::Receipt(b) => (kind::RECEIPT, encode(b)),
            Self::Timer(b) => (kind::TIMER, encode(b)),
            Self::Profile(b) => (kind::PROFILE, encode(b)),
            Self::Lists(b) => (kind::LISTS, encode(b)),
            Self::Bridges(b) => (kind::BRIDGES, encode(b)),
            Self::PeerIds(b) => (kind::PEER_IDS, encode(b)),
            Self::Repair(b) => (kind::REPAIR, encode(b)),
            Self::BundleRequest => (kind::BUNDLE_REQUEST, encode(&Empty {})),
            Self::Bundle(b) => (kind::BUNDLE, encode(b)),
            // Only received, never made.
            Self::Later | Self::Ignored => (0, Vec::new()),
        };
        TypedBody {
            kind,
            bytes: Blob(bytes),
        }
    }

    /// Reads a body, with the bounds of its type.
    ///
    /// # Errors
    /// [`Malformed`] if a known type's bytes are not of that type.
    pub fn open(typed: &TypedBody) -> Result<Self, Malformed> {
        let bytes = &typed.bytes;
        let body = match typed.kind {
            kind::TEXT => Self::Text(decode(bytes)?),
            kind::EDIT => Self::Edit(decode(bytes)?),
            kind::DELETE => Self::Delete(decode(bytes)?),
            kind::REACTION => Self::Reaction(decode(bytes)?),
            kind::RECEIPT => Self::Receipt(decode(bytes)?),
            kind::TIMER => Self::Timer(decode(bytes)?),
            kind::PROFILE => Self::Profile(decode(bytes)?),
            kind::LISTS => Self::Lists(decode(bytes)?),
            kind::BRIDGES => Self::Bridges(decode(bytes)?),
            kind::PEER_IDS => Self::PeerIds(decode(bytes)?),
            kind::REPAIR => Self::Repair(decode(bytes)?),
            kind::BUNDLE_REQUEST => {
                decode::<Empty>(bytes)?;
                Self::BundleRequest
            }
            kind::BUNDLE => Self::Bundle(decode(bytes)?),
            kind if SHOWN_TYPES.contains(&kind) => Self::Later,
            _ => Self::Ignored,
        };
        if body.fits() {
            Ok(body)
        } else {
            Err(Malformed)
        }
    }

    fn fits(&self) -> bool {
        match self {
            Self::Text(b) => b.text.len() <= TEXT_BYTES_MAX,
            Self::Edit(b) => b.text.len() <= TEXT_BYTES_MAX,
            Self::Reaction(b) => b.emoji.len() <= REACTION_BYTES_MAX,
            Self::Receipt(b) => {
                (1..=RECEIPT_MIDS_MAX).contains(&b.mids.len())
                    && matches!(b.kind, Receipt::DELIVERED | Receipt::READ)
            }
            Self::Timer(b) => Timer::fits(b.secs),
            Self::Profile(b) => {
                b.name.len() <= NAME_BYTES_MAX
                    && b.note
                        .as_ref()
                        .is_none_or(|note| note.len() <= NOTE_BYTES_MAX)
            }
            Self::Bridges(b) => b.descriptors.len() <= CONTACT_BRIDGES_MAX,
            Self::PeerIds(b) => crate::identity::contact::fit_addrs(&b.addrs),
            _ => true,
        }
    }

    /// Whether it is part of the conversation: such letters name it and carry a clock.
    pub const fn is_user(&self) -> bool {
        matches!(
            self,
            Self::Text(_)
                | Self::Edit(_)
                | Self::Delete(_)
                | Self::Reaction(_)
                | Self::Timer(_)
                | Self::Later
        )
    }

    /// Whether the recipient receipts it. Receipts of delivery are not receipted.
    pub const fn wants_receipt(&self) -> bool {
        !matches!(
            self,
            Self::Receipt(Receipt {
                kind: Receipt::DELIVERED,
                ..
            })
        )
    }
}

/// A placeholder list reference for tests and for a recipient whose list is not known.
pub const NO_LIST: UsedList = UsedList {
    version: 0,
    hash: Fixed([0; 16]),
};
