//! Objects about tokens of programs.

use super::kinds::{Time, TokenId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How much a token allows. Each allows what those before it do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TokenScope {
    /// Look, and change nothing; not even mark as read.
    Read,
    /// Talk: send, react, edit, delete, mark as read.
    Send,
    /// Everything but the recovery words.
    Admin,
}

impl TokenScope {
    /// The word used in JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Send => "send",
            Self::Admin => "admin",
        }
    }
}

/// Body of `POST /v1/tokens`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// How much it allows.
    pub scope: TokenScope,
    /// Only with this contact; with all of them if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1)]
    pub contact: Option<String>,
    /// Life, as `30d` or `12h`, one minute to ten years; for good if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[0-9]+[smhd]$")]
    pub expires: Option<String>,
    /// What it is for, at most 64 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 64)]
    pub name: Option<String>,
    /// Requests it may make, as `20/s` or `100/m`, at most `10000/s`; `50/s` if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[0-9]+/[sm]$")]
    pub rate: Option<String>,
}

/// A token, without its secret.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Token {
    /// Names it, and is part of it; no secret.
    #[schema(value_type = TokenId)]
    pub id: String,
    /// What it is for.
    pub name: Option<String>,
    /// How much it allows.
    pub scope: TokenScope,
    /// Only with this contact: petname, or the account in base32 if that is no contact any more.
    pub contact: Option<String>,
    /// When it was made.
    #[schema(value_type = Time)]
    pub created: String,
    /// When it ends; `null` for one that does not end by itself.
    #[schema(value_type = Option<Time>)]
    pub expires: Option<String>,
    /// Its time has come.
    pub expired: bool,
    /// When it was last used; written down once a minute at most.
    #[schema(value_type = Option<Time>)]
    pub last_used: Option<String>,
    /// Requests it may make, as `20/s`.
    #[schema(pattern = "^[0-9]+/[sm]$")]
    pub rate: String,
}

/// A token that was just made.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct NewToken {
    /// What to send as `Authorization: Bearer`. Shown here and never again.
    #[schema(pattern = "^wxt_[a-z2-7]{16}_[a-z2-7]{52}$")]
    pub token: String,
    /// The rest of it.
    #[serde(flatten)]
    pub about: Token,
}

// It opens the node: a stray `{:?}` must not print it.
impl std::fmt::Debug for NewToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NewToken({}, [secret])", self.about.id)
    }
}

/// `GET /v1/tokens`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct TokenList {
    /// In the order in which they were made.
    pub tokens: Vec<Token>,
}

/// Answer of `POST /v1/tokens/{token}/revoke`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Revoked {
    /// Which.
    #[schema(value_type = TokenId)]
    pub id: String,
    /// Always true: it opens nothing any more, nor do those that it made.
    pub revoked: bool,
}
