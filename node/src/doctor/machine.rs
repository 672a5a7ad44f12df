//! What the machine grants: open files, buffers for datagrams, no core dumps.

use super::{Check, bytes};
use crate::harden;
use crate::net;
use std::fs;

/// Files that a node has open besides its connections.
const FILES_SPARE: u64 = 128;
/// Linux gives so much unless told otherwise; below it, bursts over QUIC are dropped.
const BUFFER_BYTES_MIN: u64 = 208 * 1024;
/// Datagrams dropped of so many received are worth a word.
const DROPPED_OF: u64 = 1_000;

pub(super) fn checks() -> Vec<Check> {
    vec![
        open_files(rustix::process::getrlimit(rustix::process::Resource::Nofile).current),
        udp_buffer(
            number("/proc/sys/net/core/rmem_default"),
            fs::read_to_string("/proc/net/snmp").ok().as_deref(),
        ),
        core_dumps(),
    ]
}

fn number(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn open_files(limit: Option<u64>) -> Check {
    const NAME: &str = "open_files";
    let wanted = u64::from(net::connections_max()) + FILES_SPARE;
    match limit {
        None => Check::ok(NAME, "as many as wanted"),
        Some(limit) if limit < wanted => Check::warn(
            NAME,
            format!("at most {limit}, and a busy node needs {wanted}"),
        )
        .hint("`ulimit -n 1024` before `up`, or LimitNOFILE= in its unit"),
        Some(limit) => Check::ok(NAME, format!("at most {limit}; a busy node needs {wanted}")),
    }
}

fn udp_buffer(size: Option<u64>, snmp: Option<&str>) -> Check {
    const NAME: &str = "udp_buffer";
    let Some(size) = size else {
        return Check::skipped(NAME, "the system does not tell");
    };
    if size < BUFFER_BYTES_MIN {
        return Check::warn(NAME, format!("{} for datagrams that arrive", bytes(size))).hint(
            format!("as root: sysctl -w net.core.rmem_default={BUFFER_BYTES_MIN}"),
        );
    }
    match snmp.and_then(dropped) {
        Some((dropped, received)) if dropped > received / DROPPED_OF => Check::warn(
            NAME,
            format!(
                "{}; {dropped} of {received} datagrams to this machine found it full",
                bytes(size)
            ),
        )
        .hint("as root, a larger one: sysctl -w net.core.rmem_default=1048576"),
        _ => Check::ok(NAME, format!("{} for datagrams that arrive", bytes(size))),
    }
}

/// Datagrams that found a full buffer, and all that arrived, since the machine started.
fn dropped(snmp: &str) -> Option<(u64, u64)> {
    let mut lines = snmp.lines().filter_map(|line| line.strip_prefix("Udp: "));
    let (names, values) = (lines.next()?, lines.next()?);
    let value = |wanted| {
        let at = names.split(' ').position(|name| name == wanted)?;
        values.split(' ').nth(at)?.parse().ok()
    };
    Some((value("RcvbufErrors")?, value("InDatagrams")?))
}

/// Tried on this very process, which is about to end.
fn core_dumps() -> Check {
    const NAME: &str = "core_dumps";
    harden::harden();
    if harden::is_hardened() {
        Check::ok(NAME, "a node switches them off")
    } else {
        Check::warn(
            NAME,
            "they cannot be switched off: a crash may put keys on the disk",
        )
        .hint("as root: sysctl -w kernel.core_pattern='|/bin/false'")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::State;

    #[test]
    fn limits_are_held_against_what_a_node_needs() {
        assert_eq!(open_files(None).state, State::Ok);
        assert_eq!(open_files(Some(1_024)).state, State::Ok);
        assert_eq!(open_files(Some(256)).state, State::Warn);
    }

    #[test]
    fn dropped_datagrams_are_found_by_name() {
        let snmp = |dropped| {
            format!(
                "Tcp: A B\nTcp: 1 2\nUdp: InDatagrams NoPorts RcvbufErrors\nUdp: 5000 9 {dropped}\n"
            )
        };
        assert_eq!(dropped(&snmp(7)), Some((7, 5_000)));
        assert_eq!(dropped("Udp: InDatagrams\n"), None);
        let state = |size, dropped: u64| udp_buffer(size, Some(&snmp(dropped))).state;
        assert_eq!(state(Some(BUFFER_BYTES_MIN), 5), State::Ok);
        assert_eq!(state(Some(BUFFER_BYTES_MIN), 6), State::Warn);
        assert_eq!(state(Some(BUFFER_BYTES_MIN - 1), 0), State::Warn);
        assert_eq!(state(None, 0), State::Skipped);
    }
}
