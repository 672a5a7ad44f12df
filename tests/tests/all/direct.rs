//! Two or three people, one thing after the other, and what each of them sees at the end.

use crate::golden;
use waxwing_protocol::feed::view::State;
use waxwing_protocol::output::{Answer, ContactState};
use waxwing_protocol::time::{DAY_MS, MINUTE_MS, SECOND_MS};
use waxwing_tests::step::Step;
use waxwing_tests::world::World;

const ALICE: usize = 0;
const BOB: usize = 1;
const CAROL: usize = 2;

/// Settles, then compares what everybody sees with the golden chat.
fn finish(mut world: World, name: &str) {
    world.settle().unwrap();
    golden::check(name, &world.chart());
}

fn friends(seed: u64) -> World {
    let mut world = World::scene(seed, &["alice", "bob"]);
    assert!(world.meet(ALICE, BOB), "{:?}", world.verdict());
    world
}

#[test]
fn two_meet_by_a_one_use_link_and_talk() {
    let mut world = friends(1);
    world.say(ALICE, BOB, "hello bob").unwrap();
    world.run_for(SECOND_MS);
    world.say(BOB, ALICE, "hello alice").unwrap();
    world.run_for(SECOND_MS);
    world.act(Step::Read { by: ALICE, of: BOB });
    world.act(Step::Read { by: BOB, of: ALICE });
    finish(world, "meet_and_talk");
}

#[test]
fn the_first_text_may_be_sent_before_the_link_is_answered() {
    let mut world = World::scene(2, &["alice", "bob"]);
    world.act(Step::Sleep {
        who: ALICE,
        span_ms: 0,
    });
    world.act(Step::WakeUp { who: ALICE });
    world.act(Step::Invite {
        by: ALICE,
        guest: BOB,
        uses: 1,
    });
    // Bob adds while Alice is gone: pending, and completed once she is back.
    let made = world.run_until(MINUTE_MS, |w| !w.model.links.is_empty());
    assert!(made);
    world.act(Step::Restart {
        who: ALICE,
        away_ms: 2 * MINUTE_MS,
    });
    world.run_for(10 * SECOND_MS);
    assert_eq!(world.people[BOB].wishes.len(), 0, "add is answered at once");
    assert!(world.wait_connected(ALICE, BOB));
    world.say(BOB, ALICE, "there you are").unwrap();
    finish(world, "inviter_away");
}

#[test]
fn a_counted_link_asks_first() {
    let mut world = World::scene(3, &["alice", "bob", "carol"]);
    world.act(Step::Invite {
        by: ALICE,
        guest: BOB,
        uses: 5,
    });
    world.run_for(5 * SECOND_MS);
    world.act(Step::Invite {
        by: ALICE,
        guest: CAROL,
        uses: 5,
    });
    world.run_for(5 * SECOND_MS);
    let accepted = world.ask_for(ALICE, Step::Accept { by: ALICE });
    let Some(Ok(Answer::Contact { state, .. })) = accepted else {
        panic!("{accepted:?}")
    };
    assert_eq!(state, ContactState::Connected);
    let declined = world.ask_for(ALICE, Step::Decline { by: ALICE });
    assert!(
        matches!(declined, Some(Ok(Answer::Contact { .. }))),
        "{declined:?}"
    );
    assert!(world.wait_connected(ALICE, BOB));
    world.say(ALICE, BOB, "welcome").unwrap();
    world.run_for(MINUTE_MS);
    finish(world, "counted_link");
}

#[test]
fn somebody_who_is_blocked_is_not_heard_and_not_told() {
    let mut world = friends(4);
    world.say(BOB, ALICE, "before").unwrap();
    world.run_for(5 * SECOND_MS);
    world
        .ask_for(
            ALICE,
            Step::Block {
                by: ALICE,
                whom: BOB,
            },
        )
        .unwrap()
        .unwrap();
    world.say(BOB, ALICE, "after").unwrap();
    world.run_for(5 * MINUTE_MS);
    let view = world.view(ALICE);
    let texts: Vec<_> = view.messages[&BOB]
        .iter()
        .filter_map(|m| m.text.clone())
        .collect();
    assert_eq!(texts, ["before"]);
    finish(world, "block");
}

