//! Random steps for a handful of people: whatever the seed draws.

use crate::dice::{Dice, Purpose};
use crate::engine::Engine;
use crate::person::{CrashPoint, Who};
use crate::report::Failure;
use crate::scene::PATIENCE_MS;
use crate::step::Step;
use crate::world::{Config, World};
use waxwing_protocol::id::Mid;
use waxwing_protocol::time::{MINUTE_MS, Millis, SECOND_MS};

const NAMES: [&str; 8] = [
    "alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi",
];
const EMOJI: [&str; 4] = ["👍", "❤", "😀", ""];
/// Off, over long before the end, and lasting beyond it.
const TIMERS_S: [u64; 4] = [0, 30, 600, 86_400];
/// A clock is at most so wrong.
const CLOCK_WRONG_MS: u64 = 10 * MINUTE_MS;
/// Bounds are counted once in so many steps: it means walking through every row.
const ROWS_EVERY: u32 = 16;

/// What kind of storm.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Storm {
    /// How many people, at most eight.
    pub people: usize,
    /// How many steps.
    pub steps: u32,
    /// Least and greatest time between steps.
    pub pause_ms: (Millis, Millis),
    /// How machines and connections behave.
    pub config: Config,
    /// Machines crash, sleep, fill up; clocks go wrong; networks fall apart.
    pub trouble: bool,
    /// Disks are put back to an earlier time.
    pub rollback: bool,
    /// Nonsense arrives.
    pub garbage: bool,
    /// People decline and block each other.
    pub quarrels: bool,
}

impl Storm {
    /// Drawn from the seed, so that seeds differ in kind and not only in dice.
    pub fn drawn(seed: u64) -> Self {
        let mut dice = Dice::new(seed, Purpose::Script, 1, 0);
        let people = 2 + dice.index(4);
        let config = if dice.chance(0.6) {
            Config::ROUGH
        } else {
            Config::FAIR
        };
        let busy = dice.chance(0.5);
        let trouble = dice.chance(0.8);
        let rollback = dice.chance(0.15);
        let garbage = dice.chance(0.4);
        let quarrels = dice.chance(0.3);
        let pause_ms = if busy {
            (0, 2 * SECOND_MS)
        } else {
            (0, 40 * SECOND_MS)
        };
        Self {
            people,
            steps: 120,
            pause_ms,
            config,
            trouble,
            rollback,
            garbage,
            quarrels,
        }
    }
}

/// What came of a storm that broke nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Calm {
    /// Hash over the whole trace.
    pub hash: u64,
    /// Acknowledged texts.
    pub sent: usize,
    /// Events of the trace.
    pub events: u64,
}

/// Runs a storm.
///
/// # Errors
/// What broke, with the trace.
pub fn run(seed: u64, storm: Storm, engine: Box<dyn Engine>) -> Result<Calm, Box<Failure>> {
    run_loud(seed, storm, engine, false)
}

/// As [`run`]; `loud` prints the trace as it happens.
///
/// # Errors
/// As there.
pub fn run_loud(
    seed: u64,
    storm: Storm,
    engine: Box<dyn Engine>,
    loud: bool,
) -> Result<Calm, Box<Failure>> {
    let mut world = World::with_engine(seed, Config::FAIR, engine);
    world.trace.loud = loud;
    world.replay = format!("SEED={seed} LOUD=1 cargo test -p waxwing-tests --test all storm");
    world.populate(&NAMES[..storm.people.min(NAMES.len())]);
    befriend(&mut world);
    world.config = storm.config;
    let mut dice = Dice::new(seed, Purpose::Script, 0, 0);
    for step in 0..storm.steps {
        let pause = dice.between(storm.pause_ms);
        world.run_for(pause);
        let next = draw(&mut world, &mut dice, &storm, step);
        world.act(next);
        if step % ROWS_EVERY == 0 {
            (0..world.people.len()).for_each(|who| world.check_rows(who));
        }
        world.verdict()?;
    }
    world.settle()?;
    let (hash, events) = (world.trace.hash(), world.trace.events());
    Ok(Calm {
        hash,
        sent: world.model.sent.len(),
        events,
    })
}

/// A ring of friends; with three or more, some of them by counted link.
fn befriend(world: &mut World) {
    let people = world.people.len();
    let links = if people == 2 { 1 } else { people };
    for by in 0..links {
        let guest = (by + 1) % people;
        if by % 3 == 2 {
            world.act(Step::Invite { by, guest, uses: 2 });
            for _ in 0..30 {
                world.run_for(SECOND_MS);
                if world.try_act(Step::Accept { by }).is_some() {
                    break;
                }
            }
            world.run_for(PATIENCE_MS / 60);
        } else {
            world.meet(by, guest);
        }
    }
}

