//! The swarm's behaviour: who may connect, who we are, and the frame stream.

use super::profile::{CONNECTIONS_PER_PEER_MAX, Limits};
use super::{frames, gate};
use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::identify;
use libp2p::identity::Keypair;
use libp2p::ping;
use libp2p::swarm::NetworkBehaviour;
use std::convert::Infallible;

/// Names the network to other libp2p nodes.
const PROTOCOL_VERSION: &str = "/waxwing/1";
/// Names the program and its version.
const AGENT_VERSION: &str = concat!("waxwing/", env!("CARGO_PKG_VERSION"));

/// What the behaviours report.
#[derive(Debug)]
pub(super) enum Event {
    /// A frame stream is ready.
    Opened(Box<frames::Opened>),
    /// Somebody said who they are, or asked who we are.
    Identify,
    /// A connection was found alive or not; the frame stream's own probe decides what to do.
    Ping,
}

/// Order matters: the gate turns a connection away before the limits count it.
#[derive(NetworkBehaviour)]
#[behaviour(to_swarm = "Event")]
pub(super) struct Behaviour {
    pub(super) gate: gate::Behaviour,
    limits: connection_limits::Behaviour,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    frames: frames::Behaviour,
}

impl Behaviour {
    pub(super) fn new(keypair: &Keypair, limits: Limits) -> Self {
        let counts = ConnectionLimits::default()
            .with_max_pending_incoming(Some(limits.pending))
            .with_max_pending_outgoing(Some(limits.pending))
            .with_max_established_incoming(Some(limits.inbound))
            .with_max_established_per_peer(Some(CONNECTIONS_PER_PEER_MAX))
            .with_max_established(Some(limits.total));
        // Friends learn each other's addresses inside their sessions; nobody else has to know
        // which networks this machine is in. Nothing here looks up cached addresses either.
        let identify = identify::Config::new(PROTOCOL_VERSION.into(), keypair.public())
            .with_agent_version(AGENT_VERSION.into())
            .with_hide_listen_addrs(true)
            .with_cache_size(0);
        Self {
            gate: gate::Behaviour::new(limits.per_network),
            limits: connection_limits::Behaviour::new(counts),
            identify: identify::Behaviour::new(identify),
            ping: ping::Behaviour::default(),
            frames: frames::Behaviour::default(),
        }
    }
}

impl From<frames::Opened> for Event {
    fn from(opened: frames::Opened) -> Self {
        Self::Opened(Box::new(opened))
    }
}

impl From<identify::Event> for Event {
    fn from(_: identify::Event) -> Self {
        Self::Identify
    }
}

impl From<ping::Event> for Event {
    fn from(_: ping::Event) -> Self {
        Self::Ping
    }
}

impl From<Infallible> for Event {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
