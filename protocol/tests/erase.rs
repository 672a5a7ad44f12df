//! Erasing: the history with a contact, or the contact, through the engine's door.

mod common;

use common::node::{Node, Pair};
use std::collections::BTreeMap;
use waxwing_protocol::input::{Command, Input};
use waxwing_protocol::output::{Answer, ContactState, Output, State};
use waxwing_protocol::query::{self, Change, Hunt, MessageView, Page};
use waxwing_protocol::store::Table;

const ALICE: bool = true;
const BOB: bool = false;
const DAY_MS: u64 = 24 * 3_600_000;

fn met() -> Pair {
    let mut pair = Pair::new();
    pair.meet(1);
    pair
}

fn messages(node: &Node, with: &str) -> Vec<MessageView> {
    let page = Page {
        limit: 10_000,
        ..Page::default()
    };
    let found = query::messages(&node.store, with, &page).unwrap();
    found.unwrap_or_else(|| panic!("no {with}"))
}

fn texts(node: &Node, with: &str) -> Vec<String> {
    let all = messages(node, with).into_iter();
    all.map(|m| m.text.unwrap_or_default()).collect()
}

fn found(node: &Node, text: &str) -> usize {
    let hunt = Hunt {
        text: text.into(),
        limit: 10_000,
        ..Hunt::default()
    };
    let Ok(mut search) = query::Search::begin(&node.store, &hunt).unwrap() else {
        panic!("the search does not begin")
    };
    while !search.step(&node.store).unwrap() {}
    search.found().len()
}

fn rows(node: &Node) -> BTreeMap<Table, usize> {
    let mut rows = BTreeMap::new();
    for (key, _) in node.store.iter() {
        *rows.entry(key.table()).or_default() += 1;
    }
    rows
}

fn count(node: &Node, table: Table) -> usize {
    rows(node).get(&table).copied().unwrap_or(0)
}

fn clear(pair: &mut Pair, a: bool, name: &str) {
    let name = name.into();
    pair.ask(a, Command::Clear { name }).unwrap();
}

fn remove(pair: &mut Pair, a: bool, name: &str) {
    let name = name.into();
    pair.ask(a, Command::Remove { name }).unwrap();
}

/// Two who talked, before alice removed bob.
fn removed() -> Pair {
    let mut pair = met();
    pair.say(BOB, "before");
    remove(&mut pair, ALICE, "bob");
    work(&mut pair.a);
    pair
}

/// Lets a node do what is due until nothing is.
fn work(node: &mut Node) {
    for _ in 0..1_000 {
        let before = node.rows();
        node.step(Input::Wake);
        if node.rows() == before {
            return;
        }
    }
    panic!("there is always more to do");
}

#[test]
fn what_was_said_is_erased_here_and_nowhere_else() {
    let mut pair = met();
    for n in 0..3 {
        pair.say(ALICE, &format!("from alice {n}"));
        pair.say(BOB, &format!("from bob {n}"));
    }
    assert_eq!(
        query::contact(&pair.a.store, "bob")
            .unwrap()
            .unwrap()
            .unread,
        3
    );
    clear(&mut pair, ALICE, "bob");
    assert!(texts(&pair.a, "bob").is_empty());
    assert_eq!(found(&pair.a, "from"), 0);
    assert_eq!(
        (
            count(&pair.a, Table::Message),
            count(&pair.a, Table::Unread)
        ),
        (0, 0)
    );
    let view = query::contact(&pair.a.store, "bob").unwrap().unwrap();
    assert_eq!(
        (view.unread, view.state, view.clearing),
        (0, ContactState::Connected, false)
    );
    assert_eq!(texts(&pair.b, "alice").len(), 6);
    pair.say(BOB, "and on");
    pair.say(ALICE, "it goes");
    assert_eq!(texts(&pair.a, "bob"), ["and on", "it goes"]);
    assert_eq!(texts(&pair.b, "alice")[6..], ["and on", "it goes"]);
    let notices = query::notices(&pair.a.store, "bob").unwrap().unwrap();
    assert_eq!(notices.len(), 1);
    assert_eq!(notices[0].code, "cleared");
    assert!(notices[0].clock < messages(&pair.a, "bob")[0].clock);
}

#[test]
fn what_still_waits_is_kept_and_delivered() {
    let mut pair = met();
    pair.say(ALICE, "delivered");
    pair.say(ALICE, "will be edited");
    let edited = messages(&pair.a, "bob")[1].id;
    pair.part();
    pair.say(ALICE, "waits");
    let text = "was edited".into();
    pair.ask(ALICE, Command::Edit { of: edited, text }).unwrap();
    clear(&mut pair, ALICE, "bob");
    assert_eq!(texts(&pair.a, "bob"), ["was edited", "waits"]);
    pair.join();
    pair.settle();
    assert_eq!(
        texts(&pair.b, "alice"),
        ["delivered", "was edited", "waits"]
    );
    let states: Vec<State> = messages(&pair.a, "bob").iter().map(|m| m.state).collect();
    assert_eq!(states, [State::Delivered, State::Delivered]);
    clear(&mut pair, ALICE, "bob");
    assert!(texts(&pair.a, "bob").is_empty());
}

