//! Messages that disappear: when, from where, and that nothing brings them back.

use crate::golden;
use std::collections::BTreeSet;
use waxwing_protocol::feed::view::State;
use waxwing_protocol::id::Mid;
use waxwing_protocol::query::{self, Hunt, MessageView, Search, What};
use waxwing_protocol::store::Table;
use waxwing_protocol::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use waxwing_tests::person::Who;
use waxwing_tests::rows;
use waxwing_tests::step::Step;
use waxwing_tests::world::World;

const ALICE: Who = 0;
const BOB: Who = 1;
const HOUR_S: u64 = 3_600;
const DAY_S: u64 = 86_400;

fn friends(seed: u64) -> World {
    let mut world = World::scene(seed, &["alice", "bob"]);
    assert!(world.meet(ALICE, BOB), "{:?}", world.verdict());
    world
}

/// Both keep so many seconds from now on.
fn set(world: &mut World, secs: u64) {
    world.disappear(ALICE, BOB, secs).unwrap();
    world.run_for(SECOND_MS);
}

fn other(who: Who) -> Who {
    1 - who
}

/// The message in the conversation, as somebody sees it.
fn seen(world: &mut World, who: Who, id: Mid) -> Option<MessageView> {
    let list = world.view(who).messages.remove(&other(who));
    list.unwrap_or_default().into_iter().find(|m| m.id == id)
}

fn is_shown(world: &mut World, who: Who, id: Mid) -> bool {
    seen(world, who, id).is_some_and(|m| m.text.is_some())
}

/// What is left of it for whoever knows its id.
fn left(world: &mut World, who: Who, id: Mid) -> Option<MessageView> {
    world
        .ask(who, |engine, store| engine.message(store, &id))
        .flatten()
}

fn read(world: &mut World, who: Who) {
    let step = Step::Read {
        by: who,
        of: other(who),
    };
    world.ask_for(who, step).unwrap().unwrap();
}

fn apart(world: &mut World) {
    world.act(Step::Partition {
        sides: vec![vec![ALICE], vec![BOB]],
    });
    world.run_for(MINUTE_MS);
}

#[test]
fn both_see_who_set_it_and_only_later_messages_disappear() {
    let mut world = friends(1);
    let before = world.say(ALICE, BOB, "before").unwrap();
    world.run_for(SECOND_MS);
    world.disappear(BOB, ALICE, HOUR_S).unwrap();
    world.run_for(SECOND_MS);
    let hers = world.say(ALICE, BOB, "soon gone").unwrap();
    world.run_for(SECOND_MS);
    let his = world.say(BOB, ALICE, "so is this").unwrap();
    world.run_for(SECOND_MS);
    world.disappear(ALICE, BOB, 0).unwrap();
    world.run_for(SECOND_MS);
    let after = world.say(ALICE, BOB, "after").unwrap();
    world.run_for(SECOND_MS);
    golden::check("disappearing", &world.chart());
    read(&mut world, ALICE);
    read(&mut world, BOB);
    world.run_for(HOUR_MS - MINUTE_MS);
    for who in [ALICE, BOB] {
        for id in [before, hers, his, after] {
            assert!(is_shown(&mut world, who, id), "before its time");
        }
    }
    world.run_for(2 * MINUTE_MS);
    for who in [ALICE, BOB] {
        for (id, stays) in [(before, true), (hers, false), (his, false), (after, true)] {
            assert_eq!(seen(&mut world, who, id).is_some(), stays);
        }
    }
    world.settle().unwrap();
    golden::check("disappeared", &world.chart());
}

#[test]
fn what_is_not_read_waits_for_its_reader() {
    let mut world = friends(2);
    set(&mut world, HOUR_S);
    let id = world.say(ALICE, BOB, "read me").unwrap();
    world.run_for(20 * DAY_MS);
    assert!(!is_shown(&mut world, ALICE, id), "hers counts from sending");
    let there = seen(&mut world, BOB, id).unwrap();
    assert_eq!((there.expires_at, there.disappear_s), (None, Some(HOUR_S)));
    read(&mut world, BOB);
    world.run_for(HOUR_MS - MINUTE_MS);
    assert!(is_shown(&mut world, BOB, id));
    world.run_for(2 * MINUTE_MS);
    assert!(!is_shown(&mut world, BOB, id));
    world.settle().unwrap();
}

