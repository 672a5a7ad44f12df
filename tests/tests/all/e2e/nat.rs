//! Two people behind routers and a public relay, in network namespaces. Needs root, `ip` and `nft`.

use super::{introduce, messages, program, say, until_delivered};
use waxwing_tests::net::{Host, Lab, Nat};
use waxwing_tests::process::{Person, Transports, until};

/// Where a relay listens.
const PORT: u16 = 4_001;
/// Messages sent while a connection is being replaced by a better one.
const MANY: usize = 200;

/// People go before the network that they are in.
struct Scene {
    alice: Person,
    bob: Person,
    relay: Person,
    bobs_host: Host,
    lab: Lab,
}

fn listen(address: &str, transports: Transports, port: u16) -> Vec<String> {
    let quic = format!("/ip4/{address}/udp/{port}/quic-v1");
    let tcp = format!("/ip4/{address}/tcp/{port}");
    match transports {
        Transports::Both => vec![quic, tcp],
        Transports::Quic => vec![quic],
        Transports::Tcp => vec![tcp],
    }
}

/// A public node that carries others' connections, and its addresses.
fn relay(host: &Host, transports: Transports) -> (Person, Vec<String>) {
    let listens = listen(&host.address, transports, PORT);
    let mut relay = Person::at(&program(), "relay", host, listens.clone());
    relay.up_args = ["--role", "relay"].map(str::to_owned).to_vec();
    relay.up();
    let peer = relay.ready()["peer"].as_str().unwrap().to_owned();
    let named = listens.iter().map(|addr| format!("{addr}/p2p/{peer}"));
    let named = named.collect();
    (relay, named)
}

/// Somebody at home, reached through these relays.
fn at_home(host: &Host, name: &str, transports: Transports, relays: &[String]) -> Person {
    let mut person = Person::at(&program(), name, host, listen("0.0.0.0", transports, 0));
    for relay in relays {
        person.up_args.extend(["--relay".into(), relay.clone()]);
    }
    person.up();
    person
}

fn is_reserved(person: &Person) -> bool {
    let status = person.get("/v1/status");
    let mut relays = status["relays"].as_array().unwrap().iter();
    relays.any(|relay| relay["reserved"] == true)
}

fn reach(person: &Person, whom: &str) -> String {
    let contact = person.get(&format!("/v1/contacts/{whom}"));
    contact["reach"].as_str().unwrap().to_owned()
}

impl Scene {
    /// Alice and bob know each other. `None`, loudly, where no network can be made.
    fn new(alices: Nat, bobs: Nat, transports: Transports) -> Option<Self> {
        let lab = Lab::new()?;
        let relay_host = lab.public("relay");
        let (relay, relays) = relay(&relay_host, transports);
        let bobs_host = lab.behind("bob", bobs);
        let alices_host = lab.behind("alice", alices);
        let alice = at_home(&alices_host, "alice", transports, &relays);
        let bob = at_home(&bobs_host, "bob", transports, &relays);
        for person in [&alice, &bob] {
            let took = until("the relay agrees", || is_reserved(person));
            eprintln!("{} has a relay after {took:?}", person.name);
        }
        let begun = std::time::Instant::now();
        introduce(&alice, &bob);
        eprintln!("both know each other after {:?}", begun.elapsed());
        Some(Self {
            alice,
            bob,
            relay,
            bobs_host,
            lab,
        })
    }

    fn until_both(&self, how: &[&str]) {
        for (one, other) in [(&self.alice, "bob"), (&self.bob, "alice")] {
            let took = until(&format!("{} reaches {other} {how:?}", one.name), || {
                how.contains(&reach(one, other).as_str())
            });
            let now = reach(one, other);
            eprintln!("{} reaches {other} {now} after {took:?} more", one.name);
        }
    }

    /// Both hold the same words, every one once.
    fn assert_all_once(&self, sent: usize) {
        for (one, other) in [(&self.alice, "bob"), (&self.bob, "alice")] {
            let mut texts: Vec<String> = messages(one, other)
                .iter()
                .filter_map(|message| message["text"].as_str().map(str::to_owned))
                .collect();
            let all = texts.len();
            texts.sort();
            texts.dedup();
            assert_eq!((texts.len(), all), (sent, sent), "{}", one.name);
        }
    }
}

/// Words go at once, whatever becomes of the connection, and in the end it is a direct one.
fn talk_until_direct(alices: Nat, bobs: Nat, transports: Transports) {
    let Some(scene) = Scene::new(alices, bobs, transports) else {
        return;
    };
    let (alice, bob) = (&scene.alice, &scene.bob);
    let begun = std::time::Instant::now();
    let first = say(alice, "bob", "first");
    until_delivered(alice, &first);
    eprintln!(
        "delivered after {:?}, {}",
        begun.elapsed(),
        reach(alice, "bob")
    );
    let mut sent = 1;
    let mut last = Vec::new();
    for n in 0..MANY {
        for (one, other) in [(alice, "bob"), (bob, "alice")] {
            last.push((one, say(one, other, &format!("{} {n}", one.name))));
            sent += 1;
        }
    }
    scene.until_both(&["punched", "direct"]);
    for (one, id) in last {
        until_delivered(one, &id);
    }
    scene.assert_all_once(sent);
}

#[test]
fn a_hole_is_punched_between_routers_that_keep_ports() {
    talk_until_direct(Nat::PortRestricted, Nat::PortRestricted, Transports::Both);
}

#[test]
fn a_hole_is_punched_between_routers_that_draw_ports() {
    let drawn = Nat::PortRestrictedDrawn;
    talk_until_direct(drawn, drawn, Transports::Quic);
}

