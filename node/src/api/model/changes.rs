//! Objects about what changed.

use super::kinds::{Account, MessageId, Time};
use super::{Contact, Message, Reach, Request, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One change: data of an SSE event, line of `watch`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Its number; go on from here with `--after` or `Last-Event-ID`.
    pub cursor: u64,
    /// What changed; its kind stands in the field `event`.
    #[serde(flatten)]
    pub change: Change,
    /// When it changed.
    #[schema(value_type = Time)]
    pub at: String,
}

/// What changed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Change {
    /// A message came, was sent, or changed otherwise than in its state (a reaction).
    Message(Message),
    /// A message of ours moved to a state; or one of either side disappeared, and is `deleted`.
    State {
        /// Which.
        #[schema(value_type = MessageId)]
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
    /// A contact was removed; nothing of it is here any more.
    Removed {
        /// The petname it had.
        name: String,
        /// `wax1…`
        #[schema(value_type = Account)]
        account: String,
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
            Self::Removed { .. } => "removed",
            Self::Notice { .. } => "notice",
            Self::Other => "other",
        }
    }
}
