//! The generator of the vectors: block i of stream `name` is SHA-256(name ‖ u64 i), i from 0;
//! draws take bytes from the blocks one after another. What was drawn is remembered, so that a
//! vector can show it.

use sha2::{Digest, Sha256};

/// One stream.
pub struct Dice {
    name: &'static str,
    block: u64,
    left: Vec<u8>,
    /// Every draw since this was last emptied.
    pub drawn: Vec<Vec<u8>>,
}

impl Dice {
    /// The stream of that name.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            block: 0,
            left: Vec::new(),
            drawn: Vec::new(),
        }
    }

    /// Fixed-width bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        self.take(&mut out);
        out
    }

    fn take(&mut self, dst: &mut [u8]) {
        for byte in dst.iter_mut() {
            if self.left.is_empty() {
                let mut sha = Sha256::new();
                sha.update(self.name.as_bytes());
                sha.update(self.block.to_be_bytes());
                self.block += 1;
                self.left = sha.finalize().to_vec();
            }
            *byte = self.left.remove(0);
        }
        self.drawn.push(dst.to_vec());
    }
}

impl rand_core::TryRng for Dice {
    type Error = core::convert::Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(u32::from_be_bytes(self.bytes()))
    }
    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(u64::from_be_bytes(self.bytes()))
    }
    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Self::Error> {
        self.take(dst);
        Ok(())
    }
}
impl rand_core::TryCryptoRng for Dice {}
