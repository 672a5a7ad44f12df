//! The JSON objects of the local API and of `--json`: one vocabulary for both.
//!
//! Times are RFC 3339 UTC with milliseconds. Ids are lower-case unpadded base32, accounts are
//! `wax1…` addresses, peers are libp2p PeerIds. A field that has no value is `null`, never
//! missing, except where its comment says so.

mod changes;
mod contacts;
mod draft;
mod history;
mod keep;
mod kinds;
mod own;
mod people;
mod process;
mod talk;
mod tokens;

pub use changes::{Change, Event};
pub use contacts::{
    MuteRequest, Notice, NoticeList, Removed, RenameRequest, Safety, VerifyRequest,
};
pub use draft::{Draft, DraftRequest};
pub use history::{
    HistoryBody, HistoryEdit, HistoryMessage, HistoryPage, HistoryReaction, ImportRequest,
    Imported, Unfit,
};
pub use keep::{Compaction, Disappear, DisappearRequest};
pub use kinds::{Account, DeviceId, MessageId, PeerId, Time, TokenId};
pub use own::{Disk, Id, Invite, InviteRequest, ReadyLine, Relay, Status, Words, WordsWritten};
pub use people::{
    AddRequest, Added, Contact, ContactList, ContactState, Reach, Request, RequestList,
};
pub use process::{Log, LogRequest, Stopping};
use serde::{Deserialize, Serialize};
pub use talk::{
    EditRequest, Marked, Message, MessageList, Next, ReactRequest, Reaction, ReadRequest,
    SendRequest, Sent, State, Step, What, Why,
};
pub use tokens::{NewToken, Revoked, Token, TokenList, TokenRequest, TokenScope};
use utoipa::ToSchema;

/// An error as `application/problem+json` (RFC 9457).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
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
