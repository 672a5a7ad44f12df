//! Both nodes start again, in either order, and find each other by themselves.

use super::{meet, person, say, until_delivered};
use std::time::Duration;
use waxwing_tests::process::{Person, until};

/// What is expected on an idle machine; printed, not asserted: other tests run at the same time.
const EXPECTED: Duration = Duration::from_secs(5);

fn stop_all(people: &mut [&mut Person; 2], gracefully: bool) {
    for person in people {
        if gracefully {
            assert_eq!(person.stop().code(), Some(0));
        } else {
            person.kill();
        }
    }
}

fn meet_again(first: &mut Person, second: &mut Person, how: &str) {
    first.up();
    second.up();
    let took = until("they are connected again", || {
        first.reaches(&second.name) && second.reaches(&first.name)
    });
    let slow = if took > EXPECTED { ", SLOW" } else { "" };
    let (a, b) = (&first.name, &second.name);
    eprintln!("{how}, {a} first: {a} and {b} connected again after {took:?}{slow}");
    let id = say(first, &second.name, "we are back");
    until_delivered(first, &id);
}

#[test]
fn connected_again_after_both_restarted_in_either_order() {
    let (mut alice, mut bob) = (person("alice"), person("bob"));
    meet(&mut alice, &mut bob);
    for gracefully in [true, false] {
        let how = if gracefully { "stopped" } else { "killed" };
        stop_all(&mut [&mut alice, &mut bob], gracefully);
        meet_again(&mut alice, &mut bob, how);
        stop_all(&mut [&mut bob, &mut alice], gracefully);
        meet_again(&mut bob, &mut alice, how);
    }
}

#[test]
fn connected_again_after_one_of_them_restarted() {
    let (mut alice, mut bob) = (person("alice"), person("bob"));
    meet(&mut alice, &mut bob);
    bob.kill();
    let id = say(&alice, "bob", "you went quiet");
    let noticed = until("alice notices", || !alice.reaches("bob"));
    bob.up();
    let back = until("bob is back", || alice.reaches("bob"));
    eprintln!("killed: noticed after {noticed:?}, connected again after {back:?}");
    until_delivered(&alice, &id);
}
