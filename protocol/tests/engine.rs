//! Two engines joined by hand: the shortest scenes, step by step. The simulator in `tests/` has
//! the long ones.

use std::collections::VecDeque;
use waxwing_protocol::engine::handle;
use waxwing_protocol::id::Peer;
use waxwing_protocol::input::{Command, Input, Moment, Reach, Settings};
use waxwing_protocol::output::{Answer, ContactState, Output, Refusal, State};
use waxwing_protocol::query::{self, Page};
use waxwing_protocol::store::{MemoryStore, Store, Tx};

/// A generator for tests: reproducible, not secret.
struct Dice(u64);

impl rand_core::TryRng for Dice {
    type Error = core::convert::Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        self.try_next_u64().map(|n| n as u32)
    }
    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Ok(z ^ (z >> 31))
    }
    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Self::Error> {
        for chunk in dst.chunks_mut(8) {
            let bytes = self.try_next_u64()?.to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
        Ok(())
    }
}
impl rand_core::TryCryptoRng for Dice {}

struct Node {
    store: MemoryStore,
    dice: Dice,
    now: u64,
    settings: Settings,
}

impl Node {
    fn new(seed: u64, name: &str) -> Self {
        let mut node = Self {
            store: MemoryStore::default(),
            dice: Dice(seed),
            now: 1_800_000_000_000,
            settings: Settings::default(),
        };
        node.ask(Command::Create { name: name.into() }).unwrap();
        let addr = format!(
            "/ip4/127.0.0.1/udp/{seed}/quic-v1/p2p/{}",
            waxwing_protocol::id::peer_to_text(&node.peer())
        );
        node.step(Input::Start { listen: vec![addr] });
        node
    }

