//! A message as it is taken along, by `export` and `import` (`docs/guide/history.md`).

use super::State;
use super::kinds::{MessageId, Time, whole};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A message of the past.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HistoryMessage {
    /// Its id.
    #[schema(value_type = MessageId)]
    pub id: String,
    /// The owner of the history wrote it.
    pub mine: bool,
    /// Unix milliseconds: first key of the canonical order.
    #[serde(deserialize_with = "whole")]
    pub clock: u64,
    /// When its author sent it; if missing, the time of `clock`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Time>)]
    pub sent_at: Option<String>,
    /// When its home stored it; if missing, when it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Time>)]
    pub stored_at: Option<String>,
    /// How far it came; if missing, `sent` for the owner's own and `read` for others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// The text; missing if it was deleted, or says something that is no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 32768)]
    pub text: Option<String>,
    /// The message it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<MessageId>)]
    pub reply_to: Option<String>,
    /// At most one of each side.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 2)]
    pub reactions: Vec<HistoryReaction>,
    /// Which edit its text is, if it was edited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited: Option<HistoryEdit>,
    /// When it was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Time>)]
    pub deleted_at: Option<String>,
    /// What it says, where that is no text: something that a later version can show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<HistoryBody>,
}

/// A reaction to a message of the past.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HistoryReaction {
    /// The owner of the history reacted.
    pub mine: bool,
    /// One emoji, of at most 32 bytes.
    #[schema(min_length = 1, max_length = 32)]
    pub emoji: String,
    /// Unix milliseconds: of several reactions of one side the newest counts.
    #[serde(deserialize_with = "whole")]
    pub clock: u64,
    /// Id of the reaction.
    #[schema(value_type = MessageId)]
    pub id: String,
}

/// Which of several edits a text is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HistoryEdit {
    /// Unix milliseconds: the newest edit counts.
    #[serde(deserialize_with = "whole")]
    pub clock: u64,
    /// Id of the edit.
    #[schema(value_type = MessageId)]
    pub id: String,
}

/// A body that is no text.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HistoryBody {
    /// Its type number.
    #[serde(deserialize_with = "whole")]
    #[schema(maximum = 65535)]
    pub kind: u16,
    /// Its CBOR, in unpadded base64url.
    #[schema(pattern = "^[A-Za-z0-9_-]*$", max_length = 54614)]
    pub bytes: String,
}

/// `GET /v1/contacts/{name}/history`: a part of a conversation.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct HistoryPage {
    /// In canonical order, oldest first.
    pub messages: Vec<HistoryMessage>,
    /// The next page's `page`; `null` with the last one.
    pub next: Option<String>,
}

/// Body of `POST /v1/contacts/{name}/history`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportRequest {
    /// Messages of one conversation, in any order.
    #[schema(max_items = 256)]
    pub messages: Vec<HistoryMessage>,
}

/// What came of messages that were to be taken in.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Imported {
    /// So many are here now.
    pub added: u32,
    /// So many were here already.
    pub there: u32,
    /// Those that no home can hold.
    pub refused: Vec<Unfit>,
}

/// A message that was not taken in.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Unfit {
    /// Which of those that were sent, counted from 0.
    pub index: u32,
    /// Snake-case word.
    pub code: String,
    /// One sentence.
    pub message: String,
}
