//! One person: a disk, an engine's dice, a shell with its queue.

use crate::dice::{Dice, Purpose};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use waxwing_protocol::id::{AccountId, Mid, Peer};
use waxwing_protocol::input::{Command, Input, Settings};
use waxwing_protocol::output::{Answer, Refusal};
use waxwing_protocol::store::MemoryStore;
use waxwing_protocol::time::Millis;

/// Unix time at virtual time zero: 2026-01-01.
pub const EPOCH_MS: Millis = 1_767_225_600_000;
/// Frames that were handled and are kept to be replayed and bent.
pub const RECENT_FRAMES: usize = 32;

/// Names a person in a world.
pub type Who = usize;

/// Where in a commit the power goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CrashPoint {
    /// The batch is never applied.
    Before,
    /// The batch is durable, none of its outputs leaves.
    After,
    /// So many outputs leave, the rest does not.
    Within(usize),
    /// The disk is full: applying fails.
    Full,
}

/// What a command is for once it is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Then {
    /// Nothing more.
    Nothing,
    /// This person takes up the link.
    Join(Who),
}

/// A command that was given and may not yet be answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wish {
    /// What was asked.
    pub command: Command,
    /// About whom, where it is about somebody.
    pub about: Option<Who>,
    /// What follows.
    pub then: Then,
    /// A shell has taken it.
    pub given: bool,
    /// The outcome was lost at least once: it may or may not have acted.
    pub doubtful: bool,
    /// Messages that were there when it was asked to erase them.
    pub before: BTreeSet<Mid>,
}

/// Whether a node runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Power {
    /// The process is not there.
    Off,
    /// It runs.
    On,
    /// The machine sleeps: the process is there and does nothing.
    Asleep,
}

/// One person and their node.
pub struct Person {
    /// Self-declared name.
    pub name: String,
    /// The disk.
    pub store: MemoryStore,
    /// What the engine is lent.
    pub engine_dice: Dice,
    /// What the shell draws from.
    pub shell_dice: Dice,
    /// What the user set.
    pub settings: Settings,
    /// Whether the node runs.
    pub power: Power,
    /// Counts starts; events of an earlier run no longer count.
    pub run: u64,
    /// Inputs waiting for the next group.
    pub inbox: VecDeque<Input>,
    /// A group is on its way.
    pub group_due: bool,
    /// Virtual time at which the engine wants to be woken at the latest.
    pub wake_at: Option<Millis>,
    /// How far the machine's clock is ahead; takes effect at the next start.
    pub clock_ahead_ms: i64,
    /// How far this run's clock is ahead.
    pub run_ahead_ms: i64,
    /// The latest time the engine was told in this run.
    pub told_ms: Millis,
    /// libp2p key, once there is an account.
    pub peer: Option<Peer>,
    /// Account, once there is one.
    pub account: Option<AccountId>,
    /// Where the machine stands; moving changes its address.
    pub place: usize,
    /// Whom this node believes to be connected to, and by which connection.
    pub connected: BTreeMap<Who, u64>,
    /// Commands without an answer.
    pub wishes: BTreeMap<u64, Wish>,
    /// Answers, by ticket.
    pub answers: BTreeMap<u64, Result<Answer, Refusal>>,
    /// Commits so far, those that failed included.
    pub commits: u64,
    /// Where the power goes next: at this commit.
    pub crash_at: Option<(u64, CrashPoint)>,
    /// The disk has no room; applying fails until this is lifted.
    pub disk_full: bool,
    /// Not started whatever happens, until it comes back.
    pub away: bool,
    /// An older copy of the disk.
    pub yesterday: Option<(Millis, MemoryStore)>,
    /// Frames handled lately.
    pub recent: VecDeque<Vec<u8>>,
}

impl Person {
    /// A person whose node was never started.
    pub fn new(seed: u64, who: Who, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            store: MemoryStore::default(),
            engine_dice: Dice::new(seed, Purpose::Engine, who, 0),
            shell_dice: Dice::new(seed, Purpose::Shell, who, 0),
            settings: Settings::default(),
            power: Power::Off,
            run: 0,
            inbox: VecDeque::new(),
            group_due: false,
            wake_at: None,
            clock_ahead_ms: 0,
            run_ahead_ms: 0,
            told_ms: 0,
            peer: None,
            account: None,
            place: 0,
            connected: BTreeMap::new(),
            wishes: BTreeMap::new(),
            answers: BTreeMap::new(),
            commits: 0,
            crash_at: None,
            disk_full: false,
            away: false,
            yesterday: None,
            recent: VecDeque::new(),
        }
    }

    /// The node runs and answers.
    pub fn is_on(&self) -> bool {
        self.power == Power::On
    }

    /// Where the node listens, given its place in the world.
    pub fn listen(&self, who: Who) -> Vec<String> {
        self.peer
            .iter()
            .flat_map(|peer| crate::address::multiaddrs(who, self.place, peer))
            .collect()
    }

    /// The unix time that this run's engine is told at a virtual time; never goes back in a run.
    pub fn tell_time(&mut self, now: Millis) -> Millis {
        let unix = (EPOCH_MS + now).saturating_add_signed(self.run_ahead_ms);
        self.told_ms = self.told_ms.max(unix);
        self.told_ms
    }

    /// The virtual time of a unix time of this run.
    pub fn virtual_time(&self, unix: Millis) -> Millis {
        unix.saturating_add_signed(-self.run_ahead_ms)
            .saturating_sub(EPOCH_MS)
    }

    /// Keeps a frame that was handled.
    pub fn remember_frame(&mut self, bytes: Vec<u8>) {
        if self.recent.len() == RECENT_FRAMES {
            self.recent.pop_front();
        }
        self.recent.push_back(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_never_goes_back_within_a_run_and_maps_both_ways() {
        let mut alice = Person::new(1, 0, "alice");
        alice.run_ahead_ms = -5_000;
        let told = alice.tell_time(60_000);
        assert_eq!(told, EPOCH_MS + 55_000);
        assert_eq!(alice.virtual_time(told), 60_000);
        assert_eq!(alice.tell_time(50_000), told);
    }
}
