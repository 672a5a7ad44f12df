//! Ed25519 (RFC 8032): strict verification, weak keys refused.

use super::derive::Label;
use crate::id::{B32, Fixed};
use crate::private::Secret;
use alloc::vec::Vec;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use rand_core::CryptoRng;

/// A 64-byte Ed25519 signature.
pub type Sig = Fixed<64>;

/// A signing key, held as its 32-byte seed.
#[derive(Clone, Debug, minicbor::Encode, minicbor::Decode)]
#[cbor(transparent)]
pub struct SignKey(#[n(0)] Secret<32>);

impl SignKey {
    /// From a 32-byte seed.
    pub const fn from_seed(seed: Secret<32>) -> Self {
        Self(seed)
    }

    /// A fresh key.
    pub fn random(rng: &mut dyn CryptoRng) -> Self {
        Self(Secret::random(rng))
    }

    /// The seed: for the shell, which hands it to libp2p.
    pub const fn seed(&self) -> &Secret<32> {
        &self.0
    }

    /// The public half.
    pub fn public(&self) -> B32 {
        Fixed(
            SigningKey::from_bytes(self.0.expose())
                .verifying_key()
                .to_bytes(),
        )
    }

    /// Signs a label followed by the body's exact bytes.
    pub fn sign(&self, label: Label, body: &[u8]) -> Sig {
        let key = SigningKey::from_bytes(self.0.expose());
        Fixed(key.sign(&labelled(label, body)).to_bytes())
    }
}

/// The signature is not of this key over these bytes, or the key is weak.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("bad signature")]
pub struct BadSignature;

/// Checks a signature over a label followed by the body's exact bytes.
///
/// # Errors
/// [`BadSignature`] if the key is malformed or weak, or the signature does not verify strictly.
pub fn verify(key: &B32, label: Label, body: &[u8], sig: &Sig) -> Result<(), BadSignature> {
    let key = VerifyingKey::from_bytes(&key.0).map_err(|_| BadSignature)?;
    if key.is_weak() {
        return Err(BadSignature);
    }
    key.verify_strict(&labelled(label, body), &Signature::from_bytes(&sig.0))
        .map_err(|_| BadSignature)
}

fn labelled(label: Label, body: &[u8]) -> Vec<u8> {
    [label.bytes(), body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::derive;
    use data_encoding::HEXLOWER;

    #[test]
    fn rfc_8032_test_1_public_key() {
        let seed = HEXLOWER
            .decode(b"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
            .unwrap();
        let key = SignKey::from_seed(Secret::from_slice(&seed));
        assert_eq!(
            HEXLOWER.encode(&key.public().0),
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
        );
    }

    #[test]
    fn a_signature_holds_for_its_label_body_and_key_only() {
        let key = SignKey::from_seed(Secret::new([7; 32]));
        let sig = key.sign(derive::SIG_GENESIS, b"body");
        assert!(verify(&key.public(), derive::SIG_GENESIS, b"body", &sig).is_ok());
        assert!(verify(&key.public(), derive::SIG_BUNDLE, b"body", &sig).is_err());
        assert!(verify(&key.public(), derive::SIG_GENESIS, b"bodY", &sig).is_err());
        let mut bent = sig;
        bent.0[5] ^= 1;
        assert!(verify(&key.public(), derive::SIG_GENESIS, b"body", &bent).is_err());
    }

    #[test]
    fn weak_keys_are_refused() {
        // The identity point verifies everything under non-strict rules.
        let mut identity = [0; 32];
        identity[0] = 1;
        let mut sig = [0; 64];
        sig[0] = 1;
        assert!(verify(&Fixed(identity), derive::SIG_GENESIS, b"x", &Fixed(sig)).is_err());
    }
}
