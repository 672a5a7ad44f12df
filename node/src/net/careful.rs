//! Dials that others make us begin, held to what they are for.
//!
//! To punch a hole, and to find out for somebody whether it can be reached, libp2p dials addresses
//! that a peer names. Without bounds a peer could have us knock at doors of the local network, or
//! at somebody else's as often as it likes.

use super::addr::{Scope, from_peer_id, scope, transport};
use libp2p::PeerId;
use libp2p::core::transport::PortUse;
use libp2p::core::{Endpoint, Multiaddr};
use libp2p::multiaddr::Protocol;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm,
};
use std::collections::{HashSet, VecDeque};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// Dials are counted over this time.
const WINDOW: Duration = Duration::from_secs(60);
/// Dials for one peer in that time: two rounds of three attempts.
const PER_PEER_MAX: usize = 6;
/// Dials for all peers in that time.
const ALL_MAX: usize = 120;

/// Why a dial was not begun.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum NotDialed {
    #[error("not an address of the open Internet")]
    Address,
    #[error("too many dials were asked for")]
    Often,
}

/// A behaviour of libp2p whose dials are held to bounds.
pub(super) struct Careful<B> {
    inner: B,
    /// Dials that the inner one asked for and that have not begun.
    asked: HashSet<ConnectionId>,
    recent: VecDeque<(Instant, Option<PeerId>)>,
}

impl<B> Careful<B> {
    pub(super) fn new(inner: B) -> Self {
        Self {
            inner,
            asked: HashSet::new(),
            recent: VecDeque::new(),
        }
    }

    fn check(
        &mut self,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        now: Instant,
    ) -> Result<(), NotDialed> {
        if addresses.is_empty() || !addresses.iter().all(is_fit) {
            return Err(NotDialed::Address);
        }
        while let Some((at, _)) = self.recent.front()
            && now.duration_since(*at) >= WINDOW
        {
            self.recent.pop_front();
        }
        let of_peer = self.recent.iter().filter(|(_, who)| *who == peer).count();
        if of_peer >= PER_PEER_MAX || self.recent.len() >= ALL_MAX {
            return Err(NotDialed::Often);
        }
        self.recent.push_back((now, peer));
        Ok(())
    }
}

fn is_fit(addr: &Multiaddr) -> bool {
    let mut addr = addr.clone();
    if let Some(Protocol::P2p(id)) = addr.iter().last() {
        if from_peer_id(&id).is_none() {
            return false;
        }
        addr.pop();
    }
    transport(&addr).is_some() && addr.ip_addr().is_some() && scope(&addr) == Scope::Public
}

impl<B: NetworkBehaviour> NetworkBehaviour for Careful<B> {
    type ConnectionHandler = B::ConnectionHandler;
    type ToSwarm = B::ToSwarm;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.inner
            .handle_pending_inbound_connection(connection, local, remote)
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner
            .handle_established_inbound_connection(connection, peer, local, remote)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        if self.asked.remove(&connection) {
            self.check(peer, addresses, Instant::now())
                .map_err(ConnectionDenied::new)?;
        }
        self.inner
            .handle_pending_outbound_connection(connection, peer, addresses, role)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        addr: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner
            .handle_established_outbound_connection(connection, peer, addr, role, port)
    }

    fn on_swarm_event(&mut self, event: FromSwarm) {
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        self.inner
            .on_connection_handler_event(peer, connection, event);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<B::ToSwarm, THandlerInEvent<Self>>> {
        let event = self.inner.poll(cx);
        if let Poll::Ready(ToSwarm::Dial { opts }) = &event {
            self.asked.insert(opts.connection_id());
        }
        event
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use libp2p::identity::Keypair;

    fn peer() -> PeerId {
        Keypair::generate_ed25519().public().to_peer_id()
    }

    #[test]
    fn only_addresses_of_the_open_internet_are_dialed_for_others() {
        let mut careful = Careful::new(());
        let mut check = |list: &[&str]| {
            let list: Vec<Multiaddr> = list.iter().map(|text| text.parse().unwrap()).collect();
            careful.check(Some(peer()), &list, Instant::now())
        };
        let fit = "/ip4/9.9.9.9/udp/5/quic-v1";
        assert_eq!(check(&[fit]), Ok(()));
        assert_eq!(check(&[&format!("{fit}/p2p/{}", peer())]), Ok(()));
        for unfit in [
            "/ip4/192.168.1.1/tcp/80",
            "/ip4/127.0.0.1/tcp/80",
            "/ip6/fd00::1/tcp/80",
            "/dns4/example.org/tcp/80",
            "/ip4/9.9.9.9/tcp/80/ws",
        ] {
            assert_eq!(check(&[fit, unfit]), Err(NotDialed::Address), "{unfit}");
        }
        assert_eq!(check(&[]), Err(NotDialed::Address));
    }

    #[test]
    fn nobody_has_us_dial_all_the_time() {
        let mut careful = Careful::new(());
        let fit: [Multiaddr; 1] = ["/ip4/9.9.9.9/tcp/5".parse().unwrap()];
        let now = Instant::now();
        let one = Some(peer());
        for _ in 0..PER_PEER_MAX {
            assert_eq!(careful.check(one, &fit, now), Ok(()));
        }
        assert_eq!(careful.check(one, &fit, now), Err(NotDialed::Often));
        let begun = (0..2 * ALL_MAX).filter(|_| careful.check(Some(peer()), &fit, now).is_ok());
        assert_eq!(begun.count(), ALL_MAX - PER_PEER_MAX);
        assert_eq!(careful.check(one, &fit, now + WINDOW), Ok(()));
    }
}
