//! Programs and their tokens: what each may, how fast, and until when.

use super::openapi::{operations, served};
use super::*;
use crate::api::model::TokenScope;
use crate::tokens::{Rate, TokenId, Wish};
use serde_json::{Value, json};
use waxwing_protocol::id::{AccountId, Mid};
use waxwing_protocol::output::State;

const SCOPES: [TokenScope; 3] = [TokenScope::Read, TokenScope::Send, TokenScope::Admin];

fn wish(scope: TokenScope) -> Wish {
    Wish {
        name: None,
        scope,
        contact: None,
        life: None,
        rate: Rate::per_second(1_000),
    }
}

async fn node() -> Node {
    Node::start(|_| {
        Ok(Answer::Message {
            id: Mid::ZERO,
            state: State::Queued,
        })
    })
    .await
}

impl Node {
    fn token(&self, wish: Wish) -> (TokenId, String) {
        let (token, text) = self.tokens.create(wish, None).unwrap();
        (token.id, text.to_string())
    }
}

/// A path of an operation with something in its variable parts, and with what makes it end at once.
fn filled(path: &str) -> String {
    let path = path
        .replace("{name}", "bob")
        .replace("{id}", &Mid::ZERO.to_text())
        .replace("{token}", "aaaaaaaaaaaaaaaa")
        .replace("{bridge}", "Library");
    assert!(!path.contains('{'), "{path}");
    match path.as_str() {
        "/v1/events" => "/v1/events?after=x".to_owned(),
        _ => path,
    }
}

#[tokio::test]
async fn every_route_lets_in_who_it_says_and_nobody_else() {
    let node = node().await;
    let document: Value = serde_json::from_str(&served().await).unwrap();
    let tokens = SCOPES.map(|scope| (scope.word(), node.token(wish(scope)).1));
    let mut owners = Vec::new();
    for (route, operation) in operations(&document) {
        let (method, path) = route.split_once(' ').unwrap();
        let needs = operation["security"][0]["token"][0].as_str().unwrap();
        let rank = |word| SCOPES.iter().position(|scope| scope.word() == word);
        if needs == "owner" {
            owners.push(route.clone());
        }
        for (scope, token) in &tokens {
            let method = method.to_uppercase();
            let reply = node.ask_as(token, &method, &filled(path), "").await;
            let refused = reply.status == 403 && reply.code() == "scope_too_small";
            let may = rank(needs).is_some_and(|needs| rank(scope) >= Some(needs));
            assert_eq!(refused, !may, "{route} under {scope}: {reply:?}");
            assert_ne!(reply.status, 401, "{route}");
        }
        let reply = node
            .ask(&method.to_uppercase(), &filled(path), "", "")
            .await;
        assert_ne!(reply.status, 403, "{route} is refused to the owner");
    }
    assert_eq!(owners, ["get /v1/words", "post /v1/words/written"]);
    // What lets a program in unseen would be a hole: looking changes nothing.
    for (route, operation) in operations(&document) {
        let needs = &operation["security"][0]["token"][0];
        assert!(route.starts_with("get ") || needs != "read", "{route}");
    }
}

#[tokio::test]
async fn a_token_of_one_contact_sees_nothing_else() {
    let node = node().await;
    let document: Value = serde_json::from_str(&served().await).unwrap();
    let (_, token) = node.token(Wish {
        contact: AccountId::from_slice(&[3; 32]),
        ..wish(TokenScope::Admin)
    });
    let mut open = Vec::new();
    for (route, operation) in operations(&document) {
        let (method, path) = route.split_once(' ').unwrap();
        let method = method.to_uppercase();
        let reply = node.ask_as(&token, &method, &filled(path), "").await;
        if operation["security"][0]["token"][0] == "owner" {
            assert_eq!(reply.code(), "scope_too_small", "{route}");
        } else if path.contains("{name}") {
            assert_eq!(
                (reply.status, reply.code().as_str()),
                (403, "other_contact"),
                "{route}"
            );
        } else if path.contains("{id}") {
            assert_eq!(
                (reply.status, reply.code().as_str()),
                (404, "not_found"),
                "{route}"
            );
        } else if reply.status != 403 {
            open.push(path.to_owned());
        } else {
            assert_eq!(reply.code(), "whole_node", "{route}");
        }
    }
    // Whoever adds to these has made their handler show one contact alone.
    let filtered = [
        "/v1/contacts",
        "/v1/events",
        "/v1/id",
        "/v1/openapi.json",
        "/v1/requests",
    ];
    assert_eq!(open, filtered);
    assert_eq!(node.told(), vec![]);
}

