//! Who the others say we are: identify, with a say in what it may lead to.
//!
//! libp2p's identify guesses further addresses from what it is told, loopback among them, and
//! names every address of ours that it knows to whoever asks. Here an address that somebody saw us
//! come from becomes a candidate for hole punching and for a check from outside only as it was
//! seen, only if we dialed whoever saw it, and only if it is one of the open Internet. Ports that a
//! router draws are kept as drawn: the shipped behaviour puts the listener's port in their place,
//! and then no hole can be punched.

use super::addr::{self, Scope, Transport};
use libp2p::core::transport::PortUse;
use libp2p::core::{Endpoint, Multiaddr};
use libp2p::swarm::behaviour::ConnectionClosed;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm,
};
use libp2p::{PeerId, identify};
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::convert::Infallible;
use std::task::{Context, Poll};

/// Candidates of one run: every one is tried from outside once, which costs up to 100 KB.
const CANDIDATES_MAX: usize = 16;
/// Candidates that one observer may name.
const PER_OBSERVER_MAX: usize = 4;
/// Observers that are remembered.
const OBSERVERS_MAX: usize = 16;

/// How the router gives out ports, as far as it shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Nat {
    /// Fewer than two observers, or none of the same kind of connection.
    #[default]
    Unknown,
    /// What others see is an address of this machine.
    None,
    /// Everybody sees the same port: holes can be punched.
    SamePort,
    /// Everybody sees another port: holes can hardly be punched.
    OwnPortEach,
}

impl Nat {
    /// One word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::None => "none",
            Self::SamePort => "same_port",
            Self::OwnPortEach => "own_port_each",
        }
    }
}

/// Identify, and what was learned of ourselves.
pub(super) struct Behaviour {
    inner: identify::Behaviour,
    /// Our addresses are for everybody.
    open: bool,
    dialed: HashSet<ConnectionId>,
    seen: BTreeMap<PeerId, Vec<Multiaddr>>,
    candidates: Vec<Multiaddr>,
    news: VecDeque<Multiaddr>,
}

impl Behaviour {
    /// `open`: whoever asks may know our addresses, as with a relay.
    pub(super) fn new(config: identify::Config, open: bool) -> Self {
        Self {
            inner: identify::Behaviour::new(config),
            open,
            dialed: HashSet::new(),
            seen: BTreeMap::new(),
            candidates: Vec::new(),
            news: VecDeque::new(),
        }
    }

    fn saw(&mut self, observer: PeerId, seen: Multiaddr) {
        if !is_candidate(&seen) {
            return;
        }
        if !self.seen.contains_key(&observer) && self.seen.len() >= OBSERVERS_MAX {
            self.seen.pop_first();
        }
        let by = self.seen.entry(observer).or_default();
        if by.contains(&seen) || by.len() >= PER_OBSERVER_MAX {
            return;
        }
        by.push(seen.clone());
        if !self.candidates.contains(&seen) && self.candidates.len() < CANDIDATES_MAX {
            self.candidates.push(seen.clone());
            self.news.push_back(seen);
        }
    }

    /// What the observations tell of the router. `own`: addresses that are listened on.
    pub(super) fn nat(&self, own: &[Multiaddr]) -> Nat {
        let mut ports: BTreeMap<Transport, Vec<&Multiaddr>> = BTreeMap::new();
        for list in self.seen.values() {
            for kind in [Transport::Quic, Transport::Tcp] {
                // The last one counts: a router may have been restarted.
                let last = list
                    .iter()
                    .rfind(|seen| addr::transport(seen) == Some(kind));
                ports.entry(kind).or_default().extend(last);
            }
        }
        let all = || ports.values().flatten();
        let is_own = |seen: &&&Multiaddr| own.iter().any(|own| own.ip_addr() == seen.ip_addr());
        if all().next().is_some() && all().all(|seen| is_own(&seen)) {
            return Nat::None;
        }
        let pairs = || ports.values().filter(|list| list.len() > 1);
        if pairs().any(|list| list.iter().any(|seen| *seen != list[0])) {
            Nat::OwnPortEach
        } else if pairs().next().is_some() {
            Nat::SamePort
        } else {
            Nat::Unknown
        }
    }
}

