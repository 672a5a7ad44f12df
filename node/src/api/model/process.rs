//! Objects about the process that a node runs in.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Answer of `stop`: the node was asked to end, and will.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Stopping {
    /// Always true.
    pub stopping: bool,
}

/// Body of `PUT /v1/log`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LogRequest {
    /// How much is logged from now on.
    #[schema(pattern = "^(off|error|warn|info|debug|trace)$")]
    pub level: String,
}

/// What is logged.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Log {
    /// `off error warn info debug trace`, or the list that the node was started with.
    pub level: String,
}
