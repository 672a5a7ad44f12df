//! A contact as its owner keeps it, through the engine's door.

mod common;

use common::node::Pair;
use waxwing_protocol::input::{Command, Mute};
use waxwing_protocol::output::{Answer, Refusal, RefusalKind};
use waxwing_protocol::query::{self, Change, ContactView};

const HOUR_MS: u64 = 3_600_000;
const ALICE: bool = true;
const BOB: bool = false;

fn met() -> Pair {
    let mut pair = Pair::new();
    pair.meet(1);
    pair
}

fn name(pair: &mut Pair, a: bool, of: &str, new: &str) -> Result<Answer, Refusal> {
    let name = of.into();
    pair.ask(
        a,
        Command::NameContact {
            name,
            new: new.into(),
        },
    )
}

fn mute(pair: &mut Pair, mute: Mute) -> Result<Answer, Refusal> {
    let name = "alice".into();
    pair.ask(BOB, Command::Mute { name, mute })
}

fn view(pair: &mut Pair, a: bool, name: &str) -> ContactView {
    let found = query::contact(&pair.node(a).store, name).unwrap();
    found.unwrap_or_else(|| panic!("no {name}"))
}

fn told(pair: &mut Pair, a: bool, name: &str) -> Vec<(String, String)> {
    let views = query::notices(&pair.node(a).store, name).unwrap().unwrap();
    views.into_iter().map(|n| (n.code, n.text)).collect()
}

#[test]
fn a_chosen_name_stays_whatever_they_call_themselves() {
    let mut pair = met();
    name(&mut pair, ALICE, "bob", " my  bob ").unwrap();
    assert_eq!(view(&mut pair, ALICE, "MY BOB").name, "my bob");
    let own = Command::Rename {
        name: "robert".into(),
    };
    pair.ask(BOB, own).unwrap();
    assert_eq!(view(&mut pair, ALICE, "my bob").name, "my bob");
    assert_eq!(query::contact(&pair.a.store, "bob").unwrap(), None);
    assert!(told(&mut pair, ALICE, "my bob").is_empty());
    // By its new name it is written to.
    let send = Command::Send {
        to: "my bob".into(),
        text: "hello".into(),
        reply_to: None,
    };
    pair.ask(ALICE, send).unwrap();
}

#[test]
fn a_name_that_is_taken_or_unfit_is_refused() {
    let mut pair = met();
    let link = common::node::Node::new(9, "carol").link(1, None);
    let add = Command::Add {
        link,
        name: Some("carol".into()),
        note: None,
    };
    pair.ask(ALICE, add).unwrap();
    for taken in ["carol", " CAROL "] {
        let refusal = name(&mut pair, ALICE, "bob", taken).unwrap_err();
        assert_eq!(refusal.kind, RefusalKind::Conflict);
        assert_eq!(refusal.code, "name_taken");
        assert!(refusal.hint.is_some());
    }
    assert_eq!(
        name(&mut pair, ALICE, "bob", "a\u{1b}").unwrap_err().code,
        "bad_name"
    );
    assert_eq!(
        name(&mut pair, ALICE, "dave", "erin").unwrap_err().code,
        "no_such_contact"
    );
    // Its own name in other letters is no clash.
    name(&mut pair, ALICE, "bob", "BOB").unwrap();
    assert_eq!(view(&mut pair, ALICE, "bob").name, "BOB");
}

#[test]
fn what_they_call_themselves_from_now_on_is_told() {
    let mut pair = met();
    assert!(
        told(&mut pair, ALICE, "bob").is_empty(),
        "a first name is no news"
    );
    let own = Command::Rename {
        name: "robert".into(),
    };
    pair.ask(BOB, own).unwrap();
    let (code, text) = told(&mut pair, ALICE, "robert").remove(0);
    assert_eq!(
        (code.as_str(), text.as_str()),
        ("renamed", "bob is called robert from now on")
    );
}

#[test]
fn a_muted_contact_is_counted_and_says_so_in_every_event() {
    let mut pair = met();
    pair.say(ALICE, "loud");
    mute(&mut pair, Mute::Always).unwrap();
    let from = query::status(&pair.b.store).unwrap().cursor;
    pair.say(ALICE, "quiet");
    let muted = view(&mut pair, BOB, "alice");
    assert_eq!(
        (muted.muted, muted.muted_until, muted.unread),
        (true, None, 2)
    );
    let query::Changes::Rows(rows) = query::changes(&pair.b.store, from, 100).unwrap() else {
        panic!("the log is there")
    };
    let quiet = rows.iter().find_map(|row| match &row.change {
        Change::Message(message) => Some(message),
        _ => None,
    });
    assert!(quiet.unwrap().muted);
    mute(&mut pair, Mute::Off).unwrap();
    assert!(!view(&mut pair, BOB, "alice").muted);
    let codes: Vec<_> = told(&mut pair, BOB, "alice");
    let texts: Vec<&str> = codes.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "you muted them until you say otherwise",
            "you hear them again"
        ]
    );
    // It is nobody else's business.
    assert!(told(&mut pair, ALICE, "bob").is_empty());
}

#[test]
fn muting_ends_by_itself_when_its_time_is_over() {
    let mut pair = met();
    mute(&mut pair, Mute::For(3_600)).unwrap();
    let start = pair.b.now;
    let until = view(&mut pair, BOB, "alice").muted_until;
    assert_eq!(until, Some(start + HOUR_MS));
    // Said again, the later word counts, and the end of the earlier one means nothing.
    mute(&mut pair, Mute::For(2 * 3_600)).unwrap();
    pair.pass(HOUR_MS + 1);
    assert!(view(&mut pair, BOB, "alice").muted);
    let from = query::status(&pair.b.store).unwrap().cursor;
    pair.pass(HOUR_MS);
    let after = view(&mut pair, BOB, "alice");
    assert_eq!((after.muted, after.muted_until), (false, None));
    let query::Changes::Rows(rows) = query::changes(&pair.b.store, from, 100).unwrap() else {
        panic!("the log is there")
    };
    let told = rows
        .iter()
        .any(|row| matches!(&row.change, Change::Contact(c) if !c.muted));
    assert!(told, "clients are told");
    // For good means for good.
    mute(&mut pair, Mute::For(3_600)).unwrap();
    mute(&mut pair, Mute::Always).unwrap();
    pair.pass(2 * HOUR_MS);
    assert!(view(&mut pair, BOB, "alice").muted);
    for odd in [0, 59, 366 * 24 * 3_600 + 1] {
        assert_eq!(
            mute(&mut pair, Mute::For(odd)).unwrap_err().code,
            "bad_span"
        );
    }
}

#[test]
fn a_block_and_its_end_stand_in_the_conversation() {
    let mut pair = met();
    let name = || "alice".to_owned();
    pair.ask(BOB, Command::Block { name: name() }).unwrap();
    pair.ask(BOB, Command::Block { name: name() }).unwrap();
    pair.ask(BOB, Command::Accept { name: name() }).unwrap();
    let codes: Vec<_> = told(&mut pair, BOB, "alice");
    let codes: Vec<&str> = codes.iter().map(|(code, _)| code.as_str()).collect();
    assert_eq!(codes, ["blocked", "unblocked"]);
}
