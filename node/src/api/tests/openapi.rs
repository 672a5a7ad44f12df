//! The document: what is served is what is committed, and every route in it is told in full.

use super::*;
use serde_json::{Map, Value};
use std::path::Path;
use waxwing_protocol::output::Answer;

const METHODS: [&str; 5] = ["get", "put", "post", "patch", "delete"];

pub(super) async fn served() -> String {
    let node = Node::start(|_| Ok(Answer::Done)).await;
    let reply = node.ask("GET", "/v1/openapi.json", "", "").await;
    assert_eq!(reply.status, 200);
    assert!(reply.head.contains("content-type: application/json"));
    reply.body
}

/// `WRITE_OPENAPI=1 cargo test -p waxwing-node openapi` writes the file anew.
#[tokio::test]
async fn the_committed_document_is_the_one_that_is_served() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    let served = served().await;
    if std::env::var_os("WRITE_OPENAPI").is_some() {
        std::fs::write(&path, &served).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == served,
        "docs/openapi.json is out of date: WRITE_OPENAPI=1 cargo test -p waxwing-node openapi"
    );
}

#[tokio::test]
async fn events_are_told_by_kind_and_none_is_told_that_never_comes() {
    let document: Value = serde_json::from_str(&served().await).unwrap();
    let kinds = &document["components"]["schemas"]["Change"]["oneOf"];
    let kinds: Vec<&Value> = kinds
        .as_array()
        .unwrap()
        .iter()
        .map(|kind| match kind["allOf"].as_array() {
            Some(parts) => &parts[1]["properties"]["event"]["enum"][0],
            None => &kind["properties"]["event"]["enum"][0],
        })
        .collect();
    let told = [
        "message", "state", "contact", "request", "reach", "removed", "notice",
    ];
    for kind in told {
        assert!(kinds.iter().any(|known| *known == kind), "{kind}");
    }
    assert!(!kinds.iter().any(|known| *known == "other"));
}

pub(super) fn operations(document: &Value) -> Vec<(String, &Map<String, Value>)> {
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in METHODS {
            if let Some(operation) = item[method].as_object() {
                found.push((format!("{method} {path}"), operation));
            }
        }
    }
    found
}

#[tokio::test]
async fn every_route_is_told_in_full() {
    let document: Value = serde_json::from_str(&served().await).unwrap();
    let operations = operations(&document);
    assert!(operations.len() >= 25);
    let mut ids = std::collections::BTreeSet::new();
    for (route, operation) in operations {
        let told = |key: &str| operation[key].as_str().is_some_and(|text| !text.is_empty());
        assert!(told("summary"), "{route} says nothing of itself");
        assert_eq!(
            operation["tags"].as_array().map(Vec::len),
            Some(1),
            "{route}"
        );
        assert!(ids.insert(operation["operationId"].to_string()), "{route}");

        let none = Vec::new();
        let parameters = operation.get("parameters").and_then(Value::as_array);
        let parameters: Vec<&str> = parameters
            .unwrap_or(&none)
            .iter()
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        for part in route.split('/').filter_map(|part| part.strip_prefix('{')) {
            let name = part.trim_end_matches('}');
            assert!(parameters.contains(&name), "{route} does not tell {name}");
        }

        let responses = operation["responses"].as_object().unwrap();
        let good = responses.keys().filter(|status| status.starts_with('2'));
        assert_eq!(good.count(), 1, "{route}");
        for (status, response) in responses {
            let response = match response["$ref"].as_str() {
                Some(name) => document.pointer(&name[1..]).unwrap(),
                None => response,
            };
            let text = response["description"].as_str();
            assert!(
                text.is_some_and(|text| !text.is_empty()),
                "{route} {status}"
            );
            let content = response["content"].as_object().unwrap();
            let problem = content.contains_key("application/problem+json");
            assert_eq!(problem, !status.starts_with('2'), "{route} {status}");
        }
    }
}