/// A history of so many messages on alice's side, half of them bob's, some packed for search.
fn long(pair: &mut Pair, many: usize) {
    for n in 0..many {
        pair.say(n % 2 == 0, &format!("old {n}"));
    }
    for _ in 0..8 {
        pair.pass(3_000);
        work(&mut pair.a);
    }
    assert!(count(&pair.a, Table::Segment) > 0, "something is packed");
}

/// One input to alice's node and nothing else; the answer of a command.
fn once(pair: &mut Pair, input: Input) {
    let out = pair.a.step_once(input);
    pair.perform(ALICE, out);
}

fn command(command: Command) -> Input {
    let (reply_to, key) = (1, None);
    Input::Command {
        reply_to,
        key,
        command,
    }
}

#[test]
fn a_long_history_goes_in_steps_and_what_comes_meanwhile_stays() {
    let mut pair = met();
    long(&mut pair, 700);
    // Bob writes while he is away, before alice's newest: it will sort among the old ones.
    pair.part();
    for n in 0..3 {
        pair.say(BOB, &format!("new while away {n}"));
        pair.a.now += 10;
    }
    pair.say(ALICE, "old and waiting");
    pair.join();
    // Both are connected, and bob's letters are on their way.
    let name = "bob".to_owned();
    once(&mut pair, command(Command::Clear { name: name.clone() }));
    let clearing = |pair: &Pair| {
        let view = query::contact(&pair.a.store, "bob").unwrap().unwrap();
        view.clearing
    };
    let mut steps = 1;
    while clearing(&pair) {
        let from = pair.b.peer();
        while let Some((true, bytes)) = pair.wires.pop_front() {
            once(&mut pair, Input::Frame { from, bytes });
        }
        let (to, text) = (name.clone(), format!("new from alice {steps}"));
        let reply_to = None;
        let send = Command::Send { to, text, reply_to };
        once(&mut pair, command(send));
        let before = count(&pair.a, Table::Message);
        once(&mut pair, Input::Wake);
        let after = count(&pair.a, Table::Message);
        assert!(before - after <= 256, "bounded: {before} {after}");
        steps += 1;
        assert!(steps < 100);
    }
    assert_eq!(steps, 3);
    work(&mut pair.a);
    pair.part();
    pair.join();
    pair.settle();
    let left = texts(&pair.a, "bob");
    let has = |with: &str| left.iter().filter(|text| text.starts_with(with)).count();
    assert_eq!(has("old"), 1, "{left:?}");
    assert_eq!(has("old and waiting"), 1);
    assert_eq!(has("new while away"), 3);
    assert_eq!(has("new from alice"), steps - 1);
    assert_eq!(found(&pair.a, "old"), 1);
    assert_eq!(found(&pair.a, "new"), steps + 2);
    let view = query::contact(&pair.a.store, "bob").unwrap().unwrap();
    assert_eq!(view.unread, 3);
    assert_eq!(texts(&pair.b, "alice").len(), 700 + 3 + 1 + steps - 1);
    // What came is packed as if nothing had been there.
    for n in 0..40 {
        pair.say(BOB, &format!("new and more {n}"));
    }
    for _ in 0..8 {
        pair.pass(3_000);
        work(&mut pair.a);
    }
    assert_eq!(
        (found(&pair.a, "old"), found(&pair.a, "new")),
        (1, steps + 42)
    );
}

#[test]
fn nothing_brings_an_erased_message_back() {
    let mut pair = met();
    pair.say(BOB, "once");
    pair.say(ALICE, "yes");
    // Bob's message comes, and alice's receipt is lost.
    let to = "alice".into();
    let (text, reply_to) = ("lost receipt".into(), None);
    let (_, out) = pair.b.ask_all(Command::Send { to, text, reply_to });
    let from = pair.b.peer();
    for bytes in common::node::sent(&out) {
        pair.a.hear(from, bytes);
    }
    assert_eq!(texts(&pair.a, "bob").len(), 3);
    let copy = pair.b.store.clone();
    for n in 0..3 {
        pair.say(ALICE, &format!("more {n}"));
        pair.say(BOB, &format!("and more {n}"));
    }
    clear(&mut pair, ALICE, "bob");
    assert!(texts(&pair.a, "bob").is_empty());
    // An old disk of bob's sends what it holds for undelivered on a session that is made anew.
    pair.b.store = copy;
    let sessions = count(&pair.a, Table::Session);
    pair.say(BOB, "from the old disk");
    for _ in 0..12 {
        pair.pass(61_000);
    }
    assert!(
        count(&pair.a, Table::Session) > sessions,
        "there was a repair"
    );
    let his = messages(&pair.b, "alice").into_iter();
    assert!(his.filter(|m| m.mine).all(|m| m.state >= State::Delivered));
    assert_eq!(texts(&pair.a, "bob"), ["from the old disk"]);
    // What is remembered of it goes when nothing can bring it back.
    assert_eq!(count(&pair.a, Table::Cleared), 9);
    pair.pass(64 * DAY_MS);
    assert_eq!(count(&pair.a, Table::Cleared), 9);
    for _ in 0..3 {
        pair.pass(DAY_MS);
        work(&mut pair.a);
    }
    assert_eq!(
        (count(&pair.a, Table::Cleared), count(&pair.a, Table::ByMid)),
        (0, 1)
    );
}

