//! Networks of network namespaces: an Internet, hosts on it, routers with hosts behind them. Real
//! kernels' routing and address translation, and no packet outside this machine.
//!
//! Needs root, `ip` and `nft`; [`Lab::new`] says loudly where it cannot be. Everything that a lab
//! made goes with it, also when a test panics; what a killed run left is swept up by the next one.
//! People whose nodes run inside have to go first: declare the lab before them.

mod router;

pub use router::Nat;

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// Where `ip` and `nft` are looked for.
const PLACES: [&str; 4] = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];
/// Beginning of the names of all namespaces of all labs.
const PREFIX: &str = "wxlab-";

/// A network. Its Internet is a namespace that routes between what is connected to it.
pub struct Lab {
    /// `wxlab-PID-NUMBER-`
    prefix: String,
    internet: String,
    /// Networks that were given out: `9.9.N.0/24` each.
    networks: Cell<u8>,
}

/// A namespace in which programs can run.
#[derive(Clone, Debug)]
pub struct Host {
    namespace: String,
    /// Its IPv4 address.
    pub address: String,
    /// The Internet's end of the cable that leads here, directly or through the router.
    cable: String,
}

impl Lab {
    /// `None`, loudly, where there is no root or the tools are missing.
    pub fn new() -> Option<Self> {
        static LABS: AtomicU32 = AtomicU32::new(0);
        if tool("ip").is_none() || tool("nft").is_none() {
            return skip("`ip` or `nft` is missing (apt install iproute2 nftables)");
        }
        sweep();
        let number = LABS.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("{PREFIX}{}-{number}-", std::process::id());
        let internet = format!("{prefix}net");
        let lab = Self {
            prefix,
            internet: internet.clone(),
            networks: Cell::new(0),
        };
        if !quiet(&["ip", "netns", "add", &internet]) {
            return skip("no network namespace can be made here (needs root)");
        }
        let works = quiet(&[
            "ip",
            "netns",
            "exec",
            &internet,
            tool("nft")?.as_str(),
            "list",
            "ruleset",
        ]);
        if !works {
            return skip("this kernel has no nftables");
        }
        lab.set_up(&internet);
        Some(lab)
    }

    fn set_up(&self, namespace: &str) {
        inside(namespace, &["ip", "link", "set", "lo", "up"]);
        write_inside(namespace, "/proc/sys/net/ipv4/ip_forward", "1");
    }

    fn namespace(&self, name: &str) -> String {
        let namespace = format!("{}{name}", self.prefix);
        must(&["ip", "netns", "add", &namespace]);
        inside(&namespace, &["ip", "link", "set", "lo", "up"]);
        namespace
    }

    /// A host with a public address.
    ///
    /// # Panics
    /// If the system refuses.
    pub fn public(&self, name: &str) -> Host {
        let namespace = self.namespace(name);
        let (address, cable) = self.connect(&namespace, "eth0");
        Host {
            namespace,
            address,
            cable,
        }
    }

    /// A host behind a router of its own.
    ///
    /// # Panics
    /// If the system refuses.
    pub fn behind(&self, name: &str, nat: Nat) -> Host {
        let router = self.namespace(&format!("{name}-router"));
        write_inside(&router, "/proc/sys/net/ipv4/ip_forward", "1");
        let (address, cable) = self.connect(&router, "wan");
        let namespace = self.namespace(name);
        join(&router, "lan", &namespace, "eth0");
        give(&router, "lan", "192.168.1.1/24");
        give(&namespace, "eth0", "192.168.1.2/24");
        inside(
            &namespace,
            &["ip", "route", "add", "default", "via", "192.168.1.1"],
        );
        router::load(&router, nat, &address);
        Host {
            namespace,
            address: "192.168.1.2".into(),
            cable,
        }
    }

