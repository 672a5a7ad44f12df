//! How many connections a node bears.

/// What kind of node this is; decides its connection limits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Profile {
    /// A person's own machine.
    #[default]
    Person,
    /// A partner's bridge: scales with the memory of the machine.
    Bridge,
    /// Simulations: many nodes on one machine.
    Test,
}

/// The numbers of one profile.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Limits {
    /// Established connections.
    pub(super) total: u32,
    /// Established connections that others opened.
    pub(super) inbound: u32,
    /// Connections that are being set up, for each direction.
    pub(super) pending: u32,
    /// Inbound connections from one public IPv4 /24 or IPv6 /48.
    pub(super) per_network: Option<u32>,
    /// Inbound connections through one relay.
    pub(super) per_relay: u32,
    /// Nodes that are reached through this one, if it is a relay.
    pub(super) reservations: usize,
    /// Connections that this one carries at one time, if it is a relay.
    pub(super) circuits: usize,
}

/// Connections that one peer may have open at once. When it opens one more, the oldest gives way,
/// so that a peer that restarts often is never locked out by its own dead connections.
pub(super) const LINKS_PER_PEER_MAX: usize = 3;

/// Connections per peer that are let in at all: more than may stay, because one that gives way
/// still writes what waits.
pub(super) const CONNECTIONS_PER_PEER_MAX: u32 = 2 * LINKS_PER_PEER_MAX as u32;

/// What one connection may cost in memory on a bridge (measured ~75 KiB, twice that planned).
const CONNECTION_BYTES: u64 = 150 * 1024;
/// Most connections of any bridge.
const BRIDGE_CONNECTIONS_MAX: u32 = 50_000;
/// Fewest connections of any bridge, however small its machine.
const BRIDGE_CONNECTIONS_MIN: u32 = 1_000;
/// Connections that a bridge keeps free for its own dials.
const BRIDGE_OUTBOUND: u32 = 200;
/// Memory that is assumed where the system does not tell.
const MEMORY_UNKNOWN: u64 = 2 * 1024 * 1024 * 1024;

const _: () = assert!(BRIDGE_OUTBOUND < BRIDGE_CONNECTIONS_MIN);

impl Profile {
    pub(super) fn limits(self) -> Limits {
        match self {
            Self::Person => Limits {
                total: 300,
                inbound: 200,
                pending: 32,
                per_network: Some(8),
                per_relay: 64,
                reservations: 128,
                circuits: 64,
            },
            Self::Bridge => bridge(memory_bytes()),
            Self::Test => Limits {
                total: 10_000,
                inbound: 10_000,
                pending: 1_024,
                per_network: None,
                per_relay: 10_000,
                reservations: 128,
                circuits: 1_024,
            },
        }
    }
}

fn bridge(memory: u64) -> Limits {
    let fits = u32::try_from(memory / 2 / CONNECTION_BYTES).unwrap_or(u32::MAX);
    let total = fits.clamp(BRIDGE_CONNECTIONS_MIN, BRIDGE_CONNECTIONS_MAX);
    Limits {
        total,
        inbound: total - BRIDGE_OUTBOUND,
        pending: 1_024,
        per_network: Some(64),
        per_relay: 64,
        reservations: 4_096,
        circuits: 2_048,
    }
}

/// Memory that this process may use: the control group's limit or the machine's, whichever is
/// less.
fn memory_bytes() -> u64 {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let group = read("/sys/fs/cgroup/memory.max").and_then(|text| text.trim().parse().ok());
    let machine = read("/proc/meminfo").and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
        let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        kib.checked_mul(1024)
    });
    match (group, machine) {
        (Some(group), Some(machine)) => u64::min(group, machine),
        (Some(bytes), None) | (None, Some(bytes)) => bytes,
        (None, None) => MEMORY_UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bridge_scales_with_its_memory_between_bounds() {
        assert_eq!(bridge(0).total, BRIDGE_CONNECTIONS_MIN);
        assert_eq!(bridge(u64::MAX).total, BRIDGE_CONNECTIONS_MAX);
        let middle = bridge(4 * 1024 * 1024 * 1024);
        assert_eq!(middle.total, 13_981);
        assert_eq!(middle.inbound, 13_781);
    }
}
