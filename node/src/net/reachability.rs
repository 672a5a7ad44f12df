//! Whether others can reach this node, and why we think so.

use super::addr::{Scope, scope};
use super::observe::Nat;
use libp2p::PeerId;
use libp2p::multiaddr::Multiaddr;
use std::collections::BTreeMap;

/// Addresses whose check is remembered. As many as there are candidates.
const CHECKS_MAX: usize = 32;

/// Whether others can reach this node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Reachable {
    /// It listens on nothing.
    #[default]
    Nowhere,
    /// From this machine only.
    Loopback,
    /// From its own network, or through a relay.
    Private,
    /// From everywhere, as somebody outside found.
    Public,
    /// It may be, and nobody has tried.
    Unknown,
}

impl Reachable {
    /// One word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Nowhere => "none",
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::Public => "public",
            Self::Unknown => "unknown",
        }
    }
}

/// A relay that this node was told of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RelayState {
    /// Its PeerId.
    pub peer: String,
    /// It has agreed to carry connections to this node.
    pub reserved: bool,
}

/// What is known about how others reach this node.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Reachability {
    /// The verdict.
    pub reachable: Reachable,
    /// What it rests on, in one sentence without a full stop.
    pub why: String,
    /// What the router does with ports.
    pub nat: Nat,
    /// Relays, as they were told.
    pub relays: Vec<RelayState>,
}

/// What checks from outside found, and the router said.
#[derive(Default)]
pub(super) struct Checks {
    /// True: reached.
    checked: BTreeMap<Multiaddr, bool>,
    mapped: bool,
}

impl Checks {
    /// Somebody outside tried an address.
    pub(super) fn checked(&mut self, addr: Multiaddr, reached: bool) {
        if self.checked.contains_key(&addr) || self.checked.len() < CHECKS_MAX {
            self.checked.insert(addr, reached);
        }
    }

    /// The router opened a port, or closed it.
    pub(super) fn mapped(&mut self, is_open: bool) {
        self.mapped = is_open;
    }

    /// This machine is in another network, perhaps: nothing that was found holds any more.
    pub(super) fn forget(&mut self) {
        self.checked.clear();
    }

    /// The verdict. `listen`: what is listened on.
    pub(super) fn verdict(
        &self,
        listen: &[Multiaddr],
        nat: Nat,
        relays: Vec<(PeerId, bool)>,
    ) -> Reachability {
        let widest = listen.iter().map(scope).min();
        let reserved = relays.iter().filter(|(_, reserved)| *reserved).count();
        let through = match reserved {
            0 => "",
            1 => "; one relay leads here",
            _ => "; relays lead here",
        };
        let reached = self.checked.values().filter(|reached| **reached).count();
        let (reachable, why) = match widest {
            None => (Reachable::Nowhere, "it listens on no address".to_owned()),
            Some(Scope::Loopback) => (
                Reachable::Loopback,
                format!("it listens on this machine only{through}"),
            ),
            Some(_) if reached > 0 => (
                Reachable::Public,
                "a relay dialed it back from outside".to_owned(),
            ),
            Some(_) if self.mapped => (
                Reachable::Public,
                "the router opened a port for it".to_owned(),
            ),
            Some(_) if !self.checked.is_empty() => (
                Reachable::Private,
                format!("a relay could not dial it back from outside{through}"),
            ),
            Some(Scope::Public) => (
                Reachable::Unknown,
                format!("it has a public address, and nobody outside has tried it yet{through}"),
            ),
            Some(Scope::Private) => (
                Reachable::Private,
                format!("it has addresses of the local network only{through}"),
            ),
        };
        let relays = relays.into_iter().map(|(id, reserved)| RelayState {
            peer: id.to_string(),
            reserved,
        });
        Reachability {
            reachable,
            why,
            nat,
            relays: relays.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(text: &str) -> Multiaddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_verdict_rests_on_what_was_found() {
        let mut checks = Checks::default();
        let verdict = |checks: &Checks, listen: &[&str]| {
            let listen: Vec<_> = listen.iter().map(|text| addr(text)).collect();
            checks.verdict(&listen, Nat::Unknown, Vec::new()).reachable
        };
        let (near, far) = ("/ip4/10.0.0.1/tcp/1", "/ip4/9.9.9.9/tcp/1");
        assert_eq!(verdict(&checks, &[]), Reachable::Nowhere);
        assert_eq!(
            verdict(&checks, &["/ip4/127.0.0.1/tcp/1"]),
            Reachable::Loopback
        );
        assert_eq!(verdict(&checks, &[near]), Reachable::Private);
        assert_eq!(verdict(&checks, &[near, far]), Reachable::Unknown);
        checks.checked(addr(far), false);
        assert_eq!(verdict(&checks, &[near, far]), Reachable::Private);
        checks.checked(addr(far), true);
        assert_eq!(verdict(&checks, &[near]), Reachable::Public);
        checks.forget();
        assert_eq!(verdict(&checks, &[near]), Reachable::Private);
        checks.mapped(true);
        assert_eq!(verdict(&checks, &[near]), Reachable::Public);
        for n in 0..100 {
            checks.checked(addr(&format!("/ip4/9.9.9.9/tcp/{n}")), false);
        }
        assert_eq!(checks.checked.len(), CHECKS_MAX);
    }

    #[test]
    fn a_relay_is_told_of() {
        let id = libp2p::identity::Keypair::generate_ed25519()
            .public()
            .to_peer_id();
        let listen = [addr("/ip4/10.0.0.1/tcp/1")];
        let told = Checks::default().verdict(&listen, Nat::Unknown, vec![(id, true)]);
        assert!(told.why.ends_with("one relay leads here"), "{}", told.why);
        assert_eq!(told.relays[0].peer, id.to_string());
    }
}
