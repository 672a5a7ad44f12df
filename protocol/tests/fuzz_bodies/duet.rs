//! Two engines, the wires between them, and what must be true of both at any time.

use crate::common::node::{Node, address_of};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use waxwing_protocol::id::{Mid, Peer};
use waxwing_protocol::input::{Command, DialError, Input, Reach, SendError};
use waxwing_protocol::limits::READ_MAX;
use waxwing_protocol::output::{Answer, ContactState, Output, Refusal, State};
use waxwing_protocol::query::{self, MessageView, Page};

/// Inputs that one operation may cause before the two must have come to rest.
const REACTIONS_MAX: usize = 2_000;
/// Frames of the past that can be played again.
const LOG_MAX: usize = 64;

/// A frame on its way.
#[derive(Clone)]
pub struct Flying {
    pub to_a: bool,
    pub id: u64,
    pub bytes: Vec<u8>,
}

/// A text that a command acknowledged.
#[derive(Clone)]
pub struct Said {
    pub by_a: bool,
    pub id: Mid,
    pub text: String,
}

#[derive(Clone)]
pub struct Duet {
    pub a: Node,
    pub b: Node,
    pub joined: bool,
    /// Dials lead somewhere.
    pub reachable: bool,
    pub wires: VecDeque<Flying>,
    pub log: Vec<Flying>,
    pub said: Vec<Said>,
    /// Texts that somebody tried to send.
    pub tried: BTreeSet<(bool, String)>,
    best: BTreeMap<(bool, Mid), State>,
}

impl Duet {
    pub fn new() -> Self {
        Self {
            a: Node::new(1, "alice"),
            b: Node::new(2, "bob"),
            joined: false,
            reachable: true,
            wires: VecDeque::new(),
            log: Vec::new(),
            said: Vec::new(),
            tried: BTreeSet::new(),
            best: BTreeMap::new(),
        }
    }

    pub fn node(&mut self, a: bool) -> &mut Node {
        if a { &mut self.a } else { &mut self.b }
    }

    fn peer(&mut self, a: bool) -> Peer {
        self.node(a).peer()
    }

    /// One input, and everything that follows from it at once.
    pub fn step(&mut self, a: bool, input: Input) {
        self.run(VecDeque::from([(a, input)]));
    }

    fn run(&mut self, mut inputs: VecDeque<(bool, Input)>) {
        for _ in 0..REACTIONS_MAX {
            let Some((a, input)) = inputs.pop_front() else {
                return;
            };
            let outputs = self.node(a).step(input);
            self.perform(a, outputs, &mut inputs);
        }
        panic!("the two do not come to rest");
    }

    /// Does what a shell would do.
    fn perform(&mut self, a: bool, outputs: Vec<Output>, then: &mut VecDeque<(bool, Input)>) {
        let (mine, theirs) = (self.peer(a), self.peer(!a));
        for output in outputs {
            match output {
                Output::Send { to, id, bytes } if to == theirs && self.joined => {
                    let to_a = !a;
                    let one = Flying { to_a, id, bytes };
                    if self.log.len() < LOG_MAX {
                        self.log.push(one.clone());
                    }
                    self.wires.push_back(one);
                }
                Output::Send { to, id, .. } => {
                    let why = SendError::NotConnected;
                    then.push_back((a, Input::Undelivered { to, id, why }));
                }
                Output::Dial { peer, .. } if peer == theirs && self.joined => {}
                Output::Dial { peer, .. } if peer == theirs && self.reachable => {
                    self.joined = true;
                    let how = Reach::Direct;
                    then.push_back((a, Input::Up { peer, how }));
                    then.push_back((!a, Input::Up { peer: mine, how }));
                }
                Output::Dial { peer, .. } => {
                    let why = DialError::Timeout;
                    then.push_back((a, Input::DialFailed { peer, why }));
                }
                _ => {}
            }
        }
    }

    pub fn join(&mut self) {
        if !self.joined {
            self.joined = true;
            let (a, b) = (self.peer(true), self.peer(false));
            let how = Reach::Direct;
            self.step(true, Input::Up { peer: b, how });
            self.step(false, Input::Up { peer: a, how });
        }
    }

