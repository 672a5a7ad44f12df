//! What a node is told when it starts.

use crate::disk::FREE_MIN_BYTES;
use crate::roles::Roles;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use waxwing_protocol::input::Settings;
use waxwing_protocol::limits::RECEIPT_GATHER_MS;

/// Everything that `Node::start` needs.
#[derive(Clone, Debug)]
pub struct Config {
    /// The home directory; made if missing.
    pub home: PathBuf,
    /// Self-declared name: for a new account, or to rename an existing one.
    pub name: Option<String>,
    /// Multiaddrs to listen on; empty for QUIC and TCP on all interfaces with remembered ports.
    pub listen: Vec<String>,
    /// What it does for others.
    pub roles: Roles,
    /// Relays to be reached through: multiaddrs that end in `/p2p/PEER`.
    pub relays: Vec<String>,
    /// Asks the router for a port (UPnP).
    pub upnp: bool,
    /// Where the local API listens; loopback only. Port 0 draws one.
    pub api: SocketAddr,
    /// Where figures for Prometheus and the state of the node's health are served, if anywhere.
    pub metrics: Option<SocketAddr>,
    /// File whose first line is the passphrase that wraps the data key.
    pub passphrase_file: Option<PathBuf>,
    /// Writing stops while less than this is free on the home's disk.
    pub disk_free_min_bytes: u64,
    /// What the user set.
    pub settings: Settings,
}

impl Config {
    /// A home with everything else as it is by default.
    pub fn new(home: impl Into<PathBuf>) -> Self {
        Self {
            home: home.into(),
            name: None,
            listen: Vec::new(),
            roles: Roles::default(),
            relays: Vec::new(),
            upnp: true,
            api: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            metrics: None,
            passphrase_file: None,
            disk_free_min_bytes: FREE_MIN_BYTES,
            settings: Settings {
                gather_ms: RECEIPT_GATHER_MS,
                ..Settings::default()
            },
        }
    }
}
