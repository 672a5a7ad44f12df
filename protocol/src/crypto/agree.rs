//! X25519 (RFC 7748), refusing results that a low-order key would force.

use crate::id::B32;
use crate::private::Secret;
use rand_core::CryptoRng;
use x25519_dalek::{PublicKey, StaticSecret};

/// An X25519 private key.
#[derive(Clone, Debug, minicbor::Encode, minicbor::Decode)]
#[cbor(transparent)]
pub struct AgreeKey(#[n(0)] Secret<32>);

/// The peer's key has low order: the result would not depend on ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("key agreement with a low-order key")]
pub struct LowOrder;

impl AgreeKey {
    /// From 32 bytes; clamped when used.
    pub const fn from_bytes(bytes: Secret<32>) -> Self {
        Self(bytes)
    }

    /// A fresh key.
    pub fn random(rng: &mut dyn CryptoRng) -> Self {
        Self(Secret::random(rng))
    }

    /// The private bytes, for test vectors.
    pub const fn secret(&self) -> &Secret<32> {
        &self.0
    }

    /// The public half.
    pub fn public(&self) -> B32 {
        let secret = StaticSecret::from(*self.0.expose());
        crate::id::Fixed(PublicKey::from(&secret).to_bytes())
    }

    /// The shared secret with a peer's public key.
    ///
    /// # Errors
    /// [`LowOrder`] unless both keys contributed.
    pub fn agree(&self, theirs: &B32) -> Result<Secret<32>, LowOrder> {
        let secret = StaticSecret::from(*self.0.expose());
        let shared = secret.diffie_hellman(&PublicKey::from(theirs.0));
        if shared.was_contributory() {
            Ok(Secret::new(shared.to_bytes()))
        } else {
            Err(LowOrder)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Fixed;
    use data_encoding::HEXLOWER;

    fn bytes(hex: &str) -> [u8; 32] {
        HEXLOWER.decode(hex.as_bytes()).unwrap().try_into().unwrap()
    }

    #[test]
    fn rfc_7748_section_6_1() {
        let alice = AgreeKey::from_bytes(Secret::new(bytes(
            "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
        )));
        let bob = AgreeKey::from_bytes(Secret::new(bytes(
            "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
        )));
        assert_eq!(
            HEXLOWER.encode(&alice.public().0),
            "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
        );
        assert_eq!(
            HEXLOWER.encode(&bob.public().0),
            "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
        );
        let shared = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";
        assert_eq!(
            HEXLOWER.encode(alice.agree(&bob.public()).unwrap().expose()),
            shared
        );
        assert_eq!(
            HEXLOWER.encode(bob.agree(&alice.public()).unwrap().expose()),
            shared
        );
    }

    #[test]
    fn low_order_keys_are_refused() {
        let key = AgreeKey::from_bytes(Secret::new([3; 32]));
        assert_eq!(key.agree(&Fixed([0; 32])).err(), Some(LowOrder));
        let mut one = [0; 32];
        one[0] = 1;
        assert_eq!(key.agree(&Fixed(one)).err(), Some(LowOrder));
    }
}
