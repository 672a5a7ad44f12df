//! Dials, their outcomes, and the listeners that they lead to.

use super::*;

#[tokio::test]
async fn a_peer_that_speaks_something_else_fails_the_dial() {
    let mut alice = Node::new(1, &[TCP]).await;
    let keypair = Keypair::ed25519_from_bytes([9; 32]).unwrap();
    let id = keypair.public().to_peer_id();
    let (carried, _behaviour) = libp2p::relay::client::new(id);
    let transport = transport::build(&keypair, &[addr::Transport::Tcp], carried).unwrap();
    let settings = libp2p::swarm::Config::with_tokio_executor();
    let mut swarm = Swarm::new(transport, libp2p::swarm::dummy::Behaviour, id, settings);
    swarm.listen_on(TCP.parse().unwrap()).unwrap();
    let address = loop {
        let event = timeout(PATIENCE, swarm.select_next_some()).await.unwrap();
        if let SwarmEvent::NewListenAddr { address, .. } = event {
            break address.to_string();
        }
    };
    let drive = tokio::spawn(async move {
        loop {
            drop(swarm.select_next_some().await);
        }
    });
    let peer = addr::from_peer_id(&id).unwrap();
    alice.net.dial(peer, vec![address]);
    let why = DialError::Other;
    alice.expect(Input::DialFailed { peer, why }).await;
    drive.abort();
}

#[tokio::test]
async fn simultaneous_dials_settle_and_frames_flow_both_ways() {
    for listen in [&[QUIC][..], &[TCP], &[QUIC, TCP]] {
        for round in 0..5 {
            let mut alice = Node::new(10 + round, listen).await;
            let mut bob = Node::new(20 + round, listen).await;
            let (a, b) = (alice.peer(), bob.peer());
            alice.dial(&bob);
            bob.dial(&alice);
            alice.until(|input| matches!(input, Input::Up { .. })).await;
            bob.until(|input| matches!(input, Input::Up { .. })).await;
            // A second link may still come; frames queued on the first are written all the same.
            for n in 0..100 {
                alice.send(b, 0, numbered(n, 10)).await;
                bob.send(a, 0, numbered(n, 10)).await;
            }
            for node in [&mut alice, &mut bob] {
                let mut got = std::collections::BTreeSet::new();
                while got.len() < 100 {
                    match node.input().await {
                        Input::Frame { bytes, .. } => assert!(got.insert(number(&bytes))),
                        Input::Up { .. } | Input::Down { .. } => {}
                        other => panic!("{other:?}"),
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn dials_fail_for_the_right_reason() {
    let mut alice = Node::new(1, &[TCP]).await;
    let carol = Node::new(3, &[TCP]).await;
    let bob = Peer::from_slice(&[0x55; 32]).unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = format!("/ip4/127.0.0.1/tcp/{}", free.local_addr().unwrap().port());
    drop(free);
    let carols = carol.net.listen()[0].clone();
    let own = alice.net.listen()[0].clone();
    for (addrs, why) in [
        (vec![], DialError::NoAddress),
        (vec!["rubbish".into()], DialError::NoAddress),
        (vec![carol.net.advertise()[0].clone()], DialError::NoAddress),
        (
            vec!["/ip4/127.0.0.1/udp/9/quic-v1".into()],
            DialError::NoTransport,
        ),
        (vec![closed.clone()], DialError::Refused),
        (vec![carols.clone()], DialError::WrongPeer),
        (vec![own], DialError::NoAddress),
    ] {
        alice.net.dial(bob, addrs);
        alice.expect(Input::DialFailed { peer: bob, why }).await;
    }
    // A dial that goes on swallows a second one: one report.
    alice.net.dial(bob, vec![closed.clone()]);
    alice.net.dial(bob, vec![closed.clone()]);
    let why = DialError::Refused;
    alice.expect(Input::DialFailed { peer: bob, why }).await;
    // Somebody else at the first address does not hide the right one at the second.
    let mut dave = Node::new(4, &[TCP]).await;
    let addrs = vec![carols, dave.net.listen()[0].clone()];
    alice.net.dial(dave.peer(), addrs);
    let (a, d) = (alice.peer(), dave.peer());
    tokio::join!(alice.expect_up(d), dave.expect_up(a));
    // Nobody answers at all.
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let mut erin = Node::new(5, &[QUIC]).await;
    erin.net
        .dial(bob, vec![format!("/ip4/127.0.0.1/udp/{port}/quic-v1")]);
    let why = DialError::Timeout;
    erin.expect(Input::DialFailed { peer: bob, why }).await;
}

#[tokio::test]
async fn default_listeners_keep_their_ports_and_put_loopback_last() {
    let (sender, _asks) = mpsc::channel(64);
    let (_cursor, watched) = watch::channel(0);
    let engine = EngineHandle::new(sender, watched);
    let first = start(config(1, &[]), engine.clone()).await.unwrap();
    let ports = first.ports();
    assert!(ports.tcp4.is_some() && ports.udp4.is_some());
    let listen = first.listen();
    let last = listen.last().unwrap();
    assert!(
        last.starts_with("/ip4/127.") || last.starts_with("/ip6/::1/"),
        "{last}"
    );
    assert!(!listen.iter().any(|text| text.contains("0.0.0.0")));
    let advertised = first.advertise();
    assert!(advertised.len() <= ADDRS_MAX);
    let suffix = format!("/p2p/{}", first.peer_id());
    assert!(advertised.iter().all(|text| text.ends_with(&suffix)));
    // A second node cannot have them while the first one lives, and draws others.
    let mut same = config(2, &[]);
    same.remembered = ports;
    let second = start(same.clone(), engine.clone()).await.unwrap();
    assert_ne!(second.ports().tcp4, ports.tcp4);
    assert_ne!(second.ports().udp4, ports.udp4);
    second.shutdown().await;
    first.shutdown().await;
    // Free again, they are taken up; another program may have been quicker with one of them.
    let third = start(same, engine).await.unwrap();
    let (old, new) = (ports, third.ports());
    assert!(old.tcp4 == new.tcp4 || old.udp4 == new.udp4);
    third.shutdown().await;
}
