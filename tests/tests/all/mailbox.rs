//! Letters through bridges: people who are never there at the same time.

use waxwing_protocol::feed::view::State;
use waxwing_protocol::id::Mid;
use waxwing_protocol::query::{self, HostView};
use waxwing_protocol::store::Table;
use waxwing_protocol::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use waxwing_tests::step::Step;
use waxwing_tests::world::World;

const ALICE: usize = 0;
const BOB: usize = 1;

fn friends(seed: u64, bridges: &[(&str, &str)]) -> (World, Vec<usize>) {
    let mut world = World::scene(seed, &["alice", "bob"]);
    let bridges = world.bridges(bridges);
    assert!(world.meet(ALICE, BOB), "{:?}", world.verdict());
    for bridge in &bridges {
        world.use_bridge(ALICE, *bridge);
        world.use_bridge(BOB, *bridge);
    }
    (world, bridges)
}

fn state(world: &World, who: usize, id: &Mid) -> Option<State> {
    let view = query::message(&world.people[who].store, id).unwrap();
    view.map(|view| view.state)
}

fn read_by(world: &World, who: usize, id: &Mid) -> bool {
    state(world, who, id).is_some()
}

fn away(world: &mut World, who: usize) {
    world.stop(who);
}

fn back(world: &mut World, who: usize) {
    world.start(who);
}

fn wait(world: &mut World, span: u64, done: impl FnMut(&World) -> bool) -> bool {
    world.run_until(span, done)
}

/// Alice writes while bob is away, and goes before he comes; the receipt comes the same way.
fn never_together(seed: u64, bridges: &[(&str, &str)]) {
    let (mut world, bridges) = friends(seed, bridges);
    away(&mut world, BOB);
    world.run_for(MINUTE_MS);
    let id = world.say(ALICE, BOB, "good night").unwrap();
    let held = wait(&mut world, MINUTE_MS, |w| {
        state(w, ALICE, &id) == Some(State::Held)
    });
    assert!(held, "{:?}", state(&world, ALICE, &id));
    world.run_for(MINUTE_MS);
    away(&mut world, ALICE);
    world.run_for(HOUR_MS);
    back(&mut world, BOB);
    assert!(wait(&mut world, MINUTE_MS, |w| read_by(w, BOB, &id)));
    world.run_for(2 * MINUTE_MS);
    away(&mut world, BOB);
    world.run_for(HOUR_MS);
    back(&mut world, ALICE);
    let told = wait(&mut world, MINUTE_MS, |w| {
        state(w, ALICE, &id) == Some(State::Delivered)
    });
    assert!(told, "{:?}", state(&world, ALICE, &id));
    // Acknowledged: no bridge keeps anything of it.
    world.run_for(2 * DAY_MS);
    back(&mut world, BOB);
    world.run_for(HOUR_MS);
    for bridge in bridges {
        let view = query::bridge(&world.people[bridge].store).unwrap().unwrap();
        assert_eq!(view.blocks, 0, "{view:?}");
        assert!(view.deposits > 0, "{view:?}");
    }
    world.settle().unwrap();
}

#[test]
fn one_bridge_carries_between_two_who_are_never_together() {
    never_together(1, &[("north", "MY")]);
}

#[test]
fn two_bridges_hand_on_for_each_other() {
    never_together(2, &[("north", "MY"), ("south", "PT")]);
}

#[test]
fn either_of_two_bridges_may_die_for_good() {
    for dies in 0..2 {
        let (mut world, bridges) = friends(10 + dies, &[("north", "MY"), ("south", "PT")]);
        away(&mut world, BOB);
        world.run_for(MINUTE_MS);
        let id = world.say(ALICE, BOB, "still there?").unwrap();
        assert!(wait(&mut world, MINUTE_MS, |w| {
            state(w, ALICE, &id) == Some(State::Held)
        }));
        world.run_for(10 * SECOND_MS);
        away(&mut world, ALICE);
        away(&mut world, bridges[usize::try_from(dies).unwrap()]);
        world.run_for(HOUR_MS);
        back(&mut world, BOB);
        assert!(wait(&mut world, MINUTE_MS, |w| read_by(w, BOB, &id)));
    }
}

fn rows(world: &World, who: usize, tables: &[Table]) -> u64 {
    let all = waxwing_tests::rows::count(&world.people[who].store);
    let rows = tables.iter().map(|table| all.get(table).copied());
    rows.map(Option::unwrap_or_default).sum()
}

