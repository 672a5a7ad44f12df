//! The bot of the guide, as it stands there: it answers everything once, whatever ends in between.

use super::{meet, messages, person, say, until_delivered};
use serde_json::json;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use waxwing_tests::process::{Person, finish, until};

/// The guide promises so many, less the first two, which say what it is and what it uses.
const LINES: usize = 20;

/// The program between the fences of the guide's section "A bot".
fn program() -> String {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guide/scripting.md");
    let guide = fs::read_to_string(guide).unwrap();
    let (_, section) = guide.split_once("\n## A bot\n").unwrap();
    let (_, program) = section.split_once("```python\n").unwrap();
    let (program, _) = program.split_once("```").unwrap();
    program.to_owned()
}

#[test]
fn it_is_as_short_as_the_guide_says() {
    let program = program();
    let lines = program.lines().filter(|line| !line.trim().is_empty());
    assert_eq!(lines.count(), LINES + 2);
}

/// Starts the program beside bob's home, as the guide types it.
fn start(bob: &Person, token: &str) -> Child {
    Command::new("python3")
        .arg("bot.py")
        .arg(format!("http://{}", bob.api()))
        .current_dir(bob.dir())
        .env("WAXWING_TOKEN", token)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python3")
}

fn end(mut bot: Child) {
    bot.kill().unwrap();
    bot.wait().unwrap();
}

/// Answers that alice has, oldest first.
fn answers(alice: &Person) -> Vec<(String, String)> {
    let told = |message: &serde_json::Value| {
        let text = message["text"].as_str()?.strip_prefix("you said: ")?;
        let to = message["reply_to"].as_str().unwrap_or_default();
        Some((text.to_owned(), to.to_owned()))
    };
    messages(alice, "bob").iter().filter_map(told).collect()
}

/// Skipped without Python, which building and testing need for nothing else; `.ci/run` installs it.
fn has_python() -> bool {
    let asked = Command::new("python3").arg("--version").output();
    let there = asked.is_ok_and(|said| said.status.success());
    if !there {
        eprintln!("skipped: there is no python3");
    }
    there
}

#[test]
fn it_answers_each_text_once_over_kills_of_everybody() {
    if !has_python() {
        return;
    }
    let (mut alice, mut bob) = (person("alice"), person("bob"));
    // The bot is told one address for good.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = port.local_addr().unwrap().to_string();
    drop(port);
    bob.up_args = vec!["--api".to_owned(), addr];
    meet(&mut alice, &mut bob);
    fs::write(bob.dir().join("bot.py"), program()).unwrap();
    let words = ["token", "create", "--scope", "send", "--contact", "alice"];
    let token = bob.run(&words).ok();
    let text = token["token"].as_str().unwrap();
    let mut said: Vec<(String, String)> = Vec::new();
    let mut ask = |alice: &Person, text: &str| {
        let id = say(alice, "bob", text);
        said.push((text.to_owned(), id));
        said.clone()
    };

    let bot = start(&bob, text);
    until("the bot has its place", || {
        bob.dir().join("bot.cursor").exists()
    });
    let all = ask(&alice, "one");
    until("the first answer is there", || answers(&alice) == all);
    // A reaction and an edit are told as the message they are of, and are no new text.
    let react = format!("/v1/messages/{}/reactions", all[0].1);
    alice
        .ask("POST", &react, "", &json!({ "emoji": "👍" }))
        .unwrap();

    // The node is killed under it: it finds the node again by itself.
    bob.kill();
    bob.up();
    let all = ask(&alice, "two");
    until("it came back", || answers(&alice) == all);

    // Killed itself, it goes on where it was, and finds what came meanwhile.
    end(bot);
    let all = ask(&alice, "three");
    until_delivered(&alice, &all[2].1);
    let bot = start(&bob, text);
    until("what came meanwhile is answered", || answers(&alice) == all);
    // Told an older place, it answers nothing twice.
    end(bot);
    fs::write(bob.dir().join("bot.cursor"), "0").unwrap();
    let bot = start(&bob, text);
    let all = ask(&alice, "four");
    until("all of it again, and one more", || answers(&alice) == all);

    // Without its token it ends, and says why.
    let revoke = ["token", "revoke", token["id"].as_str().unwrap()];
    bob.run(&revoke).ok();
    let said = finish(bot);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains("token"), "{said:?}");
    assert_eq!(answers(&alice).len(), 4);
}