#[test]
fn what_is_never_read_goes_in_the_end() {
    let mut world = friends(3);
    set(&mut world, DAY_S);
    let id = world.say(ALICE, BOB, "never mind").unwrap();
    world.run_for(31 * DAY_MS - HOUR_MS);
    assert!(is_shown(&mut world, BOB, id));
    assert_eq!(world.view(BOB).contacts[&ALICE].unread, 2);
    world.run_for(2 * HOUR_MS);
    assert!(!is_shown(&mut world, BOB, id));
    // What set the timer stays.
    assert_eq!(world.view(BOB).contacts[&ALICE].unread, 1);
    assert_eq!(left(&mut world, BOB, id).unwrap().state, State::Deleted);
    world.verdict().unwrap();
}

#[test]
fn nothing_disappears_that_its_reader_never_got() {
    let mut world = friends(4);
    set(&mut world, HOUR_S);
    // Written to a connection that has just died: sent, and not received.
    world.act(Step::Partition {
        sides: vec![vec![ALICE], vec![BOB]],
    });
    let id = world.say(ALICE, BOB, "are you there?").unwrap();
    let sent = seen(&mut world, ALICE, id).unwrap();
    assert!(sent.state == State::Sent && sent.expires_at.is_some());
    world.run_for(3 * DAY_MS);
    assert!(is_shown(&mut world, ALICE, id));
    world.act(Step::Heal);
    assert!(world.run_until(HOUR_MS, |w| w.model.arrived.contains_key(&(BOB, id))));
    assert!(is_shown(&mut world, BOB, id));
    world.run_for(HOUR_MS + MINUTE_MS);
    assert!(!is_shown(&mut world, ALICE, id));
    assert!(is_shown(&mut world, BOB, id), "not read yet");
    world.settle().unwrap();
}

#[test]
fn an_edit_that_waits_keeps_its_message() {
    let mut world = friends(13);
    set(&mut world, 30);
    let id = world.say(ALICE, BOB, "first").unwrap();
    world.run_for(SECOND_MS);
    apart(&mut world);
    let there = seen(&mut world, ALICE, id);
    assert!(there.is_none(), "delivered, and its time is up");
    let id = world.say(ALICE, BOB, "second").unwrap();
    world.act(Step::Heal);
    world.run_until(HOUR_MS, |w| {
        w.watch.states.get(&(ALICE, id)) == Some(&State::Delivered)
    });
    world.act(Step::Partition {
        sides: vec![vec![ALICE], vec![BOB]],
    });
    world.edit(ALICE, id, "third").unwrap();
    world.run_for(HOUR_MS);
    assert!(is_shown(&mut world, ALICE, id));
    world.act(Step::Heal);
    world.run_for(2 * HOUR_MS);
    assert!(seen(&mut world, ALICE, id).is_none());
    let there = seen(&mut world, BOB, id).unwrap();
    assert_eq!(there.text.as_deref(), Some("third"));
    world.settle().unwrap();
}

#[test]
fn a_receipt_after_a_deletion_counts_no_time() {
    let mut world = friends(14);
    set(&mut world, 30);
    let id = world.say(ALICE, BOB, "oops").unwrap();
    // Taken back before any receipt of it is there.
    world.delete(ALICE, id).unwrap();
    world.run_for(MINUTE_MS);
    for who in [ALICE, BOB] {
        let there = seen(&mut world, who, id).unwrap();
        assert_eq!((there.state, there.expires_at), (State::Deleted, None));
    }
    world.settle().unwrap();
}

#[test]
fn what_is_given_up_says_so_before_it_goes() {
    let mut world = friends(5);
    set(&mut world, HOUR_S);
    apart(&mut world);
    let id = world.say(ALICE, BOB, "anybody?").unwrap();
    let given_up = |world: &mut World| {
        let there = seen(world, ALICE, id);
        there.is_some_and(|m| m.state == State::Expired && m.text.is_some())
    };
    world.run_for(30 * DAY_MS - 2 * HOUR_MS);
    assert!(is_shown(&mut world, ALICE, id));
    let found = (0..40).any(|_| {
        world.run_for(10 * MINUTE_MS);
        given_up(&mut world)
    });
    assert!(found, "its author is told");
    world.run_for(HOUR_MS + MINUTE_MS);
    assert!(seen(&mut world, ALICE, id).is_none());
}

