//! Turns away peers that were cut off and networks that are already well represented.

use super::addr::{from_peer_id, is_circuit, is_public};
use libp2p::PeerId;
use libp2p::core::transport::PortUse;
use libp2p::core::{Endpoint, Multiaddr};
use libp2p::multiaddr::Protocol;
use libp2p::swarm::behaviour::{ConnectionClosed, ListenFailure};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm, dummy,
};
use std::collections::HashMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// A peer that used up its budget is refused this long.
pub(super) const REFUSE_FOR: Duration = Duration::from_secs(60);
/// Peers that are refused at one time; beyond it the one that would be let in first makes room.
const REFUSED_MAX: usize = 4_096;

/// A public IPv4 /24 or IPv6 /48, or whoever comes through one relay.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Network {
    V4([u8; 3]),
    V6([u8; 6]),
    Relay(PeerId),
}

impl Network {
    /// The network of a public address; loopback, private and unknown ones are not counted. `to`:
    /// our own end, which names the relay.
    fn of(addr: &Multiaddr, to: &Multiaddr) -> Option<Self> {
        if is_circuit(to) {
            let relay = to.iter().find_map(|part| match part {
                Protocol::P2p(id) => Some(id),
                _ => None,
            });
            return relay.map(Self::Relay);
        }
        let ip = addr.ip_addr().filter(|ip| is_public(*ip))?;
        Some(match ip.to_canonical() {
            IpAddr::V4(ip) => {
                let [a, b, c, _] = ip.octets();
                Self::V4([a, b, c])
            }
            IpAddr::V6(ip) => {
                let [a, b, c, d, e, f, ..] = ip.octets();
                Self::V6([a, b, c, d, e, f])
            }
        })
    }
}

/// Why a connection was turned away.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum TurnedAway {
    #[error("too many connections from this network")]
    Crowded,
    #[error("this peer used up its budget a moment ago")]
    CutOff,
    #[error("this peer's key is of another kind")]
    OtherKey,
}

/// Keeps the counts and the list of refused peers.
pub(super) struct Behaviour {
    per_network: Option<u32>,
    per_relay: u32,
    networks: HashMap<Network, u32>,
    inbound: HashMap<ConnectionId, Network>,
    refused: HashMap<PeerId, Instant>,
}

impl Behaviour {
    pub(super) fn new(per_network: Option<u32>, per_relay: u32) -> Self {
        Self {
            per_network,
            per_relay,
            networks: HashMap::new(),
            inbound: HashMap::new(),
            refused: HashMap::new(),
        }
    }

    /// Refuses every new connection with `peer` until `now` + [`REFUSE_FOR`].
    pub(super) fn refuse(&mut self, peer: PeerId, now: Instant) {
        self.refused.retain(|_, until| *until > now);
        if self.refused.len() >= REFUSED_MAX
            && let Some(first) = self.refused.iter().min_by_key(|(_, until)| **until)
        {
            let first = *first.0;
            self.refused.remove(&first);
        }
        self.refused.insert(peer, now + REFUSE_FOR);
    }

    fn check(&self, peer: PeerId) -> Result<dummy::ConnectionHandler, ConnectionDenied> {
        if from_peer_id(&peer).is_none() {
            return Err(ConnectionDenied::new(TurnedAway::OtherKey));
        }
        match self.refused.get(&peer) {
            Some(until) if *until > Instant::now() => {
                Err(ConnectionDenied::new(TurnedAway::CutOff))
            }
            _ => Ok(dummy::ConnectionHandler),
        }
    }

    fn enter(
        &mut self,
        connection: ConnectionId,
        from: &Multiaddr,
        to: &Multiaddr,
    ) -> Result<(), TurnedAway> {
        let Some(network) = Network::of(from, to) else {
            return Ok(());
        };
        let most = match network {
            Network::Relay(_) => Some(self.per_relay),
            Network::V4(_) | Network::V6(_) => self.per_network,
        };
        let Some(most) = most else { return Ok(()) };
        let count = self.networks.entry(network).or_default();
        if *count >= most {
            return Err(TurnedAway::Crowded);
        }
        *count += 1;
        self.inbound.insert(connection, network);
        Ok(())
    }

