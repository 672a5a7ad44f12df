//! Addresses and peer names: between libp2p's types and the engine's.

use libp2p::PeerId;
use libp2p::multiaddr::{Multiaddr, Protocol};
use std::net::{IpAddr, Ipv6Addr};
use waxwing_protocol::id::Peer;
use waxwing_protocol::limits::{ADDR_BYTES_MAX, ADDRS_MAX};

/// What stands before the key in the bytes of an Ed25519 PeerId: the identity multihash of the
/// 36-byte protobuf `{type: Ed25519, data: 32 bytes}`.
const ED25519_PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

/// The PeerId that holds this Ed25519 key.
pub(super) fn to_peer_id(peer: &Peer) -> Option<PeerId> {
    let mut bytes = [0; 38];
    bytes[..6].copy_from_slice(&ED25519_PREFIX);
    bytes[6..].copy_from_slice(&peer.0);
    PeerId::from_bytes(&bytes).ok()
}

/// The Ed25519 key inside a PeerId; `None` for every other kind of PeerId.
pub(super) fn from_peer_id(id: &PeerId) -> Option<Peer> {
    Peer::from_slice(id.to_bytes().strip_prefix(&ED25519_PREFIX)?)
}

/// How far an address reaches, widest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Scope {
    /// Routed on the Internet, or a name that has to be looked up.
    Public,
    /// Inside one network.
    Private,
    /// Inside one machine.
    Loopback,
}

/// Whether routers of the Internet carry packets to this address.
pub(super) fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            !(a == 0
                || ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_documentation()
                || a >= 224
                || (a == 100 && (64..128).contains(&b))
                || (a == 192 && b == 0 && c == 0)
                || (a == 198 && (b == 18 || b == 19)))
        }
        IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
            Some(v4) => is_public(IpAddr::V4(v4)),
            None => {
                let head = ip.segments();
                head[0] & 0xe000 == 0x2000 && !(head[0] == 0x2001 && head[1] == 0x0db8)
            }
        },
    }
}

fn is_loopback(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback(),
        IpAddr::V6(ip) => {
            ip == Ipv6Addr::LOCALHOST || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback())
        }
    }
}

/// How far an address reaches.
pub(super) fn scope(addr: &Multiaddr) -> Scope {
    match addr.ip_addr() {
        Some(ip) if is_loopback(ip) => Scope::Loopback,
        Some(ip) if !is_public(ip) => Scope::Private,
        _ => Scope::Public,
    }
}

/// Transports of this node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Transport {
    /// QUIC version 1 over UDP.
    Quic,
    /// TCP with Noise and Yamux.
    Tcp,
}

/// The transport of an address of the shape `host/tcp/port` or `host/udp/port/quic-v1`; `None`
/// for every other shape.
pub(super) fn transport(addr: &Multiaddr) -> Option<Transport> {
    let mut parts = addr.iter();
    match parts.next()? {
        Protocol::Ip4(_)
        | Protocol::Ip6(_)
        | Protocol::Dns(_)
        | Protocol::Dns4(_)
        | Protocol::Dns6(_) => {}
        _ => return None,
    }
    let found = match (parts.next()?, parts.next()) {
        (Protocol::Tcp(_), None) => Transport::Tcp,
        (Protocol::Udp(_), Some(Protocol::QuicV1)) => Transport::Quic,
        _ => return None,
    };
    parts.next().is_none().then_some(found)
}

/// A relay and one of its addresses, from the shape `address/p2p/RELAY`; `None` for every other.
pub(super) fn relay(addr: &Multiaddr) -> Option<(PeerId, Multiaddr)> {
    let mut direct = addr.clone();
    let Some(Protocol::P2p(id)) = direct.pop() else {
        return None;
    };
    transport(&direct)?;
    from_peer_id(&id)?;
    Some((id, direct))
}

/// The relay of an address of the shape `address/p2p/RELAY/p2p-circuit`, and the transport that
/// leads to it; `None` for every other shape.
pub(super) fn circuit(addr: &Multiaddr) -> Option<(PeerId, Transport)> {
    let mut before = addr.clone();
    let Some(Protocol::P2pCircuit) = before.pop() else {
        return None;
    };
    let (id, direct) = relay(&before)?;
    Some((id, transport(&direct)?))
}

/// Whether an address leads through a relay.
pub(super) fn is_circuit(addr: &Multiaddr) -> bool {
    addr.iter().any(|part| part == Protocol::P2pCircuit)
}

