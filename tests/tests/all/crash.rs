//! One scene, once for every commit and every way to lose power at it. Whatever was acknowledged
//! is there in the end, once, and the command that was under way is answered after the restart.

use waxwing_protocol::time::SECOND_MS;
use waxwing_tests::person::CrashPoint;
use waxwing_tests::report::Failure;
use waxwing_tests::step::Step;
use waxwing_tests::world::{Config, World};

const ALICE: usize = 0;
const BOB: usize = 1;
const POINTS: [CrashPoint; 5] = [
    CrashPoint::Before,
    CrashPoint::Full,
    CrashPoint::After,
    CrashPoint::Within(1),
    CrashPoint::Within(2),
];

/// Plays the scene; the crash, if any, was planned before anything happened.
fn play(crash: Option<(usize, u64, CrashPoint)>) -> Result<[u64; 2], Box<Failure>> {
    let mut world = World::new(
        1,
        Config {
            group_max: 1,
            ..Config::STEADY
        },
    );
    world.add_person("alice");
    world.add_person("bob");
    if let Some((who, commit, point)) = crash {
        world.people[who].crash_at = Some((commit, point));
        world.replay = format!("crash::play(Some(({who}, {commit}, CrashPoint::{point:?})))");
    }
    world.populate(&[]);
    if !world.meet(ALICE, BOB) {
        world.violation("not_met", BOB, "the link was never taken up".into());
        return Err(world.verdict().unwrap_err());
    }
    world.say(ALICE, BOB, "one");
    let two = world.say(BOB, ALICE, "two");
    world.run_for(SECOND_MS);
    if let Some(two) = two {
        world.react(ALICE, two, "👍");
    }
    world.act(Step::Read { by: ALICE, of: BOB });
    world.run_for(SECOND_MS);
    world.reply(BOB, ALICE, "three");
    world.run_for(10 * SECOND_MS);
    world.disappear(ALICE, BOB, 30);
    world.say(ALICE, BOB, "four");
    world.run_for(SECOND_MS);
    world.act(Step::Read { by: BOB, of: ALICE });
    world.run_for(60 * SECOND_MS);
    let commits = [world.people[ALICE].commits, world.people[BOB].commits];
    world.settle()?;
    assert_eq!(world.model.sent.len(), 4, "{crash:?}");
    Ok(commits)
}

#[test]
fn power_may_go_at_every_commit() {
    let commits = play(None).unwrap();
    assert!(commits.iter().all(|n| *n > 5), "{commits:?}");
    let mut broken = Vec::new();
    for (who, commits) in commits.into_iter().enumerate() {
        for commit in 1..=commits {
            for point in POINTS {
                if let Err(failure) = play(Some((who, commit, point))) {
                    eprintln!("{failure}");
                    broken.push((who, commit, point));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{broken:?}");
}