#[test]
fn nothing_is_left_but_that_it_was_there() {
    let mut world = friends(6);
    set(&mut world, 30);
    let id = world.say(ALICE, BOB, "first").unwrap();
    world.run_for(SECOND_MS);
    world.react(BOB, id, "👍").unwrap();
    world.edit(ALICE, id, "second").unwrap();
    world.run_for(SECOND_MS);
    read(&mut world, BOB);
    let texts = ["first", "second", "👍"];
    let holds = |world: &World, who: Who, text: &str| {
        let needle = text.as_bytes();
        let rows = world.people[who].store.iter();
        rows.map(|(_, value)| value)
            .any(|value| value.windows(needle.len()).any(|w| w == needle))
    };
    assert!(holds(&world, ALICE, "second") && holds(&world, BOB, "second"));
    world.run_for(MINUTE_MS);
    for who in [ALICE, BOB] {
        for text in texts {
            assert!(!holds(&world, who, text), "{text} at {who}");
        }
        assert!(seen(&mut world, who, id).is_none());
        let gone = left(&mut world, who, id).unwrap();
        assert_eq!((gone.state, gone.text), (State::Deleted, None));
        assert!(gone.reactions.is_empty() && gone.expires_at.is_some());
        let why = query::why(&world.people[who].store, &id, 0)
            .unwrap()
            .unwrap();
        assert_eq!(why.steps.last().unwrap().what, What::Disappeared);
        assert!(why.next.is_none());
        assert_eq!(world.watch.states[&(who, id)], State::Deleted, "told");
    }
    assert_eq!(world.edit(ALICE, id, "third"), None);
    assert_eq!(world.react(BOB, id, "😀"), None);
    assert_eq!(world.model.refused["disappeared"], 2);
    world.settle().unwrap();
    // When nothing can bring it back, even that is forgotten.
    world.run_for(66 * DAY_MS);
    for who in [ALICE, BOB] {
        assert!(left(&mut world, who, id).is_none());
        assert_eq!(
            rows::count(&world.people[who].store).get(&Table::Gone),
            None
        );
    }
}

#[test]
fn its_words_lie_only_under_the_key_that_changes_every_day() {
    let mut world = friends(16);
    let stays = world.say(ALICE, BOB, "words that stay").unwrap();
    set(&mut world, DAY_S);
    let mut ids = Vec::new();
    // Enough to be packed for search, if they were.
    for n in 0..40 {
        ids.push(
            world
                .say(ALICE, BOB, &format!("fleeting words {n}"))
                .unwrap(),
        );
        world.run_for(SECOND_MS);
    }
    world.edit(ALICE, ids[3], "other fleeting words").unwrap();
    world.react(BOB, ids[4], "fleeting").unwrap();
    // A start packs what has gathered.
    for who in [ALICE, BOB] {
        let away_ms = SECOND_MS;
        world.act(Step::Restart { who, away_ms });
    }
    world.run_for(HOUR_MS);
    for who in [ALICE, BOB] {
        let store = &world.people[who].store;
        let tables = |words: &str| -> BTreeSet<Table> {
            let holds = |value: &[u8]| value.windows(words.len()).any(|w| w == words.as_bytes());
            let rows = store.iter().filter(|(_, value)| holds(value));
            rows.map(|(key, _)| key.table()).collect()
        };
        assert_eq!(tables("fleeting"), BTreeSet::from([Table::Fading]));
        assert!(
            tables("words that stay").contains(&Table::Segment),
            "it was packed"
        );
        let found = |text: &str| {
            let hunt = Hunt {
                text: text.into(),
                limit: 100,
                ..Hunt::default()
            };
            let mut search = Search::begin(store, &hunt).unwrap().unwrap();
            while !search.step(store).unwrap() {}
            search.found().iter().map(|m| m.id).collect::<BTreeSet<_>>()
        };
        assert_eq!(found("fleeting words"), ids.iter().copied().collect());
        assert_eq!(found("other fleeting"), BTreeSet::from([ids[3]]));
        assert_eq!(found("words that stay"), BTreeSet::from([stays]));
    }
    world.verdict().unwrap();
}

#[test]
fn clearing_and_removing_leave_no_words_and_no_time_bombs() {
    for whole in [false, true] {
        let mut world = friends(17);
        set(&mut world, 30);
        for n in 0..5 {
            world.say(ALICE, BOB, &format!("fleeting {n}")).unwrap();
        }
        world.run_for(SECOND_MS);
        let (by, of) = (BOB, ALICE);
        let step = if whole {
            Step::Remove { by, whom: of }
        } else {
            Step::Clear { by, with: of }
        };
        world.ask_for(BOB, step).unwrap().unwrap();
        world.run_for(SECOND_MS);
        let store = &world.people[BOB].store;
        assert_eq!(rows::count(store).get(&Table::Fading), None);
        // Their times come, and find nothing.
        world.run_for(40 * DAY_MS);
        world.verdict().unwrap();
        assert!(world.people[BOB].is_on());
    }
}

#[test]
fn what_disappears_is_not_taken_along() {
    let mut world = friends(15);
    let stays = world.say(ALICE, BOB, "kept").unwrap();
    set(&mut world, DAY_S);
    world.say(ALICE, BOB, "soon gone").unwrap();
    world.run_for(SECOND_MS);
    let history = query::history(&world.people[BOB].store, "alice", None);
    let (page, _) = history.unwrap().unwrap();
    let ids: Vec<Mid> = page.iter().map(|past| past.mid).collect();
    assert_eq!(ids, [stays]);
}

