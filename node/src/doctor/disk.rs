//! The disk under the home: room, how long it takes to be sure, and whether it can be sure at all.

use super::{Check, bytes};
use crate::disk::free_bytes;
use crate::files;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// Writes measured; the middle one counts.
const WRITES: usize = 15;
const WRITE_BYTES: usize = 4_096;
/// A message waits for at least one of these on each side: beyond this it is felt.
const SLOW: Duration = Duration::from_millis(30);
/// Where the room gets short: so many times the mark at which writing stops.
const SHORT: u64 = 4;

/// File systems by the number that Linux gives them (`statfs(2)`), and what is wrong with them.
const KINDS: [(u32, &str, &str); 7] = [
    (0x0102_1997, "9p", SHARED),
    (0x6969, "nfs", SHARED),
    (0xff53_4d42, "cifs", SHARED),
    (0xfe53_4d42, "smb2", SHARED),
    (0x786f_4256, "vboxsf", SHARED),
    (0x6573_5546, "fuse", SHARED),
    (
        0x0102_1994,
        "tmpfs",
        "it lies in memory: a restart of the machine takes the home",
    ),
];
const SHARED: &str = "locks and syncs may not reach the disk behind it: acknowledged messages may be lost with its power";

pub(super) fn checks(home: &Path, free_min: u64) -> Vec<Check> {
    if !home.is_dir() {
        let none = || "there is no home yet".to_owned();
        return ["disk_room", "disk_sync", "disk_kind"]
            .map(|name| Check::skipped(name, none()))
            .into();
    }
    vec![room(free_bytes(home), free_min), sync(home), kind(home)]
}

fn room(free: io::Result<u64>, free_min: u64) -> Check {
    const NAME: &str = "disk_room";
    let free = match free {
        Ok(free) => free,
        Err(error) => return Check::fail(NAME, format!("the disk does not tell: {error}")),
    };
    let what = format!("{} free, writing stops at {}", bytes(free), bytes(free_min));
    if free < free_min {
        Check::fail(NAME, what).hint("free some space; the node goes on by itself")
    } else if free < free_min.saturating_mul(SHORT) {
        Check::warn(NAME, what).hint("free some space before it runs out")
    } else {
        Check::ok(NAME, what)
    }
}

fn sync(home: &Path) -> Check {
    const NAME: &str = "disk_sync";
    let path = files::beside(&home.join("doctor"), ".new");
    let measured = measure(&path);
    // Whatever happened, nothing is left; the file is nobody's.
    let _ = fs::remove_file(&path);
    match measured {
        Ok(middle) => judge_sync(middle),
        Err(error) if files::is_full(&error) => Check::skipped(NAME, "the disk is full"),
        Err(error) => Check::fail(NAME, format!("the home cannot be written: {error}"))
            .hint("give the user of the node the home and the right to write there"),
    }
}

fn judge_sync(middle: Duration) -> Check {
    const NAME: &str = "disk_sync";
    let what = format!(
        "{:.1} ms until a write is safe",
        middle.as_secs_f64() * 1_000.0
    );
    if middle > SLOW {
        Check::warn(NAME, what).hint("every message waits for that: a home on a faster disk helps")
    } else {
        Check::ok(NAME, what)
    }
}

/// How long a small write and its sync take, as a commit does them; the middle of some.
fn measure(path: &Path) -> io::Result<Duration> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    let mut times = Vec::with_capacity(WRITES);
    for _ in 0..WRITES {
        let since = Instant::now();
        file.write_all(&[0x77; WRITE_BYTES])?;
        file.sync_data()?;
        times.push(since.elapsed());
    }
    times.sort();
    Ok(times[WRITES / 2])
}

#[cfg(target_os = "linux")]
fn kind(home: &Path) -> Check {
    const NAME: &str = "disk_kind";
    match rustix::fs::statfs(home) {
        // The field's width differs between machines; the numbers all fit 32 bits.
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "as said"
        )]
        Ok(found) => judge_kind(found.f_type as u32),
        Err(error) => Check::skipped(NAME, format!("the system does not tell: {error}")),
    }
}

#[cfg(not(target_os = "linux"))]
fn kind(_: &Path) -> Check {
    Check::skipped("disk_kind", "only Linux tells")
}

#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
fn judge_kind(number: u32) -> Check {
    const NAME: &str = "disk_kind";
    match KINDS.iter().find(|(known, ..)| *known == number) {
        Some((_, name, why)) => Check::warn(NAME, format!("{name}: {why}"))
            .hint("keep the home on a disk of this machine"),
        None => Check::ok(NAME, "a disk of this machine, as far as its kind tells"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::State;

    #[test]
    fn room_is_judged_by_the_mark() {
        let state = |free| room(Ok(free), 100).state;
        assert_eq!(state(99), State::Fail);
        assert_eq!(state(100), State::Warn);
        assert_eq!(state(400), State::Ok);
        assert_eq!(
            room(Err(io::ErrorKind::NotFound.into()), 1).state,
            State::Fail
        );
    }

    #[test]
    fn a_slow_disk_is_felt_and_a_wrong_one_is_named() {
        assert_eq!(judge_sync(SLOW).state, State::Ok);
        assert_eq!(judge_sync(SLOW * 2).state, State::Warn);
        assert_eq!(judge_kind(0xef53).state, State::Ok);
        let nfs = judge_kind(0x6969);
        assert!(nfs.state == State::Warn && nfs.detail.starts_with("nfs"));
    }

    #[test]
    fn measuring_leaves_nothing() {
        let home = tempfile::tempdir().unwrap();
        assert!(sync(home.path()).detail.ends_with("until a write is safe"));
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
        assert_eq!(sync(&home.path().join("none")).state, State::Fail);
    }
}