#[test]
fn both_may_add_each_other_at_once() {
    let mut world = World::scene(5, &["alice", "bob"]);
    world.act(Step::Invite {
        by: ALICE,
        guest: BOB,
        uses: 1,
    });
    world.act(Step::Invite {
        by: BOB,
        guest: ALICE,
        uses: 1,
    });
    assert!(world.wait_connected(ALICE, BOB));
    for (by, to) in [(ALICE, BOB), (BOB, ALICE)] {
        for n in 0..3 {
            world
                .say(by, to, &format!("{n} from {}", world.name(by)))
                .unwrap();
            world.run_for(SECOND_MS);
        }
    }
    finish(world, "both_add");
}

#[test]
fn a_long_text_arrives_whole() {
    let mut world = friends(6);
    let long: String = "waxwing ".chars().cycle().take(32 * 1024).collect();
    world.say(ALICE, BOB, &long).unwrap();
    world.run_for(SECOND_MS);
    let longer = format!("{long}!");
    assert_eq!(
        world.say(ALICE, BOB, &longer),
        None,
        "one byte more is refused"
    );
    finish(world, "long_text");
}

#[test]
fn replies_and_reactions_find_their_message() {
    let mut world = friends(7);
    let question = world.say(ALICE, BOB, "tea or coffee?").unwrap();
    world.run_for(SECOND_MS);
    world.reply(BOB, ALICE, "tea").unwrap();
    world.react(BOB, question, "❤").unwrap();
    world.run_for(SECOND_MS);
    world.react(ALICE, question, "👍").unwrap();
    world.run_for(SECOND_MS);
    world.react(BOB, question, "").unwrap();
    finish(world, "replies_and_reactions");
}

#[test]
fn a_reaction_may_overtake_its_message() {
    // Loss and reordering on the way to Alice until a reaction is there first.
    let overtaken = (0..40).any(|seed| {
        let mut world = friends(100 + seed);
        world.config.link.reorder = 1.0;
        world.config.link.latency_ms = (1, 400);
        let text = world.say(BOB, ALICE, "look at this").unwrap();
        world.react(BOB, text, "😀").unwrap();
        let first = world.run_until(2 * MINUTE_MS, |w| {
            w.model.arrived.contains_key(&(ALICE, text))
        });
        assert!(first);
        let seen = world.view(ALICE).messages[&BOB].clone();
        let at_once = seen.iter().any(|m| m.id == text && !m.reactions.is_empty());
        world.settle().unwrap();
        at_once
    });
    assert!(overtaken, "in none of forty worlds was the reaction first");
}

#[test]
fn what_was_said_is_edited_and_taken_back() {
    let mut world = friends(12);
    let time = world.say(ALICE, BOB, "see you at seven").unwrap();
    let secret = world.say(ALICE, BOB, "the cake is a surprise").unwrap();
    let answer = world.say(BOB, ALICE, "what cake?").unwrap();
    world.run_for(SECOND_MS);
    world.react(BOB, secret, "😀").unwrap();
    world.edit(ALICE, time, "see you at six").unwrap();
    world.edit(ALICE, time, "see you at eight").unwrap();
    world.delete(ALICE, secret).unwrap();
    world.run_for(SECOND_MS);
    assert_eq!(world.edit(ALICE, answer, "mine now"), None, "not hers");
    assert_eq!(world.delete(ALICE, answer), None, "not hers");
    assert_eq!(world.edit(ALICE, secret, "again"), None, "it is gone");
    assert_eq!(world.react(BOB, secret, "👍"), None, "it is gone");
    assert_eq!(world.delete(ALICE, secret), Some(secret), "as before");
    finish(world, "edited_and_deleted");
}

