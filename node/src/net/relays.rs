//! The relays that this node is reached through: which to ask, when, and which have agreed.
//!
//! Pure bookkeeping. Up to [`RELAYS_MAX`] are used at a time, the first of the list that can be
//! had; libp2p renews a reservation while its connection lives, and everything else (a relay that
//! went, that refused, that did not answer) ends here with a pause and another try. Meanwhile the
//! next one on the list takes its place.

use super::addr::{self, Transport, best_first};
use libp2p::PeerId;
use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::{Multiaddr, Protocol};
use libp2p::swarm::ConnectionId;
use std::time::{Duration, Instant};

/// Relays that hold a reservation of this node at one time: one may go.
const RELAYS_MAX: usize = 2;
/// Relays that can be told of.
pub(super) const KNOWN_MAX: usize = 16;
/// Addresses of one relay that are told to others: one for each transport.
const TOLD_MAX: usize = 2;
/// A relay has agreed within this time after the dial began.
const PATIENCE: Duration = Duration::from_secs(20);
/// Pauses before another try; the last one repeats. A relay that is started again is found within
/// seconds.
const AGAIN: [Duration; 6] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(15),
    Duration::from_secs(30),
];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// Nothing is under way.
    Idle,
    /// It is being dialed.
    Dialing(ConnectionId),
    /// It is being asked.
    Asking(ListenerId),
    /// It has agreed.
    Reserved(ListenerId),
}

/// One relay.
#[derive(Clone, Debug)]
struct Relay {
    id: PeerId,
    /// Best first, without `/p2p/`.
    addrs: Vec<Multiaddr>,
    stage: Stage,
    /// Over what the connection to it goes.
    over: Option<Transport>,
    tries: usize,
    /// When the next try begins, or the one under way has failed.
    due: Instant,
}

/// What is to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Act {
    /// Connect to a relay, then say so with [`Relays::dialing`].
    Dial(PeerId, Vec<Multiaddr>),
    /// Let go of this listener.
    Leave(ListenerId),
}

/// All that we were told of.
#[derive(Default)]
pub(super) struct Relays {
    list: Vec<Relay>,
}

/// The relays of a list of addresses, with their addresses.
pub(super) fn grouped(list: &[Multiaddr]) -> Vec<(PeerId, Vec<Multiaddr>)> {
    let mut relays: Vec<(PeerId, Vec<Multiaddr>)> = Vec::new();
    for (id, direct) in list.iter().filter_map(addr::relay) {
        match relays.iter().position(|(known, _)| *known == id) {
            Some(at) => relays[at].1.push(direct),
            None if relays.len() < KNOWN_MAX => relays.push((id, vec![direct])),
            None => {}
        }
    }
    relays
}

impl Relays {
    /// From now on it is these. One that was known goes on as it stands.
    pub(super) fn set(&mut self, new: Vec<(PeerId, Vec<Multiaddr>)>, now: Instant) -> Vec<Act> {
        let mut old = std::mem::take(&mut self.list);
        for (id, addrs) in new {
            let addrs = best_first(addrs);
            let known = old.iter().position(|relay| relay.id == id);
            self.list.push(match known {
                Some(at) => Relay {
                    addrs,
                    ..old.swap_remove(at)
                },
                None => Relay {
                    id,
                    addrs,
                    stage: Stage::Idle,
                    over: None,
                    tries: 0,
                    due: now,
                },
            });
        }
        old.iter().filter_map(Relay::leave).collect()
    }

