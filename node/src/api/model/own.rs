//! Objects about this account, its node and its invites.

use super::kinds::maybe_whole;
use super::kinds::{Account, DeviceId, PeerId, Time};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /v1/id`: this account and device.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Id {
    /// `wax1…`
    #[schema(value_type = Account)]
    pub account: String,
    /// Self-declared name.
    pub name: String,
    /// Device id.
    #[schema(value_type = DeviceId)]
    pub device: String,
    /// This device's libp2p PeerId.
    #[schema(value_type = Option<PeerId>)]
    pub peer: Option<String>,
}

/// `GET /v1/status`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// `wax1…`
    #[schema(value_type = Account)]
    pub account: String,
    /// Self-declared name.
    pub name: String,
    /// This device's libp2p PeerId.
    #[schema(value_type = Option<PeerId>)]
    pub peer: Option<String>,
    /// Version of the node.
    pub version: String,
    /// Seconds since this node started.
    pub uptime_s: u64,
    /// Multiaddrs that the node listens on.
    pub listen: Vec<String>,
    /// Who can reach this node without a relay: `public` everybody, `private` those in its own
    /// network, `loopback` those on this machine, `none` nobody; `unknown` until somebody outside
    /// has tried.
    #[schema(pattern = "^(public|private|loopback|none|unknown)$")]
    pub reachability: String,
    /// What that rests on, in one sentence.
    pub reachability_why: String,
    /// What the router does with ports: `none` if there is no router between, `same_port` if it
    /// shows everybody the same one, `own_port_each` if it shows everybody another one, `unknown`
    /// until two others have seen this node.
    #[schema(pattern = "^(none|same_port|own_port_each|unknown)$")]
    pub nat: String,
    /// Relays that this node was told of.
    pub relays: Vec<Relay>,
    /// What it does for others: `relay`.
    pub roles: Vec<String>,
    /// Contacts of any state but declined.
    pub contacts: u64,
    /// Contacts reached right now.
    pub connected: u64,
    /// Requests that wait for the user's word.
    pub requests: u64,
    /// Letters that wait for a receipt or a connection.
    pub outbox: u64,
    /// Newest cursor of the change log.
    pub cursor: u64,
    /// The recovery words are still in the home: they ought to be written down.
    pub words_kept: bool,
    /// Ids of this account's bridges.
    pub bridges: Vec<String>,
    /// The disk under the home; `null` if it cannot be told.
    pub disk: Option<Disk>,
}

/// A relay that a node was told of.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Relay {
    /// Its libp2p PeerId.
    #[schema(value_type = PeerId)]
    pub peer: String,
    /// It carries connections to this node.
    pub reserved: bool,
}

/// The disk under the home.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Disk {
    /// Bytes that the home takes.
    pub used_bytes: u64,
    /// Bytes free on its file system.
    pub free_bytes: u64,
    /// The disk is nearly full: reading works, writing does not.
    pub read_only: bool,
}

/// `GET /v1/words`: the recovery words, while the home still has them.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct Words {
    /// 24 words, one space between them.
    pub words: String,
}

// They are the account: a stray `{:?}` must not print them.
impl std::fmt::Debug for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Words([secret])")
    }
}

/// Answer of `POST /v1/words/written`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct WordsWritten {
    /// The words are no longer in the home.
    pub erased: bool,
}

/// Body of `POST /v1/invites`; an empty body is `{}`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InviteRequest {
    /// 1 (the default) to 100.
    #[serde(
        default,
        deserialize_with = "maybe_whole",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(minimum = 1, maximum = 100)]
    pub uses: Option<u8>,
    /// Life, as `7d` or `12h`, one minute to 30 days; 7 days if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[0-9]+[smhd]$")]
    pub expires: Option<String>,
}

/// An invite.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Invite {
    /// `waxwing:…`
    pub link: String,
    /// When it ends.
    #[schema(value_type = Time)]
    pub expires: String,
    /// How often it can be used.
    pub uses: u8,
}

/// First line of `up`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ReadyLine {
    /// Always `ready`.
    pub event: String,
    /// `wax1…`
    #[schema(value_type = Account)]
    pub account: String,
    /// libp2p PeerId.
    #[schema(value_type = PeerId)]
    pub peer: String,
    /// Multiaddrs that the node listens on.
    pub listen: Vec<String>,
    /// `http://127.0.0.1:PORT`
    pub api: String,
}
