//! Names of things: fixed-width byte strings, and how they are written for people.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use data_encoding::{BASE64URL_NOPAD, Encoding, Specification};
use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};
use rand_core::CryptoRng;

/// RFC 4648 base32, lower case, unpadded; non-zero trailing bits are refused.
pub fn base32() -> Encoding {
    let mut spec = Specification::new();
    spec.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
    spec.check_trailing_bits = true;
    match spec.encoding() {
        Ok(encoding) => encoding,
        Err(_) => unreachable!("the alphabet above is a valid one"),
    }
}

/// Lower-case unpadded base32 of some bytes.
pub fn to_base32(bytes: &[u8]) -> String {
    base32().encode(bytes)
}

/// Bytes of lower-case unpadded base32, or `None`.
pub fn from_base32(text: &str) -> Option<Vec<u8>> {
    base32().decode(text.as_bytes()).ok()
}

/// Unpadded base64url of some bytes.
pub fn to_base64url(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}

/// Bytes of unpadded base64url, or `None`.
pub fn from_base64url(text: &str) -> Option<Vec<u8>> {
    BASE64URL_NOPAD.decode(text.as_bytes()).ok()
}

/// Public bytes of a fixed width, encoded as a CBOR byte string.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fixed<const N: usize>(pub [u8; N]);

impl<const N: usize> Fixed<N> {
    /// All zero bytes.
    pub const ZERO: Self = Self([0; N]);

    /// Fresh random bytes.
    pub fn random(rng: &mut dyn CryptoRng) -> Self {
        let mut bytes = [0; N];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// From a slice of exactly `N` bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// As lower-case base32.
    pub fn to_text(&self) -> String {
        to_base32(&self.0)
    }

    /// From lower-case base32.
    pub fn from_text(text: &str) -> Option<Self> {
        Self::from_slice(&from_base32(text)?)
    }
}

impl<const N: usize> AsRef<[u8]> for Fixed<N> {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

// A few characters tell two ids apart in a test's output and name nobody in a log.
impl<const N: usize> fmt::Debug for Fixed<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0.iter().take(4) {
            write!(f, "{byte:02x}")?;
        }
        f.write_str("…")
    }
}

impl<C, const N: usize> Encode<C> for Fixed<N> {
    fn encode<W: encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C, const N: usize> Decode<'b, C> for Fixed<N> {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        Self::from_slice(d.bytes()?).ok_or_else(|| decode::Error::message("another length"))
    }
}

/// SHA-256 over the account's Genesis: who somebody is, for good.
pub type AccountId = Fixed<32>;
/// One device of an account; random.
pub type DeviceId = Fixed<16>;
/// One message of one author; random.
pub type Mid = Fixed<16>;
/// One pairwise session; derived by the handshake.
pub type SessionId = Fixed<8>;
/// One invite; derived from its seed.
pub type InviteId = Fixed<16>;
/// What blocks for a mailbox are left under; derived, another one every day.
pub type Tag = Fixed<16>;
/// First 16 bytes of a SHA-256.
pub type Hash16 = Fixed<16>;
/// A SHA-256, a public key, a conversation id.
pub type B32 = Fixed<32>;
/// What comes before the key in a libp2p PeerId of an Ed25519 key: an identity multihash of the
/// key's protobuf form (libp2p peer-ids specification).
const PEER_ID_PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

/// The PeerId of a node, in base58.
pub fn peer_to_text(peer: &Peer) -> String {
    bs58::encode([&PEER_ID_PREFIX[..], &peer.0].concat()).into_string()
}

/// The node behind a base58 PeerId of an Ed25519 key.
pub fn peer_from_text(text: &str) -> Option<Peer> {
    // 38 bytes make at most 53 digits; longer text is not worth the quadratic work.
    if text.len() > 64 {
        return None;
    }
    let bytes = bs58::decode(text).into_vec().ok()?;
    Fixed::from_slice(bytes.strip_prefix(&PEER_ID_PREFIX[..])?)
}

/// The node at the end of a multiaddr: what follows its last `/p2p/`.
pub fn peer_of_addr(addr: &str) -> Option<Peer> {
    peer_from_text(addr.rsplit_once("/p2p/")?.1)
}

/// A connected node, by its libp2p Ed25519 public key. Not an identity: see `docs/spec/01-identity.md`.
pub type Peer = Fixed<32>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base32_refuses_upper_case_padding_and_trailing_bits() {
        assert_eq!(to_base32(b"f"), "my");
        assert_eq!(from_base32("my").as_deref(), Some(&b"f"[..]));
        for bad in ["MY", "my======", "mz", "m", "m1"] {
            assert_eq!(from_base32(bad), None, "{bad}");
        }
    }

    #[test]
    fn peer_ids_are_those_of_libp2p() {
        // From the peer-ids specification's rule; the text form begins with 12D3KooW.
        let text = peer_to_text(&Fixed([7; 32]));
        assert!(text.starts_with("12D3KooW"), "{text}");
        assert_eq!(peer_from_text(&text), Some(Fixed([7; 32])));
        let addr = alloc::format!("/ip4/127.0.0.1/udp/1/quic-v1/p2p/{text}");
        assert_eq!(peer_of_addr(&addr), Some(Fixed([7; 32])));
        for bad in ["", "12D3KooW", "/ip4/127.0.0.1/tcp/1", "/p2p/0"] {
            assert_eq!(peer_of_addr(bad), None);
        }
    }

    #[test]
    fn base64url_refuses_trailing_bits() {
        assert_eq!(to_base64url(b"f"), "Zg");
        assert_eq!(from_base64url("Zh"), None);
        assert_eq!(from_base64url("Zg=="), None);
    }
}
