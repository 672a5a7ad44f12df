//! The engine's time.

use std::time::{SystemTime, UNIX_EPOCH};
use waxwing_protocol::time::{Millis, Secs, secs};

/// Unix milliseconds at start, plus what a clock that only runs forward counted since. A wall
/// clock that is set back or forth while the node runs moves no deadline.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    unix_ms: Millis,
    forward_ms: Millis,
}

impl Clock {
    /// Reads the wall clock, once.
    pub(crate) fn start() -> Self {
        Self {
            unix_ms: wall_ms(),
            forward_ms: forward_ms(),
        }
    }

    /// Unix milliseconds; never goes back.
    pub(crate) fn now(self) -> Millis {
        self.unix_ms + forward_ms().saturating_sub(self.forward_ms)
    }
}

/// The wall clock in unix seconds, for what is dated before an engine runs.
pub(crate) fn wall_s() -> Secs {
    secs(wall_ms())
}

fn wall_ms() -> Millis {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as Millis)
}

/// Milliseconds of a clock that nobody can set and that counts sleep too: a laptop that was closed
/// over night wakes up in the right day.
pub(crate) fn forward_ms() -> Millis {
    #[cfg(target_os = "linux")]
    const CLOCK: rustix::time::ClockId = rustix::time::ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    const CLOCK: rustix::time::ClockId = rustix::time::ClockId::Monotonic;
    let at = rustix::time::clock_gettime(CLOCK);
    at.tv_sec as Millis * 1_000 + at.tv_nsec as Millis / 1_000_000
}
