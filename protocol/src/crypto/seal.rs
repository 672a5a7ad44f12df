//! ChaCha20-Poly1305 (RFC 8439) and XChaCha20-Poly1305.

use crate::private::{Bytes, Secret};
use alloc::vec::Vec;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, XChaCha20Poly1305};
use zeroize::Zeroizing;

/// Bytes that the authentication tag adds.
pub const TAG_BYTES: usize = 16;

/// The box did not open: another key, nonce, associated data, or changed bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("sealed bytes did not open")]
pub struct Unopened;

/// Seals with ChaCha20-Poly1305. A (key, nonce) pair is used once.
pub fn seal(key: &Secret<32>, nonce: &[u8; 12], plain: &[u8], aad: &[u8]) -> Vec<u8> {
    let cipher = ChaCha20Poly1305::new(key.expose().into());
    infallible(cipher.encrypt(&(*nonce).into(), Payload { msg: plain, aad }))
}

/// Opens what [`seal`] made.
///
/// # Errors
/// [`Unopened`] if anything differs.
pub fn open(key: &Secret<32>, nonce: &[u8; 12], ct: &[u8], aad: &[u8]) -> Result<Bytes, Unopened> {
    ChaCha20Poly1305::new(key.expose().into())
        .decrypt(&(*nonce).into(), Payload { msg: ct, aad })
        .map(Zeroizing::new)
        .map_err(|_| Unopened)
}

/// Seals with XChaCha20-Poly1305 under a random 24-byte nonce.
pub fn seal_x(key: &Secret<32>, nonce: &[u8; 24], plain: &[u8], aad: &[u8]) -> Vec<u8> {
    let cipher = XChaCha20Poly1305::new(key.expose().into());
    infallible(cipher.encrypt(&(*nonce).into(), Payload { msg: plain, aad }))
}

/// Opens what [`seal_x`] made.
///
/// # Errors
/// [`Unopened`] if anything differs.
pub fn open_x(
    key: &Secret<32>,
    nonce: &[u8; 24],
    ct: &[u8],
    aad: &[u8],
) -> Result<Bytes, Unopened> {
    XChaCha20Poly1305::new(key.expose().into())
        .decrypt(&(*nonce).into(), Payload { msg: ct, aad })
        .map(Zeroizing::new)
        .map_err(|_| Unopened)
}

fn infallible(sealed: Result<Vec<u8>, chacha20poly1305::aead::Error>) -> Vec<u8> {
    match sealed {
        Ok(ct) => ct,
        // The only error is a plaintext of 256 GiB or more.
        Err(_) => unreachable!("plaintexts are bounded by limits"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::HEXLOWER;

    #[test]
    fn rfc_8439_section_2_8_2() {
        let key = Secret::from_slice(&(0x80..0xa0).collect::<Vec<u8>>());
        let nonce = [7, 0, 0, 0, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47];
        let aad = HEXLOWER.decode(b"50515253c0c1c2c3c4c5c6c7").unwrap();
        let plain = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.";
        let ct = seal(&key, &nonce, plain, &aad);
        assert_eq!(
            HEXLOWER.encode(&ct[plain.len()..]),
            "1ae10b594f09e26a7e902ecbd0600691"
        );
        assert_eq!(&open(&key, &nonce, &ct, &aad).unwrap()[..], plain);
        assert_eq!(open(&key, &nonce, &ct, b"").err(), Some(Unopened));
    }

    #[test]
    fn the_long_nonce_variant_is_another_cipher() {
        let key = Secret::new([1; 32]);
        let ct = seal_x(&key, &[2; 24], b"hello", b"aad");
        assert_eq!(ct.len(), 5 + TAG_BYTES);
        assert_eq!(&open_x(&key, &[2; 24], &ct, b"aad").unwrap()[..], b"hello");
        assert!(open_x(&key, &[3; 24], &ct, b"aad").is_err());
    }
}