    fn leave(&mut self, connection: ConnectionId) {
        let Some(network) = self.inbound.remove(&connection) else {
            return;
        };
        if let Some(count) = self.networks.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                self.networks.remove(&network);
            }
        }
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        to: &Multiaddr,
        from: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.enter(connection, from, to)
            .map_err(ConnectionDenied::new)
    }

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.check(peer)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.check(peer)
    }

    fn on_swarm_event(&mut self, event: FromSwarm) {
        match event {
            FromSwarm::ConnectionClosed(ConnectionClosed { connection_id, .. })
            | FromSwarm::ListenFailure(ListenFailure { connection_id, .. }) => {
                self.leave(connection_id);
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Infallible, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(text: &str) -> Multiaddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_public_network_fills_up_and_frees_again() {
        let mut gate = Behaviour::new(Some(2), 2);
        let id = ConnectionId::new_unchecked;
        let to = from("/ip4/9.9.7.7/tcp/1");
        let enter = |gate: &mut Behaviour, n, text| gate.enter(id(n), &from(text), &to);
        assert_eq!(enter(&mut gate, 1, "/ip4/9.9.9.1/tcp/1"), Ok(()));
        assert_eq!(enter(&mut gate, 2, "/ip4/9.9.9.2/udp/1/quic-v1"), Ok(()));
        assert_eq!(
            enter(&mut gate, 3, "/ip4/9.9.9.3/tcp/1"),
            Err(TurnedAway::Crowded)
        );
        assert_eq!(enter(&mut gate, 4, "/ip4/9.9.8.3/tcp/1"), Ok(()));
        gate.leave(id(3));
        gate.leave(id(1));
        assert_eq!(enter(&mut gate, 5, "/ip4/9.9.9.4/tcp/1"), Ok(()));
        for n in [2, 4, 5] {
            gate.leave(id(n));
        }
        assert!(gate.networks.is_empty() && gate.inbound.is_empty());
    }

    #[test]
    fn private_addresses_are_not_counted() {
        let mut gate = Behaviour::new(Some(1), 1);
        for n in 0..50 {
            let id = ConnectionId::new_unchecked(n);
            let to = from("/ip4/127.0.0.1/tcp/2");
            assert_eq!(gate.enter(id, &from("/ip4/127.0.0.1/tcp/1"), &to), Ok(()));
            assert_eq!(gate.enter(id, &from("/ip6/fd00::1/tcp/1"), &to), Ok(()));
        }
    }

    #[test]
    fn one_relay_does_not_bring_everybody() {
        let mut gate = Behaviour::new(Some(8), 1);
        let id =
            |n: u8| PeerId::from_bytes(&[&[0, 36, 8, 1, 18, 32], &[n; 32][..]].concat()).unwrap();
        let to = |relay| from(&format!("/ip4/9.9.9.9/tcp/1/p2p/{}/p2p-circuit", id(relay)));
        let who = |n| from(&format!("/p2p/{}", id(n)));
        let mut enter = |n: u8, relay| {
            let connection = ConnectionId::new_unchecked(usize::from(n));
            gate.enter(connection, &who(n), &to(relay))
        };
        assert_eq!(enter(1, 100), Ok(()));
        assert_eq!(enter(2, 100), Err(TurnedAway::Crowded));
        assert_eq!(enter(3, 101), Ok(()));
        gate.leave(ConnectionId::new_unchecked(1));
        let again = gate.enter(ConnectionId::new_unchecked(4), &who(4), &to(100));
        assert_eq!(again, Ok(()));
    }

    #[test]
    fn a_refused_peer_is_let_in_again_later_and_the_list_is_bounded() {
        let mut gate = Behaviour::new(None, 1);
        let peer = |n: u16| {
            let mut key = [0; 32];
            key[..2].copy_from_slice(&n.to_be_bytes());
            super::super::addr::to_peer_id(&waxwing_protocol::id::Peer::from_slice(&key).unwrap())
                .unwrap()
        };
        let now = Instant::now();
        assert!(gate.check(peer(0)).is_ok());
        gate.refuse(peer(0), now);
        assert!(gate.check(peer(0)).is_err());
        for n in 0..=(REFUSED_MAX as u16) {
            gate.refuse(peer(n), now + Duration::from_millis(u64::from(n)));
        }
        assert_eq!(gate.refused.len(), REFUSED_MAX);
        gate.refuse(peer(1), now + REFUSE_FOR * 2);
        assert_eq!(gate.refused.len(), 1);
        assert!(gate.check(peer(0)).is_ok());
    }
}