#[tokio::test]
async fn a_token_is_made_listed_and_revoked() {
    let node = node().await;
    let wish = r#"{"scope":"send","name":"echo","expires":"30d","rate":"20/s"}"#;
    let made = node.ask("POST", "/v1/tokens", "", wish).await;
    assert_eq!(made.status, 201, "{made:?}");
    let made = made.json();
    let text = made["token"].as_str().unwrap().to_owned();
    let id = made["id"].as_str().unwrap().to_owned();
    let shown = json!({
        "id": id, "name": "echo", "scope": "send", "contact": null,
        "created": "2027-01-15T08:00:00.000Z", "expires": "2027-02-14T08:00:00.000Z",
        "expired": false, "last_used": null, "rate": "20/s",
    });
    let mut whole = shown.clone();
    whole["token"] = json!(text);
    assert_eq!(made, whole);

    assert_eq!(
        node.ask_as(&text, "GET", "/v1/contacts", "").await.status,
        200
    );
    let list = node.ask("GET", "/v1/tokens", "", "").await.json();
    let mut used = shown;
    used["last_used"] = json!("2027-01-15T08:00:00.000Z");
    assert_eq!(list, json!({ "tokens": [used] }));

    let path = format!("/v1/tokens/{id}/revoke");
    let revoked = node.ask("POST", &path, "", "").await;
    assert_eq!(revoked.json(), json!({ "id": id, "revoked": true }));
    let reply = node.ask_as(&text, "GET", "/v1/contacts", "").await;
    assert_eq!((reply.status, reply.code().as_str()), (401, "unauthorized"));
    let reply = node.ask("POST", &path, "", "").await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (404, "no_such_token")
    );
}