fn draw(world: &mut World, dice: &mut Dice, storm: &Storm, step: u32) -> Step {
    let people = world.people.len();
    let by = dice.index(people);
    let other = (by + 1 + dice.index(people - 1)) % people;
    let say = Step::Send {
        by,
        to: other,
        text: text(dice, step),
        reply: dice.chance(0.2),
    };
    // All dice of a step are drawn before anything is decided by what is there.
    let (kind, pick, emoji) = (
        dice.below(100),
        dice.below(u64::MAX),
        dice.index(EMOJI.len()),
    );
    match kind {
        0..44 => say,
        44..47 if !storm.rollback => Step::Disappear {
            by,
            with: other,
            secs: TIMERS_S[emoji],
        },
        47 => Step::Name {
            by,
            whom: other,
            name: format!("friend {step}"),
        },
        48 => Step::Clear { by, with: other },
        49 if storm.quarrels => Step::Remove { by, whom: other },
        50..58 => Step::Read { by, of: other },
        58..66 => match known_message(world, by, pick) {
            Some(to) => Step::React {
                by,
                to,
                emoji: EMOJI[emoji].to_owned(),
            },
            None => say,
        },
        96..98 if !storm.rollback => match known_message(world, by, pick) {
            Some(of) => Step::Edit {
                by,
                of,
                text: text(dice, step),
            },
            None => say,
        },
        98 if !storm.rollback => match known_message(world, by, pick) {
            Some(of) => Step::Delete { by, of },
            None => say,
        },
        66..69 => Step::Invite {
            by,
            guest: other,
            uses: if pick % 2 == 0 { 1 } else { 3 },
        },
        69..71 => Step::Accept { by },
        71 if storm.quarrels => Step::Decline { by },
        72 if storm.quarrels => Step::Block { by, whom: other },
        73..77 if storm.garbage => Step::Garbage {
            to: by,
            from: other,
        },
        77..96 if storm.trouble => trouble(world, dice, by, other, pick),
        96..100 if storm.rollback => match world.people[by].yesterday {
            Some(_) => Step::Restore { who: by },
            None => Step::Backup { who: by },
        },
        _ => say,
    }
}

fn trouble(world: &World, dice: &mut Dice, who: Who, other: Who, pick: u64) -> Step {
    let people = world.people.len();
    let span_ms = dice.between((0, 3 * MINUTE_MS));
    match pick % 22 {
        0..3 => Step::Crash {
            who,
            point: CrashPoint::Before,
        },
        3..6 => Step::Crash {
            who,
            point: CrashPoint::After,
        },
        6..9 => Step::Crash {
            who,
            point: CrashPoint::Within(dice.index(6)),
        },
        9 => Step::FillDisk { who },
        10..13 => Step::Restart {
            who,
            away_ms: span_ms,
        },
        13..15 => Step::Sleep { who, span_ms },
        15..17 => Step::Disconnect { a: who, b: other },
        17 => {
            let cut = 1 + dice.index(people - 1);
            Step::Partition {
                sides: vec![(0..cut).collect(), (cut..people).collect()],
            }
        }
        18..20 => Step::Heal,
        20 => {
            let ahead = i64::try_from(dice.below(2 * CLOCK_WRONG_MS)).unwrap_or(0);
            let ahead_ms = ahead - i64::try_from(CLOCK_WRONG_MS).unwrap_or(0);
            Step::SetClock { who, ahead_ms }
        }
        // Two who move while apart cannot find each other again: only one ever moves.
        _ => Step::Move { who: 0 },
    }
}

/// Every text is another: a message that comes twice under two ids is still found.
fn text(dice: &mut Dice, step: u32) -> String {
    let len = match dice.below(20) {
        0 => 3_000 + dice.below(29_000),
        1..4 => 400 + dice.below(400),
        _ => dice.below(60),
    };
    let filler = "lorem ipsum dolor sit amet ";
    let filler: String = filler
        .chars()
        .cycle()
        .take(usize::try_from(len).unwrap_or(0))
        .collect();
    format!("text {step} {filler}")
}

/// Some message that this person has: theirs or of a friend.
fn known_message(world: &World, by: Who, pick: u64) -> Option<Mid> {
    let known: Vec<Mid> = world
        .model
        .sent
        .iter()
        .filter(|(id, sent)| sent.from == by || world.model.arrived.contains_key(&(by, **id)))
        .map(|(id, _)| *id)
        .collect();
    let index = usize::try_from(pick % (known.len().max(1) as u64)).unwrap_or(0);
    known.get(index).copied()
}
