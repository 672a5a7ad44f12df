//! Two and more nodes on loopback. The engine's place is taken by the test, which reads what the
//! network reports.

mod dials;
mod relayed;

use super::frames::Opened;
use super::*;
use crate::runtime::Ask;
use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::Stream;
use libp2p::swarm::SwarmEvent;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::time::{sleep, timeout};
use waxwing_protocol::input::Reach;
use waxwing_protocol::limits::FRAME_BYTES_MAX;

/// Generous: only a hang gets here.
const PATIENCE: Duration = Duration::from_secs(40);
const QUIC: &str = "/ip4/127.0.0.1/udp/0/quic-v1";
const TCP: &str = "/ip4/127.0.0.1/tcp/0";

struct Node {
    net: Net,
    asks: mpsc::Receiver<Ask>,
    _cursor: watch::Sender<u64>,
}

fn config(seed: u8, listen: &[&str]) -> NetConfig {
    NetConfig {
        seed: Secret::new([seed; 32]),
        listen: listen.iter().map(|text| (*text).to_owned()).collect(),
        remembered: Ports::default(),
        profile: Profile::Person,
        roles: Roles::default(),
        relays: Vec::new(),
        upnp: false,
    }
}

impl Node {
    async fn new(seed: u8, listen: &[&str]) -> Self {
        Self::with_queue(seed, listen, 1_024).await
    }

    /// `queue`: how many inputs the engine's queue takes.
    async fn with_queue(seed: u8, listen: &[&str], queue: usize) -> Self {
        let (sender, asks) = mpsc::channel(queue);
        let (cursor, watched) = watch::channel(0);
        let engine = EngineHandle::new(sender, watched);
        let net = start(config(seed, listen), engine).await.unwrap();
        net.open();
        Self {
            net,
            asks,
            _cursor: cursor,
        }
    }

    async fn with(config: NetConfig) -> Self {
        let (sender, asks) = mpsc::channel(1_024);
        let (cursor, watched) = watch::channel(0);
        let engine = EngineHandle::new(sender, watched);
        let net = start(config, engine).await.unwrap();
        net.open();
        Self {
            net,
            asks,
            _cursor: cursor,
        }
    }

    fn peer(&self) -> Peer {
        self.net.peer()
    }

    fn dial(&self, other: &Self) {
        self.net.dial(other.peer(), other.net.advertise());
    }

    async fn input(&mut self) -> Input {
        match timeout(PATIENCE, self.asks.recv()).await {
            Ok(Some(Ask::Input(input))) => input,
            Ok(_) => panic!("not an input"),
            Err(_) => panic!("no input came"),
        }
    }

    async fn expect(&mut self, want: Input) {
        assert_eq!(self.input().await, want);
    }

    async fn expect_up(&mut self, peer: Peer) {
        let how = Reach::Direct;
        self.expect(Input::Up { peer, how }).await;
    }

    /// Reads frames until `count` have come; other inputs are not expected.
    async fn frames(&mut self, from: Peer, count: usize) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        while frames.len() < count {
            match self.input().await {
                Input::Frame { from: who, bytes } if who == from => frames.push(bytes),
                other => panic!("{other:?}"),
            }
        }
        frames
    }

    /// The next input that is `wanted`; others are skipped.
    async fn until(&mut self, wanted: impl Fn(&Input) -> bool) -> Input {
        loop {
            let input = self.input().await;
            if wanted(&input) {
                return input;
            }
        }
    }

    /// Sends, waiting while the link's queue is full.
    async fn send(&self, to: Peer, id: u64, bytes: Vec<u8>) {
        let begun = tokio::time::Instant::now();
        loop {
            match self.net.send(to, id, bytes.clone()) {
                Ok(()) => return,
                Err(SendError::Busy) if begun.elapsed() < PATIENCE => {
                    sleep(Duration::from_millis(5)).await;
                }
                Err(error) => panic!("{error:?}"),
            }
        }
    }
}

