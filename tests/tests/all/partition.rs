//! Fifty people whose network falls apart, again and again, each time in other pieces.

use waxwing_protocol::time::{MINUTE_MS, SECOND_MS};
use waxwing_tests::dice::{Dice, Purpose};
use waxwing_tests::person::Who;
use waxwing_tests::step::Step;
use waxwing_tests::world::{Config, World};

const PEOPLE: usize = 50;
/// Everybody is a friend of so many who come next in the circle.
const FRIENDS: usize = 2;
/// Times that the network falls apart.
const TIMES: usize = 5;
/// Into so many pieces.
const PIECES: usize = 4;
/// Texts while it is in pieces.
const TEXTS: usize = 60;

fn friend(dice: &mut Dice, of: Who) -> Who {
    let step = 1 + dice.index(FRIENDS);
    if dice.chance(0.5) {
        (of + step) % PEOPLE
    } else {
        (of + PEOPLE - step) % PEOPLE
    }
}

#[test]
fn fifty_people_in_pieces_lose_nothing_and_keep_one_order() {
    let mut world = World::new(50, Config::FAIR);
    world.replay = "partition::fifty_people".to_owned();
    let names: Vec<String> = (0..PEOPLE).map(|n| format!("person {n}")).collect();
    world.populate(&names.iter().map(String::as_str).collect::<Vec<_>>());
    for by in 0..PEOPLE {
        for step in 1..=FRIENDS {
            let guest = (by + step) % PEOPLE;
            world.act(Step::Invite { by, guest, uses: 1 });
            world.run_for(500);
        }
    }
    world.run_for(MINUTE_MS);
    let mut dice = Dice::new(50, Purpose::Script, 0, 0);
    let (mut across, mut within) = (0, 0);
    for time in 0..TIMES {
        let mut sides = vec![Vec::new(); PIECES];
        let mut side_of = vec![0; PEOPLE];
        for (who, side) in side_of.iter_mut().enumerate() {
            *side = dice.index(PIECES);
            sides[*side].push(who);
        }
        world.act(Step::Partition { sides });
        world.run_for(10 * SECOND_MS);
        for number in 0..TEXTS {
            let by = dice.index(PEOPLE);
            let to = friend(&mut dice, by);
            assert_eq!(world.can_reach(by, to), side_of[by] == side_of[to]);
            if side_of[by] == side_of[to] {
                within += 1;
            } else {
                across += 1;
            }
            let text = format!("{time}.{number}: which side are you on?");
            world.act(Step::Send {
                by,
                to,
                text,
                reply: false,
            });
            world.run_for(dice.below(SECOND_MS));
        }
        // From one kind of pieces into the next, and once in a while whole.
        if time % 2 == 1 {
            world.act(Step::Heal);
            world.run_for(MINUTE_MS);
        }
    }
    assert!(across > 100 && within > 30, "{across} {within}");
    // Nothing lost, nothing twice, one order for both sides of every conversation.
    world.settle().unwrap();
    assert_eq!(world.model.sent.len(), across + within);
}
