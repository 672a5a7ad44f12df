//! Objects about contacts and requests.

use super::kinds::{Account, PeerId, Time};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where a contact stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
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
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
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

/// Body of `POST /v1/contacts`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddRequest {
    /// `waxwing:…`
    #[schema(max_length = 4096, pattern = r"^\s*waxwing:[A-Za-z0-9_-]+\s*$")]
    pub link: String,
    /// Petname to give; the contact's own name if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 128)]
    pub name: Option<String>,
    /// A line for the other side's `requests`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 512)]
    pub note: Option<String>,
}

/// What became of a contact: answer to adding, accepting, declining and blocking.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Added {
    /// Petname.
    pub name: String,
    /// `wax1…`, or the bare account id in base32 where the address is not known yet.
    #[schema(pattern = "^(wax1[a-z2-7]{106}|[a-z2-7]{52})$")]
    pub account: String,
    /// Where it stands now.
    pub state: ContactState,
}

/// A contact.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Contact {
    /// Petname.
    pub name: String,
    /// `wax1…`
    #[schema(value_type = Account)]
    pub account: String,
    /// Where it stands.
    pub state: ContactState,
    /// Safety numbers were compared.
    pub verified: bool,
    /// They were, and something has put that in question since.
    pub verify_again: bool,
    /// Clients do not notify of what they write.
    pub muted: bool,
    /// When that ends by itself; `null` if it does not.
    #[schema(value_type = Option<Time>)]
    pub muted_until: Option<String>,
    /// Its history is being erased, which takes a while if it is long.
    pub clearing: bool,
    /// How it is reached.
    pub reach: Reach,
    /// Last time anything of theirs was opened.
    #[schema(value_type = Option<Time>)]
    pub last_seen: Option<String>,
    /// Received and not yet read.
    pub unread: u64,
    /// Their device's libp2p PeerId, if known.
    #[schema(value_type = Option<PeerId>)]
    pub peer: Option<String>,
    /// After how many seconds what is sent from now on disappears; `null`: it stays.
    pub disappear_s: Option<u64>,
    /// What was begun and not sent.
    pub draft: Option<String>,
}

/// `GET /v1/contacts`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ContactList {
    /// In order of name.
    pub contacts: Vec<Contact>,
}

/// A contact request.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Request {
    /// Petname it would get.
    pub name: String,
    /// `wax1…`
    #[schema(value_type = Account)]
    pub account: String,
    /// What they wrote.
    pub note: String,
    /// When it came.
    #[schema(value_type = Time)]
    pub received_at: String,
    /// 60 digits, in groups of five.
    #[schema(pattern = "^([0-9]{5}( [0-9]{5}){11})?$")]
    pub safety_number: String,
}

/// `GET /v1/requests`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct RequestList {
    /// In order of arrival.
    pub requests: Vec<Request>,
}
