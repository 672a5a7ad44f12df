//! Objects about one contact: who it is, and what its owner was told.

use super::kinds::{Account, Time};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /v1/contacts/{name}/safety`: how to find out whether a contact is who they say.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Safety {
    /// Petname.
    pub name: String,
    /// `wax1…`
    #[schema(value_type = Account)]
    pub account: String,
    /// 60 digits, in groups of five; the same on both sides.
    #[schema(pattern = "^[0-9]{5}( [0-9]{5}){11}$")]
    pub safety_number: String,
    /// The numbers were compared.
    pub verified: bool,
    /// They were, and something has put that in question since.
    pub verify_again: bool,
    /// What a QR code carries: both full fingerprints; the same on both sides.
    #[schema(pattern = "^waxwing-safety:[A-Za-z0-9_-]{171}$")]
    pub code: String,
}

/// Body of `POST /v1/contacts/{name}/verify`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyRequest {
    /// The number that was compared; spaces do not matter.
    #[schema(max_length = 128)]
    pub safety_number: String,
}

/// Body of `POST /v1/contacts/{name}/rename`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RenameRequest {
    /// The new petname.
    #[schema(min_length = 1, max_length = 128)]
    pub name: String,
}

/// Body of `POST /v1/contacts/{name}/mute`; an empty body is `{}`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MuteRequest {
    /// For how long, as `8h` or `7d`; for good if missing.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[0-9]+[smhd]$")]
    pub span: Option<String>,
}

/// Answer of `DELETE /v1/contacts/{name}`: who is no contact any more.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Removed {
    /// The petname it had.
    pub name: String,
    /// `wax1…`
    #[schema(value_type = Account)]
    pub account: String,
}

/// Something that the user was told about a contact.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Notice {
    /// Petname.
    pub contact: String,
    /// Snake-case word.
    pub code: String,
    /// One sentence.
    pub text: String,
    /// When.
    #[schema(value_type = Time)]
    pub at: String,
    /// It stands behind messages with a clock up to this one.
    pub clock: u64,
}

/// `GET /v1/contacts/{name}/notices`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct NoticeList {
    /// Oldest first.
    pub notices: Vec<Notice>,
}
