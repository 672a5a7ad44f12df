//! What surrounds the engine once it runs: the network and the local API.

use crate::api::model::Disk;
use crate::api::{self, ApiConfig, ApiServer, ApiState, DiskProbe, NodeInfo};
use crate::config::Config;
use crate::home::Home;
use crate::net::{self, Net, NetConfig, Ports, Profile};
use crate::node::StartError;
use crate::runtime::{EngineHandle, Network};
use crate::tokens::Tokens;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Notify;
use waxwing_protocol::id::Peer;
use waxwing_protocol::input::SendError;
use waxwing_protocol::private::Secret;

/// Network and API of a running node.
pub(crate) struct Outside {
    net: Arc<Net>,
    server: Option<ApiServer>,
    started: Instant,
    end: Arc<Notify>,
}

impl Outside {
    /// Starts the network under the device's key and gives it to the engine.
    pub(crate) async fn network(
        home: &Home,
        config: &Config,
        seed: Secret<32>,
        handle: &EngineHandle,
    ) -> Result<Self, StartError> {
        let started = Instant::now();
        let remembered = ports(&home.remembered_ports());
        let settings = NetConfig {
            seed,
            listen: config.listen.clone(),
            remembered,
            profile: Profile::Person,
            roles: config.roles,
            relays: config.relays.clone(),
            upnp: config.upnp,
        };
        let net = net::start(settings, handle.clone())
            .await
            .map_err(|error| StartError::Network(format!("{error} ({})", error.hint())))?;
        if net.ports() != remembered {
            home.remember_ports(&named(net.ports()))
                .map_err(StartError::Home)?;
        }
        let net = Arc::new(net);
        handle.attach(Box::new(Joined(Arc::clone(&net)))).await?;
        Ok(Self {
            net,
            server: None,
            started,
            end: Arc::default(),
        })
    }

    /// Lets the network speak to the engine, which has heard of its start by now.
    pub(crate) fn open(&self) {
        self.net.open();
    }

    /// Serves the local API.
    pub(crate) async fn api(
        &mut self,
        home: &Home,
        config: &Config,
        handle: &EngineHandle,
        tokens: Tokens,
    ) -> Result<(), StartError> {
        let token = home.api_token()?;
        let settings = ApiConfig {
            addr: config.api,
            socket: home.path("api.sock"),
            token: token.to_string(),
        };
        let state = ApiState {
            handle: handle.clone(),
            info: NodeInfo {
                listen: self.net.listening(),
                reachability: self.net.reachability(),
                roles: config.roles,
                started: self.started,
            },
            disk: Some(probe(handle)),
            end: Arc::clone(&self.end),
            tokens: Arc::new(tokens),
        };
        let server = api::serve(settings, state)
            .await
            .map_err(|error| StartError::Api(error.to_string()))?;
        self.server = Some(server);
        Ok(())
    }

    /// Notified when a client of the API asks the node to end.
    pub(crate) fn end(&self) -> Arc<Notify> {
        Arc::clone(&self.end)
    }

    /// Multiaddrs that are listened on, best first.
    pub(crate) fn listen(&self) -> Vec<String> {
        self.net.listen()
    }

    /// The same with `/p2p/`, for others to dial.
    pub(crate) fn advertise(&self) -> Vec<String> {
        self.net.advertise()
    }

    /// `http://127.0.0.1:PORT`; empty before the API is served.
    pub(crate) fn api_url(&self) -> String {
        self.server
            .as_ref()
            .map_or(String::new(), |server| format!("http://{}", server.addr()))
    }

    /// Takes no new requests and closes connections. What they had asked of the engine is done.
    pub(crate) async fn shutdown(self) {
        if let Some(server) = self.server {
            server.shutdown().await;
        }
        self.net.shutdown().await;
    }
}

/// The network as the engine's thread calls it.
struct Joined(Arc<Net>);

impl Network for Joined {
    fn send(&self, to: Peer, id: u64, bytes: Vec<u8>) -> Result<(), SendError> {
        self.0.send(to, id, bytes)
    }

    fn dial(&self, peer: Peer, addrs: Vec<String>) {
        self.0.dial(peer, addrs);
    }

    fn penalty(&self, peer: Peer, points: u32) {
        self.0.penalty(peer, points);
    }
}

/// How the disk is doing, for `status`.
fn probe(handle: &EngineHandle) -> DiskProbe {
    let handle = handle.clone();
    Arc::new(move || {
        let disk = handle.disk();
        Some(Disk {
            free_bytes: disk.free_bytes,
            used_bytes: disk.used_bytes,
            read_only: disk.read_only,
        })
    })
}

pub(crate) fn ports(named: &BTreeMap<String, u16>) -> Ports {
    let port = |name: &str| named.get(name).copied();
    Ports {
        tcp4: port("tcp4"),
        udp4: port("udp4"),
        tcp6: port("tcp6"),
        udp6: port("udp6"),
    }
}

fn named(ports: Ports) -> BTreeMap<String, u16> {
    [
        ("tcp4", ports.tcp4),
        ("udp4", ports.udp4),
        ("tcp6", ports.tcp6),
        ("udp6", ports.udp6),
    ]
    .into_iter()
    .filter_map(|(name, port)| Some((name.to_owned(), port?)))
    .collect()
}
