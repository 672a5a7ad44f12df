//! An hour in the life of many people: everybody writes about one message a minute to a friend.

use crate::bridges::BRIDGES;
use crate::dice::{Dice, Purpose};
use crate::engine::{Engine, Real};
use crate::link::LinkConfig;
use crate::model::pair;
use crate::person::{CrashPoint, Who};
use crate::report::Failure;
use crate::step::Step;
use crate::world::{Config, World};
use std::collections::BTreeSet;
use waxwing_protocol::time::{MINUTE_MS, Millis, SECOND_MS};

/// Friends that each person invites; as many invite them.
const FRIENDS: usize = 2;
/// Outputs of a commit that may leave before a crash.
const OUTPUTS_KEPT: usize = 4;
/// Time between two people joining: a crowd at one moment is another experiment.
const JOIN_MS: Millis = 500;

/// Bridges that one person uses.
const USED: usize = 2;
/// Where people come one after the other, all of them were there once after about this time.
const TURNS_MS: Millis = 10 * MINUTE_MS;

/// What to run.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Traffic {
    /// How many people, at least two.
    pub people: usize,
    /// Virtual minutes of talk.
    pub minutes: u64,
    /// Chance that a frame vanishes.
    pub loss: f64,
    /// Chance of a crash per person and minute.
    pub crash: f64,
    /// How many bridges there are, at most three. Everybody keeps mailboxes at two of them, or at
    /// the only one.
    pub bridges: usize,
    /// Nobody is ever there together with anybody else.
    pub offline: bool,
    /// The seed.
    pub seed: u64,
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            people: 50,
            minutes: 60,
            loss: 0.0,
            crash: 0.0,
            bridges: 0,
            offline: false,
            seed: 1,
        }
    }
}

/// What came of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Figures {
    /// Acknowledged texts.
    pub sent: u64,
    /// Of those, there and receipted.
    pub delivered: u64,
    /// Of those, not there.
    pub lost: u64,
    /// Texts that are there more often than they were sent.
    pub duplicated: u64,
    /// Half of the texts took at most so long from the answer to the recipient's change log.
    pub p50_ms: u64,
    /// 95 of 100.
    pub p95_ms: u64,
    /// 99 of 100.
    pub p99_ms: u64,
    /// Bytes written to connections, per text, everything included.
    pub bytes_per_message: u64,
    /// Lines of the trace.
    pub events: u64,
}

