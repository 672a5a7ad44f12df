//! ML-KEM-768 (FIPS 203). Private keys are kept as their 64-byte seed.

use crate::id::Fixed;
use crate::private::Secret;
use ml_kem::kem::{Decapsulate, Encapsulate, KeyExport};
use ml_kem::{DecapsulationKey, EncapsulationKey, MlKem768};
use rand_core::CryptoRng;

/// Bytes of an encapsulation key.
pub const EK_BYTES: usize = 1_184;
/// Bytes of a ciphertext.
pub const CT_BYTES: usize = 1_088;

/// A public encapsulation key.
pub type KemPublic = Fixed<EK_BYTES>;
/// A ciphertext.
pub type KemCiphertext = Fixed<CT_BYTES>;

/// A decapsulation key.
#[derive(Clone, Debug, minicbor::Encode, minicbor::Decode)]
#[cbor(transparent)]
pub struct KemKey(#[n(0)] Secret<64>);

/// The encapsulation key fails the modulus check of FIPS 203 §7.2.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("malformed encapsulation key")]
pub struct BadKemKey;

impl KemKey {
    /// From the 64-byte seed d‖z.
    pub const fn from_seed(seed: Secret<64>) -> Self {
        Self(seed)
    }

    /// A fresh key.
    pub fn random(rng: &mut dyn CryptoRng) -> Self {
        Self(Secret::random(rng))
    }

    /// The seed, for test vectors.
    pub const fn seed(&self) -> &Secret<64> {
        &self.0
    }

    /// The public half.
    pub fn public(&self) -> KemPublic {
        let bytes = self.key().encapsulation_key().to_bytes();
        KemPublic::from_slice(&bytes).unwrap_or(KemPublic::ZERO)
    }

    /// The secret in a ciphertext. A forged ciphertext gives an unpredictable one (implicit
    /// rejection), so what it keys will not open.
    pub fn decapsulate(&self, ct: &KemCiphertext) -> Secret<32> {
        let shared = self.key().decapsulate(&ct.0.into());
        Secret::from_slice(&shared)
    }

    fn key(&self) -> DecapsulationKey<MlKem768> {
        DecapsulationKey::from_seed((*self.0.expose()).into())
    }
}

/// A fresh secret and its ciphertext for the holder of `public`.
///
/// # Errors
/// [`BadKemKey`] if the key is malformed.
pub fn encapsulate(
    public: &KemPublic,
    rng: &mut dyn CryptoRng,
) -> Result<(KemCiphertext, Secret<32>), BadKemKey> {
    let key = EncapsulationKey::<MlKem768>::new(&public.0.into()).map_err(|_| BadKemKey)?;
    let (ct, shared) = key.encapsulate_with_rng(rng);
    let ct = KemCiphertext::from_slice(&ct).unwrap_or(KemCiphertext::ZERO);
    Ok((ct, Secret::from_slice(&shared)))
}