#[test]
fn what_is_deleted_before_it_leaves_is_never_said() {
    let mut world = friends(13);
    world.act(Step::Partition {
        sides: vec![vec![ALICE], vec![BOB]],
    });
    world.run_for(MINUTE_MS);
    let slip = world.say(ALICE, BOB, "a slip of the tongue").unwrap();
    let kept = world.say(ALICE, BOB, "first").unwrap();
    world.edit(ALICE, kept, "second").unwrap();
    world.delete(ALICE, slip).unwrap();
    world.act(Step::Heal);
    world.settle().unwrap();
    let seen = &world.view(BOB).messages[&ALICE];
    assert!(seen.iter().all(|m| m.id != slip));
    let shown: Vec<_> = seen.iter().map(|m| (m.text.as_deref(), m.edited)).collect();
    assert_eq!(shown, [(Some("second"), true)]);
}

#[test]
fn a_tombstone_goes_when_nothing_can_bring_the_message_back() {
    let mut world = friends(14);
    let id = world.say(ALICE, BOB, "never mind").unwrap();
    world.run_for(SECOND_MS);
    world.delete(ALICE, id).unwrap();
    world.run_for(64 * DAY_MS);
    for (who, other) in [(ALICE, BOB), (BOB, ALICE)] {
        assert_eq!(world.view(who).messages[&other].len(), 1);
    }
    world.run_for(2 * DAY_MS);
    for (who, other) in [(ALICE, BOB), (BOB, ALICE)] {
        assert_eq!(world.view(who).messages[&other].len(), 0);
    }
    world.verdict().unwrap();
}

#[test]
fn edits_and_deletions_may_overtake_their_message() {
    let mut early = (false, false);
    for seed in 0..40 {
        let mut world = friends(200 + seed);
        world.config.link.reorder = 1.0;
        world.config.link.latency_ms = (1, 400);
        let kept = world.say(BOB, ALICE, "first").unwrap();
        let gone = world.say(BOB, ALICE, "oops").unwrap();
        world.edit(BOB, kept, "second").unwrap();
        world.delete(BOB, gone).unwrap();
        world.run_until(2 * MINUTE_MS, |w| {
            [kept, gone]
                .iter()
                .all(|id| w.model.arrived.contains_key(&(ALICE, *id)))
        });
        let shown = |id| world.watch.shown.get(&(ALICE, id)).copied();
        let (once, never) = (shown(kept) == Some(1), shown(gone) == Some(1));
        let seen = world.view(ALICE).messages[&BOB].clone();
        let find = |id| seen.iter().find(|m| m.id == id);
        early.0 |= once && find(kept).is_some_and(|m| m.edited);
        early.1 |= never && find(gone).is_some_and(|m| m.text.is_none());
        world.settle().unwrap();
        if early == (true, true) {
            return;
        }
    }
    panic!("in none of forty worlds were they first: {early:?}");
}

#[test]
fn a_message_that_comes_after_later_ones_is_marked_late() {
    let mut world = friends(8);
    world.act(Step::Partition {
        sides: vec![vec![ALICE], vec![BOB]],
    });
    world.run_for(30 * SECOND_MS);
    world.say(ALICE, BOB, "written apart by alice").unwrap();
    world.run_for(30 * SECOND_MS);
    world.say(BOB, ALICE, "written apart by bob").unwrap();
    world.run_for(30 * SECOND_MS);
    world.act(Step::Heal);
    finish(world, "late");
}

