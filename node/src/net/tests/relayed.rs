//! Through a relay, on loopback, where no hole has to be punched and none can be.

use super::*;
use libp2p::multiaddr::Protocol;

async fn relay(seed: u8, listen: &[&str]) -> Node {
    let mut config = config(seed, listen);
    config.roles.relay = true;
    Node::with(config).await
}

/// Somebody who is reached through this relay, once it has agreed.
async fn behind(seed: u8, listen: &[&str], relay: &Node) -> Node {
    let mut config = config(seed, listen);
    config.relays = relay.net.advertise();
    let node = Node::with(config).await;
    reserved(&node, true).await;
    node
}

async fn reserved(node: &Node, wanted: bool) {
    let mut reach = node.net.reachability();
    let there = reach.wait_for(|reach| reach.relays.iter().any(|relay| relay.reserved) == wanted);
    drop(timeout(PATIENCE, there).await.expect("in time").unwrap());
}

/// Addresses of a node that lead through its relay.
fn through(node: &Node) -> Vec<String> {
    let told = node.net.advertise();
    told.into_iter()
        .filter(|addr| addr.contains("/p2p-circuit/"))
        .collect()
}

async fn expect_relayed(node: &mut Node, peer: Peer) {
    let up = node.until(|input| matches!(input, Input::Up { .. })).await;
    let how = Reach::Relayed;
    assert_eq!(up, Input::Up { peer, how });
}

#[tokio::test]
async fn frames_go_through_a_relay_and_the_relay_hears_of_nobody() {
    for listen in [QUIC, TCP] {
        let mut relay = relay(1, &[listen]).await;
        let mut bob = behind(2, &[listen], &relay).await;
        let mut alice = Node::new(3, &[listen]).await;
        let (a, b) = (alice.peer(), bob.peer());
        let circuits = through(&bob);
        assert_eq!(circuits.len(), 1);
        alice.net.dial(b, circuits);
        tokio::join!(expect_relayed(&mut alice, b), expect_relayed(&mut bob, a));
        let big: Vec<u8> = (0..FRAME_BYTES_MAX).map(|n| n as u8).collect();
        for n in 0..20 {
            alice.send(b, n, big.clone()).await;
            bob.send(a, n, big.clone()).await;
        }
        assert_eq!(bob.frames(a, 20).await, vec![big.clone(); 20]);
        assert_eq!(alice.frames(b, 20).await, vec![big; 20]);
        alice.net.shutdown().await;
        bob.until(|input| *input == Input::Down { peer: a }).await;
        // It carried them and saw no peer of its own.
        assert!(relay.asks.try_recv().is_err());
    }
}

#[tokio::test]
async fn a_direct_address_wins_over_a_relay() {
    let relay = relay(1, &[QUIC]).await;
    let mut bob = behind(2, &[QUIC], &relay).await;
    let mut alice = Node::new(3, &[QUIC]).await;
    let (a, b) = (alice.peer(), bob.peer());
    let told = bob.net.advertise();
    assert!(told.len() > through(&bob).len());
    alice.net.dial(b, told);
    let direct = |peer| Input::Up {
        peer,
        how: Reach::Direct,
    };
    alice.until(|input| *input == direct(b)).await;
    bob.until(|input| *input == direct(a)).await;
}

#[tokio::test]
async fn somebody_who_is_not_there_is_not_there_through_a_relay_either() {
    let relay = relay(1, &[TCP]).await;
    let bob = behind(2, &[TCP], &relay).await;
    let (b, circuits) = (bob.peer(), through(&bob));
    bob.net.shutdown().await;
    let mut alice = Node::new(3, &[TCP]).await;
    alice.net.dial(b, circuits);
    let failed = alice.input().await;
    let why = DialError::Unreachable;
    assert_eq!(failed, Input::DialFailed { peer: b, why });
    // Nor is anybody through a node that is no relay.
    let carol = Node::new(4, &[TCP]).await;
    let listens: Multiaddr = carol.net.advertise()[0].parse().unwrap();
    let way = listens.with(Protocol::P2pCircuit).to_string();
    alice.net.dial(b, vec![way]);
    let failed = alice
        .until(|input| matches!(input, Input::DialFailed { .. }))
        .await;
    let why = DialError::Other;
    assert_eq!(failed, Input::DialFailed { peer: b, why });
}

#[tokio::test]
async fn a_relay_that_comes_back_is_used_again() {
    let first = relay(1, &[TCP]).await;
    let listens = first.net.advertise();
    let mut bob = behind(2, &[TCP], &first).await;
    bob.until(|input| matches!(input, Input::Listening { listen } if listen.len() == 2))
        .await;
    first.net.shutdown().await;
    drop(first);
    reserved(&bob, false).await;
    bob.until(|input| matches!(input, Input::Listening { listen } if listen.len() == 1))
        .await;
    assert!(through(&bob).is_empty());
    let port = listens[0].split("/p2p/").next().unwrap();
    let again = relay(1, &[port]).await;
    assert_eq!(again.net.advertise(), listens);
    reserved(&bob, true).await;
    assert_eq!(through(&bob).len(), 1);
    // And one that it is told of later as well.
    let other = relay(5, &[QUIC, TCP]).await;
    bob.net.set_relays(&other.net.advertise()).unwrap();
    bob.until(|input| {
        let named = other.net.peer_id();
        matches!(input, Input::Listening { listen } if listen.iter().any(|addr| addr.contains(&named)))
    })
    .await;
    bob.net.set_relays(&[]).unwrap();
    reserved(&bob, false).await;
    assert!(
        bob.net
            .set_relays(&["/ip4/127.0.0.1/tcp/1".to_owned()])
            .is_err()
    );
}
