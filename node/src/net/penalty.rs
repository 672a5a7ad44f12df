//! Budgets: what a peer may cost before it is cut off.

use std::collections::HashMap;
use std::time::{Duration, Instant};
use waxwing_protocol::id::Peer;

/// Points that a peer may use up at once.
const POINTS_MAX: u32 = 200;
/// Points that come back every second.
const POINTS_PER_S: u32 = 20;
/// After this long without a penalty a budget is full again and need not be remembered.
const FORGET_AFTER: Duration = Duration::from_secs((POINTS_MAX / POINTS_PER_S) as u64);
/// Peers with a budget below full; beyond it the one penalised longest ago is forgotten.
const PEERS_MAX: usize = 4_096;

struct Budget {
    points: f64,
    at: Instant,
}

/// Budgets of the peers that were penalised lately.
#[derive(Default)]
pub(super) struct Budgets {
    peers: HashMap<Peer, Budget>,
}

impl Budgets {
    /// Charges a peer. True if its budget is used up; it then starts anew with a full one.
    pub(super) fn charge(&mut self, peer: Peer, points: u32, now: Instant) -> bool {
        if !self.peers.contains_key(&peer) && self.peers.len() >= PEERS_MAX {
            self.make_room(now);
        }
        let budget = self.peers.entry(peer).or_insert(Budget {
            points: f64::from(POINTS_MAX),
            at: now,
        });
        let back = now.saturating_duration_since(budget.at).as_secs_f64() * f64::from(POINTS_PER_S);
        budget.points = (budget.points + back).min(f64::from(POINTS_MAX)) - f64::from(points);
        budget.at = now;
        let exhausted = budget.points < 0.0;
        if exhausted {
            self.peers.remove(&peer);
        }
        exhausted
    }

    fn make_room(&mut self, now: Instant) {
        self.peers
            .retain(|_, budget| now.saturating_duration_since(budget.at) < FORGET_AFTER);
        if self.peers.len() >= PEERS_MAX
            && let Some((oldest, _)) = self.peers.iter().min_by_key(|(_, budget)| budget.at)
        {
            let oldest = *oldest;
            self.peers.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(n: u16) -> Peer {
        let mut key = [0; 32];
        key[..2].copy_from_slice(&n.to_be_bytes());
        Peer::from_slice(&key).unwrap()
    }

    #[test]
    fn a_burst_is_borne_and_the_point_after_it_is_not() {
        let (mut budgets, now) = (Budgets::default(), Instant::now());
        for _ in 0..POINTS_MAX {
            assert!(!budgets.charge(peer(1), 1, now));
        }
        assert!(budgets.charge(peer(1), 1, now));
        assert!(!budgets.charge(peer(1), 10, now), "a new budget");
        assert!(!budgets.charge(peer(2), POINTS_MAX, now));
    }

    #[test]
    fn points_come_back_with_time() {
        let (mut budgets, now) = (Budgets::default(), Instant::now());
        assert!(!budgets.charge(peer(1), POINTS_MAX, now));
        for second in 1..100 {
            let later = now + Duration::from_secs(second);
            assert!(!budgets.charge(peer(1), POINTS_PER_S, later));
        }
        let later = now + Duration::from_secs(100);
        assert!(budgets.charge(peer(1), POINTS_PER_S + 1, later));
    }

    #[test]
    fn the_table_is_bounded() {
        let (mut budgets, now) = (Budgets::default(), Instant::now());
        for n in 0..(PEERS_MAX as u16 + 100) {
            budgets.charge(peer(n), 1, now + Duration::from_millis(u64::from(n)));
        }
        assert_eq!(budgets.peers.len(), PEERS_MAX);
        budgets.charge(peer(60_000), 1, now + FORGET_AFTER * 3);
        assert_eq!(budgets.peers.len(), 1);
    }
}
