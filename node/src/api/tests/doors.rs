//! Who gets in, what is asked, how it is answered.

use super::*;
use crate::api::ApiError;
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use waxwing_protocol::id::Mid;
use waxwing_protocol::output::{ContactState, RefusalKind, State};

fn sent(_: &Command) -> Result<Answer, Refusal> {
    Ok(Answer::Message {
        id: Mid::ZERO,
        state: State::Queued,
    })
}

fn refuse(kind: RefusalKind, code: &str) -> Result<Answer, Refusal> {
    Err(Refusal {
        kind,
        code: code.to_owned(),
        message: "No.".to_owned(),
        hint: Some("ask bob".to_owned()),
    })
}

#[tokio::test]
async fn a_text_becomes_one_command_with_its_key() {
    let node = Node::start(sent).await;
    let reply = node
        .ask(
            "POST",
            "/v1/contacts/bob%20b/messages",
            "idempotency-key: k1\r\n",
            r#"{"text":"hi"}"#,
        )
        .await;
    assert_eq!(reply.status, 201);
    assert_eq!(
        reply.json(),
        json!({ "id": Mid::ZERO.to_text(), "state": "queued" })
    );
    let wish = Command::Send {
        to: "bob b".to_owned(),
        text: "hi".to_owned(),
        reply_to: None,
    };
    assert_eq!(node.told(), vec![(Some("k1".to_owned()), wish)]);
}

