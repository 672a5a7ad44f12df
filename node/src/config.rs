//! What a node is told when it starts.

use std::net::SocketAddr;
use std::path::PathBuf;
use waxwing_protocol::input::Settings;

/// Everything that `Node::start` needs.
#[derive(Clone, Debug)]
pub struct Config {
    /// The home directory; made if missing.
    pub home: PathBuf,
    /// Self-declared name: for a new account, or to rename an existing one.
    pub name: Option<String>,
    /// Multiaddrs to listen on; empty for QUIC and TCP on all interfaces with remembered ports.
    pub listen: Vec<String>,
    /// Where the local API listens; loopback only. Port 0 draws one.
    pub api: SocketAddr,
    /// File whose first line is the passphrase that wraps the data key.
    pub passphrase_file: Option<PathBuf>,
    /// What the user set.
    pub settings: Settings,
}
