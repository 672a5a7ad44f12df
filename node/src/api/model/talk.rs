//! Objects about messages and where they are.

use super::kinds::{DeviceId, MessageId, Time};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How far a message has come, in the order in which it may move.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, ToSchema)]
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

/// Body of `POST /v1/contacts/{name}/messages`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SendRequest {
    /// At most 32 KiB as UTF-8.
    #[schema(min_length = 1, max_length = 32768)]
    pub text: String,
    /// The message this answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<MessageId>)]
    pub reply_to: Option<String>,
}

/// Body of `POST /v1/messages/{id}/edit`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EditRequest {
    /// The text from now on, at most 32 KiB.
    #[schema(min_length = 1, max_length = 32768)]
    pub text: String,
}

/// Body of `POST /v1/messages/{id}/reactions`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReactRequest {
    /// One emoji, at most 32 bytes; empty takes the reaction back.
    #[schema(max_length = 32, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*$")]
    pub emoji: String,
}

/// A message that was sent, or the message that was reacted to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Sent {
    /// Its id.
    #[schema(value_type = MessageId)]
    pub id: String,
    /// Its state now.
    pub state: State,
}

/// Body of `POST /v1/contacts/{name}/read`; an empty body is `{}`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadRequest {
    /// The last message that was shown; all of them if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<MessageId>)]
    pub upto: Option<String>,
}

/// Answer of `POST /v1/contacts/{name}/read`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Marked {
    /// So many messages were marked as read.
    pub count: u64,
}

/// A reaction.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Reaction {
    /// Petname, or our own name.
    pub from: String,
    /// It is ours.
    pub mine: bool,
    /// The emoji.
    pub emoji: String,
}

/// A message.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Message {
    /// Its id.
    #[schema(value_type = MessageId)]
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
    #[schema(value_type = Time)]
    pub sent_at: String,
    /// When it came to this device; `null` for our own.
    #[schema(value_type = Option<Time>)]
    pub received_at: Option<String>,
    /// State of our own; `delivered` or `read` of theirs.
    pub state: State,
    /// Arrived after one that sorts behind it.
    pub late: bool,
    /// The message it answers.
    #[schema(value_type = Option<MessageId>)]
    pub reply_to: Option<String>,
    /// Reactions, ours first.
    pub reactions: Vec<Reaction>,
    /// It was edited.
    pub edited: bool,
    /// After how many seconds it disappears; `null`: it stays.
    pub disappear_s: Option<u64>,
    /// When it disappears, once that time counts; when it did, if it is gone.
    #[schema(value_type = Option<Time>)]
    pub expires_at: Option<String>,
    /// It says that later messages disappear after so many seconds, 0: that they stay; `null` for
    /// every other message.
    pub sets_disappear_s: Option<u64>,
    /// The contact is muted: a client does not notify of it.
    pub muted: bool,
    /// It was taken in from another home: it was never sent or received here.
    pub imported: bool,
}

/// `GET /v1/contacts/{name}/messages` and `GET /v1/search`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct MessageList {
    /// In canonical order, oldest first; what was searched for, newest first.
    pub messages: Vec<Message>,
}

/// `GET /v1/messages/{id}/why`: where a message is, who holds it, what happens next.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Why {
    /// The message.
    #[schema(value_type = MessageId)]
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
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Step {
    /// When.
    #[schema(value_type = Time)]
    pub at: String,
    /// What.
    pub what: What,
    /// Which of their devices.
    #[schema(value_type = Option<DeviceId>)]
    pub device: Option<String>,
    /// Id of the bridge, where there is one.
    pub by: Option<String>,
    /// Until when it is held, where that is known.
    #[schema(value_type = Option<Time>)]
    pub until: Option<String>,
    /// Why, or where.
    pub reason: Option<String>,
}

/// The words of `why`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
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
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Next {
    /// When, if that is known.
    #[schema(value_type = Option<Time>)]
    pub at: Option<String>,
    /// A sentence.
    pub what: String,
}
