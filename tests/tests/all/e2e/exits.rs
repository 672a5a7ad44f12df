//! Every way to fail has its exit code, a sentence, and JSON where that was asked for.

use super::{meet, person, state, until_delivered};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::time::Duration;
use waxwing_tests::process::{Person, finish, run, run_with, signal};

/// From when a message is accepted until the command that sent it knows.
const ANSWER_ON_ITS_WAY: Duration = Duration::from_secs(1);

#[test]
fn one_home_has_one_node() {
    let mut alice = person("alice");
    alice.up();
    let refused = alice.up_refused();
    assert_eq!(refused.error(7)["code"], "home_locked");
    assert_eq!(refused.out, "");
    let home = alice.home().to_str().unwrap();
    let plain = run(alice.command(["up", "--home", home]));
    assert_eq!(plain.code, 7);
    assert!(plain.err.contains("error: another node"), "{plain:?}");
    assert!(plain.err.contains("hint: "), "{plain:?}");
    // The one that runs is none the worse for it.
    assert_eq!(alice.run(&["status"]).code, 0);
    assert_eq!(alice.stop().code(), Some(0));
}

#[test]
fn a_passphrase_opens_its_home_and_no_other_does() {
    let mut alice = person("alice");
    let file = alice.dir().join("passphrase");
    fs::write(&file, "a quite long passphrase\n").unwrap();
    alice.up_args = vec!["--passphrase-file".into(), file.to_str().unwrap().into()];
    alice.up();
    assert_eq!(alice.stop().code(), Some(0));
    fs::write(&file, "another passphrase\n").unwrap();
    assert_eq!(alice.up_refused().error(4)["code"], "passphrase_wrong");
    fs::remove_file(&file).unwrap();
    assert_eq!(alice.up_refused().error(4)["code"], "passphrase_file");
    let args = std::mem::take(&mut alice.up_args);
    assert_eq!(alice.up_refused().error(4)["code"], "passphrase_needed");
    alice.up_args = args;
    fs::write(&file, "a quite long passphrase\n").unwrap();
    alice.up();
}

#[test]
fn refusals_before_and_without_a_node() {
    let mut alice = person("alice");
    for args in [
        &["contacts"][..],
        &["send", "bob", "hi"],
        &["watch"],
        &["id"],
        &["status"],
    ] {
        alice.run(args).error(5);
    }
    alice.up();
    alice.kill();
    // The socket of a killed node is still there, and nobody listens at it.
    assert!(alice.socket().exists());
    assert_eq!(alice.run(&["contacts"]).error(5)["code"], "no_node");
    // What the home can tell, it tells.
    assert_eq!(alice.run(&["id"]).ok()["account"], alice.ready()["account"]);
    let status = alice.run(&["status"]);
    assert_eq!(status.lines()[0]["running"], false);
    status.error(5);

    for args in [
        &["send", "bob"][..],
        &["send", "bob", "hi", "--wait", "soon"],
        &["read", "bob", "--limit", "0"],
        &["read", "bob", "--limit", "10001"],
        &["invite", "--uses", "101"],
        &["up", "--api", "0.0.0.0:0"],
        &["dance"],
        &[],
    ] {
        assert_eq!(alice.run(args).error(2)["code"], "usage", "{args:?}");
    }
    let mut nobody = person("");
    nobody.up_args.clear();
    assert_eq!(nobody.up_refused().code, 2);
    let home = nobody.dir().join("other");
    let unnamed = run(nobody.command(["up", "--json", "--home", home.to_str().unwrap()]));
    assert_eq!(unnamed.error(2)["code"], "name_needed");
}

#[test]
fn refusals_of_a_running_node() {
    let (mut alice, mut bob) = (person("alice"), person("bob"));
    meet(&mut alice, &mut bob);
    let id = "a".repeat(26);
    for args in [
        &["send", "nobody", "hi"][..],
        &["read", "nobody"],
        &["why", &id],
        &["reply", &id, "hi"],
        &["react", &id, "x"],
        &["accept", "nobody"],
        &["decline", "nobody"],
        &["block", "nobody"],
    ] {
        alice.run(args).error(3);
    }
    let too_long = "x".repeat(32 * 1024 + 1);
    assert_eq!(
        alice.run(&["send", "bob", &too_long]).error(8)["code"],
        "text_too_long"
    );
    let piped = run_with(
        alice.command(["send", "bob", "-", "--json"]),
        too_long.as_bytes(),
    );
    assert!(piped.error(8)["hint"].is_string());
    let longest = "x".repeat(32 * 1024);
    let args = ["send", "bob", &longest, "--wait", "delivered"];
    assert_eq!(alice.run(&args).ok()["state"], "delivered");
    let read = bob.run(&["read", "alice"]).ok();
    assert_eq!(read["text"].as_str(), Some(longest.as_str()));

    assert_eq!(alice.run(&["send", "bob", " \n"]).code, 2);
    assert_eq!(alice.run(&["add", "waxwing:nonsense"]).code, 2);
    let own = alice.run(&["invite"]).ok();
    let own = own["link"].as_str().unwrap();
    let refused = alice.run(&["add", own]);
    assert!(matches!(refused.code, 2 | 7 | 8), "{refused:?}");
    refused.error(refused.code);
}

#[test]
fn a_wait_that_ends_early_leaves_the_message_travelling() {
    let (mut alice, mut bob) = (person("alice"), person("bob"));
    meet(&mut alice, &mut bob);
    bob.kill();
    let args = [
        "send",
        "bob",
        "first",
        "--wait",
        "delivered",
        "--timeout",
        "1s",
    ];
    let late = alice.run(&args);
    let error = late.error(6);
    assert_eq!(error["code"], "timeout");
    assert!(error["hint"].as_str().unwrap().contains("waxwing why"));
    let first = waits(&late.lines()[0]);
    assert_ne!(state(&alice, &first), "delivered");

    let second = interrupted(&alice);
    bob.up();
    for id in [first, second] {
        until_delivered(&alice, &id);
    }
    let args = ["send", "bob", "third", "--wait", "read", "--timeout", "1s"];
    let late = alice.run(&args);
    late.error(6);
    assert_eq!(late.lines()[0]["state"], "delivered");
}

/// The id of a message that was accepted and has not arrived.
fn waits(line: &Value) -> String {
    let state = line["state"].as_str().unwrap();
    assert!(state == "queued" || state == "sent", "{line}");
    line["id"].as_str().unwrap().to_owned()
}

/// Ctrl-C in the middle of a wait: the line is printed, the message stays.
fn interrupted(alice: &Person) -> String {
    let cursor = alice.get("/v1/status")["cursor"].to_string();
    let args = "--json send bob second --wait delivered --timeout 1h";
    let child = alice.command(args.split(' ')).spawn().unwrap();
    let mut watch = alice
        .command(["--json", "watch", "--after", &cursor])
        .spawn()
        .unwrap();
    let stdout = BufReader::new(watch.stdout.take().unwrap());
    let mut heard = stdout.lines().map(Result::unwrap);
    assert!(heard.any(|line| line.contains("second")), "it is accepted");
    // The answer may still be on its way to the command, which then has no line to print yet.
    std::thread::sleep(ANSWER_ON_ITS_WAY);
    signal(&child, "INT");
    let said = finish(child);
    said.error(130);
    signal(&watch, "INT");
    assert_eq!(finish(watch).code, 130);
    waits(&said.lines()[0])
}
