//! Many engines, one queue of events, one clock.

use crate::dice::{Dice, Purpose};
use crate::engine::{Engine, Real};
use crate::frames::KeyBook;
use crate::garbage;
use crate::link::LinkConfig;
use crate::model::Model;
use crate::person::{CrashPoint, Person, Power, Then, Who, Wish};
use crate::report::{Failure, Findings, Trace, Violation};
use crate::step::Step;
use crate::watch::Watch;
use std::collections::BTreeMap;
use waxwing_protocol::id::Peer;
use waxwing_protocol::input::{Command, DialError, Input, Moment};
use waxwing_protocol::output::Output;
use waxwing_protocol::store::{MemoryStore, Read, Store, StoreError, Tx};
use waxwing_protocol::time::Millis;

/// Groups that one person may run within one virtual second; more is an engine that keeps itself
/// awake.
const GROUPS_PER_SECOND_MAX: u32 = 2_000;

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
    engine: Box<dyn Engine>,
    queue: BTreeMap<(Millis, u64), Event>,
    seq: u64,
    /// Events in the queue other than alarms.
    lively: usize,
    next_ticket: u64,
    /// Groups in the current virtual second, per person.
    busy: BTreeMap<Who, (Millis, u32)>,
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

    fn is_this_run(&self, who: Who, run: u64) -> bool {
        self.people[who].run == run && self.people[who].is_on()
    }

    /// Starts a node that is off; gives every unanswered command again, under its key.
    pub fn start(&mut self, who: Who) {
        let person = &mut self.people[who];
        if person.power != Power::Off {
            return;
        }
        person.power = Power::On;
        person.run += 1;
        person.run_ahead_ms = person.clock_ahead_ms;
        person.told_ms = 0;
        person.wake_at = None;
        person.group_due = false;
        person.disk_full = false;
        person.inbox.clear();
        let listen = person.listen(who);
        person.inbox.push_back(Input::Start { listen });
        for (ticket, wish) in &mut person.wishes {
            wish.given = true;
            person.inbox.push_back(ask(*ticket, wish));
        }
        person.inbox.push_back(Input::Wake);
        self.note(who, "starts", &[]);
        self.want_group(who);
    }

    /// Gives a command; its answer appears under the ticket.
    pub fn command(&mut self, who: Who, command: Command, about: Option<Who>, then: Then) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let wish = Wish {
            command,
            about,
            then,
            given: false,
            doubtful: false,
        };
        self.model.wished(who, &wish);
        let input = ask(ticket, &wish);
        let person = &mut self.people[who];
        let on = person.is_on();
        person.wishes.insert(ticket, Wish { given: on, ..wish });
        if on {
            self.push(who, input);
        }
        ticket
    }

    /// Gives commands that were wished for while the machine slept.
    pub(crate) fn regive(&mut self, who: Who) {
        let person = &self.people[who];
        let asks: Vec<Input> = person
            .wishes
            .iter()
            .filter(|(_, wish)| !wish.given)
            .map(|(ticket, wish)| ask(*ticket, wish))
            .collect();
        asks.into_iter().for_each(|input| self.push(who, input));
        self.people[who]
            .wishes
            .values_mut()
            .for_each(|wish| wish.given = true);
    }

    /// Queues an input for somebody's next group.
    pub(crate) fn push(&mut self, who: Who, input: Input) {
        if self.people[who].is_on() {
            self.people[who].inbox.push_back(input);
            self.want_group(who);
        }
    }

    fn want_group(&mut self, who: Who) {
        let flush = self.config.flush_ms;
        let person = &mut self.people[who];
        if !person.group_due {
            person.group_due = true;
            let wait = person.shell_dice.between(flush);
            let run = person.run;
            self.after(wait, Event::Group { who, run });
        }
    }

    fn run_group(&mut self, who: Who) {
        if self.keeps_busy(who) {
            return;
        }
        let now = self.now;
        let person = &mut self.people[who];
        let room = 1 + person.shell_dice.below(self.config.group_max);
        let size = usize::try_from(room).unwrap_or(1).min(person.inbox.len());
        let mut inputs: Vec<Input> = person.inbox.drain(..size).collect();
        if person.wake_at.is_some_and(|at| at <= now) {
            person.wake_at = None;
            inputs.push(Input::Wake);
        }
        if inputs.is_empty() {
            return;
        }
        let told = person.tell_time(now);
        let mut handled = Vec::new();
        let mut outputs = Vec::new();
        let mut widest = 0;
        let mut tx = Tx::new(&person.store);
        let mut failed = None;
        for input in inputs {
            if let Input::Frame { bytes, .. } = &input {
                handled.push(bytes.clone());
            }
            let mut moment = Moment {
                now: told,
                rng: person.engine_dice.rng(),
                settings: &person.settings,
            };
            match self.engine.handle(&mut tx, &mut moment, input) {
                Ok(more) => {
                    widest = widest.max(more.len());
                    outputs.extend(more);
                }
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        let batch = tx.into_batch();
        if let Some(error) = failed {
            self.violation("store_error", who, format!("the engine failed: {error}"));
            return self.crash(who);
        }
        self.outputs_max = self.outputs_max.max(widest);
        self.watch_outputs(who, widest);
        let person = &mut self.people[who];
        person.commits += 1;
        let point = match person.crash_at {
            Some((commit, point)) if commit <= person.commits => {
                person.crash_at = None;
                Some(point)
            }
            _ if person.disk_full => Some(CrashPoint::Full),
            _ => None,
        };
        if matches!(point, Some(CrashPoint::Before | CrashPoint::Full)) {
            self.note(who, "loses power before its commit", &[]);
            return self.crash(who);
        }
        if let Err(error) = person.store.apply(batch) {
            self.violation("store_error", who, format!("a commit failed: {error}"));
            return self.crash(who);
        }
        for bytes in handled {
            person.remember_frame(bytes);
        }
        let grew = self.watch_commit(who);
        match point {
            Some(CrashPoint::After) => {
                self.note(who, "loses power after its commit", &[]);
                return self.crash(who);
            }
            Some(CrashPoint::Within(count)) => {
                let count = count.min(outputs.len());
                outputs.truncate(count);
                outputs
                    .into_iter()
                    .for_each(|output| self.perform(who, output));
                self.note(who, &format!("loses power after {count} outputs"), &[]);
                return self.crash(who);
            }
            _ => self.watch_notify(who, grew, &outputs),
        }
        outputs
            .into_iter()
            .for_each(|output| self.perform(who, output));
        if self.people[who].is_on() && !self.people[who].inbox.is_empty() {
            self.want_group(who);
        }
    }

    /// More groups in a second than anything explains: reports it and takes the node down.
    fn keeps_busy(&mut self, who: Who) -> bool {
        let second = self.now / 1_000;
        let entry = self.busy.entry(who).or_insert((second, 0));
        if entry.0 != second {
            *entry = (second, 0);
        }
        entry.1 += 1;
        if entry.1 <= GROUPS_PER_SECOND_MAX {
            return false;
        }
        self.violation("busy", who, "the engine keeps itself awake".into());
        self.people[who].power = Power::Off;
        true
    }

    fn perform(&mut self, who: Who, output: Output) {
        match output {
            Output::Reply { reply_to, result } => self.answered(who, reply_to, result),
            Output::Send { to, id, bytes } => self.send(who, &to, id, bytes),
            Output::Dial { peer, addrs } => self.dial(who, peer, addrs),
            Output::Notify { cursor } => self.note(who, &format!("notify {cursor}"), &[]),
            Output::WakeAt(unix) => self.wake_at(who, unix),
            Output::Penalty { peer, points } => {
                self.note(who, &format!("penalty {points}"), &peer.0);
                self.watch_penalty(who, &peer, points);
            }
        }
    }

    fn wake_at(&mut self, who: Who, unix: Millis) {
        let late = self.config.wake_late_ms;
        let person = &mut self.people[who];
        let at = person.virtual_time(unix);
        if person.wake_at.is_none_or(|set| at < set) {
            person.wake_at = Some(at);
            let wait = at.saturating_sub(self.now) + person.shell_dice.between(late);
            let run = person.run;
            self.after(wait, Event::Alarm { who, run });
        }
    }

    /// The process dies: its queue is gone, the others notice in time, a start follows.
    pub(crate) fn crash(&mut self, who: Who) {
        self.stop(who);
        let wait = self.config.restart_ms;
        let wait = self.people[who].shell_dice.between(wait);
        self.after(wait, Event::Start { who });
    }

    pub(crate) fn start_after(&mut self, who: Who, wait: Millis) {
        self.after(wait, Event::Start { who });
    }

    /// The process dies and stays dead.
    pub(crate) fn stop(&mut self, who: Who) {
        let person = &mut self.people[who];
        person.power = Power::Off;
        person.inbox.clear();
        for wish in person.wishes.values_mut() {
            wish.doubtful |= wish.given;
        }
        self.cut(who);
    }

    /// Puts another disk under a node that is off.
    pub(crate) fn swap_disk(&mut self, who: Who, store: MemoryStore) {
        self.people[who].store = store;
        self.people[who].recent.clear();
        self.watch_new_disk(who);
    }

    /// Runs one input on a copy of somebody's disk and says what would then be seen.
    pub(crate) fn rehearse(&self, who: Who, input: Input) -> Result<(u64, u64), StoreError> {
        let person = &self.people[who];
        let mut store = person.store.clone();
        let before = garbage::visible(self.engine.as_ref(), &store)?;
        let mut dice = Dice::new(self.seed, Purpose::Rehearsal, who, 0);
        let mut moment = Moment {
            now: person.told_ms,
            rng: dice.rng(),
            settings: &person.settings,
        };
        let mut tx = Tx::new(&store);
        self.engine.handle(&mut tx, &mut moment, input)?;
        let batch = tx.into_batch();
        store.apply(batch)?;
        Ok((before, garbage::visible(self.engine.as_ref(), &store)?))
    }

    pub(crate) fn dice_of(&mut self, from: Who, to: Who) -> &mut Dice {
        let seed = self.seed;
        self.link_dice
            .entry((from, to))
            .or_insert_with(|| Dice::new(seed, Purpose::Link, from, to))
    }
}

/// A command as the engine takes it; the ticket is its idempotency key.
fn ask(ticket: u64, wish: &Wish) -> Input {
    Input::Command {
        reply_to: ticket,
        key: Some(format!("ticket-{ticket}")),
        command: wish.command.clone(),
    }
}
