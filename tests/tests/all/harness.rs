//! The simulator itself: its world keeps its own rules, and each of its checks can fail.

use crate::wrong::{Fault, Wrong};
use std::collections::BTreeSet;
use waxwing_protocol::time::{HOUR_MS, MINUTE_MS, SECOND_MS};
use waxwing_tests::bridges::BRIDGES;
use waxwing_tests::engine::{Engine, Real};
use waxwing_tests::person::CrashPoint;
use waxwing_tests::step::Step;
use waxwing_tests::storm::{Storm, run};
use waxwing_tests::traffic::{self, Traffic};
use waxwing_tests::world::{Config, World};

const ALICE: usize = 0;
const BOB: usize = 1;
/// Room for a few of the smallest blocks and a box.
const SMALL: u64 = 7_000;

/// Two who met by a link of alice's.
fn two(seed: u64, engine: Box<dyn Engine>) -> World {
    let mut world = World::with_engine(seed, Config::STEADY, engine);
    world.populate(&["alice", "bob"]);
    world.act(Step::Invite {
        by: ALICE,
        guest: BOB,
        uses: 1,
    });
    world.run_for(20 * SECOND_MS);
    world
}

/// A short play in which there is something to go wrong for every check.
fn play(engine: Box<dyn Engine>) -> World {
    let mut world = two(1, engine);
    let send = |by, to, text: &str| Step::Send {
        by,
        to,
        text: text.into(),
        reply: false,
    };
    world.act(send(ALICE, BOB, "one"));
    world.run_for(SECOND_MS);
    world.act(Step::Crash {
        who: BOB,
        point: CrashPoint::After,
    });
    world.act(send(BOB, ALICE, "two"));
    world.run_for(20 * SECOND_MS);
    world.act(send(ALICE, BOB, "three"));
    world.run_for(SECOND_MS);
    let ids: Vec<_> = world
        .model
        .sent
        .iter()
        .map(|(id, sent)| (*id, sent.from))
        .collect();
    for (to, from) in ids {
        let emoji = "👍".to_owned();
        world.act(Step::React {
            by: 1 - from,
            to,
            emoji,
        });
    }
    for text in ["four", "five"] {
        world.act(send(ALICE, BOB, text));
        world.run_for(SECOND_MS);
    }
    let named = |world: &World, text: &str| {
        let found = world.model.sent.iter().find(|(_, s)| s.text == text);
        found.map(|(id, _)| *id)
    };
    if let (Some(four), Some(five)) = (named(&world, "four"), named(&world, "five")) {
        let (by, text) = (ALICE, "5".to_owned());
        world.act(Step::Delete { by, of: four });
        world.act(Step::Edit { by, of: five, text });
    }
    for (secs, text) in [(86_400, "six"), (30, "seven")] {
        let (by, with) = (ALICE, BOB);
        world.act(Step::Disappear { by, with, secs });
        world.run_for(SECOND_MS);
        world.act(send(ALICE, BOB, text));
        world.run_for(SECOND_MS);
        let _ = world.view(BOB);
    }
    world.run_for(5 * SECOND_MS);
    world.act(Step::Read { by: BOB, of: ALICE });
    for _ in 0..12 {
        world.act(Step::Garbage {
            to: ALICE,
            from: BOB,
        });
    }
    world.run_for(MINUTE_MS);
    let _ = world.settle_within(10 * MINUTE_MS);
    world
}

/// A shorter one, in which somebody gets another name and a history is erased.
fn second_play(engine: Box<dyn Engine>) -> World {
    let mut world = two(2, engine);
    for (by, to, text) in [(ALICE, BOB, "one"), (BOB, ALICE, "two")] {
        let (text, reply) = (text.into(), false);
        world.act(Step::Send {
            by,
            to,
            text,
            reply,
        });
        world.run_for(SECOND_MS);
    }
    world.act(Step::Name {
        by: ALICE,
        whom: BOB,
        name: "bob from the choir".into(),
    });
    world.act(Step::Clear {
        by: BOB,
        with: ALICE,
    });
    world.run_for(SECOND_MS);
    let _ = world.settle_within(10 * MINUTE_MS);
    world
}

/// Two who are never there together and have two bridges, one of which has so much room.
fn bridge_play(engine: Box<dyn Engine>, room: u64) -> World {
    let mut world = World::with_engine(3, Config::STEADY, engine);
    world.populate(&["alice", "bob"]);
    let bridges = world.bridges(&BRIDGES[..2]);
    assert!(world.meet(ALICE, BOB));
    for bridge in &bridges {
        world.use_bridge(ALICE, *bridge);
        world.use_bridge(BOB, *bridge);
    }
    if let Some(settings) = &mut world.people[bridges[1]].settings.bridge {
        settings.quota_bytes = room;
    }
    world.act(Step::Shift {
        turn: 0,
        every_ms: 5 * MINUTE_MS,
    });
    for (by, to) in [(ALICE, BOB), (BOB, ALICE)] {
        for n in 0..12 {
            let text = format!("{n}: are you never there when I am?");
            world.act(Step::Send {
                by,
                to,
                text,
                reply: false,
            });
            world.run_for(5 * SECOND_MS);
        }
        world.run_for(4 * MINUTE_MS);
    }
    let _ = world.settle_within(12 * HOUR_MS);
    world
}

