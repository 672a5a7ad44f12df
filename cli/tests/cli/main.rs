//! The real executable against a scripted node: what it asks, prints, and exits with.

mod config;
mod doctor;
mod help;
mod live;
mod node;

use node::{Answer, Asked, Node};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Far beyond what anything here takes; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(10);

const STATUS: &str = r#"{"account":"wax1a","name":"alice","peer":null,"version":"0.1.0","uptime_s":5,"listen":["/ip4/127.0.0.1/tcp/1"],"reachability":"loopback","reachability_why":"so","nat":"unknown","relays":[],"roles":[],"contacts":1,"connected":0,"requests":0,"outbox":0,"cursor":4,"words_kept":false,"bridges":[],"disk":null}"#;
const QUEUED: &str = r#"{"id":"m1","state":"queued"}"#;

fn command(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_waxwing"));
    command
        .env_clear()
        .env("WAXWING_HOME", home)
        .env("TZ", "UTC")
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Waits for the end, reading meanwhile: a pipe holds less than some answers.
fn finish(mut child: Child) -> Output {
    fn drain(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
        std::thread::spawn(move || {
            let mut all = Vec::new();
            if let Some(mut pipe) = pipe {
                pipe.read_to_end(&mut all).unwrap();
            }
            all
        })
    }
    let (stdout, stderr) = (drain(child.stdout.take()), drain(child.stderr.take()));
    let since = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if since.elapsed() > PATIENCE {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("did not end");
        }
        std::thread::sleep(POLL);
    };
    Output {
        status,
        stdout: stdout.join().unwrap(),
        stderr: stderr.join().unwrap(),
    }
}

fn run(home: &Path, args: &[&str]) -> (i32, String, String) {
    ended(finish(command(home, args).spawn().unwrap()))
}

fn run_with(home: &Path, args: &[&str], input: &[u8]) -> (i32, String, String) {
    let mut child = command(home, args).stdin(Stdio::piped()).spawn().unwrap();
    // A command that refuses its input early closes it early.
    let _ = child.stdin.take().unwrap().write_all(input);
    ended(finish(child))
}