fn hosted(world: &World, bridge: usize) -> HostView {
    query::bridge(&world.people[bridge].store).unwrap().unwrap()
}

#[test]
fn a_bridge_without_room_is_given_the_rest_later() {
    let (mut world, bridges) = friends(20, &[("north", "MY")]);
    if let Some(settings) = &mut world.people[bridges[0]].settings.bridge {
        settings.quota_bytes = 4_000;
    }
    away(&mut world, BOB);
    world.run_for(MINUTE_MS);
    let texts = ["one", "two", "three", "four", "five"];
    let ids = texts.map(|text| world.say(ALICE, BOB, text).unwrap());
    world.run_for(5 * MINUTE_MS);
    let held = |world: &World| {
        let held = ids
            .iter()
            .filter(|id| state(world, ALICE, id) == Some(State::Held));
        held.count()
    };
    let first = held(&world);
    assert!(first > 0 && first < ids.len(), "{first} held");
    assert!(hosted(&world, bridges[0]).bytes <= 4_000);
    away(&mut world, ALICE);
    world.run_for(MINUTE_MS);
    back(&mut world, BOB);
    world.run_for(5 * MINUTE_MS);
    away(&mut world, BOB);
    world.run_for(MINUTE_MS);
    back(&mut world, ALICE);
    // It obeys the word "full": an hour goes by first.
    world.run_for(3 * HOUR_MS);
    away(&mut world, ALICE);
    back(&mut world, BOB);
    world.run_for(5 * MINUTE_MS);
    let shown = ids.iter().filter(|id| read_by(&world, BOB, id)).count();
    assert!(shown > first, "{shown} shown, {first} were held at first");
    back(&mut world, ALICE);
    world.settle().unwrap();
}

#[test]
fn a_letter_that_waits_a_month_expires_on_both_sides() {
    let (mut world, bridges) = friends(21, &[("north", "MY"), ("south", "PT")]);
    away(&mut world, BOB);
    world.run_for(MINUTE_MS);
    let id = world.say(ALICE, BOB, "in a month?").unwrap();
    world.run_for(31 * DAY_MS);
    assert_eq!(state(&world, ALICE, &id), Some(State::Expired));
    for bridge in bridges {
        let rows = rows(&world, bridge, &[Table::BlockId, Table::BlockEnd]);
        assert_eq!((hosted(&world, bridge).blocks, rows), (0, 0));
    }
    back(&mut world, BOB);
    world.run_for(HOUR_MS);
    assert!(!read_by(&world, BOB, &id));
    // They talk on.
    let id = world.say(ALICE, BOB, "there you are").unwrap();
    assert!(wait(&mut world, MINUTE_MS, |w| read_by(w, BOB, &id)));
}

#[test]
fn a_mailbox_that_nobody_comes_to_is_erased_and_made_again() {
    let (mut world, bridges) = friends(22, &[("north", "MY")]);
    let bridge = bridges[0];
    away(&mut world, BOB);
    world.run_for(MINUTE_MS);
    world.say(ALICE, BOB, "one").unwrap();
    world.run_for(MINUTE_MS);
    back(&mut world, BOB);
    world.run_for(HOUR_MS);
    assert_eq!(hosted(&world, bridge).mailboxes, 2);
    away(&mut world, BOB);
    world.run_for(47 * DAY_MS);
    // Alice comes every day, and so her mailbox stays.
    let view = hosted(&world, bridge);
    assert_eq!((view.mailboxes, view.blocks), (1, 0));
    assert_eq!(rows(&world, bridge, &[Table::Tag]), view.tags);
    back(&mut world, BOB);
    world.run_for(HOUR_MS);
    away(&mut world, BOB);
    world.run_for(MINUTE_MS);
    let id = world.say(ALICE, BOB, "two").unwrap();
    world.run_for(5 * MINUTE_MS);
    assert_eq!(state(&world, ALICE, &id), Some(State::Held));
    away(&mut world, ALICE);
    back(&mut world, BOB);
    assert!(wait(&mut world, MINUTE_MS, |w| read_by(w, BOB, &id)));
}

