//! What disappearing messages say before they are shown: under the key of the disk that changes every
//! day, and nowhere once their time is up.

use crate::common::node::START_MS;
use crate::scene::Scene;
use waxwing_protocol::feed::body::{Body, Edit, Text};
use waxwing_protocol::id::Mid;
use waxwing_protocol::input::{Command, Input};
use waxwing_protocol::store::Table;

const TIMER_S: u64 = 60;

fn scene(uses: u8) -> Scene {
    let mut scene = Scene::new(uses);
    scene.timer = Some(TIMER_S);
    scene
}

/// Tables whose rows, as the engine hands them to the store, hold these words.
fn holding(scene: &Scene, words: &str) -> Vec<Table> {
    let rows = scene.bob.store.iter();
    let holds = |value: &[u8]| {
        value
            .windows(words.len())
            .any(|part| part == words.as_bytes())
    };
    let tables = rows.filter(|(_, value)| holds(value));
    let mut tables: Vec<Table> = tables.map(|(key, _)| key.table()).collect();
    tables.dedup();
    assert!(tables.iter().all(|table| table.rotates()), "{tables:?}");
    tables
}

fn ask(scene: &mut Scene, command: Command) {
    scene.bob.ask(command).unwrap();
}

/// Bob reads what there is, and its time goes by.
fn outlive(scene: &mut Scene) {
    let (name, upto) = ("carol".into(), None);
    ask(scene, Command::MarkRead { name, upto });
    scene.bob.now += TIMER_S * 1_000 + 1;
    scene.bob.step(Input::Wake);
    assert!(scene.texts().is_empty());
}

#[test]
fn a_letter_that_waits_for_the_users_word_fades() {
    let mut scene = scene(5);
    let ours = scene.conversation();
    for text in ["gone soon", "and this"] {
        scene.text(text, ours, START_MS);
        assert_eq!(holding(&scene, text), [Table::Held]);
    }
    let name = "carol".into();
    ask(&mut scene, Command::Accept { name });
    assert_eq!(scene.texts().len(), 2);
    for text in ["gone soon", "and this"] {
        assert_eq!(holding(&scene, text), [Table::Fading]);
    }
    outlive(&mut scene);
    for text in ["gone soon", "and this"] {
        assert!(holding(&scene, text).is_empty());
    }
}

#[test]
fn a_letter_that_is_not_wanted_is_gone_at_once() {
    let name = || "carol".to_owned();
    for refusal in [
        Command::Decline { name: name() },
        Command::Block { name: name() },
        Command::Remove { name: name() },
    ] {
        let mut scene = scene(5);
        let ours = scene.conversation();
        scene.text("never read", ours, START_MS);
        assert_eq!(holding(&scene, "never read"), [Table::Held]);
        ask(&mut scene, refusal);
        let left = scene.bob.store.iter();
        let left = left.filter(|(key, _)| key.table() == Table::Held);
        assert_eq!((left.count(), holding(&scene, "never read")), (0, vec![]));
    }
}

#[test]
fn an_edit_that_comes_before_its_message_fades() {
    let mut scene = scene(1);
    let ours = scene.conversation();
    let to = Mid::random(&mut scene.dice);
    let text = "said better".into();
    let edit = Body::Edit(Edit { to, text });
    scene.say(&edit, Some(ours), Some(START_MS + 1));
    assert_eq!(holding(&scene, "said better"), [Table::Waiting]);
    let (text, reply_to) = ("said first".into(), None);
    let first = Body::Text(Text { text, reply_to });
    scene.say_as(to, &first, Some(ours), Some(START_MS));
    assert_eq!(scene.texts(), ["said better"]);
    assert_eq!(holding(&scene, "said better"), [Table::Fading]);
    outlive(&mut scene);
    for text in ["said first", "said better"] {
        assert!(holding(&scene, text).is_empty());
    }
}
