//! The clock, without asking anybody: against the program's own age, the files of the home, and
//! the steady clock since the node last started or ended.

use super::Check;
use crate::clock::{Mark, wall_s};
use std::fs;
use std::path::Path;
use std::time::UNIX_EPOCH;
use waxwing_protocol::time::{DAY_S, Secs};

/// This version was made on 2026-11-24: no clock that is right shows less.
const MADE_S: Secs = 1_795_478_400;
/// Nobody runs a version for so long.
const LIFE_S: Secs = 10 * 365 * DAY_S;
/// Clocks that are kept by the network differ by less.
const SLACK_S: u64 = 60;
/// Files that a node writes to as long as it runs.
const WRITTEN: [&str; 5] = ["db/db", "db/commits", "state-key", "ports", "clock"];

pub(super) fn check(home: &Path, running: bool) -> Check {
    judge(wall_s(), newest(home), Mark::read(home), running)
}

fn judge(now: Secs, newest: Option<Secs>, mark: Option<Mark>, running: bool) -> Check {
    const NAME: &str = "clock";
    let shown = date(now);
    if now < MADE_S {
        let what = format!("it says {shown}, and this program was made later");
        return Check::fail(NAME, what).hint("set the clock; messages carry its time");
    }
    if now > MADE_S + LIFE_S {
        let what = format!("it says {shown}, ten years after this program was made");
        return Check::warn(NAME, what).hint("set the clock; messages carry its time");
    }
    if let Some(newest) = newest
        && newest > now + SLACK_S
    {
        let what = format!(
            "it says {shown}, {} behind what was last written in the home",
            span(newest - now)
        );
        return Check::warn(NAME, what).hint("it was ahead then, or is behind now: set it");
    }
    let set = mark.and_then(|mark| mark.set_since());
    if let Some((ahead, by)) = set.filter(|(_, by)| *by / 1_000 > SLACK_S) {
        let what = format!(
            "it was set {} by {} since the node last started or ended",
            if ahead { "forward" } else { "back" },
            span(by / 1_000)
        );
        let hint = if running {
            "a node keeps the time it started with: end it and start it again"
        } else {
            "if it is right now, nothing has to be done"
        };
        return Check::warn(NAME, what).hint(hint);
    }
    Check::ok(NAME, format!("{shown}, in step with the home"))
}

/// The newest time of a file that a node writes.
fn newest(home: &Path) -> Option<Secs> {
    let times = WRITTEN.iter().filter_map(|name| {
        let time = fs::metadata(home.join(name)).ok()?.modified().ok()?;
        Some(time.duration_since(UNIX_EPOCH).ok()?.as_secs())
    });
    times.max()
}

fn date(now: Secs) -> String {
    let seconds = i64::try_from(now).unwrap_or(i64::MAX);
    match jiff::Timestamp::from_second(seconds) {
        Ok(time) => time.to_string(),
        Err(_) => format!("{now} s after 1970"),
    }
}

fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} minutes", seconds / 60),
        7_200..172_800 => format!("{} hours", seconds / 3_600),
        _ => format!("{} days", seconds / DAY_S),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::State;

    const NOW: Secs = MADE_S + 1_000_000;

    #[test]
    fn a_clock_is_judged_by_what_it_cannot_say() {
        let state = |now, newest, mark| judge(now, newest, mark, false).state;
        assert_eq!(state(NOW, None, None), State::Ok);
        assert_eq!(state(NOW, Some(NOW + SLACK_S), None), State::Ok);
        assert_eq!(state(NOW, Some(NOW + SLACK_S + 1), None), State::Warn);
        assert_eq!(state(MADE_S - 1, None, None), State::Fail);
        assert_eq!(state(MADE_S + LIFE_S + 1, None, None), State::Warn);
    }

    #[test]
    fn one_that_was_set_is_noticed_by_the_steady_one() {
        let home = tempfile::tempdir().unwrap();
        crate::clock::mark(home.path());
        let mark = Mark::read(home.path()).unwrap();
        assert_eq!(judge(NOW, None, Some(mark.clone()), true).state, State::Ok);
        for ahead in [true, false] {
            let mut mark = mark.clone();
            let hour = 3_600_000;
            mark.wall_ms = if ahead {
                mark.wall_ms - hour
            } else {
                mark.wall_ms + hour
            };
            let check = judge(NOW, None, Some(mark.clone()), true);
            assert_eq!(check.state, State::Warn, "{check:?}");
            let word = if ahead { "forward" } else { "back" };
            assert!(check.detail.contains(word), "{check:?}");
            // After a restart of the machine the steady clock begins anew and says nothing.
            mark.boot = "another".to_owned();
            assert_eq!(judge(NOW, None, Some(mark), true).state, State::Ok);
        }
    }
}
