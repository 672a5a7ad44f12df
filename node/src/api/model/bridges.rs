//! Objects about bridges: those where this account keeps a mailbox, and this node as one.

use super::kinds::{BridgeId, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// How a bridge of ours stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BridgeState {
    /// Its mailbox is ours and it is connected.
    Connected,
    /// It is being reached for, or has not let us in yet.
    Connecting,
    /// It was given up; what it still holds is fetched.
    Leaving,
}

/// A bridge at which this account keeps a mailbox.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Bridge {
    /// Its id: the key that it signs with.
    #[schema(value_type = BridgeId)]
    pub bridge: String,
    /// Who runs it, as it says itself.
    pub operator: String,
    /// Where it stands, as it says itself: ISO 3166-1 alpha-2.
    pub country: String,
    /// What it does: `mailbox`, `forward`, `relay`.
    pub roles: Vec<String>,
    /// Multiaddrs at which it is reached.
    pub addrs: Vec<String>,
    /// How it stands.
    pub state: BridgeState,
    /// When it last let us in.
    #[schema(value_type = Option<Time>)]
    pub last_seen: Option<String>,
    /// Letters that came through it.
    pub collected: u64,
    /// Letters of ours that it promised to hold, or to hand on.
    pub held: u64,
    /// What went wrong last, in one sentence.
    pub trouble: Option<String>,
}

/// `GET /v1/bridges`, in the order in which they were added.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct BridgeList {
    /// The bridges.
    pub bridges: Vec<Bridge>,
}

/// Body of `POST /v1/bridges`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BridgeRequest {
    /// `waxwing-bridge:…`, as its operator hands it out.
    #[schema(min_length = 1)]
    pub descriptor: String,
}

/// A bridge that was given up.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct BridgeRemoved {
    /// Its id.
    #[schema(value_type = BridgeId)]
    pub bridge: String,
    /// Who runs it.
    pub operator: String,
    /// Where it stands.
    pub country: String,
}

/// `GET /v1/bridge`: this node as a bridge for others.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Host {
    /// Its id: the key that it signs with.
    #[schema(value_type = BridgeId)]
    pub bridge: String,
    /// Who runs it.
    pub operator: String,
    /// Where it stands: ISO 3166-1 alpha-2.
    pub country: String,
    /// What it does: `relay`, `mailbox`, `forward`.
    pub roles: Vec<String>,
    /// `waxwing-bridge:…`, to hand out.
    pub descriptor: String,
    /// Multiaddrs that it listens on.
    pub listen: Vec<String>,
    /// Seconds since it started.
    pub uptime_s: u64,
    /// Nodes that are connected now.
    pub connections: u64,
    /// Mailboxes.
    pub mailboxes: u64,
    /// Tags that letters may be left under.
    pub tags: u64,
    /// Blocks held now.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes that may be held.
    pub quota_bytes: u64,
    /// When the oldest block came that is still here.
    #[schema(value_type = Option<Time>)]
    pub oldest: Option<String>,
    /// Blocks taken since the home was made.
    pub deposits: u64,
    /// Blocks taken a second, over the last minute.
    #[schema(minimum = 0)]
    pub deposits_per_second: f64,
    /// Blocks handed over since the home was made.
    pub collects: u64,
    /// Boxes handed on since the home was made.
    pub forwards: u64,
    /// Boxes that wait to be handed on.
    pub queued: u64,
    /// What was refused since the home was made, by reason.
    pub refused: BTreeMap<String, u64>,
    /// The disk under the home; `null` if it cannot be told.
    pub disk: Option<super::Disk>,
}
