//! Letters through bridges: people who are never there at the same time.

use waxwing_protocol::feed::view::State;
use waxwing_protocol::id::Mid;
use waxwing_protocol::query;
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