#[test]
fn a_hole_is_punched_over_tcp() {
    talk_until_direct(Nat::PortRestricted, Nat::PortRestricted, Transports::Tcp);
}

#[test]
fn behind_an_open_router_one_is_reached_directly() {
    talk_until_direct(Nat::Symmetric, Nat::FullCone, Transports::Both);
}

#[test]
fn where_no_hole_can_be_punched_words_go_through_the_relay() {
    let Some(scene) = Scene::new(Nat::Symmetric, Nat::Symmetric, Transports::Both) else {
        return;
    };
    scene.until_both(&["relayed"]);
    let sent = 20;
    let mut last = String::new();
    for n in 0..sent {
        last = say(&scene.alice, "bob", &format!("{n}"));
        until_delivered(&scene.alice, &last);
    }
    scene.assert_all_once(sent);
    scene.until_both(&["relayed"]);
    let contacts = scene.alice.run(&["contacts"]).ok();
    assert_eq!(contacts["reach"], "relayed");
    let why = scene.alice.run(&["why", &last]).ok();
    let steps = why["steps"].as_array().unwrap();
    let written = steps.iter().find(|step| step["what"] == "sent").unwrap();
    assert!(
        written["reason"]
            .as_str()
            .unwrap()
            .contains("through a relay")
    );
}

#[test]
fn a_relay_that_is_killed_is_found_again() {
    let Some(mut scene) = Scene::new(Nat::Symmetric, Nat::Symmetric, Transports::Tcp) else {
        return;
    };
    scene.until_both(&["relayed"]);
    scene.relay.kill();
    scene.until_both(&["away"]);
    let waits = say(&scene.alice, "bob", "while the relay is away");
    scene.relay.up();
    for person in [&scene.alice, &scene.bob] {
        let took = until("the relay agrees again", || is_reserved(person));
        eprintln!("{} has its relay again after {took:?}", person.name);
    }
    until_delivered(&scene.alice, &waits);
    scene.assert_all_once(1);
}

#[test]
fn a_cable_that_is_pulled_out_and_put_in_again_loses_nothing() {
    let Some(scene) = Scene::new(Nat::PortRestricted, Nat::PortRestricted, Transports::Both) else {
        return;
    };
    scene.until_both(&["punched", "direct"]);
    scene.lab.plug(&scene.bobs_host, false);
    let waits = say(&scene.alice, "bob", "while bob is cut off");
    until("alice notices", || reach(&scene.alice, "bob") == "away");
    scene.lab.plug(&scene.bobs_host, true);
    until_delivered(&scene.alice, &waits);
    scene.assert_all_once(1);
}

#[test]
fn a_third_of_all_packets_lost_delays_words_and_loses_none() {
    let Some(scene) = Scene::new(Nat::PortRestricted, Nat::Symmetric, Transports::Both) else {
        return;
    };
    scene.lab.lose(30);
    let sent = 30;
    let ids: Vec<String> = (0..sent)
        .map(|n| say(&scene.alice, "bob", &format!("{n}")))
        .collect();
    for id in &ids {
        until_delivered(&scene.alice, id);
    }
    scene.lab.lose(0);
    scene.assert_all_once(sent);
}

#[test]
fn a_node_learns_whether_it_is_reached_from_outside() {
    let Some(lab) = Lab::new() else { return };
    let (relay_host, other_host) = (lab.public("relay"), lab.public("other"));
    let (relay_one, mut relays) = relay(&relay_host, Transports::Both);
    let (relay_two, others) = relay(&other_host, Transports::Both);
    relays.extend(others);
    let public_host = lab.public("alice");
    let verdict = |person: &Person, want: &str| {
        let told = |key: &str| person.get("/v1/status")[key].clone();
        let took = until(&format!("{} is {want}", person.name), || {
            told("reachability") == want
        });
        eprintln!(
            "{} knows after {took:?}: {}",
            person.name,
            told("reachability_why")
        );
    };
    let nat = |person: &Person, want: &str| {
        let told = || person.get("/v1/status")["nat"].clone();
        until(&format!("{}'s router: {want}", person.name), || {
            told() == want
        });
    };
    let hosts = [
        Nat::PortRestricted,
        Nat::PortRestrictedDrawn,
        Nat::FullCone,
        Nat::Symmetric,
    ]
    .map(|nat| (nat, lab.behind(&format!("{nat:?}").to_lowercase(), nat)));
    let homes: Vec<(Nat, Person)> = hosts
        .iter()
        .map(|(nat, host)| (*nat, at_home(host, "somebody", Transports::Both, &relays)))
        .collect();
    let alice = Person::at(
        &program(),
        "alice",
        &public_host,
        listen("0.0.0.0", Transports::Both, 0),
    );
    let mut alice = alice;
    for relay in &relays {
        alice.up_args.extend(["--relay".into(), relay.clone()]);
    }
    alice.up();
    verdict(&alice, "public");
    nat(&alice, "none");
    for (kind, person) in &homes {
        let (reached, router) = match kind {
            Nat::FullCone => ("public", "same_port"),
            Nat::PortRestricted | Nat::PortRestrictedDrawn => ("private", "same_port"),
            Nat::Symmetric => ("private", "own_port_each"),
        };
        eprintln!("{kind:?}");
        verdict(person, reached);
        nat(person, router);
    }
    let (_, symmetric) = &homes[3];
    let checks = symmetric.run(&["doctor"]).lines();
    let of = |name: &str| checks.iter().find(|check| check["check"] == name).unwrap();
    assert_eq!(of("nat")["state"], "warn");
    assert_eq!(of("reachability")["state"], "ok");
    drop((relay_one, relay_two));
}
