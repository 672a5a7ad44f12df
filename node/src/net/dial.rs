//! One dial from request to outcome, and what libp2p's errors mean.

use super::addr::{Scope, circuit, scope};
use libp2p::core::transport::TransportError;
use libp2p::multiaddr::Multiaddr;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, DialError as SwarmError};
use libp2p::{PeerId, multiaddr};
use std::io;
use std::time::{Duration, Instant};
use waxwing_protocol::id::Peer;
use waxwing_protocol::input::DialError;

/// A dial has succeeded or failed within this time.
pub(super) const DIAL_TIMEOUT: Duration = Duration::from_secs(10);
/// Two nodes that dial each other from their listening ports at the same moment can end up with
/// one TCP connection that both believe to have dialed. Its handshake fails at once; one of them
/// tries again soon, the other leaves it that much time.
const RETRY_SOON: Duration = Duration::from_millis(100);
const RETRY_LATER: Duration = Duration::from_millis(600);

/// What the engine asked for.
pub(super) struct Request {
    pub(super) peer: Peer,
    pub(super) addrs: Vec<String>,
}

/// A dial that is under way.
pub(super) struct Dial {
    pub(super) id: PeerId,
    addrs: Vec<Multiaddr>,
    /// The attempt whose outcome we wait for.
    pub(super) attempt: Option<ConnectionId>,
    pub(super) give_up: Instant,
    /// When the next attempt begins.
    pub(super) next: Option<Instant>,
    retried: bool,
    wrong: bool,
}

/// What becomes of a dial after one attempt failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum After {
    /// Another attempt, at this time at the earliest.
    Again(Instant),
    /// It failed for good.
    Failed(DialError),
}

impl Dial {
    pub(super) fn new(id: PeerId, addrs: Vec<Multiaddr>, now: Instant) -> Self {
        Self {
            id,
            addrs,
            attempt: None,
            give_up: now + DIAL_TIMEOUT,
            next: Some(now),
            retried: false,
            wrong: false,
        }
    }

    /// Relays that lead to the peer.
    pub(super) fn relays(&self) -> impl Iterator<Item = PeerId> + '_ {
        self.addrs.iter().filter_map(|addr| Some(circuit(addr)?.0))
    }

    /// Options of the next attempt, which from now on is the one waited for.
    pub(super) fn begin(&mut self) -> DialOpts {
        let opts = DialOpts::peer_id(self.id)
            .condition(PeerCondition::Always)
            .addresses(self.addrs.clone())
            .build();
        self.attempt = Some(opts.connection_id());
        self.next = None;
        opts
    }

    /// The attempt failed. `soon`: we are the side that tries again first.
    pub(super) fn failed(&mut self, error: &SwarmError, soon: bool, now: Instant) -> After {
        self.attempt = None;
        let after = match error {
            // libp2p gives up when the first of several addresses leads to somebody else, such as
            // another node behind the same private address. The others may still be right.
            SwarmError::WrongPeerId { address, .. } | SwarmError::LocalPeerId { address } => {
                self.wrong = true;
                let before = self.addrs.len();
                let address = without_peer(address.clone());
                self.addrs.retain(|addr| *addr != address);
                if self.addrs.is_empty() || self.addrs.len() == before {
                    After::Failed(DialError::WrongPeer)
                } else {
                    After::Again(now)
                }
            }
            error => match reason(error) {
                DialError::Other if !self.retried => {
                    self.retried = true;
                    After::Again(now + if soon { RETRY_SOON } else { RETRY_LATER })
                }
                _ if self.wrong => After::Failed(DialError::WrongPeer),
                why => After::Failed(why),
            },
        };
        if let After::Again(at) = after {
            self.next = Some(at);
        }
        after
    }
}

fn without_peer(mut addr: Multiaddr) -> Multiaddr {
    if matches!(addr.iter().last(), Some(multiaddr::Protocol::P2p(_))) {
        addr.pop();
    }
    addr
}

/// Why an attempt failed. Of several addresses the farthest-reaching tells: a refusal at the
/// peer's loopback address says something about our machine, not about theirs.
pub(super) fn reason(error: &SwarmError) -> DialError {
    match error {
        SwarmError::NoAddresses => DialError::NoAddress,
        SwarmError::WrongPeerId { .. } | SwarmError::LocalPeerId { .. } => DialError::WrongPeer,
        SwarmError::Transport(failures) => failures
            .iter()
            .map(|(addr, error)| (scope(addr), rank(error)))
            .min_by_key(|(scope, (rank, _))| (*scope, *rank))
            .map_or(DialError::NoAddress, |(_, (_, why))| why),
        SwarmError::Aborted | SwarmError::Denied { .. } | SwarmError::DialPeerConditionFalse(_) => {
            DialError::Other
        }
    }
}

