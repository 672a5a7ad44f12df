//! What a bridge says of itself, and the keys that boxes for it are sealed to.

use crate::crypto::derive;
use crate::crypto::hash::hash;
use crate::crypto::kem::KemPublic;
use crate::crypto::sign::SignKey;
use crate::id::{B32, Peer, from_base64url, to_base64url};
use crate::identity::account::{Signed, Untrusted};
use crate::identity::contact::{clean_name, fit_addrs};
use crate::limits::{
    ADDRS_MAX, DESCRIPTOR_CHARS_MAX, DESCRIPTOR_LIFE_S, FORWARD_KEYS_BYTES_MAX, ROLES_MAX,
};
use crate::time::Secs;
use crate::wire::codec::{decode_closed, encode};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use minicbor::{Decode, Encode};

const SCHEME: &str = "waxwing-bridge:";

/// Holds blocks.
pub const MAILBOX: &str = "mailbox";
/// Hands boxes on.
pub const FORWARD: &str = "forward";
/// Carries connections.
pub const RELAY: &str = "relay";

/// A bridge, in its own words.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Descriptor {
    /// Its id: the key that signs this.
    #[n(1)]
    pub bridge: B32,
    /// Names its operator: `SHA-256("wx1/operator" ‖ name)`.
    #[n(2)]
    pub operator: B32,
    /// ISO 3166-1 alpha-2, upper case.
    #[n(3)]
    pub country: String,
    /// Its network key.
    #[n(4)]
    pub peer: Peer,
    /// Multiaddrs with `/p2p/`.
    #[n(5)]
    pub addrs: Vec<String>,
    /// What it does.
    #[n(6)]
    pub roles: Vec<String>,
    /// Unix seconds; the highest wins.
    #[n(7)]
    pub seq: Secs,
    /// Unix seconds.
    #[n(8)]
    pub expires: Secs,
    /// Who runs it, as people know them.
    #[n(9)]
    pub name: String,
}

impl Descriptor {
    /// The operator that a name stands for.
    pub fn operator(name: &str) -> B32 {
        hash(derive::OPERATOR, &[name.as_bytes()])
    }

    /// Whether it says that the bridge does something.
    pub fn does(&self, role: &str) -> bool {
        self.roles.iter().any(|own| own == role)
    }

    fn fits(&self) -> bool {
        self.country.len() == 2
            && self.country.bytes().all(|byte| byte.is_ascii_uppercase())
            && (1..=ADDRS_MAX).contains(&self.addrs.len())
            && fit_addrs(&self.addrs)
            && self
                .addrs
                .iter()
                .all(|addr| crate::id::peer_of_addr(addr) == Some(self.peer))
            && self.roles.len() <= ROLES_MAX
            && self.roles.iter().all(|role| role.len() <= 16)
            && self.expires <= self.seq.saturating_add(DESCRIPTOR_LIFE_S)
            && clean_name(&self.name).is_some_and(|name| name == self.name)
            && self.operator == Self::operator(&self.name)
    }
}

/// Signs a descriptor.
pub fn sign(key: &SignKey, descriptor: &Descriptor) -> Signed {
    Signed::make(derive::SIG_DESCRIPTOR, key, descriptor)
}

/// Verifies a descriptor with the key that it names.
///
/// # Errors
/// [`Untrusted`].
pub fn open(signed: &Signed) -> Result<Descriptor, Untrusted> {
    // What could not be handed on as a text is not kept either, whatever extensions it has.
    if encode(signed).len() > DESCRIPTOR_CHARS_MAX / 4 * 3 {
        return Err(Untrusted::Malformed);
    }
    let claimed: Descriptor = signed.peek()?;
    let descriptor: Descriptor = signed.open(derive::SIG_DESCRIPTOR, &claimed.bridge)?;
    if descriptor.fits() {
        Ok(descriptor)
    } else {
        Err(Untrusted::Malformed)
    }
}

/// The text that people hand on.
pub fn to_text(signed: &Signed) -> String {
    format!("{SCHEME}{}", to_base64url(&encode(signed)))
}

/// Reads and verifies such a text; white space around it does not matter.
///
/// # Errors
/// [`Untrusted`].
pub fn from_text(text: &str) -> Result<(Signed, Descriptor), Untrusted> {
    let text = text.trim().strip_prefix(SCHEME);
    let text = text.filter(|text| text.len() <= DESCRIPTOR_CHARS_MAX);
    let bytes = text.and_then(from_base64url).ok_or(Untrusted::Malformed)?;
    let signed: Signed = decode_closed(&bytes).map_err(|_| Untrusted::Malformed)?;
    let descriptor = open(&signed)?;
    Ok((signed, descriptor))
}

