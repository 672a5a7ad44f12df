//! Where the command line meets the node's own start. One file, so that `up` reads the same
//! whatever the node's start needs.

use std::io;
use std::path::Path;
use waxwing_node::api::model::Id;
use waxwing_node::config::Config;
use waxwing_protocol::output::Refusal;

/// Why a node did not start.
#[derive(Debug)]
pub enum StartError {
    /// Another node runs in this home.
    Locked,
    /// A new account needs a name.
    NeedsName,
    /// The name, or something else of the account, was refused.
    Refused(Refusal),
    /// The data key is wrapped and no passphrase was given.
    NeedsPassphrase,
    /// The passphrase does not open the data key.
    WrongPassphrase,
    /// The passphrase file cannot be read.
    PassphraseFile(io::Error),
    /// A newer version wrote this home.
    NewerSchema(u32),
    /// A part of the home is missing or damaged; the sentence says what to do.
    Damaged(String),
    /// No space left.
    DiskFull,
    /// The home cannot be used.
    Home(io::Error),
    /// The store or the engine failed.
    Store(String),
    /// The network did not start.
    Network(String),
    /// The local API did not start.
    Api(String),
}

/// What `up` says once a node is ready.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ready {
    /// `wax1…`
    pub account: String,
    /// `12D3…`
    pub peer: String,
    /// Multiaddrs that the node listens on.
    pub listen: Vec<String>,
    /// `http://127.0.0.1:PORT`
    pub api: String,
}

/// A running node.
pub struct Node {
    ready: Ready,
}

impl Node {
    /// Starts a node.
    ///
    /// # Errors
    /// [`StartError`] says why not.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let _ = config;
        Err(StartError::Network(
            "it is not part of this build".to_owned(),
        ))
    }

    /// Who this node is and where it is reached.
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// Resolves if the node fails, with one sentence to print.
    pub fn failed(&self) -> impl Future<Output = String> + Send + 'static {
        std::future::pending()
    }

    /// Ends the node well.
    pub async fn shutdown(self) {}
}

/// Who lives in a home, without a running node; `None` if that cannot be read.
pub fn offline_id(home: &Path) -> Option<Id> {
    let _ = home;
    None
}

/// Sets up the node's log: level, and JSON lines instead of text.
pub fn logs(level: Option<&str>, json: bool) {
    let _ = (level, json);
}