/// What others are told, at most [`ADDRS_MAX`], from our own addresses and those through each
/// relay, all best first. Links and first messages name only the first few: so those begin with
/// two that lead here directly, one from far and one from near if there are both, and one through
/// each relay. Who dials tries near ones first, whatever their order.
pub(super) fn advertised(direct: &[Multiaddr], circuits: &[Vec<Multiaddr>]) -> Vec<Multiaddr> {
    let first = |wanted| direct.iter().find(|addr| scope(addr) == wanted);
    let mut head: Vec<&Multiaddr> = [Scope::Public, Scope::Private]
        .into_iter()
        .filter_map(first)
        .collect();
    for addr in direct {
        if head.len() < HEAD_DIRECT && !head.contains(&addr) {
            head.push(addr);
        }
    }
    let each = circuits.iter().filter_map(|list| list.first());
    let others = circuits.iter().flat_map(|list| list.iter().skip(1));
    let mut out: Vec<Multiaddr> = Vec::new();
    for addr in head.into_iter().chain(each).chain(direct).chain(others) {
        if out.len() < ADDRS_MAX && !out.contains(addr) {
            out.push(addr.clone());
        }
    }
    out
}

/// Direct addresses at the head of what others are told.
const HEAD_DIRECT: usize = 2;

/// The port of an address.
pub(super) fn port(addr: &Multiaddr) -> Option<u16> {
    addr.iter().find_map(|part| match part {
        Protocol::Tcp(port) | Protocol::Udp(port) => Some(port),
        _ => None,
    })
}

/// Addresses in the order in which others should try them: far-reaching first, QUIC before TCP,
/// IPv4 before IPv6, no address twice. Link-local IPv6 is left out: it means nothing without an
/// interface name.
pub(super) fn best_first(addrs: impl IntoIterator<Item = Multiaddr>) -> Vec<Multiaddr> {
    let mut out: Vec<Multiaddr> = addrs
        .into_iter()
        .filter(|addr| match addr.ip_addr() {
            Some(IpAddr::V6(ip)) => ip.segments()[0] & 0xffc0 != 0xfe80 && !ip.is_unspecified(),
            Some(IpAddr::V4(ip)) => !ip.is_unspecified(),
            None => true,
        })
        .collect();
    out.sort_by_cached_key(|addr| {
        (
            scope(addr),
            transport(addr),
            addr.ip_addr().is_some_and(|ip| ip.is_ipv6()),
            addr.to_vec(),
        )
    });
    out.dedup();
    out
}

/// What is left of the addresses that somebody gave for a peer.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Usable {
    /// These, without `/p2p/`; never empty.
    Some(Vec<Multiaddr>),
    /// Addresses were given, but none over a transport of ours.
    NoTransport,
    /// Nothing that could lead to this peer.
    Nothing,
}

