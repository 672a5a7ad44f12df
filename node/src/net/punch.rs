//! When to try again to turn a connection through a relay into a direct one.
//!
//! libp2p tries once, right after a connection through a relay is up (DCUtR: both sides dial each
//! other at the same moment). If that fails, whoever dialed begins another connection through the
//! relay at the times below, one without frames that carries the attempt alone and is closed after
//! seconds. The link in use is left as it is until a better one stands.

use libp2p::PeerId;
use libp2p::multiaddr::Multiaddr;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use waxwing_protocol::id::Peer;

/// Pauses before the next attempts; the last one repeats. The first is for one that began before
/// either side knew its own address.
const AGAIN: [Duration; 5] = [
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(2 * 60),
    Duration::from_secs(10 * 60),
    Duration::from_secs(60 * 60),
];

struct Attempt {
    id: PeerId,
    /// Through which relay.
    through: Multiaddr,
    tries: usize,
    due: Instant,
}

/// Peers that are reached through a relay that we dialed. No more than links.
#[derive(Default)]
pub(super) struct Punches {
    peers: BTreeMap<Peer, Attempt>,
}

impl Punches {
    /// A peer is reached through a relay.
    pub(super) fn relayed(&mut self, peer: Peer, id: PeerId, through: Multiaddr, now: Instant) {
        self.peers.entry(peer).or_insert(Attempt {
            id,
            through,
            tries: 0,
            due: now + AGAIN[0],
        });
    }

    /// When something is due next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.peers.values().map(|attempt| attempt.due).min()
    }

    /// Peers to try now, with the way through the relay. Those for which `still` is false are not
    /// reached through one any more and forgotten.
    pub(super) fn due(
        &mut self,
        now: Instant,
        still: impl Fn(&Peer) -> bool,
    ) -> Vec<(PeerId, Multiaddr)> {
        self.peers
            .retain(|peer, attempt| attempt.due > now || still(peer));
        let due = self.peers.values_mut().filter(|attempt| attempt.due <= now);
        due.map(|attempt| {
            attempt.tries += 1;
            attempt.due = now + AGAIN[attempt.tries.min(AGAIN.len() - 1)];
            (attempt.id, attempt.through.clone())
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_get_rarer_and_end_with_the_need() {
        let id = libp2p::identity::Keypair::generate_ed25519()
            .public()
            .to_peer_id();
        let mut punches = Punches::default();
        let mut now = Instant::now();
        let peer = Peer::ZERO;
        punches.relayed(peer, id, Multiaddr::empty(), now);
        assert!(punches.due(now, |_| true).is_empty());
        for pause in AGAIN.iter().chain([AGAIN[AGAIN.len() - 1]; 2].iter()) {
            assert_eq!(punches.deadline(), Some(now + *pause));
            now += *pause;
            // A second link through a relay changes nothing.
            punches.relayed(peer, id, Multiaddr::empty(), now);
            assert_eq!(punches.due(now, |_| true).len(), 1);
        }
        now += AGAIN[AGAIN.len() - 1];
        assert!(punches.due(now, |_| false).is_empty());
        assert_eq!(punches.deadline(), None);
    }
}
