//! A busy life, then a search of everything that the nodes wrote: homes and logs.

use super::{person, say, until_delivered};
use serde_json::json;
use std::fs;
use waxwing_protocol::discovery::invite::{self, Invite};
use waxwing_protocol::id::peer_from_text;
use waxwing_protocol::identity::account::parse_address;
use waxwing_protocol::identity::words::Entropy;
use waxwing_tests::process::{Person, until};
use waxwing_tests::secrets::{Needles, files};

const ALICE: &str = "Alice Quillfeather-Planted";
const BOB: &str = "Bob Marrowbone-Planted";
const CAROL: &str = "Carol Thistledown-Planted";
const PETNAME: &str = "my neighbour Marrowbone";
const NOTE: &str = "we met at the planted lighthouse";
const PASSPHRASE: &str = "a planted passphrase of many words";
const KEY: &str = "planted-idempotency-key-0001";
const TEXTS: [&str; 4] = [
    "the planted treasure is under the oak",
    "planted: bring a spade and a lantern",
    "and a planted reply, long enough to be seen",
    "one more planted text that waits for bob",
];

/// The address of a person as somebody else calls them, percent-encoded where needed.
fn path(name: &str, rest: &str) -> String {
    format!("/v1/contacts/{}{rest}", name.replace(' ', "%20"))
}

fn plant(needles: &mut Needles, person: &Person) {
    let name = &person.name;
    needles.text(&format!("the name {name}"), name);
    let address = person.ready()["account"].as_str().unwrap();
    needles.text(&format!("the address of {name}"), address);
    needles.bytes(
        &format!("the short address of {name}"),
        &address.as_bytes()[..16],
    );
    let (account, key) = parse_address(address).unwrap();
    needles.key(&format!("the account of {name}"), &account.0);
    needles.key(&format!("the address key of {name}"), &key.0);
    let peer = person.ready()["peer"].as_str().unwrap();
    needles.text(&format!("the PeerId of {name}"), peer);
    let peer = peer_from_text(peer).unwrap();
    needles.key(&format!("the network key of {name}"), &peer.0);
    let device = person.run(&["id"]).ok()["device"]
        .as_str()
        .unwrap()
        .to_owned();
    needles.text(&format!("the device of {name}"), &device);
    let words = person.run(&["words"]).ok()["words"]
        .as_str()
        .unwrap()
        .to_owned();
    let list: Vec<&str> = words.split(' ').collect();
    for four in list.chunks(4) {
        needles.text(&format!("recovery words of {name}"), &four.join(" "));
    }
    let entropy = Entropy::from_words(&words).unwrap();
    needles.key(
        &format!("the backup key of {name}"),
        entropy.backup().expose(),
    );
    for addr in person.ready()["listen"].as_array().unwrap() {
        needles.text(&format!("an address of {name}"), addr.as_str().unwrap());
    }
    let token = fs::read_to_string(person.home().join("api-token")).unwrap();
    needles.text(&format!("the API token of {name}"), token.trim());
}

fn plant_link(needles: &mut Needles, link: &str) {
    let text = link.strip_prefix("waxwing:").unwrap();
    needles.bytes("an invite link", text.as_bytes());
    needles.bytes(
        "the end of an invite link",
        &text.as_bytes()[text.len() - 40..],
    );
    let invite = Invite::from_link(link).unwrap();
    needles.key("the seed of an invite", invite.seed.expose());
    needles.key("the id of an invite", &invite::id(&invite.seed).0);
    needles.key(
        "the shared key of an invite",
        invite::psk(&invite.seed).expose(),
    );
}

fn link(person: &Person, args: &[&str]) -> String {
    let invite = person.run(&[&["invite"], args].concat()).ok();
    invite["link"].as_str().unwrap().to_owned()
}

