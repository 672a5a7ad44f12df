//! The engine's time, and what the clocks said last.

use crate::files;
use std::fs;
use std::path::Path;
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

/// A line with two numbers and a name of 36 letters.
const MARK_BYTES_MAX: u64 = 256;

/// What the clocks said when a node last started or ended in a home: the wall clock, the one that
/// only runs forward, and the run of the machine that the latter counts within. A home that was
/// never marked, or whose mark cannot be read, has none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Mark {
    pub(crate) wall_ms: Millis,
    pub(crate) forward_ms: Millis,
    pub(crate) boot: String,
}

impl Mark {
    fn now() -> Self {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Self {
            wall_ms: wall_ms(),
            forward_ms: forward_ms(),
            boot: boot.trim().to_owned(),
        }
    }

    pub(crate) fn read(home: &Path) -> Option<Self> {
        let bytes = files::read_small(&home.join("clock"), MARK_BYTES_MAX).ok()??;
        let text = String::from_utf8(bytes).ok()?;
        let mut words = text.split_whitespace();
        Some(Self {
            wall_ms: words.next()?.parse().ok()?,
            forward_ms: words.next()?.parse().ok()?,
            boot: words.next()?.to_owned(),
        })
    }

    /// Whether the wall clock was set forward since, and by how many milliseconds it differs from
    /// what the steady one counted; `None` if that cannot be told.
    pub(crate) fn set_since(&self) -> Option<(bool, u64)> {
        let now = Self::now();
        if now.boot.is_empty() || now.boot != self.boot {
            return None;
        }
        let passed = now.forward_ms.checked_sub(self.forward_ms)?;
        let expected = self.wall_ms.checked_add(passed)?;
        Some((now.wall_ms > expected, now.wall_ms.abs_diff(expected)))
    }
}

/// Leaves a mark in a home. It is a remark for `doctor`: not synced, and no harm if it is lost.
pub(crate) fn mark(home: &Path) {
    let Mark {
        wall_ms,
        forward_ms,
        boot,
    } = Mark::now();
    let (path, fresh) = (home.join("clock"), home.join("clock.new"));
    let written = fs::write(&fresh, format!("{wall_ms} {forward_ms} {boot}\n"));
    if let Err(error) = written.and_then(|()| fs::rename(&fresh, &path)) {
        tracing::debug!(kind = %error.kind(), "no mark of the clocks was left");
    }
}
