//! How fast a bridge is filled: blocks taken a second, over the last minute or so.

use crate::runtime::EngineHandle;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use waxwing_protocol::query;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(10);
/// Looks that are kept: a minute.
const LOOKS_MAX: usize = 6;

/// What was counted, and when; the oldest first.
#[derive(Default)]
pub(super) struct Pace(Mutex<VecDeque<(Instant, u64)>>);

impl Pace {
    fn look(&self, at: Instant, deposits: u64) {
        let mut looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if looks.len() == LOOKS_MAX {
            looks.pop_front();
        }
        looks.push_back((at, deposits));
    }

    /// Blocks taken a second since the oldest look, in hundredths; 0 before the first.
    pub(super) fn per_second(&self, at: Instant, deposits: u64) -> f64 {
        let looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((since, before)) = looks.front() else {
            return 0.0;
        };
        let millis = at.saturating_duration_since(*since).as_millis().max(1);
        let hundredths = u128::from(deposits.saturating_sub(*before)) * 100_000 / millis;
        // Far below where a float loses whole numbers.
        u32::try_from(hundredths).map_or(f64::MAX, |hundredths| f64::from(hundredths) / 100.0)
    }
}

/// Looks every now and then until the end.
pub(super) async fn keep(pace: Arc<Pace>, node: EngineHandle, mut stop: watch::Receiver<bool>) {
    loop {
        // A disk that fails is told of elsewhere.
        if let Ok(Some(host)) = node.query(query::bridge).await {
            pace.look(Instant::now(), host.deposits);
        }
        if tokio::time::timeout(EVERY, stop.wait_for(|stop| *stop))
            .await
            .is_ok()
        {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_that_of_the_last_minute() {
        let pace = Pace::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let is = |seconds, deposits: u64, expected: f64| {
            let found = pace.per_second(at(seconds), deposits);
            assert!((found - expected).abs() < 0.001, "{found}");
        };
        is(0, 7, 0.0);
        pace.look(at(0), 100);
        is(10, 100, 0.0);
        is(10, 125, 2.5);
        for look in 1..=6 {
            pace.look(at(10 * look), 1_000);
        }
        // The one of the beginning is forgotten.
        is(70, 1_060, 1.0);
        // A home that was put back counts less than before.
        is(70, 0, 0.0);
    }
}