/// Alice dials bob; both are up.
async fn pair(alice: &mut Node, bob: &mut Node) {
    alice.dial(bob);
    let (a, b) = (alice.peer(), bob.peer());
    tokio::join!(alice.expect_up(b), bob.expect_up(a));
}

async fn talk_over(listen: &[&str]) {
    let mut alice = Node::new(1, listen).await;
    let mut bob = Node::new(2, listen).await;
    pair(&mut alice, &mut bob).await;
    let (a, b) = (alice.peer(), bob.peer());
    let small = b"hello".to_vec();
    let big: Vec<u8> = (0..FRAME_BYTES_MAX).map(|n| n as u8).collect();
    for (n, frame) in [&small, &big, &small].into_iter().enumerate() {
        alice.net.send(b, n as u64, frame.clone()).unwrap();
        bob.net.send(a, n as u64, frame.clone()).unwrap();
    }
    let want = vec![small.clone(), big, small];
    assert_eq!(bob.frames(a, 3).await, want);
    assert_eq!(alice.frames(b, 3).await, want);
    // Connected already: nothing happens, nothing is said.
    alice.dial(&bob);
    bob.dial(&alice);
    alice.net.shutdown().await;
    alice.expect(Input::Down { peer: b }).await;
    bob.expect(Input::Down { peer: a }).await;
    assert_eq!(bob.net.send(a, 9, vec![1]), Err(SendError::NotConnected));
    bob.net.shutdown().await;
}

#[tokio::test]
async fn talk_over_quic() {
    talk_over(&[QUIC]).await;
}

#[tokio::test]
async fn talk_over_tcp() {
    talk_over(&[TCP]).await;
}

#[tokio::test]
async fn talk_over_both() {
    talk_over(&[QUIC, TCP]).await;
}

/// Frames carry their number in the first bytes.
fn numbered(n: u32, length: usize) -> Vec<u8> {
    let mut bytes = vec![0xab; length.max(4)];
    bytes[..4].copy_from_slice(&n.to_be_bytes());
    bytes
}

fn number(frame: &[u8]) -> u32 {
    u32::from_be_bytes(*frame.first_chunk().unwrap())
}

#[tokio::test]
async fn a_slow_engine_loses_nothing_and_order_holds() {
    for listen in [QUIC, TCP] {
        let mut alice = Node::new(1, &[listen]).await;
        let mut bob = Node::with_queue(2, &[listen], 1).await;
        pair(&mut alice, &mut bob).await;
        let (a, b) = (alice.peer(), bob.peer());
        const COUNT: u32 = 400;
        let send = async {
            for n in 0..COUNT {
                alice.send(b, u64::from(n), numbered(n, 40_000)).await;
            }
        };
        let receive = async {
            // Longer than a peer may be silent: the link has to live through it.
            sleep(Duration::from_secs(4)).await;
            for n in 0..COUNT {
                let frames = bob.frames(a, 1).await;
                assert_eq!(number(&frames[0]), n);
                if n % 50 == 0 {
                    sleep(Duration::from_millis(20)).await;
                }
            }
        };
        tokio::join!(send, receive);
        assert!(alice.asks.try_recv().is_err(), "nothing came back");
    }
}

#[tokio::test]
async fn garbage_on_the_ports_harms_nobody() {
    let mut alice = Node::new(1, &[QUIC, TCP]).await;
    let mut bob = Node::new(2, &[QUIC, TCP]).await;
    let port = |kind| {
        let addresses = lock(&bob.net.shared.addresses);
        let mut found = addresses
            .iter()
            .filter(|a| addr::transport(a) == Some(kind));
        addr::port(found.next().unwrap()).unwrap()
    };
    let udp = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut tcp = Vec::new();
    for n in 0..50_u16 {
        let garbage: Vec<u8> = (0..n * 30).map(|m| (m * 7 + n) as u8).collect();
        let to = ("127.0.0.1", port(addr::Transport::Quic));
        udp.send_to(&garbage, to).await.unwrap();
        if n % 5 == 0 {
            let to = ("127.0.0.1", port(addr::Transport::Tcp));
            let mut stream = tokio::net::TcpStream::connect(to).await.unwrap();
            stream.write_all(&garbage).await.unwrap();
            tcp.push(stream);
        }
    }
    pair(&mut alice, &mut bob).await;
    let a = alice.peer();
    alice.send(bob.peer(), 0, vec![7]).await;
    assert_eq!(bob.frames(a, 1).await, [[7]]);
}

