//! Two and more nodes on loopback. The engine's place is taken by the test, which reads what the
//! network reports.

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