#[test]
fn a_letter_that_comes_again_afterwards_shows_nothing() {
    let mut world = friends(7);
    set(&mut world, 5);
    let id = world.say(ALICE, BOB, "once").unwrap();
    // Bob has it and his receipt never arrives.
    let arrived = (0..SECOND_MS).any(|_| {
        world.run_for(1);
        world.model.arrived.contains_key(&(BOB, id))
    });
    assert!(arrived);
    apart(&mut world);
    read(&mut world, BOB);
    world.run_for(MINUTE_MS);
    assert!(seen(&mut world, BOB, id).is_none());
    assert!(is_shown(&mut world, ALICE, id), "it may be the only one");
    // The same letter comes again, to a node that has started anew.
    world.act(Step::Heal);
    world.act(Step::Restart {
        who: BOB,
        away_ms: SECOND_MS,
    });
    world.run_for(HOUR_MS);
    for who in [ALICE, BOB] {
        assert!(seen(&mut world, who, id).is_none());
    }
    assert_eq!(world.watch.shown[&(BOB, id)], 1);
    world.settle().unwrap();
}

#[test]
fn time_goes_on_while_a_node_is_off() {
    let mut world = friends(8);
    set(&mut world, HOUR_S);
    let id = world.say(ALICE, BOB, "off and on").unwrap();
    world.run_for(SECOND_MS);
    read(&mut world, BOB);
    for who in [ALICE, BOB] {
        world.act(Step::Restart {
            who,
            away_ms: 2 * HOUR_MS,
        });
    }
    world.run_for(2 * HOUR_MS + 5 * SECOND_MS);
    for who in [ALICE, BOB] {
        assert!(world.people[who].is_on());
        assert!(seen(&mut world, who, id).is_none());
    }
    world.settle().unwrap();
}

#[test]
fn a_clock_that_is_behind_erases_late_and_never_early() {
    let mut world = friends(9);
    set(&mut world, HOUR_S);
    let id = world.say(ALICE, BOB, "by the clock").unwrap();
    world.run_for(SECOND_MS);
    read(&mut world, BOB);
    // Bob's machine comes back with its clock an hour behind.
    world.act(Step::SetClock {
        who: BOB,
        ahead_ms: -i64::try_from(HOUR_MS).unwrap(),
    });
    world.act(Step::Restart {
        who: BOB,
        away_ms: SECOND_MS,
    });
    world.run_for(HOUR_MS + MINUTE_MS);
    assert!(seen(&mut world, ALICE, id).is_none());
    assert!(is_shown(&mut world, BOB, id));
    world.run_for(HOUR_MS);
    assert!(seen(&mut world, BOB, id).is_none());
}

#[test]
fn what_disappeared_from_its_author_can_still_be_taken_back() {
    let mut world = friends(10);
    set(&mut world, 30);
    let id = world.say(ALICE, BOB, "regretted").unwrap();
    world.run_for(MINUTE_MS);
    assert!(seen(&mut world, ALICE, id).is_none());
    assert!(is_shown(&mut world, BOB, id));
    assert_eq!(world.delete(ALICE, id), Some(id));
    world.run_for(SECOND_MS);
    assert!(!is_shown(&mut world, BOB, id));
    world.settle().unwrap();
}

#[test]
fn two_who_set_it_at_once_end_with_the_same() {
    let mut world = friends(11);
    for secs in [0, 600] {
        apart(&mut world);
        world.disappear(ALICE, BOB, HOUR_S + secs).unwrap();
        world.disappear(BOB, ALICE, DAY_S + secs).unwrap();
        world.act(Step::Heal);
        world.run_for(5 * MINUTE_MS);
        let kept = |world: &mut World, who| world.view(who).contacts[&other(who)].disappear_s;
        let (here, there) = (kept(&mut world, ALICE), kept(&mut world, BOB));
        assert_eq!(here, there);
        assert!(here.is_some());
    }
    world.settle().unwrap();
}

#[test]
fn bounds_are_kept_and_saying_it_twice_says_nothing() {
    let mut world = friends(12);
    for secs in [1, 4, 365 * DAY_S + 1] {
        assert_eq!(world.disappear(ALICE, BOB, secs), None, "{secs}");
    }
    set(&mut world, 5);
    let before = world.view(BOB).messages[&ALICE].len();
    set(&mut world, 5);
    assert_eq!(world.view(BOB).messages[&ALICE].len(), before);
    set(&mut world, 365 * DAY_S);
    assert_eq!(world.view(BOB).messages[&ALICE].len(), before + 1);
    world.settle().unwrap();
}
