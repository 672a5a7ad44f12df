//! What happens to frames on their way.

use crate::dice::Dice;
use waxwing_protocol::time::Millis;

/// How connections behave. Probabilities are per frame.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct LinkConfig {
    /// Least and greatest time on the way.
    pub latency_ms: (Millis, Millis),
    /// A frame vanishes. A real stream never does this; the engine must survive it all the same.
    pub loss: f64,
    /// A frame arrives twice.
    pub duplicate: f64,
    /// A frame does not wait for those before it.
    pub reorder: f64,
    /// Least and greatest time until a side notices that a connection is gone.
    pub notice_ms: (Millis, Millis),
    /// Least and greatest time until a dial succeeds.
    pub dial_ms: (Millis, Millis),
    /// Least and greatest time until a dial is given up.
    pub fail_ms: (Millis, Millis),
}

impl LinkConfig {
    /// Constant and faithful: for scenes whose times are printed.
    pub const STEADY: Self = Self {
        latency_ms: (20, 20),
        loss: 0.0,
        duplicate: 0.0,
        reorder: 0.0,
        notice_ms: (1_000, 1_000),
        dial_ms: (60, 60),
        fail_ms: (1_000, 1_000),
    };

    /// An ordinary network: delays vary, nothing is lost.
    pub const FAIR: Self = Self {
        latency_ms: (5, 120),
        loss: 0.0,
        duplicate: 0.0,
        reorder: 0.0,
        notice_ms: (0, 3_000),
        dial_ms: (20, 400),
        fail_ms: (200, 5_000),
    };

    /// Everything that can go wrong does.
    pub const ROUGH: Self = Self {
        latency_ms: (5, 1_500),
        loss: 0.08,
        duplicate: 0.08,
        reorder: 0.2,
        ..Self::FAIR
    };

    /// When the copies of a frame arrive, counted from its sending. `queue_ms` is when the frame
    /// before it arrives: a frame that keeps its place is not earlier than that.
    pub fn fate(&self, dice: &mut Dice, queue_ms: Millis) -> Fate {
        // All draws always happen, so that a changed probability shifts nothing after it.
        let lost = dice.chance(self.loss);
        let twice = dice.chance(self.duplicate);
        let jumps = dice.chance(self.reorder);
        let first = dice.between(self.latency_ms);
        let second = first + 1 + dice.between(self.latency_ms);
        let in_order = if jumps { first } else { first.max(queue_ms) };
        let mut copies = Vec::new();
        if !lost {
            copies.push(in_order);
        }
        if twice {
            copies.push(second.max(in_order));
        }
        Fate {
            copies,
            keeps_place: !jumps && !lost,
        }
    }
}

/// What becomes of one frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fate {
    /// Delays of the copies that arrive.
    pub copies: Vec<Millis>,
    /// The frames after it wait for it.
    pub keeps_place: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::Purpose;

    fn counts(config: LinkConfig) -> (usize, usize, usize) {
        let mut dice = Dice::new(3, Purpose::Link, 0, 1);
        let (mut lost, mut twice, mut jumped) = (0, 0, 0);
        for _ in 0..2_000 {
            let fate = config.fate(&mut dice, 10_000);
            lost += usize::from(fate.copies.is_empty());
            twice += usize::from(fate.copies.len() == 2);
            jumped += usize::from(fate.copies.first().is_some_and(|at| *at < 10_000));
        }
        (lost, twice, jumped)
    }

    #[test]
    fn a_fair_link_delivers_each_frame_once_and_in_order() {
        assert_eq!(counts(LinkConfig::FAIR), (0, 0, 0));
    }

    #[test]
    fn a_rough_link_loses_repeats_and_reorders() {
        let (lost, twice, jumped) = counts(LinkConfig::ROUGH);
        for (what, count) in [("lost", lost), ("twice", twice), ("jumped", jumped)] {
            assert!((50..1_000).contains(&count), "{what}: {count}");
        }
    }
}
