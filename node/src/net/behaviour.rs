//! The swarm's behaviour: who may connect, who we are, the frame stream, and the ways to each
//! other: relays, holes, the router's ports.

use super::careful::Careful;
use super::profile::{CONNECTIONS_PER_PEER_MAX, Limits};
use super::{frames, gate, host, observe};
use crate::roles::Roles;
use libp2p::autonat::v2 as autonat;
use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::identity::Keypair;
use libp2p::multiaddr::Multiaddr;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::swarm::{ConnectionId, NetworkBehaviour};
use libp2p::{PeerId, dcutr, identify, ping, relay, upnp};
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
    /// A relay agreed to carry connections to us.
    Reserved(PeerId),
    /// A hole was punched; over which connection.
    Punched(ConnectionId),
    /// Somebody outside tried to reach one of our addresses.
    Checked(Multiaddr, bool),
    /// The router opened a port for us, or closed it.
    Mapped(bool),
    /// Nothing that the task has to know.
    Other,
}

/// Order matters: the gate turns a connection away before the limits count it.
#[derive(NetworkBehaviour)]
#[behaviour(to_swarm = "Event")]
pub(super) struct Behaviour {
    pub(super) gate: gate::Behaviour,
    limits: connection_limits::Behaviour,
    pub(super) observe: observe::Behaviour,
    ping: ping::Behaviour,
    pub(super) frames: frames::Behaviour,
    relay: relay::client::Behaviour,
    punch: Careful<dcutr::Behaviour>,
    /// Only where somebody else could reach us at all.
    check: Toggle<autonat::client::Behaviour>,
    router: Toggle<upnp::tokio::Behaviour>,
    /// Only with the role of a relay.
    host: Toggle<relay::Behaviour>,
    check_others: Toggle<Careful<autonat::server::Behaviour>>,
}

/// What a behaviour is to begin with.
pub(super) struct Wishes {
    pub(super) limits: Limits,
    pub(super) roles: Roles,
    /// Others than this machine can connect.
    pub(super) outside: bool,
    pub(super) upnp: bool,
}

impl Behaviour {
    pub(super) fn new(keypair: &Keypair, relay: relay::client::Behaviour, wishes: &Wishes) -> Self {
        let limits = wishes.limits;
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
        let me = keypair.public().to_peer_id();
        let hosts = wishes.roles.relay;
        Self {
            gate: gate::Behaviour::new(limits.per_network, limits.per_relay),
            limits: connection_limits::Behaviour::new(counts),
            observe: observe::Behaviour::new(identify, hosts),
            ping: ping::Behaviour::default(),
            frames: frames::Behaviour::default(),
            relay,
            punch: Careful::new(dcutr::Behaviour::new(me)),
            check: wishes
                .outside
                .then(autonat::client::Behaviour::default)
                .into(),
            router: (wishes.outside && wishes.upnp)
                .then(upnp::tokio::Behaviour::default)
                .into(),
            host: hosts.then(|| host::relay(me, limits)).into(),
            check_others: hosts
                .then(|| Careful::new(autonat::server::Behaviour::default()))
                .into(),
        }
    }
}

impl From<frames::Opened> for Event {
    fn from(opened: frames::Opened) -> Self {
        Self::Opened(Box::new(opened))
    }
}

impl From<ping::Event> for Event {
    /// The frame stream's own probe decides what to do.
    fn from(_: ping::Event) -> Self {
        Self::Other
    }
}

impl From<relay::client::Event> for Event {
    fn from(event: relay::client::Event) -> Self {
        match event {
            relay::client::Event::ReservationReqAccepted { relay_peer_id, .. } => {
                Self::Reserved(relay_peer_id)
            }
            _ => Self::Other,
        }
    }
}

impl From<dcutr::Event> for Event {
    fn from(event: dcutr::Event) -> Self {
        match event.result {
            Ok(connection) => Self::Punched(connection),
            Err(error) => {
                tracing::debug!(%error, "no hole was punched");
                Self::Other
            }
        }
    }
}

impl From<autonat::client::Event> for Event {
    fn from(event: autonat::client::Event) -> Self {
        Self::Checked(event.tested_addr, event.result.is_ok())
    }
}

impl From<upnp::Event> for Event {
    fn from(event: upnp::Event) -> Self {
        match event {
            upnp::Event::NewExternalAddr { .. } => Self::Mapped(true),
            upnp::Event::ExpiredExternalAddr { .. } => Self::Mapped(false),
            upnp::Event::GatewayNotFound | upnp::Event::NonRoutableGateway => Self::Other,
        }
    }
}

impl From<relay::Event> for Event {
    fn from(_: relay::Event) -> Self {
        Self::Other
    }
}

impl From<autonat::server::Event> for Event {
    fn from(_: autonat::server::Event) -> Self {
        Self::Other
    }
}

impl From<Infallible> for Event {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
