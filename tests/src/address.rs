//! Addresses of simulated people: multiaddrs that look like real ones, so that the engine may
//! check and store them as it likes.

use waxwing_protocol::id::Peer;

const BASE58: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
/// Multihash `identity` of 36 bytes: a protobuf that says Ed25519 and 32 bytes of key.
const ED25519_PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

/// A libp2p key as people write it: `12D3Koo…`.
pub fn peer_text(peer: &Peer) -> String {
    base58(&[&ED25519_PREFIX[..], &peer.0].concat())
}

/// Where the `index`-th person listens in their `place`-th place.
pub fn multiaddr(index: usize, place: usize, peer: &Peer) -> String {
    let (high, low) = ((index / 200) % 200 + 1, index % 200 + 1);
    let net = place % 200;
    format!(
        "/ip4/10.{net}.{high}.{low}/udp/4711/quic-v1/p2p/{}",
        peer_text(peer)
    )
}

/// All addresses of a person in a place, best first: as many as a node with two protocols,
/// two families and two networks has.
pub fn multiaddrs(index: usize, place: usize, peer: &Peer) -> Vec<String> {
    let best = multiaddr(index, place, peer);
    let mut all = vec![best];
    for port in 1..8 {
        all.push(format!(
            "/ip6/fd00:1234:5678:9abc:def0:{place:x}:{index:x}:{port}/udp/4711/quic-v1/p2p/{}",
            peer_text(peer)
        ));
    }
    all
}

fn base58(bytes: &[u8]) -> String {
    let zeros = bytes.iter().take_while(|b| **b == 0).count();
    // Digits of the number, least significant first.
    let mut digits: Vec<u8> = Vec::new();
    for byte in bytes {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            carry += u32::from(*digit) << 8;
            *digit = u8::try_from(carry % 58).unwrap_or(0);
            carry /= 58;
        }
        while carry > 0 {
            digits.push(u8::try_from(carry % 58).unwrap_or(0));
            carry /= 58;
        }
    }
    let ones = std::iter::repeat_n('1', zeros);
    let rest = digits
        .iter()
        .rev()
        .map(|d| char::from(BASE58[usize::from(*d)]));
    ones.chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use waxwing_protocol::id::Fixed;

    #[test]
    fn base58_agrees_with_known_values() {
        assert_eq!(base58(b"Hello World!"), "2NEpo7TZRRrLZSi2U");
        assert_eq!(base58(&[0, 0, 0x28, 0x7f, 0xb4, 0xcd]), "11233QC4");
    }

    #[test]
    fn peers_look_like_ed25519_peers() {
        assert!(peer_text(&Fixed([7; 32])).starts_with("12D3KooW"));
    }
}
