//! Objects about the process that a node runs in.

use serde::{Deserialize, Serialize};

/// Answer of `stop`: the node was asked to end, and will.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Stopping {
    /// Always true.
    pub stopping: bool,
}

/// What is logged: the body of a change, and every answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Log {
    /// `off error warn info debug trace`; in an answer also the list that the node was started with.
    pub level: String,
}
