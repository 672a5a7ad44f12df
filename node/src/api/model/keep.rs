//! Objects about how long things are kept.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Body of `PUT /v1/contacts/{name}/disappear`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DisappearRequest {
    /// `30s`, `10m`, `24h`, `7d`, from 5 seconds to 365 days; `off`: messages stay.
    #[schema(pattern = "^(off|[0-9]+[smhd])$", max_length = 24)]
    pub after: String,
}

/// After which time messages of a conversation disappear.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Disappear {
    /// Petname.
    pub name: String,
    /// Seconds; `null`: they stay.
    pub disappear_s: Option<u64>,
}

/// How a compaction of the database stands, or how the last one since the node started ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Compaction {
    /// It is under way.
    pub running: bool,
    /// Rows copied so far.
    pub rows: u64,
    /// Bytes on disk when it began; `null` if there was none.
    pub before_bytes: Option<u64>,
    /// Bytes on disk when it was through.
    pub after_bytes: Option<u64>,
    /// How long it took, in milliseconds.
    pub took_ms: Option<u64>,
    /// Why it came to nothing, in a sentence; the database is then as it was.
    pub failed: Option<String>,
}
