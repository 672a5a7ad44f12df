//! Many engines, one queue of events, one clock.

use crate::dice::{Dice, Purpose};
use crate::engine::{Engine, Real};
use crate::frames::KeyBook;

use crate::link::LinkConfig;
use crate::model::Model;
use crate::person::{Person, Then, Who};
use crate::report::{Failure, Findings, Trace, Violation};
use crate::step::Step;
use crate::watch::Watch;
use std::collections::{BTreeMap, BTreeSet};
use waxwing_protocol::id::Peer;
use waxwing_protocol::input::{Command, DialError, Input};

use waxwing_protocol::store::{Read, StoreError};
use waxwing_protocol::time::Millis;

/// How shells behave.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Config {
    /// How connections behave.
    pub link: LinkConfig,
    /// Least and greatest time from the first input of a group to its commit.
    pub flush_ms: (Millis, Millis),
    /// Most inputs in a group; the size of each is drawn.
    pub group_max: u64,
    /// Least and greatest lateness of a wake.
    pub wake_late_ms: (Millis, Millis),
    /// Least and greatest time from a crash to the next start.
    pub restart_ms: (Millis, Millis),
}

impl Config {
    /// For scenes whose times are printed.
    pub const STEADY: Self = Self {
        link: LinkConfig::STEADY,
        flush_ms: (1, 1),
        group_max: 64,
        wake_late_ms: (0, 0),
        restart_ms: (1_000, 1_000),
    };

    /// Ordinary machines on an ordinary network.
    pub const FAIR: Self = Self {
        link: LinkConfig::FAIR,
        flush_ms: (0, 5),
        group_max: 64,
        wake_late_ms: (0, 250),
        restart_ms: (100, 30_000),
    };

    /// The same machines on a network where everything goes wrong.
    pub const ROUGH: Self = Self {
        link: LinkConfig::ROUGH,
        ..Self::FAIR
    };
}

/// Something that is going to happen.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Event {
    Group {
        who: Who,
        run: u64,
    },
    Alarm {
        who: Who,
        run: u64,
    },
    Start {
        who: Who,
    },
    Frame {
        from: Who,
        to: Who,
        conn: u64,
        bytes: Vec<u8>,
    },
    Down {
        who: Who,
        other: Who,
        conn: u64,
    },
    Up {
        who: Who,
        run: u64,
        other: Who,
        conn: u64,
    },
    Dialed {
        who: Who,
        run: u64,
        peer: Peer,
        addrs: Vec<String>,
    },
    DialFailed {
        who: Who,
        run: u64,
        peer: Peer,
        why: DialError,
    },
    Act(Step),
}

/// The people, their network, and what is checked about them.
pub struct World {
    /// The one seed.
    pub seed: u64,
    /// Virtual time.
    pub now: Millis,
    /// How shells and connections behave.
    pub config: Config,
    /// Everybody.
    pub people: Vec<Person>,
    /// What must finally be true.
    pub model: Model,
    /// Continuous checks.
    pub watch: Watch,
    /// What happened.
    pub trace: Trace,
    /// How to run this again, for reports.
    pub replay: String,
    /// Bytes written to connections.
    pub bytes_sent: u64,
    /// Most outputs of one input so far.
    pub outputs_max: usize,
    pub(crate) findings: Findings,
    pub(crate) keys: KeyBook,
    pub(crate) peers: BTreeMap<Peer, Who>,
    /// Which side of a partition each person is on.
    pub(crate) sides: BTreeMap<Who, usize>,
    pub(crate) link_dice: BTreeMap<(Who, Who), Dice>,
    /// When the newest frame that keeps its place arrives, per direction and connection.
    pub(crate) queue_ends: BTreeMap<(Who, Who), (u64, Millis)>,
    pub(crate) next_conn: u64,
    /// Connections that broke; each side that believes in one will notice.
    pub(crate) ended: BTreeSet<u64>,
    pub(crate) engine: Box<dyn Engine>,
    queue: BTreeMap<(Millis, u64), Event>,
    seq: u64,
    /// Events in the queue other than alarms.
    lively: usize,
    pub(crate) next_ticket: u64,
    /// Groups of nothing but a wake in the current virtual second, per person.
    pub(crate) busy: BTreeMap<Who, (Millis, u32)>,
}

impl World {
    /// An empty world around the real engine.
    pub fn new(seed: u64, config: Config) -> Self {
        Self::with_engine(seed, config, Box::new(Real))
    }

    /// An empty world around any engine.
    pub fn with_engine(seed: u64, config: Config, engine: Box<dyn Engine>) -> Self {
        Self {
            seed,
            now: 0,
            config,
            people: Vec::new(),
            model: Model::default(),
            watch: Watch::default(),
            trace: Trace::default(),
            replay: format!("seed {seed}"),
            bytes_sent: 0,
            outputs_max: 0,
            findings: Findings::default(),
            keys: KeyBook::default(),
            peers: BTreeMap::new(),
            sides: BTreeMap::new(),
            link_dice: BTreeMap::new(),
            queue_ends: BTreeMap::new(),
            next_conn: 1,
            ended: BTreeSet::new(),
            engine,
            queue: BTreeMap::new(),
            seq: 0,
            lively: 0,
            next_ticket: 1,
            busy: BTreeMap::new(),
        }
    }