/// Among addresses of one [`Scope`] the one that came nearest to the peer tells.
fn rank(error: &TransportError<io::Error>) -> (u8, DialError) {
    let error = match error {
        TransportError::MultiaddrNotSupported(_) => return (4, DialError::NoTransport),
        TransportError::Other(error) => error,
    };
    match kind(error) {
        io::ErrorKind::ConnectionRefused => (1, DialError::Refused),
        io::ErrorKind::TimedOut => (2, DialError::Timeout),
        io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkDown
        | io::ErrorKind::AddrNotAvailable
        | io::ErrorKind::PermissionDenied
        | io::ErrorKind::Unsupported => (3, DialError::Unreachable),
        _ => (0, DialError::Other),
    }
}

/// libp2p boxes the transport's error into another `io::Error`; the inner one has the kind.
pub(super) fn kind(error: &io::Error) -> io::ErrorKind {
    let mut error = error;
    while let Some(inner) = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<io::Error>())
    {
        error = inner;
    }
    match error.raw_os_error() {
        Some(EAFNOSUPPORT) => io::ErrorKind::Unsupported,
        _ => error.kind(),
    }
}

/// Linux's code for an address family that the machine does not have; std has no kind for it.
const EAFNOSUPPORT: i32 = 97;

const _: () = assert!(Scope::Public as u8 == 0);

#[cfg(test)]
mod tests {
    use super::*;
    use libp2p::identity::Keypair;

    fn addr(text: &str) -> Multiaddr {
        text.parse().unwrap()
    }

    fn failed(list: &[(&str, io::ErrorKind)]) -> SwarmError {
        let boxed = |kind: io::ErrorKind| {
            TransportError::Other(io::Error::other(io::Error::other(io::Error::from(kind))))
        };
        SwarmError::Transport(
            list.iter()
                .map(|(text, kind)| (addr(text), boxed(*kind)))
                .collect(),
        )
    }

    #[test]
    fn the_farthest_reaching_address_tells_the_reason() {
        use io::ErrorKind::{ConnectionRefused, NetworkUnreachable, TimedOut};
        let (near, far) = ("/ip4/127.0.0.1/tcp/1", "/ip4/9.9.9.9/tcp/1");
        let far6 = "/ip6/2a00::1/tcp/1";
        for (list, want) in [
            (&[(near, ConnectionRefused)][..], DialError::Refused),
            (
                &[(near, ConnectionRefused), (far, TimedOut)],
                DialError::Timeout,
            ),
            (
                &[(far6, NetworkUnreachable), (far, TimedOut)],
                DialError::Timeout,
            ),
            (&[(far6, NetworkUnreachable)], DialError::Unreachable),
            (&[], DialError::NoAddress),
        ] {
            assert_eq!(reason(&failed(list)), want, "{list:?}");
        }
    }

    #[test]
    fn a_wrong_peer_at_one_address_leaves_the_others() {
        let id = Keypair::generate_ed25519().public().to_peer_id();
        let obtained = Keypair::generate_ed25519().public().to_peer_id();
        let (one, two) = (addr("/ip4/10.0.0.1/tcp/1"), addr("/ip4/9.9.9.9/tcp/1"));
        let now = Instant::now();
        let mut dial = Dial::new(id, vec![one.clone(), two.clone()], now);
        let wrong = |address: &Multiaddr| SwarmError::WrongPeerId {
            obtained,
            address: address.clone().with_p2p(id).unwrap(),
        };
        dial.begin();
        assert_eq!(dial.failed(&wrong(&one), true, now), After::Again(now));
        dial.begin();
        let refused = failed(&[("/ip4/9.9.9.9/tcp/1", io::ErrorKind::ConnectionRefused)]);
        assert_eq!(
            dial.failed(&refused, true, now),
            After::Failed(DialError::WrongPeer)
        );
    }

    #[test]
    fn a_broken_handshake_is_tried_once_more() {
        let id = Keypair::generate_ed25519().public().to_peer_id();
        let text = "/ip4/9.9.9.9/tcp/1";
        let now = Instant::now();
        let mut dial = Dial::new(id, vec![addr(text)], now);
        let broken = failed(&[(text, io::ErrorKind::InvalidData)]);
        dial.begin();
        assert_eq!(
            dial.failed(&broken, false, now),
            After::Again(now + RETRY_LATER)
        );
        dial.begin();
        assert_eq!(
            dial.failed(&broken, false, now),
            After::Failed(DialError::Other)
        );
    }
}
