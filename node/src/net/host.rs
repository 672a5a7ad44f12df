//! Being a relay: carrying connections between nodes that cannot reach each other (circuit relay
//! v2), and dialing nodes back to tell them whether they can be reached (AutoNAT v2).
//!
//! A relay sees who talks to whom, when and how much, and no word: the connection that it carries
//! is encrypted between its ends. All numbers of a relay stand here and in [`Limits`].

use super::profile::Limits;
use libp2p::PeerId;
use libp2p::relay;
use std::num::NonZeroU32;
use std::time::Duration;

/// What one carried connection may carry, both directions together: thousands of letters, or a
/// hundred of the largest frames, and no film. Then its ends make a new one.
const CIRCUIT_BYTES: u64 = 8 * 1024 * 1024;
/// How long one carried connection may last: a conversation, without a break in it every two
/// minutes as by libp2p's own default. Then its ends make a new one.
const CIRCUIT_TIME: Duration = Duration::from_secs(30 * 60);
/// Carried connections that one node may have made at one time.
const CIRCUITS_PER_PEER: usize = 16;
/// A node that is reached through this one has to say again that it wants to be.
const RESERVATION_TIME: Duration = Duration::from_secs(60 * 60);
/// Reservations of one node: one per connection of it, while an old one is still taken for alive.
const RESERVATIONS_PER_PEER: usize = 4;
/// Reservations that a node may make at once, and one more after each interval.
const RESERVE_BURST: NonZeroU32 = NonZeroU32::new(30).unwrap();
const RESERVE_EVERY: Duration = Duration::from_secs(60);
/// Carried connections that a node may begin at once, and one more after each interval: one with
/// many friends behind this relay begins many at its start.
const CIRCUIT_BURST: NonZeroU32 = NonZeroU32::new(120).unwrap();
const CIRCUIT_EVERY: Duration = Duration::from_secs(5);

/// The relay's part of the swarm.
pub(super) fn relay(me: PeerId, limits: Limits) -> relay::Behaviour {
    // Whole networks are held to their number of connections by the gate, which leaves private
    // addresses out; libp2p's own limits by address would count those too.
    let config = relay::Config {
        max_reservations: limits.reservations,
        max_reservations_per_peer: RESERVATIONS_PER_PEER,
        reservation_duration: RESERVATION_TIME,
        reservation_rate_limiters: Vec::new(),
        max_circuits: limits.circuits,
        max_circuits_per_peer: CIRCUITS_PER_PEER,
        max_circuit_duration: CIRCUIT_TIME,
        max_circuit_bytes: CIRCUIT_BYTES,
        circuit_src_rate_limiters: Vec::new(),
    }
    .reservation_rate_per_peer(RESERVE_BURST, RESERVE_EVERY)
    .circuit_src_per_peer(CIRCUIT_BURST, CIRCUIT_EVERY);
    let mut relay = relay::Behaviour::new(me, config);
    // The user decides, not a guess at whether others reach this node.
    relay.set_status(Some(relay::Status::Enable));
    relay
}