/// A swarm without a link task: it opens the frame stream and the test writes what it likes.
struct Raw {
    swarm: Swarm<Behaviour>,
    peer: Peer,
}

impl Raw {
    async fn connect(seed: u8, to: &Node) -> (Self, Stream) {
        let keypair = Keypair::ed25519_from_bytes([seed; 32]).unwrap();
        let id = keypair.public().to_peer_id();
        let kinds = [addr::Transport::Quic, addr::Transport::Tcp];
        let (carried, relay) = libp2p::relay::client::new(id);
        let transport = transport::build(&keypair, &kinds, carried).unwrap();
        let wishes = Wishes {
            limits: Profile::Test.limits(),
            roles: Roles::default(),
            outside: false,
            upnp: false,
        };
        let behaviour = Behaviour::new(&keypair, relay, &wishes);
        let settings = libp2p::swarm::Config::with_tokio_executor();
        let mut swarm = Swarm::new(transport, behaviour, id, settings);
        let address: Multiaddr = to.net.advertise()[0].parse().unwrap();
        swarm.dial(address).unwrap();
        let peer = addr::from_peer_id(&id).unwrap();
        let stream = loop {
            let event = timeout(PATIENCE, swarm.select_next_some()).await.unwrap();
            if let SwarmEvent::Behaviour(behaviour::Event::Opened(opened)) = event {
                let Opened { stream, .. } = *opened;
                break stream;
            }
        };
        (Self { swarm, peer }, stream)
    }

    /// Drives the swarm until its connection is closed.
    async fn until_closed(&mut self) {
        loop {
            let event = timeout(PATIENCE, self.swarm.select_next_some())
                .await
                .unwrap();
            if let SwarmEvent::ConnectionClosed { .. } = event {
                return;
            }
        }
    }
}

#[tokio::test]
async fn lengths_that_are_none_close_the_link() {
    for listen in [QUIC, TCP] {
        let mut bob = Node::new(2, &[listen]).await;
        for length in [FRAME_BYTES_MAX as u32 + 1, 0x8000_0000, u32::MAX - 1] {
            let (mut raw, mut stream) = Raw::connect(7, &bob).await;
            bob.expect_up(raw.peer).await;
            let mut bytes = 3_u32.to_be_bytes().to_vec();
            bytes.extend_from_slice(b"abc");
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(&[0; 100]);
            stream.write_all(&bytes).await.unwrap();
            stream.flush().await.unwrap();
            raw.until_closed().await;
            assert_eq!(bob.frames(raw.peer, 1).await, [b"abc"]);
            bob.expect(Input::Down { peer: raw.peer }).await;
        }
    }
}

#[tokio::test]
async fn a_probe_is_answered_and_a_half_frame_is_borne() {
    let mut bob = Node::new(2, &[TCP]).await;
    let (mut raw, mut stream) = Raw::connect(7, &bob).await;
    bob.expect_up(raw.peer).await;
    let drive = tokio::spawn(async move { raw.until_closed().await });
    stream.write_all(&0_u32.to_be_bytes()).await.unwrap();
    let mut answer = [0; 4];
    let read = timeout(PATIENCE, stream.read_exact(&mut answer)).await;
    read.unwrap().unwrap();
    assert_eq!(answer, [0xff; 4]);
    // Half a frame brings a sign of life too: the sender may be on a slow line.
    stream.write_all(&[0, 0, 0, 8, 1, 2, 3, 4]).await.unwrap();
    let read = timeout(PATIENCE, stream.read_exact(&mut answer)).await;
    read.unwrap().unwrap();
    assert_eq!(answer, [0xff; 4]);
    // An answer that nobody asked for is no offence.
    stream
        .write_all(&[5, 6, 7, 8, 0xff, 0xff, 0xff, 0xff])
        .await
        .unwrap();
    assert!(
        matches!(bob.input().await, Input::Frame { bytes, .. } if bytes == [1, 2, 3, 4, 5, 6, 7, 8])
    );
    drop(stream);
    drive.abort();
    bob.until(|input| matches!(input, Input::Down { .. })).await;
}