    /// Their PeerIds.
    pub(super) fn ids(&self) -> impl Iterator<Item = PeerId> + '_ {
        self.list.iter().map(|relay| relay.id)
    }

    /// What is due now. Call it again at [`Relays::deadline`].
    pub(super) fn due(&mut self, now: Instant) -> Vec<Act> {
        let mut acts = Vec::new();
        for relay in &mut self.list {
            let is_late = matches!(relay.stage, Stage::Dialing(_) | Stage::Asking(_));
            if is_late && relay.due <= now {
                acts.extend(relay.leave());
                relay.fail(now);
            }
        }
        let mut free = RELAYS_MAX.saturating_sub(self.busy());
        for relay in &self.list {
            if free > 0 && relay.stage == Stage::Idle && relay.due <= now {
                acts.push(Act::Dial(relay.id, relay.addrs.clone()));
                free -= 1;
            }
        }
        acts
    }

    fn busy(&self) -> usize {
        let busy = |relay: &&Relay| relay.stage != Stage::Idle;
        self.list.iter().filter(busy).count()
    }

    /// When something is due next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let full = self.busy() >= RELAYS_MAX;
        let waits = |relay: &&Relay| match relay.stage {
            Stage::Idle => !full,
            Stage::Dialing(_) | Stage::Asking(_) => true,
            Stage::Reserved(_) => false,
        };
        self.list.iter().filter(waits).map(|relay| relay.due).min()
    }

    fn of(&mut self, stage: impl Fn(Stage) -> bool) -> Option<&mut Relay> {
        self.list.iter_mut().find(|relay| stage(relay.stage))
    }

    /// A dial to a relay began.
    pub(super) fn dialing(&mut self, id: PeerId, connection: ConnectionId, now: Instant) {
        if let Some(relay) = self.list.iter_mut().find(|relay| relay.id == id) {
            relay.stage = Stage::Dialing(connection);
            relay.due = now + PATIENCE;
        }
    }

    /// A connection came up, at this address. Where to listen, if it is one that we waited for.
    pub(super) fn connected(
        &mut self,
        connection: ConnectionId,
        at: &Multiaddr,
    ) -> Option<(PeerId, Multiaddr)> {
        let relay = self.of(|stage| stage == Stage::Dialing(connection))?;
        let named = addr::relay(at);
        relay.over = addr::transport(named.as_ref().map_or(at, |(_, direct)| direct));
        Some((relay.id, relay.through(relay.addrs.first()?.clone())))
    }

    /// It is being asked.
    pub(super) fn asking(&mut self, id: PeerId, listener: ListenerId, now: Instant) {
        if let Some(relay) = self.list.iter_mut().find(|relay| relay.id == id) {
            relay.stage = Stage::Asking(listener);
            relay.due = now + PATIENCE;
        }
    }

    /// It agreed, or agreed again. True if others can be told of one more way here.
    pub(super) fn agreed(&mut self, id: PeerId) -> bool {
        let Some(relay) = self.list.iter_mut().find(|relay| relay.id == id) else {
            return false;
        };
        let Stage::Asking(listener) = relay.stage else {
            return false;
        };
        relay.stage = Stage::Reserved(listener);
        relay.tries = 0;
        true
    }

    /// An address of a relay for each transport by which it is not connected.
    pub(super) fn other_ways(&self, id: PeerId) -> Vec<Multiaddr> {
        let relay = self.list.iter().find(|relay| relay.id == id);
        let Some((relay, over)) = relay.and_then(|relay| Some((relay, relay.over?))) else {
            return Vec::new();
        };
        let kinds = [Transport::Quic, Transport::Tcp];
        let others = kinds.into_iter().filter(|kind| *kind != over);
        let of = |kind| {
            relay
                .addrs
                .iter()
                .find(|addr| addr::transport(addr) == Some(kind))
        };
        others.filter_map(of).cloned().collect()
    }

    /// A dial failed. True if it was one of ours.
    pub(super) fn failed(&mut self, connection: ConnectionId, now: Instant) -> bool {
        let relay = self.of(|stage| stage == Stage::Dialing(connection));
        relay.map(|relay| relay.fail(now)).is_some()
    }

    /// A listener closed. True if it was one of ours.
    pub(super) fn closed(&mut self, listener: ListenerId, now: Instant) -> bool {
        let ours = |stage| stage == Stage::Asking(listener) || stage == Stage::Reserved(listener);
        self.of(ours).map(|relay| relay.fail(now)).is_some()
    }

    /// Addresses through the relays that have agreed, for each its best ones.
    pub(super) fn circuits(&self) -> Vec<Vec<Multiaddr>> {
        let reserved = |relay: &&Relay| matches!(relay.stage, Stage::Reserved(_));
        let reserved = self.list.iter().filter(reserved);
        reserved.map(Relay::told).collect()
    }

    /// Every relay with whether it has agreed.
    pub(super) fn states(&self) -> Vec<(PeerId, bool)> {
        let state = |relay: &Relay| (relay.id, matches!(relay.stage, Stage::Reserved(_)));
        self.list.iter().map(state).collect()
    }
}

impl Relay {
    fn fail(&mut self, now: Instant) {
        self.stage = Stage::Idle;
        self.due = now + AGAIN[self.tries.min(AGAIN.len() - 1)];
        self.tries = self.tries.saturating_add(1);
    }