#[tokio::test]
async fn every_post_reaches_the_engine_as_its_command() {
    let node = Node::start(|command| match command {
        Command::Invite { .. } => Ok(Answer::Invite {
            link: "waxwing:x".to_owned(),
            expires: 1_800_000_000,
            uses: 2,
        }),
        Command::MarkRead { .. } => Ok(Answer::Marked { count: 3 }),
        Command::WordsWritten => Ok(Answer::Done),
        Command::React { .. } => sent(command),
        _ => Ok(Answer::Contact {
            name: "bob".to_owned(),
            account: waxwing_protocol::id::Fixed::ZERO,
            state: ContactState::Connected,
        }),
    })
    .await;
    let id = Mid::ZERO.to_text();
    let name = || "bob".to_owned();
    let asks = [
        (
            "/v1/invites".to_owned(),
            r#"{"uses":2,"expires":"12h"}"#.to_owned(),
            201,
            Command::Invite {
                uses: 2,
                life: Some(43_200),
            },
        ),
        (
            "/v1/invites".to_owned(),
            String::new(),
            201,
            Command::Invite {
                uses: 1,
                life: None,
            },
        ),
        (
            "/v1/contacts".to_owned(),
            r#"{"link":"waxwing:x","note":"hi"}"#.to_owned(),
            201,
            Command::Add {
                link: "waxwing:x".to_owned(),
                name: None,
                note: Some("hi".to_owned()),
            },
        ),
        (
            "/v1/requests/bob/accept".to_owned(),
            String::new(),
            200,
            Command::Accept { name: name() },
        ),
        (
            "/v1/requests/bob/decline".to_owned(),
            String::new(),
            200,
            Command::Decline { name: name() },
        ),
        (
            "/v1/contacts/bob/block".to_owned(),
            String::new(),
            200,
            Command::Block { name: name() },
        ),
        (
            "/v1/contacts/bob/read".to_owned(),
            format!(r#"{{"upto":"{id}"}}"#),
            200,
            Command::MarkRead {
                name: name(),
                upto: Some(Mid::ZERO),
            },
        ),
        (
            format!("/v1/messages/{id}/reactions"),
            r#"{"emoji":"👍"}"#.to_owned(),
            201,
            Command::React {
                to: Mid::ZERO,
                emoji: "👍".to_owned(),
            },
        ),
        (
            "/v1/words/written".to_owned(),
            String::new(),
            200,
            Command::WordsWritten,
        ),
    ];
    for (path, body, status, command) in asks {
        let reply = node.ask("POST", &path, "", &body).await;
        assert_eq!(reply.status, status, "{path}: {reply:?}");
        assert_eq!(node.told().last().unwrap().1, command, "{path}");
    }
}

#[tokio::test]
async fn refusals_are_problems_with_their_status() {
    let node = Node::start(|command| match command {
        Command::Accept { .. } => refuse(RefusalKind::NotFound, "not_found"),
        Command::Decline { .. } => refuse(RefusalKind::Conflict, "conflict"),
        Command::Block { .. } => refuse(RefusalKind::Policy, "blocked"),
        Command::Send { .. } => refuse(RefusalKind::Policy, "text_too_long"),
        _ => refuse(RefusalKind::Invalid, "link_invalid"),
    })
    .await;
    for (path, body, status, code) in [
        ("/v1/requests/x/accept", "", 404, "not_found"),
        ("/v1/requests/x/decline", "", 409, "conflict"),
        ("/v1/contacts/x/block", "", 403, "blocked"),
        (
            "/v1/contacts/x/messages",
            r#"{"text":"x"}"#,
            413,
            "text_too_long",
        ),
        ("/v1/contacts", r#"{"link":"x"}"#, 400, "link_invalid"),
    ] {
        let reply = node.ask("POST", path, "", body).await;
        assert_eq!((reply.status, reply.code().as_str()), (status, code));
        assert_eq!(reply.json()["hint"], "ask bob");
    }
}

#[tokio::test]
async fn what_does_not_fit_is_refused_before_the_engine() {
    let node = Node::start(sent).await;
    let id = Mid::ZERO.to_text();
    let long_key = format!("idempotency-key: {}\r\n", "k".repeat(129));
    for (path, headers, body, status, code) in [
        ("/v1/contacts/bob/messages", "", "{", 400, "invalid_body"),
        (
            "/v1/contacts/bob/messages",
            "",
            r#"{"text":7}"#,
            422,
            "invalid_body",
        ),
        (
            "/v1/contacts/bob/messages",
            "",
            r#"{"text":"x","typo":1}"#,
            422,
            "invalid_body",
        ),
        (
            "/v1/contacts/bob/messages",
            "",
            r#"{"text":"x","reply_to":"x"}"#,
            400,
            "invalid_id",
        ),
        (
            "/v1/messages/x/reactions",
            "",
            r#"{"emoji":"x"}"#,
            400,
            "invalid_id",
        ),
        (
            "/v1/invites",
            "",
            r#"{"expires":"soon"}"#,
            400,
            "invalid_duration",
        ),
        ("/v1/invites", long_key.as_str(), "", 400, "invalid_key"),
        ("/v1/contacts/%FF/block", "", "", 400, "invalid_path"),
    ] {
        let reply = node.ask("POST", path, headers, body).await;
        assert_eq!((reply.status, reply.code().as_str()), (status, code));
    }
    for (method, path, status, code) in [
        ("GET", "/v1/nothing", 404, "not_found"),
        ("GET", "/", 404, "not_found"),
        ("DELETE", "/v1/contacts", 405, "method_not_allowed"),
        (
            "GET",
            "/v1/contacts/bob/messages?limit=0",
            400,
            "invalid_limit",
        ),
        (
            "GET",
            "/v1/contacts/bob/messages?limit=x",
            400,
            "invalid_query",
        ),
        ("GET", "/v1/contacts/bob", 404, "not_found"),
        ("GET", "/v1/contacts/bob/messages", 404, "not_found"),
        ("GET", "/v1/id", 503, "not_ready"),
        ("GET", "/v1/words", 404, "words_erased"),
        ("GET", "/v1/events?after=7", 410, "resync"),
    ] {
        let reply = node.ask(method, path, "", "").await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (status, code),
            "{path}"
        );
    }
    for (cursor, status, code) in [("x", 400, "invalid_cursor"), ("7", 410, "resync")] {
        let header = format!("last-event-id: {cursor}\r\n");
        let reply = node.ask("GET", "/v1/events", &header, "").await;
        assert_eq!((reply.status, reply.code().as_str()), (status, code));
    }
    for path in [
        format!("/v1/messages/{id}"),
        format!("/v1/messages/{id}/why"),
    ] {
        assert_eq!(node.ask("GET", &path, "", "").await.status, 404);
    }
    assert_eq!(node.told(), vec![]);
}

#[tokio::test]
async fn a_body_has_to_be_json_and_of_reasonable_size() {
    let node = Node::start(sent).await;
    let path = "/v1/contacts/bob/messages";
    let headers = format!(
        "host: {}\r\nauthorization: Bearer {TOKEN}\r\ncontent-type: text/plain\r\n\
         content-length: 12\r\nconnection: close\r\n",
        node.host()
    );
    let form = format!("POST {path} HTTP/1.1\r\n{headers}\r\n{{\"text\":\"x\"}}");
    assert_eq!(node.raw(&form).await.code(), "unsupported_media_type");

    // The longest text, every byte of it escaped, still fits.
    let longest = format!(r#"{{"text":"{}"}}"#, "\\u0001".repeat(32 * 1024));
    assert_eq!(node.ask("POST", path, "", &longest).await.status, 201);
    let larger = format!(r#"{{"text":"{}"}}"#, "x".repeat(256 * 1024));
    let reply = node.ask("POST", path, "", &larger).await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (413, "body_too_large")
    );
}

#[tokio::test]
async fn tcp_needs_the_token_our_host_and_our_origin() {
    let node = Node::start(sent).await;
    let host = node.host();
    let good = format!("host: {host}\r\nauthorization: Bearer {TOKEN}\r\n");
    let get = |headers: &str| request("GET", "/v1/contacts", headers, "");
    let reply = node.raw(&get(&good)).await;
    assert_eq!(reply.status, 200);
    for header in [
        "x-content-type-options: nosniff",
        "cache-control: no-store",
        "referrer-policy: no-referrer",
    ] {
        assert!(reply.head.contains(header), "{header}");
    }
    assert!(!reply.head.contains("access-control"));

    let ours = format!("{good}origin: http://{host}\r\nsec-fetch-site: same-origin\r\n");
    assert_eq!(node.raw(&get(&ours)).await.status, 200);
    for (headers, status, code) in [
        (format!("host: {host}\r\n"), 401, "unauthorized"),
        (
            format!("host: {host}\r\nauthorization: Bearer nope\r\n"),
            401,
            "unauthorized",
        ),
        (
            format!("host: evil.example\r\nauthorization: Bearer {TOKEN}\r\n"),
            403,
            "host_not_allowed",
        ),
        (
            format!("{good}origin: http://evil.example\r\n"),
            403,
            "origin_not_allowed",
        ),
        (
            format!("{good}sec-fetch-site: cross-site\r\n"),
            403,
            "site_not_allowed",
        ),
    ] {
        let reply = node.raw(&get(&headers)).await;
        assert_eq!((reply.status, reply.code().as_str()), (status, code));
        assert!(reply.head.contains("nosniff"));
    }
    // Unknown paths say nothing to strangers either.
    let bare = format!("host: {host}\r\n");
    let reply = node.raw(&request("GET", "/v1/nothing", &bare, "")).await;
    assert_eq!(reply.status, 401);
    assert!(reply.head.contains("www-authenticate: bearer"));
}

#[tokio::test]
async fn the_socket_is_the_owners_and_needs_no_token() {
    let node = Node::start(sent).await;
    let mode = std::fs::metadata(node.socket()).unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
    let reply = node.local("GET", "/v1/contacts", "").await;
    assert_eq!(reply.json(), json!({ "contacts": [] }));
    let reply = node.local("GET", "/v1/requests", "").await;
    assert_eq!(reply.json(), json!({ "requests": [] }));
    let path = "/v1/contacts/bob/messages";
    let reply = node.local("POST", path, r#"{"text":"hi"}"#).await;
    assert_eq!(reply.status, 201);
}

#[tokio::test]
async fn a_stale_socket_is_replaced_and_anything_else_is_not() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("api.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let local = || config(&home, Ipv4Addr::LOCALHOST);
    let server = serve(local(), orphan()).await.unwrap();
    assert!(UnixStream::connect(&path).await.is_ok());
    server.shutdown().await;
    assert!(!path.exists());

    std::fs::write(&path, "mine").unwrap();
    let refused = serve(local(), orphan()).await;
    assert!(matches!(refused, Err(ApiError::Socket { .. })));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");

    let refused = serve(config(&home, Ipv4Addr::UNSPECIFIED), orphan()).await;
    assert!(matches!(refused, Err(ApiError::NotLoopback(_))));
}

#[tokio::test]
async fn an_engine_that_is_gone_is_said_so() {
    let home = tempfile::tempdir().unwrap();
    let config = config(&home, Ipv4Addr::LOCALHOST);
    let server = serve(config, orphan()).await.unwrap();
    let stream = UnixStream::connect(home.path().join("api.sock"))
        .await
        .unwrap();
    let ask = request("GET", "/v1/contacts", "host: localhost\r\n", "");
    let reply = exchange(stream, &ask).await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (503, "shutting_down")
    );
    server.shutdown().await;
}

#[tokio::test]
async fn an_event_stream_opens_at_once_and_ends_with_the_server() {
    let node = Node::start(sent).await;
    let mut stream = UnixStream::connect(node.socket()).await.unwrap();
    let ask = "GET /v1/events HTTP/1.1\r\nhost: localhost\r\n\r\n";
    stream.write_all(ask.as_bytes()).await.unwrap();
    let mut head = vec![0; 4_096];
    let read = tokio::time::timeout(PATIENCE, stream.read(&mut head)).await;
    head.truncate(read.unwrap().unwrap());
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(head.contains("text/event-stream"), "{head}");

    let Node { server, .. } = node;
    tokio::time::timeout(PATIENCE, server.shutdown())
        .await
        .unwrap();
    let mut rest = Vec::new();
    let end = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
    assert!(end.unwrap().is_ok());
}