/// Everything that a person does, and what must not be found afterwards.
fn live(alice: &mut Person, bob: &mut Person, carol: &mut Person) -> Needles {
    let mut needles = Needles::default();
    for person in [&mut *alice, &mut *bob, &mut *carol] {
        person.up();
    }
    let one = link(bob, &[]);
    plant_link(&mut needles, &one);
    let args = [
        "add", &one, "--name", PETNAME, "--note", NOTE, "--wait", "30s",
    ];
    assert_eq!(alice.run(&args).ok()["state"], "connected");
    let many = link(bob, &["--uses", "2"]);
    plant_link(&mut needles, &many);
    carol
        .run(&["add", &many, "--note", NOTE, "--name", BOB])
        .ok();
    until("carol waits", || bob.run(&["requests"]).lines().len() == 1);
    bob.run(&["decline", CAROL]).ok();

    let wish = json!({ "text": TEXTS[0] });
    let to_bob = path(PETNAME, "/messages");
    let sent = alice.ask("POST", &to_bob, KEY, &wish).unwrap();
    assert_eq!(sent.status, 201);
    let id = sent.body["id"].as_str().unwrap();
    until_delivered(alice, id);
    let to_alice = path(ALICE, "/messages");
    let sent = bob
        .ask("POST", &to_alice, "", &json!({ "text": TEXTS[1] }))
        .unwrap();
    until_delivered(bob, sent.body["id"].as_str().unwrap());
    let reply = bob
        .run(&["reply", id, TEXTS[2], "--wait", "delivered"])
        .ok();
    alice
        .run(&["react", reply["id"].as_str().unwrap(), "🎉"])
        .ok();
    alice.run(&["read", PETNAME]).ok_lines();
    bob.run(&["read", ALICE]).ok_lines();
    for args in [&["why", id][..], &["contacts"], &["status"]] {
        alice.run(args).ok();
    }
    for person in [&*alice, &*bob, &*carol] {
        plant(&mut needles, person);
    }

    bob.kill();
    let waits = say(alice, &PETNAME.replace(' ', "%20"), TEXTS[3]);
    assert_eq!(alice.stop().code(), Some(0));
    alice.up();
    until("bob is dialed in vain", || {
        let why = alice.run(&["why", &waits]).ok();
        why["steps"]
            .as_array()
            .unwrap()
            .iter()
            .any(|step| step["what"] == "failed")
    });
    bob.up();
    until_delivered(alice, &waits);
    alice.run(&["words", "--written-down"]).ok();

    for (what, text) in [
        ("a petname", PETNAME),
        ("a note", NOTE),
        ("the passphrase", PASSPHRASE),
        ("an idempotency key", KEY),
    ] {
        needles.text(what, text);
    }
    for text in TEXTS {
        needles.text("a text", text);
    }
    needles
}

#[test]
fn nothing_personal_stands_in_any_file_or_log() {
    let (mut alice, mut bob, mut carol) = (person(ALICE), person(BOB), person(CAROL));
    let file = bob.dir().join("passphrase");
    fs::write(&file, PASSPHRASE).unwrap();
    bob.up_args = vec!["--passphrase-file".into(), file.to_str().unwrap().into()];
    for person in [&mut alice, &mut bob, &mut carol] {
        person
            .up_args
            .extend(["--log-level".into(), "trace".into()]);
    }
    let mut needles = live(&mut alice, &mut bob, &mut carol);
    let data_key = fs::read(alice.home().join("data-key")).unwrap();
    let key = &data_key[8..40];
    needles.key("the data key of alice", key);

    let mut found = Vec::new();
    let mut searched = 0;
    let mut logged = false;
    for person in [&mut alice, &mut bob, &mut carol] {
        // While it runs, and again when everything is written.
        for running in [true, false] {
            if !running {
                assert_eq!(person.stop().code(), Some(0));
            }
            for path in files(person.home()).unwrap() {
                let Ok(bytes) = fs::read(&path) else { continue };
                searched += bytes.len();
                let name = path.strip_prefix(person.home()).unwrap();
                for what in needles.find(&bytes) {
                    let meant = (name.ends_with("api-token") && what.starts_with("the API token"))
                        || (name.ends_with("data-key") && what == "the data key of alice");
                    if !meant {
                        found.push(format!("{}: {}: {what}", person.name, name.display()));
                    }
                }
            }
        }
        let log = person.log();
        logged |= log.contains("\"level\":\"DEBUG\"");
        searched += log.len();
        for what in needles.find(log.as_bytes()) {
            found.push(format!("{}: log: {what}", person.name));
        }
    }
    eprintln!("{} forms looked for in {searched} bytes", needles.count());
    assert!(logged, "the nodes log more than usual");
    assert!(found.is_empty(), "{}", found.join("\n"));
}