fn ended(output: Output) -> (i32, String, String) {
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

fn state_event(cursor: u64, state: &str) -> String {
    format!(
        "id: {cursor}\nevent: state\ndata: {{\"cursor\":{cursor},\"event\":\"state\",\"id\":\"m1\",\"contact\":\"bob\",\"state\":\"{state}\",\"at\":\"2026-11-23T10:00:00.000Z\"}}\n\n"
    )
}

fn message(id: &str, mine: bool, state: &str, text: &str) -> String {
    let from = if mine { "alice" } else { "bob" };
    format!(
        r#"{{"id":"{id}","contact":"bob","from":"{from}","mine":{mine},"text":"{text}","clock":1,"sent_at":"2026-11-23T10:00:00.000Z","received_at":null,"state":"{state}","late":false,"reply_to":null,"reactions":[],"edited":false,"expires_at":null,"muted":false,"imported":false}}"#
    )
}

fn contact(unread: u64) -> String {
    format!(
        r#"{{"name":"bob","account":"wax1b","state":"connected","verified":false,"verify_again":false,"muted":false,"muted_until":null,"clearing":false,"reach":"direct","last_seen":null,"unread":{unread},"peer":null,"draft":null}}"#
    )
}

fn paths(asked: &[Asked]) -> Vec<String> {
    asked
        .iter()
        .map(|ask| format!("{} {}", ask.method, ask.path))
        .collect()
}

#[test]
fn send_prints_id_and_state_and_brings_its_own_key() {
    let node = Node::start(|_| Answer::json(201, QUEUED));
    let (code, out, err) = run(node.home(), &["send", "bob b", "hi", "--json"]);
    assert_eq!((code, out.trim(), err.as_str()), (0, QUEUED, ""));
    let asked = node.asked();
    assert_eq!(paths(&asked), ["POST /v1/contacts/bob%20b/messages"]);
    assert_eq!(asked[0].body, r#"{"text":"hi"}"#);
    assert_eq!(asked[0].header("idempotency-key").unwrap().len(), 26);
    assert_eq!(asked[0].header("authorization"), None);
}

#[test]
fn a_broken_connection_is_tried_once_more_with_the_same_key() {
    let mut calls = 0;
    let node = Node::start(move |_| {
        calls += 1;
        if calls == 1 {
            Answer::HangUp
        } else {
            Answer::json(201, QUEUED)
        }
    });
    let (code, out, _) = run(node.home(), &["send", "bob", "hi"]);
    assert_eq!((code, out.trim()), (0, "queued  m1"));
    let asked = node.asked();
    assert_eq!(asked.len(), 2);
    assert_eq!(
        asked[0].header("idempotency-key"),
        asked[1].header("idempotency-key")
    );

    let node = Node::start(|_| Answer::HangUp);
    let (code, _, _) = run(node.home(), &["send", "bob", "hi", "--key", "k7"]);
    assert_eq!((code, node.asked().len()), (5, 2));
    assert_eq!(node.asked()[1].header("idempotency-key"), Some("k7"));
}

#[test]
fn without_a_node_the_hint_says_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    for args in [
        &["contacts", "--json"][..],
        &["--json", "send", "bob", "hi"],
        &["watch", "--json"],
    ] {
        let (code, out, err) = run(home.path(), args);
        assert_eq!((code, out.as_str()), (5, ""));
        assert_eq!(
            err.trim(),
            r#"{"error":{"code":"no_node","hint":"start one with `waxwing up`","message":"no node is running here"}}"#
        );
    }
}

#[test]
fn problems_become_exit_codes_a_sentence_and_a_hint() {
    let node = Node::start(|_| {
        Answer::json(
            404,
            r#"{"type":"urn:waxwing:problem:not_found","title":"Not Found","status":404,"code":"not_found","detail":"There is no \u001b[2J.","hint":"waxwing contacts"}"#,
        )
    });
    let (code, out, err) = run(node.home(), &["send", "dave", "hi"]);
    assert_eq!((code, out.as_str()), (3, ""));
    assert_eq!(
        err,
        "error: There is no \\u{1b}[2J.\nhint: waxwing contacts\n"
    );
}

#[test]
fn usage_errors_exit_2_also_in_json() {
    let home = tempfile::tempdir().unwrap();
    let (code, out, err) = run(home.path(), &["send", "bob", "--json"]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.starts_with(r#"{"error":{"code":"usage","#), "{err}");
    assert_eq!(run(home.path(), &["read", "bob", "--limit", "0"]).0, 2);
    let (code, out, _) = run(home.path(), &["--version"]);
    assert_eq!((code, out.starts_with("waxwing ")), (0, true));
    let (code, out, _) = run(home.path(), &["send", "--help"]);
    assert_eq!((code, out.contains("Examples:")), (0, true));
}

#[test]
fn a_wait_listens_before_it_sends() {
    let node = Node::start(|asked| match asked.path.as_str() {
        "/v1/status" => Answer::json(200, STATUS),
        "/v1/events?after=4" => Answer::Stream(format!(
            ": beat\n\n{}{}",
            state_event(5, "sent"),
            state_event(6, "delivered")
        )),
        _ => Answer::json(201, QUEUED),
    });
    let args = ["send", "bob", "hi", "--wait", "delivered", "--json"];
    let (code, out, err) = run(node.home(), &args);
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(out.trim(), r#"{"id":"m1","state":"delivered"}"#);
    assert_eq!(
        paths(&node.asked()),
        [
            "GET /v1/status",
            "GET /v1/events?after=4",
            "POST /v1/contacts/bob/messages"
        ]
    );
}

#[test]
fn a_wait_that_takes_too_long_prints_how_far_it_came() {
    let node = Node::start(|asked| match asked.path.as_str() {
        "/v1/status" => Answer::json(200, STATUS),
        "/v1/events?after=4" => Answer::Stream(state_event(5, "sent")),
        _ => Answer::json(201, QUEUED),
    });
    let args = ["send", "bob", "hi", "--wait", "read", "--timeout", "1s"];
    let (code, out, err) = run(node.home(), &args);
    assert_eq!((code, out.trim()), (6, "sent  m1"));
    assert!(err.contains("hint: `waxwing why m1`"), "{err}");
}

#[test]
fn a_wait_for_what_can_no_longer_come_ends() {
    let node = Node::start(|asked| match asked.path.as_str() {
        "/v1/status" => Answer::json(200, STATUS),
        "/v1/events?after=4" => Answer::Stream(state_event(5, "refused")),
        _ => Answer::json(201, QUEUED),
    });
    let args = ["send", "bob", "hi", "--wait", "read"];
    assert_eq!(run(node.home(), &args).0, 8);
}

#[test]
fn a_stream_that_breaks_goes_on_from_the_last_cursor() {
    let node = Node::start(|asked| match asked.path.as_str() {
        "/v1/status" => Answer::json(200, STATUS),
        "/v1/events?after=4" => Answer::ShortStream(state_event(5, "sent")),
        "/v1/events?after=5" => Answer::Stream(state_event(6, "delivered")),
        _ => Answer::json(201, QUEUED),
    });
    let args = ["send", "bob", "hi", "--wait", "delivered"];
    let (code, out, _) = run(node.home(), &args);
    assert_eq!((code, out.trim()), (0, "delivered  m1"));
}

fn interrupt(child: &Child) {
    let pid = child.id().to_string();
    let killed = Command::new("kill").args(["-INT", &pid]).status().unwrap();
    assert!(killed.success());
}

#[test]
fn ctrl_c_while_waiting_prints_the_line_and_exits_130() {
    // Once it asks for events after 5, it has read the answer and the first event.
    let node = Node::start(|asked| match asked.path.as_str() {
        "/v1/status" => Answer::json(200, STATUS),
        "/v1/events?after=4" => Answer::ShortStream(state_event(5, "sent")),
        "/v1/events?after=5" => Answer::Stream(String::new()),
        _ => Answer::json(201, QUEUED),
    });
    let args = [
        "send",
        "bob",
        "hi",
        "--wait",
        "read",
        "--timeout",
        "1h",
        "--json",
    ];
    let child = command(node.home(), &args).spawn().unwrap();
    let since = Instant::now();
    while node.asked().len() < 4 {
        assert!(since.elapsed() < PATIENCE);
        std::thread::sleep(POLL);
    }
    interrupt(&child);
    let (code, out, err) = ended(finish(child));
    assert_eq!((code, out.trim()), (130, r#"{"id":"m1","state":"sent"}"#));
    assert!(err.contains(r#""code":"interrupted""#), "{err}");
}

#[test]
fn read_marks_what_it_showed_and_peek_does_not() {
    let list = format!(
        r#"{{"messages":[{},{},{}]}}"#,
        message("m1", false, "read", "old"),
        message("m2", false, "delivered", "new \\u001b[31m\\nalice: fake"),
        message("m3", true, "sent", "mine"),
    );
    let answer = move |asked: &Asked| match asked.path.as_str() {
        "/v1/contacts/bob" => Answer::json(200, &contact(1)),
        "/v1/contacts/bob/messages?limit=50" => Answer::json(200, &list),
        "/v1/contacts/bob/read" => Answer::json(200, r#"{"count":1}"#),
        other => panic!("{other}"),
    };
    let node = Node::start(answer.clone());
    let (code, out, _) = run(node.home(), &["read", "bob"]);
    assert_eq!(code, 0);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 4, "{out}");
    assert!(lines[0].ends_with("bob: old  [m1]"), "{out}");
    assert!(lines[1].ends_with("bob: new \\u{1b}[31m"), "{out}");
    assert_eq!(lines[2], "        alice: fake  [m2]");
    assert!(lines[3].ends_with("you: mine  [sent, m3]"), "{out}");
    let asked = node.asked();
    let last = asked.last().unwrap();
    assert_eq!(last.path, "/v1/contacts/bob/read");
    assert_eq!(last.body, r#"{"upto":"m2"}"#);

    let node = Node::start(answer);
    let (code, out, _) = run(node.home(), &["read", "bob", "--peek", "--json"]);
    assert_eq!((code, out.lines().count()), (0, 3));
    assert!(node.asked().iter().all(|asked| asked.method == "GET"));
}

#[test]
fn read_marks_nothing_while_older_unread_messages_were_left_out() {
    let list = format!(
        r#"{{"messages":[{}]}}"#,
        message("m9", false, "delivered", "newest")
    );
    let node = Node::start(move |asked| match asked.path.as_str() {
        "/v1/contacts/bob" => Answer::json(200, &contact(3)),
        "/v1/contacts/bob/messages?limit=1" => Answer::json(200, &list),
        other => panic!("{other}"),
    });
    let (code, _, err) = run(node.home(), &["read", "bob", "--limit", "1"]);
    assert_eq!((code, err.contains("nothing is marked")), (0, true));
    assert!(node.asked().iter().all(|asked| asked.method == "GET"));
}

#[test]
fn text_comes_from_stdin_and_too_much_of_it_is_policy() {
    let node = Node::start(|_| Answer::json(201, QUEUED));
    let (code, _, _) = run_with(
        node.home(),
        &["send", "bob", "-"],
        "two\nlines\n".as_bytes(),
    );
    assert_eq!(code, 0);
    assert_eq!(node.asked()[0].body, r#"{"text":"two\nlines"}"#);
    let much = vec![b'x'; 100_000];
    let (code, _, err) = run_with(node.home(), &["send", "bob", "-"], &much);
    assert_eq!((code, err.contains("hint: ")), (8, true));
    assert_eq!(node.asked().len(), 1);
}

#[test]
fn watch_passes_objects_through_until_ctrl_c() {
    let node = Node::start(|asked| match asked.path.as_str() {
        "/v1/events?after=9" => Answer::Stream(state_event(10, "sent")),
        other => panic!("{other}"),
    });
    let args = ["watch", "--json", "--after", "9"];
    let mut child = command(node.home(), &args).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let event = state_event(10, "sent");
    let data = event.lines().find_map(|line| line.strip_prefix("data: "));
    assert_eq!(Some(line.trim_end()), data);
    interrupt(&child);
    assert_eq!(finish(child).status.code(), Some(130));
}

#[test]
fn a_cursor_that_is_too_old_says_resync() {
    let node = Node::start(|_| {
        Answer::json(
            410,
            r#"{"type":"urn:waxwing:problem:resync","title":"Gone","status":410,"code":"resync","detail":"Too old."}"#,
        )
    });
    let (code, _, err) = run(node.home(), &["watch", "--json", "--after", "1"]);
    assert_eq!((code, err.contains(r#""code":"resync""#)), (1, true));
}

#[test]
fn add_waits_until_both_sides_know() {
    let connected = contact(0).replacen('{', r#"{"cursor":5,"event":"contact","#, 1);
    let connected = connected.replace(
        r#""draft":null}"#,
        r#""draft":null,"at":"2026-11-23T10:00:00.000Z"}"#,
    );
    let node = Node::start(move |asked| match asked.path.as_str() {
        "/v1/status" => Answer::json(200, STATUS),
        "/v1/events?after=4" => {
            Answer::Stream(format!("id: 5\nevent: contact\ndata: {connected}\n\n"))
        }
        _ => Answer::json(201, r#"{"name":"bob","account":"wax1b","state":"pending"}"#),
    });
    let args = ["add", "waxwing:x", "--wait", "30s", "--json"];
    let (code, out, err) = run(node.home(), &args);
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(
        out.trim(),
        r#"{"name":"bob","account":"wax1b","state":"connected"}"#
    );
}

#[test]
fn invite_prints_the_link_alone() {
    let node = Node::start(|_| {
        Answer::json(
            201,
            r#"{"link":"waxwing:x","expires":"2026-11-30T10:00:00.000Z","uses":1}"#,
        )
    });
    let (code, out, err) = run(node.home(), &["invite", "--expires", "12h"]);
    assert_eq!((code, out.as_str()), (0, "waxwing:x\n"));
    assert!(err.contains("For one person"), "{err}");
    assert_eq!(node.asked()[0].body, r#"{"uses":1,"expires":"43200s"}"#);
}

#[test]
fn chat_sends_lines_from_a_pipe_and_ends_when_they_are_safe() {
    let node = Node::start(|asked| match asked.path.as_str() {
        "/v1/status" => Answer::json(200, STATUS),
        "/v1/events?after=4" => Answer::Stream(String::new()),
        "/v1/contacts/bob" => Answer::json(200, &contact(0)),
        "/v1/contacts/bob/messages?limit=20" => Answer::json(200, r#"{"messages":[]}"#),
        "/v1/contacts/bob/notices" => Answer::json(200, r#"{"notices":[]}"#),
        "/v1/contacts/bob/messages" => Answer::json(201, QUEUED),
        other => panic!("{other}"),
    });
    let (code, _, _) = run_with(node.home(), &["chat", "bob"], b"hello\n\nbye");
    assert_eq!(code, 0);
    let asked = node.asked();
    let said: Vec<&str> = asked
        .iter()
        .filter(|asked| asked.method == "POST")
        .map(|asked| asked.body.as_str())
        .collect();
    assert_eq!(said, [r#"{"text":"hello"}"#, r#"{"text":"bye"}"#]);
    // In a pipe nobody can say again what was not sent.
    assert_eq!(run_with(node.home(), &["chat", "bob"], b"/dance\n").0, 2);
}

#[test]
fn over_tcp_the_token_of_the_home_goes_along() {
    let node = Node::start_tcp(|_| Answer::json(200, STATUS));
    std::fs::write(node.home().join("api-token"), "t0ken\n").unwrap();
    let output = command(node.home(), &["status", "--json"])
        .env("WAXWING_API", node.url())
        .spawn()
        .unwrap();
    let (code, out, _) = ended(finish(output));
    assert_eq!((code, out.trim()), (0, STATUS));
    let asked = node.asked();
    assert_eq!(asked[0].header("authorization"), Some("Bearer t0ken"));
    assert_eq!(
        asked[0].header("host").map(|host| format!("http://{host}")),
        Some(node.url())
    );
}
