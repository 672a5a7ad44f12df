//! Two engines joined by hand: the shortest scenes, step by step. The simulator in `tests/` has
//! the long ones.

mod common;

use common::node::{Node, Pair};
use waxwing_protocol::input::Command;
use waxwing_protocol::output::{Answer, ContactState, State};
use waxwing_protocol::query::{self, Page, What};

/// Alice takes up a link of bob's and says who she is.
fn meet(pair: &mut Pair, uses: u8) {
    let link = pair.b.link(uses, None);
    let add = Command::Add {
        link,
        name: None,
        note: Some("hello it is me".into()),
    };
    pair.ask(true, add).unwrap();
}

fn texts(node: &Node, name: &str) -> Vec<String> {
    let page = Page::default();
    let messages = query::messages(&node.store, name, &page).unwrap().unwrap();
    messages.into_iter().map(|m| m.text.unwrap()).collect()
}

fn state(node: &Node, name: &str) -> ContactState {
    query::contact(&node.store, name).unwrap().unwrap().state
}

#[test]
fn a_one_use_link_connects_two_people_and_they_talk() {
    let mut pair = Pair::new();
    meet(&mut pair, 1);
    assert_eq!(state(&pair.a, "bob"), ContactState::Connected);
    assert_eq!(state(&pair.b, "alice"), ContactState::Connected);
    let mut last = None;
    for i in 0..200 {
        let a = i % 3 != 0;
        let to = if a { "bob" } else { "alice" };
        pair.a.now += 7;
        pair.b.now += 7;
        let send = Command::Send {
            to: to.into(),
            text: format!("number {i}"),
            reply_to: None,
        };
        let Answer::Message { id, .. } = pair.ask(a, send).unwrap() else {
            panic!()
        };
        let node = if a { &pair.a } else { &pair.b };
        let sent = query::message(&node.store, &id).unwrap().unwrap();
        assert_eq!(sent.state, State::Delivered, "message {i}");
        last = Some(id);
    }
    assert_eq!(texts(&pair.a, "bob"), texts(&pair.b, "alice"));
    assert_eq!(
        query::contact(&pair.b.store, "alice")
            .unwrap()
            .unwrap()
            .unread,
        133
    );
    pair.ask(
        false,
        Command::MarkRead {
            name: "alice".into(),
            upto: None,
        },
    )
    .unwrap();
    pair.ask(
        true,
        Command::React {
            to: last.unwrap(),
            emoji: "👍".into(),
        },
    )
    .unwrap();
    let seen = query::message(&pair.b.store, &last.unwrap())
        .unwrap()
        .unwrap();
    assert_eq!(seen.reactions.len(), 1);
    let status = query::status(&pair.a.store).unwrap();
    assert_eq!((status.outbox, status.connected), (0, 1));
    let all = query::messages(
        &pair.a.store,
        "bob",
        &Page {
            limit: 500,
            ..Page::default()
        },
    );
    let all = all.unwrap().unwrap();
    assert_eq!(all.len(), 200);
    assert!(
        all.iter()
            .all(|m| m.mine != (m.from == "bob") && m.state >= State::Delivered)
    );
    assert_eq!(
        all.iter()
            .filter(|m| m.mine && m.state == State::Read)
            .count(),
        133
    );
}

#[test]
fn a_counted_link_asks_first() {
    let mut pair = Pair::new();
    meet(&mut pair, 3);
    let requests = query::requests(&pair.b.store).unwrap();
    assert_eq!(requests.len(), 1);
    assert_eq!(
        (requests[0].name.as_str(), requests[0].note.as_str()),
        ("alice", "hello it is me")
    );
    assert_eq!(requests[0].safety_number.len(), 71);
    let name = query::contacts(&pair.a.store).unwrap()[0].name.clone();
    assert_eq!(state(&pair.a, &name), ContactState::Pending);
    let early = Command::Send {
        to: name,
        text: "are you there?".into(),
        reply_to: None,
    };
    pair.ask(true, early).unwrap();
    assert!(query::contacts(&pair.b.store).unwrap().is_empty());
    pair.ask(
        false,
        Command::Accept {
            name: "alice".into(),
        },
    )
    .unwrap();
    assert_eq!(state(&pair.a, "bob"), ContactState::Connected);
    assert_eq!(texts(&pair.b, "alice"), ["are you there?"]);
    let story = query::messages(&pair.a.store, "bob", &Page::default())
        .unwrap()
        .unwrap();
    assert_eq!(story[0].state, State::Delivered);
    let why = query::why(&pair.a.store, &story[0].id, pair.a.now)
        .unwrap()
        .unwrap();
    assert!(why.steps.len() >= 3, "{why:?}");
}

#[test]
fn what_happened_in_one_moment_is_told_in_its_natural_order() {
    let mut pair = Pair::new();
    pair.meet(1);
    pair.part();
    pair.say(true, "are you back?");
    let sent = query::messages(&pair.a.store, "bob", &Page::default());
    let id = sent.unwrap().unwrap()[0].id;
    // The next dial succeeds in the moment in which it is made, and brings the message over.
    pair.pass(60_000);
    let why = query::why(&pair.a.store, &id, pair.a.now).unwrap().unwrap();
    let words: Vec<What> = why.steps.iter().map(|step| step.what).collect();
    let story = [What::Dialed, What::Sealed, What::Sent, What::Delivered];
    assert!(words.ends_with(&story), "{why:?}");
    let last = &why.steps[why.steps.len() - story.len()..];
    assert!(last.iter().all(|step| step.at == pair.a.now), "{why:?}");
}
