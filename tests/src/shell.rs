//! The rules of the real shell: inputs queue up, a group is one batch, outputs leave after it.

use crate::dice::{Dice, Purpose};
use crate::garbage;
use crate::person::{CrashPoint, Power, Then, Who, Wish};
use crate::world::{Event, World};
use std::collections::BTreeSet;
use waxwing_protocol::input::{Command, Input, Moment};
use waxwing_protocol::output::Output;
use waxwing_protocol::store::{Batch, MemoryStore, Store, StoreError, Tx};
use waxwing_protocol::time::Millis;

/// Groups of nothing but a wake that one person may run within one virtual second; more is an
/// engine that keeps itself awake.
const WAKES_PER_SECOND_MAX: u32 = 100;

impl World {
    /// Starts a node that is off; gives every unanswered command again, under its key.
    pub fn start(&mut self, who: Who) {
        let person = &mut self.people[who];
        if person.power != Power::Off || person.away {
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
        let before = match (&command, about) {
            (Command::Clear { .. }, Some(of)) => self.model.to_be_erased(&self.watch, who, of),
            _ => BTreeSet::new(),
        };
        let wish = Wish {
            command,
            about,
            then,
            given: false,
            doubtful: false,
            before,
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

    pub(crate) fn want_group(&mut self, who: Who) {
        let flush = self.config.flush_ms;
        let person = &mut self.people[who];
        if !person.group_due {
            person.group_due = true;
            let wait = person.shell_dice.between(flush);
            let run = person.run;
            self.after(wait, Event::Group { who, run });
        }
    }

    /// Runs a group of what has queued up: one batch, one commit, then its outputs.
    pub(crate) fn run_group(&mut self, who: Who) {
        let now = self.now;
        let person = &mut self.people[who];
        let room = 1 + person.shell_dice.below(self.config.group_max);
        let size = usize::try_from(room).unwrap_or(1).min(person.inbox.len());
        let mut inputs: Vec<Input> = person.inbox.drain(..size).collect();
        if person.wake_at.is_some_and(|at| at <= now) {
            person.wake_at = None;
            inputs.push(Input::Wake);
        }
        if inputs.is_empty() || (inputs == [Input::Wake] && self.keeps_busy(who)) {
            return;
        }
        let frames = inputs.iter().filter_map(|input| match input {
            Input::Frame { bytes, .. } => Some(bytes.clone()),
            _ => None,
        });
        let frames: Vec<Vec<u8>> = frames.collect();
        match self.handle_group(who, inputs) {
            Ok((batch, outputs)) => self.commit(who, batch, outputs, frames),
            Err(error) => {
                self.violation("store_error", who, format!("the engine failed: {error}"));
                self.crash(who);
            }
        }
        if self.people[who].is_on() && !self.people[who].inbox.is_empty() {
            self.want_group(who);
        }
    }

    fn handle_group(
        &mut self,
        who: Who,
        inputs: Vec<Input>,
    ) -> Result<(Batch, Vec<Output>), StoreError> {
        let person = &mut self.people[who];
        let now = person.tell_time(self.now);
        let mut tx = Tx::new(&person.store);
        let mut outputs = Vec::new();
        let mut widest = 0;
        for input in inputs {
            let rng = person.engine_dice.rng();
            let mut moment = Moment {
                now,
                rng,
                settings: &person.settings,
            };
            let more = self.engine.handle(&mut tx, &mut moment, input)?;
            widest = widest.max(more.len());
            outputs.extend(more);
        }
        let batch = tx.into_batch();
        self.outputs_max = self.outputs_max.max(widest);
        self.watch_outputs(who, widest);
        Ok((batch, outputs))
    }

    fn commit(&mut self, who: Who, batch: Batch, mut outputs: Vec<Output>, frames: Vec<Vec<u8>>) {
        self.people[who].commits += 1;
        let person = &mut self.people[who];
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
        self.watch_batch(who, &batch);
        let person = &mut self.people[who];
        if let Err(error) = person.store.apply(batch) {
            self.violation("store_error", who, format!("a commit failed: {error}"));
            return self.crash(who);
        }
        frames
            .into_iter()
            .for_each(|bytes| person.remember_frame(bytes));
        let grew = self.watch_commit(who);
        if point.is_none() {
            self.watch_notify(who, grew, &outputs);
        }
        match point {
            Some(CrashPoint::Within(count)) => outputs.truncate(count),
            Some(_) => outputs.clear(),
            None => {}
        }
        let performed = outputs.len();
        outputs
            .into_iter()
            .for_each(|output| self.perform(who, output));
        if point.is_some() {
            self.note(who, &format!("loses power after {performed} outputs"), &[]);
            self.crash(who);
        }
    }

    /// More wakes in a second than anything explains: reports it and takes the node down.
    fn keeps_busy(&mut self, who: Who) -> bool {
        let second = self.now / 1_000;
        let entry = self.busy.entry(who).or_insert((second, 0));
        if entry.0 != second {
            *entry = (second, 0);
        }
        entry.1 += 1;
        if entry.1 <= WAKES_PER_SECOND_MAX {
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
    pub fn stop(&mut self, who: Who) {
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
}

/// A command as the engine takes it; the ticket is its idempotency key.
fn ask(ticket: u64, wish: &Wish) -> Input {
    Input::Command {
        reply_to: ticket,
        key: Some(format!("ticket-{ticket}")),
        command: wish.command.clone(),
    }
}
