//! A conversation as its worst enemy would arrange it: two engines, a network that loses,
//! repeats, reorders and bends, nodes that crash. Nothing may be shown twice, invented or lost, no
//! state may move back, and once the trouble ends, everything that was acknowledged arrives.

use super::duet::{Duet, Flying, Said};
use super::reader::Reader;
use std::collections::BTreeMap;
use std::sync::OnceLock;
use waxwing_protocol::id::Fixed;
use waxwing_protocol::input::{Command, DialError, Input, SendError};
use waxwing_protocol::limits::{KEY_KEEP_MS, REPAIRS_PER_DAY_MAX};
use waxwing_protocol::output::{Answer, State};
use waxwing_protocol::query;
use waxwing_protocol::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};

/// Operations of one run: more find nothing new and cost time.
const STEPS_MAX: usize = 96;
/// Longer than this in all, and invites and letters may expire as they should.
const TROUBLE_MS_MAX: u64 = 5 * DAY_MS;
/// Rounds of calm within which everything must have arrived: most of a day, as the last tries are
/// an hour apart.
const CALM_ROUNDS: usize = 40;

/// A conversation made of operations that the input chooses.
pub fn conversation(data: &[u8]) {
    static MET: OnceLock<[Duet; 2]> = OnceLock::new();
    let met = MET.get_or_init(|| [met(1), met(3)]);
    let mut choice = Reader::new(data);
    let mut run = Run {
        duet: match choice.byte() % 5 {
            0 => met[0].clone(),
            1 => met[1].clone(),
            how => begun(how),
        },
        passed: 0,
        blocked: false,
        bent: 0,
        count: 0,
        keys: BTreeMap::new(),
    };
    run.duet.check();
    for _ in 0..STEPS_MAX {
        if choice.is_empty() {
            break;
        }
        run.operate(&mut choice);
        run.duet.check();
    }
    run.calm();
}

/// Two people who know each other.
fn met(uses: u8) -> Duet {
    let mut duet = Duet::new();
    add(&mut duet, true, uses);
    duet.deliver_all();
    if let Some(name) = duet.name(false) {
        let _ = duet.ask(false, None, Command::Accept { name });
    }
    duet.deliver_all();
    duet.pass(5 * SECOND_MS);
    duet.deliver_all();
    duet
}

/// Two people who begin to know each other while the trouble is on already.
fn begun(how: u8) -> Duet {
    let mut duet = Duet::new();
    match how {
        2 => add(&mut duet, true, 1),
        3 => add(&mut duet, true, 3),
        _ => {
            add(&mut duet, true, 1);
            add(&mut duet, false, 1);
        }
    }
    duet
}

/// One takes up a link of the other.
fn add(duet: &mut Duet, a: bool, uses: u8) {
    let invite = Command::Invite { uses, life: None };
    if let Ok(Answer::Invite { link, .. }) = duet.ask(!a, None, invite) {
        let (name, note) = (None, None);
        let _ = duet.ask(a, None, Command::Add { link, name, note });
    }
}

struct Run {
    duet: Duet,
    passed: u64,
    blocked: bool,
    bent: usize,
    count: u32,
    /// Idempotency keys in use: since when, and what they are.
    keys: BTreeMap<(bool, u8), (u64, String)>,
}

impl Run {
    fn operate(&mut self, choice: &mut Reader<'_>) {
        let op = choice.byte();
        let a = op & 1 == 0;
        match (op >> 1) % 32 {
            0..=3 => self.send(a, None),
            4..=8 => {
                if let Some(one) = self.take(choice) {
                    self.duet.deliver(one);
                }
            }
            9 | 10 => self.duet.deliver_all(),
            11 => drop(self.take(choice)),
            12 => {
                if let Some(one) = self.pick(choice) {
                    self.duet.deliver(one);
                }
            }
            13 | 14 => {
                if let Some(mut one) = self.take(choice) {
                    let bytes = choice.bend(&one.bytes);
                    self.bent += usize::from(bytes != one.bytes);
                    one.bytes = bytes;
                    self.duet.deliver(one);
                }
            }
            15..=17 => self.pass(choice),
            18 if self.duet.joined => self.duet.part(),
            18 | 19 => self.duet.join(),
            20 => self.duet.crash(a),
            21 => self.crash_unsaved(a, choice),
            22 => self.react(a, choice),
            23 => self.read(a, choice),
            24 => self.undelivered(choice),
            25 => self.duet.reachable = !self.duet.reachable,
            26 => {
                let bytes = choice.some(255).to_vec();
                let from = if op & 128 == 0 {
                    self.duet.node(!a).peer()
                } else {
                    Fixed([9; 32])
                };
                self.bent += 1;
                self.duet.step(a, Input::Frame { from, bytes });
            }
            27 => self.replay(choice),
            28 => self.block(a, op),
            29 => add(&mut self.duet, a, 1 + (op >> 7) * 2),
            30 => self.rename(a),
            _ => {
                let key = self.key(a, choice.byte() % 4);
                self.send(a, Some(key));
            }
        }
    }

    fn pick(&self, choice: &mut Reader<'_>) -> Option<Flying> {
        let at = choice.below(self.duet.wires.len());
        self.duet.wires.get(at).cloned()
    }

    fn take(&mut self, choice: &mut Reader<'_>) -> Option<Flying> {
        let at = choice.below(self.duet.wires.len());
        self.duet.wires.remove(at)
    }