impl Figures {
    /// Names and values, in order.
    pub fn rows(&self) -> [(&'static str, u64); 9] {
        [
            ("sent", self.sent),
            ("delivered", self.delivered),
            ("lost", self.lost),
            ("duplicated", self.duplicated),
            ("p50_ms", self.p50_ms),
            ("p95_ms", self.p95_ms),
            ("p99_ms", self.p99_ms),
            ("bytes_per_message", self.bytes_per_message),
            ("events", self.events),
        ]
    }
}

/// Runs it, lets the world settle, and counts. The failure, if any, says what else was broken.
pub fn run(traffic: Traffic) -> (Figures, Option<Box<Failure>>) {
    run_with(traffic, Box::new(Real))
}

/// As [`run`], around any engine.
pub fn run_with(traffic: Traffic, engine: Box<dyn Engine>) -> (Figures, Option<Box<Failure>>) {
    let mut world = World::with_engine(traffic.seed, Config::FAIR, engine);
    world.replay = format!(
        "sim --people {} --minutes {} --loss {} --crash {} --bridges {}{} --seed {}",
        traffic.people,
        traffic.minutes,
        traffic.loss,
        traffic.crash,
        traffic.bridges,
        if traffic.offline { " --offline" } else { "" },
        traffic.seed
    );
    let names: Vec<String> = (0..traffic.people).map(|n| format!("person {n}")).collect();
    world.populate(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let friends = befriend(&mut world);
    bring(&mut world, &traffic);
    world.config.link = LinkConfig {
        loss: traffic.loss,
        ..LinkConfig::FAIR
    };
    let before = world.bytes_sent;
    talk(&mut world, traffic, &friends);
    let failure = world.settle().err();
    (count(&mut world, before), failure)
}

/// Everybody invites the next few people around a circle.
fn befriend(world: &mut World) -> Vec<Vec<Who>> {
    let people = world.people.len();
    let mut pairs = BTreeSet::new();
    for by in 0..people {
        for step in 1..=FRIENDS {
            let guest = (by + step) % people;
            if guest != by && pairs.insert(pair(by, guest)) {
                world.act(Step::Invite { by, guest, uses: 1 });
                world.run_for(JOIN_MS);
            }
        }
    }
    world.run_for(MINUTE_MS);
    let of = |who: Who| -> Vec<Who> {
        let mine = pairs.iter().filter(|(a, b)| *a == who || *b == who);
        mine.map(|(a, b)| if *a == who { *b } else { *a }).collect()
    };
    (0..people).map(of).collect()
}

/// Bridges join, and everybody uses them; then nobody meets anybody any more, if that is wanted.
fn bring(world: &mut World, traffic: &Traffic) {
    let all = world.bridges(&BRIDGES[..traffic.bridges.min(BRIDGES.len())]);
    for by in 0..traffic.people {
        for n in 0..all.len().min(USED) {
            let bridge = all[(by + n) % all.len()];
            world.act(Step::UseBridge { by, bridge });
        }
        world.run_for(JOIN_MS);
    }
    world.run_for(MINUTE_MS);
    if traffic.offline {
        let every_ms = (TURNS_MS / traffic.people as u64).max(MINUTE_MS);
        world.act(Step::Shift { turn: 0, every_ms });
    }
}

fn talk(world: &mut World, traffic: Traffic, friends: &[Vec<Who>]) {
    let mut dice = Dice::new(traffic.seed, Purpose::Script, 0, 0);
    for minute in 0..traffic.minutes {
        for (who, mine) in friends.iter().enumerate() {
            let (at, friend) = (dice.below(MINUTE_MS), dice.index(mine.len()));
            let (crash_at, crashes) = (dice.below(MINUTE_MS), dice.chance(traffic.crash));
            let point = match dice.below(3) {
                0 => CrashPoint::Before,
                1 => CrashPoint::After,
                _ => CrashPoint::Within(dice.index(OUTPUTS_KEPT)),
            };
            if let Some(to) = mine.get(friend) {
                let text = format!("minute {minute}, from {who} to {to}: how are you today?");
                world.act_after(
                    at,
                    Step::Send {
                        by: who,
                        to: *to,
                        text,
                        reply: false,
                    },
                );
            }
            if crashes {
                world.act_after(crash_at, Step::Crash { who, point });
            }
        }
        world.run_for(MINUTE_MS);
    }
    world.run_for(SECOND_MS);
}

fn count(world: &mut World, bytes_before: u64) -> Figures {
    let broken = world.broken();
    let number = |names: &[&str]| {
        broken
            .iter()
            .filter(|(name, _, _)| names.contains(name))
            .count() as u64
    };
    let sent = world.model.sent.len() as u64;
    let lost = number(&["lost", "lost_here"]);
    let mut waits: Vec<Millis> = world
        .model
        .sent
        .iter()
        .filter_map(|(id, sent)| {
            let arrived = world.model.arrived.get(&(sent.to, *id))?;
            Some(arrived.saturating_sub(sent.accepted_at))
        })
        .collect();
    waits.sort_unstable();
    let percentile = |percent: usize| {
        let at = (waits.len() * percent).div_ceil(100).saturating_sub(1);
        waits.get(at).copied().unwrap_or(0)
    };
    Figures {
        sent,
        delivered: sent.saturating_sub(number(&["lost", "undelivered"])),
        lost,
        duplicated: number(&["twice", "doubled"]),
        p50_ms: percentile(50),
        p95_ms: percentile(95),
        p99_ms: percentile(99),
        bytes_per_message: (world.bytes_sent - bytes_before)
            .checked_div(sent)
            .unwrap_or(0),
        events: world.trace.events(),
    }
}