#[tokio::test]
async fn a_connection_without_a_frame_stream_is_closed() {
    let bob = Node::new(2, &[TCP]).await;
    let keypair = Keypair::ed25519_from_bytes([9; 32]).unwrap();
    let id = keypair.public().to_peer_id();
    let (carried, _behaviour) = libp2p::relay::client::new(id);
    let transport = transport::build(&keypair, &[addr::Transport::Tcp], carried).unwrap();
    let settings =
        libp2p::swarm::Config::with_tokio_executor().with_idle_connection_timeout(PATIENCE * 2);
    let mut swarm = Swarm::new(transport, libp2p::swarm::dummy::Behaviour, id, settings);
    let address: Multiaddr = bob.net.advertise()[0].parse().unwrap();
    swarm.dial(address).unwrap();
    loop {
        let event = timeout(PATIENCE, swarm.select_next_some()).await.unwrap();
        if let SwarmEvent::ConnectionClosed { .. } = event {
            break;
        }
    }
}

#[tokio::test]
async fn a_newer_connection_wins_and_old_ones_give_way() {
    let mut bob = Node::new(2, &[QUIC]).await;
    let mut all = Vec::new();
    for n in 0..6 {
        let (raw, stream) = Raw::connect(7, &bob).await;
        if n > 0 {
            bob.expect(Input::Down { peer: raw.peer }).await;
        }
        bob.expect_up(raw.peer).await;
        let peer = raw.peer;
        bob.net.send(peer, n, vec![n as u8 + 1]).unwrap();
        let mut raw = raw;
        let drive = tokio::spawn(async move { raw.until_closed().await });
        all.push((drive, stream));
        let mut bytes = [0; 5];
        let read = all.last_mut().unwrap().1.read_exact(&mut bytes);
        timeout(PATIENCE, read).await.unwrap().unwrap();
        assert_eq!(bytes, [0, 0, 0, 1, n as u8 + 1], "written to the newest");
    }
    // At most three stay; frames from every one of them are read.
    for (drive, _) in all.iter_mut().take(3) {
        timeout(PATIENCE, drive).await.unwrap().unwrap();
    }
    for (_, stream) in all.iter_mut().skip(3) {
        stream.write_all(&[0, 0, 0, 1, 42]).await.unwrap();
    }
    let peer = addr::from_peer_id(
        &Keypair::ed25519_from_bytes([7; 32])
            .unwrap()
            .public()
            .to_peer_id(),
    );
    assert_eq!(bob.frames(peer.unwrap(), 3).await, [[42], [42], [42]]);
    for (drive, stream) in all {
        drop(stream);
        drive.abort();
    }
}

/// Runs a node in a runtime of its own, to be killed without a goodbye.
struct Killable {
    runtime: Option<tokio::runtime::Runtime>,
    node: Node,
}

impl Killable {
    async fn new(seed: u8, listen: &'static [&'static str]) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let node = runtime.spawn(Node::new(seed, listen)).await.unwrap();
        Self {
            runtime: Some(runtime),
            node,
        }
    }
}