    fn leave(&self) -> Option<Act> {
        match self.stage {
            Stage::Asking(listener) | Stage::Reserved(listener) => Some(Act::Leave(listener)),
            Stage::Idle | Stage::Dialing(_) => None,
        }
    }

    fn through(&self, addr: Multiaddr) -> Multiaddr {
        addr.with(Protocol::P2p(self.id)).with(Protocol::P2pCircuit)
    }

    /// One address for each transport.
    fn told(&self) -> Vec<Multiaddr> {
        let mut told: Vec<&Multiaddr> = Vec::new();
        for addr in &self.addrs {
            let kind = addr::transport(addr);
            if told.len() < TOLD_MAX && !told.iter().any(|known| addr::transport(known) == kind) {
                told.push(addr);
            }
        }
        told.into_iter()
            .map(|addr| self.through(addr.clone()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use libp2p::identity::Keypair;

    fn id() -> PeerId {
        Keypair::generate_ed25519().public().to_peer_id()
    }

    fn told(id: PeerId) -> (PeerId, Vec<Multiaddr>) {
        let addrs = [
            "/ip4/9.9.9.9/tcp/5",
            "/ip4/9.9.9.9/udp/5/quic-v1",
            "/ip4/9.9.9.9/udp/6/quic-v1",
        ];
        (id, addrs.map(|text| text.parse().unwrap()).to_vec())
    }

    fn dialed(acts: &[Act]) -> Vec<PeerId> {
        let dialed = |act: &Act| match act {
            Act::Dial(id, _) => *id,
            Act::Leave(_) => panic!("{act:?}"),
        };
        acts.iter().map(dialed).collect()
    }

    #[test]
    fn two_of_three_are_used_and_the_third_takes_a_place() {
        let (a, b, c) = (id(), id(), id());
        let mut relays = Relays::default();
        let now = Instant::now();
        assert!(relays.set(vec![told(a), told(b), told(c)], now).is_empty());
        assert_eq!(dialed(&relays.due(now)), [a, b]);
        let connection = ConnectionId::new_unchecked;
        relays.dialing(a, connection(1), now);
        relays.dialing(b, connection(2), now);
        assert!(relays.due(now).is_empty());
        let at: Multiaddr = format!("/ip4/9.9.9.9/tcp/5/p2p/{a}").parse().unwrap();
        let (asked, through) = relays.connected(connection(1), &at).unwrap();
        assert_eq!(asked, a);
        assert_eq!(addr::circuit(&through).unwrap().0, a);
        let listener = ListenerId::next();
        relays.asking(a, listener, now);
        assert!(relays.agreed(a));
        assert!(!relays.agreed(a), "a renewal is no news");
        let [other] = &relays.other_ways(a)[..] else {
            panic!("one other transport");
        };
        assert_eq!(addr::transport(other), Some(Transport::Quic));
        // One for each transport, QUIC first.
        let circuits = relays.circuits();
        assert_eq!(circuits.len(), 1);
        let kinds: Vec<_> = circuits[0]
            .iter()
            .map(|addr| addr::circuit(addr).unwrap().1)
            .collect();
        assert_eq!(kinds, [addr::Transport::Quic, addr::Transport::Tcp]);

        assert!(relays.failed(connection(2), now));
        assert_eq!(dialed(&relays.due(now)), [c]);
        relays.dialing(c, connection(3), now);
        assert_eq!(relays.deadline(), Some(now + PATIENCE));
        // Too late: b, whose pause is over, is tried again.
        assert_eq!(dialed(&relays.due(now + PATIENCE)), [b]);
        assert!(relays.closed(listener, now));
        assert!(relays.circuits().is_empty());
    }

    #[test]
    fn a_list_that_changes_keeps_what_stands() {
        let (a, b) = (id(), id());
        let mut relays = Relays::default();
        let now = Instant::now();
        relays.set(vec![told(a), told(b)], now);
        let listeners = [a, b].map(|id| {
            let listener = ListenerId::next();
            relays.asking(id, listener, now);
            relays.agreed(id);
            listener
        });
        assert_eq!(relays.deadline(), None);
        assert_eq!(relays.set(vec![told(b)], now), [Act::Leave(listeners[0])]);
        assert_eq!(relays.circuits().len(), 1);
        assert_eq!(relays.states(), [(b, true)]);
    }
}