#[test]
fn a_removed_contact_leaves_nothing_behind() {
    let mut pair = Pair::new();
    work(&mut pair.a);
    let clean = rows(&pair.a);
    pair.meet(1);
    long(&mut pair, 600);
    // Some have disappeared, some will.
    let (name, secs) = ("bob".to_owned(), 60);
    pair.ask(ALICE, Command::Disappear { name, secs }).unwrap();
    pair.say(ALICE, "gone soon");
    pair.pass(100_000);
    assert_eq!(count(&pair.a, Table::Gone), 1);
    pair.say(ALICE, "gone later");
    let (name, text) = ("bob".to_owned(), Some("unsaid".to_owned()));
    pair.ask(ALICE, Command::Draft { name, text }).unwrap();
    pair.part();
    for n in 0..300 {
        pair.say(ALICE, &format!("waits {n}"));
    }
    let from = query::status(&pair.a.store).unwrap().cursor;
    let account = query::contact(&pair.a.store, "bob")
        .unwrap()
        .unwrap()
        .account;
    let before = count(&pair.a, Table::Message);
    let name = "bob".into();
    once(&mut pair, command(Command::Remove { name }));
    assert!(before - count(&pair.a, Table::Message) <= 256, "bounded");
    // It is gone for everybody who looks, at once.
    assert_eq!(query::contact(&pair.a.store, "bob").unwrap(), None);
    assert!(query::contacts(&pair.a.store).unwrap().is_empty());
    assert_eq!(
        query::messages(&pair.a.store, "bob", &Page::default()).unwrap(),
        None
    );
    assert_eq!(found(&pair.a, "old"), 0);
    let figures = query::status(&pair.a.store).unwrap();
    assert_eq!(
        (figures.contacts, figures.outbox, figures.connected),
        (0, 0, 0)
    );
    work(&mut pair.a);
    let query::Changes::Rows(changes) = query::changes(&pair.a.store, from, 1_000).unwrap() else {
        panic!("the log is there")
    };
    assert!(matches!(&changes[..], [only] if matches!(&only.change,
        Change::Removed { name, account: gone, .. } if name == "bob" && *gone == account)));
    // The whole log can still be read.
    query::changes(&pair.a.store, 0, 100_000).unwrap();
    let mut left = rows(&pair.a);
    for table in [
        // The log and the counters go on; the prekeys are those of a first contact.
        Table::Meta,
        Table::Change,
        Table::Agenda,
        Table::InitSeen,
        Table::Online,
    ] {
        left.remove(&table);
    }
    let mut clean = clean;
    for table in [
        Table::Meta,
        Table::Change,
        Table::Agenda,
        Table::InitSeen,
        Table::Online,
    ] {
        clean.remove(&table);
    }
    assert_eq!(left, clean);
    // Nobody is dialed, now or later, and nothing fails.
    for days in [0, 1, 40, 70] {
        pair.a.now += days * DAY_MS;
        let out = pair.a.step(Input::Wake);
        assert!(!out.iter().any(|o| matches!(o, Output::Dial { .. })));
        work(&mut pair.a);
    }
    let listen = vec!["/ip4/127.0.0.1/udp/9/quic-v1".into()];
    let out = pair.a.step(Input::Start { listen });
    assert!(!out.iter().any(|o| matches!(o, Output::Dial { .. })));
}

#[test]
fn a_removed_contact_is_a_stranger() {
    let mut pair = removed();
    let before = query::status(&pair.a.store).unwrap();
    pair.say(BOB, "after");
    pair.pass(70_000);
    pair.pass(DAY_MS);
    let after = query::status(&pair.a.store).unwrap();
    assert_eq!((after.contacts, after.requests), (0, 0));
    assert_eq!(before.cursor, after.cursor);
    // Bob's node says what is true: sent, and not received.
    let last = messages(&pair.b, "alice").pop().unwrap();
    assert_eq!(last.state, State::Sent);
    pair.pass(31 * DAY_MS);
    let last = messages(&pair.b, "alice").pop().unwrap();
    assert_eq!(last.state, State::Expired);
}