    /// Adds a person, starts the node and asks for an account.
    pub fn add_person(&mut self, name: &str) -> Who {
        let who = self.people.len();
        self.people.push(Person::new(self.seed, who, name));
        self.start(who);
        self.command(
            who,
            Command::Create {
                name: name.to_owned(),
            },
            None,
            Then::Nothing,
        );
        who
    }

    /// A person's name.
    pub fn name(&self, who: Who) -> String {
        self.people
            .get(who)
            .map_or_else(|| "nobody".into(), |p| p.name.clone())
    }

    /// The engine under test.
    pub fn engine(&self) -> &dyn Engine {
        self.engine.as_ref()
    }

    /// Reads somebody's store; an error is a violation and gives nothing.
    pub fn ask<T>(
        &mut self,
        who: Who,
        read: impl FnOnce(&dyn Engine, &dyn Read) -> Result<T, StoreError>,
    ) -> Option<T> {
        let person = self.people.get(who)?;
        match read(self.engine.as_ref(), &person.store) {
            Ok(value) => Some(value),
            Err(error) => {
                self.violation("store_error", who, format!("a query failed: {error}"));
                None
            }
        }
    }

    /// Notes a broken invariant.
    pub fn violation(&mut self, name: &'static str, who: Who, detail: String) {
        let person = self.name(who);
        let violation = Violation {
            name,
            seed: self.seed,
            at: self.now,
            person,
            detail,
        };
        self.findings.add(violation);
    }

    /// Violations found so far.
    pub fn violations(&self) -> &[Violation] {
        self.findings.all()
    }

    /// Nothing was found.
    ///
    /// # Errors
    /// What was found, with the trace.
    pub fn verdict(&self) -> Result<(), Box<Failure>> {
        if self.findings.all().is_empty() {
            return Ok(());
        }
        Err(Box::new(Failure {
            violations: self.findings.all().to_vec(),
            trace: self.trace.lines().map(str::to_owned).collect(),
            replay: self.replay.clone(),
        }))
    }

    pub(crate) fn note(&mut self, who: Who, line: &str, bytes: &[u8]) {
        let name = self.name(who);
        self.trace.note(self.now, &name, line, bytes);
    }

    pub(crate) fn after(&mut self, wait: Millis, event: Event) {
        if !matches!(event, Event::Alarm { .. }) {
            self.lively += 1;
        }
        self.queue.insert((self.now + wait, self.seq), event);
        self.seq += 1;
    }

    /// Does a step at a later time.
    pub fn act_after(&mut self, wait: Millis, step: Step) {
        self.after(wait, Event::Act(step));
    }

    /// Nothing is under way; only alarms may be set.
    pub fn is_idle(&self) -> bool {
        self.lively == 0
    }

    /// When the next event happens.
    pub fn next_at(&self) -> Option<Millis> {
        self.queue.keys().next().map(|(at, _)| *at)
    }

    /// Lets the next event happen; `false` if there is none.
    pub fn step(&mut self) -> bool {
        let Some(((at, _), event)) = self.queue.pop_first() else {
            return false;
        };
        self.now = self.now.max(at);
        if !matches!(event, Event::Alarm { .. }) {
            self.lively -= 1;
        }
        self.happen(event);
        true
    }

    /// Lets time pass.
    pub fn run_for(&mut self, span: Millis) {
        let end = self.now + span;
        while self.next_at().is_some_and(|at| at <= end) {
            self.step();
        }
        self.now = end;
    }

    /// Lets time pass until something is true, at most so long; says whether it became true.
    pub fn run_until(&mut self, span: Millis, mut done: impl FnMut(&Self) -> bool) -> bool {
        let end = self.now + span;
        loop {
            if done(self) {
                return true;
            }
            match self.next_at() {
                Some(at) if at <= end => self.step(),
                _ => return false,
            };
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Group { who, run } => {
                if self.is_this_run(who, run) {
                    self.people[who].group_due = false;
                    self.run_group(who);
                }
            }
            Event::Alarm { who, run } => {
                let due = self.people[who].wake_at.is_some_and(|at| at <= self.now);
                if due && self.is_this_run(who, run) {
                    self.want_group(who);
                }
            }
            Event::Start { who } => self.start(who),
            Event::Frame {
                from,
                to,
                conn,
                bytes,
            } => self.arrive(from, to, conn, bytes),
            Event::Down { who, other, conn } => self.notice_down(who, other, conn),
            Event::Up {
                who,
                run,
                other,
                conn,
            } => {
                if self.is_this_run(who, run) {
                    self.dial_succeeds(who, other, conn);
                }
            }
            Event::Dialed {
                who,
                run,
                peer,
                addrs,
            } => {
                if self.is_this_run(who, run) {
                    self.dial_arrives(who, &peer, &addrs);
                }
            }
            Event::DialFailed {
                who,
                run,
                peer,
                why,
            } => {
                if self.is_this_run(who, run) {
                    self.note(who, &format!("dial failed {why:?}"), &peer.0);
                    self.push(who, Input::DialFailed { peer, why });
                }
            }
            Event::Act(step) => self.act(step),
        }
    }

    pub(crate) fn is_this_run(&self, who: Who, run: u64) -> bool {
        self.people[who].run == run && self.people[who].is_on()
    }

    pub(crate) fn dice_of(&mut self, from: Who, to: Who) -> &mut Dice {
        let seed = self.seed;
        self.link_dice
            .entry((from, to))
            .or_insert_with(|| Dice::new(seed, Purpose::Link, from, to))
    }
}
