//! Where the command line meets the node's own start. One file, so that `up` reads the same
//! whatever the node's start needs.

use std::future::pending;
use waxwing_node::api::model::{Id, ReadyLine};
use waxwing_node::config::Config;

/// Why a node did not start.
#[derive(Debug)]
pub enum StartError {
    /// Another node runs in this home.
    Locked,
    /// A new account needs a name.
    NeedsName,
    /// The data key is wrapped.
    NeedsPassphrase,
    /// Not the passphrase that the data key was wrapped with.
    WrongPassphrase,
    /// The home was written by a newer version.
    NewerSchema,
    /// The store could not be opened.
    Damaged(String),
    /// No space left.
    DiskFull,
    /// The home could not be made or read.
    Home(String),
    /// The store failed.
    Store(String),
    /// The network could not start.
    Network(String),
    /// The local API could not start.
    Api(String),
}

/// A running node.
pub struct Node {
    ready: ReadyLine,
}

impl Node {
    /// Starts a node.
    ///
    /// # Errors
    /// [`StartError`] says why not.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let _ = config;
        Err(StartError::Network("not part of this build".to_owned()))
    }

    /// What `up` says first.
    pub fn ready(&self) -> &ReadyLine {
        &self.ready
    }

    /// Ends once the node has failed.
    pub async fn failed(&self) -> String {
        pending().await
    }

    /// Ends the node well.
    pub async fn shutdown(self) {}
}

/// Who lives in a home, without a running node; `None` if that cannot be read.
pub fn offline_id(home: &std::path::Path) -> Option<Id> {
    let _ = home;
    None
}

/// Sets up the node's log: level, and JSON lines instead of text.
pub fn logs(level: Option<&str>, json: bool) {
    let _ = (level, json);
}
