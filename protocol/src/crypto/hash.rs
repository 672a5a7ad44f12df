//! SHA-256, SHA-512 and HMAC-SHA256 over parts written one after another.

use super::derive::Label;
use crate::id::{B32, Hash16};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha512};

/// SHA-256 of a label followed by the parts (`docs/spec/README.md`).
pub fn hash(label: Label, parts: &[&[u8]]) -> B32 {
    let mut sha = Sha256::new();
    sha.update(label.bytes());
    for part in parts {
        sha.update(part);
    }
    B32::from_slice(&sha.finalize()).unwrap_or(B32::ZERO)
}

/// Plain SHA-256, where the protocol hashes bytes that carry their own label or type.
pub fn sha256(bytes: &[u8]) -> B32 {
    B32::from_slice(&Sha256::digest(bytes)).unwrap_or(B32::ZERO)
}

/// SHA-256 of the bytes, first 16.
pub fn hash16(bytes: &[u8]) -> Hash16 {
    Hash16::from_slice(&sha256(bytes).0[..16]).unwrap_or(Hash16::ZERO)
}

/// SHA-512 applied `rounds` times, first to a label and the parts.
pub fn sha512_rounds(label: Label, parts: &[&[u8]], rounds: u32) -> [u8; 64] {
    let mut sha = Sha512::new();
    sha.update(label.bytes());
    for part in parts {
        sha.update(part);
    }
    let mut out: [u8; 64] = sha.finalize().into();
    for _ in 1..rounds {
        out = Sha512::digest(out).into();
    }
    out
}

/// HMAC-SHA256 under a 32-byte key.
pub fn hmac(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    let Ok(mut mac) = <Hmac<Sha256> as KeyInit>::new_from_slice(key) else {
        unreachable!("HMAC takes keys of any length");
    };
    mac.update(message);
    mac.finalize().into_bytes().into()
}
