//! Seeded dice, one stream per purpose, so that one stream's use never moves another.

use chacha20::ChaCha8Rng;
use rand_core::{CryptoRng, Rng, SeedableRng};

/// What a stream of dice is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// The randomness that one person's engine is lent.
    Engine = 1,
    /// One person's shell: group sizes, delays, restarts.
    Shell = 2,
    /// What happens to frames from one person to another.
    Link = 3,
    /// What people do.
    Script = 4,
    /// Trying something on a copy of a disk.
    Rehearsal = 5,
}

/// A stream of dice.
pub struct Dice(ChaCha8Rng);

impl Dice {
    /// The stream of a purpose; `a` and `b` tell people and pairs apart.
    pub fn new(seed: u64, purpose: Purpose, a: usize, b: usize) -> Self {
        let mut bytes = [0; 32];
        let parts = [seed, purpose as u64, a as u64, b as u64];
        for (chunk, part) in bytes.chunks_exact_mut(8).zip(parts) {
            chunk.copy_from_slice(&part.to_be_bytes());
        }
        Self(ChaCha8Rng::from_seed(bytes))
    }

    /// A number below `end`; 0 if `end` is 0. The bias of a remainder does not matter here.
    pub fn below(&mut self, end: u64) -> u64 {
        match end {
            0 => 0,
            _ => self.0.next_u64() % end,
        }
    }

    /// An index below `len`; 0 if `len` is 0.
    pub fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or(0)
    }

    /// A number from `low` to `high`, both included; `low` if there is no other.
    pub fn between(&mut self, (low, high): (u64, u64)) -> u64 {
        low + self.below(high.saturating_sub(low).saturating_add(1))
    }

    /// True with the given probability. Draws even for 0 and 1: changing a probability must not
    /// shift the draws after it.
    pub fn chance(&mut self, probability: f64) -> bool {
        const STEPS: u64 = 1 << 53;
        let draw = self.0.next_u64() % STEPS;
        #[allow(clippy::cast_precision_loss, reason = "both are at most 2^53")]
        let unit = draw as f64 / STEPS as f64;
        unit < probability
    }

    /// Random bytes.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    /// As the engine wants it.
    pub fn rng(&mut self) -> &mut dyn CryptoRng {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_the_same_for_the_same_seed_and_differ_otherwise() {
        let first = |seed, purpose, a, b| Dice::new(seed, purpose, a, b).below(u64::MAX);
        let one = first(7, Purpose::Link, 1, 2);
        assert_eq!(one, first(7, Purpose::Link, 1, 2));
        for other in [
            first(8, Purpose::Link, 1, 2),
            first(7, Purpose::Shell, 1, 2),
            first(7, Purpose::Link, 2, 1),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn draws_stay_within_their_bounds() {
        let mut dice = Dice::new(1, Purpose::Script, 0, 0);
        for _ in 0..1_000 {
            assert!(dice.below(3) < 3);
            assert!((5..=9).contains(&dice.between((5, 9))));
            assert!(!dice.chance(0.0));
            assert!(dice.chance(1.0));
        }
        assert_eq!(dice.below(0), 0);
        assert_eq!(dice.between((4, 4)), 4);
    }
}