#[test]
fn a_contact_that_was_removed_leaves_no_lanes_and_no_boxes() {
    let (mut world, _) = friends(23, &[("north", "MY"), ("south", "PT")]);
    const KEPT: [Table; 4] = [Table::Lane, Table::LaneDue, Table::TagIn, Table::Box];
    away(&mut world, BOB);
    world.run_for(MINUTE_MS);
    world.say(ALICE, BOB, "one").unwrap();
    // Some boxes are answered and some are not.
    world.run_for(5 * SECOND_MS);
    world.say(ALICE, BOB, "two").unwrap();
    assert!(wait(&mut world, MINUTE_MS, |w| {
        rows(w, ALICE, &[Table::Box]) > 0 && rows(w, ALICE, &[Table::TagIn]) > 0
    }));
    world.act(Step::Remove {
        by: ALICE,
        whom: BOB,
    });
    world.run_for(MINUTE_MS);
    for table in KEPT {
        assert_eq!(rows(&world, ALICE, &[table]), 0, "{table:?}");
    }
}

#[test]
fn what_somebody_blocked_left_at_a_bridge_is_dropped_in_silence() {
    let (mut world, bridges) = friends(24, &[("north", "MY")]);
    world.act(Step::Block {
        by: ALICE,
        whom: BOB,
    });
    world.run_for(MINUTE_MS);
    away(&mut world, ALICE);
    world.run_for(MINUTE_MS);
    let id = world.say(BOB, ALICE, "why?").unwrap();
    world.run_for(5 * MINUTE_MS);
    // He sees what he would see of anybody who is away.
    assert_eq!(state(&world, BOB, &id), Some(State::Held));
    away(&mut world, BOB);
    back(&mut world, ALICE);
    world.run_for(5 * MINUTE_MS);
    assert!(!read_by(&world, ALICE, &id));
    assert_eq!(hosted(&world, bridges[0]).blocks, 0);
    away(&mut world, ALICE);
    back(&mut world, BOB);
    world.run_for(5 * MINUTE_MS);
    assert_eq!(state(&world, BOB, &id), Some(State::Held));
}

#[test]
fn an_old_disk_is_mended_through_bridges_alone() {
    let (mut world, _) = friends(25, &[("north", "MY"), ("south", "PT")]);
    world.act(Step::Backup { who: ALICE });
    for n in 0..3 {
        world.say(ALICE, BOB, &format!("before {n}")).unwrap();
        world.say(BOB, ALICE, &format!("and back {n}")).unwrap();
        world.run_for(SECOND_MS);
    }
    world.act(Step::Restore { who: ALICE });
    world.act(Step::Shift {
        turn: 0,
        every_ms: 20 * MINUTE_MS,
    });
    world.run_for(MINUTE_MS);
    for (by, to) in [(ALICE, BOB), (BOB, ALICE)] {
        for n in 0..3 {
            let text = format!("after {n}, from {by}");
            world.act(Step::Send {
                by,
                to,
                text,
                reply: false,
            });
            world.run_for(10 * MINUTE_MS);
        }
    }
    world.settle().unwrap();
}

/// Alice goes on with an old copy of her home. What she writes from it opens for nobody; bob's
/// device sees that and makes a new session, and all of that without the two ever meeting.
#[test]
fn an_old_copy_is_repaired_by_people_who_are_never_together() {
    let (mut world, _) = friends(30, &[("north", "MY"), ("south", "PT")]);
    world.act(Step::Backup { who: ALICE });
    for i in 0..3 {
        world.say(ALICE, BOB, &format!("a {i}")).unwrap();
        world.run_for(5 * SECOND_MS);
        world.say(BOB, ALICE, &format!("b {i}")).unwrap();
        world.run_for(5 * SECOND_MS);
    }
    away(&mut world, BOB);
    world.act(Step::Restore { who: ALICE });
    world.run_for(MINUTE_MS);
    let id = world.say(ALICE, BOB, "from an old copy").unwrap();
    assert!(wait(&mut world, MINUTE_MS, |w| {
        state(w, ALICE, &id) == Some(State::Held)
    }));
    let mut took = 0;
    for turn in 0..4 {
        let (goes, comes) = [(ALICE, BOB), (BOB, ALICE)][turn % 2];
        away(&mut world, goes);
        world.run_for(HOUR_MS);
        back(&mut world, comes);
        world.run_for(5 * MINUTE_MS);
        took += 1;
        if read_by(&world, BOB, &id) {
            break;
        }
    }
    assert!(read_by(&world, BOB, &id));
    assert_eq!(took, 3, "bob's repair, alice's letter anew, bob has it");
}
