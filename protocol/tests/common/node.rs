//! Engines joined by hand.

use super::Dice;
use std::collections::VecDeque;
use waxwing_protocol::engine::handle;
use waxwing_protocol::id::{Peer, peer_to_text};
use waxwing_protocol::input::{Command, Input, Moment, Reach, Settings};
use waxwing_protocol::output::{Answer, Output, Refusal};
use waxwing_protocol::query;
use waxwing_protocol::store::{Key, MemoryStore, Store, Tx};

/// When every test begins, unix milliseconds.
pub const START_MS: u64 = 1_800_000_000_000;

/// One engine with its disk.
#[derive(Clone)]
pub struct Node {
    pub store: MemoryStore,
    pub dice: Dice,
    pub now: u64,
    pub settings: Settings,
}

impl Node {
    /// A node with an account, listening on one address.
    pub fn new(seed: u64, name: &str) -> Self {
        let mut node = Self {
            store: MemoryStore::default(),
            dice: Dice(seed),
            now: START_MS,
            settings: Settings::default(),
        };
        node.ask(Command::Create { name: name.into() }).unwrap();
        let addr = address_of(&node.peer());
        node.step(Input::Start { listen: vec![addr] });
        node
    }

    /// One input and nothing else.
    pub fn step_once(&mut self, input: Input) -> Vec<Output> {
        let mut tx = Tx::new(&self.store);
        let mut at = Moment {
            now: self.now,
            rng: &mut self.dice,
            settings: &self.settings,
        };
        let outputs = handle(&mut tx, &mut at, input).unwrap();
        let batch = tx.into_batch();
        self.store.apply(batch).unwrap();
        outputs
    }

    /// One input, and the wake-ups that are due at once.
    pub fn step(&mut self, input: Input) -> Vec<Output> {
        let mut tx = Tx::new(&self.store);
        let mut at = Moment {
            now: self.now,
            rng: &mut self.dice,
            settings: &self.settings,
        };
        let mut outputs = handle(&mut tx, &mut at, input).unwrap();
        for _ in 0..16 {
            let due = outputs
                .iter()
                .any(|o| matches!(o, Output::WakeAt(t) if *t <= self.now));
            if !due {
                break;
            }
            outputs.retain(|o| !matches!(o, Output::WakeAt(_)));
            outputs.extend(handle(&mut tx, &mut at, Input::Wake).unwrap());
        }
        let batch = tx.into_batch();
        self.store.apply(batch).unwrap();
        outputs
    }

    /// Bytes from a peer.
    pub fn hear(&mut self, from: Peer, bytes: Vec<u8>) -> Vec<Output> {
        self.step(Input::Frame { from, bytes })
    }

    /// A command and what else came of it.
    pub fn ask_all(&mut self, command: Command) -> (Result<Answer, Refusal>, Vec<Output>) {
        let mut outputs = self.step(Input::Command {
            reply_to: 1,
            key: None,
            command,
        });
        let at = outputs
            .iter()
            .position(|o| matches!(o, Output::Reply { .. }))
            .unwrap();
        let Output::Reply { result, .. } = outputs.remove(at) else {
            unreachable!()
        };
        (result, outputs)
    }

    /// A command.
    pub fn ask(&mut self, command: Command) -> Result<Answer, Refusal> {
        self.ask_all(command).0
    }

    /// An invite link.
    pub fn link(&mut self, uses: u8, life: Option<u64>) -> String {
        match self.ask(Command::Invite { uses, life }).unwrap() {
            Answer::Invite { link, .. } => link,
            other => panic!("{other:?}"),
        }
    }

    pub fn peer(&self) -> Peer {
        query::me(&self.store).unwrap().unwrap().peer
    }

    /// The whole disk.
    pub fn rows(&self) -> Vec<(Key, Vec<u8>)> {
        self.store
            .iter()
            .map(|(key, value)| (key.clone(), value.to_vec()))
            .collect()
    }
}

/// A loopback address that names a peer.
pub fn address_of(peer: &Peer) -> String {
    format!("/ip4/127.0.0.1/udp/9/quic-v1/p2p/{}", peer_to_text(peer))
}

/// Points that were charged.
pub fn penalty(outputs: &[Output]) -> u32 {
    outputs
        .iter()
        .map(|o| match o {
            Output::Penalty { points, .. } => *points,
            _ => 0,
        })
        .sum()
}

/// Frames that were sent.
pub fn sent(outputs: &[Output]) -> Vec<Vec<u8>> {
    outputs
        .iter()
        .filter_map(|o| match o {
            Output::Send { bytes, .. } => Some(bytes.clone()),
            _ => None,
        })
        .collect()
}

/// Two nodes with a perfect connection between them.
pub struct Pair {
    pub a: Node,
    pub b: Node,
    pub joined: bool,
    pub wires: VecDeque<(bool, Vec<u8>)>,
    /// Every frame that was ever sent: to alice?, bytes.
    pub log: Vec<(bool, Vec<u8>)>,
}

impl Pair {
    pub fn new() -> Self {
        Self {
            a: Node::new(1, "alice"),
            b: Node::new(2, "bob"),
            joined: false,
            wires: VecDeque::new(),
            log: Vec::new(),
        }
    }

    pub fn node(&mut self, a: bool) -> &mut Node {
        if a { &mut self.a } else { &mut self.b }
    }

    pub fn perform(&mut self, a: bool, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Send { bytes, .. } if self.joined => {
                    self.log.push((!a, bytes.clone()));
                    self.wires.push_back((!a, bytes));
                }
                Output::Dial { .. } if !self.joined => self.join(),
                _ => {}
            }
        }
    }

    /// Connects the two.
    pub fn join(&mut self) {
        self.joined = true;
        for side in [true, false] {
            let peer = self.node(!side).peer();
            let how = Reach::Direct;
            let out = self.node(side).step(Input::Up { peer, how });
            self.perform(side, out);
        }
    }

    /// Ends the connection.
    pub fn part(&mut self) {
        self.joined = false;
        for side in [true, false] {
            let peer = self.node(!side).peer();
            let out = self.node(side).step(Input::Down { peer });
            self.perform(side, out);
        }
    }

    /// Carries frames until there are none.
    pub fn settle(&mut self) {
        while let Some((a, bytes)) = self.wires.pop_front() {
            let from = self.node(!a).peer();
            let out = self.node(a).hear(from, bytes);
            self.perform(a, out);
        }
    }

    pub fn ask(&mut self, a: bool, command: Command) -> Result<Answer, Refusal> {
        let (result, out) = self.node(a).ask_all(command);
        self.perform(a, out);
        self.settle();
        result
    }

    /// Time passes on both sides; what is due is done.
    pub fn pass(&mut self, ms: u64) {
        for side in [true, false] {
            self.node(side).now += ms;
            let out = self.node(side).step(Input::Wake);
            self.perform(side, out);
        }
        self.settle();
    }

    /// Alice takes up a link of bob's.
    pub fn meet(&mut self, uses: u8) {
        let link = self.b.link(uses, None);
        let add = Command::Add {
            link,
            name: None,
            note: None,
        };
        self.ask(true, add).unwrap();
    }

    pub fn say(&mut self, a: bool, text: &str) {
        let to = if a { "bob" } else { "alice" };
        let send = Command::Send {
            to: to.into(),
            text: text.into(),
            reply_to: None,
        };
        self.ask(a, send).unwrap();
    }
}
