//! How fast somebody may ask: a bucket that fills steadily and is taken from. The caller brings the
//! time.

use serde::{Deserialize, Serialize};
use std::fmt;
use waxwing_protocol::time::{MINUTE_MS, Millis, SECOND_MS};

/// Requests per minute.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub(crate) struct Rate(u32);

/// Requests a second, at most.
const PER_SECOND_MAX: u32 = 10_000;
/// So many may be asked at once after a rest, whatever the rate.
const BURST_MIN: u32 = 50;

impl Rate {
    /// What a token may ask if nothing else was said: plenty for a bot that answers people.
    pub(crate) const DEFAULT: Self = Self::per_second(50);

    /// So many a second.
    pub(crate) const fn per_second(n: u32) -> Self {
        Self(n * 60)
    }

    /// `20/s` or `5/m`; up to 10,000 a second.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (number, unit) = text.split_once('/')?;
        // `parse` alone would take a leading plus.
        if !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let factor = match unit {
            "s" => 60,
            "m" => 1,
            _ => return None,
        };
        let per_minute = number.parse::<u32>().ok()?.checked_mul(factor)?;
        (1..=PER_SECOND_MAX * 60)
            .contains(&per_minute)
            .then_some(Self(per_minute))
    }

    /// Two seconds' worth, and never so few that a page could not be built.
    const fn burst(self) -> u32 {
        let two_seconds = self.0 / 30;
        if two_seconds < BURST_MIN {
            BURST_MIN
        } else {
            two_seconds
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_multiple_of(60) {
            write!(f, "{}/s", self.0 / 60)
        } else {
            write!(f, "{}/m", self.0)
        }
    }
}

/// What is left of a rate. Counted in parts of a request: one at one request a minute takes
/// `MINUTE_MS` parts, so that a millisecond always adds whole ones.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    rate: Rate,
    parts: u64,
    /// Up to when it was filled.
    at: Millis,
}

impl Bucket {
    /// A full one.
    pub(crate) fn full(rate: Rate) -> Self {
        Self {
            rate,
            parts: u64::from(rate.burst()) * MINUTE_MS,
            at: 0,
        }
    }

    /// Takes the worth of `cost` requests; or says how many milliseconds to wait. A cost beyond what
    /// ever fits is taken when the bucket is full.
    pub(crate) fn take(&mut self, now: Millis, cost: u32) -> Result<(), Millis> {
        let most = u64::from(self.rate.burst()) * MINUTE_MS;
        let passed = now.saturating_sub(self.at);
        self.at = self.at.max(now);
        let more = passed.saturating_mul(u64::from(self.rate.0));
        self.parts = self.parts.saturating_add(more).min(most);
        let cost = (u64::from(cost) * MINUTE_MS).min(most);
        match self.parts.checked_sub(cost) {
            Some(left) => {
                self.parts = left;
                Ok(())
            }
            None => Err((cost - self.parts).div_ceil(u64::from(self.rate.0))),
        }
    }
}

/// A wait as `Retry-After` says it: whole seconds, never none.
pub(crate) fn seconds(wait: Millis) -> u64 {
    wait.div_ceil(SECOND_MS).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_numbers_with_a_unit() {
        for (text, shown) in [
            ("20/s", "20/s"),
            ("5/m", "5/m"),
            ("120/m", "2/s"),
            ("10000/s", "10000/s"),
        ] {
            assert_eq!(Rate::parse(text).unwrap().to_string(), shown);
        }
        for bad in [
            "",
            "/s",
            "0/s",
            "+1/s",
            "1",
            "1/h",
            "10001/s",
            "99999999999/s",
            "1/s/s",
            " 1/s",
        ] {
            assert_eq!(Rate::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_burst_then_the_rate_and_the_wait_is_told_exactly() {
        let mut bucket = Bucket::full(Rate::per_second(100));
        for _ in 0..200 {
            assert_eq!(bucket.take(1_000, 1), Ok(()));
        }
        assert_eq!(bucket.take(1_000, 1), Err(10));
        assert_eq!(bucket.take(1_009, 1), Err(1));
        assert_eq!(bucket.take(1_010, 1), Ok(()));
        assert_eq!(bucket.take(1_010, 1), Err(10));
        assert_eq!(bucket.take(1_010, 20), Err(200));
        // A refusal costs nothing, and a rest never gives more than the burst.
        assert_eq!(bucket.take(1_020, 1), Ok(()));
        for _ in 0..200 {
            assert_eq!(bucket.take(1_000_000, 1), Ok(()));
        }
        assert!(bucket.take(1_000_000, 1).is_err());
    }

    #[test]
    fn a_clock_that_stands_or_goes_back_gives_nothing() {
        let mut bucket = Bucket::full(Rate::parse("1/m").unwrap());
        for _ in 0..50 {
            assert_eq!(bucket.take(60_000, 1), Ok(()));
        }
        assert_eq!(bucket.take(60_000, 1), Err(60_000));
        assert_eq!(bucket.take(0, 1), Err(60_000));
        assert_eq!(bucket.take(119_999, 1), Err(1));
        assert_eq!(bucket.take(120_000, 1), Ok(()));
    }

    #[test]
    fn what_never_fits_is_taken_from_a_full_bucket() {
        let mut bucket = Bucket::full(Rate::parse("1/m").unwrap());
        assert_eq!(bucket.take(0, 1_000), Ok(()));
        assert_eq!(bucket.take(0, 1_000), Err(50 * 60_000));
    }

    #[test]
    fn a_wait_is_whole_seconds_and_never_none() {
        assert_eq!(
            (seconds(0), seconds(1), seconds(1_000), seconds(1_001)),
            (1, 1, 1, 2)
        );
    }
}
