//! Nonsense from every side: refused clearly, and the node goes on as if nothing had been.

use super::{meet, person, say, until_delivered};
use std::ffi::OsString;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::os::unix::ffi::OsStringExt;
use waxwing_tests::dice::{Dice, Purpose};
use waxwing_tests::http::{self, Answer};
use waxwing_tests::process::{Person, Said, run, until};

const SEED: u64 = 13;
const DATAGRAMS: u64 = 400;
const STREAMS: u64 = 60;
/// More than the API takes at once on one of its doors.
const HALF_OPEN: usize = 300;

fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn noise(dice: &mut Dice, most: u64) -> Vec<u8> {
    let length = dice.between((1, most));
    (0..length)
        .map(|_| u8::try_from(dice.below(256)).unwrap())
        .collect()
}

/// Bytes that look more or less like the beginning of what is spoken at a door.
fn opening(dice: &mut Dice) -> Vec<u8> {
    let mut bytes = match dice.below(5) {
        0 => b"\x13/multistream/1.0.0\n".to_vec(),
        1 => b"\x13/multistream/1.0.0\n\x07/noise\n\xff\xff".to_vec(),
        2 => b"GET /v1/status HTTP/1.1\r\nHost: ".to_vec(),
        3 => b"POST /v1/invites HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n".to_vec(),
        _ => Vec::new(),
    };
    bytes.extend(noise(dice, 2_000));
    bytes
}

fn shout<S: Read + Write>(mut stream: S, bytes: &[u8], hang_up: impl Fn(&S)) {
    // Whether anybody listens to the end does not matter.
    let _ = stream.write_all(bytes);
    hang_up(&stream);
    let _ = stream.take(1 << 20).read_to_end(&mut Vec::new());
}

fn both_still_talk(alice: &Person, bob: &Person) {
    assert_eq!(
        alice.run(&["status"]).ok()["account"],
        alice.ready()["account"]
    );
    let id = say(bob, "alice", "still there?");
    until_delivered(bob, &id);
    let id = say(alice, "bob", "still here");
    until_delivered(alice, &id);
}

#[test]
fn noise_at_every_door() {
    let (mut alice, mut bob) = (person("alice"), person("bob"));
    meet(&mut alice, &mut bob);
    let mut dice = Dice::new(SEED, Purpose::Script, 0, 0);
    let udp = UdpSocket::bind(local(0)).unwrap();
    let quic = local(alice.port("udp").unwrap());
    for _ in 0..DATAGRAMS {
        let mut bytes = noise(&mut dice, 1_400);
        // Half of them begin as a long header of QUIC version 1.
        if dice.below(2) == 0 && bytes.len() > 5 {
            let head = 0xc0 | bytes[0];
            bytes[..5].copy_from_slice(&[head, 0, 0, 0, 1]);
        }
        udp.send_to(&bytes, quic).unwrap();
    }
    let tcp = local(alice.port("tcp").unwrap());
    for _ in 0..STREAMS {
        for addr in [tcp, alice.api()] {
            let stream = http::at_port(addr).unwrap();
            shout(stream, &opening(&mut dice), |stream| {
                let _ = stream.shutdown(Shutdown::Write);
            });
        }
        let stream = http::at_socket(&alice.socket()).unwrap();
        shout(stream, &opening(&mut dice), |stream| {
            let _ = stream.shutdown(Shutdown::Write);
        });
    }
    both_still_talk(&alice, &bob);
    bob.kill();
    bob.up();
    until("bob gets through again", || bob.reaches("alice"));
}

