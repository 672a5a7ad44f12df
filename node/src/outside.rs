//! What surrounds the engine once it runs: the network and the local API.
//!
//! The one place where both are started and stopped; until they are joined here, a node runs
//! alone and says so in its addresses.

use crate::config::Config;
use crate::home::Home;
use crate::node::StartError;
use crate::runtime::{EngineHandle, Network};
use waxwing_protocol::id::Peer;
use waxwing_protocol::input::SendError;
use waxwing_protocol::private::Secret;

/// Network and API of a running node.
pub(crate) struct Outside {
    /// Our addresses, each a multiaddr with `/p2p/`, best first.
    pub(crate) listen: Vec<String>,
    /// `http://127.0.0.1:PORT`; empty without an API.
    pub(crate) api: String,
}

impl Outside {
    /// Starts the network under the device's key and gives it to the engine.
    pub(crate) async fn network(
        _home: &Home,
        _config: &Config,
        _seed: Secret<32>,
        handle: &EngineHandle,
    ) -> Result<Self, StartError> {
        handle.attach(Box::new(Alone)).await?;
        Ok(Self {
            listen: Vec::new(),
            api: String::new(),
        })
    }

    /// Serves the local API.
    pub(crate) async fn api(
        &mut self,
        home: &Home,
        _config: &Config,
        _handle: &EngineHandle,
    ) -> Result<(), StartError> {
        home.api_token()?;
        Ok(())
    }

    /// Takes no new requests and closes connections. What they had asked of the engine is done.
    pub(crate) async fn shutdown(self) {}
}

/// A network without anybody.
struct Alone;

impl Network for Alone {
    fn send(&self, _: Peer, _: u64, _: Vec<u8>) -> Result<(), SendError> {
        Err(SendError::NotConnected)
    }

    fn dial(&self, _: Peer, _: Vec<String>) {}

    fn penalty(&self, _: Peer, _: u32) {}
}
