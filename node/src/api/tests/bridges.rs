//! Bridges: those that one uses, and the one that one is.

use super::*;
use crate::api::convert;
use serde_json::json;
use waxwing_protocol::id::Fixed;
use waxwing_protocol::input::BridgeSettings;
use waxwing_protocol::output::RefusalKind;
use waxwing_protocol::query::{BridgeState, BridgeView, HostView};

const AT: u64 = 1_795_428_000_123;

fn answer(_: &Command) -> Result<Answer, Refusal> {
    Ok(Answer::Bridge {
        bridge: Fixed([7; 32]),
        operator: "Library".to_owned(),
        country: "MY".to_owned(),
    })
}

fn settings() -> BridgeSettings {
    BridgeSettings {
        country: "MY".to_owned(),
        operator: "Library".to_owned(),
        mailbox: true,
        forward: false,
        relay: true,
        public: Vec::new(),
        quota_bytes: 1 << 30,
    }
}

#[tokio::test]
async fn adding_and_giving_up_are_one_command_each() {
    let node = Node::start(answer).await;
    // This engine keeps nothing, so that what was added is gone by the time it is looked for.
    let body = r#"{"descriptor":" waxwing-bridge:x\n"}"#;
    let reply = node
        .ask("POST", "/v1/bridges", "idempotency-key: k1\r\n", body)
        .await;
    assert_eq!((reply.status, reply.code().as_str()), (404, "not_found"));
    let reply = node.ask("DELETE", "/v1/bridges/Lib%20rary", "", "").await;
    let id = Fixed([7; 32]).to_text();
    assert_eq!(reply.status, 200);
    assert_eq!(
        reply.json(),
        json!({ "bridge": id, "operator": "Library", "country": "MY" })
    );
    let add = Command::AddBridge {
        descriptor: "waxwing-bridge:x".to_owned(),
    };
    let remove = Command::RemoveBridge {
        bridge: "Lib rary".to_owned(),
    };
    assert_eq!(node.told(), [(Some("k1".to_owned()), add), (None, remove)]);
    let reply = node.ask("GET", "/v1/bridges", "", "").await;
    assert_eq!(
        (reply.status, reply.json()),
        (200, json!({ "bridges": [] }))
    );
}

#[tokio::test]
async fn what_the_engine_refuses_is_said() {
    let node = Node::start(|command| {
        let (kind, code) = match command {
            Command::AddBridge { descriptor } if descriptor == "x" => {
                (RefusalKind::Invalid, "bad_descriptor")
            }
            Command::AddBridge { .. } => (RefusalKind::Policy, "too_many_bridges"),
            _ => (RefusalKind::NotFound, "no_bridge"),
        };
        Err(Refusal {
            kind,
            code: code.to_owned(),
            message: "No.".to_owned(),
            hint: None,
        })
    })
    .await;
    for (method, path, body, status, code) in [
        (
            "POST",
            "/v1/bridges",
            r#"{"descriptor":"x"}"#,
            400,
            "bad_descriptor",
        ),
        (
            "POST",
            "/v1/bridges",
            r#"{"descriptor":"y"}"#,
            403,
            "too_many_bridges",
        ),
        ("POST", "/v1/bridges", "{}", 422, "invalid_body"),
        (
            "POST",
            "/v1/bridges",
            r#"{"descriptor":"x","n":1}"#,
            422,
            "invalid_body",
        ),
        ("DELETE", "/v1/bridges/x", "", 404, "no_bridge"),
        ("GET", "/v1/bridge", "", 404, "not_a_bridge"),
    ] {
        let reply = node.ask(method, path, "", body).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (status, code),
            "{body}"
        );
    }
    let reply = node.ask("GET", "/v1/bridge", "", "").await;
    assert!(reply.body.contains("`waxwing bridge up` starts one"));
}

#[test]
fn a_bridge_of_ours_letter_by_letter() {
    let view = BridgeView {
        bridge: Fixed([0; 32]),
        operator: "Library".to_owned(),
        country: "MY".to_owned(),
        roles: vec!["mailbox".to_owned()],
        addrs: vec!["/ip4/9.9.9.9/tcp/1".to_owned()],
        state: BridgeState::Connecting,
        last_seen: Some(AT),
        collected: 3,
        held: 5,
        trouble: Some("it is full".to_owned()),
    };
    let zeros = "a".repeat(52);
    assert_eq!(
        serde_json::to_string(&convert::bridge(view)).unwrap(),
        format!(
            concat!(
                r#"{{"bridge":"{}","operator":"Library","country":"MY","roles":["mailbox"],"#,
                r#""addrs":["/ip4/9.9.9.9/tcp/1"],"state":"connecting","#,
                r#""last_seen":"2026-11-23T10:00:00.123Z","collected":3,"held":5,"#,
                r#""trouble":"it is full"}}"#
            ),
            zeros
        )
    );
}

#[test]
fn this_bridge_letter_by_letter() {
    let view = HostView {
        bridge: Fixed([0; 32]),
        descriptor: "waxwing-bridge:x".to_owned(),
        mailboxes: 1,
        tags: 2,
        blocks: 3,
        bytes: 4,
        // What is set holds; the engine does not say.
        quota_bytes: 0,
        oldest: Some(AT),
        deposits: 6,
        collects: 7,
        forwards: 8,
        queued: 9,
        refused: vec![("full".to_owned(), 10)],
    };
    assert_eq!(
        serde_json::to_string(&convert::host(view, &settings())).unwrap(),
        format!(
            concat!(
                r#"{{"bridge":"{}","operator":"Library","country":"MY","#,
                r#""roles":["relay","mailbox"],"descriptor":"waxwing-bridge:x","listen":[],"#,
                r#""uptime_s":0,"connections":0,"mailboxes":1,"tags":2,"blocks":3,"bytes":4,"#,
                r#""quota_bytes":1073741824,"oldest":"2026-11-23T10:00:00.123Z","deposits":6,"deposits_per_second":0.0,"#,
                r#""collects":7,"forwards":8,"queued":9,"refused":{{"full":10}},"disk":null}}"#
            ),
            "a".repeat(52)
        )
    );
}