#[tokio::test]
async fn a_wish_for_a_token_has_to_make_sense() {
    let node = node().await;
    let long = format!(r#"{{"scope":"read","name":"{}"}}"#, "x".repeat(65));
    for (body, status, code) in [
        ("{}", 422, "invalid_body"),
        (r#"{"scope":"owner"}"#, 422, "invalid_body"),
        (
            r#"{"scope":"read","expires":"0s"}"#,
            400,
            "invalid_duration",
        ),
        (
            r#"{"scope":"read","expires":"4000d"}"#,
            400,
            "invalid_duration",
        ),
        (r#"{"scope":"read","rate":"0/s"}"#, 400, "invalid_rate"),
        (r#"{"scope":"read","name":" "}"#, 400, "invalid_name"),
        (long.as_str(), 400, "invalid_name"),
        (r#"{"scope":"read","contact":"bob"}"#, 404, "not_found"),
    ] {
        let reply = node.ask("POST", "/v1/tokens", "", body).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (status, code),
            "{body}"
        );
    }
    let (_, admin) = node.token(wish(TokenScope::Admin));
    let body = r#"{"scope":"admin","rate":"1001/s"}"#;
    let reply = node.ask_as(&admin, "POST", "/v1/tokens", body).await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (403, "beyond_own_power")
    );
    let made = node
        .ask_as(&admin, "POST", "/v1/tokens", r#"{"scope":"admin"}"#)
        .await;
    assert_eq!((made.status, &made.json()["rate"]), (201, &json!("50/s")));
    assert_eq!(node.tokens.list().len(), 2);
}

#[tokio::test]
async fn a_program_that_asks_too_fast_is_told_when_to_come_back() {
    let node = node().await;
    let rate = Rate::parse("1/m").unwrap();
    let (_, slow) = node.token(Wish {
        rate,
        ..wish(TokenScope::Read)
    });
    let (_, other) = node.token(wish(TokenScope::Read));
    let mut asked = 0;
    let told = loop {
        let reply = node.ask_as(&slow, "GET", "/v1/contacts", "").await;
        if reply.status != 200 {
            break reply;
        }
        asked += 1;
    };
    assert_eq!(asked, 50);
    assert_eq!((told.status, told.code().as_str()), (429, "too_fast"));
    assert!(told.head.contains("\r\nretry-after: 60\r\n"), "{told:?}");
    // Paths that are not there are not free, and nobody else pays.
    assert_eq!(
        node.ask_as(&slow, "GET", "/v1/nothing", "").await.status,
        429
    );
    assert_eq!(
        node.ask_as(&other, "GET", "/v1/contacts", "").await.status,
        200
    );
    for _ in 0..200 {
        assert_eq!(node.local("GET", "/v1/contacts", "").await.status, 200);
    }
    node.clock.fetch_add(60_000, Ordering::Relaxed);
    assert_eq!(
        node.ask_as(&slow, "GET", "/v1/contacts", "").await.status,
        200
    );
    assert_eq!(
        node.ask_as(&slow, "GET", "/v1/contacts", "").await.status,
        429
    );
}

#[tokio::test]
async fn dear_routes_have_a_bound_for_all_programs_together() {
    let node = node().await;
    let mut told = None;
    for n in 0..60 {
        // Each has plenty left of its own.
        let (_, token) = node.token(wish(TokenScope::Admin));
        let reply = node.ask_as(&token, "POST", "/v1/tokens", "{}").await;
        if reply.status == 429 {
            told = Some((n, reply.code()));
            break;
        }
        assert_eq!(reply.status, 422);
    }
    assert_eq!(told, Some((50, "too_fast".to_owned())));
    assert_eq!(node.ask("POST", "/v1/tokens", "", "{}").await.status, 422);
}

#[tokio::test]
async fn wrong_tokens_are_told_to_wait_and_right_ones_never() {
    let node = node().await;
    let (_, right) = node.token(wish(TokenScope::Read));
    // Asked at once, so that their delays run side by side.
    let wrong = (0..60).map(|_| node.ask_as("nope", "GET", "/v1/contacts", ""));
    let replies = futures::future::join_all(wrong).await;
    let count = |status| {
        replies
            .iter()
            .filter(|reply| reply.status == status)
            .count()
    };
    assert_eq!((count(401), count(429)), (50, 10));
    for reply in replies.iter().filter(|reply| reply.status == 429) {
        assert_eq!(reply.code(), "too_many_wrong_tokens");
        assert!(reply.head.contains("retry-after: 1\r\n"), "{reply:?}");
    }
    assert_eq!(
        node.ask_as(&right, "GET", "/v1/contacts", "").await.status,
        200
    );
    assert_eq!(node.ask("GET", "/v1/contacts", "", "").await.status, 200);
}

#[tokio::test]
async fn a_token_that_is_shown_counts_on_the_socket_too() {
    let node = node().await;
    let (_, read) = node.token(wish(TokenScope::Read));
    for (token, status) in [(read.as_str(), 403), ("nope", 401), (TOKEN, 201)] {
        let headers = format!("host: localhost\r\nauthorization: Bearer {token}\r\n");
        let path = "/v1/contacts/bob/messages";
        let ask = request("POST", path, &headers, r#"{"text":"hi"}"#);
        let stream = UnixStream::connect(node.socket()).await.unwrap();
        assert_eq!(exchange(stream, &ask).await.status, status, "{token}");
    }
}

#[tokio::test]
async fn a_programs_keys_are_its_own() {
    let node = node().await;
    let (_, one) = node.token(wish(TokenScope::Send));
    let (_, other) = node.token(wish(TokenScope::Send));
    let path = "/v1/contacts/bob/messages";
    for token in [TOKEN, &one, &one, &other] {
        let headers = format!(
            "host: {}\r\nauthorization: Bearer {token}\r\nidempotency-key: k1\r\n",
            node.host()
        );
        let ask = request("POST", path, &headers, r#"{"text":"hi"}"#);
        assert_eq!(node.raw(&ask).await.status, 201);
    }
    let keys: Vec<String> = node.told().into_iter().filter_map(|(key, _)| key).collect();
    assert_eq!((keys.len(), keys[0].as_str()), (4, "k1"));
    assert_eq!(keys[1], keys[2]);
    assert!(keys[1] != keys[3] && keys[1] != "k1" && keys[3] != "k1");
}

/// An open event stream, read up to its first event.
async fn listen(node: &Node, token: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(node.server.addr()).await.unwrap();
    let host = node.host();
    let ask = format!(
        "GET /v1/events HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\
         connection: close\r\n\r\n"
    );
    stream.write_all(ask.as_bytes()).await.unwrap();
    let mut text = String::new();
    while !text.contains("id: 0\n\n") && !text.contains("problem+json") {
        let mut bytes = vec![0; 4_096];
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut bytes)).await;
        let read = read.unwrap().unwrap();
        assert_ne!(read, 0, "{text}");
        text.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
    }
    (stream, text)
}

async fn ends(mut stream: TcpStream) {
    let mut rest = Vec::new();
    let end = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
    assert!(end.unwrap().is_ok());
}

#[tokio::test]
async fn a_stream_ends_with_its_token() {
    let node = node().await;
    let (id, text) = node.token(wish(TokenScope::Read));
    let (stream, head) = listen(&node, &text).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    node.tokens.revoke(&id).unwrap();
    ends(stream).await;

    let life = Some(60_000);
    let (_, text) = node.token(Wish {
        life,
        ..wish(TokenScope::Read)
    });
    let (stream, _) = listen(&node, &text).await;
    node.clock.fetch_add(60_000, Ordering::Relaxed);
    let reply = node.ask_as(&text, "GET", "/v1/contacts", "").await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (401, "token_expired")
    );
    node.tokens.tend();
    ends(stream).await;
}

#[tokio::test]
async fn one_token_has_so_many_streams_and_leaves_the_rest_to_others() {
    let node = node().await;
    let (_, text) = node.token(wish(TokenScope::Read));
    let (_, other) = node.token(wish(TokenScope::Read));
    let mut streams = Vec::new();
    for _ in 0..8 {
        streams.push(listen(&node, &text).await.0);
    }
    let (_, told) = listen(&node, &text).await;
    assert!(
        told.starts_with("HTTP/1.1 429") && told.contains("too_many_streams"),
        "{told}"
    );
    assert!(listen(&node, &other).await.1.starts_with("HTTP/1.1 200"));
    assert!(listen(&node, TOKEN).await.1.starts_with("HTTP/1.1 200"));
}
