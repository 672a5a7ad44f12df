//! Secrets: wiped when dropped, compared in constant time, never printed.

use core::fmt;
use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};
use rand_core::CryptoRng;
use subtle::{Choice, ConstantTimeEq};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Bytes that may hold secrets; wiped when dropped.
pub type Bytes = Zeroizing<alloc::vec::Vec<u8>>;

/// `N` secret bytes. `Debug` prints `[secret]`; there is no `Display`.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret<const N: usize>([u8; N]);

impl<const N: usize> Secret<N> {
    /// Takes over bytes that are already secret. The caller wipes its own copy.
    pub const fn new(bytes: [u8; N]) -> Self {
        Self(bytes)
    }

    /// Fresh random bytes.
    pub fn random(rng: &mut dyn CryptoRng) -> Self {
        let mut bytes = [0; N];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// Copies from a slice of exactly `N` bytes; anything else is a mistake of the caller.
    pub(crate) fn from_slice(bytes: &[u8]) -> Self {
        let mut out = [0; N];
        out.copy_from_slice(bytes);
        Self(out)
    }

    /// The bytes themselves. Every call is a place to look at in a review.
    pub const fn expose(&self) -> &[u8; N] {
        &self.0
    }
}

impl<const N: usize> fmt::Debug for Secret<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl<const N: usize> ConstantTimeEq for Secret<N> {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

// Rows that hold secrets are sealed by the store; only there are these written.
impl<C, const N: usize> Encode<C> for Secret<N> {
    fn encode<W: encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C, const N: usize> Decode<'b, C> for Secret<N> {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        let bytes = d.bytes()?;
        let array = bytes
            .try_into()
            .map_err(|_| decode::Error::message("secret of another length"))?;
        Ok(Self(array))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_never_prints_the_bytes() {
        let secret = Secret::<4>::new([0xde, 0xad, 0xbe, 0xef]);
        assert_eq!(alloc::format!("{secret:?}"), "[secret]");
    }
}