impl Drop for Killable {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[tokio::test]
async fn a_killed_peer_is_noticed_while_something_is_unanswered_and_comes_back() {
    for listen in [&[QUIC][..], &[TCP][..]] {
        let mut alice = Node::new(1, listen).await;
        let mut bob = Killable::new(2, listen).await;
        pair(&mut alice, &mut bob.node).await;
        let b = bob.node.peer();
        drop(bob);
        let begun = tokio::time::Instant::now();
        // Written to the transport, or given back: either way the link is found dead.
        let sent = alice.net.send(b, 5, vec![1]);
        let down = Input::Down { peer: b };
        alice.until(|input| *input == down).await;
        println!("noticed after {:?} ({sent:?})", begun.elapsed());
        let mut bob = Node::new(2, listen).await;
        pair(&mut alice, &mut bob).await;
    }
}

#[tokio::test]
async fn a_peer_that_used_up_its_budget_is_cut_off() {
    let mut alice = Node::new(1, &[QUIC]).await;
    let mut bob = Node::new(2, &[QUIC]).await;
    pair(&mut alice, &mut bob).await;
    let (a, b) = (alice.peer(), bob.peer());
    for _ in 0..10 {
        bob.net.penalty(a, 10);
    }
    alice.send(b, 0, vec![1]).await;
    assert_eq!(bob.frames(a, 1).await, [[1]], "within its budget");
    for _ in 0..15 {
        bob.net.penalty(a, 10);
    }
    bob.expect(Input::Down { peer: a }).await;
    alice.expect(Input::Down { peer: b }).await;
    // It is refused for a while: whatever the dial shows, bob never hears of it.
    alice.dial(&bob);
    alice
        .until(|input| matches!(input, Input::DialFailed { .. }))
        .await;
    assert!(bob.asks.try_recv().is_err());
}

#[tokio::test]
async fn frames_that_were_not_written_come_back() {
    let mut bob = Node::new(2, &[TCP]).await;
    // The peer opens the stream and reads nothing: bob's writes get stuck.
    let (raw, stream) = Raw::connect(7, &bob).await;
    let peer = raw.peer;
    bob.expect_up(peer).await;
    let drive = tokio::spawn(async move {
        let mut raw = raw;
        raw.until_closed().await;
    });
    let mut sent = Vec::new();
    loop {
        let id = sent.len() as u64;
        match bob.net.send(peer, id, vec![1; 60_000]) {
            Ok(()) => sent.push(id),
            Err(SendError::Busy) => break,
            Err(error) => panic!("{error:?}"),
        }
    }
    drop(stream);
    drive.abort();
    let mut back = Vec::new();
    loop {
        match bob.input().await {
            Input::Undelivered { to, id, why } => {
                assert_eq!((to, why), (peer, SendError::NotConnected));
                back.push(id);
            }
            Input::Down { peer: who } if who == peer => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(!back.is_empty());
    assert_eq!(
        back,
        sent[sent.len() - back.len()..],
        "the last ones, in order"
    );
    let all = bob.net.shared.links.send(peer, 0, vec![1]);
    assert_eq!(all, Err(SendError::NotConnected));
}

#[tokio::test]
async fn nobody_comes_up_before_the_network_is_opened() {
    let (sender, asks) = mpsc::channel(64);
    let (cursor, watched) = watch::channel(0);
    let engine = EngineHandle::new(sender, watched);
    let net = start(config(2, &[QUIC]), engine.clone()).await.unwrap();
    let mut bob = Node {
        net,
        asks,
        _cursor: cursor,
    };
    let mut alice = Node::new(1, &[QUIC]).await;
    let (a, b) = (alice.peer(), bob.peer());
    alice.dial(&bob);
    sleep(Duration::from_millis(200)).await;
    let listen = bob.net.advertise();
    let begun = Input::Start { listen };
    engine.input(begun.clone()).await.unwrap();
    bob.net.open();
    bob.expect(begun).await;
    tokio::join!(alice.expect_up(b), bob.expect_up(a));
}

#[tokio::test]
async fn a_node_without_an_engine_ends_its_links_quietly() {
    let mut alice = Node::new(1, &[QUIC]).await;
    let mut bob = Node::new(2, &[QUIC]).await;
    pair(&mut alice, &mut bob).await;
    let b = bob.peer();
    drop(bob.asks);
    alice.send(b, 0, vec![1]).await;
    alice
        .until(|input| matches!(input, Input::Down { .. }))
        .await;
    bob.net.shutdown().await;
}
