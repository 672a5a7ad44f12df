//! A link for several people: they ask, and the owner decides.

use super::{messages, person, say, state, until_delivered};
use waxwing_tests::process::{Person, until};

/// Somebody new takes up the link, with a note; gives how they call the owner.
fn ask(name: &str, link: &str) -> Person {
    let mut asker = person(name);
    asker.up();
    let note = format!("{name} from the choir");
    let added = asker
        .run(&["add", link, "--name", "alice", "--note", &note])
        .ok();
    assert_eq!(added["state"], "pending");
    asker
}

fn names(owner: &Person) -> Vec<String> {
    let lines = owner.run(&["requests"]).lines();
    lines
        .iter()
        .map(|line| line["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn who_comes_by_a_counted_link_waits_for_the_owners_word() {
    let mut alice = person("alice");
    alice.up();
    let invite = alice.run(&["invite", "--uses", "3"]).ok();
    assert_eq!(invite["uses"], 3);
    let link = invite["link"].as_str().unwrap();
    let (bob, carol, dave) = (ask("bob", link), ask("carol", link), ask("dave", link));
    until("all three wait", || names(&alice).len() == 3);

    let requests = alice.run(&["requests"]).lines();
    let of_bob = requests.iter().find(|r| r["name"] == "bob").unwrap();
    assert_eq!(of_bob["note"], "bob from the choir");
    assert_eq!(of_bob["account"], bob.ready()["account"]);
    let number = of_bob["safety_number"].as_str().unwrap();
    let groups: Vec<&str> = number.split(' ').collect();
    assert_eq!(groups.len(), 12);
    let is_group =
        |group: &&str| group.len() == 5 && group.bytes().all(|byte| byte.is_ascii_digit());
    assert!(groups.iter().all(is_group), "{number}");

    assert_eq!(alice.run(&["accept", "bob"]).ok()["state"], "connected");
    until("bob knows", || {
        bob.run(&["contacts"]).ok()["state"] == "connected"
    });
    let id = say(&bob, "alice", "thanks for taking me up");
    until_delivered(&bob, &id);

    assert_eq!(alice.run(&["decline", "carol"]).ok()["state"], "declined");
    assert_eq!(alice.run(&["block", "dave"]).ok()["state"], "blocked");
    assert_eq!(names(&alice), Vec::<String>::new());
    // Nobody is told: to them it looks as if alice had not decided.
    let from_carol = say(&carol, "alice", "did you see my request?");
    let from_dave = say(&dave, "alice", "let me in");

    // What comes after a block comes to nothing, and so does what came while both were connected.
    assert_eq!(alice.run(&["block", "bob"]).ok()["state"], "blocked");
    let from_bob = say(&bob, "alice", "are you still there?");
    // A message of somebody else overtakes none of those: by then they would have arrived.
    let mut erin = ask(
        "erin",
        alice.run(&["invite", "--uses", "2"]).ok()["link"]
            .as_str()
            .unwrap(),
    );
    until("erin waits", || names(&alice) == ["erin"]);
    alice.run(&["accept", "erin"]).ok();
    let id = say(&erin, "alice", "hello from erin");
    until_delivered(&erin, &id);

    assert_eq!(messages(&alice, "bob").len(), 1);
    for (asker, id) in [
        (&bob, &from_bob),
        (&carol, &from_carol),
        (&dave, &from_dave),
    ] {
        let seen = state(asker, id);
        assert!(seen == "queued" || seen == "sent", "{}: {seen}", asker.name);
        let contacts = asker.run(&["contacts"]).ok();
        assert_ne!(contacts["state"], "blocked", "{contacts}");
    }
    assert_eq!(carol.run(&["contacts"]).ok()["state"], "pending");
    assert_eq!(names(&alice), Vec::<String>::new());
    erin.kill();
}