#[test]
fn both_restart_in_either_order() {
    for (name, first, second) in [("ab", ALICE, BOB), ("ba", BOB, ALICE)] {
        let mut world = friends(9);
        world.say(ALICE, BOB, "one").unwrap();
        world.run_for(SECOND_MS);
        world.act(Step::Restart {
            who: first,
            away_ms: 20 * SECOND_MS,
        });
        world.run_for(SECOND_MS);
        let step = Step::Send {
            by: second,
            to: first,
            text: "two".into(),
            reply: false,
        };
        world.act(step);
        world.run_for(SECOND_MS);
        world.act(Step::Restart {
            who: second,
            away_ms: 60 * SECOND_MS,
        });
        world.run_for(40 * SECOND_MS);
        let step = Step::Send {
            by: first,
            to: second,
            text: "three".into(),
            reply: false,
        };
        world.act(step);
        finish(world, &format!("restart_{name}"));
    }
}

#[test]
fn a_receipt_that_was_lost_with_its_connection_is_repeated_on_the_next() {
    let mut world = friends(12);
    world.say(ALICE, BOB, "did you get this?").unwrap();
    // Bob has it, and his receipt is on its way.
    let mut arrived = false;
    for _ in 0..SECOND_MS {
        arrived |= !world.view(BOB).messages[&ALICE].is_empty();
        if arrived {
            break;
        }
        world.run_for(1);
    }
    assert!(arrived);
    world.act(Step::Restart {
        who: ALICE,
        away_ms: 500,
    });
    world.run_for(2 * SECOND_MS);
    let view = world.view(ALICE);
    assert_eq!(view.messages[&BOB][0].state, State::Delivered);
}

#[test]
fn a_friend_is_found_after_moving() {
    let mut world = friends(10);
    world.say(ALICE, BOB, "at home").unwrap();
    world.run_for(SECOND_MS);
    world.act(Step::Move { who: ALICE });
    world.run_for(30 * SECOND_MS);
    world.say(BOB, ALICE, "where are you?").unwrap();
    finish(world, "moved");
}

#[test]
fn three_friends_keep_their_conversations_apart() {
    let mut world = World::scene(11, &["alice", "bob", "carol"]);
    assert!(world.meet(ALICE, BOB));
    assert!(world.meet(BOB, CAROL));
    assert!(world.meet(CAROL, ALICE));
    for (by, to) in [(ALICE, BOB), (BOB, CAROL), (CAROL, ALICE), (BOB, ALICE)] {
        let text = format!("from {} to {}", world.name(by), world.name(to));
        world.say(by, to, &text).unwrap();
        world.run_for(SECOND_MS);
    }
    finish(world, "three_friends");
}

/// Whom somebody believes to be connected to, by which connection.
fn link(world: &World, who: usize, other: usize) -> Option<u64> {
    world.people[who].connected.get(&other).copied()
}

#[test]
fn a_connection_that_ends_while_it_is_made_ends_for_both() {
    let mut world = friends(9);
    let old = link(&world, ALICE, BOB);
    let is_new = |link: Option<u64>| link.is_some() && link > old;
    world.act(Step::Disconnect { a: ALICE, b: BOB });
    // Whoever is dialed has a connection before whoever dials knows that there is one.
    let half = world.run_until(MINUTE_MS, |w| {
        is_new(link(w, ALICE, BOB)) != is_new(link(w, BOB, ALICE))
    });
    assert!(half, "nobody dials");
    let (dialer, other) = match link(&world, ALICE, BOB) {
        None => (ALICE, BOB),
        Some(_) => (BOB, ALICE),
    };
    assert_eq!(link(&world, dialer, other), None);
    // Nobody can tell the new address but who moved, and the other one knows that the connection is
    // gone before word of it can have come.
    world.config.link.notice_ms = (30, 30);
    world.act(Step::Move { who: dialer });
    world.run_for(2 * MINUTE_MS);
    assert_eq!(link(&world, ALICE, BOB), link(&world, BOB, ALICE));
    assert!(is_new(link(&world, ALICE, BOB)));
    for (from, to) in [(other, dialer), (dialer, other)] {
        world.say(from, to, "found you").unwrap();
        world.run_for(SECOND_MS);
    }
    world.settle().unwrap();
}