    fn step(&mut self, input: Input) -> Vec<Output> {
        let mut tx = Tx::new(&self.store);
        let mut at = Moment {
            now: self.now,
            rng: &mut self.dice,
            settings: &self.settings,
        };
        let mut outputs = handle(&mut tx, &mut at, input).unwrap();
        for _ in 0..8 {
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

    fn ask(&mut self, command: Command) -> Result<Answer, Refusal> {
        self.ask_all(command).0
    }

    fn ask_all(&mut self, command: Command) -> (Result<Answer, Refusal>, Vec<Output>) {
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

    fn peer(&self) -> Peer {
        query::me(&self.store).unwrap().unwrap().peer
    }

    fn texts(&self, name: &str) -> Vec<String> {
        let page = Page::default();
        let messages = query::messages(&self.store, name, &page).unwrap().unwrap();
        messages.into_iter().map(|m| m.text.unwrap()).collect()
    }
}

/// Two nodes with a perfect connection between them.
struct Pair {
    a: Node,
    b: Node,
    joined: bool,
    wires: VecDeque<(bool, Vec<u8>)>,
}

impl Pair {
    fn new() -> Self {
        Self {
            a: Node::new(1, "alice"),
            b: Node::new(2, "bob"),
            joined: false,
            wires: VecDeque::new(),
        }
    }

    fn node(&mut self, a: bool) -> &mut Node {
        if a { &mut self.a } else { &mut self.b }
    }

    fn perform(&mut self, a: bool, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Send { bytes, .. } if self.joined => self.wires.push_back((!a, bytes)),
                Output::Dial { .. } if !self.joined => {
                    self.joined = true;
                    for side in [true, false] {
                        let peer = self.node(!side).peer();
                        let out = self.node(side).step(Input::Up {
                            peer,
                            how: Reach::Direct,
                        });
                        self.perform(side, out);
                    }
                }
                _ => {}
            }
        }
    }

    fn settle(&mut self) {
        while let Some((a, bytes)) = self.wires.pop_front() {
            let from = self.node(!a).peer();
            let out = self.node(a).step(Input::Frame { from, bytes });
            self.perform(a, out);
        }
    }

    fn ask(&mut self, a: bool, command: Command) -> Result<Answer, Refusal> {
        let (result, out) = self.node(a).ask_all(command);
        self.perform(a, out);
        self.settle();
        result
    }

    fn meet(&mut self, uses: u8) {
        let answer = self
            .ask(false, Command::Invite { uses, life: None })
            .unwrap();
        let Answer::Invite { link, .. } = answer else {
            panic!("{answer:?}")
        };
        let add = Command::Add {
            link,
            name: None,
            note: Some("hello it is me".into()),
        };
        self.ask(true, add).unwrap();
    }
}

fn state(node: &Node, name: &str) -> ContactState {
    query::contact(&node.store, name).unwrap().unwrap().state
}

#[test]
fn a_one_use_link_connects_two_people_and_they_talk() {
    let mut pair = Pair::new();
    pair.meet(1);
    assert_eq!(state(&pair.a, "bob"), ContactState::Connected);
    assert_eq!(state(&pair.b, "alice"), ContactState::Connected);
    let mut last = None;
    for i in 0..200 {
        let a = i % 3 != 0;
        let to = if a { "bob" } else { "alice" };
        pair.a.now += 7;
        pair.b.now += 7;
        let send = Command::Send {
            to: to.into(),
            text: format!("number {i}"),
            reply_to: None,
        };
        let Answer::Message { id, .. } = pair.ask(a, send).unwrap() else {
            panic!()
        };
        let node = if a { &pair.a } else { &pair.b };
        let sent = query::message(&node.store, &id).unwrap().unwrap();
        assert_eq!(sent.state, State::Delivered, "message {i}");
        last = Some(id);
    }
    assert_eq!(pair.a.texts("bob"), pair.b.texts("alice"));
    assert_eq!(
        query::contact(&pair.b.store, "alice")
            .unwrap()
            .unwrap()
            .unread,
        133
    );
    pair.ask(
        false,
        Command::MarkRead {
            name: "alice".into(),
            upto: None,
        },
    )
    .unwrap();
    pair.ask(
        true,
        Command::React {
            to: last.unwrap(),
            emoji: "👍".into(),
        },
    )
    .unwrap();
    let seen = query::message(&pair.b.store, &last.unwrap())
        .unwrap()
        .unwrap();
    assert_eq!(seen.reactions.len(), 1);
    let status = query::status(&pair.a.store).unwrap();
    assert_eq!((status.outbox, status.connected), (0, 1));
    let all = query::messages(
        &pair.a.store,
        "bob",
        &Page {
            limit: 500,
            ..Page::default()
        },
    );
    let all = all.unwrap().unwrap();
    assert_eq!(all.len(), 200);
    assert!(
        all.iter()
            .all(|m| m.mine != (m.from == "bob") && m.state >= State::Delivered)
    );
    assert_eq!(
        all.iter()
            .filter(|m| m.mine && m.state == State::Read)
            .count(),
        133
    );
}

#[test]
fn a_counted_link_asks_first() {
    let mut pair = Pair::new();
    pair.meet(3);
    let requests = query::requests(&pair.b.store).unwrap();
    assert_eq!(requests.len(), 1);
    assert_eq!(
        (requests[0].name.as_str(), requests[0].note.as_str()),
        ("alice", "hello it is me")
    );
    assert_eq!(requests[0].safety_number.len(), 71);
    let name = query::contacts(&pair.a.store).unwrap()[0].name.clone();
    assert_eq!(state(&pair.a, &name), ContactState::Pending);
    let early = Command::Send {
        to: name,
        text: "are you there?".into(),
        reply_to: None,
    };
    pair.ask(true, early).unwrap();
    assert!(query::contacts(&pair.b.store).unwrap().is_empty());
    pair.ask(
        false,
        Command::Accept {
            name: "alice".into(),
        },
    )
    .unwrap();
    assert_eq!(state(&pair.a, "bob"), ContactState::Connected);
    assert_eq!(pair.b.texts("alice"), ["are you there?"]);
    let story = query::messages(&pair.a.store, "bob", &Page::default())
        .unwrap()
        .unwrap();
    assert_eq!(story[0].state, State::Delivered);
    let why = query::why(&pair.a.store, &story[0].id, pair.a.now)
        .unwrap()
        .unwrap();
    assert!(why.steps.len() >= 3, "{why:?}");
}
