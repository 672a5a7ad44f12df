//! Randomness from the operating system.

use rand_core::{Rng, UnwrapErr};
use waxwing_protocol::private::Secret;

/// The system's generator. A system that cannot give random bytes can run nothing here.
pub(crate) type Dice = UnwrapErr<getrandom::SysRng>;

/// A generator to hand on.
pub(crate) fn dice() -> Dice {
    UnwrapErr(getrandom::SysRng)
}

/// Fresh random bytes.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    dice().fill_bytes(&mut bytes);
    bytes
}

/// Fresh secret bytes.
pub(crate) fn secret<const N: usize>() -> Secret<N> {
    Secret::random(&mut dice())
}