fn add(pair: &mut Pair, a: bool, link: String) -> Answer {
    let (name, note) = (None, None);
    pair.ask(a, Command::Add { link, name, note }).unwrap()
}

fn talk_again(pair: &mut Pair) {
    for _ in 0..3 {
        pair.pass(70_000);
    }
    for (a, name) in [(ALICE, "bob"), (BOB, "alice")] {
        let view = query::contact(&pair.node(a).store, name).unwrap().unwrap();
        assert_eq!(view.state, ContactState::Connected);
    }
    pair.say(ALICE, "again from alice");
    pair.say(BOB, "again from bob");
    let hers = texts(&pair.a, "bob");
    assert_eq!(
        hers[hers.len() - 2..],
        ["again from alice", "again from bob"]
    );
    let his = texts(&pair.b, "alice");
    assert_eq!(his[his.len() - 2..], ["again from alice", "again from bob"]);
    let states = messages(&pair.b, "alice").into_iter();
    assert!(
        states
            .filter(|m| m.mine)
            .all(|m| m.state >= State::Delivered)
    );
}

#[test]
fn who_was_removed_comes_back_by_a_new_link() {
    let mut pair = removed();
    pair.say(BOB, "meanwhile");
    let link = pair.a.link(1, None);
    // Bob cannot know that she removed him: to him she is connected all the while.
    let answer = add(&mut pair, BOB, link.clone());
    assert!(matches!(
        answer,
        Answer::Contact {
            state: ContactState::Connected,
            ..
        }
    ));
    talk_again(&mut pair);
    // What he wrote meanwhile waited, and what she removed is gone.
    assert_eq!(
        texts(&pair.a, "bob"),
        ["meanwhile", "again from alice", "again from bob"]
    );
    // The same link once more does nothing.
    let sessions = count(&pair.b, Table::Session);
    add(&mut pair, BOB, link);
    pair.pass(70_000);
    assert_eq!(count(&pair.b, Table::Session), sessions);
    let view = query::contact(&pair.b.store, "alice").unwrap().unwrap();
    assert_eq!(view.state, ContactState::Connected);
}

#[test]
fn who_removed_somebody_comes_back_by_a_new_link_of_theirs() {
    let mut pair = removed();
    pair.say(BOB, "meanwhile");
    let link = pair.b.link(1, None);
    add(&mut pair, ALICE, link);
    talk_again(&mut pair);
    assert_eq!(
        texts(&pair.a, "bob"),
        ["meanwhile", "again from alice", "again from bob"]
    );
}

#[test]
fn a_link_of_somebody_who_is_away_leaves_the_contact_as_it_is() {
    let mut pair = met();
    pair.say(BOB, "before");
    let link = pair.a.link(1, None);
    pair.part();
    add(&mut pair, BOB, link);
    let view = query::contact(&pair.b.store, "alice").unwrap().unwrap();
    assert_eq!(view.state, ContactState::Connected);
    pair.say(BOB, "still on the old session");
    pair.join();
    pair.settle();
    talk_again(&mut pair);
    assert_eq!(texts(&pair.a, "bob").len(), 4);
}

#[test]
fn room_for_contacts_comes_back() {
    let mut pair = met();
    remove(&mut pair, ALICE, "bob");
    let removed = query::contact(&pair.a.store, "bob").unwrap();
    assert_eq!(removed, None);
    let refusal = pair.ask(ALICE, Command::Remove { name: "bob".into() });
    assert_eq!(refusal.unwrap_err().code, "no_such_contact");
}

#[test]
fn the_answer_to_what_was_asked_before_a_removal_is_no_nonsense() {
    let mut pair = met();
    let link = pair.b.link(1, None);
    let (name, note) = (None, None);
    once(&mut pair, command(Command::Add { link, name, note }));
    // Bob is asked for the link's objects, and removed before they come.
    once(&mut pair, command(Command::Remove { name: "bob".into() }));
    let (hers, his) = (pair.a.peer(), pair.b.peer());
    let (mut points, mut answers) = (0, 0);
    while let Some((to_alice, bytes)) = pair.wires.pop_front() {
        assert!(!to_alice);
        for answer in common::node::sent(&pair.b.hear(hers, bytes)) {
            answers += 1;
            points += common::node::penalty(&pair.a.hear(his, answer));
        }
    }
    assert!(answers > 0, "nothing was asked");
    assert_eq!(points, 2 * answers);
    assert_eq!(query::contact(&pair.a.store, "bob").unwrap(), None);
}
