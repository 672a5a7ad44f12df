//! The ports: free for a node that would start, held and answering under one that runs.

use super::{Check, State};
use crate::config::Config;
use crate::home;
use crate::net::{self, Ports, Probed};
use crate::outside;
use std::io;

const NAME: &str = "ports";

pub(super) fn checks(config: &Config, listening: Option<&[String]>) -> Vec<Check> {
    let ports = match listening {
        Some(list) => match net::probe(list) {
            Ok(probed) => running(&probed),
            Err(error) => Check::fail(NAME, error.to_string()).hint(error.hint()),
        },
        None if config.listen.is_empty() => {
            remembered(outside::ports(&home::remembered(&config.home)))
        }
        None => match net::probe(&config.listen) {
            Ok(probed) => given(&probed),
            Err(error) => Check::fail(NAME, error.to_string()).hint(error.hint()),
        },
    };
    vec![ports]
}

fn list<'a>(probed: impl IntoIterator<Item = &'a Probed>) -> String {
    let addresses: Vec<&str> = probed.into_iter().map(|one| one.address.as_str()).collect();
    addresses.join(", ")
}

fn is_taken(probed: &&Probed) -> bool {
    let error = probed.free.as_ref().err();
    error.is_some_and(|error| error.kind() == io::ErrorKind::AddrInUse)
}

/// A node holds its ports, and takes connections where that can be seen.
fn running(probed: &[Probed]) -> Check {
    let silent = |one: &&Probed| one.free.is_ok() || one.answers == Some(false);
    let dead: Vec<&Probed> = probed.iter().filter(silent).collect();
    if probed.is_empty() {
        Check::fail(NAME, "the node listens on no address")
            .hint("see its log, and `waxwing config show`")
    } else if dead.is_empty() {
        Check::ok(
            NAME,
            format!("the node answers on all {} addresses", probed.len()),
        )
    } else {
        Check::fail(NAME, format!("nobody answers on {}", list(dead)))
            .hint("end the node and start it again; its log may say more")
    }
}

/// Ports that the user named have to be free, or `up` refuses.
fn given(probed: &[Probed]) -> Check {
    let wrong: Vec<&Probed> = probed.iter().filter(|one| one.free.is_err()).collect();
    match wrong.first() {
        None => Check::ok(NAME, format!("free: {}", list(probed))),
        Some(first) => {
            let why = match &first.free {
                Err(error) if is_taken(first) => error.kind().to_string(),
                Err(error) => error.to_string(),
                Ok(()) => String::new(),
            };
            Check::fail(
                NAME,
                format!("{} cannot be listened on: {why}", list(wrong)),
            )
            .hint("another program has it, or this machine does not: choose another with `listen`")
        }
    }
}

/// Ports that were drawn are drawn again if somebody has them.
fn remembered(ports: Ports) -> Check {
    if ports == Ports::default() {
        return Check::new(
            NAME,
            State::Skipped,
            "none yet: they are drawn at the first start",
        );
    }
    let probed = net::probe_remembered(ports);
    let taken: Vec<&Probed> = probed.iter().filter(is_taken).collect();
    if taken.is_empty() {
        Check::ok(NAME, format!("free: {}", list(&probed)))
    } else {
        Check::warn(NAME, format!("taken by another program: {}", list(taken)))
            .hint("others are drawn at the next start; contacts need a moment to find you again")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probed(free: bool, answers: Option<bool>) -> Probed {
        let taken = || io::ErrorKind::AddrInUse.into();
        Probed {
            address: "/ip4/127.0.0.1/tcp/1".to_owned(),
            free: if free { Ok(()) } else { Err(taken()) },
            answers,
        }
    }

    #[test]
    fn a_node_holds_its_ports_and_answers() {
        assert_eq!(
            running(&[probed(false, Some(true)), probed(false, None)]).state,
            State::Ok
        );
        assert_eq!(running(&[probed(false, Some(false))]).state, State::Fail);
        assert_eq!(running(&[probed(true, None)]).state, State::Fail);
        assert_eq!(running(&[]).state, State::Fail);
    }

    #[test]
    fn a_port_that_was_named_has_to_be_free() {
        assert_eq!(given(&[probed(true, Some(false))]).state, State::Ok);
        let taken = given(&[probed(true, None), probed(false, None)]);
        assert_eq!(taken.state, State::Fail);
    }

    #[test]
    fn a_port_that_was_drawn_may_be_taken() {
        let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
        let udp4 = Some(socket.local_addr().unwrap().port());
        let ports = Ports {
            udp4,
            ..Ports::default()
        };
        assert_eq!(remembered(ports).state, State::Warn);
        assert_eq!(remembered(Ports::default()).state, State::Skipped);
    }
}