/// Whether others could be told to try this address.
fn is_candidate(seen: &Multiaddr) -> bool {
    addr::transport(seen).is_some()
        && seen.ip_addr().is_some()
        && addr::scope(seen) == Scope::Public
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = <identify::Behaviour as NetworkBehaviour>::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        self.inner
            .handle_pending_outbound_connection(connection, peer, addresses, role)
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

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        addr: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if port == PortUse::Reuse && !addr::is_circuit(addr) {
            self.dialed.insert(connection);
        }
        self.inner
            .handle_established_outbound_connection(connection, peer, addr, role, port)
    }

    fn on_swarm_event(&mut self, event: FromSwarm) {
        match event {
            FromSwarm::ExternalAddrConfirmed(_) | FromSwarm::ExternalAddrExpired(_)
                if !self.open => {}
            event => {
                if let FromSwarm::ConnectionClosed(ConnectionClosed { connection_id, .. }) = event {
                    self.dialed.remove(&connection_id);
                }
                self.inner.on_swarm_event(event);
            }
        }
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

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Infallible, THandlerInEvent<Self>>> {
        loop {
            if let Some(seen) = self.news.pop_front() {
                return Poll::Ready(ToSwarm::NewExternalAddrCandidate(seen));
            }
            let event = match self.inner.poll(cx) {
                Poll::Ready(event) => event,
                Poll::Pending => return Poll::Pending,
            };
            match event {
                ToSwarm::GenerateEvent(identify::Event::Received {
                    connection_id,
                    peer_id,
                    info,
                }) if self.dialed.contains(&connection_id) => {
                    self.saw(peer_id, info.observed_addr);
                }
                ToSwarm::GenerateEvent(_)
                | ToSwarm::NewExternalAddrCandidate(_)
                | ToSwarm::NewExternalAddrOfPeer { .. } => {}
                ToSwarm::NotifyHandler {
                    peer_id,
                    handler,
                    event,
                } => {
                    return Poll::Ready(ToSwarm::NotifyHandler {
                        peer_id,
                        handler,
                        event,
                    });
                }
                // Identify neither dials, listens nor closes.
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use libp2p::identity::Keypair;

    fn addr(text: &str) -> Multiaddr {
        text.parse().unwrap()
    }

    fn new() -> Behaviour {
        let key = Keypair::generate_ed25519().public();
        Behaviour::new(identify::Config::new("/x".into(), key), false)
    }

    fn peer() -> PeerId {
        Keypair::generate_ed25519().public().to_peer_id()
    }

    #[test]
    fn only_what_is_of_the_open_internet_is_a_candidate() {
        let me = peer();
        for (text, want) in [
            ("/ip4/9.9.9.9/udp/5/quic-v1".to_owned(), true),
            ("/ip4/9.9.9.9/tcp/5".to_owned(), true),
            ("/ip4/127.0.0.1/tcp/5".to_owned(), false),
            ("/ip4/192.168.1.2/tcp/5".to_owned(), false),
            ("/dns4/example.org/tcp/5".to_owned(), false),
            (format!("/p2p/{me}"), false),
            (format!("/ip4/9.9.9.9/tcp/5/p2p/{me}/p2p-circuit"), false),
        ] {
            assert_eq!(is_candidate(&addr(&text)), want, "{text}");
        }
    }

    #[test]
    fn observers_tell_what_the_router_does() {
        let mut seen = new();
        assert_eq!(seen.nat(&[]), Nat::Unknown);
        seen.saw(peer(), addr("/ip4/9.9.9.9/udp/5/quic-v1"));
        assert_eq!(seen.nat(&[]), Nat::Unknown);
        assert_eq!(seen.nat(&[addr("/ip4/9.9.9.9/tcp/1")]), Nat::None);
        seen.saw(peer(), addr("/ip4/9.9.9.9/tcp/7"));
        assert_eq!(seen.nat(&[]), Nat::Unknown, "another transport");
        seen.saw(peer(), addr("/ip4/9.9.9.9/udp/5/quic-v1"));
        assert_eq!(seen.nat(&[]), Nat::SamePort);
        seen.saw(peer(), addr("/ip4/9.9.9.9/udp/6/quic-v1"));
        assert_eq!(seen.nat(&[]), Nat::OwnPortEach);
        assert_eq!(seen.news.len(), 3);
    }

    #[test]
    fn nobody_fills_the_list() {
        let mut seen = new();
        let liar = peer();
        for n in 1..100 {
            seen.saw(liar, addr(&format!("/ip4/9.9.9.9/tcp/{n}")));
        }
        assert_eq!(seen.candidates.len(), PER_OBSERVER_MAX);
        for n in 1..100 {
            seen.saw(peer(), addr(&format!("/ip4/9.9.9.8/tcp/{n}")));
        }
        assert_eq!(seen.candidates.len(), CANDIDATES_MAX);
        assert_eq!(seen.seen.len(), OBSERVERS_MAX);
    }
}