#[test]
fn connections_that_never_say_anything() {
    let (mut alice, mut bob) = (person("alice"), person("bob"));
    meet(&mut alice, &mut bob);
    let tcp = local(alice.port("tcp").unwrap());
    let hold = |addr| -> Vec<TcpStream> {
        (0..HALF_OPEN)
            .filter_map(|_| TcpStream::connect(addr).ok())
            .collect()
    };
    let mut held = hold(alice.api());
    held.extend(hold(tcp));
    // The API's other door is open, and those who are connected stay so.
    both_still_talk(&alice, &bob);
    drop(held);
    until("the port answers again", || {
        let url = format!("http://{}", alice.api());
        let mut asked = alice.command(["--json", "status"]);
        run({
            asked.env("WAXWING_API", url);
            asked
        })
        .code
            == 0
    });
    bob.kill();
    bob.up();
    until("bob gets through again", || bob.reaches("alice"));
}

fn ask(alice: &Person, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let request = http::request(method, path, headers, body);
    http::exchange(http::at_port(alice.api()).unwrap(), &request).unwrap()
}

#[test]
fn requests_that_no_page_or_program_may_make() {
    let mut alice = person("alice");
    alice.up();
    let token = fs::read_to_string(alice.home().join("api-token")).unwrap();
    let bearer = format!("Bearer {}", token.trim());
    let host = alice.api().to_string();
    let origin = format!("http://{host}");
    let good = [("Host", host.as_str()), ("Authorization", bearer.as_str())];
    let with = |more: &[(&'static str, &'static str)]| [&good[..], more].concat();
    assert_eq!(ask(&alice, "GET", "/v1/status", &good, b"").status, 200);
    let own = [&good[..], &[("Origin", origin.as_str())]].concat();
    assert_eq!(ask(&alice, "GET", "/v1/status", &own, b"").status, 200);

    for headers in [
        vec![("Authorization", bearer.as_str())],
        vec![("Host", "evil.example"), good[1]],
        vec![("Host", "127.0.0.1:1"), good[1]],
        with(&[("Host", "evil.example")]),
        with(&[("Origin", "http://evil.example")]),
        with(&[("Origin", "null")]),
        with(&[("Sec-Fetch-Site", "cross-site")]),
        with(&[("Sec-Fetch-Site", "same-site")]),
    ] {
        let answer = ask(&alice, "GET", "/v1/status", &headers, b"");
        assert_eq!(answer.status, 403, "{headers:?}: {answer:?}");
        assert!(answer.code().ends_with("_not_allowed"), "{answer:?}");
    }
    for headers in [
        vec![good[0]],
        vec![good[0], ("Authorization", "Bearer nonsense")],
        vec![good[0], ("Authorization", "Bearer ")],
        vec![good[0], ("Authorization", "Basic YWxpY2U6YWxpY2U=")],
    ] {
        let answer = ask(&alice, "GET", "/v1/status", &headers, b"");
        assert_eq!((answer.status, answer.code()), (401, "unauthorized"));
    }

    let json = with(&[("Content-Type", "application/json")]);
    let form = with(&[("Content-Type", "application/x-www-form-urlencoded")]);
    let big = vec![b'x'; 1 << 20];
    let long = format!("/v1/contacts/{}", "x".repeat(8_000));
    let key = "k".repeat(129);
    let keyed = [&json[..], &[("Idempotency-Key", key.as_str())]].concat();
    for (method, path, headers, body, status) in [
        ("POST", "/v1/invites", &json, &big[..], 413),
        ("POST", "/v1/invites", &json, b"{", 400),
        ("POST", "/v1/invites", &json, b"[]", 422),
        ("POST", "/v1/invites", &json, b"{\"uses\":0}", 400),
        ("POST", "/v1/invites", &json, b"{\"uses\":300}", 422),
        ("POST", "/v1/invites", &json, b"{\"more\":1}", 422),
        ("POST", "/v1/invites", &json, b"\xff\xfe", 400),
        ("POST", "/v1/invites", &form, b"uses=1", 415),
        ("POST", "/v1/invites", &keyed, b"{}", 400),
        ("DELETE", "/v1/invites", &json, b"", 405),
        ("GET", "/v2/status", &json, b"", 404),
        ("GET", "/v1/contacts/%ff", &json, b"", 400),
        ("GET", "/v1/contacts/..%2f..%2fdata-key", &json, b"", 404),
        ("GET", &long, &json, b"", 404),
        ("GET", "/v1/messages/nonsense", &json, b"", 400),
        ("GET", "/v1/contacts/bob/messages?limit=0", &json, b"", 400),
        ("GET", "/v1/contacts/bob/messages?limit=x", &json, b"", 400),
        ("GET", "/v1/events?after=-1", &json, b"", 400),
    ] {
        let answer = ask(&alice, method, path, headers, body);
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
        assert!(!answer.code().is_empty(), "{method} {path}: {answer:?}");
    }
    assert_eq!(ask(&alice, "GET", "/v1/status", &good, b"").status, 200);
}

