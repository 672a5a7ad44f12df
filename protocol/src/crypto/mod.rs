//! The primitives, each behind one small file, and every label in one table.

pub mod agree;
pub mod derive;
#[cfg(test)]
pub mod dice;
pub mod hash;
pub mod kem;
pub mod seal;
pub mod sign;
