//! Whether a bridge would work as it is set up.

use super::{Check, State, bytes, ports};
use crate::config::Config;
use crate::disk::free_bytes;
use crate::net::{Reaches, reaches};
use std::net::TcpListener;
use std::path::Path;
use waxwing_protocol::input::BridgeSettings;

pub(super) fn checks(config: &Config, bridge: &BridgeSettings, is_free: bool) -> Vec<Check> {
    let mut checks = vec![
        roles(bridge),
        quota(&config.home, bridge.quota_bytes, config.disk_free_min_bytes),
        addresses(&bridge.public, &config.listen),
    ];
    if is_free {
        checks.extend(ports::checks(config, None).into_iter().map(fixed));
        checks.push(metrics(config));
    } else {
        for name in ["ports", "metrics"] {
            checks.push(Check::skipped(name, "the bridge runs and holds them"));
        }
    }
    checks
}

fn roles(bridge: &BridgeSettings) -> Check {
    const NAME: &str = "roles";
    let all = [
        ("relay", bridge.relay),
        ("mailbox", bridge.mailbox),
        ("forward", bridge.forward),
    ];
    let on: Vec<&str> = all.iter().filter(|(_, on)| *on).map(|it| it.0).collect();
    match (bridge.mailbox, on.len()) {
        (_, 0) => Check::fail(NAME, "it does nothing for anybody").hint("give it a `role`"),
        (false, _) => Check::warn(
            NAME,
            format!("{}: nobody's letters wait here", on.join(", ")),
        )
        .hint("add the role `mailbox` to hold letters"),
        (true, _) => Check::ok(NAME, on.join(", ")),
    }
}

/// What the mailboxes may grow to has to fit beside what must stay free. A home that is to be made
/// will lie where its nearest directory lies.
fn quota(home: &Path, quota: u64, free_min: u64) -> Check {
    const NAME: &str = "quota";
    let there = home.ancestors().find(|path| path.is_dir());
    let free = match free_bytes(there.unwrap_or(Path::new("/"))) {
        Ok(free) => free,
        Err(error) => return Check::fail(NAME, format!("the disk does not tell: {error}")),
    };
    judge_quota(free, quota, free_min)
}

fn judge_quota(free: u64, quota: u64, free_min: u64) -> Check {
    const NAME: &str = "quota";
    let what = format!("{} of {} free", bytes(quota), bytes(free));
    let room = free.saturating_sub(free_min);
    if quota > room {
        Check::fail(NAME, what).hint("lower `bridge.quota`, or keep the home on a larger disk")
    } else if quota > room / 4 * 3 {
        // The database writes beside what it keeps until it tidies up.
        Check::warn(NAME, what).hint("the disk may fill before the mailboxes do: leave more free")
    } else {
        Check::ok(NAME, what)
    }
}

/// Where others are told to come.
fn addresses(public: &[String], listen: &[String]) -> Check {
    const NAME: &str = "addresses";
    let by = |far: Reaches, list: &[String]| -> Vec<String> {
        let so = |addr: &&String| reaches(addr) == Some(far);
        list.iter().filter(so).cloned().collect()
    };
    let machine = by(Reaches::Machine, public);
    if !machine.is_empty() {
        let what = format!("{} leads nowhere but here", machine.join(", "));
        return Check::fail(NAME, what).hint("`public-addr` is where others reach this machine");
    }
    let network = by(Reaches::Network, public);
    if !network.is_empty() {
        let what = format!("{} leads no further than its network", network.join(", "));
        return Check::warn(NAME, what)
            .hint("good for a bridge of one house; for others give the address of the router");
    }
    if !public.is_empty() {
        return Check::ok(NAME, public.join(", "));
    }
    if !listen.is_empty() && by(Reaches::Machine, listen).len() == listen.len() {
        return Check::warn(NAME, "it listens on this machine only")
            .hint("listen on /ip4/0.0.0.0/… to be reached from elsewhere");
    }
    Check::warn(
        NAME,
        "others are told the addresses of this machine's interfaces",
    )
    .hint("behind a router, or under a name, say where others reach it with `public-addr`")
}

/// Ports that are drawn cannot be opened in a firewall beforehand.
fn fixed(check: Check) -> Check {
    if check.state == State::Skipped {
        return Check::warn("ports", "they are drawn at the first start")
            .hint("name them with `listen`, so that a firewall can let them through");
    }
    check
}

fn metrics(config: &Config) -> Check {
    const NAME: &str = "metrics";
    let Some(addr) = config.metrics else {
        return Check::skipped(NAME, "they are not served");
    };
    if let Err(error) = TcpListener::bind(addr) {
        return Check::fail(NAME, format!("{addr} cannot be listened on: {error}"))
            .hint("choose another address with `metrics`");
    }
    if addr.ip().is_loopback() {
        return Check::ok(NAME, format!("at http://{addr}/metrics"));
    }
    Check::warn(NAME, format!("whoever reaches {addr} may read them"))
        .hint("let only your own machines through to it")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    fn settings(relay: bool, mailbox: bool) -> BridgeSettings {
        BridgeSettings {
            country: "MY".to_owned(),
            operator: "Library".to_owned(),
            mailbox,
            forward: false,
            relay,
            public: Vec::new(),
            quota_bytes: 1 << 30,
        }
    }

    #[test]
    fn a_quota_fits_beside_what_must_stay_free() {
        let state = |quota| judge_quota(1_000, quota, 200).state;
        assert_eq!(state(801), State::Fail);
        assert_eq!(state(601), State::Warn);
        assert_eq!(state(600), State::Ok);
        let home = tempfile::tempdir().unwrap();
        // A home that is not there yet lies on its parent's disk.
        let there = quota(&home.path().join("new/home"), u64::MAX, 0);
        assert_eq!(there.state, State::Fail);
        assert!(!home.path().join("new").exists());
    }

    #[test]
    fn an_address_has_to_lead_here_from_elsewhere() {
        let state = |public: &[&str], listen: &[&str]| {
            let list = |of: &[&str]| of.iter().map(|&it| it.to_owned()).collect::<Vec<_>>();
            addresses(&list(public), &list(listen)).state
        };
        assert_eq!(state(&["/dns4/bridge.example/tcp/1"], &[]), State::Ok);
        assert_eq!(state(&["/ip4/10.0.0.1/tcp/1"], &[]), State::Warn);
        assert_eq!(state(&["/ip4/127.0.0.1/tcp/1"], &[]), State::Fail);
        assert_eq!(state(&[], &["/ip4/127.0.0.1/tcp/1"]), State::Warn);
        assert_eq!(state(&[], &[]), State::Warn);
    }

    #[test]
    fn a_bridge_does_something() {
        assert_eq!(roles(&settings(true, true)).state, State::Ok);
        assert_eq!(roles(&settings(true, false)).state, State::Warn);
        assert_eq!(roles(&settings(false, false)).state, State::Fail);
    }

    #[test]
    fn figures_need_a_free_address_and_better_a_private_one() {
        let mut config = Config::new("/nonexistent");
        assert_eq!(metrics(&config).state, State::Skipped);
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        config.metrics = Some(taken.local_addr().unwrap());
        assert_eq!(metrics(&config).state, State::Fail);
        config.metrics = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
        assert_eq!(metrics(&config).state, State::Ok);
        config.metrics = Some(SocketAddr::from(([0, 0, 0, 0], 0)));
        assert_eq!(metrics(&config).state, State::Warn);
    }
}
