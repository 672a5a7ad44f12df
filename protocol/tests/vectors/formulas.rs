//! The formulas of the spec, written down once more with nothing but the primitive crates.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, XChaCha20Poly1305};
use ed25519_dalek::{Signer, SigningKey};
use hmac::{Hmac, Mac};
use ml_kem::kem::{Decapsulate, KeyExport};
use ml_kem::{DecapsulationKey, MlKem768};
use sha2::{Digest, Sha256, Sha512};
use x25519_dalek::{PublicKey, StaticSecret};

/// A label: ASCII and one zero byte.
pub fn label(text: &str) -> Vec<u8> {
    [text.as_bytes(), &[0]].concat()
}

/// SHA-256 of the parts, joined.
pub fn h(parts: &[&[u8]]) -> [u8; 32] {
    Sha256::digest(parts.concat()).into()
}

/// SHA-512.
pub fn sha512(bytes: &[u8]) -> [u8; 64] {
    Sha512::digest(bytes).into()
}

/// HMAC-SHA256.
pub fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key).unwrap();
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// HKDF-Extract is HMAC(salt, ikm) (RFC 5869 §2.2).
pub fn extract(salt: &[u8], ikm: &[u8]) -> [u8; 32] {
    hmac(salt, ikm)
}

/// HKDF-Expand (RFC 5869 §2.3).
pub fn expand(prk: &[u8], info: &[u8], length: usize) -> Vec<u8> {
    let (mut out, mut block, mut i) = (Vec::new(), Vec::new(), 1u8);
    while out.len() < length {
        block = hmac(prk, &[&block[..], info, &[i]].concat()).to_vec();
        out.extend_from_slice(&block);
        i += 1;
    }
    out.truncate(length);
    out
}

/// HKDF.
pub fn hkdf(salt: &[u8], ikm: &[u8], info: &[u8], length: usize) -> Vec<u8> {
    expand(&extract(salt, ikm), info, length)
}

/// X25519 public key.
pub fn x_public(private: &[u8; 32]) -> [u8; 32] {
    PublicKey::from(&StaticSecret::from(*private)).to_bytes()
}

/// X25519.
pub fn x(private: &[u8; 32], public: &[u8; 32]) -> [u8; 32] {
    StaticSecret::from(*private)
        .diffie_hellman(&PublicKey::from(*public))
        .to_bytes()
}

/// Ed25519 public key of a seed.
pub fn ed_public(seed: &[u8; 32]) -> [u8; 32] {
    SigningKey::from_bytes(seed).verifying_key().to_bytes()
}

/// Ed25519 signature over a label and a body.
pub fn sign(seed: &[u8; 32], name: &str, body: &[u8]) -> [u8; 64] {
    let message = [&label(&format!("wx1/sig/{name}")), body].concat();
    SigningKey::from_bytes(seed).sign(&message).to_bytes()
}

/// Ed25519 signature over bytes as they are.
pub fn sign_raw(seed: &[u8; 32], message: &[u8]) -> [u8; 64] {
    SigningKey::from_bytes(seed).sign(message).to_bytes()
}

/// ML-KEM-768 public key of a seed d ‖ z.
pub fn kem_public(seed: &[u8; 64]) -> Vec<u8> {
    let key = DecapsulationKey::<MlKem768>::from_seed((*seed).into());
    key.encapsulation_key().to_bytes().to_vec()
}

/// ML-KEM-768 decapsulation.
pub fn decaps(seed: &[u8; 64], ct: &[u8]) -> [u8; 32] {
    let key = DecapsulationKey::<MlKem768>::from_seed((*seed).into());
    let ct: [u8; 1088] = ct.try_into().unwrap();
    let shared = key.decapsulate(&ct.into());
    shared.as_slice().try_into().unwrap()
}

/// ChaCha20-Poly1305.
pub fn seal(key: &[u8], nonce: &[u8], plain: &[u8], aad: &[u8]) -> Vec<u8> {
    let nonce: [u8; 12] = nonce.try_into().unwrap();
    ChaCha20Poly1305::new_from_slice(key)
        .unwrap()
        .encrypt(&nonce.into(), Payload { msg: plain, aad })
        .unwrap()
}

/// XChaCha20-Poly1305.
pub fn seal_x(key: &[u8], nonce: &[u8], plain: &[u8], aad: &[u8]) -> Vec<u8> {
    let nonce: [u8; 24] = nonce.try_into().unwrap();
    XChaCha20Poly1305::new_from_slice(key)
        .unwrap()
        .encrypt(&nonce.into(), Payload { msg: plain, aad })
        .unwrap()
}

/// u32 length ‖ content ‖ zeros.
pub fn pad(content: &[u8], size: usize) -> Vec<u8> {
    let mut out = [&(content.len() as u32).to_be_bytes(), content].concat();
    assert!(out.len() <= size);
    out.resize(size, 0);
    out
}
