//! What was begun and not sent.

use super::kinds::Time;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /v1/contacts/{name}/draft`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Draft {
    /// What it says so far; `null` if there is none.
    pub text: Option<String>,
    /// When it was kept.
    #[schema(value_type = Option<Time>)]
    pub kept_at: Option<String>,
}

/// Body of `PUT /v1/contacts/{name}/draft`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DraftRequest {
    /// At most 32 KiB as UTF-8.
    #[schema(min_length = 1, max_length = 32768)]
    pub text: String,
}