/// The keys of one day that boxes for a bridge are sealed to.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct ForwardKeys {
    /// The bridge.
    #[n(1)]
    pub bridge: B32,
    /// Unix day on which boxes are sealed to them.
    #[n(2)]
    pub day: u32,
    /// X25519.
    #[n(3)]
    pub x: B32,
    /// ML-KEM-768.
    #[n(4)]
    pub kem: KemPublic,
}

impl ForwardKeys {
    /// Verifies the keys of a bridge.
    ///
    /// # Errors
    /// [`Untrusted`].
    pub fn open(signed: &Signed, bridge: &B32) -> Result<Self, Untrusted> {
        if encode(signed).len() > FORWARD_KEYS_BYTES_MAX {
            return Err(Untrusted::Malformed);
        }
        let keys: Self = signed.open(derive::SIG_FORWARD_KEYS, bridge)?;
        if keys.bridge == *bridge {
            Ok(keys)
        } else {
            Err(Untrusted::Mismatch)
        }
    }
}

/// A bridge's promise: "I hold this block until then".
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Custody {
    /// The bridge.
    #[n(1)]
    pub bridge: B32,
    /// SHA-256 of the block.
    #[n(2)]
    pub block: B32,
    /// When it came, in unix seconds, rounded down to the hour.
    #[n(3)]
    pub received: Secs,
    /// Until when it is held, unless it is fetched: unix seconds.
    #[n(4)]
    pub until: Secs,
}

/// A bridge's promise to hand a box on.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Queued {
    /// First 16 bytes of the box's hash.
    #[n(1)]
    pub fid: crate::id::Hash16,
    /// Until when it tries: unix seconds.
    #[n(2)]
    pub until: Secs,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Fixed, peer_to_text};
    use crate::private::Secret;
    use crate::wire::codec::Blob;
    use alloc::vec;

    fn sample(key: &SignKey) -> Descriptor {
        let peer = Fixed([9; 32]);
        let addr = format!(
            "/ip4/203.0.113.7/udp/4711/quic-v1/p2p/{}",
            peer_to_text(&peer)
        );
        Descriptor {
            bridge: key.public(),
            operator: Descriptor::operator("Example Cooperative"),
            country: "MY".into(),
            peer,
            addrs: vec![addr],
            roles: vec![MAILBOX.into(), FORWARD.into()],
            seq: 1_770_000_000,
            expires: 1_770_000_000 + DESCRIPTOR_LIFE_S,
            name: "Example Cooperative".into(),
        }
    }

    #[test]
    fn a_descriptor_certifies_itself() {
        let key = SignKey::from_seed(Secret::new([5; 32]));
        let descriptor = sample(&key);
        let text = to_text(&sign(&key, &descriptor));
        assert!(text.starts_with("waxwing-bridge:"));
        let (_, read) = from_text(&format!(" {text}\n")).unwrap();
        assert_eq!(read, descriptor);
        assert!(from_text(&text[..text.len() - 2]).is_err());
        assert!(from_text(text.trim_start_matches("waxwing-")).is_err());
        let other = SignKey::from_seed(Secret::new([6; 32]));
        assert_eq!(open(&sign(&other, &descriptor)), Err(Untrusted::Signature));
        // An extension key is signed with the rest, and has its bound.
        for (size, fits) in [(100, true), (3_072, false)] {
            let mut body = encode(&descriptor);
            body[0] += 1;
            body.extend([0x18, 0x40]);
            body.extend(encode(&Blob(vec![0; size])));
            let sig = key.sign(derive::SIG_DESCRIPTOR, &body);
            let body = Blob(body);
            assert_eq!(open(&Signed { body, sig }).is_ok(), fits);
        }
    }

    #[test]
    fn what_is_out_of_its_bounds_is_refused() {
        let key = SignKey::from_seed(Secret::new([5; 32]));
        let wrong: [fn(&mut Descriptor); 7] = [
            |d| d.country = "my".into(),
            |d| d.addrs.clear(),
            |d| d.peer = Fixed([8; 32]),
            |d| d.expires += 1,
            |d| d.name = "Somebody Else".into(),
            |d| d.roles = vec!["x".into(); ROLES_MAX + 1],
            |d| d.addrs = vec!["/dns4/example.org/tcp/1".into()],
        ];
        for bend in wrong {
            let mut descriptor = sample(&key);
            bend(&mut descriptor);
            let opened = open(&sign(&key, &descriptor));
            assert_eq!(opened, Err(Untrusted::Malformed));
        }
    }
}