    /// The connection ends; what was on it is gone.
    pub fn part(&mut self) {
        if self.joined {
            self.joined = false;
            self.wires.clear();
            let (a, b) = (self.peer(true), self.peer(false));
            self.step(true, Input::Down { peer: b });
            self.step(false, Input::Down { peer: a });
        }
    }

    /// A node stops; its disk stays as it was at the last commit. Then it starts again.
    pub fn crash(&mut self, a: bool) {
        self.wires.clear();
        let gone = self.peer(a);
        if core::mem::take(&mut self.joined) {
            self.step(!a, Input::Down { peer: gone });
        }
        let listen = vec![address_of(&gone)];
        self.step(a, Input::Start { listen });
    }

    pub fn deliver(&mut self, one: Flying) {
        let from = self.peer(!one.to_a);
        let bytes = one.bytes;
        self.step(one.to_a, Input::Frame { from, bytes });
    }

    pub fn deliver_all(&mut self) {
        for _ in 0..REACTIONS_MAX {
            let Some(one) = self.wires.pop_front() else {
                return;
            };
            self.deliver(one);
        }
        panic!("the two never stop talking");
    }

    pub fn pass(&mut self, ms: u64) {
        for a in [true, false] {
            self.node(a).now += ms;
        }
        for a in [true, false] {
            self.step(a, Input::Wake);
        }
    }

    pub fn ask(
        &mut self,
        a: bool,
        key: Option<String>,
        command: Command,
    ) -> Result<Answer, Refusal> {
        let reply_to = 7;
        let mut outputs = self.node(a).step(Input::Command {
            reply_to,
            key,
            command,
        });
        let reply = outputs
            .iter()
            .position(|o| matches!(o, Output::Reply { .. }))
            .expect("every command is answered");
        let Output::Reply { result, .. } = outputs.swap_remove(reply) else {
            unreachable!()
        };
        let mut then = VecDeque::new();
        self.perform(a, outputs, &mut then);
        self.run(then);
        result
    }

    /// What somebody calls the other: contact or request.
    pub fn name(&mut self, a: bool) -> Option<String> {
        let store = &self.node(a).store;
        let contact = query::contacts(store).unwrap().into_iter().next();
        let request = query::requests(store).unwrap().into_iter().next();
        contact.map(|c| c.name).or(request.map(|r| r.name))
    }

    pub fn messages(&mut self, a: bool) -> Vec<MessageView> {
        let Some(name) = self.name(a) else {
            return Vec::new();
        };
        let page = Page {
            limit: READ_MAX,
            ..Page::default()
        };
        let all = query::messages(&self.node(a).store, &name, &page).unwrap();
        all.unwrap_or_default()
    }

    /// What must hold after every step, whatever happened.
    pub fn check(&mut self) {
        for a in [true, false] {
            let list = self.messages(a);
            let mine = query::me(&self.node(a).store).unwrap().unwrap().account;
            let order = |m: &MessageView| (m.clock, if m.mine { mine } else { m.account }, m.id);
            assert!(list.is_sorted_by_key(order), "out of order");
            let ids: BTreeSet<Mid> = list.iter().map(|m| m.id).collect();
            assert_eq!(ids.len(), list.len(), "shown twice");
            let texts: BTreeSet<_> = list.iter().map(|m| (m.mine, &m.text)).collect();
            assert_eq!(texts.len(), list.len(), "said twice");
            for message in &list {
                let text = message.text.clone().expect("only texts were sent");
                let by_a = message.mine == a;
                assert!(self.tried.contains(&(by_a, text)), "nobody said that");
            }
            for seen in self.best.keys().filter(|(side, _)| *side == a) {
                assert!(ids.contains(&seen.1), "what was shown is gone");
            }
            for message in &list {
                let state = self.best.entry((a, message.id)).or_insert(message.state);
                assert!(message.state >= *state, "a state moved back");
                *state = message.state;
            }
            self.check_unread(a, &list);
        }
    }

    fn check_unread(&mut self, a: bool, list: &[MessageView]) {
        let contacts = query::contacts(&self.node(a).store).unwrap();
        assert!(contacts.len() <= 1, "one person is two contacts");
        let Some(contact) = contacts.first() else {
            return;
        };
        if contact.state == ContactState::Connected {
            let unread = |m: &&MessageView| !m.mine && m.state != State::Read;
            let count = list.iter().filter(unread).count();
            assert_eq!(contact.unread, count as u64, "unread count");
        }
    }
}