/// Sorts out addresses for a dial: at most [`ADDRS_MAX`], only shapes and transports we know,
/// none that names another peer.
pub(super) fn usable(peer: PeerId, addrs: &[String], ours: &[Transport]) -> Usable {
    let mut found = Vec::new();
    let mut other_transport = false;
    for text in addrs.iter().take(ADDRS_MAX) {
        if text.len() > ADDR_BYTES_MAX {
            continue;
        }
        let Ok(mut addr) = text.parse::<Multiaddr>() else {
            continue;
        };
        if let Some(Protocol::P2p(named)) = addr.iter().last() {
            if named != peer {
                continue;
            }
            addr.pop();
        }
        let through = circuit(&addr).filter(|(relay, _)| *relay != peer);
        match transport(&addr).or(through.map(|(_, kind)| kind)) {
            Some(kind) if ours.contains(&kind) => {
                if !found.contains(&addr) {
                    found.push(addr);
                }
            }
            _ => other_transport = true,
        }
    }
    match (found.is_empty(), other_transport) {
        (false, _) => Usable::Some(found),
        (true, true) => Usable::NoTransport,
        (true, false) => Usable::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use libp2p::identity::Keypair;

    fn addr(text: &str) -> Multiaddr {
        text.parse().unwrap()
    }

    #[test]
    fn peer_ids_convert_both_ways_and_other_kinds_are_refused() {
        let key = Keypair::generate_ed25519();
        let id = key.public().to_peer_id();
        let peer = from_peer_id(&id).unwrap();
        let raw = key.public().try_into_ed25519().unwrap().to_bytes();
        assert_eq!(peer.0, raw);
        assert_eq!(to_peer_id(&peer), Some(id));
        // A hashed PeerId, as RSA keys have them.
        let hashed: PeerId = "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"
            .parse()
            .unwrap();
        assert_eq!(from_peer_id(&hashed), None);
    }

    #[test]
    fn scopes() {
        for (text, want) in [
            ("/ip4/8.8.8.8/tcp/1", Scope::Public),
            ("/ip4/192.168.1.1/tcp/1", Scope::Private),
            ("/ip4/100.64.0.1/tcp/1", Scope::Private),
            ("/ip4/127.0.0.9/tcp/1", Scope::Loopback),
            ("/ip6/::1/tcp/1", Scope::Loopback),
            ("/ip6/fd00::1/tcp/1", Scope::Private),
            ("/ip6/2a00::1/tcp/1", Scope::Public),
            ("/ip6/::ffff:10.0.0.1/tcp/1", Scope::Private),
            ("/dns4/example.org/tcp/1", Scope::Public),
        ] {
            assert_eq!(scope(&addr(text)), want, "{text}");
        }
    }

    #[test]
    fn best_first_puts_loopback_last_and_drops_link_local() {
        let sorted = best_first(
            [
                "/ip4/127.0.0.1/udp/5/quic-v1",
                "/ip4/10.0.0.1/tcp/5",
                "/ip6/fe80::1/tcp/5",
                "/ip4/10.0.0.1/udp/5/quic-v1",
                "/ip4/9.9.9.9/tcp/5",
                "/ip4/9.9.9.9/tcp/5",
            ]
            .map(addr),
        );
        let want = [
            "/ip4/9.9.9.9/tcp/5",
            "/ip4/10.0.0.1/udp/5/quic-v1",
            "/ip4/10.0.0.1/tcp/5",
            "/ip4/127.0.0.1/udp/5/quic-v1",
        ];
        assert_eq!(sorted, want.map(addr));
    }

    #[test]
    fn usable_tells_why_nothing_is_left() {
        let peer = Keypair::generate_ed25519().public().to_peer_id();
        let other = Keypair::generate_ed25519().public().to_peer_id();
        let quic = [Transport::Quic];
        let list = |texts: &[String]| usable(peer, texts, &quic);
        assert_eq!(list(&[]), Usable::Nothing);
        assert_eq!(list(&["rubbish".into()]), Usable::Nothing);
        assert_eq!(
            list(&[format!("/ip4/127.0.0.1/udp/9/quic-v1/p2p/{other}")]),
            Usable::Nothing
        );
        assert_eq!(list(&["/ip4/127.0.0.1/tcp/9".into()]), Usable::NoTransport);
        assert_eq!(
            list(&["/ip4/127.0.0.1/tcp/9/ws".into()]),
            Usable::NoTransport
        );
        assert_eq!(
            list(&[
                "/ip4/127.0.0.1/tcp/9".into(),
                format!("/ip4/127.0.0.1/udp/9/quic-v1/p2p/{peer}"),
            ]),
            Usable::Some(vec![addr("/ip4/127.0.0.1/udp/9/quic-v1")])
        );
        let through = format!("/ip4/9.9.9.9/udp/9/quic-v1/p2p/{other}/p2p-circuit");
        assert_eq!(
            list(&[format!("{through}/p2p/{peer}"), through.clone()]),
            Usable::Some(vec![addr(&through)])
        );
        for bad in [
            format!("/ip4/9.9.9.9/tcp/9/p2p/{other}/p2p-circuit"),
            format!("/ip4/9.9.9.9/udp/9/quic-v1/p2p/{peer}/p2p-circuit"),
            format!("{through}/p2p-circuit"),
            format!("/p2p/{other}/p2p-circuit"),
        ] {
            assert_eq!(list(&[bad]), Usable::NoTransport);
        }
    }

    #[test]
    fn a_relay_is_named_with_its_peer() {
        let id = Keypair::generate_ed25519().public().to_peer_id();
        let direct = addr("/dns4/relay.example.org/tcp/4001");
        let full = direct.clone().with(Protocol::P2p(id));
        assert_eq!(relay(&full), Some((id, direct.clone())));
        let through = full.with(Protocol::P2pCircuit);
        assert_eq!(circuit(&through), Some((id, Transport::Tcp)));
        assert!(is_circuit(&through));
        assert_eq!(relay(&direct), None);
        assert_eq!(relay(&through), None);
    }

    #[test]
    fn the_first_few_addresses_lead_here_from_everywhere() {
        let list = |texts: &[&str]| texts.iter().map(|text| addr(text)).collect::<Vec<_>>();
        let far = list(&["/ip4/9.9.9.9/udp/5/quic-v1", "/ip4/9.9.9.9/tcp/5"]);
        let near = list(&["/ip4/10.0.0.1/udp/5/quic-v1", "/ip4/10.0.0.1/tcp/5"]);
        let here = list(&["/ip4/127.0.0.1/tcp/5"]);
        let through = [list(&["/tcp/1", "/tcp/2"]), list(&["/tcp/3"])];
        let all = advertised(
            &[far.clone(), near.clone(), here.clone()].concat(),
            &through,
        );
        let want = [&far[0], &near[0], &through[0][0], &through[1][0], &far[1]];
        assert_eq!(all.iter().take(5).collect::<Vec<_>>(), want);
        assert_eq!(all.len(), 8);
        let private = advertised(&[near.clone(), here].concat(), &through);
        let want = [&near[0], &near[1], &through[0][0], &through[1][0]];
        assert_eq!(private.iter().take(4).collect::<Vec<_>>(), want);
    }
}
