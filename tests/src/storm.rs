//! Random steps for a handful of people: whatever the seed draws.

use crate::bridges::BRIDGES;
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
/// Room for a few of the largest blocks: such a bridge fills up.
const SMALL_QUOTA: u64 = 300 * 1024;
/// Chance that a step is one of the bridges'.
const BRIDGE_STEPS: f64 = 0.2;
/// Bridges that one person uses.
const USED: usize = 2;
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
    /// Bridges, if there are any.
    pub bridges: Option<Bridges>,
}

/// What kind of bridges a storm has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bridges {
    /// How many, two or three.
    pub count: usize,
    /// Nobody ever meets anybody: each is there for so long, one after the other.
    pub offline_ms: Option<Millis>,
    /// One of them stops for good.
    pub dies: bool,
    /// People give mailboxes up; never where a bridge dies.
    pub leaves: bool,
    /// Bytes that one of them may hold.
    pub quota_bytes: u64,
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
            bridges: None,
        }
    }

    /// As [`Storm::drawn`], with bridges.
    pub fn bridged(seed: u64) -> Self {
        let mut dice = Dice::new(seed, Purpose::Script, 2, 0);
        let drawn = Self::drawn(seed);
        let count = 2 + dice.index(2);
        let offline = dice.chance(0.5);
        let turn_ms = dice.between((2 * MINUTE_MS, 8 * MINUTE_MS));
        let (dies, leaves, small) = (dice.chance(0.4), dice.chance(0.5), dice.chance(0.4));
        Self {
            people: if offline {
                2 + drawn.people % 2
            } else {
                drawn.people
            },
            rollback: drawn.rollback && !offline,
            quarrels: drawn.quarrels && !offline,
            bridges: Some(Bridges {
                count,
                offline_ms: offline.then_some(turn_ms),
                dies,
                leaves: leaves && !dies,
                quota_bytes: if small { SMALL_QUOTA } else { 1 << 30 },
            }),
            ..drawn
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
    let mut bridge_dice = Dice::new(seed, Purpose::Script, 3, 0);
    if let Some(bridges) = storm.bridges {
        bring(&mut world, &mut bridge_dice, &bridges);
    }
    world.config = storm.config;
    let mut dice = Dice::new(seed, Purpose::Script, 0, 0);
    for step in 0..storm.steps {
        let pause = dice.between(storm.pause_ms);
        world.run_for(pause);
        if let Some(bridges) = storm.bridges
            && bridge_dice.chance(BRIDGE_STEPS)
            && let Some(next) = draw_bridge(&mut world, &mut bridge_dice, &storm, &bridges)
        {
            world.act(next);
        }
        let next = draw(&mut world, &mut dice, &storm, step);
        world.act(next);
        if step % ROWS_EVERY == 0 {
            (0..world.people.len()).for_each(|who| world.check_rows(who));
        }
        world.verdict()?;
    }
    world.mend_bridges();
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

/// Bridges join. Where nobody meets anybody, each has a bridge before that begins.
fn bring(world: &mut World, dice: &mut Dice, bridges: &Bridges) {
    let people = world.people.len();
    let all = world.bridges(&BRIDGES[..bridges.count.min(BRIDGES.len())]);
    let small = dice.index(all.len());
    if let Some(settings) = &mut world.people[all[small]].settings.bridge {
        settings.quota_bytes = bridges.quota_bytes;
    }
    let Some(every_ms) = bridges.offline_ms else {
        return;
    };
    for who in 0..people {
        let first = dice.index(all.len());
        world.use_bridge(who, all[first]);
        // Whoever is known at one bridge alone is lost with it.
        if bridges.dies {
            world.use_bridge(who, all[(first + 1) % all.len()]);
        }
    }
    world.act_after(SECOND_MS, Step::Shift { turn: 0, every_ms });
}

/// A step of bridges; whatever makes no sense does nothing.
fn draw_bridge(
    world: &mut World,
    dice: &mut Dice,
    storm: &Storm,
    bridges: &Bridges,
) -> Option<Step> {
    let all: Vec<Who> = (storm.people..world.people.len()).collect();
    let (by, bridge) = (dice.index(storm.people), all[dice.index(all.len())]);
    let (kind, output) = (dice.below(100), dice.index(6));
    let ahead = i64::try_from(dice.below(2 * CLOCK_WRONG_MS)).unwrap_or(0);
    let away_ms = dice.between((0, 3 * MINUTE_MS));
    let mut sides: Vec<Vec<Who>> = all.iter().map(|bridge| vec![*bridge]).collect();
    for who in 0..storm.people {
        let side = dice.index(sides.len());
        sides[side].push(who);
    }
    let crash = |point| Some(Step::Crash { who: bridge, point });
    match kind {
        0..30 => {
            let uses = world.model.uses.get(&by);
            let few = uses.is_none_or(|uses| uses.len() < USED);
            few.then_some(Step::UseBridge { by, bridge })
        }
        30..36 if bridges.leaves => Some(Step::LeaveBridge { by, bridge }),
        _ if !storm.trouble => None,
        36..42 => crash(CrashPoint::Before),
        42..48 => crash(CrashPoint::After),
        48..54 => crash(CrashPoint::Within(output)),
        54..62 => Some(Step::Restart {
            who: bridge,
            away_ms,
        }),
        62..68 => Some(Step::SetClock {
            who: bridge,
            ahead_ms: ahead - i64::try_from(CLOCK_WRONG_MS).unwrap_or(0),
        }),
        68..76 => Some(Step::Partition { sides }),
        76..84 => Some(Step::Heal),
        84..88 => Some(Step::FillDisk { who: bridge }),
        88..92 if storm.garbage => Some(Step::Garbage {
            to: bridge,
            from: by,
        }),
        92..96 if storm.garbage => Some(Step::Garbage {
            to: by,
            from: bridge,
        }),
        96..100 if bridges.dies => {
            let standing = world.standing_bridges();
            // At most one, and never the only one that somebody has.
            let first = standing.len() == bridges.count;
            first.then_some(Step::Leave { who: bridge })
        }
        _ => None,
    }
}

fn draw(world: &mut World, dice: &mut Dice, storm: &Storm, step: u32) -> Step {
    let people = storm.people;
    let apart = storm.bridges.is_some_and(|b| b.offline_ms.is_some());
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
        44..47 if !storm.rollback && !apart => Step::Disappear {
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
        66..69 if !apart => Step::Invite {
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
        77..96 if storm.trouble => trouble(people, dice, by, other, pick),
        96..100 if storm.rollback => match world.people[by].yesterday {
            Some(_) => Step::Restore { who: by },
            None => Step::Backup { who: by },
        },
        _ => say,
    }
}

fn trouble(people: usize, dice: &mut Dice, who: Who, other: Who, pick: u64) -> Step {
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