/// Words that nobody means.
fn junk() -> Vec<OsString> {
    let mut junk: Vec<OsString> = [
        "",
        " ",
        "--",
        "-",
        "\u{1b}[2J\u{7}",
        "\u{202e}live",
        "../../etc",
        "wax1",
        "waxwing:",
        "-1",
        "%00",
    ]
    .into_iter()
    .map(OsString::from)
    .collect();
    junk.push("x".repeat(100_000).into());
    junk.push("9".repeat(40).into());
    junk.push(OsString::from_vec(vec![0xff, 0xfe, b'x']));
    junk
}

/// It was refused, in words for a program, and nothing else was said.
fn assert_refused(said: &Said, line: &[OsString]) {
    let short: Vec<String> = line
        .iter()
        .map(|word| word.to_string_lossy().chars().take(30).collect())
        .collect();
    assert!(
        matches!(said.code, 1..=4 | 6..=8),
        "{short:?}: {} {}",
        said.code,
        said.err
    );
    assert_eq!(said.out, "", "{short:?}");
    said.error(said.code);
    assert!(said.err.len() < 2_000, "{short:?}");
    let loose = |c: char| c.is_control() && c != '\n';
    assert!(!said.err.contains(loose), "{short:?}: {:?}", said.err);
}

#[test]
fn every_argument_of_every_command_replaced_by_junk() {
    let mut alice = person("alice");
    alice.up();
    let id = "a".repeat(26);
    let lines: Vec<Vec<&str>> = [
        "status",
        "invite --uses @",
        "invite --expires @",
        "add @",
        "add waxwing:x --wait @",
        "requests @",
        "accept @",
        "decline @",
        "block @",
        "send @ hi",
        "send bob @",
        "send bob hi --wait @",
        "send bob hi --timeout @",
        "send bob hi --key @",
        "reply @ hi",
        "reply ID @",
        "react @ x",
        "react ID @",
        "read @",
        "read bob --limit @",
        "read bob --after @",
        "read bob --before @",
        "chat @",
        "watch --after @",
        "why @",
        "token create --scope @",
        "token create --scope read --contact @",
        "token create --scope read --expires @",
        "token create --scope read --rate @",
        "token revoke @",
        "words @",
        "demo @",
        "up --listen @",
        "up --api @",
        "up --passphrase-file @",
        "up --read-receipts @",
        "up --log-level @",
        "@",
        "contacts --api-url @",
    ]
    .iter()
    .map(|line| line.split(' ').collect())
    .collect();
    for line in &lines {
        if !line.contains(&"@") {
            continue;
        }
        for word in junk() {
            // Ends the options of a command; where it takes no words, nothing is wrong with it.
            if word == "--" && matches!(line[..], ["demo" | "words" | "requests", _]) {
                continue;
            }
            let fill = |part: &&str| match *part {
                "@" => word.clone(),
                "ID" => OsString::from(&id),
                part => part.into(),
            };
            let mut args: Vec<OsString> = vec!["--json".into()];
            args.extend(line.iter().map(fill));
            assert_refused(&run(alice.command(&args)), &args);
        }
    }
    let unmoved = alice.run(&["status"]).ok();
    assert_eq!(unmoved["contacts"], 0);
    assert_eq!(unmoved["account"], alice.ready()["account"]);
}