    fn pass(&mut self, choice: &mut Reader<'_>) {
        let spans = [
            7,
            SECOND_MS,
            5 * SECOND_MS,
            61 * SECOND_MS,
            3 * MINUTE_MS,
            HOUR_MS,
            13 * HOUR_MS,
            DAY_MS,
        ];
        let ms = spans[usize::from(choice.byte()) % spans.len()];
        if self.passed + ms <= TROUBLE_MS_MAX {
            self.passed += ms;
            self.duet.pass(ms);
        }
    }

    /// A key that was used before and whose answer is still kept, or a new one.
    fn key(&mut self, a: bool, slot: u8) -> String {
        let (first, name) = self
            .keys
            .entry((a, slot))
            .or_insert_with(|| (self.passed, format!("key {slot}")));
        if self.passed - *first >= KEY_KEEP_MS {
            *first = self.passed;
            name.push('+');
        }
        name.clone()
    }

    /// Says something; with a key, again and again the same.
    fn send(&mut self, a: bool, key: Option<String>) {
        let Some(to) = self.duet.name(a) else { return };
        let text = match &key {
            Some(key) => key.clone(),
            None => {
                self.count += 1;
                format!("number {}", self.count)
            }
        };
        self.duet.tried.insert((a, text.clone()));
        let send = Command::Send {
            to,
            text: text.clone(),
            reply_to: None,
        };
        if let Ok(Answer::Message { id, .. }) = self.duet.ask(a, key, send)
            && self.duet.said.iter().all(|said| said.id != id)
        {
            self.duet.said.push(Said { by_a: a, id, text });
        }
    }

    /// Something happens to a node and is lost with it before it is on the disk.
    fn crash_unsaved(&mut self, a: bool, choice: &mut Reader<'_>) {
        let one = self.take(choice).filter(|one| one.to_a == a);
        let from = self.duet.node(!a).peer();
        let node = self.duet.node(a);
        let disk = node.store.clone();
        match one {
            Some(one) => {
                node.hear(from, one.bytes);
            }
            None => {
                node.step(Input::Wake);
            }
        }
        node.store = disk;
        self.duet.crash(a);
    }

    fn react(&mut self, a: bool, choice: &mut Reader<'_>) {
        let at = choice.below(self.duet.said.len());
        if let Some(said) = self.duet.said.get(at) {
            let (to, emoji) = (said.id, ["👍", "", "❤️"][at % 3].into());
            let _ = self.duet.ask(a, None, Command::React { to, emoji });
        }
    }

    fn read(&mut self, a: bool, choice: &mut Reader<'_>) {
        let Some(name) = self.duet.name(a) else {
            return;
        };
        let at = choice.below(2 * self.duet.said.len());
        let upto = self.duet.said.get(at).map(|said| said.id);
        let _ = self.duet.ask(a, None, Command::MarkRead { name, upto });
    }

    /// A connection refuses a frame, or a dial fails late.
    fn undelivered(&mut self, choice: &mut Reader<'_>) {
        let Some(one) = self.take(choice) else {
            for a in [true, false] {
                let peer = self.duet.node(!a).peer();
                let why = DialError::Refused;
                self.duet.step(a, Input::DialFailed { peer, why });
            }
            return;
        };
        let to = self.duet.node(one.to_a).peer();
        let (id, why) = (one.id, SendError::Busy);
        self.duet
            .step(!one.to_a, Input::Undelivered { to, id, why });
    }

    fn replay(&mut self, choice: &mut Reader<'_>) {
        let at = choice.below(self.duet.log.len());
        if let Some(old) = self.duet.log.get(at).cloned() {
            self.duet.deliver(old);
        }
    }

    fn block(&mut self, a: bool, op: u8) {
        let Some(name) = self.duet.name(a) else {
            return;
        };
        let command = match op >> 6 {
            0 | 1 => Command::Accept { name },
            2 => Command::Decline { name },
            _ => Command::Block { name },
        };
        self.blocked |= !matches!(command, Command::Accept { .. });
        let _ = self.duet.ask(a, None, command);
    }

    fn rename(&mut self, a: bool) {
        self.count += 1;
        let name = format!("somebody {}", self.count);
        self.duet.ask(a, None, Command::Rename { name }).unwrap();
    }

    /// The trouble ends: everything arrives.
    fn calm(&mut self) {
        self.duet.reachable = true;
        for _ in 0..CALM_ROUNDS {
            self.duet.join();
            self.duet.deliver_all();
            for a in [true, false] {
                let requests = query::requests(&self.duet.node(a).store).unwrap();
                if let Some(request) = requests.into_iter().next() {
                    let name = request.name;
                    let _ = self.duet.ask(a, None, Command::Accept { name });
                }
            }
            self.duet.deliver_all();
            self.duet.check();
            if self.arrived() {
                return;
            }
            self.duet.pass(20 * MINUTE_MS);
        }
        // What is bent on an authenticated connection looks like an old copy of the peer's disk:
        // each may cost a session, and replacing those is rationed by the day.
        assert!(
            self.blocked || self.bent >= REPAIRS_PER_DAY_MAX,
            "something never arrived, {} bent",
            self.bent
        );
    }

    fn arrived(&mut self) -> bool {
        let lists = [self.duet.messages(true), self.duet.messages(false)];
        self.duet.said.iter().all(|said| {
            let (mine, theirs) = if said.by_a {
                (&lists[0], &lists[1])
            } else {
                (&lists[1], &lists[0])
            };
            let sent = mine.iter().find(|m| m.id == said.id);
            let there = theirs.iter().find(|m| m.id == said.id);
            sent.is_some_and(|m| m.state >= State::Delivered)
                && there.is_some_and(|m| m.text.as_ref() == Some(&said.text))
        })
    }
}
