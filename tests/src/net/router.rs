//! Routers as people have them at home, in nftables' words.

use super::{inside, tool};
use std::io::Write as _;
use std::process::{Command, Stdio};

/// What a router does with addresses and ports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Nat {
    /// One port for everybody, and whoever writes to it gets through.
    FullCone,
    /// One port for everybody, kept as the host chose it; only who was written to gets through.
    PortRestricted,
    /// The same with a port that the router draws.
    PortRestrictedDrawn,
    /// Another port for everybody: no hole can be punched.
    Symmetric,
}

/// Makes a namespace with the interfaces `wan` and `lan` such a router.
pub(super) fn load(namespace: &str, nat: Nat, address: &str) {
    let out = match nat {
        Nat::FullCone | Nat::PortRestricted => "masquerade".to_owned(),
        // Within a range Linux goes on with the port that a host's socket has already.
        Nat::PortRestrictedDrawn => {
            format!("meta l4proto {{ tcp, udp }} snat to {address}:30000-39999")
        }
        Nat::Symmetric => "masquerade fully-random".to_owned(),
    };
    let (inwards, lets_in) = match nat {
        Nat::FullCone => (
            "iif wan dnat to 192.168.1.2;",
            "iif wan ct status dnat accept;",
        ),
        _ => ("", ""),
    };
    // Routers drop what nobody asked for, without a word: an answer would close the hole that the
    // other side is about to punch.
    let all = format!(
        "table ip home {{
           chain out {{ type nat hook postrouting priority 100; oif wan {out}; }}
           chain inwards {{ type nat hook prerouting priority -100; {inwards} }}
           chain through {{ type filter hook forward priority 0; policy drop;
             iif lan accept; ct state established,related accept; {lets_in} }}
           chain to_me {{ type filter hook input priority 0; policy drop;
             iif lan accept; iif lo accept; ct state established,related accept; }}
         }}"
    );
    rules(namespace, &all);
}

/// Loads rules inside a namespace.
pub(super) fn rules(namespace: &str, rules: &str) {
    let nft = tool("nft").expect("nft");
    // Once without words of ours: a namespace that is gone says so.
    inside(namespace, &[&nft, "list", "ruleset"]);
    let mut child = Command::new(tool("ip").expect("ip"))
        .args(["netns", "exec", namespace, &nft, "-f", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("nft");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin
        .write_all(rules.as_bytes())
        .expect("a pipe that takes it");
    drop(stdin);
    let ended = child.wait_with_output().expect("nft");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{said}\n{rules}");
}