#[test]
fn the_real_engine_passes_the_play_with_bridges() {
    bridge_play(Box::new(Real), SMALL).verdict().unwrap();
}

#[test]
fn a_bridge_that_says_held_and_drops_is_made_good_by_the_other() {
    let world = bridge_play(Box::new(Wrong::new(Fault::DropsAtNorth)), 1 << 30);
    let found: BTreeSet<_> = world.violations().iter().map(|v| v.name).collect();
    // It is caught at what it says of itself, and nothing is lost.
    let expected = BTreeSet::from(["miscounted"]);
    assert_eq!(found, expected, "{:?}", world.verdict());
}

#[test]
fn every_check_of_bridges_can_fail() {
    for (fault, name) in [
        (Fault::AcknowledgesUnread, "lost"),
        (Fault::DropsAtBridges, "lost"),
        (Fault::MarksBlocks, "linked"),
        (Fault::OverfillsBridges, "over_quota"),
        (Fault::TagsBlocksAlike, "linked"),
        (Fault::TellsBridges, "bridge_knows"),
    ] {
        let world = bridge_play(Box::new(Wrong::new(fault)), SMALL);
        let found: BTreeSet<_> = world.violations().iter().map(|v| v.name).collect();
        assert!(found.contains(name), "{fault:?} tripped {found:?}");
    }
}

fn found(fault: Fault) -> BTreeSet<&'static str> {
    let plays = [play, second_play];
    let worlds = plays.map(|play| play(Box::new(Wrong::new(fault))));
    let violations = worlds.iter().flat_map(World::violations);
    violations.map(|v| v.name).collect()
}

#[test]
fn the_real_engine_passes_the_play() {
    play(Box::new(Real)).verdict().unwrap();
    second_play(Box::new(Real)).verdict().unwrap();
}

#[test]
fn every_check_can_fail() {
    let expected = [
        (Fault::AnswersTwice, "answered_twice"),
        (Fault::AnswersNot, "unanswered"),
        (Fault::BelievesGarbage, "garbage_seen"),
        (Fault::CannotQuery, "store_error"),
        (Fault::ChangesTheOrderForOne, "order"),
        (Fault::ChangesTheOrderForOne, "order_differs"),
        (Fault::ChangesTheText, "changed"),
        (Fault::ChokesOnGarbage, "garbage_error"),
        (Fault::CountsUnreadWrong, "unread"),
        (Fault::DropsTheLog, "change_gone"),
        (Fault::FloodsOutputs, "too_many_outputs"),
        (Fault::ForgetsEdits, "changed"),
        (Fault::ForgetsKeys, "doubled"),
        (Fault::ForgetsReactions, "reaction_lost"),
        (Fault::ForgetsReading, "unread_again"),
        (Fault::GivesOneIdTwice, "id_twice"),
        (Fault::HidesEditsOfOthers, "edits_differ"),
        (Fault::HidesReactionsOfOthers, "reactions_differ"),
        (Fault::HidesTheirMessages, "lost"),
        (Fault::HoardsRows, "rows"),
        (Fault::Invents, "invented"),
        (Fault::KeepsAwake, "busy"),
        (Fault::GivesOwnNames, "misnamed"),
        (Fault::KeepsDeleted, "undeleted"),
        (Fault::ForgetsTimers, "timer_lost"),
        (Fault::ForgetsTimersForOne, "timers_differ"),
        (Fault::HidesDisappearing, "lost"),
        (Fault::HidesDisappearing, "lost_here"),
        (Fault::KeepsDisappearing, "outlived"),
        (Fault::KeepsErased, "uncleared"),
        (Fault::KeepsTheOutbox, "outbox_left"),
        (Fault::ListsContactsTwice, "contact_twice"),
        (Fault::MovesStatesBack, "state_back"),
        (Fault::NeverConnects, "not_connected"),
        (Fault::NeverNotifies, "notify"),
        (Fault::NeverShowsReceipts, "undelivered"),
        (Fault::OverlooksOne, "not_found"),
        (Fault::PenalisesFriends, "penalised"),
        (Fault::RepeatsTheLog, "cursor_back"),
        (Fault::ReusesChainPlaces, "place_reused"),
        (Fault::ReusesKeys, "key_reused"),
        (Fault::SaysItSent, "lost"),
        (Fault::SaysItSent, "lost_here"),
        (Fault::SendsTooMuch, "frame_too_large"),
        (Fault::ShowsTwice, "shown_twice"),
        (Fault::StuttersInTheList, "twice"),
    ];
    let mut blind = Vec::new();
    for (fault, name) in expected {
        let found = found(fault);
        if !found.contains(name) {
            blind.push(format!("{fault:?} should trip {name}, tripped {found:?}"));
        }
    }
    assert!(blind.is_empty(), "{blind:#?}");
}

