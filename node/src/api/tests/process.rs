//! The end of the process, and its log.

use super::*;
use serde_json::json;
use waxwing_protocol::output::Answer;

#[tokio::test]
async fn stop_is_answered_and_then_passed_on() {
    let node = Node::start(|_| Ok(Answer::Done)).await;
    assert_eq!(node.ask("GET", "/v1/stop", "", "").await.status, 405);
    let waiting = node.end.notified();
    let reply = node.ask("POST", "/v1/stop", "", "").await;
    assert_eq!(
        (reply.status, reply.json()),
        (202, json!({ "stopping": true }))
    );
    tokio::time::timeout(PATIENCE, waiting).await.unwrap();
    assert_eq!(node.told(), vec![]);
}

#[tokio::test]
async fn a_level_is_one_of_six_and_needs_a_log() {
    let node = Node::start(|_| Ok(Answer::Done)).await;
    for (body, status, code) in [
        (r#"{"level":"loud"}"#, 400, "invalid_level"),
        (r#"{"level":"libp2p_swarm=trace"}"#, 400, "invalid_level"),
        (r#"{"level":7}"#, 422, "invalid_body"),
        ("{}", 422, "invalid_body"),
        (r#"{"level":"debug"}"#, 409, "no_log"),
    ] {
        let reply = node.ask("PUT", "/v1/log", "", body).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (status, code),
            "{body}"
        );
    }
    assert_eq!(node.ask("GET", "/v1/log", "", "").await.code(), "no_log");
}