    /// Connects a namespace to the Internet; gives its address and the cable's other end.
    fn connect(&self, namespace: &str, interface: &str) -> (String, String) {
        let number = self.networks.get() + 1;
        self.networks.set(number);
        let cable = format!("net{number}");
        join(&self.internet, &cable, namespace, interface);
        let (gateway, address) = (format!("9.9.{number}.254"), format!("9.9.{number}.1"));
        give(&self.internet, &cable, &format!("{gateway}/24"));
        give(namespace, interface, &format!("{address}/24"));
        inside(
            namespace,
            &["ip", "route", "add", "default", "via", &gateway],
        );
        (address, cable)
    }

    /// Loses so many of a hundred packets on their way through the Internet, from now on.
    ///
    /// # Panics
    /// If the system refuses.
    pub fn lose(&self, percent: u8) {
        router::rules(
            &self.internet,
            &format!(
                "table ip loss {{}}
                 flush table ip loss
                 table ip loss {{
                   chain some {{ type filter hook forward priority 0;
                     numgen random mod 100 < {percent} drop; }}
                 }}"
            ),
        );
    }

    /// Pulls a host's cable out, or puts it in again.
    ///
    /// # Panics
    /// If the system refuses.
    pub fn plug(&self, host: &Host, is_in: bool) {
        let state = if is_in { "up" } else { "down" };
        inside(&self.internet, &["ip", "link", "set", &host.cable, state]);
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for namespace in namespaces().filter(|name| name.starts_with(&self.prefix)) {
            quiet(&["ip", "netns", "del", &namespace]);
        }
    }
}

impl Host {
    /// A command that runs there.
    ///
    /// # Panics
    /// If `ip` is gone.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(tool("ip").expect("ip"));
        command
            .args(["netns", "exec", &self.namespace])
            .arg(program);
        command
    }
}

fn skip<T>(why: &str) -> Option<T> {
    eprintln!("SKIPPED: {why}");
    assert!(
        std::env::var_os("NETNS_REQUIRED").is_none(),
        "NETNS_REQUIRED is set, and {why}"
    );
    None
}

/// The absolute path of a program.
fn tool(name: &str) -> Option<String> {
    let mut paths = PLACES.iter().map(|place| format!("{place}/{name}"));
    paths.find(|path| Path::new(path).exists())
}

fn command(words: &[&str]) -> Command {
    let mut command = Command::new(tool(words[0]).unwrap_or_else(|| words[0].to_owned()));
    command.args(&words[1..]).stdin(Stdio::null());
    command
}

fn quiet(words: &[&str]) -> bool {
    let ran = command(words)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    ran.is_ok_and(|status| status.success())
}

fn must(words: &[&str]) {
    let ran = command(words).output().expect("a program that runs");
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{words:?}: {said}");
}

fn inside(namespace: &str, words: &[&str]) {
    must(&[&["ip", "netns", "exec", namespace], words].concat());
}

fn write_inside(namespace: &str, path: &str, what: &str) {
    let write = format!("echo {what} > {path}");
    inside(namespace, &["sh", "-c", &write]);
}

/// A cable between two namespaces.
fn join(one: &str, its: &str, other: &str, others: &str) {
    must(&[
        "ip", "link", "add", its, "netns", one, "type", "veth", "peer", "name", others, "netns",
        other,
    ]);
}

fn give(namespace: &str, interface: &str, address: &str) {
    inside(namespace, &["ip", "addr", "add", address, "dev", interface]);
    inside(namespace, &["ip", "link", "set", interface, "up"]);
}

fn namespaces() -> impl Iterator<Item = String> {
    let found = fs::read_dir("/run/netns").into_iter().flatten().flatten();
    found.filter_map(|entry| entry.file_name().into_string().ok())
}

/// Removes what runs that were killed left.
fn sweep() {
    for namespace in namespaces() {
        let rest = namespace.strip_prefix(PREFIX);
        let pid = rest.and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
        if pid.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            quiet(&["ip", "netns", "del", &namespace]);
        }
    }
}
