//! Addresses that others are told to reach a node at.

use super::addr::{self, Scope};
use libp2p::multiaddr::{Multiaddr, Protocol};

/// How far an address leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reaches {
    /// From the whole internet, or by a name that has to be looked up.
    Internet,
    /// Inside one network.
    Network,
    /// Inside one machine.
    Machine,
}

/// How far an address leads that others are to dial: `host/tcp/port` or `host/udp/port/quic-v1`,
/// with or without `/p2p/PEER`. `None` for what cannot be dialed.
pub fn reaches(text: &str) -> Option<Reaches> {
    let mut parsed: Multiaddr = text.parse().ok()?;
    if matches!(parsed.iter().last(), Some(Protocol::P2p(_))) {
        parsed.pop();
    }
    addr::transport(&parsed)?;
    if addr::port(&parsed)? == 0 || parsed.ip_addr().is_some_and(|ip| ip.is_unspecified()) {
        return None;
    }
    Some(match addr::scope(&parsed) {
        Scope::Public => Reaches::Internet,
        Scope::Private => Reaches::Network,
        Scope::Loopback => Reaches::Machine,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_leads_as_far_as_it_does() {
        for (text, far) in [
            ("/ip4/9.9.9.9/udp/4001/quic-v1", Some(Reaches::Internet)),
            ("/dns4/bridge.example/tcp/4001", Some(Reaches::Internet)),
            ("/ip4/192.168.1.2/tcp/4001", Some(Reaches::Network)),
            ("/ip6/::1/tcp/4001", Some(Reaches::Machine)),
            ("/ip4/0.0.0.0/tcp/4001", None),
            ("/ip4/9.9.9.9/tcp/0", None),
            ("/ip4/9.9.9.9/udp/4001", None),
            ("", None),
        ] {
            assert_eq!(reaches(text), far, "{text}");
        }
    }
}