#[test]
fn dice_that_the_seed_does_not_decide_are_seen() {
    let storm = Storm {
        people: 2,
        steps: 10,
        trouble: false,
        ..Storm::drawn(1)
    };
    let hash = |fault| run(1, storm, Box::new(Wrong::new(fault))).unwrap().hash;
    assert_ne!(hash(Fault::RollsItsOwnDice), hash(Fault::RollsItsOwnDice));
}

#[test]
fn a_crash_before_the_commit_keeps_nothing_and_one_after_it_keeps_all() {
    for (point, kept) in [
        (CrashPoint::Before, false),
        (CrashPoint::Full, false),
        (CrashPoint::After, true),
        (CrashPoint::Within(0), true),
    ] {
        let mut world = World::scene(2, &["alice"]);
        let rows = world.people[ALICE].store.len();
        world.act(Step::Crash { who: ALICE, point });
        world.act(Step::Invite {
            by: ALICE,
            guest: ALICE,
            uses: 1,
        });
        world.run_until(MINUTE_MS, |w| !w.people[ALICE].is_on());
        assert_eq!(world.people[ALICE].store.len() > rows, kept, "{point:?}");
        assert!(world.model.links.is_empty(), "no answer left: {point:?}");
        // The command is given again under its key, and then answered.
        assert!(
            world.run_until(MINUTE_MS, |w| w.model.links.len() == 1),
            "{point:?}"
        );
    }
}

#[test]
fn sides_of_a_partition_lose_each_other_and_find_each_other_again() {
    let mut world = World::scene(3, &["alice", "bob"]);
    assert!(world.meet(ALICE, BOB));
    assert!(world.people[ALICE].connected.contains_key(&BOB));
    world.act(Step::Partition {
        sides: vec![vec![ALICE], vec![BOB]],
    });
    world.run_for(MINUTE_MS);
    assert!(world.people[ALICE].connected.is_empty() && world.people[BOB].connected.is_empty());
    assert!(!world.can_reach(ALICE, BOB));
    world.act(Step::Heal);
    assert!(world.can_reach(ALICE, BOB));
    world.act(Step::Send {
        by: ALICE,
        to: BOB,
        text: "again".into(),
        reply: false,
    });
    world.settle().unwrap();
}

#[test]
fn a_sleeper_handles_nothing_and_is_told_of_its_losses_on_waking() {
    let mut world = World::scene(4, &["alice", "bob"]);
    assert!(world.meet(ALICE, BOB));
    world.act(Step::Sleep {
        who: BOB,
        span_ms: 10 * MINUTE_MS,
    });
    let commits = world.people[BOB].commits;
    world.act(Step::Send {
        by: ALICE,
        to: BOB,
        text: "asleep?".into(),
        reply: false,
    });
    world.run_for(9 * MINUTE_MS);
    assert_eq!(world.people[BOB].commits, commits);
    assert!(world.people[ALICE].connected.is_empty());
    world.settle().unwrap();
}

#[test]
fn traffic_counts_what_arrives_and_what_does_not() {
    let traffic = Traffic {
        people: 6,
        minutes: 3,
        loss: 0.05,
        crash: 0.1,
        seed: 5,
        ..Traffic::default()
    };
    let (figures, failure) = traffic::run(traffic);
    assert!(failure.is_none(), "{failure:?}");
    assert_eq!((figures.sent, figures.delivered), (18, 18));
    assert_eq!((figures.lost, figures.duplicated), (0, 0));
    assert!(figures.p50_ms > 0 && figures.p50_ms <= figures.p95_ms);
    assert_eq!(traffic::run(traffic).0, figures);
    let (figures, failure) = traffic::run_with(traffic, Box::new(Wrong::new(Fault::SaysItSent)));
    assert!(figures.lost > 0 && figures.delivered < figures.sent && failure.is_some());
}

#[test]
fn traffic_through_bridges_arrives_though_nobody_meets_anybody() {
    let traffic = Traffic {
        people: 3,
        minutes: 20,
        bridges: 2,
        offline: true,
        seed: 6,
        ..Traffic::default()
    };
    let (figures, failure) = traffic::run(traffic);
    assert!(failure.is_none(), "{failure:?}");
    assert_eq!((figures.sent, figures.delivered), (60, 60));
    assert_eq!((figures.lost, figures.duplicated), (0, 0));
    assert_eq!(traffic::run(traffic).0, figures);
}
