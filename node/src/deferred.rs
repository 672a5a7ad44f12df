//! What must not be forgotten while nothing can be written: who is connected, and where we listen.
//!
//! Frames are left out: whoever sent one sends it again until our receipt comes.

use std::collections::BTreeMap;
use waxwing_protocol::id::Peer;
use waxwing_protocol::input::Input;

/// Peers remembered: more than a node has connections to.
const PEERS_MAX: usize = 8_192;

/// At most one input of each kind for each peer, the last one.
#[derive(Default)]
pub(crate) struct Deferred {
    start: Option<Input>,
    listening: Option<Input>,
    peers: BTreeMap<Peer, Link>,
}

#[derive(Default)]
struct Link {
    dial_failed: Option<Input>,
    down: Option<Input>,
    up: Option<Input>,
}

impl Deferred {
    /// Remembers an input if it is of a kind that must not be forgotten.
    pub(crate) fn add(&mut self, input: &Input) {
        let keep = || Some(input.clone());
        match input {
            Input::Start { .. } => self.start = keep(),
            Input::Listening { .. } => self.listening = keep(),
            Input::Up { peer, .. } => self.link(*peer, |link| link.up = keep()),
            Input::Down { peer } => self.link(*peer, |link| {
                link.down = keep();
                link.up = None;
            }),
            Input::DialFailed { peer, .. } => self.link(*peer, |link| link.dial_failed = keep()),
            Input::Command { .. }
            | Input::Frame { .. }
            | Input::Undelivered { .. }
            | Input::Wake => {}
        }
    }

    /// Remembers what another remembered after it.
    pub(crate) fn add_all(&mut self, mut later: Self) {
        for input in later.take() {
            self.add(&input);
        }
    }

    /// Everything remembered, in an order in which it could have happened.
    pub(crate) fn take(&mut self) -> Vec<Input> {
        let all = std::mem::take(self);
        let links = all
            .peers
            .into_values()
            .flat_map(|link| [link.dial_failed, link.down, link.up]);
        [all.start, all.listening]
            .into_iter()
            .chain(links)
            .flatten()
            .collect()
    }

    fn link(&mut self, peer: Peer, change: impl FnOnce(&mut Link)) {
        if self.peers.len() < PEERS_MAX || self.peers.contains_key(&peer) {
            change(self.peers.entry(peer).or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use waxwing_protocol::input::Reach;

    #[test]
    fn the_last_word_on_every_peer_is_kept() {
        let alice = Peer::from_slice(&[1; 32]).unwrap();
        let bob = Peer::from_slice(&[2; 32]).unwrap();
        let up = |peer, how| Input::Up { peer, how };
        let mut deferred = Deferred::default();
        for input in [
            up(alice, Reach::Relayed),
            up(bob, Reach::Direct),
            Input::Down { peer: alice },
            up(alice, Reach::Direct),
            Input::Down { peer: bob },
            Input::Wake,
            Input::Listening { listen: vec![] },
        ] {
            deferred.add(&input);
        }
        let mut all = Deferred::default();
        all.add_all(deferred);
        let expected = [
            Input::Listening { listen: vec![] },
            Input::Down { peer: alice },
            up(alice, Reach::Direct),
            Input::Down { peer: bob },
        ];
        assert_eq!(all.take(), expected);
        assert!(all.take().is_empty());
    }
}
